#!/usr/bin/env bats
# Namespaces: made, joined by path, refused; and what depends on them: id maps, clocks, names, kernel parameters.

load helpers

KINDS='cgroup ipc mnt net pid time user uts'
MAPPED='[{containerID: 0, hostID: 4200000, size: 65536}]'

# The container's namespaces as "net net:[123]" lines, from inside or of a process of the host.
inside_namespaces() {
  payload sh -c 'for kind in cgroup ipc mnt net pid time user uts; do echo $kind $(readlink /proc/self/ns/$kind); done'
  rundlet run --bundle "$BUNDLE" "$ID" </dev/null
}

namespaces_of() { # PID
  local kind
  for kind in $KINDS; do echo "$kind $(readlink "/proc/$1/ns/$kind")"; done
}

with_user() {
  config ".linux.namespaces += [{type: \"user\"}] | .linux.uidMappings = $MAPPED | .linux.gidMappings = $MAPPED"
}

join_ns() { # TYPE PATH
  config --arg type "$1" --arg path "$2" '.linux.namespaces |= (map(select(.type != $type)) + [{type: $type, path: $path}])'
}

# One error line with these words, and nothing is left: refused 'words'
refused() {
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  is_refused "$1"
  [ ! -e "$CGROUPS/$ID" ]
}

# A second container, running, whose namespaces can be joined; its init's pid is in $PEER_PID.
start_peer() { # [PAYLOAD...]
  local here=$BUNDLE
  BUNDLE=$BATS_TEST_TMPDIR/peer
  mkdir -p "$BUNDLE"
  cp -a "$here/config.json" "$here/rootfs" "$BUNDLE"
  config '.linux.cgroupsPath += "-peer"'
  [ $# = 0 ] || payload "$@"
  quietly run --detach --bundle "$BUNDLE" "$ID-peer"
  BUNDLE=$here
  PEER_PID=$(rundlet state "$ID-peer" | jq .pid)
}

# --- new and joined ------------------------------------------------------------------------------------------------
@test "each of the eight namespaces is new when asked for and the host's when not" {
  namespaces_of $$ >"$BATS_TEST_TMPDIR/host"
  with_user
  config '.linux.namespaces += [{type: "time"}]'
  inside_namespaces >"$BATS_TEST_TMPDIR/all"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/all")" = 8 ]
  [ -z "$(comm -12 "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/all")" ]
  config '.linux.namespaces = [] | del(.linux.uidMappings, .linux.gidMappings, .hostname)'
  inside_namespaces >"$BATS_TEST_TMPDIR/none"
  [ "$(comm -12 "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/none" | wc -l)" = 8 ]
}

@test "namespaces of another container are joined by path, alone and together" {
  config '.linux.namespaces += [{type: "time"}]'
  start_peer
  namespaces_of "$PEER_PID" >"$BATS_TEST_TMPDIR/peer-ns"
  config 'del(.hostname)'
  for kind in network ipc uts cgroup time pid; do
    file=${kind/network/net}
    join_ns "$kind" "/proc/$PEER_PID/ns/$file"
    inside_namespaces >"$BATS_TEST_TMPDIR/inside"
    want=$(grep "^$file " "$BATS_TEST_TMPDIR/peer-ns")
    grep -qx -F "$want" "$BATS_TEST_TMPDIR/inside" || { echo "$kind is not the peer's"; cat "$BATS_TEST_TMPDIR/inside"; false; }
  done
  [ "$(comm -12 "$BATS_TEST_TMPDIR/peer-ns" "$BATS_TEST_TMPDIR/inside" | wc -l)" = 7 ] # all but mount; user is the host's
}

@test "a user namespace of another container is joined, with what belongs to it and with new ones" {
  with_user
  start_peer
  config 'del(.hostname, .linux.uidMappings, .linux.gidMappings)'
  for kind in user network; do join_ns "$kind" "/proc/$PEER_PID/ns/${kind/network/net}"; done
  payload sh -c 'id -u; cat /proc/self/uid_map; readlink /proc/self/ns/user; readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; echo x >/dev/null'
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]} ${lines[1]// /}" = "0 0420000065536" ]
  [ "${lines[2]}" = "$(readlink "/proc/$PEER_PID/ns/user")" ]
  [ "${lines[3]}" = "$(readlink "/proc/$PEER_PID/ns/net")" ]
  [ "${lines[4]}" != "$(readlink "/proc/$PEER_PID/ns/ipc")" ]
  [ "${lines[4]}" != "$(readlink /proc/self/ns/ipc)" ]
}

@test "a new user namespace beside joined ones of the host's side" {
  start_peer
  with_user
  config 'del(.hostname)'
  for kind in network ipc uts; do join_ns "$kind" "/proc/$PEER_PID/ns/${kind/network/net}"; done
  own=$(readlink /proc/self/ns/net)
  inside_namespaces >"$BATS_TEST_TMPDIR/inside"
  for kind in net ipc uts; do grep -qx -F "$kind $(readlink "/proc/$PEER_PID/ns/$kind")" "$BATS_TEST_TMPDIR/inside"; done
  [ "$(grep -cx -F "user $(readlink /proc/self/ns/user)" "$BATS_TEST_TMPDIR/inside")" = 0 ]
  [ "$(readlink /proc/self/ns/net)" = "$own" ]
}

# The host's, as far as the test could have made them: others' run beside it.
own_mounts() {
  grep -F "$BATS_TEST_TMPDIR" /proc/self/mountinfo || true
}

# Its root is a copy of what was put together elsewhere: nothing is mounted where others could see it.
@test "without a mount namespace the container is in the host's, with mounts, masks and a root of its own" {
  mkdir "$BATS_TEST_TMPDIR/volume" "$BUNDLE/rootfs/hidden"
  mount -t tmpfs volume "$BATS_TEST_TMPDIR/volume"
  mkdir "$BATS_TEST_TMPDIR/volume/inside"
  echo secret >"$BUNDLE/rootfs/hidden/file"
  config --arg volume "$BATS_TEST_TMPDIR/volume" '.linux.namespaces |= map(select(.type != "mount"))
    | .mounts += [{destination: "/data", type: "bind", source: $volume, options: ["rbind", "ro"]},
        {destination: "/fresh", type: "tmpfs", source: "tmpfs"}]
    | .linux.maskedPaths += ["/hidden"] | .root.readonly = true'
  before=$(own_mounts)
  payload sh -c 'readlink /proc/self/ns/mnt; echo $(ls /data /hidden /../fresh); touch /x /data/x; touch /fresh/x && echo written; echo x >/dev/null
    cat /proc/self/mountinfo; exec sleep 1000'
  run_detached
  wait_for grep -q written "$OUT"
  cat "$OUT"
  grep -qx -F "$(readlink /proc/self/ns/mnt)" "$OUT"
  grep -qx '/../fresh: /data: inside /hidden:' "$OUT"
  [ "$(grep -c 'Read-only file system' "$OUT")" = 2 ]
  [ "$(tail -n 1 "$OUT")" = written ]
  [ "$(own_mounts)" = "$before" ]
  run rundlet exec "$ID" sh -c 'readlink /proc/self/ns/mnt; ls /fresh; ls -d /../data; pwd' </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[*]}" = "$(readlink /proc/self/ns/mnt) x /../data /" ]
  echo '[{"destination": "/more", "type": "tmpfs"}]' >"$BATS_TEST_TMPDIR/more.json"
  for verb in add remove; do
    run rundlet mounts "$verb" "$ID" "$BATS_TEST_TMPDIR/more.json"
    [ "$status" = 1 ]
    [[ $output = *"linux.namespaces: its mount namespace is not its own" ]]
  done
  [ "$(own_mounts)" = "$before" ]
  rundlet delete --force "$ID"
  wait_for umount "$BATS_TEST_TMPDIR/volume" # nothing of the tree is left that would hold it
}

@test "who shares a mount namespace cannot let mounts travel, nor have a new user namespace" {
  config '.linux.namespaces |= map(select(.type != "mount"))'
  cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/kept"
  while read -r words filter; do
    cp "$BATS_TEST_TMPDIR/kept" "$BUNDLE/config.json"
    config "$filter"
    refused "${words//_/ }"
  done <<'END'
linux.rootfsPropagation:_rshared:_needs_a_mount_namespace_of_its_own .linux.rootfsPropagation = "rshared"
mounts[0].options:_nothing_but_private_without .mounts[0].options = ["unbindable"]
linux.namespaces:_a_user_namespace_needs_a_mount_namespace_too .linux.namespaces += [{type: "user", path: "/proc/self/ns/user"}]
END
}

# As an engine does it that has put the root together in a namespace of its own.
@test "a joined mount namespace has the root.path and the sources; it stays as it is, and its processes where they are" {
  mkdir "$BATS_TEST_TMPDIR/source"
  unshare --mount --propagation private sh -c 'cp -a "$1" "$2" && mount -t tmpfs only-there "$1" && cp -a "$2/." "$1" &&
    touch "$1/only-there" && mount -t tmpfs source "$3" && touch "$3/too" && echo $$ >"$2.pid" && exec sleep 1000' \
    sh "$BUNDLE/rootfs" "$BATS_TEST_TMPDIR/copy" "$BATS_TEST_TMPDIR/source" 3>&- 4>&- &
  wait_for test -s "$BATS_TEST_TMPDIR/copy.pid"
  other=$(cat "$BATS_TEST_TMPDIR/copy.pid")
  join_ns mount "/proc/$other/ns/mnt"
  config --arg source "$BATS_TEST_TMPDIR/source" '.mounts += [{destination: "/mnt", type: "bind", source: $source, options: ["bind", "ro"]}]'
  before=$(cat "/proc/$other/mountinfo") host=$(own_mounts)
  payload sh -c 'readlink /proc/self/ns/mnt; ls -d /only-there; ls /mnt; pwd; echo $$; exec sleep 1000'
  run_detached
  wait_for grep -qx 1 "$OUT"
  [ "$(tr '\n' ' ' <"$OUT")" = "$(readlink "/proc/$other/ns/mnt") /only-there too / 1 " ]
  run rundlet exec "$ID" sh -c 'readlink /proc/self/ns/mnt; ls -d /only-there; ls /mnt' </dev/null
  [ "${lines[*]}" = "$(readlink "/proc/$other/ns/mnt") /only-there too" ]
  [ "$(cat "/proc/$other/mountinfo")" = "$before" ]
  [ "$(own_mounts)" = "$host" ]
  rundlet delete --force "$ID"
  [ "$(cat "/proc/$other/mountinfo")" = "$before" ]
  [ -e "/proc/$other/root$BUNDLE/rootfs/only-there" ]
  kill "$other"
  config '.mounts |= .[:-1] | .linux.namespaces |= map(del(.path))'
  start_peer # there is no such path in the root of a container
  join_ns mount "/proc/$PEER_PID/ns/mnt"
  refused "root.path: open $BUNDLE/rootfs "
}

@test "a path that is no such namespace is one error that names it, and nothing blocks" {
  touch "$BATS_TEST_TMPDIR/file"
  mkfifo "$BATS_TEST_TMPDIR/fifo"
  mkdir "$BATS_TEST_TMPDIR/folder"
  for path in /nonexistent/ns "$BATS_TEST_TMPDIR"/{file,fifo,folder} /proc/self/ns/uts /proc/self/mem /dev/zero; do
    echo "path $path"
    join_ns network "$path"
    index=$(jq '[.linux.namespaces[].type] | index("network")' "$BUNDLE/config.json")
    refused "linux.namespaces[$index].path: "
    [[ $output = *"$path"* ]]
  done
}

@test "a type twice, a relative path, an unknown type are refused" {
  config '.linux.namespaces += [{type: "ipc"}]'
  refused "ipc is there twice"
  config '.linux.namespaces |= (map(select(.type != "ipc")) + [{type: "ipc", path: "proc/self/ns/ipc"}])'
  refused "linux.namespaces[5].path: not an absolute path"
  config '.linux.namespaces[5] = {type: "nonsense"}'
  refused "linux.namespaces[5].type"
}

# --- user ----------------------------------------------------------------------------------------------------------
@test "id maps are exact, and files belong to mapped ids" {
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 4200000, size: 1000}, {containerID: 1000, hostID: 4210000, size: 7}]
    | .linux.gidMappings = [{containerID: 0, hostID: 4220000, size: 100}, {containerID: 200, hostID: 4230000, size: 1}]
    | .process.user = {uid: 1001, gid: 200, additionalGids: [5, 77]}'
  chmod 777 "$BUNDLE/rootfs/mnt"
  run run_payload sh -c 'cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id -u; id -G; touch /mnt/made; stat -c %u:%g /dev /proc/1 /mnt/made /mnt'
  echo "$output"
  [ "$status" = 0 ]
  lines=("${lines[@]//  / }")
  lines=("${lines[@]// /_}")
  want=(0 4200000 1000 1000 4210000 7 0 4220000 100 200 4230000 1 allow 1001 200 5 77 0:0 1001:200 1001:200 65534:65534)
  read -r -a got <<<"$(tr '_' ' ' <<<"${lines[*]}")"
  [ "${got[*]}" = "${want[*]}" ]
  [ "$(stat -c %u:%g "$BUNDLE/rootfs/mnt/made")" = 4210001:4230000 ]
  for filter in 'del(.linux.gidMappings)' '.linux.gidMappings = []' '.process.user.uid = 1007'; do
    cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/kept"
    config "$filter"
    run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
    echo "$output"
    [ "$status" = 1 ]
    cp "$BATS_TEST_TMPDIR/kept" "$BUNDLE/config.json"
  done
}

# --- time ----------------------------------------------------------------------------------------------------------
@test "time offsets hold for init and for exec, and need a new time namespace" {
  config '.linux.timeOffsets = {boottime: {secs: 500000, nanosecs: 5}, monotonic: {secs: 700000}}'
  refused "linux.timeOffsets: needs a new time namespace"
  config '.linux.namespaces += [{type: "time"}]'
  payload sh -c 'cut -d. -f1 /proc/uptime; exec sleep 1000'
  run_detached
  wait_for test -s "$OUT"
  now=$(cut -d. -f1 /proc/uptime)
  for seen in "$(cat "$OUT")" "$(rundlet exec "$ID" cut -d. -f1 /proc/uptime </dev/null)"; do
    [ $((seen - now)) -ge 499900 ]
    [ $((seen - now)) -le 500100 ]
  done
  awk '{ print $1, $2, $3 }' "/proc/$(init_pid)/timens_offsets" | tr '\n' ' ' | grep -qx 'monotonic 700000 0 boottime 500000 5 '
  [ "$(readlink "/proc/$(init_pid)/ns/time")" != "$(readlink /proc/self/ns/time)" ]
}

# --- uts, network, ipc, cgroup -------------------------------------------------------------------------------------
@test "hostname and domainname are the container's alone" {
  before=$(hostname)
  config '.hostname = "inside" | .domainname = "example.test"'
  payload sh -c 'hostname; cat /proc/sys/kernel/domainname; exec sleep 1000'
  run_detached
  wait_for grep -q example "$OUT"
  [ "$(cat "$OUT")" = $'inside\nexample.test' ]
  [ "$(rundlet exec "$ID" hostname </dev/null)" = inside ]
  [ "$(hostname)" = "$before" ]
  quietly delete --force "$ID"
  config '.linux.namespaces |= map(select(.type != "uts"))'
  refused "hostname: needs a uts namespace"
  config 'del(.hostname)'
  refused "domainname: needs a uts namespace"
  config 'del(.domainname) | .hostname = ("x" * 65) | .linux.namespaces += [{type: "uts"}]'
  refused "hostname: longer than 64 bytes"
}

@test "a new network namespace has loopback up; the host's network is whole" {
  run run_payload sh -c 'ls /sys/class/net; ifconfig lo'
  echo "$output"
  [[ ${lines[0]} = lo ]]
  [[ $output = *"inet addr:127.0.0.1"*UP*LOOPBACK* ]]
  ip link add "$(printf 'v%.10s' "$$")" type veth peer name "$(printf 'w%.10s' "$$")"
  config '.linux.namespaces |= map(select(.type != "network")) | .mounts |= map(select(.type != "sysfs"))'
  run run_payload sh -c 'cat /proc/net/dev; ls -l /proc/self/ns/net'
  ip link delete "$(printf 'v%.10s' "$$")"
  echo "$output"
  [[ $output = *"v$$"* ]]
  [[ $output = *"$(readlink /proc/self/ns/net)"* ]]
}

@test "message queues are the ipc namespace's: new is empty, joined shows them" {
  start_peer sh -c 'touch /dev/mqueue/here; exec sleep 1000'
  wait_for test -e "/proc/$PEER_PID/root/dev/mqueue/here"
  run run_payload ls /dev/mqueue
  [ "$status" = 0 ]
  [ -z "$output" ]
  join_ns ipc "/proc/$PEER_PID/ns/ipc"
  run run_payload ls /dev/mqueue
  echo "$output"
  [ "$output" = here ]
}

@test "a cgroup namespace begins at the container's cgroup" {
  run run_payload sh -c 'grep ^0:: /proc/self/cgroup; grep " /sys/fs/cgroup " /proc/self/mountinfo | cut -d" " -f4; cat /sys/fs/cgroup/cgroup.procs'
  echo "$output"
  [ "${lines[*]:0:3}" = "0::/ / 1" ]
  config '.linux.namespaces |= map(select(.type != "cgroup"))'
  run run_payload grep ^0:: /proc/self/cgroup
  echo "$output"
  [ "$output" = "0::/$ID" ]
}

# --- pid -----------------------------------------------------------------------------------------------------------
@test "with the pid namespace of the host the container is seen under one number" {
  config '.linux.namespaces |= map(select(.type != "pid"))'
  payload sh -c 'echo $$; set -- /proc/[0-9]*; echo $#; exec sleep 1000'
  run_detached
  wait_for eval '[ "$(wc -l <"$OUT")" = 2 ]'
  [ "$(head -n 1 "$OUT")" = "$(init_pid)" ]
  [ "$(tail -n 1 "$OUT")" -ge 3 ]
}

@test "in a joined pid namespace the container has a number of its own, and kill and delete work" {
  start_peer
  join_ns pid "/proc/$PEER_PID/ns/pid"
  payload sh -c 'trap "echo got; exit 5" TERM; echo $$; echo ready; while :; do sleep 0.1; done'
  create
  pid=$(init_pid)
  [ "$(readlink "/proc/$pid/ns/pid")" = "$(readlink "/proc/$PEER_PID/ns/pid")" ]
  start
  wait_for grep -q ready "$OUT"
  quietly start "$ID-none" && false
  quietly kill "$ID" TERM
  wait_for is_status stopped
  [ -d "/proc/$PEER_PID" ]
  quietly delete "$ID"
  payload sh -c 'echo $$; exit 9'
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 9 ]
  [ "$output" -gt 1 ]
}

# Pid 1 of the joined namespace may trace whatever is its own; it looks at each newcomer as often as it can.  All that it
# may see is programs of the root: never ours, never a folder or a descriptor of the host.
# bats test_tags=native
@test "nothing of the runtime can be seen by a pid 1 that watches who joins" {
  with_user
  config '.process.capabilities |= with_entries(.value = ["CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_KILL"])'
  start_peer sh -c '
    echo watching
    while :; do
      for folder in /proc/[0-9]*; do
        case $folder in /proc/1) continue ;; esac
        program=$(readlink $folder/exe) || continue
        case $program in /bin/busybox) ;; /usr/sleep) echo met ;; *) echo "saw $program" ;; esac
        [ ! -e $folder/root/etc/hosts ] || echo "saw another root"
      done 2>/dev/null
    done'
  rounds=10
  [ -z "${IN_VM:-}" ] || rounds=2
  config 'del(.linux.uidMappings, .linux.gidMappings, .hostname)'
  for kind in user pid; do join_ns "$kind" "/proc/$PEER_PID/ns/$kind"; done
  for folder in "$BUNDLE" "$BATS_TEST_TMPDIR/peer"; do cp "$BUNDLE/rootfs/bin/busybox" "$folder/rootfs/usr/sleep"; done
  payload /usr/sleep 0.3
  for _ in $(seq "$rounds"); do
    rundlet exec "$ID-peer" /usr/sleep 0.3 </dev/null
    rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  done
  sort "$OUT" | uniq -c
  grep -qx met "$OUT" # it does look
  [ "$(grep -c saw "$OUT")" = 0 ]
}

# --- kernel parameters ---------------------------------------------------------------------------------------------
@test "kernel parameters are set in the container's namespaces and unchanged on the host" {
  names='net/ipv4/ip_unprivileged_port_start kernel/shm_rmid_forced fs/mqueue/msg_max kernel/domainname net/ipv4/ping_group_range'
  before=$(cd /proc/sys && cat $names)
  config '.linux.sysctl = {"net.ipv4.ip_unprivileged_port_start": "77", "kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "12",
    "kernel.domainname": "by.sysctl", "net/ipv4/ping_group_range": "0 5"}'
  run run_payload sh -c "cd /proc/sys && cat $names"
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[*]}" = "77 1 12 by.sysctl 0	5" ]
  [ "$(cd /proc/sys && cat $names)" = "$before" ]
  with_user
  config '.linux.sysctl |= del(.["kernel.shm_rmid_forced"], .["fs.mqueue.msg_max"])' # not in user namespaces before 6.10
  names=${names//kernel\/shm_rmid_forced fs\/mqueue\/msg_max/}
  run run_payload sh -c "cd /proc/sys && cat $names"
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[*]}" = "77 by.sysctl 0	5" ]
}

@test "kernel parameters of the host, of no namespace or of no name are refused" {
  while read -r name type; do
    cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/kept"
    config --arg type "$type" --arg name "$name" 'del(.hostname) | .linux.namespaces |= map(select(.type != $type)) | .linux.sysctl = {($name): "1"}'
    refused "linux.sysctl.$name: "
    cp "$BATS_TEST_TMPDIR/kept" "$BUNDLE/config.json"
  done <<-'EOT'
	net.ipv4.ip_forward network
	kernel.shmmax ipc
	kernel.domainname uts
	kernel.core_pattern none
	kernel.hostname none
	vm.overcommit_memory none
	net.ipv4/../../kernel/core_pattern none
	../etc/passwd none
	EOT
  config '.linux.sysctl = {"net.no.such": "1"}'
  refused "linux.sysctl"
  config '.linux.sysctl = {"net.ipv4.ip_forward": "many"}'
  refused "linux.sysctl"
}
