# buildah with rundlet for what it runs, which it calls itself: create, start, state, kill, delete.
# shellcheck shell=bash disable=SC2154
load podman

setup_file() {
  image
  podman_config
  build_in from --name plain scratch >/dev/null
  build_in add plain "$ENGINES/box.tar" / >/dev/null
  build_in commit --quiet plain box >/dev/null
}

build() {
  build_in "$@" </dev/null
}

build_in() {
  limited buildah "$@"
}

in_plain() { # [OPTION...] COMMAND...: in the container that the file has from scratch
  build run --runtime "$NAME" --isolation oci "$@"
}

@test "buildah run: exit codes, standard streams, terminal" {
  is hello in_plain plain echo hello
  ends 3 in_plain plain sh -c 'echo out; exit 3'
  says out
  is typed build_in run --runtime "$NAME" --isolation oci --terminal=false plain cat <<<typed
  ends 1 in_plain plain absent
  says_why 'executable file not found in $PATH' 'executable file `absent` not found in $PATH'
  ends 137 in_plain plain sh -c 'sh -c "kill -9 \$\$"; exit $?'
  run on_terminal --size 33x77 timeout -k 5 "$LIMIT" buildah run --runtime "$NAME" --isolation oci --terminal plain \
    sh -c 'until [ "$(stty size 2>/dev/null)" = "33 77" ]; do sleep 0.1; done; tty' </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "${output//$'\r'/}" = /dev/pts/0 ]
}

@test "buildah run: user, capabilities, volumes, networks, namespaces, limits of the user, hostname" {
  mkdir -p "$ENGINES/shown"
  echo shown >"$ENGINES/shown/file"
  ends 0 in_plain --user 1000:77 --cap-drop all --volume "$ENGINES/shown:/shown:ro" --network none \
    --hostname name --workingdir /var --env WHO=me plain sh -c 'id -u; id -g; grep CapBnd /proc/self/status; cat /shown/file
      touch /shown/other || echo read-only; ls /sys/class/net; hostname; pwd; echo $WHO; grep ^Seccomp: /proc/self/status'
  for words in 1000 77 $'CapBnd:\t0000000000000000' shown read-only lo name /var me $'Seccomp:\t2'; do says "$words"; done
  for kind in net ipc uts; do readlink "/proc/self/ns/$kind"; done >"$BATS_TEST_TMPDIR/host"
  ends 0 in_plain --network host --ipc host --uts host plain sh -c 'for kind in net ipc uts; do readlink /proc/self/ns/$kind; done'
  cmp "$OUT" "$BATS_TEST_TMPDIR/host"
  ends 0 in_plain plain ip -4 -o address
  says eth0
}

@test "buildah copy, config, commit, bud: an image that podman runs" {
  echo copied >"$ENGINES/copied"
  build copy plain "$ENGINES/copied" /copied >/dev/null
  is copied in_plain plain cat /copied
  build config --cmd 'cat /copied' --user 1000 plain
  build commit --quiet plain changed >/dev/null
  is copied pod run --rm --network none changed
  cat >"$ENGINES/Containerfile" <<'FILE'
FROM box AS first
RUN echo built >/made && test "$(id -u)" = 0
FROM box
COPY --from=first /made /made
COPY copied /copied
ENV WHO=me
WORKDIR /new/folder
RUN --mount=type=tmpfs,target=/scratch touch /scratch/file && grep -q " /scratch " /proc/self/mounts
USER 1000
RUN id -u >/tmp/who && pwd >>/tmp/who
CMD cat /made /copied /tmp/who
FILE
  ends 0 build bud --runtime "$NAME" --isolation oci --shm-size 2m --tag built \
    --file "$ENGINES/Containerfile" "$ENGINES"
  is $'built\ncopied\n1000\n/new/folder' pod run --rm --network none built
  printf 'FROM box\nRUN exit 7\n' >"$ENGINES/Containerfile"
  ends 7 build bud --runtime "$NAME" --isolation oci --file "$ENGINES/Containerfile" "$ENGINES"
}

@test "buildah bud: limits are in the cgroup's files" {
  needs_controller memory cpu cpuset
  # shellcheck disable=SC2016 # for the container's shell
  printf 'FROM box\nRUN cd /sys/fs/cgroup && cat memory.max cpu.max cpuset.cpus >/limits\n' >"$ENGINES/Containerfile"
  ends 0 build bud --runtime "$NAME" --isolation oci --memory 64m --memory-swap 64m --cpu-quota 50000 --cpu-period 100000 \
    --cpuset-cpus 1 --cgroup-parent /builds --tag limited --file "$ENGINES/Containerfile" "$ENGINES"
  is $'67108864\n50000 100000\n1' pod run --rm --network none limited cat /limits
}

@test "buildah as an ordinary user" {
  mkdir -p "$ENGINES/tester/tmp"
  chown -R 4242:4242 "$ENGINES/tester"
  # shellcheck disable=SC2054 # no list
  as=(env -i -C / "PATH=$PATH" "HOME=$ENGINES/tester" XDG_RUNTIME_DIR=/run/user/4242 "TMPDIR=$ENGINES/tester/tmp"
    setpriv --reuid 4242 --regid 4242 --clear-groups --inh-caps=-all timeout -k 5 "$LIMIT" buildah)
  ends 0 "${as[@]}" from --name own scratch </dev/null
  ends 0 "${as[@]}" add own "$ENGINES/box.tar" / </dev/null
  ends 5 "${as[@]}" run --runtime "$NAME" --isolation oci --network none own \
    sh -c 'id -u; touch /made; stat -c "%u:%g" /made; exit 5' </dev/null
  says $'0\n0:0'
  ends 0 "${as[@]}" rm own </dev/null
}

@test "nothing of buildah is left" {
  build rm --all >/dev/null
  wait_for nothing_left || nothing_left
}
