"""The pictures of NNI's web page in docs/nni.md:  python docs/screenshots/nni_page.py

A real experiment on the book's space of 50 decisions runs in a temporary folder. Its trials train
nothing: they report a curve that follows from their decisions. A browser without a window
(Chromium or Chrome) then takes the overview and the page of the trials. It needs the extra `nni`,
whose websockets library is what it speaks to the browser with.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from cellwright.adapters.nni_experiment import free_port, run_experiment, write_experiment

IMAGES = Path(__file__).parents[1] / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SIZE = (1280, 800)
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
TRIAL = '''\
"""A trial that trains nothing: its score follows from its decisions."""

import nni

from cellwright.adapters.nni_trial import architecture, report
from cellwright.search_spaces import NASNetSpace

space = NASNetSpace()
params, _ = architecture(space)
separable = sum(str(value).startswith("sep") for value in params.values())
accuracy = 0.6 + 0.3 * separable / 20
for epoch in range(1, 7):
    nni.report_intermediate_result(accuracy * (1 - 0.6**epoch))
report(params, {"reward": accuracy, "val_accuracy": accuracy, "parameters": 9000 * separable})
'''


class Page:
    """One tab of a browser, by the DevTools protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._sent = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and give what it returns."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == self._sent:
                result: dict[str, Any] = answer.get("result", {})
                return result

    def run(self, script: str) -> Any:
        """Run JavaScript in the page, and give its value."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer.get("result", {}).get("value")

    def wait(self, script: str, seconds: float = 60) -> None:
        """Wait until an expression is true in the page."""
        deadline = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the page never showed what was waited for: {script}")
            time.sleep(0.5)

    def size(self, width: int, height: int) -> None:
        """Make the page so many pixels large."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip

    def save(self, file: Path) -> None:
        """Take a picture of the page."""
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        file.write_bytes(base64.b64decode(picture))


@contextmanager
def browser() -> Iterator[Page]:
    """A browser without a window, with one empty tab.

    Raises:
        FileNotFoundError: If none is installed.
    """
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        raise FileNotFoundError(f"a browser is needed: one of {', '.join(BROWSERS)}")
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--disable-quic", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--no-proxy-server", "--hide-scrollbars",
                f"--user-data-dir={profile}", f"--remote-debugging-port={port}",
                f"--window-size={SIZE[0]},{SIZE[1]}", "about:blank",
            ],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with connect(_address(port), max_size=None, proxy=None) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _address(port: int, seconds: float = 60) -> str:
    """The address of the browser's first tab, once it answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with _OPENER.open(f"http://127.0.0.1:{port}/json", timeout=5) as answer:
                tabs = [tab for tab in json.loads(answer.read()) if tab["type"] == "page"]
                if tabs:
                    return str(tabs[0]["webSocketDebuggerUrl"])
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


# NNI loads the font of its icons from the internet; without it, each is an empty box.
HIDE_BOXES = """(() => {
    if (document.fonts.check('16px FabricMDL2Icons')) return;
    const style = document.createElement('style');
    style.textContent = 'i[data-icon-name] {visibility: hidden}';
    document.head.append(style);
})()"""
# A picture names no folder of the machine that it was taken on.
HIDE_FOLDERS = """(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        node.nodeValue = node.nodeValue.replace(/(\\/[\\w.+-]+)+\\/(?=experiments|python)/, '');
    }
})()"""
ROWS = "document.querySelectorAll('.ms-DetailsRow').length"
# What "Add/Remove columns" remembers: the usual columns, and the text of the architecture.
COLUMNS = ["sequenceId", "status", "latestAccuracy", "metric/architecture"]


def _remember(url: str) -> str:
    """JavaScript that chooses the columns, as the page's own dialog does."""
    with _OPENER.open(f"{url}/api/v1/nni/experiment", timeout=30) as answer:
        key = f"{json.loads(answer.read())['id']}_columns"
    value = json.dumps(COLUMNS)
    chosen = {
        "value": value,
        "time": int(time.time() * 1000),
        "expire": 10**7,
        "isSelectall": False,
    }
    return f"localStorage.setItem({json.dumps(key)}, {json.dumps(json.dumps(chosen))})"


def take(url: str, images: Path) -> list[Path]:
    """Take the overview, and the trials with the whole architecture of one of them."""
    images.mkdir(parents=True, exist_ok=True)
    files = [images / "nni_overview.png", images / "nni_trials.png"]
    with browser() as page:
        page.size(*SIZE)
        page.call("Page.navigate", url=f"{url}/oview")
        page.wait(f"document.querySelectorAll('canvas').length > 0 && {ROWS} > 0")
        page.run(HIDE_BOXES)
        time.sleep(3)  # for the animation of its charts
        page.run(HIDE_FOLDERS)
        page.save(files[0])
        page.run(_remember(url))
        page.size(SIZE[0], 1000)
        page.call("Page.navigate", url=f"{url}/detail")
        page.wait(f"{ROWS} > 2 && document.querySelectorAll('canvas').length > 0")
        page.run(HIDE_BOXES)
        x, y = page.run(
            "(() => {const cells = document.querySelectorAll('[data-automation-key=\"metric/"
            "architecture\"] .ellipsis'); const box = cells[1].getBoundingClientRect();"
            "return [box.x + 60, box.y + 8]})()"
        )
        page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        time.sleep(3)  # until the page shows the whole text
        page.save(files[1])
    return files


def main() -> None:
    """Run the experiment, and take the pictures while its page is up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--images", type=Path, default=IMAGES)
    given = parser.parse_args()
    seen: list[str] = []
    ended: list[int] = []

    def announce(line: str) -> None:
        print(line)
        seen.append(line.split()[3])

    def on_trial(trial: Any) -> None:
        print("trial", trial.number, trial.value, trial.error)
        ended.append(trial.number)
        if len(set(ended)) == given.trials:
            for file in take(seen[0], given.images):
                print(f"wrote {file} ({file.stat().st_size / 1000:.0f} kB)")

    with tempfile.TemporaryDirectory() as folder:
        write_experiment(
            folder,
            strategy="auto",
            trials=given.trials,
            concurrency=1,  # or NNI may show a trial under the parameters of another
            name="NASNet cell, 50 decisions",
        )
        Path(folder, "trial.py").write_text(TRIAL, encoding="utf-8")
        run_experiment(folder, on_trial=on_trial, announce=announce)


if __name__ == "__main__":
    main()
