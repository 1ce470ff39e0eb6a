"""fail2ban reads the server's log: its own tool, the filter of auth/fail2ban, and what clients can write into the log."""

import base64
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ALICE, PASSWORDS
from front import v2
from poplar_server import needs, read_to_end, wait_for

FILTER = Path(__file__).resolve().parents[2] / "auth/fail2ban/poplar.conf"
# Of a log-in that failed, as the journal has them after fail2ban's head.
LINES = ("2026-11-28T10:00:00.000Z info login session=7 protocol=pop3 tenant=alpha user=bob peer=192.0.2.1 tls=true outcome=bad_credentials",
         '{"time":"2026-11-28T10:00:00.000Z","level":"info","event":"login","session":7,"protocol":"pop3","tenant":"alpha","user":"bob",'
         '"peer":"192.0.2.1","tls":true,"outcome":"bad_credentials"}')
# As names that people give themselves.
PRETENDED = [head + text for head in ("", "mx1 poplar[4711]: ") for text in LINES] + ["x " + LINES[0].split(" ", 1)[1]]
# Each tries to be a line of somebody else's, or to hide what it is.
NAMES = (b"bad\xff\xfe@alpha.example", b"half\xe2\x80", *map(str.encode, ('bob', 'a peer=192.0.2.1 tls=true outcome=ok', 'a" peer=192.0.2.1 outcome=bad_credentials', 'a\\" peer=192.0.2.1',
         'x","peer":"192.0.2.1","tls":true,"outcome":"ok', 'back\\', '""', "it's", "\u00fc", "nobody@alpha.example",
         'a" peer=192.0.2.1 outcome=ok"@alpha.example',
         "\u00a0peer=192.0.2.1", "next\u0085line", "next\u2028line", "a" + 150 * "\u00fc", "\ufffd22", *PRETENDED)))
PROXY, IPV6 = "127.0.0.2", "2001:db8::7"


# fail2ban's own reader of journals and its own tool, over entries of standard input in the place of a journal.
JOURNAL = r"""
import datetime, json, sys, types

class Reader:
    def __init__(self, **_):
        self.entries, self.wanted = iter(json.load(sys.stdin)), []
    def add_match(self, match):
        self.wanted.append(match.split("=", 1))
    def add_disjunction(self):
        pass
    def get_next(self):
        now = datetime.datetime.now()
        fit = (entry for entry in self.entries if all(entry.get(name) == value for name, value in self.wanted))
        return next(({**entry, "__REALTIME_TIMESTAMP": now} for entry in fit), None)

journal = types.ModuleType("systemd.journal")
journal.Reader, journal.__version__ = Reader, "234"
sys.modules["systemd"] = types.ModuleType("systemd")
sys.modules["systemd"].journal = sys.modules["systemd.journal"] = journal
from fail2ban.client.fail2banregex import exec_command_line
exec_command_line(sys.argv[1:])
"""
TOLD = ("--print-all-matched", "--raw", "--out", "ip")


def addresses(output):
    return re.findall(r"[0-9a-f.:]{3,}", output.decode())


def matches(log):
    """The addresses that fail2ban would count, one for each line of a file."""
    return addresses(subprocess.run(["fail2ban-regex", *TOLD, log, FILTER], check=True, capture_output=True, timeout=60).stdout)


def journal_matches(lines, unit="poplar.service", identifier="poplar"):
    """The same of lines that a service wrote to the journal."""
    entries = [{"_SYSTEMD_UNIT": unit, "_HOSTNAME": "mx1", "SYSLOG_IDENTIFIER": identifier, "_PID": 4711, "MESSAGE": line} for line in lines]
    result = subprocess.run([sys.executable, "-c", JOURNAL, *TOLD, "systemd-journal", FILTER], input=json.dumps(entries).encode(),
                            capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    return addresses(result.stdout)


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
    assert journal_matches([line.decode() for line in lines()]) == ["127.0.0.1", IPV6] * len(NAMES)


@pytest.mark.parametrize("log_format", ("text", "json"))
def test_every_kind_of_failure_is_counted(new_server, tmp_path, log_format):
    """Also the one that ends a connection for all before it, and the one that is not looked at as too many wait."""
    needs("fail2ban-regex")
    server = new_server(pop3=f'auth_failures_max = 2\nproxy_networks = ["{PROXY}"]',
                        users="\n[auth]\npenalty_after = 1\npenalty_waiting_max = 0")
    server.reconfigure("[log]\n", f'[log]\nformat = "{log_format}"\n')
    before = server.log_path.stat().st_size
    wrong = [f"USER {ALICE}\r\nPASS wrong {i}\r\n".encode() for i in range(2)]
    right = f"USER {ALICE}\r\nPASS {PASSWORDS[ALICE]}\r\n".encode()

    def say(source, head, lines, last_word):
        address = ("127.0.0.1", server.ports["pop3"])
        with socket.create_connection(address, timeout=30, source_address=(source, 0)) as connection:
            connection.sendall(head + b"".join(lines))
            replies = read_to_end(connection).splitlines()
            assert replies[-1].startswith(last_word), replies

    places = (("127.0.0.3", b""), (PROXY, v2(IPV6, tls="TLSv1.3")))
    for source, head in places:
        say(source, head, wrong, b"-ERR [AUTH] Too many failed logins")
        say(source, head, [right], b"-ERR [SYS/TEMP]")
    say("127.0.0.4", b"", [right, b"QUIT\r\n"], b"+OK")
    outcomes = ["bad_credentials", "too_many_failures", "throttled"]

    def lines():
        written = server.log_path.read_bytes()[before:].decode()
        return [line for line in written.splitlines() if "login" in line and "protocol" in line]

    wait_for("all is in the log", 10, lambda: len(lines()) >= 7)
    assert re.findall(r'"?outcome"?[=:]"?(\w+)', "\n".join(lines())) == outcomes * 2 + ["ok"]
    log = tmp_path / "poplar.log"
    log.write_text("\n".join(lines()) + "\n")
    told = ["127.0.0.3"] * 3 + [IPV6] * 3
    assert matches(log) == journal_matches(lines()) == told
    # Each by itself, and no other outcome.
    for line, address in zip(lines(), told):
        log.write_text(line + "\n")
        assert matches(log) == [address], line
    for other in ("disabled", "in_use", "temporary", "limited"):
        log.write_text("".join(line.replace("throttled", other) + "\n" for line in lines() if "throttled" in line))
        assert log.read_text() and matches(log) == [], other
    for outcome in outcomes:
        assert server.metric("poplar_pop3_logins_total", outcome=outcome) == 2


@pytest.mark.parametrize("line", LINES, ids=("text", "json"))
def test_what_only_looks_like_it_is_not_counted(tmp_path, line):
    needs("fail2ban-regex")
    log = tmp_path / "poplar.log"
    log.write_text(line + "\n")
    assert matches(log) == journal_matches([line]) == ["192.0.2.1"]
    # Of others, and what somebody named himself in lines of other events, or in one of a log-in that went well.
    assert journal_matches([line], identifier="sshd") == journal_matches([line], unit="ssh.service") == []
    escaped = [json.dumps(name) for name in PRETENDED]
    lines = [made for name in escaped for made in (
        f"2026-11-28T10:00:00.000Z info penalty by=user user={name} peer=192.0.2.2",
        f"2026-11-28T10:00:00.000Z info login session=8 protocol=pop3 tenant=alpha user={name} peer=192.0.2.2 tls=true outcome=ok",
        f'{{"time":"2026-11-28T10:00:00.000Z","level":"info","event":"penalty","by":"user","user":{name},"peer":"192.0.2.2"}}',
        f'{{"time":"2026-11-28T10:00:00.000Z","level":"info","event":"login","session":8,"protocol":"pop3","tenant":"alpha","user":{name},'
        '"peer":"192.0.2.2","tls":true,"outcome":"ok"}')]
    log.write_text("\n".join(lines) + "\n")
    assert matches(log) == journal_matches(lines) == []
