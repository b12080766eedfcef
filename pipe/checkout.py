"""The clone directory, read as what it is: files written by whoever opened the pull request.

Nothing outside the clone is ever opened, through a symbolic link or otherwise, and only regular files are: a FIFO in
place of a log would hold the pipe up for ever.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_BLOCK = 1 << 18  # bytes that are read at once: a task of a record is a line of many kilobytes


class Unreadable(Exception):
    """A file that cannot be used; the text says why, in one line."""


class Line(NamedTuple):
    """A line of a file. Of a long one only both ends are there, and how many bytes between them are left out."""

    head: bytes
    left_out: int = 0
    tail: bytes = b""


class Checkout:
    """The clone directory at `root`. Paths given to its methods are absolute or relative to `root`."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)

    def inside(self, path: str, base: str | None = None) -> str | None:
        """The real absolute path, or None where it lies outside the clone directory."""
        real = os.path.realpath(os.path.join(base or self.root, path))
        return real if real == self.root or real.startswith(self.root.rstrip("/") + "/") else None

    def name(self, path: str) -> str:
        """The path as people know it: from the clone directory."""
        return os.path.relpath(path, self.root)

    def open(self, path: str) -> BinaryIO:
        """Open a regular file inside the clone directory.

        Raises:
            Unreadable: it is missing, lies outside, or is not a regular file.

        """
        real = self.inside(path)
        if real is None:
            raise Unreadable("lies outside the clone directory")
        try:
            descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError as error:
            raise Unreadable((error.strerror or "cannot be opened").lower()) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Unreadable("is not a regular file")
        return os.fdopen(descriptor, "rb", buffering=_BLOCK)

    def read(self, path: str, limit: int) -> bytes:
        """The content of a file of at most `limit` bytes. Raises Unreadable, for a larger one too."""
        with self.open(path) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise Unreadable(f"is larger than {limit >> 20} MB")
        return data

    def ends(self, path: str, limit: int) -> tuple[bytes, int, bytes]:
        """The head and the tail of a file, `limit` bytes in all, and how many bytes between them are left out."""
        with self.open(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size <= limit:
                return file.read(limit), 0, b""
            head = file.read(limit // 2)
            file.seek(size - limit // 2)
            return head, size - 2 * (limit // 2), file.read(limit // 2)

    def lines(self, path: str, limit: int) -> Iterator[Line]:
        """Yield each line with its end; of one much longer than `limit` bytes the two ends.

        Raises Unreadable as `open` does, and where reading fails.
        """
        with self.open(path) as file:
            try:
                while line := file.readline(limit):
                    whole = len(line) < limit or line.endswith(b"\n")
                    yield Line(line) if whole else _long_line(file, line, limit)
            except OSError as error:
                raise Unreadable((error.strerror or "cannot be read").lower()) from None

    def modified(self, path: str) -> datetime | None:
        """When the file was last written, None where there is none."""
        real = self.inside(path)
        try:
            return None if real is None else datetime.fromtimestamp(Path(real).stat().st_mtime, UTC)
        except OSError:
            return None

    def find(self, pattern: str, bases: Iterable[str]) -> list[str]:
        """The files that a path or glob names: those of the first base in which it names any.

        `**` follows no link and enters neither what is installed nor git's and Pipelines' own folders. A found file may
        be a link that leads outside: `open` says so. Raises Unreadable where the pattern itself leads outside.
        """
        outside = True
        for base in bases:
            folder, rest = _split_pattern(os.path.join(base, pattern))
            if self.inside(folder) is None:
                continue
            outside = False
            found = sorted(self._matching(folder, rest)) if rest else [folder] if os.path.lexists(folder) else []
            if found:
                return found
        if outside:
            raise Unreadable("lies outside the clone directory")
        return []

    def _matching(self, folder: str, pattern: str) -> Iterator[str]:
        if "**" not in pattern:
            for name in glob.iglob(pattern, root_dir=folder):
                if self.inside(os.path.join(folder, os.path.dirname(name))):  # noqa: PTH120
                    yield os.path.normpath(os.path.join(folder, name))
            return
        for place, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name not in ("node_modules", ".git", ".bitbucket")]
            for name in names:
                path = os.path.join(place, name)
                if _fits(os.path.relpath(path, folder).split("/"), pattern.split("/")):
                    yield path

    def keep(self, path: str, text: str) -> None:
        """Write a file below a folder of the clone's root, as `produce` does. Raises OSError."""
        self.produce(path, lambda out: out(text))

    def produce(self, path: str, write: Callable[[Callable[[str], object]], object]) -> None:
        """Write a file below a folder of the clone's root, owned as the clone is. Raises OSError.

        `write` is given what takes the file's text, part by part.

        A new folder gets a `.gitignore` of `*` first: an untracked file in a root project would change the hashes of
        its tasks. Nothing is written through a link, for the checkout decides where that leads.
        """
        folder, name = os.path.split(path)
        owner = os.stat(self.root)  # noqa: PTH116
        directory = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(FileExistsError):
                os.mkdir(folder, 0o755, dir_fd=directory)
                with suppress(OSError):
                    os.chown(folder, owner.st_uid, owner.st_gid, dir_fd=directory, follow_symlinks=False)
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            try:
                if not os.access(".gitignore", os.F_OK, dir_fd=inner, follow_symlinks=False):
                    _write(inner, ".gitignore", lambda out: out("*\n"))
                _write(inner, name, write)
            finally:
                os.close(inner)
        finally:
            os.close(directory)

    # --- what git wrote -----------------------------------------------------------------------------------------------

    def cloned(self, *, fresh: bool = True) -> datetime | None:
        """When this build cloned the repository, None where that cannot be known.

        `.git/config`, HEAD and the index change with every git command; what git copies from its templates is written
        once, by `git init` (https://git-scm.com/docs/git-init, "TEMPLATE DIRECTORY"). A clone that is not `fresh` but
        used again by each build was last fetched into for this one, which is when FETCH_HEAD is written
        (https://git-scm.com/docs/git-fetch); HEAD is not where the commit stays the same.
        """
        if not fresh and (moment := self.modified(".git/FETCH_HEAD")) is not None:
            return moment
        for name in (".git/description", ".git/info/exclude", ".git/hooks/pre-commit.sample"):
            if (moment := self.modified(name)) is not None:
                return moment
        return None

    def full_hash(self, short: str) -> str | None:
        """The 40 characters of a commit's hash from its first ones, where the clone's `.git` knows exactly one.

        Looked for in what git writes as text (refs, packed refs, logs, FETCH_HEAD, shallow), then among the loose
        objects, then in the pack indexes (https://git-scm.com/docs/pack-format). A merge made for the build has the
        commit as a parent, so it is in one of them even where no ref names it.
        """
        if len(short) == 40:  # noqa: PLR2004
            return short
        for search in (self._in_texts, self._in_loose_objects, self._in_packs):
            with suppress(OSError, Unreadable, ValueError):
                if len(found := search(short)) == 1:
                    return found.pop()
        return None

    def holds(self, short: str) -> bool:
        """Whether a commit is in the clone."""
        found = self.full_hash(short[:39])
        return found is not None and found.startswith(short)

    def merged(self, commit: str) -> str | None:
        """What a merge commit that was made here has merged: its second parent, None where that is not known.

        Such a commit lies as an object of its own (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects).
        """
        if not re.fullmatch("[0-9a-f]{40}", commit):
            return None
        with suppress(Unreadable):
            data = self._loose_object(commit, 1 << 20)
            parents = re.findall(rb"^parent ([0-9a-f]{40})$", data.partition(b"\n\n")[0], re.MULTILINE)
            return parents[1].decode() if data.startswith(b"commit ") and len(parents) > 1 else None
        return None

    def _in_texts(self, short: str) -> set[str]:
        names = [".git/HEAD", ".git/FETCH_HEAD", ".git/ORIG_HEAD", ".git/packed-refs", ".git/shallow", ".git/logs/HEAD"]
        for folder, _, files in os.walk(os.path.join(self.root, ".git", "refs")):
            names += [os.path.join(folder, file) for file in files]
        found: set[str] = set()
        pattern = re.compile(rb"\b" + short.encode() + rb"[0-9a-f]{%d}\b" % (40 - len(short)))
        for name in names[:5000]:
            with suppress(Unreadable):
                found.update(match.decode() for match in pattern.findall(self.read(name, 16 << 20)))
        return found

    def _in_loose_objects(self, short: str) -> set[str]:
        folder = os.path.join(self.root, ".git", "objects", short[:2])
        names = (short[:2] + name for name in os.listdir(folder) if name.startswith(short[2:]))
        return {name for name in names if self._is_commit(name)}

    def _is_commit(self, name: str) -> bool:
        return self._loose_object(name, 16).startswith(b"commit ")

    def _loose_object(self, name: str, limit: int) -> bytes:
        """The first bytes of the object of that name, b"" of what is none. Raises Unreadable."""
        import zlib  # noqa: PLC0415 - seldom needed

        data = self.read(f".git/objects/{name[:2]}/{name[2:]}", 16 << 20)
        with suppress(zlib.error):
            return zlib.decompressobj().decompress(data, limit)
        return b""

    def _in_packs(self, short: str) -> set[str]:
        found: set[str] = set()
        packs = os.path.join(self.root, ".git", "objects", "pack")
        for path in glob.iglob("*.idx", root_dir=packs):
            with self.open(os.path.join(packs, path)) as file:
                found |= _in_pack_index(file, short)
        return found


def _long_line(file: BinaryIO, start: bytes, limit: int) -> Line:
    """Read on to the end of a line of which `start` has been read; some `limit` bytes of it are held."""
    half = limit // 2
    tail, left_out = bytearray(start[half:]), 0
    while not tail.endswith(b"\n") and (more := file.readline(_BLOCK)):
        tail += more
        if len(tail) > limit:  # cutting each time would copy each time
            left_out += len(tail) - half
            del tail[:-half]
    return Line(start[:half], left_out, bytes(tail)) if left_out else Line(start[:half] + bytes(tail))


def _split_pattern(pattern: str) -> tuple[str, str]:
    """The folder of a glob, which is a plain path, and the rest; a pattern without any wildcard is all path."""
    parts = os.path.normpath(pattern).split("/")
    wild = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return "/".join(parts[:wild]) or "/", "/".join(parts[wild:])


def _fits(parts: list[str], patterns: list[str]) -> bool:
    """Whether a path fits a glob, both in parts; `**` stands for any number of folders."""
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_fits(parts[start:], patterns[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], patterns[0]) and _fits(parts[1:], patterns[1:])


def _write(directory: int, name: str, write: Callable[[Callable[[str], object]], object]) -> None:
    """Write a file in an open directory under a temporary name first, owned as the directory is."""
    owner, temporary = os.fstat(directory), f".{name}.{os.getpid()}"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=directory)
    try:
        with os.fdopen(file, "w", encoding="utf-8", errors="replace") as writer:
            with suppress(OSError):
                os.fchown(file, owner.st_uid, owner.st_gid)
            write(writer.write)
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _in_pack_index(file: BinaryIO, short: str) -> set[str]:
    """Binary search in a version 2 index: 8 bytes of header, 256 counts, then the sorted names of 20 bytes each."""
    if file.read(8) != b"\xfftOc\x00\x00\x00\x02":
        return set()
    counts = file.read(1024)
    first_byte = int(short[:2], 16)
    low = int.from_bytes(counts[4 * first_byte - 4 : 4 * first_byte], "big") if first_byte else 0
    end = high = int.from_bytes(counts[4 * first_byte : 4 * first_byte + 4], "big")

    def name(index: int) -> str:
        file.seek(1032 + 20 * index)
        return file.read(20).hex()

    while low < high:
        middle = (low + high) // 2
        if name(middle) < short:
            low = middle + 1
        else:
            high = middle
    found = set()
    while low < end and (candidate := name(low)).startswith(short):
        found.add(candidate)
        low += 1
    return found
