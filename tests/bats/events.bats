#!/usr/bin/env bats
# What a container uses: events for engines and scripts, stats for people.

load helpers

refused() { # 'words' COMMAND...
  local words=$1
  shift
  run rundlet "$@"
  echo "$output"
  [ "$status" = 1 ]
  [ "$output" = "rundlet: error: $words" ]
}

value() { # FILE of the container's cgroup
  cat "$CGROUPS/$ID/$1"
}

keyed() { # FILE KEY
  awk -v key="$2" '$1 == key { print $2 }' "$CGROUPS/$ID/$1"
}

# The container as it is now: reading '<jq filter of data>'
reading() {
  rundlet events --stats "$ID" | jq -c ".data | $1"
}

is_reading() { # JQ-CONDITION
  rundlet events --stats "$ID" | jq -e ".data | $1"
}

# events into $BATS_TEST_TMPDIR/events; it watches once this returns.
watch_events() {
  timeout -k 5 "$LIMIT" "$RUNDLET" --root "$ROOT" events --interval "${1:-100ms}" "$ID" \
    >"$BATS_TEST_TMPDIR/events" 2>"$BATS_TEST_TMPDIR/events.err" 3>&- 4>&- &
  EVENTS=$!
  wait_for grep -q '"stats"' "$BATS_TEST_TMPDIR/events"
}

has_event() { # TYPE
  jq -se --arg type "$1" --arg id "$ID" 'any(.[]; .type == $type and .id == $id)' "$BATS_TEST_TMPDIR/events"
}

# The shape that go-runc decodes: whole numbers everywhere but in averages, lists and objects where it has them.
decodes() {
  jq -e '
    def count: type == "number" and . == floor and . >= 0;
    def average: type == "number" and . >= 0 and . <= 100;
    def counts: type == "object" and all(.[]; count);
    def psi: type == "object" and all(.[]; (.total | count) and all(.avg10, .avg60, .avg300; average));
    (.type == "stats") and (.id | type == "string") and (.data |
      (.cpu.usage | counts) and (.cpu.throttling // {} | counts) and (.cpu.burst // {} | counts)
      and all(.memory.usage, .memory.swap, .memory.swapOnly, .memory.events, .memory.swapEvents, .memory.raw; . // {} | counts)
      and (.memory.cache // 0 | count)
      and all(.pids.current, .pids.limit, .pids.peak; . // 0 | count) and (.pids.events // {} | counts)
      and all((.blkio.ioServiceBytesRecursive, .blkio.ioServicedRecursive) // [] | .[];
              (.op | type == "string") and (del(.op) | counts))
      and all(.blkio.devices // [] | .[]; counts)
      and (.hugetlb | type == "object" and all(.[]; counts))
      and all(.cpu.psi, .memory.psi, .blkio.psi; . // {} | psi))'
}

# --- events --stats ------------------------------------------------------------------------------------------------
@test "the numbers are those of the cgroup, in the shape that go-runc reads" {
  needs_controller cpu memory pids
  config '.linux.resources = {memory: {limit: 67108864, swap: 100663296}, pids: {limit: 33},
    cpu: {quota: 200000, period: 100000}}'
  payload sh -c 'sleep 1000 & sleep 1000 & wait'
  run_detached
  wait_for is_reading '.pids.current == 3'
  quietly pause "$ID"
  rundlet events --stats "$ID" >"$OUT"
  cat "$OUT"
  [ "$(wc -l <"$OUT")" = 1 ]
  decodes <"$OUT"
  data() { jq ".data | $1" "$OUT"; }
  [ "$(data .cpu.usage.total)" = "$(keyed cpu.stat usage_usec)000" ]
  [ "$(data .cpu.usage.kernel)" = "$(keyed cpu.stat system_usec)000" ]
  [ "$(data .cpu.usage.user)" = "$(keyed cpu.stat user_usec)000" ]
  # The timer of the periods runs on once after the last of them had work.
  [ "$(data .cpu.throttling.periods)" -le "$(keyed cpu.stat nr_periods)" ]
  [ "$(data .cpu.throttling.periods)" -gt 0 ]
  [ "$(data .cpu.burst.bursts)" = "$(keyed cpu.stat nr_bursts)" ]
  [ "$(data .pids)" = "$(data '{current: 3, limit: 33} + if .pids.peak then {peak: .pids.peak} else {} end + {events: {max: 0}}')" ]
  [ "$(data .memory.usage.limit)" = 67108864 ]
  [ "$(data .memory.swap.limit)" = 100663296 ]
  [ "$(data .memory.swapOnly.limit)" = 33554432 ]
  [ "$(data .memory.events)" = "$(jq -Rn '[inputs / " " | {(.[0]): (.[1] | tonumber)}] | add' "$CGROUPS/$ID/memory.events")" ]
  [ "$(data '.memory.raw | keys')" = "$(jq -Rn '[inputs / " " | .[0]] | sort' "$CGROUPS/$ID/memory.stat")" ]
  jq -e '.data | .memory.usage.usage > 0 and .memory.usage.max >= .memory.usage.usage
    and .memory.swap.usage == .memory.usage.usage + .memory.swapOnly.usage
    and .memory.cache == .memory.raw.file and .pids.peak // 3 >= 3' "$OUT"
  [ -e "$CGROUPS/$ID/pids.peak" ] || [ "$(data .pids.peak)" = null ]
  for kind in cpu memory io; do
    [ "$(data ".${kind/io/blkio}.psi.some.total")" -ge 0 ]
  done
  quietly resume "$ID"
}

@test "what is not counted is left out, a limit of max is a number, no limit of pids is none" {
  config '.linux.resources = {} | .linux.cgroupsPath += "/inner"'
  payload sleep 1000
  run_detached
  rundlet events --stats "$ID" | tee "$OUT"
  decodes <"$OUT"
  jq -e '.data | .cpu.usage.total > 0 and (.cpu | has("throttling") | not) and (.memory | keys - ["psi"]) == []
    and .pids == {} and (.blkio | keys - ["psi"]) == [] and .hugetlb == {}' "$OUT"
  run rundlet stats
  echo "$output"
  [[ ${lines[1]} = "$ID "* && ${lines[1]} = *" - "*"-" ]]
  has_controller memory && has_controller pids || return 0
  rundlet delete --force "$ID"
  config '.linux.resources = {memory: {limit: -1}} | .linux.cgroupsPath |= sub("/inner"; "")'
  run_detached
  rundlet events --stats "$ID" | tee "$OUT"
  grep -q '"limit":18446744073709551615' "$OUT"
  jq -e '.data.pids | .current == 1 and (has("limit") | not)' "$OUT"
}

@test "what processes use counts from sub-cgroups too, and rises" {
  config '(.mounts[] | select(.type == "cgroup") | .options) -= ["ro"]'
  payload sh -c 'mkdir /sys/fs/cgroup/sub && echo 1 >/sys/fs/cgroup/sub/cgroup.procs && echo moved; while :; do :; done'
  run_detached
  wait_for grep -q moved "$OUT"
  before=$(reading .cpu.usage.total)
  wait_for is_reading ".cpu.usage.total > $before + 50000000"
  if has_controller pids; then is_reading '.pids.current == 1'; fi
}

@test "a quota that is used up is counted as throttling" {
  needs_controller cpu
  config '.linux.resources.cpu = {quota: 5000, period: 50000}'
  payload sh -c 'while :; do :; done'
  run_detached
  wait_for is_reading '.cpu.throttling | .throttledPeriods >= 2 and .periods >= .throttledPeriods and .throttledTime > 1000000'
  run rundlet stats --interval 500ms "$ID"
  echo "$output"
  [ "$(awk 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "THROTTLED%") at = i } NR == 2 { print ($at > 20) }' <<<"$output")" = 1 ]
}

@test "what is read and written is told by device" {
  needs_controller io memory
  needs_ext4
  mkdir "$RUNDLET_EXT4/$ID"
  config --arg source "$RUNDLET_EXT4/$ID" '.mounts += [{destination: "/mnt", type: "bind", source: $source, options: ["rbind"]}]'
  payload sh -c 'dd if=/dev/zero of=/mnt/file bs=4096 count=256 conv=fsync 2>/dev/null; echo written; sleep 1000'
  run_detached
  wait_for grep -q written "$OUT"
  device=$(stat -c '%Hd:%Ld' "$RUNDLET_EXT4")
  wait_for is_reading "any(.blkio.devices[]; \"\(.major):\(.minor)\" == \"$device\" and .wbytes >= 1048576 and .wios > 0)"
  rundlet events --stats "$ID" >"$OUT"
  value io.stat
  cat "$OUT"
  rm -r "${RUNDLET_EXT4:?}/$ID"
  decodes <"$OUT"
  jq -e --arg device "$device" '.data.blkio
    | (.devices[] | select("\(.major):\(.minor)" == $device) | .wbytes) as $written
    | any(.ioServiceBytesRecursive[]; "\(.major):\(.minor)" == $device and .op == "Write" and .value == $written)' "$OUT"
}

# --- events --------------------------------------------------------------------------------------------------------
@test "events prints a line at each interval and ends with the container" {
  payload sleep 1000
  run_detached
  watch_events 50ms
  wait_for sh -c "[ \$(wc -l <'$BATS_TEST_TMPDIR/events') -ge 5 ]"
  fds=$(ls "/proc/$(pgrep -P "$EVENTS")/fd" | wc -l)
  [ "$fds" -le 12 ]
  # Watching holds no lock: what changes the container does not wait.
  quietly pause "$ID"
  quietly resume "$ID"
  rundlet kill "$ID" KILL
  wait "$EVENTS"
  cat "$BATS_TEST_TMPDIR/events.err"
  while read -r line; do decodes <<<"$line"; done < <(sampled 3 <"$BATS_TEST_TMPDIR/events") >/dev/null
  [ "$(jq -s '[.[].data.cpu.usage.total] | . == sort' "$BATS_TEST_TMPDIR/events")" = true ]
}

@test "the first line comes after the interval, and without one nothing is done" {
  payload sleep 1000
  run_detached
  timeout -k 5 "$LIMIT" strace -f -o "$BATS_TEST_TMPDIR/trace" -e trace=poll,ppoll,read,pread64 \
    "$RUNDLET" --root "$ROOT" events --interval 1h "$ID" >"$BATS_TEST_TMPDIR/events" 2>/dev/null 3>&- 4>&- &
  wait_for grep -q 'poll(.*NULL\|poll(.*-1\|poll(.*<unfinished\|poll(\[' "$BATS_TEST_TMPDIR/trace"
  sleep 1
  rundlet kill "$ID" KILL
  wait $!
  cat "$BATS_TEST_TMPDIR/trace"
  [ ! -s "$BATS_TEST_TMPDIR/events" ]
  # Whether the process lives is asked without waiting (a time of 0); the one wait is for its end, and nothing is read.
  [ "$(grep 'poll(' "$BATS_TEST_TMPDIR/trace" | grep -vc ', 0) = ')" = 1 ]
}

@test "memory that runs out is told at once, and counted" {
  needs_controller memory
  config '.linux.resources.memory = {limit: 33554432, swap: 33554432}'
  payload sh -c 'until [ -e /go ]; do sleep 0.1; done; (a=xxxxxxxxxxxxxxxx; while :; do a=$a$a; done); sleep 1000'
  run_detached
  watch_events
  touch "$BUNDLE/rootfs/go"
  wait_for has_event oom || { tail -n 2 "$BATS_TEST_TMPDIR"/events*; value memory.events; false; }
  wait_for is_reading '.memory.events.oom_kill == 1'
  is_reading '.memory.events.oom >= 1 and .memory.usage.failcnt >= 1 and .memory.usage.max > 16000000'
  run rundlet stats --no-stream
  echo "$output"
  [[ ${lines[1]} = *" 1" ]]
  rundlet kill "$ID" KILL
  wait "$EVENTS"
  cat "$BATS_TEST_TMPDIR/events"
  [ "$(grep -c '"oom"' "$BATS_TEST_TMPDIR/events")" -ge 1 ]
  [ "$(jq -c 'select(.type == "oom")' "$BATS_TEST_TMPDIR/events" | head -n 1)" = "{\"type\":\"oom\",\"id\":\"$ID\"}" ]
}

@test "memory that runs out in the first process is told before the end" {
  needs_controller memory
  config '.linux.resources.memory = {limit: 33554432, swap: 33554432}'
  payload sh -c 'until [ -e /go ]; do sleep 0.1; done; a=xxxxxxxxxxxxxxxx; while :; do a=$a$a; done'
  run_detached
  watch_events
  touch "$BUNDLE/rootfs/go"
  wait "$EVENTS"
  tail -n 2 "$BATS_TEST_TMPDIR/events"
  has_event oom
  is_status stopped
}

@test "a reader that goes away ends it quietly" {
  payload sleep 1000
  run_detached
  { rundlet events --interval 20ms "$ID" 2>"$BATS_TEST_TMPDIR/err"; echo $? >"$BATS_TEST_TMPDIR/status"; } | head -n 1 >/dev/null
  cat "$BATS_TEST_TMPDIR/err" "$BATS_TEST_TMPDIR/status"
  [ -z "$(grep -v 'warning: the cgroup has no memory controller' "$BATS_TEST_TMPDIR/err")" ]
  [ "$(cat "$BATS_TEST_TMPDIR/status")" = 0 ]
}

@test "no such container, one that has ended, an interval that is none" {
  refused 'container "nobody" does not exist' events nobody
  refused 'container "nobody" does not exist' events --stats nobody
  refused 'container "nobody" does not exist' stats nobody
  payload true
  run_detached
  wait_for is_status stopped
  refused "container with id $ID is not running" events "$ID"
  refused "container with id $ID is not running" events --stats "$ID"
  [ "$(rundlet stats --format json "$ID")" = '[]' ]
  run rundlet events --interval soon "$ID"
  [[ $status = 1 && ${lines[0]} = "rundlet: error: events --interval: soon: a duration is expected"* ]]
  run rundlet stats --interval 0s
  [[ $status = 1 && ${lines[0]} = "rundlet: error: stats --interval: 0s: it must be 1ms or more" ]]
  run rundlet stats --format yaml
  [[ $status = 1 && ${lines[0]} = "rundlet: error: stats --format: yaml: table or json expected" ]]
}

@test "a created container has statistics, one without a cgroup says so" {
  payload true
  create
  is_reading '.cpu.usage.total >= 0'
  rundlet delete --force "$ID"
  config 'del(.linux.cgroupsPath) | .linux.resources = {} | .linux.namespaces += [{type: "user"}] |
    .linux.uidMappings = [{containerID: 0, hostID: 4242, size: 1}] | .linux.gidMappings = [{containerID: 0, hostID: 4242, size: 1}]'
  payload sleep 1000
  tester_bundle
  tester_rundlet run --detach --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 || { cat "$OUT"; false; }
  run tester_rundlet events --stats "$ID"
  echo "$output"
  [ "${output#*: }" = "error: the container $ID has no cgroup of its own: nothing is counted" ]
  [ "$(tester_rundlet stats --format json)" = '[]' ]
  tester_rundlet delete --force "$ID"
}

# --- stats ---------------------------------------------------------------------------------------------------------
@test "stats: every container that lives, the busiest first, each file read once" {
  payload sleep 1000
  quietly run --detach --bundle "$BUNDLE" "$ID-idle"
  config '.linux.cgroupsPath += "-busy"'
  payload sh -c 'while :; do :; done'
  quietly run --detach --bundle "$BUNDLE" "$ID-zbusy"
  config '.linux.cgroupsPath += "-over"'
  payload true
  quietly run --detach --bundle "$BUNDLE" "$ID-over"
  ID=$ID-over wait_for is_status stopped
  busiest_first() {
    output=$(rundlet stats --interval 300ms) && mapfile -t lines <<<"$output" && [[ ${lines[1]} = "$ID-zbusy "* ]]
  }
  wait_for busiest_first
  echo "$output"
  [ "${#lines[@]}" = 3 ]
  [[ ${lines[0]} = "ID "*" CPU% "*" MEMORY "*" PIDS "*" PSI-CPU "*" OOM" ]]
  [[ ${lines[1]} = "$ID-zbusy "* && ${lines[2]} = "$ID-idle "* ]]
  [[ $output != *$'\033'* ]]
  [ "$(awk 'NR == 2 { print ($2 > 0) }' <<<"$output")" = 1 ]
  [ "$(rundlet stats --format json | jq -c '[.[] | .id, (.stats.cpu.usage.total > 0)]')" = "[\"$ID-idle\",true,\"$ID-zbusy\",true]" ]
  [ "$(rundlet stats --format json "$ID-zbusy" "$ID-over" "$ID-zbusy" | jq -c '[.[].id]')" = "[\"$ID-zbusy\"]" ]
  # One that cannot be read is named, the others are shown all the same.
  mkdir -m 700 "$ROOT/$ID-broken"
  [ "$(rundlet stats --format json 2>"$OUT" | jq length)" = 2 ]
  cat "$OUT"
  [[ $(cat "$OUT") = "rundlet: warning: "*"$ID-broken"* ]]
  rmdir "$ROOT/$ID-broken"
  strace -o "$BATS_TEST_TMPDIR/trace" -e trace=openat "$RUNDLET" --root "$ROOT" stats --format json "$ID-idle" >/dev/null 3>&- 4>&-
  sed -n 's/^openat([0-9]*, "\([a-z]*\.[A-Za-z0-9.]*\)".*/\1/p' "$BATS_TEST_TMPDIR/trace" | sort >"$OUT"
  uniq -d "$OUT"
  grep -qx cpu.stat "$OUT"
  [ "$(grep -v '^cgroup\.events$' "$OUT" | uniq -d)" = "" ]
  [ "$(wc -l <"$OUT")" -le 40 ]
  [ -z "$(grep cgroup.procs "$BATS_TEST_TMPDIR/trace")" ]
}

# Runs stats on a terminal, types when the words stand there, and shows how the terminal is afterwards.
on_screen() { # WORDS KEYS [ENVIRONMENT...] -- [PTY-OPTION...]
  local words=$1 keys=$2 environment=()
  shift 2
  while [ "$1" != -- ]; do environment+=("$1"); shift; done
  shift
  : >"$BATS_TEST_TMPDIR/screen"
  # shellcheck disable=SC2016 # for the shell on the terminal
  { wait_for grep -q "$words" "$BATS_TEST_TMPDIR/screen"; printf '%b' "$keys"; } |
    env -u NO_COLOR "${environment[@]}" "$PTY" "$@" sh -c 'trap : INT; stty -g; "$@"; echo "status $?"; stty -g' sh \
      timeout --foreground -k 5 "$LIMIT" "$RUNDLET" --root "$ROOT" stats --interval 200ms 3>&- 4>&- >"$BATS_TEST_TMPDIR/screen"
  tr -d '\r' <"$BATS_TEST_TMPDIR/screen" >"$OUT"
  cat -v "$OUT"
  [ "$(sed -n 1p "$OUT")" = "$(tail -n 1 "$OUT")" ]
  grep -q "$(printf '\033')\[?1049lstatus " "$OUT"
}

@test "stats on a terminal: bars, colours, the terminal as it was after q, ^C and TERM" {
  payload sh -c 'while :; do :; done'
  run_detached
  on_screen '#' q NO_COLOR=1 LC_ALL=C -- --size 24x100
  grep -q 'status 0' "$OUT"
  grep -q "1 container, q ends" "$OUT"
  [ -z "$(grep "$(printf '\033')\[[0-9;]*m" "$OUT")" ]
  on_screen "$(printf '\342\226')" '\003' LC_ALL=C.UTF-8 -- --size 24x100
  grep -q 'status 0' "$OUT"
  grep -q "$(printf '\033')\[3[123]m$(printf '\342\226')" "$OUT"
  # No line is wider than a small terminal; the columns that are asked for most stay.
  on_screen "$ID" q NO_COLOR=1 LC_ALL=C -- --size 5x40
  # shellcheck disable=SC2020
  sed "s/$(printf '\033')\[H/\n/g; s/$(printf '\033')\[[0-9;?]*[A-Za-z]//g; s/status [0-9]*$//" "$OUT" | grep -v '^[0-9a-f:]*$' | awk 'length > 40 { print "too wide: " $0; wide = 1 } END { exit wide }'
  grep -q 'CPU%' "$OUT"
  [ -z "$(grep SWAP "$OUT")" ]
}

@test "stats on a terminal: a container that ends goes, a new size is followed, ^Z lets the shell in, TERM ends it" {
  payload sleep 1000
  run_detached
  stopped() {
    grep -q '^State:.T' "/proc/$(pgrep -f "^$RUNDLET --root $ROOT stats")/status"
  }
  : >"$BATS_TEST_TMPDIR/screen"
  # shellcheck disable=SC2016 # for the shell on the terminal
  {
    wait_for grep -q '1 container,' "$BATS_TEST_TMPDIR/screen"
    rundlet kill "$ID" KILL >/dev/null
    wait_for grep -q '0 containers,' "$BATS_TEST_TMPDIR/screen"
    touch "$BATS_TEST_TMPDIR/resize"
    wait_for grep -q 'PIDS' "$BATS_TEST_TMPDIR/screen"
    pkill -TSTP -f "^$RUNDLET --root $ROOT stats"
    wait_for grep -q '1049l' "$BATS_TEST_TMPDIR/screen" # the shell has its terminal
    wait_for stopped
    pkill -CONT -f "^$RUNDLET --root $ROOT stats"
    wait_for grep -q '1049l.*1049h' "$BATS_TEST_TMPDIR/screen"
    pkill -TERM -f "^$RUNDLET --root $ROOT stats"
  } | "$PTY" --size 24x30 sh -c '(until [ -e "$0/resize" ]; do sleep 0.1; done; exec stty -F /dev/tty cols 150) &
    "$@"; echo "status $?"' "$BATS_TEST_TMPDIR" "$RUNDLET" --root "$ROOT" stats --interval 210ms 3>&- 4>&- >"$BATS_TEST_TMPDIR/screen"
  cat -v "$BATS_TEST_TMPDIR/screen"
  grep -q "$(printf '\033')\[?1049lstatus 143" "$BATS_TEST_TMPDIR/screen"
}
