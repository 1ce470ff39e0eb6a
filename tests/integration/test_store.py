"""`poplar store …` as an operator uses it: looking, checking, mending, backing up and restoring."""

import json
import os
import pty
import shutil
import subprocess
import threading

import pytest
from conftest import ALICE, BOB, PASSWORDS
from poplar_server import POPLAR, PoplarServer, wait_for

EX_DATAERR, EX_NOINPUT, EX_NOUSER, EX_UNAVAILABLE, EX_CANTCREAT, EX_IOERR, EX_CONFIG = 65, 66, 67, 69, 73, 74, 78
SMALL = "partitions = 3\nsegment_mib = 8"  # Most machines would choose another number.


def message(number, body_bytes=500):
    return b"Subject: %d\r\n\r\n" % number + b"x" * 70 + b"\r\n" + b"0123456789abcdef\r\n" * (body_bytes // 18)


def listed(server, user):
    """UIDL and content of every message."""
    client = server.pop3(user, PASSWORDS[user])
    uidls = [line.split()[1] for line in client.uidl()[1]]
    contents = [b"\r\n".join(client.retr(n + 1)[1]) for n in range(len(uidls))]
    client.quit()
    return list(zip(uidls, contents))


@pytest.fixture
def filled(new_server):
    """A stopped server with mail of two users, some of it deleted, one message a blob."""
    server = new_server(store=SMALL)
    for number in range(12):
        server.deliver([ALICE, BOB], message(number))
    server.deliver([ALICE], message(100, 1_500_000))
    client = server.pop3(BOB, PASSWORDS[BOB])
    for number in (1, 4, 5):
        client.dele(number)
    client.quit()
    server.kept = {user: listed(server, user) for user in (ALICE, BOB)}
    server.stop()
    return server


def flip(server, needle):
    """Changes one octet of what holds `needle`."""
    for path in (server.directory / "store").rglob("*"):
        if path.suffix not in (".seg", ".blob"):
            continue
        content = path.read_bytes()
        at = content.find(needle)
        if at >= 0:
            with open(path, "r+b") as file:
                file.seek(at + len(needle))
                octet = file.read(1)[0]
                file.seek(at + len(needle))
                file.write(bytes([octet ^ 1]))
            return path
    raise AssertionError(f"no file holds {needle}")


def test_verify(filled):
    report = filled.run_json("store", "verify")
    assert report["damages"] == 0 and report["messages"] == 13 + 9 and report["blobs"] == 1
    assert b"all sound" in filled.run("store", "verify").stdout
    flip(filled, b"Subject: 7\r\n\r\n")
    result = filled.run("store", "verify", check=False)
    assert result.returncode == EX_IOERR
    assert b": 1 damage\n" in result.stdout
    assert b"the body of a record is damaged (tenant " in result.stderr and b", account " in result.stderr


def test_verify_leaves_a_running_server_alone(server):
    result = server.run("store", "verify", check=False)
    assert result.returncode == EX_UNAVAILABLE
    assert f"in use by process {server.process.pid}".encode() in result.stderr


def test_verify_shows_progress_on_a_terminal_only(filled):
    ours, theirs = pty.openpty()
    command = [POPLAR, "store", "verify", "--config", str(filled.config_path)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert b" %  partition 0: " in shown and shown.endswith(b"\r\x1b[K")
    assert filled.run("store", "verify").stderr == b""


def test_stats(filled):
    stopped = filled.run_json("store", "stats")
    assert stopped["served"] is False and stopped["format_version"] == 1
    assert stopped["total"]["messages"] == 22 and stopped["total"]["maildrops"] == 2
    assert stopped["total"]["blobs"] == 1 and 0 < stopped["total"]["dead_share"] < 1
    assert len(stopped["partitions"]) == 3
    with filled:
        served = filled.run_json("store", "stats")
        assert served["served"] is True
        for key in ("messages", "live_bytes", "octets", "blobs"):
            assert served["total"][key] == stopped["total"][key]
        text = filled.run("store", "stats").stdout.decode()
        assert "PARTITION" in text and "total" in text and "as of the last checkpoint" in text


def test_compact(new_server):
    """Without a server, then by one; mail that was kept stays."""
    server = new_server(store="partitions = 1\nsegment_mib = 8")
    assert len(server.run_json("store", "stats")["partitions"]) == 1
    for number in range(24):
        server.deliver([ALICE], message(number, 900_000))
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    for number in range(1, 24, 3):
        client.dele(number)
        client.dele(number + 1)
    client.quit()
    kept = listed(server, ALICE)
    server.stop()
    report = server.run_json("store", "compact")
    assert report["failures"] == 0 and report["kept"] == 0
    assert report["emptied"] == report["unlinked"] >= 1
    assert report["log_bytes"] < report["log_bytes_before"]
    assert server.run_json("store", "verify")["damages"] == 0
    with server:
        assert listed(server, ALICE) == kept
        client = server.pop3(ALICE, PASSWORDS[ALICE])
        for number in range(1, 8):
            client.dele(number)
        client.quit()
        report = server.run_json("store", "compact")
        assert report["failures"] == 0 and report["unlinked"] >= report["emptied"]
        text = server.run("store", "compact").stdout
        assert text.startswith(b"log: ") and b"0 segments emptied, 0 unlinked" in text
        assert listed(server, ALICE) == kept[7:]


def test_compact_leaves_a_damaged_segment(new_server):
    server = new_server(store="partitions = 1\nsegment_mib = 8")
    for number in range(12):
        server.deliver([ALICE], message(number, 900_000))
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    for number in range(2, 10):
        client.dele(number)
    client.quit()
    server.stop()
    flip(server, b"Subject: 0\r\n\r\n")
    result = server.run("store", "compact", check=False)
    assert result.returncode == EX_IOERR
    assert b"because they are damaged" in result.stderr


def test_dump(filled):
    text = filled.run("store", "dump", "maildrop", BOB).stdout.decode()
    assert "messages=9" in text.splitlines()[0] and len(text.splitlines()) == 10
    for uidl, _ in filled.kept[BOB]:
        assert f"uidl={uidl.decode()}" in text
    [account] = [user["account"] for user in filled.run_json("user", "list") if user["address"] == BOB]
    assert filled.run("store", "dump", "maildrop", f"alpha/{account}").stdout.decode() == text
    unknown = filled.run("store", "dump", "maildrop", "nobody@alpha.example", check=False)
    assert unknown.returncode == EX_NOUSER
    assert b"name by TENANT/ACCOUNT, as `poplar mailbox show --json ADDRESS` tells them" in unknown.stderr

    together = ""
    for path in (filled.directory / "store").glob("p*/log/*.seg"):
        number, partition = path.stem, path.parts[-3].removeprefix("p")
        together += filled.run("store", "dump", "segment", number, "--partition", partition).stdout.decode()
    elsewhere = filled.run("store", "dump", "segment", "ffff", "--partition", "0", check=False)
    assert elsewhere.returncode == EX_NOINPUT
    assert filled.run("store", "dump", "segment", "/nowhere/1.seg", check=False).returncode == EX_NOINPUT
    for arguments, fault in (([], b"say whose segment"), (["--partition", "16"], b"last partition is ")):
        result = filled.run("store", "dump", "segment", "00000001", *arguments, check=False)
        assert result.returncode == EX_DATAERR and fault in result.stderr
    assert together.count(" ADD id=") == 24 and together.count(" ADD_REF id=") == 1
    assert together.count(" EXPUNGE ") == 1 and "deleted=3" in together
    assert "0123456789abcdef" not in together
    segment = flip(filled, b"Subject: 7\r\n\r\n")
    result = filled.run("store", "dump", "segment", str(segment), "--bodies", check=False)
    assert result.returncode == EX_IOERR
    assert b"DAMAGED the body of a record is damaged" in result.stdout
    assert b"    | 0123456789abcdef\n" in result.stdout


def test_rebuild_index(filled):
    before = filled.run_json("store", "stats")["total"]
    report = filled.run_json("store", "rebuild-index")
    assert sum(index["after"]["messages"] for index in report) == 22
    assert sum(index["after"]["octets"] for index in report) == before["octets"]
    assert all(index["damages"] == 0 for index in report)
    assert all(os.path.isfile(index["aside"] + "/data.mdb") for index in report)
    assert filled.run("store", "rebuild-index", "--partition", "1", "--discard-old").stdout.startswith(b"partition 1: ")
    assert filled.run("store", "rebuild-index", "--partition", "3", check=False).returncode == EX_DATAERR
    after = filled.run_json("store", "stats")["total"]
    assert {key: before[key] for key in ("messages", "octets", "live_bytes")} == {
        key: after[key] for key in ("messages", "octets", "live_bytes")
    }
    with filled:
        assert filled.run("store", "rebuild-index", check=False).returncode == EX_UNAVAILABLE
        for user in (ALICE, BOB):
            assert listed(filled, user) == filled.kept[user]


def test_upgrade(filled):
    assert b"format version 1, which is the current one" in filled.run("store", "upgrade").stdout
    # A copy whose folder is nowhere cannot be made.
    assert filled.run("store", "snapshot", str(filled.directory / "nowhere/copy"), check=False).returncode == EX_CANTCREAT
    superblock = filled.directory / "store/superblock"
    content = bytearray(superblock.read_bytes())
    content[100] ^= 1
    superblock.write_bytes(content)
    said = filled.run("store", "upgrade")  # It has a copy.
    assert b"store_superblock_damaged" in said.stderr
    (superblock.parent / "superblock.copy").write_bytes(content)
    assert filled.run("store", "upgrade", check=False).returncode == EX_IOERR
    # Where there is no store, the configuration names a wrong place.
    superblock.unlink()
    (superblock.parent / "superblock.copy").unlink()
    for command in (["upgrade"], ["stats"], ["verify"], ["rebuild-index"], ["dump", "segment", "1"], ["dump", "maildrop", BOB]):
        assert filled.run("store", *command, check=False).returncode == EX_CONFIG, command


class Load:
    """Delivers numbered messages until it is stopped; `acknowledged` of them were answered 250."""

    def __init__(self, server, recipient):
        self.server, self.recipient = server, recipient
        self.acknowledged = 0
        self.ending = threading.Event()
        self.some = threading.Condition()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending.is_set():
            number = self.acknowledged
            self.server.deliver([self.recipient], message(number, 1_200_000 if number % 10 == 5 else 3000))
            with self.some:
                self.acknowledged = number + 1
                self.some.notify()

    def wait_for(self, count):
        with self.some:
            assert self.some.wait_for(lambda: self.acknowledged >= count, timeout=60)

    def stop(self):
        self.ending.set()
        self.thread.join()


def test_snapshot_under_load_and_restore(new_server):
    server = new_server(store=SMALL)
    snapshot = server.directory / "snapshots/one"
    load = Load(server, ALICE)
    try:
        load.wait_for(30)
        before = load.acknowledged
        server.run("store", "snapshot", str(snapshot))
        after = load.acknowledged + 1
        load.wait_for(after + 10)
    finally:
        load.stop()
    result = server.run("store", "snapshot", str(snapshot), check=False)
    assert result.returncode == EX_CANTCREAT and b"there already" in result.stderr
    kept = listed(server, ALICE)
    assert len(kept) == load.acknowledged
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.dele(1)
    client.quit()
    server.stop()
    server.start()  # UIDLs of a later run, which a restored store must not give again.
    server.deliver([ALICE], message(5000))
    given = {uidl for uidl, _ in kept + listed(server, ALICE)}
    server.stop()

    # The whole store: back in its place.
    shutil.move(server.directory / "store", server.directory / "store.lost")
    shutil.copytree(snapshot, server.directory / "store")
    report = server.run_json("store", "verify")
    assert report["damages"] == 0 and before <= report["messages"] <= after
    server.start()
    restored = listed(server, ALICE)
    assert before <= len(restored) <= after
    assert restored == kept[: len(restored)]
    assert server.metric("poplar_store_damages_total") == 0
    server.deliver([ALICE], message(6000))
    assert listed(server, ALICE)[-1][0] not in given


def rescue_server(server, snapshot, tmp_path):
    """A second one on the snapshot, to run beside the first."""
    other = PoplarServer(tmp_path / "other")
    shutil.copy(server.directory / "users.db", other.directory / "users.db")
    shutil.rmtree(other.directory / "store")
    shutil.copytree(snapshot, other.directory / "store")
    return other


def fetch_from(other, server, password):
    server.run("import", "pop3", f"pop3s://localhost:{other.ports['pop3s']}", "--user", ALICE, "--to", ALICE,
               "--ca", str(other.directory / "tls/cert.pem"), "--password-stdin", input=password)


def test_one_mailbox_from_a_snapshot(new_server, tmp_path):
    server = new_server(store=SMALL)
    for number in range(5):
        server.deliver([ALICE], message(number))
    snapshot = server.directory / "snapshots/one"
    server.run("store", "snapshot", str(snapshot))
    kept = listed(server, ALICE)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    for number in range(5):
        client.dele(number + 1)
    client.quit()
    other = rescue_server(server, snapshot, tmp_path)
    with other:
        assert listed(other, ALICE) == kept
        assert listed(server, ALICE) == []
        # A new password there, as the copied one need not be known.
        other.run("user", "passwd", ALICE, "--password-stdin", input=b"rescued")
        server.deliver([ALICE], message(99))  # Mail goes on coming in.
        later = listed(server, ALICE)
        for _ in range(2):  # What is there is not taken twice.
            fetch_from(other, server, b"rescued")
            assert sorted(listed(server, ALICE)) == sorted(later + kept)
        assert [each for each in listed(server, ALICE) if each not in later] == kept


def test_deleted_mail_from_a_snapshot(new_server, tmp_path):
    """As OPERATIONS.md has it: what was kept then is there, though its time is over now."""
    server = new_server(store=SMALL)
    server.run("tenant", "set", "alpha", "--keep-deleted", "30")
    wait_for("deleted mail is kept", 30, lambda: server.run_json("mailbox", "show", ALICE)["tenant"]["keep_deleted_days"] == 30)
    for number in range(3):
        server.deliver([ALICE], message(number))
    contents = [content for _, content in listed(server, ALICE)]
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    for number in range(3):
        client.dele(number + 1)
    client.quit()
    snapshot = server.directory / "snapshots/one"
    server.run("store", "snapshot", str(snapshot))
    other = rescue_server(server, snapshot, tmp_path)
    # As if 30 days had passed: nothing is to be kept any longer.
    other.run("tenant", "set", "alpha", "--keep-deleted", "none")
    other.run("tenant", "set", "alpha", "--keep-deleted", "36500", "--expire", "never", "--expire-read", "never")
    with other:
        # A changed policy makes the server look for what is over; so does a minute.
        other.run("tenant", "set", "beta", "--expire", "9")
        wait_for("it has looked", 60, lambda: other.metric("poplar_store_expiry_passes_total") > 0)
        other.run("mailbox", "undelete", ALICE, "--since", "1d")
        assert [content for _, content in listed(other, ALICE)] == contents
        fetch_from(other, server, PASSWORDS[ALICE].encode())
    assert [content for _, content in listed(server, ALICE)] == contents


def test_snapshot_without_a_server(filled, tmp_path):
    snapshot = tmp_path / "snapshot"
    assert b" segments, 1 blobs; 0 KiB" in filled.run("store", "snapshot", str(snapshot)).stdout
    shutil.rmtree(filled.directory / "store")
    shutil.move(snapshot, filled.directory / "store")
    assert filled.run_json("store", "verify")["damages"] == 0
    with filled:
        for user in (ALICE, BOB):
            assert listed(filled, user) == filled.kept[user]
        assert json.loads(filled.run("store", "stats", "--json").stdout)["total"]["messages"] == 22


def test_a_snapshot_of_a_store_that_lost_a_segment(filled, tmp_path):
    """The copy of the rest is made, by the command as by a server, and a script sees that it is not all."""
    lost = flip(filled, b"Subject: 7\r\n\r\n")
    lost.unlink()
    first = filled.run("store", "snapshot", str(tmp_path / "first"), check=False)
    assert first.returncode == EX_IOERR and b" segments, 1 blobs; " in first.stdout
    assert b"store_snapshot_missing" in first.stderr and lost.name.encode() in first.stderr
    assert b"the copy is made, but without 1 file " in first.stderr
    with filled:
        second = filled.run("store", "snapshot", str(filled.directory / "snapshots/second"), check=False)
        assert second.returncode == EX_IOERR and b"the copy is made, but without 1 file " in second.stderr
        wait_for("the file is named", 10, lambda: f"store_snapshot_missing file={lost}" in filled.log())
    for copy in (tmp_path / "first", filled.directory / "snapshots/second"):
        shutil.rmtree(filled.directory / "store")
        shutil.move(copy, filled.directory / "store")
        assert filled.run("store", "verify", check=False).returncode == EX_IOERR
        with filled:
            filled.deliver([ALICE], message(300))
            client = filled.pop3(ALICE, PASSWORDS[ALICE])
            assert b"Subject: 300" in client.retr(client.stat()[0])[1]
            client.quit()


@pytest.mark.parametrize("age", ["filled", "young"])
def test_a_snapshot_on_another_file_system_is_refused(age, request):
    """A store of which nothing is sealed yet, too."""
    target = f"/dev/shm/poplar-snapshot-{os.getpid()}"
    young = SMALL + '\nsnapshots = "/dev/shm"'  # A server that runs writes there alone.
    filled = request.getfixturevalue("filled") if age == "filled" else request.getfixturevalue("new_server")(store=young)
    if os.stat("/dev/shm").st_dev == os.stat(filled.directory).st_dev:
        pytest.skip("the tests run on the only file system there is")
    result = filled.run("store", "snapshot", target, check=False)
    assert result.returncode == EX_UNAVAILABLE and b"on another file system" in result.stderr
    assert not os.path.exists(target) and not os.path.exists(target + ".unfinished")


def test_scrub_finds_damage_while_mail_is_served(filled):
    flip(filled, b"Subject: 7\r\n\r\n")
    with filled:
        filled.deliver([ALICE, BOB], message(200))
        wait_for("the damage is named", 60, lambda: "found_by=scrub" in filled.log())
        wait_for("the blob is read", 60, lambda: filled.metric("poplar_store_scrubbed_bytes_total") > 1_500_000)
        wait_for("a partition is read", 60, lambda: filled.metric("poplar_store_scrub_passes_total") >= 1)
        # Compaction may have met it, too.
        assert 1 <= filled.metric("poplar_store_scrub_damages_total") <= filled.metric("poplar_store_damages_total")
        [line] = [line for line in filled.log().splitlines() if "found_by=scrub" in line][:1]
        assert " store_damage " in line and "account=" in line
