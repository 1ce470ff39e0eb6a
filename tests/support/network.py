"""What tests put between a client and a server: ports, certificates, a proxy that spoils what passes, servers of a test's own."""

import random
import socket
import subprocess
import threading
import time
from pathlib import Path

from poplar_server import needs


def free_port():
    """Of 127.0.0.1. Below those that the kernel gives to connections, as one of them could have it while a server is started
    anew on it."""
    first_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(min(10_000, first_given - 1_000), first_given)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def openssl(directory, *arguments):
    subprocess.run([needs("openssl"), *arguments], cwd=directory, check=True, capture_output=True, timeout=60)


def make_certificates(directory):
    """ca.pem signs good.pem (for 127.0.0.1) and misnamed.pem (for another host); other.pem is another CA."""
    directory.mkdir(parents=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for ca in ("ca", "other"):
        openssl(directory, "req", "-x509", *key, "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-days", "30", "-subj", f"/CN={ca} of a test")
    for name, holds in (("good", "IP:127.0.0.1"), ("misnamed", "DNS:elsewhere.example")):
        openssl(directory, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (directory / "extension").write_text(f"subjectAltName={holds}\n")
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
                "-extfile", "extension", "-out", f"{name}.pem")


class Proxy:
    """Between a client and a server: passes on what they say, as late and as little as the test wants."""

    def __init__(self, port):
        self.target = port
        self.delay_s = 0.0  # Of each piece of the server's.
        self.octets_max = None  # The server's, of each connection; then nothing more comes, and nothing ends.
        self.lie = None  # Instead of what the server says.
        self.most_passed = 0  # The server's octets, of the connection that had most.
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self.sockets += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, source, target, from_server):
        passed = 0
        try:
            while piece := source.recv(65536):
                if from_server:
                    time.sleep(self.delay_s)
                    piece = self.lie or piece
                    if self.octets_max is not None:
                        piece = piece[: max(0, self.octets_max - passed)]
                    self.most_passed = max(self.most_passed, passed + len(piece))
                passed += len(piece)
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        for one in [self.listener, *self.sockets]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()


class Serving:
    """Runs `self.server`, one of socketserver's, in a thread, as long as the block lasts."""

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
