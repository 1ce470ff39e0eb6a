"""A session whose peer is gone holds its maildrop no longer than some seconds after somebody else wants it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from poplar_server import needs


def test_a_dead_peer_makes_room(tmp_path):
    namespace = [needs("unshare"), "--net"] if os.geteuid() == 0 else [needs("unshare"), "--user", "--map-root-user", "--net"]
    if subprocess.run([*namespace, "ip", "link", "set", "lo", "up"], capture_output=True, timeout=60).returncode != 0:
        pytest.skip("network namespaces are forbidden here")
    scenario = Path(__file__).with_name("dead_peer.py")
    result = subprocess.run([*namespace, sys.executable, str(scenario), str(tmp_path / "server")], capture_output=True, timeout=120)
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
