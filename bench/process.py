"""A whole process, measured."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Usage(NamedTuple):
    """What one process took: CPU (user and system) and wall time in seconds, peak memory in MB; and what it printed.

    The peak is at least that of the process which started it.
    """

    cpu: float
    wall: float
    memory: float
    printed: str


def measure(command: Sequence[str], environ: Mapping[str, str], folder: Path | None = None) -> Usage:
    """Run a command to its end; raises RuntimeError with what it printed where it fails."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environ, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(printed)
    return Usage(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, printed)
