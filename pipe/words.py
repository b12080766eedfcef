"""The words that steps put on record: this step's own, and those that `final` speaks for the others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipe.bitbucket.errors import BitbucketError
from pipe.model import Stage
from pipe.render import step_report
from pipe.render.cut import cut
from pipe.steps import StepReport, digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipe.desk import Desk
    from pipe.nx.collect import Of
    from pipe.work import Work


def own(work: Work, stage: Stage) -> StepReport:
    """This step's word, without what it ran."""
    options, build = work.options, work.build
    word = StepReport(
        build=build.number,
        job=digest(build.job) if build.job else "",
        run=build.step_run,
        name=work.step_name,
        step=step_report.step_digest(build.step_uuid),
        stage=stage,
        at=work.now,
        title=options.title,
        link=build.step_url,
        patience=options.start_max * 60,
        expect=options.expect.number,
        names=tuple(map(work.voice.redactor.line, options.expect.names)),
        parallel=build.parallel,
    )
    return cut(word)


def known(work: Work, desk: Desk) -> tuple[StepReport, ...]:
    """What the steps of this build have said by now, as far as it can be read."""
    for records in desk.records:
        try:
            own = digest(work.build.job) if work.build.job else "", work.build.number
            return tuple(one for one in records.list(desk.place.commit) if (one.job, one.build) == own)
        except BitbucketError as error:
            work.voice.say(f"! {error}")
    return ()


def of_step(work: Work, of: Of, said: Sequence[StepReport]) -> StepReport | None:
    """The word of a step that left records and has not reported; None for one that has.

    Runs of no known step are told where no step has reported: else they are those of one that has.
    """
    word = own(work, Stage.REPORT)._replace(expect=0, names=(), parallel=None)  # FINAL itself expects
    if of.step is None:
        reported = any(one.stage is Stage.REPORT for one in said)
        return None if reported else word._replace(name="", link=work.build.url)
    step = step_report.step_digest(of.step)
    theirs = [one for one in said if one.step == step and one.stage is not Stage.FINAL]
    if any(one.stage is Stage.REPORT and one.run >= of.run for one in theirs):
        return None
    started = max(theirs, key=lambda one: one.run, default=None)
    run = max(of.run, started.run) if started else of.run
    name = started.name if started else word.name if step == word.step else ""
    link = replace(work.build, step_uuid=of.step).step_url
    word = word._replace(name=name, step=step, run=run, link=link)
    return word._replace(expect=started.expect, names=started.names, parallel=started.parallel) if started else word


def name_of(work: Work, of: Of, said: Sequence[StepReport]) -> str | None:
    """What the step of some runs is called, as far as it has said so."""
    step = step_report.step_digest(of.step)
    theirs = [one for one in said if one.step == step and one.name and one.stage is not Stage.FINAL]
    if theirs:
        return max(theirs, key=lambda one: one.run).name
    return (work.step_name if of.step and of.step == work.build.step_uuid else "") or None
