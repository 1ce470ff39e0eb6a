"""A tenant that floods the server, and what another one's users notice of it."""

import contextlib
import sqlite3
import statistics
import threading

from cells import PASSWORD
from lab import addresses, say
from rows import Row, quotient

TITLE = "A tenant that floods, and the others"
SLOWER_MAX = 2
USERS = 64
GUESTS = "guest{}@load.test"
FLOOD = "flood{}@flood.test"
STRANGERS = "anybody@nobody{}.test"  # each of a domain that no tenant has
MAIL_OCTETS = 64 * 1024
MAIL_EACH = 8

# What a provider gives a customer of this size.
LIMITS = ("--sessions-max", "50", "--logins-per-minute", "600", "--deliveries-per-minute", "6000",
          "--egress-kib-per-s", "10240")
FLOODS = {"log-ins": ("session", 48), "fetches": ("fetch", 48),
          "deliveries": ("lmtp", 48, "--octets", "4096"),
          # None of them is remembered: each computes a hash.
          "wrong passwords": ("session", 48)}
# Of the others: what log-ins of theirs cost. Theirs and wrong ones cost the same where all hashes are of the kind that the server makes.
REMEMBERED = {}
COMPUTED = {"settings": "[users]\nhash = \"sha512crypt\"\ncache_seconds = 0\n", "hash_setting": "$6$benchstore"}


def measure(lab):
    yield from measure_others(lab, "others' sessions", REMEMBERED, FLOODS)
    # They, too, wait for who computes hashes.
    yield from measure_others(lab, "others' sessions with a hash each", COMPUTED, ("log-ins", "wrong passwords"))


def measure_others(lab, who, settings, floods):
    folder = "fairness-computed" if settings else "fairness"
    with lab.server(folder, addresses(GUESTS, 0, USERS), **settings) as server:
        server.tool("tenant", "add", "flood", "--domain", "flood.test", "--config", server.config)
        server.add_users(addresses(FLOOD, 0, USERS), PASSWORD)
        server.start()
        lab.fill(server, FLOOD, USERS, USERS * MAIL_EACH, MAIL_OCTETS)
        quiet = guests_p99_us(lab, server)
        free = {name: under(lab, server, name) for name in floods}
        server.tool("tenant", "set", "flood", *LIMITS, "--config", server.config)
        limited = {name: under(lab, server, name) for name in floods}
        strangers = under(lab, server, "wrong passwords", STRANGERS)
        with edited(server):
            beside_edits = guests_p99_us(lab, server)
    say(f"{who}: quiet {quiet} free {free} limited {limited} strangers {strangers} beside edits {beside_edits}")
    for name in floods:
        yield row(who, f"{name} of a tenant without limits", free[name], quiet)
        yield row(who, f"{name} of a tenant with limits", limited[name], quiet)
    yield row(who, f"wrong passwords in {USERS} domains that nobody has", strangers, quiet)
    yield Row(f"p99 of {who}, another tenant changed each second", f"{beside_edits / 1e3:.2f} ms",
              f"{quiet / 1e3:.2f} ms without changes", quotient(beside_edits, quiet, who), SLOWER_MAX)


def row(who, title, p99_us, quiet_us):
    return Row(f"p99 of {who}, flood of {title}", f"{p99_us / 1e3:.2f} ms",
               f"{quiet_us / 1e3:.2f} ms without a flood", quotient(p99_us, quiet_us, title), SLOWER_MAX)


def under(lab, server, flood, pattern=FLOOD):
    """Its client yields to that of the guests: it is the server that is measured."""
    profile, connections, *arguments = FLOODS[flood]
    password = "wrong" if flood == "wrong passwords" else PASSWORD
    load = lab.in_background(server, profile, pattern, USERS, connections, *arguments,
                             errors=1 << 60, password=password, yields=True)
    try:
        return guests_p99_us(lab, server)
    finally:
        load.kill()
        load.wait()


@contextlib.contextmanager
def edited(server):
    """Somebody changes the flood's tenant once a second, with as little work of his own as can be."""
    end = threading.Event()

    def edit():
        with contextlib.closing(sqlite3.connect(f"{server.directory}/home/users.db", timeout=30)) as users:
            while not end.wait(1):
                users.execute("UPDATE tenants SET maildrop_quota_messages = maildrop_quota_messages + 1"
                              " WHERE name = 'flood'")
                users.commit()

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        yield
    finally:
        end.set()
        editor.join()


def guests_p99_us(lab, server):
    """Each has logged in before, so that no password is computed where any is remembered."""
    lab.run(server, "session", GUESTS, USERS, 2, warmup=0)
    return statistics.median(
        lab.run(server, "session", GUESTS, USERS, 2)["operations"]["session"]["p99_us"]
        for _ in range(lab.rounds))
