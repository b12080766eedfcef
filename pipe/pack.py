"""Logs packed for the page: compressed as they come, in blocks that a browser unpacks one at a time.

There are two streams of UTF-8 bytes, the logs of failed tasks and those of passing ones. Each is cut at exactly
256 KiB, and each block is compressed on its own (zlib's format, which browsers call "deflate"), so that one log can be
read without the others. Only compressed bytes are held. Pure, but for what it holds.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BLOCK = 256 << 10  # bytes of a stream in one block
FAILED, PASSED = 0, 1  # the streams
LIMIT = 25_000_000  # bytes of the page's file, and so the most that is worth holding

_SLICE = 1 << 20  # characters that are encoded at once: a log may have a hundred million
_ELEMENT = 70  # bytes of the page around a block, at most
_LONGEST, _SHORTEST = 4 << 20, 1 << 10  # bytes that a failed task's log is shortened to
_SHARE = 0.75  # of the room that shortened logs may fill, so that not each that follows needs another shortening
_MISSING = "\x1b[0m[the middle of this log is left out: the page has no room for it]\n"


class Place(NamedTuple):
    """Where a log is: in which stream, from which byte on, and how many bytes."""

    stream: int
    offset: int
    length: int


class Packed(NamedTuple):
    """Packed logs: the compressed blocks of both streams, and each log's place, by its number.

    A place is None where the log is left out for want of room. `shortened` are the numbers of those of which only the
    beginning and the end are kept.
    """

    streams: tuple[tuple[bytes, ...], tuple[bytes, ...]] = ((), ())
    places: tuple[Place | None, ...] = ()
    shortened: frozenset[int] = frozenset()

    @property
    def size(self) -> int:
        """Bytes that the blocks take in the page."""
        return _size(self.streams[FAILED]) + _size(self.streams[PASSED])

    @property
    def left_out(self) -> int:
        """How many logs are left out."""
        return sum(place is None for place in self.places)

    def within(self, room: int) -> Packed:
        """Give what fits into `room` bytes of the page: passing tasks' logs go first, the last ones before others.

        If the failed tasks' logs alone take more, each is shortened.
        """
        if self.size <= room:
            return self
        failed, places, shortened = list(self.streams[FAILED]), list(self.places), set(self.shortened)
        if _size(failed) > room:
            failed, _ = _shorten(failed, places, shortened, room)
        room -= _size(failed)
        passed = self.streams[PASSED]
        kept = 0
        for block in passed:
            room -= _size([block])
            if room < 0:
                break
            kept += 1
        end = kept * BLOCK
        for number, place in enumerate(places):
            if place and place.stream == PASSED and kept < len(passed) and place.offset + place.length > end:
                places[number] = None
        return Packed((tuple(failed), passed[:kept]), tuple(places), frozenset(shortened))


class Packer:
    """Packs logs as they come. It holds no more than about `limit_bytes` of what the page would hold."""

    def __init__(self, limit_bytes: int = LIMIT) -> None:
        self._limit = limit_bytes
        self._streams = (_Stream(), _Stream())
        self._places: list[Place | None] = []
        self._shortened: set[int] = set()
        self._longest = _LONGEST  # bytes of a failed task's log, once they do not all fit

    def add(self, text: str, *, failed: bool) -> int:
        """Pack a log and give its number, from 0. It counts as left out where there is no room for it."""
        number = len(self._places)
        stream = FAILED if failed else PASSED
        self._places.append(self._put(number, text, stream))
        if failed and self._streams[FAILED].size > self._limit:
            self._shorten()
        return number

    def packed(self) -> Packed:
        """Give all that was packed. The packer can go on after that."""
        failed, passed = (tuple(stream.blocks()) for stream in self._streams)
        return Packed((failed, passed), tuple(self._places), frozenset(self._shortened)).within(self._limit)

    def _put(self, number: int, text: str, stream: int) -> Place | None:
        into = self._streams[stream]
        before = into.mark()
        pieces = _encoded(text)
        if stream == FAILED and self._longest < _LONGEST:
            data = b"".join(pieces)
            short = _cut(data, self._longest)
            if len(short) < len(data):
                self._shortened.add(number)
            into.write(short)
        else:
            for piece in pieces:
                into.write(piece)
                if stream == PASSED and into.size > self._limit:
                    into.reset(before)
                    return None
        return Place(stream, before.length, into.length - before.length)

    def _shorten(self) -> None:
        """Make room among the failed tasks' logs."""
        room = int(self._limit * _SHARE)
        blocks, self._longest = _shorten(
            self._streams[FAILED].blocks(), self._places, self._shortened, room, self._longest
        )
        fresh = _Stream()
        for block in blocks:
            fresh.write(zlib.decompress(block))
        self._streams = (fresh, self._streams[PASSED])


class _Mark(NamedTuple):
    """Where a stream was: its length in bytes, how many blocks were full, and their size in the page."""

    length: int
    blocks: int
    size: int


class _Stream:
    """Bytes in, compressed blocks out. `length` counts the bytes, `size` those that full blocks take in the page."""

    def __init__(self) -> None:
        self.length = 0
        self.size = 0
        self._blocks: list[bytes] = []
        self._rest = bytearray()

    def write(self, data: bytes) -> None:
        self.length += len(data)
        self._rest += data
        while len(self._rest) >= BLOCK:
            block = zlib.compress(self._rest[:BLOCK])
            del self._rest[:BLOCK]
            self._blocks.append(block)
            self.size += _size([block])

    def blocks(self) -> list[bytes]:
        """Give the blocks, the last one as far as it is filled."""
        return [*self._blocks, zlib.compress(self._rest)] if self._rest else list(self._blocks)

    def mark(self) -> _Mark:
        return _Mark(self.length, len(self._blocks), self.size)

    def reset(self, mark: _Mark) -> None:
        """Forget what was written since the mark."""
        if len(self._blocks) > mark.blocks:
            self._rest = bytearray(zlib.decompress(self._blocks[mark.blocks]))
        del self._blocks[mark.blocks :], self._rest[mark.length % BLOCK :]
        self.length, self.size = mark.length, mark.size


def _size(blocks: Sequence[bytes]) -> int:
    """Bytes that blocks take in the page: in Base64, each in an element."""
    return sum((len(block) + 2) // 3 * 4 + _ELEMENT for block in blocks)


def _encoded(text: str) -> Iterator[bytes]:
    return (text[start : start + _SLICE].encode("utf-8", "replace") for start in range(0, len(text), _SLICE))


def _shorten(
    blocks: list[bytes], places: list[Place | None], shortened: set[int], room: int, longest: int = _LONGEST
) -> tuple[list[bytes], int]:
    """Pack failed tasks' logs anew so that they fit into `room` bytes of the page; `places` and `shortened` change.

    The longest ones are shortened first, to `longest` bytes and then to half as many as before until all fit. Those for
    which there is no room even then are left out. Gives the blocks and the length that it came to.
    """
    while True:
        fresh = _Stream()
        changed, cut = list(places), set(shortened)
        full = False
        for number, data in _logs(blocks, places):
            short = _cut(data, longest)
            before = fresh.mark()
            fresh.write(b"" if full else short)
            if longest == _SHORTEST and not full and fresh.size + 2 * BLOCK > room:
                full = _size(fresh.blocks()) > room
            if full:
                fresh.reset(before)
            elif len(short) < len(data):
                cut.add(number)
            changed[number] = None if full else Place(FAILED, before.length, len(short))
        packed = fresh.blocks()
        if _size(packed) <= room or longest == _SHORTEST:
            places[:] = changed
            shortened |= cut
            return packed, longest
        longest = max(longest // 2, _SHORTEST)


def _logs(blocks: Sequence[bytes], places: Sequence[Place | None]) -> Iterator[tuple[int, bytes]]:
    """Unpack the failed tasks' logs one after the other: each one's number and bytes."""
    held, data = -1, b""
    for number, place in enumerate(places):
        if not place or place.stream != FAILED:
            continue
        parts = []
        start, end = place.offset, place.offset + place.length
        while start < end:
            if held != start // BLOCK:
                held = start // BLOCK
                data = zlib.decompress(blocks[held])
            part = data[start % BLOCK : end - held * BLOCK]
            parts.append(part)
            start += len(part)
        yield number, b"".join(parts)


def _cut(data: bytes, longest: int) -> bytes:
    """Keep the beginning and the end of a log, whole lines where they are not too long, and say what is missing."""
    if len(data) <= longest:
        return data
    half = (longest - len(_MISSING)) // 2
    # A character that stands across the cut is ignored.
    head, tail = data[:half].decode("utf-8", "ignore"), data[-half:].decode("utf-8", "ignore")
    line = head.rfind("\n")
    head = head[: line + 1] if line > len(head) // 2 else head[:-1] + "\n"
    line = tail.find("\n")
    tail = tail[line + 1 :] if 0 <= line < len(tail) // 2 else tail
    return (head + _MISSING + tail).encode()
