#!/usr/bin/env bats
# linux.netDevices: devices of the host move into the container's network namespace with their addresses, and come back
# when the container does not come to life.  All of it is in network namespaces of the test's own: no device of the
# machine is touched.

load helpers

# A network namespace that stands for the host's ("host COMMAND..." runs there, rundlet too), and one for the other ends
# of its cables.
setup() {
  bundle_setup
  NETWORKS=()
  network HOST_PID
  network WIRE_PID
}

teardown() {
  kill "${NETWORKS[@]}"
  bundle_teardown
}

network() { # VARIABLE
  unshare --net sleep 600 3>&- 4>&- &
  NETWORKS+=($!)
  printf -v "$1" '%s' $!
  wait_for has_own_network $!
}

has_own_network() { # PID
  [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# Network devices with a carrier: every kernel that runs containers has veth.
device() { # NAME... [ip's own words for NAME]
  host ip link add name "$@" type veth peer name "$1" netns "$WIRE_PID"
  nsenter --net="/proc/$WIRE_PID/ns/net" ip link set "$1" up
}

host() {
  nsenter --net="/proc/$HOST_PID/ns/net" "$@"
}

on_host() { # COMMAND OF RUNDLET...
  nsenter --net="/proc/$HOST_PID/ns/net" timeout --foreground -k 5 "$LIMIT" "$RUNTIME" --root "$ROOT" \
    "${DRIVER_OPTIONS[@]}" "$@" </dev/null 3>&- 4>&-
}

net_devices() { # JQ-OBJECT
  config ".linux.netDevices = $1 | .linux.namespaces |= (map(select(.type != \"network\")) + [{type: \"network\"}])"
}

join_network() { # PID
  # shellcheck disable=SC2016 # jq's variable
  config --arg path "/proc/$1/ns/net" '.linux.namespaces |= (map(select(.type != "network")) + [{type: "network", path: $path}])'
}

# Global addresses as "eth0 inet 10.0.0.1/24", sorted.
addresses() { # COMMAND-PREFIX...
  "$@" ip -o addr show scope global | awk '{ print $2, $3, $4 }' | sort
}

refused() { # WORDS
  run on_host run --bundle "$BUNDLE" "$ID"
  is_refused "$1"
}

is_unique() { # DEVICE
  [ -z "$(host ip -6 -o addr show dev "$1" tentative)" ]
}

@test "devices move with their addresses, are renamed, go up, and are there before the hooks" {
  device eno0 mtu 1400 address 02:00:00:00:00:01
  device eno1
  device eno2
  host ip link set eno0 alias 'kept as it was'
  host ip link set eno0 up
  host ip addr add 10.9.8.7/24 brd 10.9.8.255 label eno0:one dev eno0
  host ip addr add 10.9.8.6/32 dev eno0
  host ip addr add 10.1.1.1 peer 10.1.1.2/32 dev eno0
  host ip addr add fd00:9::7/64 dev eno0
  host ip addr add 192.0.2.1/24 scope link dev eno0
  host ip addr add fd00:9::8/64 valid_lft 300 preferred_lft 300 dev eno0
  host ip addr add 172.20.0.1/16 dev eno1
  wait_for is_unique eno0
  net_devices '{eno0: {}, eno1: {name: "data0"}, eno2: {name: "many%d"}}'
  # shellcheck disable=SC2016 # the hook's variables
  config --arg seen "$BATS_TEST_TMPDIR/seen" '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c",
    "nsenter --net=/proc/$(jq .pid)/ns/net ip -br link >" + $seen], env: ["PATH=" + env.PATH]}]'
  payload sleep 600
  on_host create --bundle "$BUNDLE" "$ID" >"$OUT" 2>&1 || { cat "$OUT"; false; }
  inside=(nsenter --net="/proc/$(init_pid)/ns/net")
  grep -q '^data0@' "$BATS_TEST_TMPDIR/seen"
  [ "$(host ip -br link | awk '{ print $1 }')" = lo ]
  # Permanent and global: the one of link scope and the one with an end are not.
  diff - <(addresses "${inside[@]}") <<'END'
data0 inet 172.20.0.1/16
eno0 inet 10.1.1.1
eno0 inet 10.9.8.6/32
eno0 inet 10.9.8.7/24
eno0 inet6 fd00:9::7/64
END
  "${inside[@]}" ip -o addr show dev eno0 | grep -q 'inet 10.9.8.7/24 brd 10.9.8.255 scope global eno0:one'
  "${inside[@]}" ip -o addr show dev eno0 | grep -q 'inet 10.1.1.1 peer 10.1.1.2/32'
  [[ $("${inside[@]}" ip -o -6 addr show dev eno0 tentative) != *fd00* ]]
  "${inside[@]}" ip link show eno0 | grep -q 'mtu 1400'
  "${inside[@]}" ip link show eno0 | grep -q 'link/ether 02:00:00:00:00:01'
  "${inside[@]}" ip link show eno0 | grep -q 'alias kept as it was'
  for name in eno0 data0 many0; do "${inside[@]}" ip link show "$name" | grep -q '[<,]UP[,>]'; done
  quietly start "$ID"
  quietly delete --force "$ID"
  # They ended with the namespace: nothing was moved back.
  [ "$(host ip -br link | awk '{ print $1 }')" = lo ]
}

# What has to be as it was: index, name, up or down, hardware address; global addresses.
described() {
  host ip -j link | jq -c '.[] | [.ifindex, .ifname, (.flags | index("UP") != null), .address]'
  addresses host
}

@test "a create that fails gives back every device: name, index, addresses, up or down" {
  device eno0
  device eno1
  host ip link set eno0 up
  host ip addr add 10.9.8.7/24 dev eno0
  host ip addr add fd00:9::7/64 nodad dev eno0
  host ip addr add 10.9.7.7/24 dev eno1
  described >"$BATS_TEST_TMPDIR/before"
  net_devices '{eno0: {name: "other0"}, eno1: {}}'
  config '.hooks.createRuntime = [{path: "/bin/false"}]'
  refused createRuntime
  described | diff "$BATS_TEST_TMPDIR/before" -
  config '.hooks = {}'
  payload /no/such/program
  refused /no/such/program
  described | diff "$BATS_TEST_TMPDIR/before" -
  # The rest is the same way back, for other reasons.
  [ -z "${IN_VM:-}" ] || return 0
  # The second one cannot go: the first comes back.
  payload true
  net_devices '{eno0: {}, lo: {name: "lo9"}}'
  refused 'linux.netDevices.lo: '
  described | diff "$BATS_TEST_TMPDIR/before" -
  net_devices '{eno0: {}, eth77: {}}'
  refused 'linux.netDevices.eth77: there is no such network device'
  described | diff "$BATS_TEST_TMPDIR/before" -
  net_devices '{eno0: {name: "lo"}}'
  refused 'linux.netDevices.eno0: the container'"'"'s network namespace has a device of the name lo already'
  described | diff "$BATS_TEST_TMPDIR/before" -
}

@test "a joined network namespace: names that are taken, templates, indexes that are taken; and not the host's own" {
  device eno0
  device eno1
  host ip addr add 10.9.8.7/24 dev eno0
  local pod pod_net
  network pod
  pod_net=(nsenter --net="/proc/$pod/ns/net")
  for name in eno0 net0 a1 a2 a3; do "${pod_net[@]}" ip link add name "$name" type bridge; done
  net_devices '{eno0: {}}'
  join_network "$pod"
  refused 'has a device of the name eno0 already'
  config '.linux.netDevices = {eno0: {name: "net%d"}, eno1: {name: "eno1"}}'
  payload ip -o addr
  run on_host run --bundle "$BUNDLE" "$ID"
  echo "$output"
  [ "$status" = 0 ]
  [[ $output =~ net[1-9]' '*inet' '10\.9\.8\.7/24 ]]
  # The namespace lives on, and so do they in it.
  "${pod_net[@]}" ip -br link | grep -q '^net[1-9]@.*[<,]UP[,>]'
  "${pod_net[@]}" ip -br link | grep -q '^eno1@.*[<,]UP[,>]'
  [ "$(host ip -br link | awk '{ print $1 }')" = lo ]
  device eno5
  config '.linux.netDevices = {eno5: {}}'
  join_network "$HOST_PID"
  refused 'the container'"'"'s network namespace is that of the host'
  config '.linux.namespaces |= map(select(.type != "network"))'
  refused 'linux.netDevices: needs a network namespace'
  host ip link show eno5
}

@test "a container with a user namespace of its own, whose network namespace is its own too" {
  device eno0
  host ip addr add 10.9.8.7/24 dev eno0
  net_devices '{eno0: {name: "eth0"}}'
  config '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 4200000, size: 65536}]
    | .linux.gidMappings = .linux.uidMappings'
  payload ip -o addr
  run on_host run --bundle "$BUNDLE" "$ID"
  echo "$output"
  [ "$status" = 0 ]
  [[ $output = *'eth0'*'inet 10.9.8.7/24'* ]]
}
