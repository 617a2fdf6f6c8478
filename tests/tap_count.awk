# Counts TAP results.  With -v brief=1 it prints "N passed, N failed, N skipped" and no more.  Otherwise the files are
# RESULTS/PLACE/NAME.tap, allowed names the list of allowed skips, what was skipped is listed first, then what failed
# with the first lines that it said (of a long log often only the end is kept); a skip that is not allowed makes the exit
# status 1, as does a failure or an empty run.
function load(file,    line, at) {
  while ((getline line < file) > 0)
    if (line !~ /^[ \t]*(#|$)/) {
      at = index(line, " ")
      place_of[++rules] = substr(line, 1, at - 1)
      sub(/^[^ ]+ +/, "", line)
      reason_of[rules] = line
    }
}
function is_allowed(place, reason,    i) {
  for (i = 1; i <= rules; i++)
    if ((place_of[i] == place || place_of[i] == "any") && reason ~ ("^(" reason_of[i] ")$")) return 1
  return 0
}
BEGIN { if (allowed) load(allowed) }
FNR == 1 { next_of = 0; parts = split(FILENAME, part, "/"); place = part[parts - 1]; file = part[parts] }
/^not ok / { failed++; if (!brief) failures[++nf] = place "/" file ": " $0; lines = 0; next_of = nf }
/^ok / { next_of = 0 }
/^#/ && next_of && !brief && lines++ < 20 { said[next_of] = said[next_of] "  " substr($0, 1, 200) "\n" }
/^ok .* # [Ss][Kk][Ii][Pp]/ {
  skipped++
  reason = $0
  sub(/^.* # [Ss][Kk][Ii][Pp] */, "", reason)
  key = place ": " reason
  seen[key]++
  if (!is_allowed(place, reason)) refused[key]++
  next
}
/^ok / { passed++ }
END {
  if (!brief) {
    for (key in seen) printf "skipped %d on %s%s\n", seen[key], key, (key in refused) ? "  <- NOT in tests/allowed-skips" : ""
    for (i = 1; i <= nf; i++) printf "failed %s\n%s", failures[i], said[i]
  }
  printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
  for (key in refused) bad = 1
  if (!brief && (failed || bad || !passed)) exit 1
}
