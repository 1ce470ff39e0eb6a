"""An OCI image run by crun, as podman, docker or a kubelet would: unpacked, with a runtime configuration of its own."""

import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import uuid
from pathlib import Path

from poplar_server import needs, wait_for

USER_ID = 10001
# Of an image, as podman and containerd look for its name.
NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
# crun refuses machines that have cgroups of both versions, though it is told to leave them alone: it is shown those of version 2.
UNIFIED_CGROUPS = ["unshare", "--mount", "sh", "-c", 'mount -t cgroup2 none /sys/fs/cgroup; exec "$@"', "sh"]


def read_image(path):
    """The image's configuration and the layers' tars, each checked against its digest by its name."""
    import hashlib

    with tarfile.open(path) as layout:
        def blob(descriptor):
            kind, digest = descriptor["digest"].split(":")
            content = layout.extractfile(f"blobs/{kind}/{digest}").read()
            assert hashlib.new(kind, content).hexdigest() == digest and len(content) == descriptor["size"]
            return content

        assert json.loads(layout.extractfile("oci-layout").read())["imageLayoutVersion"] == "1.0.0"
        [entry] = json.loads(layout.extractfile("index.json").read())["manifests"]
        manifest = json.loads(blob(entry))
        config = json.loads(blob(manifest["config"]))
        layers = [gzip.decompress(blob(layer)) for layer in manifest["layers"]]
        # What docker goes by.
        [for_docker] = json.loads(layout.extractfile("manifest.json").read())
        in_layout = lambda descriptor: "blobs/" + descriptor["digest"].replace(":", "/")
        assert for_docker["Config"] == in_layout(manifest["config"])
        assert for_docker["Layers"] == [in_layout(layer) for layer in manifest["layers"]]
        config["names"] = {*for_docker["RepoTags"], *(entry["annotations"][key] for key in NAMES)}
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    return config, layers


def unpack(layers, root):
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            archive.extractall(root, numeric_owner=True)


class Container:
    """One container of an image. `data` becomes /var/lib/poplar; the root file system is read-only."""

    def __init__(self, folder, config, root, data, profile):
        self.name = f"poplar-test-{uuid.uuid4().hex[:12]}"
        self.bundle = folder / self.name
        self.bundle.mkdir()
        self.config, self.root, self.data, self.profile = config, root, data, profile
        self.state = self.bundle / "state"
        self.log_path = self.bundle / "log"
        self.process = None

    def write(self, arguments):
        user = int(self.config["config"]["User"].split(":")[0])
        mounts = [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/var/lib/poplar", "type": "bind", "source": str(self.data), "options": ["bind", "rw", "nosuid", "nodev"]},
        ]
        (self.bundle / "config.json").write_text(json.dumps({
            "ociVersion": "1.0.2",
            "root": {"path": str(self.root), "readonly": True},
            "hostname": "poplar",
            "process": {
                "terminal": False, "user": {"uid": user, "gid": user}, "cwd": self.config["config"]["WorkingDir"],
                "args": [*self.config["config"]["Entrypoint"], *arguments],
                "env": [*self.config["config"]["Env"], "POPLAR_CONFIG=/var/lib/poplar/poplar.toml"],
                "capabilities": {kind: [] for kind in ("bounding", "effective", "permitted", "ambient", "inheritable")},
                "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 4096, "soft": 1024}],
                "noNewPrivileges": True,
            },
            "mounts": mounts,
            "linux": {
                # Of the network it has the test's own: ports are how it is spoken to.
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                "seccomp": self.profile,
            },
        }))

    def runtime(self, *arguments):
        return [*UNIFIED_CGROUPS, needs("crun"), "--root", str(self.state), "--cgroup-manager=disabled", *arguments]

    def run(self, *arguments):
        """A command of the image's, to its end."""
        self.write(arguments)
        return subprocess.run(self.runtime("run", "--bundle", str(self.bundle), self.name), capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL)

    def start(self):
        self.write(self.config["config"]["Cmd"])
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.runtime("run", "--bundle", str(self.bundle), self.name), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)

        def ready():
            assert self.process.poll() is None, self.log()
            return " ready" in self.log()

        wait_for("the container serves", 60, ready)
        return self

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def pid(self):
        """Its first process, as this side numbers it."""
        state = subprocess.run(self.runtime("state", self.name), capture_output=True, check=True, timeout=60)
        return json.loads(state.stdout)["pid"]

    def stop(self):
        os.kill(self.pid(), getattr(signal, self.config["config"]["StopSignal"]))
        return self.process.wait(timeout=60)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            subprocess.run(self.runtime("kill", self.name, "KILL"), capture_output=True, timeout=60)
            self.process.wait(timeout=60)
        subprocess.run(self.runtime("delete", "--force", self.name), capture_output=True, timeout=60)
        shutil.rmtree(self.bundle, ignore_errors=True)
