"""A page in a headless Chromium, driven over the DevTools protocol; a test is skipped where there is no browser."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websocket

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
           "--disable-dev-shm-usage", "--remote-debugging-port=0", "--window-size=1120,1000")  # fmt: skip
SECONDS = 60


class Page:
    """One tab: `call` sends a command of the protocol and waits for its answer; what else arrives is kept in `events`."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self.socket, self.count = socket, itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        number = next(self.count)
        self.socket.send(json.dumps({"id": number, "method": method, "params": arguments}))
        while True:
            found = json.loads(self.socket.recv())
            if found.get("id") == number:
                assert "error" not in found, (method, found)
                return found["result"]  # type: ignore[no-any-return]
            self.events.append(found)

    def open(self, path: Path) -> None:
        """Load a file, with all that it logs and asks of a network kept from the start."""
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Accessibility"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=path.resolve().as_uri())
        deadline = time.monotonic() + SECONDS
        while self.js("document.readyState") != "complete" or not self.seen("Page.loadEventFired"):
            assert time.monotonic() < deadline, f"{path} did not load"
            time.sleep(0.02)

    def seen(self, *methods: str) -> list[dict[str, Any]]:
        """Parameters of the events of these kinds."""
        return [event["params"] for event in self.events if event.get("method") in methods]

    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def mouse(self, selector: str, *kinds: str) -> None:
        """Mouse events in the middle of the first element that fits, scrolled to first."""
        box = self.js(
            f"(e => {{ e.scrollIntoView({{block: 'center', behavior: 'instant'}}); const b = e.getBoundingClientRect();"
            f" return [b.x + b.width / 2, b.y + b.height / 2]; }})(document.querySelector({json.dumps(selector)}))"
        )
        self.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")
        for kind in kinds:
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], **button)

    def key(self, name: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name)

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A browser with an empty page; `profile` is an empty folder for it."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: install one of {', '.join(BROWSERS)} (Debian: apt-get install chromium)")
    command = [found, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = _port(profile / "DevToolsActivePort", process)
        control = websocket.create_connection(
            f"ws://127.0.0.1:{port[0]}{port[1]}", timeout=SECONDS, suppress_origin=True
        )
        try:
            target = Page(control).call("Target.createTarget", url="about:blank")["targetId"]
            tab = websocket.create_connection(
                f"ws://127.0.0.1:{port[0]}/devtools/page/{target}", timeout=SECONDS, suppress_origin=True
            )
            try:
                yield Page(tab)
            finally:
                tab.close()
        finally:
            control.close()
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)


def _port(file: Path, process: subprocess.Popen[bytes]) -> tuple[str, str]:
    """Port and path that the browser says it listens at."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the browser ended with code {process.returncode}"
        if file.exists() and len(lines := file.read_text().split("\n")) >= 2 and lines[1]:
            return lines[0], lines[1]
        time.sleep(0.02)
    raise TimeoutError("the browser opened no port")
