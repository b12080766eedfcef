"""Anything that may happen to a pull request, in any order: pipelines, people, and a Bitbucket that fails now and then.

After every run of the pipe that nothing disturbed there is one comment of ours, which shows the head's last words of
every step, and the build status that follows from them. What a disturbed run leaves, the next one mends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from pipe.model import Stage
from pipe.render import step_report
from pipe.render.marker import find
from pipe.render.step_report import Scope, step_digest
from pipe.steps import StepReport
from test.conftest import FakeClock, Step
from test.sandbox import Action, Sandbox, json_answer, rate_limited, server_error

if TYPE_CHECKING:
    from pathlib import Path

    from test.conftest import Ran
    from test.sandbox.state import BuildStatus, Comment

NAMES = ("lint", "test", "e2e")
SCOPE = Scope("nx", 17, "heads/feature/cart-totals")
RUNNING, GREEN, RED = "PENDING", "PASSED", "FAILED"  # as a record's result has them
CLONES = {RUNNING: None, GREEN: 4, RED: 1}
FAULTS = [
    json_answer(409, {"error": {"message": "Conflict"}}),
    rate_limited(),
    rate_limited("3"),
    server_error(500),
    server_error(503),
    Action.LOSE,
    Action.DROP,
]
REQUESTS = [
    ("GET", r"/pullrequests/17$"),
    ("GET", r"/comments$"),
    ("POST", r"/comments$"),
    ("PUT", r"/comments/\d+$"),
    ("DELETE", r"/comments/\d+$"),
    ("GET", r"/statuses/build/"),
    ("POST", r"/statuses/build$"),
    ("GET", r"/reports$"),
    ("PUT", r"/reports/[^/]+$"),
    ("DELETE", r"/reports/[^/]+$"),
    ("GET", r"/commit/[0-9a-f]{12}$"),
]
FAULT = st.tuples(st.sampled_from(REQUESTS), st.sampled_from(FAULTS), st.integers(1, 3), st.integers(0, 1))
WORD = st.tuples(st.sampled_from(NAMES), st.sampled_from([GREEN, GREEN, RUNNING, RED]), st.booleans())


class Word(NamedTuple):
    """The last word of a step: which run of it, with which UUID, and what it came to."""

    run: int
    uuid: str
    result: str


class Build:
    """A build: its commit, what its steps said last, and how often `final` ran; `closed` while that stands."""

    def __init__(self, number: int, commit: str) -> None:
        """Begin without a word."""
        self.number, self.commit = number, commit
        self.words: dict[str, Word] = {}
        self.finals = 0
        self.closed = False

    @property
    def spoken(self) -> bool:
        """Whether there is any word of it."""
        return bool(self.words) or self.finals > 0

    @property
    def state(self) -> tuple[str, str]:
        """The symbol of the comment's first line, and the state of the build status."""
        results = [word.result for word in self.words.values()]
        if RED in results:
            return "✗", "FAILED"
        if results.count(GREEN) == len(NAMES):
            return "✓", "SUCCESSFUL"
        return ("■", "STOPPED") if self.closed else ("…", "INPROGRESS")

    @property
    def sections(self) -> dict[str, str]:
        """The symbol of each step's section."""
        symbols = {RUNNING: "■" if self.closed else "…", GREEN: "✓", RED: "✗"}
        return {name: symbols[word.result] for name, word in self.words.items()}


class PullRequest(RuleBasedStateMachine):
    """What happens to a pull request; `clones` holds a laid out clone for each result."""

    clones: Path

    def __init__(self) -> None:
        """Open one, with a build that has said nothing yet."""
        super().__init__()
        self.clock = FakeClock()
        self.sandbox = Sandbox(self.clock.now)
        self.repository, self.pull_request = self.sandbox.repository, self.sandbox.pull_request
        self.steps = {result: Step(self.sandbox, self.clock, self.clones / result) for result in CLONES}
        self.tokens = [
            (self.sandbox.api_token.user, ""),
            (self.sandbox.access_token.user, self.sandbox.access_token.token),
        ]
        self.builds = [Build(417, self.pull_request.source_commit)]
        self.disturbed = False  # whether a fault is set
        self.sound: set[str] = set()  # commits whose build status is known to be right
        self.theirs: dict[int, str] = {}  # what other people's comments say

    def teardown(self) -> None:
        """Close."""
        self.sandbox.close()

    # --- pipelines ----------------------------------------------------------------------------------------------------

    @rule(words=st.lists(WORD, min_size=1, max_size=5))
    def speak(self, words: list[tuple[str, str, bool]]) -> None:
        """Steps of the newest build start and report. Who has reported starts again, on the same UUID or another."""
        for name, result, moved in words:
            self.say(self.builds[-1], name, result, moved=moved)

    @precondition(lambda self: len(self.builds) > 1)
    @rule(data=st.data(), words=st.lists(WORD, min_size=1, max_size=2))
    def late(self, data: st.DataObject, words: list[tuple[str, str, bool]]) -> None:
        """Steps of an older build say something late."""
        build = data.draw(st.sampled_from(self.builds[:-1]))
        for name, result, moved in words:
            self.say(build, name, result, moved=moved)

    @precondition(lambda self: self.builds[-1].words)
    @rule()
    def final(self) -> None:
        """The `final` step of the newest build runs, or runs again."""
        build = self.builds[-1]
        before = build.finals, build.closed
        build.finals, build.closed = build.finals + 1, True
        ran = self.run(build, "final", RUNNING, build.finals, "final")
        # A final word that did not arrive was never said.
        if not any(re.search(f"-{build.number}-{build.finals}f-", key) for key in self.records(build)):
            assert self.disturbed
            build.finals, build.closed = before
        self.check(build, ran)

    @precondition(lambda self: self.builds[-1].words)
    @rule()
    def new_build(self) -> None:
        """The head is built anew."""
        self.builds.append(Build(self.builds[-1].number + 1, self.pull_request.source_commit))

    @precondition(lambda self: self.builds[-1].words)
    @rule()
    def push(self) -> None:
        """Somebody pushes a commit, whose build has not said anything yet."""
        commit = uuid5(NAMESPACE_OID, str(len(self.builds))).hex.ljust(40, "0")
        self.repository.push(self.pull_request, commit)
        self.builds.append(Build(self.builds[-1].number + 1, commit))

    @rule()
    def rotate(self) -> None:
        """The token is replaced by another one."""
        self.tokens.reverse()

    # --- people -------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.ours)
    @rule()
    def delete(self) -> None:
        """Somebody deletes our comment."""
        self.repository.delete_comment(self.ours[0].user, self.pull_request, self.ours[0].id)

    @precondition(lambda self: self.ours)
    @rule()
    def edit(self) -> None:
        """Somebody writes into our comment."""
        self.ours[0].raw = "LGTM\n\n" + self.ours[0].raw

    @precondition(lambda self: self.ours)
    @rule(data=st.data())
    def edit_away(self, data: st.DataObject) -> None:
        """Somebody replaces our comment's text, marker and all."""
        comment = data.draw(st.sampled_from(self.ours))
        comment.raw = self.theirs[comment.id] = "LGTM"

    @precondition(lambda self: self.ours)
    @rule()
    def copy(self) -> None:
        """Somebody copies an outdated version of our comment, marker and all."""
        raw = self.ours[0].raw.replace("&of=", "&of=0")
        made = self.repository.add_comment(self.sandbox.reviewer, self.pull_request, raw)
        self.theirs[made.id] = raw

    @precondition(lambda self: self.ours)
    @rule()
    def second(self) -> None:
        """A second comment of ours appears, as after a death in the wrong moment."""
        self.repository.add_comment(self.ours[0].user, self.pull_request, self.ours[0].raw)

    # --- Bitbucket ----------------------------------------------------------------------------------------------------

    @rule(
        data=st.data(),
        faults=st.lists(FAULT, min_size=1, max_size=3),
        words=st.tuples(WORD, WORD),
        closes=st.sampled_from([False, False, True]),
    )
    def fail(self, data: st.DataObject, faults: list[Any], words: tuple[Any, Any], closes: bool) -> None:  # noqa: FBT001
        """Requests fail, or are done without an answer, while a step or `final` runs; another step comes after."""
        for request, fault, times, skip in faults:
            method, path = request
            self.sandbox.faults.add(method, path, fault, times, skip=skip)
        self.disturbed = True
        (name, result, moved), (after, last, moves) = words
        if self.builds[-1].words and closes:
            self.final()
        else:
            self.say(data.draw(st.sampled_from(self.builds[-2:])), name, result, moved=moved)
        self.say(self.builds[-1], after, last, moved=moves)

    # --- what a run does ----------------------------------------------------------------------------------------------

    @property
    def ours(self) -> list[Comment]:
        """The present token's comments that carry our marker; where there is none, those of the other one."""
        marked = [one for one in self.pull_request.visible_comments if find(one.raw, "nx")]
        found: list[list[Comment]] = [[one for one in marked if one.user == user] for user, _ in self.tokens]
        return next(filter(None, found), [])

    def records(self, build: Build) -> dict[str, str]:
        """The records of the build's commit: their keys and results."""
        found = self.repository.reports_of_commit(build.commit)
        return {one.external_id: one.values["result"] for one in found}

    def say(self, build: Build, name: str, result: str, *, moved: bool) -> None:
        """Run the pipe in a step, and see what became of it."""
        before, closed = build.words.get(name), build.closed
        again = before and not (before.result == RUNNING and result != RUNNING)
        run = before.run + 1 if before and again else before.run if before else 1
        uuid = before.uuid if before and not (again and moved) else f"{{{uuid5(NAMESPACE_OID, f'{name} {run}')}}}"
        build.words[name], build.closed = Word(run, uuid, result), False
        ran = self.run(build, name, result, run, uuid)
        one = StepReport(build.number, run, name, step_digest(uuid), Stage.REPORT, at=0)
        if self.records(build).get(step_report.key(one, SCOPE)) != result and self.newest(build.commit) is build:
            # A word that did not arrive was never said.
            assert self.disturbed, ran.log
            build.closed = closed
            if before:
                build.words[name] = before
            else:
                del build.words[name]
        self.check(build, ran)

    def run(self, build: Build, name: str, result: str, run: int, uuid: str) -> Ran:
        """Run the pipe."""
        self.clock.sleep(120)
        self.shown = [found[0] for one in self.ours if (found := find(one.raw, "nx"))]
        own = {"BITBUCKET_ACCESS_TOKEN": self.tokens[0][1]} if self.tokens[0][1] else {}
        stage = "final" if name == "final" else "start" if result == RUNNING else "report"
        return self.steps[result].again(
            **own,
            STAGE=stage,
            STEP_NAME=name,
            EXPECT=", ".join(NAMES),
            BITBUCKET_STEP_UUID=uuid,
            BITBUCKET_STEP_RUN_NUMBER=str(run),
            BITBUCKET_BUILD_NUMBER=str(build.number),
            BITBUCKET_COMMIT=build.commit,
            BITBUCKET_EXIT_CODE="1" if result == RED else "0",
        )

    def newest(self, commit: str) -> Build | None:
        """The newest build of a commit of which there is any word."""
        return next((one for one in reversed(self.builds) if one.commit == commit and one.spoken), None)

    # --- what must hold -----------------------------------------------------------------------------------------------

    def check(self, build: Build, ran: Ran) -> None:
        """What holds after a run: some of it always, the rest unless it was disturbed."""
        assert ran.code == 0
        assert "fault of its own" not in ran.log, ran.log
        for number, raw in self.theirs.items():
            assert self.pull_request.comments[number].raw == raw
        if self.disturbed:
            self.sandbox.faults._faults.clear()
            self.disturbed = False
            self.sound.discard(build.commit)
            return
        # Who leaves the rest to others does not look at the status.
        self.sound |= {build.commit} if "Build status left" not in ran.log else set()
        self.sound -= {one.commit for one in self.statuses if one.user != self.tokens[0][0]}
        for commit in self.sound:
            self.check_status(commit)
        head = self.newest(self.pull_request.source_commit)
        if head:
            self.check_comment(head, ran)
        elif self.shown and len(self.ours) == 1:
            (marker, _) = find(self.ours[0].raw, "nx") or (None, False)
            assert marker
            assert marker.build >= max(one.build for one in self.shown), ran.log

    @property
    def statuses(self) -> list[BuildStatus]:
        """The report's own statuses, one for a commit."""
        return [one for one in self.repository.build_statuses if one.key == "nx-pr-17"]

    def check_status(self, commit: str) -> None:
        """The one status of the report on that commit follows from what its steps have said."""
        (found,) = [one for one in self.statuses if one.commit == commit]
        build = self.newest(commit)
        assert build
        assert (found.state, str(found.description).rpartition(" · ")[2]) == (build.state[1], f"build {build.number}")

    def check_comment(self, build: Build, ran: Ran) -> None:
        """There is one comment of ours, and it shows all steps of that build and nothing else."""
        if not self.ours and not build.words:
            return  # there was nothing to make one for
        comment, *others = self.ours
        assert not others or comment.user != self.tokens[0][0]
        first, *parts = comment.raw.split("\n\n")
        headings = [part for part in parts if part.startswith("**`")]
        sections = {found[1]: found[2] for part in headings if (found := re.match(r"\*\*`(.+?)`\*\* (.)", part))}
        assert (first[0], sections) == (build.state[0], build.sections), ran.log
        assert len(headings) == len(sections)
        marker, intact = find(comment.raw, "nx") or (None, False)
        assert marker
        assert (marker.commit, marker.build, intact) == (build.commit, build.number, True)


def test_pull_request(tmp_path: Path, sandbox: Sandbox, clock: FakeClock) -> None:
    """Whatever happens, a run that nothing disturbs leaves one comment that is complete, and the right status."""
    for result, run in CLONES.items():
        step = Step(sandbox, clock, tmp_path / result)
        step.run("24.0.6" if run else None, runs=(run or 1,), DRY_RUN="true")
    PullRequest.clones = tmp_path
    run_state_machine_as_test(
        PullRequest,
        settings=settings(
            max_examples=40,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # to shrink a failure would take many minutes
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
