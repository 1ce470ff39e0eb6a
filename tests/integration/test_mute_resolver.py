"""Servers of back ends whose names nobody resolves: the system's resolver waits for minutes, a question of Poplar's does not."""

import os
import socket
import subprocess
import threading
import time

import pytest
from backend_server import BackendServer, example
from test_plugins import BUILD

ALICE = "alice@alpha.example"
QUICK = "connect_timeout_ms = 1000\n"
BACKENDS = {
    "ldap": ("LDAP.md", "search-bind", "directory-password", dict(server='"ldaps://db1.example.net"', bind_password_file='"directory-password"')),
    "postgresql": ("SQL.md", "PostgreSQL", "database-password", dict(server='"db1.example.net"', password_file='"database-password"')),
    "mariadb": ("SQL.md", "MariaDB", "database-password", dict(server='"db1.example.net"', password_file='"database-password"')),
    "http": ("HTTP.md", "Configuration", "api-token", dict(url='"https://db1.example.net/"', token_file='"api-token"')),
}


@pytest.fixture
def mute_resolver(tmp_path, closing):
    """What to start a server with, so that it asks a name server that says nothing."""
    try:
        mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        closing(mute.close)
        mute.bind(("127.77.0.53", 53))
        subprocess.run(["unshare", "--mount", "true"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no name server or mounts of one's own here: {error}")
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.77.0.53\noptions timeout:30 attempts:5\n")
    script = 'mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && shift && exec "$@"'
    yield mute, ["unshare", "--mount", "--", "sh", "-c", script, "sh", str(resolv)]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("plugin", BACKENDS)
def test_nobody_waits_for_a_name(mute_resolver, tmp_path, tls, closing, plugin):
    mute, wrapper = mute_resolver
    page, heading, secret, replacements = BACKENDS[plugin]
    server = BackendServer(tmp_path / "poplar", example(page, heading), {secret: "secret\n"}, QUICK, plugin=f'"{BUILD}/auth/plugins/{plugin}.so"',
                           ca_file=f'"{tls}/ca.pem"', **replacements)
    server.wrapper = wrapper
    closing(server.stop)
    server.start()
    begun = time.monotonic()
    verdicts = []
    threads = [threading.Thread(target=lambda: verdicts.append(server.verdict(ALICE, "x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert verdicts == ["SYS/TEMP"] * 8
    assert server.codes(ALICE) == [451]
    assert time.monotonic() - begun < 25
    # It is the plug-in that ended its waits, and the name server was asked.
    assert server.metric("poplar_auth_host_restarts_total") == 0
    assert "did not answer in time" not in server.log()
    assert b"db1" in mute.recv(512)
