#!/bin/bash
# What `make vm-check` runs inside the virtual machine.  The programs are those built outside: the root is shared.
set -u
cd "$(dirname "$0")/../.." || exit 1
export RESULTS=$VM_RESULTS
# shellcheck disable=SC2086 # a list of suites
exec "$BUILD/tests/reaper" tests/suite.sh "$PLACE" $VM_SUITES
