"""Protocols that lack one rule each: the proof has to find what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipe.protocol import Body, Call, Head, Pause, Phase, Publication, Shown, Verb
from test.proof.model import Model
from test.proof.scenarios import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipe.protocol import Telling
    from pipe.steps import StepReport
    from test.proof.model import Scenario


class Once(Publication):
    """Reads, merges, writes its record and the comment, and ends."""

    __slots__ = ()

    @classmethod
    def begin(cls, reports: Sequence[StepReport], commit: str, *, comments: bool) -> Publication:
        """Begin with reading."""
        return super().begin(reports, commit, comments=comments)._round(Pause.NONE)

    def _of_records(self) -> list[Call]:
        return [Call(Verb.PUT, one) for one in self.reports]

    def _written(self, answers: Sequence[object]) -> Publication:  # noqa: ARG002
        return self._end(Phase.DONE)


class NoVerifyingRead(Publication):
    """Ends when it has written."""

    __slots__ = ()

    def _written(self, answers: Sequence[object]) -> Publication:  # noqa: ARG002
        return self._end(Phase.DONE)


class NoVerifyingReadOfComments(Publication):
    """Looks at the records alone again, and takes the comment and the status for what it has written."""

    __slots__ = ()

    def _written(self, answers: Sequence[object]) -> Publication:
        after = super()._written(answers)
        for call, answer in zip(self.calls, answers, strict=True):
            if isinstance(answer, Shown):
                after = after._replace(shown=(answer,))
            elif call.verb is Verb.SET_STATUS:
                after = after._replace(stands=call.subject)  # type: ignore[arg-type]
        return after._replace(calls=tuple(call for call in after.calls if call.verb is Verb.RECORDS))


class NoHead(Publication):
    """Doesn't look at the pull request's head."""

    __slots__ = ()

    def _read(self, answers: Sequence[object]) -> Publication:
        return super()._read(answers)._replace(head=Head(""))


class NoWaitForHead(Publication):
    """Doesn't wait until the pull request shows its commit."""

    __slots__ = ()

    @classmethod
    def begin(cls, reports: Sequence[StepReport], commit: str, *, comments: bool) -> Publication:
        """Begin without a wait to spend."""
        return super().begin(reports, commit, comments=comments)._replace(waits=0)


class BreaksPromises(Publication):
    """Ends when it has written a comment with a promise to look again."""

    __slots__ = ()

    def _written(self, answers: Sequence[object]) -> Publication:
        promised = any(isinstance(call.subject, Body) and call.subject.until for call in self.calls)
        return self._end(Phase.LEFT) if promised else super()._written(answers)


class OwnOverServers(Publication):
    """Takes its own record for the newest one, whatever is listed under its key."""

    __slots__ = ()

    @property
    def all_reports(self) -> tuple[StepReport, ...]:
        """What is listed, and my own."""
        return tuple({**{one.key: one for one in self.listed}, **{one.key: one for one in self.reports}}.values())


class LeavesSecondComment(Publication):
    """Writes the oldest of our comments and lets the others stand."""

    __slots__ = ()

    def _of_comment(
        self, telling: Telling, commit: str, reports: tuple[StepReport, ...], until: int, now: int
    ) -> list[Call]:
        calls = super()._of_comment(telling, commit, reports, until, now)
        return [call for call in calls if call.verb not in (Verb.DELETE, Verb.EMPTY)]


class EditsOthers(Publication):
    """Counts comments of another token as ours."""

    __slots__ = ()

    def _ours(self) -> list[Shown]:
        return sorted(self.shown)


class KeyWithoutBuild(Model):
    """Keeps records under a key without the build."""

    def key(self, one: StepReport) -> object:
        """Give the step's name and UUID, and its run."""
        return (one.name, one.step, one.run)


class Broken(NamedTuple):
    """A broken protocol, where it breaks, and what has to be found there: what is wrong at an end, or "a cycle"."""

    scenario: Scenario
    found: str
    protocol: type[Publication] = Publication
    bitbucket: type[Model] = Model

    @property
    def name(self) -> str:
        """What is broken."""
        return (self.bitbucket if self.protocol is Publication else self.protocol).__name__

    def model(self) -> Model:
        """Make its model."""
        return self.bitbucket(self.scenario, self.protocol)


BROKEN = (
    Broken(BY_NAME["existing comment"], "the comment lacks a record", Once),
    Broken(BY_NAME["two steps"], "several comments", Once),
    Broken(BY_NAME["existing comment"], "the comment lacks a record", NoVerifyingRead),
    Broken(BY_NAME["two steps"], "several comments", NoVerifyingReadOfComments),
    Broken(BY_NAME["two builds"], "a record is lost", bitbucket=KeyWithoutBuild),
    Broken(BY_NAME["two commits, existing comment"], "the comment is of an older build", NoHead),
    Broken(BY_NAME["two commits, existing comment"], "the comment is of an older build", NoWaitForHead),
    Broken(BY_NAME["2 of 3, existing comment"], "the comment lacks a record", BreaksPromises),
    Broken(BY_NAME["one key"], "a cycle", OwnOverServers),
    Broken(BY_NAME["two comments of ours"], "several comments", LeavesSecondComment),
    Broken(BY_NAME["another token's comment"], "a cycle", EditsOthers),
)
