"""What tasks took in another build, from the report.json that this pipe wrote there (docs/report.schema.json). Pure.

Whoever opened the pull request may have written the file: single values that make no sense are left out, and a file
that would take much memory to read is refused.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pipe.insights.durations import BuildDurations, median

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipe.model import Run

LIMIT = 16 << 20  # bytes; a report of 10,000 tasks has some 5 MB
_PARTS = 1_000_000  # lists, objects and values; a report of 10,000 tasks has some 300,000
_NAME_LIMIT = 1000  # characters of an id or a hash
_LONGEST = 7 * 24 * 3600.0  # seconds; a step of Pipelines may take at most a day or so


class Wanted(NamedTuple):
    """Whose durations are of use: ids, and cache hits by id and hash. Each is its own value: texts are shared."""

    ids: Mapping[str, str]
    hits: Mapping[tuple[str, str], tuple[str, str]]


def wanted(runs: Iterable[Run]) -> Wanted:
    """What the tasks of some runs can be compared with."""
    tasks = [task for run in runs for task in run.tasks]
    hits = {(task.id, task.hash): (task.id, task.hash) for task in tasks if task.cached and task.hash}
    return Wanted({task.id: task.id for task in tasks}, hits)


def read_durations(data: bytes, of: Wanted, limit: int = LIMIT) -> BuildDurations:
    """Read what the tasks `of` took in the build of a report.json: executed ones that succeeded.

    Several files of one build, as its steps write them, are told as one by `by_build`.

    Raises:
        ValueError: it is no report.json of version 1.x or more than `limit` bytes; the text says so in a line, without
            a word of the file.

    """
    content = _content(data, limit)
    build = content.get("build")
    number = build.get("number") if isinstance(build, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError("names no build")
    seconds: dict[str, list[float]] = {}
    hashes: dict[tuple[str, str], list[float]] = {}
    tasks = content.get("tasks")
    for task in tasks if isinstance(tasks, list) else ():
        if not isinstance(task, dict) or (task.get("cache"), task.get("status")) != ("miss", "success"):
            continue
        name, hash_ = task.get("id"), task.get("hash")
        name = of.ids.get(name) if isinstance(name, str) and len(name) <= _NAME_LIMIT else None
        took = _seconds(task.get("start"), task.get("end"))
        if name is None or took is None:
            continue
        seconds.setdefault(name, []).append(took)
        hit = of.hits.get((name, hash_)) if isinstance(hash_, str) else None
        if hit:
            hashes.setdefault(hit, []).append(took)
    return _durations(number, seconds, hashes)


def by_build(files: Iterable[BuildDurations]) -> tuple[BuildDurations, ...]:
    """Make one of the files of each build, the newest build first."""
    builds: dict[int, list[BuildDurations]] = {}
    for one in files:
        builds.setdefault(one.number, []).append(one)
    return tuple(_together(number, builds[number]) for number in sorted(builds, reverse=True))


def _together(number: int, files: list[BuildDurations]) -> BuildDurations:
    seconds: dict[str, list[float]] = {}
    hashes: dict[tuple[str, str], list[float]] = {}
    for one in files:
        for name, took in one.seconds.items():
            seconds.setdefault(name, []).append(took)
        for key, took in one.hashes.items():
            hashes.setdefault(key, []).append(took)
    return _durations(number, seconds, hashes)


def _durations(
    number: int, seconds: Mapping[str, list[float]], hashes: Mapping[tuple[str, str], list[float]]
) -> BuildDurations:
    return BuildDurations(
        number,
        {name: median(values) for name, values in seconds.items()},
        {key: median(values) for key, values in hashes.items()},
    )


def _content(data: bytes, limit: int) -> Mapping[str, object]:
    """The file as an object of a version that is known. Raises ValueError."""
    if len(data) > limit:
        raise ValueError(f"is larger than {limit >> 20} MB")
    # Each comma or bracket makes a value at most, which takes some hundred times its bytes.
    if data.count(b",") + data.count(b"[") + data.count(b"{") > _PARTS:
        raise ValueError("has too many parts for a report.json")
    try:
        content = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise ValueError("is not complete JSON") from None
    version = content.get("version") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(version, str):
        raise ValueError("is not a report.json of Nx Report")  # noqa: TRY004 - the caller knows one kind of bad file
    if not re.fullmatch(r"1\.[0-9]{1,9}", version):
        raise ValueError("is a report.json of another version, of which this pipe knows 1.x")
    return content


def _seconds(start: object, end: object) -> float | None:
    try:
        took = (datetime.fromisoformat(str(end)) - datetime.fromisoformat(str(start))).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no time, or one of them without a zone
        return None
    return took if 0 <= took <= _LONGEST else None
