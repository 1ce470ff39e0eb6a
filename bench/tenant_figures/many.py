"""From one tenant to ten thousand: memory, a start, a change of one and of all, log-ins."""

import os
import statistics
import time

from cells import PASSWORD
from harness import Failed
from lab import addresses, cpu_us, mib, say
from rows import Row, quotient

TITLE = "From one tenant to ten thousand"
COUNT, SMOKE_COUNT = 10_000, 100
USERS, SMOKE_USERS = 1_000, 20
MEMORY_MIB_MAX = 200
CHANGE_SECONDS_MAX = 2
LOGIN_GROWTH_MAX = 1.1
WAIT_SECONDS_MAX = 60
QUIET_SECONDS = 2.5  # more than two periods of the watch

# The cheap hashes stay as they are, so that soon everybody is remembered.
SETTINGS = "[users]\nrehash = false\n"
TENANT = """domains = ["t{number}.test", "mail.t{number}.test"]
keep_deleted_days = {days}
sessions_max = 100
maildrop_quota_octets = 1_000_000_000
"""


def measure(lab):
    users = SMOKE_USERS if lab.smoke else USERS
    count = SMOKE_COUNT if lab.smoke else COUNT
    with lab.server("one", addresses("user{}@load.test", 0, users), SETTINGS) as server:
        server.start()
        one = {"login_us": login_us(lab, server, "user{}@load.test", users),
               "memory_bytes": server.anonymous_bytes()}
    with lab.server("many", settings=SETTINGS) as server:
        many = measure_many(lab, server, count, users)
    say(f"{one} {many}")
    return rows_of(count, one, many)


def measure_many(lab, server, count, users):
    folder = f"{server.directory}/home/tenants.d"
    os.makedirs(folder, exist_ok=True)
    write_tenants(folder, range(count), days=7)
    first_seconds = server.start_counting()
    server.stop()
    server.add_users(addresses("u@t{}.test", 0, users), PASSWORD)
    seconds = server.start_counting()
    login = login_us(lab, server, "u@t{}.test", users)
    memory = server.anonymous_bytes()
    return {"first_start_seconds": first_seconds, "start_seconds": seconds, "login_us": login,
            "memory_bytes": memory,
            "one_seconds": seconds_until_changed(
                server, lambda: write_tenants(folder, [count // 2], days=8)),
            "all_seconds": seconds_until_changed(
                server, lambda: write_tenants(folder, range(count), days=9))}


def write_tenants(folder, numbers, days):
    for number in numbers:
        with open(f"{folder}/.new", "w", encoding="ascii") as file:
            file.write(TENANT.format(number=number, days=days))
        os.rename(f"{folder}/.new", f"{folder}/t{number}.toml")


def login_us(lab, server, pattern, users):
    """From what authentication remembers: each user has logged in before."""
    lab.run(server, "session", pattern, users, 16, seconds=max(lab.seconds, 2), warmup=0)
    return statistics.median(cpu_us(lab.run(server, "session", pattern, users, 16))
                             for _ in range(lab.rounds))


def seconds_until_changed(server, change):
    """From the end of the change until the log tells of it the last time: what is seen in parts is told in parts."""
    told = changes(server)
    change()
    begin = last = time.monotonic()
    seen = False
    while not seen or time.monotonic() - last < QUIET_SECONDS:
        if time.monotonic() - begin > WAIT_SECONDS_MAX:
            raise Failed(f"a change of tenants is not seen:\n{server.log_tail()}")
        time.sleep(0.005)
        if (now := changes(server)) != told:
            seen, told, last = True, now, time.monotonic()
    return last - begin


def changes(server):
    with open(f"{server.directory}/output.log", encoding="utf-8", errors="replace") as file:
        return file.read().count(" policies_changed ")


def rows_of(count, one, many):
    more = (many["memory_bytes"] - one["memory_bytes"]) / (1 << 20)
    yield Row(f"memory of the process (RssAnon), {count:,} tenants", mib(many["memory_bytes"]),
              f"{mib(one['memory_bytes'])} with one; the difference", more, MEMORY_MIB_MAX,
              unit=" MiB")
    yield Row("one file of them changed: until everybody goes by it", f"{many['one_seconds']:.2f} s",
              "files are looked at every second", many["one_seconds"], CHANGE_SECONDS_MAX,
              unit=" s")
    yield Row("all files changed: until everybody goes by them", f"{many['all_seconds']:.2f} s",
              "since the last of them was written", many["all_seconds"], CHANGE_SECONDS_MAX,
              unit=" s")
    yield Row("server CPU a session, from what is remembered", f"{many['login_us']:.1f} µs",
              f"{one['login_us']:.1f} µs with one tenant",
              quotient(many["login_us"], one["login_us"], "log-in"), LOGIN_GROWTH_MAX)
    yield Row(f"start, {count:,} tenants known already", f"{many['start_seconds']:.2f} s",
              f"{many['first_start_seconds']:.2f} s when all files are new")
