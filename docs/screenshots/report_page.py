"""Pictures of a report's page, wide, narrow and dark, and how long Chromium takes to open it.

    cellwright search --data digits --objectives val_accuracy,parameters --trials 60 --epochs 4 \\
        --filters 4 --batch-size 32 --learning-rate 0.005 --seed 0 --out runs/digits \\
        --space docs.screenshots.report_page:small_cells
    cellwright report runs/digits --html --trust
    python docs/screenshots/report_page.py runs/digits/report/report.html docs/images

It needs Chromium with its chromedriver, and selenium.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

READY = "document.documentElement.dataset.ready !== undefined"
# Notes, from within, when all charts are drawn.
WATCH = """
const watch = new MutationObserver(() => {
  if (document.documentElement?.dataset.ready !== undefined && !window.drawnAfter)
    window.drawnAfter = performance.now();
});
watch.observe(document, { attributes: true, subtree: true });
"""


def small_cells() -> Any:
    """Cells of three blocks in a network of three cells, whose children train in seconds."""
    from cellwright import NASNetSpace, Skeleton

    skeleton = Skeleton.book().change(reductions=1)
    return NASNetSpace(blocks=3, hierarchical=True, concatenation="unused", skeleton=skeleton)


def open_browser(width: int, height: int, *, dark: bool = False, scale: int = 1) -> Any:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 800}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    return driver


def load(driver: Any, page: Path) -> tuple[float, float]:
    """Open the page; seconds until it has loaded, and until all charts are drawn."""
    driver.get(page.resolve().as_uri())
    while not driver.execute_script(f"return {READY} && window.drawnAfter"):
        time.sleep(0.02)
    loaded = "performance.getEntriesByType('navigation')[0].loadEventEnd"
    return tuple(driver.execute_script(f"return [{loaded} / 1000, window.drawnAfter / 1000]"))


def show(driver: Any, place: str) -> None:
    script = f"document.querySelector('{place}').scrollIntoView({{behavior: 'instant'}})"
    driver.execute_script(script)
    time.sleep(0.5)


def main(page: Path, out: Path) -> None:
    wide = open_browser(1280, 1500)
    times = [load(wide, page) for _ in range(5)]
    for name, found in zip(("loaded", "all charts drawn"), zip(*times, strict=True), strict=True):
        seconds = ", ".join(f"{each:.2f}" for each in found)
        print(f"{name} after {statistics.median(found):.2f} s (median of {seconds})")
    print(f"{page.stat().st_size:,} bytes")
    time.sleep(1)
    wide.save_screenshot(str(out / "report_wide.png"))
    wide.quit()
    dark = open_browser(1280, 1000, dark=True)
    load(dark, page)
    show(dark, "#front")
    dark.find_element("css selector", "#front .chosen button").click()
    time.sleep(1)
    dark.save_screenshot(str(out / "report_dark.png"))
    dark.quit()
    narrow = open_browser(390, 1000, scale=2)
    load(narrow, page)
    show(narrow, "#front")
    narrow.save_screenshot(str(out / "report_narrow.png"))
    narrow.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
