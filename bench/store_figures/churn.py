"""Mail that comes and goes until the logs have turned over: what the disk holds, what compaction
costs the clients, and what is written for a delivered octet."""

import statistics

from harness import Failed
from lab import addresses, mib, say
from rows import Row, quotient
from server import since

TITLE = "Steady churn"
PATTERN = "churn{}@load.test"
OCTETS = 8192
LEAVE_ONE_IN = 3  # as the profile has it
DISK_TIMES_MAX = 1.5
P99_TIMES_MAX = 2
SEGMENT_MIB = 8
CHECKPOINT_S = 10
CLIENTS = 4
COMMANDS = ("deliver", "login", "stat", "list", "retr", "dele", "quit")

# A store in small: logs of some hundred megabytes, which turn over in a minute and not in weeks,
# with segments and a time between checkpoints to match.
COMPACTING = (f"[store]\nsegment_mib = {SEGMENT_MIB}\n"
              f"checkpoint_interval_s = {CHECKPOINT_S}\n")
RESTING = COMPACTING + "compaction_mib_per_second = 1\n"


def measure(lab):
    users, kept, turnovers = (24, 20, 0.2) if lab.smoke else (300, 400, 6)
    names = addresses(PATTERN, 0, users)
    with lab.server("churn", names, COMPACTING) as busy, \
         lab.server("churn-resting", names, RESTING) as resting:
        for server in (busy, resting):
            server.start_counting()
            leaving = users // LEAVE_ONE_IN
            lab.fill(server, PATTERN, leaving, leaving * kept, OCTETS, connections=64)
            say(f"{server.name}: filled, {mib(server.disk_bytes('/log/'))}")
        return list(rows_of(*turn_over(lab, busy, resting, users, kept, turnovers)))


def turn_over(lab, busy, resting, users, kept, turnovers):
    """In turns, so that both meet the same noise, until the busy one wrote so many times its log."""
    reports = {busy: [], resting: []}
    before, before_io = busy.metrics(), busy.io()
    goal = turnovers * busy.disk_bytes("/log/")
    shares = []
    while True:
        for server in (busy, resting):
            reports[server].append(lab.run(
                server, "turnover", PATTERN, users, CLIENTS, "--octets", OCTETS, "--arrivals", 4,
                "--keep", kept, "--first-id", len(reports[server]) << 48 | 1 << 40,
                seconds=lab.seconds * 3))
        now = busy.metrics()
        shares.append((busy.disk_bytes(), now["poplar_store_log_live_bytes"]))
        written = since(before, now, "poplar_store_log_bytes_total")
        say(f"churn: {mib(written)} of {mib(goal)} written; disk {mib(shares[-1][0])}, "
            f"live {mib(shares[-1][1])}, "
            f"{since(before, now, 'poplar_store_unlinked_segments_total'):.0f} segments gone")
        if written >= goal:
            break
        if len(shares) > 100:
            raise Failed("the logs do not turn over")
    return reports[busy], reports[resting], shares, before, now, since(
        before_io, busy.io(), "write_bytes")


def rows_of(busy, resting, shares, before, after, written):
    late = shares[-max(1, len(shares) // 3):]
    disk, live = (statistics.median(values) for values in zip(*late))
    yield Row("disk used, index and what is laid out ahead included, beside live octets",
              mib(disk), mib(live), quotient(disk, live, "live octets"), DISK_TIMES_MAX)
    moved = since(before, after, "poplar_store_moved_bytes_total")
    for command in COMMANDS:
        ours, theirs = (
            statistics.median(report["operations"][command]["p99_us"] for report in reports)
            for reports in (busy, resting))
        yield Row(f"p99 of {command.upper()} while compaction runs, and while it rests",
                  f"{ours / 1e3:.2f} ms", f"{theirs / 1e3:.2f} ms",
                  quotient(ours, theirs, command), P99_TIMES_MAX)
    delivered = since(before, after, "poplar_store_delivered_bytes_total")
    laid_out = since(before, after, "poplar_store_segments_laid_out_total") * (SEGMENT_MIB << 20)
    log = since(before, after, "poplar_store_log_bytes_total")
    checkpoints = since(before, after, "poplar_store_checkpoints_total")
    for title, octets in (("all that was written (/proc/PID/io)", written),
                          ("of it, zeros laid out ahead", laid_out),
                          ("of it, the log: padding, and mail that compaction moved", log),
                          (f"of it, the rest: the index, {checkpoints:.0f} checkpoints",
                           written - laid_out - log),
                          ("of the log, mail that compaction moved", moved)):
        yield Row(f"octets for each that was delivered: {title}", mib(octets),
                  f"{mib(delivered)} delivered", quotient(octets, delivered, "deliveries"))
