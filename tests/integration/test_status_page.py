"""The status page: what it reads, what it makes of it, and how a browser shows it."""

import json
import re
import subprocess
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import Browser, command
from conftest import ALICE, PASSWORDS
from poplar_server import needs, wait_for
from test_metrics import NAME, busy, families

STATUS = Path(__file__).resolve().parents[2] / "core/ops/status"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text_of_scripts = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] in ("script", "style"):
            self.text_of_scripts += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_is_whole_and_asks_nobody_else(server):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['http']}/", timeout=10) as reply:
        assert reply.url.endswith("/status")
        policy, text = reply.headers["Content-Security-Policy"], reply.read().decode()
    assert "default-src 'none'" in policy and "unsafe" not in policy
    page = Page(text)
    # What the policy would refuse, or what comes from elsewhere.
    assert page.text_of_scripts.strip() == "" and page.all("style") == []
    for _, attributes in page.tags:
        assert not any(name == "style" or name.startswith("on") for name in attributes), attributes
        for name in ("href", "src"):
            assert not re.match(r"(https?:)?//", attributes.get(name, "")), attributes
    for path in [link["href"] for link in page.all("link") if link["rel"] == "stylesheet"] + [script["src"] for script in page.all("script")]:
        assert server.http("/" + path)[0] == 200, path
    css = server.http("/status.css")[1]
    assert "url(" not in css and "@import" not in css
    assert "prefers-color-scheme: dark" in css and ":focus-visible" in css
    # For those who use no mouse, or no eyes.
    assert page.all("html")[0]["lang"] == "en" and page.all("header") and page.all("nav") and page.all("main") and page.all("footer")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        assert attributes.get("aria-labelledby", ids[0]) in ids
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))
    assert {link["href"][1:] for link in page.all("a") if link["href"].startswith("#")} <= set(ids)
    script = server.http("/status.js")[1]
    assert set(re.findall(r'byId\("([\w-]+)"\)|fill\("([\w-]+)"', script)) and \
        {one or other for one, other in re.findall(r'byId\("([\w-]+)"\)|fill\("([\w-]+)"', script)} <= set(ids)
    assert "innerHTML" not in script


def test_the_page_names_metrics_that_there_are(server):
    told = set(families(server.http("/metrics")[1]))
    # Of plug-ins and of quotas only.
    told |= {"poplar_backend_breaker", "poplar_tenant_quota_octets"}
    named = set(re.findall(f'"({NAME})"', (STATUS / "status.js").read_text()))
    assert len(named) > 30 and named <= told, named - told


def reading(server):
    status, text = server.http("/status.json")
    assert status == 200
    return json.loads(text)


def run_script(now, then, expression):
    """What the page's own functions make of two readings."""
    program = f"""
      const page = require({json.dumps(str(STATUS / "status.js"))});
      const [now, then] = JSON.parse(require("fs").readFileSync(0, "utf8"));
      const r = {{ now, then, rate: (name, labels) => page.rate(now, then, name, labels), grown: (name, labels) => page.grown(now, then, name, labels) }};
      console.log(JSON.stringify({expression}));
    """
    result = subprocess.run([needs("node"), "-e", program], input=json.dumps([now, then]).encode(), capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    return json.loads(result.stdout)


def test_what_the_page_makes_of_two_readings(server):
    then = reading(server)
    assert then["not_ready"] == ""
    busy(server)
    wait_for("the clients have left", 10, lambda: server.metric("poplar_pop3_connections") == 0)
    now = reading(server)
    assert run_script(now, then, 'page.grown(now, then, "poplar_lmtp_deliveries_total", { outcome: "stored" })') == 61
    seconds = now["time_s"] - then["time_s"]
    fetched = server.metric("poplar_pop3_messages_sent_total")
    assert run_script(now, then, 'r.rate("poplar_pop3_messages_sent_total")') == pytest.approx(fetched / seconds)
    latency = {row[0]: row[1:] for row in run_script(now, then, "page.latencyRows(r)")}
    assert "–" not in latency["RETR"] and re.fullmatch(r"[\d.]+ (µs|ms|s)", latency["Log-in"][1])
    lanes = run_script(now, then, "page.laneRows(r)")
    assert [lane[0] for lane in lanes] == ["small", "sendfile", "copy"] and sum(int(lane[3].split(" ")[0]) for lane in lanes) in (99, 100, 101)
    [store, users] = run_script(now, then, "page.diskRows(r)")
    assert (store[0], users[0]) == ("store", "users") and 0 < store[3]["share"] < 1
    tenants = run_script(now, then, "page.tenantRows(r)")
    assert {tenant[0] for tenant in tenants} == {"alpha", "beta"}
    assert [row[0] for row in run_script(now, then, "page.backendRows(r)")] == ["users"]
    limits = {row[0]: row for row in run_script(now, then, "page.limitRows(r)")}
    assert limits["POP3 connections"][3]["share"] == 0 and len(limits) == 11
    # A server that was started anew counts from nothing.
    assert run_script(then, now, 'page.grown(now, then, "poplar_pop3_messages_sent_total")') == 0


@pytest.mark.parametrize("counts, q, expected", [([0, 0, 0], 0.5, None), ([2, 4, 4], 0.5, 1), ([2, 4, 4], 0.75, 1.5), ([0, 0, 3], 0.99, 2)])
def test_quantiles_are_those_of_prometheus(counts, q, expected):
    assert run_script({}, {}, f"page.quantile({q}, {{ le: [1, 2], counts: {counts} }})") == expected


def test_faults_are_shown_without_the_log(server):
    server.config_path.write_text(server.config_path.read_text() + "\n[nonsense]\n")
    server.signal(1)
    # A machine with few descriptors has told of that before.
    wait_for("the fault is told", 10, lambda: "reload_refused" in "".join(reading(server)["faults"]))
    fault = reading(server)["faults"][0]
    parts = run_script({}, {}, f"page.faultParts({json.dumps(fault)})")
    assert (parts["level"], parts["event"]) == ("error", "reload_refused") and "nonsense" in parts["rest"]


# --- In a browser.


def page_of(server):
    return f"http://127.0.0.1:{server.ports['http']}/status"


def test_a_browser_shows_the_figures_and_refuses_nothing(server, tmp_path):
    busy(server)
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    arguments = ["--window-size=1280,1600", "--virtual-time-budget=9000", "--dump-dom", page_of(server)]
    result = subprocess.run(command(tmp_path / "profile", *arguments), capture_output=True, timeout=120)
    client.quit()
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    assert b"CONSOLE" not in result.stderr, re.findall(rb".*CONSOLE.*", result.stderr)
    dom = result.stdout.decode()
    assert '<p id="state" role="status" class="good">ready</p>' in dom
    assert re.search(r'<span class="name">Sessions</span><span class="value">1</span>', dom)
    for heading in ("sendfile", "alpha", "Flush of the log", "POP3 connections"):
        assert re.search(rf'<th scope="row">{heading}</th>', dom), heading


@pytest.fixture
def narrow(server, tmp_path):
    server.run("tenant", "set", "alpha", "--quota", "100MB")
    busy(server)
    with Browser(tmp_path / "profile", page_of(server), width_px=500) as browser:
        # Rates and latencies are of two readings.
        wait_for("the page shows rates", 30, lambda: browser.value("document.querySelector('#lanes-rows td:last-child')?.textContent.includes('–') === true"))
        busy(server)
        wait_for("the page shows new mail", 30, lambda: browser.value("document.querySelector('#lanes-rows td:last-child').textContent.includes('%')"))
        yield browser


def test_a_narrow_window_shows_it_all(narrow):
    # 961 pixels are the fewest with two columns.
    for width_px in (500, 961):
        narrow.resize(width_px)
        assert narrow.value("document.documentElement.scrollWidth <= innerWidth"), width_px
        hidden = narrow.value("""Object.fromEntries(Array.from(document.querySelectorAll(".scroll"),
                                 (table) => [table.parentNode.id, table.scrollWidth - table.clientWidth]))""")
        hidden.pop("tenants")  # Seven columns; where figures are long, it scrolls.
        assert len(hidden) == 5 and not any(hidden.values()), (width_px, hidden)


def test_keys_lead_everywhere(narrow):
    reached = []
    for _ in range(40):
        narrow.press("Tab", 9)
        reached.append(narrow.value("""(document.activeElement.textContent || "").length < 20 && document.activeElement.textContent
                                       || document.activeElement.getAttribute("aria-labelledby") || document.activeElement.tagName"""))
        if reached[-1] == "healthz":
            break
    tables = [f"{name}-head" for name in ("latency", "limits", "lanes", "disks", "backends", "tenants")]
    assert reached[:2] == ["To the figures", "Pause"] and reached[-4:] == ["metrics", "status.json", "readyz", "healthz"]
    assert [name for name in reached if name.endswith("-head")] == tables and "Tenants" in reached
    narrow.value("document.querySelector('.skip').focus()")
    narrow.press("Enter", 13)
    assert narrow.value("document.activeElement.id") == "main"
    narrow.value("document.getElementById('pause').focus()")
    narrow.press(" ", 32)
    assert narrow.value("document.getElementById('pause').getAttribute('aria-pressed')") == "true"
