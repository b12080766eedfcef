"""Make the README's pictures: comments as the sandbox's page shows them, and the page with all logs; of real runs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from test.conftest_tools import BROWSER_ARGUMENTS, browser
from test.demo import AGAIN, parallel, report
from test.page_corpus import real
from test.sandbox import Sandbox

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Report a failing run, then the steps, and take a picture of each."""
    with Sandbox() as sandbox, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=BROWSER_ARGUMENTS)
        page = chromium.new_page(viewport={"width": 1240, "height": 1400}, device_scale_factor=2)
        report(sandbox, "24.0.6-jobs", "15", {})
        take(sandbox, page, "comment")
        sandbox.repository.push(sandbox.pull_request, AGAIN)
        parallel(sandbox)
        take(sandbox, page, "steps")
        with tempfile.TemporaryDirectory() as folder:
            logs(chromium, Path(folder))


def logs(chromium: Browser, folder: Path) -> None:
    """Take the pictures of the page with all logs: the answer with the failed tasks, and the timeline."""
    path = folder / "report.html"
    made = real(folder / "clone", "21.6.11-orders", "03")
    made.write(path)
    page = chromium.new_page(viewport={"width": 1240, "height": 900}, device_scale_factor=2)
    page.goto(path.as_uri())
    page.locator("#timeline").wait_for()
    page.screenshot(path=DOCS / "page.png")
    page.locator("#timeline").screenshot(path=DOCS / "timeline.png")
    print(f"wrote {DOCS / 'page.png'} and timeline.png")


def take(sandbox: Sandbox, page: Page, name: str) -> None:
    """Take the picture of the one comment."""
    page.goto(sandbox.page_url())
    page.locator("article.comment").screenshot(path=DOCS / f"{name}.png")
    print(f"wrote {DOCS / name}.png")


if __name__ == "__main__":
    main()
