"""run.json, as Nx wrote it and as an accident left it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipe.model import CacheStatus, RunStatus, TaskStatus
from pipe.nx.run_json import read

CAPTURES = sorted((Path(__file__).parents[1] / "data" / "nx-runs").glob("*/*.run.json"))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_captures(path: Path) -> None:
    """Every captured run.json gives its command, its times and each task with the exit code that Nx wrote."""
    written = json.loads(path.read_bytes())
    run = read(path.read_bytes(), "run.json")
    assert run.command == written["run"]["command"]
    assert run.start is not None
    assert run.end is not None
    assert run.start < run.end
    assert [(task.id, task.code) for task in run.tasks] == [(one["taskId"], one["status"]) for one in written["tasks"]]
    assert (run.status is RunStatus.FAILED) == any(one["status"] != 0 for one in written["tasks"])
    assert all(task.cache is not None and task.hash for task in run.tasks)


def test_captures_are_there() -> None:
    """The captures cover four major versions, so that the test above is about something."""
    assert {path.parent.name.split(".")[0] for path in CAPTURES} == {"17", "20", "21", "24"}


def test_truncated() -> None:
    """A run.json cut anywhere is said to be incomplete; no cut one is read as a shorter run."""
    data = CAPTURES[0].read_bytes().rstrip()
    for length in range(0, len(data), 13):
        with pytest.raises(ValueError, match="complete JSON"):
            read(data[:length], "run.json")


@pytest.mark.parametrize(
    "data", [b"[]", b"null", b'{"run": 1, "tasks": []}', b'{"run": {}, "tasks": {}}', b"[" * 100_000]
)
def test_other_json(data: bytes) -> None:
    """JSON of another shape is said to be none of Nx's."""
    with pytest.raises(ValueError, match=r"is not"):
        read(data, "run.json")


def test_odd_values() -> None:
    """A value of another type is not known, an entry without an id is left out, and no exit code is no success."""
    run = read(
        json.dumps(
            {
                "run": {"command": 7, "startTime": "yesterday", "endTime": 1795461744971},
                "tasks": [
                    {
                        "taskId": "a:test",
                        "status": 0,
                        "cacheStatus": "remote-cache-hit",
                        "startTime": "2026-11-23T19:22:26",
                    },
                    {"taskId": "b:test", "status": None, "cacheStatus": "odd", "hash": 5},
                    {"taskId": ""},
                    "c:test",
                ],
            }
        ).encode(),
        "run.json",
    )
    assert (run.command, run.start, run.end) == (None, None, datetime(2026, 11, 23, 19, 22, 24, 971000, UTC))
    assert [(task.id, task.status, task.cache) for task in run.tasks] == [
        ("a:test", TaskStatus.SUCCESS, CacheStatus.REMOTE),
        ("b:test", TaskStatus.FAILURE, None),
    ]
    assert run.tasks[0].start == datetime(2026, 11, 23, 19, 22, 26, tzinfo=UTC)
