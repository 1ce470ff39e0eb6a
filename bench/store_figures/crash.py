"""A SIGKILL while deliveries come as fast as they can, as late after a checkpoint as one gets: how long
until the server is ready again, and what it had to replay."""

import re
import time

from harness import Failed
from lab import say
from server import since

WATCH_SECONDS_MAX = 240
WATCHED_CHECKPOINTS = 4  # of all partitions
LATE_SHARE = 0.9  # of the changes that were pending before an earlier checkpoint
POLL_S = 0.01
PENDING = "poplar_store_pending_changes"
CHECKPOINTS = "poplar_store_checkpoints_total"
DELIVERIES = "poplar_store_deliveries_total"


def measure(lab, server, pattern, users, octets):
    """REQUIRES: the server stands still. It runs afterwards."""
    server.start_counting()
    load = lab.in_background(server, "lmtp", pattern, users, 16, "--octets", octets)
    try:
        killed = kill_late(server, load, WATCHED_CHECKPOINTS if not lab.smoke else 0)
    finally:
        load.kill()
        load.wait()
    log_begin = server.log_bytes()
    seconds = server.start_counting()
    crash = {"users": users, "seconds": seconds, **killed, **replayed(server.log_from(log_begin))}
    say(f"killed: {crash}")
    if crash["records"] == 0:
        raise Failed("there was nothing to replay: the crash came at a quiet moment")
    return crash


def kill_late(server, load, checkpoints):
    """How many changes were pending, and how many deliveries a second came."""
    begin = time.monotonic()
    first = before = server.metrics()
    peak = 0
    while time.monotonic() - begin < WATCH_SECONDS_MAX:
        time.sleep(POLL_S)
        now = server.metrics()
        if load.poll() is not None:
            raise Failed("the load ended before the crash")
        watched = since(first, now, CHECKPOINTS) >= checkpoints
        under_way = since(before, now, DELIVERIES) > 0
        if watched and under_way and now[PENDING] >= max(1, LATE_SHARE * peak):
            server.kill()
            return {"pending": now[PENDING],
                    "per_second": since(first, now, DELIVERIES) / (time.monotonic() - begin)}
        if not watched:
            peak = max(peak, now[PENDING])
        before = now
    raise Failed("there was no moment late after a checkpoint with deliveries under way")


def replayed(log):
    """What the server said when it opened its store."""
    found = re.search(r"store_open .*records_replayed=(\d+) octets_replayed=(\d+)", log)
    if found is None:
        raise Failed(f"the server does not say what it replayed:\n{log}")
    return {"records": int(found[1]), "octets": int(found[2])}
