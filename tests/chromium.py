"""Headless Chromium, spoken to over a pipe in its DevTools protocol: what a page shows, loads, and how wide it is.

Source: https://chromedevtools.github.io/devtools-protocol/ and Chromium's ``--remote-debugging-pipe``: messages of
JSON, each ended by a zero byte, on descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome")
_ANSWER_S = 60.0
_LAUNCH = """
import os, sys
ends = [os.dup(int(end)) for end in sys.argv[1:3]]
for end, at in zip([os.dup(end) for end in ends], (3, 4)):
    os.dup2(end, at, inheritable=True)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Puts the pipes where the browser looks for them, on 3 and 4."""


def program() -> str | None:
    """Return where Chromium is, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Seen:
    """What came of a page.

    ``overflow`` is by how many pixels it is wider than the window, and ``wider`` what is; ``requests`` are the
    addresses of all that was asked for; ``complaints`` what the console and the browser said.
    """

    text: str = ""
    overflow: int = 0
    wider: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    pictures_broken: int = 0


class Chromium:
    """One browser with one page."""

    def __init__(self, profile: Path) -> None:
        path = program()
        assert path is not None
        to_read, self._commands = os.pipe()
        self._answers, to_write = os.pipe()
        command = [
            path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
            f"--user-data-dir={profile}", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--no-first-run", "--disable-extensions", "--disable-background-networking", "about:blank",
        ]  # fmt: skip
        launcher = [sys.executable, "-c", _LAUNCH, str(to_read), str(to_write), *command]
        self._process = subprocess.Popen(
            launcher, pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(to_write)
        self._received = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Have the page do something."""
        return self._call(method, self._session, **parameters)

    def look(self, address: str, width: int, height: int = 900) -> Seen:
        """Open a page at a width and return what came of it."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.events.clear()
        self.call("Page.navigate", url=address)
        self._until("Page.loadEventFired")
        seen = Seen(text=self._value("document.body.innerText"))
        seen.overflow = self._value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        seen.wider = self._value(
            "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
            ".map(e => e.tagName + ' ' + e.textContent.slice(0, 40))"
        )
        seen.pictures_broken = self._value("[...document.images].filter(i => !i.complete || !i.naturalWidth).length")
        for event in self.events:
            told = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                seen.requests.append(told["request"]["url"][:100])
            elif event["method"] == "Log.entryAdded":
                seen.complaints.append(told["entry"]["text"])
            elif event["method"] in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                seen.complaints.append(json.dumps(told)[:300])
        return seen

    def picture(self, path: Path) -> None:
        """Write what the page looks like (PNG)."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _value(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def _call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _until(self, method: str) -> None:
        while not any(event["method"] == method for event in self.events):
            self._next()

    def _next(self) -> dict[str, Any]:
        """Return the next message; one that is no answer is kept."""
        end = time.monotonic() + _ANSWER_S
        while b"\0" not in self._received:
            readable, _, _ = select.select([self._answers], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._answers, 1 << 20) if readable else b""
            assert part, "Chromium says nothing more"
            self._received += part
        one, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(one)
        if "method" in message:
            self.events.append(message)
        return message
