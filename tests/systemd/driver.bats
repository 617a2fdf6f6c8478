#!/usr/bin/env bats
# The systemd driver under a real systemd: the scope and what it says, the cgroup inside it, and that neither is lost or
# left, whatever happens; rootless.bats is about ordinary users.  --systemd-cgroup is said by `rundlet create` and `run`
# of the helpers, by nobody else.

load ../bats/helpers
load ../bats/cgroups

SCOPE_LIMIT='{memory: {limit: 67108864, swap: 100663296, reservation: 16777216}, pids: {limit: 50},
  cpu: {shares: 2048, quota: 50000, period: 100000, cpus: "0"}}'

setup() {
  driver systemd
  bundle_setup
  SCOPE=rundlet-$ID.scope
}

# Properties of the scope, one "NAME=VALUE" a line: shows NAME=VALUE...
shows() {
  local all pair options=()
  for pair in "$@"; do options+=(-p "${pair%%=*}"); done
  all=$(systemctl show "${options[@]}" "$SCOPE")
  for pair in "$@"; do
    grep -qxF "$pair" <<<"$all" || { echo "not $pair but:" "$all"; return 1; }
  done
}

nothing_left() {
  local units
  [ ! -e "${CGROUP%/container}" ] || { find "${CGROUP%/container}" -type d; return 1; }
  units=$(systemctl list-units --all --no-legend "$SCOPE")
  [ -z "$units" ] || { echo "$units"; return 1; }
  [ -z "$(ls -A "$ROOT" 2>/dev/null)" ] || { ls -A "$ROOT"; return 1; }
}

# --- where it is ---------------------------------------------------------------------------------------------------
@test "the scope is in the slice that cgroupsPath names, and init in its sub-cgroup when create returns" {
  while read -r path expected; do
    [ "$path" != none ] || path=''
    config --arg path "$path" '.linux.cgroupsPath = $path'
    create
    grep -qx "0::$expected/container" "/proc/$(init_pid)/cgroup" || { cat "/proc/$(init_pid)/cgroup"; false; }
    # Nobody but the container is there.
    [ "$(cat "$CGROUPS$expected/container/cgroup.procs")" = "$(init_pid)" ]
    [ "$(find "$CGROUPS$expected" -mindepth 1 -type d)" = "$CGROUPS$expected/container" ]
    rundlet delete "$ID"
    [ ! -e "$CGROUPS$expected" ]
  done <<PATHS
none /system.slice/rundlet-$ID.scope
system.slice:box:$ID /system.slice/box-$ID.scope
:box:$ID /system.slice/box-$ID.scope
system.slice::$ID /system.slice/$ID.scope
rundlettest-inner-$BATS_ROOT_PID.slice:a:$ID /rundlettest.slice/rundlettest-inner.slice/rundlettest-inner-$BATS_ROOT_PID.slice/a-$ID.scope
user-1000.slice:a:$ID /user.slice/user-1000.slice/a-$ID.scope
-.slice:a:$ID /a-$ID.scope
PATHS
  no_leaks
}

# --- what it says --------------------------------------------------------------------------------------------------
@test "limits are properties of the scope and files of the sub-cgroup; update changes both" {
  config ".linux.resources = $SCOPE_LIMIT"
  create
  weight=$(cat "$CGROUP/cpu.weight")
  [ "$weight" -gt 100 ]
  shows MemoryMax=67108864 MemorySwapMax=33554432 MemoryLow=16777216 TasksMax=50 "CPUWeight=$weight" AllowedCPUs=0 \
    CPUQuotaPerSecUSec=500ms Delegate=yes DevicePolicy=auto LoadState=loaded ActiveState=active
  [[ $(systemctl show -p Description --value "$SCOPE") = *"$ID"* ]]
  holds memory.max 67108864 memory.swap.max 33554432 memory.low 16777216 pids.max 50 cpu.max "50000 100000" cpuset.cpus 0
  [ "$(cat "$CGROUP/../pids.max")" = 50 ]
  [ "$(cat "$CGROUP/../memory.max")" = 67108864 ]
  start
  rundlet update --memory 83886080 --memory-swap 83886080 --pids-limit 60 --cpu-quota 70000 "$ID"
  shows MemoryMax=83886080 MemorySwapMax=0 TasksMax=60 CPUQuotaPerSecUSec=700ms
  holds memory.max 83886080 memory.swap.max 0 pids.max 60 cpu.max "70000 100000"
  # systemd writes what it knows anew, and knows it.
  systemctl daemon-reload
  shows MemoryMax=83886080 TasksMax=60
  holds memory.max 83886080 pids.max 60 cpu.max "70000 100000"
  [ "$(cat "$CGROUP/../memory.max")" = 83886080 ]
}

@test "without limits systemd sets none of its own" {
  config 'del(.linux.resources)'
  create
  shows TasksMax=infinity MemoryMax=infinity CPUQuotaPerSecUSec=infinity
  [ "$(cat "$CGROUP/../pids.max")" = max ]
}

@test "org.systemd.property: what it names takes effect, also over what the config says" {
  config '.linux.resources.cpu.shares = 2048 | .annotations = {
    "org.systemd.property.TimeoutStopUSec": "uint64 5000000", "org.systemd.property.KillSignal": "int32 10",
    "org.systemd.property.Description": "'\''a box, \"quoted\"'\''", "org.systemd.property.CPUWeight": "uint64 42",
    "org.systemd.property.RuntimeMaxSec": "3600", "org.systemd.property.After": "['\''basic.target'\'']",
    "org.systemd.property.SendSIGKILL": "true"}'
  create
  shows TimeoutStopUSec=5s KillSignal=10 'Description=a box, "quoted"' CPUWeight=42 RuntimeMaxUSec=1h SendSIGKILL=yes
  [[ " $(systemctl show -p After --value "$SCOPE") " = *" basic.target "* ]]
}

@test "org.systemd.property: what is no value, no property of a scope, or ours is one error, and nothing is left" {
  while IFS='|' read -r name value words; do
    config --arg name "org.systemd.property.$name" --arg value "$value" '.annotations = {($name): $value}'
    refused "$words" create --bundle "$BUNDLE" "$ID"
    nothing_left
  done <<'BAD'
Description|'open|org.systemd.property.Description
TimeoutStopUSec|uint64 many|org.systemd.property.TimeoutStopUSec
Delegate|false|org.systemd.property.Delegate
Nonsense|true|Nonsense
Description|uint64 5|set unit properties
BAD
}

# --- its life ------------------------------------------------------------------------------------------------------
@test "start, exec, ps, pause, resume, kill and delete need no flag; afterwards there is no scope" {
  create
  start
  run rundlet exec "$ID" sh -c 'grep ^0: /proc/self/cgroup' </dev/null
  echo "$output"
  [ "$output" = 0::/ ]
  [ "$(rundlet ps --format json "$ID" | jq length)" = 1 ]
  rundlet pause "$ID"
  is_status paused
  grep -qx 'frozen 1' "$CGROUP/cgroup.events"
  shows ActiveState=active
  rundlet resume "$ID"
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  rundlet delete "$ID"
  nothing_left
}

@test "run gives the status of its command, and leaves no scope; nor does a command that cannot be run" {
  run run_payload sh -c 'grep ^0: /proc/self/cgroup; exit 3'
  echo "$output"
  [ "$status" = 3 ]
  [ "$output" = 0::/ ]
  nothing_left
  payload /absent
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  [ "$status" = 127 ] || [ "$status" = 1 ]
  nothing_left
  # An error after the scope was made: a limit that the kernel refuses.
  payload true
  config '.linux.resources.unified = {"memory.nonsense": "1"}'
  refused linux.resources.unified.memory.nonsense create --bundle "$BUNDLE" "$ID"
  nothing_left
}

@test "a program that is killed for its memory leaves no failed scope" {
  config '.linux.resources.memory = {limit: 33554432, swap: 33554432}'
  run run_payload sh -c 'a=xxxxxxxxxxxxxxxx; while true; do a=$a$a; done'
  echo "$output"
  [ "$status" = 137 ]
  nothing_left
}

@test "systemctl stop of the scope stops the container: state says so, delete works" {
  # Init of a pid namespace ignores what it does not handle: systemd sends SIGKILL when its patience ends.
  config '.annotations = {"org.systemd.property.TimeoutStopUSec": "uint64 2000000"}'
  run_detached
  systemctl stop "$SCOPE"
  is_status stopped
  rundlet delete "$ID"
  nothing_left
}

@test "a scope of that name that exists: one error, and it lives on" {
  systemd-run --quiet --scope --unit "$SCOPE" sleep 1000 </dev/null >/dev/null 2>&1 3>&- 4>&- &
  wait_for grep -q . "$CGROUPS/system.slice/$SCOPE/cgroup.procs"
  refused "exists already" create --bundle "$BUNDLE" "$ID"
  [ -z "$(ls -A "$ROOT")" ]
  rundlet delete --force "$ID"
  shows ActiveState=active
  grep -q . "$CGROUPS/system.slice/$SCOPE/cgroup.procs"
  systemctl stop "$SCOPE"
  wait || true
}

@test "after kill -9 of create at any moment, delete --force leaves nothing" {
  for moment in 'sleep 0.1' '[ -e "$ROOT/$ID" ]' '[ -d "${CGROUP%/container}" ]' '[ -d "$CGROUP" ]' \
    'grep -q . "$CGROUP/cgroup.procs"' '[ -e "$ROOT/$ID/state.json" ]'; do
    echo "$moment"
    "$RUNTIME" --root "$ROOT" --systemd-cgroup create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 3>&- 4>&- &
    creator=$!
    for _ in $(seq 5000); do
      ! eval "$moment" 2>/dev/null || break
    done
    kill -KILL "$creator" 2>/dev/null || true
    wait "$creator" || true
    rundlet delete --force "$ID"
    wait_for nothing_left || { nothing_left; false; }
  done
}

# --- systemd's own doings --------------------------------------------------------------------------------------------
# Nodes of drivers that do not exist: what the filter lets through ends in ENXIO, what it stops in EPERM.
@test "daemon-reload again and again: devices and limits stay as they are, without a gap" {
  config ".linux.resources = $SCOPE_LIMIT"' | .linux.resources.devices = [{allow: false, access: "rwm"},
      {allow: true, type: "c", major: 120, minor: 1, access: "rw"}]
    | .process.capabilities |= map_values(. + ["CAP_MKNOD"])'
  payload sh -c 'cd /tmp; n=0
    mknod /tmp/yes c 120 1 2>/dev/null || mknod /tmp/yes c 120 1; mknod /tmp/no c 120 2
    while true; do
      y=$( { : <yes; } 2>&1); n2=$( { : <no; } 2>&1)
      case $y in *"No such device"*) ;; *) echo "allowed: $y" >>wrong ;; esac
      case $n2 in *"not permitted"*) ;; *) echo "denied: $n2" >>wrong ;; esac
      { echo x >/dev/null && head -c 1 /dev/zero; } >/dev/null 2>>wrong
      n=$((n + 1)); echo $n >count.new; mv count.new count
    done'
  run_detached
  tmp=$BUNDLE/rootfs/tmp
  wait_for test -s "$tmp/count" || { cat "$OUT"; false; }
  files() { (cd "$CGROUP" && grep . memory.max memory.swap.max memory.low pids.max cpu.max cpu.weight cpuset.cpus ../memory.max ../pids.max); }
  before=$(files)
  for round in 1 2 3 4 5 6; do
    count=$(cat "$tmp/count")
    systemctl daemon-reload
    wait_for eval '[ "$(cat "$tmp/count")" -gt $((count + 2)) ]'
    [ "$(files)" = "$before" ] || { diff <(echo "$before") <(files); false; }
  done
  [ ! -s "$tmp/wrong" ] || { cat "$tmp/wrong"; false; }
  is_status running
}

@test "a bus that does not answer: one error after a while, everything is undone" {
  # It listens, and nobody ever accepts.
  systemd-socket-activate --listen "$BATS_TEST_TMPDIR/silent" sleep 1000 </dev/null >/dev/null 2>&1 3>&- 4>&- &
  listener=$!
  wait_for test -S "$BATS_TEST_TMPDIR/silent"
  # shellcheck disable=SC2016 # for the inner shell
  run timeout -k 5 "$LIMIT" unshare --mount sh -c 'mount --bind "$1" /run/dbus/system_bus_socket && shift && exec "$@"' \
    sh "$BATS_TEST_TMPDIR/silent" "$RUNTIME" --root "$ROOT" --systemd-cgroup create --bundle "$BUNDLE" "$ID" 3>&- 4>&-
  kill "$listener"
  wait "$listener" || true
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  [[ $output = *systemd* ]]
  nothing_left
}

@test "twenty containers at once" {
  config 'del(.linux.cgroupsPath)'
  payload sh -c 'grep ^0: /proc/self/cgroup'
  for n in $(seq 20); do
    rundlet run --bundle "$BUNDLE" "$ID-$n" </dev/null >"$BATS_TEST_TMPDIR/out.$n" 2>&1 &
    pids[n]=$!
  done
  for n in $(seq 20); do
    wait "${pids[n]}" || { echo "$n: $?"; cat "$BATS_TEST_TMPDIR/out.$n"; false; }
    [ "$(cat "$BATS_TEST_TMPDIR/out.$n")" = 0::/ ]
  done
  nothing_left
}
