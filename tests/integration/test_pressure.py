"""Clients that do not read, do not send, or come in crowds; bad input on live connections."""

import collections
import itertools
import os
import poplib
import random
import re
import socket
import time
from pathlib import Path

import pytest
from conftest import ALICE, BOB, PASSWORDS
from poplar_server import SLOWNESS, end_by_reset, end_in_order, read_line, read_to_end, strict_tls, wait_for

MIB = 1 << 20
SANITIZED = bool(os.environ.get("POPLAR_SANITIZE"))


def logged_in(server, user=ALICE, password=PASSWORDS[ALICE], **options):
    connection = server.raw(**options)
    connection.sendall(b"USER %s\r\nPASS %s\r\n" % (user.encode(), password.encode()))
    for _ in range(3):
        line = read_line(connection)
        assert line.startswith(b"+OK"), line
    return connection


def test_a_client_that_does_not_read_is_not_read(server):
    server.deliver([ALICE], b"Subject: x\r\n\r\n" + b"y" * 4_000_000 + b"\r\n")
    connection = logged_in(server)
    connection.setblocking(False)
    before = server.memory_bytes()
    sent = 0
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 1.5 and sent < 200 * MIB:
        try:
            sent += connection.send(b"RETR 1\r\n" * 1000)
            quiet_since = time.monotonic()
        except BlockingIOError:
            time.sleep(0.05)
    assert sent < 64 * MIB, "the server goes on reading commands whose replies nobody reads"
    if not SANITIZED:  # Quarantines keep freed memory.
        assert server.memory_bytes() - before < 32 * MIB
    client = server.pop3(BOB, PASSWORDS[BOB])
    assert client.noop().startswith(b"+OK")
    client.quit()
    connection.close()


def closed_at(server, protocol="pop3"):
    """How many connections were closed at which limit."""
    samples = re.findall(rf'^poplar_{protocol}_closed_total\{{limit="(\w+)"\}} (\d+)$', server.http("/metrics")[1], re.M)
    assert "idle_timeout" in dict(samples)
    return {limit: int(count) for limit, count in samples if count != "0"}


def wait_for_closed(server, protocol="pop3", **counts):
    """They are counted a moment after the client learns of it."""
    wait_for(f"closed at {counts}", 10, lambda: closed_at(server, protocol) == counts)


def wait_for_end(server, event, word, times=1):
    """The log says so many times that a POP3 connection ended so, and of none that it ended otherwise."""
    ends = lambda: re.findall(rf" {event} .*protocol=pop3 .* end=(\w+)", server.log())
    wait_for(f"{event} is in the log", 10, lambda: len(ends()) >= times)
    assert ends() == [word] * times


def told_to_end(connection):
    try:
        return read_to_end(connection)
    except ConnectionResetError:
        return b""


def queued_octets(connection):
    """Of the server's output to this client: what is not sent, and what is not acknowledged."""
    ends = tuple(f"0100007F:{port:04X}" for port in (connection.getpeername()[1], connection.getsockname()[1]))
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if (local, remote) == ends:
            return int(queues.split(":")[0], 16)
    raise AssertionError("the connection is gone")


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_the_kernel_queues_little_for_one_that_does_not_read(server, port):
    """Thousands of them would fill the memory of all the machine's connections."""
    server.deliver([ALICE], b"Subject: x\r\n\r\n" + (b"y" * 998 + b"\r\n") * 25_000)
    connection = server.raw(port)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    if port == "pop3s":
        connection = server.tls().wrap_socket(connection, server_hostname="localhost")
    connection.sendall(b"USER %s\r\nPASS %s\r\nRETR 1\r\n" % (ALICE.encode(), PASSWORDS[ALICE].encode()))
    wait_for("all is queued that will be", 10, lambda: queued_octets(connection) > 65_536)
    time.sleep(0.5)
    assert queued_octets(connection) < 600_000
    connection.close()


def test_an_idle_session_is_closed(new_server):
    server = new_server(pop3="idle_timeout_s = 1")
    connection = logged_in(server)
    started = time.monotonic()
    assert read_to_end(connection) == b""  # RFC 1939 §3: closed without a response.
    assert 0.9 < time.monotonic() - started < 20
    wait_for_closed(server, idle_timeout=1)
    wait_for_end(server, "session_end", "idle")


def test_a_client_that_does_not_log_in_is_told_and_closed(new_server):
    server = new_server(pop3=f"login_timeout_s = {SLOWNESS}")
    server.reconfigure('level = "info"', 'level = "debug"')
    silent = server.raw()
    assert read_line(silent).startswith(b"+OK")
    assert read_to_end(silent).startswith(b"-ERR")
    wait_for_closed(server, login_timeout=1)
    wait_for_end(server, "connection_end", "login_timeout")


@pytest.mark.parametrize("silent", [True, False])
def test_a_session_that_lasts_too_long_is_told_and_closed(new_server, silent):
    """Mail programs that poll for ever, too; what they have deleted without QUIT stays."""
    server = new_server(pop3="session_age_max_s = 1")
    server.deliver([ALICE], b"Subject: x\r\n\r\nbody\r\n")
    started = time.monotonic()
    connection = logged_in(server)
    connection.sendall(b"DELE 1\r\n")
    line = read_line(connection)
    while line.startswith(b"+OK"):
        assert time.monotonic() - started < 20
        time.sleep(0.02)
        if not silent:
            connection.sendall(b"NOOP\r\n")
        line = read_line(connection)
    assert line == b"-ERR The session lasted too long" and read_to_end(connection) == b""
    assert time.monotonic() - started > 0.9
    wait_for_closed(server, session_age=1)
    wait_for_end(server, "session_end", "session_age")
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    assert client.stat()[0] == 1
    client.quit()


def test_one_that_leaves_is_closed_at_no_limit(new_server):
    server = new_server(pop3="idle_timeout_s = 600")
    connection = logged_in(server)
    connection.sendall(b"QUIT\r\n")
    assert read_to_end(connection).startswith(b"+OK")
    wait_for_end(server, "session_end", "quit")
    logged_in(server).close()
    wait_for("it is in the log", 10, lambda: " end=peer_closed" in server.log())
    assert closed_at(server) == {}


# Where there is no word for it, the client is cut: it counts all the same.
def test_a_login_timeout_counts_where_no_reply_can_say_it(new_server):
    server = new_server(pop3='login_timeout_s = 3\nproxy_networks = ["127.0.0.2"]')  # Less than the 5 s that a proxy has for its header.
    server.reconfigure('level = "info"', 'level = "debug"')
    silent = server.raw("pop3s")
    stls = server.raw()
    stls.sendall(b"STLS\r\n")
    assert read_line(stls).startswith(b"+OK") and read_line(stls).startswith(b"+OK")
    proxy = socket.create_connection(("127.0.0.1", server.ports["pop3"]), timeout=30, source_address=("127.0.0.2", 0))
    assert [told_to_end(connection) for connection in (silent, stls, proxy)] == [b"", b"", b""]
    wait_for_closed(server, login_timeout=3)
    wait_for_end(server, "connection_end", "login_timeout", 3)


def test_who_is_kicked_inside_a_message_was_kicked(new_server):
    server = new_server()
    server.deliver([ALICE], b"Subject: x\r\n\r\n" + b"y" * 30_000_000 + b"\r\n")
    connection = server.raw(timeout=60)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(b"USER %s\r\nPASS %s\r\nRETR 1\r\n" % (ALICE.encode(), PASSWORDS[ALICE].encode()))
    for _ in range(4):
        assert read_line(connection).startswith(b"+OK")
    server.run("session", "kick", "--user", ALICE)
    wait_for_end(server, "session_end", "kicked")
    assert closed_at(server) == {}


def test_a_silent_mta_is_told_and_closed(new_server):
    server = new_server(lmtp="idle_timeout_s = 1")
    silent = server.raw("lmtp")
    assert read_line(silent).startswith(b"220")
    assert read_to_end(silent).startswith(b"421 4.4.2")
    wait_for_closed(server, "lmtp", idle_timeout=1)
    deaf = server.raw("lmtp")
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)

    def closed():
        try:
            while True:
                deaf.send(b"NOOP\r\n" * 1000)
        except BlockingIOError:
            return False
        except (ConnectionResetError, BrokenPipeError):
            return True

    wait_for("one that does not read is closed", 60, closed)
    wait_for_closed(server, "lmtp", idle_timeout=2)


def test_a_stalled_reader_is_closed(new_server):
    server = new_server(pop3="idle_timeout_s = 2")
    server.deliver([ALICE], b"Subject: x\r\n\r\n" + b"y" * 30_000_000 + b"\r\n")
    stalled = server.raw(timeout=60)
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.sendall(b"USER %s\r\nPASS %s\r\nRETR 1\r\n" % (ALICE.encode(), PASSWORDS[ALICE].encode()))
    for _ in range(4):
        assert read_line(stalled).startswith(b"+OK")

    def lease_is_free():
        client, _ = server.try_login(ALICE, PASSWORDS[ALICE])
        if client:
            client.quit()
        return client is not None

    wait_for("the stalled session is closed", 30, lease_is_free)
    wait_for_closed(server, idle_timeout=1)
    try:
        received = read_to_end(stalled)
    except ConnectionResetError:
        received = b""
    assert not received.endswith(b"\r\n.\r\n")


def test_a_slow_reader_of_what_the_kernel_holds_is_alive(new_server):
    server = new_server(pop3="idle_timeout_s = 3")
    server.deliver([ALICE], b"Subject: x\r\n\r\n" + (b"y" * 98 + b"\r\n") * 12_000)
    connection = logged_in(server)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # The rest waits in the server's kernel.
    connection.sendall(b"RETR 1\r\n")
    received = b""
    while not received.endswith(b"\r\n.\r\n"):  # Slower than the idle timeout, but steadily.
        piece = connection.recv(150_000)
        assert piece, f"closed after {len(received)} octets"
        received += piece
        time.sleep(0.4)
    connection.sendall(b"NOOP\r\n")
    assert read_line(connection).startswith(b"+OK")


def test_a_session_whose_account_is_removed_ends(server):
    server.deliver([ALICE], b"Subject: x\r\n\r\nbody\r\n")
    connection = logged_in(server)
    server.run("user", "remove", ALICE)

    def told():
        connection.sendall(b"NOOP\r\n")
        return read_line(connection).startswith(b"-ERR [SYS/TEMP]")

    wait_for("the session is told", 20, told)
    assert read_to_end(connection) == b""
    wait_for("the log says why", 10, lambda: "end=lease_lost" in server.log())


# Who asks for TLS at once is closed without a word: a handshake is not worth a flood.
DOORS = {"pop3": (b"+OK", b"-ERR [SYS/TEMP]", b"CAPA"), "pop3s": (b"+OK", b"", b"CAPA"), "lmtp": (b"220", b"421 4.", b"LHLO mta.test")}


@pytest.mark.parametrize("port", DOORS)
def test_connections_beyond_the_limit_are_refused_and_others_go_on(new_server, port):
    greeting, refusal, command = DOORS[port]
    protocol = "lmtp" if port == "lmtp" else "pop3"
    server = new_server(workers=1, **{protocol: "connections_max = 20"})

    def connect():
        connection = server.raw(port)
        return server.tls().wrap_socket(connection, server_hostname="localhost") if port == "pop3s" else connection

    def has_room():
        try:
            with connect() as connection:
                return read_line(connection).startswith(greeting)
        except OSError:
            return False

    inside = [connect() for _ in range(20)]
    for connection in inside:
        assert read_line(connection).startswith(greeting)
    for _ in range(50):
        with server.raw(port) as beyond:
            told = told_to_end(beyond)
            assert told.startswith(refusal) and bool(told) == bool(refusal), told
    assert not has_room()
    assert server.metric("poplar_connections_refused_total", protocol=protocol, limit="connections_max") == 51
    for connection in inside:
        connection.sendall(command + b"\r\n")
        assert read_line(connection)[:3] in (b"+OK", b"250")
        connection.close()
    wait_for("room is made", 10, has_room)


def test_the_limit_of_an_address_holds_over_all_workers(new_server):
    server = new_server(workers=8, pop3="connections_per_address_max = 20")
    connections = [server.raw() for _ in range(60)]
    greetings = [read_line(connection) for connection in connections]
    inside = sum(greeting.startswith(b"+OK") for greeting in greetings)
    assert 20 <= inside < 28  # One more a worker at most, if they come at the same moment.
    assert sum(greeting.startswith(b"-ERR [SYS/TEMP]") for greeting in greetings) == 60 - inside


def test_few_descriptors_lower_the_limits(new_server):
    server = new_server(workers=1, wrapper=["prlimit", "--nofile=1024:1024"], pop3="connections_per_address_max = 5000")
    server.says("descriptor_limit")
    _, page = server.http("/metrics")
    most = int(re.search(r"^poplar_pop3_connections_max (\d+)", page, re.M)[1])
    assert 100 < most < 1024
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    others = [server.raw() for _ in range(most + 100)]
    greetings = [read_line(connection) for connection in others]
    assert sum(greeting.startswith(b"+OK") for greeting in greetings) == most - 1
    assert sum(greeting.startswith(b"-ERR [SYS/TEMP]") for greeting in greetings) == 101
    server.deliver([ALICE], b"Subject: x\r\n\r\nthere is room for mail\r\n")
    assert client.stat()[0] == 0  # As it was when it was opened.
    client.quit()
    for connection in others:
        connection.close()
    client = wait_for("room is made", 30, lambda: server.try_login(ALICE, PASSWORDS[ALICE])[0])
    assert b"there is room for mail" in client.retr(1)[1]
    client.quit()
    # It is said again only when it is another limit.
    server.reconfigure("connections_per_address_max = 5000", "connections_per_address_max = 4999")
    assert server.log().count(" descriptor_limit ") == 1
    server.reconfigure("connections_per_address_max = 4999", "connections_max = 4999")
    wait_for("it is another limit", 10, lambda: server.log().count(" descriptor_limit ") == 2)


def test_ten_wrong_passwords_end_the_connection(server):
    connection = server.raw(timeout=120)
    read_line(connection)
    refusals = 0
    while True:
        connection.sendall(b"USER %s\r\n" % ALICE.encode())
        if not read_line(connection).startswith(b"+OK"):
            break
        connection.sendall(b"PASS wrong %d\r\n" % refusals)
        line = read_line(connection)
        if not line:
            break
        assert line.startswith(b"-ERR [AUTH]"), line
        refusals += 1
        assert refusals <= 10
    assert refusals == 10
    # The owner, with the right password, is not locked out.
    server.pop3(ALICE, PASSWORDS[ALICE], timeout=120).quit()


def test_commands_behind_stls_are_dropped(server):
    connection = server.raw()
    read_line(connection)
    connection.sendall(b"STLS\r\nUSER %s\r\nPASS injected\r\n" % ALICE.encode())
    assert read_line(connection).startswith(b"+OK")
    tls = server.tls().wrap_socket(connection, server_hostname="localhost")
    tls.sendall(b"PASS %s\r\nCAPA\r\n" % PASSWORDS[ALICE].encode())
    assert read_line(tls).startswith(b"-ERR")  # No USER came through.
    assert read_line(tls).startswith(b"+OK")
    tls.close()


def test_garbage_instead_of_a_client_hello(server):
    for garbage in (b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100, bytes(random.Random(1).randbytes(5000)), b"\x16\x03\x01\xff\xff"):
        connection = server.raw("pop3s")
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        try:
            assert not read_to_end(connection).startswith(b"+OK")
        except ConnectionResetError:
            pass
        connection.close()
    server.pop3(ALICE, PASSWORDS[ALICE], "pop3s").quit()


COMMANDS = [b"USER " + ALICE.encode(), b"PASS " + PASSWORDS[ALICE].encode(), b"STAT", b"UIDL", b"RETR 1", b"DELE 1", b"DELE 3", b"TOP 2 0", b"QUIT"]


def read_reply(connection, command):
    """Its first line; what may follow is read, too."""
    first = read_line(connection)
    if first.startswith(b"+OK") and command[:4] in (b"UIDL", b"RETR", b"TOP "):
        while read_line(connection) != b".":
            pass
    return first


def wait_until_gone(server):
    wait_for("the connection is gone", 20, lambda: server.metric("poplar_pop3_connections") == 0)


def messages_of(server, user):
    client = server.pop3(user, PASSWORDS[user])
    count = client.stat()[0]
    client.quit()
    return count


@pytest.mark.parametrize("end", [end_in_order, end_by_reset])
def test_connections_cut_at_every_byte(server, end):
    """Each line that was whole is run and no other; before QUIT's own line end nothing is deleted."""
    for number in range(3):
        server.deliver([ALICE], b"Subject: %d\r\n\r\nbody\r\n" % number)
    script = b"".join(command + b"\r\n" for command in COMMANDS)
    line_ends = list(itertools.accumulate(len(command) + 2 for command in COMMANDS))
    for length in range(len(script)):
        connection = server.raw()
        assert read_line(connection).startswith(b"+OK")
        connection.sendall(script[:length])
        run = [command for command, line_end in zip(COMMANDS, line_ends) if line_end <= length]
        replies = [read_reply(connection, command) for command in run]
        assert all(reply.startswith(b"+OK") for reply in replies), replies
        assert b"STAT" not in run or replies[2].startswith(b"+OK 3 ")
        end(connection)
        wait_until_gone(server)
    cuts_behind = collections.Counter()
    for command, line_end in zip(COMMANDS, line_ends):
        cuts_behind[command.split()[0].decode()] += len(script) - line_end
    assert cuts_behind["PASS"] > 0 and cuts_behind["DELE"] > 0 and cuts_behind["QUIT"] == 0
    assert {verb: server.metric("poplar_pop3_commands_total", verb=verb) for verb in cuts_behind} == cuts_behind
    assert server.metric("poplar_pop3_logins_total", outcome="ok") == cuts_behind["PASS"]
    assert server.metric("poplar_pop3_messages_deleted_total") == 0 and messages_of(server, ALICE) == 3
    connection = server.raw()
    connection.sendall(script)
    assert read_to_end(connection).endswith(b"\r\n.\r\n+OK Goodbye\r\n")
    assert messages_of(server, ALICE) == 1


def test_a_quit_that_is_cut_deletes_all_or_nothing(server):
    left = 0
    for turn in range(20):
        for number in range(3):
            server.deliver([ALICE], b"Subject: %d\r\n\r\nbody\r\n" % number)
        connection = logged_in(server)
        for number in range(left + 3):
            connection.sendall(b"DELE %d\r\n" % (number + 1))
            assert read_line(connection).startswith(b"+OK")
        connection.sendall(b"QUIT\r\n")
        time.sleep(turn % 5 / 5_000)
        end_by_reset(connection)
        wait_until_gone(server)
        before, left = left, messages_of(server, ALICE)
        assert left in (0, before + 3)


def test_a_kicked_session_ends_and_deletes_nothing(server):
    server.deliver([ALICE], b"Subject: x\r\n\r\nbody\r\n")
    connection = logged_in(server)
    connection.sendall(b"DELE 1\r\n")
    assert read_line(connection).startswith(b"+OK")
    [session] = [s for s in server.run_json("session", "list") if s.get("user") == ALICE]
    server.run("session", "kick", session["id"])
    assert read_to_end(connection).startswith(b"-ERR [SYS/TEMP]")
    client = wait_for("the lease is free", 10, lambda: server.try_login(ALICE, PASSWORDS[ALICE])[0])
    assert client.stat()[0] == 1
    client.quit()


def test_kicking_a_user_in_any_case(server):
    server.add_user("Dora@Alpha.Example", "d")
    connection = logged_in(server, "dora@alpha.example", "d")
    [session] = server.run_json("session", "list", "--user", "DORA@alpha.example")
    server.run("session", "kick", "--user", session["user"].swapcase())
    assert read_line(connection).startswith(b"-ERR [SYS/TEMP]")


def test_a_second_session_is_in_use(server):
    first = logged_in(server)
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        server.pop3(ALICE, PASSWORDS[ALICE])
    with pytest.raises(poplib.error_proto, match="AUTH"):
        server.pop3(ALICE, "wrong")  # IN-USE is told after a correct password only.
    first.sendall(b"QUIT\r\n")
    assert read_line(first).startswith(b"+OK")
    server.pop3(ALICE, PASSWORDS[ALICE]).quit()  # The lease is free before the reply to QUIT travels.


def test_a_log_in_waits_for_a_close_under_way(new_server):
    """For a second at most; who closes takes long here, since the client does not read what it shall have before it is marked as read."""
    server = new_server(pop3="output_buffer_kib = 16384")
    server.run("tenant", "set", "alpha", "--expire-read", "30")
    wait_for("the policy is in force", 30, lambda: server.run_json("mailbox", "show", ALICE)["tenant"]["expire_read_days"] == 30)
    server.deliver([ALICE], b"Subject: x\r\n\r\n" + (b"y" * 98 + b"\r\n") * 70)
    closing = logged_in(server)
    closing.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    closing.sendall(b"RETR 1\r\n" * 240 + b"QUIT\r\n")  # In one piece, and more than the kernel takes.
    wait_for("the close is under way", 20, lambda: server.metric("poplar_pop3_commands_total", verb="QUIT") == 1)
    waits = lambda: (server.metric("poplar_pop3_lease_waits_total"), server.metric("poplar_pop3_lease_conflicts_total"))
    started = time.monotonic()
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        server.pop3(ALICE, PASSWORDS[ALICE])
    assert time.monotonic() - started > 1
    assert waits() == (1, 1)
    other = server.raw()
    other.sendall(b"USER %s\r\nPASS %s\r\n" % (ALICE.encode(), PASSWORDS[ALICE].encode()))
    wait_for("the other one waits", 20, lambda: waits() == (2, 1))
    assert read_to_end(closing).endswith(b"\r\n.\r\n+OK Goodbye\r\n")
    assert [read_line(other)[:3] for _ in range(3)] == [b"+OK"] * 3
    assert waits() == (2, 1)
    other.sendall(b"QUIT\r\n")
    assert read_to_end(other).startswith(b"+OK")


def test_half_a_login_over_tls_then_silence(new_server):
    server = new_server(pop3=f"login_timeout_s = {SLOWNESS}")
    assert told_to_end(server.raw("pop3s")) == b""  # No ClientHello within the login timeout.
    with strict_tls(server.tls(), server.raw("pop3s")) as tls:
        assert read_line(tls).startswith(b"+OK")
        assert read_to_end(tls).startswith(b"-ERR")
    wait_for_closed(server, login_timeout=2)
