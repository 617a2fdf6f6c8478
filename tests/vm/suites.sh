#!/bin/bash
# The suites inside the virtual machine, from outside: `make vm-check`.  The machine's own end is a result too, so that a
# machine that died is a failure and not a silence.
#
#   tests/vm/suites.sh LIMIT-IN-SECONDS      environment: BUILD, TESTS, V, VM_SUITES ("unit golden bats")
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
mkdir -p "$build/results"
rm -rf "$build/results/vm"
begin=$(date +%s)
tests/vm/run.sh --results "$build/results" --limit "$1" \
  env "BUILD=$build" "TESTS=${TESTS:-}" "V=${V:-0}" "VM_SUITES=${VM_SUITES:-unit golden bats}" tests/vm/check.sh
status=$?
mkdir -p "$build/results/vm"
if [ "$status" -le 1 ]; then
  echo "ok 1 - the machine ended by itself"
else
  echo "not ok 1 - the machine ended with status $status"
fi >"$build/results/vm/machine.tap"
echo "the virtual machine took $(($(date +%s) - begin)) s"
exit "$status"
