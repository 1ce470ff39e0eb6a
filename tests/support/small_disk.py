"""A file system of a store's own: an ext4 image, mounted where only the server sees it, so that nothing stays behind."""

import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

from poplar_server import needs

MIB = 1 << 20
FS_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


class SmallDisk:
    """In the place of a store that was made and is not open yet."""

    def __init__(self, store, image, size_mib):
        self.store, self.image = store, image
        with open(image, "xb") as file:
            file.truncate(size_mib * MIB)
        subprocess.run([needs("mkfs.ext4"), "-q", "-m", "0", "-d", str(store), str(image)], check=True, timeout=60)
        shutil.rmtree(store)
        store.mkdir()

    @property
    def wrapper(self):
        """Runs a command that has the disk in the store's place."""
        return ["unshare", "--mount", "--", "sh", "-c", 'mount -o loop "$1" "$2" && shift 2 && exec "$@"', "sh", str(self.image), str(self.store)]

    def allowed(self):
        return subprocess.run([*self.wrapper, "true"], capture_output=True, timeout=60).returncode == 0

    def seen_by(self, process):
        return Path(f"/proc/{process.pid}/root{self.store}")

    def free_mib(self, server):
        disk = os.statvfs(self.seen_by(server.process))
        return disk.f_bavail * disk.f_frsize // MIB

    def die(self, server):
        """From now on each read and each write is EIO."""
        folder = os.open(self.seen_by(server.process), os.O_RDONLY)
        try:
            fcntl.ioctl(folder, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(folder)
