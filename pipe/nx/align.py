"""Which of a log's runs is which of the runs that other sources tell of."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from pipe.model import Run, RunStatus, TaskStatus
from pipe.nx.join import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipe.nx.join import Joined, Source

# Two lists of tasks are of one run if they share this much: logs can lack some of a run's tasks.
_ALIKE = 0.6
_SOME = 0.1  # where the log's headline is what the command asks for
_LEEWAY = timedelta(seconds=5)  # how much later than its log a run may seem to end
# How far apart the duration in a log and the recorded one may be: seconds, and a share of the recorded one. Nx measures
# the two at different moments.
_APART, _APART_SHARE = 10.0, 0.25
_COMPARISONS = 1_000_000  # of a log's runs with those that are known
# What a log's run may score with another source: that it is one run, and how sure that is.
_FITS, _SAME_FAILURES, _SAME_CACHED, _SAME_LINK, _LATER = 2.0, 2.0, 0.5, 100.0, 1e-6
_SURE = _FITS + _SAME_FAILURES + 1.0


def aligned(runs: Sequence[Joined], source: Source) -> dict[int, Joined]:
    """Which run of the log is which of the known ones: the best of all ways that keep the order.

    Commands that ran at the same time can stand in another order; those that fit without doubt are taken then.
    """
    known = runs[: _COMPARISONS // max(len(source.runs), 1)]
    printed = [_Facts(run) for run in source.runs] if known else []
    fits: dict[tuple[int, int], float] = {}
    for at, one in enumerate(known):
        against = _Against(one, source)
        for index, its in enumerate(printed):
            if (fit := against.fit(its)) is not None:
                fits[index, at] = fit + (index + at) * _LATER
    matches = _best(fits, len(source.runs), len(known)) if fits else {}
    taken = set(matches.values())
    for (index, at), fit in sorted(fits.items()):
        if fit >= _SURE and index not in matches and at not in taken:
            matches[index] = at
            taken.add(at)
    return {index: known[at] for index, at in matches.items()}


def _best(fits: dict[tuple[int, int], float], rows: int, columns: int) -> dict[int, int]:
    """Choose pairs of a row and a column, both rising, with the greatest sum."""
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows):
        for column in range(columns):
            fit = fits.get((row, column))
            taken = best[row][column] + fit if fit is not None else 0.0
            best[row + 1][column + 1] = max(best[row][column + 1], best[row + 1][column], taken)
    pairs: dict[int, int] = {}
    row, column = rows, columns
    while row and column:
        if best[row][column] == best[row - 1][column]:
            row -= 1
        elif best[row][column] == best[row][column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            pairs[row] = column
    return pairs


class _Facts:
    """What of a run is compared, taken from it once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.words = words(run.command) if run.command else None
        self.tasks = {task.id for task in run.tasks if task.status is not TaskStatus.NOT_RUN}
        self.failed = {task.id for task in run.by_status(TaskStatus.FAILURE)}
        self.cached = {task.id for task in run.tasks if task.cached}


class _Against:
    """A known run, to compare a log's runs with."""

    def __init__(self, known: Joined, source: Source) -> None:
        self.exact = _Facts(known.exact) if known.exact else None
        self.links = known.links
        self.printed = [part.run for part in known.of(Kind.LOG)]
        end = known.exact.end if known.exact else None
        self.too_late = bool(end and source.ended and end > source.ended + _LEEWAY)

    def fit(self, its: _Facts) -> float | None:
        """How well a log's run fits, None where the two cannot be one run."""
        link = its.run.link.id if its.run.link else None
        if link and self.links:
            return _SAME_LINK if link in self.links else None
        # What stands in two logs is one run if the one is a copy of the other, or goes on where the other was cut.
        if self.printed and not any(one.cut or _same_print(one, its.run) for one in self.printed):
            return None
        if self.exact is None:
            return _SURE
        asked = self.exact.words
        if self.too_late or (asked and its.words and its.words != asked):
            return None
        says = _says(asked, its.run) if asked else None
        return None if says is False else _fit_tasks(self.exact, its, _ALIKE if says is None else _SOME)


def _fit_tasks(exact: _Facts, its: _Facts, alike: float) -> float | None:
    if not its.tasks and not exact.tasks and exact.run.status is its.run.status is RunStatus.SUCCEEDED:
        return _SURE  # both say that there was nothing to run
    if not its.tasks or not exact.tasks:
        # The log names no task: what its headline says must be what the record holds.
        held = {task.target or task.rest for task in exact.run.tasks}
        return _FITS if its.run.targets and set(its.run.targets) <= held and not its.tasks else None
    of = its.tasks if its.run.cut else exact.tasks if exact.run.cut else its.tasks | exact.tasks
    share = len(its.tasks & exact.tasks) / len(of)
    near = _nearness(exact.run, its.run)
    if share < alike or near is None:
        return None
    failures = _SAME_FAILURES if exact.failed == its.failed else 0.0
    cached = _SAME_CACHED if exact.cached == its.cached else 0.0
    return _FITS + share + near + failures + cached


def _nearness(exact: Run, run: Run) -> float | None:
    """From 0 to under 1: how near the duration that a log states is to the recorded one; None: it is of another run."""
    if run.seconds is None or exact.duration is None:
        return 0.0
    apart = abs(run.seconds - exact.duration)
    return None if apart > _APART + _APART_SHARE * exact.duration else 0.9 / (1.0 + apart)


def _same_print(one: Run, other: Run) -> bool:
    return replace(one, sources=()) == replace(other, sources=())


def _says(asked: list[str], run: Run) -> bool | None:
    """Whether a log's headline is what a command line asks for, None where either does not say it plainly."""
    if not run.targets or not asked:
        return None
    if asked[0] == "run" and len(asked) > 1 and ":" in asked[1]:
        project, _, target = asked[1].strip("\"'").partition(":")
        named = len(run.targets) == 1 and f"{target}:".startswith(f"{run.targets[0]}:")
        return named and run.projects[:1] in ((), (project,))
    if asked[0] in ("run-many", "affected"):
        targets, told = set(_targets(asked[1:])), set(run.targets)
        # A target that no project has is left out of the headline.
        return None if not targets or told < targets else told == targets
    return None


def _targets(asked: Sequence[str]) -> list[str]:
    """The targets of a command line: `-t lint test`, `--targets=lint,test`, `--target lint`."""
    targets: list[str] = []
    taking = False
    for word in asked:
        name, _, value = word.partition("=")
        if name.startswith("-"):
            taking = name in ("-t", "--target", "--targets")
        if taking:
            targets += (value if name.startswith("-") else word).strip("\"'").split(",")
    return [target for target in targets if target]


def words(command: str) -> list[str]:
    """The words of a command line from `nx` on: how Nx was started does not matter."""
    split = command.split()
    start = next((index for index, word in enumerate(split) if re.fullmatch(r"(?:\S*/)?nx", word)), None)
    return split if start is None else split[start + 1 :]
