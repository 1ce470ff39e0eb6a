"""Certificates by the host that a client asks for, and the domain that its users may leave out there."""

import poplib
import signal
import socket
import ssl
import subprocess

import pytest
from conftest import ALICE, BOB, CAROL, PASSWORDS, populate
from network import openssl
from poplar_server import PoplarServer, needs, read_line, wait_for
from sasl_client import Refused, asker, encode, scram

POP, OTHER, WILD = "pop.alpha.example", "pop.beta.example", "_.gamma.example"


class Authority:
    """Signs certificates of hosts, into folders as certbot makes them."""

    def __init__(self, directory):
        directory.mkdir()
        self.directory = directory
        self.pem = directory / "ca.pem"
        openssl(directory, "req", "-x509", *self.new_key("ec"), "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=a CA of a test")

    @staticmethod
    def new_key(kind):
        return ["-newkey", "rsa:2048", "-nodes"] if kind == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def write(self, folder, kind="ec", suffix="", days=30):
        """For the host that `folder` is called after. The key and the certificate change as certbot changes them: by a rename."""
        folder.mkdir(parents=True, exist_ok=True)
        host = folder.name.replace("_.", "*.")
        openssl(self.directory, "req", *self.new_key(kind), "-keyout", "key", "-out", "csr", "-subj", "/")
        (self.directory / "extension").write_text(f"subjectAltName=critical,DNS:{host}\n")
        openssl(self.directory, "x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days),
                "-extfile", "extension", "-out", "certificate")
        (self.directory / "certificate").rename(folder / f"fullchain{suffix}.pem")
        (self.directory / "key").rename(folder / f"privkey{suffix}.pem")

    def trust(self):
        return ssl.create_default_context(cafile=self.pem)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


@pytest.fixture
def serve(tmp_path):
    """serve(settings of [tls], more sections): a server whose certificates of hosts stand in `certs`."""
    made = []

    def make(tls="", more=""):
        server = populate(PoplarServer(tmp_path / f"server{len(made)}"))
        made.append(server)
        text = server.config_path.read_text()
        server.config_path.write_text(text.replace("[tls]", f'[tls]\ncertificates = "../certs"\n{tls}') + more)
        return server.start()

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def certs(tmp_path):
    (tmp_path / "certs").mkdir()
    return tmp_path / "certs"


def connect(server, context, host, session=None):
    raw = socket.create_connection(("127.0.0.1", server.ports["pop3s"]), timeout=30)
    tls = context.wrap_socket(raw, server_hostname=host, session=session)
    assert read_line(tls).startswith(b"+OK")
    return tls


def any_certificate():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def shown(server, host):
    """The certificate that is shown to who asks for `host`, in DER."""
    with connect(server, any_certificate(), host) as tls:
        return tls.getpeercert(binary_form=True)


def default(server):
    return ssl.PEM_cert_to_DER_cert(server.certificate.read_text())


class HostPop3(poplib.POP3_SSL):
    """Asks for its host, but goes to this machine."""

    def _create_socket(self, timeout):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout)
        return self.context.wrap_socket(raw, server_hostname=self.host)


def client_of(server, host, mode="pop3s"):
    if mode == "pop3s":
        return HostPop3(host, server.ports["pop3s"], context=any_certificate(), timeout=30)
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=30)
    if mode == "stls":
        client.host = host
        client.stls(any_certificate())
    return client


def log_in(server, host, user, password, mode="pop3s"):
    client = client_of(server, host, mode)
    client.user(user)
    client.pass_(password)
    return client


def refusal(server, host, user, password):
    with pytest.raises(poplib.error_proto) as error:
        log_in(server, host, user, password)
    return error.value.args[0]


def test_every_host_has_its_own(serve, authority, certs):
    hosts = [f"pop.customer{i}.example" for i in range(40)]
    for host in [*hosts, WILD]:
        authority.write(certs / host)
    server = serve()
    for host in [*hosts, *hosts[:5], "pop.gamma.example", "mail.gamma.example"]:
        connect(server, authority.trust(), host).close()  # Python checks the name.
    for host in ("pop.customer40.example", "gamma.example", "a.b.gamma.example", "x" * 63 + ".example", "127.0.0.1"):
        assert shown(server, host) == default(server), host
    assert server.metric("poplar_tls_certificates_loaded") == 41
    assert server.metric("poplar_tls_certificate_loads_total", result="ok") == 41
    assert server.metric("poplar_tls_server_names_total", certificate="own") == 47
    expiry = server.metric("poplar_tls_certificate_expiry_timestamp_seconds", of="hosts")
    assert expiry < server.metric("poplar_tls_certificate_expiry_timestamp_seconds", of="default")


def test_curl_takes_it(serve, authority, certs):
    authority.write(certs / POP)
    server = serve()
    server.deliver([ALICE], b"Subject: one\r\n\r\nby name\r\n")
    url = f"pop3s://{POP}:{server.ports['pop3s']}/1"
    fetched = subprocess.run([needs("curl"), "-sS", "--resolve", f"{POP}:{server.ports['pop3s']}:127.0.0.1", "--cacert", authority.pem, "-u",
                              f"alice:{PASSWORDS[ALICE]}", url], capture_output=True, timeout=60)
    assert fetched.returncode == 0, fetched.stderr
    assert b"by name" in fetched.stdout


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_two_kinds_of_keys(serve, authority, certs, version):
    authority.write(certs / POP)
    authority.write(certs / POP, kind="rsa", suffix="-rsa")
    authority.write(certs / OTHER, kind="rsa")
    server = serve()

    def kind_shown(host, signatures):
        """To who can check such signatures only. Not whether the chain is good: its own signature is ECDSA's."""
        said = subprocess.run([needs("openssl"), "s_client", "-connect", f"127.0.0.1:{server.ports['pop3s']}", "-servername", host, version,
                               "-sigalgs", signatures], input=b"QUIT\n", capture_output=True, timeout=60).stdout.decode()
        return next((line.split(": ")[1] for line in said.splitlines() if line.startswith("Peer signature type")), "none")

    assert kind_shown(POP, "ECDSA+SHA256") == "ECDSA"
    assert kind_shown(POP, "RSA-PSS+SHA256:RSA+SHA256").startswith("RSA")
    assert kind_shown(OTHER, "RSA-PSS+SHA256:RSA+SHA256").startswith("RSA")
    assert kind_shown(OTHER, "ECDSA+SHA256") == "none", "the default certificate would do, but is another's"


def test_replaced_under_running_sessions(serve, authority, certs):
    authority.write(certs / POP)
    server = serve()
    session = log_in(server, POP, ALICE, PASSWORDS[ALICE])
    before = shown(server, POP)
    authority.write(certs / POP)
    wait_for("the new certificate is shown", 30, lambda: shown(server, POP) != before)
    second = shown(server, POP)
    # One that is broken leaves the old one; a reload looks at once, and does not lose it either.
    (certs / POP / "fullchain.pem").write_text("half a certificate")
    server.signal(signal.SIGHUP)
    wait_for("the log says so", 30, lambda: shown(server, POP) == second and f"certificate_failed host={POP} kept=true" in server.log())
    assert server.metric("poplar_tls_certificate_loads_total", result="failed") >= 1
    # A host that is new, and one that goes.
    authority.write(certs / OTHER)
    wait_for("the new host has its own", 30, lambda: shown(server, OTHER) != default(server))
    (certs / OTHER / "fullchain.pem").unlink()
    (certs / OTHER / "privkey.pem").unlink()
    (certs / OTHER).rmdir()
    wait_for("the host has none any more", 30, lambda: shown(server, OTHER) == default(server))
    assert session.stat() == (0, 0)
    session.quit()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tickets_are_for_one_host(serve, authority, certs, version):
    for host in (POP, OTHER):
        authority.write(certs / host)
    server = serve()
    context = any_certificate()
    context.minimum_version = context.maximum_version = version

    def resumes(host, session):
        with connect(server, context, host, session) as tls:
            return tls.session_reused

    with connect(server, context, POP) as tls:
        tls.sendall(b"NOOP\r\n")
        read_line(tls)
        session = tls.session
    assert resumes(POP, session)
    assert not resumes(OTHER, session)
    assert not resumes("elsewhere.example", session)
    assert resumes(POP, session)


@pytest.mark.parametrize("mode", ["pop3s", "stls"])
def test_the_domain_may_be_left_out(serve, mode):
    server = serve(more='[auth]\nmechanisms = ["USER", "PLAIN", "LOGIN", "SCRAM-SHA-256"]\n')
    password = PASSWORDS[ALICE]
    log_in(server, POP, "alice", password, mode).quit()
    log_in(server, "alpha.example", "Alice", password, mode).quit()
    log_in(server, POP, CAROL, PASSWORDS[CAROL], mode).quit()  # Who says a domain means it.

    ask = asker(client_of(server, POP, mode))
    assert ask(f"AUTH PLAIN {encode(f'{chr(0)}alice{chr(0)}{password}'.encode())}").startswith("+OK")
    ask = asker(client_of(server, POP, mode))
    assert ask("AUTH LOGIN").startswith("+ ")
    assert ask(encode(b"alice")).startswith("+ ")
    assert ask(encode(password.encode())).startswith("+OK")
    server.run("user", "passwd", BOB, "--password-stdin", "--scheme", "scram-sha-256", input=PASSWORDS[BOB].encode() + b"\n")
    wait_for("the keys count", 30, lambda: scram_works(server, mode))
    server.says(f"user={ALICE} ")


def scram_works(server, mode):
    try:
        scram(asker(client_of(server, POP, mode)), "SCRAM-SHA-256", "bob", PASSWORDS[BOB])
    except (Refused, AssertionError, poplib.error_proto):
        return False
    return True


def test_a_certificate_names_its_user_in_full(serve, authority, certs, tmp_path):
    """The client chooses the host, so with one of another tenant a bare name would be another user's."""
    authority.write(certs / POP)
    for name in ("alice", ALICE):
        openssl(tmp_path, "req", *authority.new_key("ec"), "-keyout", f"{name}.key", "-out", "csr", "-subj", f"/CN={name}")
        openssl(tmp_path, "x509", "-req", "-in", "csr", "-CA", authority.pem, "-CAkey", "ca/ca.key", "-CAcreateserial", "-days", "30", "-out", f"{name}.pem")
    server = serve(tls=f'client_ca = "{authority.pem}"\nclient_name = "cn"\n', more='[auth]\nmechanisms = ["USER", "EXTERNAL"]\n')

    def external(name, host):
        context = authority.trust() if host == POP else any_certificate()
        context.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        with connect(server, context, host) as tls:
            tls.sendall(b"AUTH EXTERNAL =\r\n")
            return read_line(tls)

    assert external(ALICE, POP).startswith(b"+OK")
    assert external(ALICE, "elsewhere.example").startswith(b"+OK")
    assert external("alice", POP).startswith(b"-ERR")


def test_hosts_of_tenants(serve):
    server = serve()
    told = refusal(server, "pop.provider.example", "alice", PASSWORDS[ALICE])
    server.run("tenant", "set", "alpha", "--hosts", "pop.provider.example,pop.beta.example")
    wait_for("the host is alpha's", 30, lambda: works(server, "pop.provider.example", "alice", PASSWORDS[ALICE]))
    # A host below beta's domain is beta's, whatever alpha says.
    assert not works(server, OTHER, "alice", PASSWORDS[ALICE])
    log_in(server, OTHER, "carol", PASSWORDS[CAROL]).quit()
    server.run("tenant", "domain", "add", "alpha", "alpha.test")
    wait_for("nobody knows which of two is meant", 30, lambda: not works(server, "pop.provider.example", "alice", PASSWORDS[ALICE]))
    server.run("tenant", "set", "alpha", "--default-domain", "alpha.example")
    wait_for("it is said", 30, lambda: works(server, "pop.provider.example", "alice", PASSWORDS[ALICE]))
    # Who is refused hears the same, whose host it ever is.
    for host, user in ((POP, "nobody"), (POP, "alice"), ("elsewhere.example", "alice"), ("pop.provider.example", "nobody")):
        assert refusal(server, host, user, "wrong") == told
    # In clear nobody asks for a host, and nothing is added.
    with pytest.raises(poplib.error_proto):
        log_in(server, "", "alice", PASSWORDS[ALICE], "plain")


def test_a_host_that_another_tenant_has_is_told_once(serve):
    server = serve()
    warned = server.run("tenant", "set", "alpha", "--hosts", "pop.beta.example,shared.example").stderr
    assert b"poplar: warning: tenant alpha names the host pop.beta.example in vain: tenant beta has it" in warned
    folder = server.directory / "tenants.d"
    folder.mkdir(exist_ok=True)
    gamma = 'domains = ["gamma.example"]\nhosts = ["pop.alpha.example"]\n'
    (folder / "gamma.toml").write_text(gamma)
    server.says('tenant_host_lost tenant=gamma host=pop.alpha.example reason="tenant gamma names')
    (folder / "gamma.toml").write_text(gamma + "idle_timeout_s = 60\n")
    wait_for("the file is read again", 30, lambda: b"idle_timeout_s = 60" in server.run("tenant", "show", "gamma").stdout)
    (folder / "delta.toml").write_text('domains = ["delta.example"]\nhosts = ["shared.example"]\n')
    server.says("tenant_host_lost tenant=delta host=shared.example")
    assert server.log().count(" tenant_host_lost ") == 3


def test_mechanisms_go_by_the_host(serve):
    server = serve(more='[auth]\nmechanisms = ["USER", "PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]\n')
    server.run("tenant", "set", "alpha", "--mechanisms", "LOGIN,SCRAM-SHA-256")

    def offered(host, mode="pop3s"):
        client = client_of(server, host, mode)
        capa = client.capa()
        listed = [line.decode() for line in client._longcmd("AUTH")[1]]
        client.quit()
        assert listed == capa["SASL"]
        return capa["SASL"] + ["USER"] * ("USER" in capa)

    all_of_them = ["PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "USER"]
    wait_for("alpha's host offers what alpha allows", 30, lambda: offered("pop.alpha.example") == ["LOGIN", "SCRAM-SHA-256"])
    assert offered("pop.alpha.example", "stls") == ["LOGIN", "SCRAM-SHA-256"]
    for host in ("pop.beta.example", "elsewhere.example"):
        assert offered(host) == all_of_them
    assert offered("", "plain") == [name for name in all_of_them if not name.endswith("-PLUS")]
    # What is not offered there is not there, whoever comes.
    for user in (ALICE, CAROL):
        with pytest.raises(poplib.error_proto, match="USER and PASS are not offered here"):
            log_in(server, "pop.alpha.example", user, PASSWORDS[user])
    with pytest.raises(poplib.error_proto, match=r"\[SYS/PERM\]"):
        log_in(server, "pop.beta.example", ALICE, PASSWORDS[ALICE])
    log_in(server, "pop.beta.example", CAROL, PASSWORDS[CAROL]).quit()
    # Where no binding is offered, a client that could bind says "y", and nobody lied to it.
    server.run("user", "passwd", BOB, "--password-stdin", "--scheme", "scram-sha-256", input=b"keys\n")
    scram(asker(client_of(server, "pop.alpha.example")), "SCRAM-SHA-256", BOB, "keys", gs2="y,,")
    with pytest.raises(Refused):
        scram(asker(client_of(server, "pop.beta.example")), "SCRAM-SHA-256", BOB, "keys", gs2="y,,")
    # Whoever is in the middle chooses the host: to a user of beta, whose own offers it, somebody did.
    server.run("user", "passwd", CAROL, "--password-stdin", "--scheme", "scram-sha-256", input=b"keys\n")
    with pytest.raises(Refused, match=r"-ERR \[AUTH\]"):
        scram(asker(client_of(server, "pop.alpha.example")), "SCRAM-SHA-256", CAROL, "keys", gs2="y,,")
    server.says("the channel could be bound, and the client was not offered it")
    scram(asker(client_of(server, "pop.alpha.example")), "SCRAM-SHA-256", CAROL, "keys", gs2="n,,")


def works(server, host, user, password):
    try:
        log_in(server, host, user, password).quit()
    except poplib.error_proto:
        return False
    return True


def test_check_reads_the_folder(serve, authority, certs):
    authority.write(certs / POP)
    authority.write(certs / "soon.example", days=3)
    authority.write(certs / "misnamed.example")
    (certs / "misnamed.example").rename(certs / WILD)
    server = serve()
    said = server.run("check").stderr.decode()
    assert f"{certs}/soon.example: it expires within 14 days" in said
    assert f"{certs}/{WILD}: it is not for all of *.gamma.example" in said
    assert POP not in said
    (certs / POP / "privkey.pem").write_text("no key")
    (certs / "empty.example").mkdir()
    result = server.run("check", check=False)
    assert result.returncode == 78
    assert f"key {certs}/{POP}/privkey.pem: no private key" in result.stderr.decode()
    assert f"{certs}/empty.example: it has neither" in result.stderr.decode()
