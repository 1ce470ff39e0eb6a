"""An issuer of tokens that is down, frozen, slow, cut off, or lies: nobody hears that his token is wrong because of it, others notice
nothing, and it is asked again once it is back."""

import threading
import time

import pytest
from conftest import ALICE, BOB, PASSWORDS
from issuer import Issuer, IssuerProcess, Key
from network import Proxy
from poplar_server import SLOWNESS, PoplarServer, wait_for
from token_server import LATER, WRONG, logged, section, try_token, with_chain

GOOD = {"good": {"active": True, "aud": "poplar", "email": ALICE}}
QUICK = "connect_timeout_ms = 500\ntimeout_ms = 500\n"


@pytest.fixture
def issuer(tmp_path, closing):
    made = Issuer(tmp_path / "issuer")
    closing(made.stop)
    return made


@pytest.fixture
def process(tmp_path, closing):
    made = IssuerProcess(tmp_path / "issuer", GOOD)
    closing(made.kill)
    return made


@pytest.fixture
def serve(tmp_path, closing):
    def make(issuer, how="keys", more=QUICK, url=None):
        """`how` the server verifies tokens: by "keys", or by "asking"."""
        server = PoplarServer(tmp_path / "server")
        closing(server.stop)
        server.add_tenant("alpha", "alpha.example")
        for user in (ALICE, BOB):
            server.add_user(user, PASSWORDS[user])
        setting = {"keys": "jwks_url", "asking": "introspection_url"}[how]
        source = f'{setting} = "{url or issuer.url}/{how}"'
        return with_chain(server, ("id", "users"), section("id", issuer, source, more)).start()

    return make


def is_served(server, token):
    """The breaker lets one question through now and then."""
    wait_for("alice is served", 60, lambda: try_token(server, ALICE, token()).startswith("+OK"))


def others_notice_nothing(server):
    begun = time.monotonic()
    assert server.pop3(BOB, PASSWORDS[BOB]).stat()[1] >= 0
    server.deliver([BOB], b"Subject: x\r\n\r\nx\r\n")
    # Far less than the question's 10 s that those wait who are in trouble.
    assert time.monotonic() - begun < min(3 * SLOWNESS, 9)
    assert server.metric("poplar_auth_host_restarts_total") == 0


def ends_in_time(server, token, expected):
    """Well before a question's 10 s: it is the plug-in that ends its waits."""
    begun = time.monotonic()
    assert try_token(server, ALICE, token) == expected
    assert time.monotonic() - begun < 9.5


# What stops an issuer, and what brings it back.
TROUBLES = {"killed": (IssuerProcess.kill, IssuerProcess.start), "frozen": (IssuerProcess.freeze, IssuerProcess.thaw)}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("how", ("keys", "asking"))
def test_down_before_anybody_came(process, serve, how, trouble):
    stop, bring_back = TROUBLES[trouble]
    stop(process)
    server = serve(process, how)
    token = process.token(ALICE) if how == "keys" else "good"
    ends_in_time(server, token, LATER)
    logged(server, f"{process.url}/{how}: ")
    others_notice_nothing(server)
    # What the token itself says is wrong needs no issuer.
    if how == "keys":
        assert try_token(server, BOB, process.token(ALICE)) == WRONG
    bring_back(process)
    is_served(server, lambda: token)
    logged(server, f"{process.url}/{how} is used again")
    others_notice_nothing(server)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_known_keys_go_on(process, serve, trouble):
    stop, bring_back = TROUBLES[trouble]
    server = serve(process, more="")
    assert try_token(server, ALICE, process.token(ALICE)).startswith("+OK")
    stop(process)
    time.sleep(10.5)  # The pause between two times that keys are asked for.
    # A token whose key must be asked for: that there is none cannot be known now.
    strange = process.token(ALICE, key=Key("strange", "ES256"))
    said = []
    asking = threading.Thread(target=lambda: said.append(try_token(server, ALICE, strange)))
    asking.start()
    time.sleep(0.3)
    # Meanwhile those of known keys are verified, at once; and of a wrong one it cannot be known either.
    slowest = 0
    for _ in range(10):
        begun = time.monotonic()
        assert try_token(server, BOB, process.token(BOB)).startswith("+OK")
        slowest = max(slowest, time.monotonic() - begun)
    assert slowest < SLOWNESS
    head, claims, signature = process.token(ALICE).split(".")
    assert try_token(server, ALICE, f"{head}.{claims}.{signature[:-6]}AAAAAA") == LATER
    asking.join(timeout=60)
    assert said == [LATER]
    others_notice_nothing(server)
    bring_back(process)
    # Sure again, once it may be asked.
    wait_for("there is no such key", 60, lambda: try_token(server, ALICE, strange) == WRONG)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_asking_one_that_goes_and_comes_back(process, serve, trouble):
    stop, bring_back = TROUBLES[trouble]
    server = serve(process, "asking")
    assert try_token(server, ALICE, "good").startswith("+OK")
    assert try_token(server, ALICE, "unknown") == WRONG
    stop(process)
    for token in ("good", "unknown"):
        ends_in_time(server, token, LATER)
    others_notice_nothing(server)
    bring_back(process)
    is_served(server, lambda: "good")
    # Restarted while nobody asks: what was left of its connections costs nobody an answer.
    process.kill()
    process.start()
    assert try_token(server, ALICE, "good").startswith("+OK")
    others_notice_nothing(server)


def test_many_wait_for_a_frozen_issuer(process, serve):
    server = serve(process, "asking")
    process.freeze()
    said = []
    threads = [threading.Thread(target=lambda: said.append(try_token(server, ALICE, "good"))) for _ in range(12)]
    for thread in threads:
        thread.start()
    others_notice_nothing(server)
    for thread in threads:
        thread.join(timeout=60)
    assert said == [LATER] * 12
    others_notice_nothing(server)
    process.thaw()
    is_served(server, lambda: "good")


@pytest.mark.parametrize("how", ("keys", "asking"))
def test_slow(issuer, serve, how):
    issuer.introspected = GOOD
    server = serve(issuer, how, more="timeout_ms = 1500\n")
    token = issuer.token(ALICE) if how == "keys" else "good"
    issuer.delay_s = 5
    ends_in_time(server, token, LATER)
    others_notice_nothing(server)
    issuer.delay_s = 0.5  # It takes its time, but comes.
    is_served(server, lambda: token)


# What no issuer says, with which status.
NONSENSE = {"markup": (200, b"<html>"), "nothing": (200, b""), "a list": (200, b"[]"), "half": (200, b'{"active": true, "aud": "popl'),
            "no set": (200, b'{"keys": 1, "active": "yes"}'), "no key": (200, b'{"keys": [], "active": 1}'),
            "an HMAC's": (200, b'{"keys": [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}], "active": null}'),
            "twice": (200, b'{"keys": [], "keys": [], "active": true, "active": true}'), "too much": (200, b" " * (1 << 20) + b"{}"),
            "deep": (200, b"[" * 100_000), "octets": (200, bytes(range(256))), "ill": (500, b"{}"), "busy": (429, b"{}"),
            "gone": (404, b'{"active": true}'), "elsewhere": (302, b""), "not us": (401, b'{"active": false}')}


@pytest.mark.parametrize("how", ("keys", "asking"))
def test_nonsense(issuer, serve, how):
    issuer.introspected = GOOD
    server = serve(issuer, how)
    token = issuer.token(ALICE) if how == "keys" else "good"
    for name, (issuer.status, issuer.lie) in NONSENSE.items():
        if how == "keys":
            server.stop()  # The keys are forgotten, and that they were asked for.
            server.start()
        asked = len(issuer.asked)
        wait_for(f"it is asked and says {name}", 60, lambda: (try_token(server, ALICE, token), len(issuer.asked) > asked) == (LATER, True))
    issuer.status, issuer.lie = 200, None
    is_served(server, lambda: token)
    others_notice_nothing(server)


def test_other_keys_and_another_issuer_s_words(issuer, serve):
    server = serve(issuer)
    own = issuer.keys
    # Known keys go on, whatever it says.
    assert try_token(server, ALICE, issuer.token(ALICE)).startswith("+OK")
    for issuer.status, issuer.lie in ((500, b""), (200, b"<html>")):
        assert try_token(server, ALICE, issuer.token(ALICE)).startswith("+OK")
    issuer.status, issuer.lie = 200, None
    # Others of the same name: what was signed by its own is not what they verify, and it is never let in for want of a key.
    issuer.keys = [Key("one", "RS256")]
    server.stop()
    server.start()
    assert try_token(server, ALICE, issuer.token(ALICE, key=own[0])) == WRONG
    logged(server, "the token's signature is wrong")
    assert try_token(server, ALICE, issuer.token(ALICE)).startswith("+OK")
    # Tokens of somebody else's are nobody's here.
    assert try_token(server, ALICE, issuer.token(ALICE, iss="https://other.example")) == WRONG


def test_an_answer_about_another_token(issuer, serve):
    """Of an issuer that is asked, only a good answer lets in, and only whom it names."""
    server = serve(issuer, "asking")
    good = GOOD["good"]
    issuer.introspected = {"iss": {**good, "iss": "https://other.example"}, "aud": {**good, "aud": "other"}, "none": {"active": True},
                           "bob": {**good, "email": BOB}, "over": {**good, "exp": 1}, "odd": {**good, "exp": "soon"}, "good": good}
    for token in ("iss", "aud", "none", "bob", "over", "odd"):
        assert try_token(server, ALICE, token) == WRONG, token
    assert try_token(server, ALICE, "good").startswith("+OK")


@pytest.mark.parametrize("how", ("keys", "asking"))
def test_cut_and_lying(issuer, serve, closing, how):
    issuer.introspected = GOOD
    proxy = Proxy(issuer.port)
    closing(proxy.close)
    server = serve(issuer, how, url=f"https://localhost:{proxy.port}")
    token = issuer.token(ALICE) if how == "keys" else "good"
    proxy.delay_s = 0.05
    assert try_token(server, ALICE, token).startswith("+OK")

    def anew():
        issuer.stop()  # And with it the connections that were whole.
        issuer.start()
        if how == "keys":
            server.stop()
            server.start()

    # A reply that stops within a message, in the handshake or in the last one: each wait still ends.
    proxy.delay_s = 0
    for octets_max in (0, 5, 300, proxy.most_passed - 20):
        proxy.octets_max = octets_max
        anew()
        ends_in_time(server, token, LATER)
    proxy.octets_max, proxy.lie = None, b"HTTP/1.1 200 OK\r\n\r\n"
    anew()
    ends_in_time(server, token, LATER)
    # One that ends the connection before its length is there.
    proxy.lie = None
    for issuer.octets_max in (0, 10):
        anew()
        ends_in_time(server, token, LATER)
    issuer.octets_max = None
    is_served(server, lambda: token)
    others_notice_nothing(server)


def test_connections_are_kept(issuer, serve):
    issuer.introspected = GOOD
    server = serve(issuer, "asking", more="")
    for _ in range(25):
        assert try_token(server, ALICE, "good").startswith("+OK")
    assert len(issuer.asked) == 25, "each token is asked about"
    assert issuer.connections == 1
    # Several at once have one each, and keep it.
    said = []
    for _ in range(3):
        threads = [threading.Thread(target=lambda: said.append(try_token(server, ALICE, "good"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    # There is one maildrop; whose it is was asked before that.
    assert len(said) == 24 and all(answer.startswith(("+OK", "-ERR [IN-USE]")) for answer in said), said
    assert len(issuer.asked) == 49
    assert issuer.connections <= 6, "half of `auth.host_threads`, which is 12 with two workers"
