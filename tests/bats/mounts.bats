#!/usr/bin/env bats
# The mounts of the config as the container sees them: options, propagation, kinds of file systems, mount points, masks.

load helpers
load canary

setup() {
  bundle_setup
  SOURCE=$BATS_TEST_TMPDIR/source
}

teardown() {
  umount -R -l "$SOURCE" 2>/dev/null || true
  bundle_teardown
}

# Appends one mount: add_mount DESTINATION TYPE SOURCE [OPTION...]
add_mount() {
  config --argjson words "$(jq -cn '$ARGS.positional' --args -- "$@")" '.mounts += [{destination: $words[0],
    type: $words[1], source: $words[2], options: $words[3:]} | with_entries(select(.value != ""))]'
}

# The same for rows "NAME|...|OPTION OPTION...": a mount at /m/NAME each.  One jq for all: programs are slow to start
# where there is no KVM.
add_rows() { # TYPE SOURCE ROWS
  config --arg type "$1" --arg source "$2" --arg rows "$3" '.mounts += ($rows | split("\n") | map(split("|") |
    {destination: ("/m/" + .[0]), type: $type, source: $source, options: (.[-1] | split(" "))}))'
}

# A field of the topmost mount at DESTINATION in $OUT, which holds lines of mountinfo among others.
seen() { # DESTINATION root|options|tags|type|super
  awk -v point="$1" -v what="$2" '
    $5 == point {
      tags = ""
      for (i = 7; $i != "-"; i++)
        tags = tags (tags == "" ? "" : " ") $i
      found["root"] = $4; found["options"] = $6; found["tags"] = tags; found["type"] = $(i + 1); found["super"] = $(i + 3)
    }
    END { print found[what] }' "$OUT"
}

# The words "+a" of a column of ROWS are options of the mount /m/NAME SUFFIX, the words "-a" are not.
rows_hold() { # ROWS COLUMN [SUFFIX]
  awk -F'|' -v column="$2" -v suffix="${3:-}" '
    NR == FNR { split($0, word, " "); options[word[5]] = "," word[6] ","; next }
    {
      point = "/m/" $1 suffix
      if (!(point in options)) { print point ": no mount is there"; bad = 1 }
      n = split($column, words, " ")
      for (i = 1; i <= n; i++)
        if ((index(options[point], "," substr(words[i], 2) ",") > 0) != (words[i] ~ /^\+/)) {
          print point ": not " words[i] ": " options[point]
          bad = 1
        }
    }
    END { exit bad }' "$OUT" - <<<"$1"
}

has_options() { # DESTINATION +WORD -WORD...
  local list word
  list=,$(seen "$1" options),
  shift
  [ "$list" != ,, ] || { echo "no mount is there"; return 1; }
  for word in "$@"; do
    case $word in
      +*) [[ $list = *,${word#+},* ]] ;;
      -*) [[ $list != *,${word#-},* ]] ;;
    esac || { echo "not $word: $list"; return 1; }
  done
}

look() { # runs `cat /proc/self/mountinfo` to $OUT
  run_payload cat /proc/self/mountinfo >"$OUT" 2>&1 || { cat "$OUT"; return 1; }
}

# A tmpfs on the host with all that can be taken away, another one below it.
source_with_all() {
  mkdir -p "$SOURCE"
  mount -t tmpfs -o nosuid,nodev,noexec,noatime,ro,size=1m source "$SOURCE"
  mount -o remount,rw "$SOURCE"
  mkdir "$SOURCE/below"
  mount -t tmpfs -o nosuid,nodev,noexec,noatime,size=1m below "$SOURCE/below"
  echo inner >"$SOURCE/below/file"
}

@test "every option of a new file system has its effect, the later of two wins" {
  rows='ro|+ro -rw|ro
rw|+rw -ro|ro rw
nosuid|+nosuid|nosuid
suid|-nosuid|nosuid suid
nodev|+nodev|nodev
dev|-nodev|nodev dev
noexec|+noexec|noexec
exec|-noexec|noexec exec
noatime|+noatime -relatime|noatime
atime|-noatime|noatime atime
nodiratime|+nodiratime|nodiratime
diratime|-nodiratime|nodiratime diratime
relatime|+relatime -noatime|noatime relatime
strictatime|-relatime -noatime|strictatime
nostrictatime|+relatime|strictatime nostrictatime
nosymfollow|+nosymfollow|nosymfollow
symfollow|-nosymfollow|nosymfollow symfollow
defaults|+rw +relatime -nosuid -nodev -noexec|defaults
rro|+ro|rro
rnosuid|+nosuid|rnosuid
rnoexec|+noexec|rnoexec'
  add_rows tmpfs tmpfs "$rows"
  look
  rows_hold "$rows" 2
}

@test "every option of a bind has its effect, recursive ones on what is mounted below as well" {
  source_with_all
  # name | of the mount | of the one below | options
  rows='ro|+ro|-ro|rbind ro
rro|+ro|+ro|rbind rro
rrw|+rw|+rw|rbind rro rrw
suid|-nosuid +nodev +noexec|+nosuid|rbind suid
rsuid|-nosuid|-nosuid +nodev|rbind rsuid
dev|-nodev +nosuid|+nodev|rbind dev
rdev|-nodev|-nodev|rbind rdev
exec|-noexec +nodev|+noexec|rbind exec
rexec|-noexec|-noexec|rbind rexec
nosuid|+nosuid|-nosuid|rbind rsuid nosuid
nodev|+nodev|-nodev|rbind rdev nodev
noexec|+noexec|-noexec|rbind rexec noexec
noatime|+noatime|+noatime|rbind
atime|-noatime +relatime|+noatime|rbind atime
ratime|-noatime|-noatime +relatime|rbind ratime
relatime|+relatime -noatime|+noatime|rbind relatime
rrelatime|+relatime|+relatime -noatime|rbind rrelatime
strictatime|-relatime -noatime|+noatime|rbind strictatime
rstrictatime|-relatime -noatime|-relatime -noatime|rbind rstrictatime
nodiratime|+nodiratime|-nodiratime|rbind nodiratime
rnodiratime|+nodiratime|+nodiratime|rbind rnodiratime
nosymfollow|+nosymfollow|-nosymfollow|rbind nosymfollow
rnosymfollow|+nosymfollow|+nosymfollow|rbind rnosymfollow
rsymfollow|-nosymfollow|-nosymfollow|rbind rnosymfollow rsymfollow
plain|+rw +nosuid +nodev +noexec +noatime|+nosuid +nodev +noexec +noatime|rbind'
  add_rows none "$SOURCE" "$rows"
  add_mount /m/single bind "$SOURCE" bind
  look
  rows_hold "$rows" 2
  rows_hold "$rows" 3 /below
  [ -n "$(seen /m/single options)" ]
  [ -z "$(seen /m/single/below options)" ]
  # The host's own mount is as it was.
  grep -F " $SOURCE " /proc/self/mountinfo | grep -q ' rw,nosuid,nodev,noexec,noatime '
}

@test "the propagation of a mount, alone and with what is below" {
  source_with_all
  mount --make-rshared "$SOURCE"
  rows='shared|shared|master|rbind shared
rshared|shared|shared|rbind rshared
slave|master|master|rbind slave
rslave|master|master|rbind rslave
private||master|rbind private
rprivate|||rbind rprivate
unbindable|unbindable|master|rbind unbindable
runbindable|unbindable|unbindable|rbind runbindable'
  add_rows none "$SOURCE" "$rows"
  add_mount /m/tmpfs tmpfs tmpfs shared
  look
  while IFS='|' read -r name want below options; do
    tags=$(seen "/m/$name" tags) inner=$(seen "/m/$name/below" tags)
    echo "$name: '$tags' '$inner'"
    case $name in
      *shared) [[ $tags = *shared:* ]] ;;
      *) [ "${tags%%:*}" = "$want" ] ;;
    esac
    case $name in
      rshared) [[ $inner = *shared:* ]] ;;
      shared) [[ $inner != unbindable ]] ;;
      *) [ "${inner%%:*}" = "$below" ] ;;
    esac
  done <<<"$rows"
  [[ $(seen /m/tmpfs tags) = shared:* ]]
}

@test "what a container mounts below a shared volume is seen on the host, below a slave or private one it is not" {
  mkdir -p "$SOURCE"
  mount -t tmpfs source "$SOURCE"
  mount --make-rshared "$SOURCE"
  mkdir "$SOURCE"/{a,b,c}
  add_mount /a none "$SOURCE/a" rbind rshared
  add_mount /b none "$SOURCE/b" rbind rslave
  add_mount /c none "$SOURCE/c" rbind rprivate
  config '.process.capabilities |= with_entries(.value += ["CAP_SYS_ADMIN"])'
  payload sh -c 'for i in a b c; do mkdir /$i/x; mount -t tmpfs inside /$i/x; done; echo ready >/c/ready; sleep 1000'
  run_detached
  wait_for test -e "$SOURCE/c/ready"
  grep -qF " $SOURCE/a/x " /proc/self/mountinfo
  refute grep -qF " $SOURCE/b/x " /proc/self/mountinfo
  refute grep -qF " $SOURCE/c/x " /proc/self/mountinfo
  # And what the host mounts now is seen by the slave.
  mkdir "$SOURCE"/{b,c}/y
  mount -t tmpfs outside "$SOURCE/b/y"
  mount -t tmpfs outside "$SOURCE/c/y"
  rundlet exec "$ID" cat /proc/self/mountinfo >"$OUT"
  [ -n "$(seen /b/y type)" ]
  [ -z "$(seen /c/y type)" ]
}

@test "rootfsPropagation is that of the root, the host sees none of the container's mounts" {
  for kind in shared slave private unbindable; do
    config --arg kind "$kind" '.linux.rootfsPropagation = $kind'
    run_payload sh -c 'cat /proc/self/mountinfo' >"$OUT"
    tags=$(seen / tags)
    echo "$kind: $tags"
    case $kind in
      shared) [[ $tags = *shared:* ]] ;;
      slave) [[ $tags = master:* ]] ;;
      private) [ -z "$tags" ] ;;
      unbindable) [ "$tags" = unbindable ] ;;
    esac
  done
  config '.linux.rootfsPropagation = "rshared"'
  payload sleep 1000
  run_detached
  refute grep -F "$BUNDLE" /proc/self/mountinfo
  rundlet exec "$ID" cat /proc/self/mountinfo >"$OUT"
  [[ $(seen /proc tags) = *shared:* ]]
}

@test "options that are not ours go to the file system" {
  mkdir -m 2710 "$BUNDLE/rootfs/plain"
  add_mount /plain tmpfs none size=1m
  add_mount /absent tmpfs none
  [ "$(run_payload stat -c %a /plain /absent | xargs)" = '2710 1777' ]
  add_mount /t tmpfs none size=2m mode=1750,nr_inodes=77 uid=1000,gid=77
  run_payload sh -c 'cat /proc/self/mountinfo; stat -c "%a %u %g" /t' >"$OUT"
  [[ ,$(seen /t super), = *,size=2048k,* ]]
  [[ ,$(seen /t super), = *,nr_inodes=77,* ]]
  [ "$(tail -n 1 "$OUT")" = "1750 1000 77" ]
  add_mount /u tmpfs none banana=1
  run run_payload true
  echo "$output"
  [ "$status" != 0 ]
  [[ $output = *'mounts[10]'*'Invalid argument'* ]]
}

@test "tmpcopyup copies contents, modes, owners, times and links, and the image stays as it is" {
  data=$BUNDLE/rootfs/data
  mkdir -p "$data/folder/deep" "$data/empty"
  echo one >"$data/file"
  head -c 200000 /dev/urandom >"$data/folder/deep/big"
  ln -s ../outside "$data/link"
  ln "$data/file" "$data/hard"
  chmod 4750 "$data/file"
  chmod 1711 "$data/folder"
  chown 1000:77 "$data/folder/deep/big"
  chown -h 1000:77 "$data/link"
  touch -d '2001-02-03 04:05:06' "$data/file" "$data/folder"
  mkfifo "$data/pipe"
  before=$(ls -lAnR --full-time "$data")
  sum=$(sha256sum <"$data/folder/deep/big")
  add_mount /data tmpfs tmpfs tmpcopyup mode=0751 size=8m
  add_mount /new/place tmpfs tmpfs tmpcopyup
  run_payload sh -c 'cd /data; stat -c "%n %a %u %g %F %s" . file hard folder folder/deep/big empty; readlink link
    stat -c "%u:%g" link; stat -c %Y file folder; ls /new/place | wc -l; wc -c <folder/deep/big; cat file
    echo more >file; echo new >added; rm -r folder; cp big x 2>/dev/null; ls' >"$OUT" 2>&1 || { cat "$OUT"; false; }
  cat "$OUT"
  grep -q '^\. 751 0 0 directory' "$OUT"
  grep -q '^file 4750 0 0 regular file 4$' "$OUT"
  grep -q '^hard 4750 0 0 regular file 4$' "$OUT"
  grep -q '^folder 1711 0 0 directory' "$OUT"
  grep -q '^folder/deep/big 644 1000 77 regular file 200000$' "$OUT"
  grep -q '^\.\./outside$' "$OUT"
  grep -q '^1000:77$' "$OUT"
  [ "$(grep -c "^$(date -d '2001-02-03 04:05:06' +%s)$" "$OUT")" = 2 ]
  grep -q '^200000$' "$OUT"
  [ "$before" = "$(ls -lAnR --full-time "$data")" ]
  run run_payload sha256sum /data/folder/deep/big
  [ "$(sha256sum <"$data/folder/deep/big")" = "$sum" ]
}

@test "mount points: files, missing ones, relative ones, one over the other, in the order of the config" {
  mkdir -p "$SOURCE/folder" "$BUNDLE/volume"
  echo file >"$SOURCE/file"
  echo in-folder >"$SOURCE/folder/name"
  echo in-bundle >"$BUNDLE/volume/name"
  echo image >"$BUNDLE/rootfs/etc/over"
  add_mount /etc/over bind "$SOURCE/file" bind ro
  add_mount /missing/nested/file bind "$SOURCE/file" bind
  add_mount /missing/other/folder bind "$SOURCE/folder" bind
  add_mount relative/place bind "$SOURCE/folder" bind
  add_mount /from-bundle '' volume rbind
  add_mount /slash// bind "$SOURCE/folder" bind
  add_mount /a/../dots/./here bind "$SOURCE/folder" bind
  add_mount /stack tmpfs first mode=0700
  add_mount /stack/inner tmpfs inner
  add_mount /stack2/inner tmpfs hidden
  add_mount /stack2 tmpfs second
  add_mount /twice bind "$SOURCE/folder" bind
  add_mount /twice tmpfs empty
  run run_payload sh -c 'cat /etc/over /missing/nested/file /missing/other/folder/name /relative/place/name /from-bundle/name \
    /slash/name /dots/here/name; echo x >/etc/over || echo read-only; ls -A /stack /stack2 /twice'
  echo "$output"
  [ "$status" = 0 ]
  expected='rundlet: warning: mounts[10].destination: relative/place is relative, which is deprecated
file
file
in-folder
in-folder
in-bundle
in-folder
in-folder
sh: can'"'"'t create /etc/over: Read-only file system
read-only
/stack:
inner

/stack2:

/twice:'
  [ "$output" = "$expected" ]
  [ -f "$BUNDLE/rootfs/missing/nested/file" ] && [ ! -s "$BUNDLE/rootfs/missing/nested/file" ]
  [ -d "$BUNDLE/rootfs/missing/other/folder" ]
  [ "$(cat "$BUNDLE/rootfs/etc/over")" = image ]
}

@test "a source that is missing, an empty type and the root as destination are refused by name" {
  good=$(cat "$BUNDLE/config.json")
  while IFS='|' read -r destination type source option words; do
    echo "$good" >"$BUNDLE/config.json"
    add_mount "$destination" "$type" "$source" "$option"
    run run_payload true
    echo "$output"
    [ "$status" != 0 ]
    [[ $output = *"mounts[7]"*$words* ]]
    [ "${#lines[@]}" = 1 ]
  done <<<"/x|bind|/nonexistent/source|bind|/nonexistent/source*No such file or directory
/x||/tmp|ro|type
/x|nonesuch|x|ro|No such device
/|tmpfs|x|ro|destination
/etc/passwd/x|tmpfs|x|ro|Not a directory
/etc|bind|$BUNDLE/config.json|bind|Not a directory
/etc/passwd|bind|$BATS_TEST_TMPDIR|bind|Not a directory"
}

@test "mqueue, devpts, sysfs and cgroup, with a cgroup namespace" {
  run_payload sh -c 'cat /proc/self/mountinfo; sed -n "s/^0::/group /p" /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs
    mkdir /sys/fs/cgroup/x 2>&1; ls -A /sys/class/net; stat -c %a /dev/pts/ptmx' >"$OUT"
  cat "$OUT"
  [ "$(seen /dev/mqueue type)" = mqueue ]
  [ "$(seen /dev/pts type)" = devpts ]
  [[ ,$(seen /dev/pts super), = *,gid=5,*mode=620,*ptmxmode=666,* ]]
  [ "$(seen /sys type)" = sysfs ]
  [ "$(seen /sys/fs/cgroup type)" = cgroup2 ]
  [ "$(seen /sys/fs/cgroup root)" = / ]
  has_options /sys/fs/cgroup +ro +nosuid +nodev +noexec
  grep -qx 'group /' "$OUT"
  grep -q 'Read-only file system' "$OUT"
  grep -qx lo "$OUT"
  grep -qx 666 "$OUT"
}

@test "without a cgroup namespace the cgroup mount shows the container's own folder only" {
  config '.linux.namespaces |= map(select(.type != "cgroup"))'
  run_payload sh -c 'cat /proc/self/mountinfo; echo "procs $(tr "\n" " " </sys/fs/cgroup/cgroup.procs)"
    find /sys/fs/cgroup -type d | wc -l; mkdir /sys/fs/cgroup/x 2>&1; cat /sys/fs/cgroup/../cgroup/cgroup.type' >"$OUT"
  cat "$OUT"
  [[ $(seen /sys/fs/cgroup root) = *"$ID" ]]
  [ "$(seen /sys/fs/cgroup type)" = cgroup2 ]
  grep -q '^procs [1-9]' "$OUT"
  grep -qx 1 "$OUT"
  grep -qx domain "$OUT"
  grep -q 'Read-only file system' "$OUT"
}

@test "a read-only root: volumes stay writable, a read-only /dev still has its nodes" {
  config '.root.readonly = true | (.mounts[] | select(.destination == "/dev")).options += ["ro"]'
  mkdir "$SOURCE"
  add_mount /mnt bind "$SOURCE" bind
  config '.mounts += [{destination: "/dev/shm", options: ["remount", "size=3m,nr_inodes=50", "nodev"]}]'
  run_payload sh -c 'cat /proc/self/mountinfo; for f in /x /etc/x /bin/x /dev/x /mnt/x /dev/shm/x; do
    (echo 1 >$f) 2>/dev/null && echo "wrote $f"; done; echo gone >/dev/null && ls /dev; mknod /dev/n c 1 3 2>&1' >"$OUT" || true
  cat "$OUT"
  has_options / +ro
  has_options /dev +ro
  grep -q " /dev/shm rw,nosuid,nodev,.* rw,size=3072k,nr_inodes=50" "$OUT"
  [ "$(grep '^wrote' "$OUT" | tr '\n' ' ')" = "wrote /mnt/x wrote /dev/shm/x " ]
  grep -qx urandom "$OUT"
  grep -qx ptmx "$OUT"
  [ -e "$SOURCE/x" ]
}

@test "masked paths are empty, read-only paths cannot be written, absent ones do not matter" {
  mkdir -p "$BUNDLE/rootfs/secret/inner" "$BUNDLE/rootfs/vol" "$BUNDLE/rootfs/etc/rofolder/inner" "$SOURCE"
  echo secret | tee "$BUNDLE/rootfs/secret/file" >"$BUNDLE/rootfs/etc/secret"
  add_mount /vol tmpfs vol
  add_mount /vol/nested tmpfs nested
  add_mount /vol/bound bind "$SOURCE" bind
  config '.linux.maskedPaths += ["/secret", "/etc/secret", "/not/there", "/etc/passwd/no-folder"]
    | .linux.readonlyPaths += ["/vol", "/etc/rofolder", "/etc/group", "/absent"]'
  run_payload sh -c 'cat /proc/self/mountinfo; echo "file: $(cat /etc/secret)."; echo "folder: $(ls -A /secret)."
    for f in /secret/x /vol/x /vol/nested/x /vol/bound/x /etc/rofolder/x /etc/rofolder/inner/x /etc/group /proc/sys/kernel/hostname /etc/y; do
      (echo 1 >>$f) 2>/dev/null && echo "wrote $f"; done; (echo z >/etc/secret); cat /etc/secret | wc -c; ls -d /not /absent' >"$OUT" 2>&1 || true
  cat "$OUT"
  grep -qx 'file: .' "$OUT"
  grep -qx 'folder: .' "$OUT"
  [ "$(grep '^wrote' "$OUT")" = "wrote /etc/y" ]
  has_options /vol +ro
  has_options /vol/nested +ro
  has_options /vol/bound +ro
  has_options /secret +ro +nosuid +nodev +noexec
  grep -q 'ls: /not: No such' "$OUT"
  [ "$(cat "$BUNDLE/rootfs/etc/secret")" = secret ]
  [ -z "$(seen /etc options)" ]
}

@test "the default devices and links, exactly" {
  run run_payload sh -c 'cd /dev; for f in *; do [ -L $f ] && echo "$f -> $(readlink $f)" || stat -c "%n %F %t:%T %a %u:%g" $f; done'
  echo "$output"
  [ "$status" = 0 ]
  expected='core -> /proc/kcore
fd -> /proc/self/fd
full character special file 1:7 666 0:0
mqueue directory 0:0 1777 0:0
null character special file 1:3 666 0:0
ptmx -> pts/ptmx
pts directory 0:0 755 0:0
random character special file 1:8 666 0:0
shm directory 0:0 1777 0:0
stderr -> /proc/self/fd/2
stdin -> /proc/self/fd/0
stdout -> /proc/self/fd/1
tty character special file 5:0 666 0:0
urandom character special file 1:9 666 0:0
zero character special file 1:5 666 0:0'
  [ "$output" = "$expected" ]
}

@test "devices of the config: numbers, mode, owner; a default one can be replaced" {
  config '.linux.devices = [
      {path: "/dev/c", type: "c", major: 10, minor: 229, fileMode: 8576, uid: 1000, gid: 77},
      {path: "/dev/u", type: "u", major: 1, minor: 5},
      {path: "/dev/sub/b", type: "b", major: 7, minor: 300, fileMode: 432, gid: 5},
      {path: "/dev/p", type: "p", fileMode: 511, uid: 65534},
      {path: "/elsewhere", type: "c", major: 1, minor: 3, fileMode: 0},
      {path: "/dev/full", type: "c", major: 1, minor: 7, fileMode: 256, uid: 3, gid: 4}]
    | .process.user.umask = 63'
  run run_payload stat -c '%n %F %t:%T %a %u:%g' /dev/c /dev/u /dev/sub/b /dev/p /elsewhere /dev/full
  echo "$output"
  [ "$status" = 0 ]
  expected='/dev/c character special file a:e5 600 1000:77
/dev/u character special file 1:5 666 0:0
/dev/sub/b block special file 7:12c 660 0:5
/dev/p fifo 0:0 777 65534:0
/elsewhere character special file 1:3 0 0:0
/dev/full character special file 1:7 400 3:4'
  [ "$output" = "$expected" ]
}

@test "with a user namespace a device is the host's, which must be the one of the config; what the image has there stays" {
  node=$BATS_TEST_TMPDIR/node place=$BUNDLE/rootfs$BATS_TEST_TMPDIR/node
  mknod "$node" c 1 5
  mkdir -p "${place%/node}"
  chmod 755 "$BUNDLE"
  config --arg path "$node" '.linux.namespaces += [{type: "user"}] | .linux.devices = [{path: $path, type: "c", major: 1, minor: 5}]
    | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
  for _ in new left; do
    [ "$(run_payload stat -c '%F %t:%T' "$node")" = 'character special file 1:5' ]
    [ -f "$place" ] && [ ! -s "$place" ]
  done
  rm "$place"
  echo kept >"$BUNDLE/rootfs/kept"
  for entry in 'echo text >' 'ln -s /kept' 'mkdir' 'mknod -m 600 @ c 1 3; :'; do
    eval "${entry/@/\"$place\"} \"$place\""
    before=$(stat -c '%F %i %s %t:%T' "$place")
    run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
    echo "$entry: $output"
    is_refused "linux.devices[0]: node $node c 1:5 as the host's: File exists"
    [ "$(stat -c '%F %i %s %t:%T' "$place")" = "$before" ]
    rm -r "$place"
  done
  [ "$(cat "$BUNDLE/rootfs/kept")" = kept ]
  rm "$node"
  mknod "$node" c 1 3
  run rundlet run --bundle "$BUNDLE" "$ID" </dev/null
  is_refused "linux.devices[0]: node $node c 1:5 as the host's: No such device"
  [ ! -e "$place" ]
}

@test "nothing is made in a /dev that is bound from elsewhere" {
  mkdir "$SOURCE"
  mount -t tmpfs -o mode=755 dev "$SOURCE"
  mknod -m 666 "$SOURCE/null" c 1 3
  echo mine >"$SOURCE/stdin"
  before=$(ls -lAn --full-time "$SOURCE")
  config --arg source "$SOURCE" '.mounts |= map(select(.destination | startswith("/dev") | not))
    + [{destination: "/dev", type: "bind", source: $source, options: ["rbind"]}]'
  run run_payload sh -c 'ls /dev; echo x >/dev/null'
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = $'null\nstdin' ]
  diff <(echo "$before") <(ls -lAn --full-time "$SOURCE")
}

@test "--no-pivot leaves no mount of the host in the container" {
  payload cat /proc/self/mountinfo
  rundlet run --no-pivot --bundle "$BUNDLE" "$ID" </dev/null >"$OUT"
  cat "$OUT"
  awk '{ print $5 }' "$OUT" | sort >"$OUT.no-pivot"
  rundlet run --bundle "$BUNDLE" "$ID" </dev/null | awk '{ print $5 }' | sort >"$OUT.pivot"
  diff "$OUT.pivot" "$OUT.no-pivot"
}

@test "an idmapped bind: what is 0 on the disk is seen as the mapped id, what is written lands there again" {
  needs_ext4
  SOURCE=$RUNDLET_EXT4/$ID
  mkdir -p "$SOURCE/below" "$SOURCE.other"
  touch "$SOURCE/root" "$SOURCE/user" "$SOURCE.other/inner"
  chown 1000:1000 "$SOURCE/user"
  chmod 777 "$SOURCE"
  mount --bind "$SOURCE.other" "$SOURCE/below"
  config --arg source "$SOURCE" '.mounts += ([
      {destination: "/mapped", options: ["bind", "idmap"]},
      {destination: "/deep", options: ["rbind", "ridmap"]},
      {destination: "/flat", options: ["rbind", "idmap"]},
      {destination: "/byhand", options: ["bind"]}]
    | map(. + {type: "bind", source: $source,
        uidMappings: [{containerID: 0, hostID: 100000, size: 65536}],
        gidMappings: [{containerID: 0, hostID: 200000, size: 65536}]})
    + [{destination: "/plain", type: "bind", source: $source, options: ["rbind"]}])
    | .process.user = {uid: 100123, gid: 200045}'
  run run_payload sh -c 'stat -c "%n %u:%g" /mapped/root /mapped/user /deep/below/inner /flat/root /flat/below/inner \
    /byhand/root /plain/root; touch /mapped/new; stat -c "%n %u:%g" /mapped/new /plain/new'
  echo "$output"
  inside=$output
  owner=$(stat -c %u:%g "$SOURCE/new")
  umount "$SOURCE/below"
  rm -rf "$SOURCE" "$SOURCE.other"
  [ "$status" = 0 ]
  [ "$inside" = 'rundlet: warning: mounts[10].options: mappings without idmap or ridmap
/mapped/root 100000:200000
/mapped/user 101000:201000
/deep/below/inner 100000:200000
/flat/root 100000:200000
/flat/below/inner 0:0
/byhand/root 100000:200000
/plain/root 0:0
/mapped/new 100123:200045
/plain/new 123:45' ]
  [ "$owner" = 123:45 ]
}

@test "an idmapped bind of a container with a user namespace takes the container's own maps" {
  needs_ext4
  SOURCE=$RUNDLET_EXT4/$ID
  mkdir -p "$SOURCE" "$BUNDLE"/rootfs/{mapped,plain}
  touch "$SOURCE/root"
  chown 7:8 "$SOURCE"
  chmod 777 "$SOURCE"
  config --arg source "$SOURCE" '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = [{containerID: 0, hostID: 200000, size: 65536}]
    | .mounts += [{destination: "/mapped", type: "bind", source: $source, options: ["bind", "idmap"]},
                  {destination: "/plain", type: "bind", source: $source, options: ["bind"]}]'
  run run_payload sh -c 'stat -c "%n %u:%g" /mapped /mapped/root /plain/root; touch /mapped/new'
  echo "$output"
  owner=$(stat -c %u:%g "$SOURCE/new")
  rm -rf "$SOURCE"
  [ "$status" = 0 ]
  [ "$output" = '/mapped 7:8
/mapped/root 0:0
/plain/root 65534:65534' ]
  [ "$owner" = 0:0 ]
}

@test "idmap without maps, and of something that is no bind, are refused by name" {
  good=$(cat "$BUNDLE/config.json")
  add_mount /x bind "$BUNDLE" bind idmap
  run run_payload true
  echo "$output"
  [ "$status" != 0 ]
  [[ $output = *'mounts[7]'*'idmap without mappings'* ]]
  echo "$good" >"$BUNDLE/config.json"
  config '.mounts += [{destination: "/x", type: "tmpfs", source: "x", uidMappings: [{containerID: 0, hostID: 1, size: 1}],
    gidMappings: [{containerID: 0, hostID: 1, size: 1}], options: ["idmap"]}]'
  run run_payload true
  echo "$output"
  [ "$status" != 0 ]
  [[ $output = *'mounts[7]'*'only a bind'* ]]
}
