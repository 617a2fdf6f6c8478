#!/usr/bin/env bats
# Bad input: one error line that names the place, exit status 1, nothing left, never a hang.

load helpers

# COMMAND... ends with status 1 and one error line with these words, in time: refused 'words' COMMAND...
refused() {
  local words=$1
  shift
  run rundlet "$@"
  echo "$* -> $output"
  [ "$status" = 1 ]
  [ "$(grep -ac '^rundlet: error: ' <<<"$output")" = 1 ]
  [ "$(grep -acv -e '^rundlet: error: ' -e '^hint: ' -e '^rundlet: warning: ' <<<"$output")" = 0 ]
  [[ $output = *"$words"* ]]
}

# create refuses the bundle, and nothing is left of the attempt.
bad() { # 'words'
  refused "$1" create --bundle "$BUNDLE" "$ID"
  clean
}

clean() {
  [ ! -e "$ROOT/$ID" ]
  [ ! -e "$CGROUPS/$ID" ]
  [ "$(grep -c "$BATS_TEST_TMPDIR" /proc/self/mountinfo)" = 0 ]
}

# Each line of standard input is "words | jq filter": the filtered config is bad and the words are in the error.
bad_configs() {
  local words filter
  cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/good.json"
  while IFS='|' read -r words filter; do
    cp "$BATS_TEST_TMPDIR/good.json" "$BUNDLE/config.json"
    words=${words#"${words%%[![:space:]]*}"}
    config "$filter"
    bad "${words%"${words##*[![:space:]]}"}"
  done < <(sampled 12)
}

# --- the text ------------------------------------------------------------------------------------------------------
@test "what is no JSON is refused with its place" {
  good=$(cat "$BUNDLE/config.json")
  while IFS= read -r text; do
    printf '%b' "$text" >"$BUNDLE/config.json"
    bad "config.json: line 1 column "
  done < <(sampled 5 <<-'EOT'
	
	{
	nonsense
	{"ociVersion": "1.0.2",}
	{"ociVersion": "1.0.2"} {}
	{"ociVersion": "1.0.2"} x
	{'ociVersion': '1.0.2'}
	{"ociVersion": "1.0.2"
	"\xff\xfe"
	\x00
	EOT
  )
  for text in '[]' '"text"' 17 null; do
    echo "$text" >"$BUNDLE/config.json"
    bad "not expected"
  done
  echo "${good%?}" >"$BUNDLE/config.json"
  bad "premature EOF"
  echo "${good/\"ociVersion\"/\"ociVersion\": \"1.0.2\", \"ociVersion\"}" >"$BUNDLE/config.json"
  bad "ociVersion"
}

@test "NUL, broken UTF-8, depth and size are limits, not crashes" {
  sed 's/"box"/"b\\u0000x"/' -i "$BUNDLE/config.json"
  bad "hostname"
  sed 's/"b\\u0000x"/"b\xff\xfex"/' -i "$BUNDLE/config.json"
  bad "invalid UTF-8"
  sed "s/\"b\xff\xfex\"/\"b\\\\ud800x\"/" -i "$BUNDLE/config.json"
  run rundlet create --bundle "$BUNDLE" "$ID"
  [ "$status" = 1 ]
  clean
  (
    printf '{"x": '
    head -c 200000 /dev/zero | tr '\0' '['
  ) >"$BUNDLE/config.json"
  bad "deep"
  (
    printf '{"ociVersion": "1.0.2", "x": '
    yes '{"a":' | head -n 20000 | tr -d '\n'
  ) >"$BUNDLE/config.json"
  bad "deep"
  (
    printf '{"ociVersion": "'
    head -c $((17 * 1024 * 1024)) /dev/zero | tr '\0' a
    printf '"}'
  ) >"$BUNDLE/config.json"
  bad "config.json"
}

@test "config.json that is missing, a folder, a FIFO or a socket" {
  rm "$BUNDLE/config.json"
  bad "config.json"
  mkdir "$BUNDLE/config.json"
  bad "config.json"
  rmdir "$BUNDLE/config.json"
  mkfifo "$BUNDLE/config.json"
  bad "config.json"
  rm "$BUNDLE/config.json"
  ln -s config.json "$BUNDLE/config.json"
  bad "config.json"
  refused "nowhere" create --bundle "$BATS_TEST_TMPDIR/nowhere" "$ID"
  refused "config.json" create --bundle "$BUNDLE/rootfs/bin/busybox" "$ID"
  refused "other.json" create --bundle "$BUNDLE" --config "$BUNDLE/other.json" "$ID"
}

# --- the model -----------------------------------------------------------------------------------------------------
@test "wrong types, missing fields and unknown names are refused by name" {
  bad_configs <<-'EOT'
	ociVersion                                  | del(.ociVersion)
	ociVersion                                  | .ociVersion = 1
	ociVersion                                  | .ociVersion = "2.0.0"
	ociVersion                                  | .ociVersion = "one"
	process                                     | del(.process)
	process: string not expected                | .process = "sh"
	process.args                                | .process.args = []
	process.args                                | del(.process.args)
	process.args                                | .process.args = "sh"
	process.args[1]                             | .process.args = ["sh", 3]
	process.cwd                                 | del(.process.cwd)
	process.cwd                                 | .process.cwd = "tmp"
	process.env                                 | .process.env = {}
	process.terminal                            | .process.terminal = "yes"
	process.user.uid                            | .process.user.uid = -1
	process.user.uid                            | .process.user.uid = 4294967296
	process.user.uid                            | .process.user.uid = 1.5
	process.user.uid                            | .process.user.uid = "root"
	process.user.umask                          | .process.user.umask = 512
	process.user.additionalGids[1]              | .process.user.additionalGids = [1, "x"]
	process.capabilities.bounding[0]            | .process.capabilities.bounding = ["CAP_NONSENSE"]
	process.rlimits[0].type                     | .process.rlimits = [{type: "RLIMIT_NONSENSE", soft: 1, hard: 1}]
	process.rlimits[1]                          | .process.rlimits = [{type: "RLIMIT_CORE", soft: 1, hard: 1}, {type: "RLIMIT_CORE", soft: 2, hard: 2}]
	process.rlimits[0]                          | .process.rlimits = [{type: "RLIMIT_CORE", soft: 2, hard: 1}]
	process.rlimits[0].soft                     | .process.rlimits = [{type: "RLIMIT_CORE", hard: 1}]
	process.oomScoreAdj                         | .process.oomScoreAdj = 1001
	root                                        | del(.root)
	root.path                                   | .root = {}
	root.readonly                               | .root.readonly = "true"
	mounts[0].destination                       | del(.mounts[0].destination)
	mounts[0].options                           | .mounts[0].options = "ro"
	mounts                                      | .mounts = {}
	hostname                                    | .hostname = 5
	linux.namespaces[0].type                    | .linux.namespaces[0].type = "nonsense"
	linux.namespaces[0].type                    | .linux.namespaces[0] = {}
	linux.namespaces[6]                         | .linux.namespaces += [{type: "pid"}]
	linux.namespaces[0].path                    | .linux.namespaces[0].path = "relative"
	linux.cgroupsPath                           | .linux.cgroupsPath = "/../../x"
	linux.maskedPaths[0]                        | .linux.maskedPaths = ["relative"]
	linux.rootfsPropagation                     | .linux.rootfsPropagation = "nonsense"
	linux.resources.pids                        | .linux.resources.pids = {limit: "many"}
	linux.resources.cpu.quota                   | .linux.resources.cpu = {quota: 1.5}
	linux.resources.devices[0].type             | .linux.resources.devices = [{allow: true, type: "x"}]
	linux.devices[0]                            | .linux.devices = [{path: "/dev/x", type: "q", major: 1, minor: 3}]
	linux.sysctl                                | .linux.sysctl = {"kernel/../../etc/passwd": "1"}
	linux.sysctl                                | .linux.sysctl = {"vm.swappiness": "1"}
	linux.timeOffsets                           | .linux.timeOffsets = {monotonic: {secs: 1}}
	linux.uidMappings                           | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 1}]
	hooks                                       | .hooks = []
	hooks.prestart[0].path                      | .hooks.prestart = [{}]
	annotations                                 | .annotations = {"a": 1}
	EOT
}

@test "an unknown key is passed over, and refused with its place under --strict" {
  payload true
  config '.process.nonsense = 1 | .linux.alsoNonsense = {}'
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 0 ]
  refused "process.nonsense" run --strict --bundle "$BUNDLE" "$ID"
  config 'del(.process.nonsense)'
  refused "linux.alsoNonsense" create --strict --bundle "$BUNDLE" "$ID"
  clean
}

# check names exactly these places, one error line each, and counts them.
checks() { # PLACE...
  local place
  find "$BUNDLE" | sort >"$BATS_TEST_TMPDIR/before"
  run rundlet check "$BUNDLE"
  echo "$output"
  [ "$status" = 1 ]
  for place in "$@"; do
    grep -qF "error: $place" <<<"$output" || { echo "nothing of $place"; return 1; }
  done
  [ "$(grep -c '^error: ' <<<"$output")" = $# ]
  grep -q "^rundlet: error: check: $# errors$" <<<"$output"
  find "$BUNDLE" | sort | diff "$BATS_TEST_TMPDIR/before" -
  [ ! -e "$ROOT" ]
}

@test "check says every error at once, with its place, and changes nothing" {
  config '.process.user.uid = "root" | .linux.namespaces += [{type: "zzz"}] | .mounts[0].options = 5
    | .process.capabilities.bounding += ["CAP_X"] | del(.ociVersion) | .hooks = {prestart: [{path: "x"}]}'
  checks ociVersion process.user.uid 'linux.namespaces[6].type' 'mounts[0].options' 'process.capabilities.bounding[6]' 'hooks.prestart[0].path'
  cp "$TOP/tests/bats/config.json" "$BUNDLE/config.json"
  config '.process.rlimits = [{type: "RLIMIT_CORE", soft: 2, hard: 1}] | .linux.namespaces += [{type: "pid"}]
    | .linux.sysctl = {"vm.swappiness": "1"} | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 1}]'
  checks 'process.rlimits[0]' 'linux.namespaces[6]' linux.sysctl linux.uidMappings linux.gidMappings
  cp "$TOP/tests/bats/config.json" "$BUNDLE/config.json"
  run rundlet check "$BUNDLE"
  echo "$output"
  [ "$status" = 0 ]
  [ -z "$output" ]
}

# --- the machine ---------------------------------------------------------------------------------------------------
@test "a rootfs that is missing, a file, or leads to the host's root" {
  mv "$BUNDLE/rootfs" "$BUNDLE/gone"
  bad "$BUNDLE/rootfs"
  touch "$BUNDLE/rootfs"
  bad "$BUNDLE/rootfs"
  rm "$BUNDLE/rootfs"
  ln -s / "$BUNDLE/rootfs"
  bad "root.path"
  rm "$BUNDLE/rootfs"
  config '.root.path = "/"'
  bad "root.path"
  config '.root.path = "../../../../../../../../../.."'
  bad "root.path"
}

@test "a destination that climbs out stays inside; one below a file or a symlink loop is refused" {
  mkdir "$BATS_TEST_TMPDIR/host"
  config --arg host "$BATS_TEST_TMPDIR/host" '.mounts += [{destination: ("/../../../../../../.." + $host), type: "tmpfs", source: "tmpfs"}]'
  payload ls -d "$BATS_TEST_TMPDIR/host"
  run run_payload
  echo "$output"
  [ "$status" = 0 ] || [[ $output = *"mounts[7]"* ]]
  [ "$(grep -c "$BATS_TEST_TMPDIR/host" /proc/self/mountinfo)" = 0 ]
  clean
  config '.mounts[7].destination = "/etc/passwd/x"'
  bad "mounts[7]"
  ln -s loop "$BUNDLE/rootfs/loop"
  config '.mounts[7].destination = "/loop/x"'
  bad "mounts[7]"
  config '.mounts[7] = {destination: "/mnt", type: "bind", source: "/nonexistent", options: ["bind"]}'
  bad "mounts[7]"
  config '.mounts[7] = {destination: "/mnt", type: "nonsensefs", source: "x"}'
  bad "mounts[7]"
  config '.mounts[7] = {destination: "/mnt", type: "tmpfs", source: "x", options: ["nonsense=1"]}'
  bad "mounts[7]"
}

@test "a namespace path that is absent, no namespace or of another type" {
  while read -r path; do
    config --arg path "$path" '.linux.namespaces = [{type: "mount"}, {type: "network", path: $path}, {type: "uts"}]'
    bad "linux.namespaces[1]"
  done <<-EOT
	/nonexistent
	/proc/self/ns/ipc
	/etc/passwd
	/etc
	$BATS_TEST_TMPDIR/fifo
	EOT
}

@test "every verb refuses an id that is none, and touches nothing" {
  mkdir -p "$ROOT" "$BATS_TEST_TMPDIR/victim"
  long=$(head -c 300 /dev/zero | tr '\0' a)
  for id in '' . .. ../victim /etc a/b 'a b' a:b 'a
b' ä '*' .hidden "$long" "a$(printf '\033')[31m"; do
    [ -z "${IN_VM:-}" ] || [ "$id" = ../victim ] || continue
    for verb in create start state kill delete "delete --force" pause resume ps exec run; do
      set --
      case $verb in create | run) set -- --bundle "$BUNDLE" ;; esac
      words=()
      case $verb in exec) words=(true) ;; esac
      # shellcheck disable=SC2086 # two words
      run rundlet $verb "$@" -- "$id" "${words[@]}"
      [ "$status" = "$([ "$verb" = exec ] && echo 255 || echo 1)" ] || { echo "$verb $id: $status $output"; false; }
      [[ $output = *"container id"* ]] || { echo "$verb $id: $output"; false; }
      [[ $output != *$'\033'* ]]
    done
  done
  [ -z "$(ls -A "$ROOT")" ]
  [ -d "$BATS_TEST_TMPDIR/victim" ]
  payload true
  for id in "$ID-+_." "-$ID" "${ID}_$(head -c 100 /dev/zero | tr '\0' b)"; do
    config --arg path "/$ID" '.linux.cgroupsPath = $path'
    run rundlet run --bundle "$BUNDLE" -- "$id" </dev/null
    echo "$output"
    [ "$status" = 0 ]
  done
}

@test "a state root on a read-only file system, or below a file" {
  mkdir "$ROOT"
  run unshare -m sh -c 'mount -t tmpfs -o ro,mode=700 tmpfs "$1" && shift && exec "$@"' sh "$ROOT" \
    timeout "$LIMIT" "$RUNTIME" --root "$ROOT" create --bundle "$BUNDLE" "$ID"
  echo "$output"
  [ "$status" = 1 ]
  [ "${#lines[@]}" = 1 ]
  [[ $output = *"$ROOT"*"ead-only"* ]]
  clean
  run timeout "$LIMIT" "$RUNTIME" --root "$BUNDLE/config.json/x" create --bundle "$BUNDLE" "$ID"
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"$BUNDLE/config.json"* ]]
}

@test "without a cgroup2 mount: an error that says so when limits are asked, and nothing is left" {
  config '.linux.resources = {pids: {limit: 10}}'
  run unshare -m sh -c 'umount -R -l /sys/fs/cgroup && exec "$@"' sh \
    timeout "$LIMIT" "$RUNTIME" --root "$ROOT" create --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  [[ $output = *cgroup* ]]
  clean
}

@test "sockets, logs and pid files that are not there or not what they should be" {
  for path in "$BATS_TEST_TMPDIR/absent" "$BUNDLE/config.json" /; do
    refused "console-socket" create --bundle "$BUNDLE" --console-socket "$path" "$ID"
  done
  config '.process.terminal = true'
  for path in "$BATS_TEST_TMPDIR/absent" "$BUNDLE/config.json" / "/$(head -c 200 /dev/zero | tr '\0' x)"; do
    refused "console-socket" create --bundle "$BUNDLE" --console-socket "$path" "$ID"
    clean
  done
  refused "terminal" create --bundle "$BUNDLE" "$ID"
  config '.process.terminal = false'
  refused "pidfd-socket" create --bundle "$BUNDLE" --pidfd-socket "$BATS_TEST_TMPDIR/absent" "$ID"
  clean
  refused "pid-file" create --bundle "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/absent/pid" "$ID"
  clean
  mkdir "$BATS_TEST_TMPDIR/folder"
  refused "pid-file" create --bundle "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/folder" "$ID"
  clean
  refused "log" --log "$BATS_TEST_TMPDIR/absent/log" create --bundle "$BUNDLE" "$ID"
  refused "log" --log "$BATS_TEST_TMPDIR/folder" create --bundle "$BUNDLE" "$ID"
  refused "nonsense" --log-format nonsense list
  mkfifo "$BATS_TEST_TMPDIR/fifo"
  refused "fifo" --log "$BATS_TEST_TMPDIR/fifo" state "$ID"
}

# --- the record ----------------------------------------------------------------------------------------------------
# Whatever lies where the record was: state says what is wrong, list goes on, kill and start touch nobody, delete --force
# removes everything, and the id is free.
broken_record() { # WHAT
  local pid
  pid=$(cat "$BATS_TEST_TMPDIR/pid")
  refused "$ID" state "$ID"
  run rundlet list --quiet
  [ "$status" = 0 ]
  grep -qx "$ID-good" <<<"$output"
  refused "$ID" kill "$ID" KILL
  refused "$ID" start "$ID"
  refused "$ID" delete "$ID"
  [ -d "/proc/$pid" ] && [ -e "$CGROUPS/$ID" ]
  run quietly delete --force "$ID"
  echo "$1: $output"
  [ "$status" = 0 ]
  [ ! -e "$ROOT/$ID" ]
  [ ! -e "$CGROUPS/$ID" ]
  wait_for test ! -e "/proc/$pid"
}

@test "a broken record: state names it, delete --force leaves nothing, whatever lies there" {
  config '.linux.cgroupsPath += "-good"'
  quietly create --bundle "$BUNDLE" "$ID-good"
  config --arg path "/$ID" '.linux.cgroupsPath = $path'
  record=$ROOT/$ID/state.json
  create --pid-file "$BATS_TEST_TMPDIR/pid"
  size=$(wc -c <"$record")
  for at in 0 1 $((size / 3)) $((size - 2)); do
    [ -z "${IN_VM:-}" ] || [ "$at" -gt 1 ] || continue
    [ -e "$record" ] || create --pid-file "$BATS_TEST_TMPDIR/pid"
    truncate -s "$at" "$record"
    broken_record "cut at $at"
  done
  while IFS= read -r how; do
    create --pid-file "$BATS_TEST_TMPDIR/pid"
    cp "$record" "$BATS_TEST_TMPDIR/record"
    rm "$record"
    eval "$how"
    broken_record "$how"
  done < <(sampled 4 <<-'EOT'
	head -c 300 /dev/urandom >"$record"
	mkdir "$record"
	mkfifo "$record"
	ln -s /dev/zero "$record"
	ln -s nowhere "$record"
	:
	jq ".version = 99" "$BATS_TEST_TMPDIR/record" >"$record"
	jq '.id = "other"' "$BATS_TEST_TMPDIR/record" >"$record"
	jq '.cgroupPath = "/../.."' "$BATS_TEST_TMPDIR/record" >"$record"
	jq '.pid = "1"' "$BATS_TEST_TMPDIR/record" >"$record"
	EOT
  )
  [ "$(rundlet state "$ID-good" | jq -r .status)" = created ]
}

@test "a record that points at strangers: nobody else is signalled, nothing else is removed" {
  mkdir "$CGROUPS/$ID-stranger"
  sleep 500 >/dev/null 2>&1 3>&- 4>&- &
  stranger=$!
  echo "$stranger" >"$CGROUPS/$ID-stranger/cgroup.procs"
  record=$ROOT/$ID/state.json
  while read -r filter; do
    create
    pid=$(init_pid)
    jq --argjson pid "$stranger" --arg cgroup "/$ID-stranger" "$filter" "$record" >"$record.new"
    mv "$record.new" "$record"
    run rundlet kill "$ID" KILL
    run quietly delete --force "$ID"
    echo "$filter: $output"
    [ "$status" = 0 ]
    kill -0 "$stranger"
    [ -d "$CGROUPS/$ID-stranger" ]
    [ ! -e "$ROOT/$ID" ]
    # What the record no longer named is found by its label.
    wait_for test ! -e "/proc/$pid" || { echo "the container lives on"; false; }
    [ ! -e "$CGROUPS/$ID" ]
  done <<-'EOT'
	.pid = $pid
	.pid = 1
	.cgroupPath = $cgroup
	.pid = $pid | .cgroupPath = $cgroup
	.bootId = "00000000-0000-0000-0000-000000000000"
	EOT
  kill "$stranger"
  wait "$stranger" || true
  wait_for rmdir "$CGROUPS/$ID-stranger"
}
