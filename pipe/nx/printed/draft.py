"""A run while it is put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re

    from pipe.model import RunReport, RunStatus


class Draft:
    """What is known of a run so far.

    Its marks are those from `first` to the one before `last`, as places in the file's list; `end` is its end's, which
    some of them can follow.
    """

    __slots__ = (
        "children", "command", "count", "distributed", "end", "ended", "errors", "failed", "failed_count", "first",
        "flaky", "headers", "index", "key", "last", "lines", "more", "not_run", "others", "outlived",
        "parent", "projects", "projects_set", "report", "seconds", "starter", "stated", "status", "stopped", "targets",
    )  # fmt: skip

    def __init__(self, first: int, command: str | None) -> None:
        self.first = first
        self.last = first
        self.end = first
        self.command = command
        # Targets and projects, as Nx words them, tell one run from another. None: its start has not been printed
        # (runs of one task) or is not in the file, and it is known by its first task.
        self.key: tuple[str, str] | None = None
        self.targets: tuple[str, ...] = ()
        self.projects: tuple[str, ...] = ()
        self.projects_set: frozenset[str] = frozenset()
        self.count: int | None = None
        self.more = True  # tasks beyond those targets and projects can be part of it
        self.headers: list[int] = []
        self.index: dict[str, int] = {}  # task, with and without its configuration, to its first place in `headers`
        self.status: RunStatus | None = None
        self.ended = False
        self.failed: dict[str, None] = {}
        self.not_run: dict[str, None] = {}
        self.stopped: dict[str, None] = {}
        self.flaky: dict[str, None] = {}
        self.failed_count = 0
        self.stated: int | None = None
        self.seconds: float | None = None
        self.report: RunReport | None = None
        self.distributed = False  # Nx Cloud's agents run its tasks
        self.errors: list[str] = []
        self.lines: list[str] = []  # of the closing part, for the link
        self.children: list[Draft] = []  # runs that a task of it seems to have started
        self.parent: Draft | None = None  # the run whose task seems to have started it, under the header there:
        self.starter = first
        self.outlived = False  # it began in another run that ended before it did
        self.others: list[int] = []  # marks between its own of runs that printed at the same time

    def describe(self, what: re.Match[str]) -> None:
        """Take what a start or an end says of the run."""
        self.key = key_of(what)
        self.targets = tuple(what["targets"].split(", "))
        if what["project"]:
            self.projects = (what["project"],)
        else:
            self.count = int(what["count"])

    def add(self, at: int, name: str) -> None:
        """Add a task's header."""
        place = len(self.headers)
        self.headers.append(at)
        for key in (name, name.rsplit(":", 1)[0]) if name.count(":") > 1 else (name,):
            if self.index.get(key, place) >= place:  # nothing, or a header that has been taken away since
                self.index[key] = place

    def place(self, task: str) -> int | None:
        """Where a task's first header is in `headers`, whatever its configuration."""
        place = self.index.get(task)
        return place if place is not None and place < len(self.headers) else None

    def can_have(self, task: str) -> bool:
        """Whether that task can be the run's, going by what its start said."""
        return self.more or not self.projects or self.names(task)

    def names(self, task: str) -> bool:
        """Whether its start names that task's project and target."""
        colon = task.find(":")
        while colon >= 0:
            if task[:colon] in self.projects_set and task[colon + 1 :].startswith(self.targets):
                return True
            colon = task.find(":", colon + 1)
        return False

    def is_named(self, what: re.Match[str]) -> bool:
        """Whether an end names this run."""
        return self.key == key_of(what) if self.key is not None else self.place(task_of(what)) is not None

    def inside(self, run: Draft) -> bool:
        """Whether a task of that run seems to have started this one, or one that this is inside."""
        parent = self.parent
        while parent is not None and parent is not run:
            parent = parent.parent
        return parent is not None

    def worsen(self, status: RunStatus) -> None:
        """Take a result; the worst stays."""
        if self.status is None or status.severity > self.status.severity:
            self.status = status


def key_of(what: re.Match[str]) -> tuple[str, str]:
    """Take what tells one run from another in Nx's words: targets, and project or how many."""
    return what["targets"], what["project"] or what["count"]


def task_of(what: re.Match[str]) -> str:
    """Name the task that a run of one target of one project was asked for."""
    return f"{what['project']}:{what['targets']}"
