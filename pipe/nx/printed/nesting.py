"""Whether a task started a run that was printed while another was open, or two commands print into one file.

A task that runs nx itself has printed its header before, with no result yet. From 18 on Nx prints a task's command
under that, and so do package managers. Where that leaves a doubt about a run that failed, it is a run of its own: to
show one too many is better than to lose a failure.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from pipe.model import RunStatus
from pipe.nx.printed.words import CROSS, LONGEST_LINE, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipe.nx.printed.draft import Draft
    from pipe.nx.printed.log import Log

# A command that a task runs, with nx in it: `> npx nx run cart:test || true`, with `web: ` before it in a stream.
ECHO = re.compile(r"^(?:\S+: )?(?:[>$]|\++) (?:.*[\s/;&|])?(?:nx|lerna)\b")

RECENT = 20  # runs in one that are looked at again


class Starters:
    """Finds the tasks that started runs. What is known of a task is kept: each text is read once."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._known: dict[int, bool | None] = {}

    def find(self, runs: Sequence[Draft], at: int) -> tuple[Draft, int] | None:
        """Find which of these runs, the outermost first, started what begins at a mark, and under which header."""
        for run in reversed(runs):
            place = bisect_left(run.headers, at)
            if place and self._runs_nx(run.headers[place - 1]) is not False:
                return run, run.headers[place - 1]
        return None

    def shown(self, run: Draft) -> Iterator[Draft]:
        """Give a run, and the failed ones in it that need not be of the task that seems to have started them."""
        yield run
        for inner in run.children:
            if inner.status is RunStatus.FAILED and not self._runs_nx(inner.starter):
                echoes = any(self._echoes(at) for at in inner.headers[-1:])
                if echoes or self._failed(run, inner.starter):
                    yield inner

    def _runs_nx(self, at: int) -> bool | None:
        """Whether the task of a header can have run nx next: None where it printed nothing that says so, or not."""
        if at not in self._known:
            self._known[at] = self._look(at)
        return self._known[at]

    def _look(self, at: int) -> bool | None:
        mark, following = self._log.marks[at], self._log.marks[at + 1]
        if mark.sure:
            return False
        lines = self._lines(at)
        if following.echo or any(map(ECHO.match, lines)):
            return True
        return False if any(lines) else None

    def _echoes(self, at: int) -> bool:
        """Whether this Nx prints a task's command: one that ran nx would have shown it."""
        return next(filter(None, self._lines(at)), "").startswith("> ")

    def _lines(self, at: int) -> list[str]:
        marks = self._log.marks
        text = self._log.ends(marks[at].body, marks[at + 1].start, 2 * LONGEST_LINE)
        return [plain(line) for line in text.split(b"\n")]

    def _failed(self, run: Draft, at: int) -> bool:
        """Whether the task of a header failed, or may have."""
        mark = self._log.marks[at]
        return mark.name in run.failed or mark.icon == CROSS or (run.status is RunStatus.FAILED and not run.failed)


def run_with(runs: Sequence[Draft], task: str) -> Draft | None:
    """Find the open run that a task is of: the innermost, or of runs that are not nested the one that names it."""
    first = None
    for run in reversed(runs):
        if first is None:
            first = run if run.can_have(task) else None
            if first is not None and (len(runs) == 1 or run.names(task)):
                break
        elif run.names(task) and not first.inside(run):
            return run
    return first


def take_inner(runs: list[Draft], run: Draft) -> list[Draft]:
    """Take what is nested in a run from the open ones."""
    if len(runs) < 2:  # noqa: PLR2004
        return []
    inner = [other for other in runs if other.inside(run)]
    for other in inner:
        runs.remove(other)
    return inner


def take_interrupted(runs: Sequence[Draft], key: tuple[str, str]) -> Draft | None:
    """Take the run that an end names from those that seemed to be nested and cut off: the outer one went on."""
    for outer in runs:
        for run in outer.children[-RECENT:]:
            if not run.ended and run.key == key:
                outer.children.remove(run)
                run.parent = None
                return run
    return None


def keep_apart(run: Draft, other: Draft, end: int) -> None:
    """Tell two runs that printed at the same time which marks are the other's; `run` ends at `end`, `other` later."""
    for one, its in ((run, other), (other, run)):
        one.others.extend(its.headers[bisect_right(its.headers, one.first) :])
        if its.first > one.first:
            one.others.append(its.first)
    other.others.append(end)
