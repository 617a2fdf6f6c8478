#!/usr/bin/env bats
# pause, resume, kill and ps of everything in the container's cgroup.

load helpers
load cgroups

@test "pause freezes every process, resume lets them go on, kill works on a frozen container" {
  payload sh -c 'n=0; while true; do n=$((n + 1)); echo $n >/tmp/count; sleep 0.02; done'
  run_detached
  count=$BUNDLE/rootfs/tmp/count
  wait_for test -s "$count"
  rundlet pause "$ID"
  is_status paused
  before=$(cat "$count")
  sleep 1
  [ "$(cat "$count")" = "$before" ]
  refused "already paused" pause "$ID"
  rundlet resume "$ID"
  is_status running
  wait_for eval '[ "$(cat "$count")" -gt "$before" ]'
  refused "not paused" resume "$ID"
  rundlet pause "$ID"
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  rundlet delete "$ID"
}

@test "kill --all reaches every process, also after init has ended and without a pid namespace" {
  config '.linux.namespaces |= map(select(.type != "pid"))'
  payload sh -c 'trap "" TERM; sleep 1000 & sh -c "trap \"\" TERM; sleep 1000 & sleep 1001" & wait; sleep 1002'
  run_detached
  wait_for eval '[ "$(wc -l <"$CGROUP/cgroup.procs")" = 4 ]' || { value cgroup.procs; false; }
  init=$(init_pid)
  kill -KILL "$init"
  wait_for is_status stopped
  [ -n "$(value cgroup.procs)" ]
  rundlet kill --all "$ID" KILL
  [ -z "$(value cgroup.procs)" ]
  rundlet delete "$ID"
}

@test "kill --all with another signal goes to all of them" {
  payload sh -c 'trap "echo 1 >/tmp/one" USR1; sh -c "trap \"echo 2 >/tmp/two; exit\" USR1; echo >/tmp/ready
    while true; do sleep 0.1; done" & while true; do sleep 0.1; done'
  run_detached
  wait_for test -e "$BUNDLE/rootfs/tmp/ready"
  rundlet kill --all "$ID" USR1
  wait_for test -s "$BUNDLE/rootfs/tmp/two"
  wait_for test -s "$BUNDLE/rootfs/tmp/one"
}
