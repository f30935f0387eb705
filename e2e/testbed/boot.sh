# Makes a copy of this machine in the folder $1, and has it run systemd, with
# no units but its own. It is in namespaces of its own already.
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs dev
for d in null zero full random urandom tty; do
	touch "dev/$d"
	mount --bind "/dev/$d" "dev/$d"
done
mkdir dev/shm dev/pts old
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
# Nothing that the machine starts is started here, and nothing may have been
# installed here that the tests install.
rm -rf etc/systemd/system/*.wants etc/regate
printf '127.0.0.1 localhost\n' >etc/hosts
cat >etc/systemd/system/e2e.target <<END
[Unit]
DefaultDependencies=no
END
ip link set lo up
pivot_root . old
umount -l /old
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=e2e \
	/lib/systemd/systemd --system --unit=e2e.target --show-status=0
