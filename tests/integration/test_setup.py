"""Mail programs that set themselves up: what they are told over HTTP is what the server is, and what DNS has to say."""

import json
import plistlib
import re
import socket
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree

import pytest
from conftest import ALICE, PASSWORDS
from poplar_server import PoplarServer, wait_for

NS = {"d": "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"}
EX_USAGE = 64
EX_NOUSER = 67
EX_UNAVAILABLE = 69


@pytest.fixture
def serve(tmp_path):
    made = []

    def make():
        server = PoplarServer(tmp_path / "server")
        made.append(server)
        server.add_tenant("alpha", "alpha.example", "alpha.test")
        server.add_tenant("beta", "beta.example")
        server.add_user(ALICE, PASSWORDS[ALICE])
        server.config_path.write_text(server.config_path.read_text() + """
[setup]
listen = ["127.0.0.1:0"]
host = "setup.provider.example"
pop3_host = "localhost"
smtp_host = "smtp.provider.example"
""")
        server.start()
        # The ports that the kernel chose are known now.
        ports = f"pop3s_port = {server.ports['pop3s']}\npop3_port = {server.ports['pop3']}"
        server.reconfigure('pop3_host = "localhost"', f'pop3_host = "localhost"\n{ports}')
        return server

    yield make
    for server in made:
        server.stop()


def ask(server, path, body=None, host=None):
    request = urllib.request.Request(f"http://127.0.0.1:{server.ports['setup']}{path}", data=body)
    if host:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, reply.headers.get_content_type(), reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_content_type(), error.read()


def outlook(server, address):
    body = f"""<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request><EMailAddress>{address}</EMailAddress>
  <AcceptableResponseSchema>{NS['d']}</AcceptableResponseSchema></Request></Autodiscover>"""
    return ask(server, "/Autodiscover/Autodiscover.xml", body.encode())


def test_what_autoconfig_tells_lets_a_client_in(serve):
    server = serve()
    server.deliver([ALICE], b"Subject: hello\r\n\r\nhello\r\n")
    status, kind, body = ask(server, f"/mail/config-v1.1.xml?emailaddress={ALICE}")
    assert (status, kind) == (200, "text/xml")
    provider = ElementTree.fromstring(body).find("emailProvider")
    assert provider.findtext("domain") == "alpha.example"
    told = [(s.findtext("hostname"), int(s.findtext("port")), s.findtext("socketType")) for s in provider.findall("incomingServer")]
    assert told == [("localhost", server.ports["pop3s"], "SSL"), ("localhost", server.ports["pop3"], "STARTTLS")]
    user = provider.find("incomingServer").findtext("username").replace("%EMAILADDRESS%", ALICE)
    for mode in ("pop3s", "stls"):
        client = server.pop3(user, PASSWORDS[ALICE], mode=mode)
        assert client.stat()[0] == 1
        client.quit()
    assert provider.find("outgoingServer").findtext("hostname") == "smtp.provider.example"
    # By the name that DNS leads here, without an address.
    assert ask(server, "/mail/config-v1.1.xml", host="autoconfig.alpha.test")[0] == 200
    assert ask(server, "/.well-known/autoconfig/mail/config-v1.1.xml", host="beta.example")[0] == 200


def test_nobody_learns_who_is_there(serve):
    server = serve()
    nobody = "nobody@alpha.example"
    path = "/mail/config-v1.1.xml?emailaddress="
    assert ask(server, path + ALICE) == ask(server, path + nobody)
    assert outlook(server, ALICE)[2].replace(ALICE.encode(), b"X") == outlook(server, nobody)[2].replace(nobody.encode(), b"X")
    assert ask(server, path + "a@gamma.example")[0] == 404
    assert outlook(server, "a@gamma.example")[0] == 404
    assert server.metric("poplar_setup_requests_total", page="autoconfig", answer="refused") == 1
    assert server.metric("poplar_setup_connections_max") > 0
    assert re.search(r"^poplar_setup_connections\{.*\} \d", server.http("/metrics")[1], re.M)


def test_autodiscover_and_profile(serve):
    server = serve()
    status, kind, body = outlook(server, ALICE)
    assert (status, kind) == (200, "text/xml")
    protocols = ElementTree.fromstring(body).findall(".//d:Protocol", NS)
    assert [p.findtext("d:Type", None, NS) for p in protocols] == ["POP3", "SMTP"]
    assert protocols[0].findtext("d:Port", None, NS) == str(server.ports["pop3s"])
    assert protocols[0].findtext("d:LoginName", None, NS) == ALICE
    status, kind, body = ask(server, f"/mail.mobileconfig?emailaddress={ALICE}")
    assert (status, kind) == (200, "application/x-apple-aspen-config")
    profile = plistlib.loads(body)
    account = profile["PayloadContent"][0]
    assert (profile["PayloadType"], account["PayloadType"]) == ("Configuration", "com.apple.mail.managed")
    assert (account["IncomingMailServerHostName"], account["IncomingMailServerPortNumber"]) == ("localhost", server.ports["pop3s"])
    assert account["IncomingMailServerUseSSL"] is True and account["OutgoingMailServerHostName"] == "smtp.provider.example"
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", account["PayloadUUID"])


def test_a_tenant_has_hosts_of_its_own_and_may_have_no_pop3(serve):
    server = serve()
    server.run("tenant", "set", "beta", "--pop3-host", "pop.beta.example", "--smtp-host", "smtp.beta.example")
    path = "/mail/config-v1.1.xml?emailaddress=a@beta.example"
    wait_for("beta's hosts are told", 20, lambda: b"pop.beta.example" in ask(server, path)[2])
    assert b"smtp.beta.example" in ask(server, path)[2]
    assert b"beta" not in ask(server, f"/mail/config-v1.1.xml?emailaddress={ALICE}")[2]
    server.run("tenant", "set", "beta", "--pop3", "false")
    wait_for("beta has no POP3", 20, lambda: ask(server, path)[0] == 404)


def test_hostile_clients(serve):
    server = serve()
    entities = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Autodiscover><Request><EMailAddress>&x;</EMailAddress>' \
               b"</Request></Autodiscover>"
    status, _, body = ask(server, "/autodiscover/autodiscover.xml", entities)
    assert status == 200 and b"<ErrorCode>600</ErrorCode>" in body and b"root:" not in body
    assert ask(server, "/autodiscover/autodiscover.xml", b"<a>" * 5000)[0] == 413
    quiet = [socket.create_connection(("127.0.0.1", server.ports["setup"])) for _ in range(200)]
    assert ask(server, f"/mail/config-v1.1.xml?emailaddress={ALICE}")[0] == 200
    for connection in quiet:
        connection.settimeout(30)
        assert connection.recv(1) == b"", "a silent client is cut off"
        connection.close()
    # The pages of the inner port are not here, nor these there.
    assert ask(server, "/metrics")[0] == 404 and server.http("/mail/config-v1.1.xml")[0] == 404


def test_dns(serve):
    server = serve()
    lines = server.run("tenant", "dns", "alpha.example").stdout.decode().splitlines()
    # Outlook would ask there first, with a certificate that is for another name.
    comments = [lines.pop(), lines.pop()]
    assert comments[0] == "; autodiscover.alpha.example.  CNAME  setup.provider.example." and "Outlook" in comments[1]
    assert [line.split() for line in lines] == [
        ["_pop3s._tcp.alpha.example.", "3600", "IN", "SRV", "0", "1", str(server.ports["pop3s"]), "localhost."],
        ["_pop3._tcp.alpha.example.", "3600", "IN", "SRV", "10", "1", str(server.ports["pop3"]), "localhost."],
        ["_submissions._tcp.alpha.example.", "3600", "IN", "SRV", "0", "1", "465", "smtp.provider.example."],
        ["autoconfig.alpha.example.", "3600", "IN", "CNAME", "setup.provider.example."],
        ["_autodiscover._tcp.alpha.example.", "3600", "IN", "SRV", "0", "1", "443", "setup.provider.example."],
    ]
    warning = b'poplar: warning: setup.pop3_host, or the tenant\'s: mail programs elsewhere find nothing by the name "localhost"'
    told = server.run("tenant", "dns", "ALPHA.example.", "--json")
    assert told.stderr.startswith(warning) and told.stderr.count(b"\n") == 1, told.stderr
    told = json.loads(told.stdout)
    # As the server is, whatever the file says meanwhile.
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace("[pop3s]\n", "[pop3s]\n# ", 1))
    assert server.run_json("tenant", "dns", "alpha.example") == told
    server.config_path.write_text(text)
    assert [record["name"] for record in told] == [line.split()[0] for line in lines]
    assert server.run("tenant", "dns", "gamma.example", check=False).returncode == EX_NOUSER
    refused = server.run("tenant", "set", "beta", "--pop3-host", "pop.beta.example.", check=False)
    assert refused.returncode == EX_USAGE and b"is not a host name that DNS has" in refused.stderr, refused
    server.run("tenant", "set", "beta", "--pop3-host", "pop.beta.example", "--smtp-host", "none")
    told = server.run("tenant", "dns", "beta.example")
    assert told.stderr == b"" and b"_submission" not in told.stdout and b"; the tenant's smtp_host is none: " in told.stdout, told
    # Where the pages are found by these names, they are no names for something else.
    for name in ("autoconfig", "autodiscover"):
        server.config_path.write_text(text.replace("setup.provider.example", f"{name}.beta.example"))
        assert f"{name}.beta.example.  CNAME" not in re.sub(" .*IN  CNAME", "  CNAME", server.run("tenant", "dns", "beta.example").stdout.decode())
    server.run("tenant", "set", "beta", "--pop3", "false")
    assert server.run("tenant", "dns", "beta.example", check=False).returncode == EX_UNAVAILABLE


def test_off_by_default(server):
    assert "setup" not in server.ports
    server.config_path.write_text(server.config_path.read_text() + "[setup]\npop3s_port = 995\n")
    text = server.run("tenant", "dns", "alpha.example").stdout.decode()
    assert "autoconfig" not in text and "; setup.listen is empty" in text and "; setup.smtp_host is empty" in text
