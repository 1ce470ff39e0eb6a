#!/usr/bin/env python3
"""The judge of crash_test.py: a store that is right passes, and each way in which it can be wrong is named."""

import hashlib
import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import crash_test  # noqa: E402

USER = crash_test.USERS[0]
FIRST, SECOND, THIRD = "1" * 16, "2" * 16, "3" * 16


def content_of(token):
    return b"Subject: %s\r\n\r\nhello\r\n" % token.encode()


class Store:
    """What a server shows: [UIDL, content] of each message, and counters that may be wrong."""

    def __init__(self, messages):
        self.messages = [list(message) for message in messages]
        self.size_more = self.counted_more = self.tenant_more = 0

    def pop3(self, _user, _password, timeout):
        assert timeout > 0
        return self

    def uidl(self):
        return b"+OK", [b"%d %s" % (number, uidl.encode()) for number, (uidl, _) in enumerate(self.messages, 1)], 0

    def list(self):
        return b"+OK", [b"%d %d" % (number, len(content) + self.size_more)
                        for number, (_, content) in enumerate(self.messages, 1)], 0

    def retr(self, number):
        return b"+OK", self.messages[int(number) - 1][1].split(b"\r\n")[:-1], 0

    def quit(self):
        return b"+OK"

    def run_json(self, *words):
        assert words == ("mailbox", "show", USER)
        octets = sum(len(content) for _, content in self.messages)
        use = {"messages": len(self.messages), "octets": octets + self.counted_more}
        return {"use": use, "tenant": {"use": {**use, "octets": octets + self.tenant_more}}}


class JudgeTest(unittest.TestCase):
    def setUp(self):
        """Two messages that were acknowledged and seen."""
        self.box = crash_test.Mailbox()
        for token in (FIRST, SECOND):
            self.send(token)
            self.box.maybe_added.discard(token)
            self.box.present[token] = None
        self.store = Store([("a", content_of(FIRST)), ("b", content_of(SECOND))])
        self.look()

    def send(self, token):
        self.box.digests[token] = hashlib.sha256(content_of(token)).hexdigest()
        self.box.maybe_added.add(token)

    def look(self, read_all=True):
        source = random.Random(1)
        source.random = lambda: 0.0 if read_all else 1.0
        crash_test.verify_all(self.store, {USER: self.box}, source)

    def expect(self, text, read_all=True):
        with self.assertRaisesRegex(crash_test.Fault, text):
            self.look(read_all)

    def delete(self, uidl):
        """As a QUIT that was answered."""
        crash_test.forget(self.box, {uidl})
        self.store.messages = [message for message in self.store.messages if message[0] != uidl]

    def test_what_is_right_passes(self):
        self.look()
        self.look(read_all=False)
        self.delete("a")
        self.look()
        self.send(THIRD)  # No answer came: it is there, or not.
        self.look()
        self.send(THIRD)
        self.store.messages.append(["c", content_of(THIRD)])
        self.look()
        self.box.maybe_deleted.append({"b", "c"})  # Nor of a QUIT: none is gone, or all.
        self.look()
        self.box.maybe_deleted.append({"b", "c"})
        self.store.messages.clear()
        self.look()

    def test_a_lost_message(self):
        self.store.messages.pop()
        self.expect("1 acknowledged messages are lost")

    def test_a_damaged_message(self):
        self.store.messages[0][1] = content_of(FIRST).replace(b"hello", b"hullo")
        self.expect("is damaged")
        self.store.messages[0][1] = b"hello\r\n"
        self.expect("has no Subject")

    def test_a_message_of_another_mailbox(self):
        self.store.messages.append(["c", content_of(THIRD)])
        self.expect("was never sent to this mailbox")

    def test_a_message_that_was_refused(self):
        self.send(THIRD)
        self.box.maybe_added.discard(THIRD)
        self.store.messages.append(["c", content_of(THIRD)])
        self.expect("appeared, though it was refused")

    def test_a_message_that_was_not_there_after_the_restart(self):
        self.send(THIRD)
        self.look()
        self.store.messages.append(["c", content_of(THIRD)])
        self.expect("not there after an earlier restart")

    def test_a_message_twice(self):
        self.store.messages.append(["c", content_of(FIRST)])
        self.expect("1 messages are there twice")

    def test_a_uidl_twice(self):
        self.store.messages.append(["b", content_of(SECOND)])
        self.expect("a UIDL occurs twice")

    def test_a_uidl_that_names_another(self):
        self.send(THIRD)
        self.store.messages[0][1] = content_of(THIRD)
        self.expect("UIDL a named")

    def test_a_uidl_that_changed(self):
        self.store.messages[0][0] = "c"
        self.expect("the UIDL of 1* changed from a to c")

    def test_deleted_mail_that_came_back(self):
        message = self.store.messages[0]
        self.delete("a")
        self.look()
        self.store.messages.insert(0, message)
        self.expect("deleted message a came back")
        self.expect("deleted message a came back", read_all=False)
        message[0] = "d"
        self.expect("deleted message 1* came back, with the UIDL d")

    def test_a_quit_that_deleted_a_part(self):
        self.box.maybe_deleted.append({"a", "b"})
        self.store.messages.pop()
        self.expect("deleted 1 of 2")

    def test_sizes_and_counters(self):
        self.store.size_more = 1
        self.expect("LIST says")
        self.store.size_more, self.store.counted_more = 0, 1
        self.expect("and counted are")
        self.store.counted_more, self.store.tenant_more = 0, 1
        self.expect("counted for the tenant are")


if __name__ == "__main__":
    unittest.main()
