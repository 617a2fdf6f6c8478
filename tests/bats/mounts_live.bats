#!/usr/bin/env bats
# mounts: added to a container that runs, and taken away again.

load helpers

setup() {
  rundlet_only
  bundle_setup
  mkdir "$BATS_TEST_TMPDIR/source"
  echo content >"$BATS_TEST_TMPDIR/source/file"
  chmod -R a+rX "$BATS_TEST_TMPDIR/source"
  # shellcheck disable=SC2089 # JSON
  SOURCE='{destination: "/data", type: "bind", source: $source, options: ["rbind", "ro"]}'
}

# The array of mounts that a jq filter gives: mounts add '[...]'
mounts() { # add|remove FILTER
  jq -n --arg source "$BATS_TEST_TMPDIR/source" "$2" >"$BATS_TEST_TMPDIR/mounts.json"
  rundlet mounts "$1" "$ID" "$BATS_TEST_TMPDIR/mounts.json"
}

refused() { # 'words' add|remove FILTER
  local words=$1
  shift
  run mounts "$@"
  echo "$output"
  [ "$status" = 1 ]
  [ "${#lines[@]}" = 1 ]
  [[ $output = "rundlet: error: mounts "*"$words"* ]]
}

inside() {
  rundlet exec "$ID" "$@" </dev/null
}

# Its mounts, without how times of access are kept, which is the host's choice.
table() {
  cut -d' ' -f5,6 "/proc/$PID/mountinfo" | sed 's/,[a-z]*atime$//'
}

@test "binds, files and tmpfs appear in a running container with their options, and go again" {
  run_detached
  PID=$(init_pid)
  table >"$BATS_TEST_TMPDIR/before"
  # Others' tests mount in the same namespace.
  on_host() { grep -c "$BATS_TEST_TMPDIR" /proc/self/mountinfo || true; }
  host=$(on_host)
  all="[$SOURCE, {destination: \"/mnt/new/tmp\", type: \"tmpfs\", source: \"tmpfs\", options: [\"size=1m\", \"mode=711\", \"noexec\"]},
    {destination: \"/mnt/new/tmp/below\", type: \"bind\", source: (\$source + \"/file\"), options: [\"bind\"]},
    {destination: \"/var/quiet\", type: \"tmpfs\", options: [\"ro\"]}]"
  mounts add "$all"
  run inside sh -c 'cat /data/file /mnt/new/tmp/below; stat -c %a /mnt/new/tmp; touch /data/x || echo read-only
    touch /mnt/new/tmp/x && echo writable; touch /var/quiet/x || echo read-only'
  lines=("${lines[@]/#touch:*/}")
  [ "$(xargs <<<"${lines[*]}")" = "content content 711 read-only writable read-only" ]
  diff <(table) - <<-EOT
	$(cat "$BATS_TEST_TMPDIR/before")
	/data ro
	/mnt/new/tmp rw,noexec
	/mnt/new/tmp/below rw
	/var/quiet ro
	EOT
  [ "$(on_host)" = "$host" ]
  # Paused or not: nobody in the container is asked.
  rundlet pause "$ID"
  mounts remove "$all"
  rundlet resume "$ID"
  diff <(table) "$BATS_TEST_TMPDIR/before"
  refused 'mounts[3]: detach /var/quiet: nothing is mounted there' remove "$all"
  [ "$(rundlet ps --format json "$ID" | jq length)" = 1 ]
}

# bats test_tags=native
@test "what a container put in the way leads nowhere, and what fails leaves nothing" {
  run_detached
  PID=$(init_pid)
  mkdir "$BATS_TEST_TMPDIR/outside"
  table >"$BATS_TEST_TMPDIR/before"
  inside sh -c "ln -s $BATS_TEST_TMPDIR/outside /link; ln -s ../../../../../../.. /up; ln -s /var/target /alias; mkdir /var/target; ln -s loop /loop"
  mounts add '[{destination: "/link", type: "tmpfs"}, {destination: "/up/mnt", type: "tmpfs"}, {destination: "/alias", type: "tmpfs"}]'
  [ "$(grep -c "$BATS_TEST_TMPDIR/outside" /proc/self/mountinfo)" = 0 ]
  [ "$(table | sed 1,"$(wc -l <"$BATS_TEST_TMPDIR/before")"d | cut -d' ' -f1 | xargs)" = "$BATS_TEST_TMPDIR/outside /mnt /var/target" ]
  mounts remove '[{destination: "/link"}, {destination: "/up/mnt"}, {destination: "/alias"}]'
  while IFS='|' read -r words filter; do
    refused "$words" add "[$SOURCE, $filter]"
    diff <(table) "$BATS_TEST_TMPDIR/before"
  done < <(sampled 5 <<-'EOT'
	mounts[1]: |{destination: "/x", type: "bind", source: "/nonexistent", options: ["bind"]}
	mounts[1].source|{destination: "/x", type: "bind", options: ["bind"]}
	mounts[1]: |{destination: "/etc/passwd/x", type: "tmpfs"}
	mounts[1]: |{destination: "/loop/x", type: "tmpfs"}
	mounts[1].type: proc|{destination: "/x", type: "proc"}
	mounts[1].type: cgroup2|{destination: "/x", type: "cgroup2"}
	mounts[1].type|{destination: "/x"}
	mounts[1].options: remount|{destination: "/proc", options: ["remount", "rw"]}
	mounts[1].destination|{destination: "/x/..", type: "tmpfs"}
	mounts[1].destination|{type: "tmpfs"}
	EOT
  )
  refused "the root stays" remove '[{destination: "/../"}]'
  refused "a JSON array of mounts" add '{mounts: []}'
  run rundlet mounts nonsense "$ID" "$BATS_TEST_TMPDIR/mounts.json"
  [ "$status" = 1 ]
  [[ $output = *"add or remove expected"* ]]
  rundlet kill "$ID" KILL
  wait_for is_status stopped
  refused "container not running" add "[$SOURCE]"
  rundlet delete "$ID"
  refused "does not exist" remove "[$SOURCE]"
}

# bats test_tags=native
@test "a container that swaps a folder for a link all the time gets nothing of the host mounted or made" {
  [ -z "${IN_VM:-}" ] && rounds=25 || rounds=4
  canary=$BATS_TEST_TMPDIR/canary
  mkdir -p "$canary" "$BUNDLE/rootfs$canary"
  # shellcheck disable=SC2016 # for the inner shell
  payload sh -c 'while :; do mkdir /swap 2>/dev/null; rm -r /swap; ln -s "$0" /swap; rm /swap; done' "$canary"
  run_detached
  PID=$(init_pid)
  echo '[{"destination": "/swap/in", "type": "tmpfs"}]' >"$BATS_TEST_TMPDIR/mounts.json"
  added=0
  for i in $(seq "$rounds"); do
    run rundlet mounts add "$ID" "$BATS_TEST_TMPDIR/mounts.json"
    [ "$status" != 0 ] || added=$((added + 1))
    [ "${#lines[@]}" -le 1 ]
  done
  echo "$added of $rounds"
  [ -z "$(ls -A "$canary")" ]
  [ "$(grep -c "$canary" /proc/self/mountinfo)" = 0 ]
  is_status running
}

@test "in a created container with a user namespace: its root owns what is added, also by id map" {
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 4200000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
  chown -R 4200000:4200000 "$BUNDLE/rootfs"
  chmod 711 "$BUNDLE"
  create
  mounts add "[$SOURCE, {destination: \"/mnt\", type: \"tmpfs\", options: [\"mode=700\"]},
    {destination: \"/srv\", type: \"bind\", source: \$source, options: [\"bind\", \"idmap\"]}]"
  run inside stat -c %u /data/file /mnt /srv/file
  echo "$output"
  [ "${lines[*]}" = "65534 0 0" ]
  inside touch /mnt/made
  mounts remove '[{destination: "/data"}, {destination: "/mnt"}, {destination: "/srv"}]'
  run inside ls /data /mnt
  [ "${lines[*]}" = "/data: /mnt:" ]
}

@test "an ordinary user's container: host folders that the user may see, and tmpfs" {
  tester_bundle
  rm "$BUNDLE/config.json"
  as_tester "$BATS_TEST_TMPDIR/tester/runtime" spec --rootless --bundle "$BUNDLE"
  config '.process.terminal = false | .root.readonly = false | .process.env = ["PATH=/bin"] | .process.args = ["sleep", "1000"]'
  tester_rundlet run --detach --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 || { cat "$OUT"; false; }
  jq -n --arg source "$BATS_TEST_TMPDIR/source" "[$SOURCE, {destination: \"/mnt\", type: \"tmpfs\"}]" |
    tester_rundlet mounts add "$ID" -
  run tester_rundlet exec "$ID" sh -c 'cat /data/file; touch /mnt/x && ls /mnt; touch /data/x || echo read-only' </dev/null
  echo "$output"
  [ "${lines[0]} ${lines[1]} ${lines[3]}" = "content x read-only" ]
  echo '[{"destination": "/data"}, {"destination": "/mnt"}]' | tester_rundlet mounts remove "$ID" -
  [ -z "$(tester_rundlet exec "$ID" ls /data /mnt/ </dev/null | grep -v -e : -e '^$')" ]
  tester_rundlet delete --force "$ID"
}
