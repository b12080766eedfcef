"""Markdown that Bitbucket Cloud (Python-Markdown) and Data Center (CommonMark) turn into the same document.

The two differ on backslash escapes, entities, a `|` inside a code span of a table, and nested lists, so none of these
is used. Text from the checkout goes into code spans and fences only: there it cannot mention, link, embed or format.
Both take plain text, without control characters.
"""

from __future__ import annotations

import re

_LONGEST_SPAN = 120
_LOOK_ALIKES = {ord("`"): "ˋ", ord("|"): "│"}


def code(text: str, *, limit: int = _LONGEST_SPAN) -> str:
    """Text as a code span of at most `limit` characters, on one line, usable in a table too.

    Backticks, bars and the beginning of a numeric entity become look-alikes: the two renderers disagree on them there.
    """
    text = shorten(" ".join(text.split()), limit).translate(_LOOK_ALIKES).replace("&#", "&＃")
    return f"`{text}`" if text else "`?`"


def fence(lines: list[str]) -> str:
    """Lines as a fenced block that nothing inside can close. Tabs become spaces, as Python-Markdown makes them."""
    lines = [line.expandtabs(4).rstrip() for text in lines for line in text.split("\n")]
    longest = max((len(run) for line in lines for run in re.findall("`{3,}", line)), default=2)
    ticks = "`" * max(3, longest + 1)
    return "\n".join((ticks, *lines, ticks))


def copyable(command: str, limit: int) -> str:
    """A command of at most `limit` characters, as it is: in a block of its own where a code span would change it."""
    span = code(command, limit=limit)
    return span if span == f"`{command}`" else "\n\n" + fence([command])


def link(text: str, url: str) -> str:
    """A link with trusted text. Parentheses are the only characters of an address that could end it early."""
    return f"[{text}]({url.replace('(', '%28').replace(')', '%29')})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of ready Markdown cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def shorten(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
