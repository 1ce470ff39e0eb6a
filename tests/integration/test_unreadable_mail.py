"""Mail that the disk lost below a running server: it is refused before `+OK`, or the connection ends without the message's end, over
TLS without close_notify; everything else is served."""

import os
import re
import socket
import ssl

import pytest
from conftest import ALICE, PASSWORDS
from poplar_server import forget, read_line, strict_tls, wait_for

LINES = b"y" * 98 + b"\r\n"
END = b"\r\n.\r\n"
SOUND = b"Subject: sound\r\n\r\nas it was delivered\r\n"


@pytest.fixture
def server(new_server):
    return new_server(store="partitions = 1\nsegment_mib = 8")


@pytest.fixture(params=["pop3", "pop3s"])
def port(request):
    return request.param


def message(name, lines):
    return b"Subject: %s\r\n\r\n" % name + LINES * lines


def place(server, name):
    """The file of a message, and where in it the message begins and its body does."""
    for path in (server.directory / "store").rglob("*"):
        if path.suffix not in (".seg", ".blob"):
            continue
        content = path.read_bytes()
        at = content.find(b"Subject: %s\r\n\r\n" % name)
        if at >= 0:
            return path, content.rindex(b"Return-Path: ", 0, at), content.index(b"\r\n\r\n", at) + 4
    raise AssertionError(f"no file holds {name}")


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        octet = file.read(1)[0]
        file.seek(at)
        file.write(bytes([octet ^ 1]))


def logged_in(server, port):
    """Of TLS, an end without close_notify raises."""
    connection = server.raw(port, timeout=60)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # What is large waits at the server.
    if port == "pop3s":
        connection = strict_tls(server.tls(), connection)
    connection.sendall(b"USER %s\r\nPASS %s\r\n" % (ALICE.encode(), PASSWORDS[ALICE].encode()))
    for _ in range(3):
        line = read_line(connection)
        assert line.startswith(b"+OK"), line
    return connection


def ask(connection, command):
    connection.sendall(command + b"\r\n")
    return read_line(connection)


def fetch(connection, command):
    """The message, without the reply's first line."""
    assert ask(connection, command).startswith(b"+OK")
    received = b"\r\n"
    while not received.endswith(END):
        piece = connection.recv(65_536)
        assert piece, received
        received += piece
    return received


def read_to_cut(connection):
    """What comes before the end, which must not look as if all was there."""
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
        assert not isinstance(connection, ssl.SSLSocket), "there was a close_notify"
    except ssl.SSLError as error:
        assert "EOF" in str(error)
    assert not received.endswith(END)
    return received


def quit_well(connection):
    assert ask(connection, b"QUIT").startswith(b"+OK")
    assert connection.recv(1) == b""


def counted(server):
    """Messages that were refused, those cut off, and those found damaged while they were sent."""
    return tuple(server.metric(f"poplar_{name}_total") for name in ("pop3_bodies_failed", "pop3_bodies_cut", "body_failures"))


def faults(server, count):
    """The fields of the lines about messages that failed, when there are so many of them, all of one session of Alice's."""
    lines = lambda: re.findall(r"^.* error body_failed (.*)$", server.log(), re.M)
    wait_for(f"{count} lines", 10, lambda: len(lines()) == count)
    logged = [{key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|\S+)', line)} for line in lines()]
    session = re.findall(r" info login session=(\d+) ", server.log())[0]
    assert {(fields["session"], fields["tenant"], fields["user"]) for fields in logged} == {(session, "alpha", ALICE)}
    return logged


def test_what_is_damaged_is_refused(server, port):
    for name, lines in ((b"small", 5), (b"large", 2_000), (b"blob", 20_000)):
        server.deliver([ALICE], message(name, lines))
    server.deliver([ALICE], SOUND)
    for name in (b"small", b"large"):
        path, begins, _ = place(server, name)
        flip(path, begins - 1)  # The last octet of the head of its record.
    blob, _, _ = place(server, b"blob")
    assert blob.suffix == ".blob"
    os.truncate(blob, blob.stat().st_size - 1)
    connection = logged_in(server, port)
    for number in (1, 2, 3):
        for command in (b"RETR %d" % number, b"TOP %d 3" % number):
            reply = ask(connection, command)
            assert reply.startswith(b"-ERR [SYS/PERM] "), (command, reply)
    assert fetch(connection, b"RETR 4").endswith(SOUND + b".\r\n")
    assert fetch(connection, b"TOP 4 1").endswith(SOUND + b".\r\n")
    quit_well(connection)
    assert counted(server) == (6, 0, 0)
    assert [fields["message"] for fields in faults(server, 6)] == list("112233")


def test_what_cannot_be_opened_now_may_be_later(server, port):
    content = message(b"blob", 20_000)
    server.deliver([ALICE], content)
    blob, _, _ = place(server, b"blob")
    aside = blob.with_suffix(".aside")
    blob.rename(aside)
    blob.symlink_to(blob.name)  # To itself: no file, but none that is missing either.
    connection = logged_in(server, port)
    for command in (b"RETR 1", b"TOP 1 3"):
        reply = ask(connection, command)
        assert reply.startswith(b"-ERR [SYS/TEMP] "), reply
    aside.rename(blob)
    assert fetch(connection, b"RETR 1").endswith(content + b".\r\n")
    uidl = ask(connection, b"UIDL 1").split()[2].decode()
    quit_well(connection)
    assert counted(server) == (2, 0, 0)
    for fields in faults(server, 2):
        assert (fields["message"], fields["uidl"], fields["sent_bytes"]) == ("1", uidl, "0")
        assert fields["reason"].endswith("Too many levels of symbolic links") and int(fields["wire_bytes"]) > len(content)
    assert " store_body_damaged " not in server.log()


@pytest.mark.parametrize("cold", [False, True])
def test_a_small_body_that_is_damaged(server, port, cold):
    """It is all read before it is promised, wherever the damage is."""
    server.deliver([ALICE], message(b"small", 70))
    server.deliver([ALICE], SOUND)
    path, _, body = place(server, b"small")
    flip(path, body + 70 * len(LINES) - 3)
    if cold:
        forget(path)
    connection = logged_in(server, port)
    for command in (b"RETR 1", b"TOP 1 3", b"RETR 1"):
        reply = ask(connection, command)
        assert reply.startswith(b"-ERR [SYS/PERM] "), (command, reply)
        if cold:
            forget(path)
    assert fetch(connection, b"RETR 2").endswith(SOUND + b".\r\n")
    assert fetch(connection, b"TOP 2 0").endswith(b"\r\n\r\n.\r\n")
    assert ask(connection, b"DELE 1").startswith(b"+OK")
    quit_well(connection)
    assert counted(server) == (3, 0, 0)
    assert {(fields["message"], fields["sent_bytes"]) for fields in faults(server, 3)} == {("1", "0")}


@pytest.mark.parametrize("lines", [70, 2_000])
def test_a_segment_that_ends_in_a_body(server, port, lines):
    content = message(b"short", lines)
    server.deliver([ALICE], SOUND)
    server.deliver([ALICE], content)
    path, _, body = place(server, b"short")
    os.truncate(path, body + 5_000)
    connection = logged_in(server, port)
    for command in (b"RETR 2", b"TOP 2 3"):
        reply = ask(connection, command)
        assert reply.startswith(b"-ERR [SYS/PERM] "), (command, reply)
    assert fetch(connection, b"RETR 1").endswith(SOUND + b".\r\n")
    assert ask(connection, b"DELE 2").startswith(b"+OK")
    quit_well(connection)
    assert counted(server) == (2, 0, 0)


@pytest.mark.parametrize("command", [b"RETR 1", b"TOP 1 1000000"])
def test_a_large_message_that_fails_on_its_way(server, port, command):
    server.deliver([ALICE], message(b"blob", 80_000))
    server.deliver([ALICE], SOUND)
    blob, _, _ = place(server, b"blob")
    connection = logged_in(server, port)
    reply = ask(connection, command)
    assert reply.startswith(b"+OK"), reply
    os.truncate(blob, 4_000_000)  # Of eight million; the client has not let so much through.
    received = len(read_to_cut(connection))
    assert 1_000_000 < received <= 4_000_000
    assert counted(server) == (0, 1, 1)
    server.says(" end=body_failed")
    [fields] = faults(server, 1)
    assert fields["message"] == "1" and received <= int(fields["sent_bytes"]) <= 4_000_000
    assert fields["reason"] and int(fields["wire_bytes"]) > 8_000_000
    other = logged_in(server, port)
    reply = ask(other, command)
    assert reply.startswith(b"-ERR [SYS/PERM] "), reply
    assert fetch(other, b"RETR 2").endswith(SOUND + b".\r\n")
    quit_well(other)
