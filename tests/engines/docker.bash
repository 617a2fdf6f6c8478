# A Docker of the file's own: dockerd and its containerd in pid, mount and network namespaces of their own, with storage,
# socket and cgroups that nobody else has.  docker.bats and docker_host.bats load this after engines.bash.
# shellcheck shell=bash disable=SC2154

DOCKER=/usr/bin/docker

# dockerd with runtime/engines/daemon.json as `make install` ships it; more options are words of the command line.
docker_start() { # [OPTION...]
  export D=$BATS_FILE_TMPDIR/docker
  export DOCKER_HOST=unix://$D/socket DOCKER_CONFIG=$D/config
  export DOCKER_CGROUP=/engines-docker-$BATS_ROOT_PID
  mkdir -p "$D/config" "$D/tmp"
  engine_file daemon.json >"$D/daemon.json"
  # The rules of a network are made by iptables, whose lock is a file of the machine.
  DOCKER_TMPDIR=$D/tmp XTABLES_LOCKFILE=$D/xtables.lock \
    unshare --pid --fork --kill-child=KILL --mount-proc --mount --net "$BUILD/tests/reaper" \
    dockerd --config-file "$D/daemon.json" --default-runtime "$(engine_runtime)" --cgroup-parent "$DOCKER_CGROUP" \
    --data-root "$D/root" --exec-root "$D/exec" --pidfile "$D/pid" --host "$DOCKER_HOST" "$@" \
    </dev/null >>"$D/log" 2>&1 3>&- 4>&- &
  export DOCKERD=$!
  WAIT=30 wait_for docker version || { tail -n 20 "$D/log"; return 1; }
}

# Ends the daemon and what it runs: with its pid namespace every process of it is gone.
docker_stop() {
  local pid
  [ -n "${DOCKERD:-}" ] || return 0
  for pid in $(pgrep -P "$DOCKERD"); do kill -KILL "$pid"; done
  wait_for has_ended "$DOCKERD"
  find "/sys/fs/cgroup$DOCKER_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
}

has_ended() {
  ! kill -0 "$1" 2>/dev/null
}

docker() {
  timeout --foreground -k 5 "$LIMIT" "$DOCKER" "$@" 3>&- 4>&-
}

# A command where dockerd runs: its network, its mounts, its pids.
docker_host() {
  nsenter --target "$(pgrep -P "$DOCKERD" | head -n 1)" --mount --net --pid "$@" 3>&- 4>&-
}

inspect() { # CONTAINER FORMAT
  docker inspect --format "$2" "$1"
}

is_so() { # CONTAINER FORMAT VALUE
  [ "$(inspect "$1" "$2")" = "$3" ]
}

# A file of a container's cgroup, as the host sees it.
cgroup_file() { # CONTAINER FILE
  cat "/sys/fs/cgroup$DOCKER_CGROUP/$(inspect "$1" '{{.Id}}')/$2"
}

# Every container but the ones of these names is gone, and so is what rundlet and the kernel knew of it.
docker_clean() { # [NAME...]
  local ids
  ids=$(docker ps --all --no-trunc --format '{{.ID}} {{.Names}}' | awk -v keep=" $* " '!index(keep, " " $2 " ") { print $1 }')
  # shellcheck disable=SC2086 # a list
  [ -z "$ids" ] || docker rm --force --volumes $ids >/dev/null
  wait_for docker_is_clean $#
}

docker_is_clean() { # HOW-MANY-STAY
  [ "$(find "$D/exec/runtime-runc/moby" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" = "$1" ] &&
    [ "$(find "/sys/fs/cgroup$DOCKER_CGROUP" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | wc -l)" = "$1" ]
}
