#!/usr/bin/env bats
# Looking at containers: list, and ps.

load helpers

# Exit status 1 and the words.
refused() {
  local words=$1
  shift
  run rundlet "$@"
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"$words"* ]]
}

@test "list: a table, JSON or ids, sorted; nothing where nothing is" {
  [ -z "$(rundlet list --quiet)" ]
  [ "$(rundlet list --format json)" = "[]" ]
  [ "$(rundlet list | wc -l)" = 1 ]
  refused "table or json" list --format yaml
  quietly create --bundle "$BUNDLE" "$ID-b"
  config '.linux.cgroupsPath += "-a"'
  run_detached
  [ "$(rundlet list -q)" = "$ID"$'\n'"$ID-b" ]
  run rundlet list
  echo "$output"
  [ "${#lines[@]}" = 3 ]
  [[ ${lines[0]} =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER$ ]]
  [[ ${lines[1]} =~ ^"$ID"\ +[1-9][0-9]*\ +running\ +"$BUNDLE"\ +20[0-9T:.Z-]+\ +root$ ]]
  [[ ${lines[2]} =~ ^"$ID"-b\ +[1-9][0-9]*\ +created\  ]]
  rundlet list -f json | jq -e --arg id "$ID" '
    length == 2 and .[0].id == $id and .[0].status == "running" and .[1].status == "created"
    and all(.[]; has("ociVersion") and .pid > 0 and has("bundle") and has("rootfs") and has("created") and .owner == "root")'
  # What is no container is named and spoils nothing.
  touch "$ROOT/file"
  run rundlet list --quiet
  rm "$ROOT/file"
  [ "$status" = 0 ]
  [ "$(grep -c warning <<<"$output")" = 1 ]
  [ "$(grep -c "^$ID" <<<"$output")" = 2 ]
}

# Copies of one record, so that a thousandth of the processes is enough.  The pause is of the cgroup of one of them.
@test "list: hundreds are asked in turns, by more than one process, and each is what it is alone" {
  run_detached
  record=$(<"$ROOT/$ID/state.json")
  for n in $(seq 100 399); do
    mkdir -m 700 "$ROOT/$ID-$n"
    printf '%s\n' "${record/"\"id\": \"$ID\""/"\"id\": \"$ID-$n\""}" >"$ROOT/$ID-$n/state.json"
  done
  touch "$ROOT/$ID-200/start.sock"
  echo '{' >"$ROOT/$ID-300/state.json"
  sed -i 's/"pid": /"pid": 1/; s/"pidInode": .*/"pidInode": 1,/' "$ROOT/$ID-301/state.json"
  rundlet pause "$ID"
  rundlet list --format json >"$BATS_TEST_TMPDIR/list" 2>"$BATS_TEST_TMPDIR/warnings"
  rundlet resume "$ID"
  [ "$(grep -c warning "$BATS_TEST_TMPDIR/warnings")" = 1 ]
  grep -q "$ID-300" "$BATS_TEST_TMPDIR/warnings"
  jq -e --arg id "$ID" 'length == 300 and (map(.id) | . == sort) and all(.[]; .id | startswith($id))
    and (group_by(.status) | map({key: .[0].status, value: length}) | from_entries
      == {created: 1, paused: 1, running: 297, stopped: 1})
    and (map(select(.status == "paused").id) == [$id]) and (map(select(.status == "stopped").id) == [$id + "-301"])
    and (map(select(.status == "created").id) == [$id + "-200"])' "$BATS_TEST_TMPDIR/list"
  [ "$(jq ".[] | select(.id == \"$ID-399\")" "$BATS_TEST_TMPDIR/list")" = "$(rundlet state "$ID-399" | jq .)" ]
  # One processor, nobody to share with.
  [ "$(taskset -c "$(awk '/^Cpus_allowed_list/ { print $2 + 0 }' /proc/self/status)" "$RUNDLET" --root "$ROOT" list -q |
    md5sum)" = "$(rundlet list -q 2>/dev/null | md5sum)" ]
  rm -r "$ROOT/$ID"-???
}

@test "ps: host pids as JSON, or the host's ps with options of its own" {
  payload sh -c 'sleep 1000 & sleep 1000 & wait'
  run_detached
  wait_for eval '[ "$(rundlet ps --format json "$ID" | jq length)" = 3 ]'
  rundlet ps --format json "$ID" | jq -e --argjson pid "$(init_pid)" 'index($pid) != null and (. | unique | length) == 3'
  run rundlet ps "$ID"
  echo "$output"
  [ "${#lines[@]}" = 4 ]
  [[ ${lines[0]} = *PID*CMD* ]]
  [[ $output = *"sleep 1000"* ]]
  run rundlet ps "$ID" -o pid,args
  echo "$output"
  [ "${#lines[@]}" = 4 ]
  [[ ${lines[0]} =~ ^\ *PID\ COMMAND ]]
  refused "does not exist" ps "$ID-other"
}
