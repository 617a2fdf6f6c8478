#!/bin/bash
# Sums up what a COVER=1 build counted, file by file and folder by folder: tests/cover.sh BUILD
set -u
cd "$(dirname "$0")/.." || exit 1
find "$1" -name '*.gcda' ! -path '*/tests/*' | while read -r data; do
  gcov -n -o "$(dirname "$data")" "$data" 2>/dev/null
done | awk '
  /^File / { file = substr($2, 2, length($2) - 2); next }
  /^Lines executed:/ && file ~ /\.c$/ && file !~ /^\// {
    split($0, part, /[:% ]+/)
    lines = $NF
    hit = part[3] * lines / 100
    printf "%6.1f%% of %5d  %s\n", part[3], lines, file
    folder = file
    sub(/\/[^\/]*$/, "", folder)
    total[folder] += lines; good[folder] += hit
    total["all"] += lines; good["all"] += hit
    file = ""
  }
  END { for (name in total) printf "%6.1f%% of %5d  = %s\n", 100 * good[name] / total[name], total[name], name }' | sort -k4
