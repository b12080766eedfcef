"""A step's last word as text: the fields that only the pipe reads, and the details that people read too. Pure.

Both are written and read here. What a checkout fills in stands behind a word of ours in a line of its own, or in a line
that begins with a bar below it, so it cannot pass for anything else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pipe.insights import Answer
from pipe.model import Link, ReportResult, RunStatus, Stage
from pipe.render.answer import SYMBOLS, Facts, sentence
from pipe.render.text import count, duration, seconds_of
from pipe.steps import ARTIFACTS, Failure, RunLine, StepReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Code Insights, the smaller of both hosts' limits. It may be counted in UTF-16 units, so it is here.
DETAILS_LIMIT = 2000

URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[\w.~%/?#=&+:@,-]*)?", re.ASCII)

# The words of the details.
TASK, ERROR, COMMAND, RUN = "Failed: ", "Nx failed: ", "Try it: ", "Run: "
OTHER, RETRIED, FLAKY, FIXED = "Failed in another step: ", "Passed on retry: ", "Flaky: ", "Fixed: "
LOGS = "Logs: "
BAR = "  | "
_RUN_WORDS = {status: status.value.lower().replace("_", " ") for status in RunStatus}


def facts(one: StepReport) -> Facts:
    """What the sentence on a step is made of."""
    return Facts(
        answer=one.answer,
        total=one.total,
        failed=one.failed,
        ids=[failure.id for failure in one.failures],
        cached=one.cached,
        not_run=one.not_run,
        retried=one.retried,
        flaky=one.flaky,
        seconds=one.seconds,
        exit_code=one.exit_code,
        reason=one.error.split("\n")[0] if one.error else None,
        against=one.against,
        new=sum(failure.known is False for failure in one.failures),
        known=sum(failure.known is True for failure in one.failures),
        ended=all(run.status is RunStatus.SUCCEEDED for run in one.runs),
    )


def label(one: StepReport) -> str:
    """What a step is called: its name, else its place in its parallel group; "" where it has neither."""
    if one.name or one.parallel is None:
        return one.name
    return f"step {one.parallel[0] + 1} of {one.parallel[1]}"


def words(one: StepReport) -> str:
    """The answer without anything from the checkout."""
    if one.stage is not Stage.REPORT:
        return "running" if one.stage is Stage.START else "closed, no more steps follow"
    known = facts(one)._replace(ids=(), retried=(), flaky=(), reason=None, against="", new=0, known=0)
    head, rest = sentence(known, str, 0)
    return head + rest


def details(one: StepReport) -> str:
    """What people read, and what the pipe reads back line by line."""
    if one.stage is not Stage.REPORT:
        said = f"{'…' if one.stage is Stage.START else '■'} {words(one)}"
        return f"{said}\n{LOGS}{one.logs}" if one.logs else said
    lines = [f"{SYMBOLS[one.answer]} {short(words(one), 150)}"]
    for failure in one.failures:
        lines += [failure_line(failure), *(f"{BAR}{line}".rstrip() for line in failure.lines)]
    for at, line in enumerate(one.error.split("\n") if one.error else ()):
        lines.append(f"{BAR if at else ERROR}{line}")
    if one.command:
        lines.append(COMMAND + one.command)
    for run in one.runs:
        lines += run_lines(run)
    for word, ids in (
        (OTHER, one.elsewhere),
        (RETRIED, one.retried),
        (FLAKY, one.flaky),
        (FIXED, one.fixed),
        (LOGS, (one.logs,) if one.logs else ()),
    ):
        lines += [word + text for text in ids]
    more = [count(number, "more failed task") for number in [one.failed - len(one.failures)] if number]
    more += [count(one.more_runs, "more run")] if one.more_runs else []
    return "\n".join([*lines, f"… and {', '.join(more)}"] if more else lines)


def failure_line(one: Failure) -> str:
    """A failed task. The parentheses at the end are ours, also where its id ends with some."""
    parts = [*([duration(one.seconds)] if one.seconds is not None else []), *(["flaky"] if one.flaky else [])]
    parts += [] if one.known is None else ["known" if one.known else "new"]
    return f"{TASK}{one.id}" + (f" ({', '.join(parts)})" if parts or one.id.endswith(")") else "")


def run_lines(one: RunLine) -> list[str]:
    """A run, and its page below it."""
    parts = [_RUN_WORDS[one.status], count(one.executed, "task").replace(",", "")]
    parts += [f"{one.cached} cached"] if one.cached else []
    parts += [f"{one.failed} failed"] if one.failed else []
    parts += [f"{one.not_run} not run"] if one.not_run else []
    parts += [duration(one.seconds)] if one.seconds is not None else []
    parts += ["cut off"] if one.cut else []
    return [f"{RUN}{one.label} ({', '.join(parts)})", *([f"  {one.link.url}"] if one.link else [])]


# --- the fields -------------------------------------------------------------------------------------------------------

_VERSION = "v1"
# Fields of a record that are numbers, and what they are of a `StepReport`. Those that are 0 are left out.
_NUMBERS = {
    "expect": "expect",
    "tasks": "total",
    "failed": "failed",
    "cached": "cached",
    "left": "not_run",
    "more": "more_runs",
}
NAME = " name="  # the last of a report's record, so that it needs no quoting
_ANSWERS = {answer.value.replace(" ", "-"): answer for answer in Answer}


def fields(one: StepReport) -> str:
    """What only the pipe reads, in a line. Each field's value is without spaces."""
    parts = [_VERSION, f"at={one.at}", f"stage={one.stage.value}", f"patience={one.patience}"]
    if one.stage is Stage.REPORT:
        parts.append(f"answer={one.answer.value.replace(' ', '-')}")
    parts += [f"{word}={number}" for word, field in _NUMBERS.items() if (number := getattr(one, field))]
    if one.exit_code is not None:
        parts.append(f"exit={one.exit_code}")
    if one.seconds is not None:
        parts.append(f"ms={milliseconds(one.seconds)}")
    if one.saved is not None:
        parts.append(f"saved={milliseconds(one.saved)}")
    if one.against:
        parts.append(f"against={quoted(one.against)}")
    if one.hint:
        parts.append(f"comment={one.hint}")
    if one.parallel:
        parts.append(f"parallel={one.parallel[0]}/{one.parallel[1]}")
    return " ".join(parts) + listed("before", one.before) + listed("names", one.names)


def listed(word: str, texts: Sequence[str]) -> str:
    """A field that is a list, "" where that is empty."""
    return f" {word}={','.join(map(quoted, texts))}" if texts else ""


def quoted(text: str) -> str:
    """One of a list, as `unquote` reads it."""
    return re.sub("[%, ]", lambda found: f"%{ord(found[0]):02X}", text)


def read_fields(text: str, one: StepReport) -> StepReport | None:
    """The same step with what the fields say, None where they are of another version or make no sense."""
    version, *parts = text.split(" ")
    found = dict(part.partition("=")[::2] for part in parts)
    numbers = {word: found.get(word, "0") for word in ("at", "patience", *_NUMBERS)}
    parallel = re.fullmatch("([0-9]{1,4})/([0-9]{1,4})", found.get("parallel", ""))
    stage = found.get("stage", "")
    if (
        version != _VERSION
        or not all(re.fullmatch("[0-9]{1,13}", number) for number in numbers.values())
        or not all(re.fullmatch("[0-9]{0,13}", found.get(word, "")) for word in ("ms", "saved"))
        or stage not in [stage.value for stage in Stage]
        or (stage == Stage.FINAL.value) != (one.stage is Stage.FINAL)
        or (stage == Stage.REPORT.value) != (found.get("answer") in _ANSWERS)
        or ("parallel" in found) != bool(parallel)
    ):
        return None

    def texts(word: str) -> tuple[str, ...]:
        return tuple(unquote(text) for text in found.get(word, "").split(",") if text)

    one = one._replace(**{field: int(numbers[word]) for word, field in _NUMBERS.items()})  # type: ignore[arg-type]
    return one._replace(
        stage=Stage(stage),
        at=int(numbers["at"]),
        patience=int(numbers["patience"]),
        answer=_ANSWERS.get(found.get("answer", ""), Answer.NOTHING_RAN),
        exit_code=found.get("exit"),
        seconds=int(found["ms"]) / 1000 if found.get("ms") else None,
        parallel=(int(parallel[1]), int(parallel[2])) if parallel else None,
        saved=int(found["saved"]) / 1000 if found.get("saved") else None,
        against=unquote(found.get("against", "")),
        hint=found.get("comment", ""),
        before=texts("before"),
        names=texts("names"),
        elsewhere=texts("elsewhere"),
        failures=tuple(Failure(name) for name in texts("ids")),
    )


def result(one: StepReport) -> ReportResult:
    """The step's own result. Where nothing ran and the step did not fail there is nothing against it."""
    if one.stage is Stage.START or (one.stage is Stage.REPORT and one.answer is Answer.IN_PROGRESS):
        return ReportResult.PENDING
    red = one._replace(elsewhere=()).red or (one.stage is Stage.REPORT and one.answer is Answer.CANCELED)
    return ReportResult.FAILED if red else ReportResult.PASSED


# --- the details, and back --------------------------------------------------------------------------------------------

_RUN_LINE = re.compile(
    r"(.*) \(([a-z ]+), ([0-9]{1,9}) tasks?(?:, ([0-9]{1,9}) cached)?(?:, ([0-9]{1,9}) failed)?"
    r"(?:, ([0-9]{1,9}) not run)?(?:, ([0-9][0-9a-z. ]{0,15}s|[0-9]{1,9}h [0-9]{2}m))?(, cut off)?\)"
)


def read_details(one: StepReport, text: str, trusted: Callable[[str], bool]) -> StepReport:
    """The same step with what the details say; a line that is none of ours is left out."""
    found: dict[str, list[tuple[str, list[str]]]] = {
        word: [] for word in (TASK, ERROR, COMMAND, RUN, OTHER, RETRIED, FLAKY, FIXED, LOGS)
    }
    below: list[str] = []  # the indented lines below the last one that is not
    for line in text[: 2 * DETAILS_LIMIT].split("\n"):
        if line.startswith("  "):
            below.append(line.rstrip())
            continue
        below = []
        for word, items in found.items():
            if line.startswith(word):
                items.append((line.removeprefix(word).rstrip(), below))

    def texts(word: str) -> tuple[str, ...]:
        return tuple(item for item, _ in found[word])

    errors = [line for first, more in found[ERROR][:1] for line in (first, *_behind_bar(more))]
    return one._replace(
        failures=tuple(_read_failure(item)._replace(lines=_behind_bar(lines)) for item, lines in found[TASK]),
        runs=tuple(run for item, lines in found[RUN] if (run := _read_run(item, lines, trusted))),
        error="\n".join(errors) or None,
        command=next(iter(texts(COMMAND)), None),
        elsewhere=texts(OTHER),
        retried=texts(RETRIED),
        flaky=texts(FLAKY),
        fixed=texts(FIXED),
        logs=next((url for url in texts(LOGS) if url == ARTIFACTS or (URL.fullmatch(url) and trusted(url))), ""),
    )


def _behind_bar(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(line[len(BAR) :] for line in lines if line.startswith(BAR.rstrip()))


def _read_failure(text: str) -> Failure:
    name, _, rest = text[:-1].rpartition(" (") if text.endswith(")") else (text, "", "")
    parts = rest.split(", ")
    known = True if "known" in parts else False if "new" in parts else None
    return Failure(name, (), seconds_of(parts[0]), "flaky" in parts, known)


def _read_run(text: str, below: Sequence[str], trusted: Callable[[str], bool]) -> RunLine | None:
    found = _RUN_LINE.fullmatch(text)
    status = next((status for status, word in _RUN_WORDS.items() if found and found[2] == word), None)
    if not found or not status:
        return None
    executed, cached, failed, not_run = (int(found[at] or 0) for at in range(3, 7))
    url = next((line.strip() for line in below), "")
    link = Link(url, live=True) if URL.fullmatch(url) and trusted(url) else None
    seconds = seconds_of(found[7] or "")
    return RunLine(found[1], status, executed, cached, failed, not_run, seconds, bool(found[8]), link)


# --- lengths ----------------------------------------------------------------------------------------------------------


def units(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "replace")) // 2


def short(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis."""
    if units(text) <= limit:
        return text
    return text.encode("utf-16-le", "replace")[: 2 * (limit - 1)].decode("utf-16-le", "ignore").rstrip() + "…"


def milliseconds(seconds: float) -> int:
    """As a field or a `DURATION` holds it."""
    return round(seconds * 1000)
