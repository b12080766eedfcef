"""What a tool's reader is: lines in, problems out, each with the lines that tell of it; and what readers share."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipe.model import Problem

LONGEST = 500  # characters of a problem's message
WIDEST = 4_000  # characters of a line that are read: further right no tool names a place


class Found(NamedTuple):
    """A problem, and the lines that tell of it: from `first` up to, not with, `end`. No other reader reads those."""

    first: int
    end: int
    problem: Problem


class Tool(NamedTuple):
    """A tool whose output is known.

    `read` is asked only for an output that holds one of `signs`, plain words as the tool prints them: looking for those
    is all that the tool costs in the outputs of others. It gives what it finds in order of lines. Of what is printed
    `again`, in another form than a tool's own, counts what no reader of such a tool has found.
    """

    name: str
    signs: tuple[str, ...]
    read: Callable[[Sequence[str]], Iterable[Found]]
    again: bool = False


@cache
def regex(pattern: str) -> re.Pattern[str]:
    """Compile a pattern once it is needed; most outputs need few of them."""
    return re.compile(pattern)


def message_of(*texts: str) -> str:
    """Give the texts as a problem's message: on one line, of at most `LONGEST` characters."""
    text = " ".join(" ".join(each[:WIDEST] for each in texts).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
