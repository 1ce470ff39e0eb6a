"""Large deliveries at once, and what they add to the server's memory."""

import contextlib
import re
import subprocess

from harness import Failed
from lab import addresses, mib
from repeating import Repeating
from rows import Row

TITLE = "Memory under large deliveries"
PATTERN = "large{}@load.test"
GROWTH_MIB_MAX = 64
SAMPLE_SECONDS = 0.02


def socket_bytes(port):
    """What the kernel holds of messages for the connections to a port of the server: received and
    not read, not sent or not acknowledged, and what it has set aside for either."""
    listed = subprocess.run(
        ["ss", "--no-header", "--tcp", "--numeric", "--memory", f"sport = :{port}"],
        capture_output=True, text=True, check=True).stdout
    return sum(int(octets) for skmem in re.findall(r"skmem:\(([^)]*)\)", listed)
               for octets in re.findall(r"\b[rwf](\d+)", skmem))


class Watch(Repeating):
    """Samples what `read` says until it is left, on `cores`; keeps the most."""

    def __init__(self, read, period_s=SAMPLE_SECONDS, cores=None):
        super().__init__(self.sample, period_s, cores)
        self.read = read
        self.before = self.most = read()

    def sample(self):
        self.most = max(self.most, self.read())

    @property
    def growth(self):
        return self.most - self.before


def measure(lab):
    count, octets = (4, 5_000_000) if lab.smoke else (64, 50_000_000)
    return [row for name, how, more in (("memory-size", "SIZE declared", ("--declare-size",)),
                                        ("memory", "SIZE not declared", ()))
            for row in measure_one(lab, name, how, more, count, octets)]


def measure_one(lab, name, how, more, count, octets):
    with lab.server(name, addresses(PATTERN, 0, count)) as server:
        server.start_counting()
        # What a server grows to with its first connections is not the deliveries'.
        lab.fill(server, PATTERN, count, 4 * count, 4096, connections=count)
        watches = {"its own memory (RssAnon)": Watch(server.anonymous_bytes),
                   "that and what its sockets hold":
                       Watch(lambda: server.anonymous_bytes() + socket_bytes(server.lmtp_port))}
        deliver(lab, server, watches, count, octets, more)
    return [Row(f"{count} deliveries of {octets // 1_000_000} MB at once, {how}: {what}",
                f"+{mib(watch.growth)}", "what it was before the first of them",
                watch.growth / (1 << 20), GROWTH_MIB_MAX, unit=" MiB")
            for what, watch in watches.items()]


def deliver(lab, server, watches, count, octets, more):
    with contextlib.ExitStack() as stack:
        for watch in watches.values():
            stack.enter_context(watch)
        lab.fill(server, PATTERN, count, count, octets, connections=count, more=more)
    blobs = server.metrics().get("poplar_store_blobs_total", 0)
    if blobs != count:
        raise Failed(f"{blobs:.0f} of {count} large messages became blobs")
