"""A small issuer of tokens on loopback, for tests: HTTPS with a certificate of its own, a JWK set, introspection (RFC 7662), and keys
that can be changed. It can be told to be slow and to lie; as a process of its own it can be frozen and killed as well."""

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import NameOID
from frozen import freeze


def b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def number(value, octets=None):
    return b64(value.to_bytes(octets or (value.bit_length() + 7) // 8, "big"))


class Key:
    """`algorithm` is RS256, PS256, ES256 or EdDSA (Ed25519, which may also be called that); a `name` of None is none."""

    def __init__(self, name, algorithm, key=None):
        self.id, self.algorithm = {"kid": name} if name else {}, algorithm
        self.is_edwards = algorithm in ("EdDSA", "Ed25519")
        make = {"ES256": lambda: ec.generate_private_key(ec.SECP256R1()), "EdDSA": ed25519.Ed25519PrivateKey.generate}
        make["Ed25519"] = make["EdDSA"]
        self.key = key or make.get(algorithm, lambda: rsa.generate_private_key(65537, 2048))()

    def public(self):
        public = self.key.public_key()
        numbers = None if self.is_edwards else public.public_numbers()
        if self.is_edwards:
            octets = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            kind = {"kty": "OKP", "crv": "Ed25519", "x": b64(octets)}
        elif self.algorithm == "ES256":
            kind = {"kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}
        else:
            kind = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        return {**self.id, "use": "sig", "alg": self.algorithm, **kind}

    def sign(self, text):
        if self.is_edwards:
            return self.key.sign(text)
        if self.algorithm == "ES256":
            r, s = utils.decode_dss_signature(self.key.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return self.key.sign(text, padding.PKCS1v15() if self.algorithm == "RS256" else pss, hashes.SHA256())


class Issuer:
    """On a thread of the test's."""

    def __init__(self, folder, port=0, key=None):
        folder.mkdir(exist_ok=True)
        self.keys = [Key("one", "RS256", key)]
        self.introspected = {}  # Token: what is answered.
        self.asked = []  # Paths, in order; what clients sent as who they are.
        self.connections = 0  # That were made to it.
        self.delay_s = 0
        self.status = 200
        self.lie = None  # Octets, instead of an answer.
        self.octets_max = None  # Of an answer; then its connection ends.
        self.folder = folder
        self.ca_file = folder / "issuer.pem"
        if not self.ca_file.exists():
            self._write_certificate(folder / "issuer.key")
        self.open = set()
        self.server = None
        self.port = port
        self.start()

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def start(self):
        """At the port that it had before."""
        issuer = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, self.folder / "issuer.key")

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                # Here, as a client that is slow must not hold up the others.
                self.request.settimeout(30)
                self.request = context.wrap_socket(self.request, server_side=True)
                issuer.connections += 1
                issuer.open.add(self.request)
                super().setup()

            def finish(self):
                super().finish()
                issuer.open.discard(self.request)

            def do_GET(self):
                issuer._answer(self, lambda: {"keys": [key.public() for key in issuer.keys]})

            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                issuer._answer(self, lambda: issuer.introspected.get(form["token"][0], {"active": False}))

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # Clients that go away are part of the tests.

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def stop(self):
        """With all its connections."""
        if self.server is None:
            return
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(timeout=30)
        for connection in list(self.open):
            try:
                connection.shutdown(2)
            except OSError:
                pass
        self.server = None

    def _answer(self, handler, body):
        self.asked.append((handler.path, handler.headers.get("Authorization")))
        time.sleep(self.delay_s)
        text = json.dumps(body()).encode() if self.lie is None else self.lie
        handler.send_response(self.status)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        if self.octets_max is not None:
            text, handler.close_connection = text[: self.octets_max], True
        handler.wfile.write(text)

    def _write_certificate(self, key_path):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
        now = datetime.utcnow()
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=2))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256()))
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    def token(self, user, key=None, head=None, **claims):
        """A signed token; `claims` take the place of what is good, None takes one away."""
        key = key or self.keys[0]
        said = {"iss": self.url, "aud": "poplar", "email": user, "exp": int(time.time()) + 300, **claims}
        parts = [{"alg": key.algorithm, **key.id, **(head or {})}, {k: v for k, v in said.items() if v is not None}]
        text = ".".join(b64(json.dumps(part).encode()) for part in parts)
        return text + "." + b64(key.sign(text.encode()))


class IssuerProcess:
    """The same as a process of its own, with one key. `introspected` as Issuer has it."""

    def __init__(self, folder, introspected=None):
        self.folder = folder
        self.process = None
        told = Issuer(folder)  # Its key, its port, its certificate.
        told.stop()
        self.keys, self.token, self.url, self.port, self.ca_file = told.keys, told.token, told.url, told.port, told.ca_file
        private = self.keys[0].key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / "signing.key").write_bytes(private)
        (folder / "introspected.json").write_text(json.dumps(introspected or {}))
        self.start()

    def start(self):
        self.process = subprocess.Popen([sys.executable, __file__, str(self.folder), str(self.port)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"

    def freeze(self):
        freeze(self.process.pid)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process is not None:
            self.process.kill()  # A frozen one too.
            self.process.wait(timeout=30)
            self.process.stdout.close()
            self.process = None


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    standalone = Issuer(directory, int(sys.argv[2]), serialization.load_pem_private_key((directory / "signing.key").read_bytes(), None))
    standalone.introspected = json.loads((directory / "introspected.json").read_text())
    print("ready", flush=True)
    parent = os.getppid()
    while os.getppid() == parent:  # Not longer than the test that started it.
        time.sleep(0.5)
