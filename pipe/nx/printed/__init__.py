"""What nx commands printed, versions 16 to 24, as runs.

Three steps, a module each. `scan` finds the few lines that only Nx prints (`words`: a task's header, Nx's badge) with a
plain byte search, so that a line that is neither costs next to nothing, and keeps where they stand. `assemble` makes
runs of those marks: which start, headers and end belong together; `blocks` reads what stands under a mark. `results`
says what became of each task, and `outputs` which text is whose (`streams`: which line, where lines have prefixes).
Texts are read from the file (`log`) when they are asked for: most never are.

A task prints what it likes, lines that look like Nx's included, and a task may run nx itself. An end therefore counts
for the run that it names (targets and projects); everything between a run's start and its own end is that run's. When
two ends claim one run the worse one holds, whatever their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.nx.printed.assemble import Assembler
from pipe.nx.printed.log import Log
from pipe.nx.printed.results import results

if TYPE_CHECKING:
    from typing import BinaryIO

    from pipe.model import Run
    from pipe.nx.printed.results import Keep


def read(file: BinaryIO, *, source: str, hosts: frozenset[str], keep: Keep | None = None) -> list[Run]:
    """Read what nx commands printed into one file, as runs in the order of their starts.

    `file` is seekable and stands at its beginning; `source` names it in `Run.sources`; `hosts` are those that
    `cloud_links.find` takes. Raises OSError where the file cannot be read, and never for what it holds, even if that
    changes meanwhile. A run that has no end in the file is `cut`: its state is IN_PROGRESS, or FAILED where a failure
    is seen, and its tasks without a mark of their own are STOPPED, which says no more than that this log does not show
    a result. A run that a task started (nested nx) is part of that task's output. All outputs together have some 32 MB.

    `keep` is called with the output of every task that has one in the file, and whether the task failed, one after
    another; what it answers is the task's `log`. Nothing of what tasks printed that succeeded is held here.
    """
    log = Log(file)
    return results(Assembler(log, hosts).runs(), log, source, hosts, keep)
