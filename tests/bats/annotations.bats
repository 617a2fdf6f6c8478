# Annotations of rundlet's own and of crun's.
# shellcheck shell=bash disable=SC2030,SC2031 # each test is a subshell
bats_require_minimum_version 1.5.0
load helpers

# The cookie of a process, asked without rundlet; fails where the kernel or the machine has none.
cookie() { # PID
  perl -e 'my $cookie = "\0" x 8; syscall(157, 62, 0, $ARGV[0] + 0, 0, $cookie) == 0 or die "$!\n"; print unpack("Q", $cookie)' "$1"
}

@test "org.rundlet.core-scheduling: a cookie of its own, of exec too, or an error that names what is missing" {
  config '.annotations = {"org.rundlet.core-scheduling": "1"}'
  if cookie $$; then
    run_detached
    rundlet exec --detach --pid-file "$BUNDLE/pid" "$ID" sleep 1000
    [ "$(cookie "$(init_pid)")" != 0 ]
    [ "$(cookie "$(cat "$BUNDLE/pid")")" = "$(cookie "$(init_pid)")" ]
  else
    run ! run_payload true
    [[ $output = *'annotations["org.rundlet.core-scheduling"]: core-scheduling new: '*'(CONFIG_SCHED_CORE)'* ||
      $output = *'annotations["org.rundlet.core-scheduling"]: core-scheduling new: '*'(SMT is off or absent)'* ]]
  fi
}

@test "annotations that nobody knows are ignored, those that cannot be followed refused" {
  config '.annotations = {"org.rundlet.landlok": "{}", "run.oci.unknown": "1"}'
  run -0 rundlet check "$BUNDLE"
  [[ $output = *'annotations["org.rundlet.landlok"]: unknown, ignored'* ]]
  [[ $output != *run.oci.unknown* ]]
  run -0 run_payload echo runs
  [[ $output = *runs ]]
  config '.annotations = {"run.oci.handler": "krun"}'
  run ! rundlet check "$BUNDLE"
  [[ $output = *'annotations["run.oci.handler"]: rundlet has no handlers'* ]]
  rundlet features | jq -e '.potentiallyUnsafeConfigAnnotations | index("org.rundlet.landlock") and index("org.rundlet.net.")'
  rundlet features | jq -e '.linux.apparmor.enabled and .linux.selinux.enabled'
}

@test "run.oci.delegate-cgroup: the payload begins below the root of its cgroup namespace" {
  config '.annotations = {"run.oci.delegate-cgroup": "/init"} | (.mounts[] | select(.type == "cgroup")).options -= ["ro"]'
  payload sh -c 'cat /proc/self/cgroup; mkdir /sys/fs/cgroup/init/deeper && echo made; sleep 1000'
  for filter in . '.linux.namespaces += [{type: "user"}] | .linux += ({containerID: 0, hostID: 200000, size: 65536}
    | {uidMappings: [.], gidMappings: [.]})'; do
    config "$filter"
    run_detached
    wait_for grep -q made "$OUT"
    grep -q ':/init$' "$OUT"
    grep -q "/${CGROUP#"$CGROUPS"/}/init\$" "/proc/$(init_pid)/cgroup"
    [ "$(rundlet exec "$ID" echo in)" = in ]
    rundlet delete --force "$ID"
    [ ! -d "$CGROUP" ]
  done
  for filter in '.annotations["run.oci.delegate-cgroup"] = "../x"' '.annotations["run.oci.delegate-cgroup"] = "a/b"' \
    '.linux.namespaces -= [{type: "cgroup"}] | .mounts |= map(select(.type != "cgroup"))'; do
    config "$filter"
    run ! rundlet check "$BUNDLE"
    [[ $output = *'annotations["run.oci.delegate-cgroup"]: '* ]]
  done
}

@test "annotations of crun: where hooks' output goes, a pidfd, offsets of the clocks" {
  local word
  for word in createRuntime createContainer startContainer poststart poststop; do
    config --arg word "$word" '.hooks[$word] = [{path: "/bin/sh", args: ["sh", "-c", "echo \($word) says; echo \($word) complains >&2"]}]'
  done
  config --arg dir "$BATS_TEST_TMPDIR" '.annotations = {"run.oci.hooks.stdout": "\($dir)/said", "run.oci.hooks.stderr": "complained",
      "run.oci.pidfd_receiver": "\($dir)/pidfd", "run.oci.timens_offset": "monotonic 5000000 0\n7 6000000 999999999\n"}
    | .linux.namespaces += [{type: "time"}]'
  echo before >"$BATS_TEST_TMPDIR/said"
  "$PTY" --pidfd-socket "$BATS_TEST_TMPDIR/pidfd" >"$BATS_TEST_TMPDIR/came" 2>&1 3>&- 4>&- &
  wait_for test -S "$BATS_TEST_TMPDIR/pidfd"
  payload sh -c 'cat /proc/uptime'
  run -0 run_payload
  [ "${output%%.*}" -ge 6000000 ]
  wait_for grep -q . "$BATS_TEST_TMPDIR/came"
  cat "$BATS_TEST_TMPDIR/came"
  [ "$(sort "$BATS_TEST_TMPDIR/said" | xargs)" = 'before createContainer says createRuntime says poststart says poststop says startContainer says' ]
  [ "$(sort "$BUNDLE/complained" | cut -d' ' -f2 | uniq -c | xargs)" = '5 complains' ]

  for value in 'banana 1 1' 'monotonic 1' 'monotonic 1 1000000000' 'boottime x 0' '1 2 3 4'; do
    config --arg value "$value" '.annotations = {"run.oci.timens_offset": $value}'
    run ! rundlet check "$BUNDLE"
    [[ $output = *"annotations[\"run.oci.timens_offset\"]: $value: a clock (monotonic, boottime), seconds and nanoseconds expected"* ]]
  done
  config '.annotations = {"run.oci.hooks.stdout": "/no/where/x"}'
  run ! run_payload true
  [[ $output = *'annotations["run.oci.hooks.stdout"]: open /no/where/x: '* ]]
}
