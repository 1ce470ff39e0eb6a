"""How long sessions take when they come at a fixed rate, whether the server is ready for them or not."""

import contextlib
import statistics

from cells import PASSWORD
from dovecot import Dovecot
from lab import addresses, rate, say
from people import server_for
from rows import Row, quotient

TITLE = "Sessions at fixed arrival rates"
NEEDS_DOVECOT = True
PATTERN = "rate{}@load.test"
USERS, SMOKE_USERS = 256, 16
MOST_CLIENTS = 16  # who find out how many sessions a second there can be
SHARES = (0.25, 0.5, 0.75, 0.9)
QUANTILES = ("p50", "p90", "p99")
SHORT_SHARE = 0.01  # of those that were due: where more were not done, the row says so


def measure(lab):
    count = SMOKE_USERS if lab.smoke else USERS
    users = addresses(PATTERN, 0, count)
    with contextlib.ExitStack() as stack:
        poplar = stack.enter_context(server_for(lab, "rate", users))
        ours = of_shares(lab, poplar, count)
        theirs, same = {}, None
        if Dovecot.available():
            server = stack.enter_context(dovecot(lab, users))
            server.start()
            theirs = of_shares(lab, server, count)
            their_most = round(theirs[SHARES[-1]]["per_second"])
            same = at_rate(lab, poplar, count, their_most)
    yield from rows_of(ours, theirs)
    if same:
        yield row(f"as many a second as {SHARES[-1]:.0%} of Dovecot's most", same,
                  theirs[SHARES[-1]])


@contextlib.contextmanager
def dovecot(lab, users):
    server = Dovecot(f"{lab.directory}/rate-dovecot", cores=lab.server_cores)
    server.prepare(users, PASSWORD)
    try:
        yield server
    finally:
        server.stop()


def of_shares(lab, server, users):
    """By share of the most sessions a second: what sessions take that come at that rate."""
    lab.fill(server, PATTERN, users, users, 4096, connections=4)
    lab.run(server, "session", PATTERN, users, MOST_CLIENTS, "--operations", users, seconds=600,
            warmup=0)  # so that nothing is done for the first time
    most = statistics.median(rate(lab.run(server, "session", PATTERN, users, MOST_CLIENTS))
                             for _ in range(lab.rounds))
    say(f"{server.name}: {most:,.0f} sessions a second at most")
    return {share: at_rate(lab, server, users, max(1, round(share * most))) for share in SHARES}


def at_rate(lab, server, users, per_second):
    """As many clients as users, so that a session that is due rarely waits for a client that is not."""
    reports = [lab.run(server, "session", PATTERN, users, users, "--rate", per_second)
               for _ in range(lab.rounds)]
    sessions = [report["operations"]["session"] for report in reports]
    found = {quantile: statistics.median(series[f"{quantile}_us"] for series in sessions)
             for quantile in QUANTILES}
    say(f"{server.name} at {per_second:,} a second: {found}")
    return found | {
        "per_second": statistics.median(series["per_second"] for series in sessions),
        "due_per_second": statistics.median(report["punctuality"]["due"] / report["seconds"]
                                            for report in reports)}


def rows_of(ours, theirs):
    for share, found in ours.items():
        yield row(f"{share:.0%} of the most that 16 clients get, of either server", found,
                  theirs.get(share))


def row(title, ours, theirs):
    return Row(f"{title}: {', '.join(QUANTILES)}; beside Dovecot, ratio of p99", shown(ours),
               shown(theirs) if theirs else "",
               quotient(ours["p99"], theirs["p99"], title) if theirs else None)


def shown(found):
    times = ", ".join(f"{found[quantile] / 1e3:.2f}" for quantile in QUANTILES)
    done, due = found["per_second"], found["due_per_second"]
    late = f" of {due:,.0f} that were due" if abs(due - done) > SHORT_SHARE * due else ""
    return f"{times} ms at {done:,.0f} a second{late}"
