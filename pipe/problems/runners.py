"""What the small test runners print of failed tests: Mocha (and Cypress, which prints as it does), Node's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.problems.frames import BLOCK, Place, clean, failure, first_frame, first_words, frame, is_foreign, place_at_end
from pipe.problems.reader import WIDEST, Found, Tool, regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_IMPORTS = 100  # errors of imports that are looked at
_DEPTH = 12  # folders from which a file may be named
_TITLE = 20  # lines that the names of a test and its suites take at most
# What Node says of a test that failed for another's sake; that one is told of as well.
_OTHERS = ("subtest failed", "subtests failed", "test did not finish before its parent")


def read_mocha(lines: Sequence[str]) -> Iterator[Found]:
    """Read Mocha's list under `2 failing`: `1) suite`, further names, `test:`, the error, its frames."""
    number = 0
    while number < len(lines):
        if not regex(r"  \d{1,7} failing$").match(lines[number][:40].rstrip()):
            number += 1
            continue
        number += 1
        count = 1
        while (start := _mocha_item(lines, number, count)) is not None:
            names, body = _mocha_title(lines, start)
            number = _mocha_end(lines, body, count + 1)
            texts = [line[:WIDEST] for line in lines[body:number]]
            place = first_frame(texts) or _named_file(texts)
            if place and names:
                yield Found(start, number, failure("mocha", " › ".join(names), first_words(texts), place))
            count += 1


def _mocha_item(lines: Sequence[str], start: int, count: int) -> int | None:
    """Find `  1) `; only blank lines may stand before it, or what follows the item before."""
    for number in range(start, min(len(lines), start + 4)):
        if lines[number].startswith(f"  {count}) "):
            return number
    return None


def _mocha_title(lines: Sequence[str], start: int) -> tuple[list[str], int]:
    """Read the names up to the one that ends with a colon, and where the error begins."""
    names = []
    for number in range(start, min(len(lines), start + _TITLE)):
        text = lines[number][:WIDEST].strip()
        if not text:
            break
        names.append(regex(r"\d+\) ").sub("", text, count=1) if number == start else text)
        if text.endswith(":"):
            names[-1] = names[-1][:-1]
            return names, number + 1
    return [], start + 1


def _mocha_end(lines: Sequence[str], start: int, count: int) -> int:
    """Find the end of an error: the next item, or a blank line under its frames."""
    framed = False
    mark = f"  {count}) "
    for number in range(start, min(len(lines), start + BLOCK)):
        text = lines[number]
        if text.startswith((mark, "  (Results)")) or (framed and not text.strip()):
            return number
        framed = text.startswith("      at ") or (framed and text.startswith("     "))
    return min(len(lines), start + BLOCK)


def _named_file(body: Sequence[str]) -> Place | None:
    """Read the file that Mocha names where a test took too long: `(/path/to/test.js)`."""
    for line in body[:3]:
        found = regex(r"\((/[^()]+\.[cm]?[jt]sx?)\)$").search(line.rstrip())
        if found and not is_foreign(found[1]):
            return Place(found[1], None, None)
    return None


def read_node(lines: Sequence[str]) -> Iterator[Found]:
    """Read what `node --test` prints by its reporters spec and dot: `✖ name (time)`, then the error further in.

    Under `✖ failing tests:` each has its place above: `test at file:line:column`.
    """
    crashed: set[str] | None = None
    imports: list[str] = []
    number = 0
    while number < len(lines):
        item = regex(r"( *)✖ (.+)$").match(lines[number][:WIDEST])
        number += 1
        if not item or item[2] == "failing tests:" or item[2].endswith("# TODO"):
            continue
        first = number - 1
        above = lines[first - 1] if first else ""
        told = place_at_end(above.removeprefix("test at ").strip()) if above.startswith("test at ") else None
        end = _node_end(lines, number, len(item[1]) + 2)
        body = [line[:WIDEST] for line in lines[number:end]]
        name = regex(r" \([\d.]+ms\)$").sub("", item[2])
        words = first_words(body).strip("'")
        if words == "test failed":  # a file that crashed, whose error stands elsewhere
            if crashed is None:
                crashed = _crashed(lines)
                imports = [line.strip() for line in lines if "imported from " in line[:WIDEST]][:_IMPORTS]
            known = name in crashed
            place = None if known else Place(name, None, None)
            words = _not_found(imports, name) or words
            name = ""
        else:
            place = first_frame(body) or told
        if place and words and not words.endswith(_OTHERS) and not words.startswith(_OTHERS):
            yield Found(first - 1 if told else first, end, failure("node:test", name, words, place))
            number = end


def _node_end(lines: Sequence[str], start: int, indent: int) -> int:
    margin = " " * indent
    end = start
    for number in range(start, min(len(lines), start + BLOCK)):
        if lines[number].startswith(margin) and not regex(r" *[✔✖▶] ").match(lines[number]):
            end = number + 1
        elif lines[number].strip():
            break
    return end


def _crashed(lines: Sequence[str]) -> set[str]:
    """Give the files, from any folder, whose uncaught error is printed with its line: `/path/to/file.js:3`."""
    crashed: set[str] = set()
    for line in lines:
        if line.startswith(("/", "file:/")) and len(line) < WIDEST and line.rpartition(":")[2].isdecimal():
            path = clean(line.rpartition(":")[0])
            parts = path.split("/")
            crashed.update("/".join(parts[start:]) for start in range(max(len(parts) - _DEPTH, 0), len(parts)))
            crashed.add(path)
    return crashed


def _not_found(imports: Sequence[str], name: str) -> str:
    """Give the error of an import that was not found in a file: it says the file, and no line."""
    return next((line for line in imports if line.endswith((f" {name}", f"/{name}"))), "")


def read_tap(lines: Sequence[str]) -> Iterator[Found]:
    """Read TAP as `node --test` and Vitest print it: `not ok 1 - name`, then fields between `---` and `...`."""
    number = 0
    while number < len(lines):
        item = regex(r"( *)not ok \d{1,9} - (.*)$").match(lines[number][:WIDEST])
        first = number
        number += 1
        if not item or item[2].endswith("# TODO") or number >= len(lines) or lines[number].strip() != "---":
            continue
        end = _tap_end(lines, number + 1)
        if end is None:
            continue
        fields = _fields([line[:WIDEST] for line in lines[number + 1 : end]])
        name = regex(r" # (?:time|duration).*$").sub("", item[2]).replace("\\#", "#").strip()
        words = first_words(fields.get("message") or fields.get("error") or [])
        told = place_at_end((fields.get("location") or fields.get("at") or [""])[0])
        place = first_frame(fields.get("stack") or [], bare=True) or _frame_of(fields.get("at")) or told
        ours = words != "test failed" and not words.endswith(_OTHERS) and not words.startswith(_OTHERS)
        if place and words and ours and not is_foreign(place.path):
            yield Found(first, end + 1, failure("node:test" if "location" in fields else "tap", name, words, place))
            number = end + 1


def _tap_end(lines: Sequence[str], start: int) -> int | None:
    for number in range(start, min(len(lines), start + BLOCK)):
        text = lines[number].strip() if len(lines[number]) < WIDEST else ""
        if text == "...":
            return number
        if text.startswith("not ok "):
            break
    return None


def _frame_of(field: list[str] | None) -> Place | None:
    return frame(field[0], bare=True) if field else None


def _fields(body: Sequence[str]) -> dict[str, list[str]]:
    """Give the lines of each field, quotes taken off; a text of several lines stands below its name."""
    fields: dict[str, list[str]] = {}
    current: list[str] = []
    inside = -1
    for line in body:
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
    return fields


def _unquoted(value: str) -> str:
    if value[0] in "'\"":
        quote = value[0]
        value = value[1:].removesuffix(quote).replace("\\\\", "\\").replace(f"\\{quote}", quote)
        return value.replace("''", "'") if quote == "'" else value
    return value


TOOLS: tuple[Tool, ...] = (
    Tool("mocha", (" failing",), read_mocha),
    Tool("node:test", ("✖ ",), read_node),
    Tool("node:test", ("not ok ",), read_tap),
)
