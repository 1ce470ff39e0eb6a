"""What systemd does for a server, as the server sees it: holds its listening sockets, hands them over by name, takes its word."""

import fcntl
import os
import queue
import socket
import threading
from pathlib import Path

FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START.
OUT_OF_THE_WAY = 100


def tcp_socket(address=("127.0.0.1", 0)):
    listener = socket.create_server(address, family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET, backlog=4096)
    return listener


def unix_socket(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(4096)
    return listener


class ServiceManager:
    """Hands `sockets`, pairs of a name and a listening socket, to each process that `server` (PoplarServer) starts from now on."""

    def __init__(self, server, sockets=(), watchdog_ms=0):
        self.server = server
        self.sockets = list(sockets)
        self.copies = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD, OUT_OF_THE_WAY) for _, each in self.sockets]
        self.watchdog_ms = watchdog_ms
        path = Path(server.directory) / "notify.sock"
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(path))
        self.words = queue.Queue()
        # Read at once: a socket that is full holds up who notifies.
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        server.process_options = {
            "pass_fds": tuple(range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + len(self.copies))),
            "preexec_fn": lambda: self._become_a_service(str(path)),
        }

    def _become_a_service(self, notify_path):
        for number, copy in enumerate(self.copies, FIRST_DESCRIPTOR):
            os.dup2(copy, number)
        os.environ["NOTIFY_SOCKET"] = notify_path
        if self.sockets:
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.environ["LISTEN_FDS"] = str(len(self.copies))
            os.environ["LISTEN_FDNAMES"] = ":".join(name for name, _ in self.sockets)
        if self.watchdog_ms:
            os.environ["WATCHDOG_USEC"] = str(self.watchdog_ms * 1000)

    def port(self, name):
        return next(each.getsockname()[1] for socket_name, each in self.sockets if socket_name == name)

    def word(self, seconds):
        """The next thing that the server says; None if it says nothing for so long."""
        try:
            return self.words.get(timeout=seconds)
        except queue.Empty:
            return None

    def _read(self):
        while word := self.notified.recv(4096):
            self.words.put(word.decode())

    def close(self):
        for _, each in self.sockets:
            each.close()
        for copy in self.copies:
            os.close(copy)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.notified.getsockname())
        self.reader.join()
        self.notified.close()
