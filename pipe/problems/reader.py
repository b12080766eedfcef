"""What a tool's reader is: lines in, problems out, each with the lines that tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipe.model import Problem


class Found(NamedTuple):
    """A problem, and the lines that tell of it: from `first` up to, not with, `end`. No other reader reads those."""

    first: int
    end: int
    problem: Problem


class Tool(NamedTuple):
    """A tool whose output is known.

    `read` is asked only for an output that holds one of `signs`, plain words as the tool prints them: looking for those
    is all that the tool costs in the outputs of others. It gives what it finds in order of lines.
    """

    name: str
    signs: tuple[str, ...]
    read: Callable[[Sequence[str]], Iterable[Found]]
