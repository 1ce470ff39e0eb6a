"""What failed log-ins have to wait, by the addresses that real clients come from: all of 127.0.0.0/8 is this machine."""

import base64
import socket
import time

import pytest
from conftest import ALICE, BOB, PASSWORDS
from poplar_server import read_line, wait_for


def connect(server, source="127.0.0.1"):
    connection = socket.create_connection(("127.0.0.1", server.ports["pop3"]), timeout=60, source_address=(source, 0))
    assert read_line(connection).startswith(b"+OK")
    return connection


def send_login(connection, user, password):
    connection.sendall(f"USER {user}\r\nPASS {password}\r\n".encode())


def log_in(server, source, user, password):
    with connect(server, source) as connection:
        send_login(connection, user, password)
        assert read_line(connection).startswith(b"+OK")
        return read_line(connection).decode()


def delayed(server, **by):
    return server.metric("poplar_auth_delayed_total", **by)


@pytest.fixture
def serve(new_server):
    def make(**settings):
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        return new_server(workers=2, users=f"[auth]\n{lines}")

    return make


def test_a_guess_from_many_addresses_meets_the_owner_nowhere(serve):
    server = serve(penalty_after_user=3)
    assert log_in(server, "127.0.0.10", ALICE, PASSWORDS[ALICE]).startswith("+OK")
    for i in range(4):
        assert "[AUTH]" in log_in(server, f"127.0.1.{i + 1}", ALICE, f"guess {i}")
    assert delayed(server) == 0 and server.metric("poplar_auth_penalties_total", by="user") == 1
    wait_for("the log says so", 10, lambda: f"penalty by=user user={ALICE} peer=127.0.1.4" in server.log())
    assert "[AUTH]" in log_in(server, "127.0.1.5", ALICE, "guess 5")
    assert delayed(server, by="user") == 1, "whoever comes from elsewhere waits"
    server.run("user", "flush", ALICE)
    assert log_in(server, "127.0.0.10", ALICE, PASSWORDS[ALICE]).startswith("+OK")
    assert delayed(server) == 1, "she does not, where she is known"
    assert log_in(server, "127.0.1.6", BOB, PASSWORDS[BOB]).startswith("+OK")
    assert delayed(server) == 1, "nor does anybody else"
    # A name that nobody has is slowed down in the same way.
    for i in range(5):
        assert "[AUTH]" in log_in(server, f"127.0.2.{i + 1}", "nobody@alpha.example", f"guess {i}")
    assert delayed(server, by="user") == 2


def test_a_phone_with_an_old_password_is_counted_once(serve):
    server = serve(penalty_after=1)
    for _ in range(8):
        assert "[AUTH]" in log_in(server, "127.0.0.10", ALICE, "the old one")
    assert server.metric("poplar_auth_repeated_failures_total") == 7
    assert log_in(server, "127.0.0.10", BOB, PASSWORDS[BOB]).startswith("+OK")
    assert delayed(server) == 0


def test_a_refusal_is_told_in_steps(serve):
    server = serve(penalty_after=100, refusal_step_ms=700)

    def plain(user, password):
        return b"AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()) + b"\r\n"

    def told_after(words, reply):
        with connect(server) as connection:
            asked = time.monotonic()
            connection.sendall(words)
            if words.startswith(b"USER"):
                assert read_line(connection).startswith(b"+OK")
            assert reply in read_line(connection)
            return time.monotonic() - asked

    def at_the_first_step(words):
        took = told_after(words, b"[AUTH]")
        assert took >= 0.7
        return took < 1.4  # Where this machine has much to do it may be a later one.

    for words in (f"USER {ALICE}\r\nPASS wrong\r\n".encode(), plain(ALICE, "wrong"), plain("nobody@alpha.example", "wrong"),
                  plain("nobody@nowhere.example", "wrong")):
        wait_for("it is told at the first step", 30, lambda: at_the_first_step(words))
    wait_for("who is right does not wait for it", 30, lambda: told_after(plain(ALICE, PASSWORDS[ALICE]), b"+OK") < 0.7)
    # Who leaves is not waited for.
    left = connect(server)
    left.sendall(plain(ALICE, "wrong"))
    left.close()
    wait_for("it is over", 10, lambda: server.metric("poplar_connections_open", protocol="pop3") == 0)


def test_who_hangs_up_does_not_wait_on(serve):
    server = serve(penalty_after=0, penalty_delay_max_ms=10_000)
    guessing = [connect(server, "127.0.0.20") for _ in range(7)]
    for i, connection in enumerate(guessing):
        send_login(connection, f"nobody{i}@alpha.example", "guess")
    for connection in guessing:
        assert read_line(connection).startswith(b"+OK")
        assert b"[AUTH]" in read_line(connection)
    # From there the next one waits for ten seconds.
    waiting = [connect(server, "127.0.0.20") for _ in range(3)]
    for connection in waiting:
        send_login(connection, BOB, PASSWORDS[BOB])
    wait_for("all wait", 10, lambda: server.metric("poplar_auth_delayed") == 3)
    before = server.metric("poplar_pop3_connections")
    for connection in waiting:
        connection.close()
    wait_for("they are gone", 10, lambda: server.metric("poplar_auth_delays_cut_total", cut="client_left") == 3)
    wait_for("and so are their connections", 10, lambda: server.metric("poplar_pop3_connections") <= before - 3)
    assert server.metric("poplar_auth_delayed") == 0
    for connection in guessing:
        connection.close()


def test_too_many_that_wait_are_told_so(serve):
    server = serve(penalty_after=0, penalty_waiting_max=0)
    assert "[AUTH]" in log_in(server, "127.0.0.30", ALICE, "guess")
    assert "[SYS/TEMP]" in log_in(server, "127.0.0.30", BOB, PASSWORDS[BOB])
    assert log_in(server, "127.0.0.31", BOB, PASSWORDS[BOB]).startswith("+OK")
    assert server.metric("poplar_auth_delays_cut_total", cut="no_room") == 1


def test_a_challenge_counts_before_it_is_answered(serve):
    server = serve(mechanisms='["SCRAM-SHA-256"]')
    client_first = base64.b64encode(f"n,,n={ALICE},r=nonce".encode())
    guessing = [connect(server, "127.0.0.40") for _ in range(20)]
    for connection in guessing:
        connection.sendall(b"AUTH SCRAM-SHA-256 " + client_first + b"\r\n")
    wait_for("all but six wait", 10, lambda: delayed(server, by="address") == 14)
    for connection in guessing:
        connection.close()
    wait_for("nothing of them is left", 10, lambda: server.metric("poplar_auth_delayed") == 0)
