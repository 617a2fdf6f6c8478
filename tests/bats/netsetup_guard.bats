# What a container may send, and whom it reaches: frames made by hand, two bridges, a blocked host, lists of what is
# allowed; and the rules gone and built anew.
# shellcheck shell=bash disable=SC2154
load helpers
load netsetup_hosts

setup() {
  hosts_setup
}

teardown() {
  host_teardown
}

mac_of() { # PID: twelve hex digits
  inside "$1" ip -j link show eth0 | jq -r '.[0].address' | tr -d :
}

# A frame of hex digits, blanks ignored, out of eth0.
send() { # PID HEX
  local hex=${2//[[:space:]]/}
  # By a file: what goes through a pipe may come in two pieces.
  printf '%b' "$(sed 's/../\\x&/g' <<<"$hex")" >"$BATS_TEST_TMPDIR/frame"
  inside "$1" socat -u - INTERFACE:eth0 <"$BATS_TEST_TMPDIR/frame"
}

# One frame, and as many drops in the table of ports.
is_dropped() { # PID WHAT HEX
  local before
  before=$(dropped bridge)
  send "$1" "$3"
  wait_for is_counted $((before + 1)) || { echo "$2: not dropped"; return 1; }
}

is_counted() { # N
  [ "$(dropped bridge)" -ge "$1" ]
}

rx_of() { # PID
  inside "$1" ip -j -s link show eth0 | jq '.[0].stats64.rx.packets'
}

has_more_than() { # PID N
  [ "$(rx_of "$1")" -gt "$2" ]
}

# Whom it believes to be at which MAC.  Link-local ones come and go as neighbours ask each other whether they live.
believes() { # PID
  inside "$1" ip -j neighbour |
    jq -c 'map(select(.lladdr and (.dst | startswith("fe80:") | not)) | [.dst, .lladdr]) | sort'
}

ZEROS=00000000000000000000000000000000

@test "what is not its own is dropped at the port: MAC, ARP, IP, RA, DHCP answers, VLAN tags, BPDUs" {
  container A
  container B
  attach web "$A" 2
  attach db "$B" 3
  reaches "$A" 10.1.0.3
  reaches "$A" fd00:1::3
  a=$(mac_of "$A")
  b=$(mac_of "$B")
  before=$(believes "$B")
  [[ $before = *10.1.0.2* && $before = *fd00:1::2* ]]
  udp4=45000020000000004011000
  is_dropped "$A" "a MAC of its neighbour" "$b $b 0800 ${udp4}0 0a010002 0a010003 0007 0007 000c0000 00000000"
  is_dropped "$A" "ARP for its neighbour's address" "ffffffffffff $a 0806 0001080006040002 $a 0a010003 $b 0a010002"
  is_dropped "$A" "ARP for the gateway" "ffffffffffff $a 0806 0001080006040002 $a 0a010001 $b 0a010003"
  is_dropped "$A" "ARP from another MAC" "ffffffffffff $a 0806 0001080006040002 $b 0a010002 $b 0a010003"
  is_dropped "$A" "IPv4 from its neighbour" "$b $a 0800 ${udp4}0 0a010003 0a010003 0007 0007 000c0000 00000000"
  is_dropped "$A" "IPv4 from localhost" "$b $a 0800 ${udp4}0 7f000001 0a010003 0007 0007 000c0000 00000000"
  is_dropped "$A" "an answer of DHCP" "ffffffffffff $a 0800 ${udp4}0 0a010002 ffffffff 0043 0044 000c0000 00000000"
  from=fd000001000000000000000000000002
  is_dropped "$A" "IPv6 from its neighbour" "$b $a 86dd 60000000 000c 11 40 fd000001000000000000000000000003 \
    fd000001000000000000000000000003 0007 0007 000c0000 00000000"
  is_dropped "$A" "IPv6 from a link-local address that is not its own" "$b $a 86dd 60000000 000c 11 40 \
    fe800000000000000000000000000001 fd000001000000000000000000000003 0007 0007 000c0000 00000000"
  is_dropped "$A" "a router advertisement" "333300000001 $a 86dd 60000000 0010 3a ff $from \
    ff020000000000000000000000000001 8600 0000 40000708 00000000 00000000"
  is_dropped "$A" "a redirect" "$b $a 86dd 60000000 0028 3a ff $from fd000001000000000000000000000003 8900 0000 00000000 \
    $ZEROS $ZEROS"
  is_dropped "$A" "an answer of DHCPv6" "$b $a 86dd 60000000 000c 11 40 $from fd000001000000000000000000000003 \
    0223 0222 000c0000 00000000"
  is_dropped "$A" "an advertisement of its neighbour's address" "$b $a 86dd 60000000 0018 3a ff $from \
    fd000001000000000000000000000003 8800 0000 20000000 fd000001000000000000000000000003"
  is_dropped "$A" "a VLAN tag" "$b $a 8100 0005 0800 ${udp4}0 0a010002 0a010003 0007 0007 000c0000 00000000"
  is_dropped "$A" "two VLAN tags" "$b $a 88a8 0005 8100 0006 0800 ${udp4}0 0a010002 0a010003 0007 0007 000c0000 00000000"
  is_dropped "$A" "spanning tree" "0180c2000000 $a 0026 424203 0000 00 00 $ZEROS $ZEROS 00000000"
  after=$(believes "$B")
  echo "before $before, after $after"
  [ "$after" = "$before" ]
  reaches "$A" 10.1.0.3
  reaches "$A" fd00:1::3
  reaches "$A" 10.1.0.1
}

@test "--allow-spoofing: all that passes" {
  container A
  container B
  attach web "$A" 2 --allow-spoofing
  attach db "$B" 3
  before=$(dropped bridge)
  received=$(rx_of "$B")
  a=$(mac_of "$A")
  b=$(mac_of "$B")
  send "$A" "$b $a 0800 45000020000000004011 6666 0a010063 0a010003 0007 0007 000c0000 00000000"
  wait_for has_more_than "$B" "$received"
  [ "$(dropped bridge)" = "$before" ]
  fails 'attach bad: --block-host: not together with --allow-spoofing' attach bad "$B" 4 --allow-spoofing --block-host
}

@test "bridges are isolated from each other, the host and the outside are reached from both" {
  container A
  container B
  attach web "$A" 2 --masquerade
  BRIDGE=2 attach db "$B" 3 --masquerade
  reaches "$A" 192.0.2.9
  reaches "$B" 192.0.2.9
  reaches "$A" 10.2.0.1
  before=$(dropped inet)
  reaches_not "$A" 10.2.0.3
  reaches_not "$B" fd00:1::2
  wait_for counts_inet $((before + 2))
  # A published port is for everybody who reaches the host.
  net port add db -p 8080:80
  answer "$B" TCP4-LISTEN:80
  answered "$A" TCP4:192.0.2.1:8080 10.1.0.2
}

@test "--isolate: not through the gateway either, but outside" {
  container A
  container B
  attach web "$A" 2 --isolate --masquerade
  attach db "$B" 3 --isolate --masquerade
  inside "$A" ip route add 10.1.0.3/32 via 10.1.0.1
  inside "$B" ip route add 10.1.0.2/32 via 10.1.0.1
  before=$(dropped inet)
  reaches_not "$A" 10.1.0.3
  wait_for counts_inet $((before + 1))
  reaches "$A" 10.1.0.1
  reaches "$A" 192.0.2.9
}

@test "--block-host: only what --host-access says; neighbour discovery and the way out work" {
  container A
  attach web "$A" 2 --masquerade --block-host --host-access :53/udp --host-access 10.1.0.1:8000/tcp
  answer "$HOST" UDP4-LISTEN:53
  answer "$HOST" UDP6-LISTEN:53,ipv6only=1
  answer "$HOST" TCP4-LISTEN:8000
  answer "$HOST" TCP4-LISTEN:8001
  answered "$A" UDP4:10.1.0.1:53 10.1.0.2
  answered "$A" 'UDP6:[fd00:1::1]:53'
  answered "$A" TCP4:10.1.0.1:8000 10.1.0.2
  answers_not "$A" TCP4:192.0.2.1:8000
  answers_not "$A" TCP4:10.1.0.1:8001
  reaches_not "$A" 10.1.0.1
  reaches "$A" 192.0.2.9
  reaches "$HOST" 10.1.0.2 # asked by the host, it may answer
}

@test "--block-egress: only what --allow says, lists may overlap" {
  container A
  attach web "$A" 2 --masquerade --block-egress --allow 192.0.2.0/24:7/tcp --allow 192.0.0.0/16:7/tcp \
    --allow '[2001:db8::/32]:7/tcp' --allow 192.0.2.9:7/tcp
  answer "$OUTSIDE" TCP4-LISTEN:7
  answer "$OUTSIDE" TCP6-LISTEN:7,ipv6only=1
  answer "$OUTSIDE" TCP4-LISTEN:8
  answered "$A" TCP4:192.0.2.9:7 192.0.2.1
  answered "$A" 'TCP6:[2001:db8::9]:7'
  answers_not "$A" TCP4:192.0.2.9:8
  before=$(dropped inet)
  reaches_not "$A" 192.0.2.9
  reaches_not "$A" 2001:db8::9
  # What has no ports to look at is in no list.
  a=$(mac_of "$A")
  gateway=$(inside "$A" ip -j neighbour show 10.1.0.1 | jq -r '.[0].lladdr' | tr -d :)
  send "$A" "$gateway $a 0800 4500001400000000 40 fd ade1 0a010002 c0000209"
  wait_for counts_inet $((before + 3))
  reaches "$A" 10.1.0.1
}

counts_inet() { # N
  [ "$(dropped inet)" -ge "$1" ]
}

@test "somebody flushes everything: isolation by the port holds, reload repairs, and attach does too" {
  container A
  container B
  container C
  attach web "$A" 2 --isolate -p 8080:80
  attach db "$B" 3 --isolate
  answer "$A" TCP4-LISTEN:80
  answered "$OUTSIDE" TCP4:192.0.2.1:8080 192.0.2.9
  before=$(host nft -j list ruleset | jq -S 'del(.. | .handle?, .packets?, .bytes?)' | tr -d '[:space:]' | fold -w 1 | sort)
  host nft flush ruleset
  reaches_not "$A" 10.1.0.3
  answers_not "$OUTSIDE" TCP4:192.0.2.1:8080
  [ "$(net plan reload)" = 'host     build tables inet netsetup and bridge netsetup for 2 attachments' ]
  net reload
  [ "$(host nft -j list ruleset | jq -S 'del(.. | .handle?, .packets?, .bytes?)' | tr -d '[:space:]' | fold -w 1 | sort)" = "$before" ]
  answered "$OUTSIDE" TCP4:192.0.2.1:8080 192.0.2.9
  host nft flush table inet netsetup
  run attach other "$C" 4
  [ "$status" -eq 0 ]
  [[ $output == *'warning: the tables of netsetup were gone or changed: built anew for 2 attachments'* ]]
  answered "$OUTSIDE" TCP4:192.0.2.1:8080 192.0.2.9
}

@test "watch: repairs by itself, and ends with a signal" {
  container A
  attach web "$A" 2 -p 8080:80
  answer "$A" TCP4-LISTEN:80
  nsenter --net --mount --target "$HOST" -- "$NETSETUP" watch >"$BATS_TEST_TMPDIR/watch" 2>&1 3>&- 4>&- &
  watcher=$!
  SLEEPERS+=("$watcher")
  for _ in 1 2 3; do
    host nft flush ruleset
    wait_for rules_are_there
  done
  answered "$OUTSIDE" TCP4:192.0.2.1:8080 192.0.2.9
  host nft add table inet foreign
  kill -TERM "$watcher"
  wait "$watcher"
  grep -q 'built anew for 1 attachments' "$BATS_TEST_TMPDIR/watch"
}

rules_are_there() {
  [ "$(elements)" -gt 0 ]
}

@test "errors: without netfilter, without rights; nothing is left" {
  container A
  run host strace -o /dev/null -e inject=socket:error=EPROTONOSUPPORT:when=3+ \
    "$NETSETUP" attach web --netns "$A" --bridge br1
  echo "$output"
  [ "$status" -eq 1 ]
  [[ $output == *'attach web: '*'kernel without netfilter (nfnetlink)'* ]]
  run host ip link show br1
  [ "$status" -ne 0 ]
  run host setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$NETSETUP" reload
  echo "$output"
  [ "$status" -eq 1 ]
  [[ $output == *'reload: change nf_tables: Operation not permitted'*'hint: '*CAP_NET_ADMIN* ]]
}
