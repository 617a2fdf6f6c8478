#!/usr/bin/env bats
# Who makes the container's cgroup: what can be seen of the systemd driver where there is no systemd, and of none at all.

load helpers

setup() {
  rundlet_only
  bundle_setup
}

teardown() {
  [ ! -d "$BATS_TEST_TMPDIR/tester" ] || tester_rundlet delete --force "$ID" >/dev/null 2>&1 || true
  bundle_teardown
}

# The runtime where no systemd can be reached, whatever this machine has.
without_systemd() {
  # shellcheck disable=SC2016 # for the inner shell
  timeout -k 5 "$LIMIT" unshare --mount sh -c 'mount -t tmpfs none /run && exec "$@"' sh \
    env -u DBUS_SYSTEM_BUS_ADDRESS "$RUNTIME" --root "$ROOT" "$@" </dev/null 3>&- 4>&-
}

record() { # JQ-FILTER
  jq -r "$1" "$ROOT/$ID/state.json"
}

@test "--cgroup-manager and --systemd-cgroup: names, repeats, contradictions" {
  config 'del(.linux.cgroupsPath)'
  run rundlet --cgroup-manager nonsense list
  [ "$status" = 1 ]
  [ "$output" = "rundlet: error: --cgroup-manager: nonsense: cgroupfs, systemd or disabled expected" ]
  run rundlet --systemd-cgroup --cgroup-manager=cgroupfs list
  [ "$status" = 1 ]
  [ "$output" = "rundlet: error: --systemd-cgroup contradicts --cgroup-manager=cgroupfs" ]
  # Engines give it twice, and to commands that need no driver.
  rundlet --systemd-cgroup --systemd-cgroup --cgroup-manager=systemd list
  rundlet --systemd-cgroup --systemd-cgroup plan "$BUNDLE" | grep -q '^unit   rundlet-ID.scope in system.slice$'
  rundlet --cgroup-manager=systemd check "$BUNDLE"
  rundlet --cgroup-manager=cgroupfs plan "$BUNDLE" >"$OUT"
  run grep '^unit' "$OUT"
  [ "$status" = 1 ]
}

@test "the systemd driver without systemd: one error that says where it was looked for, nothing is left" {
  for path in "" "system.slice:rundlet:$ID"; do
    # shellcheck disable=SC2016 # for jq
    config --arg path "$path" '.linux.cgroupsPath = $path'
    for command in create "run --detach" run; do
      # shellcheck disable=SC2086 # words
      run without_systemd --systemd-cgroup $command --bundle "$BUNDLE" "$ID"
      echo "$output"
      [ "$status" = 1 ]
      [[ ${lines[0]} = *"rundlet-$ID.scope"*"reach systemd at "*/run/dbus/system_bus_socket* ]]
      [ "$(grep -c error: <<<"$output")" = 1 ]
      no_leaks
    done
  done
  run without_systemd delete "$ID"
  [ "$status" = 1 ]
  without_systemd delete --force "$ID"
}

@test "names that systemd would not take, and values that it cannot have, are refused before anything is made" {
  while IFS='|' read -r filter words; do
    cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/kept"
    config "$filter"
    run rundlet --systemd-cgroup create --bundle "$BUNDLE" "$ID"
    echo "$filter: $output"
    [ "$status" = 1 ]
    [[ $output = *"$words"* ]]
    run rundlet --systemd-cgroup check "$BUNDLE"
    [ "$status" = 1 ]
    [[ $output = *"$words"* ]]
    no_leaks
    cp "$BATS_TEST_TMPDIR/kept" "$BUNDLE/config.json"
  done < <(
    sampled 3 <<-'EOT'
	.linux.cgroupsPath = "/absolute"|linux.cgroupsPath: /absolute: slice:prefix:name expected
	.linux.cgroupsPath = "a.slice:b"|linux.cgroupsPath: a.slice:b: slice:prefix:name expected
	.linux.cgroupsPath = "a--b.slice:c:d"|linux.cgroupsPath: a--b.slice: 
	.linux.cgroupsPath = "a:c:d"|linux.cgroupsPath: a: 
	.linux.cgroupsPath = "::d.slice"|linux.cgroupsPath: ::d.slice: 
	.linux.cgroupsPath = "::d@e"|linux.cgroupsPath: ::d@e: 
	del(.linux.cgroupsPath) + {annotations: {"org.systemd.property.Delegate": "false"}}|annotations["org.systemd.property.Delegate"]: 
	del(.linux.cgroupsPath) + {annotations: {"org.systemd.property.FailureAction": "'reboot'"}}|annotations["org.systemd.property.FailureAction"]: 
	del(.linux.cgroupsPath) + {annotations: {"org.systemd.property.After": "['a'"}}|annotations["org.systemd.property.After"]: column 5
	del(.linux.cgroupsPath) + {annotations: {"run.oci.systemd.subgroup": "../x"}}|annotations["run.oci.systemd.subgroup"]: 
	EOT
  )
  # Without the driver they are nobody's.
  config '.annotations = {"org.systemd.property.After": "["}'
  rundlet check "$BUNDLE"
}

@test "--cgroup-manager=disabled: the container stays where its creator is, and no command needs to be told" {
  config 'del(.linux.resources)'
  payload sleep 1000
  quietly --cgroup-manager=disabled run --detach --bundle "$BUNDLE" "$ID"
  [ "$(record .cgroupDriver)/$(record .cgroupPath)" = disabled/ ]
  [ "$(cat "/proc/$(init_pid)/cgroup")" = "$(cat /proc/self/cgroup)" ]
  gone=$(find "$CGROUPS" -name "*$ID*")
  [ -z "$gone" ]
  [ "$(rundlet exec "$ID" echo inside)" = inside ]
  [ "$(rundlet ps --format json "$ID")" = "[$(init_pid)]" ]
  run rundlet pause "$ID"
  [ "$status" = 1 ]
  [[ $output = *cgroup* ]]
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  rundlet delete "$ID"
  config '.linux.resources = {devices: [{allow: false, access: "rwm"}]}'
  payload true
  run rundlet --cgroup-manager=disabled run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = "rundlet: warning: linux.resources.devices: no rules without a cgroup (--cgroup-manager=disabled), left out" ]
  config '.linux.resources = {pids: {limit: 5}}'
  run rundlet --cgroup-manager=disabled run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"linux.resources.pids.limit: no limit without a cgroup"* ]]
  no_leaks
}

@test "an ordinary user without a manager: no limit, no cgroup and a warning; a limit is an error" {
  tester_bundle
  rm "$BUNDLE/config.json"
  as_tester "$BATS_TEST_TMPDIR/tester/runtime" spec --rootless --bundle "$BUNDLE"
  config '.process.terminal = false | .process.env = ["PATH=/bin"] | del(.linux.resources, .linux.cgroupsPath)'
  payload sleep 1000
  status=0
  tester_rundlet --systemd-cgroup run --detach --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 || status=$?
  output=$(cat "$OUT")
  echo "$output"
  [ "$status" = 0 ]
  [[ $output = *": warning: "*"reach systemd of the user at "*": the container stays in the caller's cgroup" ]]
  [ "$(record .cgroupDriver)/$(record .cgroupScope)" = disabled/null ]
  [ "$(tester_rundlet exec "$ID" echo inside)" = inside ]
  tester_rundlet delete --force "$ID"
  config '.linux.resources = {pids: {limit: 5}}'
  run tester_rundlet --systemd-cgroup run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"reach systemd of the user at "* ]]
  no_leaks
}

@test "who does not use systemd pays nothing for it: the bus is not looked for" {
  payload true
  timeout "$LIMIT" strace -f -qq -e trace=connect,socket -o "$BATS_TEST_TMPDIR/trace" "$RUNTIME" --root "$ROOT" \
    run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 3>&- 4>&- || { cat "$OUT"; false; }
  run grep -E 'dbus|systemd' "$BATS_TEST_TMPDIR/trace"
  echo "$output"
  [ "$status" = 1 ]
  # The same trace shows it where it is wanted.
  config 'del(.linux.cgroupsPath)'
  run timeout "$LIMIT" strace -f -qq -e trace=connect -o "$BATS_TEST_TMPDIR/trace" "$RUNTIME" --root "$ROOT" \
    --systemd-cgroup run --bundle "$BUNDLE" "$ID" </dev/null 3>&- 4>&-
  grep -Eq 'connect.*(dbus|systemd)' "$BATS_TEST_TMPDIR/trace"
}

@test "an ordinary user's cgroup that does not lie below the caller's: the kernel's refusal has its cure, nothing is left" {
  tester_bundle
  rm "$BUNDLE/config.json"
  as_tester "$BATS_TEST_TMPDIR/tester/runtime" spec --rootless --bundle "$BUNDLE"
  mkdir "$CGROUPS/$ID-slice"
  chown 4242:4242 "$CGROUPS/$ID-slice" "$CGROUPS/$ID-slice"/cgroup.{procs,subtree_control,threads}
  # shellcheck disable=SC2016 # for jq
  config --arg path "/$ID-slice/box" '.process.terminal = false | .process.args = ["true"] | .linux.cgroupsPath = $path'
  run tester_rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"make the container's process in new namespaces: Permission denied"*"hint: "*"systemd-run --user --scope"* ]]
  rmdir "$CGROUPS/$ID-slice"
  no_leaks
}
