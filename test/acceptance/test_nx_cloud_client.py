"""Nx Cloud's real client, from npm, uploads to the stand-in: what it uploaded is what the pipe has from the API."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pipe.app import Pipe, connect
from pipe.clock import Clock
from pipe.model import Link, RunStatus, TaskStatus
from pipe.nx.cloud import Wanted, fetch
from test.command import Ran, execute
from test.conftest_tools import need
from test.nx_cloud import NxCloud
from test.workspaces import variables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipe.model import CIPipelineExecution

# The client of 18.0.1 is the last that npm has whole: from 19 on the package only fetches one from Nx Cloud itself.
FILES = {
    ".gitignore": "node_modules\n.nx\n",
    "package.json": json.dumps(
        {"name": "shop", "version": "1.0.0", "devDependencies": {"nx": "^18.0.0", "nx-cloud": "18.0.1"}}
    ),
    "nx.json": json.dumps(
        {
            "tasksRunnerOptions": {
                # Its own code, not the newer one that it would fetch from the address it talks to.
                "default": {"runner": "nx-cloud", "options": {"accessToken": "of-nx.json", "useLightClient": False}}
            },
            "targetDefaults": {"build": {"cache": True, "dependsOn": ["^build"]}, "test": {"cache": True}},
        }
    ),
    **{
        f"packages/{name}/project.json": json.dumps(
            {
                "name": f"@shop/{name}",
                "implicitDependencies": needs,
                "targets": {
                    target: {"executor": "nx:run-commands", "options": {"command": f"node -e 'process.exit({code})'"}}
                    for target, code in codes.items()
                },
            }
        )
        for name, needs, codes in (
            ("core", [], {"build": 0, "test": 0}),
            ("cart", ["@shop/core"], {"build": 0, "test": 1}),
        )
    },
}
END = "NX_CI_EXECUTION_ENV=arm node node_modules/nx-cloud/bin/nx-cloud.js stop-all-agents"
# By its name 18.0.1 does not get to its own `record`.
RECORD = (
    "node -e \"process.argv.splice(1, 0, 'nx-cloud', 'record', '--');"
    "require('nx-cloud/lib/core/commands/record-output').runCommandAndStoreInCloud()\""
)
COMMANDS = (
    "npx nx run-many -t build",
    "npx nx run-many -t test build",
    "rm -r .nx/cache && npx nx run-many -t build",
    "NX_CI_EXECUTION_ENV=arm npx nx run @shop/core:test",
    f"{RECORD} sh -c 'exit 3'",
)
# Variables by which the client would take this machine's own CI for the one it runs in.
OTHERS = ("NX_", "npm_", "BITBUCKET_", "BUILD_", "CI_", "CIRCLE", "GITHUB_", "TRAVIS", "VERCEL_", "GIT_BRANCH")


class Step(NamedTuple):
    """What a step of a pipeline printed, command by command, its exit codes, and the stand-in that it uploaded to."""

    nx_cloud: NxCloud
    clone: Path
    printed: list[str]
    codes: list[int]

    def fetch(self, environment: str = "", wait: int = 0, clock: Clock | None = None) -> CIPipelineExecution:
        """What the pipe has from the API."""
        clock = clock or Clock()
        found = fetch(
            self.nx_cloud.url,
            self.nx_cloud.token,
            Wanted(("417",), environment, ("17", "feature/total"), clock.now()),
            wait=wait,
            clock=clock,
            deadline=clock.monotonic() + 600,
            hosts=frozenset({self.nx_cloud.host}),
            debug=lambda _: None,
        )
        assert found is not None
        return found


@pytest.fixture(scope="module")
def step(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Step]:
    """A step with several commands in a workspace that is connected to the stand-in."""
    need("node")
    need("git")
    clone = tmp_path_factory.mktemp("step") / "clone"
    for name, text in FILES.items():
        path = clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with NxCloud() as nx_cloud:
        environ = {
            **{name: text for name, text in os.environ.items() if not name.startswith(OTHERS)},
            "CI": "true",
            "NX_DAEMON": "false",
            "NX_CACHE_DIRECTORY": str(clone / ".nx/cache"),
            "NX_CLOUD_API": nx_cloud.url,
            "NX_CLOUD_ACCESS_TOKEN": nx_cloud.token,
            "BITBUCKET_BUILD_NUMBER": "417",
            "BITBUCKET_PR_ID": "17",
            "BITBUCKET_BRANCH": "feature/total",
            "BITBUCKET_STEP_UUID": "{5b0e}",
            "BITBUCKET_CLONE_DIR": str(clone),
        }
        identity = "-c user.name=a -c user.email=a@example.com"
        _shell(clone, f"git init -q && git add . && git {identity} commit -qm one", environ, check=True)
        _shell(clone, "npm install --no-audit --no-fund --prefer-offline", environ, check=True)
        ran = [_shell(clone, command, environ) for command in COMMANDS]
        _shell(clone, END, environ, check=True)
        yield Step(nx_cloud, clone, [one.printed for one in ran], [one.code for one in ran])


def _shell(clone: Path, command: str, environ: dict[str, str], *, check: bool = False) -> Ran:
    ran = execute(["sh", "-c", command], clone, environ)
    assert not check or ran.code == 0, ran.printed
    return ran


def test_runs_are_those_that_the_client_uploaded(step: Step) -> None:
    """Each upload is a run: its command, its failed tasks, its number of tasks, its result; in its run group."""
    assert step.codes == [0, 1, 0, 0, 3]
    execution = step.fetch()
    uploads = [one.json for one in step.nx_cloud.requests if one.path == "/nx-cloud/runs/end"]
    assert len(uploads) == len(COMMANDS)
    assert {upload["ciExecutionId"] for upload in uploads} == {"417"}
    recorded = [len(upload["tasks"]) == 1 and upload["tasks"][0]["target"] == "record-command" for upload in uploads]
    assert recorded == [False, False, False, False, True]
    for group in execution.run_groups:
        ours = [each for each in zip(uploads, recorded, strict=True) if each[0]["runGroup"] == group.name]
        assert [run.command for run in group.runs] == [upload["run"]["command"] for upload, _ in ours]
        for run, (upload, record) in zip(group.runs, ours, strict=True):
            failed = [] if record else [task["taskId"] for task in upload["tasks"] if task["status"] != 0]
            assert [task.id for task in run.by_status(TaskStatus.FAILURE)] == failed
            assert run.stated_tasks == (None if record else len(upload["tasks"]))
            assert run.status is (RunStatus.FAILED if failed or record else RunStatus.SUCCEEDED)
    assert [group.name for group in execution.run_groups] == ["417", "417-arm"]
    assert [run.command for run in execution.run_groups[0].runs] == [
        "nx run-many -t build",
        "nx run-many -t test build",
        "nx run-many -t build",
        "nx-cloud record -- sh -c exit 3",
    ]
    assert [task.id for task in execution.run_groups[0].runs[1].tasks] == ["@shop/cart:test"]
    assert execution.status is RunStatus.FAILED


def test_links_are_those_that_the_client_printed(step: Step) -> None:
    """Each command's printed link is the link of exactly one run."""
    printed = [re.findall(r"https?://\S+/runs/\w+", text) for text in step.printed]
    assert [len(links) for links in printed] == [1] * len(COMMANDS)
    first, second = step.fetch().run_groups
    links = [run.link for run in (*first.runs[:3], *second.runs, first.runs[3])]
    assert links == [Link(url, live=True) for (url,) in printed]


def test_run_from_the_remote_cache(step: Step) -> None:
    """A run that took everything from the remote cache is a run like any other."""
    assert step.printed[2].count("[remote cache]") == 2
    upload = [one.json for one in step.nx_cloud.requests if one.path == "/nx-cloud/runs/end"][2]
    assert [task["cacheStatus"] for task in upload["tasks"]] == ["remote-cache-hit"] * 2
    assert {f"GET /file/{task['hash']}" for task in upload["tasks"]} <= set(step.nx_cloud.paths())
    run = step.fetch().run_groups[0].runs[2]
    assert (run.status, run.stated_tasks, run.tasks) == (RunStatus.SUCCEEDED, 2, ())


def test_environment_of_the_execution(step: Step) -> None:
    """With NX_CI_EXECUTION_ENV the execution is the same, and found by the group that the client then names."""
    assert step.fetch(environment="arm") == step.fetch()


class Sleepless(Clock):
    """A clock that does not let anybody wait."""

    def sleep(self, seconds: float) -> None:
        """Fail."""
        raise AssertionError(seconds)


def test_ended_execution_is_not_waited_for(step: Step) -> None:
    """Once the client has ended its run groups the execution is over, and nothing more is waited for."""
    assert step.fetch(wait=500, clock=Sleepless()) == step.fetch()


def test_what_the_pipe_reports(step: Step) -> None:
    """The pipe shows the run that its log names once, as the step's; the others once, as the pipeline's."""
    log = step.clone / ".nx-report/nx.log"
    log.parent.mkdir()
    log.write_text(step.printed[1])
    own = {
        "DRY_RUN": "true",
        "NX_CLOUD_API": step.nx_cloud.url,
        "NX_CLOUD_ACCESS_TOKEN": step.nx_cloud.token,
        "BITBUCKET_EXIT_CODE": "1",
    }
    said: list[str] = []
    assert Pipe(variables(step.clone, own), str(step.clone), Clock(), said.append, connect).run() == 0
    comment = "\n".join(said).partition("The comment would be:\n")[2]
    assert comment.lstrip().startswith("✗ **Nx: 1 of 4 tasks failed:** `@shop/cart:test`")
    first, second = step.fetch().run_groups
    assert all(run.link is not None and comment.count(f"({run.link.url})") == 1 for run in (*first.runs, *second.runs))
    own_table, others = comment.split("**Nx Cloud**: [✗ failed](")
    assert own_table.count("| `nx run-many -t test build` | [✗ 1 failed](") == 1
    assert others.count("| `nx run-many -t build` | `417` | [✓](") == 2
    assert others.count("| `nx run @shop/core:test` | `417-arm` | [✓](") == 1
    assert others.count("| `nx-cloud record -- sh -c exit 3` | `417` | [✗ failed](") == 1
