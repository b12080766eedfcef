"""Where runs are looked for in a clone, and what is said of what cannot count."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pipe import build as build_module
from pipe.checkout import Checkout
from pipe.nx.collect import Collection, Collector
from pipe.nx.hints import RECIPE
from pipe.nx.workspace import Workspace
from pipe.settings import Settings
from test.workspaces import lay_out, variables

if TYPE_CHECKING:
    from pathlib import Path


def collected(clone: Path, **options: object) -> Collection:
    """Collect with these settings, from the clone's root."""
    build, mistakes = build_module.read(variables(clone, {}), str(clone))
    assert not mistakes
    settings = Settings(**options)  # type: ignore[arg-type]
    collector = Collector(Checkout(str(clone)), settings, build, str(clone), frozenset())
    collector.read()
    return collector.collection()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A step that ran one failing command of Nx 24, with its record in `.nx/cache` and its log."""
    (tmp_path / "clone").mkdir()
    return lay_out(tmp_path / "clone", "24.0.6")


def move_cache(clone: Path, to: str) -> None:
    """Have the cache somewhere else, and no log."""
    (clone / to).parent.mkdir(parents=True, exist_ok=True)
    (clone / ".nx/cache").rename(clone / to)
    (clone / ".nx-report/nx.log").unlink()


@pytest.mark.parametrize(
    "config", ['{"cacheDirectory": "tmp/cache"}', '{\n // why\n "cacheDirectory": "tmp/cache", /* so */\n}']
)
def test_cache_directory_of_nx_json(clone: Path, config: str) -> None:
    """nx.json's `cacheDirectory` is where the record is looked for, comments and trailing commas or not."""
    move_cache(clone, "tmp/cache")
    (clone / "nx.json").write_text(config)
    assert collected(clone).runs[0].sources == ("tmp/cache/run.json",)


@pytest.mark.parametrize("place", ["node_modules/.cache/nx", ".nx/cache"])
def test_cache_directories_of_nx(clone: Path, place: str) -> None:
    """The places of Nx 16 and of 17 on are found by themselves."""
    move_cache(clone, "elsewhere")
    (clone / place).parent.mkdir(parents=True, exist_ok=True)
    (clone / "elsewhere").rename(clone / place)
    assert collected(clone).runs[0].sources == (f"{place}/run.json",)


def test_cache_directory_of_a_runner(clone: Path) -> None:
    """So is the place that older nx.json files give to a tasks runner."""
    move_cache(clone, "tmp/cache")
    (clone / "nx.json").write_text('{"tasksRunnerOptions": {"default": {"options": {"cacheDirectory": "tmp/cache"}}}}')
    assert len(collected(clone).runs) == 1


def test_cache_directory_given(clone: Path) -> None:
    """NX_CACHE_DIRECTORY names any other place inside the clone."""
    move_cache(clone, "some/where")
    assert collected(clone).runs == ()
    assert len(collected(clone, cache_directory=str(clone / "some/where")).runs) == 1


def test_cache_directory_outside(clone: Path) -> None:
    """A place outside the clone that nx.json names is said and not read."""
    move_cache(clone, "tmp/cache")
    (clone / "tmp/cache").rename(clone.parent / "cache")
    (clone / "nx.json").write_text('{"cacheDirectory": "../cache"}')
    found = collected(clone)
    assert found.runs == ()
    assert "../cache: lies outside the clone directory, where a pipe cannot read" in found.ignored


def break_record(clone: Path, how: str) -> None:
    """Put something else in place of run.json."""
    record = clone / ".nx/cache/run.json"
    data = record.read_bytes()
    record.unlink()
    if how == "cut":
        record.write_bytes(data[: len(data) // 2])
    elif how == "binary":
        record.write_bytes(bytes(range(256)))
    elif how == "folder":
        record.mkdir()
    elif how == "fifo":
        os.mkfifo(record)
    else:
        (clone.parent / "run.json").write_bytes(data)
        record.symlink_to("../../../run.json")


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("cut", "is not complete JSON"),
        ("binary", "is not complete JSON"),
        ("folder", "is not a regular file"),
        ("fifo", "is not a regular file"),
        ("link", "lies outside the clone directory"),
    ],
)
def test_unusable_record(clone: Path, how: str, why: str) -> None:
    """A record that cannot be used is named with the reason, and the log's runs are reported without it."""
    os.utime(clone / ".git/description", (0, 0))
    break_record(clone, how)
    found = collected(clone)
    assert found.ignored == (f".nx/cache/run.json: {why}",)
    assert [run.sources for run in found.runs] == [(".nx-report/nx.log",)]


def test_hash_that_leads_away(clone: Path) -> None:
    """A task's hash that is a path is not followed to a file elsewhere."""
    record = clone / ".nx/cache/run.json"
    (clone / "secret").write_text("token")
    record.write_text(record.read_text().replace("5784948842653774486", "../../../secret"))
    (clone / ".nx-report/nx.log").unlink()
    os.utime(clone / ".git/description", (0, 0))
    assert all(task.output is None for run in collected(clone).runs for task in run.tasks)


def test_clone_time_unknown(clone: Path) -> None:
    """Where nobody can know when the build cloned, sources count, and that is said."""
    (clone / ".git/description").unlink()
    found = collected(clone)
    assert len(found.runs) == 1
    assert found.notes == (
        "The time of this build's clone is not known: .nx/cache/run.json is taken as this build's",
        "The time of this build's clone is not known: .nx-report/nx.log is taken as this build's",
    )


def test_named_logs(clone: Path) -> None:
    """NX_LOGS names files and globs, each file once, and one that is not there is said."""
    (clone / ".nx-report/nx.log").rename(clone / "out.txt")
    assert len(collected(clone, logs=("out.txt", "*.txt", "none.log")).runs) == 1
    assert "none.log: no such file" in collected(clone, logs=("none.log",)).ignored


def test_hints(clone: Path) -> None:
    """What to add depends on what is missing: the record's place for Nx 23 and later, the workspace, the capture."""
    assert collected(clone).hints == ()
    (clone / ".nx-report/nx.log").unlink()
    assert [hint.line for hint in collected(clone).hints] == [RECIPE]
    (clone / ".nx/cache/run.json").unlink()
    place, capture = collected(clone).hints
    assert place.text == "Nx 24 keeps its record outside the clone. Add before nx"
    assert place.line == "export NX_CACHE_DIRECTORY=$BITBUCKET_CLONE_DIR/.nx/cache"
    assert capture.line == RECIPE
    (clone / "node_modules/nx/package.json").write_text('{"version": "21.6.11"}')
    assert [hint.line for hint in collected(clone).hints] == [RECIPE]
    (clone / "nx.json").unlink()
    assert collected(clone).hints[0].text.startswith("There is no nx.json in the working directory or above it")


def test_version_asked_for(clone: Path) -> None:
    """Without an installed Nx the version that package.json asks for tells which it is."""
    assert Workspace(Checkout(str(clone)), str(clone)).version == (24, 0)
    (clone / "node_modules/nx/package.json").unlink()
    for asked, version in (("^19.8.0", (19, 8)), ("~16.1.0", (16, 1)), ("20.x", (20, 0)), ("latest", None)):
        (clone / "package.json").write_text(json.dumps({"devDependencies": {"nx": asked}}))
        assert Workspace(Checkout(str(clone)), str(clone)).version == version


@pytest.mark.parametrize(
    ("lock", "command"), [("package-lock.json", "npx nx"), ("pnpm-lock.yaml", "pnpm nx"), ("yarn.lock", "yarn nx")]
)
def test_how_nx_is_started(tmp_path: Path, lock: str, command: str) -> None:
    """The command that runs a failure again starts Nx as the workspace's lock file says."""
    (tmp_path / lock).touch()
    assert Workspace(Checkout(str(tmp_path)), str(tmp_path)).command == command


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
@pytest.mark.parametrize("code", [0, 1, 130])
def test_recipe(tmp_path: Path, shell: str, code: int) -> None:
    """The line that captures a log keeps the exit code and stderr, appends, and goes on, under `set -e` too."""
    npx = tmp_path / "bin/npx"
    npx.parent.mkdir()
    npx.write_text(f'#!/bin/sh\necho "out $*"\necho err >&2\nexit {code}\n')
    npx.chmod(0o755)
    environ = {"PATH": f"{npx.parent}:{os.environ['PATH']}", "BITBUCKET_STEP_UUID": "{5b0e}"}
    for options in ([], ["-e"]):
        script = f"{RECIPE}\necho went on $?\n" if not options else RECIPE
        done = subprocess.run(
            [shell, *options, "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert "out nx affected -t lint test build\nerr\n" in done.stdout
        assert done.returncode == code if options else f"went on {code}" in done.stdout
    assert (tmp_path / ".nx-report/nx-{5b0e}.log").read_text() == "out nx affected -t lint test build\nerr\n" * 2
    assert (tmp_path / ".nx-report/.gitignore").read_text() == "*\n"


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
@pytest.mark.parametrize("code", [0, 3])
def test_recipe_where_nothing_can_be_written(tmp_path: Path, shell: str, code: int) -> None:
    """Where the folder cannot be made the line still prints what nx prints and keeps its exit code."""
    npx = tmp_path / "bin/npx"
    npx.parent.mkdir()
    npx.write_text(f"#!/bin/sh\necho out\nexit {code}\n")
    npx.chmod(0o755)
    (tmp_path / ".nx-report").touch()
    environ = {"PATH": f"{npx.parent}:{os.environ['PATH']}"}
    words = [shell, "-e", "-c", RECIPE]
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "out\n")


def test_cut_log(clone: Path) -> None:
    """A log that ends before nx does gets the hint to keep stderr too."""
    log = clone / ".nx-report/nx.log"
    log.write_bytes(log.read_bytes().partition(b" NX   Running targets lint, test, build for 5 projects failed")[0])
    (clone / ".nx/cache/run.json").unlink()
    os.utime(clone / ".git/description", (0, 0))
    found = collected(clone)
    assert [run.cut for run in found.runs] == [True]
    assert "its last lines go to stderr" in found.hints[0].text


def test_log_without_nx(clone: Path) -> None:
    """A log in which nx printed nothing is named with its last words, and there is no hint to capture one."""
    (clone / ".nx-report/nx.log").write_text("added 12 packages\nsh: nx: command not found\n")
    (clone / ".nx/cache/run.json").unlink()
    os.utime(clone / ".git/description", (0, 0))
    found = collected(clone)
    assert (found.runs, found.hints) == ((), ())
    assert found.ignored == (
        ".nx-report/nx.log: holds no output of nx; its last words: added 12 packages sh: nx: command not found",
    )


def test_whether_nx_may_have_run(clone: Path) -> None:
    """That nothing was found is no proof that nx did not run: where its record is broken, or lies at home."""
    shutil.rmtree(clone / ".nx-report")
    (clone / ".nx/cache/run.json").write_text("{")
    assert collected(clone).nx_may_have_run
    assert [hint.line for hint in collected(clone).hints] == [RECIPE]
    (clone / ".nx/cache/run.json").unlink()
    assert collected(clone).nx_may_have_run
    (clone / "node_modules/nx/package.json").write_text('{"version": "21.6.11"}')
    assert not collected(clone).nx_may_have_run
    (clone / "node_modules/nx/package.json").unlink()
    assert not collected(clone).nx_may_have_run


def test_links_are_not_followed_by_a_glob(clone: Path) -> None:
    """`**` enters no linked folder, and a pattern that leads outside finds nothing."""
    (clone / "up").symlink_to("..")
    (clone.parent / "other.log").touch()
    assert collected(clone, logs=("**/*.log",)).ignored == ()
    for pattern in ("up/*.log", "../*.log", str(clone.parent / "*.log")):
        assert collected(clone, logs=(pattern,)).ignored == (f"{pattern}: lies outside the clone directory",)


def test_run_that_did_nothing(clone: Path) -> None:
    """A command that found nothing to do is one run in its record and its log, with no task."""
    (clone / ".nx-report/nx.log").write_text("\n NX   No tasks were run\n\n")
    record = json.loads((clone / ".nx/cache/run.json").read_text())
    (clone / ".nx/cache/run.json").write_text(json.dumps({**record, "tasks": []}))
    os.utime(clone / ".git/description", (0, 0))
    (run,) = collected(clone).runs
    assert (run.tasks, run.stated_tasks, len(run.sources)) == ((), 0, 2)
