"""The page's file: what is in it, that nothing of a report's can become markup, and that it stays in its room.

`WRITE_GOLDEN=1` writes what is agreed anew.
"""

from __future__ import annotations

import json
import os
import random
import re
import zlib
from base64 import b64decode, b64encode
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipe.pack import Packed, Packer
from pipe.render import page
from pipe.render.page.overview import href, web
from test.page_corpus import HOSTILE, Corpus, sample

ROOT = Path(page.__file__).parent
GOLDEN = Path(__file__).parents[1] / "data" / "page"
ALLOWED = {
    "a", "article", "body", "button", "canvas", "code", "dd", "details", "dialog", "div", "dl", "dt", "footer",
    "form", "h1", "h2", "h3", "head", "header", "html", "input", "kbd", "label", "li", "link", "main", "meta",
    "nav", "noscript", "p", "pre", "script", "section", "span", "style", "summary", "table", "tbody", "td", "th",
    "thead", "title", "tr", "ul",
}  # fmt: skip


class Elements(HTMLParser):
    """The elements of a page with their attributes, and what stands in those whose content is not markup."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[str] = []
        self._text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.found.append((tag, dict(attrs)))
        self._text = ""

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        """Note what stood in a script or a style sheet."""
        if tag in ("script", "style"):
            self.raw.append(self._text)


def write(document: dict[str, Any], packed: Packed | None = None) -> str:
    """Write a page."""
    parts: list[str] = []
    page.write(document, packed or Packed(), parts.append)
    return "".join(parts)


@pytest.fixture(scope="module")
def made() -> Corpus:
    """Give the small report."""
    return sample()


@pytest.fixture(scope="module")
def text(made: Corpus) -> str:
    """Give the page of the small report."""
    return write(made.document, made.packed)


@pytest.fixture(scope="module")
def elements(text: str) -> Elements:
    """Give the elements of the small report's page."""
    return Elements(text)


def test_golden_overview(text: str) -> None:
    """What stands in the page before any script runs is as agreed."""
    body = text[text.index("<body>") : text.index("<script")]
    golden = GOLDEN / "overview.html"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(body)
    assert body == golden.read_text()


def test_the_report_is_in_the_page(made: Corpus, elements: Elements) -> None:
    """The page holds the same object as report.json, packed; and the places of the logs, null for one left out."""
    scripts = [attributes for tag, attributes in elements.found if tag in ("style", "script")]
    held = {at.get("id"): raw for at, raw in zip(scripts, elements.raw, strict=True) if at.get("id")}
    assert json.loads(zlib.decompress(b64decode(held["report"]))) == made.document
    assert json.loads(held["places"]) == [place and list(place) for place in made.packed.places]
    blocks = {
        (int(at["data-stream"] or ""), int(at["data-number"] or "")): b64decode(raw)
        for at, raw in zip(scripts, elements.raw, strict=True)
        if "data-stream" in at
    }
    assert blocks == {
        (stream, number): block
        for stream, stored in enumerate(made.packed.streams)
        for number, block in enumerate(stored)
    }


def test_only_our_script_and_style_may_run(elements: Elements) -> None:
    """The policy names the one script and the one style sheet by their hashes, and allows nothing else."""
    (policy,) = [at["content"] for tag, at in elements.found if at.get("http-equiv") == "Content-Security-Policy"]
    style, *scripts = elements.raw
    kinds = [at.get("type") for tag, at in elements.found if tag == "script"]
    (script,) = (raw for raw, kind in zip(scripts, kinds, strict=True) if kind is None)
    hashes = [b64encode(sha256(raw.encode()).digest()).decode() for raw in (script, style)]
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; worker-src blob:; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert set(kinds) == {None, "text/plain"}


def test_no_markup_but_ours(elements: Elements) -> None:
    """Hostile names and lines bring no element and no attribute that runs, loads or styles anything."""
    assert {tag for tag, _ in elements.found} <= ALLOWED
    names = {name for _, attributes in elements.found for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("style", "src", "srcdoc", "action")]
    links = {at["href"] for tag, at in elements.found if tag == "a" and at.get("href")}
    assert not [link for link in links if not re.match(r"#|https://", link or "")]
    assert "https://cloud.nx.app/runs/AbCd" in links


def test_hostile_text_is_shown_as_it_is(text: str) -> None:
    """What looks like markup is there to read, in the overview of failed tasks."""
    assert "&lt;img src=x onerror=" in text
    assert HOSTILE not in text
    assert "</script><script>document" not in text


def test_a_folded_card_says_why() -> None:
    """Beside "Why" stands the task's reason, and where a report tells none the first of the lines that are folded."""
    told = {"id": "a:b", "status": "failure", "telling": ["FAIL orders", "Expected: 2"]}
    for task, reason in (
        ({**told, "reason": "Expected: 2 Received: 1"}, "Expected: 2 Received: 1"),
        (told, "FAIL orders"),
    ):
        body = write({"tasks": [task]})
        assert unescape(body).count(f'<span class="first">– {reason}</span>') == 1


def test_what_is_not_seen_is_named() -> None:
    """Characters that turn the text round or take no room are shown by their names; links keep them, encoded."""
    tasks = [{"id": f"pay{letter}load:test", "status": "failure"} for letter in ("", "\u202e", "\u200b", "\U000e0041")]
    body = write({"tasks": tasks}).partition("<body>")[2].partition("<script")[0]
    assert re.findall(r"<h3><a [^>]*>(.*?)</a>", body) == [
        "payload:test", "pay⟨U+202E⟩load:test", "pay⟨U+200B⟩load:test", "pay⟨U+E0041⟩load:test",
    ]  # fmt: skip
    assert 'href="#task=pay%E2%80%AEload:test"' in body
    assert "é\tא" in write({"tasks": [{"id": "é\tא:b", "status": "failure"}]})


def test_data_cannot_end_its_element(elements: Elements) -> None:
    """What stands in script elements has nothing in it that ends one or opens a comment."""
    assert not [raw for raw in elements.raw if re.search(r"</script|<!--", raw, re.IGNORECASE)]


def test_scripts_make_no_markup() -> None:
    """The page's scripts put text into the page, and nothing that is parsed."""
    paths = sorted(ROOT.glob("*.js"))
    assert len(paths) == 15
    for code in (path.read_text() for path in paths):
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|fetch\(", code)


def test_the_library_comes_with_its_licence(elements: Elements) -> None:
    """Whoever has the page has the licence of what is in it."""
    (worker,) = (raw for raw in elements.raw if "class Anser" in raw)
    assert worker.startswith(f"/* anser {page.ANSER}\n")
    assert (ROOT / "anser" / "LICENSE").read_text() in worker


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "javascript://ci.example/%0aalert(1)", " javascript:alert(1)",
        "JAVASCRIPT:alert(1)", "data:text/html,x", "//evil.example", "x",
        "http:", "https:///path", "http://[", "", None, 7,
    ],
)  # fmt: skip
def test_no_link_but_http(url: object) -> None:
    """An address is a link only if it is one of http or https with a host."""
    assert web(url) is None


@pytest.mark.parametrize("url", ["http://ci.example/1", "https://ci.example/a?b=c#d"])
def test_links_of_http(url: str) -> None:
    """Links of the web stay as given."""
    assert web(url) == url


def test_links_to_tasks() -> None:
    """A task's link says its id, with what an address cannot hold encoded, and its run from the second on."""
    assert href("cart:test") == "#task=cart:test"
    assert href("@acme/cart:test:ci", 0) == "#task=@acme/cart:test:ci"
    assert href("a b&c=%+\ud800:test", 1) == "#task=a%20b%26c%3D%25%2B%3F:test&run=2"


@pytest.mark.parametrize("document", [{}, {"tasks": [], "runs": None, "insights": None, "build": None, "totals": {}}])
def test_a_report_of_nothing(document: dict[str, Any]) -> None:
    """What is missing or null is not shown, and the page is made all the same."""
    body = write(document).partition("<body>")[2].partition("<script")[0]
    assert "Nothing is known of this build" in body
    assert "None" not in body
    assert "Insights</h2>" not in body


def test_sparse_tasks_and_runs() -> None:
    """Tasks and runs of which little is known are told with what there is."""
    document = {"tasks": [{"id": "a:b", "status": "failure"}], "runs": [{"status": "new word"}], "time": "never"}
    body = write(document).partition("<body>")[2].partition("<script")[0]
    assert '<a href="#task=a:b">a:b</a>' in body
    assert "None" not in body


def test_the_file_stays_within_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room, logs of passing tasks are left out, and the page says how many of them."""
    monkeypatch.setattr(page, "LIMIT", 700_000)
    packer = Packer()
    packer.add("why it failed", failed=True)
    chance = random.Random(17)
    for _ in range(30):
        packer.add(chance.randbytes(20_000).hex(), failed=False)
    tasks = [{"id": f"p{number}:{'x' * 300}", "status": "success", "log": {"id": number}} for number in range(31)]
    packed = packer.packed()
    assert packed.left_out == 0
    whole = write({"tasks": tasks}, packed)
    assert 400_000 < len(whole.encode()) <= 700_000
    places = json.loads(re.findall(r'id="places">(.*?)<', whole)[0])
    assert places[0] == [0, 0, len("why it failed")]
    left_out = places.count(None)
    assert 0 < left_out < 30
    assert f"{left_out} logs are left out of it, of passing tasks first" in whole


def test_shortened_logs_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even the failed tasks' logs fit, the page says that of some only the ends are kept."""
    monkeypatch.setattr(page, "LIMIT", 700_000)
    packer = Packer()
    chance = random.Random(17)
    packer.add("\n".join(chance.randbytes(30).hex() for _ in range(40_000)), failed=True)
    whole = write({"tasks": [{"id": "a:b", "status": "failure", "log": {"id": 0}}]}, packer.packed())
    assert len(whole.encode()) <= 700_000
    assert "25 MB. Of 1 log of failed tasks only the beginning and the end are kept.\n" in whole
