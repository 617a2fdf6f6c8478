#!/bin/bash
# Runs a command as root on this machine without touching it: in its own mount, pid, net, ipc, uts and cgroup
# namespaces, with cgroup v2 alone at /sys/fs/cgroup, under a reaper, with a user "tester" who has subordinate ids.
# What is left in the cgroup or in TMPDIR afterwards is removed.
#
#   tests/native.sh COMMAND...        environment: BUILD (build)
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
reaper=${BUILD:-$top/build}/tests/reaper
[ -x "$reaper" ] || { echo "native.sh: $reaper is missing: make build/tests/reaper" >&2; exit 125; }
reaper=$(realpath "$reaper")

# --- inside ------------------------------------------------------------------------------------------------------
if [ "${1:-}" = --inside ]; then
  shift
  set -e
  # Engines' machines share "/"; here the sharing ends at this mount namespace.
  mount --make-rshared /
  umount -R -l /sys/fs/cgroup 2>/dev/null || true
  [ -d /sys/fs/cgroup ] || mount -t sysfs sysfs /sys
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
  mkdir /sys/fs/cgroup/tests
  for pid in 1 $$; do echo "$pid" >/sys/fs/cgroup/tests/cgroup.procs; done
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || true
  done
  ip link set lo up
  hostname tests
  mkdir "$TMPDIR/etc"
  for file in passwd group subuid subgid; do
    grep -v '^tester:' "/etc/$file" >"$TMPDIR/etc/$file" 2>/dev/null || true
  done
  echo 'tester:x:4242:4242::/nonexistent:/bin/sh' >>"$TMPDIR/etc/passwd"
  echo 'tester:x:4242:' >>"$TMPDIR/etc/group"
  echo 'tester:4200000:65536' | tee -a "$TMPDIR/etc/subuid" >>"$TMPDIR/etc/subgid"
  for file in passwd group subuid subgid; do
    [ ! -e "/etc/$file" ] || mount --bind "$TMPDIR/etc/$file" "/etc/$file"
  done
  # /tmp's file system serves for overlays and idmapped mounts when it is of the disk kind.
  case $(stat -f -c %T "$TMPDIR") in
    ext2/ext3 | xfs | btrfs) mkdir "$TMPDIR/disk"; export RUNDLET_EXT4=$TMPDIR/disk ;;
  esac
  exec "$@"
fi

# --- outside -----------------------------------------------------------------------------------------------------
[ "$(id -u)" = 0 ] || { echo "native.sh: the bats tests need root (make bats as root, or make vm-check)" >&2; exit 125; }
TMPDIR=$(mktemp -d /tmp/rundlet-tests.XXXXXX)
chmod 711 "$TMPDIR"
export TMPDIR
hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
cgroup=''
if [ -n "$hierarchy" ]; then
  cgroup=$hierarchy/$(basename "$TMPDIR")
  mkdir "$cgroup" || exit 125
fi
clean() {
  local folder
  if [ -n "$cgroup" ]; then
    echo 1 >"$cgroup/cgroup.kill" 2>/dev/null
    for _ in $(seq 50); do
      find "$cgroup" -depth -type d | while read -r folder; do rmdir "$folder" 2>/dev/null; done
      [ -d "$cgroup" ] || break
      sleep 0.1
    done
  fi
  rm -rf --one-file-system "$TMPDIR"
}
trap clean EXIT
# Two steps: the cgroup namespace is rooted where we stand, and then nobody may stand there, or no controller can be
# handed down.
inner=(unshare --mount --pid --fork --net --ipc --uts --kill-child=KILL --mount-proc --
  "$reaper" bash "$top/tests/native.sh" --inside "$@")
if [ -n "$cgroup" ]; then
  mkdir "$cgroup/outside"
  # shellcheck disable=SC2016 # for the inner shell
  (
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec unshare --cgroup bash -c 'echo $$ >"$1/outside/cgroup.procs" && shift && exec "$@"' native "$cgroup" "${inner[@]}"
  ) &
else
  unshare --cgroup "${inner[@]}" &
fi
child=$!
trap 'kill "$child" 2>/dev/null; exit 130' INT TERM
wait "$child"
