#!/usr/bin/env bats
# rundlet update: what is given is set and kept, all of it or nothing, while the container lives.

load helpers

# Exit status 1 and one error line with these words on it: refused 'words' COMMAND...
refused() {
  local words=$1
  shift
  run rundlet "$@"
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  [[ $output = *"$words"* ]]
}

# Makes the container with the limits of a jq object, without starting it.
create_with() { # RESOURCES
  config --argjson resources "$1" '.linux.resources += $resources'
  create
}

# Files of the cgroup hold these values: holds FILE VALUE [FILE VALUE]...
holds() {
  local found
  while [ $# -gt 0 ]; do
    found=$(cat "$CGROUPS/$ID/$1")
    [ "$found" = "$2" ] || { echo "$1: \"$found\" instead of \"$2\""; return 1; }
    shift 2
  done
}

# The saved config has this in its resources: kept JQ-FILTER VALUE
kept() {
  local found
  found=$(jq -c ".linux.resources$1" "$ROOT/$ID/config.json")
  [ "$found" = "$2" ] || { echo "$1: $found is kept instead of $2"; return 1; }
}

update() { # [OPTION...]
  quietly update "$@" "$ID"
  [ ! -s "$OUT" ] || { cat "$OUT"; return 1; }
}

# Resources as JSON on standard input.
update_json() { # JSON
  rundlet update --resources - "$ID" <<<"$1" >"$OUT" 2>&1 || { cat "$OUT"; return 1; }
}

refused_json() { # WORDS JSON
  refused "$1" update --resources=- "$ID" <<<"$2"
}

# --- anywhere ------------------------------------------------------------------------------------------------------
@test "from a file and standard input, for a created, a running and a paused container; what is not given stays" {
  needs_controller hugetlb
  create_with '{"unified": {"cgroup.max.depth": "3"}}'
  echo '{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}], "unified": {"cgroup.max.descendants": "5"},
    "newer": {"than": "this"}}' >"$BATS_TEST_TMPDIR/resources"
  # create had no use for the controller
  run rundlet update --resources "$BATS_TEST_TMPDIR/resources" "$ID"
  echo "$output"
  [ "$status" = 0 ]
  holds hugetlb.2MB.rsvd.max 4194304 cgroup.max.descendants 5 cgroup.max.depth 3
  kept .unified '{"cgroup.max.depth":"3","cgroup.max.descendants":"5"}'
  kept .hugepageLimits '[{"pageSize":"2MB","limit":4194304}]'
  start
  update_json '{"hugepageLimits": [{"pageSize": "2MB", "limit": 6291456}]}'
  holds hugetlb.2MB.rsvd.max 6291456 cgroup.max.descendants 5
  rundlet pause "$ID"
  rundlet update "$ID" -r - <<<'{"unified": {"cgroup.max.descendants": "max"}}'
  holds hugetlb.2MB.rsvd.max 6291456 cgroup.max.descendants max
  is_status paused
  kept .hugepageLimits '[{"pageSize":"2MB","limit":6291456}]'
  rundlet resume "$ID"
  [ "$(stat -c %a "$ROOT/$ID/config.json")" = 600 ]
  [ "$(rundlet exec "$ID" echo alive </dev/null)" = alive ]
  update_json '{}'
  kept .unified '{"cgroup.max.depth":"3","cgroup.max.descendants":"max"}'
}

@test "one bad value of six: it is named, and the other five are as they were" {
  needs_controller hugetlb
  create_with '{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}], "unified": {"cgroup.max.depth": "3"}}'
  cp "$ROOT/$ID/config.json" "$BATS_TEST_TMPDIR/before"
  # The filter that lets nothing in is part of what comes back.
  refused_json "update $ID: linux.resources.unified.cgroup.max.descendants: write many to cgroup.max.descendants" '{
    "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
    "unified": {"cgroup.max.depth": "7", "hugetlb.2MB.max": "2097152", "cgroup.freeze": "1", "cgroup.max.descendants": "many",
      "hugetlb.2MB.rsvd.max": "0"}}'
  [[ $output = *"Invalid argument" ]]
  holds hugetlb.2MB.rsvd.max 4194304 cgroup.max.depth 3 hugetlb.2MB.max max cgroup.freeze 0 cgroup.max.descendants max
  cmp "$ROOT/$ID/config.json" "$BATS_TEST_TMPDIR/before"
  refused_json "linux.resources.unified.cgroup.nonsense: write 1 to cgroup.nonsense of the cgroup: No such file" \
    '{"unified": {"cgroup.max.depth": "7", "cgroup.nonsense": "1"}}'
  refused_json "linux.resources.unified.nonsense.max: the nonsense controller is not available at $CGROUPS" \
    '{"unified": {"cgroup.max.depth": "7", "nonsense.max": "1"}}'
  # A file that cannot be read cannot be brought back, and that is said.
  refused_json "Invalid argument; not brought back: cgroup.kill (it could not be read)" \
    '{"unified": {"cgroup.kill": "1", "cgroup.max.depth": "many"}}'
  wait_for is_status stopped
  holds cgroup.max.depth 3
}

@test "what is wrong is said before anything is done" {
  create
  refused "update: nothing to change was given" update "$ID"
  refused "usage: rundlet update ID" update --memory 1g
  refused "flag needs an argument: --resources" update "$ID" --resources
  refused "--resources and --memory exclude each other" update -r - --memory 1g "$ID"
  refused "--resources $ROOT/none: " update -r "$ROOT/none" "$ID"
  refused "--memory: much: a size like 512M, or -1 is expected" update --memory much "$ID"
  refused "--memory: 1e3: " update --memory 1e3 "$ID"
  refused "--cpu-share: -k: a number is expected" update --cpu-share=-k "$ID"
  refused "linux.resources.cpu.shares: -5 is out of range" update --cpu-share -5 "$ID"
  refused "linux.resources.memory.limit: -2 is out of range" update -r - "$ID" <<<'{"memory": {"limit": -2}}'
  refused "linux.resources.cpu.cpus: " update --cpuset-cpus 0-x "$ID"
  refused "linux.resources.cpu.idle: 2 is out of range" update --cpu-idle 2 "$ID"
  refused "linux.resources.cpu.period: not in" update --cpu-period 5 "$ID"
  refused "linux.resources.blockIO.weight: not in 10..1000" update --blkio-weight 5 "$ID"
  refused "linux.resources.cpu.realtimeRuntime: cgroup v2 has no such limit" update --cpu-rt-runtime 5 "$ID"
  refused "--l3-cache-schema: this version does not use resctrl" update --l3-cache-schema 'L3:0=f' "$ID"
  refused "--mem-bw-schema: this version does not use resctrl" update --mem-bw-schema 'MB:0=20' --memory 1g "$ID"
  refused_json "linux.resources.memory.limit: string not expected" '{"memory": {"limit": "1g"}}'
  refused_json "linux.resources.blockIO.throttleReadBpsDevice[1].rate: required but missing" \
    '{"blockIO": {"throttleReadBpsDevice": [{"major": 1, "minor": 2, "rate": 3}, {"major": 1, "minor": 2}]}}'
  refused_json "linux.resources.unified.../pids.max: " '{"unified": {"../pids.max": "1"}}'
  refused_json "linux.resources: list not expected" '[]'
  refused_json "invalid JSON" '{"memory": '
  refused_json "invalid JSON" ''
  refused_json "linux.resources.memory.swappiness: cgroup v2 has no such limit" '{"memory": {"swappiness": 5}}'
  kept '' "$(jq -c '.linux.resources' "$BUNDLE/config.json")"
  # An empty value is none.
  update --cpuset-cpus= --memory= --pids-limit=
  run rundlet update --kernel-memory 5M --kernel-memory-tcp 5M "$ID"
  [ "$status" = 0 ]
  [[ $output = *"memory.kernel: cgroup v2 has no such limit, left out"* ]]
}

@test "no such container, a stopped one, one without a cgroup of its own" {
  refused 'container "none" does not exist' update --pids-limit 5 none
  payload true
  create
  start
  wait_for is_status stopped
  refused "update $ID: container not running: $ID" update --pids-limit 5 "$ID"
}

@test "several updates at once: the last one is kept, in the file and in the cgroup" {
  create
  for i in $(seq $((IN_VM ? 4 : 16))); do
    rundlet update -r - "$ID" <<<"{\"unified\": {\"cgroup.max.depth\": \"$i\", \"cgroup.max.descendants\": \"$i\"}}" &
    updates="${updates:-} $!"
  done
  # shellcheck disable=SC2086 # a list
  for pid in $updates; do wait "$pid"; done
  depth=$(cat "$CGROUPS/$ID/cgroup.max.depth")
  holds cgroup.max.descendants "$depth"
  kept .unified "{\"cgroup.max.depth\":\"$depth\",\"cgroup.max.descendants\":\"$depth\"}"
}

# --- devices -------------------------------------------------------------------------------------------------------
# Nodes of drivers that do not exist: what the filter lets through ends in ENXIO, what it stops in EPERM.
@test "device rules take the place of the earlier ones, without a moment in which more is allowed" {
  config '.linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 120, access: "rw"}]
    | .process.capabilities |= map_values(. + ["CAP_MKNOD"])'
  payload sh -c 'mknod /tmp/denied c 121 1; mknod /tmp/changing c 120 1; touch /tmp/ready
    while :; do { : </tmp/denied; } 2>&1 | grep -v "not permitted" >>/tmp/opened; done'
  run_detached
  wait_for test -e "$BUNDLE/rootfs/tmp/ready"
  opens() { # NODE
    rundlet exec "$ID" sh -c ": <$1" </dev/null 2>&1 | sed 's/.*: //'
  }
  [ "$(opens /tmp/changing)" = "No such device or address" ]
  deny='{"devices": [{"allow": false, "access": "rwm"}]}'
  allow='{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 120, "access": "rw"}]}'
  for _ in $(seq $((IN_VM ? 5 : 60))); do
    update_json "$deny"
    update_json "$allow"
  done
  update_json '{"unified": {"cgroup.max.depth": "9"}}'
  [ "$(opens /tmp/changing)" = "No such device or address" ]
  [ "$(opens /tmp/denied)" = "Operation not permitted" ]
  # A refused update leaves the filter; the devices come after all other values.
  refused_json "cgroup.nonsense" '{"devices": [{"allow": true, "access": "rwm"}], "unified": {"cgroup.nonsense": "1"}}'
  [ "$(opens /tmp/denied)" = "Operation not permitted" ]
  update_json "$deny"
  [ "$(opens /tmp/changing)" = "Operation not permitted" ]
  kept .devices '[{"allow":false,"access":"rwm"}]'
  [ -e "$BUNDLE/rootfs/tmp/opened" ]
  [ ! -s "$BUNDLE/rootfs/tmp/opened" ]
  # Everything allowed is no filter, and one can come again.
  update_json '{"devices": [{"allow": true, "access": "rwm"}]}'
  [ "$(opens /tmp/changing)" = "No such device or address" ]
  wait_for test -s "$BUNDLE/rootfs/tmp/opened"
  update_json "$deny"
  [ "$(opens /tmp/changing)" = "Operation not permitted" ]
}

# --- cut short -----------------------------------------------------------------------------------------------------
SIX='{"hugepageLimits": [{"pageSize": "2MB", "limit": 0}], "devices": [{"allow": false, "access": "rwm"}],
  "unified": {"cgroup.max.depth": "7", "cgroup.max.descendants": "7"}}'

# The calls of an update of $SIX by itself, "NAME N" a line.
update_calls() {
  echo "$SIX" >"$BATS_TEST_TMPDIR/six"
  COMMAND=("$RUNTIME" --root "$ROOT" update --resources "$BATS_TEST_TMPDIR/six" "$ID")
  timeout "$LIMIT" strace -qq -o "$BATS_TEST_TMPDIR/trace" "${COMMAND[@]}" 3>&- 4>&-
  awk -F'(' '/^[a-z_0-9]+\(/ { n[$1]++; if ($0 ~ /six/) go = 1; if (go && $1 !~ /^exit/) print $1, n[$1] }' \
    "$BATS_TEST_TMPDIR/trace" >"$BATS_TEST_TMPDIR/calls"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/calls")" -gt 20 ]
}

strace_at() { # NAME WHAT: runs COMMAND
  timeout "$LIMIT" strace -qq -o /dev/null -e "trace=$1" -e "inject=$1:$2" "${COMMAND[@]}" </dev/null >"$OUT" 2>&1 3>&- 4>&-
}

@test "update is killed at a sample of its calls: the container goes on, and the same update can be made again" {
  needs_controller hugetlb
  run_detached
  update_calls
  while read -r name number; do
    update_json '{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}], "unified": {"cgroup.max.depth": "3"}}'
    strace_at "$name" "signal=KILL:when=$number" 2>/dev/null || true
    is_status running
    kept .unified '{"cgroup.max.depth":"3","cgroup.max.descendants":"7"}' ||
      kept .unified '{"cgroup.max.depth":"7","cgroup.max.descendants":"7"}'
    update --resources "$BATS_TEST_TMPDIR/six"
    holds hugetlb.2MB.rsvd.max 0 cgroup.max.depth 7 cgroup.max.descendants 7
  done < <(awk -v every="${IN_VM:+25}" 'NR % (every ? every : 4) == 1' "$BATS_TEST_TMPDIR/calls")
  [ "$(rundlet exec "$ID" echo alive </dev/null)" = alive ]
  quietly delete --force "$ID"
}

@test "a call of update fails: it says so once and all is as it was, or it did not matter" {
  needs_controller hugetlb
  before='{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
    "unified": {"cgroup.max.depth": "3", "cgroup.max.descendants": "3"}}'
  run_detached
  update_json "$before"
  update_calls
  while read -r name number; do
    update_json "$before"
    status=0
    strace_at "$name" "error=EIO:when=$number" || status=$?
    echo "$name $number: $status $(cat "$OUT")"
    case $status in
      0) holds hugetlb.2MB.rsvd.max 0 cgroup.max.depth 7 cgroup.max.descendants 7 ;;
      1)
        [ "$(grep -c '^rundlet: error: ' "$OUT")" = 1 ]
        holds hugetlb.2MB.rsvd.max 4194304 cgroup.max.depth 3 cgroup.max.descendants 3
        kept .unified.\"cgroup.max.depth\" '"3"'
        ;;
      *) false ;;
    esac
    is_status running
  done < <(awk '/^(bpf|flock|fsync|openat|openat2|read|renameat|renameat2|write) /' "$BATS_TEST_TMPDIR/calls" |
    awk -v every="${IN_VM:+8}" 'NR % (every ? every : 1) == 0')
}
