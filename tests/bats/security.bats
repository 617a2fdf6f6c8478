#!/usr/bin/env bats
# What a hostile image or volume tries: our own program and fds, paths that lead out, /proc and /sys that lie.  The
# canary is a folder of the host that must stay as it is; the identity of processes is in security_run.bats.

load helpers
load canary

setup() {
  bundle_setup
  canary_make
  cp "$PROBE" "$BUNDLE/rootfs/bin/probe"
  IMAGE=$BUNDLE/rootfs
}

teardown() {
  local failed=0
  canary_lives || failed=1
  bundle_teardown || failed=1
  return "$failed"
}

# Ends in time, well or with one line of error; the canary is looked at after each.  Output in $output.
attempt() {
  local begin=$SECONDS
  output=$(run_payload "$@" 2>&1) && status=0 || status=$?
  mapfile -t lines <<<"$output"
  echo "status $status: $output"
  [ $((SECONDS - begin)) -lt $((5 * ${SLOW:-1})) ] || { echo "it blocked"; return 1; }
  [ "$status" != 124 ] || return 1
  canary_lives
}

refused() { # WORDS: the last attempt failed with these
  [ "$status" != 0 ] && [[ $output = *"$1"* ]]
}

# --- A: the runtime's own program, its fds -----------------------------------------------------------------------------
@test "A1: /proc/self/exe as the program or as an interpreter is not the runtime's own file" {
  printf '#!/proc/self/exe\n' >"$IMAGE/bin/evil"
  printf '#!/proc/self/exe 0\n' >"$IMAGE/bin/evil0"
  chmod 755 "$IMAGE"/bin/evil*
  config '.process.capabilities |= with_entries(.value += ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"])'
  for program in /proc/self/exe /bin/evil /bin/evil0; do
    attempt "$program"
    [ "$status" != 0 ]
    attempt "$program" 0
    [ "$status" != 0 ]
  done
  payload sleep 1000
  run_detached
  for program in /proc/self/exe /bin/evil /bin/evil0; do
    refute rundlet exec "$ID" "$program"
  done
  is_status running
}

@test "A1: what waits for start runs from a sealed memory of its own, which nobody inside can change" {
  config '.process.capabilities |= with_entries(.value += ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"])'
  payload probe overwrite
  create
  exe=$(readlink "/proc/$(init_pid)/exe")
  [[ $exe = /memfd:* ]]
  run rundlet exec "$ID" probe overwrite
  echo "$output"
  [ "$status" = 0 ]
  [[ $output = *'/proc/1/exe open'* ]]
  [[ $output = *'nothing was changed'* ]]
  run rundlet exec "$ID" sh -c 'cp /proc/1/exe /tmp/copy 2>/dev/null; ls -l /proc/1/fd/ 2>&1; cat /proc/1/maps'
  refute grep -F "$(dirname "$RUNTIME")" <<<"$output"
  rundlet delete --force "$ID"
}

# bats test_tags=native
@test "A2: a working directory or program behind /proc/self/fd/N never lies outside" {
  count=8
  [ -z "${IN_VM:-}" ] || count=5
  touch "$IMAGE/marker"
  ln -s "/proc/self/fd/4" "$IMAGE/fd4"
  for way in $(seq 0 $count | sed 's|^|/proc/self/fd/|') /fd4 "/proc/self/fd/3/../../../../../../$CANARY" /proc/self/root; do
    config --arg cwd "$way" '.process.cwd = $cwd'
    attempt pwd
    refused process.cwd
  done
  config '.process.cwd = "/"'
  for number in $(seq 3 $count); do
    attempt "/proc/self/fd/$number/bin/sh" -c 'ls -d /marker'
    [ "$status" != 0 ] || [ "$output" = /marker ]
    attempt "/proc/self/fd/$number"
    [ "$status" != 0 ]
  done
}

@test "A2: the same through exec" {
  payload sleep 1000
  run_detached
  count=10
  [ -z "${IN_VM:-}" ] || count=6
  for number in $(seq 0 $count); do
    run rundlet exec --cwd "/proc/self/fd/$number" "$ID" pwd
    echo "$number: $status $output"
    refused process.cwd
    run rundlet exec "$ID" "/proc/self/fd/$number"
    [ "$status" != 0 ]
  done
  run rundlet exec "$ID" probe fp
  [ "$(grep '^fd ' <<<"$output" | cut -d' ' -f2 | sort -n | tr '\n' ' ')" = '0 1 2 ' ]
}

@test "A4: with closed standard streams 0, 1 and 2 become /dev/null, never a file of the runtime" {
  payload sh -c 'ls -l /proc/self/fd >/tmp/fds'
  rundlet run --bundle "$BUNDLE" "$ID" <&- >&- 2>&-
  cat "$IMAGE/tmp/fds"
  [ "$(grep -c ' -> ' "$IMAGE/tmp/fds")" -le 4 ]
  refute grep -E -- '-> /(tmp/r|var|sys|mnt|work)|socket:|memfd' "$IMAGE/tmp/fds"
  grep -q '0 -> /dev/null' "$IMAGE/tmp/fds"
  grep -q '2 -> /dev/null' "$IMAGE/tmp/fds"
}

@test "A6: no abstract socket of ours is seen by a container on the host's network" {
  config '.linux.namespaces |= map(select(.type != "network")) | .mounts |= map(select(.type != "sysfs" and .type != "cgroup"))
    | .linux.maskedPaths = []'
  before=$(grep -c ' @' /proc/net/unix || true)
  payload sh -c 'grep " @" /proc/net/unix | wc -l; sleep 1000'
  run_detached
  wait_for test -s "$OUT"
  [ "$(cat "$OUT")" -le "$before" ]
}

@test "A8: a mount point that is missing in a read-only volume is not made there" {
  config --arg source "$CANARY" '.mounts += [{destination: "/v", type: "bind", source: $source, options: ["rbind", "ro"]},
    {destination: "/v/nested/deep", type: "tmpfs", source: "mine"}]'
  attempt true
  refused 'mounts[8]'
  [[ $output = *'Read-only file system'* ]]
}

# --- B: paths in an image that lead out ----------------------------------------------------------------------------------
# bats test_tags=native
@test "B1: links at and above mount points stay inside" {
  mkdir -p "$BATS_TEST_TMPDIR/volume"
  echo volume >"$BATS_TEST_TMPDIR/volume/file"
  ln -s "$CANARY/empty" "$IMAGE/absolute"
  ln -s "$CANARY" "$IMAGE/parent"
  ln -s "../../../../../../../../../..$CANARY/empty" "$IMAGE/dots"
  ln -s "$CANARY/not-there" "$IMAGE/dangling"
  ln -s "$CANARY/not-there-file" "$IMAGE/danglingfile"
  last=$CANARY/empty
  for i in $(seq 30); do
    ln -s "$last" "$IMAGE/chain$i"
    last=/chain$i
  done
  for name in absolute dots dangling chain30 parent/folder/new parent/empty/a/b/c; do
    config --arg to "/$name" '.mounts += [{destination: $to, type: "tmpfs", source: "mine"}]'
  done
  config --arg volume "$BATS_TEST_TMPDIR/volume" '.mounts += [
    {destination: "/parent/bound", type: "bind", source: $volume, options: ["bind"]},
    {destination: "/parent/secret", type: "bind", source: ($volume + "/file"), options: ["bind"]},
    {destination: "/danglingfile", type: "bind", source: ($volume + "/file"), options: ["bind"]}]'
  attempt sh -c 'grep -c " mine " /proc/self/mountinfo; cat /parent/bound/file /parent/secret /danglingfile; touch /absolute/x'
  [ "$status" = 0 ]
  [ "$output" = $'6\nvolume\nvolume\nvolume' ]
  [ -z "$(ls -A "$CANARY/empty")" ]
}

# bats test_tags=native
@test "B1: links that loop or lead through /proc are refused" {
  ln -s loop2 "$IMAGE/loop1"
  ln -s loop1 "$IMAGE/loop2"
  ln -s "/proc/self/root$CANARY/empty" "$IMAGE/toroot"
  ln -s "/proc/1/root$CANARY/empty" "$IMAGE/init"
  ln -s /proc/self/fd/3 "$IMAGE/fd"
  ln -s /proc/self/cwd "$IMAGE/cwd"
  good=$(cat "$BUNDLE/config.json")
  for name in loop1 loop1/below toroot init fd fd/x cwd cwd/x; do
    echo "$good" >"$BUNDLE/config.json"
    config --arg to "/$name" '.mounts += [{destination: $to, type: "tmpfs", source: "mine"}]'
    attempt true
    refused 'mounts[7]'
  done
}

@test "B1, C1: /dev may be a link inside, /proc and /sys may not" {
  mkdir -p "$IMAGE$CANARY/dev" "$IMAGE/elsewhere"
  rmdir "$IMAGE/dev"
  ln -s "$CANARY/dev" "$IMAGE/dev"
  attempt sh -c 'ls /dev/pts/ptmx && grep -c "[^ ]*canary/dev" /proc/self/mountinfo'
  [ "$status" = 0 ]
  for name in proc sys; do
    for target in "$CANARY/empty" elsewhere ../../.. not-there; do
      rmdir "$IMAGE/$name"
      ln -s "$target" "$IMAGE/$name"
      attempt true
      refused "/$name"
      rm "$IMAGE/$name"
      mkdir "$IMAGE/$name"
    done
  done
}

@test "C1: a volume over /proc or /sys is refused, whatever comes first" {
  mkdir -p "$BATS_TEST_TMPDIR/volume/self/attr"
  good=$(cat "$BUNDLE/config.json")
  for name in /proc /sys /proc/self /proc/sys/kernel; do
    echo "$good" >"$BUNDLE/config.json"
    config --arg name "$name" --arg source "$BATS_TEST_TMPDIR/volume" \
      '.mounts = [{destination: $name, type: "bind", source: $source, options: ["bind"]}] + .mounts'
    attempt sh -c 'ls /proc/self/status /sys/kernel'
    # Either it is refused or the real one lies over it.
    [ "$status" != 0 ] || [[ $output = *$'status'* && $output = *uevent* ]]
  done
}

@test "C2: a kernel parameter goes to the real procfs, not to what a volume shows in its place" {
  mkdir -p "$BATS_TEST_TMPDIR/volume/net/ipv4"
  echo decoy >"$BATS_TEST_TMPDIR/volume/net/ipv4/ip_forward"
  config --arg source "$BATS_TEST_TMPDIR/volume" '.linux.sysctl = {"net.ipv4.ip_forward": "1"}
    | .mounts += [{destination: "/proc/sys", type: "bind", source: $source, options: ["bind"]}]'
  attempt sh -c 'cat /proc/sys/net/ipv4/ip_forward'
  [ "$(cat "$BATS_TEST_TMPDIR/volume/net/ipv4/ip_forward")" = decoy ]
  config '.mounts |= .[:-1]'
  attempt cat /proc/sys/net/ipv4/ip_forward
  [ "$output" = 1 ]
}

# bats test_tags=native
@test "B2, B3: a folder of a shared volume that is exchanged with a link all the time" {
  volume=$BATS_TEST_TMPDIR/volume
  mkdir -p "$volume/place/a/b" "$IMAGE/volume"
  ln -s "$CANARY" "$volume/link"
  config --arg source "$volume" '.mounts += [
    {destination: "/volume", type: "bind", source: $source, options: ["bind"]},
    {destination: "/volume/place/empty", type: "tmpfs", source: "mine"},
    {destination: "/volume/place/new/deep/er", type: "tmpfs", source: "mine"},
    {destination: "/volume/place/secret", type: "bind", source: "/dev/null", options: ["bind"]}]
    | .linux.maskedPaths += ["/volume/place/folder"] | .linux.readonlyPaths += ["/volume/place/a"]'
  payload sh -c 'grep -r canary-secret /volume/place/ 2>/dev/null; ls /volume/place/dev/ 2>/dev/null; true'
  rounds=120
  [ -z "${IN_VM:-}" ] || rounds=10
  "$PROBE" swap "$volume/place" "$volume/link" 3>&- 4>&- &
  swapper=$!
  good=0
  for round in $(seq $rounds); do
    run run_payload
    good=$((good + (status == 0)))
    [[ $output != *canary-secret* && $output != *console* ]] || break
  done
  kill "$swapper"
  wait "$swapper" || true
  echo "round $round, $good were made: $output"
  [ "$round" = "$rounds" ]
  [ "$good" -gt 0 ]
  [ -z "$(ls -A "$CANARY/empty")" ]
}

@test "B4: no /dev is mounted and the image's is a link: nodes and links are made inside" {
  config '.mounts |= map(select(.destination | startswith("/dev") | not))'
  rmdir "$IMAGE/dev"
  ln -s "$CANARY/dev" "$IMAGE/dev"
  attempt sh -c 'echo x >/dev/null; ls -l /dev/'
  ln -sfn ../../../../../../../../../../../../..$CANARY/dev "$IMAGE/dev"
  attempt sh -c 'echo x >/dev/null; ls -l /dev/'
  ln -sfn /proc/self/root "$IMAGE/dev"
  attempt true
  refused '/dev/'
}

# bats test_tags=native
@test "B4, B13: the image's own /dev and working directory are exchanged with links all the time" {
  config '.mounts |= map(select(.destination | startswith("/dev") | not)) | .process.cwd = "/dev/new/work"
    | .linux.maskedPaths += ["/dev/empty"] | .linux.devices = [{path: "/dev/empty/node", type: "p"}]'
  ln -s "../../../../../../../../../../../../..$CANARY" "$IMAGE/link"
  payload sh -c 'ls / /dev/ . | grep -x -e secret -e script; true'
  rounds=60
  [ -z "${IN_VM:-}" ] || rounds=6
  "$PROBE" swap "$IMAGE/dev" "$IMAGE/link" 3>&- 4>&- &
  swapper=$!
  good=0
  for round in $(seq $rounds); do
    run run_payload
    good=$((good + (status == 0)))
    [[ $output != *secret* && $output != *script* ]] || break
  done
  kill "$swapper"
  wait "$swapper" || true
  echo "round $round, $good were made: $output"
  [ "$round" = "$rounds" ]
  [ "$good" -gt 0 ]
}

@test "B5: /dev/console as a link is not followed" {
  config '.mounts |= map(select(.destination != "/dev")) | .process.terminal = true'
  mkdir -p "$IMAGE/dev/pts"
  for target in "$CANARY/dev/console" "$CANARY/empty/made" ../../../../../../../../../../etc/made /proc/self/root/made; do
    ln -sfn "$target" "$IMAGE/dev/console"
    run on_terminal timeout "$LIMIT" "$RUNTIME" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
    echo "$target: $status $output"
    [ "$status" != 0 ]
    canary_lives
    refute test -e "$IMAGE/etc/made"
  done
}

@test "B6: standard streams do not come from the image's /dev/null" {
  config '.mounts |= map(select(.destination != "/dev" and .destination != "/dev/mqueue" and .destination != "/dev/shm"))
    | .process.user = {uid: 1000, gid: 1000}'
  ln -s "$CANARY/secret" "$IMAGE/dev/null"
  payload sh -c 'stat -L -c "%F %t:%T" /proc/self/fd/0 >/tmp/kind'
  rundlet run --bundle "$BUNDLE" "$ID" <&- >&- 2>&-
  canary_lives
  [ "$(cat "$IMAGE/tmp/kind")" = 'character special file 1:3' ]
}

@test "B6: an engine's /dev/null becomes the container's own, whose mode root may change" {
  show='stat -L -c "%d:%i" /proc/self/fd/0 /dev/null | sort -u | wc -l'
  payload sh -c "$show >/tmp/own; exec sleep 1000"
  run_detached
  wait_for test -s "$BUNDLE/rootfs/tmp/own"
  [ "$(cat "$BUNDLE/rootfs/tmp/own")" = 1 ]
  [ "$(rundlet exec "$ID" sh -c "$show" </dev/null)" = 1 ]
  rm -f "$BUNDLE/rootfs/tmp/own"
}

# bats test_tags=native
@test "B6, B11, C4: what lies where a device belongs is replaced or refused, never written to, and nothing blocks" {
  config '.mounts |= map(select(.destination != "/dev"))'
  set -- link fifo file folder wrong
  for kind in "$@"; do
    rm -rf "${IMAGE:?}/dev" "$IMAGE/etc/masked"
    mkdir "$IMAGE/dev"
    echo secret >"$IMAGE/etc/masked"
    case $kind in
      link) ln -s "$CANARY/dev/null" "$IMAGE/dev/null"; ln -s "$CANARY/dev/zero" "$IMAGE/dev/zero" ;;
      fifo) mkfifo "$IMAGE/dev/null" "$IMAGE/dev/zero" "$IMAGE/dev/tty" ;;
      file) echo planted | tee "$IMAGE/dev/null" >"$IMAGE/dev/zero" ;;
      folder) mkdir "$IMAGE/dev/null" ;;
      wrong) mknod "$IMAGE/dev/null" c 1 1; mknod "$IMAGE/dev/zero" b 254 0 ;;
    esac
    config '.linux.maskedPaths += ["/etc/masked"]'
    attempt sh -c 'stat -c "%n %F %t:%T" /dev/null /dev/zero; cat /etc/masked; probe fp read:/etc/masked write:/etc/masked | tail -n 2'
    if [ "$kind" = folder ]; then
      refused /dev/null
      continue
    fi
    [ "$status" = 0 ]
    [ "${lines[0]}" = '/dev/null character special file 1:3' ]
    [ "${lines[1]}" = '/dev/zero character special file 1:5' ]
    [ "${lines[2]}" = 'read:/etc/masked read 0' ]
    [ "$(cat "$IMAGE/etc/masked")" = secret ]
  done
}

@test "C4: a volume as /dev with a hostile null does not unmask anything" {
  mkdir "$BATS_TEST_TMPDIR/dev"
  ln -s "$CANARY/secret" "$BATS_TEST_TMPDIR/dev/null"
  config --arg dev "$BATS_TEST_TMPDIR/dev" '.mounts |= map(select(.destination | startswith("/dev") | not))
    + [{destination: "/dev", type: "bind", source: $dev, options: ["bind"]}]
    | .linux.maskedPaths += ["/etc/group"]'
  attempt sh -c 'probe fp read:/etc/group read:/proc/keys read:/sys/firmware | tail -n 3'
  [ "$status" = 0 ]
  [ "$output" = $'read:/etc/group read 0\nread:/proc/keys read 0\nread:/sys/firmware read 0' ]
}

@test "C6: a terminal comes from a real devpts of the container, or there is none" {
  config '.mounts |= map(select(.destination != "/dev" and .destination != "/dev/pts")) | .process.terminal = true'
  for kind in nothing planted link host; do
    rm -rf "${IMAGE:?}/dev"
    mkdir "$IMAGE/dev"
    case $kind in
      planted) mkdir "$IMAGE/dev/pts"; mknod "$IMAGE/dev/pts/ptmx" c 5 2 ;;
      link) ln -s "$CANARY/dev" "$IMAGE/dev/pts" ;;
      host) ln -s /proc/self/root/dev/pts "$IMAGE/dev/pts" ;;
    esac
    run on_terminal timeout "$LIMIT" "$RUNTIME" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
    echo "$kind: $status $output"
    [ "$status" != 0 ]
    [[ $output = *process.terminal* ]]
    canary_lives
  done
}

@test "B13: a missing working directory below a link is made inside" {
  ln -s "$CANARY/empty" "$IMAGE/job"
  config '.process.cwd = "/job/new/deep"'
  attempt pwd
  [ -z "$(ls -A "$CANARY/empty")" ]
  # A missing one without links is made.
  config '.process.cwd = "/made/here"'
  attempt pwd
  [ "$output" = /made/here ]
}

@test "C8: with what spec masks, root can open nothing of /proc and /sys for writing that matters to the host" {
  mkdir "$BATS_TEST_TMPDIR/spec"
  rundlet spec --bundle "$BATS_TEST_TMPDIR/spec"
  config --slurpfile spec "$BATS_TEST_TMPDIR/spec/config.json" '.linux.maskedPaths = $spec[0].linux.maskedPaths
    | .linux.readonlyPaths = $spec[0].linux.readonlyPaths'
  attempt probe writable /proc /sys
  [ "$status" = 0 ]
  # Triggers of one's own pressure; memory ranges, whose every write asks for CAP_SYS_ADMIN.
  refute grep -vxE '/proc/pressure/(io|cpu|memory|irq)|/proc/mtrr|' <<<"$output"
}

@test "C9: the container's mounts name nothing of the host but its own root" {
  layers=$BATS_TEST_TMPDIR/layers
  mkdir -p "$layers/top"
  attempt cat /proc/self/mountinfo
  [ "$status" = 0 ]
  refute grep -F "$BATS_TEST_TMPDIR" <<<"$(grep -v ' / / ' <<<"$output" | awk '$5 != "/"')"
  refute grep -F -e "$ROOT" -e rundlet-tests/ <<<"$(awk '$5 != "/"' <<<"$output")"
  refute grep -F "$(dirname "$RUNTIME")/" <<<"$output"
}

@test "G1: with --no-pivot a second chroot leads nowhere either" {
  config '.process.capabilities |= with_entries(.value += ["CAP_SYS_CHROOT", "CAP_SYS_ADMIN"])'
  for option in --no-pivot ''; do
    payload probe chroot "$CANARY"
    # shellcheck disable=SC2086 # no option is no word
    run rundlet run $option --bundle "$BUNDLE" "$ID" </dev/null
    echo "$output"
    [ "$status" = 0 ]
    [ "$output" = "$CANARY ENOENT" ]
  done
}

# bats test_tags=native
@test "G4: a namespace path of the wrong kind is refused at once: another type, a file, a FIFO, nothing" {
  mkfifo "$BATS_TEST_TMPDIR/fifo"
  for path in /proc/self/ns/uts "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/fifo" "$BATS_TEST_TMPDIR/absent" /proc/self/status /dev/zero; do
    config --arg path "$path" '(.linux.namespaces[] | select(.type == "network")).path = $path'
    attempt true
    refused "$path"
  done
}

# bats test_tags=native
@test "root.path that is the host's root is refused, also behind a link" {
  ln -s / "$BUNDLE/slash"
  for path in / /./ slash "$BUNDLE/slash" /proc/self/root; do
    config --arg path "$path" '.root.path = $path'
    attempt true
    refused root.path
  done
}
