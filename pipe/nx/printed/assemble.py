"""Marks as runs: which start, headers and end belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import RunStatus
from pipe.nx import cloud_links
from pipe.nx.printed import blocks
from pipe.nx.printed.draft import Draft, key_of, task_of
from pipe.nx.printed.words import (
    CLOUD_TROUBLE,
    COMMAND,
    FLAKY,
    LATE_ERROR,
    LONGEST_LINE,
    NO_PROJECTS,
    NO_TASKS,
    OTHER_COMMAND,
    RECORDED,
    START_OR_END,
    plain,
    seconds,
)

if TYPE_CHECKING:
    import re

    from pipe.nx.printed.scan import Mark

DEEPEST = 16  # runs that can be inside each other
RECENT = 20  # ended runs that a second end can still be of
MOST_MOVED = 200_000  # headers that second ends move from run to run, in one file
NOTICES = 5  # marks between a command and its run


class Assembler:
    """Makes runs of a file's marks, in one pass. `hosts` are those that `cloud_links.find` takes."""

    def __init__(self, marks: list[Mark], hosts: frozenset[str]) -> None:
        self._marks = marks
        self._hosts = hosts
        self._open: list[Draft] = []  # the outermost first
        self._done: list[Draft] = []
        self._closed: Draft | None = None  # the run that ended last: what follows its end may still be its own
        self._trouble: list[str] = []
        self._moved = 0

    def runs(self) -> list[Draft]:
        """Give the runs in the order of their starts."""
        for at, mark in enumerate(self._marks):
            if mark.kind == "header":
                self._header(at, mark)
            elif mark.kind == "badge":
                self._badge(at, mark)
        for run in self._open:
            self._give_up(run)
        return sorted(self._done, key=lambda run: run.first)

    def _give_up(self, run: Draft) -> None:
        """End a run that has no end in the file; what seemed to be nested in it were runs of their own."""
        run.last = run.children[0].first if run.children else len(self._marks)
        self._done.extend([run, *run.children])

    def _push(self, at: int) -> Draft:
        if len(self._open) >= DEEPEST:
            bottom = self._open.pop(0)
            self._give_up(bottom)
            bottom.last = min(bottom.last, self._open[0].first)
        run = Draft(at, self._command(at))
        self._trouble.clear()
        self._open.append(run)
        return run

    # --- headers

    def _header(self, at: int, mark: Mark) -> None:
        if mark.echo:
            return
        for depth in range(len(self._open) - 1, -1, -1):
            run = self._open[depth]
            if not run.can_have(mark.name):
                continue
            while len(self._open) > depth + 1:
                run.children.append(self._open.pop())
            if run.key is None and run.children and self._marks[run.first].name == mark.name:
                # A task can't run itself: the first run of it was killed, and what seemed nested came after it.
                # Known by its first task, it is the outermost.
                self._give_up(self._open.pop())
                break
            run.add(at, mark.name)
            return
        if not self._open:
            self._closed = None
            self._push(at).add(at, mark.name)

    # --- badges

    def _badge(self, at: int, mark: Mark) -> None:
        title = mark.name
        what = START_OR_END.match(title)
        if what and what["verb"] != NO_PROJECTS:
            mark.what = True
            if what["verb"] == "Running" and what["end"] in (":", None):
                self._start(at, mark, what)
            else:
                self._end(at, mark, what)
        elif title.startswith(FLAKY):
            if self._closed is not None:
                blocks.flaky(self._closed, mark)
        elif self._open:
            pass  # a task's words
        elif title.startswith(RECORDED):
            self._closed = self._add(at, RunStatus.SUCCEEDED)
            self._closed.last = at
            self._closed.lines = list(blocks.lines(mark))
        elif what or title == NO_TASKS:
            run = self._add(at, RunStatus.SUCCEEDED)
            run.stated = 0
            if what:
                run.describe(what)
        else:
            self._notice(at, mark)

    def _add(self, at: int, status: RunStatus) -> Draft:
        """Add a run that is no more than a badge."""
        run = Draft(at, self._command(at))
        run.status, run.ended = status, True
        self._done.append(run)
        return run

    def _start(self, at: int, mark: Mark, what: re.Match[str]) -> None:
        top = self._open[-1] if self._open else None
        if what["end"] is None and top is not None:  # with a terminal the start is drawn again and again
            if top.key == key_of(what):
                return
            run = top if top.key is None else self._push(at)
        else:
            run = self._push(at)
        self._closed = None
        run.describe(what)
        run.more = what["more"] is not None or what["end"] is None
        run.projects = blocks.projects(mark) or run.projects
        run.projects_set = frozenset(run.projects)

    def _end(self, at: int, mark: Mark, what: re.Match[str]) -> None:
        run = self._ended_by(at, what)
        if run is None:
            return
        if run.key is None:
            run.describe(what)
        run.ended, run.last = True, at
        self._closed = run
        if what["verb"] == "Successfully ran":
            run.worsen(RunStatus.SUCCEEDED)
        elif what["verb"].startswith("Cancelled") or what["end"] == " did not complete":
            run.worsen(RunStatus.CANCELED)
        else:
            run.worsen(RunStatus.FAILED)
        if what["time"]:
            run.seconds = seconds(what["time"])
        blocks.closing(run, mark)

    def _ended_by(self, at: int, what: re.Match[str]) -> Draft | None:
        """Find the run that an end is of, None where it is of something that a task ran."""
        depth = next((d for d in range(len(self._open) - 1, -1, -1) if self._open[d].is_named(what)), None)
        if depth is not None:
            run = self._open[depth]
            place = None if run.key is not None else run.place(task_of(what))
            return self._inner(run, depth, place) if place else self._close(depth)
        earlier = self._earlier(what)
        if earlier is not None:
            return earlier
        if not self._open:
            self._push(at)
            return self._close(0)
        if all(run.key is None for run in self._open) and (what["more"] or what["count"]):
            return self._close(0)  # its start is missing: the file begins later, or the style prints none
        return None

    def _close(self, depth: int) -> Draft:
        """Take the run there off the stack, with all that is nested in it."""
        run = self._open[depth]
        del self._open[depth:]
        (self._open[-1].children if self._open else self._done).append(run)
        return run

    def _inner(self, run: Draft, depth: int, place: int) -> Draft:
        """Close the run that a task of a run started, whose first header is there."""
        inner = Draft(run.headers[place], self._command(run.headers[place]))
        for at in run.headers[place:]:
            inner.add(at, self._marks[at].name)
        del run.headers[place:]
        del self._open[depth + 1 :]
        run.children.append(inner)
        return inner

    def _earlier(self, what: re.Match[str]) -> Draft | None:
        """Find the run that seemed to have ended: the end that it had was a task's words, or it has two."""
        if any(run.key is not None for run in self._open):
            return None
        for index in range(len(self._done) - 1, max(len(self._done) - RECENT, 0) - 1, -1):
            run = self._done[index]
            if not run.ended or not (run.key == key_of(what) or run.place(task_of(what)) == 0):
                continue
            others = [*self._done[index + 1 :], *self._open]
            self._moved += sum(len(other.headers) for other in others)
            if self._moved > MOST_MOVED:
                return None
            for other in others:
                for at in other.headers:
                    run.add(at, self._marks[at].name)
                run.failed.update(other.failed)
                run.not_run.update(other.not_run)
                run.stopped.update(other.stopped)
            del self._done[index + 1 :]
            self._open.clear()
            return run
        return None

    # --- badges that stand outside any run

    def _notice(self, at: int, mark: Mark) -> None:
        """Read an error of Nx itself, a notice, or the line of an early Nx Cloud client."""
        title = mark.name
        lines = [title, *blocks.lines(mark)]
        if self._closed is not None and cloud_links.find(lines, self._hosts):
            self._closed.lines.extend(lines)
            return
        error = blocks.error(title, mark)
        if title.startswith(CLOUD_TROUBLE):
            self._trouble.extend(error)
        elif error and self._closed is not None and title.startswith(LATE_ERROR):
            self._closed.errors.extend(error)
        elif error:
            self._add(at, RunStatus.FAILED).errors = [*self._trouble, *error]
            self._trouble.clear()
            self._closed = None

    def _command(self, at: int) -> str | None:
        """Find the nx command line that stands right before a mark, other lines of Nx and npm aside."""
        for mark in reversed(self._marks[max(at - NOTICES - 1, 0) : at]):
            if mark.echo:
                return plain(mark.raw).removeprefix("> ")
            for raw in reversed(mark.end(LONGEST_LINE).split(b"\n")):
                line = plain(raw)
                if found := COMMAND.match(line):
                    return found["command"]
                if OTHER_COMMAND.match(line):
                    return None
            if mark.kind != "badge" or mark.what:
                return None  # not a notice of Nx that stands between the command and its run
        return None
