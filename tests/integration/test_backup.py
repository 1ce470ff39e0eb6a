"""The operator's page on backups, followed as it stands there."""

import os
import re
import subprocess

import pytest
from conftest import ALICE, BOB, PASSWORDS, populate
from operations import example, section
from poplar_server import POPLAR, PoplarServer, needs

AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 180_000


def disk_bytes(directory):
    """What its files take, each once however many names it has."""
    found = {stat.st_ino: stat.st_blocks * 512 for stat in (path.stat() for path in directory.rglob("*"))}
    return sum(found.values())


def shell(script, **variables):
    result = subprocess.run(["sh", "-ec", script], capture_output=True, timeout=60, env=os.environ | variables)
    assert result.returncode == 0, result


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs a server as another user")
def test_as_root_beside_a_server_of_another_user(tmp_path, closing):
    tmp_path.chmod(0o755)
    server = populate(PoplarServer(tmp_path / "srv", wrapper=AS_NOBODY, store="partitions = 2\nsegment_mib = 8"))
    server.config_path.write_text(server.config_path.read_text().replace('congestion_control = "cubic"\n', ""))
    shell(f"chown -R nobody:nogroup {server.directory}; chmod 755 {server.directory}")
    server.start()
    closing(server.stop)
    server.deliver([ALICE, BOB], LARGE)
    snapshot = server.directory / "snapshots/2026-11-26"
    commands = example("umask 077 .*password.*").partition("sqlite3")[0].replace("/var/lib/poplar", str(server.directory))
    shell(commands.replace("poplar store", f"{POPLAR} store"), POPLAR_CONFIG=str(server.config_path))
    assert snapshot.parent.stat().st_mode & 0o777 == 0o700
    # Copied away as the page says, it takes no more room than it did here.
    copy = tmp_path / "copy"
    command = re.search(r"\(`(rsync [^`]+)`", section("Backup"))[1]
    subprocess.run([needs("rsync"), *command.split()[1:], f"{snapshot}/", str(copy)], check=True, timeout=60)
    assert disk_bytes(copy) <= disk_bytes(snapshot) + (1 << 20)
    (copy / "that.toml").write_text(f'[store]\npath = "{copy}"\n')
    verified = subprocess.run([POPLAR, "store", "verify", "--config", str(copy / "that.toml")], capture_output=True, timeout=60)
    assert verified.returncode == 0 and b"2 messages" in verified.stdout, verified
    assert server.pop3(BOB, PASSWORDS[BOB]).stat()[0] == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be refused")
def test_root_writes_no_store_of_another_user(tmp_path):
    """What root made there, the server could not open."""
    server = populate(PoplarServer(tmp_path / "srv"))
    shell(f"chown -R nobody:nogroup {server.directory}/store")
    for command in (["store", "rebuild-index"], ["store", "compact"], ["store", "snapshot", str(tmp_path / "copy")],
                    ["export", "maildir", "--user", ALICE, str(tmp_path / "out")]):
        refused = server.run(*command, check=False)
        assert refused.returncode == 77, refused
        assert "runuser -u nobody" in str(refused.stderr), refused
    owners = {path.owner() for path in (server.directory / "store").rglob("*")}
    assert owners == {"nobody"}
