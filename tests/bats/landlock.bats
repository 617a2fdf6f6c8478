# The annotation org.rundlet.landlock: what processes of the container may do with files, ports and each other.
# shellcheck shell=bash disable=SC2030,SC2031 # each test is a subshell
bats_require_minimum_version 1.5.0
load helpers

# The kernel's ABI, asked without rundlet; 0: none.
abi() {
  perl -e 'my $abi = syscall(444, 0, 0, 1); print $abi > 0 ? $abi : 0'
}

landlock() { # JSON
  config --argjson rules "$1" '.annotations["org.rundlet.landlock"] = ($rules | tostring)'
}

has() { # TEXT: a line of $OUT
  grep -qF -- "$1" "$OUT" || { cat "$OUT"; return 1; }
}

@test "rules hold for run and exec: files, execution, ports, signals; a filter that denies Landlock comes after them" {
  local abi mode=strict
  abi=$(abi)
  [ "$abi" -gt 0 ] || skip "needs Landlock"
  [ "$abi" -ge 6 ] || mode=best-effort
  echo secret >"$BUNDLE/rootfs/root/secret"
  ln -s "$BATS_TEST_TMPDIR" "$BUNDLE/rootfs/mnt/host"
  mkdir "$BUNDLE/rootfs/home/deep"
  cat >"$BUNDLE/rootfs/bin/facts" <<'EOF'
#!/bin/sh
exec 2>&1
echo x >/tmp/one && mkdir /tmp/folder && mv /tmp/one /tmp/folder/two && rm /tmp/folder/two && rmdir /tmp/folder && echo 'tmp works'
grep -q root /etc/passwd && echo 'etc is read'
echo x >/etc/made
mkdir /var/made
rm /etc/group
cat /root/secret
ls /
echo x >/tmp/here
ln /tmp/here /var/there
mv /etc/group /tmp/group
cp /bin/busybox /tmp/true
/tmp/true
ln -s /root/secret /tmp/link
cat /tmp/link
truncate -s 0 /etc/passwd
nc 127.0.0.1 8080
nc 127.0.0.1 8081
timeout 1 nc -l -p 8081
echo 'all done'
EOF
  chmod 755 "$BUNDLE/rootfs/bin/facts"
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{action: "SCMP_ACT_KILL_PROCESS",
    names: ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"]}]}'
  landlock '{"rx": ["/usr/bin"], "ro": ["/etc", "/home/./deep", "//proc"], "rw": ["/tmp", "/dev"], "connect": [8080], "bind": [],
    "scope": ["signal", "abstract-unix-socket"], "mode": "'$mode'"}'
  payload sh -c 'facts; sleep 1000'
  run_detached
  [ "$mode" = strict ] || grep -q "this kernel's Landlock (ABI $abi) does not confine: " "$OUT"
  wait_for grep -q 'all done' "$OUT"
  check_facts "$abi"
  rundlet exec "$ID" facts </dev/null >"$OUT" 2>&1 || true
  check_facts "$abi"
  # What exec starts is confined by rules of its own, and the container's processes are not among "together".
  rundlet exec "$ID" sh -c 'kill -0 $$ && kill -0 1' </dev/null >"$OUT" 2>&1 || echo "status $?" >>"$OUT"
  if [ "$abi" -ge 6 ]; then has 'Operation not permitted'; else [ ! -s "$OUT" ]; fi
  [ ! -e "$BUNDLE/rootfs/etc/made" ]
  [ -s "$BUNDLE/rootfs/etc/group" ]

  # A process that could gain privileges could also leave the rules.
  jq '.process | .noNewPrivileges = false | .args = ["true"]' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
  run -255 rundlet exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
  [[ $output = *'annotations["org.rundlet.landlock"]: needs process.noNewPrivileges'* ]]
}

check_facts() { # ABI
  has 'tmp works'
  has 'etc is read'
  has "can't create /etc/made: Permission denied"
  has "can't create directory '/var/made': Permission denied"
  has "can't remove '/etc/group': Permission denied"
  has "can't open '/root/secret': Permission denied"
  has "can't open '/': Permission denied"
  grep -q "/var/there: \(Permission denied\|Invalid cross-device link\)" "$OUT"
  has "can't rename '/etc/group': Permission denied"
  has '/tmp/true: Permission denied'
  has "can't open '/tmp/link': Permission denied"
  has 'truncate: /etc/passwd: open: Permission denied'
  if [ "$1" -ge 4 ]; then
    has "can't connect to remote host (127.0.0.1): Connection refused"
    has "can't connect to remote host (127.0.0.1): Permission denied"
    has 'bind: Permission denied'
  fi
}

@test "what is not there, or not in this kernel, is an error, and best effort does without; nothing is left" {
  local abi
  abi=$(abi)
  ln -s "$BATS_TEST_TMPDIR" "$BUNDLE/rootfs/mnt/host"
  payload sh -c 'echo runs'
  if [ "$abi" -ge 5 ]; then
    for path in /no/where /mnt/host /proc/self/fd/0; do
      landlock '{"rwx": ["'$path'"]}'
      run ! run_payload
      [[ $output = *"annotations[\"org.rundlet.landlock\"]: rwx[0]: rule $path: "* ]]
      [ ! -e "$ROOT/$ID" ]
    done
    landlock '{"rwx": ["/bin", "/no/where"], "mode": "best-effort"}'
    run -0 run_payload
    [ "$output" = runs ]
  elif [ "$abi" -gt 0 ]; then
    landlock '{"ro": ["/"]}'
    run ! run_payload
    [[ $output = *"Landlock confines that from ABI "*" on, this kernel has ABI $abi"* ]]
  fi
  landlock '{"rx": ["/"], "scope": ["signal"]}'
  RUNDLET_PROBE_WITHOUT=landlock run ! run_payload
  [[ $output = *'annotations["org.rundlet.landlock"]: this kernel has no Landlock'* ]]
  landlock '{"rx": ["/"], "scope": ["signal"], "mode": "best-effort"}'
  RUNDLET_PROBE_WITHOUT=landlock run -0 run_payload
  [[ $output = *'this kernel has no Landlock, nothing is confined'*runs ]]
}
