# A containerd of the file's own, with the drop-in that `make install` ships, and its CRI service spoken to as kubelet
# would.
# shellcheck shell=bash disable=SC2154

export CONTAINERD_ADDRESS=/run/containerd/containerd.sock CONTAINERD_NAMESPACE=tests
IMAGE=docker.io/library/box:latest
STATES=/run/containerd/runc/tests

ctr() {
  limited /usr/bin/ctr "$@"
}

containerd_start() {
  mkdir -p "$ENGINES/containerd"
  # The handler of another runtime is that of the drop-in, with its program in it.
  sed "s|$ENGINES/bin/rundlet|$RUNTIME|" "$ENGINES/share/containerd.toml" >"$ENGINES/containerd/drop-in.toml"
  cat >"$ENGINES/containerd/config.toml" <<END
version = 2
root = "$ENGINES/containerd/root"
imports = ["$ENGINES/containerd/drop-in.toml"]
END
  containerd --config "$ENGINES/containerd/config.toml" </dev/null >>"$ENGINES/log" 2>&1 3>&- 4>&- &
  echo $! >"$ENGINES/containerd/pid"
  WAIT=30 wait_for ctr version || { tail -n 20 "$ENGINES/log"; return 1; }
}

containerd_stop() {
  local pid
  pid=$(cat "$ENGINES/containerd/pid")
  kill "$pid"
  wait_for test ! -e "/proc/$pid"
}

# The box as an image that an engine can load; what it runs when nothing is said stays, as the first of a pod must.
archive() {
  local folder=$ENGINES/archive
  image
  mkdir "$folder"
  cp "$ENGINES/box.tar" "$folder/layer.tar"
  jq -n --arg layer "sha256:$(sha256sum <"$folder/layer.tar" | cut -d' ' -f1)" '{architecture: "amd64", os: "linux",
    config: {Cmd: ["sleep", "1000000"], Env: ["PATH=/bin"]}, rootfs: {type: "layers", diff_ids: [$layer]}}' \
    >"$folder/config.json"
  echo '[{"Config": "config.json", "RepoTags": ["box:latest"], "Layers": ["layer.tar"]}]' >"$folder/manifest.json"
  tar -C "$folder" -cf "$ENGINES/image.tar" manifest.json config.json layer.tar
}

# ctr run with the runtime under test: run_box [OPTION...] -- ID COMMAND...
run_box() {
  local options=()
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  ctr run "${OPTIONS[@]}" "${options[@]}" "$IMAGE" "$@"
}

OPTIONS=(--runc-binary "$RUNTIME")
# It asks for processor shares, for which the machine may have no controller.
has_controller cpu || OPTIONS+=(--cpu-shares 0)

pid_of() { # ID
  ctr task list | awk -v id="$1" '$1 == id { print $2 }'
}

status_of() { # ID
  ctr task list | awk -v id="$1" '$1 == id { print $3 }'
}

limit_of() { # ID FILE
  cat "$(cgroup_of "$(pid_of "$1")")/$2"
}

# Ends every container but those of these names; what the runtime and the kernel knew of them is gone with them.
containerd_clean() { # [NAME...]
  local id
  for id in $(ctr container list --quiet); do
    case " $* " in *" $id "*) continue ;; esac
    ctr task delete --force "$id" >/dev/null 2>&1 || true
    ctr container delete "$id"
  done
  wait_for containerd_is_clean $# || { find "$STATES" /sys/fs/cgroup/tests -maxdepth 1 -type d; return 1; }
}

containerd_is_clean() { # HOW-MANY-STAY
  [ "$(find "$STATES" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" = "$1" ] &&
    [ "$(find /sys/fs/cgroup/tests -mindepth 1 -maxdepth 1 -type d 2>/dev/null | wc -l)" = "$1" ]
}

# --- kubelet's way: gRPC over the socket -----------------------------------------------------------------------------
# Fields in text to protobuf: FIELD:"text", FIELD:number, FIELD:{fields}
protobuf() {
  perl -e '
    sub varint { my ($n, $s) = (shift, ""); while ($n > 127) { $s .= chr($n & 127 | 128); $n >>= 7 } $s . chr $n }
    sub fields {
      my $s = "";
      while ($t =~ /\G\s*(\d+):/gc) {
        my $field = $1;
        if ($t =~ /\G(\d+)/gc) { $s .= varint($field << 3) . varint($1); next }
        my $value = $t =~ /\G"([^"]*)"/gc ? $1 : $t =~ /\G\{/gc ? fields() : die "at " . substr $t, pos $t;
        $s .= varint($field << 3 | 2) . varint(length $value) . $value;
      }
      $t =~ /\G\s*\}/gc;
      $s;
    }
    $t = shift; print fields()' "$1"
}

# The fields of a message, one a line: FIELD VALUE
unprotobuf() {
  perl -0777 -ne '
    sub varint { my ($n, $shift) = (0, 0); while (/\G(.)/gcs) { $n |= (ord($1) & 127) << $shift; $shift += 7; last if ord($1) < 128 } $n }
    pos() = 0;
    while (pos() < length) {
      my $key = varint();
      my $value = varint();
      if (($key & 7) == 2) { my $from = pos(); pos() = $from + $value; $value = substr $_, $from, $value }
      printf "%d %s\n", $key >> 3, $value;
    }'
}

# One call of the CRI; the fields of its answer, or the words of its refusal and status 1: cri METHOD FIELDS
cri() {
  local body=$BATS_TEST_TMPDIR/body answer=$BATS_TEST_TMPDIR/answer headers=$BATS_TEST_TMPDIR/headers
  protobuf "$2" >"$body"
  {
    perl -e 'print pack "CN", 0, shift' "$(stat -c %s "$body")"
    cat "$body"
  } >"$body.framed"
  : >"$answer"
  limited curl -sS --http2-prior-knowledge --unix-socket "$CONTAINERD_ADDRESS" --data-binary "@$body.framed" \
    --header 'content-type: application/grpc' --header 'te: trailers' --dump-header "$headers" --output "$answer" \
    "http://localhost/runtime.v1.RuntimeService/$1"
  grep -q '^grpc-status: 0' "$headers" || { grep ^grpc- "$headers" >&2; return 1; }
  tail -c +6 "$answer" | unprotobuf
}
