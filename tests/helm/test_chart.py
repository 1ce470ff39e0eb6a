"""The chart as Helm and Kubernetes read it: lint, golden files, the types of what comes out, and what is refused."""

import difflib
import json
import os
import re
import shutil
import subprocess

import pytest
from conftest import CHART, HERE, TREE, VALUES

NAMES = [file.stem for file in VALUES]


def values_of(name):
    return HERE / "values" / f"{name}.yaml"


def blocks(page, language):
    """The examples of a page of Markdown, without their indentation."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.M | re.S)


# --- Sound for everybody.

@pytest.mark.parametrize("name", NAMES)
def test_lint(run_helm, name):
    run_helm("lint", "--strict", CHART, "--values", values_of(name))


def without_copies(text):
    """What stands in files/ is compared elsewhere."""
    text = re.sub(r"(checksum/profile: )\w+", r"\1(files)", text)
    text = re.sub(r"(kind: PrometheusRule\n.*?\nspec:\n).*?(?=\n---\n|\Z)", r"\1  (files/alerts.yml)", text, flags=re.S)
    return re.sub(r"^(  (alerts\.yml|poplar\.json|seccomp\.json|test\.sh): \|\n)(?:(?:    .*)?\n)+", r"\1    (files)\n", text, flags=re.M)


@pytest.mark.parametrize("name", NAMES)
def test_golden(render, name):
    """tests/helm/update-golden writes them anew; look at the difference before you keep it."""
    text = without_copies(render(values_of(name)))
    golden = HERE / "golden" / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    before = golden.read_text()
    assert text == before, "".join(difflib.unified_diff(before.splitlines(True), text.splitlines(True), str(golden), "now"))


@pytest.mark.parametrize("name", NAMES)
def test_an_api_server_would_take_it(documents, name):
    assert "StatefulSet " in " ".join(documents(values_of(name)))


@pytest.mark.parametrize("old, new, fault", [
    ("      terminationGracePeriodSeconds:", "      terminationGraceSeconds:", "terminationGraceSeconds"),
    ("  replicas: 1", '  replicas: "1"', "replicas"),
    ("kind: StatefulSet", "kind: StatefullSet", "StatefullSet"),
    ("            storage: 20Gi", "            storage: 20GiB", "quantities"),
    ("            - name: run\n", "            - name: ran\n", "mounts ran"),
    ("      targetPort: lmtp", "      targetPort: lmtps", "no port lmtps"),
    ("  name: mail-poplar-lmtp\n", "  name: mail-poplar-pop3\n", "two of this name"),
    ("        - {protocol: TCP, port: pop3s}", "        - {protocol: TCP, port: imaps}", "no port imaps"),
    ("mail-poplar-pop3s:995", "mail-poplar-pop3s:996", "is no Service's"),
    ("  maxUnavailable: 1", "  maxUnavailable: 1\n  maxUnavailable: 1", "already set"),
])
def test_an_api_server_would_refuse_faults(render, check_manifests, old, new, fault):
    text = render(values_of("minimal"))
    assert old in text
    _, faults = check_manifests(text.replace(old, new, 1))
    assert fault in " ".join(faults), faults


@pytest.mark.parametrize("name", NAMES)
def test_so_would_the_oldest_that_is_promised(render, check_by_oldest, name):
    assert not check_by_oldest(render(values_of(name), settings=["maintenance.command={store,verify}"]))


def test_the_oldest_knows_no_newer_field(render, check_manifests, check_by_oldest):
    promised = re.search(r'^kubeVersion: ">=1\.(\d+)\.', (CHART / "Chart.yaml").read_text(), re.M)[1]
    assert re.search(r"^\s+k8s\.io/api v0\.(\d+)\.", (HERE / "oldest/go.mod").read_text(), re.M)[1] == promised
    line = "      enableServiceLinks: false\n"
    text = render(values_of("minimal"))
    assert line in text
    newer = text.replace(line, line + "      hostnameOverride: pop\n", 1)
    assert not check_manifests(newer)[1]
    assert "hostnameOverride" in " ".join(check_by_oldest(newer))


@pytest.mark.parametrize("name", ["production", "cert-manager"])
def test_so_would_the_operators(render, check_manifests, name):
    kind, field = {"production": ("ServiceMonitor", "endpoints"), "cert-manager": ("Certificate", "issuerRef")}[name]
    text = render(values_of(name))
    assert f"kind: {kind}\n" in text
    _, faults = check_manifests(text.replace(f"  {field}:", f"  {field}s:", 1))
    assert f"{field}s" in " ".join(faults), faults


# --- What is refused, in words.

@pytest.mark.parametrize("setting, words", [
    ("replicas=-1", "/replicas.*minimum"),
    ("replica=2", "'replica' not allowed"),
    ("image.repository=", "/image/repository"),
    ("pop3s.service.type=Loadbalancer", "/pop3s/service/type.*LoadBalancer"),
    ("pop3s.service.port=70000", "/pop3s/service/port.*maximum"),
    ("config.pop3.idle_timeout=600", "/config/pop3.*'idle_timeout' not allowed"),
    ("config.pop4.listen=x", "/config.*'pop4' not allowed"),
    ("config.server.workers=two", "/config/server/workers.*integer"),
    ("config.server.drain_limit_s=1.5", "/config/server/drain_limit_s.*integer"),
    ("config.backend.Directory.plugin=x", "'Directory' does not match pattern"),
    ("tenants.acme.quota=5GB", "/tenants/acme.*'quota' not allowed"),
    ("tenants.acme.enabled=true", "/tenants/acme.*domains"),
    ("persistence.accessModes={ReadWriteMany}", "/persistence/accessModes"),
    ("seccomp.localhostProfile=/etc/profile.json", "/seccomp/localhostProfile"),
    ("networkPolicy.lmtpFrom=postfix", "/networkPolicy/lmtpFrom.*array"),
    ("tls.hosts[0].secretName=x", "/tls/hosts/0.*host"),
    # What no schema can say.
    ("config.pop3s.listen={0.0.0.0:995}", r"config.pop3s.listen is the chart's own: write pop3s.enabled and pop3s.service.port\."),
    ("config.store.path=/srv", r"config.store.path is the chart's own: persistence is its volume\."),
    ("config.admin.socket=/run/x", r"config.admin.socket is the chart's own: leave it out\."),
    ("tls.certManager.enabled=true", "issuerRef.name is empty: write the name of the Issuer"),
    ("tls.hosts[0].host=pop.acme.example", "pop.acme.example has neither secretName nor certManager"),
    ("pop3s.enabled=false,pop3.enabled=false", "nobody could fetch mail"),
    ("pop3s.enabled=false,pop3.service.shared=true", "pop3.service.shared needs the Service of POP3S"),
    ("tls.secretName=x,tls.certManager.enabled=true", "write one of them"),
    ("tls.certManager.enabled=true,tls.certManager.issuerRef.name=x", "the certificate has no name: write config.server.hostname"),
    ("tls.certManager.privateKey.algorithm=RSA", r"RSA has no key of 256 bits: write a size of 2048, 3072, 4096\."),
    ("tls.certManager.privateKey.size=2048", "ECDSA has no key of 2048 bits"),
    ("tls.hosts[0].host=a.example,tls.hosts[0].secretName=x,tls.hosts[1].host=a.example,tls.hosts[1].secretName=y", "a.example twice"),
    ("replicas=2,pop3s.service.type=NodePort,pop3s.service.nodePort=30995", "pop3s.service.nodePort is one port, and each of the 2 stores"),
    ("replicas=2,pop3s.service.type=NodePort,pop3.service.shared=true,pop3.service.nodePort=30110", "pop3.service.nodePort is one port"),
    ("config.backend.api.plugin=/usr/lib/poplar/http.so", "networkPolicy.egress lets the pods connect to nobody"),
])
def test_what_is_refused(run_helm, setting, words):
    result = run_helm("template", "mail", CHART, "--values", values_of("minimal"), "--set", setting, check=False)
    assert result.returncode != 0, result.stdout
    assert re.search(words, result.stderr), result.stderr


# --- What must hold whatever the values are.

def stateful_set(documents):
    return next(each for name, each in documents.items() if name.startswith("StatefulSet "))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_killed_before_the_drain_ends(documents, name):
    all_of_it = documents(values_of(name))
    spec = stateful_set(all_of_it)["spec"]["template"]["spec"]
    config = next(each for key, each in all_of_it.items() if key.startswith("ConfigMap ") and key.endswith("-config"))
    drain_s = int(re.search(r"^drain_limit_s = (\d+)$", config["data"]["poplar.toml"], re.M)[1])
    hook = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert spec["terminationGracePeriodSeconds"] >= hook + drain_s + 10


@pytest.mark.parametrize("name", NAMES)
def test_pods_may_do_little(documents, name):
    """What Pod Security's "restricted" asks for, and a root file system that nobody writes to."""
    for each in documents(values_of(name)).values():
        if each["kind"] not in ("StatefulSet", "Pod"):
            continue
        spec = each["spec"] if each["kind"] == "Pod" else each["spec"]["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["seccompProfile"]["type"] in ("Localhost", "RuntimeDefault") or name == "stores"
        for container in spec["containers"] + spec.get("initContainers", []):
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] is True and rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}


def test_a_changed_configuration_is_a_new_pod_and_a_changed_tenant_is_not(documents):
    def template(*settings):
        return stateful_set(documents(values_of("minimal"), settings=settings))["spec"]["template"]

    before = template("tenants.acme.domains={acme.example}")
    assert template("tenants.acme.domains={acme.example,acme.test}") == before
    assert template("tenants.acme.domains={acme.example}", "tenants.beta.domains={beta.example}") == before
    assert template() == before
    assert template("tenants.acme.domains={acme.example}", "config.log.level=debug") != before


def test_another_host_is_a_new_pod_and_another_name_is_not(documents):
    def template(*settings):
        return stateful_set(documents(values_of("cert-manager"), settings=settings))["spec"]["template"]

    before = template()
    assert template("tls.certManager.dnsNames={pop.example.net,mail.example.net,pop.beta.example}") == before
    assert template("tls.hosts[3].host=pop.beta.example", "tls.hosts[3].secretName=beta-tls") != before


def test_the_pod_of_maintenance_has_what_a_store_has(documents):
    all_of_it = documents(values_of("production"), settings=["maintenance.command={store,rebuild-index,--partition,3}", "maintenance.store=1"])
    pod, store = all_of_it["Pod mail-poplar-maintenance"], stateful_set(all_of_it)
    spec, template = pod["spec"], store["spec"]["template"]["spec"]
    (claim,) = store["spec"]["volumeClaimTemplates"]
    data, *others = spec["volumes"]
    assert data == {"name": "data", "persistentVolumeClaim": {"claimName": f"{claim['metadata']['name']}-{store['metadata']['name']}-1"}}
    assert others == template["volumes"]
    assert {key: spec[key] for key in ("securityContext", "nodeSelector", "tolerations")} == \
        {key: template[key] for key in ("securityContext", "nodeSelector", "tolerations")}
    command, shell = spec["containers"]
    serving = template["containers"][0]
    assert command["command"] == ["poplar", "store", "rebuild-index", "--partition", "3"]
    assert all(command[key] == serving[key] for key in ("image", "env", "volumeMounts", "resources"))
    for container in (command, shell):
        assert container["volumeMounts"] == serving["volumeMounts"]
        assert container["securityContext"].items() >= serving["securityContext"].items()
    assert pod["metadata"]["labels"]["app.kubernetes.io/component"] != "server"
    assert "Pod mail-poplar-maintenance" not in documents(values_of("production"))


def test_standing_still_deletes_no_volume(documents):
    def retention(replicas):
        return stateful_set(documents(values_of("stores"), settings=[f"replicas={replicas}"]))["spec"]["persistentVolumeClaimRetentionPolicy"]

    assert retention(1)["whenScaled"] == "Delete"
    assert retention(0) == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_each_store_has_addresses_of_its_own(documents):
    all_of_it = documents(values_of("stores"))
    for ordinal in range(3):
        for protocol in ("pop3", "pop3s", "lmtp"):
            service = all_of_it[f"Service mail-{protocol}" + (f"-{ordinal}" if ordinal else "")]
            assert service["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == f"mail-{ordinal}"
    annotations = all_of_it["Service mail-pop3s-2"]["metadata"]["annotations"]
    assert annotations == {"external-dns.alpha.kubernetes.io/hostname": "pop2.example.net"}


def test_lmtp_is_closed_until_somebody_is_named(documents):
    def ports(*settings):
        policy = documents(values_of("minimal"), settings=settings)["NetworkPolicy mail-poplar"]
        return [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]

    assert "lmtp" not in ports() and "http" in ports()
    assert "lmtp" in ports("networkPolicy.lmtpFrom[0].podSelector.matchLabels.app=postfix")


@pytest.mark.parametrize("closed", ["metricsFrom", "pop3From"])
def test_helm_test_is_let_in_whoever_else_is_not(render, check_manifests, closed):
    text = render(values_of("minimal"), settings=[f"networkPolicy.{closed}[0].podSelector.matchLabels.app=mine"])
    assert not check_manifests(text)[1]
    rule = "              app.kubernetes.io/component: test\n"
    assert rule in text
    _, faults = check_manifests(text.replace(rule, "              app.kubernetes.io/component: tests\n"))
    assert "does not let it in" in " ".join(faults), faults


def test_the_port_of_metrics_is_for_the_own_namespace_until_somebody_is_named(documents):
    def peers(*settings):
        policy = documents(values_of("minimal"), settings=settings)["NetworkPolicy mail-poplar"]
        return [rule["from"] for rule in policy["spec"]["ingress"] if {"protocol": "TCP", "port": "http"} in rule["ports"]]

    test_pod, *others = peers()
    assert others == [[{"podSelector": {}}]]
    assert peers("networkPolicy.metricsFrom=null") == [test_pod]


def test_alerts_and_dashboard_are_those_of_core(documents):
    watched = documents(values_of("production"))
    rules = watched["PrometheusRule mail-poplar"]["spec"]["groups"]
    names = [rule["alert"] for group in rules for rule in group["rules"]]
    assert names == re.findall(r"- alert: (\w+)", (TREE / "core/ops/alerts.yml").read_text())
    dashboard = watched["ConfigMap mail-poplar-dashboard"]["data"]["poplar.json"]
    assert json.loads(dashboard) == json.loads((TREE / "core/ops/dashboard.json").read_text())
    plain = documents(values_of("proxied"))["ConfigMap mail-poplar-alerts"]["data"]["alerts.yml"]
    assert plain.strip() == (TREE / "core/ops/alerts.yml").read_text().strip()


# --- What people read.

@pytest.mark.parametrize("name", NAMES)
def test_notes(run_helm, tmp_path, name):
    """What `helm install` says at its end, which only a cluster can make it say: here it is the text of a ConfigMap."""
    chart = tmp_path / "poplar"
    shutil.copytree(CHART, chart)
    (chart / "templates/NOTES.txt").rename(chart / "NOTES.txt")
    (chart / "templates/notes.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\ndata:\n  notes: |\n{{ tpl (.Files.Get \"NOTES.txt\") . | indent 4 }}\n")
    text = run_helm("template", "mail", chart, "--namespace", "post", "--values", values_of(name), "--show-only", "templates/notes.yaml").stdout
    notes = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    ") or not line) + "\n"
    golden = HERE / "golden" / f"{name}.notes.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(notes)
    assert notes == golden.read_text()


def test_the_table_of_values_has_them_with_their_defaults(run_helm, tmp_path):
    """As Helm reads them, not as helm/update does."""
    chart = tmp_path / "poplar"
    shutil.copytree(CHART, chart)
    (chart / "templates/values.yaml").write_text("values: {{ toJson .Values }}\n")
    text = run_helm("template", "mail", chart, "--show-only", "templates/values.yaml").stdout
    values = json.loads(re.search(r"^values: (.*)$", text, re.M)[1])
    rows = re.findall(r"^\| `([\w.-]+)` \| (.*?) \| .*\|$", (CHART / "README.md").read_text().partition("\n## Values\n")[2], re.M)
    assert len(rows) > 100
    for path, default in rows:
        value = values
        for key in path.split("."):
            assert isinstance(value, dict) and key in value, f"{path} is no value"
            value = value[key]
        if re.fullmatch(r"`(\d+|true|false|\[\]|\{\}|null|\".*\")`", default):
            assert json.loads(default.strip("`")) == value, path


def test_examples_of_the_readme_render(documents, tmp_path):
    examples = blocks(CHART / "README.md", "yaml")
    assert len(examples) >= 5
    for number, example in enumerate(examples):
        file = tmp_path / f"{number}.yaml"
        file.write_text(example)
        if "\nkind: " not in "\n" + example:
            documents(values_of("minimal"), file)


def test_a_step_of_the_readme_keeps_what_the_one_before_made(documents, tmp_path):
    """Each shows poplar.yaml whole, and Helm takes away what it names no more."""
    made = []
    for number, example in enumerate(each for each in blocks(CHART / "README.md", "yaml") if each.startswith("image:")):
        file = tmp_path / f"{number}.yaml"
        file.write_text(example)
        made.append({name for name in documents(file) if name != "Service mail-poplar-pop3"})
    first, second = made
    assert "DaemonSet mail-poplar-seccomp" in first
    assert first <= second, first - second


def test_the_package_holds_what_helm_needs_and_no_more(run_helm, tmp_path):
    run_helm("package", CHART, "--destination", tmp_path)
    (package,) = tmp_path.glob("poplar-*.tgz")
    listed = subprocess.run(["tar", "-tzf", package], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert "poplar/values.schema.json" in listed and "poplar/files/alerts.yml" in listed and "poplar/README.md" in listed
    assert not [name for name in listed if name.endswith("/update")]
