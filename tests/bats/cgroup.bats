#!/usr/bin/env bats
# The container's cgroup: where it lies, who may change it, what the container does below it, how it ends.  In the machine
# with systemd they run under its driver, but for those with the tag "cgroupfs".

load helpers
load cgroups

# --- where it lies ---------------------------------------------------------------------------------------------------
# bats test_tags=cgroupfs
@test "an absolute cgroupsPath: parents are made and go again; init is there when create returns" {
  config --arg path "/parent-$ID/deep/$ID" '.linux.cgroupsPath = $path'
  create
  grep -qx "0::/parent-$ID/deep/$ID" "/proc/$(init_pid)/cgroup"
  start
  rundlet exec "$ID" sleep 1000 </dev/null >"$OUT" 2>&1 &
  wait_for eval '[ "$(wc -l <"$CGROUPS/parent-$ID/deep/$ID/cgroup.procs")" = 2 ]'
  rundlet delete --force "$ID"
  wait || true
  gone "$CGROUPS/parent-$ID"
}

# bats test_tags=cgroupfs
@test "a relative cgroupsPath and none at all are below /rundlet" {
  config --arg path "deep-$ID/box" '.linux.cgroupsPath = $path'
  create
  grep -qx "0::/rundlet/deep-$ID/box" "/proc/$(init_pid)/cgroup"
  rundlet delete "$ID"
  gone "$CGROUPS/rundlet/deep-$ID"
  config 'del(.linux.cgroupsPath)'
  create
  grep -qx "0::/rundlet/$ID" "/proc/$(init_pid)/cgroup"
  rundlet delete "$ID"
  gone "$CGROUPS/rundlet/$ID"
}

# bats test_tags=cgroupfs
@test "a cgroupsPath that leads elsewhere or speaks to systemd is refused, and so is --systemd-cgroup" {
  for path in ../x "/$ID/../../x" "/$ID/./x" "/$ID//x"; do
    config --arg path "$path" '.linux.cgroupsPath = $path'
    refused "linux.cgroupsPath: " create --bundle "$BUNDLE" "$ID"
  done
  config '.linux.cgroupsPath = "system.slice:rundlet:box"'
  refused "linux.cgroupsPath: system.slice:rundlet:box: " create --bundle "$BUNDLE" "$ID"
  [[ $output = *systemd* ]]
  config --arg path "/$ID" '.linux.cgroupsPath = $path'
  refused systemd --systemd-cgroup create --bundle "$BUNDLE" "$ID"
  nothing_left
}

# bats test_tags=cgroupfs
@test "a cgroup that exists is taken when it is empty, and stays; with a process, a child or frozen it is refused" {
  mkdir "$CGROUPS/$ID"
  create
  grep -qx "0::/$ID" "/proc/$(init_pid)/cgroup"
  rundlet delete "$ID"
  [ -d "$CGROUPS/$ID" ]
  mkdir "$CGROUPS/$ID/child"
  refused "use the cgroup /$ID: it has the child child already" create --bundle "$BUNDLE" "$ID"
  rmdir "$CGROUPS/$ID/child"
  echo 1 >"$CGROUPS/$ID/cgroup.freeze"
  refused "use the cgroup /$ID: it is frozen" create --bundle "$BUNDLE" "$ID"
  echo 0 >"$CGROUPS/$ID/cgroup.freeze"
  sleep 1000 3>&- 4>&- &
  other=$!
  echo "$other" >"$CGROUPS/$ID/cgroup.procs"
  refused "use the cgroup /$ID: process $other is in it already" create --bundle "$BUNDLE" "$ID"
  kill -0 "$other"
  kill "$other"
  wait "$other" || true
  [ -d "$CGROUPS/$ID" ]
  rmdir "$CGROUPS/$ID"
}

# bats test_tags=cgroupfs
@test "two containers are not put into one cgroup, and deleting the second attempt leaves the first alone" {
  run_detached
  refused "use the cgroup /$ID: process " create --bundle "$BUNDLE" "$ID-second"
  rundlet delete --force "$ID-second"
  is_status running
}

@test "with a cgroup namespace the container sees itself at the root, without one where it is" {
  run run_payload sh -c 'grep ^0: /proc/self/cgroup; ls /sys/fs/cgroup | grep -x cgroup.procs; mkdir /sys/fs/cgroup/x'
  echo "$output"
  [ "$status" != 0 ]
  [ "${lines[0]}" = 0::/ ]
  [ "${lines[1]}" = cgroup.procs ]
  [[ ${lines[2]} = *"Read-only file system"* ]]
  config '.linux.namespaces |= map(select(.type != "cgroup"))'
  run run_payload sh -c 'grep ^0: /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs; 
    ls -d /sys/fs/cgroup/tests /sys/fs/cgroup/init.scope'
  echo "$output"
  [ "${lines[0]}" = "0::${CGROUP#"$CGROUPS"}" ]
  [ "${lines[1]}" = 1 ]
  [[ $output = *"No such file"* ]]
}

@test "the cgroup belongs to the container's root only with a user and a cgroup namespace and a mount to write to" {
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
  chown -R 100000:100000 "$BUNDLE/rootfs"
  create
  [ "$(stat -c %u "$CGROUP" "$CGROUP/cgroup.procs" | sort -u)" = 0 ]
  rundlet delete "$ID"
  writable_cgroup
  payload sh -c 'mkdir /sys/fs/cgroup/mine && echo 1 >/sys/fs/cgroup/mine/cgroup.procs && echo moved
    cd /sys/fs/cgroup; for file in cgroup.max.depth memory.max pids.max cpu.max; do
      [ ! -e $file ] || { echo 5 >$file && echo "$file written"; } 2>&1; done; echo tried; sleep 1000'
  create
  [ "$(stat -c %u "$CGROUP" "$CGROUP"/cgroup.{procs,threads,subtree_control} | sort -u)" = 100000 ]
  # All that the kernel lists for it, and nothing else.
  for file in "$CGROUP"/*; do
    case $(stat -c %u "$file") in
      100000) grep -qx "${file##*/}" /sys/kernel/cgroup/delegate ;;
      *) ! grep -qx "${file##*/}" /sys/kernel/cgroup/delegate ;;
    esac || { echo "${file##*/} belongs to $(stat -c %u "$file")"; false; }
  done
  start
  wait_for grep -q . "$CGROUP/mine/cgroup.procs"
  wait_for grep -q tried "$OUT"
  grep -qx moved "$OUT"
  [ "$(grep -c written "$OUT")" = 0 ]
  grep -q 'cgroup.max.depth: Permission denied' "$OUT"
  rundlet pause "$ID"
  is_status paused
  rundlet delete --force "$ID"
  # A kernel that says nothing of it: the three files that the spec names.  (No user namespace mounts a sysfs that is
  # covered somewhere.)
  config '.mounts |= map(if .destination == "/sys" then {destination: "/sys", type: "tmpfs"} else . end)'
  unshare --mount sh -c 'mount -t tmpfs none /sys/kernel/cgroup && exec "$@"' sh timeout "$LIMIT" "$RUNTIME" --root "$ROOT" \
    "${DRIVER_OPTIONS[@]}" create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 3>&- 4>&- || { cat "$OUT"; false; }
  [ "$(find "$CGROUP" -mindepth 1 -uid 100000 -printf '%f\n' | sort | xargs)" = "cgroup.procs cgroup.subtree_control cgroup.threads" ]
  rundlet delete --force "$ID"
  nothing_left
}

# bats test_tags=cgroupfs
@test "a cgroup above that takes no more, and a mount that is read-only, are said in words" {
  mkdir "$CGROUPS/parent-$ID"
  config --arg path "/parent-$ID/box/in" '.linux.cgroupsPath = $path'
  for file in cgroup.max.descendants cgroup.max.depth; do
    echo 0 >"$CGROUPS/parent-$ID/$file"
    run rundlet create --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output = *"make the cgroup $CGROUPS/parent-$ID/box: a cgroup above it takes no more (cgroup.max.descendants, cgroup.max.depth)" ]]
    # The second of two levels is one too many: the first goes again.
    echo 1 >"$CGROUPS/parent-$ID/$file"
    run rundlet create --bundle "$BUNDLE" "$ID"
    [ "$status" = 1 ]
    gone "$CGROUPS/parent-$ID/box"
    echo max >"$CGROUPS/parent-$ID/$file"
  done
  rmdir "$CGROUPS/parent-$ID"
  # shellcheck disable=SC2016 # for the inner shell
  run timeout "$LIMIT" unshare --mount sh -c 'mount -o remount,bind,ro "$1" && shift && exec "$@"' sh "$CGROUPS" \
    "$RUNTIME" --root "$ROOT" create --bundle "$BUNDLE" "$ID" 3>&- 4>&-
  echo "$output"
  [ "$status" = 1 ]
  [ "$output" = "rundlet: error: create $ID: make the cgroup $CGROUPS/parent-$ID: Read-only file system" ]
  nothing_left
}

@test "root of a container without a user namespace makes sub-cgroups, and its own limits are the runtime's" {
  writable_cgroup
  has_controller memory && config '.linux.resources.memory = {limit: 67108864}'
  run run_payload sh -c 'cd /sys/fs/cgroup; mkdir mine && echo 1 >mine/cgroup.procs && head -n 1 mine/cgroup.procs
    for file in memory.max pids.max cgroup.max.depth cgroup.freeze; do
      [ ! -e $file ] || { echo 5 >$file && echo "$file written"; } 2>/dev/null
    done; [ ! -e memory.max ] || cat memory.max; true'
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = 1 ]
  # Without nsdelegate root is root; with it the border is the cgroup namespace.
  if grep -q ' cgroup2 .*nsdelegate' /proc/mounts; then
    [[ $output != *written* ]]
    ! has_controller memory || [ "${lines[1]}" = 67108864 ]
  fi
  nothing_left
}

# --- what the container does below its cgroup ------------------------------------------------------------------------
@test "sub-cgroups of the container: ps, pause and exec know them, delete takes them along" {
  writable_cgroup
  payload sh -c 'cd /sys/fs/cgroup; mkdir -p a/b/c init; echo 1 >init/cgroup.procs; sleep 1000 &
    echo $! >a/b/c/cgroup.procs; for c in $(cat cgroup.controllers); do echo +$c >cgroup.subtree_control; done; wait'
  run_detached
  wait_for grep -q . "$CGROUP/a/b/c/cgroup.procs"
  wait_for eval '[ "$(value cgroup.subtree_control)" = "$(value cgroup.controllers)" ]'
  [ "$(rundlet ps --format json "$ID" | jq length)" = 2 ]
  # The kernel takes no process into a cgroup that hands controllers down: exec goes where init is.
  run rundlet exec "$ID" sh -c 'grep ^0: /proc/self/cgroup' </dev/null
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = 0::/init ] || [ "$output" = 0::/ ]
  rundlet pause "$ID"
  grep -qx 'frozen 1' "$CGROUP/a/b/c/cgroup.events"
  rundlet delete --force "$ID"
  nothing_left
}

@test "exec --cgroup: a cgroup below the container's own, and no other way" {
  writable_cgroup
  payload sh -c 'cd /sys/fs/cgroup; mkdir -p a/b; echo >/tmp/ready; sleep 1000'
  run_detached
  wait_for test -e "$BUNDLE/rootfs/tmp/ready"
  mkdir "${CGROUP}x"
  where() { rundlet exec --cgroup "$1" "$ID" sed -n 's/^0:://p' /proc/self/cgroup </dev/null; }
  [ "$(where a/b)" = /a/b ]
  [ "$(where /a)" = /a ]
  [ "$(where /)" = / ]
  for path in .. ../x "../${ID}x" a/../../b ./a "a/b/../.." $'a\nb' absent "/${ID}x" "x"; do
    run where "$path"
    echo "$path: $output"
    [ "$status" = 255 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output = *"--cgroup "* ]]
    [ -z "$(cat "${CGROUP}x/cgroup.procs")" ]
  done
  rmdir "${CGROUP}x"
  # One that hands controllers down takes no process, and none was meant but this one.
  if has_controller memory; then
    payload sh -c 'cd /sys/fs/cgroup; mkdir -p a/b init; echo 1 >init/cgroup.procs; echo +memory >cgroup.subtree_control
      echo +memory >a/cgroup.subtree_control; echo >/tmp/again; sleep 1000'
    rundlet delete --force "$ID"
    config '.linux.resources.memory.limit = 67108864'
    run_detached
    wait_for test -e "$BUNDLE/rootfs/tmp/again"
    [ "$(where a/b)" = /a/b ]
    run where a
    echo "$output"
    [ "$status" = 255 ]
    [[ $output = *"Device or resource busy"* ]]
    [ "$(rundlet exec "$ID" sed -n 's/^0:://p' /proc/self/cgroup </dev/null)" = /init ]
  fi
}

@test "a threaded sub-cgroup is no obstacle to ps, kill and delete" {
  writable_cgroup
  payload sh -c 'cd /sys/fs/cgroup; mkdir t; echo threaded >t/cgroup.type; echo 1 >t/cgroup.threads; sleep 1000; true'
  run_detached
  wait_for grep -q . "$CGROUP/t/cgroup.threads"
  [ "$(value cgroup.type)" = "domain threaded" ]
  wait_for eval '[ "$(rundlet ps --format json "$ID" | jq length)" = 2 ]'
  rundlet exec "$ID" true </dev/null
  rundlet pause "$ID"
  rundlet resume "$ID"
  rundlet kill --all "$ID" KILL
  wait_for is_status stopped
  rundlet delete "$ID"
  nothing_left
}

# --- when things go wrong --------------------------------------------------------------------------------------------
# Another one takes the container's processes away, and its cgroup with them.
robbed() {
  run_detached
  mkdir -p "$CGROUPS/other-$ID"
  init_pid >"$CGROUPS/other-$ID/cgroup.procs"
  wait_for eval 'rmdir "$CGROUP" || [ ! -e "$CGROUP" ]'
}

# bats test_tags=cgroupfs
@test "a cgroup that was removed behind our back while the container lives: every command says so, none runs outside" {
  robbed
  is_status running
  rundlet list | grep -q "$ID.*running"
  [ "$(rundlet ps --format json "$ID")" = "[$(init_pid)]" ]
  refused "pause: $ID: its cgroup /$ID is gone" pause "$ID"
  refused "not paused" resume "$ID"
  refused "kill $ID: --all: its cgroup /$ID is gone" kill --all "$ID" TERM
  refused "its cgroup /$ID is gone" update --pids-limit 5 "$ID"
  run rundlet exec "$ID" true </dev/null
  echo "$output"
  [ "$status" = 255 ]
  [[ $output = *"exec in $ID: its cgroup /$ID is gone" ]]
  run rundlet exec --cgroup sub "$ID" true </dev/null
  [ "$status" = 255 ]
  [[ $output = *"--cgroup sub: its cgroup /$ID is gone" ]]
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  rundlet delete "$ID"
  robbed
  # Another's cgroup of the same name is not ours.
  mkdir "$CGROUP"
  refused "its cgroup /$ID is gone" pause "$ID"
  rundlet delete --force "$ID"
  rmdir "$CGROUPS/other-$ID"
  [ ! -e "$CGROUP" ] || rmdir "$CGROUP"
}

@test "a cgroup that was removed behind our back: stopped, and deleted without a word" {
  run_detached
  kill -KILL "$(init_pid)"
  wait_for eval 'rmdir "$CGROUP" || [ ! -e "$CGROUP" ]'
  is_status stopped
  run rundlet delete "$ID"
  [ "$status" = 0 ]
  [ -z "$output" ]
}

@test "delete --force with a corrupt or a missing record finds the cgroup by its label and kills what lives there" {
  for damage in 'echo "{" >"$ROOT/$ID/state.json"' 'rm -r "${ROOT:?}/$ID"'; do
    run_detached
    pid=$(init_pid)
    eval "$damage"
    run rundlet delete "$ID"
    [ "$status" = 1 ]
    kill -0 "$pid"
    run rundlet delete --force "$ID"
    echo "$output"
    [ "$status" = 0 ]
    nothing_left
    wait_for eval '! kill -0 "$pid"'
  done
}

@test "delete --force touches no cgroup that is another container's" {
  run_detached
  mkdir "$ROOT.other"
  run rundlet --root "$ROOT.other" delete --force "$ID"
  echo "$output"
  [ "$status" = 0 ]
  is_status running
  [ -n "$(value cgroup.procs)" ]
}

@test "twenty containers at once, in cgroups below one parent" {
  config 'del(.linux.cgroupsPath)'
  payload sh -c 'grep ^0: /proc/self/cgroup'
  for n in $(seq 20); do
    rundlet run --bundle "$BUNDLE" "$ID-$n" </dev/null >"$BATS_TEST_TMPDIR/out.$n" 2>&1 &
    pids[n]=$!
  done
  for n in $(seq 20); do
    wait "${pids[n]}" || { echo "$n: $?"; cat "$BATS_TEST_TMPDIR/out.$n"; false; }
    [ "$(cat "$BATS_TEST_TMPDIR/out.$n")" = 0::/ ]
  done
  [ -z "$(ls "$ROOT")" ]
}
