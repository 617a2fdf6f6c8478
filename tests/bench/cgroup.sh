#!/bin/bash
# make bench-cgroup: what cgroups cost.
#
#   cgroup.sh many    creates COUNT=1000 containers that stay: do the last cost what the first did?
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

mean() {
  awk '{ sum += $1 } END { print sum / NR }'
}

median() {
  sort -n | awk '{ at[NR] = $1 } END { print at[int((NR + 1) / 2)] }'
}

# The first and the last 50 numbers of standard input.
compare() { # median|mean WHAT
  local first last
  cat >"$work/numbers"
  first=$(head -n 50 "$work/numbers" | "$1")
  last=$(tail -n 50 "$work/numbers" | "$1")
  awk -v what="$1 of $2" -v first="$first" -v last="$last" 'BEGIN {
    printf "%s: the first 50 %.2f ms, the last 50 %.2f ms, ratio %.2f\n", what, first, last, last / first }'
}

# --- a thousand side by side -----------------------------------------------------------------------------------------
many() {
  local count=${COUNT:-1000} n
  local runtime=("$build/rundlet" --root "$work/state")
  bundle '.linux.namespaces = [{type: "pid"}, {type: "mount"}, {type: "cgroup"}] | del(.hostname, .domainname)
    | .mounts |= map(select(.type == "proc"))'
  TIMEFORMAT='%3R %3U %3S'
  for n in $(seq "$count"); do
    { time "${runtime[@]}" create --bundle "$work/box" "bench-$n" </dev/null >/dev/null 2>&1; } 2>&1
  done >"$work/times"
  echo "create, $count containers side by side, $(uname -r)"
  awk '{ print $1 * 1000 }' "$work/times" | compare median "the time"
  awk '{ print ($2 + $3) * 1000 }' "$work/times" | compare mean "the processor's time"
  for n in $(seq "$count"); do
    "${runtime[@]}" delete --force "bench-$n"
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
