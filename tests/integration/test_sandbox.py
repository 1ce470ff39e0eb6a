"""The sandbox of a server that runs, and of its plug-ins' processes: what the kernel says of them, and that all goes on working."""

import errno
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import ALICE, PASSWORDS, populate
from poplar_server import POPLAR, PoplarServer, wait_for
from refused_calls import LANDLOCK_CREATE_RULESET, refusing
from test_plugins import EXAMPLE, children, example_config, hosts

pytestmark = pytest.mark.skipif(os.environ.get("POPLAR_SANITIZE") == "thread", reason="the thread sanitizer is not for sandboxes")

ERIN = "erin@alpha.example"
MESSAGE = b"Subject: in a sandbox\r\n\r\nhello\r\n"


def facts(pid):
    """What /proc says of each thread of a process."""
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        yield dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)


def check_confined(pid):
    threads = list(facts(pid))
    assert threads
    for fact in threads:
        where = fact["Name"], fact["Pid"]
        assert fact["NoNewPrivs"] == "1", where
        assert fact["Seccomp"] == "2", where
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(fact[capabilities], 16) == 0, (where, capabilities)
        if os.geteuid() == 0:
            assert int(fact["CapBnd"], 16) == 0, where


@pytest.fixture
def with_plugin(tmp_path):
    server = populate(PoplarServer(tmp_path / "server"))
    users = tmp_path / "plugin-users"
    users.write_text(f"{ERIN}\t5f21c0de\t{{PLAIN}}secret\n")
    server.config_path.write_text(server.config_path.read_text() + example_config(users) + "weak_schemes = true\n")
    with server:
        yield server


def test_every_process_is_confined(with_plugin):
    server = with_plugin
    check_confined(server.process.pid)
    [launcher] = children(server.process.pid)
    check_confined(launcher)
    [host] = hosts(server)
    assert children(launcher) == [host]
    check_confined(host)
    words = Path(f"/proc/{host}/cmdline").read_text().split("\0")
    assert "auth-host" in words and str(EXAMPLE) in words and "--read" in words
    for part in ("privileges", "files", "calls"):
        assert server.metric("poplar_sandbox", part=part) == 1
    assert re.search(r" sandbox privileges=true files=true landlock=[1-9]\d* calls=true lacks=", server.log()), server.log()
    server.deliver([ALICE, ERIN], MESSAGE)
    for user, password in ((ALICE, PASSWORDS[ALICE]), (ERIN, "secret")):
        client = server.pop3(user, password)
        assert client.stat()[0] == 1
        client.quit()


def test_a_host_that_dies_is_started_anew(with_plugin):
    server = with_plugin
    [first] = hosts(server)
    os.kill(first, 9)
    wait_for("another host", 30, lambda: hosts(server) not in ([], [first]) and "auth_host_started" in server.log())
    check_confined(hosts(server)[0])
    wait_for("it answers", 30, lambda: server.try_login(ERIN, "secret")[0])


def test_all_end_with_the_server(with_plugin):
    server = with_plugin
    family = [*children(server.process.pid), *hosts(server)]
    server.kill()
    wait_for("none is left", 30, lambda: not any(map(running, family)))


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def test_reload_reads_what_was_replaced(server):
    """All of it by rename, as certbot's hook and mounted secrets do."""
    # The certificate.
    for name in ("cert.pem", "key.pem"):
        path = server.directory / "tls" / name
        shutil.copy(path, path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
    # The configuration.
    text = server.config_path.read_text().replace('level = "info"', 'level = "debug"')
    new = server.config_path.with_suffix(".new")
    new.write_text(text)
    new.rename(server.config_path)
    server.signal(1)
    wait_for("it reloads", 20, lambda: " reloaded " in server.log())
    # A tenant's file, in a folder that was not there.
    (server.directory / "tenants.d").mkdir()
    (server.directory / "tenants.d/gamma.toml").write_text('domains = ["gamma.example"]\n')
    wait_for("the tenant is there", 20, lambda: "gamma" in server.run("tenant", "list").stdout.decode())
    # The database of users.
    server.run("user", "passwd", ALICE, "--password-stdin", input=b"another one\n")
    wait_for("the new password counts", 20, lambda: server.try_login(ALICE, "another one")[0])


def test_snapshots_have_their_place(server, tmp_path):
    server.deliver([ALICE], MESSAGE)
    server.run("store", "snapshot", str(server.directory / "snapshots/one"))
    assert (server.directory / "snapshots/one/superblock").exists()
    for elsewhere in (tmp_path / "copy", server.directory / "snapshots/../copy"):
        refused = server.run("store", "snapshot", str(elsewhere), check=False)
        assert refused.returncode == 69, refused
        assert f"below {server.directory}/snapshots alone (store.snapshots)" in refused.stderr.decode()
        assert not elsewhere.exists()
    server.stop()
    server.run("store", "snapshot", str(tmp_path / "copy"))  # The command is in no sandbox.


def test_off(new_server, tmp_path):
    server = new_server()
    server.stop()
    server.config_path.write_text(server.config_path.read_text().replace("[server]\n", '[server]\nsandbox = "off"\n'))
    with server:
        for part in ("privileges", "files", "calls"):
            assert server.metric("poplar_sandbox", part=part) == 0
        assert {fact["Seccomp"] for fact in facts(server.process.pid)} == {"0"}
        server.run("store", "snapshot", str(tmp_path / "anywhere"))


def test_what_the_kernel_lacks_is_told(tmp_path):
    """As in a container that does not know Landlock."""
    without_landlock = refusing(LANDLOCK_CREATE_RULESET, errno.ENOSYS)
    server = populate(PoplarServer(tmp_path / "server", wrapper=without_landlock))
    with server:
        assert server.metric("poplar_sandbox", part="files") == 0
        assert server.metric("poplar_sandbox", part="calls") == 1
        server.says('lacks="files: this kernel has no Landlock"')
        server.deliver([ALICE], MESSAGE)
        server.run("store", "snapshot", str(tmp_path / "anywhere"))
    server.config_path.write_text(server.config_path.read_text().replace("[server]\n", '[server]\nsandbox = "required"\n'))
    refused = subprocess.run([*without_landlock, os.path.abspath(POPLAR), "serve", "--config", str(server.config_path)],
                             capture_output=True, timeout=60)
    assert refused.returncode == 69
    assert 'server.sandbox is "required", but cannot be had; files: this kernel has no Landlock' in refused.stderr.decode()


def low_port():
    """One of 127.0.8.0/24 that nobody listens on."""
    for port in range(600, 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.8.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("all low ports are taken")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may listen on low ports")
def test_low_ports(new_server):
    server = new_server()
    server.stop()
    port = low_port()
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace('listen = ["127.0.0.1:0", "[::1]:0"]', f'listen = ["127.0.8.1:{port}"]'))
    with server:
        check_confined(server.process.pid)
        with socket.create_connection(("127.0.8.1", port), timeout=10) as client:
            assert client.recv(1000).startswith(b"+OK")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_is_told_whose_files_they_are(new_server):
    server = new_server()
    server.stop()
    os.chown(server.directory / "store", 12345, 12345)
    refused = server.run("serve", check=False)
    assert refused.returncode == 77
    assert "belongs to user number 12345" in refused.stderr.decode()


def test_a_plugins_file_that_is_replaced(tmp_path):
    """Its process may read that file, not the one in its place: it starts anew."""
    server = populate(PoplarServer(tmp_path / "server"))
    users = tmp_path / "plugin-users"
    users.write_text(f"{ERIN}\t5f21c0de\t{{PLAIN}}secret\n")
    server.config_path.write_text(server.config_path.read_text() + example_config(users) + "weak_schemes = true\n")
    with server:
        wait_for("the plug-in answers", 20, lambda: server.try_login(ERIN, "secret")[0])
        new = tmp_path / "new"
        new.write_text(f"{ERIN}\t5f21c0de\t{{PLAIN}}changed\n")
        new.rename(users)
        wait_for("the new file counts", 30, lambda: server.try_login(ERIN, "changed")[0])
