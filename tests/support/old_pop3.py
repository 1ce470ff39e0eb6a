"""A POP3 server to be moved away from, as old ones are: without UIDL, without PIPELINING, refusing for a while.

It speaks in clear, on a port of this machine or on a Unix socket.
"""

import select
import socketserver
import threading

from network import Serving

WAIT_SECONDS = 30  # For other sessions, and for a client that says nothing.
MORE_SECONDS = 0.05  # A client that asks ahead has done so by then; one that does not only waits.


class OldPop3(Serving):
    """`maildrops`: by login, messages as (UIDL or None, octets with CRLF). A maildrop with a None knows no UIDL."""

    def __init__(self, maildrops, capabilities=None, path=None):
        self.maildrops = maildrops
        self.capabilities = capabilities  # None: it knows no CAPA.
        self.uidl_refusal = None  # What UIDL is answered in place of a list.
        self.one_at_a_time = False  # Drops what comes before it has answered, as RFC 2449 6.6 allows without PIPELINING.
        self.together = 1  # A log-in waits until so many sessions are there.
        self.most = 0  # Sessions that there were at once.
        self.now = 0
        self.change = threading.Condition()
        old = self

        class Session(socketserver.BaseRequestHandler):
            def handle(self):
                Conversation(old, self.request).run()

        kind = socketserver.ThreadingUnixStreamServer if path else socketserver.ThreadingTCPServer
        self.server = kind(str(path) if path else ("127.0.0.1", 0), Session)
        self.server.daemon_threads = True
        if not path:
            self.port = self.server.server_address[1]

    @property
    def url(self):
        return f"pop3://127.0.0.1:{self.port}"

    def come(self):
        """A session begins; whether the others came that it waits for."""
        with self.change:
            self.now += 1
            self.most = max(self.most, self.now)
            self.change.notify_all()
            return self.change.wait_for(lambda: self.most >= self.together, WAIT_SECONDS)

    def go(self):
        with self.change:
            self.now -= 1


class Conversation:
    def __init__(self, old, connection):
        self.old, self.connection = old, connection
        self.received = b""
        self.login, self.here, self.deleted = None, False, set()

    def run(self):
        self.connection.settimeout(WAIT_SECONDS)
        try:
            self.say(b"+OK old server")
            while line := self.command():
                verb, _, argument = line.partition(b" ")
                handler = getattr(self, f"do_{verb.decode().lower()}", None)
                if handler is None:
                    self.say(b"-ERR what?")
                elif handler(argument.decode()) == "end":
                    return
        except OSError:
            pass  # The client is gone.
        finally:
            self.leave()

    def leave(self):
        if self.here:
            self.old.go()
        self.here = False

    def say(self, *lines):
        self.connection.sendall(b"".join(line + b"\r\n" for line in lines))

    def command(self):
        while b"\n" not in self.received:
            piece = self.connection.recv(4096)
            if not piece:
                return None
            self.received += piece
        line, _, self.received = self.received.partition(b"\n")
        if self.old.one_at_a_time:
            while select.select([self.connection], [], [], MORE_SECONDS)[0] and self.connection.recv(4096):
                pass
            self.received = b""
        return line.rstrip(b"\r")

    @property
    def messages(self):
        return self.old.maildrops[self.login]

    def listing(self, lines):
        self.say(b"+OK", *lines, b".")

    def do_capa(self, _):
        if self.old.capabilities is None:
            self.say(b"-ERR what?")
        else:
            self.listing([word.encode() for word in self.old.capabilities])

    def do_user(self, login):
        self.login = login
        self.say(b"+OK")

    def do_pass(self, _):
        self.here = True
        self.say(b"+OK" if self.old.come() else b"-ERR the others do not come")

    def do_auth(self, _):
        """EXTERNAL, as the socket of exports has it; every address has the same maildrop."""
        [self.login] = self.old.maildrops
        self.do_pass("")

    def do_list(self, _):
        self.listing([b"%d %d" % (number, len(octets)) for number, (_, octets) in enumerate(self.messages, 1)])

    def do_uidl(self, _):
        if self.old.uidl_refusal:
            self.say(self.old.uidl_refusal)
        elif any(uidl is None for uidl, _ in self.messages):
            self.say(b"-ERR what?")
        else:
            self.listing([b"%d %s" % (number, uidl.encode()) for number, (uidl, _) in enumerate(self.messages, 1)])

    def do_xdates(self, _):
        self.listing([b"%d 1275660208000000" % (number + 1) for number in range(len(self.messages))])

    def do_retr(self, number):
        octets = self.messages[int(number) - 1][1]
        self.connection.sendall(b"+OK\r\n" + octets.replace(b"\r\n.", b"\r\n..") + b".\r\n")

    def do_dele(self, number):
        self.deleted.add(int(number))
        self.say(b"+OK")

    def do_quit(self, _):
        self.messages[:] = [each for number, each in enumerate(self.messages, 1) if number not in self.deleted]
        self.leave()  # Before the answer: the client's next session comes after it.
        self.say(b"+OK")
        return "end"
