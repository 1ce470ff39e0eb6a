"""Two thousand tenants, each with a host and a certificate of its own: what clients are shown, a reload, and what it costs."""

import datetime
import ssl
import tempfile
from pathlib import Path

import pytest
from conftest import ALICE, PASSWORDS
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from databases import FOLDER
from poplar_server import wait_for
from test_sni import connect, default, log_in, serve, shown, works  # noqa: F401: a fixture is among them

COUNT = 2_000
HOSTS = [f"pop.customer{i}.example" for i in range(COUNT)]
SAMPLE = HOSTS[:: COUNT // 20]
USER = "anna@customer1234.example"
CERTIFICATE_BYTES_MAX = 100_000  # In memory. Enough to tell from something that grows by what it should not.


class Authority:
    """Signs certificates of one key, which is quick."""

    def __init__(self):
        self.ca_key, self.key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name.from_rfc4514_string("CN=a CA of a test")
        ca = self.builder(self.name, self.ca_key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.pem = ca.sign(self.ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        self.key_pem = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def builder(self, subject, key):
        now = datetime.datetime.utcnow()
        return x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number(), now - datetime.timedelta(days=1),
                                       now + datetime.timedelta(days=30))

    def write(self, folder):
        """For the host that it is called after. By renames, as certbot does."""
        folder.mkdir(exist_ok=True)
        names = x509.SubjectAlternativeName([x509.DNSName(folder.name)])
        made = self.builder(x509.Name([]), self.key).add_extension(names, critical=True).sign(self.ca_key, hashes.SHA256())
        for name, pem in (("privkey.pem", self.key_pem), ("fullchain.pem", made.public_bytes(serialization.Encoding.PEM))):
            (folder / "new").write_bytes(pem)
            (folder / "new").rename(folder / name)


@pytest.fixture
def folders(tmp_path):
    """`certs` and `tenants`, where thousands of files come and go quickly."""
    with tempfile.TemporaryDirectory(prefix="poplar-hosts-", dir=FOLDER) as directory:
        made = []
        for name in ("certs", "tenants"):
            made.append(Path(directory) / name)
            made[-1].mkdir()
            (tmp_path / name).symlink_to(made[-1])
        yield made


def test_two_thousand_certificates(folders, serve):
    certs, tenants = folders
    authority = Authority()
    for host in HOSTS:
        authority.write(certs / host)
    for i in range(COUNT):
        (tenants / f"customer{i}.toml").write_text(f'domains = ["customer{i}.example"]\n')
    server = serve()
    server.stop()
    server.config_path.write_text(server.config_path.read_text().replace("[users]\n", '[users]\ntenants = "../tenants"\n', 1))
    server.start()
    assert len(server.run_json("tenant", "list")) == COUNT + 2
    # Python checks that the name is the one that was asked for.
    trust = ssl.create_default_context(cadata=authority.pem.decode())
    for host in SAMPLE:
        connect(server, trust, host).close()
    assert shown(server, "pop.customer2000.example") == default(server)
    assert server.metric("poplar_tls_certificates_loaded") == len(SAMPLE), "nothing is read before it is asked for"
    server.add_user(USER, "annas")
    wait_for("without a domain she is her host's", 20, lambda: works(server, HOSTS[1234], "anna", "annas"))
    assert not works(server, HOSTS[1235], "anna", "annas")

    before = server.memory_bytes()
    loaded = server.metric("poplar_tls_certificates_loaded")
    for host in HOSTS:
        connect(server, trust, host).close()
    assert server.metric("poplar_tls_certificates_loaded") == COUNT
    each = (server.memory_bytes() - before) / (COUNT - loaded)
    print(f"{each:.0f} octets in memory for each certificate")
    assert each < CERTIFICATE_BYTES_MAX

    # One is exchanged, and a reload looks at once; of the others each stays as it is.
    sessions = [log_in(server, HOSTS[1234], "anna", "annas"), log_in(server, HOSTS[0], ALICE, PASSWORDS[ALICE])]
    shown_before = {host: shown(server, host) for host in SAMPLE}
    exchanged = SAMPLE[7]
    authority.write(certs / exchanged)
    server.reconfigure("[log]\n", "[log]\n# Read again.\n")
    shown_now = {host: shown(server, host) for host in SAMPLE}
    assert [host for host in SAMPLE if shown_now[host] != shown_before[host]] == [exchanged]
    connect(server, trust, exchanged).close()
    assert server.metric("poplar_tls_certificate_loads_total", result="failed") == 0
    # With less room those that were asked for last stay, and all are still shown.
    server.reconfigure("[tls]\n", "[tls]\ncertificates_loaded_max = 100\n")
    for host in HOSTS[: 10 * len(SAMPLE)]:
        connect(server, trust, host).close()
    assert server.metric("poplar_tls_certificates_loaded") == 100
    assert server.metric("poplar_tls_certificate_evictions_total") >= COUNT - 100
    for session in sessions:
        assert session.stat() == (0, 0)
        session.quit()
