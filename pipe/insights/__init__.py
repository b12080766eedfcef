"""What the runs of a step add up to: the answer for the reader, counted over distinct tasks.

Pure: runs and the step's exit code in, a `Summary` out. Nothing here is formatted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from pipe.insights.latest import latest
from pipe.model import ABORTED, Run, RunStatus, Task, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipe.model import CIPipelineExecution


class Answer(Enum):
    """The result of everything that ran, the worst of all sources."""

    SUCCEEDED = "succeeded"
    TASKS_FAILED = "tasks failed"
    RUN_FAILED = "run failed"  # a run failed and no task says why
    STEP_FAILED = "step failed"  # no run failed, the step did
    TIMED_OUT = "timed out"
    CANCELED = "canceled"
    IN_PROGRESS = "in progress"
    NO_TASKS = "no tasks"  # nx ran and found nothing to do
    NOTHING_RAN = "nothing ran"

    @property
    def failed(self) -> bool:
        """Whether the answer is a failure. Nothing having run is neither a failure nor a success."""
        return self in (Answer.TASKS_FAILED, Answer.RUN_FAILED, Answer.STEP_FAILED, Answer.TIMED_OUT)


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """What a reader is told.

    `failed` holds the failed tasks, each once, in the state of its last failure; `retried` the ids of those that
    failed and then succeeded in a later run of a step that ended well; `flaky` the ids that Nx itself calls flaky;
    `not_run` the ids that were left out because another task failed. `total` counts distinct tasks with a result,
    `cached` those of them taken from a cache in the last run that had them. `seconds` is from the first start to the
    last end where every run has both, else the sum of the runs' durations, None where one is not known.
    `nx_may_have_run` says, where nothing was found, that nx may have run all the same. `execution` is what Nx Cloud
    knows of the pipeline besides `runs`; what failed there is in `failed` and in `total`.
    """

    answer: Answer
    runs: tuple[Run, ...]
    failed: tuple[Task, ...] = ()
    retried: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()
    total: int = 0
    cached: int = 0
    seconds: float | None = None
    exit_code: str | None = None
    nx_may_have_run: bool = False
    execution: CIPipelineExecution | None = None


def summarise(
    runs: Sequence[Run],
    exit_code: str | None,
    execution: CIPipelineExecution | None = None,
    *,
    nx_may_have_run: bool = False,
) -> Summary:
    """Add up the runs of one step, and of the rest of its pipeline what Nx Cloud knows.

    `exit_code` is the step's, None where it is not known; other than "0" it can only make the answer worse, and only
    a known "0" excuses a task that failed before it succeeded. What else the pipeline ran can only make it worse too:
    where steps of it are still running, a later report tells of them.
    """
    others = _other_runs(execution)
    last = latest(runs)
    failures = {task.id: task for run in runs for task in run.by_status(TaskStatus.FAILURE)}
    named = [task for task in last.values() if task.status is not TaskStatus.NOT_RUN]
    retried = tuple(name for name in failures if last[name].status is TaskStatus.SUCCESS and exit_code == "0")
    own = len(failures)
    for run in others:
        for task in run.by_status(TaskStatus.FAILURE):
            failures.setdefault(task.id, task)
    failed = tuple(task for name, task in failures.items() if name not in retried)
    targets = {target for run in (*runs, *others) for target in run.targets}
    failed = tuple(replace(task, target=task.target or _target(task, targets)) for task in failed)
    total = max(len(named), *(run.executed for run in runs)) if runs else sum(run.executed for run in others)
    return Summary(
        answer=_answer(_states(runs, others, execution, frozenset(retried)), failed, exit_code, (*runs, *others)),
        runs=tuple(runs),
        failed=failed,
        retried=retried,
        flaky=tuple(dict.fromkeys(task.id for run in runs for task in run.tasks if task.flaky)),
        not_run=tuple(name for name, task in last.items() if task.status is TaskStatus.NOT_RUN),
        total=total + (len(failures) - own if runs else 0),
        cached=sum(task.cached for task in named),
        seconds=_seconds(runs),
        exit_code=exit_code,
        nx_may_have_run=nx_may_have_run,
        execution=execution,
    )


def _other_runs(execution: CIPipelineExecution | None) -> list[Run]:
    return [run for group in execution.run_groups for run in group.runs] if execution else []


def _states(
    runs: Sequence[Run], others: Sequence[Run], execution: CIPipelineExecution | None, retried: frozenset[str]
) -> set[RunStatus]:
    """The states that count: the step's own and the failures of the rest of the pipeline; without own ones, all."""
    states = {run.status for run in runs if not _excused(run, retried)}
    rest = {run.status for run in others if not _excused(run, retried)}
    if runs:
        return states | (rest & {RunStatus.FAILED, RunStatus.TIMED_OUT})
    if execution and (others or execution.status not in (RunStatus.SUCCEEDED, *_UNFINISHED)):
        rest.add(execution.status)
    return rest


_UNFINISHED = (RunStatus.IN_PROGRESS, RunStatus.NOT_STARTED)


def _answer(states: set[RunStatus], failed: Sequence[Task], exit_code: str | None, runs: Sequence[Run]) -> Answer:
    if failed:
        return Answer.TASKS_FAILED
    if exit_code == ABORTED:
        return Answer.CANCELED
    if not states and not runs:
        return Answer.NOTHING_RAN
    if RunStatus.FAILED in states:
        return Answer.RUN_FAILED
    if RunStatus.TIMED_OUT in states:
        return Answer.TIMED_OUT
    if exit_code not in (None, "0"):
        return Answer.STEP_FAILED
    if RunStatus.CANCELED in states:
        return Answer.CANCELED
    if states & set(_UNFINISHED):
        return Answer.IN_PROGRESS
    return Answer.NO_TASKS if all(run.stated_tasks == 0 and not run.tasks for run in runs) else Answer.SUCCEEDED


def _target(task: Task, targets: set[str]) -> str | None:
    """The target's name where it can be told from the configuration: there is none, or a run asked for that target."""
    if ":" not in task.rest:
        return task.rest
    asked = [target for target in targets if f"{task.rest}:".startswith(f"{target}:")]
    return max(asked, key=len, default=None)


def _excused(run: Run, retried: frozenset[str]) -> bool:
    """Whether all that failed in a run passed on retry."""
    failed = {task.id for task in run.by_status(TaskStatus.FAILURE)}
    return run.status is RunStatus.FAILED and bool(failed) and failed <= retried


def _seconds(runs: Sequence[Run]) -> float | None:
    starts = [run.start for run in runs if run.start]
    ends = [run.end for run in runs if run.end]
    if runs and len(starts) == len(ends) == len(runs):
        return (max(ends) - min(starts)).total_seconds()
    known = [run.duration for run in runs if run.duration is not None]
    return sum(known) if known and len(known) == len(runs) else None
