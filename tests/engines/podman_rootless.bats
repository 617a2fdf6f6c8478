# podman as the ordinary user "tester", who has subordinate ids and, but for the last tests, no cgroup.
# shellcheck shell=bash disable=SC2154
load podman

TESTER=$ENGINES/tester
PODMAN=(env -i -C / "PATH=$PATH" "HOME=$TESTER" XDG_RUNTIME_DIR=/run/user/4242 "TMPDIR=$TESTER/tmp"
  setpriv --reuid 4242 --regid 4242 --groups "4242,4300" --inh-caps=-all podman)
GROUP=$CGROUPS/tester

setup_file() {
  mkdir -p "$TESTER/tmp"
  chown -R 4242:4242 "$TESTER"
  image
  podman_config
  pod import --quiet "$ENGINES/box.tar" box >/dev/null
}

# A cgroup that is the user's, as a login session has one, and podman in it from here on.
# Debian's crun (1.8.1), as the control, makes none below it and sets no limits: the two tests of it are red there.
delegate() {
  mkdir -p "$GROUP/session"
  chown 4242:4242 "$GROUP" "$GROUP/session" "$GROUP"/{,session/}cgroup.{procs,threads,subtree_control}
  # shellcheck disable=SC2016 # for that shell
  PODMAN=(sh -c 'echo $$ >"$0/session/cgroup.procs" && exec "$@"' "$GROUP" "${PODMAN[@]}")
}

@test "rootless podman run: ids, exit codes, streams, terminal" {
  is true pod info --format '{{.Host.Security.Rootless}}'
  is "$NAME" pod info --format '{{.Host.OCIRuntime.Name}}'
  ends 3 pod run --rm --network none box sh -c 'id -u; cat /proc/self/uid_map; grep Seccomp: /proc/self/status; exit 3'
  is $'0\n0 4242 1\n1 4200000 65536\nSeccomp: 2' eval 'awk "{ \$1 = \$1 } 1" "$OUT"'
  is typed pod_in run --rm -i --network none box cat <<<typed
  ends 127 pod run --rm --network none box absent
  ends 126 pod run --rm --network none box /etc/passwd
  pod_tty 33x77 run --rm -it --network none box sh -c 'until [ "$(stty size 2>/dev/null)" = "33 77" ]; do sleep 0.1; done; tty; exit 5'
  [ "$status" = 5 ]
  [ "$output" = /dev/pts/0 ]
  ends 0 pod run --rm --network none --user 1000:77 --cap-drop all --read-only --tmpfs /scratch --hostname name box \
    sh -c 'id -u; id -g; grep CapBnd /proc/self/status; touch /file || echo read-only; touch /scratch/file && echo but not all; hostname'
  for words in 1000 77 $'CapBnd:\t0000000000000000' read-only 'but not all' name; do says "$words"; done
}

@test "rootless podman run: keep-id, given maps, auto, volumes, groups that are kept" {
  mkdir -p "$TESTER/shown"
  chown 4242:4242 "$TESTER/shown"
  ends 0 pod run --rm --network none --userns keep-id --volume "$TESTER/shown:/shown" box \
    sh -c 'id -u; touch /shown/mine; stat -c "%u:%g" /shown/mine'
  is $'4242\n4242:4242' cat "$OUT"
  is 4242:4242 stat -c %u:%g "$TESTER/shown/mine"
  ends 0 pod run --rm --network none --volume "$TESTER/shown:/shown" box sh -c 'stat -c "%u:%g" /shown/mine; chown 7:8 /shown/mine'
  is 0:0 cat "$OUT"
  is 4200006:4200007 stat -c %u:%g "$TESTER/shown/mine"
  is '0 1 100' eval "pod run --rm --network none --uidmap 0:1:100 box cat /proc/self/uid_map | awk '{ \$1 = \$1 } 1'"
  is '0 1 1024' eval "pod run --rm --network none --userns auto:size=1024 box cat /proc/self/uid_map | awk '{ \$1 = \$1 } 1'"
  if [ "$NAME" != runc ]; then # podman asks it of crun only, by an annotation
    is '0 65534' pod run --rm --network none --group-add keep-groups box id -G
  fi
  ends 0 pod run --rm --network host box sh -c 'ls /sys/class/net; readlink /proc/self/ns/net'
  says lo
  says "$(readlink /proc/self/ns/net)"
}

@test "rootless podman: one container's life" {
  up one --network none --init box sh -c 'trap "echo bye; exit 4" TERM; echo begun; while true; do sleep 0.1; done'
  wait_for is begun pod logs one
  is podman-init pod exec one cat /proc/1/comm
  ends 5 pod exec --user user --workdir /var --env WHO=me one sh -c 'echo $WHO; id -u; pwd; exit 5'
  is $'me\n1000\n/var' cat "$OUT"
  pod_tty 20x60 exec -it one sh -c 'until [ "$(stty size 2>/dev/null)" = "20 60" ]; do sleep 0.1; done; tty; exit 6'
  [ "$status" = 6 ]
  [ "$output" = /dev/pts/0 ]
  pod top one args >"$OUT"
  says 'sleep 0.1'
  pod restart --time 60 one >/dev/null
  wait_for is $'begun\nbye\nbegun' pod logs one
  pod stop --time 60 one >/dev/null
  is 'exited 4' inspect one '{{.State.Status}} {{.State.ExitCode}}'
  pod start one >/dev/null
  pod kill one >/dev/null
  is 137 pod wait one
  pod rm one >/dev/null
}

@test "rootless podman: a published port, a network of two, a pod" {
  up web --publish 8090:80 box serve slirp
  wait_for is slirp get 127.0.0.1:8090
  down web
  pod network create --disable-dns --subnet 10.92.0.0/24 own >/dev/null
  up server --network own --ip 10.92.0.10 --publish 8091:80 box serve one
  up client --network own box sleep 1000
  wait_for is one pod exec client wget -q -O - http://10.92.0.10/
  wait_for is one get 127.0.0.1:8091
  down server client
  pod network rm own >/dev/null
  pod pod create --name two --share-parent=false --publish 8092:80 --infra-image box --infra-command 'sleep 1000' >/dev/null
  up web --pod two box serve pod
  up asker --pod two box sleep 1000
  wait_for is pod pod exec asker wget -q -O - http://127.0.0.1/
  wait_for is pod get 127.0.0.1:8092
  pod pod rm --force --time 0 two >/dev/null
}

@test "rootless podman: ten at once" {
  pids=()
  for n in $(seq 10); do
    pod run --rm --network none box sh -c "echo said $n" >"$BATS_TEST_TMPDIR/out.$n" 2>&1 &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  for n in $(seq 10); do is "said $n" cat "$BATS_TEST_TMPDIR/out.$n"; done
}

@test "rootless podman with a cgroup that is its own: pause, stats, a folder that is gone after rm" {
  delegate
  needs_controller hugetlb
  up one --network none --cgroup-conf hugetlb.2MB.max=4194304 box sleep 1000
  folder=$(cgroup_of_container one)
  [[ $folder = "$GROUP"/* ]]
  is 4194304 cat "$folder/hugetlb.2MB.max"
  pod pause one >/dev/null
  is paused inspect one '{{.State.Status}}'
  grep -q 'frozen 1' "$folder/cgroup.events"
  pod unpause one >/dev/null
  down one
  [ ! -e "$folder" ]
}

@test "rootless podman with a cgroup that is its own: limits are in its files, update changes them" {
  needs_controller memory pids
  delegate
  up one --network none --memory 64m --memory-swap 64m --pids-limit 77 box sleep 1000
  folder=$(cgroup_of_container one)
  is $((64 << 20)) cat "$folder/memory.max"
  is 0 cat "$folder/memory.swap.max"
  is 77 cat "$folder/pids.max"
  pod stats --no-stream --format '{{.PIDs}}' one >"$OUT"
  says 1
  pod update --memory 128m --memory-swap 128m one >/dev/null
  is $((128 << 20)) cat "$folder/memory.max"
  down one
}

@test "nothing of rootless podman is left" {
  pod rm --all --force --time 0 >/dev/null
  wait_for nothing_left || nothing_left
}
