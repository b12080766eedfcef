"""Printed logs that are huge, odd or made to do harm: what is kept of them, and where reading ends."""

from __future__ import annotations

import io
import re

import pytest

from pipe.model import RunStatus
from pipe.nx import printed
from pipe.nx.printed import assemble, log, outputs, scan
from test.unit.test_printed import GREEN, RED, START, one, read, statuses

# Runs that can have other tasks than those of the two projects.
OTHER_START = START.replace(b" projects:", b" projects and 20 tasks they depend on:")
OTHER_RED = RED.replace(b" projects", b" projects and 20 tasks they depend on").rstrip() + b"\n"
MIXED = START + b"> nx run cart:test\n\nhello\n\n> nx run web:test\n\nError: boom\n" + RED


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


@pytest.mark.parametrize("total", [1 << 12, 1 << 14])
@pytest.mark.parametrize("short", [1 << 10, 1 << 20])
def test_left_out_is_counted(short: int, total: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes that are kept and the bytes that are said to be missing are the output's, however it is read."""
    monkeypatch.setattr(outputs, "TOTAL", total)
    monkeypatch.setattr(log, "SHORT", short)
    text = "Error: " + "".join(f"line {number}\n" for number in range(5000)) + "last"
    output = one(START + b"> nx run cart:test\n" + text.encode() + RED).tasks[0].output or ""
    head, missing, tail = re.split(r"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n", output)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + int(missing) + len(tail) == len(text)
    assert min(len(head), len(tail)) > total // 5


def test_left_out_of_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a task's lines in a stream, too, the first and the last are kept, and how much is missing is said."""
    monkeypatch.setattr(outputs, "TOTAL", 1 << 12)
    monkeypatch.setattr(log, "PIECE", 1 << 11)
    text = "first\n" + "".join(f"line {number}\n" for number in range(5000)) + "Error: last"
    lines = "".join(f"cart: {line}\nweb: other\n" for line in text.split("\n"))
    output = one(START + b"> nx run cart:test\n\n> nx run web:test\n\n" + lines.encode() + RED).tasks[0].output or ""
    head, missing, tail = re.split(r"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n", output)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + int(missing) + len(tail) == len(text)


def test_memory_goes_to_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tasks printed that succeeded takes no room from those that failed, however much it is."""
    monkeypatch.setattr(outputs, "TOTAL", 1 << 14)
    boom = b"ERROR: boom\n" + b"z" * 5000
    tasks = b"".join(b"\n> nx run web:lint-%d\n\n" % n + b"okay\n" * 4000 + b"last\n" for n in range(50))
    run = one(OTHER_START + b"> nx run cart:test\n\n" + boom + b"\n" + tasks + OTHER_RED + b"- web:lint-1\n")
    found = {task.id: task.output or "" for task in run.tasks}
    assert found["cart:test"] == boom.decode()
    assert found["web:lint-1"].endswith("last")
    assert "bytes left out" in found["web:lint-1"]
    assert not any(found[f"web:lint-{n}"] for n in range(2, 50))


def test_memory_of_wide_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A character that takes four bytes of memory where the others take one counts as it is."""
    monkeypatch.setattr(outputs, "TOTAL", 1 << 14)
    for text, size in (("x" * 100_000, 1 << 14), ("x" * 99_999 + "\U0001f600", 1 << 12)):
        output = one(START + b"> nx run cart:test\n\nError: " + text.encode() + RED).tasks[0].output or ""
        assert size - 100 < len(output) < size + 100


def test_memory_of_many_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """All outputs together stay below the limit; small ones are whole."""
    monkeypatch.setattr(outputs, "TOTAL", 1 << 16)
    tasks = b"".join(
        b"\n> nx run web:lint-%d\n\nError: %d\n" % (n, n) + (b"x" * 79 + b"\n") * (n % 10) * 10 for n in range(100)
    )
    names = b"".join(b"- web:lint-%d\n" % n for n in range(100))
    found = [task.output for task in one(OTHER_START + tasks + OTHER_RED + names).tasks if task.output]
    assert len(found) == 100
    assert 1 << 15 < sum(map(len, found)) < (1 << 16) + 100 * len(log.gap(1000))
    assert all(output == f"Error: {n}" for n, output in enumerate(found) if n % 10 == 0)


def test_many_tries() -> None:
    """Of a task that is printed again and again the last tries are given."""
    tries = b"".join(b"> nx run cart:test\n\nError: try %d\n\n" % n for n in range(500))
    output = one(START + tries + RED).tasks[0].output or ""
    assert output.endswith("Error: try 499")
    assert len(output) < 1000


class Changing(io.BytesIO):
    """A file of which other bytes are there when it is read again."""

    def __init__(self, first: bytes, then: bytes) -> None:
        super().__init__(first)
        self._then = then

    def seek(self, place: int, whence: int = 0) -> int:
        """Go somewhere else in the file."""
        if self._then is not None:
            self.truncate(0)
            super().seek(0)
            self.write(self._then)
        return super().seek(place, whence)


@pytest.mark.parametrize("then", [b"", b"\n" * 100, START + RED, b"\xff" * 5000, RED * 100])
def test_file_that_changes(then: bytes) -> None:
    """A file that is written while it is read costs texts, and nothing else."""
    data = START + b"> nx run cart:test\n\nError: boom\n" * 3 + RED
    (run,) = printed.read(Changing(data, then), source="a.log", hosts=frozenset())
    assert run.status is RunStatus.FAILED
    assert "boom" not in str(run)


def test_too_many_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that floods a reader with headers keeps its ends; one that floods it with badges is read no further."""
    monkeypatch.setattr(scan, "MOST_HEADERS", 50)
    monkeypatch.setattr(scan, "MOST_BADGES", 50)
    monkeypatch.setattr(scan, "WINDOW", 64)
    for many in (1, 100):
        monkeypatch.setattr(scan, "MANY", many)
        run = one(OTHER_START + b"".join(b"> nx run web:t%d\n" % n for n in range(200)) + OTHER_RED)
        assert run.status is RunStatus.FAILED
        assert len(run.tasks) < 60
        assert one(START + b"\n NX   Anything\n" * 200 + GREEN).cut


def test_words_of_marks_everywhere() -> None:
    """A log that is full of the words of marks, in places where no mark has them, is read as any other."""
    text = b"XX [ NX ] Lerna (powered by Nx) runs: nx run cart:x\n" * 20_000
    run = one(START + text + b"> nx run cart:test\n\n" + text + b"Error: boom\n" + RED + text)
    assert statuses(run) == {"cart:test": "failure"}
    assert (run.tasks[0].output or "").endswith("Error: boom")


def test_scanned_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pieces that are scanned begin changes nothing: not in a line without an end, not at an npm echo."""
    monkeypatch.setattr(scan, "WINDOW", 64)
    assert statuses(one(START + b"x" * 8192 + b"> nx run web:lint\n" + GREEN)) == {}
    echo = b"\n> app@1.0.0 build\n> nx run web:build\n\n\n> nx run web:build\n\n NX   Ran target build for project web"
    for before in range(64):
        run = one(b"-" * before + echo)
        assert (run.command, statuses(run), run.cut) == ("nx run web:build", {"web:build": "success"}, False)


def test_marks_begin_their_line() -> None:
    """What stands far from a line's beginning, or on an endless line, is no mark, nor is a header without a task."""
    assert read(b" " * 100 + b" NX   Cannot find x\n") == []
    assert read(b"\n NX   Cannot find " + b"x" * 5000 + b"\n") == []
    assert one(b"> nx run web:\n" + START + b"> nx run : web\n" + GREEN).tasks == ()


def test_starts_without_ends() -> None:
    """Runs that never end are all told, in order; of many that seem to be inside each other the outer ones are cut."""
    starts = [b"\n NX   Running target t%d for project web and 1 task it depends on:\n\n" % n for n in range(40)]
    last = b'\n> nx run web:t39\n\ncommand "x" exited with non-zero status code\n'
    runs = read(starts[0] + b"\n> nx run web:t0\n\n" + b"".join(starts[1:]) + last)
    assert [statuses(run) for run in (runs[0], runs[38])] == [{"web:t0": "stopped"}, {}]
    assert [run.targets for run in runs] == [(f"t{n}",) for n in range(40)]
    assert all(run.cut for run in runs)
    end = b"\n NX   Successfully ran target t0 for project web and 1 task it depends on\n\n"
    assert len(read(b"".join(starts[:10]) + end)) == 1
    assert len(read(b"".join(starts[:20]) + end)) == 20


def test_second_end_long_after() -> None:
    """An end is of a run that ended only a little earlier; a later one is a run of its own and as bad."""
    ended = b"\n NX   Successfully ran target t%d for project web\n\n"
    failed = b"\n NX   Running target t0 for project web failed\n\n"
    assert one(ended % 0 + failed).status is RunStatus.FAILED
    runs = read(b"".join(ended % n for n in range(50)) + failed)
    assert [run.status for run in runs] == [RunStatus.SUCCEEDED] * 50 + [RunStatus.FAILED]


def test_second_ends_move_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Second ends make one run of many only up to a limit: a file of them would take its time again and again."""
    runs = b"".join(b"\n> nx run web:t%d\n\n\n NX   Ran target t%d for project web\n\n" % (n, n) for n in range(9))
    ends = b"".join(b"\n NX   Ran target t%d for project web\n\n" % n for n in (7, 6, 5, 4, 3))
    assert len(read(runs + ends)) == 4
    monkeypatch.setattr(assemble, "MOST_MOVED", 5)
    assert len(read(runs + ends)) > 4


def test_closing_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tools' lines after a run are none of its closing block, nor is what stands many lines below."""
    other = b"\xe2\x9c\x96 1/3 failed\n"
    assert one(START + GREEN + b"a tool's line\n" * 50 + other).status is RunStatus.SUCCEEDED
    assert one(START + GREEN + b"a tool's line\n" * 9 + other).status is RunStatus.FAILED
    monkeypatch.setattr(log, "MOST_LINES", 60)
    assert one(START + GREEN + b"\n" * 50 + other).status is RunStatus.FAILED
    assert one(START + GREEN + b"\n" * 60 + other).status is RunStatus.SUCCEEDED


def test_mixed_outputs() -> None:
    """Streamed without prefixes a failed task's lines can stand under a later header: then it gets all of them."""
    assert "Error: boom" in (one(MIXED).tasks[0].output or "")


@pytest.mark.parametrize(("name", "value"), [("LONGEST_RUN", 1), ("SPARE", 40)])
def test_mixed_outputs_of_a_big_run(name: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A big run is not given to each of its failed tasks."""
    monkeypatch.setattr(outputs, name, value)
    assert one(MIXED).tasks[0].output == "hello"


def test_mixed_outputs_of_many_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a run is given to its failed tasks only as often as memory allows."""
    data = MIXED.replace(b"> nx run web:test", b"> nx run cart:lint\n\nhello\n\n> nx run web:test") + b"- cart:lint\n"
    assert ["boom" in (task.output or "") for task in one(data).tasks] == [True, True, False]
    monkeypatch.setattr(outputs, "SPARE", 90)
    assert ["boom" in (task.output or "") for task in one(data).tasks] == [True, False, False]


def test_many_look_alikes_in_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an output that is full of badges both ends are kept."""
    monkeypatch.setattr(outputs, "LONGEST", 1000)
    run = one(START + b"> nx run cart:test\n\nError: boom\n" + b"\n NX   Anything\n" * 1000 + RED)
    assert (run.tasks[0].output or "").startswith("Error: boom")
    assert 900 < len(run.tasks[0].output or "") < 1100


def test_printed_twice_after_many_tries() -> None:
    """A copy is looked for only where the first line is seldom: each place costs as much as all before it."""
    for lines, copies in ((10, 1), (200, 2)):
        output = b"a\nError: boom\n" + b"a\nb\n" * lines
        run = one(START + b"> nx run cart:test\n\n" + output + output + RED)
        assert (run.tasks[0].output or "").count("Error: boom") == copies
