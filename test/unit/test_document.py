"""report.json: the whole result as one object, and the JSON Schema that describes it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from pipe import __version__
from pipe.build import Build
from pipe.insights import Answer, Summary, summarise
from pipe.insights.comparison import Baseline
from pipe.insights.derive import Insights, insights
from pipe.insights.durations import BuildDurations
from pipe.model import (
    CacheStatus,
    CIPipelineExecution,
    Link,
    Log,
    Problem,
    Run,
    RunGroup,
    RunReport,
    RunStatus,
    Severity,
    TaskStatus,
)
from pipe.nx import printed, record, run_json
from pipe.nx.durations import read_durations, wanted
from pipe.nx.join import Kind, Source
from pipe.nx.merge import merge
from pipe.render.comment import Frame
from pipe.render.document import document, dump
from test.language import HOSTILE, START
from test.language import runs as read
from test.unit.test_insights_graph import ANY_RUNS, NAMES, run, task
from test.workspaces import CAPTURES

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/report.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
NOW = datetime(2026, 11, 23, 19, 22, 0, 123_456, tzinfo=UTC)
COMMIT = "1f3c9ab02d41c0ffee00c0ffee00c0ffee00c0ff"
BUILD = Build(
    "acme", "shop", COMMIT[:12], 417, "/clone", branch="cart", pull_request=12, step_uuid="{5b0e}", exit_code="1"
)
FRAME = Frame(BUILD, COMMIT, step_name="test")


def made(summary: Summary, found: Insights | None = None, **other: Any) -> dict[str, Any]:
    """The document as a reader has it."""
    text = dump(document(summary, insights(summary) if found is None else found, FRAME, NOW, **other))
    assert "\n" not in text
    assert text.isascii()
    content: dict[str, Any] = json.loads(text)
    return content


def faults(content: object) -> list[str]:
    """Where a document is not one of the format, and why."""
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(content)]


def test_schema_is_one() -> None:
    """The file is a JSON Schema of 2020-12."""
    Draft202012Validator.check_schema(SCHEMA)


def test_schema_is_strict() -> None:
    """Whatever is an object lists its fields and needs each; the insights alone may have others."""

    def objects(part: Any, path: str) -> list[tuple[str, Any]]:
        inner = [
            one
            for key, value in (part.items() if isinstance(part, dict) else [])
            for one in objects(value, f"{path}/{key}")
        ]
        listed = [one for value in (part if isinstance(part, list) else []) for one in objects(value, path)]
        return [
            *([(path, part)] if isinstance(part, dict) and "object" in part.get("type", ()) else []),
            *inner,
            *listed,
        ]

    found = objects(SCHEMA, "")
    assert len(found) > 15
    for path, part in found:
        assert part["required"] == list(part["properties"]), path
        grows = path.startswith(("/$defs/insights", "/$defs/changes"))
        assert part.get("additionalProperties", True) is grows, path


def test_everything_is_in_it() -> None:
    """Each field is what the summary, the insights and the frame say; names are those of the schema."""
    problem = Problem("src/a.ts", 12, None, Severity.ERROR, "Type 'x' is not assignable", "TS2322", "tsc")
    failed = task(
        "cart:build:ci", 1, 3.5, ("lib:build",), hash="123", status=TaskStatus.FAILURE, target="build", code=2,
        cacheable=True, root="packages/cart", log=Log(5, 1200, 40, (problem,)), output="src/a.ts(12): error TS2322: x",
    )  # fmt: skip
    hit = task("lib:build", 0, 1, (), cache=CacheStatus.REMOTE, hash="77")
    link = Link("https://nx.app/runs/AbCdEf1234", live=True)
    one = run(
        hit, failed, status=RunStatus.FAILED, command="nx build cart", start=START, end=START + timedelta(seconds=4),
        link=link, sources=("a.jsonl",),
    )  # fmt: skip
    summary = summarise([one], "1")
    found = insights(summary, compared=Baseline("main", "0c5d2e7f9a1b", frozenset(), complete=True))
    content = made(summary, found, locate=lambda path, root: f"{root}/{path}")
    assert faults(content) == []
    assert content == {
        "version": "1.0",
        "generator": f"nx-report {__version__}",
        "report": {"id": "nx", "title": "Nx"},
        "build": {
            "number": 417,
            "url": "https://bitbucket.org/acme/shop/pipelines/results/417",
            "commit": COMMIT,
            "branch": "cart",
            "pullRequest": 12,
            "repository": "https://bitbucket.org/acme/shop",
            "step": {
                "name": "test",
                "uuid": "{5b0e}",
                "run": 1,
                "url": "https://bitbucket.org/acme/shop/pipelines/results/417/steps/%7B5b0e%7D",
            },
        },
        "time": "2026-11-23T19:22:00.123Z",
        "result": "tasks failed",
        "answer": content["answer"],
        "exitCode": "1",
        "totals": {"tasks": 2, "failed": 1, "cached": 1, "notRun": 0, "seconds": 4.0},
        "runs": [
            {
                "command": "nx build cart",
                "label": "nx build cart",
                "status": "FAILED",
                "start": "2026-11-23T19:00:00.000Z",
                "end": "2026-11-23T19:00:04.000Z",
                "seconds": 4.0,
                "link": "https://nx.app/runs/AbCdEf1234",
                "errors": [],
                "sources": ["a.jsonl"],
                "step": "test",
                "group": None,
                "cut": False,
            }
        ],
        "tasks": [
            {
                "id": "lib:build",
                "project": "lib",
                "target": None,
                "run": 0,
                "status": "success",
                "cache": "remote",
                "cacheable": None,
                "code": None,
                "start": "2026-11-23T19:00:00.000Z",
                "end": "2026-11-23T19:00:01.000Z",
                "hash": "77",
                "flaky": False,
                "retried": False,
                "compared": None,
                "critical": True,
                "dependencies": [],
                "root": None,
                "log": None,
                "reason": None,
                "telling": [],
                "problems": [],
                "moreProblems": 0,
            },
            {
                "id": "cart:build:ci",
                "project": "cart",
                "target": "build",
                "run": 0,
                "status": "failure",
                "cache": "miss",
                "cacheable": True,
                "code": 2,
                "start": "2026-11-23T19:00:01.000Z",
                "end": "2026-11-23T19:00:03.500Z",
                "hash": "123",
                "flaky": False,
                "retried": False,
                "compared": "new",
                "critical": True,
                "dependencies": ["lib:build"],
                "root": "packages/cart",
                "log": {"id": 5, "characters": 1200, "lines": 40},
                "reason": "src/a.ts(12): error TS2322: x",
                "telling": ["src/a.ts(12): error TS2322: x"],
                "problems": [
                    {
                        "path": "packages/cart/src/a.ts",
                        "line": 12,
                        "column": None,
                        "severity": "error",
                        "message": "Type 'x' is not assignable",
                        "rule": "TS2322",
                        "tool": "tsc",
                    }
                ],
                "moreProblems": 0,
            },
        ],
        "insights": {
            "cache": {"local": 0, "remote": 1, "cacheable": 2},
            "saved": None,
            "criticalPaths": [
                {
                    "run": 0,
                    "tasks": ["lib:build", "cart:build:ci"],
                    "length": 2,
                    "seconds": 3.5,
                    "source": "dependencies",
                    "window": 3.5,
                    "gain": 0.0,
                }
            ],
            "slowest": [{"id": "cart:build:ci", "run": 0, "seconds": 2.5}],
            "parallelism": {
                "start": "2026-11-23T19:00:00.000Z",
                "steps": [[0.0, 1], [3.5, 0]],
                "average": 1.0,
                "peak": 1,
            },
            "flaky": [],
            "comparison": {
                "branch": "main",
                "commit": "0c5d2e7f9a1b",
                "new": ["cart:build:ci"],
                "known": [],
                "fixed": [],
                "unknown": [],
            },
            "slower": [],
            "faster": [],
        },
    }


def test_answer_is_line_one() -> None:
    """The answer is the comment's first line in plain text, with long names cut."""
    name = "x" * 300
    content = made(summarise(read(f"nx test\n  {name} failure\n  web:test failure\n  api:e2e not-run"), "1"))
    assert content["answer"] == f"2 of 2 tasks failed: {'x' * 99}…, web:test (1 not run)"
    assert content["tasks"][0]["id"] == name


def test_nothing_known() -> None:
    """A report of nothing at all, and one of runs without times or tasks, are documents too."""
    for runs in ("", "?\n  a:test success", "nx test | IN_PROGRESS\n  a:test stopped"):
        content = made(summarise(read(runs), None))
        assert faults(content) == []
        assert content["insights"]["parallelism"] is None
        assert content["totals"]["seconds"] is None


def test_runs_of_several_steps() -> None:
    """A final step names the step of each run; runs that Nx Cloud alone knows stand last, in their group."""
    cloud = Run(RunStatus.FAILED, tasks=(task("e2e:e2e", 0, 1, status=TaskStatus.FAILURE),), command="nx e2e")
    execution = CIPipelineExecution(RunStatus.FAILED, run_groups=(RunGroup("e2e-1", RunStatus.FAILED, (cloud,)),))
    summary = summarise(read("nx lint\n  a:lint success\nnx test\n  a:test success"), "0", execution)
    content = made(summary, steps=["lint", None])
    assert faults(content) == []
    assert [(one["step"], one["group"]) for one in content["runs"]] == [("lint", None), (None, None), (None, "e2e-1")]
    assert [(one["id"], one["run"]) for one in content["tasks"]] == [("a:lint", 0), ("a:test", 1), ("e2e:e2e", 2)]
    assert content["totals"]["failed"] == 1


def test_flags_of_tasks() -> None:
    """A task is marked as flaky, retried, known or fixed wherever it is listed, as critical in its run alone."""
    failed = task("a:test", 0, 1, (), hash="h", status=TaskStatus.FAILURE)
    summary = summarise([run(failed), run(task("a:test", 2, 3, (), hash="h"), task("b:test", 2, 9, ()))], "0")
    content = made(summary, insights(summary, compared=Baseline("main", "0c5d", frozenset({"a:test"}), complete=True)))
    marks = [(one["flaky"], one["retried"], one["compared"], one["critical"]) for one in content["tasks"]]
    assert marks == [(True, True, "fixed", True), (True, True, "fixed", False), (False, False, None, True)]


def test_why() -> None:
    """A failed task's reason is the one line that says why, its telling lines may begin with what it is of."""
    output = "FAIL orders src/orders.spec.ts\n● Orders › finds\n\n  Expected: 2\n  Received: 1\n"
    failed = task("a:test", 0, 1, status=TaskStatus.FAILURE, output=output)
    (one,) = made(summarise([run(failed)], "1"))["tasks"]
    assert one["reason"] == "Expected: 2 Received: 1"
    assert one["telling"][0] == "FAIL orders src/orders.spec.ts"


def test_only_links_that_are_vouched_for() -> None:
    """A page on an unknown host is no link."""
    assert made(summarise(read("nx test | https://evil.example/runs/AbCdEf1234"), "0"))["runs"][0]["link"] is None


def test_what_is_no_value() -> None:
    """A hash that does not look like one, numbers beyond those of JSON, and negative times are left out."""
    early = START - timedelta(seconds=1)
    one = run(task("a:test", 0, 1, hash="<b>\u202e", code=1 << 64), start=START, end=early)
    content = made(summarise([one], "0"))
    assert faults(content) == []
    assert (content["tasks"][0]["hash"], content["tasks"][0]["code"]) == (None, None)
    assert content["runs"][0]["seconds"] is None
    assert content["totals"]["seconds"] is None


def test_times_are_in_utc() -> None:
    """A time in another zone is told in UTC."""
    east = START.astimezone(timezone(timedelta(hours=9)))
    assert made(summarise([run(start=east, end=east)], "0"))["runs"][0]["start"] == "2026-11-23T19:00:00.000Z"


def test_many_problems() -> None:
    """Of a task's problems a hundred are in the document, of all tasks' twenty thousand; the rest is counted."""
    found = tuple(Problem("a.ts", line, 1, Severity.ERROR, "x") for line in range(1, 151))
    summary = summarise([run(*(task(f"p{i}:lint", 0, 1, log=Log(i, 1, 1, found)) for i in range(300)))], "0")
    content = made(summary, Insights())
    assert [len(one["problems"]) for one in content["tasks"]] == [100] * 200 + [0] * 100
    assert {len(one["problems"]) + one["moreProblems"] for one in content["tasks"]} == {150}
    assert faults(content) == []


def test_a_file_that_is_not_there() -> None:
    """A path that leads to no file of the repository stays as printed."""
    problem = Problem("../x.ts", 1, 1, Severity.WARNING, "x")
    summary = summarise([run(task("a:lint", 0, 1, log=Log(0, 1, 1, (problem,))))], "0")
    assert made(summary, locate=lambda _path, _root: None)["tasks"][0]["problems"][0]["path"] == "../x.ts"


TEXT = st.sampled_from(HOSTILE) | st.text()


@given(ANY_RUNS, st.data())
def test_any_result_is_a_document(runs: tuple[Run, ...], data: st.DataObject) -> None:
    """Whatever ran, the document is one of the schema and agrees with the summary."""
    figure = st.none() | st.floats(0, 1e6)
    some = st.none() | st.integers(0, 99)
    report = st.builds(RunReport, some, some, critical_path=figure, critical_tasks=some, recoverable=figure)
    runs = tuple(
        replace(
            one,
            status=data.draw(st.sampled_from(RunStatus)),
            command=data.draw(st.none() | TEXT),
            errors=data.draw(st.lists(TEXT, max_size=2).map(tuple)),
            seconds=data.draw(st.none() | st.floats(0, 1e6)),
            report=data.draw(st.none() | report),
        )
        for one in runs
    )
    summary = summarise(runs, data.draw(st.sampled_from([None, "0", "1"])))
    there = Baseline("main", "0c5d", data.draw(st.frozensets(st.sampled_from(NAMES))), data.draw(st.booleans()))
    builds = [BuildDurations(number, dict.fromkeys(NAMES, 100.0), {}) for number in range(1, 7)]
    found = insights(summary, compared=there, durations=builds, history_outcomes={"h1": {TaskStatus.SUCCESS}})
    content = made(summary, found)
    assert faults(content) == []
    assert content == made(summary, found)
    assert Answer(content["result"]) is summary.answer
    assert len(content["tasks"]) == sum(len(one.tasks) for one in runs)
    assert {one["id"] for one in content["tasks"] if one["status"] == "failure"} >= {one.id for one in summary.failed}
    assert sum(one["critical"] for one in content["tasks"]) == sum(
        len(one["tasks"]) for one in content["insights"]["criticalPaths"]
    )


def captured(name: str) -> tuple[Run, ...]:
    """The runs of a capture: what Nx printed and its run.json, or a record."""
    path = CAPTURES / name
    if path.suffix == ".jsonl":
        lines = [(line, 0, b"") for line in path.read_bytes().splitlines(keepends=True)]
        return (record.read(record.header(lines[0], path.name), lines[1:], 1 << 20)[0],)
    with path.open("rb") as file:
        told = printed.read(file, source="nx.log", hosts=frozenset())
    sources = [Source(Kind.LOG, "nx.log", tuple(told))]
    stored = path.with_suffix(".run.json")
    if stored.exists():
        sources.append(Source(Kind.RUN_JSON, "run.json", (run_json.read(stored.read_bytes(), "run.json"),)))
    return tuple(one.run for one in merge(sources))


RECORDS = Path("../records")
CAPTURED = [
    *(str(path.relative_to(CAPTURES)) for path in sorted(CAPTURES.glob("*/*.log"))),
    *(str(RECORDS / path.name) for path in sorted((CAPTURES / RECORDS).glob("*.jsonl"))),
]


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_runs(name: str) -> None:
    """The document of each captured run is one of the schema, and its own durations can be read back from it."""
    runs = captured(name)
    summary = summarise(runs, None)
    content = made(summary)
    assert faults(content) == []
    assert runs
    assert [one["id"] for one in content["tasks"]] == [one.id for each in runs for one in each.tasks]
    back = read_durations(json.dumps(content).encode(), wanted(runs))
    assert back.number == 417
    succeeded = [one for each in runs for one in each.by_status(TaskStatus.SUCCESS)]
    assert set(back.seconds) == {one.id for one in succeeded if one.cache is CacheStatus.MISS and one.start}


def test_there_are_captures_of_each_kind() -> None:
    """Among the captures are runs with dependencies, with times alone, and with Nx's own report."""
    paths = [path for name in CAPTURED for path in insights(summarise(captured(name), None)).critical_paths]
    assert {path.source for path in paths} == {"dependencies", "times", "nx"}
    assert len(CAPTURED) > 50
