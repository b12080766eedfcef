"""Which files of the clone are the repository's, by git's index: a generated file is in the clone and not in there."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pipe.checkout import Unreadable

if TYPE_CHECKING:
    from pipe.checkout import Checkout

_LARGEST = 32 << 20  # bytes: some 300,000 files
_HEADER = 12
_STAT = 40  # times, sizes and the like of an entry, before the file's hash
_HASHES = (20, 32)  # SHA-1, SHA-256
_EXTENDED, _INTENT_TO_ADD = 0x40, 0x20  # in the first byte of the flags, and of those that extend them


class Tracked:
    """The names in a clone's index (https://git-scm.com/docs/index-format, versions 2 to 4).

    Where there is none that can be read, as in a step that did not clone, every name is believed.
    """

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout

    def __contains__(self, name: str) -> bool:
        """Whether the index has a file of that name, a POSIX path from the clone directory."""
        return self._names is None or name.encode("utf-8", "surrogateescape") in self._names

    def called(self, file: str) -> list[str]:
        """The names of all that are called so, in any folder; none where there is no index."""
        return self._by_file.get(file, [])

    @cached_property
    def _by_file(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for raw in self._names or ():
            name = raw.decode("utf-8", "surrogateescape")
            found.setdefault(name.rpartition("/")[2], []).append(name)
        return found

    @cached_property
    def _names(self) -> set[bytes] | None:
        try:
            index = self._checkout.read(".git/index", _LARGEST)
            version = int.from_bytes(index[4:8], "big")
            if index[:4] == b"DIRC" and version in (2, 3, 4):
                return _names(index, version)
        except (Unreadable, OSError, IndexError, ValueError):
            pass
        return None


def _names(index: bytes, version: int) -> set[bytes]:
    """The names of all entries. Raises IndexError or ValueError for what is no index."""
    names: set[bytes] = set()
    fixed = _fixed(index, version)
    start, name = _HEADER, b""
    for _ in range(int.from_bytes(index[8:12], "big")):
        flags = start + fixed
        at = flags + 2
        kept = index[flags] & _EXTENDED == 0 or index[at] & _INTENT_TO_ADD == 0
        if index[flags] & _EXTENDED:
            at += 2
        if version == 4:  # noqa: PLR2004 - a name is what it shares with the one before, and the rest
            shorter, at = _number(index, at)
            end = index.index(b"\0", at)
            name = name[: len(name) - shorter] + index[at:end]
            start = end + 1
        else:
            end = index.index(b"\0", at)
            name = index[at:end]
            start += (end - start + 8) // 8 * 8
        if kept:
            names.add(name)
    return names


def _fixed(index: bytes, version: int) -> int:
    """The size of what comes before an entry's flags, told from the first one: they hold the length of its name."""
    for size in _HASHES:
        flags = _HEADER + _STAT + size
        at = flags + (4 if index[flags] & _EXTENDED else 2)
        if version == 4:  # noqa: PLR2004
            at = _number(index, at)[1]
        length = int.from_bytes(index[flags : flags + 2], "big") & 0xFFF
        if index.index(b"\0", at) - at == length or length == 0xFFF:  # noqa: PLR2004
            return _STAT + size
    raise ValueError("no index")


def _number(index: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends (https://git-scm.com/docs/pack-format, "OFS_DELTA")."""
    byte = index[at]
    number = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = index[at]
        number = (number + 1 << 7) + (byte & 0x7F)
    return number, at + 1
