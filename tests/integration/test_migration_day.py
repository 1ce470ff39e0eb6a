"""The operator's page on moving day, followed step by step as it stands there, from a real Dovecot and a real Courier."""

import json
import random
import re
import subprocess

import courier
import pytest
from conftest import ALICE, BOB
from dovecot import Dovecot
from operations import Operator, example, quoted, section
from poplar_server import PoplarServer, needs
from test_transfer import contents, fill_maildir, uidls
from test_transfer_again import arrive

DAY = "Migration day"
CAROL = "carol@alpha.example"
EX_DATAERR = 65
COUNTS = {ALICE: 25, BOB: 14, CAROL: 3}


class FromDovecot:
    """`uidl_format`: set where Debian's configuration has its place; None: nothing is."""

    tree = "mail/%d/%u/Maildir"

    def __init__(self, folder, uidl_format):
        if not Dovecot.available():
            pytest.skip("Dovecot runs only as root")
        certified = PoplarServer(folder / "certificates")  # Only its certificate is used.
        settings = f"pop3_uidl_format = {uidl_format}" if uidl_format else ""
        self.server = Dovecot(folder / "dovecot", certified.certificate, certified.directory / "tls/key.pem", pop3_settings=settings)
        self.url, self.trust = f"pop3s://localhost:{self.server.ports['pop3s']}", f" --ca {certified.certificate}"

    def options(self, operator):
        """What step 2 finds out."""
        command = quoted(DAY, "doveconf .*").replace("doveconf", f"doveconf -c {self.server.directory}/dovecot.conf")
        told = dict(re.findall(r"^(\w+) = (.*)$", operator.follow(command), re.M))
        assert told["pop3_reuse_xuidl"] == "no"
        return f" {quoted(DAY, '--pop3-uidl-format')} '{told['pop3_uidl_format']}'"

    def arrive(self, address, number):
        arrive(self.server.home(address), number)
        self.server.own()


class FromCourier:
    tree = "mail/%d/%u/Maildir"

    def __init__(self, folder, _):
        if reason := courier.why_not():
            pytest.skip(reason)
        self.server = courier.Courier(folder)
        self.url, self.trust = f"pop3://127.0.0.1:{self.server.port}", " --cleartext"

    def options(self, _):
        assert "Courier: nothing; its list says it" in " ".join(section(DAY).split())
        return ""

    def arrive(self, address, number):
        arrive(self.server.home(address), number)


def stored_there(password):
    """As the old server keeps it."""
    made = subprocess.run([needs("openssl"), "passwd", "-6", "-stdin"], input=password.encode(), check=True, capture_output=True, timeout=60)
    return "{SHA512-CRYPT}" + made.stdout.decode()


def mail(server, address, password):
    client = server.pop3(address, password) if isinstance(server, PoplarServer) else server.pop3(address)
    told = contents(client)
    client.quit()
    return told


@pytest.fixture
def operator(tmp_path, closing):
    server = PoplarServer(tmp_path / "poplar")
    server.add_tenant("alpha", "alpha.example")
    server.start()
    closing(server.stop)
    return Operator(server, tmp_path / "operator")


@pytest.mark.parametrize("kind, uidl_format", [(FromDovecot, None), (FromDovecot, "%v.%u"), (FromCourier, None)],
                         ids=["dovecot", "dovecot-format", "courier"])
def test_the_day(operator, tmp_path, kind, uidl_format):
    here, old = operator.server, kind(tmp_path / "old", uidl_format)
    password = old.server.password
    for number, (address, count) in enumerate(COUNTS.items()):
        fill_maildir(old.server.home(address), count, random.Random(number))
    with old.server:
        def follow(command, instead=(), **options):
            """An import of the page's, by what step 2 told."""
            command = command.replace("poplar import maildir", f"poplar import maildir{found}")
            return operator.follow(command, instead={"/var/vmail/%d/%u/Maildir": f"{old.server.directory}/{old.tree}", **dict(instead)}, **options)

        for address in COUNTS:  # 1
            command = f"{quoted(DAY, 'poplar user add')} {address} {quoted(DAY, '--hash-stdin')}"
            operator.follow(command, input=stored_there(password).encode())
        found = old.options(operator)  # 2
        # 3: nobody has logged in at the old server yet but Alice and Bob.
        there = {address: mail(old.server, address, password) for address in (ALICE, BOB)}
        told = follow(example("poplar import maildir --tree .* --dry-run .*"))
        assert f"{ALICE}: 25 messages, 25 will keep their UIDLs\n" in told
        assert f"{CAROL}: 3 messages, 0 will keep their UIDLs, 3 will not" in told, told
        old.arrive(ALICE, 1)
        # 4
        compare = example(r"poplar import maildir --user alice@example.org .*\\").rstrip("\n") + old.trust
        instead = {"alice@example.org": ALICE, "/var/vmail/example.org/alice/Maildir": f"{old.server.home(ALICE)}/Maildir",
                   "pop3s://old.example.org": old.url}
        told = follow(compare, instead, ends_with=EX_DATAERR, input=password.encode() + b"\n")
        assert "25 imported" in told and "1 left out" in told and told.count("missing: ") == 1, told
        told = follow(compare, instead, input=password.encode() + b"\n")
        [(identical, line_ends)] = re.findall(r"compared: (\d+) of 26 identical, (\d+) but for a last line end", told)
        assert int(identical) + int(line_ends) == 26 and "missing:" not in told and "order" not in told, told
        # 5
        ahead = example("poplar import maildir --tree .* --known-uidls")
        told = follow(ahead)
        assert "3 maildrops, 43 messages: 14 imported, 26 there before" in told and "3 left out" in told, told
        there = {address: mail(old.server, address, password) for address in COUNTS}
        old.arrive(BOB, 2)
        assert "44 messages: 3 imported, 40 there before, 1 left out" in follow(ahead)
        # 6
        there[BOB] = mail(old.server, BOB, password)
        last = ahead.replace(" --known-uidls", "")
        assert "44 messages: 1 imported, 43 there before" in follow(last)
        assert "3 maildrops, 44 messages: 0 imported, 44 there before" in follow(last)
    here.deliver([ALICE], b"Subject: here now\r\n\r\nx\r\n")  # 7
    name = quoted(DAY, r"poplar_\w+_total")  # 8
    # Programs know what they have, and fetch what is new.
    for address, mails in there.items():
        client = here.pop3(address, password)
        new = [number for number, uidl in enumerate(uidls(client), 1) if uidl not in dict(mails)]
        assert len(new) == (1 if address == ALICE else 0)
        for number in new:
            client.retr(number)
        client.quit()
    assert here.metric(name) == 0
    for address, mails in there.items():
        assert mail(here, address, password)[: len(mails)] == mails
    assert here.metric(name) == 2  # Such a session is what is counted, where there are ten old messages.


def test_a_format_that_is_not_the_old_servers(operator, tmp_path):
    """Step 4 finds it, shows what there is to compare, and leads out of it; in JSON all of it, where a text names 100."""
    here, old = operator.server, FromDovecot(tmp_path / "old", "%v.%u")
    password, home = old.server.password, old.server.home(ALICE)
    fill_maildir(home, 130, random.Random(6))
    add = f"{quoted(DAY, 'poplar user add')} {ALICE} {quoted(DAY, '--hash-stdin')}"
    instead = {"alice@example.org": ALICE, "/var/vmail/example.org/alice/Maildir": f"{home}/Maildir", "pop3s://old.example.org": old.url}
    *_, compare, dry = re.findall(r"^ +poplar import maildir --user alice@.*\\\n.*\n", section(DAY), re.M)
    compare = compare.rstrip("\n") + old.trust
    found = old.options(operator)
    assert "%v.%u" in found
    with old.server:
        there = [uidl for uidl, _ in mail(old.server, ALICE, None)]
        operator.follow(add, input=stored_there(password).encode())
        told = operator.follow(compare, instead=instead, ends_with=EX_DATAERR, input=password.encode() + b"\n")
        assert "compared: 0 of 130 identical; 130 only here\n" in told, told
        for word in ("missing", "only here"):
            assert told.count(f"  {word}: ") == 100 and "  and 30 more\n" in told, told
        missing = re.search("missing: (.*)", told)[1]
        wrong = [uidl for uidl, _ in mail(here, ALICE, password)]
        [report] = json.loads(operator.follow(compare + " --json", instead=instead, ends_with=EX_DATAERR, input=password.encode() + b"\n"))["mailboxes"]
        assert (report["comparison"]["missing"], report["comparison"]["only_here_uidls"]) == (there, wrong)

        operator.follow(quoted(DAY, "poplar user remove .*"), instead=instead)
        operator.follow(add, input=stored_there(password).encode())
        assert missing in there and dry.endswith(" | grep -F 'UIDL'\n")
        look = {**instead, "'UIDL'": f"'{missing}'"}
        assert operator.follow(dry, instead=look, ends_with=1) == ""
        right = {"poplar import maildir": f"poplar import maildir{found}"}
        assert missing in operator.follow(dry, instead={**look, **right})
        [report] = json.loads(operator.follow(dry.partition("|")[0], instead={**instead, **right}))["mailboxes"]
        assert report["kept_uidls"] == there
        assert "130 imported" in operator.follow(compare, instead={**instead, **right}, input=password.encode() + b"\n")
        assert [uidl for uidl, _ in mail(here, ALICE, password)] == there


def add_users(operator, password):
    for address in COUNTS:
        operator.server.add_user(address, password)


def test_by_password_only(operator, tmp_path):
    here, old = operator.server, FromDovecot(tmp_path / "old", None)
    add_users(operator, old.server.password)
    for number, (address, count) in enumerate(COUNTS.items()):
        fill_maildir(old.server.home(address), count, random.Random(number))
    command = quoted(DAY, "poplar import pop3 .*") + old.trust
    one, rest = command.split(" --user OLDLOGIN --to ADDRESS")
    (tmp_path / "map").write_text("".join(f"{address}\t{address}\n" for address in COUNTS))
    (tmp_path / "passwords").write_text("".join(f"{address}\t{old.server.password}\n" for address in COUNTS))
    (tmp_path / "passwords").chmod(0o600)
    many = f"{one} --map {tmp_path}/map {quoted(DAY, '--passwords FILE')}{rest}"
    instead = {"pop3s://old.example.org": old.url, "OLDLOGIN": ALICE, "ADDRESS": ALICE, "FILE": tmp_path / "passwords"}
    with old.server:
        there = {address: mail(old.server, address, None) for address in COUNTS}
        told = operator.follow(f"{command} --password-stdin", input=old.server.password.encode() + b"\n", instead=instead)
        assert "25 messages: 25 imported" in told
        assert "3 maildrops, 42 messages: 17 imported, 25 there before" in operator.follow(many, instead=instead)
        assert {address: mail(old.server, address, None) for address in COUNTS} == there
        assert "0 imported, 42 there before" in operator.follow(f"{many} {quoted(DAY, '--delete')}", instead=instead)
        assert all(mail(old.server, address, None) == [] for address in COUNTS)
    assert {address: mail(here, address, old.server.password) for address in COUNTS} == there


@pytest.mark.parametrize("uidl_format", [None, "%v.%u"])
def test_the_way_back(operator, tmp_path, uidl_format):
    """Into the Maildir that was imported, and into a new one."""
    here, old = operator.server, FromDovecot(tmp_path / "old", uidl_format)
    add_users(operator, old.server.password)
    home = old.server.home(ALICE)
    fill_maildir(home, 12, random.Random(5))
    found = old.options(operator)
    with old.server:
        mail(old.server, ALICE, None)
    here.run("import", "maildir", "--user", ALICE, str(home / "Maildir"), *found.replace("'", "").split())
    here.deliver([ALICE], b"Subject: here\r\n\r\nx\r\n")
    there = mail(here, ALICE, old.server.password)
    back = quoted("Out again", "poplar export maildir --user ADDRESS DIR")
    assert "13 messages: 1 exported, 12 there before" in operator.follow(back + found, instead={"ADDRESS": ALICE, "DIR": home / "Maildir"})
    operator.shell(f"rm {home}/Maildir/{quoted('Out again', 'dovecot.index.*')}")
    old.server.own()
    new = old.server.home(BOB)
    new.mkdir()
    for told in ("13 exported, 0 there before", "0 exported, 13 there before"):
        assert told in operator.follow(back, instead={"ADDRESS": ALICE, "DIR": new / "Maildir"})
    with old.server:
        assert mail(old.server, ALICE, None) == there
        assert mail(old.server, BOB, None) == there
