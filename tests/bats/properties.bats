#!/usr/bin/env bats
# Properties of the runtime-spec that no other file is about: what each value does, and that what cannot be is said.

load helpers

refused() { # WORDS: one error line with these words, and nothing is left
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  is_refused "$1"
}

@test "intelRdt: without resctrl an error that names what is missing, before anything is made" {
  local words='linux.intelRdt: this kernel has no resctrl'
  if grep -q '\<resctrl$' /proc/filesystems; then words='linux.intelRdt: resctrl is not mounted'; fi
  if grep -q ' - resctrl ' /proc/self/mountinfo; then words='linux.intelRdt.closID: there is no group nobody-made'; fi
  config '.linux.intelRdt = {closID: "nobody-made", enableMonitoring: true}'
  refused "$words"
  config 'del(.linux.intelRdt)'
  run_payload true
}

@test "schedulers with all their values, for init and for exec, where a fork comes between" {
  payload sleep 1000
  while IFS='|' read -r scheduler shown; do
    config --argjson scheduler "$scheduler" '.process.scheduler = $scheduler'
    run_detached
    rundlet exec --detach --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" sleep 1000 </dev/null >"$OUT" 2>&1 || { cat "$OUT"; false; }
    for pid in "$(init_pid)" "$(cat "$BATS_TEST_TMPDIR/pid")"; do
      chrt -p "$pid" | sed 's/.*: //' | tr '\n' ' ' >"$OUT"
      [ "$(cat "$OUT")" = "$shown " ] || { echo "$scheduler: <$(cat "$OUT")>"; false; }
    done
    quietly delete --force "$ID"
  done <<'END'
{"policy": "SCHED_RR", "priority": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}|SCHED_RR|SCHED_RESET_ON_FORK 5
{"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 20000000, "period": 30000000}|SCHED_DEADLINE 0 1000000/20000000/30000000
END
  config '.process.scheduler = {policy: "SCHED_ISO"}'
  refused 'process.scheduler: scheduler SCHED_ISO'
}

@test "sections of other platforms are passed over, whatever is in them" {
  config '.vm = {hypervisor: 7, kernel: "x"} | .windows = {layerFolders: 7} | .solaris = "no" | .zos = [] | .freebsd = {jail: 1}
    | .linux.unknown = {a: [1, null]} | .process.unknown = 1 | .unknown = "x" | .annotations = {"com.example.unknown": "x"}'
  run_payload true
}

@test "kernel parameters of the network are set after the createRuntime hooks, which may bring a device" {
  # shellcheck disable=SC2016 # the hook's variables
  config '.linux.namespaces |= (map(select(.type != "network")) + [{type: "network"}])
    | .linux.sysctl = {"net.ipv4.conf.late0.forwarding": "1"}
    | .hooks.createRuntime = [{path: "/bin/sh", env: ["PATH=" + env.PATH], args: ["sh", "-c",
        "nsenter --net=/proc/$(jq .pid)/ns/net ip link add name late0 type bridge"]}]'
  run run_payload cat /proc/sys/net/ipv4/conf/late0/forwarding
  echo "$output"
  [ "$output" = 1 ]
  config 'del(.hooks)'
  refused 'linux.sysctl'
}
