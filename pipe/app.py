"""The whole pipe, from the environment to the exit code, in the order of the README."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, NoReturn
from urllib.parse import urlsplit

from pipe import __version__, outputs, page, publish, settings
from pipe import build as build_module
from pipe import past as past_module
from pipe.bitbucket import Downloads
from pipe.bitbucket.errors import BitbucketError
from pipe.checkout import Checkout, Unreadable
from pipe.logs import Logs
from pipe.making import Maker
from pipe.model import Stage
from pipe.nx.cloud_links import is_live
from pipe.nx.collect import NOBODY, Collection, Collector
from pipe.pack import Packer
from pipe.protocol import Publication
from pipe.publish import Outcome, Publisher, ReportRecords, Result, StatusRecords, Target
from pipe.redact import Redactor
from pipe.render import comment as render_comment
from pipe.render import log as render_log
from pipe.render import status as render_status
from pipe.render import step_report
from pipe.render import steps as render_steps
from pipe.render.cut import cut
from pipe.render.logs import address as logs_address
from pipe.render.steps import Place
from pipe.render.teller import Held, Teller
from pipe.settings import Mistakes, Settings
from pipe.steps import ARTIFACTS, StepReport, Steps, counted
from pipe.variables import VARIABLES, CommentMode, FailOn, given

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType

    from pipe.bitbucket import Bitbucket
    from pipe.build import Build
    from pipe.clock import Clock
    from pipe.model import CIPipelineExecution, PullRequest, Run
    from pipe.nx.collect import Of
    from pipe.nx.record import Keep
    from pipe.pack import Packed
    from pipe.publish import Records

    ConnectProxy = Callable[[Build, Clock, Callable[[str], None]], Bitbucket]
    Connect = Callable[[Settings, Build, Clock, Callable[[str], None]], Bitbucket]

# How much of the time left each stage may use, so that the next one gets its turn on a server that hangs.
_CLOUD_SHARE, _COLLECT_SHARE, _HASH_SHARE, _UPLOAD_SHARE = 0.5, 0.5, 0.2, 0.4
# By how many milliseconds the clocks of two machines may differ.
_CLOCKS = 300_000
# Seconds that a step is held up at most before it begins.
_START_SECONDS = 30
# Seconds kept back for saying what happened.
_LAST_WORDS = 1.0
_OK, _ASKED_FOR, _WRONG_SETTINGS = 0, 1, 2
_TOO_LONG = "everything: reading it took too long for TIMEOUT. Raise it, or name less in NX_LOGS"
_NO_CREDENTIAL = (
    "✗ NO CREDENTIAL: nothing can be written to Bitbucket, so this log has the whole report.\n"
    "  Pass ATLASSIAN_ACCOUNT_EMAIL and ATLASSIAN_API_TOKEN, or BITBUCKET_ACCESS_TOKEN, from secured\n"
    "  variables of the repository."
)


class _OutOfTime(BaseException):
    """A stage's time is over; not an Exception, so that nothing on the way takes it for its own."""


class Work(NamedTuple):
    """What a run of the pipe has to do; `end` is in the clock's monotonic seconds, `debug` takes lines."""

    options: Settings
    build: Build
    checkout: Checkout
    end: float
    debug: Callable[[str], None]
    make: Maker


class Desk(NamedTuple):
    """Where everything goes; `skipped` says why the comment has no place, where it has none.

    `found` is the pull request, where it had to be looked for.
    """

    bitbucket: Bitbucket
    target: Target | None
    skipped: Outcome
    place: Place
    records: tuple[Records, ...]
    found: PullRequest | None = None


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
        self._out = say
        self.connect = connect
        self.connect_proxy = connect_proxy or _connect_proxy
        self.redactor = Redactor(_known_secrets(environ))
        self._said_unwritten = False

    def run(self) -> int:
        """Run it all; return the exit code: 0 done or degraded, 1 what FAIL_ON asks for, 2 wrong settings."""
        options: Settings | None = None
        try:
            options, build, checkout = self._where()
            return self._report(options, build, checkout)
        except Mistakes as mistakes:
            self._print(f"✗ Nx Report {__version__} cannot start. Mistakes in its variables: {len(mistakes.lines)}.")
            for line in mistakes.lines:
                self._print(f"  - {line}")
            for note in mistakes.notes:
                self._print(f"  ! {note}")
            return _WRONG_SETTINGS
        except _OutOfTime:
            self._print("✗ Nx Report stopped at TIMEOUT. Raise it, or set DEBUG: 'true' to see what takes long.")
        except Exception as error:  # noqa: BLE001 - a fault of ours must not look like one of the build
            self._print_fault(error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return self._exit_code(options, failed=False, delivered=False)

    # --- the way of a report ------------------------------------------------------------------------------------------

    def _where(self) -> tuple[Settings, Build, Checkout]:
        """Read the settings and the build; every mistake of both is told together."""
        mistakes: list[str] = []
        notes: tuple[str, ...] = ()
        options = Settings()
        try:
            options = settings.read(self.environ)
        except Mistakes as wrong:
            mistakes += wrong.lines
            notes = wrong.notes
        build, problems = build_module.read(self.environ, self.working_directory)
        checkout = Checkout(build.clone_dir)
        mistakes += self._wrong_paths(checkout)
        if mistakes or problems:
            raise Mistakes([*mistakes, *problems], notes or options.notes)
        return options, build, checkout

    def _wrong_paths(self, checkout: Checkout) -> list[str]:
        if not os.path.isdir(checkout.root):  # noqa: PTH112
            return [f"BITBUCKET_CLONE_DIR {checkout.root!r} is no folder here: the clone is not mounted"]
        mistakes = []
        for name, bases, example in (
            ("WORKSPACE_DIR", [self.working_directory], "frontend"),
            ("NX_CACHE_DIRECTORY", [self.working_directory, checkout.root], "$BITBUCKET_CLONE_DIR/.nx/cache"),
        ):
            correct = f"Correct: {name}: {example}"
            path = given(self.environ, name)
            if not path:
                continue
            found = [real for base in bases if (real := checkout.inside(path, base))]
            if not found:
                mistakes.append(f"{name} {path[:60]!r} lies outside the clone directory {checkout.root}. {correct}")
            elif name == "WORKSPACE_DIR" and not os.path.isdir(found[0]):  # noqa: PTH112
                mistakes.append(f"{name} {path[:60]!r} is no folder of the clone. {correct}")
        return mistakes

    def _report(self, options: Settings, build: Build, checkout: Checkout) -> int:
        end = self.clock.monotonic() + options.timeout - _LAST_WORDS
        debug = self._debug if options.debug else _nothing
        for note in options.notes:
            self._print(f"! {note}")
        bases = (self.working_directory, checkout.root)
        work = Work(options, build, checkout, end, debug, Maker(options, checkout, self.redactor, bases, self._print))
        if options.stage is Stage.START:
            return self._start(work)
        return self._finish(work) if options.stage is Stage.FINAL else self._one_step(work)

    def _start(self, work: Work) -> int:
        """Say that the step runs."""
        options, build = work.options, work.build
        self._print(render_log.whose(build, _number(options, build)))
        self._print(f"… {self._step(options) or 'this step'} has started. Its result comes with STAGE: report")
        self._print("! STAGE: start needs a last step with STAGE: final: whoever is killed never reports, and only a")
        self._print("! final step can tell that nobody comes any more")
        if options.dry_run or options.credential is None:
            self._print("DRY_RUN: nothing is written." if options.dry_run else _NO_CREDENTIAL)
            return _OK if options.dry_run else self._exit_code(options, failed=False, delivered=False)
        work = work._replace(end=min(work.end, self.clock.monotonic() + _START_SECONDS))
        return self._publish(work, self._desk(work), {}, [self._word(work, Stage.START)])

    def _one_step(self, work: Work) -> int:
        """Say what the step ran."""
        options, build, checkout = work.options, work.build, work.checkout
        execution, trouble = self._ask_cloud(options, build, checkout, self._share(work.end, _CLOUD_SHARE), work.debug)
        logs = Logs(Packer(), _known_secrets(self.environ), work.checkout.root)
        found = self._collect(options, build, checkout, work.end, execution, logs.keep, work.debug)
        self._stop_at(work.end)
        writes = not options.dry_run and options.credential is not None
        desk = self._desk(work) if writes else None
        held = work.make.held(found, trouble, build, self._past(work, desk))
        if found.runs:
            held = self._with_page(work, desk, held, logs.packer.packed())
        notes = [self.redactor.line(note) for note in found.notes]
        secrets = max(self.redactor.count, logs.count)
        for line in render_log.lines(held.summary, held.frame, notes, _number(options, build), secrets):
            self._print(line)
        if desk is None:
            return self._rehearse(work, held)
        self._keep(checkout, self._body(held))
        said = work.make.said(held, self._word(work, Stage.REPORT))
        return self._publish(work, desk, {said: held}, [said], failed=held.summary.answer.failed)

    def _finish(self, work: Work) -> int:
        """Close the report: say that no step comes any more, and speak for those that only left records."""
        options, build = work.options, work.build
        execution, trouble = self._ask_cloud(
            options, build, work.checkout, self._share(work.end, _CLOUD_SHARE), work.debug
        )
        writes = not options.dry_run and options.credential is not None
        desk = self._desk(work) if writes else None
        known = self._known_reports(desk, build) if desk else ()
        since = datetime.fromtimestamp(min(one.at for one in known) / 1000, UTC) if known else None
        logs = Logs(Packer(), _known_secrets(self.environ), work.checkout.root)
        found = self._collect_steps(work, since, execution, logs.keep)
        past = self._past(work, desk)
        self._print(render_log.whose(build, _number(options, build)))
        held: dict[StepReport, Held] = {}
        names: list[str | None] = []
        runs: list[Run] = []
        for of, collection in found.items():
            each = work.make.held(collection, trouble, replace(build, exit_code=None, step_uuid=of.step), past)
            word = self._word_for(work, of, known)
            names += [self._name_of(work, of, known)] * len(each.summary.runs)
            runs += each.summary.runs
            for line in (*each.frame.ignored, *map(self.redactor.line, collection.notes)):
                self._print(f"  ! {line}")
            if word and each.summary.runs:
                held[work.make.said(each, word)] = each
        if runs:
            everything = work.make.held(replace(found[NOBODY], runs=tuple(runs)), trouble, build, past, clean=True)
            self._with_page(work, None, everything, logs.packer.packed(), names)
        if desk is None:
            steps = Steps(counted([self._word(work, Stage.FINAL), *held]), self._now())
            place = Place(build.repository_url, build.commit, step_report.Scope(options.report_id, None, ""))
            self._print("DRY_RUN: nothing is written. The comment would be:\n" if options.dry_run else _NO_CREDENTIAL)
            self._print(render_steps.body(steps, place, self.clock.now()))
            return self._exit_code(options, failed=steps.red, delivered=options.dry_run)
        # No step that has spoken comes after this one, whatever the clock of its machine said.
        latest = min(max((one.at + 1 for one in known), default=0), self._now() + _CLOCKS)
        final = self._word(work, Stage.FINAL)
        return self._publish(work, desk, held, [final._replace(at=max(final.at, latest)), *held])

    def _known_reports(self, desk: Desk, build: Build) -> tuple[StepReport, ...]:
        """What the steps of this build have said by now, as far as it can be read."""
        for records in desk.records:
            try:
                return tuple(one for one in records.list(desk.place.commit) if one.build == build.number)
            except BitbucketError as error:
                self._print(f"! {error}")
        return ()

    def _word_for(self, work: Work, of: Of, known: Sequence[StepReport]) -> StepReport | None:
        """The word of a step that left records and has not reported; None for one that has.

        Runs of no known step are told where no step has reported: else they are those of one that has.
        """
        word = self._word(work, Stage.REPORT)._replace(expect=0, names=(), parallel=None)  # FINAL itself expects
        if of.step is None:
            reported = any(one.stage is Stage.REPORT for one in known)
            return None if reported else word._replace(name="", link=work.build.url)
        step = step_report.step_digest(of.step)
        theirs = [one for one in known if one.step == step and one.stage is not Stage.FINAL]
        if any(one.stage is Stage.REPORT and one.run >= of.run for one in theirs):
            return None
        started = max(theirs, key=lambda one: one.run, default=None)
        run = max(of.run, started.run) if started else of.run
        own = step == word.step
        name = started.name if started else word.name if own else ""
        link = replace(work.build, step_uuid=of.step).step_url
        word = word._replace(name=name, step=step, run=run, link=link)
        return word._replace(expect=started.expect, names=started.names, parallel=started.parallel) if started else word

    def _name_of(self, work: Work, of: Of, known: Sequence[StepReport]) -> str | None:
        """What the step of some runs is called, as far as it has said so."""
        step = step_report.step_digest(of.step)
        theirs = [one for one in known if one.step == step and one.name and one.stage is not Stage.FINAL]
        own = self._step(work.options) if of.step and of.step == work.build.step_uuid else ""
        return max(theirs, key=lambda one: one.run).name if theirs else own or None

    def _collect_steps(
        self, work: Work, since: datetime | None, execution: CIPipelineExecution | None, keep: Keep
    ) -> dict[Of, Collection]:
        """Collect the runs of every step, or what can be read of them in time."""
        options, build = work.options, work.build
        collector = Collector(
            work.checkout, options, build, self.working_directory, _hosts(options), every_step=True, since=since
        )
        self._stop_at(self._share(work.end, _COLLECT_SHARE))
        with suppress(_OutOfTime):
            collector.read(keep)
        self._stop_at(self._share(work.end, _COLLECT_SHARE))
        try:
            return collector.by_step(execution, work.debug if options.debug else None)
        except _OutOfTime:
            self._print(f"! {_TOO_LONG}")
            return {}
        finally:
            self._stop_at(work.end)

    def _past(self, work: Work, desk: Desk | None) -> past_module.Past:
        """What failed on the destination branch, as far as that can be read."""
        build = work.build
        destination = past_module.Destination(build.destination or "", build.base or "")
        if desk is None:
            return past_module.Past(destination.branch)
        bitbucket = desk.bitbucket.until(self._share(work.end, _HASH_SHARE))
        store = bitbucket if isinstance(bitbucket, Downloads) else None
        reader = past_module.Reader(bitbucket, work.options.report_id, build.pages, work.checkout.full_hash)
        baseline = None
        try:
            if desk.found:
                destination = past_module.Destination(desk.found.destination, desk.found.base)
            elif not (destination.branch and destination.commit) and desk.target:
                destination = reader.destination(desk.target.number)
            if destination.branch and destination.commit:
                baseline = reader.baseline(destination)
        except BitbucketError as error:
            work.debug(f"baseline: {error}")
        return past_module.Past(self.redactor.line(destination.branch), baseline, store)

    def _with_page(
        self, work: Work, desk: Desk | None, held: Held, packed: Packed, steps: Sequence[str | None] = ()
    ) -> Held:
        """Write the page and report.json, and say in the frame where readers get them."""
        options, build, logs = work.options, held.frame.build, ARTIFACTS
        if options.dry_run:
            return held._replace(frame=replace(held.frame, logs=logs))
        try:
            work.make.page(held, packed, self.clock.now(), steps)
        except OSError as error:
            self._unwritten(page.PAGE, error)
            return held
        if options.report_url:
            commit = desk.place.commit if desk else held.frame.commit
            logs = page.address(options.report_url, build, commit, options.report_id)
        elif options.upload and desk:
            store = desk.bitbucket.until(self._share(work.end, _UPLOAD_SHARE))
            wanted = page.Upload(options.report_id, options.keep, options.upload_public)
            if isinstance(store, Downloads):
                logs, outcome = page.upload(store, work.checkout, build, wanted, self.environ)
                self._say_outcome(outcome)
        return held._replace(frame=replace(held.frame, logs=logs))

    def _step(self, options: Settings) -> str:
        return self.redactor.line(options.step_name) if options.step_name else ""

    def _word(self, work: Work, stage: Stage) -> StepReport:
        """This step's word, without what it ran."""
        options, build = work.options, work.build
        word = StepReport(
            build=build.number,
            run=build.step_run,
            name=self._step(options),
            step=step_report.step_digest(build.step_uuid),
            stage=stage,
            at=self._now(),
            title=options.title,
            link=build.step_url,
            patience=options.start_max * 60,
            expect=options.expect.number,
            names=tuple(map(self.redactor.line, options.expect.names)),
            parallel=build.parallel,
        )
        return cut(word)

    # --- publishing ---------------------------------------------------------------------------------------------------

    def _desk(self, work: Work) -> Desk:
        """Find out where everything goes."""
        options, build = work.options, work.build
        bitbucket = self.connect(options, build, self.clock, work.debug)
        commit = self._full_hash(work, bitbucket)
        target, skipped, found = self._target(work, bitbucket)
        number = target.number if target else _number(options, build)  # also where COMMENT is never
        scope = self._scope(work, number)
        trusted = partial(_is_trusted, hosts=_hosts(options), downloads=f"{build.repository_url}/downloads/")
        records = tuple(kind(bitbucket, scope, build.pages, trusted) for kind in (ReportRecords, StatusRecords))
        return Desk(bitbucket, target, skipped, Place(build.repository_url, commit, scope), records, found)

    def _close(self, work: Work, held: Held, comment: str | None) -> None:
        """Say the result for those that read nothing else, and leave it as variables for later steps."""
        summary, frame = held.summary, held.frame
        there = logs_address(frame.logs, frame.build.step_url)
        for line in render_log.closing(summary, frame, {"Comment": comment, "All logs": there}):
            self._print(line)
        values = outputs.outputs(summary, {"COMMENT": comment, "PAGE": there, "STEP": frame.build.step_url})
        try:
            work.checkout.keep(outputs.FILE, outputs.shell(values))
        except OSError as error:
            self._unwritten(outputs.FILE, error)
        if path := given(self.environ, "BITBUCKET_PIPELINES_VARIABLES_PATH"):
            try:
                outputs.append(path, values)
            except Unreadable as problem:
                work.debug(f"BITBUCKET_PIPELINES_VARIABLES_PATH {problem}")

    def _scope(self, work: Work, number: int | None) -> step_report.Scope:
        """Whose records they are."""
        build = work.build
        ref = f"heads/{build.branch}" if build.branch else f"tags/{build.tag or ''}"
        return step_report.Scope(work.options.report_id, number, ref)

    def _publish(
        self, work: Work, desk: Desk, held: dict[StepReport, Held], words: list[StepReport], *, failed: bool = False
    ) -> int:
        """Put the words on record, and write comment and build status until they are right."""
        options, build = work.options, work.build
        commit = desk.place.commit
        held = {one: each._replace(frame=replace(each.frame, commit=commit)) for one, each in held.items()}
        status_key = render_status.key(options.report_id, _number(options, build), build.branch or build.tag or "")
        teller = Teller(desk.place, status_key, held, only_failures=options.comment is CommentMode.ON_FAILURE)
        publisher = Publisher(desk.bitbucket, desk.records, desk.target, teller, self.clock, work.end, self)
        publisher.run(Publication.begin(words, commit, comments=desk.target is not None))
        steps = Steps(publisher.at.counted, self._now())
        if len(steps.steps) > 1 or steps.awaited or options.stage is Stage.FINAL:
            for line in render_steps.lines(steps, desk.place):
                self._print(line)
        outcomes = [publisher.comment() if desk.target else desk.skipped, publisher.build_status()]
        for one, each in held.items():
            made = work.make.annotations(each, step_report.key(one, desk.place.scope))
            outcomes += filter(None, [publisher.annotate(one, made)])
        for outcome in outcomes:
            self._say_outcome(outcome)
        delivered = all(one.result is not Result.FAILED for one in outcomes)
        if options.stage is Stage.REPORT:
            self._close(work, next(iter(held.values())), publisher.comment_url)
        if not delivered and held:
            self._print("  The report is kept in .nx-report/comment.md of the clone.")
        failed = failed or (options.stage is Stage.FINAL and steps.red)
        return self._exit_code(options, failed=failed, delivered=delivered)

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)

    def _target(self, work: Work, bitbucket: Bitbucket) -> tuple[Target | None, Outcome, PullRequest | None]:
        """Where the comment goes, what is said where it has no place, and the pull request if it was looked for."""
        options, build = work.options, work.build
        skipped = Outcome("Comment", Result.SKIPPED, "COMMENT is never")
        if options.comment is CommentMode.NEVER:
            return None, skipped, None
        try:
            end = self._share(work.end, _HASH_SHARE)
            number, why, found = publish.find_pull_request(bitbucket.until(end), build, options.pull_request)
        except BitbucketError as error:
            return None, Outcome("Comment", Result.FAILED, str(error)), None
        if number is None:
            return None, skipped._replace(text=why), None
        if why:
            self._print(f"! {why}")
        return Target(number, work.checkout.holds), skipped, found

    def _full_hash(self, work: Work, bitbucket: Bitbucket) -> str:
        """The commit's whole hash: the clone's, else as Bitbucket knows it, else as it is."""
        commit = work.build.commit
        if found := work.checkout.full_hash(commit):
            return found
        end = self._share(work.end, _HASH_SHARE)
        self._stop_at(end + _LAST_WORDS)
        try:
            return bitbucket.until(end).full_hash(commit)
        except BitbucketError as error:
            self._print(f"! {error}. The abbreviated hash is used.")
        except _OutOfTime:
            self._print(f"! commit {commit}: Bitbucket's answer did not end in time. The abbreviated hash is used.")
        finally:
            self._stop_at(work.end)
        return commit

    # --- the parts of it ----------------------------------------------------------------------------------------------

    def _ask_cloud(
        self, options: Settings, build: Build, checkout: Checkout, end: float, debug: Callable[[str], None]
    ) -> tuple[CIPipelineExecution | None, str | None]:
        """What Nx Cloud knows of this pipeline, where its token is passed; or why nothing, in a line for the report."""
        if options.cloud_token is None:
            return None, None
        from pipe.nx.cloud import CloudError, Wanted, fetch  # noqa: PLC0415 - few pass its token

        number = _number(options, build)
        branches = (str(number) if number else "", build.branch or "", options.nx_branch or "")
        given_groups = tuple(filter(None, (options.ci_execution_id, options.run_group)))
        wanted = Wanted(
            given_groups or (str(build.number),),
            options.ci_execution_env,
            tuple(filter(None, branches)),
            checkout.cloned(),
            guess=not given_groups,
        )
        self._stop_at(end + _LAST_WORDS)
        try:
            execution = fetch(
                options.cloud_api,
                options.cloud_token,
                wanted,
                wait=options.cloud_wait,
                clock=self.clock,
                deadline=end,
                hosts=_hosts(options),
                debug=debug,
            )
        except CloudError as error:
            return None, str(error)
        except _OutOfTime:
            return None, "its answer did not end in time. Try again later"
        return execution, None if execution else f"it knows no run group {wanted.groups[0]} of this build"

    def _collect(
        self,
        options: Settings,
        build: Build,
        checkout: Checkout,
        end: float,
        execution: CIPipelineExecution | None,
        keep: Keep,
        debug: Callable[[str], None],
    ) -> Collection:
        """Collect the runs, or what can be read of them in a part of the time to `end`: they have to be written too."""
        collector = Collector(checkout, options, build, self.working_directory, _hosts(options))
        self._stop_at(self._share(end, _COLLECT_SHARE))
        with suppress(_OutOfTime):
            collector.read(keep)
        self._stop_at(self._share(end, _COLLECT_SHARE))
        try:
            return collector.collection(execution, debug if options.debug else None)
        except _OutOfTime:
            return Collection(execution=execution, ignored=(_TOO_LONG,), workspace=checkout.root, nx_may_have_run=True)

    def _body(self, held: Held) -> str:
        return render_comment.render(held.summary, held.frame, self.clock.now())

    def _rehearse(self, work: Work, held: Held) -> int:
        """Print the whole report, where nothing may be written, or next to nothing can be."""
        summary, build, options = held.summary, held.frame.build, work.options
        if options.dry_run:
            self._print("DRY_RUN: nothing is written. The comment would be:\n")
        else:
            self._print(_NO_CREDENTIAL)
            if given(self.environ, "BITBUCKET_PIPE_STORAGE_DIR"):
                self._through_proxy(work, held)
            self._print("  The comment would be:\n")
        self._print(self._body(held))
        if not options.dry_run:
            self._close(work, held, None)
        if status := render_status.render(summary, build, options.title, options.report_id, _number(options, build)):
            self._print(
                f"The build status would be {status.state.value}: {status.name}: {status.description} {status.url}"
            )
        return self._exit_code(options, failed=summary.answer.failed, delivered=options.dry_run)

    def _through_proxy(self, work: Work, held: Held) -> None:
        """Keep the step's Code Insights report, which alone is possible without a credential."""
        options, build = work.options, work.build
        bitbucket = self.connect_proxy(build, self.clock, work.debug).until(work.end)
        records = ReportRecords(bitbucket, self._scope(work, _number(options, build)), build.pages, _no_link)
        commit = work.checkout.full_hash(build.commit) or build.commit
        said = work.make.said(held, self._word(work, Stage.REPORT))
        made = work.make.annotations(held, step_report.key(said, records.scope))
        for outcome in publish.report_alone(records, commit, said, made):
            self._say_outcome(outcome)
        self._print("  Comment and build status are not possible without a credential.")

    # --- each stage in its time, each channel for itself --------------------------------------------------------------

    def _share(self, end: float, share: float) -> float:
        """The moment at which that share of the time to `end` is over."""
        now = self.clock.monotonic()
        return now + (end - now) * share

    def _stop_at(self, moment: float) -> None:
        """Have a signal stop what runs then: the timeout of a read does not end an answer that comes byte by byte."""
        signal.signal(signal.SIGALRM, _out_of_time)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, moment - self.clock.monotonic()))

    def _say_outcome(self, outcome: Outcome) -> None:
        text = outcome.text.removeprefix(f"{outcome.channel.lower()}: ")
        sign = {Result.FAILED: "✗", Result.SKIPPED: "–", Result.LEFT: "–"}.get(outcome.result, "✓")
        self._print(f"{sign} {outcome.channel} {outcome.result.value}: {text}")

    def _keep(self, checkout: Checkout, body: str) -> None:
        """Keep the report in the clone: what could not be delivered can be read there."""
        try:
            checkout.keep(".nx-report/comment.md", body)
        except OSError as error:
            self._unwritten(".nx-report/comment.md", error)

    def _unwritten(self, path: str, error: OSError) -> None:
        """Say that the clone cannot be written to: once, for what holds for one file holds for all."""
        if not self._said_unwritten:
            self._print(f"! {path} could not be written ({error.strerror}); the report goes on")
        self._said_unwritten = True

    def _exit_code(self, options: Settings | None, *, failed: bool, delivered: bool) -> int:
        fail_on = options.fail_on if options else frozenset()
        if FailOn.DELIVERY_ERRORS in fail_on and not delivered:
            return _ASKED_FOR
        return _ASKED_FOR if FailOn.FAILED_TASKS in fail_on and failed else _OK

    # --- what is said -------------------------------------------------------------------------------------------------

    def _print(self, text: str) -> None:
        self._out(self.redactor.text(text))

    def say(self, text: str) -> None:
        """Print a line, without secrets."""
        self._print(text)

    def say_fault(self, error: Exception) -> None:
        """Print that this pipe is at fault."""
        self._print_fault(error)

    def _debug(self, text: str) -> None:
        self._print(f"  · {text}")

    def _print_fault(self, error: Exception) -> None:
        if self.environ.get("DEBUG", "").strip().lower() == "true":
            import traceback  # noqa: PLC0415

            self._print("".join(traceback.format_exception(error)))
        self._print(
            f"✗ Nx Report met a fault of its own ({type(error).__name__}). The step's result stands. "
            "Set DEBUG: 'true' to see where, and report it."
        )


def _known_secrets(environ: Mapping[str, str]) -> list[str]:
    return [value for one in VARIABLES if one.secret and (value := given(environ, one.name))]


def _hosts(options: Settings) -> frozenset[str]:
    """Hosts whose run pages are linked besides Nx Cloud's own: the configured one, and that of a run named by hand."""
    urls = (options.run_url, options.cloud_api, options.report_url)
    return frozenset(urlsplit(url).netloc.lower() for url in urls if url)


def _is_trusted(url: str, hosts: frozenset[str], downloads: str) -> bool:
    """Whether a run's page, or the one with all logs, may be linked that a record names."""
    return url.startswith(downloads) or is_live(url, urlsplit(url).netloc, hosts)


def _number(options: Settings, build: Build) -> int | None:
    """The pull request's number where it is known beforehand, by which the build status goes."""
    return options.pull_request if isinstance(options.pull_request, int) else build.pull_request


def _nothing(_: str) -> None:
    """Say nothing."""


def _out_of_time(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _OutOfTime


def connect(options: Settings, build: Build, clock: Clock, debug: Callable[[str], None]) -> Bitbucket:
    """Make the adapter of the build's host."""
    from pipe.bitbucket.cloud import Cloud  # noqa: PLC0415 - a dry run needs no HTTP
    from pipe.bitbucket.http import Http  # noqa: PLC0415

    if options.credential is None:
        raise RuntimeError("no adapter without a credential")
    return Cloud(Http(options.api_url, options.credential, clock, debug), build.workspace, build.repository)


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
