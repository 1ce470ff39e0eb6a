"""The operator's page on moving day, followed step by step as it stands there, from a real Dovecot and a real Courier."""

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
