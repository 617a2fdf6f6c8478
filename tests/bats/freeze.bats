#!/usr/bin/env bats
# pause, resume, kill and ps of everything in the container's cgroup.

load helpers
load cgroups

@test "pause freezes every process, resume lets them go on, kill works on a frozen container" {
  payload sh -c 'while true; do echo >>/tmp/count; sleep 0.02; done'
  run_detached
  count=$BUNDLE/rootfs/tmp/count
  wait_for test -s "$count"
  rundlet pause "$ID"
  is_status paused
  before=$(stat -c %s "$count")
  sleep 1
  [ "$(stat -c %s "$count")" = "$before" ]
  refused "already paused" pause "$ID"
  rundlet resume "$ID"
  is_status running
  wait_for eval '[ "$(stat -c %s "$count")" -gt "$before" ]'
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

@test "other signals than KILL wait until a paused container is resumed; KILL and delete --force do not" {
  payload sh -c 'trap "echo got >/tmp/got; exit 5" TERM; echo >/tmp/ready; while true; do sleep 0.1; done'
  run_detached
  wait_for test -e "$BUNDLE/rootfs/tmp/ready"
  rundlet pause "$ID"
  rundlet kill "$ID" TERM
  rundlet kill --all "$ID" TERM
  sleep 0.5
  is_status paused
  [ ! -e "$BUNDLE/rootfs/tmp/got" ]
  rundlet resume "$ID"
  wait_for is_status stopped
  [ -e "$BUNDLE/rootfs/tmp/got" ]
  rundlet delete "$ID"
  for command in "kill $ID KILL" "kill --all $ID KILL" "delete --force $ID"; do
    run_detached
    rundlet pause "$ID"
    # shellcheck disable=SC2086 # words
    rundlet $command
    [ ! -e "$CGROUP" ] || holds cgroup.freeze 0
    rundlet delete --force "$ID"
    nothing_left
  done
}

@test "a kill that fails thaws all the same, and says what failed" {
  run_detached
  rundlet pause "$ID"
  # pidfd_send_signal is how init is reached.
  run timeout "$LIMIT" strace -qq -o /dev/null -e inject=pidfd_send_signal:error=EPERM "$RUNTIME" --root "$ROOT" \
    kill "$ID" KILL 3>&- 4>&-
  echo "$output"
  [ "$status" = 1 ]
  [ "$output" = "rundlet: error: kill $ID: send signal 9: Operation not permitted" ]
  is_status running
}

@test "what the container froze itself stays frozen after resume, and ends with it" {
  writable_cgroup
  payload sh -c 'cd /sys/fs/cgroup; mkdir ice; sleep 1000 & echo $! >ice/cgroup.procs; echo 1 >ice/cgroup.freeze
    while true; do echo >>/tmp/count; sleep 0.02; done'
  run_detached
  count=$BUNDLE/rootfs/tmp/count
  wait_for grep -qx 'frozen 1' "$CGROUP/ice/cgroup.events"
  is_status running
  wait_for test -s "$count"
  rundlet pause "$ID"
  is_status paused
  rundlet resume "$ID"
  is_status running
  before=$(stat -c %s "$count")
  wait_for eval '[ "$(stat -c %s "$count")" -gt "$before" ]'
  grep -qx 'frozen 1' "$CGROUP/ice/cgroup.events"
  count=$(rundlet ps --format json "$ID" | jq length) # with the short sleep or without
  [ "$count" = 3 ] || [ "$count" = 2 ]
  rundlet kill --all "$ID" KILL
  wait_for is_status stopped
  wait_for eval '[ -z "$(value ice/cgroup.procs)" ]'
  rundlet delete "$ID"
  nothing_left
}

@test "without a pid namespace of its own KILL ends every process, frozen ones too" {
  config '.linux.namespaces |= map(select(.type != "pid"))'
  payload sh -c 'sleep 1000 & sleep 1001 & echo >/tmp/ready; wait'
  run_detached
  wait_for test -e "$BUNDLE/rootfs/tmp/ready"
  rundlet pause "$ID"
  rundlet kill "$ID" KILL
  wait_for eval '[ -z "$(value cgroup.procs)" ]'
  wait_for is_status stopped
  rundlet delete "$ID"
  nothing_left
}

# bats test_tags=cgroupfs
@test "below a frozen cgroup: paused, not to be resumed, killed all the same; and nothing is created there" {
  config --arg path "/parent-$ID/box" '.linux.cgroupsPath = $path'
  run_detached
  echo 1 >"$CGROUPS/parent-$ID/cgroup.freeze"
  wait_for is_status paused
  refused "a cgroup above it is frozen" resume "$ID"
  refused "already paused" pause "$ID"
  run rundlet exec "$ID" true
  [ "$status" = 255 ]
  [[ $output = *"cannot exec in a paused container"* ]]
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  mkdir "$CGROUPS/parent-$ID/other"
  rundlet delete "$ID"
  refused "use the cgroup /parent-$ID/box: a cgroup above it is frozen" create --bundle "$BUNDLE" "$ID"
  gone "$CGROUPS/parent-$ID/box"
  rmdir "$CGROUPS/parent-$ID/other" "$CGROUPS/parent-$ID"
}

@test "a pause or resume that is killed at any call leaves it frozen or running, and state says which" {
  run_detached
  traced() { timeout "$LIMIT" strace -qq "$@" "$RUNTIME" --root "$ROOT" "$command" "$ID" >"$OUT" 2>&1 3>&- 4>&-; }
  for command in pause resume; do
    traced -o "$BATS_TEST_TMPDIR/$command" -e trace=openat,openat2,write,pread64,read,poll,flock,close
    grep -q '^write(' "$BATS_TEST_TMPDIR/$command"
  done
  for command in pause resume; do
    while read -r call number; do
      [ "$command" = pause ] || rundlet pause "$ID"
      traced -o /dev/null -e "inject=$call:signal=SIGKILL:when=$number" || true
      wait_for eval 'grep -qx "frozen $(value cgroup.freeze)" "$CGROUP/cgroup.events"'
      case $(value cgroup.freeze) in
        0) is_status running ;;
        1) is_status paused && rundlet resume "$ID" && is_status running ;;
      esac || { echo "$command killed at $call $number: $(field .status)"; false; }
    done < <(awk -F'(' '{ n[$1]++; if (/cgroup/) go = 1; if (go) print $1, n[$1] }' "$BATS_TEST_TMPDIR/$command" | sampled 6)
  done
}
