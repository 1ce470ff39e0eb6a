"""Clients that no mail program is: what others notice, and what it costs the server."""

import time
from dataclasses import dataclass

import bystanders
from background import Storm, wait_until
from bystanders import Bystanders
from lab import addresses, mib, say
from memory import Watch
from people import server_for
from rows import Row, quotient
from storm_client import BYTES_USER

TITLE = "Storms"
SAMPLE_SECONDS = 0.1
SETTLE_SECONDS_MAX = 60


@dataclass(frozen=True)
class Kind:
    """`name` of storm_client.py. `event`: what it counts that costs the server something; "": the cost
    is that they are there, in memory, of which each may take `kib_max`. `slower_max`: None where they
    take what there is of the server, so that others must notice."""

    name: str
    title: str
    clients: int
    tls: bool = False
    event: str = ""
    kib_max: float | None = None
    slower_max: float | None = None


KINDS = [
    Kind("accepts", "connections opened and closed as fast as it goes", 1, event="connections"),
    Kind("silent", "half-open connections", 2_000, kib_max=4,
         slower_max=bystanders.SLOWER_MAX),
    Kind("silent", "half-open TLS connections, no ClientHello", 2_000, tls=True, kib_max=20,
         slower_max=bystanders.SLOWER_MAX),
    Kind("half_hello", "half-open TLS connections, half of a ClientHello", 2_000, tls=True,
         kib_max=20, slower_max=bystanders.SLOWER_MAX),
    Kind("bytes", "sessions that send each byte in a segment of its own", 64, event="segments"),
]
SMOKE_CLIENTS = 8


def measure(lab):
    senders = addresses(BYTES_USER, 0, max(kind.clients for kind in KINDS if kind.name == "bytes"))
    with server_for(lab, "storms", bystanders.users(lab) + senders) as server:
        others = Bystanders(lab, server)
        for kind in KINDS:
            yield from measure_kind(lab, server, others, kind)


def connections(server):
    return server.metrics()["poplar_connections_open"]


@dataclass(frozen=True)
class Seen:
    """What others noticed in `seconds`, and what the server took meanwhile."""

    noticed: bystanders.Noticed
    cpu_seconds: float
    seconds: float


def observe(server, others):
    cpu_us, begin = process_cpu_us(server), time.monotonic()
    noticed = others.notice()
    return Seen(noticed, (process_cpu_us(server) - cpu_us) / 1e6, time.monotonic() - begin)


def share(rounds):
    """Of a core."""
    return sum(seen.cpu_seconds for seen in rounds) / sum(seen.seconds for seen in rounds)


def process_cpu_us(server):
    total_us = server.cpu_us()
    return sum(cpu_ns for _, cpu_ns in server.threads()) / 1e3 if total_us is None else total_us


def measure_kind(lab, server, others, kind):
    clients = min(kind.clients, SMOKE_CLIENTS) if lab.smoke else kind.clients
    port = server.pop3s_port if kind.tls else server.pop3_port
    quiet, stormy, events = [], [], 0
    with Watch(server.anonymous_bytes, SAMPLE_SECONDS, lab.client_cores) as memory:
        for _ in range(lab.rounds):
            quiet.append(observe(server, others))
            with Storm(lab, kind.name, port, clients) as storm:
                stormy.append(observe(server, others))
            events += storm.counts.get(kind.event, 0)
            say(f"{kind.title}: {storm.counts}; {share(stormy):.0%} of a core")
            wait_until(lambda: connections(server) == 0, SETTLE_SECONDS_MAX,
                       "the end of a storm's connections")
    title = kind.title if kind.event else f"{clients:,} {kind.title}"
    yield from others.rows(f"beside {title}", [seen.noticed for seen in stormy],
                           [seen.noticed for seen in quiet], kind.slower_max)
    if kind.event:
        seconds = sum(seen.seconds for seen in stormy)
        yield cost_row(kind, events / seconds, share(stormy), share(quiet))
    yield memory_row(title, memory.growth, None if kind.event else clients, kind.kib_max)


def cost_row(kind, per_second, stormy_share, quiet_share):
    """The others come at a fixed rate, so what the server takes beyond that is the storm's; below nothing
    where noise is more."""
    each_us = quotient((stormy_share - quiet_share) * 1e6, per_second, kind.title)
    return Row(f"{kind.title}: server CPU for one of {per_second:,.0f} {kind.event} a second",
               f"{each_us:.1f} µs", f"{stormy_share:.0%} of its core, {quiet_share:.0%} without")


def memory_row(title, growth, clients, kib_max):
    title = f"{title}: the server's own memory (RssAnon)"
    if clients is None:
        return Row(title, f"+{mib(growth)}")
    return Row(title, f"+{mib(growth)}", "for each of them", growth / clients / 1024, kib_max,
               unit=" KiB")
