"""Mailboxes that are imported again after the old server has learnt more of them, and mail on its way back there."""

import json
import os
import random
import re

import pytest
from conftest import ALICE, BOB, PASSWORDS
from dovecot import Dovecot
from test_transfer import contents, fill_maildir, listing, make_message, old, uidls  # noqa: F401: a fixture

with_dovecot = pytest.mark.skipif(not Dovecot.available(), reason="Dovecot runs only as root")


def run_import(server, kind, place, *options):
    report = json.loads(server.run("import", kind, "--user", ALICE, str(place), "--json", *options).stdout)
    return report["mailboxes"][0]


def arrive(home, number):
    """A message that the old server has not shown to anybody yet."""
    path = home / f"Maildir/new/{1_999_999_000 + number}.M1P{number}.old.example"
    path.write_bytes(make_message(number, random.Random(number)))
    return path.name


def test_couriers_list_grows(server, tmp_path):
    fill_maildir(tmp_path, 3, random.Random(1))
    maildir = tmp_path / "Maildir"
    names = sorted(path.name.partition(":")[0] for folder in ("cur", "new") for path in (maildir / folder).iterdir())
    lines = [f"{name} 100 {number}:1275660208:0\n" for number, name in enumerate(names, 1)]
    uidlist = maildir / "courierpop3dsizelist"
    uidlist.write_text("/3 2 1275660208\n" + lines[0])
    dry = run_import(server, "maildir", maildir, "--known-uidls", "--dry-run")
    assert (dry["left_out"], dry["uidls"]["kept"], dry["uidls"]["unknown"]) == (2, 1, 0)
    first = run_import(server, "maildir", maildir, "--known-uidls")
    assert (first["moved"], first["left_out"], first["uidls"]["unknown"]) == (1, 2, 0)
    uidlist.write_text("/3 3 1275660208\n" + "".join(lines[:2]))
    second = run_import(server, "maildir", maildir)
    assert (second["moved"], second["already_there"], second["left_out"]) == (2, 1, 0)
    here = [name for name, _ in listing(server, ALICE)]
    assert here == ["UID1-1275660208", "UID2-1275660208", names[2]]
    # What came under its file's name is known by that; it is named, for programs of the old server know it otherwise.
    uidlist.write_text("/3 4 1275660208\n" + "".join(lines))
    third = run_import(server, "maildir", maildir)
    assert (third["moved"], third["already_there"], third["other_uidl"], third["uidls"]["kept"]) == (0, 3, 1, 2)
    assert re.fullmatch(rf"{maildir}/\w+/{names[2]}(:2,S)?: here its UIDL is {names[2]}, there UID3-1275660208", third["other_uidls"][0])
    assert [name for name, _ in listing(server, ALICE)] == here
    text = server.run("import", "maildir", "--user", ALICE, str(maildir)).stdout.decode()
    assert "3 messages: 0 imported, 3 there before (1 under another UIDL than on the old server)\n" in text


@with_dovecot
def test_dovecots_list_grows(server, old):  # noqa: F811
    dovecot = old()
    home = dovecot.home(ALICE)
    fill_maildir(home, 20, random.Random(2))
    with dovecot:
        dovecot.pop3(ALICE).quit()
        arrive(home, 1)
        dovecot.own()
        first = run_import(server, "maildir", home / "Maildir", "--known-uidls")
        assert (first["moved"], first["left_out"]) == (20, 1)
        dovecot.pop3(ALICE).quit()
        assert run_import(server, "maildir", home / "Maildir", "--known-uidls")["moved"] == 1
        assert listing(server, ALICE) == contents(dovecot.pop3(ALICE))
        # Without that option the message is here once all the same.
        name = arrive(home, 2)
        dovecot.own()
        assert run_import(server, "maildir", home / "Maildir")["uidls"]["unknown"] == 1
        dovecot.pop3(ALICE).quit()
        last = run_import(server, "maildir", home / "Maildir")
        assert (last["moved"], last["already_there"], last["other_uidl"]) == (0, 22, 1)
        there = contents(dovecot.pop3(ALICE))
    assert listing(server, ALICE) == [*there[:21], (name, there[21][1])]


@with_dovecot
def test_an_mbox_that_dovecot_opens_meanwhile(server, old):  # noqa: F811
    dovecot = old(location="mbox:~/mail:INBOX=~/inbox")
    home = dovecot.home(ALICE)
    (home / "mail").mkdir(parents=True)
    bodies = [b"Subject: %d\n\nhello\n" % (number // 2) for number in range(6)]  # Each twice.
    (home / "inbox").write_bytes(b"".join(b"From a@a.example Thu Jun  3 12:00:56 2010\n" + body + b"\n" for body in bodies))
    assert run_import(server, "mbox", home / "inbox", "--known-uidls")["left_out"] == 6
    assert run_import(server, "mbox", home / "inbox")["moved"] == 6
    here = listing(server, ALICE)
    with dovecot:
        there = uidls(dovecot.pop3(ALICE))
    assert len(set(there)) == 6 and b"X-UID" in (home / "inbox").read_bytes()
    again = run_import(server, "mbox", home / "inbox")
    assert (again["moved"], again["already_there"], again["other_uidl"]) == (0, 6, 6)
    assert listing(server, ALICE) == here
    server.run("import", "mbox", "--user", BOB, str(home / "inbox"))
    assert [name for name, _ in listing(server, BOB)] == there


def test_what_cannot_be_told_while_a_maildrop_is_open_waits(server, tmp_path):
    fill_maildir(tmp_path, 2, random.Random(3))
    maildir = tmp_path / "Maildir"
    names = sorted(path.name.partition(":")[0] for folder in ("cur", "new") for path in (maildir / folder).iterdir())
    assert run_import(server, "maildir", maildir)["moved"] == 2
    (maildir / "dovecot-uidlist").write_text(
        "3 V1275660208 N3\n" + "".join(f"{uid} :{name}\n" for uid, name in enumerate(names, 1)))
    session = server.pop3(ALICE, PASSWORDS[ALICE])
    result = server.run("import", "maildir", "--user", ALICE, str(maildir), check=False)
    assert result.returncode == 75 and b"what is here already cannot be seen for now" in result.stderr, result
    session.quit()
    assert run_import(server, "maildir", maildir)["other_uidl"] == 2
    assert [name for name, _ in listing(server, ALICE)] == names


@with_dovecot
@pytest.mark.parametrize("uidl_format", ["%08Xu%08Xv", "%v.%u"])
def test_back_into_dovecots_maildir(server, old, uidl_format):  # noqa: F811
    """What came from there is not written twice and keeps its UIDL; what came here since is added."""
    dovecot = old(pop3_settings=f"pop3_uidl_format = {uidl_format}")
    home = dovecot.home(ALICE)
    maildir = home / "Maildir"
    fill_maildir(home, 10, random.Random(4))
    with dovecot:
        client = dovecot.pop3(ALICE)
        client.dele(10)  # Its number is not given again.
        client.quit()
        server.run("import", "maildir", "--user", ALICE, str(maildir), "--pop3-uidl-format", uidl_format)
        arrive(home, 1)
        server.run("import", "maildir", "--user", ALICE, str(maildir), "--pop3-uidl-format", uidl_format)
        arrive(home, 2)
        dovecot.own()
        there = contents(dovecot.pop3(ALICE))
    assert len(there) == 11
    server.deliver([ALICE], b"Subject: new\r\n\r\nx\r\n")
    new = listing(server, ALICE)[-1]
    head = (maildir / "dovecot-uidlist").read_text().splitlines()[0]
    export = ["export", "maildir", "--user", ALICE, str(maildir), "--pop3-uidl-format", uidl_format]
    assert server.run(*export[:-1], "%m", check=False).returncode == 65
    assert "11 messages: 1 exported, 10 there before" in server.run(*export).stdout.decode()
    assert "11 messages: 0 exported, 11 there before" in server.run(*export).stdout.decode()
    validity, uid_next, guid = re.fullmatch(r"3 V(\d+) N(\d+) (G\w+)", head).groups()
    lines = (maildir / "dovecot-uidlist").read_text().splitlines()
    assert lines[0] == f"3 V{validity} N{int(uid_next) + 1} {guid}"
    assert lines[-1].startswith(f"{uid_next} P{new[0]} :")
    for path in maildir.glob("dovecot.index*"):
        path.unlink()
    with dovecot:
        assert contents(dovecot.pop3(ALICE)) == [*there, new]
    assert os.listdir(maildir / "tmp") == []
