"""The image that core/container/build makes, run by crun: with the profile that we ship, and with one that refuses io_uring."""

import copy
import json
import os
import poplib
import re
import shutil
import smtplib
import ssl
import subprocess
import tarfile
from pathlib import Path

import pytest
from container import USER_ID, Container, read_image, unpack
from poplar_server import lmtp_transaction, wait_for
from test_plugins import BUILD, EXAMPLE, children
from test_sandbox import check_confined

ROOT = Path(__file__).resolve().parents[2]
BUILDER = ROOT / "core/container/build"
PROFILE = json.loads((ROOT / "core/container/seccomp.json").read_text())
ALICE, PASSWORD = "alice@acme.example", "correct horse"
IO_URING = ["io_uring_setup", "io_uring_enter", "io_uring_register"]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a container of another user's is made by root"),
    pytest.mark.skipif(bool(os.environ.get("POPLAR_SANITIZE")), reason="an image of a build with sanitizers is nobody's"),
]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    out = tmp_path_factory.mktemp("image") / "poplar.tar"
    made = subprocess.run([str(BUILDER), str(out), "--build", str(BUILD)], capture_output=True, timeout=300)
    assert made.returncode == 0, f"are poplar and poplar_plugins built? {made.stderr.decode()}"
    return out


@pytest.fixture(scope="module")
def unpacked(image, tmp_path_factory):
    config, layers = read_image(image)
    root = tmp_path_factory.mktemp("rootfs")
    root.chmod(0o755)
    unpack(layers, root)
    return config, root


@pytest.fixture
def new_container(unpacked, tmp_path):
    made = []
    # Whoever it runs as must be able to reach it.
    tmp_path.chmod(0o755)
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, USER_ID, USER_ID)

    def make(profile=PROFILE):
        made.append(Container(tmp_path, *unpacked, data, profile))
        return made[-1]

    yield make
    for container in made:
        container.close()


def docker_default():
    """As docker's default behaves since 2023: what it does not name is EPERM, io_uring among it; clone3 is ENOSYS."""
    profile = copy.deepcopy(PROFILE)
    profile["defaultErrnoRet"] = 1
    for rule in profile["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name not in IO_URING]
    profile["syscalls"] = [rule for rule in profile["syscalls"] if rule["names"]]
    profile["syscalls"].append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38})
    return profile


def initialise(new_container):
    """A server with a tenant and a user, made by the image's own commands."""
    for words in (["init", "/var/lib/poplar"], ["tenant", "add", "acme", "--domain", "acme.example"]):
        result = new_container().run(*words)
        assert result.returncode == 0, result
    container = new_container()
    path = container.data / "poplar.toml"
    text = re.sub(r"^listen = \[.*\]$", 'listen = ["127.0.0.1:0"]', path.read_text(), flags=re.M)
    text = re.sub(r'^listen = ".*"$', 'listen = "127.0.0.1:0"', text, flags=re.M)
    path.write_text(text)
    return container


def port(container, protocol):
    return int(re.search(rf" listening protocol={protocol} address=127\.0\.0\.1:(\d+)", container.log())[1])


def test_it_serves(new_container):
    container = initialise(new_container)
    secret = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD.encode(), capture_output=True, check=True, timeout=60)
    users = container.data / "passwd"
    users.write_text(f"{ALICE}\t5f21c0de\t{secret.stdout.decode().strip()}\n")
    config = container.data / "poplar.toml"
    config.write_text(config.read_text() + '\n[backend.flat]\nplugin = "/usr/lib/poplar/example.so"\nfile = "passwd"\n')
    config.write_text(config.read_text().replace('#chain = ["users"]', 'chain = ["flat", "users"]'))
    container.start()
    assert re.search(r" sandbox privileges=\w+ files=", container.log())
    with smtplib.LMTP("127.0.0.1", port(container, "lmtp"), local_hostname="mta.test", timeout=30) as client:
        client.ehlo_or_helo_if_needed()
        assert [code for code, _ in lmtp_transaction(client, [ALICE], b"Subject: contained\r\n\r\nhello\r\n")] == [250]
    context = ssl.create_default_context(cafile=container.data / "tls/cert.pem")
    context.check_hostname = False
    client = poplib.POP3_SSL("127.0.0.1", port(container, "pop3s"), context=context, timeout=30)
    client.user(ALICE)
    client.pass_(PASSWORD)
    assert b"Subject: contained" in client.retr(1)[1]
    client.quit()

    # One process tree, none of it root's or free.
    server = container.pid()
    [launcher] = children(server)
    [host] = children(launcher)
    for pid in (server, launcher, host):
        check_confined(pid)
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(rf"^Uid:\s+{USER_ID}\s+{USER_ID}\s", status, re.M), status
    assert re.search(r"^NSpid:\s+\d+\s+1$", Path(f"/proc/{server}/status").read_text(), re.M)
    assert container.stop() == 0
    assert " stopped ok=true" in container.log()


def test_a_profile_that_refuses_io_uring_is_named(new_container):
    initialise(new_container)
    refused = new_container(docker_default()).run("serve")
    assert refused.returncode == 69, refused
    said = refused.stderr.decode()
    assert "io_uring is refused (EPERM)" in said
    assert "allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile" in said
    assert "--security-opt seccomp=" in said and "seccompProfile" in said


def test_the_root_file_system_refuses_writes(new_container):
    """Even where the server's user might write: nothing is written but the volume."""
    refused = new_container().run("init", "/etc/elsewhere")
    assert refused.returncode == 73 and b"Read-only file system" in refused.stderr, refused
    assert new_container().run("init", "/var/lib/poplar").returncode == 0


def test_the_first_process_reaps(new_container):
    """Those whose parents have ended, as commands that are run inside leave them."""
    container = initialise(new_container).start()
    server = container.pid()
    before = children(server)
    # A process in its namespaces, that ends at once and leaves a child behind.
    subprocess.run(["nsenter", "--target", str(server), "--pid", "sh", "-c", "(sleep 0.3 &) ; exit 0"], check=True, timeout=60)
    wait_for("nothing is left", 30, lambda: children(server) == before)
    assert container.stop() == 0


def test_the_same_build_gives_the_same_image(image, tmp_path):
    again = tmp_path / "again.tar"
    made = subprocess.run([str(BUILDER), str(again), "--build", str(BUILD)], capture_output=True, timeout=300)
    assert made.returncode == 0, made.stderr.decode()
    assert again.read_bytes() == image.read_bytes()


def test_what_is_in_it(unpacked):
    config, root = unpacked
    version = config["config"]["Labels"]["org.opencontainers.image.version"]
    assert config["names"] == {f"poplar:{version}", f"docker.io/library/poplar:{version}"}
    assert config["config"]["User"] == f"{USER_ID}:{USER_ID}"
    assert (root / "usr/bin/poplar").stat().st_mode & 0o777 == 0o755
    assert {path.name for path in (root / "usr/lib/poplar").iterdir()} >= {"ldap.so", "postgresql.so", EXAMPLE.name}
    assert (root / "etc/ssl/certs/ca-certificates.crt").read_text().count("BEGIN CERTIFICATE") > 50
    assert not any((root / name).exists() for name in ("bin/sh", "bin/bash", "usr/bin/dpkg", "usr/bin/apt"))
    for path in root.rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o6000 == 0, f"{path} would change who runs it"
    status = list((root / "var/lib/dpkg/status.d").iterdir())
    assert {"libc6", "libssl3", "libseccomp2"} <= {path.name for path in status}


def test_the_profile_has_all_that_the_sandbox_has():
    text = (ROOT / "core/sandbox/seccomp_lists.h").read_text()
    product = text[: text.index("kForSanitizers")]
    called = {name for words in re.findall(r'"([^"]+)"', product) for name in words.split()}
    assert len(called) > 100
    allowed = {name for rule in PROFILE["syscalls"] for name in rule["names"]}
    assert called <= allowed
    assert set(IO_URING) <= allowed
