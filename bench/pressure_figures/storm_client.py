"""Clients that no mail program is. A process of its own, in the way of a program:

    storm_client.py KIND PORT CLIENTS

It says "ready" when all clients are there, goes on until its input ends, then prints what it counted as one
JSON object. Any reply that is wrong ends it with exit code 1. KIND is one of:

  accepts     one connection after the other is opened and closed, as fast as it goes
  silent      connected, and nothing is ever sent
  half_hello  connected, and half of a ClientHello is sent
  bytes       NOOP after NOOP from sessions that stay, each byte in a segment of its own
"""

import errno
import json
import os
import selectors
import socket
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "side_by_side"))

# pylint: disable=wrong-import-position
from cells import PASSWORD

BYTES_USER = "bytes{}@load.test"
TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.2
PORTS_USED_UP = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)  # closed ones keep theirs for a while
BATCH = 64  # operations between two looks at the input


class Wrong(Exception):
    """A reply that the protocol does not allow, in a sentence."""


class Input:
    """What says when to stop."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.selector.register(sys.stdin, selectors.EVENT_READ)

    def ended(self):
        return any(key.fileobj is sys.stdin for key, _ in self.selector.select(0))

    @staticmethod
    def ready():
        print("ready", flush=True)


def connect(port):
    client = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def accepts(port, _, source):
    counts = {"connections": 0, "no port free": 0}
    source.ready()
    while not source.ended():
        for _ in range(BATCH):
            try:
                connect(port).close()
                counts["connections"] += 1
            except OSError as fault:
                if fault.errno not in PORTS_USED_UP:
                    raise
                counts["no port free"] += 1
    return counts


def half_hello_octets():
    """The first half of what a client would say."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = outgoing.read()
    return hello[:len(hello) // 2]


def silent(port, clients, source, said=b""):
    """Whom the server closes comes again."""
    counts = {"connections": 0, "closed by the server": 0}

    def come():
        client = connect(port)
        if said:
            client.sendall(said)
        client.setblocking(False)
        source.selector.register(client, selectors.EVENT_READ)
        counts["connections"] += 1

    for _ in range(clients):
        come()
    source.ready()
    while True:
        for key, _ in source.selector.select(POLL_SECONDS):
            if key.fileobj is sys.stdin:
                return counts
            if not still_there(key.fileobj):
                source.selector.unregister(key.fileobj)
                key.fileobj.close()
                counts["closed by the server"] += 1
                come()


def still_there(client):
    """Reads the greeting, or that there is no more."""
    try:
        return client.recv(4096) != b""
    except ConnectionResetError:
        return False


def half_hello(port, clients, source):
    return silent(port, clients, source, half_hello_octets())


class ByteClient:
    """A session whose every byte travels alone."""

    def __init__(self, port, number):
        self.socket = connect(port)
        self.expect_ok()
        for line in (f"USER {BYTES_USER.replace('{}', str(number))}", f"PASS {PASSWORD}"):
            for octet in line.encode() + b"\r\n":
                self.socket.send(bytes((octet,)))
            self.expect_ok()

    def expect_ok(self):
        reply = b""
        while not reply.endswith(b"\r\n"):
            more = self.socket.recv(4096)
            if not more:
                raise Wrong(f"closed after {reply!r}")
            reply += more
        if not reply.startswith(b"+OK") or reply.count(b"\r\n") != 1:
            raise Wrong(f"{reply!r} is not one +OK")


def send_bytes(port, clients, source):
    sessions = [ByteClient(port, number) for number in range(clients)]
    counts = {"segments": 0, "commands": 0}
    source.ready()
    while not source.ended():
        for octet in (b"N", b"O", b"O", b"P", b"\r", b"\n"):
            for session in sessions:  # all others come between two bytes of one
                session.socket.send(octet)
        for session in sessions:
            session.expect_ok()
        counts["segments"] += 6 * clients
        counts["commands"] += clients
    return counts


KINDS = {"accepts": accepts, "silent": silent, "half_hello": half_hello, "bytes": send_bytes}


def main(kind, port, clients):
    try:
        print(json.dumps(KINDS[kind](int(port), int(clients), Input())), flush=True)
        return 0
    except (Wrong, OSError) as fault:
        print(f"storm_client {kind}: {fault}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
