import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TREE = HERE.parents[1]
CHART = TREE / "helm"
CACHE = Path(os.environ.get("POPLAR_TEST_CACHE", TREE / "build/test-cache")).absolute() / "helm"
RELEASE, NAMESPACE = "mail", "post"
VALUES = sorted((HERE / "values").glob("*.yaml"))
SKIPPED = 77  # ctest's word for it, in CMakeLists.txt.

sys.path.insert(0, str(HERE.parent / "support"))


def why_no_go():
    """Empty: there is a Go that can build Helm."""
    wanted = re.search(r"^go (\d+)\.(\d+)", (HERE / "go.mod").read_text(), re.M)
    go = shutil.which("go")
    if go is None:
        return f"go is missing: Helm is built by Go {wanted[1]}.{wanted[2]} or newer"
    there = re.search(r"go(\d+)\.(\d+)", subprocess.run([go, "version"], capture_output=True, text=True, timeout=60).stdout)
    if (int(there[1]), int(there[2])) < (int(wanted[1]), int(wanted[2])):
        return f"{there[0]} is too old: Helm is built by Go {wanted[1]}.{wanted[2]} or newer"
    return ""


@pytest.fixture(scope="session")
def tools():
    """The folder with helm, and with manifests and oldest of this folder. Go's own cache makes it seconds where it was built before."""
    if why := why_no_go():
        pytest.skip(why)
    CACHE.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    # As Helm's own Makefile has it: for which Kubernetes it renders where none is there.
    minor = re.search(r"^\s+k8s\.io/api v0\.(\d+)\.", (HERE / "go.mod").read_text(), re.M)[1]
    kubernetes = " ".join(f"-X helm.sh/helm/v3/pkg/{package}.k8sVersion{part}={number}"
                          for package in ("chartutil", "lint/rules") for part, number in (("Major", 1), ("Minor", minor)))
    for program, module, package in (("manifests", HERE, "./manifests"), ("oldest", HERE / "oldest", "."), ("helm", HERE, "helm.sh/helm/v3/cmd/helm")):
        subprocess.run(["go", "build", "-trimpath", f"-ldflags=-s -w {kubernetes}", "-o", str(CACHE / program), package],
                       cwd=module, env=environment, check=True, timeout=1000)
    return CACHE


@pytest.fixture(scope="session")
def run_helm(tools):
    """run_helm(ARGUMENTS...): Helm with folders of its own, and no cluster."""
    with tempfile.TemporaryDirectory(prefix="poplar-helm-") as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home, "HELM_DATA_HOME": home}

        def run(*arguments, check=True):
            result = subprocess.run([str(tools / "helm"), *map(str, arguments)], capture_output=True, text=True, timeout=120, env=environment)
            if check:
                assert result.returncode == 0, f"helm {arguments}: {result.stdout}{result.stderr}"
            return result

        yield run


@pytest.fixture(scope="session")
def render(run_helm):
    """render(VALUES..., chart=, set=[]): what Helm would hand to the cluster, as text."""

    def render(*values, chart=CHART, settings=()):
        files = [word for file in values for word in ("--values", file)]
        sets = [word for setting in settings for word in ("--set", setting)]
        return run_helm("template", RELEASE, chart, "--namespace", NAMESPACE, *files, *sets).stdout

    return render


@pytest.fixture(scope="session")
def check_manifests(tools):
    """What tests/helm/manifests says of a text: the documents, or a list of faults."""

    def check(text):
        result = subprocess.run([str(tools / "manifests")], input=text, capture_output=True, text=True, timeout=120)
        return (json.loads(result.stdout), []) if result.returncode == 0 else ([], result.stderr.splitlines())

    return check


@pytest.fixture(scope="session")
def check_by_oldest(tools):
    """What tests/helm/oldest says of a text: a list of faults."""

    def check(text):
        result = subprocess.run([str(tools / "oldest")], input=text, capture_output=True, text=True, timeout=120)
        assert (result.returncode == 0) == (not result.stderr), result.stderr
        return result.stderr.splitlines()

    return check


@pytest.fixture(scope="session")
def documents(render, check_manifests):
    """documents(VALUES..., settings=[]): the sound documents that Helm makes, by "Kind name"."""

    def documents(*values, **options):
        found, faults = check_manifests(render(*values, **options))
        assert not faults, faults
        return {f"{each['kind']} {each['metadata']['name']}": each for each in found}

    return documents


def pytest_sessionfinish(session, exitstatus):
    """Where nothing could run, nothing was passed: ctest says that it was skipped."""
    reports = session.config.pluginmanager.get_plugin("terminalreporter").stats
    if exitstatus == pytest.ExitCode.OK and reports.get("skipped") and not reports.get("passed"):
        session.exitstatus = SKIPPED
