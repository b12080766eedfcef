"""Tasks that are flaky, and why they are called so. Pure.

Flaky is what ended differently with the same hash, for which Nx takes everything that a task depends on. Where Nx may
not cache a task its hash says less, as of a deployment: such a task is not called flaky for that, as Nx does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipe.insights.latest import latest
from pipe.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pipe.model import Run, Task

_BOTH = frozenset({TaskStatus.SUCCESS, TaskStatus.FAILURE})


class Flaky(NamedTuple):
    """A flaky task: its id, and in plain words how it is known to be so."""

    id: str
    why: str


def flaky(
    runs: Sequence[Run], history: Mapping[str, Collection[TaskStatus]], retried: Collection[str] = ()
) -> tuple[Flaky, ...]:
    """Find the flaky tasks, in the order of the runs.

    `history` has the outcomes of each hash in Nx's task history; `retried` are the ids of tasks that failed and passed
    in a later run of a step that ended well.
    """
    attempts: dict[str, list[Task]] = {}
    for run in runs:
        for task in run.tasks:
            attempts.setdefault(task.id, []).append(task)
    last = latest(runs)
    found = ((name, _why(some, last[name], history, retried)) for name, some in attempts.items())
    return tuple(Flaky(name, why) for name, why in found if why)


def _why(
    attempts: Sequence[Task], last: Task, history: Mapping[str, Collection[TaskStatus]], retried: Collection[str]
) -> str | None:
    """The strongest reason to call a task flaky, None where there is none."""
    counted = any(task.cacheable is not False for task in attempts)
    outcomes = _by_hash(attempts)
    if counted and any(each >= _BOTH for each in outcomes.values()):
        return "failed and passed in this build with the same hash"
    if counted and any((each | set(history.get(hash_, ()))) >= _BOTH for hash_, each in outcomes.items()):
        before = "passed" if last.status is TaskStatus.FAILURE else "failed"
        return f"{before} before with the same hash, by Nx's task history"
    if any(task.flaky for task in attempts):
        return "Nx calls it flaky"
    hashes = {task.hash for task in attempts if task.status is TaskStatus.FAILURE}
    if last.id in retried and (None in {last.hash, *hashes} or last.hash in hashes):
        return "failed, then passed in a later run of this build"
    return None


def _by_hash(attempts: Iterable[Task]) -> dict[str, set[TaskStatus]]:
    """How the attempts with each hash ended; those that were stopped or not run have no outcome."""
    outcomes: dict[str, set[TaskStatus]] = {}
    for task in attempts:
        if task.hash and task.status in _BOTH:
            outcomes.setdefault(task.hash, set()).add(task.status)
    return outcomes
