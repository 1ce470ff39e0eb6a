"""A server whose disk dies below it: who is in the middle of a message, who asks for one and who deletes hears of it, and the log says
whose it was and why."""

import os
import re
import socket

import pytest
from conftest import ALICE, BOB, PASSWORDS, populate
from poplar_server import PoplarServer, read_line, read_to_end, wait_for
from small_disk import SmallDisk

LARGE = b"Subject: large\r\n\r\n" + (b"y" * 98 + b"\r\n") * 80_000
SMALL = b"Subject: small\r\n\r\nof a line\r\n"


@pytest.fixture
def server(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a disk")
    server = populate(PoplarServer(tmp_path / "server", store="partitions = 1\nsegment_mib = 8"))
    server.disk = SmallDisk(server.directory / "store", tmp_path / "disk.img", size_mib=400)
    if not server.disk.allowed():
        pytest.skip("mounting is forbidden here")
    server.wrapper = server.disk.wrapper
    server.start()
    yield server
    server.kill(running=True)  # What it has open cannot be closed in order.


def logged_in(server, user):
    before = len(sessions_of(server, user))
    connection = server.raw(timeout=60)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # What is large waits at the server.
    assert read_line(connection).startswith(b"+OK")
    for command in (f"USER {user}", f"PASS {PASSWORDS[user]}"):
        assert ask(connection, command).startswith(b"+OK")
    wait_for("the line of the log-in", 10, lambda: len(sessions_of(server, user)) > before)
    return connection


def ask(connection, command):
    connection.sendall(command.encode() + b"\r\n")
    return read_line(connection)


def events(server, event, count):
    """The fields of its lines, when there are so many."""
    lines = lambda: re.findall(rf"^.* error {event} (.*)$", server.log(), re.M)
    wait_for(f"{count} of {event}", 10, lambda: len(lines()) == count)
    return [{key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|\S+)', line)} for line in lines()]


def sessions_of(server, user):
    return re.findall(rf" info login session=(\d+) .*user={re.escape(user)} ", server.log())


def test_what_a_dead_disk_costs_has_a_line_with_an_owner(server):
    server.deliver([ALICE, BOB], LARGE)
    server.deliver([ALICE, BOB], SMALL)
    alice, bob = logged_in(server, ALICE), logged_in(server, BOB)
    of_alice, of_bob = ({"session": sessions_of(server, user)[0], "tenant": "alpha", "user": user} for user in (ALICE, BOB))
    assert ask(alice, "RETR 1").startswith(b"+OK")
    assert ask(bob, "DELE 1").startswith(b"+OK")
    server.disk.die(server)

    received = read_to_end(alice)  # In the middle of the message.
    assert not received.endswith(b"\r\n.\r\n")
    [fields] = events(server, "body_failed", 1)
    assert of_alice.items() <= fields.items() and fields["message"] == "1" and "Input/output error" in fields["reason"]
    assert 0 < len(received) <= int(fields["sent_bytes"]) < int(fields["wire_bytes"])

    for command in ("RETR 2", "TOP 2 0"):
        assert ask(bob, command).startswith(b"-ERR [SYS/TEMP] "), command
    for fields in events(server, "body_failed", 3)[1:]:
        assert of_bob.items() <= fields.items() and (fields["message"], fields["sent_bytes"]) == ("2", "0")
        assert "Input/output error" in fields["reason"]

    # Each batch that cannot be written ends a segment; when none is left, nothing is tried any more.
    replies = [ask(bob, "QUIT")]
    while b"not known" in replies[-1] and len(replies) < 10:
        server.says(f" session_end session={sessions_of(server, BOB)[-1]} ")
        bob = logged_in(server, BOB)  # The list is in memory.
        assert ask(bob, "DELE 1").startswith(b"+OK")
        replies.append(ask(bob, "QUIT"))
    assert len(replies) > 1
    assert {reply.strip() for reply in replies[:-1]} == {b"-ERR [SYS/TEMP] Whether the messages were deleted is not known"}
    assert replies[-1].startswith(b"-ERR [SYS/TEMP] Nothing was deleted")
    logged = events(server, "commit_failed", len(replies))
    for fields, session in zip(logged, sessions_of(server, BOB), strict=True):
        assert (of_bob | {"session": session}).items() <= fields.items() and fields["deletions"] == "1"
    assert [fields["outcome"] for fields in logged] == ["unknown"] * (len(replies) - 1) + ["failed"]
    assert server.metric("poplar_pop3_commits_failed_total") == len(replies)
    assert server.metric("poplar_pop3_bodies_failed_total") == 2
