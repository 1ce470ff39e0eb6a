"""Mail fetched from servers that promise little: none of it is lost, and none is taken for other mail."""

from conftest import ALICE, PASSWORDS
from old_pop3 import OldPop3
from test_store import flip

EX_DATAERR, EX_TEMPFAIL = 65, 75
PASSWORD = b"secret\n"


def mail(letter):
    """All are of the same size."""
    return b"Subject: %s\r\n\r\nThis is %s.\r\n" % (letter.encode(), letter.encode())


def mails(letters, uidl=lambda number, letter: None):
    return [(uidl(number, letter), mail(letter)) for number, letter in enumerate(letters, 1)]


def here(server):
    """The letters of Alice's maildrop, in order."""
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    bodies = [b"\r\n".join(client.retr(number + 1)[1]) + b"\r\n" for number in range(client.stat()[0])]
    client.quit()
    letters = "".join(body[9:10].decode() for body in bodies)
    assert bodies == [mail(letter) for letter in letters]
    return letters


def fetch(server, old, *options, check=True):
    return server.run("import", "pop3", old.url, "--user", "alice", "--to", ALICE, "--cleartext", "--password-stdin", *options,
                      check=check, input=PASSWORD)


def test_without_uidl_nothing_is_taken_for_what_stood_in_its_place(server):
    with OldPop3({"alice": mails("ab")}) as old:
        assert b"2 imported, 0 there before" in fetch(server, old).stdout
        old.maildrops["alice"] = mails("bcd")
        told = fetch(server, old, "--delete").stdout
        assert b"2 imported, 1 there before" in told and b"3 messages have no UIDL there that could stay" in told
        assert here(server) == "abcd"
        assert old.maildrops["alice"] == []
        # Twice the same mail is two mails; a third of them is one more.
        old.maildrops["alice"] = mails("xx")
        fetch(server, old)
        old.maildrops["alice"] = mails("xxx")
        assert b"1 imported, 2 there before" in fetch(server, old, "--delete").stdout
    assert here(server) == "abcdxxx"


def test_uidls_that_several_messages_bear(server):
    same = lambda _number, letter: "own" if letter == "o" else "same"
    with OldPop3({"alice": mails("abo", same)}, ["UIDL"]) as old:
        assert b"3 imported, 0 there before" in fetch(server, old).stdout
        old.maildrops["alice"] = mails("bco", same)
        assert b"1 imported, 2 there before" in fetch(server, old, "--delete").stdout
        assert old.maildrops["alice"] == []
    assert here(server) == "aboc"


def test_what_is_damaged_here_stays_there(server):
    """A body is flipped here, of a small message and of one that goes out unread to mail programs."""
    large = b"Subject: L\r\n\r\n" + b"a line of a large mail\r\n" * 10_000
    maildrop = [("1", mail("a")), ("2", mail("b")), ("3", large)]
    with OldPop3({"alice": list(maildrop)}, ["UIDL"]) as old:
        assert b"3 imported, 0 there before" in fetch(server, old).stdout
        server.stop()
        flip(server, b"Subject: b\r\n\r\nThis is ")
        flip(server, b"Subject: L\r\n\r\n" + b"a line of a large mail\r\n" * 5_000)
        server.start()
        old.maildrops["alice"].append(("4", mail("d")))
        for expected in (b"1 imported, 3 there before, 2 are damaged here and stay there", b"0 imported, 2 there before, 2 are damaged"):
            told = fetch(server, old, "--delete", check=False)
            assert told.returncode == EX_DATAERR and expected in told.stdout, told
            assert b": not deleted there: [SYS/PERM] " in told.stdout
            assert old.maildrops["alice"] == maildrop[1:]
        session = server.pop3(ALICE, PASSWORDS[ALICE])  # While somebody has it open here, nobody can look.
        old.maildrops["alice"] = maildrop[:1]
        told = fetch(server, old, "--delete", check=False)
        assert told.returncode == EX_TEMPFAIL and old.maildrops["alice"] == maildrop[:1], told
        session.quit()
        fetch(server, old, "--delete")
        assert old.maildrops["alice"] == []


def test_a_uidl_that_is_refused_for_now_ends_the_mailbox(server):
    for capabilities, refusal in ((["UIDL"], b"-ERR busy"), (None, b"-ERR [SYS/TEMP] busy"), (["TOP"], b"-ERR [IN-USE] busy")):
        with OldPop3({"alice": mails("ab", lambda number, _: f"u{number}")}, capabilities) as old:
            old.uidl_refusal = refusal
            result = fetch(server, old, "--delete", check=False)
            assert result.returncode == EX_TEMPFAIL and b"UIDL is refused: " in result.stderr, result
            assert len(old.maildrops["alice"]) == 2
    assert here(server) == ""


def test_by_their_uidls_messages_are_deleted_though_an_earlier_run_brought_them(server):
    with OldPop3({"alice": mails("abc", lambda _number, letter: letter)}, ["UIDL"]) as old:
        assert b"3 imported" in fetch(server, old).stdout
        assert len(old.maildrops["alice"]) == 3
        assert b"0 imported, 3 there before" in fetch(server, old, "--delete").stdout
        assert old.maildrops["alice"] == []
    assert here(server) == "abc"


def test_a_server_that_takes_one_command_at_a_time(server):
    with OldPop3({"alice": mails("abcdefghijkl", lambda _number, letter: letter)}, ["UIDL"]) as old:
        old.one_at_a_time = True
        assert b"12 imported" in fetch(server, old, "--delete").stdout
        assert old.maildrops["alice"] == []
    assert here(server) == "abcdefghijkl"
