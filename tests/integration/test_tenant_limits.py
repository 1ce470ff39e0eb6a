"""A tenant's limits over addresses and workers: who is turned away, by which limit, and that it is told by its name."""

import poplib
import socket
import ssl
import time

import pytest
from conftest import ALICE, BOB, CAROL, PASSWORDS
from poplar_server import read_to_end, wait_for

EX_USAGE, EX_NOUSER = 64, 67
SHARD_BITS = 10  # Of a session's id; core/server/session_registry.h


class From(poplib.POP3):
    """A client on another address of this machine."""

    def __init__(self, server, source):
        self.source = source
        super().__init__("127.0.0.1", server.ports["pop3"], timeout=30)

    def _create_socket(self, timeout):
        return socket.create_connection((self.host, self.port), timeout, source_address=(self.source, 0))

    def peer(self):
        return "%s:%d" % self.sock.getsockname()

    def log_in(self, user, password):
        """OK, or what is said against it."""
        try:
            self.user(user)
            self.pass_(password)
        except poplib.error_proto as error:
            return error.args[0].decode()
        return "OK"


def set_rules(server, tenant, **rules):
    """Changes settings, and waits until the server goes by them."""
    before = server.log().count("policies_changed")
    options = [word for name, value in rules.items() for word in ("--" + name.replace("_", "-"), str(value))]
    server.run("tenant", "set", tenant, *options)
    wait_for("the server goes by it", 30, lambda: server.log().count("policies_changed") > before)


def refused(server, limit, tenant="alpha"):
    return server.metric("poplar_tenant_refused_total", tenant=tenant, limit=limit)


def shard_of(session):
    return int(session["id"]) % (1 << SHARD_BITS)


def clients_on_each_worker(server, source, count):
    """So many on each of the two workers, in turns; they are not logged in."""
    clients = []

    def by_worker():
        clients.append(From(server, source))
        shards = {session["peer"]: shard_of(session) for session in server.run_json("session", "list")}
        have = [[client for client in clients if shards.get(client.peer()) == worker] for worker in (0, 1)]
        return have if min(map(len, have)) >= count else None

    have = wait_for(f"{count} connections of {source} on each worker", 60, by_worker)
    return [client for pair in zip(*(some[:count] for some in have)) for client in pair]


def add_users(server, count):
    users = {f"user{number}@alpha.example": f"pass {number}" for number in range(count)}
    for user, password in users.items():
        server.add_user(user, password)
    return list(users.items())


@pytest.fixture
def quick(server):
    """A server with two workers that refuses without a pause."""
    server.reconfigure("[server]\n", "[server]\nrefusal_pause_ms = 0\n")
    return server


def test_sessions_of_an_address_hold_over_workers(quick):
    server = quick
    users = add_users(server, 10)
    set_rules(server, "alpha", sessions_per_address_max=3)
    clients = clients_on_each_worker(server, "127.0.0.2", 5)
    said = [client.log_in(*user) for client, user in zip(clients, users)]
    assert said[:3] == ["OK"] * 3, said
    assert all(text.startswith("-ERR [SYS/TEMP] Too many sessions") for text in said[3:]), said

    # It is told by its name, and no other limit is.
    assert refused(server, "sessions_per_address_max") == 7
    assert refused(server, "sessions_max") == refused(server, "logins_per_minute") == 0
    assert refused(server, "sessions_per_address_max", "beta") == 0
    server.says("reason=\"too many sessions of the tenant from this address\"")
    assert "too many sessions of the tenant\"" not in server.log()

    # Another address has its own, and at this one another tenant's users.
    others = clients_on_each_worker(server, "127.0.0.3", 2)
    assert [client.log_in(*user) for client, user in zip(others, users[3:])] == ["OK"] * 3 + [said[3]]
    assert From(server, "127.0.0.2").log_in(CAROL, PASSWORDS[CAROL]) == "OK"

    # A place that is given back is had by one more, on whichever worker.
    clients[0].quit()
    late = clients_on_each_worker(server, "127.0.0.2", 1)
    wait_for("the place is free", 10, lambda: late[0].log_in(*users[6]) == "OK")
    assert late[1].log_in(*users[7]) == said[3]
    assert server.metric("poplar_tenant_sessions", tenant="alpha") == 6


BURST, PER_S = 10, 1  # Of a limit of 60 a minute.


def holds(let_in, began_s):
    """Not more than one worker alone would let in, however slow this machine is."""
    return BURST <= let_in <= BURST + PER_S * (time.monotonic() - began_s) * 1.05 + 1


def test_logins_a_minute_hold_over_workers(quick):
    server = quick
    set_rules(server, "alpha", logins_per_minute=60)
    waiting = clients_on_each_worker(server, "127.0.0.2", 20)
    let_in = 0
    began_s = time.monotonic()

    def enough(wanted):
        nonlocal waiting, let_in
        for client in waiting:
            client.sock.sendall(f"USER {ALICE}\r\nPASS {PASSWORDS[ALICE]}\r\n".encode())
        said = [(client, (client.file.readline(), client.file.readline())[1]) for client in waiting]
        waiting = [client for client, text in said if text.startswith(b"-ERR [SYS/TEMP] Too many sessions or log-ins")]
        let_in += len(said) - len(waiting)  # That her maildrop is in use is another matter.
        assert holds(let_in, began_s), let_in
        return let_in >= wanted

    enough(BURST)
    wait_for("some more, as time goes by", 60, lambda: enough(BURST + 3))
    assert refused(server, "logins_per_minute") >= 40 - BURST


def test_deliveries_a_minute_hold_over_workers(quick):
    server = quick
    set_rules(server, "alpha", deliveries_per_minute=60)
    connections = [server.raw("lmtp") for _ in range(16)]  # The kernel spreads them over the workers.
    words = ["LHLO mta.test", "MAIL FROM:<a@mta.test>", *[f"RCPT TO:<{ALICE}>"] * 5, "QUIT"]
    began_s = time.monotonic()
    for connection in connections:
        connection.sendall("".join(word + "\r\n" for word in words).encode())
    refusals = sum(read_to_end(connection).count(b"\r\n451 4.7.1") for connection in connections)
    assert holds(16 * 5 - refusals, began_s), refusals
    assert refused(server, "deliveries_per_minute") == refusals


def test_one_session_an_address_keeps_nobody_else_out(quick):
    server = quick
    users = add_users(server, 12)
    set_rules(server, "alpha", sessions_per_address_max=1)
    held = [From(server, f"127.0.1.{number + 1}") for number in range(len(users))]
    assert [client.log_in(*user) for client, user in zip(held, users)] == ["OK"] * len(users)
    for client in held:
        assert From(server, client.source).log_in(ALICE, PASSWORDS[ALICE]).startswith("-ERR [SYS/TEMP]")
    assert From(server, "127.0.1.99").log_in(ALICE, PASSWORDS[ALICE]) == "OK"
    assert refused(server, "sessions_per_address_max") == len(users)


def test_what_turns_a_user_away_is_told_by_its_name(quick):
    server = quick
    old_tls = server.tls()
    old_tls.maximum_version = ssl.TLSVersion.TLSv1_2
    holder = server.pop3(ALICE, PASSWORDS[ALICE])
    for limit, value, reason in [
        ("require_tls", "true", "the tenant requires TLS"),
        ("require_tls13", "true", "the tenant requires TLS 1.3"),
        ("mechanisms", "PLAIN", "the tenant does not allow this mechanism"),
        ("sessions_max", 1, "too many sessions of the tenant"),
        ("login_delay_s", 3600, "too soon after the last log-in"),
    ]:
        set_rules(server, "alpha", **{limit: value})
        if limit == "login_delay_s":
            server.pop3(BOB, PASSWORDS[BOB]).quit()
        client = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=old_tls) if limit == "require_tls13" else server.pop3()
        with pytest.raises(poplib.error_proto):
            client.user(BOB)
            client.pass_(PASSWORDS[BOB])
        client.close()
        server.says(f'reason="{reason}"')
        assert refused(server, limit) == 1, limit
        set_rules(server, "alpha", **{limit: "default"})
    assert server.metric("poplar_tenant_refused_total", tenant="alpha") == 5
    assert server.metric("poplar_tenant_refused_total", tenant="beta") == 0
    holder.quit()


def is_told_of_its_end(client):
    client.sock.settimeout(30)
    return client.file.readline() == b"-ERR [SYS/TEMP] The session was ended\r\n" and client.file.readline() == b""


def log_all_in(server, users):
    """On both workers."""
    clients = clients_on_each_worker(server, "127.0.0.2", len(users) // 2)
    assert [client.log_in(*user) for client, user in zip(clients, users)] == ["OK"] * len(users)
    return clients


def are_gone(server, clients):
    for client in clients:
        client.close()
    wait_for("none is listed", 10, lambda: all(session.get("tenant") != "alpha" for session in server.run_json("session", "list")))
    assert server.metric("poplar_tenant_sessions", tenant="alpha") == 0


def test_sessions_of_a_tenant_are_ended_and_no_others(quick):
    server = quick
    users = add_users(server, 6)
    other = server.pop3(CAROL, PASSWORDS[CAROL])
    clients = log_all_in(server, users)

    # What is set holds for who comes back at once, though nothing was waited for.
    server.run("tenant", "set", "alpha", "--sessions-max", "2")
    assert server.run("session", "kick", "--tenant", "alpha").stdout.startswith(b"6 sessions told to end")
    assert all(map(is_told_of_its_end, clients))
    are_gone(server, clients)
    back = [From(server, "127.0.0.2") for _ in range(3)]
    said = [client.log_in(*user) for client, user in zip(back, users)]
    assert said[:2] == ["OK", "OK"] and said[2].startswith("-ERR [SYS/TEMP]"), said
    other.noop()

    server.run("tenant", "set", "alpha", "--sessions-max", "0")
    assert server.run("session", "kick", "--tenant", "alpha").stdout.startswith(b"2 sessions told to end")
    are_gone(server, back)
    result = server.run("session", "kick", "--tenant", "alpha", check=False)
    assert result.returncode == EX_NOUSER and b"there is no session of tenant alpha" in result.stderr
    assert server.run("session", "kick", "--tenant", "alpha", "--user", ALICE, check=False).returncode == EX_USAGE

    # Switched off, with its sessions.
    clients = log_all_in(server, users)
    assert b"Ended 6 of its sessions." in server.run("tenant", "disable", "alpha", "--end-sessions").stdout
    assert From(server, "127.0.0.2").log_in(*users[0]).startswith("-ERR [AUTH]")
    assert all(map(is_told_of_its_end, clients))
    other.noop()

    # Without the word they go on, and it is told how to end them.
    server.run("tenant", "enable", "alpha")
    back = From(server, "127.0.0.2")
    wait_for("users get in", 30, lambda: back.log_in(*users[0]) == "OK")
    (client, *_) = clients = log_all_in(server, users[2:4]) + [back]
    assert b"`poplar session kick --tenant alpha` ends them" in server.run("tenant", "disable", "alpha").stdout
    client.noop()
    assert b"Ended 3 of its sessions." in server.run("tenant", "remove", "alpha", "--with-users", "--end-sessions").stdout
    assert From(server, "127.0.0.2").log_in(*users[0]).startswith("-ERR [AUTH]")
    assert all(map(is_told_of_its_end, clients))
    other.noop()
    other.quit()


def test_without_a_server_there_are_no_sessions_to_end(server):
    server.stop()
    for command in (("disable", "alpha"), ("remove", "alpha", "--with-users")):
        assert b"No server runs" in server.run("tenant", *command, "--end-sessions").stdout
