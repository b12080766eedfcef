"""Numbers, durations and times as people read them; the same words in the comment, the status and the log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def count(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`, `1,200 tasks`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """`844ms`, `2.1s`, `48s`, `4m 03s`, `1h 02m`."""
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))}ms"
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{whole}s"
    if whole < 3600:  # noqa: PLR2004
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def seconds_of(text: str) -> float | None:
    """The seconds that `duration` wrote, None where it did not write this."""
    if found := re.fullmatch(r"([0-9]{1,4})ms", text):
        return int(found[1]) / 1000
    if found := re.fullmatch(r"([0-9]{1,2}(?:\.[0-9])?)s", text):
        return float(found[1])
    if found := re.fullmatch(r"([0-9]{1,9})(m|h) ([0-9]{2})[sm]", text):
        return float((int(found[1]) * 60 + int(found[3])) * (60 if found[2] == "h" else 1))
    return None


def moment(time: datetime) -> str:
    """`23 Nov 2026 19:22 UTC`, whatever the locale. `time` is in UTC."""
    return f"{time.day} {_MONTHS[time.month - 1]} {time.year} {time:%H:%M} UTC"


def time_of_day(at: int) -> str:
    """`19:22 UTC`. `at` is in milliseconds since 1970."""
    minutes = at // 60_000 % 1440
    return f"{minutes // 60:02}:{minutes % 60:02} UTC"
