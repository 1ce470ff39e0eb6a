"""The scenario of test_dead_peer.py, which runs it in a network namespace of its own: a client's machine goes away without a
word, and the next log-in makes the server notice."""

import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from conftest import ALICE, PASSWORDS, populate  # noqa: E402
from poplar_server import PoplarServer, read_line, wait_for  # noqa: E402

SERVER, CLIENT = "10.9.9.1", "10.9.9.2"


def ip(words):
    subprocess.run(["ip", *words.split()], check=True)


def main(directory):
    ip("link set lo up")
    for address in (SERVER, CLIENT):
        ip(f"address add {address}/32 dev lo")
    server = populate(PoplarServer(directory, pop3="allow_cleartext = true"))
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace('listen = ["127.0.0.1:0", "[::1]:0"]', 'listen = ["0.0.0.0:0"]'))
    with server:
        gone = socket.create_connection((SERVER, server.ports["pop3"]), timeout=30, source_address=(CLIENT, 0))
        gone.sendall(b"USER %s\r\nPASS %s\r\n" % (ALICE.encode(), PASSWORDS[ALICE].encode()))
        for _ in range(3):
            assert read_line(gone).startswith(b"+OK")
        # From here on nothing reaches the client, and nothing says so.
        ip(f"address del {CLIENT}/32 dev lo")
        ip(f"route add blackhole {CLIENT}")
        client, refusal = server.try_login(ALICE, PASSWORDS[ALICE])
        assert client is None and "[IN-USE]" in refusal, refusal
        client = wait_for("the dead peer loses its lease", 25, lambda: server.try_login(ALICE, PASSWORDS[ALICE])[0])
        client.quit()
        assert server.metric("poplar_connections_lost_total", protocol="pop3") == 1


if __name__ == "__main__":
    main(sys.argv[1])
