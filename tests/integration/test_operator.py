"""The command line and the metrics page, as an operator meets them."""

import json
import re
import shutil
import subprocess

import pytest
from conftest import ALICE, BOB, PASSWORDS
from poplar_server import POPLAR, wait_for

EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG, EX_CANTCREAT = 64, 65, 67, 69, 75, 78, 73


def test_help_has_examples():
    for words in (["--help"], ["serve", "--help"], ["user", "add", "--help"], ["tenant", "--help"], ["deliver", "--help"]):
        result = subprocess.run([POPLAR, *words], capture_output=True, timeout=60)
        assert result.returncode == 0
        assert b"poplar" in result.stdout
    assert b"xample" in subprocess.run([POPLAR, "deliver", "--help"], capture_output=True, timeout=60).stdout


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
    wait_for("the old password is refused", 15, lambda: not login_works(server, ALICE, PASSWORDS[ALICE]))
    assert login_works(server, ALICE, "new one")
    server.run("user", "disable", ALICE)
    wait_for("the account is off", 15, lambda: not login_works(server, ALICE, "new one"))
    server.deliver([ALICE], b"Subject: meanwhile\r\n\r\nkept for her\r\n")
    server.run("user", "enable", ALICE)
    wait_for("the account is on again", 15, lambda: login_works(server, ALICE, "new one"))
    assert server.pop3(ALICE, "new one").stat()[0] == 1


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
    wait_for("the account is gone", 15, lambda: not login_works(server, ALICE, PASSWORDS[ALICE]))
    server.add_user(ALICE, "second alice")
    wait_for("the new account is there", 15, lambda: login_works(server, ALICE, "second alice"))
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
    assert deliver(server, "not an address").returncode in (EX_USAGE, EX_NOUSER, EX_DATAERR)
    server.stop()
    assert deliver(server, ALICE).returncode in (EX_TEMPFAIL, EX_UNAVAILABLE)


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


def test_the_log_names_the_session_and_no_secret(server):
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.quit()
    wait_for("the session is logged", 10, lambda: f"user={ALICE}" in server.log())
    log = server.log()
    assert "tenant=alpha" in log and "session=" in log
    server.try_login(BOB, "not the password")
    wait_for("the refusal names its user", 10, lambda: re.search(f"event=login .*user={BOB}|login .*user={BOB}.*bad_credentials", server.log()))
    log = server.log()
    assert "not the password" not in log
    for password in PASSWORDS.values():
        assert password not in log


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
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("words", [["nonsense"], ["user", "add"], ["serve", "--nonsense"]])
def test_wrong_usage(words):
    result = subprocess.run([POPLAR, *words], capture_output=True, timeout=60)
    assert result.returncode == EX_USAGE
    assert result.stderr.strip()
