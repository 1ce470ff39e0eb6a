"""LMTP as an MTA meets it, on TCP and on the Unix socket."""

import os
import smtplib
import socket
import threading
import time

import pytest
from conftest import ALICE, BOB, CAROL, PASSWORDS
from poplar_server import lmtp_transaction, read_line

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


def test_a_cut_transaction_leaves_nothing(server):
    script = (b"LHLO mta.test\r\nMAIL FROM:<a@mta.test>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: cut\r\n\r\n" % ALICE.encode()
              + b"line\r\n" * 50 + b".\r")
    for length in range(0, len(script), 7):
        connection = server.raw("lmtp")
        connection.sendall(script[:length])
        connection.close()
    time.sleep(0.5)
    assert count(server, ALICE) == 0


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
