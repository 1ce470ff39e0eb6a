"""A client of Marionette, by which Mozilla's own tests drive its programs: length, colon, JSON, both ways.

It speaks to the program's own windows ("chrome"), so that what a person fills in and clicks on is filled in and clicked on.
"""

import base64
import json
import socket
import time


class Marionette:
    def __init__(self, port, seconds):
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.connection = socket.create_connection(("127.0.0.1", port), timeout=60)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        self.received = b""
        self.count = 0
        self._read()  # Its greeting.
        self.command("WebDriver:NewSession", capabilities={})
        self.command("Marionette:SetContext", value="chrome")

    def command(self, name, **parameters):
        self.count += 1
        message = json.dumps([0, self.count, name, parameters]).encode()
        self.connection.sendall(b"%d:%s" % (len(message), message))
        _, count, error, result = self._read()
        assert count == self.count
        if error:
            raise RuntimeError(f"{name}: {error['message']}\n{error.get('stacktrace', '')}")
        return result

    def script(self, source, *arguments):
        """What the script returns, which may be a promise."""
        return self.command("WebDriver:ExecuteScript", script=source, args=list(arguments))["value"]

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.command("WebDriver:TakeScreenshot", full=False)["value"]))

    def _read(self):
        while b":" not in self.received:
            self._receive()
        length, _, self.received = self.received.partition(b":")
        while len(self.received) < int(length):
            self._receive()
        message, self.received = self.received[:int(length)], self.received[int(length):]
        return json.loads(message)

    def _receive(self):
        piece = self.connection.recv(65536)
        if not piece:
            raise EOFError("the program has ended")
        self.received += piece
