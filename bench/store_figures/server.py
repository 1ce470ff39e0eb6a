"""A Poplar server whose store is looked at from outside: its settings, its metrics, its memory, what
it reads and writes, its files."""

import os
import re
import signal
import sqlite3
import time
import urllib.error
import urllib.request

from harness import Failed, remove_cgroup
from poplar import Poplar

READY_SECONDS_MAX = 120


class StoreServer(Poplar):
    """Users are written into the database at once, all with one hash."""

    def __init__(self, *arguments, **kwargs):
        super().__init__(*arguments, **kwargs)
        self.users = 0

    @property
    def store(self):
        return f"{self.directory}/home/store"

    @property
    def partitions(self):
        return len([name for name in os.listdir(self.store) if re.fullmatch(r"p\d+", name)])

    def add_users(self, users, password):
        self.insert_users(users, password)

    def limit_maildrops(self, octets):
        """A quota for every maildrop, as hosted customers have."""
        database = sqlite3.connect(f"{self.directory}/home/users.db")
        try:
            with database:
                database.execute("UPDATE tenants SET maildrop_quota_octets = ?", (octets,))
        finally:
            database.close()

    def start_counting(self):
        """Starts; the seconds until it is ready, by /readyz."""
        begin = time.monotonic()
        self.spawn([self.binary, "serve", "--config", self.config])
        while not self.ready():
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended at its start:\n{self.log_tail()}")
            if time.monotonic() - begin > READY_SECONDS_MAX:
                raise Failed(f"{self.name} is not ready after {READY_SECONDS_MAX} s:\n"
                             f"{self.log_tail()}")
            time.sleep(0.005)
        return time.monotonic() - begin

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz",
                                        timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill(self):
        """As a crash does."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGKILL)
        process.wait()
        remove_cgroup(self.cgroup)

    def log_bytes(self):
        return os.path.getsize(f"{self.directory}/output.log")

    def log_from(self, offset):
        with open(f"{self.directory}/output.log", encoding="utf-8", errors="replace") as file:
            file.seek(offset)
            return file.read()

    def metrics(self):
        """Every counter and gauge, summed over its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/metrics",
                                    timeout=30) as answer:
            return sum_metrics(answer.read().decode())

    def io(self):
        """Octets that the process read from and wrote to the disk so far."""
        with open(f"/proc/{self.process.pid}/io", encoding="ascii") as file:
            return {name: int(value) for name, value in (line.split(": ") for line in file)}

    def hash_cpu_us(self):
        """CPU time of the threads that check passwords, so far."""
        return sum(cpu_ns for name, cpu_ns in self.threads() if name.startswith("hash-")) / 1e3

    def threads(self):
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            folder = f"/proc/{self.process.pid}/task/{task}"
            try:
                with open(f"{folder}/comm", encoding="ascii") as file:
                    name = file.read().strip()
                with open(f"{folder}/schedstat", encoding="ascii") as file:
                    yield name, int(file.read().split()[0])
            except OSError:
                continue  # a thread that has ended

    def anonymous_bytes(self):
        """Memory that is the process's own: neither files nor the page cache."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"^RssAnon:\s+(\d+) kB", file.read(), re.MULTILINE)[1]) * 1024

    def files(self, part=""):
        """Paths and octets on disk of the store's files whose path has `part`."""
        for folder, _, names in os.walk(self.store):
            for name in names:
                path = f"{folder}/{name}"
                if part in path:
                    try:
                        yield path, os.stat(path).st_blocks * 512
                    except FileNotFoundError:
                        continue  # compaction unlinks what it emptied

    def disk_bytes(self, part=""):
        return sum(octets for _, octets in self.files(part))

    def forget_cache(self):
        """Drops its files from the page cache. REQUIRES: it does not run."""
        for path in self.cached_paths():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fdatasync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)

    def fill_cache(self):
        """Reads its indexes and users into the page cache."""
        for path in self.cached_paths("/index/"):
            with open(path, "rb") as file:
                while file.read(1 << 20):
                    pass

    def cached_paths(self, part=""):
        return [path for path, _ in self.files(part)] + [f"{self.directory}/home/users.db"]


def sum_metrics(text):
    sums = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            name = name.partition("{")[0]
            sums[name] = sums.get(name, 0) + float(value)
    return sums


def since(before, after, name):
    """How much a metric grew."""
    return after.get(name, 0) - before.get(name, 0)
