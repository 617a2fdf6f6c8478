# The host's side of an attack: a folder that the container must neither reach nor change, and mounts seen from outside.
# Loaded after helpers.bash.
# shellcheck shell=bash

PROBE=$BUILD/tests/probe

# `! command` alone never fails a test.
refute() {
  if "$@"; then
    echo "should have failed: $*"
    return 1
  fi
}

# Makes $CANARY: files, folders, a link, an empty folder, a secret.  Paths in a container's root lead to the same names.
canary_make() {
  CANARY=$BATS_TEST_TMPDIR/canary
  mkdir -p "$CANARY"/{folder/deep,empty,dev}
  echo "canary-secret-$ID" >"$CANARY/secret"
  echo script >"$CANARY/folder/script"
  chmod 640 "$CANARY/secret"
  chmod 4755 "$CANARY/folder/script"
  chown 77:1000 "$CANARY/folder"
  touch "$CANARY"/dev/{null,zero,console,stdin} "$CANARY/folder/deep/file"
  ln -s nowhere "$CANARY/link"
  canary_state >"$BATS_TEST_TMPDIR/canary.before"
}

# All that a write could change, access times left out; and the runtime's own program with it.
canary_state() {
  find "$CANARY" -printf '%p %y %m %U:%G %T@ %C@ %i %n %s %l\n' | sort
  find "$CANARY" -type f -exec sha256sum {} + | sort
  stat -c '%n %i %Y %Z %a %u:%g %s' "$(command -v "$RUNTIME")"
  sha256sum "$(command -v "$RUNTIME")"
}

canary_lives() {
  canary_state | diff "$BATS_TEST_TMPDIR/canary.before" - || { echo "the host was changed"; return 1; }
}
