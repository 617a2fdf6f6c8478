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
