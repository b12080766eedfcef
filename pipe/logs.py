"""What is kept of every task's output: packed for the page, read for problems, and gone from memory.

A task's output is not its run's to hold: ten thousand of them are more than a step has room for. Pure, but for what it
holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipe import problems
from pipe.model import Kept, Log, Severity
from pipe.redact import without_clone_dir
from pipe.secrets import Masker
from pipe.terminal import coloured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipe.model import Problem, Run
    from pipe.pack import Packed, Packer

# More than this many characters of outputs are not looked at: no page could show them, and the time is bounded.
_MOST = 512 << 20
# So many problems are read of tasks that failed, and of those that passed: a report takes a thousand, the former first.
_WANTED = {True: 5_000, False: 1_500}
# Who is told of a place: no tool that is known, or the runtime that ended for it.
_UNHANDLED = ("", "node", "python")
_HEAD = 4_000  # characters in which Nx's echo of the command is looked for
_COMMAND, _ENDED = 'Warning: command "', "exited with non-zero status code"


class Logs:
    """Keeps outputs without secrets; `count` says how many were replaced.

    `known` are the pipe's own credentials, `clone_dir` is left out of the names of files.
    """

    def __init__(self, packer: Packer, known: Iterable[str], clone_dir: str) -> None:
        self._packer = packer
        self._masker = Masker(known)
        self._clone_dir = clone_dir
        self._room = _MOST
        self._wanted = dict(_WANTED)

    @property
    def count(self) -> int:
        """How many secrets were replaced."""
        return self._masker.count

    def keep(self, text: str, failed: bool) -> Kept:  # noqa: FBT001 - it is handed on as a function
        """Keep a task's output as printed; there is no log where there is nothing in it, or no room any more."""
        self._room -= len(text)
        if self._room < 0 or not text.strip():
            return Kept(text, None)
        shown, words = coloured(text)
        masked = self._masker.mask(words)
        if masked != words:
            # Colours may stand within a secret: a line that holds one is shown without them.
            pairs = zip(shown.split("\n"), words.split("\n"), masked.split("\n"), strict=True)
            shown = "\n".join(clean if clean != before else line for line, before, clean in pairs)
        unread = self._wanted[failed] <= 0
        found, more = ((), 0) if unread else self._problems(masked, failed=failed)
        self._wanted[failed] -= len(found)
        shown = without_clone_dir(shown, self._clone_dir).rstrip("\n")
        number = self._packer.add(shown, failed=failed)
        log = Log(number, len(shown), shown.count("\n") + 1, found, more, unread)
        return Kept(without_clone_dir(masked, self._clone_dir), log)

    def packed(self, runs: Iterable[Run]) -> Packed:
        """The logs that tasks of these runs have; where two sources tell of a task it has but one of its two."""
        return self._packer.packed({task.log.id for run in runs for task in run.tasks if task.log})

    def _problems(self, text: str, *, failed: bool) -> tuple[tuple[Problem, ...], int]:
        """What tools found, by absolute paths where they print such: those are the ones that are beyond doubt."""
        found, more = problems.count(_without_nx(text))
        if not failed:
            # A place that some program prints is just a place there, and an exception is one that was handled.
            found = tuple(one for one in found if one.tool not in _UNHANDLED or one.severity is Severity.WARNING)
        return tuple(one._replace(message=without_clone_dir(one.message, self._clone_dir)) for one in found), more


def _without_nx(text: str) -> str:
    """A task's output without the lines that Nx adds: the command before it, and how that ended after it.

    They are its executor `nx:run-commands`'s
    (https://github.com/nrwl/nx, packages/nx/src/executors/run-commands), the last without a line of its own.
    """
    text = re.sub(r"\A(?:\n*> [^\n]*\n)+", "\n", text[:_HEAD]) + text[_HEAD:]
    return re.sub(f"{_COMMAND}[^\n]*{_ENDED}", "\n", text) if _ENDED in text and _COMMAND in text else text
