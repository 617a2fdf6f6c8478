#!/usr/bin/env bats
# Properties of the runtime-spec that no other file is about: what each value does, and that what cannot be is said.

load helpers

refused() { # WORDS: one error line with these words, and nothing is left
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  echo "$output"
  [ "$status" = 1 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  [[ $output = *"$1"* ]]
  [ ! -e "$ROOT/$ID" ]
}

@test "intelRdt: without resctrl an error that names what is missing, before anything is made" {
  local words='linux.intelRdt: this kernel has no resctrl'
  if grep -q '\<resctrl$' /proc/filesystems; then words='linux.intelRdt: resctrl is not mounted'; fi
  if grep -q ' - resctrl ' /proc/self/mountinfo; then words='linux.intelRdt.closID: there is no group nobody-made'; fi
  config '.linux.intelRdt = {closID: "nobody-made", enableMonitoring: true}'
  refused "$words"
  config 'del(.linux.intelRdt)'
  run_payload true
}
