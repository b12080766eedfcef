"""The readers for JavaScript's test runners, on what the real ones printed (test/data/capture-problems-suites)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipe.model import Severity
from pipe.problems import find
from pipe.problems.suites import TOOLS
from pipe.terminal import plain
from test.seeds import unmatched

if TYPE_CHECKING:
    from pipe.model import Problem
    from test.seeds import Seed

ROOT = "/opt/atlassian/pipelines/agent/build"
CAPTURES = sorted((Path(__file__).parents[1] / "data" / "problems" / "suites").glob("*.txt"))


def read(capture: Path) -> list[Problem]:
    """Give the problems that a capture tells of, as they would be found in a task's output."""
    return list(find(plain(capture.read_bytes().decode())))


def place(problem: Problem, folder: str) -> tuple[str, int | None, int | None]:
    """Give a problem's place, its file from the tool's folder."""
    return problem.path.removeprefix(f"{ROOT}/{folder}/"), problem.line, problem.column


def missed(capture: Path) -> tuple[list[Seed], list[Problem]]:
    """Give the seeds that were not found in a capture, and the problems that nobody seeded."""
    expected = json.loads(capture.with_suffix(".json").read_text())
    return unmatched(
        read(capture),
        expected["problems"],
        lambda each, seed: place(each, expected["folder"]) == (seed["path"], seed["line"], seed["column"]),
    )


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_what_was_seeded_is_found_and_nothing_else(capture: Path) -> None:
    """Each seeded failure is found at its line and column, once, with its words; nothing else is."""
    assert missed(capture) == ([], [])


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_messages_are_fit_to_be_shown(capture: Path) -> None:
    """A message is one line of some characters, at most 500, and each failure is an error."""
    problems = read(capture)
    assert problems
    for problem in problems:
        assert problem.message.strip() == problem.message
        assert 0 < len(problem.message) <= 500
        assert "\n" not in problem.message
        assert (problem.severity is Severity.ERROR) is ("flaky" not in capture.stem)


def test_a_failure_reads_well() -> None:
    """A message has the test's whole name, the runner's words, and the values where they are short."""
    capture = next(each for each in CAPTURES if each.stem.startswith("jest30-30"))
    head = "Invoice › total() › totals"
    first, second = (each.message for each in read(capture)[:2])
    assert (
        first == f"{head} the lines: expect(received).toBe(expected) // Object.is equality; Expected: 20; Received: 21"
    )
    changed = '- "total": 22, + "total": 21,'
    assert second == f"{head} 2 as two: expect(received).toEqual(expected) // deep equality; {changed}"


def test_a_flaky_test_is_a_warning() -> None:
    """What failed and passed when it was tried again, as Playwright says in its closing list, is no error."""
    capture = next(each for each in CAPTURES if each.stem.startswith("playwright-flaky"))
    assert [(each.line, each.severity) for each in read(capture)] == [(6, Severity.WARNING)]


HOSTILE = [
    "  ● " * 250_000,
    "FAIL " + "a " * 500_000,
    " FAIL  " + " > " * 300_000 + "\n" + " ❯ " + ":" * 1_000_000,
    "⎯" * 1_000_000,
    "  1 failing\n  1) " + "x:" * 500_000,
    "✖ " + "(" * 1_000_000,
    "not ok 1 - " + " # time" * 100_000 + "\n---\nstack: |-\n" + "(" * 1_000_000 + "\n...",
    "  1) [" + "] › " * 300_000 + ":1:1 › ",
    "at (" * 250_000 + ":1:1)",
    "FAIL a.js\n  ● t\n" + "    SyntaxError: " + "(" * 500_000 + "1:1" * 100_000,
    "FAIL a.js\n  ● t\n" + "    Expected: " * 70_000,
    "FAIL a.js\n" + "  ● t\n" * 100_000,
    " FAIL  a.js > t\n" * 60_000,
    "  1 failing\n" * 80_000,
    "✖ t\n" * 200_000,
    "not ok 1 - t\n  ---\n" * 50_000,
    "  1) a:1:1 › t\n" * 60_000,
    "   at a:1\n" * 100_000,
    "not ok 1 t\n  x\n" * 60_000,
    "not ok 1 t\n" + "  x: y\n" * 100_000,
    "not ok 1 - t\n---\n" + "---\n" * 1_000 + "...",
    "1) t\n  Message:\n" * 50_000,
    "A B (C) t FAILED\n" + "\tat (a.js:1:1)\n\tx\n" * 40_000,
    " Exception during run: a.js:1\n" * 50_000,
    "# Node.js v1\n" * 60_000,
    "Error: x\n" + "   at a:1\n" * 100_000,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_is_read(number: int) -> None:
    """Lines of a megabyte and a hundred thousand heads without a body end, and give no nonsense."""
    lines = HOSTILE[number].split("\n")
    for tool in TOOLS:
        for found in tool.read(lines):
            assert 0 <= found.first < found.end <= len(lines)
            assert 0 < len(found.problem.message) <= 500
            assert found.problem.path
