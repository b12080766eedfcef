"""What holds of merging for every pipeline step: executions are made up, and each source tells its part of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from pipe.model import Link, Run, RunStatus, Task, TaskStatus
from pipe.nx.join import Kind, Source
from pipe.nx.merge import merge

if TYPE_CHECKING:
    from random import Random

START = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
NAMES = [f"{project}:{target}" for project in "abcd" for target in ("lint", "test", "build")]
SEEN = [TaskStatus.SUCCESS, TaskStatus.FAILURE, TaskStatus.STOPPED]


class Step(NamedTuple):
    """What really ran, in its order, and the sources that tell of it."""

    runs: tuple[Run, ...]
    sources: tuple[Source, ...]


def status_of(tasks: tuple[Task, ...]) -> RunStatus:
    """How a run of these tasks ended."""
    kinds = {task.status for task in tasks}
    if TaskStatus.FAILURE in kinds:
        return RunStatus.FAILED
    return RunStatus.CANCELED if TaskStatus.STOPPED in kinds else RunStatus.SUCCEEDED


@st.composite
def truth(draw: st.DrawFn, number: int) -> Run:
    """A run: command `number` of the step. No two runs of a step took nearly the same time."""
    start = START + timedelta(hours=number)
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=6))
    tasks = tuple(
        Task(
            name,
            draw(st.sampled_from(SEEN)),
            target=name.partition(":")[2],
            start=start + timedelta(milliseconds=10 * at + 1),
            end=start + timedelta(milliseconds=10 * at + 900),
            hash=f"{number}{at}",
        )
        for at, name in enumerate(names)
    )
    targets = tuple(dict.fromkeys(task.target or "" for task in tasks))
    return Run(
        status_of(tasks),
        tasks=tasks,
        command=f"nx run-many -t {' '.join(targets)}",
        targets=targets,
        start=start,
        end=start + timedelta(seconds=15 * 2 ** (number + 1)),
        link=Link(f"https://cloud.nx.app/runs/AbCdEf{number:04}", live=True),
    )


def recorded(run: Run, name: str) -> Run:
    """The run as a record has it."""
    return replace(run, link=None, targets=(), sources=(name,))


def printed(run: Run, name: str, *, linked: bool) -> Run:
    """The run as a log has it: no command, no times but its duration."""
    tasks = tuple(replace(task, start=None, end=None, hash=None, target=None) for task in run.tasks)
    link = run.link if linked else None
    return replace(
        run, tasks=tasks, command=None, start=None, end=None, seconds=run.duration, link=link, sources=(name,)
    )


def in_cloud(run: Run) -> Run:
    """The run as Nx Cloud has it: its failed tasks alone."""
    tasks = tuple(Task(task.id, task.status) for task in run.by_status(TaskStatus.FAILURE))
    status = RunStatus.FAILED if tasks else RunStatus.SUCCEEDED
    return Run(status, tasks=tasks, command=run.command, link=run.link, sources=("Nx Cloud",))


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """A step of a few commands: some recorded, run.json of the last, logs of some of them, Nx Cloud of some."""
    count = draw(st.integers(1, 5))
    runs = tuple(draw(truth(number)) for number in range(count))
    told: list[Source] = []
    for at, run in enumerate(runs):
        if draw(st.booleans()):
            told.append(Source(Kind.RECORD, f"{at}.jsonl", (recorded(run, f"{at}.jsonl"),)))
    if draw(st.booleans()):
        told.append(Source(Kind.RUN_JSON, "run.json", (recorded(runs[-1], "run.json"),)))
    linked = draw(st.booleans())
    cuts = draw(st.lists(st.integers(0, count), max_size=2))
    edges = [0, *sorted(cuts), count]
    for low, high in pairwise(edges):
        name = f"{low}.log"
        if low < high and draw(st.booleans()):
            some = tuple(printed(run, name, linked=linked) for run in runs[low:high])
            told.append(Source(Kind.LOG, name, some, runs[high - 1].end))
            if draw(st.booleans()):  # the same once more, in a copy
                told.append(told[-1]._replace(name=f"{low}-copy.log"))
    if linked and draw(st.booleans()):
        told.append(Source(Kind.CLOUD, "Nx Cloud", tuple(in_cloud(run) for run in runs)))
    return Step(runs, tuple(told))


def own(sources: tuple[Source, ...]) -> list[Run]:
    """The merged runs that more than Nx Cloud tells of."""
    return [one.run for one in merge(sources) if any(part.source.kind is not Kind.CLOUD for part in one.parts)]


def seen(step: Step) -> list[Run]:
    """The runs of which any source of the step's own tells."""
    names = {source.runs for source in step.sources if source.kind is not Kind.CLOUD}
    told = {(run.start or run.seconds) for runs in names for run in runs}
    return [run for run in step.runs if run.start in told or run.duration in told]


@given(steps())
@settings(max_examples=400)
def test_every_run_once(step: Step) -> None:
    """Each run of which a source tells is there once, in the order in which they ran."""
    merged = own(step.sources)
    assert [[task.id for task in run.tasks] for run in merged] == [
        [task.id for task in run.tasks] for run in seen(step)
    ]


@given(steps())
@settings(max_examples=400)
def test_no_failure_is_lost(step: Step) -> None:
    """Each failed task of each run that a source tells of is failed, and its run with it; nothing else is."""
    for run, truth_ in zip(own(step.sources), seen(step), strict=True):
        assert run.status is truth_.status
        assert {task.id for task in run.by_status(TaskStatus.FAILURE)} == {
            task.id for task in truth_.by_status(TaskStatus.FAILURE)
        }


@given(steps(), st.data())
@settings(max_examples=400)
def test_the_worst_wins(step: Step, data: st.DataObject) -> None:
    """If one source says of one task that it failed, it failed, whatever the others say."""
    own_sources = [source for source in step.sources if source.kind is not Kind.CLOUD]
    if not own_sources:
        return
    source = data.draw(st.sampled_from(own_sources))
    at = data.draw(st.integers(0, len(source.runs) - 1))
    run = source.runs[at]
    bad = replace(run.tasks[0], status=TaskStatus.FAILURE)
    worse = replace(run, tasks=(bad, *run.tasks[1:]), status=RunStatus.FAILED)
    changed = source._replace(runs=(*source.runs[:at], worse, *source.runs[at + 1 :]))
    merged = own(tuple(changed if one is source else one for one in step.sources))
    hit = [one for one in merged if any(task.id == bad.id and task.status is TaskStatus.FAILURE for task in one.tasks)]
    assert any(one.status is RunStatus.FAILED and set(run.sources) <= set(one.sources) for one in hit)


@given(steps(), st.data())
@settings(max_examples=400)
def test_a_log_that_was_cut(step: Step, data: st.DataObject) -> None:
    """A log that ends within its last run still tells of that run once, and of the failures that it shows."""
    logs = [source for source in step.sources if source.kind is Kind.LOG and not source.name.endswith("copy.log")]
    if not logs:
        return
    log = data.draw(st.sampled_from(logs))
    *whole, last = log.runs
    kept = last.tasks[: data.draw(st.integers(1, len(last.tasks)))]
    shown = tuple(
        task if task.status is TaskStatus.FAILURE else replace(task, status=TaskStatus.STOPPED) for task in kept
    )
    failed = any(task.status is TaskStatus.FAILURE for task in shown)
    status = RunStatus.FAILED if failed else RunStatus.IN_PROGRESS
    cut = replace(last, tasks=shown, status=status, cut=True, seconds=None, link=None)
    others = tuple(source for source in step.sources if not source.name.startswith(log.name.removesuffix(".log")))
    merged = own((*others, log._replace(runs=(*whole, cut))))
    of_log = [one for one in merged if log.name in one.sources]
    assert len(of_log) == len(log.runs)
    assert {task.id for task in shown if task.status is TaskStatus.FAILURE} <= {
        task.id for task in of_log[-1].by_status(TaskStatus.FAILURE)
    }


@given(steps(), st.randoms(use_true_random=False))
@settings(max_examples=400)
def test_the_order_of_sources(step: Step, random: Random) -> None:
    """In whatever order the sources come, the result is one."""
    shuffled = list(step.sources)
    random.shuffle(shuffled)
    assert own(tuple(shuffled)) == own(step.sources)


@given(steps())
@settings(max_examples=400)
def test_merging_twice(step: Step) -> None:
    """Sources told twice change nothing, and neither does merging what is merged."""
    once = [one.run for one in merge(step.sources)]
    assert [one.run for one in merge([*step.sources, *step.sources])] == once
    assert [one.run for one in merge([Source(Kind.LOG, "merged", tuple(once))])] == once


@given(steps())
@settings(max_examples=200)
def test_where_each_value_is_from(step: Step) -> None:
    """Each run names for its values the sources that say so, and no other."""
    names = {source.name for source in step.sources}
    for one in merge(step.sources):
        first, *tasks = one.origins()
        told = {part.rpartition(" from ")[2] for line in (first, *tasks) for part in line.split("; ")}
        assert told <= names | {"several sources together"}
        assert first.startswith("status")
        assert [line.partition(": ")[0] for line in tasks] == [
            task.id for task in one.run.by_status(TaskStatus.FAILURE)
        ]
