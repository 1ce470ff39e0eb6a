"""The default certificate's files are replaced while the server runs, as Kubernetes replaces what it mounts: no signal, no restart."""

import shutil
import socket
import ssl
from datetime import timezone

import pytest
from conftest import ALICE, PASSWORDS, populate
from cryptography import x509
from network import openssl
from poplar_server import PoplarServer, read_line, wait_for

LOOKS_SECONDS = 30  # The server looks every five.


class Mounted:
    """The server's tls/, as a kubelet keeps it: links to `..data`, which is a link to the folder that counts."""

    def __init__(self, server):
        self.folder = server.directory / "tls"
        first = self.folder / "..0"
        first.mkdir()
        for name in ("cert.pem", "key.pem"):
            (self.folder / name).rename(first / name)
            (self.folder / name).symlink_to(f"..data/{name}")
        self.data = self.folder / "..data"
        self.data.symlink_to(first.name)

    def put(self, certificate, key):
        folder = self.folder / f"..{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        shutil.copy(certificate, folder / "cert.pem")
        shutil.copy(key, folder / "key.pem")
        new = self.folder / "..data_tmp"
        new.symlink_to(folder.name)
        new.rename(self.data)


@pytest.fixture
def pair(tmp_path):
    """pair(NAME): a new self-signed certificate and its key."""

    def make(name):
        openssl(tmp_path, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                "-out", f"{name}.pem", "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        return tmp_path / f"{name}.pem", tmp_path / f"{name}.key"

    return make


def connect(server):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection(("127.0.0.1", server.ports["pop3s"]), timeout=30)
    tls = context.wrap_socket(raw)
    assert read_line(tls).startswith(b"+OK")
    return tls


def shown(server):
    with connect(server) as tls:
        return tls.getpeercert(binary_form=True)


def der(certificate):
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


def test_what_is_replaced_counts_by_itself(tmp_path, pair):
    server = populate(PoplarServer(tmp_path / "server"))
    mounted = Mounted(server)
    first = der(server.certificate)
    with server:
        before = server.pop3(ALICE, PASSWORDS[ALICE], "pop3s")
        assert shown(server) == first
        second, second_key = pair("second")
        mounted.put(second, second_key)
        wait_for("the second certificate is shown", LOOKS_SECONDS, lambda: shown(server) == der(second))
        server.says('certificate_replaced host=""')
        ends = x509.load_pem_x509_certificate(second.read_bytes()).not_valid_after.replace(tzinfo=timezone.utc)
        assert server.metric("poplar_tls_certificate_expiry_timestamp_seconds", of="default") == ends.timestamp()

        # One that cannot be used changes nothing, and is told once.
        third, third_key = pair("third")
        mounted.put(third, second_key)
        wait_for("it is told", LOOKS_SECONDS, lambda: "certificate_failed" in server.log())
        failed = lambda: server.metric("poplar_tls_certificate_loads_total", result="failed")
        wait_for("it is tried again", LOOKS_SECONDS, lambda: failed() >= 2)
        assert server.log().count("certificate_failed") == 1
        assert shown(server) == der(second)

        mounted.put(third, third_key)
        wait_for("the third certificate is shown", LOOKS_SECONDS, lambda: shown(server) == der(third))
        # Whoever was there has noticed nothing.
        before.noop()
        before.quit()
        assert " reloaded" not in server.log()
