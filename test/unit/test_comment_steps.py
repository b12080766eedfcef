"""The comment on several steps: its first line, a section each, and that everybody renders the same.

`WRITE_GOLDEN=1` writes what people read anew.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipe.build import Pages
from pipe.insights import Answer
from pipe.model import BuildState, Stage
from pipe.render.comment import LIMIT
from pipe.render.cut import cut
from pipe.render.step_report import Scope, read, report
from pipe.render.steps import Place, body, digest, lines, status
from pipe.steps import StepReport, Steps, counted
from test import markdown
from test.language import HOSTILE, RESULTS, milliseconds, steps
from test.unit.test_step_report import ANY

GOLDEN = Path(__file__).parents[1] / "data" / "golden-steps"
NOW = datetime(2026, 11, 23, 19, 45, tzinfo=UTC)
SCOPE = Scope("nx", 12, "heads/feature")
PAGES = Pages(RESULTS)
PLACE = Place("https://bitbucket.org/acme/shop", "1f3c9ab02d4157e8a6b0c9d2e4f1a3b5c7d9e0f2", SCOPE, PAGES)

TEST = """
test | 19:22 | exit 1
  nx affected -t test | 130s | https://cloud.nx.app/runs/AbCdEf1234
    cart:test failure 2.1s
      > FAIL packages/cart/src/cart.spec.ts
      > Error: expected 42 to equal 41
    core:test success local
    api:build not-run
"""
LINT = """
lint | 19:21
  nx affected -t lint | 48s | https://cloud.nx.app/runs/XyCdEf1234
    cart:lint success local
    core:lint success
"""
BUILD = """
build | 19:30 | exit 1
  nx affected -t build | 70s
    web:build failure 11s
      > apps/web/src/app.ts:30:7 - error TS2322: Type 'string' is not assignable to type 'number'.
    api:build:production failure 12s
      > Error: Cannot find module 'express'
"""


def passing(number: int) -> str:
    """A step that ended well."""
    tasks = f"    p{number}:test success local\n    q{number}:test success\n"
    return f"part-{number}\n  nx run-many -t test | {number + 1}s\n{tasks}"


def failing(number: int, tasks: int = 1, errors: int = 3) -> str:
    """A step with failed tasks."""
    texts = "".join(f"      > src/a{line}.ts:{line}:1 - error TS2322: {'wrong ' * 9}\n" for line in range(errors))
    return f"part-{number}\n  nx run-many -t test | {number + 1}s\n" + "".join(
        f"    p{number}-{task}:test failure 2s\n{texts}" for task in range(tasks)
    )


SEVERAL = {
    "three-failed-green-running": TEST + LINT + "e2e | start | 19:20\n",
    "two-failed": TEST + BUILD + LINT,
    "green": LINT + passing(1) + passing(2),
    "green-so-far": LINT + "e2e | start | 19:20 | expect lint, e2e, deploy\n",
    "started": "test | start | 19:20\nlint | start | 19:21\n",
    "ten-four-failed": "".join(failing(number) if number % 3 == 0 else passing(number) for number in range(10)),
    "hundred": "".join(failing(number) if number % 20 == 0 else passing(number) for number in range(100)),
    "hundred-failed": "".join(failing(number, 5, 30) for number in range(100)),
    "stopped": LINT + "e2e | start | 19:20 | expect lint, e2e, deploy\nfinal | final | 19:40\n",
    "failed-and-stopped": TEST + "e2e | start | 19:20\nfinal | final | 19:40\n",
    "silent": LINT + "e2e | start | 18:02 | patience 60m\n",
    "same-names": TEST + LINT.replace("lint", "test").replace("19:21", "#b | 19:21") + passing(1),
    "unnamed-parallel": TEST.replace("test |", "- | #a | 1/3 |", 1) + LINT.replace("lint |", "- | #b | 2/3 |", 1),
    "unnamed": TEST.replace("test |", "- | #a |", 1) + LINT.replace("lint |", "- | #b |", 1),
    "newer-version": LINT + "e2e | run failed | foreign\ndocs | foreign\n",
    "step-failed": LINT + "e2e | nothing ran | exit 1\n",
    "nx-failed": LINT + "e2e | exit 1\n  nx run shop:e2e | error: Cannot find target e2e | error: for project shop\n",
    "canceled": LINT + "e2e | exit 0\n  nx run shop:e2e | CANCELED\n    shop:e2e stopped\n",
    "nothing-ran": "lint | nothing ran\ntest | nothing ran\n",
    "no-tasks": "lint | no tasks\ntest | nothing ran\n",
    "flaky": LINT
    + "test | exit 0\n  nx test a | 2s\n    a:test failure\n"
    + "  nx test a b | 3s\n    a:test success\n    b:test success flaky\n",
    "one-failed": TEST,
    "one-started": "test | start | 19:20\n",
    "one-stopped": "test | start | 19:20\nfinal | final | 19:40\n",
    "one-green": LINT + "final | final | 19:40\n",
}


def together(text: str) -> Steps:
    """The steps as everybody reads them."""
    records = [one if one.foreign else read(report(one, SCOPE), SCOPE, PAGES) for one in steps(text)]
    return Steps(counted(one for one in records if one), milliseconds("19:45"))


def told(found: Steps) -> str:
    """The comment, the build status and the log."""
    whole = body(found, PLACE, NOW)
    assert len(whole) <= LIMIT - 500
    assert markdown.cloud(whole) == markdown.data_center(whole)
    state = status(found, PLACE)
    said = f"{state.state.value}: {state.name}: {state.description} {state.url}" if state else "none"
    return f"{whole}\nThe build status: {said}\n\nThe log:\n" + "\n".join(lines(found, PLACE)) + "\n"


def golden(name: str, text: str) -> None:
    """Compare with what was agreed."""
    path = GOLDEN / f"{name}.md"
    if os.environ.get("WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", SEVERAL)
def test_golden(name: str) -> None:
    """What people read of these steps is as agreed, and one document in both Markdowns."""
    golden(name, told(together(SEVERAL[name])))


def elsewhere() -> Steps:
    """Steps of which one knows from Nx Cloud what failed in others."""
    lint, test, e2e = steps(LINT + TEST + "e2e | start | 19:20\n")
    return Steps(counted([lint._replace(elsewhere=("shop:e2e", "cart:test")), test, e2e]), milliseconds("19:45"))


def test_known_from_nx_cloud() -> None:
    """A failed task that only Nx Cloud knows of is counted and named, and the others not twice."""
    golden("nx-cloud-elsewhere", told(elsewhere()))


def test_no_golden_file_is_left_over() -> None:
    """Each golden file belongs to a test."""
    assert {path.stem for path in GOLDEN.iterdir()} == {*SEVERAL, "nx-cloud-elsewhere"}


# --- line one and the status ------------------------------------------------------------------------------------------


SO_FAR = "✗ **Nx: 1 of 4 tasks failed so far:** `cart:test` (1 not run)"


@pytest.mark.parametrize(
    ("name", "line", "state"),
    [
        ("three-failed-green-running", f"{SO_FAR} · 2 of 3 steps have reported, `e2e` is running", BuildState.FAILED),
        (
            "two-failed",
            "✗ **Nx: 3 of 6 tasks failed:** `web:build`, `api:build:production`, `cart:test` (1 not run) · 3 steps",
            BuildState.FAILED,
        ),
        ("green", "✓ **Nx: 6 tasks succeeded**, 3 from the cache · 3 steps", BuildState.SUCCESSFUL),
        (
            "green-so-far",
            "… **Nx: 1 of 3 steps has reported**, `e2e` is running · waiting for `deploy` · 2 tasks succeeded so far",
            BuildState.INPROGRESS,
        ),
        ("started", "… **Nx: 0 of 2 steps have reported**, `lint` and `test` are running", BuildState.INPROGRESS),
        (
            "stopped",
            "■ **Nx: `e2e` started and never reported** · `deploy` never reported · 2 tasks succeeded · 3 steps",
            BuildState.STOPPED,
        ),
        (
            "silent",
            "… **Nx: 1 of 2 steps has reported**, no word from `e2e` since 18:02 UTC · 2 tasks succeeded so far",
            BuildState.INPROGRESS,
        ),
        ("step-failed", "✗ **Nx: `e2e` failed (exit 1) before Nx ran** · 2 steps", BuildState.FAILED),
        ("nx-failed", "✗ **Nx: nx failed in `e2e`:** `Cannot find target e2e` · 2 steps", BuildState.FAILED),
        ("newer-version", "✗ **Nx: `e2e` failed** · 3 steps", BuildState.FAILED),
        ("canceled", "■ **Nx: `e2e` was stopped** · 2 tasks succeeded · 2 steps", BuildState.STOPPED),
        ("nothing-ran", "? **Nx: no run found** · 2 steps", None),
        ("no-tasks", "– **Nx: no task was run** · nx found nothing to do · 2 steps", None),
        ("one-failed", "✗ **Nx: 1 of 2 tasks failed:** `cart:test` (1 not run)", BuildState.FAILED),
        ("one-green", "✓ **Nx: 2 tasks succeeded**, 1 from the cache, in 48s", BuildState.SUCCESSFUL),
        ("one-stopped", "■ **Nx: the step started and never reported**", BuildState.STOPPED),
    ],
)
def test_first_line(name: str, line: str, state: BuildState | None) -> None:
    """Line one is the answer and what is still to come; the one status says the same."""
    found = together(SEVERAL[name])
    assert body(found, PLACE, NOW).splitlines()[0].partition(" · [step log]")[0] == line
    written = status(found, PLACE)
    assert (written and written.state) == state
    if written:
        plain = re.sub(r"[*`]|Nx: ", "", line[2:])
        assert written.description.lower() == f"{plain} · build 417".lower()
        assert written.key == "nx-pr-12"
        assert written.branch == "feature"


ANSWERS = st.sampled_from(Answer)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(Stage), ANSWERS, st.integers(0, 3)), min_size=1, max_size=5), st.integers(0, 6)
)
def test_never_green_by_mistake(found: list[tuple[Stage, Answer, int]], expect: int) -> None:
    """SUCCESSFUL only where all have reported and none has anything against it; FAILED wherever anything is red."""
    records = [
        StepReport(417, 1, str(number), "", stage, at, answer=answer, expect=expect, total=2, failed=1)
        for number, (stage, answer, at) in enumerate(found)
    ]
    together = Steps(counted(records), 3)
    written = status(together, PLACE)
    state = written.state if written else None
    assert (state is BuildState.FAILED) == together.red
    if state is BuildState.SUCCESSFUL:
        assert not together.awaited
        answers = {one.answer for one in together.steps}
        assert {Answer.SUCCEEDED} <= answers <= {Answer.SUCCEEDED, Answer.NO_TASKS, Answer.NOTHING_RAN}
    if not together.complete:
        assert state in (BuildState.FAILED, BuildState.INPROGRESS)
    assert (body(together, PLACE, NOW)[0] == "✓") <= (state is BuildState.SUCCESSFUL)


# --- sections ---------------------------------------------------------------------------------------------------------


def test_worst_first() -> None:
    """What failed comes first, then what was heard last of what runs, then what passed; of equals by name."""
    whole = body(together(LINT + "e2e | start | 19:20\n" + TEST + BUILD), PLACE, NOW)
    assert re.findall(r"^\*\*`(\w+)`\*\*", whole, re.MULTILINE) == ["build", "test", "e2e", "lint"]


def test_failed_task_in_two_steps_is_one() -> None:
    """A task that failed in two steps counts once, and stands in both sections."""
    whole = body(together(TEST + TEST.replace("test |", "again |", 1)), PLACE, NOW)
    assert whole.startswith("✗ **Nx: 1 of 3 tasks failed:** `cart:test` (2 not run) · 2 steps\n")
    assert whole.count("✗ `cart:test` · 2.1s") == 2


def test_nothing_that_failed_is_left_out_for_what_passed() -> None:
    """Of very many steps those that failed have a row or a section before any that passed."""
    text = "".join(failing(number, 5, 30) for number in range(60)) + "".join(map(passing, range(60, 200)))
    whole = body(together(text), PLACE, NOW)
    assert len(whole) <= LIMIT - 500
    assert whole.startswith("✗ **Nx: 300 of 580 tasks failed:** ")
    assert all(f"`part-{number}`" in whole for number in range(60))


def test_what_the_record_had_no_room_for() -> None:
    """Failed tasks that no record names are counted."""
    whole = body(together(failing(1, 200, 1) + LINT), PLACE, NOW)
    assert whole.startswith("✗ **Nx: 200 of 202 tasks failed:** `p1-0:test`, ")
    assert re.search(r"\d+ more failed tasks", whole)


@pytest.mark.parametrize("name", ["a", "test (2)"])
def test_names_differ(name: str) -> None:
    """Two steps of a name are told apart, also from one that is called like the second."""
    whole = body(together(f"test | #a\ntest | #b\n{name}"), PLACE, NOW)
    assert len(set(re.findall(r"^\*\*`([^`]+)`\*\*", whole, re.MULTILINE))) == 3
    assert "2 steps are named `test`: give each a STEP_NAME of its own" in whole


def test_title() -> None:
    """The title is what most records say, whoever renders."""
    found = Steps(counted(steps("a | title Web\nb | title Web\nc | title Nx")), 0)
    assert body(found, PLACE, NOW).startswith("✓ **Web: succeeded** · 3 steps\n")
    written = status(found, PLACE)
    assert written is not None
    assert written.name == "Web"


def test_link_of_the_status() -> None:
    """One step's only run is linked, else its page; several steps have the build's."""
    for name, url in (
        ("one-failed", "https://cloud.nx.app/runs/AbCdEf1234"),
        ("one-started", f"{RESULTS}417/steps/%7B9f86d081%7D"),
        ("green", f"{RESULTS}417"),
    ):
        written = status(together(SEVERAL[name]), PLACE)
        assert written is not None
        assert written.url == url


def test_many_words() -> None:
    """The status's description and name are within Bitbucket's limits, and end with the build."""
    text = "".join(f"{'long-name-' * 9}{number} | tasks failed\n" for number in range(40))
    written = status(together(text), PLACE)
    assert written is not None
    assert len(written.description) <= 140
    assert written.description.endswith(" · build 417")


# --- everybody renders the same ---------------------------------------------------------------------------------------


def test_digest_is_of_all_but_the_time() -> None:
    """Another time is the same comment; another word of any step, commit or build is another."""
    found, later = together(SEVERAL["green"]), NOW.replace(hour=23)
    assert body(found, PLACE, NOW) != body(found, PLACE, later)
    assert body(found, PLACE, NOW).replace("19:45 UTC", "23:45 UTC") == body(found, PLACE, later)
    assert re.fullmatch("[0-9a-f]{16}", digest(found, PLACE))
    others = [
        digest(together(SEVERAL["two-failed"]), PLACE),
        digest(found, PLACE._replace(commit="9" * 40)),
        digest(together(SEVERAL["green"].replace("19:21", "19:21 | build 418")), PLACE),
        digest(together(SEVERAL["green"].replace("48s", "49s")), PLACE),
    ]
    assert len({digest(found, PLACE), *others}) == 5


def test_abbreviated_commit() -> None:
    """One that knows the commit's whole hash and one that knows twelve digits render the same."""
    found = together(SEVERAL["green"])
    assert digest(found, PLACE) == digest(found, PLACE._replace(commit=PLACE.commit[:12]))


# --- hostile text -----------------------------------------------------------------------------------------------------


def check_shape(whole: str) -> None:
    """Both renderers agree, and no link, image, mention or element but our own is there."""
    rendered = markdown.cloud(whole)
    assert rendered == markdown.data_center(whole)
    tags = [part.removeprefix(markdown.TAG) for part in rendered if part.startswith(markdown.TAG)]
    links = [tag for tag in tags if tag.startswith(("a ", "img"))]
    assert all(tag.startswith(("a https://bitbucket.org/acme/shop/", "a https://cloud.nx.app/")) for tag in links)
    names = {tag.split()[0].strip("/") for tag in tags}
    assert names <= {"p", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "a"}
    code = re.sub(r"(`{3,})\n.*?\n\1|`[^`\n]*`", "", whole, flags=re.DOTALL)
    assert not re.search(r"@|evil[.]|!\[|<", code)


def hostile(text: str) -> Steps:
    """Steps with the text in every place that a checkout, or who may write records, can fill."""
    below = "  nx test | 2s\n    a:test failure\n      > Error: no\n"
    first, second, third = steps(f"one | exit 1\n{below}two | exit 1\n{below}three | start | 19:20")
    (run,), (failure,) = first.runs, first.failures
    first = first._replace(
        name=text,
        title=text,
        names=(text, "other"),
        exit_code=text,
        runs=(run._replace(label=text),),
        failures=(failure._replace(id=text, lines=(text, f"  {text}")),),
        retried=(text + "1",),
        flaky=(text + "2",),
        elsewhere=(text + "3",),
        error=text,
        command=text,
    )
    second = second._replace(answer=Answer.STEP_FAILED, failures=(), failed=0, exit_code=text, error=text)
    records = [read(report(one, SCOPE), SCOPE, PAGES) for one in (first, second, third._replace(name=text))]
    return Steps(counted(one for one in records if one), milliseconds("19:45"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text(text: str) -> None:
    """No name, line, command or record can break out of where it stands."""
    check_shape(body(hostile(text), PLACE, NOW))


@settings(max_examples=200)
@given(st.text(alphabet=st.sampled_from("`|\\*_[]()<>!#@&;:~-+=?\n\t abx1./\"'\u2028"), max_size=40))
def test_any_text(text: str) -> None:
    """The same for any text made of what means something in Markdown."""
    check_shape(body(hostile(text), PLACE, NOW))


@settings(max_examples=100)
@given(st.lists(ANY.map(cut), min_size=1, max_size=5, unique_by=lambda one: one.key), st.integers(0, 10**13))
def test_any_steps(records: list[StepReport], now: int) -> None:
    """Whatever the records hold there is a comment, a status and a log within their limits."""
    found = Steps(counted(records), now)
    whole = body(found, PLACE, NOW)
    assert len(whole) <= LIMIT - 500
    assert markdown.cloud(whole) == markdown.data_center(whole)
    assert "\n" not in "".join(lines(found, PLACE))
    written = status(found, PLACE)
    assert written is None or len(written.description) <= 140
