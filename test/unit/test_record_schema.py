"""The format of the recorder's records: its JSON Schema, held to records of real runs and to what it must refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "recorder/record.schema.json").read_text())
RECORDS = sorted((ROOT / "test/data/records").glob("*.jsonl"))
RUN = {"type": "run", "version": "1.0", "id": "5b0e"}
TASK = {"type": "task", "id": "cart:test"}


def valid(line: object) -> bool:
    """Whether a line is one of the format."""
    return bool(Draft202012Validator(SCHEMA).is_valid(line))


def test_schema_is_one() -> None:
    """The file is a JSON Schema of 2020-12."""
    Draft202012Validator.check_schema(SCHEMA)


def test_there_are_records_of_each_kind() -> None:
    """The captures have several versions, and each outcome that a command can have."""
    assert len({path.name.partition("-")[0] for path in RECORDS}) >= 3
    assert {path.stem.partition("-")[2] for path in RECORDS} == {"passing", "failing", "cached", "stopped"}


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_captured_record(path: Path) -> None:
    """A record of a real run is a run, its tasks, and an end that counts them, and nothing that the schema lacks."""
    run, *tasks, end = (json.loads(line) for line in path.read_text().removesuffix("\n").split("\n"))
    assert all(map(valid, [run, *tasks, end]))
    assert [run["type"], end] == ["run", {"type": "end", "tasks": len(tasks)}]
    assert {task["type"] for task in tasks} == {"task"}
    assert set(run) <= set(SCHEMA["$defs"]["run"]["properties"])
    assert all(set(task) <= set(SCHEMA["$defs"]["task"]["properties"]) for task in tasks)


@pytest.mark.parametrize(
    "line",
    [
        RUN,
        {**RUN, "version": "1.7", "a new field": [1]},
        {**RUN, "build": None, "command": None, "start": None},
        {**RUN, "build": {"ci": "a new one", "number": "417"}},
        TASK,
        {**TASK, "status": "a new word", "cache": None, "code": -1, "a new field": {}},
        {**TASK, "output": "\x1b[32mok\r\n", "leftOut": 1},
        {"type": "end", "tasks": 0},
    ],
)
def test_valid(line: object) -> None:
    """Everything but type, version and id may be missing or null; unknown fields and words are no fault."""
    assert valid(line)


@pytest.mark.parametrize(
    "line",
    [
        {**RUN, "version": "2.0"},
        {**RUN, "version": 1},
        {"type": "run", "version": "1.0"},
        {"type": "task"},
        {**TASK, "start": 1.5},
        {**TASK, "start": "2026-11-23"},
        {**TASK, "cache": "hit"},
        {**TASK, "leftOut": 0},
        {**TASK, "dependencies": "core:build"},
        {"type": "end"},
        {"type": "another"},
        [],
        None,
    ],
)
def test_invalid(line: object) -> None:
    """Another major version, a missing id, a time that is no integer and any other kind of line are refused."""
    assert not valid(line)
