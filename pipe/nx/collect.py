"""Find what Nx left of this step's runs: where to look, what belongs to this build, what to add when it is missing."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipe.checkout import Unreadable
from pipe.model import Hint, Run, TaskStatus
from pipe.nx import merge, printed, run_json
from pipe.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipe.checkout import Checkout
    from pipe.settings import Settings

DEFAULT_LOGS = ".nx-report/*.log"
# Keeps what an nx command prints, stderr too, and its exit code, in any POSIX shell, without `pipefail` and even where
# nothing can be written: the code travels through descriptor 3, the output through 4. The folder's .gitignore comes
# first: an untracked file in a root project changes the hashes of its tasks. The step's UUID in the name keeps an
# artifact of another step apart.
RECIPE = (
    "mkdir -p .nx-report && echo '*' > .nx-report/.gitignore || :; "
    "{ code=$({ { npx nx affected -t lint test build 2>&1 && echo 0 >&3 || echo $? >&3; } "
    '| tee -a ".nx-report/nx-$BITBUCKET_STEP_UUID.log" >&4; } 3>&1) || :; } 4>&1; (exit ${code:-1})'
)
_RUN_JSON_LIMIT = 16 << 20
_OUTPUT_LIMIT = 8 << 20
_CONFIG_LIMIT = 4 << 20
# From here on Nx keeps its record in the home directory, which a pipe's container does not see.
_NX_RECORD_AT_HOME = 23


@dataclass(frozen=True, slots=True)
class Collection:
    """What was found. The texts are for the log: each is a line of its own.

    `looked_in` names the places that were searched, `ignored` what was there and does not count, with the reason,
    `hints` what to add so that the next build shows more. `nx_may_have_run` says, where no run was found, that this is
    no proof that nx did not run.
    """

    runs: tuple[Run, ...] = ()
    looked_in: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    notes: tuple[str, ...] = ()
    workspace: str = ""
    last_run_only: bool = False
    nx_may_have_run: bool = False


@dataclass(slots=True)
class _Search:
    """The state of one search: the clone, its moment, and what has been said so far."""

    checkout: Checkout
    cloned: datetime | None
    looked_in: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: int = 0  # how many records there are, of whichever build
    unreadable: bool = False  # one of them cannot be read
    logs: int = 0  # how many logs of this build were read

    def ignore(self, path: str, why: str) -> None:
        self.ignored.append(f"{self.checkout.name(path)}: {why}")

    def belongs(self, path: str, ended: datetime | None) -> bool:
        """Whether a source that ended then is of this build; says so where it is not, or where nobody can know."""
        if self.cloned is None or ended is None:
            unknown = "time of this build's clone" if self.cloned is None else "end of this source"
            self.notes.append(f"The {unknown} is not known: {self.checkout.name(path)} is taken as this build's")
            return True
        if ended >= self.cloned:
            return True
        self.ignore(path, f"ended {_utc(ended)}, before this build's clone at {_utc(self.cloned)}")
        return False


def collect(
    checkout: Checkout,
    settings: Settings,
    working_directory: str,
    hosts: frozenset[str],
    debug: Callable[[str], None] = lambda _: None,
) -> Collection:
    """Collect the runs of this step from the checkout.

    Raises nothing for what it finds: whatever cannot be read is named in `ignored` and the rest is reported.
    """
    search = _Search(checkout, checkout.cloned())
    workspace = _workspace(checkout, settings.workspace_dir, working_directory)
    recorded = _recorded(search, workspace, settings.cache_directory)
    logged = _logged(search, settings.logs, (working_directory, workspace, checkout.root), hosts)
    runs = merge.name_by_hand(merge.merge(recorded, logged), settings.run_url, settings.run_status)
    if settings.run_url and not any(run.link and run.link.url == settings.run_url for run in runs):
        search.notes.append("NX_RUN_URL alone is no run: nothing says how it ended. Add NX_RUN_STATUS")
    for run in runs:
        debug(f"source: {run.command or 'a run'}: {', '.join(run.sources)}: {run.status.value}, {len(run.tasks)} tasks")
    for line in search.ignored:
        debug(f"rejected: {line}")
    return Collection(
        runs=runs,
        looked_in=tuple(dict.fromkeys(search.looked_in)),
        ignored=tuple(search.ignored),
        hints=() if settings.run_status else _hints(search, workspace, logged),
        notes=tuple(dict.fromkeys(search.notes)),
        workspace=workspace,
        last_run_only=recorded is not None and not logged,
        nx_may_have_run=not runs and (search.unreadable or _record_at_home(search, workspace)),
    )


def _workspace(checkout: Checkout, given: str | None, working_directory: str) -> str:
    """The Nx workspace: as given, else the nearest folder with an nx.json from the working directory upwards."""
    if given is not None:
        return checkout.inside(given, working_directory) or checkout.root
    folder = checkout.inside(working_directory) or checkout.root
    while not Path(folder, "nx.json").is_file():
        if folder == checkout.root:
            return checkout.inside(working_directory) or checkout.root
        folder = str(Path(folder).parent)
    return folder


# --- the record of the last run ---------------------------------------------------------------------------------------


def _recorded(search: _Search, workspace: str, given: str | None) -> Run | None:
    """The newest run.json of this build in any cache directory inside the clone, with its failed tasks' outputs."""
    newest: tuple[datetime, Run, str] | None = None
    for directory in _cache_directories(search, workspace, given):
        path = os.path.join(directory, "run.json")
        search.looked_in.append(search.checkout.name(path))
        if not os.path.lexists(path):
            continue
        search.records += 1
        try:
            run = run_json.read(search.checkout.read(path, _RUN_JSON_LIMIT), search.checkout.name(path))
        except (Unreadable, ValueError) as problem:
            search.ignore(path, str(problem))
            search.unreadable = True
            continue
        ended = run.end or search.checkout.modified(path)
        moment = ended or datetime.fromtimestamp(0, UTC)
        if search.belongs(path, ended) and (newest is None or moment > newest[0]):
            newest = (moment, run, directory)
    return None if newest is None else _with_outputs(search, newest[1], newest[2])


def _cache_directories(search: _Search, workspace: str, given: str | None) -> list[str]:
    """Where Nx may keep its cache, the most explicit first; each real path once, none outside the clone."""
    places = [".nx/cache", "node_modules/.cache/nx"]
    config = _json(search, os.path.join(workspace, "nx.json"))
    runners = config.get("tasksRunnerOptions")
    for options in (config, *(_at(runner, "options") for runner in _values(runners))):
        if isinstance(where := options.get("cacheDirectory"), str) and where:
            places.insert(0, where)
    if given:
        places.insert(0, given)
    found = []
    for place, base in [*((place, workspace) for place in places), (".nx/cache", search.checkout.root)]:
        real = search.checkout.inside(place, base)
        if real is None:
            search.ignored.append(f"{place}: lies outside the clone directory, where a pipe cannot read")
        elif real not in found:
            found.append(real)
    return found


def _with_outputs(search: _Search, run: Run, directory: str) -> Run:
    """The run with the terminal outputs of its failed tasks, which lie beside run.json under the task's hash."""
    tasks = []
    for task in run.tasks:
        output = None
        if task.status is TaskStatus.FAILURE and task.hash and re.fullmatch(r"[0-9A-Za-z_-]{1,128}", task.hash):
            path = os.path.join(directory, "terminalOutputs", task.hash)
            if os.path.lexists(path):
                try:
                    output = _read_output(search.checkout, path)
                except Unreadable as problem:
                    search.ignore(path, str(problem))
        tasks.append(replace(task, output=output))
    return replace(run, tasks=tuple(tasks))


def _last_words(checkout: Checkout, path: str) -> str:
    """What stands at a log's end, at most 100 characters of it."""
    head, _, tail = checkout.ends(path, 2000)
    return " ".join(plain((head + tail).decode("utf-8", "replace")).split())[-100:] or "none"


def _read_output(checkout: Checkout, path: str) -> str:
    """A task's terminal output; of a very long one the head and the tail, with a line that says what is left out."""
    head, left_out, tail = checkout.ends(path, _OUTPUT_LIMIT)
    between = f"\n… {left_out:,} bytes left out …\n" if left_out else ""
    return head.decode("utf-8", "replace") + between + tail.decode("utf-8", "replace")


# --- what the commands printed ----------------------------------------------------------------------------------------


def _logged(search: _Search, given: tuple[str, ...], bases: tuple[str, ...], hosts: frozenset[str]) -> list[Run]:
    """The runs of every log of this build, in the order in which the logs were finished."""
    runs = []
    for path in _logs(search, given, bases):
        name = search.checkout.name(path)
        try:
            found = printed.read(search.checkout.blocks(path), source=name, hosts=hosts)
            if not found:
                search.ignore(path, f"holds no output of nx; its last words: {_last_words(search.checkout, path)}")
        except Unreadable as problem:
            search.ignore(path, str(problem))
        else:
            search.logs += 1
            runs += found
    return runs


def _logs(search: _Search, given: tuple[str, ...], bases: tuple[str, ...]) -> list[str]:
    """The real paths of the logs that count, each once, the one finished first first."""
    files: dict[str, datetime] = {}
    for pattern in given or (DEFAULT_LOGS,):
        search.looked_in.append(pattern)
        try:
            found = search.checkout.find(pattern, dict.fromkeys(bases))
        except Unreadable as problem:
            search.ignored.append(f"{pattern}: {problem}")
            continue
        if not found and given:
            search.ignored.append(f"{pattern}: no such file")
        for path in found:
            real = search.checkout.inside(path)
            if real is None:
                search.ignore(path, "lies outside the clone directory")
            elif real not in files:
                ended = search.checkout.modified(real)
                if search.belongs(real, ended):
                    files[real] = ended or datetime.fromtimestamp(0, UTC)
    return sorted(files, key=lambda path: (files[path], path))


# --- what to add when something cannot be seen ------------------------------------------------------------------------


def _hints(search: _Search, workspace: str, logged: Sequence[Run]) -> tuple[Hint, ...]:
    if any(run.cut for run in logged):
        return (Hint("A log ends before nx does; from Nx 22.7 on its last lines go to stderr. Keep both", RECIPE),)
    if logged or search.logs:
        return ()
    capture = Hint("To see every nx command of the step, keep what it prints", RECIPE)
    if search.records:
        return (capture,)
    if not Path(workspace, "nx.json").is_file():
        setting = "WORKSPACE_DIR: path/to/the/workspace"
        where = "There is no nx.json in the working directory or above it. Add to the pipe's variables"
        return (Hint(where, setting), capture)
    version = nx_version(search.checkout, workspace)
    if version is not None and version < _NX_RECORD_AT_HOME:
        return (capture,)
    which = f"Nx {version} keeps its" if version else "Nx 23 and later keep their"
    place = "export NX_CACHE_DIRECTORY=$BITBUCKET_CLONE_DIR/.nx/cache"
    return (Hint(f"{which} record outside the clone. Add before nx", place), capture)


def _record_at_home(search: _Search, workspace: str) -> bool:
    """Whether the Nx that is installed keeps its record at home, as far as the clone shows."""
    return not search.records and (nx_version(search.checkout, workspace, asked=False) or 0) >= _NX_RECORD_AT_HOME


def nx_version(checkout: Checkout, workspace: str, *, asked: bool = True) -> int | None:
    """Nx's major version in the workspace: the one installed, else (if `asked`) the one asked for, else None."""
    search = _Search(checkout, None)
    installed = _json(search, os.path.join(workspace, "node_modules/nx/package.json")).get("version")
    manifest = _json(search, os.path.join(workspace, "package.json")) if asked else {}
    texts = [installed, *(_at(manifest, kind).get("nx") for kind in ("devDependencies", "dependencies"))]
    majors = (re.match(r"[\^~>=v ]*([0-9]{1,3})\.", text) for text in texts if isinstance(text, str))
    return next((int(match[1]) for match in majors if match), None)


def nx_command(workspace: str) -> str:
    """How people start Nx in this workspace, by its lock file."""
    for name, command in (("pnpm-lock.yaml", "pnpm nx"), ("yarn.lock", "yarn nx"), ("bun.lock", "bunx nx")):
        if Path(workspace, name).is_file():
            return command
    return "npx nx"


def _json(search: _Search, path: str) -> Mapping[str, object]:
    """The object in a JSON file, which may have comments and trailing commas as Nx allows, else an empty one."""
    if not os.path.lexists(path):
        return {}
    try:
        text = search.checkout.read(path, _CONFIG_LIMIT).decode("utf-8-sig")
        text = re.sub(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', lambda found: found[1] or "", text, flags=re.DOTALL)
        content = json.loads(re.sub(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])', lambda found: found[1] or "", text))
    except (Unreadable, ValueError, RecursionError):
        search.notes.append(f"{search.checkout.name(path)} cannot be read as JSON; its settings are not used")
        return {}
    return content if isinstance(content, dict) else {}


def _at(value: object, key: str) -> Mapping[str, object]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _values(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else []


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
