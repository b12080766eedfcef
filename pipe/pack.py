"""Logs packed for the page: compressed as they come, in blocks that a browser unpacks one at a time.

There are three streams of UTF-8 bytes: the logs of failed tasks, the short ones of passing tasks, and the long ones,
which go first where room is short. Each is cut at exactly 256 KiB, and each block is compressed on its own (zlib's
format, which browsers call "deflate"), so that one log can be read without the others. Only compressed bytes are held.
Pure, but for what it holds.
"""

from __future__ import annotations

import zlib
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

BLOCK = 256 << 10  # bytes of a stream in one block
FAILED, PASSED, LONG = STREAMS = range(3)
LIMIT = 25_000_000  # bytes of the page's file, and so the most that is worth holding

_LEVEL = 5  # of compression: the usual 6 takes a third longer for three hundredths less
_SLICE = 1 << 20  # characters that are encoded at once: a log may have a hundred million
_ELEMENT = 70  # bytes of the page around a block, at most
_LONGEST, _SHORTEST = 4 << 20, 1 << 10  # bytes that a failed task's log is shortened to
# So much of failed tasks' logs is held, of the limit, before they are shortened to it: each shortening packs all anew.
_HELD = 1.5
_MUCH = 64 << 10  # characters from which on a passing task's log is a long one
_CLOSE = 0.97  # of the room that is aimed at: what is short compresses worse than the whole
_MISSING = "\x1b[0m[the middle of this log is left out: the page has no room for it]\n"


class Place(NamedTuple):
    """Where a log is: in which stream, from which byte on, and how many bytes."""

    stream: int
    offset: int
    length: int


class Packed(NamedTuple):
    """Packed logs: the compressed blocks of each stream, and each log's place, by its number.

    A place is None where the log is left out for want of room. `shortened` are the numbers of those of which only the
    beginning and the end are kept.
    """

    streams: tuple[tuple[bytes, ...], ...] = ((),) * len(STREAMS)
    places: tuple[Place | None, ...] = ()
    shortened: frozenset[int] = frozenset()

    @property
    def size(self) -> int:
        """Bytes that the blocks take in the page."""
        return sum(map(_size, self.streams))

    @property
    def left_out(self) -> int:
        """How many logs are left out."""
        return sum(place is None for place in self.places)

    def within(self, room: int) -> Packed:
        """Give what fits into `room` bytes of the page: passing tasks' logs go first, long ones before.

        If the failed tasks' logs alone take more, each is shortened.
        """
        if self.size <= room:
            return self
        failed, places, shortened = list(self.streams[FAILED]), list(self.places), set(self.shortened)
        if _size(failed) > room:
            failed, _ = _shorten(failed, places, shortened, room)
        streams = [tuple(failed)]
        for stream in (PASSED, LONG):
            room -= _size(streams[-1])
            streams.append(_first(self.streams[stream], room))
            end = BLOCK * len(streams[stream]) if len(streams[stream]) < len(self.streams[stream]) else None
            for number, place in enumerate(places):
                if place and place.stream == stream and end is not None and place.offset + place.length > end:
                    places[number] = None
        return Packed(tuple(streams), tuple(places), frozenset(shortened))


class Packer:
    """Packs logs as they come. It holds little more than what a page of `limit_bytes` would hold."""

    def __init__(self, limit_bytes: int = LIMIT) -> None:
        self._limit = limit_bytes
        self._streams = [_Stream() for _ in STREAMS]
        self._places: list[Place | None] = []
        self._shortened: set[int] = set()
        self._longest = _LONGEST  # bytes of a failed task's log, once they do not all fit
        self._too_long: int | None = None  # characters of the shortest passing log for which there was no room

    def add(self, text: str, *, failed: bool) -> int:
        """Pack a log and give its number, from 0. It counts as left out where there is no room for it."""
        number = len(self._places)
        self._places.append(self._put_failed(number, text) if failed else self._put_passed(text))
        if failed and self._streams[FAILED].size > self._limit * _HELD:
            self._shorten()
        return number

    def packed(self, used: AbstractSet[int] | None = None) -> Packed:
        """Give what was packed, of which some may have no room in the page. The packer can go on after that.

        Of logs that are not `used`, by their numbers, nothing is given: two sources may tell of one task.
        """
        streams, places, shortened = self._streams, self._places, frozenset(self._shortened)
        if used is not None and len(used) < len(places):
            streams, places = self._without(used)
            shortened = shortened.intersection(used)
        return Packed(tuple(tuple(stream.blocks()) for stream in streams), tuple(places), shortened)

    def _put_failed(self, number: int, text: str) -> Place:
        into = self._streams[FAILED]
        before = into.length
        pieces = _encoded(text)
        if self._longest < _LONGEST:
            data = b"".join(pieces)
            pieces = iter([_cut(data, self._longest)])
            if len(data) > self._longest:
                self._shortened.add(number)
        for piece in pieces:
            into.write(piece)
        return Place(FAILED, before, into.length - before)

    def _put_passed(self, text: str) -> Place | None:
        if self._too_long is not None and len(text) >= self._too_long:
            return None  # it would be packed for nothing, as each one after it
        stream = LONG if len(text) > _MUCH else PASSED
        into = self._streams[stream]
        before = into.mark()
        for piece in _encoded(text):
            into.write(piece)
            if into.size > self._limit:
                into.reset(before)
                self._too_long = len(text)
                return None
        return Place(stream, before.length, into.length - before.length)

    def _shorten(self) -> None:
        """Make room among the failed tasks' logs."""
        blocks, self._longest = _shorten(
            self._streams[FAILED].blocks(), self._places, self._shortened, self._limit, self._longest
        )
        fresh = self._streams[FAILED] = _Stream()
        for block in blocks:
            fresh.write(zlib.decompress(block))

    def _without(self, used: AbstractSet[int]) -> tuple[list[_Stream], list[Place | None]]:
        """Pack anew the logs that are used; the others are there with nothing in them."""
        fresh = [_Stream() for _ in STREAMS]
        nothing = Place(PASSED, 0, 0)
        places = [place if number in used else nothing for number, place in enumerate(self._places)]
        for stream, into in enumerate(fresh):
            for number, data in _logs(self._streams[stream].blocks(), self._places, stream):
                if number in used:
                    places[number] = Place(stream, into.length, len(data))
                    into.write(data)
        return fresh, places


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
            block = zlib.compress(self._rest[:BLOCK], _LEVEL)
            del self._rest[:BLOCK]
            self._blocks.append(block)
            self.size += _size([block])

    def blocks(self) -> list[bytes]:
        """Give the blocks, the last one as far as it is filled."""
        return [*self._blocks, zlib.compress(self._rest, _LEVEL)] if self._rest else list(self._blocks)

    def mark(self) -> _Mark:
        return _Mark(self.length, len(self._blocks), self.size)

    def reset(self, mark: _Mark) -> None:
        """Forget what was written since the mark."""
        if len(self._blocks) > mark.blocks:
            self._rest = bytearray(zlib.decompress(self._blocks[mark.blocks]))
        del self._blocks[mark.blocks :], self._rest[mark.length % BLOCK :]
        self.length, self.size = mark.length, mark.size


def _first(blocks: Sequence[bytes], room: int) -> tuple[bytes, ...]:
    """The first blocks, as many as `room` bytes of the page have room for."""
    taken = accumulate(_size([block]) for block in blocks)
    return tuple(block for block, size in zip(blocks, taken, strict=True) if size <= room)


def _size(blocks: Sequence[bytes]) -> int:
    """Bytes that blocks take in the page: in Base64, each in an element."""
    return sum((len(block) + 2) // 3 * 4 + _ELEMENT for block in blocks)


def _encoded(text: str) -> Iterator[bytes]:
    return (text[start : start + _SLICE].encode("utf-8", "replace") for start in range(0, len(text), _SLICE))


def _shorten(
    blocks: list[bytes], places: list[Place | None], shortened: set[int], room: int, longest: int = _LONGEST
) -> tuple[list[bytes], int]:
    """Pack failed tasks' logs anew so that they fit into `room` bytes of the page; `places` and `shortened` change.

    The longest ones are shortened, all to one length of at most `longest` bytes, which is less until they fit. Those
    for which there is no room even then are left out. Gives the blocks and the length that it came to.
    """
    lengths = [place.length for place in places if place and place.stream == FAILED]
    kept, size = sum(lengths), _size(blocks)  # bytes, and what they take in the page
    while True:
        longest = max(min(longest, _level(lengths, int(kept * room * _CLOSE / size))), _SHORTEST)
        fresh = _Stream()
        changed, cut = list(places), set(shortened)
        full = False
        for number, data in _logs(blocks, places, FAILED):
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
        kept, size = fresh.length, _size(packed)
        longest -= 1


def _level(lengths: Sequence[int], total: int) -> int:
    """The length to which the longest are to be cut so that all together have at most `total`."""
    left = total
    ordered = sorted(lengths)
    for number, length in enumerate(ordered):
        share = left // (len(ordered) - number)
        if length > share:
            return share
        left -= length
    return ordered[-1] if ordered else 0


def _logs(blocks: Sequence[bytes], places: Sequence[Place | None], stream: int) -> Iterator[tuple[int, bytes]]:
    """Unpack the logs of a stream one after the other: each one's number and bytes."""
    held, data = -1, b""
    for number, place in enumerate(places):
        if not place or place.stream != stream:
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
