"""Log-ins without TLS, from this machine and from elsewhere: the server listens in a network of the test's own, where a client of
an address that is not loopback is one from elsewhere to it."""

import base64
import ctypes
import os
import signal
import socket
import subprocess

import pytest
from conftest import ALICE, PASSWORDS, populate
from poplar_server import PoplarServer, needs, read_line, wait_for

HERE, ELSEWHERE = "127.0.0.1", "192.0.2.1"  # The second: RFC 5737, for documentation.
SEND_STLS = b"-ERR Logging in without TLS is refused; send STLS first"
AUTH_PLAIN = base64.b64encode(f"\0{ALICE}\0{PASSWORDS[ALICE]}".encode())
CLONE_NEWNET = 0x40000000


@pytest.fixture
def network():
    """This thread, and what it starts, are in a network of their own until the test ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if libc.unshare(CLONE_NEWNET) != 0:
        os.close(home)
        pytest.skip(f"no network of its own: {os.strerror(ctypes.get_errno())}")
    try:
        for words in ("link set lo up", f"address add {ELSEWHERE}/32 dev lo"):
            subprocess.run([needs("ip"), *words.split()], check=True, timeout=60)
        yield
    finally:
        assert libc.setns(home, CLONE_NEWNET) == 0
        os.close(home)


@pytest.fixture
def start(network, tmp_path):
    made = []

    def make(pop3=""):
        server = populate(PoplarServer(tmp_path / "server", pop3=pop3))
        text = server.config_path.read_text()
        server.config_path.write_text(text.replace('listen = ["127.0.0.1:0", "[::1]:0"]', 'listen = ["0.0.0.0:0"]'))
        made.append(server)
        return server.start()

    yield make
    for server in made:
        server.stop()


class Client:
    def __init__(self, server, address, head=b""):
        self.server = server
        self.connection = socket.create_connection((address, server.ports["pop3"]), timeout=30)
        assert self.connection.getsockname()[0] == address  # So this is how the server sees it.
        self.connection.sendall(head)
        assert read_line(self.connection).startswith(b"+OK")

    def say(self, line):
        self.connection.sendall(line + b"\r\n")
        return read_line(self.connection)

    def capa(self):
        assert self.say(b"CAPA").startswith(b"+OK")
        capabilities = []
        while (line := read_line(self.connection)) != b".":
            capabilities.append(line)
        return capabilities

    def stls(self):
        assert self.say(b"STLS").startswith(b"+OK")
        self.connection = self.server.tls().wrap_socket(self.connection, server_hostname="localhost")


def offers(client):
    return [line for line in client.capa() if line.split()[0] in (b"USER", b"SASL", b"STLS")]


def log_in(client):
    assert client.say(b"USER " + ALICE.encode()).startswith(b"+OK")
    assert client.say(b"PASS " + PASSWORDS[ALICE].encode()).startswith(b"+OK")
    assert client.say(b"STAT") == b"+OK 0 0"
    assert client.say(b"QUIT").startswith(b"+OK")


def log_in_by_auth(client):
    assert client.say(b"AUTH PLAIN " + AUTH_PLAIN).startswith(b"+OK")
    assert client.say(b"QUIT").startswith(b"+OK")


def test_from_elsewhere_only_over_tls(start):
    server = start()
    client = Client(server, ELSEWHERE)
    assert offers(client) == [b"STLS"]
    assert client.say(b"USER " + ALICE.encode()) == SEND_STLS
    assert client.say(b"PASS " + PASSWORDS[ALICE].encode()) == SEND_STLS
    assert client.say(b"AUTH") == SEND_STLS
    assert client.say(b"AUTH PLAIN " + AUTH_PLAIN) == SEND_STLS
    assert client.say(b"AUTH LOGIN") == SEND_STLS
    assert client.say(b"STAT").startswith(b"-ERR")
    client.stls()
    assert offers(client) == [b"USER", b"SASL PLAIN LOGIN"]
    log_in(client)
    client = Client(server, ELSEWHERE)
    client.stls()
    log_in_by_auth(client)
    # No password that came in clear was looked at.
    assert server.metric("poplar_pop3_logins_total") == 2
    wait_for("both log-ins are in the log", 10, lambda: server.log().count(f"peer={ELSEWHERE} tls=true outcome=ok") == 2)
    assert server.log().count(" login ") == 2


def test_from_here_without_tls(start):
    server = start()
    client = Client(server, HERE)
    assert offers(client) == [b"USER", b"SASL PLAIN LOGIN", b"STLS"]
    log_in(client)
    log_in_by_auth(Client(server, HERE))


def test_from_elsewhere_where_the_configuration_allows_it(start):
    server = start(pop3="allow_cleartext = true")
    client = Client(server, ELSEWHERE)
    assert offers(client) == [b"USER", b"SASL PLAIN LOGIN", b"STLS"]
    log_in(client)
    log_in_by_auth(Client(server, ELSEWHERE))
    wait_for("both log-ins are in the log", 10, lambda: server.log().count(f"peer={ELSEWHERE} tls=false outcome=ok") == 2)
    # Forbidden by a reload, it is so from the next connection on.
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace("allow_cleartext = true", "allow_cleartext = false"))
    server.signal(signal.SIGHUP)
    wait_for("the server reloads", 20, lambda: " reloaded" in server.log())
    client = wait_for("it is in force", 20, lambda: refused_client(server))
    assert client.say(b"USER " + ALICE.encode()) == SEND_STLS


def test_what_is_local_to_a_proxy_elsewhere_is_not_local_here(start):
    server = start(pop3=f'proxy_networks = ["{ELSEWHERE}"]')
    client = Client(server, ELSEWHERE, b"PROXY TCP4 127.0.0.1 127.0.0.1 40312 110\r\n")
    assert offers(client) == [b"STLS"]
    assert client.say(b"USER " + ALICE.encode()) == SEND_STLS
    # Nor is a client from elsewhere, by a proxy that is.
    assert offers(Client(server, HERE)) == [b"USER", b"SASL PLAIN LOGIN", b"STLS"]


def refused_client(server):
    client = Client(server, ELSEWHERE)
    return client if offers(client) == [b"STLS"] else None
