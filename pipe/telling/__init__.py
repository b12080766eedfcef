"""The telling lines of a failed task: what failed and why, found in its terminal output.

No tool is parsed. Each line is classified by its shape (the head of a failure, a location, a diff, the marked line of a
code frame, a stack frame, a closing count, noise), heads open blocks, details join the open block, and what is most
telling in each block is taken first, in turn.
"""

from __future__ import annotations

from typing import NamedTuple

from pipe.telling.choosing import candidates, choose, distinct, last_resort, logged_in, reason, show
from pipe.telling.lines import cut, lines_of
from pipe.telling.reading import Reader
from pipe.telling.shapes import regex

_MARK = r"^(?:E {2,}|\^[-^]* )"  # pytest's before an error, ShellCheck's below the code


class Excerpt(NamedTuple):
    """Telling lines in their order in the output, and how many further ones there were no room for."""

    lines: tuple[str, ...]
    left_out: int


class Telling:
    """The telling lines of one failed task's terminal output, which is read once."""

    def __init__(self, output: str) -> None:
        """Read the output, as printed: escape codes and carriage returns may be in it."""
        lines = lines_of(output)
        self._reading = Reader(lines)
        self._reading.read()
        self._blocks = distinct(self._reading)
        self._logged = logged_in(self._reading, self._blocks)
        self._rest = last_resort(lines)

    def excerpt(self, limit: int) -> Excerpt:
        """Give at most `limit` lines that say what failed and why.

        The lines are plain text of at most 200 characters, in their order in the output, but errors that the code under
        test logged come last. Each failure's key line comes before the details of the second failure; a single line is
        the first failure's reason. Warnings count where there is no error. Something is given whenever the output has
        any text.
        """
        wanted = candidates(self._reading, self._blocks, self._logged, limit)
        told = {line for _, _, _, line, _ in wanted}
        chosen = choose(wanted, limit)
        guessed = all(block.weak for block in self._blocks)
        if limit > 0 and guessed and (not told or len(self._rest) <= limit):  # little is known: the whole, if short
            chosen = dict.fromkeys(sorted(self._rest[-limit:]), -1)
        elif limit == 1:
            chosen = reason(self._reading, self._blocks, self._logged) or chosen
        lines = show(self._reading.lines, chosen, self._blocks)
        if limit == 1:
            lines = (cut(" ".join(regex(_MARK).sub("", line.strip()) for line in lines)),) if lines else ()
        return Excerpt(lines, len(told - chosen.keys()))
