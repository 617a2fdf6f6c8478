# Files of at most 600 lines; C lines of at most 120 characters, C functions of at most 60 lines and 5 parameters.  The C is laid
# out by clang-format (system calls, in specs/base/sys.h, take what they take): a function begins at the left margin and ends with a brace there.
function complain(line, words) { printf "%s:%d: %s\n", FILENAME, line, words; bad = 1 }
function parameters(text,    i, c, depth, n) {
  if (text ~ /\([ \t]*(void)?[ \t]*\)[^()]*$/) return 0
  for (i = 1; i <= length(text); i++) {
    c = substr(text, i, 1)
    if (c == "(") depth++
    if (c == ")") depth--
    if (c == "," && depth == 1) n++
  }
  return n + 1
}
FNR == 1 { begin = 0; signature = "" }
FNR == 601 { complain(601, "more than 600 lines") }
FILENAME !~ /\.[ch]$/ { next }
length($0) > 120 { complain(FNR, "more than 120 characters") }
/^[A-Za-z_]/ { signature = ""; first = FNR }
!begin { signature = signature " " $0 }
!begin && /\{$/ && signature ~ /\)[ \t]*\{$/ && signature !~ /=/ && signature !~ /^[ \t]*#/ {
  begin = first
  n = parameters(signature)
  if (n > 5 && FILENAME != "specs/base/sys.h") complain(first, n " parameters")
}
/^\}/ {
  if (begin && FNR - begin + 1 > 60) complain(begin, "a function of " (FNR - begin + 1) " lines")
  begin = 0
  signature = ""
}
/;$/ && !begin { signature = "" }
END { exit bad }
