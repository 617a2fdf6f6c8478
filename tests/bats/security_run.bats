#!/usr/bin/env bats
# Who a process in a container is: run, create and start, and exec must give the same confinement, bit by bit.

load helpers
load canary

setup() {
  bundle_setup
  cp "$PROBE" "$BUNDLE/rootfs/bin/probe"
  IMAGE=$BUNDLE/rootfs
}

# A line of a fingerprint: value 'status CapEff:' <FILE
value() {
  sed -n "s/^$1[[:space:]]*//p" | tr '\t' ' '
}

sets() { # the five capability sets of the fingerprint on standard input: inh prm eff bnd amb
  awk '$2 ~ /^Cap/ { printf "%s%s", sep, $3; sep = " " } END { print "" }' | sed 's/\b0*\([0-9a-f]\)/\1/g'
}

print_exec() { # [OPTION...]: the fingerprint of an exec
  rundlet exec "$@" "$ID" probe fp </dev/null
}

@test "run, create and start, and exec give the same fingerprint" {
  config '.process.rlimits = [{type: "RLIMIT_CORE", soft: 0, hard: 0}, {type: "RLIMIT_NOFILE", soft: 200, hard: 400}]
    | .process.user = {uid: 1000, gid: 1000, umask: 23, additionalGids: [77, 5]} | .process.cwd = "/tmp"
    | .process.capabilities |= (.inheritable = ["CAP_KILL"] | .ambient = ["CAP_KILL"])
    | .process.oomScoreAdj = 333 | .root.readonly = true | .linux.rootfsPropagation = "private"
    | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdirat"], action: "SCMP_ACT_ERRNO"}]}
    | .annotations = {"org.example.unknown": "x", "run.oci.unknown": "y"}'
  checks=(read:/proc/kcore read:/proc/keys read:/proc/timer_list read:/sys/firmware write:/proc/sys/kernel/core_pattern
    write:/proc/sysrq-trigger write:/proc/irq write:/proc/bus write:/proc/fs write:/sys/fs/cgroup/cgroup.procs write:/sys
    write:/etc write:/tmp write:/dev/null write:/dev/kmsg write:/proc/self/oom_score_adj)
  payload probe stay "${checks[@]}"
  OUT=$BATS_TEST_TMPDIR/out.run run_detached
  wait_for grep -qx end "$BATS_TEST_TMPDIR/out.run"
  rundlet delete --force "$ID"
  OUT=$BATS_TEST_TMPDIR/out.create create
  start
  wait_for grep -qx end "$BATS_TEST_TMPDIR/out.create"
  rundlet exec "$ID" probe fp "${checks[@]}" </dev/null >"$BATS_TEST_TMPDIR/out.exec" 2>&1
  for way in run create exec; do
    # What stdout is differs; namespaces of two containers differ; the lines of masks and descriptors have no order.
    grep -v -x end "$BATS_TEST_TMPDIR/out.$way" | sed 's/^\(fd [12]\) .*/\1/' >"$BATS_TEST_TMPDIR/print.$way"
  done
  cat "$BATS_TEST_TMPDIR/print.create"
  diff "$BATS_TEST_TMPDIR/print.create" "$BATS_TEST_TMPDIR/print.exec"
  diff <(sed 's/^\(ns .*\):.*/\1/' "$BATS_TEST_TMPDIR/print.run") <(sed 's/^\(ns .*\):.*/\1/' "$BATS_TEST_TMPDIR/print.create")
  # And it is what was asked.
  print=$(cat "$BATS_TEST_TMPDIR/print.create")
  [ "$(value 'status Uid:' <<<"$print")" = '1000 1000 1000 1000' ]
  [ "$(value 'status Gid:' <<<"$print")" = '1000 1000 1000 1000' ]
  [ "$(value 'status Groups:' <<<"$print")" = '5 77 ' ]
  [ "$(value 'status Umask:' <<<"$print")" = 0027 ]
  [ "$(sets <<<"$print")" = '20 20 20 200004e1 20' ]
  [ "$(value 'status NoNewPrivs:' <<<"$print")" = 1 ]
  [ "$(value 'status Seccomp:' <<<"$print")" = 2 ]
  [ "$(value 'status Seccomp_filters:' <<<"$print")" = 1 ]
  [ "$(value securebits <<<"$print") $(value dumpable <<<"$print") $(value pdeathsig <<<"$print")" = '0 1 0' ]
  [ "$(value session <<<"$print")" = own ]
  [ "$(value tty <<<"$print")" = ENXIO ]
  [ "$(value cwd <<<"$print")" = /tmp ]
  [ "$(value oom <<<"$print")" = 333 ]
  [ "$(grep '^fd ' <<<"$print" | cut -d' ' -f2 | sort | tr '\n' ' ')" = '0 1 2 ' ]
  [ "$(value 'fd 0' <<<"$print")" = /dev/null ]
  [ "$(value 'limit Max open files' <<<"$print" | awk '{ print $1, $2 }')" = '200 400' ]
  [ "$(value 'status Speculation_Store_Bypass:' <<<"$print")" = "$(value Speculation_Store_Bypass: </proc/self/status)" ]
  [ "$(value 'status SigIgn:' <<<"$print")$(value 'status SigBlk:' <<<"$print")" = 00000000000000000000000000000000 ]
  [ "$(grep -cE '^write:.* (open|CHANGED)' <<<"$print")" = "$(grep -cE '^write:(/dev/null|/proc/self/oom_score_adj) open' <<<"$print")" ]
  refute grep -E '^read:.* [1-9][0-9]*$' <<<"$print"
  for kind in net uts ipc pid mnt cgroup; do
    [ "$(value "ns $kind " <<<"$print")" != "$(readlink "/proc/self/ns/$kind")" ]
  done
  for kind in user time; do
    [ "$(value "ns $kind " <<<"$print")" = "$(readlink "/proc/self/ns/$kind")" ]
  done
}

@test "D1, D2: the five capability sets, exactly, for run and exec, root and others" {
  # CHOWN 0, KILL 5, SETGID 6, SETUID 7, NET_BIND_SERVICE 10, NET_RAW 13, AUDIT_WRITE 29
  for uid in 0 1000; do
    config --argjson uid "$uid" '.process.user.uid = $uid | .process.noNewPrivileges = false'
    payload probe stay
    run_detached
    wait_for grep -qx end "$OUT"
    if [ $uid = 0 ]; then own='0 200004e1 200004e1 200004e1 0'; else own='0 0 0 200004e1 0'; fi
    [ "$(sets <"$OUT")" = "$own" ]
    [ "$(print_exec | sets)" = "$own" ]
    if [ $uid = 0 ]; then more='0 200024e1 200024e1 200024e1 0'; else more='0 0 0 200024e1 0'; fi
    [ "$(print_exec --cap CAP_NET_RAW | sets)" = "$more" ]
    [ "$(print_exec --user 1000:1000 | sets)" = '0 0 0 200004e1 0' ]
    [ "$(print_exec --user 0:0 | sets)" = '0 200004e1 200004e1 200004e1 0' ]
    jq '.process | .args = ["probe", "fp"] | .capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"], inheritable: ["CAP_KILL"],
      permitted: ["CAP_KILL"], ambient: ["CAP_KILL"], effective: ["CAP_KILL"]} | .user.uid = 1000' \
      "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
    [ "$(rundlet exec --process "$BATS_TEST_TMPDIR/process.json" "$ID" </dev/null | sets)" = '20 20 20 21 20' ]
    # Nothing asked is nothing given.
    jq '.process | .args = ["probe", "fp"] | del(.capabilities)' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
    [ "$(rundlet exec --process "$BATS_TEST_TMPDIR/process.json" "$ID" </dev/null | sets)" = '0 0 0 0 0' ]
    rundlet delete --force "$ID"
  done
}

@test "D1: inheritable file capabilities, set-uid and file capabilities of the image give nothing" {
  for name in inheritable permitted setuid; do
    cp "$PROBE" "$IMAGE/bin/$name"
  done
  # struct vfs_cap_data, revision 2: NET_RAW and CHOWN.
  "$PROBE" xattr "$IMAGE/bin/inheritable" security.capability 0000000200000000012000000000000000000000
  "$PROBE" xattr "$IMAGE/bin/permitted" security.capability 0100000201000000000000000000000000000000
  chmod 4755 "$IMAGE/bin/setuid"
  config '.process.user = {uid: 1000, gid: 1000}'
  run run_payload sh -c 'inheritable fp; permitted fp; setuid fp'
  [ "$status" = 0 ]
  [ "$(grep -c 'CapPrm:.*0000000000000000$' <<<"$output")" = 3 ]
  [ "$(grep -c 'CapEff:.*0000000000000000$' <<<"$output")" = 3 ]
  [ "$(grep -c 'Uid:.1000.1000.1000.1000$' <<<"$output")" = 3 ]
  # Without no_new_privs they give what the bounding set allows, as the config says; the inheritable ones still nothing.
  config '.process.noNewPrivileges = false'
  run run_payload inheritable fp
  [ "$(sets <<<"$output")" = '0 0 0 200004e1 0' ]
  run run_payload permitted fp
  [ "$(sets <<<"$output")" = '0 1 1 200004e1 0' ]
}

@test "D3, D4: exec --user takes numbers only, and exactly" {
  payload sleep 1000
  rm "$IMAGE/etc/passwd" "$IMAGE/etc/group"
  mkfifo "$IMAGE/etc/passwd" "$IMAGE/etc/group"
  run_detached
  for user in -1 +1 ' 1' '1 ' 0x0 1e3 1: :1 : '' root user 1:2:3 4294967295 4294967296 18446744073709551616 \
    1:4294967295 1:-1 "$(printf '1%.0s' $(seq 5000))"; do
    run rundlet exec --user "$user" "$ID" true
    echo "${user:0:40}: $status ${output:0:200}"
    [ "$status" = 255 ]
  done
  while IFS='|' read -r user want; do
    run rundlet exec --user "$user" "$ID" awk '/^[UG]id/ { ids = ids ":" $2 } END { print substr(ids, 2) }' /proc/self/status
    echo "$user: $output"
    [ "$output" = "$want" ]
  done <<<'0|0:0
1|1:0
1000:77|1000:77
10:0|10:0
4294967294:4294967294|4294967294:4294967294'
}

@test "D7: supplementary groups are those of the config and no others" {
  payload probe stay
  setpriv --groups 5,6,7 bash -c '
    "$1" --root "$2" run --detach --bundle "$3" "$4" </dev/null >"$5" 2>&1 3>&- 4>&-' groups "$RUNTIME" "$ROOT" "$BUNDLE" "$ID" "$OUT"
  wait_for grep -qx end "$OUT"
  [ -z "$(value 'status Groups:' <"$OUT" | tr -d ' ')" ]
  [ -z "$(setpriv --groups 5,6,7 "$RUNTIME" --root "$ROOT" exec "$ID" probe fp </dev/null | value 'status Groups:' | tr -d ' ')" ]
  [ "$(print_exec --additional-gids 77 --additional-gids 9 | value 'status Groups:')" = '9 77 ' ]
}

@test "D11: a session keyring of its own, for exec too; the caller's only when asked" {
  payload probe stay
  run_detached
  wait_for grep -qx end "$OUT"
  [ "$(value keyring <"$OUT")" = "_ses.$ID" ]
  [ "$(print_exec | value keyring)" = "_ses.$ID" ]
  rundlet delete --force "$ID"
  outside=$("$PROBE" fp | value keyring)
  payload probe fp
  rundlet run --no-new-keyring --bundle "$BUNDLE" "$ID" </dev/null >"$OUT"
  [ "$(value keyring <"$OUT")" = "$outside" ]
  [ "$outside" != "_ses.$ID" ]
}

@test "A3: whoever traces in the container sees no file of the host in a process that enters" {
  # With a HOME nobody looks for it in the container's own /etc/passwd, which would be seen here like a file of the host.
  config '.process.env += ["HOME=/root"] | .process.capabilities |= with_entries(.value += ["CAP_SYS_PTRACE"])'
  payload probe watch
  run_detached
  wait_for grep -qx watching "$OUT"
  rounds=25
  [ -z "${IN_VM:-}" ] || rounds=6
  for _ in $(seq $rounds); do
    rundlet exec "$ID" true </dev/null >/dev/null 2>&1
  done
  cat "$OUT"
  grep -q '^exe ' "$OUT"
  refute grep -E '^(cwd|root) .*(unreachable|[a-z])' "$OUT"
  refute grep -E '^exe /([^bm]|b[^iu])' "$OUT"
  refute grep -E '^fd/[0-9]+ /($|[^d]|d[^e])' "$OUT"
  refute grep -F -e "$BATS_TEST_TMPDIR" -e "$TOP" "$OUT"
}

@test "C7: a container that lies about /proc does not loosen exec" {
  mkdir "$IMAGE/real"
  config '.process.capabilities |= with_entries(.value += ["CAP_SYS_ADMIN"])'
  payload sh -c 'mount -t proc proc /real && mount -t tmpfs fake /proc && mkdir -p /proc/self/attr /proc/self/ns /proc/self/fd &&
    echo 0 >/proc/self/setgroups && echo ready && sleep 1000'
  run_detached
  wait_for grep -qx ready "$OUT"
  run rundlet exec --user 1000:1000 --additional-gids 77 "$ID" sh -c 'cat /real/self/status; ls /real/self/fd; readlink /real/self/cwd'
  echo "$output"
  [ "$status" = 0 ]
  [ "$(value Uid: <<<"$output")" = '1000 1000 1000 1000' ]
  [ "$(value Groups: <<<"$output")" = '77 ' ]
  [ "$(value CapEff: <<<"$output")" = 0000000000000000 ]
  [ "$(value CapBnd: <<<"$output")" = 00000000202004e1 ]
  [ "$(value NoNewPrivs: <<<"$output")" = 1 ]
  [ -z "$(ls -A "$IMAGE/proc")" ]
}

@test "E3: exec --cgroup stays below the container's own" {
  payload sleep 1000
  mkdir "$CGROUPS/${ID}x"
  run_detached
  for path in .. ../x / ./.. a/../../b "../${ID}x" "/../${ID}x" "/${ID}x" "${ID}x" $'a\nb' absent; do
    run rundlet exec --cgroup "$path" "$ID" sh -c 'sed -n s/^0:://p /proc/self/cgroup'
    echo "$path: $status $output"
    if [ "$path" = / ]; then [ "$output" = / ]; else [ "$status" = 255 ]; fi
    [ -z "$(cat "$CGROUPS/${ID}x/cgroup.procs")" ]
  done
  mkdir "$CGROUPS/$ID/inner"
  run rundlet exec --cgroup inner "$ID" sh -c 'sed -n s/^0:://p /proc/self/cgroup'
  echo "$output"
  rmdir "$CGROUPS/${ID}x"
  [ "$output" = /inner ]
}
