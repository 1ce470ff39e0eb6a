"""Users behind a provider's API, and what happens when it is in trouble.

The configuration is the example of auth/HTTP.md, with this test's servers and files in the places of theirs.
"""

import poplib
import socket
import time

import pytest
from api_server import TOKEN, ApiServer
from backend_server import NOT_UTF8, BackendServer, example, toml_list
from network import Proxy
from poplar_server import wait_for
from sasl_client import by_what_is_stored
from test_plugins import BUILD

ALICE, PASSWORD = "alice@alpha.example", 'wonder "land"\\ \u20ac'
ERIN, FRED, CAROL = "erin@alpha.example", "fred@alpha.example", "carol@alpha.example"
QUICK = "connect_timeout_ms = 1000\ntimeout_ms = 1000\n"
USERS = {
    ALICE: (PASSWORD, {"outcome": "ok", "account": "a1", "address": ALICE}),
    "bob@alpha.example": ("b\u00f6b's", {"outcome": "ok", "account": "b1"}),
    CAROL: ("c", {"outcome": "ok", "account": "c1", "quota_octets": 1000, "quota_messages": None}),
    ERIN: ("e", {"outcome": "disabled", "account": "e1", "reason": "has not paid"}),
}


@pytest.fixture
def new_api(tls, closing):
    def make(**options):
        api = ApiServer(tls, USERS, **options)
        closing(api.stop)
        return api

    return make


@pytest.fixture
def api(new_api):
    return new_api()


@pytest.fixture
def new_poplar(tmp_path, tls, closing):
    def make(urls, more="", **replacements):
        server = BackendServer(tmp_path / "poplar", example("HTTP.md", "Configuration"), {"api-token": TOKEN + "\n"}, more,
                               **{"plugin": f'"{BUILD}/auth/plugins/http.so"', "url": toml_list(urls), "ca_file": f'"{tls}/ca.pem"',
                                  "token_file": '"api-token"', **replacements})
        closing(server.stop)
        return server.start()

    return make


def test_users(api, new_poplar):
    server = new_poplar([api.url])
    assert server.codes(ALICE, "bob@alpha.example", "nobody@alpha.example", ERIN) == [250, 250, 550, 250]
    client = server.pop3(ALICE, PASSWORD)
    assert b"\r\n".join(client.retr(1)[1]).endswith(b"hello")
    client.quit()
    assert server.verdict("Bob@Alpha.Example", "b\u00f6b's") == "OK"
    assert server.verdict(ALICE, "wrong") == "AUTH"
    server.is_told("not that one")
    assert server.verdict("nobody@alpha.example", "wrong") == "AUTH"
    assert server.verdict(ERIN, "wrong") == "AUTH"
    assert server.verdict(ERIN, "e") == "AUTH"
    server.is_told("has not paid")
    outcomes = server.outcomes("api")
    assert (outcomes["refused"], outcomes["disabled"], outcomes["temporary"]) == (2, 1, 0), outcomes
    # What was sent, over connections that are used again.
    headers = [question.pop("headers") for question in api.asked]
    assert all(one["Authorization"] == f"Bearer {TOKEN}" and one["Content-Type"] == "application/json" for one in headers)
    assert {question.pop("path") for question in api.asked} == {"/mail-users"}
    assert {"operation": "resolve", "login": ALICE, "client_address": ""} in api.asked
    assert {"operation": "verify_password", "login": ALICE, "password": PASSWORD, "client_address": "127.0.0.1"} in api.asked
    assert api.connections <= 4 < len(api.asked)
    assert TOKEN not in server.log() and PASSWORD not in server.log()


def test_quotas(api, new_poplar):
    server = new_poplar([api.url])
    assert server.codes(CAROL, ALICE, message=b"Subject: x\r\n\r\n" + b"x" * 2000) == [452, 250]


def test_a_renamed_address_keeps_its_maildrop(api, new_poplar):
    server = new_poplar([api.url])
    assert server.codes(ALICE) == [250]
    api.users["alicia@alpha.example"] = api.users.pop(ALICE)
    assert server.pop3("alicia@alpha.example", PASSWORD).stat()[0] == 1
    assert server.verdict(ALICE, PASSWORD) == "AUTH"


def test_sessions_by_other_names_of_who_is_disabled(api, new_poplar):
    bob, robert = "bob@alpha.example", "robert@alpha.example"
    api.users[robert] = api.users[bob]
    server = new_poplar([api.url])
    session = server.pop3(robert, "b\u00f6b's")
    api.body = b'{"outcome": "disabled"}'
    said = server.run("user", "flush", bob, "--end-sessions")
    assert said.stdout == b"Ended 0 of its sessions.\n" and b"whose account it is cannot be asked now (it is disabled" in said.stderr
    api.body = b'{"outcome": "disabled", "account": "b1"}'
    said = server.run("user", "flush", bob, "--end-sessions")
    assert said.stdout == b"Ended 1 of its sessions.\n" and not said.stderr
    with pytest.raises((poplib.error_proto, OSError)):
        session.noop()
        session.noop()


def test_what_is_stored_may_be_handed_out(api, new_poplar):
    sha512 = "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz."
    server = new_poplar([api.url])
    for outcome, verdict in (("ok", "OK"), ("disabled", "AUTH")):
        # Whatever the password is: it is Poplar that compares.
        api.body = ('{"outcome": "%s", "account": "f1", "stored_password": "%s"}' % (outcome, sha512)).encode()
        assert server.verdict(FRED, "secret") == verdict
        assert server.verdict(FRED, "Secret") == "AUTH"
    assert server.outcomes("api")["disabled"] >= 1


@pytest.mark.parametrize("allowed", (False, True))
def test_weak_schemes_count_where_that_is_allowed(api, new_poplar, allowed):
    server = new_poplar([api.url], more="weak_schemes = true\n" if allowed else "")
    for stored, said in (("{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0", "of a weak scheme (ssha)"), ("{PLAIN}secret", "of a weak scheme (plain)"),
                         ("secret", "of no known scheme")):
        api.body = ('{"outcome": "ok", "account": "f1", "stored_password": "%s"}' % stored).encode()
        readable = stored.startswith("{")
        counts = allowed and readable
        assert server.verdict(FRED, "secret") == ("OK" if counts else "SYS/TEMP"), stored
        assert server.verdict(FRED, "Secret") == ("AUTH" if readable else "SYS/TEMP"), stored
        if not counts:
            server.is_told(said)


def test_mechanisms_that_want_what_is_stored(api, new_poplar):
    server = new_poplar([api.url], chain='["api"]\nmechanisms = ["PLAIN", "APOP", "SCRAM-SHA-1", "SCRAM-SHA-256"]', more="weak_schemes = true\n")
    by_what_is_stored(server, ALICE, PASSWORD)
    assert {question["mechanism"] for question in api.asked if question["operation"] == "fetch_verifier"} == {"APOP", "SCRAM-SHA-1", "SCRAM-SHA-256"}


def test_names_and_passwords_are_values_and_nothing_else(api, new_poplar):
    server = new_poplar([api.url])
    for name in ('alice","login":"alice@alpha.example', "alice\\", "alice\\u0040", "ali\\nce", "*", "%61lice"):
        assert server.verdict(f"{name}@alpha.example", PASSWORD) == "AUTH", name
        assert api.asked[-1]["login"] == f"{name}@alpha.example"
    assert server.verdict("bob@alpha.example", 'x","password":"b\u00f6b\'s') == "AUTH"
    asked = len(api.asked)
    with server.raw() as connection:
        connection.recv(1000)
        connection.sendall(b"AUTH PLAIN " + NOT_UTF8 + b"\r\nUSER " + ALICE.encode() + b"\r\nPASS \xff\r\n")
        replies = b""
        while replies.count(b"\r\n") < 3:
            replies += connection.recv(1000)
        assert replies.count(b"-ERR [AUTH]") == 2, replies
    # JSON cannot say it, so nobody was asked.
    assert len(api.asked) == asked
    assert server.outcomes("api")["temporary"] == 0


@pytest.mark.parametrize("status, headers, body, told", [
    (200, {}, b"", "the API: the answer is no JSON object"),
    (200, {}, b"<html>ok</html>", "the API: the answer is no JSON object"),
    (200, {}, b'{"outcome": "ok"}', "the API: the answer names no account"),
    (200, {}, b'{"outcome": "yes", "account": "a1"}', "the API: the answer has no outcome that fits the question"),
    (200, {}, b'{"outcome": "ok", "account": "%s"}' % (b"a" * 200), "named no account, or one of too many octets"),
    (200, {}, b'{"outcome": "ok", "account": "%s"}' % (b"a" * 5000), "the API: a field of its answer is too long"),
    (200, {}, b'{"outcome": "ok", "account": "a1", "reason": "%s"}' % (b"a" * 70000), "the API: the answer has more than 65536 octets"),
    (200, {}, b'{"outcome": "temporary"}', "api: the API: it says temporary, and not why"),
    (200, {}, b'{"outcome": "temporary", "reason": "%s"}' % (b"b" * 5000), "api: " + "b" * 200),
    (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b", "the API: the answer is no JSON object"),
    (204, {}, b"", "the API: status 204"),
    (302, {"Location": "/elsewhere"}, b"", "the API: status 302"),
    (307, {"Location": "/elsewhere"}, b"", "the API: status 307"),
    (401, {}, b'{"outcome": "ok", "account": "a1"}', "the API: status 401"),
    (404, {}, b'{"outcome": "unknown"}', "the API: status 404"),
    (429, {"Retry-After": "1"}, b"", "status 429"),
    (500, {}, b'{"outcome": "unknown"}', "status 500"),
], ids=lambda value: str(value)[:24] if isinstance(value, str) else "-")
def test_everything_else_is_temporary(api, new_poplar, status, headers, body, told):
    api.status, api.headers, api.body = status, headers, body
    server = new_poplar([api.url])
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    assert server.codes(ALICE) == [451]
    server.is_told(told)
    assert {question.get("path") for question in api.asked} == {"/mail-users"}


@pytest.mark.parametrize("trouble", ("another CA", "another name"))
def test_certificates_are_verified(new_api, new_poplar, tls, monkeypatch, trouble):
    monkeypatch.setenv("SSL_CERT_FILE", str(tls / "ca.pem"))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tls / "ca.pem"))
    api = new_api(certificate="misnamed" if trouble == "another name" else "good")
    server = new_poplar([api.url], **({"ca_file": f'"{tls}/other.pem"'} if trouble == "another CA" else {}))
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    assert server.codes(ALICE) == [451]
    server.is_told("SSL")
    assert api.asked == []


def test_the_environment_does_not_count(api, new_poplar, monkeypatch, tmp_path):
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    assert new_poplar([api.url]).verdict(ALICE, PASSWORD) == "OK"
    assert not keys.exists()


def test_a_wrong_setting_is_a_fault_at_the_start(api, new_poplar):
    server = new_poplar([api.url])
    server.stop()
    server.config_path.write_text(server.config_path.read_text().replace(api.url, "http://api1.example.net/mail-users"))
    result = server.run("serve", check=False)
    assert result.returncode == 78
    assert b"back end api: url: secrets would travel to http://api1.example.net/mail-users in clear" in result.stderr, result.stderr


def test_down_and_back(api, new_poplar):
    server = new_poplar([api.url])
    assert server.verdict(ALICE, PASSWORD) == "OK"
    api.stop()
    assert server.codes("bob@alpha.example", "nobody@alpha.example") == [451, 451]
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    api.start()
    wait_for("alice is served again", 30, lambda: server.verdict(ALICE, PASSWORD) == "OK")
    # Restarted while nobody asks: what was left of its connections costs nobody an answer.
    api.stop()
    api.start()
    assert server.verdict(ALICE, PASSWORD) == "OK"


@pytest.mark.parametrize("trouble", ("down", "slow", "overloaded", "deaf"))
def test_the_next_server_and_back(new_api, new_poplar, closing, trouble):
    first, second = new_api(), new_api()
    server = new_poplar([first.url, second.url], more=QUICK)
    assert server.codes("bob@alpha.example") == [250]
    assert first.asked and not second.asked
    if trouble == "down":
        first.stop()
    elif trouble == "slow":
        first.delay_s = 3
    elif trouble == "overloaded":
        first.status = 503
    else:  # It takes connections, and says nothing.
        first.stop()
        deaf = socket.create_server(("127.0.0.1", first.port))
        closing(deaf.close)
    # Nobody notices, and it is the same maildrop.
    assert server.pop3("bob@alpha.example", "b\u00f6b's").stat()[0] == 1
    assert server.codes(ALICE, "nobody@alpha.example") == [250, 550]
    assert second.asked
    if trouble == "deaf":
        deaf.close()
    first.delay_s, first.status = 0, 200
    if first.server is None:
        first.start()
    asked = len(first.asked)

    def is_asked_again():
        assert server.verdict(ALICE, PASSWORD) == "OK"
        return len(first.asked) > asked

    wait_for("the first is asked again", 30, is_asked_again)
    server.is_told(f"{first.url} is used again")


def test_slow_cut_and_lying(api, new_poplar, closing):
    proxy = Proxy(api.port)
    closing(proxy.close)
    server = new_poplar([f"https://127.0.0.1:{proxy.port}/mail-users"], more=QUICK)
    proxy.delay_s = 0.1
    assert server.verdict(ALICE, PASSWORD) == "OK"
    # An answer that stops within a message, in the handshake or in the last one: each wait still ends.
    for octets_max in (0, 5, 300, proxy.most_passed - 20):
        proxy.delay_s, proxy.octets_max = 0, octets_max
        api.stop()  # And with it the connections that were whole.
        api.start()
        begun = time.monotonic()
        assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP", octets_max
        assert time.monotonic() - begun < 9.5
    proxy.octets_max, proxy.lie = None, b"HTTP/1.1 200 OK\r\n\r\n"
    api.stop()
    api.start()
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    proxy.lie = None
    wait_for("alice is served again", 60, lambda: server.verdict(ALICE, PASSWORD) == "OK")
    assert server.metric("poplar_auth_host_restarts_total") == 0
