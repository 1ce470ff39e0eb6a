"""Real databases for tests: PostgreSQL and MariaDB on loopback ports of their own, each with a folder and certificates of its own.

Only processes that were started here are signalled; every wait has an end.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from frozen import freeze
from network import free_port
from poplar_server import needs, wait_for

SERVICE, SERVICE_PASSWORD = "poplar", "poplar's own"
ADMIN_PASSWORD = "admin's"
DATABASE = "hosting"
# Databases flush a lot while they are made: seconds of a disk, nothing of memory.
FOLDER = "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 1 << 30 else None


def literal(value):
    """As both databases write a text: what has to be escaped differs between them."""
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def family_of(pid):
    """A process and all that come from it, the eldest first."""
    family = [pid]
    for one in family:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                family += map(int, children.read_text().split())
            except OSError:
                pass  # It has just ended.
    return family


def lives(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


class Database:
    account = ""  # Under which Debian runs it.

    def __init__(self, tls, certificate="good", speaks_tls=True, password=SERVICE_PASSWORD, logs_queries=True):
        self.speaks_tls = speaks_tls
        self.password = password
        self.logs_queries = logs_queries
        self.directory = Path(tempfile.mkdtemp(prefix="poplar-sql-", dir=FOLDER))
        self.directory.chmod(0o755)  # Its socket is for others, too; a server that root starts is no root any more.
        self.data = self.directory / "data"
        self.process = None
        self.port = free_port()
        shutil.copytree(tls, self.directory / "tls")
        self.certificate = self.directory / "tls" / f"{certificate}.pem"
        self.key = self.certificate.with_suffix(".key")
        self.ca = self.directory / "tls/ca.pem"
        self.identity = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(self.account)
            self.identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            for path in [self.directory, *self.directory.rglob("*")]:
                os.chown(path, entry.pw_uid, entry.pw_gid)
        self.key.chmod(0o600)
        (self.directory / "log").touch()
        if self.identity:  # MariaDB opens it by itself, too.
            os.chown(self.directory / "log", self.identity["user"], self.identity["group"])
        self.make()

    @property
    def server(self):
        return f"127.0.0.1:{self.port}"

    def run(self, *command, **options):
        result = subprocess.run(command, capture_output=True, timeout=60, cwd=self.directory, **options)
        assert result.returncode == 0, (command, result.stdout, result.stderr)
        return result.stdout.decode()

    def start(self):
        assert self.process is None
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, **self.identity)

        def ready():
            assert self.process.poll() is None, self.log()
            return self.answers()

        wait_for(f"{self.account} answers", 30, ready)
        return self

    def _client(self, *command, text):
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        client.stdin.write(text)
        client.stdin.flush()
        assert client.stdout.readline() == "locked\n"
        return client

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def _signal(self, number):
        family = family_of(self.process.pid)
        for pid in family:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass  # A connection's process, which has ended.
        return family

    def freeze(self):
        freeze(*family_of(self.process.pid))

    def thaw(self):
        self._signal(signal.SIGCONT)

    def kill(self):
        if self.process is not None:
            family = self._signal(signal.SIGKILL)  # Frozen ones too.
            self.process.wait(timeout=30)
            self.process = None
            wait_for("all of it has ended", 30, lambda: not any(map(lives, family)))

    def restart(self):
        self.kill()
        self.start()

    def remove(self):
        self.kill()
        shutil.rmtree(self.directory)


class Postgresql(Database):
    account = "postgres"
    page, plugin = "PostgreSQL", "postgresql"
    ended = "terminating connection due to administrator command"

    def make(self):
        self.bin = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self.sockets = str(self.directory)
        password = self.directory / "password"
        password.write_text(ADMIN_PASSWORD + "\n")
        password.chmod(0o644)
        self.run(self.bin / "initdb", "-D", self.data, "-U", "admin", f"--pwfile={password}", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8",
                 "--locale=C.UTF-8", **self.identity)
        # Passwords over TCP by TLS only; whoever comes by the socket is believed.
        (self.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
                                               "hostnossl all all 127.0.0.1/32 scram-sha-256\n")
        self.start()
        self.sql(f"CREATE ROLE {SERVICE} LOGIN PASSWORD {literal(self.password)}", database="postgres")
        self.sql(f"CREATE DATABASE {DATABASE}", database="postgres")
        self.kill()

    def command(self):
        settings = dict(listen_addresses="127.0.0.1", port=self.port, unix_socket_directories=self.directory, fsync="off", shared_buffers="16MB",
                        ssl="on" if self.speaks_tls else "off", ssl_cert_file=self.certificate, ssl_key_file=self.key, ssl_ca_file=self.ca,
                        log_statement="all" if self.logs_queries else "none", log_connections="on", max_connections=20)
        return [self.bin / "postgres", "-D", self.data, *(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))]

    @property
    def socket(self):
        return f"{self.directory}:{self.port}"

    def answers(self):
        return subprocess.run([self.bin / "pg_isready", "-q", "-h", self.sockets, "-p", str(self.port), "-t", "2"], timeout=10).returncode == 0

    def sql(self, text, database=DATABASE):
        return self.run(needs("psql"), "-qAt", "-v", "ON_ERROR_STOP=1", "-h", self.sockets, "-p", str(self.port), "-U", "admin", "-d", database,
                        "-c", text)

    def text(self, value):
        return literal(value)

    def sleeping(self):
        return int(self.sql(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{SERVICE}' AND wait_event = 'PgSleep'")) > 0

    def end_connections(self):
        """Those of the service. How many there were."""
        return int(self.sql(f"SELECT count(pg_terminate_backend(pid, 20000)) FROM pg_stat_activity WHERE usename = '{SERVICE}'"))

    def lock(self, table):
        """Until the client that is returned ends, and the server with it."""
        self.sql(f"ALTER ROLE {SERVICE} SET lock_timeout = '200ms'")
        return self._client(needs("psql"), "-qAt", "-h", self.sockets, "-p", str(self.port), "-U", "admin", "-d", DATABASE,
                            text=f"BEGIN; LOCK TABLE {table}; SELECT 'locked';\n")


class Mariadb(Database):
    account = "mysql"
    page, plugin = "MariaDB", "mariadb"
    ended = "Lost connection to server during query"

    def make(self):
        self.path = "/usr/sbin:" + os.environ["PATH"]
        # A path of a socket has 107 octets at most.
        self.socket = f"{self.directory}/socket"
        self.run(needs("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
                 "--skip-test-db", **self.identity)
        self.start()
        self.sql(f"CREATE DATABASE {DATABASE}; CREATE USER {SERVICE}@'%' IDENTIFIED BY {literal(self.password)};", database="")
        self.kill()

    def command(self):
        mariadbd = shutil.which("mariadbd", path=self.path)
        assert mariadbd, "mariadbd is missing: tests/run installs it"
        return [mariadbd, "--no-defaults", f"--datadir={self.data}", "--bind-address=127.0.0.1", f"--port={self.port}", f"--socket={self.socket}",
                f"--pid-file={self.directory}/pid", "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M",
                "--innodb-flush-log-at-trx-commit=0", "--character-set-server=utf8mb4",
                *(["--general-log", f"--general-log-file={self.directory}/log"] if self.logs_queries else []),
                *([f"--ssl-cert={self.certificate}", f"--ssl-key={self.key}", f"--ssl-ca={self.ca}"] if self.speaks_tls else ["--skip-ssl"])]

    def answers(self):
        return subprocess.run([needs("mariadb-admin"), "--no-defaults", "-uroot", "-S", self.socket, "--connect-timeout=2", "ping"],
                              timeout=10, capture_output=True).returncode == 0

    def sql(self, text, database=DATABASE):
        return self.run(needs("mariadb"), "--no-defaults", "-N", "-B", "-uroot", "-S", self.socket, "-e", text, *([database] if database else []))

    def text(self, value):
        return literal(value if value is None else str(value).replace("\\", "\\\\"))

    def _connections(self, which="true"):
        return set(self.sql(f"SELECT id FROM information_schema.processlist WHERE user = '{SERVICE}' AND {which}").split())

    def sleeping(self):
        return bool(self._connections("state = 'User sleep'"))

    def end_connections(self):
        """Those of the service. How many there were."""
        ended = self._connections()
        self.sql(f"KILL USER {SERVICE}")
        wait_for("they have ended", 20, lambda: not ended & self._connections())
        return len(ended)

    def lock(self, table):
        """Until the client that is returned ends, and the server with it."""
        self.sql("SET GLOBAL lock_wait_timeout = 1")
        return self._client(needs("mariadb"), "--no-defaults", "-N", "-B", "-n", "-uroot", "-S", self.socket, DATABASE,
                            text=f"LOCK TABLES {table} WRITE; SELECT 'locked';\n")
