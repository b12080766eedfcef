"""Find this step's runs in whatever tells of them, and say what to add where something cannot be seen."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from pipe.nx import hints, merge, projects
from pipe.nx.history import FOLDERS
from pipe.nx.join import Kind, Source
from pipe.nx.sources import BuildSteps, Search
from pipe.nx.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pipe.build import Build
    from pipe.checkout import Checkout
    from pipe.model import CIPipelineExecution, Hint, Run, Task, TaskStatus
    from pipe.nx.join import Joined
    from pipe.nx.record import Keep
    from pipe.settings import Settings


_MOST_IGNORED = 1_000


@dataclass(frozen=True, slots=True, repr=False)
class Collection:
    """What was found. The texts are for the log: each is a line of its own.

    `runs` are this step's, `execution` what Nx Cloud knows of the whole pipeline besides. `looked_in` names the places
    that were searched, `ignored` what was there and does not count, with the reason, `hints` what to add so that the
    next build shows more. `nx` is how people start Nx here. `nx_may_have_run` says, where no run was found, that this
    is no proof that nx did not run. `outcomes` has how tasks with the hashes of these runs have ended, by Nx's task
    history.
    """

    runs: tuple[Run, ...] = ()
    execution: CIPipelineExecution | None = None
    looked_in: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    notes: tuple[str, ...] = ()
    workspace: str = ""
    nx: str = "npx nx"
    last_run_only: bool = False
    nx_may_have_run: bool = False
    outcomes: Mapping[str, frozenset[TaskStatus]] = field(default_factory=dict)


class Of(NamedTuple):
    """Whose runs they are: the step's UUID in braces, and its highest run that is known, 1 where none is.

    `step` is None for runs of which nobody knows the step.
    """

    step: str | None
    run: int


NOBODY = Of(None, 1)  # whose the runs are of which the step is not known


class Collector:
    """Reads what tells of this step's runs, and joins it.

    `hosts` are those that the settings vouch for, besides Nx Cloud's own. Nothing is raised for what the checkout
    holds: whatever cannot be read is named in `ignored` and the rest is reported.

    With `every_step` what counts is of any step of the build, as a `final` step gets it from their artifacts: records
    by the build that they name, and of each step those of its highest run; other files by their time. They count if
    they ended after the build is known to have been running: after `since` (with its zone), where the caller knows of
    such a time, or after the start of a record of another step, whichever is earliest. Where neither is known nobody
    can say, and they count too.
    """

    def __init__(
        self,
        checkout: Checkout,
        settings: Settings,
        build: Build,
        working_directory: str,
        hosts: frozenset[str],
        *,
        every_step: bool = False,
        since: datetime | None = None,
    ) -> None:
        self._settings = settings
        self._hosts = hosts
        steps = BuildSteps(build, since) if every_step else None
        self._search = Search(checkout, build, checkout.cloned(fresh=build.fresh), steps=steps)
        self._workspace = Workspace.find(checkout, settings.workspace_dir, working_directory)
        self._roots = tuple(dict.fromkeys((self._workspace.root, checkout.root)))
        self._bases = tuple(dict.fromkeys((working_directory, *self._roots)))
        self._history = [os.path.join(root, name) for root in self._roots for name in FOLDERS]
        self._stopped = True

    def read(self, keep: Keep | None = None, over: Callable[[], bool] = lambda: False) -> None:
        """Read all sources, the most exact first; what was read stays where this is stopped by an exception.

        Every task's output goes to `keep`, whose answer is the task's log. Once the time is `over` no more is read, not
        even of a record.
        """
        search = self._search
        search.keep, search.over = keep, over
        search.read_records(self._bases)
        if over():
            return
        directories = _cache_directories(search, self._workspace, self._settings.cache_directory)
        search.read_last(directories)
        search.read_logs(self._settings.logs, self._bases, self._hosts)
        if not search.of(Kind.RECORD):
            search.read_history(self._history, directories)
        self._stopped = False

    def collection(
        self, execution: CIPipelineExecution | None = None, debug: Callable[[str], None] | None = None
    ) -> Collection:
        """Join what was read with what Nx Cloud knows; `debug` takes lines that say what is from where."""
        joined = self._joined(execution, debug)
        return self._whole(self._runs(joined), joined, execution)

    def by_step(
        self, execution: CIPipelineExecution | None = None, debug: Callable[[str], None] | None = None
    ) -> dict[Of, Collection]:
        """What `collection` has, by the step that it is of: each that ran anything, the first first, and NOBODY.

        A record is of the step that it names, a log of the one whose UUID makes its name as in the recipe; what is
        known to be of two steps is never joined. Any other file tells more of the runs that it fits, whosever they are.
        A run that it alone tells of is of the step that the file's other runs are of, where that is one step; else it
        is NOBODY's. So no run is told twice, and none is left out.

        NOBODY is always there, at the end. It alone has what is to be said of the search, and of Nx Cloud's execution
        the runs that no step's source names.
        """
        joined = self._joined(execution, debug)
        groups = self._by_step(joined)
        runs = self._runs([one for group in groups.values() for one in group])
        whole = self._whole(runs, groups[NOBODY], execution)
        left = iter(runs)
        found = {
            of: Collection(
                runs=tuple(islice(left, len(group))), workspace=whole.workspace, nx=whole.nx, outcomes=whole.outcomes
            )
            for of, group in groups.items()
            if of != NOBODY
        }
        if debug:
            for of, one in found.items():
                debug(f"step {of.step}, run {of.run}: {', '.join(name for run in one.runs for name in run.sources)}")
        return {**found, NOBODY: replace(whole, runs=tuple(left))}

    def _joined(self, execution: CIPipelineExecution | None, debug: Callable[[str], None] | None) -> list[Joined]:
        """The runs that a source in the clone tells of."""
        joined = merge.merge([*self._search.found, *_groups(execution)])
        own = [one for one in joined if any(part.source.kind is not Kind.CLOUD for part in one.parts)]
        if debug:
            _explain(own, self._search, debug)
        return own

    def _runs(self, joined: Sequence[Joined]) -> tuple[Run, ...]:
        """What all sources say of each, and last a run that the settings alone name.

        What tools print is often from their project's folder: where no source names that it is looked for.
        """
        runs = merge.name_by_hand([one.run for one in joined], self._settings.run_url, self._settings.run_status)
        lacking = {task.project for run in runs for task in run.tasks if _lacks_root(task)}
        if not lacking:
            return runs
        roots = projects.roots(self._search.checkout, self._workspace.root, lacking)
        return tuple(
            replace(run, tasks=tuple(replace(task, root=task.root or roots.get(task.project)) for task in run.tasks))
            for run in runs
        )

    def _by_step(self, joined: Sequence[Joined]) -> dict[Of, list[Joined]]:
        """The runs of each step in their order, those of NOBODY last."""
        told: dict[str, set[str]] = {}  # by the name of a file, the steps whose runs it tells of
        for one in joined:
            if one.step:
                for name in _files(one):
                    told.setdefault(name, set()).add(one.step)
        groups: dict[Of, list[Joined]] = {}
        nobody: list[Joined] = []
        for one in joined:
            its = {one.step} if one.step else {step for name in _files(one) for step in told.get(name, ())}
            if self._search.steps and len(its) == 1:
                step = its.pop()
                groups.setdefault(Of(step, self._search.steps.run(step)), []).append(one)
            else:
                nobody.append(one)
        return {**groups, NOBODY: nobody}

    def _whole(
        self, runs: tuple[Run, ...], joined: Sequence[Joined], execution: CIPipelineExecution | None
    ) -> Collection:
        """All runs, with what else there is to say; `joined` are those that it will have."""
        search, settings = self._search, self._settings
        kinds = {part.source.kind for one in joined for part in one.parts}
        return Collection(
            runs=runs,
            execution=_others(execution, runs),
            looked_in=tuple(dict.fromkeys(search.looked_in)),
            ignored=tuple(search.ignored[:_MOST_IGNORED]),
            hints=() if settings.run_status else hints.hints(self._workspace, search, runs),
            notes=tuple(dict.fromkeys([*search.notes, *self._notes(runs, execution), *self._workspace.notes])),
            workspace=self._workspace.root,
            nx=self._workspace.command,
            last_run_only=Kind.RUN_JSON in kinds and not kinds & {Kind.RECORD, Kind.LOG},
            outcomes=search.outcomes(self._history, {task.hash for run in runs for task in run.tasks if task.hash}),
            nx_may_have_run=not runs and (self._stopped or hints.is_out_of_sight(self._workspace, search)),
        )

    def _notes(self, runs: Sequence[Run], execution: CIPipelineExecution | None) -> Iterator[str]:
        """What else there is to say of the sources."""
        search, settings = self._search, self._settings
        if self._stopped:
            yield "TIMEOUT was near before everything was read. Raise it, or name less in NX_LOGS"
        if settings.run_url and not any(run.link and run.link.url == settings.run_url for run in runs):
            yield "NX_RUN_URL alone is no run: nothing says how it ended. Add NX_RUN_STATUS"
        if (idle := hints.recorder_is_idle(self._workspace)) and not search.of(Kind.RECORD):
            yield idle
        cloud = execution and any(group.runs for group in execution.run_groups)
        if cloud and runs and not any(run.link for run in runs):
            yield (
                "Which of Nx Cloud's runs are this step's is not known: its client prints their links. "
                f"Keep what nx prints: {hints.recipe_of(search.build.advice.log)}"
            )


def _lacks_root(task: Task) -> bool:
    return bool(task.root is None and task.log and task.log.problems)


def _cache_directories(search: Search, workspace: Workspace, given: str | None) -> list[str]:
    """Where Nx may keep its cache, the most explicit first; each real path once, none outside the clone."""
    places = [*([given] if given else []), *workspace.cache_directories]
    found = []
    for place, base in [*((place, workspace.root) for place in places), (".nx/cache", search.checkout.root)]:
        real = search.checkout.inside(place, base)
        if real is None:
            search.ignored.append(f"{place}: lies outside the clone directory, where a pipe cannot read")
        elif real not in found:
            found.append(real)
    return found


def _files(joined: Joined) -> list[str]:
    """The files that tell of a run."""
    return [part.source.name for part in joined.parts if part.source.kind is not Kind.CLOUD]


def _groups(execution: CIPipelineExecution | None) -> list[Source]:
    """Nx Cloud's runs as sources, one for each run group."""
    groups = execution.run_groups if execution else ()
    return [Source(Kind.CLOUD, f"Nx Cloud, run group {group.name}", group.runs) for group in groups]


def _others(execution: CIPipelineExecution | None, own: tuple[Run, ...]) -> CIPipelineExecution | None:
    """What Nx Cloud knows besides this step's own runs: those of the pipeline that no source of the step names."""
    if execution is None:
        return None
    links = {run.link.id for run in own if run.link}
    groups = (
        group._replace(runs=tuple(run for run in group.runs if not run.link or run.link.id not in links))
        for group in execution.run_groups
    )
    return execution._replace(run_groups=tuple(groups))


def _explain(joined: list[Joined], search: Search, debug: Callable[[str], None]) -> None:
    """Say for each run where each of its values is from, and what was rejected."""
    for one in joined:
        run = one.run
        debug(f"source: {run.command or 'a run'}: {', '.join(run.sources)}: {run.status.value}, {len(run.tasks)} tasks")
        for line in one.origins():
            debug(f"  {line}")
    for line in search.ignored:
        debug(f"rejected: {line}")
