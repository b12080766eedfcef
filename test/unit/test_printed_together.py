"""Printed logs: two nx commands that print into one file at the same time, and what is nested all the same."""

from __future__ import annotations

import pytest

from pipe.model import RunStatus
from test.unit.test_printed import one, read, statuses

A = b"\n NX   Running target test for 2 projects:\n\n- core\n- cart\n\n\n"
B = b"\n NX   Running target build for 2 projects:\n\n- core\n- api\n\n\n"
CART = b"> nx run cart:test\n\nError: A\n"
API = b"> nx run api:build\n\n> tsc\n\nError: B\n"
A_FAILED = b"\n NX   Running target test for 2 projects failed\n\nFailed tasks:\n\n- cart:test\n\n"
A_GREEN = b"\n NX   Successfully ran target test for 2 projects\n\n"
B_FAILED = b"\n NX   Running target build for 2 projects failed\n\nFailed tasks:\n\n- api:build\n\n"
TICK_A = b"\xe2\x9c\x94  nx run core:test\n"
TICK_B = b"\xe2\x9c\x94  nx run core:build\n"


@pytest.mark.parametrize(
    "data",
    [
        A + B + TICK_A + TICK_B + API + B_FAILED + CART + A_FAILED,
        A + TICK_A + B + TICK_B + API + B_FAILED + CART + A_FAILED,
        A + TICK_A + B + TICK_B + CART + A_FAILED + API + B_FAILED,
        A + B + TICK_A + TICK_B + API + CART + B_FAILED + A_FAILED,
    ],
)
def test_two_that_fail(data: bytes) -> None:
    """Each of two commands has its own tasks and outputs, whichever ends first."""
    first, second = read(data)
    assert statuses(first) == {"core:test": "success", "cart:test": "failure"}
    assert statuses(second) == {"core:build": "success", "api:build": "failure"}
    assert [task.output for task in first.tasks] == [None, "Error: A"]
    assert [task.output for task in second.tasks] == [None, "> tsc\n\nError: B"]


def test_failure_beside_a_success() -> None:
    """A command that succeeded hides no failure of another that began later and ended before."""
    first, second = read(A + B + TICK_B + API + B_FAILED + TICK_A + A_GREEN)
    assert (first.status, second.status) == (RunStatus.SUCCEEDED, RunStatus.FAILED)


def test_failure_after_a_task_that_ran_no_nx() -> None:
    """A task that printed something else, or another command, did not start what follows."""
    for words in (b"ok\n", b"> node test.js\n"):
        assert len(read(A + b"> nx run core:test\n\n" + words + B + API + B_FAILED + A_GREEN)) == 2


def test_nested_in_a_task_that_says_so() -> None:
    """What a task that prints its nx command started is no run of its own, whatever became of either."""
    task = b"> nx run cart:test\n\n> npx nx run-many -t build || true\n\n"
    for end in (A_GREEN, A_FAILED):
        assert "api:build" not in statuses(one(A + task + B + API + B_FAILED + end))


def test_two_of_one_task() -> None:
    """Of two commands of one task each is a run, whichever ends first."""
    both = b"> nx run cart:test\n\n> node a.js\n\n" + API
    ends = (
        b"\n NX   Running target build for project api failed\n\nFailed tasks:\n\n- api:build\n\n",
        b"\n NX   Successfully ran target test for project cart\n\n",
    )
    for data in (both + ends[0] + ends[1], both + ends[1] + ends[0]):
        first, second = read(data)
        assert statuses(first) == {"cart:test": "success"}
        assert statuses(second) == {"api:build": "failure"}


def test_many_of_one_task() -> None:
    """Many ends among many headers of single tasks take no work that grows with both."""
    names = [b"z:t%d" % number for number in range(20_000)]
    headers = b"".join(b"> nx run %s\n\nx\n" % name for name in names)
    ends = b"".join(b"\n NX   Running target %s for project z failed\n\n" % name[2:] for name in names)
    assert any(run.status is RunStatus.FAILED for run in read(headers + ends))
