"""SIGTERM finds clients in the middle of something: a listing, a wait for the tenant's rate, a log-in's penalty, a start."""

import base64
import os
import shutil
import signal
import socket
import subprocess

from conftest import ALICE, BOB, PASSWORDS, set_egress
from poplar_server import POPLAR, read_line, read_to_end, wait_for

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


def test_log_ins_in_their_penalty_are_answered(new_server):
    """At once, and a right password as a wrong one."""
    server = new_server(drain_limit_s=30, users="[auth]\npenalty_after = 100\npenalty_after_user = 0\npenalty_delay_max_ms = 10000\n")

    def guess(connection, user, password):
        connection.sendall(f"USER {user}\r\nPASS {password}\r\n".encode())

    def connect(number):
        """Each from an address of its own: guesses from one wait for each other."""
        return socket.create_connection(("127.0.0.1", server.ports["pop3"]), timeout=30, source_address=(f"127.0.1.{number + 1}", 0))

    connections = [connect(number) for number in range(13)]
    for connection in connections:
        assert read_line(connection).startswith(b"+OK")
    for number, connection in enumerate(connections[:10]):
        guess(connection, BOB, f"guess {number}")
    for connection in connections[:10]:
        assert read_line(connection).startswith(b"+OK")
        assert b"[AUTH]" in read_line(connection)
    # The next at this name waits for forty seconds.
    wrong, right, plain = connections[10:]
    guess(wrong, BOB, "wrong")
    guess(right, BOB, PASSWORDS[BOB])
    plain.sendall(b"AUTH PLAIN " + base64.b64encode(f"\0{BOB}\0{PASSWORDS[BOB]}".encode()) + b"\r\n")
    wait_for("they wait", 10, lambda: server.metric("poplar_auth_delayed") == 3)
    begin_drain(server)
    for connection in (wrong, right):
        assert read_line(connection).startswith(b"+OK")
    told = {read_to_end(connection) for connection in (wrong, right, plain)}
    assert len(told) == 1 and told.pop().startswith(LAST_WORD)
    assert server.wait() == 0
    assert "drain_cut" not in server.log()


def test_a_server_that_starts_can_be_stopped(new_server, tmp_path):
    """Whatever it waits for: here a segment that does not come, and the index is gone, so that all of the log is to be replayed."""
    server = new_server()
    server.deliver([ALICE, BOB], b"Subject: kept\r\n\r\nbody\r\n")
    server.kill()
    shutil.rmtree(server.directory / "store/p000/index")
    segment = server.directory / "store/p000/log/00000001.seg"
    segment.rename(tmp_path / "segment")
    os.mkfifo(segment)
    for number in (signal.SIGTERM, signal.SIGINT):
        before = len(server.log())
        with open(server.log_path, "ab") as log:
            server.process = subprocess.Popen([POPLAR, "serve", "--config", str(server.config_path)], stdout=log, stderr=log)
        wait_for("the store is being opened", 30, lambda: "policies_changed" in server.log()[before:])
        server.signal(number)
        assert server.wait() == 0
        server.says("stopped ok=true reason=\"told to while it was starting\"")
        assert " ready" not in server.log()[before:]
    segment.unlink()
    (tmp_path / "segment").rename(segment)
    server.start()
    for user in (ALICE, BOB):
        client = server.pop3(user, PASSWORDS[user])
        assert b"body" in client.retr(1)[1]
        client.quit()
