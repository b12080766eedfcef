"""Printed logs: real captures of Nx 16 to 24, and what a task can print to mislead a reader."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipe.model import CacheStatus, Run, RunStatus, TaskStatus
from pipe.nx import printed
from pipe.terminal import strip_escapes

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPTURES = sorted((Path(__file__).parents[1] / "data" / "printed").glob("*.log"))
NAMES = [path.stem for path in CAPTURES]
# 16 and 17 end with git's words and their own help, without a badge: nothing in that log tells that nx ran.
NOTHING_TO_SEE = {"16.10.0-no-base", "17.3.2-no-base"}
WORDS = {
    "test": "expected 42 to equal 41",
    "pack": "expected 42 to equal 41",
    "e2e": "hang up",
    "slow": "slow starts\n",
}
SHARED = os.environ.get("CAPTURES_DIR")
needs_shared = pytest.mark.skipif(not SHARED, reason="CAPTURES_DIR (a folder with captured runs) is not set")

START = b"\n NX   Running targets lint, test for 2 projects:\n\n- cart\n- web\n\n\n\n"
GREEN = b"\n\n\n NX   Successfully ran targets lint, test for 2 projects\n\n"
RED = b"\n\n\n NX   Running targets lint, test for 2 projects failed\n\nFailed tasks:\n\n- cart:test\n\n"


def read(data: bytes, size: int = 1 << 20) -> list[Run]:
    """Read in blocks of `size` bytes."""
    blocks = (data[at : at + size] for at in range(0, len(data), size))
    return printed.read(blocks, source="a.log", hosts=frozenset())


def one(data: bytes) -> Run:
    """Read a log of one run."""
    (run,) = read(data)
    return run


def statuses(run: Run) -> dict[str, str]:
    """Show the tasks' outcomes by id."""
    return {task.id: task.status.value for task in run.tasks}


@pytest.mark.parametrize("path", [p for p in CAPTURES if p.stem not in NOTHING_TO_SEE], ids=lambda path: path.stem)
def test_capture(path: Path) -> None:
    """A capture is one run with the result, the tasks and the cache hits of Nx's own record."""
    truth = json.loads(path.with_suffix(".json").read_text())
    stopped = path.stem.endswith(("-stopped", "-terminated"))
    # 19 that is terminated says afterwards, in a block of its own, that it lost its database.
    run = read(path.read_bytes())[0] if stopped else one(path.read_bytes())
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
            assert output.count(WORDS[task.target]) == (WORDS[task.target] in log)
            assert "Failed tasks:" not in output
        else:
            assert task.output is None


@pytest.mark.parametrize("path", CAPTURES, ids=NAMES)
def test_blocks(path: Path) -> None:
    """The sizes of the blocks change nothing."""
    data = path.read_bytes()
    whole = read(data)
    for size in (1, 7, 64, 65536):
        assert read(data, size) == whole


@pytest.mark.parametrize("path", CAPTURES, ids=NAMES)
def test_truncated(path: Path) -> None:
    """A file that is cut off anywhere is read without an error and never looks better than the whole."""
    data = path.read_bytes()
    failed = any(run.status is not RunStatus.SUCCEEDED for run in read(data))
    for end in range(0, len(data), 97):
        for run in read(data[:end]):
            assert not (failed and run.status is RunStatus.SUCCEEDED)


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


@pytest.mark.parametrize("path", [p for p in CAPTURES if p.stem.endswith("-nested")], ids=lambda path: path.stem)
def test_nested(path: Path) -> None:
    """A run that a task started is that task's output: its failure is not the run's."""
    assert statuses(one(path.read_bytes())) == {"web:nested": "success"}


def test_several_runs_and_their_commands() -> None:
    """Runs of one file come in order, each with its command line; other tools' lines between them are nobody's."""
    data = (
        b"+ npm ci\nadded 800 packages\n+ npx nx affected -t lint test --base=HEAD~1\n"
        + (START + b"> nx run cart:test\n\nboom\n" + RED)
        + b"+ echo done\ndone\n$ NX_VERBOSE=1 npx nx lint web\n\n> nx run web:lint\n\nok\n\n\n\n"
        + b" NX   Successfully ran target lint for project web (1s)\n\n"
        + b"\n> app@1.0.0 build\n> nx run web:build:production\n\n\n> nx run web:build:production\n\nok\n\n\n\n"
        + b" NX   Successfully ran target build for project web\n\n"
    )
    first, second, third = read(data)
    assert first.command == "npx nx affected -t lint test --base=HEAD~1"
    assert first.status is RunStatus.FAILED
    assert [task.output for task in first.tasks] == ["boom"]
    assert (second.command, second.seconds) == ("NX_VERBOSE=1 npx nx lint web", 1.0)
    assert third.command == "nx run web:build:production"
    assert statuses(third) == {"web:build:production": "success"}


def test_command_of_something_else() -> None:
    """A command line before another command is not the run's."""
    assert one(b"+ npx nx --version\n24.0.6\n+ npm test\n" + START + GREEN).command is None


def test_success_printed_by_a_task() -> None:
    """A failed run stays failed when one of its tasks prints Nx's words of success, whatever follows."""
    data = START + b"> nx run web:lint\n" + GREEN + b"> nx run cart:test\n\nboom\n" + RED
    run = one(data)
    assert run.status is RunStatus.FAILED
    assert statuses(run) == {"web:lint": "success", "cart:test": "failure"}


def test_failure_then_success() -> None:
    """Where two ends claim one run the worse one holds."""
    assert one(START + b"> nx run cart:test\n" + RED + GREEN).status is RunStatus.FAILED


def test_another_runs_success_in_a_task() -> None:
    """An end that names other targets or projects is a task's output, and so are tasks the run can't have."""
    data = (
        START
        + b"> nx run cart:test\n\n> nx run evil:x\n\n NX   Successfully ran target x for project evil\n\nboom\n"
        + RED
    )
    run = one(data)
    assert statuses(run) == {"cart:test": "failure"}
    assert "evil" in (run.tasks[0].output or "")
    assert "boom" in (run.tasks[0].output or "")


def test_error_block_in_a_task() -> None:
    """A tool that prints Nx's badge in a task's output ends nothing."""
    data = START + b"> nx run cart:test\n\n NX   Build failed with 1 error:\na.ts:1:2: ERROR\n" + RED
    assert "a.ts:1:2" in (one(data).tasks[0].output or "")


def test_killed_run_before_others() -> None:
    """A run that was killed hides no later one, not even a failed one between two tries."""
    start = b"\n> nx run cart:test\n\n"
    failed = b"\n> nx run web:lint\n\nboom\n\n\n\n NX   Running target lint for project web failed\n\n"
    runs = read(start + failed + start + b"ok\n\n\n\n NX   Successfully ran target test for project cart\n\n")
    assert [run.status for run in runs] == [RunStatus.IN_PROGRESS, RunStatus.FAILED, RunStatus.SUCCEEDED]


def test_cut_run() -> None:
    """A run without an end is cut, and a task without a result is stopped, not a success."""
    run = one(START + b"\xe2\x9c\x94  nx run web:lint  [local cache]\n\n> nx run cart:test\n\nworking")
    assert (run.status, run.cut) == (RunStatus.IN_PROGRESS, True)
    assert [(task.status, task.cache) for task in run.tasks] == [
        (TaskStatus.SUCCESS, CacheStatus.LOCAL),
        (TaskStatus.STOPPED, CacheStatus.MISS),
    ]


def test_lost_closing_block() -> None:
    """Where the closing block went elsewhere (stderr, from 22.7 on), an executor's last line still tells a failure."""
    run = one(START + b'> nx run cart:test\n\nboom\nWarning: command "jest" exited with non-zero status code\n')
    assert run.status is RunStatus.FAILED


def test_beginning_missing() -> None:
    """A log that begins in the middle still gives the run that ends in it."""
    run = one(b"...\n> nx run web:lint\n\nok\n\n> nx run cart:test\n\nboom\n" + RED)
    assert statuses(run) == {"web:lint": "success", "cart:test": "failure"}
    assert run.project_count == 2


def test_errors_of_nx() -> None:
    """Nx's own errors are told in its words, without hints and stacks; Nx Cloud's refusal is one of them."""
    base = one(
        b"\n NX   Command failed: git diff --name-only origin/x HEAD\n\nfatal: ambiguous argument 'origin/x'\n"
        b"    at run (a.js:1:2)\n\nPass --verbose to see the stacktrace.\n\nnpm error code 1\n"
    )
    assert base.errors == (
        "Command failed: git diff --name-only origin/x HEAD",
        "fatal: ambiguous argument 'origin/x'",
    )
    cloud = one(
        b"\n NX   Connection to Nx Cloud failed with status code 401\n\nThis organization is disabled.\n\n"
        b"\n NX   Nx Cloud: Workspace is unable to be authorized. Exiting run.\n\nNot connected.\n\n"
    )
    assert cloud.status is RunStatus.FAILED
    assert cloud.errors[0] == "Connection to Nx Cloud failed with status code 401"
    assert "Nx Cloud: Workspace is unable to be authorized. Exiting run." in cloud.errors


def test_notices_are_no_runs() -> None:
    """Nx's notices outside a run are neither runs nor errors."""
    assert (
        read(b"\n NX   Nx Cloud Will Not Be Used\n\nNx will continue running.\n\n NX   Resetting the Nx cache\n\n")
        == []
    )


def test_link() -> None:
    """The link under a run's end is the run's, and its wording counts; a link in a task's output is not."""
    link = b"View structured, searchable error logs at https://cloud.nx.app/runs/AbCdEf1234\n"
    run = one(START + b"> nx run cart:test\n\n" + link.replace(b"AbC", b"Evi") + RED + link)
    assert run.link is not None
    assert run.link.url == "https://cloud.nx.app/runs/AbCdEf1234"
    assert one(START + b"> nx run web:test\n" + GREEN + link).status is RunStatus.FAILED


def test_recorded_command() -> None:
    """A recorded command is a run without tasks."""
    run = one(
        b"$ npx nx-cloud record -- node lint.js\nlint ok\n\n >  NX   Nx Cloud: Successfully recorded command output\n\n"
        b"   You can view or share your output by visiting https://nx.app/runs/AbCdEf1234\n\n"
    )
    assert (run.command, run.tasks) == ("npx nx-cloud record -- node lint.js", ())
    assert run.link is not None


def test_figures() -> None:
    """What the closing block counts and times is taken."""
    end = GREEN + (
        b"Nx read the output from the cache instead of running the command for 1 out of 4 tasks.\n\n"
        b"  Run duration:      1m 2.5s\n  Cache:  1/4 hit (25%)\n"
    )
    run = one(START + end)
    assert (run.stated_tasks, run.seconds, run.project_count) == (4, 62.5, 2)
    assert (run.targets, run.projects) == (("lint", "test"), ("cart", "web"))


def test_printed_twice() -> None:
    """A failing output that stands there twice is given once."""
    output = b"> node test.js\r\n\r\nError: a\n  at b\n"
    run = one(
        START
        + b"> nx run cart:test\n\n"
        + output
        + output
        + b'Warning: command "x" exited with non-zero status code\n'
        + RED
    )
    assert (run.tasks[0].output or "").count("Error: a") == 1


def test_odd_bytes() -> None:
    """Bytes that are no UTF-8, NULs and lines without an end are read as what they are."""
    run = one(START + b"> nx run cart:test\n\n\xff\xfe\x00boom" + b"x" * 3_000_000 + b" nx run a:b\n" + RED)
    assert statuses(run) == {"cart:test": "failure"}
    assert "\ufffd" in (run.tasks[0].output or "")


def test_big_output_keeps_both_ends() -> None:
    """Of a very big output the beginning and the end are kept, and how much is missing is said."""
    middle = b"".join(b"line %d\n" % number for number in range(1_500_000))
    output = one(START + b"> nx run cart:test\n\nfirst\n" + middle + b"last\n" + RED).tasks[0].output or ""
    assert output.startswith("first\n")
    assert output.endswith("last")
    assert "bytes left out" in output
    assert len(output) < 5_000_000


def test_memory_goes_to_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the outputs are too many, those that show a failure are kept and those that don't go first."""
    monkeypatch.setattr(printed, "_TOTAL", 1 << 20)
    fine = b"".join(b"\n> nx run web:lint-%d\n\n" % n + b"ok " * 40_000 + b"\n" for n in range(20))
    start = START.replace(b"lint, test for 2 projects:", b"lint, test for 2 projects and 20 tasks they depend on:")
    end = RED.replace(b"projects failed", b"projects and 20 tasks they depend on failed")
    blocks = [
        start + b"> nx run cart:test\n\nError: boom\n" + b"z" * 5000 + b"\n",
        *fine.splitlines(keepends=True),
        end,
    ]
    (run,) = printed.read(blocks, source="a.log", hosts=frozenset())
    failed = next(task for task in run.tasks if task.status is TaskStatus.FAILURE)
    assert "Error: boom" in (failed.output or "")


def workspaces() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Find the runs of the shared workspaces with what they should give."""
    for path in sorted(Path(SHARED or "/nonexistent").glob("nx-workspaces/*/expected.json")):
        for run in json.loads(path.read_text())["runs"]:
            yield path.parent, run


@needs_shared
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


@needs_shared
def test_shared_runs() -> None:
    """Every captured run of the four versions gives the tasks and hits of its run.json."""
    paths = sorted(Path(SHARED or "").glob("nx-runs/*/*.log"))
    assert paths
    for path in paths:
        run = one(path.read_bytes())
        record = json.loads(path.with_suffix(".run.json").read_text())
        assert (run.status is RunStatus.SUCCEEDED) == (path.with_suffix(".exit").read_text().strip() == "0"), path
        assert {task.id: (task.status is TaskStatus.SUCCESS, task.cached) for task in run.tasks} == {
            task["taskId"]: (task["status"] == 0, "hit" in task["cacheStatus"]) for task in record["tasks"]
        }, path
