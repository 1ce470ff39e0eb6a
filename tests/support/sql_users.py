"""Users in a database, for tests of Poplar's plug-ins for SQL: the table of auth/SQL.md in a real PostgreSQL and a real MariaDB.

A file that takes the fixtures takes all of them by their names: `kind`, `databases`, `new_database`, `database`, `new_poplar`.
"""

import base64
import itertools
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
from backend_server import BackendServer, example, toml_list
from databases import SERVICE_PASSWORD, Mariadb, Postgresql
from poplar_server import POPLAR, SLOWNESS, needs

PLUGINS = Path(os.environ.get("POPLAR_BUILD", Path(POPLAR).resolve().parents[2])) / "auth/plugins"
KINDS = [Postgresql, Mariadb]
ALICE, PASSWORD = "alice@alpha.example", "wonder (land)*"
ODD_NAMES = ("o'neil", '"quoted"', "back\\slash", "per%cent", "under_score", "que?ry", "dol$1lar", "--dash", "/*star", "gr\u00fc\u00dfe", "x'or/**/1=1--")
SOURCES = itertools.count(1)


def hashed(password):
    return subprocess.run([needs("openssl"), "passwd", "-6", "-stdin"], input=password, text=True, check=True, capture_output=True,
                          timeout=60).stdout.strip()


HASHES = {password: hashed(password) for password in (PASSWORD, "b\u00f6b's", "e")}
ID, ADDRESS, STORED, OCTETS, MESSAGES, DISABLED = range(6)
USERS = {
    "alice": ("a1", ALICE, HASHES[PASSWORD], None, None, "false"),
    "bob": ("b1", "bob@alpha.example", "{CRYPT}" + HASHES["b\u00f6b's"], None, None, "false"),
    "carol": ("c1", "carol@alpha.example", HASHES["e"], 1000, None, "false"),
    "dave": ("d1", "dave@alpha.example", HASHES["e"], None, 1, "false"),
    "erin": ("e1", "erin@alpha.example", HASHES["e"], None, None, "true"),
    "fred": ("f1", "fred@alpha.example", None, None, None, "false"),
    "gina": ("g1", "gina@alpha.example", "", None, None, "false"),
    "twin1": ("t1", "twin1@alpha.example", HASHES["e"], None, None, "false"),
    "twin2": ("t2", "twin2@alpha.example", HASHES["e"], None, None, "false"),
    **{name: (f"odd{i}", f"{name}@alpha.example", HASHES["e"], None, None, "false") for i, name in enumerate(ODD_NAMES)},
}


def fill(database):
    """The table as USERS has it, whatever a test did to it."""
    rows = ", ".join("({}, {}, {}, {}, {}, {})".format(*map(database.text, user[:OCTETS]), *(value or "NULL" for value in user[OCTETS:]))
                     for user in USERS.values())
    database.sql(f"DELETE FROM mail_users; INSERT INTO mail_users VALUES {rows};")


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.plugin)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def databases(kind, tls):
    """Makes databases that end with the module, and gives them again."""
    made = []

    def get(n):
        while len(made) <= n:
            one = kind(tls)
            made.append(one)
            one.start()
            one.sql(example("SQL.md", "The table"))
        return made[n]

    yield get
    for one in made:
        one.remove()


@pytest.fixture
def new_database(databases, closing):
    def get(n=0):
        one = databases(n)
        if one.process is None:
            one.start()
        fill(one)
        # Whatever a test did, the next one finds it running.
        closing(lambda: one.process and one.thaw())
        return one

    return get


@pytest.fixture
def database(new_database):
    return new_database()


@pytest.fixture
def new_poplar(tmp_path, tls, kind, closing):
    def make(servers, more="", **replacements):
        if SLOWNESS > 2 and "connect_timeout_ms" not in more:
            more = "connect_timeout_ms = 6000\n" + more  # A slow build takes longer for TLS.
        server = BackendServer(tmp_path / "poplar", example("SQL.md", kind.page), {"database-password": SERVICE_PASSWORD + "\n"}, more,
                               **{"plugin": f'"{PLUGINS}/{kind.plugin}.so"', "server": toml_list(servers),
                                  "ca_file": f'"{tls}/ca.pem"', "password_file": '"database-password"', **replacements})
        closing(server.stop)
        return server.start()

    return make


def sasl_verdict(server, user, password):
    """As server.verdict, for names that USER cannot carry; from another address each time, as failures are throttled by it."""
    source = f"127.1.{next(SOURCES)}.1"
    with (socket.create_connection(("127.0.0.1", server.ports["pop3"]), timeout=30, source_address=(source, 0)) as connection,
          connection.makefile("rb") as replies):
        replies.readline()
        connection.sendall(b"AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()) + b"\r\n")
        reply = replies.readline().decode()
        return "OK" if reply.startswith("+OK") else re.match(r"-ERR \[(.*?)\]", reply)[1]


def set_user(database, name, column, value):
    database.sql(f"UPDATE mail_users SET {column} = {value} WHERE address = {database.text(USERS[name][ADDRESS])}")
