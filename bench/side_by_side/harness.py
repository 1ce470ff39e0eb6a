"""What every server to measure has in common: its life, its cores, its CPU account; and how
poplar-load is run against it."""

import json
import os
import resource
import signal
import socket
import subprocess
import time

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 30
CGROUP_V1 = "/sys/fs/cgroup/cpuacct"


class Failed(Exception):
    """Something that ends the comparison, in a sentence."""


class Server:
    """One server in a directory of its own. Subclasses say how it is prepared and started."""

    name = "server"
    pop3_port = pop3s_port = lmtp_port = 0

    def __init__(self, directory, cores=None):
        self.directory = directory
        self.cores = cores
        self.process = None
        self.cgroup = None
        os.makedirs(directory, exist_ok=True)

    def spawn(self, command, stdin=subprocess.DEVNULL):
        """Runs `command` on the server's cores, in a control group of its own where possible."""
        self.cgroup = make_cgroup(f"poplar-compare-{os.getpid()}-{self.name.lower()}")

        def in_child():
            settle(self.cores)
            if self.cgroup:
                with open(f"{self.cgroup}/cgroup.procs", "w", encoding="ascii") as file:
                    file.write(str(os.getpid()))

        with open(f"{self.directory}/output.log", "ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output,
                                            stdin=stdin, preexec_fn=in_child,
                                            start_new_session=True)

    def stop(self):
        """Ends the server; a server that does not end in time is killed, and that is a failure."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired as late:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Failed(f"{self.name} did not end within {STOP_SECONDS_MAX} s") from late
        finally:
            remove_cgroup(self.cgroup)

    def cpu_arguments(self):
        if self.cgroup:
            return ["--cgroup", self.cgroup]
        return ["--server-pid", str(self.process.pid)]

    def endpoint_arguments(self, tls, host="127.0.0.1"):
        """Where poplar-load finds it."""
        return ["--pop3", f"{host}:{self.pop3s_port if tls else self.pop3_port}",
                "--lmtp", f"127.0.0.1:{self.lmtp_port}"]

    def cpu_us(self):
        """CPU time of all its processes so far; None where there is no control group."""
        if not self.cgroup:
            return None
        with open(f"{self.cgroup}/cpuacct.usage", encoding="ascii") as file:
            return int(file.read()) / 1e3

    def state(self):
        """Whether it runs, in words."""
        code = self.process.poll()
        if code is None:
            return f"{self.name} runs"
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"{self.name} has ended ({how})"

    def log_tail(self):
        return self.tail(f"{self.directory}/output.log")

    @staticmethod
    def tail(path, lines=15):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return ""


def find_binary(build, name):
    for folder in ("", "/core/app", "/bench/load", "/bench/floor", "/bin"):
        path = f"{build}{folder}/{name}"
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise Failed(f"{build} has no {name}: build it first (cmake --preset release && "
                 "cmake --build --preset release)")


def find_plugin(build, name):
    for folder in ("auth/plugins", "lib/poplar"):
        path = f"{build}/{folder}/{name}.so"
        if os.path.isfile(path):
            return path
    raise Failed(f"{build} has no {name}.so: build it first")


def core_set(text):
    cores = {int(core) for core in text.split(",")}
    missing = cores - os.sched_getaffinity(0)
    if missing:
        raise Failed(f"this machine does not give us core {sorted(missing)[0]}; see --help")
    return cores


def settle(cores):
    """In a child, before its program: its cores, and all the descriptors that it may have."""
    if cores:
        os.sched_setaffinity(0, cores)
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))


def free_ports(count):
    """Ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def make_certificate(directory):
    """cert.pem and key.pem, of the kind that Poplar makes for itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", f"{directory}/key.pem",
         "-out", f"{directory}/cert.pem"],
        check=True, capture_output=True)


def make_cgroup(name):
    """A control group that accounts CPU time to the nanosecond (v1), or None."""
    path = f"{CGROUP_V1}/{name}"
    try:
        os.mkdir(path)
        return path
    except OSError:
        return None


def remove_cgroup(path):
    if not path:
        return
    for _ in range(50):  # it is busy until the last process was reaped
        try:
            os.rmdir(path)
            return
        except OSError:
            time.sleep(0.1)


def wait_for_ports(server, ports):
    deadline = time.monotonic() + START_SECONDS_MAX
    for port in ports:
        while True:
            if server.process.poll() is not None:
                raise Failed(f"{server.name} ended at its start:\n{server.log_tail()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise Failed(f"{server.name} does not listen on port {port}:\n"
                                 f"{server.log_tail()}") from None
                time.sleep(0.05)


class Load:
    """Runs poplar-load, on cores of its own."""

    def __init__(self, binary, cores, password):
        self.binary = binary
        self.cores = cores
        self.password = password

    def run(self, server, profile, *arguments, tls=False):
        """One run; its JSON report. Any wrong reply or message raises Failed."""
        command = [self.binary, profile, "--json", *server.endpoint_arguments(tls),
                   "--password", self.password, *server.cpu_arguments(), *map(str, arguments)]
        if tls:
            command.append("--tls")
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              preexec_fn=lambda: settle(self.cores))
        if done.returncode != 0:
            raise Failed(f"poplar-load {profile} against {server.name} failed "
                         f"({done.returncode}):\n{' '.join(command)}\n{done.stdout}{done.stderr}"
                         f"{server.state()}; its log ends with:\n{server.log_tail()}")
        return json.loads(done.stdout)
