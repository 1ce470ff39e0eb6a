"""What a link of a chain answers, and what `next_after` of its section makes of that: the table of auth/README.md, "Chains"."""

import pytest
from backend_server import BackendServer
from poplar_server import PoplarServer, wait_for
from sasl_client import Refused, asker, scram
from test_plugins import EXAMPLE

ALICE, BOB, NOBODY = "alice@alpha.example", "bob@alpha.example", "nobody@alpha.example"
# Of "secret", by `openssl passwd -6`.
SECRET = "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz."
BEHIND = "kept by the second"
SETTINGS = ([], ["refused"], ["failed"], ["refused", "failed"])


class Chain(BackendServer):
    """alice and bob are in the first link, with the password "secret"; alice is in the second, too, with another."""

    def __init__(self, directory, next_after, chain=("first", "users"), more=""):
        PoplarServer.__init__(self, directory, users="cache_seconds = 0\n\n[auth]\npenalty_delay_max_ms = 0\nmechanisms = [\"USER\", \"SCRAM-SHA-256\"]")
        self.add_tenant("alpha", "alpha.example")
        self.run("user", "add", ALICE, "--password-stdin", "--scheme", "scram-sha-256", input=f"{BEHIND}\n".encode())
        self.accounts = directory / "accounts.txt"
        self.accounts.write_text(f"{ALICE}\ta1\t{SECRET}\n{BOB}\tb1\t{SECRET}\n")
        text = self.config_path.read_text().replace("[auth]\n", f"[auth]\nchain = {list(chain)}\n")
        setting = f"next_after = {next_after}\n" if next_after else ""
        self.config_path.write_text(f'{text}\n[backend.first]\nplugin = "{EXAMPLE}"\nfile = "accounts.txt"\ncache_seconds = 0\n{setting}{more}')


@pytest.fixture
def new_chain(tmp_path, closing):
    def make(*arguments, **options):
        server = Chain(tmp_path / "server", *arguments, **options)
        closing(server.stop)
        return server.start()

    return make


@pytest.mark.parametrize("next_after", SETTINGS, ids="+".join)
def test_after_a_wrong_password(new_chain, next_after):
    server = new_chain(next_after)
    assert server.verdict(ALICE, "secret") == "OK"
    assert server.verdict(ALICE, BEHIND) == ("OK" if "refused" in next_after else "AUTH")
    assert server.verdict(ALICE, "neither") == "AUTH"
    # Whom the next does not know had a wrong password all the same.
    assert server.verdict(BOB, "neither") == "AUTH"
    assert server.verdict(NOBODY, "secret") == "AUTH"
    assert server.codes(ALICE, BOB, NOBODY) == [250, 250, 550]
    # Mail is the first one's, which knows her.
    assert server.pop3(ALICE, "secret").stat()[0] == 1


@pytest.mark.parametrize("next_after", SETTINGS, ids="+".join)
def test_after_a_failure(new_chain, next_after):
    server = new_chain(next_after)
    server.accounts.unlink()
    goes_on = "failed" in next_after
    assert server.verdict(ALICE, BEHIND) == ("OK" if goes_on else "SYS/TEMP")
    # The next knows her, so that is a wrong password; where nobody else could say so, it never is one.
    assert server.verdict(ALICE, "neither") == ("AUTH" if goes_on else "SYS/TEMP")
    assert server.verdict(BOB, "secret") == "SYS/TEMP"
    assert server.verdict(BOB, "neither") == "SYS/TEMP"
    assert server.verdict(NOBODY, "secret") == "SYS/TEMP"
    assert server.codes(ALICE, BOB, NOBODY) == [250 if goes_on else 451, 451, 451]
    server.is_told("No such file or directory")


def test_a_failure_behind_a_wrong_password_is_a_failure(new_chain, tmp_path):
    """The right password may be the one that could not be looked up."""
    (tmp_path / "old").write_text(f"{ALICE}:{SECRET}\n")
    more = f'\n[backend.old]\ndriver = "passwd-file"\nfile = "{tmp_path}/old"\nnext_after = ["refused"]\n'
    server = new_chain([], chain=("old", "first"), more=more)
    assert server.verdict(ALICE, "neither") == "AUTH"
    server.accounts.unlink()
    assert server.verdict(ALICE, "secret") == "OK"
    assert server.verdict(ALICE, "neither") == "SYS/TEMP"


def by_scram(server, password):
    client = server.pop3()
    try:
        scram(asker(client), "SCRAM-SHA-256", ALICE, password)
    except Refused as refused:
        return str(refused)
    return client.stat()[0]


@pytest.mark.parametrize("next_after", SETTINGS, ids="+".join)
def test_scram_goes_the_way_of_a_password(new_chain, next_after):
    """The first link has alice and no keys: hers in the second are of a password that was hers before."""
    server = new_chain(next_after)
    assert server.codes(ALICE) == [250]
    if "refused" in next_after:
        assert by_scram(server, BEHIND) == 0
    else:
        assert by_scram(server, BEHIND).startswith("-ERR [AUTH]")
        wait_for("why is in the log", 10, lambda: "first has the name, and nothing for SCRAM-SHA-256" in server.log())
    server.accounts.write_text(f"{BOB}\tb1\t{SECRET}\n")
    assert by_scram(server, BEHIND) == 0, "she is the second one's"
    server.accounts.unlink()
    assert by_scram(server, BEHIND) == 0 if "failed" in next_after else by_scram(server, BEHIND).startswith("-ERR [SYS/TEMP]")
