#!/usr/bin/env python3
"""Kills the server with SIGKILL at random moments under deliveries, fetches and deletions, restarts it, and compares what it
holds with what it acknowledged.

  crash_test.py [--rounds N] [--rounds-min N] [--seconds S] [--seed X] [--directory DIR]

What must hold after every restart:
  * every delivery that was answered 250 is there once, byte for byte; one whose answer never came, once or not at all;
  * every deletion whose QUIT was answered +OK stays deleted;
  * a QUIT whose answer never came deleted all of its messages or none;
  * a message that stays keeps its UIDL, and no UIDL ever comes back for another message;
  * what counts for the quotas, of each maildrop and of the tenant, is what is there.
judge_test.py shows that each of these can fail. A failing run prints its seed.
"""

import argparse
import hashlib
import poplib
import random
import smtplib
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from poplar_server import PoplarServer, lmtp_transaction  # noqa: E402

USERS = [f"user{n}@crash.example" for n in range(6)]
PASSWORD = "crash test"


class Mailbox:
    """What must be true of one mailbox. Tokens name messages; each message carries its own."""

    def __init__(self):
        self.lock = threading.Lock()
        self.present = {}      # token -> UIDL or None: acknowledged, not known to be deleted.
        self.digests = {}      # token -> digest of what was sent.
        self.maybe_added = set()   # No answer came: there 0 or more times.
        self.maybe_deleted = []    # Sets of UIDLs whose QUIT was not answered: all or none.
        self.deleted_uidls = set()
        self.deleted_tokens = set()
        self.owner_of_uidl = {}    # UIDL -> token, for ever.


class Fault(AssertionError):
    pass


class Counts(NamedTuple):
    messages: int = 0
    octets: int = 0


def message(token, random_source):
    size = random_source.choice([0, 100, 3000, 9000, 70_000] + ([1_200_000] if random_source.random() < 0.1 else []))
    filler = random_source.randbytes(size // 2).hex().encode()
    lines = b"\r\n".join(b"." + filler[n : n + 70] for n in range(0, len(filler), 70))
    return b"Subject: %s\r\n\r\n%s\r\n" % (token.encode(), lines)


class Round:
    def __init__(self, server, mailboxes, seed):
        self.server, self.mailboxes, self.seed = server, mailboxes, seed
        self.stopping = threading.Event()
        self.faults = []

    def run(self, seconds):
        threads = [threading.Thread(target=self.guarded, args=(work, index), daemon=True)
                   for index, work in enumerate([self.deliver, self.deliver, self.deliver, self.fetch_and_delete, self.fetch_and_delete])]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.server.kill(running=True)
        self.stopping.set()
        for thread in threads:
            thread.join(timeout=60)
            if thread.is_alive():
                raise Fault("a client did not end after the server was killed")
        if self.faults:
            raise self.faults[0]

    def guarded(self, work, index):
        random_source = random.Random(f"{self.seed}/{index}")
        while not self.stopping.is_set():
            try:
                work(random_source)
            except Fault as fault:
                self.faults.append(fault)
                return
            except poplib.error_proto as error:
                reply = error.args[0]  # A refusal comes as bytes, a broken connection as text.
                if isinstance(reply, bytes) and b"[IN-USE]" not in reply:
                    self.faults.append(Fault(f"refused: {reply}"))
                    return
            except (OSError, EOFError, smtplib.SMTPException):  # The server was killed.
                time.sleep(0.01)
            except Exception as error:  # noqa: BLE001 - else the thread would end in silence
                self.faults.append(Fault(f"{type(error).__name__}: {error}"))
                return

    def deliver(self, random_source):
        with self.server.lmtp(timeout=20) as client:
            client.ehlo_or_helo_if_needed()
            while not self.stopping.is_set():
                token = "%016x" % random_source.getrandbits(64)
                users = random_source.sample(USERS, random_source.choice([1, 1, 1, 2, 3]))
                content = message(token, random_source)
                for user in users:
                    box = self.mailboxes[user]
                    with box.lock:
                        box.digests[token] = hashlib.sha256(content).hexdigest()
                        box.maybe_added.add(token)
                replies = lmtp_transaction(client, users, content)
                for user, (code, text) in zip(users, replies):
                    box = self.mailboxes[user]
                    with box.lock:
                        box.maybe_added.discard(token)
                        if code == 250 and token not in box.deleted_tokens:  # Others may be quicker than this thread.
                            box.present[token] = None
                        elif code not in (250, 451, 452):
                            raise Fault(f"{user} was refused: {code} {text}")

    def fetch_and_delete(self, random_source):
        user = random_source.choice(USERS)
        box = self.mailboxes[user]
        client = self.server.pop3(user, PASSWORD, timeout=20)
        uidls = dict(line.decode().split() for line in client.uidl()[1])
        chosen = random_source.sample(sorted(uidls), min(len(uidls), random_source.choice([0, 1, 5, 20])))
        for number in chosen:
            check_message(box, fetch(client, number), uidls[number])
            client.dele(number)
        if random_source.random() < 0.2:
            client.close()  # Without QUIT: nothing is deleted.
            return
        deleted = {uidls[number] for number in chosen}
        with box.lock:
            box.maybe_deleted.append(deleted)
        reply = client._shortcmd("QUIT")
        client.close()
        if reply.startswith(b"+OK"):
            with box.lock:
                box.maybe_deleted.remove(deleted)
                forget(box, deleted)


def forget(box, uidls):
    for uidl in uidls:
        box.deleted_uidls.add(uidl)
        token = box.owner_of_uidl[uidl]
        box.deleted_tokens.add(token)
        if box.present.get(token, uidl) in (None, uidl):
            box.present.pop(token, None)


def fetch(client, number):
    return b"".join(line + b"\r\n" for line in client.retr(number)[1])


def check_message(box, content, uidl):
    """The message is whole, and its UIDL never named another."""
    start = content.find(b"Subject: ")
    if start < 0:
        raise Fault(f"the message of {uidl} has no Subject: it is damaged")
    token = content[start + 9 : start + 25].decode(errors="replace")
    with box.lock:
        if token not in box.digests:
            raise Fault(f"message {token} ({uidl}) was never sent to this mailbox")
        if box.digests[token] != hashlib.sha256(content[start:]).hexdigest():
            raise Fault(f"message {token} ({uidl}) is damaged")
        if box.owner_of_uidl.setdefault(uidl, token) != token:
            raise Fault(f"UIDL {uidl} named {box.owner_of_uidl[uidl]} and now names {token}")
        if uidl in box.deleted_uidls:
            raise Fault(f"deleted message {uidl} came back")
    return token


def verify_all(server, mailboxes, random_source):
    """Each mailbox, and what counts for the quotas."""
    held, tenant = Counts(), None
    for user, box in mailboxes.items():
        there = verify(server, user, box, random_source)
        shown = server.run_json("mailbox", "show", user)
        if counted(shown) != there:
            raise Fault(f"{user}: {there} are there, and counted are {counted(shown)}")
        held = Counts(held.messages + there.messages, held.octets + there.octets)
        tenant = counted(shown["tenant"])
    if tenant != held:
        raise Fault(f"{held} are there in all mailboxes, and counted for the tenant are {tenant}")


def counted(shown):
    return Counts(shown["use"]["messages"], shown["use"]["octets"])


def verify(server, user, box, random_source):
    """Every message that was not seen before is read whole; of the others every tenth. How much is there."""
    client = server.pop3(user, PASSWORD, timeout=60)
    uidls = dict(line.decode().split() for line in client.uidl()[1])
    sizes = dict(line.decode().split() for line in client.list()[1])
    found = {}
    for number, uidl in uidls.items():
        if uidl in box.owner_of_uidl and random_source.random() > 0.1:
            if uidl in box.deleted_uidls:
                raise Fault(f"deleted message {uidl} came back")
            found[uidl] = box.owner_of_uidl[uidl]
            continue
        content = fetch(client, number)
        if len(content) != int(sizes[number]):
            raise Fault(f"{user} {uidl}: LIST says {sizes[number]}, it has {len(content)} octets")
        found[uidl] = check_message(box, content, uidl)
    client.quit()
    if len(set(uidls.values())) != len(uidls):
        raise Fault(f"{user}: a UIDL occurs twice")

    for deleted in box.maybe_deleted:
        gone = deleted - found.keys()
        if gone and gone != deleted:
            raise Fault(f"{user}: an interrupted QUIT deleted {len(gone)} of {len(deleted)}")
        forget(box, gone)
    box.maybe_deleted.clear()

    tokens = set(found.values())
    if len(tokens) != len(found):
        raise Fault(f"{user}: {len(found) - len(tokens)} messages are there twice")
    missing = box.present.keys() - tokens
    if missing:
        seen = {token: uidl for uidl, token in box.owner_of_uidl.items() if token in missing}
        raise Fault(f"{user}: {len(missing)} acknowledged messages are lost: {sorted(missing)[:5]}; those seen before: {seen}")
    for uidl, token in found.items():
        known = box.present.get(token)
        if known is not None and known not in found:
            raise Fault(f"{user}: the UIDL of {token} changed from {known} to {uidl}")
        if token in box.deleted_tokens:
            raise Fault(f"{user}: deleted message {token} came back, with the UIDL {uidl}")
        if token not in box.present and token not in box.maybe_added:
            raise Fault(f"{user}: {token} appeared, though it was refused or not there after an earlier restart")
        box.present[token] = uidl
    box.maybe_added.clear()
    return Counts(len(found), sum(int(size) for size in sizes.values()))


def try_the_judge(server):
    """A message that comes back after its deletion, with another UIDL as here it is delivered again, must be noticed."""
    user, token = USERS[0], "0123456789abcdef"
    content = b"Subject: %s\r\n\r\nagain\r\n" % token.encode()
    box = Mailbox()
    box.digests[token] = hashlib.sha256(content).hexdigest()
    for attempt in range(2):
        with server.lmtp(timeout=20) as client:
            client.ehlo_or_helo_if_needed()
            assert lmtp_transaction(client, [user], content)[0][0] == 250
        box.present[token] = None
        if attempt == 0:
            verify(server, user, box, random.Random(1))
        else:
            try:
                verify(server, user, box, random.Random(1))
            except Fault as fault:
                assert "came back" in str(fault), fault
            else:
                raise SystemExit("a deleted message that came back was not noticed")
        client = server.pop3(user, PASSWORD, timeout=20)
        uidl = client.uidl()[1][0].decode().split()[1]
        client.dele(1)
        client.quit()
        forget(box, {uidl})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=240, help="ends after so many seconds")
    parser.add_argument("--rounds-min", type=int, default=100, help="but not before so many rounds")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--directory")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    random_source = random.Random(options.seed)

    with tempfile.TemporaryDirectory(prefix="poplar-crash-") as scratch:
        server = PoplarServer(Path(options.directory or scratch) / "server", store="segment_mib = 8\ncheckpoint_interval_s = 1",
                              users='hash = "sha512crypt"')  # Six log-ins a round: a quicker hash buys more rounds.
        server.add_tenant("crash", "crash.example")
        for user in USERS:
            server.add_user(user, PASSWORD)
        mailboxes = {user: Mailbox() for user in USERS}
        deadline = time.monotonic() + options.seconds
        rounds = 0
        try:
            server.start()
            try_the_judge(server)
            server.kill()
            while rounds < options.rounds and (time.monotonic() < deadline or rounds < options.rounds_min):
                server.start()
                verify_all(server, mailboxes, random_source)
                Round(server, mailboxes, random_source.getrandbits(64)).run(random_source.uniform(0.02, 0.5))
                rounds += 1
            server.start()
            verify_all(server, mailboxes, random_source)
            server.stop()
        except BaseException:
            log = server.log()
            server.kill()
            print(f"failed in round {rounds}, seed {options.seed}\n{log[-6000:]}", flush=True)
            raise
    messages = sum(len(box.owner_of_uidl) for box in mailboxes.values())
    deleted = sum(len(box.deleted_uidls) for box in mailboxes.values())
    print(f"{rounds} kills, {messages} messages, {deleted} deletions: nothing lost, nothing came back")
    if messages == 0 or deleted == 0:
        raise SystemExit("too little happened to prove anything")


if __name__ == "__main__":
    main()
