# Two hosts joined by a veth, containers behind the first.  For the bats files about the packet filter of netsetup.
#
#   outside 192.0.2.9, 2001:db8::9 -- eth0 ... uplink -- 192.0.2.1, 2001:db8::1 host br0 10.1.0.1, fd00:1::1 -- containers
#
# Each is a network namespace held by a sleeping process; the host has a /run of its own as well.
# shellcheck shell=bash disable=SC2154

load netsetup

hosts_setup() {
  host_setup
  # A new namespace has what the first one of the machine has.
  host sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
  container OUTSIDE
  host ip link add uplink type veth peer name eth0 netns "$OUTSIDE"
  host ip address add 192.0.2.1/24 dev uplink
  host ip address add 2001:db8::1/64 dev uplink nodad
  host ip link set uplink up
  inside "$OUTSIDE" ip address add 192.0.2.9/24 dev eth0
  inside "$OUTSIDE" ip address add 2001:db8::9/64 dev eth0 nodad
  inside "$OUTSIDE" ip link set lo up
  inside "$OUTSIDE" ip link set eth0 up
}

attach() { # ID PID NUMBER [OPTION...]: 10.1.0.N on br0; with BRIDGE=2: 10.2.0.N on br2
  local id=$1 pid=$2 n=$3 b=${BRIDGE:-1}
  shift 3
  net attach "$id" --netns "$pid" --bridge "br$b" --address "10.$b.0.$n/24" --address "fd00:$b::$n/64" \
    --gateway "10.$b.0.1" --gateway "fd00:$b::1" --bridge-address "10.$b.0.1/24" --bridge-address "fd00:$b::1/64" "$@"
}

link_of() { # ID
  net plan attach "$1" --netns 1 --bridge br1 | sed -n 's/.* no link is called //p'
}

# A server that answers every connection with the address of who asks: answer PID TCP4-LISTEN:80
answer() { # PID ADDRESS-OF-SOCAT
  inside "$1" socat "$2,fork,reuseaddr" SYSTEM:'read -r line; echo peer $SOCAT_PEERADDR' </dev/null >/dev/null 2>&1 3>&- 4>&- &
  SLEEPERS+=("$!")
}

# What a server says: ask PID TCP4:192.0.2.1:8080
ask() { # PID ADDRESS-OF-SOCAT
  echo hello | inside "$1" timeout $((3 * ${SLOW:-1})) socat -t $((2 * ${SLOW:-1})) - "$2,connect-timeout=$((2 * ${SLOW:-1}))" 2>&1
}

answers() { # PID ADDRESS [PEER]: there is an answer, and the server saw that peer
  local got
  got=$(ask "$1" "$2") || true
  echo "$2: $got"
  [[ $got == "peer ${3:-}"* ]]
}

# The same as soon as it does: a server is not there at once, and a busy machine takes its time.
answered() { # PID ADDRESS [PEER]
  WAIT=30 wait_for answers "$@"
}

answers_not() { # PID ADDRESS
  local got
  got=$(ask "$1" "$2") || true
  echo "$2: $got"
  [[ $got != peer* ]]
}

dropped() { # FAMILY: packets that our rules have dropped
  host nft -j list table "$1" netsetup | jq '[.nftables[].rule?.expr[]?.counter?.packets // 0] | add // 0'
}

elements() { # how many elements with a comment of ours there are
  host nft -j list ruleset | jq '[.nftables[] | (.set? // .map?) | .elem? // [] | .[] | select(tostring | test("\"comment\":\"rl"))] | length'
}

rules() {
  host nft -j list ruleset | jq '[.nftables[] | select(.rule)] | length'
}

fails() { # WORDS COMMAND...: exactly one error line with the words
  local words=$1
  shift
  run "$@"
  echo "$output"
  [ "$status" -eq 1 ]
  [ "$(grep -c 'error:' <<<"$output")" -eq 1 ]
  [[ $output == *"$words"* ]]
}
