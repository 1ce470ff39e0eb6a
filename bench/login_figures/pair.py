"""Both servers with one back end: log-ins in turns, remembered and asked anew."""

import contextlib
import statistics
from dataclasses import dataclass

import table
from cells import PASSWORD
from dovecot import Dovecot
from lab import addresses, cpu_us, rate, say

PATTERN = "user{}@load.test"
USERS, SMOKE_USERS = 200, 16
CLIENTS, SMOKE_CLIENTS = 16, 4
MESSAGE_OCTETS = 4096
WARM_SHARE_MAX = 0.2  # of Dovecot's CPU time


@dataclass(frozen=True)
class Sample:
    """One measurement of one server. `backend_us`: None where the back end has no process."""

    cpu_us: float
    per_second: float
    backend_us: float | None


@dataclass(frozen=True)
class LoginRow:
    """`ours` and `theirs` are samples; to be shown, each needs one. `target` is the most of Dovecot's
    CPU time that Poplar may take, None: no target."""

    HEAD = ("server CPU per log-in, µs: median (least to most)", "Poplar", "Dovecot", "ratio",
            "target", "Poplar per s", "Dovecot per s", "back end's CPU, µs: Poplar", "Dovecot")

    title: str
    ours: list
    theirs: list
    target: float | None = None

    @property
    def share(self):
        return median(self.ours, "cpu_us") / median(self.theirs, "cpu_us")

    @property
    def met(self):
        """None: there is no target."""
        return None if self.target is None else self.share <= self.target

    def cells(self):
        both = (self.ours, self.theirs)
        return [self.title, *(table.spread(values(samples, "cpu_us")) for samples in both),
                *table.share_and_target(self.share, self.target),
                *(f"{median(samples, 'per_second'):,.0f}" for samples in both),
                *(backend_cost(samples) for samples in both)]


def values(samples, name):
    return [getattr(sample, name) for sample in samples]


def median(samples, name):
    return statistics.median(values(samples, name))


def backend_cost(samples):
    known = [cost for cost in values(samples, "backend_us") if cost is not None]
    return table.figure(statistics.median(known)) if known else ""


class Part:
    """A part of bench/logins: one kind of back end."""

    NEEDS_DOVECOT = True

    def __init__(self, kind):
        self.kind = kind
        self.TITLE = f"Log-ins: {kind.title}"

    def measure(self, lab):
        backend = self.kind(lab, addresses(PATTERN, 0, SMOKE_USERS if lab.smoke else USERS))
        try:
            backend.start()
            return [measure_row(lab, backend, warm)
                    for warm in ((True, False) if backend.is_remembered else (False,))]
        finally:
            backend.stop()


def measure_row(lab, backend, warm):
    with contextlib.ExitStack() as stack:
        servers = {"Poplar": stack.enter_context(poplar(lab, backend, warm))}
        if Dovecot.available():
            servers["Dovecot"] = stack.enter_context(dovecot(lab, backend, warm))
        for server in servers.values():
            server.start()
            lab.fill(server, PATTERN, len(backend.users), len(backend.users), MESSAGE_OCTETS,
                     connections=4)
        title = (f"{backend.title}: {'remembered' if warm else backend.each_time}"
                 f"{backend.remark(warm)}")
        samples = measure_in_turns(lab, servers, backend, title)
    return LoginRow(title, samples["Poplar"], samples.get("Dovecot", []),
                    WARM_SHARE_MAX if warm else None)


def label(backend, warm, server):
    return f"{backend.name}-{'warm' if warm else 'cold'}-{server}"


def poplar(lab, backend, warm):
    settings = "[users]\nrehash = false\n" + ("" if warm else "cache_seconds = 0\n")
    return lab.server(label(backend, warm, "poplar"),
                      backend.users if backend.users_are_poplars else (),
                      settings + backend.poplar_settings())


@contextlib.contextmanager
def dovecot(lab, backend, warm):
    """A new one that is prepared, not started; ended when the block is left."""
    server = Dovecot(f"{lab.directory}/{label(backend, warm, 'dovecot')}",
                     passdb=backend.dovecot_passdb(warm), auth_cache="16 M" if warm else "0",
                     mechanisms=backend.dovecot_mechanisms, cores=lab.server_cores)
    server.prepare(backend.users, PASSWORD)
    try:
        yield server
    finally:
        server.stop()


def measure_in_turns(lab, servers, backend, title):
    samples = {name: [] for name in servers}
    for turn in range(lab.rounds):
        for name in list(servers) if turn % 2 == 0 else reversed(servers):
            sample = measure_server(lab, servers[name], backend)
            samples[name].append(sample)
            say(f"{title}: {name} "
                f"{sample.cpu_us:.1f} us, {sample.per_second:,.0f} a second")
    return samples


def measure_server(lab, server, backend):
    """Every user once, then the warming up in a run of its own: so that what the back end takes over
    the last run belongs to the log-ins that it counts."""
    log_in(lab, server, backend, 60, "--operations", len(backend.users))
    if lab.warmup > 0:
        log_in(lab, server, backend, lab.warmup)
    before_us = backend.cpu_us()
    report = log_in(lab, server, backend, lab.seconds)
    after_us = backend.cpu_us()
    count = sum(series["operations"] for series in report["operations"].values())
    return Sample(cpu_us(report), rate(report),
                  None if before_us is None else (after_us - before_us) / count)


def log_in(lab, server, backend, seconds, *arguments):
    return lab.run(server, "session", PATTERN, len(backend.users),
                   SMOKE_CLIENTS if lab.smoke else CLIENTS, "--expect", 1,
                   *backend.login_arguments(), *arguments, seconds=seconds, warmup=0)
