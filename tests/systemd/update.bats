#!/usr/bin/env bats
# rundlet update with the systemd driver: the scope says what the files say, also when an update is refused.

load ../bats/helpers

setup() {
  driver systemd
  bundle_setup
  SCOPE=rundlet-$ID.scope
  config '.linux.resources = {memory: {limit: 67108864, reservation: 16777216}, pids: {limit: 50},
    cpu: {shares: 2048, quota: 50000, cpus: "0"}}'
}

# Scope and files as create made them, but for the cpus: unchanged CPUS
unchanged() {
  local all pair
  all=$(systemctl show -p MemoryMax -p MemoryLow -p TasksMax -p CPUWeight -p CPUQuotaPerSecUSec -p AllowedCPUs "$SCOPE"
    cd "$CGROUP" && grep -H . memory.max memory.low pids.max cpu.weight cpu.max cpuset.cpus)
  for pair in MemoryMax=67108864 MemoryLow=16777216 TasksMax=50 CPUWeight=174 CPUQuotaPerSecUSec=500ms "AllowedCPUs=$1" \
    memory.max:67108864 memory.low:16777216 pids.max:50 cpu.weight:174 "cpu.max:50000 100000" "cpuset.cpus:${1/ /,}"; do
    grep -qxF "$pair" <<<"$all" || { echo "not $pair but:" "$all"; return 1; }
  done
}

MUCH='{"memory": {"limit": 83886080, "reservation": -1}, "pids": {"limit": -1},
  "cpu": {"quota": -1, "shares": 512, "cpus": "1"}, "devices": [{"allow": true}]'

@test "systemd: what is refused, or cannot be kept, or cannot be told systemd, leaves scope and files as they were" {
  create
  unchanged 0
  run rundlet update -r - "$ID" <<<"$MUCH, \"unified\": {\"memory.nonsense\": \"1\"}}"
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = "rundlet: error: update $ID: linux.resources.unified.memory.nonsense: "*"No such file or directory" ]]
  unchanged 0
  # no room for the new config
  run bash -c 'trap "" XFSZ; ulimit -f 0; "$0" --root "$1" update -r - "$2"' "$RUNTIME" "$ROOT" "$ID" <<<"$MUCH}"
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = "rundlet: error: update $ID: save the configuration of $ID: "*"File too large" ]]
  unchanged 0
  # no bus
  run unshare -m bash -c 'mount -t tmpfs tmpfs /run/systemd && mount -t tmpfs tmpfs /run/dbus && "$0" --root "$1" update -r - "$2"' \
    "$RUNTIME" "$ROOT" "$ID" <<<"$MUCH}"
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  unchanged 0
  [ "$(jq -c .linux.resources.pids "$ROOT/$ID/config.json")" = '{"limit":50}' ]
}

@test "systemd: more processors than before, an idle group and its weight" {
  run_detached
  rundlet update --cpuset-cpus 0-1 "$ID"
  unchanged "0-1"
  rundlet update --cpuset-cpus 1 "$ID"
  unchanged 1
  rundlet update --cpu-idle 1 "$ID"
  [ "$(systemctl show -p CPUWeight --value "$SCOPE")" = 0 ] || systemctl show -p CPUWeight "$SCOPE" | grep -x CPUWeight=idle
  [ "$(cat "$CGROUP/cpu.idle")" = 1 ]
  rundlet update --cpu-idle 0 "$ID"
  [ "$(cat "$CGROUP/cpu.idle")" = 0 ]
  unchanged 1
}
