"""What providers put in front of a server: HAProxy, nginx and Dovecot as proxies, and PROXY headers made by hand."""

import os
import pwd
import shutil
import socket
import struct
import subprocess
from pathlib import Path

from network import free_port
from operations import example
from poplar_server import STOP_SECONDS, needs, wait_for


def v1(client, port=40312):
    words = f"TCP6 {client} ::1" if ":" in client else f"TCP4 {client} 127.0.0.1"
    return f"PROXY {words} {port} 110\r\n".encode()


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def v2(client, port=40312, tls=None, name="", verified=True, host="", command=0x21):
    """`tls`: the version that the proxy has ended, with `name` as the common name of a certificate."""
    is_ipv6 = ":" in client
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    target = "::1" if is_ipv6 else "127.0.0.1"
    body = socket.inet_pton(family, client) + socket.inet_pton(family, target) + struct.pack("!HH", port, 110)
    if host:
        body += tlv(0x02, host.encode())
    if tls is not None:
        shown = 0x01 | (0x06 if name else 0)
        names = tlv(0x21, tls.encode()) + (tlv(0x22, name.encode()) if name else b"")
        body += tlv(0x20, struct.pack("!BI", shown, 0 if verified else 20) + names)
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, 0x21 if is_ipv6 else 0x11]) + struct.pack("!H", len(body)) + body


class Program:
    """A program that listens on `port`, from here to the end of the test."""

    def __init__(self, command, port, log):
        self.log_path = Path(log)
        self.port = port
        with open(self.log_path, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

        def listens():
            assert self.process.poll() is None, self.log()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_for(f"{command[0]} listens", 30, listens)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=STOP_SECONDS)


def haproxy(directory, first_line, target, source, **instead):
    """HAProxy as the operator's page has it, before `target`; `instead`: other words for some of the example's."""
    port = free_port()
    text = example(first_line)
    for word, other in {":995": f"127.0.0.1:{port}", "10.0.0.10:1995": f"127.0.0.1:{target}", "10.0.0.10:1110": f"127.0.0.1:{target}",
                        " send-": f" source {source} send-", " check": " check inter 200ms", **instead}.items():
        text = text.replace(word, other)
    config = Path(directory) / "haproxy.cfg"
    config.write_text(f"global\n    log stderr format raw local0\n{text}")
    return Program([needs("haproxy"), "-db", "-f", str(config)], port, Path(directory) / "haproxy.log")


def nginx(directory, target, source):
    """nginx's stream proxy, which says PROXY headers of version 1."""
    port = free_port()
    config = Path(directory) / "nginx.conf"
    config.write_text(f"""
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
stream {{
    server {{
        listen 127.0.0.1:{port};
        proxy_pass 127.0.0.1:{target};
        proxy_bind {source};
        proxy_protocol on;
    }}
}}
""")
    return Program([needs("nginx"), "-e", "stderr", "-c", str(config)], port, Path(directory) / "nginx.log")


def dovecot_is_there():
    """Its master process drops privileges, so it runs only as root."""
    return shutil.which("dovecot") is not None and os.geteuid() == 0


def dovecot_proxy(directory, pop3, lmtp, source):
    """Dovecot as a proxy of POP3 and LMTP, whoever the user is, to these ports from the address `source`; and its own port of LMTP."""
    directory = Path(directory) / "dovecot"
    directory.mkdir()
    for folder in [directory, *directory.parents]:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o711)
    port, lmtp_port = free_port(), free_port()
    owner = pwd.getpwnam("mail")
    (directory / "dovecot.conf").write_text(f"""
base_dir = {directory}/run
state_dir = {directory}/state
instance_name = poplar-test-proxy
protocols = pop3 lmtp
listen = 127.0.0.1
log_path = {directory}/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
login_source_ips = {source}
mail_uid = mail
mail_gid = mail
first_valid_uid = {owner.pw_uid}
passdb {{
  driver = static
  args = proxy=y nopassword=y host=127.0.0.1 port={pop3}
}}
lmtp_proxy = yes
protocol lmtp {{
  passdb {{
    driver = static
    args = proxy=y nopassword=y host=127.0.0.1 port={lmtp} source_ip={source}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={directory}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
""")
    return Program([needs("dovecot"), "-F", "-c", str(directory / "dovecot.conf")], port, directory / "stderr"), lmtp_port
