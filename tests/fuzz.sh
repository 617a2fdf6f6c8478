#!/bin/bash
# Runs fuzz harnesses one after the other: tests/fuzz.sh SECONDS PROGRAM...  The corpus grows beside the program; what
# stands in tests/fuzz/corpus/NAME seeds it, tests/fuzz/NAME.dict is its dictionary.  TESTS limits the names.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=$1
shift
failed=0
for program in "$@"; do
  name=$(basename "$program" _fuzz)
  [ -z "${TESTS:-}" ] || [[ " $TESTS " = *" $name "* ]] || continue
  corpus=$program.corpus
  mkdir -p "$corpus"
  options=("-max_total_time=$seconds" -timeout=10 -rss_limit_mb=2048 "-artifact_prefix=$program-" -print_final_stats=1)
  [ ! -e "tests/fuzz/$name.dict" ] || options+=("-dict=tests/fuzz/$name.dict")
  seeds=()
  [ ! -d "tests/fuzz/corpus/$name" ] || seeds+=("tests/fuzz/corpus/$name")
  if "$program" "${options[@]}" "$corpus" "${seeds[@]}" >"$program.log" 2>&1 </dev/null; then
    awk -v "name=$name" '/number_of_executed_units/ { runs = $2 } /cov: [0-9]+/ { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
      END { printf "%-16s %d runs, %d edges covered\n", name, runs, cov }' "$program.log"
  else
    tail -n 40 "$program.log"
    echo "$name: FAILED, see $program.log"
    failed=1
  fi
done
exit "$failed"
