"""Many maildrops by one command: so many at a time as --jobs says, and how far it is on a terminal."""

import os
import pty
import re
import subprocess

import pytest
from conftest import ALICE, BOB, CAROL, PASSWORDS
from old_pop3 import OldPop3
from poplar_server import POPLAR

PEOPLE = (ALICE, BOB, CAROL)


def mails(login, count=2):
    return [(f"{login}{number}", b"Subject: %d of %s\r\n\r\nx\r\n" % (number, login.encode())) for number in range(count)]


def subjects(server, address):
    client = server.pop3(address, PASSWORDS[address])
    found = [client.top(number + 1, 0)[1][0].decode() for number in range(client.stat()[0])]
    client.quit()
    return found


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_jobs_of_an_import(server, tmp_path, jobs):
    """None of them goes on before so many have logged in, and there are never more."""
    logins = [address.partition("@")[0] for address in PEOPLE]
    (tmp_path / "map").write_text("".join(f"{address}\t{login}\n" for address, login in zip(PEOPLE, logins)))
    (tmp_path / "passwords").write_text("".join(f"{login}\tsecret\n" for login in logins))
    with OldPop3({login: mails(login) for login in logins}, ["UIDL"]) as old:
        old.together = jobs
        told = server.run("import", "pop3", old.url, "--map", str(tmp_path / "map"), "--passwords", str(tmp_path / "passwords"),
                          "--cleartext", "--jobs", str(jobs)).stdout.decode()
        assert old.most == jobs
    assert told.endswith("3 maildrops, 6 messages: 6 imported, 0 there before\n")
    for address, login in zip(PEOPLE, logins):
        assert f"{address}: 2 messages: 2 imported" in told
        assert subjects(server, address) == [f"Subject: {number} of {login}" for number in range(2)]


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_jobs_of_an_export(server, tmp_path, jobs):
    """From sockets that answer as a running server's do, once so many have come."""
    server.stop()
    (tmp_path / "map").write_text("".join(f"{address}\t{tmp_path / address}\n" for address in PEOPLE))
    for name in ("import", "export"):
        (server.directory / f"run/{name}.sock").unlink(missing_ok=True)
    maildrops = {"anybody": mails("anybody")}
    with OldPop3(maildrops, path=server.directory / "run/import.sock"), \
            OldPop3(maildrops, path=server.directory / "run/export.sock") as exports:
        exports.together = jobs
        told = server.run("export", "maildir", "--map", str(tmp_path / "map"), "--jobs", str(jobs)).stdout.decode()
        assert exports.most == jobs
    assert told.endswith("3 maildrops, 6 messages: 6 exported, 0 there before\n")
    for address in PEOPLE:
        assert len(list((tmp_path / address / "cur").iterdir())) == 2


def on_a_terminal(server, *arguments):
    """What the command says on standard output, and what a terminal shows that is its standard error."""
    ours, theirs = pty.openpty()
    command = [POPLAR, *arguments, "--config", str(server.config_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        pass  # The other end is closed.
    os.close(ours)
    told = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    return told.decode(), shown.decode()


BAR = r"\r\[[#.]{30}\] \d+/%d messages, \d/2 maildrops, \d+ MiB, \d+ KiB/s"


def test_progress_is_shown_on_a_terminal_only(server, tmp_path):
    for address in (ALICE, BOB):
        for folder in ("new", "cur"):
            (tmp_path / address / folder).mkdir(parents=True)
        for number in range(5):
            (tmp_path / address / f"new/127566020{number}.M1P1.h").write_bytes(b"Subject: x\n\nx\n")
    (tmp_path / "map").write_text("".join(f"{address}\t{tmp_path / address}\n" for address in (ALICE, BOB)))
    (tmp_path / "out").write_text("".join(f"{address}\t{tmp_path / 'out-of'}-{address}\n" for address in (ALICE, BOB)))
    imports = ["import", "maildir", "--map", str(tmp_path / "map"), "--jobs", "1"]
    exports = ["export", "maildir", "--map", str(tmp_path / "out"), "--jobs", "1"]
    for command, does in ((imports, "imported"), (exports, "exported")):
        told, shown = on_a_terminal(server, *command)
        assert re.match(BAR % 5, shown), shown
        # It counts on with the second maildrop, and in the end nothing is left of it.
        assert re.search(BAR % 10, shown) and shown.endswith(" \r"), shown
        assert "\n" not in shown and f"2 maildrops, 10 messages: 10 {does}" in told
    for quiet in ("--json", "--quiet"):
        assert on_a_terminal(server, *imports, quiet)[1] == ""
    for command in (imports, exports):
        assert server.run(*command).stderr == b""
