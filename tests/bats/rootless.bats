#!/usr/bin/env bats
# An ordinary user's containers: the user "tester" owns the ids 4200000+65536 besides the own.

load helpers

setup() {
  bundle_setup
  rundlet_only
  RUNTIME_DIR=$BATS_TEST_TMPDIR/tester/run
  tester_bundle
  chmod 700 "$RUNTIME_DIR"
  rm "$BUNDLE/config.json"
  as_tester "$BATS_TEST_TMPDIR/tester/runtime" spec --rootless --bundle "$BUNDLE"
  config '.process.terminal = false | .root.readonly = false | .process.env = ["PATH=/bin"]'
}

# What a tester types: no --root, so that state is in $XDG_RUNTIME_DIR.
plain() {
  as_tester timeout --foreground -k 5 "$LIMIT" "$BATS_TEST_TMPDIR/tester/runtime" "$@" 3>&- 4>&-
}

run_as_tester() { # COMMAND...
  payload "$@"
  tester_rundlet run --bundle "$BUNDLE" "$ID" </dev/null
}

# Maps 0 to tester and the rest to the subordinate ids.
with_ranges() {
  config '.linux.uidMappings += [{containerID: 1, hostID: 4200000, size: 65535}] | .linux.gidMappings = .linux.uidMappings'
}

teardown() {
  plain delete --force "$ID" >/dev/null 2>&1 || true
  tester_rundlet delete --force "$ID" >/dev/null 2>&1 || true
  bundle_teardown
}

@test "what spec --rootless writes runs: one id, devices by bind, /sys of the host by bind" {
  sys=$(stat -c %d /sys)
  run run_as_tester sh -ec '
    id -u; id -g
    cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups
    echo gone >/dev/null; head -c 3 /dev/zero | wc -c; [ ! -s /dev/null ]; cat /dev/null
    grep " /dev/null " /proc/self/mountinfo | wc -l
    grep " / /sys " /proc/self/mountinfo | cut -d" " -f6
    stat -c %d /sys
    touch /sys/probe 2>/dev/null || echo cannot write
    hostname; echo $$
    touch /made; stat -c %u /made; cat /proc/kcore 2>/dev/null | wc -c'
  echo "$output"
  [ "$status" = 0 ]
  lines=("${lines[@]// /}")
  [ "${lines[*]}" = "0 0 042421 042421 deny 3 1 ro,nosuid,nodev,noexec,relatime $sys cannotwrite rundlet 1 0 0" ]
  [ "$(stat -c %u:%g "$BUNDLE/rootfs/made")" = 4242:4242 ]
}

@test "create, start, exec, pause words, kill and delete, in XDG_RUNTIME_DIR/rundlet" {
  payload sleep 1000
  plain create --bundle "$BUNDLE" --pid-file "$RUNTIME_DIR/pid" "$ID" </dev/null >"$OUT" 2>&1 || { cat "$OUT"; false; }
  [ ! -s "$OUT" ]
  [ "$(stat -c %u:%a "$RUNTIME_DIR/rundlet")" = 4242:1700 ]
  [ "$(plain state "$ID" | jq -r '.status + " " + .owner')" = "created tester" ]
  plain start "$ID" </dev/null >"$OUT" 2>&1
  pid=$(cat "$RUNTIME_DIR/pid")
  [ "$(stat -c %u "/proc/$pid")" = 4242 ]
  run plain exec --env A=b --cwd /tmp "$ID" sh -c 'echo $A; pwd; id -u; readlink /proc/self/ns/user; cat /proc/1/comm; exit 3' </dev/null
  echo "$output"
  [ "$status" = 3 ]
  [ "${lines[*]}" = "b /tmp 0 $(readlink "/proc/$pid/ns/user") sleep" ]
  printf 'through' | plain exec "$ID" cat | grep -qx through
  run plain pause "$ID"
  [ "$status" = 1 ]
  [[ $output = *cgroup* ]]
  plain kill "$ID" KILL
  wait_for eval '[ "$(plain state "$ID" | jq -r .status)" = stopped ]'
  plain delete "$ID"
  [ -z "$(ls "$RUNTIME_DIR/rundlet")" ]
}

@test "the child never runs ahead of its maps: fifty runs in a row, one id and ranges" {
  [ -z "${IN_VM:-}" ] && rounds=50 || rounds=5
  payload true
  for i in $(seq "$rounds"); do
    tester_rundlet run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 || { echo "run $i:"; cat "$OUT"; false; }
  done
  with_ranges
  for i in $(seq $((rounds / 2))); do
    tester_rundlet run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 || { echo "run $i:"; cat "$OUT"; false; }
  done
}

@test "the child waits for its maps and oom score, however slow the parent is" {
  payload echo ready
  as_tester strace -qq -o "$RUNTIME_DIR/trace" -e trace=openat,clone3 -e inject=clone3:delay_exit=300000 \
    "$BATS_TEST_TMPDIR/tester/runtime" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 3>&- 4>&- || { cat "$OUT"; false; }
  grep -qx ready "$OUT"
  grep -q uid_map "$RUNTIME_DIR/trace"
}

@test "ranges by newuidmap: users, groups and owners of files" {
  with_ranges
  config '.process.user = {uid: 1000, gid: 1000, additionalGids: [77]}'
  chmod 777 "$BUNDLE/rootfs/mnt"
  run run_as_tester sh -ec 'id -u; id -G; cat /proc/self/uid_map; touch /mnt/made; stat -c %u:%g /mnt/made'
  echo "$output"
  [ "$status" = 0 ]
  lines=("${lines[@]// /}")
  [ "${lines[*]}" = "1000 100077 042421 1420000065535 1000:1000" ]
  [ "$(stat -c %u:%g "$BUNDLE/rootfs/mnt/made")" = 4200999:4200999 ]
  rm "$BUNDLE/rootfs/mnt/made"
}

@test "one id needs no newuidmap; ranges without it say what is missing and where it is" {
  payload id -u
  touch "$BATS_TEST_TMPDIR/none"
  without() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare -m bash -c 'for name in newuidmap newgidmap; do mount --bind "$1" "/usr/bin/$name" || exit 99; done
      eval "$2"; tester_rundlet run --bundle "$3" "$4" </dev/null' \
      bash "$BATS_TEST_TMPDIR/none" "$(declare -f as_tester tester_rundlet; declare -p LIMIT ROOT BATS_TEST_TMPDIR)" "$BUNDLE" "$ID"
  }
  run without
  echo "$output"
  [ "$status $output" = "0 0" ]
  with_ranges
  run without
  echo "$output"
  [ "$status" = 1 ]
  [[ ${lines[0]} = *"linux.uidMappings: more ids than our own need newuidmap, which is not installed" ]]
  [[ ${lines[1]} = "hint: on Debian it is in the package uidmap" ]]
  [ -z "$(ls "$ROOT")" ]
}

@test "ranges: create, start, exec as one of the users, in a network of its own with its own /sys" {
  with_ranges
  config '.linux.namespaces += [{type: "network"}] | .process.args = ["sleep", "1000"]
    | .mounts |= map(if .destination == "/sys" then {destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro"]} else . end)'
  tester_rundlet create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 || { cat "$OUT"; false; }
  tester_rundlet start "$ID"
  run tester_rundlet exec --user 1000:77 "$ID" sh -c 'id -u; id -g; ls /sys/class/net; touch /tmp/made; stat -c %u:%g /tmp/made' </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[*]}" = "1000 77 lo 1000:77" ]
  tester_rundlet kill "$ID" 9
  wait_for eval '[ "$(tester_rundlet state "$ID" | jq -r .status)" = stopped ]'
  tester_rundlet delete "$ID"
  [ -z "$(ls "$ROOT")" ]
  as_tester unshare --user --map-root-user --map-auto --setuid 0 --setgid 0 rm "$BUNDLE/rootfs/tmp/made"
}

@test "ids that are not ours are refused, and the message names the mapping and the file that gives them" {
  config '.linux.uidMappings = [{containerID: 0, hostID: 4300000, size: 10}]'
  run run_as_tester true
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c ': error: ' <<<"$output")" = 1 ]
  [[ $output = *"error: "*"linux.uidMappings: "*newuidmap* ]]
  [[ $output = *"hint: /etc/subuid "* ]]
  config '.linux.uidMappings = [{containerID: 0, hostID: 4242, size: 1}] | .process.user.additionalGids = [5]'
  run run_as_tester true
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"process.user.additionalGids"* ]]
  config '.process.user = {uid: 7, gid: 0}'
  run run_as_tester true
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"process.user.uid: 7 is not in linux.uidMappings"* ]]
}

@test "a config without a user namespace is refused with a hint" {
  config '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)'
  run run_as_tester true
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"an ordinary user needs a user namespace"*"hint: "*"spec --rootless"* ]]
}

# What a rootless engine does: it is root of a user namespace of its own and its configs ask for none.
@test "root of a user namespace runs a config without one" {
  config '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)
    | .process.user = {uid: 1000, gid: 1000, additionalGids: [77]} | .linux.namespaces += [{type: "network"}]
    | .process.oomScoreAdj = 300
    | .mounts |= map(if .destination == "/sys" then {destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro"]} else . end)'
  payload sh -ec 'id -u; id -G; cat /proc/self/uid_map; cat /proc/self/oom_score_adj; echo x >/dev/null; sleep 1000'
  in_userns unshare --mount "$BATS_TEST_TMPDIR/tester/runtime" --root "$RUNTIME_DIR/inner" run --detach --bundle "$BUNDLE" "$ID" \
    </dev/null >"$OUT" 2>&1 3>&- 4>&- || { cat "$OUT"; false; }
  wait_for grep -q 300 "$OUT"
  [ "$(head -n 2 "$OUT" | tr '\n' ' ')" = "1000 1000 77 " ]
  pid=$(jq .pid "$RUNTIME_DIR/inner/$ID/state.json")
  [ "$(stat -c %u "/proc/$pid")" = 4200999 ]
  kill -KILL "$pid"
  wait_for test ! -e "/proc/$pid"
}

@test "root of a user namespace without XDG_RUNTIME_DIR has its state in /run, as in a container" {
  config '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)'
  payload id -u
  # shellcheck disable=SC2016 # for the inner shell
  run in_userns unshare --mount sh -c 'mount -t tmpfs tmpfs /run && unset XDG_RUNTIME_DIR && "$1" run --keep --bundle "$2" "$3" &&
    ls /run/rundlet && "$1" delete "$3" && ls /run/rundlet' sh "$BATS_TEST_TMPDIR/tester/runtime" "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[*]}" = "0 $ID" ]
}

@test "no cgroup is delegated: a path that is named is given up once and said, limits are an error" {
  config --arg path "/$ID" '.linux.cgroupsPath = $path'
  run run_as_tester echo ready
  echo "$output"
  [ "$status" = 0 ]
  [ "$(grep -c 'warning' <<<"$output")" = 1 ]
  [[ $output = *"the container stays in the caller's cgroup"* ]]
  [[ ${lines[-1]} = ready ]]
  config '.linux.resources.hugepageLimits = [{pageSize: "2MB", limit: 2097152}]'
  for filter in . 'del(.linux.cgroupsPath)'; do
    config "$filter"
    run run_as_tester echo ready
    echo "$output"
    [ "$status" = 1 ]
    [ "$(grep -c ': error: ' <<<"$output")" = 1 ]
    [[ $output != *ready* ]]
    [ ! -e "$CGROUPS/$ID" ]
  done
  [[ $output = *"linux.resources.hugepageLimits"*"no cgroup is delegated to uid 4242"*"hint: "*Delegate=yes* ]]
}

@test "in a delegated cgroup the container has one of its own, which delete removes" {
  mkdir -p "$CGROUPS/$ID-slice/inner"
  chown 4242:4242 "$CGROUPS/$ID-slice" "$CGROUPS/$ID-slice"/cgroup.{procs,subtree_control,threads} \
    "$CGROUPS/$ID-slice/inner" "$CGROUPS/$ID-slice/inner/cgroup.procs"
  payload sleep 1000
  inside() { (echo "$BASHPID" >"$CGROUPS/$ID-slice/inner/cgroup.procs" && plain "$@"); }
  inside run --detach --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 || { cat "$OUT"; false; }
  [ ! -s "$OUT" ]
  pid=$(plain state "$ID" | jq .pid)
  grep -q "^0::/$ID-slice/rundlet/$ID$" "/proc/$pid/cgroup"
  [ "$(inside exec "$ID" sh -c 'echo $$ >/dev/null; grep ^0:: /proc/self/cgroup' </dev/null)" = 0::/ ]
  inside pause "$ID"
  [ "$(inside state "$ID" | jq -r .status)" = paused ]
  inside resume "$ID"
  inside delete --force "$ID"
  [ ! -e "$CGROUPS/$ID-slice/rundlet/$ID" ]
  [ ! -e "$CGROUPS/$ID-slice/rundlet" ]
  rmdir "$CGROUPS/$ID-slice/inner" "$CGROUPS/$ID-slice"
}

@test "limits of a delegated cgroup are set, and a controller that was not handed down is named with the cure" {
  needs_controller hugetlb
  slice=$CGROUPS/$ID-slice
  mkdir -p "$slice/inner"
  chown 4242:4242 "$slice" "$slice"/cgroup.{procs,subtree_control,threads} "$slice/inner" "$slice/inner/cgroup.procs"
  inside() { (echo "$BASHPID" >"$slice/inner/cgroup.procs" && plain "$@"); }
  config '.linux.resources = {hugepageLimits: [{pageSize: "2MB", limit: 2097152}]}'
  ! has_controller memory || config '.linux.resources += {pids: {limit: 20}, memory: {limit: 67108864}}'
  payload sleep 1000
  inside run --detach --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 || { cat "$OUT"; false; }
  [ "$(cat "$slice/rundlet/$ID/hugetlb.2MB.rsvd.max")" = 2097152 ]
  ! has_controller memory || [ "$(cat "$slice/rundlet/$ID"/{pids,memory}.max | tr '\n' ' ')" = "20 67108864 " ]
  inside delete --force "$ID"
  # What others keep to themselves nobody below gets.
  echo -hugetlb >"$slice/cgroup.subtree_control"
  chown 0:0 "$slice" "$slice/cgroup.subtree_control"
  mkdir -p "$slice/poor/inner"
  chown 4242:4242 "$slice/poor" "$slice/poor"/cgroup.{procs,subtree_control,threads} "$slice/poor/inner" \
    "$slice/poor/inner/cgroup.procs"
  poor() { (echo "$BASHPID" >"$slice/poor/inner/cgroup.procs" && plain "$@"); }
  config '.linux.resources = {hugepageLimits: [{pageSize: "2MB", limit: 2097152}]}'
  payload true
  run poor run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"linux.resources.hugepageLimits[0]: enable the hugetlb controller in $slice"*"Permission denied"*"hint: "*Delegate=yes* ]]
  [ ! -e "$slice/poor/rundlet" ]
  rmdir "$slice/poor/inner" "$slice/poor" "$slice/inner" "$slice"
}

@test "an XDG_RUNTIME_DIR that is not ours is refused; none at all asks for --root" {
  mkdir "$BATS_TEST_TMPDIR/foreign" "$BATS_TEST_TMPDIR/open"
  chmod 777 "$BATS_TEST_TMPDIR/foreign" "$BATS_TEST_TMPDIR/open"
  chown 4242 "$BATS_TEST_TMPDIR/open"
  for place in foreign open; do
    run as_tester env "XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/$place" "$BATS_TEST_TMPDIR/tester/runtime" run --bundle "$BUNDLE" "$ID" </dev/null
    echo "$output"
    [ "$status" = 1 ]
    [[ $output = *"XDG_RUNTIME_DIR $BATS_TEST_TMPDIR/$place: others can write to it, or it is not yours"* ]]
    [ -z "$(ls "$BATS_TEST_TMPDIR/$place")" ]
  done
  run as_tester env -u XDG_RUNTIME_DIR "$BATS_TEST_TMPDIR/tester/runtime" list
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"XDG_RUNTIME_DIR is not set"*"--root"* ]]
}

@test "an overlay of layers is the user's own: what is written stays out of them" {
  payload sh -ec 'echo new >/etc/new; rm /etc/group; grep " / " /proc/self/mountinfo | grep -o userxattr; ls /etc'
  run tester_rundlet run --bundle "$BUNDLE" --layer "$BUNDLE/rootfs" "$ID" </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[*]}" = "userxattr new passwd" ]
  [ -e "$BUNDLE/rootfs/etc/group" ]
  [ ! -e "$BUNDLE/rootfs/etc/new" ]
  # What other users of the container own goes with it too.
  with_ranges
  config '.process.capabilities |= with_entries(.value = ["CAP_CHOWN"])'
  payload sh -ec 'mkdir -p /var/of/user; touch /var/of/user/file; chmod 700 /var/of; chown -R 5:5 /var/of; stat -c %u /var/of'
  run tester_rundlet run --bundle "$BUNDLE" --layer "$BUNDLE/rootfs" "$ID" </dev/null
  echo "$output"
  [ "$status $output" = "0 5" ]
  [ -z "$(ls "$ROOT")" ]
}

@test "oom_score_adj and a second process with its own, in a joined user namespace too" {
  config '.process.oomScoreAdj = 200'
  payload sleep 1000
  tester_rundlet run --detach --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 || { cat "$OUT"; false; }
  pid=$(tester_rundlet state "$ID" | jq .pid)
  [ "$(cat "/proc/$pid/oom_score_adj")" = 200 ]
  for i in 1 2 3 4 5 6 7 8 9 10; do
    [ "$(tester_rundlet exec "$ID" cat /proc/self/oom_score_adj </dev/null)" = 200 ]
  done
  config --arg pid "$pid" '.linux.namespaces |= map(if .type == "user" or .type == "ipc" then .path = "/proc/\($pid)/ns/\(.type)" else . end)
    | del(.linux.uidMappings, .linux.gidMappings) | .process.args = ["sh", "-c", "id -u; cat /proc/self/oom_score_adj; readlink /proc/self/ns/ipc"]'
  run tester_rundlet run --bundle "$BUNDLE" "$ID-b" </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[*]}" = "0 200 $(readlink "/proc/$pid/ns/ipc")" ]
}
