# What every suite of an engine loads.  `make engines` and `make vm-engines` run them; by hand, on this machine or in
# the virtual one:
#   tests/native.sh tests/engines/host.sh bats tests/engines/podman.bats
#   tests/vm/run.sh tests/engines/host.sh bats tests/engines/podman.bats
#
# RUNTIME is the runtime under test (default BUILD/rundlet).  CONTROL=crun or CONTROL=runc runs the same scenarios with
# Debian's own: what is red there too is the scenario's fault.  $NAME is the runtime's name, $ENGINES the file's folder.
# shellcheck shell=bash disable=SC2034 # for those who load this

[ -n "${ENGINES:-}" ] || { echo "engines.bash: run me by tests/engines/host.sh" >&2; exit 2; }
PEER=${CONTROL:-} RUNDLET=$RUNTIME
load ../bats/helpers
NAME=${CONTROL:-rundlet}
RUNTIME=$(command -v "$RUNTIME")
LIMIT=$((60 * ${SLOW:-1}))

# What a scenario makes is taken away by the file itself, in its last test.
setup() { OUT=$BATS_TEST_TMPDIR/out; }
teardown() { :; }

# A root with busybox in it, as a folder and as an archive: $ENGINES/box/rootfs and $ENGINES/box.tar.
image() {
  [ ! -e "$ENGINES/box.tar" ] || return 0
  CGROUPS_PATH=/none bundle "$ENGINES/box"
  for applet in httpd wget md5sum; do ln -sf busybox "$ENGINES/box/rootfs/bin/$applet"; done
  # A static probe of system calls and a server that says who it is.
  cp "$BUILD/tests/probe" "$ENGINES/box/rootfs/bin/probe"
  cat >"$ENGINES/box/rootfs/bin/serve" <<'SH'
#!/bin/sh
mkdir -p /tmp/www
echo "${1:-$(hostname)}" >/tmp/www/index.html
exec httpd -f -p "${2:-80}" -h /tmp/www
SH
  chmod 755 "$ENGINES/box/rootfs/bin/serve"
  tar -C "$ENGINES/box/rootfs" -cf "$ENGINES/box.tar" .
}

# Runs a command within the limit, with none of bats' descriptors.
limited() {
  timeout --foreground -k 5 "$LIMIT" "$@" 3>&- 4>&-
}

# is EXPECTED COMMAND...: its output, and success; what came instead is shown.
is() {
  local expected=$1 said status=0
  shift
  said=$("$@" 2>&1) || status=$?
  [ "$status: $said" = "0: $expected" ] || { echo "expected: $expected; came ($status): $said; by: $*"; return 1; }
}

# ends STATUS COMMAND...: its status; output in $OUT.
ends() {
  local expected=$1 status=0
  shift
  "$@" >"$OUT" 2>&1 || status=$?
  [ "$status" = "$expected" ] || { cat "$OUT"; echo "expected: $expected; came: $status; by: $*"; return 1; }
}

# says WORDS: they are in $OUT.
says() {
  grep -qF -e "$1" "$OUT" || { cat "$OUT"; echo "no such words: $1"; return 1; }
}

# says_why WORDS CRUN-WORDS: why the runtime refused, of which crun has words of its own.
says_why() {
  if [ "$NAME" = crun ]; then says "$2"; else says "$1"; fi
}

# What the container's web server answers: get HOST:PORT
get() {
  timeout $((5 * ${SLOW:-1})) busybox wget -q -O - "http://$1/"
}

# The cgroup of the process PID, as a folder.
cgroup_of() {
  echo "$CGROUPS$(awk -F: '$1 == 0 { print $3 }' "/proc/$1/cgroup")"
}

# No container's process, cgroup, mount or state is left on this host: its pid namespace is the file's own.
nothing_left() {
  local found
  found=$(
    grep -s -a -z -l -E '^/[^ ]*/conmon|^[^ ]*/(rundlet|crun|runc)$' /proc/[0-9]*/cmdline | while read -r file; do
      echo "process left: $(tr '\0' ' ' <"$file")"
    done
    find "$CGROUPS" -depth -type d -regextype posix-extended -regex '.*[0-9a-f]{12}.*' | sed 's/^/cgroup left: /'
    find /run/{,user/4242/}{rundlet,crun,runc} -mindepth 1 -maxdepth 1 2>/dev/null | sed 's/^/state left: /'
  )
  [ -z "$found" ] || { echo "$found"; return 1; }
}
