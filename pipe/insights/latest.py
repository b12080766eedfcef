"""Which result of a task counts, and how long a task took. Pure; imports nothing but the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import CacheStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipe.model import Run, Task


def latest(runs: Iterable[Run]) -> dict[str, Task]:
    """Each task's last result by its id, in the order of their first appearance.

    A task that was not run is there as such only where no other run has a result of it.
    """
    last: dict[str, Task] = {}
    for run in runs:
        for task in run.tasks:
            if task.status is not TaskStatus.NOT_RUN or task.id not in last:
                last[task.id] = task
    return last


def seconds(task: Task) -> float | None:
    """Seconds from a task's recorded start to its end; None where it lacks one, or ends before it starts."""
    if task.start is None or task.end is None or task.end < task.start:
        return None
    return (task.end - task.start).total_seconds()


def executed(task: Task) -> float | None:
    """Seconds that executing a task to its success took; None for what failed, was stopped, or may be a cache hit.

    What failed may have ended early, so its time is not that of the task.
    """
    known = task.cache is CacheStatus.MISS and task.status is TaskStatus.SUCCESS
    return seconds(task) if known else None
