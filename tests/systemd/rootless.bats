#!/usr/bin/env bats
# The systemd driver for an ordinary user: the scope is below the user's own systemd, wherever the user comes from: a
# login session, whose cgroup is the system's, or a service of the user's systemd.

load ../bats/helpers
load ../bats/cgroups

# Users who linger have a systemd of their own before they log in and after.
setup_file() {
  loginctl enable-linger tester
  wait_for test -S /run/user/4242/systemd/private
}

teardown_file() {
  loginctl disable-linger tester
}

setup() {
  DRIVER=systemd
  bundle_setup
  tester_bundle
  rm "$BUNDLE/config.json"
  rundlet spec --rootless --bundle "$BUNDLE"
  config --arg path "user.slice:rundlet:$ID" '.linux.cgroupsPath = $path | .process.terminal = false
    | .linux.uidMappings[0].hostID = 4242 | .linux.gidMappings[0].hostID = 4242'
  payload sleep 1000
  SCOPE=rundlet-$ID.scope
  CGROUP=$CGROUPS/user.slice/user-4242.slice/user@4242.service/user.slice/$SCOPE/container
}

teardown() {
  in_session delete --force "$ID" >/dev/null 2>&1 || true
  bundle_teardown
}

# Root does not read what is an ordinary user's.
field() {
  tester_rundlet state "$ID" | jq -r "$1"
}

# A command of tester's that finds tester's systemd.
of_tester() {
  as_tester env XDG_RUNTIME_DIR=/run/user/4242 "$@" </dev/null 3>&- 4>&-
}

# rundlet from a login session, whose systemd is at $XDG if that is set: in_session create...
in_session() {
  local driver='' elsewhere=${XDG:+XDG_RUNTIME_DIR=$XDG DBUS_SESSION_BUS_ADDRESS=unix:path=$XDG}
  case $1 in create | run) driver=--systemd-cgroup ;; esac
  chown -R 4242:4242 "$BUNDLE/config.json"
  # shellcheck disable=SC2086 # a word or none
  set -- "$BATS_TEST_TMPDIR/tester/runtime" --root "$ROOT" $driver "$@"
  timeout -k 5 "$LIMIT" su -l tester -c "grep -q /session- /proc/self/cgroup || exit 99; $elsewhere exec ${*@Q}" \
    </dev/null 3>&- 4>&-
}

# A command in a service of tester's own systemd.
in_service() {
  of_tester systemd-run --user --quiet --pipe --wait --collect "$@"
}

# One that leaves a process behind: bats waits for what holds its pipes.
quietly_in_session() {
  in_session "$@" >"$OUT" 2>&1 || { local status=$?; cat "$OUT"; return "$status"; }
}

nothing_left() {
  local units
  gone "${CGROUP%/container}"
  units=$(of_tester systemctl --user list-units --all --no-legend "$SCOPE")
  [ -z "$units" ] || { echo "$units"; return 1; }
  [ -z "$(ls -A "$ROOT")" ] || { ls -A "$ROOT"; return 1; }
}

is_in_its_cgroup() {
  grep -qx "0::${CGROUP#"$CGROUPS"}" "/proc/$1/cgroup" || { cat "/proc/$1/cgroup"; return 1; }
}

@test "from a login session: limits hold, exec joins, the whole life of a container, and nothing is left" {
  config '.linux.resources = {pids: {limit: 20}, memory: {limit: 67108864}, cpu: {shares: 2048}}'
  quietly_in_session create --bundle "$BUNDLE" "$ID"
  is_in_its_cgroup "$(init_pid)"
  [ "$(find "${CGROUP%/container}" -mindepth 1 -type d)" = "$CGROUP" ]
  holds pids.max 20 memory.max 67108864
  [ "$(of_tester systemctl --user show -p MemoryMax --value "$SCOPE")" = 67108864 ]
  quietly_in_session start "$ID"
  run in_session exec "$ID" sh -c 'grep ^0: /proc/self/cgroup; exit 5'
  echo "$output"
  [ "$status" = 5 ]
  [ "$output" = 0::/ ]
  quietly_in_session exec --detach --pid-file "$BATS_TEST_TMPDIR/tester/pid" "$ID" sleep 1000
  is_in_its_cgroup "$(cat "$BATS_TEST_TMPDIR/tester/pid")"
  quietly_in_session update --pids-limit 30 "$ID"
  holds pids.max 30
  [ "$(of_tester systemctl --user show -p TasksMax --value "$SCOPE")" = 30 ]
  quietly_in_session pause "$ID"
  is_status paused
  quietly_in_session resume "$ID"
  quietly_in_session kill "$ID" KILL
  wait_for is_status stopped
  quietly_in_session delete "$ID"
  nothing_left
}

@test "from a login session: run gives output and status of its command, in its own cgroup or the scope's" {
  payload sh -c 'grep ^0: /proc/self/cgroup; exit 3'
  run in_session run --bundle "$BUNDLE" "$ID"
  echo "$output"
  [ "$status" = 3 ]
  [ "$output" = 0::/ ]
  nothing_left
  config '.annotations = {"run.oci.systemd.subgroup": ""}'
  run in_session run --bundle "$BUNDLE" "$ID"
  echo "$output"
  [ "$status" = 3 ]
  [ "$output" = 0::/ ]
  nothing_left
}

@test "from a login session: exec into a cgroup below the container's, also where only such ones take processes" {
  config '.mounts |= map(select(.destination != "/sys/fs/cgroup"))
    + [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "noexec", "nodev"]}]
    | .linux.namespaces |= map(select(.type != "cgroup")) + [{type: "cgroup"}]
    | .linux.resources = {memory: {limit: 67108864}}'
  payload sh -c 'cd /sys/fs/cgroup && mkdir leaf other && echo 1 >leaf/cgroup.procs
    echo +memory >cgroup.subtree_control
    exec sleep 1000'
  quietly_in_session run --detach --bundle "$BUNDLE" "$ID"
  wait_for grep -q memory "$CGROUP/cgroup.subtree_control"
  run in_session exec --cgroup other "$ID" grep ^0: /proc/self/cgroup
  echo "$output"
  [ "$output" = 0::/other ]
  run in_session exec "$ID" grep ^0: /proc/self/cgroup
  echo "$output"
  [ "$output" = 0::/leaf ]
  quietly_in_session delete --force "$ID"
  nothing_left
}

@test "from a login session: after kill -9 of create at any moment, delete --force leaves nothing" {
  for moment in '[ -e "$ROOT/$ID" ]' '[ -d "${CGROUP%/container}" ]' '[ -d "$CGROUP" ]' \
    'pgrep -u 4242 -f "^rundlet-init "' 'grep -q . "$CGROUP/cgroup.procs"' 'grep -q created "$ROOT/$ID/state.json"'; do
    echo "$moment"
    in_session create --bundle "$BUNDLE" "$ID" >"$OUT" 2>&1 &
    for _ in $(seq 5000); do
      ! eval "$moment" >/dev/null 2>&1 || break
      kill -0 $! 2>/dev/null || break
    done
    pkill -KILL -u 4242 -f "^$BATS_TEST_TMPDIR/tester/runtime" || true
    wait $! || true
    quietly_in_session delete --force "$ID"
    wait_for nothing_left || { nothing_left; false; }
  done
  run of_tester systemctl --user list-units --failed --no-legend
  echo "$output"
  [ -z "$output" ]
}

@test "from a login session: where systemd is out of reach, exec is one error with a cure, and nothing has run" {
  config '.root.readonly = false'
  quietly_in_session run --detach --bundle "$BUNDLE" "$ID"
  XDG=/nonexistent
  run in_session exec "$ID" touch /tmp/ran
  echo "$output"
  [ "$status" != 0 ]
  [ "$(grep -c ': error: ' <<<"$output")" = 1 ]
  [[ $output = *"systemd-run --user --scope"* ]]
  [ ! -e "$BUNDLE/rootfs/tmp/ran" ]
  XDG=''
  in_session exec "$ID" touch /tmp/ran
  [ -e "$BUNDLE/rootfs/tmp/ran" ]
}

@test "without a systemd of one's own: with limits one error, without them the container stays where its creator is" {
  config '.linux.resources = {pids: {limit: 20}}'
  alone() { as_tester "$BATS_TEST_TMPDIR/tester/runtime" --root "$ROOT" --systemd-cgroup "$@" </dev/null 3>&- 4>&-; }
  run alone run --bundle "$BUNDLE" "$ID"
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c ': error: ' <<<"$output")" = 1 ]
  config 'del(.linux.resources)'
  payload sh -c 'exit 4'
  run alone run --bundle "$BUNDLE" "$ID"
  echo "$output"
  [ "$status" = 4 ]
  [[ $output = *"the container stays in the caller's cgroup"* ]]
  nothing_left
}

@test "from a service of the user's systemd: limits hold, exec, update and delete need no login" {
  config '.linux.resources = {pids: {limit: 20}, memory: {limit: 67108864}}'
  chown 4242:4242 "$BUNDLE/config.json"
  runtime=("$BATS_TEST_TMPDIR/tester/runtime" --root "$ROOT")
  in_service -p KillMode=process "${runtime[@]}" --systemd-cgroup run --detach --bundle "$BUNDLE" "$ID"
  is_in_its_cgroup "$(init_pid)"
  holds pids.max 20 memory.max 67108864
  [ "$(stat -c %u "$CGROUP/cgroup.procs")" = 4242 ]
  run in_service "${runtime[@]}" exec "$ID" sh -c 'grep ^0: /proc/self/cgroup'
  echo "$output"
  [ "$output" = 0::/ ]
  in_service "${runtime[@]}" update --pids-limit 30 "$ID"
  holds pids.max 30
  in_service "${runtime[@]}" delete --force "$ID"
  nothing_left
}
