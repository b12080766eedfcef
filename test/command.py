"""Other programs' commands, run so that none of them can hold up the tests.

A command's output goes to a file and not to a pipe: whatever it leaves behind in the background may keep the other end
of a pipe open for ever. A command that does not end is killed, with all that it started, and run once more: a run of
the tests once stood still where npm and Nx work, and was ended from outside an hour later.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SECONDS = 240  # more than any command here takes on a slow machine with an empty npm cache
TRIES = 2


class Ran(NamedTuple):
    """What a command came to: its exit code and what it printed, stderr included."""

    code: int
    printed: str


class Hung(AssertionError):
    """A command that did not end, each time it was run."""


def execute(command: Sequence[str], cwd: Path, environ: Mapping[str, str], *, seconds: float = SECONDS) -> Ran:
    """Run a command to its end, without input; raises Hung with what it printed where it has none within `seconds`."""
    printed = ""
    for _ in range(TRIES):
        code, printed = _once(command, cwd, environ, seconds)
        if code is not None:
            return Ran(code, printed)
    message = f"{TRIES} times no end within {seconds} s: {' '.join(command)}\n{printed}"
    raise Hung(message)


def _once(command: Sequence[str], cwd: Path, environ: Mapping[str, str], seconds: float) -> tuple[int | None, str]:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            code = process.returncode
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return code, output.read().decode(errors="replace")
