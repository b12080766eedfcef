"""What to add so that the next build shows more, as exact lines to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Hint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipe.nx.join import Source
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
_RECORD_AT_HOME = (23, 0)


def hints(workspace: Workspace, logs: Sequence[Source], *, recorded: bool, found_record: bool) -> tuple[Hint, ...]:
    """What to add to a step.

    `logs` are those of this build, `recorded` says that the recorder told of a run, `found_record` that Nx's own record
    can be seen, of whichever build.
    """
    if any(run.cut for log in logs for run in log.runs) and not recorded:
        return (Hint("A log ends before nx does; from Nx 22.7 on its last lines go to stderr. Keep both", RECIPE),)
    if logs or recorded:
        return ()
    version = workspace.version
    can_record = version is None or version >= _CALLS_PLUGINS
    capture = Hint("To see every nx command of the step, keep what it prints", RECIPE)
    if can_record and not workspace.has_recorder:
        capture = Hint(f"{capture.text}, or install nx-report-recorder and add {PLUGIN} to nx.json", RECIPE)
    if found_record:
        return (capture,)
    if not workspace.is_one:
        setting = "WORKSPACE_DIR: path/to/the/workspace"
        where = "There is no nx.json in the working directory or above it. Add to the pipe's variables"
        return (Hint(where, setting), capture)
    if version is not None and version < _RECORD_AT_HOME:
        return (capture,)
    which = f"Nx {version[0]} keeps its" if version else "Nx 23 and later keep their"
    place = "export NX_CACHE_DIRECTORY=$BITBUCKET_CLONE_DIR/.nx/cache"
    return (Hint(f"{which} record outside the clone. Add before nx", place), capture)


def recorder_is_idle(workspace: Workspace) -> str | None:
    """Why the recorder that nx.json names records nothing, where the Nx that is installed says it."""
    version = workspace.installed
    if version is None or version >= _CALLS_PLUGINS or not workspace.has_recorder:
        return None
    return f"nx.json names the recorder, which Nx calls from 20.4 on; this is Nx {version[0]}.{version[1]}"


def keeps_record_at_home(workspace: Workspace) -> bool:
    """Whether the Nx that is installed keeps its record at home, as far as the clone shows."""
    return (workspace.installed or (0, 0)) >= _RECORD_AT_HOME
