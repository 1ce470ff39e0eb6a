"""Log-ins by bearer token, of a real issuer on loopback. When it is down, slow or lies: test_oauth_trouble.py; tenants' own:
test_oauth_tenants.py."""

import json
import re
import subprocess
import time

import pytest
from backend_server import example, replaced
from conftest import ALICE, BOB, PASSWORDS
from issuer import Issuer, Key, b64
from poplar_server import PoplarServer, needs, wait_for
from sasl_client import encode
from token_server import LATER, OAUTH, WRONG, logged, section, try_token, with_chain


@pytest.fixture
def issuer(tmp_path):
    made = Issuer(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def serve(tmp_path, issuer):
    made = []

    def make(source="", more="", chain=("id", "users")):
        server = PoplarServer(tmp_path / "server")
        made.append(server)
        server.add_tenant("alpha", "alpha.example")
        for user in (ALICE, BOB):
            server.add_user(user, PASSWORDS[user])
        return with_chain(server, chain, section("id", issuer, source, more)).start()

    yield make
    for server in made:
        server.stop()


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("one_line", [True, False], ids=["one-line", "two-lines"])
def test_tokens(serve, issuer, mechanism, one_line):
    server = serve()
    for user in (ALICE, ALICE.upper()):
        assert try_token(server, user, issuer.token(ALICE), mechanism, one_line).startswith("+OK")
    long = issuer.token(ALICE, padding="x" * 7300)
    assert 10_000 < len(long) < 12_000
    assert try_token(server, ALICE, long, mechanism, one_line).startswith("+OK")
    assert try_token(server, BOB, issuer.token(ALICE), mechanism, one_line) == WRONG
    for dummy in ("AQ==", "", "bm9uc2Vuc2U="):
        assert try_token(server, ALICE, "no.token.atall", mechanism, one_line, dummy) == WRONG
    assert len([path for path, _ in issuer.asked if path == "/keys"]) == 1, "keys are kept"
    assert server.metric("poplar_auth_logins_total", outcome="refused") == 4
    logged(server, f"user={BOB}", "the token is of another user")
    # The other ways in are there as well.
    assert server.pop3(ALICE, PASSWORDS[ALICE]).stat() == (0, 0)


def test_the_example(tmp_path, issuer):
    """The configuration of auth/OAUTH.md, with this test's issuer and files in the places of its own."""
    page = example("OAUTH.md", "Configuration")
    for name, value in {"plugin": OAUTH, "issuer": issuer.url, "jwks_url": f"{issuer.url}/keys"}.items():
        page = replaced(page, name, f'"{value}"')
    server = PoplarServer(tmp_path / "example")
    server.add_tenant("alpha", "alpha.example")
    server.add_user(ALICE, PASSWORDS[ALICE])
    server.config_path.write_text(server.config_path.read_text() + page + f'ca_file = "{issuer.ca_file}"\n')
    try:
        server.start()
        assert try_token(server, ALICE, issuer.token(ALICE, scope="openid mail"), "XOAUTH2").startswith("+OK")
        assert try_token(server, ALICE, issuer.token(ALICE)) == WRONG, "without the scope"
        server.pop3(ALICE, PASSWORDS[ALICE]).quit()
    finally:
        server.stop()


def test_what_is_no_good_token(serve, issuer):
    server = serve(more='scope = ["mail"]')
    good = {"scope": "openid mail"}
    assert try_token(server, ALICE, issuer.token(ALICE, **good)).startswith("+OK")
    other = Key("one", "RS256")
    signed = issuer.token(ALICE, **good)
    for token in (
        issuer.token(ALICE),  # Without the scope.
        issuer.token(ALICE, aud="other", **good),
        issuer.token(ALICE, iss="https://other.example", **good),
        issuer.token(ALICE, exp=int(time.time()) - 100, **good),
        issuer.token(ALICE, nbf=int(time.time()) + 100, **good),
        issuer.token(ALICE, exp=None, **good),
        issuer.token(ALICE, email=None, **good),
        issuer.token(ALICE, email_verified=False, **good),
        issuer.token(ALICE, key=other, **good),
        issuer.token(ALICE, head={"alg": "none"}, **good),
        issuer.token(ALICE, head={"alg": "HS256"}, **good),
        issuer.token(ALICE, head={"crit": ["x"]}, **good),
        signed[:-6] + "AAAAAA",
        ".".join(signed.split(".")[:2]) + ".",
        b64(b'{"alg":"none"}') + "." + signed.split(".")[1] + ".",
    ):
        server.stop()  # The throttle forgets.
        server.start()
        assert try_token(server, ALICE, token) == WRONG, token


def test_accounts_are_the_chain_s(serve, issuer):
    server = serve()
    assert try_token(server, "nobody@alpha.example", issuer.token("nobody@alpha.example")) == WRONG
    server.run("user", "disable", ALICE)
    assert try_token(server, ALICE, issuer.token(ALICE)) == "-ERR [AUTH] This account is disabled"
    # Whoever knows tokens only is not asked about mail.
    issuer.stop()
    server.deliver([BOB], b"Subject: x\r\n\r\nx\r\n")


def test_a_new_key(serve, issuer):
    server = serve()
    assert try_token(server, ALICE, issuer.token(ALICE)).startswith("+OK")
    issuer.keys = [Key("two", "ES256"), Key("three", "PS256"), Key("four", "EdDSA"), Key("five", "Ed25519")]
    # Not before the pause is over: tokens with strange keys do not make us ask as often as they like.
    fetched = len(issuer.asked)
    for _ in range(3):
        try_token(server, ALICE, issuer.token(ALICE))
    assert len(issuer.asked) <= fetched + 1
    wait_for("the new keys", 60, lambda: try_token(server, ALICE, issuer.token(ALICE)).startswith("+OK"))
    for key in issuer.keys[1:]:
        assert try_token(server, ALICE, issuer.token(ALICE, key=key)).startswith("+OK"), key.algorithm
    # RFC 9864 has another name for the same.
    for name, key in (("Ed25519", issuer.keys[2]), ("EdDSA", issuer.keys[3])):
        assert try_token(server, ALICE, issuer.token(ALICE, key=key, head={"alg": name})).startswith("+OK"), name
    for name in ("EdDSA", "Ed25519"):
        assert try_token(server, ALICE, issuer.token(ALICE, key=Key("four", name))) == WRONG


@pytest.mark.parametrize("name", ["one", None], ids=["same-name", "no-name"])
def test_a_new_key_in_the_place_of_an_old_one(serve, issuer, name):
    issuer.keys = [Key(name, "RS256")]
    server = serve()
    assert try_token(server, ALICE, issuer.token(ALICE)).startswith("+OK")
    issuer.keys = [Key(name, "RS256")]
    wait_for("the new key", 60, lambda: try_token(server, ALICE, issuer.token(ALICE)).startswith("+OK"))
    # A wrong one is wrong by the keys that there are now.
    assert try_token(server, ALICE, issuer.token(ALICE, key=Key(name, "RS256"))) == WRONG
    logged(server, "the token's signature is wrong")


def test_an_issuer_in_trouble(serve, issuer):
    server = serve()
    issuer.lie = b"<html>"
    assert try_token(server, ALICE, issuer.token(ALICE)) == LATER, "no keys yet, and none to be had"
    logged(server, "no JWK set")
    assert server.pop3(BOB, PASSWORDS[BOB]).stat() == (0, 0)
    issuer.lie = None
    # Its circuit breaker lets one question through now and then.
    wait_for("the keys", 60, lambda: try_token(server, ALICE, issuer.token(ALICE)).startswith("+OK"))
    # Keys that are known go on without it.
    issuer.stop()
    wait_for("the breaker of the other shard", 60, lambda: try_token(server, ALICE, issuer.token(ALICE)).startswith("+OK"))


def test_a_certificate_of_nobody_is_not_believed(serve, issuer, tmp_path):
    server = serve()
    server.stop()
    server.config_path.write_text(server.config_path.read_text().replace(f'ca_file = "{issuer.ca_file}"\n', ""))
    server.start()
    assert try_token(server, ALICE, issuer.token(ALICE)) == LATER
    assert not issuer.asked


def test_introspection(serve, issuer, tmp_path):
    (tmp_path / "secret").write_text("s3cret\n")
    server = serve(f'introspection_url = "{issuer.url}/introspect"\nclient_id = "poplar"\nclient_secret_file = "{tmp_path / "secret"}"')
    issuer.introspected = {
        "good": {"active": True, "aud": "poplar", "email": ALICE},
        "others": {"active": True, "aud": "other", "email": ALICE},
        "bobs": {"active": True, "aud": ["poplar"], "email": BOB},
        "odd": {"aud": "poplar", "email": ALICE},
    }
    assert try_token(server, ALICE, "good").startswith("+OK")
    assert issuer.asked[-1] == ("/introspect", "Basic " + encode(b"poplar:s3cret"))
    for token in ("others", "bobs", "unknown"):
        assert try_token(server, ALICE, token) == WRONG
    assert try_token(server, ALICE, "odd") == LATER
    # Slow: the log-in fails in time, for now.
    issuer.delay_s = 15
    assert try_token(server, ALICE, "good") == LATER


def test_what_each_link_says_of_a_token(serve, issuer):
    server = serve()
    took_us = {}

    def test(user, token, code=0, text=False):
        options = ["--token-stdin"] if text else ["--token-stdin", "--json"]
        begun = time.monotonic()
        result = server.run("auth", "test", user, *options, check=False, input=token.encode() + b"\n")
        all_took_us = (time.monotonic() - begun) * 1e6
        assert result.returncode == code, (result.stdout, result.stderr)
        assert token.encode() not in result.stdout + result.stderr
        if text:
            return result.stdout.decode()
        links = json.loads(result.stdout)
        took_us.update({(link["backend"], link["asked"]): link["took_us"] for link in links})
        assert sum(link["took_us"] for link in links) <= all_took_us
        return {(link["backend"], link["asked"]): (link["says"], link["reason"]) for link in links}

    # It fetches the keys first.
    issuer.delay_s = 0.5
    said = test(ALICE, issuer.token(ALICE, padding="x" * 7300))
    assert took_us[("id", "token")] > 400_000, took_us
    issuer.delay_s = 0
    assert said[("id", "token")][0] == "ok" and said[("users", "account")][0] == "ok"
    assert said[("users", "token")] == ("unsupported", "it cannot verify tokens")
    assert said[("id", "account")][0] in ("unknown", "unsupported")
    text = test(ALICE, issuer.token(ALICE), text=True)
    assert "whose account it is, the others are asked" in text and re.search(r"token +ok +\d+ [um]s ", text), text
    assert text.endswith("The token is good, and the account is known to users.\n")
    assert test(ALICE, issuer.token(BOB), code=77)[("id", "token")] == ("refused", "the token is of another user")
    assert test(ALICE, issuer.token(ALICE, iss="https://other.example"), code=77)[("id", "token")][0] == "unknown"
    nobody = "nobody@alpha.example"
    assert test(nobody, issuer.token(nobody), code=67)[("users", "account")][0] == "unknown"
    server.run("user", "disable", ALICE)
    assert test(ALICE, issuer.token(ALICE), code=77)[("users", "account")] == ("disabled", "account disabled")
    issuer.lie = b"<html>"
    server.stop()  # The keys are forgotten.
    server.start()
    assert test(ALICE, issuer.token(ALICE), code=75)[("id", "token")][0] == "temporary"
    assert server.run("auth", "test", ALICE, "--token-stdin", check=False, input=b"\n").returncode != 0
    both = server.run("auth", "test", ALICE, "--token-stdin", "--password-stdin", check=False, input=b"x\n")
    assert both.returncode == 64, both.stderr


def test_two_issuers(serve, issuer, tmp_path):
    second = Issuer(tmp_path / "second")
    try:
        server = serve(chain=("id", "id2", "users"), more=section("id2", second))
        assert try_token(server, ALICE, issuer.token(ALICE)).startswith("+OK")
        assert try_token(server, BOB, second.token(BOB)).startswith("+OK")
        assert try_token(server, BOB, second.token(BOB, iss=issuer.url)) == WRONG
    finally:
        second.stop()


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_curl(serve, issuer, mechanism):
    server = serve()
    server.deliver([ALICE], b"Subject: by token\r\n\r\nhello\r\n")

    def curl(token):
        return subprocess.run([needs("curl"), "-sS", "--fail", "--cacert", server.certificate, "--user", f"{ALICE}:", "--oauth2-bearer",
                               token, "--login-options", f"AUTH={mechanism}", f"pop3s://localhost:{server.ports['pop3s']}/1"],
                              capture_output=True, timeout=60)

    result = curl(issuer.token(ALICE))
    assert result.returncode == 0 and b"Subject: by token" in result.stdout, result.stderr
    assert curl(issuer.token(BOB)).returncode != 0


@pytest.mark.parametrize("mechanism", ["oauthbearer", "xoauth2"])
def test_mpop(serve, issuer, tmp_path, mechanism):
    server = serve()
    server.deliver([ALICE], b"Subject: by token\r\n\r\nhello\r\n")
    (tmp_path / "token").write_text(issuer.token(ALICE))
    rc = tmp_path / "mpoprc"
    rc.write_text(f"""
account test
host localhost
port {server.ports["pop3s"]}
user {ALICE}
passwordeval "cat {tmp_path / "token"}"
auth {mechanism}
tls on
tls_starttls off
tls_trust_file {server.certificate}
uidls_file {tmp_path / "uidls"}
delivery mbox {tmp_path / "mbox"}
keep on
""")
    rc.chmod(0o600)
    result = subprocess.run([needs("mpop"), "-C", rc, "test"], capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert b"Subject: by token" in (tmp_path / "mbox").read_bytes()


def test_a_wrong_configuration_is_a_fault_at_the_start(serve, issuer):
    server = serve()
    server.stop()
    server.config_path.write_text(server.config_path.read_text().replace('audience = "poplar"', ""))
    result = server.run("serve", check=False)
    assert result.returncode == 78 and b"back end id: write audience" in result.stderr, result.stderr
