# A Docker of the file's own: containerd and dockerd, with storage and socket in $ENGINES and the drop-in that
# `make install` ships as their daemon.json.
# shellcheck shell=bash disable=SC2154

export DOCKER_HOST=unix:///run/docker.sock DOCKER_CONFIG=$ENGINES/docker
STATES=/run/docker/runtime-runc/moby

# The client that Debian has; other programs of this name may stand before it.
docker() {
  limited /usr/bin/docker "$@"
}

# As a service of its own: one that dockerd starts must be there within 15 seconds, which a slow machine may not keep.
docker_containerd() {
  [ ! -e "/proc/$(cat "$ENGINES/containerd.pid" 2>/dev/null || echo none)" ] || return 0
  printf 'version = 2\nroot = "%s"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' "$ENGINES/storage/containerd" \
    >"$ENGINES/containerd.toml"
  containerd --config "$ENGINES/containerd.toml" </dev/null >>"$ENGINES/log" 2>&1 3>&- 4>&- &
  echo $! >"$ENGINES/containerd.pid"
  WAIT=30 wait_for ctr version || { tail -n 20 "$ENGINES/log"; return 1; }
}

docker_start() { # [OPTION...]: more words for the command line of dockerd
  docker_containerd
  mkdir -p "$DOCKER_CONFIG"
  # The key would go into /etc/docker.  Of itself Docker knows runc alone.
  jq --arg key "$DOCKER_CONFIG/key.json" --arg name "$NAME" --arg path "$RUNTIME" '. + {"deprecated-key-path": $key} |
    if $name == "crun" then .runtimes.crun.path = $path else . end' "$ENGINES/share/daemon.json" \
    >"$DOCKER_CONFIG/daemon.json"
  dockerd --config-file "$DOCKER_CONFIG/daemon.json" --default-runtime "$NAME" --data-root "$ENGINES/storage" \
    --containerd /run/containerd/containerd.sock "$@" </dev/null >>"$ENGINES/log" 2>&1 3>&- 4>&- &
  WAIT=30 wait_for docker version || { tail -n 20 "$ENGINES/log"; return 1; }
}

docker_stop() {
  kill "$(cat /run/docker.pid)"
  wait_for test ! -e /run/docker.pid
  kill "$(cat "$ENGINES/containerd.pid")"
  wait_for test ! -e "/proc/$(cat "$ENGINES/containerd.pid")"
}

inspect() { # CONTAINER FORMAT
  docker inspect --format "$2" "$1"
}

is_so() { # CONTAINER FORMAT VALUE
  [ "$(inspect "$1" "$2")" = "$3" ]
}

# A file of a container's cgroup, as the host sees it.
limit_of() { # CONTAINER FILE
  cat "$(cgroup_of "$(inspect "$1" '{{.State.Pid}}')")/$2"
}

# Ends every container but those of these names; what rundlet and the kernel knew of them is gone with them.
docker_clean() { # [NAME...]
  local ids
  ids=$(docker ps --all --no-trunc --format '{{.ID}} {{.Names}}' |
    awk -v keep=" $* " '!index(keep, " " $2 " ") { print $1 }')
  # shellcheck disable=SC2086 # a list
  [ -z "$ids" ] || docker rm --force --volumes $ids >/dev/null
  wait_for docker_is_clean $# || { find "$STATES" /sys/fs/cgroup/docker -maxdepth 1 -type d; return 1; }
}

docker_is_clean() { # HOW-MANY-STAY
  [ "$(find "$STATES" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" = "$1" ] &&
    [ "$(find /sys/fs/cgroup/docker -regextype posix-extended -regex '.*/[0-9a-f]{64}' 2>/dev/null | wc -l)" = "$1" ]
}
