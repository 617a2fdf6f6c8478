# Named networks, addresses out of them, and what is left of containers that are gone.
# shellcheck shell=bash disable=SC2154
load helpers
load netsetup

STATE=/run/netsetup

# With a root of its own, so that the networks are there too.
netw() {
  net "$@" --root "$STATE"
}

# Files of state beside the lock and the networks.
leftovers() {
  host find "$STATE/attached" "$STATE/leases" -type f
}

is_clean() { # no link, record or lease
  [ "$(ours)" = 0 ] && [ -z "$(leftovers)" ]
}

address_of() { # ID [INTERFACE]
  net status "$1" --ifname "${2:-eth0}" -j | jq -r '.links[0].addresses[0]'
}

is_attached() { # something is, and its record says so
  [ -n "$(host find "$STATE/attached" -name '*.json')" ]
}

die() { # PID: and the kernel has taken its links away
  kill -9 "$1"
  wait "$1" 2>/dev/null || true
}

@test "network create, list, show, delete: what was said is kept, what was left out is chosen" {
  netw network create web --subnet 10.9.0.0/24 --subnet fd00:9::/64 --gateway 10.9.0.254 --range 10.9.0.10-10.9.0.20 \
    --exclude 10.9.0.12 --mtu 1400 --isolate --route 10.0.0.0/8 --reserve db=10.9.0.99
  netw network create auto -6
  netw network show web -j >"$BATS_TEST_TMPDIR/web"
  [ "$(jq -c '.networks[0] | [.name, .bridge, .mtu, .isolate, .subnets[0].gateway, .subnets[1].gateway]' \
    "$BATS_TEST_TMPDIR/web")" = '["web","net-web",1400,true,"10.9.0.254","fd00:9::1"]' ]
  [ "$(netw network list -j | jq -c '[.networks[].name]')" = '["auto","web"]' ]
  [ "$(netw network show auto -j | jq -r '.networks[0].subnets[0].subnet')" = 10.90.0.0/24 ]
  [[ $(netw network show auto -j | jq -r '.networks[0].subnets[1].subnet') == fd*::/64 ]]
  run netw network list
  [[ ${lines[0]} == NAME*BRIDGE*SUBNETS* ]]
  [[ ${lines[2]} == web*net-web*10.9.0.0/24,fd00:9::/64*isolate ]]
  fails 'network create web: network web: exists already' netw network create web --subnet 10.10.0.0/24
  netw network delete web
  fails 'network show web: network web: there is none in /run/netsetup/networks' netw network show web
  fails 'network delete web: network web: there is none' netw network delete web
  host test -e "$STATE/networks/auto.json"
}

@test "network create: what cannot be is refused in words" {
  create() { netw network create web "$@"; }
  netw network create other --subnet 10.9.0.0/24
  host ip link add uplink type veth peer name wire
  host ip address add 192.0.2.9/24 dev uplink
  host ip link set uplink up
  host ip route add 10.20.0.0/16 via 192.0.2.1
  fails 'subnet 10.9.0.0/16: overlaps 10.9.0.0/24 of network other' create --subnet 10.9.0.0/16
  fails 'subnet 10.20.5.0/24: overlaps 10.20.0.0/16 of a route of this host' create --subnet 10.20.5.0/24
  fails 'subnet 192.0.2.0/25: overlaps 192.0.2.0/24 of a route of this host' create --subnet 192.0.2.0/25
  fails 'gateway 10.8.1.1: outside of all subnets' create --subnet 10.8.0.0/24 --gateway 10.8.1.1
  fails 'gateway 10.8.0.255: not an address that a host can have' create --subnet 10.8.0.0/24 --gateway 10.8.0.255
  fails 'range 10.8.0.9-10.8.0.2: ends before it begins' create --subnet 10.8.0.0/24 --range 10.8.0.9-10.8.0.2
  fails 'reserve db=10.7.0.1: outside of all subnets' create --subnet 10.8.0.0/24 --reserve db=10.7.0.1
  fails 'subnet 10.8.0.0/24: overlaps 10.8.0.0/16' create --subnet 10.8.0.0/16 --subnet 10.8.0.0/24
  run netw network create ../web
  [ "$status" -eq 2 ]
  run netw network create web --subnet 10.8.0.1/24
  [ "$status" -eq 2 ]
  [[ $output == *'subnet 10.8.0.1/24: bits after the prefix are set'* ]]
  run netw network create web --bridge sixteen-letters-
  [ "$status" -eq 2 ]
  run netw network frobnicate
  [ "$status" -eq 2 ]
  [ "$(netw network list -j | jq '.networks | length')" = 1 ]
}

@test "a file of a network that is broken is named, and the others go on" {
  netw network create good --subnet 10.9.0.0/24
  host sh -c "echo '{\"name\":\"bad\",' >$STATE/networks/bad.json"
  host sh -c "sed s/good/evil/ $STATE/networks/good.json >$STATE/networks/moved.json"
  host sh -c \
    "sed 's/\"name\": \"good\"/\"name\": \"odd\", \"colour\": 1/' $STATE/networks/good.json >$STATE/networks/odd.json"
  run netw network list
  [ "$status" -eq 0 ]
  [[ $output == *bad.json*'left out'* && $output == *good*10.9.0.0/24* ]]
  container A
  attach_to() { netw attach x --netns "$A" --network "$1"; }
  fails 'bad.json' attach_to bad
  fails 'moved.json: name is evil' attach_to moved
  fails 'colour' attach_to odd
  fails 'network none: there is none' attach_to none
}

@test "attach --network: addresses, gateway, routes; containers reach each other" {
  netw network create web --subnet 10.9.0.0/24 --subnet fd00:9::/64 --route 10.77.0.0/16,10.9.0.3
  container A
  container B
  netw attach a --netns "$A" --network web -j >"$BATS_TEST_TMPDIR/a"
  netw attach b --netns "$B" --network web
  [ "$(jq -c '.links[0] | [.network, .bridge, .addresses, .gateways]' "$BATS_TEST_TMPDIR/a")" = \
    '["web","net-web",["10.9.0.2/24","fd00:9::2/64"],["10.9.0.1","fd00:9::1"]]' ]
  reaches "$A" 10.9.0.1
  reaches "$A" fd00:9::1
  reaches "$A" 10.9.0.3
  reaches "$B" fd00:9::2
  [ "$(inside "$A" ip -j route show default | jq -r '.[0].gateway')" = 10.9.0.1 ]
  [ "$(inside "$A" ip -j -6 route show default | jq -r '.[0].gateway')" = fd00:9::1 ]
  [ "$(inside "$A" ip -j route show 10.77.0.0/16 | jq -r '.[0].gateway')" = 10.9.0.3 ]
  [ "$(netw status a -j | jq -r '.links[0].network')" = web ]
  [ "$(netw network show web -j | jq -c '[.leases[] | [.address, .id, .interface]] | sort')" = \
    '[["10.9.0.2","a","eth0"],["10.9.0.3","b","eth0"],["fd00:9::2","a","eth0"],["fd00:9::3","b","eth0"]]' ]
  fails 'network web: eth0 of a is attached to it' netw network delete web
  netw detach a
  netw detach b
  is_clean || [ -z "$(netw network show web -j | jq -r '.leases[]?')" ]
  netw network delete web
  run host ip link show net-web
  [ "$status" -ne 0 ]
}

@test "attach --network: several interfaces; the first has the default route" {
  netw network create one --subnet 10.9.1.0/24
  netw network create two --subnet 10.9.2.0/24
  container A
  netw attach a --netns "$A" --network one
  netw attach a --netns "$A" --network two --ifname eth1
  [ "$(inside "$A" ip -j route show default | jq -c '[.[] | .gateway]')" = '["10.9.1.1"]' ]
  reaches "$A" 10.9.1.1
  reaches "$A" 10.9.2.1
  [ "$(netw status a -j | jq -c '[.links[] | .network]')" = '["one","two"]' ]
  netw detach a --ifname eth1
  [ "$(ours)" = 1 ]
  netw detach a
  [ "$(ours)" = 0 ]
}

@test "attach --network: the MTU is the uplink's unless it is said" {
  netw network create web --subnet 10.9.0.0/24
  netw network create small --subnet 10.8.0.0/24 --mtu 1300
  host ip link add uplink mtu 1420 type veth peer name wire
  host ip link set uplink up
  host ip link set wire up
  host ip address add 192.0.2.9/24 dev uplink
  host ip route add default via 192.0.2.10
  container A
  netw attach a --netns "$A" --network web
  netw attach a --netns "$A" --network web --ifname eth1 --mtu 1350
  netw attach a --netns "$A" --network small --ifname eth2
  [ "$(netw status a -j | jq -c '[.links[] | .mtu]')" = '[1420,1350,1300]' ]
}

@test "attach --network: not together with what the network says; a word for each" {
  container A
  for words in '--bridge br0' '--gateway 10.9.0.1' '--bridge-address 10.9.0.1/24' '--address 10.9.0.2/24'; do
    # shellcheck disable=SC2086
    run netw attach a --netns "$A" --network web $words
    [ "$status" -eq 2 ]
    echo "$output"
    [[ $output == *'not together with --network'* || $output == *'leave it out'* ]]
  done
}

@test "an internal network: no default route" {
  netw network create hidden --subnet 10.9.0.0/24 --internal
  container A
  netw attach a --netns "$A" --network hidden
  [ "$(inside "$A" ip -j route show default)" = '[]' ]
  reaches "$A" 10.9.0.1
}

@test "addresses: asked for, reserved, in use, outside, next in order" {
  netw network create web --subnet 10.9.0.0/24 --reserve db=10.9.0.2 --exclude 10.9.0.4
  for name in A B C; do container "$name"; done
  netw attach a --netns "$A" --network web
  [ "$(address_of a)" = 10.9.0.3/24 ]
  netw attach b --netns "$B" --network web --address 10.9.0.77
  [ "$(address_of b)" = 10.9.0.77/24 ]
  netw attach db --netns "$C" --network web
  [ "$(address_of db)" = 10.9.0.2/24 ]
  again() { netw attach c --netns "$C" --ifname eth1 --network web --address "$1"; }
  fails 'attach c: address 10.9.0.77 of network web: link rl' again 10.9.0.77
  fails 'attach c: address 10.9.0.2 of network web: reserved for db' again 10.9.0.2
  fails 'attach c: address 10.9.1.2: outside of the subnets of network web' again 10.9.1.2
  fails "attach c: address 10.9.0.1 of network web: the gateway's" again 10.9.0.1
  netw detach a
  netw attach a --netns "$A" --network web
  [ "$(address_of a)" = 10.9.0.5/24 ] # an address rests before it is used again
}

@test "addresses: a full network says how full, and takes what the dead had" {
  netw network create tiny --subnet 10.9.0.0/29
  pids=()
  for n in $(seq 5); do
    container P
    pids+=("$P")
    netw attach "c$n" --netns "$P" --network tiny
  done
  container P
  full() { netw attach last --netns "$P" --network tiny; }
  fails 'attach last: network tiny: no address is free in 10.9.0.0/29: of 6, 5 are leased and 1 kept back' full
  [ "$(ours)" = 5 ]
  die "${pids[2]}"
  become 4
  full
  [ "$(address_of last)" = 10.9.0.4/29 ]
}

@test "a reboot frees every address by itself" {
  netw network create tiny --subnet 10.9.0.0/30
  container A
  container B
  netw attach a --netns "$A" --network tiny
  fails 'no address is free' netw attach b --netns "$B" --network tiny
  host sh -c 'echo 00000000-1111-2222-3333-444444444444 >/run/boot_id'
  host mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
  # A reboot takes the links too; that one is still there is worse.
  host ip link delete net-tiny
  netw attach b --netns "$B" --network tiny
  [ "$(address_of b)" = 10.9.0.2/30 ]
  [ "$(netw gc -j | jq -c .links)" = '[]' ]
  [ "$(netw list -j | jq -c '[.links[].id]')" = '["b"]' ]
  netw detach b
  netw gc
  is_clean
}

@test "gc: what is dead goes, what lives stays; plan gc only says so" {
  netw network create web --subnet 10.9.0.0/24
  netw network create gone --subnet 10.8.0.0/24
  container A
  container B
  netw attach a --netns "$A" --network web
  netw attach a --netns "$A" --network gone --ifname eth1
  netw attach b --netns "$B" --network web
  die "$A"
  become 1
  run netw plan gc
  [ "$status" -eq 0 ]
  [[ $output == *'take away eth0 of a (link '*'take away eth1 of a (link '*'delete bridge net-gone'* ]]
  [ "$(leftovers | wc -l)" = 5 ]
  netw gc -j >"$BATS_TEST_TMPDIR/gc"
  [ "$(jq -c '[[.links[] | .interface], .bridges, .leases]' "$BATS_TEST_TMPDIR/gc")" = \
    '[["eth0","eth1"],["net-gone"],2]' ]
  reaches "$B" 10.9.0.1
  [ "$(netw network show web -j | jq -c '[.leases[] | .id]')" = '["b"]' ]
  [ "$(netw gc -j | jq -c '[.links, .bridges, .leases]')" = '[[],[],0]' ]
  host ip link add admins type bridge # nobody's but the administrator's
  netw detach b
  netw gc
  is_clean
  host ip link show admins
}

# Where the kernel's answer is read, and where a file is made or renamed, each state in between can be met.
@test "SIGKILL at any point: gc leaves nothing, and the next attach works" {
  netw network create web --subnet 10.9.0.0/24 --subnet fd00:9::/64
  container A
  container B
  for call in recvmsg,sendto:3 openat,renameat,pwrite64,ftruncate:2; do
    for when in $(seq 1 "${call#*:}" 90); do
      run host strace -o /dev/null -e "inject=${call%:*}:signal=SIGKILL:when=$when" \
        "$NETSETUP" attach a --netns "$A" --network web --root "$STATE"
      [ "$status" -ne 0 ] || break
      # Over what was left, unless all was done and only not said.
      [ "$((when % 2))" = 0 ] || is_attached || netw attach a --netns "$A" --network web
      netw detach a
      netw gc
      is_clean
    done
    echo "$call: finished at $when"
    [ "$status" -eq 0 ]
    netw detach a
  done
}

@test "SIGKILL at any point: gc takes a half-made attachment of a container that lives" {
  netw network create web --subnet 10.9.0.0/24
  container A
  for when in $(seq 1 2 60); do
    run host strace -o /dev/null -e "inject=recvmsg:signal=SIGKILL:when=$when" \
      "$NETSETUP" attach a --netns "$A" --network web --root "$STATE"
    ! is_attached || break
    [ "$status" -ne 0 ]
    netw gc
    is_clean
    run inside "$A" ip link show eth0
    [ "$status" -ne 0 ]
  done
  [ "$when" -gt 10 ]
  reaches "$A" 10.9.0.1
}

@test "SIGKILL before the end: another gets the address and the port, and nothing of the first is left" {
  netw network create tiny --subnet 10.9.0.0/30
  container A
  container B
  half() { # ID [OPTION...]
    run host strace -o /dev/null -e inject=renameat:signal=SIGKILL:when=1 \
      "$NETSETUP" attach "$1" --netns "$A" --root "$STATE" "${@:2}"
    [ "$status" -ne 0 ]
    inside "$A" ip link show eth0
  }
  half a --network tiny --publish 8080:80
  netw attach b --netns "$B" --network tiny --publish 8080:80
  [ "$(address_of b)" = 10.9.0.2/30 ]
  [ "$(net list -j | jq -c '[.links[].id]')" = '["b"]' ]
  [ "$(host nft list ruleset | grep -c ' a:eth0')" = 0 ]
  reaches "$B" 10.9.0.1
  half c --bridge br0 --address 10.1.0.2/24 --publish 9090:80
  netw port add b --publish 9090:80
  [ "$(netw gc -j | jq -c '[.links, .bridges, .leases]')" = '[[],["br0"],0]' ]
  netw detach b
  netw gc
  is_clean
}

@test "a lost message at any point: neither lease nor record is left" {
  netw network create web --subnet 10.9.0.0/24
  container A
  for when in $(seq 60); do
    run host strace -o /dev/null -e inject=sendto,sendmsg:error=ENOBUFS:when="$when" \
      "$NETSETUP" attach a --netns "$A" --network web --root "$STATE"
    [ "$status" -ne 0 ] || break
    [ "$(ours)" = 0 ]
    [ -z "$(host find "$STATE/attached" -type f)" ]
    [ "$(netw network show web -j | jq '.leases // [] | length')" = 0 ]
  done
  [ "$status" -eq 0 ]
  [ "$when" -gt 8 ]
}

@test "100 at once in a /25: every address once, one bridge" {
  netw network create web --subnet 10.9.0.0/25
  pids=()
  for n in $(seq 100); do
    unshare --net sleep infinity 3>&- 4>&- &
    pids+=("$!")
  done
  SLEEPERS+=("${pids[@]}")
  for pid in "${pids[@]}"; do wait_for is_apart "$pid"; done
  jobs=()
  for n in $(seq 100); do
    netw attach "c$n" --netns "${pids[n - 1]}" --network web &
    jobs+=("$!")
  done
  for job in "${jobs[@]}"; do wait "$job"; done
  [ "$(net list -j | jq -r '.links[].addresses[]' | sort -u | wc -l)" = 100 ]
  [ "$(host ip -j link show type bridge | jq length)" = 1 ]
  reaches "${pids[0]}" 10.9.0.101
  kill -9 "${pids[@]}"
  become 0
  netw gc
  is_clean
}

@test "network: the completion completes commands, options, ids and networks" {
  container A
  netw network create lan --subnet 10.5.0.0/24
  netw attach web --netns "$A" --network lan
  mkdir "$BATS_TEST_TMPDIR/bin"
  printf '#!/bin/sh\nexec "%s" "$@" --root %s\n' "$NETSETUP" "$STATE" >"$BATS_TEST_TMPDIR/bin/netsetup"
  chmod 755 "$BATS_TEST_TMPDIR/bin/netsetup"
  net --bash-completion >"$BATS_TEST_TMPDIR/completion"
  run host env PATH="$BATS_TEST_TMPDIR/bin:$PATH" bash -c '
    . "$1" && complete -p netsetup >/dev/null || exit 1
    try() {
      COMP_WORDS=(netsetup "$@") COMP_CWORD=$# COMPREPLY=()
      _netsetup
      echo "$*: ${COMPREPLY[*]}"
    }
    try det
    try --ver
    try network s
    try plan att
    try plan network create --wir
    try detach w
    try network show ""
    try attach web --network l
    try network create --kind ip
    try attach web --hosts w' completion "$BATS_TEST_TMPDIR/completion"
  echo "$output"
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = 'det: detach' ]
  [ "${lines[1]}" = '--ver: --version' ]
  [ "${lines[2]}" = 'network s: show' ]
  [ "${lines[3]}" = 'plan att: attach' ]
  [ "${lines[4]}" = 'plan network create --wir: --wireguard' ]
  [ "${lines[5]}" = 'detach w: web' ]
  [[ ${lines[6]} == *' --json '*' lan' ]]
  [ "${lines[7]}" = 'attach web --network l: lan' ]
  [ "${lines[8]}" = 'network create --kind ip: ipvlan' ]
  [ "${lines[9]}" = 'attach web --hosts w: ' ]
}
