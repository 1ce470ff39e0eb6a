"""A real Courier for tests, to be moved away from: its POP3 over Maildirs in a folder of its own, on a loopback port.

The program that serves a mailbox, and keeps its list of UIDLs, is Debian's courierpop3d. What comes before it in a session (couriertcpd,
courierpop3login and its daemon) is done here: it takes any user by one password, and starts that program on the connection.
"""

import poplib
import socketserver
import subprocess
from pathlib import Path

from fetched import fetched
from network import Serving
from poplar_server import STOP_SECONDS

PACKAGES = ("courier-pop", "courier-authlib", "libcourier-unicode4", "libidn12")


def why_not():
    """Why there can be no Courier here, or an empty text."""
    missing = [package for package in PACKAGES if fetched(package) is None]
    return f"apt does not fetch {' and '.join(missing)}" if missing else ""


def read_command(connection):
    """Not an octet more: what follows is the program's."""
    line = b""
    while not line.endswith(b"\n"):
        octet = connection.recv(1)
        if not octet:
            return b"QUIT", b""
        line += octet
    word, _, rest = line.strip().partition(b" ")
    return word.upper(), rest


class Courier(Serving):
    password = "moving-house"

    def __init__(self, directory):
        self.directory = Path(directory)
        trees = [fetched(package) for package in PACKAGES]
        self.program = trees[0] / "usr/lib/courier/courier/courierpop3d"
        libraries = [folder for tree in trees for folder in (tree / "usr/lib", *(tree / "usr/lib").glob("*-linux-gnu*"))]
        self.environment = {"LD_LIBRARY_PATH": ":".join(map(str, libraries)), "TCPREMOTEIP": "127.0.0.1"}
        courier = self

        class Session(socketserver.BaseRequestHandler):
            def handle(self):
                courier.serve(self.request)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]

    def serve(self, connection):
        connection.sendall(b"+OK Hello there.\r\n")
        user = b""
        while True:
            word, rest = read_command(connection)
            if word == b"USER":
                user = rest
                connection.sendall(b"+OK Password required.\r\n")
            elif word == b"PASS" and rest == self.password.encode():
                break
            elif word == b"QUIT":
                return
            else:
                connection.sendall(b"-ERR Invalid command.\r\n")
        with open(self.directory / "log", "ab") as log:
            subprocess.run([self.program, "Maildir"], stdin=connection, stdout=connection, stderr=log, cwd=self.home(user.decode()),
                           env=self.environment | {"AUTHENTICATED": user.decode()}, timeout=STOP_SECONDS, check=False)

    def home(self, address):
        user, domain = address.split("@")
        folder = self.directory / "mail" / domain / user
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def quit(self, client):
        """Courier deletes after it has said goodbye."""
        assert client._shortcmd("QUIT").startswith(b"+OK")
        assert client.file.read() == b""
        client.close()

    def pop3(self, address):
        client = poplib.POP3("127.0.0.1", self.port, timeout=30)
        client.user(address)
        client.pass_(self.password)
        return client
