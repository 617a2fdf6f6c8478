#!/usr/bin/env bats
# The command line itself: help, version, spec, check, plan, features, completion, the man page, colours.

load helpers

setup() {
  rundlet_only
  bundle_setup
}

commands() {
  rundlet --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

@test "the version is three lines, with either spelling" {
  for option in --version -v -V -version; do
    run rundlet "$option"
    [ "$status" = 0 ]
    [ "${#lines[@]}" = 3 ]
    [[ ${lines[0]} =~ ^rundlet\ version\ [0-9]+\.[0-9]+[^\ ]*$ ]]
    [[ ${lines[1]} =~ ^commit:\ [^\ ]+$ ]]
    [[ ${lines[2]} =~ ^spec:\ 1\.[0-9]+\.[0-9]+$ ]]
  done
}

@test "help teaches: every command has a synopsis, a sentence and its options, in three ways, on standard output" {
  [ "$(commands | wc -l)" -ge 15 ]
  for command in $(commands | sampled 5); do
    help=$(rundlet "$command" --help 2>"$BATS_TEST_TMPDIR/err")
    [ ! -s "$BATS_TEST_TMPDIR/err" ]
    [[ $help = "Usage: rundlet $command"* ]]
    # More than the summary: at least one full sentence.
    sed -n '3p' <<<"$help" | grep -q '^[A-Z]'
    [ "$(rundlet help "$command")" = "$help" ]
    [ "$(rundlet "$command" -h)" = "$help" ]
    [ "$(awk 'length > 130' <<<"$help")" = "" ]
    rundlet "$command" --nonsense 2>&1 | grep -q "rundlet $command --help"
  done
  [ "$(rundlet help)" = "$(rundlet --help)" ]
  for command in run create exec kill plan check; do
    rundlet "$command" --help | grep -q "^  rundlet $command " || { echo "no example of $command"; false; }
  done
  for option in bundle console-socket pid-file pidfd-socket preserve-fds no-pivot layer upper; do
    rundlet create --help | grep -q -- "--$option"
  done
}

@test "the example of --help works as it is written" {
  cd "$BATS_TEST_TMPDIR"
  rundlet --help | sed -n '/^A first container:/,/^$/s/^  //p' >example
  [ "$(wc -l <example)" = 3 ]
  sed -i "s,/bin/busybox,$(command -v busybox),; s,^rundlet,timeout --foreground $LIMIT $RUNTIME --root $ROOT," example
  # The default config has a shell on a terminal.
  { echo 'echo "I am $$"; exit 4'; sleep 1; } | (
    code=0
    timeout -k 5 "$LIMIT" "$PTY" bash -e example >out 3>&- 4>&- || code=$?
    [ "$code" = 4 ]
  )
  grep -q "I am 1" out
}

@test "what is not understood is refused in one line with a hint, and exit status 1" {
  while IFS='|' read -r words arguments; do
    # shellcheck disable=SC2086 # words
    run rundlet $arguments
    echo "$arguments: $output"
    # exec's own errors are told from its program's.
    if [ "$arguments" = exec ]; then [ "$status" = 255 ]; else [ "$status" = 1 ]; fi
    [[ ${lines[0]} = "rundlet: error: "*"$words"* ]]
    [[ ${lines[1]} = "hint: see rundlet "*"--help" ]]
    [ "${#lines[@]}" = 2 ]
  done < <(sampled 6 <<-'EOT'
	unknown command nonsense|nonsense
	unknown command crete|crete x
	unknown option --nonsense|--nonsense list
	unknown option -x|-x list
	unknown option --nonsense|create --nonsense x
	unknown option -z|run -z x
	flag needs an argument: --bundle|create --bundle
	flag needs an argument: --pid-file|create --pid-file
	usage: rundlet state ID|state
	usage: rundlet state ID|state a b
	usage: rundlet kill|kill a TERM b
	usage: rundlet start|start
	usage: rundlet create|create
	usage: rundlet exec|exec
	--preserve-fds|run --preserve-fds=-1 x
	--preserve-fds|run --preserve-fds 4294967296 x
	--preserve-fds|run --preserve-fds 1x x
	--detach|run --detach=maybe x
	EOT
  )
  run rundlet
  [ "$status" = 1 ]
  [[ $output = *Usage:* ]]
  run rundlet --cgroup-manager nonsense list
  [ "$status" = 1 ]
  run rundlet --log-level nonsense list
  [ "$status" = 1 ]
}

@test "global options that engines give are taken, twice too" {
  for options in "--debug=false --debug=false" "--cgroup-manager cgroupfs" "--rootless=auto" "--rootless true" \
    "--log-format text --log-format json --log /dev/null" "--log-level debug --log /dev/null" "--criu /usr/sbin/criu"; do
    # shellcheck disable=SC2086 # words
    run rundlet $options list --quiet
    [ "$status" = 0 ] || { echo "$options: $output"; false; }
    [ -z "$output" ]
  done
}

@test "--timing says how long each phase took, only when asked, in the log's own form" {
  number='[0-9]+\.[0-9]{2} ms'
  payload true
  [ "$(rundlet run --bundle "$BUNDLE" "$ID" 2>&1)" = "" ]
  run rundlet --timing run --bundle "$BUNDLE" "$ID"
  [ "$status" = 0 ]
  [[ $output =~ timing\ of\ run:\ config\ $number,\ .*plan\ $number,.*\ container\ $number,.*\ all\ $number$ ]]
  rundlet --timing --log "$BATS_TEST_TMPDIR/log" --log-format json state absent-"$ID" 2>/dev/null || true
  jq -es 'any(.level == "info" and (.msg | test("^timing of state: .*all [0-9.]+ ms$")))' "$BATS_TEST_TMPDIR/log"
}

@test "spec writes a config that check finds clean and that runs, and overwrites nothing" {
  cd "$BATS_TEST_TMPDIR"
  mkdir fresh
  cp -a "$BUNDLE/rootfs" fresh/rootfs
  rundlet spec --bundle fresh
  [ "$(stat -c %a fresh/config.json)" = 644 ] || [ "$(stat -c %a fresh/config.json)" = 600 ]
  jq -e '.ociVersion == "1.3.0" and .process.args == ["sh"] and .process.terminal and .process.noNewPrivileges
    and .root.path == "rootfs" and (.linux.maskedPaths | length) > 5 and ([.linux.namespaces[].type] | index("user") == null)
    and ([.mounts[].destination] | index("/proc") != null)' fresh/config.json
  run rundlet check --strict fresh
  echo "$output"
  [ "$status" = 0 ]
  [ -z "$output" ]
  cp fresh/config.json before
  run rundlet spec -b fresh
  [ "$status" = 1 ]
  [[ $output = *"config.json exists"* ]]
  cmp before fresh/config.json
  ln -s nowhere fresh/link
  run rundlet spec --file fresh/link
  [ "$status" = 1 ]
  [ ! -e fresh/nowhere ]
  rundlet spec -f other.json
  cmp before other.json
  run rundlet spec --bundle absent
  [ "$status" = 1 ]
  jq '.process.terminal = false | .process.args = ["sh", "-c", "id -u; hostname"]' before >fresh/config.json
  run rundlet run --bundle fresh "$ID" </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = 0 ]
}

@test "spec --rootless gives a config for an ordinary user" {
  cd "$BATS_TEST_TMPDIR"
  rundlet spec --rootless --file rootless.json
  jq -e '([.linux.namespaces[].type] | index("user") != null) and (.linux.uidMappings | length) == 1
    and .linux.uidMappings[0].containerID == 0 and .linux.uidMappings[0].size == 1 and (.linux.resources == null)
    and ([.mounts[] | .options[]?] | index("gid=5") == null)' rootless.json
  cp rootless.json "$BUNDLE/config.json"
  run rundlet check "$BUNDLE"
  echo "$output"
  [ "$status" = 0 ]
}

@test "spec --system gives a config for an init with its own cgroup, and is root's alone" {
  cd "$BATS_TEST_TMPDIR"
  rundlet spec --system
  jq -S . "$TOP/tests/golden/default-system.json" >golden.json
  jq -S . config.json | cmp golden.json -
  cp config.json "$BUNDLE/config.json"
  run rundlet check --strict "$BUNDLE"
  echo "$output"
  [ "$status" = 0 ]
  [ -z "$output" ]
  payload sh -c 'echo 1 >/sys/fs/cgroup/cgroup.max.depth 2>/dev/null; mkdir /sys/fs/cgroup/mine && echo cgroup
    for folder in / /run /run/lock /tmp; do echo >$folder/file && echo $folder; done; echo $container'
  config --arg path "$CGROUPS_PATH" '.linux.cgroupsPath = $path'
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = $'cgroup\n/\n/run\n/run/lock\n/tmp\noci' ]
  run rundlet spec --system --rootless --file other.json
  [ "$status" = 1 ]
  [[ $output = *"--rootless and --system"* ]]
  [ ! -e other.json ]
}

@test "plan of the default config: three lanes, relative paths, the golden text, and no trace" {
  cd "$BUNDLE"
  rm config.json
  rundlet spec
  find . | sort >"$BATS_TEST_TMPDIR/before"
  run rundlet plan
  echo "$output"
  [ "$status" = 0 ]
  for lane in open child host; do grep -q "^$lane " <<<"$output" || [ "$lane" = host ]; done
  grep -q '^child *mount *proc on /proc' <<<"$output" || grep -Eq '^child .*proc' <<<"$output"
  [[ $output != *"$BATS_TEST_TMPDIR"* ]]
  find . | sort | diff "$BATS_TEST_TMPDIR/before" -
  [ ! -e "$ROOT" ]
  run rundlet plan "$BUNDLE"
  [ "$status" = 0 ]
  jq -S . "$TOP/tests/golden/default.json" >"$BATS_TEST_TMPDIR/golden.json"
  jq -S . config.json >"$BATS_TEST_TMPDIR/spec.json"
  cmp "$BATS_TEST_TMPDIR/golden.json" "$BATS_TEST_TMPDIR/spec.json"
  rundlet plan --probe=full . | diff "$TOP/tests/golden/default.plan" -
}

@test "features is the document of the spec: versions, hooks and every name that is really understood" {
  rundlet features >"$BATS_TEST_TMPDIR/features"
  jq -e '.ociVersionMin == "1.0.0" and .ociVersionMax == "1.3.0"
    and (.hooks | sort) == ["createContainer", "createRuntime", "poststart", "poststop", "prestart", "startContainer"]
    and ([.linux.namespaces[]] | sort) == ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"]
    and (.mountOptions | index("rro")) and (.mountOptions | index("idmap")) and (.mountOptions == (.mountOptions | unique))
    and (.linux.capabilities | index("CAP_SYS_ADMIN")) and (.linux.capabilities | index("CAP_CHECKPOINT_RESTORE"))
    and .linux.cgroup.v2 == true and .linux.cgroup.v1 == false and .linux.cgroup.systemd and .linux.cgroup.systemdUser
    and .linux.seccomp.enabled == true
    and (.linux.seccomp.actions | index("SCMP_ACT_NOTIFY")) and (.linux.seccomp.operators | index("SCMP_CMP_MASKED_EQ"))
    and (.linux.seccomp.archs | index("SCMP_ARCH_X86_64")) and (.linux.seccomp.supportedFlags | index("SECCOMP_FILTER_FLAG_LOG"))
    and .linux.mountExtensions.idmap.enabled == true and .linux.cgroup.rdma == true
    and .linux.apparmor.enabled == true and .linux.selinux.enabled == true
    and (.linux.memoryPolicy.modes | length) == 7 and (.linux.memoryPolicy.flags | length) == 3
    and (.annotations["org.rundlet.version"] | test("^[0-9]+[.]")) and (.annotations | length) == 2
    and ([.linux.capabilities[] | test("^CAP_[A-Z_]+$")] | all)
    and ([.potentiallyUnsafeConfigAnnotations[] | test("^[a-z.][A-Za-z0-9._-]+$")] | all)
    and .linux.intelRdt == {enabled: true, schemata: true, monitoring: true} and .linux.netDevices.enabled == true' "$BATS_TEST_TMPDIR/features"
  # Each mount option, capability, namespace and seccomp name is taken by check.
  jq --slurpfile features "$BATS_TEST_TMPDIR/features" '$features[0] as $f
    | .process.capabilities = {bounding: $f.linux.capabilities}
    | .linux.namespaces = [$f.linux.namespaces[] | {type: .}]
    | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 10}] | .linux.gidMappings = .linux.uidMappings
    | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: $f.linux.seccomp.archs, listenerPath: "/agent",
        flags: ($f.linux.seccomp.supportedFlags - ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]),
        syscalls: ([$f.linux.seccomp.actions[] | {names: ["mkdir"], action: .}]
          + [$f.linux.seccomp.operators[] | {names: ["rmdir"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 1, op: .}]}])}
    | .mounts += [$f.mountOptions[] | select(. != "remount" and . != "bind" and . != "rbind" and . != "idmap" and . != "ridmap")
        | {destination: ("/mnt/" + .), type: "bind", source: "/tmp", options: ["bind", .]}]' \
    "$TOP/tests/bats/config.json" >"$BUNDLE/config.json"
  run rundlet check "$BUNDLE"
  echo "$output"
  [ "$status" = 0 ]
}

# What engines found with runc they find here: every name of its lists, and nothing that it has is refused here.  cgroup v1
# is not; acl and noacl (not of the spec) are words for the file system.
@test "features has everything that runc lists" {
  runc features >"$BATS_TEST_TMPDIR/runc"
  rundlet features >"$BATS_TEST_TMPDIR/features"
  run jq -cn --slurpfile ours "$BATS_TEST_TMPDIR/features" --slurpfile theirs "$BATS_TEST_TMPDIR/runc" '
    [$theirs[0] | paths(scalars) as $p | select(getpath($p) != false)
      | {list: ($p | map(select(type == "string"))), value: getpath($p)}
      | select(.list[0] | IN("hooks", "mountOptions", "linux"))] as $wanted
    | [$wanted[] | select(.value as $v | .list as $l | $ours[0] | getpath($l)
        | if type == "array" then index([$v]) == null else . != $v end)
      | select((.list == ["linux", "cgroup", "v1"] or (.value | IN("acl", "noacl"))) | not)]
    | if ($wanted | length) < 100 then error("hardly anything to compare") else . end'
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = '[]' ]
}

@test "the completion completes commands, options of a command and ids" {
  rundlet --bash-completion >"$BATS_TEST_TMPDIR/completion"
  create
  mkdir "$BATS_TEST_TMPDIR/bin"
  printf '#!/bin/sh\nexec "%s" --root "%s" "$@"\n' "$RUNTIME" "$ROOT" >"$BATS_TEST_TMPDIR/bin/rundlet"
  chmod 755 "$BATS_TEST_TMPDIR/bin/rundlet"
  PATH=$BATS_TEST_TMPDIR/bin:$PATH run bash -c '
    . "$1" && complete -p rundlet >/dev/null || exit 1
    try() {
      COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
      _rundlet rundlet "${COMP_WORDS[COMP_CWORD]}" x
      echo "$*: ${COMPREPLY[*]}"
    }
    try rundlet cre
    try rundlet --ver
    try rundlet create --pid
    try rundlet --root x kill "$2"' completion "$BATS_TEST_TMPDIR/completion" "${ID:0:4}"
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = "rundlet cre: create" ]
  [ "${lines[1]}" = "rundlet --ver: --version" ]
  [[ ${lines[2]} = *"--pid-file"* && ${lines[2]} = *"--pidfd-socket"* ]]
  [[ ${lines[3]} = *": $ID" ]] || [[ ${lines[3]} = *"--root x"* ]]
  PATH=$BATS_TEST_TMPDIR/bin:$PATH run bash -c '. "$1"; COMP_WORDS=(rundlet kill "$2") COMP_CWORD=2; _rundlet; echo "${COMPREPLY[*]}"' \
    completion "$BATS_TEST_TMPDIR/completion" "${ID:0:4}"
  [ "$output" = "$ID" ]
}

@test "the man page renders without a warning and knows every command and option" {
  rundlet --man >"$BATS_TEST_TMPDIR/commands"
  # Made into a page as the Makefile does it.
  make -s -C "$TOP" install "BUILD=$BUILD" "DESTDIR=$BATS_TEST_TMPDIR/place" PREFIX=/usr
  page=$BATS_TEST_TMPDIR/place/usr/share/man/man8/rundlet.8
  warnings=$(MANWIDTH=90 man --warnings -l "$page" 2>&1 >"$BATS_TEST_TMPDIR/text")
  [ -z "$warnings" ] || { echo "$warnings"; false; }
  col -b <"$BATS_TEST_TMPDIR/text" >"$BATS_TEST_TMPDIR/plain"
  for command in $(commands); do
    echo "$command"
    [ -n "${IN_VM:-}" ] || rundlet "$command" --help | sed -n 's/^ *\(-., \)\?--\([a-z0-9-]*\).*/--\2/p'
  done | sort -u >"$BATS_TEST_TMPDIR/words"
  # Every word of the list begins a word of the page.
  tr -s ' ,' '\n' <"$BATS_TEST_TMPDIR/plain" | sort -u >"$BATS_TEST_TMPDIR/said"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/words")" -ge 15 ]
  missing=$(comm -23 "$BATS_TEST_TMPDIR/words" "$BATS_TEST_TMPDIR/said")
  [ -z "$missing" ] || { echo "not in the man page: $missing"; false; }
}

@test "errors are coloured on a terminal only, and never with NO_COLOR" {
  escape=$(printf '\033')
  run rundlet state nothing
  [[ $output != *"$escape"* ]]
  run on_terminal "$RUNTIME" --root "$ROOT" state nothing
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"${escape}[31m"*"error"*"${escape}[0m"*"does not exist"* ]]
  NO_COLOR=1 run on_terminal "$RUNTIME" --root "$ROOT" state nothing
  [[ $output != *"$escape"* ]]
  NO_COLOR='' run on_terminal "$RUNTIME" --root "$ROOT" state nothing
  [[ $output = *"$escape"* ]]
  # What others chose is not shown as it is.
  run on_terminal "$RUNTIME" --root "$ROOT" state "x${escape}[2J"
  [[ $output != *"${escape}[2J"* ]]
}

@test "output that cannot be written is a failure" {
  for arguments in features --help --version "list --format json"; do
    # shellcheck disable=SC2016 # for the inner shell
    run bash -c '"$0" --root "$1" $2 >/dev/full' "$RUNTIME" "$ROOT" "$arguments"
    echo "$arguments: $output"
    [ "$status" = 1 ]
    [ "$output" = "rundlet: error: write to standard output: not everything could be written" ]
  done
}

@test "rundlet started with closed standard streams hands no file of its own to the container" {
  payload sh -c 'ls /proc/self/fd >/tmp/fds; [ ! -e /proc/self/fd/0 ] || readlink /proc/self/fd/0 >/tmp/zero'
  bash -c 'exec 0<&- 1>&- 2>&-; exec "$@"' sh timeout "$LIMIT" "$RUNTIME" --root "$ROOT" run --bundle "$BUNDLE" "$ID" 3>&- 4>&-
  cat "$BUNDLE/rootfs/tmp/fds" "$BUNDLE/rootfs/tmp/zero"
  [ "$(tr '\n' ' ' <"$BUNDLE/rootfs/tmp/fds")" = "0 1 2 3 " ]
  [ "$(cat "$BUNDLE/rootfs/tmp/zero")" = /dev/null ]
}

@test "a setuid copy refuses to work" {
  mkdir "$BATS_TEST_TMPDIR/bin"
  cp "$RUNTIME" "$BATS_TEST_TMPDIR/bin/rundlet"
  chmod 4755 "$BATS_TEST_TMPDIR/bin/rundlet"
  run as_tester "$BATS_TEST_TMPDIR/bin/rundlet" list
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *setuid* ]]
}
