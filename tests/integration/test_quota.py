"""Quotas of maildrops and tenants: at RCPT, after DATA, by both policies, changed while the server runs."""

import signal

import pytest
from conftest import ALICE, BOB, CAROL, PASSWORDS
from poplar_server import lmtp_transaction, wait_for

EX_TEMPFAIL = 75


def message(octets):
    head = b"Subject: fill\r\n\r\n"
    return head + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * (octets // 72 - 2)


def quota_in_force(server, address):
    return server.run_json("mailbox", "show", address)["quota"]


def set_quota(server, octets):
    server.run("user", "set", ALICE, "--quota", str(octets))
    wait_for("the quota is in force", 30, lambda: quota_in_force(server, ALICE)["octets"] == octets)


def held(server, address):
    return server.run_json("mailbox", "show", address)["use"]["messages"]


def rcpt(server, recipient, size):
    with server.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        assert client.mail("sender@mta.test", [f"SIZE={size}"])[0] == 250
        return client.rcpt(recipient)


def after_data(server, recipients, octets):
    with server.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        return lmtp_transaction(client, recipients, message(octets))


def test_a_message_that_is_announced_too_large_is_refused_at_rcpt(server):
    set_quota(server, 20_000)
    code, text = rcpt(server, ALICE, 30_000)
    assert code == 452 and text.startswith(b"4.2.2"), text
    assert rcpt(server, ALICE, 10_000)[0] == 250
    assert rcpt(server, BOB, 30_000)[0] == 250
    assert server.metric("poplar_lmtp_recipients_total", outcome="over_quota") == 1
    server.says("recipient_refused")
    server.says("over_quota")


def test_what_counts_is_what_arrived(server):
    set_quota(server, 20_000)
    replies = after_data(server, [ALICE, BOB], 30_000)
    assert replies[0][0] == 452 and replies[0][1].startswith(b"4.2.2"), replies
    assert replies[1][0] == 250, replies
    assert held(server, ALICE) == 0 and held(server, BOB) == 1
    assert server.metric("poplar_lmtp_deliveries_total", outcome="over_quota") == 1


def test_a_quota_is_raised_and_lowered_while_the_server_runs(server):
    set_quota(server, 10_000)
    assert after_data(server, [ALICE], 8_000)[0][0] == 250
    assert after_data(server, [ALICE], 8_000)[0][0] == 452
    set_quota(server, 30_000)
    assert after_data(server, [ALICE], 8_000)[0][0] == 250
    set_quota(server, 10_000)  # Less than there is: what is there stays, nothing more comes.
    assert rcpt(server, ALICE, 100)[0] == 452
    assert held(server, ALICE) == 2
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.dele(1)
    client.dele(2)
    client.quit()
    assert after_data(server, [ALICE], 8_000)[0][0] == 250


def test_messages_are_counted_too(server):
    server.run("tenant", "set", "alpha", "--maildrop-quota-messages", "2")
    wait_for("the quota is in force", 30, lambda: quota_in_force(server, ALICE)["messages"] == 2)
    for _ in range(2):
        assert after_data(server, [ALICE], 500)[0][0] == 250
    assert rcpt(server, ALICE, 1)[0] == 452
    assert rcpt(server, BOB, 1)[0] == 250


def test_a_tenants_quota_is_that_of_all_its_maildrops(server):
    server.run("tenant", "set", "alpha", "--quota-messages", "3")

    def in_force():
        return server.run_json("mailbox", "show", ALICE)["tenant"]["quota"]["messages"] == 3

    wait_for("the quota is in force", 30, in_force)
    assert after_data(server, [ALICE], 500)[0][0] == 250
    # Of one transaction as many are taken as there is room for.
    assert sorted(code for code, _ in after_data(server, [ALICE, BOB, ALICE], 500)) == [250, 250, 452]
    assert rcpt(server, BOB, 1)[0] == 452
    assert rcpt(server, CAROL, 1)[0] == 250


@pytest.mark.parametrize("first, second", [("retry", "refuse"), ("refuse", "retry")])
def test_what_an_mta_hears_is_configured_and_reloaded(new_server, first, second):
    server = new_server(lmtp=f'over_quota = "{first}"')
    set_quota(server, 5_000)
    replies = {"retry": (452, b"4.2.2"), "refuse": (552, b"5.2.2")}

    def heard(reply):
        return (reply[0], reply[1].split(b" ")[0])

    assert heard(rcpt(server, ALICE, 9_000)) == replies[first]
    assert heard(after_data(server, [ALICE], 9_000)[0]) == replies[first]
    server.configure(lmtp=f'over_quota = "{second}"')
    server.signal(signal.SIGHUP)
    wait_for("new sessions hear the other", 30, lambda: heard(rcpt(server, ALICE, 9_000)) == replies[second])
    assert heard(after_data(server, [ALICE], 9_000)[0]) == replies[second]


def test_an_import_says_that_the_maildrop_is_full_and_goes_on(new_server, tmp_path):
    server = new_server(lmtp='over_quota = "refuse"')  # An import is never told so.
    old = tmp_path / "Maildir"
    for folder in ("cur", "new", "tmp"):
        (old / folder).mkdir(parents=True)
    for i in range(4):
        (old / "cur" / f"170000000{i}.m{i}.host:2,").write_bytes(message(4_000).replace(b"\r\n", b"\n"))
    set_quota(server, 10_000)
    command = ["import", "maildir", str(old), "--user", ALICE]
    result = server.run(*command, check=False)
    assert result.returncode == EX_TEMPFAIL
    assert b"over its quota" in result.stdout + result.stderr
    assert held(server, ALICE) == 2
    set_quota(server, 100_000)
    server.run(*command)
    assert held(server, ALICE) == 4


def test_whose_quota_it_is_is_told(server):
    """The tenant's is no full mailbox: to the MTA, in the log and in the metrics."""
    server.run("tenant", "set", "alpha", "--quota", "10000")
    wait_for("the quota is in force", 30, lambda: server.run_json("mailbox", "show", ALICE)["tenant"]["quota"]["octets"] == 10_000)
    assert after_data(server, [ALICE], 8_000)[0][0] == 250
    for code, text in (rcpt(server, BOB, 8_000), after_data(server, [BOB], 8_000)[0]):
        assert code == 452 and text.startswith(b"4.2.2") and b"mailbox is full" not in text and b"customer" in text, text
    wait_for("it is logged", 10, lambda: "over_tenant_quota" in server.log() and "the tenant has its quota" in server.log())
    assert server.metric("poplar_lmtp_recipients_total", outcome="over_tenant_quota") == 1
    assert server.metric("poplar_lmtp_deliveries_total", outcome="over_tenant_quota") == 1
    assert server.metric("poplar_store_over_quota_total", limit="tenant_quota") == 1


def test_quotas_are_exact_after_a_crash(server):
    """To the octet: what fits after the crash is what is left, and not one more."""
    set_quota(server, 20_000)
    for _ in range(2):
        assert after_data(server, [ALICE], 8_000)[0][0] == 250
    used = server.run_json("mailbox", "show", ALICE)["use"]["octets"]
    server.kill()
    server.start()
    use = server.run_json("mailbox", "show", ALICE)["use"]
    assert (use["messages"], use["octets"]) == (2, used)
    assert rcpt(server, ALICE, 20_000 - used)[0] == 250
    assert rcpt(server, ALICE, 20_000 - used + 1)[0] == 452
    assert held(server, ALICE) == 2
