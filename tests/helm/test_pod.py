"""What a pod does: the rendered configuration, mounted as a kubelet mounts it, is checked and served by the real program."""

import json
import os
import re
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from conftest import HERE, VALUES
from network import openssl
from poplar_server import POPLAR, PoplarServer, read_line, wait_for

PLUGINS = Path(os.environ.get("POPLAR_BUILD", HERE.parents[1] / "build/release")).absolute() / "auth/plugins"
ALICE, PASSWORD = "alice@acme.example", "correct horse battery staple"
KUBELET_SECONDS = 30  # The server looks every second, or every five.


class Pod(PoplarServer):
    """A StatefulSet's pod, without containers: its places lie below a folder, its ports are the kernel's choice."""

    def __init__(self, directory, documents, secrets):
        self.directory, self.wrapper, self.process, self.ports = directory, [], None, {}
        self.process_options, self.program = {}, None
        self.log_path = directory / "server.log"
        self.config_path = directory / "etc/poplar/poplar.toml"
        self.documents, self.secrets, self.mounts = documents, secrets, 0
        for folder in ("etc/poplar", "var/lib/poplar", "run/poplar"):
            (directory / folder).mkdir(parents=True)
        (stateful_set,) = [each for each in documents.values() if each["kind"] == "StatefulSet"]
        self.spec = stateful_set["spec"]["template"]["spec"]
        for volume in self.spec["volumes"]:
            if "secret" in volume:
                name, mode = volume["secret"]["secretName"], volume["secret"]["defaultMode"]
                self.write(f"etc/poplar-secrets/{name}", secrets[name], mode)
        self.mount()

    def here(self, text):
        text = re.sub(r"/(etc|run|var/lib)/poplar", rf"{self.directory}/\1/poplar", text)
        return re.sub(r'(0\.0\.0\.0|\[::\]):\d+"', r'\1:0"', text).replace("/usr/lib/poplar", str(PLUGINS))

    def write(self, folder, files, mode):
        for name, text in files.items():
            file = self.directory / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(mode)

    def mount(self):
        """The configuration and the tenants, as they are now."""
        self.mounts += 1
        (container,) = self.spec["containers"]
        places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        (config,) = [volume for volume in self.spec["volumes"] if volume["name"] == "config"]
        files = {}
        for source in config["projected"]["sources"]:
            kind, where = next(iter(source.items()))
            name = where["name"]
            have = self.secrets.get(name) if kind == "secret" else self.documents[f"ConfigMap {name}"]["data"]
            if have is None:
                assert where.get("optional"), f"the pod waits for {name}"
                continue
            files |= {item["path"]: self.here(have[item["key"]]) for item in where["items"]}
        self.mount_one(places["config"], files, config["projected"]["defaultMode"])
        (tenants,) = [volume["configMap"] for volume in self.spec["volumes"] if volume["name"] == "tenants"]
        self.mount_one(places["tenants"], self.documents[f"ConfigMap {tenants['name']}"].get("data", {}), tenants["defaultMode"])

    def mount_one(self, place, files, mode):
        """A folder of its own, and the links that lead into it."""
        folder = self.directory / place[1:]
        self.write(f"{place[1:]}/..{self.mounts}", files, mode)
        (folder / f"..{self.mounts}").mkdir(parents=True, exist_ok=True)
        (folder / "..data_tmp").symlink_to(f"..{self.mounts}")
        (folder / "..data_tmp").rename(folder / "..data")
        tops = {path.split("/")[0] for path in files}
        for top in tops:
            if not (folder / top).is_symlink():
                (folder / top).symlink_to(f"..data/{top}")
        for link in folder.iterdir():
            if not link.name.startswith("..") and link.name not in tops:
                link.unlink()

    def init(self):
        (container,) = self.spec["initContainers"]
        assert container["command"][0] == "poplar"
        return self.run(*map(self.here, container["command"][1:]), config=False)

    @property
    def certificate(self):
        return Path(re.search(r'^certificate = "(.*)"$', self.config_path.read_text(), re.M)[1])


@pytest.fixture
def secret(tmp_path):
    """secret(HOST): what a Secret of type kubernetes.io/tls holds."""

    def make(host):
        openssl(tmp_path, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key", "-out", "crt",
                "-days", "30", "-subj", "/CN=test", "-addext", f"subjectAltName=DNS:{host}")
        return {"tls.crt": (tmp_path / "crt").read_text(), "tls.key": (tmp_path / "key").read_text()}

    return make


@pytest.mark.parametrize("values", VALUES, ids=lambda file: file.stem)
def test_the_program_finds_no_fault(documents, tmp_path, secret, values):
    all_of_it = documents(values)
    names = {"pop-example-net-tls": "pop.example.net", "mail-poplar-tls": "pop.example.net", "acme-tls": "pop.acme.example",
             "other-tls": "*.other.example", "mail-poplar-pop.acme.example-tls": "pop.acme.example",
             "mail-poplar-wildcard.other.example-tls": "*.other.example"}
    secrets = {name: secret(host) for name, host in names.items()}
    secrets["directory"] = {"password": "secret\n", "ca.crt": secrets["acme-tls"]["tls.crt"]}
    pod = Pod(tmp_path / "pod", all_of_it, secrets)
    pod.init()
    result = pod.run("check")
    assert not result.stderr, result.stderr
    pod.init()  # A restart: all is there already.


def sni(pod, host):
    """The certificate that is shown to who asks for the host."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", pod.ports["pop3s"]), timeout=30), server_hostname=host) as tls:
        assert read_line(tls).startswith(b"+OK")
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))


def tenants(pod):
    return {each["name"]: each for each in json.loads(pod.run("tenant", "list", "--json").stdout)}


def test_a_pod_serves_and_takes_what_changes(documents, tmp_path, secret):
    settings = ["ipFamily=ipv4", "config.log.format=text", "tls.secretName=default", "tenants.acme.domains={acme.example}",
                "tls.hosts[0].host=pop.acme.example", "tls.hosts[0].secretName=acme", "tls.hosts[1].host=*.late.example", "tls.hosts[1].secretName=late"]
    secrets = {"default": secret("localhost"), "acme": secret("pop.acme.example")}
    pod = Pod(tmp_path / "pod", documents(HERE / "values/minimal.yaml", settings=settings), secrets)
    pod.init()
    with pod:
        pod.add_user(ALICE, PASSWORD)
        message = b"Subject: hello\r\n\r\nThe first mail.\r\n"
        pod.deliver([ALICE], message)
        assert pod.run("deliver", "--from", "bob@example.org", ALICE, input=message).stdout
        client = pod.pop3(ALICE, PASSWORD, "pop3s")
        assert client.stat()[0] == 2

        def pem(name):
            return pod.secrets[name]["tls.crt"]

        assert (sni(pod, "pop.acme.example"), sni(pod, "pop.late.example")) == (pem("acme"), pem("default"))
        # cert-manager renews one certificate and issues another; a tenant gets a domain, and another comes.
        pod.secrets |= {"default": secret("localhost"), "late": secret("*.late.example")}
        more = [*settings, "tenants.acme.domains={acme.example,acme.test}"]
        pod.documents = documents(HERE / "values/minimal.yaml", settings=[*more, "tenants.beta.domains={beta.example}"])
        pod.mount()
        wait_for("the renewed certificate is shown", KUBELET_SECONDS, lambda: sni(pod, "pop.example.net") == pem("default"))
        wait_for("the new one, too", KUBELET_SECONDS, lambda: sni(pod, "pop.late.example") == pem("late"))
        wait_for("the tenant has the domain", KUBELET_SECONDS, lambda: b"acme.test" in pod.run("tenant", "list").stdout)
        pod.add_user("bob@beta.example", PASSWORD)
        pod.pop3("bob@beta.example", PASSWORD, "pop3s").quit()
        pod.documents = documents(HERE / "values/minimal.yaml", settings=more)
        pod.mount()
        wait_for("the other one is disabled", KUBELET_SECONDS, lambda: not tenants(pod)["beta"]["enabled"])
        assert tenants(pod)["acme"]["enabled"]
        client.noop()  # Whoever was there has noticed nothing.
        client.quit()


def test_maintenance_works_on_a_store_that_stands_still(documents, tmp_path):
    settings = ["ipFamily=ipv4", "config.log.format=text", "maintenance.command={store,verify}"]
    all_of_it = documents(HERE / "values/minimal.yaml", settings=settings)
    pod = Pod(tmp_path / "pod", all_of_it, {})
    pod.init()
    container = all_of_it["Pod mail-poplar-maintenance"]["spec"]["containers"][0]
    environment = {each["name"]: pod.here(each["value"]) for each in container["env"]}

    def run_command():
        program, *arguments = container["command"]
        assert program == "poplar"
        return subprocess.run([POPLAR, *arguments], env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, timeout=120)

    with pod:
        refused = run_command()
        assert refused.returncode != 0, refused.stdout
    done = run_command()
    assert done.returncode == 0, done.stderr


def run_helm_test(documents, pods):
    """What `helm test` runs, where the pods' ports stand for the Services and the names of pods."""
    (container,) = documents["Pod mail-poplar-test"]["spec"]["containers"]

    def here(place):
        name, port = place.split(":")
        number = int(re.search(r"^mail-poplar-(?:\w+-)?(\d+)\b", name + "-0")[1])
        return f"127.0.0.1:{pods[number].ports[{'110': 'pop3', '995': 'pop3s', '9110': 'http'}[port]]}"

    variables = {each["name"]: " ".join(map(here, each["value"].split())) for each in container["env"]}
    return subprocess.run(container["command"], env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("proxied", [False, True])
def test_helm_test_passes_where_all_is_well_and_fails_where_it_is_not(documents, tmp_path, proxied):
    networks = ["config.pop3.proxy_networks={127.0.0.0/8}"] if proxied else []
    all_of_it = documents(HERE / "values/minimal.yaml", settings=["ipFamily=ipv4", "config.log.format=text", *networks])
    pod = Pod(tmp_path / "pod", all_of_it, {})
    pod.init()
    with pod:
        passed = run_helm_test(all_of_it, [pod])
        assert passed.returncode == 0, passed.stderr
        assert passed.stdout.count("ok: ") == 4
    failed = run_helm_test(all_of_it, [pod])
    assert failed.returncode != 0 and "failed: " in failed.stderr


def test_helm_test_asks_every_store(documents, tmp_path):
    all_of_it = documents(HERE / "values/minimal.yaml", settings=["ipFamily=ipv4", "config.log.format=text", "replicas=3"])
    pods = [Pod(tmp_path / f"pod-{number}", all_of_it, {}) for number in range(3)]
    for pod in pods:
        pod.init()
    with pods[0], pods[1]:
        with pods[2]:
            passed = run_helm_test(all_of_it, pods)
            assert passed.returncode == 0, passed.stderr
            assert passed.stdout.count("ok: ") == 1 + 3 * 3
        failed = run_helm_test(all_of_it, pods)
        assert failed.returncode != 0 and f"127.0.0.1:{pods[2].ports['http']} does not answer" in failed.stderr
