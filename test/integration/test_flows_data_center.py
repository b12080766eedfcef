"""What is Data Center's own: who says where, versions of comments, older servers, jobs with numbers of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import requests

from test.conftest import DATA_CENTER, ONE_COMMENT, Step
from test.sandbox import Action, Sandbox, json_answer, login_page, rate_limited, server_error
from test.sandbox.faults import SESSION_TOKEN
from test.sandbox.seed import BASE, HEAD
from test.workspaces import lay_out

if TYPE_CHECKING:
    from pathlib import Path

    from test.conftest import FakeClock, Ran

pytestmark = pytest.mark.host(DATA_CENTER)

MERGE, NEW = "c0ffee" * 6 + "c0ff", "5d27c0fb1a9e8c3d4b6f7a2e1c0d9b8a7f6e5d4c"
GREEN = (4,)
# Pipelines' variables are not there, and a CI's are.
NONE = dict.fromkeys(("BITBUCKET_COMMIT", "BITBUCKET_BUILD_NUMBER", "BITBUCKET_BRANCH", "BITBUCKET_PR_ID"), "")
JENKINS = {
    **NONE,
    "PROJECT_KEY": "",
    "REPOSITORY_SLUG": "",
    "JENKINS_URL": "https://jenkins.acme.example/",
    "JOB_NAME": "shop/PR-17",
    "BUILD_NUMBER": "417",
    "BUILD_URL": "https://jenkins.acme.example/job/shop/job/PR-17/417/",
    "BRANCH_NAME": "PR-17",
    "CHANGE_ID": "17",
    "CHANGE_BRANCH": "feature/cart-totals",
    "CHANGE_TARGET": "main",
    "GIT_URL": "https://bitbucket.acme.example/bitbucket/scm/ACME/shop.git",
    "GIT_COMMIT": MERGE,
}


def job(step: Step, name: str, number: int, runs: tuple[int, ...] = GREEN, **own: str) -> Ran:
    """A build of a job that knows its commit and finds the pull request by it."""
    known = {"BITBUCKET_PR_ID": "", "BITBUCKET_BUILD_NUMBER": str(number), "JOB_NAME": name}
    return step.run(runs=runs, **{**known, "BUILD_URL": f"https://ci.acme.example/{name}/{number}/", **own})


def sent_states(step: Step) -> list[str]:
    """The state of each build status that was sent."""
    sent = [one for one in step.sandbox.requests if one.path.endswith("/builds") and one.method == "POST"]
    return [one.json["state"] for one in sent]


def line(step: Step) -> str:
    """Line one of the only comment."""
    (body,) = step.comments
    return body.split("\n")[0]


# --- what is written --------------------------------------------------------------------------------------------------


def test_what_is_written(step: Step) -> None:
    """The comment, a build status with all that the builds API takes, and a report of six fields; a token as Bearer."""
    step.run()
    assert line(step) == "✗ **Nx: 1 of 15 tasks failed:** `cart:test`"
    (status,) = (one for one in step.sandbox.requests if one.path.endswith("/builds") and one.method == "POST")
    assert status.json == {
        "key": "nx-pr-17",
        "state": "FAILED",
        "name": "Nx",
        "description": "1 of 15 tasks failed: cart:test · build 417",
        "url": "https://ci.acme.example/job/shop/1/",
        "parent": "nx",
        "ref": "refs/heads/feature/cart-totals",
        "buildNumber": "417",
        "duration": 844,
        "testResults": {"successful": 14, "failed": 1, "skipped": 0},
    }
    (report,) = (one.json for one in step.sandbox.requests if re.search("/reports/[^/]+$", one.path))
    assert (report["result"], len(report["data"])) == ("FAIL", 6)
    assert {one.headers["Authorization"] for one in step.sandbox.requests} == {f"Bearer {step.token}"}
    writes = [one for one in step.sandbox.requests if one.method != "GET"]
    assert {one.headers["X-Atlassian-Token"] for one in writes} == {"no-check"}


def test_readable_key_of_a_branch(step: Step) -> None:
    """A branch's build status has a key that people can read, whatever the branch is called."""
    step.sandbox.pull_request.state = "MERGED"
    step.run(BITBUCKET_PR_ID="")
    (status,) = step.sandbox.repository.build_statuses
    assert status.key == "nx-ref-feature/cart-totals"


def test_a_long_comment_in_utf16(step: Step) -> None:
    """The comment's limit is counted as Data Center does, in UTF-16 units: emoji count twice."""
    step.run()
    for output in (step.clone / ".nx/cache/terminalOutputs").iterdir():
        output.write_text("\n".join(f"Error {at}: {'🔥' * 900}" for at in range(40)))
    (step.clone / ".nx-report/nx.log").unlink()
    step.again(BITBUCKET_BUILD_NUMBER="418", BITBUCKET_EXIT_CODE="1")
    (body,) = step.comments
    assert "🔥🔥" in body
    assert len(body.encode("utf-16-le")) // 2 < 32_768


# --- the commit and the pull request ----------------------------------------------------------------------------------


def test_merge_of_the_ci(step: Step) -> None:
    """What Jenkins has merged Bitbucket never saw: the pull request's last commit is reported on, and both are told."""
    ran = step.run(**JENKINS)
    assert [status.commit for status in step.sandbox.repository.build_statuses] == [HEAD]
    assert f"the CI has checked out {MERGE[:12]}, the pull request is at {HEAD[:12]}" in ran.log
    assert re.search(r"pull request +17 +from CHANGE_ID\n", ran.log)
    assert re.search(r"project and repository +ACME/shop +from GIT_URL\n", ran.log)
    assert "https://jenkins.acme.example/job/shop/job/PR-17/417/" in step.comments[0]


def test_commit_given(step: Step) -> None:
    """COMMIT is reported on, whatever the CI has checked out and the pull request is at."""
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    step.run(**{**JENKINS, "COMMIT": HEAD})
    assert [status.commit for status in step.sandbox.repository.build_statuses] == [HEAD]


def test_pull_request_that_has_moved_on(step: Step) -> None:
    """A build of a commit that Bitbucket knows is of that commit, also where the pull request has a newer one."""
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    lay_out(step.clone, "24.0.6", (1,), commit=HEAD)
    ran = step.again(**{**JENKINS, "GIT_COMMIT": HEAD})
    assert [status.commit for status in step.sandbox.repository.build_statuses] == [HEAD]
    assert f"The report is on {HEAD[:12]}, which was built, before the pull request moved on" in ran.log


def test_commit_that_is_not_in_the_clone(step: Step) -> None:
    """A commit of which there is nothing but the CI's word is not reported on, even if Bitbucket knows it."""
    step.sandbox.repository.add_commit(step.sandbox.reviewer, NEW)
    ran = step.run(**{**JENKINS, "GIT_COMMIT": NEW})
    assert [status.commit for status in step.sandbox.repository.build_statuses] == [HEAD]
    assert f"The report is on {HEAD[:12]}, which is the pull request's last commit. Set COMMIT to" in ran.log


def test_commit_that_only_the_pull_request_tells(step: Step) -> None:
    """Where no commit is known it is the pull request's last one, and the branch its source."""
    own = {**NONE, "BITBUCKET_BUILD_NUMBER": "417", "PULL_REQUEST_ID": "17"}
    step.run(**own)
    (status,) = step.sandbox.repository.build_statuses
    assert (status.commit, status.refname) == (HEAD, "feature/cart-totals")


def test_no_commit_at_all(step: Step) -> None:
    """Where the commit cannot be known nothing is written, and the log has the whole report and why."""
    step.sandbox.faults.add("GET", "/pull-requests/17$", json_answer(404, {"errors": []}), None)
    ran = step.run(**{**NONE, "BITBUCKET_BUILD_NUMBER": "417", "PULL_REQUEST_ID": "17"})
    assert ran.code == 0
    assert "✗ pull request 17: not found (404)" in ran.log
    assert "the commit is not known, and nothing can be written" in ran.log
    assert "✗ **Nx: 1 of 15 tasks failed:** `cart:test`" in ran.log
    assert step.statuses == []


def test_pull_request_by_commit(step: Step) -> None:
    """Without a number the open pull request of the commit is found."""
    step.run(BITBUCKET_PR_ID="", BITBUCKET_BRANCH="")
    assert line(step).startswith("✗")


def test_several_pull_requests_of_a_commit(step: Step) -> None:
    """Of several open ones all are named, and the newest is written on."""
    repository = step.sandbox.repository
    other = repository.add_pull_request(
        step.sandbox.author, "Into the release", source=("feature/cart-totals", HEAD), destination=("release", BASE)
    )
    ran = step.run(BITBUCKET_PR_ID="")
    assert "has several open pull requests (18, 17): 18 is the newest at this commit" in ran.log
    assert step.comments == []
    assert len(other.visible_comments) == 1


def test_no_open_pull_request(step: Step) -> None:
    """Without an open pull request there is a build status alone."""
    step.sandbox.pull_request.state = "DECLINED"
    ran = step.run(BITBUCKET_PR_ID="", COMMIT=HEAD)
    assert "Comment skipped: branch feature/cart-totals has no open pull request" in ran.log
    assert len(step.statuses) == 1


def test_pull_request_of_a_fork(step: Step) -> None:
    """A pull request into the repository that this one is a fork of has a number there, and is not written on."""
    auth = {"Authorization": f"Bearer {step.sandbox.http_token.token}"}
    base = f"{step.sandbox.server_url}/rest/api/latest/projects/ACME/repos/shop"
    elsewhere = requests.get(f"{base}/pull-requests/17", headers=auth, timeout=10).json()
    elsewhere["toRef"]["repository"] |= {"slug": "shop", "project": {"key": "UPSTREAM"}}
    page = {"values": [elsewhere], "start": 0, "limit": 25, "size": 1, "isLastPage": True}
    step.sandbox.faults.add("GET", "/pull-requests$", json_answer(200, page), None)
    ran = step.run(BITBUCKET_PR_ID="")
    assert "Comment skipped: branch feature/cart-totals has no open pull request" in ran.log
    assert step.comments == []
    assert len(step.statuses) == 1


def test_steps_that_know_the_number_and_steps_that_find_it(step: Step) -> None:
    """They keep one record and one status, also where a step is to write no comment."""
    step.other("lint").run(runs=GREEN, BITBUCKET_PR_ID="", COMMENT="never")
    step.other("test").run()
    step.other("e2e").run(runs=GREEN, BITBUCKET_PR_ID="", COMMENT="never")
    assert line(step) == "✗ **Nx: 1 of 16 tasks failed:** `cart:test` · 2 steps"
    assert step.statuses == [("FAILED", "1 of 17 tasks failed: cart:test · 3 steps · build 417")]


def test_commit_that_bitbucket_does_not_have(step: Step) -> None:
    """On a commit that Bitbucket has never seen nothing can be written, by no older way either, and it says why."""
    ran = step.run(BITBUCKET_PR_ID="", BITBUCKET_BRANCH="", COMMIT=MERGE)
    assert "Set COMMIT to one that Bitbucket knows" in ran.log
    assert "older build statuses" not in ran.log
    assert not any("build-status" in call for call in step.calls())
    assert step.statuses == []


def test_repository_that_is_not_there(step: Step) -> None:
    """Where there is no such repository the log says which variables tell it."""
    ran = step.run(REPOSITORY_SLUG="shopp")
    assert "Check PROJECT_KEY and REPOSITORY_SLUG" in ran.log
    assert not any("build-status" in call for call in step.calls())


# --- comments ---------------------------------------------------------------------------------------------------------


def activities(step: Step) -> int:
    """How many pages of activities were read since the last look."""
    return sum("/activities" in call for call in step.calls())


def test_hundreds_of_activities_are_read_once(step: Step) -> None:
    """Of hundreds of activities each is read once in a run, and by the steps after it only what came since."""
    step.sandbox.data_center.page_cap = 50
    for number in range(500):
        step.sandbox.repository.add_comment(step.sandbox.reviewer, step.sandbox.pull_request, f"remark {number}")
    step.other("lint").run(runs=GREEN)
    assert activities(step) == 11 + 1
    step.other("test").run()
    assert activities(step) == 1 + 1
    assert sum("[nx-report:nx]" in body for body in step.comments) == 1
    assert "2 steps" in step.comments[-1].split("\n")[0]


def test_a_hint_that_leads_nowhere(step: Step) -> None:
    """Where the comment that a record names is gone, a new one is made, once."""
    step.sandbox.data_center.page_cap = 50
    for number in range(120):
        step.sandbox.repository.add_comment(step.sandbox.reviewer, step.sandbox.pull_request, f"remark {number}")
    step.other("lint").run(runs=GREEN)
    gone = step.sandbox.pull_request.visible_comments[-1]
    step.sandbox.repository.delete_comment(gone.user, step.sandbox.pull_request, gone.id)
    step.other("test").run(runs=GREEN)
    assert sum("[nx-report:nx]" in body for body in step.comments) == 1


def test_comment_changed_in_between(step: Step) -> None:
    """A comment that another has changed since it was read is read again, and written all the same."""
    step.run()
    (comment,) = step.sandbox.pull_request.visible_comments
    fault = step.sandbox.faults.add("PUT", ONE_COMMENT, Action.HOLD)
    running = step.other("again").beside(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    assert fault.reached.wait(20)
    step.sandbox.repository.edit_comment(comment.user, step.sandbox.pull_request, comment.id, comment.raw + "\nLGTM")
    fault.release()
    ran = running.result(20)
    assert "✓ Comment written: updated" in ran.log
    assert line(step).startswith("✓")
    assert 409 in [one.status for one in step.sandbox.requests]


def test_comment_that_is_refused(step: Step) -> None:
    """What is in the way of a new comment stays there: it is told at once."""
    refusal = {"errors": [{"message": "The pull request is locked.", "exceptionName": "com.example.Locked"}]}
    fault = step.sandbox.faults.add("POST", "/comments$", json_answer(409, refusal), None)
    ran = step.run()
    assert fault.hits == 1
    assert re.search(r"✗ Comment failed: .*\(409\): The pull request is locked", ran.log)
    assert "✓ Build status written" in ran.log


def test_replies_are_left_alone(step: Step) -> None:
    """A second comment of ours that somebody has replied to is not deleted but emptied, and the reply stays."""
    step.run()
    (first,) = step.sandbox.pull_request.visible_comments
    second = step.sandbox.repository.add_comment(first.user, step.sandbox.pull_request, first.raw)
    step.sandbox.repository.add_comment(
        step.sandbox.reviewer, step.sandbox.pull_request, "Why twice?", parent=second.id
    )
    step.run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    assert [body.split("\n")[0] for body in step.comments] == [
        "✓ **Nx: 1 task succeeded**, 1 from the cache, in 9ms",
        "This report goes on in an older comment.",
        "Why twice?",
    ]


# --- servers of another kind ------------------------------------------------------------------------------------------


def test_four_byte_characters_refused(step: Step) -> None:
    """A database that refuses emoji is recognised: they are left out, that is said, and nothing is written twice."""
    step.sandbox.data_center.four_byte_characters = False
    emoji = {"STEP_NAME": "🧪 test", "BITBUCKET_EXIT_CODE": "1"}
    ran = step.run(**emoji)
    assert "Set EMOJI: ascii" in ran.log
    assert "step `□ test`" in step.comments[0]
    assert "fault of its own" not in ran.log
    step.calls()
    ran = step.again(**emoji, BITBUCKET_COMMIT=HEAD, EMOJI="ascii")
    assert "Set EMOJI" not in ran.log
    assert "✓ Comment unchanged" in ran.log
    assert {call.split()[0] for call in step.calls() if "/reports/" not in call} == {"GET"}
    step.run(runs=GREEN, EMOJI="ascii", BITBUCKET_BUILD_NUMBER="418")
    assert line(step).startswith("✓")
    assert all(one.status != 500 for one in step.sandbox.requests)


def test_before_the_builds_api(step: Step) -> None:
    """A server without the builds API gets the older build status, which is found again and changed."""
    step.sandbox.data_center.builds_api = False
    ran = step.run()
    assert "this Bitbucket has no builds API" in ran.log
    assert step.statuses == [("FAILED", "1 of 15 tasks failed: cart:test · build 417")]
    step.run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    assert [state for state, _ in step.statuses] == ["SUCCESSFUL"]


@pytest.mark.parametrize("builds_api", [True, False])
def test_a_state_that_the_server_does_not_know(step: Step, *, builds_api: bool) -> None:
    """A server that knows no CANCELLED gets FAILED, and is not written to for ever."""
    step.sandbox.data_center.builds_api = builds_api
    step.sandbox.data_center.states = ("SUCCESSFUL", "FAILED", "INPROGRESS")
    step.other("lint").run(runs=GREEN, STAGE="start")
    ran = step.other("final").run(version=None, STAGE="final")
    assert ran.code == 0
    assert [state for state, _ in step.statuses] == ["FAILED"]
    assert "Build status written" in ran.log


def test_cancelled(step: Step) -> None:
    """What was stopped is CANCELLED there."""
    step.other("lint").run(runs=GREEN, STAGE="start")
    step.other("final").run(version=None, STAGE="final")
    assert sent_states(step) == ["INPROGRESS", "CANCELLED"]


@pytest.mark.parametrize(("result", "state"), [("ABORTED", "CANCELLED"), ("NOT_BUILT", "CANCELLED"), ("x", "FAILED")])
def test_how_jenkins_ended(step: Step, result: str, state: str) -> None:
    """A build that Jenkins has stopped is cancelled and not failed, whatever nx came to before."""
    ran = step.run(runs=GREEN, BITBUCKET_EXIT_CODE=result)
    assert sent_states(step) == [state]
    assert "is no number" not in ran.log


def test_unstable(step: Step) -> None:
    """A result in a word is told as that word."""
    step.run(runs=GREEN, BITBUCKET_EXIT_CODE="UNSTABLE")
    assert line(step) == "✗ **Nx: the step failed (UNSTABLE)** after 1 task succeeded"


def test_rate_limit(step: Step) -> None:
    """A rate limit of one's own server is told with who can raise it."""
    step.sandbox.faults.add("GET", "/activities$", rate_limited("3000"), None)
    assert "rate limit is reached (429). Whoever runs it can raise that of the token's user" in step.run().log


def test_without_code_insights(step: Step) -> None:
    """Where Code Insights are absent build statuses take the place of the records, and both steps are seen."""
    step.sandbox.data_center.reports = False
    step.other("lint").run(runs=GREEN)
    ran = step.other("test").run()
    assert "Build statuses take the place of Code Insights reports" in ran.log
    assert line(step) == "✗ **Nx: 1 of 16 tasks failed:** `cart:test` · 2 steps"


def test_report_of_another_token(step: Step) -> None:
    """A report that another token made is not replaced: this one's gets a key of its own, and is read as the newer."""
    step.run()
    step.with_another_token()
    step.clock.sleep(1)
    ran = step.run(runs=GREEN)
    assert "belongs to another token: this one's is kept as nx-report-nx-" in ran.log
    assert len(step.records) == 2
    assert [status for status, _ in step.statuses] == ["SUCCESSFUL"]


def test_annotations(step: Step) -> None:
    """Annotations have a message and are deleted before they are written: a rerun leaves each once."""
    for number in ("417", "417"):
        step.run("24.0.6", (1,), DRY_RUN="true")
        lay_out(step.clone, "24.0.6", (1,), commit=HEAD)
        spec = step.clone / "packages/cart/src/cart.spec.ts"
        spec.parent.mkdir(parents=True, exist_ok=True)
        spec.write_text("x\n" * 40)
        step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER=number)
    repository = step.sandbox.repository
    (report,) = repository.reports_of_commit(HEAD)
    (annotation,) = repository.annotations_of(report)
    assert annotation.values["path"] == "packages/cart/src/cart.spec.ts"
    assert annotation.values["summary"].startswith("cart › totals the items\n\n")


# --- credentials ------------------------------------------------------------------------------------------------------


def test_login_page(step: Step) -> None:
    """A 401 with a page for people is told as a token that was not accepted, and nothing of the page is shown."""
    for method in ("GET", "PUT", "POST"):
        step.sandbox.faults.add(method, "", login_page(), None)
    ran = step.run()
    assert ran.code == 0
    assert "the token was not accepted (401)" in ran.log
    assert "Manage account > HTTP access tokens" in ran.log
    assert SESSION_TOKEN not in ran.log
    assert "html" not in ran.log.split("cart:test")[0].lower()


def test_wrong_token(step: Step) -> None:
    """A wrong token is told with what is needed and where it is made."""
    step.without_a_token(BITBUCKET_ACCESS_TOKEN="wrong-token-of-nobody")
    ran = step.run(FAIL_ON="delivery-errors")
    assert ran.code == 1
    assert "Authentication failed. Please check your credentials and try again" in ran.log
    assert f"({step.sandbox.server_url}/plugins/servlet/access-tokens/manage)" in ran.log
    assert "wrong-token-of-nobody" not in ran.log


def test_token_that_may_not_write(step: Step) -> None:
    """A token that may only read is told as that, not as a wrong one."""
    step.without_a_token(BITBUCKET_ACCESS_TOKEN=step.sandbox.reader_token.token)
    ran = step.run()
    assert "the token may not do this (401): You are not permitted to access this resource" in ran.log
    assert "write access to the repository" in ran.log


def test_no_token(step: Step) -> None:
    """Without a token the log has the whole report, and nothing is sent anywhere, Pipelines' proxy included."""
    step.without_a_token(ATLASSIAN_ACCOUNT_EMAIL="ci@acme.example", ATLASSIAN_API_TOKEN="ATATT-of-cloud-alone")
    ran = step.run()
    assert "NO CREDENTIAL" in ran.log
    assert "an HTTP access token of a user with write access" in ran.log
    assert "for Bitbucket Cloud alone, and not used with BITBUCKET_URL" in ran.log
    assert step.sandbox.requests == []


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ({"BITBUCKET_URL": "http://bitbucket.acme.example"}, "ALLOW_HTTP: 'true' accepts it"),
        ({"BITBUCKET_URL": "https://bitbucket.acme.example/rest"}, "leave out what comes after its context path"),
        ({"BITBUCKET_URL": "https://bitbucket.org"}, "is Bitbucket Cloud"),
        ({"CA_BUNDLE": "/nowhere/ca.pem"}, "CA_BUNDLE '/nowhere/ca.pem' cannot be read"),
        ({"UPLOAD": "downloads"}, "Data Center has no Downloads"),
        ({"EMOJI": "some"}, "EMOJI 'some' is neither unicode nor ascii"),
        ({"BITBUCKET_BUILD_NUMBER": ""}, "BUILD_NUMBER is not set"),
    ],
)
def test_mistakes(step: Step, own: dict[str, str], problem: str) -> None:
    """What cannot be meant is told before anything is sent."""
    ran = step.run(**own)
    assert ran.code == 2
    assert problem in ran.log
    assert step.sandbox.requests == []


def test_authority_of_ones_own(clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose certificate a company's own authority has signed is trusted with CA_BUNDLE, and not without."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    with Sandbox(clock.now, tls=True) as sandbox:
        step = Step(sandbox, clock, tmp_path / "clone", DATA_CENTER)
        ran = step.run(FAIL_ON="delivery-errors")
        assert ran.code == 1
        assert "could not be trusted (TLS: unable to get local issuer certificate). Where an authority" in ran.log
        assert "CA_BUNDLE" in ran.log
        assert sandbox.requests == []
        assert step.run(FAIL_ON="delivery-errors", CA_BUNDLE=str(sandbox.authority_file)).code == 0
        assert line(step).startswith("✗")


def test_error_page(step: Step) -> None:
    """An error without JSON is told without its body, and tried again."""
    step.sandbox.faults.add("GET", "/activities$", server_error(502), 2)
    ran = step.run()
    assert line(step).startswith("✗")
    assert "went wrong" not in ran.log


# --- jobs with numbers of their own -----------------------------------------------------------------------------------


def test_each_job_is_a_step(step: Step) -> None:
    """Jobs report side by side, whatever their numbers; a later build of one takes the place of its own alone."""
    job(step, "shop/lint", 900)
    job(step, "shop/test", 3, runs=(1,))
    assert line(step) == "✗ **Nx: 1 of 16 tasks failed:** `cart:test` · 2 steps"
    assert "[build 900](https://ci.acme.example/shop/lint/900/)" in step.comments[0]
    assert "[build 3](https://ci.acme.example/shop/test/3/)" in step.comments[0]
    job(step, "shop/test", 4)
    assert line(step) == "✓ **Nx: 2 tasks succeeded**, 2 from the cache · 2 steps"
    assert [state for state, _ in step.statuses] == ["SUCCESSFUL"]
    ran = job(step, "shop/test", 3, runs=(1,))
    assert line(step) == "✓ **Nx: 2 tasks succeeded**, 2 from the cache · 2 steps"
    assert "build 4, which is newer than this one" in ran.log


def test_jobs_of_bamboo(step: Step) -> None:
    """Jobs of one plan, which share its number, are told apart without STEP_NAME."""
    for job_key, runs in (("LINT", GREEN), ("TEST", (1,))):
        own = {"bamboo_buildNumber": "417", "bamboo_planKey": "SHOP-CHECKS", "bamboo_shortJobKey": job_key}
        step.run(runs=runs, BITBUCKET_BUILD_NUMBER="", **own)
    assert line(step) == "✗ **Nx: 1 of 16 tasks failed:** `cart:test` · 2 steps"
    assert all(f"SHOP-CHECKS-{job_key}" in step.comments[0] for job_key in ("LINT", "TEST"))


def test_time_decides_across_jobs(step: Step) -> None:
    """A job's late build of an older commit leaves what another one's of the head shows, whatever the numbers."""
    old = HEAD
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    job(step, "shop/lint", 3, BITBUCKET_COMMIT=NEW)
    before = step.comments
    ran = job(step, "shop/test", 900, runs=(1,), BITBUCKET_COMMIT=old, BITBUCKET_PR_ID="17")
    assert step.comments == before
    assert "it shows the pull request's newest commit" in ran.log


def test_final_closes_its_own_job(step: Step) -> None:
    """A `final` step of one job says nothing of another's steps, which are waited for."""
    other = step.other("e2e")
    other.run(runs=GREEN, STAGE="start", JOB_NAME="shop/e2e", BITBUCKET_BUILD_NUMBER="7")
    step.other("lint").run(runs=GREEN, JOB_NAME="shop/lint")
    step.other("final").run(version=None, STAGE="final", JOB_NAME="shop/lint")
    assert [state for state, _ in step.statuses] == ["INPROGRESS"]
    other.run(runs=GREEN, JOB_NAME="shop/e2e", BITBUCKET_BUILD_NUMBER="7")
    assert [state for state, _ in step.statuses] == ["SUCCESSFUL"]
