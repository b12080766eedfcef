"""The hidden last line of a comment: a link reference definition, which both Markdown renderers leave out.

It is how our comment is found again, and how every step sees what it shows without reading its text. What is read back
is data: a line that does not hold exactly what is written here is no marker.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple
from urllib.parse import parse_qsl

from pipe import emoji

# `.invalid` can never be anyone's host (RFC 2606).
_LINE = re.compile(r"\[nx-report:([A-Za-z0-9._-]{1,30})\]: https://nx-report\.invalid/v1\?([a-z0-9=&-]{1,300})")
# The footer's time, at the end of a line.
_MOMENT = re.compile(r"[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2} UTC$")


class Known(NamedTuple):
    """A result: how many of how many tasks failed, in which build of which commit."""

    build: int
    commit: str
    failed: int
    total: int


class Marker(NamedTuple):
    """What a comment shows: which build of which commit, and the digest of the records that it was made of.

    `job` is whose build it is where there are several jobs, `rich` says that it shows more than they hold, `at` when it
    was written and `until` when its writer looks again (milliseconds since 1970, 0 for never); `known` is the last
    result known by then, None where there was none.
    """

    report_id: str
    build: int
    commit: str
    of: str = ""
    rich: bool = False
    at: int = 0
    until: int = 0
    known: Known | None = None
    job: str = ""


def sign(text: str, marker: Marker) -> str:
    """The comment: the text, and under it the marker, which also tells whether somebody changes the text."""
    query = f"build={marker.build}&commit={marker.commit}&of={marker.of}&sum={digest(text)}&rich={int(marker.rich)}"
    query += f"&at={marker.at}&until={marker.until}" + (f"&job={marker.job}" if marker.job else "")
    if marker.known:
        query += f"&known={marker.known.build}-{marker.known.commit}-{marker.known.failed}-{marker.known.total}"
    return f"{text.rstrip()}\n\n[nx-report:{marker.report_id}]: https://nx-report.invalid/v1?{query}\n"


def find(body: str, report_id: str) -> tuple[Marker, bool] | None:
    """The marker of a comment of that report, and whether the text above is as it was written.

    It is the last line that is not blank, and no other: a log line that looks like a marker stands above it and so is
    none; a quoted one begins with `>`.
    """
    text, _, line = body.rstrip().rpartition("\n")
    match = _LINE.fullmatch(line.strip())
    if match is None or match[1] != report_id:
        return None
    values = dict(parse_qsl(match[2]))

    def number(name: str) -> int:
        found = re.fullmatch("[0-9]{1,15}", values.get(name, ""))
        return int(found[0]) if found else 0

    commit = values.get("commit", "")
    if not re.fullmatch("[0-9a-f]{7,40}", commit) or not re.fullmatch("[0-9]{1,12}", values.get("build", "")):
        return None
    known = re.fullmatch(r"([0-9]{1,12})-([0-9a-f]{7,40})-([0-9]{1,9})-([0-9]{1,9})", values.get("known", ""))
    marker = Marker(
        report_id=report_id,
        build=number("build"),
        commit=commit,
        of=values.get("of", ""),
        rich=values.get("rich") == "1",
        at=number("at"),
        until=number("until"),
        known=Known(int(known[1]), known[2], int(known[3]), int(known[4])) if known else None,
        job=values.get("job", ""),
    )
    return marker, values.get("sum") == digest(text)


def digest(text: str) -> str:
    """Sixteen digits of a text's hash, the same whatever may change: the footer's time, line ends, margins, emoji."""
    lines = [_MOMENT.sub("", line.strip()) for line in emoji.without(text).strip().splitlines()]
    return hashlib.sha256("\n".join(line for line in lines if line).encode("utf-8", "replace")).hexdigest()[:16]
