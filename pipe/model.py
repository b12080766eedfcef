"""What Nx Report speaks about, in Nx's and Bitbucket's own words.

Everything here is immutable and derived numbers are properties: a total that is stored beside its parts can disagree
with them. What is no more than its fields is a NamedTuple, which takes a tenth of a dataclass's time to define; that
counts in a process of a fifth of a second. This module imports nothing of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime


# What stands for the exit code of a step that was stopped from outside.
ABORTED = "ABORTED"


class Stage(Enum):
    """Which word of a pipeline step it is: that it runs, what it ran, or that no step comes after it."""

    START = "start"
    REPORT = "report"
    FINAL = "final"


class RunStatus(Enum):
    """State of a run, in Nx Cloud's words (`CIPEExecutionStatus` of Nx Console's public types)."""

    NOT_STARTED = "NOT_STARTED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def severity(self) -> int:
        """How bad the state is; the worst of several sources is the one with the highest number."""
        return _SEVERITY[self]


_SEVERITY = {
    RunStatus.SUCCEEDED: 0,
    RunStatus.NOT_STARTED: 1,
    RunStatus.IN_PROGRESS: 2,
    RunStatus.CANCELED: 3,
    RunStatus.TIMED_OUT: 4,
    RunStatus.FAILED: 5,
}


class TaskStatus(Enum):
    """Outcome of a task. `NOT_RUN`: planned, but a task that it depends on failed."""

    SUCCESS = "success"
    FAILURE = "failure"
    STOPPED = "stopped"
    NOT_RUN = "not-run"


class CacheStatus(Enum):
    """Where a task's result came from. `MISS`: the task was executed."""

    LOCAL = "local"
    REMOTE = "remote"
    MISS = "miss"


class Severity(Enum):
    """How bad a tool calls what it found."""

    ERROR = "error"
    WARNING = "warning"


class Problem(NamedTuple):
    """What a tool found at a place in a file, as it printed it.

    `path` is as printed: absolute, or relative to the project, the workspace or a folder of the tool's own. `line` and
    `column` count from 1, whatever the tool counts from, and are None where it says none. `message` is plain text,
    `rule` the tool's name for the kind of problem (`no-unused-vars`, `TS2322`).
    """

    path: str
    line: int | None
    column: int | None
    severity: Severity
    message: str
    rule: str | None = None
    tool: str = ""


class Log(NamedTuple):
    """A task's output as it was kept: its number among the logs, its size, and what tools found by it.

    `more_problems` is how many more they found; `unread` that it was not looked through for problems, as there were
    enough.
    """

    id: int
    characters: int
    lines: int
    problems: tuple[Problem, ...] = ()
    more_problems: int = 0
    unread: bool = False


class Kept(NamedTuple):
    """A task's output as it was handed on to be kept: as it may be published, and its log, where it has one."""

    text: str
    log: Log | None


@dataclass(frozen=True, slots=True)
class Task:
    """One `project:target[:configuration]` of a run.

    `target` is the target's name where a source tells it: it may hold a colon, so the id alone does not. `code` is the
    exit code where a record holds it. `cache` is None where no source says, `cacheable` whether Nx may cache the task,
    `continuous` that it serves others and does not end by itself.
    `output` is the terminal output (as printed, ANSI codes and all, or as kept) of a task that failed, None where no
    source has it; `log` what was kept of any task's. `flaky` is Nx's own word. `dependencies` are the ids of the tasks
    of this run that had to end before this one began, None where that is not recorded; `root` is the project's folder,
    from the workspace's.
    """

    id: str
    status: TaskStatus
    target: str | None = None
    cache: CacheStatus | None = None
    code: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    hash: str | None = None
    output: str | None = None
    flaky: bool = False
    log: Log | None = None
    cacheable: bool | None = None
    continuous: bool = False
    dependencies: tuple[str, ...] | None = None
    root: str | None = None

    @property
    def project(self) -> str:
        """The project's name, which holds no colon."""
        return self.id.partition(":")[0]

    @property
    def rest(self) -> str:
        """The part after the project: target, and configuration where there is one."""
        return self.id.partition(":")[2]

    @property
    def cached(self) -> bool:
        """Whether the result was taken from a cache."""
        return self.cache in (CacheStatus.LOCAL, CacheStatus.REMOTE)


def result_of(tasks: Iterable[Task]) -> RunStatus:
    """How a run of these tasks ended: as its worst task did. One that was not run is another's fault."""
    kinds = {task.status for task in tasks}
    if TaskStatus.FAILURE in kinds:
        return RunStatus.FAILED
    return RunStatus.CANCELED if TaskStatus.STOPPED in kinds else RunStatus.SUCCEEDED


class Link(NamedTuple):
    """A run's page. `live` is False for a host that nobody vouched for: it is shown as text, never as a link."""

    url: str
    live: bool

    @property
    def id(self) -> str:
        """What tells the page from others, whatever the host and whichever part of it is opened: `runs/AbCdEf1234`."""
        found = re.search(r"/((?:runs|cipes|logs)/[\w-]+)", self.url)
        return found[1] if found else self.url


class RunReport(NamedTuple):
    """What Nx itself says of a run under its end, from 23 on. Times are in seconds; None where it is not said.

    `hits` of `cacheable` tasks came from a cache. The critical path is the longest chain of tasks that had to wait for
    each other, `critical_tasks` of them; `recoverable` is what a run with no waiting but that could have gained.
    """

    hits: int | None = None
    cacheable: int | None = None
    critical_path: float | None = None
    critical_tasks: int | None = None
    recoverable: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One nx command.

    `command` is the command line where a source has it; printed logs seldom do, so `targets` and `projects` stand in
    (`project_count` where the log names only the number). `tasks` are the tasks that a source names, in its order,
    those not run included. `stated_tasks` is a total that a source states, whether or not it names each task; 0 says
    that nothing was there to run. `seconds` is the duration where a source states it, `report` what Nx says beside it.
    `errors` are Nx's own words where it failed apart from any task. `sources` says where each part came from, `cut`
    that every source ends before the run does.
    """

    status: RunStatus
    tasks: tuple[Task, ...] = ()
    command: str | None = None
    targets: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    project_count: int | None = None
    stated_tasks: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    seconds: float | None = None
    report: RunReport | None = None
    link: Link | None = None
    errors: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    cut: bool = False

    def by_status(self, status: TaskStatus) -> Iterator[Task]:
        """The tasks with that status, in order."""
        return (task for task in self.tasks if task.status is status)

    @property
    def executed(self) -> int:
        """How many tasks have a result (cache hits included), whether or not each is named."""
        named = sum(task.status is not TaskStatus.NOT_RUN for task in self.tasks)
        return max(named, self.stated_tasks or 0)

    @property
    def duration(self) -> float | None:
        """Seconds: between the recorded times, else as the log states it, else None."""
        if self.start is not None and self.end is not None:
            return (self.end - self.start).total_seconds()
        return self.seconds


class Fix(NamedTuple):
    """A fix that Nx Cloud's self-healing suggests for failed tasks.

    `state` says in a word or two what became of it (`suggested`, `verified`, `applied`, ...), `description` what it
    changes, where Nx Cloud says so.
    """

    tasks: tuple[str, ...]
    state: str
    description: str | None
    link: Link | None


class RunGroup(NamedTuple):
    """A group of runs on Nx Cloud; usually all steps of a build share one. `status` is the worst that is known."""

    name: str
    status: RunStatus
    runs: tuple[Run, ...] = ()
    fix: Fix | None = None


class CIPipelineExecution(NamedTuple):
    """All that one pipeline ran, as Nx Cloud knows it."""

    status: RunStatus
    link: Link | None = None
    run_groups: tuple[RunGroup, ...] = ()


class Hint(NamedTuple):
    """What to add so that the next build shows more: what it does, in our words, and the line to copy."""

    text: str
    line: str


class BuildState(Enum):
    """State of a build status, in Bitbucket's words."""

    SUCCESSFUL = "SUCCESSFUL"
    FAILED = "FAILED"
    INPROGRESS = "INPROGRESS"
    STOPPED = "STOPPED"


class Counts(NamedTuple):
    """How many tasks succeeded, failed, and were not run."""

    succeeded: int
    failed: int
    not_run: int


@dataclass(frozen=True, slots=True)
class BuildStatus:
    """A build status on a commit. `branch` is the plain name of the source branch, None on a tag.

    What follows is told where the host has room for it, and makes no status another one: the build's number, its
    duration in seconds, and its tasks.
    """

    key: str
    state: BuildState
    name: str
    description: str
    url: str
    branch: str | None
    build: int | None = field(default=None, compare=False)
    seconds: float | None = field(default=None, compare=False)
    counts: Counts | None = field(default=None, compare=False)


class ReportResult(Enum):
    """Result of a Code Insights report, in Bitbucket Cloud's words."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    PENDING = "PENDING"


class Report(NamedTuple):
    """A Code Insights report on a commit, known there by its `key`. `data` has a title, a type and a value each."""

    key: str
    title: str
    details: str
    result: ReportResult
    link: str | None
    data: tuple[tuple[str, str, str | float | bool], ...] = ()


class PullRequest(NamedTuple):
    """A pull request. `head` is the source branch's last commit, possibly abbreviated; `updated` is for ordering.

    `destination` is the branch that it goes to, `base` that one's last commit; "" where they are not told.
    """

    id: int
    open: bool
    state: str
    head: str
    branch: str
    updated: str
    url: str
    destination: str = ""
    base: str = ""


class Comment(NamedTuple):
    """A comment on the whole pull request. `author` identifies an account, None where Bitbucket does not say.

    `version` is what Data Center counts its edits by, None on Cloud.
    """

    id: int
    body: str
    author: str | None
    url: str
    version: int | None = None


class AnnotationKind(Enum):
    """What an annotation tells of, in Bitbucket's words (`annotation_type`)."""

    BUG = "BUG"
    CODE_SMELL = "CODE_SMELL"


class AnnotationSeverity(Enum):
    """How much an annotation matters, in the words that Bitbucket Cloud and Data Center share."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class Annotation(NamedTuple):
    """A Code Insights annotation: what a tool found, at a line of a file of the repository.

    `id` is the writer's own key (`external_id`), which no other annotation of the report has. `path` is from the
    repository's folder; `line` counts from 1, None means the file as a whole. `failed` says that this is why something
    failed. Bitbucket Cloud takes 450 characters of `summary`, which is never empty, and 2,000 of `details`.
    """

    id: str
    path: str
    line: int | None
    kind: AnnotationKind
    severity: AnnotationSeverity
    summary: str
    details: str
    failed: bool = False
    link: str | None = None


class Download(NamedTuple):
    """A file in the repository's Downloads. `created` is Bitbucket's time, which sorts as text; "" where unknown."""

    name: str
    size: int | None
    created: str
