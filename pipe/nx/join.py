"""What several sources say of one run, as one run: the worst result wins, each other value is the most exact one's."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from pipe.model import Run, RunStatus, Task, TaskStatus
from pipe.nx.printed.words import reasons
from pipe.terminal import strip_escapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

_SEVERITY = {TaskStatus.SUCCESS: 0, TaskStatus.NOT_RUN: 1, TaskStatus.STOPPED: 2, TaskStatus.FAILURE: 3}
# Two outputs are of one attempt if so many of the record's lines are in the log, of so many characters.
_ALIKE_OUTPUT = 0.3
_COMPARED = 100_000
_UNFINISHED = (RunStatus.NOT_STARTED, RunStatus.IN_PROGRESS)


class Kind(IntEnum):
    """A kind of source; the lower the number, the more exactly it tells of a run."""

    RECORD = 0
    RUN_JSON = 1
    LOG = 2
    HISTORY = 3
    CLOUD = 4


class Source(NamedTuple):
    """What one file or service tells: its runs, in its order, and when it was last written, where that is known.

    `step` is the pipeline step that it is of: None where nobody knows, and where one step's sources alone are read.
    """

    kind: Kind
    name: str
    runs: tuple[Run, ...]
    ended: datetime | None = None
    step: str | None = None


class Part(NamedTuple):
    """What one source says of a run."""

    source: Source
    run: Run


class Joined:
    """One run, and what each source says of it, the most exact first; `step` is whose it is by its sources."""

    def __init__(self, source: Source, run: Run) -> None:
        self.parts = [Part(source, run)]
        self.step = source.step

    @property
    def run(self) -> Run:
        """What all of them say together."""
        return join(self.parts)

    def add(self, source: Source, run: Run) -> None:
        """Take what another source says of the run."""
        self.step = self.step or source.step
        self.parts.append(Part(source, run))
        self.parts.sort(key=lambda part: part.source.kind)

    def of(self, *kinds: Kind) -> list[Part]:
        """What sources of these kinds say."""
        return [part for part in self.parts if part.source.kind in kinds]

    @property
    def exact(self) -> Run | None:
        """What a record says, with the command and the times."""
        return next((part.run for part in self.of(Kind.RECORD, Kind.RUN_JSON)), None)

    @property
    def links(self) -> set[str]:
        """The ids of the run's page."""
        return {part.run.link.id for part in self.parts if part.run.link}

    @property
    def ended(self) -> datetime | None:
        """When the run ended, or when its log did."""
        ends = [part.run.end or part.source.ended for part in self.parts]
        return next((end for end in ends if end), None)

    def origins(self) -> Iterator[str]:
        """Which source each value is from, in words."""
        return origins(self.parts, self.run)


def join(parts: Sequence[Part]) -> Run:
    """Make one run of what each source says of it; `parts` are in the order of their kinds.

    Where a source ends before the run does, nothing is known of what came after; the failures that it shows are.
    """
    cut = all(part.run.cut for part in parts)
    told = [part if cut or not part.run.cut else Part(part.source, _shown(part.run)) for part in parts]
    printed = sorted(told, key=lambda part: part.source.kind is not Kind.LOG)

    def first(name: str, order: Sequence[Part]) -> Any:  # noqa: ANN401 - the field's type
        return next(
            (value for part in order if (value := getattr(part.run, name)) not in (None, ())), getattr(_NONE, name)
        )

    return Run(
        status=_status(told, cut=cut),
        tasks=_tasks(told),
        command=first("command", told),
        targets=first("targets", printed),
        projects=first("projects", printed),
        project_count=first("project_count", printed),
        stated_tasks=first("stated_tasks", printed),
        start=first("start", told),
        end=first("end", told),
        seconds=first("seconds", printed),
        report=first("report", printed),
        link=next((part.run.link for part in told if part.run.link and part.run.link.live), first("link", told)),
        errors=first("errors", printed),
        sources=tuple(dict.fromkeys(name for part in parts for name in part.run.sources)),
        cut=cut,
    )


_NONE = Run(RunStatus.NOT_STARTED)


def origins(parts: Sequence[Part], run: Run) -> Iterator[str]:
    """Which source each value of a joined run is from, in words; of its tasks those that failed."""
    yield _origins(run, [(part.source.name, part.run) for part in parts], _RUN_VALUES)
    said: dict[str, list[tuple[str, Task]]] = {}
    for part in parts:
        for task in part.run.tasks:
            said.setdefault(task.id, []).append((part.source.name, task))
    for task in run.by_status(TaskStatus.FAILURE):
        yield f"{task.id}: {_origins(task, said[task.id], _TASK_VALUES)}"


_RUN_VALUES = ("status", "command", "start", "end", "link", "targets", "seconds", "report", "errors")
_TASK_VALUES = ("status", "cache", "code", "start", "hash", "output", "flaky")


def _origins(joined: Run | Task, said: Sequence[tuple[str, Run | Task]], names: Sequence[str]) -> str:
    """The values that something joined has, by the first source that has each as it is."""
    found: dict[str, list[str]] = {}
    for name in names:
        if value := getattr(joined, name):
            source = next((source for source, one in said if getattr(one, name) == value), "several sources together")
            found.setdefault(source, []).append(name)
    return "; ".join(f"{', '.join(values)} from {source}" for source, values in found.items())


def _shown(run: Run) -> Run:
    """What a source that was cut still tells of a run that another source tells whole."""
    tasks = tuple(task for task in run.tasks if task.status is not TaskStatus.STOPPED)
    return replace(run, tasks=tasks, stated_tasks=None, seconds=None)


def _status(parts: Sequence[Part], *, cut: bool) -> RunStatus:
    """The worst that a source says. The step is over: what its own files show as running was stopped."""
    own = any(part.source.kind is not Kind.CLOUD for part in parts)
    states = []
    for part in parts:
        unknown = part.run.cut and not cut and part.run.status is not RunStatus.FAILED
        # Nx Cloud may not have heard yet of an end that the step has seen.
        late = own and part.source.kind is Kind.CLOUD and part.run.status in _UNFINISHED
        if not unknown and not late:
            states.append(part.run.status)
    worst = max(states, key=lambda status: status.severity)
    return RunStatus.CANCELED if cut and worst is RunStatus.IN_PROGRESS else worst


def _tasks(parts: Sequence[Part]) -> tuple[Task, ...]:
    tasks: dict[str, Task] = {}
    for part in parts:
        for task in part.run.tasks:
            known = tasks.get(task.id)
            tasks[task.id] = task if known is None else _join_tasks(known, task, parts[0].source.kind)
    return tuple(tasks.values())


def _join_tasks(known: Task, other: Task, kind: Kind) -> Task:
    output = _output(known, other, kind)
    # Of two attempts at a task the log is the one's whose output counts.
    another = output is not None and output == other.output != known.output
    return Task(
        id=known.id,
        status=max(known.status, other.status, key=_SEVERITY.__getitem__),
        target=known.target or other.target,
        cache=known.cache or other.cache,
        code=other.code if known.code is None else known.code,
        start=known.start or other.start,
        end=known.end or other.end,
        hash=known.hash or other.hash,
        output=output,
        flaky=known.flaky or other.flaky,
        log=(other.log or known.log) if another else (known.log or other.log),
        cacheable=other.cacheable if known.cacheable is None else known.cacheable,
        continuous=known.continuous or other.continuous,
        dependencies=other.dependencies if known.dependencies is None else known.dependencies,
        root=known.root or other.root,
    )


def _output(known: Task, other: Task, kind: Kind) -> str | None:
    """The better of a task's two outputs.

    The record's is whole, while in a log it may be torn by what ran at the same time. But beside run.json Nx keeps one
    output for a hash: where it has next to nothing of what this run printed, it is of another attempt at the task. What
    Nx itself says of why a task failed is in the log alone.
    """
    if not known.output or not other.output or known.output == other.output:
        return known.output or other.output
    if kind is Kind.RUN_JSON:
        lines, others = _lines(known.output), _lines(other.output)
        if others and len(lines & others) < len(lines) * _ALIKE_OUTPUT:
            return other.output
    reason = reasons(other.output.encode("utf-8", "replace")).get(known.id)
    return f"{known.output.rstrip()}\n{reason}\n" if reason and reason not in known.output else known.output


def _lines(output: str) -> set[str]:
    """Some lines of an output, for a comparison: without colours, margins and the echo of the command."""
    lines = (strip_escapes(line).strip() for line in output[:_COMPARED].splitlines())
    return {line for line in lines if line and not line.startswith("> ")}
