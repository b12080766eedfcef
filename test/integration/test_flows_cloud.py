"""Nx Cloud beside Bitbucket: what it knows in the comment, and that no trouble with it touches the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from test.conftest import CLOUD
from test.nx_cloud import NxCloud
from test.sandbox.faults import Action, Answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from test.conftest import Step

pytestmark = pytest.mark.host(CLOUD)

LINK = "https://cloud.nx.app/runs/AbCdEf1234"
OTHER = "https://cloud.nx.app/runs/OtherRun01"


@pytest.fixture
def nx_cloud() -> Iterator[NxCloud]:
    """A stand-in for Nx Cloud that knows this step's run and one of another step."""
    with NxCloud() as nx_cloud:
        nx_cloud.state.listed = told()
        yield nx_cloud


def told(**own: Any) -> list[dict[str, Any]]:
    """What Nx Cloud lists: an execution that is called a success although tasks of it failed."""
    runs = [
        {"linkId": "AbCdEf1234", "command": "nx run-many -t lint test build", "status": "FAILED", "numTasks": 15,
         "failedTasks": ["cart:test"], "runUrl": LINK},
        {"linkId": "OtherRun01", "command": "nx affected -t e2e", "status": "SUCCEEDED", "numTasks": 2,
         "failedTasks": ["web-e2e:e2e"], "runUrl": OTHER},
    ]  # fmt: skip
    groups = [{"runGroup": "417", "status": "SUCCEEDED", "runs": runs, "createdAt": 1_795_461_800_000}]
    cipe = {"cipeUrl": "https://cloud.nx.app/cipes/67ebd9041d718113934c32c6", "status": "SUCCEEDED"}
    return [{**cipe, "createdAt": 1_795_461_800_000, "branch": "17", "runGroups": groups, **own}]


def run(step: Step, nx_cloud: NxCloud, **own: str) -> str:
    """A step whose log has the link of its run; what the pipe printed."""
    step.run("24.0.6", (1,), DRY_RUN="true")
    with (step.clone / ".nx-report/nx.log").open("a") as log:
        log.write(f"View structured, searchable error logs at {LINK}\n")
    commit = step.sandbox.pull_request.source_commit[:12]
    environ = {"NX_CLOUD_API": nx_cloud.url, "NX_CLOUD_ACCESS_TOKEN": nx_cloud.token, "BITBUCKET_EXIT_CODE": "1"}
    ran = step.again(**{**environ, "BITBUCKET_COMMIT": commit, **own})
    assert ran.code == 0
    assert nx_cloud.token not in ran.log
    return ran.log


def test_execution_in_the_comment(step: Step, nx_cloud: NxCloud) -> None:
    """The step's own run is told once, with its link; the other one once for the pipeline; the worst wins."""
    log = run(step, nx_cloud)
    (comment,) = step.comments
    assert comment.startswith("✗ **Nx: 2 of 16 tasks failed:** `cart:test`, `web-e2e:e2e`")
    assert comment.count("AbCdEf1234") == 1
    assert (
        "**Nx Cloud**: [✗ failed](https://cloud.nx.app/cipes/67ebd9041d718113934c32c6) · what else this pipeline ran:"
        in comment
    )
    assert f"| `nx affected -t e2e` | [✗ 1 failed]({OTHER}) | – | 2 |" in comment
    assert "run group 417: ✗ failed: nx affected -t e2e" in log
    assert "(.nx/cache/run.json, .nx-report/nx.log, Nx Cloud)" in log
    assert step.statuses == [("FAILED", "2 of 16 tasks failed: cart:test, web-e2e:e2e · build 417")]


def test_each_credential_goes_to_its_own_place(step: Step, nx_cloud: NxCloud) -> None:
    """Nx Cloud gets its token and nothing of Bitbucket's, Bitbucket gets nothing of Nx Cloud's."""
    run(step, nx_cloud)
    (asked,) = nx_cloud.requests
    assert asked.headers["Authorization"] == nx_cloud.token
    assert step.environ["ATLASSIAN_API_TOKEN"] not in repr(asked)
    assert step.sandbox.requests
    assert not any(nx_cloud.token in repr(one) for one in step.sandbox.requests)


def test_what_is_asked_for(step: Step, nx_cloud: NxCloud) -> None:
    """The branches are the pull request's number, the branch and NX_BRANCH; the run group is the one that is set."""
    nx_cloud.state.listed = told(runGroups=[{"runGroup": "nightly-arm", "runs": []}])
    given = {"NX_RUN_GROUP": "nightly", "NX_CI_EXECUTION_ENV": "arm", "NX_BRANCH": "pr-17"}
    assert "Nx Cloud: ✓ succeeded" in run(step, nx_cloud, **given)
    assert nx_cloud.requests[-1].json == {"branches": ["17", "feature/cart-totals", "pr-17"]}
    assert "! Nx Cloud: it knows no run group 417 of this build" in run(step, nx_cloud)


@pytest.mark.parametrize("name", ["NX_CLOUD_ACCESS_TOKEN", "NX_CLOUD_AUTH_TOKEN"])
def test_either_name_of_the_token(step: Step, nx_cloud: NxCloud, name: str) -> None:
    """Both names of the token work; without it nobody is asked, whatever nx.json says."""
    tokens = {"NX_CLOUD_ACCESS_TOKEN": "", "NX_CLOUD_AUTH_TOKEN": "", name: nx_cloud.token}
    assert "Nx Cloud: ✗ failed" in run(step, nx_cloud, **tokens)
    (step.clone / "nx.json").write_text(f'{{"nxCloudUrl": "{nx_cloud.url}", "nxCloudAccessToken": "x"}}')
    nx_cloud.requests.clear()
    step.again()
    assert nx_cloud.requests == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (json_answer(401, "Unauthorized"), "the access token was not accepted (401). Check NX_CLOUD_ACCESS_TOKEN"),
        (
            json_answer(401, "This Nx Cloud organization has been disabled due to exceeding the FREE plan."),
            "the organization is disabled, being beyond its plan (401). See its plan and usage on Nx Cloud",
        ),
        (json_answer(402, "pay"), "the plan of the workspace does not cover this (402)"),
        (json_answer(500, "oops"), "it had an error of its own (500). Try again later"),
        (Answer(200, "<html>Log in</html>", "text/html"), "the answer is not JSON. Check NX_CLOUD_API"),
        (Action.HANG, "did not answer in time. Try again later"),
    ],
)
def test_trouble(step: Step, nx_cloud: NxCloud, monkeypatch: pytest.MonkeyPatch, fault: Any, said: str) -> None:
    """Whatever goes wrong with Nx Cloud is one line in the log and in the comment; the report is as without it."""
    if fault is Action.HANG:
        monkeypatch.setattr("pipe.nx.cloud._ANSWER_SECONDS", 0.3)
    nx_cloud.faults.add("POST", "/nx-console/", fault)
    log = run(step, nx_cloud)
    assert log.count("! Nx Cloud: ") == 1
    assert said in log
    (comment,) = step.comments
    assert comment.startswith("✗ **Nx: 1 of 15 tasks failed:** `cart:test`")
    assert comment.count("Nx Cloud: `") == 1
    assert said in comment
    assert step.statuses == [("FAILED", "1 of 15 tasks failed: cart:test · build 417")]


def test_nothing_else_is_known(step: Step, nx_cloud: NxCloud) -> None:
    """Without any file of the step the report is what Nx Cloud knows of the pipeline."""
    nx_cloud.state.listed = told()
    environ = {"NX_CLOUD_API": nx_cloud.url, "NX_CLOUD_ACCESS_TOKEN": nx_cloud.token}
    step.run(None, **environ)
    (comment,) = step.comments
    assert comment.startswith("✗ **Nx: 2 of 17 tasks failed:** `cart:test`, `web-e2e:e2e`\n\n**Nx Cloud**: ")
    assert "its output is on [Nx Cloud](https://cloud.nx.app/runs/AbCdEf1234)." in comment


def test_waiting(step: Step, nx_cloud: NxCloud) -> None:
    """NX_CLOUD_WAIT waits for an execution in progress, within TIMEOUT; the report is written all the same."""
    nx_cloud.state.listed = told(status="IN_PROGRESS")
    run(step, nx_cloud, NX_CLOUD_WAIT="3600")
    assert 30 <= sum(seconds for seconds in step.clock.slept if seconds > 3) <= 60
    assert len(step.comments) == 1


def test_unencrypted(step: Step) -> None:
    """An Nx Cloud that would get the token unencrypted is a mistake in the variables."""
    ran = step.run(NX_CLOUD_API="http://nx.example", NX_CLOUD_ACCESS_TOKEN="x" * 20)
    assert ran.code == 2
    assert "NX_CLOUD_API 'http://nx.example' would send the token unencrypted" in ran.log
