"""Durable deliveries of 8 KB: Poplar, the raw group-commit loop, Dovecot's LMTP."""

import statistics

from cells import PASSWORD
from dovecot import Dovecot
from lab import addresses, cpu_us, rate, say
from rows import Row, quotient

TITLE = "Durable deliveries of 8 KB over LMTP"
NEEDS_DOVECOT = True
OCTETS = 8192
CONCURRENT = (1, 16, 128)
OURS = "Poplar-deliveries"
USERS = 256
PATTERN = "in{}@load.test"
FLOOR_SHARE_MIN = 0.5
DOVECOT_TIMES_MIN = 10
# The target was set on a machine where a session of Dovecot's (log in, STAT, QUIT; 16 clients) cost
# so much; how much slower this one is, the same session tells.
CPU_US_MAX = 50
YARDSTICK_US = 630
CHECKPOINT_S = 5  # so that every measurement has some


def measure(lab):
    users = addresses(PATTERN, 0, USERS)
    settings = f"[store]\ncheckpoint_interval_s = {CHECKPOINT_S}\n"
    with lab.server("deliveries", users, settings) as poplar:
        poplar.start()
        servers = [poplar]
        try:
            if Dovecot.available():
                for mail_format in ("mdbox", "maildir"):
                    dovecot = Dovecot(f"{lab.directory}/{mail_format}", mail_format,
                                      cores=lab.server_cores)
                    dovecot.name = f"Dovecot-{mail_format}"
                    servers.append(dovecot)
                    dovecot.prepare(users, PASSWORD)
                    dovecot.start()
            yardstick_us = measure_yardstick(lab, servers[-1]) if len(servers) > 1 else None
            results = measure_all(lab, servers)
        finally:
            for server in servers[1:]:
                server.stop()
    rows = [row for count in CONCURRENT for row in rows_of(results, count)]
    if yardstick_us:
        rows.append(cpu_row(results, yardstick_us))
    return rows


def measure_yardstick(lab, dovecot):
    """Of an empty maildrop: what is in it costs Dovecot, and would make the target easier."""
    session_us = statistics.median(cpu_us(lab.run(dovecot, "session", PATTERN, USERS, 16))
                                   for _ in range(lab.rounds))
    say(f"{dovecot.name}: {session_us:.0f} us a session")
    return session_us


def cpu_row(results, yardstick_us):
    count = CONCURRENT[-1]
    ours_us = statistics.median(cpu_us(report) for report in results[OURS, count])
    target_us = CPU_US_MAX * yardstick_us / YARDSTICK_US
    return Row(f"{count} at once: server CPU a delivery, beside a session of Dovecot's",
               f"{ours_us:.1f} µs",
               f"{target_us:.1f} µs: {CPU_US_MAX} where that session takes {YARDSTICK_US} µs, "
               f"and here it takes {yardstick_us:,.0f} µs",
               quotient(ours_us, target_us, "target"), 1)


def measure_all(lab, servers):
    results = {}
    for turn in range(lab.rounds):
        for count in CONCURRENT:
            for server in servers if turn % 2 == 0 else servers[::-1]:
                report = lab.run(server, "lmtp", PATTERN, USERS, count, "--octets", OCTETS,
                                 "--first-id", turn << 32)
                results.setdefault((server.name, count), []).append(report)
                say(f"{server.name}, {count} at once: {rate(report):,.0f} a second, "
                    f"{cpu_us(report):.1f} us")
            floor = lab.group_commit(servers[0].partitions, count)
            results.setdefault(("floor", count), []).append(floor)
            say(f"raw loop, {count} at once: {floor['per_second']:,.0f} a second")
    return results


def rows_of(results, count):
    ours = results[OURS, count]
    ours_rate = statistics.median(rate(report) for report in ours)
    floor = statistics.median(report["per_second"] for report in results["floor", count])
    yield Row(f"{count} at once: a second, beside the raw loop", f"{ours_rate:,.0f}",
              f"{floor:,.0f}", quotient(ours_rate, floor, "raw loop"),
              FLOOR_SHARE_MIN if count >= 16 else None, at_least=True)
    floors = results["floor", count]
    floor_us = statistics.median(each["cpu_seconds"] * 1e6 / each["records"] for each in floors)
    floor_share = statistics.median(each["cpu_seconds"] / each["seconds"] for each in floors)
    yield Row(f"{count} at once: CPU of the raw loop a record, and the share of its core",
              f"{floor_us:.1f} µs", f"{floor_share:.0%}")
    dovecots = {name: statistics.median(rate(report) for report in reports)
                for (name, measured), reports in results.items()
                if measured == count and name.startswith("Dovecot")}
    if dovecots:
        best = max(dovecots, key=dovecots.get)
        yield Row(f"{count} at once: a second, beside {best.replace('-', ' ')}",
                  f"{ours_rate:,.0f}", f"{dovecots[best]:,.0f}",
                  quotient(ours_rate, dovecots[best], best),
                  DOVECOT_TIMES_MIN if count >= 16 else None, at_least=True)
    cpu = [cpu_us(report) for report in ours]
    beside = [f"{name.removeprefix('Dovecot-')} "
              f"{statistics.median(cpu_us(report) for report in results[name, count]):,.0f} µs"
              for name in dovecots]
    yield Row(f"{count} at once: server CPU a delivery, checkpoints included",
              f"{statistics.median(cpu):.1f} µs ({min(cpu):.1f} to {max(cpu):.1f})",
              ", ".join(beside), statistics.median(cpu),
              CPU_US_MAX if count == CONCURRENT[-1] else None, unit=" µs")
    yield Row(f"{count} at once: share of its core that the server used, and poplar-load of its",
              f"{statistics.median(map(server_share, ours)):.0%}",
              f"{statistics.median(map(client_share, ours)):.0%}")


def server_share(report):
    return report["server_cpu"]["total_us"] / report["seconds"] / 1e6


def client_share(report):
    return report["client_cpu_seconds"] / report["seconds"]
