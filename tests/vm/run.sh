#!/bin/bash
# Runs a command as root inside a virtual machine: Debian's stock cloud kernel on this machine's own root, read-only
# under a tmpfs.  Works without KVM and without a network.  Usage:
#
#   tests/vm/run.sh [--systemd] [--keep] [--results DIR] [--limit SECONDS] COMMAND...
#
# --systemd: the root is a small Debian with systemd as pid 1 (BUILD/real/systemd, made when it is not there), in which
# the checkout and BUILD lie where they lie outside, read-only; the command is a service of it.
# The command's output is streamed, its exit status is ours (124 when the limit was reached, 125 when the machine died).
# DIR is writable inside as $VM_RESULTS.  --keep leaves the folder of the run, with the kernel's console log, in
# build/vm.  Inside, $RUNDLET_EXT4 is a folder on ext4 and $TMPDIR lies on it; the user "tester" has subordinate ids.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
cache=$top/build/vm
build=$(realpath -m "${BUILD:-$top/build}")
keep='' results='' limit=1500 systemd=''
while [ $# -gt 0 ]; do
  case $1 in
    --systemd) systemd=$build/real/systemd; shift ;;
    --keep) keep=1; shift ;;
    --results) mkdir -p "$2"; results=$(cd "$2" && pwd); shift 2 ;;
    --limit) limit=$2; shift 2 ;;
    -*) echo "run.sh: unknown option $1" >&2; exit 2 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { echo "usage: run.sh [--systemd] [--keep] [--results DIR] [--limit SECONDS] COMMAND..." >&2; exit 2; }

say() { echo "vm: $*" >&2; }

# The kernel is unpacked, never installed: the machine's own /boot and /lib/modules stay as they are.  Everything is made
# beside its place and moved there, under a lock, so that two runs may start at once.
fetch_kernel() {
  local package scratch
  if [ ! -e "$cache/kernel/ready" ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }')
    [ -n "$package" ] || { say "apt knows no linux-image-cloud-amd64 (apt-get update?)"; exit 125; }
    scratch=$(mktemp -d "$cache/fetch.XXXXXX")
    (cd "$scratch" && apt-get download -q "$package" >download.log 2>&1) ||
      { cat "$scratch/download.log" >&2; say "download of $package failed"; exit 125; }
    dpkg -x "$scratch"/linux-image-*.deb "$scratch/kernel"
    depmod -b "$scratch/kernel" "${package#linux-image-}"
    touch "$scratch/kernel/ready"
    rm -rf "$cache/kernel"
    mv "$scratch/kernel" "$cache/kernel"
    rm -rf "$scratch"
  fi
  release=$(ls "$cache/kernel/lib/modules")
}

# Only what is needed to reach the shared root; the rest is loaded from there.
make_initramfs() {
  local scratch module
  [ "$cache/initramfs" -nt "$here/init" ] && [ "$cache/initramfs" -nt "$cache/kernel/ready" ] && return
  scratch=$(mktemp -d "$cache/initramfs.XXXXXX")
  mkdir -p "$scratch"/{bin,dev,proc,lib,mnt}
  cp "$(command -v busybox)" "$scratch/bin/busybox"
  install -m 755 "$here/init" "$scratch/init"
  for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci fuse virtiofs overlay; do
    find "$cache/kernel/lib/modules/$release" -name "$module.ko" -exec cp {} "$scratch/lib" \;
  done
  (cd "$scratch" && find . | cpio --quiet -o -H newc | gzip -1) >"$cache/initramfs.new"
  mv "$cache/initramfs.new" "$cache/initramfs"
  rm -rf "$scratch"
}

share() { # TAG FOLDER: a virtiofs server; prints nothing, leaves its socket in the run folder
  /usr/lib/qemu/virtiofsd --socket-path="$run/$1.sock" -o source="$2" -o sandbox=chroot -o cache=always \
    -o log_level=err --rlimit-nofile=0 >>"$run/virtiofsd.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do
    [ -S "$run/$1.sock" ] && return
    sleep 0.05
  done
  cat "$run/virtiofsd.log" >&2
  say "virtiofsd for $2 did not start"
  exit 125
}

finish() {
  local pid
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
  done
  if [ -n "$keep" ]; then say "kept $run"; else rm -rf "$run"; fi
}

for tool in qemu-system-x86_64 /usr/lib/qemu/virtiofsd busybox cpio depmod; do
  command -v "$tool" >/dev/null || { say "$tool is missing: see tests/packages-test"; exit 125; }
done
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
fetch_kernel
make_initramfs
exec 9>&-
[ -z "$systemd" ] || "$top/tests/real/debian.sh" "$systemd" "$top/tests/packages-systemd" || exit 125

run=$(mktemp -d "$cache/run.XXXXXX")
pids=()
trap finish EXIT
trap 'exit 130' INT TERM
mkdir "$run/out"
{
  printf 'cd %q\n' "$PWD"
  printf 'export VM_SYSTEMD=%q\n' "$systemd"
  printf 'export VM_RELEASE=%q VM_KERNEL=%q VM_TOP=%q VM_VERBOSE=%q\n' "$release" "$cache/kernel" "$top" "${VM_VERBOSE:-}"
  printf 'set --'
  printf ' %q' "$@"
  printf '\n'
} >"$run/out/command"
share root /
share out "$run/out"
share results "${results:-$run/out}"

accel=(-accel 'tcg,thread=multi')
# A /dev/kvm on a processor that offers no virtualisation (seen in nested machines) hangs: ask the processor too.
[ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo && accel=(-accel kvm)
memory=${VM_MEMORY:-4096}
timeout --foreground "$limit" qemu-system-x86_64 -M q35 "${accel[@]}" -smp 2 -cpu max,la57=off -m "$memory" \
  -object "memory-backend-memfd,id=mem,size=${memory}M,share=on" -numa node,memdev=mem \
  -display none -monitor none -no-reboot -nic none \
  -chardev "socket,id=root,path=$run/root.sock" -device vhost-user-fs-pci,chardev=root,tag=root \
  -chardev "socket,id=out,path=$run/out.sock" -device vhost-user-fs-pci,chardev=out,tag=out \
  -chardev "socket,id=results,path=$run/results.sock" -device vhost-user-fs-pci,chardev=results,tag=results \
  -serial "file:$run/console" -chardev stdio,id=tty,signal=off -serial chardev:tty \
  -kernel "$cache/kernel/boot/vmlinuz-$release" -initrd "$cache/initramfs" \
  -append "console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off apparmor=1 security=apparmor vm.script=$here/inside.sh \
${systemd:+systemd.show_status=0 vm.root=$systemd vm.bind=$top:$build}" \
  </dev/null &
qemu=$!
pids+=("$qemu")
status=0
wait "$qemu" || status=$?
if [ "$status" = 124 ]; then
  say "the limit of $limit seconds was reached"
elif [ -s "$run/out/status" ]; then
  status=$(cat "$run/out/status")
else
  tail -n 30 "$run/console" >&2 || true
  say "the machine died (qemu ended with $status)"
  status=125
fi
exit "$status"
