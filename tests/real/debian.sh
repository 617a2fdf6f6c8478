#!/bin/sh
# Makes a minimal Debian in the folder that is named, for tests/bats/real.bats, once; called by make before the bats
# tests, so that the virtual machine finds it.  Needs apt's network.  A failure leaves its words beside it, in
# FOLDER.log, and no folder: the tests show them and fail.
#
#   tests/real/debian.sh FOLDER
set -eu
folder=$1
[ ! -d "$folder" ] || exit 0
mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
flock 9
[ ! -d "$folder" ] || exit 0
rm -rf --one-file-system "$folder.new"
if mmdebstrap --quiet --variant=minbase --mode=root bookworm "$folder.new" >"$folder.log" 2>&1 </dev/null; then
  mv "$folder.new" "$folder"
  rm -f "$folder.log"
else
  rm -rf --one-file-system "$folder.new"
  echo "no Debian root could be made: is apt's network there?" >>"$folder.log"
  cat "$folder.log" >&2
  exit 1
fi
