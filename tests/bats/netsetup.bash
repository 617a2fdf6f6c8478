# A host of its own for netsetup: a network and mount namespace that lives as long as one test.  Containers are network
# namespaces held by a sleeping process.
# shellcheck shell=bash disable=SC2154

setup() {
  host_setup
}

teardown() {
  host_teardown
}

host_setup() {
  SLEEPERS=()
  # --propagation private: the tmpfs on /run is seen by this host only.
  unshare --net --mount --propagation private \
    bash -c 'mount -t tmpfs tmpfs /run && ip link set lo up && touch /run/ready && exec sleep infinity' 3>&- 4>&- &
  HOST=$!
  SLEEPERS+=("$HOST")
  wait_for host test -e /run/ready
}

host_teardown() {
  kill -9 "${SLEEPERS[@]}" 2>/dev/null || true
  wait "${SLEEPERS[@]}" 2>/dev/null || true # not all children: bats has some of its own
}

host() {
  nsenter --net --mount --target "$HOST" -- "$@"
}

net() {
  host timeout -k 5 "$LIMIT" "$NETSETUP" "$@" 3>&- 4>&-
}

# A new container's network namespace; its process id goes to the variable $1.
container() {
  unshare --net sleep infinity 3>&- 4>&- &
  SLEEPERS+=("$!")
  wait_for is_apart "$!"
  printf -v "$1" %s "$!"
}

is_apart() { # PID
  [ -e "/proc/$1/ns/net" ] && [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

inside() { # PID COMMAND...
  local pid=$1
  shift
  nsenter --net --target "$pid" -- "$@"
}

reaches() { # PID ADDRESS: asks every second until there is an answer, since what asks for the neighbour may be lost
  inside "$1" ping -c 1 -w $((10 * ${SLOW:-1})) "$2"
}

reaches_not() { # PID ADDRESS: a short wait, for what must not come
  ! inside "$1" ping -c 1 -W "${SLOW:-1}" "$2" >/dev/null
}

# All that could be left over: links, addresses, routes and flags of the host, and of the container $1.  Whether a cable
# is plugged in the kernel finds out, and says, a moment later.
snapshot() {
  local pid
  for pid in "$HOST" "$@"; do
    inside "$pid" ip -o -d link
    inside "$pid" ip -o address
    inside "$pid" ip route show table all
    inside "$pid" ip -6 route show table all
  done | sed -E 's/NO-CARRIER,|M-DOWN,|,M-DOWN|,LOWER_UP|state [A-Z]+|qdisc [a-z]+|tso_max_size [0-9]+|(valid_lft|preferred_lft|expires) [^ ]*|[a-z_]+_timer +[0-9.]+//g'
}

# So many links of ours are left.  Those of the dead the kernel takes away one namespace after the other, of all tests.
become() { # N
  WAIT=60 wait_for are_ours "$1"
}

are_ours() { # N
  [ "$(ours)" = "$1" ]
}

unchanged() { # SNAPSHOT [PID...]: it is as it was, as soon as the kernel has cleared up
  is_as "$@" || WAIT=5 wait_for is_as "$@" || diff <(echo "$1") <(snapshot "${@:2}")
}

is_as() { # SNAPSHOT [PID...]
  [ "$(snapshot "${@:2}")" = "$1" ]
}

ours() { # how many links carry a tag
  net list -j | jq '.links | length'
}

fails() { # WORDS COMMAND...: exactly one error line with the words
  local words=$1
  shift
  run "$@"
  echo "$output"
  [ "$status" -eq 1 ]
  [ "$(grep -c 'error:' <<<"$output")" -eq 1 ]
  [[ $output == *"$words"* ]]
}
