# What users of containerd do, by ctr and as kubelet does; CONTROL=runc or CONTROL=crun is the same with Debian's.
# shellcheck shell=bash disable=SC2016,SC2154 # words for other shells, variables of others
load engines
load containerd

# "keep" runs from the first test to the last: each start is dear in the slow machine.
setup_file() {
  archive
  containerd_start
  ctr image import "$ENGINES/image.tar"
  run_box --detach --null-io --env FROM=run -- keep sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
}

teardown_file() {
  containerd_clean
  containerd_stop
  ! mount | grep -F -e "$ENGINES/containerd" -e /run/containerd
}

setup() {
  OUT=$BATS_TEST_TMPDIR/out
}

teardown() {
  containerd_clean keep
}

@test "run: output, standard input, status, what is not there" {
  ends 7 run_box --rm -- one sh -c 'head -n 1; echo bad >&2; exit 7' <<<"from here"
  says 'from here'
  says bad
  ends 1 run_box --rm -- two nothing
  says_why 'executable file not found in $PATH' 'executable file `nothing` not found in $PATH'
  ends 1 run_box --rm -- three /etc/passwd
  says_why 'permission denied' 'Permission denied'
}

@test "a terminal, with the size of ours" {
  run on_terminal --size 33x99 timeout "$LIMIT" ctr run --rm --tty "${OPTIONS[@]}" "$IMAGE" term \
    sh -c 'tty; until [ "$(stty size 2>/dev/null)" = "33 99" ]; do sleep 0.1; done; stty size; read x; echo "got $x"; exit 5' <<<word
  echo "$output"
  [ "$status" = 5 ]
  [[ $output == */dev/pts/0*"33 99"*"got word"* ]]
}

@test "task exec: user, folder, terminal, status" {
  is $'0 run /\ntyped' ctr task exec --exec-id a keep sh -c 'echo "$(id -u) $FROM $(pwd)"; cat' <<<typed
  is '1000:77 /var' ctr task exec --exec-id b --user 1000:77 --cwd /var keep sh -c 'echo "$(id -u):$(id -g) $(pwd)"'
  ends 9 ctr task exec --exec-id c keep sh -c 'exit 9'
  ends 137 ctr task exec --exec-id d keep sh -c 'kill -9 $$'
  ends 1 ctr task exec --exec-id e keep /nothing
  says_why 'no such file or directory' 'No such file or directory'
  run on_terminal --size 20x70 timeout "$LIMIT" ctr task exec --exec-id f --tty keep \
    sh -c 'tty; until [ "$(stty size 2>/dev/null)" = "20 70" ]; do sleep 0.1; done; stty size; read x; echo "got $x"; exit 6' <<<word
  echo "$output"
  [ "$status" = 6 ]
  [[ $output == */dev/pts/*"20 70"*"got word"* ]]
}

@test "task list, ps, metrics, pause and resume" {
  ctr task exec --detach --exec-id sleeper keep sleep 1000
  ctr task ps keep | tee "$OUT"
  says "$(pid_of keep)"
  says 'ExecID:sleeper'
  ctr task metrics --format json keep | tee "$OUT"
  ! has_controller pids || [ "$(jq '.pids.current >= 2' "$OUT")" = true ]
  ! has_controller memory || [ "$(jq '.memory.usage > 0' "$OUT")" = true ]
  ctr task pause keep
  [ "$(status_of keep)" = PAUSED ]
  [ "$(limit_of keep cgroup.freeze)" = 1 ]
  ends 1 ctr task exec --exec-id frozen keep true
  says paused
  ctr task resume keep
  [ "$(status_of keep)" = RUNNING ]
  ctr task kill --exec-id sleeper --signal SIGKILL keep
  ctr task delete --exec-id sleeper keep || true
}

@test "kill, what a stopped one answers, checkpoint" {
  run_box --detach --null-io -- polite sh -c 'trap "exit 4" USR1; while :; do sleep 0.1; done'
  ends 1 ctr task delete polite
  says 'must be stopped'
  wait_for ctr task exec --exec-id ready polite true
  ctr task kill --signal SIGUSR1 polite
  wait_for has_status polite STOPPED
  ends 1 ctr task kill polite
  says 'not found'
  ends 0 ctr task delete polite
  says 'exit with non-zero exit code 4'
  ends 1 ctr task kill polite
  says 'not found'
  [ -n "${CONTROL:-}" ] || {
    # CRIU does not know every kernel.
    if criu check >/dev/null 2>&1; then
      ends 0 ctr task checkpoint keep
    else
      ends 1 ctr task checkpoint keep
      says 'checkpoint keep: CRIU: '
    fi
    [ "$(status_of keep)" = RUNNING ]
  }
}

has_status() { # ID STATUS
  [ "$(status_of "$1")" = "$2" ]
}

@test "a process that outlives its init in the host's pid namespace is ended with the container" {
  run_box --rm --with-ns pid:/proc/self/ns/pid -- shared sh -c 'sleep 123456 & echo $!' | tee "$OUT"
  wait_for test ! -e "/proc/$(cat "$OUT")"
}

@test "limits arrive in the cgroup's files, what ran out of memory is reported" {
  needs_controller cpu memory
  # Shares became other weights in 2025; Debian's runtimes are older.
  high=174
  [ -z "${CONTROL:-}" ] || high=79
  run_box --detach --null-io --memory-limit 67108864 --cpus 0.5 --cpu-shares 2048 -- limited sleep 1000
  is "67108864 50000 100000 $high" sh -c "cd '$(cgroup_of "$(pid_of limited)")' && echo \$(cat memory.max cpu.max cpu.weight)"
  timeout "$LIMIT" ctr events >"$OUT.events" 3>&- 4>&- &
  events=$!
  ends 137 run_box --rm --memory-limit 16777216 -- greedy tail /dev/zero
  wait_for grep -q '/tasks/oom.*greedy' "$OUT.events"
  kill "$events"
}

@test "read-only, mounts, devices, capabilities, seccomp, privileges, namespaces" {
  mkdir "$ENGINES/shared"
  echo '{"defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}]}' >"$ENGINES/seccomp.json"
  run_box --rm --read-only --mount "type=bind,src=$ENGINES/shared,dst=/mnt,options=rbind:rw" --cwd /tmp \
    --mount type=tmpfs,src=tmpfs,dst=/run,options=size=64k --device /dev/net/tun --cap-drop CAP_CHOWN --cap-add CAP_SYS_TIME \
    --seccomp --seccomp-profile "$ENGINES/seccomp.json" --net-host --rootfs-propagation slave --annotation a.b=c -- facts sh -c '
      touch /x 2>&1; echo kept >/mnt/file; df -k /run | awk "NR > 1 { print \$2 }"; pwd; (: <>/dev/net/tun) && echo tun
      grep -E "CapEff|NoNewPrivs|Seccomp:" /proc/self/status; mkdir /run/x 2>&1; readlink /proc/self/ns/net' >"$OUT" 2>&1
  cat "$OUT"
  [ "$(tr '\t' ' ' <"$OUT")" = "touch: /x: Read-only file system
64
/tmp
tun
CapEff: 00000000aa0425fa
NoNewPrivs: 1
Seccomp: 2
mkdir: can't create directory '/run/x': Cannot assign requested address
$(readlink /proc/self/ns/net)" ]
  is kept cat "$ENGINES/shared/file"
}

@test "user namespace: root inside is nobody outside" {
  run_box --detach --null-io --uidmap 0:4200000:65536 --gidmap 0:4200000:65536 -- mapped sleep 1000
  is '0 4200000 65536 0' ctr task exec --exec-id a mapped sh -c 'echo $(cat /proc/self/uid_map) $(stat -c %u /bin/busybox)'
  is 4200000 stat -c %u "/proc/$(pid_of mapped)"
}

@test "20 starts at once" {
  starts=()
  for n in $(seq 20); do
    # Into a folder: ctr may lose what a short life says.
    run_box --rm --mount "type=bind,src=$BATS_TEST_TMPDIR,dst=/mnt,options=rbind:rw" -- "many$n" \
      sh -c "echo 'said $n' >/mnt/$n" &
    starts+=("$!")
  done
  for start in "${starts[@]}"; do wait "$start"; done
  for n in $(seq 20); do is "said $n" cat "$BATS_TEST_TMPDIR/$n"; done
}

@test "the drop-in adds a handler to the CRI service, whose default stays runc" {
  cri Status 1:1 >"$OUT"
  says '"defaultRuntimeName":"runc"'
  says '"runc":{"runtimeType":"io.containerd.runc.v2"'
  says '"rundlet":{"runtimeType":"io.containerd.runc.v2"'
  says "\"BinaryName\":\"$RUNTIME\""
}

# Debian's crun (1.8.1) leaves out the oomScoreAdj of exec's process, so that this is red with it.
@test "a pod of kubelet's: sandbox, container, exec, update, stop, remove" {
  needs_controller cpu memory # containerd gives each pod shares
  export CONTAINERD_NAMESPACE=k8s.io
  ctr image import "$ENGINES/image.tar" >/dev/null
  ctr image tag "$IMAGE" registry.k8s.io/pause:3.6 >/dev/null
  config='1:{1:"pod" 2:"uid" 3:"default"} 3:"'$ENGINES/tmp'" 8:{2:{1:{1:2}}}'
  pod=$(cri RunPodSandbox "1:{$config} 2:\"rundlet\"")
  pod=${pod#1 }
  echo "pod $pod"
  id=$(cri CreateContainer "1:\"$pod\" 2:{1:{1:\"first\"} 2:{1:\"$IMAGE\"} 3:\"sh\" 3:\"-c\" 3:\"echo up; exec sleep 1000\"
    6:{1:\"WORD\" 2:\"value\"} 11:\"pod.log\" 15:{1:{1:100000 2:50000 3:2048 4:67108864 5:100}}} 3:{$config}")
  id=${id#1 }
  cri StartContainer "1:\"$id\""
  is '1 value 100' cri ExecSync "1:\"$id\" 2:\"sh\" 2:\"-c\" 2:\"echo \$WORD \$(cat /proc/self/oom_score_adj)\""
  is $'2 bad\n\n3 3' cri ExecSync "1:\"$id\" 2:\"sh\" 2:\"-c\" 2:\"echo bad >&2; exit 3\""
  wait_for grep -q 'stdout F up' "$ENGINES/tmp/pod.log"
  [ "$(limit_of "$id" memory.max) $(limit_of "$id" cpu.max)" = '67108864 50000 100000' ]
  cri UpdateContainerResources "1:\"$id\" 2:{1:100000 2:20000 4:83886080}"
  [ "$(limit_of "$id" memory.max) $(limit_of "$id" cpu.max)" = '83886080 20000 100000' ]
  cri ContainerStats "1:\"$id\"" >"$OUT"
  cri StopContainer "1:\"$id\" 2:1"
  cri RemoveContainer "1:\"$id\""
  cri StopPodSandbox "1:\"$pod\""
  cri RemovePodSandbox "1:\"$pod\""
  [ -z "$(find /run/containerd/runc/k8s.io -mindepth 1 -maxdepth 1)" ]
  [ -z "$(find /sys/fs/cgroup -name "*$id*")" ]
}
