"""The one command that runs what failed again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipe.model import Task

LONGEST = 500


def command(failed: Sequence[Task], nx: str) -> str | None:
    """The command, to be copied; None where nothing failed or it would be too long. `nx` is how Nx is started."""
    if not failed:
        return None
    known = [task.target for task in failed if task.target]
    # Nx leaves a configuration out where a target has none of that name, so one does for all.
    configurations = {task.rest[len(task.target) + 1 :] for task in failed if task.target} - {""}
    if len(failed) > 1 and len(known) == len(failed) and len(configurations) <= 1:
        targets = " ".join(dict.fromkeys(map(shlex.quote, known)))
        text = f"{nx} run-many -t {targets}"
        only = f"{text} -p {' '.join(dict.fromkeys(shlex.quote(task.project) for task in failed))}"
        text = only if len(only) <= LONGEST else text
        if configurations:
            text += f" -c {shlex.quote(configurations.pop())}"
    else:
        # Several configurations, or a target that cannot be told from one.
        text = "; ".join(f"{nx} run {shlex.quote(task.id)}" for task in failed)
    return text if len(text) <= LONGEST and text.isprintable() else None
