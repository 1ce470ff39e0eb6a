"""Names, headers and replies beyond ASCII (RFC 6856), with poplib: a user whose address and password are UTF-8 gets mail by SMTPUTF8 and
fetches it; for whom the server takes the RFC by its letter, only after UTF8."""

import poplib

import pytest
from conftest import populate
from poplar_server import PoplarServer

ROSE, PASSWORD = "ros\u00e9@alpha.example", "vin \u00e0 table \u2713"
MESSAGE = "From: jos\u00e9@mta.test\r\nSubject: Gr\u00fc\u00dfe\r\n\r\nhello\r\n".encode()
PLAIN = b"Subject: plain\r\n\r\nhello\r\n"


@pytest.fixture
def server(tmp_path, request):
    with populate(PoplarServer(tmp_path / "server", pop3=getattr(request, "param", ""))) as server:
        server.add_user(ROSE, PASSWORD)
        yield server


def deliver(server):
    with server.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        assert client.has_extn("smtputf8")
        client.sendmail("jos\u00e9@mta.test", [ROSE], MESSAGE, mail_options=["SMTPUTF8"])
        client.sendmail("jose@mta.test", [ROSE], PLAIN, mail_options=["SMTPUTF8"])


def log_in(server, utf8):
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=30)
    client.encoding = "utf-8"
    capabilities = client.capa()
    assert capabilities["UTF8"] == ["USER"] and capabilities["LANG"] == []
    if utf8:
        assert client.utf8().startswith(b"+OK")
    client.user(ROSE)
    client.pass_(PASSWORD)
    return client


@pytest.mark.parametrize("utf8", [False, True])
def test_mail_goes_to_everybody_as_it_came(server, utf8):
    deliver(server)
    client = log_in(server, utf8)
    lines = client.retr(1)[1]
    assert b"\r\n".join(lines).endswith(MESSAGE.rstrip())
    assert any(b"UTF8LMTP" in line for line in lines)
    assert sum(len(line) + 2 for line in lines) == client.stat()[1] - int(client.list(2).split()[2])
    client.quit()


@pytest.mark.parametrize("server", ["utf8_headers_for_all = false"], indirect=True)
def test_by_the_letter_only_who_asked_gets_utf8(server):
    deliver(server)
    client = log_in(server, utf8=False)
    for fetch in (lambda: client.retr(1), lambda: client.top(1, 0)):
        with pytest.raises(poplib.error_proto, match=r"-ERR \[UTF8\]"):
            fetch()
    client.quit()
    client = log_in(server, utf8=True)
    assert b"\r\n".join(client.retr(1)[1]).endswith(MESSAGE.rstrip())
    assert b"\r\n".join(client.retr(2)[1]).endswith(PLAIN.rstrip())
    client.quit()


@pytest.mark.parametrize("server", ["utf8_headers_for_all = false"], indirect=True)
def test_by_the_letter_ascii_is_for_all(server):
    server.deliver(["alice@alpha.example"], PLAIN)
    with_alice = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=30)
    with_alice.user("alice@alpha.example")
    with_alice.pass_("wonder land")
    assert b"\r\n".join(with_alice.retr(1)[1]).endswith(PLAIN.rstrip())
    assert b"\r\n".join(with_alice.top(1, 1)[1]).endswith(PLAIN.rstrip())
    with_alice.quit()


def test_replies_in_the_language_asked_for(server):
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=30)
    client.encoding = "utf-8"
    assert client._longcmd("LANG")[1][2:] == ["de Deutsch".encode(), "es Espa\u00f1ol".encode(), "fr Fran\u00e7ais".encode()]
    assert client._shortcmd("LANG de-CH") == "+OK de Sprache ge\u00e4ndert".encode()
    client.user(ROSE)
    with pytest.raises(poplib.error_proto, match="Benutzername oder Passwort ist falsch"):
        client.pass_("guess")
    client.user(ROSE)
    assert client.pass_(PASSWORD) == b"+OK 0 Nachrichten (0 Oktette)"
    assert client.quit() == b"+OK Auf Wiedersehen"
