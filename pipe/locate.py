"""Which file of the repository a printed path means, found among what is in the clone directory and in git's index.

Whoever opened the pull request wrote both the path and the files. Nothing outside the clone is read, no path leads
there, and what is looked through is bounded.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pipe.checkout import Unreadable
from pipe.redact import PIPELINES_CLONE_DIR
from pipe.tracked import Tracked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipe.checkout import Checkout

# Nothing in these folders is of the repository.
_NOT_OURS = {"node_modules", ".git", ".nx", ".nx-report", ".bitbucket"}
# Nor is what is built looked through for a bare name; a path that leads there is taken by its word.
_NOT_SEARCHED = _NOT_OURS | {"dist", ".venv", "venv", "vendor", "target", "__pycache__"}
_LONGEST, _DEEPEST = 1024, 40  # characters, folders
_PATHS = 20_000  # that are looked for
_NAMESAKES = 500  # files of one name among which a longer path is looked for
_ENTRIES, _ALL_ENTRIES = 20_000, 100_000  # of one project's folder, and of all together
_LEAST_SAME, _MOST_SAME = 3, 16  # so many parts at the end of a path are no accident, and enough
_FILE, _ALL_FILES = 8 << 20, 128 << 20  # bytes in which lines are counted: of one file, and of all
_BLOCK = 1 << 18


class Locator:
    """Finds files of one clone. `workspace` is the Nx workspace's folder, absolute or from the clone directory."""

    def __init__(self, checkout: Checkout, workspace: str = "") -> None:
        self._checkout = checkout
        self._root = checkout.root
        self._tracked = Tracked(checkout)
        self._workspace = checkout.inside(workspace) or checkout.root
        self._found: dict[tuple[str, str | None], str | None] = {}
        self._names: dict[str, dict[str, list[str]] | None] = {}
        self._lines: dict[str, int | None] = {}
        self._entries_left, self._bytes_left = _ALL_ENTRIES, _ALL_FILES

    def __call__(self, path: str, project_root: str | None, line: int | None = None) -> str | None:
        """The file that a tool means by `path`, as a POSIX path from the clone directory; None for none of ours.

        `project_root` is the folder of the project whose task printed it, from the workspace's. With a `line`, counted
        from 1, the file must have that line: one that has fewer is another than what the tool saw.

        A relative path may begin at the project's folder, at one above it, or, where that is told by its end alone,
        below it: so bare names are found that go prints. Where no project is known, it must fit one file alone: each
        project may have a `src/index.ts`. An absolute one may be of another clone, as in an output that came from a
        remote cache; it is followed from where it names the project's folder.
        """
        if not path or len(path) > _LONGEST or path.count("/") > _DEEPEST:
            return None
        key = (path, project_root)
        if key not in self._found:
            if len(self._found) >= _PATHS:
                return None
            self._found[key] = None
            # A NUL or half of a surrogate pair is in no path, a name of more than 255 bytes is in none.
            with suppress(OSError, ValueError):
                self._found[key] = self._find(path, project_root)
        found = self._found[key]
        return found if found is not None and self._has_line(found, line or 1) else None

    def _find(self, path: str, project_root: str | None) -> str | None:
        project = self._checkout.inside(project_root or "", self._workspace) or self._workspace
        for spelling in _spellings(path):
            if spelling[0] == "/":
                candidates = self._absolute(spelling, project_root or "")
            elif project_root is None:
                candidates = iter(self._anywhere(spelling))
            else:
                candidates = self._below(spelling, project)
            for candidate in candidates:
                if found := self._ours(candidate):
                    return found
        return None

    def _ours(self, path: str) -> str | None:
        """A file's path from the clone directory, through links; None where it is missing, or no file of ours."""
        # Else `..` could lead out of the clone and in again.
        path = os.path.normpath(path)
        if not path.startswith(self._base) or not os.path.isfile(path):  # noqa: PTH113 - paths are text here
            return None
        real = self._checkout.inside(path)
        name = self._checkout.name(real) if real else ""
        # What cannot be printed was not printed: it is a folder on the way to a bare name.
        if not name.isprintable() or _NOT_OURS.intersection(name.split("/")):
            return None
        return name if name and name in self._tracked else None

    @cached_property
    def _base(self) -> str:
        return self._root.rstrip("/") + "/"

    def _absolute(self, path: str, project_root: str) -> Iterator[str]:
        """Where a file of an absolute path may be."""
        path = os.path.normpath(path)
        if path.startswith(self._base):
            yield path
            return
        if path.startswith(PIPELINES_CLONE_DIR + "/"):
            yield self._base + path[len(PIPELINES_CLONE_DIR) + 1 :]
            return
        if _NOT_OURS.intersection(path.split("/")):
            return
        marker = f"/{project_root}/"
        if project_root not in ("", ".") and (at := path.find(marker)) >= 0:
            yield os.path.join(self._workspace, path[at + 1 :])
        parts = path.split("/")
        for start in range(max(2, len(parts) - _MOST_SAME), len(parts) - _LEAST_SAME + 1):
            for base in dict.fromkeys((self._workspace, self._root)):
                yield os.path.join(base, *parts[start:])

    def _below(self, path: str, project: str) -> Iterator[str]:
        """Where a file of a relative path may be: from the project's folder, from each above it, or below it.

        What is below comes before what is above for a bare name alone: few tools run above tell of a file so.
        """
        end = os.path.normpath(path)
        yield os.path.join(project, path)
        if "/" not in end:
            yield from self._ending(project, end)
        folder = project
        while folder.startswith(self._base):
            folder = os.path.dirname(folder)  # noqa: PTH120
            yield os.path.join(folder, path)
        if "/" in end and not end.startswith("../"):
            yield from self._ending(project, end)

    def _anywhere(self, path: str) -> list[str]:
        """Where a file of a relative path is, of nobody knows which project: the one file of the workspace that fits.

        Where that is too much to look through, a path of several folders is taken for one from the workspace's.
        """
        end = os.path.normpath(path)
        whole = [os.path.join(base, path) for base in dict.fromkeys((self._workspace, self._root))]
        named = None if end.startswith("../") else self._named(self._workspace, end.rpartition("/")[2], _ALL_ENTRIES)
        if named is None:
            return whole if end.count("/") + 1 >= _LEAST_SAME else []
        fitting = {one for one in (*whole, *named) if one.endswith(f"/{end}")}
        if len(fitting) > 1:
            fitting = set(filter(self._ours, fitting))
        return list(fitting) if len(fitting) == 1 else []

    def _ending(self, folder: str, end: str) -> list[str]:
        """The one file below a folder whose path ends so."""
        named = self._named(folder, end.rpartition("/")[2], _ENTRIES) or []
        fitting = [one for one in named if one.endswith(f"/{end}")]
        if len(fitting) > 1:
            fitting = list(filter(self._ours, fitting))
        return fitting if len(fitting) == 1 else []

    def _named(self, folder: str, name: str, entries: int) -> list[str] | None:
        """The files of that name below a folder; None where that is too much to look through, or they are too many."""
        if folder not in self._names:
            self._names[folder] = self._walk(folder, entries)
        names = self._names[folder]
        named = names.get(name, []) if names is not None else None
        return named if named is None or len(named) <= _NAMESAKES else None

    def _walk(self, folder: str, entries: int) -> dict[str, list[str]] | None:
        found: dict[str, list[str]] = {}
        left = min(entries, self._entries_left)
        folders = [folder]
        while folders:
            with suppress(OSError), os.scandir(folders.pop()) as listed:
                for entry in listed:
                    left -= 1
                    self._entries_left -= 1
                    if left < 0:
                        return None  # what was not seen could have the name too
                    if entry.is_symlink():
                        continue
                    if not entry.is_dir(follow_symlinks=False):
                        found.setdefault(entry.name, []).append(entry.path)
                    elif entry.name not in _NOT_SEARCHED:
                        folders.append(entry.path)
        return found

    def _has_line(self, name: str, line: int) -> bool:
        """Whether the file has that line. The end of the last one counts as one: compilers miss a brace there."""
        if line <= 1:
            return True
        if name not in self._lines:
            self._lines[name] = self._count(name)
        lines = self._lines[name]
        return lines is None or line <= lines

    def _count(self, name: str) -> int | None:
        """How many lines a file has, None where that is too much to read."""
        lines = 1
        left = min(_FILE, self._bytes_left)
        with suppress(Unreadable, OSError), self._checkout.open(name) as file:
            while block := file.read(_BLOCK):
                left -= len(block)
                self._bytes_left -= len(block)
                if left < 0:
                    return None
                lines += block.count(b"\n")
            return lines
        return None


def _spellings(path: str) -> Iterator[str]:
    """The path without what bundlers and runtimes put around it, likeliest first.

    webpack: `webpack:///./src/a.ts`, `webpack://shop/./src/a.ts`, Next.js with a layer `(rsc)/` before the path;
    Node.js: `file:///…`, percent-encoded; vite: `/@fs/…`, and a query that says which part of a file is meant
    (`App.vue?vue&type=script`).
    """
    if found := re.match(r"webpack(?:-internal)?://[^/]*/(?:\([^/()]*\)/)?", path):
        path = path[found.end() :]
    elif path.startswith("file://"):
        path = unquote(path[7:])
    path = path.removeprefix("/@fs")
    if path:
        yield path
    if "?" in path and (cut := path.partition("?")[0]):
        yield cut
