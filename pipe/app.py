"""The whole pipe, from the environment to the exit code, in the order of the README."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from pipe import __version__, publish, settings
from pipe import build as build_module
from pipe.bitbucket.errors import BitbucketError
from pipe.checkout import Checkout
from pipe.insights import Answer, Summary, summarise
from pipe.nx.collect import Collection, collect, nx_command
from pipe.publish import Outcome, Result
from pipe.redact import Redactor
from pipe.render import comment as render_comment
from pipe.render import status as render_status
from pipe.render.answer import SYMBOLS, answer
from pipe.settings import Mistakes, Settings
from pipe.variables import VARIABLES, CommentMode, FailOn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from pipe.bitbucket import Bitbucket
    from pipe.build import Build
    from pipe.clock import Clock
    from pipe.model import PullRequest
    from pipe.render.marker import Known

    Connect = Callable[[Settings, Build, Clock, Callable[[str], None]], Bitbucket]

# The share of TIMEOUT that the comment may use, so that the build status gets its turn on a server that hangs.
_COMMENT_SHARE = 0.6
# Seconds kept back for saying what happened.
_LAST_WORDS = 1.0


class _OutOfTime(BaseException):
    """TIMEOUT is over; not an Exception, so that nothing on the way takes it for its own."""


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
        """Run it all; return the exit code."""
        options: Settings | None = None
        try:
            options, build, checkout = self._where()
            return self._report(options, build, checkout)
        except Mistakes as mistakes:
            self._print(f"✗ Nx Report {__version__} cannot start. Mistakes in its variables: {len(mistakes.lines)}.")
            for line in mistakes.lines:
                self._print(f"  - {line}")
            return 1
        except _OutOfTime:
            self._print("✗ Nx Report stopped at TIMEOUT. Raise it, or set DEBUG: 'true' to see what takes long.")
            return self._exit_code(options, None, delivered=False)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not look like one of the build
            if options is not None and options.debug:
                import traceback  # noqa: PLC0415

                self._print(traceback.format_exc())
            self._print(
                f"✗ Nx Report failed by a fault of its own ({type(error).__name__}). The step's result stands. "
                "Set DEBUG: 'true' to see where, and report it."
            )
            return self._exit_code(options, None, delivered=False)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    # --- the way of a report ------------------------------------------------------------------------------------------

    def _where(self) -> tuple[Settings, Build, Checkout]:
        """Read the settings and the build; every mistake of both is told together."""
        mistakes: list[str] = []
        options = Settings()
        try:
            options = settings.read(self.environ)
        except Mistakes as found:
            mistakes += found.lines
        build, problems = build_module.read(self.environ, self.working_directory)
        checkout = Checkout(build.clone_dir)
        if not os.path.isdir(checkout.root):  # noqa: PTH112
            mistakes.append(f"BITBUCKET_CLONE_DIR {checkout.root!r} is no folder here: the clone is not mounted")
        for name, base in (("WORKSPACE_DIR", self.working_directory), ("NX_CACHE_DIRECTORY", checkout.root)):
            given = self.environ.get(name, "").strip()
            if given and not given.startswith("$") and checkout.inside(given, base) is None:
                mistakes.append(f"{name} {given[:60]!r} lies outside the clone directory {checkout.root}")
        if mistakes or problems:
            raise Mistakes([*mistakes, *problems])
        return options, build, checkout

    def _report(self, options: Settings, build: Build, checkout: Checkout) -> int:
        end = self.clock.monotonic() + options.timeout - _LAST_WORDS
        self._stop_at(end)
        debug = self._debug if options.debug else _nothing
        for note in options.notes:
            self._print(f"! {note}")
        found = collect(checkout, options, self.working_directory, _hosts(self.environ), debug)
        summary = summarise([self.redactor.run(run, checkout.root) for run in found.runs], build.exit_code)
        frame = self._frame(options, build, found, checkout)
        self._print_found(options, build, found, summary)
        if options.dry_run:
            return self._rehearse(options, summary, frame)
        self._keep(checkout, self._body(summary, frame, None))
        bitbucket = self.connect(options, build, self.clock, debug)
        bitbucket.deadline = self.clock.monotonic() + (end - self.clock.monotonic()) * _COMMENT_SHARE
        self._stop_at(bitbucket.deadline + _LAST_WORDS)
        number = _number(options, build)
        try:
            frame = replace(frame, commit=self._full_hash(frame.commit, bitbucket))
            pull_request, why = None, "COMMENT is never"
            if options.comment is not CommentMode.NEVER:
                pull_request, why = publish.find_pull_request(bitbucket, build, options.pull_request)
            if pull_request is None:
                outcome = Outcome("Comment", Result.SKIPPED, why)
            else:
                if why:
                    self._print(f"! {why}")
                number = pull_request.id
                build = _on_branch(build, pull_request)
                outcome = self._comment(options, summary, frame, bitbucket, pull_request)
        except BitbucketError as error:
            outcome = Outcome("Comment", Result.FAILED, str(error))
        except _OutOfTime:
            outcome = Outcome(
                "Comment", Result.FAILED, "Bitbucket's answer did not end in time. Raise TIMEOUT, or try again"
            )
        self._done(outcome)
        bitbucket.deadline = end - _LAST_WORDS
        self._stop_at(end)
        status = render_status.render(summary, build, options.title, options.report_id, number)
        if status is None:
            self._done(Outcome("Build status", Result.SKIPPED, "nothing ran, and the step did not fail"))
        elif outcome.superseded:
            self._done(Outcome("Build status", Result.SKIPPED, "a newer build of this commit has reported"))
        else:
            self._done(publish.build_status(bitbucket, frame.commit, status))
        delivered = all(one.result is not Result.FAILED for one in self.outcomes)
        return self._exit_code(options, summary, delivered=delivered)

    def _stop_at(self, moment: float) -> float:
        """Have a signal stop what runs then: the timeout of a read does not end an answer that comes byte by byte."""
        signal.signal(signal.SIGALRM, _out_of_time)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, moment - self.clock.monotonic()))
        return moment

    def _full_hash(self, commit: str, bitbucket: Bitbucket) -> str:
        """The commit's whole hash, asked of Bitbucket where the clone does not hold it, else as it is."""
        if len(commit) == 40:  # noqa: PLR2004
            return commit
        try:
            return bitbucket.full_hash(commit)
        except BitbucketError as error:
            self._print(f"! {error}. The abbreviated hash is used.")
            return commit

    def _frame(self, options: Settings, build: Build, found: Collection, checkout: Checkout) -> render_comment.Frame:
        folder = checkout.name(found.workspace)
        return render_comment.Frame(
            build=build,
            commit=checkout.full_hash(build.commit) or build.commit,
            report_id=options.report_id,
            title=options.title,
            step_name=self.redactor.text(options.step_name) if options.step_name else None,
            nx=nx_command(found.workspace),
            folder="" if folder == "." else self.redactor.text(folder),
            last_run_only=found.last_run_only,
            looked_in=tuple(map(self.redactor.text, found.looked_in)),
            ignored=tuple(map(self.redactor.text, found.ignored)),
            hints=found.hints,
        )

    def _comment(
        self,
        options: Settings,
        summary: Summary,
        frame: render_comment.Frame,
        bitbucket: Bitbucket,
        pull_request: PullRequest,
    ) -> Outcome:
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

    def _body(self, summary: Summary, frame: render_comment.Frame, known: Known | None) -> str:
        return render_comment.render(summary, frame, self.clock.now(), known)

    # --- what is said -------------------------------------------------------------------------------------------------

    def _print(self, text: str) -> None:
        self.say(self.redactor.text(text))

    def _debug(self, text: str) -> None:
        self._print(f"  · {text}")

    def _done(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        sign = {Result.FAILED: "✗", Result.SKIPPED: "–"}.get(outcome.result, "✓")
        self._print(f"{sign} {outcome.channel} {outcome.result.value}: {outcome.text}")

    def _print_found(self, options: Settings, build: Build, found: Collection, summary: Summary) -> None:
        number = _number(options, build)
        where = f"pull request {number}" if number else f"branch {build.branch}" if build.branch else f"tag {build.tag}"
        self._print(
            f"Nx Report {__version__} · {build.workspace}/{build.repository} · {where} · build {build.number} · "
            f"commit {build.commit[:12]}"
        )
        head, rest = answer(summary, str, 20)
        self._print(f"{SYMBOLS[summary.answer]} {head}{rest}")
        for run in summary.runs:
            self._print(f"  run: {render_comment.label(run)} ({', '.join(run.sources)})")
        if not summary.runs:
            self._print(f"  looked in: {', '.join(found.looked_in)}")
        for line in found.ignored:
            self._print(f"  ignored: {line}")
        for line in (*found.notes, *found.hints):
            self._print(f"  ! {line}")
        if self.redactor.count:
            self._print(
                f"  ! {self.redactor.count} secret{'s' * (self.redactor.count > 1)} replaced in what is published"
            )

    def _rehearse(self, options: Settings, summary: Summary, frame: render_comment.Frame) -> int:
        """DRY_RUN: print what would be written."""
        self._print("DRY_RUN: nothing is written. The comment would be:\n")
        self._print(self._body(summary, frame, None))
        number = _number(options, frame.build)
        if status := render_status.render(summary, frame.build, options.title, options.report_id, number):
            self._print(
                f"The build status would be {status.state.value}: {status.name}: {status.description} {status.url}"
            )
        return self._exit_code(options, summary, delivered=True)

    def _exit_code(self, options: Settings | None, summary: Summary | None, *, delivered: bool) -> int:
        fail_on = options.fail_on if options else frozenset()
        if FailOn.DELIVERY_ERRORS in fail_on and not delivered:
            return 1
        return int(FailOn.FAILED_TASKS in fail_on and summary is not None and summary.answer.failed)

    def _keep(self, checkout: Checkout, body: str) -> None:
        """Keep the report in the clone: what could not be delivered can be read there."""
        try:
            checkout.keep(".nx-report/comment.md", body)
        except OSError as error:
            self._print(f"! .nx-report/comment.md could not be written ({error.strerror}); the report goes on")


def _known_secrets(environ: Mapping[str, str]) -> list[str]:
    return [environ[one.name].strip() for one in VARIABLES if one.secret and environ.get(one.name, "").strip()]


def _hosts(environ: Mapping[str, str]) -> frozenset[str]:
    """Hosts whose run pages are linked besides Nx Cloud's own: the one of the run that is named by hand."""
    url = environ.get("NX_RUN_URL", "")
    return frozenset({url.split("/")[2]} if url.count("/") > 2 else ())  # noqa: PLR2004


def _number(options: Settings, build: Build) -> int | None:
    return options.pull_request if isinstance(options.pull_request, int) else build.pull_request


def _on_branch(build: Build, pull_request: PullRequest | None) -> Build:
    """The build, on its pull request's source branch where no variable names one."""
    return build if build.branch or build.tag or not pull_request else replace(build, branch=pull_request.branch)


def _nothing(_: str) -> None:
    """Say nothing."""


def _out_of_time(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _OutOfTime


def connect(options: Settings, build: Build, clock: Clock, debug: Callable[[str], None]) -> Bitbucket:
    """Make the adapter of the build's host."""
    from pipe.bitbucket.cloud import Cloud  # noqa: PLC0415 - a dry run needs no HTTP
    from pipe.bitbucket.http import Http  # noqa: PLC0415

    if options.credential is None:
        raise RuntimeError("settings let no run without a credential through")
    return Cloud(Http(options.api_url, options.credential, clock, debug), build.workspace, build.repository)


def main() -> int:
    """Run the pipe in this process's environment."""
    from pipe.clock import Clock  # noqa: PLC0415

    # Pipelines' log is UTF-8, whatever the container's locale.
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    return Pipe(
        environ=os.environ,
        working_directory=os.getcwd(),  # noqa: PTH109
        clock=Clock(),
        say=lambda line: print(line, flush=True),  # noqa: T201
        connect=connect,
    ).run()
