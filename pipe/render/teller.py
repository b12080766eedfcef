"""How the reports of a build's steps are told: the same by every step, and in full by the one that holds it all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from pipe.insights import Answer
from pipe.model import BuildState, Stage
from pipe.render import comment, steps
from pipe.render.marker import Known
from pipe.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipe.insights import Summary
    from pipe.model import BuildStatus
    from pipe.protocol import Body
    from pipe.render.comment import Frame
    from pipe.render.steps import Place
    from pipe.steps import StepReport


class Held(NamedTuple):
    """What a step ran, in full."""

    summary: Summary
    frame: Frame


class Teller:
    """Tells the reports of commits (`Telling`), and writes them (`Writer`).

    `place` says where the comment stands, apart from its commit; `held` what is known in full of some reports.
    `only_failures`: a comment is made where something failed, and not otherwise.
    """

    def __init__(self, place: Place, status_key: str, held: Mapping[StepReport, Held], *, only_failures: bool) -> None:
        """Take what does not change."""
        self.report_id = place.scope.report_id
        self.status_key = status_key
        self._place = place
        self._held = {one.key: each for one, each in held.items()}
        self._only_failures = only_failures
        self.nothing = "COMMENT is on-failure, and nothing failed" if only_failures else "no run was found"
        self._digests: dict[tuple[object, ...], str] = {}

    def digest(self, commit: str, reports: tuple[StepReport, ...], now: int) -> str:
        """What tells a comment that shows these reports from any other."""
        # Time alone changes nothing but who is silent. Which pages may be linked is for each writer to say.
        known = (commit, reports, Steps(reports, now).silent)
        if known not in self._digests:
            told = Steps(map(_without_links, reports), now)
            self._digests[known] = steps.digest(told, self._place._replace(commit=commit))
        return self._digests[known]

    def worth(self, reports: tuple[StepReport, ...]) -> bool:
        """Whether there is enough to tell to make a comment for it."""
        told = Steps(reports, 0)
        if self._only_failures:
            return told.red
        return any(one.stage is Stage.START or one.answer is not Answer.NOTHING_RAN for one in told.steps)

    def status(self, reports: tuple[StepReport, ...], stands: BuildStatus | None, now: int) -> BuildStatus | None:
        """The build status that has to stand on the commit, given the one that does."""
        status = steps.status(Steps(reports, now), self._place)
        if status is not None:
            return replace(status, key=self.status_key)
        if stands is None or stands.state is BuildState.STOPPED:
            return stands
        # Nothing ran, and what stands there says otherwise.
        build = max((one.build for one in reports), default=0)
        return replace(stands, state=BuildState.STOPPED, description=f"No run found · build {build}")

    def text(self, body: Body, known: Known | None, now: int) -> str:
        """The comment's text, without its marker."""
        told, moment = Steps(body.reports, now), datetime.fromtimestamp(now / 1000, UTC)
        if body.rich:
            held = self._held[told.steps[0].key]
            return comment.render(held.summary, held.frame, moment, known)
        return steps.body(told, self._place._replace(commit=body.commit), moment)

    def known(self, body: Body, known: Known | None) -> Known | None:
        """The last known result after this comment, given the one before it."""
        ran = [one for one in Steps(body.reports, 0).reported if one.answer is not Answer.NOTHING_RAN]
        if not ran:
            return known
        return Known(ran[0].build, body.commit, sum(one.failed for one in ran), sum(one.total for one in ran))


def _without_links(one: StepReport) -> StepReport:
    runs = tuple(run._replace(link=None) for run in one.runs)
    return one._replace(runs=runs, logs="", link=None, hint="")
