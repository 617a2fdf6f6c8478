#!/usr/bin/env bats
# The command line as engines write it: every command and flag of flags.txt, in every form, and what is no value of it.

load helpers

setup() {
  rundlet_only
  bundle_setup
  FLAGS=$TOP/tests/bats/flags.txt
  mkdir "$BATS_TEST_TMPDIR/folder"
  jq -c .process "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process"
  echo '{}' >"$BATS_TEST_TMPDIR/empty"
}

# The rows of the table, their columns in these variables, for: while row; do ... done < <(rows)
rows() {
  sed -e '/^#/d' -e '/^ *$/d' -e 's/ *| */|/g' "$FLAGS"
}
row() {
  IFS='|' read -r command flag letter good wrong whose proof || return 1
}

# What stands for a path in the table.
value() { # COMMAND VALUE: in $value
  case $2 in
    FILE) if [ "$1" = exec ]; then value=$BATS_TEST_TMPDIR/process; else value=$BATS_TEST_TMPDIR/empty; fi ;;
    DIR) value=$BATS_TEST_TMPDIR/folder ;;
    NEW) value=$BATS_TEST_TMPDIR/new ;;
    *) value=$2 ;;
  esac
}

# A flag in all its forms, into the array forms: forms FLAG LETTER [VALUE]
forms() {
  if [ $# = 2 ]; then
    forms=("--$1" "-$1" "--$1=true" "-$1=1" "--$1=false" "--$1=t")
    [ -z "$2" ] || forms+=("-$2")
  else
    forms=("--$1" "$3" "--$1=$3" "-$1" "$3" "-$1=$3")
    [ -z "$2" ] || forms+=("-$2" "$3" "-$2$3")
  fi
}

# The command with the flag, before and after the id of a container that is not there.
absent() { # COMMAND FLAG...
  local command=$1
  shift
  case $command in
    global) run rundlet "$@" list --quiet ;;
    create | run | restore) run rundlet "$command" --bundle "$BATS_TEST_TMPDIR/folder" "$@" absent "$@" </dev/null ;;
    exec) run rundlet exec "$@" absent "$@" "${payload[@]}" </dev/null ;;
    list) run rundlet list "$@" ;;
    ps) run rundlet ps "$@" absent ;;
    spec) run rundlet spec --file "$BATS_TEST_TMPDIR/spec" "$@" ;;
    *) run rundlet "$command" "$@" absent "$@" </dev/null ;;
  esac
}

@test "every flag is taken with one dash and two, with = and a blank, by its letter, twice, and behind the id" {
  while row; do
    [ -n "$flag" ] || continue
    value "$command" "$good"
    if [ "$good" = - ]; then forms "$flag" "$letter"; else forms "$flag" "$letter" "$value"; fi
    payload=(true)
    [ "$command $flag" != "exec process" ] || payload=()
    absent "$command" "${forms[@]}"
    echo "$command ${forms[*]}: $status $output"
    case $command in
      global | list | spec) [ "$status" = 0 ] ;;
      create | run) [[ $output = *"config.json: No such file"* || $output = *"ociVersion: required"* ]] ;;
      restore) [[ $output = *"config.json: No such file"* || $output = *": --image-path: open "*"/checkpoint: No such file"* ]] ;;
      delete | kill) [ "$flag" != regex ] || [ "$status" = 0 ]
        [ "$status" = 0 ] || [[ $output = *'container "absent" does not exist'* ]] ;;
      update) [ "$status" = 1 ] && [[ $proof = refused || $output = *'container "absent" does not exist'* ]] ;;
      *) [[ $output = *'container "absent" does not exist'* ]] ;;
    esac
    [[ $output != *"unknown option"* && $output != *"needs an argument"* && $output != *usage:* ]]
    rm -f "$BATS_TEST_TMPDIR/new" "$BATS_TEST_TMPDIR/spec"* "$BATS_TEST_TMPDIR/folder/config.json"
  done < <(rows)
  [ -z "$(ls -A "$ROOT" 2>/dev/null)" ]
}

@test "--help and the completion know exactly the flags of the table, and which are ignored or refused" {
  rows | cut -d'|' -f1 | sort -u >"$BATS_TEST_TMPDIR/commands"
  while read -r name; do
    words=("$name" --help)
    [ "$name" != global ] || words=(--help)
    rundlet "${words[@]}" >"$BATS_TEST_TMPDIR/help-$name"
    # run's other flags are create's.
    rows | awk -F'|' -v name="$name" '$2 != "" && ($1 == name || (name == "run" && $1 == "create")) { print "--" $2 }' |
      sort -u >"$BATS_TEST_TMPDIR/listed"
    sed -n 's/^  *\(-., \)\? *\(--[a-z0-9-]*\) .*/\2/p' "$BATS_TEST_TMPDIR/help-$name" | sort -u >"$BATS_TEST_TMPDIR/shown"
    echo "$name"
    diff "$BATS_TEST_TMPDIR/listed" "$BATS_TEST_TMPDIR/shown"
  done <"$BATS_TEST_TMPDIR/commands"
  rundlet --bash-completion >"$BATS_TEST_TMPDIR/completion"
  while row; do
    name=$command
    [ "$name" != global ] || name='\*'
    completed=$(grep "^ *$name) COMPREPLY=" "$BATS_TEST_TMPDIR/completion")
    [ -n "$flag" ] || continue
    [[ $completed = *" --$flag"* ]] || { echo "not completed: $command --$flag"; false; }
    line=$(grep -e "--$flag " "$BATS_TEST_TMPDIR/help-$command")
    echo "$command $flag: $line"
    [ -z "$letter" ] || [[ $line = *"-$letter, --$flag"* ]]
    case $proof in
      ignored) [[ $line = *"accepted and ignored"* ]] ;;
      refused) [[ $line = *refused* ]] ;;
      *) [[ $line != *ignored* && $line != *refused* ]] ;;
    esac
  done < <(rows)
}

@test "the table has every flag that the runc and crun of this machine name" {
  peers=0
  for peer in runc crun; do
    command -v "$peer" >/dev/null || continue
    peers=$((peers + 1))
    while read -r name; do
      words=("$name" --help)
      [ "$name" != global ] || words=(--help)
      "$peer" "${words[@]}" | sed -n 's/^ *\(-.,\)* *--\([a-z0-9-]*\).*/\2/p' | grep -vx -e help -e usage |
        sed "s/^/$name|/" >>"$BATS_TEST_TMPDIR/theirs" || true
    done < <(echo global && rows | cut -d'|' -f1 | grep -vx -e global -e mounts -e features | uniq)
  done
  [ "$peers" -gt 0 ]
  rows | cut -d'|' -f1,2 | sort -u >"$BATS_TEST_TMPDIR/ours"
  missing=$(sort -u "$BATS_TEST_TMPDIR/theirs" | comm -23 - "$BATS_TEST_TMPDIR/ours")
  [ "$(wc -l <"$BATS_TEST_TMPDIR/theirs")" -gt 40 ]
  [ -z "$missing" ] || { echo "not in the table: $missing"; false; }
}

@test "every flag that has an effect has a test that sees it" {
  while row; do
    [ "$proof" != ignored ] && [ "$proof" != refused ] || continue
    file=$TOP/tests/bats/${proof%%: *}.bats
    grep -qF "@test \"${proof#*: }" "$file" || { echo "$command --$flag: no test \"${proof#*: }\" in $file"; false; }
    [[ " both runc crun rundlet " = *" $whose "* ]]
  done < <(rows)
}

# The command line failed with one short error line, or it did not fail; no signal, no second line (but of a hook).
sane() {
  local line errors=0 failure=1
  [ "$status" != 0 ] || return 0
  [ "$command" != exec ] || failure=255
  for line in "${lines[@]}"; do
    case $line in
      'rundlet: error: '*) errors=$((errors + 1)) ;;
      'hint: '* | 'rundlet: warning: '* | 'netsetup: '*) ;;
      *) return 1 ;;
    esac
  done
  [ "$status $errors" = "$failure 1" ] && [ "${#output}" -lt 9000 ]
}

# The command with a value of the flag, where everything else is right.
present() { # COMMAND FLAG...
  local command=$1
  shift
  case $command in
    global) run rundlet "$@" list --quiet ;;
    create | run) run quietly "$command" --bundle "$BUNDLE" "$@" "$ID-other" ;;
    restore) run quietly restore --bundle "$BUNDLE" --image-path . "$@" "$ID-other" ;;
    exec) run rundlet exec "$@" "$ID" true </dev/null ;;
    list | spec) run rundlet "$command" "$@" </dev/null ;;
    ps) run rundlet ps "$@" "$ID" ;;
    delete) run rundlet delete "$@" "$ID-other" ;;
    *) run rundlet "$command" "$@" "$ID" </dev/null ;;
  esac
}

@test "a value that is missing, empty, wrong or 64 KiB long is one error with its flag, and nothing is left" {
  run_detached
  cd "$BATS_TEST_TMPDIR/folder"
  config --arg path "/$ID-other" '.linux.cgroupsPath = $path | .process.args = ["true"]'
  huge=$(head -c 65536 /dev/zero | tr '\0' x)
  while row; do
    [ -n "$flag" ] && [ "$command $flag" != "global version" ] || continue
    if [ "$good" != - ]; then
      case $command in
        global) run rundlet "--$flag" ;;
        exec | ps) run rundlet "$command" "--$flag" ;;
        *) run rundlet "$command" "$ID-other" "--$flag" ;;
      esac
      [[ $output = "rundlet: error: flag needs an argument: --$flag"* ]]
      sane
      for bad in '' "$huge"; do
        present "$command" "--$flag=$bad"
        [ "${#bad}" -gt 0 ] || echo "$command --$flag=: $status $output"
        [ "$status" != 0 ] || echo "$command --$flag with ${#bad} bytes was taken"
        sane
        [ ! -e "$ROOT/$ID-other" ] || quietly delete --force "$ID-other"
      done
    fi
    if [ "$wrong" != - ]; then
      value "$command" "$wrong"
      present "$command" "--$flag=$value"
      echo "$command --$flag=$wrong: $status $output"
      [ "$status" != 0 ]
      sane
      [[ $output = *"$flag"* || $output = *"$wrong"* || $output = *"linux."* ]]
    fi
    left=("$ROOT"/*)
    [ "${left[*]}" = "$ROOT/$ID" ]
    [ ! -e "$CGROUPS/$ID-other" ]
  done < <(rows)
  is_status running
  [ "$(rundlet ps --format json "$ID" | jq length)" = 1 ]
  [ "$(rundlet exec "$ID" sh -c 'echo ${#1}' sh "$huge" </dev/null)" = 65536 ]
}

@test "a process.json that is none: the error names the file, the process is not there" {
  run_detached
  file=$BATS_TEST_TMPDIR/process
  good=$(cat "$file")
  refused() { # 'words'
    run rundlet exec --process "$file" "$ID" </dev/null
    echo "$output"
    [ "$status" = 255 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output = "rundlet: error: --process"*"$1"* ]]
  }
  while IFS='|' read -r words text; do
    printf '%b' "$text" >"$file"
    refused "$words"
  done <<-'EOT'
	line 1 column |
	line 1 column |nonsense
	line 1 column |{"args": ["true"]
	not expected|[]
	args|{"cwd": "/", "user": {"uid": 0, "gid": 0}}
	cwd|{"args": ["true"], "user": {"uid": 0, "gid": 0}}
	cwd|{"args": ["true"], "cwd": "relative"}
	user.uid|{"args": ["true"], "cwd": "/", "user": {"uid": -1}}
	args|{"args": "true", "cwd": "/"}
	env|{"args": ["true"], "cwd": "/", "env": {"A": "b"}}
	capabilities|{"args": ["true"], "cwd": "/", "capabilities": {"bounding": ["CAP_NONE"]}}
	EOT
  printf '{"cwd": "/", "args": ["a\\u0000b"]}' >"$file"
  refused args
  (printf '%s' "${good%?}, \"x\": \"" && head -c $((17 * 1024 * 1024)) /dev/zero | tr '\0' a && printf '"}') >"$file"
  refused "larger than 16777216 bytes"
  rm "$file"
  refused "No such file"
  mkfifo "$file"
  refused "$file"
  rm "$file"
  ln -s process "$file"
  refused "$file"
  rm "$file"
  mkdir "$file"
  refused "$file"
  # A mebibyte of environment is none.
  rmdir "$file"
  jq -c '.env = ["PATH=/bin"] + [range(1000) | "V\(.)=" + ("x" * 1040)] | .args = ["sh", "-c", "echo ${#V999}"]' <<<"$good" >"$file"
  [ "$(rundlet exec --process "$file" "$ID" </dev/null)" = 1040 ]
  [ "$(rundlet ps --format json "$ID" | jq length)" = 1 ]
}

@test "another config than the bundle's, wherever it is" {
  payload sh -c 'echo the other; cat /etc/hostname 2>/dev/null; hostname'
  mv "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/other"
  cd "$BATS_TEST_TMPDIR"
  for option in "--config other" "-f other" "--config=$BATS_TEST_TMPDIR/other"; do
    # shellcheck disable=SC2086 # an option and its value
    run rundlet run --bundle bundle $option "$ID" </dev/null
    echo "$output"
    [ "$status $output" = $'0 the other\nbox' ]
  done
  quietly create --bundle bundle -f other "$ID"
  is_status created
}

@test "a regular expression: kill and delete those whose id matches, and say which of them could not" {
  for name in a-1 a-2 b-1; do
    config --arg path "/$ID-$name" '.linux.cgroupsPath = $path'
    quietly run --detach --bundle "$BUNDLE" "$ID-$name"
  done
  statuses() { rundlet list --format json | jq -r '[.[].status] | join(" ")'; }
  run rundlet kill --regex "$ID-nothing" KILL
  [ "$status$output" = 0 ]
  rundlet kill -r "^$ID-a-[0-9]+\$" KILL
  wait_for eval '[ "$(statuses)" = "stopped stopped running" ]'
  run rundlet delete --regex "$ID"
  echo "$output"
  [ "$status" = 1 ]
  [ "${#lines[@]}" = 2 ]
  [[ ${lines[0]} = *warning*"cannot delete container $ID-b-1 that is not stopped: running" ]]
  [[ ${lines[1]} = "rundlet: error: --regex: $ID: it failed for 1 of 3 containers" ]]
  [ "$(rundlet list --quiet)" = "$ID-b-1" ]
  run rundlet delete --force --regex '('
  [ "$status" = 1 ]
  [[ $output = "rundlet: error: --regex: (: "* ]]
  rundlet delete --force -r "b-1|b-2"
  [ -z "$(rundlet list --quiet)" ]
}

@test "a pidfd of the process goes to whoever listens, for create, run and exec" {
  receive() { # COMMAND...: the pid that came is in $came
    "$PTY" --pidfd-socket "$BATS_TEST_TMPDIR/pidfd" >"$BATS_TEST_TMPDIR/came" 2>&1 3>&- 4>&- &
    wait_for test -S "$BATS_TEST_TMPDIR/pidfd"
    quietly "$@"
    wait $!
    rm "$BATS_TEST_TMPDIR/pidfd"
    came=$(cat "$BATS_TEST_TMPDIR/came")
    [ "$came" = "pidfd $(cat "$BATS_TEST_TMPDIR/pid")" ] || { echo "$came"; false; }
  }
  options=(--pidfd-socket "$BATS_TEST_TMPDIR/pidfd" --pid-file "$BATS_TEST_TMPDIR/pid")
  receive create --bundle "$BUNDLE" "${options[@]}" "$ID"
  [ "$came" = "pidfd $(init_pid)" ]
  receive exec --detach "${options[@]}" "$ID" sleep 1000
  rundlet delete --force "$ID"
  receive run --detach --bundle "$BUNDLE" "${options[@]}" "$ID"
  [ "$came" = "pidfd $(init_pid)" ]
}

@test "what is logged: by level, into a file, the journal or syslog, and errors on standard error always" {
  payload true
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["no_such_call"], action: "SCMP_ACT_ERRNO"}]}'
  for level in warning:1 error:0 info:1 debug:1; do
    run rundlet --log-level "${level%:*}" run --bundle "$BUNDLE" "$ID" </dev/null
    [ "$status" = 0 ]
    [ "$(grep -c no_such_call <<<"$output")" = "${level#*:}" ] || { echo "$level: $output"; false; }
  done
  run rundlet --log "file:$BATS_TEST_TMPDIR/log" --log-format=json state absent
  [ "$output" = 'rundlet: error: container "absent" does not exist' ]
  jq -e '.level == "error"' "$BATS_TEST_TMPDIR/log"
  run rundlet --log /dev/stderr state absent
  [ "$output" = 'rundlet: error: container "absent" does not exist' ]
  # Hosts without either lose nothing; in the other mount namespace there are both.
  cat >"$BATS_TEST_TMPDIR/hosts-log" <<-'EOT'
	log=$1 && shift
	mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && mkdir -p /run/systemd/journal
	for kind in journald syslog; do "$@" --log "$kind:web" state absent; done
	socat -u UNIX-RECV:/run/systemd/journal/socket "CREATE:$log.journald" &
	socat -u UNIX-RECV:/dev/log "CREATE:$log.syslog" &
	for i in $(seq 500); do [ -S /dev/log ] && [ -S /run/systemd/journal/socket ] && break; sleep 0.02; done
	for kind in journald syslog; do "$@" --log "$kind:web" state absent; done
	"$@" --log journald: state absent
	for i in $(seq 500); do [ "$(wc -l <"$log.journald")" = 6 ] && [ -s "$log.syslog" ] && break; sleep 0.02; done
	kill %1 %2
	EOT
  run unshare -m bash "$BATS_TEST_TMPDIR/hosts-log" "$BATS_TEST_TMPDIR/hosts" "$RUNTIME" --root "$ROOT" 3>&- 4>&-
  echo "$output"
  [ "$(grep -c '^rundlet: error: container "absent" does not exist$' <<<"$output")" = 5 ]
  cat "$BATS_TEST_TMPDIR"/hosts.*
  for name in web rundlet; do
    printf 'MESSAGE=container "absent" does not exist\nPRIORITY=3\nSYSLOG_IDENTIFIER=%s\n' "$name"
  done | cmp - "$BATS_TEST_TMPDIR/hosts.journald"
  grep -qE '^<11>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} web\[[0-9]+\]: container "absent" does not exist$' "$BATS_TEST_TMPDIR/hosts.syslog"
}

@test "engines that ask whether there is checkpointing are told so" {
  run rundlet checkpoint --help
  [ "$status" = 0 ]
  run rundlet restore --lsm-mount-context
  echo "$output"
  [[ $output = *"flag needs an argument: --lsm-mount-context"* ]]
  [[ $(rundlet --help) = *" checkpoint "* ]]
}

@test "without --root, root's containers are in /run/rundlet" {
  mkdir "$BATS_TEST_TMPDIR/run"
  cd "$BUNDLE"
  payload sh -c 'exit 7'
  # shellcheck disable=SC2016 # for the inner shell
  run unshare -m bash -c 'mount --bind "$1" /run && shift && "$@" run --keep "$0"' "$ID" "$BATS_TEST_TMPDIR/run" \
    env -u XDG_RUNTIME_DIR "$RUNTIME" </dev/null
  echo "$output"
  [ "$status" = 7 ]
  [ "$(stat -c %a "$BATS_TEST_TMPDIR/run/rundlet")" = 700 ]
  [ "$(jq -r .id "$BATS_TEST_TMPDIR/run/rundlet/$ID/state.json")" = "$ID" ]
  "$RUNTIME" --root "$BATS_TEST_TMPDIR/run/rundlet" delete "$ID" || true
  [ ! -e "$CGROUP" ] || rmdir "$CGROUP"
}

@test "command lines as engines that are not here write them, with nothing in the environment" {
  plain() { env -i "$(command -v timeout)" "$LIMIT" "$RUNTIME" "$@" 3>&- 4>&-; }
  pid=$BATS_TEST_TMPDIR/pid log=$BATS_TEST_TMPDIR/log.json
  # conmon-rs and go-runc
  plain "--root=$ROOT" "--root=$ROOT" --log "$log" --log-format json --rootless=false create --bundle "$BUNDLE" --pid-file "$pid" \
    --preserve-fds 0 "$ID" </dev/null >"$OUT" 2>&1
  plain --root "$ROOT" --systemd-cgroup start "$ID"
  plain "--root=$ROOT" exec -d "--pid-file=$pid.exec" "$ID" sleep 1000 </dev/null >"$OUT" 2>&1
  [ "$(plain --root "$ROOT" ps --format json "$ID")" = "[$(cat "$pid"),$(cat "$pid.exec")]" ]
  [ "$(plain --root "$ROOT" ps --format table "$ID" -o pid,comm | wc -l)" = 3 ]
  plain --root "$ROOT" list --format=json | jq -e 'length == 1 and .[0].status == "running"'
  plain --root "$ROOT" events --stats "$ID" | jq -e '.type == "stats"'
  # CRI-O
  run plain --root "$ROOT" exec --process "$BATS_TEST_TMPDIR/absent" "$ID"
  [ "$status" = 255 ]
  jq '.args = ["sh", "-c", "exit 5"]' "$BATS_TEST_TMPDIR/process" >"$BATS_TEST_TMPDIR/exit"
  run plain --root "$ROOT" --systemd-cgroup exec --process "$BATS_TEST_TMPDIR/exit" "$ID"
  [ "$status$output" = 5 ]
  plain --root "$ROOT" --systemd-cgroup state "$ID" | jq -e --arg id "$ID" '.id == $id and .status == "running"'
  plain --root "$ROOT" --systemd-cgroup pause "$ID"
  plain --root "$ROOT" --systemd-cgroup resume "$ID"
  plain --root "$ROOT" update --resources - "$ID" <<<'{}'
  plain --root "$ROOT" update --resources=- "$ID" <<<'{"devices": [{"allow": false, "access": "rwm"}]}'
  plain --root "$ROOT" --systemd-cgroup kill -a "$ID" 0
  plain --root "$ROOT" kill "$ID" KILL
  wait_for is_status stopped
  run plain --root "$ROOT" kill "$ID" 15
  [ "$status" = 1 ]
  [[ $output = *"container not running"* ]]
  plain --root "$ROOT" --log "$log" --log-format json kill --all "$ID" 9
  plain --root "$ROOT" delete --force "$ID"
  run plain --root "$ROOT" --log "$log" --log-format json delete "$ID"
  [ "$status" = 1 ]
  [[ $output = *"does not exist"* ]]
  # What containerd reads: the last error of the log, whose times Go can parse.
  jq -es '.[-1] | .level == "error" and (.msg | contains("does not exist")) and (.time | test("^2[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+)$"))' "$log"
  # BuildKit
  payload sh -c 'exit 9'
  run plain --root "$ROOT" --log "$log" --log-format json run --bundle "$BUNDLE" --keep "$ID" </dev/null
  [ "$status$output" = 9 ]
  plain --root "$ROOT" state "$ID" | jq -e '.pid == 0 and (.rootfs | endswith("/rootfs"))'
  plain --root "$ROOT" delete "$ID"
}
