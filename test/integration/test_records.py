"""The recorder's records in a clone: which of them count, and what is said of the others."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pipe import build as build_module
from pipe.checkout import Checkout
from pipe.model import RunStatus
from pipe.nx.collect import Collection, Collector
from pipe.nx.hints import RECIPE
from pipe.settings import Settings
from test.conftest import CLOUD
from test.workspaces import lay_out, times, variables

if TYPE_CHECKING:
    from pathlib import Path

    from test.conftest import Step

pytestmark = pytest.mark.host(CLOUD)

# Of the step that `variables` describes.
BUILD = {
    "ci": "bitbucket",
    "number": "417",
    "step": "{5b0e1c7a-2f64-4d3e-8a9b-1c2d3e4f5a6b}",
    "stepRun": "1",
    "commit": "1f3c9ab02d41",
    "job": None,
}


def write(clone: Path, name: str = "417-a-1-x.jsonl", *, whole: bool = True, **header: object) -> Path:
    """Write a record with one failed task; `header` changes its first line."""
    start = times("24.0.6", 6)[1] + timedelta(seconds=5)
    head = {"type": "run", "version": "1.0", "id": name, "build": BUILD, "command": "nx test api", **header}
    head = {"start": _ms(start), "end": _ms(start + timedelta(seconds=9)), **head}
    task = {
        "type": "task",
        "id": "api:test",
        "status": "failure",
        "code": 1,
        "start": _ms(start),
        "output": "Error: no\n",
    }
    lines: list[dict[str, Any]] = [head, task, *([{"type": "end", "tasks": 1}] if whole else [])]
    path = clone / ".nx-report" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in lines))
    return path


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A step that left neither a log nor a run.json."""
    (tmp_path / "clone").mkdir()
    return lay_out(tmp_path / "clone", "24.0.6", log=False, record=False)


def collected(clone: Path, working_directory: Path | None = None, **options: object) -> Collection:
    """Collect in the clone."""
    build, mistakes = build_module.read(variables(clone, {}), str(clone))
    assert not mistakes
    settings = Settings(**options)  # type: ignore[arg-type]
    collector = Collector(Checkout(str(clone)), settings, build, str(working_directory or clone), frozenset())
    collector.read()
    return collector.collection()


def test_every_record(clone: Path) -> None:
    """Each record of the step is a run, in the order of their starts, with its tasks and their output; no hint."""
    later = datetime(2026, 11, 24, tzinfo=UTC)
    write(clone, "417-a-1-x.jsonl", start=_ms(later), end=_ms(later), command="nx e2e api")
    write(clone, "417-a-1-y.jsonl")
    found = collected(clone)
    assert [run.command for run in found.runs] == ["nx test api", "nx e2e api"]
    assert [task.output for run in found.runs for task in run.tasks] == ["Error: no\n"] * 2
    assert (found.ignored, found.hints, found.last_run_only) == ((), (), False)


@pytest.mark.parametrize("folder", [".", "apps", "frontend"])
def test_where_records_lie(clone: Path, folder: str) -> None:
    """Records lie in the working directory, the workspace or the clone's root, as artifacts of a subfolder do."""
    (clone / "frontend").mkdir()
    (clone / "frontend/nx.json").write_text("{}")
    (clone / "apps").mkdir()
    write(clone / folder)
    assert len(collected(clone, clone / "apps", workspace_dir="../frontend").runs) == 1


@pytest.mark.parametrize(
    ("build", "why"),
    [
        ({"number": "416"}, "is of build 416, this is build 417"),
        ({"number": "41"}, "is of build 41, this is build 417"),
        ({"step": "{aaaa}"}, "is of step {aaaa} of this build, this is step {5b0e1c7a-2f64-4d3e-8a9b-1c2d3e4f5a6b}"),
        ({"stepRun": "2"}, "is of run 2 of this step, this is run 1"),
        ({"ci": "jenkins"}, "was recorded by Jenkins, this is Bitbucket Pipelines"),
    ],
)
def test_of_another_build_or_step(clone: Path, build: dict[str, str], why: str) -> None:
    """A record of another build or step is named with both, and not reported, whatever its times."""
    write(clone, "other.jsonl", build={**BUILD, **build})
    write(clone)
    found = collected(clone)
    assert len(found.runs) == 1
    assert found.ignored == (f".nx-report/other.jsonl: {why}",)


def test_without_a_build(clone: Path) -> None:
    """A record that names no build counts by its end, as any other source."""
    write(clone, "local-1.jsonl", build=None)
    write(clone, "local-2.jsonl", build=None, end=_ms(datetime(2026, 11, 22, tzinfo=UTC)))
    found = collected(clone)
    assert len(found.runs) == 1
    assert found.ignored == (
        ".nx-report/local-2.jsonl: ended 2026-11-22 00:00:00 UTC, before this build's clone at 2026-11-23 19:23:07 UTC",
    )


def test_copy(clone: Path) -> None:
    """A record that lies in two folders is one run."""
    (clone / "apps").mkdir()
    write(clone)
    write(clone / "apps")
    found = collected(clone, clone / "apps")
    assert len(found.runs) == 1
    assert found.ignored == ("apps/.nx-report/417-a-1-x.jsonl: is a copy of .nx-report/417-a-1-x.jsonl",)


@pytest.mark.parametrize(("status", "runs"), [("success", 1), ("failure", 2)])
def test_command_within_a_task(clone: Path, status: str, runs: int) -> None:
    """A command that a task started is a run of its own if that task failed, and part of it if that succeeded."""
    inner = write(clone, "inner.jsonl", inside="api:ci")
    head, task, end = (json.loads(line) for line in inner.read_text().splitlines())
    outer = {**task, "id": "api:ci", "status": status, "code": int(status == "failure")}
    outer |= {"start": head["start"] - 1000, "end": head["end"] + 1000}
    lines = [{**head, "id": "outer", "inside": None, "command": "nx ci api"}, outer, end]
    (clone / ".nx-report/outer.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    found = collected(clone)
    assert len(found.runs) == runs
    assert found.ignored == ((".nx-report/inner.jsonl: ran within api:ci, which succeeded",) if runs == 1 else ())


def test_two_writers_in_one_file(clone: Path) -> None:
    """What several commands wrote into one file is told as one run, which the log says, and no failure is lost."""
    path = write(clone)
    lines = path.read_text().splitlines(keepends=True)
    green = lines[1].replace("api:test", "core:test").replace('"failure","code":1', '"success","code":0')
    path.write_text("".join([lines[0], lines[0], green, lines[2], *lines[1:]]))
    found = collected(clone)
    (run,) = found.runs
    assert [(task.id, task.status.value) for task in run.tasks] == [("core:test", "success"), ("api:test", "failure")]
    assert found.notes == (
        ".nx-report/417-a-1-x.jsonl: was written by several commands at once, which are told as one",
    )


@pytest.mark.parametrize("name", ["417-a-1-x.jsonl", "417-a-1-x.jsonl.part"])
def test_cut(clone: Path, name: str) -> None:
    """A record without its closing line is reported as cut, under the name it has while it is written too."""
    write(clone, name, whole=False)
    found = collected(clone)
    (run,) = found.runs
    assert (run.cut, run.status, len(run.tasks)) == (True, RunStatus.FAILED, 1)
    assert found.notes == (f".nx-report/{name}: ends before its closing line, the record was cut off",)


def test_cut_in_the_middle_of_a_line(clone: Path) -> None:
    """Cut in the middle of its task's line a record is a run whose result is not known: stopped, and never green."""
    path = write(clone)
    path.write_bytes(path.read_bytes()[:-60])
    (run,) = collected(clone).runs
    assert (run.cut, run.status, run.tasks) == (True, RunStatus.CANCELED, ())


def test_very_many(step: Step) -> None:
    """A flood of records is read, so that no failure is lost, and the log stays readable: the rest is counted."""
    step.run(None)
    clone = step.clone
    for number in range(510):
        write(clone, f"417-{number:03}.jsonl")
    for number in range(30):
        write(clone, f"416-{number}.jsonl", build={**BUILD, "number": "416"})
    found = collected(clone)
    assert (len(found.runs), len(found.ignored)) == (510, 30)
    log = step.again(DRY_RUN="true").log.splitlines()
    assert len([line for line in log if line.startswith("  run: ")]) == 100
    assert "  and 410 more runs" in log
    assert len([line for line in log if line.startswith("  ignored: ")]) == 21
    assert "  ignored: 10 more; DEBUG: 'true' names them" in log


def make(path: Path, what: str) -> None:
    """Put something in the place of a record."""
    if what == "folder":
        path.mkdir(parents=True)
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "link":
        (path.parents[2] / "secret.jsonl").write_text('{"type":"run","version":"1.0"}\n')
        path.symlink_to(path.parents[2] / "secret.jsonl")
    elif what == "empty":
        path.touch()
    elif what == "newer":
        path.write_text('{"type":"run","version":"3.1"}\n')
    elif what == "binary":
        path.write_bytes(bytes(range(256)) * 100)
    else:  # one line of 2 GB
        with path.open("wb") as file:
            file.truncate(2 << 30)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("folder", "is not a regular file"),
        ("fifo", "is not a regular file"),
        ("link", "lies outside the clone directory"),
        ("empty", "is empty"),
        ("newer", "is a record of version 3.1, of which this pipe knows 1.x: take a newer pipe"),
        ("binary", "is not a record of nx-report-recorder"),
        ("a line of 2 GB", "is not a record of nx-report-recorder"),
    ],
)
def test_no_record(clone: Path, what: str, why: str) -> None:
    """What is no record is said in a line, and the others are reported."""
    write(clone)
    make(clone / ".nx-report/bad.jsonl", what)
    found = collected(clone)
    assert len(found.runs) == 1
    assert found.ignored == (f".nx-report/bad.jsonl: {why}",)


def test_a_task_of_2_gb(clone: Path) -> None:
    """A record's line of 2 GB costs neither memory nor the task: both ends of its output are there."""
    path = write(clone, whole=False)
    with path.open("r+b") as file:
        file.seek(-len(b'"}\n'), os.SEEK_END)
        file.write(b"first\\n")
        file.seek(2 << 30)
        file.write(b'\\nthe end\\n"}\n{"type":"end","tasks":1}\n')
    (run,) = collected(clone).runs
    (task,) = run.tasks
    assert (run.cut, run.status) == (False, RunStatus.FAILED)
    assert task.output is not None
    assert task.output.startswith("Error: no\nfirst\n… 2,1")
    assert task.output.endswith("the end\n")
    assert len(task.output) < 9 << 20


def test_record_log_and_run_json(step: Step) -> None:
    """The run of a record, of the log and of run.json is one, in the pipe's log and in the comment."""
    step.run("24.0.6", (6,))
    record = json.loads((step.clone / ".nx/cache/run.json").read_text())
    tasks = [
        {"type": "task", "id": one["taskId"], "status": "success" if one["status"] == 0 else "failure"}
        | {"code": one["status"], "start": _ms(datetime.fromisoformat(one["startTime"])), "output": "Error: recorded\n"}
        for one in record["tasks"]
    ]
    head = {"type": "run", "version": "1.0", "id": "1", "build": BUILD, "command": "nx affected -t lint test"}
    lines = [head, *tasks, {"type": "end", "tasks": len(tasks)}]
    (step.clone / ".nx-report/1.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    ran = step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_COMMIT=step.sandbox.pull_request.source_commit[:12])
    assert ran.log.count("  run: ") == 1
    assert "(.nx-report/1.jsonl, .nx/cache/run.json, .nx-report/nx.log)" in ran.log
    (comment,) = step.comments
    assert "Error: recorded" in comment
    assert "| `nx affected -t lint test` | ✗ 1 failed |" in comment


def test_recorder_that_is_never_called(clone: Path) -> None:
    """Where nx.json names the recorder and the installed Nx is too old to call it, the log says so."""
    (clone / "nx.json").write_text('{"plugins": ["nx-report-recorder"]}')
    (clone / "node_modules/nx/package.json").write_text('{"version": "20.3.0"}')
    assert collected(clone).notes == ("nx.json names the recorder, which Nx calls from 20.4 on; this is Nx 20.3",)
    (clone / "node_modules/nx/package.json").write_text('{"version": "20.4.0"}')
    assert collected(clone).notes == ()


def test_failure_that_no_record_explains(step: Step) -> None:
    """Where the step failed and its records are green, the line to add is told, in the log and in the comment."""
    step.run(None)
    path = write(step.clone)
    path.write_text(path.read_text().replace('"failure","code":1', '"success","code":0'))
    own = {"BITBUCKET_COMMIT": step.sandbox.pull_request.source_commit[:12]}
    why = "The step failed and no record says why: a command that is killed, or fails before any task, leaves none"
    assert f"  ! {why}. Keep what nx prints too: {RECIPE}" in step.again(BITBUCKET_EXIT_CODE="1", **own).log
    (comment,) = step.comments
    assert comment.startswith("✗ **Nx: the step failed (exit 1)** after 1 task succeeded")
    assert why in comment
    assert RECIPE in comment
    assert why not in step.again(BITBUCKET_EXIT_CODE="0", **own).log


def test_a_record_that_takes_too_long(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a record that takes too long to read the tasks up to there are reported, and that there are more is said."""
    step.run(None)
    path = write(step.clone)
    head, task, end = path.read_text().splitlines()
    more = [task.replace("api:test", f"api{number}:test") for number in range(9)]
    path.write_text("\n".join([head, *more, end, ""]))

    def slow(*_: object) -> None:
        step.clock.sleep(20)

    monkeypatch.setattr("pipe.logs.Logs.keep", slow)
    log = step.again(BITBUCKET_EXIT_CODE="1").log
    assert "✗ 3 of 3 tasks failed: api0:test, api1:test, api2:test" in log
    assert "reading it took too long: only 3 of its tasks are told" in log
    assert "TIMEOUT was near before everything was read" in log
    (comment,) = step.comments
    assert comment.startswith("✗ **Nx: 3 of 3 tasks failed")


def test_a_page_that_takes_too_long(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where writing the page takes too long the report goes out without it, and says so."""

    def write_page(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr("pipe.page.write", write_page)
    log = step.run(TIMEOUT="5").log
    assert "! .nx-report/report.html: writing it took too long for TIMEOUT" in log
    assert len(step.comments) == 1
    assert "All logs:" not in log


def test_out_of_time(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before the time was over is reported, and that it was over is said."""
    step.run(None)
    write(step.clone)
    (step.clone / ".nx-report/nx.log").write_text("x")

    def read(*_: object, **__: object) -> None:
        while True:
            pass

    monkeypatch.setattr("pipe.nx.printed.read", read)
    log = step.again(BITBUCKET_EXIT_CODE="1", TIMEOUT="5", DRY_RUN="true").log
    assert "✗ 1 of 1 task failed: api:test" in log
    assert "  ! TIMEOUT was near before everything was read. Raise it, or name less in NX_LOGS" in log
    (step.clone / ".nx-report/417-a-1-x.jsonl").unlink()
    log = step.again(BITBUCKET_EXIT_CODE="1", TIMEOUT="5", DRY_RUN="true").log
    assert "? no run found · the step failed (exit 1)\n" in log
