#!/bin/bash
# The validation programs of opencontainers/runtime-tools, the spec's own judge: a Go module, pinned in
# tests/real/validation/go.mod.
#
#   tests/real/validation.sh build FOLDER            fetches and builds them, once; needs Go and its module proxy, and
#                                                    where they are not to be had leaves the words in FOLDER.log
#   tests/real/validation.sh run FOLDER RUNTIME      runs every program: lines "PROGRAM pass" or "PROGRAM fail"
#   tests/native.sh tests/real/validation.sh compare FOLDER RUNTIME...     a table of several runtimes
#
# run keeps what the programs say in OUT (a folder, environment), and works in TMPDIR.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
[ "${1:-}" = one ] || cd "$top" || exit 1

build() { # FOLDER
  local folder=$1 tools
  { [ ! -d "$folder" ] || [ tests/real/validation/go.sum -nt "$folder" ]; } || return 0
  mkdir -p "$(dirname "$folder")"
  rm -rf "$folder" "$folder.new"
  mkdir "$folder.new"
  folder=$(realpath "$folder.new")
  (
    set -e
    PATH=$PATH:/usr/local/go/bin
    command -v go || { echo "there is no Go"; exit 1; }
    cd tests/real/validation
    export CGO_ENABLED=0 GOFLAGS=-mod=readonly
    for part in validation/... cmd/runtimetest; do
      timeout 300 go build -ldflags='-s -w' -o "$folder/" "github.com/opencontainers/runtime-tools/$part"
    done
    tools=$(go list -m -f '{{.Dir}}' github.com/opencontainers/runtime-tools)
    install -m 644 "$tools/rootfs-$(go env GOARCH).tar.gz" "$folder/"
  ) >"${folder%.new}.log" 2>&1 </dev/null || { rm -rf "$folder"; cat "${folder%.new}.log" >&2; return 1; }
  mv "$folder" "${folder%.new}"
}

# A program that has nothing to report prints no test, one that has prints an error in its diagnosis.
judge() { # STATUS TAP-FILE
  [ "$1" = 0 ] && ! grep -q '^not ok' "$2" && { grep -q '^ok' "$2" || ! grep -q '^ *"error": "[^"]' "$2"; }
}

# One program, in the working directory, which holds what it reads.
one() { # PROGRAM
  local name status=0
  name=$(basename "$1")
  RUNTIME=$PWD/runtime timeout -k 5 "$((60 * ${IN_VM:+10} + 60))" "$1" >"$OUT/$name.tap" 2>"$OUT/$name.err" </dev/null || status=$?
  if judge "$status" "$OUT/$name.tap"; then echo "$name pass"; else echo "$name fail"; fi
}

# The programs give their runtime no state folder, and some leave a container behind.
run() { # FOLDER RUNTIME
  local folder runtime place id
  folder=$(realpath "$1") runtime=$(realpath "$(command -v "$2")")
  place=$(mktemp -d)
  chmod 711 "$place"
  export OUT=${OUT:-$place/out}
  mkdir -p "$OUT" "$place/tmp"
  OUT=$(realpath "$OUT")
  cd "$place" || exit 1
  cp "$folder"/runtimetest "$folder"/rootfs-*.tar.gz .
  printf '#!/bin/sh\nexec "%s" --root "%s/state" "$@"\n' "$runtime" "$place" >runtime
  chmod +x runtime
  find "$folder" -type f -executable ! -name runtimetest -print0 |
    TMPDIR=$place/tmp xargs -0 -P "${JOBS:-4}" -n 1 "$top/tests/real/validation.sh" one | sort
  for id in state/*; do
    [ ! -d "$id" ] || ./runtime delete --force "$(basename "$id")" >/dev/null 2>&1
  done
  cd "$top" || exit 1
  rm -rf --one-file-system "$place"
}

compare() { # FOLDER RUNTIME...
  local folder=$1 runtime tables=()
  shift
  for runtime; do
    tables+=("$(mktemp)")
    run "$folder" "$runtime" >"${tables[-1]}"
  done
  printf '%-40s' program
  printf '%-12s' "${@##*/}"
  echo
  paste "${tables[@]}" | awk '{ printf "%-40s", $1; for (i = 2; i <= NF; i += 2) { printf "%-12s", $i; n[i] += $i == "pass" } print "" }
    END { printf "%-40s", "passed of " NR; for (i = 2; i <= NF; i += 2) printf "%-12s", n[i]; print "" }'
  rm -f "${tables[@]}"
}

case ${1:-} in
  build | run | compare | one) "$@" ;;
  *) echo "usage: validation.sh build FOLDER | run FOLDER RUNTIME | compare FOLDER RUNTIME..." >&2; exit 2 ;;
esac
