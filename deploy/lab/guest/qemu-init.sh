#!/bin/busybox sh
# The first program of a guest in QEMU, in its initramfs: the machine's file system by 9p, under a layer that is forgotten.
#
# SHARE comes from the kernel's command line; modules stand in /m, in the order in which they need each other.
busybox=/bin/busybox
$busybox mount -t devtmpfs dev /dev
$busybox mount -t proc proc /proc
off() {
    echo "guest: $*"
    echo o >/proc/sysrq-trigger
    $busybox sleep 9
}
for module in /m/*; do $busybox insmod "$module" || echo "guest: $module does not load"; done
by9p=trans=virtio,version=9p2000.L,msize=500000
$busybox mount -t 9p -o "ro,cache=loose,$by9p" machine /lower || off no file system
$busybox mount -t tmpfs -o mode=755 upper /over
$busybox mkdir /over/upper /over/work /over/root
root=/over/root
$busybox mount -t overlay overlay -o lowerdir=/lower,upperdir=/over/upper,workdir=/over/work $root || off no overlay
$busybox mount -t proc proc $root/proc
$busybox mount -t sysfs sysfs $root/sys
$busybox mount --move /dev $root/dev
$busybox mkdir -p $root/dev/pts $root/dev/shm
$busybox mount -t devpts -o ptmxmode=666 devpts $root/dev/pts
$busybox mount -t tmpfs -o mode=1777 tmpfs $root/dev/shm
$busybox mount -t tmpfs -o mode=755 tmpfs $root/run
$busybox mkdir -p $root/run/netns "$root$SHARE"
$busybox mount -t 9p -o "cache=none,$by9p" share "$root$SHARE" || off no shared folder
. "$root$SHARE/plan"
if [ "$WRITABLE" != "$SHARE" ]; then
    $busybox mkdir -p "$root$WRITABLE"
    $busybox mount -t 9p -o "cache=none,$by9p" writable "$root$WRITABLE" || off no writable folder
fi
export PATH=/usr/sbin:/usr/bin:/sbin:/bin SHARE WRITABLE MODULES FOLDER
exec $busybox switch_root $root /bin/sh "$SHARE/errand"
