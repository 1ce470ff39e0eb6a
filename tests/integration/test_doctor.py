"""`poplar doctor`: it says what is wrong and whose move it is, of a server that is well, that is down, and of customers in trouble."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest
from conftest import ALICE, BOB, PASSWORDS
from frozen import freeze
from network import free_port
from poplar_server import POPLAR, PoplarServer, read_line, read_to_end, wait_for
from refused_calls import IO_URING_SETUP, refusing
from service_manager import ServiceManager, tcp_socket
from token_server import BUILD

EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 64, 65, 67, 69, 75, 77, 78


@pytest.fixture
def server(tmp_path):
    """On ports that stand in the configuration, as an operator's do."""
    made = PoplarServer(tmp_path / "server")
    text = made.config_path.read_text()
    for section in ("pop3", "pop3s", "lmtp"):
        head, mark, rest = text.partition(f"[{section}]\nlisten = [")
        text = head + mark + f'"127.0.0.1:{free_port()}"]' + "\n" + rest.partition("]\n")[2]
    text = text.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{free_port()}"')
    made.config_path.write_text(text + f'\n[setup]\nlisten = ["127.0.0.1:{free_port()}"]\npop3_host = "localhost"\n')
    made.add_tenant("alpha", "alpha.example")
    made.add_user(ALICE, PASSWORDS[ALICE])
    made.start()
    yield made
    made.stop()


def doctor(server, *arguments, password=None, code=0, **options):
    """What it found, by step, the last of each; and what the customer is told."""
    more = ["--password-stdin"] if password is not None else []
    done = server.run("doctor", *arguments, *more, "--json", check=False, input=(password or "").encode() + b"\n", **options)
    assert done.returncode == code, (done.returncode, done.stdout.decode(), done.stderr.decode())
    told = json.loads(done.stdout)
    assert told["ok"] == (code == 0)
    return {finding["step"]: finding for finding in told["findings"]}, told["to_customer"]


def test_a_server_that_is_well(server):
    steps, _ = doctor(server)
    for step in ("configuration", "kernel", "admin socket", "port pop3", "port pop3s", "port lmtp", "socket lmtp", "port setup", "server",
                 "back ends", "store"):
        assert steps[step]["health"] == "ok", steps[step]
    assert steps["disk"]["health"] in ("ok", "note")
    text = server.run("doctor").stdout.decode()
    assert "Nothing is wrong" in text and "To the customer" not in text


def test_descriptors_are_the_servers(server):
    """Not those of the shell that asks."""
    limit = int(server.metric("process_max_fds"))
    asked = subprocess.run(["prlimit", "--nofile=200:200", "--", POPLAR, "doctor", "--config", str(server.config_path), "--json"],
                           capture_output=True, timeout=60)
    steps = {finding["step"]: finding["says"] for finding in json.loads(asked.stdout)["findings"]}
    assert steps["descriptors"].startswith(f"{limit} "), steps["descriptors"]


def test_a_certificate_that_nobody_knows(server):
    steps, told = doctor(server, ALICE)
    assert steps["certificate"]["health"] == "note" and "localhost warn of it: self-signed" in steps["certificate"]["says"]
    assert any("ask whether it shall trust" in text for text in told)
    steps, told = doctor(server, ALICE, env=os.environ | {"SSL_CERT_FILE": str(server.certificate)})
    assert steps["certificate"]["health"] == "ok" and not any("certificate" in text for text in told)


def test_a_certificate_for_other_names(server):
    """Told of whatever else there is to say of it."""
    server.add_tenant("beta", "beta.example")
    server.run("tenant", "set", "beta", "--pop3-host", "pop.beta.example")
    for environment in (os.environ, os.environ | {"SSL_CERT_FILE": str(server.certificate)}):
        for who in ((), ("nobody@beta.example",)):
            steps, _ = doctor(server, *who, code=EX_CONFIG, env=environment)
            name = steps["certificate name"]
            assert name["health"] == "fault" and "come to pop.beta.example are shown" in name["says"], name
            assert "a folder pop.beta.example in tls.certificates" in name["mend"] and name["whose_move"] == "operator"
            assert "is for another name" in name["to_customer"]
    assert "certificate name" not in doctor(server, ALICE)[0], "his is another"


def test_the_socket_of_lmtp(server):
    (server.directory / "run/lmtp.sock").unlink()
    steps, _ = doctor(server, code=EX_UNAVAILABLE)
    assert steps["socket lmtp"]["health"] == "fault" and steps["port lmtp"]["health"] == "ok"
    server.config_path.write_text(server.config_path.read_text().replace("run/lmtp.sock", "run/other.sock"))
    steps, _ = doctor(server, code=EX_UNAVAILABLE)
    assert "other.sock, which is lmtp.socket" in steps["listeners"]["says"]


def test_a_server_that_hangs(server):
    """It is not waited for at each of its doors."""
    freeze(server.process.pid)
    try:
        steps, _ = doctor(server, ALICE, code=EX_UNAVAILABLE)
    finally:
        server.signal(signal.SIGCONT)
    for step in ("admin socket", "port pop3", "metrics"):
        assert steps[step]["health"] == "fault" and steps[step]["whose_move"] == "operator" and steps[step]["mend"], steps[step]
    for step in ("port pop3s", "port lmtp", "socket lmtp", "port setup", "log-in"):
        assert steps[step]["health"] == "skipped", steps[step]


def test_a_server_that_drains(tmp_path):
    server = PoplarServer(tmp_path / "server", drain_limit_s=120)
    server.add_tenant("alpha", "alpha.example")
    server.add_user(ALICE, PASSWORDS[ALICE])
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{free_port()}"'))
    with server:
        with server.raw("lmtp") as mail:  # It ends when this message has come.
            mail.sendall(b"LHLO mta.test\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n" % ALICE.encode())
            while not read_line(mail).startswith(b"354"):
                pass
            server.signal(signal.SIGTERM)
            wait_for("it drains", 10, lambda: server.http("/readyz") == (503, "draining\n"))
            steps, _ = doctor(server, code=EX_UNAVAILABLE)
        assert steps["server"]["health"] == "fault" and "not ready: draining" in steps["server"]["says"]
        assert steps["server"]["whose_move"] == "operator" and '"draining" with a new start' in steps["server"]["mend"]
        assert server.wait() == 0


def test_a_kernel_that_refuses_io_uring(server):
    command = [*refusing(IO_URING_SETUP), os.path.abspath(POPLAR), "doctor", "--config", str(server.config_path), "--json"]
    asked = subprocess.run(command, capture_output=True, timeout=60)
    assert asked.returncode == EX_UNAVAILABLE
    kernel = {finding["step"]: finding for finding in json.loads(asked.stdout)["findings"]}["kernel"]
    assert kernel["health"] == "fault" and "io_uring is refused (EPERM)" in kernel["says"] and kernel["whose_move"] == "operator"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_full_disk(server):
    script = f"""cp {server.directory}/store/superblock* {server.directory}
mount -t tmpfs -o size=64m tmpfs {server.directory}/store || exit 99
cp {server.directory}/superblock* {server.directory}/store
{POPLAR} doctor --json --config {server.config_path}"""
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, timeout=60)
    if done.returncode == 99:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode()}")
    assert done.returncode == EX_UNAVAILABLE
    disk = {finding["step"]: finding for finding in json.loads(done.stdout)["findings"]}["disk"]
    assert disk["health"] == "fault" and "mail is deferred" in disk["says"] and "A full disk" in disk["mend"]


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


def test_what_is_kept_back_of_the_disk(server):
    server.stop()
    server.config_path.write_text(server.config_path.read_text().replace('path = "store"', 'path = "store"\nsegment_mib = 1024'))
    partitions = len(list((server.directory / "store").glob("p*")))
    steps, _ = doctor(server, code=EX_UNAVAILABLE)  # No server runs.
    assert f"leaves {partitions + 1}.0 GiB to deletions" in steps["disk"]["says"]


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


def test_a_customer_who_reads_recent_mail(server):
    """As he types his name."""
    server.deliver([ALICE], b"Subject: hello\r\n\r\nhello\r\n")
    name = f"Recent:{ALICE}"
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    steps, told = doctor(server, name, password=PASSWORDS[ALICE])
    assert "the password is right" in steps["log-in"]["says"] and steps["mailbox"]["says"].startswith("1 message, ")
    assert steps["sessions"]["health"] == "ok", "he meets nobody"
    assert any(f"the user name is {name}" in text for text in told)
    client.quit()
    assert doctor(server, "recent:", code=EX_DATAERR)[0]["address"]["health"] == "fault"
    server.reconfigure("[pop3]\n", "[pop3]\nrecent_days = 0\n")
    assert doctor(server, name, code=EX_NOUSER)[0]["log-in"]["health"] == "fault", "a name like others"


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


def add_app_password(server, *options):
    return server.run_json("user", "app-password", "add", ALICE, *options)["password"]


def test_passwords_that_are_refused_though_they_are_right(server):
    server.run("user", "set", ALICE, "--require-app-password", "true")
    steps, told = doctor(server, ALICE, password=PASSWORDS[ALICE], code=EX_NOPERM)
    assert "only app passwords" in steps["log-in"]["says"] and f"user app-password add {ALICE}" in steps["log-in"]["mend"]
    assert "need an app password" in told[0]
    assert "the password is right" in doctor(server, ALICE, password=add_app_password(server, "phone"))[0]["log-in"]["says"]
    old = add_app_password(server, "tablet", "--expires", "2099-01-01")
    with contextlib.closing(sqlite3.connect(server.directory / "users.db")) as database:
        database.execute("UPDATE app_passwords SET expires_s = 1 WHERE label = 'tablet'")
        database.commit()
    steps, told = doctor(server, ALICE, password=old, code=EX_NOPERM)
    assert 'the app password "tablet" has expired' in steps["log-in"]["says"] and "no longer taken" in told[0]
    server.run("user", "add", BOB, "--no-password")
    steps, told = doctor(server, BOB, password="anything", code=EX_NOPERM)
    assert steps["log-in"]["whose_move"] == "operator" and steps["log-in"]["mend"] == f"`poplar user passwd {BOB}` sets one"
    assert "has no password yet" in told[0]


def test_what_a_directory_says_of_passwords(server, tmp_path):
    """Whose accounts they are, has the next move."""
    server.stop()
    (tmp_path / "old").write_text("locked@alpha.example:!\nnew@alpha.example:\nknown@alpha.example:{PLAIN}secret\n")
    server.config_path.write_text(server.config_path.read_text() + f"""
[auth]
chain = ["users", "old"]
[backend.old]
driver = "passwd-file"
file = "{tmp_path}/old"
weak_schemes = true
""")
    server.start()
    for user, word, mover in (("locked", "account is locked", "directory"), ("new", "no password yet", "directory"), ("known", "type it again", "customer")):
        steps, told = doctor(server, f"{user}@alpha.example", password="anything", code=EX_NOPERM)
        assert steps["log-in"]["whose_move"] == mover and word in told[0], (user, steps["log-in"], told)
        assert ("[backend.old]" in steps["log-in"]["mend"]) == (mover == "directory"), steps["log-in"]


def test_an_app_password_that_is_for_one_network(server):
    password = add_app_password(server, "scanner", "--from", "192.0.2.0/24")
    steps, told = doctor(server, ALICE, password=password)
    assert steps["app password"]["health"] == "note" and "from 192.0.2.0/24 alone" in steps["app password"]["says"]
    assert any("is for 192.0.2.0/24 alone" in text for text in told)
    assert doctor(server, ALICE, "--from", "192.0.2.7", password=password)[0]["app password"]["health"] == "ok"
    steps, _ = doctor(server, ALICE, "--from", "127.0.0.1", password=password, code=EX_NOPERM)
    assert steps["app password"]["health"] == "fault" and "not from 127.0.0.1" in steps["app password"]["says"]
    assert "app password" not in doctor(server, ALICE, "--from", "127.0.0.1", password=PASSWORDS[ALICE])[0]
    for wrong in (("--from", "here", "--password"), ("--from", "192.0.2.7")):
        assert server.run("doctor", ALICE, *wrong, check=False).returncode == EX_USAGE


def test_settings_say_how_the_password_goes(server):
    assert any("normal password" in text for text in doctor(server, ALICE)[1])
    server.config_path.write_text(server.config_path.read_text() + '\n[auth]\nmechanisms = ["USER", "APOP", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"]\n')
    for mechanisms, says in (("APOP,SCRAM-SHA-256", "encrypted password (APOP)"), ("OAUTHBEARER,XOAUTH2", "by OAuth"), ("SCRAM-SHA-256", "by SCRAM")):
        server.run("tenant", "set", "alpha", "--mechanisms", mechanisms)
        told = doctor(server, ALICE)[1]
        assert any(f"authentication: {says}" in text for text in told), (mechanisms, told)


def test_what_is_typed_does_nothing_to_the_terminal(server):
    assert server.run("doctor", "", check=False).returncode == EX_USAGE, "an empty variable is not the server alone"
    for typed in (b"\x1b[2J@alpha.example", b"\xff"):
        done = server.run("doctor", typed, check=False)
        assert b"\x1b" not in done.stdout and b"\xff" not in done.stdout and b"fault" in done.stdout, done
    assert doctor(server, b"\xff", code=EX_DATAERR)[0]["address"]["says"] == "\\xff is no whole address"


def test_a_directory_that_is_down(server):
    """One on whose port nobody listens."""
    server.stop()
    server.add_tenant("beta", "beta.example")
    # Workers find it out each for itself.
    server.config_path.write_text(server.config_path.read_text().replace("workers = 2", "workers = 1") + f"""
[auth]
chain = ["users", "directory"]
penalty_delay_max_ms = 0
refusal_step_ms = 0
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

    def is_left_alone():
        # Of one tenant alone it may be its own fault.
        for nobody in ("carol@alpha.example", "dan@beta.example"):
            server.try_login(nobody, "secret")
        return server.metric("poplar_backend_breaker", backend="directory") > 0

    wait_for("it is left alone", 30, is_left_alone)
    steps, _ = doctor(server, code=EX_TEMPFAIL)
    assert steps["back end directory"]["health"] == "fault" and steps["back end directory"]["whose_move"] == "directory"


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
    assert steps["configuration"]["whose_move"] == "operator" and "poplar check" in steps["configuration"]["mend"]
    server.config_path.write_text(text)


def test_the_proxy_protocol_is_spoken_where_it_is_asked_for(server):
    server.reconfigure("[pop3]\n", '[pop3]\nproxy_networks = ["127.0.0.0/8"]\n')
    steps, _ = doctor(server)
    assert steps["port pop3"]["health"] == steps["port pop3s"]["health"] == "ok"
