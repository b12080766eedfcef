"""Which text between a run's marks is the output of which task."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING

from pipe.nx.printed.log import gap
from pipe.nx.printed.scan import LONGEST_START
from pipe.nx.printed.streams import split
from pipe.nx.printed.words import CROSS, EXITED, LONGEST_LINE, NON_ZERO, TICK, plain, reasons, shows_failure
from pipe.terminal import strip_escapes

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from pipe.nx.printed.draft import Draft
    from pipe.nx.printed.log import Log

LONGEST = 5 << 19  # bytes of one output
TOTAL = 32 << 20  # and of all outputs of a file
SPARE = 8 << 20  # bytes of text that is given to several tasks, in a file
EVERY = 256 << 20  # and of all that are read to be kept elsewhere
LOOK = 64 << 20  # bytes that are looked through for lines of single tasks, in a file
LONGEST_RUN = 1000  # marks of a run that are looked through for lines of one task
MOST_PLACES = 50  # headers of one task, its tries, whose outputs are read
LAST_LINES = 20  # of a piece of text, with the executor's words in them, that may be its own
COPIES = 100  # lines like an output's first that may begin its copy; each is compared with all before it
BLANK = 4  # bytes of a text that is blank lines
SAMPLE = 20  # tasks, and lines of each, that show the output style
PREFIX = re.compile(rb"(?:\x1b\[[0-9;]*m)*([^\s\x1b]+?):(?:\x1b\[[0-9;]*m)*(?: (.*))?$")


class Room:
    """How much of a file's outputs is kept: `each` so many bytes, and `reach` of them looked through for one task."""

    def __init__(self, sizes: Iterable[int]) -> None:
        """Share the room fairly between outputs of these sizes: small ones stay whole."""
        ordered = sorted(min(size, LONGEST) for size in sizes)
        self.reach = LOOK // max(len(ordered), 1)
        self.spare = SPARE
        self.each = LONGEST
        room = TOTAL
        for left, size in zip(range(len(ordered), 0, -1), ordered, strict=True):
            if size * left > room:
                self.each = room // left
                break
            room -= size

    def whole(self) -> Room:
        """Room for outputs that are not held: all that one may have, and no text that is given to several tasks."""
        room = Room(())
        room.reach, room.spare = self.reach, 0
        return room


class Outputs:
    """The outputs of some tasks of a run. They are held for every run with a failed task: nothing big is in them."""

    __slots__ = ("_end", "_first", "_headers", "_last", "_log", "_others", "_places", "_prefixed", "_reasons")

    def __init__(self, log: Log, run: Draft, names: Container[str]) -> None:
        self._log = log
        self._first = run.first
        self._last = run.last
        self._end = run.end
        self._headers = run.headers
        self._others = sorted(run.others)
        self._places: dict[str, list[int]] = {}  # which headers are a task's
        for place, at in enumerate(run.headers):
            if (name := log.marks[at].name) in names:
                self._places.setdefault(name, []).append(place)
        self._reasons: dict[str, str] | None = None
        self._prefixed = self._is_prefixed()

    def size(self, name: str) -> int:
        """How many bytes a task's output can have."""
        places = self._places.get(name, ())
        if self._prefixed and places:
            return self._log.marks[self._last].start - self._start(places[0])
        return sum(self._stop(place) - self._start(place) for place in places)

    def of(self, name: str, room: Room) -> str | None:
        """One task's output as printed, with why Nx says that it failed if the output doesn't; None without either."""
        text = self.own(name, room.each, room.reach) if name in self._places else ""
        if _says_why(text):
            return text
        if reason := self._reason(name):
            return text if reason in text else f"{text}\n{reason}".lstrip("\n")
        # Streamed without prefixes: tasks' lines are mixed, and this task's stand under later headers too.
        whole = "" if self._prefixed or name not in self._places else self._whole(self._places[name][0], room)
        return whole if _says_why(whole) else text or None

    def every(self) -> Iterator[tuple[str, str]]:
        """Give each task that has an output, with it, one after another: what stands under its headers.

        In a stream that is the lines of its project, unless several of the run's tasks are of that project. In one
        without prefixes tasks that ran at the same time have each other's lines.
        """
        if self._prefixed:
            yield from self._alone()
            return
        left = EVERY
        for name, places in self._places.items():
            # With a tick Nx prints that a task succeeded, and nothing of its output.
            if self._log.marks[self._headers[places[-1]]].icon != TICK:
                left -= min(self.size(name), LONGEST)
                if left < 0:
                    return
                if text := self.own(name, LONGEST, 0):
                    yield name, text

    def _alone(self) -> Iterator[tuple[str, str]]:
        """The outputs in a stream of those tasks that are the only ones of their project."""
        tasks: dict[str, set[str]] = {}
        for at in self._headers:
            name = self._log.marks[at].name
            tasks.setdefault(name.split(":", 1)[0], set()).add(name)
        alone = {project: name for project, (name, *more) in tasks.items() if not more and name in self._places}
        start, stop = self._start(0), self._log.marks[self._last].start
        for project, text in split(self._log.pieces(start, min(stop, start + EVERY)), alone, PREFIX):
            yield alone[project], text

    def own(self, name: str, each: int, reach: int) -> str:
        """Read what stands under a task's headers, or behind its project's name; at most `each` bytes."""
        places = self._places[name][-MOST_PLACES:]
        if self._prefixed:
            return self._streamed(name.split(":", 1)[0], self._start(self._places[name][0]), each, reach)
        if len(places) == 1:
            return _once(_trim(self._between(places[0], each))).strip("\n")
        parts = dict.fromkeys(_once(_trim(self._between(place, each // len(places)))) for place in places)
        return "\n".join(parts).strip("\n")

    def _start(self, place: int) -> int:
        return self._log.marks[self._headers[place]].body

    def _stop(self, place: int) -> int:
        """Where what was printed after a header ends: before the run's next one, look-alikes between them included."""
        at = self._headers[place]
        # The style for terminals draws its own lines after a cross.
        if self._log.marks[at].icon == CROSS:
            return self._log.marks[at + 1].start
        stop = self._headers[place + 1] if place + 1 < len(self._headers) else self._last
        if (other := bisect_right(self._others, at)) < len(self._others):
            stop = min(stop, self._others[other])
        return self._log.marks[self._end if at < self._end < stop else stop].start

    def exited(self, name: str, reach: int) -> bool:
        """Whether the executor says in a line of its own that the task's command failed."""
        for piece in self._pieces(name, reach):
            at = len(piece)
            for _ in range(LAST_LINES):
                at = piece.rfind(NON_ZERO, 0, at)
                if at < 0:
                    break
                start = piece.rfind(b"\n", max(at - LONGEST_LINE, 0), at) + 1
                if EXITED.match(plain(piece[start : at + len(NON_ZERO)])):
                    return True
        return False

    def _pieces(self, name: str, reach: int) -> Iterator[bytes]:
        if self._prefixed:
            yield self.own(name, LONGEST_LINE, reach).encode("utf-8", "replace")
            return
        for place in self._places[name][-MOST_PLACES:]:
            start = self._start(place)
            yield from self._log.pieces(start, min(self._stop(place), start + LONGEST))

    def _reason(self, name: str) -> str | None:
        """What Nx says of why a task failed, under whatever header that stands."""
        if self._reasons is None:
            self._reasons = {}
            marks = self._log.marks
            for piece in self._log.pieces(marks[self._first].start, marks[self._last].start):
                self._reasons |= reasons(piece)
        return self._reasons.get(name)

    def _between(self, place: int, each: int) -> str:
        """Read what was printed after a header."""
        start, stop = self._start(place), self._stop(place)
        text = self._log.ends(start, stop, each).decode("utf-8", "replace")
        if not text.isascii() and text.__sizeof__() > 2 * each:  # characters that take four bytes of memory each
            text = self._log.ends(start, stop, each // 4).decode("utf-8", "replace")
        return text

    def _whole(self, place: int, room: Room) -> str:
        """Read all that tasks printed from a header to the run's end, where that is little enough."""
        marks, first, last = self._log.marks, self._headers[place], self._last
        size = marks[last].start - marks[first].body
        if last - first > LONGEST_RUN or size > room.spare:
            return ""
        room.spare -= size
        headers = set(self._headers[place:])
        parts = (
            self._log.read(marks[at].body if at in headers else marks[at].start, marks[at + 1].start)
            for at in range(first, last)
        )
        return _trim(b"".join(parts).decode("utf-8", "replace"))

    def _is_prefixed(self) -> bool:
        """Whether the output style puts `project: ` before each line (`stream`)."""
        marks = self._log.marks
        projects = {marks[at].name.split(":", 1)[0] for at in self._headers}
        sample = islice(
            (at for at in self._headers if not marks[at].sure and marks[at + 1].start - marks[at].body > BLANK),
            SAMPLE,
        )
        lines: list[bytes] = []
        for at in sample:
            start, stop = marks[at].body, marks[at + 1].start
            lines += self._log.read(start, min(start + LONGEST_LINE, stop)).split(b"\n", SAMPLE)[:SAMPLE]
        known = {name.encode() for name in projects}
        if not any((found := PREFIX.match(line)) and found[1] in known for line in lines):
            return False  # nearly all logs, seen at a fraction of the cost
        good = bad = 0
        for line in map(plain, lines):
            if line.split(": ", 1)[0].rstrip(":") in projects:
                good += 1
            elif line and not EXITED.match(line):
                bad += 1
        return good > 2 * bad

    def _streamed(self, project: str, start: int, each: int, reach: int) -> str:
        """Collect a project's lines from a header on, without their prefix; of many the first and the last."""
        name = project.encode()
        text = bytearray()
        head, left_out = each // 4, 0
        for piece in self._log.pieces(start, min(start + reach, self._log.marks[self._last].start)):
            first, last = piece.find(name + b":"), piece.rfind(name + b":")
            begin, stop = piece.rfind(b"\n", 0, max(first, 0)) + 1, piece.find(b"\n", last)
            for line in piece[begin : stop if stop >= 0 else len(piece)].split(b"\n") if first >= 0 else ():
                if name in line and (found := PREFIX.match(line)) and found[1] == name:
                    text += (found[2] or b"").rstrip(b"\r") + b"\n"
            if len(text) > 3 * each:  # cutting each time would copy each time
                left_out += len(text) - head - each
                del text[head:-each]
        left_out += max(len(text) - each, 0)
        if left_out:
            text[head : len(text) - each + head] = gap(left_out)
        return text.decode("utf-8", "replace").removesuffix("\n")


def _says_why(text: str) -> bool:
    """Whether an output shows a failure, the commands that the executor prints aside."""
    if not shows_failure(text.encode("utf-8", "replace")):
        return False
    kept, done = [], 0
    at = text.find("> ")
    while at >= 0:
        stop = at + 1
        low = max(at - LONGEST_START, done)
        start = text.rfind("\n", low, at) + 1 or low
        first = text[start] in ">\x1b\x9b" and (start == done or text[start - 1] == "\n")
        if first and not strip_escapes(text[start:at]):
            kept.append(text[done:start])
            stop = text.find("\n", at)
            stop = done = stop if stop >= 0 else len(text)
        at = text.find("> ", stop)
    return not kept or shows_failure("".join([*kept, text[done:]]).encode("utf-8", "replace"))


def _trim(text: str) -> str:
    """Without the blank lines around it and Nx's separator under it (a line of colours alone)."""
    text = text.strip("\n")
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
