# A network whose other hosts are reached through WireGuard, with real packets.
#
#   container A 10.7.1.2 -- host, uplink 192.0.2.1 ... uplink 192.0.2.2, far -- container B 10.7.2.2
#
# shellcheck shell=bash disable=SC2154,SC2030,SC2031
load helpers
load netsetup_far

needs_wireguard() {
  host ip link add probe0 type wireguard || skip "needs wireguard in the kernel"
  host ip link del probe0
}

key_of() { # netw|netf
  "$1" network show corp -j | jq -r '.networks[0].wireguard.publicKey'
}

create_both() { # [OPTION...]
  netw network create corp --wireguard 51820 --subnet 10.7.1.0/24 --subnet fd00:7:1::/64 "$@"
  netf network create corp --wireguard 51821 --subnet 10.7.2.0/24 --subnet fd00:7:2::/64 "$@"
  netw peer add corp --peer "$(key_of netf) endpoint 192.0.2.2:51821 allowed-ips 10.7.2.0/24,fd00:7:2::/64"
  netf peer add corp --peer "$(key_of netw) endpoint 192.0.2.1:51820 allowed-ips 10.7.1.0/24,fd00:7:1::/64"
}

attach_both() {
  netw attach web --netns "$A" --network corp
  netf attach db --netns "$B" --network corp
}

capture() {
  nsenter --net --mount --target "$HOST" -- tcpdump -U --immediate-mode -n -i uplink -w /run/capture \
    2>"$BATS_TEST_TMPDIR/tcpdump" 3>&- 4>&- &
  CAPTURE=$!
  SLEEPERS+=("$CAPTURE")
  wait_for grep -q 'listening on' "$BATS_TEST_TMPDIR/tcpdump"
}

links() { # host|far
  "$1" ip -j link | jq -c 'map(.ifname)'
}

@test "wireguard: ping and TCP between containers of two hosts, and only WireGuard crosses" {
  needs_wireguard
  two_hosts
  create_both
  capture
  attach_both
  reaches "$A" 10.7.2.2
  reaches "$B" fd00:7:1::2
  reaches "$HOST" 10.7.2.2
  # shellcheck disable=SC2016 # for the shell of socat
  inside "$B" socat TCP4-LISTEN:80,reuseaddr SYSTEM:'echo plaintext from $SOCAT_PEERADDR' 3>&- 4>&- &
  SLEEPERS+=("$!")
  listens() { inside "$B" ss -ltn | grep -q :80; }
  wait_for listens
  [ "$(inside "$A" timeout "$LIMIT" socat -u TCP4:10.7.2.2:80 -)" = 'plaintext from 10.7.1.2' ] # nobody's address is changed
  captured() { [ "$(host tcpdump -n -r /run/capture udp src port 51820 2>/dev/null | wc -l)" -gt 5 ]; }
  wait_for captured
  kill "$CAPTURE"
  wait "$CAPTURE" || true
  host tcpdump -n -r /run/capture >"$BATS_TEST_TMPDIR/packets" 2>/dev/null
  cat "$BATS_TEST_TMPDIR/packets"
  run grep -Ev ' ARP, | 192.0.2.[12].5182[01] > 192.0.2.[12].5182[01]: UDP| fe80:| :: > ff02:' "$BATS_TEST_TMPDIR/packets"
  [ "$status" -eq 1 ]
  run host grep -a plaintext /run/capture
  [ "$status" -eq 1 ]

  # The MTU leaves room, forwarding is on, and the key is nobody else's to read and nowhere else.
  [ "$(inside "$A" ip -j link show eth0 | jq '.[0].mtu')" = 1420 ]
  [ "$(host stat -c %a "$STATE/networks/corp.key")" = 600 ]
  key=$(host cat "$STATE/networks/corp.key")
  ! host grep -rF "$key" --exclude=corp.key /run || return 1
  [[ $(netw network show corp) != *"$key"* ]]
  [[ $(netw network show corp) == *"wireguard  port 51820, public key $(key_of netw)"*"peer       $(key_of netf) endpoint 192.0.2.2:51821 allowed-ips 10.7.2.0/24,fd00:7:2::/64"* ]]

  # Again is the same again; what is gone leaves nothing.
  netw attach other --netns "$B" --network corp --ifname eth1
  [ "$(host ip -j link show type wireguard | jq length)" = 1 ]
  netw detach other
  netw detach web
  netw gc
  [ "$(links host)" = '["lo","uplink"]' ]
  [ -z "$(host ip route show 10.7.0.0/16)" ]
  netf detach db
  netf network delete corp
  [ "$(links far)" = '["lo","uplink"]' ]
  [ -z "$(far ls "$STATE/networks")" ]
}

@test "wireguard: a tunnel leads to its own network only, and not to a host that is closed" {
  needs_wireguard
  two_hosts
  create_both --block-host
  attach_both
  container C
  netf network create back --subnet 10.8.0.0/24
  netf attach third --netns "$C" --network back
  far ip address add 198.51.100.1/32 dev lo
  netw peer add corp --peer \
    "$(key_of netf) endpoint 192.0.2.2:51821 allowed-ips 10.7.2.0/24,10.8.0.0/24,198.51.100.0/24"
  reaches "$A" 10.7.2.2
  ! inside "$A" ping -c 1 -W 2 10.8.0.2 || return 1
  ! inside "$A" ping -c 1 -W 2 10.7.2.1 || return 1
  ! inside "$A" ping -c 1 -W 2 198.51.100.1 || return 1
  # Rules that somebody has flushed come back with it.
  far nft flush ruleset
  reaches "$A" 10.7.2.1
  netf reload
  ! inside "$A" ping -c 1 -W 2 10.7.2.1 || return 1
  reaches "$A" 10.7.2.2
}

@test "wireguard: a wrong key does not connect; peers come and go while the network lives" {
  needs_wireguard
  two_hosts
  create_both
  attach_both
  right=$(key_of netf)
  reaches "$A" 10.7.2.2
  head -c 32 /dev/urandom | base64 | host tee /run/preshared | far tee /run/preshared >/dev/null
  host chmod 644 /run/preshared
  host cp /run/preshared /run/good
  host chmod 600 /run/good
  far chmod 600 /run/preshared
  as() { netw peer add corp --peer "$1 allowed-ips 10.7.2.0/24 endpoint 192.0.2.2:51821 ${*:2}"; }
  fails 'key file /run/preshared: others can read it' as "$right" preshared-key /run/preshared
  as "$right" preshared-key /run/good # the other side has none
  ! inside "$A" ping -c 1 -W 3 10.7.2.2 || return 1
  netf peer add corp --peer \
    "$(key_of netw) endpoint 192.0.2.1:51820 allowed-ips 10.7.1.0/24 preshared-key /run/preshared persistent-keepalive 25"
  reaches "$B" 10.7.1.2
  netw peer del corp --peer "$right"
  [ -z "$(host ip route show 10.7.2.0/24)" ]
  as "$(base64 </dev/urandom | head -c 42)E="
  ! inside "$A" ping -c 1 -W 3 10.7.2.2 || return 1
  netw detach web
  netf detach db
}

@test "wireguard: after a kill at any moment gc leaves nothing, nor does an attach that fails" {
  needs_wireguard
  two_hosts
  create_both
  for n in $(seq 8); do
    nsenter --net --mount --target "$HOST" -- "$NETSETUP" attach web --netns "$A" --network corp --root "$STATE" \
      3>&- 4>&- 2>/dev/null &
    sleep "0.0$((n * ${SLOW:-1}))"
    kill -9 $! 2>/dev/null || true
    wait $! 2>/dev/null || true
    netw detach web
    netw gc
    [ "$(links host)" = '["lo","uplink"]' ]
  done
  # One that was made and not finished is made anew.
  netw attach web --netns "$A" --network corp
  name=$(host ip -j link show type wireguard | jq -r '.[0].ifname')
  netw detach web
  host ip link set "$name" group 0
  host ip route flush dev "$name"
  netw attach web --netns "$A" --network corp
  [ -n "$(host ip route show 10.7.2.0/24)" ]
  netw detach web
  netw gc
  nsenter --net --target "$HOST" -- socat -u UDP4-RECV:51820 - 3>&- 4>&- &
  SLEEPERS+=("$!")
  taken() { host ss -lun | grep -q :51820; }
  wait_for taken
  fails 'listen on UDP port 51820: Address already in use' netw attach web --netns "$A" --network corp
  [ "$(links host)" = '["lo","uplink"]' ]
  host sh -c "head -c 32 /dev/urandom | base64 >$STATE/networks/corp.key"
  fails 'its public key is' netw attach web --netns "$A" --network corp
  [ "$(links host)" = '["lo","uplink"]' ]
  [ "$(host find "$STATE/attached" -type f | wc -l)" = 0 ]
}

@test "wireguard: a kernel without says so, and nothing is made" {
  host ip link add probe0 type wireguard && skip "needs a kernel without wireguard"
  fails 'network create corp: make WireGuard link: the kernel has no wireguard (module wireguard)' \
    netw network create corp --wireguard 51820
  [[ $output == *'hint: modprobe wireguard'* ]]
  [ -z "$(host ls "$STATE/networks" 2>/dev/null)" ]
  [ "$(links host)" = '["lo"]' ]
  # A network that is written down already, by hand or on another kernel.
  container A
  host mkdir -p "$STATE/networks"
  host sh -c "head -c 32 /dev/urandom | base64 >$STATE/networks/corp.key && chmod 600 $STATE/networks/corp.key
    echo '{\"name\":\"corp\",\"bridge\":\"br0\",\"subnets\":[{\"subnet\":\"10.7.1.0/24\"}],
      \"wireguard\":{\"listenPort\":51820,\"privateKeyFile\":\"$STATE/networks/corp.key\"}}' >$STATE/networks/corp.json"
  before=$(snapshot "$A")
  fails 'attach web: make WireGuard link: the kernel has no wireguard' netw attach web --netns "$A" --network corp
  unchanged "$before" "$A"
  [ "$(host find "$STATE/attached" "$STATE/leases" -type f | wc -l)" = 1 ] # the empty table of leases
}
