"""A clean Debian 12 in a folder, made from the mirror that this machine's apt is told of.

Commands run in it by chroot, each in a mount namespace of its own: what they mount is gone with them.
"""

import os
import shutil
import subprocess
from pathlib import Path

from poplar_server import needs

ENTER = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$@"'


def why_not():
    """Why there can be no such tree here, or an empty text."""
    if os.geteuid() != 0:
        return "only root may make a Debian tree"
    if not shutil.which("debootstrap"):
        return "debootstrap is missing: tests/run installs it"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, timeout=60).returncode != 0:
        return "mount namespaces are forbidden here"
    return "" if mirror() else "apt knows of no mirror with Debian 12"


def mirror():
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm", "Component: main"]
    found = subprocess.run(command, capture_output=True, timeout=60).stdout.decode().split()
    return found[0] if found else None


class DebianTree:
    def __init__(self, folder):
        self.folder = Path(folder)
        made = subprocess.run([needs("debootstrap"), "--variant=minbase", "bookworm", str(folder), mirror()],
                              capture_output=True, timeout=500)
        assert made.returncode == 0, made.stdout.decode()[-3000:] + made.stderr.decode()[-1000:]
        shutil.copy("/etc/resolv.conf", self.folder / "etc/resolv.conf")

    def command(self, *arguments, user=None):
        """What runs `arguments` in the tree."""
        who = ["--userspec", f"{user}:{user}"] if user else []
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, str(self.folder), *who, str(self.folder), *arguments]

    def run(self, *arguments, user=None, check=True, **options):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        environment.update((name, os.environ[name]) for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ)
        options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
        result = subprocess.run(self.command(*arguments, user=user), capture_output=True, timeout=300, env=environment, **options)
        if check and result.returncode != 0:
            raise AssertionError(f"{arguments} ended with {result.returncode}: {result.stdout.decode()[-3000:]}{result.stderr.decode()[-2000:]}")
        return result

    def install(self, *packages, options=()):
        """Files of packages, with what they depend on."""
        folder = self.folder / "packages"
        folder.mkdir(exist_ok=True)
        for package in packages:
            shutil.copy(package, folder)
        return self.run("apt-get", "install", "-q", "-y", "--no-install-recommends", *options, *(f"/packages/{Path(each).name}" for each in packages))
