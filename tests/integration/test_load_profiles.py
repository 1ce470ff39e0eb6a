"""poplar-load against the real server: each profile for a moment, and what its report says."""

import json
import os
import resource
import subprocess
from pathlib import Path

import pytest
from poplar_server import PoplarServer, wait_for

LOAD = Path(os.environ.get("POPLAR_BUILD", "build/release")) / "bench/load/poplar-load"
USERS = 8
PASSWORD = "pass word"
OWN_DESCRIPTORS = 8  # What the server may open and close beside its connections.

pytestmark = pytest.mark.skipif(not LOAD.exists(), reason="poplar-load is not built here")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = PoplarServer(tmp_path_factory.mktemp("load") / "server", pop3="connections_per_address_max = 1000")
    server.add_tenant("load", "load.example")
    for number in range(USERS):
        server.add_user(f"u{number}@load.example", PASSWORD)
    with server:
        yield server


def command(server, profile, *arguments):
    tls = "--tls" in arguments
    return [
        LOAD, profile, "--json", "--pop3", f"127.0.0.1:{server.ports['pop3s' if tls else 'pop3']}",
        "--lmtp", f"127.0.0.1:{server.ports['lmtp']}", "--user", "u{}@load.example", "--password", PASSWORD,
        "--users", str(USERS), "--server-pid", str(server.process.pid), *map(str, arguments),
    ]


def load(server, profile, *arguments):
    """The report of a run in which nothing was wrong."""
    done = subprocess.run(command(server, profile, *arguments), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{server.log()[-4000:]}"
    report = json.loads(done.stdout)
    assert report["errors"] == {}
    return report


def fill(server, count, octets):
    load(server, "lmtp", "-c", 4, "--operations", count, "--octets", octets)


def empty(server):
    load(server, "fetch", "-c", USERS, "--operations", USERS, "--delete")


def test_handshakes(server):
    plain = load(server, "handshake", "-c", 4, "--seconds", 0.5)
    assert plain["operations"]["handshake"]["operations"] > 10 and plain["notes"] == {}
    full = load(server, "handshake", "--tls", "-c", 4, "--seconds", 0.5)
    assert "tls_resumed" not in full["notes"] and full["notes"]["tls_full"] > 10
    for version in ("1.2", "1.3"):
        resumed = load(server, "handshake", "--tls", "--tls-version", version, "--tls-resume", "-c", 4, "--seconds", 0.5)
        assert resumed["notes"]["tls_full"] == 4, "each client's first"
        assert resumed["notes"]["tls_resumed"] > 10
    assert load(server, "handshake", "--stls", "-c", 4, "--seconds", 0.5)["notes"]["tls_full"] > 10


def test_an_idle_crowd(server):
    report = load(server, "idle", "-c", USERS, "--seconds", 0.5)
    assert report["operations"] == {}
    assert report["crowd"]["connections"] == USERS
    assert 0 < report["crowd"]["opening_seconds"] < 60
    assert report["seconds"] >= 0.5
    memory = report["server_memory"]
    assert abs(memory["begin"]["descriptors"] - memory["before"]["descriptors"] - USERS) <= OWN_DESCRIPTORS
    assert abs(memory["end"]["descriptors"] - memory["begin"]["descriptors"]) <= OWN_DESCRIPTORS
    wait_for("all have quit", 10, lambda: server.metric("poplar_pop3_connections") == 0)


def test_an_idle_crowd_that_says_noop_now_and_then(server):
    report = load(server, "idle", "--tls", "-c", USERS, "--seconds", 1, "--pause-ms", 100)
    assert USERS < report["operations"]["noop"]["operations"] <= USERS * 11


def test_a_crowd_that_does_not_log_in(server):
    report = load(server, "idle", "--no-login", "-c", 300, "--threads", 2, "--seconds", 0.3)
    memory = report["server_memory"]
    assert abs(memory["begin"]["descriptors"] - memory["before"]["descriptors"] - 300) <= OWN_DESCRIPTORS
    assert memory["begin"]["anon_bytes"] > 0


def test_a_crowd_larger_than_the_descriptors(server):
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    done = subprocess.run(command(server, "idle", "--no-login", "-c", 300), capture_output=True, text=True, timeout=60, preexec_fn=limit)
    assert done.returncode == 2
    assert "-c 300 needs 428 descriptors, and the limit is 200" in done.stderr
    assert "at most -c 72" in done.stderr


def test_slow_readers(server):
    empty(server)
    fill(server, USERS, 200_000)
    report = load(server, "slow", "-c", 4, "--octets", "200000-201000", "--operations", 4, "--read-bytes-per-second", 400_000, "--seconds", 30)
    assert report["operations"]["retr"]["operations"] == 4
    assert report["operations"]["retr"]["p50_us"] > 450_000
    cut = load(server, "slow", "--tls", "-c", 4, "--read-bytes-per-second", 10_000, "--seconds", 0.5)
    assert cut["notes"]["cut_at_the_end"] == 4
    assert cut["crowd"]["connections"] == 4


def test_a_rate(server):
    empty(server)
    deliveries = load(server, "lmtp", "-c", 4, "--rate", 50, "--seconds", 2, "--warmup", 0, "--octets", 2000)
    assert 50 <= deliveries["punctuality"]["due"] <= 150
    for profile in ("session", "poll", "fetch", "handshake", "noop", "retr"):
        report = load(server, profile, "-c", 4, "--threads", 2, "--rate", 100, "--seconds", 1, "--warmup", 0.2)
        punctuality = report["punctuality"]
        assert report["rate"] == 100
        assert 50 <= punctuality["due"] <= 160
        assert punctuality["begun"] + punctuality["not_begun"] == punctuality["due"]
        assert punctuality["unfinished"] >= punctuality["not_begun"]
        assert report["operations"][profile]["operations"] <= punctuality["due"] + 8, "what was due before the window may end in it"
    empty(server)


def test_more_than_the_server_can_do(server):
    report = load(server, "handshake", "--tls", "-c", 2, "--rate", 100_000, "--seconds", 0.5, "--warmup", 0)
    assert report["punctuality"]["not_begun"] > 10_000
    assert report["punctuality"]["unfinished"] >= report["punctuality"]["not_begun"]
    assert report["operations"]["handshake"]["p90_us"] > 100_000, "the wait for a free client counts"


@pytest.mark.parametrize("security", [(), ("--tls", "--tls-resume"), ("--stls",)])
def test_a_day(server, security):
    fill(server, 3 * USERS, 1000)  # It is to begin with empty maildrops.
    report = load(server, "day", *security, "-c", 4, "--seconds", 3, "--octets", "500-50000", "--seed", len(security))
    assert {"poll", "deliver", "fetch_delete", "fetch_leave"} <= set(report["operations"])
    assert report["operations"]["poll"]["operations"] > report["operations"]["deliver"]["operations"]
    assert report["notes"]["messages_verified"] > 10
    assert set(report["server_memory"]) == {"before", "begin", "end"}


def test_a_day_at_a_rate(server):
    report = load(server, "day", "-c", USERS, "--rate", 200, "--seconds", 2)
    assert 300 <= report["punctuality"]["due"] <= 520
    assert report["operations"]["poll"]["operations"] > 100
