"""A real Poplar server for tests: its own directory and ports, started and stopped by the test that uses it.

Everything waits with an end, and only the process that was started here is ever signalled.
"""

import json
import os
import poplib
import re
import shutil
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

POPLAR = os.environ.get("POPLAR", "build/release/core/app/poplar")
# What a second is to a program on a machine that has much else to do, where the sanitizers slow it down, and on one that
# is itself made of software (tests/kernel/vm).
SLOWNESS = 20 if os.environ.get("POPLAR_VM") else 6 if os.environ.get("POPLAR_SANITIZE") else 2
START_SECONDS = 15 * SLOWNESS
STOP_SECONDS = 30 * SLOWNESS

poplib._MAXLINE = 1 << 22  # The messages here have lines that poplib would refuse.

CONFIG = """
[server]
hostname = "mail.test"
workers = {workers}
drain_limit_s = {drain_limit_s}
{sandbox}
congestion_control = "cubic"

[log]
level = "info"

[store]
path = "store"
{store}

[users]
database = "users.db"
# Passwords as they come; the policy has unit tests (app_test).
password_min_length = 1
password_min_strength = 0
{users}

[tls]
certificate = "tls/cert.pem"
key = "tls/key.pem"
{tls}

[pop3]
listen = ["127.0.0.1:0", "[::1]:0"]
{pop3}

[pop3s]
listen = ["127.0.0.1:0"]

[lmtp]
listen = ["127.0.0.1:0"]
socket = "run/lmtp.sock"
{lmtp}

[http]
listen = "127.0.0.1:0"

[admin]
socket = "run/admin.sock"
"""


def wait_for(what, seconds, probe):
    """Calls `probe` until it is true; fails with `what` after `seconds`, or as many more of them as this build is slower."""
    seconds *= SLOWNESS
    deadline = time.monotonic() + seconds
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class PoplarServer:
    def __init__(self, directory, workers=2, drain_limit_s=10, wrapper=(), made=False, **sections):
        """`made`: its folder is there, with a configuration."""
        self.directory = Path(directory)
        self.wrapper = list(wrapper)
        self.process = None
        self.process_options = {}  # Of Popen.
        self.program = None  # Another binary than POPLAR.
        self.ports = {}
        self.log_path = self.directory / "server.log"
        self.config_path = self.directory / "poplar.toml"
        if made:
            return
        # First, as some of it counts when the store is made.
        self.directory.mkdir(parents=True, exist_ok=True)
        self.configure(workers=workers, drain_limit_s=drain_limit_s, **sections)
        self.run("init", str(self.directory), config=False)

    # --- The command line.
    def configure(self, workers=2, drain_limit_s=10, store="", users="", tls="", pop3="", lmtp=""):
        # What the thread sanitizer is not to tell of it knows by the names that a program of its own looks up.
        sandbox = 'sandbox = "off"' if os.environ.get("POPLAR_SANITIZE") == "thread" else ""
        if os.environ.get("POPLAR_VM") and "hash" not in users:
            users = f'hash = "sha512crypt"\n{users}'  # Of the default a machine in software makes one in seconds.
        self.config_path.write_text(
            CONFIG.format(sandbox=sandbox, workers=workers, drain_limit_s=drain_limit_s, store=store, users=users, tls=tls, pop3=pop3, lmtp=lmtp)
        )

    def run(self, *arguments, config=True, check=True, **options):
        command = [self.program or POPLAR, *arguments]
        if config:
            command += ["--config", str(self.config_path)]
        result = subprocess.run(command, capture_output=True, timeout=30 * SLOWNESS, **options)
        if check and result.returncode != 0:
            raise AssertionError(f"{command} ended with {result.returncode}: {result.stderr.decode()}")
        return result

    def run_json(self, *arguments):
        return json.loads(self.run(*arguments, "--json").stdout)

    def add_tenant(self, name, *domains):
        self.run("tenant", "add", name, *(word for domain in domains for word in ("--domain", domain)))

    def add_user(self, address, password):
        self.run("user", "add", address, "--password-stdin", input=password.encode() + b"\n")

    # --- The process.
    def start(self):
        assert self.process is None
        log = open(self.log_path, "ab")
        log_start = self.log_path.stat().st_size
        self.process = subprocess.Popen(
            [*self.wrapper, self.program or POPLAR, "serve", "--config", str(self.config_path)],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self.process_options,
        )
        log.close()

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
            text = self.log()[log_start:]
            if "event=ready" not in text and not re.search(r" ready( |$)", text, re.M):
                return False
            for protocol, address in re.findall(r" listening .*?protocol=(\S+) .*?address=(\S+)", text):
                if match := re.fullmatch(r"\[.*\]:(\d+)", address):
                    self.ports[protocol + "_v6"] = int(match[1])
                elif match := re.fullmatch(r"[\d.]+:(\d+)", address):
                    self.ports[protocol] = int(match[1])
            return True

        wait_for("the server is ready", START_SECONDS, ready)
        return self

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def says(self, text):
        """Waits until the log has `text`: a line is written a few milliseconds after its event, so often after the reply."""
        wait_for(f"{text} in the log", 10, lambda: text in self.log())

    def signal(self, number):
        self.process.send_signal(number)

    def reconfigure(self, old, new):
        """Puts `new` for `old` into the configuration, and waits until the running server has read it."""
        text = self.config_path.read_text()
        assert text.count(old) == 1, text
        self.config_path.write_text(text.replace(old, new))
        reloads = lambda: len(re.findall(r'[ "]reloaded[ "]', self.log()))
        before = reloads()
        self.signal(signal.SIGHUP)
        wait_for("the server reloads", 20, lambda: reloads() > before)

    def wait(self, seconds=STOP_SECONDS):
        try:
            return self.process.wait(timeout=seconds)
        finally:
            if self.process.poll() is not None:
                self.process = None

    def stop(self):
        """Ends the server in order and checks that it ended well."""
        if self.process is None:
            return
        self.signal(signal.SIGTERM)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop:\n{self.log()[-4000:]}") from None
        assert code == 0, f"the server ended with {code}:\n{self.log()[-8000:]}"

    def kill(self, running=False):
        """With SIGKILL. `running`: it must not have ended by itself before."""
        if self.process is not None:
            if running:
                code = self.process.poll()
                assert code is None, f"the server ended by itself with {code}:\n{self.log()[-8000:]}"
            self.process.kill()
            self.process.wait(timeout=STOP_SECONDS)
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, _value, _trace):
        if kind is None:
            self.stop()
        else:
            self.kill()
            print(f"--- the server's log\n{self.log()[-8000:]}")

    # --- Clients.
    @property
    def certificate(self):
        return self.directory / "tls/cert.pem"

    def tls(self):
        return ssl.create_default_context(cafile=self.certificate)

    def pop3(self, user=None, password=None, mode="plain", timeout=30):
        if mode == "pop3s":
            client = poplib.POP3_SSL("localhost", self.ports["pop3s"], context=self.tls(), timeout=timeout)
        else:
            client = poplib.POP3("127.0.0.1", self.ports["pop3"], timeout=timeout)
            if mode == "stls":
                client.host = "localhost"
                client.stls(self.tls())
        if user is not None:
            client.user(user)
            client.pass_(password)
        return client

    def try_login(self, user, password):
        """A client that is logged in, or the text of the refusal."""
        try:
            return self.pop3(user, password), ""
        except poplib.error_proto as error:
            reply = error.args[0]
            return None, reply.decode() if isinstance(reply, bytes) else str(reply)

    def lmtp(self, timeout=30):
        return smtplib.LMTP("127.0.0.1", self.ports["lmtp"], local_hostname="mta.test", timeout=timeout)

    def deliver(self, recipients, message, sender="sender@mta.test"):
        """Hands `message` (bytes) over by LMTP; every recipient must be accepted."""
        with self.lmtp() as client:
            client.ehlo_or_helo_if_needed()
            replies = lmtp_transaction(client, recipients, message, sender)
            assert all(code == 250 for code, _ in replies), replies

    def raw(self, port="pop3", timeout=30):
        return socket.create_connection(("127.0.0.1", self.ports[port]), timeout=timeout)

    def http(self, path):
        """Status and text of a page of the metrics port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['http']}{path}", timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name, **labels):
        """The sum of a metric's samples whose labels include `labels`."""
        total, found = 0.0, False
        for line in self.http("/metrics")[1].splitlines():
            match = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$", line)
            if not match or match[1] != name:
                continue
            have = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            if all(have.get(key) == value for key, value in labels.items()):
                total, found = total + float(match[3]), True
        assert found, f"no metric {name} {labels}"
        return total

    def memory_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def lmtp_transaction(client, recipients, message, sender="sender@mta.test"):
    """One transaction by DATA; a reply for each recipient, in order (smtplib itself reads one only)."""
    code, text = client.mail(sender)
    assert code == 250, (code, text)
    replies = [client.rcpt(recipient) for recipient in recipients]
    accepted = [i for i, (code, _) in enumerate(replies) if code == 250]
    if accepted:
        replies[accepted[0]] = client.data(message)
        for i in accepted[1:]:
            replies[i] = client.getreply()
    return replies


def read_line(connection, limit=65536):
    """One line from a socket, without its CRLF."""
    line = b""
    while not line.endswith(b"\n") and len(line) < limit:
        byte = connection.recv(1)
        if not byte:
            break
        line += byte
    return line.rstrip(b"\r\n")


def read_to_end(connection):
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def strict_tls(context, connection, server_name="localhost", session=None):
    """`connection` over TLS; an end without close_notify raises an ssl.SSLError."""
    # suppress_ragged_eofs is not enough: Python has OpenSSL take any end for one in order.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context.wrap_socket(connection, server_hostname=server_name, session=session, suppress_ragged_eofs=False)


def end_in_order(connection):
    """As who has nothing more to say; nothing more must be said to it."""
    connection.shutdown(socket.SHUT_WR)
    assert read_to_end(connection) == b""
    connection.close()


def end_by_reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def forget(path):
    """Takes the file out of memory, where its file system can."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def needs(program):
    """The path of a program that tests/packages.txt installs."""
    path = shutil.which(program)
    assert path, f"{program} is missing: tests/run installs it"
    return path
