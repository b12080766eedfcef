"""Measure the reading of printed logs: CPU against `grep -c 'nx run'` on the same file, peak memory, linearity.

Logs of many shapes are made from what Nx prints, read once by grep and once by `printed.read`, each in a process of its
own and with the file in the page cache. `python -m bench.logs [NAME ...]` prints the rows of all shapes or of some.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import Figure
from bench.process import measure
from test.workspaces import capture

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

MB = 1 << 20
REPEATS = 4
ENVIRON = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
ROOT = Path(__file__).parents[1]
RATIO = 4.0
# Where every line, and not one of 200, has to be looked at closer.
RATIOS = {"X and NX often": 5.0}
MEMORY = 200.0
LINES = 200  # lines for each task's line
# A tool's output: about 80 characters a line.
TEXT = tuple(
    b"2026-11-23T19:23:%02d.%03dZ [worker %d] \x1b[32mGET\x1b[39m /api/items?page=%d next 200 in %d ms\n"
    % (number % 60, number * 7 % 1000, number % 8, number * 13 % 997, number % 90)
    for number in range(LINES)
)
READ = f"""
import gc, json, sys, time
gc.set_threshold(50_000)  # as the pipe's __main__ does
sys.path.append({str(ROOT)!r})
from pipe.nx import printed
start = time.process_time()
with open(sys.argv[1], "rb") as file:
    runs = printed.read(file, source="nx.log", hosts=frozenset())
cpu = time.process_time() - start
tasks = [task for run in runs for task in run.tasks]
print(json.dumps([cpu, len(runs), len(tasks), sum(bool(task.output) for task in tasks)]))
"""


class Read(NamedTuple):
    """One reading: CPU of the process and of the call in seconds, peak memory in MB, what was found."""

    cpu: float
    call: float
    memory: float
    runs: int
    tasks: int
    outputs: int


def python(code: str, *arguments: str) -> tuple[float, float, Any]:
    """Run a piece of Python; CPU in seconds, peak memory in MB, and the JSON that it prints."""
    # Of its own memory alone, not of the process that started it.
    peak = "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    usage = measure([sys.executable, "-I", "-c", f"{code}\n{peak}", *arguments], ENVIRON)
    found, memory = usage.printed.splitlines()
    return usage.cpu, int(memory) / 1024, json.loads(found)


def grep(path: Path) -> float:
    """CPU of grep on the file, in seconds: the best of some."""
    return min(measure(["grep", "-c", "nx run", str(path)], ENVIRON).cpu for _ in range(REPEATS))


def read(path: Path) -> Read:
    """Read the file in a process of its own."""
    cpu, memory, (call, runs, tasks, outputs) = python(READ, str(path))
    return Read(cpu, call, memory, runs, tasks, outputs)


# --- shapes -----------------------------------------------------------------------------------------------------------

TICK = b"\xe2\x9c\x94  nx run p%d:test\n"
HEADER = b"\n> nx run p%d:test\n\n"
START = b"\n NX   Running target test for %d projects:\n\n%s\n\n"
GREEN = b"\n\n\n NX   Successfully ran target test for %d projects\n\n"
RED = b"\n\n\n NX   Running target test for %d projects failed\n\nFailed tasks:\n\n%s\n"


def run(tasks: int, header: bytes, text: Callable[[int], bytes], failed: range = range(0)) -> Iterator[bytes]:
    """Print one run: what stands under each task's header comes from `text`."""
    yield START % (tasks, b"".join(b"- p%d\n" % number for number in range(tasks)))
    for number in range(tasks):
        yield header % number + text(number)
    end = RED % (tasks, b"".join(b"- p%d:test\n" % number for number in failed)) if failed else GREEN % tasks
    yield end


def _plain(_: int) -> bytes:
    return _TEXT


def _failing(number: int) -> bytes:
    return _TEXT + b"Error: expected %d to equal 41 \xe2\x9c\x97\n" % number + _ERRORS


def _lookalike(_: int) -> bytes:
    return _CAPITALS


def _streamed(number: int) -> bytes:
    return b"".join(b"\x1b[96mp%d:\x1b[39m " % (number - at % 3) + line for at, line in enumerate(TEXT))


_TEXT = b"".join(TEXT)
_ERRORS = b"    at Object.<anonymous> (/build/node_modules/jest-circus/index.js:12:8)\nError: failed\n" * (LINES // 4)
_CAPITALS = b"".join(b"XML [ NX ] X " + line for line in TEXT)


def tasks_of(size: int) -> int:
    """How many tasks of plain text fill so many bytes."""
    return size // len(_TEXT)


def shapes(scale: float = 1) -> dict[str, Callable[[], Iterator[bytes]]]:
    """Every shape of log by its name; `scale` 1 is 1 GB for the first three and half of that for others."""
    many, some = int(tasks_of(1 << 30) * scale), int(tasks_of(500 * MB) * scale)
    return {
        "ticks": lambda: run(many, TICK, _plain),
        "headers": lambda: run(many, HEADER, _plain),
        "all fail": lambda: run(many, HEADER, _failing, range(many)),
        "errors, one fails": lambda: run(some, HEADER, _failing, range(1)),
        "X and NX often": lambda: run(some, HEADER, _lookalike, range(1)),
        "prefixes": lambda: run(some, HEADER, _streamed, range(0, some, 100)),
        "CRLF": lambda: (part.replace(b"\n", b"\r\n") for part in run(some, HEADER, _failing, range(0, some, 100))),
        "300 runs": lambda: (part for _ in range(300) for part in run(some // 300, HEADER, _failing, range(3))),
        "no end": lambda: (part for part in run(some, HEADER, _plain) if b"Successfully" not in part),
    }


def make(path: Path, parts: Iterator[bytes]) -> None:
    """Write a log."""
    with path.open("wb") as file:
        file.writelines(parts)


def shape(name: str, parts: Callable[[], Iterator[bytes]], folder: Path) -> list[Figure]:
    """Make a log of one shape, read it, and give CPU and memory."""
    path = folder / "nx.log"
    make(path, parts())
    theirs, ours = grep(path), min(read(path) for _ in range(REPEATS))
    size = path.stat().st_size / MB
    path.unlink()
    took = f"{ours.cpu:.2f} s / {theirs:.2f} s"
    how = f"{size:.0f} MB, {ours.runs:,} runs, {ours.tasks:,} tasks, {ours.outputs:,} outputs"
    return [
        Figure(f"log, {name}: CPU / grep's", ours.cpu / theirs, RATIOS.get(name, RATIO), f"{took}; {how}"),
        Figure(f"log, {name}: peak memory in MB", ours.memory, MEMORY, ""),
    ]


def many_runs(folder: Path) -> list[Figure]:
    """Read 200 MB of one small captured run again and again: mostly marks, so grep is no measure for the time."""
    path = folder / "nx.log"
    captured = capture("21.6.11", 1, "log").read_bytes()
    make(path, (captured for _ in range(200 * MB // len(captured))))
    ours = read(path)
    path.unlink()
    how = f"{ours.runs:,} runs, {ours.tasks:,} tasks, {ours.outputs:,} outputs"
    return [
        Figure("log, small captured runs: seconds for 200 MB", ours.cpu, 15, how),
        Figure("log, small captured runs: peak memory in MB", ours.memory, MEMORY, ""),
    ]


def one_line(folder: Path) -> list[Figure]:
    """Read a log of 2 GB in which one line never ends (a hole in the file)."""
    path = folder / "nx.log"
    make(path, run(3, HEADER, _failing))
    with path.open("ab") as file:
        file.truncate(2 << 30)
    ours = read(path)
    path.unlink()
    return [Figure("log, a line of 2 GB: peak memory in MB", ours.memory, MEMORY, f"{ours.cpu:.2f} s")]


def linear(name: str, measure: Callable[[int], float]) -> Figure:
    """Compare the CPU, in seconds, that `measure` takes for so many tasks with a line through the origin."""
    each = {tasks: measure(tasks) / tasks for tasks in (1_000, 10_000, 50_000)}
    line = (max(each.values()) + min(each.values())) / 2
    how = ", ".join(f"{tasks:,}: {one * 1e6:.1f} us" for tasks, one in each.items())
    return Figure(f"{name}: off one line through the origin", max(each.values()) / line - 1, 0.15, f"per task: {how}")


def lines(folder: Path) -> list[Figure]:
    """Read logs of more and more tasks, one of a hundred failed."""
    path = folder / "nx.log"

    def once(header: bytes, tasks: int) -> float:
        make(path, run(tasks, header, _failing, range(0, tasks, 100)))
        return min(read(path).call for _ in range(max(3, 15_000 // tasks)))

    return [
        linear("log, ticks", lambda tasks: once(TICK, tasks)),
        linear("log, headers", lambda tasks: once(HEADER, tasks)),
    ]


def figures(folder: Path, names: Collection[str] = ()) -> list[Figure]:
    """All rows, or those of the shapes named; `folder` is for the files."""
    found = []
    for name, parts in shapes().items():
        if not names or name in names:
            found += shape(name, parts, folder)
    for name, rows in (("runs", many_runs), ("line", one_line), ("linear", lines)):
        if not names or name in names:
            found += rows(folder)
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for figure in figures(Path(place), sys.argv[1:]):
            mark = "" if figure.measured <= figure.limit else "  BROKEN"
            print(f"{figure.name:48}{figure.measured:>10.4g}{figure.limit:>8g}{mark}  {figure.how}", flush=True)
