"""Reports for the page: a small one, one of a captured run, and a big one made of what real tools printed.

`python -m test.page_corpus FILE [TASKS] [MB]` writes the page of a big one, with CAPTURE RUN that of a captured run.

In the big one each task's log is a mix of the captured outputs (test/data/outputs) of tools that its target uses,
with its own folder in place of the captured one, other times and other numbers:
nothing is there twice. The schedule is that of eight workers who take tasks as soon as their dependencies have ended.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipe import problems
from pipe.build import Build
from pipe.checkout import Checkout
from pipe.insights import summarise
from pipe.insights.derive import insights
from pipe.logs import Logs
from pipe.model import CacheStatus, Log, Run, RunStatus, Task, TaskStatus
from pipe.nx.collect import Collector
from pipe.pack import Packer
from pipe.redact import Redactor
from pipe.render import page
from pipe.render.comment import Frame
from pipe.render.document import document
from pipe.settings import Settings
from pipe.telling import Telling
from pipe.terminal import coloured, strip_escapes
from test.workspaces import COMMIT, exit_code, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipe.pack import Packed

OUTPUTS = Path(__file__).parent / "data" / "outputs"
START = datetime(2026, 11, 23, 19, 22, tzinfo=UTC)
WORKERS = 8
TARGETS = {
    "lint": ("eslint", "prettier", "stylelint", "oxlint", "biome", "ruff", "markdownlint", "cspell"),
    "build": ("tsc", "vite", "webpack", "esbuild", "rollup", "swc", "next", "angular", "cargo-build", "go-build"),
    "test": ("jest", "vitest", "mocha", "node-test", "pytest", "go-test", "cargo-test", "karma", "ava"),
    "e2e": ("playwright", "jest30", "pytest-verbose", "unittest", "rspec"),
}


class Corpus(NamedTuple):
    """A report's document, the packed logs, and how many characters these had."""

    document: dict[str, Any]
    packed: Packed
    characters: int

    def write(self, path: Path) -> Path:
        """Write the page that shows it to a file, whose path it gives back."""
        with path.open("w", encoding="utf-8") as out:
            page.write(self.document, self.packed, out.write)
        return path


def corpus(tasks: int = 10_000, megabytes: float = 100, failed: int = 40, seed: int = 17) -> Corpus:
    """Make a report of so many tasks, with so much output in all, `failed` of them failed."""
    chance = random.Random(seed)
    printed = {target: [coloured(text)[0] for text in _captured(tools)] for target, tools in TARGETS.items()}
    packer = Packer()
    made: list[Task] = []
    characters = 0
    bad = set(chance.sample(range(tasks), min(failed, tasks // 20)))
    each = megabytes * (1 << 20) / tasks
    lengths = [chance.lognormvariate(0, 1) for _ in range(tasks)]
    scale = each / (sum(lengths) / tasks)
    for number, (task, length) in enumerate(zip(_scheduled(tasks, chance), lengths, strict=True)):
        project, _, target = task.id.partition(":")
        text = _log(printed[target], project, int(length * scale), chance)
        characters += len(text)
        fails = number in bad
        log = Log(packer.add(text, failed=fails), len(text), text.count("\n") + 1)
        if fails:
            log = log._replace(problems=problems.find(strip_escapes(text))[:100])
        hit = not fails and chance.random() < 0.7
        made.append(
            _with(task, TaskStatus.FAILURE if fails else TaskStatus.SUCCESS, log, text if fails else None, hit=hit)
        )
    ends = [task.end for task in made if task.end]
    run = Run(
        RunStatus.FAILED if bad else RunStatus.SUCCEEDED,
        tuple(made),
        command="nx run-many -t lint build test e2e --parallel=8",
        start=START,
        end=max(ends),
    )
    summary = summarise([run], "1" if bad else "0")
    build = Build("acme", "shop", "1f3c9ab02d41", 417, "/clone", branch="feature/cart-totals", pull_request=17)
    frame = Frame(build, "1f3c9ab02d41d9e3c5b7a9f1e3d5c7b9a1f3e5d7", step_name="Nx")
    told = document(summary, insights(summary), frame, max(ends))
    return Corpus(told, packer.packed(), characters)


def texts(tasks: int, megabytes: float, seed: int = 17) -> Iterator[str]:
    """Give so many logs of so much in all, as the big report's tasks printed them, with all their codes."""
    chance = random.Random(seed)
    printed = [list(_captured(tools)) for tools in TARGETS.values()]
    lengths = [chance.lognormvariate(0, 1) for _ in range(tasks)]
    scale = megabytes * (1 << 20) / sum(lengths)
    for number, length in enumerate(lengths):
        kind = printed[number % len(printed)]
        yield _log(kind, f"project-{number}", int(length * scale), chance)


def real(folder: Path, version: str, run: int | str) -> Corpus:
    """Make the report of a captured run, whose clone directory is laid out in `folder`."""
    clone = str(lay_out(folder, version, (run,)))
    code = exit_code(version, run)
    build = Build("acme", "shop", COMMIT, 417, clone, branch="feature/cart-totals", pull_request=17, exit_code=code)
    packer = Packer()
    collector = Collector(Checkout(clone), Settings(), build, clone, frozenset())
    collector.read(Logs(packer, (), clone).keep)
    runs = [Redactor(()).run(each, clone) for each in collector.collection().runs]
    summary = summarise(runs, code)
    told = document(summary, insights(summary), Frame(build, COMMIT, step_name="Nx"), runs[-1].end or START)
    characters = sum(task.log.characters for each in runs for task in each.tasks if task.log)
    return Corpus(told, packer.packed(), characters)


def _with(task: Task, status: TaskStatus, log: Log, output: str | None, *, hit: bool) -> Task:
    cache = CacheStatus.REMOTE if hit else CacheStatus.MISS
    end = task.start + timedelta(milliseconds=40) if hit and task.start else task.end
    code = 0 if status is TaskStatus.SUCCESS else 1
    return Task(
        task.id, status, task.target, cache, code, task.start, end, task.hash, output, log=log, cacheable=True,
        dependencies=task.dependencies, root=task.root,
    )  # fmt: skip


def _scheduled(count: int, chance: random.Random) -> Iterator[Task]:
    """Give tasks of projects that depend on earlier ones, each with its time, as so many workers take them."""
    ends: dict[str, float] = {}
    free = [0.0] * WORKERS
    for number in range(count):
        target = list(TARGETS)[number % len(TARGETS)]
        project = number // len(TARGETS)
        name = f"{'lib' if project % 3 else 'app'}-{project:04}"
        needs = {f"{name}:build"} if target in ("test", "e2e") else set()
        if target == "build" and project:
            for other in chance.sample(range(project), min(2, project)):
                needs.add(f"{'lib' if other % 3 else 'app'}-{other:04}:build")
        start = max([heappop(free), *(ends[need] for need in needs)])
        end = start + chance.lognormvariate(0, 0.8)
        heappush(free, end)
        ends[f"{name}:{target}"] = end
        yield Task(
            f"{name}:{target}",
            TaskStatus.SUCCESS,
            target,
            start=START + timedelta(seconds=start),
            end=START + timedelta(seconds=end),
            hash=str(chance.randrange(1 << 63)),
            dependencies=tuple(sorted(needs)),
            root=f"packages/{name}",
        )


def _captured(tools: tuple[str, ...]) -> list[str]:
    paths = sorted(path for path in OUTPUTS.glob("*.txt") if path.name.startswith(tools))
    return [path.read_bytes().decode("utf-8", "replace") for path in paths]


def _log(printed: list[str], project: str, length: int, chance: random.Random) -> str:
    """A log of about so many characters."""
    parts: list[str] = []
    room = max(length, 40)
    while room > 0:
        text = chance.choice(printed)
        text = re.sub(r"\d+(?:\.\d+)? ?m?s\b", lambda found: _other(found[0], chance), text)
        text = re.sub(r"packages/[\w-]+", f"packages/{project}", text)
        parts.append(text[:room])
        room -= len(text)
    return "\n".join(parts).rstrip("\n")


def _other(number: str, chance: random.Random) -> str:
    """The same with other digits."""
    return "".join(str(chance.randrange(10)) if digit.isdigit() else digit for digit in number)


# --- a small one with everything in it ------------------------------------------------------------------------------

HOSTILE = "<img src=x onerror=\"document.title='ran'\"></script><script>document.title='ran'</script><!--\u2028"
BULK = 150_000  # lines of core:bulk
LONG = 1 << 20  # characters of the only line of core:line
COLOURS = "\n".join(
    [
        *(f"\x1b[{code}mforeground {code}\x1b[39m" for code in (*range(30, 38), *range(90, 98))),
        *(f"\x1b[{code}mground {code}\x1b[49m" for code in (*range(40, 48), *range(100, 108))),
        "\x1b[38;5;21mpalette 21\x1b[0m \x1b[38;5;245mpalette 245\x1b[0m \x1b[48;5;226mpalette ground 226\x1b[0m",
        "\x1b[38;2;250;250;210mtrue colour\x1b[0m \x1b[38:2::10:20:30mwith colons\x1b[0m",
        "\x1b[48;2;9;9;9mtrue ground\x1b[0m",
        "\x1b[1mbold\x1b[0m \x1b[2mdim\x1b[0m \x1b[3mitalic\x1b[0m \x1b[4munderlined\x1b[0m \x1b[9mstruck\x1b[0m",
        "\x1b[7mreverse",
        "still reverse\x1b[0m and no more",
    ]
)


_PROBLEM = {
    "path": "packages/ts/src/price.ts", "line": 4, "column": 7, "severity": "error", "rule": "TS2322", "tool": "tsc",
    "message": "Type 'string' is not assignable to type 'number'.",
}  # fmt: skip


def sample() -> Corpus:
    """Make a small report in which everything occurs that the page shows, hostile names and logs among it."""
    outputs = {
        name: coloured((OUTPUTS / f"{name}.txt").read_text())[0] for name in ("jest-colour-29.7.0", "tsc-pretty-5.9.3")
    }
    packer = Packer()
    tasks = [
        _told("cart:test", "failure", packer, outputs["jest-colour-29.7.0"], compared="new", code=1, seconds=(2, 8)),
        _told("cart:lint", "success", packer, "All files pass linting", cache="local", seconds=(0, 0.04)),
        _told("core:build", "success", packer, COLOURS, critical=True, seconds=(0, 2)),
        _told(
            "web:build", "failure", packer, outputs["tsc-pretty-5.9.3"], compared="known", code=2, critical=True,
            dependencies=["core:build"], seconds=(2, 12),
            problems=[_PROBLEM, {**_PROBLEM, "message": HOSTILE, "line": None}],
        ),
        _told("web:e2e", "not-run", packer, None, dependencies=["web:build"]),
        _told(f"{HOSTILE}:test", "failure", packer, f"{HOSTILE}\njavascript:document.title='ran'", seconds=(3, 4)),
        _told("core:bulk", "success", packer, "\n".join(f"[{at}] row {at} exported" for at in range(1, BULK + 1))),
        _told("core:line", "success", packer, "x" * (LONG - 12) + "Long\x1b[31mNeedle\x1b[39m"),
        _told("docs:build", "success", packer, "left out", seconds=(1, 2)),
        _told("api:test", "failure", packer, "Error: socket hang up", flaky=True, retried=True, seconds=(4, 5)),
        _told("api:test", "success", packer, "ok 1", flaky=True, retried=True, run=1, seconds=(20, 21)),
    ]  # fmt: skip
    packed = packer.packed()
    places = [None if tasks[8]["log"]["id"] == number else place for number, place in enumerate(packed.places)]
    changed = {"seconds": 9.5, "usual": 4.0, "spread": 0.4, "builds": 7}
    told = {
        "version": "1.0",
        "generator": "nx-report 0.1.0",
        "report": {"id": "nx", "title": "Nx"},
        "build": {
            "number": 417,
            "url": "https://bitbucket.org/acme/shop/pipelines/results/417",
            "commit": "1f3c9ab02d41d9e3c5b7a9f1e3d5c7b9a1f3e5d7",
            "branch": "feature/cart-totals",
            "pullRequest": 17,
            "repository": "javascript:document.title='ran'//",
            "step": {"name": "test", "uuid": None, "run": 2, "url": None},
        },
        "time": "2026-11-23T19:22:30.000Z",
        "result": "tasks failed",
        "answer": "3 of 10 tasks failed: cart:test, web:build and 1 more (1 not run)",
        "exitCode": "1",
        "totals": {"tasks": 10, "failed": 3, "cached": 1, "notRun": 1, "seconds": 21.0},
        "runs": [
            _run("nx affected -t lint test", "FAILED", "https://cloud.nx.app/runs/AbCd", ["NX   Ran out of luck"]),
            _run("nx test api", "SUCCEEDED", "javascript:document.title='ran'", []),
        ],
        "tasks": tasks,
        "insights": {
            "cache": {"local": 1, "remote": 0, "cacheable": 9},
            "saved": {"seconds": 12.0, "tasks": 1, "hits": 1, "sameHash": 1, "usual": 0},
            "criticalPaths": [
                {"run": 0, "tasks": ["core:build", "web:build"], "length": 2, "seconds": 12.0, "source": "dependencies",
                 "window": 14.0, "gain": 2.0},
            ],
            "slowest": [{"id": "web:build", "run": 0, "seconds": 10.0}, {"id": "cart:test", "run": 0, "seconds": 6.0}],
            "parallelism": {
                "start": "2026-11-23T19:22:00.000Z", "steps": [[0, 2], [0.04, 1], [2, 3], [12, 0], [20, 1], [21, 0]],
                "average": 2.4, "peak": 4,
            },
            "flaky": [{"id": "api:test", "why": "failed, then passed with the same hash"}],
            "comparison": {
                "branch": "main", "commit": "0c5d2e7f9a1b", "new": ["cart:test"], "known": ["web:build"],
                "fixed": ["cart:lint"], "unknown": [f"{HOSTILE}:test"],
            },
            "slower": [{"id": "web:build", **changed}],
            "faster": [],
        },
    }  # fmt: skip
    characters = sum(task["log"]["characters"] for task in tasks if task["log"])
    return Corpus(told, packed._replace(places=tuple(places)), characters)


def _run(command: str, status: str, link: str, errors: list[str]) -> dict[str, Any]:
    return {
        "command": command, "label": command, "status": status, "start": "2026-11-23T19:22:00.000Z", "end": None,
        "seconds": 14.0, "link": link, "errors": errors, "sources": [], "step": "test", "cut": False,
    }  # fmt: skip


def _told(
    name: str, status: str, packer: Packer, text: str | None, *, seconds: tuple[float, float] | None = None, **more: Any
) -> dict[str, Any]:
    """One task as a document has it."""
    failed = status == "failure"
    plain = strip_escapes(text or "")
    telling = [line for line in plain.split("\n") if "rror" in line or "xpected" in line or "<" in line][:8]
    reason = next(iter(Telling("\n".join(telling)).excerpt(1).lines), None)
    number = None if text is None else packer.add(text, failed=failed)
    start, end = ((START + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for at in seconds or (0, 0))
    log = None if text is None else {"id": number, "characters": len(text), "lines": text.count("\n") + 1}
    return {
        "id": name, "project": name.partition(":")[0], "target": name.partition(":")[2], "run": 0, "status": status,
        "cache": None if status == "not-run" else "miss", "cacheable": True, "code": None,
        "start": start if seconds else None, "end": end if seconds else None, "hash": "12345", "flaky": False,
        "retried": False, "compared": None, "critical": False, "dependencies": None, "root": None,
        "log": log, "reason": reason if failed else None, "telling": telling if failed else [],
        "problems": [], "moreProblems": 0, **more,
    }  # fmt: skip


def main() -> None:
    """Write the page."""
    path, what = Path(sys.argv[1]), sys.argv[2:]
    if what and not what[0].isdigit():
        with tempfile.TemporaryDirectory() as folder:
            made = real(Path(folder), what[0], what[1])
    else:
        made = corpus(int(what[0]), float(what[1])) if what else corpus()
    print(f"{path}: {made.write(path).stat().st_size:,} bytes for {made.characters:,} characters of logs")


if __name__ == "__main__":
    main()
