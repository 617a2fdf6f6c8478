#!/bin/bash
# Makes a minimal Debian in the folder that is named, once (and anew when LIST is younger); called by make before the
# tests that want it, so that the virtual machine finds it.  Needs apt's network.  A failure leaves its words beside it,
# in FOLDER.log, and no folder: the tests show them and fail.
#
#   tests/real/debian.sh FOLDER [LIST]      LIST is a file with the packages that come on top, one a line
set -eu
folder=$1 list=${2:-}
is_made() { [ -d "$folder" ] && { [ -z "$list" ] || [ ! "$list" -nt "$folder" ]; }; }
! is_made || exit 0
mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
flock 9
! is_made || exit 0
rm -rf --one-file-system "$folder.new" "$folder"
set -- --quiet --variant=minbase --mode=root
if [ -n "$list" ]; then
  # What nobody reads in a machine for tests.
  for part in doc man locale info lintian; do
    set -- "$@" "--dpkgopt=path-exclude=/usr/share/$part/*"
  done
  set -- "$@" "--include=$(paste -s -d , "$list")"
fi
if mmdebstrap "$@" bookworm "$folder.new" >"$folder.log" 2>&1 </dev/null; then
  touch "$folder.new"
  mv "$folder.new" "$folder"
  rm -f "$folder.log"
else
  rm -rf --one-file-system "$folder.new"
  echo "no Debian root could be made: is apt's network there?" >>"$folder.log"
  cat "$folder.log" >&2
  exit 1
fi
