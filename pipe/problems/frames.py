"""Stack frames of JavaScript, and what test runners print around them: which of the lines is the workspace's own place.

Frames are V8's (`at name (file:line:column)`), Vitest's (an angle, name, file:line:column), and those of TAP, which
stand without a word before them. Lines and columns count from 1 in all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from pipe.model import Problem, Severity
from pipe.problems.reader import message_of, regex

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_FRAME = 1_000  # characters of a line that is looked at as a frame
BLOCK = 2_000  # lines of one failure that are looked at
_VALUE = 160  # characters of an expected or received value that belong on one line
_DIFFERENCE = 60  # lines of a difference that are looked through
_NEAR = 12  # lines below a message, up to which its values stand

_FOREIGN = ("node_modules/", "node:", "internal/", "<anonymous>", ".yarn/", ".pnp.", "/dist/runner/", "bun:", "ext:")


class Place(NamedTuple):
    """A place in a file, line and column from 1 or None."""

    path: str
    line: int | None
    column: int | None


def place_at_end(text: str) -> Place | None:
    """Read `file:line:column`, which is all of the text."""
    rest, _, column = text.rpartition(":")
    path, _, line = rest.rpartition(":")
    if not (path and line.isdecimal() and column.isdecimal() and len(line) <= 7 and len(column) <= 7):  # noqa: PLR2004
        return None
    return Place(clean(path), int(line), int(column))


def clean(path: str) -> str:
    """Give a path as a file has it: no scheme, no query that a bundler added, no percent signs of a URL.

    Of a folder in parentheses Jest takes what follows for a path of its own, and gives it from the project's folder:
    `/shop/src/(app)../../../cart.ts`.
    """
    if path.startswith("file://"):
        path = unquote(path.removeprefix("file://"))
    elif path.startswith("webpack:"):
        path = path.partition("/./")[2] or path
    if ")../" in path:
        path = regex(r"\)(?:\.\./)+").sub(")/", path)
    return path.partition("?")[0]


def is_foreign(path: str) -> bool:
    """Whether a file is the runner's or a library's, or no file at all."""
    return any(part in path for part in _FOREIGN) or "://" in path or "." not in path


def frame(line: str, hint: str = "", *, bare: bool = False) -> Place | None:
    """Read a stack frame of the workspace's own; None for another line or a library's frame.

    `hint` is a file that may be meant: it tells a path with spaces from the name before it. `bare` frames, as in TAP,
    have no word before them.
    """
    if len(line) > LONGEST_FRAME:
        return None
    text = line.strip().removesuffix(" {")
    marked = text.startswith(("at ", "❯ "))
    if not (marked or bare):
        return None
    if marked:
        text = text[2:].strip().removeprefix("async ")
    if text.endswith(")") and " (" in text:
        text = text.partition(" (")[2][:-1]  # what follows may hold parentheses too
    elif marked and not line.lstrip().startswith("at "):
        rest = text.rpartition(":")[0].rpartition(":")[0]
        if " " in rest and not (hint and rest.endswith(hint)) and not rest.startswith(("/", "file:")):
            text = text.rpartition(" ")[2]
        elif hint and rest.endswith(f" {hint}"):
            text = text[len(rest) - len(hint) :]
    elif not marked and " " in text:
        return None
    place = place_at_end(text)
    return None if place is None or is_foreign(place.path) else place


def first_frame(lines: Sequence[str], hint: str = "", *, bare: bool = False) -> Place | None:
    """Give the first frame of the workspace's own."""
    for line in lines:
        if ":" in line:
            found = frame(line, hint, bare=bare)
            if found:
                return found
    return None


def first_words(lines: Sequence[str]) -> str:
    """Give the message that these lines begin with, on one line: its first one, and what was expected and received.

    `Expected values to be strictly equal:` is worth little without the values, which stand below.
    """
    filled = (number for number, line in enumerate(lines) if line.strip())
    start = next(filled, None)
    if start is None:
        return ""
    words = [lines[start].strip()]
    wanted = {"Expected": True, "Received": True, "Snapshot:": True}
    for line in lines[start + 1 : start + 1 + _NEAR]:
        text = line.strip()
        if regex(r"at \S|[>❯] |\d+ \|").match(text):
            break
        head = next((word for word in wanted if text.startswith(word)), "")
        if head and wanted[head] and regex(r"[\w .]{1,40}: *\S").match(text) and len(text) <= _VALUE:
            words.append(f"; {' '.join(text.split())}")
            wanted[head] = False
        elif len(words) == 1 and words[0].endswith(":") and " !== " in text and len(text) <= _VALUE:
            words.append(f" {text}")
        elif len(words) == 1 and text.startswith("Received promise "):
            words.append(f"; {text}")
    if len(words) == 1 and (words[0].startswith("expect(") or words[0].endswith(":")):
        joint = " " if words[0].endswith(":") else "; "
        words.extend(joint + each for each in _difference(lines[start + 1 : start + 1 + _DIFFERENCE]))
    return "".join(words)


def _difference(lines: Sequence[str]) -> list[str]:
    """Give the line that was expected and the one that was received, where a difference has no more than those."""
    changed = []
    for line in lines:
        text = line.strip()
        if regex(r"at \S|> +\d+ \||\+ expected - actual$").match(text):
            break
        if text.startswith(("- ", "+ ")) and not regex(r"[-+] (?:Expected|Received|Snapshot|actual)\b").match(text):
            changed.append(" ".join(text.split()))
    both = len(changed) == 2 and changed[0][0] != changed[1][0]  # noqa: PLR2004
    return [f"{changed[0]} {changed[1]}"] if both and max(map(len, changed)) <= _VALUE else []


def failure(tool: str, name: str, words: str, place: Place) -> Problem:
    """Make a failed test's problem. Where nothing is known of the reason, the name says it all."""
    return Problem(
        place.path,
        place.line,
        place.column,
        Severity.ERROR,
        message_of(": ".join(filter(None, (name, words)))),
        None,
        tool,
    )
