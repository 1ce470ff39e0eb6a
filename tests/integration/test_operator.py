"""The command line and the metrics page, as an operator meets them."""

import re
import shutil
import signal
import subprocess

import pytest
from conftest import ALICE, BOB, PASSWORDS
from poplar_server import POPLAR, wait_for

EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG, EX_CANTCREAT = 64, 65, 67, 69, 75, 78, 73


def test_help_has_examples():
    """Each command that does something, however deep in its groups."""
    groups, leaves = [[]], []
    while groups:
        words = groups.pop()
        result = subprocess.run([POPLAR, *words, "--help"], capture_output=True, timeout=60, check=True)
        _, _, listed = result.stdout.decode().partition("Subcommands:\n")
        named = [line.split()[0] for line in listed.partition("\n\n")[0].splitlines() if re.match(r"  \S", line)]
        groups += [[*words, name] for name in named]
        if not named:
            leaves.append(words)
            assert f"Examples:\n  poplar {' '.join(words)}".encode() in result.stdout, words
    assert ["store", "dump", "maildrop"] in leaves and ["tenant", "domain", "add"] in leaves


def test_init_keeps_what_is_there(server):
    before = server.config_path.read_text()
    server.run("init", str(server.directory), config=False)
    assert server.config_path.read_text() == before


def test_check_names_each_fault(new_server):
    server = new_server()
    assert server.run("check").returncode == 0
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace('level = "info"', 'level = "chatty"').replace("[pop3s]", "[pop3s]\nlisen = []"))
    result = server.run("check", check=False)
    told = result.stdout.decode() + result.stderr.decode()
    assert result.returncode == EX_CONFIG
    assert "poplar.toml:" in told and "chatty" in told and "lisen" in told and "listen" in told
    server.config_path.write_text(text)


def test_users_and_tenants(server):
    assert {tenant["name"] for tenant in server.run_json("tenant", "list")} == {"alpha", "beta"}
    addresses = [user["address"] for user in server.run_json("user", "list")]
    assert addresses == sorted(addresses) and ALICE in addresses
    assert server.run("user", "add", ALICE, "--password-stdin", check=False, input=b"x\n").returncode == EX_CANTCREAT
    assert server.run("user", "passwd", "nobody@alpha.example", "--password-stdin", check=False, input=b"x\n").returncode == EX_NOUSER


def login_works(server, user, password):
    client, refusal = server.try_login(user, password)
    if client:
        client.quit()
        return True
    assert "[AUTH]" in refusal or "[SYS/PERM]" in refusal, refusal
    return False


def test_password_change_and_disabling_take_effect(server):
    assert login_works(server, ALICE, PASSWORDS[ALICE])
    server.run("user", "passwd", ALICE, "--password-stdin", input=b"new one\n")
    assert not login_works(server, ALICE, PASSWORDS[ALICE])
    assert login_works(server, ALICE, "new one")
    server.run("user", "disable", ALICE)
    assert not login_works(server, ALICE, "new one")
    server.deliver([ALICE], b"Subject: meanwhile\r\n\r\nkept for her\r\n")
    server.run("user", "enable", ALICE)
    assert login_works(server, ALICE, "new one")
    server.run("user", "set", ALICE, "--pop3", "false")
    assert not login_works(server, ALICE, "new one")
    server.run("user", "set", ALICE, "--pop3", "true")
    assert server.pop3(ALICE, "new one").stat()[0] == 1


def test_users_that_come_and_go_do_so_at_once(server):
    new = "dora@alpha.example"
    assert not login_works(server, new, "one")
    server.add_user(new, "one")
    assert login_works(server, new, "one")
    made = server.run_json("user", "app-password", "add", new, "phone")["password"]
    assert login_works(server, new, made)
    server.run("user", "app-password", "remove", new, "phone")
    assert not login_works(server, new, made)
    server.run("user", "remove", new)
    assert not login_works(server, new, "one")


def test_a_change_says_so_when_the_server_cannot_be_told(server):
    server.signal(signal.SIGSTOP)
    try:
        told = server.run("user", "disable", ALICE).stderr.decode()
    finally:
        server.signal(signal.SIGCONT)
    assert "the change is made" in told and "within about a second" in told
    wait_for("the account is off", 15, lambda: not login_works(server, ALICE, PASSWORDS[ALICE]))
    server.stop()
    assert server.run("user", "enable", ALICE).stderr == b""


def test_a_hash_of_another_system_is_taken_over_and_renewed_by_the_first_login(server):
    # Of "secret", as OpenLDAP's pw-pbkdf2 writes it.
    old = b"{PBKDF2-SHA256}1200$....c2FsdHk$yJsT8EPFUTIHoW8SnHTTT/lNRxd3HXctkMV8MySKdgU\n"
    server.run("user", "add", "new@alpha.example", "--hash-stdin", input=old)
    refused = server.run("user", "passwd", ALICE, "--hash-stdin", check=False, input=b"{SSHA}Z0zze/o2uMbUR7+pHjEGjXhYcCtOYUNsNGFsbA==\n")
    assert refused.returncode == EX_DATAERR and b"too weak" in refused.stderr
    hash_of = lambda: {user["address"]: user["hash"] for user in server.run_json("user", "list")}["new@alpha.example"]
    assert not login_works(server, "new@alpha.example", "Secret") and hash_of() == "pbkdf2-sha256"
    assert login_works(server, "new@alpha.example", "secret") and hash_of() == "yescrypt"
    assert login_works(server, "new@alpha.example", "secret") and server.metric("poplar_auth_rehashed_total") == 1


def test_a_recreated_address_meets_no_old_mail(server):
    server.deliver([ALICE], b"Subject: private\r\n\r\nof the first Alice\r\n")
    server.run("user", "remove", ALICE)
    assert not login_works(server, ALICE, PASSWORDS[ALICE])
    server.add_user(ALICE, "second alice")
    assert login_works(server, ALICE, "second alice")
    client = server.pop3(ALICE, "second alice")
    assert client.stat()[0] == 0
    client.quit()


def deliver(server, *arguments, message=b"Subject: x\n\nbody\n"):
    return server.run("deliver", *arguments, check=False, input=message)


def test_deliver(server):
    assert deliver(server, ALICE, BOB, "--from", "me@alpha.example", message=b"Subject: x\n\n.dot\nbody\n").returncode == 0
    client = server.pop3(BOB, PASSWORDS[BOB])
    lines = client.retr(1)[1]
    assert lines[0] == b"Return-Path: <me@alpha.example>" and lines[-2:] == [b".dot", b"body"]
    client.quit()
    assert deliver(server, "nobody@alpha.example").returncode == EX_NOUSER
    assert deliver(server, "not an address").returncode == EX_USAGE
    server.stop()
    assert deliver(server, ALICE).returncode == EX_TEMPFAIL


def test_without_a_server_session_list_says_so(new_server):
    server = new_server()
    server.stop()
    result = server.run("session", "list", check=False)
    assert result.returncode == EX_UNAVAILABLE
    assert b"Traceback" not in result.stderr and result.stderr.strip()


def test_session_list(server):
    client = server.pop3(ALICE, PASSWORDS[ALICE], "pop3s")
    [session] = [s for s in server.run_json("session", "list") if s.get("user") == ALICE]
    assert session["protocol"] == "pop3" and session["tls"] is True and session["tenant"] == "alpha"
    assert session["peer"].startswith("127.0.0.1")
    client.quit()


def test_metrics_count_what_happened(server):
    server.deliver([ALICE, BOB], b"Subject: x\r\n\r\nbody\r\n")
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.retr(1)
    client.dele(1)
    client.quit()
    assert not login_works(server, ALICE, "wrong")
    assert server.metric("poplar_lmtp_deliveries_total", outcome="stored") == 2
    assert server.metric("poplar_pop3_commands_total", verb="RETR") == 1
    assert server.metric("poplar_pop3_logins_total", outcome="ok") == 1
    assert server.metric("poplar_pop3_logins_total", outcome="bad_credentials") == 1
    assert server.metric("poplar_pop3_messages_deleted_total") == 1
    assert server.metric("poplar_pop3_command_seconds_count", command="RETR") == 1
    assert server.metric("poplar_pop3_command_seconds_count", command="QUIT") == 1
    assert server.metric("poplar_pop3_sessions") == 0


def test_metrics_page_is_well_formed(server):
    server.deliver([ALICE], b"Subject: x\r\n\r\n")
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: tests/run installs it"
    result = subprocess.run([promtool, "check", "metrics"], input=server.http("/metrics")[1].encode(), capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr.decode() + result.stdout.decode()


@pytest.mark.parametrize("words", [["nonsense"], ["user", "add"], ["serve", "--nonsense"]])
def test_wrong_usage(words):
    result = subprocess.run([POPLAR, *words], capture_output=True, timeout=60)
    assert result.returncode == EX_USAGE
    assert result.stderr.strip()
