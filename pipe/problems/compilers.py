"""Readers for compilers: tsc and what prints as it does (vue-tsc, ts-jest, ts-node), swc and oxlint, Babel, Sass.

tsc, oxlint and Sass count columns from 1, Babel from 0. swc names the line where its excerpt begins and points to the
place with a caret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Problem, Severity
from pipe.problems.reader import WIDEST, Found, Tool, message_of, regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TSC = (
    r"\s{0,8}(?:ERROR in |Error: )?(\S.*?)(?:\((\d{1,7}),(\d{1,6})\):|:(\d{1,7}):(\d{1,6}) -) "
    r"(error|warning) (TS-?\d{1,7}): (?=\S)"
)
_TSC_PIECE = r"[\s:\d-]{0,30}(?:error|warning)?\s{0,8}"  # of a head, before the code
_TSC_PIECES = 20  # lines into which a head may be broken
_NO_OVERLOAD = "No overload matches this call."
_EXCERPT = r"$|  |\d+ |> \d"  # what follows in the format with excerpts: related places too
_CONTINUED = 12  # lines under a message that may belong to it
_FRAME = r"\s{0,10}(?:,-|╭─+)\[ ?(\S.*?)(?::(\d{1,7}):(\d{1,6}))? ?\]\s*$"
_HEAD = r"(?:\s{0,6}(?:Error: +)?([x×✖⚠!])|\[([A-Z][A-Z_]{2,60}|[a-z][\w:-]{1,80})\]) (?=\S)"
_PLUGIN = r"([a-z@][\w@/-]{0,60}\([\w@/-]{1,100}\)): (?=\S)"
_SASS = r"\s{2,6}(\S.*?) (\d{1,7}):(\d{1,6})\s{2}(?:root stylesheet|\S.*)$"


def _tsc(lines: Sequence[str]) -> Iterator[Found]:
    """Read `file(1,2): error TS1: message` and `file:1:2 - error TS1: message`; lines under it belong to it."""
    for number, line in enumerate(lines):
        if " TS" not in line:
            continue
        first, end, text = number, number + 1, line
        head = regex(_TSC).match(line[:WIDEST])
        if head is None:
            first, end, text = _whole(lines, number)
            head = regex(_TSC).match(text[:WIDEST])
        if head is None:
            continue
        under = end
        indent = len(text) - len(text.lstrip()) + 2
        while end < len(lines) and end - number <= _CONTINUED and lines[end][:indent].isspace() and lines[end].strip():
            end += 1
        words = [text[head.end() :]]
        if words[0].strip() == _NO_OVERLOAD:  # which tells nothing without the lines under it
            words += lines[under:end]
        while head[4] and end < len(lines) and regex(_EXCERPT).match(lines[end][indent - 2 :]):
            end += 1
        severity = Severity.WARNING if head[6] == "warning" else Severity.ERROR
        where = int(head[2] or head[4]) or None, int(head[3] or head[5]) or None
        yield Found(first, end, Problem(head[1], *where, severity, message_of(*words), head[7], "tsc"))


def _whole(lines: Sequence[str], number: int) -> tuple[int, int, str]:
    """Give a head with its message in one, and its lines: Nx breaks it where it streams what tsc 7 prints in pieces."""
    first, end, text = number, number + 1, lines[number][:WIDEST]
    if regex(rf"{_TSC_PIECE}TS-?\d{{1,7}}:").match(text):
        while first and number - first < _TSC_PIECES and regex(rf"{_TSC_PIECE}$").match(lines[first - 1]):
            first -= 1
            text = lines[first] + text
        if first and " TS" not in lines[first - 1]:
            first -= 1
            text = lines[first][:WIDEST] + text
    if end < len(lines) and regex(r"TS-?\d{1,7}:\s*$").search(lines[number][-20:]):
        text += lines[end][:WIDEST]
        end += 1
    return first, end, text


def _frames(lines: Sequence[str]) -> Iterator[Found]:
    """Read a message and under it an excerpt in a frame that names its place, as swc, oxlint and Rolldown print."""
    for number, line in enumerate(lines):
        if "[" not in line[:14]:
            continue
        place = regex(_FRAME).match(line[:WIDEST])
        if place is None or place[2] is None or place[1].startswith("<"):
            continue
        first = next((each for each in range(number - 1, max(number - 8, -1), -1) if _is_head(lines[each])), None)
        if first is None:
            continue
        head = regex(_HEAD).match(lines[first][:WIDEST])
        assert head is not None  # looked at above
        text = [lines[first][head.end() :], *lines[first + 1 : number]]
        rule = head[2] if head[2] and head[2].isupper() else None
        plugin = regex(_PLUGIN).match(text[0][:WIDEST])
        row, column = int(place[2]), int(place[3])
        tool = "oxlint" if plugin else "rolldown" if head[2] else "swc"
        if plugin:
            rule, text[0] = plugin[1], text[0][plugin.end() :]
        end, pointed = _pointed(lines, number + 1)
        if tool == "swc" and pointed and (row, column) not in pointed:
            row, column = pointed[0]
        severity = Severity.WARNING if head[1] and head[1] in "⚠!" else Severity.ERROR
        message = message_of(*text)
        if message and row:
            yield Found(first, end, Problem(place[1], row, column or None, severity, message, rule, tool))


def _is_head(line: str) -> bool:
    return regex(_HEAD).match(line[:200]) is not None


def _pointed(lines: Sequence[str], start: int) -> tuple[int, list[tuple[int, int]]]:
    """Give the end of an excerpt, and line and column of each mark under one of its lines."""
    row = None
    pointed: list[tuple[int, int]] = []
    for number in range(start, min(start + 60, len(lines))):
        line = lines[number][:WIDEST]
        code = regex(r"\s{0,10}(\d{1,7}) ([|│]) ?").match(line)
        mark = regex(r"\s{0,10}[:·] (\s*)[\^┬─]").match(line)
        if code:
            row = int(code[1])
        elif mark and row is not None:
            pointed.append((row, len(mark[1]) + 1))
        if regex(r"\s{0,10}(?:`-|╰─|─+╯)").match(line):
            return number + 1, pointed
        if not line.strip():
            return number, pointed
    return start, pointed


def _babel(lines: Sequence[str]) -> Iterator[Found]:
    """Read `SyntaxError: file: message (1:2)`."""
    for number, line in enumerate(lines):
        text = line[:WIDEST].rstrip()
        at = text.find("SyntaxError: ") if text.endswith(")") else -1
        found = regex(r"SyntaxError: (\S.*?): (\S.*) \((\d{1,7}):(\d{1,6})\)$").match(text, at) if at >= 0 else None
        if found and regex(r".*\.[A-Za-z]\w{0,9}$").match(found[1]) and not text.startswith("[error]"):
            where = int(found[3]) or None, int(found[4]) + 1
            problem = Problem(found[1], *where, Severity.ERROR, message_of(found[2]), None, "babel")
            yield Found(number, number + 1, problem)


def _sass(lines: Sequence[str]) -> Iterator[Found]:
    """Read Sass's message, excerpt, and `file 1:2  root stylesheet` under it."""
    for number, line in enumerate(lines):
        if not line.endswith(("root stylesheet", "()")):
            continue
        place = regex(_SASS).match(line[:WIDEST])
        if place is None or not lines[number - 1].strip().startswith(("╵", "'")):
            continue
        for first in range(number - 1, max(number - 20, -1), -1):
            head = regex(r"\s{0,6}(?:(?:Sass)?Error: (?:\[sass\] )?|\[sass\] )(?=\S)").match(lines[first])
            if head:
                where = int(place[2]) or None, int(place[3]) or None
                text = message_of(lines[first][head.end() :])
                yield Found(first, number + 1, Problem(place[1], *where, Severity.ERROR, text, None, "sass"))
                break


TOOLS: tuple[Tool, ...] = (
    Tool("tsc", ("error TS", "warning TS"), _tsc),
    Tool("swc", (",-[", "╭─["), _frames),
    Tool("babel", ("SyntaxError: ",), _babel),
    Tool("sass", ("root stylesheet",), _sass),
)
