"""Users in a database: a real PostgreSQL and a real MariaDB, and what happens when they are in trouble.

Table, grants and configurations are those of auth/SQL.md, with this test's servers, files and password in the places of theirs.
Tenants from there: test_sql_tenants.py.
"""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from backend_server import NOT_UTF8, example
from databases import SERVICE, SERVICE_PASSWORD, Mariadb
from network import Proxy
from poplar_server import wait_for
from sasl_client import asker, by_what_is_stored, encode, payload
from sql_users import (  # noqa: F401: fixtures are among them
    ALICE, HASHES, ODD_NAMES, PASSWORD, USERS, database, databases, fill, kind, new_database, new_poplar, sasl_verdict, set_user)

QUICK = "connect_timeout_ms = 1000\ntimeout_ms = 1000\n"


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
    server.is_told("no password is set")
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
    # Comments are blanks to a database, and names have none.
    for name in ("alice'OR'a'='a", "'OR/**/1=1--", "'/**/UNION/**/SELECT/**/'a1','x'--", "alice';DROP/**/TABLE/**/mail_users;--", "ali%", "%", "alice\\", "\\'",
                 "alice'--", '"OR""="', "%{login}", "$1", "?", "alic\u0435", ""):
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


def test_a_user_has_one_name(database, new_poplar):
    """Whatever the collation takes for the same: else SCRAM shows who exists, and every spelling has failures of its own."""
    set_user(database, "alice", "password", database.text(f"SCRAM-SHA-256$65536:{encode(b'salt of the keys')}${encode(bytes(32))}:{encode(bytes(32))}"))
    server = new_poplar([database.server], chain='["accounts"]\nmechanisms = ["PLAIN", "SCRAM-SHA-256"]')

    def salt(name):
        client = server.pop3()
        first = payload(asker(client)("AUTH SCRAM-SHA-256 " + encode(f"n,,n={name}@alpha.example,r=nonce".encode())))
        client.close()
        return first.split(",")[1]

    assert salt("alice") == salt("ALICE") == f"s={encode(b'salt of the keys')}"
    set_user(database, "bob", "password", database.text(HASHES[PASSWORD]))
    for name in ("\u00e1lice", "alic\u00e9"):
        assert salt(name) != salt("alice"), name
    for name in ("b\u00f6b", "bo\u0300b"):
        assert sasl_verdict(server, f"{name}@alpha.example", PASSWORD) == "AUTH", name
    assert sasl_verdict(server, "bob@alpha.example", PASSWORD) == "OK"


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


def query_that_hangs(database):
    """A minute for who is switched off. (Of conditions beside each other a database chooses itself which it looks at first.)"""
    hangs = {"postgresql": "pg_sleep(60) IS NOT NULL", "mariadb": "sleep(60) = 0"}[database.plugin]
    return ("SELECT id AS account, password FROM mail_users WHERE "
            f"CASE WHEN address <> %{{login}} THEN false WHEN disabled THEN {hangs} ELSE true END")


def test_the_database_ends_connections(database, new_poplar):
    query = query_that_hangs(database)
    server = new_poplar([database.server], user_query=f'"{query}"', more="connect_timeout_ms = 8000\n")
    erin, nobody = "erin@alpha.example", "nobody@alpha.example"
    # Between questions nobody notices.
    for _ in range(3):
        assert server.verdict(ALICE, PASSWORD) == "OK", server.log()
        assert database.end_connections() > 0
        assert server.codes(ALICE, nobody) == [250, 550]
        assert database.end_connections() > 0
    assert server.verdict(ALICE, PASSWORD) == "OK"
    assert server.outcomes("accounts")["temporary"] == 0
    with ThreadPoolExecutor(1) as pool:
        # During one it is asked once more.
        verdict = pool.submit(server.verdict, erin, "e")
        wait_for("the query runs", 10, database.sleeping)
        set_user(database, "erin", "disabled", "false")
        assert database.end_connections() > 0
        assert verdict.result(60) == "OK"
        # Whoever has no answer then either is told to come again, and no mail bounces.
        set_user(database, "erin", "disabled", "true")
        for ask, told in ((lambda: server.verdict(erin, "e"), "SYS/TEMP"), (lambda: server.codes(erin), [451])):
            answer = pool.submit(ask)

            def is_there():
                if database.sleeping():
                    database.end_connections()
                return answer.done()

            wait_for("the answer", 30, is_there)
            assert answer.result() == told
    server.is_told(database.ended)
    set_user(database, "erin", "disabled", "false")
    wait_for("she is served again", 30, lambda: server.codes(erin, nobody) == [250, 550])
    assert server.metric("poplar_auth_host_restarts_total") == 0


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
