"""What the small test runners print of failed tests: Mocha (and Cypress, which prints as it does), Node's own.

What those and others print as TAP is in tap.py.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pipe.problems.frames import BLOCK, Place, clean, failure, first_frame, first_words, is_foreign, place_at_end
from pipe.problems.reader import WIDEST, Found, Tool, regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_IMPORTS = 100  # errors of imports that are looked at
_DEPTH = 12  # folders from which a file may be named
CRASHED = "test failed"  # what Node says of a file whose error stands elsewhere
_CRASH = 30  # lines of an error that kept Mocha from loading a file
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
            place = first_frame(texts) or named_file(texts)
            if place and names:
                yield Found(start, number, failure("mocha", " › ".join(names), first_words(texts), place))
            count += 1


def read_mocha_crash(lines: Sequence[str]) -> Iterator[Found]:
    """Read what kept Mocha from loading a file: `Exception during run: `, then an error or a place with a caret."""
    for number, line in enumerate(lines):
        head = regex(r" Exception during run: (\S.*)$").match(line[:WIDEST])
        if not head:
            continue
        body = [head[1], *(each[:WIDEST] for each in lines[number + 1 : number + _CRASH])]
        at = regex(r"(.*):(\d{1,7})$").match(head[1])
        if at and len(body) > 3 and not body[2].strip(" ^"):  # noqa: PLR2004 - the place, its line, a caret, the error
            place: Place | None = Place(clean(at[1]), int(at[2]), body[2].find("^") + 1 or None)
            body = body[3:]
        else:
            place = first_frame(body)
        words = first_words(body)
        if place and words:
            yield Found(number, number + len(body), failure("mocha", "", words, place))


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


def named_file(body: Sequence[str]) -> Place | None:
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
    crashes: Crashes | None = None
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
        words = first_words(body).strip("'").removeprefix("Error: ").replace("Error [Error]: ", "Error: ", 1)
        if words == CRASHED:
            crashes = crashes or Crashes(lines)
            place, words = crashes.of(name)
            name = ""
        else:
            place = first_frame(body) or told
        if place and is_own(words):
            yield Found(first - 1 if told else first, end, failure("node:test", name, words, place))
            number = end


def is_own(words: str) -> bool:
    """Whether Node says why a test failed, and not only that it did for another's sake."""
    return bool(words) and not words.endswith(_OTHERS) and not words.startswith(_OTHERS)


def _node_end(lines: Sequence[str], start: int, indent: int) -> int:
    margin = " " * indent
    end = start
    for number in range(start, min(len(lines), start + BLOCK)):
        if lines[number].startswith(margin) and not regex(r" *[✔✖▶] ").match(lines[number]):
            end = number + 1
        elif lines[number].strip():
            break
    return end


class Crashes:
    """What is printed elsewhere of files that failed as a whole: in TAP as comments, which begin with `# `."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._crashed: set[str] = set()
        for line in lines:
            text = line.removeprefix("# ")
            if text.startswith(("/", "file:/")) and len(text) < WIDEST and text.rpartition(":")[2].isdecimal():
                path = clean(text.rpartition(":")[0])
                parts = path.split("/")
                self._crashed.update("/".join(parts[at:]) for at in range(max(len(parts) - _DEPTH, 0), len(parts)))
                self._crashed.add(path)
        imports = (line.removeprefix("# ").strip() for line in lines if "imported from " in line[:WIDEST])
        self._imports = list(islice(imports, _IMPORTS))

    def of(self, name: str) -> tuple[Place | None, str]:
        """Give a file as a place without a line and what is known of its failure: an import that was not found.

        No place where the error is printed with its line, `/path/to/file.js:3`: it is told of by that.
        """
        missing = (line for line in self._imports if line.endswith((f" {name}", f"/{name}")))
        return None if name in self._crashed else Place(name, None, None), next(missing, CRASHED)


TOOLS: tuple[Tool, ...] = (
    Tool("mocha", (" failing",), read_mocha),
    Tool("mocha", (" Exception during run: ",), read_mocha_crash),
    Tool("node:test", ("✖ ",), read_node),
)
