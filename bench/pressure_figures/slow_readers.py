"""A thousand who read a large message slowly: what it costs in memory, and what others notice."""

import contextlib
import time

import bystanders
from background import Background, wait_until
from bystanders import Bystanders
from lab import addresses, mib
from memory import Watch, socket_bytes
from people import server_for
from rows import Row

TITLE = "Slow readers of large messages"
PATTERN = "slow{}@load.test"
READERS, SMOKE_READERS = 1_000, 8
OCTETS, SMOKE_OCTETS = 25 * 1024 * 1024, 2 * 1024 * 1024
BYTES_PER_SECOND = 32 * 1024  # each: as over a bad line
SAMPLE_SECONDS = 0.5
SETTLE_SECONDS = 10
WAIT_SECONDS_MAX = 120
OWN_KIB_MAX = 64  # pop3.output_buffer_kib: what may wait for a client in the server's own memory


def measure(lab):
    for how in ("plain", "TLS"):
        yield from measure_one(lab, how)


def measure_one(lab, how):
    count, octets = ((SMOKE_READERS, SMOKE_OCTETS) if lab.smoke else (READERS, OCTETS))
    with server_for(lab, f"slow-{how.lower()}",
                    addresses(PATTERN, 0, count) + bystanders.users(lab)) as server:
        others = Bystanders(lab, server)
        # One message that all of them have; it is a file of its own, and so has a link for each.
        lab.fill(server, PATTERN, count, 1, octets, recipients=count, connections=1)
        quiet, begun, slowed = [], [], []
        watches = watch(lab, server, server.pop3s_port if how == "TLS" else server.pop3_port)
        settle_seconds = 0 if lab.smoke else SETTLE_SECONDS
        with contextlib.ExitStack() as stack:
            for one in watches.values():
                stack.enter_context(one)
            for _ in range(lab.rounds):
                quiet.append(others.notice())
                with Background(lab, server, "slow", PATTERN, count, count,
                                "--read-bytes-per-second", BYTES_PER_SECOND,
                                seconds=2 * others.seconds + settle_seconds,
                                tls=how == "TLS") as readers:
                    wait_until(lambda: server.metrics()["poplar_pop3_sessions"] >= count,
                               WAIT_SECONDS_MAX, f"{count:,} slow readers", readers.check)
                    begun.append(others.notice())
                    time.sleep(settle_seconds)
                    slowed.append(others.notice())
    title = f"{count:,} slow readers of {octets >> 20} MiB, {how}"
    yield from others.rows(f"beside {title}", slowed, quiet)
    yield from others.rows("from when all have asked for it, until the buffers of their sockets are "
                           "full", begun, quiet)
    for what, one in watches.items():
        yield memory_row(f"{title}: {what}", one.growth, count, octets,
                         OWN_KIB_MAX if what.startswith("its own") else None)


def watch(lab, server, port):
    return {"its own memory (RssAnon)": Watch(server.anonymous_bytes, SAMPLE_SECONDS,
                                              lab.client_cores),
            "what the kernel holds for its sockets": Watch(lambda: socket_bytes(port),
                                                           SAMPLE_SECONDS, lab.client_cores)}


def memory_row(title, growth, count, octets, limit):
    return Row(title, f"+{mib(growth)}", f"{mib(count * octets)} asked for; for each reader",
               growth / count / 1024, limit, unit=" KiB")
