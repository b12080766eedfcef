"""All sources of a step's runs become its runs.

Two sources tell of one run if they name one link; else by command, tasks and time. A record and Nx's run.json hold the
times of the same tasks. A log has no times, but its runs stand in their order, and none ended after it did. A run of Nx
Cloud is known by its link alone, for all steps of a build may share what Nx Cloud knows. Sources of which two steps are
known tell of two runs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pipe.model import Link, Run, RunStatus, Task, TaskStatus, result_of
from pipe.nx.align import aligned, words
from pipe.nx.join import Joined, Kind, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# How far apart two records of a run without tasks may start, and two sources may have the end of one attempt at a task.
_ONE_START, _ONE_END = timedelta(seconds=5), timedelta(seconds=1)
_LAST = datetime.max.replace(tzinfo=UTC)


def merge(sources: Iterable[Source]) -> list[Joined]:
    """Join what all sources tell into runs, in the order in which they ran as far as that is known.

    Neither the order of the sources nor telling one twice changes anything. Runs that Nx Cloud alone knows are part of
    the result, at its end: which step they are of is not known.
    """
    known = {(source.kind, source.name): source for source in sources}
    ordered = sorted(known.values(), key=lambda one: (one.kind, one.ended or _LAST, one.name))
    runs: list[Joined] = []
    for source in ordered:
        if source.kind in (Kind.RECORD, Kind.RUN_JSON):
            _add_exact(runs, source)
    runs.sort(key=lambda one: (one.exact and (one.exact.start or one.exact.end)) or _LAST)
    for source in ordered:
        if source.kind is Kind.LOG:
            _add_log(runs, source)
        elif source.kind is Kind.HISTORY:
            _add_history(runs, source)
        elif source.kind is Kind.CLOUD:
            _add_cloud(runs, source)
    return runs


def _add_exact(runs: list[Joined], source: Source) -> None:
    """Add the runs of a record, which is of a run of its own, or of run.json, of which there may be a record."""
    recorded = [one for one in runs if one.of(Kind.RECORD)] if source.kind is Kind.RUN_JSON else []
    for run in source.runs:
        same = next((one for one in recorded if one.exact and _same_times(one.exact, run)), None)
        if same:
            same.add(source, run)
        else:
            runs.append(Joined(source, run))


def _add_cloud(runs: list[Joined], source: Source) -> None:
    by_link = {link: one for one in runs for link in one.links}
    for run in source.runs:
        same = by_link.get(run.link.id) if run.link else None
        if same:
            same.add(source, run)
        else:
            runs.append(Joined(source, run))
            by_link |= dict.fromkeys(runs[-1].links, runs[-1])


def _add_history(runs: list[Joined], source: Source) -> None:
    """Put each attempt at a task to the run that has it; what is left is told as a run of its own.

    The history does not say which attempts are of one command. Those that a record has are known by their time; of the
    runs that logs alone tell of, the first that has the task with that result takes it. What succeeded and is in no run
    belongs to a log that names only what failed, where there is a log.
    """
    recorded = [task for one in runs if one.exact for task in one.exact.tasks]
    taken = _Attempts(recorded)
    printed = [one for one in runs if not one.exact]
    wanted: dict[tuple[str, TaskStatus], list[int]] = {}
    for at, one in enumerate(printed):
        run = one.run
        for task in run.tasks:
            # A log that was cut shows a task as stopped however it ended.
            unknown = run.cut and task.status is TaskStatus.STOPPED
            for status in TaskStatus if unknown else (task.status,):
                wanted.setdefault((task.id, status), []).append(at)
    its: list[dict[str, Task]] = [{} for _ in printed]
    left = []
    for task in (task for run in source.runs for task in run.tasks if task not in taken):
        places = wanted.get((task.id, task.status), [])
        while places and task.id in its[places[0]]:
            del places[0]
        if places:
            its[places.pop(0)][task.id] = task
        else:
            left.append(task)
    for one, some in zip(printed, its, strict=True):
        if some:  # a part of the run, as of a source that was cut
            parts = tuple(some.values())
            one.add(source, replace(source.runs[0], tasks=parts, status=result_of(parts), cut=True))
    if any(task.status is TaskStatus.FAILURE for task in left) or (left and not printed):
        last = max((task.end for task in left if task.end), default=None)
        place = sum(1 for one in runs if last and one.ended and one.ended < last)
        runs.insert(place, Joined(source, _unnamed(source.runs[0], left)))


def _unnamed(run: Run, tasks: Sequence[Task]) -> Run:
    """A run of tasks of which nobody knows the commands: it goes by their targets and projects."""
    return replace(
        run,
        tasks=tuple(tasks),
        status=result_of(tasks),
        targets=tuple(dict.fromkeys(task.target or task.rest for task in tasks)),
        projects=tuple(dict.fromkeys(task.project for task in tasks)),
    )


class _Attempts:
    """Attempts at tasks, to ask whether another source's is one of them: of one task, and ended at one time."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._ends: dict[str, list[datetime]] = {}
        for task in tasks:
            if task.end:
                self._ends.setdefault(task.id, []).append(task.end)

    def __contains__(self, task: Task) -> bool:
        return any(task.end and abs(task.end - end) <= _ONE_END for end in self._ends.get(task.id, ()))


def _same_times(one: Run, other: Run) -> bool:
    """Whether two records are of one run: they have the time of one task's start, or no task and nearly one start."""
    if one.tasks and other.tasks:
        starts = {(task.id, task.start) for task in one.tasks if task.start}
        return any((task.id, task.start) in starts for task in other.tasks)
    if one.tasks or other.tasks or not one.start or not other.start:
        return False
    commands = [words(run.command) for run in (one, other) if run.command]
    return abs(one.start - other.start) <= _ONE_START and commands[:1] == commands[1:]


# --- logs -------------------------------------------------------------------------------------------------------------


def _add_log(runs: list[Joined], source: Source) -> None:
    """Put what a log tells to the runs that are known, its runs in their order; what fits none is a run of its own."""
    candidates = [one for one in runs if one.step in (None, source.step)] if source.step else runs
    matches = aligned(candidates, source)
    place = runs.index(matches[min(matches)]) if matches else _place(runs, source)
    for at, run in enumerate(source.runs):
        if at in matches:
            matches[at].add(source, run)
            place = runs.index(matches[at]) + 1
        else:
            runs.insert(place, Joined(source, run))
            place += 1


def _place(runs: Sequence[Joined], source: Source) -> int:
    """Where a log goes that shares no run: after what had ended when it was last written."""
    if source.ended is None:  # run.json is of the last command
        return max((at + 1 for at, one in enumerate(runs) if not one.exact), default=0)
    ends = [(at, one.ended) for at, one in enumerate(runs)]
    return max((at + 1 for at, end in ends if end and end <= source.ended), default=0)


# --- by hand ----------------------------------------------------------------------------------------------------------


def name_by_hand(runs: Sequence[Run], url: str | None, status: RunStatus | None) -> tuple[Run, ...]:
    """Add the run that the user names by `NX_RUN_URL` and `NX_RUN_STATUS`.

    It is the run with that link, else the only one there is, else a run of its own. Its result can make that run's
    only worse. A link without any result adds no run: nothing ran as far as anyone knows.
    """
    if url is None and status is None:
        return tuple(runs)
    link = Link(url, live=True) if url else None
    same = [index for index, run in enumerate(runs) if link and run.link and run.link.id == link.id]
    if not same and len(runs) == 1:
        same = [0]
    if same:
        run = runs[same[0]]
        worst = max(run.status, status or run.status, key=lambda one: one.severity)
        named = replace(run, link=link or run.link, status=worst)
        return tuple(named if index == same[0] else other for index, other in enumerate(runs))
    if status is None:
        return tuple(runs)
    return (*runs, Run(status=status, link=link, sources=("NX_RUN_STATUS",)))
