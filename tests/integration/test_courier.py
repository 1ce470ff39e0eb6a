"""Moving day from Courier: what its own POP3 server says of a mailbox is what Poplar says after an import of the Maildir."""

import json
import os
import random
import shutil

import pytest
from conftest import ALICE, BOB
from courier import Courier, why_not
from test_transfer import contents, fill_maildir, listing, uidls
from test_transfer_again import arrive, run_import

ALL_KEPT = {"unknown": 0, "duplicate": 0, "too_long": 0, "bad_octets": 0}


@pytest.fixture
def courier(tmp_path):
    if reason := why_not():
        pytest.skip(reason)
    with Courier(tmp_path) as made:
        yield made


def there(courier, address=ALICE):
    """UIDL and bytes of each message, in order; the session also writes the list."""
    client = courier.pop3(address)
    told = contents(client)
    courier.quit(client)
    return told


def test_uidls_are_kept(server, courier):
    home = courier.home(ALICE)
    fill_maildir(home, 40, random.Random(21))
    client = courier.pop3(ALICE)
    assert all(uidl.startswith("UID") for uidl in uidls(client))
    for number in (3, 17, 18, 40):
        client.dele(number)  # So that numbers have gaps.
    courier.quit(client)
    # A mail program by IMAP sets flags: names change but for their base. Then mail comes, with what looks older than the rest.
    for path in sorted((home / "Maildir/cur").iterdir())[:5]:
        path.rename(path.with_name(path.name.partition(":")[0] + ":2,RS"))
    for number in (1, 2):
        arrive(home, number)
    (home / "Maildir/new/1000000000.M1P1,S=12.old.example").write_bytes(b"Subject: o\n\n")
    told = there(courier)
    assert len(told) == 39 and len({uidl.partition("-")[2] for uidl, _ in told}) == 1
    result = server.run("import", "maildir", "--user", ALICE, str(home / "Maildir"), "--json", "--cleartext", "--compare",
                        f"pop3://127.0.0.1:{courier.port}", "--password-stdin", input=courier.password.encode() + b"\n")
    report = json.loads(result.stdout)["mailboxes"][0]
    comparison = report["comparison"]
    assert comparison["identical"] + comparison["line_ends"] == comparison["theirs"] == 39, comparison
    assert comparison["same_order"] and comparison["missing"] == [] and comparison["only_here"] == 0
    assert listing(server, ALICE) == told


def test_its_list_grows(server, courier):
    """Days before, by --known-uidls, and on the day."""
    home = courier.home(ALICE)
    fill_maildir(home, 10, random.Random(22))
    assert run_import(server, "maildir", home / "Maildir", "--known-uidls")["left_out"] == 10
    there(courier)
    arrive(home, 1)
    first = run_import(server, "maildir", home / "Maildir", "--known-uidls")
    assert (first["moved"], first["left_out"]) == (10, 1)
    client = courier.pop3(ALICE)
    client.dele(4)
    courier.quit(client)
    told = there(courier)
    last = run_import(server, "maildir", home / "Maildir")
    assert (last["moved"], last["already_there"], last["left_out"]) == (1, 9, 0)
    here = listing(server, ALICE)
    assert [mail for mail in here if mail in told] == told and len(here) == 11


@pytest.mark.parametrize("version", [2, 3])
def test_messages_from_before_there_were_numbers(server, courier, version):
    """Their names are their UIDLs, with octets that Courier escapes; and a list of the version before, which it reads, too."""
    home = courier.home(BOB)
    fill_maildir(home, 0, random.Random(23))
    names = ["1275660201.M1P1.h", "1275660202.M2'x'.h", '1275660203.M3"+y".h', "1275660204.M4 and more.h", "1275660205.M5\u00e4.h", "1275660206.M6.h"]
    for number, name in enumerate(names, 1):
        path = home / f"Maildir/cur/{name}:2,S"
        path.write_bytes(b"Subject: %d\n\nhello\n" % number)
        os.utime(path, (1275660200 + number,) * 2)
    flag = ":0" if version == 3 else ""
    lines = [f"{name}:2,S 21 {0 if number < 6 else 6}:{77 if number != 6 else 0}{flag}" for number, name in enumerate(names, 1)]
    (home / "Maildir/courierpop3dsizelist").write_text("\n".join([f"/{version} 9 77", *lines, ""]))
    before = home / "before"
    shutil.copytree(home / "Maildir", before)
    told = there(courier, BOB)
    assert [uidl for uidl, _ in told][4:] == ["1275660205.M5+C3+A4.h", "UID6"]
    report = json.loads(server.run("import", "maildir", "--user", BOB, str(before), "--json").stdout)["mailboxes"][0]
    assert report["uidls"] == {"kept": 6, **ALL_KEPT}
    assert sorted(listing(server, BOB)) == sorted(told)
    # And by the list as Courier has written it anew.
    server.run("import", "maildir", "--user", ALICE, str(home / "Maildir"))
    assert listing(server, ALICE) == told
