# What the tests of cgroups share: cgroup.bats, limits.bats, devices.bats, freeze.bats.  Loaded after helpers.bash.
# shellcheck shell=bash

# Exit status 1 and one error line with these words on it: refused 'words' COMMAND...
refused() {
  local words=$1
  shift
  run rundlet "$@"
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  [[ $output = *"$words"* ]]
}

# A file of the container's cgroup: value pids.max
value() {
  cat "$CGROUP/$1"
}

# Makes the container with the limits of a jq object, without starting it.
create_with() { # RESOURCES
  config --argjson resources "$1" '.linux.resources += $resources'
  create
}

# Files of the cgroup hold these values: holds FILE VALUE [FILE VALUE]...
holds() {
  while [ $# -gt 0 ]; do
    # A controller that nothing asks a limit of may be left out: systemd hands down what is needed.
    if [[ $DRIVER = systemd && $2 = max* && ! -e $CGROUP/$1 ]]; then shift 2; continue; fi
    [ "$(value "$1")" = "$2" ] || { echo "$1: \"$(value "$1")\" instead of \"$2\""; return 1; }
    shift 2
  done
}

# The container may write to its cgroup.
writable_cgroup() {
  config '(.mounts[] | select(.type == "cgroup") | .options) -= ["ro"]'
}

gone() {
  [ ! -e "$1" ] || { echo "$1 is left"; return 1; }
}

nothing_left() {
  gone "${CGROUP%/container}"
  [ -z "$(ls -A "$ROOT" 2>/dev/null)" ]
}
