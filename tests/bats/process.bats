#!/usr/bin/env bats
# What config.json says of the process, seen by that process.

load helpers

refused() { # WORDS
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  [[ ${output,,} = *"$1"* ]]
  [ ! -e "$ROOT/$ID" ]
}

# One fact of the probe's fingerprint: fact 'status CapEff:'
fact() {
  sed -n "s/^$1[[:space:]]*//p" "$OUT"
}

fingerprint() {
  cp "$BUILD/tests/probe" "$BUNDLE/rootfs/bin/probe"
  payload probe fp
  rundlet run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$OUT.err" || { cat "$OUT.err"; false; }
}

caps() { # SET=CAP,CAP...: the whole of process.capabilities
  local set all='{}'
  for set in "$@"; do
    all=$(jq -c --arg set "${set%%=*}" --arg caps "${set#*=}" '.[$set] = [$caps | split(",")[] | select(. != "") | "CAP_" + .]' <<<"$all")
  done
  config --argjson all "$all" '.process.capabilities = $all'
}

# --- identity ------------------------------------------------------------------------------------------------------
@test "uid, gid, groups and umask are exact, also none" {
  config '.process.user = {uid: 1000, gid: 77, additionalGids: [5, 65534, 77, 12345], umask: 63}'
  run run_payload sh -c 'grep -E "^(Uid|Gid|Groups|Umask):" /proc/self/status; : >/tmp/made; stat -c %a:%u:%g /tmp/made'
  echo "$output"
  [ "${lines[0]}" = $'Umask:\t0077' ]
  [ "${lines[1]}" = $'Uid:\t1000\t1000\t1000\t1000' ]
  [ "${lines[2]}" = $'Gid:\t77\t77\t77\t77' ]
  [ "$(tr -d ' ' <<<"${lines[3]}")" = $'Groups:\t5776553412345' ] || [ "$(xargs <<<"${lines[3]}")" = "Groups: 5 77 12345 65534" ]
  [ "${lines[4]}" = 600:1000:77 ]
  config '.process.user = {uid: 0, gid: 0}'
  run run_payload sh -c 'grep -E "^(Groups|Umask):" /proc/self/status'
  [ "$(xargs <<<"$output")" = "Umask: 0022 Groups:" ]
}

@test "the five capability sets are what is asked, as root and as a user with ambient ones" {
  caps bounding=CHOWN,KILL,SETPCAP effective=CHOWN permitted=CHOWN,KILL inheritable=KILL ambient=
  fingerprint
  for pair in CapBnd:0000000000000121 CapPrm:0000000000000021 CapEff:0000000000000021 CapInh:0000000000000020 CapAmb:0000000000000000; do
    [ "$(fact "status ${pair%%:*}:")" = "${pair#*:}" ] || { echo "$pair: $(fact "status ${pair%%:*}:")"; false; }
  done
  config '.process.user = {uid: 1000, gid: 1000}'
  fingerprint
  for set in CapPrm CapEff CapAmb; do [ "$(fact "status $set:")" = 0000000000000000 ]; done
  [ "$(fact "status CapBnd:")" = 0000000000000121 ]
  caps bounding=CHOWN,NET_BIND_SERVICE effective=NET_BIND_SERVICE permitted=NET_BIND_SERVICE inheritable=NET_BIND_SERVICE ambient=NET_BIND_SERVICE
  fingerprint
  for set in CapPrm CapEff CapInh CapAmb; do [ "$(fact "status $set:")" = 0000000000000400 ] || { echo "$set"; false; }; done
  [ "$(fact "status CapBnd:")" = 0000000000000401 ]
  config 'del(.process.capabilities) | .process.user = {uid: 0, gid: 0}'
  fingerprint
  for set in CapPrm CapEff CapInh CapAmb CapBnd; do [ "$(fact "status $set:")" = 0000000000000000 ] || { echo "$set"; false; }; done
}

@test "a capability that cannot be granted is a warning, one that nobody knows an error" {
  caps bounding=CHOWN effective=CHOWN,KILL permitted=CHOWN inheritable= ambient=KILL
  run run_payload grep CapEff: /proc/self/status
  echo "$output"
  [ "$status" = 0 ]
  [[ $output = *"warning"*"process.capabilities.effective: CAP_KILL"* ]]
  [[ $output = *"warning"*"process.capabilities.ambient: CAP_KILL"* ]]
  [[ ${lines[-1]} = *0000000000000001 ]]
  caps bounding=CHOWN,FROM_THE_FUTURE effective=CHOWN permitted=CHOWN
  run run_payload true
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"error"*"process.capabilities.bounding[1]: CAP_FROM_THE_FUTURE: unknown capability"* ]]
}

@test "no_new_privs is set when asked and only then" {
  run run_payload grep NoNewPrivs: /proc/self/status
  [ "$output" = $'NoNewPrivs:\t1' ]
  config '.process.noNewPrivileges = false'
  run run_payload grep NoNewPrivs: /proc/self/status
  [ "$output" = $'NoNewPrivs:\t0' ]
}

# --- limits and priorities -----------------------------------------------------------------------------------------
@test "resource limits hold inside, for exec too, and one type stands there once" {
  config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: 200}, {type: "RLIMIT_CORE", soft: 0, hard: 0},
    {type: "RLIMIT_FSIZE", soft: 4096, hard: 8192}, {type: "RLIMIT_NPROC", soft: 50, hard: 60}, {type: "RLIMIT_STACK", soft: 1048576, hard: 2097152}]'
  payload sh -c 'cat /proc/self/limits; exec sleep 1000'
  run_detached
  wait_for grep -q realtime "$OUT"
  cp "$OUT" "$BATS_TEST_TMPDIR/limits"
  rundlet exec "$ID" cat /proc/self/limits </dev/null >"$BATS_TEST_TMPDIR/limits-exec"
  for file in "$BATS_TEST_TMPDIR"/limits*; do
    grep -qE '^Max open files +100 +200 ' "$file"
    grep -qE '^Max core file size +0 +0 ' "$file"
    grep -qE '^Max file size +4096 +8192 ' "$file"
    grep -qE '^Max processes +50 +60 ' "$file"
    grep -qE '^Max stack size +1048576 +2097152 ' "$file"
  done
  quietly delete --force "$ID"
  config '.process.rlimits += [{type: "RLIMIT_CORE", soft: 0, hard: 1}]'
  refused "rlimit_core is there twice"
  config '.process.rlimits = [{type: "RLIMIT_CORE", soft: 2, hard: 1}]'
  refused "process.rlimits[0].soft: above hard"
}

@test "limits are raised above the caller's hard ones" {
  capsh --has-p=cap_sys_resource 2>/dev/null || skip "needs CAP_SYS_RESOURCE"
  config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 2000, hard: 3000}] | .process.oomScoreAdj = -500'
  payload sh -c 'ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj'
  run bash -c 'ulimit -n 1000; exec "$@"' - timeout "$LIMIT" "$RUNTIME" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null 3>&- 4>&-
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[*]}" = "2000 3000 -500" ]
}

@test "oom_score_adj is set when asked and else the caller's" {
  config '.process.oomScoreAdj = 321'
  [ "$(run_payload cat /proc/self/oom_score_adj)" = 321 ]
  config 'del(.process.oomScoreAdj)'
  [ "$(run_payload cat /proc/self/oom_score_adj)" = "$(cat /proc/self/oom_score_adj)" ]
}

@test "scheduler, I/O priority, personality and memory policy reach the process" {
  config '.process.scheduler = {policy: "SCHED_BATCH", nice: 7} | .process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 6}
    | .linux.personality = {domain: "LINUX32"} | .linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "0"}'
  payload sh -c 'uname -m; cut -d" " -f19,41 /proc/self/stat; head -n 1 /proc/self/numa_maps 2>/dev/null | cut -d" " -f2
    echo said; exec sleep 1000'
  run_detached
  wait_for grep -q said "$OUT"
  pid=$(init_pid)
  cat "$OUT"
  [ "$(head -n 1 "$OUT")" = i686 ]
  grep -q '^7 3' "$OUT"
  ionice -p "$pid" | grep -qx 'best-effort: prio 6'
  [ ! -e /proc/self/numa_maps ] || grep -qx bind:0 "$OUT"
  quietly delete --force "$ID"
  config 'del(.linux.personality, .linux.memoryPolicy) | .process.scheduler = {policy: "SCHED_FIFO", priority: 0}'
  refused "process.scheduler.priority: sched_fifo needs 1 to 99"
}

@test "execCPUAffinity is for exec: the last one holds in the process" {
  [ "$(nproc)" -ge 2 ]
  config '.process.execCPUAffinity = {initial: "0", final: "1"}'
  payload sh -c 'grep Cpus_allowed_list /proc/self/status; exec sleep 1000'
  run_detached
  wait_for grep -q allowed "$OUT"
  [ "$(cut -f2 "$OUT")" = "$(grep Cpus_allowed_list /proc/self/status | cut -f2)" ]
  [ "$(rundlet exec "$ID" grep Cpus_allowed_list /proc/self/status </dev/null | cut -f2)" = 1 ]
}

# --- what is inherited ---------------------------------------------------------------------------------------------
@test "signals are default, descriptors are three, the session and the keyring are own" {
  fingerprint
  for field in SigBlk SigIgn SigCgt; do [ "$(fact "status $field:")" = 0000000000000000 ] || { echo "$field"; false; }; done
  [ "$(grep '^fd ' "$OUT" | cut -d' ' -f2 | sort | xargs)" = "0 1 2" ]
  [ "$(fact session)" = own ]
  [ "$(fact keyring)" = "_ses.$ID" ]
  [ "$(fact dumpable)" = 1 ]
  [ "$(fact pdeathsig)" = 0 ]
  [ "$(fact cwd)" = / ]
  [ "$(fact 'status Seccomp:')" = 0 ]
  # What the caller ignores, blocks and holds open does not come in.
  (
    trap '' INT HUP USR1
    rundlet run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 7</etc/passwd 9</
  )
  [ "$(fact 'status SigIgn:')" = 0000000000000000 ]
  [ "$(grep -c '^fd ' "$OUT")" = 3 ]
  rundlet run --no-new-keyring --bundle "$BUNDLE" "$ID" </dev/null >"$OUT"
  [ "$(fact keyring)" != "_ses.$ID" ]
}

@test "the environment is exactly the given one, and HOME when it is missing" {
  config '.process.env = ["A=b=c", "EMPTY=", "SPACE=a b", "PATH=/bin"]'
  [ "$(FROM=caller run_payload env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= | sort | tr '\n' ';')" = "A=b=c;EMPTY=;HOME=/root;PATH=/bin;SPACE=a b;" ]
  config '.process.user.uid = 1000'
  [ "$(run_payload env | grep ^HOME=)" = HOME=/home ] # by the image's passwd
  {
    printf 'long:x:1000:1000::/%0600d:/bin/sh\nrelative:x:1000:1:x:home:/x\nx:x:x1000:1::/wrong:/x\n:::::/wrong:\n' 0
    printf 'last:x:1000:1::/found'
  } >"$BUNDLE/rootfs/etc/passwd"
  [ "$(run_payload env | grep ^HOME=)" = HOME=/found ]
  config '.process.user.uid = 4294967294'
  [ "$(run_payload env | grep ^HOME=)" = HOME=/ ]
  rm "$BUNDLE/rootfs/etc/passwd"
  mkfifo "$BUNDLE/rootfs/etc/passwd"
  [ "$(run_payload env | grep ^HOME=)" = HOME=/ ]
  config '.process.env += ["HOME=/mine"]'
  [ "$(run_payload env | grep ^HOME=)" = HOME=/mine ]
  config '.process.env = ["no equals sign"]'
  refused "process.env[0]"
}

# --- where and what ------------------------------------------------------------------------------------------------
@test "cwd: entered as the user, made when missing, and never outside of the root" {
  config '.process.cwd = "/made/deep"'
  [ "$(run_payload pwd)" = /made/deep ]
  [ -d "$BUNDLE/rootfs/made/deep" ]
  config '.process.cwd = "/etc/passwd"'
  refused "process.cwd: "
  config '.process.cwd = "relative"'
  refused "process.cwd: "
  mkdir -m 700 "$BUNDLE/rootfs/closed"
  config '.process.cwd = "/closed" | .process.user = {uid: 1000, gid: 1000} | .process.capabilities = {}'
  refused "process.cwd: "
  [[ ${output,,} = *"permission denied"* ]]
  config '.process.cwd = "/proc/self/fd/7" | .process.user = {uid: 0, gid: 0}'
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null 7</
  echo "$output"
  [ "$status" = 1 ]
}

@test "the program is looked for along PATH inside, as the user" {
  mkdir -p "$BUNDLE/rootfs/opt/a/tool" "$BUNDLE/rootfs/opt/b" "$BUNDLE/rootfs/opt/c" "$BUNDLE/rootfs/opt/d"
  printf '#!/bin/sh\necho "tool $0 $@"\n' | tee "$BUNDLE/rootfs/opt/b/tool" "$BUNDLE/rootfs/opt/c/tool" >"$BUNDLE/rootfs/opt/d/other"
  chmod 755 "$BUNDLE/rootfs/opt/c/tool" "$BUNDLE/rootfs/opt/d/other"
  config '.process.env = ["PATH=/none:/opt/a:/opt/b:/opt/c"] | .process.cwd = "/opt"'
  [ "$(run_payload tool 'x y' '')" = 'tool /opt/c/tool x y ' ]
  [ "$(run_payload ./c/tool)" = 'tool ./c/tool ' ]
  [ "$(run_payload c/tool)" = 'tool c/tool ' ]
  [ "$(run_payload /opt/d/other)" = 'tool /opt/d/other ' ]
  config '.process.env = ["PATH=/opt/a:/opt/b"]'
  payload tool
  refused "process.args[0]: "
  [[ $output = *"ermission denied"* ]]
  payload nowhere
  refused 'executable file not found in $path'
  payload ./nowhere
  refused "no such file or directory"
  config '.process.env = []'
  payload sh -c 'echo default path'
  [ "$(run_payload)" = "default path" ]
  for argument in '' '[]'; do
    config ".process.args = ${argument:-[\"\"]}"
    refused "process.args"
  done
}

@test "a script without an interpreter line is an exec format error, one whose interpreter is missing names the script" {
  printf 'echo hi\n' >"$BUNDLE/rootfs/bin/plain"
  printf '#!/no/such/shell\n' >"$BUNDLE/rootfs/bin/orphan"
  chmod 755 "$BUNDLE/rootfs/bin/plain" "$BUNDLE/rootfs/bin/orphan"
  payload plain
  refused "exec format error"
  payload orphan
  refused "orphan"
  [[ $output = *"o such file or directory"* ]]
}
