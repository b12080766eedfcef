"""Several sources of one run become one run; the worst of what they say wins."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pipe.model import Link, Run, RunStatus, Task, TaskStatus
from pipe.nx.printed.words import reasons
from pipe.terminal import strip_escapes

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEVERITY = {TaskStatus.SUCCESS: 0, TaskStatus.NOT_RUN: 1, TaskStatus.STOPPED: 2, TaskStatus.FAILURE: 3}
# Two lists of tasks are of one run if they share this much: logs can lack some of a run's tasks.
_ALIKE = 0.6
# Two outputs are of one attempt if so many of the record's lines are in the log, of so many characters.
_ALIKE_OUTPUT = 0.3
_COMPARED = 100_000


def merge(recorded: Run | None, printed: Sequence[Run]) -> tuple[Run, ...]:
    """Join the last run's record with what the commands of the step printed.

    `printed` is in the order of the step. The record goes to the printed run that it fits best, of equals to the
    last; where it fits none it is a run of its own, the last of the step.
    """
    fits = [(fit, at) for at, run in enumerate(printed) if recorded and (fit := _fit(recorded, run)) is not None]
    best = max(fits)[1] if fits else None
    runs = [_join(recorded, run) if recorded and at == best else _ended(run) for at, run in enumerate(printed)]
    return (*runs, recorded) if recorded and best is None else tuple(runs)


def name_by_hand(runs: Sequence[Run], url: str | None, status: RunStatus | None) -> tuple[Run, ...]:
    """Add the run that the user names by `NX_RUN_URL` and `NX_RUN_STATUS`.

    It is the run with that link, else the only one there is, else a run of its own. Its result can make that run's
    only worse. A link without any result adds no run: nothing ran as far as anyone knows.
    """
    if url is None and status is None:
        return tuple(runs)
    link = Link(url, live=True) if url else None
    same = [index for index, run in enumerate(runs) if url and run.link and run.link.url == url]
    if not same and len(runs) == 1:
        same = [0]
    if same:
        run = runs[same[0]]
        named = replace(run, link=link or run.link, status=_worst(run.status, status or run.status))
        return tuple(named if index == same[0] else other for index, other in enumerate(runs))
    if status is None:
        return tuple(runs)
    return (*runs, Run(status=status, link=link, sources=("NX_RUN_STATUS",)))


def _ended(run: Run) -> Run:
    """The run of a log that ends before it does: the step is over, so what the log shows as running was stopped."""
    return replace(run, status=RunStatus.CANCELED) if run.cut and run.status is RunStatus.IN_PROGRESS else run


def _fit(recorded: Run, printed: Run) -> tuple[bool, float] | None:
    """How well a printed run fits the record, None where they cannot be of one run."""
    if printed.command and recorded.command and words(printed.command) != words(recorded.command):
        return None
    theirs = {task.id for task in printed.tasks if task.status is not TaskStatus.NOT_RUN}
    ours = {task.id for task in recorded.tasks}
    if not theirs and not ours and recorded.status is printed.status is RunStatus.SUCCEEDED:
        return True, 1.0  # both say that there was nothing to run
    if not theirs or not ours:
        # The log names no task: what its headline says must be what the record holds.
        known = bool(printed.targets) and set(printed.targets) <= {task.target or task.rest for task in recorded.tasks}
        return (False, 0.0) if known and not theirs else None
    shared = len(theirs & ours)
    share = shared / (len(theirs) if printed.cut else len(theirs | ours))
    return (_failed(recorded) == _failed(printed), share) if share >= _ALIKE else None


def _failed(run: Run) -> set[str]:
    return {task.id for task in run.by_status(TaskStatus.FAILURE)}


def words(command: str) -> list[str]:
    """The words of a command line from `nx` on: how Nx was started does not matter."""
    split = command.split()
    start = next((index for index, word in enumerate(split) if re.fullmatch(r"(?:\S*/)?nx", word)), None)
    return split if start is None else split[start + 1 :]


def _join(recorded: Run, printed: Run) -> Run:
    if printed.cut:
        # Where the log ends nothing is known of what came after; the failures that it shows are.
        shown = tuple(task for task in printed.tasks if task.status is not TaskStatus.STOPPED)
        state = printed.status if printed.status is RunStatus.FAILED else recorded.status
        printed = replace(printed, tasks=shown, status=state)
    seen = {task.id: task for task in printed.tasks}
    tasks = [_join_tasks(task, seen.pop(task.id)) if task.id in seen else task for task in recorded.tasks]
    return replace(
        recorded,
        status=_worst(recorded.status, printed.status),
        tasks=(*tasks, *seen.values()),
        targets=printed.targets,
        projects=printed.projects,
        project_count=printed.project_count,
        stated_tasks=printed.stated_tasks,
        seconds=printed.seconds,
        link=printed.link,
        errors=printed.errors,
        sources=(*recorded.sources, *printed.sources),
    )


def _join_tasks(recorded: Task, printed: Task) -> Task:
    return replace(
        recorded,
        status=max(recorded.status, printed.status, key=_SEVERITY.__getitem__),
        cache=recorded.cache or printed.cache,
        output=_output(recorded, printed),
        flaky=recorded.flaky or printed.flaky,
    )


def _output(recorded: Task, printed: Task) -> str | None:
    """The better of a task's two outputs.

    The record's is whole, while in a log it may be torn by what ran at the same time. But the record keeps one output
    for a hash: where it has next to nothing of what this run printed, it is of another attempt at the task. What Nx
    itself says of why a task failed is in the log alone.
    """
    if not recorded.output or not printed.output:
        return recorded.output or printed.output
    lines, others = _lines(recorded.output), _lines(printed.output)
    if others and len(lines & others) < len(lines) * _ALIKE_OUTPUT:
        return printed.output
    reason = reasons(printed.output.encode("utf-8", "replace")).get(recorded.id)
    return f"{recorded.output.rstrip()}\n{reason}\n" if reason else recorded.output


def _lines(output: str) -> set[str]:
    """Some lines of an output, for a comparison: without colours, margins and the echo of the command."""
    lines = (strip_escapes(line).strip() for line in output[:_COMPARED].splitlines())
    return {line for line in lines if line and not line.startswith("> ")}


def _worst(one: RunStatus, other: RunStatus) -> RunStatus:
    return max(one, other, key=lambda status: status.severity)
