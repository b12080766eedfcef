"""Readers for programs that ended by an error nobody caught: Node.js and Python, as their runtimes print it.

The place is the nearest frame of the workspace's own code; Node.js counts columns from 1. A stack that a program goes
on after is no crash, so what only a crash has is asked for: Node's closing line, Python's error as the last words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Problem, Severity
from pipe.problems.reader import WIDEST, Found, Tool, message_of, regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LONGEST = 300  # lines of a crash
_NODE_HEAD = r"(?:file://)?((?:/|[A-Za-z]:[\\/]|node:)\S.*):(\d{1,7})$"
_NODE_FRAME = (
    r"\s{4,12}at (?:async )?(?:(?=.*\)(?: \{)?$)[^(]* \()?"
    r"(?:file://)?((?:/|[A-Za-z]:[\\/]|\w).*?):(\d{1,7}):(\d{1,6})\)?(?: \{)?$"
)
_FOREIGN = r"(?:.*[\\/])?node_modules[\\/]|node:|internal/|evalmachine|webpack"
_NO_CAUSE = ("Error: Command failed", "UnhandledPromiseRejection:", "Error: Cannot find package")
_PYTHON_FRAME = r'\s{2}File "([^"]+)", line (\d{1,7})(?:, in |$)'
_PYTHON_ERROR = r"(?:[A-Za-z_]\w{0,80}\.){0,8}[A-Z]\w{0,80}(?::|$)"
_PYTHON_FOREIGN = r"(?:.*[\\/])?(?:site-packages|dist-packages|lib[\\/]python3[.\d]*)[\\/]|<"


def read_node_crash(lines: Sequence[str]) -> Iterator[Found]:
    """Read the place, the line with a caret under it, the error with its stack, and `Node.js v20` at the end."""
    ended = 0
    for last, line in enumerate(lines):
        if not line.startswith("Node.js v"):
            continue
        first = next((each for each in range(max(last - _LONGEST, ended), last) if _is_head(lines, each)), None)
        ended = last + 1
        caret = first + 2 if first is not None else last
        told = next((each for each in range(caret + 1, last) if lines[each].strip()), None)
        if first is None or told is None or lines[told].startswith(_NO_CAUSE):
            continue
        place = _node_place(lines, first, told, last)
        text = message_of(lines[told])
        if place is not None and text:
            yield Found(first, last + 1, Problem(*place, Severity.ERROR, text, None, "node"))


def _is_head(lines: Sequence[str], number: int) -> bool:
    """Whether a crash begins here: a place, a line of the file, and a caret under that."""
    caret = lines[number + 2].strip() if number + 2 < len(lines) else ""
    return caret != "" and not caret.strip("^") and regex(_NODE_HEAD).match(lines[number][:WIDEST]) is not None


def _node_place(lines: Sequence[str], first: int, told: int, last: int) -> tuple[str, int, int | None] | None:
    """Give the first frame of the error that is the workspace's, else the place that the crash begins with."""
    indent = None
    for line in lines[told + 1 : last]:
        frame = regex(_NODE_FRAME).match(line[:WIDEST])
        if frame is None:
            if indent is not None and not line.lstrip().startswith(("at ", "...")):
                break  # the stack has ended; what follows are causes and fields
            continue
        indent = True
        if not regex(_FOREIGN).match(frame[1]):
            return frame[1], int(frame[2]), int(frame[3]) or None
    head = regex(_NODE_HEAD).match(lines[first][:WIDEST])
    if head is None or regex(_FOREIGN).match(head[1]):
        return None
    return head[1], int(head[2]), lines[first + 2][:WIDEST].find("^") + 1 or None


def _python(lines: Sequence[str]) -> Iterator[Found]:
    """Read the traceback that the output ends with."""
    end = len(lines)
    left = 4  # lines that others, npm or Nx, say after it
    while end > 0 and left > 0:
        end -= 1
        if regex(_PYTHON_ERROR).match(lines[end]) and lines[end - 1].startswith("  "):
            break
        left -= bool(lines[end].strip())
    else:
        return
    first = end
    while first > max(end - _LONGEST, 0) and lines[first - 1].startswith("  "):
        first -= 1
    frames = [frame for each in lines[first:end] if (frame := regex(_PYTHON_FRAME).match(each[:WIDEST]))]
    own = [frame for frame in frames if not regex(_PYTHON_FOREIGN).match(frame[1])]
    traced = first > 0 and lines[first - 1].startswith("Traceback (most recent call last)")
    if own and (traced or lines[end].startswith(("SyntaxError", "IndentationError", "TabError"))):
        place = own[-1][1], int(own[-1][2])
        yield Found(first, end + 1, Problem(*place, None, Severity.ERROR, message_of(lines[end]), None, "python"))


TOOLS: tuple[Tool, ...] = (
    Tool("node", ("Node.js v",), read_node_crash),
    Tool("python", ("Traceback (most recent call last)", "SyntaxError: ", "IndentationError: "), _python),
)
