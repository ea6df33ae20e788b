"""A headless Chromium for tests, spoken to over its debugging pipe: no driver, no network."""

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find_chromium() -> str | None:
    """The first Chromium on PATH."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page; commands go out and events come in as JSON that ends with a zero byte."""

    def __init__(self, commands: int, events: int) -> None:
        """Open a page over the browser's two pipes."""
        self._commands = commands
        self._events = events
        self._pending = b""
        self._last = 0
        self._session: str | None = None
        self.seen: list[dict[str, Any]] = []  # events of the page loaded last
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._last:
            self.seen.append(answer)
        assert "error" not in answer, f"{method}: {answer}"
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._pending:
            part = os.read(self._events, 1 << 16)
            assert part, "Chromium ended"
            self._pending += part
        message, _, self._pending = self._pending.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path, *, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Load a file at a window's width, in light or dark, and wait until it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=844,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            media=media,
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.seen.clear()
        self.call("Page.navigate", url=page.as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self.seen):
            self.seen.append(self._receive())

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    @property
    def complaints(self) -> list[str]:
        """What the page wrote on its console, and its failures."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(event["params"]) for event in self.seen if event["method"] in kinds]

    @property
    def requests(self) -> list[str]:
        """Every address that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.seen
            if event["method"] == "Network.requestWillBeSent"
        ]

    def screenshot(self) -> bytes:
        """The whole page as a PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        """The page as printed."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])


@contextmanager
def chromium(executable: str, profile: Path) -> Iterator[Browser]:
    """Start a browser with a fresh profile, and end it."""
    command_in, command_out = os.pipe()
    event_in, event_out = os.pipe()
    # Chromium reads commands from descriptor 3 and writes events to 4.
    shell = f'exec "$@" 3<&{command_in} 4>&{event_out}'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", executable, *FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(command_in, event_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(command_in)
    os.close(event_out)
    try:
        yield Browser(command_out, event_in)
    finally:
        os.close(command_out)
        os.close(event_in)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
