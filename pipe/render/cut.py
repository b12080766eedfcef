"""What of a step's last word a record can carry: clean texts, numbers in their range, no more than there is room for.

Pure. Nothing red turns green by it: what is left out stays counted.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, TypeVar

from pipe.model import Stage
from pipe.render import record, reproduce
from pipe.render.record import DETAILS_LIMIT, URL, units
from pipe.render.text import duration, seconds_of
from pipe.steps import ARTIFACTS, MOST_BEFORE, Failure, RunLine, StepReport, digest
from pipe.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Item = TypeVar("Item")

# The limit of a data field's text is stated nowhere: this one is ours. A link's is that of both hosts.
RECORD_LIMIT, LINK_LIMIT = 450, 450

_MOST_TASKS, _MOST_SECONDS, _MOST_STEPS = 10**9 - 1, 10**9 - 1, 10**4 - 1
_ELSEWHERE, _ASIDE, _ERROR_LINES = 20, 20, 6
_LOGS = 250  # characters of the page's address
_MOST_LINES = (30, 16, 10, 6, 4, 3, 2, 1)  # of one task, tried in this order
_SHORTEST = 40  # units of a telling line that is cut: less says nothing

# What a heading may hold, as the setting TITLE: it stands outside of code spans.
_HEADING = re.compile(r"(?:[^\W_]|[ .,:/()+-]){1,60}")


def cut(one: StepReport, excerpt: Callable[[int, int], Sequence[str]] | None = None) -> StepReport:
    """The same with what a record can carry: clean texts, numbers in their range, and no more than there is room for.

    `excerpt` gives at most so many telling lines of the failure with that index, by default of those it has. Cut once
    more it stays the same. Nothing red turns green by it: what is left out stays counted.
    """
    names = tuple(dict.fromkeys(filter(None, (_text(name, 100) for name in one.names))))
    base = StepReport(
        build=within(one.build, 0, 10**12 - 1),
        run=within(one.run, 1, 10**6 - 1),
        name=_text(one.name, 100),
        step=one.step if re.fullmatch("[0-9a-f]{8}|", one.step) else digest(one.step),
        stage=one.stage,
        at=within(one.at, 0, 10**13 - 1),
        title=one.title if _HEADING.fullmatch(one.title) and one.title == " ".join(one.title.split()) else "Nx",
        link=one.link if one.link and len(one.link) <= LINK_LIMIT and URL.fullmatch(one.link) else None,
        patience=within(one.patience, 0, _MOST_SECONDS),
        expect=within(one.expect, 0, _MOST_STEPS),
        before=tuple(step for step in one.before if re.fullmatch("[0-9a-f]{8}", step))[:MOST_BEFORE],
        job=one.job if re.fullmatch("[0-9a-f]{8}|", one.job) else digest(one.job),
        hint=one.hint if re.fullmatch("[0-9-]{0,40}", one.hint) else "",
        parallel=one.parallel if one.parallel and 0 <= one.parallel[0] < one.parallel[1] <= _MOST_STEPS else None,
    )
    if one.stage is Stage.REPORT:
        base = base._replace(
            answer=one.answer,
            exit_code=_exit_code(one.exit_code),
            total=within(one.total, 0, _MOST_TASKS),
            failed=within(max(one.failed, len(one.failures)), 0, _MOST_TASKS),
            cached=within(one.cached, 0, _MOST_TASKS),
            not_run=within(one.not_run, 0, _MOST_TASKS),
            seconds=None if (seconds := _time(one.seconds)) is None else record.milliseconds(seconds) / 1000,
            more_runs=within(one.more_runs, 0, _MOST_TASKS),
            against=_text(one.against, 60),
            saved=None if (saved := _time(one.saved)) is None else record.milliseconds(saved) / 1000,
        )
        base = _with_details(base, one, excerpt or (lambda at, limit: one.failures[at].lines[:limit]))
    elif one.stage is Stage.FINAL:
        base = base._replace(logs=_page(one.logs))
    return with_names(base, names, RECORD_LIMIT - len(record.NAME) - units(base.name))


def with_names(one: StepReport, names: Sequence[str], room: int) -> StepReport:
    """Add the names of expected steps as far as the record has room; all of them stay counted as steps to wait for."""
    number = within(max(one.expect, len(names)), 0, _MOST_STEPS)
    room -= units(record.fields(one._replace(expect=number))) + len(" names=")
    kept = fitting(names, room, lambda name: units(record.quoted(name)) + 1)
    return one._replace(names=kept, expect=one.expect if len(kept) == len(names) else number)


def _exit_code(text: str | None) -> str | None:
    """An exit code of letters and digits; what is no success does not become one."""
    clean = re.sub("[^0-9A-Za-z-]", "", text or "")[:10]
    return "1" if clean in ("", "0") and text not in (None, "", "0") else clean or None


def _page(logs: str) -> str:
    """The address of the page with all logs, "" where it can't be one."""
    return logs if logs == ARTIFACTS or (len(logs) <= _LOGS and URL.fullmatch(logs)) else ""


def _with_details(base: StepReport, one: StepReport, excerpt: Callable[[int, int], Sequence[str]]) -> StepReport:
    """Add what `details` carries, what matters most first: each line takes its room from what is left."""
    room = DETAILS_LIMIT - 260  # for the sentence, and for the line that counts what is left out

    def take(lines: Iterable[str]) -> None:
        nonlocal room
        room -= sum(units(line) + 1 for line in lines)

    def ids(texts: Iterable[str], most: int, word: str, limit: int) -> tuple[str, ...]:
        clean = dict.fromkeys(_text(text, 100) or "?" for text in texts)
        kept = fitting(tuple(clean)[:most], min(limit, room), lambda text: units(word + text) + 1)
        take(word + text for text in kept)
        return kept

    elsewhere = ids(one.elsewhere, _ELSEWHERE, record.OTHER, 300)
    logs = _page(one.logs)
    take([record.LOGS + logs] if logs else [])
    error = [_text(line, 160) for line in (one.error or "").split("\n")]
    error = [line for line in error if line][:_ERROR_LINES]
    take(record.ERROR + line for line in error[:1])
    failures = fitting(
        tuple(_failure(failure) for failure in one.failures),
        min(800, room - 450),
        lambda failure: units(record.failure_line(failure)) + 1,
    )
    take(map(record.failure_line, failures))
    lines = [_run(run) for run in one.runs]
    worst = sorted(range(len(lines)), key=lambda at: (-lines[at].status.severity, at))
    kept = fitting(worst, min(450, room), lambda at: sum(units(line) + 1 for line in record.run_lines(lines[at])))
    take(line for at in kept for line in record.run_lines(lines[at]))
    command = _text(one.command or "", reproduce.LONGEST)
    if command != (one.command or "").strip() or units(record.COMMAND + command) + 1 > room:
        command = ""
    take([record.COMMAND + command] if command else [])
    retried = ids(one.retried, _ASIDE, record.RETRIED, 200)
    flaky = ids(one.flaky, _ASIDE, record.FLAKY, 200)
    fixed = ids(one.fixed, _ASIDE, record.FIXED, 200)
    more = fitting(error[1:], room, lambda line: units(record.BAR + line) + 1)
    take(record.BAR + line for line in more)
    return base._replace(
        elsewhere=elsewhere,
        error="\n".join((*error[:1], *more)) or None,
        failures=_with_lines(failures, room, excerpt),
        runs=tuple(lines[at] for at in sorted(kept)),
        more_runs=within(base.more_runs + len(lines) - len(kept), 0, _MOST_TASKS),
        command=command or None,
        retried=retried,
        flaky=flaky,
        fixed=fixed,
        logs=logs,
    )


def _with_lines(
    failures: Sequence[Failure], room: int, excerpt: Callable[[int, int], Sequence[str]]
) -> tuple[Failure, ...]:
    """Give each failure its share of the room for lines, the first ones more; what one leaves over the next can use."""
    found = []
    for at, failure in enumerate(failures):
        share = 2 * room // (len(failures) - at + 1)
        lines = _lines(at, share, excerpt)
        room -= sum(units(record.BAR + line) + 1 for line in lines)
        found.append(failure._replace(lines=lines))
    return tuple(found)


def _lines(at: int, room: int, excerpt: Callable[[int, int], Sequence[str]]) -> tuple[str, ...]:
    if room < _SHORTEST:
        return ()
    for limit in _MOST_LINES:
        lines = [record.short(row.expandtabs(4).rstrip(), 200) for line in excerpt(at, limit) for row in _rows(line)][
            :30
        ]
        while lines and not lines[-1]:
            lines.pop()
        if sum(units(record.BAR + line) + 1 for line in lines) <= room:
            return tuple(lines)
    return (record.short(next(filter(None, lines)), room - len(record.BAR) - 1),)


def _rows(line: str) -> list[str]:
    return plain(line).split("\n")


def fitting(items: Sequence[Item], room: int, size: Callable[[Item], int]) -> tuple[Item, ...]:
    """The first of them that fit."""
    kept = []
    for item in items:
        room -= size(item)
        if room < 0:
            break
        kept.append(item)
    return tuple(kept)


def _failure(one: Failure) -> Failure:
    return Failure(_text(one.id, 200) or "?", (), _told(one.seconds), one.flaky, one.known)


def _run(one: RunLine) -> RunLine:
    live = one.link and one.link.live and len(one.link.url) <= 200 and URL.fullmatch(one.link.url)  # noqa: PLR2004
    return RunLine(
        label=_text(one.label, 100) or "nx",
        status=one.status,
        executed=within(one.executed, 0, _MOST_TASKS),
        cached=within(one.cached, 0, _MOST_TASKS),
        failed=within(one.failed, 0, _MOST_TASKS),
        not_run=within(one.not_run, 0, _MOST_TASKS),
        seconds=_told(one.seconds),
        cut=one.cut,
        link=one.link if live else None,
    )


def within(number: int, least: int, most: int) -> int:
    """The number, or the nearest of the range."""
    return max(least, min(number, most))


def _time(seconds: float | None) -> float | None:
    """A duration in its range, None where it is none."""
    return max(0.0, min(seconds, float(_MOST_SECONDS))) if seconds is not None and math.isfinite(seconds) else None


def _told(seconds: float | None) -> float | None:
    """A duration as precise as people are told it, which is how it is written down."""
    seconds = _time(seconds)
    for _ in range(2):  # 9.96 is told as 10.0s, and 10.0 as 10s
        seconds = None if seconds is None else seconds_of(duration(seconds))
    return seconds


def _text(text: str, limit: int) -> str:
    """Clean text on one line."""
    return record.short(" ".join(plain(text).split()), limit)
