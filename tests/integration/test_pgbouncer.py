"""PgBouncer between Poplar and PostgreSQL, in each of its modes of pooling, as auth/SQL.md says that it may stand there."""

import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from databases import DATABASE, SERVICE, SERVICE_PASSWORD, Postgresql
from network import free_port
from poplar_server import needs, wait_for
from sql_users import ALICE, ODD_NAMES, PASSWORD, database, databases, new_database, new_poplar, sasl_verdict  # noqa: F401: fixtures

SETTINGS = """
[databases]
{name} = host=127.0.0.1 port={database_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = {mode}
default_pool_size = {pool_size}
auth_type = scram-sha-256
auth_file = {folder}/users
client_tls_sslmode = require
client_tls_cert_file = {certificate}
client_tls_key_file = {key}
server_tls_sslmode = require
"""
# Of Poplar's, which keeps them: in session mode each has one of PgBouncer's to itself.
CONNECTIONS = 5


@pytest.fixture(scope="module")
def kind():
    return Postgresql


@pytest.fixture
def bouncer(database, closing):
    """Makes one of a mode; its address."""

    def start(mode):
        program = needs("pgbouncer")
        folder, port = database.directory / f"bouncer-{mode}", free_port()
        folder.mkdir()
        (folder / "users").write_text('"{}" "{}"\n'.format(SERVICE, SERVICE_PASSWORD.replace('"', '""')))
        (folder / "settings.ini").write_text(SETTINGS.format(name=DATABASE, database_port=database.port, port=port, mode=mode, folder=folder, pool_size=CONNECTIONS if mode == "session" else 2,
                                                             certificate=database.certificate, key=database.key))
        with open(folder / "log", "wb") as log:
            # It refuses to be root.
            process = subprocess.Popen([program, folder / "settings.ini"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **database.identity)

        def stop():
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)

        closing(stop)

        def listens():
            told = (folder / "log").read_text()
            assert process.poll() is None, told
            return "process up" in told

        wait_for("PgBouncer listens", 30, listens)
        return f"127.0.0.1:{port}", lambda: (folder / "log").read_text()

    return start


@pytest.mark.parametrize("mode", ("session", "transaction", "statement"))
def test_log_ins_and_mail_by_a_pool(database, new_poplar, bouncer, mode):
    address, told = bouncer(mode)
    server = new_poplar([address], more=f"connections = {CONNECTIONS}\n")
    assert server.codes(ALICE, "nobody@alpha.example") == [250, 550], told()
    assert server.verdict(ALICE, PASSWORD) == "OK"
    assert server.verdict(ALICE, "wrong") == "AUTH"
    # More at a time than it has connections to the database.
    with ThreadPoolExecutor(8) as many:
        assert set(many.map(lambda name: sasl_verdict(server, f"{name}@alpha.example", "e"), ODD_NAMES)) == {"OK"}
    # The database begins anew behind it: at worst there is no answer for a while, and never a wrong one.
    database.restart()
    said = set()

    def served():
        said.add(server.verdict("bob@alpha.example", "b\u00f6b's"))
        return "OK" in said

    wait_for("bob is served", 60, served)
    assert said <= {"OK", "SYS/TEMP"}, said
    assert server.outcomes("accounts")["unknown"] == 1
