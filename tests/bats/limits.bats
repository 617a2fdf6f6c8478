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
  config '.linux.resources.memory = {limit: -1, swap: -1, reservation: -1}'
  create
  holds memory.max max memory.swap.max max memory.low max
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
  config '.linux.resources.cpu = {cpus: "4000"}'
  refused "linux.resources.cpu.cpus: write 4000 to cpuset.cpus of the cgroup" create --bundle "$BUNDLE" "$ID"
  nothing_left
}

@test "io: rates and weights of a device stand in io.max and io.weight" {
  needs_controller io
  truncate -s 16M "$BATS_TEST_TMPDIR/disk"
  device=$(losetup -f --show "$BATS_TEST_TMPDIR/disk")
  number=$(($(stat -c '0x%t' "$device"))):$(($(stat -c '0x%T' "$device")))
  # A weight of one device is kept only where the cost model watches it.
  echo "$number enable=1" >"$CGROUPS/io.cost.qos"
  config --argjson major "${number%:*}" --argjson minor "${number#*:}" '
    {major: $major, minor: $minor} as $device | .linux.resources.blockIO = {
      weight: 10, weightDevice: [$device + {weight: 1000}],
      throttleReadBpsDevice: [$device + {rate: 1048576}], throttleWriteIOPSDevice: [$device + {rate: 100}]}'
  run create
  run value io.max
  limits=$output
  run value io.weight
  weights=$output
  echo "$(cat "$OUT") $limits $weights"
  rundlet delete --force "$ID"
  config '.linux.resources.blockIO = {throttleReadBpsDevice: [{major: 4000, minor: 1, rate: 5}]}'
  run create
  echo "$number enable=0" >"$CGROUPS/io.cost.qos"
  losetup -d "$device"
  [ "$limits" = "$number rbps=1048576 wbps=max riops=max wiops=100" ]
  [ "$weights" = "default 1"$'\n'"$number 10000" ]
  [ "$status" = 1 ]
  [[ $output = *"linux.resources.blockIO.throttleReadBpsDevice[0]: write 4000:1 rbps=5 to io.max"*"No such device"* ]]
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
