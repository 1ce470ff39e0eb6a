"""LMTP as an MTA meets it, on TCP and on the Unix socket."""

import itertools
import os
import smtplib
import socket
import threading
import time

import pytest
from conftest import ALICE, BOB, CAROL, PASSWORDS
from poplar_server import end_by_reset, end_in_order, lmtp_transaction, read_line, wait_for

MIB = 1 << 20
SANITIZED = bool(os.environ.get("POPLAR_SANITIZE"))


def count(server, address):
    client = server.pop3(address, PASSWORDS[address])
    messages = client.stat()[0]
    client.quit()
    return messages


def test_recipients_of_several_tenants_in_one_transaction(server):
    with server.lmtp() as client:
        client.docmd("LHLO", "mta.test")
        client.docmd("MAIL", "FROM:<a@mta.test>")
        assert client.docmd("RCPT", f"TO:<{ALICE}>")[0] == 250
        code, text = client.docmd("RCPT", "TO:<nobody@alpha.example>")
        assert (code, text[:5]) == (550, b"5.1.1")
        assert client.docmd("RCPT", "TO:<someone@elsewhere.example>")[0] == 550
        assert client.docmd("RCPT", f"TO:<{CAROL.upper()}>")[0] == 250
        assert client.docmd("RCPT", f"TO:<{BOB}>")[0] == 250
        assert client.docmd("DATA")[0] == 354
        client.send(b"Subject: three\r\n\r\nbody\r\n.\r\n")
        replies = [client.getreply() for _ in range(3)]
        assert [code for code, _ in replies] == [250] * 3
        assert all(text.startswith(b"2.") for _, text in replies)
    assert [count(server, address) for address in (ALICE, BOB, CAROL)] == [1, 1, 1]


def test_unix_socket(server):
    with smtplib.LMTP(str(server.directory / "run/lmtp.sock")) as client:
        assert client.sendmail("a@mta.test", [ALICE], b"Subject: unix\r\n\r\n") == {}
    assert count(server, ALICE) == 1


def test_subaddress_and_delimiter(new_server):
    server = new_server(lmtp='subaddress_delimiter = "-"')
    with server.lmtp() as client:
        client.docmd("LHLO", "mta.test")
        client.docmd("MAIL", "FROM:<a@mta.test>")
        assert client.docmd("RCPT", "TO:<alice-lists@alpha.example>")[0] == 250
        assert client.docmd("RCPT", "TO:<alice+lists@alpha.example>")[0] == 550
        assert client.data(b"Subject: lists\r\n\r\n")[0] == 250
    assert count(server, ALICE) == 1


def test_a_subaddress_is_its_user_s(server):
    with server.lmtp() as client:
        assert client.sendmail("a@mta.test", ["alice+lists@alpha.example"], b"Subject: plus\r\n\r\n") == {}
    assert count(server, ALICE) == 1 and count(server, BOB) == 0


def test_the_size_limit(new_server):
    server = new_server(lmtp="message_mib_max = 1")
    with server.lmtp() as client:
        client.docmd("LHLO", "mta.test")
        code, text = client.docmd("MAIL", f"FROM:<a@mta.test> SIZE={2 * MIB}")
        assert (code, text[:5]) == (552, b"5.3.4")
        client.docmd("MAIL", "FROM:<a@mta.test>")
        client.docmd("RCPT", f"TO:<{ALICE}>")
        client.docmd("DATA")
        client.send(b"x" * 998 + b"\r\n")
        for _ in range(3 * MIB // 1000):
            client.send(b"y" * 998 + b"\r\n")
        client.send(b".\r\n")
        code, text = client.getreply()
        assert (code, text[:5]) == (552, b"5.3.4")
        assert client.docmd("NOOP")[0] == 250
    assert count(server, ALICE) == 0


def test_only_crlf_dot_crlf_ends_a_message(server):
    with server.lmtp() as client:
        client.docmd("LHLO", "mta.test")
        client.docmd("MAIL", "FROM:<a@mta.test>")
        client.docmd("RCPT", f"TO:<{ALICE}>")
        client.docmd("DATA")
        client.send(b"Subject: smuggled\r\n\r\nx\n.\nMAIL FROM:<evil@mta.test>\r\nx\n.\r\nRCPT TO:<x>\r\nx\r\n.\nDATA\r\n.\r\n")
        assert client.getreply()[0] == 250
        assert client.docmd("NOOP")[0] == 250
    assert count(server, ALICE) == 1


# What an MTA sends, each part with the code that it is answered then.
ENVELOPE = [(b"LHLO mta.test\r\n", b"250"), (b"MAIL FROM:<a@mta.test>\r\n", b"250"), (b"RCPT TO:<%s>\r\n" % ALICE.encode(), b"250")]
MESSAGE = b"Subject: cut\r\n\r\n", b"line\r\n.\r\n"  # BDAT knows no dots.
CONTENTS = {
    "DATA": [(b"DATA\r\n", b"354"), (b"".join(MESSAGE), b"250")],
    "BDAT": [(b"BDAT %d\r\n" % len(MESSAGE[0]) + MESSAGE[0], b"250"), (b"BDAT %d LAST\r\n" % len(MESSAGE[1]) + MESSAGE[1], b"250")],
}


def read_code(connection):
    line = read_line(connection)
    while line[3:4] == b"-":
        line = read_line(connection)
    return line[:3]


@pytest.mark.parametrize("verb", CONTENTS)
@pytest.mark.parametrize("end", [end_in_order, end_by_reset])
def test_a_cut_transaction_leaves_nothing(server, end, verb):
    """At every octet, with all replies read that are due by then."""
    parts = ENVELOPE + CONTENTS[verb]
    script = b"".join(part for part, _ in parts)
    part_ends = list(itertools.accumulate(len(part) for part, _ in parts))
    inside_message = 0
    for length in range(len(script)):
        connection = server.raw("lmtp")
        assert read_code(connection) == b"220"
        connection.sendall(script[:length])
        due = [code for (_, code), part_end in zip(parts, part_ends) if part_end <= length]
        assert [read_code(connection) for _ in due] == due
        inside_message += len(due) == len(parts) - 1
        end(connection)
        wait_for("the connection is gone", 20, lambda: server.metric("poplar_lmtp_connections") == 0)
    assert inside_message == len(parts[-1][0])
    assert server.metric("poplar_lmtp_commands_total", verb=verb) >= inside_message
    assert server.metric("poplar_lmtp_deliveries_total") == 0 and count(server, ALICE) == 0
    with server.raw("lmtp") as connection:
        connection.sendall(script)
        assert [read_code(connection) for _ in range(len(parts) + 1)] == [b"220", *(code for _, code in parts)]
    assert server.metric("poplar_lmtp_deliveries_total") == 1 and count(server, ALICE) == 1


def test_many_large_messages_at_once_stay_within_bounds(new_server):
    server = new_server(store="body_memory_mib = 16")
    size, senders = (2 * MIB, 8) if SANITIZED else (16 * MIB, 24)
    before = server.memory_bytes()
    peak = [0]
    done = threading.Event()

    def watch():
        while not done.is_set():
            peak[0] = max(peak[0], server.memory_bytes())
            time.sleep(0.02)

    failures = []

    def send(index):
        try:
            with server.lmtp(timeout=300) as client:
                client.ehlo_or_helo_if_needed()
                content = b"Subject: %d\r\n\r\n" % index + (b"z" * 997 + b"\r\n") * (size // 999)
                replies = lmtp_transaction(client, [ALICE, CAROL], content)
                assert [code for code, _ in replies] == [250, 250], replies
        except Exception as error:  # noqa: BLE001 - a thread reports what it saw
            failures.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    threads = [threading.Thread(target=send, args=(index,)) for index in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    watcher.join()
    assert not failures, failures
    assert count(server, ALICE) == senders
    if not SANITIZED:
        assert peak[0] - before < 48 * MIB, f"{(peak[0] - before) / MIB:.0f} MiB more for {senders} messages of 16 MiB"


@pytest.mark.parametrize("verb", ["HELO", "EHLO"])
def test_it_is_not_smtp(server, verb):
    connection = server.raw("lmtp")
    assert read_line(connection).startswith(b"220")
    connection.sendall(verb.encode() + b" mta.test\r\n")
    assert read_line(connection).startswith(b"5")


def test_pipelining_of_a_whole_transaction(server):
    with socket.create_connection(("127.0.0.1", server.ports["lmtp"]), timeout=30) as connection:
        connection.sendall(b"LHLO mta.test\r\nMAIL FROM:<a@mta.test>\r\nRCPT TO:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (ALICE.encode(), BOB.encode()))
        codes = []
        while len(codes) < 5:
            line = read_line(connection)
            if line[3:4] == b" ":
                codes.append(line[:3])
        assert codes == [b"220", b"250", b"250", b"250", b"250"]
        assert read_line(connection).startswith(b"354")
        connection.sendall(b"Subject: x\r\n\r\n.\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n")
        assert [read_line(connection)[:3] for _ in range(5)] == [b"250", b"250", b"250", b"250", b"221"]
