# Masquerade and published ports, with real packets between two hosts.
# shellcheck shell=bash disable=SC2154
load helpers
load netsetup_hosts

setup() {
  hosts_setup
}

teardown() {
  host_teardown
}

@test "masquerade: the way out, over IPv4 and IPv6, and forwarding is switched on and said" {
  container A
  [ "$(host cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
  attach web "$A" 2 --masquerade -j >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
  [ "$(jq -c '.links[0].switched' "$BATS_TEST_TMPDIR/out")" = '["net/ipv4/ip_forward","net/ipv6/conf/all/forwarding"]' ]
  grep -q 'info: set net/ipv4/ip_forward to 1, which was 0' "$BATS_TEST_TMPDIR/err"
  answer "$OUTSIDE" TCP4-LISTEN:7
  answer "$OUTSIDE" TCP6-LISTEN:9
  answered "$A" TCP4:192.0.2.9:7 192.0.2.1
  answered "$A" 'TCP6:[2001:db8::9]:9' '[2001:0db8:0000:0000:0000:0000:0000:0001]'
  net detach web
  [ "$(elements)" = 0 ]
}

@test "no masquerade, no port: forwarding stays off" {
  container A
  attach web "$A" 2
  [ "$(host cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
  [ "$(host cat /proc/sys/net/ipv6/conf/all/forwarding)" = 0 ]
}

@test "publish: tcp and udp, ranges, IPv6, localhost, from the container itself and its neighbour" {
  container A
  container B
  attach web "$A" 2 -p 8080:80 -p 9000-9009:9000-9009/udp -p 7000-7003:80-83
  attach db "$B" 3
  answer "$A" TCP6-LISTEN:80
  answer "$A" TCP4-LISTEN:83
  answer "$A" UDP4-LISTEN:9007
  answered "$OUTSIDE" TCP4:192.0.2.1:8080
  # The source is preserved: nobody is taken for localhost or for the host.
  answered "$OUTSIDE" TCP4:192.0.2.1:8080 '[0000:0000:0000:0000:0000:ffff:c000:0209]'
  answered "$OUTSIDE" 'TCP6:[2001:db8::1]:8080' '[2001:0db8:0000:0000:0000:0000:0000:0009]'
  answered "$OUTSIDE" TCP4:192.0.2.1:7003 192.0.2.9
  answered "$OUTSIDE" UDP4:192.0.2.1:9007 192.0.2.9
  answers_not "$OUTSIDE" TCP4:192.0.2.1:7002
  answers_not "$OUTSIDE" UDP4:192.0.2.1:9010
  answered "$HOST" TCP4:192.0.2.1:8080
  answered "$HOST" TCP4:127.0.0.1:8080 '[0000:0000:0000:0000:0000:ffff:0a01:0001]'
  answered "$HOST" TCP4:127.0.0.1:7003 10.1.0.1
  answered "$HOST" UDP4:127.0.0.1:9007 10.1.0.1
  answered "$HOST" 'TCP6:[::1]:8080' '[fd00:0001:0000:0000:0000:0000:0000:0001]'
  [ "$(host cat /proc/sys/net/ipv4/conf/br1/route_localnet)" = 0 ]
  answered "$A" TCP4:192.0.2.1:8080
  answered "$A" 'TCP6:[2001:db8::1]:8080'
  answered "$B" TCP4:192.0.2.1:8080
  answered "$B" TCP4:10.1.0.1:8080
  net detach web
  answers_not "$OUTSIDE" TCP4:192.0.2.1:8080
  answers_not "$HOST" TCP4:127.0.0.1:8080
}

@test "publish sctp" {
  grep -q '^SCTP ' /proc/net/protocols || modprobe sctp 2>/dev/null || skip "needs SCTP"
  container A
  attach web "$A" 2 -p 8080:80/sctp
  answer "$A" SCTP4-LISTEN:80
  wait_for inside "$A" awk 'NR > 1 { found = 1 } END { exit !found }' /proc/net/sctp/eps
  # The end of what is sent is the end of an SCTP connection, so the client waits.
  got() {
    { echo hello; sleep $((2 * ${SLOW:-1})); } |
      inside "$OUTSIDE" timeout $((5 * ${SLOW:-1})) socat -t 1 - SCTP4-CONNECT:192.0.2.1:8080 | grep -x 'peer 192.0.2.9'
  }
  WAIT=30 wait_for got
}

@test "publish on an address of the host: that one only" {
  container A
  container B
  host ip address add 192.0.2.2/24 dev uplink
  attach web "$A" 2 -p 192.0.2.2:8080:80
  attach db "$B" 3 -p 127.0.0.1:8080:80 -p 192.0.2.1:8080:81
  answer "$A" TCP4-LISTEN:80
  answer "$B" TCP4-LISTEN:80
  answered "$OUTSIDE" TCP4:192.0.2.2:8080 192.0.2.9
  answers_not "$OUTSIDE" TCP4:192.0.2.1:8080 # nobody listens at 81
  answered "$HOST" TCP4:127.0.0.1:8080 10.1.0.1
  # A neighbour who sends to 127.0.0.1 by the MAC of the host meets nobody, and is counted.
  before=$(dropped inet)
  inside "$OUTSIDE" sh -c 'ip address del 127.0.0.1/8 dev lo; echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
    ip route add 127.0.0.1 via 192.0.2.1'
  answers_not "$OUTSIDE" TCP4:127.0.0.1:8080
  counted() { [ "$(dropped inet)" -gt "$before" ]; }
  wait_for counted
}

@test "publish: what is forwarded to other hosts passes untouched" {
  container A
  container B
  attach web "$A" 2 -p 8080:80
  attach db "$B" 3
  answer "$A" TCP4-LISTEN:80
  answer "$B" TCP4-LISTEN:8080,bind=10.1.0.3
  inside "$OUTSIDE" ip route add 10.1.0.0/24 via 192.0.2.1
  answered "$OUTSIDE" TCP4:10.1.0.3:8080 192.0.2.9
  net detach web
  answered "$OUTSIDE" TCP4:10.1.0.3:8080 192.0.2.9
}

ruleset() { # without what is counted
  host nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'
}

@test "publish: a port that is somebody else's is an error before any change" {
  container A
  container B
  host ip address add 192.0.2.2/24 dev uplink
  attach web "$A" 2 -p 8080:80 -p 192.0.2.1:9000:90 -p 7000-7009:7000-7009
  before=$(ruleset)
  fails 'attach db: port 8080/tcp is published by web already' attach db "$B" 3 -p 8080:80
  fails 'port 192.0.2.2:8080/tcp is published by web already' attach db "$B" 3 -p 192.0.2.2:8080:80
  fails 'port 9000/tcp is published by web already' attach db "$B" 3 -p 9000:80
  fails 'port 7005/tcp is published by web already' attach db "$B" 3 -p 7005:80
  fails 'port 6995-7000/tcp is published by web already' attach db "$B" 3 -p 6995-7000:80-85
  [ "$(ruleset)" = "$before" ]
  [ "$(net list -j | jq '.links | length')" = 1 ]
  attach db "$B" 3 -p 8080:80/udp -p 192.0.2.2:9000:90 -p 7010:80
}

@test "publish: an attach that fails leaves no rule, the first of a host neither, and the next one works" {
  container A
  inside "$A" ip link add eth0 type bridge
  for n in 2 3; do
    fails 'eth0 exists there' attach web "$A" "$n" -p 8080:80 --masquerade
    [ "$(elements)" = 0 ]
  done
  inside "$A" ip link delete eth0
  attach web "$A" 4 -p 8080:80 --masquerade
}

@test "publish: the port of a container that is gone is free" {
  container A
  container B
  attach web "$A" 2 -p 8080:80
  host ip link delete "$(link_of web)"
  attach db "$B" 2 -p 8080:80 --block-egress # the address of the other, too
  answer "$B" TCP4-LISTEN:80
  answered "$OUTSIDE" TCP4:192.0.2.1:8080 192.0.2.9
  net gc
  net detach web
  [ "$(net port list db)" = 8080:80/tcp ]
  answered "$OUTSIDE" TCP4:192.0.2.1:8080 192.0.2.9
  reaches_not "$B" 192.0.2.9
  host nft -j list set inet netsetup egress_blocked4 | grep -q 'db:eth0'
  fails 'its address is that of db:eth0 already' attach other "$A" 2
}

@test "port add, del, list: on a container that runs" {
  container A
  container B
  attach web "$A" 2
  attach db "$B" 3 -p 9090:80
  answer "$A" TCP4-LISTEN:80
  net port add web -p 8080:80 -p 8000-8005:8000-8005/udp
  answered "$OUTSIDE" TCP4:192.0.2.1:8080 192.0.2.9
  [ "$(net port list web)" = $'8080:80/tcp\n8000-8005:8000-8005/udp' ]
  fails 'port add web: publish 8080:81/tcp: 8080/tcp is published twice' net port add web -p 8080:81
  fails 'port add web: port 9090/tcp is published by db already' net port add web -p 9090:80
  fails 'port del web: 8081:80/tcp is not published' net port del web -p 8081:80
  fails 'port list nobody: not attached' net port list nobody
  net port del web -p 8080:80
  answers_not "$OUTSIDE" TCP4:192.0.2.1:8080
  [ "$(net port list web -j | jq -c '.links[0].publish | map(.hostPort)')" = '[8000]' ]
  net port add db -p 8080:80
  net detach web
  net detach db
  [ "$(elements)" = 0 ]
}

@test "detach: connections are forgotten, or the next one with the address would get their packets" {
  container A
  container B
  attach web "$A" 2 -p 9000:9000/udp
  answer "$A" UDP4-LISTEN:9000
  answered "$OUTSIDE" UDP4:192.0.2.1:9000,sourceport=5555 192.0.2.9
  net detach web
  attach db "$B" 2
  answer "$B" UDP4-LISTEN:9000
  answered "$HOST" UDP4:10.1.0.2:9000
  answers_not "$OUTSIDE" UDP4:192.0.2.1:9000,sourceport=5555
}

@test "foreign tables: a drop of theirs still drops, and they stay as they are" {
  container A
  host nft 'table inet admin { chain f { type filter hook forward priority 10; tcp dport 80 drop; }; }'
  host nft 'table ip admin { chain p { type nat hook prerouting priority -110; tcp dport 1234 redirect to :7; }; }'
  before=$(host nft list table inet admin && host nft list table ip admin)
  attach web "$A" 2 -p 8080:80 -p 8081:81
  answer "$A" TCP4-LISTEN:80
  answer "$A" TCP4-LISTEN:81
  answered "$OUTSIDE" TCP4:192.0.2.1:8081 192.0.2.9
  answers_not "$OUTSIDE" TCP4:192.0.2.1:8080
  net reload
  net detach web
  [ "$(host nft list table inet admin && host nft list table ip admin)" = "$before" ]
}

@test "1,000 ports: as many rules as with none, and the last is as good as the first" {
  container A
  container B
  attach web "$A" 2
  count=$(rules)
  words=()
  for n in $(seq 1000); do words+=(-p "$((10000 + n)):$((20000 + n))"); done
  attach db "$B" 3 "${words[@]}"
  [ "$(rules)" = "$count" ]
  answer "$B" TCP4-LISTEN:20001
  answer "$B" TCP4-LISTEN:21000
  answered "$OUTSIDE" TCP4:192.0.2.1:10001 192.0.2.9
  answered "$OUTSIDE" TCP4:192.0.2.1:11000 192.0.2.9
  net port add db -p 9999:80
  [ "$(net port list db | wc -l)" = 1001 ]
  net detach db
  net detach web
  [ "$(elements)" = 0 ]
}

# So many elements that the kernel begins the transaction anew, and says more than the socket holds.
@test "20,000 ports that lead to other numbers: there, changed, and gone" {
  container A
  attach web "$A" 2 -p 10000-29999:30000-49999
  answer "$A" TCP4-LISTEN:49999
  answered "$OUTSIDE" TCP4:192.0.2.1:29999 192.0.2.9
  net port add web -p 9999:49999
  answered "$OUTSIDE" TCP4:192.0.2.1:9999 192.0.2.9
  net detach web
  [ "$(elements)" = 0 ]
}

@test "SIGKILL at any point: gc takes away what is not finished, detach the rest, and no rule is left" {
  container A
  for when in $(seq 20 3 80); do
    run host strace -f -o /dev/null -e inject=recvmsg:signal=SIGKILL:when="$when" \
      "$NETSETUP" attach web --netns "$A" --bridge br1 --address 10.1.0.2/24 --bridge-address 10.1.0.1/24 \
      -p 8080:80 --masquerade --isolate
    echo "$when: $status"
    net gc >/dev/null
    [ "$(net list -j | jq '.links | length')" = 1 ] || [ "$(elements)" = 0 ]
    net detach web
    [ "$(elements)" = 0 ]
    [ "$status" -ne 0 ] || break
  done
  [ "$status" -eq 0 ]
}

@test "detach and gc without a record: by what the elements say themselves" {
  container A
  attach web "$A" 2 -p 8080:80 --masquerade
  host rm -r /run/netsetup/attached
  net detach web
  [ "$(elements)" = 0 ]
  attach web "$A" 2 -p 8080:80 --masquerade
  host rm -r /run/netsetup/attached
  host ip link delete "$(link_of web)"
  attach web "$A" 3 -p 8080:80 --masquerade
  host rm -r /run/netsetup/attached
  host ip link delete "$(link_of web)"
  net gc
  [ "$(elements)" = 0 ]
}
