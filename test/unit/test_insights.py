"""What runs add up to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipe.insights import Answer, summarise
from test.language import runs

FLAKY = """
nx run-many -t test | 10s
  cart:test failure
  core:test success
nx run-many -t test | 5s
  cart:test success
  core:test success local
"""


def test_all_green() -> None:
    """Distinct tasks are counted, and those of them that came from a cache."""
    summary = summarise(
        runs("""
        """)
        + runs("""
nx run-many -t lint test | 20s
  cart:lint success local
  cart:test success
nx build cart | 5s
  cart:test success remote
  cart:build success
"""),
        None,
    )
    assert (summary.answer, summary.total, summary.cached) == (Answer.SUCCEEDED, 3, 2)
    assert summary.failed == ()


def test_failed_tasks_count_once() -> None:
    """A task that failed in two runs is one failed task, and a task that was not run is none of those that ran."""
    summary = summarise(
        runs("""
nx test cart
  cart:test failure
nx run-many -t test build
  cart:test failure
  core:test success
  web:build not-run
"""),
        "1",
    )
    assert summary.answer is Answer.TASKS_FAILED
    assert [task.id for task in summary.failed] == ["cart:test"]
    assert (summary.total, summary.not_run) == (2, ("web:build",))


@pytest.mark.parametrize(
    ("exit_code", "answer"), [("0", Answer.SUCCEEDED), (None, Answer.TASKS_FAILED), ("1", Answer.TASKS_FAILED)]
)
def test_passed_on_retry(exit_code: str | None, answer: Answer) -> None:
    """A task that failed and then succeeded is excused by a known exit code of 0 alone."""
    summary = summarise(runs(FLAKY), exit_code)
    assert summary.answer is answer
    assert summary.retried == (("cart:test",) if exit_code == "0" else ())
    assert [task.id for task in summary.failed] == ([] if exit_code == "0" else ["cart:test"])


def test_failure_after_success_is_no_retry() -> None:
    """A task that succeeded first and failed last has failed, whatever the exit code."""
    first, second = runs(FLAKY)
    summary = summarise((second, first), "0")
    assert (summary.answer, summary.retried) == (Answer.TASKS_FAILED, ())


def test_exit_code_only_makes_it_worse() -> None:
    """Green runs in a failed step are a failed step; a failed run in a green step stays failed."""
    green, red = runs("nx test a\n  a:test success"), runs("nx test a\n  a:test failure")
    assert summarise(green, "127").answer is Answer.STEP_FAILED
    assert summarise(green, "0").answer is Answer.SUCCEEDED
    assert summarise(red, "0").answer is Answer.TASKS_FAILED


@pytest.mark.parametrize("state", ["CANCELED", "IN_PROGRESS", "NOT_STARTED", "SUCCEEDED"])
def test_failed_step_is_never_stopped(state: str) -> None:
    """A step that is known to have failed has failed, whatever the runs look like: killed, cut off or green."""
    assert summarise(runs(f"nx | {state}"), "137").answer is Answer.STEP_FAILED


def test_no_tasks() -> None:
    """A command that found nothing to do is no success; beside one that did something it does not count."""
    (empty,) = runs("nx affected -t test | SUCCEEDED")
    empty = replace(empty, stated_tasks=0)
    assert summarise([empty], "0").answer is Answer.NO_TASKS
    assert summarise([empty, *runs("nx test a\n  a:test success")], "0").answer is Answer.SUCCEEDED
    assert summarise([empty], "1").answer is Answer.STEP_FAILED
    assert summarise(runs("nx | SUCCEEDED"), "0").answer is Answer.SUCCEEDED


def test_target_of_a_failed_task() -> None:
    """The target is told from the configuration where the run asked for it by name, and not guessed otherwise."""
    (run,) = runs("nx\n  a:test:unit failure\n  b:build:production failure\n  c:lint failure\n  d:x:y failure")
    run = replace(run, targets=("test", "test:unit", "build"))
    assert [task.target for task in summarise([run], "1").failed] == ["test:unit", "build", "lint", None]


def test_run_failed_without_a_task() -> None:
    """Nx itself can fail before any task, and no later success takes that back."""
    summary = summarise(runs("nx run a:deploy | error: Cannot find target\nnx test a\n  a:test success"), "0")
    assert summary.answer is Answer.RUN_FAILED


@pytest.mark.parametrize(
    ("states", "answer"),
    [
        ("SUCCEEDED CANCELED", Answer.CANCELED),
        ("TIMED_OUT CANCELED", Answer.TIMED_OUT),
        ("FAILED TIMED_OUT", Answer.RUN_FAILED),
        ("IN_PROGRESS SUCCEEDED", Answer.IN_PROGRESS),
        ("NOT_STARTED", Answer.IN_PROGRESS),
    ],
)
def test_worst_run_wins(states: str, answer: Answer) -> None:
    """The worst state of several runs is the answer, in either order."""
    several = tuple(run for state in states.split() for run in runs(f"nx | {state}"))
    assert summarise(several, None).answer is answer
    assert summarise(several[::-1], None).answer is answer


def test_nothing_ran() -> None:
    """No run at all is neither a success nor, by itself, a failure."""
    for code in (None, "0", "1"):
        summary = summarise((), code)
        assert summary.answer is Answer.NOTHING_RAN
        assert not summary.answer.failed


def test_a_task_that_ran_elsewhere_was_run() -> None:
    """A task that one run left out and another ran is not listed as not run, in either order."""
    left_out, ran = runs("nx build\n  a:build not-run\n  b:build failure\nnx build a\n  a:build success")
    assert summarise((left_out, ran), "1").not_run == ()
    assert summarise((ran, left_out), "1").not_run == ()


def test_seconds_need_every_run() -> None:
    """The duration is told only where every run has one."""
    assert summarise(runs("nx a | 10s\n  a:a success\nnx b | 30s\n  b:b success"), None).seconds == 30
    assert summarise(runs("nx a | 10s\n  a:a success\nnx b\n  b:b success"), None).seconds is None
