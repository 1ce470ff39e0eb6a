"""A tenant's rules as its users' mail programs and its MTA meet them, changed while the server runs."""

import base64
import json
import poplib
import re
import select
import signal
import time

from conftest import ALICE, BOB, CAROL, PASSWORDS, set_egress
from poplar_server import lmtp_transaction, read_line, read_to_end, wait_for

EX_NOPERM = 77
MESSAGE = b"Subject: hello\r\n\r\nHello.\r\n"


def verdict(server, user, tls=False):
    """OK, or the response code of the refusal."""
    client = server.pop3(mode="pop3s" if tls else "plain")
    try:
        client.user(user)
        client.pass_(PASSWORDS[user])
    except poplib.error_proto as error:
        return re.match(rb"-ERR \[(.*?)\]", error.args[0])[1].decode()
    else:
        return "OK"
    finally:
        client.quit()


def set_rule(server, tenant, **rules):
    options = [word for name, value in rules.items() for word in ("--" + name.replace("_", "-"), str(value))]
    server.run("tenant", "set", tenant, *options)


def auth_test(server, user, secret=True):
    """The code and the sentence of `poplar auth test`."""
    options = ["--password-stdin"] if secret else []
    result = server.run("auth", "test", user, *options, check=False, input=PASSWORDS[user].encode() + b"\n")
    return result.returncode, result.stdout.decode()


def is_ended(client):
    try:
        client.noop()
    except (poplib.error_proto, OSError):
        return True
    return False


def comes_true(server, user, expected, **options):
    wait_for(f"{user} gets {expected}", 30, lambda: verdict(server, user, **options) == expected)


def test_pop3_off(server):
    set_rule(server, "alpha", pop3="false")
    comes_true(server, ALICE, "AUTH")
    wait_for("the log says why", 5, lambda: "the tenant has no POP3" in server.log())
    code, said = auth_test(server, ALICE)
    assert code == EX_NOPERM and 'the tenant has no POP3; they hear "-ERR [AUTH] This account is disabled"' in said, said
    assert auth_test(server, CAROL)[0] == 0
    assert verdict(server, CAROL) == "OK"
    server.deliver([ALICE], MESSAGE)  # Mail goes on coming in.
    # Whoever has a wrong password learns nothing of it.
    client, reply = server.try_login(ALICE, "wrong")
    assert client is None and "The user name or the password is wrong" in reply
    set_rule(server, "alpha", pop3="default")
    comes_true(server, ALICE, "OK")


def test_pop3_off_of_one_user(server):
    set_rule(server, "alpha", pop3="false")
    comes_true(server, ALICE, "AUTH")
    tenants = server.try_login(ALICE, PASSWORDS[ALICE])[1]
    set_rule(server, "alpha", pop3="default")
    comes_true(server, ALICE, "OK")
    session, other = server.pop3(ALICE, PASSWORDS[ALICE]), server.pop3(BOB, PASSWORDS[BOB])
    server.run("user", "set", ALICE, "--pop3", "off")
    comes_true(server, ALICE, "AUTH")
    session.noop()  # One that is open goes on.
    assert server.try_login(ALICE, PASSWORDS[ALICE])[1] == tenants, "it is told as a tenant's is"
    wait_for("the log says why", 5, lambda: "the user has no POP3" in server.log())
    # Whoever has a wrong password learns nothing of it, mail goes on coming in, and nobody else notices.
    assert "The user name or the password is wrong" in server.try_login(ALICE, "wrong")[1]
    server.deliver([ALICE], MESSAGE)
    server.run("user", "set", ALICE, "--pop3", "on")
    comes_true(server, ALICE, "IN-USE")
    server.run("user", "set", ALICE, "--pop3", "off", "--end-sessions")
    # At once: what was remembered is forgotten by the time the command ends.
    assert verdict(server, ALICE) == "AUTH"
    code, said = auth_test(server, ALICE)
    assert code == EX_NOPERM and "The password is right, says users. But clients are not let in: the user has no POP3" in said, said
    code, said = auth_test(server, ALICE, secret=False)
    assert code == 0 and "Found by users. But clients are not let in" in said, said
    wait_for("the session ends", 10, lambda: is_ended(session))
    other.quit()
    server.run("user", "set", ALICE, "--pop3", "on")
    comes_true(server, ALICE, "OK")
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    assert client.stat()[0] == 1
    client.quit()


def test_who_may_not_log_in_is_told_to_the_operator(server):
    server.run("user", "disable", BOB)
    code, said = auth_test(server, BOB, secret=False)
    assert code == 0 and "Found by users. But clients are not let in: the account is disabled; they hear" in said, said
    assert "not let in" not in auth_test(server, ALICE, secret=False)[1]


def test_tls_is_required_of_one_tenant(server):
    set_rule(server, "alpha", require_tls="true")
    comes_true(server, ALICE, "SYS/PERM")
    assert verdict(server, CAROL) == "OK"
    assert verdict(server, ALICE, tls=True) == "OK"


def test_mechanisms_of_a_tenant(server):
    set_rule(server, "alpha", mechanisms="PLAIN")
    comes_true(server, ALICE, "SYS/PERM")
    assert verdict(server, CAROL) == "OK"
    # Whoever has a wrong password, or comes to a tenant that there is none of, hears the same.
    refusals = {server.try_login(user, "wrong")[1] for user in (ALICE, CAROL, "nobody@nowhere.example")}
    assert len(refusals) == 1 and "The user name or the password is wrong" in refusals.pop()
    code, said = auth_test(server, ALICE)
    assert code == 0 and said.endswith("The password is right, says users. The tenant allows PLAIN alone.\n"), said
    set_rule(server, "alpha", mechanisms="SCRAM-SHA-256")
    wait_for("the test says so", 30, lambda: auth_test(server, ALICE)[0] == EX_NOPERM)
    said = auth_test(server, ALICE)[1]
    assert "the tenant does not allow this mechanism; they hear \"-ERR [SYS/PERM]" in said and "allows SCRAM-SHA-256 alone" in said, said
    set_rule(server, "alpha", mechanisms="PLAIN")
    wait_for("the test says so", 30, lambda: auth_test(server, ALICE)[0] == 0)
    client = server.pop3()
    assert {"USER", "SASL"} <= client.capa().keys(), "it is not known yet who comes"
    plain = base64.b64encode(f"\0{ALICE}\0{PASSWORDS[ALICE]}".encode()).decode()
    client._shortcmd(f"AUTH PLAIN {plain}")
    assert client.capa()["SASL"] == ["PLAIN"] and "USER" not in client.capa()
    client.quit()
    wait_for("the log says why", 5, lambda: "the tenant does not allow this mechanism" in server.log())
    assert server.metric("poplar_pop3_logins_total", outcome="mechanism_off") >= 1
    refused = server.run("tenant", "set", "alpha", "--mechanisms", "CRAM-MD5", check=False)
    assert refused.returncode == 64 and b'mechanisms: "CRAM-MD5" is not names' in refused.stderr, refused.stderr
    set_rule(server, "alpha", mechanisms="default")
    comes_true(server, ALICE, "OK")


def test_sessions_of_a_tenant(server):
    set_rule(server, "alpha", sessions_max=1)
    wait_for("the rule holds", 30, lambda: "sessions_max = 1" in server.run("tenant", "show", "alpha").stdout.decode())
    time_out = time.monotonic() + 30
    first = server.pop3(ALICE, PASSWORDS[ALICE])
    while verdict(server, BOB) != "SYS/TEMP":
        assert time.monotonic() < time_out
    assert verdict(server, CAROL) == "OK"
    first.quit()
    comes_true(server, BOB, "OK")


def test_limits_of_all_tenants_that_have_none_of_their_own(new_server):
    server = new_server(lmtp="\n[tenant_limits]\nsessions_max = 1\n")
    first = server.pop3(ALICE, PASSWORDS[ALICE])
    comes_true(server, BOB, "SYS/TEMP")
    assert verdict(server, CAROL) == "OK", "another tenant's"
    server.configure()
    server.signal(signal.SIGHUP)
    comes_true(server, BOB, "OK")
    first.quit()


def test_login_delay(server):
    def capa(client):
        return [line.decode() for line in client._longcmd("CAPA")[1] if line.startswith(b"LOGIN-DELAY")]

    set_rule(server, "alpha", login_delay_s=3600)

    def announced():
        client = server.pop3()
        try:
            return capa(client) == ["LOGIN-DELAY 3600 USER"]
        finally:
            client.quit()

    wait_for("clients are told", 30, announced)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    assert capa(client) == ["LOGIN-DELAY 3600"]
    client.quit()
    assert verdict(server, ALICE) == "LOGIN-DELAY"
    refusal = server.try_login(f"recent:{ALICE}", PASSWORDS[ALICE])[1]
    assert "[LOGIN-DELAY]" in refusal, "another device, which shares the mailbox, shares this too"
    assert verdict(server, BOB) == "OK"  # Each maildrop by itself.
    other = server.pop3(CAROL, PASSWORDS[CAROL])
    assert capa(other) == []
    other.quit()
    set_rule(server, "alpha", login_delay_s=0)
    comes_true(server, ALICE, "OK")


def codes(server, *recipients):
    with server.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        return [code for code, _ in lmtp_transaction(client, recipients, MESSAGE)]


def test_deliveries_a_minute(server):
    set_rule(server, "alpha", deliveries_per_minute=1)
    wait_for("alpha has its fill", 30, lambda: codes(server, ALICE) == [451])
    assert codes(server, CAROL) == [250]
    assert server.metric("poplar_tenant_refused_total", tenant="alpha", limit="deliveries_per_minute") >= 1


def test_logins_a_minute(server):
    set_rule(server, "alpha", logins_per_minute=1)
    comes_true(server, ALICE, "SYS/TEMP")
    assert verdict(server, CAROL) == "OK"
    assert server.metric("poplar_tenant_refused_total", tenant="alpha", limit="logins_per_minute") >= 1


def with_pause(server, pause_ms, **rules):
    server.stop()
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace("[server]\n", f"[server]\nrefusal_pause_ms = {pause_ms}\n"))
    set_rule(server, "alpha", **rules)
    return server.start()


def send_recipients(connection, count):
    lines = ["LHLO mta.test", "MAIL FROM:<a@mta.test>", *[f"RCPT TO:<{ALICE}>"] * count]
    connection.sendall("".join(line + "\r\n" for line in lines).encode())


def test_a_refusal_at_a_limit_is_held_back(server):
    """The pause is longer than any wait here: what comes, comes since it was skipped."""
    with_pause(server, 60_000, sessions_max=1, deliveries_per_minute=1)

    def held():
        return server.metric("poplar_refusals_held_back")

    def log_in():
        connection = server.raw()
        assert read_line(connection).startswith(b"+OK")
        connection.sendall(f"USER {BOB}\r\nPASS {PASSWORDS[BOB]}\r\n".encode())
        return connection

    holder = server.pop3(ALICE, PASSWORDS[ALICE])
    gone = log_in()
    wait_for("it is held back", 30, lambda: held() == 1)
    gone.close()
    wait_for("who leaves is waited for no longer", 30, lambda: held() == 0)
    waiting, mta = log_in(), server.raw("lmtp")
    send_recipients(mta, 5)
    wait_for("both are held back", 30, lambda: held() == 2)
    assert verdict(server, CAROL) == "OK" and codes(server, CAROL) == [250], "nobody else is"
    # At the end of the server nobody is.
    server.signal(signal.SIGTERM)
    assert b"-ERR [SYS/TEMP] Too many sessions or log-ins at your provider" in read_to_end(waiting)
    said = read_to_end(mta).splitlines()
    assert any(line.startswith(b"451 4.7.1") for line in said) and said[-1].startswith(b"421"), said
    holder.close()
    assert server.wait() == 0


def test_a_refusal_is_held_back_once_a_transaction(server):
    with_pause(server, 1, deliveries_per_minute=1, sessions_max=1)
    with server.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        for transactions in (1, 2):
            replies = [code for code, _ in lmtp_transaction(client, [ALICE] * 5, MESSAGE)]
            assert replies.count(451) >= 4
            assert server.metric("poplar_refusals_held_back_total") == transactions
    holder = server.pop3(ALICE, PASSWORDS[ALICE])
    assert verdict(server, BOB) == "SYS/TEMP"
    assert server.metric("poplar_refusals_held_back_total") == 3
    holder.quit()


def test_egress_waits(server):
    """What a wait is reckoned to be does not depend on how fast this machine is; how long a session took is what its server says."""
    message = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 1000
    for _ in range(6):
        server.deliver([ALICE, CAROL], message)
    slow, quick = 1, 256
    set_egress(server, alpha=slow, beta=quick)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.sock.sendall(b"RETR 1\r\nRETR 2\r\n")
    assert client._getlongresp()[0].startswith(b"+OK")
    wait_for("the second waits", 30, lambda: server.metric("poplar_pop3_egress_wait_seconds_count") == 1)
    octets = server.metric("poplar_pop3_message_octets_sent_total")
    assert octets > len(message)
    # All of it but a second's worth, which may come at once: more than a minute, in which the second message does not come.
    owed_s = octets / (slow * 1024) - 1
    assert owed_s - 30 < server.metric("poplar_pop3_egress_wait_seconds_sum") <= owed_s
    assert server.metric("poplar_pop3_messages_sent_total") == 1
    client.close()

    # Others go by their own tenant's rate. For the last message nobody waits.
    client = server.pop3(CAROL, PASSWORDS[CAROL])
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    for number in range(1, 7):
        client.retr(number)
    client.quit()

    def took_ms():
        return re.search(rf" session_end .* user={CAROL} .* ms=(\d+)", server.log())

    wait_for("the log says how long it took", 30, took_ms)
    assert sum(sizes[:5]) <= quick * 1024 * (int(took_ms()[1]) / 1000 + 1)


def shard_of(server, user):
    """Where the session is: the low bits of its id say so."""
    [session] = [each for each in server.run_json("session", "list") if each["user"] == user]
    return int(session["id"]) & 1


def test_egress_of_all_sessions_of_a_tenant(new_server):
    """Who comes anew pays for what others of the tenant have fetched, on whatever core they are."""
    server = new_server(workers=2)
    server.deliver([ALICE, BOB, CAROL], b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 5000)
    set_egress(server, alpha=1)
    first = server.pop3(ALICE, PASSWORDS[ALICE])
    first.retr(1)
    shard = shard_of(server, ALICE)
    first.quit()
    for _ in range(100):
        elsewhere = server.pop3(BOB, PASSWORDS[BOB])
        if shard_of(server, BOB) != shard:
            break
        elsewhere.quit()
    else:
        raise AssertionError("all sessions came to one core")
    again = server.pop3(ALICE, PASSWORDS[ALICE])
    for waiting, client in enumerate((again, elsewhere), 1):
        client.sock.sendall(b"RETR 1\r\n")
        wait_for("its first message waits", 30, lambda: server.metric("poplar_pop3_egress_wait_seconds_count") == waiting)
    assert server.metric("poplar_pop3_egress_wait_seconds_sum") > 2 * 60
    other = server.pop3(CAROL, PASSWORDS[CAROL])
    other.retr(1)
    other.quit()
    assert server.metric("poplar_pop3_egress_wait_seconds_count") == 2
    assert server.metric("poplar_pop3_messages_sent_total") == 2
    assert select.select([again.sock, elsewhere.sock], [], [], 0)[0] == []
    # Who waits can be thrown out, and goes by a new rate.
    server.run("session", "kick", "--user", ALICE)
    assert b"+OK" not in read_to_end(again.sock)
    set_rule(server, "alpha", egress_kib_per_s=100_000)
    assert elsewhere._getlongresp()[0].startswith(b"+OK")
    elsewhere.quit()


def test_idle_timeout_is_the_stricter_one(server):
    set_rule(server, "alpha", idle_timeout_s=1)
    wait_for("the rule holds", 30, lambda: "idle_timeout_s = 1" in server.run("tenant", "show", "alpha").stdout.decode())

    def ends():
        client = server.pop3(ALICE, PASSWORDS[ALICE])
        client.sock.settimeout(4)
        try:
            return client.sock.recv(100) == b""
        except TimeoutError:
            return False
        finally:
            client.close()

    wait_for("a silent session ends", 60, ends)


def test_subaddresses_of_a_tenant(server):
    set_rule(server, "alpha", subaddress_delimiter="-")
    shop = ALICE.replace("@", "-shop@")
    wait_for("mail for the sub-address is alice's", 30, lambda: codes(server, shop) == [250])
    assert codes(server, ALICE.replace("@", "+shop@")) == [550]
    assert codes(server, CAROL.replace("@", "+shop@")) == [250]


def test_what_is_wrong_is_said(server):
    result = server.run("tenant", "set", "alpha", "--login-delay-s", "soon", check=False)
    assert result.returncode == 64 and b'login_delay_s: "soon" is not seconds up to 86400' in result.stderr, result.stderr
    shown = json.loads(server.run("tenant", "show", "alpha", "--json").stdout)
    assert shown["settings"]["login_delay_s"] == "0" and shown["settings"]["pop3"] == "true"


def test_a_tenant_is_disabled_and_enabled_and_gets_a_domain(server):
    server.run("tenant", "disable", "alpha")
    comes_true(server, ALICE, "AUTH")
    assert codes(server, ALICE, CAROL) == [550, 250]
    server.run("tenant", "enable", "alpha")
    comes_true(server, ALICE, "OK")
    server.run("tenant", "domain", "add", "alpha", "alpha.test")
    server.run("user", "add", "alice@alpha.test", "--password-stdin", input=b"another\n")
    client = server.pop3("alice@alpha.test", "another")
    client.quit()
    refused = server.run("tenant", "domain", "remove", "alpha", "alpha.test", check=False)
    assert refused.returncode != 0 and b"users have addresses in alpha.test" in refused.stderr
    server.run("user", "remove", "alice@alpha.test")
    server.run("tenant", "domain", "remove", "alpha", "alpha.test")


def test_tenants_from_files(server, monkeypatch):
    folder = server.directory / "tenants.d"
    folder.mkdir()
    file = folder / "gamma.toml"
    file.write_text('domains = ["gamma.example"]\n')

    def tenant():
        shown = server.run("tenant", "show", "gamma", "--json", check=False)
        return json.loads(shown.stdout) if shown.returncode == 0 else None

    wait_for("the tenant appears", 30, tenant)
    server.add_user("dora@gamma.example", "d")
    monkeypatch.setitem(PASSWORDS, "dora@gamma.example", "d")
    wait_for("mail comes in", 30, lambda: codes(server, "dora@gamma.example") == [250])
    assert verdict(server, "dora@gamma.example") == "OK"
    for change in (("set", "gamma", "--keep-deleted", "1"), ("domain", "add", "gamma", "gamma.test"), ("disable", "gamma")):
        assert b"tenant gamma comes from" in server.run("tenant", *change).stderr, change
    assert server.run("tenant", "set", "alpha", "--keep-deleted", "1").stderr == b""
    file.write_text('domains = ["gamma.example"]\nrequire_tls = true\n')
    comes_true(server, "dora@gamma.example", "SYS/PERM")
    # What is wrong is told, and all goes on as it was.
    file.write_text('domains = ["gamma.example"]\nrequire_tls = "perhaps"\n')
    wait_for("the fault is told", 30, lambda: "gamma.toml:2: require_tls: " in server.log())
    assert verdict(server, "dora@gamma.example", tls=True) == "OK"
    checked = server.run("check", check=False)
    assert checked.returncode == 78 and b"gamma.toml:2: require_tls" in checked.stdout + checked.stderr
    # A folder that is empty may be a disk that is not mounted.
    file.rename(server.directory / "gamma.toml")
    wait_for("it is told", 30, lambda: "tenant_files_gone" in server.log())
    assert verdict(server, "dora@gamma.example", tls=True) == "OK"
    (folder / "delta.toml").write_text('domains = ["delta.example"]\n')
    comes_true(server, "dora@gamma.example", "AUTH", tls=True)
    assert codes(server, "dora@gamma.example") == [550]
    # It comes back with its mail.
    (server.directory / "gamma.toml").write_text('domains = ["gamma.example"]\n')
    (server.directory / "gamma.toml").rename(file)
    comes_true(server, "dora@gamma.example", "OK")
    client = server.pop3("dora@gamma.example", "d")
    assert client.stat()[0] == 1
    client.quit()
