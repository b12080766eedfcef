"""Flaky tasks, and what failed here against the destination branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipe.insights import summarise
from pipe.insights.comparison import Baseline, Comparison, compare
from pipe.insights.derive import insights
from pipe.insights.flaky import Flaky, flaky
from pipe.model import CacheStatus, Run, TaskStatus
from test.language import runs as read
from test.unit.test_insights_graph import ANY_RUNS, NAMES, run, task

if TYPE_CHECKING:
    from random import Random

    from pipe.model import Task

SUCCESS, FAILURE = TaskStatus.SUCCESS, TaskStatus.FAILURE


def test_same_hash_in_this_build() -> None:
    """A task that failed and passed with one hash is flaky, also where the success came from a cache."""
    failed = task("cart:test", 0, 1, hash="h", status=FAILURE)
    for passed in (task("cart:test", 2, 3, hash="h"), task("cart:test", 2, 3, hash="h", cache=CacheStatus.REMOTE)):
        found = (Flaky("cart:test", "failed and passed in this build with the same hash"),)
        assert flaky([run(failed), run(passed)], {}) == flaky([run(passed), run(failed)], {}) == found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (task("cart:test", 0, 1, hash="h", status=FAILURE), task("cart:test", 2, 3, hash="another")),
        (task("cart:test", 0, 1, status=FAILURE), task("cart:test", 2, 3)),
        (task("cart:test", 0, 1, hash="h", status=FAILURE), task("web:test", 2, 3, hash="h")),
        (task("cart:test", 0, 1, hash="h", status=FAILURE), task("cart:test", 0, 1, hash="h", status=FAILURE)),
        (task("cart:test", 0, 1, hash="h", status=TaskStatus.STOPPED), task("cart:test", 2, 3, hash="h")),
        (
            task("shop:deploy", 0, 1, hash="h", status=FAILURE, cacheable=False),
            task("shop:deploy", 2, 3, hash="h", cacheable=False),
        ),
    ],
)
def test_no_proof(one: Task, other: Task) -> None:
    """Another hash, none at all, another task, one outcome, or a task that Nx may not cache: nothing says flaky."""
    assert flaky([run(one), run(other)], {}) == ()


def test_task_history() -> None:
    """The other outcome may be in Nx's task history; the words say which one that was."""
    failed, passed = (run(task("cart:test", 0, 1, hash="h", status=status)) for status in (FAILURE, SUCCESS))
    words = "with the same hash, by Nx's task history"
    assert flaky([failed], {"h": {SUCCESS, FAILURE}}) == (Flaky("cart:test", f"passed before {words}"),)
    assert flaky([passed], {"h": {FAILURE}}) == (Flaky("cart:test", f"failed before {words}"),)
    assert flaky([failed], {"h": {FAILURE}}) == flaky([failed], {"g": {SUCCESS}}) == ()
    assert flaky([failed], {"h": {TaskStatus.STOPPED}}) == ()
    assert flaky([run(task("a:deploy", 0, 1, hash="h", status=FAILURE, cacheable=False))], {"h": {SUCCESS}}) == ()


def test_nx_says_so() -> None:
    """What Nx calls flaky is, in its words."""
    assert flaky([run(task("cart:test", 0, 1, flaky=True))], {}) == (Flaky("cart:test", "Nx calls it flaky"),)


def test_passed_on_retry() -> None:
    """A retry that passed counts where the hashes are not known to differ."""
    retried = read("nx test\n  cart:test failure\nnx test\n  cart:test success")
    why = "failed, then passed in a later run of this build"
    assert insights(summarise(retried, "0")).flaky == (Flaky("cart:test", why),)
    assert insights(summarise(retried, "1")).flaky == ()
    mended = [run(task("a:test", 0, 1, hash="1", status=FAILURE)), run(task("a:test", 2, 3, hash="2"))]
    assert flaky(mended, {}, {"a:test"}) == ()


@given(ANY_RUNS, st.randoms(use_true_random=False))
def test_order_of_runs_changes_no_proof(runs: tuple[Run, ...], random: Random) -> None:
    """Which tasks are flaky does not depend on the order in which the runs are told."""
    others = list(runs)
    random.shuffle(others)
    assert {one.id for one in flaky(runs, {})} == {one.id for one in flaky(others, {})}


# --- against the destination branch -----------------------------------------------------------------------------------

HERE = summarise(
    read("""
nx test
  cart:test failure
  web:test failure
  api:test success local
  ui:test success
  api:e2e not-run
"""),
    "1",
)


def test_new_known_and_fixed() -> None:
    """Failing here alone is new, failing in both is known, failing there and passing here is fixed."""
    there = frozenset({"web:test", "api:test", "api:e2e", "gone:test"})
    assert compare(HERE, Baseline("main", "0c5d2e7f9a1b", there, complete=True)) == Comparison(
        "main", "0c5d2e7f9a1b", new=("cart:test",), known=("web:test",), fixed=("api:test",), unknown=()
    )


def test_a_flaky_task_is_not_new() -> None:
    """What fails here alone and is flaky says nothing about the change; on the destination branch too it is known."""
    runs = read("nx test\n  cart:test failure flaky\n  web:test failure flaky\n  api:test failure")
    known = Baseline("main", "0c5d2e7f9a1b", frozenset({"web:test"}), complete=True)
    found = insights(summarise(runs, "1"), compared=known).comparison
    assert found is not None
    assert (found.new, found.known, found.flaky) == (("api:test",), ("web:test",), ("cart:test",))


def test_incomplete_baseline() -> None:
    """Where the record does not name all that failed there, what it does not name may be new or not."""
    found = compare(HERE, Baseline("main", "0c5d2e7f9a1b", frozenset({"web:test"}), complete=False))
    assert found is not None
    assert (found.new, found.unknown, found.known) == ((), ("cart:test",), ("web:test",))


def test_no_baseline_yet() -> None:
    """Without a baseline there is no comparison, which is not the same as one without differences."""
    assert compare(HERE, None) is None
    found = insights(HERE, compared=Baseline("main", "0c5d2e7f9a1b", frozenset(), complete=True)).comparison
    assert found is not None
    assert found.new == ("cart:test", "web:test")


def test_failed_and_passed_is_not_fixed() -> None:
    """A task that failed here is not fixed by a later success of a step that failed."""
    twice = summarise(read("nx test\n  cart:test failure\nnx test\n  cart:test success"), "1")
    found = compare(twice, Baseline("main", "0c5d", frozenset({"cart:test"}), complete=True))
    assert found is not None
    assert (found.known, found.fixed) == (("cart:test",), ())


@given(ANY_RUNS, st.frozensets(st.sampled_from(NAMES)), st.booleans(), st.sampled_from(["0", "1", None]))
def test_comparison_adds_up(runs: tuple[Run, ...], there: frozenset[str], complete: bool, code: str | None) -> None:  # noqa: FBT001
    """Each failed task is in one list, each task is in one at most, and nothing is new by an incomplete record."""
    summary = summarise(runs, code)
    found = compare(summary, Baseline("main", "0c5d", there, complete))
    assert found is not None
    assert sorted(found.new + found.known + found.unknown) == sorted(task.id for task in summary.failed)
    assert set(found.known) | set(found.fixed) <= there
    assert not set(found.fixed) & {task.id for task in summary.failed}
    assert not (found.unknown if complete else found.new)
