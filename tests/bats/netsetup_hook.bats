#!/usr/bin/env bats
# One command and a container has a network: `rundlet run --net`, and the OCI hook of netsetup that it calls.  The host
# is a network and mount namespace of the test, with a /run and an /etc of its own.
# shellcheck shell=bash disable=SC2154

load helpers
load netsetup_hosts

setup() {
  bundle_setup
  hosts_setup
  host sh -c 'mkdir -p /run/etc/upper /run/etc/work &&
    mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work overlay /etc &&
    rm -rf /etc/netsetup && printf "nameserver 127.0.0.53\nnameserver 192.0.2.53\n" >/etc/new && mv /etc/new /etc/resolv.conf'
}

teardown() {
  local id
  for id in "$ROOT"/*; do
    [ ! -d "$id" ] || on_host delete --force "$(basename "$id")" >/dev/null 2>&1 || true
  done
  host_teardown
  bundle_teardown
}

# rundlet on the host of the test.
on_host() { # ARGUMENT...
  host timeout --foreground -k 5 "$LIMIT" "$RUNTIME" --root "$ROOT" "$@" </dev/null >"$OUT" 2>&1 3>&- 4>&- ||
    { local status=$?; cat "$OUT"; return "$status"; }
}

# A container that runs on: up ID [OPTION...]; its pid goes to the variable PID.
up() {
  local id=$1
  shift
  config --arg path "/$ID-$id" '.linux.cgroupsPath = $path'
  on_host run --detach --bundle "$BUNDLE" "$@" "$id"
  PID=$(rundlet state "$id" | jq .pid)
}

# A command in the container ID.
within() {
  local id=$1
  shift
  host timeout -k 5 "$LIMIT" "$RUNTIME" --root "$ROOT" exec "$id" "$@" </dev/null 3>&- 4>&-
}

address_of() { # ID
  net status "$1" -j | jq -r '.links[0].addresses[0] | split("/")[0]'
}

# A command whose output has no such words.
lacks() { # WORDS COMMAND...
  local words=$1
  shift
  run "$@"
  echo "$output"
  [ "$status" = 0 ]
  [[ $output != *"$words"* ]]
}

# Exit status 1 with these words, of rundlet or of the hook before it.
refused() { # WORDS COMMAND...
  local words=$1
  shift
  run "$@"
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c '^rundlet: error:' <<<"$output")" = 1 ]
  [[ $output = *"$words"* ]]
}

# Nothing of any attachment: links, records, leases, rules.
nothing_left() {
  [ "$(net list -j | jq '.links | length')" = 0 ] || { net list; return 1; }
  [ -z "$(host find /run/netsetup/attached -type f)" ] || { host find /run/netsetup; return 1; }
  [ "$(elements)" = 0 ] || { host nft list ruleset; return 1; }
  [ "$(net network show "${1:-default}" -j | jq '.leases | length')" = 0 ]
}

@test "run --net default -p on a host where nothing is set up: traffic in, out and by name; delete leaves nothing" {
  up web --net default -p 8080:80 -p 127.0.0.1:5353:53/udp
  [ "$(net network show default -j | jq -r '.networks[0].bridge')" = net-default ]
  [ "$(address_of web)" = 10.90.0.2 ]
  answer "$PID" TCP4-LISTEN:80
  answered "$OUTSIDE" TCP4:192.0.2.1:8080 192.0.2.9
  answered "$HOST" TCP4:127.0.0.1:8080
  # what leaves the host has its address
  answer "$OUTSIDE" TCP4-LISTEN:81
  answered "$PID" TCP4:192.0.2.9:81 192.0.2.1
  # what the container sees of it
  within web sh -c 'cat /etc/hosts /etc/resolv.conf; ip -o -4 addr show eth0; ip route; ! echo x 2>/dev/null >>/etc/hosts' | tee "$OUT.in"
  grep -qx '127.0.0.1 localhost' "$OUT.in"
  grep -qx '10.90.0.2 box web' "$OUT.in"
  grep -qx 'nameserver 192.0.2.53' "$OUT.in"
  lacks 127.0.0.53 cat "$OUT.in"
  grep -qx 'search .' "$OUT.in"
  grep -q 'default via 10.90.0.1' "$OUT.in"
  # the saved config says it, the bundle's does not
  [ "$(jq -r '.annotations["org.rundlet.net.name"], (.hooks.poststop | length)' "$ROOT/web/config.json" | xargs)" = "default 1" ]
  [ "$(jq '.hooks, .annotations' "$BUNDLE/config.json" | xargs)" = "null null" ]
  on_host kill web KILL
  wait_for is_stopped web
  on_host delete web
  nothing_left
  # the same id again, by its end
  payload sh -c 'cat /etc/hosts'
  on_host run --bundle "$BUNDLE" -p 8080:80 web
  grep -qx '10.90.0.[0-9]* box web' "$OUT"
  nothing_left
}

is_stopped() { # ID
  [ "$(rundlet state "$1" | jq -r .status)" = stopped ]
}

@test "two containers reach each other by name, on the network they share, as long as both are there" {
  net network create front --subnet 10.9.0.0/24
  net network create back --subnet 10.8.0.0/24 --internal
  config '.process.capabilities |= map_values(. + ["CAP_NET_RAW"])'
  up db --net back
  up web --net front --net back
  up alone --net front
  within web sh -c 'until ping -c 1 -W 1 db; do :; done; ip -o -4 addr show eth1 && cat /etc/hosts && ip route'
  within web grep -qx '10.8.0.2 db' /etc/hosts
  within db sh -c 'until ping -c 1 -W 1 web; do :; done; grep -qx "10.8.0.3 web" /etc/hosts'
  lacks 10.9.0 within db cat /etc/hosts
  within alone grep -qx '10.9.0.2 web' /etc/hosts
  lacks db within alone cat /etc/hosts
  # Who is attached by others than the runtime is known too, as long as it is there; nobody is called like the container.
  container A
  net attach cli --netns "$A" --network front --alias www --alias db --alias web
  within web grep -qx '10.9.0.4 cli www' /etc/hosts
  within alone grep -qx '10.9.0.4 cli www' /etc/hosts
  lacks cli within db cat /etc/hosts
  [ "$(net list -j | jq -c '.links[] | select(.id == "cli") | .aliases')" = '["www","db","web"]' ]
  net detach cli
  lacks cli within web cat /etc/hosts
  lacks cli within alone cat /etc/hosts
  on_host delete --force web
  lacks web within db cat /etc/hosts
  lacks web within alone cat /etc/hosts
  within db grep -q db /etc/hosts
  on_host delete --force db
  on_host delete --force alone
  nothing_left front
  nothing_left back
}

@test "--net none, host, container:ID" {
  up none --net none
  [ "$(inside "$PID" ip -o link | wc -l)" = 1 ]
  inside "$PID" ip -o link show lo | grep -q LOWER_UP
  up host --net host
  [ "$(readlink "/proc/$PID/ns/net")" = "$(readlink "/proc/$HOST/ns/net")" ]
  up first --net default
  local first=$PID
  up second --net container:first
  [ "$(readlink "/proc/$PID/ns/net")" = "$(readlink "/proc/$first/ns/net")" ]
  within second grep -qx '10.90.0.2 box first' /etc/hosts
  [ "$(within second ip -o -4 addr show eth0 | wc -l)" = 1 ]
  # what must not be joined
  on_host kill first KILL
  wait_for is_stopped first
  refused 'run third: --net container:first: it is not running' on_host run -d --bundle "$BUNDLE" --net container:first third
  refused 'container "fourth" does not exist' on_host run -d --bundle "$BUNDLE" --net container:fourth third
  refused '--publish: not together with --net host' on_host run -d --bundle "$BUNDLE" --net host -p 80:80 third
  refused '--net none: not together with another one' on_host run -d --bundle "$BUNDLE" --net default --net none third
  config '.linux.sysctl = {"net.ipv4.ip_forward": "1"}'
  refused 'linux.sysctl' on_host run -d --bundle "$BUNDLE" --net host third
  [ ! -e "$ROOT/third" ]
}

@test "a hook that fails: no container, everything undone, the reason in words" {
  refused 'netsetup network create web' on_host create --bundle "$BUNDLE" --net web one
  grep -q 'network web: there is none' "$OUT"
  [ ! -e "$ROOT/one" ]
  up one -p 8080:80
  config --arg path "/$ID-two" '.linux.cgroupsPath = $path'
  refused 'hooks.createRuntime[0]' on_host run -d --bundle "$BUNDLE" -p 8080:80 two
  grep -q '8080' "$OUT"
  [ ! -e "$ROOT/two" ]
  [ "$(net list -j | jq -c '[.links[].id] | sort')" = '["one"]' ]
  # the second network cannot be had: the first is given back
  net network create tiny --subnet 10.9.0.0/30
  up last --net tiny
  config --arg path "/$ID-two" '.linux.cgroupsPath = $path'
  refused 'hooks.createRuntime[0]' on_host run -d --bundle "$BUNDLE" --net default --net tiny two
  [ "$(net list -j | jq -c '[.links[].id] | sort')" = '["last","one"]' ]
  # the payload cannot be started: what the hook did is undone
  payload /no/such/program
  config --arg path "/$ID-three" '.linux.cgroupsPath = $path'
  refused 'no/such/program' on_host run --bundle "$BUNDLE" --net default three
  [ "$(net list -j | jq -c '[.links[].id] | sort')" = '["last","one"]' ]
  # unknown annotations, and those without a name
  config '.annotations = {"org.rundlet.net.banana": "1"}'
  refused 'hooks.createRuntime[0]' on_host create --bundle "$BUNDLE" --net default two
  grep -q 'annotation org.rundlet.net.banana: unknown' "$OUT"
  on_host delete --force one
  on_host delete --force last
  nothing_left
}

@test "the same id below another root takes and loses nothing of the first" {
  up web -p 8080:80
  local before
  before=$(net status web -j)
  config --arg path "/$ID-other" '.linux.cgroupsPath = $path'
  refused 'hooks.createRuntime[0]' host "$RUNTIME" --root "$ROOT.2" run -d --bundle "$BUNDLE" --net default web
  [ "$(net status web -j)" = "$before" ]
  answer "$PID" TCP4-LISTEN:80
  answered "$OUTSIDE" TCP4:192.0.2.1:8080
  rm -rf "$ROOT.2"
  on_host delete --force web
  nothing_left
}

@test "annotations of the config: fixed address, MAC, interface, isolation; hooks written by hand" {
  net network create web --subnet 10.9.0.0/24
  config '.annotations = {"org.rundlet.net.address": "10.9.0.77", "org.rundlet.net.mac": "02:00:00:00:00:77",
    "org.rundlet.net.interface": "net0", "org.rundlet.net.isolate": "true", "org.rundlet.net.egress": "10mbit"}'
  up one --net web
  [ "$(net status one -j | jq -c '.links[0] | [.interface, .addresses[0], .mac, .isolated]')" = \
    '["net0","10.9.0.77/24","02:00:00:00:00:77",true]' ]
  net status one | grep -q 10mbit
  on_host delete --force one
  # create and start are the same in two
  on_host create --bundle "$BUNDLE" --net web one
  [ "$(address_of one)" = 10.9.0.77 ]
  on_host start one
  within one grep -qx '10.9.0.77 box one' /etc/hosts
  on_host delete --force one
  # without --net: the same hooks in config.json, no files
  config --arg netsetup "$NETSETUP" '.annotations["org.rundlet.net.name"] = "web" |
    .hooks = {prestart: [{path: $netsetup, args: ["netsetup", "hook"]}], poststop: [{path: $netsetup, args: ["netsetup", "hook"]}]}'
  up two
  [ "$(address_of two)" = 10.9.0.77 ]
  lacks 10.9.0.77 within two cat /etc/hosts
  on_host delete --force two
  nothing_left web
}

@test "hosts and resolv.conf: --no-hosts, mounts of the config, and a link in the rootfs leave all others alone" {
  echo 'own hosts' >"$BUNDLE/rootfs/etc/hosts"
  up one --net default --no-hosts
  [ "$(within one cat /etc/hosts)" = 'own hosts' ]
  [ ! -e "$ROOT/one/hosts" ]
  echo 'mine' >"$BATS_TEST_TMPDIR/mine"
  config --arg mine "$BATS_TEST_TMPDIR/mine" '.mounts += [{destination: "/etc/hosts", type: "bind", source: $mine, options: ["rbind"]}]'
  up two --net default
  [ "$(within two cat /etc/hosts)" = mine ]
  within two grep -q nameserver /etc/resolv.conf
  [ "$(cat "$BATS_TEST_TMPDIR/mine")" = mine ]
  config 'del(.mounts[-1])'
  # links out of the rootfs lead nowhere but inside
  rm "$BUNDLE/rootfs/etc/hosts"
  ln -s "$BATS_TEST_TMPDIR/mine" "$BUNDLE/rootfs/etc/hosts"
  rm -f "$BUNDLE/rootfs/etc/resolv.conf"
  ln -s ../run/systemd/resolve/resolv.conf "$BUNDLE/rootfs/etc/resolv.conf"
  up three --net default
  within three grep -q three /etc/hosts
  within three grep -q nameserver /etc/resolv.conf
  [ "$(cat "$BATS_TEST_TMPDIR/mine")" = mine ]
  # what somebody put in the place of a file is not written to
  ln -sf "$BATS_TEST_TMPDIR/mine" "$ROOT/three/hosts"
  up four --net default
  grep -q 'warning: names of three' "$OUT"
  [ "$(cat "$BATS_TEST_TMPDIR/mine")" = mine ]
}

@test "eight at once on a host without a network: one network, each has an address and knows the others" {
  config 'del(.linux.cgroupsPath)'
  local i pids=()
  for i in 1 2 3 4 5 6 7 8; do
    host "$RUNTIME" --root "$ROOT" run -d --bundle "$BUNDLE" --net default -p "808$i:80" "$ID-$i" \
      </dev/null >"$OUT.$i" 2>&1 3>&- 4>&- &
    pids+=("$!")
  done
  for i in "${pids[@]}"; do wait "$i" || { cat "$OUT".*; return 1; }; done
  [ "$(net list -j | jq '[.links[].addresses[0]] | unique | length')" = 8 ]
  for i in 1 8; do [ "$(within "$ID-$i" grep -c "^10.90.0.*$ID-[1-8]$" /etc/hosts)" = 8 ]; done
  pids=()
  for i in 1 2 3 4 5 6 7 8; do
    host "$RUNTIME" --root "$ROOT" delete --force "$ID-$i" </dev/null >"$OUT.$i" 2>&1 3>&- 4>&- &
    pids+=("$!")
  done
  for i in "${pids[@]}"; do wait "$i" || { cat "$OUT".*; return 1; }; done
  nothing_left
}

@test "a user namespace: the network is its own, hosts can be read, another one joins" {
  chown -R 100000:100000 "$BUNDLE/rootfs"
  config '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = .linux.uidMappings'
  up one --net default
  within one grep -qx '10.90.0.2 box one' /etc/hosts
  up two --net container:one
  within two sh -c 'ip -o -4 addr show eth0 | grep -q 10.90.0.2 && grep -q one /etc/hosts'
  on_host delete --force two
  on_host delete --force one
  nothing_left
}

@test "kill -9 of rundlet while its hooks run: delete --force leaves nothing" {
  config --arg go "$BATS_TEST_TMPDIR/go" '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "touch \($go); exec sleep 1000"]}]'
  nsenter --net --mount --target "$HOST" "$RUNTIME" --root "$ROOT" run -d --bundle "$BUNDLE" -p 8080:80 web \
    </dev/null >"$OUT" 2>&1 3>&- 4>&- &
  local pid=$!
  WAIT=20 wait_for test -e "$BATS_TEST_TMPDIR/go"
  [ "$(net list -j | jq '.links | length')" = 1 ]
  kill -9 "$pid"
  wait "$pid" || true
  on_host delete --force web
  [ ! -e "$ROOT/web" ]
  nothing_left
  config 'del(.hooks)'
  up web -p 8080:80
  kill -9 "$PID"
  wait_for is_stopped web
  on_host delete web
  nothing_left
}

@test "without netsetup nothing is made, and the error says so" {
  mkdir "$BATS_TEST_TMPDIR/bin"
  cp "$RUNTIME" "$BATS_TEST_TMPDIR/bin/rundlet"
  refused '--net: netsetup is neither beside rundlet nor in PATH' \
    env PATH=/nonexistent "$BATS_TEST_TMPDIR/bin/rundlet" --root "$ROOT" run --bundle "$BUNDLE" --net default web
  [ ! -e "$ROOT" ]
  run env PATH=/nonexistent "$BATS_TEST_TMPDIR/bin/rundlet" plan --net none "$BUNDLE"
  [ "$status" = 0 ]
}
