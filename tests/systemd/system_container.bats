#!/usr/bin/env bats
# A whole Debian with systemd as the container's first process, from the config that `spec --system` writes: it boots,
# has a cgroup tree of its own below the container's cgroup, limits hold around it, and it shuts down when it is told to.

load ../bats/helpers

SYSTEM=$BUILD/real/systemd
SHIFTED=$RUNDLET_EXT4/debian-of-100000

# The same Debian with files that belong to ids from 100000 on, for user namespaces.
setup_file() {
  local uid gid
  cp -a "$SYSTEM" "$SHIFTED"
  find "$SHIFTED" -printf '%U %G\n' | sort -u >"$BATS_FILE_TMPDIR/owners"
  while read -r uid gid; do
    find "$SHIFTED" -uid "$uid" -gid "$gid" -exec chown -h $((uid + 100000)):$((gid + 100000)) {} +
  done <"$BATS_FILE_TMPDIR/owners"
}

teardown_file() {
  rm -rf --one-file-system "$SHIFTED"
}

machine() { # DRIVER: the bundle of a system with limits around it
  driver "$1"
  LAYER=$SYSTEM
  rm -rf "$BUNDLE"
  mkdir -p "$BUNDLE/rootfs"
  rundlet spec --system --bundle "$BUNDLE"
  config --arg path "$CGROUPS_PATH" '.linux.cgroupsPath = $path
    | .linux.resources += {pids: {limit: 300}, memory: {limit: 536870912}}'
  [ "$DRIVER" = cgroupfs ] || config '.linux.resources.cpu.shares = 1024'
}

with_user_namespace() {
  LAYER=$SHIFTED
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
}

boot() { # COMMAND...: run or create and start; returns when systemd has started what it has to start
  "$@"
  wait_for is_status running
  wait_for test -S "/proc/$(init_pid)/root/run/systemd/private"
  run rundlet exec "$ID" systemctl is-system-running --wait </dev/null
  echo "is-system-running: $output"
  [ "$output" = running ] || [ "$output" = degraded ]
}

in_foreground() {
  quietly run --bundle "$BUNDLE" --layer "$LAYER" --upper tmpfs "$ID" &
  RUNNER=$!
}

in_background() {
  create --layer "$LAYER" --upper tmpfs
  start
}

has_tree_of_its_own() {
  local owner=$1
  echo "$(cat "$CGROUP/cgroup.controllers"): $(cat "$CGROUP/cgroup.subtree_control"): $(cat "$CGROUP/cgroup.procs")"
  grep -qx "0::${CGROUP#"$CGROUPS"}/init.scope" "/proc/$(init_pid)/cgroup"
  [ -n "$(cat "$CGROUP/system.slice/systemd-journald.service/cgroup.procs")" ]
  [ -z "$(cat "$CGROUP/cgroup.procs")" ]
  grep -qw memory "$CGROUP/cgroup.subtree_control"
  grep -qw pids "$CGROUP/cgroup.subtree_control"
  [ "$(stat -c %u "$CGROUP/system.slice/systemd-journald.service")" = "$owner" ]
}

# The systemd of the host takes the cpu controller back from cgroups that it did not make as soon as no unit of its own
# needs it: only its scopes are sure of their weight.
limits_hold() {
  [ "$(cat "$CGROUP/pids.max")" = 300 ]
  [ "$(cat "$CGROUP/memory.max")" = 536870912 ]
  [ "$DRIVER" = cgroupfs ] || [ "$(cat "$CGROUP/cpu.weight")" = 100 ]
}

# One exec for all that is asked from inside: it goes to init's cgroup, for the container's own takes no process any
# more; a limit of the container cannot be changed from inside; a service gets limits of its own.
is_right_inside() {
  run rundlet exec "$ID" sh -c 'grep ^0: /proc/self/cgroup; cat /proc/1/comm
    { echo max >/sys/fs/cgroup/memory.max; } 2>/dev/null || echo refused
    systemctl --quiet is-active systemd-journald && echo active
    systemd-run --quiet --wait --pipe --unit mine -p MemoryMax=32M -p TasksMax=9 \
      sh -c "grep ^0: /proc/self/cgroup; cd /sys/fs/cgroup/system.slice/mine.service && cat memory.max pids.max"' </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = $'0::/init.scope\nsystemd\nrefused\nactive\n0::/system.slice/mine.service\n33554432\n9' ]
}

cgroup_option_works() {
  run rundlet exec --cgroup init.scope "$ID" grep ^0: /proc/self/cgroup </dev/null
  echo "$output"
  [ "$output" = 0::/init.scope ]
  run rundlet exec --cgroup / "$ID" true </dev/null
  echo "$output"
  [ "$status" != 0 ]
}

nothing_left() {
  [ ! -e "${CGROUP%/container}" ]
  [ -z "$(ls -A "$ROOT")" ]
}

shuts_down_in_foreground() {
  rundlet kill "$ID" SIGRTMIN+3
  wait "$RUNNER" || { echo "it ended with $?"; cat "$OUT"; false; }
  nothing_left
}

shuts_down_in_background() {
  rundlet kill "$ID" RTMIN+3
  wait_for is_status stopped
  rundlet delete "$ID"
  nothing_left
}

@test "cgroupfs: boots, has its own cgroups, exec works, ends with 0 on SIGRTMIN+3" {
  machine cgroupfs
  boot in_foreground
  has_tree_of_its_own 0
  is_right_inside
  limits_hold
  shuts_down_in_foreground
}

@test "systemd: boots, has its own cgroups, exec works, ends with 0 on SIGRTMIN+3" {
  machine systemd
  boot in_foreground
  has_tree_of_its_own 0
  is_right_inside
  # The host's systemd touches nothing below the scope.
  systemctl daemon-reload
  has_tree_of_its_own 0
  limits_hold
  [ "$(systemctl show -p MemoryMax --value "rundlet-$ID.scope")" = 536870912 ]
  shuts_down_in_foreground
}

@test "cgroupfs, user namespace: the cgroup is the container's own, pause and exec --cgroup work, stopped on SIGRTMIN+3" {
  machine cgroupfs
  with_user_namespace
  boot in_background
  has_tree_of_its_own 100000
  is_right_inside
  rundlet pause "$ID"
  is_status paused
  rundlet resume "$ID"
  cgroup_option_works
  limits_hold
  shuts_down_in_background
}

@test "systemd, user namespace: the sub-cgroup is the container's own, stopped on SIGRTMIN+3" {
  machine systemd
  with_user_namespace
  boot in_background
  has_tree_of_its_own 100000
  [ "$(stat -c %u "${CGROUP%/container}" "${CGROUP%/container}/cgroup.procs" | sort -u)" = 0 ]
  is_right_inside
  limits_hold
  shuts_down_in_background
}

@test "killed while it boots, it leaves nothing" {
  machine cgroupfs
  in_background
  wait_for test -d "$CGROUP/init.scope"
  rundlet delete --force "$ID"
  nothing_left
}
