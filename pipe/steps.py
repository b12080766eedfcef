"""What the steps of one build have said, and which of it counts: `StepReport`s in, `Steps` out. Pure.

A step says that it runs (START), what it ran (REPORT), and a `final` step that nothing follows (FINAL). Each word is a
record that everybody reads back, so whoever reads the same records comes to the same `Steps`; nothing here may depend
on the settings of the one that reads.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pipe.insights import Answer
from pipe.model import Stage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pipe.model import Link, RunStatus


_SKEW = 60_000  # milliseconds


class RunLine(NamedTuple):
    """A run as a row of the table: its label, counts of tasks and its duration in seconds, None where not known."""

    label: str
    status: RunStatus
    executed: int = 0
    cached: int = 0
    failed: int = 0
    not_run: int = 0
    seconds: float | None = None
    cut: bool = False
    link: Link | None = None


class Failure(NamedTuple):
    """A failed task with the lines of its output that tell why; `seconds` is None where not known."""

    id: str
    lines: tuple[str, ...] = ()
    seconds: float | None = None
    flaky: bool = False


class StepReport(NamedTuple):
    """The last word of one pipeline step.

    `step` tells steps of one name apart (digits of a hash of the UUID, "" where there is none), `run` counts the step's
    reruns from 1, `at` is when it was said, in milliseconds since 1970. `patience` is how many seconds after a START
    its silence means something. What must report: `expect` steps, or those of these `names`; `parallel` is the step's
    index in its parallel group, from 0, and the group's size. `answer` and what follows are of a REPORT: counts of
    tasks, `failures` and `runs` as many as there was room for, `elsewhere` the ids of tasks that failed in other steps
    as Nx Cloud knows, `command` what runs the failed ones again. `foreign` says that a newer version of this pipe wrote
    the record, of which only the answer is known.
    """

    build: int
    run: int
    name: str
    step: str
    stage: Stage
    at: int
    title: str = "Nx"
    link: str | None = None
    patience: int = 7200
    expect: int = 0
    names: tuple[str, ...] = ()
    parallel: tuple[int, int] | None = None
    answer: Answer = Answer.NOTHING_RAN
    exit_code: str | None = None
    total: int = 0
    failed: int = 0
    cached: int = 0
    not_run: int = 0
    seconds: float | None = None
    runs: tuple[RunLine, ...] = ()
    more_runs: int = 0
    failures: tuple[Failure, ...] = ()
    retried: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    error: str | None = None
    command: str | None = None
    foreign: bool = False

    @property
    def key(self) -> tuple[str, str, int, int, bool]:
        """What one record is kept under: two that share it overwrite each other."""
        return (self.name, self.step, self.build, self.run, self.stage is Stage.FINAL)

    @property
    def red(self) -> bool:
        """Whether the step says that something failed; where nothing ran, the step's exit code decides."""
        if self.stage is not Stage.REPORT:
            return False
        nothing = self.answer is Answer.NOTHING_RAN and self.exit_code not in (None, "0")
        return self.answer.failed or nothing or bool(self.elsewhere)


def counted(reports: Iterable[StepReport]) -> tuple[StepReport, ...]:
    """Those that count: of the newest build, and of each of its steps the highest run; in an order of its own.

    A rerun may come with another UUID, so of one name a higher run replaces a lower one, whatever the UUID. What it
    must not replace is another step of the same name: one that spoke later, or of which there are more than reruns.
    An equal run is another step with the same name. Nothing red turns green by a guess.
    """
    listed = list(reports)
    build = max((one.build for one in listed), default=0)
    newest = [one for one in listed if one.build == build]
    finals = sorted((one for one in newest if one.stage is Stage.FINAL), key=_last)
    # Steps without a name have their place in the parallel group in its stead.
    named: dict[object, list[StepReport]] = {}
    for one in newest:
        if one.stage is not Stage.FINAL:
            named.setdefault(one.name or one.parallel, []).append(one)
    kept = [one for group in named.values() for one in _of_one_name(group)]
    return (*sorted(kept, key=_place), *finals[-1:])


def _of_one_name(group: Sequence[StepReport]) -> list[StepReport]:
    """Go through the runs from the lowest, each replacing what it can of those before."""
    kept: list[StepReport] = []
    for run in sorted({one.run for one in group}):
        these = sorted((one for one in group if one.run == run), key=_last)
        steps = {one.step for one in these}
        before = {one.step for one in kept}
        kept = [one for one in kept if one.step not in steps]
        reruns = [one for one in these if one.step not in before]
        replaced = [one for one in kept if all(one.at <= rerun.at for rerun in reruns)]
        if len(reruns) >= len(replaced):
            kept = [one for one in kept if one not in replaced]
        kept += these
    return kept


def _last(one: StepReport) -> tuple[object, ...]:
    return (one.run, one.at, one.step, one.name)


def _place(one: StepReport) -> tuple[object, ...]:
    return (one.name, one.run, one.at, one.step)


def _reopens(one: StepReport, final: StepReport) -> bool:
    """Whether a step spoke after the final one, as in a rerun; machines' clocks may differ a bit."""
    return one.at > final.at and (one.run > final.run or one.at > final.at + _SKEW)


def removable(reports: Collection[StepReport]) -> tuple[StepReport, ...]:
    """Those that can be deleted without a change of what counts."""
    left, found = list(reports), []
    kept = counted(left)
    for one in reports:
        if one not in kept:
            rest = [other for other in left if other != one]
            if counted(rest) == kept:
                left = rest
                found.append(one)
    return tuple(found)


class Steps:
    """What the steps of one build have said by now, at the moment `now` (milliseconds since 1970).

    `reports` are those that count, at least one: what `counted` gives, which must not be counted again, since what it
    left out told reruns from steps of the same name.
    """

    def __init__(self, reports: Iterable[StepReport], now: int) -> None:
        """Take what counts."""
        self.counted = tuple(reports)
        self.steps = tuple(one for one in self.counted if one.stage is not Stage.FINAL)
        self.final = next((one for one in self.counted if one.stage is Stage.FINAL), None)
        self.reported = tuple(one for one in self.steps if one.stage is Stage.REPORT)
        waiting = [one for one in self.steps if one.stage is Stage.START]
        self.closed = self.final is not None and not any(_reopens(one, self.final) for one in self.steps)
        silent = [one for one in waiting if now - one.at > one.patience * 1000]
        self.stopped = tuple(waiting) if self.closed else ()
        self.silent = () if self.closed else tuple(silent)
        self.running = () if self.closed else tuple(one for one in waiting if one not in silent)

    @property
    def build(self) -> int:
        """The build's number."""
        return self.counted[0].build

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of expected steps of which no word is known."""
        heard = {one.name for one in self.steps}
        expected = dict.fromkeys(name for one in self.counted for name in one.names)
        return tuple(name for name in expected if name not in heard)

    @property
    def expected(self) -> int:
        """How many steps must report, as far as anyone says: 0 where nobody does.

        A parallel group stands for itself where its steps expect nothing else: other steps don't fill its places.
        """
        number = max((one.expect for one in self.counted), default=0)
        # Groups of one size can't be told apart: there are as many as there are steps at any one place.
        places = Counter(one.parallel for one in self.steps if one.parallel and not one.expect and not one.names)
        absent = len(self.missing)
        for size in {size for _, size in places}:
            there = [number for (_, other), number in places.items() if other == size]
            absent += size * max(there) - sum(there)
        if places or any(one.names for one in self.counted):
            return max(number, len(self.steps) + absent)
        return number

    @property
    def awaited(self) -> int:
        """How many more steps must report; those that have started count too."""
        return max(self.expected - len(self.reported), len(self.steps) - len(self.reported))

    @property
    def red(self) -> bool:
        """Whether anything is known to have failed."""
        return any(one.red for one in self.steps)

    @property
    def complete(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.closed or not self.awaited
