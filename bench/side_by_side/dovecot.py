"""Dovecot as a server to measure: a private instance, tuned for POP3 as far as was found to help.

Tried on the way to this configuration and found no gain beyond noise: prefetch userdb, no list
index, no fast size lookups, client_limit 20 or 1000, two login processes for a core instead of one. Its
default, one process a session (service_count = 1), costs five times as much. A ticket of TLS is good for
the login process that gave it, so one for a core resumes all that can be. More come when connections do:
over TLS each stays with its login process, and takes two of its descriptors.
"""

import os
import pwd
import shutil
import subprocess

from harness import Server, free_ports, make_certificate, wait_for_ports

LOGINS_OF_A_CROWD = 4  # login processes beside those that are always there
MAIL_USER = "mail"  # of Debian's base system; owns the maildrops

CONFIG = """
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = poplar-compare
protocols = pop3 lmtp
listen = 127.0.0.1
log_path = {dir}/dovecot.log
info_log_path = /dev/null
ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_cache_size = {auth_cache}
auth_cache_ttl = 1 hour
auth_verbose = no
mail_location = {format}:{dir}/mail/%u
mail_uid = {user}
mail_gid = {group}
first_valid_uid = {uid}
mail_max_userip_connections = 0
passdb {{
{passdb}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={dir}/mail/%u allow_all_users=yes
}}
service anvil {{
  client_limit = 4096
}}
service auth {{
  client_limit = 8192
  unix_listener auth-userdb {{
    mode = 0666
  }}
}}
service pop3-login {{
  service_count = 0
  process_min_avail = {logins}
  process_limit = {logins_max}
  client_limit = 4000
  vsz_limit = 2 G
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service pop3 {{
  service_count = 0
  client_limit = 100
  process_min_avail = 2
  process_limit = 512
  user = {user}
}}
service lmtp {{
  service_count = 0
  client_limit = 1
  process_min_avail = 4
  process_limit = 256
  user = {user}
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
protocol pop3 {{
  pop3_no_flag_updates = yes
  pop3_reuse_xuidl = no
  pop3_fast_size_lookups = yes
}}
protocol lmtp {{
  lmtp_save_to_detail_mailbox = no
}}
"""


PASSWD_FILE = """  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users"""


class Dovecot(Server):
    name = "Dovecot"

    def __init__(self, directory, mail_format="sdbox", passdb=PASSWD_FILE, auth_cache="16 M",
                 mechanisms="plain", **kwargs):
        """`passdb`: what stands in that section; `auth_cache`: how much is remembered, 0 for none."""
        super().__init__(directory, **kwargs)
        self.mail_format = mail_format
        self.passdb = passdb.format(dir=directory)
        self.auth_cache = auth_cache
        self.mechanisms = mechanisms
        self.pop3_port, self.pop3s_port, self.lmtp_port = free_ports(3)

    def prepare(self, users, password, crowd=()):
        """`crowd`: users like the others."""
        owner = pwd.getpwnam(MAIL_USER)
        os.chmod(self.directory, 0o755)
        for name in ("run", "state", "mail"):
            os.makedirs(f"{self.directory}/{name}", exist_ok=True)
        os.chown(f"{self.directory}/mail", owner.pw_uid, owner.pw_gid)
        make_certificate(self.directory)
        with open(f"{self.directory}/users", "w", encoding="ascii") as file:
            file.writelines(f"{user}:{{PLAIN}}{password}\n" for user in [*users, *crowd])
        logins = len(self.cores) if self.cores else 1
        with open(f"{self.directory}/dovecot.conf", "w", encoding="ascii") as file:
            file.write(CONFIG.format(
                dir=self.directory, format=self.mail_format, user=MAIL_USER, group=MAIL_USER,
                uid=owner.pw_uid, pop3=self.pop3_port, pop3s=self.pop3s_port,
                lmtp=self.lmtp_port, passdb=self.passdb, auth_cache=self.auth_cache,
                mechanisms=self.mechanisms, logins=logins,
                logins_max=logins + LOGINS_OF_A_CROWD))

    def start(self):
        self.spawn(["dovecot", "-F", "-c", f"{self.directory}/dovecot.conf"])
        wait_for_ports(self, [self.pop3_port, self.pop3s_port, self.lmtp_port])

    def log_tail(self):
        return self.tail(f"{self.directory}/dovecot.log") + super().log_tail()

    @staticmethod
    def version():
        done = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=True)
        return "Dovecot " + done.stdout.split()[0]

    @staticmethod
    def available():
        # Its master process drops privileges, so it needs some.
        return shutil.which("dovecot") is not None and os.geteuid() == 0
