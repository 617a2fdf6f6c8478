#!/usr/bin/env bats
# exec: one more process in a container.

load helpers

# Exit status 255 and one error line with these words: refused 'words' exec...
refused() {
  local words=$1
  shift
  run rundlet "$@" </dev/null
  echo "$output"
  [ "$status" = 255 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  [[ ${output,,} = *"$words"* ]]
}

inside() { # [OPTION... --] COMMAND...: exec without input
  local options=()
  if [[ $1 = -* ]]; then
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
  fi
  rundlet exec "${options[@]}" "$ID" "$@" </dev/null
}

# --- where it lands ------------------------------------------------------------------------------------------------
@test "exec joins every namespace and the cgroup of init, as the container's own process" {
  config '.linux.namespaces += [{type: "user"}, {type: "time"}] | .process.user = {uid: 1000, gid: 1000, additionalGids: [77], umask: 7}
    | .process.cwd = "/tmp" | .process.env += ["OWN=yes"] | .process.oomScoreAdj = 50
    | .linux.uidMappings = [{containerID: 0, hostID: 4200000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
  cp "$BUILD/tests/probe" "$BUNDLE/rootfs/bin/probe"
  payload probe stay
  run_detached
  wait_for grep -qx end "$OUT"
  inside probe fp >"$BATS_TEST_TMPDIR/exec"
  # The whole confinement is that of init; only its terminal is another.
  diff <(grep -v -e '^end$' "$OUT" | grep -v '^fd [0-9]') <(grep -v '^fd [0-9]' "$BATS_TEST_TMPDIR/exec")
  [ "$(grep -c '^ns ' "$BATS_TEST_TMPDIR/exec")" -ge 8 ]
  grep -qx 'cgroup 0::/' "$BATS_TEST_TMPDIR/exec"
  [ "$(grep '^fd ' "$BATS_TEST_TMPDIR/exec" | cut -d' ' -f2 | sort | xargs)" = "0 1 2" ]
}

# bats test_tags=native
@test "user, groups, folder, environment and capabilities by option" {
  run_detached
  run inside --user 1000:77 --additional-gids 5 -g 12 --cwd /var --env A=one -e 'B=two words' --env PATH=/bin:/x -- \
    sh -c 'id -u; id -G; pwd; echo "$A;$B;$PATH"; grep CapPrm /proc/self/status'
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[*]}" = "1000 77 5 12 /var one;two words;/bin:/x CapPrm:	0000000000000000" ]
  run inside --cap CAP_SYS_NICE --cap CAP_NET_RAW -- grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status
  echo "$output"
  [ "${lines[0]}" = $'CapInh:\t0000000000000000' ]
  for i in 1 2 3; do [ "${lines[i]##*	}" = 00000000208024e1 ] || { echo "$i"; false; }; done
  [ "${lines[4]}" = $'CapAmb:\t0000000000000000' ]
  [ "$(inside env | sort | xargs)" = "HOME=/root PATH=/bin" ]
  run inside --cwd /nowhere -- pwd
  [ "$status" = 255 ]
  [[ $output = *"process.cwd: "*"/nowhere: No such file or directory" ]]
  [ ! -e "$BUNDLE/rootfs/nowhere" ]
  for bad in '--user root' '--user 1:2:3' '--cap CAP_NONSENSE' '--cwd relative' '--additional-gids x'; do
    # shellcheck disable=SC2086 # an option and its value
    run rundlet exec $bad "$ID" true </dev/null
    echo "$bad: $output"
    [ "$status" = 255 ]
  done
}

# bats test_tags=native
@test "--no-new-privs is set when the container's process has none" {
  config '.process.noNewPrivileges = false'
  run_detached
  [ "$(inside grep NoNewPrivs /proc/self/status)" = $'NoNewPrivs:\t0' ]
  [ "$(inside --no-new-privs -- grep NoNewPrivs /proc/self/status)" = $'NoNewPrivs:\t1' ]
}

# bats test_tags=native
@test "--process takes the whole process from a file, and a command beside it is refused" {
  run_detached
  jq '.process | .args = ["sh", "-c", "id -u; umask; pwd; echo $FROM; cat /proc/self/oom_score_adj"] | .user = {uid: 7, gid: 8, umask: 18}
    | .env = ["FROM=file", "PATH=/bin"] | .cwd = "/usr" | .oomScoreAdj = 99' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
  run rundlet exec --process "$BATS_TEST_TMPDIR/process.json" "$ID" </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[*]}" = "7 0022 /usr file 99" ]
  refused "exclude each other" exec --process "$BATS_TEST_TMPDIR/process.json" "$ID" true
  refused "no such file" exec --process /nonexistent "$ID"
  echo '{"cwd": "/", "user": {"uid": 0, "gid": 0}, "args": []}' >"$BATS_TEST_TMPDIR/process.json"
  refused "process.args" exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
  refused "what to execute is missing" exec "$ID"
}

# --- streams and descriptors ---------------------------------------------------------------------------------------
# bats test_tags=native
@test "a mebibyte goes through both ways, errors apart from output" {
  run_detached
  head -c 1048576 /dev/urandom >"$BATS_TEST_TMPDIR/data"
  rundlet exec "$ID" sh -c 'cat; echo err >&2' <"$BATS_TEST_TMPDIR/data" >"$BATS_TEST_TMPDIR/o" 2>"$BATS_TEST_TMPDIR/e"
  cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/o"
  [ "$(cat "$BATS_TEST_TMPDIR/e")" = err ]
  sum=$(sha256sum <"$BATS_TEST_TMPDIR/data")
  # shellcheck disable=SC2002 # a pipe is the point
  cat "$BATS_TEST_TMPDIR/data" | rundlet exec "$ID" cat | cat | sha256sum | grep -qx "$sum"
}

# bats test_tags=native
@test "descriptors: only those asked for, LISTEN_FDS in front of them" {
  run_detached
  echo three >"$BATS_TEST_TMPDIR/3"
  echo four >"$BATS_TEST_TMPDIR/4"
  with_fds() { timeout "$LIMIT" "$RUNTIME" --root "$ROOT" exec "$@" </dev/null 3<"$BATS_TEST_TMPDIR/3" 4<"$BATS_TEST_TMPDIR/4" 5</etc/passwd; }
  run with_fds --preserve-fds 2 "$ID" sh -c 'cat <&3; cat <&4; [ ! -e /proc/self/fd/5 ] && echo no five; echo "${LISTEN_FDS-none}"'
  echo "$output"
  [ "${lines[*]}" = "three four no five none" ]
  LISTEN_FDS=1 run with_fds --preserve-fds 1 "$ID" sh -c 'cat <&3; cat <&4; [ ! -e /proc/self/fd/5 ] && echo no five; echo "$LISTEN_FDS $LISTEN_PID"'
  echo "$output"
  [ "${lines[*]}" = "three four no five 1 1" ]
  run with_fds --preserve-fds 40 "$ID" true
  echo "$output"
  [ "$status" = 255 ]
  [[ $output = *"preserve file descriptor"*"not open"* ]]
}

@test "--detach comes back at once, with a pid file that holds the pid the host sees" {
  run_detached
  quietly exec --detach --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" sleep 1111
  pid=$(cat "$BATS_TEST_TMPDIR/pid")
  tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qx 'sleep 1111 '
  [ "$(readlink "/proc/$pid/ns/pid")" = "$(readlink "/proc/$(init_pid)/ns/pid")" ]
  rundlet ps --format json "$ID" | jq -e --argjson pid "$pid" 'index($pid) != null'
  # Its parent is not init of the container: it is reaped outside, and leaves no zombie.
  kill -KILL "$pid"
  wait_for test ! -e "/proc/$pid"
  is_status running
}

# --- results -------------------------------------------------------------------------------------------------------
# bats test_tags=native
@test "the exit status is the command's, 128 and a signal, or 255 with words" {
  run_detached
  for code in 0 7 255; do
    run inside sh -c "exit $code"
    [ "$status" = "$code" ]
    [ -z "$output" ]
  done
  for signal in 9 15 11; do
    run inside sh -c "kill -$signal \$\$"
    [ "$status" = $((128 + signal)) ]
  done
  : >"$BUNDLE/rootfs/bin/plain"
  refused 'nowhere along /bin: executable file not found in $path' exec "$ID" nowhere
  refused "no such file or directory" exec "$ID" /nowhere
  [[ $output = *"/nowhere"* ]]
  refused "permission denied" exec "$ID" /bin/plain
  refused "permission denied" exec "$ID" /bin
  is_status running
  [ "$(rundlet ps --format json "$ID" | jq length)" = 1 ]
}

@test "fifty in a row and ten at once, each with its own answer" {
  run_detached
  rounds=50
  [ -z "${IN_VM:-}" ] || rounds=5
  for i in $(seq "$rounds"); do
    [ "$(inside echo "answer $i")" = "answer $i" ]
  done
  pids=()
  for i in 1 2 3 4 5 6 7 8 9 10; do
    inside sh -c "sleep 0.2; echo answer $i; exit $i" >"$BATS_TEST_TMPDIR/answer-$i" 2>&1 &
    pids+=($!)
  done
  for i in 1 2 3 4 5 6 7 8 9 10; do
    code=0
    wait "${pids[i - 1]}" || code=$?
    [ "$code $(cat "$BATS_TEST_TMPDIR/answer-$i")" = "$i answer $i" ]
  done
  [ "$(rundlet ps --format json "$ID" | jq length)" = 1 ]
}

# --- states --------------------------------------------------------------------------------------------------------
@test "exec works in a created container and leaves it created" {
  create
  [ "$(inside cat /etc/hostname 2>&1 || inside hostname)" ]
  [ "$(inside hostname)" = box ]
  is_status created
  start
  is_status running
}

# bats test_tags=native
@test "stopped, absent and paused containers are refused, a paused one only by default" {
  refused "does not exist" exec "$ID" true
  run_detached
  rundlet pause "$ID"
  refused "paused" exec "$ID" true
  quietly exec --detach --ignore-paused --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" touch /ran &
  exec_pid=$!
  sleep 0.5
  [ ! -e "$BUNDLE/rootfs/ran" ]
  rundlet resume "$ID"
  wait "$exec_pid"
  wait_for test -e "$BUNDLE/rootfs/ran"
  rundlet pause "$ID"
  quietly exec --ignore-paused "$ID" sleep 1000 &
  exec_pid=$!
  wait_for eval '[ "$(rundlet ps --format json "$ID" | jq length)" = 2 ]'
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  code=0
  wait "$exec_pid" || code=$?
  [ "$code" = 137 ] || [ "$code" = 255 ]
  refused "cannot exec in a stopped container" exec "$ID" true
}

@test "a container that is killed ends its execs, and each says 137" {
  run_detached
  inside sleep 1000 >"$BATS_TEST_TMPDIR/o" 2>&1 &
  exec_pid=$!
  wait_for eval '[ "$(rundlet ps --format json "$ID" | jq length)" = 2 ]'
  rundlet kill "$ID" KILL
  code=0
  wait "$exec_pid" || code=$?
  [ "$code" = 137 ]
  wait_for is_status stopped
}

@test "an exec that is killed takes its process with it only until it runs" {
  run_detached
  "$RUNTIME" --root "$ROOT" exec "$ID" sh -c 'echo up >/up; exec sleep 1234' </dev/null >"$OUT" 2>&1 3>&- 4>&- &
  runtime=$!
  wait_for test -e "$BUNDLE/rootfs/up"
  kill -KILL "$runtime"
  wait "$runtime" || true
  sleep 0.2
  [ "$(rundlet ps --format json "$ID" | jq length)" = 2 ]
  is_status running
}

# --- cgroups -------------------------------------------------------------------------------------------------------
@test "--cgroup runs in a cgroup below the container's own and nowhere else" {
  run_detached
  mkdir -p "$CGROUPS/$ID/below/deep"
  config '.process.args = ["grep", "^0::", "/proc/self/cgroup"]'
  [ "$(inside --cgroup below -- grep ^0:: /proc/self/cgroup)" = 0::/below ]
  [ "$(inside --cgroup /below/deep -- grep ^0:: /proc/self/cgroup)" = 0::/below/deep ]
  for bad in .. below/../.. ../../.. ./below; do
    refused "below the container's cgroup" exec --cgroup "$bad" "$ID" true
  done
  refused "no such file" exec --cgroup absent "$ID" true
}

@test "init in a leaf of its own making: exec follows it there" {
  run_detached
  mkdir "$CGROUPS/$ID/leaf"
  init_pid >"$CGROUPS/$ID/leaf/cgroup.procs"
  # With a controller handed down the container's own cgroup takes no process any more (EBUSY).
  enabled=$(cut -d' ' -f1 "$CGROUPS/$ID/cgroup.controllers")
  [ -z "$enabled" ] || echo "+$enabled" >"$CGROUPS/$ID/cgroup.subtree_control"
  run inside grep ^0:: /proc/self/cgroup
  echo "$output"
  [ "$status" = 0 ]
  if [ -n "$enabled" ]; then [ "$output" = 0::/leaf ]; else [ "$output" = 0::/ ]; fi
  quietly delete --force "$ID"
  [ ! -e "$CGROUPS/$ID" ]
}
