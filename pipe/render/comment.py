"""The pull request comment: the answer in line one, then the runs, then why each failed task failed.

Pure. At most `LIMIT` UTF-16 units, as Data Center counts, reached by rendering again with less detail and never by
cutting markup; what is left out is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pipe.insights import Answer, Summary
from pipe.render import cloud, figures, logs, reproduce, runs
from pipe.render.answer import SYMBOLS, answer
from pipe.render.markdown import code, fence, link
from pipe.render.marker import Known
from pipe.render.record import units
from pipe.render.text import count, duration, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from pipe.build import Build
    from pipe.insights.derive import Insights
    from pipe.model import Hint, Task
    from pipe.telling import Telling

LIMIT = 30_000


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """What the comment says besides the result: whose it is and where it belongs.

    `commit` is the hash to show, `nx` how this workspace starts Nx (`npx nx`), `folder` the workspace's folder where
    it is not the repository's root. `looked_in`, `ignored` and `hints` are told where nothing was found;
    `cloud_trouble` says why Nx Cloud tells nothing, where it was asked. `insights` are what the runs tell beyond their
    result, `destination` the branch that they are compared with, "" where there is none, and `logs` where the page is
    (`render.logs`). `workspace` is the workspace's folder, absolute or from the clone directory.
    """

    build: Build
    commit: str
    report_id: str = "nx"
    title: str = "Nx"
    step_name: str | None = None
    nx: str = "npx nx"
    folder: str = ""
    last_run_only: bool = False
    looked_in: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    cloud_trouble: str | None = None
    insights: Insights | None = None
    destination: str = ""
    logs: str = ""
    workspace: str = ""


class _Detail(NamedTuple):
    """How much is shown: telling lines of a task, failed tasks with a section, rows of the table, names in a list."""

    lines: int
    sections: int
    rows: int
    names: int


# From the fullest to the barest. The first whose telling lines a person would still read, and that fits, is taken.
_LADDER = (
    _Detail(lines=30, sections=50, rows=30, names=5),
    _Detail(lines=16, sections=50, rows=30, names=5),
    _Detail(lines=10, sections=50, rows=30, names=5),
    _Detail(lines=6, sections=50, rows=30, names=5),
    _Detail(lines=3, sections=40, rows=20, names=5),
    _Detail(lines=1, sections=30, rows=20, names=5),
    _Detail(lines=1, sections=10, rows=10, names=3),
    _Detail(lines=0, sections=0, rows=5, names=3),
    _Detail(lines=0, sections=0, rows=1, names=1),
)
_READABLE_LINES = 100


def render(summary: Summary, frame: Frame, now: datetime, known: Known | None = None) -> str:
    """Render the comment without its marker. `known` is the last result before, told where nothing was found now."""
    bodies = (_render(summary, frame, now, known, detail) for detail in _suited(len(summary.failed)))
    body = ""
    for body in bodies:
        if units(body) <= LIMIT:
            break
    return body


def _suited(failures: int) -> Iterable[_Detail]:
    """The steps of the ladder from the first that a person would read to the end."""
    start = next(
        (at for at, step in enumerate(_LADDER) if step.lines * min(failures, step.sections) <= _READABLE_LINES), 0
    )
    return _LADDER[min(start, 4) :]


def known(summary: Summary, frame: Frame, before: Known | None) -> Known | None:
    """The last known result after this build, given the one before it."""
    if summary.answer is Answer.NOTHING_RAN:
        return before
    return Known(frame.build.number, frame.commit, len(summary.failed), summary.total)


def _render(summary: Summary, frame: Frame, now: datetime, known: Known | None, detail: _Detail) -> str:
    if summary.answer is Answer.NOTHING_RAN:
        middle = _nothing_found(frame, known)
    else:
        middle = [
            runs.overview(summary.runs, summary.retried, detail.rows),
            *runs.notes(summary.runs, detail.rows, detail.lines),
            *cloud.section(summary.execution, frame.cloud_trouble, summary.runs, summary.retried, detail.rows),
            *_failures(summary, frame, detail),
            _reproduce(summary.failed, frame, detail),
            _insights(frame, detail, failed=bool(summary.failed)) if frame.insights else "",
            *(runs.reports(summary.runs) if detail.lines and not frame.insights else []),
            _last_run_only(summary) if frame.last_run_only else "",
            *(_hints(frame) if summary.answer is Answer.STEP_FAILED else []),
        ]
    parts = [first_line(summary, frame, detail.names), *middle, _footer(frame, now)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _last_run_only(summary: Summary) -> str:
    """That more commands may have run than are seen."""
    besides = ", and what Nx's task history has of those before it" if len(summary.runs) > 1 else ""
    return (
        f"This is the last nx command of the step only{besides}. To see all of them, keep what nx prints in "
        "`.nx-report/`; the step's log has the line to add."
    )


# --- line one ---------------------------------------------------------------------------------------------------------


def first_line(summary: Summary, frame: Frame, names: int = 5) -> str:
    """The answer, in Markdown."""
    head, rest = answer(summary, _name, names, frame.insights.comparison if frame.insights else None)
    line = f"{SYMBOLS[summary.answer]} **{frame.title}: {head}**{rest}"
    if summary.answer is Answer.NOTHING_RAN:
        line += f" · {code(frame.commit[:12])} · {link('step log', frame.build.step_url)}"
    return line


def _name(text: str) -> str:
    return code(text, limit=100)


# --- why it failed ----------------------------------------------------------------------------------------------------


def _failures(summary: Summary, frame: Frame, detail: _Detail) -> list[str]:
    parts = []
    for task in summary.failed[: detail.sections]:
        parts.append(_heading(task, frame))
        excerpt = telling(task.output).excerpt(detail.lines) if task.output and detail.lines else None
        if excerpt and excerpt.lines:
            parts.append(fence(list(excerpt.lines)))
            if excerpt.left_out:
                log = logs.task(frame.logs, task.id) or link("step log", frame.build.step_url)
                parts.append(f"{count(excerpt.left_out, 'more line')} like these in the {log}")
        elif not task.output:
            parts.append(_elsewhere(task, summary, frame))
    left_out = summary.failed[detail.sections :]
    if left_out and detail.sections:
        names = ", ".join(_name(task.id) for task in left_out[:10])
        parts.append(f"{count(len(left_out), 'more failed task')}: {names}" + (", …" if len(left_out) > 10 else ""))  # noqa: PLR2004
    elif left_out:
        parts.append(f"Too much to show here; see the {link('step log', frame.build.step_url)}.")
    return parts


def _elsewhere(task: Task, summary: Summary, frame: Frame) -> str:
    """Where the output of a failed task is to be found that no source has."""
    if (run := cloud.run_of(task, summary)) is None:
        return f"Its output was not recorded; see the {link('step log', frame.build.step_url)}."
    where = link("Nx Cloud", run.link.url) if run.link and run.link.live else "Nx Cloud"
    return f"In {code(runs.label(run))}, as Nx Cloud knows; its output is on {where}."


@lru_cache(maxsize=_LADDER[0].sections)
def telling(output: str) -> Telling:
    """Read an output once, however often the comment is rendered."""
    from pipe.telling import Telling  # noqa: PLC0415 - not needed where nothing failed

    return Telling(output)


def _heading(task: Task, frame: Frame) -> str:
    insights = frame.insights
    comparison = insights.comparison if insights else None
    parts = [f"**{code(task.id)}**"]
    if comparison and task.id in (*comparison.new, *comparison.known):
        parts.append(newness(code(comparison.branch), known=task.id in comparison.known))
    if task.start and task.end:
        parts.append(duration((task.end - task.start).total_seconds()))
    if task.flaky or (insights and any(one.id == task.id for one in insights.flaky)):
        parts.append("flaky")
    return " · ".join(filter(None, (*parts, logs.task(frame.logs, task.id))))


def newness(branch: str, *, known: bool) -> str:
    """Whether a failure is one of this pull request's own, or stands on the destination branch too."""
    return f"failing on {branch} too" if known else f"new, not failing on {branch}"


def _insights(frame: Frame, detail: _Detail, *, failed: bool) -> str:
    """What the runs tell beyond their result, in one block."""
    insights = frame.insights
    if insights is None or not detail.lines:
        return ""
    told = " · ".join(figures.figures(insights, _name))
    lines = (
        f"**Insights:** {told}" if told else "",
        figures.compared(insights.comparison, frame.destination if failed else "", _name, detail.names),
        figures.flaky(insights, _name, detail.names),
    )
    return "\n\n".join(filter(None, lines))


def _reproduce(failed: Sequence[Task], frame: Frame, detail: _Detail) -> str:
    """The one command that runs what failed again."""
    command = reproduce.command(failed, frame.nx) if detail.sections else None
    return f"Try it{f' in {code(frame.folder)}' if frame.folder else ''}: {_command(command)}" if command else ""


def _command(command: str) -> str:
    """A command to be copied: as it is, so in a block of its own where a code span would change it."""
    span = code(command, limit=reproduce.LONGEST)
    return span if span == f"`{command}`" else "\n\n" + fence([command])


# --- nothing found ----------------------------------------------------------------------------------------------------


def _nothing_found(frame: Frame, known: Known | None) -> list[str]:
    parts = []
    if known:
        sign = f"✗ {known.failed:,} of {known.total:,} failed" if known.failed else f"✓ {count(known.total, 'task')}"
        parts.append(f"Last known result: {sign}, {code(known.commit[:12])}, build {known.build}.")
    if frame.looked_in:
        parts.append("Looked in " + ", ".join(code(place) for place in frame.looked_in[:6]) + ".")
    parts += [f"Ignored: {code(line, limit=300)}" for line in frame.ignored[:6]]
    parts += cloud.section(None, frame.cloud_trouble, (), (), 0)
    return parts + _hints(frame)


def _hints(frame: Frame) -> list[str]:
    """What to add, each with the line to copy."""
    return [f"{hint.text}: {_command(hint.line)}" for hint in frame.hints]


def _footer(frame: Frame, now: datetime) -> str:
    build = frame.build
    parts = [
        link(code(frame.commit[:12]), build.commit_url),
        link(f"build {build.number}", build.step_url),
        *([f"step {code(frame.step_name)}"] if frame.step_name else []),
        logs.page(frame.logs, build.step_url),
        moment(now),
    ]
    return " · ".join(filter(None, parts))
