#!/bin/sh
# PID 1 of a lab node that has a kernel of its own. Its root is the node's file system, shared with the machine.
#
# JOBS (from the kernel's command line) is a folder in which the machine lays commands: for each name that is read from
# the serial line, "JOBS/name" is run, and what came of it laid beside it. At the end of that line the kernel goes.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
if [ $$ = 1 ]; then
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs dev /dev
    mkdir -p /dev/pts /dev/shm
    mount -t devpts -o ptmxmode=666 devpts /dev/pts
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/netns /run/lock /run/sshd
    exec tini -s -- sh "$0"
fi

hostname "$(cat /etc/hostname)"
ip link set lo up
ip link set vec0 name eth0
for module in ip_vs nf_conntrack nf_conntrack_netlink dummy veth; do modprobe "$module" || exit; done
exec 3</dev/ttyS0
echo 0 >"$JOBS/up"
while read -r job <&3; do
    (
        cd / || exit
        sh "$JOBS/$job" <"$JOBS/$job.in" >"$JOBS/$job.out" 2>"$JOBS/$job.err"
        echo $? >"$JOBS/$job.ended"
        mv "$JOBS/$job.ended" "$JOBS/$job.status"
    ) 3<&- &
done
echo o >/proc/sysrq-trigger
sleep 9
