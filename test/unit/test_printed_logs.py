"""Printed logs: the output of every task that has one, handed on text by text."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipe.model import Kept as KeptOutput
from pipe.model import Log, Run, TaskStatus
from pipe.nx import printed
from pipe.nx.printed import outputs, streams
from pipe.terminal import strip_escapes
from test.unit.test_printed import GREEN, RED, START

CAPTURES = sorted((Path(__file__).parents[1] / "data" / "printed").glob("*.log"))
# Not the style in which the lines of tasks that run at the same time are mixed, nor what holds another run's words.
TOLD_APART = [path for path in CAPTURES if not path.stem.endswith(("stream-bare", "nested"))]
GAP = re.compile(r"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n")


class Kept:
    """Takes texts and gives each a number, but for blank ones, as the keeper of the logs does."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, bool]] = []

    def keep(self, text: str, failed: bool) -> KeptOutput:  # noqa: FBT001 - as the type has it
        """Take a text."""
        self.texts.append((text, failed))
        log = Log(len(self.texts) - 1, len(text), text.count("\n") + 1)
        return KeptOutput(text, log if text.strip() else None)


def read(data: bytes) -> tuple[list[Run], Kept]:
    """Read a log with every output kept."""
    kept = Kept()
    return printed.read(io.BytesIO(data), source="a.log", hosts=frozenset(), keep=kept.keep), kept


def texts(data: bytes) -> dict[str, tuple[str, bool] | None]:
    """What was kept of each task of a log of one run."""
    (run,), kept = read(data)
    return {task.id: kept.texts[task.log.id] if task.log else None for task in run.tasks}


def test_every_task() -> None:
    """Whether a task succeeded, failed or was cached, its log is its own text; without a text there is none."""
    data = (
        (
            START
            + b"> nx run cart:lint\n\n\x1b[32mall good\x1b[39m\n\n\n> nx run web:lint  [local cache]\n\nfrom before\n\n"
        )
        + (b"> nx run web:test\n\n\n> nx run cart:test\n\nError: boom\n" + RED.rstrip())
        + b"\n\nTasks not run because their dependencies failed or --nx-bail=true:\n\n- cart:e2e\n\n"
    )
    assert texts(data) == {
        "cart:lint": ("\x1b[32mall good\x1b[39m", False),
        "web:lint": ("from before", False),
        "web:test": None,
        "cart:test": ("Error: boom", True),
        "cart:e2e": None,
    }


def test_ticks_have_no_output() -> None:
    """With a tick Nx prints no output: what is drawn under it is nobody's."""
    data = (
        START
        + "✔  nx run cart:lint (1s)\n\n   → Executing 2/5 remaining tasks\n\n✔  nx run web:lint\n".encode()
        + GREEN
    )
    assert texts(data) == {"cart:lint": None, "web:lint": None}


def test_stream() -> None:
    """In a stream a project's lines are its task's, and nobody's where the project has several tasks."""
    data = (
        START + b"> nx run cart:lint\n\n> nx run web:lint\n\ncart: one\nweb: two\n\x1b[1mcart:\x1b[22m three: 3\r\n"
    ) + b"> nx run web:test\n\nweb: four\ncart: \nother: five\ncart: six\n"
    assert texts(data + GREEN) == {"cart:lint": ("one\nthree: 3\n\nsix", False), "web:lint": None, "web:test": None}


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_capture_is_the_same_run(path: Path) -> None:
    """Keeping outputs changes nothing else of a run, and a failed task's log has what its output has."""
    data = path.read_bytes()
    runs, kept = read(data)
    for run in runs:
        for task in run.tasks:
            if task.output:
                assert task.log is not None
                assert kept.texts[task.log.id] == (task.output, True)
    without = [replace(run, tasks=tuple(replace(task, log=None) for task in run.tasks)) for run in runs]
    assert without == printed.read(io.BytesIO(data), source="a.log", hosts=frozenset())


@pytest.mark.parametrize("path", TOLD_APART, ids=lambda path: path.stem)
def test_capture_has_each_text_once(path: Path) -> None:
    """What a task says when it succeeds stands in its own log, and no other task's words and none of Nx's own do."""
    runs, kept = read(path.read_bytes())
    for task in (task for run in runs for task in run.by_status(TaskStatus.SUCCESS)):
        if task.log is None:
            continue
        words = strip_escapes(kept.texts[task.log.id][0])
        said = re.findall(r"^(?:lint (\S+) ok|(\S+) tests pass)\r?$", words, re.MULTILINE)
        project = task.project.removeprefix("@acme/")
        assert said in ([], [(project, "")] if ":lint" in task.id else [("", project)])
        assert not re.search("Failed tasks:|Executing|Running target|Successfully ran", words)


def test_captures_have_logs() -> None:
    """Where the style prints all, as up to 22 and with the static one later, nearly every task has a log."""
    for path in CAPTURES:
        if path.stem.endswith(("-cached", "-affected-static", "-verbose")):
            major = int(path.stem.split(".")[0])
            tasks = [task for run in read(path.read_bytes())[0] for task in run.tasks]
            silent = path.stem.endswith("-cached") and major > 22
            assert sum(task.log is not None for task in tasks) >= (0 if silent else len(tasks) - 1), path.stem


def test_long_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an output that is longer than one may be both ends are kept, however little memory the runs' own ones have."""
    monkeypatch.setattr(outputs, "LONGEST", 1 << 14)
    monkeypatch.setattr(outputs, "TOTAL", 1 << 10)
    lines = b"".join(b"line %d\n" % number for number in range(5000))
    data = START + b"> nx run cart:lint\n\n" + lines + b"\n> nx run cart:test\n\nError: boom\n" + lines + RED
    (run,), kept = read(data)
    assert len(run.tasks[1].output or "") < 1100
    for (text, failed), first in zip(kept.texts, ("line 0\n", "Error: boom\n"), strict=True):
        head, missing, tail = GAP.split(text)
        assert failed == (first == "Error: boom\n")
        assert head.startswith(first)
        assert tail.endswith("line 4999")
        assert 16_000 < len(head) + len(tail) <= 1 << 14
        assert int(missing) > 0


def test_long_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a stream that is longer than there is room for, the first and last lines of the longest outputs are kept."""
    monkeypatch.setattr(streams, "ROOM", 1 << 10)
    text = "first\n" + "".join(f"line {number}\n" for number in range(5000)) + "last"
    lines = "".join(f"cart: {line}\n" for line in text.split("\n"))
    data = START + b"> nx run cart:lint\n\n> nx run web:lint\n\nweb: short\n" + lines.encode() + GREEN
    monkeypatch.setattr("pipe.nx.printed.log.PIECE", 1 << 9)
    found = texts(data)
    assert found["web:lint"] == ("short", False)
    head, missing, tail = GAP.split((found["cart:lint"] or ("", False))[0])
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + int(missing) + len(tail) == len(text)
    assert len(head) + len(tail) < 4 << 10


def test_all_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many outputs only so much is read to be kept; a failed task's is kept all the same."""
    monkeypatch.setattr(outputs, "EVERY", 1 << 12)
    passing = b"".join(b"> nx run web:lint-%d\n\n" % number + b"okay\n" * 200 + b"\n" for number in range(20))
    start = START.replace(b" projects:", b" projects and 20 tasks they depend on:")
    red = RED.replace(b" projects", b" projects and 20 tasks they depend on")
    found = texts(start + passing + b"> nx run cart:test\n\nError: boom\n" + red)
    assert sum(text is not None for text in found.values()) == 5
    assert found["cart:test"] == ("Error: boom", True)


def test_nested_run_is_its_tasks_output() -> None:
    """What nx printed within a task is a part of that task's log, and has no log of its own."""
    inner = b"\n NX   Running target lint for 2 projects:\n\n- cart\n- web\n\n\n\n> nx run web:pack\n\nin\n\n\n\n"
    data = (START + b"> nx run cart:test\n\n> nx run-many -t pack\n\n" + inner) + (
        b" NX   Successfully ran target lint for 2 projects\n\n\nout\n\n> nx run web:lint\n\nok\n" + GREEN
    )
    found = texts(data)
    assert found.keys() == {"cart:test", "web:lint"}
    assert found["web:lint"] == ("ok", False)
    assert "in\n" in (found["cart:test"] or ("", False))[0]
