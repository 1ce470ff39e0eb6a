"""fail2ban reads the server's log: its own tool, the filter of auth/fail2ban, and what clients can write into the log."""

import base64
import re
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import ALICE, PASSWORDS
from front import v2
from poplar_server import needs, read_to_end, wait_for

FILTER = Path(__file__).resolve().parents[2] / "auth/fail2ban/poplar.conf"
# Each tries to be a line of somebody else's, or to hide what it is.
NAMES = (b"bad\xff\xfe@alpha.example", b"half\xe2\x80", *map(str.encode, ('bob', 'a peer=192.0.2.1 tls=true outcome=ok', 'a" peer=192.0.2.1 outcome=bad_credentials', 'a\\" peer=192.0.2.1',
         'x","peer":"192.0.2.1","tls":true,"outcome":"ok', 'back\\', '""', "it's", "\u00fc", "nobody@alpha.example",
         'a" peer=192.0.2.1 outcome=ok"@alpha.example',
         "\u00a0peer=192.0.2.1", "next\u0085line", "next\u2028line", "a" + 150 * "\u00fc", "\ufffd22")))
PROXY, IPV6 = "127.0.0.2", "2001:db8::7"


def matches(log):
    """The addresses that fail2ban would count, one for each line."""
    out = subprocess.run(["fail2ban-regex", "--print-all-matched", "--raw", "--out", "ip", log, FILTER],
                         check=True, capture_output=True, timeout=60).stdout.decode()
    return re.findall(r"[0-9a-f.:]{3,}", out)


@pytest.mark.parametrize("log_format", ("text", "json"))
def test_what_fails_is_counted_by_its_own_address(new_server, tmp_path, log_format):
    needs("fail2ban-regex")
    server = new_server(pop3=f'proxy_networks = ["{PROXY}"]', users="\n[auth]\npenalty_delay_max_ms = 0")
    server.reconfigure("[log]\n", f'[log]\nformat = "{log_format}"\n')
    before = server.log_path.stat().st_size
    for name in NAMES:
        response = base64.b64encode(b"\0" + name + b"\0wrong")
        for source, head in (("127.0.0.1", b""), (PROXY, v2(IPV6, tls="TLSv1.3"))):
            address = ("127.0.0.1", server.ports["pop3"])
            with socket.create_connection(address, timeout=30, source_address=(source, 0)) as connection:
                connection.sendall(head + b"AUTH PLAIN " + response + b"\r\nQUIT\r\n")
                read_to_end(connection)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.quit()

    def lines():
        written = server.log_path.read_bytes()[before:]
        return [line for line in written.split(b"\n") if b"login" in line and b"protocol" in line]

    wait_for("all is in the log", 10, lambda: len(lines()) >= 2 * len(NAMES) + 1)
    log = tmp_path / "poplar.log"
    log.write_bytes(b"\n".join(lines()) + b"\n")
    assert matches(log) == ["127.0.0.1", IPV6] * len(NAMES), log.read_bytes()
