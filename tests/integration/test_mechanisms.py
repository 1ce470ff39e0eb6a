"""Ways to log in beside USER and PLAIN, by real programs where there are some: what is offered to whom, and what is let in."""

import base64
import hashlib
import poplib
import re
import subprocess

import pytest
from conftest import ALICE, BOB, PASSWORDS
from poplar_server import PoplarServer, needs, wait_for
from sasl_client import Refused, asker, encode, scram

CAROL = "carol@alpha.example"
DAVE = "dave@alpha.example"
NOBODY = "nobody@alpha.example"
EX_DATAERR = 65
SECRET = "pencil, 100% d\u00fcnn"
SCRAM = ["SCRAM-SHA-256", "SCRAM-SHA-1"]


@pytest.fixture
def serve(tmp_path):
    """serve(mechanisms, more): a server with alice (yescrypt), bob (SCRAM keys) and, in a passwd-file, dave (clear text)."""
    made = []

    def make(mechanisms, more="", chain='"users", "file"'):
        server = PoplarServer(tmp_path / f"server{len(made)}")
        made.append(server)
        server.add_tenant("alpha", "alpha.example")
        server.add_user(ALICE, PASSWORDS[ALICE])
        server.run("user", "add", BOB, "--password-stdin", "--scheme", "scram-sha-256", input=f"{SECRET}\n".encode())
        (tmp_path / "passwd").write_text(f"{DAVE}:{{PLAIN}}{SECRET}\n")
        listed = ", ".join(f'"{name}"' for name in mechanisms)
        server.config_path.write_text(server.config_path.read_text() + f"""
[auth]
chain = [{chain}]
mechanisms = [{listed}]
[backend.file]
driver = "passwd-file"
file = "{tmp_path / "passwd"}"
weak_schemes = true
{more}
""")
        return server.start()

    yield make
    for server in made:
        server.stop()


def login(server, mechanism, user, password, mode="plain", **options):
    client = server.pop3(mode=mode)
    scram(asker(client), mechanism, user, password, **options)
    return client


def refusal(server, *arguments, **options):
    with pytest.raises(Refused) as refused:
        login(server, *arguments, **options)
    return str(refused.value)


def offered(client):
    return client.capa().get("SASL", [])


def test_by_default_no_mechanism_is_offered_that_needs_special_keys(server):
    client = server.pop3()
    assert offered(client) == ["PLAIN", "LOGIN"] and "USER" in client.capa()
    assert b"<" not in client.getwelcome()


def test_a_challenge_from_before_a_flush_lets_nobody_in(serve):
    server = serve(["PLAIN", *SCRAM])
    said = []

    def flush(*_):
        said.append(server.run("user", "flush", BOB, "--end-sessions").stdout)

    assert "[SYS/TEMP]" in refusal(server, "SCRAM-SHA-256", BOB, SECRET, expect=flush)
    assert said == [b"Ended 0 of its sessions.\n"]
    assert login(server, "SCRAM-SHA-256", BOB, SECRET).stat() == (0, 0)


def test_scram(serve):
    server = serve(["PLAIN", *SCRAM])
    assert offered(server.pop3()) == ["PLAIN", *SCRAM] and "USER" not in server.pop3().capa()
    assert login(server, "SCRAM-SHA-256", BOB, SECRET).stat() == (0, 0)
    assert login(server, "SCRAM-SHA-256", BOB.upper(), SECRET, mode="stls").stat() == (0, 0)
    for mechanism in SCRAM:
        assert login(server, mechanism, DAVE, SECRET).stat() == (0, 0)
    # Keys are of one hash; other hashes give none; nobody has none.
    for mechanism, user, password in (("SCRAM-SHA-1", BOB, SECRET), ("SCRAM-SHA-256", ALICE, PASSWORDS[ALICE]),
                                      ("SCRAM-SHA-256", BOB, "another"), ("SCRAM-SHA-1", DAVE, "another"),
                                      ("SCRAM-SHA-256", NOBODY, SECRET)):
        assert refusal(server, mechanism, user, password) == "-ERR [AUTH] The user name or the password is wrong"
    client = server.pop3()
    with pytest.raises(poplib.error_proto, match="not offered here"):
        client.user(BOB)
    # The log is written by a thread of its own.
    for pattern in (rf"user={BOB}.* outcome=ok .*mechanism=SCRAM-SHA-256", rf"user={ALICE} .*nothing is stored for SCRAM-SHA-256",
                    "wrong proof"):
        wait_for(f"{pattern} in the log", 10, lambda: re.search(pattern, server.log()))
    # A password in clear is verified against the keys as well.
    client = server.pop3()
    assert asker(client)("AUTH PLAIN " + encode(f"\0{BOB}\0{SECRET}".encode())).startswith("+OK")


def test_who_is_not_there_is_challenged_like_anybody(serve):
    server = serve(SCRAM)
    seen = {}

    def ask(user):
        refusal(server, "SCRAM-SHA-256", user, "wrong", expect=lambda count, salt: seen.setdefault(user, []).append((count, salt)))

    for user in (BOB, ALICE, NOBODY, DAVE, "nobody else", BOB, ALICE, NOBODY, DAVE, "nobody else"):
        ask(user)
    assert all(len(set(challenges)) == 1 for challenges in seen.values()), "the same each time"
    assert len({challenges[0][1] for challenges in seen.values()}) == len(seen)
    assert {(count, len(salt)) for challenges in seen.values() for count, salt in challenges} == {(65536, 16)}


def test_wrong_proofs_count_like_wrong_passwords(serve):
    server = serve(SCRAM)
    for _ in range(6):
        refusal(server, "SCRAM-SHA-256", BOB, "wrong")
    assert server.metric("poplar_auth_logins_total", outcome="refused") == 6
    # To take a challenge and go costs as much as a wrong proof, however one goes.
    client = server.pop3()
    first = encode(f"n,,n={BOB},r=nonce".encode())
    for answer in ("*", encode(b"c=biws,r=another,p=AAAA")):
        assert asker(client)(f"AUTH SCRAM-SHA-256 {first}").startswith("+ ")
        assert asker(client)(answer).startswith("-ERR")
    assert asker(client)(f"AUTH SCRAM-SHA-256 {first}").startswith("+ ")
    client.close()
    wait_for("all of them counted", 10, lambda: server.metric("poplar_auth_logins_total", outcome="refused") == 9)
    delayed = server.metric("poplar_auth_delayed_total")
    login(server, "SCRAM-SHA-256", BOB, SECRET).quit()
    assert server.metric("poplar_auth_delayed_total") == delayed + 1


def test_a_challenge_that_was_given_up_is_charged_to_its_own_name(serve):
    server = serve([*SCRAM, "USER"])
    client = server.pop3()
    first = encode(f"n,,n={BOB},r=nonce".encode())
    assert asker(client)(f"AUTH SCRAM-SHA-256 {first}").startswith("+ ")
    assert asker(client)("*").startswith("-ERR")
    client.user(ALICE)
    client.pass_(PASSWORDS[ALICE])
    client.quit()
    server.stop()
    logins = [re.search(r" user=(\S+) .* outcome=(\S+)", line).groups() for line in server.log().splitlines() if " login " in line]
    assert logins == [(BOB, "bad_credentials"), (ALICE, "ok")]


def test_a_disabled_user_is_told_so_after_the_proof(serve):
    server = serve(SCRAM)
    server.run("user", "disable", BOB)
    assert refusal(server, "SCRAM-SHA-256", BOB, "wrong") == "-ERR [AUTH] The user name or the password is wrong"
    assert refusal(server, "SCRAM-SHA-256", BOB, SECRET) == "-ERR [AUTH] This account is disabled"


def test_users_get_keys_as_they_log_in(serve):
    server = serve(["USER", *SCRAM])
    server.stop()
    server.config_path.write_text(server.config_path.read_text().replace("[users]", '[users]\nhash = "scram-sha-256"'))
    server.start()
    refusal(server, "SCRAM-SHA-256", ALICE, PASSWORDS[ALICE])
    server.pop3(ALICE, PASSWORDS[ALICE]).quit()
    assert login(server, "SCRAM-SHA-256", ALICE, PASSWORDS[ALICE]).stat() == (0, 0)
    assert server.run_json("user", "show", ALICE)["hash"] == "scram-sha-256"


def mpop(server, tmp_path, method, user, password, *more, mode="pop3s"):
    rc = tmp_path / "mpoprc"
    rc.write_text(f"""
account test
host localhost
port {server.ports["pop3s" if mode == "pop3s" else "pop3"]}
user {user}
passwordeval "cat {tmp_path / "password"}"
auth {method}
tls {"off" if mode == "plain" else "on"}
tls_starttls {"on" if mode == "stls" else "off"}
tls_trust_file {server.certificate}
uidls_file {tmp_path / "uidls"}
delivery mbox {tmp_path / "mbox"}
keep on
""" + "".join(f"{line}\n" for line in more))
    rc.chmod(0o600)
    (tmp_path / "password").write_text(password)
    return subprocess.run([needs("mpop"), "-C", rc, "test"], capture_output=True, timeout=60)


@pytest.mark.parametrize("method, user", [("scram-sha-256", BOB), ("scram-sha-256", DAVE), ("scram-sha-1", DAVE)])
@pytest.mark.parametrize("mode", ["plain", "pop3s"])
def test_mpop_scram(serve, tmp_path, method, user, mode):
    server = serve(["USER", *SCRAM])
    server.deliver([user], b"Subject: by SCRAM\r\n\r\nhello\r\n")
    result = mpop(server, tmp_path, method, user, SECRET, mode=mode)
    assert result.returncode == 0, result.stderr
    assert b"Subject: by SCRAM" in (tmp_path / "mbox").read_bytes()
    assert mpop(server, tmp_path, method, user, "another", mode=mode).returncode != 0


def end_point(server):
    """RFC 5929 §4.1, of the certificate that `poplar init` makes: its signature is by SHA-256."""
    pem = server.certificate.read_text()
    body = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END", pem, re.S)[1]
    return hashlib.sha256(base64.b64decode(body)).digest()


class SslClient:
    """`openssl s_client`, which can say what the channel's exporter gives."""

    def __init__(self, server, version):
        command = [needs("openssl"), "s_client", "-connect", f"localhost:{server.ports['pop3s']}", version, "-ign_eof", "-nocommands",
                   "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32", "-CAfile", server.certificate]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.exported = b""
        while not (line := self.line()).startswith("+OK"):
            assert line or self.process.poll() is None, "no greeting"
            if match := re.search(r"Keying material: ([0-9A-F]+)", line):
                self.exported = bytes.fromhex(match[1])

    def line(self):
        return self.process.stdout.readline().decode().rstrip("\r\n")

    def ask(self, line):
        self.process.stdin.write(line.encode() + b"\r\n")
        self.process.stdin.flush()
        return self.line()

    def mechanisms(self):
        assert self.ask("AUTH").startswith("+OK")
        return list(iter(self.line, "."))

    def close(self):
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def s_client():
    made = []

    def make(*arguments):
        made.append(SslClient(*arguments))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.mark.parametrize("digest, user", [("SHA-256", BOB), ("SHA-1", DAVE)])
def test_channel_binding(serve, s_client, digest, user):
    plus, plain = both = [f"SCRAM-{digest}-PLUS", f"SCRAM-{digest}"]
    server = serve(both)
    assert offered(server.pop3()) == [plain], "without TLS there is no channel to bind"
    assert offered(server.pop3(mode="stls")) == both
    for version in ("-tls1_3", "-tls1_2"):
        client = s_client(server, version)
        assert client.mechanisms() == both
        scram(client.ask, plus, user, SECRET, gs2="p=tls-server-end-point,,", binding=end_point(server))
        client.ask("QUIT")
    other = s_client(server, "-tls1_3")
    scram(other.ask, plus, user, SECRET, gs2="p=tls-exporter,,", binding=other.exported)
    other.ask("QUIT")

    def refused(version, mechanism=plus, binding=None, password=SECRET, **options):
        client = s_client(server, version)
        with pytest.raises(Refused, match=r"-ERR \[AUTH\]"):
            scram(client.ask, mechanism, user, password, binding=client.exported if binding is None else binding, **options)

    refused("-tls1_3", gs2="p=tls-exporter,,", password="another")
    refused("-tls1_2", gs2="p=tls-exporter,,")  # Not of that version.
    refused("-tls1_3", gs2="p=tls-unique,,")
    refused("-tls1_3", gs2="p=tls-exporter,,", binding=other.exported)  # Of another channel.
    refused("-tls1_3", gs2="p=tls-server-end-point,,", binding=bytes(32))
    refused("-tls1_3", gs2="n,,", binding=b"")
    # Somebody on the way has taken the offer out of CAPA.
    refused("-tls1_3", plain, gs2="y,,", binding=b"")
    scram(s_client(server, "-tls1_3").ask, plain, user, SECRET, gs2="n,,")


def test_one_offer_of_binding_that_was_taken_away_is_enough(serve, s_client):
    """Whoever could bind says so by any of them: an offer of another hash was made as well."""
    server = serve(["SCRAM-SHA-256-PLUS", *SCRAM])
    client = s_client(server, "-tls1_3")
    with pytest.raises(Refused, match=r"-ERR \[AUTH\]"):
        scram(client.ask, "SCRAM-SHA-1", DAVE, SECRET, gs2="y,,")
    scram(client.ask, "SCRAM-SHA-1", DAVE, SECRET)


def test_gsasl(serve, s_client):
    """The client of GNU SASL, what it says carried by hand."""
    server = serve(SCRAM)
    for mechanism, user in ((SCRAM[0], BOB), (SCRAM[1], DAVE)):
        client = s_client(server, "-tls1_3")
        command = [needs("gsasl"), "--client", "--quiet", "--no-cb", "--mechanism", mechanism, "--authentication-id", user,
                   "--password", SECRET]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as gsasl:

            def say(line):
                gsasl.stdin.write(line.encode() + b"\n")
                gsasl.stdin.flush()

            try:
                assert gsasl.stdout.readline().decode().strip() == mechanism
                answer = client.ask(f"AUTH {mechanism} {gsasl.stdout.readline().decode().strip()}")
                while answer.startswith("+ "):
                    say(answer[2:])
                    answer = client.ask(gsasl.stdout.readline().decode().strip())
                assert answer.startswith("+OK"), answer
            finally:
                gsasl.kill()


# --- APOP


def test_apop(serve, tmp_path):
    server = serve(["USER", "APOP", *SCRAM])
    client = server.pop3()
    assert re.search(rb"<[0-9a-f]{32}@mail\.test>$", client.getwelcome())
    assert client.getwelcome() != server.pop3().getwelcome()
    client.apop(DAVE, SECRET)
    assert client.stat() == (0, 0)
    client.quit()
    for user, password in ((DAVE, "another"), (BOB, SECRET), (ALICE, PASSWORDS[ALICE]), (NOBODY, SECRET)):
        with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\] The user name or the password is wrong"):
            server.pop3().apop(user, password)
    server.deliver([DAVE], b"Subject: by APOP\r\n\r\nhello\r\n")
    assert mpop(server, tmp_path, "apop", DAVE, SECRET, mode="plain").returncode == 0
    assert b"Subject: by APOP" in (tmp_path / "mbox").read_bytes()
    assert mpop(server, tmp_path, "apop", DAVE, "another", mode="plain").returncode != 0


def test_fetchmail_apop(serve, tmp_path):
    server = serve(["USER", "APOP"])
    server.deliver([DAVE], b"Subject: by APOP\r\n\r\nhello\r\n")
    rc = tmp_path / "fetchmailrc"
    rc.write_text(f'poll 127.0.0.1 service {server.ports["pop3"]} protocol APOP user "{DAVE}" password "{SECRET}" '
                  f'keep fetchall sslproto "" mda "/bin/cat >> {tmp_path / "fetched"}"\n')
    rc.chmod(0o600)
    result = subprocess.run([needs("fetchmail"), "-f", rc, "-i", tmp_path / "ids", "--pidfile", tmp_path / "pid", "--nosyslog"],
                            capture_output=True, timeout=60, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert result.returncode == 0, result.stdout + result.stderr
    assert b"Subject: by APOP" in (tmp_path / "fetched").read_bytes()


def test_apop_only_where_passwords_are_kept_in_clear(serve):
    server = serve(["USER", "APOP"], chain='"users"')
    client = server.pop3()
    assert b"<" not in client.getwelcome()
    with pytest.raises(poplib.error_proto, match="Unknown command"):
        client._shortcmd(f"APOP {BOB} {32 * 'a'}")
    wait_for("the warning", 10, lambda: "mechanism_not_offered" in server.log())


def test_weak_schemes_of_one_tenant(serve):
    """{PLAIN} and {SSHA} in the built-in database: where the tenant says so, and nowhere else."""
    server = serve(["USER", "APOP"], chain='"users"')
    server.add_tenant("beta", "beta.example")
    ssha = b"{SSHA}Z0zze/o2uMbUR7+pHjEGjXhYcCtOYUNsNGFsbA==\n"  # Of "secret".

    def add(user, stored):
        return server.run("user", "add", user, "--hash-stdin", check=False, input=stored)

    refused = add("eve@alpha.example", ssha)
    assert refused.returncode == EX_DATAERR and b"weak_schemes is not on" in refused.stderr
    server.run("tenant", "set", "alpha", "--weak-schemes", "true")
    assert add("eve@alpha.example", ssha).returncode == 0
    assert add(CAROL, b"{PLAIN}" + SECRET.encode() + b"\n").returncode == 0
    assert add("eve@beta.example", ssha).returncode == EX_DATAERR
    wait_for("APOP is offered", 10, lambda: b"<" in server.pop3().getwelcome())
    server.pop3(CAROL, SECRET).quit()  # By which it is not replaced.
    client = server.pop3()
    client.apop(CAROL, SECRET)
    client.quit()
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        server.pop3().apop(BOB, SECRET)
    server.pop3("eve@alpha.example", "secret").quit()
    stored = {user["address"]: user["hash"] for user in server.run_json("user", "list")}
    assert stored["eve@alpha.example"] == "yescrypt" and stored[CAROL] == "plain"
    # Without the tenant's word they fit no password; that is no wrong password of theirs.
    server.run("tenant", "set", "alpha", "--weak-schemes", "default")
    wait_for("APOP is gone", 10, lambda: b"<" not in server.pop3().getwelcome())

    def carol_is_refused():
        try:
            server.pop3(CAROL, SECRET).quit()
        except poplib.error_proto as refusal:
            return b"[SYS/TEMP]" in refusal.args[0]
        return False  # Remembered until her shard hears of the change.

    wait_for("{PLAIN} fits no more", 10, carol_is_refused)
    server.pop3("eve@alpha.example", "secret").quit()


# --- EXTERNAL


@pytest.fixture
def authority(tmp_path):
    """Makes certificates: authority(name, email=…, cn=…, ca=…, days=…) is a pair of files."""

    def openssl(*arguments):
        subprocess.run([needs("openssl"), *arguments], check=True, capture_output=True, timeout=60)

    def new_ca(name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem")

    def make(name, cn="somebody", emails=(), ca="good-ca", days=30, usage="clientAuth"):
        key, request, cert, ext = (tmp_path / f"{name}.{end}" for end in ("key", "csr", "pem", "ext"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={cn}",
                "-keyout", key, "-out", request)
        ext.write_text(f"extendedKeyUsage={usage}\n" + ("subjectAltName=" + ",".join(f"email:{e}" for e in emails) if emails else ""))
        openssl("x509", "-req", "-in", request, "-CA", tmp_path / f"{ca}.pem", "-CAkey", tmp_path / f"{ca}.key", "-CAcreateserial",
                "-days", str(days), "-extfile", ext, "-out", cert)
        return cert, key

    new_ca("good-ca")
    new_ca("bad-ca")
    make.ca = tmp_path / "good-ca.pem"
    return make


def with_client_ca(server_config, authority, name="email"):
    return server_config.replace("[tls]", f'[tls]\nclient_ca = "{authority.ca}"\nclient_name = "{name}"')


@pytest.fixture
def external(serve, authority):
    def start(name="email"):
        server = serve(["USER", "PLAIN"])
        server.stop()
        text = server.config_path.read_text().replace('"USER", "PLAIN"', '"USER", "EXTERNAL", "PLAIN"')
        server.config_path.write_text(with_client_ca(text, authority, name))
        return server.start()

    return start


def certified(server, pair=None, session=None):
    context = server.tls()
    if pair:
        context.load_cert_chain(*pair)
    return poplib.POP3_SSL("localhost", server.ports["pop3s"], context=context, timeout=30)


def test_external(external, authority, tmp_path):
    server = external()
    alice = authority("alice", emails=[ALICE])
    client = certified(server, alice)
    assert offered(client) == ["EXTERNAL", "PLAIN"]
    assert asker(client)("AUTH EXTERNAL =").startswith("+OK")
    client = certified(server, alice)
    assert asker(client)("AUTH EXTERNAL " + encode(ALICE.encode())).startswith("+OK")
    client = certified(server, alice)
    assert asker(client)("AUTH EXTERNAL " + encode(BOB.encode())).startswith("-ERR [AUTH]")
    assert asker(client)("AUTH EXTERNAL") == "+ "
    assert asker(client)("").startswith("+OK")
    # Several names: the client says which.
    both = certified(server, authority("both", emails=[BOB, DAVE]))
    assert asker(both)("AUTH EXTERNAL =").startswith("-ERR [AUTH]")
    assert asker(both)("AUTH EXTERNAL " + encode(DAVE.encode())).startswith("+OK")
    # Nobody's, and somebody's who may not.
    assert asker(certified(server, authority("none", emails=[NOBODY])))("AUTH EXTERNAL =").startswith("-ERR [AUTH] The user name")
    server.run("user", "disable", ALICE)
    assert asker(certified(server, alice))("AUTH EXTERNAL =") == "-ERR [AUTH] This account is disabled"


def test_external_wants_a_certificate_that_is_good(external, authority):
    server = external()
    for pair in (None, authority("bad", emails=[ALICE], ca="bad-ca"), authority("old", emails=[ALICE], days=-1),
                 authority("server", emails=[ALICE], usage="serverAuth"), authority("cn", cn=ALICE)):
        client = certified(server, pair)
        assert offered(client) == ["PLAIN"], pair
        assert asker(client)("AUTH EXTERNAL =") == "-ERR Unknown authentication mechanism"
        # It keeps nobody from logging in otherwise.
        client.user(ALICE)
        client.pass_(PASSWORDS[ALICE])
        client.quit()


def test_external_by_common_name_and_a_resumed_session(external, authority):
    server = external("cn")
    pair = authority("cn", cn=ALICE)
    assert asker(certified(server, pair))("AUTH EXTERNAL =").startswith("+OK")
    assert offered(certified(server, authority("email", emails=[ALICE]))) == ["EXTERNAL", "PLAIN"]
    context = server.tls()
    context.load_cert_chain(*pair)
    first = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=context, timeout=30)
    first.capa()
    # A ticket keeps who the client is, as long as the same authority counts.
    session = first.sock.session
    resumed = resume(server, context, session)
    assert resumed.sock.session_reused and offered(resumed) == ["EXTERNAL", "PLAIN"]
    server.config_path.write_text(server.config_path.read_text().replace("good-ca.pem", "bad-ca.pem"))
    server.signal(1)
    wait_for("the reload", 10, lambda: "reloaded" in server.log())
    again = resume(server, context, session)
    assert not again.sock.session_reused and offered(again) == ["PLAIN"]


def resume(server, context, session):
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=30)
    assert client._shortcmd("STLS").startswith(b"+OK")
    client.sock = context.wrap_socket(client.sock, server_hostname="localhost", session=session)
    client.file = client.sock.makefile("rb")
    return client


def test_mpop_external(external, authority, tmp_path):
    server = external()
    cert, key = authority("alice", emails=[ALICE])
    server.deliver([ALICE], b"Subject: by EXTERNAL\r\n\r\nhello\r\n")
    result = mpop(server, tmp_path, "external", ALICE, "unused", f"tls_cert_file {cert}", f"tls_key_file {key}")
    assert result.returncode == 0, result.stderr
    assert b"Subject: by EXTERNAL" in (tmp_path / "mbox").read_bytes()
