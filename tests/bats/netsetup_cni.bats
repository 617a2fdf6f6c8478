# netsetup as a CNI plugin, called the way runtimes call it; the reference plugin `bridge` is the control.
# shellcheck shell=bash disable=SC2154
load helpers
load netsetup

REFERENCE=/usr/lib/cni
CONF='{"cniVersion":"1.1.0","name":"pod","type":"netsetup","bridge":"cni0","isGateway":true,"isDefaultGateway":true,
  "ipMasq":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.22.0.0/24"}],[{"subnet":"fd00:22::/64"}]]},
  "dns":{"nameservers":["10.22.0.1"]}}'
SECOND='.name = "second" | .bridge = "cni1" | .ipam.ranges = [[{subnet: "10.25.0.0/24"}]]'

# PLUGIN and CNI_ARGS come from the environment of the test: cni COMMAND ID NETNS [CONF [IFNAME]]
cni() {
  host env CNI_COMMAND="$1" CNI_CONTAINERID="$2" CNI_NETNS="$3" CNI_IFNAME="${5-eth0}" CNI_ARGS="${CNI_ARGS:-}" \
    CNI_PATH="$REFERENCE" timeout -k 5 "$LIMIT" "${PLUGIN:-$NETSETUP}" \
    <<<"${4-$CONF}" 2>>"$BATS_TEST_TMPDIR/log" 3>&- 4>&-
}

ns() { # PID: as runtimes name it
  echo "/proc/$1/ns/net"
}

conf() { # JQ-FILTER: CONF changed
  jq -c "$@" <<<"$CONF"
}

# CODE WORDS COMMAND...: one error object with both, on standard output, and status 1
refuses() {
  local code=$1 words=$2
  shift 2
  run "$@"
  echo "$output"
  [ "$status" -eq 1 ]
  [ "$(jq -r .code <<<"$output")" = "$code" ]
  [[ $(jq -r .msg <<<"$output") == *"$words"* ]]
  [ -n "$(jq -r .cniVersion <<<"$output")" ]
}

leftovers() {
  host find /run/netsetup/attached /run/netsetup/leases -type f 2>/dev/null
}

leases() { # NETWORK: how many
  host sh -c "[ ! -e /run/netsetup/leases/$1 ] || tail -c +257 /run/netsetup/leases/$1" |
    od -An -v -w32 -c | awk '$17 != "\\0"' | wc -l
}

@test "VERSION and STATUS" {
  [ "$(cni VERSION '' '' '{"cniVersion":"1.0.0"}' | jq -c '[.cniVersion, .supportedVersions]')" = \
    '["1.0.0",["0.4.0","1.0.0","1.1.0"]]' ]
  [ -z "$(cni STATUS '' '')" ]
  refuses 50 CAP_NET_ADMIN host env CNI_COMMAND=STATUS setpriv --bounding-set=-net_admin --inh-caps=-net_admin \
    "$NETSETUP" <<<"$CONF"
}

@test "ADD: result, traffic, routes; CHECK; DEL twice leaves nothing" {
  container A
  container B
  cni ADD a "$(ns "$A")" >"$BATS_TEST_TMPDIR/a"
  cni ADD b "$(ns "$B")" >"$BATS_TEST_TMPDIR/b"
  [ "$(jq -c '[.ips[] | [.interface, .address, .gateway, .version]]' "$BATS_TEST_TMPDIR/a")" = \
    '[[2,"10.22.0.2/24","10.22.0.1",null],[2,"fd00:22::2/64","fd00:22::1",null]]' ]
  [ "$(jq -c '.interfaces[2] | [.name, .mtu, .sandbox]' "$BATS_TEST_TMPDIR/a")" = "[\"eth0\",1500,\"$(ns "$A")\"]" ]
  [ "$(jq -r '.interfaces[2].mac' "$BATS_TEST_TMPDIR/a")" = \
    "$(inside "$A" ip -j link show eth0 | jq -r '.[0].address')" ]
  [ "$(jq -r '.interfaces[0].mac' "$BATS_TEST_TMPDIR/a")" = "$(host ip -j link show cni0 | jq -r '.[0].address')" ]
  link=$(jq -r '.interfaces[1].name' "$BATS_TEST_TMPDIR/a")
  [ "$(jq -r '.interfaces[1].mac' "$BATS_TEST_TMPDIR/a")" = "$(host ip -j link show "$link" | jq -r '.[0].address')" ]
  [ "$(jq -c .dns "$BATS_TEST_TMPDIR/a")" = '{"nameservers":["10.22.0.1"]}' ]
  reaches "$A" 10.22.0.1
  reaches "$A" 10.22.0.3
  reaches "$B" fd00:22::2
  [ "$(inside "$A" ip -j route show default | jq -r '.[0].gateway')" = 10.22.0.1 ]
  with=$(conf --slurpfile r "$BATS_TEST_TMPDIR/a" '.prevResult = $r[0]')
  [ -z "$(cni CHECK a "$(ns "$A")" "$with")" ]
  cni DEL a "$(ns "$A")" "$with"
  cni DEL a "$(ns "$A")" "$with"
  cni DEL b ''
  cni DEL b "$(ns "$B")"
  cni DEL never ''
  [ "$(ours)" = 0 ]
  [ "$(leases pod)" = 0 ]
}

@test "the result has the shape of the reference plugin's, in each version" {
  [ -x "$REFERENCE/bridge" ]
  for version in 0.4.0 1.0.0; do
    container A
    container B
    plain=$(conf --arg version "$version" '.cniVersion = $version | .type = "bridge" | .bridge = "ref0"
      | .ipam = {type: "host-local", dataDir: "/run/cni", subnet: "10.23.0.0/24", routes: [{dst: "10.9.0.0/16"}]}
      | .ipMasq = false')
    PLUGIN=$REFERENCE/bridge cni ADD "r$version" "$(ns "$A")" "$plain" >"$BATS_TEST_TMPDIR/reference"
    cni ADD "o$version" "$(ns "$B")" \
      "$(jq -c '.bridge = "our0" | .name = "our" | .ipam.subnet = "10.24.0.0/24"' <<<"$plain")" \
      >"$BATS_TEST_TMPDIR/ours"
    for result in reference ours; do
      jq -c '[paths(scalars) | map(if type == "number" then 0 else . end) | join(".")] | unique' \
        "$BATS_TEST_TMPDIR/$result" >"$BATS_TEST_TMPDIR/$result.paths"
      cat "$BATS_TEST_TMPDIR/$result.paths"
    done
    cmp "$BATS_TEST_TMPDIR/reference.paths" "$BATS_TEST_TMPDIR/ours.paths"
    PLUGIN=$REFERENCE/bridge cni DEL "r$version" "$(ns "$A")" "$plain"
    host ip link delete ref0
    host ip link delete our0
  done
}

@test "ADD twice is refused with words and the first lives" {
  container A
  cni ADD a "$(ns "$A")" >/dev/null
  refuses 104 'eth0 is attached already' cni ADD a "$(ns "$A")"
  reaches "$A" 10.22.0.1
  cni ADD a "$(ns "$A")" "$(conf "$SECOND")" eth1 >/dev/null
  cni DEL a '' "$(conf '.name = "other"')" # of another network: nothing is taken
  [ "$(ours)" = 2 ]
  cni DEL a ''
  [ "$(ours)" = 1 ]
}

@test "64 at once: every address once, one bridge" {
  pids=()
  for n in $(seq 64); do
    unshare --net sleep infinity 3>&- 4>&- &
    pids+=("$!")
  done
  SLEEPERS+=("${pids[@]}")
  for pid in "${pids[@]}"; do wait_for is_apart "$pid"; done
  jobs=()
  for n in $(seq 64); do
    cni ADD "c$n" "$(ns "${pids[n - 1]}")" >"$BATS_TEST_TMPDIR/r$n" &
    jobs+=("$!")
  done
  for job in "${jobs[@]}"; do wait "$job"; done
  [ "$(cat "$BATS_TEST_TMPDIR"/r* | jq -r '.ips[].address' | sort -u | wc -l)" = 128 ]
  [ "$(cat "$BATS_TEST_TMPDIR"/r* | jq -r '.interfaces[0].mac' | sort -u | wc -l)" = 1 ]
  reaches "${pids[0]}" 10.22.0.65
  jobs=()
  for n in $(seq 64); do
    cni DEL "c$n" '' &
    jobs+=("$!")
  done
  for job in "${jobs[@]}"; do wait "$job"; done
  [ "$(ours)" = 0 ]
  [ "$(leases pod)" = 0 ]
}

@test "GC: what the runtime does not know is gone, and only of this network" {
  for name in A B C D; do container "$name"; done
  cni ADD a "$(ns "$A")" >/dev/null
  cni ADD b "$(ns "$B")" >/dev/null
  cni ADD c "$(ns "$C")" "$(conf "$SECOND")" >/dev/null
  net attach cli --netns "$D" --bridge br0
  [ -z "$(cni GC '' '' "$(conf '."cni.dev/valid-attachments" = [{containerID: "b", ifname: "eth0"}]')")" ]
  [ "$(net list -j | jq -c '[.links[].id] | sort')" = '["b","c","cli"]' ]
  [ "$(leases pod)" = 2 ]
  reaches "$B" 10.22.0.1
  cni ADD a "$(ns "$A")" >/dev/null
  # Nobody says what is valid, as cnitool: what is dead, and nothing else.
  host ip link delete "$(net status a -j | jq -r '.links[0].link')"
  cni GC '' ''
  [ "$(net list -j | jq -c '[.links[].id] | sort')" = '["b","c","cli"]' ]
  [ "$(leases pod)" = 2 ]
  cni ADD a "$(ns "$A")" >/dev/null
  cni GC '' '' "$(conf '."cni.dev/valid-attachments" = []')"
  [ "$(net list -j | jq -c '[.links[].id] | sort')" = '["c","cli"]' ]
  [ "$(leases pod)" = 0 ]
}

@test "a container that is gone: DEL by name, GC by itself; after a reboot too" {
  container A
  container B
  cni ADD a "$(ns "$A")" >/dev/null
  cni ADD b "$(ns "$B")" >/dev/null
  kill -9 "$A" "$B"
  wait "$A" "$B" 2>/dev/null || true
  cni DEL a "$(ns "$A")"
  cni GC '' '' "$(conf '."cni.dev/valid-attachments" = [{containerID: "b", ifname: "eth0"}]')"
  become 0
  cni GC '' '' "$(conf '."cni.dev/valid-attachments" = []')"
  [ -z "$(leftovers)" ]

  container A
  cni ADD a "$(ns "$A")" >/dev/null
  host sh -c 'echo 00000000-1111-2222-3333-444444444444 >/run/boot_id'
  host mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
  host ip link delete cni0
  kill -9 "$A"
  wait "$A" 2>/dev/null || true
  container B
  cni ADD b "$(ns "$B")" | jq -e '.ips[0].address == "10.22.0.2/24"'
  cni DEL a ''
  cni DEL b ''
  [ "$(leases pod)" = 0 ]
  [ -z "$(host find /run/netsetup/attached -type f)" ]
}

@test "CHECK sees what is missing" {
  container A
  cni ADD a "$(ns "$A")" >"$BATS_TEST_TMPDIR/a"
  with=$(conf --slurpfile r "$BATS_TEST_TMPDIR/a" '.prevResult = $r[0]')
  check() { cni CHECK a "$(ns "$A")" "$with"; }
  check
  refuses 105 'not attached' cni CHECK other "$(ns "$A")" "$with"
  refuses 105 'hardware address' \
    cni CHECK a "$(ns "$A")" "$(jq -c '.prevResult.interfaces[2].mac = "02:00:00:00:00:99"' <<<"$with")"
  refuses 105 'eth0 has no address 10.22.0.9/24' \
    cni CHECK a "$(ns "$A")" "$(jq -c '.prevResult.ips[0].address = "10.22.0.9/24"' <<<"$with")"
  refuses 105 'is on bridge cni0, not cni7' cni CHECK a "$(ns "$A")" "$(jq -c '.bridge = "cni7"' <<<"$with")"
  refuses 105 'it is attached to network pod, not x' cni CHECK a "$(ns "$A")" "$(jq -c '.name = "x"' <<<"$with")"
  inside "$A" ip route del default
  refuses 105 'there is no route to 0.0.0.0/0' check
  inside "$A" ip route add default via 10.22.0.1
  check
  host find /run/netsetup/attached -type f -delete
  refuses 105 'there is no record of it' check
  inside "$A" ip link set eth0 down
  refuses 105 'is no carrier' check
}

@test "every code of the specification, and everything undone" {
  container A
  before=$(snapshot "$A")
  add() { cni ADD a "$(ns "$A")" "$@"; }
  refuses 1 'cniVersion 0.2.0: not one of' add "$(conf '.cniVersion = "0.2.0"')"
  refuses 2 'ipam.type dhcp' add "$(conf '.ipam.type = "dhcp"')"
  refuses 3 'No such file or directory' cni ADD a /run/netns/none
  refuses 4 'not a namespace' cni ADD a /run/ready
  refuses 4 'CNI_CONTAINERID is missing' cni ADD '' "$(ns "$A")"
  refuses 4 'longer than 15 bytes' cni ADD a "$(ns "$A")" "$CONF" sixteen-letters-
  refuses 4 'the network namespace of the host' cni ADD a "$(ns "$HOST")"
  refuses 5 'Is a directory' host env CNI_COMMAND=ADD "$NETSETUP" </
  refuses 6 'invalid JSON' add '{"cniVersion":'
  refuses 7 'name is missing' add "$(conf 'del(.name)')"
  refuses 7 'outside of the subnet' add "$(conf '.ipam.ranges[0][0].gateway = "10.99.0.1"')"
  refuses 7 'not in 1..65535' add "$(conf '.runtimeConfig.portMappings = [{hostPort: 65536, containerPort: 1}]')"
  refuses 11 'lock' host strace -qq -o /dev/null -e inject=flock:error=EAGAIN env CNI_COMMAND=ADD CNI_CONTAINERID=a \
    CNI_IFNAME=eth0 CNI_NETNS="$(ns "$A")" "$NETSETUP" <<<"$CONF"
  refuses 101 'not permitted' host env CNI_COMMAND=ADD CNI_CONTAINERID=a CNI_IFNAME=eth0 CNI_NETNS="$(ns "$A")" \
    setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$NETSETUP" <<<"$CONF"
  unchanged "$before" "$A"
  [ "$(leases pod)" = 0 ]
  container B
  one=$(conf '.name = "one" | .bridge = "cni1" | .ipam.ranges = [[{subnet: "10.25.0.0/30"}]]')
  cni ADD b "$(ns "$B")" "$one" >/dev/null
  refuses 102 'network one: no address is free in 10.25.0.0/30: of 2, 1 are leased and 1 kept back' add "$one"
  CNI_ARGS='IP=10.25.0.2' refuses 103 'address 10.25.0.2 of network one' add "$one"
  inside "$A" ip link add eth0 type bridge
  refuses 104 'eth0 exists there' add "$(conf '.name = "two" | .ipam.ranges = [[{subnet: "10.26.0.0/24"}]]')"
  [ "$(leases two)" = 0 ]
  [ "$(host find /run/netsetup/attached -type f | wc -l)" = 1 ]
}

@test "wishes: addresses, MAC, ports, ranges, names; and layer 2 alone" {
  container A
  container B
  CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.22.0.70;MAC=02:00:00:00:00:70' \
    cni ADD a "$(ns "$A")" >"$BATS_TEST_TMPDIR/a"
  [ "$(jq -c '[.interfaces[2].mac, .ips[0].address]' "$BATS_TEST_TMPDIR/a")" = '["02:00:00:00:00:70","10.22.0.70/24"]' ]
  cni ADD b "$(ns "$B")" "$(conf '.runtimeConfig = {ips: ["10.22.0.80/24"], mac: "02:00:00:00:00:80", aliases: ["web"],
    dns: {servers: ["10.22.0.9"], searches: ["example"]},
    portMappings: [{hostPort: 8080, containerPort: 80, protocol: "tcp"}]}')" \
    >"$BATS_TEST_TMPDIR/b"
  [ "$(jq -c '[.interfaces[2].mac, .ips[0].address, .dns.nameservers[0], .dns.search[0]]' "$BATS_TEST_TMPDIR/b")" = \
    '["02:00:00:00:00:80","10.22.0.80/24","10.22.0.9","example"]' ]
  # A file of the host that says it, unless the configuration does; what cannot be read is an error.
  printf '%s\n' '# nameserver 9.9.9.9' 'nameserver 192.0.2.53' 'domain a' 'search a b' $'options\tndots:2 rotate' |
    host tee /run/servers >/dev/null
  container D
  file='.ipam.resolvConf = "/run/servers"'
  [ "$(cni ADD d "$(ns "$D")" "$(conf "$file | del(.dns)")" | jq -c .dns)" = \
    '{"nameservers":["192.0.2.53"],"domain":"a","search":["a","b"],"options":["ndots:2","rotate"]}' ]
  cni DEL d ''
  [ "$(cni ADD d "$(ns "$D")" "$(conf "$file")" | jq -c .dns)" = '{"nameservers":["10.22.0.1"]}' ]
  cni DEL d ''
  refuses 5 'ipam.resolvConf: ' cni ADD d "$(ns "$D")" "$(conf "del(.dns) | .ipam.resolvConf = \"/run/none\"")"
  [ "$(host cat "/run/netsetup/attached/$(jq -r '.interfaces[1].name' "$BATS_TEST_TMPDIR/b").json" |
    jq -c '[.policy.publish[0].hostPort, .policy.publish[0].insidePort, .owner.aliases[0]]')" = '[8080,80,"web"]' ]
  container C
  cni ADD c "$(ns "$C")" "$(conf '.name = "flat" | .bridge = "cni2" | .isGateway = false | .isDefaultGateway = false
    | .ipMasq = false | .ipam = {}')" \
    >"$BATS_TEST_TMPDIR/c"
  [ "$(jq -c '[.ips, .routes, (.interfaces | length)]' "$BATS_TEST_TMPDIR/c")" = '[null,null,3]' ]
  [ "$(inside "$C" ip -j -4 address show eth0 | jq '.[0].addr_info // [] | length')" = 0 ]
  cni DEL c '' "$(conf '.name = "flat"')"
  [ "$(ours)" = 2 ]
}

@test "in a chain: what came before stays in the result, and the reference tuning takes ours" {
  container A
  before='{"cniVersion":"1.0.0","interfaces":[{"name":"net0","sandbox":"/x"}],"dns":{},
    "ips":[{"interface":0,"address":"192.0.2.1/32"}]}'
  cni ADD a "$(ns "$A")" \
    "$(conf --argjson r "$before" '.cniVersion = "1.0.0" | .prevResult = $r')" >"$BATS_TEST_TMPDIR/a"
  [ "$(jq -c '[.interfaces[0].name, .interfaces[3].name, .ips[0].address, .ips[1].interface, .ips[1].address]' \
    "$BATS_TEST_TMPDIR/a")" = \
    '["net0","eth0","192.0.2.1/32",3,"10.22.0.2/24"]' ]
  tuning=$(jq -c '{cniVersion: "1.0.0", name: "pod", type: "tuning", prevResult: .,
    sysctl: {"net.ipv4.conf.eth0.arp_filter": "1"}}' \
    "$BATS_TEST_TMPDIR/a")
  PLUGIN=$REFERENCE/tuning cni ADD a "$(ns "$A")" "$tuning" | jq -e '.ips[1].address == "10.22.0.2/24"'
}

@test "SIGKILL at any point of ADD: DEL, GC and ADD again leave nothing behind" {
  container A
  for when in $(seq 1 2 70); do
    run host strace -qq -o /dev/null -e "inject=recvmsg:signal=SIGKILL:when=$when" \
      env CNI_COMMAND=ADD CNI_CONTAINERID=a CNI_IFNAME=eth0 CNI_NETNS="$(ns "$A")" "$NETSETUP" <<<"$CONF"
    [ "$status" -ne 0 ] || break
    case $((when % 3)) in
      0) cni DEL a '' ;;
      1) cni GC '' '' "$(conf '."cni.dev/valid-attachments" = []')" ;;
      2) [ -n "$(host find /run/netsetup/attached -name '*.json')" ] || cni ADD a "$(ns "$A")" >/dev/null
        cni DEL a "$(ns "$A")" ;;
    esac
    [ "$(ours)" = 0 ]
    [ "$(leases pod)" = 0 ]
    [ -z "$(host find /run/netsetup/attached -type f)" ]
  done
  [ "$status" -eq 0 ]
  [ "$when" -gt 10 ]
}

@test "podman with its CNI backend: a container has its address and a port, and leaves nothing" {
  work=$BATS_TEST_TMPDIR/podman
  mkdir -p "$work"/{cni,plugins,rootfs/{bin,proc,sys,dev,etc,tmp,run}}
  cp "$(command -v busybox)" "$work/rootfs/bin/busybox"
  for applet in sh ip ping nc; do ln -s busybox "$work/rootfs/bin/$applet"; done
  cp "$NETSETUP" "$work/plugins/netsetup"
  conf '{cniVersion: "0.4.0", name: "our", plugins: [del(.cniVersion, .name)
    + {capabilities: {portMappings: true, ips: true, mac: true}}]}' >"$work/cni/our.conflist"
  cat >"$work/containers.conf" <<END
[network]
network_backend="cni"
cni_plugin_dirs=["$work/plugins"]
network_config_dir="$work/cni"
[engine]
cgroup_manager="cgroupfs"
events_logger="none"
END
  podman() {
    host env CONTAINERS_CONF="$work/containers.conf" timeout -k 5 "$LIMIT" podman --root /run/store --runroot /run/pod \
      --tmpdir /run/tmp --storage-driver vfs --runtime crun "$@" 3>&- 4>&-
  }
  run podman run --cgroups=disabled --rm --network our --ip 10.22.0.44 --publish 8088:80 \
    --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --rootfs "$work/rootfs" \
    /bin/sh -c 'ip -4 address show eth0; until ping -c 1 -W 1 10.22.0.1; do :; done'
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *'inet 10.22.0.44/24'*'1 packets received'* ]]
  [ "$(ours)" = 0 ]
  [ "$(leases pod)" = 0 ]
  [ "$(leases our)" = 0 ]
  [ -z "$(host find /run/netsetup/attached -type f)" ]
}
