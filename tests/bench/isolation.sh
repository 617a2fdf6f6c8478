#!/bin/bash
# make bench-isolation: what isolation costs a program, and how good it is.
#
#   isolation.sh costs        the same program on the host, in rundlet's container and in those of the peers found here:
#                             system calls, page faults, processes, files of an overlay; ROUNDS=7 by turns
#   isolation.sh network      a byte there and back, and a stream, to the host: loopback, a bare veth, netsetup's
#   isolation.sh walls        what a program finds of its confinement, in each runtime's own default config
#   isolation.sh neighbours   small jobs in one container while another takes all it can get, without and with limits,
#                             SECONDS_EACH=3; ROUNDS=3; wants all controllers, so make runs it in the virtual machine
#
# Prints tables; OUT=DIR (BUILD/bench-isolation) keeps the numbers as NAME.tsv, and pictures as NAME.svg where gnuplot
# is.  Medians of all rounds.
set -eu
. "$(dirname "$0")/bars.sh"
build=$(realpath "${BUILD:-build}")
out=${OUT:-$build/bench-isolation}
rounds=${ROUNDS:-7}
mkdir -p "$out"
work=$(mktemp -d)
mkdir "$work/memory"
mount -t tmpfs tmpfs "$work/memory"
clean() {
  local id
  for id in $("$build/rundlet" --root "$work/state" list -q 2>/dev/null); do
    "$build/rundlet" --root "$work/state" delete --force "$id" || true
  done
  [ -z "${server:-}" ] || kill "$server" 2>/dev/null || true
  umount "$work/netns" 2>/dev/null || true
  umount -l "$work"/memory/*/merged "$work/memory" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap clean EXIT

runtime=("$build/rundlet" --root "$work/state")
cc -O2 -D_GNU_SOURCE -static -o "$work/work" tests/bench/work.c

layers() {
  mkdir -p "$work"/low/{proc,sys,dev,tmp,host} "$work/base/bin"
  cp "$work/work" "$work/base/work"
  cp "$build/tests/probe" "$work/base/probe"
  cp /bin/busybox "$work/base/bin/busybox"
  ln -s busybox "$work/base/bin/sh"
  ln -s busybox "$work/base/bin/sleep"
}

# The bundle of `rundlet spec` that old peers understand too, changed by a filter of jq.
bundle() { # NAME FILTER [OPTION OF JQ...]
  local name=$1 filter=$2
  shift 2
  mkdir -p "$work/$name/rootfs"
  "$build/rundlet" spec --bundle "$work/$name"
  jq "$@" '.process.terminal = false | del(.linux.resources.devices) | .ociVersion = "1.0.2" | .root.readonly = false | '"$filter" \
    "$work/$name/config.json" >"$work/config"
  mv "$work/config" "$work/$name/config.json"
}

# Peers get as their rootfs an overlay of the same layers, mounted for them.
overlay_for() { # NAME: sets the root of its bundle
  local folder=$work/memory/$1
  mkdir -p "$folder"/{upper,work,merged}
  mount -t overlay overlay -o "lowerdir=$work/low:$work/base,upperdir=$folder/upper,workdir=$folder/work" "$folder/merged"
  jq --arg path "$folder/merged" '.root.path = $path' "$work/$1/config.json" >"$work/config"
  mv "$work/config" "$work/$1/config.json"
}

peers() {
  local peer
  for peer in crun runc youki; do
    command -v "$peer" || true
  done
}

# Runs the bundle NAME by the runtime at PATH.
by_peer() { # NAME PATH
  local options=(--root "$work/peers")
  [ "$(basename "$2")" != crun ] || options+=(--cgroup-manager=disabled)
  "$2" "${options[@]}" run --bundle "$work/$1" "bench-$1-$$" </dev/null
}

by_rundlet() { # NAME
  "${runtime[@]}" run --bundle "$work/$1" --layer "$work/low" --layer "$work/base" --upper tmpfs "bench-$1-$$" </dev/null
}

# --- tables and pictures ---------------------------------------------------------------------------------------------
# "PLACE KIND NUMBER" lines to "KIND PLACE MEDIAN", in the order in which they came first.
medians() {
  awk '{ key = $2 "\t" $1; if (!(key in n)) order[++keys] = key; at[key, ++n[key]] = $3 + 0 }
    END { for (k = 1; k <= keys; k++) { key = order[k]; count = n[key]
      for (i = 2; i <= count; i++) { v = at[key, i]; for (j = i - 1; j > 0 && at[key, j] > v; j--) at[key, j + 1] = at[key, j]
        at[key, j + 1] = v }
      print key "\t" at[key, int((count + 1) / 2)] } }'
}

# One row a kind, one column a place; behind each but the first place its ratio to the first.
table() { # UNIT DIVISOR
  awk -F '\t' -v unit="$1" -v divisor="$2" '
    !($1 in seen) { seen[$1] = 1; kind[++kinds] = $1 }
    !($2 in known) { known[$2] = 1; place[++places] = $2 }
    { value[$1, $2] = $3 }
    END {
      printf "%-20s", unit
      for (p = 1; p <= places; p++) printf (p == 1 ? "%12s" : "%19s"), place[p]
      print ""
      for (k = 1; k <= kinds; k++) {
        printf "%-20s", kind[k]
        for (p = 1; p <= places; p++) {
          v = value[kind[k], place[p]]; first = value[kind[k], place[1]]
          if (v == "") printf (p == 1 ? "%12s" : "%19s"), "-"
          else if (p == 1) printf "%12.2f", v / divisor
          else printf "%12.2f (%4.2f)", v / divisor, first ? v / first : 0
        }
        print "" } }'
}

# --- what it costs ---------------------------------------------------------------------------------------------------
costs() {
  local peer name
  layers
  bundle plain '.process.args = ["/work", "costs", "/tmp"]'
  # shellcheck disable=SC2016 # a variable of jq
  bundle filtered '.process.args = ["/work", "costs", "/tmp"] | .linux.seccomp = $profile[0]' --slurpfile profile tests/bats/seccomp.json
  for peer in $(peers); do
    name=$(basename "$peer")
    mkdir "$work/$name"
    cp "$work/plain/config.json" "$work/$name/config.json"
    overlay_for "$name"
    by_peer "$name" "$peer" >"$work/err" 2>&1 || { echo "$name cannot run this here: $(tail -n 1 "$work/err")"; continue; }
    echo "$name $peer" >>"$work/able"
  done
  for _ in $(seq "$rounds"); do
    "$work/base/work" costs "$work/memory" | sed 's/^/host /'
    by_rundlet plain | sed 's/^/rundlet /'
    by_rundlet filtered | sed 's/^/rundlet+filter /'
    while read -r name peer; do
      by_peer "$name" "$peer" | sed "s/^/$name /"
    done <"$work/able"
  done >"$work/numbers"
  medians <"$work/numbers" >"$out/costs.tsv"
  echo "what isolation costs a program: medians of $rounds rounds by turns, $(uname -r); +filter: with Docker's profile of 437 calls"
  table microseconds 1000 <"$out/costs.tsv"
  bars "$out/costs.tsv" "$out/costs.svg" "The same work, in multiples of its time on the host"
}

# --- the network -----------------------------------------------------------------------------------------------------
network() {
  local pid
  layers
  bundle net '.process.args = ["/bin/sleep", "3600"]'
  "$work/work" serve 7777 &
  server=$!
  ip link set lo up
  # What anybody does by hand: a bridge, a veth, addresses, no rule.
  touch "$work/netns"
  unshare --net="$work/netns" true
  ip link add bench0 type bridge
  ip address add 10.97.0.1/24 dev bench0
  ip link set bench0 up
  ip link add bench1 type veth peer name eth0 netns "$work/netns"
  ip link set bench1 master bench0 up
  nsenter --net="$work/netns" sh -c 'ip link set lo up; ip address add 10.97.0.2/24 dev eth0; ip link set eth0 up'
  "${runtime[@]}" run --detach --bundle "$work/net" --layer "$work/low" --layer "$work/base" --upper tmpfs bench-net \
    </dev/null >/dev/null
  pid=$("${runtime[@]}" state bench-net | jq .pid)
  "$build/netsetup" attach bench-net --root "$work/netsetup" --netns "/proc/$pid/ns/net" --bridge bench2 \
    --address 10.98.0.2/24 --gateway 10.98.0.1 --bridge-address 10.98.0.1/24 --masquerade >/dev/null
  for _ in $(seq "$rounds"); do
    "$work/work" talk 127.0.0.1 7777 | sed 's/^/loopback /'
    nsenter --net="$work/netns" "$work/work" talk 10.97.0.1 7777 | sed 's/^/veth /'
    "${runtime[@]}" exec bench-net /work talk 10.98.0.1 7777 </dev/null | sed 's/^/netsetup /'
  done >"$work/numbers"
  "$build/netsetup" detach bench-net --root "$work/netsetup"
  medians <"$work/numbers" >"$out/network.tsv"
  echo "TCP to the host: medians of $rounds rounds by turns, $(uname -r); veth: a bridge by hand without any rule"
  table microseconds 1000 <"$out/network.tsv"
  bars "$out/network.tsv" "$out/network.svg" "TCP to the host, in multiples of the time over loopback"
}

# --- how good it is --------------------------------------------------------------------------------------------------
ones() { # HEX: how many bits are set
  local value=$((16#$1)) n=0
  while [ "$value" -gt 0 ]; do n=$((n + (value & 1))); value=$((value >> 1)); done
  echo "$n"
}

facts() { # PLACE FILE
  local place=$1 file=$2 field
  for field in CapBnd CapEff; do
    printf '%s\t%s\t%s\n' "$field" "$place" "$(ones "$(awk -v key="$field:" '$2 == key { print $3 }' "$file")")"
  done
  printf 'no-new-privs\t%s\t%s\n' "$place" "$(awk '$2 == "NoNewPrivs:" { print $3 }' "$file")"
  printf 'seccomp-filters\t%s\t%s\n' "$place" "$(awk '$2 == "Seccomp_filters:" { print $3 }' "$file")"
  printf 'own-namespaces\t%s\t%s\n' "$place" "$(awk '$1 == "ns" && $2 !~ /children/ { print $2, $3 }' "$file" |
    grep -cvxFf "$work/host.ns")"
  printf 'own-keyring\t%s\t%s\n' "$place" "$(grep -c '^keyring _ses' "$file" || true)"
  printf 'writable-in-proc-sys\t%s\t%s\n' "$place" "$(grep -c '^/' "$file" || true)"
  printf 'nodes-in-dev\t%s\t%s\n' "$place" "$(grep -c '^dev ' "$file" || true)"
}

walls() {
  local peer name script
  layers
  # shellcheck disable=SC2016 # for the shell inside
  script='/probe fp; /probe writable /proc /sys; for n in $(/bin/busybox find /dev -type c -o -type b); do echo "dev $n"; done'
  "$build/tests/probe" fp | awk '$1 == "ns" { print $2, $3 }' >"$work/host.ns"
  { "$build/tests/probe" fp; "$build/tests/probe" writable /proc /sys; find /dev -type c -o -type b | sed 's/^/dev /'; } \
    >"$work/facts" 2>/dev/null || true
  facts host "$work/facts" >"$out/walls.tsv"
  for peer in "$build/rundlet" $(peers); do
    name=$(basename "$peer")
    mkdir -p "$work/$name/rootfs"
    (cd "$work/$name" && "$peer" spec)
    jq --arg script "$script" '.process.terminal = false | .process.args = ["/bin/sh", "-c", $script]
      | if $ARGS.named.name == "rundlet" then . else del(.linux.resources.devices) end' --arg name "$name" \
      "$work/$name/config.json" >"$work/config"
    mv "$work/config" "$work/$name/config.json"
    if [ "$name" = rundlet ]; then
      by_rundlet rundlet >"$work/facts"
    else
      overlay_for "$name"
      by_peer "$name" "$peer" >"$work/facts" 2>"$work/err" ||
        { echo "$name cannot run its own config here: $(tail -n 1 "$work/err")"; continue; }
    fi
    facts "$name" "$work/facts" >>"$out/walls.tsv"
  done
  echo "what a program finds of its confinement, each runtime's own default config (spec), $(uname -r)"
  awk -F '\t' '
    !($1 in seen) { seen[$1] = 1; kind[++kinds] = $1 }
    !($2 in known) { known[$2] = 1; place[++places] = $2 }
    { value[$1, $2] = $3 }
    END {
      printf "%-22s", ""; for (p = 1; p <= places; p++) printf "%10s", place[p]; print ""
      for (k = 1; k <= kinds; k++) {
        printf "%-22s", kind[k]; for (p = 1; p <= places; p++) printf "%10s", value[kind[k], place[p]]; print "" } }' \
    "$out/walls.tsv"
}

# --- noisy neighbours ------------------------------------------------------------------------------------------------
victim() { # SCENE
  "${runtime[@]}" run --bundle "$work/victim" --layer "$work/low" --layer "$work/base" --upper tmpfs bench-victim \
    </dev/null | sed "s/^/$1 /"
}

# The limits of one who may take what is left, and of one who is held.  Nothing at all would take the machine with it: a
# thousand that fork leave nobody else the time to end them.
neighbour() { # KIND loose|tight
  local limits='{}' device
  device=$(mountpoint -d "${RUNDLET_EXT4:-$work}" 2>/dev/null || echo 0:0)
  case $1-$2 in
    cpu-tight) limits='{cpu: {quota: 20000, period: 100000}}' ;;
    memory-loose) limits='{memory: {limit: 1500000000}}' ;;
    memory-tight) limits='{memory: {limit: 67108864}, cpu: {quota: 20000, period: 100000}}' ;;
    io-tight) limits="{unified: {\"io.max\": \"$device wbps=4194304\", \"cpu.max\": \"20000 100000\"}}" ;;
    pids-loose) limits="{pids: {limit: $((150 * $(nproc)))}}" ;;
    pids-tight) limits='{pids: {limit: 32}, cpu: {quota: 20000, period: 100000}}' ;;
  esac
  rm -rf "$work/neighbour"
  bundle neighbour ".process.args = [\"/work\", \"burn\", \"$1\", \"/host\"] | .linux.resources = $limits
    | .mounts += [{destination: \"/host\", type: \"bind\", source: \"$work/disk\", options: [\"rbind\", \"rw\"]}]"
  "${runtime[@]}" run --detach --bundle "$work/neighbour" --layer "$work/low" --layer "$work/base" --upper tmpfs \
    bench-neighbour </dev/null >/dev/null
  sleep 1
  [ "$1" != pids ] || full
  victim "$1-$2"
  "${runtime[@]}" delete --force bench-neighbour
}

# Until one fork more was refused.
full() {
  local end=$((SECONDS + 60))
  until grep -q '^max [1-9]' /sys/fs/cgroup/rundlet/bench-neighbour/pids.events || [ "$SECONDS" -ge "$end" ]; do
    sleep 0.2
  done
}

neighbours() {
  local kind
  layers
  mkdir -m 1777 "$work/disk"
  bundle victim '.process.args = ["/work", "victim", "'"${SECONDS_EACH:-3}"'", "/tmp"] | .linux.resources = {}'
  for _ in $(seq "${ROUNDS:-3}"); do
    victim alone
    for kind in cpu memory io pids; do
      neighbour "$kind" loose
      neighbour "$kind" tight
    done
  done >"$work/numbers"
  medians <"$work/numbers" | awk -F '\t' '$1 == "p50" || $1 == "p90"' >"$out/neighbours.tsv"
  echo "small jobs beside a neighbour, without limits and with, ${ROUNDS:-3} rounds, $(uname -r): milliseconds of a job" \
    "(ratio to alone)"
  awk -F '\t' '{ print $2 "\t" $1 "\t" $3 }' "$out/neighbours.tsv" | awk -F '\t' '
    { value[$1, $2] = $3; if (!($1 in seen)) { seen[$1] = 1; scene[++scenes] = $1 } }
    END {
      printf "%-14s%10s%18s\n", "", "p50", "p90"
      for (s = 1; s <= scenes; s++)
        printf "%-14s%10.2f (%5.2f)%10.2f (%5.2f)\n", scene[s], value[scene[s], "p50"] / 1e6,
          value[scene[s], "p50"] / value["alone", "p50"], value[scene[s], "p90"] / 1e6,
          value[scene[s], "p90"] / value["alone", "p90"] }'
  # One group of bars for each kind of neighbour.
  awk -F '\t' '$1 == "p90" { split($2, scene, "-"); time[$2] = $3; if (scene[2] == "tight") kind[++kinds] = scene[1] }
    END { OFS = "\t"; for (k = 1; k <= kinds; k++) { print kind[k], "alone", time["alone"]
      print kind[k], "without limits", time[kind[k] "-loose"]; print kind[k], "with limits", time[kind[k] "-tight"] } }' \
    "$out/neighbours.tsv" >"$work/picture"
  bars "$work/picture" "$out/neighbours.svg" "p90 of a job beside who takes all it can get, in multiples of its p90 alone" alone log
}

case ${1:-} in
  costs | network | walls | neighbours) "$1" ;;
  *) echo "usage: isolation.sh costs | network | walls | neighbours" >&2; exit 2 ;;
esac
