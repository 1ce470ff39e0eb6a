"""The probes of the program: what tracers find in it is what core/ops/README.md says."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from poplar_server import POPLAR, needs

OPS = Path(__file__).resolve().parents[2] / "core/ops"
SCRIPTS = sorted((OPS / "bpftrace").glob("*.bt"))


def in_program():
    """{probe: the number of its arguments}, by the program's notes."""
    notes = subprocess.run([needs("readelf"), "-n", POPLAR], capture_output=True, check=True, timeout=120).stdout.decode()
    found = {}
    for name, arguments in re.findall(r"Provider: poplar\n\s+Name: (\w+)\n.*\n\s+Arguments: (.*)", notes):
        # The compiler may have a probe in several places, each with its own registers.
        found.setdefault(name, set()).add(len(re.findall(r"-?\d@", arguments)))
    return found


def in_page():
    section = (OPS / "README.md").read_text().split("\n## Probes\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", section, re.M)
    # Commas in parentheses part no arguments.
    return {name: len(re.sub(r"\([^)]*\)", "", arguments).split(",")) for name, arguments in rows}


def test_the_program_has_the_probes_of_the_page():
    page = in_page()
    assert set(page) == {"accept", "login", "open", "retr", "commit", "flush", "compaction"}
    assert in_program() == {name: {arguments} for name, arguments in page.items()}


def test_scripts_use_probes_and_arguments_that_there_are():
    page = in_page()
    described = (OPS / "README.md").read_text()
    assert len(SCRIPTS) >= 4
    for script in SCRIPTS:
        assert f"`bpftrace/{script.name}`" in described, script.name
        text = script.read_text()
        blocks = re.findall(r"usdt:/usr/bin/poplar:poplar:(\w+)\n(.*?^\})", text, re.M | re.S)
        assert blocks, script.name
        for probe, block in blocks:
            assert all(int(number) < page[probe] for number in re.findall(r"\barg(\d)", block)), (script.name, probe)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_bpftrace_takes_the_script(script):
    bpftrace = shutil.which("bpftrace")
    if bpftrace is None:
        pytest.skip("bpftrace is not installed")
    text = script.read_text().replace("/usr/bin/poplar", str(Path(POPLAR).resolve()))
    result = subprocess.run([bpftrace, "-d", "-"], input=text.encode(), capture_output=True, timeout=120)
    told = (result.stdout + result.stderr).decode(errors="replace")
    if result.returncode != 0 and re.search(r"BTF|permission|not permitted|root", told, re.I) and "syntax" not in told:
        pytest.skip(f"bpftrace may not look at programs here: {told.strip().splitlines()[-1]}")
    assert result.returncode == 0, told[-2000:]
