#!/usr/bin/env bats
# What the runtime-spec says in one word each, required fields and forbidden values first; the rest of its MUSTs stands
# in the other files: tests/spec/must.tsv names the test of each.

load helpers

setup() {
  rundlet_only
  bundle_setup
  # A config with one of everything that has required fields.
  config '.process.consoleSize = {height: 1, width: 1} | .process.terminal = true
    | .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 1, hard: 1}] | .process.user = {uid: 0, gid: 0}
    | .process.scheduler = {policy: "SCHED_OTHER"} | .process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 0}
    | .mounts = [{destination: "/proc", type: "proc", source: "proc"}]
    | .hooks = (["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
      | map({key: ., value: [{path: "/bin/true"}]}) | from_entries)
    | .linux.namespaces = [{type: "mount"}, {type: "uts"}, {type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 1, size: 1}] | .linux.gidMappings = .linux.uidMappings
    | .linux.devices = [{type: "c", path: "/dev/x", major: 1, minor: 3}]
    | .linux.memoryPolicy = {mode: "MPOL_DEFAULT"} | .linux.personality = {domain: "LINUX"}
    | .linux.resources = {devices: [{allow: true, access: "r"}], hugepageLimits: [{pageSize: "2MB", limit: 2097152}],
        blockIO: {weightDevice: [{major: 1, minor: 2, weight: 10}], throttleReadBpsDevice: [{major: 1, minor: 2, rate: 3}],
          throttleReadIOPSDevice: [{major: 1, minor: 2, rate: 3}]}}
    | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO",
        args: [{index: 0, value: 1, op: "SCMP_CMP_EQ"}]}]}'
  BOX=$BATS_TEST_TMPDIR/box
  mkdir -p "$BOX/rootfs"
}

# The config after each change on standard input, a line each: "JQ-FILTER => WORDS" of the error.
refused() {
  local change words failed=0
  rundlet check "$BUNDLE"
  while IFS= read -r change; do
    words=${change##* => }
    jq "${change% => *}" "$BUNDLE/config.json" >"$BOX/config.json"
    if run rundlet check "$BOX" && [ "$status" = 1 ] && [[ $output = *"error: $words"* ]]; then continue; fi
    echo "${change% => *}: status $status: $output"
    failed=1
  done
  [ "$failed" = 0 ]
}

@test "what the spec requires is required: check names each field that is missing" {
  sed 's/.*/del(.&) => &: required but missing/' >"$BATS_TEST_TMPDIR/list" <<-'EOT'
	ociVersion
	root.path
	mounts[0].destination
	process.consoleSize.height
	process.consoleSize.width
	process.cwd
	process.user.uid
	process.user.gid
	process.rlimits[0].type
	process.rlimits[0].soft
	process.rlimits[0].hard
	process.scheduler.policy
	process.ioPriority.class
	process.ioPriority.priority
	hooks.prestart[0].path
	hooks.createRuntime[0].path
	hooks.createContainer[0].path
	hooks.startContainer[0].path
	hooks.poststart[0].path
	hooks.poststop[0].path
	linux.namespaces[0].type
	linux.uidMappings[0].containerID
	linux.uidMappings[0].hostID
	linux.uidMappings[0].size
	linux.gidMappings[0].containerID
	linux.gidMappings[0].hostID
	linux.gidMappings[0].size
	linux.devices[0].type
	linux.devices[0].path
	linux.resources.devices[0].allow
	linux.resources.blockIO.weightDevice[0].major
	linux.resources.blockIO.weightDevice[0].minor
	linux.resources.blockIO.throttleReadBpsDevice[0].major
	linux.resources.blockIO.throttleReadBpsDevice[0].minor
	linux.resources.blockIO.throttleReadBpsDevice[0].rate
	linux.resources.blockIO.throttleReadIOPSDevice[0].major
	linux.resources.blockIO.throttleReadIOPSDevice[0].minor
	linux.resources.blockIO.throttleReadIOPSDevice[0].rate
	linux.resources.hugepageLimits[0].pageSize
	linux.resources.hugepageLimits[0].limit
	linux.memoryPolicy.mode
	linux.seccomp.defaultAction
	linux.seccomp.syscalls[0].names
	linux.seccomp.syscalls[0].action
	linux.seccomp.syscalls[0].args[0].index
	linux.seccomp.syscalls[0].args[0].value
	linux.seccomp.syscalls[0].args[0].op
	linux.personality.domain
	EOT
  refused <"$BATS_TEST_TMPDIR/list"
}

@test "what the spec forbids is refused with its place" {
  refused <<'EOT'
.ociVersion = "1.0" => ociVersion: not a version
del(.root) => root: required
del(.linux.devices[0].major) => linux.devices[0].major: required for type c
del(.linux.devices[0].minor) => linux.devices[0].minor: required for type c
.root.path = "nonexistent" => root.path: open
.process.cwd = "relative" => process.cwd: not an absolute path
.process.args = [] => process.args: at least one entry
del(.process.args) => process.args: at least one entry
.mounts[0].uidMappings = [{containerID: 0, hostID: 1, size: 1}] => mounts[0].gidMappings: required beside mounts[0].uidMappings
.mounts[0].gidMappings = [{containerID: 0, hostID: 1, size: 1}] => mounts[0].uidMappings: required beside mounts[0].gidMappings
.hooks.prestart[0].path = "bin/true" => hooks.prestart[0].path: not an absolute path
.hooks.createRuntime[0].path = "bin/true" => hooks.createRuntime[0].path: not an absolute path
.hooks.prestart[0].timeout = 0 => hooks.prestart[0].timeout: 0 is out of range
.hooks.createRuntime[0].timeout = 0 => hooks.createRuntime[0].timeout: 0 is out of range
.annotations = {"": "x"} => annotations: empty key
.annotations = {"a": 1} => annotations.a: number not expected
.annotations = ["a"] => annotations: list not expected
.process.rlimits += .process.rlimits => process.rlimits[1].type: RLIMIT_NOFILE is there twice
.process.rlimits[0].type = "RLIMIT_NONE" => process.rlimits[0].type: RLIMIT_NONE: unknown
.linux.namespaces[0].path = "proc/self/ns/mnt" => linux.namespaces[0].path: not an absolute path
.linux.namespaces += [{type: "uts"}] => linux.namespaces[3].type: uts is there twice
.linux.maskedPaths = ["proc/kcore"] => linux.maskedPaths[0]: not an absolute path
.linux.readonlyPaths = ["proc/sys"] => linux.readonlyPaths[0]: not an absolute path
.linux.cgroupsPath = "../up" => linux.cgroupsPath: contains ..
.linux.seccomp.syscalls[0].names = [] => linux.seccomp.syscalls[0].names: at least one entry
.linux.seccomp.listenerMetadata = "x" => linux.seccomp.listenerMetadata: needs listenerPath
.linux.seccomp.defaultErrnoRet = 5 => linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW takes none
.linux.seccomp.syscalls[0] |= (.action = "SCMP_ACT_ALLOW" | .errnoRet = 5) => linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_ALLOW takes none
.linux.resources.blockIO.weightDevice = [{major: 1, minor: 2}] => linux.resources.blockIO.weightDevice[0]: neither weight nor leafWeight
.linux.resources.rdma = {mlx: {}} => linux.resources.rdma.mlx: neither hcaHandles nor hcaObjects
.linux.resources.network = {priorities: [{priority: 1}]} => linux.resources.network.priorities[0].name: required but missing
.linux.resources.network = {priorities: [{name: "eth0"}]} => linux.resources.network.priorities[0].priority: required but missing
.linux.resources.cpu = {quota: 10000, burst: 20000, period: 100000} => linux.resources.cpu.burst: above quota
.linux.intelRdt = {memBwSchema: "L3:0=1"} => linux.intelRdt.memBwSchema: does not begin with MB:
.linux.intelRdt = {memBwSchema: "MB:0=1\nMB:1=1"} => linux.intelRdt.memBwSchema: contains a newline
.linux.intelRdt = {schemata: ["L3:0=1\nL3:1=1"]} => linux.intelRdt.schemata[0]: contains a newline
EOT
}

@test "consoleSize is ignored where there is no terminal" {
  config '.process.terminal = false | del(.linux.resources)'
  rundlet plan --probe=full "$BUNDLE" >"$BATS_TEST_TMPDIR/with"
  config 'del(.process.consoleSize)'
  rundlet plan --probe=full "$BUNDLE" | diff "$BATS_TEST_TMPDIR/with" -
}

@test "every mount option that runtimes must know is one of ours, not one of the file system" {
  local options=(async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev nodiratime noexec
    noiversion nolazytime norelatime nostrictatime nosuid private rbind relatime remount ro rprivate rshared rslave
    runbindable rw shared silent slave strictatime suid sync unbindable)
  [ "${#options[@]}" = 37 ]
  rundlet features | jq -e --argjson must "$(jq -cn '$ARGS.positional' --args "${options[@]}")" '$must - .mountOptions == []'
  # A tmpfs with all of them: none is among what is handed to the file system.
  jq '.process.terminal = false | del(.process.consoleSize) | .linux.namespaces |= map(select(.type != "user"))
    | del(.linux.uidMappings, .linux.gidMappings, .linux.resources) | .mounts += [$ARGS.positional[]
      | select(. != "bind" and . != "rbind" and . != "remount") | {destination: ("/mnt/" + .), type: "tmpfs", options: [., "size=4k"]}]' \
    "$BUNDLE/config.json" --args "${options[@]}" >"$BOX/config.json"
  run rundlet plan --probe=full "$BOX"
  echo "$output"
  [ "$status" = 0 ]
  [ "$(grep -c 'mount tmpfs' <<<"$output")" -ge 34 ] || [ "$(grep -c 'size=4k' <<<"$output")" -ge 34 ]
  for option in "${options[@]}"; do
    ! grep -E "size=4k.* $option( |$)| $option size=4k" <<<"$output"
  done
}

@test "no operation works without an id, and no container is made without a bundle or a process" {
  for command in state start delete "kill --all"; do
    # shellcheck disable=SC2086 # words
    run rundlet $command
    echo "$output"
    [ "$status" = 1 ]
    [[ $output = *"usage: rundlet ${command%% *}"* ]]
  done
  run rundlet create --bundle "$BUNDLE"
  [ "$status" = 1 ]
  [[ $output = *"usage: rundlet create"* ]]
  cd "$BATS_TEST_TMPDIR" # no bundle here
  run rundlet create "$ID"
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *config.json* ]]
  config 'del(.process)'
  run rundlet create --bundle "$BUNDLE" "$ID"
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"process: required"* ]]
  run rundlet start "$ID"
  [ "$status" = 1 ]
  [[ $output = *"does not exist"* ]]
}

@test "the Features document has the range of versions that is accepted, and no field that the spec has not" {
  rundlet features >"$BATS_TEST_TMPDIR/features"
  jq -e 'keys - ["annotations", "hooks", "linux", "mountOptions", "ociVersionMax", "ociVersionMin", "potentiallyUnsafeConfigAnnotations"] == []
    and (.linux | keys) - ["apparmor", "capabilities", "cgroup", "intelRdt", "memoryPolicy", "mountExtensions", "namespaces", "netDevices", "seccomp", "selinux"] == []
    and (.linux.cgroup | keys) - ["rdma", "systemd", "systemdUser", "v1", "v2"] == []
    and (.linux.seccomp | keys) - ["actions", "archs", "enabled", "knownFlags", "operators", "supportedFlags"] == []
    and (.linux.intelRdt | keys) - ["enabled", "monitoring", "schemata"] == []
    and (.linux.memoryPolicy | keys) - ["flags", "modes"] == []
    and .linux.mountExtensions == {idmap: {enabled: true}}
    and (.ociVersionMin | split(".") | map(tonumber)) <= (.ociVersionMax | split(".") | map(tonumber))
    and (.linux.seccomp.supportedFlags - .linux.seccomp.knownFlags) == []
    and ((.annotations // {}) | all(.[]; type == "string"))' "$BATS_TEST_TMPDIR/features"
  for version in $(jq -r '.ociVersionMin, .ociVersionMax' "$BATS_TEST_TMPDIR/features"); do
    config --arg version "$version" '.ociVersion = $version'
    rundlet check "$BUNDLE"
  done
  # Hooks, and the modes and flags of memory policies, by name.
  jq --slurpfile features "$BATS_TEST_TMPDIR/features" '.hooks = ([$features[0].hooks[] | {key: ., value: [{path: "/bin/true"}]}] | from_entries)
    | .linux.seccomp.flags = $features[0].linux.seccomp.knownFlags' "$BUNDLE/config.json" >"$BOX/config.json"
  rundlet check --strict "$BOX" || rundlet check "$BOX"
  jq -r '.linux.memoryPolicy | .modes[] as $m | (.flags + [null])[] as $f | [$m, $f] | @tsv' "$BATS_TEST_TMPDIR/features" >"$BATS_TEST_TMPDIR/policies"
  [ -s "$BATS_TEST_TMPDIR/policies" ]
  while IFS=$'\t' read -r mode flag; do
    jq --arg mode "$mode" --arg flag "$flag" '.linux.memoryPolicy = {mode: $mode, flags: [$flag | select(. != "")]}
      | if $mode | test("DEFAULT|LOCAL") then . else .linux.memoryPolicy.nodes = "0" end' "$BUNDLE/config.json" >"$BOX/config.json"
    run rundlet check "$BOX"
    [[ $output != *unknown* ]] || { echo "$mode $flag: $output"; false; }
  done <"$BATS_TEST_TMPDIR/policies"
}

@test "a file where a device belongs that is not that device is an error, and stays as it was" {
  cp "$TOP/tests/bats/config.json" "$BUNDLE/config.json"
  config --arg path "$CGROUPS_PATH" '.linux.cgroupsPath = $path | .linux.devices = [{type: "c", path: "/srv/device", major: 1, minor: 3}]'
  mkdir "$BUNDLE/rootfs/srv"
  echo text >"$BUNDLE/rootfs/srv/device"
  run create
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"linux.devices[0]"* ]]
  [ "$(cat "$BUNDLE/rootfs/srv/device")" = text ]
}
