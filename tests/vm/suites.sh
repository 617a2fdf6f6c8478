#!/bin/bash
# The suites inside the virtual machines, from outside: `make vm-check`.  A machine's own end is a result too, so that a
# machine that died is a failure and not a silence.
#
#   tests/vm/suites.sh LIMIT-IN-SECONDS      environment: BUILD, TESTS, V, VM_SUITES (of the place vm: "unit golden
#                                            bats"), VM_PLACES ("vm systemd")
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build} limit=$1 worst=0

machine() { # PLACE SUITES OPTION...
  local place=$1 suites=$2 status begin=$SECONDS
  shift 2
  mkdir -p "$build/results"
  rm -rf "$build/results/$place"
  tests/vm/run.sh "$@" --results "$build/results" --limit "$limit" \
    env "BUILD=$build" "TESTS=${TESTS:-}" "V=${V:-0}" "CONTROL=${CONTROL:-}" "PLACE=$place" "VM_SUITES=$suites" tests/vm/check.sh
  status=$?
  mkdir -p "$build/results/$place"
  if [ "$status" -le 1 ]; then
    echo "ok 1 - the machine ended by itself"
  else
    echo "not ok 1 - the machine ended with status $status"
  fi >"$build/results/$place/machine.tap"
  echo "the virtual machine ($place) took $((SECONDS - begin)) s"
  [ "$status" -le "$worst" ] || worst=$status
}

for place in ${VM_PLACES:-vm systemd}; do
  case $place in
    vm) machine vm "${VM_SUITES:-unit golden bats}" ;;
    systemd) machine systemd systemd --systemd ;;
    *) echo "suites.sh: no place $place" >&2; exit 2 ;;
  esac
done
exit "$worst"
