# VLANs on one bridge, with real packets: networks red (10) and blue (20), and one without.
# shellcheck shell=bash disable=SC2154,SC2030,SC2031
load helpers
load netsetup

STATE=/run/netsetup

netw() {
  net "$@" --root "$STATE"
}

needs_filtering() {
  host ip link add probe0 type bridge vlan_filtering 1 || skip "needs VLAN filtering in the kernel"
  host ip link del probe0
}

leftovers() {
  host find "$STATE/attached" -type f
}

links() {
  host ip -j link | jq -r '[.[].ifname] | join(" ")'
}

# Who asks for the address, as a container hears it, goes to a file of its own.
asked() { # PID ADDRESS
  nsenter --net --target "$1" -- tcpdump -l --immediate-mode -n -i eth0 "arp and host $2" \
    >"$BATS_TEST_TMPDIR/asked.$1" 2>"$BATS_TEST_TMPDIR/tcpdump.$1" 3>&- 4>&- &
  SLEEPERS+=("$!")
  wait_for grep -q 'listening on' "$BATS_TEST_TMPDIR/tcpdump.$1"
}

bridges() { # NAME...: of the containers' subnets
  netw network create red --bridge br0 --vlan 10 --subnet 10.6.1.0/24
  netw network create blue --bridge br0 --vlan 20 --subnet 10.6.2.0/24
  netw network create plain --bridge br0 --subnet 10.6.3.0/24
}

@test "vlan: two on one bridge do not reach each other, and each has its gateway" {
  needs_filtering
  for name in A B C D; do container "$name"; done
  bridges
  netw attach plain --netns "$D" --network plain # before the bridge sorts
  netw attach a --netns "$A" --network red
  netw attach b --netns "$B" --network red
  netw attach c --netns "$C" --network blue
  reaches "$A" 10.6.1.3
  reaches "$A" 10.6.1.1
  reaches "$C" 10.6.2.1
  reaches "$D" 10.6.3.1
  # Nor by an address of the other network on the same wire: nothing of it arrives.
  inside "$B" ip address add 10.99.0.2/16 dev eth0
  inside "$C" ip address add 10.99.0.3/16 dev eth0
  netw detach a
  netw attach a --netns "$A" --network red --allow-spoofing
  inside "$A" ip address add 10.99.255.1/16 dev eth0
  asked "$C" 10.99.0.3
  asked "$B" 10.99.0.3
  reaches_not "$A" 10.99.0.3
  wait_for test -s "$BATS_TEST_TMPDIR/asked.$B" # the same question, on the same wire
  [ ! -s "$BATS_TEST_TMPDIR/asked.$C" ]
  reaches_not "$A" 10.6.2.2 # nor through the gateways
  reaches_not "$C" 10.6.1.3
  [[ $(netw network show red) == *'vlan       10'* ]]
  [ "$(links | tr ' ' '\n' | grep -c '^br0\.')" = 2 ]
  netw detach c
  netw gc
  [ "$(links | tr ' ' '\n' | grep '^br0\.')" = br0.10 ]
  for id in a b plain; do netw detach "$id"; done
  netw network delete red
  netw gc
  [ "$(links)" = lo ]
  [ -z "$(leftovers)" ]
}

@test "vlan: a trunk gets its VLANs with their tags and no other" {
  needs_filtering
  for name in A B C; do container "$name"; done
  bridges
  netw network create trunk --bridge br0 --trunk 10,15-19 --allow-spoofing --subnet 10.6.4.0/24
  netw attach a --netns "$A" --network red
  netw attach c --netns "$C" --network blue
  netw attach t --netns "$B" --network trunk
  for n in 10 20; do
    inside "$B" ip link add link eth0 name "eth0.$n" type vlan id "$n"
    inside "$B" ip link set "eth0.$n" up
  done
  inside "$B" ip address add 10.6.1.99/24 dev eth0.10
  inside "$B" ip address add 10.6.2.99/24 dev eth0.20
  reaches "$B" 10.6.1.2
  reaches_not "$B" 10.6.2.2
}

@test "vlan: CNI's keys, a bridge of somebody else, and an attach that fails leaves nothing" {
  needs_filtering
  container A
  host ip link add br0 type bridge
  bridges
  fails 'bridge br0 sorts no VLANs and was not made here' netw attach a --netns "$A" --network red
  [ "$(links)" = 'lo br0' ]
  host ip link del br0
  inside "$A" ip link add eth0 type veth peer name other
  fails 'eth0 exists there' netw attach a --netns "$A" --network red
  [ "$(links)" = lo ]
  inside "$A" ip link del eth0
  conf='{"cniVersion":"1.0.0","name":"pod","type":"netsetup","bridge":"br0","isGateway":true,"vlan":30,
    "vlanTrunk":[{"id":31},{"minID":40,"maxID":42}],"ipam":{"type":"host-local","subnet":"10.6.5.0/24"}}'
  cni() {
    host env CNI_COMMAND="$1" CNI_CONTAINERID=a CNI_NETNS="/proc/$A/ns/net" CNI_IFNAME=eth0 "$NETSETUP" 3>&- 4>&-
  }
  cni ADD <<<"$conf" >"$BATS_TEST_TMPDIR/result"
  reaches "$A" 10.6.5.1
  port=$(jq -r '.interfaces[1].name' "$BATS_TEST_TMPDIR/result")
  vlans() { host bridge -j vlan show dev "$port" | jq -c '[.[0].vlans[] | range(.vlan; (.vlanEnd // .vlan) + 1)]'; }
  [ "$(vlans)" = '[30,31,40,41,42]' ]
  cni DEL <<<"$conf"
  host "$NETSETUP" gc 3>&- 4>&-
  [ "$(links)" = lo ]
}

@test "vlan: a kernel that cannot sort says so, and nothing is made" {
  host ip link add probe0 type bridge vlan_filtering 1 && skip "needs a kernel without VLAN filtering"
  container A
  bridges
  before=$(snapshot "$A")
  fails 'let bridge br0 sort VLANs: the kernel has none (CONFIG_BRIDGE_VLAN_FILTERING)' \
    netw attach a --netns "$A" --network red
  unchanged "$before" "$A"
  [ -z "$(leftovers)" ]
  refused() { fails "$1" netw network create other "${@:2}"; }
  refused '--trunk: only together with --allow-spoofing' --trunk 5
  refused 'trunk 5-9: with VLAN 7' --trunk 5-9 --vlan 7 --allow-spoofing
  refused '--vlan: not together with --vxlan' --vlan 7 --vxlan 7 --peer 192.0.2.1
  refused 'kind vlan: it needs a VLAN (--vlan)' --kind vlan --uplink lo --subnet 10.5.0.0/24
}
