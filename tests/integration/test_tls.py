"""TLS as clients meet it: versions, ALPN, tickets, the names of the certificate, close_notify."""

import signal
import ssl

import pytest
from conftest import ALICE, PASSWORDS
from poplar_server import SLOWNESS, read_line, read_to_end, strict_tls


def connect(server, context, name="localhost", session=None, ragged_end=True, port="pop3s"):
    """Without `ragged_end`, an end without close_notify raises."""
    raw = server.raw(port)
    if port == "pop3":
        read_line(raw)
        raw.sendall(b"STLS\r\n")
        assert read_line(raw).startswith(b"+OK")
    if not ragged_end:
        return strict_tls(context, raw, name, session)
    return context.wrap_socket(raw, server_hostname=name, session=session)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_and_close_notify(server, version):
    context = server.tls()
    context.minimum_version = context.maximum_version = version
    with connect(server, context, ragged_end=False) as tls:
        assert read_line(tls).startswith(b"+OK")
        tls.sendall(b"QUIT\r\n")
        assert read_line(tls).startswith(b"+OK")
        assert tls.recv(1) == b""  # An end without close_notify would raise.


def log_in(tls, password=PASSWORDS[ALICE]):
    tls.sendall(b"USER %s\r\nPASS %s\r\n" % (ALICE.encode(), password.encode()))
    return [read_line(tls) for _ in range(2)][1]


# What the server ends by itself: its setting, what brings it about once the client has logged in (None: no log-in), the last word.
ENDS = {
    "idle": ("idle_timeout_s = 1", lambda server, tls: None, b""),
    "age": (f"session_age_max_s = {SLOWNESS}", lambda server, tls: None, b"-ERR The session lasted too long"),
    "kick": ("", lambda server, tls: server.run("session", "kick", "--user", ALICE), b"-ERR [SYS/TEMP] The session was ended"),
    "drain": ("", lambda server, tls: server.signal(signal.SIGTERM), b"-ERR [SYS/TEMP] The server is shutting down; try again soon"),
    "bad commands": ("", lambda server, tls: tls.sendall(b"HELO\r\n" * 100), b"-ERR Too many bad commands"),
    "login timeout": (f"login_timeout_s = {SLOWNESS}", None, b"-ERR Logging in took too long"),
}


@pytest.mark.parametrize("port", ["pop3s", "pop3"])
@pytest.mark.parametrize("end", ENDS)
def test_every_end_in_order_has_its_close_notify(new_server, end, port):
    setting, bring_about, last_word = ENDS[end]
    server = new_server(pop3=setting)
    with connect(server, server.tls(), ragged_end=False, port=port) as tls:
        if port == "pop3s":
            assert read_line(tls).startswith(b"+OK")
        if bring_about is not None:
            assert log_in(tls).startswith(b"+OK")
            bring_about(server, tls)
        lines = read_to_end(tls).splitlines() or [b""]
        assert lines[-1] == last_word, lines
    if end == "drain":
        assert server.wait() == 0


def test_too_many_failures_end_with_close_notify(new_server):
    server = new_server(pop3="auth_failures_max = 2")
    with connect(server, server.tls(), ragged_end=False) as tls:
        read_line(tls)
        assert log_in(tls, "wrong").startswith(b"-ERR [AUTH] The user name")
        assert log_in(tls, "wrong again").startswith(b"-ERR [AUTH] Too many failed logins")
        assert tls.recv(1) == b""


def test_older_versions_are_refused(server):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        connect(server, context)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_the_names_of_the_certificate(server, name):
    with connect(server, server.tls(), name) as tls:
        assert read_line(tls).startswith(b"+OK")


def test_alpn(server):
    context = server.tls()
    context.set_alpn_protocols(["pop3"])
    with connect(server, context) as tls:
        assert tls.selected_alpn_protocol() == "pop3"
    context = server.tls()
    context.set_alpn_protocols(["http/1.1"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        connect(server, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tickets_resume_on_every_shard(server, version):
    context = server.tls()
    context.minimum_version = context.maximum_version = version
    with connect(server, context) as tls:
        read_line(tls)
        tls.sendall(b"NOOP\r\n")
        read_line(tls)
        session = tls.session
    for _ in range(8):
        with connect(server, context, session=session) as tls:
            read_line(tls)
            assert tls.session_reused


def test_login_over_stls(server):
    client = server.pop3(ALICE, PASSWORDS[ALICE], "stls")
    assert "STLS" not in client.capa()
    client.quit()
