#!/bin/bash
# make bench: rundlet beside crun, runc, youki (those found in PATH that can run here) and a bare program that makes the
# same system calls; interleaved in one run, the same bundle for all.
#
#   run.sh [run|filter|exec|life|state|load|many|memory]...      run alone if none is named
#
#   run      `run /bin/true`, the bundle of `rundlet spec`
#   filter   the same with Docker's seccomp profile (437 calls), beside rundlet without
#   exec     `exec` of /bin/true in a container that runs
#   life     create, start, kill and delete
#   state    `state` of a container that runs
#   load     100 runs by 2 workers; and by the bare program, which is what this machine can do at most
#   memory   the smallest memory.max in which `run /bin/true` works; wants the memory controller, so make runs it in the
#            virtual machine
#   many     state, ps and list of one container, and beside 999 others; what reading 1,000 small files takes
#
# ROUNDS=50 changes the number of rounds.  OUT=DIR (BUILD/bench) keeps bench.tsv: WORK, WHO, median, p10 and p90 in ms,
# peak KiB; and a picture, bench.svg, where gnuplot is.
set -eu
. "$(dirname "$0")/bars.sh"
build=$(realpath "${BUILD:-build}")
out=${OUT:-$build/bench}
rounds=${ROUNDS:-50}
work=$(mktemp -d)
state=$(mktemp -d /dev/shm/rundlet-bench.XXXXXX) # in memory, as /run is
root=$(awk '$9 == "cgroup2" || $8 == "cgroup2" || / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
[ -n "$root" ] || { echo "bench: no cgroup2 mount" >&2; exit 1; }
names=() # of the contestants
declare -A command

# Of the container that lives; two of the same runtime may not meet in one cgroup.
live_id() { # NAME
  echo "bench-$$-${1//[^a-z]/}"
}

clean() {
  local name
  for name in "${names[@]}"; do
    ${command[$name]} delete --force "$(live_id "$name")" >/dev/null 2>&1 || true
  done
  rm -rf "$work" "$state"
}
trap clean EXIT
mkdir -p "$out"
export COMPARE_TSV=$out/bench.tsv
rm -f "$COMPARE_TSV"
cc -O2 -D_GNU_SOURCE -static -o "$work/bare" tests/bench/bare.c
cc -O2 -D_GNU_SOURCE -o "$work/compare" tests/bench/compare.c

# No terminal; a version that old peers know; no device rules: Debian's crun wants a larger RLIMIT_MEMLOCK for them than
# some machines allow.
bundle() { # NAME FILTER [OPTION OF JQ...]
  local folder=$work/$1 filter=$2
  shift 2
  mkdir -p "$folder"/rootfs/{bin,proc,sys,dev}
  cp /bin/busybox "$folder/rootfs/bin/busybox"
  ln -s busybox "$folder/rootfs/bin/true"
  ln -s busybox "$folder/rootfs/bin/sleep"
  "$build/rundlet" spec --bundle "$folder"
  jq "$@" '.process.terminal = false | .process.args = ["/bin/true"] | del(.linux.resources.devices)
    | .ociVersion = "1.0.2" | '"$filter" "$folder/config.json" >"$work/config"
  mv "$work/config" "$folder/config.json"
}

contestants() {
  local name path
  bundle box .
  bundle stay '.process.args = ["/bin/sleep", "100000"]'
  # shellcheck disable=SC2016 # a variable of jq
  bundle filtered '.linux.seccomp = $profile[0]' --slurpfile profile tests/bats/seccomp.json
  for name in rundlet "rundlet (dynamic)" crun runc youki; do
    case $name in
      rundlet) path=$build/static/rundlet ;;
      "rundlet (dynamic)") path=$build/rundlet ;;
      *) path=$(command -v "$name" || true) ;;
    esac
    [ -x "$path" ] || continue
    command[$name]="$path --root $state/${name//[^a-z]/}"
    [ "$name" != crun ] || command[$name]+=" --cgroup-manager=disabled"
    if ${command[$name]} run --bundle "$work/box" "bench-$$" >"$work/words" 2>&1 </dev/null; then
      names+=("$name")
    else
      echo "bench: $name cannot run this bundle here: $(tail -n 1 "$work/words" | cut -c 1-160)"
    fi
  done
}

# One table: TITLE, then for every contestant the words in which @ is its command and LIVE the id of its container that
# lives; FIRST... come before.
compare() { # ROUNDS TITLE WORDS [FIRST...]
  local count=$1 title=$2 words=$3 name
  shift 3
  local line
  for name in "${names[@]}"; do
    line=${words//@/${command[$name]}}
    set -- "$@" "$name" "${line//LIVE/$(live_id "$name")}"
  done
  echo
  echo "$title, $count rounds, $(uname -r), $(nproc) cores"
  COMPARE_TITLE=$title "$work/compare" "$count" "$@"
}

bench_run() {
  compare "$rounds" "run /bin/true, the bundle of rundlet spec" "@ run --bundle $work/box bench-$$" \
    bare "$work/bare $work/box/rootfs $root/rundlet-bench-bare"
}

bench_filter() {
  local one=${command[rundlet]:-${command["rundlet (dynamic)"]}}
  compare "$rounds" "run /bin/true with a seccomp profile of 437 calls" "@ run --bundle $work/filtered bench-$$" \
    "rundlet, no profile" "$one run --bundle $work/box bench-$$"
}

live() { # start|end
  local name
  for name in "${names[@]}"; do
    case $1 in
      start) ${command[$name]} run --detach --bundle "$work/stay" "$(live_id "$name")" </dev/null >/dev/null ;;
      end) ${command[$name]} delete --force "$(live_id "$name")" ;;
    esac
  done
}

bench_exec() {
  live start
  compare "$rounds" "exec of /bin/true" "@ exec LIVE /bin/true"
  live end
}

bench_life() {
  compare "$rounds" "create, start, kill, delete" "@ create --bundle $work/stay bench-$$ ; @ start bench-$$ ; \
@ kill bench-$$ KILL ; @ delete --force bench-$$"
}

bench_state() {
  live start
  compare "$rounds" "state" "@ state LIVE"
  live end
}

bench_load() {
  local name
  for name in "${names[@]}"; do
    # shellcheck disable=SC2016 # for the script
    printf '#!/bin/sh\nseq 100 | xargs -P 2 -I @ %s run --bundle %s bench-%s-@\n' "${command[$name]}" "$work/box" "$$" \
      >"$work/load-${name//[^a-z]/}"
    chmod +x "$work/load-${name//[^a-z]/}"
  done
  local first=()
  for name in "${names[@]}"; do first+=("$name" "$work/load-${name//[^a-z]/}"); done
  printf '#!/bin/sh\nseq 100 | xargs -P 2 -I @ %s\n' "$work/bare $work/box/rootfs $root/rundlet-bench-bare-@" >"$work/load-bare"
  chmod +x "$work/load-bare"
  first+=(bare "$work/load-bare")
  echo
  echo "100 runs of /bin/true by 2 workers, 5 rounds, $(uname -r), $(nproc) cores"
  COMPARE_TITLE="100 runs by 2 workers" "$work/compare" 5 "${first[@]}"
}

bench_many() {
  local one=${command[rundlet]:-${command[rundlet (dynamic)]}} all count=$((${COUNT:-1000} - 1)) n
  bundle light '.process.args = ["/bin/sleep", "100000"] | .linux.namespaces = [{type: "pid"}, {type: "mount"}, {type: "cgroup"}]
    | del(.hostname, .domainname) | .mounts |= map(select(.type == "proc"))'
  all=${one/$state\//$state/all-}
  mkdir "$work/files"
  for n in $(seq $((count + 1))); do echo "$n" >"$work/files/$n"; done
  $one run --detach --bundle "$work/light" "bench-$$-live" </dev/null >/dev/null
  $all run --detach --bundle "$work/light" "bench-$$-live-all" </dev/null >/dev/null
  seq "$count" | xargs -P 2 -I @ sh -c "$all create --bundle $work/light bench-$$-@" >/dev/null
  echo
  echo "one container, and beside $count others, $rounds rounds, $(uname -r), $(nproc) cores"
  COMPARE_TITLE="one, and beside $count others" "$work/compare" "$rounds" "read $((count + 1)) files" "/bin/busybox grep -r -c . $work/files" \
    list "$one list" "list all" "$all list" state "$one state bench-$$-live" "state beside all" "$all state bench-$$-live-all" \
    ps "$one ps bench-$$-live" "ps beside all" "$all ps bench-$$-live-all"
  $one delete --force "bench-$$-live"
  $all list -q | xargs -P 2 -I @ sh -c "$all delete --force @"
}

# A plain cgroup and a program that only goes into it and is replaced by /bin/true is the floor.
bench_memory() {
  local name kib ok
  echo
  echo "the smallest memory.max in which run /bin/true works, $(uname -r)"
  for name in exec "${names[@]}"; do
    for kib in 64 96 128 192 256 384 512 768 1024 1536 2048 3072 4096 6144 8192 12288 16384 0; do
      if [ "$name" = exec ]; then
        mkdir -p "$root/bench-$$-floor"
        echo $((kib * 1024)) >"$root/bench-$$-floor/memory.max"
        # shellcheck disable=SC2016 # for the inner shell
        ok=$(sh -c 'echo $$ >"$1/cgroup.procs" && exec "$2" true' sh "$root/bench-$$-floor" \
          "$work/box/rootfs/bin/busybox" && echo yes) || true
      else
        bundle limited ".linux.resources = {memory: {limit: $((kib * 1024))}}"
        ok=$(${command[$name]/--cgroup-manager=disabled/} run --bundle "$work/limited" "bench-$$" </dev/null && echo yes) ||
          true
        ${command[$name]} delete --force "bench-$$" || true
        rm -rf "$work/limited"
      fi 2>/dev/null
      [ -z "$ok" ] || break
    done
    printf '%-28s %6s KiB\n' "$name" "$kib"
  done
  rmdir "$root/bench-$$-floor"
}

picture() {
  grep -v -e '^one, and beside' -e 'no profile' "$COMPARE_TSV" >"$work/picture" || return 0
  bars "$work/picture" "$out/bench.svg" "Time in multiples of rundlet's (less is better)" rundlet
}

[ $# -gt 0 ] || set -- run
contestants
for part in "$@"; do
  case $part in
    run | filter | exec | life | state | load | many | memory) "bench_$part" ;;
    *) echo "usage: run.sh [run|filter|exec|life|state|load|many|memory]..." >&2; exit 2 ;;
  esac
done
[ ! -s "$COMPARE_TSV" ] || [ ! -x "$build/static/rundlet" ] || picture
