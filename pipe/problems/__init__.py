"""What tools print of problems in files, read back: a task's output in, `Problem`s out.

Each tool that is known has a reader, and a line that none of them claims may still hold the generic
`file:line:column: message`. Nothing here knows which files exist: paths are as printed. Pure.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pipe.model import Severity
from pipe.problems.reader import WIDEST, regex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipe.model import Problem
    from pipe.problems.reader import Tool

MOST = 1_000  # problems of one output
_REMEMBERED = 100_000  # of those that are counted, so that none is counted twice
_SPELLINGS = 20  # files among which the same one is looked for, named from another folder
_PIECE = 8 * 1024 * 1024  # characters that are read at once
_PROJECT = r"(?!(?i:error|warn|warning|info|fatal|note): )@?[\w-]{1,100}(?:/[\w-]{1,100})?: "  # no file with its ending
_PREFIXED = 0.8  # share of the lines that begin with the same name and colon, from which on it is a prefix

# Letters as `a`, digits as `0` and an opening parenthesis as a colon: then `x.ts:12`, `x.ts(12` both hold `a:0`.
_SHAPES = bytes(
    48 if 48 <= code < 58 else 58 if code == 40 else 97 if code >= 128 or chr(code).isalpha() else code  # noqa: PLR2004
    for code in range(256)
)
_PLACE = b"a:0"
_ENDING = 10  # characters of a file name's ending, its dot among them
# One of these, or a place, is in whatever a reader finds something in.
_TROUBLE = (b"rror", b"ERROR", b"arn", b"WARN", b"FAIL", b"reformat", "✖".encode(), "⚠".encode())
_SYMBOL = b"not ASCII"  # stands for any letter that is not


def find(output: str) -> tuple[Problem, ...]:
    """Find the problems that a task's output tells of, in its order, each once; plain text, lines ended by LF.

    At most `MOST`: where there are more, errors come before warnings.
    """
    return count(output)[0]


def count(output: str) -> tuple[tuple[Problem, ...], int]:
    """Find them, and say how many more there are."""
    kept = _Kept()
    for start, text in _pieces(output):
        _search(text, start, kept)
    found = kept.problems()
    return found, kept.number - len(found)


class _Seen:
    """What was seen in which files, maybe named from another folder."""

    def __init__(self) -> None:
        self._paths: dict[tuple[object, ...], set[str]] = {}
        self._number = 0

    def has(self, path: str, *what: object, add: bool = False) -> bool:
        """Whether it was; where it was not, it is from now on if `add` says so."""
        key = (path.rpartition("/")[2], *what)
        paths = self._paths.get(key)
        if paths and (path in paths or (len(paths) <= _SPELLINGS and any(_same(path, one) for one in paths))):
            return True
        if add and self._number < _REMEMBERED:
            self._number += 1
            if paths is None:
                paths = self._paths[key] = set()
            paths.add(path)
        return False


class _Kept:
    """The problems found so far, each once, with where each stands; `MOST` of either severity."""

    def __init__(self) -> None:
        self._known = _Seen()
        self._places = _Seen()
        self.number = 0
        self._found: dict[Severity, list[tuple[int, int, Problem]]] = {Severity.ERROR: [], Severity.WARNING: []}

    def add(self, problem: Problem, place: int, *, again: bool = False) -> None:
        """Keep a problem unless it is known; `place` grows from line to line.

        What is told `again` is known where a tool's own reader found something at the same place, whatever its words.
        """
        path, line, column = problem[:3]
        if self._places.has(path, line, column, add=not again) and again:
            return
        if self._known.has(path, line, column, problem.message.rstrip("."), add=True):
            return
        self.number += 1
        found = self._found[problem.severity]
        if len(found) < MOST:
            found.append((place, self.number, problem))

    def problems(self) -> tuple[Problem, ...]:
        """Give them in their order, without those that are told with their line as well."""
        lined = {_told(problem) for found in self._found.values() for _, _, problem in found if problem.line}
        for severity, found in self._found.items():
            kept = [each for each in found if each[2].line or _told(each[2]) not in lined]
            self.number -= len(found) - len(kept)
            self._found[severity] = kept
        errors, warnings = (sorted(self._found[severity]) for severity in (Severity.ERROR, Severity.WARNING))
        if len(errors) + len(warnings) <= MOST:
            errors, warnings = sorted(errors + warnings), []
        return tuple(problem for _, _, problem in (errors + warnings)[:MOST])


def _same(path: str, other: str) -> bool:
    return path.endswith(f"/{other}") or other.endswith(f"/{path}")


def _told(problem: Problem) -> tuple[str, str]:
    return problem.path.rpartition("/")[2], problem.message


def _pieces(output: str) -> Iterator[tuple[int, str]]:
    """Cut an output into what is read at once, at line ends, each with how many characters are before it."""
    start = 0
    while len(output) - start > _PIECE:
        end = output.rfind("\n", start, start + _PIECE) + 1 or start + _PIECE
        yield start, output[start:end]
        start = end
    yield start, output[start:] if start else output


def _search(text: str, start: int, kept: _Kept) -> None:
    """Find the problems of a piece of an output. The cheap looks come first: most outputs tell of none."""
    data = text.encode(errors="replace")  # one byte a letter: the fastest to look through
    shapes = data.translate(_SHAPES)
    troubles = {word for word in _TROUBLE if word in data}
    if not troubles and _PLACE not in shapes:
        return
    if not text.isascii():
        troubles.add(_SYMBOL)
    troubles.add(b"")
    there = {sign for word, sign in _signs() if word in troubles and sign in data}
    tools = [tool for tool, signs in _tools() if not there.isdisjoint(signs)]
    places = _lines_with_place(shapes)
    if not tools and not places:
        return
    from pipe.problems import generic  # noqa: PLC0415 - the outputs of most builds never get here

    lines = _lines(text)
    readers = bytearray(len(lines))  # which of the tools, from 1, has read the line
    for number, tool in enumerate(tools, 1):
        others = bytes((0, number))
        for first, end, problem in tool.read(lines):
            if not readers[first:end].strip(others):
                readers[first:end] = bytes((number,)) * (end - first)
                kept.add(problem, start + first, again=tool.again)
    for first, end, problem in generic.read(lines, [each for each in places if not readers[each]]):
        if not any(readers[first:end]):
            kept.add(problem, start + first, again=True)


def _lines(text: str) -> list[str]:
    """Give the lines as the tool printed them, without what tests printed that it shows as such."""
    lines = _without_prefix(text.split("\n"))
    if any(line.startswith(":") for line in lines):
        _mend_places(lines)
    if any(word in text for word in ("stdout | ", "stderr | ", " console.")):
        lines = _without_prints(lines)
    return _without_passes(lines) if "= PASSES =" in text else lines


def _mend_places(lines: list[str]) -> None:
    """Put a file and its line together where Nx made two lines of what a tool had printed in pieces."""
    for number in range(1, len(lines)):
        line, before = lines[number], lines[number - 1]
        if line.startswith(":") and regex(r":\d{1,7}:").match(line) and regex(r"\S.*\.\w{1,9}$").match(before[:WIDEST]):
            lines[number - 1 : number + 1] = before + line, ""


def _without_prints(lines: list[str]) -> list[str]:
    """Blank what tests have printed, where Vitest and Jest show it as such: it is no runner's word."""
    found = list(lines)
    inside = ""
    for number, line in enumerate(lines):
        if line.startswith(("stdout | ", "stderr | ")):
            inside = "vitest"
        elif line.startswith("  ") and regex(r"\s{2,4}console\.(?:log|error|warn|info|debug|trace)\s*$").match(
            line[:40]
        ):
            inside = "jest"
        elif (inside == "vitest" and not line.strip()) or (inside == "jest" and line[:4].strip()):
            inside = ""
        elif inside:
            found[number] = ""
    return found


def _without_passes(lines: list[str]) -> list[str]:
    """Blank the section in which pytest shows what passing tests have printed."""
    found = []
    inside = False
    for line in lines:
        if line.startswith("=="):
            inside = regex(r"=+ PASSES =+$").match(line[:WIDEST]) is not None
        found.append("" if inside else line)
    return found


def _lines_with_place(shapes: bytes) -> list[int]:
    """Give the numbers of the lines, from 0, that hold what may be a place: a file name's ending before a number."""
    numbers = []
    line = end = 0
    position = shapes.find(_PLACE)
    while position >= 0:
        dot = shapes.rfind(b".", max(position - _ENDING, end), position)
        if dot < 0 or not shapes[dot + 1 : position + 1].isalnum():
            position = shapes.find(_PLACE, position + 1)  # a host and its port, or the like
            continue
        line += shapes.count(b"\n", end, position)
        numbers.append(line)
        end = shapes.find(b"\n", position)
        position = shapes.find(_PLACE, end) if end >= 0 else -1
    return numbers


def _without_prefix(lines: list[str]) -> list[str]:
    """Give the lines without the project's name where Nx put it before nearly each (`--output-style=stream`)."""
    filled = [line for line in lines[:100] if line]
    name = regex(_PROJECT).match(filled[-1]) if filled else None
    prefix = name[0] if name else ""
    if not prefix or sum(line.startswith(prefix) for line in filled) < max(_PREFIXED * len(filled), 2):
        return lines
    return [line.removeprefix(prefix) for line in lines]


@cache
def _tools() -> tuple[tuple[Tool, frozenset[bytes]], ...]:
    """Give all tools with their signs, in the order in which they are asked.

    What compiles and lints comes first: a suite that could not be compiled shows the compiler's own words.
    """
    from pipe.problems import bundlers, compilers, crashes, go, java, linters, python, rust, suites  # noqa: PLC0415

    modules = (linters, compilers, bundlers, suites, go, rust, java, python, crashes)
    tools = sorted((tool for module in modules for tool in module.TOOLS), key=lambda tool: tool.again)
    return tuple((tool, frozenset(map(str.encode, tool.signs))) for tool in tools)


@cache
def _signs() -> tuple[tuple[bytes, bytes], ...]:
    """Give the signs of all tools, before each a word that it holds: without that, nobody need look for the sign."""
    signs = {sign for _, signs in _tools() for sign in signs}
    return tuple((_word_of(sign), sign) for sign in sorted(signs))


def _word_of(sign: bytes) -> bytes:
    return next((word for word in _TROUBLE if word in sign), b"" if sign.isascii() else _SYMBOL)
