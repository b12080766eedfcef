"""The answer in one sentence, said once for the comment, the build status and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.insights import Answer, Summary
from pipe.model import RunStatus
from pipe.render.text import count, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def answer(summary: Summary, quote: Callable[[str], str], names: int) -> tuple[str, str]:
    """The sentence as its head, which alone is an answer, and the rest, which begins with its own separator.

    `quote` makes a name or a message from the checkout safe for where the sentence goes; lists show `names` names.
    """
    head, rest = _sentence(summary, quote, names)
    if summary.not_run:
        rest += f" ({len(summary.not_run):,} not run)"
    if summary.retried:
        rest += f" · flaky, passed on retry: {_list(summary.retried, quote, names)}"
    if flaky := [name for name in summary.flaky if name not in summary.retried]:
        rest += f" · flaky: {_list(flaky, quote, names)}"
    return head, rest


def _sentence(summary: Summary, quote: Callable[[str], str], names: int) -> tuple[str, str]:
    tasks = count(summary.total, "task")
    match summary.answer:
        case Answer.TASKS_FAILED:
            failed = _list([task.id for task in summary.failed], quote, names)
            return f"{len(summary.failed):,} of {tasks} failed:", f" {failed}"
        case Answer.RUN_FAILED:
            failed_runs = (run for run in summary.runs if run.status is RunStatus.FAILED)
            reason = next((error for run in failed_runs for error in run.errors), None)
            if reason:
                return "nx failed:", f" {quote(reason)}"
            return "nx failed", f" after {tasks} succeeded" if summary.total else ""
        case Answer.STEP_FAILED:
            ended = all(run.status is RunStatus.SUCCEEDED for run in summary.runs)
            when = f"after {tasks} succeeded" if ended else f"before nx ended · {tasks} so far"
            return f"the step failed (exit {summary.exit_code})", f" {when}"
        case Answer.SUCCEEDED if summary.total:
            cached = f", {summary.cached:,} from the cache" if summary.cached else ""
            return f"{tasks} succeeded", cached + (f", in {duration(summary.seconds)}" if summary.seconds else "")
        case Answer.SUCCEEDED:
            return "succeeded", ""
        case Answer.NO_TASKS:
            return "no task was run", " · nx found nothing to do"
        case Answer.NOTHING_RAN if summary.exit_code not in (None, "0"):
            when = "" if summary.nx_may_have_run else " before Nx ran"
            return "no run found", f" · the step failed (exit {summary.exit_code}){when}"
        case Answer.NOTHING_RAN:
            return "no run found", ""
    word = {Answer.TIMED_OUT: "timed out", Answer.CANCELED: "stopped"}.get(summary.answer, "running")
    return word, f" · {tasks} so far" if summary.total else ""


def _list(ids: Sequence[str], quote: Callable[[str], str], limit: int) -> str:
    more = f" and {len(ids) - limit:,} more" if len(ids) > limit else ""
    return ", ".join(quote(name) for name in ids[:limit]) + more
