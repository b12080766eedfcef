"""A clone directory as a step leaves it, laid out from captured runs, and the variables that Pipelines adds.

The captures (test/data/nx-runs/NAME) are what real Nx runs printed and wrote, unchanged; NAME begins with Nx's version.
A run goes by the number that its file names begin with: `1`, or `"03"` where they have two digits. The plain versions
hold one workspace with one failing task, `cart:test`, and the runs 1 run-many, 2 run-many-cached, 3 affected-static,
4 run-one (the only one that succeeds), 5 run-one-failing and 6 affected-colour.
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from test.sandbox.seed import HEAD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CAPTURES = Path(__file__).parent / "data" / "nx-runs"
VERSIONS = ("17.3.2", "20.8.4", "21.6.11", "24.0.6")
COMMIT = HEAD


def capture(version: str, run: int | str, kind: str) -> Path:
    """Find the captured file of a run; `kind` is `log`, `exit` (the exit code) or `run.json`."""
    (path,) = (CAPTURES / version).glob(f"{run}-*.{kind}")
    return path


def exit_code(version: str, run: int | str) -> str:
    """Read what the command exited with, as Pipelines would hand it over."""
    return capture(version, run, "exit").read_text().strip()


def times(version: str, run: int | str) -> tuple[datetime, datetime]:
    """When the captured run started and ended."""
    record: dict[str, Any] = json.loads(capture(version, run, "run.json").read_text())["run"]
    return datetime.fromisoformat(record["startTime"]), datetime.fromisoformat(record["endTime"])


def lay_out(
    clone: Path,
    version: str,
    runs: Sequence[int | str] = (1,),
    *,
    log: bool = True,
    record: bool = True,
    cloned: datetime | None = None,
    commit: str = COMMIT,
) -> Path:
    """Fill `clone` with what a step leaves that ran these captured runs, in this order.

    `.nx-report/nx.log` holds what all of them printed, `.nx/cache` the record of the last one, each with the time at
    which the run ended; either can be left out. `cloned` is when the build cloned the repository (just before the first
    run started), `commit` the head of
    the pull request, which only `packed-refs` names. Returns `clone`.
    """
    start, end = times(version, runs[0])[0], times(version, runs[-1])[1]
    _git(clone / ".git", cloned or start - timedelta(seconds=30), commit)
    _write(clone / "nx.json", "{}\n")
    nx = version.partition("-")[0]
    _write(clone / "package.json", json.dumps({"name": "shop", "devDependencies": {"nx": nx}}) + "\n")
    _write(clone / "node_modules" / "nx" / "package.json", json.dumps({"name": "nx", "version": nx}) + "\n")
    for project in ("core", "cart", "api", "web", "ui"):
        _write(clone / "packages" / project / "project.json", json.dumps({"name": project}) + "\n")
    if log:
        printed = clone / ".nx-report" / "nx.log"
        printed.parent.mkdir(exist_ok=True)
        printed.write_bytes(b"".join(capture(version, run, "log").read_bytes() for run in runs))
        _date(printed, end)
    if record:
        cache = clone / ".nx" / "cache"
        shutil.copytree(CAPTURES / version / "terminalOutputs", cache / "terminalOutputs", dirs_exist_ok=True)
        shutil.copy(capture(version, runs[-1], "run.json"), cache / "run.json")
        for path in (cache / "run.json", *(cache / "terminalOutputs").iterdir()):
            _date(path, end)
    return clone


def variables(clone: Path, own: Mapping[str, str], *, short: bool = False) -> dict[str, str]:
    """Give the variables of the sandbox's pull request that reach a pipe, and the entry's `own`.

    With `short` those alone that are known to be handed over to every pipe; the long list has what plain steps see too.
    """
    known = {
        "CI": "true",
        "BITBUCKET_BRANCH": "feature/cart-totals",
        "BITBUCKET_BUILD_NUMBER": "417",
        "BITBUCKET_CLONE_DIR": str(clone),
        "BITBUCKET_COMMIT": COMMIT[:12],
        "BITBUCKET_DOCKER_HOST_INTERNAL": "10.36.13.187",
        "BITBUCKET_GIT_HTTP_ORIGIN": "http://bitbucket.org/acme/shop",
        "BITBUCKET_GIT_SSH_ORIGIN": "git@bitbucket.org:acme/shop.git",
        "BITBUCKET_PIPELINES_VARIABLES_PATH": "/opt/atlassian/pipelines/agent/tmp/pipelines_variables",
        "BITBUCKET_PIPELINE_UUID": "{7d8b6f0e-5f0b-4bd6-8f4c-0c6c1d0a2b31}",
        "BITBUCKET_PROJECT_KEY": "SHOP",
        "BITBUCKET_PROJECT_UUID": "{0f3ad1ee-4a36-4f0c-9a0d-6b6c3a3c8d02}",
        "BITBUCKET_REPO_FULL_NAME": "acme/shop",
        "BITBUCKET_REPO_IS_PRIVATE": "true",
        "BITBUCKET_REPO_OWNER": "acme",
        "BITBUCKET_REPO_OWNER_UUID": "{b2f6cf9e-9b0b-4f3e-8d2b-5a6f5b0b9c11}",
        "BITBUCKET_REPO_SLUG": "shop",
        "BITBUCKET_REPO_UUID": "{9a4c5b0a-7a7d-4a9f-8d0b-0b4f2ed3c7e5}",
        "BITBUCKET_SSH_KEY_FILE": "/opt/atlassian/pipelines/agent/ssh/id_rsa",
        "BITBUCKET_STEP_RUN_NUMBER": "1",
        "BITBUCKET_STEP_TRIGGERER_UUID": "{c1d2e3f4-0a1b-4c2d-9e3f-4a5b6c7d8e9f}",
        "BITBUCKET_STEP_UUID": "{5b0e1c7a-2f64-4d3e-8a9b-1c2d3e4f5a6b}",
        "BITBUCKET_WORKSPACE": "acme",
    }
    unsure = {
        "BITBUCKET_PR_ID": "17",
        "BITBUCKET_PR_DESTINATION_BRANCH": "main",
        "BITBUCKET_PR_DESTINATION_COMMIT": "9be2d410c7a8",
        "BITBUCKET_EXIT_CODE": "1",
        "BITBUCKET_PARALLEL_STEP": "0",
        "BITBUCKET_PARALLEL_STEP_COUNT": "1",
        "BITBUCKET_PIPE_SHARED_STORAGE_DIR": str(clone / ".bitbucket/pipelines/generated/pipeline/pipes"),
        "BITBUCKET_PIPE_STORAGE_DIR": str(clone / ".bitbucket/pipelines/generated/pipeline/pipes/acme/nx-report"),
    }
    return {**known, **({} if short else unsure), **own}


def _git(git: Path, cloned: datetime, commit: str) -> None:
    """Write the parts of a `.git` that tell the time of the clone and the full hash of the commit."""
    _write(git / "HEAD", "9e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e0d\n")  # the temporary merge of a pull request pipeline
    _write(
        git / "packed-refs",
        f"# pack-refs with: peeled fully-peeled sorted \n{commit} refs/remotes/origin/feature/cart-totals\n",
    )
    description = git / "description"
    _write(description, "Unnamed repository; edit this file 'description' to name the repository.\n")
    _date(description, cloned)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _date(path: Path, when: datetime) -> None:
    os.utime(path, (when.timestamp(), when.timestamp()))
