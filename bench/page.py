"""Measure the page of a big report in headless Chromium: 10,000 tasks with 100 MB of logs.

The logs are a corpus made of what real tools printed (test/page_corpus.py): the outputs captured in test/data/outputs,
mixed to about 10 KB for each task, with each task's own folder and times. `python -m bench.page` prints these figures
alone.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import Figure
from test.conftest_tools import BROWSER_ARGUMENTS, browser
from test.page_corpus import corpus

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# What is searched for: in nearly every log, in none, and in nearly every line.
WORDS = ("error", "nowhere to be found", "e")
PAINT = """
() => new Promise(done => new PerformanceObserver(list => {
  for (const entry of list.getEntriesByName("first-contentful-paint")) done(entry.startTime);
}).observe({ type: "paint", buffered: true }))
"""
# Gives milliseconds from the typing to the first line found and to the last word.
SEARCH = """
text => new Promise(done => {
  const field = document.getElementById("search");
  const told = document.getElementById("found-count");
  const result = { first: null, all: null, count: "" };
  const seen = new MutationObserver(() => {
    if (result.first === null && document.querySelector("#hits a")) result.first = performance.now() - begin;
    if (!/^(|Searching.*|.*so far …)$/.test(told.textContent)) {
      result.all = performance.now() - begin;
      result.count = told.textContent;
      seen.disconnect();
      setTimeout(() => done(result), 200); // once it is drawn
    }
  });
  seen.observe(document.getElementById("found"), { subtree: true, childList: true, characterData: true });
  field.focus();
  field.value = text;
  const begin = performance.now();
  field.dispatchEvent(new Event("input", { bubbles: true }));
})
"""


def page() -> list[Figure]:
    """The rows about the page."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where there is a browser

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        made = corpus()
        size = made.write(path).stat().st_size / 1e6
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=browser(), args=BROWSER_ARGUMENTS)
            painted = [_paint(chromium, path) for _ in range(3)]
            searches = {word: _search(chromium, path, word) for word in WORDS}
            chromium.close()
    tasks, characters = len(made.document["tasks"]), made.characters / 1e6
    found = searches[WORDS[0]]
    how = f"first search after loading: “{WORDS[0]}”, {found['count']}"
    words = "worst of " + ", ".join(f"“{word}”" for word in WORDS)
    return [
        Figure("page: file (MB)", size, 25.0, f"{tasks:,} tasks with {characters:.0f} MB of logs"),
        Figure("page: first paint (ms)", max(painted), 1000.0, f"worst of {len(painted)} loads from a file"),
        Figure("page: first lines found (ms)", found["first"], 300.0, how),
        Figure("page: all lines found (ms)", max(each["all"] for each in searches.values()), 5000.0, words),
        Figure(
            "page: longest task while searching (ms)",
            max(each["longest"] for each in searches.values()),
            50.0,
            f"{words}; CPU time of the page's main thread, style, layout and paint with it",
        ),
    ]


def _paint(chromium: Browser, path: Path) -> float:
    """Load the page in a fresh profile; milliseconds to its first contentful paint."""
    opened = chromium.new_page()
    opened.goto(path.as_uri())
    painted: float = opened.evaluate(PAINT)
    opened.close()
    return painted


def _search(chromium: Browser, path: Path, word: str) -> dict[str, Any]:
    """Load the page in a fresh profile and search at once; then once more with a trace, for it takes time itself."""
    opened = _opened(chromium, path)
    result: dict[str, Any] = opened.evaluate(SEARCH, word)
    opened.close()
    opened = _opened(chromium, path)
    chromium.start_tracing(page=opened, categories=["__metadata", "toplevel"])
    opened.evaluate(SEARCH, word)
    events = json.loads(chromium.stop_tracing())["traceEvents"]
    opened.close()
    return {**result, "longest": _longest(events)}


def _opened(chromium: Browser, path: Path) -> Page:
    opened = chromium.new_page()
    opened.goto(path.as_uri())
    opened.locator("#search").wait_for()
    return opened


def _longest(events: list[dict[str, Any]]) -> float:
    """The longest task of a page's main thread in a trace, in milliseconds.

    Unlike the browser's long-task observer, it knows tasks that do nothing but draw. CPU time: whatever else the
    machine does counts in no task.
    """
    named = [event for event in events if event["name"] == "thread_name"]
    main = {(each["pid"], each["tid"]) for each in named if each["args"]["name"] == "CrRendererMain"}
    took: list[float] = [
        event["tdur"] / 1000
        for event in events
        if event["name"] == "ThreadControllerImpl::RunTask" and (event["pid"], event["tid"]) in main and "tdur" in event
    ]
    return max(took)


def main() -> int:
    """Print the figures; 1 where one is over its limit."""
    figures = page()
    for figure in figures:
        print(f"{figure.name}: {figure.measured:.1f} (at most {figure.limit:g}), {figure.how}")
    return int(any(figure.measured > figure.limit for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
