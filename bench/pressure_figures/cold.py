"""Mail that is not in memory: what sessions that need no disk notice while others wait for it."""

import os
import statistics

from background import Background
from harness import Failed
from lab import addresses, mib, rate, say
from people import server_for
from repeating import Repeating
from rows import Row, quotient
from slow_disk import throttled

TITLE = "A cold disk"
HOT = "hot{}@load.test"
HOT_USERS = 16
HOT_MESSAGES, HOT_OCTETS = 16, 4096
COLD = "cold{}@load.test"
COLD_USERS = 32
COLD_MESSAGES, SMOKE_COLD_MESSAGES = 512, 4  # for each of these users
COLD_OCTETS = 64 * 1024
BETWEEN = "between{}@load.test"
BETWEEN_OCTETS = 256 << 20  # more than the segments that are written and laid out at once
COLD_PER_SECOND = 200
AT_A_RATE = ("--rate", COLD_PER_SECOND)
SLOW_BYTES_PER_SECOND = 8 << 20
PROFILES = {"session": "sessions", "retr": "RETR of 4 KB"}
CLIENTS = {"session": 16, "retr": 4}
RATE_SHARE_MIN = 0.8
P99_TIMES_MAX = 2
DROP_SECONDS = 0.1
UNFINISHED = ".tmp"  # a segment that is being laid out
START_SECONDS = 3

# One shard, whose store is read by nobody but its clients.
SETTINGS = "[store]\nscrub_kib_per_s = 0\n"


class Dropper(Repeating):
    """Keeps the page cache empty of some files, on the clients' cores."""

    def __init__(self, lab, paths):
        super().__init__(lambda: drop(paths), DROP_SECONDS, lab.client_cores)
        drop(paths)


def drop(paths):
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue  # compaction unlinks what it emptied
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def measure(lab):
    users = [user for pattern in (HOT, BETWEEN, COLD)
             for user in addresses(pattern, 0, COLD_USERS)]
    with server_for(lab, "cold", users, SETTINGS) as server:
        cold_paths = fill(lab, server)
        found = {"alone": observe(lab, server)}
        warm_up(cold_paths)
        with fetches_of_cold_mail(lab, server, AT_A_RATE):
            found["warm"] = observe(lab, server)
        with Dropper(lab, cold_paths):
            with fetches_of_cold_mail(lab, server, AT_A_RATE) as fetches:
                found["cold"] = observe(lab, server)
            with throttled(server, SLOW_BYTES_PER_SECOND) as slow:
                if slow:
                    with fetches_of_cold_mail(lab, server) as slow_fetches:
                        found["slow"] = observe(lab, server)
    say(f"cold: {found}")
    if not lab.smoke:
        check_cold(found)
    yield from rows_of("a disk as it is", found, "cold", fetches.report)
    if slow:
        yield from rows_of(f"a disk that reads {mib(SLOW_BYTES_PER_SECOND)} a second", found, "slow",
                           slow_fetches.report)
    else:
        yield Row("a slow disk", "not measured",
                  "this machine lets no control group hold back what is read")


def check_cold(found):
    for which in {"cold", "slow"} & set(found):
        if found[which]["read_bytes"] < 10 * max(found["warm"]["read_bytes"], COLD_OCTETS):
            raise Failed("what was to be cold was in memory")


def warm_up(paths):
    for path in paths:
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass


def fill(lab, server):
    """Hot mail, then cold mail in files of its own; the paths of these, of which all is on the disk."""
    messages = SMOKE_COLD_MESSAGES if lab.smoke else COLD_MESSAGES
    lab.fill(server, HOT, HOT_USERS, HOT_USERS * HOT_MESSAGES, HOT_OCTETS)
    hot = set()
    if not lab.smoke:  # there all is in one segment, and all is dropped
        hot = {path for path, _ in server.files("/log/")}
        lab.fill(server, BETWEEN, COLD_USERS, BETWEEN_OCTETS // COLD_OCTETS, COLD_OCTETS)
    lab.fill(server, COLD, COLD_USERS, COLD_USERS * messages, COLD_OCTETS)
    os.sync()
    paths = [path for path, _ in server.files("/log/")
             if path not in hot and not path.endswith(UNFINISHED)]
    if not paths:
        raise Failed("no segment holds cold mail only")
    return paths


def fetches_of_cold_mail(lab, server, pace=()):
    """Without a pace each client asks again at once: then the disk is the limit."""
    seconds = len(PROFILES) * lab.rounds * (lab.seconds + lab.warmup + START_SECONDS)
    return Background(lab, server, "retr", COLD, COLD_USERS, COLD_USERS, *pace,
                      seconds=seconds)


def observe(lab, server):
    """Medians of the rounds by profile, and what was read from the disk meanwhile."""
    before = server.io()["read_bytes"]
    reports = {profile: [lab.run(server, profile, HOT, HOT_USERS, CLIENTS[profile])
                         for _ in range(lab.rounds)] for profile in PROFILES}
    found = {profile: (statistics.median(map(rate, reports[profile])),
                       statistics.median(report["operations"][profile]["p99_us"]
                                         for report in reports[profile]))
             for profile in PROFILES}
    return found | {"read_bytes": server.io()["read_bytes"] - before}


def rows_of(disk, found, which, fetches):
    ours = found[which]
    for profile, name in PROFILES.items():
        (hot_rate, p99_us), (alone_rate, alone_us), (warm_rate, warm_us) = (
            found[one][profile] for one in (which, "alone", "warm"))
        title = f"{name}, {CLIENTS[profile]} clients, beside fetches from {disk}"
        yield Row(f"{title}: a second", f"{hot_rate:,.0f}",
                  f"{alone_rate:,.0f} alone, {warm_rate:,.0f} beside fetches of warm mail",
                  quotient(hot_rate, alone_rate, title), RATE_SHARE_MIN, at_least=True)
        yield Row(f"{title}: p99", f"{p99_us / 1e3:.2f} ms",
                  f"{alone_us / 1e3:.2f} ms alone, {warm_us / 1e3:.2f} beside fetches of warm mail",
                  quotient(p99_us, alone_us, title), P99_TIMES_MAX)
    series = fetches["operations"]["retr"]
    yield Row(f"the fetches from {disk}: RETR of 64 KB a second",
              f"{series['per_second']:,.0f}",
              f"p50 {series['p50_us'] / 1e3:,.1f} ms, p99 {series['p99_us'] / 1e3:,.1f} ms; "
              f"{mib(ours['read_bytes'])} read from the disk meanwhile, "
              f"{mib(found['warm']['read_bytes'])} when they are of warm mail")
