"""Everything that the runs tell beyond their result. Pure.

Each figure is defined where it is made; one that cannot be told is None or empty, and then not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipe.insights.cache import Cache, Saved, cache, saved
from pipe.insights.comparison import Comparison, compare
from pipe.insights.durations import Change, changes
from pipe.insights.flaky import Flaky, flaky
from pipe.insights.graph import CriticalPath, critical_paths
from pipe.insights.times import Parallelism, Slow, parallelism, slowest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipe.insights import Summary
    from pipe.insights.comparison import Baseline
    from pipe.insights.durations import BuildDurations
    from pipe.model import TaskStatus


class Insights(NamedTuple):
    """What the runs tell beyond their result; `comparison` is None where there is no baseline yet."""

    cache: Cache | None = None
    saved: Saved | None = None
    critical_paths: tuple[CriticalPath, ...] = ()
    slowest: tuple[Slow, ...] = ()
    parallelism: Parallelism | None = None
    flaky: tuple[Flaky, ...] = ()
    comparison: Comparison | None = None
    slower: tuple[Change, ...] = ()
    faster: tuple[Change, ...] = ()


def insights(
    summary: Summary,
    *,
    history_outcomes: Mapping[str, Collection[TaskStatus]] | None = None,
    compared: Baseline | None = None,
    durations: Sequence[BuildDurations] = (),
    build: int | None = None,
) -> Insights:
    """Derive everything from a summary's runs.

    `history_outcomes` has the outcomes of each hash in Nx's task history, `compared` what failed on the destination
    branch, `durations` what tasks took in other builds. `build` is this build's number, whose own files do not count
    as another build's.
    """
    runs = summary.runs
    changed = changes(runs, durations, build)
    unstable = flaky(runs, history_outcomes or {}, frozenset(summary.retried))
    return Insights(
        cache=cache(runs),
        saved=saved(runs, durations, build),
        critical_paths=critical_paths(runs),
        slowest=slowest(runs),
        parallelism=parallelism(runs),
        flaky=unstable,
        comparison=compare(summary, compared, {*summary.flaky, *(one.id for one in unstable)}),
        slower=changed.slower,
        faster=changed.faster,
    )
