# What Docker makes of a whole host with rundlet as its default runtime: networks, images, a swarm, a user namespace for
# everything; CONTROL=runc or CONTROL=crun is the same with Debian's.
# shellcheck shell=bash disable=SC2016,SC2154 # words for other shells, variables of others
load engines
load docker

setup_file() {
  image
  # BuildKit knows its runtime by the name runc alone.
  mkdir "$ENGINES/path"
  ln -s "$RUNTIME" "$ENGINES/path/runc"
  PATH=$ENGINES/path:$PATH docker_start
  docker import --change 'CMD ["sh"]' "$ENGINES/box.tar" box >/dev/null
}

teardown_file() {
  docker_clean
  docker_stop
  ! mount | grep -F -e "$ENGINES/storage"
}

running_tasks() { # FORMAT
  docker service ps --filter desired-state=running --format "$1" web
}

all_run() { # HOW-MANY
  [ "$(running_tasks '{{.CurrentState}}' | grep -c ^Running)" = "$1" ]
}

is_updated() {
  [ "$(docker service inspect --format '{{.UpdateStatus.State}}' web)" = completed ]
}

@test "two containers on a network reach each other by name, a published port is reached from the host" {
  docker network create lan
  docker run --detach --name web --network lan --publish 127.0.0.1:8080:80 box serve here
  docker run --detach --name other --network lan --network-alias second box serve there
  wait_for is here get 127.0.0.1:8080
  is there docker exec web wget -q -O - http://second/
  is here docker exec other wget -q -O - http://web/
  docker network disconnect lan other
  ends 1 docker exec other ifconfig eth0
  docker_clean
  docker network rm lan
}

@test "docker build: RUN, USER, WORKDIR, COPY; by the classic builder and by BuildKit" {
  mkdir "$ENGINES/context"
  echo copied >"$ENGINES/context/file"
  cat >"$ENGINES/context/Dockerfile" <<'END'
FROM box
RUN echo "built by $(id -u)" >/made; ls -di /proc/1 | wc -l >>/made
ENV WORD=value
USER user
WORKDIR /tmp/work
RUN echo "$WORD $(id -u) $(pwd)" >/tmp/second
COPY file /file
CMD cat /made /tmp/second /file
END
  mkdir "$ENGINES/bad"
  printf 'FROM box\nRUN exit 3\n' >"$ENGINES/bad/Dockerfile"
  for kit in 0 1; do
    DOCKER_BUILDKIT=$kit docker build --tag "built$kit" "$ENGINES/context"
    is $'built by 0\n1\nvalue 1000 /tmp/work\ncopied' docker run --rm "built$kit"
    DOCKER_BUILDKIT=$kit run docker build "$ENGINES/bad"
    echo "$output"
    [ "$status" != 0 ]
    [[ $output == *"exit 3"*" 3"* ]]
  done
  docker_clean
}

@test "swarm: a service of 5, a rolling update, a task that dies is replaced" {
  docker swarm init --advertise-addr 127.0.0.1 >/dev/null
  docker service create --detach --no-resolve-image --name web --env ROUND=1 --restart-delay 0s \
    --update-parallelism 3 --update-delay 0s --update-monitor 1s --stop-grace-period 1s box sleep 1000
  docker service scale --detach web=5
  WAIT=30 wait_for all_run 5
  [ "$(find "$STATES" -mindepth 1 -maxdepth 1 | wc -l)" = 5 ]
  docker service update --detach --no-resolve-image --env-add ROUND=2 web
  WAIT=60 wait_for is_updated
  WAIT=30 wait_for all_run 5
  for id in $(docker ps --quiet); do
    is '2' docker exec "$id" sh -c 'echo "$ROUND"'
    is_so "$id" '{{.HostConfig.Runtime}}' "$NAME"
  done
  docker kill "$(docker ps --quiet | head -n 1)"
  WAIT=30 wait_for all_run 5
  docker service rm web
  wait_for docker_is_clean 0
  docker swarm leave --force
  docker_clean
}

@test "live restore: containers outlive their daemon, and the next one finds them" {
  docker_stop
  docker_start --live-restore
  docker run --detach --name survivor box sh -c 'while :; do sleep 0.1; done'
  pid=$(inspect survivor '{{.State.Pid}}')
  kill -KILL "$(cat /run/docker.pid)"
  wait_for test ! -e "/proc/$(cat /run/docker.pid)"
  kill -0 "$pid"
  docker_start --live-restore
  is_so survivor '{{.State.Status}} {{.State.Pid}}' "running $pid"
  is yes docker exec survivor echo yes
  docker kill survivor
  is_so survivor '{{.State.ExitCode}}' 137
  docker_clean
}

@test "userns-remap: root inside is nobody outside, volumes and the file system are its own" {
  docker_stop
  docker_start --userns-remap tester
  docker import "$ENGINES/box.tar" box >/dev/null
  docker run --detach --name mapped --volume data:/data box sh -c 'echo x >/data/file; sleep 1000'
  is '0 4200000 65536' docker exec mapped sh -c 'echo $(cat /proc/self/uid_map)'
  is '0 0' docker exec mapped stat -c '%u %g' /bin/busybox
  is 'uid=1000(user) gid=1000(user) groups=77(extra),1000(user)' docker exec --user user mapped id
  is 4200000 stat -c %u "/proc/$(inspect mapped '{{.State.Pid}}')"
  is '4200000' stat -c %u "$(docker volume inspect --format '{{.Mountpoint}}' data)/file"
  docker pause mapped
  docker unpause mapped
  is '0 0 4294967295' docker run --rm --userns host box sh -c 'echo $(cat /proc/self/uid_map)'
  docker_clean
  docker volume rm data
}
