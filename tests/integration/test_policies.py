"""What a tenant's policy says, as clients and operators meet it, changed while the server runs."""

import json

from conftest import ALICE, CAROL, PASSWORDS
from poplar_server import wait_for

MESSAGE = b"Subject: hello\r\n\r\nHello.\r\n"


def expire_of(client):
    """What CAPA says of EXPIRE."""
    return [line.split(" ", 1)[1] for line in capa(client) if line.startswith("EXPIRE ")]


def capa(client):
    _, lines, _ = client._longcmd("CAPA")
    return [line.decode() for line in lines]


def expire_before_login(server):
    client = server.pop3()
    expire = expire_of(client)
    client.quit()
    return expire


def expire_after_login(server, user):
    client = server.pop3(user, PASSWORDS[user])
    expire = expire_of(client)
    client.quit()
    return expire


def test_expire_in_capa_is_what_the_policies_say_now(server):
    assert expire_before_login(server) == ["NEVER"]
    server.run("tenant", "set", "alpha", "--expire", "90", "--expire-read", "0")
    wait_for("CAPA tells the least of all tenants", 30, lambda: expire_before_login(server) == ["0 USER"])
    assert expire_after_login(server, ALICE) == ["0"]
    assert expire_after_login(server, CAROL) == ["NEVER"]

    server.run("tenant", "set", "alpha", "--expire-read", "never")
    server.run("tenant", "set", "beta", "--expire", "90")
    wait_for("all tenants are alike", 30, lambda: expire_before_login(server) == ["90"])
    assert expire_after_login(server, ALICE) == ["90"]


def test_a_policy_holds_from_the_start(server):
    server.run("tenant", "set", "alpha", "--expire", "7")
    server.run("tenant", "set", "beta", "--expire", "7")
    server.stop()
    server.start()
    assert expire_before_login(server) == ["7"]


def test_tenants_have_metrics(server):
    server.deliver([ALICE], MESSAGE)
    assert server.metric("poplar_tenant_messages", tenant="alpha") == 1
    assert server.metric("poplar_tenant_octets", tenant="alpha") > len(MESSAGE)
    assert server.metric("poplar_tenant_messages", tenant="beta") == 0
    assert "poplar_tenant_quota_octets" not in server.http("/metrics")[1]
    assert server.metric("poplar_tenants_without_metrics") == 0

    server.run("tenant", "set", "alpha", "--quota", "3MB")
    server.run("tenant", "add", "gamma", "--quota-messages", "5")

    def told():
        text = server.http("/metrics")[1]
        return 'poplar_tenant_quota_octets{tenant="alpha"} 3e+06' in text.replace("3000000", "3e+06") and \
            'poplar_tenant_quota_messages{tenant="gamma"} 5' in text

    wait_for("the metrics follow", 30, told)
    server.run("tenant", "remove", "gamma")
    wait_for("a tenant that is gone has none", 30, lambda: 'tenant="gamma"' not in server.http("/metrics")[1])


def test_mailbox_show(server):
    server.deliver([ALICE], MESSAGE)
    server.deliver([ALICE], MESSAGE)
    server.run("tenant", "set", "alpha", "--maildrop-quota", "1MB", "--keep-deleted", "14", "--expire-read", "30")

    def shown():
        mailbox = server.run_json("mailbox", "show", ALICE.upper())
        return mailbox if mailbox["quota"]["octets"] == 1_000_000 and mailbox["tenant"]["keep_deleted_days"] == 14 else None

    mailbox = wait_for("the server goes by the new quota", 30, shown)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    messages, octets = client.stat()
    client.quit()
    assert (messages, octets) == (2, mailbox["use"]["octets"])
    assert mailbox["use"]["messages"] == 2
    assert mailbox["tenant"]["use"] == mailbox["use"]
    assert mailbox["tenant"]["expire_read_days"] == 30

    server.run("user", "set", ALICE, "--quota", "5kB")
    wait_for("his own quota counts", 30, lambda: server.run_json("mailbox", "show", ALICE)["quota"]["octets"] == 5000)
    text = server.run("mailbox", "show", ALICE).stdout.decode()
    assert "of 4.9 KiB (" in text and "is kept for 14 days" in text


def test_the_mailbox_commands_say_what_is_wrong(server):
    for command in (["show"], ["deleted"], ["undelete", "--all"]):
        result = server.run("mailbox", *command, "nobody@alpha.example", check=False)
        assert result.returncode == 67 and b"nobody@alpha.example" in result.stderr
    result = server.run("mailbox", "undelete", ALICE, "--all", check=False)
    assert result.returncode == 67 and b"no such deleted mail" in result.stderr
    assert json.loads(server.run("mailbox", "deleted", ALICE, "--json").stdout) == []
    server.stop()
    result = server.run("mailbox", "show", ALICE, check=False)
    assert result.returncode == 69 and b"no server runs here" in result.stderr
