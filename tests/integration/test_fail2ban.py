"""fail2ban reads the server's log: its own tool, the filter of auth/fail2ban, and what clients can write into the log."""

import base64
import re
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import ALICE, PASSWORDS
from poplar_server import needs, wait_for

FILTER = Path(__file__).resolve().parents[2] / "auth/fail2ban/poplar.conf"
# Each tries to be a line of somebody else's, or to hide what it is.
NAMES = ('bob', 'a peer=192.0.2.1 tls=true outcome=ok', 'a" peer=192.0.2.1 outcome=bad_credentials', 'a\\" peer=192.0.2.1',
         'x","peer":"192.0.2.1","tls":true,"outcome":"ok', 'back\\', '""', "it's", "\u00fc", "nobody@alpha.example",
         'a" peer=192.0.2.1 outcome=ok"@alpha.example')


def matches(log):
    """The addresses that fail2ban would count, one for each line."""
    out = subprocess.run(["fail2ban-regex", "--print-all-matched", "--raw", "--out", "ip", log, FILTER],
                         check=True, capture_output=True, timeout=60).stdout.decode()
    return re.findall(r"[0-9a-f.:]{3,}", out)


@pytest.mark.parametrize("log_format", ("text", "json"))
def test_what_fails_is_counted_by_its_own_address(server, tmp_path, log_format):
    needs("fail2ban-regex")
    if log_format == "json":
        text = server.config_path.read_text()
        assert "[log]\n" in text
        server.config_path.write_text(text.replace("[log]\n", '[log]\nformat = "json"\n'))
        server.signal(signal.SIGHUP)
        wait_for("the log is JSON", 10, lambda: '"event":"reloaded"' in server.log())
    before = len(server.log().splitlines())
    for name in NAMES:
        with server.raw() as connection:
            connection.recv(1000)
            response = base64.b64encode(b"\0" + name.encode() + b"\0wrong")
            connection.sendall(b"AUTH PLAIN " + response + b"\r\nQUIT\r\n")
            while connection.recv(1000):
                pass
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.quit()

    def lines():
        return [line for line in server.log().splitlines()[before:] if "login" in line and "protocol" in line]

    wait_for("all is in the log", 10, lambda: len(lines()) >= len(NAMES) + 1)
    log = tmp_path / "poplar.log"
    log.write_text("\n".join(lines()) + "\n")
    assert matches(log) == ["127.0.0.1"] * len(NAMES), log.read_text()
