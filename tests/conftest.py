"""Fixtures that several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from numba.core import config as numba_config
from tests.browser import CHROMIUM, DRIVER, start_browser

# numba refuses another number of threads once they have started, and a plugin of pytest starts it early
os.environ["NUMBA_NUM_THREADS"] = "1"
numba_config.reload_config()

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items):
    """Start the files with the longest tests first, so that no worker ends with one alone."""
    rank = {}
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        own = 0 if "slurm" in marks else 1 if "slow" in marks else 2
        rank[item.path] = min(rank.get(item.path, own), own)
    items.sort(key=lambda item: rank[item.path])


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real public data; tests fail without it where STIETIME_REQUIRE_DATA is 1."""
    path = Path(os.environ.get("STIETIME_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        message = f"no real data at {path}; set STIETIME_DATA to the folder that holds it"
        if os.environ.get("STIETIME_REQUIRE_DATA") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture
def browser(tmp_path):
    """Headless Chromium; tests fail without it where STIETIME_REQUIRE_BROWSER is 1."""
    if not (CHROMIUM.exists() and DRIVER.exists()):
        message = f"no {CHROMIUM} and {DRIVER}: install the packages chromium and chromium-driver"
        if os.environ.get("STIETIME_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    driver = start_browser(tmp_path / "profile")
    yield driver
    driver.quit()
