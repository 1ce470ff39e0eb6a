"""Clients that go on while something else is measured, and yield their core to it: what is measured
is the server, not who shares a core with whom."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time

from harness import Failed
from lab import take_place

STORM_CLIENT = f"{os.path.dirname(os.path.abspath(__file__))}/storm_client.py"
LATE_SECONDS_MAX = 150  # a client's timeout, and the end of many sessions
READY_SECONDS_MAX = 120


class Background:
    """A poplar-load of `seconds`, within which the block must end. It is waited for, so that a wrong
    reply to it is not missed; `report` is what it found. `yields`: its core to others. `host`: the
    address of the server's to which it connects."""

    def __init__(self, lab, server, profile, pattern, users, connections, *arguments, seconds,
                 tls=False, yields=True, host="127.0.0.1", timeout_s=120):
        self.lab = lab
        self.server = server
        self.seconds = seconds
        self.yields = yields
        self.what = f"poplar-load {profile}"
        self.command = [lab.load.binary, profile, "--json", *server.endpoint_arguments(tls, host),
                        "--password", lab.load.password, "--server-pid", str(server.process.pid),
                        "--user", pattern, "--users", str(users), "-c", str(connections),
                        "--seconds", str(seconds), "--warmup", "0", "--timeout-ms", str(timeout_s * 1000),
                        *(["--tls"] if tls else []), *map(str, arguments)]
        self.process = None
        self.report = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: take_place(self.lab.client_cores, self.yields))
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.finish()
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.process.communicate()

    def check(self):
        """It still runs."""
        if self.process.poll() is not None:
            raise self.failure("ended too early")

    @contextlib.contextmanager
    def still(self):
        """It does nothing meanwhile, not even look whether it is to do something."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Its end, if it goes on that long, is of no interest."""
        self.check()
        self.process.kill()
        self.report = {}

    def finish(self):
        if self.report is not None:
            return
        if not self.lab.smoke:  # on a busy machine a few seconds are soon over
            self.check()
        try:
            output, errors = self.process.communicate(timeout=self.seconds + LATE_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.what} does not end") from None
        if self.process.returncode != 0:
            raise self.failure(f"failed ({self.process.returncode})", output + errors)
        self.report = json.loads(output)

    def failure(self, how, said=None):
        said = "".join(self.process.communicate()) if said is None else said
        return Failed(f"{self.what} {how}:\n{' '.join(self.command)}\n{said}{self.server.state()}; "
                      f"its log ends with:\n{self.server.log_tail()}")


class Storm:
    """Clients that poplar-load does not have (storm_client.py), from when all are there until the
    block is left; `counts` is what they counted by then."""

    def __init__(self, lab, kind, port, clients):
        self.lab = lab
        self.kind = kind
        self.command = [sys.executable, STORM_CLIENT, kind, str(port), str(clients)]
        self.process = None
        self.counts = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: take_place(self.lab.client_cores, yields=True))
        try:
            readable, _, _ = select.select([self.process.stdout], [], [], READY_SECONDS_MAX)
            if not readable or self.process.stdout.readline() != "ready\n":
                raise Failed(f"the clients \"{self.kind}\" did not come:\n{self.stop()}")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.stop()
            return
        try:  # the end of its input is the end of its work
            output, errors = self.process.communicate(timeout=LATE_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise Failed(f"the clients \"{self.kind}\" do not end:\n{self.stop()}") from None
        if self.process.returncode != 0:
            raise Failed(f"the clients \"{self.kind}\" failed:\n{errors}")
        self.counts = json.loads(output)

    def stop(self):
        """What it said to standard error."""
        if self.process.poll() is None:
            self.process.kill()
        return self.process.communicate()[1]


def wait_until(true, seconds, what, check=lambda: None):
    """Polls `true` gently; `check` may raise."""
    deadline = time.monotonic() + seconds
    while not true():
        check()
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
