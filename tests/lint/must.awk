# The table of the spec's MUSTs (tests/spec/must.tsv) is complete and every row has a test that exists.  Prints what is
# not so.  Called by tests/lint/run.sh with the table first, then the files that tests stand in.
#
# A line "count DOCUMENT NUMBER" says how many of the words there are in the document.
BEGIN {
  FS = "\t"
  split("Windows,Solaris,authors of images,authors of specifications", list, ",")
  for (i in list) foreign["n/a: " list[i]] = 1
}
FNR == 1 { file = FILENAME; sub(/.*\//, "", file); before = "" }
FNR == NR && /^count / { split($0, part, " "); count[part[2]] = part[3]; next }
FNR == NR && /^#/ { next }
FNR == NR {
  at = FILENAME ":" FNR ": "
  if (NF != 5) print at NF " columns, not five"
  if ($1 !~ /^[a-z-]+\.md:[0-9]+$/) print at "no place: " $1
  if ($3 !~ /^(MUST|MUST NOT|REQUIRED)$/) print at "no such kind: " $3
  if ($4 == "") print at "says nothing"
  document = $1
  sub(/:.*/, "", document)
  rows[document]++
  if ($5 ~ /^n\/a: /) {
    if (!($5 in foreign)) print at "no reason to leave a row out: " $5
  } else wanted[++wants] = $5
  place[$5] = at
  next
}
# A test that begins with an unconditional skip proves nothing.
before != "" && /^[[:space:]]*skip/ { delete known[before] }
{ before = "" }
/^@test "/ {
  name = $0
  sub(/^@test "/, "", name)
  sub(/" \{$/, "", name)
  before = file ": " name
  known[before] = 1
}
/^static void test_[a-z0-9_]*\(/ {
  name = $0
  sub(/^static void /, "", name)
  sub(/\(.*/, "", name)
  known[file ": " name] = 1
}
# Golden plans and errors have no names inside.
file ~ /\.(plan|err)$/ && FNR == 1 { known["golden " file] = 1 }
END {
  for (i = 1; i <= wants; i++)
    if (!(wanted[i] in known)) print place[wanted[i]] "no such test: " wanted[i]
  for (document in count)
    if (rows[document] != count[document]) print document ": " rows[document] + 0 " rows for " count[document] " words"
  for (document in rows)
    if (!(document in count)) print document ": not counted"
}
