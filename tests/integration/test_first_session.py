"""README.md, "A first session": its commands as they stand there, with a program that is built already, on ports of the test's own."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

from network import free_port
from poplar_server import POPLAR, needs

README = Path(__file__).resolve().parents[2] / "README.md"
INIT = "poplar init mail"


def commands():
    """What builds the program, and what is done with it."""
    block = re.search(r"^## A first session\n\n.*\n\n((?:    .*\n|\n)+)", README.read_text(), re.M)[1]
    build, found, rest = textwrap.dedent(block).partition(INIT)
    assert found
    return build, found + rest


def test_the_first_session_is_as_the_page_says(tmp_path):
    needs("curl")
    build, session = commands()
    assert [line.split()[0] for line in build.splitlines() if line.strip()] == ["core/install-packages", "cmake", "cmake", "export"]
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "poplar").symlink_to(Path(POPLAR).resolve())
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}

    def run(script):
        # Whatever fails, the server ends.
        safe = f"set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"
        done = subprocess.run(["bash", "-c", safe], cwd=tmp_path, env=environment, capture_output=True, timeout=120)
        assert done.returncode == 0, (done.stdout.decode(), done.stderr.decode())
        return done.stdout.decode()

    init, session = session.split("\n", 1)
    run(init)
    config = tmp_path / "mail/poplar.toml"
    text = config.read_text()
    for line, port in re.findall(r'^(listen = \[?"127\.0\.0\.1:(\d+)".*)$', text, re.M):
        own = str(free_port())
        text = text.replace(line, re.sub(r', "\[::1\]:\d+"', "", line).replace(port, own))
        session = session.replace(f":{port}/", f":{own}/")
    config.write_text(text)
    said = run(session + "\nwait %1")
    assert re.search(r"^1 \d+\r?$.*^Subject: Hello\r?$.*^The first mail\.", said, re.M | re.S), said
    assert " ready" in (tmp_path / "mail/log").read_text()
