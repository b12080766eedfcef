"""What the tests of pages share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from test.conftest_tools import BROWSER_ARGUMENTS, need
from test.conftest_tools import browser as find_browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the system's Chromium once."""
    need("browser")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_browser(), args=BROWSER_ARGUMENTS)
        yield started
        started.close()
