"""What the pipe does to a pull request, over HTTP, in the flows that a team meets."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from pipe.bitbucket import http
from test.conftest import CLOUD, COMMENTS, ONE_COMMENT, STATUS
from test.sandbox import Action, Answer, json_answer, not_found_page, rate_limited, server_error
from test.sandbox.faults import SESSION_TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from test.conftest import Step

NEW = "5d27c0fb1a9e8c3d4b6f7a2e1c0d9b8a7f6e5d4c"


# --- one comment, one status ------------------------------------------------------------------------------------------


@pytest.mark.host(CLOUD)
def test_first_report(step: Step) -> None:
    """The first build of a pull request makes a record, one comment and one build status, in eleven requests.

    Those of a round are made at once: four in sequence, on four connections.
    """
    ran = step.run()
    assert ran.code == 0
    assert len(step.comments) == 1
    assert step.comments[0].startswith("✗ **Nx: 1 of 15 tasks failed:** `cart:test`\n")
    assert step.statuses == [("FAILED", "1 of 15 tasks failed: cart:test · build 417")]
    assert "✓ Comment written: created http" in ran.log
    assert "✓ Build status written: FAILED on " in ran.log
    assert step.sandbox.connections <= 4
    commit = f"commit/{step.sandbox.pull_request.source_commit}"
    look = sorted(
        [
            "GET pullrequests/17",
            "GET pullrequests/17/comments",
            f"GET {commit}/statuses/build/nx-pr-17",
            f"GET {commit}/reports",
        ]
    )
    calls = step.calls()
    assert calls[0].startswith(f"PUT {commit}/reports/nx-report-nx-")
    assert sorted(calls[1:5]) == look
    assert sorted(calls[5:7]) == [f"POST {commit}/statuses/build", "POST pullrequests/17/comments"]
    assert sorted(calls[7:]) == look


def test_update(step: Step) -> None:
    """The next build edits the comment in place, replaces the status and deletes the record of the one before."""
    step.run()
    step.calls()
    step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="418")
    assert len(step.comments) == 1
    assert step.comments[0].startswith("✓ **Nx: 1 task succeeded**")
    assert [state for state, _ in step.statuses] == ["SUCCESSFUL"]
    calls = [call for call in step.calls() if not call.endswith("/annotations")]
    # Where the pull request goes is not known on Data Center, and asked for first.
    methods = [call.split()[0] for call in (calls if step.host == CLOUD else calls[1:])]
    assert methods[0] == "PUT"
    assert sorted(methods[5:7]) == ["POST", "PUT"]
    assert methods[11:] == ["DELETE"]
    assert len(step.records) == 1


def test_unchanged(step: Step) -> None:
    """A comment that would differ in nothing but the time is left alone; another build's number is a change."""
    step.run()
    first = step.comments
    step.clock.sleep(600)
    step.calls()
    ran = step.again(BITBUCKET_EXIT_CODE="1")
    assert step.comments == first
    assert {call.split()[0] for call in step.calls() if "/reports/" not in call} == {"GET"}
    assert "✓ Comment unchanged: up to date already" in ran.log
    step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="418")
    assert step.comments != first


def test_hundreds_of_comments(step: Step) -> None:
    """The comment is found behind several pages of others, inline and deleted ones with its marker ignored."""
    sandbox = step.sandbox
    for number in range(130):
        sandbox.repository.add_comment(sandbox.reviewer, sandbox.pull_request, f"remark {number}")
    step.run()
    ours = step.comments[-1]
    for number in range(130):
        sandbox.repository.add_comment(sandbox.reviewer, sandbox.pull_request, f"more {number}")
    sandbox.repository.add_comment(sandbox.reviewer, sandbox.pull_request, ours, inline={"path": "a.ts", "to": 1})
    gone = sandbox.repository.add_comment(sandbox.reviewer, sandbox.pull_request, ours)
    sandbox.repository.delete_comment(sandbox.reviewer, sandbox.pull_request, gone.id)
    step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="418")
    assert sum("[nx-report:nx]" in body for body in step.comments) == 2  # ours, and the inline one
    assert sum(body.startswith("✓ **Nx: 1 task") for body in step.comments) == 1


def test_deleted_comment(step: Step) -> None:
    """A comment that somebody deleted is made again, once."""
    step.run()
    (comment,) = step.sandbox.pull_request.visible_comments
    step.sandbox.repository.delete_comment(comment.user, step.sandbox.pull_request, comment.id)
    step.run(BITBUCKET_BUILD_NUMBER="418")
    assert len(step.comments) == 1


def test_comment_edited_by_hand(step: Step) -> None:
    """A comment whose text somebody changed is written over as long as its marker is there."""
    step.run()
    comment = step.sandbox.pull_request.visible_comments[0]
    comment.raw = "LGTM\n\n" + comment.raw
    step.again(BITBUCKET_EXIT_CODE="1")
    assert step.comments[0].startswith("✗")


def test_rotated_token(step: Step) -> None:
    """A comment of another token cannot be edited: a new one is made once, and is the one found from then on."""
    step.run()
    step.with_another_token()
    # The old token's build status cannot be replaced either, so the next build is of another commit.
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    ran = step.run(BITBUCKET_BUILD_NUMBER="418")
    assert "an earlier one belongs to another account or token" in ran.log
    assert len(step.comments) == 2
    step.calls()
    step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="419")
    assert len(step.comments) == 2
    assert [body[:1] for body in step.comments] == ["✗", "✓"]
    (written,) = [call for call in step.calls() if "comments/" in call]
    assert written.startswith("PUT ")
    assert written.endswith(f"/17/comments/{step.sandbox.pull_request.visible_comments[1].id}")


def test_a_second_one_is_deleted(step: Step) -> None:
    """Should there be two comments of ours, the oldest stays and is written, the other is deleted."""
    step.run()
    (first,) = step.sandbox.pull_request.visible_comments
    step.sandbox.repository.add_comment(first.user, step.sandbox.pull_request, first.raw)
    step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="418")
    (left,) = step.sandbox.pull_request.visible_comments
    assert left.id == first.id
    assert left.raw.startswith("✓")


def test_several_reports(step: Step) -> None:
    """Two reports on one pull request are two comments and two statuses, each with its own life."""
    step.run()
    step.run(runs=(4,), REPORT_ID="web", TITLE="Nx web")
    assert [body.split("**")[1] for body in step.comments] == ["Nx: 1 of 15 tasks failed:", "Nx web: 1 task succeeded"]
    assert [state for state, _ in step.statuses] == ["FAILED", "SUCCESSFUL"]
    step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="418")
    assert len(step.comments) == 2
    assert [state for state, _ in step.statuses] == ["SUCCESSFUL", "SUCCESSFUL"]


# --- order ------------------------------------------------------------------------------------------------------------


def test_late_build_of_an_old_commit(step: Step) -> None:
    """A late build of an older commit leaves the comment on the head alone; its own commit gets its status."""
    old = step.sandbox.pull_request.source_commit
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="418")
    newest = step.comments
    ran = step.run(BITBUCKET_BUILD_NUMBER="417", BITBUCKET_COMMIT=old)
    assert step.comments == newest
    assert "– Comment skipped: it shows the pull request's newest commit 5d27c0fb1a9e, this build is of" in ran.log
    assert [status.commit for status in step.sandbox.repository.build_statuses] == [NEW, old]


def test_late_build_of_one_commit(step: Step) -> None:
    """Of two builds of one commit the newer one's result stands, in the comment and as the status."""
    step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="418")
    before = step.comments, step.statuses
    ran = step.run(BITBUCKET_BUILD_NUMBER="417")
    assert (step.comments, step.statuses) == before
    assert "shows build 418, which is newer than this one" in ran.log
    assert "– Build status skipped: it is of build 418, which is newer than this one" in ran.log


@pytest.mark.host(CLOUD)
def test_rerun_of_a_step(step: Step) -> None:
    """A rerun of the step replaces its first run's result, and the first run's never the rerun's."""
    step.run()
    step.run(runs=(4,), BITBUCKET_STEP_RUN_NUMBER="2")
    assert step.comments[0].startswith("✓")
    step.run(BITBUCKET_STEP_RUN_NUMBER="1")
    assert step.comments[0].startswith("✓")


def test_build_numbers_begin_anew(step: Step) -> None:
    """The head's result replaces an older commit's even if its build number is lower."""
    step.run(BITBUCKET_BUILD_NUMBER="900")
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="3")
    assert step.comments[0].startswith("✓")


# --- where there is little to say -------------------------------------------------------------------------------------


@pytest.mark.host(CLOUD)
def test_nothing_found(step: Step) -> None:
    """Without a run there is no new comment and nothing green; the log says where it looked and what to add."""
    ran = step.run(None)
    assert (step.comments, step.statuses) == ([], [])
    assert "looked in: .nx-report/*.jsonl, .nx/cache/run.json" in ran.log
    assert "export NX_CACHE_DIRECTORY=$BITBUCKET_CLONE_DIR/.nx/cache" in ran.log
    assert ran.code == 0


def test_nothing_found_in_a_failed_step(step: Step) -> None:
    """Where the step failed before Nx ran, or was installed, the build status says so."""
    step.run(None)
    shutil.rmtree(step.clone / "node_modules")
    step.again(BITBUCKET_EXIT_CODE="127")
    assert step.comments == []
    assert step.statuses == [("FAILED", "No run found · the step failed (exit 127) before Nx ran · build 417")]


def test_nothing_found_with_a_comment(step: Step) -> None:
    """An existing comment is brought up to date and keeps the last known result, also twice, until the next run."""
    step.run()
    for build in ("418", "419"):
        step.run(None, BITBUCKET_BUILD_NUMBER=build, BITBUCKET_EXIT_CODE="1")
        (body,) = step.comments
        assert body.startswith("? **Nx: no run found** · the step failed (exit 1) · `1f3c9ab02d41`")
        assert "Last known result: ✗ 1 of 15 failed, `1f3c9ab02d41`, build 417." in body
    step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="420")
    assert step.comments[0].startswith("✓")


def test_stale_record(step: Step) -> None:
    """Yesterday's record from a restored cache is not reported; the log names it with both times."""
    step.run()
    (step.clone / ".git/description").touch()
    step.sandbox.pull_request.comments.clear()
    step.sandbox.repository.build_statuses.clear()
    ran = step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="418")
    assert step.comments == []
    assert "FAILED" in step.statuses[0][0]
    assert "before Nx ran" in step.statuses[0][1]
    stale = re.findall(r"ignored: (\S+): ended 2026-11-2\d [\d:]{8} UTC, before this build's clone at 20\d\d-", ran.log)
    assert stale == [".nx/cache/run.json", ".nx-report/nx.log"]


@pytest.mark.parametrize(("mode", "made"), [("always", 1), ("on-failure", 0), ("never", 0)])
def test_comment_modes(step: Step, mode: str, made: int) -> None:
    """COMMENT says when a comment is made; the status is written in any case."""
    step.run(runs=(4,), COMMENT=mode)
    assert len(step.comments) == made
    assert [state for state, _ in step.statuses] == ["SUCCESSFUL"]


def test_on_failure_updates_what_is_there(step: Step) -> None:
    """With `on-failure` a comment made for a failure is brought up to date by the success after it."""
    step.run(COMMENT="on-failure")
    step.run(runs=(4,), COMMENT="on-failure", BITBUCKET_BUILD_NUMBER="418")
    assert [body[:1] for body in step.comments] == ["✓"]


@pytest.mark.host(CLOUD)
def test_no_pull_request(step: Step) -> None:
    """A branch pipeline gets its build status, and the log says which setting would bring the comment."""
    ran = step.run(BITBUCKET_PR_ID="")
    assert step.comments == []
    assert step.statuses[0][0] == "FAILED"
    assert "– Comment skipped: this pipeline is not of a pull request. Set PULL_REQUEST_ID" in ran.log
    assert [call.split()[0] for call in step.calls()] == ["PUT", "GET", "GET", "POST", "GET", "GET"]


def test_pull_request_by_hand(step: Step) -> None:
    """PULL_REQUEST_ID names the pull request of a custom pipeline, and with `auto` it is the branch's open one."""
    for value in ("17", "auto"):
        step.run(BITBUCKET_PR_ID="", PULL_REQUEST_ID=value)
        assert len(step.comments) == 1
        step.sandbox.repository.build_statuses.clear()


@pytest.mark.host(CLOUD)
def test_several_open_pull_requests(step: Step) -> None:
    """Of a branch's several open pull requests it is the one at this commit, and the log says so."""
    repository, ours = step.sandbox.repository, step.sandbox.pull_request
    repository.add_commit(step.sandbox.author, NEW)
    source = (ours.source_branch, NEW)
    repository.add_pull_request(step.sandbox.author, "Other", source=source, destination=("next", NEW), number=18)
    ran = step.run(BITBUCKET_PR_ID="", PULL_REQUEST_ID="auto")
    assert len(step.comments) == 1
    assert "has several open pull requests" in ran.log
    assert "17 is the one at this commit" in ran.log


@pytest.mark.host(CLOUD)
def test_auto_without_a_pull_request(step: Step) -> None:
    """A branch without an open pull request is told, and the status is written."""
    ran = step.run(BITBUCKET_PR_ID="", PULL_REQUEST_ID="auto", BITBUCKET_BRANCH='odd"branch')
    assert '– Comment skipped: branch odd"branch has no open pull request' in ran.log
    assert len(step.statuses) == 1


def test_closed_pull_request(step: Step) -> None:
    """On a pull request that is no longer open no new comment is made, and the log says why; the status is written."""
    step.sandbox.pull_request.state = "MERGED"
    ran = step.run()
    assert step.comments == []
    assert "pull request 17 is merged" in ran.log
    assert len(step.statuses) == 1


@pytest.mark.host(CLOUD)
def test_tag(step: Step) -> None:
    """On a tag the status has no refname."""
    step.run(BITBUCKET_PR_ID="", BITBUCKET_BRANCH="", BITBUCKET_TAG="v1.0.0")
    (status,) = step.sandbox.repository.build_statuses
    assert status.refname is None


def test_status_names_the_source_branch(step: Step) -> None:
    """On a branch the status carries its name, and one key of at most 40 characters for every build."""
    step.run()
    (status,) = step.sandbox.repository.build_statuses
    assert (status.refname, status.key) == ("feature/cart-totals", "nx-pr-17")


@pytest.mark.host(CLOUD)
def test_commit_hash_asked_for(step: Step) -> None:
    """A commit that the clone does not hold is asked for in one request."""
    step.run()
    (step.clone / ".git/packed-refs").unlink()
    step.calls()
    step.again(BITBUCKET_EXIT_CODE="1")
    assert step.calls()[0] == "GET commit/1f3c9ab02d41"
    assert {status.commit for status in step.sandbox.repository.build_statuses} == {
        step.sandbox.pull_request.source_commit
    }


def test_dry_run(step: Step) -> None:
    """DRY_RUN needs no token, prints the comment and the status, asks Bitbucket nothing and leaves no file."""
    step.without_a_token(DRY_RUN="true")
    ran = step.run()
    assert "✗ **Nx: 1 of 15 tasks failed:** `cart:test`" in ran.log
    assert "The build status would be FAILED: Nx: 1 of 15 tasks failed: cart:test" in ran.log
    assert step.calls() == []
    assert not (step.clone / ".nx-report/comment.md").exists()


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [("nothing", 0), ("failed-tasks", 1), ("delivery-errors", 0), ("failed-tasks, delivery-errors", 1)],
)
def test_fail_on_failed_tasks(step: Step, fail_on: str, code: int) -> None:
    """FAIL_ON decides whether failed tasks make the pipe fail."""
    assert step.run(FAIL_ON=fail_on).code == code


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.host(CLOUD)
def test_wrong_variables(step: Step) -> None:
    """Every mistake in the variables is told in one block, and nothing is asked of Bitbucket."""
    ran = step.run(TIMEOUT="1", DEBUG="yes", WORKSPACE_DIR="..", BITBUCKET_WORKSPACE="")
    assert ran.code == 2
    assert ran.log.count("\n  - ") == 4
    assert step.calls() == []
    assert (
        step.run(WORKSPACE_DIR="../..", NX_CACHE_DIRECTORY="/home/x").log.count("lies outside the clone directory") == 2
    )


@pytest.mark.host(CLOUD)
@pytest.mark.parametrize(("fail_on", "code"), [("nothing", 0), ("delivery-errors", 1)])
def test_wrong_token(step: Step, fail_on: str, code: int) -> None:
    """A wrong token is said at once with what to check, never breaks the build, and the report stays on disk."""
    ran = step.run(ATLASSIAN_API_TOKEN="ATATT3xWrongWrongWrongWrong", FAIL_ON=fail_on)
    assert ran.code == code
    assert ran.log.count("the token was not accepted (401)") == 2
    assert "Check that ATLASSIAN_ACCOUNT_EMAIL is the e-mail of the token's account" in ran.log
    assert "WrongWrong" not in ran.log
    assert (step.clone / ".nx-report/comment.md").read_text().startswith("✗ **Nx: 1 of 15")


@pytest.mark.host(CLOUD)
def test_username_instead_of_the_email(step: Step) -> None:
    """A 401 for a username says which of the two Bitbucket's REST API wants."""
    ran = step.run(ATLASSIAN_ACCOUNT_EMAIL="", BITBUCKET_USERNAME="ci-reporter")
    assert "Bitbucket's REST API wants the e-mail of the Atlassian account" in ran.log


@pytest.mark.host(CLOUD)
def test_missing_scope(step: Step) -> None:
    """A missing scope is named, with the scopes that the token has, and the other channel is written."""
    sandbox = step.sandbox
    sandbox.state.add_api_token(sandbox.author, "ada@acme.example", "ATATT-one-scope", ["read:repository:bitbucket"])
    ran = step.run(ATLASSIAN_ACCOUNT_EMAIL="ada@acme.example", ATLASSIAN_API_TOKEN="ATATT-one-scope")
    assert "✗ Comment failed: pull request 17: not allowed (403)" in ran.log
    assert "lacks the scope read:pullrequest:bitbucket. It has read:repository:bitbucket." in ran.log
    assert step.comments == []
    assert len(step.statuses) == 1


def test_unknown_pull_request(step: Step) -> None:
    """A pull request that does not exist is said, and the status is written."""
    ran = step.run(PULL_REQUEST_ID="4000")
    assert "✗ Comment failed: pull request 4000: not found (404)" in ran.log
    assert len(step.statuses) == 1


def test_html_error_page(step: Step) -> None:
    """An HTML page with a session token in it is never shown."""
    step.sandbox.faults.add("GET", COMMENTS, not_found_page(), None)
    ran = step.run(DEBUG="true")
    assert "not found (404)" in ran.log
    assert SESSION_TOKEN not in ran.log
    assert "<html" not in ran.log


CONFLICT = json_answer(409, {"type": "error", "error": {"message": "Conflict"}})


TRANSIENT = [rate_limited(), rate_limited("7"), server_error(500), server_error(503), CONFLICT]


@pytest.mark.parametrize("answer", TRANSIENT)
@pytest.mark.parametrize(("method", "path"), [("GET", COMMENTS), ("PUT", ONE_COMMENT), ("POST", STATUS)])
def test_tries_again(step: Step, answer: object, method: str, path: str) -> None:
    """Too many requests and server errors are tried again after a pause, and then everything is written."""
    step.run()
    fault = step.sandbox.faults.add(method, path, answer, 2)  # type: ignore[arg-type]
    ran = step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="418")
    assert [body[:1] for body in step.comments] == ["✓"]
    assert step.statuses[0][0] == "SUCCESSFUL"
    assert "✗ Comment" not in ran.log
    assert fault.hits == 2
    assert (step.clock.slept.count(7) == 2) is (answer == rate_limited("7"))


def test_gives_up_in_time(step: Step) -> None:
    """A server that stays down is given up within TIMEOUT, with time left for the other channel."""
    step.sandbox.faults.add("GET", COMMENTS, server_error(500), None)
    ran = step.run(TIMEOUT="20")
    assert sum(step.clock.slept) <= 20
    assert "✗ Comment failed: comments: Bitbucket had an error of its own (500)" in ran.log
    assert "✓ Build status written" in ran.log


@pytest.mark.host(CLOUD)
def test_rate_limit_stays(step: Step) -> None:
    """A rate limit that outlasts TIMEOUT is said at once, with what would help, for both channels."""
    for method, path in (("GET", "pullrequests"), ("POST", STATUS)):
        step.sandbox.faults.add(method, path, rate_limited("3000"), None)
    ran = step.run()
    assert ran.log.count("rate limit is reached (429)") == 2
    assert 3000 not in step.clock.slept
    assert ran.code == 0


@pytest.mark.parametrize("action", [Action.LOSE, Action.DROP, server_error(502), Answer(201, "<html>", "text/html")])
def test_comment_is_made_once(step: Step, action: object) -> None:
    """An answer lost after the comment was made, or before, ends in exactly one comment."""
    step.sandbox.faults.add("POST", COMMENTS, action, 1)  # type: ignore[arg-type]
    ran = step.run()
    assert len(step.comments) == 1
    assert "✓ Comment written: created" in ran.log


def test_lost_answer_of_an_update(step: Step) -> None:
    """Updates and statuses whose answer was lost are simply made again."""
    step.run()
    step.sandbox.faults.add("PUT", ONE_COMMENT, Action.LOSE, 1)
    step.sandbox.faults.add("POST", STATUS, Action.LOSE, 1)
    step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="418")
    assert [body[:1] for body in step.comments] == ["✓"]
    assert [state for state, _ in step.statuses] == ["SUCCESSFUL"]


def test_silent_server(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the request and never answers is left after a while, and the status still gets its turn."""
    monkeypatch.setattr(http, "_ANSWER_SECONDS", 0.4)
    step.sandbox.faults.add("GET", COMMENTS, Action.HANG, None)
    ran = step.run()
    assert "✗ Comment failed: comments: 127.0.0.1" in ran.log
    assert "did not answer in time" in ran.log
    assert "✓ Build status written" in ran.log


@pytest.mark.host(CLOUD)
def test_no_server(step: Step) -> None:
    """Where nobody listens, the log says so for both channels and the exit code is 0."""
    ran = step.run(BITBUCKET_API_URL="http://127.0.0.1:9/2.0")
    assert ran.log.count("could not be reached") >= 2
    assert ran.code == 0


@pytest.mark.host(CLOUD)
def test_next_page_elsewhere(step: Step) -> None:
    """A page's `next` that leads to another host is not followed: the credential stays."""
    step.sandbox.faults.add("GET", COMMENTS, json_answer(200, {"values": [], "next": "https://evil.example/2.0/x"}), 1)
    ran = step.run()
    assert "outside http://127.0.0.1" in ran.log
    assert step.comments == []


def test_redirect(step: Step) -> None:
    """A redirect is not followed."""
    answer = json_answer(302, {})
    answer.headers["Location"] = "http://127.0.0.1:9/"
    step.sandbox.faults.add("GET", COMMENTS, answer, 1)
    assert "redirected (302 to http://127.0.0.1:9/), which is not followed" in step.run().log


@pytest.mark.host(CLOUD)
def test_debug(step: Step) -> None:
    """DEBUG prints method, path, status and time of each request and each source, and never a secret."""
    ran = step.run(DEBUG="true")
    assert re.search(r"· GET /2\.0/repositories/acme/shop/pullrequests/17: 200 in \d+\.\d\ds", ran.log)
    assert (
        "· source: nx run-many -t lint test build: .nx/cache/run.json, .nx-report/nx.log: FAILED, 15 tasks" in ran.log
    )
    assert step.sandbox.api_token.token not in ran.log
    assert "Basic " not in ran.log


# --- what must never leave --------------------------------------------------------------------------------------------


def test_secrets_stay(step: Step) -> None:
    """Tokens in an output, and the pipe's own credential, are replaced in what is published; the log counts them."""
    step.run()
    for output in (step.clone / ".nx/cache/terminalOutputs").iterdir():
        output.write_text(f"Error: push to https://ci:hunter2hunter2@git.example failed with {step.token}\n")
    (step.clone / ".nx-report/nx.log").unlink()
    ran = step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="418")
    (body,) = step.comments
    assert "Error: push to https://" in body
    assert "hunter2" not in body + ran.log
    assert step.token not in body + ran.log
    assert "30 secrets replaced in what is published" in ran.log


def test_a_report_on_disk(step: Step) -> None:
    """The report is kept in the clone behind a .gitignore; where that cannot be written a line says so."""
    step.run()
    kept = (step.clone / ".nx-report/comment.md").read_text()
    assert kept.rstrip() == step.comments[0].rpartition("\n\n[nx-report:nx]: ")[0]
    assert (step.clone / ".nx-report/.gitignore").read_text() == "*\n"


def test_workspace_in_a_folder(step: Step, tmp_path: Path) -> None:
    """A workspace in a folder of the repository is found, and named with the command that runs the failure again."""
    step.run()
    inner = step.clone / "frontend"
    inner.mkdir()
    for name in ("nx.json", ".nx", ".nx-report", "node_modules", "packages"):
        (step.clone / name).rename(inner / name)
    ran = step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="418", WORKSPACE_DIR="frontend")
    assert "1 of 15 tasks failed" in ran.log
    assert "Try it in `frontend`: `npx nx run cart:test`" in step.comments[0]
    assert tmp_path.exists()


def test_answer_that_never_ends(step: Step) -> None:
    """An answer that comes byte by byte, without an end, is broken off, and the status still gets its turn."""
    step.sandbox.faults.add("GET", COMMENTS, Action.TRICKLE, None)
    ran = step.run(TIMEOUT="5")
    assert "✗ Comment failed: Bitbucket's answer did not end in time" in ran.log
    assert "✓ Build status written" in ran.log


def test_fault_of_our_own(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the pipe is told in a line, with a traceback for DEBUG alone, and leaves the build alone."""
    monkeypatch.setattr("pipe.making.summarise", lambda *_, **__: 1 / 0)
    ran = step.run(FAIL_ON="failed-tasks")
    assert ran.code == 0
    assert "met a fault of its own (ZeroDivisionError)" in ran.log
    assert "Traceback" not in ran.log
    assert "Traceback" in step.run(DEBUG="true").log
    assert step.run(FAIL_ON="delivery-errors").code == 1


def test_comment_cannot_be_made(step: Step) -> None:
    """A server that never says whether the comment was made is given up after a few pauses; the status is written."""
    step.sandbox.faults.add("POST", COMMENTS, server_error(500), None)
    ran = step.run()
    assert "✗ Comment failed: Bitbucket did not answer, so it may or may not be there" in ran.log
    assert sum(call.startswith("POST") and call.endswith("comments") for call in step.calls()) == 4
    assert len(step.statuses) == 1


RUN_PAGE = "https://cloud.nx.app/runs/AbCdEf1234"


def test_run_given_by_hand(step: Step) -> None:
    """A link and a result given by hand are a run: the comment and the build status link its page."""
    step.run(None, NX_RUN_URL=RUN_PAGE, NX_RUN_STATUS="success")
    assert f"[✓]({RUN_PAGE})" in step.comments[0]
    (status,) = step.sandbox.repository.build_statuses
    assert (status.state, status.url) == ("SUCCESSFUL", RUN_PAGE)


def test_link_given_by_hand(step: Step) -> None:
    """A link given by hand goes to the one run that was found, and its result can only make that run's worse."""
    step.run(NX_RUN_URL=RUN_PAGE, NX_RUN_STATUS="SUCCEEDED")
    assert f"| [✗ 1 failed]({RUN_PAGE}) |" in step.comments[0]
    assert step.sandbox.repository.build_statuses[0].url == RUN_PAGE
    step.run(runs=(4,), NX_RUN_URL=RUN_PAGE, NX_RUN_STATUS="timed_out", BITBUCKET_BUILD_NUMBER="418")
    assert step.comments[0].startswith("✗ **Nx: timed out** · 1 task so far\n")
    assert step.statuses == [("FAILED", "Timed out · 1 task so far · build 418")]


@pytest.mark.host(CLOUD)
def test_status_of_several_runs(step: Step) -> None:
    """Of several runs the build status links the step's page."""
    step.run(runs=(4, 1), NX_RUN_URL=RUN_PAGE, NX_RUN_STATUS="failure")
    assert step.sandbox.repository.build_statuses[0].url.startswith(
        "https://bitbucket.org/acme/shop/pipelines/results/417"
    )


@pytest.mark.host(CLOUD)
def test_clone_is_not_there(step: Step) -> None:
    """A clone directory that is not mounted is a mistake of the set-up and told as one."""
    ran = step.run(BITBUCKET_CLONE_DIR="/nowhere")
    assert ran.code == 2
    assert "BITBUCKET_CLONE_DIR '/nowhere' is no folder here" in ran.log


@pytest.mark.parametrize(("fail_on", "code"), [("nothing", 0), ("failed-tasks", 1), ("delivery-errors", 1)])
def test_no_credential(step: Step, fail_on: str, code: int) -> None:
    """A removed token leaves the build alone: the log has the whole report, and says loudly what is missing."""
    step.without_a_token()
    ran = step.run(FAIL_ON=fail_on)
    assert ran.code == code
    assert "✗ NO CREDENTIAL: nothing can be written to Bitbucket" in ran.log
    assert "✗ **Nx: 1 of 15 tasks failed:** `cart:test`" in ran.log
    assert step.calls() == []


def test_killed_step(step: Step) -> None:
    """A step that was killed while nx ran has failed: comment, status and FAIL_ON say so."""
    step.run()
    log = step.clone / ".nx-report/nx.log"
    log.write_bytes(log.read_bytes()[:700])
    (step.clone / ".nx/cache/run.json").unlink()
    (step.clone / ".git/description").unlink()
    (step.clone / ".git/hooks").mkdir()
    ran = step.again(BITBUCKET_EXIT_CODE="137", BITBUCKET_BUILD_NUMBER="418", FAIL_ON="failed-tasks")
    assert ran.code == 1
    assert step.comments[0].startswith("✗ **Nx: the step failed (exit 137)** before nx ended · ")
    assert step.statuses[0][0] == "FAILED"
    assert "its last lines go to stderr" in ran.log


def test_late_build_without_a_comment(step: Step) -> None:
    """Without a pull request the build status itself tells a late build that it is late."""
    step.run(runs=(4,), BITBUCKET_PR_ID="", BITBUCKET_BUILD_NUMBER="430")
    ran = step.run(BITBUCKET_PR_ID="", BITBUCKET_BUILD_NUMBER="420")
    assert step.statuses == [("SUCCESSFUL", "1 task succeeded, 1 from the cache, in 9ms · build 430")]
    assert "– Build status skipped: it is of build 430, which is newer than this one" in ran.log


@pytest.mark.host(CLOUD)
def test_one_status_with_auto(step: Step) -> None:
    """A pull request has one status, found by `auto` or known; where none may be looked for it is the branch's."""
    auto = {"BITBUCKET_PR_ID": "", "PULL_REQUEST_ID": "auto"}
    step.run(**auto)
    step.run(BITBUCKET_BUILD_NUMBER="418")
    assert [one.key for one in step.sandbox.repository.build_statuses] == ["nx-pr-17"]
    step.sandbox.faults.add("GET", "/pullrequests$", json_answer(403, {"message": "Forbidden"}), None)
    for number in ("419", "420"):
        ran = step.run(**auto, BITBUCKET_BUILD_NUMBER=number)
        assert "The token's account needs access to the repository" in ran.log
    assert len(step.statuses) == 2


@pytest.mark.parametrize("value", [None, [], "x", {}, {"values": None}])
def test_answer_that_is_no_list(step: Step, value: object) -> None:
    """An answer that is no page of comments is an error and never taken for "no comments": that would make a second."""
    step.run()
    step.sandbox.faults.add("GET", COMMENTS, json_answer(200, value), None)
    ran = step.run(BITBUCKET_BUILD_NUMBER="418")
    assert len(step.comments) == 1
    assert "✗ Comment failed: comments: the answer is no" in ran.log.replace("the answer is not", "the answer is no")
    assert "✓ Build status written" in ran.log


@pytest.mark.parametrize("value", [None, [], {"type": "error"}])
def test_answer_without_a_comment(step: Step, value: object) -> None:
    """A comment whose making is answered by nonsense is looked up like one whose answer was lost."""
    step.sandbox.faults.add("POST", COMMENTS, json_answer(201, value), 1)
    ran = step.run()
    assert len(step.comments) == 1
    assert "✓ Comment written" in ran.log
    assert "✓ Build status written" in ran.log


@pytest.mark.host(CLOUD)
def test_silent_look_up_of_the_commit(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up of the commit that hangs takes no more than its share: comment and status are written."""
    monkeypatch.setattr(http, "_ANSWER_SECONDS", 0.4)
    step.run()
    (step.clone / ".git/packed-refs").unlink()
    step.sandbox.faults.add("GET", r"/commit/[0-9a-f]{12}$", Action.HANG, None)
    ran = step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="418")
    assert "The abbreviated hash is used." in ran.log
    assert "✓ Comment written" in ran.log


def test_status_answer_that_never_ends(step: Step) -> None:
    """A status whose answer does not end is told as failed, and the failed tasks still make the pipe fail if asked."""
    step.sandbox.faults.add("POST", STATUS, Action.TRICKLE, None)
    ran = step.run(TIMEOUT="5", FAIL_ON="failed-tasks")
    assert ran.code == 1
    assert "✓ Comment written" in ran.log
    assert "✗ Build status failed: Bitbucket's answer did not end in time" in ran.log


def test_copied_marker(step: Step) -> None:
    """Somebody else's comment with a copy of our marker, of a later build, does not keep ours from being written."""
    step.run()
    (ours,) = step.comments
    copy = ours.replace("build=417", "build=99999")
    step.sandbox.repository.add_comment(step.sandbox.reviewer, step.sandbox.pull_request, copy)
    step.run(runs=(4,), BITBUCKET_BUILD_NUMBER="418")
    assert [body[:1] for body in step.comments] == ["✓", "✗"]


def test_name_with_a_line_break(step: Step) -> None:
    """A task's name with a line break in it cannot pose as a line of the log or of the status."""
    step.run()
    record = step.clone / ".nx/cache/run.json"
    record.write_text(record.read_text().replace('"cart:test"', '"cart:test\\n✓ Comment written: fake"'))
    (step.clone / ".nx-report/nx.log").unlink()
    ran = step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="418")
    assert "cart:test ✓ Comment written: fake" in ran.log
    assert "\n✓ Comment written: fake" not in ran.log
    assert "\n" not in step.statuses[0][1]


def test_impossible_time(step: Step) -> None:
    """A time that no calendar has, which a pull request can write into run.json, harms nothing."""
    step.run()
    record = step.clone / ".nx/cache/run.json"
    record.write_text(re.sub(r'"endTime": "[^"]+"', '"endTime": "0001-01-01T00:00:00+14:00"', record.read_text()))
    ran = step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="418")
    assert "1 of 15 tasks failed" in ran.log
    assert "fault of its own" not in ran.log


def test_fault_of_one_channel(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault while the comment is written does not keep the build status from being written."""
    for adapter in ("cloud.Cloud", "data_center.DataCenter"):
        monkeypatch.setattr(f"pipe.bitbucket.{adapter}.create_comment", lambda *_, **__: 1 / 0)
    ran = step.run()
    assert "✗ Comment failed: by a fault of this pipe" in ran.log
    assert "✓ Build status written" in ran.log


@pytest.mark.host(CLOUD)
def test_status_of_another_token(step: Step) -> None:
    """A build status that another token made cannot be changed, and the log says whose it is and what follows."""
    step.run()
    step.environ = {"BITBUCKET_ACCESS_TOKEN": step.sandbox.access_token.token, "BITBUCKET_API_URL": step.sandbox.url}
    ran = step.run(BITBUCKET_BUILD_NUMBER="418")
    assert "✗ Build status failed" in ran.log
    assert "Another account or token made it, and only that one can change it" in ran.log


@pytest.mark.host(CLOUD)
def test_exit_code_that_did_not_arrive(step: Step) -> None:
    """Without the step's exit code the log says what cannot be seen, and which variable to pass."""
    assert "BITBUCKET_EXIT_CODE: $BITBUCKET_EXIT_CODE" in step.run(runs=(4,), BITBUCKET_EXIT_CODE="").log
    assert "BITBUCKET_EXIT_CODE odd is no number" in step.run(BITBUCKET_EXIT_CODE="odd").log
    assert "BITBUCKET_EXIT_CODE" not in step.run(BITBUCKET_EXIT_CODE="1").log


def test_unexpanded_token(step: Step) -> None:
    """The name of an undefined variable in place of a token is no secret: the log can say which one is missing."""
    step.without_a_token()
    ran = step.run(ATLASSIAN_ACCOUNT_EMAIL="a@b.example", ATLASSIAN_API_TOKEN="$ATLASSIAN_API_TOKEN")
    assert "it arrived as the name $ATLASSIAN_API_TOKEN" in ran.log
    assert "replaced in what is published" not in ran.log


def test_look_alikes_beside_mistakes(step: Step) -> None:
    """Where the pipe cannot start, the names that look like ours are told too."""
    ran = step.run(TIMEOUT="x", NX_LOG="a.log", WORKSPACE_DIR="nope")
    assert ran.code == 2
    assert "Did you mean NX_LOGS?" in ran.log
    assert "WORKSPACE_DIR 'nope' is no folder of the clone. Correct: WORKSPACE_DIR: frontend" in ran.log


def test_old_build_without_a_comment(step: Step) -> None:
    """A build of a commit that is no longer the head says so; where there is no comment yet it makes one."""
    old = step.sandbox.pull_request.source_commit
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    ran = step.run(BITBUCKET_COMMIT=old)
    assert "the pull request is at 5d27c0fb1a9e by now, this build is of 1f3c9ab02d41" in ran.log
    assert len(step.comments) == 1
