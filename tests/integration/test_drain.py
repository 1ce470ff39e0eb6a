"""SIGTERM finds clients in the middle of something: a listing, a wait for the tenant's rate."""

import signal
import socket

from conftest import ALICE, BOB, PASSWORDS, set_egress
from poplar_server import read_line, read_to_end, wait_for

MESSAGES = 6_000  # A UIDL of so many fits no buffer on its way.
LAST_WORD = b"-ERR [SYS/TEMP]"


def logged_in(server, user, receive_buffer=None):
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", server.ports["pop3"]))
    connection.sendall(f"USER {user}\r\nPASS {PASSWORDS[user]}\r\n".encode())
    for _ in range(3):
        assert read_line(connection).startswith(b"+OK")
    return connection


def begin_drain(server):
    server.signal(signal.SIGTERM)
    server.says("draining")


def test_a_listing_under_way_is_finished(new_server, tmp_path):
    server = new_server(drain_limit_s=60)
    (tmp_path / "mbox").write_bytes(b"".join(b"From x Mon Jan  1 00:00:00 2024\nSubject: %d\n\nx\n\n" % i for i in range(MESSAGES)))
    server.run("import", "mbox", "--user", ALICE, str(tmp_path / "mbox"))
    slow = logged_in(server, ALICE, receive_buffer=4096)
    slow.sendall(b"UIDL\r\nNOOP\r\n")
    assert read_line(slow).startswith(b"+OK")
    begin_drain(server)
    *lines, dot, last_word, rest = read_to_end(slow).split(b"\r\n")
    assert [int(line.split()[0]) for line in lines] == list(range(1, MESSAGES + 1))
    assert (dot, rest) == (b".", b"") and last_word.startswith(LAST_WORD)  # Also in place of what came behind it.
    assert server.wait() == 0
    assert "drain_cut" not in server.log()


def test_who_waits_for_the_rate_is_told(new_server):
    server = new_server(drain_limit_s=60)
    server.deliver([ALICE, BOB], b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 5_000)
    set_egress(server, alpha=1)
    retr, top = logged_in(server, ALICE), logged_in(server, BOB)
    retr.sendall(b"RETR 1\r\n")
    while read_line(retr) != b".":
        pass
    # From here on the tenant waits for minutes.
    retr.sendall(b"RETR 1\r\n")
    top.sendall(b"TOP 1 0\r\n")
    wait_for("both wait", 30, lambda: server.metric("poplar_pop3_egress_wait_seconds_count") == 2)
    server.run("session", "kick", "--user", BOB)
    assert read_to_end(top).startswith(b"-ERR ")
    begin_drain(server)
    assert read_to_end(retr).startswith(LAST_WORD)
    assert server.wait() == 0
    assert "drain_cut" not in server.log()
