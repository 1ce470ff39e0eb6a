"""A server whose disk is full: deliveries are put off, people fetch and delete, and deleting makes room, all without a restart.

The store is on a file system of its own.
"""

import errno
import json
import os
import random
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ALICE, BOB, PASSWORDS, populate
from poplar_server import POPLAR, PoplarServer, lmtp_transaction, wait_for
from small_disk import SmallDisk

KIB, MIB = 1 << 10, 1 << 20
SEGMENT_MIB = 8
KEPT_BACK_MIB = 256  # OPERATIONS.md, "A full disk".
KEPT_FROM_BLOBS_MIB = 224
SIZES = {"blob": 1500 * KIB, "large": 200 * KIB, "small": 3 * KIB}
SETTINGS = f"segment_mib = {SEGMENT_MIB}\nblob_threshold_kib = 1024\ncheckpoint_interval_s = 1"


@pytest.fixture
def server(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    store = tmp_path / "server/store"
    # Snapshots on the small disk, too.
    server = populate(PoplarServer(tmp_path / "server", store=f'{SETTINGS}\nsnapshots = "{store}/snapshots"'))
    partitions = len(list(store.glob("p*")))
    # What the store keeps back, some 80 MiB of mail, and what is the file system's own.
    size_mib = KEPT_BACK_MIB + partitions * 3 * SEGMENT_MIB + 96
    server.disk = SmallDisk(store, tmp_path / "disk.img", size_mib)
    if not server.disk.allowed():
        pytest.skip("mounting is forbidden here")
    server.wrapper = server.disk.wrapper
    with server:
        yield server


class Mail:
    """What was delivered to two people and answered 250, in order."""

    def __init__(self, server):
        self.server, self.random = server, random.Random(4711)
        self.held = {ALICE: [], BOB: []}
        self.count = 0

    def deliver(self, user, kind):
        """Whether it was stored; the only other answer here is that the disk is full."""
        self.count += 1
        body = self.random.randbytes(SIZES[kind] // 2).hex().encode()
        lines = b"\r\n".join(body[at : at + 76] for at in range(0, len(body), 76))
        message = b"Subject: %d %s\r\n\r\n%s\r\n" % (self.count, kind.encode(), lines)
        with self.server.lmtp() as client:
            client.ehlo_or_helo_if_needed()
            [(code, text)] = lmtp_transaction(client, [user], message)
        if code == 250:
            self.held[user].append(message)
            return True
        assert code == 452 and text.startswith(b"4.3.1"), (code, text)
        return False

    def begin(self):
        for _ in range(8):
            assert all([self.deliver(user, kind) for kind in SIZES for user in self.held])

    def fill(self, kinds):
        """Until each of these sizes is refused, for both."""
        fits = [(user, kind) for kind in kinds for user in self.held]
        while fits:
            fits = [pair for pair in fits if self.deliver(*pair)]
            assert self.count < 5_000, "the disk does not fill"

    def check(self):
        for user, messages in self.held.items():
            client = self.server.pop3(user, PASSWORDS[user])
            assert client.stat()[0] == len(messages), user
            for number, message in enumerate(messages, 1):
                fetched = b"".join(line + b"\r\n" for line in client.retr(number)[1])
                assert fetched[fetched.index(b"Subject: ") :] == message, f"message {number} of {user}"
            client.quit()

    def delete_most(self, kinds):
        """Of these sizes, all but every fifth."""
        for user, messages in self.held.items():
            going = [n for n, message in enumerate(messages) if n % 5 and message.split()[2].decode() in kinds]
            client = self.server.pop3(user, PASSWORDS[user])
            for n in going:
                client.dele(n + 1)
            client.quit()  # Raises unless it is answered +OK.
            self.held[user] = [message for n, message in enumerate(messages) if n not in going]

    def wait_for_room(self, kinds):
        for kind in kinds:
            for user in self.held:
                wait_for(f"{kind} deliveries work again", 30, lambda: self.deliver(user, kind))

    def check_after_restart(self):
        self.check()
        self.server.stop()
        result = subprocess.run([*self.server.wrapper, POPLAR, "store", "verify", "--config", str(self.server.config_path), "--json"],
                                capture_output=True, check=True, timeout=60)
        report = json.loads(result.stdout)
        assert report["damages"] == 0 and report["messages"] == sum(len(messages) for messages in self.held.values())
        self.server.start()
        self.check()


def fill_to_the_last_block(path):
    with open(path, "xb", buffering=0) as file:
        for piece in (MIB, 4 * KIB, KIB):
            try:
                while file.write(bytes(piece)) == piece:
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC


def test_a_full_disk_is_emptied_by_deleting(server):
    mail = Mail(server)
    mail.begin()
    mail.fill(["large", "small"])
    assert KEPT_BACK_MIB - SEGMENT_MIB <= server.disk.free_mib(server) <= KEPT_BACK_MIB + SEGMENT_MIB
    mail.fill(SIZES)
    assert KEPT_FROM_BLOBS_MIB - SEGMENT_MIB <= server.disk.free_mib(server) <= KEPT_BACK_MIB + SEGMENT_MIB
    # What an operator is told.
    stored = sum(len(messages) for messages in mail.held.values())
    assert server.metric("poplar_lmtp_deliveries_total", outcome="stored") == stored
    assert server.metric("poplar_lmtp_deliveries_total", outcome="full") == mail.count - stored > 0
    assert server.metric("poplar_store_segment_failures_total") > 0
    wait_for("the log says so", 10, lambda: " store_segment_failed " in server.log())
    assert server.http("/readyz")[0] == 200  # Mail can be read and deleted.

    mail.check()
    mail.delete_most(["large", "small"])
    mail.wait_for_room(["large"] * 40 + ["small"])  # Two segments: more than the ends of full ones give back.
    assert server.metric("poplar_store_compacted_segments_total") > 0
    assert server.metric("poplar_store_unlinked_segments_total") > 0
    mail.fill(SIZES)
    mail.delete_most(["blob"])
    mail.wait_for_room(SIZES)
    assert server.metric("poplar_store_compaction_failures_total") == 0
    assert server.metric("poplar_store_damages_total") == 0
    mail.check_after_restart()


def test_a_full_disk_gives_back_what_a_snapshot_held_when_that_is_gone(server):
    def held_bytes():
        return server.metric("poplar_store_snapshot_held_bytes")

    mail = Mail(server)
    mail.begin()
    mail.fill(["large", "small"])
    snapshot = [POPLAR, "store", "snapshot", str(server.directory / "store/snapshots/one"), "--config", str(server.config_path)]
    subprocess.run(["nsenter", "--mount", f"--target={server.process.pid}", *snapshot], check=True, timeout=30)
    left_mib = server.disk.free_mib(server)  # It copies the indexes, and of each log the last segment.
    mail.delete_most(["large"])
    wait_for("what the snapshot holds is known", 30, lambda: held_bytes() > 2 * SEGMENT_MIB * MIB)
    wait_for("the log says so", 10, lambda: " store_space_held_by_snapshots " in server.log())
    for _ in range(2):  # Who deletes goes on to be heard.
        known = held_bytes()
        mail.delete_most(["large"])
        wait_for("that is known, too", 30, lambda: held_bytes() != known)
    assert server.disk.free_mib(server) >= left_mib - 2 * SEGMENT_MIB

    server.kill(running=True)
    server.start()
    mail.check()
    mail.delete_most(["small"])
    shutil.rmtree(server.disk.seen_by(server.process) / "snapshots/one")
    mail.wait_for_room(["large"] * 40 + ["small"])
    wait_for("no snapshot holds anything", 30, lambda: held_bytes() == 0)
    mail.check_after_restart()


def test_a_full_disk_of_kept_mail_is_emptied_by_keeping_none(server):
    def keep_deleted(days):
        server.run("tenant", "set", "alpha", "--keep-deleted", str(days) if days else "none")
        wait_for("the policy is in force", 30, lambda: server.run_json("mailbox", "show", ALICE)["tenant"]["keep_deleted_days"] == days)

    def stored():
        messages = [message for of_user in mail.held.values() for message in of_user]
        return len(messages), sum(map(len, messages))

    def kept():
        return sum(server.run_json("mailbox", "show", user)["use"]["kept_messages"] for user in mail.held)

    keep_deleted(30)
    mail = Mail(server)
    mail.begin()
    mail.fill(SIZES)
    count, octets = stored()
    mail.delete_most(SIZES)
    count_left, octets_left = stored()
    assert kept() == count - count_left > 0
    for _ in range(5):  # Longer than a checkpoint and compaction take.
        time.sleep(1)
        mail.fill(SIZES)  # Until all are refused. The ends of full segments give a little back.
    assert stored()[1] - octets_left < (octets - octets_left) / 4
    assert kept() == count - count_left

    keep_deleted(0)
    mail.wait_for_room(["large"] * 40 + list(SIZES))
    assert kept() == 0
    assert server.metric("poplar_store_purged_total") > 0
    assert server.metric("poplar_store_expiry_failures_total") == 0
    assert server.metric("poplar_store_compaction_failures_total") == 0
    mail.check_after_restart()


@pytest.mark.parametrize("told", [True, False], ids=["size-told", "size-unknown"])
def test_large_messages_at_once_leave_what_is_kept_back(server, told):
    message = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * (20 * MIB // 72)

    def deliver(_):
        with server.lmtp() as client:
            client.ehlo_or_helo_if_needed()
            code, _ = client.mail("sender@mta.test", [f"SIZE={len(message)}"] if told else [])
            assert code == 250
            code, _ = client.rcpt(ALICE)
            return client.data(message)[0] if code == 250 else code

    with ThreadPoolExecutor(12) as pool:
        codes = list(pool.map(deliver, range(12)))
    assert set(codes) == {250, 452}, codes
    assert server.disk.free_mib(server) >= KEPT_FROM_BLOBS_MIB - SEGMENT_MIB, codes
    assert server.pop3(ALICE, PASSWORDS[ALICE]).stat()[0] == codes.count(250)


def test_people_fetch_and_delete_where_not_an_octet_is_free(server):
    """Something else takes what the store keeps back; deliveries go on when it is gone."""
    mail = Mail(server)
    mail.begin()
    intruder = server.disk.seen_by(server.process) / "intruder"
    fill_to_the_last_block(intruder)
    assert server.disk.free_mib(server) == 0
    mail.fill(SIZES)
    failed = lambda: set(re.findall(r" delivery_failed session=\d+ tenant=(\S+) user=(\S+) recipients=(\d+) ", server.log()))
    wait_for("both are in the log", 10, lambda: len(failed()) >= 2)
    assert failed() == {("alpha", ALICE, "1"), ("alpha", BOB, "1")}
    mail.check()
    mail.delete_most(SIZES)
    wait_for("blobs give their space back at once", 30, lambda: server.disk.free_mib(server) >= 10)
    mail.check()
    intruder.unlink()
    mail.wait_for_room(SIZES)
    mail.check_after_restart()
