#!/usr/bin/env bats
# What is left when rundlet is killed, or a system call fails, at any point.  A first run under strace records the calls;
# later runs are killed, or get an error, at a sample of them.  After each: delete --force succeeds, nothing is left, and
# the id can be used at once.

load helpers

POINTS=${POINTS:-${IN_VM:+2}} # of a sweep; every run under strace is slow in the virtual machine
POINTS=${POINTS:-20}

setup() {
  rundlet_only
  bundle_setup
  mkdir "$BATS_TEST_TMPDIR/source"
  config --arg id "$ID" --arg source "$BATS_TEST_TMPDIR/source" '.linux.cgroupsPath = "/" + $id + "/deeper/" + $id
    | .mounts += [{destination: "/mnt", type: "bind", source: $source, options: ["bind", "ro"]}]'
  COMMAND=("$RUNTIME" --root "$ROOT" create --bundle "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID")
}

# The calls of COMMAND... itself, "NAME N" a line (the Nth of that name), from where it has read its arguments.
calls_of() {
  timeout "$LIMIT" strace -qq -o "$BATS_TEST_TMPDIR/trace" "$@" </dev/null >"$OUT" 2>&1 3>&- 4>&-
  awk -F'(' '/^[a-z_0-9]+\(/ { n[$1]++; if ($0 ~ /"\/dev\/null"/) go = 1; if (go && $1 !~ /^exit/) print $1, n[$1] }' \
    "$BATS_TEST_TMPDIR/trace" >"$BATS_TEST_TMPDIR/calls"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/calls")" -gt 20 ]
}

# The calls of the container's own process until it waits for start, while COMMAND... runs in a shell.
calls_of_child() {
  under_shell -o "$BATS_TEST_TMPDIR/trace" -- "$@"
  [ "$code" = 0 ]
  local shell
  shell=$(awk '{ print $1; exit }' "$BATS_TEST_TMPDIR/trace")
  # The third process of the trace is the container's; what the shell calls too would end the shell.
  awk -v shell="$shell" '!($1 in seen) { seen[$1] = ++count }
    { split($2, part, "(") }
    $2 !~ /^[a-z_0-9]+\(/ { next }
    $1 == shell { shells[part[1]] = 1 }
    seen[$1] == 3 { n[part[1]]++; line[++lines] = part[1] " " n[part[1]] }
    END { for (i = 1; i <= lines; i++) { split(line[i], part, " "); if (!(part[1] in shells) && part[1] !~ /^exit/) print line[i] } }' \
    "$BATS_TEST_TMPDIR/trace" >"$BATS_TEST_TMPDIR/calls"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/calls")" -gt 20 ]
}

# Traces COMMAND... and its children: under_shell STRACE-OPTION... -- COMMAND...; its status is in $code, its output in
# $OUT.  The container may live on, and with it strace, until it is deleted.
under_shell() {
  local options=()
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  rm -f "$BATS_TEST_TMPDIR/code"
  # shellcheck disable=SC2016 # for the inner shell
  timeout -k 1 "$LIMIT" strace -f -qq "${options[@]}" sh -c '"$@" >"$0" 2>&1; echo $? >"${0%/*}/code"' \
    "$OUT" "$@" </dev/null >/dev/null 2>&1 3>&- 4>&- &
  tracer=$!
  wait_for test -s "$BATS_TEST_TMPDIR/code"
  code=$(cat "$BATS_TEST_TMPDIR/code")
}

# POINTS of the recorded calls, spread evenly.
sample() {
  awk -v points="$POINTS" '{ line[NR] = $0 } END { step = NR / points; if (step < 1) step = 1
    for (i = step / 2; i < NR; i += step) print line[int(i) + 1] }' "$BATS_TEST_TMPDIR/calls"
}

# Whatever happened: state and list answer, delete --force leaves nothing, and the id is free.
recovers() { # WHAT HAPPENED
  local answer
  answer=$(rundlet state "$ID" 2>&1) || [[ $answer = *"does not exist"* || $answer = *"unusable"* ]] ||
    { echo "$1: state: $answer"; return 1; }
  rundlet list >/dev/null || { echo "$1: list"; return 1; }
  quietly delete --force "$ID" || { echo "$1: delete"; return 1; }
  [ ! -s "$OUT" ] || { echo "$1: delete says: $(cat "$OUT")"; return 1; }
  WAIT=5 wait_for no_leaks || { echo "$1:"; no_leaks; return 1; }
  rm -f "$BATS_TEST_TMPDIR/pid"
  create || { echo "$1: create again"; return 1; }
  [ "$(rundlet ps --format json "$ID" | jq length)" = 1 ] || { echo "$1: more than one process"; return 1; }
  quietly delete --force "$ID"
}

killed_at() { # NAME N COMMAND...
  timeout "$LIMIT" strace -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" "${@:3}" \
    </dev/null >"$OUT" 2>&1 3>&- 4>&-
}

# Kills COMMAND... at a sample of its recorded calls; before each, `prepare` runs, after each `recovers`.
sweep() {
  local name number status killed=0 all=0
  while read -r name number; do
    prepare
    status=0
    killed_at "$name" "$number" "$@" 2>/dev/null || status=$?
    [ "$status" = 137 ] && killed=$((killed + 1))
    [ "$status" = 124 ] && { echo "$name $number: hung"; return 1; }
    all=$((all + 1))
    recovers "killed at $name $number"
  done < <(sample)
  echo "killed $killed of $all"
  [ "$killed" -gt $((all * 2 / 3)) ]
}

prepare() { :; }

@test "create is killed at a sample of its calls" {
  calls_of "${COMMAND[@]}"
  recovers "after the first run"
  sweep "${COMMAND[@]}"
}

# bats test_tags=native
@test "create with a private overlay and hooks is killed at a sample of its calls" {
  mkdir "$BATS_TEST_TMPDIR/layer"
  config '.hooks = {createRuntime: [{path: "/bin/true"}], poststop: [{path: "/bin/true"}]}'
  overlay=("$RUNTIME" --root "$ROOT" create --bundle "$BUNDLE" --layer "$BATS_TEST_TMPDIR/layer" --layer "$BUNDLE/rootfs" "$ID")
  calls_of "${overlay[@]}"
  recovers "after the first run"
  sweep "${overlay[@]}"
}

# bats test_tags=native
@test "run is killed at a sample of its calls" {
  payload sleep 3000
  run_command=("$RUNTIME" --root "$ROOT" run --detach --bundle "$BUNDLE" "$ID")
  calls_of "${run_command[@]}"
  recovers "after the first run"
  sweep "${run_command[@]}"
}

# bats test_tags=native
@test "start is killed between its phases: the container is created, running or stopped, and can be deleted" {
  prepare() {
    create
  }
  prepare
  calls_of "$RUNTIME" --root "$ROOT" start "$ID"
  recovers "after the first run"
  sweep "$RUNTIME" --root "$ROOT" start "$ID"
}

@test "delete is killed and called again" {
  prepare() {
    run_detached
  }
  prepare
  calls_of "$RUNTIME" --root "$ROOT" delete --force "$ID"
  recovers "after the first run"
  sweep "$RUNTIME" --root "$ROOT" delete --force "$ID"
}

# bats test_tags=native
@test "exec is killed: the container goes on and takes the next exec" {
  run_detached
  pid=$(init_pid)
  exec_command=("$RUNTIME" --root "$ROOT" exec --detach "$ID" sleep 5)
  calls_of "${exec_command[@]}"
  while read -r name number; do
    killed_at "$name" "$number" "${exec_command[@]}" 2>/dev/null || true
    is_status running
    [ "$(init_pid)" = "$pid" ]
    [ "$(rundlet exec "$ID" echo alive </dev/null)" = alive ]
  done < <(sample)
  # Half-made ones do not stay: only what was really started may.
  [ "$(rundlet ps "$ID" | grep -c rundlet)" = 0 ]
  quietly delete --force "$ID"
}

@test "the container's own process is killed at a sample of its calls: create says so and leaves nothing" {
  calls_of_child "${COMMAND[@]}"
  recovers "after the first run"
  wait "$tracer" || true
  while read -r name number; do
    echo "$name $number"
    under_shell -o /dev/null -e "trace=$name" -e "inject=$name:signal=KILL:when=$number" -- "${COMMAND[@]}"
    echo "killed at $name $number: $code $(cat "$OUT")"
    case $code in
      0) ;; # at its last calls it is no longer create's
      1) [ "$(grep -c '^rundlet: error: ' "$OUT")" = 1 ] && [ ! -e "$ROOT/$ID" ] && [ ! -e "$BATS_TEST_TMPDIR/pid" ] ;;
      137) ;; # the parent makes this call too
      *) false ;;
    esac
    recovers "child killed at $name $number"
    wait "$tracer" || true
  done < <(sample)
}

# NAME N ERROR of a sample of those recorded calls that can fail in real life.
errors() {
  awk '/^(bind|chmod|clone3|connect|execveat|fchmod|fchmodat|fchownat|fcntl|flock|fork|fsconfig|fsetxattr|fsmount|fsopen|fspick|fsync|ftruncate|listen|memfd_create|mkdirat|mknodat|mount|mount_setattr|move_mount|open_tree|openat|openat2|pidfd_open|pivot_root|prctl|recvfrom|renameat|renameat2|sendmsg|sendto|setgroups|sethostname|setns|setsid|socket|socketpair|symlinkat|unshare|write) /' \
    "$BATS_TEST_TMPDIR/calls" >"$BATS_TEST_TMPDIR/able"
  mv "$BATS_TEST_TMPDIR/able" "$BATS_TEST_TMPDIR/calls"
  sample | awk 'BEGIN { split("EPERM ENOMEM ENOSPC EIO", error, " ") } { print $0, error[NR % 4 + 1] }'
}

# Success, or one error and nothing left: nothing between.
verdict() { # WHAT STATUS
  if [ "$2" = 0 ]; then
    recovers "$1"
    return
  fi
  echo "$1: $2: $(cat "$OUT")"
  [ "$2" = 1 ] || { echo "status $2"; return 1; }
  [ "$(grep -c '^rundlet: error: ' "$OUT")" = 1 ] || { echo "not one error"; return 1; }
  # Where the call failed once more while all was undone, a warning says what is left.
  grep -q '^rundlet: warning: ' "$OUT" || WAIT=5 wait_for no_leaks || { no_leaks; return 1; }
  [ ! -e "$BATS_TEST_TMPDIR/pid" ] || { echo "a pid file is left"; return 1; }
  recovers "$1"
}

@test "a call of create fails: an error and nothing left, or success" {
  calls_of "${COMMAND[@]}"
  recovers "after the first run"
  while read -r name number error; do
    status=0
    timeout "$LIMIT" strace -qq -o /dev/null -e "trace=$name" -e "inject=$name:error=$error:when=$number" "${COMMAND[@]}" \
      </dev/null >"$OUT" 2>&1 3>&- 4>&- || status=$?
    verdict "$name $number $error" "$status"
  done < <(errors)
}

@test "a call of the container's own process fails: an error that names the step and nothing left, or success" {
  calls_of_child "${COMMAND[@]}"
  recovers "after the first run"
  wait "$tracer" || true
  while read -r name number error; do
    under_shell -o /dev/null -e "trace=$name" -e "inject=$name:error=$error:when=$number" -- "${COMMAND[@]}"
    verdict "$name $number $error" "$code"
    wait "$tracer" || true
  done < <(errors)
}

# bats test_tags=native
@test "a call of start, exec or delete fails: it says so once, and delete --force then leaves nothing" {
  local verb arguments
  for verb in start "exec --detach" "delete --force"; do
    prepare() {
      if [ "$verb" = start ]; then create; else run_detached; fi
    }
    prepare
    arguments=("$ID")
    [ "$verb" != "exec --detach" ] || arguments+=(sleep 3)
    # shellcheck disable=SC2086 # two words
    calls_of "$RUNTIME" --root "$ROOT" $verb "${arguments[@]}"
    recovers "after the first $verb"
    while read -r name number error; do
      prepare
      status=0
      # shellcheck disable=SC2086 # two words
      timeout "$LIMIT" strace -qq -o /dev/null -e "trace=$name" -e "inject=$name:error=$error:when=$number" \
        "$RUNTIME" --root "$ROOT" $verb "${arguments[@]}" </dev/null >"$OUT" 2>&1 3>&- 4>&- || status=$?
      echo "$verb: $name $number $error: $status $(cat "$OUT")"
      case $status in
        0) ;;
        1 | 255) [ "$(grep -c '^rundlet: error: ' "$OUT")" = 1 ] ;;
        *) false ;;
      esac
      recovers "$verb: $name $number $error"
    done < <(errors)
  done
}

@test "a full state root: create says so, delete works while it is full" {
  mkdir "$ROOT"
  cat >"$BATS_TEST_TMPDIR/full" <<-'EOT'
	set -e
	mount -t tmpfs -o mode=700,size=64k,nr_inodes=20 tmpfs "$ROOT"
	rundlet() { timeout "$LIMIT" "$RUNTIME" --root "$ROOT" "$@" </dev/null; }
	rundlet create --bundle "$BUNDLE" "$ID" >/dev/null 2>&1
	head -c 100000 /dev/zero >"$ROOT/filler" 2>/dev/null || true
	if rundlet create --bundle "$BUNDLE" "$ID-2" 2>&1; then echo "create worked"; exit 1; fi
	[ ! -e "$ROOT/$ID-2" ]
	rundlet delete --force "$ID"
	[ "$(ls "$ROOT")" = filler ]
	EOT
  export ROOT RUNTIME BUNDLE ID LIMIT
  run unshare -m bash "$BATS_TEST_TMPDIR/full"
  echo "$output"
  [ "$status" = 0 ]
  [[ $output = *"No space left"* ]]
  [ ! -e "$CGROUPS/$ID" ]
}
