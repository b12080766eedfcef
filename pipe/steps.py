"""What the steps of one build have said, and which of it counts: `StepReport`s in, `Steps` out. Pure.

A step says that it runs (START), what it ran (REPORT), and a `final` step that nothing follows (FINAL). Each word is a
record that everybody reads back, so whoever reads the same records comes to the same `Steps`; nothing here may depend
on the settings of the one that reads.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pipe import emoji
from pipe.insights import Answer
from pipe.model import Stage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pipe.model import Link, RunStatus


_SKEW = 60_000  # milliseconds
MOST_BEFORE = 2
ARTIFACTS = "artifacts"


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
    """A failed task with the lines of its output that tell why; `seconds` is None where not known.

    `known` says whether it fails on the destination branch too, None where that is not known.
    """

    id: str
    lines: tuple[str, ...] = ()
    seconds: float | None = None
    flaky: bool = False
    known: bool | None = None


class StepReport(NamedTuple):
    """The last word of one pipeline step.

    `step` tells steps of one name apart (digits of a hash of the UUID, "" where there is none), `run` counts the step's
    reruns from 1, `at` is when it was said, in milliseconds since 1970. `job` stands for what `build` counts the builds
    of (digits of a hash too): on a CI with many jobs each has numbers of its own, in Pipelines it is "". `patience` is
    how many seconds after a START its silence means something. What must report: `expect` steps, or those of these
    `names`; `parallel` is the step's index in its parallel group, from 0, and the group's size. `before` are the steps
    that this one is a rerun of.
    `answer` and what follows are of a REPORT: counts of tasks, `failures` and `runs` as many as there was room for,
    `elsewhere` the ids of tasks that failed in other steps as Nx Cloud knows, `command` what runs the failed again.
    `against` is the destination branch that failures were compared with, "" where there was nothing to compare with;
    `fixed` are tasks that fail there and succeeded here. `saved` is how many seconds of work cache hits saved. `logs`
    is the address of the page with all logs, or ARTIFACTS where it is among the step's artifacts; a FINAL has it too.
    `hint` is what the host's adapter wants to remember of where the comment is. `foreign` says that a newer version of
    this pipe wrote the record, of which only the answer is known.
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
    before: tuple[str, ...] = ()
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
    against: str = ""
    fixed: tuple[str, ...] = ()
    saved: float | None = None
    logs: str = ""
    job: str = ""
    hint: str = ""
    foreign: bool = False

    @property
    def key(self) -> tuple[str, str, str, int, int, bool]:
        """What one record is kept under: two that share it overwrite each other."""
        return (emoji.without(self.name), self.step, self.job, self.build, self.run, self.stage is Stage.FINAL)

    @property
    def red(self) -> bool:
        """Whether the step says that something failed; where nothing ran, the step's exit code decides."""
        if self.stage is not Stage.REPORT:
            return False
        nothing = self.answer is Answer.NOTHING_RAN and self.exit_code not in (None, "", "0")
        return self.answer.failed or nothing or bool(self.elsewhere)


def digest(text: str) -> str:
    """Eight hexadecimal digits that stand for a text, as a name in a record's key, with or without its emoji."""
    return hashlib.sha256(emoji.without(text).encode("utf-8", "replace")).hexdigest()[:8]


def counted(reports: Iterable[StepReport]) -> tuple[StepReport, ...]:
    """Those that count: of each job's newest build, and of each of its steps the highest run; in an order of its own.

    A rerun replaces the run before of the same UUID, and what it was found to be a rerun of (`before`). Whatever else
    has its name is another step with that name: nothing red turns green by a guess.
    """
    listed = list(reports)
    builds = newest_builds(listed)
    newest = [one for one in listed if one.build == builds[one.job]]
    finals = {one.job: one for one in sorted(newest, key=_last) if one.stage is Stage.FINAL}
    steps = [one for one in newest if one.stage is not Stage.FINAL]
    kept = (one for one in steps if not any(_replaces(other, one) for other in steps))
    return (*sorted(kept, key=_place), *sorted(finals.values(), key=_place))


def newest_builds(reports: Iterable[StepReport]) -> dict[str, int]:
    """The number of each job's newest build."""
    builds: dict[str, int] = {}
    for one in reports:
        builds[one.job] = max(builds.get(one.job, 0), one.build)
    return builds


def later(one: StepReport, other: StepReport) -> bool:
    """Whether a report is of a later build than another: by number where they are of one job, else by their time."""
    return one.build > other.build if one.job == other.job else one.at > other.at


def rerun(one: StepReport, reports: Iterable[StepReport]) -> StepReport:
    """The same, with what it is a rerun of among the records there are before it is put.

    The UUID may be another one (nobody says that it stays), so else it is the only step of that name that ran before.
    """
    same = [other for other in reports if _place_of(other) == _place_of(one) and other.stage is not Stage.FINAL]
    own = [other for other in same if other.key == one.key]
    earlier = [other for other in counted(same) if other.run < one.run]
    earlier = [other for other in earlier if other.step == one.step] or earlier
    if own:  # its own START has seen more
        return one._replace(before=own[0].before)
    if len(earlier) != 1:
        return one
    return one._replace(before=(earlier[0].step, *earlier[0].before)[:MOST_BEFORE])


def _replaces(one: StepReport, other: StepReport) -> bool:
    same = one.step == other.step or other.step in one.before
    return same and one.run > other.run and _place_of(one) == _place_of(other)


def _place_of(one: StepReport) -> object:
    """Its job, build and name; steps without a name have their place in the parallel group in its stead."""
    return one.job, one.build, emoji.without(one.name) or one.parallel


def _last(one: StepReport) -> tuple[object, ...]:
    return (one.run, one.at, one.step, one.name)


def _place(one: StepReport) -> tuple[object, ...]:
    return (one.name, one.run, one.at, one.step, one.job)


def _reopens(one: StepReport, final: StepReport) -> bool:
    """Whether a step spoke after the final one, as in a rerun; machines' clocks may differ a bit."""
    return one.job == final.job and one.at > final.at and (one.run > final.run or one.at > final.at + _SKEW)


def removable(reports: Collection[StepReport]) -> tuple[StepReport, ...]:
    """Those that can be deleted: of older builds, older final words, and what a rerun is known to be one of.

    Without them the same counts, also with a record that is still to come.
    """
    kept = counted(reports)
    builds = newest_builds(reports)
    found, left = [], sorted(reports, key=lambda one: (one.build, one.run))
    for one in list(left):
        told = any(one.step in other.before and _replaces(other, one) for other in kept)
        told = told or one.build < builds[one.job] or one.stage is Stage.FINAL
        rest = [other for other in left if other != one]
        if one not in kept and told and counted(rest) == kept:
            left = rest
            found.append(one)
    return tuple(found)


class Steps:
    """What the steps of a build have said by now, at the moment `now` (milliseconds since 1970).

    On a CI with many jobs it is the newest build of each; a FINAL closes its own job alone.

    `reports` are those that count, at least one: what `counted` gives, which must not be counted again, since what it
    left out told reruns from steps of the same name.
    """

    def __init__(self, reports: Iterable[StepReport], now: int) -> None:
        """Take what counts."""
        self.counted = tuple(reports)
        self.steps = tuple(one for one in self.counted if one.stage is not Stage.FINAL)
        finals = [one for one in self.counted if one.stage is Stage.FINAL]
        self.final = max(finals, key=_last, default=None)
        self.reported = tuple(one for one in self.steps if one.stage is Stage.REPORT)
        waiting = [one for one in self.steps if one.stage is Stage.START]
        closed = {final.job for final in finals if not any(_reopens(one, final) for one in self.steps)}
        self.closed = bool(closed) and all(one.job in closed for one in self.counted)
        self.stopped = tuple(one for one in waiting if one.job in closed)
        waiting = [one for one in waiting if one.job not in closed]
        self.silent = tuple(one for one in waiting if now - one.at > one.patience * 1000)
        self.running = tuple(one for one in waiting if one not in self.silent)

    @property
    def builds(self) -> tuple[tuple[int, tuple[str | None, ...]], ...]:
        """The builds' numbers, usually one, each with the addresses of its steps' pages."""
        found: dict[tuple[str, int], list[str | None]] = {}
        for one in self.counted:
            found.setdefault((one.job, one.build), []).append(one.link)
        return tuple((build, tuple(links)) for (_, build), links in found.items())

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of expected steps of which no word is known."""
        heard = {emoji.without(one.name) for one in self.steps}
        # The name of a step whose record was not understood may not be known.
        foreign = {one.name for one in self.steps if one.foreign}
        expected = dict.fromkeys(name for one in self.counted for name in one.names)
        return tuple(name for name in expected if emoji.without(name) not in heard and digest(name) not in foreign)

    @property
    def expected(self) -> int:
        """How many steps must report, as far as anyone says: 0 where nobody does.

        A parallel group stands for itself where its steps expect nothing else: other steps don't fill its places, but
        for those of which neither name nor place is known.
        """
        number = max((one.expect for one in self.counted), default=0)
        # Groups of one size can't be told apart: there are as many as there are steps at any one place.
        places = Counter(one.parallel for one in self.steps if one.parallel and not one.expect and not one.names)
        absent = -sum(not one.name and one.parallel is None for one in self.steps)
        for size in {size for _, size in places}:
            there = [number for (_, other), number in places.items() if other == size]
            absent += size * max(there) - sum(there)
        absent = max(0, absent) + len(self.missing)
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
