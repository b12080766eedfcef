"""What Jasmine prints of failed tests, by itself and through Karma, which runs it in browsers.

A test may fail for several reasons, and each has a message and a stack of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.problems.frames import BLOCK, Place, failure, first_frame, first_words
from pipe.problems.reader import WIDEST, Found, Tool, regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BROWSER = r"[A-Z][\w. ]{1,60} \([^()]{1,60}\) (\S.*) FAILED$"


def read_jasmine(lines: Sequence[str]) -> Iterator[Found]:
    """Read `1) suite test`, then `Message:` and `Stack:` with what belongs to each further in."""
    for number, line in enumerate(lines[:-1]):
        if lines[number + 1] != "  Message:":
            continue
        head = regex(r"(?:\d{1,7}\) |Suite error: )(\S.*)$").match(line[:WIDEST])
        if head:
            end = _end(lines, number + 1, "  ")
            body = [each[:WIDEST] for each in lines[number + 1 : end] if each not in ("  Message:", "  Stack:")]
            for words, place in _reasons(body):
                yield Found(number, end, failure("jasmine", head[1], words, place))


def read_karma(lines: Sequence[str]) -> Iterator[Found]:
    """Read `Browser 1.0 (System) suite test FAILED`, then messages and stacks behind a tab."""
    for number, line in enumerate(lines):
        head = regex(_BROWSER).match(line[:WIDEST]) if line.endswith(" FAILED") else None
        if head:
            end = _end(lines, number + 1, "\t")
            for words, place in _reasons([each[:WIDEST] for each in lines[number + 1 : end]]):
                yield Found(number, end, failure("karma", head[1], words, place))


def _end(lines: Sequence[str], start: int, margin: str) -> int:
    numbers = range(start, min(len(lines), start + BLOCK))
    return next((number for number in numbers if not lines[number].startswith(margin)), min(len(lines), start + BLOCK))


def _reasons(body: Sequence[str]) -> Iterator[tuple[str, Place]]:
    """Give each message with the first frame of the workspace's own below it."""
    words: list[str] = []
    frames: list[str] = []
    for line in [*body, ""]:
        if line.strip().startswith("at "):
            frames.append(line)
            continue
        if frames or not line:
            place = first_frame(frames)
            if place:
                yield first_words(words), place
            words, frames = [], []
        words.append(line)


TOOLS: tuple[Tool, ...] = (
    Tool("jasmine", ("  Message:\n",), read_jasmine),
    Tool("karma", (" FAILED\n",), read_karma),
)
