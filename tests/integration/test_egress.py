"""A tenant's egress rate: who leaves while he waits for it, and when it is charged."""

import contextlib

from conftest import ALICE, BOB, PASSWORDS, set_egress
from poplar_server import wait_for
from test_drain import logged_in

LINE = b"x" * 70 + b"\r\n"


def waits(server):
    """How many waits there were, and the seconds that they were reckoned to last."""
    return [server.metric(f"poplar_pop3_egress_wait_seconds_{part}") for part in ("count", "sum")]


def get_ahead(server):
    """From here on the tenant waits for minutes; each message that waits adds one."""
    server.deliver([ALICE, BOB], b"Subject: x\r\n\r\n" + LINE * 5_000)
    set_egress(server, alpha=1)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.retr(1)
    client.quit()


def test_who_hangs_up_gives_his_maildrop_back(server):
    get_ahead(server)
    for pipelined in (b"", b"NOOP\r\n" * 2_000):  # More than is received ahead.
        gone = logged_in(server, BOB)
        before = waits(server)[0]
        gone.sendall(b"RETR 1\r\n" + pipelined)
        wait_for("he waits", 30, lambda: waits(server)[0] > before)
        gone.close()
        client = wait_for("his maildrop is free", 30, lambda: server.try_login(BOB, PASSWORDS[BOB])[0])
        client.quit()
    assert server.metric("poplar_pop3_messages_sent_total") == 1


def test_nobody_waits_for_who_has_hung_up(server):
    get_ahead(server)
    reckoned_s = []
    for _ in range(4):
        with contextlib.closing(server.pop3(f"recent:{BOB}", PASSWORDS[BOB])) as client:
            count, total_s = waits(server)
            client.sock.sendall(b"RETR 1\r\n")
            wait_for("he waits", 30, lambda: waits(server)[0] > count)
            reckoned_s.append(waits(server)[1] - total_s)
        wait_for("his session is over", 30, lambda: server.run_json("session", "list") == [])
    assert reckoned_s == sorted(reckoned_s, reverse=True)


def test_a_message_is_charged_while_it_goes_out(server):
    server.deliver([ALICE, BOB], b"Subject: x\r\n\r\n" + LINE * 100_000)
    set_egress(server, alpha=1)
    with contextlib.closing(logged_in(server, ALICE, receive_buffer=4096)) as slow:
        slow.sendall(b"RETR 1\r\n")
        wait_for("what has gone counts", 30, lambda: server.metric("poplar_pop3_message_octets_sent_total") > 20_000)
        client = server.pop3(BOB, PASSWORDS[BOB])
        client.sock.sendall(b"RETR 1\r\n")
        wait_for("another waits for it", 30, lambda: waits(server)[0] == 1)
        client.close()
        assert server.metric("poplar_pop3_messages_sent_total") == 0
