# netsetup on a host of its own: a network and mount namespace that lives as long as one test.  Containers are network
# namespaces held by a sleeping process.
# shellcheck shell=bash disable=SC2154
load helpers
load netsetup

attach_dual() { # ID PID NUMBER [OPTION...]
  local id=$1 pid=$2 n=$3
  shift 3
  net attach "$id" --netns "$pid" --bridge br0 --address "10.1.0.$n/24" --address "fd00:1::$n/64" \
    --gateway 10.1.0.1 --gateway fd00:1::1 --bridge-address 10.1.0.1/24 --bridge-address fd00:1::1/64 "$@"
}

link_of() { # ID [INTERFACE]
  net plan attach "$1" --netns 1 --bridge br0 --ifname "${2:-eth0}" | sed -n 's/.* no link is called //p'
}

untagged() {
  host ip -j link | jq '[.[] | select((.ifname | test("^rl[a-z2-7]{13}$")) and (.ifalias == null))] | length'
}

@test "attach: the gateway answers over IPv4 and IPv6 at once" {
  container A
  attach_dual web "$A" 2
  reaches "$A" 10.1.0.1
  reaches "$A" fd00:1::1
  reaches "$A" 127.0.0.1
  reaches "$A" fd00:1::2
  [ "$(inside "$A" ip -j route show default | jq -r '.[0].gateway')" = 10.1.0.1 ]
  [ "$(inside "$A" ip -j -6 route show default | jq -r '.[0].gateway')" = fd00:1::1 ]
  inside "$A" ip -j address show eth0 | jq '.[0].addr_info[] | select(.scope == "global" and .tentative)' \
    >"$BATS_TEST_TMPDIR/out"
  [ ! -s "$BATS_TEST_TMPDIR/out" ]
}

@test "attach: the bridge refuses router advertisements and keeps its address" {
  container A
  container B
  attach_dual web "$A" 2
  [ "$(host cat /proc/sys/net/ipv6/conf/br0/accept_ra)" = 0 ]
  mac=$(host ip -j link show br0 | jq -r '.[0].address')
  attach_dual db "$B" 3
  net detach web
  net detach db
  [ "$(host ip -j link show br0 | jq -r '.[0].address')" = "$mac" ]
}

@test "attach: a bridge that is up is used as it is" {
  container A
  host ip link add br0 type bridge
  host ip link set br0 up
  attach_dual web "$A" 2
  [ "$(host cat /proc/sys/net/ipv6/conf/br0/accept_ra)" = 1 ]
  reaches "$A" 10.1.0.1
}

@test "attach: containers on a bridge reach each other" {
  container A
  container B
  attach_dual web "$A" 2
  attach_dual db "$B" 3
  reaches "$A" 10.1.0.3
  reaches "$A" fd00:1::3
  reaches "$B" 10.1.0.2
}

# bats test_tags=native
@test "attach --isolate: they do not, but the gateway is reached" {
  container A
  container B
  attach_dual web "$A" 2 --isolate
  attach_dual db "$B" 3 --isolate
  reaches_not "$A" 10.1.0.3
  reaches_not "$B" fd00:1::2
  reaches "$A" 10.1.0.1
  reaches "$B" fd00:1::1
}

@test "attach: MAC, MTU, hairpin and the interface's name are those asked for" {
  container A
  net attach web --netns "$A" --bridge br0 --ifname net7 --mac 02:00:00:00:00:07 --mtu 1400 --hairpin
  inside "$A" ip -j link show net7 >"$BATS_TEST_TMPDIR/inside"
  [ "$(jq -r '.[0].address' "$BATS_TEST_TMPDIR/inside")" = 02:00:00:00:00:07 ]
  [ "$(jq -r '.[0].mtu' "$BATS_TEST_TMPDIR/inside")" = 1400 ]
  host ip -d -j link show "$(link_of web net7)" >"$BATS_TEST_TMPDIR/outside"
  [ "$(jq -r '.[0].mtu' "$BATS_TEST_TMPDIR/outside")" = 1400 ]
  [ "$(jq -r '.[0].ifalias' "$BATS_TEST_TMPDIR/outside")" = rundlet:web:net7 ]
  flags=$(jq -c '.[0].linkinfo.info_slave_data | [.hairpin, .isolated, .learning]' "$BATS_TEST_TMPDIR/outside")
  [ "$flags" = '[true,false,true]' ]
}

@test "attach: many addresses, in more than one batch" {
  container A
  words=()
  for n in $(seq 2 101); do words+=(--address "10.1.0.$n/24"); done
  net attach web --netns "$A" --bridge br0 "${words[@]}"
  [ "$(inside "$A" ip -j -4 address show eth0 | jq '.[0].addr_info | length')" = 100 ]
  [ "$(net status web -j | jq '.links[0].addresses | map(select(startswith("10.1."))) | length')" = 100 ]
}

@test "attach twice: the second is refused and the first lives" {
  container A
  attach_dual web "$A" 2
  fails "attach web: eth0 is attached already (link $(link_of web))" attach_dual web "$A" 2
  reaches "$A" 10.1.0.1
  net attach web --netns "$A" --bridge br0 --ifname eth1
  [ "$(ours)" = 2 ]
}

@test "attach: the namespace by path, which may be a bind mount" {
  container A
  host touch /run/ns
  host mount --bind "/proc/$A/ns/net" /run/ns
  attach_dual web /run/ns 2
  kill -9 "$A"
  [ "$(ours)" = 1 ]
  [ "$(net status web -j | jq -r '.links[0].addresses[0]')" = 10.1.0.2/24 ]
  net detach web --netns /run/ns
  [ "$(ours)" = 0 ]
}

@test "attach: what is no namespace is named as such, and nothing blocks" {
  container A
  attach_to() { net attach web --bridge br0 --netns "$1"; }
  fails 'attach web: open network namespace /no/such: No such file or directory' attach_to /no/such
  fails 'attach web: open network namespace /run/ready: not a namespace' attach_to /run/ready
  host mkfifo /run/fifo
  fails 'attach web: open network namespace /run/fifo: not a namespace' attach_to /run/fifo
  fails 'a namespace of another kind' attach_to "/proc/$A/ns/mnt"
  fails 'open network namespace of process 999999999: No such process' attach_to 999999999
  fails "network namespace $HOST: the one of the host" attach_to "$HOST"
  run host ip link show br0
  [ "$status" -ne 0 ]
}

@test "attach: without CAP_NET_ADMIN the error says so" {
  container A
  run host setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$NETSETUP" attach web --netns "$A" --bridge br0
  echo "$output"
  [ "$status" -eq 1 ]
  [[ $output == *'attach web: make bridge br0 unless it is there: Operation not permitted'* ]]
  [[ $output == *'hint: '*'CAP_NET_ADMIN'* ]]
}

@test "words that make no sense: status 2, and the hint where to look" {
  run net attach web --netns 1 --bridge br0 --address 10.1.0.2
  [ "$status" -eq 2 ]
  [[ $output == *'attach: address 10.1.0.2: no prefix length'*'hint: netsetup attach --help'* ]]
  run net attach --help
  [ "$status" -eq 0 ]
  [[ $output == *'--bridge-address CIDR'* ]]
}

@test "plan: prints the operations and does none" {
  before=$(snapshot)
  run net plan attach web --netns 1 --bridge br0 --address 10.1.0.2/24
  [ "$status" -eq 0 ]
  [[ $output == *'inside   add address 10.1.0.2/24 to eth0'* ]]
  unchanged "$before"
  container A
  attach_dual web "$A" 2
  [ "$(net plan detach web | grep -c "$(link_of web)")" = 3 ]
  [[ $(net plan detach web) == *"host     delete link $(link_of web)"* ]]
  [[ $(net plan detach web) == *"set $(link_of web) down"*"take away the rules of $(link_of web)"*"delete link"* ]]
  [ "$(ours)" = 1 ]
}

@test "detach: twice, of an unknown id, of one interface" {
  container A
  attach_dual web "$A" 2
  net attach web --netns "$A" --bridge br0 --ifname eth1
  net detach web --ifname eth1
  [ "$(ours)" = 1 ]
  net detach web
  [ "$(ours)" = 0 ]
  net detach web
  net detach never
  [ "$(net detach never -j | jq -c .)" = '{"links":[]}' ]
  attach_dual web "$A" 2
  reaches "$A" 10.1.0.1
}

@test "detach: after the namespace is gone" {
  container A
  attach_dual web "$A" 2
  net detach web --netns /run/netns/gone
  [ "$(ours)" = 0 ]
  attach_dual web "$A" 2
  kill -9 "$A"
  wait "$A" || true
  net detach web --netns "$A"
  net detach web
  [ "$(ours)" = 0 ]
}

@test "detach --netns: a link to another namespace is left alone" {
  container A
  container B
  attach_dual web "$A" 2
  fails "detach web: link $(link_of web) leads to another network namespace than $B" net detach web --netns "$B"
  [ "$(ours)" = 1 ]
  net detach web --netns "$A"
  [ "$(ours)" = 0 ]
}

@test "foreign links with our name are refused and left alone" {
  container A
  link=$(link_of web)
  host ip link add "$link" type bridge
  fails "attach web: link $link exists and carries no tag of ours" attach_dual web "$A" 2
  fails "detach web: link $link carries no tag of ours: left alone" net detach web
  host ip link set "$link" alias rundlet:other:eth3
  fails "attach web: link name $link is taken by eth3 of other" attach_dual web "$A" 2
  host ip link show "$link"
}

@test "a bridge name that a link of another kind has" {
  container A
  host ip link add br0 type veth peer name other
  before=$(snapshot)
  fails 'attach web: bridge br0: the name is taken by a link that is no bridge but veth' attach_dual web "$A" 2
  unchanged "$before"
}

@test "a failure inside takes everything back: default route exists" {
  container A
  inside "$A" ip link add other type veth peer name peer
  inside "$A" ip link set other up
  inside "$A" ip address add 192.0.2.1/24 dev other
  inside "$A" ip route add default via 192.0.2.2
  before=$(snapshot "$A")
  fails 'attach web: add default route via 10.1.0.1: File exists' attach_dual web "$A" 2
  unchanged "$before" "$A"
}

@test "a failure inside takes everything back: the interface's name is taken" {
  container A
  inside "$A" ip link add eth0 type bridge
  before=$(snapshot "$A")
  fails 'to eth0 inside: eth0 exists there' attach_dual web "$A" 2
  unchanged "$before" "$A"
}

@test "a failure inside takes everything back: no IPv6 there, in the kernel's words" {
  container A
  inside "$A" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
  before=$(snapshot "$A")
  fails 'attach web: add address fd00:1::2/64 to eth0: Permission denied' attach_dual web "$A" 2
  unchanged "$before" "$A"
}

@test "a failure on the bridge takes back this call's addresses and no others" {
  container A
  host ip link add br0 address 02:00:00:00:00:99 type bridge
  host ip address add 10.1.0.9/24 dev br0
  host sh -c 'echo 1 >/proc/sys/net/ipv6/conf/br0/disable_ipv6'
  before=$(snapshot "$A")
  fails 'attach web: add address fd00:1::1/64 to br0 unless it is there: Permission denied' \
    attach_dual web "$A" 2 --bridge-address 10.1.0.9/24
  unchanged "$before" "$A"
}

# bats test_tags=native
@test "a lost message at any point: all or nothing" {
  container A
  before=$(snapshot "$A")
  for when in $(seq 40); do
    run host strace -o /dev/null -e inject=sendto:error=ENOBUFS:when="$when" \
      "$NETSETUP" attach web --netns "$A" --bridge br0 \
      --address 10.1.0.2/24 --gateway 10.1.0.1 --bridge-address 10.1.0.1/24 --bridge-address 10.1.1.1/24
    echo "$when: $output"
    [ "$status" -ne 0 ] || break
    [[ $output == *'attach web: '*'No buffer space available'* ]]
    unchanged "$before" "$A"
  done
  [ "$when" -gt 10 ]
  reaches "$A" 10.1.0.1
}

# The kernel changes something when a message is sent; reading the answer is where each of these states can be met.
# bats test_tags=native
@test "SIGKILL at any point: no link without a tag, and detach leaves none" {
  container A
  for when in $(seq 100); do
    run host strace -o /dev/null -e inject=recvmsg:signal=SIGKILL:when="$when" \
      "$NETSETUP" attach web --netns "$A" --bridge br0 \
      --address 10.1.0.2/24 --gateway 10.1.0.1 --bridge-address 10.1.0.1/24
    [ "$(untagged)" = 0 ]
    net detach web --netns "$A"
    [ "$(ours)" = 0 ]
    [ "$status" -ne 0 ] || break
  done
  echo "finished at $when"
  [ "$status" -eq 0 ]
  [ "$when" -gt 10 ]
}

@test "64 at once: one bridge, every one of them attached" {
  pids=()
  for n in $(seq 64); do
    unshare --net sleep infinity 3>&- 4>&- &
    pids+=("$!")
  done
  SLEEPERS+=("${pids[@]}")
  for pid in "${pids[@]}"; do wait_for is_apart "$pid"; done
  jobs=()
  for n in $(seq 64); do
    net attach "same-first-15-characters-$n" --netns "${pids[n - 1]}" --bridge br0 --address "10.1.0.$((n + 1))/24" \
      --gateway 10.1.0.1 --bridge-address 10.1.0.1/24 &
    jobs+=("$!")
  done
  for job in "${jobs[@]}"; do wait "$job"; done
  [ "$(ours)" = 64 ]
  [ "$(net list -j | jq '[.links[] | select(.bridge == "br0" and .state == "up")] | length')" = 64 ]
  reaches "${pids[0]}" 10.1.0.65
  reaches "${pids[63]}" 10.1.0.1
  jobs=()
  for n in $(seq 64); do
    net detach "same-first-15-characters-$n" &
    jobs+=("$!")
  done
  for job in "${jobs[@]}"; do wait "$job"; done
  [ "$(ours)" = 0 ]
}

# bats test_tags=native
@test "attaches go one at a time, and a failed one takes nothing from under another" {
  container A
  attach_dual web "$A" 2
  net detach web
  exec {lock}<"/proc/$HOST/root/run/netsetup/lock"
  flock "$lock"
  run host timeout 1 "$NETSETUP" attach web --netns "$A" --bridge br0
  [ "$status" -eq 124 ]
  [ "$(ours)" = 0 ]
  exec {lock}<&-

  host ip link delete br0
  container B
  inside "$B" ip link add eth0 type bridge
  for n in $(seq 8); do
    attach_dual bad "$B" 9 & # makes the bridge when it is first, and fails
    bad=$!
    attach_dual web "$A" 2
    wait "$bad" && return 1
    reaches "$A" 10.1.0.1
    net detach web
    host ip link delete br0
  done
}

@test "an id of 255 bytes" {
  container A
  id=$(printf 'x%.0s' $(seq 255))
  attach_dual "$id" "$A" 2
  [ "$(net status "$id" -j | jq -r '.links[0].id')" = "$id" ]
  run net status "${id%x}y"
  [ "$status" -eq 1 ]
  net detach "$id"
  [ "$(ours)" = 0 ]
}

@test "status and list: keys and words" {
  container A
  attach_dual web "$A" 2 --isolate -j >"$BATS_TEST_TMPDIR/attach"
  keys='["addresses","bridge","gateways","hairpin","id","interface","isolated","link","mac","mtu","state"]'
  [ "$(jq -c '.links[0] | keys' "$BATS_TEST_TMPDIR/attach")" = "$keys" ]
  net status web -j >"$BATS_TEST_TMPDIR/status"
  [ "$(jq -c '.links[0] | keys' "$BATS_TEST_TMPDIR/status")" = "$(jq -cn "$keys")" ]
  values=$(jq -c '.links[0] | [.id, .interface, .bridge, .state, .isolated, .hairpin, .mtu]' "$BATS_TEST_TMPDIR/status")
  [ "$values" = '["web","eth0","br0","up",true,false,1500]' ]
  mac=$(inside "$A" ip -j link show eth0 | jq -r '.[0].address')
  [ "$(jq -r '.links[0].mac' "$BATS_TEST_TMPDIR/status")" = "$mac" ]
  [ "$(jq -c '.links[0].addresses' "$BATS_TEST_TMPDIR/status")" = '["10.1.0.2/24","fd00:1::2/64"]' ]
  run net list
  [[ ${lines[0]} == ID*INTERFACE*LINK*BRIDGE*STATE* ]]
  [[ ${lines[1]} == web*eth0*br0*up*10.1.0.2/24* ]]
  inside "$A" ip link set eth0 down
  [ "$(net list -j | jq -r '.links[0].state')" = 'no carrier' ]
  fails 'status nobody: not attached' net status nobody
}

@test "status: works without rights, only what is inside stays out" {
  container A
  attach_dual web "$A" 2
  run host setpriv --reuid 4242 --regid 4242 --clear-groups --inh-caps=-all "$NETSETUP" status web -j
  echo "$output"
  [ "$status" -eq 0 ]
  [ "$(jq -c '.links[0] | [.bridge, .mac, .addresses]' <<<"$output")" = '["br0",null,null]' ]
}

@test "loopback: set up, by process id or path, again and again" {
  container A
  [ "$(inside "$A" ip -j link show lo | jq '.[0].flags | index("UP")')" = null ]
  net loopback --netns "$A"
  reaches "$A" 127.0.0.1
  net loopback --netns "/proc/$A/ns/net"
  fails 'loopback 999999999: open network namespace of process 999999999: No such process' \
    net loopback --netns 999999999
}

@test "the folder of the lock must be ours alone" {
  container A
  host mkdir -m 0777 /run/netsetup
  fails 'attach web: open folder /run/netsetup: others can write to it' attach_dual web "$A" 2
  attach_dual web "$A" 2 --root /run/mine
  [ "$(host stat -c %a /run/mine)" = 700 ]
}
