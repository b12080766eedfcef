"""What became of a run and its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Run, RunStatus, Task, TaskStatus
from pipe.nx import cloud_links
from pipe.nx.printed.outputs import Outputs
from pipe.nx.printed.words import CROSS, EXITED

if TYPE_CHECKING:
    from pipe.nx.printed.draft import Draft
    from pipe.nx.printed.scan import Mark


def result(run: Draft, marks: list[Mark], source: str, hosts: frozenset[str]) -> Run:
    """Make the run of a draft; `source` names the file, `hosts` are those that `cloud_links.find` takes."""
    cloud = cloud_links.find(run.lines, hosts)
    if cloud is not None and cloud.status is RunStatus.FAILED:
        run.worsen(RunStatus.FAILED)
    cut = run.status is None
    tasks = _tasks(run, marks, cut=cut)
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
        targets=targets,
        projects=projects,
        project_count=run.count if run.count is not None else len(run.projects) or None,
        stated_tasks=run.stated,
        seconds=run.seconds,
        link=cloud.link if cloud else None,
        errors=tuple(run.errors),
        sources=(source,),
        cut=cut,
    )


def _tasks(run: Draft, marks: list[Mark], *, cut: bool) -> tuple[Task, ...]:
    """Say what became of each task: those with a header in the order of the headers, then those in lists alone."""
    headers: dict[str, list[Mark]] = {}
    for at in run.headers:
        headers.setdefault(marks[at].name, []).append(marks[at])
    failed = _failed(run, headers)
    outputs = Outputs(marks, run)
    tasks = []
    for name, its in headers.items():
        if name in failed:
            status = TaskStatus.FAILURE
        elif name in run.stopped:
            status = TaskStatus.STOPPED
        elif not cut or its[-1].sure:
            status = TaskStatus.SUCCESS
        else:
            status = TaskStatus.FAILURE if EXITED.search(outputs.of(name) or "") else TaskStatus.STOPPED
        output = outputs.of(name) if status is TaskStatus.FAILURE else None
        tasks.append(Task(name, status, cache=its[-1].cache, output=output, flaky=name in run.flaky))
    listed: dict[str, TaskStatus] = {}
    for names, status in (
        (failed, TaskStatus.FAILURE),
        (run.stopped, TaskStatus.STOPPED),
        (run.not_run, TaskStatus.NOT_RUN),
    ):
        listed |= {name: status for name in names if name not in listed}
    tasks += [
        Task(name, status, output=outputs.reason(name), flaky=name in run.flaky)
        for name, status in listed.items()
        if name not in headers
    ]
    return tuple(tasks)


def _failed(run: Draft, headers: dict[str, list[Mark]]) -> dict[str, None]:
    """Collect the tasks that failed: named, crossed out, or counted."""
    failed = dict(run.failed)
    failed.update((name, None) for name, its in headers.items() if any(mark.icon == CROSS for mark in its))
    if run.failed_count > len(failed):  # this style counts the failed tasks and prints only their output
        unnamed = [name for name, its in headers.items() if name not in failed and not any(mark.sure for mark in its)]
        failed.update(dict.fromkeys(unnamed[len(failed) - run.failed_count :]))
    return failed
