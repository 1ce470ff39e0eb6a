"""How long a turn of a shard's loop takes. It is what the server itself lets a client wait: latency that the
clients see has in it what their own core does for all of them, too."""

import re
import urllib.request

NAME = "poplar_reactor_turn_seconds"
SHARE = 0.999


def read(server):
    """So far, all shards together: how many took at most that, by seconds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/metrics", timeout=30) as answer:
        return parse(answer.read().decode())


def parse(metrics):
    buckets = {}
    for bound, count in re.findall(rf'^{NAME}_bucket{{.*\ble="([^"]+)"}} (\d+)$', metrics, re.M):
        buckets[float(bound)] = buckets.get(float(bound), 0) + int(count)
    return buckets


def bound_us(spans):
    """999 of 1,000 turns took at most that (a power of two), of all `spans`: what read() said before and after."""
    bounds = sorted(spans[0][0])
    taken = [sum(after[bound] - before[bound] for before, after in spans) for bound in bounds]
    return 1e6 * next(bound for bound, count in zip(bounds, taken) if count >= SHARE * taken[-1])
