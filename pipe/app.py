"""The whole pipe, from the environment to the exit code, in the order of the README."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipe import __version__, collecting, inputs, outputs, page, publish, words
from pipe import desk as desks
from pipe.bitbucket import Downloads
from pipe.bitbucket.errors import BitbucketError
from pipe.checkout import Unreadable
from pipe.logs import Logs
from pipe.making import Maker
from pipe.model import Stage
from pipe.nx.collect import NOBODY
from pipe.pack import Packer
from pipe.protocol import Publication
from pipe.publish import Publisher, ReportRecords, Result
from pipe.render import comment as render_comment
from pipe.render import log as render_log
from pipe.render import status as render_status
from pipe.render import step_report
from pipe.render import steps as render_steps
from pipe.render.logs import address as logs_address
from pipe.render.steps import Place
from pipe.render.teller import Held, Teller
from pipe.settings import Mistakes, Settings
from pipe.steps import ARTIFACTS, StepReport, Steps, counted
from pipe.variables import CommentMode, FailOn, given
from pipe.voice import Voice, known_secrets
from pipe.work import LAST_WORDS, OutOfTime, Timer, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from pipe.bitbucket import Bitbucket
    from pipe.build import Build
    from pipe.clock import Clock
    from pipe.desk import Desk
    from pipe.inputs import Inputs
    from pipe.model import Run
    from pipe.pack import Packed

    ConnectProxy = Callable[[Build, Clock, Callable[[str], None]], Bitbucket]
    Connect = Callable[[Settings, Build, Clock, Callable[[str], None], Callable[[str], None]], Bitbucket]

_PAGE_SHARE, _UPLOAD_SHARE = 0.6, 0.4  # of the time left
# By how many milliseconds the clocks of two machines may differ.
_CLOCKS = 300_000
# Seconds that a step is held up at most before it begins.
_START_SECONDS = 30
_OK, _ASKED_FOR, _WRONG_SETTINGS = 0, 1, 2
_DRY_RUN = "DRY_RUN: nothing is written."


class Pipe:
    """One run of the pipe. `say` prints a line; nothing reaches it that has not been redacted."""

    def __init__(
        self,
        environ: Mapping[str, str],
        working_directory: str,
        clock: Clock,
        say: Callable[[str], None],
        connect: Connect,
        connect_proxy: ConnectProxy | None = None,
    ) -> None:
        self.environ = environ
        self.working_directory = working_directory
        self.clock = clock
        self.timer = Timer(clock)
        self.voice = Voice(environ, say)
        self.connect = connect
        self.connect_proxy = connect_proxy or _connect_proxy

    def run(self) -> int:
        """Run it all; return the exit code: 0 done or degraded, 1 what FAIL_ON asks for, 2 wrong settings."""
        told: Inputs | None = None
        try:
            told = inputs.read(self.environ, self.working_directory)
            return self._report(self._work(told), told.detected)
        except Mistakes as mistakes:
            self.voice.say(f"✗ Nx Report {__version__} cannot start. Mistakes in its variables: {len(mistakes.lines)}.")
            for line in mistakes.lines:
                self.voice.say(f"  - {line}")
            for note in mistakes.notes:
                self.voice.say(f"  ! {note}")
            return _WRONG_SETTINGS
        except OutOfTime:
            self.voice.say("✗ Nx Report stopped at TIMEOUT. Raise it, or set DEBUG: 'true' to see what takes long.")
        except Exception as error:  # noqa: BLE001 - a fault of ours must not look like one of the build
            self.voice.say_fault(error)
        finally:
            self.timer.stop_nothing()
        return _exit_code(told.options.fail_on if told else (), failed=False, delivered=False)

    def _work(self, told: Inputs) -> Work:
        options, build, checkout, _ = told
        bases = (self.working_directory, checkout.root)
        make = Maker(options, checkout, self.voice.redactor, bases, self.voice.say)
        end = self.clock.monotonic() + options.timeout - LAST_WORDS
        return Work(
            self.environ,
            self.working_directory,
            options,
            build,
            checkout,
            make,
            self.clock,
            self.timer,
            end,
            self.voice,
        )

    # --- the way of a report ------------------------------------------------------------------------------------------

    def _report(self, work: Work, detected: Iterable[str]) -> int:
        for note in work.options.notes:
            self.voice.say(f"! {note}")
        for line in detected:
            self.voice.say(line)
        if work.options.stage is Stage.START:
            return self._start(work)
        return self._finish(work) if work.options.stage is Stage.FINAL else self._one_step(work)

    def _start(self, work: Work) -> int:
        """Say that the step runs."""
        say = self.voice.say
        say(render_log.whose(work.build, work.number))
        say(f"… {work.step_name or 'this step'} has started. Its result comes with STAGE: report")
        say("! STAGE: start needs a last step with STAGE: final: whoever is killed never reports, and only a")
        say("! final step can tell that nobody comes any more")
        if not work.writes:
            say(_DRY_RUN if work.options.dry_run else work.options.unwritable)
            return _exit_code(work.options.fail_on, failed=False, delivered=work.options.dry_run)
        work, desk = self._desk(replace(work, end=min(work.end, self.clock.monotonic() + _START_SECONDS)))
        if desk is None:
            say(work.options.unwritable)
            return _exit_code(work.options.fail_on, failed=False, delivered=False)
        return self._publish(work, desk, {}, [words.own(work, Stage.START)])

    def _one_step(self, work: Work) -> int:
        """Say what the step ran."""
        execution, trouble = collecting.ask_cloud(work)
        logs = Logs(Packer(), known_secrets(self.environ), work.checkout.root)
        found = collecting.of_step(work, execution, logs.keep)
        work, desk = self._desk(work)
        held = work.make.held(found, trouble, work.build, desks.past(work, desk))
        if found.runs:
            held = self._with_page(work, desk, held, logs.packed(held.summary.runs))
        notes = [self.voice.redactor.line(note) for note in found.notes]
        secrets = max(self.voice.redactor.count, logs.count)
        for line in render_log.lines(held.summary, held.frame, notes, work.number, secrets):
            self.voice.say(line)
        if desk is None:
            return self._rehearse(work, held)
        self._keep(work, ".nx-report/comment.md", self._body(held))
        said = work.make.said(held, words.own(work, Stage.REPORT))
        return self._publish(work, desk, {said: held}, [said], held)

    def _finish(self, work: Work) -> int:
        """Close the report: say that no step comes any more, and speak for those that only left records."""
        execution, trouble = collecting.ask_cloud(work)
        work, desk = self._desk(work)
        build = work.build
        known = words.known(work, desk) if desk else ()
        since = datetime.fromtimestamp(min(one.at for one in known) / 1000, UTC) if known else None
        logs = Logs(Packer(), known_secrets(self.environ), work.checkout.root)
        found = collecting.of_every_step(work, since, execution, logs.keep)
        past = desks.past(work, desk)
        self.voice.say(render_log.whose(build, work.number))
        held: dict[StepReport, Held] = {}
        names: list[str | None] = []
        runs: list[Run] = []
        for of, collection in found.items():
            each = work.make.held(collection, trouble, replace(build, exit_code=None, step_uuid=of.step), past)
            word = words.of_step(work, of, known)
            names += [words.name_of(work, of, known)] * len(each.summary.runs)
            runs += each.summary.runs
            for line in (*each.frame.ignored, *map(self.voice.redactor.line, collection.notes)):
                self.voice.say(f"  ! {line}")
            if word and each.summary.runs:
                held[work.make.said(each, word)] = each
        final = words.own(work, Stage.FINAL)
        everything = None
        if runs:
            everything = work.make.held(replace(found[NOBODY], runs=tuple(runs)), trouble, build, past, clean=True)
            everything = self._with_page(work, desk, everything, logs.packed(runs), names)
            final = final._replace(logs=everything.frame.logs)
        if desk is None:
            steps = Steps(counted([final, *held]), work.now)
            scope = step_report.Scope(work.options.report_id, None, "")
            place = Place(build.repository_url, build.commit, scope, build.pages)
            self.voice.say(f"{_DRY_RUN} The comment would be:\n" if work.options.dry_run else work.options.unwritable)
            self.voice.say(render_steps.body(steps, place, self.clock.now()))
            return _exit_code(work.options.fail_on, failed=steps.red, delivered=work.options.dry_run)
        # No step that has spoken comes after this one, whatever the clock of its machine said.
        latest = min(max((one.at + 1 for one in known), default=0), work.now + _CLOCKS)
        said = [final._replace(at=max(final.at, latest)), *held]
        return self._publish(work, desk, held, said, everything)

    def _desk(self, work: Work) -> tuple[Work, Desk | None]:
        """Where everything goes, and the work with the build as Bitbucket knows it; None where nothing is written."""
        if not work.writes:
            return work, None
        bitbucket = self.connect(work.options, work.build, self.clock, work.debug, self.voice.say)
        try:
            desk = desks.find(work, bitbucket)
        except BitbucketError as error:
            why = (
                f"✗ {error}.\n  So the commit is not known, and nothing can be written: this log has the whole report."
            )
            return replace(work, options=replace(work.options, credential=None, unwritable=why, proxied=False)), None
        return replace(work, build=desk.build), desk

    # --- the page -----------------------------------------------------------------------------------------------------

    def _with_page(
        self, work: Work, desk: Desk | None, held: Held, packed: Packed, steps: Sequence[str | None] = ()
    ) -> Held:
        """Write the page and report.json, and say in the frame where readers get them."""
        options, build, logs = work.options, held.frame.build, ARTIFACTS
        if options.dry_run:
            return held._replace(frame=replace(held.frame, logs=logs))
        self.timer.stop_at(work.share(_PAGE_SHARE))
        try:
            work.make.page(held, packed, self.clock.now(), steps)
        except OSError as error:
            self.voice.unwritten(page.PAGE, error)
            return held
        except OutOfTime:
            self.voice.say(f"! {page.PAGE}: writing it took too long for TIMEOUT. Raise it; the report goes on without")
            return held
        finally:
            self.timer.stop_at(work.end)
        if options.report_url:
            commit = desk.place.commit if desk else held.frame.commit
            logs = page.address(options.report_url, build, commit, options.report_id)
        elif options.upload and desk:
            store = desk.bitbucket.until(work.share(_UPLOAD_SHARE))
            wanted = page.Upload(options.report_id, options.keep, options.upload_public)
            if isinstance(store, Downloads):
                logs, outcome = page.upload(store, work.checkout, build, wanted, self.environ)
                self.voice.outcome(outcome)
        return held._replace(frame=replace(held.frame, logs=logs))

    # --- publishing ---------------------------------------------------------------------------------------------------

    def _publish(
        self,
        work: Work,
        desk: Desk,
        held: dict[StepReport, Held],
        said: list[StepReport],
        whole: Held | None = None,
    ) -> int:
        """Put the words on record, and write comment and build status until they are right.

        `held` are the steps that this one speaks for, `whole` is all that it tells of.
        """
        options = work.options
        commit = desk.place.commit
        held = {one: each._replace(frame=replace(each.frame, commit=commit)) for one, each in held.items()}
        # As the records: steps that see each other write one status, and steps that don't write one each.
        whose, keys = desk.place.scope, desk.bitbucket.status_keys
        status_key = render_status.key(options.report_id, whose.pull_request, whose.ref.partition("/")[2], keys)
        teller = Teller(desk.place, status_key, held, only_failures=options.comment is CommentMode.ON_FAILURE)
        publisher = Publisher(desk.bitbucket, desk.records, desk.target, teller, self.clock, work.end, self.voice)
        publisher.run(Publication.begin(said, commit, comments=desk.target is not None))
        steps = Steps(publisher.at.counted, work.now)
        if len(steps.steps) > 1 or steps.awaited or options.stage is Stage.FINAL:
            for line in render_steps.lines(steps, desk.place):
                self.voice.say(line)
        outcomes = [publisher.comment() if desk.target else desk.skipped, publisher.build_status()]
        for one, each in held.items():
            made = work.make.annotations(each, step_report.key(one, desk.place.scope))
            outcomes += filter(None, [publisher.annotate(one, made)])
        for outcome in outcomes:
            self.voice.outcome(outcome)
        delivered = all(one.result is not Result.FAILED for one in outcomes)
        if whole:
            self._close(work, whole, publisher.comment_url)
        if not delivered and held:
            self.voice.say("  The report is kept in .nx-report/comment.md of the clone.")
        failed = steps.red if options.stage is Stage.FINAL else bool(whole and whole.summary.answer.failed)
        return _exit_code(options.fail_on, failed=failed, delivered=delivered)

    def _close(self, work: Work, held: Held, comment: str | None) -> None:
        """Say the result for those that read nothing else, and leave it as variables for later steps."""
        summary, frame = held
        there = logs_address(frame.logs, frame.build.step_url)
        for line in render_log.closing(summary, frame, {"Comment": comment, "All logs": there}):
            self.voice.say(line)
        values = outputs.outputs(summary, {"COMMENT": comment, "PAGE": there, "STEP": frame.build.step_url})
        self._keep(work, outputs.FILE, outputs.shell(values))
        if path := given(self.environ, "BITBUCKET_PIPELINES_VARIABLES_PATH"):
            try:
                outputs.append(path, values)
            except Unreadable as problem:
                work.debug(f"BITBUCKET_PIPELINES_VARIABLES_PATH {problem}")

    def _rehearse(self, work: Work, held: Held) -> int:
        """Print the whole report, where nothing may be written, or next to nothing can be."""
        summary, build, options = held.summary, held.frame.build, work.options
        if options.dry_run:
            self.voice.say(f"{_DRY_RUN} The comment would be:\n")
        else:
            self.voice.say(options.unwritable)
            if options.proxied:
                self._through_proxy(work, held)
            self.voice.say("  The comment would be:\n")
        self.voice.say(self._body(held))
        if not options.dry_run:
            self._close(work, held, None)
        if status := render_status.render(summary, build, options.title, options.report_id, work.number):
            told = f"{status.state.value}: {status.name}: {status.description} {status.url}"
            self.voice.say(f"The build status would be {told}")
        return _exit_code(options.fail_on, failed=summary.answer.failed, delivered=options.dry_run)

    def _through_proxy(self, work: Work, held: Held) -> None:
        """Keep the step's Code Insights report, which alone is possible without a credential."""
        build = work.build
        bitbucket = self.connect_proxy(build, self.clock, work.debug).until(work.end)
        records = ReportRecords(bitbucket, desks.scope(work, work.number), build.pages, _no_link)
        commit = work.checkout.full_hash(build.commit) or build.commit
        said = work.make.said(held, words.own(work, Stage.REPORT))
        made = work.make.annotations(held, step_report.key(said, records.scope))
        for outcome in publish.report_alone(records, commit, said, made):
            self.voice.outcome(outcome)
        self.voice.say("  Comment and build status are not possible without a credential.")

    def _body(self, held: Held) -> str:
        return render_comment.render(held.summary, held.frame, self.clock.now())

    def _keep(self, work: Work, name: str, text: str) -> None:
        """Keep a text in the clone: what could not be delivered can be read there."""
        try:
            work.checkout.keep(name, text)
        except OSError as error:
            self.voice.unwritten(name, error)


def _exit_code(fail_on: Collection[FailOn], *, failed: bool, delivered: bool) -> int:
    if FailOn.DELIVERY_ERRORS in fail_on and not delivered:
        return _ASKED_FOR
    return _ASKED_FOR if FailOn.FAILED_TASKS in fail_on and failed else _OK


def connect(
    options: Settings, build: Build, clock: Clock, debug: Callable[[str], None], say: Callable[[str], None]
) -> Bitbucket:
    """Make the adapter of the build's host."""
    from pipe.bitbucket import hosts  # noqa: PLC0415 - a dry run needs no HTTP

    return hosts.connect(options, build, clock, debug, say)


def _connect_proxy(build: Build, clock: Clock, debug: Callable[[str], None]) -> Bitbucket:
    """Make the adapter for Code Insights without a credential."""
    from pipe.bitbucket import proxy  # noqa: PLC0415 - seldom needed

    return proxy.connect(build.workspace, build.repository, clock, debug)


def _no_link(_: str) -> bool:
    """Take no link of a record: nothing is shown."""
    return False


def main() -> int:
    """Run the pipe in this process's environment."""
    from pipe.clock import Clock  # noqa: PLC0415

    # A name server that does not answer is waited for in C code, which no signal ends (resolv.conf(5)).
    os.environ.setdefault("RES_OPTIONS", "timeout:2 attempts:1")
    try:
        working_directory = os.getcwd()  # noqa: PTH109
    except OSError:
        working_directory = "/"  # it was deleted; the clone directory is looked through all the same
    return Pipe(os.environ, working_directory, Clock(), _say, connect).run()


def _say(line: str) -> None:
    """Write a line to the step's log: UTF-8 whatever the locale, and at once; a log that is closed stops nothing."""
    rest = memoryview(f"{line}\n".encode("utf-8", "replace"))
    with suppress(OSError):
        while rest:
            rest = rest[os.write(1, rest) :]
