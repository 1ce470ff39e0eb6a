"""TLS as clients meet it: versions, ALPN, tickets, the names of the certificate, close_notify."""

import socket
import ssl

import pytest
from conftest import ALICE, PASSWORDS
from poplar_server import read_line


def connect(server, context, name="localhost", session=None, ragged_end=True):
    """Without `ragged_end`, an end without close_notify raises."""
    raw = socket.create_connection(("127.0.0.1", server.ports["pop3s"]), timeout=30)
    return context.wrap_socket(raw, server_hostname=name, session=session, suppress_ragged_eofs=ragged_end)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_and_close_notify(server, version):
    context = server.tls()
    context.minimum_version = context.maximum_version = version
    with connect(server, context, ragged_end=False) as tls:
        assert read_line(tls).startswith(b"+OK")
        tls.sendall(b"QUIT\r\n")
        assert read_line(tls).startswith(b"+OK")
        assert tls.recv(1) == b""  # An end without close_notify would raise.


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
