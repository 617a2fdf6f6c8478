#!/usr/bin/env bats
# The order in which the container sees its mounts: the config's, whatever they are made of and by whom.

load helpers

setup() {
  bundle_setup
  SOURCE=$BATS_TEST_TMPDIR/source
  mkdir "$SOURCE"
  mount -t tmpfs source "$SOURCE"
  mkdir -p "$SOURCE"/{shared,folder/below}
  touch "$SOURCE/file"
  mount -t tmpfs below "$SOURCE/folder/below"
  touch "$SOURCE/folder/below/inner"
  mount --make-rshared "$SOURCE"
}

teardown() {
  umount -R -l "$SOURCE" 2>/dev/null || true
  bundle_teardown
}

# Binds of each kind between new file systems, at names whose alphabet is another order.
mix() {
  config --arg source "$SOURCE" --arg bundle "$BUNDLE" '.mounts += [
    {destination: "/m/9", type: "tmpfs", source: "tmpfs"},
    {destination: "/m/8", type: "bind", source: ($source + "/folder"), options: ["rbind"]},
    {destination: "/m/3", type: "bind", source: ($source + "/file"), options: ["bind", "ro"]},
    {destination: "/m/7", type: "tmpfs", source: "tmpfs"},
    {destination: "/m/1", type: "bind", source: ($source + "/shared"), options: ["rbind", "rshared"]},
    {destination: "/m/5", type: "bind", source: ($source + "/folder"), options: ["bind"]},
    {destination: "/m/4", type: "bind", source: $bundle, options: ["rbind", "ro"]},
    {destination: "/m/6", type: "bind", source: ($source + "/file"), options: ["rbind"]},
    {destination: "/m/2", type: "tmpfs", source: "tmpfs"}]'
}

@test "mounts are listed in the order of the config; a folder comes with what is mounted below it" {
  mix
  payload sh -c 'sed -n "s|^[^ ]* /m/\([0-9]\) .*|\1|p" /proc/mounts; ls /m/8/below; ls /m/5/below; echo ro >/m/3'
  run run_payload
  echo "$output"
  [[ $output = $'9\n8\n3\n7\n1\n5\n4\n6\n2\ninner\n'*'Read-only file system' ]]
}

@test "a volume in which the bundle lies shows the host's files there, and nothing of the container's mounts" {
  mix
  touch "$BUNDLE/rootfs/etc/hosts-own"
  payload sh -c 'ls -d /m/4/rootfs/etc/hosts-own; ls /m/4/rootfs/proc /m/4/rootfs/m/8 | grep -v :; grep -c " /m/4" /proc/mounts'
  run run_payload
  echo "$output"
  [ "$output" = $'/m/4/rootfs/etc/hosts-own\n\n1' ]
}
