"""One server after the other, of the same release and of two, while mail comes and is fetched: nothing is lost, nobody is cut off.

The release before is the binary that POPLAR_PREVIOUS names (tests/upgrade/build-previous makes it).
"""

import os
import re
import shutil
import signal
import sqlite3

import pytest
from conftest import PASSWORDS, populate
from network import free_port
from poplar_server import PoplarServer
from restart_load import Load
from service_manager import ServiceManager, tcp_socket

PREVIOUS = os.environ.get("POPLAR_PREVIOUS")
RESTARTS = 6


def test_rolling_restart(tmp_path, closing):
    server = populate(PoplarServer(tmp_path / "server", drain_limit_s=60))
    manager = ServiceManager(server, [("pop3", tcp_socket()), ("lmtp", tcp_socket())])
    closing(manager.close)
    closing(lambda: server.kill())
    server.start()
    load = Load({name: manager.port(name) for name in ("pop3", "lmtp")}, PASSWORDS).start()
    closing(load.stop.set)
    for turn in range(RESTARTS):
        load.wait_for_progress()
        if turn % 2:
            server.run("drain")
        else:
            server.signal(signal.SIGTERM)
        assert server.wait() == 0
        server.start()
    load.wait_for_progress()
    load.finish()
    assert "drain_cut" not in server.log()
    assert load.counts["told"] > 0
    load.check(server)
    server.stop()


class FixedPorts:
    """A server on ports of its own: the release before may know of no sockets that are handed over."""

    def __init__(self, directory):
        self.server = PoplarServer(directory, drain_limit_s=60)
        self.ports = {"pop3": free_port(), "lmtp": free_port()}
        text = self.server.config_path.read_text()
        text = text.replace('listen = ["127.0.0.1:0", "[::1]:0"]', f'listen = ["127.0.0.1:{self.ports["pop3"]}"]')
        text = text.replace('[lmtp]\nlisten = ["127.0.0.1:0"]', f'[lmtp]\nlisten = ["127.0.0.1:{self.ports["lmtp"]}"]')
        self.server.config_path.write_text(text)


def keep_what_it_knows(server):
    """An upgrade meets the configuration of the release before: without the settings that came later."""
    said = server.run("init", str(server.directory), config=False, check=False).stderr.decode()
    later = [int(line) for line in re.findall(r":(\d+): \S+: there is no such setting", said)]
    lines = server.config_path.read_text().splitlines(keepends=True)
    server.config_path.write_text("".join(line for number, line in enumerate(lines, 1) if number not in later))


def users_version(server):
    with sqlite3.connect(server.directory / "users.db", timeout=30) as database:
        return database.execute("PRAGMA user_version").fetchone()[0]


@pytest.mark.skipif(not PREVIOUS, reason="POPLAR_PREVIOUS names no binary of the release before (tests/upgrade/build-previous makes one)")
def test_upgrade_and_back(tmp_path, closing):
    fixed = FixedPorts(tmp_path / "server")
    server = fixed.server
    shutil.rmtree(server.directory / "store")
    (server.directory / "users.db").unlink()
    server.program = PREVIOUS
    keep_what_it_knows(server)
    server.run("init", str(server.directory), config=False)  # Store and users are made by the release before.
    populate(server)
    closing(lambda: server.kill())
    load = Load(fixed.ports, PASSWORDS, activated=False)
    closing(load.stop.set)
    server.start()
    load.start()
    before = users_version(server)
    shutil.copy(server.directory / "users.db", tmp_path / "users.db")  # OPERATIONS.md: who wants to go back keeps a copy.
    for program in (None, PREVIOUS, None):
        load.wait_for_progress()
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        if program == PREVIOUS and users_version(server) != before:
            shutil.copy(tmp_path / "users.db", server.directory / "users.db")
        server.program = program
        server.start()
    load.wait_for_progress()
    load.finish()
    assert "drain_cut" not in server.log()
    load.check(server)
    server.stop()
