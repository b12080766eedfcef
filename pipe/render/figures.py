"""Insights in a few words, for the comment and the log. Pure.

What is not known is not said; what is too small to matter is not either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.render.answer import listed
from pipe.render.text import count, duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipe.insights.cache import Cache, Saved
    from pipe.insights.comparison import Comparison
    from pipe.insights.derive import Insights
    from pipe.insights.durations import Change
    from pipe.insights.graph import CriticalPath
    from pipe.insights.times import Parallelism, Slow

    Quote = Callable[[str], str]

_FEW = 3  # tasks of a kind that are named
_WORTH_IT = 1.0  # seconds


def figures(insights: Insights, quote: Quote) -> list[str]:
    """The figures, the most useful first, each a few words."""
    return [
        *([_cache(insights.cache)] if insights.cache and (insights.cache.hits or insights.cache.cacheable) else []),
        *([_saved(insights.saved)] if insights.saved and insights.saved.seconds >= _WORTH_IT else []),
        *_path(insights.critical_paths),
        *_slowest(insights.slowest, quote),
        *(_parallelism(insights.parallelism) if any(one.seconds >= _WORTH_IT for one in insights.slowest) else []),
        *([f"slower than usual: {_changes(insights.slower, quote)}"] if insights.slower else []),
        *([f"faster than usual: {_changes(insights.faster, quote)}"] if insights.faster else []),
    ]


def flaky(insights: Insights, quote: Quote, names: int) -> str:
    """Which tasks are flaky and why, "" where none is."""
    if not insights.flaky:
        return ""
    known = [f"{quote(one.id)} ({one.why})" for one in insights.flaky]
    return f"Flaky: {listed(known, str, names)}"


def compared(comparison: Comparison | None, branch: str, quote: Quote, names: int) -> str:
    """How the failures compare with those on the destination branch of that name."""
    if comparison is None:
        return f"No baseline yet on {quote(branch)}" if branch else ""
    return against(
        quote(comparison.branch) + f" at {quote(comparison.commit[:12])}",
        (len(comparison.new), len(comparison.known), len(comparison.unknown), len(comparison.flaky)),
        comparison.fixed,
        quote,
        names,
    )


def against(branch: str, failed: tuple[int, int, int, int], fixed: tuple[str, ...], quote: Quote, names: int) -> str:
    """The comparison in words. `failed` counts what is new, what fails there too, what may be either, what is flaky."""
    new, known, unknown, flaky = failed
    parts = [
        *([f"{new:,} newly failing"] if new else []),
        *([f"{known:,} still failing"] if known else []),
        *([f"{unknown:,} failing here, not known there"] if unknown else []),
        *([f"{flaky:,} flaky"] if flaky else []),
        *([f"{len(fixed):,} fixed: {listed(fixed, quote, names)}"] if fixed else []),
    ]
    return f"Against {branch}: {', '.join(parts) or 'no difference'}"


def _cache(cache: Cache) -> str:
    kinds = f" ({cache.local:,} local, {cache.remote:,} remote)" if cache.remote else ""
    total = f" of {cache.cacheable:,} cacheable" if cache.cacheable is not None else ""
    return f"{cache.hits:,}{total} from the cache{kinds}"


def _saved(saved: Saved) -> str:
    part = "" if saved.tasks == saved.hits else f" (measured for {saved.tasks:,} of {saved.hits:,})"
    return f"the cache saved {duration(saved.seconds)} of work{part}"


def _path(paths: tuple[CriticalPath, ...]) -> list[str]:
    longest = max(paths, key=lambda one: one.seconds, default=None)
    if longest is None or longest.seconds < _WORTH_IT:
        return []
    known = longest.source != "times"
    text = f"critical path {'' if known else 'at most '}{duration(longest.seconds)}"
    text += f" over {count(longest.length, 'task')}" if longest.length and known else ""
    text += "" if known else " (from times alone)"
    if longest.gain is not None and longest.gain >= _WORTH_IT:
        text += f", at most {duration(longest.gain)} to gain"
    return [text]


def _slowest(slowest: tuple[Slow, ...], quote: Quote) -> list[str]:
    worth = [one for one in slowest if one.seconds >= _WORTH_IT][:_FEW]
    return [f"slowest: {', '.join(f'{quote(one.id)} {duration(one.seconds)}' for one in worth)}"] if worth else []


def _parallelism(found: Parallelism | None) -> list[str]:
    if found is None or found.peak < 2:  # noqa: PLR2004 - one at a time is none
        return []
    return [f"{found.average:.1f} tasks at once, {found.peak:,} at most"]


def _changes(changes: tuple[Change, ...], quote: Quote) -> str:
    shown = [f"{quote(one.id)} {duration(one.seconds)}, usually {duration(one.usual)}" for one in changes[:_FEW]]
    return "; ".join(shown)
