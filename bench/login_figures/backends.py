"""Where users can live, and how either server is told of it: same users, same stored password."""

import base64
import crypt
import json
import os
import sqlite3
import sys
import time

from cells import PASSWORD
from harness import Failed, Server
from poplar import HASH_SETTING

READY_SECONDS_MAX = 60
HASHES = 500
PROCESS = f"{os.path.dirname(os.path.abspath(__file__))}/backend_process.py"


class Backend(Server):
    """One place of users; it runs beside poplar-load. What stands below start() needs it to run.
    `warm`: whether the servers remember whom they have let in."""

    title = ""
    users_are_poplars = False  # they are in the database of its own
    is_remembered = True  # where the servers remember anything
    each_time = "asked each time"
    dovecot_mechanisms = "plain"

    def __init__(self, lab, users):
        super().__init__(f"{lab.directory}/{self.name}", cores=lab.client_cores)
        self.lab = lab
        self.users = users

    def start(self):
        """Returns when it can be asked."""

    def poplar_settings(self):
        """Sections of poplar.toml, beside [users]."""
        return ""

    def dovecot_passdb(self, warm):
        """What stands in Dovecot's section passdb."""
        raise NotImplementedError

    def remark(self, warm):
        """What a reader of its row has to know."""
        return ""

    def login_arguments(self):
        """How poplar-load logs in, if not by name and password."""
        return ()

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def dovecot_sql(self, driver, connect, table):
        path = self.write("dovecot-sql.conf", f"""driver = {driver}
connect = {connect}
password_query = SELECT password FROM {table} WHERE address = '%u'
""")
        return f"  driver = sql\n  args = {path}"


class Sqlite(Backend):
    """Either server's own file. Poplar's takes no password in clear, so both have the cheapest hash.
    But Dovecot computes one also for whom it remembers: there it has the password in clear."""

    name, title = "sqlite", "SQLite"
    users_are_poplars = True

    def dovecot_passdb(self, warm):
        path = f"{self.directory}/{'warm' if warm else 'cold'}.db"
        stored = "{PLAIN}" + PASSWORD if warm else (
            "{SHA256-CRYPT}" + crypt.crypt(PASSWORD, HASH_SETTING))
        database = sqlite3.connect(path)
        try:
            with database:
                database.execute("CREATE TABLE users (address TEXT PRIMARY KEY, password TEXT)")
                database.executemany("INSERT INTO users VALUES (?, ?)",
                                     ((user, stored) for user in self.users))
        finally:
            database.close()
        return self.dovecot_sql("sqlite", path, "users")

    def remark(self, warm):
        return "" if warm else f", {hash_us():.0f} µs of it a hash"


def hash_us():
    """What the cheapest hash takes here; both servers have it computed by the same library."""
    begin = time.process_time()
    for _ in range(HASHES):
        crypt.crypt(PASSWORD, HASH_SETTING)
    return (time.process_time() - begin) / HASHES * 1e6


class PasswdFile(Backend):
    name, title = "passwd_file", "passwd-file"

    def start(self):
        self.write("users", "".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in self.users))

    def poplar_settings(self):
        return f"""[auth]
chain = ["file"]
[backend.file]
driver = "passwd-file"
file = "{self.directory}/users"
weak_schemes = true
"""

    def dovecot_passdb(self, warm):
        return f"  driver = passwd-file\n  args = username_format=%u {self.directory}/users"


class Served(Backend):
    """One with a server of its own; Poplar asks it by the plug-in of its name, or `plugin`."""

    plugin = None

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.plugin = self.plugin or self.name
        self.place = {}

    def start(self):
        ready = f"{self.directory}/ready"
        question = self.write("question", json.dumps({"users": self.users, "password": PASSWORD}))
        with open(question, "rb") as text:
            self.spawn([sys.executable, PROCESS, self.plugin, ready], stdin=text)
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not os.path.exists(ready):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{self.title} does not start:\n{self.log_tail()}")
            time.sleep(0.05)
        with open(ready, encoding="utf-8") as text:
            self.place = json.load(text)

    def section(self, **settings):
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        return (f'[auth]\nchain = ["{self.name}"]\n[backend.{self.name}]\n'
                f'plugin = "{self.lab.plugin(self.plugin)}"\n{lines}')


class Ldap(Served):
    """A search, then a bind: both servers the same two."""

    name, title = "ldap", "LDAP (search, bind)"
    base = "o=hosting"

    def poplar_settings(self):
        return self.section(
            server=f"ldap://127.0.0.1:{self.place['port']}", bind_dn=self.place["dn"],
            bind_password=self.place["password"], base=self.base,
            filter="(&(objectClass=mailUser)(mail=%{login}))", address_attribute="mail")

    def dovecot_passdb(self, warm):
        path = self.write("dovecot-ldap.conf", f"""uris = ldap://127.0.0.1:{self.place['port']}
dn = {self.place['dn']}
dnpass = {self.place['password']}
auth_bind = yes
base = {self.base}
pass_attrs = mail=user
pass_filter = (&(objectClass=mailUser)(mail=%u))
""")
        return f"  driver = ldap\n  args = {path}"


class Database(Served):
    dovecot_driver = dovecot_more = ""
    condition = "address = %{login}"

    def poplar_settings(self):
        return self.section(
            server=f"127.0.0.1:{self.place['port']}", tls=False, weak_schemes=True,
            database=self.place["database"], user=self.place["user"],
            password=self.place["password"],
            user_query="SELECT id AS account, address, password, quota_octets, quota_messages,"
                       f" disabled FROM mail_users WHERE {self.condition}")

    def dovecot_passdb(self, warm):
        connect = (f"host=127.0.0.1 port={self.place['port']} dbname={self.place['database']} "
                   f"user={self.place['user']} password={self.place['password']}")
        return self.dovecot_sql(self.dovecot_driver, connect + self.dovecot_more, "mail_users")


class Postgresql(Database):
    name, title = "postgresql", "PostgreSQL"
    dovecot_driver, dovecot_more = "pgsql", " sslmode=disable"


class Mariadb(Database):
    name, title = "mariadb", "MariaDB"
    dovecot_driver = "mysql"
    # As auth/SQL.md has it.
    condition = "address = %{login} AND address = %{login} COLLATE utf8mb4_bin"


LUA = """local json = require("cjson")
local client

function script_init()
  client = dovecot.http.client({ timeout = 10000, max_attempts = 2 })
  return 0
end

function auth_password_verify(request, password)
  local post = client:request({ url = "%(url)s", method = "POST" })
  post:add_header("Content-Type", "application/json")
  post:add_header("Authorization", "Bearer %(token)s")
  post:set_payload(json.encode({ operation = "verify_password", login = request.user,
                                 password = password, client_address = request.rip }))
  local reply = post:submit()
  if reply:status() ~= 200 then
    return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "status " .. reply:status()
  end
  local outcome = json.decode(reply:payload()).outcome
  if outcome == "ok" then
    return dovecot.auth.PASSDB_RESULT_OK, {}
  elseif outcome == "unknown" then
    return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "unknown"
  end
  return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, outcome
end
"""


class Http(Served):
    """An API in Python. Dovecot has no such back end; a script of Lua asks the same question."""

    name, title = "http", "HTTP (Dovecot: by Lua)"

    def poplar_settings(self):
        return self.section(url=self.place["url"], token=self.place["token"])

    def dovecot_passdb(self, warm):
        path = self.write("passdb.lua", LUA % self.place)
        return f"  driver = lua\n  args = file={path} blocking=yes cache_key=%u"


class Oauth(Served):
    """OAUTHBEARER; neither server remembers a token. Whose account it is Poplar asks of its own
    database, Dovecot of nobody."""

    users_are_poplars = True
    is_remembered = False
    dovecot_mechanisms = "plain oauthbearer"
    plugin = "oauth"

    def ca_file(self):
        return self.write("issuer.pem", self.place["ca"])

    def poplar_settings(self):
        section = self.section(ca_file=self.ca_file(), audience=self.place["audience"],
                               **self.poplar_source())
        return section.replace(f'chain = ["{self.name}"]',
                               f'chain = ["{self.name}", "users"]\nmechanisms = ["OAUTHBEARER"]')

    def dovecot_passdb(self, warm):
        path = self.write("dovecot-oauth2.conf", "".join(
            f"{name} = {value}\n" for name, value in self.dovecot_source().items()))
        return f"  driver = oauth2\n  mechanisms = oauthbearer\n  args = {path}"

    def poplar_source(self):
        """How tokens are verified."""
        raise NotImplementedError

    def dovecot_source(self):
        raise NotImplementedError

    def login_arguments(self):
        lines = (f"n,a={user},\x01host=localhost\x01port=110\x01auth=Bearer {token}\x01\x01"
                 for user, token in zip(self.users, self.place["tokens"], strict=True))
        return ("--auth", self.write("responses", "".join(
            f"OAUTHBEARER {base64.b64encode(line.encode()).decode()}\n" for line in lines)))


class OauthKeys(Oauth):
    """Tokens are signed; both servers have the issuer's keys."""

    name, title, each_time = "oauth_keys", "token signed with RS256", "verified each time"

    def poplar_source(self):
        return {"issuer": self.place["url"], "jwks_url": f"{self.place['url']}/keys"}

    def dovecot_source(self):
        keys = f"{self.directory}/keys"
        folder = f"{keys}/default/{self.place['algorithm']}"
        os.makedirs(folder, exist_ok=True)
        self.write(f"{folder}/{self.place['key_name']}", self.place["public_key"])
        return {"introspection_mode": "local", "username_attribute": "email",
                "local_validation_key_dict": f"fs:posix:prefix={keys}/",
                "issuers": self.place["url"]}


class OauthIssuer(Oauth):
    """The issuer, in Python, is asked about each token, over TLS."""

    name, title = "oauth_issuer", "token, introspection over TLS"

    def poplar_source(self):
        return {"introspection_url": f"{self.place['url']}/introspect"}

    def dovecot_source(self):
        return {"introspection_mode": "post", "username_attribute": "email",
                "introspection_url": f"{self.place['url']}/introspect", "force_introspection": "yes",
                "active_attribute": "active", "active_value": "true",
                "tls_ca_cert_file": self.ca_file()}


KINDS = [Sqlite, PasswdFile, Ldap, Postgresql, Mariadb, Http, OauthKeys, OauthIssuer]
