"""A maildrop of 100,000 messages: how long it takes to open, and how fast its lists stream."""

import os
import socket
import statistics
import time

from cells import PASSWORD
from harness import Failed
from lab import addresses, say
from rows import Row, quotient
from server import since

TITLE = "A maildrop of 100,000 messages"
PATTERN = "heavy{}@load.test"
MESSAGES = 100_000
OCTETS = 512
WARM_MS_MAX = 3
COLD_MS_MAX = 30
OPENS = 20
COLD_OPENS = 5
RECEIVE_BYTES = 1 << 20
STREAM_SHARE_MIN = 0.5  # "memory speed": loopback moves prepared octets at most twice as fast
SETTINGS = "[log]\nlevel = \"warning\"\n"


class Client:
    """One POP3 session that receives into a buffer and looks at no line of a list."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = memoryview(bytearray(RECEIVE_BYTES))
        self.receive(b"\r\n")

    def receive(self, end):
        """Up to `end`, which ends the reply; how many octets, and their first."""
        total, first, tail = 0, b"", b""
        while not tail.endswith(end):
            got = self.socket.recv_into(self.buffer)
            if got == 0:
                raise Failed("the server closed a session")
            if total == 0:
                first = bytes(self.buffer[:min(got, 64)])
            total += got
            tail = (tail + bytes(self.buffer[max(0, got - 8):got]))[-8:]
        return total, first

    def command(self, line, end=b"\r\n"):
        self.socket.sendall(line.encode() + b"\r\n")
        total, first = self.receive(end)
        if not first.startswith(b"+OK"):
            raise Failed(f"{line.split()[0]}: {first!r}")
        return total, first

    def open(self, user):
        self.command(f"USER {user}")
        self.command(f"PASS {PASSWORD}")

    def quit(self):
        self.command("QUIT")
        self.socket.close()


def measure(lab):
    messages, opens, cold_opens = (500, 2, 1) if lab.smoke else (MESSAGES, OPENS, COLD_OPENS)
    user, = addresses(PATTERN, 0, 1)
    with lab.server("large", [user], SETTINGS) as server:
        server.start_counting()
        begin = time.monotonic()
        lab.fill(server, user, 1, messages, OCTETS, connections=64)
        say(f"large: {messages:,} messages in {time.monotonic() - begin:.1f} s")
        cold = []
        for _ in range(cold_opens):
            server.stop()
            server.forget_cache()
            server.start_counting()
            cold.append(open_ms(server, user, messages))
        warm = [open_ms(server, user, messages) for _ in range(opens)]
        say(f"open, ms: cold {cold}, warm {warm}")
        streams = list(stream_rows(lab, server, user, opens))
    return [Row(f"{messages:,} messages: open, warm",
                f"{statistics.median(warm):.3f} ms ({min(warm):.3f} to {max(warm):.3f})", "",
                statistics.median(warm), WARM_MS_MAX, unit=" ms"),
            Row(f"{messages:,} messages: open, cold (new process, nothing in the page cache)",
                f"{statistics.median(cold):.2f} ms ({min(cold):.2f} to {max(cold):.2f})", "",
                statistics.median(cold), COLD_MS_MAX, unit=" ms"),
            *streams]


def open_ms(server, user, messages):
    """What opening took by the server's own clock: a password and its hash are not the store's."""
    before = server.metrics()
    client = Client(server.pop3_port)
    client.open(user)
    _, stat = client.command("STAT")
    if stat.split()[1] != str(messages).encode():
        raise Failed(f"STAT says {stat!r}, not {messages} messages")
    client.quit()
    after = server.metrics()
    if since(before, after, "poplar_pop3_open_seconds_count") != 1:
        raise Failed("opens of others were measured")
    return since(before, after, "poplar_pop3_open_seconds_sum") * 1e3


def stream_rows(lab, server, user, times):
    client = Client(server.pop3_port)
    client.open(user)
    for verb in ("LIST", "UIDL"):
        octets, _ = client.command(verb, b"\r\n.\r\n")
        ours = statistics.median(timed(lambda v=verb: client.command(v, b"\r\n.\r\n"))
                                 for _ in range(times))
        loopback = statistics.median(loopback_seconds(lab, octets, times))
        source, target = bytes(octets), bytearray(octets)
        copy = statistics.median(timed(lambda s=source, t=target: copy_into(t, s))
                                 for _ in range(times))
        rate, floor = octets / ours / 1e6, octets / loopback / 1e6
        yield Row(f"{verb} of all, {octets / 1e6:.1f} MB",
                  f"{rate:,.0f} MB/s ({ours * 1e3:.2f} ms)",
                  f"prepared octets over loopback {floor:,.0f} MB/s, "
                  f"a copy in memory {octets / copy / 1e6:,.0f} MB/s",
                  quotient(rate, floor, "loopback"), STREAM_SHARE_MIN, at_least=True)
    client.quit()


def timed(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def copy_into(target, source):
    target[:] = source


def loopback_seconds(lab, octets, times):
    """The same client, served by a process that has the same number of octets in memory."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = os.fork()
        if child == 0:
            serve_prepared(lab, listener, octets)
        try:
            client = Client(listener.getsockname()[1])
            seconds = [timed(lambda: client.command("LIST", b"\r\n.\r\n")) for _ in range(times)]
            client.socket.close()
            return seconds
        finally:
            os.waitpid(child, 0)


def serve_prepared(lab, listener, octets):
    """In a child; does not return."""
    try:
        if lab.server_cores:
            os.sched_setaffinity(0, lab.server_cores)
        connection, _ = listener.accept()
        connection.settimeout(60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"+OK\r\n")
        reply = b"+OK\r\n" + b"x" * (octets - 10) + b"\r\n.\r\n"
        while connection.recv(4096):
            connection.sendall(reply)
    finally:
        os._exit(0)
