#!/bin/bash
# The rules of the house that a program can check, as TAP.  Called by `make lint`, after the build.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
n=0

# A rule is a function that prints what breaks it.
rule() { # NAME FUNCTION
  local found
  n=$((n + 1))
  if found=$("$2" 2>&1) && [ -z "$found" ]; then
    echo "ok $n - $1"
  else
    echo "not ok $n - $1"
    echo "$found" | sed 's/^/# /'
  fi
}

tracked() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do [ -e "$file" ] && echo "$file"; done; }
mapfile -t c_files < <(tracked 'specs/*.[ch]' 'runtime/*.[ch]' 'netsetup/*.[ch]')
mapfile -t all_c < <(tracked '*.[ch]')
mapfile -t scripts < <(tracked '*.sh' '*.bash' '*.bats' '*.awk' .ci/run tests/vm/init)

layers() { awk -f tests/lint/layers.awk "${c_files[@]}"; }
sizes() { awk -f tests/lint/sizes.awk "${all_c[@]}" "${scripts[@]}"; }

# Includes of a library stand in its one door.
door() { # HEADER-PATTERN FILE...
  local pattern=$1
  shift
  grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*<($pattern)>" "${c_files[@]}" |
    grep -vE "^($(IFS='|'; echo "$*")):"
  true
}
doors() {
  door 'yajl/.*' specs/json_read.c specs/json_write.c
  door 'seccomp.h' runtime/plan/seccomp.c
  door 'sys/capability.h' runtime/plan/caps.c
  door 'libmnl/.*' netsetup/nl.c netsetup/nl.h
  door 'libnftnl/.*' netsetup/nft.c
}

# Comments and strings are blanked before code is searched.
code_of() {
  awk '{
    line = $0; out = ""
    while (line != "") {
      if (inside) {
        at = index(line, "*/")
        if (!at) { line = ""; continue }
        inside = 0; line = substr(line, at + 2)
      } else if (match(line, /"([^"\\]|\\.)*"|\/\*|\/\//)) {
        out = out substr(line, 1, RSTART - 1)
        mark = substr(line, RSTART, 2)
        line = substr(line, RSTART + RLENGTH)
        if (mark == "/*") inside = 1
        else if (mark == "//") line = ""
        else out = out "\"\""
      } else { out = out line; line = "" }
    }
    print FILENAME ":" FNR ": " out
  }' "$@"
}

# A step names container paths by folder and open_in, never by a path of its own.
raw_paths() {
  code_of runtime/steps/*.c |
    grep -E '[^A-Za-z0-9_](open|openat|creat|fopen|opendir|mkdir|rmdir|mknod|symlink|link|unlink|rename|remove|chown|lchown|chmod|access|stat|lstat|truncate|readlink|realpath|utime|setxattr|lsetxattr)[[:space:]]*\('
  true
}
child_words() {
  code_of runtime/steps/*.c runtime/init/*.c specs/base/path.c |
    grep -E '[^A-Za-z0-9_](malloc|calloc|realloc|free|printf|fprintf|snprintf|strerror|getenv|getpwnam|getgrnam|setlocale|exit)[[:space:]]*\('
  true
}
outside_errors() { # only main, the log and the commands speak
  local silent
  mapfile -t silent < <(printf '%s\n' "${c_files[@]}" | grep '\.c$' |
    grep -vE '^(specs/base/|runtime/main.c|runtime/cli/|netsetup/(main|face_))')
  code_of "${silent[@]}" |
    grep -E '[^A-Za-z0-9_](printf *\(|fprintf *\( *stderr|puts *\(|perror *\(|goto +[a-z])'
  true
}

# What a step or path.c needs beyond libc-free code must come from its own neighbours.
child_symbols() {
  local objects
  mapfile -t objects < <(find "$BUILD/init" -name '*.o')
  [ "${#objects[@]}" -gt 3 ] || { echo "only ${#objects[@]} objects in $BUILD/init"; return; }
  nm --undefined-only --just-symbols "${objects[@]}" | grep -v -e ':$' -e '^$' | sort -u >"$BUILD/lint.needed"
  nm --defined-only --extern-only "${objects[@]}" | awk 'NF == 3 { print $3 }' | sort -u >"$BUILD/lint.defined"
  comm -23 "$BUILD/lint.needed" "$BUILD/lint.defined" | sed 's/^/not in the image: /'
  nm --undefined-only "$BUILD/rundlet-init" 2>/dev/null | sed 's/^/undefined in rundlet-init:/'
}
init_image() {
  local headers
  headers=$(readelf -lW "$BUILD/rundlet-init") || return
  ! grep -E 'INTERP|DYNAMIC|RWE' <<<"$headers"
  grep -q 'GNU_STACK .* RW ' <<<"$headers" || echo "rundlet-init: no GNU_STACK header, or an executable stack"
}
hardened() { # PROGRAM
  local all
  all=$(readelf -lhdsW "$1") || { echo "$1: unreadable"; return; }
  grep -qE 'Type: +DYN' <<<"$all" || echo "$1: no PIE"
  grep -q 'GNU_RELRO' <<<"$all" || echo "$1: no RELRO"
  grep -qE 'BIND_NOW|FLAGS_1.*NOW' <<<"$all" || echo "$1: no BIND_NOW"
  grep -q '__stack_chk_fail' <<<"$all" || echo "$1: no stack protector"
  grep -q '__[a-z_]*_chk' <<<"$all" || echo "$1: no fortified call"
  grep -q 'GNU_STACK .* RW ' <<<"$all" || echo "$1: an executable stack"
  ! grep -E 'LOAD .* RWE' <<<"$all" || echo "$1: a segment that is writable and executable"
  ! grep -E 'R(UN)?PATH' <<<"$all" || echo "$1: a run path"
}
hardening() {
  hardened "$BUILD/rundlet"
  hardened "$BUILD/netsetup"
}

marks() { # the brackets keep these lines from finding themselves
  git grep -nE '\b(TO[D]O|FIX[M]E|HAC[K])\b' -- '*.c' '*.h' '*.sh' '*.bash' '*.bats' '*.mk' '*.md' Makefile
  true
}
# A checkout at "/rundlet" says nothing: such a short path is a word of the tests as well.
own_paths() {
  [[ $PWD != /*/* ]] || git grep -nF -e "$PWD/" -- . ':!*.md'
  git grep -nE '/(home|Users)/[a-z]+/' -- . | grep -vE '/home/(user|tester|you|USER)/'
  true
}

musts() {
  awk -f tests/lint/must.awk tests/spec/must.tsv tests/bats/*.bats tests/unit/*_test.c tests/golden/*.plan tests/golden/*.err
}

shell() {
  local file
  for file in "${scripts[@]}"; do
    case $file in
      *.awk) ;;
      *.bats) shellcheck -x -s bats -S warning -e SC2030,SC2031,SC2034,SC2154,SC2016 -f gcc "$file" ;;
      *.bash) shellcheck -x -s bash -S warning -e SC2034,SC2154,SC2016 -f gcc "$file" ;;
      *) shellcheck -x -S warning -f gcc "$file" ;;
    esac
  done
}
tidy() {
  make --no-print-directory -k -j"$(nproc)" tidy 2>&1 | grep -E '(warning|error):' | grep -v 'warnings* treated as' | sort -u
  true
}

counts() { tests/bench/counts.sh; }

rule 'layers: nobody includes what stands above' layers
rule 'sizes of files, lines, functions and signatures' sizes
rule 'one door a library' doors
rule 'steps take no raw path' raw_paths
rule 'nothing of libc that allocates, prints or looks up in the child' child_words
rule 'words are recorded, not printed, and nothing jumps' outside_errors
rule 'symbols of the child' child_symbols
rule 'the init image: static, nothing writable and executable' init_image
rule 'hardening of both programs' hardening
rule 'no marks of unfinished work' marks
rule 'no paths of a developer' own_paths
rule 'every MUST of the spec has a test' musts
rule 'shellcheck' shell
rule 'clang-tidy' tidy
rule 'instructions of what no machine decides, within 5 % of the baseline' counts
echo "1..$n"
