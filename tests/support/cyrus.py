"""A real Cyrus for tests, to be moved away from: LMTP, IMAP and POP3 on loopback ports of its own, with a spool and users of its own.

Debian's cyrus-pop3d and cyrus-imapd exclude Dovecot's packages, which other tests need; so these two are not installed, but fetched by apt and
unpacked. Their programs run from anywhere beside cyrus-common. Only processes that were started here are signalled; every wait has an end.
"""

import imaplib
import os
import poplib
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
from pathlib import Path

from databases import FOLDER, family_of, lives
from fetched import fetched
from network import free_port
from poplar_server import STOP_SECONDS, lmtp_transaction, needs, wait_for

COMMON = Path("/usr/lib/cyrus/bin")
PATH = "/usr/sbin:" + os.environ["PATH"]
ACCOUNT = "cyrus"  # Of cyrus-common.
UIDL_FORMATS = ("cyrus", "uidonly", "courier", "dovecot")

SETTINGS = """
configdirectory: {directory}/lib
partition-default: {directory}/spool
defaultpartition: default
cyrus_user: {account}
virtdomains: userid
unixhierarchysep: yes
allowplaintext: yes
sasl_mech_list: PLAIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {directory}/sasldb2
autocreate_quota: 0
duplicatesuppression: no
expunge_mode: delayed
archivepartition-default: {directory}/archive
archive_enabled: yes
archive_after: 20000d
"""


def of_cyrus(package):
    """Where a package of cyrus-common's version is unpacked; None where apt does not get it."""
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "cyrus-common"], capture_output=True, timeout=60).stdout.decode()
    return fetched(package, version)


def why_not():
    """Why there can be no Cyrus here, or an empty text."""
    if os.geteuid() != 0:
        return "only root may run Cyrus as a user of its own"
    if not (COMMON / "lmtpd").exists() or not shutil.which("saslpasswd2", path=PATH):
        return "cyrus-common or sasl2-bin is missing: tests/run installs them"
    missing = [package for package in ("cyrus-imapd", "cyrus-pop3d") if of_cyrus(package) is None]
    return f"apt does not fetch {' and '.join(missing)} of cyrus-common's version" if missing else ""


class Cyrus:
    """`settings`: more lines of imapd.conf. The service that serves POP3 with the uidl_format `x` is called `popx`, so that
    `popx_setting: value` is for that one."""

    password = "moving-house"

    def __init__(self, settings=""):
        self.process = None
        self.directory = Path(tempfile.mkdtemp(prefix="poplar-cyrus-", dir=FOLDER))
        self.account = pwd.getpwnam(ACCOUNT)
        self.ports = {name: free_port() for name in ("lmtp", "imap", *UIDL_FORMATS)}
        for folder in ("lib", "lib/db", "lib/proc", "lib/socket", "spool", "archive"):
            (self.directory / folder).mkdir()
        self.config = self.directory / "imapd.conf"
        formats = "".join(f"pop{name}_uidl_format: {name}\n" for name in UIDL_FORMATS)
        self.config.write_text(SETTINGS.format(directory=self.directory, account=ACCOUNT) + formats + settings)
        imapd, pop3d = (of_cyrus(f"cyrus-{name}") / f"usr/lib/cyrus/bin/{name}" for name in ("imapd", "pop3d"))
        services = {"lmtp": f"{COMMON}/lmtpd -a", "imap": imapd, **{f"pop{name}": pop3d for name in UIDL_FORMATS}}
        lines = [f'{name} cmd="{command} -C {self.config}" listen="127.0.0.1:{self.ports[name.removeprefix("pop")]}"'
                 for name, command in services.items()]
        (self.directory / "cyrus.conf").write_text(
            "\n".join(["START {", f'recover cmd="{COMMON}/ctl_cyrusdb -C {self.config} -r"', "}", "SERVICES {", *lines, "}", ""]))
        self.own()

    def own(self):
        for path in [self.directory, *self.directory.rglob("*")]:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    @property
    def identity(self):
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}

    def run(self, program, *arguments):
        """A program of Cyrus' own, as its user."""
        result = subprocess.run([COMMON / program, "-C", self.config, *arguments], capture_output=True, timeout=60, cwd=self.directory, **self.identity)
        assert result.returncode == 0, (program, arguments, result.stdout, result.stderr)
        return result.stdout.decode()

    def add_user(self, address):
        name, domain = address.split("@")
        subprocess.run([shutil.which("saslpasswd2", path=PATH), "-p", "-c", "-f", self.directory / "sasldb2", "-u", domain, name],
                       input=self.password.encode(), check=True, capture_output=True, timeout=60)
        os.chown(self.directory / "sasldb2", self.account.pw_uid, self.account.pw_gid)

    def start(self):
        with open(self.directory / "log", "ab") as log:
            # A session of its own: it ends by signalling its process group.
            self.process = subprocess.Popen(
                [shutil.which("cyrmaster", path=PATH), "-C", self.config, "-M", self.directory / "cyrus.conf", "-p", self.directory / "pid", "-D"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, start_new_session=True, **self.identity)

        def greets():
            assert self.process.poll() is None, (self.directory / "log").read_text()
            try:
                with socket.create_connection(("127.0.0.1", self.ports["lmtp"]), timeout=10) as probe:
                    return probe.recv(1) != b""
            except OSError:
                return False

        wait_for("Cyrus greets", 30, greets)
        return self

    def stop(self):
        if self.process is None:
            return
        family = family_of(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(timeout=STOP_SECONDS)
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # As it should be.
            self.process.wait(timeout=STOP_SECONDS)
            self.process = None
        wait_for("all of Cyrus has ended", 30, lambda: not any(map(lives, family)))

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory)

    # --- Mail.
    def deliver(self, address, message):
        with smtplib.LMTP("127.0.0.1", self.ports["lmtp"], local_hostname="mta.test", timeout=30) as client:
            client.ehlo_or_helo_if_needed()
            assert [code for code, _ in lmtp_transaction(client, [address], message)] == [250]

    def imap(self, address):
        """A session; the first makes the mailbox."""
        client = imaplib.IMAP4("127.0.0.1", self.ports["imap"], timeout=30)
        client.login(address, self.password)
        client.select()
        return client

    def pop3(self, address, uidl_format="cyrus"):
        client = poplib.POP3("127.0.0.1", self.ports[uidl_format], timeout=30)
        client.user(address)
        client.pass_(self.password)
        return client

    def mbpath(self):
        """The command with which an operator finds mailboxes."""
        return f"{COMMON}/mbpath -C {self.config}"

    def folder(self, address, *selector):
        """Of the inbox, as an operator finds it."""
        return Path(self.run("mbpath", "-u", *selector, address).strip())
