#!/bin/sh
# Pid 1 of the virtual machine, once its root is there: makes a plain Debian machine with all of cgroup v2 out of it,
# runs the command and carries its status out.  In a root with systemd that is two steps: systemd follows as pid 1, and
# a service of it runs this file again, with the word "command".
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root LANG=C.UTF-8
export PATH HOME LANG

mounts() {
  mount -t proc -o nosuid,noexec,nodev proc /proc
  mount -t sysfs -o nosuid,noexec,nodev sysfs /sys
  mount -t devtmpfs -o nosuid dev /dev
  mkdir -p /dev/pts /dev/shm /dev/mqueue
  mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts /dev/pts
  mount -t tmpfs -o nosuid,nodev shm /dev/shm
  ln -sf /proc/self/fd /dev/fd
  ln -sf fd/0 /dev/stdin
  ln -sf fd/1 /dev/stdout
  ln -sf fd/2 /dev/stderr
  mount -t tmpfs -o mode=755,nosuid,nodev run /run
  mkdir /run/lock /run/vm /run/results
  mount -t virtiofs out /run/vm
  mount -t virtiofs results /run/results
  mount -t securityfs securityfs /sys/kernel/security
  mount -t bpf bpf /sys/fs/bpf
  mount --make-rshared /
}

modules() {
  mkdir -p "/lib/modules/$VM_RELEASE"
  mount --bind "$VM_KERNEL/lib/modules/$VM_RELEASE" "/lib/modules/$VM_RELEASE"
  modprobe -q -a loop bfq ext4 veth bridge br_netfilter nf_tables ifb sch_htb sch_fq_codel sch_ingress cls_u32 act_mirred nft_chain_nat nft_masq nft_nat nft_ct nft_redir nft_fib_inet \
    nft_limit nft_log tun dummy vxlan macvlan ipvlan wireguard unix_diag inet_diag tcp_diag udp_diag packet_diag \
    netlink_diag af_packet_diag
  chmod 666 /dev/net/tun 2>/dev/null
}

# The root cgroup must hold no process but the kernel's before controllers can be handed down everywhere.
cgroups() {
  mount -t cgroup2 -o nsdelegate,nosuid,noexec,nodev cgroup2 /sys/fs/cgroup
  mkdir /sys/fs/cgroup/tests
  echo $$ >/sys/fs/cgroup/tests/cgroup.procs
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
  done
}

# Idmapped mounts and overlays need a file system of the disk kind: on this kernel neither tmpfs nor the overlay that is
# our root can be idmapped.
ext4() {
  truncate -s 1800M /run/ext4.img
  mkfs.ext4 -q -O ^has_journal -E nodiscard /run/ext4.img
  mkdir -p /mnt/ext4
  mount -o loop,noatime /run/ext4.img /mnt/ext4
  chmod 755 /mnt/ext4
  mkdir -m 1777 /mnt/ext4/tmp
  export RUNDLET_EXT4=/mnt/ext4 TMPDIR=/mnt/ext4/tmp
}

# An ordinary user who can reach the checkout wherever it lies, with a cgroup of its own.
tester() {
  grep -q '^tester:' /etc/passwd || {
    echo 'tester:*:4242:4242::/home/tester:/bin/sh' >>/etc/passwd
    echo 'tester:x:4242:' >>/etc/group
  }
  printf 'tester:4200000:65536\n' >/etc/subuid
  printf 'tester:4200000:65536\n' >/etc/subgid
  mkdir -p /home/tester /run/user/4242
  chown 4242:4242 /home/tester /run/user/4242
  chmod 700 /run/user/4242
  folder=$VM_TOP
  while [ "$folder" != / ]; do
    [ -n "$VM_SYSTEMD" ] || chmod o+rx "$folder"
    folder=$(dirname "$folder")
  done
}

# What a machine without users, disks and a network has no use for, and what would make the start slow.
systemd_units() {
  units=/etc/systemd/system
  for unit in getty.target serial-getty@ttyS0.service getty@tty1.service remote-fs.target timers.target \
    e2scrub_reap.service systemd-pstore.service systemd-networkd.service systemd-resolved.service \
    systemd-timesyncd.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    systemd-firstboot.service systemd-random-seed.service systemd-journal-flush.service \
    systemd-journal-catalog-update.service systemd-machine-id-commit.service systemd-hwdb-update.service \
    ldconfig.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount; do
    ln -sf /dev/null "$units/$unit"
  done
  # It empties /tmp, where the checkout may lie.
  ln -sf /dev/null /etc/tmpfiles.d/tmp.conf
  echo 0123456789abcdef0123456789abcdef >/etc/machine-id
  cat >"$units/vm-command.service" <<UNIT
[Unit]
After=basic.target dbus.service systemd-logind.service systemd-user-sessions.service
Wants=dbus.service systemd-logind.service
[Service]
Type=exec
ExecStart=/bin/sh $VM_TOP/tests/vm/inside.sh command
StandardInput=null
StandardOutput=null
StandardError=null
TasksMax=infinity
OOMPolicy=continue
UNIT
  mkdir -p "$units/multi-user.target.wants"
  ln -sf ../vm-command.service "$units/multi-user.target.wants/vm-command.service"
}

run_command() {
  export VM_RESULTS=/run/results IN_VM=1
  stty -F /dev/ttyS1 raw -echo 2>/dev/null
  # The status goes through a file: the pipe keeps the command's output from being a terminal.
  {
    "$@" </dev/null 2>&1
    echo $? >/run/status
  } | cat >/dev/ttyS1
  stty -F /dev/ttyS1 sane 2>/dev/null
  cp /run/status /run/vm/status
  sync
  # Power off through the reset that -no-reboot turns into an end of the machine.
  echo 1 >/proc/sys/kernel/sysrq
  echo b >/proc/sysrq-trigger
  sleep 60
}

word=${1:-}
{
  [ "$word" = command ] || mounts
  . /run/vm/command
  if [ "$word" != command ]; then
    dmesg -n 1
    modules
    [ -n "$VM_SYSTEMD" ] || cgroups
    ext4
    tester
    ip link set lo up
    hostname vm
    echo 1 >/proc/sys/net/ipv4/ip_forward
  else
    export RUNDLET_EXT4=/mnt/ext4 TMPDIR=/mnt/ext4/tmp
  fi
} 2>>/setup.log
[ -z "$VM_VERBOSE" ] || { uname -r; cat /setup.log; } >/dev/ttyS0
if [ -n "$VM_SYSTEMD" ] && [ "$word" != command ]; then
  systemd_units
  exec /lib/systemd/systemd
fi
run_command "$@"
