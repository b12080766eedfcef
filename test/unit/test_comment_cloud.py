"""What Nx Cloud knows of the rest of the pipeline: in the answer, in the comment and in the log."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipe.insights import Answer, Summary, summarise
from pipe.model import CIPipelineExecution, Fix, Link, Run, RunGroup, RunStatus
from pipe.redact import Redactor
from pipe.render import status
from pipe.render.cloud import lines
from pipe.render.comment import Frame, render
from test import markdown
from test.language import runs
from test.unit.test_comment import FRAME, NOW

CIPE = Link("https://cloud.nx.app/cipes/67ebd9041d718113934c32c6", live=True)
GREEN = "nx affected -t lint | 5s | https://cloud.nx.app/runs/OurOwnRun1\n  a:lint success\n"
RED = "nx affected -t e2e | FAILED | https://cloud.nx.app/runs/OtherRun01\n  shop:e2e failure\n"


def execution(text: str, state: str = "IN_PROGRESS", fix: Fix | None = None) -> CIPipelineExecution:
    """A pipeline execution whose one run group has these runs."""
    group = RunGroup("417", RunStatus(state), runs(text), fix)
    return CIPipelineExecution(RunStatus(state), CIPE, (group,))


def summary(text: str, known: CIPipelineExecution | None, exit_code: str | None = "0") -> Summary:
    """The summary of a step's own runs and of what Nx Cloud knows besides."""
    return summarise(runs(text), exit_code, known)


def comment(one: Summary, frame: Frame = FRAME) -> str:
    """The comment, one document in both Markdowns."""
    body = render(one, replace(frame, build=replace(frame.build, exit_code="0")), NOW)
    assert markdown.cloud(body) == markdown.data_center(body)
    return body


def test_failure_in_another_step() -> None:
    """What failed elsewhere in the pipeline makes the answer a failure and says where its log is to be found."""
    one = summary(GREEN, execution(RED, "FAILED"))
    assert (one.answer, one.total) == (Answer.TASKS_FAILED, 2)
    body = comment(one)
    assert body.startswith("✗ **Nx: 1 of 2 tasks failed:** `shop:e2e`\n")
    assert f"**Nx Cloud**: [✗ failed]({CIPE.url}) · what else this pipeline ran:" in body
    assert "| `nx affected -t e2e` | [✗ 1 failed](https://cloud.nx.app/runs/OtherRun01) | – | 1 |" in body
    assert (
        "**`shop:e2e`**\n\nIn `nx affected -t e2e`, as Nx Cloud knows; "
        "its output is on [Nx Cloud](https://cloud.nx.app/runs/OtherRun01)." in body
    )


@pytest.mark.parametrize("state", ["IN_PROGRESS", "NOT_STARTED", "SUCCEEDED", "CANCELED"])
def test_what_is_no_failure(state: str) -> None:
    """A pipeline that is still running, or was canceled elsewhere, leaves the step's own answer as it is."""
    text = "nx affected -t e2e | " + state
    assert summary(GREEN, execution(text, state)).answer is Answer.SUCCEEDED


def test_own_task_known_twice() -> None:
    """A failed task of this step that Nx Cloud names too is one failed task, and keeps its own output."""
    own = "nx test cart\n  cart:test failure\n    > Error: expected 42\n"
    one = summary(own, execution("nx test cart | FAILED\n  cart:test failure\n", "FAILED"), "1")
    assert ([task.id for task in one.failed], one.total) == (["cart:test"], 1)
    assert "Error: expected 42" in comment(one)


def test_own_task_that_passed_on_retry() -> None:
    """Nor does Nx Cloud's memory of a task that passed on retry here turn a step red that ended well."""
    own = "nx test cart\n  cart:test failure\nnx test cart\n  cart:test success\n"
    one = summary(own, execution("nx test cart | FAILED\n  cart:test failure\n", "FAILED"))
    assert (one.answer, one.retried) == (Answer.SUCCEEDED, ("cart:test",))


@pytest.mark.parametrize(
    ("text", "state", "answer"),
    [
        (GREEN, "SUCCEEDED", Answer.SUCCEEDED),
        (GREEN, "IN_PROGRESS", Answer.IN_PROGRESS),
        (GREEN, "FAILED", Answer.RUN_FAILED),
        (RED, "SUCCEEDED", Answer.TASKS_FAILED),
        (RED, "IN_PROGRESS", Answer.TASKS_FAILED),
        ("", "SUCCEEDED", Answer.NOTHING_RAN),
        ("", "IN_PROGRESS", Answer.NOTHING_RAN),
        ("", "CANCELED", Answer.CANCELED),
        ("", "TIMED_OUT", Answer.TIMED_OUT),
        ("", "FAILED", Answer.RUN_FAILED),
    ],
)
def test_nx_cloud_alone(text: str, state: str, answer: Answer) -> None:
    """Where the step left nothing, the answer is the pipeline's: green only once it has ended, and something ran."""
    assert summary("", execution(text, state)).answer is answer


def test_tasks_of_nx_cloud_alone() -> None:
    """Nx Cloud counts the tasks of its runs without naming those that succeeded."""
    (run,) = runs(RED)
    counted = (replace(run, stated_tasks=12), Run(RunStatus.SUCCEEDED, command="nx lint", stated_tasks=3))
    known = CIPipelineExecution(RunStatus.FAILED, CIPE, (RunGroup("417", RunStatus.FAILED, counted),))
    one = summary("", known)
    assert one.total == 15
    assert comment(one).startswith("✗ **Nx: 1 of 15 tasks failed:** `shop:e2e`\n\n**Nx Cloud**: ")
    written = status.render(one, FRAME.build, "Nx", "nx", 17)
    assert written is not None
    assert written.state.value == "FAILED"


def test_run_groups() -> None:
    """Where the pipeline has several run groups each run is told with its own."""
    groups = (
        RunGroup("417-linux", RunStatus.SUCCEEDED, runs(GREEN)),
        RunGroup("417-windows", RunStatus.FAILED, runs(RED)),
    )
    body = comment(summary("", CIPipelineExecution(RunStatus.FAILED, CIPE, groups)))
    assert "| Command | Run group | Result | Time | Tasks |" in body
    assert "| `nx affected -t e2e` | `417-windows` | [✗ 1 failed]" in body


def test_fix() -> None:
    """A fix that Nx Cloud suggests is told with its link, its state and what it changes."""
    where = Link(f"{CIPE.url}/self-healing?runGroup=417", live=True)
    fix = Fix(("shop:e2e",), "verified", "Wait for the @server\n| to listen", where)
    body = comment(summary(GREEN, execution(RED, "FAILED", fix)))
    assert f"[Nx Cloud's fix]({where.url}) for `shop:e2e`, verified: `Wait for the @server │ to listen`" in body
    nowhere = fix._replace(link=None, description=None)
    assert "Nx Cloud's fix for `shop:e2e`, verified\n" in comment(summary(GREEN, execution(RED, "FAILED", nowhere)))


def test_no_link_of_its_own() -> None:
    """Without any link it is not known which runs are the step's own, and nothing else is claimed."""
    body = comment(summary("nx lint\n  a:lint success\n", execution(RED, "FAILED")))
    assert " · what this pipeline ran:" in body
    assert "what else" not in body


def test_run_on_an_unknown_host() -> None:
    """The page of another step's run on an unknown host is shown as text."""
    body = comment(summary(GREEN, execution(RED.replace("cloud.nx.app", "cloud.example"), "FAILED")))
    assert "Run page, on a host that this pipe does not know: `https://cloud.example/runs/OtherRun01`" in body
    assert "](https://cloud.example" not in body


def test_unknown_host() -> None:
    """A page on a host that nobody vouched for is text, in the comment as in the log."""
    known = execution("")._replace(link=Link("https://evil.example/cipes/1", live=False))
    body = comment(summary(GREEN, known))
    assert "**Nx Cloud**: … running `https://evil.example/cipes/1`" in body
    assert "](https://evil.example" not in body


def test_trouble() -> None:
    """Why Nx Cloud could not tell anything is one line in the comment and in the log, and no failure."""
    said = "the access token was not accepted (401). Check NX_CLOUD_ACCESS_TOKEN"
    body = comment(summary(GREEN, None), replace(FRAME, cloud_trouble=said))
    assert body.startswith("✓ **Nx: 1 task succeeded**")
    assert f"\nNx Cloud: `{said}`\n" in body
    assert list(lines(None, said)) == [f"! Nx Cloud: {said}"]
    assert f"\nNx Cloud: `{said}`\n" in comment(summary("", None), replace(FRAME, cloud_trouble=said))


def test_in_the_log() -> None:
    """The log has the execution, its runs and its fixes, each with its link."""
    fix = Fix(("shop:e2e",), "suggested", None, Link(f"{CIPE.url}/self-healing", live=True))
    assert list(lines(execution(RED, "FAILED", fix), None)) == [
        f"Nx Cloud: ✗ failed {CIPE.url}",
        "  run group 417: ✗ failed: nx affected -t e2e",
        f"  run group 417: fix suggested {CIPE.url}/self-healing",
    ]


def test_secrets() -> None:
    """Every text of Nx Cloud is cleaned as the checkout's are."""
    token = "ATATT3xFfGF0" + "x" * 40
    fix = Fix((f"a:{token}",), "verified", f"use {token}", Link(f"https://cloud.nx.app/cipes/{token}", live=True))
    known = execution(f"nx e2e --token={token}\n  a:e2e failure\n", "FAILED", fix)
    known = known._replace(link=Link(f"https://cloud.nx.app/cipes/{token}", live=True))
    assert token not in repr(Redactor([token]).execution(known, "/clone"))
