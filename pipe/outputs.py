"""What later steps may want to know, as variables: the result, counts and links.

Bitbucket Pipelines takes them from a file of lines `NAME=value` (BITBUCKET_PIPELINES_VARIABLES_PATH), where the step
names them under `output-variables`; at most 50 variables and 100 KB, the last line of a name counts. In a pipe that
file may lie where nothing is kept, so the same stands in a file of the clone, for `source` in a shell.
https://atlassian.com/blog/bitbucket/easily-share-data-between-steps-in-bitbucket-pipelines
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from pipe.checkout import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipe.insights import Summary

FILE = ".nx-report/outputs.env"
_LONGEST = 2000


def outputs(summary: Summary, links: Mapping[str, str | None]) -> dict[str, str]:
    """The variables and their values, which are one line each; what is not known is empty.

    `links` are addresses by what they lead to, in capitals: `COMMENT` becomes NX_REPORT_COMMENT_URL. The result is the
    answer's value with hyphens: `succeeded`, `tasks-failed`, `step-failed`, …
    """
    seconds = summary.seconds
    values = {
        "RESULT": summary.answer.value.replace(" ", "-"),
        "TASKS": str(summary.total),
        "FAILED": str(len(summary.failed)),
        "CACHED": str(summary.cached),
        "NOT_RUN": str(len(summary.not_run)),
        "FLAKY": str(len(summary.flaky)),
        "SECONDS": "" if seconds is None else f"{seconds:.3f}",
        **{f"{name}_URL": address or "" for name, address in links.items()},
    }
    return {f"NX_REPORT_{name}": _line(value) for name, value in values.items()}


def shell(values: Mapping[str, str]) -> str:
    """The same as assignments that a POSIX shell reads as they are meant, whatever is in a value."""
    return "".join(f"{name}={_quoted(_line(value))}\n" for name, value in values.items())


def append(path: str, values: Mapping[str, str]) -> None:
    """Add the variables to the file that Pipelines reads. `path` is the agent's: it may be outside the clone.

    Each is a line of its own, also where the file does not end with one. A link in the file's place is not followed: a
    checkout may hold the folder that the file is in.

    Raises:
        Unreadable: the file cannot be written; the text says why, in one line.

    """
    text = "".join(f"{name}={_line(value)}\n" for name, value in values.items())
    try:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o644)
    except (OSError, ValueError) as error:
        raise Unreadable((getattr(error, "strerror", None) or "cannot be opened").lower()) from None
    with os.fdopen(descriptor, "rb+", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable("is not a regular file")
        try:
            size = os.fstat(descriptor).st_size
            whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
            file.write(("" if whole else "\n").encode() + text.encode("utf-8", "replace"))
        except OSError as error:
            raise Unreadable((error.strerror or "cannot be written").lower()) from None


def _line(value: str) -> str:
    """A value in one line of printable characters: a line break in it would begin a variable of its own."""
    return re.sub(r"\s+", " ", "".join(one if one.isprintable() else " " for one in value[:_LONGEST])).strip()


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
