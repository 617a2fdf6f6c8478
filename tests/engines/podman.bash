# podman and buildah on a host of their own, without systemd; see engines.bash.
# shellcheck shell=bash
load engines

setup_file() {
  image
  podman_config
  pod import --quiet "$ENGINES/box.tar" box >/dev/null
}

# What a host without systemd, and a network that reaches nothing, has to say to them; the runtime is in rundlet's own
# drop-in beside it.
podman_config() {
  cat >/etc/containers/containers.conf.d/00-tests.conf <<CONF
[containers]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
CONF
  # What this machine may not have: more open files than now, a pids limit on a hybrid host.
  [ -n "${IN_VM:-}" ] || sed -i '/log_driver/a pids_limit = 0\ndefault_ulimits = []' /etc/containers/containers.conf.d/00-tests.conf
  cat >/etc/containers/storage.conf <<CONF
[storage]
driver = "overlay"
graphroot = "$ENGINES/store"
runroot = "/run/containers/storage"
[storage.options]
root-auto-userns-user = "tester"
CONF
}

# podman with the runtime under test, which it finds by name; what the test types is on standard input of pod_in.
pod() {
  pod_in "$@" </dev/null
}

PODMAN=(podman)
pod_in() {
  limited "${PODMAN[@]}" --runtime "$NAME" "$@"
}

# What a test that failed has left must not make others fail.
teardown() {
  [ -n "${BATS_TEST_COMPLETED:-}" ] || { pod pod rm --all --force; pod rm --all --force --time 0; } >/dev/null 2>&1 || true
}

# podman on a terminal: pod_tty SIZE COMMAND...; what it shows, without carriage returns, is $output.
pod_tty() {
  run on_terminal --size "$1" timeout -k 5 "$LIMIT" "${PODMAN[@]}" --runtime "$NAME" "${@:2}" </dev/null
  output=${output//$'\r'/}
  echo "$output"
}

# A container that stays, without standard streams of bats: up NAME [OPTION...] box COMMAND...
up() {
  local name=$1
  shift
  pod run --detach --name "$name" "$@" >"$OUT" 2>&1 || { cat "$OUT"; return 1; }
}

down() { # NAME...
  pod rm --force --time 0 "$@" >/dev/null
}

inspect() { # NAME TEMPLATE
  pod inspect --format "$2" "$1"
}

has_inspect() { # NAME TEMPLATE WANTED
  [ "$(inspect "$1" "$2")" = "$3" ]
}

cgroup_of_container() { # NAME: a file of it is PATH/FILE
  cgroup_of "$(inspect "$1" '{{.State.Pid}}')"
}
