"""The whole result as one object: `report.json`, which other programs read, and what the page shows. Pure.

docs/report.schema.json describes it. A minor version adds fields, a major one may change anything.
"""

from __future__ import annotations

import json
import re
from datetime import UTC
from math import inf
from typing import TYPE_CHECKING, Any

from pipe import __version__
from pipe.model import TaskStatus
from pipe.render.answer import answer
from pipe.render.comment import telling
from pipe.render.record import short
from pipe.render.runs import label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pipe.insights import Summary
    from pipe.insights.derive import Insights
    from pipe.insights.durations import Change
    from pipe.model import Problem, Run, Task
    from pipe.render.comment import Frame

    Json = dict[str, Any]

VERSION = "1.0"
_NAMES = 5  # of failed tasks in line one
_NAME = 100  # characters of each
_TELLING = 30  # lines of a failed task
_TOLD = 50  # failed tasks that have such lines; reading an output takes time
_PROBLEMS, _ALL_PROBLEMS = 100, 20_000  # of a task, and of all; the rest is counted
_HASH = r"[0-9A-Za-z_-]{1,128}"
_LARGEST = 1 << 53  # the largest whole number that every reader of JSON knows


def document(
    summary: Summary,
    insights: Insights,
    frame: Frame,
    now: datetime,
    *,
    steps: Sequence[str | None] = (),
    locate: Callable[[str, str | None], str | None] | None = None,
) -> Json:
    """Put the result together.

    `steps` names the pipeline step of each of the summary's runs, where these are of several; else all are of the
    frame's. `locate` gives, of a path as a tool printed it and the folder of its project, the path of the file in the
    repository, None where there is none; such a path stays as printed.
    """
    others = [
        (run, group.name) for group in (summary.execution.run_groups if summary.execution else ()) for run in group.runs
    ]
    runs = [*summary.runs, *(run for run, _ in others)]
    names = steps or [frame.step_name] * len(summary.runs)
    build = frame.build
    return {
        "version": VERSION,
        "generator": f"nx-report {__version__}",
        "report": {"id": frame.report_id, "title": frame.title},
        "build": {
            "number": build.number,
            "url": build.url,
            "commit": frame.commit,
            "branch": build.branch,
            "pullRequest": build.pull_request,
            "repository": build.repository_url,
            "step": {
                "name": frame.step_name,
                "uuid": build.step_uuid,
                "run": build.step_run,
                "url": build.step_url,
            },
        },
        "time": _time(now),
        "result": summary.answer.value,
        "answer": "".join(answer(summary, lambda text: short(text, _NAME), _NAMES, insights.comparison)),
        "exitCode": summary.exit_code,
        "totals": {
            "tasks": summary.total,
            "failed": len(summary.failed),
            "cached": summary.cached,
            "notRun": len(summary.not_run),
            "seconds": _seconds(summary.seconds),
        },
        "runs": [
            *(_run(run, name, None) for run, name in zip(summary.runs, names, strict=True)),
            *(_run(run, None, group) for run, group in others),
        ],
        "tasks": list(_tasks(summary, insights, runs, locate)),
        "insights": _insights(insights),
    }


def dump(document: Json) -> str:
    """Write it as JSON in one line, of ASCII characters alone."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def _run(run: Run, step: str | None, group: str | None) -> Json:
    return {
        "command": run.command,
        "label": label(run),
        "status": run.status.value,
        "start": _time(run.start),
        "end": _time(run.end),
        "seconds": _seconds(run.duration),
        "link": run.link.url if run.link and run.link.live else None,
        "errors": list(run.errors),
        "sources": list(run.sources),
        "step": step,
        "group": group,
        "cut": run.cut,
    }


def _tasks(
    summary: Summary,
    insights: Insights,
    runs: Sequence[Run],
    locate: Callable[[str, str | None], str | None] | None,
) -> Iterator[Json]:
    """The tasks of each run, in its order."""
    critical = {(path.run, name) for path in insights.critical_paths for name in path.tasks}
    flaky = {one.id for one in insights.flaky}
    retried = set(summary.retried)
    compared: dict[str, str] = {}
    if (found := insights.comparison) is not None:
        for word, ids in (("new", found.new), ("known", found.known), ("fixed", found.fixed)):
            compared |= dict.fromkeys(ids, word)
    room, left = _TOLD, _ALL_PROBLEMS
    for place, run in enumerate(runs):
        for task in run.tasks:
            lines, reason = [], None
            if task.status is TaskStatus.FAILURE and task.output and room:
                room -= 1
                told = telling(task.output)
                lines = list(told.excerpt(_TELLING).lines)
                reason = next(iter(told.excerpt(1).lines), None)
            problems = task.log.problems if task.log else ()
            shown = problems[: min(_PROBLEMS, left)]
            left -= len(shown)
            yield {
                "id": task.id,
                "project": task.project,
                "target": task.target,
                "run": place,
                "status": task.status.value,
                "cache": task.cache.value if task.cache else None,
                "cacheable": task.cacheable,
                "code": _whole(task.code),
                "start": _time(task.start),
                "end": _time(task.end),
                "hash": _hash(task),
                "flaky": task.id in flaky,
                "retried": task.id in retried,
                "compared": compared.get(task.id),
                "critical": (place, task.id) in critical,
                "dependencies": None if task.dependencies is None else list(task.dependencies),
                "root": task.root,
                "log": (
                    {"id": task.log.id, "characters": task.log.characters, "lines": task.log.lines}
                    if task.log
                    else None
                ),
                "reason": reason,
                "telling": lines,
                "problems": [_problem(one, task.root, locate) for one in shown],
                "moreProblems": len(problems) - len(shown),
            }


def _problem(one: Problem, root: str | None, locate: Callable[[str, str | None], str | None] | None) -> Json:
    path = locate(one.path, root) if locate else None
    return {
        "path": path or one.path,
        "line": _whole(one.line),
        "column": _whole(one.column),
        "severity": one.severity.value,
        "message": one.message,
        "rule": one.rule,
        "tool": one.tool,
    }


def _insights(found: Insights) -> Json:
    cache, saved, many, compared = found.cache, found.saved, found.parallelism, found.comparison
    return {
        "cache": {"local": cache.local, "remote": cache.remote, "cacheable": cache.cacheable} if cache else None,
        "saved": (
            {
                "seconds": _seconds(saved.seconds),
                "tasks": saved.tasks,
                "hits": saved.hits,
                "sameHash": saved.same_hash,
                "usual": saved.usual,
            }
            if saved
            else None
        ),
        "criticalPaths": [
            {
                "run": path.run,
                "tasks": list(path.tasks),
                "length": path.length,
                "seconds": _seconds(path.seconds),
                "source": path.source,
                "window": _seconds(path.window),
                "gain": _seconds(path.gain),
            }
            for path in found.critical_paths
        ],
        "slowest": [{"id": one.id, "run": one.run, "seconds": _seconds(one.seconds)} for one in found.slowest],
        "parallelism": (
            {
                "start": _time(many.start),
                "steps": [[_seconds(at), tasks] for at, tasks in many.steps],
                "average": round(many.average, 2),
                "peak": many.peak,
            }
            if many
            else None
        ),
        "flaky": [{"id": one.id, "why": one.why} for one in found.flaky],
        "comparison": (
            {
                "branch": compared.branch,
                "commit": compared.commit,
                "new": list(compared.new),
                "known": list(compared.known),
                "fixed": list(compared.fixed),
                "unknown": list(compared.unknown),
            }
            if compared
            else None
        ),
        "slower": list(map(_change, found.slower)),
        "faster": list(map(_change, found.faster)),
    }


def _change(one: Change) -> Mapping[str, object]:
    return {
        "id": one.id,
        "seconds": _seconds(one.seconds),
        "usual": _seconds(one.usual),
        "spread": _seconds(one.spread),
        "builds": one.builds,
    }


def _time(moment: datetime | None) -> str | None:
    """`2026-11-23T19:22:00.123Z`."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat('T', 'milliseconds')}Z" if moment else None


def _seconds(value: float | None) -> float | None:
    """As precise as Nx's times are: to the millisecond."""
    return round(value, 3) if value is not None and 0 <= value < inf else None


def _whole(value: int | None) -> int | None:
    return value if value is not None and abs(value) <= _LARGEST else None


def _hash(task: Task) -> str | None:
    """The hash, where it looks like one: it is the only text here that nobody has cleaned."""
    return task.hash if task.hash and re.fullmatch(_HASH, task.hash) else None
