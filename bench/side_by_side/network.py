"""A network of the comparison's own: a namespace with nothing but loopback, where TCP runs cubic
whatever the machine's default is. Nothing outside changes, so nothing has to be put back."""

import os
import socket
import subprocess
import sys

from harness import Failed

MARK = "POPLAR_COMPARE_NAMESPACE"
CONGESTION = "cubic"


def enter():
    """Starts this program again in a namespace; returns in there. REQUIRES: root."""
    if os.environ.get(MARK) == "1":
        return
    os.environ[MARK] = "1"
    try:
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    except OSError as fault:
        raise Failed(f"cannot start unshare (package util-linux): {fault.strerror}") from fault


def set_up():
    """Loopback up, and cubic on both of its routes: no server has to know of it."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for destination in ("127.0.0.0/8", "127.0.0.1"):
        subprocess.run(["ip", "route", "replace", "local", destination, "dev", "lo", "table",
                        "local", "proto", "kernel", "scope", "host", "src", "127.0.0.1",
                        "congctl", CONGESTION], check=True)
    used = congestion_control()
    if used != CONGESTION:
        raise Failed(f"connections use {used}, not {CONGESTION}: is the module tcp_cubic there?")


def congestion_control():
    """What an accepted connection really uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()):
            accepted, _ = server.accept()
            with accepted:
                name = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    return name.split(b"\0")[0].decode("ascii")
