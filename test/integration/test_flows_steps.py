"""What the steps of a pipeline do to one comment and one build status, over HTTP, one after the other and at once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pipe.model import Stage
from pipe.protocol import SETTLE
from pipe.render import step_report
from pipe.render.step_report import Scope
from pipe.steps import StepReport
from test import markdown
from test.conftest import CLOUD, COMMENTS, ONE_COMMENT, STATUS
from test.integration.test_final_collect import captured
from test.language import HOSTILE
from test.sandbox import Action, Answer, json_answer, server_error
from test.workspaces import lay_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipe.model import Report
    from test.conftest import Ran, Step
    from test.sandbox.state import BuildStatus, Comment, PullRequest, User
    from test.sandbox.state import Report as Kept

NEW = "5d27c0fb1a9e8c3d4b6f7a2e1c0d9b8a7f6e5d4c"
RECORD = r"/reports/[^/]+$"
GREEN, RED = (4,), (1,)  # captured runs: 1 task succeeded, 1 of 15 tasks failed
SCOPE = Scope("nx", 17, "heads/feature/cart-totals")
A, B = (f"{{{letter * 8}-1111-4222-8333-444444444444}}" for letter in "ab")


def start(step: Step, **own: str) -> Ran:
    """Run the pipe at the head of a step."""
    return step.run(None, STAGE="start", **own)


def final(step: Step, **own: str) -> Ran:
    """Run the pipe in a last step that brings nothing itself."""
    return step.other("final").run(None, STAGE="final", **own)


def line(step: Step) -> str:
    """The first line of the only comment."""
    (body,) = step.comments
    return body.partition("\n")[0]


def status(step: Step, commit: str | None = None) -> str:
    """The state of the report's build status on the head."""
    commit = commit or step.sandbox.pull_request.source_commit
    (found,) = [one for one in step.sandbox.repository.statuses_of_commit(commit) if one.key == "nx-pr-17"]
    return found.state


def states(step: Step) -> list[str]:
    """The states that the report's build status has had, each once in a row."""
    found = [
        one.json["state"].replace("CANCELLED", "STOPPED")
        for one in step.sandbox.requests
        if one.method == "POST" and re.search(STATUS, one.path) and one.json["key"].startswith("nx-")
    ]
    return [state for before, state in pairwise(["", *found]) if state != before]


def headings(step: Step) -> list[str]:
    """The sections of the only comment, each as its first line without the link of the step."""
    (body,) = step.comments
    found = [part.partition("\n")[0] for part in body.split("\n\n")[1:] if re.match(r"\*\*(?!Insights)", part)]
    return [re.sub(r" · \[step\].*", "", heading) for heading in found]


def ours(step: Step) -> Comment:
    """The only comment, as Bitbucket has it."""
    (comment,) = step.sandbox.pull_request.visible_comments
    return comment


def copy_of(step: Step) -> Comment:
    """A copy of our comment by somebody else."""
    return step.sandbox.repository.add_comment(step.sandbox.reviewer, step.sandbox.pull_request, ours(step).raw)


def delete(step: Step, comment: Comment) -> None:
    """Delete a comment, as its author."""
    step.sandbox.repository.delete_comment(comment.user, step.sandbox.pull_request, comment.id)


def but_for_the_copy(step: Step) -> Comment:
    """The only comment besides those of the one who copies."""
    (mine,) = [one for one in step.sandbox.pull_request.visible_comments if one.user != step.sandbox.reviewer]
    return mine


# --- start, report, final ---------------------------------------------------------------------------------------------


@pytest.mark.host(CLOUD)
def test_start(step: Step) -> None:
    """At the head of a step comment and status say that it runs, and the log that a final step is needed."""
    lint = step.other("lint")
    ran = start(lint)
    assert ran.code == 0
    assert line(step) == (
        "… **Nx: running since 19:22 UTC** · [step log](https://bitbucket.org/acme/shop/pipelines/results/417/steps/"
        f"{lint.environ['BITBUCKET_STEP_UUID'].replace('{', '%7B').replace('}', '%7D')})"
    )
    assert status(step) == "INPROGRESS"
    assert "… lint has started. Its result comes with STAGE: report" in ran.log
    assert "STAGE: start needs a last step with STAGE: final: whoever is killed never reports" in ran.log
    lint.run(runs=GREEN)
    assert line(step).startswith("✓ **Nx: 1 task succeeded**")
    assert (status(step), len(step.records)) == ("SUCCESSFUL", 1)


def test_start_of_several(step: Step) -> None:
    """A step that runs is told beside one that has reported, and the status is not green meanwhile."""
    lint, e2e = step.other("lint"), step.other("e2e")
    start(lint)
    start(e2e)
    assert line(step) == "… **Nx: 0 of 2 steps have reported**, `e2e` and `lint` are running"
    lint.run(runs=GREEN)
    assert line(step) == "… **Nx: 1 of 2 steps has reported**, `e2e` is running · 1 task succeeded so far"
    assert headings(step) == [
        "**`e2e`** … running since 19:22 UTC",
        "**`lint`** ✓ 1 task succeeded, 1 from the cache, in 9ms",
    ]
    e2e.run(runs=GREEN)
    assert states(step) == ["INPROGRESS", "SUCCESSFUL"]


@pytest.mark.parametrize("stage", ["start", "report", "final"])
def test_stage_without_a_credential(step: Step, stage: str) -> None:
    """In every stage a removed token is said loudly, and nothing is asked of Bitbucket."""
    step.without_a_token()
    ran = step.run(runs=GREEN, STAGE=stage)
    assert ran.code == 0
    assert "✗ NO CREDENTIAL" in ran.log
    assert step.run(runs=GREEN, STAGE=stage, FAIL_ON="delivery-errors").code == 1
    assert step.calls() == []


@pytest.mark.parametrize("stage", ["start", "report", "final"])
def test_stage_in_a_dry_run(step: Step, stage: str) -> None:
    """In every stage DRY_RUN says what there is to say, and asks nothing of Bitbucket."""
    step.without_a_token(DRY_RUN="true")
    ran = step.run(runs=GREEN, STAGE=stage, FAIL_ON="delivery-errors")
    assert ran.code == 0
    assert "DRY_RUN: nothing is written" in ran.log
    assert ("1 task succeeded" in ran.log) is (stage != "start")
    assert step.calls() == []


def test_final_stops_what_never_reported(step: Step) -> None:
    """After `final` a step that started and never reported is told as stopped, and the result is fixed as STOPPED."""
    lint, e2e = step.other("lint"), step.other("e2e")
    start(e2e)
    lint.run(runs=GREEN)
    ran = final(step)
    assert line(step) == "■ **Nx: `e2e` started and never reported** · 1 task succeeded · 2 steps"
    assert headings(step)[0] == "**`e2e`** ■ started and never reported"
    assert status(step) == "STOPPED"
    assert "  e2e: ■ started and never reported" in ran.log
    assert ran.code == 0


def test_final_of_a_failure(step: Step) -> None:
    """A failure stays one beside a step that never reported, and makes `final` fail where that is asked for."""
    test, e2e = step.other("test"), step.other("e2e")
    start(e2e)
    test.run(runs=RED)
    assert final(step, FAIL_ON="failed-tasks").code == 1
    assert line(step) == "✗ **Nx: 1 of 15 tasks failed:** `cart:test` · `e2e` started and never reported"
    assert status(step) == "FAILED"


def test_final_of_steps_that_never_started(step: Step) -> None:
    """Expected steps of which there is no word are told by name as never having reported, and nothing is green."""
    step.other("lint").run(runs=GREEN, EXPECT="lint, test")
    final(step)
    assert line(step) == "■ **Nx: `test` never reported** · 1 task succeeded · 2 steps"
    assert status(step) == "STOPPED"


def test_final_of_complete_steps(step: Step) -> None:
    """Where all have reported `final` changes nothing but to fix it."""
    for name in ("lint", "test"):
        step.other(name).run(runs=GREEN, EXPECT="2")
    before = line(step)
    assert "✓ Comment unchanged" in final(step).log
    assert line(step) == before
    assert status(step) == "SUCCESSFUL"


@pytest.mark.host(CLOUD)
def test_rerun_after_final(step: Step) -> None:
    """A step that runs again after `final` opens the report again, and its result replaces what was stopped."""
    lint, e2e = step.other("lint"), step.other("e2e")
    start(e2e)
    lint.run(runs=GREEN)
    final(step)
    start(e2e, BITBUCKET_STEP_RUN_NUMBER="2")
    assert line(step).startswith("… **Nx: 1 of 2 steps has reported**, `e2e` is running")
    assert status(step) == "INPROGRESS"
    e2e.run(runs=GREEN, BITBUCKET_STEP_RUN_NUMBER="2")
    assert line(step).startswith("✓ **Nx: 2 tasks succeeded**")
    assert status(step) == "SUCCESSFUL"


@pytest.mark.host(CLOUD)
def test_final_again(step: Step) -> None:
    """`final` of a rerun closes the report that the rerun opened."""
    lint, e2e = step.other("lint"), step.other("e2e")
    lint.run(runs=GREEN)
    final(step)
    start(e2e, BITBUCKET_STEP_RUN_NUMBER="2")
    assert status(step) == "INPROGRESS"
    final(step, BITBUCKET_STEP_RUN_NUMBER="2")
    assert line(step).startswith("■ **Nx: `e2e` started and never reported**")
    assert len(step.records) == 3


def test_report_after_final(step: Step) -> None:
    """A step that is still at work when `final` runs is not lost: its report opens the result again."""
    lint, e2e = step.other("lint"), step.other("e2e")
    start(e2e)
    lint.run(runs=GREEN)
    final(step)
    e2e.run(runs=RED)
    assert line(step) == "✗ **Nx: 1 of 16 tasks failed:** `cart:test` · 2 steps"
    assert status(step) == "FAILED"


def test_silent_step(step: Step) -> None:
    """Without `final`, whoever writes after START_MAX tells a step without a word as silent, and it may return."""
    lint, e2e = step.other("lint"), step.other("e2e")
    start(e2e, START_MAX="30")
    step.clock.sleep(29 * 60)
    lint.run(runs=GREEN)
    assert "`e2e` is running" in line(step)
    step.clock.sleep(61)
    lint.again(BITBUCKET_EXIT_CODE="0")
    assert line(step).startswith("… **Nx: 1 of 2 steps has reported**, no word from `e2e` since 19:22 UTC")
    assert headings(step)[0] == "**`e2e`** … no word since 19:22 UTC"
    assert status(step) == "INPROGRESS"
    e2e.run(runs=GREEN)
    assert status(step) == "SUCCESSFUL"


@pytest.mark.parametrize(("minutes", "silent"), [(119, False), (121, True)])
def test_silence_by_default(step: Step, minutes: int, silent: bool) -> None:  # noqa: FBT001
    """A step is silent after 120 minutes unless something else is said."""
    start(step.other("e2e"))
    step.clock.sleep(minutes * 60)
    step.other("lint").run(runs=GREEN)
    assert ("no word from `e2e`" in line(step)) is silent


# --- which steps must report ------------------------------------------------------------------------------------------

EXPECTATIONS = [
    {"EXPECT": "3"},
    {"EXPECT": "lint, test, e2e"},
    {"EXPECT_COUNT": "3", "EXPECT_0": "lint", "EXPECT_1": "test", "EXPECT_2": "e2e"},
]


@pytest.mark.parametrize("expect", EXPECTATIONS)
@pytest.mark.parametrize("by_name", [False, True])
def test_expect(step: Step, expect: dict[str, str], by_name: bool) -> None:  # noqa: FBT001
    """Until all expected steps have reported nothing is green; the last one brings the answer, whether they start."""
    waiting = "more step" if "EXPECT" in expect and expect["EXPECT"] == "3" else "`"
    for at, name in enumerate(("lint", "test", "e2e")):
        if by_name:
            start(step.other(name), **expect)
        step.other(name).run(runs=GREEN, **expect)
        if at < 2:
            assert line(step).startswith(f"… **Nx: {at + 1} of 3 steps {'has' if at == 0 else 'have'} reported**, ")
            assert f"waiting for {waiting if waiting == '`' else ''}" in line(step)
            assert status(step) == "INPROGRESS"
    assert line(step) == "✓ **Nx: 3 tasks succeeded**, 3 from the cache · 3 steps"
    assert states(step) == ["INPROGRESS", "SUCCESSFUL"]


def test_names_of_missing_steps(step: Step) -> None:
    """Where names are expected, those of which there is no word are named."""
    step.other("lint").run(runs=GREEN, EXPECT="lint, test, e2e")
    assert line(step) == ("… **Nx: 1 of 3 steps has reported**, waiting for `test` and `e2e` · 1 task succeeded so far")


@pytest.mark.host(CLOUD)
def test_parallel_steps_by_default(step: Step) -> None:
    """The size of the parallel group is what is expected; steps without a name go by their place, not a UUID."""
    steps = [step.other("", f"{{{number}0000000-1111-4222-8333-444444444444}}") for number in range(3)]
    for at, one in enumerate(steps):
        runs = RED if at == 1 else GREEN
        one.run(runs=runs, BITBUCKET_PARALLEL_STEP=str(at), BITBUCKET_PARALLEL_STEP_COUNT="3")
    assert states(step) == ["INPROGRESS", "FAILED"]
    assert line(step) == "✗ **Nx: 1 of 17 tasks failed:** `cart:test` · 3 steps"
    assert headings(step) == [
        "**step 2 of 3** ✗ 1 of 15 tasks failed, in 844ms",
        "**step 1 of 3** ✓ 1 task succeeded, 1 from the cache, in 9ms",
        "**step 3 of 3** ✓ 1 task succeeded, 1 from the cache, in 9ms",
    ]
    (body,) = step.comments
    assert "0000000-1111" not in re.sub(r"\(https?://[^)]*\)", "", body)
    assert step.statuses == [("FAILED", "1 of 17 tasks failed: cart:test · 3 steps · build 417")]


def test_failure_is_told_at_once(step: Step) -> None:
    """A failure is FAILED before all are in, worst first, with the overall answer in line one, and stays to the end."""
    lint, test, e2e = (step.other(name) for name in ("lint", "test", "e2e"))
    for one in (lint, test, e2e):
        start(one, EXPECT="3")
    lint.run(runs=GREEN, EXPECT="3")
    test.run(runs=RED, EXPECT="3")
    assert line(step) == (
        "✗ **Nx: 1 of 16 tasks failed so far:** `cart:test` · 2 of 3 steps have reported, `e2e` is running"
    )
    assert [heading.split()[0] for heading in headings(step)] == ["**`test`**", "**`e2e`**", "**`lint`**"]
    assert states(step) == ["INPROGRESS", "FAILED"]
    e2e.run(runs=GREEN, EXPECT="3")
    assert states(step) == ["INPROGRESS", "FAILED"]
    assert line(step) == "✗ **Nx: 1 of 17 tasks failed:** `cart:test` · 3 steps"


def test_more_than_expected(step: Step) -> None:
    """More steps than expected are all told."""
    for name in ("lint", "test", "e2e"):
        step.other(name).run(runs=GREEN, EXPECT="2")
    assert line(step).startswith("✓ **Nx: 3 tasks succeeded**")
    assert len(headings(step)) == 3


def test_nothing_ran_in_some_steps(step: Step) -> None:
    """A step in which nothing ran and that did not fail counts as one that has reported; a failed one is red."""
    step.other("docs").run(None, EXPECT="3")
    assert step.comments == []
    step.other("lint").run(runs=GREEN, EXPECT="3")
    assert line(step).startswith("… **Nx: 2 of 3 steps have reported**")
    step.other("test").run(None, EXPECT="3", BITBUCKET_EXIT_CODE="127")
    assert line(step).startswith("✗ **Nx: `test` failed (exit 127)")
    assert status(step) == "FAILED"


def test_left_to_the_last(step: Step) -> None:
    """A green step leaves the rest to one that will look again, and says so; what it brought is shown all the same."""
    lint, test = step.other("lint"), step.other("test")
    left: list[Ran] = []
    step.clock.meanwhile.append(lambda: left.append(test.run(runs=GREEN, EXPECT="3")))
    lint.run(runs=GREEN, EXPECT="3")
    assert "– Comment left: to the step that reports last, which sees all http" in left[0].log
    assert "– Build status left: to the step that reports last, which sees all" in left[0].log
    assert [heading.split()[0] for heading in headings(step)] == ["**`lint`**", "**`test`**"]
    step.other("e2e").run(runs=GREEN, EXPECT="3")
    assert line(step).startswith("✓ **Nx: 3 tasks succeeded**")
    assert status(step) == "SUCCESSFUL"


def test_failure_is_left_to_nobody(step: Step) -> None:
    """A step with a failure writes it itself, whoever looks again."""
    lint, test = step.other("lint"), step.other("test")
    seen: list[str] = []

    def fail() -> None:
        test.run(runs=RED, EXPECT="3")
        seen.append(line(step))

    step.clock.meanwhile.append(fail)
    lint.run(runs=GREEN, EXPECT="3")
    assert seen[0].startswith("✗ **Nx: 1 of 16 tasks failed so far:** `cart:test`")
    assert status(step) == "FAILED"


class Killed(BaseException):
    """The process is no more."""


def kill() -> None:
    """End what sleeps."""
    raise Killed


def test_promise_of_a_killed_step(step: Step) -> None:
    """The last step trusts no promise: it completes what one that was killed had promised to look at again."""
    lint, test, e2e = (step.other(name) for name in ("lint", "test", "e2e"))
    step.clock.meanwhile.append(kill)
    with pytest.raises(Killed):
        lint.run(runs=GREEN, EXPECT="3")
    assert "– Comment left" in test.run(runs=GREEN, EXPECT="3").log
    assert line(step).startswith("… **Nx: 1 of 3 steps has reported**")
    e2e.run(runs=GREEN, EXPECT="3")
    assert line(step).startswith("✓ **Nx: 3 tasks succeeded**")
    assert status(step) == "SUCCESSFUL"


def test_promise_that_cannot_be_kept(step: Step) -> None:
    """Near TIMEOUT, and before its step begins, a writer promises nothing, so that nobody relies on it."""
    start(step.other("e2e"), EXPECT="3")
    assert re.search(r"&until=0\b", ours(step).raw)
    assert sum(step.clock.slept) < 4
    step.other("lint").run(runs=GREEN, EXPECT="3", TIMEOUT="20")
    assert re.search(r"&until=0\b", ours(step).raw)
    step.other("test").run(runs=GREEN, EXPECT="3")
    assert not re.search(r"&until=0\b", ours(step).raw)


def test_promise_of_a_clock_that_is_ahead(step: Step) -> None:
    """A promise by a clock that is minutes ahead is none: nobody knows when its writer looks again."""
    step.clock.time += timedelta(minutes=5)
    step.other("lint").run(runs=GREEN, EXPECT="3")
    step.clock.time -= timedelta(minutes=5)
    assert "✓ Comment written" in step.other("test").run(runs=GREEN, EXPECT="3").log
    assert line(step).startswith("… **Nx: 2 of 3 steps have reported**")


def test_final_with_a_clock_that_is_behind(step: Step) -> None:
    """The final step closes the report also where the clock of a step's machine is minutes ahead of its own."""
    step.clock.time += timedelta(minutes=4)
    start(step.other("e2e"))
    step.clock.time -= timedelta(minutes=4)
    final(step)
    assert line(step).startswith("■ **Nx: the step started and never reported**")
    assert status(step) == "STOPPED"


def test_comments_of_an_author_that_copied_ours(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator's token, which may delete anybody's comment, deletes none of a person that copied ours twice."""
    step.run(runs=RED)
    text = ours(step).raw
    delete(step, ours(step))
    for _ in range(3):
        step.sandbox.repository.add_comment(step.sandbox.reviewer, step.sandbox.pull_request, text)

    def anybodys(_: object, __: object, pull_request: PullRequest, comment: int) -> None:
        pull_request.comments[comment].deleted = True

    monkeypatch.setattr("test.sandbox.state.Repository.delete_comment", anybodys)
    step.run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    assert [body[:1] for body in step.comments] == ["✗", "✗", "✗", "✓"]


def test_step_that_never_comments(step: Step) -> None:
    """A step with COMMENT: never writes no comment itself, and is in those that the other steps write."""
    step.other("lint").run(runs=RED, EXPECT="2", COMMENT="never")
    assert (step.comments, status(step)) == ([], "FAILED")
    step.other("test").run(runs=GREEN, EXPECT="2")
    assert line(step).startswith("✗ **Nx: 1 of 16 tasks failed:**")


@pytest.mark.host(CLOUD)
def test_many_records_that_no_longer_count(step: Step) -> None:
    """Of many superseded records ten are deleted at a time, and the rest by those that come later."""
    for number in range(12):
        step.other(f"part-{number}").run(runs=GREEN, COMMENT="never")
    step.calls()
    step.other("lint").run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    assert sum(call.startswith("DELETE") for call in step.calls()) == 10
    step.other("lint").run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    assert len(step.records) == 1


def test_error_after_the_comment_was_written(step: Step) -> None:
    """A look that fails after the comment was written is told as that, and not as a comment that failed."""
    step.sandbox.faults.add("GET", COMMENTS, server_error(500), None, skip=1)
    ran = step.run(TIMEOUT="30")
    assert "✓ Comment written: created" in ran.log
    assert "(another look was not possible: comments: Bitbucket had an error of its own (500)" in ran.log
    assert len(step.comments) == 1


# --- reruns, other builds, other commits ------------------------------------------------------------------------------


@pytest.mark.parametrize("uuid", [None, A])
def test_rerun_of_one_step(step: Step, uuid: str | None) -> None:
    """A rerun of a step replaces its own part, also with another UUID; the record that it supersedes is deleted."""
    step.other("lint").run(runs=GREEN, EXPECT="2")
    step.other("test").run(runs=RED, EXPECT="2")
    assert status(step) == "FAILED"
    step.other("test", uuid).run(runs=GREEN, EXPECT="2", BITBUCKET_STEP_RUN_NUMBER="2")
    assert line(step) == "✓ **Nx: 2 tasks succeeded**, 2 from the cache · 2 steps"
    assert (status(step), len(step.records)) == ("SUCCESSFUL", 2)


@pytest.mark.parametrize("uuid", [None, A])
def test_rerun_that_has_started(step: Step, uuid: str | None) -> None:
    """A rerun that has started takes the place of what its step said before."""
    step.other("lint").run(runs=GREEN)
    step.other("test").run(runs=RED)
    start(step.other("test", uuid), BITBUCKET_STEP_RUN_NUMBER="2")
    assert line(step).startswith("… **Nx: 1 of 2 steps has reported**, `test` is running")
    assert status(step) == "INPROGRESS"


@pytest.mark.host(CLOUD)
def test_late_run_of_one_step(step: Step) -> None:
    """What the first run of a step says after its rerun has changes nothing."""
    step.other("lint").run(runs=GREEN)
    step.other("test").run(runs=GREEN, BITBUCKET_STEP_RUN_NUMBER="2")
    before = line(step)
    step.other("test").run(runs=RED, BITBUCKET_STEP_RUN_NUMBER="1")
    assert (line(step), status(step)) == (before, "SUCCESSFUL")


def test_new_build(step: Step) -> None:
    """The first step of a new build of the commit replaces the whole comment, and the old records are deleted."""
    for name in ("lint", "test"):
        step.other(name).run(runs=RED)
    step.other("lint").run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    assert line(step).startswith("✓ **Nx: 1 task succeeded**")
    assert (status(step), len(step.records)) == ("SUCCESSFUL", 1)


def test_new_commit(step: Step) -> None:
    """The first step of a new commit replaces the whole comment; the old commit keeps its status."""
    old = step.sandbox.pull_request.source_commit
    for name in ("lint", "test"):
        step.other(name).run(runs=RED)
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    start(step.other("lint"), BITBUCKET_BUILD_NUMBER="418", EXPECT="2")
    assert line(step).startswith("… **Nx: 0 of 2 steps have reported**, `lint` is running")
    assert "`test`" not in step.comments[0]
    assert (status(step), status(step, old)) == ("INPROGRESS", "FAILED")


@pytest.mark.parametrize("stage", ["start", "report", "final"])
def test_late_step_of_an_old_commit(step: Step, stage: str) -> None:
    """Whatever a step of an old commit says late changes its own commit's status alone."""
    old = step.sandbox.pull_request.source_commit
    step.other("lint").run(runs=GREEN)
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    for name in ("lint", "test"):
        step.other(name).run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    before = step.comments
    ran = step.other("test").run(runs=RED, STAGE=stage, BITBUCKET_COMMIT=old)
    assert step.comments == before
    assert "it shows the pull request's newest commit 5d27c0fb1a9e, this build is of 1f3c9ab02d41" in ran.log
    assert status(step) == "SUCCESSFUL"
    assert status(step, old) == {"start": "INPROGRESS", "report": "FAILED", "final": "SUCCESSFUL"}[stage]


@pytest.mark.parametrize("stage", ["start", "report", "final"])
def test_late_step_of_an_old_build(step: Step, stage: str) -> None:
    """Whatever a step of an old build of the commit says late changes neither comment nor status."""
    for name in ("lint", "test"):
        step.other(name).run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    before = step.comments, step.statuses
    ran = step.other("test").run(runs=RED, STAGE=stage)
    assert (step.comments, step.statuses) == before
    assert "it shows build 418, which is newer than this one" in ran.log
    assert len(step.records) == 2


def test_late_step_restores_the_head(step: Step) -> None:
    """A late step of an old commit makes a deleted comment again: that of the head's steps."""
    old = step.sandbox.pull_request.source_commit
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    for name in ("lint", "test"):
        step.other(name).run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    before = line(step)
    delete(step, ours(step))
    step.other("e2e").run(runs=RED, BITBUCKET_COMMIT=old)
    assert line(step) == before
    assert "commit=5d27c0fb" in ours(step).raw


def test_head_moves_while_a_step_writes(step: Step) -> None:
    """A step whose commit is overtaken while it waits leaves the comment to the new commit's steps."""
    step.other("test").run(runs=GREEN)

    def overtake() -> None:
        step.sandbox.repository.push(step.sandbox.pull_request, NEW)
        step.other("test").run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")

    step.clock.meanwhile.append(overtake)
    step.other("lint").run(runs=RED, BITBUCKET_COMMIT=step.sandbox.pull_request.source_commit)
    assert line(step).startswith("✓ **Nx: 1 task succeeded**")
    assert "commit=5d27c0fb" in ours(step).raw


def test_head_that_is_not_shown_yet(step: Step) -> None:
    """Where the pull request still shows an ancestor, a step waits for its commit before it writes."""
    old = step.sandbox.pull_request.source_commit
    step.other("test").run(runs=GREEN)
    lint = step.other("lint")
    step.sandbox.repository.add_commit(step.sandbox.author, NEW)
    seen: list[str] = []

    def show() -> None:
        seen.append(line(step))
        step.sandbox.repository.push(step.sandbox.pull_request, NEW)

    lint.run(runs=RED, DRY_RUN="true", BITBUCKET_COMMIT=NEW)  # lays the clone out
    with (lint.clone / ".git/packed-refs").open("a") as refs:
        refs.write(f"{old} refs/remotes/origin/old\n")
    step.clock.meanwhile.append(show)
    lint.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_COMMIT=NEW, BITBUCKET_BUILD_NUMBER="418")
    assert seen[0].startswith("✓")
    assert line(step).startswith("✗")
    assert len(step.comments) == 1


@pytest.mark.host(CLOUD)
def test_branch_and_pull_request_on_one_commit(step: Step) -> None:
    """A branch pipeline and a pull request pipeline on one commit have each their own status and see no other steps."""
    step.other("lint").run(runs=GREEN, EXPECT="2")
    step.other("test").run(runs=RED, EXPECT="2", BITBUCKET_PR_ID="", BITBUCKET_BUILD_NUMBER="418")
    assert line(step).startswith("… **Nx: 1 of 2 steps has reported**")
    step.other("e2e").run(runs=GREEN, EXPECT="2", BITBUCKET_PR_ID="", BITBUCKET_BUILD_NUMBER="418")
    step.other("test").run(runs=GREEN, EXPECT="2")
    assert line(step) == "✓ **Nx: 2 tasks succeeded**, 2 from the cache · 2 steps"
    assert [text for _, text in step.statuses] == [
        "2 tasks succeeded, 2 from the cache · 2 steps · build 417",
        "1 of 16 tasks failed: cart:test · 2 steps · build 418",
    ]
    assert len(step.records) == 4


def test_two_reports(step: Step) -> None:
    """Two REPORT_IDs are two comments and two statuses, each with its own steps, reruns and end."""
    for report, runs in (("web", GREEN), ("api", RED)):
        for name in ("lint", "test"):
            step.other(name).run(runs=runs, REPORT_ID=report, TITLE=report, EXPECT="2")
    web, api = step.comments
    assert web.startswith("✓ **web: 2 tasks succeeded**")
    assert api.startswith("✗ **api: 1 of 29 tasks failed:** `cart:test` · 2 steps")
    start(step.other("e2e"), REPORT_ID="web", TITLE="web")
    final(step, REPORT_ID="web", TITLE="web")
    assert step.comments[0].startswith("■ **web: `e2e` started and never reported**")
    assert step.comments[1] == api
    assert [state for state, _ in step.statuses] == ["STOPPED", "FAILED"]


# --- two steps of one name --------------------------------------------------------------------------------------------


@pytest.mark.host(CLOUD)
@pytest.mark.parametrize("first", [RED, GREEN])
def test_two_steps_of_one_name(step: Step, first: tuple[int]) -> None:
    """Two steps of one name are both shown, that is said, and a rerun of one of them turns nothing red green."""
    second = GREEN if first == RED else RED
    step.other("test", A).run(runs=first)
    ran = step.other("test", B).run(runs=second)
    assert sorted(heading.split("** ")[0] for heading in headings(step)) == ["**`test (2)`", "**`test`"]
    assert "2 steps are named `test`: give each a STEP_NAME of its own" in step.comments[0]
    assert "2 steps are named test: give each a STEP_NAME of its own" in ran.log
    green, red = (B, A) if first == RED else (A, B)
    step.other("test", green).run(runs=GREEN, BITBUCKET_STEP_RUN_NUMBER="2")
    assert len(headings(step)) == 2
    assert status(step) == "FAILED"
    step.other("test", red).run(runs=GREEN, BITBUCKET_STEP_RUN_NUMBER="2")
    assert len(headings(step)) == 2
    assert status(step) == "SUCCESSFUL"


@pytest.mark.host(CLOUD)
@pytest.mark.parametrize("first", [RED, GREEN])
def test_two_steps_of_one_name_and_a_rerun_of_another_uuid(step: Step, first: tuple[int]) -> None:
    """A rerun of which nobody knows which of two steps it is of leaves both in place."""
    step.other("test", A).run(runs=first)
    step.other("test", B).run(runs=GREEN if first == RED else RED)
    step.other("test").run(runs=GREEN, BITBUCKET_STEP_RUN_NUMBER="2")
    assert len(headings(step)) == 3
    assert status(step) == "FAILED"


@pytest.mark.host(CLOUD)
def test_two_steps_of_one_name_at_once(step: Step) -> None:
    """Two steps of one name that are at work at once count as two."""
    step.clock.meanwhile.append(lambda: step.other("test", B).run(runs=RED, EXPECT="2"))
    step.other("test", A).run(runs=GREEN, EXPECT="2")
    assert len(headings(step)) == 2
    assert states(step) == ["INPROGRESS", "FAILED"]


# --- what people and other programs do --------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["LGTM\n\n{}", "{}"])
def test_edited_comment(step: Step, change: str) -> None:
    """A comment that somebody edited is written over where the marker is left, also if all else is as it should be."""
    lint = step.other("lint")
    lint.run(runs=GREEN, EXPECT="2")
    before = line(step)
    ours(step).raw = change.format(ours(step).raw.replace("1 task", "100 tasks"))
    lint.again(BITBUCKET_EXIT_CODE="0", EXPECT="2")
    assert line(step) == before


def test_edited_comment_without_its_marker(step: Step) -> None:
    """Where the marker is gone too the comment is a person's, and the report gets a new one with every step in it."""
    step.other("lint").run(runs=GREEN, EXPECT="2")
    ours(step).raw = "LGTM"
    step.other("test").run(runs=GREEN, EXPECT="2")
    kept, new = step.comments
    assert kept == "LGTM"
    assert new.startswith("✓ **Nx: 2 tasks succeeded**")


@pytest.mark.parametrize("sleeps", [0, 1])
def test_deleted_comment(step: Step, sleeps: int) -> None:
    """A comment that somebody deletes between two steps, or while one waits, is made again with every step in it."""
    steps = [step.other(name) for name in ("lint", "test", "e2e")]
    for one in steps[:2]:
        one.run(runs=GREEN, EXPECT="3")

    if sleeps:
        step.clock.meanwhile.append(lambda: delete(step, ours(step)))
    else:
        delete(step, ours(step))
    steps[2].run(runs=GREEN, EXPECT="3")
    assert line(step).startswith("✓ **Nx: 3 tasks succeeded**")
    assert status(step) == "SUCCESSFUL"


@pytest.mark.parametrize("age", ["older", "newer"])
@pytest.mark.parametrize("number", [1, 3])
def test_copied_comment(step: Step, age: str, number: int) -> None:
    """A copy of our comment by somebody else is left alone and hides nothing, whatever its age and what it shows."""
    steps = [step.other(name) for name in ("lint", "test", "e2e")]
    for one in steps[:number]:
        one.run(runs=GREEN, EXPECT="3")
    first = ours(step)
    copied = copy_of(step)
    copy = copied.raw
    if age == "older":
        delete(step, first)
        steps[2].run(runs=RED, EXPECT="3", BITBUCKET_STEP_RUN_NUMBER="2")
    for one in steps:
        one.run(runs=GREEN, EXPECT="3", BITBUCKET_STEP_RUN_NUMBER="3")
    assert but_for_the_copy(step).raw.startswith("✓ **Nx: 3 tasks succeeded**")
    assert copied.raw == copy


def test_copy_in_place_of_ours(step: Step) -> None:
    """Where ours is deleted a copy that shows the same is as good, as long as nothing changes."""
    lint = step.other("lint")
    lint.run(runs=GREEN)
    first, copied = ours(step), copy_of(step)
    delete(step, first)
    lint.again(BITBUCKET_EXIT_CODE="0")
    assert ours(step) == copied
    step.other("test").run(runs=GREEN)
    assert but_for_the_copy(step).raw.startswith("✓ **Nx: 2 tasks succeeded**")


def test_copy_beside_an_edited_comment(step: Step) -> None:
    """A copy that shows what it should does not keep ours, which somebody edited, from being written over."""
    lint = step.other("lint")
    lint.run(runs=GREEN)
    copy_of(step)
    first = but_for_the_copy(step)
    first.raw = "LGTM\n\n" + first.raw
    lint.again(BITBUCKET_EXIT_CODE="0")
    assert but_for_the_copy(step).raw.startswith("✓ **Nx: 1 task succeeded**")


def test_copied_promise(step: Step) -> None:
    """A comment of somebody else that promises to look again keeps no last step from writing."""
    repository, pull_request = step.sandbox.repository, step.sandbox.pull_request
    step.other("lint").run(runs=GREEN, EXPECT="3")
    until = int(step.clock.now().timestamp() * 1000) + 10**9
    copy = re.sub(r"until=\d+", f"until={until}", ours(step).raw)
    repository.add_comment(step.sandbox.reviewer, pull_request, copy)
    for name in ("test", "e2e"):
        step.other(name).run(runs=GREEN, EXPECT="3")
    assert but_for_the_copy(step).raw.startswith("✓ **Nx: 3 tasks succeeded**")


def test_two_comments_of_ours(step: Step) -> None:
    """Of two comments of ours the oldest stays and shows all; the other is deleted."""
    step.other("lint").run(runs=GREEN)
    first = ours(step)
    step.sandbox.repository.add_comment(first.user, step.sandbox.pull_request, first.raw)
    ran = step.other("test").run(runs=GREEN)
    assert ours(step).id == first.id
    assert line(step).startswith("✓ **Nx: 2 tasks succeeded**")
    assert ", 1 of the same deleted" in ran.log


def test_second_comment_that_cannot_be_deleted(step: Step) -> None:
    """Where the second comment cannot be deleted it is emptied, loses its marker, and is left alone from then on."""
    step.other("lint").run(runs=GREEN)
    first = ours(step)
    second = step.sandbox.repository.add_comment(first.user, step.sandbox.pull_request, first.raw)
    step.sandbox.faults.add("DELETE", ONE_COMMENT, json_answer(403, {"error": {"message": "Forbidden"}}), None)
    ran = step.other("test").run(runs=GREEN)
    assert ran.code == 0
    assert first.raw.startswith("✓ **Nx: 2 tasks succeeded**")
    assert second.raw == "This report goes on in an older comment."
    step.other("e2e").run(runs=GREEN)
    assert first.raw.startswith("✓ **Nx: 3 tasks succeeded**")
    assert second.raw == "This report goes on in an older comment."


def test_second_comment_that_cannot_be_changed(step: Step) -> None:
    """Where it can neither be deleted nor emptied that is said, and the report is complete all the same."""
    step.other("lint").run(runs=GREEN)
    first = ours(step)
    second = step.sandbox.repository.add_comment(first.user, step.sandbox.pull_request, first.raw)
    refused = json_answer(403, {"error": {"message": "Forbidden"}})
    for method in ("DELETE", "PUT"):
        step.sandbox.faults.add(method, f"/comments/{second.id}$", refused, None)
    ran = step.other("test").run(runs=GREEN)
    assert "It is left as it is" in ran.log
    assert "fault of its own" not in ran.log
    assert first.raw.startswith("✓ **Nx: 2 tasks succeeded**")
    assert status(step) == "SUCCESSFUL"


def test_comment_of_an_older_version(step: Step) -> None:
    """A comment with the marker of an older version is ours and is written over."""
    step.other("lint").run(runs=GREEN)
    marker = (
        "[nx-report:nx]: https://nx-report.invalid/v1?build=416&run=1&commit=9be2d410c7a8&known=416-9be2d410c7a8-1-2"
    )
    ours(step).raw = f"✗ **Nx: 1 of 2 tasks failed**\n\n{marker}\n"
    step.other("test").run(runs=GREEN)
    assert line(step).startswith("✓ **Nx: 2 tasks succeeded**")


def test_token_of_another_account(step: Step) -> None:
    """After the token changed the steps make one comment of the new one, which all of them then write."""
    step.other("lint").run(runs=GREEN, EXPECT="2")
    step.with_another_token()
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    for name in ("lint", "test"):
        step.other(name).run(runs=GREEN, EXPECT="2", BITBUCKET_BUILD_NUMBER="418")
    old, new = step.comments
    assert old.startswith("… **Nx: 1 of 2 steps has reported**")
    assert new.startswith("✓ **Nx: 2 tasks succeeded**")
    assert status(step) == "SUCCESSFUL"


def test_steps_of_two_tokens(step: Step) -> None:
    """Steps with different tokens have a comment each, and what each shows last is complete."""
    own = {"EXPECT": "2"}
    step.other("lint").run(runs=GREEN, **own)
    other = step.other("test")
    other.with_another_token()
    ran = other.run(runs=GREEN, **own)
    assert len(step.comments) == 2
    assert step.comments[1].startswith("✓ **Nx: 2 tasks succeeded**")
    assert "an earlier one belongs to another account or token" in ran.log


def test_closed_pull_request(step: Step) -> None:
    """On a pull request that is no longer open no step makes a comment; the status comes from all of them."""
    step.sandbox.pull_request.state = "MERGED"
    for name in ("lint", "test"):
        ran = step.other(name).run(runs=GREEN, EXPECT="2")
        assert "pull request 17 is merged" in ran.log
    assert step.comments == []
    assert states(step) == ["INPROGRESS", "SUCCESSFUL"]


def test_pull_request_closed_in_between(step: Step) -> None:
    """A comment that is there is brought up to date after the pull request was merged."""
    step.other("lint").run(runs=GREEN, EXPECT="2")
    step.sandbox.pull_request.state = "MERGED"
    step.other("test").run(runs=RED, EXPECT="2")
    assert line(step).startswith("✗ **Nx: 1 of 16 tasks failed:**")


def test_on_failure(step: Step) -> None:
    """With `on-failure` the first failed step makes the comment, with every step in it, and it is kept up to date."""
    own = {"COMMENT": "on-failure", "EXPECT": "3"}
    start(step.other("lint"), **own)
    step.other("lint").run(runs=GREEN, **own)
    assert step.comments == []
    step.other("test").run(runs=RED, **own)
    assert len(headings(step)) == 2
    step.other("e2e").run(runs=GREEN, **own)
    assert len(headings(step)) == 3
    step.other("test").run(runs=GREEN, BITBUCKET_STEP_RUN_NUMBER="2", **own)
    assert line(step).startswith("✓ **Nx: 3 tasks succeeded**")
    assert states(step) == ["INPROGRESS", "FAILED", "SUCCESSFUL"]


# --- records that others wrote ----------------------------------------------------------------------------------------


def put(step: Step, report: Report, user: User | None = None) -> None:
    """Put a record there as Bitbucket holds it."""
    values = {
        "title": report.title,
        "details": report.details,
        "result": report.result.value,
        "report_type": "TEST",
        "reporter": "Nx Report",
        "data": [{"title": title, "type": kind, "value": value} for title, kind, value in report.data],
    }
    commit = step.sandbox.pull_request.source_commit
    values |= {"link": report.link} if report.link else {}
    step.sandbox.repository.put_report(user or step.sandbox.author, commit, report.key, values)


def recorded(name: str, **more: object) -> StepReport:
    """The word of a step of this build."""
    one = StepReport(
        417, 1, name, "aaaaaaaa", Stage.REPORT, at=int(datetime(2026, 11, 23, 19, 20, tzinfo=UTC).timestamp() * 1000)
    )
    return one._replace(**more)  # type: ignore[arg-type]


def newer(report: Report) -> Report:
    """The record as a later version of the pipe might write it: with fields that nobody knows yet."""
    data = [
        (title, kind, str(value).replace("v1 ", "v2 shape=round ") if title == "Record" else value)
        for title, kind, value in report.data
    ]
    return report._replace(data=tuple(data), details="in a new form")


@pytest.mark.parametrize("exit_code", ["0", "1"])
def test_record_of_a_future_version(step: Step, exit_code: str) -> None:
    """A record of a newer version counts as a step with Bitbucket's own result, is named, said, and left as it is."""
    put(step, newer(step_report.report(recorded("e2e", exit_code=exit_code), SCOPE)))
    (key,) = step.records
    before = step.sandbox.repository.report(step.sandbox.pull_request.source_commit, key)
    step.other("lint").run(runs=GREEN)
    word = "✓ succeeded" if exit_code == "0" else "✗ failed"
    assert f"**`e2e`** {word} · recorded by a newer Nx Report; take that version here too" in headings(step)
    assert status(step) == ("SUCCESSFUL" if exit_code == "0" else "FAILED")
    assert step.sandbox.repository.report(step.sandbox.pull_request.source_commit, key) == before


def anew(step: Step) -> None:
    """Take everything back that was written."""
    step.sandbox.pull_request.comments.clear()
    step.sandbox.repository.build_statuses.clear()
    step.sandbox.repository.reports.clear()


def assert_tame(step: Step, ran: Ran) -> None:
    """Assert that both renderers agree on the comment, it leads nowhere but to our pages, and the log is plain."""
    (body,) = step.comments
    shown = markdown.cloud(body)
    assert shown == markdown.data_center(body)
    tags = {part.removeprefix(markdown.TAG) for part in shown if part.startswith(markdown.TAG)}
    addresses = [tag for tag in tags if " " in tag]
    ours = ("https://bitbucket.org/acme/shop/", step.sandbox.server_url, "https://ci.acme.example/")
    assert all(address.removeprefix("a ").startswith(ours) for address in addresses)
    known = ["a", "p", "strong", "code", "table", "thead", "tbody", "tr", "th", "td", "pre"]
    assert {tag.split()[0].lstrip("/") for tag in tags} <= {*known}
    assert "fault of its own" not in ran.log
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", ran.log + body)


def test_records_with_hostile_text(step: Step) -> None:
    """What a record says is data: nothing in it makes a link, an image, a mention or a tag, or breaks the comment."""
    lint = step.other("lint")
    lint.run(runs=GREEN, DRY_RUN="true")
    for text in HOSTILE:
        anew(step)
        report = step_report.report(recorded(" ".join(text.split()), exit_code="1"), SCOPE)
        lines = [
            "✗ no run found",
            f"Failed: {text} (2.0s, flaky)",
            f"  | {text}",
            f"Nx failed: {text}",
            f"Try it: {text}",
        ]
        lines += [f"Run: {text} (failed, 3 tasks, 1 failed)", f"  https://evil.example/{text}", f"Flaky: {text}", text]
        put(step, report._replace(details="\n".join(lines)[:2000], link="https://evil.example/steps/x"))
        ran = lint.again(BITBUCKET_EXIT_CODE="0")
        assert_tame(step, ran)
        assert len(headings(step)) == 2, text
        assert status(step) == "FAILED", text


def test_records_whose_name_was_changed(step: Step) -> None:
    """A record whose name does not belong to its key counts as a step that nobody understands, and stays red."""
    lint = step.other("lint")
    lint.run(runs=GREEN, DRY_RUN="true")
    for text in HOSTILE:
        anew(step)
        report = step_report.report(recorded("e2e", exit_code="1"), SCOPE)
        data = [
            (title, kind, str(value).replace("e2e", text) if title == "Record" else value)
            for title, kind, value in report.data
        ]
        put(step, report._replace(data=tuple(data), title=f"Nx: {text}" if text else "Nx"))
        ran = lint.again(BITBUCKET_EXIT_CODE="0")
        assert_tame(step, ran)
        assert "✗ failed · recorded by a newer Nx Report" in headings(step)[0], text
        assert len(headings(step)) == 2, text
        assert status(step) == "FAILED", text


def key_of(name: str) -> str:
    """The key of a step's record."""
    return step_report.key(recorded(name), SCOPE)


NO_KEYS = [
    key_of("e2e") + "x",
    key_of("e2e").replace("417", "0417"),
    key_of("e2e").replace("-417-1s-", "-417-1x-"),
    key_of("e2e").replace("-417-1s-", "-417--1s-"),
    key_of("e2e").replace("-417-1s-", "-9999999999999-1s-"),
    key_of("e2e").replace("nx-report-nx-", "nx-report-api-"),
    key_of("e2e").upper(),
    "nx-report-nx",
    "nx-report-nx-",
    "sonarqube-quality-gate",
    "ä/../[x](y)",
    "nx-report-nx-../..",
]


def test_records_that_are_none(step: Step) -> None:
    """Reports of other tools, and those whose key is not quite one of ours, are neither told nor touched."""
    report = step_report.report(recorded("e2e", exit_code="1"), SCOPE)
    for key in NO_KEYS:
        put(step, report._replace(key=key))
    step.other("lint").run(runs=GREEN)
    step.other("lint").run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    assert line(step).startswith("✓ **Nx: 1 task succeeded**")
    assert status(step) == "SUCCESSFUL"
    assert step.records[:-1] == NO_KEYS


@pytest.mark.parametrize("values", [{"result": None}, {"title": "Nx: e2e", "data": None}, {"details": None}])
def test_record_with_parts_missing(step: Step, values: dict[str, None]) -> None:
    """A record of which parts are missing breaks nothing, and what failed in it does not turn green."""
    step.other("e2e").run(runs=RED)
    commit = step.sandbox.pull_request.source_commit
    (key,) = step.records
    there = step.sandbox.repository.report(commit, key)
    left = {name: value for name, value in {**there.values, **values}.items() if value is not None}
    step.sandbox.repository.put_report(step.sandbox.author, commit, key, left)
    ran = step.other("lint").run(runs=GREEN)
    assert "fault of its own" not in ran.log
    if "result" not in values:
        assert len(headings(step)) == 2
        assert status(step) == "FAILED"


# --- what is refused --------------------------------------------------------------------------------------------------


def refuse_reports(step: Step) -> None:
    """Keep our token from reports."""
    step.sandbox.repository.reports_refused.add(step.sandbox.api_token.user)


def test_reports_refused(step: Step) -> None:
    """Where reports are refused build statuses take their place, that is said, and the comment is complete."""
    refuse_reports(step)
    start(step.other("lint"), EXPECT="3")
    for name in ("lint", "test", "e2e"):
        ran = step.other(name).run(runs=RED if name == "test" else GREEN, EXPECT="3")
        assert ran.code == 0
        assert ran.log.count("Build statuses take the place of Code Insights reports: each step gets one") == 1
    assert line(step) == "✗ **Nx: 1 of 17 tasks failed:** `cart:test` · 3 steps"
    assert [heading.split()[0] for heading in headings(step)] == ["**`test`**", "**`e2e`**", "**`lint`**"]
    assert step.records == []
    names = {one.name: one.state for one in step.sandbox.repository.build_statuses}
    assert names == {
        "Nx": "FAILED",
        "Nx · lint": "SUCCESSFUL",
        "Nx · test": "FAILED",
        "Nx · e2e": "SUCCESSFUL",
    }


@pytest.mark.parametrize("uuid", [None, A])
def test_rerun_where_reports_are_refused(step: Step, uuid: str | None) -> None:
    """A rerun that succeeds leaves no red status behind, which would still block the merge."""
    refuse_reports(step)
    step.other("lint").run(runs=GREEN, EXPECT="2")
    step.other("test").run(runs=RED, EXPECT="2")
    step.other("test", uuid).run(runs=GREEN, EXPECT="2", BITBUCKET_STEP_RUN_NUMBER="2")
    assert line(step).startswith("✓ **Nx: 2 tasks succeeded**")
    assert {one.state for one in step.sandbox.repository.build_statuses} == {"SUCCESSFUL"}


def test_new_build_where_reports_are_refused(step: Step) -> None:
    """A new build of the commit leaves no red status of the one before."""
    refuse_reports(step)
    step.other("test").run(runs=RED)
    step.other("lint").run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    assert line(step).startswith("✓ **Nx: 1 task succeeded**")
    assert {one.state for one in step.sandbox.repository.build_statuses} == {"SUCCESSFUL"}


def test_final_where_reports_are_refused(step: Step) -> None:
    """`final` closes what statuses tell as it closes what reports do, and leaves none of them in progress."""
    refuse_reports(step)
    start(step.other("e2e"))
    step.other("lint").run(runs=GREEN)
    final(step)
    assert line(step).startswith("■ **Nx: `e2e` started and never reported**")
    assert status(step) == "STOPPED"


def test_reports_and_statuses_refused(step: Step) -> None:
    """Where both are refused the comment is made by each step alone, and what that means is said."""
    refuse_reports(step)
    step.sandbox.faults.add("POST", STATUS, json_answer(403, {"error": {"message": "Forbidden"}}), None)
    step.other("lint").run(runs=GREEN)
    ran = step.other("test").run(runs=RED)
    assert ran.code == 0
    assert "Other steps of this build are not seen, and parallel ones overwrite each other" in ran.log
    assert "✗ Build status failed" in ran.log
    assert line(step).startswith("✗ **Nx: 1 of 15 tasks failed:** `cart:test`")


@pytest.mark.host(CLOUD)
@pytest.mark.parametrize("names", [("lint", "test", "e2e"), ("test", "lint", "e2e")])
def test_comments_refused(step: Step, names: tuple[str, ...]) -> None:
    """Where comments are refused that is said, and the status is right over all steps."""
    sandbox = step.sandbox
    sandbox.state.add_api_token(sandbox.author, "ada@acme.example", "ATATT-one-scope", ["read:repository:bitbucket"])
    step.environ |= {"ATLASSIAN_ACCOUNT_EMAIL": "ada@acme.example", "ATLASSIAN_API_TOKEN": "ATATT-one-scope"}
    for name in names:
        ran = step.other(name).run(runs=RED if name == "test" else GREEN, EXPECT="3")
        assert "✗ Comment failed: " in ran.log
        assert "lacks the scope read:pullrequest:bitbucket" in ran.log
    assert step.comments == []
    assert step.statuses == [("FAILED", "1 of 17 tasks failed: cart:test · 3 steps · build 417")]


def test_statuses_refused(step: Step) -> None:
    """Where the build status is refused that is said, and the comment is complete."""
    step.sandbox.faults.add("POST", STATUS, json_answer(403, {"error": {"message": "Forbidden"}}), None)
    for name in ("lint", "test"):
        assert "✗ Build status failed" in step.other(name).run(runs=GREEN, EXPECT="2").log
    assert line(step).startswith("✓ **Nx: 2 tasks succeeded**")


@pytest.mark.host(CLOUD)
def test_old_record_that_cannot_be_deleted(step: Step) -> None:
    """A superseded record that cannot be deleted is said, and still does not count."""
    step.other("test").run(runs=RED)
    step.sandbox.faults.add("DELETE", RECORD, json_answer(403, {"error": {"message": "Forbidden"}}), None)
    ran = step.other("test").run(runs=GREEN, BITBUCKET_STEP_RUN_NUMBER="2")
    assert "It is left as it is" in ran.log
    assert ran.code == 0
    step.other("lint").run(runs=GREEN)
    assert line(step).startswith("✓ **Nx: 2 tasks succeeded**")
    assert len(step.records) == 3


@pytest.mark.host(CLOUD)
@pytest.mark.parametrize("strict", [False, True])
def test_record_deleted_by_two(step: Step, strict: bool) -> None:  # noqa: FBT001
    """Two steps that delete the same old record get along, whatever Bitbucket answers to the second."""
    step.sandbox.repository.strict_deletion = strict
    step.other("test").run(runs=RED)
    fault = step.sandbox.faults.add("DELETE", RECORD, Action.LOSE, 1)
    ran = step.other("test").run(runs=GREEN, BITBUCKET_STEP_RUN_NUMBER="2")
    assert fault.hits == 1
    assert "It is left as it is" not in ran.log
    assert len(step.records) == 1


BAD = json_answer(400, {"error": {"message": "Bad request"}})


@pytest.mark.parametrize(
    ("method", "path", "fault", "times"),
    [
        ("PUT", RECORD, BAD, 1),
        ("PUT", RECORD, server_error(500), None),
        ("GET", r"/reports$", BAD, 1),
        ("GET", r"/reports$", server_error(500), None),
    ],
)
def test_record_that_is_not_kept(step: Step, method: str, path: str, fault: Answer, times: int | None) -> None:
    """A failure with records that is no refusal costs no other step its part, and leaves nothing red for ever."""
    step.other("test").run(runs=GREEN, EXPECT="3")
    armed = step.sandbox.faults.add(method, path, fault, times)
    ran = step.other("lint").run(runs=RED, EXPECT="3")
    step.sandbox.faults._faults.remove(armed)
    assert ran.code == 0
    assert "**`test`**" in {heading.split()[0] for heading in headings(step)}
    step.other("e2e").run(runs=GREEN, EXPECT="3")
    assert status(step) != "SUCCESSFUL"
    step.other("lint").run(runs=GREEN, EXPECT="3", BITBUCKET_STEP_RUN_NUMBER="2")
    assert line(step).startswith("✓ **Nx: 3 tasks succeeded**")
    assert {one.state for one in step.sandbox.repository.build_statuses} == {"SUCCESSFUL"}


# --- final with artifacts ---------------------------------------------------------------------------------------------


def artifacts(step: Step, *names: tuple[str, str]) -> Step:
    """A final step whose clone holds records of other steps: the captured record's name and its step's UUID."""
    one = step.other("final")
    one.clone.mkdir()
    lay_out(one.clone, "24.0.6", log=False, record=False, cloned=datetime(2026, 11, 24, 12, tzinfo=UTC))
    for name, uuid in names:
        captured(one.clone, name, uuid)
    return one


@pytest.mark.host(CLOUD)
def test_final_with_artifacts(step: Step) -> None:
    """`final` speaks for steps that only left records, with all that is in them."""
    last = artifacts(step, ("24.0.6-failing", A), ("24.0.6-passing", B))
    ran = last.again(STAGE="final", BITBUCKET_EXIT_CODE="0")
    assert ran.code == 0
    assert line(step).startswith("✗ **Nx: 1 of ")
    assert [heading.split("** ")[1][0] for heading in headings(step)] == ["✗", "✓"]
    assert A.strip("{}") not in re.sub(r"\(https?://[^)]*\)", "", step.comments[0])
    assert "42 !== 41" in step.comments[0]
    assert status(step) == "FAILED"


@pytest.mark.host(CLOUD)
def test_final_leaves_page_and_variables_of_all_steps(step: Step) -> None:
    """The page that `final` writes is linked as that of all steps, and later steps get the result of them all."""
    last = artifacts(step, ("24.0.6-failing", A), ("24.0.6-passing", B))
    ran = last.again(STAGE="final", BITBUCKET_EXIT_CODE="0")
    page = last.environ["BITBUCKET_STEP_UUID"].strip("{}")
    assert re.search(
        rf"of all steps: \[download all logs \(HTML\)\]\(https://\S+{page}\S+/artifacts\)", step.comments[0]
    )
    assert "NX_REPORT_RESULT='tasks-failed'" in (last.clone / ".nx-report/outputs.env").read_text()
    assert ran.log.rsplit("\n\n", 1)[1].startswith("✗ Nx: 1 of ")


@pytest.mark.host(CLOUD)
def test_final_with_a_page_that_is_published(step: Step) -> None:
    """With REPORT_URL the page of all steps is linked where the user publishes it."""
    last = artifacts(step, ("24.0.6-failing", A), ("24.0.6-passing", B))
    last.again(STAGE="final", BITBUCKET_EXIT_CODE="0", REPORT_URL="https://ci.example.com/{build}.html")
    assert "of all steps: [all logs](https://ci.example.com/417.html)" in step.comments[0]


@pytest.mark.host(CLOUD)
def test_final_uploads_its_page(step: Step) -> None:
    """With UPLOAD the page of `final` goes to the Downloads too."""
    sandbox = step.sandbox
    scopes = ("read:repository:bitbucket", "write:repository:bitbucket", "read:pullrequest:bitbucket")
    sandbox.state.add_api_token(sandbox.author, "up@acme.example", "uploading-token", scopes)
    step.environ |= {"ATLASSIAN_ACCOUNT_EMAIL": "up@acme.example", "ATLASSIAN_API_TOKEN": "uploading-token"}
    last = artifacts(step, ("24.0.6-failing", A), ("24.0.6-passing", B))
    last.again(STAGE="final", BITBUCKET_EXIT_CODE="0", UPLOAD="downloads")
    (name,) = (name for name in sandbox.repository.downloads if name.endswith(".html"))
    assert (
        f"of all steps: [download all logs (HTML)](https://bitbucket.org/acme/shop/downloads/{name})"
        in step.comments[0]
    )


@pytest.mark.host(CLOUD)
@pytest.mark.parametrize("stage", ["report", "start", None])
def test_final_tells_nothing_twice(step: Step, stage: str | None) -> None:
    """A step that reported is not told again from its artifacts, one that only started is told with them, by name."""
    if stage:
        step.other("test", A).run(runs=RED if stage == "report" else GREEN, STAGE=stage)
    step.other("lint", B).run(runs=GREEN)
    before = line(step)
    last = artifacts(step, ("24.0.6-failing", A), ("24.0.6-passing", B))
    last.again(STAGE="final", BITBUCKET_EXIT_CODE="0")
    assert len(headings(step)) == 2
    assert status(step) == "FAILED"
    if stage == "report":
        assert line(step) == before
    elif stage == "start":
        assert headings(step)[0].startswith("**`test`** ✗ 1 of ")
    else:
        assert headings(step)[0].startswith("**step** ✗ 1 of ")


@pytest.mark.host(CLOUD)
def test_final_with_the_artifacts_of_a_rerun(step: Step) -> None:
    """What a step's rerun left replaces what its first run reported."""
    step.other("test", A).run(runs=RED)
    last = artifacts(step)
    captured(last.clone, "24.0.6-passing", A, run="2")
    last.again(STAGE="final", BITBUCKET_EXIT_CODE="0")
    assert line(step).startswith("✓")
    assert status(step) == "SUCCESSFUL"


def test_final_with_its_own_record(step: Step) -> None:
    """What `final` ran itself is told as a step too."""
    last = artifacts(step, ("24.0.6-failing", step.other("final").environ["BITBUCKET_STEP_UUID"]))
    last.again(STAGE="final", BITBUCKET_EXIT_CODE="1")
    assert line(step).startswith("✗ **Nx: 1 of ")
    assert status(step) == "FAILED"


def test_final_with_artifacts_twice(step: Step) -> None:
    """`final` run again changes nothing."""
    last = artifacts(step, ("24.0.6-failing", A), ("24.0.6-passing", B))
    last.again(STAGE="final", BITBUCKET_EXIT_CODE="0")
    before, records = line(step), step.records
    ran = last.again(STAGE="final", BITBUCKET_EXIT_CODE="0", BITBUCKET_STEP_RUN_NUMBER="2")
    assert "✓ Comment unchanged" in ran.log
    assert line(step) == before
    assert len(step.records) == len(records)


def test_final_with_nothing(step: Step) -> None:
    """`final` alone, with nothing to tell, makes no comment and nothing green, and says so."""
    ran = final(step)
    assert (step.comments, step.statuses) == ([], [])
    assert ran.code == 0
    assert "no step has reported" in ran.log


def test_final_with_nothing_of_what_was_expected(step: Step) -> None:
    """`final` says what was expected and never came, and that is not green."""
    final(step, EXPECT="lint, test")
    assert step.statuses == [("STOPPED", "lint and test never reported · 2 steps · build 417")]


def test_final_in_a_dry_run(step: Step) -> None:
    """DRY_RUN prints the comment that the artifacts would make, and asks Bitbucket nothing."""
    last = artifacts(step, ("24.0.6-failing", A), ("24.0.6-passing", B))
    last.without_a_token(DRY_RUN="true")
    ran = last.again(STAGE="final", BITBUCKET_EXIT_CODE="0", FAIL_ON="failed-tasks")
    assert ran.code == 1
    assert "✗ **Nx: 1 of " in ran.log
    assert step.calls() == []


def test_final_without_a_credential(step: Step) -> None:
    """Without a credential the log has the whole report of the artifacts."""
    last = artifacts(step, ("24.0.6-failing", A))
    last.without_a_token()
    ran = last.again(STAGE="final", BITBUCKET_EXIT_CODE="0", FAIL_ON="delivery-errors")
    assert ran.code == 1
    assert "✗ NO CREDENTIAL" in ran.log
    assert "✗ **Nx: 1 of " in ran.log
    assert step.calls() == []


# --- writes that are held up ------------------------------------------------------------------------------------------

HELD = {
    "the first comment": ("POST", COMMENTS),
    "the comment": ("PUT", ONE_COMMENT),
    "the record": ("PUT", RECORD),
    "the status": ("POST", STATUS),
}


@pytest.mark.parametrize("expect", ["", "2"])
@pytest.mark.parametrize("runs", [GREEN, RED])
@pytest.mark.parametrize("held", HELD)
def test_held_write(step: Step, held: str, runs: tuple[int], expect: str) -> None:
    """A write of one step that arrives after another step has come and gone undoes nothing: one comment, both steps."""
    lint, test = step.other("lint"), step.other("test")
    if held == "the comment":
        start(lint, EXPECT=expect)
    fault = step.sandbox.faults.add(*HELD[held], Action.HOLD)
    running = lint.beside(runs=GREEN, EXPECT=expect)
    assert fault.reached.wait(20)
    test.run(runs=runs, EXPECT=expect)
    fault.release()
    ran = running.result(20)
    assert ran.code == 0
    assert "fault of its own" not in ran.log
    assert sorted(heading.split()[0] for heading in headings(step)) == ["**`lint`**", "**`test`**"]
    assert status(step) == ("FAILED" if runs == RED else "SUCCESSFUL")
    if expect and runs == GREEN:
        assert states(step)[-1] == "SUCCESSFUL"


@pytest.mark.parametrize("held", HELD)
def test_held_write_beside_two(step: Step, held: str) -> None:
    """The same where two others come and go."""
    lint, test, e2e = (step.other(name) for name in ("lint", "test", "e2e"))
    if held == "the comment":
        start(lint, EXPECT="3")
    fault = step.sandbox.faults.add(*HELD[held], Action.HOLD)
    running = lint.beside(runs=GREEN, EXPECT="3")
    assert fault.reached.wait(20)
    test.run(runs=GREEN, EXPECT="3")
    e2e.run(runs=GREEN, EXPECT="3")
    fault.release()
    running.result(20)
    assert line(step) == "✓ **Nx: 3 tasks succeeded**, 3 from the cache · 3 steps"
    assert status(step) == "SUCCESSFUL"


@pytest.mark.parametrize("held", HELD)
def test_held_write_beside_a_new_build(step: Step, held: str) -> None:
    """A write of an old build that arrives after a newer build has come and gone does not stay."""
    lint = step.other("lint")
    if held == "the comment":
        start(lint)
    fault = step.sandbox.faults.add(*HELD[held], Action.HOLD)
    running = lint.beside(runs=RED)
    assert fault.reached.wait(20)
    step.other("test").run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    fault.release()
    running.result(20)
    assert line(step).startswith("✓ **Nx: 1 task succeeded**")
    assert "build 418" in step.comments[0]
    assert status(step) == "SUCCESSFUL"


@pytest.mark.parametrize("held", HELD)
def test_held_write_beside_a_new_commit(step: Step, held: str) -> None:
    """A write for an old commit that arrives after a newer commit's does not stay."""
    old = step.sandbox.pull_request.source_commit
    lint = step.other("lint")
    if held == "the comment":
        start(lint)
    fault = step.sandbox.faults.add(*HELD[held], Action.HOLD)
    running = lint.beside(runs=RED, BITBUCKET_COMMIT=old)
    assert fault.reached.wait(20)
    step.sandbox.repository.push(step.sandbox.pull_request, NEW)
    step.other("test").run(runs=GREEN, BITBUCKET_BUILD_NUMBER="418")
    fault.release()
    running.result(20)
    assert line(step).startswith("✓ **Nx: 1 task succeeded**")
    assert (status(step), status(step, old)) == ("SUCCESSFUL", "FAILED")


@pytest.mark.parametrize("held", HELD)
def test_held_write_beside_final(step: Step, held: str) -> None:
    """A report that arrives after `final` is told, and the report is no longer closed against it."""
    lint, e2e = step.other("lint"), step.other("e2e")
    start(e2e)
    if held == "the first comment":
        delete(step, ours(step))
    fault = step.sandbox.faults.add(*HELD[held], Action.HOLD)
    running = lint.beside(runs=RED)
    assert fault.reached.wait(20)
    final(step)
    fault.release()
    running.result(20)
    assert [heading.split()[0] for heading in headings(step)] == ["**`lint`**", "**`e2e`**"]
    assert status(step) == "FAILED"


# --- reads that lag ---------------------------------------------------------------------------------------------------


def late(step: Step, writes: int, fits: str) -> Callable[[str], int]:
    """Let reads of such paths miss up to so many of the writes that are younger than SETTLE."""

    def lag(path: str) -> int:
        repository = step.sandbox.repository
        things: list[Comment | BuildStatus | Kept] = [
            *step.sandbox.pull_request.comments.values(),
            *repository.build_statuses,
            *repository.reports.values(),
        ]
        young = step.clock.now() - timedelta(milliseconds=SETTLE)
        return min(writes, sum(one.updated_on > young for one in things)) if re.search(fits, path) else 0

    return lag


LISTS = {"every read": "", "records": "/reports$", "comments": COMMENTS}


@pytest.mark.parametrize("writes", [1, 2])
@pytest.mark.parametrize("fits", LISTS)
@pytest.mark.parametrize("expect", ["", "3"])
def test_reads_that_lag(step: Step, fits: str, writes: int, expect: str) -> None:
    """Reads that miss the last writes until SETTLE has passed lose nothing: three steps, each in the other's pauses."""
    lint, test, e2e = (step.other(name) for name in ("lint", "test", "e2e"))
    step.sandbox.state.lag = late(step, writes, LISTS[fits])
    step.clock.meanwhile += [
        lambda: test.run(runs=RED, EXPECT=expect),
        lambda: e2e.run(runs=GREEN, EXPECT=expect),
    ]
    lint.run(runs=GREEN, EXPECT=expect)
    assert line(step) == "✗ **Nx: 1 of 17 tasks failed:** `cart:test` · 3 steps"
    assert status(step) == "FAILED"


@pytest.mark.parametrize("writes", [1, 2])
@pytest.mark.parametrize("fits", LISTS)
def test_first_comment_where_reads_lag(step: Step, fits: str, writes: int) -> None:
    """Two steps that do not see each other's first comment end with one, which shows both."""
    step.sandbox.state.lag = late(step, writes, LISTS[fits])
    fault = step.sandbox.faults.add("POST", COMMENTS, Action.HOLD)
    running = step.other("lint").beside(runs=GREEN, EXPECT="2")
    assert fault.reached.wait(20)
    step.clock.meanwhile.append(fault.release)
    step.other("test").run(runs=GREEN, EXPECT="2")
    running.result(20)
    assert line(step).startswith("✓ **Nx: 2 tasks succeeded**")
    assert status(step) == "SUCCESSFUL"


# --- out of time ------------------------------------------------------------------------------------------------------


def test_timeout_before_another_look(step: Step) -> None:
    """Where TIMEOUT leaves no time for another look the log says who has the last word, and that one completes it."""
    ran = step.other("lint").run(runs=GREEN, EXPECT="2", TIMEOUT="5")
    assert ran.code == 0
    assert "(TIMEOUT came before another look: a later step or `final` has the last word)" in ran.log
    assert sum(step.clock.slept) <= 5
    step.other("test").run(runs=GREEN, EXPECT="2")
    assert line(step).startswith("✓ **Nx: 2 tasks succeeded**")


@pytest.mark.host(CLOUD)
def test_timeout_where_another_overwrites(step: Step) -> None:
    """What an overtaken step without time left undoes, `final` restores."""
    lint, test = step.other("lint"), step.other("test")
    start(lint)
    fault = step.sandbox.faults.add("PUT", ONE_COMMENT, Action.HOLD)
    running = lint.beside(runs=GREEN, TIMEOUT="5")
    assert fault.reached.wait(20)
    test.run(runs=RED)
    step.clock.sleep(10)
    fault.release()
    assert "TIMEOUT" in running.result(20).log
    assert line(step).startswith("✓ **Nx: 1 task succeeded**")
    final(step)
    assert line(step) == "✗ **Nx: 1 of 16 tasks failed:** `cart:test` · 2 steps"
    assert status(step) == "FAILED"
