"""The mixed day for an hour: whether anything grows that should not."""

import os
import statistics

from background import Background
from lab import addresses, mib
from people import server_for
from repeating import Repeating
from rows import Row, quotient

TITLE = "A soak of the mixed day"
BY_NAME_ONLY = True
SHOWN = {"turns": "one run"}
PATTERN = "day{}@load.test"
USERS, SMOKE_USERS = 400, 24
CLIENTS, SMOKE_CLIENTS = 100, 8
PER_SECOND = 500  # of which each sixth brings mail
MINUTES, SMOKE_SECONDS = 60, 2
PERIOD_SECONDS_MAX = 1
SAMPLES_MIN = 20  # of the whole time
GROWTH_MAX = 1.1
BEGIN, END = (0.1, 0.2), (0.9, 1.0)  # of the time: caches fill at first


def add_arguments(parser):
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"of a soak ({MINUTES})")


class Samples(Repeating):
    """What `read` said, again and again; its names are those of figures."""

    def __init__(self, read, period_s, cores):
        self.all = []
        super().__init__(lambda: self.all.append(read()), period_s, cores)


def measure(lab):
    users, clients = (SMOKE_USERS, SMOKE_CLIENTS) if lab.smoke else (USERS, CLIENTS)
    seconds = SMOKE_SECONDS if lab.smoke else lab.options.minutes * 60
    with server_for(lab, "soak", addresses(PATTERN, 0, users)) as server:
        with Background(lab, server, "day", PATTERN, users, clients, "--rate", PER_SECOND,
                        seconds=seconds, yields=False) as day:
            period = min(PERIOD_SECONDS_MAX, seconds / SAMPLES_MIN)
            with Samples(lambda: read(server), period, lab.client_cores) as samples:
                day.finish()  # within the block of samples, which are of its time
    yield from rows_of(samples.all, day.report, seconds)


def read(server):
    return {"memory": server.anonymous_bytes(), "descriptors": descriptors(server),
            "disk": server.disk_bytes()}


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def rows_of(samples, report, seconds):
    length = f"{seconds / 60:,.3g} minutes"
    for name, shown, limit in (("memory", mib, GROWTH_MAX), ("descriptors", str, GROWTH_MAX),
                               ("disk", mib, None)):
        begin, end, most = shape([sample[name] for sample in samples])
        yield Row(f"{name} at the end of {length}, and at their begin", shown(end),
                  f"{shown(begin)} at the begin, {shown(most)} at most",
                  quotient(end, begin, name), limit)
    for name, series in sorted(report["operations"].items()):
        yield Row(f"{name}, without an error", f"{series['operations']:,}",
                  f"{series['per_second']:,.0f} a second; p99 {series['p99_us'] / 1e3:,.1f} ms")


def shape(values):
    """Begin and end as medians of their parts of the time, and the largest of all."""
    def part(bounds):
        first, end = (int(bound * len(values)) for bound in bounds)
        return statistics.median_high(values[first:max(end, first + 1)])
    return part(BEGIN), part(END), max(values)
