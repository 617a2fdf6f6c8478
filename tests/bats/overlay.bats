#!/usr/bin/env bats
# An overlay of layers as the root, mounted by rundlet itself: --layer and --upper, and the annotations behind them.

load helpers
load canary

setup() {
  rundlet_only
  bundle_setup
  # root.path only has to exist: its contents are the lowest layer, under another name.
  BASE=$BATS_TEST_TMPDIR/base
  mv "$BUNDLE/rootfs" "$BASE"
  mkdir "$BUNDLE/rootfs"
  LAYERS=$BATS_TEST_TMPDIR/layers
}

layer() { # NAME FILE=TEXT...: makes a layer
  local name=$1 word
  shift
  mkdir -p "$LAYERS/$name"
  for word in "$@"; do
    mkdir -p "$(dirname "$LAYERS/$name/${word%%=*}")"
    echo "${word#*=}" >"$LAYERS/$name/${word%%=*}"
  done
}

annotate() { # KEY VALUE
  config --arg key "org.rundlet.overlay.$1" --arg value "$2" '.annotations[$key] = $value'
}

overlay_run() { # OPTION... -- COMMAND...
  local options=()
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  payload "$@"
  rundlet run --bundle "$BUNDLE" "${options[@]}" "$ID" </dev/null
}

both_ways() { # runs the rest with lowerdir+ where the kernel has it, then the way of older kernels
  local way
  for way in '' overlay_layers; do
    RUNDLET_PROBE_WITHOUT=$way "$@" # in no condition: there a failed check in the middle would not count
  done
}

# --- reading ---------------------------------------------------------------------------------------------------------
two_layers() {
  run overlay_run --layer "$LAYERS/top" --layer "$BASE" -- sh -c 'cat /etc/name /etc/below; grep " / / " /proc/self/mountinfo; ls -A /'
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = top ]
  [ "${lines[1]}" = base ]
  [[ ${lines[2]} = *' - overlay '* ]]
  refute grep -q canary <<<"$output"
  run ls -A "$BUNDLE/rootfs"
  [ -z "$output" ]
}

@test "two layers: the topmost comes first, root.path is untouched" {
  layer top etc/name=top
  echo base | tee "$BASE/etc/name" >"$BASE/etc/below"
  both_ways two_layers
}

@test "the annotations say the same, relative layers are below the bundle" {
  layer top etc/name=top
  cp -a "$LAYERS/top" "$BUNDLE/top"
  mv "$BASE" "$BUNDLE/base"
  annotate lower '["top", "base"]'
  annotate upper kept
  mkdir "$BUNDLE/kept"
  run run_payload sh -c 'cat /etc/name; echo new >/etc/new'
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = top ]
  [ "$(cat "$BUNDLE/kept/upper/etc/new")" = new ]
}

@test "relative layers on the command line are below the working directory" {
  layer top etc/name=top
  cd "$BATS_TEST_TMPDIR"
  run overlay_run --layer layers/top -l base -- cat /etc/name
  echo "$output"
  [ "$output" = top ]
}

@test "whiteouts and opaque folders hide what is below" {
  layer top etc/opaque/of-top=1
  mkdir -p "$BASE/etc/opaque" "$BASE/etc/hidden"
  touch "$BASE/etc/gone" "$BASE/etc/opaque/of-base" "$BASE/etc/stays"
  mknod "$LAYERS/top/etc/gone" c 0 0
  mknod "$LAYERS/top/etc/hidden" c 0 0
  "$PROBE" xattr "$LAYERS/top/etc/opaque" trusted.overlay.opaque 79
  run overlay_run --layer "$LAYERS/top" --layer "$BASE" -- sh -c 'cd /etc; ls gone hidden 2>&1; ls stays opaque'
  echo "$output"
  [[ $output = *'gone: No such file'*'hidden: No such file'*stays*of-top* ]]
  [[ $output != *of-base* ]]
}

# --- writing ---------------------------------------------------------------------------------------------------------
kept_upper() {
  local upper=$BATS_TEST_TMPDIR/upper
  rm -rf "$upper"
  mkdir "$upper"
  overlay_run --layer "$BASE" --upper "$upper" -- sh -c 'echo one >/etc/written; rm /etc/group; echo more >>/etc/passwd'
  [ "$(cat "$upper/upper/etc/written")" = one ]
  [ -c "$upper/upper/etc/group" ]
  run overlay_run --layer "$BASE" --upper "$upper" -- sh -c 'cat /etc/written; tail -n 1 /etc/passwd; ls /etc/group'
  echo "$output"
  [ "${lines[0]}" = one ]
  [ "${lines[1]}" = more ]
  [[ ${lines[2]} = *'No such file'* ]]
  [ -e "$BASE/etc/group" ]
  refute test -e "$BASE/etc/written"
}

@test "a named upper takes what is written and keeps it for the next container, layers stay as they are" {
  before=$(find "$BASE" -printf '%P %m %U %T@ %s\n' | sort)
  both_ways kept_upper
  [ "$before" = "$(find "$BASE" -printf '%P %m %U %T@ %s\n' | sort)" ]
}

private_upper() {
  payload sh -c 'echo one >/etc/written; sleep 1000'
  run_detached --layer "$BASE"
  wait_for rundlet exec "$ID" test -s /etc/written
  [ "$(find "$ROOT" -name written | wc -l)" = 1 ]
  run rundlet exec "$ID" sh -c 'cat /etc/written; echo two >/etc/second; grep " / / " /proc/self/mountinfo'
  echo "$output"
  [ "${lines[0]}" = one ]
  [[ ${lines[1]} = *' - overlay '* ]]
  [ "$(cat "$(find "$ROOT" -name second)")" = two ]
  refute grep -F -e "$ID" -e "$BATS_TEST_TMPDIR" -e overlay.rundlet /proc/self/mountinfo
  rundlet delete --force "$ID"
  [ -z "$(find "$ROOT" -name written)" ]
  refute test -e "$BASE/etc/written"
}

@test "without an upper what is written is the container's own: exec sees it, delete removes it" {
  both_ways private_upper
}

tmpfs_upper() {
  run overlay_run --layer "$BASE" --upper tmpfs:2m -- sh -c 'echo one >/etc/written && cat /etc/written
    df -k / | tail -n 1; dd if=/dev/zero of=/big bs=64k count=64 2>&1 | grep -c "No space"'
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = one ]
  [[ ${lines[1]} =~ \ 2048\  ]]
  [ "${lines[2]}" = 1 ]
  [ -z "$(find "$ROOT" "$BUNDLE/rootfs" "$BASE" -name written)" ]
  run overlay_run --layer "$BASE" --upper tmpfs -- sh -c 'ls /etc/written; echo x >/x; cat /x'
  echo "$output"
  [ "${lines[1]}" = x ]
}

@test "an upper on a tmpfs, with a size" {
  both_ways tmpfs_upper
}

read_only() {
  run overlay_run --layer "$LAYERS/top" --layer "$BASE" -- sh -c 'cat /etc/name; (echo x >/etc/x) 2>&1; echo y >/dev/shm/y && echo shm'
  echo "$output"
  [ "${lines[0]}" = top ]
  [[ ${lines[1]} = *'Read-only file system'* ]]
  [ "${lines[2]}" = shm ]
  [ -z "$(find "$ROOT" -name upper)" ]
}

@test "a read-only root has no upper" {
  layer top etc/name=top
  config '.root.readonly = true'
  # Mount points have to be there: nothing can be made.
  mkdir -p "$BASE"/{proc,dev,sys}
  both_ways read_only
  # One layer alone is no overlay.
  run overlay_run --layer "$BASE" -- sh -c 'cat /etc/passwd | wc -l; (echo x >/etc/x) 2>&1'
  echo "$output"
  [ "${lines[0]}" = 3 ]
  [[ ${lines[1]} = *'Read-only file system'* ]]
}

# --- many layers -----------------------------------------------------------------------------------------------------
# Layers l1 (topmost) to lCOUNT, each with a file of its own and one of the same name; without a fork for each.
many() { # COUNT
  local i folders=()
  for i in $(seq "$1"); do folders+=("$LAYERS/l$i/many"); done
  mkdir -p "${folders[@]}"
  for i in $(seq "$1"); do
    echo "$i" >"$LAYERS/l$i/many/$i"
    echo "$i" >"$LAYERS/l$i/many/same"
  done
  use_layers "$1"
}

use_layers() { # COUNT
  annotate lower "$(seq "$1" | jq -cn --arg layers "$LAYERS" --arg base "$BASE" '[inputs | "\($layers)/l\(.)"] + [$base]')"
}

layers_of_kernel() { # whether it takes lowerdir+ (6.8)
  local release
  release=$(uname -r)
  [ "$(printf '%s\n6.8\n' "${release%%-*}" | sort -V | head -n 1)" = 6.8 ]
}

@test "as many layers as there are: 200, and the topmost wins" {
  count=200
  layers_of_kernel || count=90
  many "$count"
  run run_payload sh -c 'ls /many | wc -l; cat /many/same; cat /many/100 /many/90; ls /proc/self/fd | wc -l' 2>&1
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = $((count + 1)) ]
  [ "${lines[1]}" = 1 ]
  [ "${lines[-2]}" = 90 ]
}

@test "older kernels get as many layers in one page of options; one too many is an error that says how many fit" {
  export RUNDLET_PROBE_WITHOUT=overlay_layers
  many 600
  run run_payload true
  echo "$output"
  [ "$status" != 0 ]
  [[ $output =~ 'annotations["org.rundlet.overlay.lower"]: 601 layers: overlayfs takes no more than '([0-9]+) ]]
  fit=${BASH_REMATCH[1]}
  use_layers $((fit - 1))
  run run_payload sh -c 'ls /many | wc -l; cat /many/same'
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = "$fit" ]
  [ "${lines[1]}" = 1 ]
  use_layers "$fit"
  run run_payload true
  echo "$output"
  [[ $output = *"$((fit + 1)) layers: "*" takes no more than $fit"* ]]
}

hard_paths() {
  local name='a:b,c\d e"f%1' long
  long=$(printf 'x%.0s' $(seq 200))
  mkdir -p "$LAYERS/$name" "$LAYERS/$long/$long/$long"
  echo colon >"$LAYERS/$name/colon"
  echo long >"$LAYERS/$long/$long/$long/long"
  mkdir -p "$BATS_TEST_TMPDIR/up:per,\\x"
  run overlay_run --layer "$LAYERS/$name" --layer "$LAYERS/$long/$long/$long" --layer "$BASE" \
    --upper "$BATS_TEST_TMPDIR/up:per,\\x" -- sh -c 'cat /colon /long; echo new >/new'
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = $'colon\nlong' ]
  [ -s "$BATS_TEST_TMPDIR/up:per,\\x/upper/new" ]
}

@test "paths of layers may be long and hold colons, commas and backslashes" {
  both_ways hard_paths
}

# --- options and errors ----------------------------------------------------------------------------------------------
@test "volatile, metacopy and userxattr reach the kernel" {
  annotate options volatile,metacopy=on,redirect_dir=on
  run overlay_run --layer "$BASE" -- grep ' / / ' /proc/self/mountinfo
  echo "$output"
  [ "$status" = 0 ]
  [[ $output = *volatile* && $output = *metacopy=on* ]]
  annotate options userxattr
  run overlay_run --layer "$BASE" -- grep ' / / ' /proc/self/mountinfo
  echo "$output"
  [[ $output = *userxattr* ]]
}

@test "what cannot be an overlay is refused, by name" {
  refused() { # WORDS OPTION...
    local words=$1
    shift
    run overlay_run "$@" -- true
    echo "$output"
    [ "$status" != 0 ] && [ "${#lines[@]}" = 1 ] && [[ $output = *$words* ]]
  }
  refused "$BATS_TEST_TMPDIR/absent*: No such file or directory" --layer "$BATS_TEST_TMPDIR/absent" --layer "$BASE"
  refused "$BASE/etc/passwd*: Not a directory" --layer "$BASE/etc/passwd" --layer "$BASE"
  refused "$BATS_TEST_TMPDIR/absent*: No such file or directory" --layer "$BASE" --upper "$BATS_TEST_TMPDIR/absent"
  refused 'tmpfs:12q: size expected' --layer "$BASE" --upper tmpfs:12q
  refused 'org.rundlet.overlay.lower' --upper "$BASE"
  annotate options lowerdir=/
  refused 'overlay option lowerdir=/: unknown' --layer "$BASE"
  annotate options volatile=on
  refused 'overlay option volatile=on: unknown' --layer "$BASE"
  annotate options ''
  annotate lower '"not a list"'
  refused 'org.rundlet.overlay.lower'
  annotate lower '[]'
  refused 'no layer is named'
  annotate lower '["", "x"]'
  refused 'layer 0: empty path'
  # Nothing of all this is left, not even the folders of an upper.
  [ -z "$(ls -A "$BUNDLE/rootfs")" ]
  [ -z "$(find "$BATS_TEST_TMPDIR" -name work)" ]
}

@test "after kill -9 of everything, delete --force leaves nothing" {
  run_detached --layer "$BASE"
  kill -9 "$(init_pid)"
  wait_for is_status stopped
  [ "$(find "$ROOT" -name upper | wc -l)" = 1 ]
  rundlet delete --force "$ID"
  no_leaks
}

in_user_namespace() {
  run overlay_run --layer "$LAYERS/top" --layer "$BASE" -- \
    sh -c 'cat /etc/name; stat -c %u /etc/name; echo x >>/etc/name && cat /etc/name; mkdir /new && rm /etc/group && ls /etc'
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = $'top\n0\ntop\nx\nname\npasswd' ]
}

@test "a container of a user namespace has the layers too, with the ids of its map" {
  layer top etc/name=top
  chown -R 100000:100000 "$BASE" "$LAYERS"
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
  both_ways in_user_namespace
}

@test "an overlay among the mounts, by names longer than fsconfig takes, as podman's are" {
  rmdir "$BUNDLE/rootfs"
  mv "$BASE" "$BUNDLE/rootfs"
  long=$BATS_TEST_TMPDIR/$(printf 'l%.0s' $(seq 200))
  mkdir -p "$long/one,two" "$long/upper" "$long/work" "$BATS_TEST_TMPDIR/stays"
  echo low >"$BATS_TEST_TMPDIR/stays/file"
  layers="$long:$BATS_TEST_TMPDIR/stays"
  config --arg lower "lowerdir=$layers" --arg long "$long" '.mounts += [
      {destination: "/seen", type: "overlay", source: $long, options: [$lower, "private", "nodev", "ro"]},
      {destination: "/kept", type: "overlay", source: "overlay",
        options: [$lower, "upperdir=" + $long + "/upper", "workdir=" + $long + "/work"]}]'
  run run_payload sh -c 'cat /seen/file; ls -d "/seen/one,two"; echo x >/seen/new || echo read-only
    echo new >/kept/new; awk "\$5 == \"/seen\" { print \$6 }" /proc/self/mountinfo'
  echo "$output"
  [ "$status" = 0 ]
  [[ $output = *$'low\n/seen/one,two\n'*$'read-only\nro,nodev,relatime' ]]
  [ "$(cat "$long/upper/new")" = new ]
  config '.mounts[-1].options[0] = "lowerdir=/nowhere/" + ("x" * 300)'
  run run_payload true
  [ "$status" = 1 ]
  [[ $output = *"mounts["*"No such file or directory"* ]]
}
