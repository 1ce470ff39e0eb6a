"""What `cmake --install` puts where, and that it works there as the pages say."""

import os
import re
import shlex
import shutil
import subprocess

import poplar_server
import pytest
from api_server import TOKEN, ApiServer
from backend_server import AUTH, BackendServer, example, toml_list
from poplar_server import wait_for
from test_plugins import BUILD

PREFIX = "/usr/local"  # The pages'.
ALICE = "alice@alpha.example"
BPFTRACE = AUTH.parent / "core/ops/bpftrace"
PLUGINS = ("example", "http", "ldap", "mariadb", "oauth", "postgresql")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("installed") / "usr"
    made = subprocess.run(["cmake", "--install", str(BUILD), "--prefix", str(prefix)], capture_output=True, timeout=300)
    assert made.returncode == 0, f"are poplar and poplar_plugins built? {made.stderr.decode()}"
    return prefix


@pytest.fixture
def as_installed(prefix, monkeypatch):
    monkeypatch.setattr(poplar_server, "POPLAR", str(prefix / "bin/poplar"))


def indented(page):
    return "".join(line[4:] + "\n" for line in (AUTH / page).read_text().splitlines() if line.startswith("    "))


def test_what_is_installed(prefix):
    there = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir()}
    shared = {"alerts.yml", "dashboard.json", *(f"bpftrace/{script.name}" for script in BPFTRACE.glob("*.bt"))}
    pages = {path for path in there if re.fullmatch(r"share/man/man([15])/poplar.*\.\1\.gz", path)}
    assert {"share/man/man1/poplar.1.gz", "share/man/man1/poplar-user.1.gz", "share/man/man5/poplar.toml.5.gz"} <= pages
    there -= pages
    assert there == {"bin/poplar", "include/poplar/plugin.h", *(f"lib/poplar/{name}.so" for name in PLUGINS),
                     *(f"share/poplar/{name}" for name in shared)}
    for path in there:
        linked = subprocess.run(["readelf", "-d", str(prefix / path)], capture_output=True, timeout=60).stdout.decode()
        assert str(BUILD) not in linked, f"{path} goes by the folder that it was built in"


def test_the_pages_name_plugins_where_they_are(prefix):
    named = {path for page in AUTH.glob("*.md") for path in re.findall(r'^ *plugin = "(.*)"$', page.read_text(), re.M)}
    assert {path.rpartition("/")[2] for path in named} == {f"{name}.so" for name in PLUGINS}
    for path in named:
        assert path.startswith(PREFIX + "/") and (prefix / path[len(PREFIX) + 1 :]).is_file(), path


def test_a_login_by_an_installed_plugin(prefix, as_installed, tmp_path, tls, closing):
    api = ApiServer(tls, {ALICE: ("wonder", {"outcome": "ok", "account": "a1"})})
    closing(api.stop)
    page = example("HTTP.md", "Configuration").replace(f'"{PREFIX}/', f'"{prefix}/')
    server = BackendServer(tmp_path / "poplar", page, {"api-token": TOKEN + "\n"}, url=toml_list([api.url]),
                           ca_file=f'"{tls}/ca.pem"', token_file='"api-token"')
    closing(server.stop)
    server.start()
    assert os.readlink(f"/proc/{server.process.pid}/exe") == str(prefix / "bin/poplar")
    assert server.codes(ALICE) == [250]
    client = server.pop3(ALICE, "wonder")
    assert client.stat()[0] == 1
    client.quit()
    assert server.verdict(ALICE, "wrong") == "AUTH"


def test_the_example_is_built_outside_of_the_tree(prefix, as_installed, tmp_path, closing):
    """As PLUGINS.md has it: the command, the configuration and the line of its user."""
    shutil.copy(AUTH / "plugins/example.c", tmp_path)
    page = indented("PLUGINS.md")
    command = re.search(r"^cc .* example\.c$", page, re.M)[0].replace(PREFIX, str(prefix))
    subprocess.run([*shlex.split(command), "-Werror"], check=True, cwd=tmp_path, timeout=60)
    (tmp_path / "least.c").write_text(re.search(r"^#define _GNU_SOURCE.*?^const struct poplar_plugin\*.*?\n", page, re.M | re.S)[0])
    subprocess.run([*shlex.split(command.replace("example", "least")), "-Wextra", "-Werror"], check=True, cwd=tmp_path, timeout=60)
    auth = re.search(r'^\[auth\]\n.*?^file = .*?\n', page, re.M | re.S)[0]
    user = re.search(r"^alice@acme\.example\t.*\n", page, re.M)[0].replace("@acme.", "@alpha.")
    server = BackendServer(tmp_path / "poplar", auth, {"users.txt": user}, plugin=f'"{tmp_path}/example.so"', file='"users.txt"')
    closing(server.stop)
    server.start()
    server.codes(ALICE)
    wait_for("the user is known", 10, lambda: server.verdict(ALICE, "secret") == "OK")
