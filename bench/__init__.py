"""Measurements of the pipe and the recorder; what depends on the machine is a ratio within one run."""

from typing import NamedTuple


class Figure(NamedTuple):
    """One row of the table: what was measured, the most that it may be, and how it came about."""

    name: str
    measured: float
    limit: float
    how: str
