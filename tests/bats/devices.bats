#!/usr/bin/env bats
# The device rules of linux.resources, by what the container can open.

load helpers
load cgroups

# Nodes of drivers that do not exist: what the filter lets through ends in ENXIO, what it stops in EPERM.
@test "device rules: wildcards, the last word counts, each access by itself, default devices always" {
  config '.linux.resources.devices = ([{allow: false, access: "rwm"},
      {allow: true, type: "c", major: 120, minor: 1, access: "r"},
      {allow: true, type: "c", major: 120, minor: 2, access: "rw"},
      {allow: true, type: "c", major: 121, access: "rwm"},
      {allow: false, type: "c", major: 121, minor: 7, access: "w"},
      {allow: true, type: "b", minor: 9, access: "rw"},
      {allow: true, major: 122, minor: 4, access: "rw"}]
      + [range(400) | {allow: (. % 2 == 0), type: "c", major: 123, minor: ., access: "rw"}])
    | .process.capabilities |= map_values(. + ["CAP_MKNOD"])'
  run run_payload sh -c 'cd /tmp
    for d in "c 120 1" "c 120 2" "c 120 3" "c 121 6" "c 121 7" "b 125 9" "b 125 8" "c 125 9" "c 122 4" "b 122 4" \
        "c 123 0" "c 123 1" "c 123 398" "c 123 399"; do
      mknod node $d || exit 1
      read=$( { : <node; } 2>&1) write=$( { : >node; } 2>&1)
      echo "$d: ${read##*: } ${write##*: }" | sed "s/No such device or address/yes/g; s/Operation not permitted/no/g"
      rm node
    done
    for d in null zero full random urandom tty ptmx; do
      case $( { true <>/dev/$d; } 2>&1) in *permitted*) echo "no $d" ;; esac
    done
    true </dev/null && true <>/dev/ptmx && echo defaults'
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = 'c 120 1: yes no
c 120 2: yes yes
c 120 3: no no
c 121 6: yes yes
c 121 7: yes no
b 125 9: yes yes
b 125 8: no no
c 125 9: no no
c 122 4: yes yes
b 122 4: yes yes
c 123 0: yes yes
c 123 1: no no
c 123 398: yes yes
c 123 399: no no
defaults' ]
}

@test "thousands of rules, the last word of each device counts; more than the kernel takes is an error in words" {
  config '.linux.resources.devices = ([{allow: false, access: "rwm"}]
      + [range(4000) | {allow: true, type: "c", major: 120, minor: ., access: "rw"}]
      + [range(1000) | {allow: false, type: "c", major: 120, minor: (. * 4), access: "w"}])
    | .process.capabilities |= map_values(. + ["CAP_MKNOD"])'
  run run_payload sh -c 'cd /tmp
    for minor in 0 1 4 5 3996 3997 3999 4000; do
      mknod node c 120 $minor || exit 1
      read=$( { : <node; } 2>&1) write=$( { : >node; } 2>&1)
      echo "$minor: ${read##*: } ${write##*: }" | sed "s/No such device or address/yes/g; s/Operation not permitted/no/g"
      rm node
    done'
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[*]}" = "0: yes no 1: yes yes 4: yes no 5: yes yes 3996: yes no 3997: yes yes 3999: yes yes 4000: no no" ]
  config '.linux.resources.devices = ([{allow: false, access: "rwm"}]
      + [range(20000) | {allow: (. % 2 == 0), type: "c", major: 120, minor: ., access: "rw"}])'
  refused "linux.resources.devices: load the device filter: this kernel takes no program of " \
    create --bundle "$BUNDLE" "$ID"
  nothing_left
}

# The container's locked memory while rundlet runs with little of it: limited [STRACE-OPTION...]
# shellcheck disable=SC2120 # "run" passes them
limited() {
  (
    ulimit -l 64
    timeout "$LIMIT" strace -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=bpf,prlimit64 "$@" "$RUNTIME" --root "$ROOT" \
      "${DRIVER_OPTIONS[@]}" run --bundle "$BUNDLE" "$ID" </dev/null 3>&- 4>&-
  )
}

@test "a filter that does not fit into RLIMIT_MEMLOCK is loaded without it, and the container keeps the limit" {
  config '.linux.resources.devices = [{allow: false, access: "rwm"}]'
  payload sh -c 'ulimit -l'
  [ "$(limited)" = 64 ]
  # As kernels before 5.11 answer.  Refused for good, it is an error.
  run limited -e inject=bpf:error=EPERM
  echo "$output"
  [ "$status" = 1 ]
  [ "$output" = "rundlet: error: run $ID: linux.resources.devices: load the device filter: Operation not permitted" ]
  nothing_left
  capsh --has-p=cap_sys_resource 2>/dev/null || skip "needs CAP_SYS_RESOURCE"
  run limited -e inject=bpf:error=EPERM:when=1
  echo "$output"
  [ "$output" = 64 ]
  grep -q 'RLIMIT_MEMLOCK, {rlim_cur=RLIM64_INFINITY' "$BATS_TEST_TMPDIR/trace"
}
