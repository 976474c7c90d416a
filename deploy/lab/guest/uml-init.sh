#!/bin/sh
# PID 1 of a user-mode Linux guest whose root is the machine's file system, read-only.
#
# SHARE (from the kernel's command line) is the one folder that it shares with whoever started it: plan and command
# in it say what to do; out, err and status say what came of it.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
. "$SHARE/plan"
KERNEL=${LAYERS%%:*}
RELEASE=$(uname -r)
off() {
    sync
    echo o >/proc/sysrq-trigger
    sleep 9
}

mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/root /mnt/upper /mnt/work /mnt/usr-upper /mnt/usr-work
ln -s "$KERNEL/bin/kmod" /mnt/insmod # kmod goes by the name it is called with
root=/mnt/root
{
    /mnt/insmod "$KERNEL/lib/uml/modules/$RELEASE/kernel/fs/overlayfs/overlay.ko" &&
        mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work $root &&
        mount -t overlay overlay -o "lowerdir=$LAYERS,upperdir=/mnt/usr-upper,workdir=/mnt/usr-work" $root/usr
} || off
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t devtmpfs dev $root/dev
mkdir -p $root/dev/pts $root/dev/shm
mount -t devpts -o ptmxmode=666 devpts $root/dev/pts
mount -t tmpfs -o mode=1777 tmpfs $root/dev/shm
mount -t tmpfs -o mode=755 tmpfs $root/run
mkdir -p $root/run/netns
for folder in "$SHARE" "$WRITABLE"; do
    mkdir -p "$root$folder"
    mount -t hostfs none -o "$folder" "$root$folder"
done
mkdir -p $root/usr/lib/modules
ln -s "/usr/lib/uml/modules/$RELEASE" "$root/usr/lib/modules/$RELEASE"

# The kernel's own root too, so that it finds modprobe when something asks for a module.
mkdir $root/run/machine
cd $root || off
pivot_root . run/machine
umount -l /run/machine

. "$SHARE/errand"
