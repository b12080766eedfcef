"""What a reader sees of a pull request in the embedded Bitbucket, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from test.sandbox import Sandbox
from test.sandbox.example import fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

_HOSTILE = [
    "<script>document.title = 'ran'</script>",
    "<img src=x onerror=\"document.title = 'ran'\">",
    "<svg onload=\"document.title = 'ran'\"></svg>",
    "[click](javascript:document.title='ran')",
    "[click](JaVaScRiPt&#58;document.title='ran')",
    "[click](  java&#9;script:document.title='ran')",
    "[click][1]\n\n[1]: javascript:document.title='ran'",
    "[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "<javascript:document.title='ran'>",
    "| `<script>document.title='ran'</script>` |\n|---|\n| <b onclick=\"document.title='ran'\">click</b> |",
    "```\"><script>document.title='ran'</script>\n</code></pre><script>document.title='ran'</script>\n```",
    "<style>body { display: none }</style>",
    "<meta http-equiv=refresh content='0;url=javascript:1'><base href=//evil.example>",
]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Give a Bitbucket of one's own."""
    with Sandbox() as made:
        yield made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Give a page whose messages and requests are kept, and must be none but the sandbox's own."""
    context = browser.new_context()
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "request",
        lambda request: (
            None if request.url.startswith(("http://127.0.0.1:", "data:")) else complaints.append(request.url)
        ),
    )
    yield opened
    context.close()
    assert complaints == []


def test_the_page_shows_pull_request_statuses_and_comments(sandbox: Sandbox, page: Page) -> None:
    """Title, branches, each build status with state, name, link and text, and the comments as rendered Markdown."""
    fill(sandbox)
    page.goto(sandbox.page_url())
    assert page.locator("h1").inner_text() == "Total the cart with discounts"
    assert page.locator(".branches code").all_inner_texts() == ["feature/cart-totals", "main"]
    builds = [
        (
            build.locator("svg").get_attribute("aria-label"),
            build.locator("a").inner_text(),
            build.locator("a").get_attribute("href"),
            build.locator("p").first.inner_text(),
        )
        for build in page.locator(".build").all()
    ]
    assert builds == [
        ("failed", "Nx", "https://ci.example/417#nx-report", "2 of 41 tasks failed, 3 not run"),
        ("inprogress", "Pipeline 417", "https://ci.example/417#pipeline", "Build in progress"),
        ("successful", "Licences", "https://ci.example/417#licences", "All 312 packages are allowed"),
    ]
    names = page.locator(".comment .byline strong").all_inner_texts()
    assert names == ["Jonas Weber", "Ada Moreno", "nx-report"]
    report = page.locator(".comment").nth(2)
    assert report.locator("td").all_inner_texts() == [
        "nx affected -t lint test build",
        "✗ 2 failed, 3 not run",
        "4m 03s",
        "41, 27 cached",
    ]
    assert "Type 'string' is not assignable to type 'number'." in report.locator("pre").nth(1).inner_text()
    assert report.locator("a", has_text="build 417").get_attribute("href") == "https://ci.example/417"
    assert "nx.example" not in report.inner_text()
    assert "edited" in report.locator(".byline").inner_text()


def test_deleted_comments_and_foreign_statuses_are_not_shown(sandbox: Sandbox, page: Page) -> None:
    """A reader sees neither a deleted comment nor the build status of another branch."""
    repository, pull_request = sandbox.repository, sandbox.pull_request
    comment = repository.add_comment(sandbox.author, pull_request, "gone")
    repository.delete_comment(sandbox.author, pull_request, comment.id)
    values = {"key": "a", "state": "FAILED", "url": "https://ci.example/1", "refname": "other"}
    repository.put_status(sandbox.author, pull_request.source_commit, values)
    page.goto(sandbox.page_url())
    assert page.locator(".comment, .build").count() == 0
    assert page.get_by_text("No comments yet").is_visible()


@pytest.mark.parametrize(("width", "columns"), [(375, False), (1280, True)])
def test_the_page_fits_phone_and_desk(sandbox: Sandbox, page: Page, width: int, *, columns: bool) -> None:
    """Nothing has to be scrolled sideways; builds stand beside the comments where there is room, else above."""
    fill(sandbox)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(sandbox.page_url())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    builds, comments = page.locator(".builds").bounding_box(), page.locator(".activity").bounding_box()
    assert builds is not None
    assert comments is not None
    assert (builds["x"] > comments["x"]) is columns
    assert (builds["y"] + builds["height"] < comments["y"]) is not columns


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(sandbox: Sandbox, page: Page, scheme: str) -> None:
    """The page follows the reader's choice: dark text on light ground or the other way round."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(sandbox.page_url())
    brightness = "name => getComputedStyle(document.body)[name].match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
    ground, text = page.evaluate(brightness, "backgroundColor"), page.evaluate(brightness, "color")
    assert (ground > text + 300) if scheme == "light" else (text > ground + 300)


@pytest.mark.parametrize("text", _HOSTILE)
def test_a_hostile_comment_does_not_run(sandbox: Sandbox, page: Page, text: str) -> None:
    """Tags are shown as text, links that would run code lead nowhere, and clicking changes nothing."""
    sandbox.repository.add_comment(sandbox.author, sandbox.pull_request, text)
    page.goto(sandbox.page_url())
    content = page.locator(".content")
    assert content.locator("script, img, svg, style, meta, base, [onclick], [href]").count() == 0
    for target in content.get_by_text("click").all():
        target.click()
    assert page.title() == "Total the cart with discounts (#17)"
    assert page.url == sandbox.page_url()


def test_a_hostile_title_and_status_do_not_run(sandbox: Sandbox, page: Page) -> None:
    """What else comes from outside is text as well, and a status that points to code is no link."""
    attack = "<script>document.title = 'ran'</script>"
    sandbox.pull_request.title = attack
    values = {
        "key": "a",
        "state": "FAILED",
        "name": attack,
        "description": attack,
        "url": "javascript:document.title='ran'",
    }
    sandbox.repository.put_status(sandbox.author, sandbox.pull_request.source_commit, values)
    page.goto(sandbox.page_url())
    assert page.locator("h1").inner_text() == attack
    assert page.locator("main script, .build a").count() == 0
    assert page.title() == f"{attack} (#17)"


def test_the_browser_may_run_and_load_nothing(sandbox: Sandbox, page: Page) -> None:
    """The Content-Security-Policy allows own styles and inline icons; all else is forbidden by default."""
    response = page.goto(sandbox.page_url())
    assert response is not None
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
