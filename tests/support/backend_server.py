"""A server whose users are in one back end, configured as a page of auth/ says."""

import base64
import re
from pathlib import Path

from poplar_server import PoplarServer, lmtp_transaction, wait_for

AUTH = Path(__file__).resolve().parents[2] / "auth"
MESSAGE = b"Subject: to somebody elsewhere\r\n\r\nhello\r\n"
# What PLAIN sends for such a name: USER takes none.
NOT_UTF8 = base64.b64encode(b"\0al\xffice@alpha.example\0x")


def example(page, heading):
    """All that is indented under a heading of a page."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## )", (AUTH / page).read_text(), re.M | re.S)[1]
    return "".join(line[4:] + "\n" for line in section.splitlines() if line.startswith("    "))


def replaced(text, name, value):
    text, count = re.subn(rf'^{name} = ("""[^"]*"""|.*)$', lambda _: f"{name} = {value}", text, flags=re.M)
    assert count == 1, (name, text)
    return text


def toml_list(values):
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


class BackendServer(PoplarServer):
    """`files` are written beside the configuration; `replacements` are other values for the example's settings."""

    def __init__(self, directory, auth, files=None, more="", **replacements):
        super().__init__(directory, users="cache_seconds = 0")
        self.add_tenant("alpha", "alpha.example")
        for name, text in (files or {}).items():
            (self.directory / name).write_text(text)
        for name, value in replacements.items():
            auth = replaced(auth, name, value)
        self.config_path.write_text(self.config_path.read_text() + auth + more)

    def reconfigure(self, **replacements):
        """Starts it again, with other values."""
        self.stop()
        for name, value in replacements.items():
            self.config_path.write_text(replaced(self.config_path.read_text(), name, value))
        return self.start()

    def verdict(self, user, password):
        """OK, or the response code of the refusal."""
        client, reply = self.try_login(user, password)
        if client is None:
            return re.match(r"-ERR \[(.*?)\]", reply)[1]
        client.quit()
        return "OK"

    def codes(self, *recipients, message=MESSAGE):
        with self.lmtp() as client:
            client.ehlo_or_helo_if_needed()
            return [code for code, _ in lmtp_transaction(client, recipients, message)]

    def is_told(self, text):
        wait_for(f"{text!r} in the log", 5, lambda: text in self.log())

    def outcomes(self, backend):
        """How often the back end answered each."""
        names = ("ok", "unknown", "refused", "disabled", "temporary")
        return {name: self.metric("poplar_backend_answers_total", backend=backend, outcome=name) for name in names}
