"""Eighteen thousand sessions that say nothing: how long they take to come, what each costs in memory, and
what those who work notice of them."""

import contextlib
import resource
import statistics

import bystanders
from background import Background, wait_until
from bystanders import Bystanders
from lab import addresses, mib
from people import server_for
from rows import Row

TITLE = "A crowd of idle sessions"
PATTERN = "idle{}@load.test"
CROWD, SMOKE_CROWD = 18_000, 100
WEIGHED, SMOKE_WEIGHED = 10_000, 100
OPEN_SECONDS_MAX = 10  # "seconds"
WAIT_SECONDS_MAX = 300
BYTES_MAX = {"plain": 4096, "TLS": 20 * 1024}
DESCRIPTORS_WANTED = 1 << 16
SPARE = 200  # of either limit: libraries, the log, who looks at the server
PORTS = "10000 65535"


def measure(lab):
    allow_descriptors()
    if not lab.smoke:  # else this is the machine's own network
        allow_ports()
    yield from measure_crowd(lab)
    for how in BYTES_MAX:
        yield weigh(lab, how)


def allow_descriptors():
    """As many as this process may have, and more where it may say so: the server and poplar-load inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (max(most, DESCRIPTORS_WANTED), most):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return
        except (ValueError, OSError):
            continue


def allow_ports():
    """To a client that has few left, finding one is most of what connecting takes."""
    with contextlib.suppress(OSError), open("/proc/sys/net/ipv4/ip_local_port_range", "w",
                                            encoding="ascii") as file:
        file.write(PORTS)


def room(server, working):
    """How many may sit there, beside those who work, by the server's limits and by the client's."""
    own, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    let_in = server.metrics()["poplar_pop3_connections_max"]
    return max(1, int(min(let_in - working, own) - SPARE))


def measure_crowd(lab):
    wanted = SMOKE_CROWD if lab.smoke else CROWD
    with server_for(lab, "crowd",
                    addresses(PATTERN, 0, wanted) + bystanders.users(lab)) as server:
        others = Bystanders(lab, server)
        count = min(wanted, room(server, others.clients))
        quiet, crowded, opening = [], [], []
        for _ in range(lab.rounds):
            quiet.append(others.notice())
            with Background(lab, server, "idle", PATTERN, count, count, seconds=others.seconds,
                            yields=False) as crowd:
                wait_until(lambda: server.metrics()["poplar_pop3_sessions"] >= count,
                           WAIT_SECONDS_MAX, f"{count:,} sessions", crowd.check)
                # Ten times a second it looks through all of them for one that is late, for milliseconds.
                with crowd.still():
                    crowded.append(others.notice())
            opening.append(crowd.report["crowd"]["opening_seconds"])
    title = f"{count:,} idle sessions"
    if count < wanted:
        title += f" (descriptors do not allow {wanted:,})"
    yield from others.rows(f"beside {title}", crowded, quiet)
    seconds = statistics.median(opening)
    yield Row(f"{title}: until all are there", f"{seconds:.1f} s", f"{count / seconds:,.0f} a second",
              seconds, OPEN_SECONDS_MAX, unit=" s")


def weigh(lab, how):
    wanted = SMOKE_WEIGHED if lab.smoke else WEIGHED
    with server_for(lab, f"idle-{how.lower()}", addresses(PATTERN, 0, wanted)) as server:
        count = min(wanted, room(server, 0))
        # What a server grows to with its first connections is not the crowd's.
        lab.run(server, "session", PATTERN, count, min(count, 64))
        report = lab.load.run(server, "idle", "--user", PATTERN, "--users", count, "-c", count,
                              "--seconds", 1, "--timeout-ms", 60_000, tls=how == "TLS")
    each = report["crowd"]["per_connection"]["anon_bytes"]
    before, begin = (report["server_memory"][when]["anon_bytes"] for when in ("before", "begin"))
    return Row(f"memory of an idle session that has logged in, {how}, {count:,} of them",
               f"{each / 1024:.2f} KiB", f"RssAnon {mib(before)} before, {mib(begin)} with them",
               each / 1024, BYTES_MAX[how] / 1024, unit=" KiB")
