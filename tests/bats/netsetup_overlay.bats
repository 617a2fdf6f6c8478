# A network whose bridge goes on on another host, by VXLAN, with real packets.
#
#   container A -- host, uplink 192.0.2.1, 2001:db8::1 ... uplink 192.0.2.2, 2001:db8::2, far -- container B
#
# shellcheck shell=bash disable=SC2154
load helpers
load netsetup_far

# IPv6 between them too.
two_hosts_both() {
  two_hosts
  host ip address add 2001:db8::1/64 dev uplink nodad
  far ip address add 2001:db8::2/64 dev uplink nodad
}

# How many UDP packets to the port of VXLAN came to the far host.
count_vxlan() {
  far nft add table inet seen
  far nft add chain inet seen in '{ type filter hook input priority -300; }'
  far nft add rule inet seen in udp dport "$1" counter
}

seen() {
  far nft -j list chain inet seen in | jq '[.nftables[].rule?.expr[]?.counter?.packets // 0] | add'
}

create_both() { # PEER OF THE FIRST, PEER OF THE SECOND [OPTION...]
  local first=$1 second=$2
  shift 2
  netw network create wide --vxlan 42 --peer "$second" --subnet 10.7.0.0/24 --gateway 10.7.0.1 \
    --range 10.7.0.10-10.7.0.19 "$@"
  netf network create wide --vxlan 42 --peer "$first" --subnet 10.7.0.0/24 --gateway 10.7.0.2 \
    --range 10.7.0.20-10.7.0.29 "$@"
}

attach_both() {
  netw attach web --netns "$A" --network wide
  netf attach db --netns "$B" --network wide
}

@test "vxlan: containers of two hosts are on one network, with ping and TCP, and UDP between" {
  two_hosts_both
  create_both 192.0.2.1 192.0.2.2
  count_vxlan 4789
  attach_both
  reaches "$A" 10.7.0.20
  reaches "$B" 10.7.0.10
  inside "$B" socat TCP4-LISTEN:80,reuseaddr SYSTEM:'echo hello from db' 3>&- 4>&- &
  SLEEPERS+=("$!")
  listens() { inside "$B" ss -ltn | grep -q :80; }
  wait_for listens
  [ "$(inside "$A" timeout "$LIMIT" socat -u TCP4:10.7.0.20:80 -)" = 'hello from db' ]
  [ "$(seen)" -gt 4 ]
  [ "$(inside "$A" ip -j link show eth0 | jq '.[0].mtu')" = 1450 ]
  # A packet of that size crosses whole.
  inside "$A" ping -c 1 -w $((10 * ${SLOW:-1})) -M "do" -s 1422 10.7.0.20
  [[ $(netw network show wide) == *'vxlan      42, peers 192.0.2.2'* ]]
  netw attach other --netns "$B" --network wide --ifname eth1
  [ "$(host ip -j link show type vxlan | jq length)" = 1 ]
}

@test "vxlan over IPv6, by another port" {
  two_hosts_both
  create_both 2001:db8::1 2001:db8::2 --vxlan-port 8472
  count_vxlan 8472
  attach_both
  reaches "$A" 10.7.0.20
  [ "$(inside "$A" ip -j link show eth0 | jq '.[0].mtu')" = 1430 ]
  [ "$(seen)" -gt 1 ]
}

@test "vxlan: peers come and go while the network lives" {
  two_hosts_both
  create_both 192.0.2.1 192.0.2.2
  attach_both
  netw peer del wide --peer 192.0.2.2 2>"$BATS_TEST_TMPDIR/err" && return 1
  grep 'it needs a peer, an uplink or a local address' "$BATS_TEST_TMPDIR/err"
  netw peer add wide --peer 192.0.2.3
  netw peer add wide --peer 192.0.2.3
  netw peer del wide --peer 192.0.2.2
  port=$(host ip -j link show type vxlan | jq -r '.[0].ifname')
  flood() { host bridge fdb show dev "$port" | grep ^00:00 | cut -d' ' -f3; }
  [ "$(flood)" = 192.0.2.3 ]
  netf peer add wide --peer 192.0.2.9
  netf peer del wide --peer 192.0.2.1
  reaches_not "$A" 10.7.0.20
  netw peer add wide --peer 192.0.2.2
  netf peer add wide --peer 192.0.2.1
  reaches "$A" 10.7.0.20
  [ "$(netw network show wide -j | jq -c '.networks[0].vxlan.peers')" = '["192.0.2.3","192.0.2.2"]' ]
}

@test "vxlan: gc and network delete leave nothing, nor does an attach that fails" {
  two_hosts_both
  create_both 192.0.2.1 192.0.2.2
  attach_both
  netw detach web
  netw gc
  [ "$(host ip -j link show type vxlan | jq length)" = 0 ]
  [ "$(host ip -j link show type bridge | jq length)" = 0 ]
  inside "$A" ip link add eth0 type veth peer name other
  fails 'eth0 exists there' netw attach web --netns "$A" --network wide
  [ "$(host ip -j link | jq -c 'map(.ifname)')" = '["lo","uplink"]' ]
  netf detach db
  netf network delete wide
  [ "$(far ip -j link | jq -c 'map(.ifname)')" = '["lo","uplink"]' ]
}

@test "vxlan: what cannot be is refused in words" {
  two_hosts_both
  refused() { fails "$1" netw network create wide "${@:2}"; }
  refused '--peer: of a network with --vxlan only' --peer 192.0.2.2
  refused '--vxlan: it needs a peer, an uplink or a local address' --vxlan 1
  refused 'peer 2001:db8::2: of another family than 192.0.2.2' --vxlan 1 --peer 192.0.2.2 --peer 2001:db8::2
  refused 'local address 2001:db8::1: of another family' --vxlan 1 --peer 192.0.2.2 --local 2001:db8::1
  refused 'peer 192.0.2.2: given twice' --vxlan 1 --peer 192.0.2.2 --peer 192.0.2.2
  refused 'uplink nothing0: there is no such interface' --vxlan 1 --uplink nothing0
  refused '--isolate: not together with --vxlan' --vxlan 1 --peer 192.0.2.2 --isolate
  netw network create wide --vxlan 1 --peer 192.0.2.2 --mtu 1500
  fails 'mtu 1500: VXLAN leaves 1450 of the 1500 bytes of a packet' netw attach web --netns "$A" --network wide
  host ip link set uplink mtu 100
  fails 'network wide: VXLAN leaves 50 of the 100 bytes of a packet: 68 are needed' \
    netw attach web --netns "$A" --network wide
  host ip link set uplink mtu 1600
  host ip link add other type vxlan id 1 dstport 4789 local 192.0.2.1 dev uplink
  host ip link set other up
  netw network delete wide
  netw network create wide --vxlan 1 --peer 192.0.2.2
  fails 'make VXLAN port 1: File exists' netw attach web --netns "$A" --network wide
  [ "$(host ip -j link | jq -c 'map(.ifname)')" = '["lo","uplink","other"]' ]
  [ "$(host find "$STATE/attached" -type f | wc -l)" = 0 ]
}
