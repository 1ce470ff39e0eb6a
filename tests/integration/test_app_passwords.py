"""App passwords, and what a change of a password does to a running server, as an operator and his users meet them."""

import base64
import json
import poplib
import sqlite3
import time

import pytest
from conftest import ALICE, BOB, PASSWORDS
from poplar_server import wait_for

EX_USAGE, EX_DATAERR, EX_NOUSER, EX_CANTCREAT, EX_NOPERM = 64, 65, 67, 73, 77


def add(server, address, label, *options):
    return server.run_json("user", "app-password", "add", address, label, *options)["password"]


def listed(server, address):
    return {entry["label"]: entry for entry in server.run_json("user", "app-password", "list", address)}


def lets_in(server, user, password):
    client, refusal = server.try_login(user, password)
    if client:
        client.quit()
        return True
    assert "[AUTH]" in refusal, refusal
    return False


def is_ended(client):
    """The server has ended this session."""
    try:
        client.noop()
    except (poplib.error_proto, OSError):
        return True
    return False


def test_each_device_has_its_own(server):
    phone, laptop = add(server, ALICE, "phone"), add(server, ALICE, "lap top")
    shown = server.run("user", "app-password", "add", ALICE, "tablet").stdout.decode().splitlines()
    for password in (phone, laptop, phone.replace("-", "").upper(), shown[-1]):
        assert lets_in(server, ALICE, password), password
    assert lets_in(server, ALICE, PASSWORDS[ALICE])
    assert not lets_in(server, BOB, phone)
    with server.raw() as connection:
        connection.recv(1000)
        connection.sendall(b"AUTH PLAIN " + base64.b64encode(f"\0{ALICE}\0{phone}".encode()) + b"\r\n")
        assert connection.recv(1000).startswith(b"+OK")
    server.says("mechanism=PLAIN app_password=phone ")
    server.says('app_password="lap top"')
    assert phone not in server.log() and phone.replace("-", "") not in server.log()
    assert server.run("user", "app-password", "add", ALICE, "phone", check=False).returncode == EX_CANTCREAT
    assert server.run("user", "app-password", "add", "nobody@alpha.example", "x", check=False).returncode == EX_NOUSER
    assert server.run("user", "app-password", "add", ALICE, "y", "--from", "here", check=False).returncode == EX_DATAERR
    assert set(listed(server, ALICE)) == {"phone", "lap top", "tablet"}
    # When they were used is written at the end at the latest.
    server.stop()
    server.start()
    assert all(entry["last_used_s"] >= entry["created_s"] for entry in listed(server, ALICE).values())
    assert b"LAST USED" in server.run("user", "app-password", "list", ALICE).stdout


def test_the_test_command_names_it(server):
    phone = add(server, ALICE, "phone")
    said = server.run("auth", "test", ALICE, "--password-stdin", input=phone.encode() + b"\n").stdout.decode()
    assert 'app password "phone"' in said and "The password is right" in said
    mistyped = ("a" if phone[0] != "a" else "b") + phone[1:]
    wrong = server.run("auth", "test", ALICE, "--password-stdin", check=False, input=mistyped.encode() + b"\n")
    assert wrong.returncode == EX_NOPERM


def test_a_lost_phone_is_out_at_once(server):
    phone, laptop = add(server, ALICE, "phone"), add(server, ALICE, "laptop")
    lost = server.pop3(ALICE, phone)
    assert server.run("user", "app-password", "remove", ALICE, "phone", "--end-sessions").stdout.decode().count("\n") == 2
    assert not lets_in(server, ALICE, phone)
    wait_for("its session ends", 10, lambda: is_ended(lost))
    assert lets_in(server, ALICE, laptop)
    assert set(listed(server, ALICE)) == {"laptop"}
    assert server.run("user", "app-password", "remove", ALICE, "phone", check=False).returncode == EX_NOUSER


def test_a_removal_takes_effect_by_itself(server):
    phone = add(server, ALICE, "phone")
    assert lets_in(server, ALICE, phone)
    server.run("user", "app-password", "remove", ALICE, "phone")
    wait_for("it is refused", 15, lambda: not lets_in(server, ALICE, phone))


def test_from_where_and_until_when(server):
    here = add(server, ALICE, "here", "--from", "192.0.2.0/24", "--from", "127.0.0.0/8")
    elsewhere = add(server, ALICE, "elsewhere", "--from", "192.0.2.0/24", "--from", "2001:db8::/32")
    over = add(server, ALICE, "over", "--expires", "2099-01-31")
    assert listed(server, ALICE)["over"]["expires_s"] == 4073587200
    assert lets_in(server, ALICE, here) and lets_in(server, ALICE, here)
    assert not lets_in(server, ALICE, elsewhere) and not lets_in(server, ALICE, elsewhere)
    assert lets_in(server, ALICE, over)
    with sqlite3.connect(server.directory / "users.db", timeout=30) as database:
        database.execute("UPDATE app_passwords SET expires_s = ? WHERE label = 'over'", (int(time.time()),))
    wait_for("it works no more", 15, lambda: not lets_in(server, ALICE, over))
    refused = server.run("user", "app-password", "add", ALICE, "past", "--expires", "2026-01-31", check=False)
    assert refused.returncode == EX_USAGE and b"that day is over" in refused.stderr, refused.stderr
    wait_for("the log says why", 10, lambda: "is not for this address" in server.log() and "has expired" in server.log())


def test_they_may_be_the_only_way_in(server):
    phone = add(server, ALICE, "phone")
    server.run("tenant", "set", "alpha", "--require-app-password", "true")
    wait_for("the own one is refused", 15, lambda: not lets_in(server, ALICE, PASSWORDS[ALICE]))
    assert not lets_in(server, BOB, PASSWORDS[BOB]) and lets_in(server, ALICE, phone)
    server.run("user", "set", BOB, "--require-app-password", "false")
    wait_for("but this user's", 15, lambda: lets_in(server, BOB, PASSWORDS[BOB]))
    assert server.run_json("user", "show", BOB)["require_app_password"] is False
    server.run("tenant", "set", "alpha", "--require-app-password", "default")
    wait_for("all as before", 15, lambda: lets_in(server, ALICE, PASSWORDS[ALICE]))


@pytest.mark.parametrize("change", ("passwd", "disable"))
def test_a_change_can_end_sessions(server, change):
    before = server.pop3(ALICE, PASSWORDS[ALICE])
    other = server.pop3(BOB, PASSWORDS[BOB])
    if change == "passwd":
        server.run("user", "passwd", ALICE, "--password-stdin", "--end-sessions", input=b"new one\n")
    else:
        server.run("user", "disable", ALICE, "--end-sessions")
    # At once: what was remembered is forgotten by the time the command ends.
    assert not lets_in(server, ALICE, PASSWORDS[ALICE])
    wait_for("the session ends", 10, lambda: is_ended(before))
    assert not is_ended(other)
    other.quit()


def test_a_flush_makes_a_change_count_at_once(server):
    session = server.pop3(ALICE, PASSWORDS[ALICE])
    server.run("user", "passwd", ALICE, "--password-stdin", input=b"new one\n")
    server.run("user", "flush", ALICE)
    assert not lets_in(server, ALICE, PASSWORDS[ALICE])
    assert not is_ended(session)
    session.quit()
    assert lets_in(server, ALICE, "new one")


def test_without_a_server_there_is_nothing_to_end(server):
    server.stop()
    said = server.run("user", "passwd", ALICE, "--password-stdin", "--end-sessions", input=b"new one\n").stdout
    assert b"No server runs" in said
    server.start()
    assert lets_in(server, ALICE, "new one")
    assert json.loads(server.run("user", "app-password", "list", ALICE, "--json").stdout) == []
