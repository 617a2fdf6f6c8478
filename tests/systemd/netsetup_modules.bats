#!/usr/bin/env bats
# A kernel that lacks modules: each is named by the one error, with what to do, and nothing is left; who does as told
# gets on.  Modules are taken out of the machine's kernel and none comes by itself, so this runs in the machine with
# systemd, where nobody else needs those of the network.
# shellcheck disable=SC2154
load ../bats/helpers
load ../bats/netsetup

LOADER=/proc/sys/kernel/modprobe

setup() {
  [ -n "${IN_VM:-}" ] # the kernel of no other machine
  loader=$(cat "$LOADER")
  host_setup
  container A
}

teardown() {
  [ -z "${loader:-}" ] || echo "$loader" >"$LOADER"
  host_teardown
}

# --- in shells of their own, on the host of the test: bats looks at each of a shell's commands, which takes its time ----
# Out of the kernel, with whatever needs them, and none comes by itself.  A namespace that is gone lets go of them a
# moment later.
take_out() { # MODULE...
  local module holder end=$((SECONDS + 60))
  echo /bin/false >/proc/sys/kernel/modprobe
  for module in "$@"; do
    for holder in "/sys/module/$module/holders"/*; do
      [ ! -e "$holder" ] || take_out "${holder##*/}"
    done
    until [ ! -d "/sys/module/$module" ] || rmmod "$module" 2>/dev/null; do
      [ "$SECONDS" -lt "$end" ] || { rmmod "$module"; return 1; }
      sleep 0.1
    done
  done
}

# All that an attach may leave, of the host and of the container.
traces() {
  ip -o link
  ip -o address | sed -E 's/(valid_lft|preferred_lft) [^ ]*//g'
  ip route
  nsenter --net="/proc/$A/ns/net" ip -o link
  cat /proc/sys/net/ipv4/ip_forward
  find /run/netsetup/attached -type f 2>/dev/null
  find /run/netsetup/leases -type f -exec tail -qc +257 {} + 2>/dev/null | tr -d '\0'
}

# Runs the command until it works, and each time does what its one error says; prints the modules that were named.
follow_hints() { # CODE COMMAND...
  local code=$1 output hint module seen='' before
  shift
  before=$(traces)
  until output=$("$@" <<<"${CONF:-}" 2>&1); do
    echo "$output" >&2
    hint=$(sed -nE 's/.*modprobe (-a )?([a-z0-9_ ]+) says more.*/\2/p' <<<"$output")
    [ -n "$hint" ] || return 1
    [ -z "$code" ] || [ "$(jq .code <<<"$output")" = "$code" ] || return 1
    for module in $hint; do
      [[ $output == *"kernel "*"$module"* && " $seen " != *" $module "* ]] || return 1
      modprobe "$module" || return 1
    done
    seen+=" $hint"
    [ "$(traces)" = "$before" ] || { diff <(echo "$before") <(traces) >&2; return 1; }
  done
  echo "${seen# }"
}

on_host() { # FUNCTION ARGUMENT...
  host env A="$A" CONF="${CONF:-}" bash -c "$(declare -f take_out traces follow_hints)"'; "$@"' bash "$@" 3>&- 4>&-
}

# --- the tests -----------------------------------------------------------------------------------------------------
@test "modules: bridge, packet filter and bandwidth, by CNI" {
  CONF='{"cniVersion":"1.1.0","name":"pod","type":"netsetup","isGateway":true,"ipMasq":true,
    "ipam":{"type":"host-local","subnet":"10.22.0.0/24"},"runtimeConfig":{
    "portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}],
    "bandwidth":{"ingressRate":10000000,"ingressBurst":800000,"egressRate":10000000,"egressBurst":800000}}}'
  on_host take_out bridge veth nf_tables nf_nat nf_conntrack ifb sch_htb sch_ingress cls_u32 act_mirred
  named=$(on_host follow_hints 100 env CNI_COMMAND=ADD CNI_CONTAINERID=web CNI_NETNS="/proc/$A/ns/net" CNI_IFNAME=eth0 \
    "$NETSETUP")
  echo "named: $named"
  [ "$named" = 'nf_tables bridge nft_chain_nat nft_fib_inet nft_nat nft_ct nft_masq nft_meta_bridge veth sch_htb ifb sch_ingress cls_u32 act_mirred' ]
  inside "$A" busybox ping -c 1 -W 10 10.22.0.1
}

@test "modules: links of other kinds" {
  host sh -c 'ip link add uplink type dummy && ip link set uplink addrgenmode none &&
    ip address add 192.0.2.1/24 dev uplink && ip link set uplink up'
  modprobe nft_meta_bridge # the one that VXLAN's bridge needs and the machine does not begin with
  on_host take_out vxlan wireguard ipvlan macvlan 8021q
  net network create ipvlan --kind ipvlan --uplink uplink --subnet 10.8.0.0/24
  net network create macvlan --kind macvlan --uplink uplink --subnet 10.9.0.0/24
  net network create 8021q --kind vlan --vlan 7 --uplink uplink --subnet 10.10.0.0/24
  net network create vxlan --vxlan 42 --peer 192.0.2.2 --local 192.0.2.1 --uplink uplink --subnet 10.6.0.0/24
  [ "$(on_host follow_hints '' "$NETSETUP" network create wireguard --wireguard 51820 --subnet 10.7.0.0/24)" = wireguard ]
  for kind in ipvlan macvlan 8021q vxlan; do
    [ "$(on_host follow_hints '' "$NETSETUP" attach "$kind" --netns "$A" --network "$kind")" = "$kind" ]
    net detach "$kind"
  done
}
