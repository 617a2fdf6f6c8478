# How a container leaves: who waits for whom, and what is left when nobody comes back.
# shellcheck shell=bash disable=SC2154
load helpers
load netsetup

STATE=/run/netsetup

netw() {
  net "$@" --root "$STATE"
}

is_clean() { # no link, record or lease
  [ "$(ours)" = 0 ] && [ -z "$(host find "$STATE/attached" -type f)" ] &&
    [ "$(netw network show web -j | jq '.leases | length')" = 0 ]
}

is_away() {
  [ "$(ours)" = 0 ]
}

address_of() { # ID
  net status "$1" -j | jq -r '.links[0].addresses[0]'
}

# The calls by which locks are taken and given up, and links are deleted, in order: "lock", "unlock", "delete".
order() { # TRACE
  sed -En -e 's/.*flock\([0-9]+, LOCK_EX\).*/lock/p' -e 's/.*flock\([0-9]+, LOCK_UN\).*/unlock/p' \
    -e 's/.*RTM_DELLINK.*/delete/p' "$1" | uniq | paste -sd ' '
}

traced() { # COMMAND...: what netsetup does goes to $BATS_TEST_TMPDIR/trace
  host strace -o "$BATS_TEST_TMPDIR/trace" -e trace=flock,sendto "$NETSETUP" "$@" --root "$STATE"
}

@test "detach and gc: nobody else waits while the kernel deletes" {
  netw network create web --subnet 10.9.0.0/24
  container A
  container B
  netw attach a --netns "$A" --network web
  traced detach a
  order "$BATS_TEST_TMPDIR/trace"
  [[ $(order "$BATS_TEST_TMPDIR/trace") == lock\ unlock\ delete\ lock* ]]
  # Two that were begun and not finished.
  for id in a b; do
    run host strace -o /dev/null -e inject=renameat:signal=SIGKILL "$NETSETUP" attach "$id" --netns "$B" --network web \
      --ifname "$id" --root "$STATE"
  done
  [ "$(ours)" = 2 ]
  traced gc
  order "$BATS_TEST_TMPDIR/trace"
  [[ $(order "$BATS_TEST_TMPDIR/trace") == lock\ unlock\ delete\ lock* ]]
  is_clean
}

is_stopped() { # PID of strace; that of whom it traces goes to $stopped
  stopped=$(pgrep -P "$1") && grep -q '^State:.*[Tt] ' "/proc/$stopped/status"
}

@test "detach: who comes meanwhile takes over, and keeps what is new" {
  netw network create web --subnet 10.9.0.0/24
  container A
  # How many answers it reads before it asks for the lock again.
  netw attach a --netns "$A" --network web
  host strace -o "$BATS_TEST_TMPDIR/trace" -e trace=flock,recvmsg "$NETSETUP" detach a --root "$STATE"
  local answers
  answers=$(awk '/LOCK_EX/ && ++n == 2 { exit } /recvmsg/ { answers++ } END { print answers }' "$BATS_TEST_TMPDIR/trace")
  # The link is gone, and what is left is done later.
  netw attach a --netns "$A" --network web
  nsenter --net --mount --target "$HOST" -- strace -o /dev/null -e "inject=recvmsg:signal=SIGSTOP:when=$answers" \
    "$NETSETUP" detach a --root "$STATE" >"$BATS_TEST_TMPDIR/slow" 2>&1 3>&- 4>&- &
  local slow=$! stopped
  wait_for is_away
  wait_for is_stopped "$slow"
  netw attach a --netns "$A" --network web
  kill -CONT "$stopped"
  wait "$slow"
  [ "$(host find "$STATE/attached" -name '*.json' | wc -l)" = 1 ]
  netw network show web -j | jq -e --arg address "$(address_of a)" '.leases | map(.address) | index($address | split("/")[0])'
  reaches "$A" 10.9.0.1
  netw detach a
  is_clean
}

@test "an address that goes to the next container: it is found at once by those who knew the last" {
  container A
  container B
  container C
  attach() { # ID PID NUMBER
    net attach "$1" --netns "$2" --bridge br0 --address "10.1.0.$3/24" --bridge-address 10.1.0.1/24 \
      --address "fd00:1::$3/64" --bridge-address fd00:1::1/64
  }
  attach c "$C" 9
  attach a "$A" 2
  for who in "$HOST" "$C"; do
    reaches "$who" 10.1.0.2
    reaches "$who" fd00:1::2
  done
  net detach a
  attach b "$B" 2
  for who in "$HOST" "$C"; do
    reaches "$who" 10.1.0.2
    reaches "$who" fd00:1::2
  done
}

@test "detach: SIGKILL at any point, then detach, gc or attach finish it" {
  netw network create web --subnet 10.9.0.0/24
  container A
  for call in sendto,recvmsg:4 flock,renameat,unlinkat:1; do
    for when in $(seq 1 "${call#*:}" 60); do
      netw attach a --netns "$A" --network web
      run host strace -o /dev/null -e "inject=${call%:*}:signal=SIGKILL:when=$when" "$NETSETUP" detach a --root "$STATE"
      [ "$status" -ne 0 ] || break
      case $((when % 3)) in
        0) netw gc; [ "$(ours)" = 1 ] || is_clean ;;
        1) net status a >/dev/null || netw attach a --netns "$A" --network web ;;
      esac
      netw detach a
      is_clean
    done
    echo "$call: finished at $when"
    [ "$status" -eq 0 ]
    is_clean
  done
}
