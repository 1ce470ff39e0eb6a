"""What tenants used, as a provider bills it."""

import json
import re
import socket

import pytest
from conftest import ALICE, BOB, PASSWORDS, set_egress
from poplar_server import read_line, wait_for

MESSAGE = b"Subject: hello\r\n\r\nHello.\r\n"
WRITTEN_SECONDS = 60  # Every ten, on a machine that has nothing else to do.


def usage_of(server, tenant, *options):
    rows = {row["tenant"]: row for row in json.loads(server.run("tenant", "usage", "--json", *options).stdout)}
    return rows[tenant]


def test_usage_can_be_billed(server):
    server.deliver([ALICE, BOB], MESSAGE)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.retr(1)
    octets = client.stat()[1]
    client.quit()
    stored = usage_of(server, "alpha")["storage"]
    assert stored["messages"] == 2 and stored["octets"] == 2 * octets
    server.stop()
    server.start()  # What was used stays known.
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.quit()
    server.stop()
    alpha = usage_of(server, "alpha")
    assert alpha == {"tenant": "alpha", "id": alpha["id"], "sessions": 2, "messages_in": 2, "octets_in": 2 * octets,
                     "messages_out": 1, "octets_out": alpha["octets_out"], "storage": None}
    assert octets <= alpha["octets_out"] <= octets + 10  # On the wire: the terminator too.
    assert usage_of(server, "beta")["sessions"] == 0
    assert [row["sessions"] for row in json.loads(server.run("tenant", "usage", "alpha", "--by-day", "--json").stdout)] == [2]
    assert usage_of(server, "alpha", "--until", "2020-01-01")["sessions"] == 0
    server.start()


def test_usage_is_written_without_a_page_of_metrics(server, tmp_path):
    def delivered():
        return usage_of(server, "alpha")["messages_in"]

    server.stop()
    text = server.config_path.read_text()
    assert text.count('[http]\nlisten = "127.0.0.1:0"') == 1
    server.config_path.write_text(text.replace('[http]\nlisten = "127.0.0.1:0"', '[http]\nlisten = ""'))
    server.start()
    server.deliver([ALICE], MESSAGE)
    server.stop()
    assert delivered() == 1
    # What is imported is not counted, whether or not a server runs.
    for folder in ("cur", "new"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    (tmp_path / "Maildir/new/1275660208.M1P1.h").write_bytes(MESSAGE)
    server.run("import", "maildir", "--user", ALICE, str(tmp_path / "Maildir"))
    assert delivered() == 1
    server.start()


def test_usage_of_a_removed_tenant_is_not_its_successors(server):
    def rows():
        return [row for row in json.loads(server.run("tenant", "usage", "--json").stdout) if row["tenant"] == "alpha"]

    server.deliver([ALICE, BOB], MESSAGE)
    first = json.loads(server.run("tenant", "show", "alpha", "--json").stdout)["id"]
    wait_for("what came in is written", WRITTEN_SECONDS, lambda: [row["messages_in"] for row in rows()] == [2])
    server.run("tenant", "remove", "alpha", "--with-users")
    wait_for("it is gone", 30, lambda: 'tenant="alpha"' not in server.http("/metrics")[1])
    server.add_tenant("alpha", "alpha.example")
    server.add_user(ALICE, PASSWORDS[ALICE])
    wait_for("it is there again", 30, lambda: 'tenant="alpha"' in server.http("/metrics")[1])
    second = json.loads(server.run("tenant", "show", "alpha", "--json").stdout)["id"]
    server.deliver([ALICE], MESSAGE)
    wait_for("both have used something", WRITTEN_SECONDS, lambda: [row["messages_in"] for row in rows()] == [2, 1])
    assert [(row["id"], row["storage"] and row["storage"]["messages"]) for row in rows()] == [(first, None), (second, 1)]
    table = server.run("tenant", "usage", "alpha").stdout.decode().splitlines()
    assert [line.split()[1] for line in table[1:3]][0] == "-", table


def test_what_was_fetched_survives_a_crash(server):
    """In a session that never ended: what counts is that the messages went, and when."""
    large = b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * 10_000
    server.deliver([ALICE], MESSAGE)
    server.deliver([ALICE], large)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    octets = client.stat()[1]
    client.retr(1)
    client.retr(2)

    def fetched():
        alpha = usage_of(server, "alpha")
        return alpha["messages_out"], alpha["octets_out"]

    whole = (2, octets + 2 * len(b".\r\n"))
    wait_for("it is written", WRITTEN_SECONDS, lambda: fetched() == whole)
    client.noop()
    server.kill(running=True)
    assert fetched() == whole
    assert usage_of(server, "alpha")["messages_in"] == 2


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_a_message_that_is_cut_counts_as_far_as_it_went(server, port):
    message = b"Subject: x\r\n\r\n" + (b"y" * 998 + b"\r\n") * 25_000
    server.deliver([ALICE], message)
    set_egress(server, alpha=1)
    connection = server.raw(port)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    if port == "pop3s":
        connection = server.tls().wrap_socket(connection, server_hostname="localhost")
    connection.sendall(b"USER %s\r\nPASS %s\r\nRETR 1\r\n" % (ALICE.encode(), PASSWORDS[ALICE].encode()))
    for _ in range(4):
        assert read_line(connection).startswith(b"+OK")
    received = 0
    while received < 1_000_000:
        received += len(connection.recv(65_536))
    connection.close()
    ended = wait_for("the session ends", 30, lambda: re.search(r" session_end .* sent=(\d+) sent_octets=(\d+) ", server.log()))
    assert ended[1] == "0"
    octets = int(ended[2])
    assert received <= octets < len(message), "the rest did not go"
    assert server.metric("poplar_pop3_bodies_cut_total") == 1
    assert server.metric("poplar_pop3_messages_sent_total") == server.metric("poplar_tenant_fetched_messages_total", tenant="alpha") == 0
    assert server.metric("poplar_pop3_message_octets_sent_total") == server.metric("poplar_tenant_fetched_octets_total", tenant="alpha") == octets
    # The next session waits for it.
    server.deliver([BOB], MESSAGE)
    client = server.pop3(BOB, PASSWORDS[BOB])
    client.sock.sendall(b"RETR 1\r\n")
    wait_for("the tenant is ahead of its rate", 30, lambda: server.metric("poplar_pop3_egress_wait_seconds_count") == 1)
    assert server.metric("poplar_pop3_egress_wait_seconds_sum") > received / 1024 / 2
    client.close()
    server.stop()
    alpha = usage_of(server, "alpha")
    assert (alpha["messages_out"], alpha["octets_out"]) == (0, octets)
