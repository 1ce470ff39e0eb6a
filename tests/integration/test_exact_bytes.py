"""300 messages full of dots, bare CR and LF, NUL, 8-bit bytes and lines that cross every buffer edge come back byte for
byte, with exact sizes, plain and over TLS."""

import random
import socket

import pytest
from conftest import ALICE, PASSWORDS
from poplar_server import read_line

MESSAGES = 300
EDGES = [510, 511, 512, 513, 998, 1000, 2048, 4094, 4095, 4096, 4097, 8192, 16383, 16384, 16385, 32768, 65535, 65536, 65537, 131072]
BLOB = 1_300_000  # More than store.blob_threshold_kib.


def generated(seed):
    """What a client sends in DATA after dot-stuffing by CRLF lines, and before it."""
    random_source = random.Random(seed)
    pieces = [b"Subject: %d\r\n\r\n" % seed]
    alphabet = [b".", b"..", b"\r", b"\n", b"\r\n", b"\n.", b"\r\n.", b"\r\n..", b"\n.\n", b"\n.\r\n", b"\r.\r", b"\0", b"\xff\x80",
                b"a", b"word ", b"\r\n.x", b"\r\r\n", b"\r\n\r\n", b"From ", b"\n..\r\n"]
    size = random_source.choice([0, 1, 5, 50, 500, 5000])
    pieces += [random_source.choice(alphabet) for _ in range(size)]
    if seed % 3 == 0:
        pieces.append(b"x" * (random_source.choice(EDGES) + random_source.randint(-3, 3)))
        pieces.append(random_source.choice(alphabet))
    if seed % 50 in (0, 3):  # The one comes by DATA, of the other some by BDAT.
        pieces.append(random_source.randbytes(BLOB))
    return b"".join(pieces)


def stuffed_by_crlf(message):
    """What an MTA puts on the wire: a dot is doubled at the start of a CRLF line."""
    lines = message.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)


def stored(message):
    """What must come back: a lone LF is CRLF, a missing last line end is there, nothing else is touched."""
    normal = bytearray()
    for index, byte in enumerate(message):
        if byte == 10 and (index == 0 or message[index - 1] != 13):
            normal += b"\r\n"
        else:
            normal.append(byte)
    if not normal.endswith(b"\r\n"):
        normal += b"\r\n"
    return bytes(normal)


def by_bdat(index):
    """Every fourth message comes by BDAT, in two chunks: not stuffed at all."""
    return index % 4 == 3


def ended(message):
    """What DATA can carry ends with CRLF (RFC 5321 4.1.1.4)."""
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def deliver_all(server, messages):
    with socket.create_connection(("127.0.0.1", server.ports["lmtp"]), timeout=60) as lmtp:
        lmtp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = lmtp.makefile("rb")

        def expect(code):
            while True:
                line = replies.readline()
                assert line.startswith(code), line
                if line[3:4] == b" ":
                    return

        expect(b"220")
        lmtp.sendall(b"LHLO mta.test\r\n")
        expect(b"250")
        for index, message in enumerate(messages):
            if by_bdat(index):
                half = len(message) // 2
                lmtp.sendall(b"MAIL FROM:<s@mta.test>\r\nRCPT TO:<%s>\r\n" % ALICE.encode())
                expect(b"250")
                expect(b"250")
                lmtp.sendall(b"BDAT %d\r\n" % half + message[:half])
                lmtp.sendall(b"BDAT %d LAST\r\n" % (len(message) - half) + message[half:])
                expect(b"250")
                expect(b"250")
                continue
            lmtp.sendall(b"MAIL FROM:<s@mta.test>\r\nRCPT TO:<%s>\r\nDATA\r\n" % ALICE.encode())
            expect(b"250")
            expect(b"250")
            expect(b"354")
            data = stuffed_by_crlf(ended(message)) + b".\r\n"
            if index % 7 == 0:
                for start in range(0, len(data), max(1, len(data) // 40)):
                    lmtp.sendall(data[start : start + max(1, len(data) // 40)])
            else:
                lmtp.sendall(data)
            expect(b"250")
        lmtp.sendall(b"QUIT\r\n")
        expect(b"221")


def fetch_all(server, mode):
    """Sizes of LIST, and the wire bytes of each message with its head's size, fetched with pipelining."""
    client = server.pop3(ALICE, PASSWORDS[ALICE], mode, timeout=120)
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    total = client.stat()
    assert total == (len(sizes), sum(sizes))
    connection, reader = client.sock, client.file
    window, messages = 10, []
    for start in range(0, len(sizes), window):
        numbers = range(start + 1, min(start + window, len(sizes)) + 1)
        connection.sendall(b"".join(b"RETR %d\r\n" % n for n in numbers))
        for _ in numbers:
            head = reader.readline()
            assert head.startswith(b"+OK"), head
            lines = []
            while True:
                line = reader.readline()
                assert line, "the connection ended within a message"
                if line == b".\r\n" and (not lines or lines[-1].endswith(b"\r\n")):
                    break
                lines.append(line)
            messages.append((head, b"".join(lines)))
    client.quit()
    return sizes, messages


def unstuffed(wire):
    lines = wire.split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


@pytest.fixture
def filled(new_server):
    server = new_server(workers=2)
    messages = [generated(seed) for seed in range(MESSAGES)]
    deliver_all(server, messages)
    return server, [stored(message if by_bdat(index) else ended(message)) for index, message in enumerate(messages)]


def test_every_byte_comes_back(filled):
    server, expected = filled
    for mode in ("plain", "pop3s", "stls"):
        sizes, fetched = fetch_all(server, mode)
        assert len(fetched) == MESSAGES
        for index, (content, size, (head, wire)) in enumerate(zip(expected, sizes, fetched)):
            received = unstuffed(wire)
            start = received.index(b"Subject: %d\r\n" % index)
            front = received[:start]
            assert front.startswith(b"Return-Path: <s@mta.test>\r\nReceived: "), front
            assert received[start:] == content, f"{mode}: message {index} differs"
            assert size == len(received), f"{mode}: message {index} is announced with {size} octets and has {len(received)}"
            assert int(head.split()[1]) == size
    server.stop()
    server.start()
    sizes, fetched = fetch_all(server, "plain")
    assert [unstuffed(wire)[-len(content):] for content, (_, wire) in zip(expected, fetched)] == expected


def test_top_agrees_with_retr(filled):
    server, _ = filled
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.sock.settimeout(60)
    for number in range(1, MESSAGES + 1, 17):
        whole = retrieve(client, b"RETR %d\r\n" % number)
        head_end = whole.index(b"\r\n\r\n") + 4
        body_lines = whole[head_end:].split(b"\r\n")[:-1]
        for lines in (0, 1, 3, 100000):
            expected = whole[:head_end] + b"".join(line + b"\r\n" for line in body_lines[:lines])
            assert retrieve(client, b"TOP %d %d\r\n" % (number, lines)) == expected
    client.quit()


def retrieve(client, command):
    client.sock.sendall(command)
    head = client.file.readline()
    assert head.startswith(b"+OK"), head
    content = b""
    while True:
        line = client.file.readline()
        if line == b".\r\n" and (not content or content.endswith(b"\r\n")):
            return content
        assert line
        content += line
