"""Issuers of single tenants: what clients are offered goes by the tenant's own chain, and an issuer vouches for nobody else."""

import poplib
import ssl

import pytest
from conftest import ALICE, BOB, CAROL, PASSWORDS
from issuer import Issuer
from poplar_server import PoplarServer, wait_for
from token_server import WRONG, logged, section, try_token, with_chain

DORA, PASSWORDS_HERE = "dora@gamma.example", {**PASSWORDS, "dora@gamma.example": "d0ra"}
TOKENS, CLEAR = ["OAUTHBEARER", "XOAUTH2"], ["PLAIN", "USER"]


@pytest.fixture
def issuers(tmp_path, closing):
    """Alpha's, beta's, and everybody's."""
    made = [Issuer(tmp_path / name) for name in ("alphas", "betas", "all")]
    for one in made:
        closing(one.stop)
    return made


@pytest.fixture
def serve(tmp_path, issuers, closing):
    """Three tenants; none has a chain of its own yet."""

    def make(chain=("users",), **chains):
        server = PoplarServer(tmp_path / "server")
        closing(server.stop)
        for tenant in ("alpha", "beta", "gamma"):
            server.add_tenant(tenant, f"{tenant}.example")
        for user, password in PASSWORDS_HERE.items():
            server.add_user(user, password)
        with_chain(server, chain, *(section(name, issuer) for name, issuer in zip(("ida", "idb", "all"), issuers)))
        for tenant, own in chains.items():
            server.run("tenant", "set", tenant, "--auth-chain", own)
        return server.start()

    return make


def to_host(server, host):
    """A client that came to this host by TLS; "": in clear, to no host."""
    if not host:
        return server.pop3()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=30)
    client.host = host  # That it asks for.
    client.stls(context)
    return client


def offered(server, host):
    client = to_host(server, host)
    capa = client.capa()
    listed = [line.decode() for line in client._longcmd("AUTH")[1]]
    client.quit()
    assert listed == capa.get("SASL", [])
    return listed + ["USER"] * ("USER" in capa)


def has_chain(server, tenant, chain):
    changes = server.log().count("policies_changed")
    server.run("tenant", "set", tenant, "--auth-chain", chain)
    wait_for("the chain holds", 30, lambda: server.log().count("policies_changed") > changes)


def test_what_is_offered_goes_by_the_chain(serve):
    server = serve(alpha="ida,users", beta="idb")
    assert offered(server, "pop.alpha.example") == TOKENS + CLEAR
    # Beta's users have tokens and nothing else; dora's tenant has passwords alone.
    assert offered(server, "pop.beta.example") == TOKENS
    assert offered(server, "pop.gamma.example") == CLEAR
    # Where nobody knows who comes: all that works for somebody.
    for host in ("", "elsewhere.example"):
        assert offered(server, host) == TOKENS + CLEAR
    assert "mechanism_not_offered" not in server.log()
    # What is not offered there is not there.
    with pytest.raises(poplib.error_proto, match="USER and PASS are not offered here"):
        to_host(server, "pop.beta.example").user(CAROL)


def test_what_is_offered_follows_the_tenants(serve):
    server = serve()
    for host in ("", "pop.alpha.example", "pop.gamma.example"):
        assert offered(server, host) == CLEAR
    wait_for("the warning", 10, lambda: "mechanism_not_offered" in server.log())
    has_chain(server, "alpha", "ida,users")
    assert offered(server, "") == offered(server, "pop.alpha.example") == TOKENS + CLEAR
    assert offered(server, "pop.gamma.example") == CLEAR
    server.run("tenant", "set", "alpha", "--mechanisms", "XOAUTH2,PLAIN,APOP")
    wait_for("what alpha allows", 30, lambda: offered(server, "pop.alpha.example") == ["XOAUTH2", "PLAIN"])
    has_chain(server, "alpha", "default")
    assert offered(server, "pop.alpha.example") == ["PLAIN"]
    assert offered(server, "") == CLEAR


def test_where_no_back_end_knows_addresses_mail_waits(serve):
    server = serve(alpha="ida", beta="ida,users")
    why = b"mail for its users has to wait (451): no back end of its auth_chain knows addresses"
    assert b"warning: tenant alpha: " + why in server.run("tenant", "set", "alpha", "--auth-chain", "ida").stderr
    assert server.run("tenant", "set", "beta", "--auth-chain", "ida,users").stderr == b""
    warnings = server.run("check").stderr
    assert b"tenant alpha: " + why in warnings and b"tenant beta" not in warnings
    with server.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        client.mail("sender@mta.test")
        asked = (ALICE, CAROL, "nobody@beta.example", "nobody@elsewhere.example")
        assert [client.rcpt(recipient)[0] for recipient in asked] == [451, 250, 550, 550]
    server.says("no back end of the chain knows addresses")


def test_after_the_login_it_is_the_user_s_own(serve, issuers):
    server = serve(alpha="ida,users")
    client = server.pop3(DORA, PASSWORDS_HERE[DORA])
    assert client.capa()["SASL"] == ["PLAIN"]
    client.quit()
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    assert client.capa()["SASL"] == TOKENS + ["PLAIN"]
    client.quit()


@pytest.mark.parametrize("mechanism", TOKENS)
@pytest.mark.parametrize("host", ("", "pop.alpha.example", "elsewhere.example"))
def test_an_issuer_of_one_tenant_vouches_for_no_other(serve, issuers, mechanism, host):
    alphas, betas, _ = issuers
    server = serve(alpha="ida,users", beta="idb,users")

    def told(user, token, to=host):
        return try_token(server, user, token, mechanism, client=to_host(server, to))

    assert told(ALICE, alphas.token(ALICE)).startswith("+OK")
    assert told(CAROL, betas.token(CAROL)).startswith("+OK")
    # Each of the other's user, in his name, and in the other issuer's.
    for user, wrong, right in ((CAROL, alphas, betas), (ALICE, betas, alphas)):
        asked = len(wrong.asked)
        assert told(user, wrong.token(user)) == WRONG
        assert told(user, wrong.token(user, iss=right.url)) == WRONG
        assert len(wrong.asked) == asked, "it is not even asked"
    # Of a token's own user nothing else can be made.
    assert told(CAROL, alphas.token(ALICE)) == WRONG
    # Dora's tenant has no issuer: told as of strangers, or one token would show that her domain is here.
    for one in issuers:
        assert told(DORA, one.token(DORA)) == WRONG
    for stranger in ("nobody@gamma.example", "nobody@elsewhere.example", "nobody@alpha.example"):
        assert told(stranger, "made.up.token") == WRONG
    logged(server, "no back end of the chain verifies tokens")
    assert server.pop3(DORA, PASSWORDS_HERE[DORA]).stat()[0] == 0
    # A name without a domain is of the host's tenant.
    if host == "pop.alpha.example":
        assert told("alice", alphas.token(ALICE)).startswith("+OK")
        assert told("alice", betas.token(ALICE), to="pop.beta.example") == WRONG


def test_the_issuer_of_auth_chain_is_that_of_tenants_without_their_own(serve, issuers):
    alphas, _, everybodys = issuers
    server = serve(chain=("all", "users"), alpha="ida,users", beta="users")
    assert offered(server, "pop.beta.example") == CLEAR
    assert offered(server, "pop.gamma.example") == TOKENS + CLEAR
    assert try_token(server, DORA, everybodys.token(DORA)).startswith("+OK")
    assert try_token(server, ALICE, everybodys.token(ALICE)) == WRONG
    assert try_token(server, DORA, alphas.token(DORA)) == WRONG
    assert try_token(server, CAROL, everybodys.token(CAROL)) == WRONG
    for user in (ALICE, BOB):
        assert try_token(server, user, alphas.token(user)).startswith("+OK")
    # Its chain goes, and with it its issuer.
    has_chain(server, "alpha", "default")
    assert try_token(server, ALICE, alphas.token(ALICE)) == WRONG
    assert try_token(server, ALICE, everybodys.token(ALICE)).startswith("+OK")


def test_what_each_link_of_a_tenant_says_of_a_token(serve, issuers):
    server = serve(alpha="ida,users")
    told = server.run("auth", "test", ALICE, "--token-stdin", input=issuers[0].token(ALICE).encode() + b"\n").stdout.decode()
    assert told.endswith("The token is good, and the account is known to users.\n"), told
    assert server.run("auth", "test", ALICE, "--token-stdin", input=issuers[1].token(ALICE).encode() + b"\n", check=False).returncode == 77
