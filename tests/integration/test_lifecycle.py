"""Start, reload, drain, and what cannot start."""

import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time

import pytest
from conftest import ALICE, BOB, PASSWORDS
from poplar_server import POPLAR, SLOWNESS, PoplarServer, lmtp_transaction, read_line, read_to_end, wait_for
from refused_calls import IO_URING_SETUP, refusing


def test_ready_until_draining(new_server):
    server = new_server(drain_limit_s=20)
    assert server.http("/healthz")[0] == 200
    assert server.http("/readyz")[0] == 200
    server.deliver([ALICE], b"Subject: x\r\n\r\n" + b"y" * 30_000_000 + b"\r\n")

    idle = server.raw()
    assert read_line(idle).startswith(b"+OK")
    busy = server.raw(timeout=60)
    read_line(busy)
    busy.sendall(b"USER %s\r\nPASS %s\r\nRETR 1\r\n" % (ALICE.encode(), PASSWORDS[ALICE].encode()))
    assert read_line(busy).startswith(b"+OK")
    assert read_line(busy).startswith(b"+OK")
    head = read_line(busy)  # The reply is under way, and nobody reads it.
    assert head.startswith(b"+OK"), head

    server.signal(signal.SIGTERM)
    wait_for("readyz says 503", 10, lambda: server.http("/readyz")[0] == 503)
    assert server.http("/healthz")[0] == 200
    assert read_to_end(idle).startswith(b"-ERR [SYS/TEMP]")
    wait_for("new connections are refused", 5, lambda: refused(server.ports["pop3"]))
    message, last_word = read_to_end(busy).rsplit(b".\r\n", 1)
    assert len(message) == int(head.split()[1])
    assert last_word.startswith(b"-ERR [SYS/TEMP]")
    assert server.wait() == 0


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return False
    except ConnectionResetError:
        return False  # It was in the listener's queue as the listener was closed: the next is refused.
    except ConnectionRefusedError:
        return True


def test_a_delivery_in_flight_is_finished(new_server):
    server = new_server(drain_limit_s=20)
    connection = server.raw("lmtp")
    read_line(connection)
    connection.sendall(b"LHLO mta.test\r\n")
    while not read_line(connection).startswith(b"250 "):
        pass
    connection.sendall(b"MAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n" % ALICE.encode())
    for code in (b"250", b"250", b"354"):
        assert read_line(connection).startswith(code)
    connection.sendall(b"Subject: half\r\n")
    server.signal(signal.SIGTERM)
    time.sleep(0.3)
    connection.sendall(b"\r\nthe other half\r\n.\r\n")
    assert read_line(connection).startswith(b"250 2.")
    assert read_line(connection).startswith(b"421")
    assert server.wait() == 0
    server.start()
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    assert b"the other half" in client.retr(1)[1]
    client.quit()


def test_the_drain_has_a_limit(new_server):
    server = new_server(drain_limit_s=1)
    server.deliver([ALICE], b"Subject: x\r\n\r\n" + b"y" * 30_000_000 + b"\r\n")
    stuck = server.raw(timeout=60)
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.sendall(b"USER %s\r\nPASS %s\r\nRETR 1\r\n" % (ALICE.encode(), PASSWORDS[ALICE].encode()))
    for _ in range(4):
        assert read_line(stuck).startswith(b"+OK")
    arriving = server.raw("lmtp")
    arriving.sendall(b"LHLO mta.test\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: half\r\n" % ALICE.encode())
    while not read_line(arriving).startswith(b"354"):
        pass
    told = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait(30) == 0
    assert time.monotonic() - told < 5 * SLOWNESS  # The limit is a second.
    server.says("drain_cut connections=2")


def test_a_limit_of_a_file_s_size_is_a_full_disk(server):
    first = large_message(1)
    lmtp = server.lmtp()
    lmtp.ehlo("mta.test")
    assert code_of(lmtp, first) == 250
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    assert code_of(lmtp, large_message(2)) in (451, 452)
    assert server.process.poll() is None
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
    third = large_message(3)
    assert code_of(lmtp, third) == 250
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    assert client.stat()[0] == 2
    for number, sent in ((1, first), (2, third)):
        assert b"\r\n".join(client.retr(number)[1]).endswith(sent.rstrip())
    client.quit()


def code_of(lmtp, message):
    return lmtp_transaction(lmtp, [ALICE], message)[0][0]


def large_message(number):
    """Of more than a file may have there: a body of its own."""
    return b"Subject: %d\r\n\r\n" % number + b"%d: what is in it\r\n" % number * (1 << 18)


def test_closed_standard_descriptors_are_nobody_s(server):
    server.stop()
    server.process_options = {"preexec_fn": lambda: [os.close(fd) for fd in (0, 1)]}
    server.start()
    for fd in (0, 1):
        assert os.readlink(f"/proc/{server.process.pid}/fd/{fd}") == "/dev/null"
    assert server.pop3(ALICE, PASSWORDS[ALICE]).stat()[0] == 0


def test_a_drain_shows_who_is_waited_for(new_server):
    server = new_server(drain_limit_s=30)
    connection = server.raw("lmtp")
    read_line(connection)
    connection.sendall(b"LHLO mta.test\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n" % ALICE.encode())
    while not read_line(connection).startswith(b"354"):
        pass
    server.signal(signal.SIGTERM)
    wait_for("it drains", 10, lambda: "draining" in server.log())
    [session] = server.run_json("session", "list")
    assert session["state"] == "message"
    server.run("session", "kick", session["id"])
    assert server.wait() == 0


def test_removing_many_accounts_does_not_hold_up_the_end(new_server):
    count = 8_000
    server = new_server()
    with sqlite3.connect(server.directory / "users.db", timeout=30) as database:
        database.executemany("INSERT INTO removed_accounts (account, tenant, address, removed_s) VALUES (?, 1, 'x@alpha.example', 1)",
                             ((f"gone-{i}",) for i in range(count)))
    wait_for("the first are dropped", 30, lambda: "account=gone-" in server.log())
    server.stop()
    before = server.log()
    assert dropped(before) < count  # It did not wait for all of them,
    server.start()
    wait_for("all are dropped", 300, lambda: dropped(server.log()[len(before):]) == count)  # and forgot none.


def dropped(log):
    return len(set(re.findall(r"maildrop_removed .*account=(gone-\d+) ok=true", log)))


def certificate_seen(server):
    with socket.create_connection(("127.0.0.1", server.ports["pop3s"]), timeout=30) as raw:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(raw, server_hostname="localhost") as tls:
            return tls.getpeercert(binary_form=True)


def test_reload_takes_a_new_certificate_and_keeps_sessions(new_server, tmp_path):
    server = new_server()
    before = certificate_seen(server)
    running = server.pop3(ALICE, PASSWORDS[ALICE], "pop3s")
    server.run("init", str(tmp_path / "other"), config=False)
    for name in ("cert.pem", "key.pem"):
        shutil.copy(tmp_path / "other/tls" / name, server.directory / "tls" / name)
    server.signal(signal.SIGHUP)
    wait_for("the new certificate is shown", 10, lambda: certificate_seen(server) != before)
    assert running.noop().startswith(b"+OK")
    running.quit()


def test_reload_refuses_a_broken_file_and_keeps_the_old_one(new_server):
    server = new_server()
    before = certificate_seen(server)
    good = server.config_path.read_text()
    server.config_path.write_text(good.replace("[pop3s]", "[pop3s]\nlisen = 3"))
    server.signal(signal.SIGHUP)
    wait_for("the fault is logged", 10, lambda: "lisen" in server.log())
    server.says("poplar.toml:")
    (server.directory / "tls/cert.pem").write_text("no certificate")
    server.config_path.write_text(good)
    server.signal(signal.SIGHUP)
    wait_for("the fault is logged", 10, lambda: "cert.pem" in server.log())
    assert certificate_seen(server) == before
    server.pop3(ALICE, PASSWORDS[ALICE]).quit()


def test_reload_does_not_take_tls_away(new_server):
    server = new_server()
    good = server.config_path.read_text()
    without = re.sub(r'(certificate|key) = ".*"', r'\1 = ""', good)
    without = without.replace('[pop3s]\nlisten = ["127.0.0.1:0"]', "[pop3s]\nlisten = []")
    server.config_path.write_text(without)
    server.signal(signal.SIGHUP)
    wait_for("the reload is refused", 10, lambda: "reload_refused" in server.log())
    server.config_path.write_text(good)
    server.pop3(ALICE, PASSWORDS[ALICE], "pop3s").quit()


def test_drain_ends_while_connections_keep_coming(new_server):
    server = new_server(drain_limit_s=30)
    silent = [server.raw("pop3s") for _ in range(3)]  # In a handshake that never begins.
    stop = threading.Event()
    answers = []

    def knock():
        while not stop.is_set():
            try:
                with server.raw() as connection:
                    answers.append(read_to_end(connection)[-200:])
            except OSError:
                time.sleep(0.001)

    threads = [threading.Thread(target=knock) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    started = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    took = time.monotonic() - started
    stop.set()
    for thread in threads:
        thread.join()
    for connection in silent:
        connection.close()
    assert took < 20, f"the drain waited {took:.1f} s for clients that it should have told"
    assert "drain_cut" not in server.log()
    assert any(b"-ERR [SYS/TEMP]" in answer for answer in answers)


def test_one_process_a_store(server):
    second = server.run("serve", check=False)
    assert second.returncode != 0
    assert f"in use by process {server.process.pid}" in second.stderr.decode()


EX_UNAVAILABLE = 69
MEND = "allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile"


def old_kernel():
    """What uname says under setarch --uname-2.6."""
    return subprocess.run(["setarch", "--uname-2.6", "uname", "-r"], capture_output=True, check=True, timeout=60).stdout.decode().strip()


@pytest.mark.parametrize("errno, old, sentence", [
    (1, False, "io_uring is refused (EPERM) although kernel.io_uring_disabled does not forbid it, so a sandbox or container does: {mend}"),
    (38, False, "io_uring is absent (ENOSYS) from kernel {release}, which is new enough: it was built without CONFIG_IO_URING, "
                "or a sandbox hides it: {mend}"),
    (38, True, "this kernel ({release}) has no io_uring; Poplar needs Linux 6.1 or newer\n"),
], ids=["refused", "hidden", "old"])
def test_without_io_uring_it_says_so(new_server, errno, old, sentence):
    server = new_server()
    server.stop()
    command = [*refusing(IO_URING_SETUP, errno), os.path.abspath(POPLAR), "serve", "--config", str(server.config_path)]
    result = subprocess.run(["setarch", "--uname-2.6", *command] if old else command, capture_output=True, timeout=60)
    assert result.returncode == EX_UNAVAILABLE
    expected = sentence.format(mend=MEND, release=old_kernel() if old else os.uname().release)
    assert expected in result.stderr.decode(), result.stderr.decode()


def test_a_low_descriptor_limit_is_named(new_server):
    server = new_server()
    server.stop()
    result = subprocess.run(["prlimit", "--nofile=16:16", POPLAR, "serve", "--config", str(server.config_path)],
                            capture_output=True, timeout=60)
    assert result.returncode != 0
    assert "RLIMIT_NOFILE" in result.stderr.decode() or "descriptors" in result.stderr.decode()


def test_a_port_in_use_is_named(new_server):
    server = new_server()
    server.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = server.config_path.read_text()
        server.config_path.write_text(text.replace('listen = ["127.0.0.1:0", "[::1]:0"]', f'listen = ["127.0.0.1:{port}"]'))
        result = server.run("serve", check=False)
    assert result.returncode == 69
    assert f"listening on 127.0.0.1:{port}" in result.stderr.decode() and "another process listens there already" in result.stderr.decode()


def test_what_the_configuration_names_and_is_not_there(new_server):
    server = new_server()
    server.stop()
    text = server.config_path.read_text()
    for wrong, word in (("nowhere.pem", "there is no such file"), ("tls/key.pem", "certificate")):
        server.config_path.write_text(text.replace('certificate = "tls/cert.pem"', f'certificate = "{wrong}"'))
        result = server.run("serve", check=False)
        assert result.returncode == 78 and word in result.stderr.decode(), result
    server.config_path.write_text(text)
    (server.directory / "store").rename(server.directory / "elsewhere")
    result = server.run("serve", check=False)
    assert result.returncode == 78 and "is the store's file system mounted?" in result.stderr.decode(), result
    (server.directory / "elsewhere").rename(server.directory / "store")
    server.start()


def test_ipv6(server):
    with socket.create_connection(("::1", server.ports["pop3_v6"]), timeout=10) as connection:
        assert read_line(connection).startswith(b"+OK")


def test_a_machine_without_ipv6(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a network without IPv6")
    script = "ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 && exec \"$@\""
    wrapper = ["unshare", "--net", "--mount", "--", "sh", "-c", script, "sh"]
    if subprocess.run([*wrapper, "true"], capture_output=True, timeout=60).returncode != 0:
        pytest.skip("network namespaces are forbidden here")
    server = PoplarServer(tmp_path / "server", wrapper=wrapper)
    with server:
        server.says("listen_skipped")
        assert "pop3" in server.ports and "pop3_v6" not in server.ports


def test_mail_survives_sigkill_and_restart(new_server):
    server = new_server()
    server.deliver([ALICE, BOB], b"Subject: kept\r\n\r\nbody\r\n")
    client = server.pop3(BOB, PASSWORDS[BOB])
    uidl = client.uidl()[1]
    client.quit()
    server.kill()
    server.start()
    client = server.pop3(BOB, PASSWORDS[BOB])
    assert client.uidl()[1] == uidl
    assert b"body" in client.retr(1)[1]
    client.dele(1)
    client.quit()
    server.kill()
    server.start()
    client = server.pop3(BOB, PASSWORDS[BOB])
    assert client.stat()[0] == 0
    client.quit()


def test_sessions_go_on_while_many_stop(new_server):
    """Connections that end without QUIT delete nothing and free their lease."""
    server = new_server()
    server.deliver([ALICE], b"Subject: kept\r\n\r\nbody\r\n")

    def cut():
        with server.raw() as connection:
            read_line(connection)
            connection.sendall(b"USER %s\r\nPASS %s\r\nDELE 1\r\n" % (ALICE.encode(), PASSWORDS[ALICE].encode()))
            for _ in range(2):
                read_line(connection)

    for _ in range(30):
        thread = threading.Thread(target=cut)
        thread.start()
        thread.join()
    client = wait_for("the lease is free", 10, lambda: try_login(server))
    assert client.stat()[0] == 1
    client.quit()


def try_login(server):
    client, refusal = server.try_login(ALICE, PASSWORDS[ALICE])
    assert client or "[IN-USE]" in refusal, refusal
    return client
