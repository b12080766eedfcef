"""The whole path on real runs: Nx from npm in a small workspace, then the pipe, then the pull request."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from pipe.checkout import Checkout
from pipe.nx.hints import RECIPE
from pipe.nx.projects import roots
from test.command import Ran, execute
from test.conftest_tools import need

if TYPE_CHECKING:
    from pathlib import Path

    from test.conftest import Step

MAJORS = (17, 20, 22, 24)
TEST = """
const assert = require('assert');
const total = (lines) => lines.reduce((sum, line) => sum + line.price, 1);
assert.strictEqual(total([{ price: 20 }, { price: 21 }]), 41);
"""
FILES = {
    ".gitignore": "node_modules\n.nx\ndist\n",
    "nx.json": json.dumps(
        {
            "targetDefaults": {
                "build": {"cache": True, "dependsOn": ["^build"]},
                "test": {"cache": True},
            }
        }
    ),
    "packages/core/project.json": json.dumps(
        {
            "name": "core",
            "targets": {
                "build": {
                    "executor": "nx:run-commands",
                    "options": {"command": "node -e \"console.log('built core')\""},
                },
                "test": {"executor": "nx:run-commands", "options": {"command": "node -e \"console.log('ok')\""}},
            },
        }
    ),
    "packages/cart/project.json": json.dumps(
        {
            "name": "@shop/cart",
            "implicitDependencies": ["core"],
            "targets": {
                "build": {
                    "executor": "nx:run-commands",
                    "options": {"command": "node -e \"console.log('built cart')\""},
                },
                "test": {"executor": "nx:run-commands", "options": {"command": "node packages/cart/total.test.js"}},
            },
        }
    ),
    "packages/cart/total.test.js": TEST,
}


def shell(clone: Path, command: str, environ: dict[str, str]) -> Ran:
    """Run a line of a pipeline's script."""
    return execute(["sh", "-c", command], clone, environ)


@pytest.fixture(params=MAJORS, ids=lambda major: f"nx{major}")
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A clone of a small workspace with that major of Nx installed, and the environment of its script."""
    need("node")
    clone = tmp_path / "clone"
    for name, text in FILES.items():
        path = clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    manifest = {"name": "shop", "version": "1.0.0", "devDependencies": {"nx": f"^{request.param}.0.0"}}
    (clone / "package.json").write_text(json.dumps(manifest))
    environ = {
        **{name: text for name, text in os.environ.items() if not name.startswith(("NX_", "npm_"))},
        "CI": "true",
        "NX_DAEMON": "false",
        "NX_NO_CLOUD": "true",
        "NX_CACHE_DIRECTORY": str(clone / ".nx/cache"),
        "BITBUCKET_STEP_UUID": "{5b0e}",
    }
    identity = "-c user.name=a -c user.email=a@example.com"
    made = shell(clone, f"git init -q && git add . && git {identity} commit -qm one", environ)
    assert made.code == 0, made.printed
    installed = shell(clone, "npm install --no-audit --no-fund --prefer-offline", environ)
    assert installed.code == 0, installed.printed
    return clone, environ


def test_the_comment_says_what_nx_printed(workspace: tuple[Path, dict[str, str]], step: Step) -> None:
    """Of a step with two commands, captured by the README's line, the comment has both, with Nx's own numbers."""
    clone, environ = workspace
    exits = []
    for targets in ("build", "test build"):
        ran = shell(clone, RECIPE.replace("lint test build", targets).replace("affected", "run-many"), environ)
        exits.append(ran.code)
    assert exits == [0, 1]
    printed = re.sub(r"\x1b\[[0-9;]*m", "", (clone / ".nx-report/nx-{5b0e}.log").read_text())
    second = printed[printed.index("Running targets test, build") :]
    named = set(re.findall(r"(?:>|✔|✖)\s+nx run (\S+)", second))
    failed = re.findall(r"^\s*- (\S+:\S+)\s*$", second[second.rindex("Failed tasks:") :], re.MULTILINE)
    assert failed == ["@shop/cart:test"]

    step.clone = clone
    report = step.again(BITBUCKET_EXIT_CODE=str(exits[-1]))
    (body,) = step.comments
    assert report.code == 0
    assert body.startswith(f"✗ **Nx: {len(failed)} of {len(named)} tasks failed:** `@shop/cart:test`\n")
    rows = [line for line in body.splitlines() if line.startswith("| `")]
    assert len(rows) == 2
    assert "| ✓ |" in rows[0]
    assert "| ✗ 1 failed |" in rows[1]
    cached = len(re.findall(r"\[(?:local cache|existing outputs match)", second))
    assert rows[1].endswith(f"| {len(named)}, {cached} cached |")
    assert "nx run-many -t test build" in rows[1]
    assert re.search(r"AssertionError.*strictly equal", body)
    assert "42 !== 41" in body
    assert "packages/cart/total.test.js:4" in body
    assert "Try it: `npx nx run @shop/cart:test`" in body
    assert step.statuses == [("FAILED", f"1 of {len(named)} tasks failed: @shop/cart:test · build 417")]


def test_record_alone(workspace: tuple[Path, dict[str, str]], step: Step) -> None:
    """Without a captured log the record of the last command is enough, and the comment says that it is the last.

    In which folders the projects are is known too, by Nx's graph as by the projects' own files.
    """
    clone, environ = workspace
    assert shell(clone, "npx nx run-many -t test", environ).code == 1
    step.clone = clone
    step.again(BITBUCKET_EXIT_CODE="1")
    (body,) = step.comments
    assert body.startswith("✗ **Nx: 1 of 2 tasks failed:** `@shop/cart:test`\n")
    assert "42 !== 41" in body
    assert "the last nx command of the step only" in body
    folders = {"core": "packages/core", "@shop/cart": "packages/cart"}
    assert roots(Checkout(str(clone)), str(clone), folders) == folders
    for graph in clone.glob("**/project-graph.json"):
        graph.unlink()
    assert roots(Checkout(str(clone)), str(clone), folders) == folders
