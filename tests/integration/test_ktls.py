"""Kernel TLS, on kernels that have it (tests/kernel brings one): what comes is right, and it is the kernel that encrypts."""

import os
import random
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import ALICE, PASSWORDS, populate
from poplar_server import PoplarServer, forget, needs, read_line, strict_tls, wait_for

TCP_ULP, SOL_TLS, TLS_TX = 31, 282, 1  # Of linux/tcp.h, linux/socket.h, linux/tls.h.
TLS_STAT = Path("/proc/net/tls_stat")
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
SIZES = (1_000, 4_096, 16_000, 32_768, 65_536, 1_000_000, 26_000_000)
# Passwords are not what this is about, and a machine in software is slow.
CHEAP = 'hash = "sha512crypt"\n[auth]\nscram_iterations = 4096'
BIG = SIZES.index(1_000_000) + 1
FIRST_BY_SENDFILE = SIZES.index(16_000)  # What is smaller is copied: kSmallBodyBytesMax.


def kernel_has_tls():
    """Loads the module, too, as the server's first connection would."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as end:
        try:
            end.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        except OSError:
            return False
    return True


def kernel_takes_chacha20():
    crypto = struct.pack("=HH52x", 0x0303, 54)  # tls12_crypto_info_chacha20_poly1305, of linux/tls.h.
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as end:
        end.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        try:
            end.setsockopt(SOL_TLS, TLS_TX, crypto)
        except OSError:
            return False
    return True


@pytest.fixture(scope="module", autouse=True)
def kernel_tls():
    if not kernel_has_tls() and os.environ.get("POPLAR_VM"):
        pytest.fail("the kernel of tests/kernel/vm has no TLS, for which it is there")
    if not kernel_has_tls():
        pytest.skip("this kernel has no TLS: tests/kernel/vm brings one that has")


def kernel_transmitters():
    """Connections so far whose sending the kernel has encrypted: this server's, and any other's on this machine."""
    return next(int(line.split()[1]) for line in TLS_STAT.read_text().splitlines() if line.startswith("TlsTxSw"))


def make_body(octets, rng):
    """Wire form of about so many octets, without its end: dots, 8-bit octets, lines of all lengths."""
    if octets > 2_000_000:
        return b"".join(make_body(1_000_000, rng) for _ in range(2)) * (octets // 2_000_000)
    lines = [b"Subject: %d octets" % octets, b""]
    left = octets - 25
    while left > 2:
        line = rng.choice([b"..", b"..dots", rng.randbytes(rng.randrange(200)).translate(None, b"\r\n\0."), b"x" * 76])
        lines.append(line[: left - 2] if line[: left - 2] != b"." else b"x")
        left -= len(lines[-1]) + 2
    return b"\r\n".join(lines) + b"\r\n"


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory):
    """A server with one message of each size, and what its clients must see of each, its trace fields aside."""
    rng = random.Random(11)
    bodies = [make_body(size, rng) for size in SIZES]
    with populate(PoplarServer(tmp_path_factory.mktemp("ktls") / "server", users=CHEAP)) as server:
        for number, body in enumerate(bodies, 1):
            with socket.create_connection(("127.0.0.1", server.ports["lmtp"]), timeout=300) as mta:
                users = PASSWORDS if number == BIG else [ALICE]
                for line in ("LHLO mta.test", "MAIL FROM:<a@mta.test>", *(f"RCPT TO:<{user}>" for user in users), "DATA"):
                    mta.sendall(line.encode() + b"\r\n")
                read_until(mta, b"\r\n354 ", 1 << 20)
                mta.sendall(body + b".\r\n")
                for _ in users:
                    assert read_line(mta).startswith(b"250 "), "one reply a recipient"
        yield server, bodies


def read_until(connection, end, limit):
    """What comes, until `end` stands in it."""
    received = bytearray(b"\r\n")
    while end not in received[-65_600:]:
        piece = connection.recv(65_536)
        assert piece, f"the connection ended: {bytes(received[-200:])}"
        received += piece
        assert len(received) < limit
    return received


def command(connection, line):
    connection.sendall(line.encode() + b"\r\n")
    reply = read_line(connection)
    assert reply.startswith(b"+OK"), (line, reply)
    return reply


def connect(server, context, mode="pop3s", session=None, receive_buffer=None):
    """Greeted. An end without close_notify raises."""
    raw = socket.socket()
    raw.settimeout(300)
    if receive_buffer is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.connect(("127.0.0.1", server.ports["pop3s" if mode == "pop3s" else "pop3"]))
    if mode == "stls":
        read_line(raw)
        command(raw, "STLS")
    client = strict_tls(context, raw, session=session)
    if mode == "pop3s":
        read_line(client)
    return client


def log_in(client, user=ALICE):
    command(client, f"USER {user}")
    command(client, f"PASS {PASSWORDS[user]}")


def quit_well(client):
    command(client, "QUIT")
    assert client.recv(1) == b""  # An end without close_notify would raise.
    client.close()


def retr(client, number, body, pause=None):
    """Every octet that comes, compared; `pause` is called before each read."""
    client.sendall(b"RETR %d\r\n" % number)
    reply = read_line(client)
    assert reply.startswith(b"+OK"), reply
    received = bytearray()
    while not received.endswith(b"\r\n.\r\n"):
        if pause is not None:
            pause()
        piece = client.recv(65_536)
        assert piece, len(received)
        received += piece
    assert received.endswith(b"\r\n" + body + b".\r\n"), f"message {number} differs"
    assert received.startswith(b"Return-Path: <a@mta.test>\r\nReceived: ")


def context_of(server, version, ciphers=None):
    context = server.tls()
    context.minimum_version = context.maximum_version = VERSIONS[version]
    if ciphers is not None:
        context.set_ciphers(ciphers)
    return context


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", ["pop3s", "stls"])
def test_messages_of_all_sizes(mailbox, mode, version):
    server, bodies = mailbox
    transmitters = kernel_transmitters()
    kernel = server.metric("poplar_tls_kernel_total")
    lanes = {lane: server.metric("poplar_body_lane_uses_total", lane=lane) for lane in ("small", "sendfile")}
    client = connect(server, context_of(server, version), mode)
    log_in(client)
    for number, body in enumerate(bodies, 1):
        retr(client, number, body)
    # Pipelined: small ones together, then one by sendfile, then small ones again.
    client.sendall(b"RETR 1\r\nRETR 2\r\nRETR 6\r\nRETR 1\r\nNOOP\r\n")
    read_until(client, b"\r\n.\r\n+OK\r\n", 10_000_000)
    quit_well(client)
    assert kernel_transmitters() >= transmitters + 1
    assert server.metric("poplar_tls_kernel_total") == kernel + 1
    used = {lane: server.metric("poplar_body_lane_uses_total", lane=lane) - before for lane, before in lanes.items()}
    assert used["small"] == FIRST_BY_SENDFILE + 3
    # A message takes a use for each window of it.
    assert used["sendfile"] >= len(SIZES) - FIRST_BY_SENDFILE + 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", ["pop3s", "stls"])
def test_slow_readers(mailbox, mode, version):
    """The socket fills in the middle of a record, again and again, on several connections at a time; one of them takes the largest."""
    server, bodies = mailbox
    faults = []

    def read_slowly(user, seed):
        rng = random.Random(seed)
        try:
            largest = user == ALICE
            client = connect(server, context_of(server, version), mode, receive_buffer=262_144 if largest else 4_096 << seed)
            log_in(client, user)
            number, body = (len(SIZES), bodies[-1]) if largest else (1, bodies[BIG - 1])
            retr(client, number, body, lambda: time.sleep(rng.random() * (0.002 if largest else 0.02)))
            quit_well(client)
        except Exception as error:  # noqa: BLE001 - told by the test itself.
            faults.append(error)

    readers = [threading.Thread(target=read_slowly, args=(user, seed)) for seed, user in enumerate(PASSWORDS)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert not faults, faults


@pytest.mark.parametrize("version", VERSIONS)
def test_cold_mail(mailbox, version):
    """What is not in memory is read first, then copied: it is the kernel that encrypts it all the same."""
    server, bodies = mailbox
    kernel = server.metric("poplar_tls_kernel_total")
    copied = server.metric("poplar_body_lane_uses_total", lane="copy")
    client = connect(server, context_of(server, version))
    log_in(client)
    for pattern in ("*.seg", "*.blob"):
        for path in server.directory.rglob(pattern):
            forget(path)
    for number in (1, BIG, len(SIZES)):
        retr(client, number, bodies[number - 1])
    quit_well(client)
    assert server.metric("poplar_tls_kernel_total") == kernel + 1
    assert server.metric("poplar_body_lane_uses_total", lane="copy") > copied


@pytest.mark.parametrize("version", VERSIONS)
def test_resumed_sessions(mailbox, version):
    server, bodies = mailbox
    context = context_of(server, version)
    first = connect(server, context)
    log_in(first)
    retr(first, 5, bodies[4])
    session = first.session
    quit_well(first)
    transmitters = kernel_transmitters()
    resumed = connect(server, context, session=session)
    assert resumed.session_reused
    log_in(resumed)
    for number in (1, 5, BIG):
        retr(resumed, number, bodies[number - 1])
    quit_well(resumed)
    assert kernel_transmitters() >= transmitters + 1


@pytest.mark.parametrize("ciphers", ["ECDHE+AESGCM", "ECDHE+CHACHA20"])
def test_ciphers(mailbox, ciphers):
    """What the kernel does not know, OpenSSL encrypts, and nobody sees a difference."""
    server, bodies = mailbox
    by_the_kernel = "CHACHA20" not in ciphers or kernel_takes_chacha20()
    if os.environ.get("POPLAR_VM") and "CHACHA20" in ciphers:
        assert not by_the_kernel, "tests/kernel/vm leaves that module out, so that this test sees a cipher that is not taken"
    kernel = server.metric("poplar_tls_kernel_total")
    client = connect(server, context_of(server, "1.2", ciphers))
    assert client.cipher()[0].split("-")[2][:3] == ciphers.split("+")[1][:3]
    log_in(client)
    for number in (1, 3, 5, BIG):
        retr(client, number, bodies[number - 1])
    quit_well(client)
    assert server.metric("poplar_tls_kernel_total") == kernel + by_the_kernel


def s_client(server, *exchanges):
    """What OpenSSL's own client says. Of each exchange the first is a line, and the second what must come of it. A line that is k says
    that the client has a new key, K that it wants one of the server, too."""
    process = subprocess.Popen(
        [needs("openssl"), "s_client", "-connect", f"127.0.0.1:{server.ports['pop3s']}", "-tls1_3", "-crlf",
         "-CAfile", server.certificate, "-verify_return_error"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    os.set_blocking(process.stdout.fileno(), False)
    told = bytearray()

    def comes(what):
        """A piece at a time, so that the middle of a message is one."""
        before = len(told)
        try:
            told.extend(os.read(process.stdout.fileno(), 65_536))
        except BlockingIOError:
            return False
        return told.find(what, max(0, before - len(what))) >= 0

    try:
        for line, answer in [("", b"+OK"), *exchanges]:
            told.clear()
            if line:
                process.stdin.write(line.encode() + b"\n")
                process.stdin.flush()
            wait_for(f"{answer} of {line!r}", 120, lambda: comes(answer))  # noqa: B023 - called here.
        process.stdin.close()
        process.wait(timeout=120)
        told.extend(process.stdout.read() or b"")
        return bytes(told)
    finally:
        process.kill()
        process.wait()


LOG_IN = ((f"user {ALICE}", b"+OK"), (f"pass {PASSWORDS[ALICE]}", b"+OK"))


def test_a_new_key_of_the_client(mailbox):
    server, _ = mailbox
    ends = server.metric("poplar_tls_key_update_ends_total")
    s_client(server, *LOG_IN, ("k", b"KEYUPDATE"), ("retr 5", b"\n.\r\n"), ("quit", b"+OK"))
    assert server.metric("poplar_tls_key_update_ends_total") == ends


def test_a_new_key_that_the_client_wants_of_the_server(mailbox):
    """This kernel cannot take one: the connection ends in order, the maildrop is free at once, and others notice nothing."""
    server, bodies = mailbox
    other = connect(server, context_of(server, "1.3"))
    ends = server.metric("poplar_tls_key_update_ends_total")
    told = s_client(server, *LOG_IN, ("K", b"KEYUPDATE"))
    assert b"error" not in told.lower(), told
    assert server.metric("poplar_tls_key_update_ends_total") == ends + 1
    log_in(other)
    retr(other, 5, bodies[4])
    quit_well(other)


def test_a_new_key_that_is_wanted_in_the_middle_of_a_message(mailbox):
    """What is under way comes to its end, under the key that there is; then the connection ends in order."""
    server, _ = mailbox
    ends = server.metric("poplar_tls_key_update_ends_total")
    told = s_client(server, *LOG_IN, (f"retr {len(SIZES)}", b"\nSubject: "), ("K", b"\n.\r\n"))
    assert b"error" not in told.lower()[-2_000:], told[-2_000:]
    assert server.metric("poplar_tls_key_update_ends_total") == ends + 1


def test_switched_off(new_server):
    server = new_server(tls='ktls = "off"', users=CHEAP)
    client = connect(server, context_of(server, "1.3"))
    log_in(client)
    quit_well(client)
    assert server.metric("poplar_tls_kernel_total") == 0
