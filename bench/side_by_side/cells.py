"""What is measured: the mail that is delivered first, the cells of the table, and the crowds."""

from dataclasses import dataclass, field

PASSWORD = "correct-horse"


@dataclass(frozen=True)
class Mail:
    """Maildrops `prefix`0@load.test and on, each with `messages` of `octets`."""

    prefix: str
    users: int
    messages: int
    octets: str

    @property
    def pattern(self):
        return f"{self.prefix}{{}}@load.test"

    def addresses(self):
        return [self.pattern.replace("{}", str(i)) for i in range(self.users)]


MIXED = Mail("mixed", 64, 50, "2048-65536")
FETCHED = Mail("fetched", 16, 50, "2048-300000")  # log-uniform: 60 KB on average, 3 MB a maildrop
SMALL = Mail("small", 16, 64, "4096")
MEDIUM = Mail("medium", 4, 64, "65536")
LARGE = Mail("large", 4, 8, "1048576")
HUGE = Mail("huge", 4, 2, "26214400")
LONG = Mail("long", 1, 20_000, "512")
INBOX = Mail("inbox", 16, 0, "4096")  # takes what the delivery cell sends
CORPUS = [MIXED, FETCHED, SMALL, MEDIUM, LARGE, HUGE, LONG, INBOX]


@dataclass(frozen=True)
class Cell:
    """One row. `target` is the most of Dovecot's CPU time that Poplar may take, `floor_target` of
    nginx's, which is measured where a cell is `over_floor`; None: no target. Targets are quotients
    of µs as they were set, on one machine. `headline`: what the row is called where there are but a
    few of them; "": it is not among those."""

    title: str
    profile: str
    mail: Mail
    connections: int
    arguments: tuple = field(default=())
    tls: bool = False
    target: float | None = None
    over_floor: bool = False
    floor_target: float | None = None
    headline: str = ""

    @property
    def touches_all(self):
        """Whether every user is logged in once before measuring, so that caches are warm."""
        return self.profile in ("session", "poll", "fetch")

    @property
    def expect(self):
        if self.profile in ("session", "poll", "fetch"):
            return ("--expect", self.mail.messages)
        return ()


@dataclass(frozen=True)
class Crowd:
    """One row of the table of memory: all users of `mail` are logged in and say nothing.
    `target_kib`: the most of Poplar's memory that one of them may take. `headline`: as of a cell."""

    title: str
    mail: Mail
    target_kib: float
    arguments: tuple = field(default=())
    tls: bool = False
    headline: str = ""


TLS13 = ("--tls-version", "1.3")


def retr(title, mail, arguments=(), **more):
    return Cell(f"RETR {title}; 4 clients", "retr", mail, 4, arguments, over_floor=True, **more)


CELLS = [
    Cell("session: log in, STAT, QUIT; 16 clients", "session", MIXED, 16, target=45 / 630,
         headline="a session: log in, STAT, QUIT"),
    Cell("poll: CAPA, log in, STAT, UIDL, LIST, QUIT; 16 clients", "poll", MIXED, 16,
         target=58 / 730, headline="a poll of 50 messages: CAPA, log in, STAT, UIDL, LIST, QUIT"),
    Cell("poll of 20,000 messages; 1 client", "poll", LONG, 1, target=1.5 / 32.8,
         headline="a poll of 20,000 messages"),
    Cell("session over TLS 1.3, full handshakes; 16 clients", "session", MIXED, 16, TLS13,
         tls=True, target=280 / 1390, headline="a session over TLS 1.3, full handshake"),
    Cell("handshake of TLS 1.3, full: connect, greeting, QUIT; 16 clients", "handshake", SMALL, 16,
         TLS13, tls=True, target=220 / 395,
         headline="a handshake of TLS 1.3, full: connect, greeting, QUIT"),
    Cell("handshake of TLS 1.3, resumed: connect, greeting, QUIT; 16 clients", "handshake", SMALL,
         16, (*TLS13, "--tls-resume"), tls=True, target=120 / 364,
         headline="a handshake of TLS 1.3, resumed"),
    retr("4 KB, one at a time", SMALL, target=1 / 5, floor_target=1.0,
         headline="RETR of 4 KB, one at a time"),
    retr("4 KB, 8 in flight", SMALL, ("--depth", 8), target=3 / 17),
    retr("64 KB", MEDIUM, floor_target=1.0, headline="RETR of 64 KB"),
    retr("1 MB", LARGE, floor_target=1.0, headline="RETR of 1 MB"),
    retr("25 MB", HUGE, floor_target=1.0),
    retr("4 KB over TLS 1.3, one at a time", SMALL, TLS13, tls=True, floor_target=1.0,
         headline="RETR of 4 KB over TLS 1.3, one at a time"),
    retr("64 KB over TLS 1.3", MEDIUM, TLS13, tls=True, floor_target=1.0,
         headline="RETR of 64 KB over TLS 1.3"),
    retr("1 MB over TLS 1.3", LARGE, TLS13, tls=True, floor_target=1.0,
         headline="RETR of 1 MB over TLS 1.3"),
    Cell("fetch of 50 messages, 3 MB; 4 clients", "fetch", FETCHED, 4, target=1.3 / 8.15),
    Cell("NOOP, one at a time; 16 clients", "noop", SMALL, 16, target=3.6 / 7.2),
    Cell("NOOP, 32 in flight; 16 clients", "noop", SMALL, 16, ("--depth", 32),
         target=0.12 / 0.80),
    Cell("LMTP delivery of 4 KB; 4 connections", "lmtp", INBOX, 4, ("--octets", INBOX.octets),
         headline="a durable delivery of 4 KB by LMTP"),
]

IDLE = Mail("idle", 10_000, 0, "4096")
CROWDS = [
    Crowd("10,000 idle clients", IDLE, target_kib=4,
          headline="memory of an idle client, of 10,000"),
    Crowd("10,000 idle clients over TLS 1.3", IDLE, target_kib=20, arguments=TLS13, tls=True,
          headline="memory of an idle client over TLS 1.3, of 10,000"),
]
