"""Make docs/comment.png, the README's picture: the comment of a real run, as the sandbox's page shows it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

from test.conftest_tools import BROWSER_ARGUMENTS, browser
from test.demo import report
from test.sandbox import Sandbox

PICTURE = Path(__file__).parents[1] / "docs" / "comment.png"


def main() -> None:
    """Report a failing run and take the picture."""
    PICTURE.parent.mkdir(exist_ok=True)
    with Sandbox() as sandbox, sync_playwright() as playwright:
        report(sandbox, "24.0.6-jobs", "15", {})
        page = playwright.chromium.launch(executable_path=browser(), args=BROWSER_ARGUMENTS).new_page(
            viewport={"width": 1240, "height": 1400}, device_scale_factor=2
        )
        page.goto(sandbox.page_url())
        page.locator("article.comment").screenshot(path=PICTURE)
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    main()
