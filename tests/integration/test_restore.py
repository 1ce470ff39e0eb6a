"""The operator's page on restoring, followed as it stands there, after a backup as it tells."""

import re
import threading
import time

import pytest
from conftest import ALICE, BOB, PASSWORDS
from operations import Operator, example, quoted
from poplar_server import wait_for
from test_store import SMALL, listed, message

NEW_PASSWORD = "rescued-from-the-copy"


@pytest.fixture
def operator(new_server, tmp_path):
    return Operator(new_server(store=SMALL), tmp_path / "operator")


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


def delete(server, *numbers):
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    for number in numbers:
        client.dele(number)
    client.quit()


def test_the_whole_store(operator):
    """The backup is made under load."""
    server = operator.server
    server.deliver([BOB], message(4000))
    of_bob = listed(server, BOB)
    load = Load(server, ALICE)
    try:
        load.wait_for(30)
        before = load.acknowledged
        operator.back_up()
        after = load.acknowledged + 1
        load.wait_for(after + 10)
    finally:
        load.stop()
    kept = listed(server, ALICE)
    assert len(kept) == load.acknowledged
    server.run("user", "remove", BOB)
    server.add_user("late@alpha.example", "later")
    delete(server, 1)
    server.stop()
    server.start()  # UIDLs of a later run, which a restored store must not give again.
    server.deliver([ALICE], message(5000))
    given = {uidl for uidl, _ in kept + listed(server, ALICE)}

    said = operator.follow(example("umask 077\n    systemctl stop.*"))
    verified = re.search(r"^(\d+) messages in 2 maildrops; .*: all sound$", said, re.M)
    assert verified and before <= int(verified[1]) - 1 <= after, said
    restored = listed(server, ALICE)
    assert len(restored) == int(verified[1]) - 1 and restored == kept[: len(restored)]
    assert server.metric("poplar_store_damages_total") == 0
    # Users are those of then, with their mail.
    assert listed(server, BOB) == of_bob
    assert "late@alpha.example" not in {user["address"] for user in server.run_json("user", "list")}
    server.deliver([ALICE], message(6000))
    assert listed(server, ALICE)[-1][0] not in given


def test_one_mailbox(operator):
    server = operator.server
    for number in range(5):
        server.deliver([ALICE], message(number))
    operator.back_up()
    kept = listed(server, ALICE)
    delete(server, 1, 2, 3, 4, 5)
    with operator.rescue("alpha") as rescue:
        assert listed(rescue, ALICE) == kept
        assert listed(server, ALICE) == []
        # A new password there, as the copied one need not be known.
        operator.follow(quoted("Restore", "poplar user passwd --config.*") + " --password-stdin", input=NEW_PASSWORD.encode(),
                        instead={"ADDRESS": ALICE})
        server.deliver([ALICE], message(99))  # Mail goes on coming in.
        later = listed(server, ALICE)
        for _ in range(2):  # What is there is not taken twice.
            operator.fetch_from(rescue, ALICE, NEW_PASSWORD)
            # What comes back stands behind what is there, in its own order.
            assert listed(server, ALICE) == later + kept


def test_deleted_mail(operator):
    """What was kept then is there, though its time is over now."""
    server = operator.server
    server.run("tenant", "set", "alpha", "--keep-deleted", "30")
    wait_for("deleted mail is kept", 30, lambda: server.run_json("mailbox", "show", ALICE)["tenant"]["keep_deleted_days"] == 30)
    for number in range(3):
        server.deliver([ALICE], message(number))
    contents = [content for _, content in listed(server, ALICE)]
    delete(server, 1, 2, 3)
    operator.back_up()
    rescue = operator.rescue("alpha")
    # As if 30 days had passed: nothing is to be kept any longer, but for what the page sets.
    rescue.run("tenant", "set", "alpha", "--keep-deleted", "none")
    operator.follow(example("poplar tenant set --config .* TENANT .*").splitlines()[0], instead={"TENANT": "alpha"})
    with rescue:
        # A changed policy makes the server look for what is over; so does a minute.
        rescue.run("tenant", "set", "beta", "--expire", "9")
        wait_for("it has looked", 60, lambda: rescue.metric("poplar_store_expiry_passes_total") > 0)
        day = time.strftime("%Y-%m-%d", time.localtime(time.time() - 2 * 86_400))
        told = operator.follow(example(r"poplar mailbox deleted --config .*"), instead={"ADDRESS": ALICE, "2026-11-20": day})
        assert "3" in told
        assert [content for _, content in listed(rescue, ALICE)] == contents
        operator.fetch_from(rescue, ALICE, PASSWORDS[ALICE])
    assert [content for _, content in listed(server, ALICE)] == contents


def test_users_alone(operator):
    """With the server running."""
    server = operator.server
    operator.back_up()
    server.run("user", "remove", BOB)
    server.says("maildrop_removed")
    command = quoted("Restore", r"sqlite3 users\.db .*")
    operator.follow(f"cd /var/lib/poplar; {command}", instead={"users.backup": operator.words["/backup"] / "2026-11-26.users"})
    server.deliver([BOB], message(1))
    assert len(listed(server, BOB)) == 1
