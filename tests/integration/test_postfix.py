"""Postfix takes mail by SMTP and hands it over by LMTP: two recipients at once, byte for byte; an unknown one bounces."""

import os
import re
import smtplib
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import ALICE, BOB, CAROL, PASSWORDS
from network import free_port
from poplar_server import needs, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts Postfix")

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.test.invalid
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
smtp_dns_support_level = disabled
virtual_mailbox_domains = inline:{{ {{alpha.example=x}}, {{beta.example=x}} }}
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
lmtp_destination_recipient_limit = 50
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
in_flow_delay = 0
message_size_limit = 0
"""

MASTER_CF = """
127.0.0.1:{smtp} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, home, lmtp_port):
        self.home, self.port = home, free_port()
        for name in ("etc", "queue", "data"):
            (home / name).mkdir(parents=True)
        subprocess.run(["chown", "postfix", str(home / "data")], check=True)
        (home / "etc/main.cf").write_text(MAIN_CF.format(home=home, lmtp=lmtp_port))
        (home / "etc/master.cf").write_text(MASTER_CF.format(smtp=self.port))

    def command(self, word, check=True):
        result = subprocess.run([needs("postfix"), "-c", str(self.home / "etc"), word], capture_output=True, timeout=60)
        assert not check or result.returncode == 0, result.stderr.decode() + self.log()

    def __enter__(self):
        self.command("check", check=False)
        self.command("start")
        wait_for("postfix listens", 20, self.listens)
        return self

    def __exit__(self, *_):
        self.command("stop")

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def log(self):
        path = self.home / "maillog"
        return path.read_text(errors="replace") if path.exists() else ""


@pytest.fixture
def postfix(server):
    # Not below pytest's own folder: Postfix's user must reach its data.
    with tempfile.TemporaryDirectory(prefix="poplar-postfix-") as home:
        Path(home).chmod(0o755)
        with Postfix(Path(home), server.ports["lmtp"]) as started:
            yield started


def fetch_one(server, address):
    client = server.pop3(address, PASSWORDS[address])
    assert client.stat()[0] == 1
    message = b"".join(line + b"\r\n" for line in client.retr(1)[1])
    client.quit()
    return message


def test_two_recipients_and_a_bounce(server, postfix):
    body = b"Subject: by postfix\r\nFrom: <x@mx.test.invalid>\r\n\r\n.\r\n..dots\r\n\xe4\xf6\xfc 8-bit\r\n" + b"line\r\n" * 5000
    with smtplib.SMTP("127.0.0.1", postfix.port, local_hostname="client.test", timeout=30) as client:
        client.sendmail("sender@client.test", [ALICE, BOB, CAROL, "nobody@alpha.example"], body, mail_options=["BODY=8BITMIME"])

    wait_for("postfix delivered", 60, lambda: len(re.findall(r"status=sent \(250 2\.\d\.\d", postfix.log())) >= 3)
    wait_for("postfix heard of the unknown one", 60, lambda: re.search(r"nobody@alpha\.example.*status=bounced .*550 5\.1\.1", postfix.log()))
    # Recipients of two tenants in one transaction: one MAIL, one message, the same id for all of them.
    assert server.metric("poplar_lmtp_commands_total", verb="MAIL") == 1
    assert server.metric("poplar_lmtp_commands_total", verb="RCPT") == 4
    assert server.metric("poplar_lmtp_commands_total", verb="DATA") + server.metric("poplar_lmtp_commands_total", verb="BDAT") == 1
    wait_for("the log has them", 10, lambda: server.log().count(" delivery ") == 3)
    deliveries = re.findall(r" delivery .*? id=(\S+) .*?user=(\S+) .*?outcome=(\S+)", server.log())
    [transaction] = {id for id, _, _ in deliveries}
    assert sorted(deliveries) == [(transaction, address, "stored") for address in (ALICE, BOB, CAROL)]
    for address in (ALICE, BOB, CAROL):
        assert re.search(rf"to=<{address}>.*status=sent \(250 2\.1\.5 .*{transaction}\)", postfix.log())

    for address in (ALICE, BOB, CAROL):
        message = fetch_one(server, address)
        assert message.startswith(b"Return-Path: <sender@client.test>\r\nReceived: "), message[:200]
        assert transaction.encode() in message[: message.index(b"\r\nReceived: ", 100)]  # In ours, the first.
        # Postfix adds fields of its own to the header; the body is the sender's.
        (header, content), (sent_header, sent_content) = message.split(b"\r\n\r\n", 1), body.split(b"\r\n\r\n", 1)
        assert content == sent_content
        assert sent_header in header
