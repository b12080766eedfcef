"""What was collected becomes what is told: a summary with insights, the page, annotations, and the step's word."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pipe import page, past
from pipe.insights import summarise
from pipe.insights.derive import Insights, insights
from pipe.locate import Locator
from pipe.render import step_report
from pipe.render.annotations import annotate
from pipe.render.comment import Frame
from pipe.render.logs import task_address
from pipe.render.teller import Held

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from pipe.build import Build
    from pipe.checkout import Checkout
    from pipe.insights.durations import BuildDurations
    from pipe.nx.collect import Collection
    from pipe.pack import Packed
    from pipe.redact import Redactor
    from pipe.render.annotations import Made
    from pipe.settings import Settings
    from pipe.steps import StepReport


class Maker:
    """Makes what is told of one clone. `bases` are where relative paths of the settings begin; `say` prints a line."""

    def __init__(
        self,
        options: Settings,
        checkout: Checkout,
        redactor: Redactor,
        bases: tuple[str, ...],
        say: Callable[[str], None],
    ) -> None:
        self._options, self._checkout, self._redactor, self._bases, self._say = options, checkout, redactor, bases, say
        self._locators: dict[str, Locator] = {}

    def held(
        self, found: Collection, trouble: str | None, build: Build, earlier: past.Past, *, clean: bool = False
    ) -> Held:
        """What was collected, without secrets, and what goes with it; `clean` says that the runs are already."""
        root = self._checkout.root
        runs = found.runs if clean else [self._redactor.run(run, root) for run in found.runs]
        known = self._redactor.execution(found.execution, root) if found.execution else None
        summary = summarise(runs, build.exit_code, known, nx_may_have_run=found.nx_may_have_run)
        durations: tuple[BuildDurations, ...] = ()
        if self._options.baseline:
            place = past.Earlier(self._checkout, self._bases, earlier.store, self._options.report_id, build.number)
            durations = past.durations(place, self._options.baseline, runs, self._say)
        told = insights(
            summary,
            history_outcomes=found.outcomes,
            compared=earlier.baseline,
            durations=durations,
            build=build.number,
        )
        # What is this pull request's own comes before what fails on the destination branch too, and what is flaky last.
        known_ids = frozenset(told.comparison.known if told.comparison else ())
        unstable = dict.fromkeys((*summary.flaky, *(one.id for one in told.flaky)))
        order = sorted(summary.failed, key=lambda task: (task.id in known_ids, task.id in unstable))
        summary = replace(summary, failed=tuple(order))
        frame = self._frame(build, found, trouble)
        frame = replace(frame, insights=told if found.runs else None, destination=earlier.destination)
        return Held(replace(summary, flaky=tuple(unstable)), frame)

    def page(self, held: Held, packed: Packed, now: datetime, steps: Sequence[str | None] = ()) -> None:
        """Write report.json and the page into the clone; `steps` names the step of each run. Raises OSError."""
        from pipe.render.document import document  # noqa: PLC0415 - where nothing ran there is none

        summary, frame = held
        locate = self._locator(frame)
        told = document(summary, frame.insights or Insights(), frame, now, steps=steps, locate=locate)
        page.write(self._checkout, told, packed)

    def said(self, held: Held, word: StepReport) -> StepReport:
        """The word of a step that ran this."""
        frame = held.frame
        return step_report.of(held.summary, word, frame.nx, frame.folder, frame.insights, frame.logs)

    def annotations(self, held: Held, key: str) -> Made:
        """What tools found at lines of the repository's files, for the report of that key."""
        tasks = (task for run in held.summary.runs for task in run.tasks)
        link = partial(task_address, held.frame.logs)
        return annotate(tasks, self._locator(held.frame), key, link, held.summary.retried)

    def _locator(self, frame: Frame) -> Locator:
        """What finds the files that tools name: one for each workspace, as it remembers."""
        return self._locators.setdefault(frame.workspace, Locator(self._checkout, frame.workspace))

    def _frame(self, build: Build, found: Collection, trouble: str | None) -> Frame:
        line, options, checkout = self._redactor.line, self._options, self._checkout
        folder = checkout.name(found.workspace)
        return Frame(
            build=build,
            commit=checkout.full_hash(build.commit) or build.commit,
            report_id=options.report_id,
            title=options.title,
            step_name=line(options.step_name) if options.step_name else None,
            nx=found.nx,
            folder="" if folder == "." else line(folder),
            workspace=found.workspace,
            last_run_only=found.last_run_only,
            looked_in=tuple(map(line, found.looked_in)),
            ignored=tuple(map(line, found.ignored)),
            hints=found.hints,
            cloud_trouble=line(trouble) if trouble else None,
        )
