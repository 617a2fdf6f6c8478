#!/bin/sh
# make bench: `run /bin/true` of the bundle that `rundlet spec` writes, beside crun, runc and a bare program that makes
# the same system calls, interleaved in one run.  Peers are taken from PATH; one that cannot run here is named and left
# out.  ROUNDS=N changes the number of rounds.
set -eu
build=${BUILD:-build}
rounds=${ROUNDS:-50}
work=$(mktemp -d)
state=$(mktemp -d /dev/shm/rundlet-bench.XXXXXX) # in memory, as /run is
root=$(awk '$9 == "cgroup2" || $8 == "cgroup2" || / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
[ -n "$root" ] || { echo "bench: no cgroup2 mount" >&2; exit 1; }
trap 'rm -rf "$work" "$state"' EXIT

mkdir -p "$work/box/rootfs/bin" "$work/box/rootfs/proc" "$work/box/rootfs/sys" "$work/box/rootfs/dev"
cp /bin/busybox "$work/box/rootfs/bin/busybox"
ln -s busybox "$work/box/rootfs/bin/true"
"$build/rundlet" spec --bundle "$work/box"
# No terminal; a version that old peers know; no device rules: Debian's crun wants a larger RLIMIT_MEMLOCK for them than some machines allow.
jq '.process.terminal = false | .process.args = ["/bin/true"] | del(.linux.resources.devices) | .ociVersion = "1.0.2"' \
  "$work/box/config.json" >"$work/c.json"
mv "$work/c.json" "$work/box/config.json"

cc -O2 -D_GNU_SOURCE -static -o "$work/bare" tests/bench/bare.c
cc -O2 -D_GNU_SOURCE -o "$work/compare" tests/bench/compare.c
set -- bare "$work/bare $work/box/rootfs $root/rundlet-bench-bare"
for name in "$build/static/rundlet" "$build/rundlet"; do
  [ -x "$name" ] || continue
  label=rundlet
  [ "$name" = "$build/rundlet" ] && label="rundlet (dynamic)"
  set -- "$@" "$label" "$name --root $state/rundlet run --bundle $work/box bench-$$"
done
for peer in crun runc youki; do
  path=$(command -v "$peer") || continue
  case $peer in
    crun) line="$path --root $state/$peer --cgroup-manager=disabled run --bundle $work/box bench-$$" ;;
    *) line="$path --root $state/$peer run --bundle $work/box bench-$$" ;;
  esac
  # shellcheck disable=SC2086
  if $line >"$work/$peer.out" 2>&1 </dev/null; then
    set -- "$@" "$peer" "$line"
  else
    echo "bench: $peer cannot run this bundle here: $(tail -n 1 "$work/$peer.out" | cut -c 1-160)"
  fi
done
echo "run /bin/true, the bundle of rundlet spec, $rounds rounds, $(uname -r), $(nproc) cores"
"$work/compare" "$rounds" "$@"
