#!/usr/bin/env bats
# The container's cgroup: its limits, its device filter, where it lies, who may change it, how it ends.  In the machine
# with systemd they run under its driver, but for those with the tag "cgroupfs".

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

# A file of the container's cgroup: value pids.max
value() {
  cat "$CGROUP/$1"
}

# Makes the container with the limits of a jq object, without starting it.
create_with() { # RESOURCES
  config --argjson resources "$1" '.linux.resources += $resources'
  create
}

# Files of the cgroup hold these values: holds FILE VALUE [FILE VALUE]...
holds() {
  while [ $# -gt 0 ]; do
    [ "$(value "$1")" = "$2" ] || { echo "$1: \"$(value "$1")\" instead of \"$2\""; return 1; }
    shift 2
  done
}

# The container may write to its cgroup.
writable_cgroup() {
  config '(.mounts[] | select(.type == "cgroup") | .options) -= ["ro"]'
}

gone() {
  [ ! -e "$1" ] || { echo "$1 is left"; return 1; }
}

nothing_left() {
  gone "${CGROUP%/container}"
  [ -z "$(ls -A "$ROOT" 2>/dev/null)" ]
}

# --- limits --------------------------------------------------------------------------------------------------------
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

# --- devices -------------------------------------------------------------------------------------------------------
# Nodes of drivers that do not exist: what the filter lets through ends in ENXIO, what it stops in EPERM.
@test "device rules: wildcards, the last word counts, each access by itself, default devices always" {
  config '.linux.resources.devices = ([{allow: false, access: "rwm"},
      {allow: true, type: "c", major: 120, minor: 1, access: "r"},
      {allow: true, type: "c", major: 120, minor: 2, access: "rw"},
      {allow: true, type: "c", major: 121, access: "rwm"},
      {allow: false, type: "c", major: 121, minor: 7, access: "w"},
      {allow: true, type: "b", minor: 9, access: "rw"},
      {allow: true, major: 122, minor: 4, access: "rw"}]
      + [range(400) | {allow: (. % 2 == 0), type: "c", major: 123, minor: ., access: "rw"}])
    | .process.capabilities |= map_values(. + ["CAP_MKNOD"])'
  run run_payload sh -c 'cd /tmp
    for d in "c 120 1" "c 120 2" "c 120 3" "c 121 6" "c 121 7" "b 125 9" "b 125 8" "c 125 9" "c 122 4" "b 122 4" \
        "c 123 0" "c 123 1" "c 123 398" "c 123 399"; do
      mknod node $d || exit 1
      read=$( { : <node; } 2>&1) write=$( { : >node; } 2>&1)
      echo "$d: ${read##*: } ${write##*: }" | sed "s/No such device or address/yes/g; s/Operation not permitted/no/g"
      rm node
    done
    for d in null zero full random urandom tty ptmx; do
      case $( { true <>/dev/$d; } 2>&1) in *permitted*) echo "no $d" ;; esac
    done
    true </dev/null && true <>/dev/ptmx && echo defaults'
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = 'c 120 1: yes no
c 120 2: yes yes
c 120 3: no no
c 121 6: yes yes
c 121 7: yes no
b 125 9: yes yes
b 125 8: no no
c 125 9: no no
c 122 4: yes yes
b 122 4: yes yes
c 123 0: yes yes
c 123 1: no no
c 123 398: yes yes
c 123 399: no no
defaults' ]
}

# --- where it lies -------------------------------------------------------------------------------------------------
# bats test_tags=cgroupfs
@test "an absolute cgroupsPath: parents are made and go again; init is there when create returns" {
  config --arg path "/parent-$ID/deep/$ID" '.linux.cgroupsPath = $path'
  create
  grep -qx "0::/parent-$ID/deep/$ID" "/proc/$(init_pid)/cgroup"
  start
  rundlet exec "$ID" sleep 1000 </dev/null >"$OUT" 2>&1 &
  wait_for eval '[ "$(wc -l <"$CGROUPS/parent-$ID/deep/$ID/cgroup.procs")" = 2 ]'
  rundlet delete --force "$ID"
  wait || true
  gone "$CGROUPS/parent-$ID"
}

# bats test_tags=cgroupfs
@test "a relative cgroupsPath and none at all are below /rundlet" {
  config --arg path "deep-$ID/box" '.linux.cgroupsPath = $path'
  create
  grep -qx "0::/rundlet/deep-$ID/box" "/proc/$(init_pid)/cgroup"
  rundlet delete "$ID"
  gone "$CGROUPS/rundlet/deep-$ID"
  config 'del(.linux.cgroupsPath)'
  create
  grep -qx "0::/rundlet/$ID" "/proc/$(init_pid)/cgroup"
  rundlet delete "$ID"
  gone "$CGROUPS/rundlet/$ID"
}

# bats test_tags=cgroupfs
@test "a cgroupsPath that leads elsewhere or speaks to systemd is refused, and so is --systemd-cgroup" {
  for path in ../x "/$ID/../../x" "/$ID/./x" "/$ID//x"; do
    config --arg path "$path" '.linux.cgroupsPath = $path'
    refused "linux.cgroupsPath: " create --bundle "$BUNDLE" "$ID"
  done
  config '.linux.cgroupsPath = "system.slice:rundlet:box"'
  refused "linux.cgroupsPath: system.slice:rundlet:box: " create --bundle "$BUNDLE" "$ID"
  [[ $output = *systemd* ]]
  config --arg path "/$ID" '.linux.cgroupsPath = $path'
  refused systemd --systemd-cgroup create --bundle "$BUNDLE" "$ID"
  nothing_left
}

# bats test_tags=cgroupfs
@test "a cgroup that exists is taken when it is empty, and stays; with a process, a child or frozen it is refused" {
  mkdir "$CGROUPS/$ID"
  create
  grep -qx "0::/$ID" "/proc/$(init_pid)/cgroup"
  rundlet delete "$ID"
  [ -d "$CGROUPS/$ID" ]
  mkdir "$CGROUPS/$ID/child"
  refused "use the cgroup /$ID: it has the child child already" create --bundle "$BUNDLE" "$ID"
  rmdir "$CGROUPS/$ID/child"
  echo 1 >"$CGROUPS/$ID/cgroup.freeze"
  refused "use the cgroup /$ID: it is frozen" create --bundle "$BUNDLE" "$ID"
  echo 0 >"$CGROUPS/$ID/cgroup.freeze"
  sleep 1000 3>&- 4>&- &
  other=$!
  echo "$other" >"$CGROUPS/$ID/cgroup.procs"
  refused "use the cgroup /$ID: process $other is in it already" create --bundle "$BUNDLE" "$ID"
  kill -0 "$other"
  kill "$other"
  wait "$other" || true
  [ -d "$CGROUPS/$ID" ]
  rmdir "$CGROUPS/$ID"
}

# bats test_tags=cgroupfs
@test "two containers are not put into one cgroup, and deleting the second attempt leaves the first alone" {
  run_detached
  refused "use the cgroup /$ID: process " create --bundle "$BUNDLE" "$ID-second"
  rundlet delete --force "$ID-second"
  is_status running
}

@test "with a cgroup namespace the container sees itself at the root, without one where it is" {
  run run_payload sh -c 'grep ^0: /proc/self/cgroup; ls /sys/fs/cgroup | grep -x cgroup.procs; mkdir /sys/fs/cgroup/x'
  echo "$output"
  [ "$status" != 0 ]
  [ "${lines[0]}" = 0::/ ]
  [ "${lines[1]}" = cgroup.procs ]
  [[ ${lines[2]} = *"Read-only file system"* ]]
  config '.linux.namespaces |= map(select(.type != "cgroup"))'
  run run_payload sh -c 'grep ^0: /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs; 
    ls -d /sys/fs/cgroup/tests /sys/fs/cgroup/init.scope'
  echo "$output"
  [ "${lines[0]}" = "0::${CGROUP#"$CGROUPS"}" ]
  [ "${lines[1]}" = 1 ]
  [[ $output = *"No such file"* ]]
}

@test "the cgroup belongs to the container's root only with a user and a cgroup namespace and a mount to write to" {
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
  chown -R 100000:100000 "$BUNDLE/rootfs"
  create
  [ "$(stat -c %u "$CGROUP" "$CGROUP/cgroup.procs" | sort -u)" = 0 ]
  rundlet delete "$ID"
  writable_cgroup
  payload sh -c 'mkdir /sys/fs/cgroup/mine && echo 1 >/sys/fs/cgroup/mine/cgroup.procs && echo moved
    { echo 5 >/sys/fs/cgroup/cgroup.max.depth; } 2>&1; sleep 1000'
  create
  [ "$(stat -c %u "$CGROUP" "$CGROUP"/cgroup.{procs,threads,subtree_control} | sort -u)" = 100000 ]
  [ "$(stat -c %u "$CGROUP/cgroup.freeze" "$CGROUP/cgroup.max.depth" | sort -u)" = 0 ]
  start
  wait_for grep -q . "$CGROUP/mine/cgroup.procs"
  wait_for grep -q moved "$OUT" || true
  rundlet pause "$ID"
  is_status paused
  rundlet delete --force "$ID"
  nothing_left
}

# --- freezing and killing ------------------------------------------------------------------------------------------
@test "pause freezes every process, resume lets them go on, kill works on a frozen container" {
  payload sh -c 'n=0; while true; do n=$((n + 1)); echo $n >/tmp/count; sleep 0.02; done'
  run_detached
  count=$BUNDLE/rootfs/tmp/count
  wait_for test -s "$count"
  rundlet pause "$ID"
  is_status paused
  before=$(cat "$count")
  sleep 1
  [ "$(cat "$count")" = "$before" ]
  refused "already paused" pause "$ID"
  rundlet resume "$ID"
  is_status running
  wait_for eval '[ "$(cat "$count")" -gt "$before" ]'
  refused "not paused" resume "$ID"
  rundlet pause "$ID"
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  rundlet delete "$ID"
}

@test "kill --all reaches every process, also after init has ended and without a pid namespace" {
  config '.linux.namespaces |= map(select(.type != "pid"))'
  payload sh -c 'trap "" TERM; sleep 1000 & sh -c "trap \"\" TERM; sleep 1000 & sleep 1001" & wait; sleep 1002'
  run_detached
  wait_for eval '[ "$(wc -l <"$CGROUP/cgroup.procs")" = 4 ]' || { value cgroup.procs; false; }
  init=$(init_pid)
  kill -KILL "$init"
  wait_for is_status stopped
  [ -n "$(value cgroup.procs)" ]
  rundlet kill --all "$ID" KILL
  [ -z "$(value cgroup.procs)" ]
  rundlet delete "$ID"
}

@test "kill --all with another signal goes to all of them" {
  payload sh -c 'trap "echo 1 >/tmp/one" USR1; sh -c "trap \"echo 2 >/tmp/two; exit\" USR1; echo >/tmp/ready
    while true; do sleep 0.1; done" & while true; do sleep 0.1; done'
  run_detached
  wait_for test -e "$BUNDLE/rootfs/tmp/ready"
  rundlet kill --all "$ID" USR1
  wait_for test -s "$BUNDLE/rootfs/tmp/two"
  wait_for test -s "$BUNDLE/rootfs/tmp/one"
}

# --- what the container does below its cgroup --------------------------------------------------------------------
@test "sub-cgroups of the container: ps, pause and exec know them, delete takes them along" {
  writable_cgroup
  payload sh -c 'cd /sys/fs/cgroup; mkdir -p a/b/c init; echo 1 >init/cgroup.procs; sleep 1000 &
    echo $! >a/b/c/cgroup.procs; for c in $(cat cgroup.controllers); do echo +$c >cgroup.subtree_control; done; wait'
  run_detached
  wait_for grep -q . "$CGROUP/a/b/c/cgroup.procs"
  wait_for eval '[ "$(value cgroup.subtree_control)" = "$(value cgroup.controllers)" ]'
  [ "$(rundlet ps --format json "$ID" | jq length)" = 2 ]
  # The kernel takes no process into a cgroup that hands controllers down: exec goes where init is.
  run rundlet exec "$ID" sh -c 'grep ^0: /proc/self/cgroup' </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = 0::/init ] || [ "$output" = 0::/ ]
  rundlet pause "$ID"
  grep -qx 'frozen 1' "$CGROUP/a/b/c/cgroup.events"
  rundlet delete --force "$ID"
  nothing_left
}

@test "a threaded sub-cgroup is no obstacle to ps, kill and delete" {
  writable_cgroup
  payload sh -c 'cd /sys/fs/cgroup; mkdir t; echo threaded >t/cgroup.type; echo 1 >t/cgroup.threads; sleep 1000; true'
  run_detached
  wait_for grep -q . "$CGROUP/t/cgroup.threads"
  [ "$(value cgroup.type)" = "domain threaded" ]
  wait_for eval '[ "$(rundlet ps --format json "$ID" | jq length)" = 2 ]'
  rundlet exec "$ID" true </dev/null
  rundlet pause "$ID"
  rundlet resume "$ID"
  rundlet kill --all "$ID" KILL
  wait_for is_status stopped
  rundlet delete "$ID"
  nothing_left
}

# --- when things go wrong ----------------------------------------------------------------------------------------
@test "a cgroup that was removed behind our back: stopped, and deleted without a word" {
  run_detached
  kill -KILL "$(init_pid)"
  wait_for eval 'rmdir "$CGROUP" || [ ! -e "$CGROUP" ]'
  is_status stopped
  run rundlet delete "$ID"
  [ "$status" = 0 ]
  [ -z "$output" ]
}

@test "delete --force with a corrupt or a missing record finds the cgroup by its label and kills what lives there" {
  for damage in 'echo "{" >"$ROOT/$ID/state.json"' 'rm -r "${ROOT:?}/$ID"'; do
    run_detached
    pid=$(init_pid)
    eval "$damage"
    run rundlet delete "$ID"
    [ "$status" = 1 ]
    kill -0 "$pid"
    run rundlet delete --force "$ID"
    echo "$output"
    [ "$status" = 0 ]
    nothing_left
    wait_for eval '! kill -0 "$pid"'
  done
}

@test "delete --force touches no cgroup that is another container's" {
  run_detached
  mkdir "$ROOT.other"
  run rundlet --root "$ROOT.other" delete --force "$ID"
  echo "$output"
  [ "$status" = 0 ]
  is_status running
  [ -n "$(value cgroup.procs)" ]
}

@test "twenty containers at once, in cgroups below one parent" {
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
  [ -z "$(ls "$ROOT")" ]
}
