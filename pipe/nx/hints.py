"""What to add so that the next build shows more, as exact lines to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Hint, RunStatus
from pipe.nx.join import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipe.model import Run
    from pipe.nx.sources import Search
    from pipe.nx.workspace import Workspace

# Keeps what an nx command prints, stderr too, and its exit code, in any POSIX shell, without `pipefail` and even where
# nothing can be written: the code travels through descriptor 3, the output through 4. The folder's .gitignore comes
# first: an untracked file in a root project changes the hashes of its tasks. The step's UUID in the name keeps an
# artifact of another step apart.
RECIPE = (
    "mkdir -p .nx-report && echo '*' > .nx-report/.gitignore || :; "
    "{ code=$({ { npx nx affected -t lint test build 2>&1 && echo 0 >&3 || echo $? >&3; } "
    '| tee -a ".nx-report/nx-$BITBUCKET_STEP_UUID.log" >&4; } 3>&1) || :; } 4>&1; (exit ${code:-1})'
)
PLUGIN = '"plugins": ["nx-report-recorder"]'
# From here on Nx calls a plugin at the end of a run, and from there on it keeps its own record in the home directory,
# which a pipe's container does not see.
_CALLS_PLUGINS = (20, 4)
_RECORD_AT_HOME = (23, 2)
_NEWEST_MINOR = 9_999


def recipe_of(log: str) -> str:
    """The command that keeps what nx prints in a log of that name."""
    return RECIPE.replace("nx-$BITBUCKET_STEP_UUID.log", log)


def hints(workspace: Workspace, search: Search, runs: Sequence[Run]) -> tuple[Hint, ...]:
    """What to add to the step whose runs these are, of which `search` has read the sources."""
    recipe = recipe_of(search.build.advice.log)
    logs, recorded = search.of(Kind.LOG), bool(search.of(Kind.RECORD))
    if any(run.cut for log in logs for run in log.runs) and not recorded:
        return (Hint("A log ends before nx does; from Nx 22.7 on its last lines go to stderr. Keep both", recipe),)
    if logs:
        return ()
    if recorded:
        unexplained = search.build.failed and all(run.status is RunStatus.SUCCEEDED for run in runs)
        why = "The step failed and no record says why: a command that is killed, or fails before any task, leaves none"
        return (Hint(f"{why}. Keep what nx prints too", recipe),) if unexplained else ()
    capture = Hint("To see every nx command of the step, keep what it prints", recipe)
    if (workspace.version or _CALLS_PLUGINS) >= _CALLS_PLUGINS and not workspace.has_recorder:
        capture = Hint(f"{capture.text}, or install nx-report-recorder and add {PLUGIN} to nx.json", recipe)
    if search.records:
        return (capture,)
    if not workspace.is_one:
        setting = "WORKSPACE_DIR: path/to/the/workspace"
        where = "There is no nx.json in the working directory or above it. Add to the pipe's variables"
        return (Hint(where, setting), capture)
    known, asked = workspace.installed, workspace.version
    # Of a version that is only asked for, `^23.0.0`, the newest may be the one that ran.
    ran = known or (asked and (asked[0], _NEWEST_MINOR))
    if ran and ran < _RECORD_AT_HOME:
        return (capture,)
    which = f"Nx {known[0]} keeps its" if known else "Nx 23.2 and later keep their"
    return (Hint(f"{which} record outside the clone. Add before nx", search.build.advice.cache), capture)


def is_out_of_sight(workspace: Workspace, search: Search) -> bool:
    """Whether nx may have run although nothing tells of it: a source is broken, or lies where it is not looked for."""
    at_home = (workspace.installed or (0, 0)) >= _RECORD_AT_HOME
    return search.unreadable or not workspace.is_one or (not search.records and at_home)


def recorder_is_idle(workspace: Workspace) -> str | None:
    """Why the recorder that nx.json names records nothing, where the Nx that is installed says it."""
    version = workspace.installed
    if version is None or version >= _CALLS_PLUGINS or not workspace.has_recorder:
        return None
    return f"nx.json names the recorder, which Nx calls from 20.4 on; this is Nx {version[0]}.{version[1]}"
