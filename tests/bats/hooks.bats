#!/usr/bin/env bats
# Hooks: when, where and with what each of the six kinds runs, and what its failure does.

load helpers

# A program for hooks, on the host and in the container, that records what it was given in FOLDER/NAME.*; its second
# argument is NAME.  What host hooks record lies in $RECORD, which the container sees as /record.
setup() {
  bundle_setup
  RECORD=$BUNDLE/rootfs/record
  HOOK=$BUNDLE/rootfs/hook
  mkdir "$RECORD"
  cat >"$HOOK" <<'EOT'
#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
cat >"$1/$2.json"
for n in mnt pid net ipc uts cgroup user; do readlink "/proc/self/ns/$n"; done >"$1/$2.ns"
tr '\0' '\n' </proc/self/environ >"$1/$2.env"
pwd >"$1/$2.cwd"
ls /proc/self/fd >"$1/$2.fds"
for a in "$@"; do echo "$a"; done >"$1/$2.args"
echo "$2" >>"$1/order"
echo "hook $2 says this"
exit "${3:-0}"
EOT
  chmod 755 "$HOOK"
}

# Adds recorders for KINDs; startContainer's runs in the container.
record() { # KIND...
  local kind
  for kind in "$@"; do
    config --arg kind "$kind" --arg hook "$HOOK" --arg folder "$RECORD" '
      (if $kind == "startContainer" then {path: "/hook", folder: "/record"} else {path: $hook, folder: $folder} end) as $place
      | .hooks[$kind] += [{path: $place.path, args: ["hook", $place.folder, $kind], env: ["KIND=" + $kind, "EMPTY="]}]'
  done
}

hook() { # KIND SHELL-COMMAND [TIMEOUT]: adds a hook
  config --arg kind "$1" --arg words "$2" --argjson timeout "${3:-null}" \
    '.hooks[$kind] += [{path: "/bin/sh", args: ["sh", "-c", $words]} + (if $timeout then {timeout: $timeout} else {} end)]'
}

order() {
  tr '\n' ' ' <"$RECORD/order"
}

# Exit status 1, one error line with these words, and nothing is left: fails 'words' COMMAND...
fails() {
  local words=$1
  shift
  run quietly "$@"
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  [[ $output = *"$words"* ]]
}

all='prestart createRuntime createContainer startContainer poststart poststop'

@test "hooks run in the order of the spec, each at its time" {
  # shellcheck disable=SC2086 # words
  record $all
  create
  [ "$(order)" = "prestart createRuntime createContainer " ]
  start
  [ "$(order)" = "prestart createRuntime createContainer startContainer poststart " ]
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  [ "$(order)" = "prestart createRuntime createContainer startContainer poststart " ]
  quietly delete "$ID"
  [ "$(order)" = "prestart createRuntime createContainer startContainer poststart poststop " ]
}

@test "hooks get the state, their own arguments, environment and folder, and no file of ours" {
  # shellcheck disable=SC2086 # words
  record $all
  config '.annotations = {"org.example": "x \"quoted\"\n"} | .process.env += ["LD_PRELOAD=/nonexistent.so", "SECRET=of the process"]'
  OUTSIDE=yes create
  pid=$(init_pid)
  for kind in mnt pid net ipc uts cgroup user; do readlink "/proc/$pid/ns/$kind"; done >"$BATS_TEST_TMPDIR/inside"
  for kind in mnt pid net ipc uts cgroup user; do readlink "/proc/self/ns/$kind"; done >"$BATS_TEST_TMPDIR/outside"
  start
  quietly delete --force "$ID"
  while read -r kind status where; do
    echo "$kind: $(cat "$RECORD/$kind.json")"
    jq -e --arg id "$ID" --arg status "$status" --arg bundle "$BUNDLE" --argjson pid "$pid" '
      .id == $id and .status == $status and .bundle == $bundle and (.ociVersion | startswith("1."))
      and .annotations == {"org.example": "x \"quoted\"\n"}
      and if $status == "stopped" then (.pid // 0) == 0 else .pid == $pid end' "$RECORD/$kind.json"
    [ "$(cat "$RECORD/$kind.env")" = "KIND=$kind"$'\n'"EMPTY=" ]
    [ "$(sed -n 2p "$RECORD/$kind.args")" = "$kind" ]
    cmp "$RECORD/$kind.ns" "$BATS_TEST_TMPDIR/$where"
    # Standard streams and what reads the folder.
    [ "$(tr '\n' ' ' <"$RECORD/$kind.fds")" = "0 1 2 3 " ]
    if [ "$where" = outside ]; then [ "$(cat "$RECORD/$kind.cwd")" = "$BUNDLE" ]; else [ "$(cat "$RECORD/$kind.cwd")" = / ]; fi
  done <<-'EOT'
	prestart creating outside
	createRuntime creating outside
	createContainer creating inside
	startContainer created inside
	poststart running outside
	poststop stopped outside
	EOT
}

@test "createContainer sees the host's files, startContainer the container's; both see the finished mounts" {
  hook createContainer "cat $BUNDLE/config.json >/dev/null && grep -q '$BUNDLE/rootfs/proc ' /proc/self/mountinfo"
  config '.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "[ ! -e /usr/lib ] && [ -e /hook ] && hostname >/record/name && echo $$ >/record/pid"]}]'
  create
  start
  [ "$(cat "$RECORD/name")" = box ]
  [ "$(cat "$RECORD/pid")" -gt 1 ]
}

@test "a hook without args gets its path, without env an empty one" {
  cat >"$BATS_TEST_TMPDIR/plain" <<-EOT
	#!/bin/sh
	tr '\\0' ' ' </proc/self/cmdline >"$RECORD/cmdline"
	/usr/bin/tr '\\0' '\\n' </proc/self/environ >"$RECORD/environ"
	EOT
  chmod 755 "$BATS_TEST_TMPDIR/plain"
  config --arg path "$BATS_TEST_TMPDIR/plain" '.hooks.createRuntime = [{path: $path}]'
  create
  [ "$(cat "$RECORD/cmdline")" = "/bin/sh $BATS_TEST_TMPDIR/plain " ]
  [ ! -s "$RECORD/environ" ]
}

@test "a failing hook of create: the error names it, later ones do not run, poststop does, nothing is left" {
  for kind in prestart createRuntime createContainer; do
    rm -f "$RECORD/order"
    config 'del(.hooks)'
    hook "$kind" "true"
    hook "$kind" "echo its own words >&2; exit 3"
    record "$kind" startContainer poststart poststop
    for verb in create run; do
      fails "hooks.${kind}[1]" "$verb" --bundle "$BUNDLE" "$ID"
      [[ $output = *"its own words"* ]]
      [ "$(order)" = "poststop " ]
      rm "$RECORD/order"
      [ ! -e "$ROOT/$ID" ]
      [ ! -e "$CGROUPS/$ID" ]
    done
  done
}

@test "a failing startContainer hook: the program never runs, the container is gone, poststop ran" {
  config '.hooks.startContainer = [{path: "/bin/true"}, {path: "/bin/false"}] | .process.args = ["touch", "/record/ran"]'
  record startContainer poststart poststop
  fails "hooks.startContainer[1]" run --bundle "$BUNDLE" "$ID"
  [ "$(order)" = "poststop " ]
  rm "$RECORD/order"
  create
  fails "hooks.startContainer[1]" start "$ID"
  [ "$(order)" = "poststop " ]
  [ ! -e "$RECORD/ran" ]
  [ ! -e "$ROOT/$ID" ]
}

@test "a failing poststart hook is an error and ends the container; a failing poststop hook is only a warning" {
  hook poststart "true"
  hook poststart "exit 1"
  record poststart poststop
  fails "hooks.poststart[1]" run --detach --bundle "$BUNDLE" "$ID"
  [ "$(order)" = "poststop " ]
  create
  pid=$(init_pid)
  fails "hooks.poststart[1]" start "$ID"
  wait_for test ! -e "/proc/$pid"
  [ "$(order)" = "poststop poststop " ]
  config 'del(.hooks)'
  hook poststop "exit 1"
  record poststop
  rm "$RECORD/order"
  create
  run rundlet delete --force "$ID"
  echo "$output"
  [ "$status" = 0 ]
  [[ $output = *"warning"*"hooks.poststop[0]"* ]]
  [ "$(order)" = "poststop " ] # the next one ran all the same
}

@test "a hook that cannot be started is named with the reason" {
  echo text >"$BATS_TEST_TMPDIR/plain"
  for kind in prestart createRuntime createContainer startContainer poststart; do
    config --arg kind "$kind" 'del(.hooks) | .hooks[$kind] = [{path: "/nonexistent/hook"}]'
    fails "hooks.${kind}[0]" run --detach --bundle "$BUNDLE" "$ID"
    [[ $output = *"/nonexistent/hook"*"No such file"* ]]
  done
  config --arg path "$BATS_TEST_TMPDIR/plain" '.hooks = {createRuntime: [{path: $path}]}'
  fails "ermission denied" create --bundle "$BUNDLE" "$ID"
  config '.hooks = {createRuntime: [{path: "true"}]}'
  fails "hooks.createRuntime[0].path" create --bundle "$BUNDLE" "$ID"
  config '.hooks = {createRuntime: [{path: "/bin/true", timeout: 0}]}'
  fails "hooks.createRuntime[0].timeout" create --bundle "$BUNDLE" "$ID"
}

@test "a hook that is not done in its time is ended with what it forked" {
  for kind in createRuntime createContainer startContainer; do
    config 'del(.hooks)'
    hook "$kind" "(sleep 77$$ & sleep 77$$) & (sleep 77$$ &); sleep 77$$" 1
    begin=$SECONDS
    fails "hooks.${kind}[0]" run --bundle "$BUNDLE" "$ID"
    [[ $output = *time* ]]
    [ $((SECONDS - begin)) -lt $((8 * ${SLOW:-1})) ]
    WAIT=3 wait_for eval '! pgrep -f "^sleep 77$$"'
  done
  hook createRuntime "exit 0" 1
  config 'del(.hooks)'
  hook createRuntime "exec sleep 0.2" 10
  create
}

@test "what a successful hook leaves running stays, without keeping anybody waiting" {
  hook createRuntime "sleep 71$$ & echo started"
  quietly create --bundle "$BUNDLE" "$ID"
  pgrep -f "^sleep 71$$"
  pkill -f "^sleep 71$$"
}

@test "a hook that never reads its input, says too much or closes everything disturbs nobody" {
  head -c 300000 /dev/zero | tr '\0' a >"$BATS_TEST_TMPDIR/long"
  config --rawfile long "$BATS_TEST_TMPDIR/long" '.annotations = {long: $long}'
  for kind in prestart createRuntime createContainer; do
    hook "$kind" "exit 0"
    hook "$kind" "exec 0<&- 1>&- 2>&-; exit 0"
  done
  hook createRuntime "head -c 5000000 /dev/zero | tr '\\0' x; head -c 5000000 /dev/zero | tr '\\0' y >&2; echo end"
  hook poststop "exit 0"
  create
  [ "$(wc -c <"$OUT")" -le 70000 ]
  [ "$(wc -c <"$OUT")" -ge 60000 ]
  start
  is_status running
}

@test "a hook may ask for the state, and a poststart hook sees the container run" {
  hook createRuntime "$RUNTIME --root $ROOT state $ID >$RECORD/create.json"
  hook poststart "$RUNTIME --root $ROOT state $ID >$RECORD/start.json"
  hook poststop "$RUNTIME --root $ROOT state $ID >$RECORD/stop.json 2>&1"
  create
  [ "$(jq -r .status "$RECORD/create.json")" = creating ]
  start
  [ "$(jq -r .status "$RECORD/start.json")" = running ]
  quietly delete --force "$ID"
  grep -q "does not exist" "$RECORD/stop.json"
}

@test "a createRuntime hook can put things into the container's network namespace and its mounts" {
  hook createRuntime 'pid=$(sed "s/.*\"pid\": *\([0-9]*\).*/\1/"); nsenter -t $pid -n ip link set lo mtu 1234 && nsenter -t $pid -m mkdir '"$RECORD/made"
  payload sh -c 'cat /sys/class/net/lo/mtu; ls -d /record/made'
  run run_payload
  echo "$output"
  [ "$output" = $'1234\n/record/made' ]
}
