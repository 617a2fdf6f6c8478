#!/bin/bash
# Runs suites of tests, two files at a time.  Called by make (place native) and by tests/vm/check.sh (places vm and
# systemd).
#
#   tests/suite.sh PLACE SUITE...      SUITE is unit, golden, bats, engines or systemd
#
# Environment: BUILD (build), RESULTS (BUILD/results), JOBS (2), TESTS (only files of these names), V=1 (show all TAP).
set -u
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build}
export PLACE=$1
shift
results=${RESULTS:-$BUILD/results}/$PLACE
jobs=${JOBS:-2}
running=0 failed=0
# A bats file that hangs is ended.  (BATS_TEST_TIMEOUT would make a bare "wait" in a test wait for bats' own watcher.)
# Those of engines take ten minutes of the virtual machine when it has two processors for itself.
limit=300 engine_limit=300
[ "$PLACE" = native ] || limit=1200 engine_limit=2400

tags=()
[ "$PLACE" != vm ] || [ -n "${TESTS:-}" ] || tags=(--filter-tags '!native')

is_wanted() {
  local word
  [ -n "${TESTS:-}" ] || return 0
  for word in $TESTS; do
    [ "$word" = "$1" ] && return 0
  done
  return 1
}

# What another kernel cannot change does not go into the slow machine again, unless it is asked for by name: the tree
# and what make does with it, words and options, configs that are refused, hooks and terminals, files and JSON of
# netsetup.  Nor what is measured against a clock, and the packets of netsetup, which would take ten minutes there: the
# links themselves do go in.  Of other files it is left out test by test: those with the tag "native".
is_left_out() {
  [ "$PLACE" = vm ] && [ -z "${TESTS:-}" ] || return 1
  case $1 in
    house | spec | validation | cli | flags | driver | badinput | hooks | console | annotations | properties | list) return 0 ;;
    netsetup_cni | netsetup_network | netsetup_hook | netsetup_bandwidth) return 0 ;;
    netsetup_guard | netsetup_nat | netsetup_overlay | netsetup_detach | netsetup_kernel | netsetup_names) return 0 ;;
  esac
  return 1
}

finish() {
  while [ "$running" -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
  done
}

job() { # NAME COMMAND...
  local name=$1
  shift
  if [ "$running" -ge "$jobs" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
  tests/tap.sh "$PLACE $name" "$results/${name// /-}.tap" "$@" &
  running=$((running + 1))
}

for suite in "$@"; do
  rm -f "$results/$suite"*.tap
  case $suite in
    unit)
      for program in "$BUILD"/tests/unit/*_test; do
        base=$(basename "$program" _test)
        [ -x "$program" ] && is_wanted "$base" && job "unit $base" "$program"
      done
      ;;
    golden) job golden tests/golden/run.sh ;;
    bats)
      for file in tests/bats/*.bats; do
        base=$(basename "$file" .bats)
        ! is_left_out "$base" || continue
        is_wanted "$base" || continue
        job "bats $base" timeout -k 10 "$limit" bats "${tags[@]}" --tap "$file"
      done
      ;;
    engines)
      for file in tests/engines/*.bats; do
        base=$(basename "$file" .bats)
        is_wanted "$base" && job "engines $base" tests/engines/host.sh timeout -k 10 "$engine_limit" bats --tap "$file"
      done
      ;;
    systemd)
      # Its own tests, and of the others those whose answer must not depend on who makes the cgroup.
      for file in tests/systemd/*.bats tests/bats/{cgroup,limits,devices,freeze}.bats; do
        base=$(basename "$file" .bats)
        is_wanted "$base" &&
          job "bats $base" env DRIVER=systemd timeout -k 10 "$limit" bats --filter-tags '!cgroupfs' --tap "$file"
      done
      ;;
    *) echo "suite.sh: no suite $suite" >&2; exit 2 ;;
  esac
done
finish
exit "$failed"
