#!/usr/bin/env bats
# What users really run: a Debian, an image unpacked by umoci, podman with rundlet as its runtime.

load helpers

setup() {
  rundlet_only
  bundle_setup
}

teardown() {
  if [ -n "${PODMAN:-}" ]; then
    podman_here rm --force --all --time 1 >/dev/null 2>&1 || true
    find "$CGROUPS/$PODMAN" -depth -type d -exec rmdir {} + 2>/dev/null || true
    rm -rf --one-file-system "$HERE"
  fi
  bundle_teardown
}

# --- Debian ----------------------------------------------------------------------------------------------------------
# $DEBIAN: a minimal Debian, made by tests/real/debian.sh before the tests; nothing may write to it.
debian() {
  DEBIAN=$BUILD/real/debian
  [ -d "$DEBIAN" ] || { echo "there is no $DEBIAN (make bats makes it)"; cat "$DEBIAN.log"; return 1; }
  rm -rf "$BUNDLE/rootfs"
  mkdir -p "$BUNDLE/rootfs" "$BATS_TEST_TMPDIR/app/opt" "$BATS_TEST_TMPDIR/upper"
  echo "an application" >"$BATS_TEST_TMPDIR/app/opt/app"
  config '.process.env = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=vt100", "LC_ALL=C"]'
}

debian_run() { # runs the payload in an overlay of two layers
  rundlet run --bundle "$BUNDLE" --layer "$BATS_TEST_TMPDIR/app" --layer "$DEBIAN" --upper "$BATS_TEST_TMPDIR/upper" "$ID"
}

@test "Debian as an overlay of two layers: dpkg and apt work, what they write lands in the upper one" {
  debian
  before=$(find "$DEBIAN" -printf '%p %T@ %C@ %s\n' | sort | sha256sum)
  payload bash -ec 'cat /opt/app; dpkg -l | grep -c "^ii"; apt-get --version | head -n 1; apt-config dump | grep -c .
    dpkg --verify bash; touch /new; echo more >>/etc/motd; rm /etc/issue; apt-mark hold bash; useradd someone; id -u someone'
  config '.process.capabilities |= map_values(. + ["CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID"])'
  run debian_run </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = "an application" ]
  [ "${lines[1]}" -gt 80 ]
  [[ ${lines[2]} = "apt 2."* ]]
  [ "${lines[3]}" -gt 50 ]
  [ "${lines[4]}" = "bash set on hold." ]
  [ "${lines[5]}" = 1000 ]
  cd "$BATS_TEST_TMPDIR/upper/upper"
  [ -e new ]
  [ "$(tail -n 1 etc/motd)" = more ]
  [ "$(stat -c '%F %t:%T' etc/issue)" = "character special file 0:0" ]
  grep -q '^someone:' etc/passwd
  grep -qx 'Status: hold ok installed' var/lib/dpkg/status
  [ "$(find "$DEBIAN" -printf '%p %T@ %C@ %s\n' | sort | sha256sum)" = "$before" ]
}

@test "Debian's shell on a terminal: it has job control, the exit status is the shell's" {
  debian
  payload bash --norc -i
  config '.process.terminal = true'
  run on_terminal timeout "$LIMIT" "$RUNTIME" --root "$ROOT" run --bundle "$BUNDLE" --layer "$DEBIAN" --upper tmpfs "$ID" <<'TYPED'
stty -echo; PS1=; tty; ps -o tpgid= -p $$ | grep -cx "  *$$"; sleep 1000 &
kill %1 && echo jobs
exit 7
TYPED
  echo "$output"
  [ "$status" = 7 ]
  [[ $output = */dev/pts/0* || $output = */dev/console* ]]
  [[ $output = *jobs* ]]
  [[ $output != *"no job control"* ]]
}

# --- umoci -----------------------------------------------------------------------------------------------------------
@test "an image unpacked by umoci runs as it is" {
  image=$BATS_TEST_TMPDIR/image
  umoci init --layout "$image"
  umoci new --image "$image:box"
  umoci insert --image "$image:box" "$BUNDLE/rootfs" /
  umoci config --image "$image:box" --config.cmd /bin/sh --config.cmd -c --config.env GREETING=hello --config.workingdir /home \
    --config.user user --config.cmd 'tty; id -u; pwd; echo $GREETING; hostname; grep -c . /proc/self/mountinfo; exit 3'
  umoci unpack --image "$image:box" "$BATS_TEST_TMPDIR/unpacked"
  sum=$(sha256sum <"$BATS_TEST_TMPDIR/unpacked/config.json")
  run on_terminal timeout "$LIMIT" "$RUNTIME" --root "$ROOT" run --bundle "$BATS_TEST_TMPDIR/unpacked" "$ID" </dev/null
  output=${output//$'\r'/}
  echo "$output"
  [ "$status" = 3 ]
  [[ $output = /dev/*$'\n1000\n/home\nhello\numoci-default\n'* ]]
  [ "$(sha256sum <"$BATS_TEST_TMPDIR/unpacked/config.json")" = "$sum" ]
}

# --- podman ----------------------------------------------------------------------------------------------------------
# podman with everything it keeps in $HERE, and rundlet as its runtime through conmon.
podman_here() {
  env -u XDG_RUNTIME_DIR HOME="$HERE" timeout -k 5 $((LIMIT * 2)) podman --root "$HERE/root" --runroot "$HERE/run" \
    --tmpdir "$HERE/tmp" --storage-driver vfs --cgroup-manager cgroupfs --events-backend none \
    --runtime "$HERE/runtime" "$@" 3>&- 4>&- </dev/null
}

podman_setup() {
  PODMAN=podman-$ID
  HERE=$(mktemp -d "${TMPDIR:-/tmp}/p.XXXXXX") # podman takes at most 50 characters
  # podman gives its runtime no state folder; the test looks for leaks in its own.
  cat >"$HERE/runtime" <<RUNTIME
#!/bin/sh
exec "$RUNDLET" --root "$ROOT" "\$@"
RUNTIME
  chmod +x "$HERE/runtime"
  # What this machine may not have: more open files than now, a pids limit on a hybrid host.
  OPTIONS=(--network none --log-driver k8s-file --cgroup-parent "/$PODMAN" --security-opt apparmor=unconfined)
  [ -n "${IN_VM:-}" ] || OPTIONS+=(--ulimit host --pids-limit -1)
}

@test "podman runs, enters, stops and removes containers with rundlet" {
  podman_setup
  run podman_here run "${OPTIONS[@]}" --rm --hostname inside --env GREETING=hello --rootfs "$BUNDLE/rootfs" \
    sh -c 'hostname; echo $GREETING; grep ^Seccomp: /proc/self/status; exit 3'
  echo "$output"
  [ "$status" = 3 ]
  [ "$output" = $'inside\nhello\nSeccomp:\t2' ]
  podman_here run "${OPTIONS[@]}" --detach --name box --rootfs "$BUNDLE/rootfs" \
    sh -c 'trap "echo bye; exit 4" TERM; echo >/tmp/ready; while true; do sleep 0.1; done' >/dev/null
  wait_for test -e "$BUNDLE/rootfs/tmp/ready"
  rundlet list --quiet | grep -q .
  run podman_here exec --env WHO=me --user user box sh -c 'echo $WHO; id -u; exit 5'
  echo "$output"
  [ "$status" = 5 ]
  [ "$output" = $'me\n1000' ]
  podman_here stop --time 20 box
  [ "$(podman_here inspect --format '{{.State.Status}} {{.State.ExitCode}}' box)" = "exited 4" ]
  [ "$(podman_here logs box)" = bye ]
  podman_here rm box
  [ -z "$(podman_here ps --all --quiet)" ]
  [ -z "$(rundlet list --quiet)" ]
}

@test "podman's own config.json, with its seccomp profile of more than 400 calls, runs by hand as it is" {
  podman_setup
  podman_here run "${OPTIONS[@]}" --detach --name box --rootfs "$BUNDLE/rootfs" sh -c 'grep Cap /proc/self/status
    cat /etc/hostname /run/.containerenv; grep ^Seccomp: /proc/self/status; cat /proc/mounts >/mounts; exec sleep 1000' >/dev/null
  wait_for test -s "$BUNDLE/rootfs/mounts"
  wait_for eval 'podman_here logs box | grep -q Seccomp'
  podman_here logs box >"$BATS_TEST_TMPDIR/by-podman"
  mounts=$(sort "$BUNDLE/rootfs/mounts")
  # Its container is alive, so all that its config names is there.
  name=$(rundlet list --quiet)
  bundle=$(rundlet state "$name" | jq -r .bundle)
  sum=$(sha256sum <"$bundle/config.json")
  [ "$(jq '[.linux.seccomp.syscalls[].names[]] | length' "$bundle/config.json")" -gt 400 ]
  rm "$BUNDLE/rootfs/mounts"
  # Only the cgroup is another one: podman's container lives in its own.
  jq --arg path "/$PODMAN/by-hand" '.linux.cgroupsPath = $path' "$bundle/config.json" >"$BATS_TEST_TMPDIR/config.json"
  rundlet run --detach --bundle "$bundle" --config "$BATS_TEST_TMPDIR/config.json" "$ID" </dev/null >"$OUT" 2>&1 || { cat "$OUT"; false; }
  wait_for test -s "$BUNDLE/rootfs/mounts"
  diff "$BATS_TEST_TMPDIR/by-podman" "$OUT"
  [ "$(sort "$BUNDLE/rootfs/mounts")" = "$mounts" ]
  [ "$(sha256sum <"$bundle/config.json")" = "$sum" ]
  rundlet delete --force "$ID"
  podman_here rm --force --time 1 box
}
