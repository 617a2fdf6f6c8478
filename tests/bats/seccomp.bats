#!/usr/bin/env bats
# seccomp: what each action, comparison, architecture and flag does to a call, and the listener's agent.  seccomp.json is
# the profile that podman 4.3 hands to a container without options.

load helpers

setup() {
  bundle_setup
  cp "$BUILD/tests/calls" "$BUNDLE/rootfs/bin/calls"
  payload sh -c 'calls $(cat /list)'
}

teardown() {
  [ -z "${agent:-}" ] || kill "$agent" 2>/dev/null || true
  bundle_teardown
}

# The profile, with defaults: profile '<jq object>'
profile() {
  config ".linux.seccomp = ({defaultAction: \"SCMP_ACT_ALLOW\", architectures: [\"SCMP_ARCH_X86_64\"]} + $1)"
}

# Runs `calls` inside and compares with the lines on standard input, "CALL RESULT".
expect() {
  sed 's/^[[:space:]]*//' >"$BATS_TEST_TMPDIR/want"
  cut -d' ' -f1 "$BATS_TEST_TMPDIR/want" >"$BUNDLE/rootfs/list"
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  # Pids and the like are any number.
  sed -E 's/ok [1-9][0-9]*$/ok N/' <<<"$output" >"$BATS_TEST_TMPDIR/got"
  diff -u "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/got"
  [ "$status" = 0 ]
}

refused() { # 'words'
  run quietly create --bundle "$BUNDLE" "$ID"
  is_refused "$1"
}

@test "every action does what its name says" {
  profile '{syscalls: [
    {names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 99},
    {names: ["rmdir"], action: "SCMP_ACT_ERRNO"},
    {names: ["setdomainname"], action: "SCMP_ACT_ERRNO", errnoRet: 0},
    {names: ["chmod"], action: "SCMP_ACT_KILL_PROCESS"},
    {names: ["sync"], action: "SCMP_ACT_KILL"},
    {names: ["keyctl"], action: "SCMP_ACT_KILL_THREAD"},
    {names: ["unshare"], action: "SCMP_ACT_TRAP"},
    {names: ["umask"], action: "SCMP_ACT_LOG"},
    {names: ["ptrace"], action: "SCMP_ACT_TRACE", errnoRet: 5},
    {names: ["getppid"], action: "SCMP_ACT_ALLOW"}]}'
  expect <<-'EOT'
	mkdir:/tmp/x EADDRNOTAVAIL
	rmdir:/tmp/x EPERM
	setdomainname ok 0
	chmod:/tmp:0755 killed
	sync killed
	keyctl:0 killed
	unshare:0 trap
	umask:022 ok N
	ptrace:0 ENOSYS
	getppid ok N
	EOT
}

@test "defaultErrnoRet is the errno of the default action and not of the rules" {
  config --slurpfile profile "$BATS_TEST_DIRNAME/seccomp.json" '.linux.seccomp = $profile[0]
    | .linux.seccomp.syscalls |= map(.names -= ["mkdir", "rmdir", "umask"])
    | .linux.seccomp.syscalls += [{names: ["umask"], action: "SCMP_ACT_ERRNO"}]
    | .linux.seccomp.defaultErrnoRet = 16'
  expect <<-'EOT'
	mkdir:/tmp/x EBUSY
	rmdir:/tmp/x EBUSY
	umask:0 EPERM
	getppid ok N
	EOT
  config 'del(.linux.seccomp.defaultErrnoRet)'
  expect <<-'EOT'
	mkdir:/tmp/x EPERM
	EOT
}

@test "every comparison compares 64 bits, several arguments must all match" {
  profile '{syscalls: [
    {names: ["getppid"], action: "SCMP_ACT_ERRNO", errnoRet: 11, args: [{index: 0, value: 4294967301, op: "SCMP_CMP_EQ"}]},
    {names: ["sync"], action: "SCMP_ACT_ERRNO", errnoRet: 12, args: [{index: 2, value: 7, op: "SCMP_CMP_NE"}]},
    {names: ["umask"], action: "SCMP_ACT_ERRNO", errnoRet: 13, args: [{index: 1, value: 4294967306, op: "SCMP_CMP_LT"}]},
    {names: ["getpriority"], action: "SCMP_ACT_ERRNO", errnoRet: 14, args: [{index: 3, value: 10, op: "SCMP_CMP_LE"}]},
    {names: ["rmdir"], action: "SCMP_ACT_ERRNO", errnoRet: 16, args: [{index: 4, value: 6, op: "SCMP_CMP_GE"}]},
    {names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 19, args: [{index: 5, value: 77777, op: "SCMP_CMP_GT"}]},
    {names: ["unshare"], action: "SCMP_ACT_ERRNO", errnoRet: 18, args: [{index: 1, value: 240, valueTwo: 32, op: "SCMP_CMP_MASKED_EQ"}]},
    {names: ["chmod"], action: "SCMP_ACT_ERRNO", errnoRet: 20, args: [{index: 2, value: 1, op: "SCMP_CMP_EQ"}, {index: 3, value: 2, op: "SCMP_CMP_EQ"}]}]}'
  sed -i 's/77777/18446744073709551614/' "$BUNDLE/config.json" # jq has no such number
  expect <<-'EOT'
	getppid:0x100000005 EAGAIN
	getppid:5 ok N
	sync:0:0:7 ok 0
	sync:0:0:8 ENOMEM
	sync:0:0:0x100000007 ENOMEM
	umask:022:0x100000009 EACCES
	umask:022:11 EACCES
	umask:022:0x10000000a ok N
	getpriority:0:0:0:10 EFAULT
	getpriority:0:0:0:11 ok N
	getpriority:0:0:0:0x100000000 ok N
	rmdir:/no:0:0:0:5 ENOENT
	rmdir:/no:0:0:0:6 EBUSY
	rmdir:/no:0:0:0:0x100000000 EBUSY
	mkdir:/:0:0:0:0:0xfffffffffffffffe EEXIST
	mkdir:/:0:0:0:0:0xffffffffffffffff ENODEV
	unshare:0:0x12f EXDEV
	unshare:0:0x30 ok 0
	unshare:0:0xffffffff00000020 EXDEV
	chmod:/no:0:1:2 ENOTDIR
	chmod:/no:0:1:3 ENOENT
	chmod:/no:0:2:2 ENOENT
	EOT
}

@test "an argument that is compared twice in one rule: either match is enough, and a warning says so" {
  profile '{syscalls: [{names: ["getppid"], action: "SCMP_ACT_ERRNO", errnoRet: 11, args: [
    {index: 0, value: 5, op: "SCMP_CMP_EQ"}, {index: 0, value: 7, op: "SCMP_CMP_EQ"}]}]}'
  payload calls getppid:5 getppid:6 getppid:7
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [[ ${lines[0]} = "rundlet: warning: linux.seccomp.syscalls[0].args: "* ]]
  [ "${lines[1]}" = "getppid:5 EAGAIN" ]
  [[ ${lines[2]} = "getppid:6 ok "* ]]
  [ "${lines[3]}" = "getppid:7 EAGAIN" ]
}

@test "rules of one call with different actions: the one that matches acts, the rest of the call is free" {
  profile '{syscalls: [
    {names: ["personality"], action: "SCMP_ACT_ERRNO", errnoRet: 11, args: [{index: 1, value: 1, op: "SCMP_CMP_EQ"}]},
    {names: ["personality"], action: "SCMP_ACT_ERRNO", errnoRet: 12, args: [{index: 1, value: 2, op: "SCMP_CMP_EQ"}]},
    {names: ["personality"], action: "SCMP_ACT_TRAP", args: [{index: 1, value: 3, op: "SCMP_CMP_EQ"}]}]}'
  expect <<-'EOT'
	personality:0xffffffff:1 EAGAIN
	personality:0xffffffff:2 ENOMEM
	personality:0xffffffff:3 trap
	personality:0xffffffff:4 ok 0
	EOT
}

@test "calls of an architecture that is not listed end the process; of one that is, they meet the rules" {
  expect <<-'EOT'
	x86.getppid ok N
	EOT
  profile '{syscalls: [{names: ["umask"], action: "SCMP_ACT_ERRNO", errnoRet: 11}]}'
  expect <<-'EOT'
	umask:0 EAGAIN
	getppid ok N
	x86.getppid killed
	EOT
  profile '{architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"],
    syscalls: [{names: ["umask"], action: "SCMP_ACT_ERRNO", errnoRet: 11}]}'
  expect <<-'EOT'
	umask:0 EAGAIN
	x86.umask:0 EAGAIN
	x86.getppid ok N
	EOT
  profile '{architectures: ["SCMP_ARCH_PDP11"]}'
  refused "linux.seccomp.architectures[0]"
}

@test "a call that libseccomp does not know is left out with a warning, or refused when the annotation asks" {
  profile '{syscalls: [{names: ["no_such_call", "mkdir", "nor_this"], action: "SCMP_ACT_ERRNO", errnoRet: 11}]}'
  payload calls mkdir:/tmp/x
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [[ ${lines[0]} = "rundlet: warning: "*"no_such_call, nor_this" ]]
  [ "${lines[1]}" = "mkdir:/tmp/x EAGAIN" ]
  config '.annotations = {"run.oci.seccomp_fail_unknown_syscall": "1"}'
  refused "no_such_call, nor_this"
}

@test "flags are taken; unknown flags, actions, operators and errnos where none belongs are refused by name" {
  profile '{flags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"],
    syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO"}]}'
  expect <<-'EOT'
	mkdir:/tmp/x EPERM
	EOT
  profile '{flags: ["SECCOMP_FILTER_FLAG_NOPE"]}'
  refused "linux.seccomp.flags[0]"
  profile '{syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOPE"}]}'
  refused "linux.seccomp.syscalls[0].action"
  profile '{syscalls: [{names: ["mkdir"], action: "SCMP_ACT_KILL", errnoRet: 1}]}'
  refused "linux.seccomp.syscalls[0]"
  profile '{syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", args: [{index: 6, value: 1, op: "SCMP_CMP_EQ"}]}]}'
  refused "linux.seccomp.syscalls[0].args[0].index"
  profile '{syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 1, op: "SCMP_CMP_ALMOST"}]}]}'
  refused "linux.seccomp.syscalls[0].args[0].op"
  profile '{syscalls: [{names: [], action: "SCMP_ACT_ERRNO"}]}'
  refused "linux.seccomp.syscalls[0].names"
}

@test "a profile that is older than calls of the runtime's own: run, start and exec work, with and without noNewPrivileges" {
  config --slurpfile profile "$BATS_TEST_DIRNAME/seccomp.json" '.linux.seccomp = ($profile[0] | .defaultErrnoRet = 1 |
    .syscalls |= map(.names -= ["close_range", "openat2", "clone3", "open_tree", "move_mount", "mount_setattr"]))'
  for nnp in true false; do
    payload sh -c 'calls close_range:3:3:0; exec sleep 1000'
    config --argjson nnp "$nnp" '.process.noNewPrivileges = $nnp'
    run_detached
    wait_for grep -q 'close_range.* E' "$OUT"
    [ "$(cat "$OUT")" = "close_range:3:3:0 EPERM" ]
    run rundlet exec "$ID" sh -c 'echo /proc/self/fd/*; calls close_range:3:3:0'
    echo "$output"
    [ "$status" = 0 ]
    [ "${lines[0]%3}" = "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/" ]
    [ "${lines[1]}" = "close_range:3:3:0 EPERM" ]
    rundlet delete --force "$ID"
  done
}

@test "podman's profile of 437 calls, with and without noNewPrivileges, for root and others; exec gets the same filter" {
  config --slurpfile profile "$BATS_TEST_DIRNAME/seccomp.json" '.linux.seccomp = $profile[0]'
  [ "$(jq '[.linux.seccomp.syscalls[].names[]] | length' "$BUNDLE/config.json")" = 437 ]
  cat >"$BUNDLE/rootfs/facts" <<-'EOT'
	grep -E '^(Seccomp|Seccomp_filters|NoNewPrivs|Uid):' /proc/self/status
	calls mkdir:/tmp/x rmdir:/tmp/x sysfs:3 ustat:0 vmsplice:0 setdomainname:0:0 clone3:0:0 personality:0xffffffff personality:0x9999 socket:16:3:9 x86.getppid umask:022
	EOT
  for uid in 0 1000; do
    for nnp in true false; do
      payload sh -c 'sh /facts; sleep 1000'
      config --argjson uid "$uid" --argjson nnp "$nnp" '.process.user.uid = $uid | .process.noNewPrivileges = $nnp'
      run_detached
      wait_for grep -q "umask.* ok" "$OUT"
      sed -E 's/ok [1-9][0-9]*$/ok N/' "$OUT" >"$BATS_TEST_TMPDIR/run"
      cat "$BATS_TEST_TMPDIR/run"
      grep -q "^Seccomp:.2$" "$BATS_TEST_TMPDIR/run"
      grep -q "^Seccomp_filters:.1$" "$BATS_TEST_TMPDIR/run"
      grep -q "^NoNewPrivs:.$([ "$nnp" = true ] && echo 1 || echo 0)$" "$BATS_TEST_TMPDIR/run"
      grep -q "^Uid:.$uid" "$BATS_TEST_TMPDIR/run"
      sed -n '/^mkdir/,$p' "$BATS_TEST_TMPDIR/run" | diff -u - <(sed 's/^\t*//' <<-'EOT'
	mkdir:/tmp/x ok 0
	rmdir:/tmp/x ok 0
	sysfs:3 EPERM
	ustat:0 EPERM
	vmsplice:0 EPERM
	setdomainname:0:0 EPERM
	clone3:0:0 EINVAL
	personality:0xffffffff ok 0
	personality:0x9999 ENOSYS
	socket:16:3:9 EINVAL
	x86.getppid ok N
	umask:022 ok N
	EOT
      )
      rundlet exec "$ID" sh /facts </dev/null 2>&1 | sed -E 's/ok [1-9][0-9]*$/ok N/' >"$BATS_TEST_TMPDIR/exec"
      diff -u "$BATS_TEST_TMPDIR/run" "$BATS_TEST_TMPDIR/exec"
      quietly delete --force "$ID"
    done
  done
}

# --- the agent -----------------------------------------------------------------------------------------------------
notify_profile() {
  config --arg path "$BATS_TEST_TMPDIR/agent" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"],
    listenerPath: $path, listenerMetadata: "of the test", syscalls: [{names: ["mkdir", "rmdir"], action: "SCMP_ACT_NOTIFY"}]}'
}

start_agent() {
  "$BUILD/tests/calls" agent "$BATS_TEST_TMPDIR/agent" "$BATS_TEST_TMPDIR/message" 28 </dev/null >"$BATS_TEST_TMPDIR/agent.log" 2>&1 3>&- 4>&- &
  agent=$!
  wait_for test -S "$BATS_TEST_TMPDIR/agent"
}

@test "NOTIFY: the agent gets the listener and the state of the process in one message, and answers" {
  notify_profile
  start_agent
  for nnp in true false; do
    config --argjson nnp "$nnp" '.process.noNewPrivileges = $nnp | .process.user.uid = 1000
      | .linux.seccomp.flags = if $nnp then [] else ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] end'
    # crun's annotation names the agent as well
    [ "$nnp" = true ] || config '.annotations["run.oci.seccomp.receiver"] = .linux.seccomp.listenerPath | del(.linux.seccomp.listenerPath)'
    expect <<-'EOT'
	mkdir:/tmp/x ENOSPC
	rmdir:/tmp/x ENOENT
	EOT
  done
  cat "$BATS_TEST_TMPDIR/message" "$BATS_TEST_TMPDIR/agent.log"
  jq -e --arg id "$ID" --arg bundle "$BUNDLE" '.fds == ["seccompFd"] and .pid > 1 and .metadata == "of the test"
    and (.ociVersion | startswith("1.")) and .state.id == $id and .state.bundle == $bundle and .state.pid == .pid
    and .state.status != "stopped"' "$BATS_TEST_TMPDIR/message"
}

@test "NOTIFY works through create and start, and exec sends a listener of its own" {
  notify_profile
  start_agent
  payload sh -c 'calls mkdir:/tmp/x; sleep 1000'
  create
  pid=$(init_pid)
  log=$BATS_TEST_TMPDIR/log
  cp "$OUT" "$log"
  [ ! -s "$log" ]
  mv "$OUT" "$log" # the container writes there
  start
  wait_for grep -q "mkdir:/tmp/x ENOSPC" "$log"
  [ "$(jq .pid "$BATS_TEST_TMPDIR/message")" = "$pid" ]
  run rundlet exec --pid-file "$BATS_TEST_TMPDIR/exec.pid" "$ID" calls mkdir:/tmp/y </dev/null
  echo "$output"
  [ "$output" = "mkdir:/tmp/y ENOSPC" ]
  [ "$(jq .pid "$BATS_TEST_TMPDIR/message")" = "$(cat "$BATS_TEST_TMPDIR/exec.pid")" ]
  [ "$(jq .state.pid "$BATS_TEST_TMPDIR/message")" = "$pid" ]
}

@test "NOTIFY without an agent is an error that names the path; so is a listener that nothing leads to" {
  notify_profile
  refused "linux.seccomp.listenerPath"
  [[ $output = *"$BATS_TEST_TMPDIR/agent"* ]]
  mkfifo "$BATS_TEST_TMPDIR/agent"
  refused "linux.seccomp.listenerPath"
  config 'del(.linux.seccomp.listenerPath, .linux.seccomp.listenerMetadata)'
  refused "linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY needs listenerPath"
  config '.linux.seccomp.listenerMetadata = "x" | .linux.seccomp.syscalls = []'
  refused "linux.seccomp.listenerMetadata"
  # Without a rule that notifies, nobody is asked.
  config --arg path "$BATS_TEST_TMPDIR/nobody" '.linux.seccomp.listenerPath = $path'
  expect <<-'EOT'
	mkdir:/tmp/x ok 0
	EOT
}
