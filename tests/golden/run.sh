#!/bin/bash
# config.json -> plan text, without root: every NAME.json here must give the text of NAME.plan, or fail with the words of
# NAME.err.  NAME.args (optional) holds options of `plan` in place of --probe=full, the kernel that is taken for granted
# so that the text is the same everywhere; with the word "plan" in it, global options stand before that.  GOLDEN_UPDATE=1 writes NAME.plan or NAME.err anew.  Prints TAP.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
program=$(realpath "${BUILD:-$top/build}/rundlet")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/bundle/rootfs"
cd "$scratch/bundle" || exit 1
n=0

result() { # GOOD NAME
  n=$((n + 1))
  if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

# Few processes a case: they are dear where this runs in the virtual machine.
plan_of() { # NAME: leaves out, err and status
  local args=(plan --probe=full)
  [ ! -e "$here/$1.args" ] || read -r -a args <"$here/$1.args"
  [[ " ${args[*]} " = *' plan '* ]] || args=(plan "${args[@]}")
  "$program" "${args[@]}" --config "$here/$1.json" . </dev/null >"$scratch/out" 2>"$scratch/err"
  status=$?
}

is_same() { # FILE FILE
  [ "$(<"$1")" = "$(<"$2")" ] || { diff -u "$1" "$2" >"$scratch/diff"; false; }
}

update() { # NAME
  if [ "$status" = 0 ]; then
    rm -f "$here/$1.err"
    cp "$scratch/out" "$here/$1.plan"
  else
    rm -f "$here/$1.plan"
    cp "$scratch/err" "$here/$1.err"
  fi
}

check() { # NAME
  if [ -e "$here/$1.plan" ]; then
    [ "$status" = 0 ] && is_same "$here/$1.plan" "$scratch/out"
  elif [ -e "$here/$1.err" ]; then
    [ "$status" != 0 ] && is_same "$here/$1.err" "$scratch/err"
  else
    echo "neither $1.plan nor $1.err" >"$scratch/diff"
    false
  fi
  result $? "$1 (status $status)"
  [ ! -s "$scratch/diff" ] || sed 's/^/# /' "$scratch/diff"
  [ ! -e "$here/$1.plan" ] || [ ! -s "$scratch/err" ] || sed 's/^/# /' "$scratch/err"
}

for config in "$here"/*.json; do
  [ -e "$config" ] || continue
  name=${config##*/}
  name=${name%.json}
  : >"$scratch/diff"
  plan_of "$name"
  if [ -n "${GOLDEN_UPDATE:-}" ]; then update "$name"; fi
  check "$name"
done
echo "1..$n"
