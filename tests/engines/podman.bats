# podman as root, with rundlet as its runtime through conmon.
# shellcheck shell=bash disable=SC2154
load podman

@test "podman finds the runtime by its drop-in" {
  is "$NAME" pod info --format '{{.Host.OCIRuntime.Name}}'
  [ -n "${CONTROL:-}" ] || is "$RUNTIME" pod info --format '{{.Host.OCIRuntime.Path}}'
  pod info --format '{{.Host.OCIRuntime.Version}}' >"$OUT"
  says 'version'
  says 'spec: 1.'
}

@test "podman run: exit codes and standard streams" {
  is 'out' pod run --rm --network none box echo out
  ends 3 pod run --rm --network none box sh -c 'echo out; echo err >&2; exit 3'
  says out
  says err
  is 'typed' pod_in run --rm -i --network none box cat <<<typed
  seq 100000 >"$BATS_TEST_TMPDIR/much"
  is "$(md5sum <"$BATS_TEST_TMPDIR/much")" pod_in run --rm -i --network none box md5sum <"$BATS_TEST_TMPDIR/much"
  ends 127 pod run --rm --network none box /bin/absent
  says '/bin/absent'
  ends 127 pod run --rm --network none box absent
  says 'absent'
  ends 126 pod run --rm --network none box /etc/passwd
  says 'ermission denied'
  ends 126 pod run --rm --network none box /tmp
  ends 125 pod run --rm --network none --absent-option box true
}

@test "podman run -t: a terminal of the right size; podman exec -t" {
  pod_tty 33x77 run --rm -it --network none box sh -c 'until [ "$(stty size 2>/dev/null)" = "33 77" ]; do sleep 0.1; done; tty; exit 5'
  [ "$status" = 5 ]
  [ "$output" = /dev/pts/0 ]
}

@test "podman exec, logs, top, pause, stats, kill, stop, start, restart, rm of one container" {
  up one --env GREETING=hello --hostname inside --network none box sh -c \
    'trap "echo usr1" USR1; trap "echo bye; exit 4" TERM; echo begun; echo wrong >&2; while true; do sleep 0.1; done'
  is $'running '"$NAME" inspect one '{{.State.Status}} {{.OCIRuntime}}'
  wait_for is $'begun\nwrong' pod logs one
  # exec
  ends 5 pod exec --env WHO=me --user user --workdir /var one sh -c 'echo $WHO $GREETING; id; pwd; exit 5'
  says 'me hello'
  says 'uid=1000(user) gid=1000(user) groups=77(extra)'
  says '/var'
  ends 127 pod exec one absent
  says 'absent'
  ends 126 pod exec one /etc/passwd
  ends 127 pod exec --workdir /absent one true
  is typed pod_in exec -i one cat <<<typed
  ends 137 pod exec one sh -c 'kill -9 $$'
  pod_tty 20x60 exec -it one sh -c 'until [ "$(stty size 2>/dev/null)" = "20 60" ]; do sleep 0.1; done; tty; exit 6'
  [ "$status" = 6 ]
  [ "$output" = /dev/pts/0 ]
  pod exec --detach one sh -c 'touch /tmp/detached; exec sleep 1000' >/dev/null
  wait_for pod exec one test -e /tmp/detached
  # top, pause, stats
  pod top one pid comm args >"$OUT"
  says 'sleep 1000'
  pod pause one >/dev/null
  is paused inspect one '{{.State.Status}}'
  grep -q 'frozen 1' "$(cgroup_of_container one)/cgroup.events"
  ends 255 pod exec one true
  pod unpause one >/dev/null
  pod stats --no-stream --format '{{.Name}} {{.PIDS}}' one >"$OUT"
  [ -z "${IN_VM:-}" ] || grep -qE '^one [3-9]' "$OUT" || { cat "$OUT"; false; }
  # signals
  pod kill --signal USR1 one >/dev/null
  wait_for eval 'pod logs one | grep -q usr1'
  pod stop --time 60 one >/dev/null
  is 'exited 4' inspect one '{{.State.Status}} {{.State.ExitCode}}'
  is bye eval 'pod logs one 2>/dev/null | tail -n 1'
  ends 255 pod exec one true
  ends 125 pod kill one
  pod start one >/dev/null
  wait_for is begun eval 'pod logs one 2>/dev/null | tail -n 1'
  pod restart --time 60 one >/dev/null
  is running inspect one '{{.State.Status}}'
  pod kill one >/dev/null
  is 137 pod wait one
  pod rm one >/dev/null
  ends 1 pod container exists one
}

@test "podman create, start -a, attach, wait, cp, diff, commit, export" {
  pod create --name made --network none -i box sh -c 'read line; echo "got $line"; exit 9' >/dev/null
  is created inspect made '{{.State.Status}}'
  ends 9 pod_in start --attach --interactive made <<<words
  says 'got words'
  pod rm made >/dev/null
  up keeps --network none box sleep 1000
  echo payload >"$BATS_TEST_TMPDIR/file"
  pod cp "$BATS_TEST_TMPDIR/file" keeps:/tmp/copied
  is payload pod exec keeps cat /tmp/copied
  pod cp keeps:/etc/passwd "$BATS_TEST_TMPDIR/passwd"
  grep -q '^root:' "$BATS_TEST_TMPDIR/passwd"
  is 'A /tmp/copied' eval 'pod diff keeps | grep copied'
  pod commit --quiet --pause keeps changed >/dev/null
  is payload pod run --rm --network none changed cat /tmp/copied
  pod export keeps | tar -t | grep -q tmp/copied
  pod image rm changed >/dev/null
  down keeps
}

@test "podman run: limits are in the cgroup's files, update changes them" {
  needs_controller memory pids cpu cpuset io
  up limited --network none --memory 64m --memory-swap 96m --memory-reservation 32m --pids-limit 77 --cpus 0.5 \
    --cpu-shares 512 --cpuset-cpus 1 --cpuset-mems 0 --blkio-weight 200 box sleep 1000
  folder=$(cgroup_of_container limited)
  is $((64 << 20)) cat "$folder/memory.max"
  is $((32 << 20)) cat "$folder/memory.swap.max"
  is $((32 << 20)) cat "$folder/memory.low"
  is 77 cat "$folder/pids.max"
  is '50000 100000' cat "$folder/cpu.max"
  grep -qxE '20|59' "$folder/cpu.weight" # runtimes of 2025 and later: 59
  is 1 cat "$folder/cpuset.cpus"
  is 0 cat "$folder/cpuset.mems"
  grep -h 200 "$folder/io.weight" "$folder/io.bfq.weight" >"$OUT" || grep -h 1919 "$folder/io.weight"
  is 64m eval 'pod stats --no-stream --format "{{.MemUsage}}" limited | sed "s/.*67.11MB/64m/"'
  pod update --memory 128m --memory-swap 128m --cpus 1.5 --cpuset-cpus 0 limited >/dev/null
  is $((128 << 20)) cat "$folder/memory.max"
  is 0 cat "$folder/memory.swap.max"
  is '150000 100000' cat "$folder/cpu.max"
  is 0 cat "$folder/cpuset.cpus"
  down limited
  [ ! -e "$folder" ]
}

@test "podman run --memory: running out of it ends with 137" {
  needs_controller memory
  ends 137 pod run --name oom --network none --memory 16m --memory-swap 16m box sh -c 'exec tail /dev/zero'
  has_inspect oom '{{.State.ExitCode}}' 137
  pod rm oom >/dev/null
}

@test "podman run --read-only --tmpfs, volumes, devices, sysctls, ulimits" {
  mkdir -p "$ENGINES/shown"
  echo shown >"$ENGINES/shown/file"
  pod volume create kept >/dev/null
  # shellcheck disable=SC2016 # for the container's shell
  ends 0 pod run --rm --read-only --tmpfs /scratch:size=1m,mode=1750 --volume kept:/kept \
    --volume "$ENGINES/shown:/shown:ro" --volume /anonymous --mount "type=bind,src=$ENGINES/shown,dst=/bound,ro=true" \
    --device /dev/fuse:/dev/mine:r --device-cgroup-rule 'c 1:8 rmw' --sysctl kernel.msgmax=9000 --sysctl net.ipv4.ip_forward=1 \
    --ulimit nofile=100:200 --ulimit nproc=1000:1000 --ulimit core=0 --shm-size 2m --hostname name --add-host other:192.0.2.1 --dns 192.0.2.53 \
    --oom-score-adj 500 --umask 027 --workdir /var --env 'SPACED=a b' box sh -c '
    touch /file || echo root is read-only
    touch /scratch/file /kept/file /anonymous/file && echo the others are not
    awk "\$5 == \"/scratch\" || \$5 == \"/dev/shm\" { print \$5, \$NF }" /proc/self/mountinfo
    stat -c "scratch %a" /scratch
    touch /shown/other || echo shown is read-only
    touch /bound/other || echo bound is read-only
    cat /shown/file
    true </dev/mine && echo mine is read
    true >/dev/mine || echo mine is not written
    mknod /scratch/random c 1 8 || echo no mknod
    cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward
    ulimit -Sn; ulimit -Hn; ulimit -c
    hostname; grep -o "192.0.2.1.*other" /etc/hosts; cat /etc/resolv.conf
    cat /proc/self/oom_score_adj; umask; pwd; echo "$SPACED"'
  sed -i "s/.*: Read-only file system//; s/.*can't create.*//; s/.*Operation not permitted//" "$OUT"
  is $'root is read-only\nthe others are not' eval 'grep -v "^$" "$OUT" | head -n 2'
  for words in 'scratch 1750' 'size=1024k' '/dev/shm' 'size=2048k' 'shown is read-only' 'bound is read-only' 'shown' 'mine is read' \
    'mine is not written' 'no mknod' 9000 100 200 name 'nameserver 192.0.2.53' 500 0027 /var 'a b'; do
    says "$words"
  done
  is file eval 'ls "$(pod volume inspect --format "{{.Mountpoint}}" kept)"'
  pod volume rm kept >/dev/null
}

@test "podman run: users, groups, capabilities, seccomp, no-new-privileges, masked paths" {
  echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}' \
    >"$ENGINES/seccomp.json"
  ends 0 pod run --rm --network none --user 1000:77 --group-add 5 --group-add 4321 --cap-drop all --cap-add net_raw \
    --security-opt no-new-privileges --security-opt "seccomp=$ENGINES/seccomp.json" --security-opt mask=/etc/group \
    box sh -c 'id -u; id -g; id -G; grep -E "^(Cap|NoNew|Seccomp:)" /proc/self/status; mkdir /tmp/x; wc -c </etc/group; echo end'
  for words in $'1000\n77\n77 5 4321' $'CapPrm:\t0000000000002000' $'CapBnd:\t0000000000002000' $'NoNewPrivs:\t1' \
    $'Seccomp:\t2' 'Operation not supported' $'\n0\nend'; do
    [[ $(cat "$OUT") = *"$words"* ]] || { cat "$OUT"; echo "no: $words"; false; }
  done
  ends 0 pod run --rm --network none --security-opt unmask=ALL --security-opt seccomp=unconfined --cap-add all box \
    sh -c 'grep -E "^(CapEff|Seccomp:)" /proc/self/status; [ -n "$(head -c 1 /proc/timer_list)" ] && echo unmasked; mkdir /tmp/x && echo made'
  says $'Seccomp:\t0'
  says unmasked
  says made
  ends 0 pod run --rm --network none --privileged box sh -c 'mount -t tmpfs tmpfs /mnt && echo mounted; ls /dev | grep -x full'
  says mounted
  ends 0 pod run --rm --network none box sh -c 'mount -t tmpfs tmpfs /mnt || echo refused; grep Seccomp: /proc/self/status; unshare -U true || echo no'
  says refused
  says $'Seccomp:\t2'
}

@test "podman run: user namespaces, namespaces of the host and of another container" {
  ends 0 pod run --rm --network none --uidmap 0:100000:5000 --gidmap 0:200000:5000 --volume "$ENGINES/tmp:/own:U" box \
    sh -c 'cat /proc/self/uid_map /proc/self/gid_map; stat -c "%u %g" /bin/busybox; id -u; touch /file && echo written'
  is $'0 100000 5000\n0 200000 5000\n0 0\n0\nwritten' eval 'awk "{ \$1 = \$1 } 1" "$OUT"'
  chown root:root "$ENGINES/tmp"
  ends 0 pod run --rm --network none --userns=auto:size=3000 --read-only box cat /proc/self/uid_map
  is '0 4200000 3000' eval 'awk "{ \$1 = \$1 } 1" "$OUT"'
  up first --uidmap 0:100000:5000 --network none box sleep 1000
  is "$(readlink "/proc/$(inspect first '{{.State.Pid}}')/ns/user")" \
    pod run --rm --network none --userns container:first box readlink /proc/self/ns/user
  down first
  up first --network none --shm-size 1m box sleep 1000
  for kind in pid net ipc uts cgroup; do readlink "/proc/self/ns/$kind"; done >"$BATS_TEST_TMPDIR/host"
  ends 0 pod run --rm --pid host --network host --ipc host --uts host --cgroupns host box \
    sh -c 'for kind in pid net ipc uts cgroup; do readlink /proc/self/ns/$kind; done'
  cmp "$OUT" "$BATS_TEST_TMPDIR/host"
  for kind in pid net ipc; do readlink "/proc/$(inspect first '{{.State.Pid}}')/ns/$kind"; done >"$BATS_TEST_TMPDIR/first"
  ends 0 pod run --rm --pid container:first --network container:first --ipc container:first box \
    sh -c 'for kind in pid net ipc; do readlink /proc/self/ns/$kind; done'
  cmp "$OUT" "$BATS_TEST_TMPDIR/first"
  down first
}

@test "podman run: cgroups disabled, private, split, of a given parent" {
  if [ "$NAME" != runc ]; then # podman knows that runc cannot
    up none --network none --cgroups disabled box sleep 1000
    is "$(cgroup_of self)" cgroup_of_container none
    down none
  fi
  up here --network none --cgroup-parent /mine box sleep 1000
  [[ $(cgroup_of_container here) = */mine/libpod-* ]]
  is 0::/ pod exec here sh -c 'grep ^0: /proc/self/cgroup'
  down here
  is made pod run --rm --network none --systemd always box sh -c 'mkdir /sys/fs/cgroup/sub && echo made'
}

@test "podman network: two containers reach each other, a published port, a port that is closed after rm" {
  pod network create --disable-dns --subnet 10.91.0.0/24 ours >/dev/null
  up server --network ours --ip 10.91.0.10 --publish 8088:80 box serve one
  up client --network ours box serve two
  wait_for is one pod exec client wget -q -O - http://10.91.0.10/
  is one get 127.0.0.1:8088
  wait_for is two pod exec server wget -q -O - "http://$(inspect client '{{.NetworkSettings.Networks.ours.IPAddress}}')/"
  pod network disconnect ours client
  pod exec client ip -4 -o address >"$OUT"
  [ -z "$(grep 10.91.0. "$OUT")" ]
  pod network connect --ip 10.91.0.77 ours client
  pod exec client ip -4 -o address >"$OUT"
  says 10.91.0.77
  down server client
  ends 1 get 127.0.0.1:8088
  pod network rm ours >/dev/null
}

@test "podman pod: one network and ipc, stats and stop of all, rm" {
  pod pod create --name two --share-parent=false --publish 8089:80 --infra-image box --infra-command 'sleep 1000' >/dev/null
  up web --pod two box serve pod
  up asker --pod two box sleep 1000
  wait_for is pod pod exec asker wget -q -O - http://127.0.0.1/
  is pod get 127.0.0.1:8089
  for name in web asker; do readlink "/proc/$(inspect "$name" '{{.State.Pid}}')"/ns/{net,ipc,uts} >"$BATS_TEST_TMPDIR/$name"; done
  cmp "$BATS_TEST_TMPDIR"/{web,asker}
  pod pod pause two >/dev/null
  is paused inspect web '{{.State.Status}}'
  pod pod unpause two >/dev/null
  pod pod stop --time 0 two >/dev/null
  is exited inspect web '{{.State.Status}}'
  pod pod start two >/dev/null
  wait_for is pod pod exec asker wget -q -O - http://127.0.0.1/
  pod pod rm --force --time 0 two >/dev/null
  is '' pod ps --all --quiet
}

@test "podman run --init, --restart, health checks, hooks, secrets" {
  is podman-init pod run --rm --init --network none box cat /proc/1/comm
  ends 3 pod run --name again --restart on-failure:2 --network none box sh -c 'echo run; exit 3'
  wait_for has_inspect again '{{.RestartCount}} {{.State.Status}}' '2 exited'
  is 3 eval 'pod logs again | grep -c run'
  down again
  up healthy --network none --health-cmd 'test -e /tmp/well' --health-retries 1 --health-interval disable box sleep 1000
  ends 1 pod healthcheck run healthy
  is unhealthy inspect healthy '{{.State.Healthcheck.Status}}'
  pod exec healthy touch /tmp/well
  ends 0 pod healthcheck run healthy
  is healthy inspect healthy '{{.State.Healthcheck.Status}}'
  down healthy
  mkdir -p "$ENGINES/hooks.d"
  printf '#!/bin/sh\ncat >"%s/$1"\n' "$ENGINES" >"$ENGINES/hook"
  chmod +x "$ENGINES/hook"
  for stage in prestart createRuntime poststart poststop; do
    jq -n --arg stage "$stage" --arg path "$ENGINES/hook" \
      '{version: "1.0.0", hook: {path: $path, args: ["hook", $stage]}, when: {always: true}, stages: [$stage]}' \
      >"$ENGINES/hooks.d/$stage.json"
  done
  echo secret | pod_in secret create hidden - >/dev/null
  is secret pod --hooks-dir "$ENGINES/hooks.d" run --rm --network none --secret hidden box cat /run/secrets/hidden
  for stage in prestart createRuntime poststart poststop; do
    [ "$(jq -r .ociVersion "$ENGINES/$stage" | cut -c 1-2)" = 1. ] || { echo "hook $stage"; false; }
  done
  pod secret rm hidden >/dev/null
}

@test "podman run: file descriptors that are kept, a rootfs of the host, overlays" {
  mkdir -p "$ENGINES/shown"
  echo shown >"$ENGINES/shown/file"
  is kept eval 'timeout "$LIMIT" podman --runtime "$NAME" run --rm --network none --preserve-fds 1 box sh -c "cat <&3" 3<<<kept </dev/null'
  ends 0 pod run --rm --network none --rootfs "$ENGINES/box/rootfs:O" sh -c 'touch /file && echo written'
  says written
  [ ! -e "$ENGINES/box/rootfs/file" ]
  ends 0 pod run --rm --network none --volume "$ENGINES/shown:/over:O" --mount type=image,src=box,dst=/image box \
    sh -c 'cat /over/file; touch /over/new && ls /image/bin/serve'
  is $'shown\n/image/bin/serve' cat "$OUT"
  [ ! -e "$ENGINES/shown/new" ]
}

@test "podman run: twenty at once" {
  pids=()
  for n in $(seq 20); do
    pod run --rm --network none --name "n$n" box sh -c "echo said $n" >"$BATS_TEST_TMPDIR/out.$n" 2>&1 &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  for n in $(seq 20); do is "said $n" cat "$BATS_TEST_TMPDIR/out.$n"; done
}

@test "podman with any other words for the runtime: its errors are shown" {
  ends 126 pod run --rm --network none --sysctl kernel.msgmax=words box true
  ends 125 pod container checkpoint absent
}

@test "nothing of podman is left" {
  pod rm --all --force --time 0 >/dev/null
  wait_for nothing_left || nothing_left
}
