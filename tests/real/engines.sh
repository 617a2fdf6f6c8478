#!/bin/bash
# Engines with netsetup as their CNI plugin and rundlet as their runtime: podman with its CNI backend, containerd by its
# own client ctr, and cnitool; those of them that PATH has.
#
#   BUILD=build tests/native.sh tests/real/engines.sh
#   tests/vm/run.sh env BUILD=build tests/real/engines.sh
#
# ENGINES="podman cnitool": only these.
set -euo pipefail
build=$(realpath "${BUILD:-build}")
if [ "${1:-}" != --inside ]; then
  exec unshare --net --mount --propagation private "$(realpath "$0")" --inside
fi
# A host of its own, to which the machine's folders are only shown.
for folder in run opt etc/cni; do
  [ -d "/$folder" ] || [ -n "${IN_VM:-}" ] || { echo "engines.sh: no folder /$folder here" >&2; exit 2; }
  mkdir -p "/$folder"
  mount -t tmpfs tmpfs "/$folder"
done
work=$(mktemp -d "${RUNDLET_EXT4:-/tmp}/e.XXXXXX")
netsetup=$build/netsetup
failures=0

ok() { # WHAT COMMAND...: says whether it worked
  local what=$1 said
  shift
  if said=$("$@" 2>&1); then
    echo "ok - $what"
  else
    echo "not ok - $what"
    printf '%s\n' "$said" | sed 's/^/#   /'
    failures=$((failures + 1))
  fi
}

is() { # EXPECTED COMMAND...
  local expected=$1 said
  shift
  said=$("$@") || true
  [ "$said" = "$expected" ] || { echo "expected: $expected; came: $said"; return 1; }
}

fails_to() {
  ! "$@"
}

soon() { # COMMAND...
  for _ in $(seq 30); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.2
  done
  "$@"
}

# No link, record, lease, port of ours is left.
nothing_left() {
  is '{"links":[]}' sh -c "'$netsetup' list -j | jq -c '{links}'" &&
    is '' find /run/netsetup/attached -type f &&
    is 0 sh -c 'cat /run/netsetup/leases/* 2>/dev/null | tail -c +257 | tr -d "\\000" | wc -c' &&
    is '' sh -c 'nft list ruleset | grep -E "10[.]77[.]0[.][0-9]+"'
}

conflist() { # FILE
  cat >"$1" <<'JSON'
{"cniVersion": "1.0.0", "name": "ours", "plugins": [{"type": "netsetup", "bridge": "ours0", "isGateway": true,
  "isDefaultGateway": true, "ipMasq": true,
  "capabilities": {"portMappings": true, "ips": true, "mac": true, "dns": true, "bandwidth": true},
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]]}}]}
JSON
}

# An image of busybox alone that serves its name: http://ADDRESS/ answers $WHO.
image() {
  mkdir -p "$work/rootfs"/{bin,proc,sys,dev,etc,tmp,run,www}
  cp "$(command -v busybox)" "$work/rootfs/bin/busybox"
  for applet in sh ip ping httpd wget sleep; do ln -s busybox "$work/rootfs/bin/$applet"; done
  tar -C "$work/rootfs" -cf "$work/rootfs.tar" .
  pod import --quiet "$work/rootfs.tar" box >/dev/null
}
# What this machine may not have: more open files than now, a pids limit on a hybrid host.
limits=()
[ -n "${IN_VM:-}" ] || limits=(--ulimit host --pids-limit -1)
# shellcheck disable=SC2016 # for the container's shell
serve='echo $WHO >/www/index.html; exec httpd -f -p 80 -h /www'

get() { # HOST:PORT
  timeout 10 busybox wget -q -O - "http://$1/"
}

# --- podman ----------------------------------------------------------------------------------------------------------
pod() {
  timeout -k 5 300 podman --root "$work/store" --runroot /run/pod --tmpdir /run/tmp --storage-driver vfs \
    --runtime "$build/rundlet" "$@" </dev/null
}

address_of() { # NAME
  pod inspect --format '{{.NetworkSettings.Networks.ours.IPAddress}}' "$1"
}

with_podman() {
  mkdir -p "$work/net.d" "$work/plugins"
  cp "$netsetup" "$work/plugins/netsetup"
  conflist "$work/net.d/ours.conflist"
  cat >"$work/containers.conf" <<CONF
[network]
network_backend="cni"
cni_plugin_dirs=["$work/plugins"]
network_config_dir="$work/net.d"
[engine]
cgroup_manager="cgroupfs"
events_logger="none"
CONF
  export CONTAINERS_CONF=$work/containers.conf
  podman --version
  ok 'podman run one -p 8081:80' \
    pod run "${limits[@]}" -d --name one --network ours -p 8081:80 -e WHO=one box sh -c "$serve"
  ok 'podman run two -p 8082:80 --ip 10.77.0.50' \
    pod run "${limits[@]}" -d --name two --network ours --ip 10.77.0.50 -p 8082:80 -e WHO=two box sh -c "$serve"
  ok 'the address that was asked for' is 10.77.0.50 address_of two
  ok 'port 8081 of localhost is one' soon is one get 127.0.0.1:8081
  ok 'port 8082 of the host is two' soon is two get "$(outer_address):8082"
  ok 'podman exec: one reaches two' pod exec one ping -c 1 -W 10 10.77.0.50
  ok 'podman exec: two asks one' is one pod exec two wget -q -O - "http://$(address_of one)/"
  ok 'podman stop, start' pod restart --time 1 two
  ok 'port 8082 after the restart' soon is two get 127.0.0.1:8082
  ok 'podman rm one' pod rm --force --time 1 one
  ok 'port 8081 is closed' fails_to get 127.0.0.1:8081
  ok 'two lives on' is two get 127.0.0.1:8082
  ok 'podman rm two' pod rm --force --time 1 two
  ok 'nothing is left' nothing_left
}

outer_address() { # any of the host's that is not the loopback's
  ip link show uplink >/dev/null 2>&1 || ip link add uplink type veth peer name beyond
  ip address replace 192.0.2.1/24 dev uplink
  ip link set uplink up
  echo 192.0.2.1
}

# --- containerd ------------------------------------------------------------------------------------------------------
ctrd() {
  timeout -k 5 300 ctr --address /run/containerd-test.sock "$@" </dev/null
}

serves() { # NAME: its address, when it has one
  nsenter --net="/proc/$(ctrd task list | awk -v name="$1" '$1 == name { print $2 }')/ns/net" \
    ip -4 -o address show eth0 | awk '{ sub("/.*", "", $4); print $4 }' | grep .
}

asks() { # NAME: who answers at its address
  get "$(serves "$1"):80"
}

with_containerd() {
  local daemon one two image name
  mkdir -p /etc/cni/net.d /opt/cni/bin
  conflist /etc/cni/net.d/10-ours.conflist
  cp "$netsetup" /opt/cni/bin/netsetup
  cat >"$work/containerd.toml" <<TOML
version = 2
root = "$work/containerd"
state = "/run/containerd-test"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "/run/containerd-test.sock"
TOML
  # ctr asks for processor shares, for which this machine may have no controller.
  cat >"$work/runtime" <<RUNTIME
#!/bin/bash
for word in "\$@"; do
  [ "\${before:-}" != --bundle ] || [ -n "${IN_VM:-}" ] ||
    { jq 'del(.linux.resources)' "\$word/config.json" >"\$word/new" && mv "\$word/new" "\$word/config.json"; }
  before=\$word
done
exec "$build/rundlet" "\$@"
RUNTIME
  chmod +x "$work/runtime"
  containerd --version
  containerd --config "$work/containerd.toml" >"$work/containerd.log" 2>&1 &
  daemon=$!
  ok 'containerd is there' soon ctrd version
  ok 'podman save' pod save --quiet --output "$work/box.tar" box
  ok 'ctr image import' ctrd image import --snapshotter native "$work/box.tar"
  image=$(ctrd image list -q | head -n 1)
  for name in one two; do
    ctrd run --cni --snapshotter native --runc-binary "$work/runtime" --env "WHO=$name" "$image" "$name" \
      sh -c "$serve" >"$work/$name.log" 2>&1 &
    printf -v "$name" %s $!
  done
  ok 'ctr run --cni one' soon is one asks one
  ok 'ctr run --cni two' soon is two asks two
  ok 'ctr task exec: one reaches two' ctrd task exec --exec-id e1 one ping -c 1 -W 10 "$(serves two)"
  ok 'ctr task kill one' ctrd task kill --signal KILL one
  wait "$one" || true
  ok 'two lives on' is two asks two
  ok 'ctr task kill two' ctrd task kill --signal KILL two
  wait "$two" || true
  cat "$work/one.log" "$work/two.log"
  ok 'nothing is left' nothing_left
  kill "$daemon"
  wait "$daemon" || true
}

# --- cnitool ---------------------------------------------------------------------------------------------------------
tool() {
  CNI_PATH=$(dirname "$netsetup") NETCONFPATH=$work/tool.d cnitool "$@"
}

with_cnitool() {
  mkdir -p "$work/tool.d"
  conflist "$work/tool.d/ours.conflist"
  sed -i 's/"1.0.0"/"1.1.0"/' "$work/tool.d/ours.conflist"
  ip netns add tool
  ok 'cnitool status' tool status ours /run/netns/tool
  ok 'cnitool add' tool add ours /run/netns/tool
  ok 'the gateway answers' ip netns exec tool ping -c 1 -W 10 10.77.0.1
  ok 'cnitool check' tool check ours /run/netns/tool
  ok 'cnitool del' tool del ours /run/netns/tool
  ok 'cnitool del again' tool del ours /run/netns/tool
  ok 'cnitool add' tool add ours /run/netns/tool
  # It deletes what it has attached, and then calls GC without a list of what is valid.
  ok 'cnitool gc' tool gc ours /run/netns/tool
  ok 'nothing is left' nothing_left
}

image
ip link set lo up
for engine in ${ENGINES:-podman containerd cnitool}; do
  if command -v "$engine" >/dev/null; then
    "with_$engine"
  else
    echo "# no $engine here"
  fi
done
rm -rf "$work"
[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
echo 'all ok'
