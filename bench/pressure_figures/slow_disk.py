"""A disk that reads slowly: the kernel holds back what one server reads, by a control group."""

import contextlib
import os

from harness import remove_cgroup

BLKIO_V1 = "/sys/fs/cgroup/blkio"
UNIFIED = "/sys/fs/cgroup"


def whole_disk(path):
    """MAJOR:MINOR of the disk that `path` lies on, as throttles want it: not of a partition."""
    device = os.stat(path).st_dev
    folder = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    if os.path.exists(f"{folder}/partition"):
        folder = f"{folder}/.."
    with open(f"{folder}/dev", encoding="ascii") as file:
        return file.read().strip()


def controls():
    """Folders where a group with a throttle can be made: its file and its line."""
    yield BLKIO_V1, "blkio.throttle.read_bps_device", "{disk} {bytes_per_second}"
    yield UNIFIED, "io.max", "{disk} rbps={bytes_per_second}"


def make_throttle(disk, bytes_per_second):
    """A control group whose processes read no more than that, or None where this machine has none."""
    for parent, file_name, line in controls():
        folder = f"{parent}/poplar-pressure-{os.getpid()}"
        try:
            os.mkdir(folder)
        except OSError:
            continue
        try:
            with open(f"{folder}/{file_name}", "w", encoding="ascii") as file:
                file.write(line.format(disk=disk, bytes_per_second=bytes_per_second))
            return folder
        except OSError:
            os.rmdir(folder)
    return None


def move(process_id, folder):
    with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as file:
        file.write(str(process_id))


@contextlib.contextmanager
def throttled(server, bytes_per_second):
    """Whether the server's reads are held back while the block lasts."""
    folder = None
    with contextlib.suppress(OSError):  # a file system without a disk of its own
        folder = make_throttle(whole_disk(server.store), bytes_per_second)
    if folder is None:
        yield False
        return
    try:
        move(server.process.pid, folder)
        yield True
    finally:
        with contextlib.suppress(OSError):  # it may have ended
            move(server.process.pid, os.path.dirname(folder))
        remove_cgroup(folder)
