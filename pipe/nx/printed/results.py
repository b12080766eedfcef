"""What became of a run and its tasks."""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING

from pipe.model import Run, RunStatus, Task, TaskStatus
from pipe.nx import cloud_links
from pipe.nx.printed.outputs import LOOK, Outputs, Room
from pipe.nx.printed.words import CROSS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipe import model
    from pipe.nx.printed.draft import Draft
    from pipe.nx.printed.log import Log
    from pipe.nx.printed.scan import Mark

    Keep = Callable[[str, bool], model.Kept]


def results(
    drafts: Iterable[Draft], log: Log, source: str, hosts: frozenset[str], keep: Keep | None = None
) -> list[Run]:
    """Make the runs of drafts; `source` names the file, `hosts` are those that `cloud_links.find` takes.

    Outputs that the runs hold are read when it is known which tasks failed: they share the memory. Those of other tasks
    go to `keep` one by one.
    """
    runs: list[tuple[int, Run]] = []
    failed: dict[int, Outputs] = {}
    sizes: list[int] = []
    sources = (source,)
    for draft in drafts:
        run = _result(draft, log, sources, hosts)
        names = {task.id for task in run.by_status(TaskStatus.FAILURE)}
        if keep is not None:
            run = _with_logs(run, Outputs(log, draft, {task.id for task in run.tasks} - names), keep)
        if names:
            failed[len(runs)] = Outputs(log, draft, names)
            sizes.extend(map(failed[len(runs)].size, names))
        runs.append((draft.first, run))
    room = Room(sizes)
    for at, outputs in failed.items():
        first, run = runs[at]
        tasks = (
            _with_output(task, outputs, room, keep) if task.status is TaskStatus.FAILURE else task for task in run.tasks
        )
        runs[at] = first, replace(run, tasks=tuple(tasks))
    return [run for _, run in sorted(runs, key=itemgetter(0))]


def _with_logs(run: Run, outputs: Outputs, keep: Keep) -> Run:
    """The run whose tasks with an output among these have their log."""
    logs = {name: keep(text, False).log for name, text in outputs.every()}  # noqa: FBT003 - as the type has it
    tasks = (replace(task, log=logs[task.id]) if task.id in logs else task for task in run.tasks)
    return replace(run, tasks=tuple(tasks)) if logs else run


def _with_output(task: Task, outputs: Outputs, room: Room, keep: Keep | None) -> Task:
    """A failed task with its output, and with all that there is of it as its log."""
    output = text = outputs.of(task.id, room)
    if keep is not None and outputs.size(task.id) > room.each:
        text = max(outputs.of(task.id, room.whole()) or "", output or "", key=len)
    log = keep(text, True).log if keep is not None and text else None  # noqa: FBT003 - as the type has it
    return replace(task, output=output, log=log)


def _result(run: Draft, log: Log, sources: tuple[str, ...], hosts: frozenset[str]) -> Run:
    """Make the run of a draft, without its outputs."""
    cloud = cloud_links.find(run.lines, hosts)
    if cloud is not None and cloud.status is RunStatus.FAILED:
        run.worsen(RunStatus.FAILED)
    cut = run.status is None
    tasks = _tasks(run, log, cut=cut)
    if any(task.status is TaskStatus.FAILURE for task in tasks):
        run.worsen(RunStatus.FAILED)
    projects = run.projects
    targets = run.targets
    if run.key is None and tasks:  # a run of one task that has no end
        projects = (tasks[0].project,)
        targets = (tasks[0].rest.split(":")[0],)
    return Run(
        status=run.status or RunStatus.IN_PROGRESS,
        tasks=tasks,
        command=run.command,
        targets=tuple(log.names.setdefault(target, target) for target in targets),
        projects=projects,
        project_count=run.count if run.count is not None else len(run.projects) or None,
        stated_tasks=run.stated,
        seconds=run.seconds,
        report=run.report,
        link=cloud.link if cloud else None,
        errors=tuple(run.errors),
        sources=sources,
        cut=cut,
    )


def _tasks(run: Draft, log: Log, *, cut: bool) -> tuple[Task, ...]:
    """Say what became of each task: those with a header in the order of the headers, then those in lists alone."""
    headers: dict[str, list[Mark]] = {}
    for at in run.headers:
        headers.setdefault(log.marks[at].name, []).append(log.marks[at])
    failed = _failed(run, headers)
    outputs = Outputs(log, run, headers) if cut else None
    tasks = []
    for name, its in headers.items():
        if name in failed:
            status = TaskStatus.FAILURE
        elif name in run.stopped:
            status = TaskStatus.STOPPED
        elif outputs is None or its[-1].sure:
            status = TaskStatus.SUCCESS
        else:
            exited = outputs.exited(name, LOOK // len(headers))
            status = TaskStatus.FAILURE if exited else TaskStatus.STOPPED
        tasks.append(Task(name, status, cache=its[-1].cache, flaky=name in run.flaky))
    listed: dict[str, TaskStatus] = {}
    for names, status in (
        (failed, TaskStatus.FAILURE),
        (run.stopped, TaskStatus.STOPPED),
        (run.not_run, TaskStatus.NOT_RUN),
        (run.flaky if run.status is RunStatus.SUCCEEDED else (), TaskStatus.SUCCESS),
    ):
        listed |= {name: status for name in names if name not in listed}
    tasks += [Task(name, status, flaky=name in run.flaky) for name, status in listed.items() if name not in headers]
    return tuple(tasks)


def _failed(run: Draft, headers: dict[str, list[Mark]]) -> dict[str, None]:
    """Collect the tasks that failed: named, crossed out, or counted."""
    failed = dict(run.failed)
    failed.update((name, None) for name, its in headers.items() if any(mark.icon == CROSS for mark in its))
    if run.failed_count > len(failed):  # this style counts the failed tasks and prints only their output
        unnamed = [name for name, its in headers.items() if name not in failed and not any(mark.sure for mark in its)]
        failed.update(dict.fromkeys(unnamed[len(failed) - run.failed_count :]))
    return failed
