"""A session whose peer is gone holds its maildrop no longer than some seconds after somebody else wants it."""

import subprocess
import sys
from pathlib import Path

from poplar_server import needs


def test_a_dead_peer_makes_room(tmp_path):
    scenario = Path(__file__).with_name("dead_peer.py")
    command = [needs("unshare"), "--user", "--map-root-user", "--net", sys.executable, str(scenario), str(tmp_path / "server")]
    result = subprocess.run(command, capture_output=True, timeout=120)
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
