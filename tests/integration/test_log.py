"""What the server's log says, and what it must not."""

import base64
import json
import re
import signal
import subprocess

import pytest
from conftest import ALICE, BOB, PASSWORDS, populate
from poplar_server import POPLAR, PoplarServer, lmtp_transaction, read_to_end, wait_for

SASL_LINE_OCTETS = 65_536  # More than any that is taken.


def logged(server, pattern):
    """The fields of a line that has `pattern`."""
    line = wait_for(f"{pattern} is in the log", 10, lambda: re.search(rf"^.* {pattern}.*$", server.log(), re.M))[0]
    return {key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|\S+)', line)}


@pytest.mark.parametrize("user,tenant", (("nobody@alpha.example", "alpha"), ("Nobody@BETA.example", "beta"),
                                         ("somebody@elsewhere.example", ""), ("somebody", "")))
def test_a_refused_login_names_the_tenant_of_its_domain(server, user, tenant):
    assert server.try_login(user, "wrong")[0] is None
    fields = logged(server, "login .*outcome=bad_credentials")
    assert fields["tenant"] == tenant and fields["user"] == user


def test_logins_of_a_known_user_name_the_tenant(server):
    server.try_login(ALICE, "wrong")
    assert logged(server, f"login .*user={ALICE} .*outcome=bad_credentials")["tenant"] == "alpha"
    server.run("user", "disable", BOB)
    assert server.try_login(BOB, PASSWORDS[BOB])[0] is None
    assert logged(server, f"login .*user={BOB} .*outcome=disabled")["tenant"] == "alpha"


def test_a_refused_recipient_names_the_tenant(server):
    with server.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        lmtp_transaction(client, ["nobody+x@Alpha.example", "nobody@elsewhere.example"], b"")
    assert logged(server, "recipient_refused .*nobody.x@Alpha.example")["tenant"] == "alpha"
    assert logged(server, "recipient_refused .*nobody@elsewhere.example")["tenant"] == ""


def test_a_refused_message_names_tenant_and_recipients(new_server):
    server = new_server(lmtp="message_mib_max = 1")
    with server.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        replies = lmtp_transaction(client, [BOB, ALICE], b"Subject: x\r\n\r\n" + b"x\r\n" * 700_000)
    assert [code for code, _ in replies] == [552, 552]
    fields = logged(server, "message_refused")
    assert (fields["tenant"], fields["user"], fields["recipients"]) == ("alpha", BOB, "2")


def test_the_log_names_the_session(server):
    server.pop3(ALICE, PASSWORDS[ALICE]).quit()
    fields = logged(server, f"login .*user={ALICE} ")
    assert fields["tenant"] == "alpha" and fields["session"].isdigit() and fields["outcome"] == "ok"
    assert logged(server, "session_end")["session"] == fields["session"]


def encoded(octets):
    return base64.b64encode(octets)


def plain(user, password):
    return encoded(b"\0" + user.encode() + b"\0" + password)


class Talker:
    """Sends lines and remembers what of them is secret, as bytes that must stand nowhere."""

    def __init__(self, server):
        self.server, self.secrets = server, []

    def say(self, *lines, cut=b""):
        """A connection of its own; `cut` is the start of a line that never ends."""
        with self.server.raw() as connection:
            for line in lines:
                connection.recv(1000)
                connection.sendall(line + b"\r\n")
            if cut:
                connection.recv(1000)
                connection.sendall(cut)
            connection.shutdown(1)
            read_to_end(connection)

    def secret(self, octets):
        self.secrets.append(octets)
        return octets

    def found(self):
        """Any twelve octets in a row of a secret are too many."""
        log = self.server.log().encode(errors="replace")
        pieces = {secret[at : at + 12] for secret in self.secrets for at in range(max(1, len(secret) - 11))}
        return [piece for piece in pieces if piece in log]


@pytest.fixture
def talker(tmp_path):
    server = populate(PoplarServer(tmp_path / "server"))
    text = server.config_path.read_text()
    assert 'level = "info"' in text
    server.config_path.write_text(text.replace('level = "info"', 'level = "debug"'))
    with server:
        yield Talker(server)


def test_no_secret_is_in_the_log(talker):
    right, wrong = PASSWORDS[ALICE].encode(), b"not-the-password-of-anybody"
    alice = ALICE.encode()
    for password in (talker.secret(right), talker.secret(wrong)):
        talker.secret(encoded(password))
        message = talker.secret(plain(ALICE, password))
        talker.say(b"USER " + alice, b"PASS " + password, b"QUIT")
        talker.say(b"AUTH PLAIN " + message, b"QUIT")
        talker.say(b"AUTH PLAIN", message, b"QUIT")
        talker.say(b"AUTH LOGIN", encoded(alice), encoded(password), b"QUIT")
        talker.say(b"AUTH LOGIN " + encoded(alice), encoded(password), b"QUIT")
        # The client goes within it, or never ends it.
        talker.say(cut=b"AUTH PLAIN " + message[:-9])
        talker.say(b"AUTH PLAIN", cut=message[:-9])
        talker.say(b"AUTH LOGIN", encoded(alice), cut=encoded(password)[:-4])
        talker.say(b"USER " + alice, cut=b"PASS " + password)
        # Where it makes no sense: no command, no base64, too late, twice.
        talker.say(password, message, b"PASS " + password, b"AUTH NONE " + message, b"QUIT")
        talker.say(b"AUTH PLAIN " + password + b"!", b"AUTH PLAIN", b"=" + message, b"QUIT")
        talker.say(b"AUTH PLAIN " + plain(ALICE, right), b"PASS " + password, b"AUTH PLAIN " + message, b"QUIT")
    over_long = talker.secret(encoded(b"\0" + alice + b"\0" + wrong * (SASL_LINE_OCTETS // len(wrong))))
    talker.say(b"AUTH PLAIN " + over_long)
    talker.say(b"AUTH PLAIN", over_long)
    talker.say(b"AUTH LOGIN", encoded(alice), over_long)
    talker.say(b"USER " + alice, b"PASS " + wrong * 3_000)
    ended = lambda: len(re.findall(r" (?:connection_end|session_end) ", talker.server.log()))
    wait_for("all connections are in the log", 20, lambda: ended() == 2 * 12 + 4)
    assert " debug " in talker.server.log()
    assert talker.found() == []


def test_the_search_for_secrets_finds_one(talker):
    """What a client says of itself is in the log, so the search would see a password there."""
    talker.say(b"USER " + talker.secret(b"a-name-that-is-taken-for-a-secret"), b"PASS x", b"QUIT")
    wait_for("it is in the log", 10, talker.found)


def test_json_log(new_server):
    server = new_server()
    server.stop()
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace('level = "info"', 'level = "info"\nformat = "json"'))
    process = subprocess.Popen([POPLAR, "serve", "--config", str(server.config_path)], stderr=subprocess.PIPE)
    try:
        lines = []
        while not lines or lines[-1].get("event") != "ready":
            lines.append(json.loads(process.stderr.readline()))
        assert all({"time", "level", "event"} <= set(line) for line in lines)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0
