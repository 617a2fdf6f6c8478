# podman's checkpoint and restore, with rundlet as its runtime and CRIU.
# shellcheck shell=bash disable=SC2154
load podman

needs_criu() {
  criu check >/dev/null 2>&1 || skip "needs a kernel that this CRIU knows"
}

count() { # NAME
  pod exec "$1" cat /tmp/count
}
counts_on() { # NAME FROM
  [ "$(count "$1")" -gt "$2" ]
}

@test "podman container checkpoint and restore: it goes on in the same container" {
  needs_criu
  up one --network none box sh -c 'i=0; while true; do i=$((i+1)); echo $i >/tmp/new; mv /tmp/new /tmp/count; sleep 0.1; done'
  wait_for counts_on one 3
  pod container checkpoint --leave-running one >/dev/null
  is running inspect one '{{.State.Status}}'
  last=$(count one)
  pod container checkpoint one >/dev/null
  is 'exited true' inspect one '{{.State.Status}} {{.State.Checkpointed}}'
  pod container restore one >/dev/null
  is running inspect one '{{.State.Status}}'
  wait_for counts_on one "$last"
}

@test "podman container checkpoint --export, restore --import: it goes on in another one" {
  needs_criu
  last=$(count one)
  pod container checkpoint --export "$BATS_TEST_TMPDIR/one.tar.gz" one >/dev/null
  pod rm one >/dev/null
  pod container restore --import "$BATS_TEST_TMPDIR/one.tar.gz" --name two >/dev/null
  wait_for counts_on two "$last"
  pod rm --force --time 0 two >/dev/null
}

@test "nothing is left" {
  needs_criu
  nothing_left
}
