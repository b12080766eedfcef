"""A file as marks: the lines that only Nx prints, each with where it stands, in memory that the texts do not count for.

Words that each mark has are looked for with searches as fast as reading is, and a line is looked at closer where one is
found. Where a file is full of such words, the beginnings of its lines are looked at instead.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from pipe.model import CacheStatus
from pipe.nx.printed.words import BADGE, CACHES, HEADER, LERNA, LERNA_HEADER, LONGEST_LINE, NPM_ECHO, TICK
from pipe.terminal import strip_escapes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

WINDOW = 1 << 18  # bytes scanned at once
LONGEST_START = 64  # bytes before the words of a mark: colours, cursor moves, `>`
RARE = 40  # of a letter in a window, up to which it is the faster one to search for
MANY = 100  # places in a window that make a look at each line's beginning the cheaper way
MOST_HEADERS = 200_000  # in one file; what looks like one after that is text
MOST_BADGES = 150_000  # in one file, which is read no further then

_START = rb"\n(?=[ >\t\r\x1b\xe2NnL])(?:\x1b\[[0-9;?]*[A-Za-z]|[ \t\r>]|\xe2\x9c[\x94\x96]){0,32}"
_BADGES = rb"(?:NX |" + re.escape(LERNA) + rb")"
# The beginning of a line that can be a mark, with the line end before it.
_MARK = re.compile(_START + rb"(?:nx run|" + _BADGES + rb")")
_BADGE = re.compile(_START + _BADGES)
_LERNA_HEADER = re.compile(rb"\n(?:\x1b\[[0-9;]*m)*> (?:\x1b\[[0-9;]*m)*[^\s:]+:\S")


class _Word(NamedTuple):
    """Words that a mark has, with the letter of them that is rarest elsewhere."""

    text: bytes
    letter: bytes
    offset: int
    pattern: re.Pattern[bytes]


_WORDS = tuple(
    _Word(text, letter, text.index(letter), re.compile(re.escape(text)))
    for text, letter in ((b"nx run", b"x"), (b" NX ", b"X"), (LERNA, b"L"))
)


class Mark:
    """One line that only Nx prints, `length` bytes long. The text under it goes from `body` to the next mark's `start`.

    `kind` is `header`, `badge`, `text` for the beginning of a file or `end` for its end; `name` a header's task or a
    badge's title. `icon` is a header's: `>`, `✔`, `✖`. `echo` is npm's echo of a script, which has the words of a
    header. `what` says that a badge starts or ends a run.
    """

    __slots__ = ("body", "cache", "echo", "icon", "kind", "length", "name", "what")

    def __init__(self, kind: str, body: int = 0, name: str = "") -> None:
        self.kind = kind
        self.body = body
        self.length = 0
        self.name = name
        self.icon = ""
        self.cache = CacheStatus.MISS
        self.echo = False
        self.what = False

    @property
    def start(self) -> int:
        """Where in the file the line begins."""
        return self.body - self.length

    @property
    def sure(self) -> bool:
        """Whether a header says that the task succeeded."""
        return self.cache is not CacheStatus.MISS or self.icon == TICK


def scan(file: BinaryIO) -> list[Mark]:
    """Cut a file into marks, from where it stands to its end. Raises OSError where it cannot be read."""
    return _Scanner().scan(file)


class _Scanner:
    def __init__(self) -> None:
        self._marks = [Mark("text")]
        self._names: dict[str, str] = {}  # each name is held once, however often it is printed
        self._lerna = False
        self._headers = 0

    def scan(self, file: BinaryIO) -> list[Mark]:
        """Read the file in windows, each with the last whole line of the one before."""
        data = b"\n"  # a line begins after a line end, the first too
        base = -1  # where in the file the window begins
        begin = 0  # where in the window the line ends before new lines begin
        while len(self._marks) - self._headers <= MOST_BADGES:
            block = file.read(WINDOW)
            data += block
            # A line without an end is none of Nx's, however it begins, unless it is the file's last.
            end = data.rfind(b"\n") if block else len(data)
            if end <= begin and block:
                if len(data) > LONGEST_LINE + WINDOW:
                    base, begin, data = base + len(data), 0, b""
                continue
            if begin < end:
                self._window(data, base, begin, end)
            if not block:
                break
            keep = data.rfind(b"\n", max(end - LONGEST_LINE, 0), end)
            keep = end if keep < 0 else keep
            base, begin, data = base + keep, end - keep, data[keep:]
        self._marks.append(Mark("end", base + len(data)))
        return self._marks

    def _window(self, data: bytes, base: int, begin: int, end: int) -> None:
        """Add the marks of the lines that begin after a line end from `begin` on; the last one ends at `end`."""
        for at in self._candidates(data, begin, end):
            stop = data.find(b"\n", at + 1, end)
            stop = end if stop < 0 else stop
            if stop - at <= LONGEST_LINE and (mark := self._mark(data, at, stop)):
                stop = min(stop + 1, len(data))
                mark.body = base + stop
                mark.length = stop - at - 1
                self._marks.append(mark)
                self._headers += mark.kind == "header"

    def _candidates(self, data: bytes, begin: int, end: int) -> Iterable[int]:
        """Find the line ends before lines that can be a mark, in order."""
        headers = self._headers < MOST_HEADERS
        starts: set[int] = set()
        for word in _WORDS if headers else _WORDS[1:]:
            places = _places(data, word, begin, end)
            if len(places) > MANY:
                return (found.start() for found in (_MARK if headers else _BADGE).finditer(data, begin, end))
            starts.update(data.rfind(b"\n", max(at - LONGEST_START, begin), at + 1) for at in places)
            self._lerna |= bool(places) and word.text == LERNA
        if headers and self._lerna:
            starts.update(found.start() for found in _LERNA_HEADER.finditer(data, begin, end))
        return (at for at in sorted(starts) if at >= 0 and (_MARK.match(data, at, end) or self._lerna))

    def _mark(self, data: bytes, at: int, stop: int) -> Mark | None:
        """Read a line, which begins after the line end there, as a mark, if it is one."""
        line = strip_escapes(data[at + 1 : stop].decode("utf-8", "replace")).strip("\r")
        if found := HEADER.match(line) or (self._lerna and LERNA_HEADER.match(line)) or None:
            # 22.7 quotes a target with a colon in it, here and nowhere else: `> nx run a:"test:unit"`.
            name = found["id"].replace('"', "")
            mark = Mark("header", name=self._names.setdefault(name, name))
            icon = found["icon"].strip()
            mark.icon = self._names.setdefault(icon, icon)
            if rest := found["rest"]:
                mark.cache = CACHES.get(rest.rstrip().rpartition("  ")[2], CacheStatus.MISS)
            before = data.rfind(b"\n", 0, at) + 1
            mark.echo = mark.icon == ">" and NPM_ECHO.match(data, before, at) is not None
            return mark
        if found := BADGE.match(line.strip()):
            title = found["title"]
            return Mark("badge", name=self._names.setdefault(title, title))
        return None


def _places(data: bytes, word: _Word, begin: int, end: int) -> list[int]:
    """Find a word, or more than MANY of it.

    A letter is found much faster than a word. Where it is not as rare as it mostly is, the word is searched for.
    """
    places: list[int] = []
    at = begin - 1
    for _ in range(RARE):
        at = data.find(word.letter, at + 1, end)
        if at < 0:
            return places
        if data.startswith(word.text, at - word.offset):
            places.append(at - word.offset)
    return [found.start() for found in islice(word.pattern.finditer(data, begin, end), MANY + 1)]
