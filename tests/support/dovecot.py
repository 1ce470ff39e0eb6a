"""A real Dovecot for tests: POP3 over Maildirs (or mboxes) in a folder of its own, to be moved away from.

Its master process drops privileges, so it runs only as root.
"""

import os
import poplib
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

from network import free_port
from poplar_server import STOP_SECONDS, wait_for

MAIL_USER = "mail"  # Of Debian's base system; owns the maildrops.

CONFIG = """
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = poplar-test
protocols = pop3
listen = 127.0.0.1
log_path = {dir}/dovecot.log
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = {location}
mail_uid = {user}
mail_gid = {group}
first_valid_uid = {uid}
mail_privileged_group = {group}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={dir}/mail/%d/%n allow_all_users=yes
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
protocol pop3 {{
  {pop3_settings}
}}
"""


class Dovecot:
    password = "moving-house"

    def __init__(self, directory, certificate, key, location="maildir:~/Maildir", pop3_settings=""):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True)
        for folder in [self.directory, *self.directory.parents]:
            if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
                folder.chmod(folder.stat().st_mode | 0o711)
        self.certificate, self.key, self.location = certificate, key, location
        self.ports = {"pop3": free_port(), "pop3s": free_port()}
        self.owner = pwd.getpwnam(MAIL_USER)
        self.process = None
        (self.directory / "mail").mkdir()
        self.configure(pop3_settings)

    def configure(self, pop3_settings):
        (self.directory / "dovecot.conf").write_text(CONFIG.format(
            dir=self.directory, cert=self.certificate, key=self.key, location=self.location, user=MAIL_USER,
            group=MAIL_USER, uid=self.owner.pw_uid, password=self.password, pop3_settings=pop3_settings, **self.ports))

    def own(self):
        """Gives all mail to the user that Dovecot reads it as."""
        for path in [self.directory / "mail", *(self.directory / "mail").rglob("*")]:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid, follow_symlinks=False)

    def home(self, address):
        user, domain = address.split("@")
        return self.directory / "mail" / domain / user

    def __enter__(self):
        self.own()
        self.process = subprocess.Popen(
            ["dovecot", "-F", "-c", str(self.directory / "dovecot.conf")], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=open(self.directory / "stderr", "wb"))

        def listens():
            assert self.process.poll() is None, (self.directory / "stderr").read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.ports["pop3s"])) == 0

        wait_for("Dovecot listens", 30, listens)
        return self

    def __exit__(self, kind, _value, _trace):
        self.process.terminate()
        self.process.wait(timeout=STOP_SECONDS)
        if kind is not None:
            log = self.directory / "dovecot.log"
            print(f"--- Dovecot's log\n{log.read_text()[-4000:] if log.exists() else ''}")

    def pop3(self, address):
        client = poplib.POP3("127.0.0.1", self.ports["pop3"], timeout=30)
        client.user(address)
        client.pass_(self.password)
        return client

    @staticmethod
    def available():
        return shutil.which("dovecot") is not None and os.geteuid() == 0
