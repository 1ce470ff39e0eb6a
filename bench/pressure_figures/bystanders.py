"""Users who do nothing out of the ordinary while the server is under pressure: sessions, and RETR from
sessions that stay, at a fixed rate that leaves the server room. What they notice is the figure.

At a fixed rate, because a client that waits for the last reply before it asks again would come less
often just when the server is slow; latency counts from when an operation was due. In turns with the
quiet server, because what else this machine does is noticed, too, and changes within seconds."""

import statistics
from dataclasses import dataclass

import turns
from lab import addresses, rate, say
from rows import Row, quotient

PATTERN = "active{}@load.test"
CLIENTS, SMOKE_CLIENTS = 200, 8
MESSAGES = 4
OCTETS = 4096
PROFILES = {"session": "sessions", "retr": "RETR of 4 KB"}
LOAD_SHARE = 0.4  # of the most that as many clients get out of the server
SLOWER_MAX = 1.5
START_SECONDS = 3  # of a run, beside warming up and measuring: log-ins, the end of all sessions


@dataclass(frozen=True)
class Noticed:
    """In a run of each profile: its p99, and the turns of the server's loop before and after."""

    p99_us: dict
    turns: tuple


class Bystanders:
    """REQUIRES: their users are the server's, and it runs."""

    def __init__(self, lab, server):
        self.lab = lab
        self.server = server
        self.clients = clients(lab)
        lab.fill(server, PATTERN, self.clients, self.clients * MESSAGES, OCTETS)
        self.run("session")  # so that nothing is done for the first time
        self.per_second = {profile: max(1, round(LOAD_SHARE * rate(self.run(profile))))
                           for profile in PROFILES}
        say(f"{self.clients} clients at {self.per_second} a second")

    @property
    def seconds(self):
        """The longest that notice() takes."""
        return len(PROFILES) * (self.lab.warmup + self.lab.seconds + START_SECONDS)

    def run(self, profile, *arguments):
        return self.lab.run(self.server, profile, PATTERN, self.clients, self.clients, *arguments)

    def notice(self):
        before = turns.read(self.server)
        found = {profile: self.run(profile, "--rate",
                                   self.per_second[profile])["operations"][profile]["p99_us"]
                 for profile in PROFILES}
        say(f"p99, us: {found}")
        return Noticed(found, (before, turns.read(self.server)))

    def rows(self, under, pressed, quiet, limit=SLOWER_MAX):
        """`pressed` and `quiet`: what they noticed in each round. A row for each profile, of medians, and one
        that says what of it was the server's."""
        pressed_us, quiet_us = medians(pressed), medians(quiet)
        for profile, name in PROFILES.items():
            yield Row(f"p99 of {name}, {self.clients} clients at {self.per_second[profile]:,} a "
                      f"second, {under}", milliseconds(pressed_us[profile]),
                      f"{milliseconds(quiet_us[profile])} without",
                      quotient(pressed_us[profile], quiet_us[profile], name), limit)
        longest_us, usual_us = (turns.bound_us([one.turns for one in rounds])
                                for rounds in (pressed, quiet))
        yield Row(f"999 of 1,000 turns of the server's loop meanwhile, {under}",
                  f"at most {longest_us:,.0f} µs", f"at most {usual_us:,.0f} µs without")


def medians(rounds):
    return {profile: statistics.median(one.p99_us[profile] for one in rounds)
            for profile in PROFILES}


def clients(lab):
    return SMOKE_CLIENTS if lab.smoke else CLIENTS


def users(lab):
    """Whom the server must know."""
    return addresses(PATTERN, 0, clients(lab))


def milliseconds(us):
    return f"{us / 1e3:,.2f} ms"
