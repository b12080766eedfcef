"""Marks as runs: which start, headers and end belong together."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pipe.model import RunStatus
from pipe.nx import cloud_links
from pipe.nx.printed import blocks, nesting
from pipe.nx.printed.draft import Draft, key_of, task_of
from pipe.nx.printed.words import (
    CLOUD_PROBLEMS,
    CLOUD_TROUBLE,
    DISTRIBUTED,
    DISTRIBUTED_ENDS,
    DISTRIBUTED_SUCCESS,
    EXITING,
    FLAKY,
    LATE_ERROR,
    NO_PROJECTS,
    NO_TASKS,
    RECORDED,
    START_OR_END,
    WORKSPACE,
    seconds,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from pipe.nx.printed.log import Log
    from pipe.nx.printed.scan import Mark

DEEPEST = 16  # runs that can be inside each other
FOREIGN = 100  # marks before the end of what no open run is, among which its task's header is looked for
RECENT = 20  # ended runs that a second end can still be of
MOST_MOVED = 200_000  # headers that second ends move from run to run, in one file
LINK_LINES = 40  # lines under a badge that are looked at for a link


class Assembler:
    """Makes runs of a log's marks, in one pass. `hosts` are those that `cloud_links.find` takes."""

    def __init__(self, log: Log, hosts: frozenset[str]) -> None:
        self._log = log
        self._marks = log.marks
        self._starters = nesting.Starters(log)
        self._hosts = hosts
        self._open: list[Draft] = []  # the outermost first
        self._done: list[Draft] = []
        self._closed: Draft | None = None  # the run that ended last: what follows its end may still be its own
        self._trouble: list[str] = []  # what was said of Nx Cloud, for the run that follows
        self._refusal: int | None = None  # where that can be why no run followed
        self._distributed = False
        self._moved = 0

    def runs(self) -> Iterator[Draft]:
        """Give the runs, each when nothing that follows can change it."""
        for at, mark in enumerate(self._marks):
            if mark.kind == "header":
                self._header(at, mark)
            elif mark.kind == "badge":
                self._badge(at, mark)
                if len(self._done) > 2 * RECENT:
                    for run in self._done[:RECENT]:
                        yield from self._starters.shown(run)
                    del self._done[:RECENT]
        self._finish()
        for run in self._done:
            yield from self._starters.shown(run)

    def _finish(self) -> None:
        """Take what the end of the file says."""
        for run in self._open:
            self._give_up(run)
        if self._refusal is not None:
            refused = self._add(self._refusal, RunStatus.FAILED)
            refused.errors = self._told()
        elif self._closed is not None:
            self._closed.errors.extend(self._trouble)
        if not self._open and (error := blocks.error_without_badge(self._log)):
            self._add(len(self._marks) - 1, RunStatus.FAILED).errors.extend(error)

    def _give_up(self, run: Draft) -> None:
        """End a run that has no end in the file; what seemed to be nested in it were runs of their own."""
        if run.outlived and not run.headers:
            return  # no more than a start among another run's lines
        run.last = run.children[0].first if run.children else len(self._marks) - 1
        self._done.extend([run, *run.children])
        run.children = []
        for inner in self._open:
            if inner.parent is run:
                inner.parent = None

    def _push(self, at: int) -> Draft:
        if len(self._open) >= DEEPEST:
            bottom = self._open.pop(0)
            self._give_up(bottom)
            bottom.last = min(bottom.last, self._open[0].first)
        run = Draft(at, blocks.command(self._log, at))
        run.errors = self._told()
        self._find_starter(run)
        run.distributed, self._distributed = self._distributed, False
        self._open.append(run)
        return run

    def _find_starter(self, run: Draft) -> None:
        found = self._starters.find(self._open, run.first)
        run.parent, run.starter = found or (None, run.first)

    def _told(self) -> list[str]:
        """Hand over what was said of Nx Cloud."""
        told, self._trouble, self._refusal = self._trouble, [], None
        return told

    # --- headers

    def _header(self, at: int, mark: Mark) -> None:
        if mark.echo:
            return
        run = nesting.run_with(self._open, mark.name)
        killed = False
        if run is not None:
            run.children.extend(nesting.take_inner(self._open, run))
            # A task can't run itself: the first run of it was killed, and what seemed nested came after it.
            killed = run.key is None and bool(run.children) and self._marks[run.first].name == mark.name
            if not killed:
                run.add(at, mark.name)
                return
            self._open.remove(run)
            self._give_up(run)
        late = self._closed
        if not self._open and late and mark.name in late.failed and late.place(mark.name) is None:
            # The end is on stderr (from 22.7 on) and came before a part of what went to stdout.
            late.add(at, mark.name)
            late.last = at + 1
        elif killed or not self._open:
            self._closed = None
            self._push(at).add(at, mark.name)

    # --- badges

    def _badge(self, at: int, mark: Mark) -> None:
        what = START_OR_END.match(mark.name)
        if what and what["verb"] != NO_PROJECTS:
            mark.what = True
            if what["verb"] == "Running" and what["end"] in (":", None):
                self._start(at, what)
            else:
                self._end(at, what)
        elif mark.name.startswith(FLAKY):
            if self._closed is not None:
                blocks.flaky(self._closed, self._log, at)
        elif mark.name in DISTRIBUTED_ENDS:
            self._distributed_end(at, mark.name)
        elif not self._open or not self._open[-1].headers:  # else a task's words
            self._cloud(at, mark.name)

    def _cloud(self, at: int, title: str) -> None:
        """Read what Nx Cloud's client says before any task does, or outside a run."""
        if title.startswith(DISTRIBUTED):
            if self._open:
                self._open[-1].distributed = True
            else:
                self._distributed = True
        elif title.startswith(CLOUD_TROUBLE) and EXITING not in title:
            told = blocks.error(self._log, at)
            if self._open:
                self._open[-1].errors.extend(told)
            elif self._closed is not None and title.startswith(CLOUD_PROBLEMS):
                self._closed.errors.extend(told)
            else:
                self._trouble.extend(told[: max(LINK_LINES - len(self._trouble), 0)])
                self._refusal = at if title.startswith(WORKSPACE) else self._refusal
        elif not self._open:
            self._notice(at, title)

    def _distributed_end(self, at: int, title: str) -> None:
        """Take how Nx Cloud ended a run of its agents: the link, and whether the run failed."""
        status = RunStatus.SUCCEEDED if title == DISTRIBUTED_SUCCESS else RunStatus.FAILED
        if self._open:
            run = self._open[0]
            if not run.distributed:
                return  # a task's words
        else:
            run = self._closed or self._add(at, status)
        if status is RunStatus.FAILED:
            run.worsen(status)
        run.lines.extend(islice(self._log.lines(at), LINK_LINES))

    def _add(self, at: int, status: RunStatus) -> Draft:
        """Add a run that is no more than a badge."""
        run = Draft(at, blocks.command(self._log, at))
        run.status, run.ended = status, True
        self._closed = None
        self._done.append(run)
        return run

    def _start(self, at: int, what: re.Match[str]) -> None:
        top = self._open[-1] if self._open else None
        if what["end"] is None and top is not None:  # with a terminal the start is drawn again and again
            if any(run.key == key_of(what) for run in self._open):
                return
            run = top if top.key is None else self._push(at)
        else:
            run = self._push(at)
        self._closed = None
        run.describe(what)
        run.more = what["more"] is not None or what["end"] is None
        run.projects = blocks.projects(self._log, at) or run.projects
        run.projects_set = frozenset(run.projects)

    def _end(self, at: int, what: re.Match[str]) -> None:
        run = self._ended_by(at, what)
        if run is None:
            return
        if run.key is None:
            run.describe(what)
        again, run.ended, run.end, run.last = run.ended, True, at, at
        self._closed = run
        if what["verb"] == "Successfully ran":
            run.worsen(RunStatus.SUCCEEDED)
        elif what["verb"].startswith("Cancelled") or what["end"] == " did not complete":
            run.worsen(RunStatus.CANCELED)
        else:
            run.worsen(RunStatus.FAILED)
        if what["time"]:
            run.seconds = seconds(what["time"])
        if not run.headers and not again:
            blocks.table(run, self._log, run.first, at)
        blocks.closing(run, self._log, at)

    def _ended_by(self, at: int, what: re.Match[str]) -> Draft | None:
        """Find the run that an end is of, None where it is of something that a task ran."""
        depth = next((d for d in range(len(self._open) - 1, -1, -1) if self._open[d].is_named(what)), None)
        if depth is not None:
            run = self._open[depth]
            place = None if run.key is not None else run.place(task_of(what))
            return self._inner(run, place, at) if place else self._close(run, at)
        earlier = self._earlier(what)
        if earlier is not None:
            return earlier
        late = self._closed
        if late is not None and self._marks[late.first].kind == "header" and (place := late.place(task_of(what))):
            self._moved += len(late.headers) - place
            if self._moved <= MOST_MOVED:
                return self._inner(late, place, at)
        if not self._open:
            return self._close(self._push(at), at)
        if what["verb"] != "Successfully ran" and (interrupted := nesting.take_interrupted(self._open, key_of(what))):
            self._settle(interrupted, at)
            return interrupted
        if all(run.key is None for run in self._open):
            if what["more"] or what["count"] or ", " in what["targets"]:
                # Its start is missing: the file begins later, or the style prints none.
                return self._close(self._open[0], at)
        else:
            return self._foreign(at, what)
        return None

    def _foreign(self, at: int, what: re.Match[str]) -> Draft | None:
        """Add the run of something else: of a command at the same time, or of what a task ran if that failed."""
        task = f"{task_of(what)}:"
        headers = (
            place
            for place in range(at - 1, max(at - FOREIGN, self._open[-1].first), -1)
            if self._marks[place].kind == "header" and f"{self._marks[place].name}:".startswith(task)
        )
        first = next(headers, None)
        run = Draft(at if first is None else first, None)
        if first is not None:
            run.add(first, self._marks[first].name)
        self._find_starter(run)
        if what["verb"] == "Successfully ran" and (first is None or run.parent is not None):
            return None
        if run.parent is None:
            for other in self._open:
                if first in other.headers[-FOREIGN:]:
                    other.headers.remove(run.first)
        self._settle(run, at)
        return run

    def _close(self, run: Draft, at: int) -> Draft:
        """Take a run that ends there from the open ones, with all that is nested in it."""
        nesting.take_inner(self._open, run)
        self._open.remove(run)
        self._settle(run, at)
        return run

    def _settle(self, run: Draft, at: int) -> None:
        """Add a run that ends there to what it is nested in, or to the runs."""
        parent = run.parent if run.parent in self._open else None
        if parent is None:
            run.parent = None
            self._done.append(run)
        else:
            parent.children.append(run)
        for other in self._open:
            if not run.inside(other):
                nesting.keep_apart(run, other, at)
                other.outlived |= other.first > run.first

    def _inner(self, run: Draft, place: int, at: int) -> Draft:
        """Close the run whose first header, which seemed to be another's, is there."""
        inner = Draft(run.headers[place], blocks.command(self._log, run.headers[place]))
        for header in run.headers[place:]:
            inner.add(header, self._marks[header].name)
        del run.headers[place:]
        nesting.take_inner(self._open, run)
        self._find_starter(inner)
        self._settle(inner, at)
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

    def _notice(self, at: int, title: str) -> None:
        """Read a run that is no more than a badge, an error of Nx itself, or the line of an early Nx Cloud client."""
        lines = [title, *islice(self._log.lines(at), LINK_LINES)]
        if title.startswith(RECORDED):
            self._closed = self._add(at, RunStatus.SUCCEEDED)
            self._closed.last = at
            self._closed.lines = lines
            return
        what = START_OR_END.match(title)
        if what or title == NO_TASKS:
            run = self._add(at, RunStatus.SUCCEEDED)
            run.stated = 0
            if what:
                run.describe(what)
            return
        if self._closed is not None and cloud_links.find(lines, self._hosts):
            self._closed.lines.extend(lines)
            return
        error = blocks.error(self._log, at)
        if error and self._closed is not None and title.startswith(LATE_ERROR):
            self._closed.errors.extend(error)
        elif error:
            self._add(at, RunStatus.FAILED).errors = [*self._told(), *error]
