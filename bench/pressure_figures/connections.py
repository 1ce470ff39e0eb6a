"""Memory against connections, as many as the machine has memory for, and the line that draws to a million.

It wants more descriptors than most machines give, so it can run in a virtual one, which says on its console
what it finds."""

import argparse
import contextlib
import os
import platform
import resource
import signal
import subprocess
import sys
import time

from background import Background, wait_until
from crowd import allow_descriptors, allow_ports
from harness import Failed
from lab import addresses, mib, say
from people import server_for
from rows import Row

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TITLE = "Memory against connections"
BY_NAME_ONLY = True
SHOWN = {"turns": "one run, with --vm-mib in a virtual machine on this one"}
PATTERN = "many{}@load.test"
STEPS = (1000, 5000, 10_000, 20_000, 40_000, 80_000, 120_000, 160_000, 200_000, 300_000, 400_000,
         600_000, 800_000, 1_000_000)
SMOKE_STEPS = (20, 60)
# Of the server's addresses: a client has 55,000 ports for each, but finds those of one parity only without
# looking through all.
PER_HOST_MAX = 25_000
HOSTS = [f"127.0.0.{1 + number}" for number in range(STEPS[-1] // PER_HOST_MAX)]
SPARE_DESCRIPTORS = 500
MEMORY_LEFT_MIN = 0.1  # of the machine's
EACH_BYTES_MIN = 12 << 10  # with both ends and the client it is more: so many users need not be known
STEP_SECONDS_MAX = 1800
VM_SECONDS_MAX = 7200
FOREVER_SECONDS = 86_000
LOGIN_SECONDS = 900  # nobody is too slow
SETTINGS = f"""connections_per_address_max = {STEPS[-1]}
connections_max = {STEPS[-1]}
idle_timeout_s = {FOREVER_SECONDS}
login_timeout_s = {LOGIN_SECONDS}
"""
MILLION = 1_000_000
SAMPLE, MACHINE = "SAMPLE", "MACHINE"  # lines of a virtual machine's console


def add_arguments(parser):
    parser.add_argument("--vm-mib", type=int, default=0, metavar="N",
                        help="connections: in a virtual machine with so much memory (tests/kernel/vm)")
    parser.add_argument("--in-vm", action="store_true", help=argparse.SUPPRESS)


def measure(lab):
    if lab.options.vm_mib:
        machine, samples = in_virtual_machine(lab)
    else:
        machine, samples = f"Linux {platform.release()}, {mib(memory('MemTotal'))}", list(measure_here(lab))
    yield from rows_of(machine, samples)


def in_virtual_machine(lab):
    """The same, there."""
    command = [f"{ROOT}/tests/kernel/vm", "--seconds", str(VM_SECONDS_MAX), "--memory-mib",
               str(lab.options.vm_mib), sys.executable, f"{ROOT}/bench/pressure", "connections", "--in-vm",
               "--no-write", "--build", os.path.abspath(lab.build)]
    machine, samples = None, []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as console:
        for words in console.stdout:
            kind, _, rest = words.strip().partition(" ")
            if kind == SAMPLE:
                samples.append(tuple(float(number) for number in rest.split()))
                say(f"{samples[-1][0]:,.0f} sessions")
            elif kind == MACHINE:
                machine = f"virtual machine, {rest}"
            else:
                say(words.rstrip())
    if console.returncode != 0 or len(samples) < 3:
        raise Failed(f"the virtual machine ended with {console.returncode} after {len(samples)} samples")
    return machine, samples


def measure_here(lab):
    allow_descriptors()
    steps = SMOKE_STEPS
    if not lab.smoke:  # else this is the machine's own network
        allow_ports()
        steps = affordable(STEPS)
    with server_for(lab, "connections", addresses(PATTERN, 0, steps[-1]), pop3_settings=SETTINGS,
                    pop3_hosts=HOSTS) as server:
        # What a server grows to with its first connections is not theirs.
        lab.run(server, "session", PATTERN, steps[0], min(steps[0], 64))
        for sample in grow(lab, server, steps):
            if lab.options.in_vm:
                print(SAMPLE, *sample, flush=True)
            yield sample
    if lab.options.in_vm:
        print(MACHINE, f"Linux {platform.release()}, {mib(memory('MemTotal'))}", flush=True)


def affordable(steps):
    """As many as there may be descriptors, of the server and of each client, and at most as there is memory for."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(descriptors - SPARE_DESCRIPTORS, memory("MemTotal") // EACH_BYTES_MIN)
    return [step for step in steps if step <= most] or [most]


def grow(lab, server, steps):
    """At each step: connections, the server's memory, what the machine has less than with none, seconds."""
    with contextlib.ExitStack() as stack:
        clients, there = [], 0
        begin_left = memory("MemAvailable")
        yield 0, server.anonymous_bytes(), 0, 0
        for step in steps:
            begin = time.monotonic()
            while there < step:
                host = there // PER_HOST_MAX
                count = min(step - there, PER_HOST_MAX * (host + 1) - there)
                clients.append(stack.enter_context(Background(
                    lab, server, "idle", PATTERN, count, count, "--first-user", there,
                    seconds=FOREVER_SECONDS, yields=False, host=HOSTS[host], timeout_s=LOGIN_SECONDS)))
                there += count
                wait_until(lambda want=there: server.metrics()["poplar_pop3_sessions"] >= want,
                           STEP_SECONDS_MAX, f"{there:,} sessions", clients[-1].check)
                # Ten times a second it would look through all of them for one that is late.
                clients[-1].process.send_signal(signal.SIGSTOP)
            seconds = time.monotonic() - begin
            own = server.anonymous_bytes()
            theirs = sum(anonymous_bytes(each.process.pid) for each in clients)
            yield there, own, begin_left - memory("MemAvailable") - theirs, seconds
            if memory("MemAvailable") < MEMORY_LEFT_MIN * memory("MemTotal"):
                break
        for each in clients:
            each.stop()


def rows_of(machine, samples):
    """The server's own memory, and what the kernel has for both ends of each connection, as both are on this
    machine: where the clients are elsewhere it is half of that."""
    none = samples[0]
    before = 0
    yield Row(machine, f"{samples[-1][0]:,.0f} connections", "until a tenth of its memory is left, or descriptors run out")
    for count, own, all_of_it, seconds in samples[1:]:
        yield Row(f"{count:,.0f} idle sessions: memory of the server", mib(own),
                  f"{kib((own - none[1]) / count)} each; the kernel {kib((all_of_it - own + none[1]) / count)}"
                  f" for both ends; the last {count - before:,.0f} came in {seconds:,.0f} s")
        before = count
    for name, at in (("the server's memory", 1), ("that and the kernel's for both ends", 2)):
        base, slope = line([(sample[0], sample[at]) for sample in samples[1:]])
        yield Row(f"the line: {name}", f"{mib(base)} and {kib(slope)} each",
                  f"a million: {(base + slope * MILLION) / (1 << 30):.1f} GiB")


def line(points):
    """Least squares: (where it begins, slope)."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return mean_y - slope * mean_x, slope


def kib(octets):
    return f"{octets / 1024:.2f} KiB"


def memory(name):
    """Octets, by /proc/meminfo."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(words.split()[1]) << 10 for words in file if words.startswith(f"{name}:"))


def anonymous_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(words.split()[1]) << 10 for words in file if words.startswith("RssAnon:"))
