"""`poplar doctor`: it says what is wrong and whose move it is, of a server that is well, that is down, and of customers in trouble."""

import contextlib
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import ALICE, BOB, PASSWORDS
from network import free_port
from poplar_server import POPLAR, PoplarServer, read_to_end
from service_manager import ServiceManager, tcp_socket
from token_server import BUILD

EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 65, 67, 69, 75, 77, 78


@pytest.fixture
def server(tmp_path):
    """On ports that stand in the configuration, as an operator's do."""
    made = PoplarServer(tmp_path / "server")
    text = made.config_path.read_text()
    for section in ("pop3", "pop3s", "lmtp"):
        head, mark, rest = text.partition(f"[{section}]\nlisten = [")
        text = head + mark + f'"127.0.0.1:{free_port()}"]' + "\n" + rest.partition("]\n")[2]
    text = text.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{free_port()}"')
    made.config_path.write_text(text + f'\n[setup]\nlisten = ["127.0.0.1:{free_port()}"]\n')
    made.add_tenant("alpha", "alpha.example")
    made.add_user(ALICE, PASSWORDS[ALICE])
    made.start()
    yield made
    made.stop()


def doctor(server, *arguments, password=None, code=0):
    """What it found, by step, the last of each; and what the customer is told."""
    more = ["--password-stdin"] if password is not None else []
    done = server.run("doctor", *arguments, *more, "--json", check=False, input=(password or "").encode() + b"\n")
    assert done.returncode == code, (done.returncode, done.stdout.decode(), done.stderr.decode())
    told = json.loads(done.stdout)
    assert told["ok"] == (code == 0)
    return {finding["step"]: finding for finding in told["findings"]}, told["to_customer"]


def test_a_server_that_is_well(server):
    steps, _ = doctor(server)
    for step in ("configuration", "kernel", "admin socket", "port pop3", "port pop3s", "port lmtp", "port setup", "server",
                 "back ends", "store"):
        assert steps[step]["health"] == "ok", steps[step]
    assert steps["disk"]["health"] in ("ok", "note")
    assert steps["certificate"]["health"] == "note" and "warn of it" in steps["certificate"]["says"]
    text = server.run("doctor").stdout.decode()
    assert "Nothing is wrong" in text and "To the customer" not in text


def test_descriptors_are_the_servers(server):
    """Not those of the shell that asks."""
    limit = int(server.metric("process_max_fds"))
    asked = subprocess.run(["prlimit", "--nofile=200:200", "--", POPLAR, "doctor", "--config", str(server.config_path), "--json"],
                           capture_output=True, timeout=60)
    steps = {finding["step"]: finding["says"] for finding in json.loads(asked.stdout)["findings"]}
    assert steps["descriptors"].startswith(f"{limit} "), steps["descriptors"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_the_disk_of_the_users(server, tmp_path):
    server.stop()
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f"""mount -t tmpfs -o size=64m tmpfs {disk} && cp {server.directory}/users.db {disk} || exit 99
{POPLAR} doctor --json --config {server.config_path}; dd if=/dev/zero of={disk}/full bs=1M count=55 status=none
echo; echo ---; {POPLAR} doctor --json --config {server.config_path}"""
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace('database = "users.db"', f'database = "{disk}/users.db"'))
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, timeout=60)
    if b"---" not in done.stdout:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode()}")
    before, after = ({finding["step"]: finding for finding in json.loads(part)["findings"]} for part in done.stdout.split(b"---"))
    assert before["disk of users"]["health"] == "ok" and after["disk of users"]["health"] == "fault"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_small_disk_of_the_store(server, tmp_path):
    """It takes mail until the segments that are laid out are full: so it is told."""
    server.stop()
    disk = tmp_path / "disk"
    disk.mkdir()
    server.config_path.write_text(server.config_path.read_text().replace('path = "store"', f'path = "{disk}"\nsegment_mib = 8'))
    server.wrapper = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=200m tmpfs {disk} && cp -a {server.directory}/store/. {disk} && exec "$@"', "sh"]
    if subprocess.run([*server.wrapper, "true"], capture_output=True, timeout=60).returncode:
        pytest.skip("nothing can be mounted here")
    server.start()
    server.deliver([ALICE], b"Subject: taken\r\n\r\nx\r\n")
    inside = ["nsenter", f"--target={server.process.pid}", "--mount"]
    done = subprocess.run([*inside, POPLAR, "doctor", "--json", "--config", str(server.config_path)], capture_output=True, timeout=60)
    [found] = [finding for finding in json.loads(done.stdout)["findings"] if finding["step"] == "disk"]
    assert found["health"] == "fault" and "deferred as soon as those that are there are full" in found["says"], found


def test_a_customer_who_is_well(server):
    server.deliver([ALICE], b"Subject: hello\r\n\r\nhello\r\n")
    steps, told = doctor(server, ALICE, password=PASSWORDS[ALICE])
    assert "the password is right" in steps["log-in"]["says"]
    assert steps["mailbox"]["says"].startswith("1 message, ")
    settings = [text for text in told if "These are the settings" in text]
    assert settings and "with SSL/TLS" in settings[0] and f"the user name is {ALICE}" in settings[0]
    assert "sessions" not in steps
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    steps, told = doctor(server, ALICE)
    assert "[IN-USE]" in steps["sessions"]["says"] and steps["sessions"]["health"] == "note"
    assert any(f"recent:{ALICE}" in text for text in told)
    client.quit()
    client = server.pop3(f"recent:{ALICE}", PASSWORDS[ALICE])
    steps, _ = doctor(server, ALICE)
    assert steps["sessions"]["health"] == "ok" and "reads along" in steps["sessions"]["says"]
    client.quit()


def test_a_right_password_that_has_to_wait(server):
    for guess in range(9):
        with server.raw(timeout=60) as client:
            client.sendall(f"USER {ALICE}\r\nPASS guess {guess}\r\nQUIT\r\n".encode())
            assert b"[AUTH]" in read_to_end(client)
    steps, told = doctor(server, ALICE, password=PASSWORDS[ALICE])
    assert "the password is right" in steps["log-in"]["says"]
    assert steps["penalty"]["health"] == "note" and "from 127.0.0.1 wait" in steps["penalty"]["says"]
    assert any("correct the password on every device" in text for text in told)
    tested = server.run("auth", "test", ALICE, "--password-stdin", input=PASSWORDS[ALICE].encode() + b"\n").stdout.decode()
    assert "The password is right" in tested and "But log-ins from 127.0.0.1 wait" in tested
    server.add_user(BOB, PASSWORDS[BOB])
    assert "penalty" not in doctor(server, BOB, password=PASSWORDS[BOB])[0], "nothing is known of where he is"


@pytest.mark.parametrize("address, password, step, code", [
    (ALICE, "wrong", "log-in", EX_NOPERM),
    ("nobody@alpha.example", None, "log-in", EX_NOUSER),
    ("alice@nowhere.example", None, "tenant", EX_NOUSER),
    ("alice", None, "address", EX_DATAERR),
])
def test_what_the_customer_has_to_do(server, address, password, step, code):
    steps, told = doctor(server, address, password=password, code=code)
    assert steps[step]["health"] == "fault" and steps[step]["whose_move"] == "customer"
    assert told[0] == steps[step]["to_customer"] != ""
    if password is None:
        text = server.run("doctor", address, check=False).stdout.decode()
        assert "the customer's move: " in text and "To the customer:" in text


def test_what_stands_in_the_accounts_way(server):
    server.add_user(BOB, PASSWORDS[BOB])
    server.run("user", "set", BOB, "--pop3", "false")
    steps, told = doctor(server, BOB, password=PASSWORDS[BOB], code=EX_NOPERM)
    assert steps["log-in"]["whose_move"] == "operator" and "not let in" in steps["log-in"]["says"] and told
    server.run("user", "disable", ALICE)
    steps, told = doctor(server, ALICE, password=PASSWORDS[ALICE], code=EX_NOPERM)
    assert "disabled" in steps["log-in"]["says"] and "switched off" in told[0]
    server.run("user", "enable", ALICE)
    server.run("user", "set", ALICE, "--quota-messages", "1")
    server.deliver([ALICE], b"Subject: hello\r\n\r\nhello\r\n")
    steps, told = doctor(server, ALICE, code=EX_NOPERM)
    assert steps["quota"]["whose_move"] == "customer" and "mailbox is full" in told[0]
    server.run("tenant", "disable", "alpha")
    steps, _ = doctor(server, ALICE, code=EX_NOPERM)
    assert steps["tenant"]["mend"] == "`poplar tenant enable alpha`"


def test_a_directory_that_is_down(server):
    """One on whose port nobody listens."""
    server.stop()
    server.config_path.write_text(server.config_path.read_text() + f"""
[auth]
chain = ["users", "directory"]
[backend.directory]
plugin = "{BUILD / "auth/plugins/ldap.so"}"
mode = "search-bind"
server = ["ldap://127.0.0.1:{free_port()}"]
base = "o=hosting"
filter = "(mail=%{{login}})"
""")
    server.start()
    steps, told = doctor(server, "carol@alpha.example", password="secret", code=EX_TEMPFAIL)
    assert steps["log-in"]["whose_move"] == "directory" and "directory" in steps["log-in"]["says"]
    assert "cannot be reached" in told[0]


def pop3_listen(server):
    return server.config_path.read_text().split('[pop3]\nlisten = ["')[1].split('"')[0]


def test_a_server_that_is_down(server):
    server.stop()
    steps, told = doctor(server, ALICE, code=EX_UNAVAILABLE)
    assert steps["admin socket"]["whose_move"] == "operator" and "no server runs here" in steps["admin socket"]["says"]
    assert steps["port pop3"]["health"] == "skipped" and steps["log-in"]["health"] == "skipped"
    assert "fault on our side" in told[0]
    with socket.create_server(("127.0.0.1", int(pop3_listen(server).split(":")[1]))):
        steps, _ = doctor(server, code=EX_UNAVAILABLE)
        assert f"(process {os.getpid()}) listens on" in steps["port pop3"]["says"]


def test_a_port_that_is_not_the_servers(server):
    """As after a change of the configuration that no restart followed."""
    text = server.config_path.read_text()
    with socket.create_server(("127.0.0.1", 0)) as other:
        server.config_path.write_text(text.replace(pop3_listen(server), f"127.0.0.1:{other.getsockname()[1]}"))
        steps, _ = doctor(server, code=EX_UNAVAILABLE)
        assert steps["listeners"]["health"] == "fault" and "does not listen at" in steps["listeners"]["says"]
    assert steps["port pop3"]["health"] == "ok", "it goes where the server is"
    server.config_path.write_text(text)


@contextlib.contextmanager
def called(name):
    """This process, and the threads that it makes meanwhile, by another name."""
    before = Path("/proc/self/comm").read_text()
    Path("/proc/self/comm").write_text(name)
    try:
        yield
    finally:
        Path("/proc/self/comm").write_text(before)


def listeners_and_their_owner(server):
    """Sockets in place of the ports of POP3 that the server has in its file, which nobody has now."""
    manager = ServiceManager(server, [("pop3", tcp_socket()), ("pop3s", tcp_socket())])
    return manager, manager.port("pop3"), manager.port("pop3s")


def test_sockets_of_the_service_manager(server):
    server.stop()
    manager, pop3, pop3s = listeners_and_their_owner(server)
    with contextlib.closing(manager):
        server.start()
        steps, told = doctor(server, ALICE, password=PASSWORDS[ALICE])
        assert steps["port pop3"]["says"] == f"127.0.0.1:{pop3} answers"
        assert steps["port pop3s"]["says"] == f"127.0.0.1:{pop3s} answers"
        assert steps["listeners"]["health"] == "ok" and "2 are the service manager's" in steps["listeners"]["says"]
        assert any(f"port {pop3s} with SSL/TLS" in text and f"port {pop3} with STARTTLS" in text for text in told)
        records = [record["data"] for record in server.run_json("tenant", "dns", "alpha.example")]
        assert any(f" {pop3} " in data for data in records) and any(f" {pop3s} " in data for data in records)
        server.stop()
        assert "no server was asked" in server.run("tenant", "dns", "alpha.example").stdout.decode()


def test_systemd_holds_the_ports_of_a_server_that_is_down(server):
    server.stop()
    with called("systemd"), socket.create_server(("127.0.0.1", int(pop3_listen(server).split(":")[1]))) as held:
        steps, _ = doctor(server, code=EX_UNAVAILABLE)
        assert steps["port pop3"]["health"] == "skipped" and "systemd holds" in steps["port pop3"]["says"]
        assert "journalctl -u poplar" in steps["admin socket"]["mend"]
        held.setblocking(False)
        with pytest.raises(BlockingIOError):
            held.accept()


def test_a_configuration_that_is_wrong(server):
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace("[log]", '[log]\nlevle = "info"'))
    steps, told = doctor(server, ALICE, code=EX_CONFIG)
    assert "levle" in steps["configuration"]["says"] and list(steps) == ["configuration"] and told
    server.config_path.write_text(text)


def test_the_proxy_protocol_is_spoken_where_it_is_asked_for(server):
    server.reconfigure("[pop3]\n", '[pop3]\nproxy_networks = ["127.0.0.0/8"]\n')
    steps, _ = doctor(server)
    assert steps["port pop3"]["health"] == steps["port pop3s"]["health"] == "ok"
