"""TAP, as Node's own test runner, Vitest, Mocha and tape print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.problems.crashes import read_node_crash
from pipe.problems.frames import BLOCK, Place, failure, first_frame, first_words, frame, is_foreign, place_at_end
from pipe.problems.reader import WIDEST, Found, Tool, regex
from pipe.problems.runners import CRASHED, Crashes, is_own, named_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ITEM = r"( *)not ok \d{1,9} (?:- )?(.*)$"


def read_tap(lines: Sequence[str]) -> Iterator[Found]:
    """Read `not ok 1 - name`, then fields between `---` and `...`, or as Mocha prints it, message and stack."""
    crashes: Crashes | None = None
    number = 0
    while number < len(lines):
        item = regex(_ITEM).match(lines[number][:WIDEST])
        first = number
        number += 1
        if not item or item[2].endswith("# TODO") or number >= len(lines):
            continue
        name = regex(r" # (?:time|duration).*$").sub("", item[2]).replace("\\#", "#").strip()
        if lines[number].strip() != "---":
            end = _end_of_text(lines, number, len(item[1]) + 2)
            found = _of_mocha([line[:WIDEST] for line in lines[number:end]])
            if found:
                yield Found(first, end, failure("mocha", name, *found))
                number = end
            continue
        end = _end_of_fields(lines, number + 1)
        if not end:
            continue
        for fields in _fields([line[:WIDEST] for line in lines[number + 1 : end]]):
            words, place = _of_fields(fields)
            tool = "node:test" if "location" in fields else "tap"
            title = name
            if words == CRASHED and tool == "node:test":
                crashes = crashes or Crashes(lines)
                place, words = crashes.of(name)
                title = ""
            if place and is_own(words or name) and not is_foreign(place.path):
                yield Found(first, end + 1, failure(tool, title, words, place))
                number = end + 1


def read_crash(lines: Sequence[str]) -> Iterator[Found]:
    """Read the error of a file that ended by it: Node's runner hands on what was printed, as comments of TAP."""
    numbers = [number for number, line in enumerate(lines) if line.startswith("# ")]
    for found in read_node_crash([lines[number][2:].replace("\\#", "#") for number in numbers]):
        yield Found(numbers[found.first], numbers[found.end - 1] + 1, found.problem)


def _of_fields(fields: dict[str, list[str]]) -> tuple[str, Place | None]:
    """Give what the fields say and where; Node has the kind of the error in fields of its own."""
    words = first_words(fields.get("message") or fields.get("error") or [])
    kind, code = ((fields.get(name) or [""])[0] for name in ("name", "code"))
    code = "" if code == "ERR_TEST_FAILURE" else code
    if words and (kind or code) and "location" in fields:
        words = f"{kind or 'Error'} [{code}]: {words}" if code else f"{kind}: {words}"
    expected, actual = (fields.get(name) or [] for name in ("expected", "actual"))
    if not words and len(expected) == len(actual) == 1:
        words = f"expected {expected[0].strip()}, actual {actual[0].strip()}"
    at = fields.get("at")
    told = place_at_end((fields.get("location") or at or [""])[0])
    stack = first_frame(fields.get("stack") or [], bare=True)
    return words, stack or (frame(at[0], bare=True) if at else None) or told


def _of_mocha(body: Sequence[str]) -> tuple[str, Place] | None:
    """Give what a failed test of Mocha's says and where: its message stands again at the head of its stack."""
    message = body[0].strip() if body else ""
    head = next((at for at, line in enumerate(body) if at and message and line.endswith(f": {message}")), 0)
    place = first_frame(body) or named_file(body)
    return (first_words(body[head:]), place) if place else None


def _end_of_text(lines: Sequence[str], start: int, indent: int) -> int:
    """Find the end of what is indented; blank lines at its end are not part of it."""
    margin = " " * indent
    end = start
    for number in range(start, min(len(lines), start + BLOCK)):
        if lines[number].startswith(margin):
            end = number + 1
        elif lines[number].strip():
            break
    return end


def _end_of_fields(lines: Sequence[str], start: int) -> int:
    """Find the line that closes the fields, 0 where there is none."""
    for number in range(start, min(len(lines), start + BLOCK)):
        text = lines[number].strip() if len(lines[number]) < WIDEST else ""
        if text == "...":
            return number
        if text.startswith("not ok "):
            break
    return 0


def _fields(body: Sequence[str]) -> list[dict[str, list[str]]]:
    """Give the lines of each field, quotes taken off; a text of several lines stands below its name.

    A test may have several errors: Vitest puts `---` between them.
    """
    fields: dict[str, list[str]] = {}
    errors = [fields]
    current: list[str] = []
    inside = -1
    for line in body:
        if inside < 0 and line.strip() == "---":
            fields = {}
            errors.append(fields)
            continue
        margin = len(line) - len(line.lstrip())
        found = regex(r" *(\w+):(?: (.*))?$").match(line) if inside < 0 or (margin <= inside and line.strip()) else None
        if found:
            current = fields.setdefault(found[1], [])
            value = (found[2] or "").strip()
            inside = margin if value in ("|-", "|", ">-") else -1
            if inside < 0 and value:
                current.append(_unquoted(value))
        elif inside >= 0:
            current.append(line)
    return errors


def _unquoted(value: str) -> str:
    if value[0] in "'\"":
        quote = value[0]
        value = value[1:].removesuffix(quote).replace("\\\\", "\\").replace(f"\\{quote}", quote)
        return value.replace("''", "'") if quote == "'" else value
    return value


TOOLS: tuple[Tool, ...] = (
    Tool("tap", ("not ok ",), read_tap),
    Tool("node", ("Node.js v",), read_crash),
)
