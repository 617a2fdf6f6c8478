#!/usr/bin/env bats
# What linux.resources says stands in the files of the container's cgroup, or is one clear error.  In the machine with
# systemd they run under its driver, but for those with the tag "cgroupfs".

load helpers
load cgroups

@test "pids: 0, none and N stand in pids.max" {
  needs_controller pids
  create_with '{"pids": {"limit": 7}}'
  holds pids.max 7
  rundlet delete "$ID"
  config '.linux.resources.pids.limit = -1'
  create
  holds pids.max max
  rundlet delete "$ID"
  # Since 1.3 its first process, and no second one; before, engines wrote 0 for none.
  config '.linux.resources.pids.limit = 0'
  create
  holds pids.max max
  rundlet delete "$ID"
  config '.ociVersion = "1.3.0"'
  run run_payload sh -c 'echo alone; sleep 100 & echo never'
  echo "$output"
  [ "${lines[0]}" = alone ]
  [[ $output = *"can't fork"* && $output != *never* ]]
}

@test "pids: one more process than the limit is refused" {
  needs_controller pids
  config '.linux.resources.pids.limit = 3'
  run run_payload sh -c 'sleep 100 & sleep 100 & sleep 100 & echo never'
  echo "$output"
  [ "$status" != 0 ]
  [[ $output = *"can't fork"* && $output != *never* ]]
}

@test "pids: a limit of one is a container of one process" {
  needs_controller pids
  config '.linux.resources.pids.limit = 1'
  run run_payload echo alone
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = alone ]
}

@test "no limit needs no controller" {
  config '.linux.resources = {pids: {limit: -1}, memory: {limit: -1, swap: -1}}'
  run run_payload echo unlimited
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = unlimited ]
}

@test "memory: limit, swap and reservation stand in their files" {
  needs_controller memory
  create_with '{"memory": {"limit": 67108864, "swap": 100663296, "reservation": 16777216}}'
  holds memory.max 67108864 memory.swap.max 33554432 memory.low 16777216
  rundlet delete "$ID"
  config '.linux.resources.memory = {limit: -1, swap: -1, reservation: -1} | .annotations["org.rundlet.memory.oom.group"] = "1"'
  create
  holds memory.max max memory.swap.max max memory.low max memory.oom.group 1
  rundlet delete "$ID"
  config '.linux.resources.memory = {limit: 67108864, swap: 1048576}'
  refused "linux.resources.memory.swap: " create --bundle "$BUNDLE" "$ID"
}

@test "memory: the limit is seen inside, and who exceeds it is killed: 137" {
  needs_controller memory
  config '.linux.resources.memory = {limit: 33554432, swap: 33554432}'
  run run_payload sh -c 'cat /sys/fs/cgroup/memory.max; a=xxxxxxxxxxxxxxxx; while true; do a=$a$a; done'
  echo "$output"
  [ "$status" = 137 ]
  [ "${lines[0]}" = 33554432 ]
}

@test "memory: a limit that is too small for anything is an error or enough, and leaves nothing" {
  needs_controller memory
  for limit in 4096 65536 262144 1048576; do
    config --argjson limit "$limit" '.linux.resources.memory = {limit: $limit, swap: $limit}'
    run run_payload echo small
    echo "$limit: $status $output"
    case $status in
      0) [ "$output" = small ] ;;
      1) [[ $output = "rundlet: error: "* ]] && [ "${#lines[@]}" -le 2 ] ;;
      *) [ "$status" = 137 ] ;;
    esac
    nothing_left
  done
}

@test "cpu: shares, quota, period, burst and idle stand in their files" {
  needs_controller cpu
  create_with '{"cpu": {"shares": 1024, "quota": 50000, "period": 200000, "burst": 10000}}'
  holds cpu.weight 100 cpu.max "50000 200000" cpu.max.burst 10000
  rundlet delete "$ID"
  config '.linux.resources.cpu = {shares: 2, quota: -1}'
  create
  holds cpu.weight 1 cpu.max "max 100000"
  rundlet delete "$ID"
  config '.linux.resources.cpu = {shares: 262144, period: 50000}'
  create
  holds cpu.weight 10000 cpu.max "max 50000"
  rundlet delete "$ID"
  config '.linux.resources.cpu = {idle: 1}'
  create
  holds cpu.idle 1
}

@test "cpuset: the container runs where the config says, and a processor that is not there is an error" {
  needs_controller cpuset
  config '.linux.resources.cpu = {cpus: "1", mems: "0"}'
  run run_payload sh -c 'cat /sys/fs/cgroup/cpuset.cpus /sys/fs/cgroup/cpuset.mems
    sed -n "s/^Cpus_allowed_list:.//p" /proc/self/status'
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = $'1\n0\n1' ]
  there=$(cat "$CGROUPS/cpuset.cpus.effective")
  for cpus in 4000 0-4000; do
    config --arg cpus "$cpus" '.linux.resources.cpu = {cpus: $cpus}'
    refused "linux.resources.cpu.cpus: $cpus: only $there can be had here" create --bundle "$BUNDLE" "$ID"
  done
  config '.linux.resources.cpu = {mems: "0,63"}'
  refused "linux.resources.cpu.mems: 0,63: only $(cat "$CGROUPS/cpuset.mems.effective") can be had here" \
    create --bundle "$BUNDLE" "$ID"
  nothing_left
}

# bats test_tags=cgroupfs
@test "cpuset: what the cgroup above was not given cannot be had" {
  needs_controller cpuset
  mkdir "$CGROUPS/parent-$ID"
  echo 1 >"$CGROUPS/parent-$ID/cpuset.cpus"
  config --arg path "/parent-$ID/box" '.linux.cgroupsPath = $path | .linux.resources.cpu = {cpus: "0"}'
  run rundlet create --bundle "$BUNDLE" "$ID"
  echo "$output"
  rmdir "$CGROUPS/parent-$ID"
  [ "$status" = 1 ]
  [[ $output = *"linux.resources.cpu.cpus: 0: only 1 can be had here"* ]]
}

@test "cpu: a weight comes back after idle, and idle takes none" {
  needs_controller cpu
  create_with '{"cpu": {"idle": 1, "shares": 2048}}'
  grep -q 'warning: linux.resources.cpu.shares: an idle group has no weight, left out' "$OUT"
  holds cpu.idle 1 cpu.weight 0
  rundlet delete "$ID"
  config '.linux.resources.cpu.idle = 0'
  create
  holds cpu.idle 0 cpu.weight 174
}

@test "cpu: a quota of 0, and one above what the machine has, is a warning, and refused with --strict" {
  needs_controller cpu
  config '.linux.resources.cpu = {quota: 0}'
  create
  grep -q 'warning: linux.resources.cpu.quota: 0 is taken for no limit' "$OUT"
  holds cpu.max "max 100000"
  rundlet delete "$ID"
  refused "linux.resources.cpu.quota: 0 is taken for no limit, which is -1 (refused by --strict)" \
    create --strict --bundle "$BUNDLE" "$ID"
  config '.linux.resources.cpu = {quota: 900000000}'
  create
  grep -q "warning: linux.resources.cpu.quota: 900000000 in each 100000 is more than the $(nproc) processors" "$OUT"
  holds cpu.max "900000000 100000"
  rundlet delete "$ID"
  refused "(refused by --strict)" create --strict --bundle "$BUNDLE" "$ID"
  nothing_left
}

# A disk for blockIO, with the scheduler or without one: disk [SCHEDULER]; its MAJOR:MINOR is $NUMBER.
disk() {
  truncate -s 16M "$BATS_TEST_TMPDIR/disk$1"
  DISK=$(losetup -f --show "$BATS_TEST_TMPDIR/disk$1")
  DISKS+=("$DISK")
  NUMBER=$(cat "/sys/block/${DISK##*/}/dev")
  echo "${1:-none}" >"/sys/block/${DISK##*/}/queue/scheduler"
}

teardown() {
  local disk
  for disk in "${DISKS[@]}"; do
    echo "$(cat "/sys/block/${disk##*/}/dev") enable=0" >"$CGROUPS/io.cost.qos" 2>/dev/null || true
    losetup -d "$disk"
  done
  bundle_teardown
}

@test "io: the four rates of a device do not undo each other, 0 is none, and a disk that is not there is named" {
  needs_controller io
  disk
  config --argjson major "${NUMBER%:*}" --argjson minor "${NUMBER#*:}" '
    def rate($rate): [{major: $major, minor: $minor, rate: $rate}]; .linux.resources.blockIO = {
      throttleReadBpsDevice: rate(1048576), throttleWriteBpsDevice: rate(2097152),
      throttleReadIOPSDevice: rate(300), throttleWriteIOPSDevice: rate(400)}'
  create
  holds io.max "$NUMBER rbps=1048576 wbps=2097152 riops=300 wiops=400"
  rundlet delete "$ID"
  config '.linux.resources.blockIO.throttleWriteBpsDevice[0].rate = 0'
  create
  holds io.max "$NUMBER rbps=1048576 wbps=max riops=300 wiops=400"
  rundlet delete "$ID"
  config '.linux.resources.blockIO = {throttleReadBpsDevice: [{major: 4000, minor: 1, rate: 5}]}'
  refused "linux.resources.blockIO.throttleReadBpsDevice[0]: write 4000:1 rbps=5 to io.max of the cgroup: No such device" \
    create --bundle "$BUNDLE" "$ID"
  nothing_left
}

@test "io: a weight is BFQ's where a disk has it, else the cost model's, else an error" {
  needs_controller io
  disk bfq
  fair=$NUMBER
  disk
  config --arg fair "$fair" --arg other "$NUMBER" '
    def weight($weight): split(":") | {major: (.[0] | tonumber), minor: (.[1] | tonumber), weight: $weight};
    .linux.resources.blockIO = {weight: 10, weightDevice: [($fair | weight(500)), ($other | weight(1000))]}'
  refused "linux.resources.blockIO.weightDevice[1]: write $NUMBER 10000 to io.weight of the cgroup: the disk has neither the scheduler BFQ" \
    create --bundle "$BUNDLE" "$ID"
  nothing_left
  echo "$NUMBER enable=1" >"$CGROUPS/io.cost.qos"
  create
  holds io.bfq.weight "default 10"$'\n'"$fair 500" io.weight "default 100"$'\n'"$NUMBER 10000"
}

@test "hugetlb: reservations are limited as well; a page size that is not there is an error" {
  needs_controller hugetlb
  create_with '{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}'
  holds hugetlb.2MB.rsvd.max 4194304
  rundlet delete "$ID"
  config '.linux.resources.hugepageLimits = [{pageSize: "3MB", limit: 1}]'
  refused "linux.resources.hugepageLimits[0]" create --bundle "$BUNDLE" "$ID"
  nothing_left
}

@test "rdma: a device that is not there is named" {
  needs_controller rdma
  config '.linux.resources.rdma = {"none0": {hcaHandles: 2, hcaObjects: 20}}'
  refused "linux.resources.rdma.none0: write none0 hca_handle=2 hca_object=20 to rdma.max of the cgroup" \
    create --bundle "$BUNDLE" "$ID"
  nothing_left
}

@test "unified: every key is a file, after the limits that have names" {
  needs_controller memory pids
  create_with '{"pids": {"limit": 9}, "unified": {"memory.high": "50331648", "pids.max": "11", "cgroup.max.depth": "3"}}'
  holds memory.high 50331648 pids.max 11 cgroup.max.depth 3
  rundlet delete "$ID"
  config '.linux.resources.unified = {"memory.nonsense": "1"}'
  refused "linux.resources.unified.memory.nonsense" create --bundle "$BUNDLE" "$ID"
  nothing_left
}

@test "unified: a core file, a value that the kernel refuses, a path" {
  create_with '{"unified": {"cgroup.max.descendants": "5"}}'
  holds cgroup.max.descendants 5
  rundlet delete "$ID"
  config '.linux.resources.unified = {"cgroup.max.descendants": "many"}'
  refused "linux.resources.unified.cgroup.max.descendants: write many to" create --bundle "$BUNDLE" "$ID"
  config '.linux.resources.unified = {"cgroup.nonsense": "1"}'
  refused "linux.resources.unified.cgroup.nonsense" create --bundle "$BUNDLE" "$ID"
  config '.linux.resources.unified = {"../x.y": "1"}'
  refused "linux.resources.unified.../x.y: " create --bundle "$BUNDLE" "$ID"
  nothing_left
}

@test "a controller that is not there is an error that names it, its place and the cure" {
  config '.linux.resources.unified = {"nonsense.max": "1"}'
  refused "linux.resources.unified.nonsense.max: the nonsense controller is not available at $CGROUPS" \
    create --bundle "$BUNDLE" "$ID"
  [[ $output = *"(cgroup.controllers: $(cat "$CGROUPS/cgroup.controllers"))"* ]]
  [[ $output = *"hint: "*"subtree_control"* ]]
  if ! has_controller memory; then
    config '.linux.resources = {memory: {limit: 1048576}}'
    refused "linux.resources.memory.limit: the memory controller is not available at $CGROUPS" \
      create --bundle "$BUNDLE" "$ID"
  fi
  nothing_left
}

# bats test_tags=cgroupfs
@test "a controller is not handed down past processes, and that is said" {
  needs_controller hugetlb
  mkdir "$CGROUPS/parent-$ID"
  sleep 1000 3>&- 4>&- &
  echo $! >"$CGROUPS/parent-$ID/cgroup.procs"
  config --arg path "/parent-$ID/box" '.linux.cgroupsPath = $path
    | .linux.resources = {hugepageLimits: [{pageSize: "2MB", limit: 0}]}'
  run rundlet create --bundle "$BUNDLE" "$ID"
  echo "$output"
  kill $!
  wait $! || true
  rmdir "$CGROUPS/parent-$ID"
  [ "$status" = 1 ]
  [[ $output = *"linux.resources.hugepageLimits[0]: enable the hugetlb controller in $CGROUPS/parent-$ID/cgroup.subtree_control: processes live in"* ]]
}

@test "check knows a quota of 0 and one that no processor gives, and what is no number at all" {
  config '.linux.resources.cpu = {quota: 0}'
  run rundlet check "$BUNDLE"
  [ "$output" = "warning: linux.resources.cpu.quota: 0 is taken for no limit, which is -1" ]
  config '.linux.resources.cpu = {quota: 900000000}'
  run rundlet check "$BUNDLE"
  echo "$output"
  [[ $output = "warning: linux.resources.cpu.quota: 900000000 in each 100000 is more than the "*" here can give" ]]
  while IFS='|' read -r resources words; do
    config --argjson resources "$resources" '.linux.resources = $resources'
    run rundlet check "$BUNDLE"
    echo "$output"
    [ "$status" = 1 ]
    [[ $output = *"error: linux.resources.$words"* ]]
    refused "linux.resources.$words" create --bundle "$BUNDLE" "$ID"
  done < <(sampled 5 <<'TABLE'
{"memory": {"limit": -2}}|memory.limit: 
{"memory": {"limit": "1M"}}|memory.limit: 
{"memory": {"limit": 1e30}}|memory.limit: 
{"memory": {"swap": -2}}|memory.swap: 
{"memory": {"swap": 5}}|memory.swap: 
{"memory": {"reservation": -2}}|memory.reservation: 
{"memory": {"swappiness": 60}}|memory.swappiness: cgroup v2 has no such limit
{"cpu": {"quota": -2}}|cpu.quota: 
{"cpu": {"quota": 10}}|cpu.quota: 
{"cpu": {"period": 10}}|cpu.period: 
{"cpu": {"period": -1}}|cpu.period: 
{"cpu": {"quota": 2000, "burst": 2001}}|cpu.burst: above quota
{"cpu": {"shares": -1}}|cpu.shares: 
{"cpu": {"idle": 2}}|cpu.idle: 
{"cpu": {"cpus": "0-"}}|cpu.cpus: 
{"cpu": {"mems": "a"}}|cpu.mems: 
{"cpu": {"realtimeRuntime": 1000}}|cpu.realtimeRuntime: cgroup v2 has no such limit
{"cpu": {"realtimePeriod": 1000}}|cpu.realtimePeriod: cgroup v2 has no such limit
{"pids": {"limit": -2}}|pids.limit: 
{"blockIO": {"weight": 5}}|blockIO.weight: 
{"blockIO": {"weight": 1001}}|blockIO.weight: 
{"blockIO": {"leafWeight": 100}}|blockIO.leafWeight: cgroup v2 has no such limit
{"blockIO": {"throttleReadBpsDevice": [{"major": -1, "minor": 0, "rate": 5}]}}|blockIO.throttleReadBpsDevice[0].major: 
{"hugepageLimits": [{"pageSize": "../x", "limit": 5}]}|hugepageLimits[0].pageSize: 
{"hugepageLimits": [{"pageSize": "2MB", "limit": -5}]}|hugepageLimits[0].limit: 
{"network": {"classID": 5}}|network.classID: cgroup v2 has no such limit
{"network": {"priorities": [{"name": "lo", "priority": 5}]}}|network.priorities: cgroup v2 has no such limit
{"rdma": {"a b": {"hcaObjects": 5}}}|rdma.a b: 
{"unified": {"memory.max/../x": "1"}}|unified.memory.max/../x: 
{"unified": {"..": "1"}}|unified...: 
{"unified": {"cgroup.procs": "1"}}|unified.cgroup.procs: refused: 
{"unified": {"cgroup.freeze": "1"}}|unified.cgroup.freeze: refused: 
{"unified": {"cgroup.kill": "1"}}|unified.cgroup.kill: refused: 
{"unified": {"cgroup.type": "threaded"}}|unified.cgroup.type: refused: 
{"unified": {"cgroup.subtree_control": "+hugetlb"}}|unified.cgroup.subtree_control: refused: 
TABLE
  )
  nothing_left
}

@test "unified: one line is one write, and a line that the kernel refuses is named" {
  needs_controller io misc
  disk
  other=$NUMBER
  disk bfq
  config --arg lines "$NUMBER rbps=4096 wiops=12"$'\n'"$other wbps=8192"$'\n' '.linux.resources.unified = {"io.max": $lines}'
  create
  holds io.max "$other rbps=max wbps=8192 riops=max wiops=max"$'\n'"$NUMBER rbps=4096 wbps=max riops=max wiops=12" ||
    holds io.max "$NUMBER rbps=4096 wbps=max riops=max wiops=12"$'\n'"$other rbps=max wbps=8192 riops=max wiops=max"
  rundlet delete "$ID"
  config --arg lines "$NUMBER rbps=4096"$'\n'"nonsense" '.linux.resources.unified = {"io.max": $lines}'
  refused "linux.resources.unified.io.max: write nonsense to io.max of the cgroup" create --bundle "$BUNDLE" "$ID"
  config '.linux.resources.unified = {"misc.max": "nothing 5"}'
  refused "linux.resources.unified.misc.max: write nothing 5 to misc.max of the cgroup" create --bundle "$BUNDLE" "$ID"
  nothing_left
}

# bats test_tags=cgroupfs
@test "everything at once: resource, file and value" {
  needs_controller cpu cpuset io memory hugetlb pids
  disk bfq
  config --argjson major "${NUMBER%:*}" --argjson minor "${NUMBER#*:}" '{major: $major, minor: $minor} as $disk | .linux.resources += {
    memory: {limit: 67108864, swap: 100663296, reservation: 16777216, checkBeforeUpdate: true},
    cpu: {shares: 2048, quota: 50000, period: 200000, burst: 10000, idle: 0, cpus: "0-1", mems: "0"},
    pids: {limit: 77},
    blockIO: {weight: 300, weightDevice: [$disk + {weight: 500}],
      throttleReadBpsDevice: [$disk + {rate: 1048576}], throttleWriteBpsDevice: [$disk + {rate: 2097152}],
      throttleReadIOPSDevice: [$disk + {rate: 300}], throttleWriteIOPSDevice: [$disk + {rate: 400}]},
    hugepageLimits: [{pageSize: "2MB", limit: 4194304}, {pageSize: "1GB", limit: 0}],
    unified: {"memory.high": "50331648", "memory.min": "1048576", "memory.oom.group": "1", "memory.swap.high": "16777216",
      "cpuset.cpus.partition": "member", "hugetlb.2MB.max": "8388608", "pids.max": "78",
      "cgroup.max.depth": "3", "cgroup.max.descendants": "4", "cgroup.pressure": "0"}}'
  create
  # The table is shown when the test fails, and by bats --show-output-of-passing-tests.
  wrong=0
  while IFS='|' read -r resource file wanted; do
    wanted=${wanted//disk/"$NUMBER"}
    is=$(value "$file" | tr '\n' ';')
    is=${is%;}
    printf '%-44s %-24s %s\n' "$resource" "$file" "$is"
    [ "$is" = "$wanted" ] || { echo "  not $wanted"; wrong=$((wrong + 1)); }
  done <<'TABLE'
memory.limit 67108864|memory.max|67108864
memory.swap 100663296|memory.swap.max|33554432
memory.reservation 16777216|memory.low|16777216
cpu.shares 2048|cpu.weight|174
cpu.quota 50000, cpu.period 200000|cpu.max|50000 200000
cpu.burst 10000|cpu.max.burst|10000
cpu.idle 0|cpu.idle|0
cpu.cpus 0-1|cpuset.cpus|0-1
cpu.mems 0|cpuset.mems|0
pids.limit 77, unified.pids.max 78|pids.max|78
blockIO.weight 300, weightDevice 500|io.bfq.weight|default 300;disk 500
blockIO.throttle*Device|io.max|disk rbps=1048576 wbps=2097152 riops=300 wiops=400
hugepageLimits 2MB 4194304|hugetlb.2MB.rsvd.max|4194304
hugepageLimits 1GB 0|hugetlb.1GB.rsvd.max|0
unified.hugetlb.2MB.max|hugetlb.2MB.max|8388608
unified.memory.high|memory.high|50331648
unified.memory.min|memory.min|1048576
unified.memory.oom.group|memory.oom.group|1
unified.memory.swap.high|memory.swap.high|16777216
unified.cpuset.cpus.partition|cpuset.cpus.partition|member
unified.cgroup.max.depth|cgroup.max.depth|3
unified.cgroup.max.descendants|cgroup.max.descendants|4
unified.cgroup.pressure|cgroup.pressure|0
TABLE
  [ "$wrong" = 0 ]
  start
}

@test "each limit whose controller is not there is an error that names it, and none is passed over" {
  config '.linux.resources = {}'
  cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/plain"
  while IFS='|' read -r controller place resources; do
    cp "$BATS_TEST_TMPDIR/plain" "$BUNDLE/config.json"
    config --argjson resources "$resources" '.linux.resources = $resources'
    if has_controller "$controller"; then
      rundlet plan "$BUNDLE" | grep -q "^cgroup controller    $controller$"
    else
      refused "linux.resources.$place: the $controller controller is not available at " create --bundle "$BUNDLE" "$ID"
    fi
  done < <(sampled 5 <<'TABLE'
memory|memory.limit|{"memory": {"limit": 67108864}}
memory|memory.reservation|{"memory": {"reservation": 67108864}}
memory|unified.memory.high|{"unified": {"memory.high": "67108864"}}
cpu|cpu.shares|{"cpu": {"shares": 5}}
cpu|cpu.quota|{"cpu": {"quota": 5000}}
cpu|cpu.period|{"cpu": {"period": 5000}}
cpu|cpu.burst|{"cpu": {"burst": 5000}}
cpu|cpu.idle|{"cpu": {"idle": 1}}
cpuset|cpu.cpus|{"cpu": {"cpus": "0"}}
cpuset|cpu.mems|{"cpu": {"mems": "0"}}
pids|pids.limit|{"pids": {"limit": 5}}
io|blockIO.weight|{"blockIO": {"weight": 50}}
io|blockIO.weightDevice[0]|{"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 50}]}}
io|blockIO.throttleReadBpsDevice[0]|{"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 50}]}}
io|blockIO.throttleWriteIOPSDevice[0]|{"blockIO": {"throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 50}]}}
hugetlb|hugepageLimits[0]|{"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}
rdma|rdma.mlx5_1|{"rdma": {"mlx5_1": {"hcaObjects": 5}}}
misc|unified.misc.max|{"unified": {"misc.max": "sev 1"}}
TABLE
  )
  nothing_left
}
