"""What was found, as lines of the step's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe import __version__
from pipe.build import PIPELINES
from pipe.render import cloud, figures, runs
from pipe.render.answer import SYMBOLS, answer
from pipe.render.comment import telling
from pipe.render.text import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipe.build import Build
    from pipe.insights import Summary
    from pipe.render.comment import Frame

_MOST_RUNS, _MOST_IGNORED = 100, 20
_MOST_TOLD, _LINES = 5, 4  # failed tasks, and telling lines of each


def lines(
    summary: Summary, frame: Frame, notes: Sequence[str], pull_request: int | None, secrets: int
) -> Iterator[str]:
    """Whose report it is, the answer, where it is from, and what there is to do; all of it is clean already.

    `notes` are lines about the sources, `secrets` is how many were replaced.
    """
    build = frame.build
    yield whose(build, pull_request)
    head, rest = answer(summary, str, 20)
    yield f"{SYMBOLS[summary.answer]} {head}{rest}"
    for run in summary.runs[:_MOST_RUNS]:
        yield f"  run: {runs.label(run)} ({', '.join(run.sources)})"
    if (more := len(summary.runs) - _MOST_RUNS) > 0:
        yield f"  and {count(more, 'more run')}"
    for line in cloud.lines(summary.execution, frame.cloud_trouble):
        yield f"  {line}"
    if not summary.runs and frame.looked_in:
        yield f"  looked in: {', '.join(frame.looked_in)}"
    for line in frame.ignored[:_MOST_IGNORED]:
        yield f"  ignored: {line}"
    if (more := len(frame.ignored) - _MOST_IGNORED) > 0:
        yield f"  ignored: {more:,} more; DEBUG: 'true' names them"
    for line in (*notes, *(f"{hint.text}: {hint.line}" for hint in frame.hints), *_exit_code(build)):
        yield f"  ! {line}"
    if secrets:
        yield f"  ! {count(secrets, 'secret')} replaced in what is published"


def closing(summary: Summary, frame: Frame, links: Mapping[str, str | None]) -> Iterator[str]:
    """The result, to be read without opening anything; `links` are addresses by what they lead to."""
    insights = frame.insights
    comparison = insights.comparison if insights else None
    head, rest = answer(summary, str, 5, comparison)
    yield ""
    yield f"{SYMBOLS[summary.answer]} {frame.title}: {head}{rest}"
    for task in summary.failed[:_MOST_TOLD]:
        yield f"  ✗ {task.id}"
        told = telling(task.output).excerpt(_LINES).lines if task.output else ()
        yield from (f"      {line}" for line in told)
    if (more := len(summary.failed) - _MOST_TOLD) > 0:
        yield f"  and {count(more, 'more failed task')}"
    if insights:
        told_figures = figures.figures(insights, str)
        yield from ([f"  {' · '.join(told_figures)}"] if told_figures else [])
        compared = figures.compared(comparison, frame.destination if summary.failed else "", str, 5)
        yield from (f"  {line}" for line in (compared, figures.flaky(insights, str, 5)) if line)
    yield from (f"  {name}: {url}" for name, url in links.items() if url)


def whose(build: Build, pull_request: int | None) -> str:
    """Whose report it is."""
    ref = f"branch {build.branch}" if build.branch else f"tag {build.tag}" if build.tag else "no branch"
    where = f"pull request {pull_request}" if pull_request else ref
    return (
        f"Nx Report {__version__} · {build.workspace}/{build.repository} · {where} · build {build.number} · "
        f"commit {build.commit[:12]}"
    )


def _exit_code(build: Build) -> Iterator[str]:
    if build.exit_code is None:
        yield (
            "The step's exit code is not known: what failed outside of nx is not seen, and a task that passed on retry "
            f"counts as failed. {build.advice.exit_code}"
        )
    elif build.ci == PIPELINES and not build.exit_code.lstrip("-").isdigit():
        yield f"BITBUCKET_EXIT_CODE {build.exit_code} is no number: it is taken as a failure"
