"""Clients that no mail program is: what others notice, and what it costs the server."""

import statistics
import time
from dataclasses import dataclass

import bystanders
from background import Storm, wait_until
from bystanders import Bystanders
from lab import addresses, cpu_us, mib, say
from memory import Watch
from people import server_for
from rows import Row, quotient
from storm_client import BYTES_USER

TITLE = "Storms"
SAMPLE_SECONDS = 0.1
SETTLE_SECONDS_MAX = 60
GROWTH_MIB_MAX = 16  # buffers of those who are there at once; what grows with each that comes has no end


@dataclass(frozen=True)
class Cost:
    """What a storm costs the server when nobody else is there: its CPU for one `event` that storm_client.py counts,
    of which poplar-load's `profile`, `name`, by users of `pattern`, may cost `share_max` times as much."""

    event: str
    one: str
    profile: str
    name: str
    pattern: str
    share_max: float


@dataclass(frozen=True)
class Kind:
    """`name` of storm_client.py. `cost`: None where it is that they are there, in memory, of which each may take
    `kib_max`. `slower_max`: None where they take what there is of the server, so that others must notice."""

    name: str
    title: str
    clients: int
    tls: bool = False
    cost: Cost | None = None
    kib_max: float | None = None
    slower_max: float | None = None


# A session opens and closes a connection as well; and it is greeted, logs in, says STAT and QUIT.
CONNECTION = Cost("connections", "connection", "session", "session", bystanders.PATTERN, share_max=0.5)
# A NOOP is a segment as well; and it is answered.
SEGMENT = Cost("segments", "segment", "noop", "NOOP, one at a time", BYTES_USER, share_max=1)

KINDS = [
    Kind("accepts", "connections opened and closed as fast as it goes", 1, cost=CONNECTION),
    Kind("silent", "half-open connections", 2_000, kib_max=4,
         slower_max=bystanders.SLOWER_MAX),
    Kind("silent", "half-open TLS connections, no ClientHello", 2_000, tls=True, kib_max=20,
         slower_max=bystanders.SLOWER_MAX),
    Kind("half_hello", "half-open TLS connections, half of a ClientHello", 2_000, tls=True,
         kib_max=20, slower_max=bystanders.SLOWER_MAX),
    Kind("bytes", "sessions that send each byte in a segment of its own", 64, cost=SEGMENT),
]
SMOKE_CLIENTS = 8
LOAD_CLIENTS = 16  # who do what a storm is held against, where it has but one client


def measure(lab):
    senders = addresses(BYTES_USER, 0, max(kind.clients for kind in KINDS if kind.name == "bytes"))
    for number, kind in enumerate(KINDS):
        # A new one for each: what a storm leaves free in the heap, the next would take for nothing.
        with server_for(lab, f"storm-{number}", bystanders.users(lab) + senders) as server:
            yield from measure_kind(lab, server, Bystanders(lab, server), kind)


def connections(server):
    return server.metrics()["poplar_connections_open"]


def process_cpu_us(server):
    total_us = server.cpu_us()
    return sum(cpu_ns for _, cpu_ns in server.threads()) / 1e3 if total_us is None else total_us


def clients_of(lab, kind):
    return min(kind.clients, SMOKE_CLIENTS) if lab.smoke else kind.clients


def storm_of(lab, server, kind):
    return Storm(lab, kind.name, server.pop3s_port if kind.tls else server.pop3_port, clients_of(lab, kind))


def settle(server):
    wait_until(lambda: connections(server) == 0, SETTLE_SECONDS_MAX, "the end of a storm's connections")


def measure_kind(lab, server, others, kind):
    quiet, stormy = [], []
    with Watch(server.anonymous_bytes, SAMPLE_SECONDS, lab.client_cores) as memory:
        for _ in range(lab.rounds):
            quiet.append(others.notice())
            with storm_of(lab, server, kind) as storm:
                stormy.append(others.notice())
            say(f"{kind.title}: {storm.counts}")
            settle(server)
    title = kind.title if kind.cost else f"{clients_of(lab, kind):,} {kind.title}"
    yield from others.rows(f"beside {title}", stormy, quiet, kind.slower_max)
    if kind.cost:
        yield cost_row(kind, *costs_alone(lab, server, kind))
    yield memory_row(title, memory.growth, None if kind.cost else clients_of(lab, kind), kind.kib_max)


def costs_alone(lab, server, kind):
    """In turns, nothing else being done: µs for one event of the storm, and for what it is held against; how many
    events there were a second."""
    storm_us, beside_us, per_second = [], [], []
    clients = min(max(clients_of(lab, kind), LOAD_CLIENTS), bystanders.clients(lab))
    for _ in range(lab.rounds):
        beside_us.append(cpu_us(lab.run(server, kind.cost.profile, kind.cost.pattern, clients, clients)))
        settle(server)
        with storm_of(lab, server, kind) as storm:
            before_us, begin = process_cpu_us(server), time.monotonic()
            time.sleep(lab.seconds)
        events = storm.counts[kind.cost.event]
        storm_us.append(quotient(process_cpu_us(server) - before_us, events, kind.title))
        per_second.append(events / (time.monotonic() - begin))
        settle(server)
    say(f"{kind.title}, alone: {storm_us} us, of {beside_us}")
    return tuple(map(statistics.median, (storm_us, beside_us, per_second)))


def cost_row(kind, storm_us, beside_us, per_second):
    return Row(f"{kind.title}, alone: server CPU for one {kind.cost.one} of {per_second:,.0f} a second",
               f"{storm_us:.1f} µs", f"{beside_us:.1f} µs for a {kind.cost.name}",
               quotient(storm_us, beside_us, kind.title), kind.cost.share_max)


def memory_row(title, growth, clients, kib_max):
    title = f"{title}: the server's own memory (RssAnon)"
    if clients is None:
        return Row(title, f"+{mib(growth)}", "what it was before", growth / (1 << 20), GROWTH_MIB_MAX,
                   unit=" MiB")
    return Row(title, f"+{mib(growth)}", "for each of them", growth / clients / 1024, kib_max,
               unit=" KiB")
