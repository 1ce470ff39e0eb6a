"""Stops processes, as SIGSTOP does, and comes back when none of their threads runs any more."""

import os
import signal
import time
from pathlib import Path

STOP_SECONDS = 30


def freeze(*pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            pass  # It has ended.
    deadline = time.monotonic() + STOP_SECONDS
    # A thread that runs on another core gives one answer more before it stops.
    while any(state not in "TtZX" for pid in pids for state in states(pid)):
        assert time.monotonic() < deadline, f"{pids} do not stop"
        time.sleep(0.001)


def states(pid):
    """Of its threads, a letter each."""
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            yield stat.read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended.
