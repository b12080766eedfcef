"""`run.json`: what Nx writes into its cache directory at the end of every command, over the one before.

Shape, 16 to 24: `run.{command,startTime,endTime,inner}` and `tasks[].{taskId,target,projectName,hash,startTime,endTime,
params,cacheStatus,status}`, where `status` is the exit code
(https://github.com/nrwl/nx, `store-run-information-life-cycle.ts`). Tasks that were not run are not in it.
"""

from __future__ import annotations

import json

from pipe.model import CacheStatus, Run, Task, TaskStatus, result_of
from pipe.nx.values import moment, target, text, whole

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
    return Run(
        status=result_of(tasks),
        tasks=tasks,
        command=text(run.get("command")),
        start=moment(run.get("startTime")),
        end=moment(run.get("endTime")),
        stated_tasks=len(tasks),
        sources=(source,),
    )


def _task(entry: object) -> Task | None:
    if not isinstance(entry, dict) or not (name := text(entry.get("taskId"))):
        return None
    code = whole(entry.get("status"))
    return Task(
        id=name,
        # No code at all is not a success: the worst that is not contradicted.
        status=TaskStatus.SUCCESS if code == 0 else TaskStatus.FAILURE,
        target=target(name, entry.get("projectName"), entry.get("target")),
        cache=_CACHE.get(str(entry.get("cacheStatus"))),
        code=code,
        start=moment(entry.get("startTime")),
        end=moment(entry.get("endTime")),
        hash=text(entry.get("hash")),
    )
