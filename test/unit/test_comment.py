"""The comment: what it says, how it shrinks, and that nothing from the checkout can change its shape."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipe.build import Build
from pipe.insights import summarise
from pipe.model import Hint, Link, RunReport, RunStatus, Task, TaskStatus
from pipe.render.comment import LIMIT, Frame, known, render
from pipe.render.marker import Known, Marker, find, sign
from pipe.terminal import plain
from test import markdown
from test.language import HOSTILE, runs

NOW = datetime(2026, 11, 23, 19, 22, tzinfo=UTC)
COMMIT = "1f3c9ab02d4157e8a6b0c9d2e4f1a3b5c7d9e0f2"
FRAME = Frame(
    build=Build("acme", "shop", COMMIT[:12], 417, "/clone", branch="feature", step_uuid="{5b0e}"),
    commit=COMMIT,
)


def comment(text: str, exit_code: str | None = "1", frame: Frame = FRAME) -> str:
    """The comment on runs written in the small language; it is one document in both Markdowns."""
    body = render(
        summarise(runs(text), exit_code), replace(frame, build=replace(frame.build, exit_code=exit_code)), NOW
    )
    assert markdown.cloud(body) == markdown.data_center(body)
    return body


def test_all_green() -> None:
    """Line one counts tasks, cache hits and time; the table has a row for the run; the footer says what of."""
    body = comment("nx affected -t lint test | 72s\n  a:lint success local\n  a:test success miss\n", "0")
    assert body == (
        "✓ **Nx: 2 tasks succeeded**, 1 from the cache, in 1m 12s\n\n"
        "| Command | Result | Time | Tasks |\n| --- | --- | --- | --- |\n"
        "| `nx affected -t lint test` | ✓ | 1m 12s | 2, 1 cached |\n\n"
        "[`1f3c9ab02d41`](https://bitbucket.org/acme/shop/commits/1f3c9ab02d41) · "
        "[build 417](https://bitbucket.org/acme/shop/pipelines/results/417/steps/%7B5b0e%7D) · "
        "23 Nov 2026 19:22 UTC\n"
    )


FAILING = """
nx affected -t test build | 243s | https://cloud.nx.app/runs/AbCdEf1234
  cart:test failure 2.1s
    > FAIL packages/cart/src/cart.spec.ts
    > Error: expected 42 to equal 41
  web:build failure 11s
    > apps/web/src/app.ts:30:7 - error TS2322: Type 'string' is not assignable to type 'number'.
  core:test success
  api:build not-run
"""


def test_failures() -> None:
    """Line one names what failed; each failed task has its telling lines; one command runs them again."""
    body = comment(FAILING)
    assert body.splitlines()[0] == "✗ **Nx: 2 of 3 tasks failed:** `cart:test`, `web:build` (1 not run)"
    row = "| `nx affected -t test build` | [✗ 2 failed, 1 not run](https://cloud.nx.app/runs/AbCdEf1234) | 4m 03s | 3 |"
    assert row in body
    assert "**`cart:test`** · 2.1s\n\n```\n" in body
    assert "Error: expected 42 to equal 41" in body
    assert "error TS2322" in body
    assert "Try it: `npx nx run-many -t test build -p cart web`" in body


def test_one_failure_is_run_by_its_id() -> None:
    """A single task is run again by its own id, configuration and all."""
    body = comment("nx build api\n  @acme/api:build:production failure\n    > Error: no\n")
    assert "Try it: `npx nx run @acme/api:build:production`" in body


def test_targets_with_a_colon() -> None:
    """Targets whose names hold a colon are run again as such; what cannot be told is run task by task."""
    (run,) = runs("nx\n  a:test:unit failure\n  b:test:unit failure")
    named = replace(run, targets=("test:unit",))
    assert "Try it: `npx nx run-many -t test:unit -p a b`" in render(summarise([named], "1"), FRAME, NOW)
    assert "Try it: `npx nx run a:test:unit; npx nx run b:test:unit`" in render(summarise([run], "1"), FRAME, NOW)


def test_shared_configuration() -> None:
    """Failed tasks of one configuration are run with it, those that have none too; of several each by itself."""
    (run,) = runs("nx\n  a:build:production failure\n  b:build failure")
    (other,) = runs("nx\n  a:build:production failure\n  b:build:ci failure")
    run, other = replace(run, targets=("build",)), replace(other, targets=("build",))
    assert "Try it: `npx nx run-many -t build -p a b -c production`" in render(summarise([run], "1"), FRAME, NOW)
    assert "Try it: `npx nx run a:build:production; npx nx run b:build:ci`" in render(
        summarise([other], "1"), FRAME, NOW
    )


def test_flaky() -> None:
    """A task that passed on retry is named as such in line one, and its run stays marked."""
    body = comment("nx test a | 1s\n  a:test failure\nnx test a | 1s\n  a:test success\n", "0")
    assert body.startswith("✓ **Nx: 1 task succeeded**, in 1.0s · flaky, passed on retry: `a:test`\n")
    assert "| ✗ 1 failed, passed on retry |" in body


def test_nx_failed() -> None:
    """Where Nx itself failed line one has its words."""
    body = comment('nx run ledger:deploy | error: Cannot find target "deploy" for project "ledger"')
    assert body.startswith('✗ **Nx: nx failed:** `Cannot find target "deploy" for project "ledger"`\n')


def test_step_failed() -> None:
    """Green runs in a step that failed are no green line."""
    assert comment("nx test a\n  a:test success", "2").startswith(
        "✗ **Nx: the step failed (exit 2)** after 1 task succeeded\n"
    )


def test_link_to_an_unknown_host() -> None:
    """A run's page on a host that nobody vouched for is text in a code span, never a link."""
    (run,) = runs("nx test a\n  a:test success")
    run = replace(run, link=Link("https://evil.example/runs/AbCdEf1234", live=False))
    body = render(summarise([run], "0"), FRAME, NOW)
    assert "`https://evil.example/runs/AbCdEf1234`" in body
    assert f"{markdown.TAG}a https://evil.example/runs/AbCdEf1234" not in markdown.cloud(body)
    assert markdown.cloud(body) == markdown.data_center(body)


def test_last_run_only() -> None:
    """With run.json alone the comment says that it is the last command only."""
    body = comment("nx test a\n  a:test success", "0", replace(FRAME, last_run_only=True))
    assert "the last nx command of the step only. To see all of them" in body
    body = comment("?\n  a:lint success\nnx test a\n  a:test success", "0", replace(FRAME, last_run_only=True))
    assert "the last nx command of the step only, and what Nx's task history has of those before it. To see" in body


def test_nothing_found() -> None:
    """Where nothing was found the last known result stands, the places, and what to add."""
    frame = replace(
        FRAME,
        build=replace(FRAME.build, exit_code="1"),
        looked_in=(".nx/cache/run.json", ".nx-report/*.log"),
        ignored=(".nx/cache/run.json: ended too early",),
        hints=(
            Hint("Add before nx", "export NX_CACHE_DIRECTORY=$BITBUCKET_CLONE_DIR/.nx/cache"),
            Hint("Keep it", "nx test 2>&1 | tee nx.log"),
        ),
    )
    body = render(summarise((), "1"), frame, NOW, Known(416, "9be2d410c7a8", 2, 41))
    assert body.startswith(
        "? **Nx: no run found** · the step failed (exit 1) before Nx ran · `1f3c9ab02d41` · [step log]("
    )
    assert "Last known result: ✗ 2 of 41 failed, `9be2d410c7a8`, build 416." in body
    assert "Looked in `.nx/cache/run.json`, `.nx-report/*.log`." in body
    assert "Add before nx: `export NX_CACHE_DIRECTORY=$BITBUCKET_CLONE_DIR/.nx/cache`" in body
    assert "Keep it: \n\n```\nnx test 2>&1 | tee nx.log\n```" in body
    assert markdown.cloud(body) == markdown.data_center(body)
    before = Known(416, "9be2d410c7a8", 2, 41)
    assert known(summarise((), "1"), frame, before) == before
    assert known(summarise(runs("nx test\n  a:b failure\n"), "1"), frame, before) == Known(417, COMMIT, 1, 1)


def many(tasks: int, lines: int) -> str:
    """A run with so many failed tasks of so many error lines each."""
    errors = "".join(
        f"\n    > src/some/module{line}.ts:{line}:1 - error TS2322: {'wrong ' * 20}" for line in range(lines)
    )
    return "nx run-many -t test" + "".join(f"\n  project-{number}:test failure{errors}" for number in range(tasks))


@pytest.mark.parametrize(("tasks", "lines"), [(1, 400), (12, 60), (45, 30), (300, 20), (2000, 2)])
def test_ladder(tasks: int, lines: int) -> None:
    """However much failed, the comment stays below its limit, counts the failures, and says what it leaves out."""
    body = comment(many(tasks, lines))
    assert len(body) <= LIMIT
    assert body.startswith(f"✗ **Nx: {tasks:,} of {tasks:,} task{'s' * (tasks > 1)} failed:**")
    sections = body.count("\n**`project-")
    assert sections == min(tasks, 50) or f"{tasks - sections:,} more failed tasks: " in body
    if tasks <= 45:
        assert re.search(r"\d+ more lines like these in the \[step log\]", body)


def test_many_runs() -> None:
    """Of very many runs the failed one is shown, and the rest are counted."""
    several = "\n".join(f"nx test p{number}\n  p{number}:test success" for number in range(500))
    body = comment(several + "\nnx test bad\n  bad:test failure\n    > Error: no")
    assert len(body) <= LIMIT
    assert "| `nx test bad` | ✗ 1 failed |" in body
    assert "471 more runs" in body


def hostile_bodies(text: str) -> str:
    """A comment with the text in every place that the checkout can fill."""
    clean = plain(text)
    task = Task(clean or "x", TaskStatus.FAILURE, output=f"Error: {clean}\n    at f (src/a.ts:1:2) {clean}\n")
    (run,) = runs("nx")
    run = replace(
        run,
        status=RunStatus.FAILED,
        tasks=(task, Task(clean + "2", TaskStatus.NOT_RUN), Task(clean + "3", TaskStatus.SUCCESS, flaky=True)),
        command=clean,
        errors=(clean, clean),
        link=Link("https://h.example/runs/" + re.sub(r"[\s`]", "", clean), live=False),
    )
    frame = replace(FRAME, step_name=clean or None, folder=clean, looked_in=(clean,), ignored=(clean,))
    body = render(summarise([run], "1"), frame, NOW)
    nothing = render(summarise((), "1"), frame, NOW)
    assert markdown.cloud(nothing) == markdown.data_center(nothing)
    return body


def check_shape(body: str) -> None:
    """Both renderers agree, no link or image but our own is there, and the marker is the last line."""
    body = sign(body, Marker("nx", 417, COMMIT))
    rendered = markdown.cloud(body)
    assert rendered == markdown.data_center(body)
    tags = [part.removeprefix(markdown.TAG) for part in rendered if part.startswith(markdown.TAG)]
    links = [tag for tag in tags if tag.startswith(("a ", "img"))]
    assert all(tag.startswith("a https://bitbucket.org/acme/shop/") for tag in links)
    names = {tag.split()[0].strip("/") for tag in tags}
    assert names <= {"p", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "a"}
    assert find(body, "nx") == (Marker("nx", 417, COMMIT), True)
    assert (tags.count("tr"), tags.count("td")) == (2, 4)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text(text: str) -> None:
    """No name, command, message or output can break the table, close a fence, link, embed or pose as a marker."""
    check_shape(hostile_bodies(text))


@settings(max_examples=400)
@given(st.text(alphabet=st.sampled_from("`|\\*_[]()<>!#@&;:~-+=?\n\t abx1./\"'\u2028"), max_size=60))
def test_any_text(text: str) -> None:
    """The same for any text made of what means something in Markdown."""
    check_shape(hostile_bodies(text))


def test_nx_own_figures() -> None:
    """Nx's own report is told of the longest run, and of others that took a second; after what failed."""
    figures = RunReport(hits=3, cacheable=14, critical_path=12.9, critical_tasks=1, recoverable=0.4)
    some = runs("nx test a | 13s\n  a:test failure\nnx lint | 2s\n  a:lint success\nnx x | 0.5s\n  a:x success\n?\n")
    found = [replace(run, report=figures if run.duration else RunReport()) for run in some]
    body = render(summarise(found, "1"), FRAME, NOW)
    told = [line for line in body.splitlines() if line.startswith("Nx's report")]
    assert told == [
        f"Nx's report of `nx {name}`: 3 of 14 from the cache, critical path 13s over 1 task, recoverable 400ms"
        for name in ("test a", "lint")
    ]
    assert body.index("**`a:test`**") < body.index(told[0])
