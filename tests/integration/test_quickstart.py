"""core/quickstart, with a program that is built already: a first run, later ones, and that its proof is one."""

import os
import poplib
import re
import signal
import subprocess
from pathlib import Path

import pytest
from network import free_port
from poplar_server import POPLAR, needs

QUICKSTART = Path(__file__).resolve().parents[2] / "core/quickstart"
PROOF = r"{} mails listed over POP3S; {} of this demo's fetched, \d+ octets, each the same"


@pytest.fixture
def demo(tmp_path):
    """run(program): quickstart --no-serve in one folder, whose name is awkward, on ports of this test's."""
    needs("curl")
    folder = tmp_path / "a demo's"
    subprocess.run([POPLAR, "init", "--quiet", folder], check=True, capture_output=True, timeout=60)
    config = folder / "poplar.toml"
    text, count = re.subn(r'^listen = (\[?)".*$', lambda found: f'listen = {found[1]}"127.0.0.1:{free_port()}"{"]" if found[1] else ""}',
                          config.read_text(), flags=re.M)
    assert count == 4, text
    # As "For others to reach it" in README.md says.
    config.write_text(re.sub(r'(?<=^\[pop3s\]\n)listen = \["127.0.0.1', 'listen = ["0.0.0.0', text, flags=re.M))

    def run(program=POPLAR):
        done = subprocess.run([QUICKSTART, "--no-serve", folder], capture_output=True, timeout=300,
                              env={**os.environ, "POPLAR": str(Path(program).resolve())})
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    run.folder = folder
    return run


def shows(result, listed, fetched):
    code, out, err = result
    assert code == 0 and re.search(PROOF.format(listed, fetched), out), (out, err)
    return out


def empty_mailbox(folder):
    """As a mail program that fetches and deletes."""
    with subprocess.Popen([POPLAR, "serve"], env={**os.environ, "POPLAR_CONFIG": str(folder / "poplar.toml")}, stderr=subprocess.PIPE) as server:
        try:
            for line in server.stderr:
                if b"ready" in line:
                    break
            port = int(re.search(r'^\[pop3\]\n(?:.*\n)*?listen = \["127\.0\.0\.1:(\d+)"', (folder / "poplar.toml").read_text(), re.M)[1])
            client = poplib.POP3("127.0.0.1", port, timeout=30)
            client.user("alice@poplar.example")
            client.pass_((folder / "demo-password").read_text().strip())
            for number in range(1, client.stat()[0] + 1):
                client.dele(number)
            client.quit()
        finally:
            server.terminate()
            server.stderr.read()
            server.wait(60)


def test_it_can_be_run_again(demo):
    shows(demo(), 5, 5)
    assert "delivered before" in shows(demo(), 5, 5)
    empty_mailbox(demo.folder)
    assert "delivered once more" in shows(demo(), 5, 5)
    assert list(demo.folder.glob("demo-fetched*")) == []


def test_it_serves_until_it_is_told_to_end(demo):
    demo()
    program = {**os.environ, "POPLAR": str(Path(POPLAR).resolve())}
    with subprocess.Popen([QUICKSTART, demo.folder], stdout=subprocess.PIPE, env=program, text=True,
                          start_new_session=True) as quickstart:
        out = ""
        try:
            for line in quickstart.stdout:
                out += line
                if "until Ctrl-C" in line:
                    break
            paste = re.search(r"^    (curl .*)$", out, re.M)[1]
            first = subprocess.run(["bash", "-c", paste], capture_output=True, timeout=60, check=True).stdout
            assert b"Subject: Welcome to Poplar" in first
            metrics = re.search(r"Metrics:\s+(\S+)", out)[1]
            assert b"poplar_pop3_sessions" in subprocess.run(["curl", "-sf", metrics], capture_output=True, timeout=60, check=True).stdout
            assert re.search(r"server +(localhost|127\.0\.0\.1), port \d+, SSL/TLS", out), out
        finally:
            os.killpg(quickstart.pid, signal.SIGINT)  # As a terminal does.
            quickstart.stdout.read()
        assert quickstart.wait(60) == 130
    assert subprocess.run([POPLAR, "session", "list", "--config", demo.folder / "poplar.toml"], capture_output=True,
                          timeout=60, check=False).returncode != 0


def test_two_folders_are_one_too_many(demo):
    done = subprocess.run([QUICKSTART, "--no-serve", demo.folder, "another"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 64 and b"one folder, please" in done.stderr


def wrapper(tmp_path, body):
    program = tmp_path / "wrapped"
    program.write_text(f'#!/bin/sh\n{body}\nexec "{Path(POPLAR).resolve()}" "$@"\n')
    program.chmod(0o755)
    return program


def test_a_lost_mail_is_found(demo, tmp_path):
    count = tmp_path / "count"
    code, out, err = demo(wrapper(tmp_path, f'[ "$1" != deliver ] || {{ echo >>"{count}"; [ "$(wc -l <"{count}")" != 3 ] || exit 0; }}'))
    assert code != 0 and "did not come back over POP3S" in err and "3.eml" in err, (out, err)


def test_a_changed_mail_is_found(demo, tmp_path):
    code, out, err = demo(wrapper(tmp_path, f'[ "$1" != deliver ] || {{ sed s/Hello/Hallo/ | "{Path(POPLAR).resolve()}" "$@"; exit; }}'))
    assert code != 0 and "is not what was delivered" in err and "1.eml" in err, (out, err)
