"""What bench/logins can compute wrongly: ratios and their target, what the back end took, settings."""

import base64
import contextlib
import crypt
import io
import os
import re
import sqlite3
import sys
import tempfile
import tomllib
import unittest
from types import SimpleNamespace

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path[:0] = [f"{ROOT}/bench/{folder}"
                for folder in ("side_by_side", "store_figures", "login_figures")]

# pylint: disable=wrong-import-position
import backends
import command
import pair
import rows
from dovecot import Dovecot

USERS = ["user0@load.test", "user1@load.test"]
PLACE = {"port": 4711, "dn": "cn=poplar", "password": 'a "blank" and \\', "database": "hosting",
         "user": "poplar", "url": "http://127.0.0.1:4711", "token": "t0ken", "tokens": ["a.b", "c.d"],
         "ca": "the issuer's certificate", "audience": "poplar", "algorithm": "RS256",
         "key_name": "one", "public_key": "a key"}


def samples(*cpu_us, backend_us=None):
    return [pair.Sample(us, 1e6 / us, backend_us) for us in cpu_us]


class RowTest(unittest.TestCase):
    def test_a_share_is_of_medians_and_met_up_to_the_target(self):
        row = pair.LoginRow("x", samples(50, 100, 5000), samples(500, 10, 900), target=0.2)
        self.assertEqual(row.share, 0.2)
        self.assertTrue(row.met)
        self.assertFalse(pair.LoginRow("x", samples(101), samples(500), target=0.2).met)
        self.assertIsNone(pair.LoginRow("x", samples(101), samples(500)).met)

    def test_a_table(self):
        row = pair.LoginRow("LDAP: remembered", samples(50, 100, 200, backend_us=0.125),
                            samples(400), target=0.2)
        head, _, line = rows.render([row]).split("\n")
        self.assertEqual(head.count("|"), line.count("|"))
        self.assertEqual(line, "| LDAP: remembered | 100 (50.0 to 200) | 400 (400 to 400) | 1 / 4.0"
                               " | 1 / 5: MISSED | 10,000 | 2,500 | 0.12 |  |")
        self.assertEqual(rows.missed([row]), ["LDAP: remembered"])
        self.assertEqual(pair.LoginRow("x", samples(200), samples(100)).cells()[3], "2.0 / 1")


class MeasuringTest(unittest.TestCase):
    def test_what_the_back_end_took_is_that_of_the_last_run(self):
        took_us = iter([1_000, 9_000])
        backend = SimpleNamespace(users=USERS, cpu_us=lambda: next(took_us),
                                  login_arguments=lambda: ())
        report = {"operations": {"session": {"operations": 40, "per_second": 20}},
                  "server_cpu": {"us_per_operation": 75}}
        seconds = []
        lab = SimpleNamespace(smoke=False, warmup=1, seconds=2, run=lambda *_, **more: (
            seconds.append(more["seconds"]), report)[1])
        self.assertEqual(pair.measure_server(lab, None, backend), pair.Sample(75, 20, 200))
        self.assertEqual(seconds[1:], [1, 2])

    def test_who_goes_first_changes(self):
        order = []
        backend = SimpleNamespace(users=USERS, cpu_us=lambda: None, login_arguments=lambda: ())
        report = {"operations": {"session": {"operations": 1, "per_second": 1}},
                  "server_cpu": {"us_per_operation": 1}}
        lab = SimpleNamespace(smoke=False, warmup=0, seconds=2, rounds=2, run=(
            lambda server, *_, **more: (more["seconds"] == 2 and order.append(server), report)[1]))
        with contextlib.redirect_stderr(io.StringIO()):
            measured = pair.measure_in_turns(lab, {"Poplar": "p", "Dovecot": "d"}, backend, "")
        self.assertEqual(order, ["p", "d", "d", "p"])
        self.assertEqual([len(measured[name]) for name in ("Poplar", "Dovecot")], [2, 2])
        self.assertIsNone(measured["Poplar"][0].backend_us)


class SettingsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.lab = SimpleNamespace(directory=folder.name, client_cores=None,
                                   plugin=lambda name: f"/lib/{name}.so")

    def backend(self, kind):
        made = kind(self.lab, USERS)
        made.place = PLACE
        return made

    def test_poplar_asks_one_back_end(self):
        for kind in backends.KINDS:
            backend = self.backend(kind)
            settings = tomllib.loads(backend.poplar_settings())
            if kind is backends.Sqlite:
                self.assertEqual(settings, {})
                continue
            [name] = settings["backend"]
            users = ["users"] if backend.users_are_poplars else []
            self.assertEqual(settings["auth"]["chain"], [name, *users])
            if isinstance(backend, backends.Served):
                self.assertEqual(settings["backend"][name]["plugin"], f"/lib/{backend.plugin}.so")
            if isinstance(backend, backends.Database):
                self.assertEqual(settings["backend"][name]["password"], PLACE["password"])

    def test_dovecot_asks_the_same_and_remembers_by_name(self):
        for kind in backends.KINDS:
            backend = self.backend(kind)
            if not isinstance(backend, backends.Served):
                backend.start()
            passdb = backend.dovecot_passdb(warm=False)
            with open(re.search(r"(/\S+)", passdb)[1], encoding="utf-8") as file:
                text = file.read()
            if backend.is_remembered:
                self.assertIn("%u", passdb + text, kind.name)
            self.assertIn("4711" if isinstance(backend, backends.Served) else "user", text)

    def test_each_token_is_said_with_its_user(self):
        option, path = self.backend(backends.OauthKeys).login_arguments()
        self.assertEqual(option, "--auth")
        with open(path, encoding="ascii") as file:
            said = [line.rstrip("\n").split(" ") for line in file]
        for user, token, (mechanism, response) in zip(USERS, PLACE["tokens"], said, strict=True):
            self.assertEqual(mechanism, "OAUTHBEARER")
            self.assertEqual(base64.b64decode(response).split(b"\x01"),
                             [f"n,a={user},".encode(), b"host=localhost", b"port=110",
                              f"auth=Bearer {token}".encode(), b"", b""])

    def test_what_dovecot_s_sqlite_stores(self):
        backend = self.backend(backends.Sqlite)
        for warm in (True, False):
            backend.dovecot_passdb(warm)
            with contextlib.closing(sqlite3.connect(
                    f"{backend.directory}/{'warm' if warm else 'cold'}.db")) as database:
                stored = dict(database.execute("SELECT address, password FROM users"))
            self.assertEqual(list(stored), USERS)
            scheme, _, password = stored[USERS[0]].partition("}")
            self.assertEqual(scheme, "{PLAIN" if warm else "{SHA256-CRYPT")
            self.assertEqual(password, backends.PASSWORD if warm else
                             crypt.crypt(backends.PASSWORD, password))
            self.assertEqual("a hash" in backend.remark(warm), not warm)

    def test_dovecot_s_cache(self):
        for how, line in (({}, "auth_cache_size = 16 M"), ({"auth_cache": "0"}, "auth_cache_size = 0")):
            server = Dovecot(f"{self.lab.directory}/dovecot", passdb="  driver = {dir}", **how)
            self.assertEqual(server.passdb, f"  driver = {self.lab.directory}/dovecot")
            try:
                server.prepare(USERS, "secret")
            except (KeyError, PermissionError):
                self.skipTest("maildrops need root, and a user of Debian's base system")
            with open(f"{server.directory}/dovecot.conf", encoding="ascii") as file:
                self.assertIn(line + "\n", file.read())


class TablesTest(unittest.TestCase):
    def test_one_table_or_one_each(self):
        parts = {"a": "A", "b": "B"}
        self.assertEqual(command.tables_of("x", parts, one_table=False),
                         {"x a": ["A"], "x b": ["B"]})
        self.assertEqual(command.tables_of("x", parts, one_table=True), {"x": ["A", "B"]})


if __name__ == "__main__":
    unittest.main()
