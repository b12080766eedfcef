"""What came from a cache, and the time that this saved. Pure.

Both count distinct tasks, each in its last result, as the answer of the report does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipe.insights.durations import median, usually
from pipe.insights.latest import executed, latest
from pipe.model import CacheStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipe.insights.durations import BuildDurations
    from pipe.model import Run


class Cache(NamedTuple):
    """Cache hits, in tasks: distinct ones, each in its last result.

    `local` came from the machine's own cache, `remote` from a shared one, as Nx says in its records, its run.json or
    its log. `cacheable` is how many tasks may come from a cache: what did, and what the recorder wrote down as such.
    It is None, and then no rate is told, where that is not known of every task that has a result.
    """

    local: int
    remote: int
    cacheable: int | None

    @property
    def hits(self) -> int:
        """Tasks whose result came from a cache."""
        return self.local + self.remote


class Saved(NamedTuple):
    """Time that cache hits saved: seconds of work that was not done again, not seconds of waiting.

    `seconds` adds up what executing each of `tasks` took where it was measured: `same_hash` of them with the very hash,
    in another run of this build or in another build's report.json; `usual` of them without it, as the median of at
    least five other builds. `hits` is how many cache hits there are: for the rest nothing was measured and nothing is
    added. What taking a result from the cache took is never used.
    """

    seconds: float
    tasks: int
    hits: int
    same_hash: int
    usual: int


def cache(runs: Iterable[Run]) -> Cache | None:
    """Count the cache hits; None where no source says of any task whether it came from a cache."""
    results = [task for task in latest(runs).values() if task.status is not TaskStatus.NOT_RUN]
    if all(task.cache is None for task in results):
        return None
    known = all(task.cached or task.cacheable is not None for task in results)
    return Cache(
        local=sum(task.cache is CacheStatus.LOCAL for task in results),
        remote=sum(task.cache is CacheStatus.REMOTE for task in results),
        cacheable=sum(bool(task.cached or task.cacheable) for task in results) if known else None,
    )


def saved(runs: Sequence[Run], builds: Sequence[BuildDurations] = (), current: int | None = None) -> Saved | None:
    """Add up the time that cache hits saved; None where nothing was measured. `current` is this build's number."""
    hits = [task for task in latest(runs).values() if task.cached]
    if not hits:
        return None
    wanted = {(task.id, task.hash) for task in hits if task.hash}
    measured: dict[tuple[str, str | None], list[float]] = {}
    for run in runs:
        for task in run.tasks:
            if (task.id, task.hash) in wanted and (took := executed(task)) is not None:
                measured.setdefault((task.id, task.hash), []).append(took)
    here = set(measured)
    for build in builds:
        for key, took in build.hashes.items():
            if key in wanted and key not in here:
                measured.setdefault(key, []).append(took)
    same = [median(measured[task.id, task.hash]) for task in hits if (task.id, task.hash) in measured]
    others = [task.id for task in hits if (task.id, task.hash) not in measured]
    usual = [took for name in others if (took := usually(name, builds, current)) is not None]
    if not same and not usual:
        return None
    return Saved(sum(same) + sum(usual), len(same) + len(usual), len(hits), len(same), len(usual))
