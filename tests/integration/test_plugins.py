"""Users who live in a plug-in: the example's file, and what a plug-in in trouble does to a server."""

import json
import os
import poplib
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from backend_server import example, replaced
from conftest import ALICE, PASSWORDS
from frozen import freeze
from poplar_server import POPLAR, SLOWNESS, PoplarServer, lmtp_transaction, needs, wait_for

BUILD = Path(os.environ.get("POPLAR_BUILD", Path(POPLAR).resolve().parents[2]))
EXAMPLE = BUILD / "auth/plugins/example.so"
TROUBLE = BUILD / "tests/support/trouble.so"
ERIN, FRED = "erin@alpha.example", "fred@alpha.example"
MESSAGE = b"Subject: to a plug-in's user\r\n\r\nhello\r\n"


def children(pid):
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def command_line(process):
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""  # It has ended since it was seen.


def hosts(server):
    """The processes of plug-ins, which the server's launcher has started, or without a sandbox the server itself."""
    if 'sandbox = "off"' in server.config_path.read_text():
        own = children(server.process.pid)
        return [child for child in own if b"auth-host" in command_line(child)]
    return [host for launcher in children(server.process.pid) for host in children(launcher)]


def codes(server, recipients, message=MESSAGE):
    """What each recipient is answered."""
    with server.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        return [code for code, _ in lmtp_transaction(client, recipients, message)]


def asked_for(server, *recipients):
    """The same of the recipients alone; nothing is delivered."""
    with server.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        client.mail("sender@mta.test")
        return [client.rcpt(recipient)[0] for recipient in recipients]


@pytest.fixture
def with_plugins(tmp_path):
    made = []

    def make(auth, **options):
        server = PoplarServer(tmp_path / f"server{len(made)}", **options)
        server.add_tenant("alpha", "alpha.example")
        server.add_user(ALICE, PASSWORDS[ALICE])
        config = server.directory / "poplar.toml"
        config.write_text(config.read_text() + auth)
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()


def example_config(users):
    return f"""
[auth]
chain = ["flat", "users"]
[backend.flat]
plugin = "{EXAMPLE}"
file = "{users}"
"""


def test_the_example_s_users(with_plugins, tmp_path):
    users = tmp_path / "users.txt"
    users.write_text(f"# a comment\n{ERIN}\t5f21c0de\t{{CRYPT}}$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7"
                     f"eZTITsuk0Ry5qulYz.\t1000\n{FRED}\t7\n")
    server = with_plugins(example_config(users)).start()
    # Mail comes to users of both back ends, and to nobody else.
    assert codes(server, [ERIN, ALICE, FRED, "nobody@alpha.example"]) == [250, 250, 250, 550]
    client = server.pop3(ERIN, "secret")
    assert b"\r\n".join(client.retr(1)[1]).endswith(b"hello")
    client.dele(1)
    client.quit()
    assert server.pop3(ALICE, PASSWORDS[ALICE]).stat()[0] == 1
    for user, password in ((ERIN, "Secret"), (FRED, "secret"), ("nobody@alpha.example", "secret"), (ERIN, PASSWORDS[ALICE])):
        with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\]"):
            server.pop3(user, password)
    # The quota in the file's fourth field.
    assert codes(server, [ERIN], b"Subject: x\r\n\r\n" + b"x" * 2000) == [452]
    # A change of the file counts from the next question on (what is remembered lives a while).
    users.write_text(users.read_text().replace(FRED + "\t7", "greg@alpha.example\t9\t{CRYPT}" + re.search(r"\$6\S+", users.read_text())[0]))
    assert server.pop3("greg@alpha.example", "secret").stat() == (0, 0)
    # What is remembered lives as long as the back end allows, five seconds, not as long as [users] does.
    users.write_text("".join(line for line in users.read_text().splitlines(keepends=True) if not line.startswith(ERIN)))

    def is_refused():
        client, why = server.try_login(ERIN, "secret")
        if client is not None:
            client.quit()
        return "[AUTH]" in why

    wait_for("what was remembered is forgotten", 30, is_refused)
    # Without it nobody is called unknown.
    users.unlink()
    assert codes(server, ["somebody@alpha.example"]) == [451]
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/TEMP\]"):
        server.pop3("somebody@alpha.example", "secret")
    assert server.metric("poplar_backend_answers_total", backend="flat", outcome="ok") >= 3


@pytest.mark.parametrize("sandbox", ["on", "off"])
def test_a_new_build_is_taken_while_the_server_runs(with_plugins, tmp_path, sandbox):
    """As auth/PLUGINS.md has it: put into the old one's place at once."""
    if sandbox != "off" and os.environ.get("POPLAR_SANITIZE") == "thread":
        pytest.skip("the thread sanitizer wants no sandbox")
    users, plugin = tmp_path / "users.txt", tmp_path / "flat.so"
    users.write_text(f"{ERIN}\t5f21c0de\t{{PLAIN}}secret\n")
    shutil.copy(EXAMPLE, plugin)
    server = with_plugins(example_config(users).replace(str(EXAMPLE), str(plugin)) + "weak_schemes = true\n")
    text = server.config_path.read_text()
    server.config_path.write_text(re.sub(r'\n(sandbox = "off")?\ncongestion', f'\nsandbox = "{sandbox}"\ncongestion', text))
    server.start()
    assert server.pop3(ERIN, "secret").stat()[0] == 0
    before = hosts(server)
    shutil.copy(EXAMPLE, tmp_path / "flat.new")
    (tmp_path / "flat.new").rename(plugin)
    wait_for("a new process serves the new build", 20, lambda: hosts(server) and not set(hosts(server)) & set(before))
    wait_for("it answers", 20, lambda: server.try_login(ERIN, "secret")[0] is not None)


def test_a_tenant_has_a_chain_of_its_own(with_plugins, tmp_path):
    users = tmp_path / "users.txt"
    users.write_text(f"{ERIN}\t5f21c0de\t{{PLAIN}}secret\n{ALICE}\t77\t{{PLAIN}}another\n")
    config = example_config(users).replace('chain = ["flat", "users"]\n', "") + "weak_schemes = true\n"
    server = with_plugins(config).start()
    # [auth] has the server's own users only.
    assert codes(server, [ERIN, ALICE]) == [550, 250]
    assert server.metric("poplar_backend_answers_total", backend="flat", outcome="ok") == 0
    server.run("tenant", "set", "alpha", "--auth-chain", "flat,users")
    wait_for("the tenant's chain holds", 30, lambda: codes(server, [ERIN]) == [250])
    assert server.pop3(ERIN, "secret").stat()[0] == 1
    # Who is in both is the first one's.
    wait_for("what was remembered is forgotten", 10, lambda: server.try_login(ALICE, PASSWORDS[ALICE])[0] is None)
    assert server.pop3(ALICE, "another").stat()[0] == 0
    result = server.run("tenant", "set", "alpha", "--auth-chain", "users,gone", check=False)
    assert result.returncode != 0 and b"there is no [backend.gone]" in result.stderr, result.stderr
    # A chain can lose a back end afterwards.
    with sqlite3.connect(server.directory / "users.db", timeout=30) as database:
        database.execute("UPDATE tenant_settings SET value = 'users,gone' WHERE name = 'auth_chain'")
    database.close()
    result = server.run("check", check=False)
    assert result.returncode == 78 and b"auth_chain of tenant alpha names [backend.gone]" in result.stderr, result.stderr
    wait_for("nobody is called unknown", 30, lambda: codes(server, [ERIN, ALICE]) == [451, 250])
    assert "[SYS/TEMP]" in server.try_login(ERIN, "secret")[1]
    # Whoever tests hears what clients do, and why.
    result = server.run("auth", "test", ERIN, check=False)
    assert result.returncode == 75 and b'auth_chain names "gone", which is no back end' in result.stdout, result
    assert b"gone cannot tell now" in result.stdout, result
    result = server.run("auth", "test", ERIN, "--password-stdin", "--json", check=False, input=b"secret\n")
    assert result.returncode == 75, result
    assert [(link["backend"], link["asked"], link["says"]) for link in json.loads(result.stdout)][-2:] == [
        ("gone", "address", "temporary"), ("gone", "password", "temporary")]
    assert server.run("auth", "test", ALICE).stdout.endswith(b"Found by users.\n")
    server.run("tenant", "set", "alpha", "--auth-chain", "default")
    wait_for("all is as it was", 30, lambda: codes(server, [ERIN]) == [550])


def built_in(*names):
    """[auth] of README.md's "Back ends that are built in", and the sections of these back ends."""
    parts = re.split(r"^(?=\[)", example("README.md", "Back ends that are built in"), flags=re.M)
    return "".join(part for part in parts if part.startswith(("[auth]", *(f"[backend.{name}]" for name in names))))


def test_a_probe_logs_in_whatever_becomes_of_the_others(with_plugins):
    stored = subprocess.run([needs("openssl"), "passwd", "-6", "-stdin"], input=b"probing", check=True, capture_output=True, timeout=60).stdout
    config = built_in("probe")
    for name, value in {"chain": '["probe", "users"]', "address": '"Probe@Alpha.Example"', "password": f'"{stored.decode().strip()}"'}.items():
        config = replaced(config, name, value)
    server = with_plugins(config).start()
    assert codes(server, ["probe@alpha.example", ALICE, "nobody@alpha.example"]) == [250, 250, 550]
    assert server.pop3("probe@alpha.example", "probing").stat()[0] == 1
    assert "[AUTH]" in server.try_login("probe@alpha.example", "wrong")[1]
    server.pop3(ALICE, PASSWORDS[ALICE]).quit()


def test_a_passwd_file_of_dovecot(with_plugins, tmp_path):
    users = tmp_path / "passwd"
    users.write_text(f"{ERIN}:{{SSHA}}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0:::::: userdb_quota_rule=*:bytes=900\n"
                     f"fred:{{PLAIN}}s3cret\n")
    config = replaced(replaced(built_in("old"), "file", f'"{users}"'), "default_domain", '"alpha.example"')
    server = with_plugins(config).start()
    assert codes(server, [ERIN, FRED, ALICE, "nobody@alpha.example"]) == [250, 250, 250, 550]
    assert codes(server, [ERIN], b"Subject: x\r\n\r\n" + b"x" * 2000) == [452]
    for user, password in ((ERIN, "secret"), (FRED, "s3cret"), (ALICE, PASSWORDS[ALICE])):
        assert server.pop3(user, password).stat()[0] == 1
    assert "[AUTH]" in server.try_login(FRED, "secret")[1]
    # A change counts within seconds, for what is remembered too.
    users.write_text(f"fred:{{PLAIN}}another\n")
    wait_for("the new password", 10, lambda: server.try_login(FRED, "another")[0] is not None)
    assert "[AUTH]" in server.try_login(FRED, "s3cret")[1]
    assert codes(server, [ERIN]) == [550]
    # One that is emptied, or none any more, takes nobody away.
    users.write_text("")
    wait_for("the log says so", 10, lambda: "there is no user in it" in server.log())
    assert codes(server, [FRED]) == [250]
    users.unlink()
    users.mkdir()
    wait_for("the log says that, too", 20, lambda: "cannot read it: Is a directory" in server.log())
    assert codes(server, [FRED]) == [250]
    users.rmdir()
    users.write_text(f"fred:{{PLAIN}}another\n")
    # Weak schemes only where that is allowed: the password may be right, so it is no wrong one.
    server.stop()
    server.config_path.write_text(server.config_path.read_text().replace("weak_schemes = true", "weak_schemes = false"))
    server.start()
    assert "[SYS/TEMP]" in server.try_login(FRED, "another")[1]
    server.says("of a weak scheme (plain)")


def test_extra_fields_of_a_passwd_file(with_plugins, tmp_path):
    users = tmp_path / "passwd"
    users.write_text(f"{ERIN}:{{PLAIN}}secret::::::nologin\n{FRED}:{{PLAIN}}secret::::::allow_nets=192.0.2.0/24\n"
                     "gail@alpha.example:{PLAIN}secret::::::allow_nets=127.0.0.0/8\n")
    server = with_plugins(replaced(built_in("old"), "file", f'"{users}"')).start()
    assert codes(server, [ERIN, FRED]) == [250, 250]
    assert "The user name or the password is wrong" in server.try_login(ERIN, "wrong")[1]
    assert "This account is disabled" in server.try_login(ERIN, "secret")[1]
    assert b"But clients are not let in: the account is disabled" in server.run("auth", "test", ERIN).stdout
    assert "The user name or the password is wrong" in server.try_login(FRED, "secret")[1]
    wait_for("the log says why", 10, lambda: "allow_nets of the user does not have this address" in server.log())
    assert b"for 192.0.2.0/24 alone" in server.run("auth", "test", FRED, "--password-stdin", input=b"secret\n").stdout
    server.pop3("gail@alpha.example", "secret").quit()


def test_commands_for_whom_the_database_does_not_know(with_plugins, tmp_path):
    users = tmp_path / "passwd"
    users.write_text(f"{ERIN}:{{SSHA}}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0\n")
    server = with_plugins(replaced(built_in("old"), "file", f'"{users}"')).start()
    (tmp_path / "Maildir/cur").mkdir(parents=True)
    (tmp_path / "Maildir/new").mkdir()
    (tmp_path / "Maildir/new/1275660208.M1P1.h").write_bytes(b"Subject: x\n\nx\n")

    def dry_run(address):
        return server.run("import", "maildir", "--user", address, str(tmp_path / "Maildir"), "--uidl", "filename",
                          "--dry-run").stdout.decode()

    assert "1 message" in dry_run(ERIN) and "note: " not in dry_run(ERIN)
    assert "note: there is no such user here" in dry_run("nobody@alpha.example")
    server.run("import", "maildir", "--user", ERIN, str(tmp_path / "Maildir"))
    shown = server.run_json("mailbox", "show", ERIN)
    server.stop()
    # Who else is known cannot be said without a server.
    assert "note: " not in dry_run(ERIN) and "note: " not in dry_run("nobody@alpha.example")
    refused = server.run("store", "dump", "maildrop", ERIN, check=False)
    assert refused.returncode == 67 and b"`poplar mailbox show --json ADDRESS`" in refused.stderr
    for tenant in (shown["tenant"]["name"], shown["tenant"]["id"]):
        dumped = server.run("store", "dump", "maildrop", f"{tenant}/{shown['account']}").stdout
        assert b"messages=1" in dumped.splitlines()[0]


def test_what_each_link_says(with_plugins, tmp_path):
    users = tmp_path / "users.txt"
    users.write_text(f"{ERIN}\t5f21c0de\t$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.\n")
    server = with_plugins(example_config(users)).start()

    def test(address, password=None, code=0):
        more = [] if password is None else ["--password-stdin"]
        result = server.run("auth", "test", address, *more, "--json", check=False, input=(password or "").encode() + b"\n")
        assert result.returncode == code, result.stderr
        return [(link["backend"], link["asked"], link["says"]) for link in json.loads(result.stdout)]

    assert test(ERIN) == [("flat", "address", "ok"), ("users", "address", "unknown")]
    assert test(ALICE, PASSWORDS[ALICE]) == [
        ("flat", "address", "unknown"), ("flat", "password", "unknown"), ("users", "address", "ok"), ("users", "password", "ok")]
    assert test(ERIN, "secret")[1] == ("flat", "password", "ok")
    assert test(ERIN, "Secret", code=77)[1] == ("flat", "password", "refused")
    assert test("nobody@alpha.example", code=67)[0][2] == "unknown"
    text = server.run("auth", "test", ERIN).stdout.decode()
    assert "tenant alpha, account 5f21c0de" in text and text.endswith("Found by flat.\n")
    # What was right stays known for a while after a change, unless it is flushed.
    server.pop3(ERIN, "secret").quit()
    session = server.pop3(ERIN, "secret")
    users.write_text("")
    server.run("user", "flush", ERIN, "--end-sessions")
    with pytest.raises((poplib.error_proto, OSError)):
        session.noop()
        session.noop()
    assert "[AUTH]" in server.try_login(ERIN, "secret")[1]
    assert test(ERIN, code=67)[0][2] == "unknown"
    users.write_text(f"{ERIN}\t\n")
    assert test(ERIN, code=75)[0] == ("flat", "address", "temporary")
    assert codes(server, [ERIN]) == [451]
    wait_for("the log says why", 15, lambda: 'auth_backend_failed reason="flat: its line has no account"' in server.log())
    users.unlink()
    assert test(ERIN, code=75)[0] == ("flat", "address", "temporary")


def test_sessions_of_a_name_that_the_back_end_spells_otherwise(with_plugins):
    server = with_plugins(f"""
[auth]
chain = ["trouble"]
[backend.trouble]
plugin = "{TROUBLE}"
""").start()
    alias, real = "alias@alpha.example", "real@alpha.example"
    for name, command in ((alias, ("user", "flush", alias, "--end-sessions")), (real, ("user", "flush", real, "--end-sessions")),
                          (alias, ("session", "kick", "--user", alias))):
        session = server.pop3(alias, "secret")
        [shown] = server.run_json("session", "list", "--user", name)
        assert (shown["user"], shown["login"]) == ("Real@alpha.example", alias)
        said = server.run(*command).stdout.decode()
        assert "1 " in said, said
        with pytest.raises((poplib.error_proto, OSError)):
            session.noop()
            session.noop()
        wait_for("its end", 10, lambda: server.run_json("session", "list") == [])
    assert server.run("user", "flush", alias, "--end-sessions").stdout == b"Ended 0 of its sessions.\n"


def test_sessions_of_an_account_with_two_names(with_plugins, tmp_path):
    users = tmp_path / "users.txt"
    alias = "erin.e@alpha.example"
    lines = f"{ERIN}\t5f21c0de\t$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.\n"
    users.write_text(lines + lines.replace(ERIN, alias))
    server = with_plugins(example_config(users)).start()
    for name in (ALICE, ERIN):
        session = server.pop3(alias, "secret")
        assert server.run("user", "flush", name, "--end-sessions").stdout == f"Ended {int(name == ERIN)} of its sessions.\n".encode()
        if name == ALICE:
            session.quit()
    wait_for("its end", 10, lambda: server.run_json("session", "list") == [])
    users.unlink()
    said = server.run("user", "flush", ERIN, "--end-sessions")
    assert said.stdout == b"Ended 0 of its sessions.\n" and b"whose account it is cannot be asked now" in said.stderr


def test_a_plugin_in_trouble(with_plugins):
    server = with_plugins(f"""
[auth]
chain = ["users", "trouble"]
host_threads = 4
[backend.trouble]
plugin = "{TROUBLE}"
""").start()
    assert server.pop3("ok@alpha.example", "secret").stat() == (0, 0)
    [host] = hosts(server)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/TEMP\]"):
        server.pop3("crash@alpha.example", "secret")
    # Users of the other back end notice nothing; its own are served again soon, by another process.
    assert server.pop3(ALICE, PASSWORDS[ALICE]).stat() == (0, 0)
    wait_for("the plug-in's users", 10, lambda: "[AUTH]" in server.try_login("ok@alpha.example", "another")[1])
    assert server.pop3("slow@alpha.example", "secret").stat() == (0, 0)
    assert hosts(server) != [host]
    assert server.metric("poplar_auth_host_restarts_total", plugin="trouble") == 1
    # Frozen: it is replaced once its questions are late.
    [host] = hosts(server)
    freeze(host)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/TEMP\]"):
        server.pop3("slow@alpha.example", "wrong")
    wait_for("another process", 15, lambda: hosts(server) not in ([], [host]))
    assert codes(server, ["slow@alpha.example"]) == [250]
    # With the server its processes end.
    [host] = hosts(server)
    server.kill()
    wait_for("its end", 5, lambda: not Path(f"/proc/{host}").exists() or "State:\tZ" in Path(f"/proc/{host}/status").read_text())


def test_the_end_waits_for_two_questions_in_a_row(with_plugins):
    """An address is asked about as it stands and without its sub-address, each within ten seconds."""
    server = with_plugins(f"""
[auth]
chain = ["users", "trouble"]
[backend.trouble]
plugin = "{TROUBLE}"
slow_ms = 4000
""", drain_limit_s=1).start()
    client = server.lmtp()
    client.ehlo_or_helo_if_needed()
    client.mail("sender@mta.test")
    client.putcmd("RCPT TO:<hang+x@alpha.example>")
    wait_for("the first question", 5, lambda: server.metric("poplar_backend_answers_total", backend="users", outcome="unknown") == 1)
    server.signal(signal.SIGTERM)
    assert server.wait(60) == 0
    server.says("drain_cut connections=1")
    assert "drain_stuck" not in server.log()


def test_one_tenant_s_trouble_is_nobody_else_s(with_plugins):
    server = with_plugins(f"""
[auth]
chain = ["trouble"]
penalty_delay_max_ms = 0
refusal_step_ms = 0
[backend.trouble]
plugin = "{TROUBLE}"
slow_ms = 1500
""", workers=1)
    server.add_tenant("beta", "beta.example")
    server.start()

    def is_served_at_once(user, password="secret", seconds=2):
        begun = time.monotonic()
        server.pop3(user, password).quit()
        assert time.monotonic() - begun < seconds

    # Accounts of which no sense can be made, and then a tenant whose part of the directory is gone.
    for odd in ("down", "lie", "longlie"):
        for _ in range(6):
            assert "[SYS/TEMP]" in server.try_login(f"{odd}@alpha.example", "secret")[1]
            assert asked_for(server, f"{odd}@alpha.example", "ok@beta.example") == [451, 250]
        is_served_at_once("ok@beta.example")
        is_served_at_once("ok@alpha.example")
    assert server.metric("poplar_backend_not_asked_total", backend="trouble") == 0
    for _ in range(12):
        assert "[SYS/TEMP]" in server.try_login("gone@alpha.example", "secret")[1]
    assert server.metric("poplar_backend_tenants_left_alone", backend="trouble") == 1
    assert server.metric("poplar_backend_breaker", backend="trouble") == 0
    is_served_at_once("ok@beta.example")
    # It comes back by itself. (Of ok@alpha.example it is remembered that the password is right.)
    wait_for("alpha's own users", 30, lambda: asked_for(server, "mailonly@alpha.example") == [250])
    # A crowd of slow ones.
    took = []
    with ThreadPoolExecutor(10) as pool:
        crowd = [pool.submit(server.try_login, "slow@alpha.example", f"wrong {i}") for i in range(10)]
        while not all(one.done() for one in crowd):
            # A right password that is remembered would ask nobody.
            begun = time.monotonic()
            assert asked_for(server, "ok@beta.example") == [250]
            assert "[AUTH]" in server.try_login("ok@beta.example", "wrong")[1]
            took.append(time.monotonic() - begun)
            time.sleep(0.2)
    # Where each takes seconds by itself nothing can be told from it.
    assert SLOWNESS > 2 or sorted(took)[len(took) // 2] < 1.5, "who waits for theirs takes a second and a half each time"
    assert [one.result()[1] for one in crowd if "[AUTH]" not in one.result()[1]] == []


def test_built_in_back_ends_are_counted(with_plugins):
    server = with_plugins("").start()
    assert codes(server, [ALICE, "nobody@alpha.example"]) == [250, 550]
    server.pop3(ALICE, PASSWORDS[ALICE]).quit()
    assert "[AUTH]" in server.try_login(ALICE, "wrong")[1]
    count = {outcome: server.metric("poplar_backend_answers_total", backend="users", outcome=outcome) for outcome in ("ok", "unknown", "refused")}
    assert count["ok"] >= 2 and count["unknown"] >= 1 and count["refused"] == 1, count
    assert server.metric("poplar_backend_answer_seconds_count", backend="users") >= 4
    assert server.metric("poplar_backend_waiting", backend="users") == 0
    assert server.metric("poplar_backend_late_total", backend="users") == 0


def test_check_warns_of_too_few_threads(with_plugins):
    config = f'[auth]\nhost_threads = %d\n[backend.trouble]\nplugin = "{TROUBLE}"\n'
    few = with_plugins(config % 5).run("check")
    assert b"auth.host_threads: with 2 workers, fewer than 6 let a tenant" in few.stderr, few
    for threads in (0, 6):
        assert with_plugins(config % threads).run("check").stderr == b""


@pytest.mark.parametrize("auth, fault", [
    ('[auth]\nchain = ["flat"]\n[backend.flat]\nplugin = "/nowhere/x.so"\n', b"back end flat: the plug-in /nowhere/x.so cannot be loaded"),
    (f'[auth]\nchain = ["flat"]\n[backend.flat]\nplugin = "{EXAMPLE}"\nfiel = "x"\n', b'back end flat: there is no setting "fiel"'),
    (f'[auth]\nchain = ["t"]\n[backend.t]\nplugin = "{TROUBLE.with_name("trouble_of_version_99.so")}"\n', b"is of interface version 99"),
    (f'[auth]\nchain = ["t"]\n[backend.t]\nplugin = "{TROUBLE.with_name("no_plugin.so")}"\n', b"does not export `poplar_plugin_entry`"),
    ('[auth]\nchain = ["ldap"]\n', b"there is no [backend.ldap]"),
    ('[auth]\nchain = []\n', b"nobody could log in"),
    ('[backend.x]\nfile = "x"\n', b"names no plug-in"),
    ('[auth]\nchain = ["x"]\n[backend.x]\ndriver = "passwd-file"\nfile = "/nowhere/users"\n', b"back end x: /nowhere/users"),
    ('[auth]\nchain = ["x"]\n[backend.x]\ndriver = "passwd-file"\nfile = "/tmp"\n', b"back end x: /tmp: cannot read it: Is a directory"),
    (f'[auth]\nchain = ["x"]\n[backend.x]\nplugin = "{EXAMPLE.with_name("oauth.so")}"\nissuer = "i"\naudience = "a"\njwks_file = "/tmp"\n',
     b"back end x: jwks_file: /tmp cannot be read: it is no regular file"),
    ('[auth]\nchain = ["x"]\n[backend.x]\ndriver = "static"\naddress = "probe@alpha.example"\npassword = "s3cret"\n',
     b"back end x: password: "),
    ('[backend.x]\ndriver = "ldap"\n', b'write "plugin", "passwd-file" or "static"'),
], ids=["missing", "setting", "version", "symbol", "name", "empty", "no-plugin", "no-file", "folder", "key-folder", "clear", "driver"])
def test_a_wrong_configuration_is_a_fault_at_the_start(with_plugins, auth, fault):
    server = with_plugins(auth)
    result = server.run("serve", check=False)
    assert result.returncode == 78 and fault in result.stderr, result.stderr
    # What the start refuses `poplar check` has said before, and where it stands.
    result = server.run("check", check=False)
    said = fault.replace(b"back end flat: ", b"backend.flat: ").replace(b"back end x: ", b"backend.x: ")
    assert result.returncode == 78 and said in result.stderr and b"is right" not in result.stdout, result.stderr
    assert re.match(rb".*/poplar\.toml:\d+: ", result.stderr), result.stderr


def test_check_says_that_plugins_are_right(with_plugins, tmp_path):
    server = with_plugins(example_config(tmp_path / "users.txt"))
    result = server.run("check")
    assert b"is right" in result.stdout and result.stderr == b"", result
    # Two back ends of one plug-in, and one that is to list tenants.
    server = with_plugins(f"""
[backend.one]
plugin = "{TROUBLE}"
tenants = 2
[backend.two]
plugin = "{TROUBLE}"
refuse = "today"
""")
    result = server.run("check", check=False)
    assert result.returncode == 78 and re.search(rb"poplar\.toml:\d+: backend\.two: refused: today\n", result.stderr), result.stderr
    text = server.config_path.read_text().replace('refuse = "today"\n', "")
    for backend, code in (("one", 0), ("two", 78)):
        server.config_path.write_text(text.replace("[users]\n", f'[users]\ntenants_backend = "{backend}"\n', 1))
        result = server.run("check", check=False)
        assert result.returncode == code, result.stderr
