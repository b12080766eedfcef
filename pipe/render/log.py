"""What was found, as lines of the step's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe import __version__
from pipe.render import cloud, runs
from pipe.render.answer import SYMBOLS, answer
from pipe.render.text import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipe.build import Build
    from pipe.insights import Summary
    from pipe.render.comment import Frame

_MOST_RUNS, _MOST_IGNORED = 100, 20


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
            "counts as failed. Add to the pipe's variables: BITBUCKET_EXIT_CODE: $BITBUCKET_EXIT_CODE"
        )
    elif not build.exit_code.lstrip("-").isdigit():
        yield f"BITBUCKET_EXIT_CODE {build.exit_code} is no number: it is taken as a failure"
