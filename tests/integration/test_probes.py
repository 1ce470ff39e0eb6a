"""The probes of the program: what tracers find in it is what core/ops/README.md says."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import ALICE, PASSWORDS
from poplar_server import POPLAR, needs, wait_for

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


# What each script says, as a pattern, of one user who logs in, fetches a message and deletes most, and of the compaction then.
ANSWERS = {
    "compaction.bt": rb"partition 0 segment \d+ read \d+ MiB\n(?s:.*)@deleted_messages: 10\n",
    "flush-latency.bt": rb"@us\[\d+\]:",
    "slow-logins.bt": rb"@logins\[ok\]: 1\n",
    "slow-opens.bt": rb"@openings\[%s\]: 1\n" % ALICE.encode(),
    "top-fetchers.bt": rb"@messages\[%s\]: 1\n" % ALICE.encode(),
}
# Of the probe that no script has.
ACCEPT = "usdt:/usr/bin/poplar:poplar:accept\n{\n  @accepted[str(arg1)] = count();\n}\n"
ACCEPTED = rb"@accepted\[pop3\]: 1\n"


def test_probes_fire(new_server, tmp_path, closing):
    """The scripts as they are, all at once, on a server that runs."""
    bpftrace = shutil.which("bpftrace")
    if bpftrace is None:
        pytest.skip("bpftrace is not installed")
    assert set(ANSWERS) == {script.name for script in SCRIPTS}
    server = new_server(store="partitions = 1\nsegment_mib = 8")
    server.stop()
    # Probes are set in the file, for whoever runs it: a copy has only this server, whatever other tests do beside it.
    server.program = shutil.copy(POPLAR, tmp_path / "poplar")
    server.start()
    program = str(Path(f"/proc/{server.process.pid}/exe").resolve())
    traces = {}
    for name, text in ({script.name: script.read_text() for script in SCRIPTS} | {"accept.bt": ACCEPT}).items():
        # What a script prints comes only when all of its probes are set.
        (tmp_path / name).write_text(text.replace("/usr/bin/poplar", program) + '\ninterval:s:1\n{\n  printf("looks\\n");\n}\n')
        with open(tmp_path / f"{name}.out", "wb") as out:
            traces[name] = subprocess.Popen([bpftrace, str(tmp_path / name)], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        closing(traces[name].kill)
    said = lambda name: (tmp_path / f"{name}.out").read_bytes()

    def attached():
        ended = [said(name).decode(errors="replace") for name, trace in traces.items() if trace.poll() is not None]
        if ended:
            pytest.skip(f"bpftrace may not look at a running program here: {ended[0][-300:]}")
        return all(b"looks\n" in said(name) for name in traces)

    wait_for("the scripts look", 60, attached)
    for number in range(12):  # More than a segment has room for.
        server.deliver([ALICE], b"Subject: %d\r\n\r\n" % number + (b"x" * 70 + b"\r\n") * 12_500)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.retr(1)
    for number in range(1, 11):
        client.dele(number)
    client.quit()
    # It works by itself, too, and may have been first.
    wait_for("a segment is emptied", 30, lambda: server.run_json("store", "compact") and server.metric("poplar_store_compacted_segments_total") >= 1)
    for trace in traces.values():
        trace.send_signal(signal.SIGINT)
    for name, trace in traces.items():
        trace.wait(60)
        assert re.search(ANSWERS.get(name, ACCEPTED), said(name)), (name, said(name).decode(errors="replace")[-2000:])
