"""The README's recipes, as they are printed: each pipeline is played with the image, and the pull request shows it all.

The steps leave captured runs in place of running nx, but for one pipeline, which runs it.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
from base64 import b64encode
from datetime import UTC, datetime
from fnmatch import fnmatch
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from test.acceptance import container
from test.acceptance.pipeline import Pipeline, Step
from test.command import execute
from test.conftest_tools import need
from test.integration.test_final_collect import captured
from test.workspaces import exit_code, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from test.sandbox import Sandbox

README = (container.ROOT / "README.md").read_text()
VERSION = "24.0.6"
GREEN, RED = 4, 1  # captured runs: 1 task succeeded, 1 of 15 tasks failed
PASSING, FAILING = "24.0.6-passing", "24.0.6-failing"  # captured records: 2 tasks succeeded, 1 of 4 tasks failed
LATER = datetime(2026, 11, 25, tzinfo=UTC)  # than all captured runs
PULL_REQUEST = {"BITBUCKET_PR_ID": "17"}
HEADINGS = {
    "Use it",
    "Parallel steps",
    "A final step",
    "Reruns, other builds, other reports",
    "Not on a pull request",
}
agents = pytest.mark.parametrize("generous", [True, False], ids=["every-variable", "few-variables"])


@pytest.fixture(scope="session", autouse=True)
def _image() -> None:
    """Build the image once."""
    need("engine")
    container.build()


def recipes() -> dict[str, dict[str, Any]]:
    """The pipelines that the README prints, by the heading above."""
    found = {}
    for section in re.split(r"^##+ ", README, flags=re.MULTILINE):
        for snippet in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL):
            if "pipe:" in snippet:
                heading = section.partition("\n")[0]
                assert heading not in found, f"two recipes below {heading}"
                found[heading] = yaml.safe_load(snippet)["pipelines"]
    return found


def for_pull_requests(heading: str) -> list[dict[str, Any]]:
    """The steps of a recipe that is for pull requests alone."""
    (kind,) = recipes()[heading].items()
    assert kind[0] == "pull-requests"
    (entries,) = kind[1].values()
    return list(entries)


def leave_run(step: Step, run: int, folder: str = ".") -> str:
    """Leave what nx does with NX_CACHE_DIRECTORY in that folder of the clone, where the script sets it; the code."""
    (line,) = [line for line in step.commands if line.startswith("export NX_CACHE_DIRECTORY=")]
    cache = line.partition("=$BITBUCKET_CLONE_DIR/")[2]
    assert step.clone / cache == step.clone / folder / ".nx/cache"
    lay_out(step.clone / folder, VERSION, (run,), log=False)
    return exit_code(VERSION, run)


def leave_record(step: Step, record: str) -> str:
    """Leave what the recorder does; the exit code."""
    captured(step.clone, record, step.uuid)
    return "1" if record == FAILING else "0"


def clone_before_the_runs(step: Step) -> None:
    """Clone before any captured run started."""
    lay_out(step.clone, VERSION, (RED,), log=False, record=False)


def clone_after_the_runs(step: Step) -> None:
    """Clone when all captured runs had ended."""
    lay_out(step.clone, VERSION, log=False, record=False, cloned=LATER)


class Player:
    """Plays pipelines on the sandbox's pull request, and tells what stands there."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.email, self.token = sandbox.api_auth
        self.pipelines: list[Pipeline] = []

    def pipeline(
        self,
        entries: Sequence[Mapping[str, Any]],
        work: Callable[[Step], str],
        clone: Callable[[Step], object] = clone_before_the_runs,
        *,
        defaults: Mapping[str, str] = PULL_REQUEST,
        asked: Mapping[str, str] | None = None,
        generous: bool = True,
    ) -> Pipeline:
        """A run of a pipeline; `asked` is what whoever starts it gives."""
        secured = {"ATLASSIAN_ACCOUNT_EMAIL": self.email, "ATLASSIAN_API_TOKEN": self.token, **(asked or {})}
        added = {"BITBUCKET_API_URL": self.sandbox.url}
        self.pipelines.append(Pipeline(entries, self.folder, defaults, secured, added, clone, work, generous))
        return self.pipelines[-1]

    @property
    def output(self) -> str:
        """What all pipes printed."""
        return "\n".join(ran.output for each in self.pipelines for step in each.steps for ran in step.ran)

    @property
    def comments(self) -> list[str]:
        """What stands on the pull request."""
        return [comment.raw for comment in self.sandbox.pull_request.visible_comments]

    @property
    def line(self) -> str:
        """The first line of the only comment."""
        assert len(self.comments) == 1, self.output
        return self.comments[0].partition("\n")[0]

    @property
    def sections(self) -> list[str]:
        """The steps in the only comment: their first lines without times, links and numbers of nameless ones."""
        (body,) = self.comments
        found = [part.partition("\n")[0] for part in body.split("\n\n")[1:] if re.match(r"\*\*(?!Insights)", part)]
        return [re.sub(r" · \[step\].*|, in [0-9.]+m?s|(?<=^\*\*step) \d", "", heading) for heading in found]

    @property
    def statuses(self) -> dict[str, str]:
        """The states of the head's build statuses, by their keys."""
        found = self.sandbox.repository.statuses_of_pull_request(self.sandbox.pull_request)
        return {status.key: status.state for status in found}

    @property
    def records(self) -> int:
        """How many records there are on the head."""
        return len(self.sandbox.repository.reports_of_commit(self.sandbox.pull_request.source_commit))

    def states(self) -> list[tuple[str, int]]:
        """Each state that was posted as a build status, with the number of records that were written before."""
        found: list[tuple[str, int]] = []
        records = set()
        for one in self.sandbox.requests:
            if one.method == "PUT" and "/reports/" in one.path:
                records.add(one.path)
            elif one.method == "POST" and one.path.endswith("/statuses/build"):
                found.append((one.json["state"], len(records)))
        return found

    def assert_sound(self) -> None:
        """Check that every pipe exited with 0, and that no secret is in anything that was printed, sent or kept."""
        ran = [ran for each in self.pipelines for step in each.steps for ran in step.ran]
        assert [one.code for one in ran] == [0] * len(ran), self.output
        told = [self.output.encode(), *(one.body for one in self.sandbox.requests)]
        told += [path.read_bytes() for path in self.folder.glob("*/.nx-report/*")]
        for secret in (self.token.encode(), b64encode(f"{self.email}:{self.token}".encode())):
            assert not any(secret in text for text in told)


@pytest.fixture
def player(sandbox: Sandbox, tmp_path: Path) -> Player:
    """Someone who plays pipelines."""
    return Player(sandbox, tmp_path)


def test_every_recipe_is_played() -> None:
    """The README has no other pipeline than those that are played here."""
    assert set(recipes()) == HEADINGS


# --- one step ---------------------------------------------------------------------------------------------------------


def test_one_step(player: Player) -> None:
    """A step that fails is told in one comment, one failed build status and one record, once each."""
    player.pipeline(for_pull_requests("Use it"), partial(leave_run, run=RED), generous=False).run()
    assert player.line == "✗ **Nx: 1 of 15 tasks failed:** `cart:test`"
    assert player.statuses == {"nx-pr-17": "FAILED"}
    assert player.states() == [("FAILED", 1)]
    assert player.records == 1
    player.assert_sound()


# --- parallel steps ---------------------------------------------------------------------------------------------------


def parallel(player: Player, runs: Mapping[str, int], *, generous: bool) -> Pipeline:
    """The recipe of parallel steps, in which each runs that captured run."""
    entries = for_pull_requests("Parallel steps")
    return player.pipeline(entries, lambda step: leave_run(step, runs[step.name]), generous=generous)


def test_parallel_steps(player: Player) -> None:
    """Steps that report at once are in one comment, the failed one first, and the status is never green."""
    parallel(player, {"Lint": GREEN, "Test": RED}, generous=True).run()
    assert player.line == "✗ **Nx: 1 of 16 tasks failed:** `cart:test` · 2 steps"
    assert player.sections == ["**`test`** ✗ 1 of 15 tasks failed", "**`lint`** ✓ 1 task succeeded, 1 from the cache"]
    assert player.statuses == {"nx-pr-17": "FAILED"}
    assert {state for state, _ in player.states()} <= {"INPROGRESS", "FAILED"}
    assert player.records == 2
    player.assert_sound()


def test_parallel_steps_one_after_the_other(player: Player) -> None:
    """After a fast green lint the status is in progress and what is missing is named; the last step makes it green."""
    pipeline = parallel(player, {"Lint": GREEN, "Test": GREEN}, generous=False)
    lint, test = pipeline.steps
    pipeline.play(lint)
    assert player.line == "… **Nx: 1 of 2 steps has reported**, waiting for `test` · 1 task succeeded so far"
    assert player.statuses == {"nx-pr-17": "INPROGRESS"}
    pipeline.play(test)
    assert player.line == "✓ **Nx: 2 tasks succeeded**, 2 from the cache · 2 steps"
    assert sorted(heading.partition(" ")[0] for heading in player.sections) == ["**`lint`**", "**`test`**"]
    assert player.states() == [("INPROGRESS", 1), ("SUCCESSFUL", 2)]
    player.assert_sound()


# --- a final step -----------------------------------------------------------------------------------------------------


def with_final(player: Player, records: Mapping[str, str]) -> Pipeline:
    """The recipe of the final step, in which each other step leaves that record, or fails before nx without one."""

    def work(step: Step) -> str:
        return leave_record(step, records[step.name]) if step.name in records else "1"

    return player.pipeline(for_pull_requests("A final step"), work, clone_after_the_runs)


def test_final_step(player: Player) -> None:
    """Of steps without a pipe and without a token the final one tells, by their artifacts."""
    pipeline = with_final(player, {"Lint": PASSING, "Test": FAILING})
    pipeline.run()
    assert [len(step.ran) for step in pipeline.steps] == [0, 0, 1]
    assert player.line == "✗ **Nx: 1 of 6 tasks failed:** `cart:test` · 2 steps"
    assert player.sections == ["**step** ✗ 1 of 4 tasks failed", "**step** ✓ 2 tasks succeeded"]
    assert "42 !== 41" in player.comments[0]
    assert player.states() == [("FAILED", 3)]
    assert player.records == 3
    player.assert_sound()


def test_final_step_of_a_step_that_left_nothing(player: Player) -> None:
    """A step that failed before nx ran is missed, and the others' green runs make nothing green."""
    with_final(player, {"Lint": PASSING}).run()
    assert player.line == "■ **Nx: 1 expected step never reported** · 2 tasks succeeded · 2 steps"
    assert player.states() == [("STOPPED", 2)]
    player.assert_sound()


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "reports"])
def test_final_step_beside_start(player: Player, killed: bool) -> None:  # noqa: FBT001
    """A step that says that it starts runs until the final one, which tells it as stopped if it left nothing."""
    entries = copy.deepcopy(for_pull_requests("A final step"))
    test = entries[0]["parallel"][1]["step"]
    start = copy.deepcopy(entries[1]["final"]["script"][0])
    start["variables"] |= {"STAGE": "start", "STEP_NAME": "test"}
    test["script"].insert(0, start)

    def work(step: Step) -> str:
        if step.name == "Test" and killed:
            step.killed = True
            return "137"
        return leave_record(step, PASSING)

    pipeline = player.pipeline(entries, work, clone_after_the_runs)
    *others, last = pipeline.steps
    for step in others:
        pipeline.play(step)
    assert player.line.startswith("… **Nx: 0 of 2 steps have reported**, `test` is running")
    pipeline.play(last)
    if killed:
        assert player.line == "■ **Nx: `test` started and never reported** · 2 tasks succeeded · 2 steps"
        assert player.sections[0] == "**`test`** ■ started and never reported"
    else:
        assert player.line == "✓ **Nx: 4 tasks succeeded** · 2 steps"
        assert "**`test`** ✓ 2 tasks succeeded" in player.sections
    assert [state for state, _ in player.states()] == ["INPROGRESS", "STOPPED" if killed else "SUCCESSFUL"]
    assert player.records == 3
    player.assert_sound()


# --- two workspaces ---------------------------------------------------------------------------------------------------


@agents
def test_two_workspaces(player: Player, generous: bool) -> None:  # noqa: FBT001
    """Two workspaces have a comment and a status each; what fails in one of them is nothing to the other."""
    runs = {"Web": ("web", RED), "API": ("api", GREEN)}

    def work(step: Step) -> str:
        folder, run = runs[step.name]
        assert step.commands[-1].startswith(f"(cd {folder} && ")
        code = leave_run(step, run, folder)
        (step.clone / folder / ".git").rename(step.clone / ".git")
        return code

    def clone(step: Step) -> None:
        for folder in ("web", "api"):
            (step.clone / folder).mkdir(parents=True)

    player.pipeline(for_pull_requests("Reruns, other builds, other reports"), work, clone, generous=generous).run()
    assert sorted(comment.partition("\n")[0] for comment in player.comments) == [
        "✓ **API: 1 task succeeded**, 1 from the cache, in 9ms",
        "✗ **Web: 1 of 15 tasks failed:** `cart:test`",
    ]
    assert player.statuses == {"web-pr-17": "FAILED", "api-pr-17": "SUCCESSFUL"}
    assert sorted(state for state, _ in player.states()) == ["FAILED", "SUCCESSFUL"]
    assert player.records == 2
    player.assert_sound()


# --- not on a pull request --------------------------------------------------------------------------------------------


def test_custom_pipeline(player: Player) -> None:
    """What somebody starts by hand for a pull request is told on it."""
    entries = recipes()["Not on a pull request"]["custom"]["report"]
    assert entries[0] == {"variables": [{"name": "PULL_REQUEST"}]}
    player.pipeline(entries, partial(leave_run, run=RED), defaults={}, asked={"PULL_REQUEST": "17"}).run()
    assert player.line == "✗ **Nx: 1 of 15 tasks failed:** `cart:test`"
    assert player.statuses == {"nx-pr-17": "FAILED"}
    assert player.records == 1
    player.assert_sound()


def test_custom_pipeline_for_no_pull_request(player: Player) -> None:
    """Where no pull request is given, the build status is written and the log says why there is no comment."""
    entries = recipes()["Not on a pull request"]["custom"]["report"]
    player.pipeline(entries, partial(leave_run, run=RED), defaults={}, asked={"PULL_REQUEST": ""}).run()
    assert player.comments == []
    assert "– Comment skipped: this pipeline is not of a pull request. Set PULL_REQUEST_ID" in player.output
    assert list(player.statuses.values()) == ["FAILED"]
    player.assert_sound()


def test_branch_pipeline(player: Player) -> None:
    """What a branch pipeline runs is told on the branch's open pull request."""
    ((pattern, entries),) = recipes()["Not on a pull request"]["branches"].items()
    assert fnmatch(player.sandbox.pull_request.source_branch, pattern)
    player.pipeline(entries, partial(leave_run, run=GREEN), defaults={}).run()
    assert player.line == "✓ **Nx: 1 task succeeded**, 1 from the cache, in 9ms"
    assert list(player.statuses.values()) == ["SUCCESSFUL"]
    assert player.records == 1
    player.assert_sound()


# --- real runs --------------------------------------------------------------------------------------------------------

LINT = "node -e \"console.log('no problems')\""
FILES = {
    ".gitignore": "node_modules\n.nx\n",
    "nx.json": json.dumps({"plugins": ["nx-report-recorder"], "defaultBase": "origin/main"}),
    **{
        f"packages/{name}/project.json": json.dumps(
            {
                "name": name,
                "targets": {
                    "lint": {"executor": "nx:run-commands", "options": {"command": LINT}},
                    "test": {"executor": "nx:run-commands", "options": {"command": f"node packages/{name}/test.js"}},
                },
            }
        )
        for name in ("core", "cart")
    },
    "packages/core/test.js": "",
    "packages/cart/test.js": "",
}
WRONG = "console.log(process.env.ATLASSIAN_API_TOKEN);\nrequire('assert').strictEqual(42, 41);\n"
BRANCH = "feature/cart-totals"


def origin(folder: Path, environ: Mapping[str, str]) -> str:
    """Make a repository with the recorder in a small workspace, and a branch with a failing test; the branch's head."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    def shell(command: str) -> str:
        ran = execute(["sh", "-ec", command], folder, environ)
        assert ran.code == 0, ran.printed
        return ran.printed.strip()

    recorder = container.ROOT / "recorder"
    packed = shell(f"mkdir tools && npm pack --silent --pack-destination tools '{recorder}'")
    packages = {"nx": "^24.0.0", "nx-report-recorder": f"file:tools/{packed}"}
    (folder / "package.json").write_text(json.dumps({"name": "shop", "devDependencies": packages}))
    shell("npm install --no-audit --no-fund --prefer-offline")
    commit = "git add . && git -c user.name=a -c user.email=a@example.com commit -qm change"
    shell(f"git init -q -b main && {commit} && git checkout -q -b {BRANCH}")
    (folder / "packages/cart/test.js").write_text(WRONG)
    return shell(f"{commit} && git rev-parse HEAD")


def test_final_step_with_real_runs(player: Player, tmp_path: Path) -> None:
    """The scripts as printed, run with real Nx and the recorder in clones of their own: the final step tells all."""
    need("node")
    need("git")
    environ = {
        **{name: text for name, text in os.environ.items() if not name.startswith(("NX_", "npm_", "BITBUCKET_"))},
        "NX_DAEMON": "false",
        "NX_NO_CLOUD": "true",
    }
    source = tmp_path / "origin"
    head = origin(source, environ)
    player.sandbox.repository.push(player.sandbox.pull_request, head)

    def clone(step: Step) -> None:
        cloned = execute(["git", "clone", "-q", "-b", BRANCH, str(source), str(step.clone)], tmp_path, environ)
        assert cloned.code == 0, cloned.printed

    def work(step: Step) -> str:
        install, *commands = step.commands
        assert install == "npm ci"
        shutil.copytree(source / "node_modules", step.clone / "node_modules", symlinks=True, copy_function=os.link)
        script = " && ".join(commands)
        return str(execute(["sh", "-c", script], step.clone, {**environ, **pipeline.shell(step, {})}).code)

    defaults = {**PULL_REQUEST, "BITBUCKET_COMMIT": head[:12]}
    pipeline = player.pipeline(for_pull_requests("A final step"), work, clone, defaults=defaults)
    pipeline.run()
    assert [step.failed for step in pipeline.steps] == [False, True, False]
    assert player.line == "✗ **Nx: 1 of 2 tasks failed:** `cart:test` · 2 steps"
    assert player.sections == ["**step** ✗ 1 of 1 task failed", "**step** ✓ 1 task succeeded"]
    assert "42 !== 41" in player.comments[0]
    assert player.states() == [("FAILED", 3)]
    (record,) = pipeline.steps[1].clone.glob(".nx-report/*.jsonl")
    assert "********" in record.read_text()  # the token that the test prints
    player.assert_sound()
