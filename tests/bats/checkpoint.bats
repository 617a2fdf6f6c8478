#!/usr/bin/env bats
# checkpoint and restore by CRIU: processes go on where they were, and nothing that held them is lost on the way.

load helpers

setup() {
  rundlet_only
  bundle_setup
  IMAGE=$BATS_TEST_TMPDIR/image
  mkdir -p "$BUNDLE/data"
  config --arg data "$BUNDLE/data" '.mounts += [{destination: "/data", type: "bind", source: $data, options: ["rbind"]},
    {destination: "/fixed", type: "bind", source: $data, options: ["bind", "ro", "nosuid", "nodev", "noexec"]}]'
  payload sh -c 'i=0; while :; do i=$((i+1)); echo $i >/data/new; mv /data/new /data/count; sleep 0.1; done'
}

teardown() {
  rundlet delete --force "$ID-2" >/dev/null 2>&1 || true
  bundle_teardown
}

needs_criu() {
  criu check >/dev/null 2>&1 || skip "needs a kernel that this CRIU knows"
}

# What of ours and of CRIU's is mounted on the host; others' tests run beside this one.
host_mounts() {
  grep -e "$BATS_TEST_TMPDIR" -e criu /proc/self/mountinfo | sort
}

count() {
  cat "$BUNDLE/data/count" 2>/dev/null || echo 0
}
counts_on() { # FROM
  [ "$(count)" -gt "$1" ]
}

# A file of the host as standard output would have to be there again at restore, just as it was.
run_detached() { # [OPTION...]
  rundlet --log "$OUT" run --detach --bundle "$BUNDLE" "$@" "$ID" </dev/null >/dev/null 2>&1 || { cat "$OUT"; return 1; }
}

checkpoint() { # [OPTION...]
  quietly checkpoint --image-path "$IMAGE" "$@" "$ID"
}
restore() { # [OPTION...]: as $ID-2, whose cgroup has another name too
  config --arg path "$CGROUPS_PATH-2" '.linux.cgroupsPath = $path'
  quietly restore --image-path "$IMAGE" --bundle "$BUNDLE" --detach "$@" "$ID-2"
}

# What holds a container: rights, filter, limits, namespaces of its own, mounts with their attributes.
cage() { # ID
  local pid kind
  pid=$(rundlet state "$1" | jq .pid)
  grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp)' "/proc/$pid/status"
  grep -E 'open files|processes' "/proc/$pid/limits"
  cat "/proc/$pid/oom_score_adj"
  for kind in cgroup ipc mnt net pid user uts; do
    [ "$(readlink "/proc/$pid/ns/$kind")" = "$(readlink "/proc/self/ns/$kind")" ] && echo "$kind of the host"
  done
  awk '{ print $5, $6 }' "/proc/$pid/mountinfo" | sort
  grep -c " /${ID}[^ ]* .* - cgroup2 " "/proc/$pid/mountinfo"
  nsenter --cgroup --target "$pid" cat "/proc/$pid/cgroup"
}

@test "a container goes on where it was, with another id, and in everything that held it" {
  needs_criu
  config '.root.readonly = true | .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 99, hard: 100}] | .process.user.uid = 1000
    | .process.oomScoreAdj = 500 | .linux.resources = {pids: {limit: 20}}
    | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO"}]}'
  chmod 777 "$BUNDLE/data"
  run_detached
  wait_for counts_on 3
  cage "$ID" >"$BATS_TEST_TMPDIR/before"
  mkdir "$BATS_TEST_TMPDIR/logs"
  checkpoint --work-path "$BATS_TEST_TMPDIR/logs"
  # Nobody else reads the container's memory, whatever becomes of the folder.
  [ "$(stat -c %a "$IMAGE" "$IMAGE/pages-1.img" "$IMAGE/core-1.img" | xargs)" = "700 600 600" ]
  [ -s "$BATS_TEST_TMPDIR/logs/dump.log" ] && [ ! -e "$IMAGE/dump.log" ]
  [ ! -e "$ROOT/$ID" ] && [ ! -e "$CGROUP" ]
  stopped=$(count)
  host_mounts >"$BATS_TEST_TMPDIR/mounts"
  cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/other.json"
  restore --work-path "$BATS_TEST_TMPDIR/logs" --pid-file "$BATS_TEST_TMPDIR/pid" --config "$BUNDLE/config.json"
  wait_for counts_on "$stopped"
  host_mounts | diff "$BATS_TEST_TMPDIR/mounts" -
  [ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$(rundlet state "$ID-2" | jq .pid)" ]
  cage "$ID-2" | diff "$BATS_TEST_TMPDIR/before" -
  [ "$(cat "$CGROUP-2/pids.max")" = 20 ]
  run rundlet exec "$ID-2" sh -c 'mkdir /data/x; cat /proc/self/cgroup; echo >/fixed/x' </dev/null
  echo "$output"
  [[ $output = *"Operation not permitted"*"0::/"*"Read-only file system"* ]]
  quietly delete --force "$ID-2"
  [ ! -e "$CGROUP-2" ]
}

@test "--leave-running and --pre-dump: it lives on; in the foreground the exit status is the program's" {
  needs_criu
  payload sh -c 'trap "exit 7" TERM; i=0; while :; do i=$((i+1)); echo $i >/data/new; mv /data/new /data/count; sleep 0.1; done'
  run_detached
  wait_for counts_on 1
  quietly pause "$ID"
  checkpoint --leave-running
  is_status paused
  quietly resume "$ID"
  now=$(count)
  wait_for counts_on "$now"
  rm -r "$IMAGE"
  checkpoint
  config --arg path "$CGROUPS_PATH-2" '.linux.cgroupsPath = $path'
  (sleep "$((2 * ${SLOW:-1}))" && wait_for counts_on "$(count)" && quietly kill "$ID-2" TERM) &
  run rundlet restore --image-path "$IMAGE" --bundle "$BUNDLE" --keep "$ID-2" </dev/null >/dev/null
  echo "$output"
  [ "$status" = 7 ]
  [ "$(rundlet state "$ID-2" | jq -r .status)" = stopped ]
}

@test "a user namespace, whose root can read the image" {
  needs_criu
  config '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = .linux.uidMappings'
  chown -R 100000:100000 "$BUNDLE/rootfs" "$BUNDLE/data"
  run_detached
  wait_for counts_on 1
  cage "$ID" >"$BATS_TEST_TMPDIR/before"
  checkpoint
  [ "$(stat -c '%a %g' "$IMAGE" "$IMAGE/pages-1.img" | xargs)" = "2710 100000 640 100000" ]
  stopped=$(count)
  restore
  wait_for counts_on "$stopped"
  cage "$ID-2" | diff "$BATS_TEST_TMPDIR/before" -
}

@test "a session keyring of its own, which CRIU would not make" {
  needs_criu
  cp "$BUILD/tests/probe" "$BUNDLE/rootfs/bin/probe"
  payload sh -c 'while :; do probe fp >/data/new; mv /data/new /data/print; sleep 0.1; done'
  run_detached
  wait_for grep -qx "keyring _ses.$ID" "$BUNDLE/data/print"
  checkpoint
  restore
  wait_for grep -qx "keyring _ses.$ID-2" "$BUNDLE/data/print"
}

@test "a network namespace that it had joined is joined again" {
  needs_criu
  unshare --net sleep 600 3>&- 4>&- &
  holder=$!
  wait_for sh -c "[ \$(readlink /proc/$holder/ns/net) != \$(readlink /proc/self/ns/net) ]"
  config --arg path "/proc/$holder/ns/net" '(.linux.namespaces[] | select(.type == "network")).path = $path'
  run_detached
  wait_for counts_on 1
  checkpoint
  restore
  [ "$(readlink "/proc/$(rundlet state "$ID-2" | jq .pid)/ns/net")" = "$(readlink "/proc/$holder/ns/net")" ]
  kill "$holder"
}

@test "a network by hooks: left empty in the image, made anew at restore" {
  needs_criu
  printf '#!/bin/sh\nnsenter --net --target "$(jq .pid)" ip link add probe type dummy && echo made >>%s\n' \
    "$BATS_TEST_TMPDIR/hooks" >"$BATS_TEST_TMPDIR/hook"
  chmod +x "$BATS_TEST_TMPDIR/hook"
  config --arg path "$BATS_TEST_TMPDIR/hook" --arg env "PATH=$PATH" '.hooks.createRuntime = [{path: $path, env: [$env]}]'
  run_detached
  wait_for counts_on 1
  checkpoint --empty-ns network
  stopped=$(count)
  restore --empty-ns network
  wait_for counts_on "$stopped"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/hooks")" = 2 ]
  [[ $(rundlet exec "$ID-2" ip link </dev/null) = *" probe"* ]]
}

@test "connections come along when asked for, and are a reason to refuse when not" {
  needs_criu
  payload sh -c 'sleep 1000 | nc -l -p 9000 >/data/heard &
    until grep -q ":2328 .* 0A " /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done # 9000 listens
    (i=0; while :; do i=$((i+1)); echo $i; echo $i >/data/new; mv /data/new /data/count; sleep 0.1; done) | nc 127.0.0.1 9000'
  run_detached
  wait_for test -s "$BUNDLE/data/heard"
  run rundlet checkpoint --image-path "$IMAGE" "$ID"
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = "rundlet: error: checkpoint $ID: CRIU: "*tcp-established*"hint: all it said is in $IMAGE/dump.log"* ]]
  is_status running
  checkpoint --tcp-established
  heard=$(wc -l <"$BUNDLE/data/heard")
  restore --tcp-established
  more() { [ "$(wc -l <"$BUNDLE/data/heard")" -gt "$1" ]; }
  wait_for more "$((heard + 3))"
  # One number after the other: none was lost, none came twice.
  heard=$(wc -l <"$BUNDLE/data/heard")
  seq "$heard" | cmp - <(head -n "$heard" "$BUNDLE/data/heard")
}

@test "an overlay: what was written to its folder is there; one that would be lost is refused" {
  needs_criu
  mv "$BUNDLE/rootfs" "$BUNDLE/layer"
  mkdir "$BUNDLE/rootfs" "$BUNDLE/upper"
  payload sh -c 'echo kept >/root/kept; i=0; while :; do i=$((i+1)); echo $i >/data/new; mv /data/new /data/count; cat /root/kept >/data/kept; sleep 0.1; done'
  run_detached --layer "$BUNDLE/layer" --upper tmpfs
  wait_for counts_on 1
  run rundlet checkpoint --image-path "$IMAGE" "$ID"
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = *"what was written to its overlay would go with it"*"--upper DIR"* ]]
  quietly delete --force "$ID"
  run_detached --layer "$BUNDLE/layer" --upper "$BUNDLE/upper"
  wait_for counts_on 1
  checkpoint
  rm "$BUNDLE/data/kept"
  restore --layer "$BUNDLE/layer" --upper "$BUNDLE/upper"
  wait_for grep -q kept "$BUNDLE/data/kept"
}

@test "a terminal is handed over anew" {
  needs_criu
  config '.process.terminal = true'
  payload sh -c 'while read -r word; do echo "heard $word"; done'
  hear() { # NAME: takes the master, types a word, waits for the answer, and holds on
    python3 -c '
import array, os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1] + ".sock")
s.listen(1)
_, parts, _, _ = s.accept()[0].recvmsg(100, 100)
fd = array.array("i", parts[0][2])[0]
os.write(fd, b"word\n")
text = b""
while b"heard word" not in text:
    text += os.read(fd, 4096)
open(sys.argv[1] + ".done", "w").write("done")
time.sleep(600)' "$BATS_TEST_TMPDIR/$1" 3>&- 4>&- &
    wait_for test -S "$BATS_TEST_TMPDIR/$1.sock"
  }
  hear first
  first=$!
  run_detached --console-socket "$BATS_TEST_TMPDIR/first.sock"
  wait_for test -e "$BATS_TEST_TMPDIR/first.done"
  checkpoint
  kill "$first"
  hear second
  second=$!
  restore --console-socket "$BATS_TEST_TMPDIR/second.sock"
  wait_for test -e "$BATS_TEST_TMPDIR/second.done"
  kill "$second"
}

@test "a restore that fails or is killed leaves nothing" {
  needs_criu
  run_detached
  wait_for counts_on 1
  checkpoint
  cp -a "$IMAGE" "$IMAGE.whole"
  : >"$IMAGE/pstree.img"
  run restore
  echo "$output"
  [ "$status" = 1 ]
  [[ $output = "rundlet: error: restore $ID-2: CRIU: "* ]]
  [ ! -e "$ROOT/$ID-2" ] && [ ! -e "$CGROUP-2" ]
  rm -r "$IMAGE" && mv "$IMAGE.whole" "$IMAGE"
  host_mounts >"$BATS_TEST_TMPDIR/mounts"
  for wait in 0.2 0.4 0.8; do
    timeout -s KILL "$wait" "$RUNTIME" --root "$ROOT" restore --image-path "$IMAGE" --bundle "$BUNDLE" --detach "$ID-2" \
      </dev/null >/dev/null 2>&1 3>&- 4>&- || true
    quietly delete --force "$ID-2"
    [ ! -e "$ROOT/$ID-2" ] && [ ! -e "$CGROUP-2" ]
    ! pgrep -f "criu swrk"
  done
  host_mounts | diff "$BATS_TEST_TMPDIR/mounts" -
  restore
}

# A program in the place of CRIU that writes down what it is asked, as lines "FIELD VALUE" of the options.
scribe() {
  cat >"$BATS_TEST_TMPDIR/scribe" <<-'EOT'
	#!/usr/bin/perl
	open(my $socket, '<&=', $ARGV[1]) or die;
	sysread($socket, my $request, 1 << 20);
	open(my $out, '>', "$0.said") or die;
	sub number { my ($v, $shift) = (0, 0); while (1) { my $b = ord(substr($_[0], 0, 1, '')); $v |= ($b & 127) << $shift; last if $b < 128; $shift += 7 } $v }
	sub fields { my ($text, $take) = @_; while (length $text) { my $key = number($text); my $value = $key & 7 ? substr($text, 0, number($text), '') : number($text); $take->($key >> 3, $value) } }
	fields($request, sub { print $out "request $_[1]\n" if $_[0] == 1; fields($_[1], sub { $_[1] =~ s/[^ -~]/./g; print $out "$_[0] $_[1]\n" }) if $_[0] == 2 });
	close($out);
	EOT
  chmod +x "$BATS_TEST_TMPDIR/scribe"
}
# The command with the options tells CRIU these lines.
says() { # LINES COMMAND OPTION...
  local wanted=$1 line
  shift
  run rundlet --criu "$BATS_TEST_TMPDIR/scribe" "$@"
  echo "$*: $output"
  [ "$status" = 1 ] && [[ $output = *"CRIU ended without an answer"* ]]
  while read -r line; do
    grep -qx -- "$line" "$BATS_TEST_TMPDIR/scribe.said" || { echo "no line $line in:"; cat "$BATS_TEST_TMPDIR/scribe.said"; false; }
  done <<<"$wanted"
}

@test "what CRIU is told by each option, by the config and by what is mounted" {
  scribe
  config '.annotations["org.criu.config"] = "/etc/criu/web.conf"'
  run_detached
  wait_for counts_on 0
  says $'request 1\n34 0\n51 /etc/criu/web.conf\n23 ../data../data\n23 ../fixed../fixed\n23 ../proc/keys../proc/keys' \
    checkpoint --image-path "$IMAGE" "$ID"
  [ "$(grep -c '^\(3\|4\|5\|7\|8\|13\|16\|18\|38\|46\|48\|52\|64\) ' "$BATS_TEST_TMPDIR/scribe.said")" = 0 ]
  mkdir -p "$IMAGE/before"
  # What lies in each field: criu_opts of CRIU's rpc.proto.
  says $'request 1\n3 1\n4 1\n5 1\n7 1\n8 1\n11 ..192.0.2.1..N\n14 before\n15 1\n16 1\n18 1\n34 3\n38 1073741824\n46 1\n48 1\n49 2\n52 1\n64 2' \
    checkpoint --image-path "$IMAGE" --leave-running --ext-unix-sk --tcp-established --shell-job --file-locks \
    --page-server 192.0.2.1:9999 --parent-path before --auto-dedup --link-remap --manage-cgroups-mode soft --empty-ns network \
    --tcp-skip-in-flight --lazy-pages --status-fd 2 --tcp-close --network-lock nftables "$ID"
  says $'request 4\n15 1' checkpoint --image-path "$IMAGE" --pre-dump "$ID"
  is_status running
  # A network of netsetup's leads outside, and is left out without being told.
  config --arg path "$CGROUPS_PATH-2" '.linux.cgroupsPath = $path | .annotations["org.rundlet.net.files"] = ""'
  says "request 2
38 1073741824
13 $BUNDLE/rootfs
23 ../data..$BUNDLE/data
23 ../proc/keys../dev/null
26 1
53 apparmor:web
63 system_u:object_r:x_t:s0" \
    restore --image-path "$IMAGE" --bundle "$BUNDLE" --lsm-profile apparmor:web --lsm-mount-context system_u:object_r:x_t:s0 "$ID-2"
  [ ! -e "$ROOT/$ID-2" ] && [ ! -e "$CGROUP-2" ]
}

@test "what is wrong is one error, and the container lives on" {
  run_detached
  wrong() { # WORDS OPTION...
    local words=$1
    shift
    run rundlet "$@"
    echo "$*: $output"
    [ "$status" = 1 ]
    [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
    [[ $output = *"$words"* ]]
  }
  wrong "install CRIU" --criu /nowhere/criu checkpoint --image-path "$IMAGE" "$ID"
  wrong "--image-path: make /nowhere/image: No such file" checkpoint --image-path /nowhere/image "$ID"
  wrong 'container "absent" does not exist' checkpoint --image-path "$IMAGE" absent
  mkdir "$BATS_TEST_TMPDIR/others" && chown 1000 "$BATS_TEST_TMPDIR/others"
  wrong "--image-path: $BATS_TEST_TMPDIR/others belongs to user 1000" checkpoint --image-path "$BATS_TEST_TMPDIR/others" "$ID"
  wrong "--status-fd: 77: not an open file" checkpoint --image-path "$IMAGE" --status-fd 77 "$ID"
  wrong "--parent-path: /tmp: it is relative" checkpoint --image-path "$IMAGE" --parent-path /tmp "$ID"
  wrong "already exists" restore --image-path "$IMAGE" --bundle "$BUNDLE" "$ID"
  mkdir -p "$BATS_TEST_TMPDIR/empty"
  config --arg path "$CGROUPS_PATH-2" '.linux.cgroupsPath = $path'
  wrong "is --image-path an image of checkpoint?" restore --image-path "$BATS_TEST_TMPDIR/empty" --bundle "$BUNDLE" "$ID-2"
  echo '["a", 7]' >"$BATS_TEST_TMPDIR/empty/descriptors.json"
  wrong "descriptors.json: streams[1]: number not expected" restore --image-path "$BATS_TEST_TMPDIR/empty" --bundle "$BUNDLE" "$ID-2"
  [ ! -e "$ROOT/$ID-2" ] && [ ! -e "$CGROUP-2" ]
  is_status running
  quietly delete --force "$ID"
  cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/kept"
  while read -r words filter; do
    cp "$BATS_TEST_TMPDIR/kept" "$BUNDLE/config.json"
    config --arg path "$CGROUPS_PATH" ".linux.cgroupsPath = \$path | $filter"
    wrong "CRIU forgets ${words//_/ }" restore --image-path "$IMAGE" --bundle "$BUNDLE" "$ID-2"
  done <<'END'
the_rules_of_Landlock .annotations["org.rundlet.landlock"] = "{}"
the_id_map_of_a_mount .mounts[-1].options += ["idmap"] | .mounts[-1].uidMappings = [{containerID: 0, hostID: 1, size: 1}] | .mounts[-1].gidMappings = .mounts[-1].uidMappings
END
  cp "$BATS_TEST_TMPDIR/kept" "$BUNDLE/config.json"
  config --arg path "$CGROUPS_PATH" '.linux.cgroupsPath = $path | del(.linux.namespaces[] | select(.type == "mount"))'
  run_detached
  wrong "CRIU needs a mount namespace of the container's own" checkpoint --image-path "$IMAGE" "$ID"
  quietly kill "$ID" KILL
  wait_for is_status stopped
  wrong "cannot checkpoint a container in the stopped state" checkpoint --image-path "$IMAGE" "$ID"
}
