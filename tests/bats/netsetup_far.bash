# Two hosts joined by their uplinks, each with a netsetup of its own and one container.  For the bats files about
# networks that go on on other hosts.
#
#   container A -- host, uplink 192.0.2.1 ... uplink 192.0.2.2, far -- container B
#
# shellcheck shell=bash disable=SC2154

load netsetup

STATE=/run/netsetup

netw() {
  net "$@" --root "$STATE"
}

far() {
  nsenter --net --mount --target "$FAR" -- "$@"
}

netf() {
  far timeout -k 5 "$LIMIT" "$NETSETUP" "$@" --root "$STATE" 3>&- 4>&-
}

two_hosts() {
  unshare --net --mount --propagation private \
    bash -c 'mount -t tmpfs tmpfs /run && ip link set lo up && touch /run/ready && exec sleep infinity' 3>&- 4>&- &
  FAR=$!
  SLEEPERS+=("$FAR")
  wait_for far test -e /run/ready
  host ip link add uplink type veth peer name uplink netns "$FAR"
  host ip address add 192.0.2.1/24 dev uplink
  far ip address add 192.0.2.2/24 dev uplink
  host ip link set uplink up
  far ip link set uplink up
  container A
  container B
}
