#!/bin/sh
# The first container: a root file system of one busybox, the config that `rundlet spec` writes with three words changed,
# one run.  Needs root and what tests/packages-build lists.  It shows, and checks, what a container is.
set -eu
cd "$(dirname "$0")/.."
rundlet=$PWD/build/rundlet
bundle=$PWD/build/first
[ "$(id -u)" = 0 ] || { echo "first-container.sh: run it as root" >&2; exit 1; }

rm -rf "$bundle"
mkdir -p "$bundle/rootfs/bin" "$bundle/rootfs/dev" "$bundle/rootfs/proc" "$bundle/rootfs/sys" "$bundle/rootfs/tmp"
cp "$(command -v busybox)" "$bundle/rootfs/bin/busybox"
for applet in sh ls cat hostname ps id; do
  ln -s busybox "$bundle/rootfs/bin/$applet"
done
cat >"$bundle/rootfs/hello.sh" <<'END'
echo "hostname:   $(hostname)"
echo "process id: $$"
echo "processes:  $(ls /proc | grep -c '^[0-9]')"
echo "root:       $(ls / | tr '\n' ' ')"
if [ -e /sys/fs/cgroup/memory.max ]; then
  echo "memory:     at most $(cat /sys/fs/cgroup/memory.max) bytes"
fi
END
ln -s busybox "$bundle/rootfs/bin/grep"
ln -s busybox "$bundle/rootfs/bin/tr"

"$rundlet" spec --bundle "$bundle"
limit='' controllers=''
for controllers in /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/unified/cgroup.controllers; do
  if grep -qw memory "$controllers" 2>/dev/null; then limit='"memory": { "limit": 67108864 },'; fi
done
sed -i -e 's|"terminal": true|"terminal": false|' -e 's|"sh"$|"sh", "/hello.sh"|' \
  -e "s|\"resources\": {|\"resources\": { $limit|" "$bundle/config.json"

echo "\$ rundlet run --bundle build/first first"
"$rundlet" run --bundle "$bundle" first >"$bundle/out" </dev/null
cat "$bundle/out"
if [ -z "$limit" ]; then
  echo "(no memory limit: this machine's cgroup v2 has no memory controller)"
fi

check() { # WORDS PATTERN
  grep -q "$2" "$bundle/out" || { echo "first-container.sh: $1" >&2; exit 1; }
}
check 'the host name is not the config'\''s' '^hostname: *rundlet$'
check 'the program is not process 1' '^process id: *1$'
check 'files of the host are visible' '^root: *bin dev hello.sh proc sys tmp $'
[ -z "$limit" ] || check 'the memory limit is not there' '^memory: *at most 67108864 bytes$'
echo "the first container ran"
