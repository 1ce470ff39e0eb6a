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


def test_a_session_leaves_one_line_with_what_it_did_and_cost(server):
    with server.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        message = b"Subject: x\r\n\r\n" + b"line\r\n" * 500
        lmtp_transaction(client, [ALICE, "nobody@alpha.example"], message)
        lmtp_transaction(client, [ALICE, BOB], message)
    fields = logged(server, "session_end .*protocol=lmtp")
    assert {name: fields[name] for name in ("end", "messages", "recipients", "refused", "stored", "not_stored")} == {
        "end": "quit", "messages": "2", "recipients": "4", "refused": "1", "stored": "3", "not_stored": "0"}
    assert int(fields["commands"]) == 1 + 2 * 4 + 1  # LHLO; MAIL, RCPT, RCPT, DATA; QUIT.
    assert int(fields["octets_in"]) > 2 * len(message) and 0 < int(fields["octets_out"]) < 2000
    client = server.pop3(ALICE, PASSWORDS[ALICE], "pop3s")
    client.stat()
    size = int(client.list(1).split()[2])
    client.retr(1)
    client.dele(1)
    client.quit()
    fields = logged(server, "session_end .*protocol=pop3")
    assert {name: fields[name] for name in ("tls_version", "end", "commands", "messages", "sent", "deleted")} == {
        "tls_version": "TLSv1.3", "end": "quit", "commands": "7", "messages": "2", "sent": "1", "deleted": "1"}
    assert int(fields["sent_octets"]) == size + 3  # The terminator is on the wire.
    assert int(fields["octets_out"]) > int(fields["sent_octets"]) and 0 < int(fields["octets_in"]) < 1000
    assert int(fields["ms"]) < 60_000
    # One that did nothing has no line; there are two lines in all.
    server.raw().close()
    server.raw("lmtp").close()
    server.pop3(ALICE, PASSWORDS[ALICE]).quit()
    wait_for("that session has its line", 10, lambda: server.log().count(" session_end ") == 3)
    assert " connection_end " not in server.log()


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
    talker.server.says(" debug ")
    assert talker.found() == []


def test_the_search_for_secrets_finds_one(talker):
    """What a client says of itself is in the log, so the search would see a password there."""
    talker.say(b"USER " + talker.secret(b"a-name-that-is-taken-for-a-secret"), b"PASS x", b"QUIT")
    wait_for("it is in the log", 10, talker.found)


# What clients may put into a line: no UTF-8, what ends a line or moves the cursor, what looks like an escape, what is cut.
NAMES = (b"bad\xff\xfe@example.test", b"half\xc3", b"long\xc0\xaf\xed\xa0\x80", *map(str.encode, (
    "next\u0085line", "\u009b31mred", "next\u2028line", "\u202eback", "\ufffdff", "caf\u00e9@example.test", "a\u00a0b=c",
    140 * "\u00e9", "a" + 140 * "\u00e9", 255 * "a" + "\u00e9", 254 * "a" + "\U0001f600")))
VALUE = r'(?:"(?:[^"\\]|\\.)*"|[!-~]+)'
LINE = re.compile(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z (?:debug|info|warning|error) (\w+)((?: \w+={VALUE})*)")


def parse(line, log_format):
    """A line's event, and its values as they were before they were escaped."""
    line = line.decode()  # Strictly.
    assert len(line.splitlines()) == 1 and not re.search("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", line), line
    if log_format == "json":
        fields = json.loads(line)
        octet = lambda match: bytes.fromhex(match[1].decode())
        shown = {key: str(value).encode() for key, value in fields.items()}  # Strictly: no lone surrogate.
        return fields["event"], {key: re.sub(b"\xef\xbf\xbd(..)", octet, value) for key, value in shown.items()}
    match = LINE.fullmatch(line)
    assert match, line

    def plain(found):
        return bytes.fromhex(found[1].decode()) if found[1] else chr(int(found[2], 16)).encode() if found[2] else found[3]

    words = re.findall(rf" (\w+)=({VALUE})", match[2])
    return match[1], {key: re.sub(rb"\\(?:x(..)|u(....)|(.))", plain, value.encode().strip(b'"') if value[0] == '"' else value.encode())
                      for key, value in words}


def cut(name):
    while len(name) > 256:
        name = name.decode()[:-1].encode()
    return name


def recipient(name):
    return b'"' + name + b'"@elsewhere.example'


@pytest.mark.parametrize("log_format", ("text", "json"))
def test_whatever_clients_send_a_line_is_a_line(new_server, log_format):
    server = new_server(lmtp='xclient_networks = ["127.0.0.1"]', users="\n[auth]\npenalty_delay_max_ms = 0")
    server.reconfigure('level = "info"', f'level = "debug"\nformat = "{log_format}"')
    before = server.log_path.read_bytes().rindex(b"reloaded")
    for name in NAMES:
        with server.raw() as client:
            client.sendall(b"USER " + name + b"\r\nPASS wrong\r\nAUTH PLAIN " + encoded(b"\0" + name + b"\0wrong") + b"\r\nQUIT\r\n")
            read_to_end(client)
        with server.raw("lmtp") as client:
            told = b"".join(b"+%02X" % octet for octet in name)
            client.sendall(b"LHLO mta.test\r\nXCLIENT LOGIN=" + told + b"\r\nLHLO mta.test\r\nMAIL FROM:<> SMTPUTF8\r\n"
                           b"RCPT TO:<" + recipient(name) + b">\r\nQUIT\r\n")
            read_to_end(client)
    server.stop()  # The log is whole then.
    heard = {}
    for line in server.log_path.read_bytes()[before:].split(b"\n")[1:-1]:
        event, values = parse(line, log_format)
        heard.setdefault(event, []).append(values)
    assert len([end for end in heard["connection_end"] if end["protocol"] == b"pop3"]) == len(NAMES)
    utf8 = [name for name in NAMES if name.decode(errors="ignore").encode() == name]
    assert len(utf8) == len(NAMES) - 3
    assert sorted(values["user"] for values in heard["login"]) == sorted(cut(name) for name in [*NAMES, *utf8])
    assert [values["login"] for values in heard["xclient"]] == [cut(name) for name in NAMES]
    refused = [values["recipient"] for values in heard["recipient_refused"]]
    assert refused == [cut(recipient(name)) for name in utf8 if not re.search("[\x80-\x9f]", name.decode())]


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
