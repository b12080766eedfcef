"""The critical path, the slowest tasks, and how many ran at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipe.insights.graph import critical_path, critical_paths
from pipe.insights.latest import seconds
from pipe.insights.times import parallelism, slowest
from pipe.model import CacheStatus, Run, RunReport, RunStatus, Task, TaskStatus
from test.language import START

if TYPE_CHECKING:
    from random import Random

NAMES = [f"{project}:{target}" for project in "abcd" for target in ("lint", "build")]


def at(second: float) -> timedelta:
    """Seconds since the run began."""
    return timedelta(seconds=second)


def task(name: str, start: float, end: float, dependencies: tuple[str, ...] | None = None, /, **other: object) -> Task:
    """A task that was executed between two seconds of the run."""
    status = TaskStatus.SUCCESS
    made = Task(name, status, cache=CacheStatus.MISS, start=START + at(start), end=START + at(end))
    return replace(made, dependencies=dependencies, **other)  # type: ignore[arg-type]


def run(*tasks: Task, **other: object) -> Run:
    """A run of these tasks."""
    return replace(Run(RunStatus.SUCCEEDED, tasks=tasks), **other)  # type: ignore[arg-type]


@st.composite
def any_task(draw: st.DrawFn, name: str, dependencies: st.SearchStrategy[tuple[str, ...] | None]) -> Task:
    """A task as a record may have it, which somebody else wrote: ends before starts, cycles and unknown names too."""
    moment = st.none() | st.integers(-2000, 20_000).map(lambda ms: START + timedelta(milliseconds=ms))
    return Task(
        name,
        draw(st.sampled_from(TaskStatus)),
        cache=draw(st.none() | st.sampled_from(CacheStatus)),
        start=draw(moment),
        end=draw(moment),
        hash=draw(st.none() | st.sampled_from(["h1", "h2"])),
        flaky=draw(st.integers(0, 9)) == 0,
        cacheable=draw(st.none() | st.booleans()),
        dependencies=draw(dependencies),
    )


@st.composite
def any_run(draw: st.DrawFn) -> Run:
    """Any run."""
    known = st.lists(st.sampled_from([*NAMES, "gone:build"]), max_size=4).map(tuple)
    dependencies = draw(st.sampled_from([known, st.none(), st.none() | known]))
    names = draw(st.lists(st.sampled_from(NAMES), max_size=8, unique=True))
    return Run(RunStatus.SUCCEEDED, tasks=tuple(draw(any_task(name, dependencies)) for name in names))


ANY_RUNS = st.lists(any_run(), max_size=4).map(tuple)


def test_longest_chain_of_dependencies() -> None:
    """The path is the chain with the longest work, not the one with the most tasks, nor what merely ran before."""
    path = critical_path(
        run(
            task("lib:build", 0, 4, ()),
            task("lib:lint", 0, 1, ()),
            task("web:lint", 1, 9, ()),
            task("cart:build", 5, 9, ("lib:build",)),
            task("web:build", 9, 10, ("lib:lint", "cart:build")),
        ),
        3,
    )
    assert path is not None
    assert (path.run, path.source) == (3, "dependencies")
    assert path.tasks == ("lib:build", "cart:build", "web:build")
    assert (path.length, path.seconds, path.window, path.gain) == (3, 9.0, 10.0, 1.0)


def test_gain_of_waiting_for_a_slot() -> None:
    """Three independent tasks one after the other could have run at once."""
    path = critical_path(run(task("a:test", 0, 3, ()), task("b:test", 3, 5, ()), task("c:test", 5, 7, ())))
    assert path is not None
    assert (path.tasks, path.seconds, path.gain) == (("a:test",), 3.0, 4.0)


def test_path_from_times() -> None:
    """Without dependencies it is the longest chain of tasks that did not overlap; what is to gain is not known."""
    path = critical_path(
        run(
            task("a:build", 0, 4),
            task("b:build", 0, 2),
            task("b:test", 3, 7),
            task("a:test", 4, 6),
            task("z:e2e", 6, 9),
        )
    )
    assert path is not None
    assert path.source == "times"
    assert path.tasks == ("a:build", "a:test", "z:e2e")
    assert (path.seconds, path.window, path.gain) == (9.0, 9.0, None)


def test_one_task_without_dependencies_known() -> None:
    """Where the dependencies of one task are not recorded the graph is not known."""
    path = critical_path(run(task("a:build", 0, 1, ()), task("b:build", 1, 2, None)))
    assert path is not None
    assert path.source == "times"


def test_nx_says_it() -> None:
    """Without recorded dependencies Nx's own figure counts, whether or not there are times."""
    report = RunReport(critical_path=832.0, critical_tasks=3, recoverable=12.0)
    for tasks, window in (((), None), ((task("a:build", 0, 844),), 844.0)):
        path = critical_path(run(*tasks, report=report))
        assert path is not None
        assert (path.source, path.tasks, path.length) == ("nx", (), 3)
        assert (path.seconds, path.window, path.gain) == (832.0, window, 12.0)


def test_recorded_dependencies_before_nx() -> None:
    """Recorded dependencies name the tasks, which Nx does not."""
    path = critical_path(run(task("a:build", 0, 1, ()), report=RunReport(critical_path=1.0, critical_tasks=1)))
    assert path is not None
    assert path.tasks == ("a:build",)


@pytest.mark.parametrize(
    "tasks",
    [
        (),
        (Task("a:build", TaskStatus.SUCCESS),),
        (Task("a:build", TaskStatus.SUCCESS, start=START),),
        (task("a:build", 2, 1, ()),),
        (task("a:build", 0, 1, (), status=TaskStatus.NOT_RUN),),
    ],
)
def test_nothing_measured(tasks: tuple[Task, ...]) -> None:
    """Without the times of any task there is no path, and no tasks at once."""
    assert critical_path(run(*tasks)) is None
    assert critical_paths([run(*tasks)]) == ()
    assert slowest([run(*tasks)]) == ()
    assert parallelism([run(*tasks)]) is None


def test_cycle_and_missing_tasks() -> None:
    """A task that waits for itself, for one that waits for it, or for one that is not there has no effect."""
    path = critical_path(
        run(
            task("a:build", 0, 2, ("b:build", "a:build", "gone:build")),
            task("b:build", 2, 3, ("a:build", "b:build")),
            Task("c:build", TaskStatus.NOT_RUN, dependencies=("b:build",)),
        )
    )
    assert path is not None
    assert (path.tasks, path.seconds) == (("a:build", "b:build"), 3.0)


def test_server_is_not_waited_for() -> None:
    """A task that runs on beyond the one that depends on it is not on the path before it."""
    path = critical_path(run(task("web:serve", 0, 10, ()), task("web:e2e", 1, 9, ("web:serve",))))
    assert path is not None
    assert (path.tasks, path.seconds) == (("web:serve",), 10.0)


def test_shared_time_counts_once() -> None:
    """Where the clock says that a task began before its dependency ended, that time is not counted twice."""
    path = critical_path(run(task("a:build", 0, 5, ()), task("b:build", 4.5, 8, ("a:build",))))
    assert path is not None
    assert (path.tasks, path.seconds, path.gain) == (("a:build", "b:build"), 8.0, 0.0)


def test_deep_graph() -> None:
    """A chain of ten thousand tasks needs no recursion."""
    tasks = [task(f"p{i}:build", i, i + 1, (f"p{i - 1}:build",) if i else ()) for i in range(10_000)]
    for some in (tasks, [replace(one, dependencies=None) for one in tasks]):
        path = critical_path(run(*some))
        assert path is not None
        assert (path.length, path.seconds) == (10_000, 10_000.0)


@given(ANY_RUNS)
def test_no_path_is_longer_than_its_run(runs: tuple[Run, ...]) -> None:
    """A path takes at most the time from the first start to the last end, so that the gain is never negative."""
    for path in critical_paths(runs):
        timed = [
            one for one in runs[path.run].tasks if seconds(one) is not None and one.status is not TaskStatus.NOT_RUN
        ]
        window = max(one.end for one in timed if one.end) - min(one.start for one in timed if one.start)
        assert path.window == window.total_seconds()
        assert max(seconds(one) or 0 for one in timed) <= path.seconds <= path.window
        assert path.gain is None or path.gain == pytest.approx(path.window - path.seconds)
        assert path.gain is None or path.gain >= 0


@given(ANY_RUNS)
def test_path_is_a_chain(runs: tuple[Run, ...]) -> None:
    """Each task on a path depends on the one before, or, from times alone, began when that had ended or later."""
    for path in critical_paths(runs):
        by_id = {one.id: one for one in runs[path.run].tasks}
        assert len(set(path.tasks)) == len(path.tasks) == path.length
        for before, after in zip(path.tasks, path.tasks[1:], strict=False):
            one, other = by_id[before], by_id[after]
            if path.source == "dependencies":
                assert before in (other.dependencies or ())
            else:
                assert one.end is not None
                assert other.start is not None
                assert one.end <= other.start


@given(any_run(), st.randoms(use_true_random=False))
def test_order_of_tasks_changes_nothing(one: Run, random: Random) -> None:
    """However a source orders the tasks and their dependencies, the figures are the same."""
    tasks = [
        replace(
            each, dependencies=each.dependencies and tuple(random.sample(each.dependencies, len(each.dependencies)))
        )
        for each in one.tasks
    ]
    random.shuffle(tasks)
    other = replace(one, tasks=tuple(tasks))
    assert critical_path(other) == critical_path(one)
    assert slowest([other]) == slowest([one])
    assert parallelism([other]) == parallelism([one])


@given(any_run())
def test_dependencies_never_make_a_path_longer_than_times_do(one: Run) -> None:
    """Where nothing overlapped with what it waited for, the path from times is at least as long as the true one."""
    ends = {each.id: each.end for each in one.tasks}
    honest = tuple(
        replace(
            each,
            dependencies=tuple(
                name for name in each.dependencies or () if (end := ends.get(name)) and each.start and end <= each.start
            ),
        )
        for each in one.tasks
    )
    true = critical_path(replace(one, tasks=honest))
    guessed = critical_path(replace(one, tasks=tuple(replace(each, dependencies=None) for each in honest)))
    assert (true is None) == (guessed is None)
    if true and guessed:
        assert true.seconds <= guessed.seconds


def test_slowest() -> None:
    """The slowest are executed tasks, each once with its longest time, whatever became of them; at most ten."""
    first = run(
        *(task(f"p{i}:test", 0, i + 1) for i in range(12)),
        task("hit:build", 0, 99, cache=CacheStatus.LOCAL),
        task("stuck:e2e", 0, 50, status=TaskStatus.STOPPED),
    )
    found = slowest([first, run(task("p0:test", 0, 20))])
    assert found[:3] == (("stuck:e2e", 0, 50.0), ("p0:test", 1, 20.0), ("p11:test", 0, 12.0))
    assert len(found) == 10


def test_parallelism() -> None:
    """Steps say how many ran from when on; a pause between runs is none of the time that the average is over."""
    found = parallelism([run(task("a:build", 0, 4), task("b:build", 1, 3)), run(task("c:build", 10, 12))])
    assert found is not None
    assert found.start == START
    assert found.steps == ((0.0, 1), (1.0, 2), (3.0, 1), (4.0, 0), (10.0, 1), (12.0, 0))
    assert found.average == pytest.approx(8 / 6)
    assert found.peak == 2


def test_one_after_the_other_is_no_two_at_once() -> None:
    """A task that begins at the moment at which another ends does not run beside it."""
    found = parallelism([run(task("a:build", 0, 1), task("b:build", 1, 2), task("hit:build", 1, 1))])
    assert found is not None
    assert (found.steps, found.average, found.peak) == (((0.0, 1), (2.0, 0)), 1.0, 1)


def test_many_changes_are_few_steps() -> None:
    """However many tasks there are, there are at most 200 steps, and the peak is among them."""
    found = parallelism([run(*(task(f"p{i}:test", i / 7, i / 7 + 1 + i % 5) for i in range(3000)))])
    assert found is not None
    assert len(found.steps) <= 200
    assert max(running for _, running in found.steps) == found.peak


@given(ANY_RUNS)
def test_parallelism_adds_up(runs: tuple[Run, ...]) -> None:
    """The average is at least one and at most the peak; under the steps lies all the time that tasks took."""
    found = parallelism(runs)
    took = sum(seconds(one) or 0 for each in runs for one in each.tasks if one.status is not TaskStatus.NOT_RUN)
    if found is None:
        assert took == 0
        return
    assert 1 <= found.average <= found.peak
    area = sum(
        level * (after - start) for (start, level), (after, _) in zip(found.steps, found.steps[1:], strict=False)
    )
    assert area == pytest.approx(took)
    assert found.steps[-1][1] == 0
