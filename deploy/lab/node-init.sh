#!/bin/sh
# Makes the root of a throw-away node inside its new namespaces, then becomes its PID 1.
#
# Given: ROOT (an empty folder), NAME, LAYERS (of /usr, with the lab's tools), CACHE (shown read-only as /opt/lab),
# V1 (the cgroup v1 hierarchies, empty for v2). Standard input is the node's lifeline: at its end, whoever
# holds the other end is gone and the node goes too. "ready" on standard output says that the node is whole.
set -eu

mount -t tmpfs -o mode=755,size=4g node "$ROOT"
cd "$ROOT"
mkdir -p usr etc proc sys dev run old root mnt home opt/lab opt/cni \
    var/lib/cni var/log/pods var/tmp tmp .usr/upper .usr/work
chmod 1777 tmp var/tmp
chmod 700 .usr root
for name in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$name" ]; then ln -s "usr/$name" "$name"; fi
done
ln -s ../run var/run
ln -s ../run/lock var/lock
ln -s /usr/lib/cni opt/cni/bin

mount -t overlay overlay -o "lowerdir=$LAYERS,upperdir=$ROOT/.usr/upper,workdir=$ROOT/.usr/work" usr
mount --bind "$CACHE" opt/lab
mount -o remount,bind,ro opt/lab
mount -t proc proc proc
# of /proc/sys, all but net belongs to the machine
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
mount -t sysfs sysfs sys # a new one shows this network namespace's /sys/class/net
if [ -n "$V1" ]; then
    mount -t tmpfs -o mode=755 cgroup sys/fs/cgroup
    for option in $V1; do
        folder=sys/fs/cgroup/${option#name=}
        mkdir "$folder"
        case $option in
            name=*) mount -t cgroup -o "none,$option" cgroup "$folder" ;;
            *) mount -t cgroup -o "$option" cgroup "$folder" ;;
        esac
    done
    mkdir sys/fs/cgroup/unified
    mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
else
    mount -t cgroup2 cgroup2 sys/fs/cgroup
fi

mount -t tmpfs -o mode=755 dev dev
mkdir dev/shm dev/pts dev/mqueue
mount -t tmpfs shm dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t mqueue mqueue dev/mqueue
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
# The machine's kernel log is not this node's: it begins with one record, as every kernel's does, and a test may write more.
echo '5,0,0,-;Linux version of the machine below' >dev/kmsg
ln -s /proc/self/fd dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%:*}" "dev/${stream#*:}"; done
mount -t tmpfs -o mode=755 run run
mkdir -p run/netns run/lock run/sshd

cp /etc/os-release /etc/debian_version etc/
for file in protocols services ld.so.conf ld.so.cache; do
    if [ -e "/etc/$file" ]; then cp -L "/etc/$file" etc/; fi
done
for file in protocols services; do # a small base system has none
    if [ ! -e "etc/$file" ]; then cp "${USR%/usr}/etc/$file" etc/; fi
done
for folder in alternatives ld.so.conf.d ssl; do
    if [ -d "/etc/$folder" ]; then cp -a "/etc/$folder" etc/; fi
done
printf 'root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n' >etc/passwd
printf 'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n' >>etc/passwd
printf 'root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n' >etc/shadow # sshd calls an account without a line locked
chmod 600 etc/shadow
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >etc/nsswitch.conf
printf '127.0.0.1 localhost\n::1 localhost\n' >etc/hosts
: >etc/resolv.conf
printf '%s\n' "$NAME" >etc/hostname
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id

pivot_root . old
cd /
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
hostname "$NAME"
ip link set lo up
umount -l /old
rmdir /old
echo ready
exec env -i PATH="$PATH" container=lab tini -s -- cat >/dev/null 2>&1
