#!/usr/bin/env bats
# The spec's own judge, as far as it goes: what opencontainers/runtime-tools' validation programs say of rundlet.  make
# builds them before the tests (tests/real/validation.sh); the machine's tests have no network.

load helpers

setup() {
  rundlet_only
  bundle_setup
}

# Go, or the proxy of its modules, is not there: that is no fault of the house.
needs_programs() {
  PROGRAMS=$BUILD/real/validation
  [ ! -d "$PROGRAMS" ] || return 0
  cat "$PROGRAMS.log"
  ! grep -qE 'there is no Go|dial tcp|no such host|connection refused|i/o timeout|[Ff]orbidden' "$PROGRAMS.log" ||
    skip "needs the validation programs, a Go module"
  return 1
}

@test "the validation programs of runtime-tools pass, but those that are listed with a reason" {
  needs_programs
  list=$TOP/tests/real/validation.expected
  OUT=$BATS_TEST_TMPDIR/said "$TOP/tests/real/validation.sh" run "$PROGRAMS" "$RUNTIME" >"$BATS_TEST_TMPDIR/table"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/table")" = 58 ]
  awk -v place="${IN_VM:+vm}" '
    BEGIN { place = place == "" ? "native" : place }
    FNR == NR && !/^#/ && ($1 == place || $1 == "any") { expected[$3] = $2; reason[$3] = NF > 3 }
    FNR == NR { next }
    { seen[$1] = 1; want = $1 in expected ? expected[$1] : "pass" }
    want != "either" && want != $2 { print $1 ": " $2 ", expected: " want; bad = 1 }
    END {
      for (name in expected) if (!(name in seen) || !reason[name]) { print name ": no such program, or no reason"; bad = 1 }
      exit bad
    }' "$list" "$BATS_TEST_TMPDIR/table" >"$BATS_TEST_TMPDIR/differences" || {
    cat "$BATS_TEST_TMPDIR/differences"
    while IFS=: read -r name _; do
      echo "== $name"
      cut -c 1-300 "$BATS_TEST_TMPDIR/said/$name.err" | tail -n 5
      grep -A 6 -E '^not ok|"error"' "$BATS_TEST_TMPDIR/said/$name.tap" | cut -c 1-300 | head -n 20
    done <"$BATS_TEST_TMPDIR/differences"
    false
  }
}
