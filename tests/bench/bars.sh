# Bars of a table of medians, for the benchmarks to source.  Needs gnuplot; without it there is no picture.
# shellcheck shell=bash

# TABLE has lines "KIND<TAB>WHO<TAB>NUMBER..."; one group a kind, one bar for each who, in multiples of the number of
# BASE (the first who that the table names, when it is empty).  "log" for multiples of all sizes.
bars() { # TABLE PICTURE TITLE [BASE [log]]
  local rows columns scale='set yrange [0:*]'
  command -v gnuplot >/dev/null || return 0
  [ "${5:-}" != log ] || scale='set logscale y; set yrange [0.1:*]'
  rows=$(mktemp)
  awk -F '\t' -v base="${4:-}" '
    !($1 in seen) { seen[$1] = 1; kind[++kinds] = $1 }
    !($2 in known) { known[$2] = 1; who[++whos] = $2 }
    { value[$1, $2] = $3 }
    END {
      if (base == "") base = who[1]
      printf "kind"; for (w = 1; w <= whos; w++) printf "\t%s", who[w]; print ""
      for (k = 1; k <= kinds; k++) {
        printf "%s", kind[k]
        for (w = 1; w <= whos; w++) {
          first = value[kind[k], base]
          printf "\t%s", first && (kind[k], who[w]) in value ? value[kind[k], who[w]] / first : "NaN"
        }
        print "" } }' "$1" >"$rows"
  columns=$(head -n 1 "$rows" | awk -F '\t' '{ print NF }')
  gnuplot <<PLOT
set terminal svg size 900,400 font "sans,12" background "white"
set output "$2"
set title "$3"
set datafile separator "\t"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.85 border -1
set key outside right top autotitle columnheader
set grid y
$scale
set xtics rotate by -20
plot for [i = 2:$columns] "$rows" using i:xtic(1)
PLOT
  rm -f "$rows"
}
