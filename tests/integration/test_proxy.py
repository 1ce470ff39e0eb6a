"""Proxies in front: PROXY headers of HAProxy, nginx, curl and made by hand, and XCLIENT. Addresses of 127.0.0.0/8 stand for machines."""

import base64
import poplib
import re
import signal
import smtplib
import socket
import ssl
import subprocess
from pathlib import Path

import front
import pytest
from conftest import ALICE, BOB, PASSWORDS
from front import v1, v2
from network import openssl
from poplar_server import needs, read_line, read_to_end, wait_for

PROXY = "127.0.0.2"  # Whom the server believes a PROXY header.
SPEAKER = "127.0.0.4"  # Whom it believes XCLIENT.
CLIENT, OTHER = "203.0.113.9", "2001:db8::7"
NETWORKS = f'proxy_networks = ["{PROXY}"]\nxclient_networks = ["{SPEAKER}/32"]'
TOO_MANY = b"-ERR [SYS/TEMP] Too many connections; try again later"
MESSAGE = b"Subject: hello\r\n\r\nHello.\r\n"


@pytest.fixture
def server(new_server):
    return new_server(pop3=NETWORKS, lmtp=NETWORKS)


class Client:
    """A POP3 client from `source`, which begins with `head`; over TLS where that is asked for."""

    def __init__(self, server, head=b"", source=PROXY, port="pop3", greeted=True):
        number = server.ports[port] if isinstance(port, str) else port
        self.server = server
        self.connection = socket.create_connection(("127.0.0.1", number), timeout=30, source_address=(source, 0))
        self.connection.sendall(head)
        if port == "pop3s":
            self.tls()
        self.greeting = read_line(self.connection) if greeted else b""

    def tls(self):
        self.connection = self.server.tls().wrap_socket(self.connection, server_hostname="localhost")

    def say(self, line):
        self.connection.sendall(line + b"\r\n")
        return read_line(self.connection)

    def stls(self):
        assert self.say(b"STLS").startswith(b"+OK")
        self.tls()

    def capa(self):
        assert self.say(b"CAPA").startswith(b"+OK")
        capabilities = []
        while (line := read_line(self.connection).decode()) != ".":
            capabilities.append(line)
        return capabilities

    def login(self, user=ALICE, password=None):
        assert self.say(b"USER " + user.encode()).startswith(b"+OK")
        return self.say(b"PASS " + (password or PASSWORDS[user]).encode())

    def close(self):
        self.connection.close()


def logged(server, pattern, times=1):
    """The log's lines that match, as soon as there are so many."""
    def lines():
        return [line for line in server.log().splitlines() if re.search(pattern, line)]
    wait_for(f"{times} times {pattern}", 10, lambda: len(lines()) >= times)
    assert len(lines()) == times, server.log()
    return lines()


def headers(server, outcome):
    return server.metric("poplar_proxy_headers_total", outcome=outcome)


# --- What is believed, and of whom.


@pytest.mark.parametrize("head, address", [(v1(CLIENT), CLIENT), (v1(OTHER), OTHER), (v2(CLIENT), CLIENT),
                                           (v2(OTHER), OTHER), (v1("::ffff:203.0.113.9"), CLIENT)])
def test_the_client_is_who_the_header_says(server, head, address):
    client = Client(server, head)
    # It comes from elsewhere, so its password does not travel in clear.
    assert [line for line in client.capa() if line.split()[0] in ("USER", "SASL", "STLS")] == ["STLS"]
    assert b"send STLS first" in client.say(b"USER " + ALICE.encode())
    client.stls()
    assert client.login().startswith(b"+OK")
    session = server.run_json("session", "list")[0]
    assert session["peer"] == (f"[{address}]:40312" if ":" in address else f"{address}:40312")
    assert re.fullmatch(rf"{re.escape(PROXY)}:\d+", session["proxy"])
    assert client.say(b"QUIT").startswith(b"+OK")
    logged(server, rf" login .* peer={re.escape(address)} tls=true outcome=ok .* proxy={re.escape(PROXY)}$")
    logged(server, rf" session_end .* peer={re.escape(address)} .* proxy={re.escape(PROXY)}$")
    assert headers(server, "client") == 1


@pytest.mark.parametrize("head", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", v2(CLIENT, command=0x20)])
def test_what_is_the_proxys_own_comes_from_the_proxy(server, head):
    client = Client(server, head)
    assert client.login().startswith(b"+OK")
    logged(server, rf" login .* peer={re.escape(PROXY)} tls=false outcome=ok .* proxy=\"\"$")
    assert headers(server, "local") == 1


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_what_follows_the_header_is_the_clients(server, port):
    """In one packet, and cut anywhere."""
    head = v2(CLIENT, tls="TLSv1.3")
    if port == "pop3":
        client = Client(server, head + b"CAPA\r\nNOOP\r\n", greeted=True)
        assert read_line(client.connection).startswith(b"+OK")
        while read_line(client.connection) != b".":
            pass
        assert read_line(client.connection) == b"-ERR Log in first"
    for step in (1, 7):
        connection = socket.create_connection(("127.0.0.1", server.ports[port]), timeout=30, source_address=(PROXY, 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(head), step):
            connection.sendall(head[at:at + step])
        if port == "pop3s":
            connection = server.tls().wrap_socket(connection, server_hostname="localhost")
        assert read_line(connection).startswith(b"+OK POP3")
        connection.sendall(b"QUIT\r\n")
        assert read_line(connection).startswith(b"+OK")


def test_from_elsewhere_no_header_is_believed(server):
    client = Client(server, v1(CLIENT), source="127.0.0.1")
    assert client.greeting.startswith(b"+OK")
    assert read_line(client.connection) == b"-ERR Unknown command"
    assert client.login().startswith(b"+OK")
    logged(server, r" login .* peer=127.0.0.1 tls=false outcome=ok .* proxy=\"\"$")
    # To TLS it is garbage.
    with pytest.raises((ssl.SSLError, OSError)):
        Client(server, v2(CLIENT), source="127.0.0.1", port="pop3s")
    with server.lmtp() as mta:
        assert mta.docmd("PROXY", f"TCP4 {CLIENT} 127.0.0.1 1 2")[0] == 500
    assert server.metric("poplar_proxy_headers_total") == 0


@pytest.mark.parametrize("port", ["pop3", "pop3s", "lmtp"])
def test_what_is_no_header_ends_at_once(server, port):
    wrong = [b"USER alice\r\n", b"\x16\x03\x01\x00\xf7\x01", b"PROXY TCP4 203.0.113.999 127.0.0.1 1 2\r\n", b"PROXY " + b"x" * 200,
             v2(CLIENT)[:12] + b"\x11" + v2(CLIENT)[13:], v2(CLIENT)[:14] + b"\xff\xff" + b"x" * 5000]
    for head in wrong:
        client = Client(server, head, port=server.ports[port], greeted=False)
        assert read_to_end(client.connection) == b""
    protocol = "lmtp" if port == "lmtp" else "pop3"
    logged(server, rf" warning proxy_header_refused session=\d+ protocol={protocol} proxy={re.escape(PROXY)} reason=wrong$", len(wrong))
    assert headers(server, "wrong") == len(wrong)
    # Cut off within; and who says nothing, a load balancer that looks whether we listen, is not worth a line.
    Client(server, v2(CLIENT)[:20], port=server.ports[port], greeted=False).close()
    wait_for("it is counted", 10, lambda: headers(server, "cut") == 1)
    for _ in range(3):
        Client(server, b"", port=server.ports[port], greeted=False).close()
    wait_for("they are counted", 10, lambda: headers(server, "silent") == 3)
    logged(server, " proxy_header_refused .* reason=cut$")
    logged(server, " proxy_header_refused ", len(wrong) + 1)
    # A header that does not come is not waited for for ever.
    client = Client(server, v2(CLIENT)[:20], port=server.ports[port], greeted=False)
    assert read_to_end(client.connection) == b""
    logged(server, " proxy_header_refused .* reason=late$")
    assert headers(server, "late") == 1
    client.close()
    wait_for("nobody is left", 10, lambda: server.metric("poplar_connections_open", protocol=protocol) == 0)


def test_an_end_of_the_server_waits_for_no_header(server):
    waiting = [Client(server, b"PROXY", port=server.ports[port], greeted=False) for port in ("pop3", "pop3s", "lmtp")]
    wait_for("they are here", 10, lambda: len(server.run_json("session", "list")) == 3)
    server.stop()
    assert [read_to_end(client.connection) for client in waiting] == [b""] * 3
    assert "proxy_header_refused" not in server.log() and "drain_cut" not in server.log()


def test_networks_change_with_a_reload(server):
    assert Client(server, v1(CLIENT), source="127.0.0.3").greeting.startswith(b"+OK")
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace(f'proxy_networks = ["{PROXY}"]', 'proxy_networks = ["127.0.0.3"]'))
    server.signal(signal.SIGHUP)
    wait_for("the server reloads", 20, lambda: " reloaded" in server.log())
    client = Client(server, v1(CLIENT), source="127.0.0.3")
    client.stls()
    assert client.login().startswith(b"+OK")
    assert Client(server).greeting.startswith(b"+OK")
    logged(server, rf" login .* peer={re.escape(CLIENT)} ")


# --- What goes by the client's address.


def test_connections_count_for_the_client(new_server):
    server = new_server(pop3=NETWORKS + "\nconnections_per_address_max = 2")
    held = [Client(server, v1(CLIENT)), Client(server, v1(CLIENT, 2))]
    assert all(client.greeting.startswith(b"+OK") for client in held)
    assert Client(server, v1(CLIENT, 3)).greeting == TOO_MANY
    assert read_to_end(Client(server, v1(CLIENT, 4), port=server.ports["pop3s"], greeted=False).connection) == b""
    # Others through the same proxy, and it itself, are others.
    others = [Client(server, v2(OTHER)), Client(server, v1("198.51.100.1")), Client(server, v2(CLIENT, command=0x20))]
    assert all(client.greeting.startswith(b"+OK") for client in others)
    assert server.metric("poplar_connections_refused_total", limit="connections_per_address_max") == 2
    held.pop().close()
    wait_for("its place is free", 10, lambda: Client(server, v1(CLIENT, 5)).greeting.startswith(b"+OK"))
    # The same by XCLIENT.
    assert Client(server, source=SPEAKER).say(b"XCLIENT ADDR=192.0.2.77") == b"+OK Updated"
    speakers = [Client(server, source=SPEAKER) for _ in range(4)]
    assert [speaker.say(b"XCLIENT ADDR=192.0.2.78 PORT=1") for speaker in speakers] == [b"+OK Updated"] * 2 + [TOO_MANY] * 2
    speakers[0].close()
    wait_for("its place is free", 10, lambda: Client(server, source=SPEAKER).say(b"XCLIENT ADDR=192.0.2.78 PORT=1") == b"+OK Updated")


def test_wrong_passwords_count_against_the_client(server, tmp_path):
    for i in range(6):
        client = Client(server, v2(CLIENT, tls="TLSv1.3"))
        assert b"[AUTH]" in client.login(password=f"wrong{i}")
        client.close()
    delayed = server.metric("poplar_auth_delayed_total")
    assert Client(server, v2(OTHER, tls="TLSv1.3")).login(BOB).startswith(b"+OK")
    assert server.metric("poplar_auth_delayed_total") == delayed
    assert b"[AUTH]" in Client(server, v2(CLIENT, 7, tls="TLSv1.3")).login(password="wrong")
    assert server.metric("poplar_auth_delayed_total") == delayed + 1
    # fail2ban sees the client, not the proxy.
    lines = logged(server, " login .*bad_credentials", 7)
    log = tmp_path / "poplar.log"
    log.write_text("\n".join(lines) + "\n")
    found = subprocess.run([needs("fail2ban-regex"), "--print-all-matched", "--raw", "--out", "ip", log,
                            Path(__file__).resolve().parents[2] / "auth/fail2ban/poplar.conf"],
                           check=True, capture_output=True, timeout=60).stdout.decode()
    assert re.findall(r"[0-9a-f.:]{3,}", found) == [CLIENT] * 7


# --- TLS that ended at the proxy.


def test_tls_up_to_the_proxy_is_tls(server):
    server.run("tenant", "set", "alpha", "--require-tls13", "true")
    for version, outcome in (("TLSv1.3", b"+OK"), ("TLSv1.2", b"-ERR [SYS/PERM]"), ("", b"-ERR [SYS/PERM]"), ("TLSv1", b"-ERR [SYS/PERM]")):
        def as_expected():
            client = Client(server, v2(CLIENT, tls=version, host="pop.alpha.example"))
            # RFC 2595 section 4: TLS is there, so it is not offered.
            assert [line for line in client.capa() if line.split()[0] in ("USER", "SASL", "STLS")] == ["USER", "SASL PLAIN LOGIN"]
            assert client.say(b"STLS") == b"-ERR TLS is active already"
            reply = client.login()
            client.say(b"QUIT")
            return reply.startswith(outcome)
        wait_for(f"{version}: {outcome}", 30, as_expected)
    # Whatever comes after the header in TLS, the client's way up to the proxy counts too.
    client = Client(server, v2(CLIENT, tls="TLSv1.2"), port="pop3s")
    assert client.login().startswith(b"-ERR [SYS/PERM]")
    client = Client(server, v2(CLIENT, tls="TLSv1.3"), port="pop3s")
    assert client.login().startswith(b"+OK")
    assert server.run_json("session", "list")[0]["tls"] is True


def with_external(server, name="cn", more=""):
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace("[tls]\n", f'[tls]\nclient_name = "{name}"\n{more}\n')
                                  + '\n[auth]\nmechanisms = ["USER", "PLAIN", "EXTERNAL", "SCRAM-SHA-256-PLUS"]\n')
    server.signal(signal.SIGHUP)
    wait_for("the server reloads", 20, lambda: " reloaded" in server.log())


def test_a_certificate_that_the_proxy_verified_names_the_user(server):
    with_external(server)
    client = Client(server, v2(CLIENT, tls="TLSv1.3", name=ALICE))
    assert "SASL PLAIN EXTERNAL" in client.capa()  # And nothing that binds a channel, which ends elsewhere.
    assert client.say(b"AUTH EXTERNAL =").startswith(b"+OK")
    logged(server, rf" login .* user={ALICE} peer={re.escape(CLIENT)} tls=true outcome=ok .*mechanism=EXTERNAL")
    client = Client(server, v2(CLIENT, tls="TLSv1.3", name=ALICE))
    assert client.say(b"AUTH EXTERNAL " + base64.b64encode(BOB.encode())).startswith(b"-ERR [AUTH]")
    for head in (v2(CLIENT, tls="TLSv1.3", name=ALICE, verified=False), v2(CLIENT, tls="TLSv1.3"), v2(CLIENT)):
        client = Client(server, head)
        assert not any("EXTERNAL" in line for line in client.capa())
        assert client.say(b"AUTH EXTERNAL =").startswith(b"-ERR")


def test_a_common_name_is_no_email_address(server):
    with_external(server, "email")
    client = Client(server, v2(CLIENT, tls="TLSv1.3", name=ALICE))
    assert "SASL PLAIN" in client.capa()


def alices_certificate(folder):
    """And the authority that signed it: ca.pem, alice.pem, alice.key in `folder`."""
    folder.mkdir()
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=clients of a test")
    openssl(folder, "req", *key, "-keyout", "alice.key", "-out", "alice.csr", "-subj", f"/CN={ALICE}")
    openssl(folder, "x509", "-req", "-in", "alice.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
            "-out", "alice.pem")


# --- Real proxies.


@pytest.mark.parametrize("options", [{}, {"send-proxy-v2": "send-proxy"}, {"send-proxy-v2 check": "send-proxy check check-send-proxy"},
                                     {"check": "check check-send-proxy"}])
def test_haproxy_passes_tls_on(server, tmp_path, closing, options):
    proxy = front.haproxy(tmp_path, "listen pop3s", server.ports["pop3s"], PROXY, **options)
    closing(proxy.stop)
    # Its checks are quiet.
    wait_for("it has looked twice", 30, lambda: server.metric("poplar_proxy_headers_total") >= 2)
    raw = socket.create_connection(("127.0.0.1", proxy.port), timeout=30, source_address=("127.0.0.3", 0))
    connection = server.tls().wrap_socket(raw, server_hostname="localhost")
    assert read_line(connection).startswith(b"+OK")
    connection.sendall(f"USER {ALICE}\r\nPASS {PASSWORDS[ALICE]}\r\nQUIT\r\n".encode())
    assert [read_line(connection)[:3] for _ in range(3)] == [b"+OK"] * 3
    logged(server, rf" login .* peer=127.0.0.3 tls=true outcome=ok .* proxy={re.escape(PROXY)}$")
    assert "proxy_header_refused" not in server.log()


def test_haproxy_ends_tls(server, tmp_path, closing):
    with_external(server)
    certificates = tmp_path / "certificates"
    alices_certificate(certificates)
    combined = tmp_path / "combined.pem"
    combined.write_bytes(server.certificate.read_bytes() + (server.directory / "tls/key.pem").read_bytes())
    proxy = front.haproxy(tmp_path, "listen pop3s-ended-here", server.ports["pop3"], PROXY,
                          **{"/etc/haproxy/pop.pem": f"{combined} ca-file {certificates / 'ca.pem'} verify optional"})
    closing(proxy.stop)
    context = server.tls()
    client = poplib.POP3_SSL("localhost", proxy.port, context=context, timeout=30)
    assert "STLS" not in client.capa() and "EXTERNAL" not in client.capa()["SASL"]
    client.user(ALICE)
    client.pass_(PASSWORDS[ALICE])
    client.quit()
    logged(server, rf" login .* peer=127.0.0.1 tls=true outcome=ok .* mechanism=USER .*proxy={re.escape(PROXY)}$")
    context.load_cert_chain(certificates / "alice.pem", certificates / "alice.key")
    client = poplib.POP3_SSL("localhost", proxy.port, context=context, timeout=30)
    assert "EXTERNAL" in client.capa()["SASL"]
    assert client._shortcmd("AUTH EXTERNAL =").startswith(b"+OK")
    client.quit()
    logged(server, rf" login .* user={ALICE} .* mechanism=EXTERNAL .*proxy={re.escape(PROXY)}$")


def test_nginx(server, tmp_path, closing):
    proxy = front.nginx(tmp_path, server.ports["pop3"], PROXY)
    closing(proxy.stop)
    client = Client(server, source="127.0.0.3", port=proxy.port)
    client.stls()
    assert client.login().startswith(b"+OK")
    assert client.say(b"QUIT").startswith(b"+OK")
    logged(server, rf" login .* peer=127.0.0.3 tls=true outcome=ok .* proxy={re.escape(PROXY)}$")


@pytest.mark.parametrize("scheme", ["pop3", "pop3s"])
def test_curl(server, scheme):
    server.deliver([ALICE], MESSAGE)

    def curl(*more):
        return subprocess.run([needs("curl"), "-sS", "--max-time", "30", "--interface", PROXY, "--cacert", server.certificate, *more,
                               "-u", f"{ALICE}:{PASSWORDS[ALICE]}", "--connect-to", f"localhost:{server.ports[scheme]}:127.0.0.1:",
                               f"{scheme}://localhost:{server.ports[scheme]}/1"], capture_output=True, timeout=60)

    result = curl("--haproxy-protocol")
    assert result.returncode == 0 and result.stdout.endswith(b"Hello.\r\n"), result.stderr
    logged(server, rf" login .* peer={re.escape(PROXY)} .* outcome=ok .* proxy={re.escape(PROXY)}$")
    assert curl().returncode != 0  # Who must say a header and does not is shown out.


# --- XCLIENT.


def received(server):
    client = server.pop3(ALICE, PASSWORDS[ALICE])
    lines = client.retr(len(client.list()[1]))[1]
    client.quit()
    return next(line for line in lines if line.startswith(b"Received: "))


def deliver(mta):
    mta.docmd("LHLO", "mta.test")
    assert mta.docmd("MAIL", "FROM:<a@mta.test>")[0] == 250
    assert mta.docmd("RCPT", f"TO:<{ALICE}>")[0] == 250
    assert mta.data(MESSAGE)[0] == 250


def lmtp(server, source):
    return smtplib.LMTP("127.0.0.1", server.ports["lmtp"], local_hostname="mta.test", source_address=(source, 0), timeout=30)


def test_lmtp_takes_its_client_from_xclient(server):
    with lmtp(server, SPEAKER) as mta:
        assert b"XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT" in mta.docmd("LHLO", "proxy.test")[1]
        code, text = mta.docmd("XCLIENT", f"NAME=mx.example ADDR={CLIENT} PORT=25 HELO=client.example LOGIN=bob+40x")
        assert (code, text) == (220, b"mail.test Poplar LMTP ready")
        assert mta.docmd("MAIL", "FROM:<a@mta.test>")[0] == 503
        deliver(mta)
        assert received(server) == f"Received: from client.example (mx.example [{CLIENT}])".encode()
        session = next(one for one in server.run_json("session", "list") if one["protocol"] == "lmtp")
        assert session["peer"] == f"{CLIENT}:25" and session["proxy"].startswith(SPEAKER + ":")
        logged(server, rf" xclient session=\d+ protocol=lmtp peer={re.escape(CLIENT)} name=mx.example helo=client.example login=bob@x "
                       rf"proxy={re.escape(SPEAKER)}$")
        assert mta.docmd("XCLIENT", f"ADDR=IPV6:{OTHER}")[0] == 220
        deliver(mta)
        assert received(server) == f"Received: from client.example ([IPv6:{OTHER}])".encode()
        assert mta.docmd("XCLIENT", "ADDR=[UNAVAILABLE] HELO=[UNAVAILABLE]")[0] == 220
        deliver(mta)
        assert received(server) == b"Received: from mta.test (unknown)"
        session = next(one for one in server.run_json("session", "list") if one["protocol"] == "lmtp")
        assert session["peer"] == session["proxy"]
    with lmtp(server, "127.0.0.1") as mta:
        assert b"XCLIENT" not in mta.docmd("LHLO", "mta.test")[1]
        assert mta.docmd("XCLIENT", f"ADDR={CLIENT}") == (550, b"5.7.0 XCLIENT is not allowed from your address")
        deliver(mta)
        assert received(server) == b"Received: from mta.test ([127.0.0.1])"


def test_lmtp_behind_a_header(server):
    """The MTA of the header is the client; whether it may say XCLIENT goes by its address."""
    for client, offered in ((CLIENT, False), (SPEAKER, True)):
        connection = socket.create_connection(("127.0.0.1", server.ports["lmtp"]), timeout=30, source_address=(PROXY, 0))
        connection.sendall(v2(client))
        mta = smtplib.LMTP()
        mta.sock, mta.file = connection, None
        assert mta.getreply()[0] == 220
        assert (b"XCLIENT" in mta.docmd("LHLO", "mta.test")[1]) == offered
        deliver(mta)
        assert received(server) == f"Received: from mta.test ([{client}])".encode()
        mta.quit()


def test_pop3_takes_its_client_from_xclient(server):
    client = Client(server, source=SPEAKER)
    assert client.greeting.startswith(b"+OK [XCLIENT] POP3 service")
    assert "XCLIENT" in client.capa()
    assert client.say(f"XCLIENT ADDR={CLIENT} PORT=40312 SESSION=x TTL=5".encode()) == b"+OK Updated"
    assert client.login().startswith(b"+OK")
    session = server.run_json("session", "list")[0]
    assert session["peer"] == f"{CLIENT}:40312" and session["proxy"].startswith(SPEAKER + ":")
    logged(server, rf" login .* peer={re.escape(CLIENT)} .* outcome=ok .* proxy={re.escape(SPEAKER)}$")
    client = Client(server, source="127.0.0.1")
    assert "XCLIENT" not in client.capa()
    assert client.say(f"XCLIENT ADDR={CLIENT}".encode()) == b"-ERR Unknown command"


def test_whom_xclient_names_may_not_name_another(server):
    client = Client(server, source=SPEAKER)
    assert client.say(b"XCLIENT SESSION=x") == b"+OK Updated", "nobody was named"
    # Another proxy of ours, which speaks for somebody else.
    assert client.say(f"XCLIENT ADDR={SPEAKER}".encode()) == b"+OK Updated"
    assert client.say(f"XCLIENT ADDR={CLIENT}".encode()) == b"+OK Updated"
    assert client.say(f"XCLIENT ADDR={OTHER}".encode()) == b"-ERR Unknown command"
    capabilities = client.capa()
    # The proxy is on this machine: it may hand passwords on in clear.
    assert "XCLIENT" not in capabilities and "USER" in capabilities
    assert client.login().startswith(b"+OK")
    logged(server, rf" login .* peer={re.escape(CLIENT)} .* outcome=ok ")


def test_what_a_proxy_shows_by_tls_is_not_its_clients(server):
    """Neither its certificate nor its channel, whether it comes itself or through another."""
    folder = server.directory / "tls/clients"  # Where a reload may read.
    alices_certificate(folder)
    with_external(server, more=f'client_ca = "{folder / "ca.pem"}"')
    context = server.tls()
    context.load_cert_chain(folder / "alice.pem", folder / "alice.key")
    server.tls = lambda: context
    for head, source, port, own in ((b"", SPEAKER, "pop3s", "SASL PLAIN EXTERNAL SCRAM-SHA-256-PLUS"),
                                    (v2(SPEAKER, tls="TLSv1.3", name=ALICE), PROXY, "pop3", "SASL PLAIN EXTERNAL")):
        client = Client(server, head, source=source, port=port)
        assert own in client.capa()
        assert client.say(b"XCLIENT SESSION=x") == b"+OK Updated"
        assert own in client.capa(), "nobody was named"
        assert client.say(f"XCLIENT ADDR={CLIENT}".encode()) == b"+OK Updated"
        assert "SASL PLAIN" in client.capa()
        assert client.say(b"AUTH EXTERNAL =") == b"-ERR Unknown authentication mechanism"
        assert client.login().startswith(b"+OK"), "it is by TLS still"
        logged(server, rf" login .* peer={re.escape(CLIENT)} tls=true outcome=ok .*mechanism=USER .* proxy={re.escape(source)}$")
        client.say(b"QUIT")


@pytest.mark.skipif(not front.dovecot_is_there(), reason="Dovecot runs as root only")
def test_dovecot_in_front(server, tmp_path, closing):
    proxy, lmtp_port = front.dovecot_proxy(tmp_path, server.ports["pop3"], server.ports["lmtp"], SPEAKER)
    closing(proxy.stop)
    client = Client(server, source="127.0.0.3", port=proxy.port)
    assert client.login().startswith(b"+OK"), proxy.log()
    assert client.say(b"STAT") == b"+OK 0 0"
    assert client.say(b"QUIT").startswith(b"+OK")
    logged(server, rf" login .* peer=127.0.0.3 .* outcome=ok .* proxy={re.escape(SPEAKER)}$")
    with smtplib.LMTP("127.0.0.1", lmtp_port, local_hostname="mta.test", source_address=("127.0.0.3", 0), timeout=30) as mta:
        deliver(mta)
    assert received(server) == b"Received: from mta.test ([127.0.0.3])"
