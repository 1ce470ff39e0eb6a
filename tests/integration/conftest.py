import contextlib
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from network import make_certificates  # noqa: E402
from poplar_server import PoplarServer, wait_for  # noqa: E402

ALICE, BOB, CAROL = "alice@alpha.example", "bob@alpha.example", "carol@beta.example"
PASSWORDS = {ALICE: "wonder land", BOB: "b0b's password", CAROL: "c\u00e4rol"}


def populate(server):
    """Two tenants, three users."""
    server.add_tenant("alpha", "alpha.example")
    server.add_tenant("beta", "beta.example")
    for address, password in PASSWORDS.items():
        server.add_user(address, password)
    return server


def set_egress(server, **kib_per_s):
    """Each tenant's rate, and waits until they hold: of rules, CAPA shows seconds between log-ins when they do."""
    for tenant, rate in kib_per_s.items():
        server.run("tenant", "set", tenant, "--egress-kib-per-s", str(rate))
    server.run("tenant", "set", "beta", "--login-delay-s", "2")

    def announced():
        client = server.pop3()
        try:
            return b"LOGIN-DELAY 2 USER" in client._longcmd("CAPA")[1]
        finally:
            client.quit()

    wait_for("the rules hold", 30, announced)


@pytest.fixture
def tmp_path():
    """As pytest's own, but not in a folder that other runs share and close to other users as they start."""
    with tempfile.TemporaryDirectory(prefix="poplar-test-") as directory:
        yield Path(directory)


@pytest.fixture
def new_server(tmp_path):
    """Makes servers that end with the test: new_server(workers=1, pop3="idle_timeout_s = 2")."""
    made = []

    def make(**options):
        server = populate(PoplarServer(tmp_path / f"server{len(made)}", **options))
        made.append(server)
        return server.start()

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def server(new_server):
    return new_server()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls") / "tls"
    make_certificates(directory)
    return directory


@pytest.fixture
def closing(tmp_path):  # Before its folder goes.
    """Closes what a test made, the last first, and all of it whatever fails."""
    with contextlib.ExitStack() as made:
        yield made.callback


SKIPPED = 77  # ctest's word for it, in CMakeLists.txt.


def pytest_sessionfinish(session, exitstatus):
    """A file of which nothing could run was not passed: ctest says that it was skipped."""
    reports = session.config.pluginmanager.get_plugin("terminalreporter").stats
    if exitstatus == pytest.ExitCode.OK and reports.get("skipped") and not reports.get("passed"):
        session.exitstatus = SKIPPED
