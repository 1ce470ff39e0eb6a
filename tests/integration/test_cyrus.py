"""Moving day from Cyrus: what its own POP3 server says of a mailbox is what Poplar says after an import of the spool."""

import imaplib
import json
import random
import re
import subprocess
import time

import pytest
from conftest import ALICE, BOB, CAROL
from cyrus import UIDL_FORMATS, Cyrus, why_not
from operations import Operator, example
from poplar_server import POPLAR, wait_for
from test_transfer import contents, listing, make_message, uidls

DAVE = "dave@beta.example"  # There only.
MBPATH = "/usr/lib/cyrus/bin/mbpath"
LONG_AGO = 1_275_660_208  # In 2010.
SETTINGS = "imap_mailbox_legacy_dirs: yes\n"  # Mailboxes that IMAP makes are in folders of their names, as they were before 3.6.


def wire(message):
    return message.rstrip(b"\n").replace(b"\n", b"\r\n") + b"\r\n"


def append(client, message, second):
    assert client.append("INBOX", None, imaplib.Time2Internaldate(second), message)[0] == "OK"


def expunge(client, numbers):
    client.store(numbers, "+FLAGS.SILENT", r"(\Deleted)")
    assert client.expunge()[0] == "OK"


def fill(cyrus):
    rng = random.Random(12)
    for address, count in ((ALICE, 120), (BOB, 30)):
        cyrus.pop3(address).quit()  # Makes the mailbox.
        for number in range(count):
            cyrus.deliver(address, wire(make_message(number, rng)))
    pop3, imap = cyrus.pop3(ALICE), cyrus.imap(ALICE)
    for number in (3, 17, 18):
        pop3.dele(number)
    pop3.quit()
    expunge(imap, "100:102")
    cyrus.run("cyr_expire", "-X", "0")  # Those are gone from the disk, too; what follows stays there as expunged.
    append(imap, wire(make_message(1000, rng)), LONG_AGO)
    cyrus.deliver(ALICE, wire(make_message(1001, rng)))
    expunge(imap, "40:42")
    imap.store("50", "+FLAGS.SILENT", r"(\Deleted)")  # Marked only.
    imap.logout()


@pytest.fixture(scope="module")
def cyrus():
    if reason := why_not():
        pytest.skip(reason)
    made = Cyrus(SETTINGS)
    try:
        for address in (ALICE, BOB, CAROL, DAVE):
            made.add_user(address)
        made.start()
        fill(made)
        yield made
    finally:
        made.remove()


def sizes(client):
    return [int(line.split()[1]) for line in client.list()[1]]


def formats_of_help(server):
    """By uidl_format, what is to be given for it."""
    text = " ".join(server.run("import", "cyrus", "--help", config=False).stdout.decode().split())
    return dict(re.findall(rf"({'|'.join(UIDL_FORMATS)}) (?:is )?(%[^\s,]+)", text))


def import_one(server, cyrus, address, *options, uidl_format="cyrus"):
    """The report, and the comparison with Cyrus' POP3."""
    result = server.run("import", "cyrus", "--user", address, str(cyrus.folder(address)), *options, "--json", "--cleartext",
                        "--compare", f"pop3://127.0.0.1:{cyrus.ports[uidl_format]}", "--password-stdin",
                        input=cyrus.password.encode() + b"\n")
    report = json.loads(result.stdout)["mailboxes"][0]
    return report, report["comparison"]


def all_identical(count, **but):
    return {"theirs": count, "identical": count, "line_ends": 0, "other_size": 0, "same_order": True, "only_here": 0, "missing": [], "only_here_uidls": [], **but}


@pytest.mark.parametrize("uidl_format", UIDL_FORMATS)
def test_uidls_of_each_format(server, cyrus, uidl_format):
    client = cyrus.pop3(ALICE, uidl_format)
    there, sizes_there = contents(client), sizes(client)
    client.quit()
    assert len(there) == 120 - 3 - 3 + 2 - 3
    format_here = formats_of_help(server)[uidl_format]
    _, comparison = import_one(server, cyrus, ALICE, "--pop3-uidl-format", format_here, uidl_format=uidl_format)
    assert comparison == all_identical(len(there))
    assert listing(server, ALICE) == there
    here = server.pop3(ALICE, "wonder land")
    assert sizes(here) == sizes_there
    here.quit()


def dates_there(cyrus, address):
    """Seconds, by UID."""
    client = cyrus.imap(address)
    told = client.fetch("1:*", "(UID INTERNALDATE)")[1]
    client.logout()
    return {int(re.search(rb"UID (\d+)", line)[1]): time.mktime(imaplib.Internaldate2tuple(line)) for line in told}


def dates_here(server, address, folder):
    server.run("export", "maildir", "--user", address, str(folder))
    lines = re.findall(r"(?m)^\d+ P\d+\.(\d+) :(.+)$", (folder / "dovecot-uidlist").read_text())
    seconds = {path.name.partition(":")[0]: path.stat().st_mtime for path in (folder / "cur").iterdir()}
    return {int(uid): seconds[name] for uid, name in lines}


def test_the_day(server, cyrus, tmp_path):
    people = (ALICE, BOB)
    there = {}
    for address in people:
        client = cyrus.pop3(address)
        there[address] = contents(client)
        client.quit()
    total = sum(map(len, there.values()))
    (tmp_path / "users").write_text("".join(f"{address}\n" for address in people))
    page = Operator(server, tmp_path / "operator")
    told = page.follow(f"cd {tmp_path}\n{example('while read -r address.*')}", instead={MBPATH: cyrus.mbpath()})
    assert f"2 maildrops, {total} messages, {total} will keep their UIDLs\n" in told
    (tmp_path / "passwords").write_text("".join(f"{address}\t{cyrus.password}\n" for address in people))
    (tmp_path / "passwords").chmod(0o600)
    command = ["import", "cyrus", "--map", str(tmp_path / "map"), "--jobs", "1", "--json"]

    def run(*options):
        return json.loads(server.run(*command, *options).stdout)

    dry = run("--dry-run")
    assert (dry["messages"], dry["moved"]) == (total, 0)
    assert [mailbox["uidls"]["kept"] for mailbox in dry["mailboxes"]] == [len(there[address]) for address in people]
    assert listing(server, ALICE) == []
    # Killed on its way, and begun again.
    process = subprocess.Popen([POPLAR, *command, "--config", str(server.config_path)], stdout=subprocess.PIPE)
    wait_for("a message is imported", 30, lambda: server.metric("poplar_store_imported_total") >= 1)
    process.kill()
    process.communicate(timeout=60)
    compare = ["--compare", f"pop3://127.0.0.1:{cyrus.ports['cyrus']}", "--cleartext", "--passwords", str(tmp_path / "passwords")]
    rest = run(*compare)
    assert rest["already_there"] >= 1 and rest["moved"] + rest["already_there"] == total and rest["failed"] == 0
    assert [mailbox["comparison"] for mailbox in rest["mailboxes"]] == [all_identical(len(there[address])) for address in people]
    again = run()
    assert (again["moved"], again["already_there"]) == (0, total)
    for address in people:
        assert listing(server, address) == there[address]
        dates = dates_here(server, address, tmp_path / address)
        assert dates == dates_there(cyrus, address)
        assert (LONG_AGO in dates.values()) == (address == ALICE)
    assert f"compared: {len(there[BOB])} of {len(there[BOB])} identical\n" in server.run(
        *command[:-1], *compare).stdout.decode()
    # What comes there meanwhile comes here at the next run.
    cyrus.deliver(BOB, b"Subject: late\r\n\r\nx\r\n")
    assert run()["moved"] == 1
    client = cyrus.pop3(BOB)
    assert listing(server, BOB) == contents(client)
    client.quit()


def test_what_the_index_says_of_the_mailbox(server, cyrus):
    """In a folder that is named by its user."""
    client = cyrus.imap(CAROL)
    for number in range(4):
        append(client, b"Subject: %d\r\n\r\nhello\r\n" % number, LONG_AGO + number)
    append(client, b"Subject: no end\r\n\r\nhello", LONG_AGO + 9)
    tree = f"{cyrus.directory}/spool/domain/%d/user/%u"
    assert cyrus.folder(CAROL) == cyrus.directory / "spool/domain/beta.example/user/carol"
    dry = json.loads(server.run("import", "cyrus", "--tree", tree, "--dry-run", "--json").stdout)
    assert [(mailbox["address"], mailbox["messages"]) for mailbox in dry["mailboxes"]] == [(CAROL, 5)]
    pop3 = cyrus.pop3(CAROL, "courier")
    assert all("-" in uidl for uidl in uidls(pop3))
    pop3.quit()

    def annotate(name, value):
        assert client.xatom("SETMETADATA", "INBOX", f'(/shared/vendor/cmu/cyrus-imapd/{name} "{value}")')[0] == "OK"

    annotate("pop3newuidl", "false")
    annotate("pop3showafter", imaplib.Time2Internaldate(LONG_AGO + 1)[1:-1])
    client.logout()
    pop3 = cyrus.pop3(CAROL)
    there = contents(pop3)
    pop3.quit()
    assert [uidl for uidl, _ in there] == ["3", "4", "5"]
    report, comparison = import_one(server, cyrus, CAROL)
    assert report["notes"] == ["its UIDLs are UIDs alone, as its index says",
                               "2 messages left out, which its pop3showafter hides from POP3"]
    assert comparison == all_identical(3, identical=2, line_ends=1)
    assert listing(server, CAROL) == there


def test_what_is_archived(server, cyrus, tmp_path):
    client = cyrus.imap(DAVE)
    for number in range(3):
        append(client, b"Subject: %d\r\n\r\nhello\r\n" % number, LONG_AGO + number)
    append(client, b"Subject: new\r\n\r\nhello\r\n", time.time())
    client.logout()
    cyrus.run("cyr_expire", "-u", DAVE, "-A", "1d")
    folder = cyrus.folder(DAVE)
    command = ["import", "cyrus", "--user", BOB]
    result = server.run(*command, str(folder), check=False)
    assert result.returncode == 65 and b"4 messages: 1 imported, 0 there before, 3 failed\n" in result.stdout, result
    assert b"3 messages on the archive partition: import a folder with links to all files\n" in server.run(*command, str(folder), "--dry-run").stdout
    commands = example("mkdir -p links/ADDRESS")
    Operator(server, tmp_path / "operator").follow(f"cd {tmp_path}\n{commands}", instead={"ADDRESS": DAVE, MBPATH: cyrus.mbpath()})
    assert b"4 messages: 3 imported, 1 there before\n" in server.run(*command, str(tmp_path / "links" / DAVE)).stdout
    pop3 = cyrus.pop3(DAVE)
    there = contents(pop3)
    pop3.quit()
    assert len(there) == 4 and sorted(listing(server, BOB)) == sorted(there)
