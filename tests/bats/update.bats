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
    found=$(cat "$CGROUP/$1")
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
  refused_json "update $ID: linux.resources.unified.cgroup.max.descendants: write many to cgroup.max.descendants" '{
    "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
    "devices": [{"allow": true}], "unified": {"cgroup.max.depth": "7", "hugetlb.2MB.max": "2097152",
      "hugetlb.2MB.rsvd.max": "2097152", "cgroup.max.descendants": "many"}}'
  [[ $output = *"Invalid argument" ]]
  holds hugetlb.2MB.rsvd.max 4194304 cgroup.max.depth 3 hugetlb.2MB.max max cgroup.max.descendants max
  cmp "$ROOT/$ID/config.json" "$BATS_TEST_TMPDIR/before"
  refused_json "linux.resources.unified.cgroup.nonsense: write 1 to cgroup.nonsense of the cgroup: No such file" \
    '{"unified": {"cgroup.max.depth": "7", "cgroup.nonsense": "1"}}'
  refused_json "linux.resources.unified.nonsense.max: the nonsense controller is not available at $CGROUPS" \
    '{"unified": {"cgroup.max.depth": "7", "nonsense.max": "1"}}'
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
  refused "--resources -: line 1 column 2: invalid JSON: " update -r - "$ID" <<<'{'
  refused "linux.resources.cpu.shares: -5 is out of range" update --cpu-share -5 "$ID"
  refused "linux.resources.memory.limit: -2 is out of range" update -r - "$ID" <<<'{"memory": {"limit": -2}}'
  refused "linux.resources.cpu.cpus: " update --cpuset-cpus 0-x "$ID"
  refused "linux.resources.cpu.idle: 2 is out of range" update --cpu-idle 2 "$ID"
  refused "linux.resources.cpu.period: not in" update --cpu-period 5 "$ID"
  refused "linux.resources.blockIO.weight: not in 10..1000" update --blkio-weight 5 "$ID"
  refused "linux.resources.cpu.realtimeRuntime: cgroup v2 has no such limit" update --cpu-rt-runtime 5 "$ID"
  refused "linux.intelRdt: the container was made without it" update --l3-cache-schema 'L3:0=f' "$ID"
  refused "linux.intelRdt: the container was made without it" update --mem-bw-schema 'MB:0=20' --memory 1g "$ID"
  refused "linux.intelRdt.memBwSchema: does not begin with MB:" update --mem-bw-schema 'L3:0=20' "$ID"
  refused "linux.intelRdt.l3CacheSchema: contains a newline" update --l3-cache-schema $'L3:0=f\nL3:1=f' "$ID"
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
  depth=$(cat "$CGROUP/cgroup.max.depth")
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

# --- with controllers ----------------------------------------------------------------------------------------------
@test "every option is a file of the cgroup, and -1 is no limit" {
  needs_controller memory cpu cpuset pids io
  create
  update --memory 64M --memory-swap=100663296 --memory-reservation 16m --cpu-share 2048 --cpu-quota 50000 --cpu-period 200000 \
    --cpu-burst 10000 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 7 --blkio-weight 505
  holds memory.max 67108864 memory.swap.max 33554432 memory.low 16777216 cpu.weight 174 cpu.max "50000 200000" \
    cpu.max.burst 10000 cpuset.cpus 0 cpuset.mems 0 pids.max 7
  # BFQ counts as cgroup v1 did; without it the weight is converted.
  if [ -e "$CGROUP/io.bfq.weight" ]; then holds io.bfq.weight "default 505"; else holds io.weight "default 5000"; fi
  kept .cpu.shares 2048
  kept .memory '{"limit":67108864,"reservation":16777216,"swap":100663296}'
  kept .blockIO.weight 505
  start
  rundlet pause "$ID"
  update --memory=-1 --memory-reservation -1 --cpu-quota -1 --pids-limit -1 --cpu-burst 0
  # no limit for memory leaves none for memory and swap
  holds memory.max max memory.swap.max max memory.low max cpu.max "max 200000" pids.max max cpu.max.burst 0 cpuset.cpus 0
  kept .memory '{"limit":-1,"reservation":-1,"swap":-1}'
  rundlet resume "$ID"
  update --cpu-idle 1
  holds cpu.idle 1
  [ "$(rundlet exec "$ID" echo alive </dev/null)" = alive ]
}

@test "what a conversion needs and was not given comes from what is set" {
  needs_controller memory cpu pids
  create_with '{"memory": {"limit": 67108864, "swap": 100663296},
    "cpu": {"quota": 40000, "period": 50000, "burst": 20000, "shares": 512}}'
  # memory and swap together stay what they are
  update --memory 80M
  holds memory.max 83886080 memory.swap.max 16777216
  refused "linux.resources.memory.swap: " update --memory 128M "$ID"
  holds memory.max 83886080 memory.swap.max 16777216
  # only what is given is written
  echo 50331648 >"$CGROUP/memory.max"
  update --memory-swap 90M
  holds memory.max 50331648 memory.swap.max 10485760
  # quota and period are one file
  update --cpu-quota 30000
  holds cpu.max "30000 50000" cpu.max.burst 20000
  update --cpu-period 60000
  holds cpu.max "30000 60000"
  # a burst fits into the quota on the way up and on the way down
  refused "together with what is set already: linux.resources.cpu.burst: above quota" update --cpu-quota 10000 "$ID"
  update --cpu-quota 10000 --cpu-burst 5000
  holds cpu.max "10000 60000" cpu.max.burst 5000
  update --cpu-quota 90000 --cpu-burst 80000
  holds cpu.max "90000 60000" cpu.max.burst 80000
  # an idle group has no weight; its share comes back
  holds cpu.weight 59
  update --cpu-idle 1
  holds cpu.idle 1
  run rundlet update --cpu-share 1024 "$ID"
  [ "$status" = 0 ]
  [[ $output = *"linux.resources.cpu.shares: an idle group has no weight, left out"* ]]
  update --cpu-idle 0
  holds cpu.idle 0 cpu.weight 100
  # refused after it ceased to be idle, or began to be
  update --cpu-share 512
  refused_json cgroup.nonsense '{"cpu": {"idle": 1}, "unified": {"cgroup.nonsense": "1"}}'
  holds cpu.idle 0 cpu.weight 59
  update --cpu-idle 1
  refused_json cgroup.nonsense '{"cpu": {"idle": 0, "shares": 4096}, "unified": {"cgroup.nonsense": "1"}}'
  holds cpu.idle 1
  # a limit of 0 is one since 1.3
  update --pids-limit 5
  update --pids-limit 0
  holds pids.max 5
}

@test "all files are as they were after a refusal: devices in io.max, defaults, what was inherited" {
  needs_controller memory cpu cpuset pids io
  truncate -s 16M "$BATS_TEST_TMPDIR/disk"
  device=$(losetup -f --show "$BATS_TEST_TMPDIR/disk")
  major=$(($(stat -c '0x%t' "$device"))) minor=$(($(stat -c '0x%T' "$device")))
  config --argjson major "$major" --argjson minor "$minor" '.linux.resources += {
    blockIO: {throttleReadBpsDevice: [{major: $major, minor: $minor, rate: 1048576}]},
    cpu: {quota: 20000, burst: 10000, cpus: "0-1"}, memory: {limit: 67108864, reservation: 4194304}, pids: {limit: 9}}'
  run_detached
  state() {
    (cd "$CGROUP" && grep -s . memory.max memory.low memory.swap.max cpu.max cpu.max.burst cpu.weight cpuset.cpus \
      cpuset.mems cpuset.cpus.effective cpuset.mems.effective pids.max io.max io.weight)
  }
  before=$(state)
  six=$(jq -n --argjson major "$major" --argjson minor "$minor" '{major: $major, minor: $minor} as $device | {
    memory: {limit: 33554432, reservation: -1}, cpu: {quota: 5000, burst: 1000, shares: 2000, cpus: "1", mems: "0"},
    pids: {limit: -1}, blockIO: {weight: 500, throttleReadBpsDevice: [$device + {rate: 5}],
      throttleWriteIOPSDevice: [$device + {rate: 7}, {major: 4000, minor: 1, rate: 7}]}}')
  run rundlet update -r - "$ID" <<<"$six"
  echo "$output"
  refusal="$status $output"
  after=$(state)
  update_json "$(jq 'del(.blockIO.throttleWriteIOPSDevice[1])' <<<"$six")"
  changed=$(state)
  rundlet delete --force "$ID"
  losetup -d "$device"
  # Some kernels take no "inherited" back from a cgroup with processes: then what was in effect is named.
  diff <(echo "$before") <(grep -v ^cpuset.mems: <<<"$after")
  [[ $refusal = "1 rundlet: error: update $ID: linux.resources.blockIO.throttleWriteIOPSDevice[1]: write 4000:1 wiops=7 to io.max of the cgroup: No such device" ]]
  for line in memory.max:33554432 memory.low:max "cpu.max:5000 100000" cpu.max.burst:1000 cpu.weight:170 cpuset.cpus:1 cpuset.mems:0 \
    pids.max:max "io.max:$major:$minor rbps=5 wbps=max riops=max wiops=7"; do
    grep -qxF "$line" <<<"$changed" || { echo "no $line in:"; echo "$changed"; return 1; }
  done
}

@test "a limit below what is in use: the kernel decides, or with checkBeforeUpdate both numbers are said" {
  needs_controller memory
  config '.linux.resources.memory = {limit: 134217728, swap: 134217728, checkBeforeUpdate: true}'
  payload sh -c 'a=xxxxxxxxxxxxxxxx; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do a=$a$a; done
    echo ready; sleep 3000; echo $a'
  run_detached
  wait_for grep -q ready "$OUT"
  run rundlet update --memory 2m --memory-swap 2m "$ID"
  echo "$output"
  [ "$status" = 1 ]
  used=$(sed -n 's/.*linux.resources.memory.limit: 2097152 is less than the \([0-9]*\) in use.*/\1/p' <<<"$output")
  [ "$used" -gt 16777216 ]
  holds_limit=$(cat "$CGROUP/memory.max")
  [ "$holds_limit" = 134217728 ]
  is_status running
  # Without the check it is the limit, whatever that costs.
  update_json '{"memory": {"limit": 2097152, "swap": 2097152, "checkBeforeUpdate": false}}'
  holds memory.max 2097152
  wait_for is_status stopped
}
