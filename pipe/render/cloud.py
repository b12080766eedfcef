"""What Nx Cloud knows of the whole pipeline, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import CIPipelineExecution, Fix, Run, RunStatus, Task
from pipe.render import runs
from pipe.render.markdown import code, link

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipe.insights import Summary

_WORDS = {
    RunStatus.NOT_STARTED: "… not started",
    RunStatus.IN_PROGRESS: "… running",
    RunStatus.SUCCEEDED: "✓ succeeded",
    RunStatus.FAILED: "✗ failed",
    RunStatus.CANCELED: "■ canceled",
    RunStatus.TIMED_OUT: "✗ timed out",
}


def section(
    execution: CIPipelineExecution | None, trouble: str | None, own: Sequence[Run], retried: Sequence[str], rows: int
) -> Iterator[str]:
    """The pipeline execution's result and link, its runs besides the step's `own`, and suggested fixes.

    Without any link nobody knows which of Nx Cloud's runs are the step's own.
    """
    what = "what else this pipeline ran" if any(run.link for run in own) else "what this pipeline ran"
    if trouble:
        yield f"Nx Cloud: {code(trouble, limit=300)}"
    if execution is None:
        return
    state = _WORDS[execution.status]
    if execution.link:
        live = execution.link.live
        state = link(state, execution.link.url) if live else f"{state} {code(execution.link.url, limit=300)}"
    named = [(group, run) for group in execution.run_groups for run in group.runs]
    yield f"**Nx Cloud**: {state}" + (f" · {what}:" if named else "")
    several = [group.name for group, _ in named] if len(execution.run_groups) > 1 else ()
    if table := runs.overview([run for _, run in named], retried, rows, several):
        yield table
    yield from runs.pages([run for _, run in named])
    for group in execution.run_groups[:rows]:
        if group.fix:
            yield _fix(group.fix)


def lines(execution: CIPipelineExecution | None, trouble: str | None) -> Iterator[str]:
    """The same as plain text for the log."""
    if trouble:
        yield f"! Nx Cloud: {trouble}"
    if execution is None:
        return
    yield f"Nx Cloud: {_WORDS[execution.status]}" + (f" {execution.link.url}" if execution.link else "")
    for group in execution.run_groups:
        for run in group.runs:
            yield f"  run group {group.name}: {_WORDS[run.status]}: {runs.label(run)}"
        if group.fix:
            where = f" {group.fix.link.url}" if group.fix.link else ""
            yield f"  run group {group.name}: fix {group.fix.state}{where}"


def _fix(fix: Fix) -> str:
    """A fix that Nx Cloud's self-healing suggests."""
    tasks = ", ".join(code(name) for name in fix.tasks[:3]) + (", …" if len(fix.tasks) > 3 else "")  # noqa: PLR2004
    name = link("Nx Cloud's fix", fix.link.url) if fix.link and fix.link.live else "Nx Cloud's fix"
    what = f": {code(fix.description, limit=300)}" if fix.description else ""
    return f"{name}{f' for {tasks}' if tasks else ''}, {fix.state}{what}"


def run_of(task: Task, summary: Summary) -> Run | None:
    """The run of another step, known from Nx Cloud alone, in which a task failed."""
    if any(task.id == own.id for run in summary.runs for own in run.tasks):
        return None
    groups = summary.execution.run_groups if summary.execution else ()
    return next((run for group in groups for run in group.runs if any(task.id == one.id for one in run.tasks)), None)
