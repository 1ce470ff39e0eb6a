"""Mail that comes and is fetched while servers come and go, and what must hold of it at the end.

Deliveries count once they were answered with 250, deletions once QUIT was answered; both may go on in the session that a restart
ends. Whoever is connected must be told, with a word and between commands: a connection that just ends is a fault.
"""

import collections
import hashlib
import random
import socket
import threading
import time

from poplar_server import wait_for

PAUSE_S = 0.002


class Ended(Exception):
    """The server said so: -ERR [SYS/TEMP] or 421."""


class Peer:
    """A client's end, with lines."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=90)
        self.lines = self.socket.makefile("rb")

    def line(self):
        line = self.lines.readline()
        assert line.endswith(b"\r\n"), f"the connection ended without a word, at {line!r}"
        line = line[:-2]
        if line.startswith((b"-ERR [SYS/TEMP]", b"421")):
            raise Ended(line)
        return line

    def ask(self, command):
        try:
            self.socket.sendall(command + b"\r\n")
        except OSError:
            pass  # It has ended; its last word is still to be read.
        return self.line()

    def body(self):
        """The lines of a reply, to its end. Here nothing but the end will do."""
        lines = []
        while (line := self.lines.readline()) != b".\r\n":
            assert line, "cut within a reply"
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)

    def close(self):
        self.lines.close()
        self.socket.close()


class Load:
    def __init__(self, ports, users, seed=0, activated=True):
        """`ports`: of "pop3" and "lmtp"; `users`: addresses with passwords. `activated`: the listening sockets outlive the server, so
        that nobody is ever refused."""
        self.ports = ports
        self.users = users
        self.activated = activated
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.acknowledged = collections.defaultdict(set)  # User: marks of messages.
        self.deleting = collections.defaultdict(set)  # Maybe gone.
        self.deleted = collections.defaultdict(set)  # Gone.
        self.texts = {}  # (user, UIDL): what was fetched.
        self.counts = collections.Counter()
        self.faults = []
        self.stop = threading.Event()
        self.threads = []

    def start(self, deliverers=3, fetchers=3):
        loops = [self._deliver] * deliverers + [self._fetch] * fetchers
        self.threads = [threading.Thread(target=self._repeat, args=(loop, number)) for number, loop in enumerate(loops)]
        for thread in self.threads:
            thread.start()
        return self

    def wait_for_progress(self):
        """Until more mail was delivered, fetched, and deleted."""
        before = self.counts.copy()
        wait_for("mail comes and goes", 60, lambda: self.faults or all(
            self.counts[what] >= before[what] + 20 for what in ("delivered", "fetched", "sessions")))
        assert not self.faults, self.faults[:3]

    def finish(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a client hangs"
        assert not self.faults, self.faults[:3]

    def _repeat(self, loop, number):
        dice = random.Random(self.random.random() + number)
        while not self.stop.is_set():
            try:
                loop(dice)
            except Ended:
                self.counts["told"] += 1
            except ConnectionRefusedError as error:
                if self.activated:
                    self.faults.append(f"refused: {error}")
                    return
                time.sleep(PAUSE_S * 10)
            except ConnectionResetError as error:
                # Without a holder of the sockets, those go who wait to be accepted.
                if self.activated:
                    self.faults.append(f"reset: {error}")
                    return
            except Exception as error:
                self.faults.append(f"{loop.__name__}: {error!r}")
                return

    def _connect(self, service):
        return Peer(self.ports[service])

    def _deliver(self, dice):
        peer = self._connect("lmtp")
        try:
            self._greeted(peer, b"220")
            reply = peer.ask(b"LHLO load.test")
            while reply[3:4] == b"-":
                reply = peer.line()
            while not self.stop.is_set():
                self._deliver_one(peer, dice)
                time.sleep(PAUSE_S)
        finally:
            peer.close()

    def _greeted(self, peer, code):
        greeting = peer.lines.readline()
        if not greeting and not self.activated:
            raise ConnectionResetError("before the greeting")
        if greeting.startswith((b"-ERR [SYS/TEMP]", b"421")):
            raise Ended(greeting)
        assert greeting.startswith(code), greeting

    def _deliver_one(self, peer, dice):
        user = dice.choice(list(self.users))
        mark = b"%032x" % dice.getrandbits(128)
        size = dice.choice([200, 2_000, 20_000, 1_500_000 if dice.random() < 0.1 else 5_000])
        text = b"Subject: " + mark + b"\r\n\r\n" + (b"x" * 70 + b"\r\n") * (size // 72) + b".."
        for command in (b"MAIL FROM:<>", b"RCPT TO:<%s>" % user.encode()):
            reply = peer.ask(command)
            assert reply.startswith(b"250"), reply
        reply = peer.ask(b"DATA")
        assert reply.startswith(b"354"), reply
        reply = peer.ask(text + b"\r\n.")
        assert reply.startswith(b"250"), reply
        with self.lock:
            self.acknowledged[user].add(mark)
            self.counts["delivered"] += 1

    def _fetch(self, dice):
        user = dice.choice(list(self.users))
        peer = self._connect("pop3")
        try:
            self._greeted(peer, b"+OK")
            peer.ask(b"USER " + user.encode())
            reply = peer.ask(b"PASS " + self.users[user].encode())
            if b"[IN-USE]" in reply:
                return
            assert reply.startswith(b"+OK"), reply
            self._fetch_some(peer, user, dice)
        finally:
            peer.close()
            time.sleep(PAUSE_S)

    def _fetch_some(self, peer, user, dice):
        reply = peer.ask(b"UIDL")
        assert reply.startswith(b"+OK"), reply
        uidls = [line.split() for line in peer.body().splitlines()]
        marks = set()
        for number, uidl in dice.sample(uidls, min(len(uidls), 8)):
            mark = self._retrieve(peer, user, number, uidl)
            if dice.random() < 0.2:
                assert peer.ask(b"DELE " + number).startswith(b"+OK")
                marks.add(mark)
        with self.lock:
            self.deleting[user] |= marks
        assert peer.ask(b"QUIT").startswith(b"+OK")
        with self.lock:
            self.deleted[user] |= marks
            self.counts["sessions"] += 1

    def _retrieve(self, peer, user, number, uidl):
        reply = peer.ask(b"RETR " + number)
        assert reply.startswith(b"+OK"), reply
        text = peer.body()
        assert len(text) == int(reply.split()[1]), "not as long as it was announced"
        digest = hashlib.sha256(text).digest()
        with self.lock:
            self.counts["fetched"] += 1
            assert self.texts.setdefault((user, uidl), digest) == digest, f"{uidl} is another message than before"
        return text.split(b"Subject: ", 1)[1][:32]

    def check(self, server):
        """All that was acknowledged is there, all that was deleted is not, and UIDLs tell what they told."""
        for user, password in self.users.items():
            peer = Peer(self.ports["pop3"])
            self._greeted(peer, b"+OK")
            peer.ask(b"USER " + user.encode())
            assert peer.ask(b"PASS " + password.encode()).startswith(b"+OK")
            assert peer.ask(b"UIDL").startswith(b"+OK")
            uidls = [line.split() for line in peer.body().splitlines()]
            there = collections.Counter(self._retrieve(peer, user, number, uidl) for number, uidl in uidls)
            assert peer.ask(b"QUIT").startswith(b"+OK")
            peer.close()
            lost = self.acknowledged[user] - self.deleting[user] - set(there)
            assert not lost, f"{len(lost)} messages for {user} were acknowledged and are gone: {sorted(lost)[:3]}\n{server.log()[-2000:]}"
            back = self.deleted[user] & set(there)
            assert not back, f"{len(back)} messages of {user} are back: {sorted(back)[:3]}"
