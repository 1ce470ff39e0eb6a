"""Real mail programs: each logs in, lists, fetches, leaves mail on the server and deletes; plain, STLS and POP3S. What they
fetch is what was sent, byte for byte; where a program rewrites what it fetches, its test says how, and the rest is compared."""

import base64
import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ALICE, PASSWORDS
from poplar_server import needs

MODES = ["plain", "stls", "pop3s"]
BODIES = [
    b"Subject: first\r\n\r\nplain text\r\n",
    b"Subject: dots\r\n\r\n.\r\n..\r\n.leading dot\r\nend\r\n",
    b"Subject: big\r\n\r\n" + b"0123456789abcdef" * 64 * 1024 + b"\r\n",
    b"Subject: odd\r\nX-Folded: one\r\n\ttwo\r\n\r\nFrom here\r\n\xc3\xa4 NUL \0, a lone \r, blanks  \r\n\r\n\r\n",
]


@pytest.fixture
def mailbox(server):
    for body in BODIES:
        server.deliver([ALICE], body)
    return server


def message_body(message):
    """What was delivered, without the header fields that Poplar put in front."""
    return message[message.index(b"Subject: "):]


def check_messages(messages):
    assert [hashlib.sha256(message_body(m)).hexdigest() for m in messages] == [
        hashlib.sha256(body).hexdigest() for body in BODIES
    ]


def reference(server):
    """The messages as the server tells them, its own header fields included; what was sent is in them unchanged."""
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    messages = [b"".join(line + b"\r\n" for line in client.retr(n + 1)[1]) for n in range(len(BODIES))]
    client.quit()
    check_messages(messages)
    return messages


def run(command, **options):
    result = subprocess.run(command, capture_output=True, timeout=120, **options)
    assert result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout!r}\n{result.stderr!r}"
    return result.stdout


def remaining(server):
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    count = client.stat()[0]
    client.quit()
    return count


@pytest.mark.parametrize("mode", MODES)
def test_poplib(mailbox, mode):
    client = mailbox.pop3(ALICE, PASSWORDS[ALICE], mode)
    assert client.stat()[0] == len(BODIES)
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    uidls = [line.split()[1] for line in client.uidl()[1]]
    assert len(set(uidls)) == len(BODIES)
    messages = [b"".join(line + b"\r\n" for line in client.retr(n + 1)[1]) for n in range(len(BODIES))]
    check_messages(messages)
    assert sizes == [len(message) for message in messages]
    client.quit()

    client = mailbox.pop3(ALICE, PASSWORDS[ALICE], mode)
    assert [line.split()[1] for line in client.uidl()[1]] == uidls
    client.dele(2)
    client.quit()
    client = mailbox.pop3(ALICE, PASSWORDS[ALICE], mode)
    assert [line.split()[1] for line in client.uidl()[1]] == uidls[:1] + uidls[2:]
    client.quit()


@pytest.mark.parametrize("mode", MODES)
def test_curl(mailbox, mode):
    scheme, port = ("pop3s", "pop3s") if mode == "pop3s" else ("pop3", "pop3")
    curl = [needs("curl"), "-sS", "--fail", "--cacert", str(mailbox.certificate), "--user", f"{ALICE}:{PASSWORDS[ALICE]}"]
    if mode == "stls":
        curl.append("--ssl-reqd")
    url = f"{scheme}://localhost:{mailbox.ports[port]}/"
    assert len(run([*curl, url]).splitlines()) == len(BODIES)
    check_messages([run([*curl, f"{url}{n + 1}"]) for n in range(len(BODIES))])
    assert b"Subject: dots" in run([*curl, "-X", "TOP 2 0", url])
    assert remaining(mailbox) == len(BODIES)
    run([*curl, "--head", "-X", "DELE", f"{url}1"])
    assert remaining(mailbox) == len(BODIES) - 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_curl_sasl(mailbox, mechanism):
    url = f"pop3s://localhost:{mailbox.ports['pop3s']}/"
    listing = run([needs("curl"), "-sS", "--fail", "--cacert", str(mailbox.certificate), "--user",
                   f"{ALICE}:{PASSWORDS[ALICE]}", "--login-options", f"AUTH={mechanism}", url])
    assert len(listing.splitlines()) == len(BODIES)


def without_fetchmails_doings(message):
    """It puts a Received of its own behind Return-Path, and behind each 8191 octets of a line two of any kind and a line end."""
    field = rb"\nReceived: from \S+ \[127\.0\.0\.1\]\n\tby \S+ with POP3 \(fetchmail-.*\n\tfor .*"
    message, fields = re.subn(field, b"", message, count=1)
    assert fields == 1
    return re.sub(rb"([^\n]{8191})(?s:..)\n", rb"\1", message)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("keep", [True, False], ids=["keep", "delete"])
def test_fetchmail(mailbox, tmp_path, mode, keep):
    service = mailbox.ports["pop3s" if mode == "pop3s" else "pop3"]
    tls = {"plain": "sslproto ''", "stls": "sslproto tls1.2+", "pop3s": "ssl"}[mode]
    box = tmp_path / "inbox"
    box.mkdir()
    store = tmp_path / "store"
    store.write_text(f'#!/bin/sh\ncat >"{box}/$(ls "{box}" | wc -l)"\n')
    store.chmod(0o755)
    config = tmp_path / "fetchmailrc"
    config.write_text(
        f'poll localhost protocol pop3 service {service} uidl\n'
        f'  user "{ALICE}" password "{PASSWORDS[ALICE]}" {"keep" if keep else "nokeep"} {tls}\n'
        f'  sslcertck sslcertfile "{mailbox.certificate}" mda "{store}"\n'
    )
    config.chmod(0o600)
    environment = {**os.environ, "HOME": str(tmp_path), "FETCHMAILHOME": str(tmp_path)}
    command = [needs("fetchmail"), "--fetchmailrc", str(config), "--pidfile", str(tmp_path / "pid"), "--nosyslog"]
    expected = [message.replace(b"\r", b"") for message in reference(mailbox)]  # It writes LF, and drops every CR.
    run(command, env=environment)
    fetched = [(box / str(n)).read_bytes() for n in range(len(list(box.iterdir())))]
    assert [without_fetchmails_doings(message) for message in fetched] == expected
    assert remaining(mailbox) == (len(BODIES) if keep else 0)
    again = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert again.returncode == 1, again  # 1: no new mail. UIDLs were remembered.


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("keep", [True, False], ids=["keep", "delete"])
def test_mpop(mailbox, tmp_path, mode, keep):
    port = mailbox.ports["pop3s" if mode == "pop3s" else "pop3"]
    maildir = tmp_path / "mail"
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    config = tmp_path / "mpoprc"
    tls = "tls off" if mode == "plain" else f"tls on\ntls_trust_file {mailbox.certificate}\ntls_starttls {'on' if mode == 'stls' else 'off'}"
    config.write_text(
        f"account default\nhost localhost\nport {port}\nuser {ALICE}\npassword {PASSWORDS[ALICE]}\nauth user\n{tls}\n"
        f"keep {'on' if keep else 'off'}\nuidls_file {tmp_path}/uidls\ndelivery maildir {maildir}\nreceived_header off\n"
    )
    config.chmod(0o600)
    expected = [message.replace(b"\r\n", b"\n") for message in reference(mailbox)]  # As a Maildir has lines.
    run([needs("mpop"), "-C", str(config), "-q"])
    files = (maildir / "new").iterdir()
    assert sorted(file.read_bytes() for file in files) == sorted(expected)
    assert remaining(mailbox) == (len(BODIES) if keep else 0)
    run([needs("mpop"), "-C", str(config), "-q"])
    assert len(list((maildir / "new").iterdir())) == len(BODIES)  # Fetched once.


NODE_POP3 = "node-pop3@0.11.0"
NODE_SCRIPT = """
const net = require('net');
const {once} = require('events');
const Pop3Command = require('node-pop3');

// node-pop3 has no STLS: the upgrade is done by hand, and the library goes on on the encrypted socket.
async function upgraded(port) {
  const socket = net.connect(port, 'localhost');
  await once(socket, 'data');
  socket.write('STLS\\r\\n');
  const [reply] = await once(socket, 'data');
  if (!reply.toString().startsWith('+OK')) throw new Error(`STLS: ${reply}`);
  socket.removeAllListeners('data');
  return socket;
}

(async () => {
  const [port, mode, user, password, remove] = process.argv.slice(2);
  const tlsOptions = mode === 'stls' ? {socket: await upgraded(Number(port))} : {};
  const pop3 = new Pop3Command({
    user, password, port: Number(port), host: 'localhost', tls: mode !== 'plain', servername: 'localhost', timeout: 60000,
    tlsOptions});
  if (mode === 'stls') {
    pop3.connect();  // Resolves at the first reply; the greeting came before TLS.
    await once(pop3._socket, 'secureConnect');
    await pop3.command('USER', user);
    await pop3.command('PASS', password);
  }
  const uidls = await pop3.UIDL();
  const messages = [];
  for (const [number] of uidls) messages.push(await pop3.RETR(number));
  if (remove === 'yes') await pop3.command('DELE', uidls[0][0]);
  await pop3.QUIT();
  const said = JSON.stringify({uidls, messages: messages.map(m => Buffer.from(m).toString('base64'))});
  process.stdout.write(said, () => process.exit(0));
})().catch(error => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="session")
def node_pop3():
    home = Path(os.environ.get("POPLAR_TEST_CACHE", "build/test-cache")) / "node-pop3"
    if not (home / "node_modules/node-pop3").exists():
        home.mkdir(parents=True, exist_ok=True)
        run([needs("npm"), "install", "--prefix", str(home), "--no-audit", "--no-fund", "--ignore-scripts", NODE_POP3])
    script = home / "fetch.js"
    script.write_text(NODE_SCRIPT)
    return script


def as_node_pop3_returns(message):
    """It leaves the dots doubled (and reads UTF-8, which all of this is)."""
    return re.sub(rb"^\.", b"..", message, flags=re.M)


@pytest.mark.parametrize("mode", MODES)
def test_node_pop3(mailbox, node_pop3, mode):
    def fetch(remove):
        port = mailbox.ports["pop3s" if mode == "pop3s" else "pop3"]
        environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(mailbox.certificate)}
        return json.loads(run([needs("node"), str(node_pop3), str(port), mode, ALICE, PASSWORDS[ALICE], remove], env=environment))

    expected = [as_node_pop3_returns(message) for message in reference(mailbox)]
    kept = fetch("no")
    fetched = [base64.b64decode(message) for message in kept["messages"]]
    # It takes CRLF.CRLF off at the end; where that came in two pieces, the dot's line only.
    assert [message if message == stuffed else message + b"\r\n" for message, stuffed in zip(fetched, expected)] == expected
    assert remaining(mailbox) == len(BODIES)
    assert fetch("yes")["uidls"] == kept["uidls"]
    assert remaining(mailbox) == len(BODIES) - 1
