#!/bin/bash
# make bench-cgroup: what cgroups cost.
#
#   cgroup.sh many    does the last of COUNT=1000 containers that stay cost what the first did?  CYCLES=5 times alone
#                     and beside the others, in turn, ROUNDS=60
#                     containers each time; V=1 shows each
#   cgroup.sh calls   the system calls of `create` on cgroup files beside crun's, same bundle with limits, interleaved
#                     in ROUNDS=15 rounds; strace counts and times them (its own share of each call is the same for
#                     both).  Wants a machine with all controllers, so make runs it in the virtual one.
set -eu
build=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bundle() { # JQ-FILTER
  mkdir -p "$work/box/rootfs"/{bin,proc,sys,dev}
  cp /bin/busybox "$work/box/rootfs/bin/busybox"
  ln -sf busybox "$work/box/rootfs/bin/true"
  rm -f "$work/box/config.json"
  "$build/rundlet" spec --bundle "$work/box"
  # A version that old peers know.
  jq '.process.terminal = false | .process.args = ["/bin/true"] | del(.linux.resources.devices)
    | .ociVersion = "1.0.2" | '"$1" "$work/box/config.json" >"$work/config"
  mv "$work/config" "$work/box/config.json"
}

median() {
  sort -n | awk '{ at[NR] = $1 } END { print at[int((NR + 1) / 2)] }'
}

# --- a thousand side by side -----------------------------------------------------------------------------------------
# "WHAT MEDIAN" of creating and deleting one container, ROUNDS times in turn, and of a bare program that makes much the
# same and is as fast as the kernel: what grows there grows for everybody.
one_more() { # ROUNDS
  local runtime="$build/rundlet --root $work/state"
  "$build/tests/bench/compare" "$1" create "$runtime create --bundle $work/box bench-one" \
    delete "$runtime delete --force bench-one" bare "$work/bare $work/box/rootfs /sys/fs/cgroup/bench-bare" |
    awk '$2 + 0 > 0 { print $1, $2 }'
}

others() { # create|delete COUNT
  local command=(create --bundle "$work/box")
  [ "$1" = create ] || command=(delete --force)
  seq "$2" | xargs -P 2 -I @ "$build/rundlet" --root "$work/state" "${command[@]}" bench-@ >/dev/null
}

# The machine drifts by more than what is asked for: alone and beside the others come in turn, and each time beside
# them is held against the mean of the two times alone around it.
many() {
  local count=$((${COUNT:-1000} - 1)) cycles=${CYCLES:-5} rounds=${ROUNDS:-60} cycle
  bundle '.linux.namespaces = [{type: "pid"}, {type: "mount"}, {type: "cgroup"}] | del(.hostname, .domainname)
    | .mounts |= map(select(.type == "proc"))'
  cc -O2 -D_GNU_SOURCE -static -o "$work/bare" tests/bench/bare.c
  one_more 20 >/dev/null
  for cycle in $(seq "$cycles"); do
    one_more "$rounds" | sed "s/^/$cycle alone /"
    others create "$count"
    [ "$("$build/rundlet" --root "$work/state" list -q | wc -l)" = "$count" ] ||
      { echo "cgroup.sh: the others are not $count" >&2; exit 1; }
    one_more "$rounds" | sed "s/^/$cycle beside /"
    others delete "$count"
  done >"$work/times"
  one_more "$rounds" | sed "s/^/$((cycles + 1)) alone /" >>"$work/times"
  [ -z "${V:-}" ] || cat "$work/times"
  echo "one more container, alone and beside $count others, $cycles cycles of $rounds rounds, $(uname -r)"
  local what
  for what in create delete bare; do
    awk -v what="$what" '$3 == what { ms[$2, $1] = $4; if ($2 == "beside") cycles = $1 } END {
      for (n = 1; n <= cycles; n++) {
        alone = (ms["alone", n] + ms["alone", n + 1]) / 2
        print ms["beside", n] / alone, alone, ms["beside", n]
      } }' "$work/times" | sort -n | awk -v what="$what" '{ ratio[NR] = $1; alone[NR] = $2; beside[NR] = $3 } END {
      at = int((NR + 1) / 2)
      printf "%-8s alone %.2f ms, beside them %.2f ms, ratio %.2f (median of cycles; %.2f to %.2f)\n",
        what, alone[at], beside[at], ratio[at], ratio[1], ratio[NR] }'
  done
}

# --- the calls of one create -----------------------------------------------------------------------------------------
# Files and folders of cgroups, not the mounts of the container: "CALLS MILLISECONDS".
sum() {
  awk '/(\/sys\/fs\/cgroup|\/proc\/[a-z0-9]+\/cgroup)/ &&
      !/^(mount|fsmount|move_mount|open_tree|clone3?|execve|umount2)\(/ {
      calls++; if (match($0, /<[0-9.]+>$/)) time += substr($0, RSTART + 1, RLENGTH - 2) }
    END { print calls, time * 1000 }'
}

traced_create() { # NAME COMMAND...
  local name=$1 tracer
  shift
  rm -rf "$work/pid" "$work/trace"
  mkdir "$work/trace"
  # A file a process: no call is broken in two by another's.
  strace -ff -y -T -qq -o "$work/trace/of" "$@" create --bundle "$work/box" --pid-file "$work/pid" "bench-$name" \
    </dev/null >"$work/out" 2>&1 &
  tracer=$!
  # strace follows the container's process, which lives until it is deleted.
  for _ in $(seq 600); do
    [ ! -s "$work/pid" ] || break
    kill -0 "$tracer" 2>/dev/null || { cat "$work/out" >&2; return 1; }
    sleep 0.1
  done
  sleep 0.5
  "$@" delete --force "bench-$name"
  wait "$tracer" || true
  cat "$work/trace"/* | sum >>"$work/sum.$name"
}

calls() {
  local rounds=${ROUNDS:-15} name
  bundle '.linux.resources = {memory: {limit: 67108864, swap: 67108864},
    cpu: {shares: 512, quota: 50000, period: 100000}, pids: {limit: 100}} | .linux.cgroupsPath = "/bench"'
  for _ in $(seq "$rounds"); do
    traced_create rundlet "$build/rundlet" --root "$work/state"
    traced_create crun crun --root "$work/crun" --cgroup-manager=cgroupfs
  done
  echo "create on cgroup files, limits of memory, swap, cpu and pids, $rounds rounds, $(uname -r)"
  for name in rundlet crun; do
    printf '%-8s %4s calls %8.2f ms (median, under strace)\n' "$name" "$(awk '{ print $1 }' "$work/sum.$name" | median)" \
      "$(awk '{ print $2 }' "$work/sum.$name" | median)"
  done
}

case ${1:-} in
  many | calls) "$1" ;;
  *) echo "usage: cgroup.sh many | calls" >&2; exit 2 ;;
esac
