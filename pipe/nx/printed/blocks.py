"""What stands under a badge: the projects of a start, the lists and figures under an end, an error's explanation."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pipe.model import RunReport, RunStatus
from pipe.nx.printed.words import (
    COMMAND,
    COUNTS,
    CRITICAL_PATH,
    DURATION,
    ERROR_PARTS,
    ERRORS,
    FAILED_ARE_NAMED,
    FAILED_TASKS,
    FROM_CACHE,
    HELP,
    HELP_ERROR,
    HITS,
    LONGEST_LINE,
    NOT_NX,
    NOT_RUN_TASKS,
    OTHER_COMMAND,
    OTHERS_UNDER_AN_END,
    RED_BADGES,
    REFUSED,
    ROW,
    ROW_LOGS,
    STACK_HINT,
    STOPPED_TASKS,
    WARNINGS,
    YELLOW_BADGES,
    plain,
    seconds,
)

if TYPE_CHECKING:
    import re

    from pipe.nx.printed.draft import Draft
    from pipe.nx.printed.log import Log

ERROR_LINES = 40  # lines of an error, and lines that are not Nx's after which a closing block is over

HELP_SIZE = 1 << 15  # bytes of a log's end that are looked at for Nx's help
NOTICES = 6  # marks between a command and its run, the one before it included


def command(log: Log, at: int) -> str | None:
    """Find the nx command line that stands right before a mark, other lines of Nx and npm aside."""
    for place in range(at - 1, max(at - NOTICES, 0) - 1, -1):
        mark = log.marks[place]
        if mark.echo:
            return plain(log.read(mark.start, mark.body)).removeprefix("> ")
        stop = log.marks[place + 1].start
        for raw in reversed(log.read(max(mark.body, stop - LONGEST_LINE), stop).split(b"\n")):
            line = plain(raw)
            if found := COMMAND.match(line):
                return found["command"]
            if OTHER_COMMAND.match(line):
                return None
        if mark.kind != "badge" or mark.what:
            return None  # not a notice of Nx that stands between the command and its run
    return None


def projects(log: Log, at: int) -> tuple[str, ...]:
    """Read the projects that stand under a start."""
    names = []
    for line in log.lines(at):
        if line.startswith("- "):
            name = line[2:].strip()
            names.append(log.names.setdefault(name, name))
        elif names and line:
            break
    return tuple(names)


def closing(run: Draft, log: Log, at: int) -> None:
    """Take what stands under a run's end, up to lines that are not Nx's."""
    sections = {FAILED_TASKS: run.failed, NOT_RUN_TASKS: run.not_run, STOPPED_TASKS: run.stopped}
    section: dict[str, None] | None = None
    strange = 0
    row = None
    run.report = None
    for framed in log.lines(at):
        line = framed.strip("│ ")
        item = _item(line)
        if item and section is not None:
            section[item] = None
        if item or not line:
            continue
        if "://" in line:
            run.lines.append(line)
        row = _row(run, line, row)
        counts = COUNTS.match(line)
        section = next((ids for title, ids in sections.items() if line.startswith(title)), None)
        if counts and counts["word"] == "failed" and FAILED_ARE_NAMED in line:
            section = run.failed
        if REFUSED.search(line):
            run.errors.append(line)
        known = _figure(run, line, counts) or section is not None or line.startswith(OTHERS_UNDER_AN_END)
        strange = 0 if known or "://" in line else strange + 1
        if strange > ERROR_LINES:
            break


def table(run: Draft, log: Log, start: int, stop: int) -> None:
    """Take the failed tasks of Nx Cloud's table from between two marks, where no task of the run prints anything."""
    row = None
    for piece in log.pieces(log.marks[start].body, log.marks[stop].start):
        for raw in piece.split(b"\n") if b"ogs: http" in piece else ():
            line = plain(raw).strip("│ ")
            known = len(run.failed)
            row = _row(run, line, row)
            if len(run.failed) > known:
                run.lines.append(line)


def flaky(run: Draft, log: Log, at: int) -> None:
    """Take the tasks that Nx calls flaky under a run's end, and what else stands there."""
    strange = 0
    for line in log.lines(at):
        if "://" in line:
            run.lines.append(line)
        elif name := _item(line if line.startswith("- ") else f"- {line}"):
            run.flaky[name] = None
        elif line and not _figure(run, line, None):
            strange += 1
            if strange > ERROR_LINES:
                break


def error(log: Log, at: int) -> tuple[str, ...]:
    """Nx's own words of an error: title and explanation, without the stack and what other tools say next.

    Nothing where the badge is no error's.
    """
    mark = log.marks[at]
    title = mark.name
    body = list(islice(log.lines(at), ERROR_LINES))
    hint = next((at for at, line in enumerate(body) if line.startswith(STACK_HINT)), None)
    badge = log.read(mark.start, mark.body)
    if title.startswith(WARNINGS) or any(yellow in badge for yellow in YELLOW_BADGES):
        return ()
    if hint is None and not (
        title.startswith(ERRORS)
        or any(part in title for part in ERROR_PARTS)
        or any(red in badge for red in RED_BADGES)
    ):
        return ()
    kept = [title]
    for line in body[:hint]:
        if hint is None and (OTHER_COMMAND.match(line) or line.startswith(NOT_NX) or (not line and len(kept) > 1)):
            break
        if line and not line.startswith("at "):
            kept.append(line)
    return tuple(kept)


def error_without_badge(log: Log) -> list[str]:
    """Nx's words of an error without a badge at a log's end: 16 and 17 print their help and what git says."""
    size = log.marks[-1].start
    end = log.read(max(size - HELP_SIZE, log.marks[-2].body), size)
    after = end.find(HELP)
    found = HELP_ERROR.search(end, after) if after >= 0 else None
    return [plain(line) for line in found[0].splitlines()] if found else []


def _row(run: Draft, line: str, row: str | None) -> str | None:
    """Read a line of Nx Cloud's table; gives the failed task whose link is still to come."""
    if row is not None and ROW_LOGS.match(line):
        run.failed[row] = None
        return None
    found = ROW.match(line)
    return found["id"] if found else row


def _item(line: str) -> str | None:
    """Read the task of a list's line, `- project:target`."""
    if not line.startswith("- "):
        return None
    name = line[2:].strip().removeprefix("nx run ").strip()
    return name if ":" in name[:-1] and len(name.split()) == 1 else None


def _figure(run: Draft, line: str, counts: re.Match[str] | None) -> bool:
    """Take a figure that a closing line states; whether it has one."""
    if counts:
        run.stated = int(counts["all"])
        if counts["word"] == "failed" and int(counts["some"]):
            run.failed_count = int(counts["some"])
            run.worsen(RunStatus.FAILED)
    elif cached := FROM_CACHE.match(line):
        run.stated = int(cached[1])
    else:
        return _report(run, line)
    return True


def _report(run: Draft, line: str) -> bool:
    """Take a line of the run's report; whether it is one."""
    label, _, value = line.partition(":")
    value = value.strip()
    if label == DURATION and run.report is None:
        run.seconds = seconds(value)
        run.report = RunReport()
    elif run.report is None:
        return False
    elif label == "Cache" and (hits := HITS.match(value)):
        run.report = run.report._replace(hits=int(hits[1]), cacheable=int(hits[2]))
    elif label == "Critical path" and (path := CRITICAL_PATH.match(value)):
        run.report = run.report._replace(critical_path=seconds(path[1]), critical_tasks=int(path[2]))
    elif label == "Recoverable time":
        run.report = run.report._replace(recoverable=seconds(value.partition(" (")[0]))
    else:
        return False
    return True
