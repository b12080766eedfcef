"""The whole pipe, from the environment to the exit code, in the order of the README."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from pipe import __version__, publish, settings
from pipe import build as build_module
from pipe.bitbucket.errors import BitbucketError
from pipe.checkout import Checkout
from pipe.insights import Answer, Summary, summarise
from pipe.nx.collect import Collection, Collector
from pipe.publish import Outcome, Result
from pipe.redact import Redactor
from pipe.render import comment as render_comment
from pipe.render import log as render_log
from pipe.render import status as render_status
from pipe.settings import Mistakes, Settings
from pipe.variables import VARIABLES, CommentMode, FailOn, given

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from pipe.bitbucket import Bitbucket
    from pipe.build import Build
    from pipe.clock import Clock
    from pipe.model import CIPipelineExecution
    from pipe.render.marker import Known

    Connect = Callable[[Settings, Build, Clock, Callable[[str], None]], Bitbucket]

# How much of the time left each stage may use, so that the next one gets its turn on a server that hangs.
_CLOUD_SHARE, _COLLECT_SHARE, _HASH_SHARE, _COMMENT_SHARE = 0.5, 0.5, 0.2, 0.6
# Seconds kept back for saying what happened.
_LAST_WORDS = 1.0
_OK, _ASKED_FOR, _WRONG_SETTINGS = 0, 1, 2


class _OutOfTime(BaseException):
    """A stage's time is over; not an Exception, so that nothing on the way takes it for its own."""


class Pipe:
    """One run of the pipe. `say` prints a line; nothing reaches it that has not been redacted."""

    def __init__(
        self,
        environ: Mapping[str, str],
        working_directory: str,
        clock: Clock,
        say: Callable[[str], None],
        connect: Connect,
    ) -> None:
        self.environ = environ
        self.working_directory = working_directory
        self.clock = clock
        self.say = say
        self.connect = connect
        self.redactor = Redactor(_known_secrets(environ))
        self.outcomes: list[Outcome] = []

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
        return self._exit_code(options, None, delivered=False)

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
        execution, trouble = self._ask_cloud(options, build, checkout, self._share(end, _CLOUD_SHARE), debug)
        found = self._collect(options, build, checkout, end, execution, debug)
        self._stop_at(end)
        runs = [self.redactor.run(run, checkout.root) for run in found.runs]
        known = self.redactor.execution(found.execution, checkout.root) if found.execution else None
        summary = summarise(runs, build.exit_code, known, nx_may_have_run=found.nx_may_have_run)
        frame = self._frame(options, build, found, checkout, trouble)
        notes = [self.redactor.line(note) for note in found.notes]
        for line in render_log.lines(summary, frame, notes, _number(options, build), self.redactor.count):
            self._print(line)
        if options.dry_run or options.credential is None:
            return self._rehearse(options, summary, frame)
        self._keep(checkout, self._body(summary, frame, None))
        bitbucket = self.connect(options, build, self.clock, debug)
        frame = replace(frame, commit=self._full_hash(frame.commit, bitbucket, self._share(end, _HASH_SHARE)))
        comment = self._channel(
            "Comment",
            bitbucket,
            self._share(end, _COMMENT_SHARE),
            lambda: self._comment(options, summary, frame, bitbucket),
        )
        self._channel(
            "Build status", bitbucket, end, lambda: self._build_status(options, summary, frame, bitbucket, comment)
        )
        delivered = all(one.result is not Result.FAILED for one in self.outcomes)
        if not delivered:
            self._print("  The report is kept in .nx-report/comment.md of the clone.")
        return self._exit_code(options, summary, delivered=delivered)

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
        debug: Callable[[str], None],
    ) -> Collection:
        """Collect the runs, or what can be read of them in a part of the time to `end`: they have to be written too."""
        collector = Collector(checkout, options, build, self.working_directory, _hosts(options))
        self._stop_at(self._share(end, _COLLECT_SHARE))
        with suppress(_OutOfTime):
            collector.read()
        self._stop_at(self._share(end, _COLLECT_SHARE))
        try:
            return collector.collection(execution, debug if options.debug else None)
        except _OutOfTime:
            why = "everything: reading it took too long for TIMEOUT. Raise it, or name less in NX_LOGS"
            return Collection(execution=execution, ignored=(why,), workspace=checkout.root, nx_may_have_run=True)

    def _frame(
        self, options: Settings, build: Build, found: Collection, checkout: Checkout, trouble: str | None
    ) -> render_comment.Frame:
        line = self.redactor.line
        folder = checkout.name(found.workspace)
        return render_comment.Frame(
            build=build,
            commit=checkout.full_hash(build.commit) or build.commit,
            report_id=options.report_id,
            title=options.title,
            step_name=line(options.step_name) if options.step_name else None,
            nx=found.nx,
            folder="" if folder == "." else line(folder),
            last_run_only=found.last_run_only,
            looked_in=tuple(map(line, found.looked_in)),
            ignored=tuple(map(line, found.ignored)),
            hints=found.hints,
            cloud_trouble=line(trouble) if trouble else None,
        )

    def _full_hash(self, commit: str, bitbucket: Bitbucket, end: float) -> str:
        """The commit's whole hash, asked of Bitbucket where the clone does not hold it, else as it is."""
        if len(commit) == 40:  # noqa: PLR2004
            return commit
        bitbucket.deadline = end
        self._stop_at(end + _LAST_WORDS)
        try:
            return bitbucket.full_hash(commit)
        except BitbucketError as error:
            self._print(f"! {error}. The abbreviated hash is used.")
        except _OutOfTime:
            self._print(f"! commit {commit}: Bitbucket's answer did not end in time. The abbreviated hash is used.")
        return commit

    def _comment(
        self, options: Settings, summary: Summary, frame: render_comment.Frame, bitbucket: Bitbucket
    ) -> Outcome:
        """Bring the comment up to date. Raises BitbucketError."""
        if options.comment is CommentMode.NEVER:
            return Outcome("Comment", Result.SKIPPED, "COMMENT is never")
        pull_request, why = publish.find_pull_request(bitbucket, frame.build, options.pull_request)
        if pull_request is None:
            return Outcome("Comment", Result.SKIPPED, why)
        if why:
            self._print(f"! {why}")
        if pull_request.head and not publish.alike(pull_request.head, frame.commit):
            self._print(
                f"! the pull request is at {pull_request.head[:12]} by now, this build is of {frame.commit[:12]}"
            )
        unless = None
        if summary.answer is Answer.NOTHING_RAN:
            unless = "no run was found"
        elif options.comment is CommentMode.ON_FAILURE and not summary.answer.failed:
            unless = "COMMENT is on-failure, and nothing failed"
        elif not pull_request.open:
            unless = f"pull request {pull_request.id} is {pull_request.state}"
        return publish.comment(
            bitbucket,
            pull_request,
            render_comment.marker(summary, frame, None),
            lambda known: self._body(summary, frame, known),
            unless=unless,
            clock=self.clock,
        )

    def _build_status(
        self,
        options: Settings,
        summary: Summary,
        frame: render_comment.Frame,
        bitbucket: Bitbucket,
        comment: Outcome,
    ) -> Outcome:
        """Write the build status. Raises BitbucketError."""
        build, number = frame.build, _number(options, frame.build)
        status = render_status.render(summary, build, options.title, options.report_id, number)
        if status is None:
            return Outcome("Build status", Result.SKIPPED, "nothing ran, and the step did not fail")
        if comment.superseded:
            return Outcome("Build status", Result.SKIPPED, "a newer build of this commit has reported")
        return publish.build_status(bitbucket, frame.commit, status, build.number, ordered=comment.ordered)

    def _body(self, summary: Summary, frame: render_comment.Frame, known: Known | None) -> str:
        return render_comment.render(summary, frame, self.clock.now(), known)

    def _rehearse(self, options: Settings, summary: Summary, frame: render_comment.Frame) -> int:
        """Print the whole report, where nothing may or can be written."""
        if options.dry_run:
            self._print("DRY_RUN: nothing is written. The comment would be:\n")
        else:
            self._print("✗ NO CREDENTIAL: nothing can be written to Bitbucket, so this log has the whole report.")
            self._print(
                "  Pass ATLASSIAN_ACCOUNT_EMAIL and ATLASSIAN_API_TOKEN, or BITBUCKET_ACCESS_TOKEN, from secured"
            )
            self._print("  variables of the repository. The comment would be:\n")
        self._print(self._body(summary, frame, None))
        number = _number(options, frame.build)
        if status := render_status.render(summary, frame.build, options.title, options.report_id, number):
            self._print(
                f"The build status would be {status.state.value}: {status.name}: {status.description} {status.url}"
            )
        return self._exit_code(options, summary, delivered=options.dry_run)

    # --- each stage in its time, each channel for itself --------------------------------------------------------------

    def _share(self, end: float, share: float) -> float:
        """The moment at which that share of the time to `end` is over."""
        now = self.clock.monotonic()
        return now + (end - now) * share

    def _stop_at(self, moment: float) -> None:
        """Have a signal stop what runs then: the timeout of a read does not end an answer that comes byte by byte."""
        signal.signal(signal.SIGALRM, _out_of_time)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, moment - self.clock.monotonic()))

    def _channel(self, name: str, bitbucket: Bitbucket, end: float, write: Callable[[], Outcome]) -> Outcome:
        """Write one thing until then, whatever becomes of it; say what did."""
        bitbucket.deadline = end - _LAST_WORDS
        self._stop_at(end)
        try:
            outcome = write()
        except BitbucketError as error:
            outcome = Outcome(name, Result.FAILED, str(error))
        except _OutOfTime:
            text = "Bitbucket's answer did not end in time. Raise TIMEOUT, or try again"
            outcome = Outcome(name, Result.FAILED, text)
        except Exception as error:  # noqa: BLE001 - one channel's fault is not the other's
            self._print_fault(error)
            outcome = Outcome(name, Result.FAILED, "by a fault of this pipe")
        self.outcomes.append(outcome)
        text = outcome.text.removeprefix(f"{name.lower()}: ")
        sign = {Result.FAILED: "✗", Result.SKIPPED: "–"}.get(outcome.result, "✓")
        self._print(f"{sign} {outcome.channel} {outcome.result.value}: {text}")
        return outcome

    def _keep(self, checkout: Checkout, body: str) -> None:
        """Keep the report in the clone: what could not be delivered can be read there."""
        try:
            checkout.keep(".nx-report/comment.md", body)
        except OSError as error:
            self._print(f"! .nx-report/comment.md could not be written ({error.strerror}); the report goes on")

    def _exit_code(self, options: Settings | None, summary: Summary | None, *, delivered: bool) -> int:
        fail_on = options.fail_on if options else frozenset()
        if FailOn.DELIVERY_ERRORS in fail_on and not delivered:
            return _ASKED_FOR
        failed = summary is not None and summary.answer.failed
        return _ASKED_FOR if FailOn.FAILED_TASKS in fail_on and failed else _OK

    # --- what is said -------------------------------------------------------------------------------------------------

    def _print(self, text: str) -> None:
        self.say(self.redactor.text(text))

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
    urls = (options.run_url, options.cloud_api)
    return frozenset(urlsplit(url).netloc.lower() for url in urls if url)


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
