"""A provider's API over HTTPS (or HTTP), as auth/HTTP.md describes it; it may be told to be slow, or to say anything else."""

import http.server
import json
import ssl
import threading
import time

TOKEN = "t0ken-of-the-test"


class ApiServer:
    """`users` are by login: (password, members of the answer). Without `tls` it speaks HTTP."""

    def __init__(self, tls, users, certificate="good", port=0):
        self.users = dict(users)
        self.asked = []  # What was asked, each with its headers under "headers".
        self.connections = 0
        self.delay_s = 0.0
        self.status = 200
        self.headers = {}
        self.body = None  # Octets, instead of an answer.
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(tls / f"{certificate}.pem", tls / f"{certificate}.key")
        self.server = None
        self.open = set()
        self.port = port
        self.start()

    @property
    def url(self):
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.port}/mail-users"

    def start(self):
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                # Here, as a client that is slow must not hold up the others.
                self.request.settimeout(30)
                if api.context:
                    self.request = api.context.wrap_socket(self.request, server_side=True)
                api.connections += 1
                api.open.add(self.request)
                super().setup()

            def finish(self):
                super().finish()
                api.open.discard(self.request)

            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.asked.append({**question, "headers": dict(self.headers), "path": self.path})
                time.sleep(api.delay_s)
                answer = json.dumps(api.answer(question)).encode() if api.body is None else api.body
                self.send_response(api.status)
                for name, value in api.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_GET(self):
                api.asked.append({"operation": "GET"})
                self.send_error(405)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass  # Clients that go away are part of the tests.

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        """With all its connections."""
        if self.server is None:
            return
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.open):
            try:
                connection.shutdown(2)
            except OSError:
                pass
        self.server = None

    def answer(self, question):
        if question["operation"] not in ("resolve", "verify_password", "fetch_verifier"):
            return {"outcome": "unsupported"}
        if question["login"] not in self.users:
            return {"outcome": "unknown"}
        password, answer = self.users[question["login"]]
        if question["operation"] == "resolve":
            return {**answer, "outcome": "ok"}
        if question["operation"] == "fetch_verifier":
            return {**answer, "verifier": f"{{PLAIN}}{password}"}
        return answer if question["password"] == password else {"outcome": "refused", "reason": "not that one"}
