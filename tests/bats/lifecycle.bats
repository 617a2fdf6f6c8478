#!/usr/bin/env bats
# The life of a container as its user sees it: create, start, state, kill, delete, run, pause.

load helpers

# Exit status 1 and one error line with these words on it: refused 'words' COMMAND...
refused() {
  local words=$1
  shift
  run rundlet "$@"
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  [ "$(grep -cv -e '^rundlet: error: ' -e '^hint: ' <<<"$output")" = 0 ]
  [[ $output = *"$words"* ]]
}

stopped() {
  payload true
  create && start
  wait_for is_status stopped
}

# --- state ---------------------------------------------------------------------------------------------------------
@test "a container is created, running, stopped and gone; state says so in every phase" {
  create --pid-file "$BATS_TEST_TMPDIR/pid"
  pid=$(cat "$BATS_TEST_TMPDIR/pid")
  rundlet state "$ID" >"$OUT"
  jq -e --arg id "$ID" --arg bundle "$BUNDLE" --argjson pid "$pid" '
    .id == $id and .status == "created" and .pid == $pid and .bundle == $bundle and .rootfs == $bundle + "/rootfs"
    and .owner == "root" and (.ociVersion | test("^1\\.[0-9]+\\.[0-9]+$"))
    and (.created | test("^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?Z$"))' "$OUT"
  [ "$(readlink "/proc/$pid/cwd")" = / ]
  [ "$(date +%s)" -ge "$(date -d "$(field .created)" +%s)" ]
  [ "$(grep -c sleep "/proc/$pid/cmdline")" = 0 ]
  start
  is_status running
  wait_for grep -q sleep "/proc/$pid/cmdline"
  [ "$(init_pid)" = "$pid" ]
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  [ "$(field .pid)" = 0 ]
  rundlet state "$ID" | jq -e 'has("pid")'
  rundlet delete "$ID"
  refused "does not exist" state "$ID"
}

# bats test_tags=native
@test "annotations of the config are in the state" {
  config '.annotations = {"org.example.a": "one", "b": ""}'
  create
  rundlet state "$ID" | jq -e '.annotations == {"org.example.a": "one", "b": ""}'
}

@test "state says creating while a hook of create runs, and then it cannot be killed but listed" {
  mkfifo "$BATS_TEST_TMPDIR/gate"
  config --arg gate "$BATS_TEST_TMPDIR/gate" '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "read x <" + $gate]}]'
  rundlet create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 &
  creator=$!
  wait_for is_status creating
  [ "$(field .pid)" = 0 ]
  refused "still being created" kill "$ID" TERM
  rundlet list --quiet | grep -qx "$ID"
  echo >"$BATS_TEST_TMPDIR/gate"
  wait "$creator"
  is_status created
}

# bats test_tags=native
@test "what happens to config.json after create has no effect" {
  payload sh -c 'echo first; echo $A'
  config '.process.env += ["A=before"] | .hooks.poststop = [{path: "/bin/sh", args: ["sh", "-c", "echo before >" + $out]}]' \
    --arg out "$BATS_TEST_TMPDIR/hook"
  rundlet create --bundle "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/first" 2>&1
  payload echo second
  config '.process.env += ["A=after"] | .hooks.poststop[0].args[2] = "true"'
  start
  wait_for is_status stopped
  [ "$(cat "$BATS_TEST_TMPDIR/first")" = $'first\nbefore' ]
  rm "$BUNDLE/config.json"
  rundlet delete "$ID"
  [ "$(cat "$BATS_TEST_TMPDIR/hook")" = before ]
}

# bats test_tags=native
@test "the output of a created container goes where create's went" {
  payload echo from inside
  rundlet create --bundle "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/first" 2>&1
  payload echo another
  quietly start "$ID"
  wait_for is_status stopped
  [ "$(cat "$BATS_TEST_TMPDIR/first")" = "from inside" ]
  [ ! -s "$OUT" ]
}

# bats test_tags=native
@test "pid file: the decimal pid without a newline, relative to the caller; a link is replaced, not followed" {
  cd "$BATS_TEST_TMPDIR"
  echo keep >victim
  ln -s victim init.pid
  create --pid-file init.pid
  [ "$(cat victim)" = keep ]
  [ ! -L init.pid ]
  [ "$(od -An -c init.pid | tr -d ' \n')" = "$(init_pid)" ]
}

# --- run -----------------------------------------------------------------------------------------------------------
# bats test_tags=native
@test "run gives back the exit status, and 128 + N for a signal" {
  for code in 0 1 3 126 255; do
    run run_payload sh -c "exit $code"
    [ "$status" = "$code" ] || { echo "$code: $status"; false; }
    [ -z "$output" ]
  done
  # Pid 1 of a pid namespace ignores what it does not handle: the container shares the host's.
  config '.linux.namespaces |= map(select(.type != "pid"))'
  for signal in 9 15 6; do
    run run_payload sh -c "kill -$signal \$\$"
    [ "$status" = $((128 + signal)) ] || { echo "signal $signal: $status"; false; }
  done
  [ -z "$(ls "$ROOT")" ]
}

# bats test_tags=native
@test "run passes standard input and keeps output and errors apart and in order" {
  payload sh -c 'echo one; cat; echo err >&2; echo two'
  printf 'line\nlast without newline' | rundlet run --bundle "$BUNDLE" "$ID" >"$BATS_TEST_TMPDIR/o" 2>"$BATS_TEST_TMPDIR/e"
  [ "$(cat "$BATS_TEST_TMPDIR/o")" = $'one\nline\nlast without newlinetwo' ]
  [ "$(cat "$BATS_TEST_TMPDIR/e")" = err ]
  payload sh -c 'i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i + 1)); done'
  rundlet run --bundle "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/both" 2>&1
  seq 0 299 | sed 's/.*/out &\nerr &/' >"$BATS_TEST_TMPDIR/want"
  cmp "$BATS_TEST_TMPDIR/both" "$BATS_TEST_TMPDIR/want"
}

@test "run passes a signal on to the container" {
  payload sh -c 'trap "echo got it; exit 7" TERM; echo ready; while :; do sleep 0.1; done'
  "$RUNTIME" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 3>&- 4>&- &
  runner=$!
  wait_for grep -q ready "$OUT"
  kill -TERM "$runner"
  code=0
  wait "$runner" || code=$?
  [ "$code" = 7 ]
  grep -q "got it" "$OUT"
  [ ! -e "$ROOT/$ID" ]
}

# bats test_tags=native
@test "run --detach leaves it running; --keep leaves it stopped; without either nothing is left" {
  run_detached
  is_status running
  quietly delete --force "$ID"
  payload sh -c 'exit 4'
  run rundlet run --keep --bundle "$BUNDLE" "$ID" </dev/null
  [ "$status" = 4 ]
  is_status stopped
  rundlet delete "$ID"
  run run_payload true
  [ "$status" = 0 ]
  refused "does not exist" state "$ID"
}

# bats test_tags=native
@test "a run whose reader goes away ends like any other" {
  payload sh -c 'while echo y; do :; done; exit 5'
  rundlet run --bundle "$BUNDLE" "$ID" </dev/null 2>"$BATS_TEST_TMPDIR/err" | head -n 1 | grep -qx y
  wait_for test ! -e "$ROOT/$ID"
}

# bats test_tags=native
@test "options may stand after the id, with one dash, with = and twice" {
  payload true
  run rundlet run "$ID" -bundle="$BUNDLE" </dev/null
  [ "$status" = 0 ]
  run rundlet run -b/nonexistent "$ID" -b "$BUNDLE" --no-pivot=false -no-new-keyring </dev/null
  echo "$output"
  [ "$status" = 0 ]
  run rundlet --root /nonexistent --root="$ROOT" -debug=false list -q
  [ "$status" = 0 ]
}

# bats test_tags=native
@test "the state root may be relative, a link or spelled in two ways; the bundle is the working directory by default" {
  cd "$BUNDLE"
  timeout "$LIMIT" "$RUNTIME" --root ../state create "$ID" </dev/null >"$OUT" 2>&1 3>&- 4>&-
  cd /
  is_status created
  [ "$(field .bundle)" = "$BUNDLE" ]
  quietly delete --force "$ID"
  ln -s state "$BATS_TEST_TMPDIR/link"
  mkdir "$BATS_TEST_TMPDIR/folder"
  quietly --root "$BATS_TEST_TMPDIR/link" create --bundle "$BUNDLE" "$ID"
  cd "$BATS_TEST_TMPDIR/folder"
  quietly --root ../link/./../state delete "$ID"
  [ ! -e "$CGROUPS/$ID" ]
}

# --- kill ----------------------------------------------------------------------------------------------------------
# bats test_tags=native
@test "kill takes a number, a name, SIG and a name, in any case, and names what it does not know" {
  payload sh -c 'trap "echo hup" HUP; trap "echo usr1" USR1; trap "echo int" INT; echo ready; while :; do sleep 0.05; done'
  run_detached
  wait_for grep -q ready "$OUT"
  log=$OUT
  rundlet kill "$ID" HUP
  wait_for grep -q hup "$log"
  rundlet kill "$ID" SIGUSR1
  wait_for grep -q usr1 "$log"
  rundlet kill "$ID" 2
  wait_for grep -q int "$log"
  rundlet kill "$ID" usr1
  wait_for eval '[ "$(grep -c usr1 "$log")" = 2 ]'
  rundlet kill "$ID" 0
  for bad in NOPE SIGNOPE -1 65 1000 9x ''; do
    run rundlet kill "$ID" -- "$bad"
    echo "$bad: $output"
    [ "$status" = 1 ]
    [[ $output = *signal* ]]
  done
  is_status running
  rundlet kill "$ID" sigkill
  wait_for is_status stopped
}

# bats test_tags=native
@test "kill sends TERM when nothing is said, and a created container can be killed" {
  create
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  refused "stopped" start "$ID"
  rundlet delete "$ID"
  payload sh -c 'trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done'
  run_detached
  wait_for grep -q ready "$OUT"
  rundlet kill "$ID"
  wait_for is_status stopped
}

# bats test_tags=native
@test "kill of a stopped or absent container says so in the words engines look for" {
  stopped
  refused "container not running" kill "$ID" TERM
  refused "container not running" kill "$ID" KILL
  run rundlet kill --all "$ID" KILL
  [ "$status" = 0 ]
  rundlet delete "$ID"
  refused "does not exist" kill "$ID" KILL
  refused "does not exist" kill --all "$ID" KILL
}

@test "an init that ignores TERM lives on until KILL" {
  payload sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
  run_detached
  wait_for grep -q ready "$OUT"
  rundlet kill "$ID" TERM
  sleep 0.3
  is_status running
  rundlet kill "$ID" KILL
  wait_for is_status stopped
}

@test "without a pid namespace of its own, what survives init is ended by kill --all" {
  config '.linux.namespaces |= map(select(.type != "pid"))'
  payload sh -c 'sleep 7777 & setsid sleep 7778 & echo ready'
  ln -s busybox "$BUNDLE/rootfs/bin/setsid"
  run_detached
  wait_for is_status stopped
  [ "$(rundlet ps --format json "$ID" | jq length)" = 2 ]
  pids=$(rundlet ps --format json "$ID" | jq -r '.[]')
  quietly kill --all "$ID" KILL
  for pid in $pids; do wait_for test ! -e "/proc/$pid"; done
  [ "$(rundlet ps --format json "$ID" | jq length)" = 0 ]
  rundlet delete "$ID"
}

@test "without a pid namespace of its own, delete and kill KILL end every process" {
  config '.linux.namespaces |= map(select(.type != "pid"))'
  payload sh -c 'sleep 7777 & echo ready'
  run_detached
  wait_for is_status stopped
  pids=$(rundlet ps --format json "$ID" | jq -r '.[]')
  [ -n "$pids" ]
  quietly delete "$ID"
  for pid in $pids; do wait_for test ! -e "/proc/$pid"; done
  payload sh -c 'sleep 7777 & wait'
  run_detached
  wait_for eval '[ "$(rundlet ps --format json "$ID" | jq length)" = 2 ]'
  pids=$(rundlet ps --format json "$ID" | jq -r '.[]')
  quietly kill "$ID" KILL
  for pid in $pids; do wait_for test ! -e "/proc/$pid"; done
}

# --- start ---------------------------------------------------------------------------------------------------------
# bats test_tags=native
@test "start works once: on a running, stopped or absent container it says why not" {
  refused "does not exist" start "$ID"
  create
  start
  refused "running" start "$ID"
  is_status running
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  refused "stopped" start "$ID"
}

# bats test_tags=native
@test "a program that cannot be executed is an error of create or start that names it" {
  echo garbage >"$BUNDLE/rootfs/bin/garbage"
  chmod 755 "$BUNDLE/rootfs/bin/garbage"
  echo '#!/bin/nothing' >"$BUNDLE/rootfs/bin/script"
  chmod 755 "$BUNDLE/rootfs/bin/script"
  touch "$BUNDLE/rootfs/bin/plain"
  while read -r program words; do
    payload "$program"
    run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
    echo "$program: $output"
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output = *"$program"*": $words" ]]
    [ ! -e "$ROOT/$ID" ]
    if create; then
      refused "$program" start "$ID"
      wait_for is_status stopped
      rundlet delete "$ID"
    else
      [[ $(cat "$OUT") = *"$program"* ]]
    fi
  done <<-'EOT'
	nonexistent executable file not found in $PATH
	/bin/nonexistent no such file or directory
	/bin/plain permission denied
	/bin permission denied
	/bin/garbage exec format error
	/bin/script no such file or directory
	EOT
}

# --- delete --------------------------------------------------------------------------------------------------------
# bats test_tags=native
@test "delete refuses a running container in words, --force ends it" {
  run_detached
  pid=$(init_pid)
  refused "not stopped" delete "$ID"
  is_status running
  quietly delete --force "$ID"
  # Whoever is its parent by now may not have waited for it yet.
  state=$(awk '/^State:/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || true
  [[ $state =~ ^[ZX]?$ ]]
  refused "does not exist" state "$ID"
}

# bats test_tags=native
@test "delete of an absent container: words engines look for; --force is content" {
  refused "does not exist" delete "$ID"
  run rundlet delete --force "$ID"
  [ "$status" = 0 ]
  [ -z "$output" ]
  [ ! -e "$ROOT" ]
}

@test "a created container is deleted with its process and cgroup, which carries nobody else's" {
  create
  pid=$(init_pid)
  quietly delete "$ID"
  wait_for test ! -e "/proc/$pid"
  [ ! -e "$CGROUPS/$ID" ]
  create
  quietly delete --force "$ID"
}

# bats test_tags=native
@test "two deletes at once: one succeeds, the other does or finds nothing" {
  stopped
  rundlet delete "$ID" >"$BATS_TEST_TMPDIR/one" 2>&1 &
  first=$!
  one=0 two=0
  rundlet delete "$ID" >"$BATS_TEST_TMPDIR/two" 2>&1 || two=$?
  wait "$first" || one=$?
  cat "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two"
  [ "$((one + two))" = 1 ]
  cat "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two" | grep -q "does not exist"
}

# --- ids -----------------------------------------------------------------------------------------------------------
# bats test_tags=native
@test "an id that is taken is refused and its owner is not touched; it is free again after delete" {
  create
  pid=$(init_pid)
  refused "already exists" create --bundle "$BUNDLE" "$ID"
  refused "already exists" run --bundle "$BUNDLE" "$ID"
  [ "$(init_pid)" = "$pid" ]
  is_status created
  for _ in 1 2 3; do
    quietly delete --force "$ID"
    create
  done
}

@test "eight creates of one id at once: one winner, seven are told, nothing else is left" {
  creators=()
  for i in 1 2 3 4 5 6 7 8; do
    (rundlet create --bundle "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/pid.$i" "$ID" </dev/null >"$BATS_TEST_TMPDIR/race.$i" 2>&1 &&
      touch "$BATS_TEST_TMPDIR/won.$i") || true &
    creators+=($!)
  done
  wait "${creators[@]}"
  cat "$BATS_TEST_TMPDIR"/race.*
  [ "$(find "$BATS_TEST_TMPDIR" -name 'won.*' | wc -l)" = 1 ]
  [ "$(grep -l "already exists" "$BATS_TEST_TMPDIR"/race.* | wc -l)" = 7 ]
  [ "$(find "$BATS_TEST_TMPDIR" -name 'pid.*' | wc -l)" = 1 ]
  [ "$(cat "$BATS_TEST_TMPDIR"/pid.*)" = "$(init_pid)" ]
  [ "$(rundlet ps --format json "$ID")" = "[$(init_pid)]" ]
  [ "$(find "$CGROUPS" -name "*$ID*" | wc -l)" = 1 ]
}

# --- pause ---------------------------------------------------------------------------------------------------------
@test "pause stops every process, resume lets them go on, twice is refused" {
  payload sh -c 'while :; do echo x >>/tmp/n; sleep 0.02; done'
  run_detached
  wait_for test -s "$BUNDLE/rootfs/tmp/n"
  rundlet pause "$ID"
  is_status paused
  before=$(wc -l <"$BUNDLE/rootfs/tmp/n")
  sleep 0.2
  [ "$(wc -l <"$BUNDLE/rootfs/tmp/n")" = "$before" ]
  refused "already paused" pause "$ID"
  run rundlet exec "$ID" true
  [ "$status" = 255 ]
  [[ $output = *paused* ]]
  refused "not stopped: paused" delete "$ID"
  rundlet resume "$ID"
  is_status running
  wait_for eval '[ "$(wc -l <"$BUNDLE/rootfs/tmp/n")" -gt "$before" ]'
  refused "not paused" resume "$ID"
}

@test "a paused container can be killed and deleted by force" {
  run_detached
  rundlet pause "$ID"
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  rundlet delete "$ID"
  run_detached
  rundlet pause "$ID"
  quietly delete --force "$ID"
  create
  rundlet pause "$ID"
  is_status paused
  rundlet resume "$ID"
  is_status created
  start
  is_status running
}

# bats test_tags=native
@test "pause and resume of a stopped container say that it is not running" {
  stopped
  refused "not running" pause "$ID"
  refused "not running" resume "$ID"
}

# --- the state root ------------------------------------------------------------------------------------------------
# bats test_tags=native
@test "whatever the umask, the state root and what is in it is ours alone" {
  for mask in 000 077 777; do
    (umask "$mask" && create) || { cat "$OUT"; false; }
    [ "$(stat -c %a "$ROOT")" = 700 ]
    [ "$(stat -c %a "$ROOT/$ID")" = 700 ]
    [ -z "$(find "$ROOT" -type f -perm /077)" ]
    start
    is_status running
    [ "$(rundlet exec "$ID" sh -c umask)" = 0022 ]
    quietly delete --force "$ID"
    rmdir "$ROOT"
  done
}

# bats test_tags=native
@test "a state root that others can write to, or that is another's, is refused by every command" {
  mkdir -m 0777 "$ROOT"
  for command in "list" "state $ID" "start $ID" "kill $ID" "delete --force $ID" "create --bundle $BUNDLE $ID" "run --bundle $BUNDLE $ID"; do
    # shellcheck disable=SC2086 # words
    refused "state root" $command
  done
  chmod 700 "$ROOT"
  chown 4242 "$ROOT"
  refused "state root" create --bundle "$BUNDLE" "$ID"
  [ -z "$(ls "$ROOT")" ]
  chown 0 "$ROOT"
}

# --- the log -------------------------------------------------------------------------------------------------------
# bats test_tags=native
@test "errors go to the log as JSON records and to standard error too" {
  log=$BATS_TEST_TMPDIR/log
  refused "does not exist" --log "$log" --log-format json state "$ID"
  jq -es 'length == 1 and (.[0] | .level == "error" and (.msg | contains("does not exist"))
    and (.time | test("^20[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+)$")))' "$log"
  refused "does not exist" --log="$log" --log-format=json delete "$ID"
  [ "$(wc -l <"$log")" = 2 ]
  refused "does not exist" --log "$log.text" state "$ID"
  grep -q "level=error\|error" "$log.text"
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["no_such_call\n\u001b[31m"], action: "SCMP_ACT_ERRNO"}]}'
  quietly --log "$log" --log-format json run --detach --bundle "$BUNDLE" "$ID"
  jq -es '.[2].level == "warning" and (.[2].msg | contains("no_such_call"))' "$log"
  [ "$(stat -c %a "$log")" = 600 ] || [ "$(stat -c %a "$log")" = 644 ]
}

# bats test_tags=native
@test "--debug fills the log and leaves standard error alone" {
  payload true
  log=$BATS_TEST_TMPDIR/log
  run rundlet --debug --log "$log" --log-format json run --bundle "$BUNDLE" "$ID" </dev/null
  [ "$status" = 0 ]
  [ -z "$output" ]
  [ ! -s "$log" ] || jq -es 'all(.[]; .level and .time and .msg)' "$log"
}

# --- fds -----------------------------------------------------------------------------------------------------------
# bats test_tags=native
@test "the container gets standard streams only; --preserve-fds and LISTEN_FDS pass on what they count" {
  payload sh -c 'for f in /proc/self/fd/*; do [ ! -e "$f" ] || echo "${f##*/} $(readlink "$f")"; done | grep -v " /proc/"; echo "L=$LISTEN_FDS P=$LISTEN_PID"'
  for i in 3 4 5 6; do echo "$i" >"$BATS_TEST_TMPDIR/fd$i"; done
  with_fds() { # OPTION...
    timeout "$LIMIT" "$RUNTIME" --root "$ROOT" run --bundle "$BUNDLE" "$@" "$ID" </dev/null 3<"$BATS_TEST_TMPDIR/fd3" \
      4<"$BATS_TEST_TMPDIR/fd4" 5<"$BATS_TEST_TMPDIR/fd5" 6<"$BATS_TEST_TMPDIR/fd6"
  }
  fds() { # of $output
    sed -n 's|^\([0-9]*\) .*/fd\([0-9]\)$|\1=\2|p' <<<"$output" | tr '\n' ' '
  }
  run with_fds
  echo "$output"
  [ "$status" = 0 ]
  [ "$(fds)" = "" ]
  [[ $output = *"L= P="* ]]
  run with_fds --preserve-fds 2
  echo "$output"
  [ "$(fds)" = "3=3 4=4 " ]
  [[ $output = *"L= P="* ]]
  export LISTEN_FDS=2
  run with_fds
  echo "$output"
  [ "$(fds)" = "3=3 4=4 " ]
  [[ $output = *"L=2 P=1"* ]]
  run with_fds --preserve-fds 1
  [ "$(fds)" = "3=3 4=4 5=5 " ]
  unset LISTEN_FDS
  run with_fds --preserve-fds 400
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"file descriptor 7: it is not open"* ]]
}
