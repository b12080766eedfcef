"""What Playwright's test runner prints of failed tests; its reporters list, line and dot print them alike.

Cypress prints Mocha's list (runners.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Severity
from pipe.problems.frames import BLOCK, Place, failure, first_words, frame, place_at_end
from pipe.problems.reader import WIDEST, Found, Tool, regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ITEM = r"  \d{1,6}\) (?:\[[^\]]*\] › )?(\S.*?:\d{1,7}:\d{1,7}) › (.+)$"
_LISTED = r"    (?:\[[^\]]*\] › )?(\S.*?:\d{1,7}:\d{1,7}) › (.+)$"
_FRAME = 40  # lines of a code frame, with the stack below it
_ASIDE = ("Error Context:", "attachment #", "Retry #", "──", "Usage:", "npx playwright", "Test was interrupted")


def read_playwright(lines: Sequence[str]) -> Iterator[Found]:
    """Read the failures: `1) `, project, file:line:column, suites and test; then each try's errors with their frames.

    A test that passed when it was tried again is a warning: the closing list has it under `flaky`.
    """
    flaky = _flaky(lines)
    whole: dict[str, str] = {}  # a test's file, which older versions name from the folder of tests, as frames name it
    without: list[tuple[Found, str]] = []
    number = 0
    while number < len(lines):
        item = regex(_ITEM).match(_unruled(lines[number])) if ") " in lines[number][:10] else None
        first = number
        number += 1
        if not item:
            continue
        test = place_at_end(item[1])
        end = _end_of_item(lines, number)
        severity = Severity.WARNING if (item[1], item[2]) in flaky else Severity.ERROR
        for words, place in _errors([line[:WIDEST] for line in lines[number:end]]):
            where = place or test
            if where:
                found = Found(first, end, failure("playwright", item[2], words, where)._replace(severity=severity))
                if place:
                    yield found
                else:
                    without.append((found, where.path))
            if place and test and place.path.endswith(f"/{test.path}"):
                whole[test.path] = place.path
        number = end
    for found, path in without:
        yield found._replace(problem=found.problem._replace(path=whole.get(path, path)))


def read_load_error(lines: Sequence[str]) -> Iterator[Found]:
    """Read what kept a file from being loaded, which stands before any test: an error, and a code frame."""
    first: int | None = None  # the error's line
    for number, line in enumerate(lines):
        if line[:1].isalpha() and regex(r"\w*Error: ").match(line[:60]):
            first = number
        elif first is not None and line.startswith("   at ") and regex(r"   at \S.*:\d{1,7}$").match(line[:WIDEST]):
            for below in range(number + 1, min(len(lines), number + _FRAME)):
                if lines[below].startswith("   at ") or lines[below][:1].isalpha():
                    break
                place = frame(lines[below])
                if place:
                    yield Found(first, below + 1, failure("playwright", "", first_words(lines[first:number]), place))
                    break
            first = None


def _unruled(line: str) -> str:
    return line[:WIDEST].rstrip(" ─")


def _end_of_item(lines: Sequence[str], start: int) -> int:
    """Find the end of what is indented by four."""
    for number in range(start, min(len(lines), start + BLOCK)):
        if lines[number].strip() and not lines[number].startswith("    "):
            return number
    return min(len(lines), start + BLOCK)


def _errors(body: Sequence[str]) -> list[tuple[str, Place | None]]:
    """Give the errors of all tries, each place once. Where none has a place, the first is given without."""
    found: dict[Place, str] = {}
    first = ""
    start: int | None = None
    place: Place | None = None
    for number, line in enumerate([*body, ""]):
        framed = line.startswith("        at ")
        if framed:
            place = place or frame(line)
        elif place:
            found.setdefault(place, first_words(body[start or 0 : number]))
            start = place = None
        if start is None and line.startswith("    ") and line[4:5] not in (" ", "") and not line[4:].startswith(_ASIDE):
            start = number
            first = first or first_words(body[number:])
    return [(words, where) for where, words in found.items()] or [(first, None)]


def _flaky(lines: Sequence[str]) -> set[tuple[str, str]]:
    """Give the tests, by place and name, that the closing list calls flaky."""
    tests: set[tuple[str, str]] = set()
    inside = False
    for line in lines:
        if line.startswith("  ") and line[2:3].isdecimal():
            inside = bool(regex(r"  \d{1,6} flaky$").match(line[:WIDEST].rstrip()))
        elif inside:
            found = regex(_LISTED).match(_unruled(line))
            if found:
                tests.add((found[1], found[2]))
    return tests


TOOLS: tuple[Tool, ...] = (
    Tool("playwright", (") [", " › "), read_playwright),
    Tool("playwright", ("   at ",), read_load_error),
)
