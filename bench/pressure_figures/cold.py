"""Mail that is not in memory: what sessions that need no disk notice while others wait for it."""

import contextlib
import os
import statistics
from dataclasses import dataclass

import turns
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
BETWEEN = "between{}@load.test"
BETWEEN_USERS = 32
BETWEEN_OCTETS = 256 << 20  # more than the segments that are written and laid out at once
SLOW_BYTES_PER_SECOND = 8 << 20
PROFILES = {"session": "sessions", "retr": "RETR of 4 KB"}
CLIENTS = {"session": 16, "retr": 4}
RATE_SHARE_MIN = 0.8
P99_TIMES_MAX = 2
DROP_SECONDS = 0.1
UNFINISHED = ".tmp"  # a segment that is being laid out
START_SECONDS = 1.5
SMOKE_MESSAGES = 4

# One shard, whose store is read by nobody but its clients.
SETTINGS = "[store]\nscrub_kib_per_s = 0\n"


@dataclass(frozen=True)
class Mail:
    """What is cold: each of `users` fetches its `messages` in turns, all together `per_second`. `folder`: where
    the store has messages of that size."""

    size: str
    pattern: str
    users: int
    messages: int
    octets: int
    per_second: int
    folder: str


SMALL = Mail("64 KB", "cold{}@load.test", 32, 512, 64 << 10, 200, "/log/")
# Each a file of its own. In turns, none comes again before it was dropped.
LARGE = Mail("1 MB", "large{}@load.test", 8, 16, 1 << 20, 50, "/blobs/")
MAILS = (SMALL, LARGE)


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
    users = addresses(HOT, 0, HOT_USERS) + addresses(BETWEEN, 0, BETWEEN_USERS)
    for mail in MAILS:
        users += addresses(mail.pattern, 0, mail.users)
    with server_for(lab, "cold", users, SETTINGS) as server:
        paths = fill(lab, server)
        alone = observe(lab, server)
        for mail in MAILS:
            yield from measure_mail(lab, server, mail, paths[mail], alone)


def measure_mail(lab, server, mail, paths, alone):
    pace = ("--rate", mail.per_second)
    warm_up(paths)
    with fetches(lab, server, mail, pace):
        warm = observe(lab, server)
    with Dropper(lab, paths):
        with fetches(lab, server, mail, pace) as cold_fetches:
            cold = check_cold(lab, observe(lab, server), warm)
        yield from rows_of(mail, "a disk as it is", (alone, warm, cold), cold_fetches.report)
        if mail is SMALL:  # a second of such a disk is eight of the large ones
            yield from measure_slow_disk(lab, server, mail, alone, warm)


def measure_slow_disk(lab, server, mail, alone, warm):
    with throttled(server, SLOW_BYTES_PER_SECOND) as slow:
        if not slow:
            yield Row("a slow disk", "not measured",
                      "this machine lets no control group hold back what is read")
            return
        with fetches(lab, server, mail) as slow_fetches:
            cold = check_cold(lab, observe(lab, server), warm)
    yield from rows_of(mail, f"a disk that reads {mib(SLOW_BYTES_PER_SECOND)} a second",
                       (alone, warm, cold), slow_fetches.report)


def check_cold(lab, cold, warm):
    if not lab.smoke and cold["read_bytes"] < 10 * max(warm["read_bytes"], SMALL.octets):
        raise Failed("what was to be cold was in memory")
    return cold


def warm_up(paths):
    for path in paths:
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            while file.read(1 << 20):
                pass


def fill(lab, server):
    """Hot mail, then cold mail in files of its own; by mail, the paths of these, of which all is on the disk."""
    lab.fill(server, HOT, HOT_USERS, HOT_USERS * HOT_MESSAGES, HOT_OCTETS)
    hot = set()
    if not lab.smoke:  # there all is in one segment, and all is dropped
        hot = {path for path, _ in server.files("/log/")}
        lab.fill(server, BETWEEN, BETWEEN_USERS, BETWEEN_OCTETS // SMALL.octets, SMALL.octets)
    for mail in MAILS:
        messages = SMOKE_MESSAGES if lab.smoke else mail.messages
        lab.fill(server, mail.pattern, mail.users, mail.users * messages, mail.octets)
    os.sync()
    paths = {mail: [path for path, _ in server.files(mail.folder)
                    if path not in hot and not path.endswith(UNFINISHED)] for mail in MAILS}
    for mail, found in paths.items():
        if not found:
            raise Failed(f"no file holds cold mail of {mail.size} only")
    return paths


def fetches(lab, server, mail, pace=()):
    """Without a pace each client asks again at once: then the disk is the limit."""
    seconds = len(PROFILES) * lab.rounds * (lab.seconds + lab.warmup + START_SECONDS)
    return Background(lab, server, "retr", mail.pattern, mail.users, mail.users, *pace,
                      seconds=seconds)


def observe(lab, server):
    """Medians of the rounds by profile; what was read from the disk meanwhile, and the turns before and after."""
    before, turns_before = server.io()["read_bytes"], turns.read(server)
    reports = {profile: [lab.run(server, profile, HOT, HOT_USERS, CLIENTS[profile])
                         for _ in range(lab.rounds)] for profile in PROFILES}
    found = {profile: (statistics.median(map(rate, reports[profile])),
                       statistics.median(report["operations"][profile]["p99_us"]
                                         for report in reports[profile]))
             for profile in PROFILES}
    say(f"hot mail, a second and p99 in us: {found}")
    return found | {"read_bytes": server.io()["read_bytes"] - before,
                    "turns": (turns_before, turns.read(server))}


def rows_of(mail, disk, observed, fetched):
    """`observed`: alone, beside fetches of warm mail, and beside those of cold mail, which found `fetched`."""
    alone, warm, cold = observed
    under = f"beside fetches of {mail.size} from {disk}"
    for profile, name in PROFILES.items():
        (alone_rate, alone_us), (warm_rate, warm_us), (cold_rate, cold_us) = (
            one[profile] for one in observed)
        title = f"{name}, {CLIENTS[profile]} clients, {under}"
        yield Row(f"{title}: a second", f"{cold_rate:,.0f}",
                  f"{alone_rate:,.0f} alone, {warm_rate:,.0f} beside fetches of warm mail",
                  quotient(cold_rate, alone_rate, title), RATE_SHARE_MIN, at_least=True)
        yield Row(f"{title}: p99", f"{cold_us / 1e3:.2f} ms",
                  f"{alone_us / 1e3:.2f} ms alone, {warm_us / 1e3:.2f} beside fetches of warm mail",
                  quotient(cold_us, alone_us, title), P99_TIMES_MAX)
    longest_us, usual_us, warm_us = (turns.bound_us([one["turns"]]) for one in (cold, alone, warm))
    yield Row(f"999 of 1,000 turns of the server's loop meanwhile, {under}", f"at most {longest_us:,.0f} µs",
              f"at most {usual_us:,.0f} µs alone, {warm_us:,.0f} beside fetches of warm mail")
    series = fetched["operations"]["retr"]
    yield Row(f"the fetches from {disk}: RETR of {mail.size} a second", f"{series['per_second']:,.0f}",
              f"p50 {series['p50_us'] / 1e3:,.1f} ms, p99 {series['p99_us'] / 1e3:,.1f} ms; "
              f"{mib(cold['read_bytes'])} read from the disk meanwhile, "
              f"{mib(warm['read_bytes'])} when they are of warm mail")
