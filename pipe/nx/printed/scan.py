"""A file as marks: the lines that only Nx prints, each with the text up to the next, in bounded memory.

A search for `nx run` and `NX` finds the lines that are worth a closer look. Of a text the beginning and the end are
kept; where all texts together are too much, those of tasks that succeeded go first.
"""

from __future__ import annotations

from pipe.model import CacheStatus
from pipe.nx.printed.words import (
    BADGE,
    BADGE_START,
    CACHES,
    HEADER,
    HEADER_START,
    LONGEST_LINE,
    NPM_ECHO,
    TICK,
    shows_failure,
)
from pipe.terminal import strip_escapes

WINDOW = 1 << 18  # bytes scanned at once, at least
LONGEST_START = 64  # bytes before the words of a mark: colours, cursor moves, `>`
MANY = 200  # letters X in a window that make a search for the whole badge the cheaper way
MOST_MARKS = 200_000  # in one file; what looks like a header after that is text, and twice as many for a badge
HEAD = 1 << 20  # bytes of a text's beginning that are kept
TAIL = 3 << 19  # and of its end; twice as many while it is read
TOTAL = 32 << 20  # bytes of all texts


class Mark:
    """One line that only Nx prints, and the text up to the next: the first bytes, the last bytes, how many between.

    `kind` is `header`, `badge`, or `text` for the beginning of a file; `name` a header's task or a badge's title.
    """

    __slots__ = ("cache", "echo", "head", "icon", "kind", "left_out", "name", "raw", "sure", "tail", "what")

    def __init__(self, kind: str, raw: bytes = b"", name: str = "") -> None:
        self.kind = kind
        self.raw = raw
        self.name = name
        self.icon = ""  # of a header: `>`, `✔`, `✖`
        self.cache = CacheStatus.MISS
        self.echo = False  # npm's echo of a script: the same words as a header
        self.sure = False  # a header that says that the task succeeded
        self.what = False  # a badge that starts or ends a run
        self.head = b""
        self.tail = bytearray()
        self.left_out = 0

    @property
    def size(self) -> int:
        """How many bytes of the text are held."""
        return len(self.head) + len(self.tail)

    def add(self, data: bytes) -> int:
        """Append text; returns by how many bytes the memory grew."""
        before = self.size
        room = 0 if self.tail or self.left_out else HEAD - len(self.head)
        if len(data) <= room:
            self.head += data
            return len(data)
        self.head += data[:room]
        self.tail += data[room:]
        if len(self.tail) > 2 * TAIL:  # twice as many as stay: cutting each time would copy each time
            self.left_out += len(self.tail) - TAIL
            self.tail = self.tail[-TAIL:]
        return self.size - before

    def shrink(self, head: int, tail: int) -> int:
        """Keep at most so many bytes of each end; returns how many bytes that freed."""
        before = self.size
        if before <= head + tail:
            return 0
        # New objects: one that shrinks in place leaves a hole in memory that the next text does not fit in.
        self.tail = bytearray(self.end(tail))
        self.head = self.head[:head]
        freed = before - self.size
        self.left_out += freed
        return freed

    def text(self) -> bytes:
        """Give the text, with a line that says how much is missing where something is."""
        if not self.left_out:
            return self.head + self.tail if self.tail else self.head
        return self.head + b"\n[... %d bytes left out ...]\n" % self.left_out + self.tail

    def end(self, count: int) -> bytes:
        """Give the last bytes of the text."""
        held = self.head + self.tail if self.tail else self.head
        return held[max(len(held) - count, 0) :]


class Scanner:
    """Cuts bytes into marks."""

    def __init__(self) -> None:
        self._marks = [Mark("text")]
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._mid_line = False  # the pending bytes begin inside a line that was too long
        self._before = b""  # the line before the pending bytes
        self._held = 0

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        self._pending.append(block)
        self._pending_size += len(block)
        if self._pending_size >= WINDOW:
            self._scan(last=False)

    def finish(self) -> list[Mark]:
        """Take the last line too and hand over the marks; the first is the text before any."""
        self._scan(last=True)
        return self._marks

    def _scan(self, *, last: bool) -> None:
        """Scan the lines that are whole; a line without an end is none of Nx's, however it begins."""
        data = b"".join(self._pending)
        end = len(data) if last else data.rfind(b"\n") + 1 or len(data)
        done = 0
        for start in self._candidates(data, end):
            stop = data.find(b"\n", start, end)
            stop = end if stop < 0 else stop
            mark = self._mark(data, start, stop)
            if mark is not None:
                if start > done:
                    self._keep(data[done:start])
                self._marks.append(mark)
                done = min(stop + 1, end)
        self._keep(data[done:end])
        self._mid_line = not data.endswith(b"\n", 0, end)
        self._before = _line_before(data, end)
        self._pending = [data[end:]]
        self._pending_size = len(data) - end

    def _candidates(self, data: bytes, end: int) -> list[int]:
        """Find where lines begin that can be a mark."""
        places = self._badges(data, end)
        if len(self._marks) < MOST_MARKS:
            places.extend(_find_all(data, b"nx run", end))
        starts = set()
        for at in places:
            low = max(at - LONGEST_START, 0)
            start = data.rfind(b"\n", low, at) + 1
            if start or (low == 0 and not self._mid_line):
                starts.add(start)
        return sorted(starts)

    @staticmethod
    def _badges(data: bytes, end: int) -> list[int]:
        """Find Nx's badge. The letter X is rare and found much faster than the whole; where it is not, the whole."""
        places: list[int] = []
        at = data.find(b"X", 0, end)
        for _ in range(MANY):
            if at < 0:
                return places
            if data[at - 2 : at + 2] == b" NX ":
                places.append(at - 2)
            at = data.find(b"X", at + 1, end)
        return _find_all(data, b" NX ", end)

    def _mark(self, data: bytes, start: int, stop: int) -> Mark | None:
        """Read a line as a mark, if it is one."""
        if stop - start > LONGEST_LINE or len(self._marks) > 2 * MOST_MARKS:
            return None
        header, badge = HEADER_START.match(data, start, stop), BADGE_START.match(data, start, stop)
        if not header and not badge:
            return None
        raw = data[start:stop]
        line = strip_escapes(raw.decode("utf-8", "replace")).strip("\r")
        if header and (found := HEADER.match(line)):
            # 22.7 quotes a target with a colon in it, here and nowhere else: `> nx run a:"test:unit"`.
            mark = Mark("header", raw, found["id"].replace('"', ""))
            mark.icon = found["icon"].strip()
            if rest := found["rest"]:
                mark.cache = CACHES.get(rest.rstrip().rpartition("  ")[2], CacheStatus.MISS)
            mark.sure = mark.cache is not CacheStatus.MISS or mark.icon == TICK
            before = _line_before(data, start) if start else self._before
            mark.echo = mark.icon == ">" and NPM_ECHO.match(before) is not None
            return mark
        if badge and (found := BADGE.match(line.strip())):
            return Mark("badge", raw, found["title"])
        return None

    def _keep(self, data: bytes) -> None:
        """Add text to the last mark."""
        self._held += self._marks[-1].add(data)
        if self._held > TOTAL:
            self._relieve()

    def _relieve(self) -> None:
        """Halve what is held: nothing stays of what surely succeeded, little of what shows no failure."""
        sure: list[Mark] = []
        quiet: list[Mark] = []
        rest: list[Mark] = []
        for mark in self._marks:
            if not mark.size:
                continue
            if mark.sure:
                sure.append(mark)
            else:
                (rest if shows_failure(mark.head[:512] + mark.end(1024)) else quiet).append(mark)
        self._level(sure, 0)
        self._level(quiet, TOTAL // 8)
        self._level(rest, TOTAL * 3 // 8)

    def _level(self, marks: list[Mark], budget: int) -> None:
        """Bring texts down to so many bytes in all: small ones stay whole, the others share what those leave."""
        left = len(marks)
        for size in sorted(mark.size for mark in marks):
            if size * left > budget:
                share = budget // left
                self._held -= sum(mark.shrink(share // 4, share - share // 4) for mark in marks)
                return
            budget -= size
            left -= 1


def _line_before(data: bytes, at: int) -> bytes:
    """Give the line that ends there."""
    return data[data.rfind(b"\n", 0, max(at - 1, 0)) + 1 : at][:LONGEST_LINE]


def _find_all(data: bytes, what: bytes, end: int) -> list[int]:
    places = []
    at = data.find(what, 0, end)
    while at >= 0:
        places.append(at)
        at = data.find(what, at + 1, end)
    return places
