"""Deleted mail that is kept and brought back, and mail that expires with the session that fetched it."""

import json
import re
import socket
import time

from conftest import ALICE, BOB, PASSWORDS
from poplar_server import read_to_end, wait_for

EX_NOUSER = 67


def message(number):
    return b"Subject: %d\r\n\r\nThis is number %d.\r\n" % (number, number)


def set_policy(server, *options, key, value):
    server.run("tenant", "set", "alpha", *options)

    def in_force():
        return server.run_json("mailbox", "show", ALICE)["tenant"][key] == value

    wait_for("the policy is in force", 30, in_force)


def keep_deleted(server, days=30):
    set_policy(server, "--keep-deleted", str(days) if days else "none", key="keep_deleted_days", value=days)


def expire_read(server, days):
    set_policy(server, "--expire-read", str(days), key="expire_read_days", value=days)


def uidls(server, user=ALICE):
    client = server.pop3(user, PASSWORDS[user])
    lines = client.uidl()[1]
    client.quit()
    return [line.split()[1].decode() for line in lines]


def subjects(server, user=ALICE):
    client = server.pop3(user, PASSWORDS[user])
    found = []
    for i in range(client.stat()[0]):
        head = b"\n".join(client.top(i + 1, 0)[1])
        found.append(int(re.search(rb"Subject: (\d+)", head)[1]))
    client.quit()
    return found


def delete(server, *numbers, user=ALICE):
    client = server.pop3(user, PASSWORDS[user])
    for number in numbers:
        client.dele(number)
    client.quit()


def deleted(server, user=ALICE):
    return server.run_json("mailbox", "deleted", user)


def deliver(server, count, user=ALICE):
    for i in range(count):
        server.deliver([user], message(i + 1))


def test_deleted_mail_is_listed_by_session(server):
    keep_deleted(server)
    deliver(server, 4)
    before = uidls(server)
    started_us = time.time_ns() // 1000 - 1_000_000
    delete(server, 1, 2)
    delete(server, 2)  # What was the fourth.
    kept = deleted(server)
    assert [entry["uidl"] for entry in kept] == [before[3], before[0], before[1]]
    assert kept[0]["session"] != kept[1]["session"] == kept[2]["session"] != "0"
    assert all(entry["deleted_us"] > started_us for entry in kept)
    assert all(entry["received_us"] <= entry["deleted_us"] for entry in kept)
    text = server.run("mailbox", "deleted", ALICE).stdout.decode()
    assert text.count("deleted by session") == 2 and all(entry["uidl"] in text for entry in kept)
    use = server.run_json("mailbox", "show", ALICE)["use"]
    assert (use["messages"], use["kept_messages"]) == (1, 3)
    assert use["kept_octets"] == sum(entry["octets"] for entry in kept)
    assert server.metric("poplar_tenant_kept_octets", tenant="alpha") == use["kept_octets"]


def test_one_message_comes_back_with_a_new_uidl_and_the_others_keep_theirs(server):
    keep_deleted(server)
    deliver(server, 3)
    first, second, third = uidls(server)
    delete(server, 2)
    received = deleted(server)[0]["received_us"]
    server.run("mailbox", "undelete", ALICE, "--uidl", second)
    after = uidls(server)
    assert after[:2] == [first, third] and len(after) == 3 and after[2] not in (first, second, third)
    assert subjects(server) == [1, 3, 2]
    assert deleted(server) == []
    server.says("mail_undeleted")
    # The date is as before: it is told again when it is deleted again.
    delete(server, 3)
    assert [entry["received_us"] for entry in deleted(server)] == [received]


def test_a_sessions_deletions_or_all_since_a_time_come_back(server):
    keep_deleted(server)
    deliver(server, 5)
    delete(server, 1, 2)
    first_session = deleted(server)[0]["session"]
    delete(server, 1)
    result = server.run("mailbox", "undelete", ALICE, "--session", first_session).stdout.decode()
    assert result.startswith("2 messages are back")
    assert sorted(subjects(server)) == [1, 2, 4, 5]
    result = server.run("mailbox", "undelete", ALICE, "--since", "2999-01-01", check=False)
    assert result.returncode == EX_NOUSER
    server.run("mailbox", "undelete", ALICE, "--since", "1h")
    assert sorted(subjects(server)) == [1, 2, 3, 4, 5]


def test_undeleting_goes_on_where_nobody_waits_for_it(server):
    keep_deleted(server)
    deliver(server, 3)
    delete(server, 1, 2, 3)
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(server.directory / "run/admin.sock"))
        asking.sendall(json.dumps({"command": "mailbox.undelete", "arguments": {"address": ALICE, "all": True}}).encode() + b"\n")
    server.says("mail_undeleted")
    assert sorted(subjects(server)) == [1, 2, 3]


def test_undeleting_survives_a_crash(server):
    keep_deleted(server)
    deliver(server, 3)
    delete(server, 1, 3)
    server.kill()
    server.start()
    assert len(deleted(server)) == 2
    server.run("mailbox", "undelete", ALICE, "--all")
    before = uidls(server)
    server.kill()
    server.start()
    assert uidls(server) == before and sorted(subjects(server)) == [1, 2, 3]
    assert deleted(server) == []


def test_without_the_policy_nothing_is_kept(server):
    deliver(server, 1)
    delete(server, 1)
    assert deleted(server) == []
    assert server.run("mailbox", "undelete", ALICE, "--all", check=False).returncode == EX_NOUSER


def test_kept_mail_is_in_no_quota(server):
    keep_deleted(server)
    server.run("tenant", "set", "alpha", "--quota-messages", "1")

    def in_force():
        return server.run_json("mailbox", "show", ALICE)["tenant"]["quota"]["messages"] == 1

    wait_for("the quota is in force", 30, in_force)
    deliver(server, 1)
    delete(server, 1)
    deliver(server, 1)


def test_expire_0_takes_what_was_fetched_whole_and_nothing_else(server):
    expire_read(server, 0)
    deliver(server, 4)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.retr(1)
    client.retr(3)
    client.top(2, 0)
    client.list()
    client.quit()
    assert subjects(server) == [2, 4]


def test_expire_0_takes_nothing_of_a_session_without_quit(server):
    expire_read(server, 0)
    deliver(server, 1)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.retr(1)
    client.close()
    wait_for("the session is gone", 30, lambda: server.run_json("session", "list") == [])
    assert subjects(server) == [1]


def test_expire_0_takes_nothing_for_an_export(server, tmp_path):
    expire_read(server, 0)
    deliver(server, 2)
    server.run("export", "maildir", str(tmp_path / "out"), "--user", ALICE)
    assert subjects(server) == [1, 2]


def test_a_client_that_sends_quit_behind_retr_has_its_message(server):
    expire_read(server, 0)
    body = b"Subject: 1\r\n\r\n" + b"".join(b"line %d\r\n" % i for i in range(20_000))
    server.deliver([ALICE], body)
    with server.raw() as connection:
        connection.sendall(f"USER {ALICE}\r\nPASS {PASSWORDS[ALICE]}\r\nRETR 1\r\nQUIT\r\n".encode())
        said = read_to_end(connection)
    assert body in said and said.rstrip().splitlines()[-1].startswith(b"+OK")
    assert subjects(server) == []


def test_other_tenants_are_left_alone(server):
    server.run("tenant", "set", "beta", "--expire-read", "0", "--keep-deleted", "9")
    deliver(server, 1, user=BOB)
    client = server.pop3(BOB, PASSWORDS[BOB])
    client.retr(1)
    client.quit()
    assert len(uidls(server, BOB)) == 1
    delete(server, 1, user=BOB)
    assert deleted(server, BOB) == []
