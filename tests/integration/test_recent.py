"""Several devices on one mailbox: `recent:` before the user name, by every way to log in."""

import os
import poplib
import re
import time

import pytest
from conftest import ALICE, BOB, PASSWORDS
from issuer import Issuer
from poplar_server import PoplarServer, wait_for
from sasl_client import asker, encode, scram
from test_mechanisms import authority, certified, with_client_ca  # noqa: F401 (a fixture)
from token_server import section, with_chain, xoauth2

RECENT = f"recent:{ALICE}"
DAY_S = 86_400


def message(number):
    return b"Subject: %d\r\n\r\nThis is number %d.\r\n" % (number, number)


def deliver(server, *numbers, user=ALICE):
    for number in numbers:
        server.deliver([user], message(number))


def bring_old_mail(server, directory, days_ago, user=ALICE):
    """Mail of other days, as it comes from another server."""
    for folder in ("tmp", "new", "cur"):
        (directory / folder).mkdir(parents=True)
    for number, days in enumerate(days_ago):
        second = int(time.time()) - days * DAY_S - 3600
        path = directory / f"cur/{second}.M{number}P1.old.example:2,S"
        path.write_bytes(b"Subject: %d days\n\nold\n" % days)
        os.utime(path, (second, second))
    server.run("import", "maildir", "--user", user, str(directory), "--uidl", "filename")


def uidls(client):
    return [line.split()[1].decode() for line in client.uidl()[1]]


def subjects(client):
    return [re.search(rb"Subject: (.*)", b"\n".join(client.top(i + 1, 0)[1]))[1].decode() for i in range(client.stat()[0])]


def test_devices_read_side_by_side_and_delete_nothing(server):
    deliver(server, 1, 2, 3)
    desk = server.pop3(ALICE, PASSWORDS[ALICE])
    phone = server.pop3(RECENT, PASSWORDS[ALICE])
    tablet = server.pop3(f"Recent:{ALICE.upper()}", PASSWORDS[ALICE])
    assert uidls(desk) == uidls(phone) == uidls(tablet)
    assert b"".join(phone.retr(2)[1]).endswith(b"This is number 2.")
    phone.dele(1)
    assert phone.stat()[0] == 2
    assert phone.quit().startswith(b"+OK")
    # The one that is no recent: session has the mailbox to itself, and what it deletes is gone for those who come later.
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        server.pop3(ALICE, PASSWORDS[ALICE])
    desk.dele(1)
    desk.quit()
    assert tablet.stat()[0] == 3 and b"".join(tablet.retr(1)[1]).endswith(b"This is number 1.")
    tablet.quit()
    assert subjects(server.pop3(RECENT, PASSWORDS[ALICE])) == ["2", "3"]
    assert server.metric("poplar_pop3_recent_sessions_total") == 3
    assert server.metric("poplar_pop3_messages_deleted_total") == 1
    wait_for("the log says so", 10, lambda: re.search(rf" login .*user={ALICE} .*outcome=ok .*recent=true", server.log()))
    assert RECENT not in server.log()


def test_it_is_the_mail_of_the_last_days_whatever_its_order(server, tmp_path):
    deliver(server, 1)
    bring_old_mail(server, tmp_path / "Maildir", [400, 2, 31, 29, 5])
    deliver(server, 2)
    whole = server.pop3(ALICE, PASSWORDS[ALICE])
    names = dict(zip(subjects(whole), uidls(whole)))
    sizes = dict(zip(subjects(whole), (int(line.split()[1]) for line in whole.list()[1])))
    whole.quit()
    client = server.pop3(RECENT, PASSWORDS[ALICE])
    seen = subjects(client)
    assert sorted(seen) == sorted(["1", "2", "2 days", "29 days", "5 days"])
    assert uidls(client) == [names[subject] for subject in seen]
    assert client.stat() == (5, sum(sizes[subject] for subject in seen))
    client.dele(1)
    client.rset()
    assert client.stat()[0] == 5
    client.quit()
    server.reconfigure("[pop3]\n", "[pop3]\nrecent_days = 3\n")
    assert sorted(subjects(server.pop3(RECENT, PASSWORDS[ALICE]))) == sorted(["1", "2", "2 days"])
    tested = server.run("auth", "test", RECENT, "--password-stdin", input=PASSWORDS[ALICE].encode() + b"\n").stdout
    assert tested.endswith(b"The password is right, says users.\n"), tested
    server.reconfigure("recent_days = 3", "recent_days = 0")
    assert server.run("auth", "test", RECENT, check=False).returncode == 67
    with pytest.raises(poplib.error_proto, match="AUTH"):
        server.pop3(RECENT, PASSWORDS[ALICE])


def test_mail_that_expires_once_fetched_stays(server):
    server.run("tenant", "set", "alpha", "--expire-read", "0")
    wait_for("the policy is in force", 30,
             lambda: server.run_json("mailbox", "show", ALICE)["tenant"]["expire_read_days"] == 0)
    deliver(server, 1)
    client = server.pop3(RECENT, PASSWORDS[ALICE])
    client.retr(1)
    client.quit()
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    assert client.stat()[0] == 1
    client.retr(1)
    client.quit()
    assert server.pop3(ALICE, PASSWORDS[ALICE]).stat()[0] == 0


def test_failures_count_against_the_user(server):
    for _ in range(3):
        assert server.try_login(RECENT, "wrong")[0] is None
        assert server.try_login(ALICE, "wrong")[0] is None
    assert server.metric("poplar_auth_repeated_failures_total") == 5, "one user, one wrong password"
    server.pop3(ALICE, PASSWORDS[ALICE]).quit()
    hashes = server.metric("poplar_auth_hashes_total")
    server.pop3(RECENT, PASSWORDS[ALICE]).quit()
    assert server.metric("poplar_auth_hashes_total") == hashes, "known from the cache"


def test_a_tenants_rules_hold_and_a_kick_ends_them(server):
    deliver(server, 1)
    client = server.pop3(RECENT, PASSWORDS[ALICE])
    assert [session["user"] for session in server.run_json("session", "list")] == [ALICE]
    server.run("session", "kick", "--user", ALICE)
    with pytest.raises((poplib.error_proto, OSError, EOFError)):
        for _ in range(100):
            client.noop()
            time.sleep(0.05)
    server.run("user", "set", ALICE, "--pop3", "false")
    wait_for("no POP3 for alice", 20, lambda: server.try_login(RECENT, PASSWORDS[ALICE])[0] is None)


def test_sessions_of_one_user_are_bounded(server):
    server.reconfigure("[pop3]\n", "[pop3]\nrecent_sessions_max = 3\n")
    bob = f"recent:{BOB}"
    held = [server.pop3(RECENT, PASSWORDS[ALICE]) for _ in range(3)]
    for _ in range(4):  # On whichever worker.
        refused = server.try_login(RECENT, PASSWORDS[ALICE])[1]
        assert refused.startswith("-ERR [IN-USE]"), refused
    server.says('reason="too many recent: sessions of the user"')
    assert server.metric("poplar_pop3_recent_sessions_refused_total") == 4
    assert server.metric("poplar_pop3_lease_conflicts_total") == 0
    assert server.metric("poplar_tenant_sessions", tenant="alpha") == 3
    # Her maildrop itself is free, and a colleague has his own.
    server.pop3(ALICE, PASSWORDS[ALICE]).quit()
    server.pop3(bob, PASSWORDS[BOB]).quit()
    held[0].quit()
    client = wait_for("there is room again", 10, lambda: server.try_login(RECENT, PASSWORDS[ALICE])[0])
    client.quit()


@pytest.fixture
def any_way(tmp_path, authority):  # noqa: F811
    """A server where alice can log in by every mechanism there is; her mail is of today, and one message is old."""
    issuer = Issuer(tmp_path)
    server = PoplarServer(tmp_path / "server")
    server.add_tenant("alpha", "alpha.example")
    server.run("user", "add", ALICE, "--password-stdin", "--scheme", "scram-sha-256", input=PASSWORDS[ALICE].encode() + b"\n")
    (tmp_path / "passwd").write_text(f"dave@alpha.example:{{PLAIN}}{PASSWORDS[ALICE]}\n")
    with_chain(server, ["id", "users", "file"], section("id", issuer), f"""
[backend.file]
driver = "passwd-file"
file = "{tmp_path / "passwd"}"
weak_schemes = true
""")
    text = server.config_path.read_text().replace(
        '["OAUTHBEARER", "XOAUTH2", "USER", "PLAIN"]',
        '["OAUTHBEARER", "XOAUTH2", "USER", "PLAIN", "LOGIN", "APOP", "SCRAM-SHA-256", "SCRAM-SHA-1", "EXTERNAL"]')
    server.config_path.write_text(with_client_ca(text, authority))
    server.issuer = issuer
    server.start()
    for number, user in enumerate((ALICE, "dave@alpha.example")):
        bring_old_mail(server, tmp_path / f"Maildir{number}", [99], user=user)
        deliver(server, 7, user=user)
    yield server
    server.stop()
    issuer.stop()


def log_in(server, how, prefix, certificate):
    """A client that is logged in by this mechanism."""
    secret, name = PASSWORDS[ALICE], prefix + (ALICE if how != "APOP" else "dave@alpha.example")
    client = certified(server, certificate) if how == "EXTERNAL" else server.pop3()
    ask = asker(client)
    if how == "USER":
        client.user(name)
        answer = client.pass_(secret).decode()
    elif how == "PLAIN":
        answer = ask("AUTH PLAIN " + encode(f"\0{name}\0{secret}".encode()))
    elif how == "PLAIN authzid":
        answer = ask("AUTH PLAIN " + encode(f"{name}\0{name}\0{secret}".encode()))
    elif how == "LOGIN":
        assert ask("AUTH LOGIN").startswith("+ ") and ask(encode(name.encode())).startswith("+ ")
        answer = ask(encode(secret.encode()))
    elif how == "APOP":
        answer = client.apop(name, secret).decode()
    elif how == "SCRAM-SHA-256":
        scram(ask, how, name, secret)
        answer = "+OK"
    elif how == "OAUTHBEARER":
        token = server.issuer.token(ALICE)
        answer = ask("AUTH OAUTHBEARER " + encode(f"n,a={name},\x01auth=Bearer {token}\x01\x01".encode()))
    elif how == "XOAUTH2":
        answer = ask("AUTH XOAUTH2 " + encode(xoauth2(name, server.issuer.token(ALICE)).encode()))
    elif how == "EXTERNAL":
        answer = ask("AUTH EXTERNAL " + encode(name.encode()))
    else:
        raise AssertionError(how)
    assert answer.startswith("+OK"), answer
    return client


def test_every_mechanism(any_way, authority):  # noqa: F811
    server = any_way
    certificate = authority("alice", emails=[ALICE])
    hows = ["USER", "PLAIN", "PLAIN authzid", "LOGIN", "APOP", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "EXTERNAL"]
    for how in hows:
        client = log_in(server, how, "", certificate)
        assert client.stat()[0] == 2, how
        client.quit()
        client = log_in(server, how, "recent:", certificate)
        assert subjects(client) == ["7"], how
        client.dele(1)
        client.quit()
    # Without a name of its own: of the one whom the certificate names.
    client = certified(server, certificate)
    assert asker(client)("AUTH EXTERNAL " + encode(b"recent:")).startswith("+OK")
    assert client.stat()[0] == 1
    client.quit()
    # A certificate that bears the word is nobody's.
    odd = certified(server, authority("odd", emails=[RECENT]))
    assert asker(odd)("AUTH EXTERNAL =").startswith("-ERR")
    # A refused try leaves nothing for the next.
    client = server.pop3()
    with pytest.raises(poplib.error_proto):
        client.user(RECENT)
        client.pass_("wrong")
    client.user(ALICE)
    client.pass_(PASSWORDS[ALICE])
    assert client.stat()[0] == 2
    client.quit()
