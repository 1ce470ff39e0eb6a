#!/usr/bin/env python3
"""Runs a back end until SIGTERM: KIND READY_FILE, and as JSON on standard input the users and their password.

It is a process of its own so that it has cores and a control group of its own, with all that it starts, and because what the
tests start back ends with has modules that are called like those of bench/. When it is ready, READY_FILE says where it is found.
"""

import collections
import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/support"))

# pylint: disable=wrong-import-position
import slapd
from api_server import TOKEN, ApiServer
from backend_server import example
from cryptography.hazmat.primitives import serialization
from databases import DATABASE, SERVICE, Mariadb, Postgresql, family_of
from issuer import Issuer
from network import make_certificates

# Dovecot's settings cannot say one with a blank or a quote.
SERVICE_PASSWORD = "poplars-own"
AUDIENCE = "poplar"


def start_ldap(tls, users, password):
    """Passwords in clear, so that the directory computes no hash."""
    entries = [slapd.entry(f"uid={user.partition('@')[0]},ou=load.test,o=hosting", objectClass=["inetOrgPerson", "mailUser"],
                           uid=user.partition("@")[0], cn=user, sn=user, mail=user, userPassword=password) for user in users]
    server = slapd.Slapd(tls, slapd.tree(["load.test"]) + "".join(entries), logs="none")
    server.start()
    return server.remove, {"port": server.ldap_port, "dn": slapd.SERVICE, "password": slapd.SERVICE_PASSWORD}


def start_database(kind, tls, users, password):
    server = kind(tls, password=SERVICE_PASSWORD, logs_queries=False)
    server.start()
    server.sql(example("SQL.md", "The table"))
    rows = ", ".join(f"('{number:032x}', {server.text(user)}, {server.text('{PLAIN}' + password)}, NULL, NULL, false)"
                     for number, user in enumerate(users))
    server.sql(f"INSERT INTO mail_users VALUES {rows}")
    return server.remove, {"port": server.port, "database": DATABASE, "user": SERVICE, "password": SERVICE_PASSWORD}


def start_http(_tls, users, password):
    api = ApiServer(None, {user: (password, {"outcome": "ok", "account": f"{number:032x}", "address": user})
                           for number, user in enumerate(users)})
    api.asked = collections.deque(maxlen=1)  # Millions may come.
    return api.stop, {"url": api.url, "token": TOKEN}


def start_oauth(tls, users, _password):
    """Each user's token is good for a day; it is signed, and the issuer may be asked about it as well."""
    issuer = Issuer(tls)
    issuer.asked = collections.deque(maxlen=1)
    key = issuer.keys[0]
    public = key.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    tokens = [issuer.token(user, head={"typ": "JWT"}, sub=user, exp=int(time.time()) + 86_400) for user in users]
    issuer.introspected = {token: {"active": True, "aud": AUDIENCE, "email": user} for user, token in zip(users, tokens, strict=True)}
    return issuer.stop, {"url": issuer.url, "ca": issuer.ca_file.read_text(encoding="ascii"), "audience": AUDIENCE, "algorithm": key.algorithm,
                         "key_name": key.id["kid"], "public_key": public.decode(), "tokens": tokens}


STARTS = {
    "ldap": start_ldap,
    "postgresql": lambda *arguments: start_database(Postgresql, *arguments),
    "mariadb": lambda *arguments: start_database(Mariadb, *arguments),
    "http": start_http,
    "oauth": start_oauth,
}


def main(kind, ready_file):
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())  # While it starts, too: then it ends in order.
    question = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(prefix="poplar-backend-") as directory:
        tls = Path(directory) / "tls"
        make_certificates(tls)
        try:
            remove, place = STARTS[kind](tls, question["users"], question["password"])
        except BaseException:
            for pid in family_of(os.getpid())[1:]:  # Half of it may run.
                os.kill(pid, signal.SIGKILL)
            raise
        try:
            Path(ready_file + ".new").write_text(json.dumps(place), encoding="utf-8")
            os.rename(ready_file + ".new", ready_file)
            end.wait()
        finally:
            remove()


if __name__ == "__main__":
    main(*sys.argv[1:])
