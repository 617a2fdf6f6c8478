#!/usr/bin/env bats
# Terminals: in the foreground between two of them, and handed to an engine by socket.

load helpers

setup() {
  bundle_setup
  config '.process.terminal = true'
  SOCKET=$BATS_TEST_TMPDIR/console.sock
}

# The terminal's output, without the carriage returns that it adds.
plain() {
  tr -d '\r'
}

# A script on a terminal of 30 x 90, in which $RUN is `rundlet run` of the bundle and $KILL `rundlet kill` of it.
script() {
  export RUN="timeout --foreground -k 5 $LIMIT $RUNTIME --root $ROOT run --bundle $BUNDLE $ID"
  export KILL="$RUNTIME --root $ROOT kill $ID"
  on_terminal --size 30x90 sh -c "$1"
}

on_tty() { # [COMMAND...]: run in the foreground on a terminal of 30 x 90
  [ $# = 0 ] || payload "$@"
  on_terminal --size 30x90 timeout --foreground -k 5 "$LIMIT" "$RUNTIME" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
}

refused() { # WORDS COMMAND...
  local words=$1
  shift
  run rundlet "$@" </dev/null
  echo "$output"
  [ "$status" = 1 ] || [ "$status" = 255 ]
  [ "$(grep -c '^rundlet: error: ' <<<"$output")" = 1 ]
  [[ ${output,,} = *"$words"* ]]
}

# Listens in the background; what the terminal says is in $OUT.tty.
listen() {
  "$PTY" --console-socket "$SOCKET" </dev/null >"$OUT.tty" 2>&1 3>&- 4>&- &
  LISTENER=$!
  wait_for test -S "$SOCKET"
}

# --- in the foreground ---------------------------------------------------------------------------------------------
@test "the payload stands on a terminal of its own, of the caller's size, which is /dev/console too" {
  on_tty sh -c 'tty; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo three; stat -c %t:%T:%a:%u:%g /dev/console /dev/pts/0
    ls /dev/pts; echo to the console >/dev/console; : </dev/tty && echo controlling; for fd in 0 1 2; do readlink /proc/self/fd/$fd; done' </dev/null | plain >"$OUT"
  cat "$OUT"
  [ "$(sed -n 1,3p "$OUT" | xargs)" = "/dev/pts/0 30 90 three" ]
  [ "$(sed -n 4p "$OUT")" = "$(sed -n 5p "$OUT")" ]
  grep -qx 'to the console' "$OUT"
  grep -qx controlling "$OUT"
  [ "$(grep -c '^/dev/pts/0$' "$OUT")" = 4 ]
}

@test "the terminal belongs to the payload's user" {
  config '.process.user = {uid: 1000, gid: 1000}'
  on_tty sh -c 'stat -c %u:%a /dev/pts/0; echo mine >/dev/pts/0' </dev/null | plain >"$OUT"
  cat "$OUT"
  [ "$(xargs <"$OUT")" = "1000:620 mine" ]
}

@test "the size is that of consoleSize unless the caller's terminal has one, and follows it" {
  payload sh -c 'trap "stty size; exit 4" WINCH; stty size; echo up; while :; do sleep 0.1; done'
  run script '(while ! grep -q up '"$OUT"'; do sleep 0.05; done; stty -F /dev/tty rows 41 cols 101) & $RUN | tee '"$OUT"'; exit 0' </dev/null
  echo "$output"
  [ "$(tr -d '\r' <"$OUT" | xargs)" = "30 90 up 41 101" ]
}

@test "the caller's terminal is put back after the end, a failure and a killed container" {
  payload sh -c 'echo up; exec sleep 1000'
  script "stty -g; (while ! $RUNTIME --root $ROOT state $ID | grep -q running; do sleep 0.1; done; sleep 0.3; stty -g >$OUT.raw; \$KILL KILL) >/dev/null 2>&1 &
    \$RUN; echo; echo status \$?; stty -g" </dev/null | plain >"$OUT"
  cat "$OUT"
  [ "$(head -n 1 "$OUT")" = "$(tail -n 1 "$OUT")" ]
  grep -qx 'up' "$OUT"
  [ "$(cat "$OUT.raw")" != "$(head -n 1 "$OUT")" ]
  payload /nonexistent
  script 'stty -g; $RUN; echo; stty -g' </dev/null | plain >"$OUT"
  cat "$OUT"
  [ "$(head -n 1 "$OUT")" = "$(tail -n 1 "$OUT")" ]
}

@test "the last bytes are never lost" {
  payload seq 1 5000
  seq 1 5000 >"$BATS_TEST_TMPDIR/want"
  rounds=20
  [ -z "${IN_VM:-}" ] || rounds=3
  for _ in $(seq "$rounds"); do
    on_tty </dev/null | plain >"$OUT"
    cmp "$OUT" "$BATS_TEST_TMPDIR/want"
  done
}

@test "typed lines arrive, and so does the end of input" {
  payload sh -c 'stty -echo; echo up; while read -r line; do echo "got $line"; done; echo end; exit 6'
  code=0
  { wait_for grep -q up "$OUT"; printf 'one\ntwo words\n\004'; } | on_tty >"$OUT" || code=$?
  cat "$OUT"
  [ "$code" = 6 ]
  [ "$(plain <"$OUT" | tail -n 4 | xargs)" = "up got one got two words end" ] || [ "$(plain <"$OUT" | tail -n 3 | xargs)" = "got one got two words end" ]
  # rundlet itself has no terminal: the end of its input is told to who reads lines.
  printf 'three\n' | rundlet run --bundle "$BUNDLE" "$ID" >"$OUT" 2>&1 || code=$?
  plain <"$OUT" | grep -qx 'got three'
  plain <"$OUT" | grep -qx end
}

@test "control-C is a signal inside, one to rundlet is passed on" {
  payload sh -c 'trap "echo got int; exit 3" INT; echo up; while :; do sleep 0.1; done'
  code=0
  { wait_for grep -q up "$OUT"; printf '\003'; } | on_tty >"$OUT" || code=$?
  cat "$OUT"
  [ "$code" = 3 ]
  grep -q 'got int' "$OUT"
  payload sh -c 'trap "echo got term; exit 8" TERM; echo up; while :; do sleep 0.1; done'
  : >"$OUT" # no "up" of the first one
  "$RUNTIME" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>&1 3>&- 4>&- &
  runner=$!
  wait_for grep -q up "$OUT"
  kill -TERM "$runner"
  code=0
  wait "$runner" || code=$?
  [ "$code" = 8 ]
  grep -q 'got term' "$OUT"
}

@test "a reader that goes away does not hold the container" {
  payload sh -c 'seq 1 100000; exit 0'
  rundlet run --bundle "$BUNDLE" "$ID" </dev/null 2>/dev/null | head -n 1 | plain | grep -qx 1
  wait_for test ! -e "$ROOT/$ID"
}

@test "who keeps the terminal open after the end does not hold run" {
  config '.linux.namespaces |= map(select(.type != "pid"))'
  payload sh -c 'trap "" HUP; sleep 7 & echo up'
  begin=$SECONDS
  on_tty </dev/null | plain | grep -qx up
  [ $((SECONDS - begin)) -lt $((6 * ${SLOW:-1})) ]
}

@test "exec --tty has a second terminal, and init keeps the first" {
  config '.process.terminal = false'
  run_detached
  on_terminal --size 17x71 timeout --foreground "$LIMIT" "$RUNTIME" --root "$ROOT" exec --tty "$ID" \
    sh -c 'tty; stty size; : </dev/tty && echo controlling; exit 5' </dev/null >"$OUT" || code=$?
  cat "$OUT"
  [ "$code" = 5 ]
  [ "$(plain <"$OUT" | xargs)" = "/dev/pts/0 17 71 controlling" ]
  [ "$(rundlet exec "$ID" sh -c '[ -t 0 ] || echo none' </dev/null)" = none ]
}

# --- by socket -----------------------------------------------------------------------------------------------------
@test "create sends the terminal's master to the engine's socket, with the size of the config" {
  config '.process.consoleSize = {height: 44, width: 123}'
  payload sh -c 'tty; stty size; sleep 0.3; echo end'
  listen
  create --console-socket "$SOCKET"
  start
  wait_for is_status stopped
  wait_for test ! -d "/proc/$LISTENER"
  cat "$OUT.tty"
  [ "$(plain <"$OUT.tty" | xargs)" = "/dev/pts/0 44 123 end" ]
}

@test "a socket path that is long or relative; exec by socket, detached" {
  payload sh -c 'sleep 1000'
  folder=$BATS_TEST_TMPDIR/$(printf 'long%.0s' $(seq 40))
  mkdir "$folder"
  cd "$BATS_TEST_TMPDIR"
  listen
  ln "$SOCKET" "$folder/console.sock"
  quietly run --detach --console-socket "$folder/console.sock" --bundle "$BUNDLE" "$ID"
  wait "$LISTENER" & # ends with the container
  rm "$SOCKET"
  listen
  quietly exec --tty --detach --console-socket ./console.sock --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" sh -c 'tty; echo from exec'
  wait_for grep -q 'from exec' "$OUT.tty"
  [ "$(plain <"$OUT.tty" | xargs)" = "/dev/pts/1 from exec" ]
}

@test "a terminal that nobody can take is refused before anything is made" {
  payload sh
  refused "nobody is there to take the terminal" create --bundle "$BUNDLE" "$ID"
  refused "nobody is there to take the terminal" run --detach --bundle "$BUNDLE" "$ID"
  refused "no such file" create --console-socket /nonexistent/socket --bundle "$BUNDLE" "$ID"
  refused "it is not a socket" create --console-socket "$BUNDLE/config.json" --bundle "$BUNDLE" "$ID"
  refused "it is not a socket" create --console-socket /dev/zero --bundle "$BUNDLE" "$ID"
  listen
  kill "$LISTENER"
  wait "$LISTENER" || true
  refused "refused" create --console-socket "$SOCKET" --bundle "$BUNDLE" "$ID"
  config '.process.terminal = false'
  refused "process.terminal is false" create --console-socket "$SOCKET" --bundle "$BUNDLE" "$ID"
  [ -z "$(ls "$ROOT" 2>/dev/null)" ]
  payload sleep 1000
  run_detached
  refused "nobody is there" exec --tty --detach "$ID" sh
}
