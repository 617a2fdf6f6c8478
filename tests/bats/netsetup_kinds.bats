# Networks without a bridge (macvlan, ipvlan), with real packets.  The uplink of the host is a veth to a router.
#
#   containers 10.5.0.0/24, fd00:5::/64 -- uplink of the host ... eth0 10.5.0.1, fd00:5::1 -- router
#
# shellcheck shell=bash disable=SC2154
load helpers
load netsetup

STATE=/run/netsetup

netw() {
  net "$@" --root "$STATE"
}

leftovers() {
  host find "$STATE/attached" "$STATE/leases" -type f
}

router() {
  container ROUTER
  host ip link add uplink type veth peer name eth0 netns "$ROUTER"
  host ip link set uplink up
  inside "$ROUTER" ip address add 10.5.0.1/24 dev eth0
  inside "$ROUTER" ip address add 192.0.2.7/32 dev lo
  inside "$ROUTER" ip address add fd00:5::1/64 dev eth0 nodad
  inside "$ROUTER" ip link set lo up
  inside "$ROUTER" ip link set eth0 up
}

needs_kind() { # KIND
  local status=0
  host ip link add probe0 type veth peer name probe1
  host ip link add link probe0 name probe2 type "$1" || status=$?
  host ip link del probe0
  [ "$status" -eq 0 ] || skip "needs $1 in the kernel"
}

create() { # NAME KIND [OPTION...]
  local name=$1 kind=$2
  shift 2
  netw network create "$name" --kind "$kind" --uplink uplink --subnet 10.5.0.0/24 --subnet fd00:5::/64 "$@"
}

links_of() { # PID
  inside "$1" ip -j link | jq -r '[.[].ifname] | join(" ")'
}

# What detach gives back: twice in a row, and the state is empty.
comes_and_goes() { # ID PID
  netw attach "$1" --netns "$2" --network lan
  [ "$(netw status "$1" -j | jq -c '.links[0] | [.id, .interface, .state, .addresses]')" = \
    "[\"$1\",\"eth0\",\"up\",[\"10.5.0.2/24\",\"fd00:5::2/64\"]]" ]
  reaches "$2" 10.5.0.1
  reaches "$2" fd00:5::1
  reaches "$ROUTER" 10.5.0.2
  netw detach "$1" --netns "$2"
  [ "$(links_of "$2")" = lo ]
  netw detach "$1"
  netw gc
  [ -z "$(leftovers)" ]
}

@test "macvlan: born inside, reached by the router, gone after detach" {
  needs_kind macvlan
  router
  container A
  container B
  create lan macvlan
  [ "$(netw network show lan -j | jq -c '.networks[0] | [.kind, .uplink, .bridge]')" = '["macvlan","uplink",null]' ]
  comes_and_goes web "$A"
  netw attach web --netns "$A" --network lan
  netw attach db --netns "$B" --network lan --mac 02:00:00:00:05:05 --mtu 1400
  reaches "$B" 10.5.0.2
  reaches "$A" fd00:5::3
  reaches "$B" 192.0.2.7
  [ "$(inside "$A" ip -d -j link show eth0 | jq -r '.[0].linkinfo.info_data.mode')" = bridge ]
  [ "$(inside "$A" ip -j link show eth0 | jq -r '.[0].ifalias')" = rundlet:web:eth0 ]
  [ "$(inside "$B" ip -j link show eth0 | jq -c '.[0] | [.address, .mtu]')" = '["02:00:00:00:05:05",1400]' ]
  [ "$(netw list -j | jq -c '[.links[].id]')" = '["db","web"]' ]
  fails 'attach web: eth0 is attached already' netw attach web --netns "$A" --network lan
  fails 'network delete lan: network lan: eth0 of db is attached to it' netw network delete lan
  netw detach web
  netw detach db
  netw gc
  host ip link show uplink >/dev/null
  [ -z "$(leftovers)" ]
  netw network delete lan
  [ "$(links_of "$A") $(links_of "$B")" = 'lo lo' ]
}

@test "macvlan private: neighbours are not reached, the router is" {
  needs_kind macvlan
  router
  container A
  container B
  create lan macvlan --mode private
  netw attach web --netns "$A" --network lan
  netw attach db --netns "$B" --network lan
  reaches "$A" 10.5.0.1
  reaches_not "$A" 10.5.0.3
}

@test "ipvlan l2: the MAC of the uplink, gone after detach" {
  needs_kind ipvlan
  router
  container A
  create lan ipvlan
  comes_and_goes web "$A"
  netw attach web --netns "$A" --network lan
  mac=$(host ip -j link show uplink | jq -r '.[0].address')
  [ "$(inside "$A" ip -j link show eth0 | jq -r '.[0].address')" = "$mac" ]
  fails '--mac: ipvlan l2 has that of its uplink' netw attach web --netns "$A" --network lan --mac 02:00:00:00:00:01
}

@test "ipvlan l3: the default route leads to the link" {
  needs_kind ipvlan
  router
  container A
  container B
  create lan ipvlan --mode l3
  netw attach web --netns "$A" --network lan
  netw attach db --netns "$B" --network lan
  reaches "$A" 10.5.0.3
  reaches "$B" fd00:5::2
  [ "$(inside "$A" ip -j route show default | jq -c '.[0] | [.dev, .gateway]')" = '["eth0",null]' ]
}

# Called as runtimes do: cni COMMAND PID CONF [IFNAME]
cni() {
  host env CNI_COMMAND="$1" CNI_CONTAINERID=pod CNI_NETNS="/proc/$2/ns/net" CNI_IFNAME="${4-eth0}" \
    timeout -k 5 "$LIMIT" "$NETSETUP" <<<"$3" 3>&- 4>&-
}

@test "CNI: macvlan by its plugin's keys, loopback, and what does not fit" {
  needs_kind macvlan
  router
  container A
  conf='{"cniVersion":"1.1.0","name":"lan","type":"netsetup","kind":"macvlan","master":"uplink","mode":"bridge","mtu":1400,
    "ipam":{"type":"host-local","subnet":"10.5.0.0/24","routes":[{"dst":"0.0.0.0/0"}]}}'
  cni ADD "$A" "$conf" >"$BATS_TEST_TMPDIR/result"
  [ "$(jq -c '[.interfaces[] | [.name, .sandbox, .mtu]]' "$BATS_TEST_TMPDIR/result")" = \
    "[[\"eth0\",\"/proc/$A/ns/net\",1400]]" ]
  [ "$(jq -c '.ips' "$BATS_TEST_TMPDIR/result")" = '[{"interface":0,"address":"10.5.0.2/24","gateway":"10.5.0.1"}]' ]
  [ "$(jq -r '.interfaces[0].mac' "$BATS_TEST_TMPDIR/result")" = \
    "$(inside "$A" ip -j link show eth0 | jq -r '.[0].address')" ]
  reaches "$A" 192.0.2.7
  with=$(jq -c --slurpfile r "$BATS_TEST_TMPDIR/result" '.prevResult = $r[0]' <<<"$conf")
  [ -z "$(cni CHECK "$A" "$with")" ]
  run cni ADD "$A" "$conf"
  [ "$(jq -r '[.code, .msg] | join(" ")' <<<"$output")" = '104 eth0 is attached already' ]
  inside "$A" ip link set eth0 down
  run cni CHECK "$A" "$with"
  [ "$(jq .code <<<"$output")" = 105 ]
  cni DEL "$A" "$with"
  cni DEL "$A" "$with"
  [ "$(links_of "$A")" = lo ]
  # The plugin under the other's name, and without addresses.
  cni ADD "$A" '{"cniVersion":"0.4.0","name":"lan","type":"macvlan","master":"uplink"}' >"$BATS_TEST_TMPDIR/result"
  [ "$(jq -c '[.ips, (.interfaces | length)]' "$BATS_TEST_TMPDIR/result")" = '[null,1]' ]
  cni DEL "$A" "$conf"
  run cni ADD "$A" "$(jq -c '.runtimeConfig = {portMappings: [{hostPort: 80, containerPort: 80}]}' <<<"$conf")"
  [ "$(jq -r .code <<<"$output")" = 7 ]
  run cni ADD "$A" "$(jq -c '.master = "nothing0"' <<<"$conf")"
  [[ $(jq -r .msg <<<"$output") == 'find nothing0: No such device' ]]
  [ "$(links_of "$A")" = lo ]
  host "$NETSETUP" gc 3>&- 4>&-
  [ -z "$(leftovers)" ]

  conf='{"cniVersion":"1.0.0","name":"lo","type":"loopback"}'
  container B
  inside "$B" ip link set lo down
  cni ADD "$B" "$conf" lo >"$BATS_TEST_TMPDIR/result"
  [ "$(jq -c '[.interfaces[0].name, .ips[].address]' "$BATS_TEST_TMPDIR/result")" = '["lo","127.0.0.1/8","::1/128"]' ]
  reaches "$B" 127.0.0.1
  with=$(jq -c --slurpfile r "$BATS_TEST_TMPDIR/result" '.prevResult = $r[0]' <<<"$conf")
  [ -z "$(cni CHECK "$B" "$with" lo)" ]
  inside "$B" ip link set lo down
  run cni CHECK "$B" "$with" lo
  [ "$(jq -r '[.code, .msg] | join(" ")' <<<"$output")" = '105 lo is down' ]
  cni DEL "$B" "$conf" lo
}

@test "vlan: on the uplink, by command and by CNI" {
  router
  container A
  host ip link add link uplink name probe0 type vlan id 9 || skip "needs vlan in the kernel"
  host ip link del probe0
  inside "$ROUTER" ip link add link eth0 name eth0.7 type vlan id 7
  inside "$ROUTER" ip address add 10.5.7.1/24 dev eth0.7
  inside "$ROUTER" ip link set eth0.7 up
  netw network create lan --kind vlan --uplink uplink --vlan 7 --subnet 10.5.7.0/24
  netw attach web --netns "$A" --network lan
  reaches "$A" 10.5.7.1
  netw detach web
  cni ADD "$A" '{"cniVersion":"1.0.0","name":"lan","type":"vlan","master":"uplink","vlanId":7,
    "ipam":{"type":"host-local","subnet":"10.5.7.0/24"}}' >/dev/null
  reaches "$A" 10.5.7.1
  cni DEL "$A" '{"cniVersion":"1.0.0","name":"lan","type":"vlan"}'
  [ "$(links_of "$A")" = lo ]
}

@test "macvlan: after a kill at any moment gc leaves nothing, nor after the container's death" {
  needs_kind macvlan
  router
  container A
  create lan macvlan
  for n in $(seq 1 12); do
    nsenter --net --mount --target "$HOST" -- "$NETSETUP" attach web --netns "$A" --network lan --root "$STATE" \
      3>&- 4>&- 2>/dev/null &
    sleep "0.00$((n * n % 10))"
    kill -9 $! 2>/dev/null || true
    wait $! 2>/dev/null || true
    netw detach web
    netw gc
    [ "$(links_of "$A")" = lo ]
    [ -z "$(leftovers)" ]
  done
  netw attach web --netns "$A" --network lan
  kill -9 "$A"
  wait "$A" 2>/dev/null || true
  become 0
  netw gc
  [ -z "$(leftovers)" ]
  netw network delete lan
}

@test "macvlan: what is begun and not kept is taken out of the namespace" {
  needs_kind macvlan
  router
  container A
  create lan macvlan
  netw attach web --netns "$A" --network lan
  record=$(host find "$STATE/attached" -name '*.json')
  host mv "$record" "${record%.json}.begun"
  link=$(basename "$record" .json)
  inside "$A" ip link set eth0 down
  inside "$A" ip link set eth0 name "$link" alias ''
  [ "$(links_of "$A")" = "lo $link" ]
  netw gc
  [ "$(links_of "$A")" = lo ]
  [ -z "$(leftovers)" ]
}

@test "kinds: what cannot be is refused in words, and nothing stays" {
  needs_kind macvlan
  router
  container A
  S='--subnet 10.5.0.0/24'
  # shellcheck disable=SC2086
  refused() { fails "$1" netw network create lan $S "${@:2}"; }
  refused 'kind tokenring: not one of bridge, macvlan, ipvlan, vlan' --kind tokenring
  refused 'kind macvlan: it needs an uplink (--uplink)' --kind macvlan
  refused 'mode l3: macvlan has none of that name' --kind macvlan --uplink uplink --mode l3
  refused 'mode l2: of a macvlan or ipvlan network only' --mode l2
  refused 'uplink nothing0: there is no such interface' --kind macvlan --uplink nothing0
  refused '--isolate: not possible with kind macvlan, which has no bridge' --kind macvlan --uplink uplink --isolate
  S=''
  refused 'kind macvlan: it needs a subnet, that of the uplink (--subnet)' --kind macvlan --uplink uplink
  [ "$(netw network list -j | jq '.networks | length')" = 0 ]
  create lan macvlan
  fails '--publish: not possible on network lan of kind macvlan, which has no bridge' \
    netw attach web --netns "$A" --network lan -p 80:80
  inside "$A" ip link add eth0 type veth peer name other
  before=$(inside "$A" ip -o -d link)
  fails 'name it eth0, tag rundlet:web:eth0: eth0 exists there' netw attach web --netns "$A" --network lan
  [ "$(inside "$A" ip -o -d link)" = "$before" ]
  netw gc
  [ -z "$(leftovers)" ]
  host ip link del uplink
  fails 'find uplink: No such device' netw attach web --netns "$A" --network lan
  netw gc
  [ -z "$(leftovers)" ]
}
