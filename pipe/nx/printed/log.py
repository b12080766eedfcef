"""A file's texts, read when they are asked for. The file may have changed since its marks were found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.nx.printed.scan import scan
from pipe.nx.printed.words import LONGEST_LINE, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

PIECE = 1 << 18  # bytes read at once of a text that is gone through
SHORT = 1 << 15  # bytes that are read at once sooner than in two parts
MOST_LINES = 200_000  # lines under a badge that are read: a list names every failed task


class Log:
    """A seekable file, and its marks in order: the first stands for its beginning, the last for its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.marks = scan(file)
        self.names: dict[str, str] = {}  # each project's and target's, held once, however many runs are of it

    def read(self, start: int, stop: int) -> bytes:
        """Read the bytes from `start` to `stop`, as many as there are."""
        self._file.seek(start)
        return self._file.read(max(stop - start, 0))

    def ends(self, start: int, stop: int, room: int) -> bytes:
        """Read a text; of a long one a quarter of `room` bytes from its beginning and the rest from its end."""
        left_out = stop - start - room
        if left_out <= 0:
            return self.read(start, stop)
        head = room // 4
        if stop - start < SHORT:
            data = self.read(start, stop)
            return data[:head] + gap(left_out) + data[head + left_out :]
        return self.read(start, start + head) + gap(left_out) + self.read(stop - room + head, stop)

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """Read a text in pieces of whole lines, but for a line that is longer than a piece."""
        rest = b""
        while start < stop and (data := self.read(start, min(start + PIECE, stop))):
            start += len(data)
            end = data.rfind(b"\n") + 1 if start < stop else len(data)
            if end or len(rest) > LONGEST_LINE:
                yield rest + data[: end or len(data)]
                rest = data[end:] if end else b""
            else:
                rest += data
        if rest:
            yield rest

    def lines(self, at: int) -> Iterator[str]:
        """Read the text under a mark as plain lines, without their margins."""
        count = 0
        for piece in self.pieces(self.marks[at].body, self.marks[at + 1].start):
            start = 0
            while start < len(piece):
                stop = piece.find(b"\n", start)
                stop = len(piece) if stop < 0 else stop
                yield plain(piece[start : min(stop, start + LONGEST_LINE)])
                start = stop + 1
                count += 1
                if count >= MOST_LINES:
                    return


def gap(count: int) -> bytes:
    """Word the line that stands for bytes that are left out."""
    return b"\n[... %d bytes left out ...]\n" % count
