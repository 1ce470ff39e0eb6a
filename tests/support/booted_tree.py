"""A Debian tree (debian_tree.py) in which systemd runs: in namespaces and a control group of its own, with a network that has
nothing but its loopback."""

import contextlib
import ctypes
import os
import subprocess
import time
from pathlib import Path

from poplar_server import wait_for

CLONE_NEWNET = 0x40000000
BOOT = r"""
set -e
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount -t sysfs sysfs "$0/sys"
mount -t cgroup2 cgroup2 "$0/sys/fs/cgroup"
for folder in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$0/$folder"; done
mkdir "$0/dev/pts" "$0/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$0/dev/pts"
ln -s pts/ptmx "$0/dev/ptmx"
for device in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "$0/dev/${device%:*}" c 1 "${device#*:}"; done
ip link set lo up
# Not chroot: units have mount namespaces, which begin at a root that is mounted.
cd "$0"
pivot_root . .
umount --lazy .
cd /
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=poplar-test /lib/systemd/systemd --system
"""


def control_groups():
    """Where the unified hierarchy is mounted, and may be written to; or None."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, path, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(",") and os.access(path, os.W_OK):
            return Path(path)
    return None


class BootedTree:
    def __init__(self, tree):
        self.group = control_groups() / f"poplar-test-{os.getpid()}"
        self.group.mkdir()
        join = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
        namespaces = ["unshare", "--mount", "--propagation", "private", "--uts", "--ipc", "--net", "--cgroup", "--pid", "--fork",
                      "--kill-child=SIGKILL"]
        self.process = subprocess.Popen(["sh", "-c", join, str(self.group), *namespaces, "sh", "-c", BOOT, str(tree.folder)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def wait_until_it_runs(self):
        """Whether it came up."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
            if state in (b"running", b"degraded"):
                return True
            time.sleep(0.2)
        return False

    @property
    def init(self):
        """The process that is number 1 there."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def run(self, *arguments, check=True, **options):
        command = ["nsenter", "--target", str(self.init), "--all", "--root", "--wd=/", *arguments]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
        result = subprocess.run(command, capture_output=True, timeout=300, env=environment, **options)
        if check and result.returncode != 0:
            log = self.run("journalctl", "--no-pager", "-n", "60", check=False).stdout.decode()
            raise AssertionError(f"{arguments} ended with {result.returncode}: {result.stdout.decode()[-3000:]}{result.stderr.decode()[-2000:]}\n{log}")
        return result

    @contextlib.contextmanager
    def network(self):
        """This thread, and those that it starts, are in the tree's network."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as own, open(f"/proc/{self.init}/ns/net") as theirs:
            assert libc.setns(theirs.fileno(), CLONE_NEWNET) == 0
            try:
                yield
            finally:
                assert libc.setns(own.fileno(), CLONE_NEWNET) == 0

    def close(self):
        self.process.kill()
        self.process.wait(30)
        self.process.stdout.close()

        def gone():
            for folder in sorted(self.group.rglob("*/"), key=lambda path: -len(path.parts)):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            with contextlib.suppress(OSError):
                self.group.rmdir()
            return not self.group.exists()

        wait_for("its control group is gone", 30, gone)
