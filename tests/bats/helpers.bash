# What every bats file loads.  `make bats` and `make vm-check` run the files; by hand:
#   tests/native.sh bats tests/bats/lifecycle.bats
#
# setup makes a bundle ($BUNDLE, with a busybox rootfs and a plain config), a name ($ID), a cgroup to be ($CGROUP) and a
# state folder ($ROOT) that are the test's own; teardown removes its containers and fails the test when anything of it is left on the host.
# PEER=crun or PEER=runc runs the same scenarios with another runtime: what is red there too is the scenario's fault.
# DRIVER=systemd (in the machine with systemd) has the cgroups made by systemd: rundlet is told so when it creates.
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
case ${BUILD:-} in /*) ;; *) BUILD=$TOP/${BUILD:-build} ;; esac
RUNDLET=${RUNDLET:-$BUILD/rundlet}
NETSETUP=${NETSETUP:-$BUILD/netsetup}
RUNTIME=${PEER:-$RUNDLET}
PTY=$BUILD/tests/pty
CGROUPS=/sys/fs/cgroup
DRIVER=${DRIVER:-cgroupfs}
SLOW=${IN_VM:+10} # a machine without KVM is so many times slower: every limit is stretched by it
LIMIT=$((30 * ${SLOW:-1}))
APPLETS='[ awk cat chmod chown cp cut date dd df echo env false find free grep head hostname id ifconfig ip kill ln ls
  mkdir mkfifo mknod mount nc nproc od ping printf ps pwd readlink rm route sed seq sh sleep sort stat stty su sync tail
  tee test timeout top touch tr true tty umount uname unshare wc which whoami xargs yes'

setup() {
  bundle_setup
}

teardown() {
  bundle_teardown
}

# --- the bundle ----------------------------------------------------------------------------------------------------
bundle_setup() {
  # bats' folders are 0700; tests that become another user must pass.
  chmod 711 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR" 2>/dev/null || true
  ID=t$BATS_ROOT_PID-$BATS_TEST_NUMBER
  ROOT=$BATS_TEST_TMPDIR/state
  BUNDLE=$BATS_TEST_TMPDIR/bundle
  OUT=$BATS_TEST_TMPDIR/out
  driver "$DRIVER"
  bundle "$BUNDLE"
}

# Who makes the cgroups from here on; sets $CGROUP, what config.json says of it ($CGROUPS_PATH) and what create and run
# are told ("${DRIVER_OPTIONS[@]}").
driver() { # cgroupfs|systemd
  DRIVER=$1 DRIVER_OPTIONS=()
  [ "$DRIVER" != systemd ] || DRIVER_OPTIONS=(--systemd-cgroup)
  case $DRIVER in
    cgroupfs) CGROUP=$CGROUPS/$ID CGROUPS_PATH=/$ID ;;
    systemd) CGROUP=$CGROUPS/system.slice/rundlet-$ID.scope/container CGROUPS_PATH=system.slice:rundlet:$ID ;;
  esac
}

# A bundle in the folder $1; the rootfs is made once a file and copied.
bundle() {
  local made=$BATS_FILE_TMPDIR/rootfs
  if [ ! -d "$made" ]; then
    mkdir -p "$made.new"/{bin,dev,etc,proc,root,run,sys,tmp,usr,var,home,mnt}
    cp "$(command -v busybox)" "$made.new/bin/busybox"
    # One process for all the links: each costs a third of a second in the virtual machine.
    # shellcheck disable=SC2086 # words
    (cd "$made.new/bin" && perl -e 'symlink("busybox", $_) or die "$_: $!" for @ARGV' $APPLETS)
    ln -s ../bin "$made.new/usr/bin"
    chmod 1777 "$made.new/tmp"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nuser:x:1000:1000::/home:/bin/sh\n' >"$made.new/etc/passwd"
    printf 'root:x:0:\ntty:x:5:\nextra:x:77:user\nuser:x:1000:\nnogroup:x:65534:\n' >"$made.new/etc/group"
    mv "$made.new" "$made"
  fi
  mkdir -p "$1"
  cp -a "$made" "$1/rootfs"
  cp "$TOP/tests/bats/config.json" "$1/config.json"
  BUNDLE=$1 config --arg path "$CGROUPS_PATH" '.linux.cgroupsPath = $path'
}

# Edits config.json of $BUNDLE: config '<jq filter>', options of jq first.
config() {
  jq "$@" "$BUNDLE/config.json" >"$BUNDLE/config.new" && mv "$BUNDLE/config.new" "$BUNDLE/config.json"
}

# The command of the container: payload sh -c 'echo hello'
payload() {
  config --argjson args "$(jq -cn '$ARGS.positional' --args -- "$@")" '.process.args = $args'
}

# --- the runtime ---------------------------------------------------------------------------------------------------
# The runtime itself, with our state folder and a limit.  bats' own descriptors stay out of containers.
rundlet() {
  local options=()
  case $1 in create | run) options=("${DRIVER_OPTIONS[@]}") ;; esac
  timeout --foreground -k 5 "$LIMIT" "$RUNTIME" --root "$ROOT" "${options[@]}" "$@" 3>&- 4>&-
}

# rundlet with standard streams that are no pipe of bats, for whatever leaves a process behind; output is in $OUT and is
# shown when the command fails.
quietly() {
  rundlet "$@" </dev/null >"$OUT" 2>&1 || { local status=$?; cat "$OUT"; return "$status"; }
}

# What was `run` said one error line with these words, and nothing is left of $ID.
is_refused() { # WORDS
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  [[ $output = *"$1"* ]]
  [ ! -e "$ROOT/$ID" ]
}

create() { # [OPTION...]
  quietly create --bundle "$BUNDLE" "$@" "$ID"
}

start() {
  quietly start "$ID"
}

run_detached() { # [OPTION...]: the container runs on; its output is in $OUT
  quietly run --detach --bundle "$BUNDLE" "$@" "$ID"
}

# Runs the payload to its end; its output and status are ours: run_payload sh -c 'id'
run_payload() {
  [ $# = 0 ] || payload "$@"
  rundlet run --bundle "$BUNDLE" "$ID" </dev/null
}

field() { # JQ-FILTER: of `state`
  rundlet state "$ID" | jq -r "$1"
}

is_status() { # STATUS
  [ "$(field .status)" = "$1" ]
}

init_pid() {
  field .pid
}

# What does not depend on the kernel: in the slow virtual machine only every Nth line.
sampled() { # N
  awk -v every="${IN_VM:+$1}" 'every == "" || NR % every == 1'
}

# --- waiting, users, terminals -------------------------------------------------------------------------------------
# Polls a command until it succeeds: wait_for is_status stopped
wait_for() {
  local end=$((SECONDS + ${WAIT:-10} * ${SLOW:-1}))
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then
      echo "waited in vain for: $*"
      return 1
    fi
    sleep 0.05
  done
}

# A command as the ordinary user "tester" (subordinate ids 4200000+65536).  Give it a bundle with tester_bundle.
as_tester() {
  env -i "PATH=$PATH" "HOME=$BATS_TEST_TMPDIR/tester" "XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/tester/run" "TMPDIR=$BATS_TEST_TMPDIR/tester" \
    setpriv --reuid 4242 --regid 4242 --clear-groups --inh-caps=-all "$@"
}

# Hands bundle, state folder and a copy of the runtime to tester; `rundlet` is then run by `tester_rundlet`.
tester_bundle() {
  mkdir -p "$BATS_TEST_TMPDIR/tester/run" "$ROOT"
  cp "$(command -v "$RUNTIME")" "$BATS_TEST_TMPDIR/tester/runtime"
  chown -R 4242:4242 "$BATS_TEST_TMPDIR/tester" "$BUNDLE" "$ROOT"
}

tester_rundlet() {
  as_tester timeout --foreground -k 5 "$LIMIT" "$BATS_TEST_TMPDIR/tester/runtime" --root "$ROOT" "$@" 3>&- 4>&-
}

# A command as root of a new user namespace that tester made, with the ids 0..65535 of it.
in_userns() {
  as_tester unshare --user --map-root-user --map-auto --setuid 0 --setgid 0 "$@"
}

# A command on a terminal of its own; what is on standard input is typed.
on_terminal() {
  "$PTY" "$@" 3>&- 4>&-
}

# --- skips: only for what the kernel or the machine lacks; the reasons stand in tests/allowed-skips ------------------
needs_controller() { # NAME...
  local name
  for name in "$@"; do
    has_controller "$name" || skip "needs cgroup controller $name"
  done
}

has_controller() {
  grep -qw "$1" "$CGROUPS/cgroup.controllers"
}

needs_ext4() {
  [ -n "${RUNDLET_EXT4:-}" ] || skip "needs a file system of the disk kind"
}

rundlet_only() {
  [ -z "${PEER:-}" ] || skip "of rundlet only"
}

# --- leaks ---------------------------------------------------------------------------------------------------------
bundle_teardown() {
  local name
  for name in "$ROOT"/*; do
    [ ! -d "$name" ] || rundlet delete --force "$(basename "$name")" >/dev/null 2>&1 || true
  done
  # A killed process is gone only a moment later.
  WAIT=3 wait_for no_leaks || { no_leaks; return 1; }
}

# Nothing of this test is on the host: mounts, cgroups, processes, state.
no_leaks() {
  local found
  # shellcheck disable=SC2062 # the glob is a list of files
  found=$(
    grep -F -e "$BATS_TEST_TMPDIR" -e "$ID" /proc/self/mountinfo | sed 's/^/mount left: /'
    find "$CGROUPS" -depth -type d -name "*$ID*" 2>/dev/null | sed 's/^/cgroup left: /'
    grep -l -s -F -e "$ID" /proc/[0-9]*/cgroup | sed 's/^/process left: /'
    grep -l -s -F -f - /proc/[0-9]*/cmdline <<<"$ROOT" | sed 's/^/process left: /'
    find "$ROOT" -mindepth 1 2>/dev/null | sed 's/^/state left: /'
    [ "$DRIVER" = cgroupfs ] || systemctl list-units --all --no-legend "*$ID*" | sed 's/^/unit left: /'
  )
  [ -z "$found" ] || { echo "$found"; return 1; }
}
