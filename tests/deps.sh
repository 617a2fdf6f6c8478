#!/bin/sh
# Installs the Debian packages for building (tests/packages-build) or for testing (tests/packages-test), as root:
#   sh tests/deps.sh build|test
# Does nothing, and needs no network, when they are there.
set -eu
list=$(dirname "$0")/packages-${1:?build or test}
missing=''
while read -r package; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done <"$list"
[ -n "$missing" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # a list
apt-get install -q -y --no-install-recommends $missing
