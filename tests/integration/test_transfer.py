"""Moving day: mailboxes of a real Dovecot come here, and programs see the same mail under the same UIDLs."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from conftest import ALICE, BOB, CAROL, PASSWORDS
from dovecot import Dovecot
from poplar_server import POPLAR, PoplarServer, needs

pytestmark = pytest.mark.skipif(not Dovecot.available(), reason="Dovecot runs only as root")


def make_message(number, rng):
    """A mail with LF line ends, dots, long lines and what else is found in mailboxes."""
    lines = [f"Received: from a.example by b.example; Thu, {1 + number % 28} Jun 2010 12:{number % 60:02}:56 +0200",
             f"Subject: message {number}", f"Message-ID: <{number}@a.example>", ""]
    for _ in range(rng.randrange(1, 40)):
        lines.append(rng.choice([".", "..", "From here on", ">From quoted", "text " * rng.randrange(30), "",
                                 "\u00e4" * 20, "x" * rng.randrange(2000)]))
    return ("\n".join(lines) + rng.choice(["\n", ""])).encode()


def fill_maildir(home, count, rng):
    """Messages as a delivery agent names them; half of them are in cur."""
    for folder in ("tmp", "new", "cur"):
        (home / "Maildir" / folder).mkdir(parents=True, exist_ok=True)
    second = 1_275_600_000 + rng.randrange(1_000_000)
    for number in range(count):
        second += rng.randrange(3)
        name = f"{second}.M{rng.randrange(1_000_000):06}P{number}.old.example"
        where = f"cur/{name}:2,S" if number % 2 else f"new/{name}"
        path = home / "Maildir" / where
        path.write_bytes(make_message(number, rng))
        os.utime(path, (second, second))


def uidls(client):
    return [line.split(b" ", 1)[1].decode() for line in client.uidl()[1]]


def contents(client):
    """UIDL and bytes of each message, in order."""
    names = uidls(client)
    return [(name, b"\r\n".join(client.retr(i + 1)[1])) for i, name in enumerate(names)]


def listing(server, address):
    client = server.pop3(address, PASSWORDS[address])
    result = contents(client)
    client.quit()
    return result


@pytest.fixture
def old(tmp_path):
    made = PoplarServer(tmp_path / "certificates")  # Only its certificate is used.

    def make(**options):
        return Dovecot(tmp_path / f"dovecot{random.randrange(1 << 30)}", made.certificate,
                       made.directory / "tls/key.pem", **options)

    make.certificate = made.certificate
    return make


FORMATS = ["%08Xu%08Xv", "%u", "%v.%u", "UID%u-%v", "%08Xv%08Xu", "%f", "%g", "%Xu-%5.3v", "%Mf"]


@pytest.mark.parametrize("uidl_format", FORMATS)
def test_uidls_of_dovecot_are_kept(server, old, uidl_format):
    needs("dovecot")
    dovecot = old(pop3_settings=f"pop3_uidl_format = {uidl_format}")
    fill_maildir(dovecot.home(ALICE), 40, random.Random(1))
    with dovecot:
        client = dovecot.pop3(ALICE)
        for number in (3, 17, 18):
            client.dele(number)  # So that UIDs have gaps.
        client.quit()
        there = contents(dovecot.pop3(ALICE))
    assert len(there) == 37
    server.run("import", "maildir", "--user", ALICE, str(dovecot.home(ALICE) / "Maildir"),
               "--pop3-uidl-format", uidl_format)
    assert listing(server, ALICE) == there


def test_saved_uidls_and_x_uidl_headers(server, old):
    """Dovecot's own migration keeps UIDLs of servers before it in P fields and X-UIDL headers."""
    dovecot = old(pop3_settings="pop3_uidl_format = %u\n  pop3_reuse_xuidl = yes")
    home = dovecot.home(ALICE)
    fill_maildir(home, 12, random.Random(2))
    for path in (home / "Maildir/cur").iterdir():
        path.write_bytes(b"X-UIDL: older." + path.name[:14].encode() + b"\n" + path.read_bytes())
    with dovecot:
        dovecot.pop3(ALICE).quit()
        uidlist = home / "Maildir/dovecot-uidlist"
        lines = uidlist.read_text().splitlines()
        lines[3] = lines[3].replace(" ", " Psaved-1 ", 1)
        lines[4] = lines[4].replace(" ", " P ", 1)  # The base name.
        uidlist.write_text("\n".join(lines) + "\n")
        there = contents(dovecot.pop3(ALICE))
    names = [name for name, _ in there]
    assert "saved-1" in names and sum(name.startswith("older.") for name in names) >= 4
    server.run("import", "maildir", "--user", ALICE, str(home / "Maildir"), "--uidl", "header",
               "--pop3-uidl-format", "%u")
    assert listing(server, ALICE) == there


def test_mbox_of_dovecot(server, old):
    dovecot = old(location="mbox:~/mail:INBOX=~/inbox", pop3_settings="")
    home = dovecot.home(ALICE)
    home.mkdir(parents=True)
    (home / "mail").mkdir()
    rng = random.Random(3)
    text = b""
    for number in range(25):
        body = make_message(number, rng).rstrip(b"\n") + b"\n"
        body = re.sub(rb"(?m)^(>*From )", rb">\1", body)
        text += b"From a@a.example Thu Jun  3 12:%02d:56 2010\n" % number + body + b"\n"
    (home / "inbox").write_bytes(text)
    with dovecot:
        there = uidls(dovecot.pop3(ALICE))
    assert len(there) == 25
    server.run("import", "mbox", "--user", ALICE, str(home / "inbox"))
    here = listing(server, ALICE)
    assert [name for name, _ in here] == there
    assert all(b"\r\n>From here on" not in body for _, body in here)
    assert any(b"\r\nFrom here on" in body and b"\r\n>From quoted" in body for _, body in here)


def test_the_whole_tree_compared_and_resumed(server, old):
    dovecot = old(pop3_settings="pop3_uidl_format = %v.%u")
    rng = random.Random(4)
    people = (ALICE, BOB, CAROL)
    for count, address in zip((60, 35, 0), people):
        fill_maildir(dovecot.home(address), count, rng)
    (dovecot.home(BOB) / "Maildir/.Sent/cur").mkdir(parents=True)
    passwords = dovecot.directory / "passwords"
    passwords.write_text("".join(f"{address}\t{dovecot.password}\n" for address in people))
    tree = str(dovecot.directory / "mail/%d/%u/Maildir")
    command = ["import", "maildir", "--tree", tree, "--pop3-uidl-format", "%v.%u", "--compare",
               f"pop3s://localhost:{dovecot.ports['pop3s']}", "--ca", str(old.certificate), "--passwords", str(passwords)]
    with dovecot:
        there = {address: contents(dovecot.pop3(address)) for address in people}
        sizes = {address: [int(line.split()[1]) for line in dovecot.pop3(address).list()[1]] for address in people}
        report = json.loads(server.run(*command, "--json").stdout)
        assert (report["messages"], report["moved"], report["failed"]) == (95, 95, 0)
        by_address = {mailbox["address"]: mailbox for mailbox in report["mailboxes"]}
        assert by_address[BOB]["notes"] == ["1 subfolder is left out: POP3 knows the inbox only"]
        for address in people:
            count = len(there[address])
            # Dovecot does not count the line end that a last line lacks, though it sends it.
            ended = sum(size == len(body) + 2 for size, (_, body) in zip(sizes[address], there[address]))
            assert count == 0 or 0 < ended < count
            assert by_address[address]["comparison"] == {
                "theirs": count, "identical": ended, "line_ends": count - ended, "other_size": 0, "same_order": True, "only_here": 0,
                "missing": [], "only_here_uidls": []}
            assert listing(server, address) == there[address]
        # Again: all is there. A message that is new on the old server comes, one that was deleted here too.
        client = server.pop3(ALICE, PASSWORDS[ALICE])
        client.dele(1)
        client.quit()
        name = "1999999999.M1P1.old.example"
        (dovecot.home(ALICE) / "Maildir/new" / name).write_bytes(b"Subject: late\n\nx\n")
        dovecot.own()
        dovecot.pop3(ALICE).quit()
        text = server.run(*command).stdout.decode()
        assert f"{ALICE}: 61 messages: 2 imported, 59 there before" in text
        compared = re.search(r"compared: (\d+) of 61 identical, (\d+) but for a last line end, in another order", text)
        assert compared and int(compared[1]) + int(compared[2]) == 61, text
        assert "3 maildrops, 96 messages: 2 imported, 94 there before" in text


def test_dry_run_says_what_will_not_be_the_same(server, old, tmp_path):
    maildir = tmp_path / "Maildir"
    for folder in ("cur", "new", "tmp"):
        (maildir / folder).mkdir(parents=True)
    saved = ["same", "same", "x" * 71, "b\u00e4d", "fine"]
    lines = ["3 V1275660208 N9 G3085f01b7f11094c501100008c4a11c1"]
    for uid, uidl in enumerate(saved, 1):
        (maildir / f"cur/127566020{uid}.M1P1.h:2,S").write_bytes(b"Subject: x\n\n")
        lines.append(f"{uid} P{uidl} :127566020{uid}.M1P1.h:2,S")
    (maildir / "cur/1275660209.M1P1.h").write_bytes(b"Subject: not in the list\n\n")
    (maildir / "dovecot-uidlist").write_text("\n".join(lines) + "\n")
    report = json.loads(server.run("import", "maildir", "--user", ALICE, str(maildir), "--dry-run", "--json").stdout)
    assert report["mailboxes"][0]["uidls"] == {
        "kept": 2, "unknown": 1, "duplicate": 1, "too_long": 1, "bad_octets": 1}
    text = server.run("import", "maildir", "--user", ALICE, str(maildir), "--dry-run").stdout.decode()
    assert "6 messages, 2 will keep their UIDLs, 4 will not" in text and "no such user here" not in text
    assert f"{maildir}/cur/1275660202.M1P1.h:2,S: UIDL duplicate, it gets 1275660202.M1P1.h" in text
    assert listing(server, ALICE) == []
    for expected in ("6 imported, 0 there before", "0 imported, 6 there before"):
        assert expected in server.run("import", "maildir", "--user", ALICE, str(maildir)).stdout.decode()
    names = [name for name, _ in listing(server, ALICE)]
    assert names[0] == "same" and names[4:] == ["fine", "1275660209.M1P1.h"]
    assert len(set(names)) == 6


@pytest.mark.parametrize("mode", ["pop3s", "stls"])
def test_a_maildrop_by_its_password(server, old, mode):
    dovecot = old()
    fill_maildir(dovecot.home(ALICE), 50, random.Random(5))
    large = b"Subject: large\n\n" + b"z" * 70 + b"\n" + b"line of a large mail\n" * 100_000
    (dovecot.home(ALICE) / "Maildir/cur/1999999999.M1P1.h:2,").write_bytes(large)
    port = dovecot.ports["pop3s" if mode == "pop3s" else "pop3"]
    url = f"{'pop3s' if mode == 'pop3s' else 'pop3'}://localhost:{port}"
    command = ["import", "pop3", url, "--user", ALICE, "--to", BOB, "--password-stdin", "--ca", str(old.certificate)]
    with dovecot:
        there = contents(dovecot.pop3(ALICE))
        wrong = server.run(*command, check=False, input=b"no\n")
        assert wrong.returncode == 77, wrong
        text = server.run(*command, input=dovecot.password.encode() + b"\n").stdout.decode()
        assert f"{BOB}: 51 messages: 51 imported" in text
        assert listing(server, BOB) == there
        text = server.run(*command, "--delete", input=dovecot.password.encode() + b"\n").stdout.decode()
        assert "0 imported, 51 there before" in text
        assert dovecot.pop3(ALICE).stat()[0] == 0
    assert listing(server, BOB) == there


def test_out_and_in_again(server, old, tmp_path):
    """What comes out as a Maildir goes into Dovecot and into another account, byte for byte."""
    rng = random.Random(6)
    for number in range(30):
        server.deliver([ALICE], make_message(number, rng).replace(b"\n", b"\r\n"))
    server.deliver([ALICE], b"Subject: odd\r\nX-UIDL: of another server\r\n\r\nlone\rCR, two\r\r\n at an end\r\n")
    expected = listing(server, ALICE)
    dovecot = old(pop3_settings="pop3_uidl_format = %u")
    out = dovecot.home(ALICE) / "Maildir"
    assert "31 exported, 0 there before" in server.run("export", "maildir", "--user", ALICE, str(out)).stdout.decode()
    server.deliver([ALICE], b"Subject: later\r\n\r\nx\r\n")
    expected = listing(server, ALICE)
    assert "1 exported, 31 there before" in server.run("export", "maildir", "--user", ALICE, str(out)).stdout.decode()
    for path in (out / "cur").iterdir():
        assert abs(path.stat().st_mtime - time.time()) < 600
    with dovecot:
        in_dovecot = contents(dovecot.pop3(ALICE))
    # Dovecot changes what no mail has: a CR before a CRLF.
    assert [name for name, _ in in_dovecot] == [name for name, _ in expected]
    assert sum(a == b for a, b in zip(in_dovecot, expected)) >= 31
    server.run("import", "maildir", "--user", BOB, str(out))
    assert listing(server, BOB) == expected
    # And as an mbox.
    mbox = tmp_path / "alice.mbox"
    server.run("export", "mbox", "--user", ALICE, str(mbox))
    assert server.run("export", "mbox", "--user", ALICE, str(mbox), check=False).returncode == 73
    server.run("import", "mbox", "--user", CAROL, str(mbox))
    assert listing(server, CAROL) == expected


def test_a_file_that_a_power_cut_emptied_is_exported_again(server, tmp_path):
    rng = random.Random(11)
    for number in range(12):
        server.deliver([ALICE], make_message(number, rng).replace(b"\n", b"\r\n"))
    server.deliver([ALICE], b"Subject: odd\r\n\r\nlone\rCR, two\r\r\n at an end\r\n")
    export = ["export", "maildir", "--user", ALICE, str(tmp_path / "out")]
    assert "13 exported, 0 there before" in server.run(*export).stdout.decode()
    files = {path: path.read_bytes() for path in (tmp_path / "out/cur").iterdir()}
    for number, (path, whole) in enumerate(files.items()):
        lines = whole.count(b"\n") - whole.count(b"\r\n")
        assert f",S={len(whole)},W={len(whole) + lines}:2," in path.name
        if number < 3:
            os.truncate(path, number * (len(whole) // 3))
    assert "3 exported, 10 there before" in server.run(*export).stdout.decode()
    assert {path: path.read_bytes() for path in (tmp_path / "out/cur").iterdir()} == files
    assert os.listdir(tmp_path / "out/tmp") == []
    for path in files:  # Without S= and W= the contents tell.
        path.rename(path.with_name(re.sub(",.*:", ":", path.name)))
    assert "0 exported, 13 there before" in server.run(*export).stdout.decode()


def test_without_a_server(server, tmp_path):
    rng = random.Random(7)
    fill_maildir(tmp_path, 20, rng)
    server.stop()
    text = server.run("import", "maildir", "--user", ALICE, str(tmp_path / "Maildir"), "--uidl", "filename").stdout.decode()
    assert "20 imported" in text
    server.run("export", "maildir", "--user", ALICE, str(tmp_path / "out"))
    assert len(list((tmp_path / "out/cur").iterdir())) == 20
    assert b"20 messages in 1 maildrops" in server.run("store", "verify").stdout
    server.start()
    names = [name for name, _ in listing(server, ALICE)]
    assert names == sorted(names) and len(names) == 20 and names[0].endswith(".old.example")


def test_a_maildrop_that_somebody_has_open(server, tmp_path):
    fill_maildir(tmp_path, 10, random.Random(10))
    command = ["import", "maildir", "--user", ALICE, str(tmp_path / "Maildir"), "--uidl", "filename"]
    session = server.pop3(ALICE, PASSWORDS[ALICE])
    assert "10 imported, 0 there before" in server.run(*command).stdout.decode()
    assert "0 imported, 10 there before" in server.run(*command).stdout.decode()
    assert session.stat()[0] == 0  # A session sees the maildrop as it was.
    result = server.run("export", "maildir", "--user", ALICE, str(tmp_path / "out"), check=False)
    assert result.returncode == 75 and b"[IN-USE]" in result.stderr, result
    session.quit()
    assert len(listing(server, ALICE)) == 10
    # The same mailbox twice at the same time: each message once.
    running = [subprocess.Popen([POPLAR, *command[:2], "--user", BOB, *command[4:], "--json", "--config", str(server.config_path)],
                                stdout=subprocess.PIPE) for _ in range(4)]
    reports = [json.loads(process.communicate(timeout=60)[0]) for process in running]
    assert sum(report["moved"] for report in reports) == 10
    assert all(report["moved"] + report["already_there"] == 10 for report in reports)
    assert len(listing(server, BOB)) == 10


@pytest.mark.parametrize("name, refusal", [("import", b"554 5.7.1 "), ("export", b"-ERR [SYS/PERM] ")])
def test_the_private_sockets_are_private(server, name, refusal):
    path = server.directory / f"run/{name}.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    # Whom the file's mode lets in the kernel still knows.
    for folder in [path.parent, *path.parent.parents][:-1]:
        folder.chmod(folder.stat().st_mode | 0o711)
    path.chmod(0o666)
    code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r}); print(s.recv(200))"
    told = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, user="nobody", timeout=30, check=True)
    assert refusal in told.stdout, told
    told = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, timeout=30, check=True)
    assert b"220 mail.test" in told.stdout or b"+OK" in told.stdout


def test_refusals(server, tmp_path):
    fill_maildir(tmp_path, 3, random.Random(8))
    maildir = str(tmp_path / "Maildir")

    def code(*arguments):
        return server.run(*arguments, check=False, input=b"").returncode

    assert code("import", "maildir", "--user", "nobody@alpha.example", maildir) == 67
    result = server.run("import", "maildir", "--user", "x> y", maildir, check=False)
    assert (result.returncode, result.stderr) == (67, b"poplar: x> y: there is no user x> y\n")
    assert code("import", "maildir", "--user", ALICE, str(tmp_path / "missing")) == 66
    assert code("import", "maildir", "--map", str(tmp_path / "missing")) == 66
    assert code("export", "maildir", "--map", str(tmp_path / "missing")) == 66
    assert code("export", "maildir", "--user", ALICE, "/proc/x") == 73
    assert code("export", "mbox", "--user", ALICE, str(tmp_path / "missing/x")) == 73
    assert code("export", "mbox", "--user", "nobody@alpha.example", str(tmp_path / "x")) == 67
    assert code("import", "maildir", maildir) == 64
    assert code("import", "maildir", "--user", ALICE, maildir, "--uidl", "guess") == 65
    assert code("import", "maildir", "--user", ALICE, maildir, "--pop3-uidl-format", "%m") == 65
    (tmp_path / "Maildir/cur/1275660000.M1P1.z:2,S").write_bytes(b"\x1f\x8b\x08\0packed")
    (tmp_path / "Maildir/cur/1275660000.M2P1.z:2,S").symlink_to("/etc/passwd")
    result = server.run("import", "maildir", "--user", ALICE, maildir, check=False)
    assert result.returncode == 65
    assert b"3 imported, 0 there before, 2 failed" in result.stdout and b"is compressed" in result.stdout and b"is a link" in result.stdout
    assert len(listing(server, ALICE)) == 3


def test_a_socket_of_a_dead_server_is_none(server, tmp_path):
    """A server that was killed may be connected to until the kernel has taken its ring apart: nobody greets there."""
    fill_maildir(tmp_path, 3, random.Random(4))
    server.stop()
    path = server.directory / "run/import.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()

        def die():
            dead.accept()[0].close()
            dead.close()

        kernel = threading.Thread(target=die)
        kernel.start()
        server.run("import", "maildir", "--user", ALICE, str(tmp_path / "Maildir"))
        kernel.join(timeout=60)
    server.start()
    assert len(listing(server, ALICE)) == 3


def test_an_import_that_is_killed_goes_on(server, tmp_path):
    """Killed at random moments and begun again: every message once, in order."""
    rng = random.Random(9)
    fill_maildir(tmp_path, 400, rng)
    command = [POPLAR, "import", "maildir", "--user", ALICE, str(tmp_path / "Maildir"), "--uidl", "filename",
               "--config", str(server.config_path)]
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.05 + rng.random() * 0.3)
        process.send_signal(number)
        process.communicate(timeout=60)
        if number == signal.SIGINT:  # The last where it comes before the program listens to it.
            assert process.returncode in (0, 75, -signal.SIGINT), process.returncode
    # The server may die, too, or there may be none.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.1 + rng.random() * 0.2)
    server.kill()
    _, told = process.communicate(timeout=60)
    assert process.returncode in (0, 75), (process.returncode, told)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5 + rng.random() * 0.3)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode in (0, 75, -signal.SIGINT), (process.returncode, told)
    server.start()
    server.run(*command[1:-2])
    names = [name for name, _ in listing(server, ALICE)]
    assert len(names) == 400 and names == sorted(names, key=lambda name: (int(name.split(".")[0]), name))
