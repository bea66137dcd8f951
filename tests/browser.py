"""Opening a report in headless Chromium and asking what happened."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

CHROMIUM = Path("/usr/bin/chromium")
DRIVER = Path("/usr/bin/chromedriver")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1280,1000",
)  # fmt: skip
# chrome:// is the browser's own empty tab, before a page is opened
OWN_SCHEMES = ("data:", "chrome://", "chrome-untrusted://")


class OpenedPage(NamedTuple):
    """What a page did when it was opened."""

    asked: list[str]  # addresses other than the page's own
    complaints: list[str]  # messages on the console
    headings: list[str]
    image_widths: list[int]


def start_browser(profile: Path) -> Any:
    """Start headless Chromium that logs its console and its requests."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))


def open_page(browser: Any, page: Path) -> OpenedPage:
    """Open a file and say what it asked the network for, what it complained of and what it shows."""
    from selenium.webdriver.common.by import By

    browser.get(page.as_uri())
    time.sleep(0.2)  # a request a script makes after loading would come now
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
    urls = [event["params"]["request"]["url"] for event in sent]
    images = browser.find_elements(By.TAG_NAME, "img")
    return OpenedPage(
        asked=[url for url in urls if not url.startswith((*OWN_SCHEMES, page.as_uri()))],
        complaints=[entry["message"] for entry in browser.get_log("browser")],
        headings=[heading.text for heading in browser.find_elements(By.TAG_NAME, "h2")],
        image_widths=[int(image.get_property("naturalWidth")) for image in images],
    )
