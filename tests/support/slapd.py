"""Real directories for tests: slapd on loopback ports of its own, with a folder, a database and certificates of its own.

Only processes that were started here are signalled; every wait has an end.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

from frozen import freeze
from network import free_port
from poplar_server import needs, wait_for

ADMIN, ADMIN_PASSWORD = "cn=admin,o=hosting", "admin's"
SERVICE, SERVICE_PASSWORD = "cn=poplar,o=hosting", "poplar's own"
BLIND, BLIND_PASSWORD = "cn=blind,o=hosting", "sees nothing"

CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.1.4711.1 NAME 'mailQuotaOctets' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.1.4711.2 NAME 'mailQuotaMessages' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.1.4711.3 NAME 'mailDisabled' EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE )
objectclass ( 1.1.4711.4 NAME 'mailUser' SUP top AUXILIARY MUST mail MAY ( mailQuotaOctets $ mailQuotaMessages $ mailDisabled ) )
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
TLSCACertificateFile {tls}/ca.pem
TLSCertificateFile {tls}/{certificate}.pem
TLSCertificateKeyFile {tls}/{certificate}.key
database mdb
suffix "o=hosting"
rootdn "{admin}"
rootpw "{admin_password}"
directory {directory}/db
maxsize 67108864
index objectClass,uid,mail eq
overlay ppolicy
ppolicy_use_lockout
access to dn.base="" by * read
access to attrs=userPassword by dn.exact="{service}" read by anonymous auth by * none
access to * by dn.exact="{service}" read by * none
"""


def entry(dn, **attributes):
    lines = [f"dn: {dn}"]
    for name, values in attributes.items():
        lines += [f"{name}: {value}" for value in ([values] if isinstance(values, str) else values)]
    # The same in each directory, as if one were the other's replica.
    lines.append(f"entryUUID: {uuid.uuid5(uuid.NAMESPACE_X500, dn)}")
    return "\n".join(lines) + "\n\n"


def user(local, password, domain="alpha.example", **more):
    hashed = subprocess.run([needs("openssl"), "passwd", "-6", "-stdin"], input=password, text=True, check=True, capture_output=True, timeout=60)
    attributes = dict(objectClass=["inetOrgPerson", "mailUser"], uid=local, cn=local, sn=local, mail=f"{local}@{domain}",
                      userPassword="{CRYPT}" + hashed.stdout.strip())
    return entry(f"uid={local},ou={domain},o=hosting", **{**attributes, **more})


def tree(domains=("alpha.example",)):
    return entry("o=hosting", objectClass="organization", o="hosting") + "".join(
        [entry(dn, objectClass=["organizationalRole", "simpleSecurityObject"], cn=dn[3:].split(",")[0], userPassword=password)
         for dn, password in ((SERVICE, SERVICE_PASSWORD), (BLIND, BLIND_PASSWORD))]
        + [entry(f"ou={domain},o=hosting", objectClass="organizationalUnit", ou=domain) for domain in domains])


class Slapd:
    def __init__(self, tls, ldif, certificate="good", logs="stats"):
        """`logs`: a level of slapd.conf's."""
        self.logs = logs
        self.directory = Path(tempfile.mkdtemp(prefix="poplar-slapd-"))
        self.process = None
        self.ldap_port, self.ldaps_port = free_port(), free_port()
        (self.directory / "db").mkdir()
        shutil.copytree(tls, self.directory / "tls")
        self.config = self.directory / "slapd.conf"
        self.config.write_text(CONFIG.format(tls=self.directory / "tls", certificate=certificate, directory=self.directory, admin=ADMIN,
                                             admin_password=ADMIN_PASSWORD, service=SERVICE))
        self.identity = []
        if os.geteuid() == 0:
            # As Debian runs it.
            account = pwd.getpwnam("openldap")
            self.identity = ["-u", account.pw_name, "-g", str(account.pw_gid)]
            for path in [self.directory, *self.directory.rglob("*")]:
                os.chown(path, account.pw_uid, account.pw_gid)
        self.slapd = shutil.which("slapd", path="/usr/sbin:" + os.environ["PATH"])
        assert self.slapd, "slapd is missing: tests/run installs it"
        # No slapadd: it does not change its identity.
        subprocess.run([self.slapd, "-T", "add", "-f", str(self.config), "-q"], input=ldif.encode(), check=True, capture_output=True, timeout=60,
                       **({"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if self.identity else {}))

    @property
    def ldap(self):
        return f"ldap://127.0.0.1:{self.ldap_port}"

    @property
    def ldaps(self):
        return f"ldaps://127.0.0.1:{self.ldaps_port}"

    def start(self):
        assert self.process is None
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.slapd, "-f", str(self.config), "-h", f"{self.ldap}/ {self.ldaps}/", "-d", self.logs, *self.identity],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def ready():
            assert self.process.poll() is None, self.log()
            try:
                socket.create_connection(("127.0.0.1", self.ldaps_port), timeout=1).close()
                return True
            except OSError:
                return False

        wait_for("slapd listens", 30, ready)
        return self

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def freeze(self):
        freeze(self.process.pid)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process is not None:
            self.process.kill()  # A frozen one too.
            self.process.wait(timeout=30)
            self.process = None

    def remove(self):
        self.kill()
        shutil.rmtree(self.directory)

    def modify(self, ldif):
        subprocess.run([needs("ldapmodify"), "-H", self.ldap, "-x", "-D", ADMIN, "-w", ADMIN_PASSWORD], input=ldif.encode(), check=True,
                       capture_output=True, timeout=30)
