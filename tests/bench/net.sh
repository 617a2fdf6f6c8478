#!/bin/bash
# make bench-net: what it costs to attach and detach a container by netsetup, by the CNI project's plugins (Debian's
# containernetworking-plugins) and by netavark if they are here, each in network namespaces of its own, by turns, with
# the effect of every ADD checked.  tests/native.sh keeps all of it apart from this machine's network.
#
#   net.sh [warm|cold|parallel|many|size]...     all of them if none is named
#
#   ROUNDS=30 for warm, a third of them for cold; AT_ONCE=64; COUNT=1000, PEER_COUNT=COUNT for the peers.
# shellcheck disable=SC2016 # scripts for inner shells
set -eu
build=${BUILD:-build}
rounds=${ROUNDS:-30}
plugins=/usr/lib/cni
netavark=${NETAVARK:-$(command -v netavark || echo /usr/lib/podman/netavark)}
self=$(realpath "$0")

# --- a host, and an outside behind a router that knows no container --------------------------------------------------
host() {
  ip link set lo up
  mkdir -p /run/netns
  touch /run/netns/outside
  unshare --net sh -c 'mount --bind /proc/self/ns/net /run/netns/outside'
  ip link add uplink type veth peer name uplink netns outside
  ip address add 192.0.2.1/24 dev uplink
  ip link set uplink up
  ip -n outside address add 192.0.2.2/24 dev uplink
  ip -n outside link set uplink up
  ip route add default via 192.0.2.2
  ip link add bare0 type bridge
}

# --- what an ADD must have brought; called by net.c ------------------------------------------------------------------
check() { # NAME NETNS IP PORT
  local gateway listener answer=''
  [ "$1" != ip ] || { nsenter --net="$2" ip link show eth0 >/dev/null; return; }
  gateway=${3%.*.*}.0.1
  nsenter --net="$2" ping -q -c 1 -W 5 "$gateway" >/dev/null
  [ "$KIND" != plain ] || return 0
  nsenter --net="$2" ping -q -c 1 -W 5 192.0.2.2 >/dev/null
  [ "$KIND" != masquerade ] || return 0
  nsenter --net="$2" socat -u EXEC:'echo ok' TCP-LISTEN:80,reuseaddr &
  listener=$!
  for _ in $(seq 50); do
    answer=$(nsenter --net=/run/netns/outside socat -u TCP:"192.0.2.1:$4" - 2>/dev/null) && break
    sleep 0.05
  done
  [ "$answer" = ok ]
  wait "$listener"
  [ "$KIND" = firewall ] || return 0
  case $1 in
    debian) iptables -w -S CNI-FORWARD | grep -qF -- "$3/32" ;;
    *) nft list ruleset 2>/dev/null | grep -qF -- "$3" ;;
  esac
}

# --- the contestants of a kind: plain, masquerade, port, firewall ----------------------------------------------------
add_contestant() { # NAME CHAIN
  contestants+=("$1" "$2")
}

step() { # FILE JSON: writes a configuration
  echo "$2" >"$work/$1"
}

contestants() { # KIND
  local masq=false ports='' mappings='' nports='[]' chain name=bench
  export KIND=$1
  contestants=()
  [ "$KIND" = plain ] || masq=true
  case $KIND in port | firewall)
    ports='[{"hostPort":@PORT@,"containerPort":80,"protocol":"tcp"}]'
    mappings=",\"capabilities\":{\"portMappings\":true},\"runtimeConfig\":{\"portMappings\":$ports}"
    ;;
  esac
  local common='"cniVersion":"1.0.0","name":"'$name'"'
  local bridge='"isGateway":true,"isDefaultGateway":true,"ipMasq":'$masq',"ipam":{"type":"host-local",
    "dataDir":"/run/cni","ranges":[[{"subnet":"10.91.0.0/16"}]]}'
  # What the firewall plugin does is a matter of course in netsetup: it has no other way.
  step netsetup.conf "{$common,\"type\":\"netsetup\",\"bridge\":\"ours0\",${bridge/10.91/10.90}$mappings}"
  add_contestant netsetup "$(realpath "$build/netsetup"):$work/netsetup.conf"
  if [ -x "$plugins/bridge" ]; then
    step bridge.conf "{$common,\"type\":\"bridge\",\"bridge\":\"debian0\",$bridge}"
    step portmap.conf "{$common,\"type\":\"portmap\"$mappings}"
    step firewall.conf "{$common,\"type\":\"firewall\"}"
    chain=$plugins/bridge:$work/bridge.conf
    case $KIND in port | firewall) chain+=,$plugins/portmap:$work/portmap.conf ;; esac
    case $KIND in firewall) chain+=,$plugins/firewall:$work/firewall.conf ;; esac
    add_contestant debian "$chain"
  fi
  # The floor: only the link, by iproute2.  The rest of what others take is their own.
  if [ "$KIND" = plain ]; then
    step ip.conf '{}'
    add_contestant ip "$(command -v ip):$work/ip.conf"
  fi
  # netavark always masquerades, and leaves the choice of addresses to podman.
  case $KIND in masquerade | port)
    [ -x "$netavark" ] || return 0
    [ -z "$ports" ] || nports='[{"host_ip":"","container_port":80,"host_port":@PORT@,"range":1,"protocol":"tcp"}]'
    step netavark.conf "{\"container_id\":\"@ID@\",\"container_name\":\"@ID@\",\"port_mappings\":$nports,
      \"networks\":{\"bench\":{\"static_ips\":[\"@IP@\"],\"interface_name\":\"eth0\"}},
      \"network_info\":{\"bench\":{\"name\":\"bench\",\"id\":\"$(printf '%064d' 1)\",\"driver\":\"bridge\",
        \"network_interface\":\"navark0\",\"subnets\":[{\"subnet\":\"10.92.0.0/16\",\"gateway\":\"10.92.0.1\"}],
        \"ipv6_enabled\":false,\"internal\":false,\"dns_enabled\":false,\"ipam_options\":{\"driver\":\"host-local\"}}}}"
    add_contestant netavark "$netavark:$work/netavark.conf" ;;
  esac
}

# --- sums ------------------------------------------------------------------------------------------------------------
# "NAME ADD DEL" lines; the first two of each name only warm up.
table() { # SKIP
  local name
  awk '!seen[$1]++ { print $1 }' "$work/times" | while read -r name; do
    awk -v name="$name" -v skip="$1" '$1 == name && n++ >= skip { print $2 + $3, $2, $3 }' "$work/times" | sort -n |
      awk -v name="$name" '{ sum[NR] = $1; add += $2; del += $3 }
        END { print name, add / NR, del / NR, sum[int((NR + 1) / 2)], sum[int(NR / 10) + 1], sum[NR - int(NR / 10)] }'
  done | awk '!base { base = $4 }
    { printf "  %-9s %10.2f %10.2f %14.2f %9.2f %9.2f %7.1f\n", $1, $2, $3, $4, $5, $6, $4 / base }'
}

head_line() {
  printf '%s\n  %-9s %10s %10s %14s %9s %9s %7s\n' "$1" '' 'ADD mean' 'DEL mean' 'both: median' p10 p90 ratio
}

turns() { # warm|cold KIND ROUNDS: on one host, or each on a host of its own
  local i
  contestants "$2"
  if [ "$1" = warm ]; then
    "$self" alone "$work/net" warm $(($3 + 2)) "$work/check" "${contestants[@]}" >"$work/times"
    table 2
    return
  fi
  for _ in $(seq "$3"); do
    for ((i = 0; i < ${#contestants[@]}; i += 2)); do
      "$self" alone "$work/net" cold 1 "$work/check" "${contestants[@]:i:2}"
    done
  done >"$work/times"
  table 0
}

warm() {
  local kind
  for kind in plain masquerade port firewall; do
    head_line "$kind, warm, $rounds rounds, ms"
    turns warm "$kind" "$rounds"
  done
}

cold() {
  local kind
  for kind in plain masquerade port firewall; do
    head_line "$kind, cold: the first on a fresh host, $((rounds / 3)) rounds, ms"
    turns cold "$kind" $((rounds / 3))
  done
}

parallel() {
  local kind
  for kind in plain port; do
    echo "$kind, ${AT_ONCE:-64} at once, ms of wall time"
    contestants "$kind"
    for ((i = 0; i < ${#contestants[@]}; i += 2)); do
      "$self" alone "$work/net" parallel "${AT_ONCE:-64}" "$work/check" "${contestants[@]:i:2}" ||
        echo "${contestants[i]} fails"
    done | awk '!base { base = $2 } NF < 3 { print "  " $0; next }
      { printf "  %-9s ADD %9.1f   DEL %9.1f   ratio of ADD %.1f\n", $1, $2, $3, $2 / base }'
  done
}

middle() { # NAME WHAT FROM TO
  awk -v name="$1" -v what="$2" -v from="${3:-0}" -v to="${4:-0}" \
    '$1 == name && $2 == what && (what != "add" || $3 >= from && $3 < to) { print $4 }' "$work/times" | sort -n |
    awk '{ at[NR] = $1 } END { print at[int((NR + 1) / 2)] }'
}

many() {
  local i name count
  contestants port
  for ((i = 0; i < ${#contestants[@]}; i += 2)); do
    name=${contestants[i]}
    count=${COUNT:-1000}
    [ "$name" = netsetup ] || count=${PEER_COUNT:-$count}
    "$self" alone "$work/net" many "$count" "$work/check" "${contestants[@]:i:2}" >"$work/times" ||
      { echo "$name fails with $count"; continue; }
    printf '%-9s %d attached, each with a port: ADD of the first 50 %.2f ms, of the last 50 %.2f ms; ' \
      "$name" "$count" "$(middle "$name" add 0 50)" "$(middle "$name" add $((count - 50)) "$count")"
    printf 'a request through the first port %.0f us, the last %.0f us\n' "$(middle "$name" first)" \
      "$(middle "$name" last)"
  done
}

size() {
  echo "size in bytes"
  cp "$build/netsetup" "$work/stripped"
  strip "$work/stripped"
  printf '  %-38s %10d\n' netsetup "$(stat -c %s "$work/stripped")"
  [ ! -x "$plugins/bridge" ] || printf '  %-38s %10d\n' 'bridge host-local portmap firewall' \
    "$(cat "$plugins"/{bridge,host-local,portmap,firewall} | wc -c)" 'all CNI plugins' "$(cat "$plugins"/* | wc -c)"
  [ ! -x "$netavark" ] || printf '  %-38s %10d\n' netavark "$(stat -c %s "$netavark")"
}

case ${1:-} in
  check) shift; check "$@"; exit ;;
  alone) # COMMAND...: on a host of its own
    shift
    exec unshare --net --mount --propagation private "$self" on-host "$@" ;;
  on-host)
    shift
    mount -t tmpfs tmpfs /run
    host
    exec "$@" ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CNI_PATH=$plugins
cc -O2 -D_GNU_SOURCE -o "$work/net" tests/bench/net.c
printf '#!/bin/sh\nexec %s check "$@"\n' "$self" >"$work/check"
chmod +x "$work/check"
[ -x "$plugins/bridge" ] || echo "bench: no CNI plugins in $plugins"
[ -x "$netavark" ] || echo "bench: no netavark"
echo "attach and detach, $(uname -r), $(nproc) cores"
for part in "${@:-all}"; do
  case $part in
    warm | cold | parallel | many | size) "$part" ;;
    all) warm && cold && parallel && many && size ;;
    *) echo "usage: net.sh [warm|cold|parallel|many|size]..." >&2; exit 2 ;;
  esac
done
