"""The critical path of a run: the longest chain of tasks that had to wait for each other.

Pure, without recursion, and in the time of a sort: tasks are taken in the order in which they ended, in which whatever
a task waited for comes before it. So neither a cycle nor a task that is missing matters.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from pipe.insights.latest import seconds
from pipe.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipe.model import Run, Task

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000  # microseconds


class CriticalPath(NamedTuple):
    """The critical path of one run.

    `run` is the run's place among the runs, from 0. `tasks` are the ids on the path, the first to start first; `length`
    is how many they are. `seconds` is how long the path took: the measured durations of its tasks, cache hits with
    the time that they took too; time that two of them share counts once.

    `source` says where the path is from:
    - `dependencies`: each task on it depends on the one before, as the recorder wrote down. This is the least time that
      the run could take with room for everything at once.
    - `nx`: Nx's own figure, which it prints from 23 on, by the same definition. It names no tasks.
    - `times`: dependencies are not known, so this is the longest chain in which each task began when the one before had
      ended, or later. It is never shorter than the true one, and longer where tasks only waited for a free slot.

    `window` is the seconds from the run's first start of a task to the last end of one. `gain` is what would be gained
    at most if no task had to wait for a free slot: the window less the path, never negative; Nx's "recoverable time"
    where the source is Nx. From times alone it cannot be told, as the true path may be shorter: None.
    """

    run: int
    tasks: tuple[str, ...]
    length: int | None
    seconds: float
    source: Literal["dependencies", "nx", "times"]
    window: float | None
    gain: float | None


class Span(NamedTuple):
    """When a task ran, in microseconds since 1970; ordered by its end."""

    end: int
    start: int
    id: str
    dependencies: tuple[str, ...] | None

    @property
    def duration(self) -> int:
        """Microseconds from its start to its end."""
        return self.end - self.start


def spans(tasks: Iterable[Task]) -> list[Span]:
    """The times of the tasks that have some, by their end; of several with one id those of the last."""
    found = {
        task.id: Span(
            (task.end - EPOCH) // _MICROSECOND, (task.start - EPOCH) // _MICROSECOND, task.id, task.dependencies
        )
        for task in tasks
        if task.status is not TaskStatus.NOT_RUN and task.start and task.end and seconds(task) is not None
        if not task.continuous  # a server ends when those that it serves do; nobody waits for that
    }
    return sorted(found.values(), key=lambda one: one[:3])


def critical_path(run: Run, place: int = 0) -> CriticalPath | None:
    """The critical path of a run; None where no task has times and Nx does not tell it. `place` is the run's."""
    timed = spans(run.tasks)
    if timed and all(span.dependencies is not None for span in timed):
        chain, length = _by_dependencies(timed)
        window = _window(timed)
        gain = (window - length) / _SECOND
        return CriticalPath(place, chain, len(chain), length / _SECOND, "dependencies", window / _SECOND, gain)
    if (report := run.report) and report.critical_path is not None:
        window_seconds = _window(timed) / _SECOND if timed else None
        return CriticalPath(
            place, (), report.critical_tasks, report.critical_path, "nx", window_seconds, report.recoverable
        )
    if timed:
        chain, length = _by_times(timed)
        return CriticalPath(place, chain, len(chain), length / _SECOND, "times", _window(timed) / _SECOND, None)
    return None


def critical_paths(runs: Iterable[Run]) -> tuple[CriticalPath, ...]:
    """The critical path of each run that has one, in the order of the runs."""
    return tuple(path for place, run in enumerate(runs) if (path := critical_path(run, place)) is not None)


def _window(timed: Sequence[Span]) -> int:
    return timed[-1].end - min(span.start for span in timed)


def _by_dependencies(timed: Sequence[Span]) -> tuple[tuple[str, ...], int]:
    """The longest chain of dependencies, and its microseconds.

    A dependency that ended after the task did was not waited for: one that runs on, such as a server, or a part of a
    cycle. Time that a task shares with the one before counts once, so that no chain is longer than the window.
    """
    place = {span.id: at for at, span in enumerate(timed)}
    lengths: list[int] = []
    before: list[int] = []
    for at, span in enumerate(timed):
        best, previous = span.duration, -1
        for name in span.dependencies or ():
            found = place.get(name, at)
            if found >= at:
                continue
            length = lengths[found] + span.end - max(span.start, timed[found].end)
            best, previous = max((best, previous), (length, found))
        lengths.append(best)
        before.append(previous)
    return _chain(timed, before, max(range(len(timed)), key=lengths.__getitem__)), max(lengths)


def _by_times(timed: Sequence[Span]) -> tuple[tuple[str, ...], int]:
    """The longest chain of tasks of which none began before the one before had ended, and its microseconds."""
    ends = [span.end for span in timed]
    # Of the first so many tasks: the last of the longest chain, and how long that is.
    tops, lengths = [-1], [0]
    before: list[int] = []
    for at, span in enumerate(timed):
        earlier = bisect_right(ends, span.start, hi=at)
        before.append(tops[earlier])
        length = lengths[earlier] + span.duration
        better = length > lengths[-1]
        tops.append(at if better else tops[-1])
        lengths.append(length if better else lengths[-1])
    return _chain(timed, before, tops[-1]), lengths[-1]


def _chain(timed: Sequence[Span], before: Sequence[int], last: int) -> tuple[str, ...]:
    chain = []
    while last >= 0:
        chain.append(timed[last].id)
        last = before[last]
    return tuple(reversed(chain))
