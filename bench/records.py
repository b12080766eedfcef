"""Measure the reading of records and of run.json: CPU against `json.loads` over the same lines, memory, linearity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bench import Figure
from bench.logs import MEMORY, RATIO, linear, python

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
TASKS = 10_000
OUTPUT = "".join(
    f"\x1b[32m✓\x1b[39m adds {number} to \x1b[1mcart\x1b[22m ({number % 90} ms)\r\n    at packages/cart/{number}.ts\n"
    for number in range(250)
)
START = 1_795_461_817_000
RECORD = f"""
import json, sys, time
sys.path.append({str(ROOT)!r})
from pipe.checkout import Checkout
from pipe.nx import record
start = time.process_time()
lines = Checkout(sys.argv[1]).lines("record.jsonl", 8 << 20)
run, problem = record.read(record.header(next(lines), "record.jsonl"), lines, 24 << 20)
assert not problem and not run.cut
print(json.dumps([time.process_time() - start, len(run.tasks)]))
"""
REPORT = f"""
import gc, json, os, sys, time
gc.set_threshold(50_000)  # as the pipe's __main__ does
sys.path.append({str(ROOT)!r})
from datetime import UTC, datetime
from pipe.build import Build
from pipe.checkout import Checkout
from pipe.insights import summarise
from pipe.nx.collect import Collector
from pipe.redact import Redactor
from pipe.render.comment import Frame, render
from pipe.settings import Settings
os.makedirs(sys.argv[1] + "/.nx-report", exist_ok=True)
os.replace(sys.argv[1] + "/record.jsonl", sys.argv[1] + "/.nx-report/record.jsonl")
build = Build("acme", "shop", "1f3c9ab02d41", 417, sys.argv[1], exit_code="1")
start = time.process_time()
collector = Collector(Checkout(sys.argv[1]), Settings(), build, sys.argv[1], frozenset())
collector.read()
found = collector.collection()
runs = [Redactor(()).run(run, sys.argv[1]) for run in found.runs]
render(summarise(runs, "1"), Frame(build, build.commit), datetime.now(UTC))
print(json.dumps([time.process_time() - start, len(runs[0].tasks)]))
"""
RUN_JSON = f"""
import json, sys, time
sys.path.append({str(ROOT)!r})
from pipe.checkout import Checkout
from pipe.nx import run_json
start = time.process_time()
run = run_json.read(Checkout(sys.argv[1]).read("run.json", 64 << 20), "run.json")
print(json.dumps([time.process_time() - start, len(run.tasks)]))
"""
LOADS = """
import json, sys, time
start = time.process_time()
with open(sys.argv[1] + "/record.jsonl", "rb") as file:
    count = sum(json.loads(line)["type"] == "task" for line in file)
print(json.dumps([time.process_time() - start, count]))
"""


def measure(code: str, folder: Path) -> tuple[float, int, float]:
    """CPU of a call in seconds, the tasks that it found, and the peak memory of its process in MB."""
    _, memory, (seconds, tasks) = python(code, str(folder))
    return seconds, tasks, memory


def record(tasks: int, output: str, each: int = 10) -> Iterator[str]:
    """The lines of a record; of `each` tasks one failed."""
    yield json.dumps({"type": "run", "version": "1.0", "id": "x", "start": START, "end": START + 1000})
    for number in range(tasks):
        failed = number % each == 0
        yield json.dumps(
            {
                "type": "task",
                "id": f"project-{number}:test",
                "project": f"project-{number}",
                "target": "test",
                "status": "failure" if failed else "success",
                "code": int(failed),
                "start": START + number,
                "end": START + number + 900,
                "hash": str(10**18 + number),
                "cache": "miss",
                "projectRoot": f"packages/project-{number}",
                "dependencies": [],
                "output": output,
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
    yield json.dumps({"type": "end", "tasks": tasks})


def run_json(tasks: int) -> str:
    """A run.json as Nx writes it."""
    time = "2026-11-23T19:23:37.766Z"
    return json.dumps(
        {
            "run": {"command": "nx run-many -t test", "startTime": time, "endTime": time, "inner": False},
            "tasks": [
                {
                    "taskId": f"project-{number}:test",
                    "target": "test",
                    "projectName": f"project-{number}",
                    "hash": str(10**18 + number),
                    "startTime": time,
                    "endTime": time,
                    "params": "",
                    "cacheStatus": "cache-miss",
                    "status": int(number % 10 == 0),
                }
                for number in range(tasks)
            ],
        },
        indent=2,
    )


def figures(folder: Path) -> list[Figure]:
    """All rows; `folder` is for the files."""
    path = folder / "record.jsonl"
    with path.open("w") as file:
        file.writelines(f"{line}\n" for line in record(TASKS, OUTPUT))
    size = path.stat().st_size >> 20
    ours, tasks, memory = min(measure(RECORD, folder) for _ in range(3))
    theirs = min(measure(LOADS, folder) for _ in range(3))[0]
    how = f"{ours:.2f} s / {theirs:.2f} s, {tasks:,} tasks, {size} MB"
    rows = [
        Figure("record: CPU / json.loads", ours / theirs, RATIO, how),
        Figure("record: peak memory in MB", memory, MEMORY, ""),
    ]
    path.unlink()
    (folder / "run.json").write_text(run_json(TASKS))
    seconds, tasks, memory = measure(RUN_JSON, folder)
    rows.append(Figure("run.json: peak memory in MB", memory, MEMORY, f"{tasks:,} tasks in {seconds:.2f} s"))
    (folder / "run.json").unlink()

    def recorded(tasks: int) -> float:
        with path.open("w") as file:
            file.writelines(f"{line}\n" for line in record(tasks, OUTPUT[:2_000]))
        return min(measure(RECORD, folder)[0] for _ in range(3))

    def last(tasks: int) -> float:
        (folder / "run.json").write_text(run_json(tasks))
        return min(measure(RUN_JSON, folder)[0] for _ in range(3))

    def reported(tasks: int) -> float:
        def once() -> float:
            with path.open("w") as file:
                file.writelines(f"{line}\n" for line in record(tasks, OUTPUT[:200], 1))
            return measure(REPORT, folder)[0]

        return min(once() for _ in range(3))

    kinds = {"record": recorded, "run.json": last, "whole report, all tasks failed": reported}
    return [*rows, *(linear(name, measured) for name, measured in kinds.items())]
