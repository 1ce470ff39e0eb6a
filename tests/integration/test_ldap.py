"""Users in a directory: a real slapd, by each mode of the LDAP plug-in, and what happens when it is in trouble.

The configurations are the examples of auth/LDAP.md, with this test's servers, files and password in the places of theirs.
"""

import base64
import socket
import threading
import time

import pytest
from backend_server import NOT_UTF8, BackendServer, example, toml_list
from network import Proxy
from poplar_server import read_line, wait_for
from slapd import BLIND, BLIND_PASSWORD, SERVICE_PASSWORD, Slapd, entry, tree, user
from test_plugins import BUILD

PLUGIN = BUILD / "auth/plugins/ldap.so"
MODES = ("search-bind", "direct-bind", "lookup")
ALICE, PASSWORD = "alice@alpha.example", "wonder (land)*"
POLICY = "cn=old,o=hosting"

USERS = "".join([
    user("alice", PASSWORD),
    user("bob", "b\u00f6b's"),
    user("carol", "c", mailQuotaOctets="1000"),
    user("dave", "d", mailQuotaOctets="a lot"),
    user("erin", "e", mailDisabled="TRUE"),
    user("fred", "f", mailDisabled="FALSE"),
    # Names that a careless filter or template would stumble over.
    user("g*", "g"),
    user("h(i)", "h"),
    user("j,k+l", "j").replace("uid=j,k+l,", "uid=j\\,k\\+l,"),
    user("twin", "t"),
    user("other", "t", mail=["other@alpha.example", "twin@alpha.example"]),
    entry(POLICY, objectClass=["device", "pwdPolicy"], cn="old", pwdAttribute="userPassword", pwdMaxAge="1", pwdLockout="TRUE"),
    user("expired", "x", pwdPolicySubentry=POLICY, pwdChangedTime="20200101000000Z"),
    # As tools like slappasswd store them, and as they are.
    user("salted", "secret", userPassword="{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0"),
    user("bare", "secret", userPassword="secret"),
    user("locked", "l", pwdPolicySubentry=POLICY, pwdAccountLockedTime="000001010000Z"),
])


class Poplar(BackendServer):
    def __init__(self, directory, tls, mode, servers, more="", **replacements):
        super().__init__(directory, example("LDAP.md", mode), {"directory-password": SERVICE_PASSWORD + "\n"}, more, plugin=f'"{PLUGIN}"',
                         server=toml_list(servers), ca_file=f'"{tls}/ca.pem"', bind_password_file='"directory-password"', **replacements)


@pytest.fixture
def new_slapd(tls, closing):
    def make(**options):
        slapd = Slapd(tls, tree() + USERS, **options)
        closing(slapd.remove)
        return slapd.start()

    return make


@pytest.fixture
def slapd(new_slapd):
    return new_slapd()


@pytest.fixture
def new_poplar(tmp_path, tls, closing):
    def make(mode, servers, **options):
        server = Poplar(tmp_path / "poplar", tls, mode, servers, **options)
        closing(server.stop)
        return server.start()

    return make


def servers_of(mode, slapd):
    return [slapd.ldap if mode == "direct-bind" else slapd.ldaps]


@pytest.mark.parametrize("mode", MODES)
def test_each_mode(slapd, new_poplar, mode):
    server = new_poplar(mode, servers_of(mode, slapd))
    assert server.codes(ALICE, "bob@alpha.example", "nobody@alpha.example", "erin@alpha.example") == [250, 250, 550, 250]
    client = server.pop3(ALICE, PASSWORD)
    assert b"\r\n".join(client.retr(1)[1]).endswith(b"hello")
    client.quit()
    assert server.verdict("Bob@Alpha.Example", "b\u00f6b's") == "OK"
    assert server.verdict("fred@alpha.example", "f") == "OK"
    assert server.verdict("erin@alpha.example", "e") == "AUTH"  # Disabled.
    server.is_told("account disabled")
    assert server.verdict(ALICE, "wrong") == "AUTH"
    server.is_told("wrong password")
    assert server.verdict("nobody@alpha.example", "wrong") == "AUTH"
    outcomes = server.outcomes("directory")
    # A bind by template cannot tell who is unknown, but whose mail an address is it can.
    unknown_logins = 0 if mode == "direct-bind" else 1
    compared_here = 1 if mode == "lookup" else 0
    assert outcomes["unknown"] == 1 + unknown_logins
    assert outcomes["refused"] == 2 - unknown_logins - compared_here
    assert outcomes["disabled"] == 1


@pytest.mark.parametrize("mode", MODES)
def test_names_are_values_and_nothing_else(slapd, new_poplar, mode):
    server = new_poplar(mode, servers_of(mode, slapd))
    for local, password in (("g*", "g"), ("h(i)", "h"), ("j,k+l", "j")):
        assert server.verdict(f"{local}@alpha.example", password) == "OK", local
    # Each would be alice, somebody or a fault, were it pasted in; and what is no text is nobody.
    for name in ("ali*", "*", "alice)(uid=*", "alice,ou=alpha.example", "x)(|(uid=alice", "\\61lice", "alice+uid=alice", ""):
        address = f"{name}@alpha.example"
        assert server.verdict(address, PASSWORD) == "AUTH", address
    # A directory skips blanks, and each of these would be a name with failures of its own.
    spaced = [base64.b64encode(f"\0{name}\0{PASSWORD}".encode()) for name in (" " + ALICE, ALICE + "  ", "\u00a0" + ALICE)]
    for response in (NOT_UTF8, *spaced):
        with server.raw() as connection:
            connection.recv(1000)
            connection.sendall(b"AUTH PLAIN " + response + b"\r\n")
            assert read_line(connection).startswith(b"-ERR [AUTH]"), response
    assert server.metric("poplar_backend_answers_total", backend="directory", outcome="temporary") == 0


@pytest.mark.parametrize("allowed", (False, True))
def test_stored_passwords_of_weak_schemes(slapd, new_poplar, allowed):
    server = new_poplar("lookup", [slapd.ldaps], more="weak_schemes = true\n" if allowed else "")
    for local, scheme in (("salted", "ssha"), ("bare", "plain")):
        address = f"{local}@alpha.example"
        assert server.codes(address) == [250]
        assert server.verdict(address, "secret") == ("OK" if allowed else "SYS/TEMP")
        assert server.verdict(address, "Secret") == "AUTH"
        tested = server.run("auth", "test", address, "--password-stdin", check=False, input=b"secret\n").stdout.decode()
        if allowed:
            assert tested.endswith("The password is right, says directory.\n"), tested
        else:
            said = f"of a weak scheme ({scheme}), which counts only with weak_schemes = true, of the back end or the tenant"
            server.is_told(said)
            assert said in tested


def test_users_behind_a_directory_that_is_down(slapd, new_poplar):
    zoe, password = "zoe@alpha.example", "zoe's own word"
    server = new_poplar("search-bind", [slapd.ldaps], more='next_after = ["failed"]\n', chain='["directory", "users"]')
    server.add_user(zoe, password)
    assert server.verdict(zoe, password) == server.verdict(ALICE, PASSWORD) == "OK"
    slapd.kill()
    assert (server.verdict(zoe, password), server.verdict(zoe, "wrong")) == ("OK", "AUTH")
    assert (server.verdict(ALICE, PASSWORD), server.verdict(ALICE, "wrong")) == ("SYS/TEMP", "SYS/TEMP")
    assert server.codes(zoe, ALICE, "nobody@alpha.example") == [250, 451, 451]
    # Unless it says so, whoever it might know waits for it.
    server.reconfigure(next_after="[]")
    assert (server.verdict(zoe, password), server.verdict(zoe, "wrong")) == ("SYS/TEMP", "SYS/TEMP")
    assert server.codes(zoe) == [451]


def test_nobody_else_is_asked_about_who_is_switched_off(slapd, new_poplar):
    erin = "erin@alpha.example"
    server = new_poplar("search-bind", [slapd.ldaps], more='next_after = ["refused", "failed"]\n', chain='["directory", "users"]')
    server.run("user", "add", erin, "--weak-password", "--password-stdin", input=b"e\n")
    assert server.verdict(erin, "e") == "AUTH"
    server.is_told("account disabled")


def test_twins_are_a_fault_of_the_directory(slapd, new_poplar):
    server = new_poplar("search-bind", [slapd.ldaps])
    assert server.codes("twin@alpha.example", ALICE) == [451, 250]
    assert server.verdict("twin@alpha.example", "t") == "SYS/TEMP"
    server.is_told("more than one entry has this name: uid=twin,ou=alpha.example,o=hosting, uid=other,ou=alpha.example,o=hosting")


def test_quotas_stand_in_the_directory(slapd, new_poplar):
    server = new_poplar("search-bind", [slapd.ldaps])
    large = b"Subject: x\r\n\r\n" + b"x" * 2000
    assert server.codes("carol@alpha.example", ALICE, message=large) == [452, 250]
    # What is no number is the tenant's quota, and a warning.
    assert server.codes("dave@alpha.example", message=large) == [250]
    server.is_told("uid=dave,ou=alpha.example,o=hosting: mailQuotaOctets is no number")


def test_password_policy(slapd, new_poplar):
    server = new_poplar("search-bind", [slapd.ldaps])
    assert server.verdict("expired@alpha.example", "x") == "AUTH"
    server.is_told("the password has expired")
    assert server.metric("poplar_backend_answers_total", backend="directory", outcome="disabled") == 1
    assert server.verdict("locked@alpha.example", "l") == "AUTH"
    server.is_told("the directory has locked the account")
    assert server.codes("expired@alpha.example", "locked@alpha.example") == [250, 250]


def test_a_renamed_address_keeps_its_maildrop(slapd, new_poplar):
    server = new_poplar("search-bind", [slapd.ldaps])
    assert server.codes(ALICE) == [250]
    slapd.modify("dn: uid=alice,ou=alpha.example,o=hosting\nchangetype: modify\nreplace: mail\nmail: alicia@alpha.example\n")
    assert server.pop3("alicia@alpha.example", PASSWORD).stat()[0] == 1
    assert server.verdict(ALICE, PASSWORD) == "AUTH"
    # Somebody else who gets the address does not get the mail.
    slapd.modify("dn: uid=bob,ou=alpha.example,o=hosting\nchangetype: modify\nreplace: mail\nmail: alice@alpha.example\n")
    assert server.pop3(ALICE, "b\u00f6b's").stat() == (0, 0)


def test_empty_passwords_never_bind(slapd, new_poplar):
    server = new_poplar("direct-bind", [slapd.ldap])
    for line in (b"PASS \r\n", b"PASS\r\n"):
        with server.raw() as connection:
            connection.recv(1000)
            connection.sendall(b"USER " + ALICE.encode() + b"\r\n" + line)
            replies = b""
            while replies.count(b"\r\n") < 2:
                replies += connection.recv(1000)
            assert replies.splitlines()[1].startswith(b"-ERR"), replies
    assert "uid=alice" not in slapd.log()


@pytest.mark.parametrize("mode", ("search-bind", "direct-bind"))
@pytest.mark.parametrize("trouble", ("another CA", "another name"))
def test_certificates_are_verified(new_slapd, new_poplar, tls, mode, trouble):
    slapd = new_slapd(certificate="misnamed" if trouble == "another name" else "good")
    server = new_poplar(mode, servers_of(mode, slapd))
    if trouble == "another CA":
        server.reconfigure(ca_file=f'"{tls}/other.pem"')
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    assert server.codes(ALICE) == [451]
    server.is_told(f"{servers_of(mode, slapd)[0]}: no TLS: the server's certificate is not trusted by ")
    # Neither its own password nor a user's was ever sent.
    assert "BIND" not in slapd.log()


def test_what_libldap_would_read_elsewhere_does_not_count(slapd, new_poplar, tls, monkeypatch):
    monkeypatch.setenv("LDAPTLS_REQCERT", "never")
    monkeypatch.setenv("LDAPTLS_CACERT", str(tls / "ca.pem"))
    server = new_poplar("search-bind", [slapd.ldaps])
    assert server.reconfigure(ca_file=f'"{tls}/other.pem"').verdict(ALICE, PASSWORD) == "SYS/TEMP"


def test_a_service_account_that_is_wrong_is_nobody_s_wrong_password(slapd, new_poplar):
    server = new_poplar("search-bind", [slapd.ldaps])
    for password, dn, said in (("not its password", None, "no bind as bind_dn: Invalid credentials"),
                               (BLIND_PASSWORD, BLIND, "bind_dn sees no base o=hosting")):
        (server.directory / "directory-password").write_text(password + "\n")
        server.reconfigure(**({"bind_dn": f'"{dn}"'} if dn else {}))
        assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
        assert server.codes(ALICE) == [451]
        server.is_told(said)


def test_a_wrong_setting_is_a_fault_at_the_start(slapd, tmp_path, tls):
    server = Poplar(tmp_path / "poplar", tls, "search-bind", ["ldap://ldap1.example.net"])
    result = server.run("serve", check=False)
    assert result.returncode == 78
    assert b"back end directory: server: passwords would travel to ldap://ldap1.example.net in clear" in result.stderr, result.stderr


def test_down_and_back(slapd, new_poplar):
    server = new_poplar("search-bind", [slapd.ldaps])
    assert server.verdict(ALICE, PASSWORD) == "OK"
    slapd.kill()
    assert server.codes("bob@alpha.example", "nobody@alpha.example") == [451, 451]
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    server.is_told(f"{slapd.ldaps}: Connection refused")
    slapd.start()
    wait_for("alice is served again", 30, lambda: server.verdict(ALICE, PASSWORD) == "OK")
    assert server.codes("bob@alpha.example", "nobody@alpha.example") == [250, 550]
    # Restarted while nobody asks: what was left of its connections costs nobody an answer.
    slapd.kill()
    slapd.start()
    assert server.verdict(ALICE, PASSWORD) == "OK"


@pytest.mark.parametrize("mode", ("search-bind", "direct-bind"))
def test_frozen_and_thawed(slapd, new_poplar, mode):
    server = new_poplar(mode, servers_of(mode, slapd), more="connect_timeout_ms = 1000\ntimeout_ms = 1000\n")
    assert server.verdict(ALICE, PASSWORD) == "OK"
    slapd.freeze()
    begun = time.monotonic()
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    assert server.codes("bob@alpha.example") == [451]
    # Well before a question's 10 s: it is the plug-in that ends its waits.
    assert time.monotonic() - begun < 10
    assert server.metric("poplar_auth_host_restarts_total") == 0
    slapd.thaw()
    wait_for("alice is served again", 30, lambda: server.verdict(ALICE, PASSWORD) == "OK")


def test_who_was_there_before_comes_in_while_it_is_down(slapd, new_poplar):
    server = new_poplar("search-bind", [slapd.ldaps], more="connect_timeout_ms = 1000\ntimeout_ms = 1000\n")
    changes = server.log().count("policies_changed")
    server.run("tenant", "set", "alpha", "--offline-logins-s", "600")
    wait_for("the setting holds", 30, lambda: server.log().count("policies_changed") > changes)
    assert server.verdict(ALICE, PASSWORD) == "OK" and server.verdict(ALICE, "wrong") == "AUTH"
    for trouble, mend in ((slapd.freeze, slapd.thaw), (slapd.kill, slapd.start)):
        trouble()
        assert server.verdict(ALICE, PASSWORD) == "OK"
        assert server.verdict(ALICE, "wrong") == "SYS/TEMP"
        assert server.verdict("bob@alpha.example", "b\u00f6b's") == "SYS/TEMP"  # Was not there before.
        mend()
        wait_for("bob is served", 30, lambda: server.verdict("bob@alpha.example", "b\u00f6b's") == "OK")
        server.run("user", "flush", "bob@alpha.example")
    assert server.metric("poplar_auth_standby_logins_total") >= 2
    slapd.kill()
    server.run("user", "flush", "--all")
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"


def test_many_wait_for_a_frozen_server(slapd, new_poplar):
    server = new_poplar("search-bind", [slapd.ldaps])
    slapd.freeze()
    verdicts = []
    threads = [threading.Thread(target=lambda: verdicts.append(server.verdict(ALICE, PASSWORD))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert verdicts == ["SYS/TEMP"] * 12
    # No thread was lost to it.
    assert server.metric("poplar_auth_host_restarts_total") == 0
    slapd.thaw()
    wait_for("alice is served again", 60, lambda: server.verdict(ALICE, PASSWORD) == "OK")


def test_the_next_server_and_back(new_slapd, new_poplar):
    first, second = new_slapd(), new_slapd()
    server = new_poplar("search-bind", [first.ldaps, second.ldaps], more="connect_timeout_ms = 500\ntimeout_ms = 1000\n")
    assert server.codes("bob@alpha.example") == [250]
    assert "SRCH" in first.log() and "SRCH" not in second.log()
    for trouble, mend in ((first.kill, first.start), (first.freeze, first.thaw)):
        trouble()
        # Nobody notices, and it is the same maildrop.
        assert server.pop3("bob@alpha.example", "b\u00f6b's").stat()[0] == 1
        assert server.codes(ALICE, "nobody@alpha.example") == [250, 550]
        assert "SRCH" in second.log()
        mend()
        searched = first.log().count("SRCH")

        def is_asked_again():
            assert server.verdict(ALICE, PASSWORD) == "OK"
            return first.log().count("SRCH") > searched

        wait_for("the first is asked again", 30, is_asked_again)
        server.is_told(f"{first.ldaps} is used again")


def test_a_server_that_takes_no_connection(slapd, new_poplar, closing):
    # Its queue is full, so that further handshakes are never answered.
    deaf = socket.create_server(("127.0.0.1", 0), backlog=0)
    closing(deaf.close)
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(deaf.getsockname())
        closing(filler.close)
    server = new_poplar("search-bind", [f"ldaps://127.0.0.1:{deaf.getsockname()[1]}", slapd.ldaps], more="connect_timeout_ms = 500\n")
    assert server.verdict(ALICE, PASSWORD) == "OK"
    server.is_told("Connection timed out")


@pytest.mark.parametrize("mode", ("search-bind", "direct-bind"))
def test_slow_cut_and_lying(slapd, new_poplar, closing, mode):
    port = slapd.ldap_port if mode == "direct-bind" else slapd.ldaps_port
    proxy = Proxy(port)
    closing(proxy.close)
    scheme = "ldap" if mode == "direct-bind" else "ldaps"
    server = new_poplar(mode, [f"{scheme}://127.0.0.1:{proxy.port}"], more="timeout_ms = 1000\n")
    proxy.delay_s = 0.1
    assert server.verdict(ALICE, PASSWORD) == "OK"
    # An answer that stops within a message, in the handshake or in the last one: each wait still ends.
    for octets_max in (0, 5, 300, proxy.most_passed - 20):
        proxy.delay_s, proxy.octets_max = 0, octets_max
        slapd.kill()  # And with it the connections that were whole.
        slapd.start()
        begun = time.monotonic()
        assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP", octets_max
        assert time.monotonic() - begun < 9.5
        assert server.metric("poplar_auth_host_restarts_total") == 0
    proxy.octets_max, proxy.lie = None, b"HTTP/1.1 200 OK\r\n\r\n"
    slapd.kill()
    slapd.start()
    assert server.verdict(ALICE, PASSWORD) == "SYS/TEMP"
    proxy.lie = None
    wait_for("alice is served again", 60, lambda: server.verdict(ALICE, PASSWORD) == "OK")
    assert server.metric("poplar_auth_host_restarts_total") == 0
