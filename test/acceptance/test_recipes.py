"""Each recipe of the README does what it promises: played as it is printed, with the image, to the pull request."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
import pytest, yaml
from test.acceptance import container
from test.acceptance.pipeline import Pipeline, Step
from test.integration.test_final_collect import captured
from test.workspaces import lay_out
from test.sandbox import Sandbox

README = (container.ROOT / "README.md").read_text()
V = "24.0.6"


def recipe(heading):
    section = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", README, re.M | re.S)[1]
    (snippet,) = (s for s in re.findall(r"```yaml\n(.*?)```", section, re.S) if "pipe:" in s)
    return yaml.safe_load(snippet)


def show(sandbox, p):
    for s in p.steps:
        for r in s.ran:
            print("-----", s.name, r.code)
            print(r.output)
    for c in sandbox.pull_request.visible_comments:
        print("=====", c.raw[:1500])
    for s in sandbox.repository.build_statuses:
        print(s.state, s.key, s.description)
    print(
        [
            (r.external_id, r.values.get("title"))
            for r in sandbox.repository.reports_of_commit(sandbox.pull_request.source_commit)
        ]
    )
    print([e.json["state"] for e in sandbox.requests if e.method == "POST" and e.path.endswith("/statuses/build")])


def mk(sandbox, tmp_path, entries, work, generous, defaults=None, **secured):
    email, tok = sandbox.api_auth
    return Pipeline(
        entries,
        tmp_path,
        {"BITBUCKET_PR_ID": "17"} if defaults is None else defaults,
        {"ATLASSIAN_ACCOUNT_EMAIL": email, "ATLASSIAN_API_TOKEN": tok, **secured},
        {"BITBUCKET_API_URL": sandbox.url},
        lambda s: lay_out(s.clone, V, log=False, record=False, cloned=datetime(2026, 11, 25, tzinfo=UTC)),
        work,
        generous,
    )


G = pytest.mark.parametrize("generous", [False, True])


@G
def test_final(sandbox: Sandbox, tmp_path: Path, generous) -> None:
    def work(step):
        captured(step.clone, "24.0.6-failing" if step.name == "Test" else "24.0.6-passing", step.uuid)
        return "1" if step.name == "Test" else "0"

    p = mk(sandbox, tmp_path, recipe("A final step")["pipelines"]["pull-requests"]["**"], work, generous)
    p.run()
    show(sandbox, p)


@pytest.mark.parametrize("absent", [False, True])
def test_final2(sandbox: Sandbox, tmp_path: Path, absent) -> None:
    def work(step):
        if step.name == "Test" and absent:
            return "1"
        captured(step.clone, "24.0.6-passing", step.uuid)
        return "0"

    p = mk(sandbox, tmp_path, recipe("A final step")["pipelines"]["pull-requests"]["**"], work, True)
    p.run()
    show(sandbox, p)


@G
def test_par(sandbox: Sandbox, tmp_path: Path, generous) -> None:
    def work(step):
        lay_out(step.clone, V, (1,) if step.name == "Test" else (4,), log=False)
        return "1" if step.name == "Test" else "0"

    p = mk(sandbox, tmp_path, recipe("Parallel steps")["pipelines"]["pull-requests"]["**"], work, generous)
    p.run()
    show(sandbox, p)
