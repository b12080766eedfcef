"""The recorder's package in real workspaces: each nx command leaves a record, and the record says what Nx says."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from pipe.app import Pipe, connect
from pipe.clock import Clock
from test.command import SECONDS, execute
from test.conftest_tools import need
from test.workspaces import variables

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[2] / "recorder"
SCHEMA = Draft202012Validator(json.loads((FOLDER / "record.schema.json").read_text()))
MAJORS = (20, 21, 22, 23, 24)
TOKEN = "t0p-s3cret"
BUILD = {"ci": "bitbucket", "number": "417", "step": "{5b0e}", "stepRun": "1", "commit": "1f3c", "job": None}


def target(code: str, **more: object) -> dict[str, object]:
    """Give a target that runs a piece of JavaScript and takes any arguments."""
    return {"executor": "nx:run-commands", "options": {"command": f'node -e "{code}" --'}, **more}


def project(name: str, targets: dict[str, object], **more: object) -> str:
    """Give a project.json."""
    return json.dumps({"name": name, "targets": targets, **more})


FILES = {
    ".gitignore": "node_modules\n.nx\n",
    "nx.json": json.dumps(
        {
            "plugins": ["nx-report-recorder"],
            "targetDefaults": {
                "build": {"cache": True, "dependsOn": ["^build"]},
                "test": {"cache": True, "dependsOn": ["build"]},
                "pack": {"cache": True, "dependsOn": ["^pack"]},
            },
        }
    ),
    "packages/core/project.json": project(
        "core",
        {
            "build": target("console.log('built core é ' + process.env.NPM_TOKEN)"),
            "test": target("console.log('ok')", configurations={"ci": {}}),
            "serve": target("require('fs').writeFileSync(process.env.STARTED, 'x'); setTimeout(() => {}, 600000)"),
        },
    ),
    "packages/cart/project.json": project(
        "cart",
        {
            "build": target("console.log('built cart')"),
            "test": target("console.log('2 of 3 failed'); process.exit(3)"),
            "ci": {
                "executor": "nx:run-commands",
                "options": {"command": "node_modules/.bin/nx run cart:test || echo never mind"},
            },
        },
        implicitDependencies=["core"],
    ),
    # Projects that wait for each other in every way that `dependsOn` has; shelf has nothing to pack.
    "packages/shelf/project.json": project(
        "shelf", {"check": target("console.log('ok')")}, implicitDependencies=["core"], tags=["wood"]
    ),
    "packages/box/project.json": project("box", {"pack": target("console.log('box')")}, tags=["wood"]),
    "packages/van/project.json": project(
        "van",
        {
            "pack": target(
                "console.log('van')",
                configurations={"full": {}},
                defaultConfiguration="full",
                dependsOn=["^pack", "load-*"],
            ),
            "load-a": target("console.log('a')"),
            "load-b": target("process.exit(4)", dependsOn=["load-a"]),
            "check": target("console.log('ok')", dependsOn=["shelf:check", {"target": "check", "dependencies": True}]),
        },
        implicitDependencies=["shelf", "box"],
    ),
    "packages/depot/project.json": project(
        "depot",
        {
            "pack": target("console.log('depot')"),
            "check": target(
                "console.log('ok')", dependsOn=[{"projects": ["tag:wood", "v*"], "target": "che*"}, "pack"]
            ),
        },
        implicitDependencies=["shelf"],
    ),
    # The root project's files are all files.
    "project.json": project(
        "root", {"pack": target("console.log('packed')", cache=True, inputs=["{projectRoot}/**/*"])}
    ),
}


@dataclass
class Command:
    """What an nx command left: exit code, what it printed without colours, and its record's lines, if any."""

    code: int
    printed: str
    record: list[dict[str, Any]]

    @property
    def run(self) -> dict[str, Any]:
        """The first line."""
        return self.record[0]

    @property
    def tasks(self) -> dict[str, dict[str, Any]]:
        """The tasks by id."""
        return {line["id"]: line for line in self.record[1:-1]}


class Workspace:
    """A workspace with the recorder's tarball installed from npm's point of view: a package in node_modules."""

    def __init__(self, root: Path, nx: str, tarball: Path) -> None:
        self.root = root
        self.program = str(root / "node_modules/.bin/nx")
        for name, text in FILES.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        packages = {"nx": nx, "nx-report-recorder": f"file:{tarball}"}
        (root / "package.json").write_text(json.dumps({"name": "shop", "devDependencies": packages}))
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("NX_", "npm_", "BITBUCKET_"))}
        self.environ = {
            **kept,
            "CI": "true",
            "NX_DAEMON": "false",
            "NX_NO_CLOUD": "true",
            "NX_CACHE_DIRECTORY": str(root / ".nx/cache"),
            "BITBUCKET_BUILD_NUMBER": "417",
            "BITBUCKET_STEP_UUID": "{5b0e}",
            "BITBUCKET_STEP_RUN_NUMBER": "1",
            "BITBUCKET_COMMIT": "1f3c",
            "NPM_TOKEN": TOKEN,
            "STARTED": str(root.parent / "started"),
        }
        install = ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline"]
        done = execute(install, root, self.environ)
        assert done.code == 0, done.printed
        self.version = json.loads((root / "node_modules/nx/package.json").read_text())["version"]
        self.major, self.minor = map(int, self.version.split(".")[:2])

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start an nx command whose output nobody reads."""
        none = subprocess.DEVNULL
        return subprocess.Popen([self.program, *arguments], cwd=self.root, env=self.environ, stdin=none, stdout=none)

    def nx(self, *arguments: str) -> Command:
        """Run an nx command."""
        before = set(self.records())
        ran = execute([self.program, *arguments], self.root, self.environ)
        new = set(self.records()) - before
        assert len(new) <= 1
        printed = re.sub(r"\x1b\[[0-9;]*m", "", ran.printed)
        return Command(ran.code, printed, [line for path in new for line in read(path)])

    def records(self) -> list[Path]:
        """The records so far; nothing else lies there but the .gitignore."""
        paths = list(self.root.glob(".nx-report/[!.]*"))
        assert all(re.fullmatch(r"417-5b0e-1-[0-9a-f-]{36}\.jsonl", path.name) for path in paths)
        return paths


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Read a record, held to the schema."""
    lines = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    for line in lines:
        SCHEMA.validate(line)
    assert lines[-1] == {"type": "end", "tasks": len(lines) - 2}
    assert TOKEN not in path.read_text()
    return iter(lines)


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorder, packed as for npm."""
    need("node")
    folder = tmp_path_factory.mktemp("pack")
    pack = ["npm", "pack", "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(pack, cwd=FOLDER, capture_output=True, text=True, check=True)
    return folder / done.stdout.strip()


@pytest.fixture(scope="module", params=MAJORS, ids=lambda major: f"nx{major}")
def workspace(request: pytest.FixtureRequest, tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the newest Nx of that major; one for all tests."""
    return Workspace(tmp_path_factory.mktemp(f"nx{request.param}") / "shop", f"^{request.param}.0.0", tarball)


def as_run_json_has_it(workspace: Workspace) -> dict[str, tuple[str, str, int]]:
    """What Nx's own record of its last command says: hash, where the result came from and exit code, by task id."""
    said = json.loads((workspace.root / ".nx/cache/run.json").read_text())
    cache = {"local-cache-hit": "local", "remote-cache-hit": "remote", "cache-miss": "miss"}
    return {task["taskId"]: (task["hash"], cache[task["cacheStatus"]], task["status"]) for task in said["tasks"]}


def test_commands(workspace: Workspace) -> None:
    """Of several commands each has a record, with the tasks, results and outputs that Nx itself states."""
    first = workspace.nx("run-many", "-t", "build,test", f"--note={TOKEN}", "--parallel=1")
    said = as_run_json_has_it(workspace)
    assert first.code == 1
    assert first.run["build"] == BUILD
    assert first.run["nx"] == workspace.version
    assert first.run["command"] == "nx run-many -t build,test '--note=********' --parallel=1"
    assert first.run["workspaceRoot"] == str(workspace.root)
    assert {name: (task["hash"], task["cache"], task["code"]) for name, task in first.tasks.items()} == said
    assert {name: task["status"] for name, task in first.tasks.items()} == {
        "core:build": "success",
        "cart:build": "success",
        "core:test": "success",
        "cart:test": "failure",
    }
    for name, task in first.tasks.items():
        assert name == f"{task['project']}:{task['target']}"
        assert task["projectRoot"] == f"packages/{task['project']}"
        assert first.run["start"] <= task["start"] <= task["end"] <= first.run["end"]
    assert "2 of 3 failed" in first.tasks["cart:test"]["output"]
    assert "2 of 3 failed" in first.printed
    assert "built core é ********" in first.tasks["core:build"]["output"]


def test_cached(workspace: Workspace) -> None:
    """A cache hit is recorded as one, with the output of the task that filled the cache."""
    filled = workspace.nx("run-many", "-t", "build")
    again = workspace.nx("run-many", "-t", "build")
    assert again.code == 0
    assert {name: (task["hash"], task["cache"], task["code"]) for name, task in again.tasks.items()} == (
        as_run_json_has_it(workspace)
    )
    assert {task["cache"] for task in again.tasks.values()} == {"local"}
    assert {name: task["output"] for name, task in again.tasks.items()} == {
        name: task["output"] for name, task in filled.tasks.items()
    }
    assert "built cart" in again.tasks["cart:build"]["output"]


def planned(workspace: Workspace, *arguments: str) -> dict[str, list[str]]:
    """What Nx itself says that each task of a command waits for."""
    path = workspace.root.parent / "graph.json"
    done = execute([workspace.program, *arguments, f"--graph={path}"], workspace.root, workspace.environ)
    assert done.code == 0, done.printed
    tasks = json.loads(path.read_text())["tasks"]["dependencies"]  # from 24 on its edges are objects
    return {name: sorted(edge if isinstance(edge, str) else edge["id"] for edge in tasks[name]) for name in tasks}


@pytest.mark.parametrize("cache", [("--skip-nx-cache",), ()], ids=["executed", "cached"])
def test_dependencies(workspace: Workspace, cache: tuple[str, ...]) -> None:
    """Each task has those that Nx itself planned to end before it, of the tasks that the command came to run."""
    command = ["run-many", "-t", "pack,check", "--exclude=root"]
    said = planned(workspace, *command)
    assert said["van:pack:full"] == ["box:pack", "van:load-a", "van:load-b"]
    assert said["depot:check"] == ["depot:pack", "shelf:check", "van:check"]
    ran = workspace.nx(*command, *cache)
    assert ran.code != 0
    assert ran.tasks.keys() == said.keys() - {"van:pack:full"}
    assert {name: sorted(task["dependencies"]) for name, task in ran.tasks.items()} == {
        name: said[name] for name in ran.tasks
    }
    assert {name for name, task in ran.tasks.items() if task["cacheable"]} == {"box:pack", "depot:pack"}
    assert {task["continuous"] for task in ran.tasks.values()} == {None if workspace.major == 20 else False}


def test_dependencies_that_were_not_asked_for(workspace: Workspace) -> None:
    """A task does not wait for what the command leaves out."""
    ran = workspace.nx("run-many", "-t", "check", "--exclude-task-dependencies")
    assert {name: sorted(task["dependencies"]) for name, task in ran.tasks.items()} == {
        "shelf:check": [],
        "van:check": ["shelf:check"],
        "depot:check": ["shelf:check", "van:check"],
    }


def test_configuration(workspace: Workspace) -> None:
    """A task of a configuration is recorded with it."""
    one = workspace.nx("run", "core:test:ci")
    assert one.code == 0
    task = one.tasks["core:test:ci"]
    assert (task["project"], task["target"], task["configuration"]) == ("core", "test", "ci")
    assert one.run["command"] == "nx run core:test:ci"


def test_root_project_hits_the_cache(workspace: Workspace) -> None:
    """The records change no hash: a root project whose inputs are all files is taken from the cache."""
    runs = [workspace.nx("run", "root:pack") for _ in range(2)]
    assert [run.code for run in runs] == [0, 0]
    assert runs[1].tasks["root:pack"]["cache"] == "local"
    assert runs[1].tasks["root:pack"]["hash"] == runs[0].tasks["root:pack"]["hash"]


def test_two_commands_at_once(workspace: Workspace) -> None:
    """Commands that run at the same time have a record each."""
    before = set(workspace.records())
    processes = [workspace.start("run", name) for name in ("core:test", "cart:build")]
    for process in processes:
        process.wait(SECONDS)
    records = [list(read(path)) for path in set(workspace.records()) - before]
    assert sorted(record[0]["command"] for record in records) == ["nx run cart:build", "nx run core:test"]


def reported(workspace: Workspace) -> str:
    """What the pipe says of the step, with nothing but the records to go by."""
    own = {"BITBUCKET_STEP_UUID": "{5b0e}", "DRY_RUN": "true", "NX_CACHE_DIRECTORY": ""}
    said: list[str] = []
    environ = {name: text for name, text in variables(workspace.root, own).items() if text}
    (workspace.root / ".nx/cache/run.json").unlink(missing_ok=True)
    assert Pipe(environ, str(workspace.root), Clock(), said.append, connect).run() == 0
    return "\n".join(said)


def test_what_the_pipe_reports(workspace: Workspace) -> None:
    """Every command of the step is in the report, with the reason of the failure, by the records alone."""
    for old in workspace.records():
        old.unlink()
    workspace.nx("run-many", "-t", "build")
    workspace.nx("run", "cart:test")
    workspace.nx("run", "core:test:ci")
    report = reported(workspace)
    assert "✗ **Nx: 1 of 4 tasks failed:** `cart:test`" in report
    rows = re.findall(r"^\| `(.*?)` \| (\S)", report, re.MULTILINE)
    assert rows == [("nx run-many -t build", "✓"), ("nx run cart:test", "✗"), ("nx run core:test:ci", "✓")]
    assert "2 of 3 failed" in report.partition("**`cart:test`**")[2]


def test_command_within_a_task(workspace: Workspace) -> None:
    """A command that a task starts names that task, and its failure is no failure where the task swallows it."""
    before = set(workspace.records())
    assert workspace.start("run", "cart:ci").wait(SECONDS) == 0
    records = [list(read(path)) for path in set(workspace.records()) - before]
    assert {record[0]["command"]: record[0]["inside"] for record in records} == {
        "nx run cart:ci": None,
        "nx run cart:test": "cart:ci",
    }
    for old in before:
        old.unlink()
    report = reported(workspace)
    assert "ran within cart:ci, which succeeded" in report
    assert "| `nx run cart:ci` | ✓ |" in report
    assert "nx run cart:test" not in report.partition("The comment would be:")[2]


def test_interrupted(workspace: Workspace) -> None:
    """A command that is told to end has a record, wherever Nx still calls plugins; what runs then is `stopped`."""
    before = set(workspace.records())
    os.mkfifo(workspace.environ["STARTED"])
    fifo = os.open(workspace.environ["STARTED"], os.O_RDONLY | os.O_NONBLOCK)
    process = workspace.start("run-many", "-t", "build,serve")
    assert select.select([fifo], [], [], 60)[0], "the task was not started"
    process.send_signal(signal.SIGTERM)
    process.wait(SECONDS)
    os.close(fifo)
    assert process.returncode != 0
    new = set(workspace.records()) - before
    if (workspace.major, workspace.minor) >= (22, 7):
        (record,) = new
        tasks = {line["id"]: line for line in list(read(record))[1:-1]}
        assert tasks["core:serve"]["status"] == "stopped"
        assert tasks["core:build"]["code"] == 0
    else:
        assert len([list(read(path)) for path in new]) <= 1


@pytest.mark.parametrize("nx", ["^16.0.0", "^18.0.0", "~20.3.0"])
def test_harmless_where_nx_never_calls_it(nx: str, tarball: Path, tmp_path: Path) -> None:
    """Before 20.4 a command ends and prints as it does without the recorder, and there is no record."""
    workspace = Workspace(tmp_path / "shop", nx, tarball)
    del workspace.environ["NX_CACHE_DIRECTORY"]  # 16.10 fails with it in a fresh workspace, whatever the plugins
    runner = {"default": {"runner": "nx/tasks-runners/default"}}  # 16 has no default
    ran = []
    for plugins in (["nx-report-recorder"], []):
        config = {**json.loads(FILES["nx.json"]), "tasksRunnerOptions": runner, "plugins": plugins}
        (workspace.root / "nx.json").write_text(json.dumps(config))
        ran.append(workspace.nx("run-many", "-t", "test", "-p", "cart", "--skip-nx-cache", "--parallel=1"))
    ours, theirs = ran
    assert (ours.code, ours.printed) == (theirs.code, theirs.printed)
    assert "2 of 3 failed" in ours.printed
    assert not (workspace.root / ".nx-report").exists()
