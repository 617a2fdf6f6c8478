# AppArmor profiles and SELinux labels of containers, and who confines them when the kernel cannot.
# shellcheck shell=bash disable=SC2030,SC2031 # each test is a subshell
bats_require_minimum_version 1.5.0
load helpers

needs_apparmor() {
  [ -e /sys/kernel/security/apparmor/profiles ] || skip "needs AppArmor"
}

# The runtime itself is let do everything by "outer".
load_profiles() {
  cat >"$BATS_TEST_TMPDIR/profiles" <<'EOF'
profile rundlet-inner flags=(attach_disconnected) {
  file,
  capability,
  network,
  signal,
  deny /etc/secret rw,
}
profile rundlet-other flags=(attach_disconnected) {
  file,
  deny /etc/other rw,
}
profile rundlet-outer flags=(attach_disconnected) {
  file,
  capability,
  network,
  mount,
  umount,
  pivot_root,
  ptrace,
  signal,
  unix,
  change_profile,
}
EOF
  apparmor_parser --replace --skip-cache --quiet "$BATS_TEST_TMPDIR/profiles"
}

teardown() {
  bundle_teardown
  [ ! -e "$BATS_TEST_TMPDIR/profiles" ] || apparmor_parser --remove --quiet "$BATS_TEST_TMPDIR/profiles"
}

@test "an AppArmor profile is enforced by run and exec, stacked where the runtime is confined, never by a fake procfs" {
  local facts='cat /proc/self/attr/current; cat /etc/secret /etc/other'
  needs_apparmor
  load_profiles
  echo hidden >"$BUNDLE/rootfs/etc/secret"
  echo other >"$BUNDLE/rootfs/etc/other"
  touch "$BUNDLE/decoy"
  # What lies over the attribute in the container's own /proc hears nothing of it.
  config --arg decoy "$BUNDLE/decoy" '.process.apparmorProfile = "rundlet-inner"
    | .mounts += [{destination: "/proc/1/attr/apparmor/exec", type: "bind", source: $decoy, options: ["bind"]}]'
  payload sh -c "$facts; sleep 1000"
  run_detached
  wait_for grep -q other "$OUT"
  cat "$OUT"
  [ "$(head -n 1 "$OUT")" = 'rundlet-inner (enforce)' ]
  grep -q "can't open '/etc/secret': Permission denied" "$OUT"
  [ ! -s "$BUNDLE/decoy" ]

  run -1 rundlet exec "$ID" sh -c "$facts"
  [[ $output = 'rundlet-inner (enforce)'*"can't open '/etc/secret': Permission denied"*other ]]
  run -1 rundlet exec --apparmor rundlet-other "$ID" sh -c "$facts"
  [[ $output = 'rundlet-other (enforce)'*hidden*"can't open '/etc/other': Permission denied"* ]]
  # podman knows by the quotes that it is about labels; "no such file" would mean the program to it
  run -255 rundlet exec --apparmor rundlet-absent "$ID" true
  [[ $output = *'process.apparmorProfile: label "exec rundlet-absent" to `/proc/self/attr/apparmor/exec`: no such profile is loaded'* ]]
  rundlet delete --force "$ID"

  # With no_new_privs a profile can only be put on top of the runtime's own; without, it takes its place.
  config 'del(.mounts[-1])'
  payload sh -c "$facts"
  RUNTIME=$BATS_TEST_TMPDIR/confined
  printf '#!/bin/sh\nexec aa-exec -p rundlet-outer -- %q "$@"\n' "$RUNDLET" >"$RUNTIME"
  chmod 755 "$RUNTIME"
  run -1 run_payload
  [[ ${lines[0]} = 'rundlet-'*'//&rundlet-'*' (enforce)' ]]
  [[ $output = *"can't open '/etc/secret': Permission denied"* ]]
  config '.process.noNewPrivileges = false'
  run -1 run_payload
  [ "${lines[0]}" = 'rundlet-inner (enforce)' ]
}

# bats test_tags=native
@test "a label that no module of this kernel enforces is an error, for run and for exec" {
  run_detached
  while IFS='|' read -r filter words; do
    cp "$BUNDLE/config.json" "$BUNDLE/plain.json"
    config "$filter"
    RUNDLET_PROBE_WITHOUT=apparmor,selinux run ! rundlet run --bundle "$BUNDLE" "$ID-x"
    mv "$BUNDLE/plain.json" "$BUNDLE/config.json"
    [[ $output = *"$words"* ]] || { echo "$filter: $output"; return 1; }
  done <<'EOF'
.process.apparmorProfile = "web"|process.apparmorProfile: AppArmor is not enabled in this kernel
.process.selinuxLabel = "a:b:c"|process.selinuxLabel: SELinux is not enabled on this host
.process.apparmorProfile = "web\nx"|process.apparmorProfile: contains a newline
.annotations = {"run.oci.mount_context_type": "x"}|annotations["run.oci.mount_context_type"]: x: context, fscontext, defcontext or rootcontext expected
EOF
  RUNDLET_PROBE_WITHOUT=apparmor run -0 rundlet exec --apparmor unconfined "$ID" true
  RUNDLET_PROBE_WITHOUT=apparmor run -255 rundlet exec --apparmor web "$ID" true
  [[ $output = *'process.apparmorProfile: AppArmor is not enabled'* ]]
  RUNDLET_PROBE_WITHOUT=selinux run -255 rundlet exec --process-label a:b:c "$ID" true
  [[ $output = *'process.selinuxLabel: SELinux is not enabled'* ]]
  quietly delete --force "$ID"
  payload true
  config '.linux.mountLabel = "a:b:c"' # confines nobody
  RUNDLET_PROBE_WITHOUT=selinux run -0 rundlet run --bundle "$BUNDLE" "$ID"
  [ "$output" = 'rundlet: warning: linux.mountLabel: left out, SELinux is not enabled on this host' ]
}
