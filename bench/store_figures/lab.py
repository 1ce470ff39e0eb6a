"""What every part has in common: where binaries and folders are, how load is put on, how long."""

import argparse
import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass

from cells import PASSWORD
from harness import Failed, Load, find_plugin
from server import StoreServer


def say(text):
    print(text, file=sys.stderr, flush=True)


@dataclass
class Lab:
    """`smoke`: everything small, nothing counts. `options`: what a part has arguments of its own for."""

    directory: str
    build: str
    poplar: str
    floor: str
    load: Load
    server_cores: set | None
    client_cores: set | None
    rounds: int
    seconds: float
    warmup: float
    smoke: bool
    options: argparse.Namespace | None = None

    def plugin(self, name):
        return find_plugin(self.build, name)

    @contextlib.contextmanager
    def server(self, name, users=(), settings="", **more):
        """A new server that is prepared, not started; ended when the block is left. `settings`, `more`: as
        Poplar has them."""
        server = StoreServer(f"{self.directory}/{name}", self.poplar, settings=settings,
                             cores=self.server_cores, **more)
        server.name = f"Poplar-{name}"
        server.prepare(users, PASSWORD)
        try:
            yield server
        finally:
            server.stop()

    def run(self, server, profile, pattern, users, connections, *arguments, seconds=None,
            warmup=None):
        """A measured run of poplar-load."""
        return self.load.run(
            server, profile, "--user", pattern, "--users", users, "-c", connections, "--seconds",
            self.seconds if seconds is None else seconds, "--warmup",
            self.warmup if warmup is None else warmup, "--timeout-ms", 60_000, *arguments)

    def fill(self, server, pattern, users, operations, octets, recipients=1, connections=64,
             first_user=0, more=()):
        """Deliveries until `operations` are done. Message i goes to the users from i on."""
        self.load.run(server, "lmtp", "--user", pattern, "--users", users, "--first-user",
                      first_user, "-c", min(connections, users), "--operations", operations,
                      "--octets", octets, "--recipients", recipients, "--seconds", 3600,
                      "--timeout-ms", 120_000, *more)

    def in_background(self, server, profile, pattern, users, connections, *arguments, errors=1,
                      password=PASSWORD, yields=False):
        """A load that goes on until its server is gone, or so many errors; they are not of interest.
        `yields`: its core to other loads."""
        command = [self.load.binary, profile, "--pop3", f"127.0.0.1:{server.pop3_port}",
                   "--lmtp", f"127.0.0.1:{server.lmtp_port}", "--password", password, "--user",
                   pattern, "--users", str(users), "-c", str(connections), "--seconds", "600",
                   "--errors", str(errors), *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                preexec_fn=lambda: take_place(self.client_cores, yields))

    def group_commit(self, files, producers):
        """Records a second of the raw loop, on the server's cores and disk."""
        pin = (lambda: os.sched_setaffinity(0, self.server_cores)) if self.server_cores else None
        done = subprocess.run(
            [self.floor, "--directory", self.directory, "--files", str(files), "--producers",
             str(producers), "--seconds", str(self.seconds)],
            capture_output=True, text=True, preexec_fn=pin, check=False)
        if done.returncode != 0:
            raise Failed(f"poplar-floor failed:\n{done.stderr}")
        return json.loads(done.stdout)


def take_place(cores, yields):
    """In a child, before it becomes the client; or in a thread. One that yields has the core when nobody
    else wants it: however nice it were, it would keep the core for a slice, which is milliseconds."""
    if cores:
        os.sched_setaffinity(0, cores)
    if yields:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def addresses(pattern, first, end):
    return [pattern.replace("{}", str(number)) for number in range(first, end)]


def rate(report):
    return sum(series["per_second"] for series in report["operations"].values())


def cpu_us(report):
    return report["server_cpu"]["us_per_operation"]


def mib(octets):
    return f"{octets / (1 << 20):,.0f} MiB"
