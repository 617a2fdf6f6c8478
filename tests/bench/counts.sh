#!/bin/bash
# Instructions of the work that no machine decides, against the recorded baseline, tests/bench/counts.tsv: more than 5 %
# above it is printed and the status is 1.  Called by lint; COUNTS_UPDATE=1 writes the baseline anew.
#
# callgrind counts what happens inside one function, so neither the dynamic linker nor the kernel has a say.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$(realpath "${BUILD:-build}")
baseline=$PWD/tests/bench/counts.tsv
golden=$PWD/tests/golden
profile=$PWD/tests/bats/seccomp.json
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/rootfs"
cd "$scratch" || exit 1
# shellcheck disable=SC2016 # a variable of jq
jq '.linux.seccomp = $profile[0]' --slurpfile profile "$profile" "$golden/default.json" >filtered.json

count() { # FUNCTION COMMAND...
  local function=$1
  shift
  valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="$function" "$@" 2>&1 >out </dev/null |
    awk '/Collected :/ { print $4 }'
}

measure() {
  local plan=("$build/rundlet" plan --probe=full .)
  printf 'read a config\t%s\n' "$(count oci_config_read "${plan[@]}" --config "$golden/default.json")"
  printf 'check it\t%s\n' "$(count oci_check "${plan[@]}" --config "$golden/default.json")"
  printf 'build its plan\t%s\n' "$(count plan_build "${plan[@]}" --config "$golden/default.json")"
  printf 'read a config with a profile of 437 calls\t%s\n' "$(count oci_config_read "${plan[@]}" --config filtered.json)"
  printf 'build its plan, with the filter\t%s\n' "$(count plan_build "${plan[@]}" --config filtered.json)"
  printf 'netsetup plan attach\t%s\n' "$(count main "$build/netsetup" plan attach web --netns /proc/self/ns/net \
    --bridge cask0 --address 10.8.0.2/24 --gateway 10.8.0.1 --masquerade --publish 8080:80 --root "$scratch/net")"
}

measure >now
if [ -n "${COUNTS_UPDATE:-}" ]; then
  cp now "$baseline"
  cat "$baseline"
  exit
fi
awk -F '\t' '
  FNR == NR { was[$1] = $2; next }
  $2 == "" { print $1 ": it was not counted"; bad = 1; next }
  !($1 in was) { print $1 ": no baseline (COUNTS_UPDATE=1)"; bad = 1; next }
  { seen[$1] = 1 }
  $2 > was[$1] * 1.05 { printf "%s: %d instructions, %.1f %% more than the %d recorded\n", $1, $2, ($2 / was[$1] - 1) * 100, was[$1]; bad = 1 }
  END { for (name in was) if (!(name in seen)) { print name ": it was not counted"; bad = 1 } exit bad }' "$baseline" now
