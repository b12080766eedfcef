"""Which text between a run's marks is the output of which task."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from pipe.nx.printed.scan import HEAD, LONGEST_START, TAIL, TOTAL
from pipe.nx.printed.words import CROSS, EXITED, plain, reasons, shows_failure
from pipe.terminal import strip_escapes

if TYPE_CHECKING:
    from pipe.nx.printed.draft import Draft
    from pipe.nx.printed.scan import Mark

LONGEST_RUN = 1000  # marks of a run that are looked through for lines of one task
COPIES = 100  # lines like an output's first that may begin its copy; each is compared with all before it
SAMPLE = 200  # tasks, and 50 lines of each, that show the output style
PREFIX = r"^(?:\x1b\[[0-9;]*m)*(?P<project>[^\s\x1b]+?):(?:\x1b\[[0-9;]*m)*(?: (?P<line>.*))?$"


class Outputs:
    """The outputs of a run's tasks."""

    def __init__(self, marks: list[Mark], run: Draft) -> None:
        self._marks = marks
        self._first = run.first
        self._last = run.last
        self._headers = frozenset(run.headers)
        self._next = dict(pairwise([*run.headers, run.last]))
        self._places: dict[str, list[int]] = {}
        for at in run.headers:
            self._places.setdefault(marks[at].name, []).append(at)
        self._by_project: dict[str, list[tuple[int, str]]] | None = None
        self._reasons: dict[str, str] | None = None
        self._spare = TOTAL // 4  # bytes of text that several tasks may share

    def of(self, name: str) -> str | None:
        """One task's output as printed, with why Nx says that it failed if the output doesn't; None without either."""
        places = self._places[name]
        if self._by_project is None:
            self._by_project = self._split() if self._is_prefixed() else {}
        if self._by_project:
            lines = self._by_project.get(name.split(":", 1)[0], ())
            text = "\n".join(line for at, line in lines if at >= places[0])
        else:
            parts = dict.fromkeys(_once(_trim(self._between(at, self._next[at]))) for at in places)
            text = "\n".join(parts).strip("\n")
        reason = self.reason(name)
        mixed = not self._by_project and self._is_held(places[0])
        if not reason and not mixed:
            return text or None
        if _says_why(text):
            return text
        if reason:
            return text if reason in text else f"{text}\n{reason}".lstrip("\n")
        # Streamed without prefixes: tasks' lines are mixed, and this task's stand under later headers too.
        whole = _trim(self._between(places[0], self._last))
        self._spare -= len(whole)
        return whole if _says_why(whole) else text or None

    def reason(self, name: str) -> str | None:
        """What Nx says of why a task failed, under whatever header that stands."""
        if self._reasons is None:
            self._reasons = {}
            for mark in self._marks[self._first : self._last]:
                self._reasons |= reasons(mark.text())
        return self._reasons.get(name)

    def _is_held(self, start: int) -> bool:
        """Whether all that was printed from there to the run's end is here, and small enough to give it to a task."""
        if self._last - start > LONGEST_RUN:
            return False
        marks = self._marks[start : self._last]
        return sum(mark.size for mark in marks) <= self._spare and not any(mark.left_out for mark in marks)

    def _between(self, start: int, stop: int) -> str:
        """Join what was printed after one mark and before another, look-alikes between them included."""
        parts = [self._marks[start].text()]
        size = len(parts[0])
        if self._marks[start].icon == CROSS:
            stop = start  # the style for terminals draws its own lines next
        for at in range(start + 1, min(stop, len(self._marks))):
            mark = self._marks[at]
            part = mark.text() if at in self._headers else mark.raw + b"\n" + mark.text()
            size += len(part)
            if size > 2 * (HEAD + TAIL):
                break
            parts.append(part)
        return b"".join(parts).decode("utf-8", "replace")

    def _is_prefixed(self) -> bool:
        """Whether the output style puts `project: ` before each line (`stream`)."""
        projects = {name.split(":", 1)[0] for name in self._places}
        good = bad = 0
        for places in list(self._places.values())[:SAMPLE]:
            mark = self._marks[places[-1]]
            for raw in () if mark.sure else mark.head[:4096].split(b"\n")[:50]:
                line = plain(raw)
                if line.split(": ", 1)[0].rstrip(":") in projects:
                    good += 1
                elif line and not EXITED.match(line):
                    bad += 1
        return good > 2 * bad

    def _split(self) -> dict[str, list[tuple[int, str]]]:
        """Sort the lines by their prefix, which goes; each with the mark that it stands under."""
        prefix = re.compile(PREFIX)
        lines: dict[str, list[tuple[int, str]]] = {name.split(":", 1)[0]: [] for name in self._places}
        for at in sorted(self._headers):
            for line in self._between(at, self._next[at]).split("\n"):
                match = prefix.match(line.rstrip("\r"))
                if match and match["project"] in lines:
                    lines[match["project"]].append((at, match["line"] or ""))
        return lines


def _says_why(text: str) -> bool:
    """Whether an output shows a failure, the commands that the executor prints aside."""
    lines = (line for line in text.split("\n") if not strip_escapes(line[:LONGEST_START]).startswith("> "))
    return shows_failure("\n".join(lines).encode("utf-8", "replace"))


def _trim(text: str) -> str:
    """Without the blank lines around it and Nx's separator under it (a line of colours alone)."""
    start = 0
    while (stop := text.find("\n", start)) >= 0 and not strip_escapes(text[start:stop]).strip():
        start = stop + 1
    end = len(text)
    while end > start:
        line = text.rfind("\n", start, end - 1) + 1 or start
        if strip_escapes(text[line:end]).strip():
            break
        end = line
    return text[start:end]


def _once(text: str) -> str:
    """Nx 21 prints some failing outputs twice in a row: keep the second, which has the executor's last line."""
    first = text[: text.find("\n") + 1]
    again = 0
    for _ in range(COPIES):
        again = text.find(first, again + len(first))
        copy = text[: max(again, 0)].rstrip()
        if not copy or len(copy) * 2 > len(text) + 2:
            return text
        if text.startswith(copy, again):
            return text[again:]
    return text
