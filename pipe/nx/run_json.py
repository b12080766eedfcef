"""`run.json`: what Nx writes into its cache directory at the end of every command, over the one before.

Shape, 16 to 24: `run.{command,startTime,endTime,inner}` and `tasks[].{taskId,target,projectName,hash,startTime,endTime,
params,cacheStatus,status}`, where `status` is the exit code
(https://github.com/nrwl/nx, `store-run-information-life-cycle.ts`). Tasks that were not run are not in it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pipe.model import CacheStatus, Run, RunStatus, Task, TaskStatus

_CACHE = {
    "local-cache-hit": CacheStatus.LOCAL,
    "remote-cache-hit": CacheStatus.REMOTE,
    "cache-miss": CacheStatus.MISS,
}


def read(data: bytes, source: str) -> Run:
    """Read the content of a run.json.

    Raises:
        ValueError: it is cut or is not a run.json; the text says so in a line. Single tasks that make no sense are
            left out, single values become None.

    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("is not complete JSON") from None
    run = content.get("run") if isinstance(content, dict) else None
    if not isinstance(run, dict) or not isinstance(content.get("tasks"), list):
        raise ValueError("is not a run.json of Nx")  # noqa: TRY004 - the caller knows one kind of bad file
    tasks = tuple(task for entry in content["tasks"] if (task := _task(entry)) is not None)
    failed = any(task.status is not TaskStatus.SUCCESS for task in tasks)
    return Run(
        status=RunStatus.FAILED if failed else RunStatus.SUCCEEDED,
        tasks=tasks,
        command=_text(run.get("command")),
        start=_time(run.get("startTime")),
        end=_time(run.get("endTime")),
        stated_tasks=len(tasks),
        sources=(source,),
    )


def _task(entry: object) -> Task | None:
    if not isinstance(entry, dict) or not (name := _text(entry.get("taskId"))):
        return None
    code = entry.get("status")
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    return Task(
        id=name,
        # No code at all is not a success: the worst that is not contradicted.
        status=TaskStatus.SUCCESS if code == 0 else TaskStatus.FAILURE,
        target=_target(entry),
        cache=_CACHE.get(str(entry.get("cacheStatus"))),
        code=code,
        start=_time(entry.get("startTime")),
        end=_time(entry.get("endTime")),
        hash=_text(entry.get("hash")),
    )


def _target(entry: dict[str, object]) -> str | None:
    """The target's name, which may hold a colon; None where the entry does not fit its own id."""
    project, target = _text(entry.get("projectName")), _text(entry.get("target"))
    fits = project and target and f"{entry['taskId']}:".startswith(f"{project}:{target}:")
    return target if fits else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _time(value: object) -> datetime | None:
    """An ISO 8601 time with its zone, as `Date.toISOString` writes it, or milliseconds since 1970."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        moment = datetime.fromisoformat(str(value))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
