"""Runs in Markdown: a table, and what there is to say under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Run, RunReport, RunStatus, TaskStatus
from pipe.render.markdown import code, fence, link, table
from pipe.render.text import count, duration
from pipe.steps import RunLine

if TYPE_CHECKING:
    from collections.abc import Sequence

_PAGES = 5  # on unknown hosts that are told
_REPORTS = 3  # runs whose own report is told: the longest, and others
_WORTH_IT = 1.0  # that took so many seconds


def overview(runs: Sequence[Run], retried: Sequence[str], rows: int, groups: Sequence[str] = ()) -> str:
    """A table of at most `rows` runs, "" where there are none; `groups` names the run group of each, if at all."""
    if not runs:
        return ""
    # What failed is never left out for what did not.
    worst = sorted(range(len(runs)), key=lambda at: (-runs[at].status.severity, at))[:rows]
    cells = []
    for at in sorted(worst):
        run = runs[at]
        failed = {task.id for task in run.by_status(TaskStatus.FAILURE)}
        nothing = run.stated_tasks == 0 and not run.tasks
        name, *rest = row(line(run), retried=bool(failed) and failed <= set(retried), nothing=nothing)
        cells.append([name, *([code(groups[at])] if groups else []), *rest])
    head = [HEAD[0], *(["Run group"] if groups else []), *HEAD[1:]]
    left_out = len(runs) - len(cells)
    return table(head, cells) + (f"\n\n{count(left_out, 'more run')}" if left_out else "")


def label(run: Run) -> str:
    """What names a run: its command line, else its targets and projects, else where it was found."""
    if run.command:
        return run.command
    if run.targets:
        number = run.project_count or len(run.projects)
        few = len(run.projects) in range(1, 4)
        where = ", ".join(run.projects) if few else count(number, "project")
        return f"{', '.join(run.targets)} for {where}" if number else ", ".join(run.targets)
    ids = [task.id for task in run.tasks[:2]]
    return "nx run " + ", ".join(ids) if len(ids) == 1 else "nx"


def notes(runs: Sequence[Run], rows: int, lines: int) -> list[str]:
    """What else there is to say of runs: Nx's own errors, and pages that are no link."""
    told = []
    for run in runs:
        if run.errors and lines:
            shown = list(run.errors[: max(3, lines // 2)])
            left_out = len(run.errors) - len(shown)
            told.append(f"**{code(label(run))}**")
            told.append(fence(shown) + (f"\n\n{count(left_out, 'more line')}" if left_out else ""))
        told += pages([run])
    return told[: 2 * rows]


def pages(runs: Sequence[Run]) -> list[str]:
    """Pages that are no link, as nobody vouches for their host."""
    unknown = dict.fromkeys(run.link.url for run in runs if run.link and not run.link.live)
    return [
        f"Run page, on a host that this pipe does not know: {code(url, limit=300)}" for url in list(unknown)[:_PAGES]
    ]


def reports(runs: Sequence[Run]) -> list[str]:
    """Nx's own figures of the longest runs."""
    known = [(run, run.report) for run in runs if run.report]
    longest = sorted(known, key=lambda one: -(one[0].duration or 0))[:_REPORTS]
    longest = longest[:1] + [one for one in longest[1:] if (one[0].duration or 0) >= _WORTH_IT]
    return [
        f"Nx's report{f' of {code(label(run))}' if len(known) > 1 else ''}: {', '.join(figures)}"
        for run, report in known
        if (run, report) in longest and (figures := _figures(report))
    ]


def _figures(report: RunReport) -> list[str]:
    figures = []
    if report.hits is not None and report.cacheable is not None:
        figures.append(f"{report.hits:,} of {report.cacheable:,} from the cache")
    if report.critical_path is not None:
        tasks = f" over {count(report.critical_tasks, 'task')}" if report.critical_tasks else ""
        figures.append(f"critical path {duration(report.critical_path)}{tasks}")
    if report.recoverable is not None:
        figures.append(f"recoverable {duration(report.recoverable)}")
    return figures


def line(run: Run) -> RunLine:
    """A run as a row of the table."""
    return RunLine(
        label=label(run),
        status=run.status,
        executed=run.executed,
        cached=sum(task.cached for task in run.tasks),
        failed=len({task.id for task in run.by_status(TaskStatus.FAILURE)}),
        not_run=sum(1 for _ in run.by_status(TaskStatus.NOT_RUN)),
        seconds=run.duration,
        cut=run.cut,
        link=run.link,
    )


HEAD = ["Command", "Result", "Time", "Tasks"]


def row(one: RunLine, *, retried: bool, nothing: bool) -> list[str]:
    """A run's cells: `retried` says that all that failed passed on retry, `nothing` that there was nothing to do."""
    time = "–" if one.seconds is None else duration(one.seconds)
    tasks = f"{one.executed:,}" + (f", {one.cached:,} cached" if one.cached else "")
    return [code(one.label), _result(one, retried=retried, nothing=nothing), time, tasks]


def _result(one: RunLine, *, retried: bool, nothing: bool) -> str:
    parts = [f"{one.failed:,} failed"] if one.failed else []
    parts += [f"{one.not_run:,} not run"] if one.not_run else []
    parts += ["passed on retry"] if retried else []
    if nothing and one.status is RunStatus.SUCCEEDED:
        return "– nothing to do"
    symbol, word = {
        RunStatus.SUCCEEDED: ("✓", ""),
        RunStatus.FAILED: ("✗", "failed"),
        RunStatus.TIMED_OUT: ("✗", "timed out"),
        RunStatus.CANCELED: ("■", "stopped"),
    }.get(one.status, ("…", "running"))
    if one.cut:
        parts.append("cut off")
    text = " ".join([symbol, *([", ".join(parts)] if parts else [word] if word else [])])
    return link(text, one.link.url) if one.link and one.link.live else text
