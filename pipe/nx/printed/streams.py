"""The lines of many tasks in a stream (`project: line`), told apart in one pass.

A line names its project and not its task: where a project has several tasks in a run, whose a line is can't be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.nx.printed.log import gap

if TYPE_CHECKING:
    import re
    from collections.abc import Collection, Iterable, Iterator

ROOM = 16 << 20  # bytes of the texts of all projects that are held at once; twice that for a moment


def split(pieces: Iterable[bytes], projects: Collection[str], line: re.Pattern[bytes]) -> Iterator[tuple[str, str]]:
    """Give each of the projects that has lines, with them, without their prefix and in the order of the first lines.

    `line` matches a line with project and text as groups. Where all are more than there is room for, the first and the
    the last lines of the longest texts are kept, with how much is missing.
    """
    texts: dict[bytes, list[bytes]] = {}
    missing: dict[bytes, int] = {}
    names = {project.encode(): project for project in projects}
    each = ROOM // max(len(names), 1)
    held = 0
    for piece in pieces:
        lines: dict[bytes, list[bytes]] = {}
        for found in map(line.match, piece.split(b"\n")):
            if found is not None and found[1] in names:
                lines.setdefault(found[1], []).append((found[2] or b"").rstrip(b"\r"))
        for name, its in lines.items():
            text = b"\n".join([*its, b""])
            texts.setdefault(name, []).append(text)
            held += len(text)
        if held > 2 * ROOM:
            for name, parts in texts.items():
                text = b"".join(parts)
                if (more := len(text) - each) > 0:
                    parts[:] = text[: each // 4], text[each // 4 + more :]
                    missing[name] = missing.get(name, 0) + more
            held = sum(sum(map(len, parts)) for parts in texts.values())
    for name, parts in texts.items():
        if name in missing:
            parts.insert(1, gap(missing[name]))
        yield names[name], b"".join(parts).decode("utf-8", "replace").removesuffix("\n")
        parts.clear()
