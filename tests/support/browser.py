"""A Chromium without a window, driven over its debugging pipe: what a page looks like, and what its keys do."""

import base64
import fcntl
import json
import os
import subprocess

from poplar_server import needs

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--hide-scrollbars"]


def command(profile, *arguments):
    return [needs("chromium"), *FLAGS, f"--user-data-dir={profile}", *arguments]


class Browser:
    """One page. With `with`, so that the program ends."""

    def __init__(self, profile, url, width_px, height_px=900):
        # Descriptors 3 and 4 are Chromium's ends; ours are above, so that none takes another's place.
        ends = []
        for end in os.pipe() + os.pipe():
            ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10))
            os.close(end)
        hears, says, reads, writes = ends

        def hand_over():
            os.dup2(hears, 3)
            os.dup2(writes, 4)

        with open(f"{profile}.log", "wb") as log:
            self.process = subprocess.Popen(command(profile, "--remote-debugging-pipe"), pass_fds=(3, 4), preexec_fn=hand_over, stdout=log, stderr=log)
        os.close(hears)
        os.close(writes)
        self.says, self.reads = open(says, "wb", buffering=0), open(reads, "rb")
        self.asked, self.session = 0, None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)
        self.resize(width_px, height_px)
        self.ask("Page.navigate", url=url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.says.close()
        self.reads.close()

    def ask(self, method, **params):
        self.asked += 1
        message = {"id": self.asked, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.says.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._message())
            if answer.get("id") == self.asked:
                assert "error" not in answer, answer
                return answer["result"]

    def _message(self):
        text = b""
        while not text.endswith(b"\0"):
            octet = self.reads.read(1)
            assert octet, "Chromium has ended"
            text += octet
        return text[:-1]

    def resize(self, width_px, height_px=900):
        self.ask("Emulation.setDeviceMetricsOverride", width=width_px, height=height_px, deviceScaleFactor=1, mobile=False)

    def value(self, expression):
        """Of JavaScript, as JSON has it."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key, code):
        """`code` is the key's; that of what types a character is the character's."""
        text = {"text": chr(code)} if key in ("Enter", " ") else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]))
