"""The hidden last line of a comment: a link reference definition, which both Markdown renderers leave out.

It is how our comment is found again and how a late build sees that it is late. What is read back is data: a line that
does not hold exactly what is written here is no marker.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl

# `.invalid` can never be anyone's host (RFC 2606).
_LINE = re.compile(r"\[nx-report:([A-Za-z0-9._-]{1,30})\]: https://nx-report\.invalid/v1\?([a-z0-9=&-]{1,300})")


class Known(NamedTuple):
    """A result: how many of how many tasks failed, in which build of which commit."""

    build: int
    commit: str
    failed: int
    total: int


class Marker(NamedTuple):
    """Which build wrote the comment; `known` is the last result known by then, None where there was none."""

    report_id: str
    build: int
    step_run: int
    commit: str
    known: Known | None = None

    @property
    def line(self) -> str:
        """The marker as a line of Markdown."""
        query = f"build={self.build}&run={self.step_run}&commit={self.commit}"
        if self.known:
            query += f"&known={self.known.build}-{self.known.commit}-{self.known.failed}-{self.known.total}"
        return f"[nx-report:{self.report_id}]: https://nx-report.invalid/v1?{query}"


def find(body: str, report_id: str) -> Marker | None:
    """The marker of a comment of that report: its last line that is not blank, and no other.

    A log line that looks like a marker stands above it and so is none; a quoted one begins with `>`.
    """
    match = _LINE.fullmatch(body.rstrip().rpartition("\n")[2].strip())
    if match is None or match[1] != report_id:
        return None
    values = dict(parse_qsl(match[2]))
    commit = values.get("commit", "")
    numbers = [values.get(name, "") for name in ("build", "run")]
    if not re.fullmatch("[0-9a-f]{7,40}", commit) or not all(re.fullmatch("[0-9]{1,12}", text) for text in numbers):
        return None
    known = re.fullmatch(r"([0-9]{1,12})-([0-9a-f]{7,40})-([0-9]{1,9})-([0-9]{1,9})", values.get("known", ""))
    return Marker(
        report_id=report_id,
        build=int(numbers[0]),
        step_run=int(numbers[1]),
        commit=commit,
        known=Known(int(known[1]), known[2], int(known[3]), int(known[4])) if known else None,
    )
