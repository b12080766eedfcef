"""What nx commands printed, versions 16 to 24, as runs.

Two steps. `_Scanner` cuts the file at the few lines that only Nx prints (a task's header, Nx's badge) with a plain
byte search, so that a line that is neither costs next to nothing. `_Assembler` makes runs of those marks: which start
and which end belong together, which task's output lies between two headers, and what stands in the closing block.

A task prints what it likes, lines that look like Nx's included, and a task may run nx itself. An end therefore counts
for the run that it names (targets and projects); everything between a run's start and its own end is that run's. When
two ends claim one run the worse one holds, whatever their order.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from pipe.model import CacheStatus, Run, RunStatus, Task, TaskStatus
from pipe.nx import cloud_links
from pipe.terminal import strip_escapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WINDOW = 1 << 18  # bytes scanned at once
_LONGEST_START = 64  # bytes before the words of a mark: colours, cursor moves, `>`
_MANY = 200  # letters X in a window that make a search for the whole badge the cheaper way
_SURE = 1 << 15  # bytes of each end that are kept of an output whose task says that it succeeded
_LONGEST_MARK = 4096  # bytes of a line that can be a mark
_HEAD = 1 << 20  # bytes of an output's beginning that are kept
_TAIL = 3 << 19  # and of its end; twice as many while it is read
_TOTAL = 32 << 20  # bytes of all outputs
_LITTLE = 256  # bytes that are kept of an output that shows no failure, where memory is short
_MARKS = 200_000  # marks in one file; what looks like one after that is text
_BACK = 1000  # ended runs, or marks of a run, that are looked through for one more fact
_OPEN = 16  # runs that can be inside each other
_BLOCK_LINES = 200_000  # lines of a closing block
_ERROR_LINES = 40

_HEADER = re.compile(r"^(?:::group::\W*)?(?P<mark>>|\s*[✔✓√✖✕❌✅])\s+nx run (?P<id>\S+)(?P<rest>.*)$")
# The first bytes of a line that can be a header, past colours and cursor moves: `>`, `✔`, `✖` and their like.
_HEADER_START = re.compile(rb"(?:\x1b\[[0-9;?]*[A-Za-z]|[ \t\r])*(?:>|::group::|\xe2[\x88\x9c\x9d])")
_FIRST = frozenset(b">N: \t\r\x1b\xe2")  # a mark's first byte
_BADGE = re.compile(r"^(?:> *)?NX\s+(?P<title>\S.*)$")
_BADGE_START = re.compile(rb"(?:\x1b\[[0-9;?]*[A-Za-z]|[ \t\r>])*NX ")
_RUNNING = re.compile(
    r"^(?:Running|Ran|Successfully ran|Cancelled while running|Cancelled running) (?P<what>targets? .+)$"
)
_WHAT = re.compile(
    r"^targets? (?P<targets>.+?) for (?:project (?P<project>\S+)|(?P<count>\d+) projects?)"
    r"(?: and (?P<more>\d+) (?:task\(s\)|tasks?) (?:it depends|they depend) on)?"
    r"(?P<end>:| failed| did not complete)?(?: \((?P<time>[^()]+)\))?$"
)
_COUNTS = re.compile(r"^(?P<icon>\S+)\s+(?P<some>\d+)/(?P<all>\d+)\s+(?:targets )?(?P<word>failed|succeeded)\b")
_FROM_CACHE = re.compile(
    r"^Nx read the output from the cache instead of running the command for \d+ out of (\d+) tasks"
)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_CLOSING = ("Hint: ", "Output of ", "Cache: ", "Critical path: ", "Recoverable time: ", "With additional flags:", "--")
# In lower case, as a failing tool's first or last lines have them.
_FAILURE_WORDS = (
    b"fail",
    b"rror",
    b"non-zero",
    b"xception",
    b"assert",
    b"fatal",
    b"panic",
    b"kill",
    b"not ok",
    b"terminated",
)
_EXITED = re.compile(r'^(?:Warning: )?(?:run-commands )?command ".*" exited with non-zero status code', re.MULTILINE)
# Titles of Nx's own errors (`output.error` in its sources, 16 to 24); where colours are on, red says it for any title.
_ERRORS = (
    "An error occur", "Both project and target", "Cannot find ", "Command failed:", "Configuration ", "Could not ",
    "Daemon process terminated", "Error", "Failed to ", "GenericFailure", "Invalid ", "Missing ", "Multiple projects",
    "No target specified", "Nx Cloud: Workspace is ", "Nx cannot find ", "Project ", "Recursive task invocation",
    "Some errors occurred", "Target ", "The current directory isn't part of an Nx workspace", "The following ",
    "The workspace is out of sync", "There was a critical error", "Unable to ", "Unhandled error", "Your --projects",
)  # fmt: skip
_ERROR_PARTS = ("circular dependency", "is improperly configured", "should only be run with Nx Cloud")
_NOT_NX = ("npm ", "> ", "error Command failed", "ERR", "ELIFECYCLE")
_COMMAND = re.compile(
    r"^(?:[$>]|\++) +(?P<command>(?:\w+=\S* )*"
    r"(?:(?:node|npx|pnpx|bunx?|yarn|npm|pnpm|exec|run|dlx|x|--?[\w-]+) )*"
    r"(?:\S*/)?(?:nx|lerna|nx-cloud)(?:\.js)?(?:@\S+)?(?: .*)?)$"
)
_SHELL_LINE = re.compile(r"^(?:\$|\++)\s+(?!tee\b)\S")
_NPM_ECHO = re.compile(rb"^> (?:@?[\w./-]+@\S+ \S+|[\w:.-]+\s*$)")
_CROSSES = frozenset("✖✕❌")
_CACHES = {
    "[local cache]": CacheStatus.LOCAL,
    "[remote cache]": CacheStatus.REMOTE,
    "[existing outputs match the cache, left as is]": CacheStatus.LOCAL,
}


def read(blocks: Iterable[bytes], *, source: str, hosts: frozenset[str]) -> list[Run]:
    """Read what nx commands printed into one file, as runs in the order of their starts.

    `blocks` are the file's bytes in pieces of any size; `source` names the file in `Run.sources`; `hosts` are those
    that `cloud_links.find` takes. Never raises for what the bytes hold. A run that has no end in the file is `cut`: its
    state is IN_PROGRESS, or FAILED where a failure is seen, and its tasks without a mark of their own are STOPPED,
    which says no more than that this log does not show a result. A run that a task started (nested nx) is part of that
    task's output. Of all outputs some 32 MB are held at once.
    """
    scanner = _Scanner()
    for block in blocks:
        scanner.feed(block)
    return _Assembler(scanner.finish(), source, hosts).runs()


class _Mark:
    """One line that only Nx prints, and the text up to the next: the first bytes, the last bytes, how many between."""

    __slots__ = ("cache", "echo", "head", "icon", "kind", "left_out", "name", "raw", "sure", "tail", "what")

    def __init__(self, kind: str, raw: bytes = b"", name: str = "") -> None:
        self.kind = kind  # "text" (the file's beginning), "header", "badge"
        self.raw = raw
        self.name = name  # a header's task, a badge's title
        self.icon = ""  # of a header: `>`, `✔`, `✖`
        self.cache = CacheStatus.MISS
        self.echo = False  # npm's echo of a script: the same words as a header
        self.sure = False  # a header that says that the task succeeded
        self.what = False  # a badge that starts or ends a run
        self.head = b""
        self.tail: bytes | bytearray = b""
        self.left_out = 0

    @property
    def size(self) -> int:
        return len(self.head) + len(self.tail)

    def add(self, data: bytes) -> int:
        """Append text; returns by how many bytes the memory grew."""
        before = self.size
        if not before and not self.left_out and len(data) <= _HEAD:
            self.head = data
        else:
            if not self.tail and not self.left_out and len(self.head) < _HEAD:
                room = _HEAD - len(self.head)
                self.head += data[:room]
                data = data[room:]
            if data:
                self._grow(data)
        if self.sure and self.size > 4 * _SURE:
            self.shrink(_SURE, _SURE)
        return self.size - before

    def _grow(self, data: bytes) -> None:
        """Append to the end's bytes, twice as many as stay: cutting each time would copy each time."""
        if not isinstance(self.tail, bytearray):
            self.tail = bytearray(self.tail)
        self.tail += data
        if len(self.tail) > 2 * _TAIL:
            self.left_out += len(self.tail) - _TAIL
            self.tail = self.tail[-_TAIL:]

    def shrink(self, head: int, tail: int) -> int:
        """Keep at most so many bytes of each end; returns how many bytes that freed."""
        before = self.size
        if before <= head + tail:
            return 0
        # New objects: one that shrinks in place leaves a hole in memory that the next output does not fit in.
        last = self.end(tail) if tail else b""
        if not self.left_out and before - len(last) < head:
            head = before - len(last)
        self.head = bytes(self.head[:head])
        self.tail = last
        freed = before - self.size
        self.left_out += freed
        return freed

    def text(self) -> bytes:
        """Give the text, with a line that says how much is missing where something is."""
        if not self.left_out:
            return bytes(self.head) + bytes(self.tail)
        note = b"\n[... %d bytes left out ...]\n" % self.left_out
        return bytes(self.head) + note + bytes(self.tail)

    def end(self, count: int) -> bytes:
        """Give the last bytes of the text."""
        return bytes(self.tail[-count:]) if len(self.tail) >= count else (bytes(self.head) + bytes(self.tail))[-count:]


class _Scanner:
    """Cuts bytes into marks; a plain search finds the few lines worth a closer look."""

    def __init__(self) -> None:
        self._marks = [_Mark("text")]
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._mid_line = False  # the pending bytes begin inside a line that was too long
        self._before = b""  # the line before the pending bytes
        self._held = 0
        self._holding: list[_Mark] = []
        self._little: list[_Mark] = []

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        for start in range(0, len(block), 4 * _WINDOW):
            piece = block[start : start + 4 * _WINDOW] if len(block) > 4 * _WINDOW else block
            self._pending.append(piece)
            self._pending_size += len(piece)
            if self._pending_size >= _WINDOW:
                self._scan(last=False)

    def finish(self) -> list[_Mark]:
        """Take the last line too and hand over the marks."""
        self._scan(last=True)
        return self._marks

    def _scan(self, *, last: bool) -> None:
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        end = len(data) if last else data.rfind(b"\n") + 1
        if end == 0 and not last:
            if len(data) > _WINDOW:  # a line without an end: it is no mark
                self._keep(data)
                self._mid_line = True
                data = b""
            self._pending, self._pending_size = [data], len(data)
            return
        done = 0
        for start in self._candidates(data, end):
            stop = data.find(b"\n", start, end)
            stop = end if stop < 0 else stop
            mark = self._mark(data, start, stop)
            if mark is None:
                continue
            if start > done:
                self._keep(data[done:start])
            self._marks.append(mark)
            done = min(stop + 1, end)
        if done < end:
            self._keep(data[done:end])
        self._before = data[data.rfind(b"\n", 0, end - 1) + 1 : end][:200] if end else b""
        rest = data[end:]
        self._mid_line = False
        self._pending, self._pending_size = [rest], len(rest)

    def _candidates(self, data: bytes, end: int) -> list[int]:
        """Find where lines begin that can be a mark."""
        starts = set()
        places = self._badges(data, end)
        if len(self._marks) < _MARKS:
            places.extend(_find_all(data, b"nx run", end))
        for at in places:
            low = max(at - _LONGEST_START, 0)
            start = data.rfind(b"\n", low, at) + 1
            if data[start] in _FIRST and (start or (low == 0 and not self._mid_line)):
                starts.add(start)
        return sorted(starts)

    @staticmethod
    def _badges(data: bytes, end: int) -> list[int]:
        """Find Nx's badge. The letter X is rare and found much faster than the whole; where it is not, the whole."""
        places: list[int] = []
        at = data.find(b"X", 0, end)
        for _ in range(_MANY):
            if at < 0:
                return places
            if data[at - 2 : at + 2] == b" NX ":
                places.append(at - 2)
            at = data.find(b"X", at + 1, end)
        return _find_all(data, b" NX ", end)

    def _mark(self, data: bytes, start: int, stop: int) -> _Mark | None:
        if stop - start > _LONGEST_MARK or len(self._marks) > 2 * _MARKS:
            return None
        header = _HEADER_START.match(data, start, stop) is not None
        badge = _BADGE_START.match(data, start, stop) is not None
        if not header and not badge:
            return None
        raw = data[start:stop]
        plain = strip_escapes(raw.decode("utf-8", "replace")).strip("\r")
        if header and (match := _HEADER.match(plain)) and ":" in match["id"]:
            mark = _Mark("header", raw, match["id"])
            mark.icon = match["mark"].strip()
            rest = match["rest"]
            if "[" in rest:
                mark.cache = _CACHES.get(rest[rest.rindex("[") : rest.rfind("]") + 1], CacheStatus.MISS)
            mark.sure = mark.cache is not CacheStatus.MISS or mark.icon in "✔✓√✅"
            before = data[data.rfind(b"\n", 0, start - 1) + 1 : start] if start else self._before
            mark.echo = mark.icon == ">" and _NPM_ECHO.match(before) is not None
            return mark
        if badge and (match := _BADGE.match(plain.strip())):
            return _Mark("badge", raw, match["title"])
        return None

    def _keep(self, data: bytes) -> None:
        mark = self._marks[-1]
        if mark is not (self._holding[-1] if self._holding else None):
            self._holding.append(mark)
        self._held += mark.add(data)
        if self._held > _TOTAL:
            self._relieve()

    def _relieve(self) -> None:
        """Halve what is held: first what surely succeeded, then what shows no failure, then all of it evenly."""
        suspects = []
        for mark in self._holding:
            if mark.kind != "header" or mark is self._marks[-1] or self._is_suspect(mark):
                suspects.append(mark)
            elif mark.sure:
                self._held -= mark.shrink(0, 0)
            else:
                self._held -= mark.shrink(0, _LITTLE)
                self._little.append(mark)
        if len(self._little) > _TOTAL // 4 // _LITTLE:
            self._held -= sum(mark.shrink(0, 0) for mark in self._little)
            self._little.clear()
        budget, count = _TOTAL // 2, len(suspects)
        for size in sorted(mark.size for mark in suspects):  # small ones stay whole, the others share what is left
            if size * count > budget:
                share = budget // count
                self._held -= sum(mark.shrink(share // 4, share - share // 4) for mark in suspects if mark.size > share)
                break
            budget -= size
            count -= 1
        self._holding = [mark for mark in suspects if mark.size]

    @staticmethod
    def _is_suspect(mark: _Mark) -> bool:
        return not mark.sure and _shows_failure(mark.head[:512] + mark.end(1024))


class _Open:
    """A run while it is put together. Its marks are those from `first` to `last`."""

    def __init__(self, first: int, command: str | None) -> None:
        self.first = first
        self.last = first
        self.command = command
        self.key: tuple[str, str] | None = None  # targets and projects, as Nx words them; None: known by its first task
        self.targets: tuple[str, ...] = ()
        self.projects: tuple[str, ...] = ()
        self.projects_set: frozenset[str] = frozenset()
        self.count: int | None = None
        self.more = True  # tasks beyond those targets and projects can be part of it
        self.headers: list[int] = []
        self.index: dict[str, int] = {}  # task, with and without its configuration, to its first place in `headers`
        self.status: RunStatus | None = None
        self.failed: dict[str, None] = {}
        self.not_run: dict[str, None] = {}
        self.stopped: dict[str, None] = {}
        self.flaky: set[str] = set()
        self.failed_count = 0
        self.stated: int | None = None
        self.seconds: float | None = None
        self.errors: list[str] = []
        self.lines: list[str] = []  # of the closing part, for the link
        self.end: int | None = None
        self.children: list[_Open] = []

    def add(self, at: int, name: str) -> None:
        """Add a task's header."""
        place = len(self.headers)
        self.headers.append(at)
        for key in {name, name.rsplit(":", 1)[0]} if name.count(":") > 1 else {name}:
            if self.index.get(key, place) >= place:
                self.index[key] = place

    def place(self, task: str) -> int | None:
        """Where a task's first header is in `headers`, whatever its configuration."""
        place = self.index.get(task)
        return place if place is not None and place < len(self.headers) else None

    def worsen(self, status: RunStatus) -> None:
        """Take a result; the worst stays."""
        if self.status is None or status.severity > self.status.severity:
            self.status = status


class _Assembler:
    """Makes runs of marks."""

    def __init__(self, marks: list[_Mark], source: str, hosts: frozenset[str]) -> None:
        self._marks = marks
        self._source = source
        self._hosts = hosts
        self._open: list[_Open] = []
        self._done: list[_Open] = []
        self._closed: _Open | None = None  # the run that ended last: what follows its end may still be its own
        self._notices: list[str] = []

    def runs(self) -> list[Run]:
        for at, mark in enumerate(self._marks):
            if mark.kind == "header":
                self._header(at, mark)
            elif mark.kind == "badge":
                self._badge(at, mark)
        for run in self._open:
            self._give_up(run)
        self._done.sort(key=lambda run: run.first)
        return [self._run(run) for run in self._done]

    def _give_up(self, run: _Open) -> None:
        """End a run that has no end in the file; what seemed to be nested in it were runs of their own."""
        run.last = run.children[0].first if run.children else len(self._marks)
        self._done.append(run)
        self._done.extend(run.children)
        run.children = []

    def _siblings(self) -> list[_Open]:
        return self._open[-1].children if self._open else self._done

    def _push(self, at: int) -> _Open:
        if len(self._open) >= _OPEN:
            bottom = self._open.pop(0)
            self._give_up(bottom)
            bottom.last = min(bottom.last, self._open[0].first)
        run = _Open(at, None if self._open else self._command(at))
        self._notices.clear()
        self._open.append(run)
        return run

    # -- marks

    def _header(self, at: int, mark: _Mark) -> None:
        if mark.echo:
            return
        for depth in range(len(self._open) - 1, -1, -1):
            run = self._open[depth]
            if not self._fits(run, mark.name):
                continue
            while len(self._open) > depth + 1:
                run.children.append(self._open.pop())
            if depth == 0 and run.key is None and run.children and self._marks[run.first].name == mark.name:
                # A task can't run itself: the first run of it was killed, and what seemed nested came after it.
                self._give_up(self._open.pop())
                break
            run.add(at, mark.name)
            return
        if not self._open:
            self._closed = None
            self._push(at).add(at, mark.name)

    @staticmethod
    def _fits(run: _Open, name: str) -> bool:
        """Whether a run can have that task, going by what its start said."""
        if run.key is None or run.more or not run.projects:
            return True
        colon = name.find(":")
        while colon >= 0:
            if name[:colon] in run.projects_set and name[colon + 1 :].startswith(run.targets):
                return True
            colon = name.find(":", colon + 1)
        return False

    def _badge(self, at: int, mark: _Mark) -> None:
        title = mark.name
        running = _RUNNING.match(title)
        what = _WHAT.match(running["what"]) if running else None
        if what is not None:
            mark.what = True
            if title.startswith("Running") and what["end"] in (":", None):
                self._start(at, mark, what)
            else:
                self._end(at, title, what)
        elif title.startswith("Nx detected "):
            self._flaky(mark)
        elif title.startswith("Nx Cloud: Successfully recorded"):
            self._recorded(at, mark, RunStatus.SUCCEEDED)
        elif not self._open:
            self._outside(at, mark, title)

    def _start(self, at: int, mark: _Mark, what: re.Match[str]) -> None:
        key = _key(what)
        top = self._open[-1] if self._open else None
        if what["end"] is None and top is not None:  # a banner that is drawn again and again (dynamic style)
            if top.key == key:
                return
            run = top if top.key is None else self._push(at)
        else:
            run = self._push(at)
        self._closed = None
        run.key = key
        _describe(run, what)
        run.more = what["more"] is not None or what["end"] is None
        names = []
        for line in _lines(mark):
            if line.startswith("- "):
                names.append(line[2:].strip())
            elif names and line:
                break
        if names:
            run.projects = tuple(names)
        run.projects_set = frozenset(run.projects)

    def _end(self, at: int, title: str, what: re.Match[str]) -> None:
        key = _key(what)
        depth = next((d for d in range(len(self._open) - 1, -1, -1) if self._names(self._open[d], what, key)), None)
        if depth is None:
            earlier = self._earlier(what, key)
            if earlier is not None:
                run = earlier
            elif not self._open:
                run = self._push(at)
                self._open.pop()
                self._done.append(run)
            elif all(run.key is None for run in self._open) and (what["more"] or what["count"]):
                run = self._open[0]  # its start is missing: the file begins later, or the style prints none
                self._close(0)
            else:
                return  # the end of something that a task ran
        else:
            run = self._open[depth]
            if run.key is None:
                run = self._inner(run, what, depth)
            else:
                self._close(depth)
        if run.key is None:
            run.key = key
            _describe(run, what)
        run.end = run.last = at
        self._closed = run
        ok = title.startswith("Successfully")
        cancelled = title.startswith("Cancelled") or what["end"] == " did not complete"
        run.worsen(RunStatus.SUCCEEDED if ok else RunStatus.CANCELED if cancelled else RunStatus.FAILED)
        if what["time"]:
            run.seconds = _seconds(what["time"])
        self._closing(run, self._marks[at])

    def _names(self, run: _Open, what: re.Match[str], key: tuple[str, str]) -> bool:
        """Whether an end names that run."""
        return run.key == key if run.key is not None else run.place(_task(what)) is not None

    def _inner(self, run: _Open, what: re.Match[str], depth: int) -> _Open:
        """Close a run that is known by its first task, or the one that a task of it ran."""
        place = run.place(_task(what))
        if not place:
            self._close(depth)
            return run
        inner = _Open(run.headers[place], self._command(run.headers[place]))
        for at in run.headers[place:]:
            inner.add(at, self._marks[at].name)
        del run.headers[place:]
        del self._open[depth + 1 :]
        run.children.append(inner)
        return inner

    def _close(self, depth: int) -> None:
        """Take the run there off the stack, with all that is nested in it."""
        run = self._open[depth]
        del self._open[depth:]
        run.children.clear()
        self._siblings().append(run)

    def _earlier(self, what: re.Match[str], key: tuple[str, str]) -> _Open | None:
        """Find the run that seemed to have ended: the end that it had was a task's words, or it has two."""
        if any(run.key is not None for run in self._open):
            return None
        for index in range(len(self._done) - 1, max(len(self._done) - _BACK, 0) - 1, -1):
            run = self._done[index]
            if run.end is None or not (run.key == key or run.place(_task(what)) == 0):
                continue
            for other in [*self._done[index + 1 :], *self._open]:
                for at in other.headers:
                    run.add(at, self._marks[at].name)
                for ids, more in (
                    (run.failed, other.failed),
                    (run.not_run, other.not_run),
                    (run.stopped, other.stopped),
                ):
                    ids.update(more)
            del self._done[index + 1 :]
            self._open.clear()
            return run
        return None

    def _closing(self, run: _Open, mark: _Mark) -> None:
        """Read the block under a run's end, up to the first lines that are not Nx's."""
        sections = {
            "Failed tasks:": run.failed,
            "Tasks not run because": run.not_run,
            "Tasks stopped before": run.stopped,
        }
        section: dict[str, None] | None = None
        strange = 0
        for line in _lines(mark):
            item = _item(line)
            if item and section is not None:
                section[item] = None
            if item or not line:
                continue
            run.lines.append(line)
            counts = _COUNTS.match(line)
            section = next((ids for title, ids in sections.items() if line.startswith(title)), None)
            figure = self._figure(run, line, counts)
            if counts and counts["word"] == "failed" and "including the following" in line:
                section = run.failed
            known = section is not None or figure or line.startswith(_CLOSING) or "://" in line
            strange = 0 if known else strange + 1
            if strange > _ERROR_LINES:
                break
        if run.failed:
            run.worsen(RunStatus.FAILED)

    @staticmethod
    def _figure(run: _Open, line: str, counts: re.Match[str] | None) -> bool:
        """Take a figure that a closing line states; whether it has one."""
        if counts:
            run.stated = int(counts["all"])
            if counts["word"] == "failed" and int(counts["some"]):
                run.failed_count = int(counts["some"])
                run.worsen(RunStatus.FAILED)
        elif cached := _FROM_CACHE.match(line):
            run.stated = int(cached[1])
        elif line.startswith("Run duration:"):
            run.seconds = _seconds(line)
        else:
            return False
        return True

    def _flaky(self, mark: _Mark) -> None:
        run = self._closed
        if run is None:
            return
        for line in _lines(mark):
            if "://" in line:
                run.lines.append(line)
            elif line.startswith("Run duration:"):
                run.seconds = _seconds(line)
            elif name := _item(line if line.startswith("- ") else f"- {line}"):
                run.flaky.add(name)

    def _recorded(self, at: int, mark: _Mark, status: RunStatus) -> None:
        if self._open:
            return
        run = _Open(at, self._command(at))
        run.status, run.end, run.last = status, at, at
        run.lines = list(_lines(mark))
        self._done.append(run)
        self._closed = run

    def _outside(self, at: int, mark: _Mark, title: str) -> None:
        """Read a badge that stands outside any run: an error of Nx itself, a notice, or the line of an early client."""
        lines = [title, *_lines(mark)]
        if title.startswith(("No tasks were run", "No projects with ")):
            run = _Open(at, self._command(at))
            run.status, run.end = RunStatus.SUCCEEDED, at
            # 16 and 17 print an end too.
            what = _WHAT.match(title.removeprefix("No projects with ").removesuffix(" were run"))
            if what is not None:
                run.key = _key(what)
                _describe(run, what)
            self._done.append(run)
            return
        if self._closed is not None and cloud_links.find(lines, self._hosts):
            self._closed.lines.extend(lines)
            return
        red = b"\x1b[31m NX " in mark.raw or b"\x1b[31mNX" in mark.raw or b"\x1b[41m" in mark.raw
        text = _error_text(lines)
        if title.startswith(("Connection to Nx Cloud failed", "Nx Cloud Problems")):
            self._notices.extend(text)  # alone it does not fail a command
            return
        if not (
            red
            or title.startswith(_ERRORS)
            or any(part in title for part in _ERROR_PARTS)
            or any(line.startswith("Pass --verbose to see") for line in lines[:_ERROR_LINES])
        ):
            return
        run = _Open(at, self._command(at))
        run.errors = [*self._notices, *text]
        self._notices.clear()
        run.status, run.end = RunStatus.FAILED, at
        self._done.append(run)
        self._closed = None

    def _command(self, at: int) -> str | None:
        """Find the nx command line that stands right before a mark, other lines of Nx and npm aside."""
        for place in range(at - 1, max(at - 6, 0) - 1, -1):
            mark = self._marks[place]
            if mark.echo:
                return _plain(mark.raw).removeprefix("> ")
            for raw in reversed(mark.end(_LONGEST_MARK).split(b"\n")):
                line = _plain(raw)
                if found := _COMMAND.match(line):
                    return found["command"]
                if _SHELL_LINE.match(line):
                    return None
            if mark.kind != "badge" or mark.what:
                return None  # not a notice of Nx that stands between the command and its run
        return None

    # -- results

    def _run(self, run: _Open) -> Run:
        cloud = cloud_links.find(run.lines, self._hosts)
        if cloud is not None and cloud.status is RunStatus.FAILED:
            run.worsen(RunStatus.FAILED)
        cut = run.status is None
        tasks = self._tasks(run, cut=cut)
        if any(task.status is TaskStatus.FAILURE for task in tasks):
            run.worsen(RunStatus.FAILED)
        return Run(
            status=run.status or RunStatus.IN_PROGRESS,
            tasks=tasks,
            command=run.command,
            targets=run.targets or _first_target(tasks),
            projects=run.projects or ((tasks[0].project,) if run.key is None and tasks else ()),
            project_count=run.count if run.count is not None else len(run.projects) or None,
            stated_tasks=run.stated,
            seconds=run.seconds,
            link=cloud.link if cloud else None,
            errors=tuple(run.errors),
            sources=(self._source,),
            cut=cut,
        )

    def _tasks(self, run: _Open, *, cut: bool) -> tuple[Task, ...]:
        headers: dict[str, list[_Mark]] = {}
        for at in run.headers:
            headers.setdefault(self._marks[at].name, []).append(self._marks[at])
        failed = dict.fromkeys(run.failed)
        failed.update((name, None) for name, marks in headers.items() if any(mark.icon in _CROSSES for mark in marks))
        if run.failed_count > len(failed):  # this style counts the failed tasks and prints only their output
            plain = [name for name, marks in headers.items() if name not in failed and not any(m.sure for m in marks)]
            failed.update(dict.fromkeys(plain[len(failed) - run.failed_count :]))
        outputs = _Outputs(self._marks, run)
        tasks = []
        for name, marks in headers.items():
            if name in failed:
                status = TaskStatus.FAILURE
            elif name in run.stopped:
                status = TaskStatus.STOPPED
            elif not cut or marks[-1].sure:
                status = TaskStatus.SUCCESS
            else:
                status = TaskStatus.FAILURE if _EXITED.search(outputs.of(name) or "") else TaskStatus.STOPPED
            output = outputs.of(name) if status is TaskStatus.FAILURE else None
            tasks.append(Task(name, status, marks[-1].cache, output=output, flaky=name in run.flaky))
        for names, status in (
            (failed, TaskStatus.FAILURE),
            (run.stopped, TaskStatus.STOPPED),
            (run.not_run, TaskStatus.NOT_RUN),
        ):
            for name in names:
                if name not in headers:
                    headers[name] = []
                    tasks.append(Task(name, status, flaky=name in run.flaky))
        return tuple(tasks)


class _Outputs:
    """The outputs of a run's tasks."""

    def __init__(self, marks: list[_Mark], run: _Open) -> None:
        self._marks = marks
        self._last = run.last
        self._headers = frozenset(run.headers)
        self._next = dict(pairwise([*run.headers, run.last]))
        self._places: dict[str, list[int]] = {}
        for at in run.headers:
            self._places.setdefault(marks[at].name, []).append(at)
        self._by_project: dict[str, list[tuple[int, str]]] | None = None
        self._spare = _TOTAL // 4  # bytes of outputs that several tasks may share

    def of(self, name: str) -> str | None:
        """One task's output as printed; None where the log has none."""
        places = self._places[name]
        if self._by_project is None:
            self._by_project = self._split() if self._is_prefixed() else {}
        if self._by_project:
            lines = [line for at, line in self._by_project.get(name.split(":", 1)[0], ()) if at >= places[0]]
            return "\n".join(lines) or None
        text = "\n".join(dict.fromkeys(_once(_trim(self._between(at, self._next[at]))) for at in places)).strip("\n")
        if self._whole(places[0]) and not _says_why(text):
            # Streamed without prefixes: tasks' lines are mixed, and this task's stand under later headers too.
            whole = _trim(self._between(places[0], self._last))
            self._spare -= len(whole)
            if _says_why(whole):
                return whole
        return text or None

    def _whole(self, start: int) -> bool:
        """Whether all that was printed from there to the run's end is here, and small enough to give it to a task."""
        size = 0
        if self._last - start > _BACK:
            return False
        for mark in self._marks[start : self._last]:
            size += mark.size
            if mark.left_out or size > self._spare:
                return False
        return True

    def _between(self, start: int, stop: int) -> str:
        """Join what was printed after one mark and before another, look-alikes between them included."""
        parts = [self._marks[start].text()]
        size = len(parts[0])
        if self._marks[start].icon in _CROSSES:
            stop = start  # the dynamic style draws its own lines next
        for at in range(start + 1, min(stop, len(self._marks))):
            mark = self._marks[at]
            part = mark.text() if at in self._headers else mark.raw + b"\n" + mark.text()
            size += len(part)
            if size > 2 * (_HEAD + _TAIL):
                break
            parts.append(part)
        return b"".join(parts).decode("utf-8", "replace")

    def _is_prefixed(self) -> bool:
        """Whether the output style puts `project: ` before each line (`stream`)."""
        projects = {name.split(":", 1)[0] for name in self._places}
        good = bad = 0
        for places in list(self._places.values())[:200]:
            mark = self._marks[places[-1]]
            for raw in () if mark.sure else bytes(mark.head[:4096]).split(b"\n")[:50]:
                line = _plain(raw)
                if line.split(": ", 1)[0].rstrip(":") in projects:
                    good += 1
                elif line and not _EXITED.match(line):
                    bad += 1
        return good > 2 * bad

    def _split(self) -> dict[str, list[tuple[int, str]]]:
        """Sort the lines by their prefix, which goes; each with the mark that it stands under."""
        prefix = re.compile(r"^(?:\x1b\[[0-9;]*m)*(?P<project>[^\s\x1b]+?):(?:\x1b\[[0-9;]*m)*(?: (?P<line>.*))?$")
        lines: dict[str, list[tuple[int, str]]] = {name.split(":", 1)[0]: [] for name in self._places}
        for at in sorted(self._headers):
            for line in self._between(at, self._next.get(at, self._last)).split("\n"):
                match = prefix.match(line.rstrip("\r"))
                if match and match["project"] in lines:
                    lines[match["project"]].append((at, match["line"] or ""))
        return lines


def _find_all(data: bytes, what: bytes, end: int) -> list[int]:
    places = []
    at = data.find(what, 0, end)
    while at >= 0:
        places.append(at)
        at = data.find(what, at + 1, end)
    return places


def _shows_failure(text: bytes) -> bool:
    text = text.lower()
    return any(word in text for word in _FAILURE_WORDS)


def _says_why(text: str) -> bool:
    """Whether an output shows a failure, the commands that the executor prints aside."""
    lines = (line for line in text.split("\n") if not strip_escapes(line[:_LONGEST_START]).startswith("> "))
    return _shows_failure("\n".join(lines).encode("utf-8", "replace"))


def _plain(raw: bytes) -> str:
    """One line as plain text."""
    return strip_escapes(raw[:_LONGEST_MARK].decode("utf-8", "replace")).strip()


def _item(line: str) -> str | None:
    """Read the task of a list's line, `- project:target`."""
    if not line.startswith("- "):
        return None
    name = line[2:].strip().removeprefix("nx run ").strip()
    return name if ":" in name[:-1] and not any(char.isspace() for char in name) else None


def _task(what: re.Match[str]) -> str:
    """Name the task that a run of one target of one project was asked for."""
    return f"{what['project']}:{what['targets']}"


def _key(what: re.Match[str]) -> tuple[str, str]:
    """Take what tells one run from another in Nx's words: targets, and project or how many."""
    return what["targets"], what["project"] or what["count"]


def _describe(run: _Open, what: re.Match[str]) -> None:
    run.targets = tuple(what["targets"].split(", "))
    if what["project"]:
        run.projects = (what["project"],)
    else:
        run.count = int(what["count"])


def _first_target(tasks: tuple[Task, ...]) -> tuple[str, ...]:
    return (tasks[0].target.split(":")[0],) if tasks else ()


def _lines(mark: _Mark) -> Iterator[str]:
    """Read the text under a mark as plain lines, without their indentation."""
    text = mark.text()
    start = 0
    for _ in range(_BLOCK_LINES):
        if start >= len(text):
            return
        stop = text.find(b"\n", start)
        stop = len(text) if stop < 0 else stop
        yield _plain(text[start:stop])
        start = stop + 1


def _seconds(text: str) -> float | None:
    """Read a duration as Nx words it: `952ms`, `12.9s`, `1m 5s`, `<1ms`."""
    parts = _TIME.findall(text)
    return round(sum(float(number) * _SECONDS[unit] for number, unit in parts), 3) if parts else None


def _error_text(lines: list[str]) -> tuple[str, ...]:
    """Nx's own words of an error: the title and its explanation, without the stack and what other tools say next."""
    body = lines[1 : _ERROR_LINES + 1]
    stop = next((i for i, line in enumerate(body) if line.startswith("Pass --verbose to see")), None)
    kept = [lines[0]]
    for line in body[:stop]:
        if stop is None and (_SHELL_LINE.match(line) or line.startswith(_NOT_NX)):
            break
        if stop is None and not line and len(kept) > 1:
            break
        if line and not line.startswith("at "):
            kept.append(line)
    return tuple(kept)


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
    if not first:
        return text
    again = text.find(first, len(first))
    while again > 0:
        copy = text[:again].rstrip()
        if len(copy) * 2 <= len(text) + 2 and text.startswith(copy, again):
            return text[again:]
        again = text.find(first, again + 1)
    return text
