"""Two shards and one: what an operation costs the server when its work is shared.

The rate that two get cannot be measured where poplar-load has to have one of two cores. What would keep it
below twice that of one can: an operation that costs more, and work that is shared unevenly. Each shard has
as much to do as the one: a shard that has less sleeps more often, and waking is a part of what it costs. Of two
shards one is on the client's core and one is not, and the same octets cost either differently (what one core sends
and another receives and frees travels between them): so the one shard is measured with the client on its
core and on the other, and what counts is the mean."""

import dataclasses
import os
import statistics

from cells import FETCHED, LONG
from harness import Load
from lab import addresses, cpu_us, rate, say
from people import server_for
from rows import Row, quotient

TITLE = "Two shards and one"
SHOWN = {"server_cores": "0 with one shard, 0 and 1 with two", "client_cores": "0 and 1; 0 or 1 in turns with one shard"}
PATTERN = "shard{}@load.test"
USERS, SMOKE_USERS = 64, 16
MESSAGES = 8
OCTETS = 4096
TIMES_MIN = 1.8
LOAD_SHARE = 0.25  # of the most that one shard can do, for each shard
LARGE_OCTETS = 65_536
SMALL, LARGE = ("--octets", f"{OCTETS}-{2 * OCTETS}"), ("--octets", f"{LARGE_OCTETS}-{2 * LARGE_OCTETS}")
TLS = ("--stls",)
WORK = [("session", "sessions", 16, ()), ("session", "sessions with STLS", 16, TLS), ("poll", "polls", 16, ()),
        ("retr", "RETR of 4 KB", 16, SMALL), ("retr", "RETR of 64 KB", 16, LARGE),
        ("retr", "RETR of 64 KB over TLS", 16, (*LARGE, *TLS)), ("noop", "NOOP", 16, ()),
        ("lmtp", "deliveries of 4 KB", 16, ("--octets", OCTETS))]
MORE_SECONDS = 2  # of each measurement of these, so that they take less than two minutes together


@dataclasses.dataclass(frozen=True)
class More:
    """Further work, in maildrops of its own, all of the same mail; each has a client."""

    profile: str
    name: str
    pattern: str
    users: int
    messages: int
    octets: str
    arguments: tuple = ()


MORE = [More("handshake", "handshakes with STLS", "hello{}@load.test", 16, 0, "0", TLS),
        More("fetch", "fetches of 50 messages, 3 MB", FETCHED.pattern, 16, FETCHED.messages, FETCHED.octets),
        More("retr", "RETR of 1 MB", "large{}@load.test", 16, 4, "1048576"),
        More("poll", "polls of 20,000 messages", LONG.pattern, 4, LONG.messages, LONG.octets)]
SMOKE_MESSAGES = 2


@dataclasses.dataclass(frozen=True)
class Side:
    """A server, how many shards it has, and where its clients are, in turns."""

    server: object
    shards: int
    labs: list

    def measure(self, pace, seconds, *run):
        """Server CPU for an operation, and operations a second."""
        reports = [lab.run(self.server, *run, "--rate", pace * self.shards, seconds=seconds)
                   for lab in self.labs]
        return statistics.mean(map(cpu_us, reports)), statistics.mean(map(rate, reports))


def measure(lab):
    cores = sorted(os.sched_getaffinity(0))[:2]
    users = SMOKE_USERS if lab.smoke else USERS
    one, two = with_cores(lab, {cores[0]}, cores), with_cores(lab, set(cores), cores)
    known = addresses(PATTERN, 0, users)
    for more in MORE:
        known += addresses(more.pattern, 0, more.users)
    with server_for(one, "one", known) as single, server_for(two, "two", known) as double:
        for server in (single, double):
            fill(one, server, users)
        sides = (Side(single, 1, [with_cores(lab, {cores[0]}, {core}) for core in cores]),
                 Side(double, 2, [two]))
        for profile, name, clients, arguments in WORK:
            yield from measure_work(one, sides, name, lab.seconds, profile, PATTERN, users, min(clients, users),
                                    *arguments)
        short = min(lab.seconds, MORE_SECONDS)
        for more in MORE:
            yield from measure_work(one, sides, more.name, short, more.profile, more.pattern, more.users,
                                    more.users, *more.arguments)


def fill(lab, server, users):
    for octets in (OCTETS, LARGE_OCTETS):
        lab.fill(server, PATTERN, users, users * MESSAGES, octets)
    for more in MORE:
        messages = min(more.messages, SMOKE_MESSAGES) if lab.smoke else more.messages
        if messages > 0:  # each goes to all: so many deliveries take no time
            lab.fill(server, more.pattern, more.users, messages, more.octets, recipients=more.users)


def with_cores(lab, server_cores, client_cores):
    return dataclasses.replace(lab, server_cores=server_cores, client_cores=set(client_cores),
                               load=Load(lab.load.binary, set(client_cores), lab.load.password))


def measure_work(lab, sides, name, seconds, *run):
    """In turns, so that both meet the same noise. `run`: profile, users and the rest, as of Lab.run."""
    single, double = sides
    most = rate(lab.run(single.server, *run, seconds=seconds))
    pace = max(1, round(LOAD_SHARE * most))
    found = {side.shards: [] for side in sides}
    shares = []
    for turn in range(lab.rounds):
        for side in sides if turn % 2 == 0 else sides[::-1]:
            before = shard_cpu_ns(side.server)
            found[side.shards].append(side.measure(pace, seconds, *run))
            if side is double:
                shares.append(busiest_share(before, shard_cpu_ns(side.server)))
    (single_us, single_rate), (double_us, double_rate) = (map(statistics.median, zip(*found[shards]))
                                                          for shards in (1, 2))
    say(f"{name}: {single_us:.2f} and {double_us:.2f} us, {single_rate:,.0f} and {double_rate:,.0f} "
        f"a second, busiest {shares}")
    clients = run[3]
    yield Row(f"{name}, {clients} clients: server CPU for one with two shards; what that leaves of twice the rate",
              f"{double_us:.2f} µs", f"{single_us:.2f} µs with one",
              2 * quotient(single_us, double_us, name), TIMES_MIN, at_least=True)
    yield Row(f"{name}: share of the busier of two shards, at a rate",
              f"{statistics.median(shares):.0%}; {double_rate:,.0f} a second",
              f"{single_rate:,.0f} with one; {most:,.0f} at most")


def shard_cpu_ns(server):
    return {name: cpu_ns for name, cpu_ns in server.threads() if name.startswith("shard-")}


def busiest_share(before, after):
    grown = [after[name] - before.get(name, 0) for name in after]
    return quotient(max(grown), sum(grown), "shards")
