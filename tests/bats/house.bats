#!/usr/bin/env bats
# The house itself: what make promises, what the programs say of themselves.

load helpers

setup_file() {
  export MAKEFLAGS='' MAKELEVEL=''
}

setup() {
  rundlet_only
  bundle_setup
}

@test "make help names every target that a user may call" {
  run make -s -C "$TOP" help
  [ "$status" = 0 ]
  for target in all install uninstall check unit golden bats vm-check lint fuzz cover fmt clean; do
    grep -qE "^  $target +[a-z]" <<<"$output" || { echo "no line for $target"; false; }
  done
}

@test "make install puts every file below DESTDIR, make uninstall takes it away" {
  place=$BATS_TEST_TMPDIR/place
  run make -s -C "$TOP" install "BUILD=$BUILD" "DESTDIR=$place" PREFIX=/usr
  echo "$output"
  [ "$status" = 0 ]
  [ -x "$place/usr/bin/rundlet" ]
  [ -x "$place/usr/bin/netsetup" ]
  [ -s "$place/usr/share/man/man8/rundlet.8" ]
  [ -s "$place/usr/share/man/man8/netsetup.8" ]
  [ -s "$place/usr/share/bash-completion/completions/rundlet" ]
  [ -s "$place/usr/share/bash-completion/completions/netsetup" ]
  grep -qx 'rundlet = \["/usr/bin/rundlet"\]' "$place/etc/containers/containers.conf.d/50-rundlet.conf"
  grep -qx 'runtime_path = "/usr/bin/rundlet"' "$place/etc/crio/crio.conf.d/50-rundlet.conf"
  cmp "$place"/etc/{containers/containers.conf.d/50-rundlet.conf,../usr/share/rundlet/engines/containers.conf}
  "$place/usr/bin/rundlet" --version
  run make -s -C "$TOP" uninstall "BUILD=$BUILD" "DESTDIR=$place" PREFIX=/usr
  [ "$status" = 0 ]
  [ -z "$(find "$place" -type f)" ]
}

@test "the version has a number, the commit and the spec" {
  run rundlet --version
  [ "$status" = 0 ]
  [[ ${lines[0]} =~ ^rundlet\ version\ [0-9]+\.[0-9]+ ]]
  [[ $output =~ commit:\ [0-9a-f]+ ]]
  [[ $output =~ spec:\ 1\. ]]
}

@test "--help names every command, and each command has help of its own" {
  run rundlet --help
  [ "$status" = 0 ]
  for name in create start run state kill delete exec list ps pause resume spec features plan; do
    grep -qw "$name" <<<"$output" || { echo "--help does not name $name"; false; }
    help=$(rundlet "$name" --help)
    grep -q "rundlet.* $name" <<<"$help" || { echo "$name --help shows no synopsis"; false; }
  done
}

@test "an unknown command or option is refused in one line and names itself" {
  run rundlet nonsense
  [ "$status" != 0 ]
  [[ $output = *nonsense* ]]
  run rundlet state --nonsense x
  [ "$status" != 0 ]
  [[ $output = *nonsense* ]]
}

@test "the man pages render without a warning and name every command" {
  command -v man >/dev/null
  make -s -C "$TOP" install "BUILD=$BUILD" "DESTDIR=$BATS_TEST_TMPDIR/place" PREFIX=/usr
  for page in rundlet netsetup; do
    file=$BATS_TEST_TMPDIR/place/usr/share/man/man8/$page.8
    warnings=$(MANROFFSEQ='' MANWIDTH=80 man --warnings -l "$file" 2>&1 >"$BATS_TEST_TMPDIR/$page.txt")
    [ -z "$warnings" ] || { echo "$warnings"; false; }
    [ "$(wc -l <"$BATS_TEST_TMPDIR/$page.txt")" -gt 30 ]
  done
  for name in create start run exec delete; do
    grep -qw "$name" "$BATS_TEST_TMPDIR/rundlet.txt"
  done
}

@test "the completion is valid shell and completes a command" {
  make -s -C "$TOP" install "BUILD=$BUILD" "DESTDIR=$BATS_TEST_TMPDIR/place" PREFIX=/usr
  run bash -c '
    . "$1"
    complete -p rundlet >/dev/null || exit 1
    function=$(complete -p rundlet | sed "s/.*-F \([^ ]*\).*/\1/")
    COMP_WORDS=(rundlet cre) COMP_CWORD=1 COMP_LINE="rundlet cre" COMP_POINT=11
    "$function" rundlet cre rundlet
    echo "${COMPREPLY[@]}"' completion "$BATS_TEST_TMPDIR/place/usr/share/bash-completion/completions/rundlet"
  echo "$output"
  [ "$status" = 0 ]
  [[ $output = *create* ]]
}

@test "STATIC=1 gives one executable without an interpreter that runs a container" {
  run make -s -C "$TOP" STATIC=1 "BUILD=$BATS_TEST_TMPDIR/static" -j2 all
  echo "$output"
  [ "$status" = 0 ]
  run readelf -ldW "$BATS_TEST_TMPDIR/static/rundlet"
  [ "$status" = 0 ]
  [[ $output != *INTERP* && $output != *NEEDED* ]]
  RUNTIME=$BATS_TEST_TMPDIR/static/rundlet
  run run_payload echo "from a static runtime"
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = "from a static runtime" ]
}
