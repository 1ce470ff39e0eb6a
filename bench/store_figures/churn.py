"""Mail that comes and goes until the logs have turned over: what the disk holds, what compaction
costs the clients, and what is written for a delivered octet."""

import collections
import os
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
TURNS_MAX = 100
RESTING_WORK_SHARE_MAX = 0.01
COMPACTION_WORK = ("poplar_store_compaction_read_bytes_total", "poplar_store_moved_bytes_total")
DISK_WRITTEN = "disk written"
SECTORS_WRITTEN = 6  # of a block device's stat
# By the profile's names of them; those without a number are of the whole maildrop.
COMMANDS = {"deliver": "DELIVER", "login": "LOGIN", "stat": "STAT", "uidl": "UIDL", "list": "LIST",
            "top": "TOP n 0", "list_one": "LIST n", "retr": "RETR n", "dele": "DELE n", "quit": "QUIT"}

# A store in small: logs of some hundred megabytes, which turn over in a minute and not in weeks,
# with segments and a time between checkpoints to match.
COMPACTING = (f"[store]\nsegment_mib = {SEGMENT_MIB}\n"
              f"checkpoint_interval_s = {CHECKPOINT_S}\n")
RESTING = COMPACTING + "compaction = false\n"


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
        reports, shares, grown = turn_over(lab, busy, resting, users, kept, turnovers)
        work = [compaction_bytes(server.metrics()) for server in (busy, resting)]
        say(f"compaction read and moved {' and '.join(map(mib, work))}")
        # So little mail may need none; one that rests does none all the same.
        if not lab.smoke or work[1] > 0:
            check_one_rests(*work)
        return list(rows_of(*reports, shares, grown, *work))


def turn_over(lab, busy, resting, users, kept, turnovers):
    """In turns, so that both meet the same noise, until the busy one wrote its log so many times."""
    reports = {busy: [], resting: []}
    goal = turnovers * busy.disk_bytes("/log/")
    shares, grown = [], collections.Counter()
    while grown["poplar_store_log_bytes_total"] < goal:
        if len(shares) > TURNS_MAX:
            raise Failed("the logs do not turn over")
        for server in (busy, resting):
            before = counters(server)
            reports[server].append(lab.run(
                server, "turnover", PATTERN, users, CLIENTS, "--octets", OCTETS, "--arrivals", 4,
                "--keep", kept, "--first-id", (len(shares) + 1) << 40,
                seconds=lab.seconds * 3))
            if server is busy:
                after = counters(server)
                grown.update({name: since(before, after, name) for name in after})
        shares.append((busy.disk_bytes(), busy.metrics()["poplar_store_log_live_bytes"]))
        say(f"churn: {mib(grown['poplar_store_log_bytes_total'])} of {mib(goal)} written; disk "
            f"{mib(shares[-1][0])}, live {mib(shares[-1][1])}")
    return (reports[busy], reports[resting]), shares, grown


def compaction_bytes(metrics):
    """What it read and what it wrote, so far."""
    return sum(metrics[name] for name in COMPACTION_WORK)


def check_one_rests(busy, resting):
    """Else there is nothing to compare."""
    if busy == 0:
        raise Failed("there was nothing to compact")
    if resting > RESTING_WORK_SHARE_MAX * busy:
        raise Failed(f"compaction read and moved {mib(resting)} where it was to rest, "
                     f"{mib(busy)} where not")


def counters(server):
    """Its metrics, and what the disk wrote: the kernel's account of a process counts whole folios
    of the page cache, of which a flush writes only the dirty blocks."""
    return server.metrics() | {DISK_WRITTEN: written_bytes(server.store)}


def written_bytes(path):
    """By the block device under `path`, for whomever."""
    device = os.stat(path).st_dev
    with open(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat",
              encoding="ascii") as file:
        return int(file.read().split()[SECTORS_WRITTEN]) * 512


def rows_of(busy, resting, shares, grown, busy_work, resting_work):
    late = shares[-max(1, len(shares) // 3):]
    disk, live = (statistics.median(values) for values in zip(*late))
    yield Row("disk used, index and what is laid out ahead included, beside live octets",
              mib(disk), mib(live), quotient(disk, live, "live octets"), DISK_TIMES_MAX)
    for command, name in COMMANDS.items():
        ours, theirs = (
            statistics.median(report["operations"][command]["p99_us"] for report in reports)
            for reports in (busy, resting))
        yield Row(f"p99 of {name} while compaction runs, and while it rests",
                  f"{ours / 1e3:.2f} ms", f"{theirs / 1e3:.2f} ms",
                  quotient(ours, theirs, command), P99_TIMES_MAX)
    yield Row("read and moved by compaction, and where it rests", mib(busy_work), mib(resting_work))
    delivered = grown["poplar_store_delivered_bytes_total"]
    written = grown[DISK_WRITTEN]
    laid_out = grown["poplar_store_segments_laid_out_total"] * (SEGMENT_MIB << 20)
    log = grown["poplar_store_log_bytes_total"]
    checkpoints = grown["poplar_store_checkpoints_total"]
    for title, octets in (("all that the disk wrote", written),
                          ("zeros laid out ahead", laid_out),
                          ("the log, padding and moved mail included", log),
                          ("mail that compaction moved", grown["poplar_store_moved_bytes_total"]),
                          (f"neither zeros nor log: file system, server's log, index "
                           f"({checkpoints:.0f} checkpoints)", written - laid_out - log)):
        yield Row(f"written for an octet that was delivered: {title}", mib(octets),
                  f"{mib(delivered)} delivered", quotient(octets, delivered, "deliveries"))
