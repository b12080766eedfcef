"""Find this step's runs in whatever tells of them, and say what to add where something cannot be seen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipe.nx import hints, merge
from pipe.nx.history import FOLDERS
from pipe.nx.join import Kind, Source
from pipe.nx.sources import Search
from pipe.nx.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipe.build import Build
    from pipe.checkout import Checkout
    from pipe.model import CIPipelineExecution, Hint, Run
    from pipe.nx.join import Joined
    from pipe.settings import Settings


_MOST_IGNORED = 1_000


@dataclass(frozen=True, slots=True)
class Collection:
    """What was found. The texts are for the log: each is a line of its own.

    `runs` are this step's, `execution` what Nx Cloud knows of the whole pipeline besides. `looked_in` names the places
    that were searched, `ignored` what was there and does not count, with the reason, `hints` what to add so that the
    next build shows more. `nx` is how people start Nx here. `nx_may_have_run` says, where no run was found, that this
    is no proof that nx did not run.
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


class Collector:
    """Reads what tells of this step's runs, and joins it.

    `hosts` are those that the settings vouch for, besides Nx Cloud's own. Nothing is raised for what the checkout
    holds: whatever cannot be read is named in `ignored` and the rest is reported.
    """

    def __init__(
        self, checkout: Checkout, settings: Settings, build: Build, working_directory: str, hosts: frozenset[str]
    ) -> None:
        self._settings = settings
        self._hosts = hosts
        self._search = Search(checkout, build, checkout.cloned())
        self._workspace = Workspace.find(checkout, settings.workspace_dir, working_directory)
        self._roots = tuple(dict.fromkeys((self._workspace.root, checkout.root)))
        self._bases = tuple(dict.fromkeys((working_directory, *self._roots)))
        self._stopped = True

    def read(self) -> None:
        """Read all sources, the most exact first; what was read stays where this is stopped by an exception."""
        search = self._search
        search.read_records(self._bases)
        directories = _cache_directories(search, self._workspace, self._settings.cache_directory)
        search.read_last(directories)
        search.read_logs(self._settings.logs, self._bases, self._hosts)
        if not search.of(Kind.RECORD):
            search.read_history([os.path.join(root, name) for root in self._roots for name in FOLDERS], directories)
        self._stopped = False

    def collection(
        self, execution: CIPipelineExecution | None = None, debug: Callable[[str], None] | None = None
    ) -> Collection:
        """Join what was read with what Nx Cloud knows; `debug` takes lines that say what is from where."""
        search, settings = self._search, self._settings
        joined = merge.merge([*search.found, *_groups(execution)])
        own = [one for one in joined if any(part.source.kind is not Kind.CLOUD for part in one.parts)]
        runs = merge.name_by_hand([one.run for one in own], settings.run_url, settings.run_status)
        if debug:
            _explain(own, search, debug)
        logged = any(log.runs for log in search.of(Kind.LOG))
        return Collection(
            runs=runs,
            execution=_others(execution, runs),
            looked_in=tuple(dict.fromkeys(search.looked_in)),
            ignored=tuple(search.ignored[:_MOST_IGNORED]),
            hints=() if settings.run_status else hints.hints(self._workspace, search, runs),
            notes=tuple(dict.fromkeys([*search.notes, *self._notes(runs, execution), *self._workspace.notes])),
            workspace=self._workspace.root,
            nx=self._workspace.command,
            last_run_only=bool(search.of(Kind.RUN_JSON)) and not search.of(Kind.RECORD) and not logged,
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
                f"Keep what nx prints: {hints.RECIPE}"
            )


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
