"""What machines see of a running server: the metrics and their page, a real Prometheus, alert rules, the dashboard."""

import json
import re
import shutil
import socket
import subprocess
import textwrap
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from conftest import ALICE, BOB, CAROL, PASSWORDS
from poplar_server import needs, wait_for
from test_plugins import ERIN, example_config

ROOT = Path(__file__).resolve().parents[2]
OPS = ROOT / "core/ops"
SOURCES = [path for top in ("core", "storage", "auth") for path in (ROOT / top).rglob("*.cc")]
NO_METRICS = {"poplar_account", "poplar_plugin_entry"}  # In quotes in the sources, and something else.
NAME = r"(?:poplar|process)_[a-z0-9_]+"
# Told only where users.tenants_backend is set, which needs a database: test_sql_tenants sees them.
OF_TENANTS_BACKEND = {f"poplar_tenant_query_{what}" for what in ("failures_total", "tenants", "faulty_tenants", "success_seconds")}
# Told only where setup.listen is set: test_setup sees them.
OF_SETUP = {"poplar_setup_requests_total", "poplar_setup_connections", "poplar_setup_connections_max"}


def in_sources():
    found = {name for path in SOURCES for name in re.findall(f'"({NAME})"', path.read_text())}
    return found - NO_METRICS


def in_page():
    section = (OPS / "README.md").read_text().split("\n## Metrics\n")[1].split("\n## Probes\n")[0]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(NAME, row)}


def families(text):
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))


def busy(server):
    """Everything once: mail in and out, log-ins of all kinds, refusals."""
    for i in range(30):
        server.deliver([ALICE, BOB], b"Subject: %d\r\n\r\n" % i + b"x" * 70 * i + b"\r\n")
    server.deliver([CAROL], b"Subject: large\r\n\r\n" + b"large\r\n" * 200_000)
    for user in (ALICE, BOB, CAROL):
        for mode in ("plain", "stls", "pop3s"):
            client = server.pop3(user, PASSWORDS[user], mode)
            messages, _ = client.stat()
            for number in range(1, messages + 1):
                client.retr(number)
            client.top(1, 3)
            client.quit()
    assert server.try_login(ALICE, "wrong")[0] is None
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    client.dele(1)
    client.quit()


@pytest.fixture
def with_plugin(tmp_path, new_server):
    users = tmp_path / "users.txt"
    users.write_text(f"{ERIN}\t5f21c0de\t{{CRYPT}}$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.\n")
    server = new_server()
    server.stop()
    server.config_path.write_text(server.config_path.read_text() + example_config(users))
    return server.start()


def test_the_page_has_each_metric_and_no_other(with_plugin):
    busy(with_plugin)
    with_plugin.run("tenant", "set", "alpha", "--quota", "1GiB", "--quota-messages", "1000")
    wait_for("the quota is told", 10, lambda: "poplar_tenant_quota_messages" in families(with_plugin.http("/metrics")[1]))
    told, page = set(families(with_plugin.http("/metrics")[1])), in_page()
    assert told - page == set()
    assert page - told == OF_TENANTS_BACKEND | OF_SETUP
    assert in_sources() == page


def test_a_setting_is_told_as_it_is_in_force(server):
    assert server.metric("poplar_setting", setting="pop3.connections_max") == 20_000
    assert server.metric("poplar_setting", setting="server.drain_limit_s") == 10
    server.reconfigure("drain_limit_s = 10", "drain_limit_s = 11")
    assert server.metric("poplar_setting", setting="server.drain_limit_s") == 11
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace("drain_limit_s = 11", 'drain_limit_s = "soon"'))
    server.signal(1)
    wait_for("the reload is refused", 10, lambda: server.metric("poplar_config_refused") == 1)
    assert server.metric("poplar_setting", setting="server.drain_limit_s") == 11
    assert server.metric("poplar_log_events_total", level="error") == 1
    server.config_path.write_text(text)
    server.signal(1)
    wait_for("the next one is taken", 10, lambda: server.metric("poplar_config_refused") == 0)


def test_sessions_that_fetch_old_mail_again_are_counted(server, tmp_path):
    """Mail that was imported with UIDLs of its own is fetched by a client that takes it for new."""
    box = tmp_path / "Maildir"
    for folder in ("cur", "new", "tmp"):
        (box / folder).mkdir(parents=True)
    month_s = 40 * 86_400
    for i in range(25):
        path = box / "cur" / f"{int(time.time()) - month_s - i}.M{i}.old:2,S"
        path.write_bytes(b"Subject: %d\n\nold\n" % i)
        shutil.os.utime(path, (time.time() - month_s - i,) * 2)
    server.run("import", "maildir", "--user", ALICE, str(box))
    again = lambda: server.metric("poplar_pop3_refetch_sessions_total")
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    assert client.stat()[0] == 25
    for number in range(1, 10):
        client.retr(number)
    assert again() == 0
    for number in range(10, 26):
        client.retr(number)
    assert again() == 1  # A session counts once.
    client.quit()
    for i in range(20):
        server.deliver([BOB], b"Subject: new %d\r\n\r\n" % i)
    client = server.pop3(BOB, PASSWORDS[BOB])
    for number in range(1, 21):
        client.retr(number)
    client.quit()
    assert again() == 1


# --- A real Prometheus.


class Prometheus:
    def __init__(self, directory, target):
        self.directory = directory
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        config = directory / "prometheus.yml"
        config.write_text(
            f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{OPS}/alerts.yml']\n"
            f"scrape_configs: [{{job_name: poplar, static_configs: [{{targets: ['{target}']}}]}}]\n")
        self.log = open(directory / "prometheus.log", "wb")
        self.process = subprocess.Popen(
            [needs("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def ask(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=20) as reply:
            return json.load(reply)["data"]

    def value(self, expression):
        result = self.ask("query", query=expression)["result"]
        return float(result[0]["value"][1]) if result else None

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError((self.directory / "prometheus.log").read_text())
        try:
            return self.value("up") == 1
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()


@pytest.fixture
def prometheus(tmp_path, server, closing):
    made = Prometheus(tmp_path, f"127.0.0.1:{server.ports['http']}")
    closing(made.stop)
    wait_for("Prometheus has read the server", 60, made.is_up)
    return made


def test_prometheus_reads_a_loaded_server(server, prometheus):
    busy(server)
    wait_for("the second reading is there", 30, lambda: prometheus.value("poplar_pop3_messages_sent_total") == server.metric("poplar_pop3_messages_sent_total"))
    assert prometheus.value("sum(poplar_lmtp_deliveries_total{outcome='stored'})") == 61
    assert prometheus.value("histogram_quantile(0.5, poplar_store_flush_seconds_bucket)") > 0
    assert prometheus.value("scrape_samples_scraped") > 500
    # Rules are loaded, and none fires on a server that is well.
    groups = prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    wait_for("each rule was evaluated", 30, lambda: all(rule["health"] == "ok" for group in prometheus.ask("rules")["groups"] for rule in group["rules"]))
    assert len(rules) > 30 and prometheus.value("count(ALERTS{alertstate='firing'})") is None
    # What the dashboard asks for, Prometheus answers; most of it with figures.
    answered = 0
    for expression in dashboard_expressions():
        answered += prometheus.value(expression) is not None
    assert answered > 60


# --- Files that operators take.


def alert_rules():
    blocks = (OPS / "alerts.yml").read_text().split("\n      - alert: ")[1:]
    return [{"alert": block.split("\n")[0], "expr": re.search(r"^ {8}expr: (.*?)\n(?= {8}\w)", block, re.M | re.S)[1], "text": block}
            | dict(re.findall(r"^ {10}(summary|action|runbook): (.*)$", block, re.M)) for block in blocks]


def test_alert_rules_are_sound_and_each_is_tested():
    result = subprocess.run([needs("promtool"), "test", "rules", str(OPS / "alerts_test.yml")], capture_output=True, timeout=120)
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
    result = subprocess.run(["promtool", "check", "rules", str(OPS / "alerts.yml")], capture_output=True, timeout=60)
    assert result.returncode == 0 and f"{len(alert_rules())} rules found" in result.stdout.decode(), result.stdout
    tests = (OPS / "alerts_test.yml").read_text()
    for rule in alert_rules():
        assert f'ALERTS{{alertname="{rule["alert"]}"' in tests, rule["alert"]


def test_prometheus_takes_what_the_first_page_says(tmp_path):
    page = (ROOT / "README.md").read_text()
    lines = textwrap.dedent(re.search(r"prometheus\.yml <<END\n(.*?)^    END$", page, re.M | re.S)[1])
    named = re.findall(r"/usr/share/poplar/([\w.]+)", page)
    assert sorted(named) == ["alerts.yml", "dashboard.json"] and "job_name: poplar\n" in lines
    config = tmp_path / "prometheus.yml"
    config.write_text(lines.replace("/usr/share/poplar", str(OPS)))
    result = subprocess.run([needs("promtool"), "check", "config", str(config)], capture_output=True, timeout=60)
    assert result.returncode == 0 and f"{len(alert_rules())} rules found" in result.stdout.decode(), result.stdout.decode() + result.stderr.decode()


def anchors(page):
    heads = re.findall(r"^##+ (.*)$", (ROOT / page).read_text(), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_each_alert_says_what_to_do_and_where_to_read_on():
    metrics, operations = in_page(), anchors("core/OPERATIONS.md")
    log = (OPS / "README.md").read_text().split("\n## The log\n")[1].split("\n## Metrics\n")[0]
    for rule in alert_rules():
        assert set(rule) >= {"alert", "expr", "summary", "action", "runbook"}, rule
        page, anchor = rule["runbook"].strip('"').split("#")
        assert page == "core/OPERATIONS.md" and anchor in operations, rule["runbook"]
        assert re.search(r"severity: (page|ticket)\b", rule["text"])
        used = {re.sub(r"_bucket$", "", name) for name in re.findall(NAME, rule["expr"])}
        assert used <= metrics, (rule["alert"], used - metrics)
        for event in re.findall(r"`(\w+_\w+)`", rule["action"]):
            assert f"`{event}`" in log, (rule["alert"], event)


def dashboard_expressions():
    panels = json.loads((OPS / "dashboard.json").read_text())["panels"]
    written = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    variables = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*"}
    for name, value in variables.items():
        written = [expression.replace(name, value) for expression in written]
    assert not any("$" in expression for expression in written)
    return written


def test_the_dashboard_is_what_its_script_makes_and_names_metrics_that_there_are():
    made = subprocess.run([str(OPS / "make_dashboard"), "--print"], capture_output=True, check=True, timeout=60).stdout.decode()
    assert made == (OPS / "dashboard.json").read_text(), "run core/ops/make_dashboard"
    panels = json.loads(made)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    metrics = in_page()
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for expression in dashboard_expressions() for name in re.findall(rf"\b{NAME}", expression)}
    assert len(used) > 60 and used <= metrics, used - metrics


def test_the_dashboard_shows_a_certificate_that_has_expired_and_the_loops_of_each_server():
    panels = {panel["title"]: panel for panel in json.loads((OPS / "dashboard.json").read_text())["panels"]}
    assert "min" not in panels["Certificates"]["fieldConfig"]["defaults"]
    [busy] = panels["Busy time of the loops"]["targets"]
    assert "sum by (instance, shard)" in busy["expr"] and "{{instance}}" in busy["legendFormat"]


def test_each_expression_of_the_dashboard_is_sound(tmp_path):
    rules = tmp_path / "rules.yml"
    lines = ["groups:", "  - name: dashboard", "    rules:"]
    for number, expression in enumerate(dashboard_expressions()):
        lines += [f"      - record: panel_{number}", f"        expr: {json.dumps(expression)}"]
    rules.write_text("\n".join(lines) + "\n")
    result = subprocess.run([needs("promtool"), "check", "rules", str(rules)], capture_output=True, timeout=60)
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
