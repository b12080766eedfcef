"""The answer in one sentence, said once for the comment, the build status and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipe.insights import Answer, Summary
from pipe.model import RunStatus
from pipe.render.text import count, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipe.insights.comparison import Comparison

SYMBOLS = {
    Answer.SUCCEEDED: "✓",
    Answer.TASKS_FAILED: "✗",
    Answer.RUN_FAILED: "✗",
    Answer.STEP_FAILED: "✗",
    Answer.TIMED_OUT: "✗",
    Answer.CANCELED: "■",
    Answer.IN_PROGRESS: "…",
    Answer.NO_TASKS: "–",
    Answer.NOTHING_RAN: "?",
}


class Facts(NamedTuple):
    """What the sentence is made of.

    `against` is the destination branch that failures were compared with: `new` of them don't fail there, `known` do.
    `failed` is how many tasks failed, `ids` names them as far as they are known; `reason` is nx's own where a run
    failed, `ended` says that every run did, and well.
    """

    answer: Answer
    total: int = 0
    failed: int = 0
    ids: Sequence[str] = ()
    cached: int = 0
    not_run: int = 0
    retried: Sequence[str] = ()
    flaky: Sequence[str] = ()
    seconds: float | None = None
    exit_code: str | None = None
    reason: str | None = None
    ended: bool = True
    nx_may_have_run: bool = False
    against: str = ""
    new: int = 0
    known: int = 0


def answer(
    summary: Summary, quote: Callable[[str], str], names: int, comparison: Comparison | None = None
) -> tuple[str, str]:
    """The sentence on a summary, as `sentence` gives it."""
    failed_runs = (run for run in summary.runs if run.status is RunStatus.FAILED)
    facts = Facts(
        answer=summary.answer,
        total=summary.total,
        failed=len(summary.failed),
        ids=[task.id for task in summary.failed],
        cached=summary.cached,
        not_run=len(summary.not_run),
        retried=summary.retried,
        flaky=summary.flaky,
        seconds=summary.seconds,
        exit_code=summary.exit_code,
        reason=next((error for run in failed_runs for error in run.errors), None),
        ended=all(run.status is RunStatus.SUCCEEDED for run in summary.runs),
        nx_may_have_run=summary.nx_may_have_run,
        against=comparison.branch if comparison else "",
        new=len(comparison.new) if comparison else 0,
        known=len(comparison.known) if comparison else 0,
    )
    return sentence(facts, quote, names)


def sentence(facts: Facts, quote: Callable[[str], str], names: int) -> tuple[str, str]:
    """The sentence as its head, which alone is an answer, and the rest, which begins with its own separator.

    `quote` makes a name or a message from the checkout safe for where the sentence goes; lists show `names` names.
    """
    head, rest = _sentence(facts, quote, names)
    return head, rest + besides(facts, quote, names)


def besides(facts: Facts, quote: Callable[[str], str], names: int) -> str:
    """What stands after the answer, whatever it is: tasks that were not run, what is new of it, and flaky ones."""
    rest = f" ({facts.not_run:,} not run)" if facts.not_run else ""
    if facts.known and facts.known == facts.failed:
        rest += f" · failing on {quote(facts.against)} too"
    elif facts.new:
        rest += " · new" if facts.new == facts.failed else f" · {facts.new:,} new"
    if facts.retried:
        rest += f" · flaky, passed on retry: {listed(facts.retried, quote, names)}"
    if flaky := [name for name in facts.flaky if name not in facts.retried]:
        rest += f" · flaky: {listed(flaky, quote, names)}"
    return rest


def _sentence(facts: Facts, quote: Callable[[str], str], names: int) -> tuple[str, str]:
    tasks = count(facts.total, "task")
    match facts.answer:
        case Answer.TASKS_FAILED:
            head = f"{facts.failed:,} of {tasks} failed"
            return (f"{head}:", f" {listed(facts.ids, quote, names, facts.failed)}") if facts.ids else (head, "")
        case Answer.RUN_FAILED:
            if facts.reason:
                return "nx failed:", f" {quote(facts.reason)}"
            return "nx failed", f" after {tasks} succeeded" if facts.total else ""
        case Answer.STEP_FAILED:
            when = f"after {tasks} succeeded" if facts.ended else f"before nx ended · {tasks} so far"
            return f"the step failed ({ended(facts.exit_code)})", f" {when}"
        case Answer.SUCCEEDED if facts.total:
            cached = f", {facts.cached:,} from the cache" if facts.cached else ""
            return f"{tasks} succeeded", cached + (f", in {duration(facts.seconds)}" if facts.seconds else "")
        case Answer.SUCCEEDED:
            return "succeeded", ""
        case Answer.NO_TASKS:
            return "no task was run", " · nx found nothing to do"
        case Answer.NOTHING_RAN if facts.exit_code not in (None, "0"):
            when = "" if facts.nx_may_have_run else " before Nx ran"
            return "no run found", f" · the step failed ({ended(facts.exit_code)}){when}"
        case Answer.NOTHING_RAN:
            return "no run found", ""
    word = {Answer.TIMED_OUT: "timed out", Answer.CANCELED: "stopped"}.get(facts.answer, "running")
    return word, f" · {tasks} so far" if facts.total else ""


def ended(exit_code: str | None) -> str:
    """How a step ended: its exit code, or the CI's word for it."""
    return f"exit {exit_code}" if exit_code is None or exit_code.lstrip("-").isdigit() else exit_code


def listed(ids: Sequence[str], quote: Callable[[str], str], limit: int, total: int = 0) -> str:
    """The first `limit` names, and how many more there are of `total`, or of those given."""
    more = max(total, len(ids)) - min(len(ids), limit)
    return ", ".join(quote(name) for name in ids[:limit]) + (f" and {more:,} more" if more > 0 else "")
