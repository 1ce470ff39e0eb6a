"""Tenants by a query of a database, PostgreSQL or MariaDB: tables and settings are those of auth/SQL.md."""

import re

import pytest
from backend_server import example
from network import Proxy
from poplar_server import wait_for
from sql_users import (  # noqa: F401: fixtures are among them
    ADDRESS, USERS, database, databases, kind, new_database, new_poplar, sasl_verdict)


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

    def make(query=query, at=database.server):
        server = new_poplar([at], more=query)
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


def test_a_list_of_tenants_that_breaks_off_between_its_rows_changes_nothing(database, tenant_poplar, closing):
    """Forty tenants' rows have come when the database ends the connection, and omega's are still to come."""
    tenant, make = tenant_poplar
    proxy = Proxy(database.port)
    closing(proxy.close)
    first = [f"first{i}" for i in range(40)]
    for name in first:
        tenant(name)
    domains = ", ".join(f"('d{i}.{name}.example', '{name}')" for i in range(50) for name in first)
    database.sql(f"INSERT INTO mail_domains VALUES {domains}")
    tenant("omega", "omega.example")
    hangs = {"postgresql": "pg_sleep(60) IS NOT NULL", "mariadb": "sleep(60) = 0"}[database.plugin]
    select = "SELECT t.name, d.domain FROM mail_tenants t JOIN mail_domains d ON d.tenant = t.name WHERE t.name"
    server = make(f"tenant_query = \"{select} <> 'omega' UNION ALL {select} = 'omega' AND (t.enabled OR {hangs})\"",
                  f"127.0.0.1:{proxy.port}")
    server.start()
    enabled = lambda: {one["name"] for one in server.run_json("tenant", "list") if one["enabled"]}
    failures = lambda: server.metric("poplar_tenant_query_failures_total")
    everybody = {"alpha", "omega", *first}
    assert enabled() == everybody and failures() == 0
    database.sql("UPDATE mail_tenants SET enabled = false WHERE name = 'omega'")
    proxy.most_passed = cut = 0

    def fails_twice():
        nonlocal cut
        if database.sleeping():
            assert proxy.most_passed > 20_000, "rows have come"
            assert enabled() == everybody
            cut += database.end_connections()
        return failures() >= 2

    wait_for("the query fails", 30, fails_twice)
    assert cut >= 4, "each time it is asked again"
    server.is_told(database.ended)
    assert enabled() == everybody
    database.sql("DELETE FROM mail_domains WHERE tenant = 'omega'; DELETE FROM mail_tenants WHERE name = 'omega';")
    wait_for("it is heard of again", 20, lambda: enabled() == everybody - {"omega"})


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
