"""Printed logs: real captures of Nx 16 to 24, held to what Nx itself recorded of each run."""

from __future__ import annotations

import gzip
import json
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipe.model import RunStatus, TaskStatus
from pipe.nx.printed import log, scan
from pipe.terminal import strip_escapes
from test.conftest_tools import captures
from test.unit.test_printed import GREEN, START, one, read, statuses

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPTURES = sorted((Path(__file__).parents[1] / "data" / "printed").glob("*.log"))
NAMES = [path.stem for path in CAPTURES]
WORDS = {
    "test": "expected 42 to equal 41",
    "pack": "expected 42 to equal 41",
    "e2e": "hang up",
    "slow": "slow starts\n",
}


@pytest.mark.parametrize("path", CAPTURES, ids=NAMES)
def test_capture(path: Path) -> None:
    """A capture is one run with the result, the tasks and the cache hits of Nx's own record."""
    truth = json.loads(path.with_suffix(".json").read_text())
    stopped = path.stem.endswith(("-stopped", "-terminated"))
    run = one(path.read_bytes())
    if "did not complete" in path.read_text(errors="replace"):
        assert run.status is RunStatus.CANCELED
    if stopped:
        # 22.7.12 that is terminated prints that it "Successfully ran": the exit code is the only other word.
        assert run.status is not RunStatus.SUCCEEDED or path.stem == "22.7.12-terminated"
    else:
        # 18 ends with 0 when there is no such base, and says "Command failed": the words count.
        assert (run.status is RunStatus.SUCCEEDED) == (truth["exit"] == 0 and not run.errors)
        assert not run.cut
    if "tasks" not in truth:
        assert stopped or run.errors
        return
    found = {task.id: (task.status is TaskStatus.SUCCESS, task.cached) for task in run.tasks if task.cache}
    real = {task["id"]: (task["code"] == 0, "hit" in task["cache"]) for task in truth["tasks"]}
    if path.stem.endswith(("pty-dynamic-one", "not-run-one")):
        # The tasks that one task depends on are not all named in these styles (16, 17; with a terminal: all versions).
        real = {name: result for name, result in real.items() if name in found or not result[0]}
    if not stopped:
        assert found == real
    log = path.read_text(errors="replace").replace("\r", "") + "\n"
    for task in run.tasks:
        if task.status is TaskStatus.FAILURE:
            output = (task.output or "").replace("\r", "") + "\n"
            # Where Nx itself lost a task's last words (streamed without prefixes, now and then) the log has none.
            assert output.count(WORDS[task.id.split(":")[1]]) == (WORDS[task.id.split(":")[1]] in log)
            assert not task.output or strip_escapes(task.output.strip("\n").split("\n")[-1]).strip()
            assert not re.search("Failed tasks:|Executing|Running target", output)
        else:
            assert task.output is None


WARNED = [path for path in CAPTURES if "-some-without" in path.stem and b"\x1b[33m" in path.read_bytes()]


@pytest.mark.parametrize("path", WARNED, ids=[path.stem for path in WARNED])
def test_yellow_is_no_error(path: Path) -> None:
    """A warning is no error of the run whatever its title, where the badge is yellow; where it is red it is one."""
    data = path.read_bytes().replace(b"The following projects do not have", b"Could not find what has")
    assert one(data).errors == ()
    assert any(run.errors for run in read(data.replace(b"\x1b[33m", b"\x1b[31m")))


@pytest.mark.parametrize("path", CAPTURES, ids=NAMES)
def test_windows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much is scanned or read at once, and how lines that can be marks are found, changes nothing."""
    data = path.read_bytes()
    whole = read(data)
    monkeypatch.setattr(scan, "MANY", 0)
    assert read(data) == whole
    for size in (64, 1000):
        monkeypatch.setattr(scan, "WINDOW", size)
        monkeypatch.setattr(log, "PIECE", size)
        assert read(data) == whole


@pytest.mark.parametrize("path", CAPTURES, ids=NAMES)
def test_truncated(path: Path) -> None:
    """A file that is cut off anywhere is read without an error and never looks better than the whole."""
    data = path.read_bytes()
    failed = any(run.status is not RunStatus.SUCCEEDED for run in read(data))
    for end in range(0, len(data), 97):
        for run in read(data[:end]):
            assert not (failed and run.status is RunStatus.SUCCEEDED)


@pytest.mark.parametrize("path", CAPTURES, ids=NAMES)
def test_mutated(path: Path) -> None:
    """Other line ends, a repetition and another run after it hide no failed task; nothing that is mixed in raises."""
    data = path.read_bytes()
    lines = data.split(b"\n")
    other = CAPTURES[(CAPTURES.index(path) + 7) % len(CAPTURES)].read_bytes()
    whole = failed(data)
    for changed in (data.replace(b"\r", b"").replace(b"\n", b"\r\n"), data * 3, data + other, other + data):
        assert whole <= failed(changed)
    chance = random.Random(path.stem)
    for _ in range(10):
        mixed = list(lines)
        for line in other.split(b"\n"):
            mixed.insert(chance.randrange(len(mixed) + 1), line)
            del mixed[chance.randrange(len(mixed))]
        read(b"\n".join(mixed))
        places = [chance.randrange(len(data)) for _ in range(20)]
        read(bytes(chance.randrange(256) if at in places else byte for at, byte in enumerate(data)))


def failed(data: bytes) -> set[str]:
    """Name the tasks that failed in any run."""
    return {task.id for run in read(data) for task in run.by_status(TaskStatus.FAILURE)}


@pytest.mark.parametrize("version", ["22.7.12", "23.3.2", "24.0.6"])
def test_end_on_stderr_comes_early(version: str) -> None:
    """The closing part of a failed run goes to stderr and can come before what failed: it is still one run."""
    data = next(path for path in CAPTURES if path.stem == f"{version}-run-many").read_bytes()
    end = data.rindex(b"\n", 0, data.rindex(b"NX "))
    closing, report = data[end:].partition(b"  Run duration")[0], data[end:].partition(b"  Run duration")[2]
    header = data.rindex(b"\n", 0, data.rindex(b"nx run"))
    run = one(data[:header] + closing + data[header:end] + b"\n" + report)
    assert statuses(run)["@acme/cart:test"] == "failure"
    output = next(task.output for task in run.tasks if task.output)
    assert WORDS["test"] in output
    assert "Failed tasks" not in output


def test_captures_are_there() -> None:
    """Each version from 16 to 24 has its captures."""
    assert {name.split(".")[0] for name in NAMES} == {str(major) for major in range(16, 25)}


@pytest.mark.parametrize("path", [p for p in CAPTURES if p.stem.endswith("-not-run")], ids=lambda path: path.stem)
def test_not_run(path: Path) -> None:
    """A task that did not run because another failed is named as such, where the version lists it."""
    run = one(path.read_bytes())
    assert statuses(run)["web:pack"] == "not-run"
    assert run.targets == ("pack",)
    assert run.project_count == 3


@pytest.mark.parametrize("path", [p for p in CAPTURES if p.stem.endswith("-flaky")], ids=lambda path: path.stem)
def test_flaky(path: Path) -> None:
    """A task that Nx calls flaky is flaky; the words come with Nx 19."""
    (task,) = one(path.read_bytes()).tasks
    assert task.flaky == (b"flaky task" in path.read_bytes())


@pytest.mark.parametrize("path", [p for p in CAPTURES if p.stem.endswith("-no-base")], ids=lambda path: path.stem)
def test_no_base(path: Path) -> None:
    """That there is no such base is told in git's words, by the versions that have no badge for it, too."""
    data = path.read_bytes()
    run = one(data)
    assert run.status is RunStatus.FAILED
    assert "ambiguous argument 'origin/release'" in "\n".join(run.errors)
    assert read(data.replace(b"nx.dev", b"x.dev").replace(b" NX ", b" N ")) == []
    assert [run.errors != () for run in read(START + GREEN + data)] == [False, True]


@pytest.mark.parametrize("path", [p for p in CAPTURES if p.stem.endswith("-nested")], ids=lambda path: path.stem)
def test_nested(path: Path) -> None:
    """A run that a task started is that task's output: its failure is not the run's."""
    assert statuses(one(path.read_bytes())) == {"web:nested": "success"}


def workspaces() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Find the runs of the shared workspaces with what they should give."""
    for path in sorted(captures().glob("nx-workspaces/*/expected.json")):
        for run in json.loads(path.read_text())["runs"]:
            yield path.parent, run


def test_shared_workspaces() -> None:
    """Every run of the captured workspaces gives the expected tasks, errors and telling lines."""
    count = 0
    for folder, expected in workspaces():
        count += 1
        path = folder / expected.get("log", f"{expected['name']}.log")
        run = one(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
        assert (run.status is RunStatus.SUCCEEDED) == (expected["exit"] == 0), path
        by_id = {task.id: task for task in run.tasks}
        assert {i for i, t in by_id.items() if t.status is TaskStatus.NOT_RUN} == set(expected.get("notRun", ())), path
        assert {i for i, t in by_id.items() if t.flaky} == set(expected.get("flaky", ())), path
        assert all(words in "\n".join(run.errors) for words in expected.get("essential", ())), path
        for real in expected["tasks"]:
            task = by_id[real["id"]]
            assert (task.status is TaskStatus.FAILURE) == (real["status"] == "failure"), (path, task.id)
            assert task.cached == ("cache" in real["status"]), (path, task.id)
            plain = strip_escapes(task.output or "").replace("\r", "")
            for words in set(real.get("essential", ())) - set(real.get("brokenInLog", ())):
                assert words in plain, (path, task.id)
    assert count


def test_shared_runs() -> None:
    """Every captured run of the four versions gives the tasks and hits of its run.json."""
    paths = sorted(captures().glob("nx-runs/*/*.log"))
    assert paths
    for path in paths:
        run = one(path.read_bytes())
        record = json.loads(path.with_suffix(".run.json").read_text())
        assert (run.status is RunStatus.SUCCEEDED) == (path.with_suffix(".exit").read_text().strip() == "0"), path
        assert {task.id: (task.status is TaskStatus.SUCCESS, task.cached) for task in run.tasks} == {
            task["taskId"]: (task["status"] == 0, "hit" in task["cacheStatus"]) for task in record["tasks"]
        }, path
