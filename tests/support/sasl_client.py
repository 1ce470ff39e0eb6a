"""A client's side of SASL for tests: SCRAM (RFC 5802, 7677) with and without channel binding, over any pair of functions that
send and receive lines of POP3. Written from the RFCs, with nothing of Poplar's."""

import base64
import hashlib
import hmac
import poplib
import secrets


class Refused(Exception):
    pass


def encode(octets):
    return base64.b64encode(octets).decode()


def scram(ask, mechanism, user, password, gs2="n,,", binding=b"", expect=None):
    """Logs in by `ask`, which sends a line and returns the answer. Returns the server's first message; raises Refused.

    `gs2` may be wrong on purpose, and so may `binding`. `expect` is called with the count and the salt."""
    digest = "sha1" if "SHA-1" in mechanism else "sha256"
    nonce = secrets.token_hex(8)
    bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
    first = payload(ask(f"AUTH {mechanism} {encode((gs2 + bare).encode())}"))
    fields = dict(part.split("=", 1) for part in first.split(","))
    assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce) + 16
    if expect:
        expect(int(fields["i"]), base64.b64decode(fields["s"]))
    without_proof = f"c={encode(gs2.encode() + binding)},r={fields['r']}"
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    client_key = hmac.digest(salted, b"Client Key", digest)
    message = ",".join((bare, first, without_proof)).encode()
    signature = hmac.digest(hashlib.new(digest, client_key).digest(), message, digest)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    last = payload(ask(encode(f"{without_proof},p={encode(proof)}".encode())))
    server_key = hmac.digest(salted, b"Server Key", digest)
    assert last == "v=" + encode(hmac.digest(server_key, message, digest)), "the server does not know the keys"
    answer = ask("")
    if not answer.startswith("+OK"):
        raise Refused(answer)
    return first


def payload(answer):
    if not answer.startswith("+ "):
        raise Refused(answer)
    return base64.b64decode(answer[2:]).decode()


def asker(client):
    """`ask` of a poplib client."""

    def ask(line):
        client._putcmd(line)
        return client._getline()[0].decode()

    return ask


def by_what_is_stored(server, user, password):
    """Logs in by every mechanism that wants the password itself or keys made of it; a wrong password is refused by each."""
    for mechanism in ("APOP", "SCRAM-SHA-1", "SCRAM-SHA-256"):
        for attempt in (password, "not " + password):
            client = server.pop3()
            try:
                if mechanism == "APOP":
                    client.apop(user, attempt)
                else:
                    scram(asker(client), mechanism, user, attempt)
            except (Refused, poplib.error_proto) as refused:
                assert attempt != password and "[AUTH]" in str(refused), (mechanism, refused)
                client.close()
            else:
                assert attempt == password, mechanism
                client.stat()
                client.quit()
