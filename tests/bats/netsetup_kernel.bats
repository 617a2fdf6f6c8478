# Kernels that lack a part: one clear error with what to do, and everything undone.
# shellcheck shell=bash disable=SC2154
load helpers
load netsetup

STATE=/run/netsetup

netw() {
  net "$@" --root "$STATE"
}

records() {
  host find "$STATE/attached" -type f
}

@test "kernel: no ipvlan" {
  host ip link add probe0 type veth peer name probe1
  host ip link add link probe0 name probe2 type ipvlan && skip "needs a kernel without ipvlan"
  container A
  netw network create lan --kind ipvlan --uplink probe0 --subnet 10.5.0.0/24
  before=$(snapshot "$A")
  fails ': the kernel has no ipvlan (module ipvlan)' netw attach web --netns "$A" --network lan
  [[ $output == *'hint: modprobe ipvlan says more'* ]]
  unchanged "$before" "$A"
  [ -z "$(records)" ]
}

# What an engine is told, and what its next calls find.
@test "kernel: no nf_tables, by CNI" {
  container A
  conf='{"cniVersion":"1.1.0","name":"pod","type":"netsetup","isGateway":true,
    "ipam":{"type":"host-local","subnet":"10.22.0.0/24"}}'
  cni() {
    host env CNI_COMMAND="$1" CNI_CONTAINERID=a CNI_NETNS="/proc/$A/ns/net" CNI_IFNAME=eth0 "${@:2}" <<<"$conf" 3>&- 4>&-
  }
  before=$(snapshot "$A")
  # The sockets before are for links, here and inside.
  run cni ADD strace -o /dev/null -e inject=socket:error=EPROTONOSUPPORT:when=3+ "$NETSETUP"
  echo "$output"
  [ "$status" -eq 1 ]
  [ "$(jq .code <<<"$output")" = 100 ]
  [[ $(jq -r .msg <<<"$output") == *'kernel without netfilter (nfnetlink)' ]]
  [[ $(jq -r .details <<<"$output") == 'modprobe nf_tables says more'* ]]
  unchanged "$before" "$A"
  [ -z "$(records)" ]
  cni DEL strace -o /dev/null -e inject=socket:error=EPROTONOSUPPORT:when=2+ "$NETSETUP"
  cni ADD "$NETSETUP" >/dev/null
  reaches "$A" 10.22.0.1
}

@test "kernel: no fq_codel: a plain queue behind the rate" {
  host ip link add probe0 type veth peer name probe1
  host tc qdisc add dev probe0 root fq_codel && skip "needs a kernel without fq_codel"
  host ip link del probe0
  container A
  netw attach web --netns "$A" --bridge br0 --address 10.1.0.2/24 --bridge-address 10.1.0.1/24 \
    --ingress 10mbit --egress 10mbit
  link=$(netw status web -j | jq -r '.links[0].link')
  for device in "$link" "ri${link#rl}"; do
    [ "$(host tc -j qdisc show dev "$device" | jq -c '[.[].kind] | map(select(. != "clsact"))')" = '["htb","bfifo"]' ]
  done
  reaches "$A" 10.1.0.1
  inside "$A" ping -q -c 20 -i 0.02 -s 1400 10.1.0.1
}
