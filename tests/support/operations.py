"""The operator's page (core/OPERATIONS.md) followed as it stands: its commands, with a test's places in those of the packages."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

from poplar_server import POPLAR, PoplarServer, needs

OPERATIONS = Path(__file__).resolve().parents[2] / "core/OPERATIONS.md"
# What the packages and the page's reader have, and a test has not.
STAND_INS = {"runuser": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',  # The store is this user's own.
             "less": "exec cat",
             "editor": """exec sed -i -E '/^listen/s/:[0-9]+"/:0"/g' "$1" """}


def example(first_line):
    """A block of the page, which must work as it stands there."""
    block = re.search(rf"^ +{first_line}\n(?:    .*\n)*", OPERATIONS.read_text(), re.M)
    return textwrap.dedent(block[0])


def section(heading):
    """What stands under one heading, up to the next one."""
    return re.search(rf"^#+ {heading}\n(.*?)(?=^#+ |\Z)", OPERATIONS.read_text(), re.M | re.S)[1]


def quoted(heading, pattern):
    """The command that a section has within its text."""
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", section(heading))]
    [found] = {span for span in spans if re.fullmatch(pattern, span)}
    return found


class Operator:
    """Does what the page says, to `server` and beside it; `folder` holds backups and what else is not the server's."""

    def __init__(self, server, folder):
        needs("sqlite3")
        self.server, self.folder = server, Path(folder)
        programs = self.folder / "bin"
        programs.mkdir(parents=True)
        (programs / "poplar").symlink_to(Path(POPLAR).resolve())
        for name, text in STAND_INS.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        self.environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "EDITOR": "editor", "POPLAR_CONFIG": str(server.config_path)}
        self.words = {"/var/lib/poplar": server.directory, "/backup": self.folder / "backup", "/tmp/rescue": self.folder / "rescue",
                      "poplar:poplar": f"{os.geteuid()}:{os.getegid()}", "STORE": server.directory / "store"}

    def shell(self, script, ends_with=0, input=b""):
        result = subprocess.run(["sh", "-euc", script], capture_output=True, timeout=60, cwd=self.folder, env=self.environment, input=input)
        assert result.returncode == ends_with, (script, result)
        return (result.stdout + result.stderr).decode()

    def follow(self, commands, ends_with=0, input=b"", instead=()):
        """Runs them; `systemctl` is the test's server, started and stopped. `instead`: words for some of theirs."""
        for word, other in {**self.words, **dict(instead)}.items():
            commands = commands.replace(word, str(other))
        said, umask = "", ""
        for part in re.split(r"^(systemctl .*\n?)", commands, flags=re.M):
            if part.startswith("systemctl"):
                {"stop": self.server.stop, "start": self.server.start}[part.split()[1]]()
            elif part.strip():
                said += self.shell(umask + part, ends_with, input)
            umask = "umask 077\n" if "umask 077" in part else umask
        return said

    def stopped(self, commands, **options):
        """By "With the server stopped"."""
        stop, start = re.split(r"^runuser.*\n", example("systemctl stop.*"), flags=re.M)
        return self.follow(f"{stop}{commands}\n{start}", **options)

    def back_up(self):
        """By "Backup"; then copied away, as that tells."""
        self.follow(example("umask 077 .*password.*"))
        copy = re.search(r"\(`(rsync [^`]+)`", section("Backup"))[1]
        needs("rsync")
        self.follow(f"{copy} /var/lib/poplar/snapshots/ /backup")

    def rescue(self, tenant):
        """By "One mailbox": a server on the backup, ready to be started."""
        commands, serve = example("umask 077 .*room.*").split("poplar serve")
        assert serve == " --config /tmp/rescue/poplar.toml\n"
        self.follow(commands, instead={"TENANT": tenant})
        return PoplarServer(self.words["/tmp/rescue"], made=True)

    def fetch_from(self, rescue, address, password):
        """From a rescue server that runs."""
        return self.follow(example(r"poplar import pop3 pop3s://localhost:PORT .*").rstrip("\n") + " --password-stdin", input=password.encode() + b"\n",
                           instead={"PORT": rescue.ports["pop3s"], "ADDRESS": address})
