"""Measure the whole pipe on 10,000 tasks with 100 MB of logs: comment, report, report.json and page.

The logs are the page's corpus (test/page_corpus.py): what real tools printed, mixed to some 10 KB a task. What the CPU
is held against is what can't be done without: `json.loads` of the record's lines, and compressing the logs once with
the same codec in the same blocks. Each is a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from bench import Figure
from bench.process import measure
from bench.records import record
from test.page_corpus import texts
from test.sandbox import Sandbox
from test.workspaces import COMMIT, lay_out, variables

if TYPE_CHECKING:
    from pathlib import Path

TASKS, MEGABYTES = 10_000, 100
EACH = {"": 50, ", half of them failed": 2}  # one of so many failed
LEAST = """
import json, sys, time, zlib
start, logs = time.process_time(), bytearray()
with open(sys.argv[1], "rb") as file:
    for line in file:
        logs += (json.loads(line).get("output") or "").encode()
        while len(logs) >= 1 << 18:
            zlib.compress(logs[: 1 << 18])
            del logs[: 1 << 18]
print(time.process_time() - start)
"""


def write(path: Path, each: int) -> None:
    """Write the record, in a process of its own: a child's peak memory is at least its parent's."""
    lines = record(TASKS, "", each)
    with path.open("w") as file:
        file.write(f"{next(lines)}\n")
        for text in texts(TASKS, MEGABYTES):
            task = {**json.loads(next(lines)), "output": text}
            file.write(f"{json.dumps(task, ensure_ascii=False, separators=(',', ':'))}\n")
        file.write(f"{next(lines)}\n")


def figures(folder: Path, pipe: str) -> list[Figure]:
    """The rows; `pipe` is the Python that runs the pipe as the image does."""
    clone = lay_out(folder, "24.0.6", (1,), log=False, record=False)
    (clone / ".nx-report").mkdir(exist_ok=True)
    return [row for told, each in EACH.items() for row in _rows(clone, pipe, told, each)]


def _rows(clone: Path, pipe: str, told: str, each: int) -> list[Figure]:
    path = clone / ".nx-report" / "record.jsonl"
    own = f"import sys; sys.path.append({os.getcwd()!r}); from bench.whole import write; from pathlib import Path; "  # noqa: PTH109
    measure([sys.executable, "-c", f"{own}write(Path({str(path)!r}), {each})"], os.environ)
    least = min(float(measure([sys.executable, "-c", LEAST, str(path)], {}).printed) for _ in range(2))
    with Sandbox() as sandbox:
        settings = {
            "BITBUCKET_ACCESS_TOKEN": sandbox.access_token.token,
            "BITBUCKET_API_URL": sandbox.url,
            "BITBUCKET_COMMIT": COMMIT,
            "PATH": os.defpath,
        }
        usage = measure([sys.executable, "-I", "-c", pipe], variables(clone, settings), clone)
    page = (clone / ".nx-report" / "report.html").stat().st_size / 1e6
    how = f"{usage.cpu:.1f} s / {least:.1f} s, record of {path.stat().st_size >> 20} MB"
    return [
        Figure(f"10,000 tasks, 100 MB{told}: CPU / json.loads + zlib", usage.cpu / least, 4, how),
        Figure(f"10,000 tasks, 100 MB{told}: peak memory in MB", usage.memory, 200, ""),
        Figure(f"10,000 tasks, 100 MB{told}: page in MB", page, 25, ""),
    ]
