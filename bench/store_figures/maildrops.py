"""From a thousand maildrops to a million: what a delivery, a log-in, memory, a start and a crash
cost."""

import statistics
import time

import crash
from cells import PASSWORD
from lab import addresses, cpu_us, mib, say
from rows import Row, quotient

TITLE = "From 1,000 to 1,000,000 maildrops"
PATTERN = "user{}@load.test"
COUNTS = (1_000, 100_000, 1_000_000)
SMOKE_COUNTS = (100, 300, 1_000)
GROWTH_MAX = 1.5
OCTETS = 1024
RECIPIENTS = 1000  # of the transactions that make maildrops
LARGE_PATTERN = "large{}@load.test"
LARGE_OCTETS = 1_100_000  # from a MiB on a message is a file of its own, which the index names
LARGE_USERS, LARGE_EACH = 1_000, 100
SMOKE_LARGE_USERS, SMOKE_LARGE_EACH = 10, 2
INDEX_CACHE_MIB = 64
CHECKPOINT_S = 30
QUOTA_OCTETS = 1 << 30  # of each maildrop: what is there counts at each delivery

# Without the answers that authentication remembers: those would be found for a thousand users and
# not for a million, and it is the store that is measured.
SETTINGS = (f"[users]\ncache_seconds = 0\nrehash = false\n"
            f"[store]\nindex_cache_mib = {INDEX_CACHE_MIB}\n"
            f"checkpoint_interval_s = {CHECKPOINT_S}\n")


def measure(lab):
    counts = SMOKE_COUNTS if lab.smoke else COUNTS
    with lab.server("maildrops", settings=SETTINGS) as server:
        server.limit_maildrops(QUOTA_OCTETS)
        large = add_large(lab, server)
        made, make_seconds, points = 0, 0, []
        for count in counts:
            make_seconds += grow(lab, server, made, count)
            made = count
            points.append(measure_at(lab, server, count))
        crashes = [crash.measure(lab, server, PATTERN, counts[-1], OCTETS)]
    # Where compaction changes no lists but these, so that checkpoints come as late as they may.
    with lab.server("crash", settings=SETTINGS) as server:
        grow(lab, server, 0, counts[0])
        crashes.append(crash.measure(lab, server, PATTERN, counts[0], OCTETS))
    return [made_row(made, make_seconds), *rows_of(points, crashes, large)]


def add_large(lab, server):
    """Large messages, in a run of their own, as a start has most of them from earlier runs. For all users at
    once: each is a name for the same file. How many."""
    users, each = ((SMOKE_LARGE_USERS, SMOKE_LARGE_EACH) if lab.smoke
                   else (LARGE_USERS, LARGE_EACH))
    server.add_users(addresses(LARGE_PATTERN, 0, users), PASSWORD)
    server.start_counting()
    lab.fill(server, LARGE_PATTERN, users, each, LARGE_OCTETS, recipients=users, connections=4)
    server.stop()
    say(f"{users * each:,} large messages")
    return users * each


def grow(lab, server, made, count):
    """Users, and a message for each of them. How many seconds it took."""
    begin = time.monotonic()
    server.add_users(addresses(PATTERN, made, count), PASSWORD)
    users_seconds = time.monotonic() - begin
    server.start_counting()
    recipients = min(RECIPIENTS, count - made)
    lab.fill(server, PATTERN, count - made, -(-(count - made) // recipients), OCTETS,
             recipients=recipients, connections=8, first_user=made)
    seconds = time.monotonic() - begin
    server.stop()
    say(f"{count - made:,} maildrops made in {seconds:.1f} s, {users_seconds:.1f} s of them users")
    return seconds


def measure_at(lab, server, count):
    server.forget_cache()
    start_seconds = server.start_counting()
    start_io = server.io()
    index_bytes = server.disk_bytes("/index/")
    # The page cache is warm at every size: what a cold one costs is the start's figure.
    server.fill_cache()
    delivers, logins = [], []
    for turn in range(lab.rounds):
        delivers.append(cpu_us(lab.run(server, "lmtp", PATTERN, count, 16, "--octets", OCTETS,
                                       "--first-id", turn << 32)))
        logins.append(login_us(lab, server, count))
    point = {
        "maildrops": count,
        "start_seconds": start_seconds,
        "start_read_bytes": start_io["read_bytes"],
        "index_bytes": index_bytes,
        "deliver_us": statistics.median(delivers),
        "login_us": statistics.median(logins),
        "memory_bytes": server.anonymous_bytes(),
        "list_cache_bytes": server.metrics()["poplar_store_list_cache_bytes"],
    }
    server.stop()
    say(str(point))
    return point


def login_us(lab, server, count):
    """CPU a log-in, less what the threads of the hash took."""
    hash_before = server.hash_cpu_us()
    report = lab.run(server, "session", PATTERN, count, 16, warmup=0)
    hash_us = server.hash_cpu_us() - hash_before
    return cpu_us(report) - hash_us / report["operations"]["session"]["operations"]


def made_row(made, seconds):
    return Row(f"{made:,} maildrops made, with a user and a message each", f"{seconds:,.0f} s",
               f"{made / seconds:,.0f} a second")


def rows_of(points, crashes, large):
    first = points[0]
    for name, title, shown in (("deliver_us", "server CPU a delivery", "{:.1f} µs"),
                               ("login_us", "server CPU a log-in (STAT, QUIT) but for the hash",
                                "{:.0f} µs")):
        for point in points[1:]:
            yield Row(f"{title}, {point['maildrops']:,} maildrops", shown.format(point[name]),
                      f"{shown.format(first[name])} with {first['maildrops']:,}",
                      quotient(point[name], first[name], title), GROWTH_MAX)
    for point in points[1:]:
        yield Row(f"memory of the process (RssAnon), {point['maildrops']:,} maildrops",
                  mib(point["memory_bytes"]),
                  f"{mib(first['memory_bytes'])} with {first['maildrops']:,}",
                  quotient(point["memory_bytes"], first["memory_bytes"], "memory"), GROWTH_MAX)
    last = points[-1]
    yield Row(f"lists in memory, {last['maildrops']:,} maildrops", mib(last["list_cache_bytes"]),
              f"index_cache_mib = {INDEX_CACHE_MIB}",
              last["list_cache_bytes"] / (INDEX_CACHE_MIB << 20), 1)
    yield Row(f"octets read from a cold disk at the start, {last['maildrops']:,} maildrops and "
              f"{large:,} large messages of earlier runs",
              mib(last["start_read_bytes"]),
              f"{mib(last['index_bytes'])} of indexes; {mib(first['start_read_bytes'])} "
              f"with {first['maildrops']:,}",
              quotient(last["start_read_bytes"], last["index_bytes"], "index"), 0.5)
    yield Row(f"start, cold, {last['maildrops']:,} maildrops", f"{last['start_seconds']:.2f} s",
              f"{first['start_seconds']:.2f} s with {first['maildrops']:,}")
    for each in crashes:
        yield Row(f"SIGKILL under full load on {each['users']:,} maildrops, then until ready",
                  f"{each['seconds']:.2f} s",
                  f"at {each['per_second']:,.0f} deliveries a second; {each['records']:,} records, "
                  f"{mib(each['octets'])} of log replayed; a checkpoint after {CHECKPOINT_S} s at most",
                  each["seconds"], CHECKPOINT_S, unit=" s")
