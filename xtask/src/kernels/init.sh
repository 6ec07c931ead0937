#!/bin/busybox sh
# Process 1 of the guest: what the work inside needs, then the work, then power off whatever came of it.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
while read -r module; do insmod "/modules/$module" || echo "insmod $module failed"; done < /modules/order
/bin/xtask kernels-guest > /dev/ttyS1 2>&1
sync
poweroff -f
