"""Users in a database: a real PostgreSQL and a real MariaDB, and what happens when they are in trouble.

Table, grants and configurations are those of auth/SQL.md, with this test's servers, files and password in the places of theirs.
"""

import base64
import itertools
import re
import socket
import subprocess
import threading
import time

import pytest
from backend_server import NOT_UTF8, BackendServer, example, toml_list
from databases import SERVICE, SERVICE_PASSWORD, Mariadb, Postgresql
from network import Proxy
from poplar_server import needs, wait_for
from sasl_client import by_what_is_stored
from test_plugins import BUILD

KINDS = [Postgresql, Mariadb]
ALICE, PASSWORD = "alice@alpha.example", "wonder (land)*"
ODD_NAMES = ("o'neil", '"quoted"', "back\\slash", "per%cent", "under_score", "que?ry", "dol$1lar", "-- dash", "/* star", "gr\u00fc\u00dfe", "x' or 1=1 --")
SOURCES = itertools.count(1)
QUICK = "connect_timeout_ms = 1000\ntimeout_ms = 1000\n"


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
        server = BackendServer(tmp_path / "poplar", example("SQL.md", kind.page), {"database-password": SERVICE_PASSWORD + "\n"}, more,
                               **{"plugin": f'"{BUILD}/auth/plugins/{kind.plugin}.so"', "server": toml_list(servers),
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


def test_users(database, new_poplar):
    server = new_poplar([database.server])
    assert server.codes(ALICE, "bob@alpha.example", "nobody@alpha.example", "erin@alpha.example", "fred@alpha.example") == [250, 250, 550, 250, 250]
    client = server.pop3(ALICE, PASSWORD)
    assert b"\r\n".join(client.retr(1)[1]).endswith(b"hello")
    client.quit()
    assert server.verdict("Bob@Alpha.Example", "b\u00f6b's") == "OK"
    assert server.verdict(ALICE, "wrong") == "AUTH"
    assert server.verdict("nobody@alpha.example", "wrong") == "AUTH"
    assert server.verdict("erin@alpha.example", "wrong") == "AUTH"
    assert server.verdict("erin@alpha.example", "e") == "AUTH"
    server.is_told("account disabled")
    # Without a password nobody logs in, whatever is tried.
    for name in ("fred", "gina"):
        assert server.verdict(f"{name}@alpha.example", "e") == "AUTH"
    server.is_told("no password is stored")
    outcomes = server.outcomes("accounts")
    assert outcomes["unknown"] == 2 and outcomes["refused"] == 2 and outcomes["temporary"] == 0, outcomes
    # A change counts from the next question on.
    set_user(database, "erin", "disabled", "false")
    assert server.verdict("erin@alpha.example", "e") == "OK"
    set_user(database, "alice", "password", database.text(HASHES["e"]))
    assert server.verdict(ALICE, "e") == "OK"
    assert server.verdict(ALICE, PASSWORD) == "AUTH"


def test_names_are_values_and_nothing_else(database, new_poplar):
    server = new_poplar([database.server])
    for name in ODD_NAMES:
        assert sasl_verdict(server, f"{name}@alpha.example", "e") == "OK", name
    # Each would be alice, somebody or a fault, were it pasted in; and what is no text is nobody.
    for name in ("alice' OR 'a'='a", "' OR 1=1 -- ", "' UNION SELECT 'a1', 'x' --", "alice'; DROP TABLE mail_users; --", "ali%", "%", "alice\\", "\\'",
                 "alice' --", '" OR ""="', "%{login}", "$1", "?", "alic\u0435", ""):
        assert sasl_verdict(server, f"{name}@alpha.example", PASSWORD) == "AUTH", name
    with server.raw() as connection:
        connection.recv(1000)
        connection.sendall(b"AUTH PLAIN " + NOT_UTF8 + b"\r\nUSER alice\0@alpha.example\r\nPASS x\r\n")
        replies = b""
        while replies.count(b"\r\n") < 3:
            replies += connection.recv(1000)
        assert b"-ERR [AUTH]" in replies and b"SYS" not in replies, replies
    assert server.outcomes("accounts")["temporary"] == 0
    assert int(database.sql("SELECT count(*) FROM mail_users")) == len(USERS)


def test_quotas(database, new_poplar):
    server = new_poplar([database.server])
    large = b"Subject: x\r\n\r\n" + b"x" * 2000
    assert server.codes("carol@alpha.example", ALICE, message=large) == [452, 250]
    assert server.codes("dave@alpha.example") == [250]
    assert server.codes("dave@alpha.example") == [452]
    # What is no number is the tenant's quota, and a warning.
    query = "SELECT id AS account, 'a lot' AS quota_octets FROM mail_users WHERE address = %{login}"
    server.reconfigure(user_query=f'"{query}"')
    assert server.codes("carol@alpha.example", message=large) == [250]
    server.is_told("the row of carol@alpha.example: quota_octets is no number")


def test_a_renamed_address_keeps_its_maildrop(database, new_poplar):
    server = new_poplar([database.server])
    assert server.codes(ALICE) == [250]
    set_user(database, "alice", "address", "'alicia@alpha.example'")
    assert server.pop3("alicia@alpha.example", PASSWORD).stat()[0] == 1
    assert server.verdict(ALICE, PASSWORD) == "AUTH"
    # Somebody else who gets the address does not get the mail.
    set_user(database, "bob", "address", f"'{ALICE}'")
    assert server.pop3(ALICE, "b\u00f6b's").stat() == (0, 0)


@pytest.mark.parametrize("query, told", [
    ("SELECT id AS account FROM mail_user WHERE address = %{login}", "user_query is refused: "),
    ("SELECT id AS account FROM mail_users WHERE address == = %{login}", "user_query is refused: "),
    ("UPDATE mail_users SET id = 'x' WHERE address = %{login}", "user_query is refused: "),
    ("SELECT m.id AS account FROM mail_users m WHERE m.address = %{login} AND 'x' <> (SELECT n.id FROM mail_users n WHERE n.id <> m.id)",
     "user_query is refused: "),
    ("SELECT id AS account, password FROM mail_users WHERE substring(address, 1, 4) = substring(%{local}, 1, 4)",
     "user_query gives more than one row for this name"),
    ("SELECT id AS account, password FROM mail_users WHERE %{domain} = 'alpha.example'", "user_query gives more than one row for this name"),
    ("SELECT id, password FROM mail_users WHERE address = %{login}", "user_query's row: it has no column account, or that is NULL or empty"),
    ("SELECT id AS account, id AS account FROM mail_users WHERE address = %{login}", "user_query's row: two columns are named account"),
    ("SELECT repeat(id, 100) AS account FROM mail_users WHERE address = %{login}", "named no account, or one of too many octets"),
    ("SELECT id AS account, 'perhaps' AS enabled FROM mail_users WHERE address = %{login}", "column enabled is neither true nor false"),
    ("SELECT id AS account, repeat('x', 10000) AS password FROM mail_users WHERE address = %{login}", "column password is too long"),
], ids=lambda text: text[:24] if "SELECT" not in text else "query")
def test_what_a_query_must_not_do(database, new_poplar, query, told):
    server = new_poplar([database.server], user_query=f'"{query}"')
    for name in ("twin1", "twin2"):
        assert server.verdict(f"{name}@alpha.example", "e") == "SYS/TEMP"
        assert server.codes(f"{name}@alpha.example") == [451]
    server.is_told(told)
    assert database.sql("SELECT id FROM mail_users WHERE address = 'twin1@alpha.example'").strip() == "t1"


def test_a_query_that_the_server_ends(kind, database, new_poplar, closing):
    """As auth/SQL.md advises: who asked is told to come again, and no mail bounces."""
    slow = "SELECT id AS account FROM mail_users WHERE address = %{login} AND "
    if kind is Mariadb:
        query = f"SET STATEMENT max_statement_time=1 FOR {slow} sleep(3) = 0"
    else:
        query = f"{slow} pg_sleep(3) IS NOT NULL"
        closing(lambda: database.sql(f"ALTER ROLE {SERVICE} RESET statement_timeout"))
        database.sql(f"ALTER ROLE {SERVICE} SET statement_timeout = '1s'")
    server = new_poplar([database.server], user_query=f'"{query}"')
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    assert server.codes(ALICE) == [451]


def test_what_queries_may_do(database, new_poplar):
    query = ("SELECT concat('id-', u.id) AS Account, u.password AS PASSWORD, 1 AS enabled, u.* , 'it''s %' AS more /* %{login} */ "
             "FROM (SELECT id, address, disabled, password AS stored_password, password FROM mail_users) u "
             "WHERE u.address = concat(%{local}, '@', %{domain}) -- of the provider's own")
    text = {"postgresql": query.replace("%{local}", "%{local}::text").replace("%{domain}", "%{domain}::text"), "mariadb": query}[database.plugin]
    # Two columns are named password.
    server = new_poplar([database.server], user_query=f'"{text}"')
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    server.is_told("two columns are named password")
    server.reconfigure(user_query='"' + text.replace("AS stored_password, password FROM", "AS stored_password FROM")
                       .replace("u.password AS PASSWORD", "u.stored_password AS PASSWORD") + '"')
    assert server.verdict(ALICE, PASSWORD) == "OK"
    assert server.verdict("erin@alpha.example", "e") == "AUTH"
    # Without a column password nobody logs in, and that is no wrong password.
    server.reconfigure(user_query='"SELECT id AS account FROM mail_users WHERE address = %{login}"')
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    assert server.codes(ALICE) == [250]


def test_stored_as_they_are(database, new_poplar):
    query = "SELECT id AS account, concat('{PLAIN}', address) AS password FROM mail_users WHERE address = %{login}"
    server = new_poplar([database.server], user_query=f'"{query}"')
    assert server.verdict(ALICE, ALICE) == "SYS/TEMP"  # A weak scheme, which nobody has allowed.
    server.is_told("of a weak scheme (plain), which counts only with weak_schemes = true")
    server.reconfigure(user_query=f'"{query}"\nweak_schemes = true')
    assert server.verdict(ALICE, ALICE) == "OK"
    assert server.verdict(ALICE, PASSWORD) == "AUTH"


def test_mechanisms_that_want_what_is_stored(database, new_poplar):
    query = "SELECT id AS account, concat('{PLAIN}', address) AS password FROM mail_users WHERE address = %{login}"
    mechanisms = '["accounts"]\nmechanisms = ["PLAIN", "APOP", "SCRAM-SHA-1", "SCRAM-SHA-256"]'
    server = new_poplar([database.server], chain=mechanisms, user_query=f'"{query}"\nweak_schemes = true')
    by_what_is_stored(server, ALICE, ALICE)


def test_a_unix_socket(database, new_poplar):
    server = new_poplar([database.socket])
    assert server.verdict(ALICE, PASSWORD) == "OK"


def test_in_clear_on_this_machine_only(database, new_poplar):
    server = new_poplar([database.server], more="tls = false\n")
    assert server.verdict(ALICE, PASSWORD) == "OK"
    server.stop()
    config = server.config_path.read_text()
    for wrong, said in ((config.replace(database.server, "db1.example.net"), b"passwords would travel to db1.example.net in clear"),
                        (config.replace("= %{login}", "= '%{login}'"), b"a placeholder stands without quotes")):
        server.config_path.write_text(wrong)
        result = server.run("serve", check=False)
        assert result.returncode == 78 and b"back end accounts: " in result.stderr and said in result.stderr, result.stderr


@pytest.mark.parametrize("trouble", ("another CA", "another name"))
def test_certificates_are_verified(kind, database, new_poplar, tls, closing, monkeypatch, trouble):
    # What the client libraries would read elsewhere does not count.
    for name, value in (("PGSSLMODE", "disable"), ("PGSSLROOTCERT", str(tls / "ca.pem")), ("PGHOSTADDR", "127.0.0.1"), ("PGPORT", str(database.port)),
                        ("MYSQL_TCP_PORT", str(database.port)), ("MYSQL_PWD", SERVICE_PASSWORD), ("HOME", str(database.directory))):
        monkeypatch.setenv(name, value)
    if trouble == "another CA":
        server = new_poplar([database.server], ca_file=f'"{tls}/other.pem"')
    else:
        # Its name is right for this machine, but not in the certificate.
        server = new_poplar([f"localhost:{database.port}"])
    connections = database.log().count(SERVICE)
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    assert server.codes(ALICE) == [451]
    server.is_told("ertificate")
    # Its own password was never sent.
    assert database.log().count(SERVICE) == connections


def test_tls_is_not_left_out_for_a_server_that_has_none(kind, new_poplar, tls, closing):
    database = kind(tls, speaks_tls=False)
    closing(database.remove)
    database.start()
    database.sql(example("SQL.md", "The table"))
    fill(database)
    server = new_poplar([database.server])
    connections = database.log().count(SERVICE)
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    server.is_told("SSL")
    assert database.log().count(SERVICE) == connections
    server.stop()
    server.config_path.write_text(server.config_path.read_text() + "tls = false\n")
    assert server.start().verdict(ALICE, PASSWORD) == "OK"


def test_the_environment_does_not_count(database, new_poplar, monkeypatch):
    for name, value in (("PGOPTIONS", "-c search_path=nowhere"), ("PGSERVICE", "nowhere"), ("PGCONNECT_TIMEOUT", "no number"), ("PGHOST", "nowhere.example"),
                        ("PGSSLCRL", "/nowhere"), ("PGTARGETSESSIONATTRS", "standby"), ("MYSQL_PWD", "wrong"), ("MYSQL_UNIX_PORT", "/nowhere"),
                        ("LIBMYSQL_PLUGINS", "nowhere"), ("MARIADB_PLUGIN_DIR", "/nowhere")):
        monkeypatch.setenv(name, value)
    assert new_poplar([database.server]).verdict(ALICE, PASSWORD) == "OK"


def test_an_account_that_is_wrong_is_nobody_s_wrong_password(database, new_poplar):
    server = new_poplar([database.server])
    (server.directory / "database-password").write_text("not its password\n")
    server.reconfigure()
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    assert server.codes(ALICE, "nobody@alpha.example") == [451, 451]
    server.is_told(SERVICE)
    database.sql(f"REVOKE SELECT ON mail_users FROM {SERVICE}")
    (server.directory / "database-password").write_text(SERVICE_PASSWORD + "\n")
    server.reconfigure()
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    server.is_told("denied")
    database.sql(f"GRANT SELECT ON mail_users TO {SERVICE}")
    assert server.verdict(ALICE, PASSWORD) == "OK"


def test_down_and_back(database, new_poplar):
    server = new_poplar([database.server])
    assert server.verdict(ALICE, PASSWORD) == "OK"
    database.kill()
    assert server.codes("bob@alpha.example", "nobody@alpha.example") == [451, 451]
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    server.is_told(f"{database.server}: ")
    database.start()
    wait_for("alice is served again", 30, lambda: server.verdict(ALICE, PASSWORD) == "OK")
    assert server.codes("bob@alpha.example", "nobody@alpha.example") == [250, 550]
    # Restarted while nobody asks: what was left of its connections costs nobody an answer.
    database.restart()
    assert server.verdict(ALICE, PASSWORD) == "OK"


def test_frozen_and_thawed(database, new_poplar):
    server = new_poplar([database.server], more=QUICK)
    assert server.verdict(ALICE, PASSWORD) == "OK"
    database.freeze()
    begun = time.monotonic()
    verdicts = []
    threads = [threading.Thread(target=lambda: verdicts.append(server.verdict(ALICE, PASSWORD))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert verdicts == ["SYS/TEMP"] * 12
    assert server.codes("bob@alpha.example") == [451]
    # Each ends well before its 10 s, and no thread is lost: it is the plug-in that ends its waits.
    assert time.monotonic() - begun < 25
    assert server.metric("poplar_auth_host_restarts_total") == 0
    database.thaw()
    wait_for("alice is served again", 30, lambda: server.verdict(ALICE, PASSWORD) == "OK")


def test_the_next_server_and_back(new_database, new_poplar):
    first, second = new_database(0), new_database(1)
    server = new_poplar([first.server, second.server], more=QUICK)

    def asked(one):
        return one.log().count("FROM mail_users WHERE address")

    before = asked(second)
    assert server.codes("bob@alpha.example") == [250]
    assert asked(second) == before
    for trouble, mend in ((first.kill, first.start), (first.freeze, first.thaw)):
        trouble()
        # Nobody notices, and it is the same maildrop.
        assert server.pop3("bob@alpha.example", "b\u00f6b's").stat()[0] == 1
        assert server.codes(ALICE, "nobody@alpha.example") == [250, 550]
        assert asked(second) > before
        mend()
        asked_first = asked(first)

        def is_asked_again():
            assert server.verdict(ALICE, PASSWORD) == "OK"
            return asked(first) > asked_first

        wait_for("the first is asked again", 30, is_asked_again)
        server.is_told(f"{first.server} is used again")


def test_a_server_that_cannot_say_now(new_database, new_poplar, closing):
    first, second = new_database(0), new_database(1)
    server = new_poplar([first.server, second.server])
    holder = first.lock("mail_users")
    closing(holder.wait)
    closing(holder.kill)
    assert server.verdict(ALICE, PASSWORD) == "OK"
    server.is_told({"postgresql": "canceling statement due to lock timeout", "mariadb": "Lock wait timeout exceeded"}[first.plugin])
    assert server.outcomes("accounts")["temporary"] == 0


@pytest.fixture
def tenant_poplar(database, new_poplar):
    """The section "Tenants" of auth/SQL.md: tables, and what stands in poplar.toml."""
    section = example("SQL.md", "Tenants")
    tables, settings = section[:section.index("[users]")], section[section.index("[users]"):]
    database.sql("DROP TABLE IF EXISTS mail_domains, mail_tenants CASCADE;" + tables)
    backend = re.search(r"tenants_backend = .*", settings)[0]
    query = settings[settings.index("tenant_query"):]

    def tenant(name, *domains, **columns):
        columns = {"name": database.text(name), **columns}
        database.sql(f"INSERT INTO mail_tenants ({', '.join(columns)}) VALUES ({', '.join(columns.values())});")
        for domain in domains:
            database.sql(f"INSERT INTO mail_domains VALUES ({database.text(domain)}, {database.text(name)});")

    def make(query=query):
        server = new_poplar([database.server], more=query)
        server.stop()
        text = server.config_path.read_text()
        server.config_path.write_text(text.replace("[users]\n", f"[users]\n{backend}\ntenants_period_s = 1\n", 1))
        return server

    return tenant, make


def test_tenants_by_a_query(database, tenant_poplar):
    tenant, make = tenant_poplar
    tenant("gamma", "gamma.example", "gamma.test", quota_octets="1000000", sessions_max="5")
    tenant("delta", "delta.example", enabled="false")
    server = make()
    server.start()

    def tenants():
        return {one["name"]: one for one in server.run_json("tenant", "list")}

    # From the start on, beside the one that `poplar tenant add` made.
    assert set(tenants()) == {"alpha", "gamma", "delta"}
    assert tenants()["gamma"]["domains"] == ["gamma.example", "gamma.test"]
    assert tenants()["gamma"]["source"] == "backend.accounts/gamma" and not tenants()["delta"]["enabled"]
    database.sql(f"UPDATE mail_users SET address = 'bob@gamma.test' WHERE address = {database.text(USERS['bob'][ADDRESS])}")
    assert server.codes("bob@gamma.test", "bob@gamma.example", "x@delta.example") == [250, 550, 550]
    client = server.pop3("bob@gamma.test", "b\u00f6b's")
    # A session of another goes on while they change.
    database.sql("UPDATE mail_tenants SET enabled = true, quota_octets = 10 WHERE name = 'delta'")
    database.sql(f"UPDATE mail_users SET address = 'carol@delta.example' WHERE address = {database.text(USERS['carol'][ADDRESS])}")
    tenant("epsilon", "epsilon.example")
    wait_for("delta is enabled, epsilon is there", 20, lambda: tenants()["delta"]["enabled"] and "epsilon" in tenants())
    wait_for("delta's mail is over its quota", 20, lambda: server.codes("carol@delta.example") == [452])
    assert client.stat()[0] == 1
    # What is wrong with one is told, and harms nobody.
    database.sql("UPDATE mail_tenants SET sessions_max = -1, quota_octets = 20 WHERE name = 'gamma'")
    tenant("alpha", "alpha.test")
    server.is_told("tenant gamma: sessions_max: ")
    server.is_told("`poplar tenant` has made a tenant of this name already")
    assert server.metric("poplar_tenant_query_faulty_tenants") == 2
    assert tenants()["gamma"]["enabled"] and server.codes("bob@gamma.test") == [250]
    # One that is gone is disabled, and nothing else is.
    database.sql("DELETE FROM mail_domains WHERE tenant = 'delta'; DELETE FROM mail_tenants WHERE name = 'delta';")
    wait_for("delta is disabled", 20, lambda: not tenants()["delta"]["enabled"])
    wait_for("its mail is refused", 20, lambda: server.codes("carol@delta.example") == [550])
    assert client.stat()[0] == 1
    client.quit()
    # An empty table, and a database that is down, say nothing; nor at a start.
    database.sql("DELETE FROM mail_domains; DELETE FROM mail_tenants;")
    server.is_told("there is no tenant in it")
    database.kill()
    server.stop()
    server.start()
    assert tenants()["gamma"]["enabled"] and tenants()["epsilon"]["enabled"]
    assert server.metric("poplar_tenant_query_failures_total") >= 1
    database.start()
    tenant("gamma", "gamma.test")
    wait_for("it is heard of again", 30, lambda: not tenants()["epsilon"]["enabled"])
    assert tenants()["gamma"]["domains"] == ["gamma.test"]
    assert server.metric("poplar_tenant_query_success_seconds") > 1_700_000_000


def test_a_list_of_tenants_that_breaks_off_changes_nothing(database, tenant_poplar):
    """Those behind the row that fails are not gone."""
    tenant, make = tenant_poplar
    query = ("SELECT t.name, d.domain FROM mail_tenants t JOIN mail_domains d ON d.tenant = t.name "
             "WHERE 'x' <> (SELECT x.name FROM mail_tenants x WHERE x.name = 'gamma' OR t.name = 'kappa')")
    tenant("gamma", "gamma.example")
    tenant("omega", "omega.example")
    server = make(f'tenant_query = "{query}"')
    server.start()
    enabled = lambda: {one["name"] for one in server.run_json("tenant", "list") if one["enabled"]}
    assert enabled() == {"alpha", "gamma", "omega"}
    tenant("kappa", "kappa.example")
    failures = lambda: server.metric("poplar_tenant_query_failures_total")
    wait_for("the query fails", 20, lambda: failures() >= 2)
    assert enabled() == {"alpha", "gamma", "omega"}
    database.sql("DELETE FROM mail_domains WHERE tenant = 'kappa'; DELETE FROM mail_tenants WHERE name = 'kappa';")
    tenant("lambda", "lambda.example")
    wait_for("it is heard of again", 20, lambda: enabled() == {"alpha", "gamma", "lambda", "omega"})


def test_tenants_allow_mechanisms_by_a_query(database, tenant_poplar):
    tenant, make = tenant_poplar
    database.sql("ALTER TABLE mail_tenants ADD COLUMN mechanisms varchar(200)")
    tenant("gamma", "gamma.example", mechanisms="'PLAIN,EXTERNAL'")
    tenant("delta", "delta.example")
    for user, domain in (("bob", "gamma"), ("carol", "delta")):
        database.sql(f"UPDATE mail_users SET address = '{user}@{domain}.example' WHERE address = {database.text(USERS[user][ADDRESS])}")
    server = make()
    text = server.config_path.read_text()
    # Of users it is no column: their query may have one of that name all the same.
    for a, b in (("t.sessions_max", "t.sessions_max, t.mechanisms"), ("SELECT id AS account,", "SELECT id AS account, 'APOP' AS mechanisms,")):
        assert text.count(a) == 1
        text = text.replace(a, b)
    server.config_path.write_text(text)
    server.start()
    assert server.run_json("tenant", "show", "gamma")["settings"]["mechanisms"] == "PLAIN,EXTERNAL"
    assert server.run_json("tenant", "show", "delta")["settings"]["mechanisms"] == ""
    bob, password = "bob@gamma.example", "b\u00f6b's"
    assert server.verdict(bob, password) == "SYS/PERM" and sasl_verdict(server, bob, password) == "OK"
    assert server.verdict("carol@delta.example", "e") == "OK"
    database.sql("UPDATE mail_tenants SET mechanisms = 'CRAM-MD5' WHERE name = 'gamma'")
    server.is_told("tenant gamma: mechanisms: ")
    assert sasl_verdict(server, bob, password) == "OK", "it stays as it was"
    database.sql("UPDATE mail_tenants SET mechanisms = NULL WHERE name = 'gamma'")
    wait_for("all are allowed", 20, lambda: server.verdict(bob, password) == "OK")


def test_a_back_end_without_tenants_is_a_fault(database, new_poplar):
    server = new_poplar([database.server])
    server.stop()
    text = server.config_path.read_text()
    for backend, said in (("accounts", b"back end accounts: tenant_query is missing"), ("other", b"there is no [backend.other] with a plugin")):
        server.config_path.write_text(text.replace("[users]\n", f'[users]\ntenants_backend = "{backend}"\n', 1))
        result = server.run("serve", check=False)
        assert result.returncode == 78 and said in result.stderr, result.stderr
        result = server.run("check", check=False)
        assert result.returncode == 78 and said.replace(b"back end ", b"backend.") in result.stderr, result.stderr


def test_replicas(new_database, new_poplar):
    primary, replica = new_database(0), new_database(1)
    server = new_poplar([primary.server], more=QUICK + f'replica = "{replica.server}"\n')

    def asked(one):
        return one.log().count("FROM mail_users WHERE address")

    before = asked(primary)
    assert server.codes(ALICE) == [250]
    assert server.verdict(ALICE, PASSWORD) == "OK"
    assert asked(primary) == before
    # Somebody whom the replica does not know yet.
    replica.sql("DELETE FROM mail_users WHERE address IN ('bob@alpha.example', 'carol@alpha.example')")
    assert server.codes("bob@alpha.example", "nobody@alpha.example") == [250, 550]
    assert server.verdict("bob@alpha.example", "b\u00f6b's") == "OK"
    assert asked(primary) > before
    # While there is no primary, whom the replica knows is served; of others nothing is known.
    primary.kill()
    assert server.codes(ALICE, "carol@alpha.example", "nobody@alpha.example") == [250, 451, 451]
    primary.start()
    for trouble, mend in ((replica.kill, replica.start), (replica.freeze, replica.thaw)):
        trouble()
        wait_for("alice is served by the primary", 30, lambda: server.verdict(ALICE, PASSWORD) == "OK")
        mend()


def test_slow_cut_and_lying(database, new_poplar, closing):
    proxy = Proxy(database.port)
    closing(proxy.close)
    server = new_poplar([f"127.0.0.1:{proxy.port}"], more=QUICK)
    proxy.delay_s = 0.1
    assert server.verdict(ALICE, PASSWORD) == "OK"
    # An answer that stops within a message, in the handshake or in the last one: each wait still ends.
    for octets_max in (0, 3, 300, proxy.most_passed - 20):
        proxy.delay_s, proxy.octets_max = 0, octets_max
        database.restart()  # And with it the connections that were whole end.
        begun = time.monotonic()
        assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP", octets_max
        assert time.monotonic() - begun < 9.5
        assert server.metric("poplar_auth_host_restarts_total") == 0
    proxy.octets_max, proxy.lie = None, b"HTTP/1.1 200 OK\r\n\r\n"
    database.restart()
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    proxy.lie = None
    wait_for("alice is served again", 60, lambda: server.verdict(ALICE, PASSWORD) == "OK")
    assert server.metric("poplar_auth_host_restarts_total") == 0


def test_a_server_that_takes_no_connection(database, new_poplar, closing):
    # Its queue is full, so that further handshakes are never answered.
    deaf = socket.create_server(("127.0.0.1", 0), backlog=0)
    closing(deaf.close)
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(deaf.getsockname())
        closing(filler.close)
    server = new_poplar([f"127.0.0.1:{deaf.getsockname()[1]}", database.server], more="connect_timeout_ms = 500\n")
    assert server.verdict(ALICE, PASSWORD) == "OK"
    server.is_told("no connection in time")
