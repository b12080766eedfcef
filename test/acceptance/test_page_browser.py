"""The page in a real browser, opened from a file: what a reader sees and can do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from pipe import problems
from pipe.pack import Packer
from pipe.render import page as render_page
from pipe.telling import Telling
from pipe.terminal import coloured
from test.page_corpus import BULK, HOSTILE, LONG, OUTPUTS, corpus, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page, Position

    from test.page_corpus import Corpus

    Open = Callable[..., Page]

AXE = Path(__file__).parents[1] / "data" / "page" / "axe-core" / "axe.min.js"
CONTRAST = """
element => {
  const light = text => text.match(/[0-9.]+/g).slice(0, 3)
    .map(value => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  let ground = element;
  while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
  const both = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor].map(light);
  return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
}
"""


@pytest.fixture(scope="module")
def made() -> Corpus:
    """Give the small report with everything in it."""
    return sample()


@pytest.fixture(scope="module")
def file(made: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write its page."""
    return made.write(tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture
def visit(browser: Browser, file: Path) -> Iterator[Open]:
    """Give a way to open the page afresh; it must say nothing on the console, and ask for nothing but itself."""
    complaints: list[str] = []
    contexts = []

    def visit(address: str = "", path: Path = file, *, before: str = "", scripts: bool = True, **options: Any) -> Page:
        context = browser.new_context(java_script_enabled=scripts, **options)
        contexts.append(context)
        opened = context.new_page()
        opened.set_default_timeout(10_000)
        # Without an address it is about what the test itself has looked at.
        opened.on("console", lambda message: complaints.append(message.text) if message.location["url"] else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        own = (path.as_uri(), "blob:", "data:")
        opened.on("request", lambda one: None if one.url.startswith(own) else complaints.append(one.url))
        if before:
            opened.add_init_script(before)
        opened.goto(path.as_uri() + address)
        if scripts and not before:
            opened.locator("#search").wait_for()
        return opened

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def write(folder: Path, *tasks: dict[str, Any], texts: list[str]) -> Path:
    """Write a page of failed tasks, each with its text as its log."""
    packer = Packer()
    made = [
        {"status": "failure", "log": {"id": packer.add(text, failed=True), "lines": text.count("\n") + 1}, **task}
        for task, text in zip(tasks, texts, strict=True)
    ]
    path = folder / "written.html"
    with path.open("w", encoding="utf-8") as out:
        render_page.write({"tasks": made, "result": "tasks failed"}, packer.packed(), out.write)
    return path


def failed(folder: Path, output: str) -> Path:
    """Write the page of one task that failed with a captured output, with all that the pipe reads in it."""
    shown, words = coloured((OUTPUTS / f"{output}.txt").read_text())
    found = [one._asdict() | {"severity": one.severity.value} for one in problems.find(words)]
    return write(folder, {"id": "a:b", "telling": Telling(words).excerpt(30).lines, "problems": found}, texts=[shown])


def until(page: Page, condition: str) -> None:
    """Wait until something holds in the page. Its policy forbids what `wait_for_function` would do."""
    page.evaluate(f"new Promise(done => {{ const look = () => {condition} ? done() : setTimeout(look, 20); look(); }})")


def fits(page: Page) -> None:
    """Wait until nothing of the log has to be scrolled sideways to."""
    until(page, "document.querySelector('#log').scrollWidth === document.querySelector('#log').clientWidth")


def search(page: Page, text: str) -> str:
    """Search all logs; give what the page says of it in the end."""
    page.locator("#search").fill(text)
    count = page.locator("#found-count")
    expect(count).to_have_text(re.compile(r"^(?!Searching)(?!.*so far …$).+"))
    return count.inner_text()


def row(page: Page, line: int) -> Any:
    """Find the first row of a line of the log that is shown."""
    return page.locator("#log .row", has=page.locator(f".at:text-is('{line}')"))


# --- the overview -----------------------------------------------------------------------------------------------------


def test_the_answer_comes_first(visit: Open, made: Corpus) -> None:
    """First the answer, then the failed tasks: new ones before known ones, with what they say and their problems."""
    page = visit()
    assert page.locator("main h1:visible").inner_text() == "✗" + made.document["answer"]
    failed = page.locator("section", has=page.get_by_role("heading", name="Failed tasks"))
    names = failed.locator("h3 a").all_inner_texts()
    assert names[0] == "cart:test"
    assert names[-1] == "web:build"
    assert "Expected: 22" in failed.locator("pre").first.inner_text()
    failed.get_by_text("2 problems in files").click()
    assert "packages/ts/src/price.ts:4:7" in failed.locator(".problems li").first.inner_text()
    boxes = [page.locator(each).bounding_box() for each in (".answer", "#failed-title", "#insights-title")]
    tops = [box["y"] for box in boxes if box]
    assert tops == sorted(tops)
    assert tops[1] < 300


def test_without_scripts_the_result_is_there(visit: Open, made: Corpus) -> None:
    """Where scripts may not run, the answer, the failed tasks with their lines, insights and runs can be read."""
    page = visit(scripts=False)
    assert made.document["answer"] in page.locator("h1").first.inner_text()
    text = page.locator("main").inner_text()
    for part in ("Expected: 22", "Critical path", "nx test api", "this page has the result alone"):
        assert part in text
    assert page.get_by_role("button").count() == 0
    assert page.get_by_role("searchbox").count() == 0


def test_an_old_browser_is_told_so(visit: Open) -> None:
    """Where the browser cannot unpack, the overview stands and the page says what is missing."""
    page = visit(before="delete window.DecompressionStream; console.error = () => {}; addEventListener("
                 "'unhandledrejection', event => event.preventDefault())")  # fmt: skip
    expect(page.locator("#lost")).to_contain_text("This browser is too old for it: Chrome and Edge from 80")
    expect(page.locator(".answer")).to_be_visible()


def test_runs_and_insights(visit: Open) -> None:
    """The runs with their result and Nx's own errors; a live link is one, one that would run code is text."""
    page = visit()
    runs = page.locator("table tbody tr")
    assert runs.first.locator("a").get_attribute("href") == "https://cloud.nx.app/runs/AbCd"
    assert "Ran out of luck" in runs.first.inner_text()
    assert runs.nth(1).inner_text().split("\t")[1] == "✓ succeeded"
    assert runs.nth(1).locator("a").count() == 0
    tiles = dict(
        zip(page.locator(".tile h3").all_inner_texts(), page.locator(".figure").all_inner_texts(), strict=True)
    )
    assert tiles["Cache"] == "1 of 9"
    assert tiles["Compared with main at 0c5d2e7f9a1b"] == "1 new, 1 known, 1 fixed, 1 not known whether new"


def test_tasks_can_be_filtered(visit: Open) -> None:
    """Failed tasks first; the filters show those of a kind, with their number, and by name; the count is told."""
    page = visit()
    rows = page.locator("#task-rows .rows .row")
    expect(rows).to_have_count(11)
    assert rows.first.locator(".name a").inner_text() == "cart:test"
    buttons = page.locator("#filters button")
    assert buttons.all_inner_texts() == [
        "All 11", "Failed 4", "New failures 1", "Not run 1", "Cached 1", "Executed 9", "Slow 2", "Flaky 2",
        "Critical path 2",
    ]  # fmt: skip
    page.get_by_role("button", name="Slow").click()
    assert rows.locator(".name a").all_inner_texts() == ["web:build", "cart:test"]
    assert page.get_by_role("button", name="Slow").get_attribute("aria-pressed") == "true"
    expect(page.locator("#task-count")).to_have_text("2 of 11 tasks")
    page.get_by_role("button", name="All").click()
    page.get_by_role("searchbox", name="Filter by name").fill("LINE")
    assert rows.locator(".name a").all_inner_texts() == ["core:line"]
    page.keyboard.press("Escape")
    expect(page.locator("#name")).to_have_value("")
    expect(rows).to_have_count(11)
    page.keyboard.press("Escape")
    expect(page.locator("#name")).not_to_be_focused()


def test_ten_thousand_tasks_are_not_ten_thousand_rows(visit: Open, tmp_path: Path) -> None:
    """Only what is seen is in the page; scrolling and the keys reach the last task."""
    big = corpus(3_000, 1, failed=120)
    path = big.write(tmp_path / "big.html")
    page = visit(path=path)
    assert page.locator("article.card").count() == 50
    expect(page.get_by_text("70 more failed tasks")).to_be_visible()
    rows = page.locator("#task-rows .rows .row")
    assert 0 < rows.count() < 200
    page.locator("#task-rows").evaluate("box => { box.scrollTop = box.scrollHeight; }")
    last = page.locator("#task-rows .rows .row[aria-rowindex='3001']")
    expect(last).to_be_visible()
    last.locator("a").focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#task-rows .row:focus-within")).to_have_attribute("aria-rowindex", "3000")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#task-id")).to_have_text(big.document["tasks"][2999]["id"])


def test_the_timeline(visit: Open) -> None:
    """Tasks that ran at once are in lanes of their own; pointing tells, clicking opens, and it can be zoomed."""
    page = visit()
    lanes, tip = page.locator(".lanes"), page.locator(".tip")
    painted = "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    assert page.locator("canvas").evaluate(painted) > 20
    lanes.focus()
    for told in ("core:build · ✓ passed · 2.0s · from 0ms · on the critical path", "cart:lint · ✓ passed · 40ms"):
        page.keyboard.press("ArrowRight")
        expect(tip).to_contain_text(told)
    page.keyboard.press("End")
    expect(tip).to_contain_text("api:test · ✓ passed · 1.0s · from 20s")
    width = page.locator(".lanes .space").bounding_box()
    page.get_by_role("button", name="Zoom in").click()
    wider = page.locator(".lanes .space").bounding_box()
    assert width
    assert wider
    assert wider["width"] == pytest.approx(2 * width["width"], abs=2)
    page.get_by_role("button", name="Whole").click()
    box = lanes.bounding_box()
    assert box
    position: Position = {"x": box["width"] * 7 / 21, "y": 44 + 10}  # seconds 2 to 12 of 21, in the first lane
    lanes.hover(position=position)
    expect(tip).to_contain_text(re.compile("^(cart:test|web:build) · ✗ failed"))
    name = tip.inner_text().partition(" · ")[0]
    lanes.click(position=position)
    expect(page.locator("#task-id")).to_have_text(name)


@pytest.mark.parametrize("width", [390, 1280])
def test_jumps(visit: Open, tmp_path: Path, width: int) -> None:
    """Links in the bar, also by keyboard, lead to the parts of a long overview, below the bar; back leads back."""
    big = corpus(1_000, 1, failed=40)
    path = big.write(tmp_path / "big.html")
    page = visit(path=path, viewport={"width": width, "height": 800})
    jumps = page.get_by_role("navigation", name="On this page").get_by_role("link")
    assert jumps.all_inner_texts() == ["Failed", "Timeline", "Tasks"]
    bar = page.locator(".bar").bounding_box()
    assert bar
    for jump in reversed(jumps.all()):
        expect(jump).to_be_in_viewport(ratio=1)
        jump.focus()
        page.keyboard.press("Enter")
        heading = page.get_by_role("heading", name=re.compile(f"^{jump.inner_text()}"), level=2)
        expect(heading).to_be_in_viewport(ratio=1)
        box = heading.bounding_box()
        assert box
        assert box["y"] > bar["height"]
    page.go_back()
    expect(page.get_by_role("heading", name="Timeline")).to_be_in_viewport()
    place = page.evaluate("scrollY")
    page.keyboard.press("f")
    expect(page.locator("#log .marked")).to_be_visible()
    expect(page.get_by_role("navigation")).to_be_hidden()
    page.go_back()
    expect(page.get_by_role("navigation")).to_be_visible()
    assert page.evaluate("scrollY") == place


def test_jumps_lead_to_what_is_there(visit: Open, tmp_path: Path) -> None:
    """No link leads to what the overview has not, and none is there while what was found takes its place."""
    page = visit(path=failed(tmp_path, "tsc-5.9.3"))
    jumps = page.get_by_role("navigation").get_by_role("link")
    assert jumps.all_inner_texts() == ["Failed", "Tasks"]
    search(page, "error")
    expect(jumps).to_have_count(0)
    page.keyboard.press("Escape")
    expect(jumps).to_have_count(2)


# --- a task and its log -----------------------------------------------------------------------------------------------


def test_a_link_to_a_task_opens_its_log(visit: Open) -> None:
    """A fresh page at a task's address shows its log, a failed one's where it says why; so does a changed address."""
    page = visit("#task=cart:test")
    expect(page.locator("#task-id")).to_have_text("cart:test")
    expect(page.locator("#log")).to_contain_text("error rate is fine here")
    expect(page.locator("#overview")).to_be_hidden()
    assert "exit code 1" in page.locator("#task-facts").inner_text()
    page.evaluate("location.hash = '#task=core:bulk&line=120'")
    expect(row(page, 120)).to_have_attribute("aria-current", "true")
    expect(row(page, 120)).to_contain_text("[120] row 120 exported")
    expect(row(page, 120)).to_be_in_viewport()
    page.go_back()
    expect(page.locator("#task-id")).to_have_text("cart:test")
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("#overview")).to_be_visible()


@pytest.mark.parametrize("line", [1, 120, BULK - 1, BULK])
def test_a_link_to_a_line(visit: Open, line: int) -> None:
    """A fresh page at a line's address shows that line, marked."""
    page = visit(f"#task=core:bulk&line={line}")
    expect(row(page, line)).to_be_in_viewport()
    expect(page.locator("#log .marked")).to_have_text(f"{line}[{line}] row {line} exported")
    assert page.locator("#log .row").count() < 200


def test_a_link_to_a_run(visit: Open) -> None:
    """Of a task in several runs the address says which, counted from 1; without that it is the one that failed."""
    page = visit("#task=api:test")
    expect(page.locator("#log")).to_contain_text("socket hang up")
    page.evaluate("location.hash = '#task=api:test&run=2'")
    expect(page.locator("#log")).to_contain_text("ok 1")
    assert "run 2: nx test api" in page.locator("#task-facts").inner_text()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("#task=no:such", "This report has no task no:such."),
        ("#task=%E0%A4%A", "This report has no task %E0%A4%A."),
        ("#task=cart:lint&line=77", "This log has no line 77: it ends with line 1."),
        ("#task=docs:build", "is left out: the file has no room for it"),
        ("#task=web:e2e", "No output of this task was recorded."),
    ],
)
def test_an_address_that_leads_nowhere(visit: Open, address: str, told: str) -> None:
    """What is not there is said, whatever the address."""
    page = visit(address)
    expect(page.locator(".notice:visible", has_text=told)).to_be_visible()


def test_left_out_logs_are_counted(visit: Open) -> None:
    """The overview says how many logs the file has no room for, and so does a search."""
    page = visit()
    assert "1 log is left out of it, of passing tasks first" in page.locator(".notice:visible").inner_text()
    assert search(page, "nowhere to be found") == "“nowhere to be found” is in no log; 1 log left out of this file"


def test_a_long_log_is_shown_in_part(visit: Open) -> None:
    """Scrolling a log of 150,000 lines shows every part of it, and never more than a screenful is in the page."""
    page = visit("#task=core:bulk")
    expect(row(page, 1)).to_be_visible()
    for part in (0.5, 1):
        page.locator("#log").evaluate(f"box => {{ box.scrollTop = box.scrollHeight * {part} }}")
        expect(row(page, int(BULK * part))).to_be_visible()
        assert page.locator("#log .row").count() < 200
    page.locator("#log").focus()
    page.keyboard.press("Home")
    expect(row(page, 1)).to_be_visible()


def test_a_line_of_a_megabyte(visit: Open) -> None:
    """It takes many rows, each short, under one number; a search leads to the row in question."""
    page = visit("#task=core:line")
    expect(page.locator("#log .row").first).to_be_visible()
    assert max(map(len, page.locator("#log .text").all_inner_texts())) == 1000
    assert page.locator("#log .at").nth(0).inner_text() == "1"
    assert page.locator("#log .at").nth(1).inner_text() == "↳"
    assert search(page, "longneedle").startswith("1 line in 1 log")
    page.keyboard.press("Enter")
    expect(page.locator("#log .text", has_text="LongNeedle")).to_be_in_viewport()
    assert page.locator("#log .row").last.get_attribute("data-row") == str(-(-(LONG - 2) // 1000) - 1)


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        (
            "jest-colour-29.7.0",
            ["totals the items", "prints a receipt", "describes a cart", "takes the money", "breaks"],
        ),
        ("tsc-5.9.3", ["TS2307: Cannot find", "TS2322: Type 'number'", "TS2322: Type 'string'", "TS2322: Type 'Money"]),
        ("eslint-colour-9.39.5", ["1:29  error", "3:3   error", "3:7   error", "5:1  error", "1:23  error"]),
        ("pytest-long-9.2.0", ["ERROR at setup of test_database", "_ test_fee _", "_ test_tariff[gold] _"]),
        ("cargo-build-1.95.0", ["error[E0308]: mismatched types", "error[E0425]: cannot find function"]),
        ("mypy-2.4.1", ["types_wrong.py:6: error", "types_wrong.py:11: error", "types_wrong.py:14: error: Argument 1"]),
        ("karma-6.4.4", ["Menu has items FAILED"]),
    ],
)
def test_errors_of_a_log(visit: Open, tmp_path: Path, output: str, lines: list[str]) -> None:
    """A failed task opens where its log says why, and e leads from there to each error in the order of the log."""
    page = visit("#task=a:b", path=failed(tmp_path, output))
    marked = page.locator("#log .marked")
    for number, line in enumerate(lines, 1):
        expect(marked).to_contain_text(line)
        expect(marked).to_be_in_viewport()
        expect(page.locator("#stop-at")).to_have_text(re.compile(rf"^Error {number} of \d+$"))
        page.locator("#log").press("e")


def test_from_error_to_error(visit: Open, tmp_path: Path) -> None:
    """Keys and buttons go round and round, name the line in the address, and cost one step to go back."""
    page = visit(path=failed(tmp_path, "tsc-5.9.3"))
    page.get_by_role("link", name="Go to first error of a:b").click()
    expect(page.locator("#stop-at")).to_have_text("Error 1 of 5")
    expect(page.locator("#log .telling")).to_have_count(6)  # the second line of one error tells something too
    assert page.locator("#log .telling .at").first.get_attribute("aria-label") == "Line 1, tells what is wrong"
    page.get_by_role("button", name="Previous error").click()
    expect(page.locator("#stop-at")).to_have_text("Error 5 of 5")
    page.get_by_role("button", name="Next error").click()
    expect(page.locator("#stop-at")).to_have_text("Error 1 of 5")
    page.locator("#log").press("e")
    expect(page).to_have_url(re.compile("#task=a:b&line=2$"))
    page.locator("#log").press("Shift+E")
    expect(page).to_have_url(re.compile("#task=a:b&line=1$"))
    page.evaluate("location.hash = '#task=a:b&line=7'")
    expect(page.locator("#stop-at")).to_have_text("5 errors")
    page.go_back()
    page.go_back()
    expect(page.locator("#overview")).to_be_visible()


def test_problems_lead_into_the_log(visit: Open, tmp_path: Path) -> None:
    """Each problem in a file has a link to the line of the log that tells of it."""
    page = visit("#task=a:b", path=failed(tmp_path, "eslint-colour-9.39.5"))
    page.locator("#problems-title", has_text="7 problems in files").click()
    page.locator("#problem-list li", has_text="Unexpected console statement").get_by_role("link", name="line 4").click()
    expect(page.locator("#log .marked")).to_contain_text("Unexpected console statement")


def test_an_error_within_a_long_line(visit: Open, tmp_path: Path) -> None:
    """Of a line of a megabyte the page shows the part that says why."""
    text = "x" * (LONG // 2) + " TypeError: nothing there " + "y" * (LONG // 2)
    path = write(tmp_path, {"id": "a:b", "telling": ["TypeError: nothing there"]}, texts=[text])
    page = visit("#task=a:b", path=path)
    expect(page.locator("#log .text", has_text="TypeError: nothing there")).to_be_in_viewport()
    page.keyboard.press("w")
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile("&line=1$"))
    expect(page.locator("#log .text", has_text="TypeError:")).to_be_in_viewport()


def test_a_log_without_errors_has_no_way_to_them(visit: Open) -> None:
    """Where nothing is known to be wrong, no button leads there, and the log opens at its first line."""
    page = visit("#task=core:bulk")
    expect(row(page, 1)).to_be_in_viewport()
    expect(page.get_by_role("button", name="Next error")).to_be_hidden()
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile("#task=core:bulk$"))


def test_from_failed_task_to_failed_task(visit: Open) -> None:
    """Keys and buttons lead from the overview's first failed task to its last and no further; back is one step."""
    page = visit()
    names = page.locator("article.card h3 a").all_inner_texts()
    page.keyboard.press("f")
    for at, name in enumerate(names, 1):
        expect(page.locator("#task-id")).to_have_text(name)
        expect(page.locator("#failed-at")).to_have_text(f"Failed task {at} of {len(names)}")
        page.keyboard.press("f")
    following = page.get_by_role("button", name="Next failed task")
    before = page.get_by_role("button", name="Previous failed task")
    expect(following).to_be_disabled()
    page.keyboard.press("Shift+F")
    expect(page.locator("#task-id")).to_have_text(names[-2])
    before.click()
    expect(page.locator("#task-id")).to_have_text(names[-3])
    expect(page.locator("#log")).to_be_focused()
    following.click()
    expect(page.locator("#task-id")).to_have_text(names[-2])
    page.go_back()
    expect(page.locator("#overview")).to_be_visible()
    page.evaluate("location.hash = '#task=core:build'")
    expect(page.locator("#failed-at")).to_have_text(f"{len(names)} failed tasks")
    expect(before).to_be_disabled()
    following.click()
    expect(page.locator("#task-id")).to_have_text(names[0])
    expect(before).to_be_disabled()


def test_a_single_failed_task_has_no_other(visit: Open, tmp_path: Path) -> None:
    """Where no other task failed, nothing leads there."""
    page = visit("#task=a:b", path=failed(tmp_path, "tsc-5.9.3"))
    expect(page.locator("#log .marked")).to_be_visible()
    expect(page.locator("#failures")).to_be_hidden()
    page.keyboard.press("f")
    expect(page).to_have_url(re.compile("#task=a:b$"))


def test_long_lines_can_be_wrapped(visit: Open) -> None:
    """The button and its key wrap lines at spaces, under their own numbers, for all logs until pressed again."""
    page = visit("#task=cart:test&line=20", viewport={"width": 390, "height": 800})
    expect(row(page, 20)).to_be_in_viewport()
    until(page, "document.querySelector('#log').scrollWidth > document.querySelector('#log').clientWidth")
    button = page.get_by_role("button", name="Wrap")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#log .at:text-is('↳')").first).to_be_visible()
    expect(row(page, 20)).to_be_in_viewport()
    expect(row(page, 20)).to_have_attribute("aria-current", "true")
    fits(page)
    page.keyboard.press("j")
    expect(page.locator("#task-id")).to_have_text("web:build")
    expect(page.locator("#log .at:text-is('↳')").first).to_be_visible()
    fits(page)
    page.keyboard.press("w")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#log .at:text-is('↳')")).to_have_count(0)


def test_wrapped_lines_follow_the_width(visit: Open) -> None:
    """When the window gets another width, the lines are wrapped anew and the marked one stays in view."""
    page = visit(f"#task=core:bulk&line={BULK - 50}", viewport={"width": 1200, "height": 800})
    page.keyboard.press("w")
    expect(row(page, BULK - 50)).to_be_in_viewport()
    expect(page.locator("#log .at:text-is('↳')")).to_have_count(0)
    page.set_viewport_size({"width": 220, "height": 800})
    expect(page.locator("#log .at:text-is('↳')").first).to_be_visible()
    expect(row(page, BULK - 50)).to_be_in_viewport()
    fits(page)
    page.locator("#log").evaluate("box => { box.scrollTop = box.scrollHeight; box.scrollIntoView({ block: 'end' }) }")
    expect(row(page, BULK)).to_be_in_viewport()
    assert page.locator("#log .row").count() < 200
    page.evaluate("location.hash = '#task=core:bulk&line=75000'")
    expect(row(page, 75_000)).to_be_in_viewport()
    expect(row(page, 75_000)).to_contain_text("[75000]")


def test_a_wrapped_line_of_a_megabyte(visit: Open) -> None:
    """It takes thousands of rows; what is searched for is found and marked, over the end of a row too."""
    page = visit("#task=core:line")
    page.keyboard.press("w")
    expect(page.locator("#log .at:text-is('↳')").first).to_be_visible()
    fits(page)
    assert search(page, "longneedle").startswith("1 line in 1 log")
    page.keyboard.press("Enter")
    expect(page.locator("#log .row[aria-current]").last).to_be_in_viewport()
    marked = "[...CSS.highlights.get('found')].map(String)"
    assert "".join(page.evaluate(marked)) == "LongNeedle"
    search(page, "x" * 199)
    page.keyboard.press("Enter")
    expect(page.locator("#log .row").first).to_have_attribute("data-row", "0")
    parts = page.evaluate(marked)
    assert len(parts[0]) < 199
    assert set("".join(parts)) == {"x"}


def test_what_is_wrapped_fits(visit: Open, tmp_path: Path) -> None:
    """Colour codes take no room in a row; tabs, wide letters, and letters with marks take what they need."""
    lines = [
        "".join(f"\x1b[3{at % 8}m{at:03}\x1b[0m" for at in range(200)),
        "\t".join("abc" for _ in range(100)),
        "\u65e5\u672c\u8a9e" * 100,
        "e\u0301\u0302" * 300,
        "\U0001f680" * 100,
        "word " * 200,
        "x" * 998 + "\x1b[" + "0;" * 2000 + "31mafter",
    ]
    words = re.sub(r"\x1b\[[\d;]+m", "", "".join(lines))
    page = visit("#task=a:b", path=write(tmp_path, {"id": "a:b"}, texts=["\n".join(lines)]))
    expect(row(page, len(lines))).to_be_attached()
    assert "".join(page.locator("#log .text").all_inner_texts()) == words
    page.keyboard.press("w")
    expect(page.locator("#log .at:text-is('↳')").nth(len(lines))).to_be_visible()
    fits(page)
    rows = page.locator("#log .text").all_inner_texts()
    assert "".join(rows) == words
    assert min(map(len, rows[:3])) > 100  # the codes of the first line do not make its rows short
    assert not [text for text in rows if text.startswith("\u0301")]
    assert all(text.endswith("word ") for text in rows if text.startswith("word"))


def test_copying_wrapped_lines(visit: Open) -> None:
    """What is copied of several rows are the lines as they were printed, without numbers and the page's own breaks."""
    page = visit(
        "#task=core:bulk", permissions=["clipboard-read", "clipboard-write"], viewport={"width": 220, "height": 800}
    )
    page.keyboard.press("w")
    expect(page.locator("#log .at:text-is('↳')").first).to_be_visible()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#log .rows'))")
    page.keyboard.press("ControlOrMeta+C")
    copied = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert copied[:3] == ["[1] row 1 exported", "[2] row 2 exported", "[3] row 3 exported"]


def test_colours_of_a_log(visit: Open) -> None:
    """Colours of letters and grounds, of 16, 256 and all, stand out in both themes; styles are styles."""
    for scheme in ("light", "dark"):
        page = visit("#task=core:build", color_scheme=scheme)
        expect(page.locator("#log")).to_contain_text("foreground 30")
        for code in (*range(30, 38), *range(90, 98)):
            part = page.locator("#log .text span", has_text=re.compile(f"^foreground {code}$"))
            assert part.evaluate(CONTRAST) >= 4.5, (scheme, code)
        for part in page.locator("#log .text span").all():
            assert part.evaluate(CONTRAST) >= 4.5, (scheme, part.inner_text())
        colour = "element => getComputedStyle(element).color"
        red = page.locator("#log .text span", has_text="foreground 31").evaluate(colour)
        assert red == {"light": "rgb(176, 35, 28)", "dark": "rgb(255, 138, 128)"}[scheme]
        for text, name, value in (
            ("bold", "fontWeight", "700"),
            ("italic", "fontStyle", "italic"),
            ("underlined", "textDecorationLine", "underline"),
            ("struck", "textDecorationLine", "line-through"),
            ("palette ground 226", "backgroundColor", "rgb(255, 255, 0)"),
            ("true ground", "backgroundColor", "rgb(9, 9, 9)"),
            ("still reverse", "backgroundColor", "rgb(230, 232, 235)"),
        ):
            part = page.locator("#log .text span", has_text=re.compile(f"^{text}$"))
            assert part.evaluate(f"element => getComputedStyle(element).{name}") == value, text
        assert page.locator("#log .text span", has_text="and no more").count() == 0


def test_copying(visit: Open) -> None:
    """The link of the line and the whole log, as plain text, get into the clipboard."""
    page = visit("#task=core:build&line=2", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#copy-link")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.get_by_role("button", name="Copy log").click()
    expect(page.locator("#copy-log")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert copied[:2] == ["foreground 30", "foreground 31"]
    assert copied[-1] == "still reverse and no more"


def test_copying_twice(visit: Open) -> None:
    """A button that says that it has copied says its own name again soon, however often it is pressed."""
    page = visit("#task=core:build", permissions=["clipboard-read", "clipboard-write"])
    for _ in range(2):
        page.locator("#copy-link").click()
        expect(page.locator("#copy-link")).to_have_text("Copied")
    expect(page.locator("#copy-link")).to_have_text("Copy link")


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("core:build", "core-build.log"),
        ("api:test", "api-test-run-1.log"),
        ("../../.pay\u202eload\u0000:test", "pay-load-test.log"),
        ("\u8cfc\u7269", "task.log"),
        ("x" * 300, "x" * 100 + ".log"),
    ],
)
def test_a_log_is_a_file(visit: Open, tmp_path: Path, task: str, name: str) -> None:
    """A log can be downloaded, as plain text in a file named after its task, in letters that no system minds."""
    path = (
        {} if name.startswith(("core", "api")) else {"path": write(tmp_path, {"id": task}, texts=["it \x1b[31mfailed"])}
    )
    page = visit(**path)
    page.evaluate("task => { location.hash = '#task=' + encodeURIComponent(task); }", task)
    expect(page.locator("#log .row").first).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download log").click()
    assert downloading.value.suggested_filename == name
    text = Path(downloading.value.path()).read_text()
    assert text.startswith({"core:build": "foreground 30\n", "api:test": "Error: socket"}.get(task, "it failed"))
    assert "\x1b" not in text


def test_back_in_the_overview(visit: Open, tmp_path: Path) -> None:
    """Who comes back from a log is where it was opened, in the list of failed tasks or far down in the table."""
    big = corpus(1_000, 1, failed=40)
    path = big.write(tmp_path / "big.html")
    page = visit(path=path)
    card = page.locator("article.card h3 a").nth(30)
    card.focus()
    place = page.evaluate("scrollY")
    assert place > 1000
    page.keyboard.press("Enter")
    expect(page.locator("#log .marked")).to_be_visible()
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("e")
    page.go_back()  # neither another task nor another line takes a step of its own
    expect(card).to_be_focused()
    expect(card).to_be_in_viewport()
    assert page.evaluate("scrollY") == place
    page.locator("#task-rows").evaluate("box => { box.scrollTop = 20000; }")
    link = page.locator("#task-rows .row[aria-rowindex='630'] a")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#overview")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()


def test_a_line_number_is_its_link(visit: Open) -> None:
    """Clicking on a line's number puts it into the address."""
    page = visit("#task=core:bulk")
    row(page, 7).locator(".at").click()
    expect(page).to_have_url(re.compile("#task=core:bulk&line=7$"))
    expect(page.locator("#log .marked")).to_contain_text("row 7 exported")


# --- searching --------------------------------------------------------------------------------------------------------


def test_search_in_all_logs(visit: Open) -> None:
    """Lines of all logs are found, whatever the case and the colours; next and previous lead there."""
    page = visit()
    assert search(page, "EXPECT(RECEIVED).TOBE(EXPECTED)").startswith("2 lines in 1 log")
    hits = page.locator("#hits a")
    assert hits.count() == 2
    assert hits.first.locator("mark").inner_text() == "expect(received).toBe(expected)"
    lines = [int(text.split("\n")[0]) for text in page.locator("#hits .at").all_inner_texts()]
    page.locator("#search").press("Enter")
    expect(page.locator("#found-at")).to_have_text("1 of 2")
    expect(row(page, lines[0])).to_be_in_viewport()
    expect(row(page, lines[0])).to_have_attribute("aria-current", "true")
    assert page.evaluate("CSS.highlights.get('found').size") == 2
    page.locator("#log").focus()
    page.keyboard.press("n")
    expect(row(page, lines[1])).to_have_attribute("aria-current", "true")
    page.keyboard.press("Shift+N")
    expect(page.locator("#found-at")).to_have_text("1 of 2")
    page.get_by_role("button", name="↑ Previous").click()
    expect(page.locator("#found-at")).to_have_text("2 of 2")


def test_many_lines_found(visit: Open) -> None:
    """All lines are counted, over all blocks of a log; the first thousand are listed, and those in view drawn."""
    page = visit()
    assert search(page, "] Row ").startswith(f"{BULK:,} lines in 1 log, the first 1,000 listed")
    assert page.locator("#hits [role=listitem]").first.get_attribute("aria-setsize") == "1001"  # with the log's task
    assert 10 < page.locator("#hits a").count() < 100
    page.locator("#search").press("Shift+Enter")
    expect(page.locator("#found-at")).to_have_text("1,000 of 1,000")
    expect(page.locator("#hits a[aria-current]")).to_be_in_viewport()
    expect(page.locator("#hits a[aria-current] .at")).to_have_text("1,000")
    expect(row(page, 1000)).to_be_in_viewport()
    assert search(page, "149999] row").startswith("1 line in 1 log")
    page.locator("#hits a").click()
    expect(row(page, 149_999)).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_be_hidden()
    expect(page.locator("#task")).to_be_visible()


def test_one_letter_is_searched(visit: Open) -> None:
    """One letter is enough: all lines with it are counted, the first of them listed, and marked in the log."""
    page = visit()
    assert re.match(r"150,\d\d\d lines in \d logs, the first 1,000 listed", search(page, "x"))
    page.locator("#search").press("Enter")
    expect(page.locator("#found-at")).to_have_text("1 of 1,000")
    until(page, "CSS.highlights.get('found').size > 0")
    assert search(page, "§") == "“§” is in no log; 1 log left out of this file"


def test_failed_tasks_alone_are_searched(visit: Open, tmp_path: Path) -> None:
    """The switch beside the count leaves out what passing tasks printed; it is there where both kinds are."""
    page = visit()
    assert search(page, "e").startswith("150,")
    page.get_by_role("checkbox", name="failed tasks only").check()
    expect(page.locator("#found-count")).to_have_text(re.compile(r"^1?\d\d lines in 4 logs$"))
    assert set(page.locator("#hits .of .state").all_inner_texts()) == {"✗ failed"}
    assert search(page, "exported") == "“exported” is in no log of a failed task"
    page.get_by_role("checkbox").uncheck()
    expect(page.locator("#found-count")).to_have_text(re.compile(f"^{BULK:,} lines in 1 log, "))
    page = visit(path=failed(tmp_path, "tsc-5.9.3"))
    search(page, "error")
    expect(page.get_by_role("checkbox")).to_be_hidden()


def test_typing_on_replaces_the_search(visit: Open) -> None:
    """What was found for the first letters is gone once there are more of them."""
    page = visit()
    search(page, "exported")
    assert search(page, "exported nowhere") == "“exported nowhere” is in no log; 1 log left out of this file"
    assert page.locator("#hits a").count() == 0


# --- themes, keys, and other readers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes(visit: Open, scheme: str) -> None:
    """The page follows the reader's system, and the switch turns it round, also for the next time."""
    page = visit(color_scheme=scheme)
    brightness = (
        "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + +b, 0) > 380"
    )
    assert page.evaluate(brightness) is (scheme == "light")
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(brightness) is (scheme == "dark")
    page.reload()
    expect(page.locator("#theme")).to_have_attribute("aria-pressed", "true" if scheme == "light" else "false")
    assert page.evaluate(brightness) is (scheme == "dark")


def test_keys(visit: Open) -> None:
    """The page can be used without a pointer: search, tasks, help, and the way back."""
    page = visit()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("j")
    expect(page.locator("#task-rows a:focus")).to_have_text("cart:test")
    page.keyboard.press("Enter")
    expect(page.locator("#task-id")).to_have_text("cart:test")
    expect(page.locator("#log")).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("#task-id")).to_have_text("web:build")
    page.keyboard.press("k")
    expect(page.locator("#task-id")).to_have_text("cart:test")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("jk/?n")
    assert page.locator("#search").input_value() == "jk/?n"
    page.keyboard.press("Escape")
    expect(page.locator("#search")).to_have_value("")
    page.keyboard.press("Escape")
    expect(page.locator("#overview")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(visit: Open, scheme: str) -> None:
    """An accessibility engine finds nothing: in the overview, with a log, with lines found, with the keys shown."""
    page = visit(color_scheme=scheme)
    expect(page.locator("#task-rows .rows .row")).to_have_count(11)
    page.evaluate(AXE.read_text())
    assert violations(page) == []
    search(page, "expect")
    assert violations(page) == []
    page.locator("#hits a").first.click()
    expect(page.locator("#log .marked")).to_be_visible()
    assert violations(page) == []
    page.evaluate("location.hash = '#task=core:build'")
    expect(page.locator("#log")).to_contain_text("foreground 30")
    assert violations(page) == []
    page.locator("#task-id").click()
    page.keyboard.press("?")
    assert violations(page) == []


def violations(page: Page) -> list[Any]:
    """Ask the engine; each violation with the elements that it is about."""
    found: list[Any] = page.evaluate(
        """axe.run({ rules: { "target-size": { enabled: true } } }).then(
          found => found.violations.map(one => [one.id, one.help, one.nodes.map(node => node.html)]))"""
    )
    return found


def test_hostile_names_and_logs_do_nothing(visit: Open, made: Corpus) -> None:
    """Markup in names and logs is text wherever it is shown, and links lead to the page itself or the web."""
    page = visit()
    title = page.title()
    search(page, "onerror")
    page.locator("#hits a").first.click()
    name = f"{HOSTILE}:test"
    expect(page.locator("#task-id")).to_have_text(name.replace("\u2028", "⟨U+2028⟩"))
    expect(page.locator("#log")).to_contain_text("<img src=x onerror=")
    expect(page.locator("#log")).to_contain_text("javascript:document.title='ran'")
    assert page.locator("main img, main script, main iframe, [onerror], [onclick], [style*=url]").count() == 0
    hrefs = page.eval_on_selector_all("a[href]", "all => all.map(each => each.getAttribute('href'))")
    assert not [href for href in hrefs if not re.match(r"#|https://", href)]
    assert page.title().startswith("<img src=x onerror=")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#overview")).to_be_visible()
    assert page.title() == title
    assert made.document["answer"] in title


def test_what_is_not_seen_is_named(visit: Open, tmp_path: Path) -> None:
    """Characters that turn the text round or take no room are shown by their names: no two tasks look the same."""
    names = ["pay\u202eload:test", "payload:test", "pay\u200bload:test"]
    path = write(
        tmp_path,
        *({"id": name, "telling": [f"{name} broke"]} for name in names),
        texts=[f"before\n{name} broke \x1b[31m\u2066there\x1b[0m" for name in names],
    )
    page = visit(path=path, permissions=["clipboard-read", "clipboard-write"])
    shown = ["pay⟨U+202E⟩load:test", "payload:test", "pay⟨U+200B⟩load:test"]
    assert page.locator("article.card h3 a").all_inner_texts() == shown
    assert page.locator("#task-rows .name a").all_inner_texts() == shown
    assert page.locator("article.card pre").all_inner_texts() == [f"{name} broke\n" for name in shown]
    search(page, "\u202eload")
    page.keyboard.press("Enter")
    expect(page.locator("#task-id")).to_have_text(shown[0])
    assert page.title() == f"{shown[0]} · Nx"
    assert page.locator("#hits .of").inner_text() == f"✗ failed {shown[0]}"
    named = page.locator("#log .named")
    expect(named).to_have_count(2)
    content = "element => getComputedStyle(element, '::before').content"
    assert [each.evaluate(content) for each in named.all()] == ['"U+202E"', '"U+2066"']
    assert page.evaluate("CSS.highlights.get('found').size") == 1
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#log .rows'))")
    page.locator("#log").press("ControlOrMeta+C")
    copied = f"before\n{names[0]} broke \u2066there"
    assert page.evaluate("navigator.clipboard.readText()") == copied
    page.get_by_role("button", name="Copy log").click()
    expect(page.locator("#copy-log")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == copied


@pytest.mark.parametrize(("width", "height"), [(320, 640), (390, 844), (640, 400), (320, 256)])
def test_small_screens(visit: Open, width: int, height: int) -> None:
    """On a small screen, or enlarged, the line that was searched for comes into view; its problems can be open, too."""
    page = visit("#task=web:build", viewport={"width": width, "height": height})
    expect(page.locator("#log .marked")).to_be_in_viewport()
    page.locator("#problems-title").click()
    search(page, "error")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#found-at")).to_have_text(re.compile("^2 of"))
    expect(page.locator("#log .marked")).to_be_in_viewport()


def test_a_letter_that_is_two_in_lower_case(visit: Open, tmp_path: Path) -> None:
    """What is searched for is marked where it stands, whatever the letters before it."""
    page = visit(path=write(tmp_path, {"id": "a:b"}, texts=["\u0130\u0130\u0130 needle \u0130"]))
    search(page, "NEEDLE \u0130")
    page.keyboard.press("Enter")
    until(page, "CSS.highlights.get('found').size > 0")
    assert page.evaluate("[...CSS.highlights.get('found')].map(String)") == ["needle \u0130"]


@pytest.mark.parametrize("width", [360, 390, 800, 1600])
@pytest.mark.parametrize("name", ["cart:test", "x" * 300])
def test_the_page_fits(visit: Open, tmp_path: Path, width: int, name: str) -> None:
    """Nothing but a log or a table has to be scrolled sideways or is cut on paper, however long a task's name is."""
    long = {"id": name, "telling": ["it failed"], "compared": "known"}
    path = {"path": write(tmp_path, long, {"id": "a:b"}, texts=["it failed"] * 2)} if len(name) > 100 else {}
    page = visit(viewport={"width": width, "height": 800}, **path)
    wide = "document.documentElement.scrollWidth"
    page.emulate_media(media="print")
    assert page.evaluate(wide) <= width
    page.emulate_media(media="screen")
    for address in ("", f"#task={name}"):
        page.evaluate(f"location.hash = '{address}'")
        page.locator("#log .row" if address else ".answer").first.wait_for()
        assert page.evaluate(wide) <= width


def test_print(visit: Open) -> None:
    """On paper stand the answer, the failed tasks and the runs, dark on light, without what can only be clicked."""
    page = visit(color_scheme="dark")
    page.emulate_media(media="print")
    expect(page.locator(".answer")).to_be_visible()
    expect(page.locator("pre").first).to_be_visible()
    expect(page.locator("table")).to_be_visible()
    expect(page.locator(".bar")).to_be_hidden()
    assert page.locator("button:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(29, 36, 51)"
