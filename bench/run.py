"""Measure the pipe and print a table; exit 1 where a limit is broken.

What depends on the machine is measured as a ratio within one run: CPU (user and system, of the whole process) of the
pipe on captured runs against that of importing the toolkit it is built on, both by the same interpreter with the same
flags, in turn, medians of several. The sandbox answers from this process, the pipe runs in its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import Figure, logs, page, records, steps, whole
from bench.process import measure
from bench.recorder import recorder
from test.sandbox import Sandbox
from test.workspaces import COMMIT, capture, lay_out, times, variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.process import Usage

REPEATS = 15
VERSION = "24.0.6"
ROOT = Path(__file__).parents[1]
# As `python3 -I -m pipe` runs it in the image, where the package is installed: here its folder is named instead.
PIPE = (
    f"import runpy, sys; sys.path.append({str(ROOT)!r}); runpy.run_module('pipe', run_name='__main__', alter_sys=True)"
)
TOOLKIT = "import bitbucket_pipes_toolkit"


def run(code: str, environ: Mapping[str, str], folder: Path) -> Usage:
    """Run a piece of Python in a process of its own; raises RuntimeError where it fails."""
    return measure([sys.executable, "-I", "-c", code], environ, folder)


def report(sandbox: Sandbox, clone: Path, build: int) -> Usage:
    """Run the pipe on a clone, as build number `build` of the sandbox's pull request."""
    own = {
        "BITBUCKET_ACCESS_TOKEN": sandbox.access_token.token,
        "BITBUCKET_API_URL": sandbox.url,
        "BITBUCKET_BUILD_NUMBER": str(build),
        "BITBUCKET_COMMIT": COMMIT,
        "PATH": os.defpath,
    }
    return run(PIPE, variables(clone, own), clone)


def cpu(sandbox: Sandbox, clone: Path) -> Figure:
    """Compare the CPU of the pipe on six captured runs, each time an update, with the import of the toolkit."""
    pipe, toolkit = [], []
    for build in range(1, REPEATS + 2):
        pipe.append(report(sandbox, clone, build).cpu)
        toolkit.append(run(TOOLKIT, {"PATH": os.defpath}, clone).cpu)
    # The first round makes the comment, and the compiled files where there are none yet.
    ours, theirs = median(pipe[1:]), median(toolkit[1:])
    how = f"{ours * 1000:.0f} ms / {theirs * 1000:.0f} ms, medians of {REPEATS}"
    return Figure("CPU of the pipe / of importing the toolkit", ours / theirs, 2, how)


def update(sandbox: Sandbox, clone: Path) -> list[Figure]:
    """Count the requests of an update, in which the record of the build before is deleted, and their connections."""
    before = len(sandbox.requests)
    report(sandbox, clone, 1000)
    made = sandbox.requests[before:]
    how = ", ".join(f"{request.method} {request.path.rsplit('/', 1)[-1]}" for request in made)
    return [
        Figure("requests of an update", len(made), 15, how),
        Figure("TCP connections of an update", len({request.connection for request in made}), 4, ""),
    ]


def big_log(sandbox: Sandbox, clone: Path) -> list[Figure]:
    """Run the pipe on a printed log of 200 MB, most of it one task's output."""
    log = clone / ".nx-report" / "nx.log"
    printed = capture(VERSION, 1, "log").read_bytes()
    head, mark, tail = printed.partition(b"FAIL packages")
    noise = b"2026-11-23T19:23:38.100Z [worker 3] \x1b[32mGET\x1b[39m /api/items?page=17 200 in 12 ms\n"
    with log.open("wb") as file:
        file.write(head)
        for _ in range(200):
            file.write(noise * ((1 << 20) // len(noise)))
        file.write(mark + tail)
    ended = times(VERSION, 6)[1].timestamp()
    os.utime(log, (ended, ended))
    usage = report(sandbox, clone, 2000)
    return [
        Figure("200 MB log: seconds", usage.wall, 60, ""),
        Figure("200 MB log: peak memory in MB", usage.memory, 150, ""),
    ]


def main() -> int:
    """Measure everything; 1 where a limit is broken."""
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        clone = lay_out(Path(folder), VERSION, runs=(1, 2, 3, 4, 5, 6))
        figures = [cpu(sandbox, clone), *update(sandbox, clone), *big_log(sandbox, clone)]
    with tempfile.TemporaryDirectory() as folder:
        figures += [*whole.figures(Path(folder), PIPE), *page.page()]
    with tempfile.TemporaryDirectory() as folder:
        figures += [*recorder(), *records.figures(Path(folder)), *logs.figures(Path(folder))]
        of_steps, table = steps.measure(Path(folder))
        figures += of_steps
    print(f"{'':44}{'measured':>10}{'limit':>8}")
    for figure in figures:
        broken = "" if figure.measured <= figure.limit else "  BROKEN"
        print(f"{figure.name:44}{figure.measured:>10.4g}{figure.limit:>8g}{broken}  {figure.how}")
    print("\n".join(["", *table]))
    return int(any(figure.measured > figure.limit for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
