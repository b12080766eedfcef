"""What is written where, until it is right, and what came of it.

A `Publisher` carries a `Publication` through: it makes its calls, those of a round at once, waits between them, and
keeps what fails of one thing from the others.
"""

from __future__ import annotations

import random
from dataclasses import replace
from enum import Enum
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from pipe.bitbucket.errors import (
    TRY_AGAIN,
    AnswerLost,
    BitbucketError,
    Forbidden,
    MissingScope,
    NotFound,
    Nowhere,
    Unauthorized,
    Unavailable,
)
from pipe.model import BuildState
from pipe.protocol import (
    PROMISE,
    SETTLE,
    Body,
    Call,
    Head,
    Pause,
    Phase,
    Publication,
    Refusal,
    Shown,
    Telling,
    Verb,
    alike,
    holds,
)
from pipe.render import step_report
from pipe.render.marker import Known, Marker, find, sign
from pipe.render.text import count
from pipe.steps import newest_builds, removable, rerun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pipe.bitbucket import Bitbucket
    from pipe.build import Build, Pages
    from pipe.clock import Clock
    from pipe.model import Comment, PullRequest
    from pipe.render.annotations import Made
    from pipe.render.step_report import Scope
    from pipe.steps import StepReport

# Seconds. A rerun of a round waits longer each time, so that steps that get in each other's way come apart.
_PAUSES = {Pause.SETTLE: SETTLE / 1000, Pause.PROMISE: PROMISE / 1000, Pause.HEAD: 3.0}
_LONGEST_PAUSE = 16.0
_JITTER = 0.5
_LAST_WORDS = 1.0
# Of the time: by when the record is put, and by when the comment is written; the rest is the build status's.
_RECORD_SHARE, _COMMENT_SHARE = 0.3, 0.7
# A clock may be ahead of ours by so many milliseconds before what it says is nonsense.
_SKEW = 300_000
_TIME_TO_PROMISE = 30.0
_MOST_LOST = 4  # answers to making a comment
_EMPTIED = "This report goes on in an older comment."
_OF_COMMENT = (Verb.HEAD, Verb.COMMENTS, Verb.CREATE, Verb.UPDATE, Verb.DELETE, Verb.EMPTY)


class Result(Enum):
    """What came of a channel."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    LEFT = "left"
    FAILED = "failed"


class Outcome(NamedTuple):
    """What came of writing one thing; `text` says it in a line, with the link, the reason or what to do."""

    channel: str
    result: Result
    text: str


class Chosen(NamedTuple):
    """The pull request to write on, with what to say of the choice; else why there is none.

    `found` is there where it had to be looked for.
    """

    number: int | None
    why: str = ""
    found: PullRequest | None = None


def find_pull_request(bitbucket: Bitbucket, build: Build, wanted: int | Literal["auto"] | None) -> Chosen:
    """Choose the pull request to write on.

    `wanted` is the number or `auto` of the user's setting; otherwise the build knows its pull request, or has none.
    Raises BitbucketError.
    """
    number = wanted if isinstance(wanted, int) else build.pull_request
    if number is not None:
        return Chosen(number)
    if wanted is None:
        why = (
            "this pipeline is not of a pull request. Set PULL_REQUEST_ID to its number, or to auto for the open pull "
            "request of the branch"
        )
        return Chosen(None, why)
    found = bitbucket.open_pull_requests(build.branch, build.commit)
    of = f"branch {build.branch}" if build.branch else f"commit {build.commit[:12]}"
    if not found:
        return Chosen(None, f"{of} has no open pull request")
    here = [one for one in found if one.head and build.commit and alike(one.head, build.commit)]
    chosen = (here or found)[0]
    if len(found) == 1:
        return Chosen(chosen.id, "", chosen)
    numbers = ", ".join(str(one.id) for one in found)
    why = "the one at this commit" if len(here) == 1 else "the newest at this commit" if here else "the newest"
    why = f"{of} has several open pull requests ({numbers}): {chosen.id} is {why}"
    return Chosen(chosen.id, why, chosen)


# --- where records are kept -------------------------------------------------------------------------------------------


class Records(Protocol):
    """Where each step's word is kept so that every step can read it. All raise BitbucketError."""

    def put(self, commit: str, one: StepReport) -> bool | None:
        """Keep a record, over the one of the same key; whether there was one, None where that is not known."""

    def list(self, commit: str) -> tuple[StepReport, ...]:
        """All records of a commit."""

    def remove(self, commit: str, one: StepReport) -> None:
        """Remove a record that no longer counts."""


class _Kept(NamedTuple):
    """What the kinds of records share: whose they are, and which links in them are taken."""

    bitbucket: Bitbucket
    scope: Scope
    pages: Pages
    trusted: Callable[[str], bool]


class ReportRecords(_Kept):
    """Records as Code Insights reports."""

    def put(self, commit: str, one: StepReport) -> bool | None:
        """Keep a record, over the one of the same key; whether there was one."""
        return self.bitbucket.put_report(commit, step_report.report(one, self.scope))

    def list(self, commit: str) -> tuple[StepReport, ...]:
        """All records of a commit."""
        found = (
            step_report.read(report, self.scope, self.pages, self.trusted) for report in self.bitbucket.reports(commit)
        )
        return tuple(filter(None, found))

    def remove(self, commit: str, one: StepReport) -> None:
        """Delete a record."""
        self.bitbucket.delete_report(commit, step_report.key(one, self.scope))


class StatusRecords(_Kept):
    """Records as build statuses, one for each step: without lines, and they can't be deleted."""

    def put(self, commit: str, one: StepReport) -> None:
        """Keep a record, over the one of the same key."""
        self.bitbucket.set_build_status(commit, step_report.status(one, self.scope, self.pages))

    def list(self, commit: str) -> tuple[StepReport, ...]:
        """All records of a commit."""
        found = (
            step_report.read_status(status, self.scope, self.pages) for status in self.bitbucket.build_statuses(commit)
        )
        return tuple(filter(None, found))

    def remove(self, commit: str, one: StepReport) -> None:
        """Take its state away from a record that no longer counts: a red one would still block a merge."""
        status = step_report.status(one, self.scope, self.pages)
        self.bitbucket.set_build_status(commit, replace(status, state=BuildState.SUCCESSFUL))


class NoRecords(NamedTuple):
    """Nothing is kept: each step knows of itself alone."""

    def put(self, commit: str, one: StepReport) -> None:
        """Do nothing."""

    def list(self, commit: str) -> tuple[StepReport, ...]:  # noqa: ARG002
        """Give nothing."""
        return ()

    def remove(self, commit: str, one: StepReport) -> None:
        """Do nothing."""


# --- the publisher ----------------------------------------------------------------------------------------------------


class Target(NamedTuple):
    """The pull request to comment on. `is_ancestor` tells whether the clone holds a commit: it is older, then."""

    number: int
    is_ancestor: Callable[[str], bool]


class Voice(Protocol):
    """Where lines for the log go, and faults of this pipe."""

    def say(self, text: str) -> None:
        """Print a line."""

    def say_fault(self, error: Exception) -> None:
        """Print that this pipe is at fault."""


class Teller(Telling, Protocol):
    """How reports are told, and become what is written; `nothing` says why there may be nothing to comment on."""

    report_id: str
    status_key: str
    nothing: str

    def text(self, body: Body, known: Known | None, now: int) -> str:
        """The comment's text, without its marker."""

    def known(self, body: Body, known: Known | None) -> Known | None:
        """The last known result after this comment, given the one before it."""


class Publisher:
    """Writes reports until they are right, or the time is over.

    `end` is in the clock's monotonic seconds. After `run` the publication has come to `at`, and `outcomes` says what
    became of comment and build status.
    """

    def __init__(
        self,
        bitbucket: Bitbucket,
        records: Iterable[Records],
        target: Target | None,
        teller: Teller,
        clock: Clock,
        end: float,
        voice: Voice,
    ) -> None:
        """Take everything; `records` are tried in turn where one is refused."""
        self._bitbucket = bitbucket
        self._kinds = iter(records)
        self._records: Records = next(self._kinds)
        self._target, self._teller, self._clock, self._voice = target, teller, clock, voice
        start = clock.monotonic()
        self._end = end - _LAST_WORDS
        self._comment_end = start + (self._end - start) * _COMMENT_SHARE
        self._known: dict[int, tuple[Comment, Marker]] = {}
        self._full: dict[str, str] = {}
        self._done: list[Verb] = []
        self._url, self._unless = "", ""
        self._errors: dict[str, Exception] = {}
        self._rounds, self._lost = 0, 0
        # By its key, whether a record was there before this process put it; None where that is not known.
        self._existed: dict[object, bool | None] = {}
        self.at: Publication
        self.in_time = True

    def run(self, at: Publication) -> None:
        """Carry a publication through."""
        self.at = at
        while not self.at.ended:
            if not self._wait(self.at.pause):
                self.in_time = False
                return
            calls = self.at.calls
            answers = [self._settled(call, answer) for call, answer in zip(calls, self._at_once(calls), strict=True)]
            self.at = self._after(answers)
        self._leave_hint()

    def _leave_hint(self) -> None:
        """Put on record where the comment is, for the steps to come, where it takes long to find."""
        hint = self._bitbucket.hint(self._target.number) if self._target else ""
        mine = self.at.reports[0]
        if (
            hint
            and holds(self.at.counted, mine)
            and isinstance(self._records, ReportRecords)
            and Verb.COMMENTS in self._done
        ):
            try:
                self._with(self._bitbucket.until(self._end)).put(self.at.commit, mine._replace(hint=hint))
            except BitbucketError as error:
                self._voice.say(f"! {error}. Other steps look for the comment by themselves")

    def _after(self, answers: list[object]) -> Publication:
        """What follows, also from what failed for good."""
        failed = {
            call.verb: answer
            for call, answer in zip(self.at.calls, answers, strict=True)
            if isinstance(answer, Exception)
        }
        for error in failed.values():
            if isinstance(error, Unauthorized):
                self._errors = {"Comment": error, "Build status": error}
                return self.at.given_up()
        if Verb.PUT in failed or Verb.RECORDS in failed:
            return self._without_records(failed.get(Verb.PUT) or failed[Verb.RECORDS])
        for verb in _OF_COMMENT:
            if verb in failed:
                self._errors["Comment"] = failed[verb]
                return self.at.without_comments()
        return self.at.advance(answers, self._teller, self._now())

    def _without_records(self, error: Exception) -> Publication:
        """Begin anew with the next kind of records where this one is refused, else leave what can't be known."""
        if isinstance(error, Nowhere):
            self._records = NoRecords()  # build statuses would have no place either
        elif isinstance(error, Forbidden | NotFound):
            self._records = next(self._kinds, NoRecords())
        elif self.at.alone:
            self._records = NoRecords()
        else:
            # What the other steps have said can't be read: to write all the same would lose it.
            self._errors = {"Comment": error, "Build status": error}
            return self.at.given_up()
        if isinstance(self._records, StatusRecords):
            self._voice.say(
                f"! {error}. Build statuses take the place of Code Insights reports: each step gets one, without lines"
            )
        else:
            self._voice.say(
                f"! {error}. Other steps of this build are not seen, and parallel ones overwrite each other"
            )
        return Publication.begin(self.at.reports, self.at.commit, comments=self.at.comments)

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _wait(self, pause: Pause) -> bool:
        """Wait, a bit longer each time; False where there is no time left for it."""
        end = self._comment_end if self.at.comments else self._end
        if pause is Pause.NONE:
            return True
        seconds = min(_PAUSES[pause] * 1.5 ** max(0, self._rounds - 1), _LONGEST_PAUSE)
        seconds = max(seconds, _PAUSES[pause]) * (1 + random.random() * _JITTER)  # noqa: S311 - no secret
        self._rounds += 1
        if self._clock.monotonic() + seconds >= end:
            return False
        self._clock.sleep(seconds)
        return True

    # --- calls --------------------------------------------------------------------------------------------------------

    def _at_once(self, calls: tuple[Call, ...]) -> list[object]:
        """Make all calls at once; an answer that does not end in time is given up, its thread left behind."""
        answers: list[object] = [None] * len(calls)
        silent = object()

        def make(at: int) -> None:
            try:
                answers[at] = self._make(calls[at])
            except Exception as error:  # noqa: BLE001 - the main thread decides
                answers[at] = error

        threads = []
        for at in range(len(calls)):
            answers[at] = silent
            threads.append(Thread(target=make, args=(at,), daemon=True))
            threads[-1].start()
        for at, thread in enumerate(threads):
            thread.join(max(0.01, self._deadline(calls[at].verb) + _LAST_WORDS / 2 - self._clock.monotonic()))
            if answers[at] is silent:
                answers[at] = Unavailable("Bitbucket's answer did not end in time. Raise TIMEOUT, or try again")
        return answers

    def _deadline(self, verb: Verb) -> float:
        if verb is Verb.PUT:
            now = self._clock.monotonic()
            return now + (self._end - now) * _RECORD_SHARE
        return self._comment_end if verb in _OF_COMMENT else self._end

    def _make(self, call: Call) -> object:
        bitbucket = self._bitbucket.until(self._deadline(call.verb))
        subject: Any = call.subject
        commit = self.at.commit
        match call.verb:
            case Verb.PUT:
                existed = self._with(bitbucket).put(commit, subject)
                self._existed.setdefault(subject.key, existed)
            case Verb.RECORDS:
                return self._with(bitbucket).list(self._full.get(subject, subject))
            case Verb.REMOVE:
                self._with(bitbucket).remove(commit, subject)
            case Verb.STATUS:
                return bitbucket.build_status(commit, self._teller.status_key)
            case Verb.SET_STATUS:
                bitbucket.set_build_status(commit, subject)
            case _:
                return self._make_of_comment(call.verb, subject, bitbucket)
        return None

    def _with(self, bitbucket: Bitbucket) -> Records:
        records = self._records
        return records._replace(bitbucket=bitbucket) if isinstance(records, _Kept) else records

    def _make_of_comment(self, verb: Verb, subject: Any, bitbucket: Bitbucket) -> object:  # noqa: ANN401
        target = self._target
        if target is None:
            raise RuntimeError("no comment without a pull request")
        match verb:
            case Verb.HEAD:
                return self._head(bitbucket.pull_request(target.number), target, bitbucket)
            case Verb.COMMENTS:
                return self._comments(bitbucket.comments(target.number, self._is_ours, self._hint))
            case Verb.DELETE:
                bitbucket.delete_comment(target.number, self._known[subject][0])
                return None
            case Verb.EMPTY:
                return bitbucket.update_comment(target.number, self._known[subject][0], _EMPTIED)
        now = self._now()
        there = self._known.get(subject.id)
        known = there[1].known if there else None
        marker = Marker(
            self._teller.report_id,
            subject.reports[0].build,
            subject.commit,
            str(self._teller.digest(subject.commit, subject.reports, now)),
            subject.rich,
            now,
            # Near the end of the time nobody can promise to look again.
            subject.until if self._comment_end - self._clock.monotonic() > _TIME_TO_PROMISE else 0,
            self._teller.known(subject, known),
            subject.reports[0].job,
        )
        text = sign(self._teller.text(subject, known, now), marker)
        if there is None:
            made = bitbucket.create_comment(target.number, text)
        else:
            made = bitbucket.update_comment(target.number, there[0], text)
        self._url = made.url or self._url
        return self._shown(made, marker, intact=True)

    def _head(self, pull_request: PullRequest, target: Target, bitbucket: Bitbucket) -> Head:
        """The pull request's last commit; its whole hash where it is not the build's."""
        head = pull_request.head
        self._unless = "" if pull_request.open else f"pull request {pull_request.id} is {pull_request.state}"
        if not head or alike(head, self.at.commit):
            return Head(head, not self._unless)
        if head not in self._full:
            self._voice.say(f"! the pull request is at {head[:12]} by now, this build is of {self.at.commit[:12]}")
            try:
                self._full[head] = bitbucket.full_hash(head)
            except NotFound:
                self._full[head] = head
        return Head(self._full[head], not self._unless, target.is_ancestor(head))

    def _is_ours(self, text: str) -> bool:
        return find(text, self._teller.report_id) is not None

    def _hint(self) -> str:
        """What another step has put on record of where the comment is, "" where none has or that cannot be read."""
        try:
            said = self._with(self._bitbucket.until(self._comment_end)).list(self.at.commit)
        except BitbucketError:
            return ""
        return next((one.hint for one in sorted(said, key=lambda one: -one.at) if one.hint), "")

    def _comments(self, comments: list[Comment]) -> tuple[Shown, ...]:
        shown = []
        for one in comments:
            if found := find(one.body, self._teller.report_id):
                self._known[one.id] = one, found[0]
                shown.append(self._shown(one, found[0], intact=found[1]))
        return tuple(shown)

    def _shown(self, one: Comment, marker: Marker, *, intact: bool) -> Shown:
        now = self._now()
        # A promise by a clock that is ahead of ours says nothing of when its writer looks again.
        until = min(marker.until, now + PROMISE) if marker.at <= now + SETTLE else 0
        return Shown(
            one.id,
            one.author,
            marker.commit,
            marker.build,
            marker.of,
            intact,
            marker.rich,
            min(marker.at, now + _SKEW),
            until,
            marker.job,
        )

    def _settled(self, call: Call, answer: object) -> object:
        """An answer, also where an error is one that the publication knows what to do about."""
        verb = call.verb
        if not isinstance(answer, Exception):
            self._done.append(verb)
            return answer
        if not isinstance(answer, BitbucketError):
            self._voice.say_fault(answer)
            answer = BitbucketError("by a fault of this pipe")
        if verb in (Verb.STATUS, Verb.SET_STATUS):
            self._errors["Build status"] = answer
            self.at = self.at._replace(status_refused=True)
            return Refusal.REFUSED if verb is Verb.SET_STATUS else None
        if verb in (Verb.EMPTY, Verb.REMOVE):
            self._voice.say(f"! {answer}. It is left as it is")
        if verb is Verb.PUT and not isinstance(answer, Forbidden | NotFound | Unauthorized):
            self._voice.say(f"! {answer}. Other steps don't see this one until its record is kept")
            return None
        refused = verb is Verb.UPDATE and isinstance(answer, Forbidden | NotFound)
        if (refused and not isinstance(answer, MissingScope)) or verb in (Verb.DELETE, Verb.EMPTY, Verb.REMOVE):
            return Refusal.REFUSED
        if verb is Verb.CREATE and isinstance(answer, AnswerLost):
            self._lost += 1
            unknown = Unavailable(f"Bitbucket did not answer, so it may or may not be there. {TRY_AGAIN}")
            return Refusal.LOST if self._lost < _MOST_LOST else unknown
        return () if verb is Verb.RECORDS and self.at.phase is Phase.HEAD else answer

    # --- annotations --------------------------------------------------------------------------------------------------

    def annotate(self, one: StepReport, made: Made) -> Outcome | None:
        """Give the step's Code Insights report these annotations; None where there is nothing to do or to say.

        They come last: nobody reads them back, and nothing waits for them.
        """
        records = self._records
        if not isinstance(records, ReportRecords) or one.key not in self._existed:
            text = "they need a Code Insights report, which could not be kept"
            return Outcome("Annotations", Result.SKIPPED, text) if made.annotations else None
        records = records._replace(bitbucket=self._bitbucket.until(self._end))
        return _annotated(records, self.at.commit, one, made, existed=self._existed[one.key])

    # --- what came of it ----------------------------------------------------------------------------------------------

    def comment(self) -> Outcome:
        """What became of the comment."""
        written = Verb.CREATE in self._done or Verb.UPDATE in self._done
        if (error := self._errors.get("Comment")) and not written:
            return Outcome("Comment", Result.FAILED, str(error))
        refused = sorted(self.at.refused)
        elsewhere = (
            f" (an earlier one belongs to another account or token: {self._known[refused[0]][0].url})"
            if refused
            else ""
        )
        extra = self._done.count(Verb.DELETE)
        deleted = f", {extra} of the same deleted," if extra else ""
        standing = self._standing()
        created = Verb.CREATE in self._done or self._lost
        if created or Verb.UPDATE in self._done:
            word = "created" if created else "updated"
            url = self._url or standing[0]
            return Outcome("Comment", Result.WRITTEN, f"{word}{deleted}{elsewhere} {url}{self._last_word()}")
        if self.at.phase is Phase.LEFT:
            return Outcome("Comment", Result.LEFT, f"to the step that reports last, which sees all {standing[0]}")
        if standing and (newer := self._newer()):
            return Outcome("Comment", Result.SKIPPED, f"it shows {newer}: {standing[0]}")
        if standing:
            return Outcome("Comment", Result.UNCHANGED, f"up to date already{deleted} {standing[0]}{self._last_word()}")
        reason = self._unless or self._teller.nothing
        return Outcome("Comment", Result.SKIPPED, f"{reason}, and there is no earlier one to bring up to date")

    @property
    def comment_url(self) -> str | None:
        """The address of the comment that stands, None where there is none."""
        return self._url or next(iter(self._standing()), None)

    def _standing(self) -> list[str]:
        """The addresses of the comments that are ours to write."""
        return [self._known[one.id][0].url for one in self.at.shown if one.id not in self.at.refused]

    def build_status(self) -> Outcome:
        """What became of the build status."""
        if error := self._errors.get("Build status"):
            return Outcome("Build status", Result.FAILED, str(error))
        if self.at.phase is Phase.LEFT and Verb.SET_STATUS not in self._done:
            return Outcome("Build status", Result.LEFT, "to the step that reports last, which sees all")
        status = self._teller.status(self.at.counted, self.at.stands, self._now())
        if status is None:
            return Outcome("Build status", Result.SKIPPED, "nothing ran, and the step did not fail")
        if (newer := self._newer_build()) and Verb.SET_STATUS not in self._done:
            return Outcome("Build status", Result.SKIPPED, f"it is of {newer}")
        text = f"{status.state.value} on {self.at.commit[:12]}: {status.description}"
        result = Result.WRITTEN if Verb.SET_STATUS in self._done else Result.UNCHANGED
        if result is Result.UNCHANGED and not self.in_time and status != self.at.stands:
            return Outcome("Build status", Result.FAILED, "TIMEOUT was reached before it could be written. Raise it")
        return Outcome("Build status", result, text)

    def _newer(self) -> str:
        """What the comment shows, where that is newer than this build."""
        head, commit = self.at.head.commit, self.at.commit
        if head and not alike(head, commit) and any(alike(one.commit, head) for one in self.at.shown):
            return f"the pull request's newest commit {head[:12]}, this build is of {commit[:12]}"
        return self._newer_build()

    def _newer_build(self) -> str:
        mine = self.at.reports[0]
        newest = newest_builds(self.at.counted).get(mine.job, 0)
        return f"build {newest}, which is newer than this one" if newest > mine.build else ""

    def _last_word(self) -> str:
        if error := self._errors.get("Comment"):
            return f" (another look was not possible: {error})"
        if self.at.phase is Phase.LEFT:
            return " (the last word is left to the step that reports last)"
        if not self.in_time:
            return " (TIMEOUT came before another look: a later step or `final` has the last word)"
        return ""


def report_alone(records: ReportRecords, commit: str, one: StepReport, made: Made) -> Iterator[Outcome]:
    """Keep a step's report with its annotations, and nothing else; the one that it is a rerun of goes."""
    try:
        there = records.list(commit)
        one = rerun(one, there)
        existed = records.put(commit, one)
    except BitbucketError as error:
        yield Outcome("Code Insights report", Result.FAILED, str(error))
        return
    yield Outcome("Code Insights report", Result.WRITTEN, f"on {commit[:12]}")
    if outcome := _annotated(records, commit, one, made, existed=existed):
        yield outcome
    own = [other for other in there if (other.job, other.build, other.name) == (one.job, one.build, one.name)]
    for old in removable([*own, one]):
        try:
            records.remove(commit, old)
        except BitbucketError as error:
            yield Outcome("Old Code Insights report", Result.FAILED, str(error))


def _annotated(
    records: ReportRecords, commit: str, one: StepReport, made: Made, *, existed: bool | None
) -> Outcome | None:
    """Put annotations into a step's report; None where there is nothing to do or to say."""
    key = step_report.key(one, records.scope)
    try:
        old = records.bitbucket.replace_annotations(commit, key, made.annotations, existed=existed)
    except BitbucketError as error:
        return Outcome("Annotations", Result.FAILED, str(error))
    parts = [f"{len(made.annotations):,}"]
    parts += [f"{made.left_out:,} more there was no room for"] if made.left_out else []
    parts += [f"{count(made.unread, 'log')} not looked through for more"] if made.unread else []
    parts += [f"{count(old, 'old one')} deleted"] if old else []
    return Outcome("Annotations", Result.WRITTEN, ", ".join(parts)) if made.annotations or old else None
