"""A small issuer of tokens on loopback, for tests: HTTPS with a certificate of its own, a JWK set, introspection (RFC 7662), and keys
that can be changed. It can be told to be slow, and to answer with nonsense."""

import base64
import json
import ssl
import threading
import time
import urllib.parse
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import NameOID


def b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def number(value, octets=None):
    return b64(value.to_bytes(octets or (value.bit_length() + 7) // 8, "big"))


class Key:
    """`algorithm` is RS256, PS256, ES256 or EdDSA (Ed25519)."""

    def __init__(self, name, algorithm):
        self.name, self.algorithm = name, algorithm
        make = {"ES256": lambda: ec.generate_private_key(ec.SECP256R1()), "EdDSA": ed25519.Ed25519PrivateKey.generate}
        self.key = make.get(algorithm, lambda: rsa.generate_private_key(65537, 2048))()

    def public(self):
        public = self.key.public_key()
        numbers = None if self.algorithm == "EdDSA" else public.public_numbers()
        if self.algorithm == "EdDSA":
            octets = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            kind = {"kty": "OKP", "crv": "Ed25519", "x": b64(octets)}
        elif self.algorithm == "ES256":
            kind = {"kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}
        else:
            kind = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        return {"kid": self.name, "use": "sig", "alg": self.algorithm, **kind}

    def sign(self, text):
        if self.algorithm == "EdDSA":
            return self.key.sign(text)
        if self.algorithm == "ES256":
            r, s = utils.decode_dss_signature(self.key.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return self.key.sign(text, padding.PKCS1v15() if self.algorithm == "RS256" else pss, hashes.SHA256())


class Issuer:
    def __init__(self, folder):
        self.keys = [Key("one", "RS256")]
        self.introspected = {}  # Token: what is answered.
        self.asked = []  # Paths, in order; what clients sent as who they are.
        self.delay_s = 0
        self.nonsense = False
        self.ca_file = folder / "issuer.pem"
        self._write_certificate(folder / "issuer.key")
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                issuer._answer(self, lambda: {"keys": [key.public() for key in issuer.keys]})

            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                issuer._answer(self, lambda: issuer.introspected.get(form["token"][0], {"active": False}))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, folder / "issuer.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"https://localhost:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(timeout=30)

    def _answer(self, handler, body):
        self.asked.append((handler.path, handler.headers.get("Authorization")))
        time.sleep(self.delay_s)
        text = b"<html>" if self.nonsense else json.dumps(body()).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
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
        parts = [{"alg": key.algorithm, "kid": key.name, **(head or {})}, {k: v for k, v in said.items() if v is not None}]
        text = ".".join(b64(json.dumps(part).encode()) for part in parts)
        return text + "." + b64(key.sign(text.encode()))
