"""Servers whose users log in by the tokens of an issuer (issuer.py), and such log-ins."""

import base64
import os
from pathlib import Path

from poplar_server import POPLAR, wait_for
from sasl_client import asker, encode

BUILD = Path(os.environ.get("POPLAR_BUILD", Path(POPLAR).resolve().parents[2]))
OAUTH = BUILD / "auth/plugins/oauth.so"
WRONG = "-ERR [AUTH] The user name or the password is wrong"
LATER = "-ERR [SYS/TEMP] Logging in is not possible now; try again later"


def with_chain(server, chain, *sections):
    """`server`, whose auth.chain is this, with sections of back ends."""
    listed = ", ".join(f'"{name}"' for name in chain)
    server.config_path.write_text(server.config_path.read_text() + f"""
[auth]
chain = [{listed}]
mechanisms = ["OAUTHBEARER", "XOAUTH2", "USER", "PLAIN"]
""" + "".join(sections))
    return server


def section(name, issuer, source="", more=""):
    """A back end of an issuer's tokens; by its keys where there is no other `source`."""
    return f"""
[backend.{name}]
plugin = "{OAUTH}"
issuer = "{issuer.url}"
{source or f'jwks_url = "{issuer.url}/keys"'}
ca_file = "{issuer.ca_file}"
audience = "poplar"
{more}
"""


def bearer(user, token):
    return f"n,a={user},\x01host=localhost\x01port=110\x01auth=Bearer {token}\x01\x01"


def xoauth2(user, token):
    return f"user={user}\x01auth=Bearer {token}\x01\x01"


def try_token(server, user, token, mechanism="OAUTHBEARER", one_line=True, dummy=None, client=None):
    """What is said in the end."""
    client = client or server.pop3()
    try:
        return _say_token(asker(client), user, token, mechanism, one_line, dummy)
    finally:
        client.close()


def _say_token(ask, user, token, mechanism, one_line, dummy):
    message = encode((bearer if mechanism == "OAUTHBEARER" else xoauth2)(user, token).encode())
    if one_line:
        answer = ask(f"AUTH {mechanism} {message}")
    else:
        assert ask(f"AUTH {mechanism}") == "+ "
        answer = ask(message)
    if answer.startswith("+ "):
        assert b'"status"' in base64.b64decode(answer[2:])
        answer = ask({"OAUTHBEARER": "AQ==", "XOAUTH2": ""}[mechanism] if dummy is None else dummy)
    elif answer.startswith("+OK"):
        assert ask("QUIT").startswith("+OK")
    return answer


def logged(server, *texts):
    """The log is written by a thread of its own."""
    for text in texts:
        wait_for(f"{text} in the log", 10, lambda: text in server.log())
