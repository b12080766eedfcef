"""What the stand-in remembers: artifacts, and CI pipeline executions made of the runs that a client uploaded."""

from __future__ import annotations

import secrets
import string
import time
from dataclasses import dataclass, field
from typing import Any

_LETTERS = string.ascii_letters + string.digits


def _link_id() -> str:
    """An id as a run has it in its URL: ten letters and digits."""
    return "".join(secrets.choice(_LETTERS) for _ in range(10))


@dataclass
class RunGroup:
    """Runs that were uploaded under one name; over once the client said so."""

    name: str
    environment: str
    created: int
    runs: list[dict[str, Any]] = field(default_factory=list)
    completed: int | None = None

    @property
    def status(self) -> str:
        """In Nx Cloud's words."""
        if self.completed is None:
            return "IN_PROGRESS"
        return "FAILED" if any(run["status"] == "FAILED" for run in self.runs) else "SUCCEEDED"


@dataclass
class Execution:
    """A CI pipeline execution. Times are in milliseconds since 1970."""

    id: str
    key: str
    branch: str | None
    created: int
    groups: dict[str, RunGroup] = field(default_factory=dict)

    @property
    def completed(self) -> int | None:
        """When its last group was over, None as long as one is not."""
        times = [group.completed for group in self.groups.values()]
        known = [moment for moment in times if moment is not None]
        return max(known) if known and len(known) == len(times) else None

    @property
    def status(self) -> str:
        """In Nx Cloud's words."""
        if self.completed is None:
            return "IN_PROGRESS"
        return "FAILED" if any(group.status == "FAILED" for group in self.groups.values()) else "SUCCEEDED"


class State:
    """Everything that was uploaded.

    `uploads` are the bodies of `/runs/end` as the client wrote them. `listed`, where a test sets it, is told in place
    of what was uploaded: the value of `ciPipelineExecutions`.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.artifacts: dict[str, bytes] = {}
        self.uploads: list[dict[str, Any]] = []
        self.executions: list[Execution] = []
        self.listed: Any = None

    def group(self, content: dict[str, Any]) -> RunGroup:
        """Give the run group that an upload names, made where it is new.

        The execution goes by `ciExecutionId`, which a client of a private Nx Cloud does not send.
        """
        name = content.get("runGroup") or ""
        key = content.get("ciExecutionId") or name
        now = int(time.time() * 1000)
        execution = next((one for one in self.executions if one.key == key), None)
        if execution is None:
            execution = Execution(secrets.token_hex(12), key, content.get("branch"), now)
            self.executions.append(execution)
        return execution.groups.setdefault(name, RunGroup(name, content.get("ciExecutionEnv") or "", now))

    def end_run(self, content: dict[str, Any], url: str) -> str:
        """Keep a run that is over; gives its page's URL."""
        self.uploads.append(content)
        link_id = content.get("linkId") or _link_id()
        failed = [task["taskId"] for task in content["tasks"] if task["status"] != 0]
        run = {
            "linkId": link_id,
            "command": content["run"]["command"],
            "status": "FAILED" if failed else "SUCCEEDED",
            "failedTasks": failed,
            "numFailedTasks": len(failed),
            "numTasks": len(content["tasks"]),
            "runUrl": f"{url}/runs/{link_id}",
        }
        self.group(content).runs.append(run)
        return str(run["runUrl"])

    def complete(self, content: dict[str, Any]) -> None:
        """Let a run group be over."""
        self.group(content).completed = int(time.time() * 1000)

    def told(self, branches: list[str], url: str) -> Any:
        """Tell the executions of these branches, in the shape of Nx Console's `CIPEInfo`."""
        if self.listed is not None:
            return self.listed
        return [_told(one, url) for one in self.executions if one.branch in branches]


def _told(execution: Execution, url: str) -> dict[str, Any]:
    return {
        "ciPipelineExecutionId": execution.id,
        "branch": execution.branch,
        "status": execution.status,
        "createdAt": execution.created,
        "completedAt": execution.completed,
        "commitTitle": None,
        "commitUrl": None,
        "cipeUrl": f"{url}/cipes/{execution.id}",
        "runGroups": [
            {
                "ciExecutionEnv": group.environment,
                "runGroup": group.name,
                "createdAt": group.created,
                "completedAt": group.completed,
                "status": group.status,
                "runs": group.runs,
            }
            for group in execution.groups.values()
        ],
    }
