"""What tools found in the repository's files, as annotations of the Code Insights report. Pure.

Several runs and tasks tell of the same problem, and each once is enough. Annotations are for people: nothing of them is
read back.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pipe.model import Annotation, AnnotationKind, AnnotationSeverity, Severity, TaskStatus
from pipe.render.record import short

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from pipe.model import Problem, Task

# Bitbucket Cloud: of a report, of a summary (reviewdog#1285) and of the details (Data Center's limit).
MOST, SUMMARY_LIMIT, DETAILS_LIMIT = 1000, 450, 2000
_MOST_TASKS = 10  # that are named


class Locate(Protocol):
    """Which file of the repository is meant by a path that a task of that project printed; None where it is none."""

    def __call__(self, path: str, project_root: str | None, line: int | None = None) -> str | None:
        """The path from the repository's folder. With a line, the file must have that line."""


class Made(NamedTuple):
    """Annotations, the worst first; how many problems there was no room for, and how many are in no file of ours.

    `unread` is how many logs were not looked through, as there were enough problems without them.
    """

    annotations: tuple[Annotation, ...]
    left_out: int
    outside: int
    unread: int = 0


class _Place(NamedTuple):
    """What makes a problem the same: where it is and what is said, whatever the case and the spaces."""

    path: str
    line: int
    said: str


class _Noted(NamedTuple):
    """A problem as it was told so far: its worst telling, whether it made a task fail, and the tasks that told it."""

    problem: Problem
    failed: bool
    tasks: dict[str, None]

    @property
    def rank(self) -> int:
        """0 is worst: an error of a failed task, an error of another, a warning."""
        return 2 if self.problem.severity is not Severity.ERROR else 0 if self.failed else 1


def annotate(
    tasks: Iterable[Task],
    locate: Locate,
    key: str,
    link: Callable[[str], str | None] = lambda _: None,
    retried: Collection[str] = (),
) -> Made:
    """Make annotations of what the tasks' logs tell of, of all runs.

    `key` is the report's: ids that hold it are unique also where Bitbucket should want them so over a commit's reports.
    `link` gives the address of a task's log, by the task's id, where it has one.

    An error is a BUG, HIGH where its task failed and MEDIUM where it did not, or where its id is among those `retried`
    with success; a warning is a CODE_SMELL, LOW.
    """
    noted: dict[_Place, dict[int, _Noted]] = {}
    outside: set[tuple[str, int | None, str]] = set()
    more = unread = 0
    for task in tasks:
        if task.log is None:
            continue
        more += task.log.more_problems
        unread += task.log.unread
        for problem in task.log.problems:
            path = locate(problem.path, task.root, problem.line)
            if path is None:
                outside.add((problem.path, problem.line, problem.message))
                continue
            failed = task.status is TaskStatus.FAILURE and task.id not in retried
            _note(noted.setdefault(_place(path, problem), {}), problem, task.id, failed=failed)
    found = sorted(
        (one.rank, place.path, place.line, column, place.said, one)
        for place, by_column in noted.items()
        for column, one in by_column.items()
    )
    made = tuple(
        _annotation(_Place(path, line, said), column, one, key, link)
        for _, path, line, column, said, one in found[:MOST]
    )
    return Made(made, len(found) - len(made) + more, len(outside), unread)


def _place(path: str, problem: Problem) -> _Place:
    said = " ".join(problem.message.split()).casefold().replace("::", ".").rstrip(".")
    return _Place(path, max(problem.line or 0, 0), said)


def _note(by_column: dict[int, _Noted], problem: Problem, task: str, *, failed: bool) -> None:
    """Add a problem to those of its place, by column. A telling without a column is any telling of that place."""
    column = problem.column or 0
    if column == 0 and by_column:
        column = min(by_column)
    elif column and 0 in by_column:
        by_column[column] = by_column.pop(0)
    known = by_column.get(column)
    if known is None:
        by_column[column] = _Noted(problem, failed, {task: None})
        return
    known.tasks[task] = None
    told = _Noted(problem, failed, known.tasks)
    by_column[column] = min(known, told, key=lambda one: one.rank)


def _annotation(place: _Place, column: int, one: _Noted, key: str, link: Callable[[str], str | None]) -> Annotation:
    problem = one.problem
    error = problem.severity is Severity.ERROR
    message = " ".join(problem.message.split())
    summary = short(message or problem.rule or problem.tool or "Problem", SUMMARY_LIMIT)
    # What the summary has no room for follows the tool and the tasks.
    details = [" ".join(filter(None, (problem.tool, problem.rule))), _tasks(list(one.tasks))]
    details += [problem.message.strip()] if summary != problem.message.strip() else []
    address = next(filter(None, map(link, one.tasks)), None)
    digest = hashlib.sha256(repr((key, *place, column)).encode("utf-8", "replace")).hexdigest()
    return Annotation(
        id=f"nx-report-{digest[:32]}",
        path=place.path,
        line=place.line or None,
        kind=AnnotationKind.BUG if error else AnnotationKind.CODE_SMELL,
        severity=(AnnotationSeverity.HIGH, AnnotationSeverity.MEDIUM, AnnotationSeverity.LOW)[one.rank],
        summary=summary,
        details=short("\n".join(filter(None, details)), DETAILS_LIMIT),
        failed=one.rank == 0,
        link=address if address and address.startswith("https://") else None,
    )


def _tasks(ids: list[str]) -> str:
    more = f" and {len(ids) - _MOST_TASKS} more" if len(ids) > _MOST_TASKS else ""
    return f"{'Task' if len(ids) == 1 else 'Tasks'} {', '.join(ids[:_MOST_TASKS])}{more}"
