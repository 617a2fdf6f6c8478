#!/bin/bash
# A host of its own for an engine: runs a command as root in mount, pid, network and cgroup namespaces in which /run,
# /dev/shm and /var/tmp are empty, /etc/containers is a copy with rundlet's drop-ins in it, and the root of cgroup v2 is
# a cgroup that is made for it, with every controller that there is.  What is left afterwards is ended and removed.
#
#   tests/native.sh tests/engines/host.sh bats tests/engines/podman.bats      and the same by tests/vm/run.sh
#
# Inside, $ENGINES is a folder on a disk, else in memory; $ENGINES/etc has the drop-ins as `make install` puts them into /etc.
# Environment: BUILD (build), RUNTIME (BUILD/rundlet), whose place stands in the drop-ins.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

# --- inside ------------------------------------------------------------------------------------------------------
if [ "${1:-}" = --inside ]; then
  shift
  umount -R -l /sys/fs/cgroup
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
  done
  for folder in run dev/shm var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "/$folder"; done
  chmod 755 /run
  # The locks of nft and iptables, and what users expect.
  mkdir -p /run/lock /run/user/4242
  chown 4242:4242 /run/user/4242
  # No overlay lies on another one, which this folder may be on.
  [ -n "${RUNDLET_EXT4:-}" ] || mount -t tmpfs -o mode=755 tmpfs "$ENGINES"
  mkdir -p "$ENGINES/etc" "$ENGINES/bin" "$ENGINES/tmp"
  chmod 1777 "$ENGINES/tmp"
  # Where every user reaches it, as an installed one.
  install -m 755 "$RUNTIME" "$ENGINES/bin/rundlet"
  export RUNTIME=$ENGINES/bin/rundlet
  cp -a /etc/containers "$ENGINES/etc/"
  make -s -C "$top" install-engines BUILD="$BUILD" BINDIR="$(dirname "$RUNTIME")" SYSCONFDIR="$ENGINES/etc" ENGINEDIR="$ENGINES/share"
  mount --bind "$ENGINES/etc/containers" /etc/containers
  # As on a machine with udev.
  mknod -m 666 "$ENGINES/tun" c 10 200
  mount --bind "$ENGINES/tun" /dev/net/tun
  mount --make-rshared /
  ip link set lo up
  export TMPDIR=$ENGINES/tmp
  unset XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS
  exec "$@"
fi

# --- outside -----------------------------------------------------------------------------------------------------
BUILD=$(realpath "${BUILD:-$top/build}")
RUNTIME=$(realpath "${RUNTIME:-$BUILD/rundlet}")
ENGINES=$(mktemp -d "${RUNDLET_EXT4:-/tmp}/e.XXXXXX")
chmod 755 "$ENGINES"
export BUILD RUNTIME ENGINES
cgroup=/sys/fs/cgroup/$(basename "$ENGINES")
mkdir -p "$cgroup/outside"
clean() {
  local folder
  echo 1 >"$cgroup/cgroup.kill" 2>/dev/null || true
  for _ in $(seq 50); do
    find "$cgroup" -depth -type d | while read -r folder; do rmdir "$folder" 2>/dev/null || true; done
    [ -d "$cgroup" ] || break
    sleep 0.1
  done
  rm -rf --one-file-system "$ENGINES"
}
trap clean EXIT
# Two steps: the cgroup namespace is rooted where we stand, and then nobody may stand there.
# shellcheck disable=SC2016 # for the inner shell
(
  echo "$BASHPID" >"$cgroup/cgroup.procs"
  exec unshare --cgroup bash -c 'echo $$ >"$1/outside/cgroup.procs" && shift && exec "$@"' host "$cgroup" \
    unshare --mount --net --pid --fork --kill-child=KILL --mount-proc -- \
    "$BUILD/tests/reaper" bash "$top/tests/engines/host.sh" --inside "$@"
) &
child=$!
trap 'kill "$child" 2>/dev/null; exit 130' INT TERM
wait "$child"
