#!/bin/bash
# Runs one producer of TAP, keeps its output in FILE and says in one line what came of it; failures are shown whole.
# A producer that dies, prints no plan or not as many results as planned gets a failed result of its own.
#
#   tests/tap.sh NAME FILE COMMAND...
set -u
here=$(cd "$(dirname "$0")" && pwd)
name=$1 file=$2
shift 2
mkdir -p "$(dirname "$file")"
begin=$(date +%s)
"$@" >"$file.part" 2>&1 </dev/null
status=$?
awk -v "status=$status" -v "name=$name" '
  { print }
  /^ok / { good++ }
  /^not ok / { bad++ }
  /^1\.\.[0-9]+( |$)/ { planned = substr($1, 4); has_plan = 1 }
  END {
    n = good + bad
    if (!has_plan)
      printf "not ok %d - %s printed no plan, it ended with status %d\n", ++n, name, status
    else if (n != planned)
      printf "not ok %d - %s planned %d results and gave %d, it ended with status %d\n", n + 1, name, planned, n, status
    else if (status != 0 && !bad)
      printf "not ok %d - %s ended with status %d\n", ++n, name, status
  }' "$file.part" >"$file"
rm -f "$file.part"
counts=$(awk -f "$here/tap_count.awk" -v brief=1 "$file")
printf '%-28s %s (%d s)\n' "$name" "$counts" $(($(date +%s) - begin))
if [ "${V:-0}" != 0 ]; then
  cat "$file"
else
  # A failed result and the diagnostics that follow it; for unit programs a crash report stands before the last one.
  awk '/^not ok / { shown = 1 } /^ok / { shown = 0 } shown' "$file"
  if grep -q '^not ok .* ended with status' "$file"; then tail -n 20 "$file"; fi
fi
! grep -q '^not ok ' "$file"
