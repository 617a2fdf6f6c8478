# attach --hosts and --resolv-conf: files on the host that somebody starting a container by hand mounts into it.
# shellcheck shell=bash disable=SC2154
load helpers
load netsetup

NAMES=/run/names STATE=/run/netsetup

netw() {
  net "$@" --root "$STATE"
}

setup() {
  host_setup
  host mkdir -m 755 "$NAMES"
  container A
  container B
  netw network create lan --subnet 10.5.0.0/24
}

hosts() { # ID: without what is in all of them
  host sed '/localhost/d' "$NAMES/$1"
}

up() { # ID PID [OPTION...]
  netw attach "$1" --netns "$2" --network lan "${@:3}"
}

@test "names: a file follows whoever comes and goes, and goes with the attachment" {
  up web "$A" --hosts "$NAMES/web" --resolv-conf "$NAMES/servers" --hostname box --alias www
  [ "$(hosts web)" = '10.5.0.2 box web www' ]
  [ "$(host head -n 1 "$NAMES/web")" = '127.0.0.1 localhost' ]
  [ "$(host stat -c '%a %U' "$NAMES/web")" = '644 root' ]
  host grep -qE '^search ' "$NAMES/servers"
  # Written in place: a mount shows what is new.
  host touch /run/seen
  host mount --bind "$NAMES/web" /run/seen
  up db "$B" --alias data
  [ "$(host tail -n 1 /run/seen)" = '10.5.0.3 db data' ]
  # A second interface of the same container, and one without a network.
  netw network create back --subnet 10.6.0.0/24
  netw attach web --netns "$A" --network back --ifname eth1
  netw attach db --netns "$B" --network back --ifname eth1 --hosts "$NAMES/db"
  [ "$(hosts web)" = $'10.5.0.2 box web www\n10.6.0.2 box web www\n10.5.0.3 db data\n10.6.0.3 db' ]
  [ "$(hosts db)" = $'10.5.0.3 db\n10.6.0.3 db\n10.5.0.2 web www\n10.6.0.2 web' ]
  netw detach db
  host test ! -e "$NAMES/db"
  [ "$(hosts web)" = $'10.5.0.2 box web www\n10.6.0.2 box web www' ]
  netw detach web --ifname eth0
  [ -z "$(host ls "$NAMES")" ]
  netw detach web
  host test ! -e /run/netsetup/hosts
}

@test "names: without a network a container knows itself; an empty file that was there stays, and is empty again" {
  host touch "$NAMES/web" "$NAMES/servers"
  inode=$(host stat -c %i "$NAMES/web")
  netw plan attach web --netns "$A" --bridge br0 --address 10.1.0.2/24 --hosts "$NAMES/web" | tee "$BATS_TEST_TMPDIR/plan"
  grep -q "keep names in $NAMES/web" "$BATS_TEST_TMPDIR/plan"
  [ -z "$(host cat "$NAMES/web")" ]
  netw attach web --netns "$A" --bridge br0 --address 10.1.0.2/24 --hosts "$NAMES/web" --resolv-conf "$NAMES/servers"
  [ "$(hosts web)" = '10.1.0.2 web' ]
  host test -s "$NAMES/servers"
  netw detach web
  [ "$(host stat -c '%n %i %s' "$NAMES/web")" = "$NAMES/web $inode 0" ]
  host test ! -s "$NAMES/servers"
}

@test "names: an attachment that dies or is never finished takes its files with it by gc" {
  up web "$A" --hosts "$NAMES/web"
  up db "$B" --hosts "$NAMES/db"
  [ "$(hosts db)" = $'10.5.0.3 db\n10.5.0.2 web' ]
  host ip link delete "$(netw status web -j | jq -r '.links[0].link')"
  netw gc
  host test ! -e "$NAMES/web"
  [ "$(hosts db)" = '10.5.0.3 db' ]
  # Killed behind the record and the file.
  run host strace -o /dev/null -e trace=sendto -e inject=sendto:signal=KILL:when=8 \
    "$NETSETUP" attach web --netns "$A" --network lan --hosts "$NAMES/web" --resolv-conf "$NAMES/servers" --root "$STATE"
  [ "$status" -ne 0 ]
  host test -e "$NAMES/web"
  netw gc
  [ "$(host ls "$NAMES")" = db ]
}

@test "names: what is no empty file of its own in a folder of ours is refused, and nothing is done" {
  before=$(snapshot "$A")
  echo '192.0.2.9 mine' | host tee "$NAMES/full" >/dev/null
  host ln -s "$NAMES/full" "$NAMES/link"
  host mkfifo "$NAMES/fifo"
  host mknod "$NAMES/device" c 1 3
  host touch "$NAMES/one" "$NAMES/foreign"
  host ln "$NAMES/one" "$NAMES/two"
  host chown 1000 "$NAMES/foreign"
  host mkdir -m 777 /run/open
  host ln -s "$NAMES" /run/way
  refused() { # WORDS FILE
    fails "$1" up web "$A" --resolv-conf "$NAMES/servers" --hosts "$2"
    host test ! -e "$NAMES/servers"
  }
  refused "$NAMES/full: has something in it" "$NAMES/full"
  for name in link fifo device two foreign; do refused "$NAMES/$name: not a file of its own" "$NAMES/$name"; done
  refused 'others can write to it' /run/open/web
  refused 'a symbolic link on the way' /run/way/web
  refused 'No such file or directory' /run/none/web
  fails 'one file for hosts and resolv.conf' up web "$A" --hosts "$NAMES/web" --resolv-conf "$NAMES/web"
  [ "$(host cat "$NAMES/full")" = '192.0.2.9 mine' ]
  host test ! -e "$NAMES/web"
  for word in web /run/names/ /run/names/..; do
    run netw attach web --netns "$A" --network lan --hosts "$word"
    [ "$status" -eq 2 ]
  done
  unchanged "$before" "$A"
  # Exchanged meanwhile: nothing is followed, and the attachment goes all the same.
  up web "$A" --hosts "$NAMES/web"
  host ln -sf "$NAMES/full" "$NAMES/web"
  run up db "$B"
  [ "$status" -eq 0 ]
  [[ $output == *'not a file of its own'* ]]
  run netw detach web
  [ "$status" -eq 0 ]
  [ "$(host cat "$NAMES/full")" = '192.0.2.9 mine' ]
}
