"""The recorder's records, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipe.model import CacheStatus, Run, RunStatus, TaskStatus
from pipe.nx import record

ROOM = 1 << 20
HEADER = {
    "type": "run",
    "version": "1.0",
    "id": "6f1c",
    "build": {"ci": "bitbucket", "number": "417", "step": "{5b0e}", "stepRun": "1", "commit": "1f3c", "job": None},
    "command": "nx affected -t test",
    "start": 1_795_461_817_000,
    "end": 1_795_461_818_500,
}
TASK = {
    "type": "task",
    "id": "cart:test:ci",
    "project": "cart",
    "target": "test",
    "configuration": "ci",
    "status": "failure",
    "code": 1,
    "start": 1_795_461_817_100,
    "end": 1_795_461_818_200,
    "hash": "123",
    "cache": "miss",
    "output": "Expected: 41\nReceived: 42\n",
}


def line(content: object) -> record.Line:
    """A whole line."""
    return json.dumps(content, separators=(",", ":")).encode() + b"\n", 0, b""


def task(**other: object) -> dict[str, Any]:
    """The task with other fields."""
    return {**TASK, **other}


def read(*tasks: object, closing: object = None, room: int = ROOM, **header: object) -> tuple[Run, str | None]:
    """Read a record of these tasks; `closing` stands in place of the closing line."""
    head = record.header(line({**HEADER, **header}), "a.jsonl")
    last = {"type": "end", "tasks": len(tasks)} if closing is None else closing
    lines = [line(one) for one in tasks]
    return record.read(head, [*lines, line(last)] if last else lines, room)


def test_header() -> None:
    """The first line says whose the record is, and which command it is of."""
    head = record.header(line(HEADER), "a.jsonl")
    assert (head.id, head.build) == ("6f1c", record.Identity("bitbucket", "417", "{5b0e}", "1", ""))
    assert (head.run.command, head.run.sources, head.run.duration) == ("nx affected -t test", ("a.jsonl",), 1.5)


@pytest.mark.parametrize("build", [None, {}, {"ci": "jenkins"}, 7])
def test_no_identity(build: object) -> None:
    """Without the number of a build nobody knows whose the record is."""
    assert record.header(line({**HEADER, "build": build}), "a.jsonl").build is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"type": "task"}, "is not a record of nx-report-recorder"),
        ([], "is not a record of nx-report-recorder"),
        ({"type": "run"}, "is a record without a version"),
        ({"type": "run", "version": 1}, "is a record without a version"),
        (
            {"type": "run", "version": "2.0"},
            "is a record of version 2.0, of which this pipe knows 1.x: take a newer pipe",
        ),
    ],
)
def test_no_record(content: object, why: str) -> None:
    """What is no record, or one of a newer major version, is said in a line."""
    with pytest.raises(ValueError, match=why):
        record.header(line(content), "a.jsonl")


def test_a_newer_minor_version() -> None:
    """Fields and kinds of lines that a newer minor version adds are ignored."""
    run, problem = read(
        task(shiny=1), {"type": "note"}, closing={"type": "end", "tasks": 1}, version="1.7", mood="good"
    )
    assert (len(run.tasks), problem, run.cut) == (1, None, False)


def test_task() -> None:
    """A task has everything that the record says of it; its target may hold a colon."""
    (run, _) = read(task(id="cart:test:unit:ci", target="test:unit"))
    (one,) = run.tasks
    assert (one.status, one.target, one.cache, one.code, one.hash) == (
        TaskStatus.FAILURE,
        "test:unit",
        CacheStatus.MISS,
        1,
        "123",
    )
    assert one.start is not None
    assert one.end is not None
    assert (one.end - one.start).total_seconds() == 1.1
    assert one.output == "Expected: 41\nReceived: 42\n"
    assert (run.status, run.stated_tasks, run.cut) == (RunStatus.FAILED, 1, False)


@pytest.mark.parametrize(
    ("word", "code", "status"),
    [
        ("success", 0, TaskStatus.SUCCESS),
        ("success", None, TaskStatus.SUCCESS),
        ("success", 3, TaskStatus.FAILURE),
        ("local-cache", 0, TaskStatus.SUCCESS),
        ("local-cache-kept-existing", 0, TaskStatus.SUCCESS),
        ("remote-cache", 0, TaskStatus.SUCCESS),
        ("failure", 1, TaskStatus.FAILURE),
        ("stopped", None, TaskStatus.STOPPED),
        ("skipped", None, TaskStatus.NOT_RUN),
        ("brand-new", 0, TaskStatus.SUCCESS),
        ("brand-new", 1, TaskStatus.FAILURE),
        ("brand-new", None, TaskStatus.FAILURE),
    ],
)
def test_status(word: str, code: int | None, status: TaskStatus) -> None:
    """Nx's words; one that is not known is as bad as its code, and no code at all is not a success."""
    assert read(task(status=word, code=code))[0].tasks[0].status is status


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("success", "local-cache"), RunStatus.SUCCEEDED),
        (("success", "skipped"), RunStatus.SUCCEEDED),
        (("success", "stopped"), RunStatus.CANCELED),
        (("failure", "stopped"), RunStatus.FAILED),
        ((), RunStatus.SUCCEEDED),
    ],
)
def test_run_status(words: tuple[str, ...], status: RunStatus) -> None:
    """The run is as bad as its worst task."""
    tasks = [task(id=f"p{at}:test", status=word, code=int(word == "failure")) for at, word in enumerate(words)]
    assert read(*tasks)[0].status is status


def test_times_of_a_run() -> None:
    """Without times of its own the run began with its first task and ended with its last."""
    run, _ = read(task(), task(id="b:test", start=1_795_461_816_000), start=None, end=None)
    assert run.duration == 2.2


def test_cut() -> None:
    """A record without its closing line was cut: green tasks alone are no success, and failed ones stay."""
    green, problem = read(task(status="success", code=0), closing={})
    assert (green.cut, green.status, green.stated_tasks) == (True, RunStatus.IN_PROGRESS, None)
    assert problem == "ends before its closing line, the record was cut off"
    red, _ = read(task(), closing={})
    assert (red.cut, red.status) == (True, RunStatus.FAILED)


def test_cut_in_a_line() -> None:
    """A record cut in the middle of a line loses that line alone."""
    head = record.header(line(HEADER), "a.jsonl")
    whole = line(task())
    run, problem = record.read(head, [whole, (whole[0][:50], 0, b"")], ROOM)
    assert ([one.id for one in run.tasks], run.cut) == (["cart:test:ci"], True)
    assert problem == "ends before its closing line, the record was cut off"


def test_lines_missing() -> None:
    """A record with fewer tasks than its closing line counts, or with lines that make no sense, says so."""
    assert read(task(), closing={"type": "end", "tasks": 3})[1] == "has only 1 of its 3 tasks"
    run, problem = read(task(), 17, {"type": "task"}, closing={"type": "end", "tasks": 1})
    assert (len(run.tasks), run.cut, problem) == (1, True, "lines that make no sense: 2")


def test_outputs_of_what_failed() -> None:
    """Failed tasks alone keep their output; once there is no more room, of each a short piece from both ends."""
    long = "a" * 5_000 + "b" * 5_000
    run, _ = read(
        task(output=long), task(id="b:test", output=long), task(id="c:test", status="success", code=0), room=10_000
    )
    first, second, third = (one.output for one in run.tasks)
    assert (first, third) == (long, None)
    assert second is not None
    assert second.startswith("a" * 1_024 + "\n… 5,904 characters left out …\n")
    assert second.endswith("\n" + "b" * 3_072)


def test_characters_left_out() -> None:
    """Where the recorder left characters out, a line says how many, at their place."""
    (one,) = read(task(output="12345678", leftOut=1_000))[0].tasks
    assert one.output == "12\n… 1,000 characters left out …\n345678"
    (one,) = read(task(output="a" * 10_000, leftOut=1_000), room=0)[0].tasks
    assert one.output == "a" * 1_024 + "\n… 6,904 characters left out …\n" + "a" * 3_072


def test_a_line_too_long() -> None:
    """Of a line too long to be read whole all fields are, and of its output the whole lines of both ends."""
    text = "".join(f'{number} "quoted" \\ é\n' for number in range(2_000))
    whole = line(task(output=text, leftOut=5))[0]
    head = record.header(line(HEADER), "a.jsonl")
    cut = (whole[:1_001], len(whole) - 2_002, whole[-1_001:])
    (one,) = record.read(head, [cut, line({"type": "end", "tasks": 1})], ROOM)[0].tasks
    assert (one.id, one.code, one.status) == ("cart:test:ci", 1, TaskStatus.FAILURE)
    assert one.output is not None
    assert one.output.startswith('0 "quoted" \\ é\n1 "quoted"')
    assert one.output.endswith('1999 "quoted" \\ é\n')
    assert f"\n… {len(whole) - 2_002:,} bytes left out …\n" in one.output


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = sorted({*HEADER, *TASK, "leftOut", "tasks", "projectRoot", "dependencies"})


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), json_values | st.sampled_from(["task", "run", "end"]))))
def test_anything(contents: list[dict[str, Any]]) -> None:
    """Whatever its lines hold, a record is read or refused, and nothing else is raised."""
    lines = [line(content) for content in contents]
    try:
        head = record.header(lines[0] if lines else (b"", 0, b""), "a.jsonl")
    except ValueError:
        head = record.header(line(HEADER), "a.jsonl")
    run, _ = record.read(head, lines, ROOM)
    assert isinstance(run.status, RunStatus)
    record.read(head, [(text, 1, text[::-1]) for text, _, _ in lines], ROOM)


RECORDS = sorted((Path(__file__).parents[1] / "data" / "records").glob("*.jsonl"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_real_records(path: Path) -> None:
    """What the recorder wrote of real runs is read whole, and has the result that the run had."""
    first, *rest = ((text + b"\n", 0, b"") for text in path.read_bytes().splitlines())
    run, problem = record.read(record.header(first, path.name), rest, ROOM)
    expected = {
        "passing": RunStatus.SUCCEEDED,
        "cached": RunStatus.SUCCEEDED,
        "failing": RunStatus.FAILED,
        "stopped": RunStatus.CANCELED,
    }
    assert (problem, run.cut) == (None, False)
    assert run.status is expected[path.stem.rpartition("-")[2]]
    assert run.tasks
    assert all(task.output for task in run.by_status(TaskStatus.FAILURE))
    assert run.command is not None
    assert run.command.startswith("nx ")
    assert all(task.cached for task in run.tasks) is path.stem.endswith("cached")
