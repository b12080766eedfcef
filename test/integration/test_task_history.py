"""Nx's task history in a clone: the tasks of commands of which nothing else tells."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipe.model import Run, RunStatus, TaskStatus
from test.conftest import CLOUD
from test.integration.test_records import collected, write
from test.workspaces import lay_out

if TYPE_CHECKING:
    from test.conftest import Step

pytestmark = pytest.mark.host(CLOUD)

HISTORY = Path(__file__).parents[1] / "data" / "history"
VERSIONS = sorted(path.stem for path in HISTORY.glob("*.json"))


def lay_history(clone: Path, version: str, last: int | None = -1) -> list[dict[str, Any]]:
    """Put a captured database into a clone, the run.json of one of its commands, and outputs; the commands."""
    lay_out(clone, "24.0.6", log=False, record=False)
    commands: list[dict[str, Any]] = json.loads((HISTORY / f"{version}.json").read_text())
    folder = clone / ".nx/workspace-data"
    folder.mkdir(parents=True)
    shutil.copy(HISTORY / f"{version}.db", folder / "abc-v2.db")
    shutil.copy(HISTORY / f"{version}.db-wal", folder / "abc-v2.db-wal")
    outputs = clone / ".nx/cache/terminalOutputs"
    outputs.mkdir(parents=True)
    for task in (task for command in commands for task in command["tasks"]):
        (outputs / task["hash"]).write_text(f"Error: {task['id']} at {task['end']}\n")
    if last is not None:
        (clone / ".nx/cache/run.json").write_text(json.dumps(run_json(commands[last])))
    return commands


def run_json(command: dict[str, Any]) -> dict[str, Any]:
    """A command as Nx writes it into run.json."""
    tasks = [
        {"taskId": task["id"], "hash": task["hash"], "cacheStatus": task["cache"], "status": task["code"]}
        | {key + "Time": _iso(task[key]) for key in ("start", "end")}
        for task in command["tasks"]
    ]
    start, end = tasks[0]["startTime"], tasks[-1]["endTime"]
    return {"run": {"command": command["command"], "startTime": start, "endTime": end}, "tasks": tasks}


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def failed(run: Run) -> list[str]:
    """The ids of a run's failed tasks."""
    return [task.id for task in run.by_status(TaskStatus.FAILURE)]


@pytest.mark.parametrize("version", VERSIONS)
def test_tasks_of_earlier_commands(tmp_path: Path, version: str) -> None:
    """Beside the last command's record the history tells of the tasks of those before it, each with its result."""
    commands = lay_history(tmp_path, version)
    found = collected(tmp_path)
    earlier, last = found.runs
    assert last.sources == (".nx/cache/run.json",)
    assert last.command == commands[-1]["command"]
    assert earlier.sources == (".nx/workspace-data/abc-v2.db",)
    assert {task["id"] for command in commands[:-1] for task in command["tasks"]} <= {task.id for task in earlier.tasks}
    bad = {task["id"] for command in commands[:-1] for task in command["tasks"] if task["code"]}
    assert set(failed(earlier)) == bad
    assert (earlier.status, found.ignored, found.last_run_only) == (RunStatus.FAILED, (), True)


def test_output_of_the_last_attempt(tmp_path: Path) -> None:
    """An output is kept for a hash: it is told with the last attempt alone, and only if that one failed."""
    lay_history(tmp_path, "20.8.4", None)
    (run,) = collected(tmp_path).runs
    outputs = {task.id: task.output for task in run.tasks if task.output}
    assert set(outputs) == {"@acme/cart:test", "@acme/cart:build"}  # core:e2e failed and then passed
    (log,) = (tmp_path / ".nx/cache/terminalOutputs").glob("13664645468793841808")
    assert outputs["@acme/cart:test"] == log.read_text()


def test_nothing_new(tmp_path: Path) -> None:
    """A history that tells of the last command alone adds no run."""
    lay_history(tmp_path, "20.8.4", None)
    commands = json.loads((HISTORY / "20.8.4.json").read_text())
    every = {"command": "nx all", "tasks": [task for command in commands for task in command["tasks"]]}
    (tmp_path / ".nx/cache/run.json").write_text(json.dumps(run_json(every)))
    found = collected(tmp_path)
    assert [run.command for run in found.runs] == ["nx all"]


def test_before_the_clone(step: Step) -> None:
    """Attempts before this build's clone, in a restored cache, are of other builds."""
    step.run("24.0.6", (1,))
    folder = step.clone / ".nx/workspace-data"
    folder.mkdir()
    shutil.copy(HISTORY / "24.0.6.db", folder / "x.db")
    (step.clone / ".git/description").touch()
    assert "workspace-data" not in step.again(BITBUCKET_EXIT_CODE="1").log


def test_with_a_log(tmp_path: Path) -> None:
    """The runs of a log take what the history knows of their tasks; what succeeded besides adds no run."""
    commands = lay_history(tmp_path, "20.8.4", None)
    task = commands[0]["tasks"][1]
    log = tmp_path / ".nx-report/nx.log"
    log.parent.mkdir()
    names = ["@acme/cart:test", "@acme/cart:test", "core:e2e", "@acme/cart:build", "@acme/cart:test"]
    printed = []
    for name in names:
        project, _, target = name.partition(":")
        end = f" NX   Running target {target} for project {project} failed\n\nFailed tasks:\n\n- {name}\n\n"
        printed.append(f"\n> nx run {name}\n\nError: no\n\n{end}")
    log.write_text("".join(printed))
    runs = collected(tmp_path).runs
    assert [failed(run) for run in runs] == [[name] for name in names]
    assert runs[0].tasks[0].end == datetime.fromtimestamp(task["end"] / 1000, UTC)
    assert all(run.sources == (".nx-report/nx.log", ".nx/workspace-data/abc-v2.db") for run in runs)


def test_with_records(tmp_path: Path) -> None:
    """Where the recorder tells of every command the history is not needed."""
    lay_history(tmp_path, "22.7.12", None)
    write(tmp_path)
    assert [run.command for run in collected(tmp_path).runs] == ["nx test api"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"SQLite format 3\0" + bytes(4_000), "is damaged"),
        (b"no database", "is not an SQLite database"),
    ],
)
def test_broken(tmp_path: Path, content: bytes, why: str) -> None:
    """A database that cannot be read is said in a line, and the rest is reported."""
    lay_history(tmp_path, "21.6.11")
    (tmp_path / ".nx/workspace-data/other.db").write_bytes(content)
    found = collected(tmp_path)
    assert len(found.runs) == 2
    assert found.ignored == (f".nx/workspace-data/other.db: {why}",)
