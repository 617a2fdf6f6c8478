#!/bin/bash
# How exact netsetup's bandwidth is and how long a ping waits under load, in a network namespace of its own (as root).
# Payload is counted for TIME=4 seconds and turned into Ethernet bytes, which is what a rate means: 1514 of a full packet
# for 1448 of payload, with IPv6 1428.  Usage: tests/bench/bandwidth.sh [RATE...], in mbit.
set -eu
build=${BUILD:-build}
[ -x "$build/tests/flow" ] || make -s BUILD="$build" "$build/tests/flow" "$build/netsetup"
if [ -z "${BANDWIDTH_INSIDE:-}" ]; then
  exec env BANDWIDTH_INSIDE=1 unshare --net --mount --pid --fork --kill-child --propagation private "$0" "$@"
fi
mount -t tmpfs tmpfs /run
mount -t proc proc /proc
ip link set lo up
host=$$
unshare --net sleep infinity &
container=$!
until [ "$(readlink /proc/$container/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done

attach() { # RATE, or none
  "$build/netsetup" attach web --netns "$container" --bridge br0 --address 10.1.0.2/24 --address fd00:1::2/64 \
    --bridge-address 10.1.0.1/24 --bridge-address fd00:1::1/64 --ingress "$1" --egress "$1"
}

flow() { # FROM TO ADDRESS
  nsenter --net --target "$2" "$build/tests/flow" receive "$3" 5001 $((${TIME:-4} * 1000)) &
  nsenter --net --target "$1" "$build/tests/flow" send "$3" 5001
  wait $!
}

ping_under_load() { # ADDRESS
  nsenter --net --target "$container" ping -q -i 0.05 -c 40 "$1" | sed -nE 's|^rtt.* = ([^ ]*) .*|\1|p'
}

row() { # RATE DIRECTION FROM TO ADDRESS
  local got payload=1448
  [[ $5 != *:* ]] || payload=1428
  got=$(flow "$3" "$4" "$5")
  awk -v rate="$1" -v name="$2" -v got="$got" -v payload="$payload" \
    'BEGIN {
      e = got * 1514 / payload / 1e6
      printf "%6s mbit %-9s %9.2f Mbit/s  %s\n", rate, name, e, rate == "none" ? "" : sprintf("%+.1f %%", (e / rate - 1) * 100)
    }'
}

[ $# -gt 0 ] || set -- 10 1000 none
for rate in "$@"; do
  case $rate in
    none) attach none ;;
    *) attach "${rate}mbit" ;;
  esac
  row "$rate" in "$host" "$container" 10.1.0.2
  row "$rate" out "$container" "$host" 10.1.0.1
  row "$rate" "in IPv6" "$host" "$container" fd00:1::2
  flow "$container" "$host" 10.1.0.1 >/dev/null &
  load=$!
  sleep 1
  echo "  ping under load (min/avg/max/mdev ms): $(ping_under_load 10.1.0.1)"
  wait "$load"
  "$build/netsetup" detach web
done
