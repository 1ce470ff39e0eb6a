"""Debian's packages that exclude others which tests need, or would start servers: not installed, but fetched by apt once and unpacked."""

import os
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("POPLAR_TEST_CACHE", "build/test-cache")).absolute() / "packages"


def fetched(package, version=""):
    """Where it is unpacked, the newest unless `version` says which; None where apt does not get it."""
    name = f"{package}={version}" if version else package
    home = CACHE / name
    if not home.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            got = subprocess.run(["apt-get", "download", "-q", name], cwd=folder, capture_output=True, timeout=120)
            files = list(Path(folder).glob("*.deb"))
            if got.returncode != 0 or len(files) != 1:
                return None
            subprocess.run(["dpkg-deb", "-x", files[0], f"{folder}/tree"], check=True, capture_output=True, timeout=60)
            os.rename(f"{folder}/tree", home)
    return home
