"""Cache hits, and the time that they saved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from pipe.insights import summarise
from pipe.insights.cache import Cache, Saved, cache, saved
from pipe.insights.durations import BuildDurations
from pipe.model import CacheStatus, TaskStatus
from test.language import runs as read
from test.unit.test_insights_graph import ANY_RUNS, run, task

if TYPE_CHECKING:
    from pipe.model import Run, Task


def hit(name: str, hash_: str | None = "h", took: float = 0.05) -> Task:
    """A task taken from the local cache."""
    return task(name, 0, took, cache=CacheStatus.LOCAL, hash=hash_)


def build(number: int, seconds: float, name: str = "lib:build", hash_: str = "other") -> BuildDurations:
    """Another build that executed one task."""
    return BuildDurations(number, {name: seconds}, {(name, hash_): seconds})


def test_hits_of_what_is_cacheable() -> None:
    """Hits are counted by where they came from; what came from a cache is cacheable, and what is recorded as such."""
    found = cache(
        [
            run(
                hit("a:build"),
                task("b:build", 0, 1, cache=CacheStatus.REMOTE, cacheable=True),
                task("c:build", 0, 1, cacheable=True),
                task("d:deploy", 0, 1, cacheable=False),
                task("e:test", 0, 1, cacheable=True, status=TaskStatus.FAILURE),
                task("f:build", 0, 1, cache=None, status=TaskStatus.NOT_RUN),
            )
        ]
    )
    assert found == Cache(local=1, remote=1, cacheable=4)
    assert found.hits == 2


def test_cacheable_is_not_guessed() -> None:
    """Where a source does not say whether an executed task may be cached, there is no number of those that may."""
    assert cache([run(hit("a:build"), task("b:build", 0, 1))]) == Cache(1, 0, None)
    assert cache([run(hit("a:build"), hit("b:build"))]) == Cache(2, 0, 2)


def test_no_source_tells_of_a_cache() -> None:
    """Without a word on any task's cache nothing is counted."""
    assert cache(read("nx test\n  a:test success 2s\n  b:test failure")) is None
    assert cache([]) is None
    assert saved(read("nx test\n  a:test success 2s")) is None


@given(ANY_RUNS)
def test_counts_agree_with_the_answer(runs: tuple[Run, ...]) -> None:
    """The hits are those of the report's first line, and never more than what is cacheable, nor that than all tasks."""
    summary = summarise(runs, None)
    found = cache(runs)
    if found is None:
        assert summary.cached == 0
        return
    assert found.hits == summary.cached
    assert found.cacheable is None or found.hits <= found.cacheable <= summary.total


def test_measured_in_another_run_of_the_build() -> None:
    """A hit saved what executing the same hash took in this build, not what taking it from the cache took."""
    found = saved([run(task("lib:build", 0, 60, hash="h")), run(hit("lib:build", "h", took=40))])
    assert found == Saved(60.0, tasks=1, hits=1, same_hash=1, usual=0)


@pytest.mark.parametrize(
    "executed",
    [
        task("lib:build", 0, 60, hash="another"),
        task("lib:test", 0, 60, hash="h"),
        task("lib:build", 0, 60, hash="h", status=TaskStatus.FAILURE),
        task("lib:build", 0, 60, hash="h", cache=CacheStatus.REMOTE),
        task("lib:build", 0, 60, hash="h", cache=None),
        task("lib:build", 60, 0, hash="h"),
        task("lib:build", 0, 60, hash="h", end=None),
    ],
)
def test_what_was_not_measured(executed: Task) -> None:
    """Another hash, task or result, a cache hit, and what has no times, are no measure."""
    assert saved([run(executed), run(hit("lib:build"))]) is None


def test_measured_in_another_build() -> None:
    """The same hash in another build's report.json is a measure, one build is enough, and several are their median."""
    runs = [run(hit("lib:build", "h"), hit("web:build", "h"))]
    builds = [build(1, 10, hash_="h"), build(2, 30, hash_="h"), build(3, 14, hash_="h")]
    assert saved(runs, builds[:1]) == Saved(10.0, tasks=1, hits=2, same_hash=1, usual=0)
    assert saved(runs, builds) == Saved(14.0, tasks=1, hits=2, same_hash=1, usual=0)


def test_this_build_before_others() -> None:
    """What was measured in this build counts before what another measured."""
    runs = [run(task("lib:build", 0, 60, hash="h")), run(hit("lib:build"))]
    assert saved(runs, [build(1, 10, hash_="h")]) == Saved(60.0, tasks=1, hits=1, same_hash=1, usual=0)


def test_usual_time() -> None:
    """Without the hash it is the median of at least five other builds, and is counted as such."""
    runs = [run(hit("lib:build", None))]
    builds = [build(number, seconds) for number, seconds in enumerate((7, 5, 90, 6, 8), 1)]
    assert saved(runs, builds) == Saved(7.0, tasks=1, hits=1, same_hash=0, usual=1)
    assert saved(runs, builds[:4]) is None
    assert saved(runs, builds, current=3) is None


@given(ANY_RUNS)
def test_nothing_is_saved_that_was_not_measured(runs: tuple[Run, ...]) -> None:
    """At most the hits are measured, and without executed tasks no time is saved, however long the hits took."""
    found = saved(runs)
    if found:
        assert 1 <= found.tasks == found.same_hash <= found.hits == summarise(runs, None).cached
    replayed = [
        replace(each, tasks=tuple(one for one in each.tasks if one.cache is not CacheStatus.MISS)) for each in runs
    ]
    assert saved(replayed) is None
