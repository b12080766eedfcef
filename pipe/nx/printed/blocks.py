"""What stands under a badge: the projects of a start, the lists and figures under an end, an error's explanation."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pipe.model import RunStatus
from pipe.nx.printed.words import (
    COUNTS,
    DURATION,
    ERROR_PARTS,
    ERRORS,
    FAILED_ARE_NAMED,
    FAILED_TASKS,
    FROM_CACHE,
    NOT_NX,
    NOT_RUN_TASKS,
    OTHER_COMMAND,
    OTHERS_UNDER_AN_END,
    RED_BADGES,
    STACK_HINT,
    STOPPED_TASKS,
    plain,
    seconds,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from pipe.nx.printed.draft import Draft
    from pipe.nx.printed.scan import Mark

BLOCK_LINES = 200_000  # lines of a block that are read: a list names every failed task
ERROR_LINES = 40  # lines of an error, and lines that are not Nx's after which a closing block is over


def lines(mark: Mark) -> Iterator[str]:
    """Read the text under a mark as plain lines, without their margins."""
    text = mark.text()
    start = 0
    for _ in range(BLOCK_LINES):
        if start >= len(text):
            return
        stop = text.find(b"\n", start)
        stop = len(text) if stop < 0 else stop
        yield plain(text[start:stop])
        start = stop + 1


def projects(mark: Mark) -> tuple[str, ...]:
    """Read the projects that stand under a start."""
    names = []
    for line in lines(mark):
        if line.startswith("- "):
            names.append(line[2:].strip())
        elif names and line:
            break
    return tuple(names)


def closing(run: Draft, mark: Mark) -> None:
    """Take what stands under a run's end, up to lines that are not Nx's."""
    sections = {FAILED_TASKS: run.failed, NOT_RUN_TASKS: run.not_run, STOPPED_TASKS: run.stopped}
    section: dict[str, None] | None = None
    strange = 0
    for line in lines(mark):
        item = _item(line)
        if item and section is not None:
            section[item] = None
        if item or not line:
            continue
        run.lines.append(line)
        counts = COUNTS.match(line)
        section = next((ids for title, ids in sections.items() if line.startswith(title)), None)
        if counts and counts["word"] == "failed" and FAILED_ARE_NAMED in line:
            section = run.failed
        known = _figure(run, line, counts) or section is not None or line.startswith(OTHERS_UNDER_AN_END)
        strange = 0 if known or "://" in line else strange + 1
        if strange > ERROR_LINES:
            break


def flaky(run: Draft, mark: Mark) -> None:
    """Take the tasks that Nx calls flaky under a run's end, and what else stands there."""
    for line in lines(mark):
        if "://" in line:
            run.lines.append(line)
        elif not _figure(run, line, None) and (name := _item(line if line.startswith("- ") else f"- {line}")):
            run.flaky.add(name)


def error(title: str, mark: Mark) -> tuple[str, ...]:
    """Nx's own words of an error: title and explanation, without the stack and what other tools say next.

    Nothing where the badge is no error's.
    """
    body = list(islice(lines(mark), ERROR_LINES))
    hint = next((at for at, line in enumerate(body) if line.startswith(STACK_HINT)), None)
    if hint is None and not (
        title.startswith(ERRORS)
        or any(part in title for part in ERROR_PARTS)
        or any(red in mark.raw for red in RED_BADGES)
    ):
        return ()
    kept = [title]
    for line in body[:hint]:
        if hint is None and (OTHER_COMMAND.match(line) or line.startswith(NOT_NX) or (not line and len(kept) > 1)):
            break
        if line and not line.startswith("at "):
            kept.append(line)
    return tuple(kept)


def _item(line: str) -> str | None:
    """Read the task of a list's line, `- project:target`."""
    if not line.startswith("- "):
        return None
    name = line[2:].strip().removeprefix("nx run ").strip()
    return name if ":" in name[:-1] and not any(char.isspace() for char in name) else None


def _figure(run: Draft, line: str, counts: re.Match[str] | None) -> bool:
    """Take a figure that a closing line states; whether it has one."""
    if counts:
        run.stated = int(counts["all"])
        if counts["word"] == "failed" and int(counts["some"]):
            run.failed_count = int(counts["some"])
            run.worsen(RunStatus.FAILED)
    elif cached := FROM_CACHE.match(line):
        run.stated = int(cached[1])
    elif line.startswith(DURATION):
        run.seconds = seconds(line)
    else:
        return False
    return True
