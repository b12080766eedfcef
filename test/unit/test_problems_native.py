"""The readers for tools of Python, Go, Rust and Java, on what real ones printed (test/data/capture-problems-native)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipe.model import Severity
from pipe.problems import find, go, java, python, rust
from pipe.terminal import plain
from test.seeds import unmatched

if TYPE_CHECKING:
    from pipe.model import Problem
    from test.seeds import Seed

ROOT = "/opt/atlassian/pipelines/agent/build"
CAPTURES = sorted((Path(__file__).parents[1] / "data" / "problems" / "native").glob("*.txt"))


def read(capture: Path) -> list[Problem]:
    """Give the problems that a capture tells of, as they would be found in a task's output."""
    return list(find(plain(capture.read_bytes().decode())))


def is_at(problem: Problem, folder: str, path: str) -> bool:
    """Whether a problem is in the file, which go and Java's stacks name without its folders."""
    short = problem.tool in ("go test", "surefire", "gradle", "junit")
    printed = problem.path.removeprefix(f"{ROOT}/{folder}/")
    return f"/{path}".endswith(f"/{printed}") if short else printed == path


def missed(capture: Path) -> tuple[list[Seed], list[Problem]]:
    """Give the seeds that were not found in a capture, and the problems that nobody seeded."""
    expected = json.loads(capture.with_suffix(".json").read_text())
    found = [each for each in read(capture) if each.tool]  # no tool: the generic reader's
    return unmatched(
        found,
        expected["problems"],
        lambda each, seed: (
            is_at(each, expected["folder"], seed["path"]) and (each.line, each.column) == (seed["line"], seed["column"])
        ),
    )


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_what_was_seeded_is_found_and_nothing_else(capture: Path) -> None:
    """Each seeded failure is found at its line and column, once, with its words; nothing else is."""
    assert missed(capture) == ([], [])


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_messages_are_fit_to_be_shown(capture: Path) -> None:
    """A message is one line of at most 500 characters, never empty."""
    problems = read(capture)
    assert problems
    for problem in problems:
        assert problem.message.strip() == problem.message
        assert 0 < len(problem.message) <= 500
        assert "\n" not in problem.message


def test_warnings_are_told_from_errors() -> None:
    """What compilers and linters call a warning is one, and their advice."""
    warned = {
        capture.stem.partition("-1")[0]: sorted(
            each.line or 0 for each in read(capture) if each.severity is Severity.WARNING
        )
        for capture in CAPTURES
    }
    advice = [2, 5, 20, 20, 24, 25, 28, 30]
    assert {name: lines for name, lines in warned.items() if lines} == {
        "cargo-build": [2],
        "cargo-build-colour": [2],
        "cargo-build-short": [2],
        "cargo-check": [3],
        "cargo-clippy": [3, 4, 5, 8, 12],
        "cargo-member": [2],
        "cargo-stream": [1, 2],
        "cargo-stream-colour": [1, 2],
        "cargo-test": [4],
        "cargo-test-backtrace": [4],
        "cargo-test-nocapture": [4],
        "cargo-workspace": [2],
        "javac-lint": [7, 14, 15],
        "maven-3.8.7": [7],
        "maven-colour-3.8.7": [7],
        "pylint-4.1.4": [1, 1, *advice],
        "pylint-colour-4.1.4": [1, 1, *advice],
        "pylint-parseable-4.1.4": [1, 1, *advice],
        "pylint3-3.3.9": [1, 1, *advice[:-1]],
        "rubocop": [1, 3, 3, 4, 6, 6],
        "shellcheck-0.9.0": [2, 3, 5, 5, 6, 6, 6, 6, 6, 6],
        "shellcheck-colour-0.9.0": [2, 3, 5, 5, 6, 6, 6, 6, 6, 6],
    }


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("mypy2-2.4.1", {"return-value", "override", "no-untyped-def", "arg-type", "name-defined", "call-arg"}),
        ("ruff17-concise-0.17.6", {"F401", "F821", "I001", "UP035", "UP006", "F541", "invalid-syntax"}),
        ("cargo-build-1.95.0", {"E0308", "E0425", "E0560", "E0609", "E0061", "unused_imports"}),
        ("cargo-clippy-1.95.0", {"clippy::needless_return", "clippy::len_zero", "dead_code", "unused_variables"}),
        ("javac-lint-17.0.15", {"deprecation", "rawtypes", "unchecked"}),
    ],
)
def test_rules_are_kept(name: str, rules: set[str]) -> None:
    """A tool's name for the kind of problem is its rule, and no part of the message."""
    (capture,) = (each for each in CAPTURES if each.stem == name)
    problems = read(capture)
    assert rules <= {each.rule for each in problems}
    assert not [each for each in problems if f"[{each.rule}]" in each.message or f"{each.rule} [*]" in each.message]


def test_each_finding_of_a_lint_has_its_name() -> None:
    """Clippy names a lint where it first finds something; what else it finds of it is named alike."""
    (capture,) = (each for each in CAPTURES if each.stem.startswith("clippy-stream"))
    assert [(each.line, each.rule) for each in read(capture)] == [
        (2, "clippy::needless_return"),
        (2, "clippy::needless_return"),
        (6, "clippy::len_zero"),
    ]


@pytest.mark.parametrize("name", ["go19-test-1.19.8", "cargo-test-1.95.0"])
def test_values_are_in_the_message(name: str) -> None:
    """What was compared stands in the same line."""
    (capture,) = (each for each in CAPTURES if each.stem == name)
    wanted = {"go19-test-1.19.8": "want nothing", "cargo-test-1.95.0": "two prices; left: 2; right: 3"}[name]
    assert [each for each in read(capture) if wanted in each.message]


HOSTILE = [
    "= FAILURES =\n" + "_" * 1_000_000,
    "=== FAILURES ===\n___ t ___\n" + "E  " * 300_000 + "\n" + ":1: " * 250_000,
    "=== FAILURES ===\n" + "___ t ___\n" * 100_000,
    "=== FAILURES ===\n" + "/a.py:1: x\n" * 90_000 + "FAILED a.py::t - x\n" * 50_000,
    "short test summary\n" + "FAILED " + " - [" * 250_000 + ".py",
    "short test summary\n" + "FAILED a.py::t[ - \n" * 50_000,
    "a.py:1: error: " + "[a" * 500_000,
    "a.py:1: error: x\n" * 60_000,
    "a.py:1: error: " + " " * 1_000_000 + "]",
    "a.py:" * 200_000 + "1:1: F1 x",
    "F401 x\n" + " --> " + ":1" * 500_000,
    "a.go:" * 200_000 + "1:1: x",
    "--- FAIL: T (0s)\n" + "    a.go:1: x\n" * 80_000,
    "--- FAIL: T (0s)\n    a.go:1: \n" + "\t" * 1_000_000 + "Error Trace:",
    "--- FAIL: T\n" * 80_000,
    "panic: x\ngoroutine 1\n" * 40_000,
    '{"Action":"output","Output":"--- FAIL: T"}\n' * 20_000,
    '{"Output":"' * 100_000,
    '{"Output":' + "[" * 100_000 + "\n" + '{"Output":"x","Package":' + "[" * 100_000,
    "panic: x\ngoroutine 1 [running]:\n" + "\t" + "a.go:1" * 160_000,
    "error: x\n --> a.rs:1:1\n" * 40_000,
    "error: x\n --> " + "a:" * 500_000,
    "running 1 test\n" + "test a ... FAILED\n" * 50_000 + "thread 'a' panicked at '" + "', '" * 250_000,
    "thread 'main' panicked at a.rs:1:1:\n" * 30_000,
    "   Compiling a v1 (/a/b)\n" * 30_000 + "thread 'main' panicked at b/a.rs:1:1:\nx\n" * 10_000,
    "   Compiling a v1 (/" + "a/" * 300_000 + ")\n    Finished x\n" * 20_000 + "error: x\n --> b/a.rs:1:1\n" * 9_000,
    "error: cannot format " + "a: Cannot parse: " * 60_000 + "1:1",
    "a.py:1: [" + "A1(" * 300_000,
    "/a.java:" * 100_000 + "1: error: x",
    "a.java:1: error: x\n" * 50_000,
    "t  Time elapsed: 1 s <<< FAILURE!\nx\n" * 30_000,
    "Time elapsed: " * 70_000 + " <<< FAILURE!",
    "A > t FAILED\n    x.E: y\n" * 40_000,
    "A > t FAILED\n    " + "a." * 300_000 + "E",
    "t\n    MethodSource [\n    => x\n" + "       a(b)\n" * 90_000,
    "t\n    MethodSource [\n    => x\n       " + "a/" * 300_000,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_is_read(number: int) -> None:
    """Lines of a megabyte and tens of thousands of heads without a body end, and give no nonsense."""
    lines = HOSTILE[number].split("\n")
    for tool in (*go.TOOLS, *rust.TOOLS, *java.TOOLS, *python.TOOLS):
        for found in tool.read(lines):
            assert 0 <= found.first < found.end <= len(lines)
            assert 0 < len(found.problem.message) <= 500
            assert found.problem.path
