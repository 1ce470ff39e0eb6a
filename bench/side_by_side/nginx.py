"""nginx as the floor: what RETR sends, behind the status line, as files, which it hands to sendfile.
It knows no mail, asks nobody for a password and looks nothing up but an open file, so no mail server
can be expected to be below it; how near Poplar comes to it is the figure. Its client takes the lines
apart as that of a mail server does: one that is done sooner makes room for more octets at a time, and
so has the server send them by fewer calls."""

import os
import poplib
import shutil
import subprocess

from harness import Server, free_ports, make_certificate, wait_for_ports

CONFIG = """
daemon off;
worker_processes {workers};
pid {dir}/nginx.pid;
error_log {dir}/nginx.log warn;
events {{
  worker_connections 4096;
}}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  open_file_cache max=10000 inactive=1h;
  open_file_cache_valid 1h;
  default_type message/rfc822;
  types {{}}
  server {{
    listen 127.0.0.1:{http};
    listen 127.0.0.1:{https} ssl;
    ssl_certificate {dir}/cert.pem;
    ssl_certificate_key {dir}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    root {dir}/mail;
  }}
}}
"""


class Nginx(Server):
    name = "nginx"

    def __init__(self, directory, **kwargs):
        super().__init__(directory, **kwargs)
        self.http_port, self.https_port = free_ports(2)

    def prepare(self, source, corpus, password):
        """`source`: a running server whose messages become files, octet for octet as it sends them."""
        os.chmod(self.directory, 0o755)  # Its workers are another user.
        make_certificate(self.directory)
        for mail in corpus:
            for user in mail.addresses():
                copy_maildrop(source.pop3_port, user, password, f"{self.directory}/mail/{user}")
        with open(f"{self.directory}/nginx.conf", "w", encoding="ascii") as file:
            file.write(CONFIG.format(dir=self.directory, http=self.http_port, https=self.https_port,
                                     workers=len(self.cores) if self.cores else "auto"))

    def start(self):
        self.spawn([program(), "-c", f"{self.directory}/nginx.conf", "-p", self.directory])
        wait_for_ports(self, [self.http_port, self.https_port])

    def endpoint_arguments(self, tls):
        return ["--http", f"127.0.0.1:{self.https_port if tls else self.http_port}"]

    def log_tail(self):
        return self.tail(f"{self.directory}/nginx.log") + super().log_tail()

    @staticmethod
    def version():
        done = subprocess.run([program(), "-v"], capture_output=True, text=True, check=True)
        return done.stderr.strip().rpartition(" ")[2].replace("/", " ")

    @staticmethod
    def available():
        return program() is not None


def program():
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def copy_maildrop(port, user, password, folder):
    os.makedirs(folder)
    client = poplib.POP3("127.0.0.1", port, timeout=60)
    client.user(user)
    client.pass_(password)
    for number in range(1, client.stat()[0] + 1):
        with open(f"{folder}/{number}", "wb") as file:
            for line in client.retr(number)[1]:
                file.write((b"." if line.startswith(b".") else b"") + line + b"\r\n")
            file.write(b".\r\n")
    client.quit()
