"""`poplar store …` as an operator uses it: looking, checking, mending, copying."""

import json
import os
import pty
import shutil
import subprocess

import pytest
from conftest import ALICE, BOB, PASSWORDS
from poplar_server import POPLAR, PoplarServer, wait_for

EX_DATAERR, EX_NOINPUT, EX_NOUSER, EX_UNAVAILABLE, EX_CANTCREAT, EX_IOERR, EX_CONFIG = 65, 66, 67, 69, 73, 74, 78
SMALL = "partitions = 3\nsegment_mib = 8"  # Most machines would choose another number.


def message(number, body_bytes=500):
    return b"Subject: %d\r\n\r\n" % number + b"x" * 70 + b"\r\n" + b"0123456789abcdef\r\n" * (body_bytes // 18)


def listed(server, user, password=None):
    """UIDL and content of every message."""
    client = server.pop3(user, password or PASSWORDS[user])
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
    path, at = place_of(server, needle)
    with open(path, "r+b") as file:
        file.seek(at + len(needle))
        octet = file.read(1)[0]
        file.seek(at + len(needle))
        file.write(bytes([octet ^ 1]))
    return path


def place_of(server, needle):
    """A file of the store, and where it holds `needle`."""
    for path in (server.directory / "store").rglob("*"):
        if path.suffix not in (".seg", ".blob"):
            continue
        at = path.read_bytes().find(needle)
        if at >= 0:
            return path, at
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


def test_stats_of_a_store_whose_server_was_killed(filled):
    with filled:
        filled.deliver([ALICE], message(1, 50_000))
        filled.kill(running=True)
        stats = filled.run_json("store", "stats")
        assert stats["served"] is False and stats["total"]["messages"] == 22
        assert 50_000 < stats["total"]["log_behind_bytes"] < 100_000
        assert b"As of the last checkpoint: the log goes on behind it, by " in filled.run("store", "stats").stdout
    with filled:
        pass
    stats = filled.run_json("store", "stats")
    assert stats["total"]["messages"] == 23 and stats["total"]["log_behind_bytes"] == 0
    assert b"checkpoint" not in filled.run("store", "stats").stdout


def test_compact(new_server):
    """Without a server, then by one; mail that was kept stays."""
    server = new_server(store="partitions = 1\nsegment_mib = 8\ncompaction = false")
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
    server = new_server(store="partitions = 1\nsegment_mib = 8\ncompaction = false")
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
    shutil.rmtree(superblock.parent)
    for command in (["upgrade"], ["stats"], ["verify"], ["rebuild-index"], ["dump", "segment", "1"], ["dump", "maildrop", BOB]):
        assert filled.run("store", *command, check=False).returncode == EX_CONFIG, command


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
