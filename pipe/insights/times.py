"""Which tasks took longest, and how many ran at once. Pure."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from pipe.insights.graph import EPOCH, spans
from pipe.insights.latest import seconds
from pipe.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipe.model import Run

_SLOWEST = 10
_STEPS = 200
_SECOND = 1_000_000  # microseconds


class Slow(NamedTuple):
    """A task that was executed: its id, the place of its run from 0, and the seconds from its start to its end."""

    id: str
    run: int
    seconds: float


class Parallelism(NamedTuple):
    """How many tasks ran at once, over all runs, by the times that Nx recorded; cache hits run as long as they took.

    `start` is when the first task began. `steps` are seconds since then and the tasks running from then on, at most
    200 of them; where there were more changes each holds the most of its two hundredth part of the time. `average` is
    over the time in which at least one ran, `peak` the most at one moment, both in tasks.
    """

    start: datetime
    steps: tuple[tuple[float, int], ...]
    average: float
    peak: int


def slowest(runs: Iterable[Run]) -> tuple[Slow, ...]:
    """The ten executed tasks that took longest, whatever their result, each with its longest execution."""
    longest: dict[str, Slow] = {}
    for place, run in enumerate(runs):
        for task in run.tasks:
            took = None if task.cached or task.status is TaskStatus.NOT_RUN else seconds(task)
            if took is not None and (task.id not in longest or took > longest[task.id].seconds):
                longest[task.id] = Slow(task.id, place, took)
    return tuple(sorted(longest.values(), key=lambda one: (-one.seconds, one.id))[:_SLOWEST])


def parallelism(runs: Iterable[Run]) -> Parallelism | None:
    """How many tasks ran at once; None where no task's times are known."""
    changes: dict[int, int] = {}
    total = 0
    for run in runs:
        for span in spans(run.tasks):
            if span.duration:
                changes[span.start] = changes.get(span.start, 0) + 1
                changes[span.end] = changes.get(span.end, 0) - 1
                total += span.duration
    if not changes:
        return None
    moments = sorted(changes)
    levels: list[int] = []
    for moment in moments:
        levels.append((levels[-1] if levels else 0) + changes[moment])
    busy = sum(after - moment for moment, after, level in zip(moments, moments[1:], levels, strict=False) if level > 0)
    first = moments[0]
    steps = _steps([moment - first for moment in moments], levels)
    return Parallelism(
        EPOCH + timedelta(microseconds=first),
        tuple((at / _SECOND, level) for at, level in steps),
        total / busy,
        max(levels),
    )


def _steps(moments: Sequence[int], levels: Sequence[int]) -> list[tuple[int, int]]:
    """The changes, without those that change nothing; too many as the most of each of equal parts of the time."""
    steps = list(zip(moments, levels, strict=True))
    if len(steps) > _STEPS:
        end = moments[-1]
        edges = [end * part // (_STEPS - 1) for part in range(_STEPS)]
        places = [bisect_left(moments, edge) for edge in edges]
        steps = []
        for edge, place, following in zip(edges, places, places[1:], strict=False):
            carried = levels[place] if moments[place] == edge else levels[place - 1]
            steps.append((edge, max([carried, *levels[place:following]])))
        steps.append((end, 0))
    return [step for at, step in enumerate(steps) if at == 0 or step[1] != steps[at - 1][1]]
