"""One comment, many steps: what to ask of Bitbucket next, given what came back. Pure.

Bitbucket has no conditional write, so steps that read, merge and write lose each other's part. Here each step writes a
record of its own, then reads all records, and writes what they add up to until a later look finds nothing to write.
docs/one-comment.md tells the rules and what was proved of them: this very code is run through every interleaving of
the calls of several steps.

A `Publication` names the calls to make at once, after a pause; given their answers, it becomes the next one.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pipe.model import Stage
from pipe.steps import StepReport, Steps, counted, later, removable, rerun

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipe.model import BuildStatus

# Milliseconds. By SETTLE a write is seen by everybody: Bitbucket promises nothing, and no lag was ever reported.
# PROMISE is how long the writer of a comment that others will add to waits before it looks again.
SETTLE, PROMISE = 1_000, 5_000
# How often the pull request is asked again for my commit, and a record that is not listed written again.
WAITS, REPEATS = 3, 2
_REMOVED = 10  # records deleted at once: the next step goes on with it


class Verb(Enum):
    """What can be asked of Bitbucket."""

    PUT = "put a record"
    RECORDS = "list the records of a commit"
    COMMENTS = "list our comments"
    HEAD = "read the pull request's head"
    STATUS = "read the build status"
    CREATE = "create the comment"
    UPDATE = "update the comment"
    DELETE = "delete a comment"
    EMPTY = "empty a comment"
    SET_STATUS = "set the build status"
    REMOVE = "delete a record"


class Pause(Enum):
    """What is waited for before the calls."""

    NONE = "nothing"
    SETTLE = "my writes to be seen by everybody"
    PROMISE = "what other steps have to add"
    HEAD = "the pull request to show my commit"


class Call(NamedTuple):
    """One thing to ask, and of what: a StepReport, a commit, a comment's id, a Body, a BuildStatus."""

    verb: Verb
    subject: object = None


class Body(NamedTuple):
    """What a comment has to show: these reports of that commit, in full where the writer holds more than the records.

    `id` is the comment to update, None to create one. `until` is the moment up to which its writer promises to look
    again (milliseconds since 1970), 0 for no promise.
    """

    id: int | None
    commit: str
    reports: tuple[StepReport, ...]
    rich: bool
    until: int


class Shown(NamedTuple):
    """A comment of ours as it stands: which build of which job and commit, and the digest of what it shows.

    `intact` says that nobody has changed it since, `rich` that it shows more than the records hold, `at` when it was
    written and `until` when its writer looks again, in milliseconds since 1970.
    """

    id: int
    author: str | None
    commit: str
    build: int
    of: object
    intact: bool = True
    rich: bool = False
    at: int = 0
    until: int = 0
    job: str = ""

    def later_than(self, reports: Sequence[StepReport]) -> bool:
        """Whether it shows a later build than these reports are of: by number within a job, else by time."""
        same = [one.build for one in reports if one.job == self.job]
        return self.build > max(same) if same else self.at > max(one.at for one in reports)


class Head(NamedTuple):
    """A pull request's last commit, possibly abbreviated, "" where it is not known, and whether a comment may be made.

    `ancestor` says that my clone holds that commit, so that it is older than mine.
    """

    commit: str
    may_comment: bool = True
    ancestor: bool = False


class Refusal(Enum):
    """An answer that is none: not allowed or no longer there, or not known to have been done."""

    REFUSED = "refused"
    LOST = "lost"


class Telling(Protocol):
    """How reports are told. Whoever tells the same reports of a commit at the same time must tell the same."""

    def digest(self, commit: str, reports: tuple[StepReport, ...], now: int) -> object:
        """What tells a comment that shows these reports from any other."""

    def worth(self, reports: tuple[StepReport, ...]) -> bool:
        """Whether there is enough to tell to make a comment for it."""

    def status(self, reports: tuple[StepReport, ...], stands: BuildStatus | None, now: int) -> BuildStatus | None:
        """The build status that has to stand on the commit, given the one that does."""


class Phase(Enum):
    """Where a publication is."""

    PUT = "putting the records"
    LOOK = "looking whether it can be left to others"
    CONFIRM = "making sure that others will come"
    REST = "looking at the rest"
    ROUND = "looking at everything"
    HEAD = "looking at the head's records"
    WRITE = "writing"
    CLEAN = "deleting records that no longer count"
    DONE = "done"
    LEFT = "left to the step that reports last"


_UNNAMED = "?"  # an account that Bitbucket does not name
_NOBODY = Shown(0, None, "", 0, None)


def _id(one: Shown) -> int:
    return one.id


def alike(one: str, other: str) -> bool:
    """Whether two hashes, either of which may be abbreviated, name one commit."""
    return one.startswith(other) or other.startswith(one)


def holds(reports: Iterable[StepReport], one: StepReport) -> bool:
    """Whether that word of that step is there; what is kept of it may be less than was put."""
    return any(other.key == one.key and other.at == one.at for other in reports)


class Publication(NamedTuple):
    """A step's way to a comment and a build status that are complete, as far as it has come.

    `reports` are what it puts: its own word, and those of steps that it speaks for; what it holds of them is more than
    the records do. `commit` is theirs. Without `comments` there is the build status alone. `calls` are to be made at
    once, after `pause`; `put` says that the records were, `settled` that whatever the calls answer holds all that this
    one wrote. What was read stays until it is read anew.
    """

    reports: tuple[StepReport, ...]
    commit: str
    comments: bool = True
    phase: Phase = Phase.PUT
    pause: Pause = Pause.NONE
    calls: tuple[Call, ...] = ()
    put: bool = False
    settled: bool = False
    wrote: bool = False
    listed: tuple[StepReport, ...] = ()
    shown: tuple[Shown, ...] = ()
    head: Head = Head("")
    stands: BuildStatus | None = None
    of_head: tuple[StepReport, ...] | None = None
    me: str | None = None
    refused: frozenset[int] = frozenset()
    undeletable: frozenset[int] = frozenset()
    status_refused: bool = False
    waits: int = WAITS
    repeats: int = REPEATS

    @classmethod
    def begin(cls, reports: Sequence[StepReport], commit: str, *, comments: bool) -> Publication:
        """Begin with putting the records; a rerun first looks what it is a rerun of."""
        begun = cls(tuple(reports), commit, comments)
        if any(one.run > 1 and one.stage is not Stage.FINAL for one in reports):
            return begun._round(Pause.NONE)
        calls = tuple(Call(Verb.PUT, one) for one in reports)
        return begun._replace(put=True, calls=calls)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be asked."""
        return self.phase in (Phase.DONE, Phase.LEFT)

    @property
    def all_reports(self) -> tuple[StepReport, ...]:
        """What is known of the commit: the records, and my own where they are not listed, or as they were before."""
        there = {one.key: one for one in self.listed}
        for mine in self.reports:
            known = there.get(mine.key)
            if known is None or known.at < mine.at:
                there[mine.key] = mine
        return tuple(there.values())

    @property
    def counted(self) -> tuple[StepReport, ...]:
        """What counts of it."""
        return counted(self.all_reports)

    def without_comments(self) -> Publication:
        """The same for the build status alone."""
        return self._replace(comments=False)._round(Pause.NONE)

    @property
    def alone(self) -> bool:
        """Whether no other step is known to report."""
        return self.reports[0].stage is Stage.REPORT and not self._one_of_several()

    def given_up(self) -> Publication:
        """The end, where nothing can be asked any more."""
        return self._end(Phase.DONE)

    def advance(self, answers: Sequence[object], telling: Telling, now: int) -> Publication:
        """What follows from the answers to `calls`, in their order, at that moment (milliseconds since 1970)."""
        if self.phase is Phase.PUT:
            return self._look(Pause.NONE) if self._one_of_several() else self._round(Pause.NONE)
        if self.phase is Phase.WRITE:
            return self._written(answers)
        if self.phase is Phase.CLEAN:
            return self._replace(phase=Phase.DONE, calls=(), pause=Pause.NONE)
        if self.phase is Phase.HEAD:
            return self._replace(of_head=answers[0])._decide(telling, now)  # type: ignore[arg-type]
        read = self._read(answers)
        if self.phase is Phase.LOOK:
            return read._looked(telling, now)
        if self.phase is Phase.CONFIRM:
            if read._unfinished(now) and read._kept():
                return read._end(Phase.LEFT)
            return read._rest(Verb.COMMENTS)
        if not read.put:
            read = read._replace(reports=tuple(rerun(one, read.listed) for one in read.reports))
        return read._decide(telling, now)

    def _looked(self, telling: Telling, now: int) -> Publication:
        """What follows a first look, and one after a promise: whether others will see to it that all is told."""
        promised = self._promised(now)
        if self.wrote:
            return self._end(Phase.LEFT) if promised and self._kept() else self._rest()
        if (promised or self._told(telling, now)) and (not self._red() or self._other_red()):
            return self._next(Phase.CONFIRM, Pause.SETTLE, Verb.RECORDS)
        return self._rest()

    # --- looking ------------------------------------------------------------------------------------------------------

    def _next(self, phase: Phase, pause: Pause, *verbs: Verb) -> Publication:
        calls = tuple(Call(verb, self.commit if verb is Verb.RECORDS else None) for verb in verbs)
        settled = pause is not Pause.NONE or (self.settled and phase is not Phase.WRITE)
        return self._replace(phase=phase, pause=pause, calls=calls, settled=settled)

    def _look(self, pause: Pause) -> Publication:
        verbs = (Verb.COMMENTS, Verb.RECORDS) if self.comments else (Verb.RECORDS,)
        return self._replace(of_head=None)._next(Phase.LOOK, pause, *verbs)

    def _rest(self, *more: Verb) -> Publication:
        verbs = (*more, Verb.HEAD, Verb.STATUS) if self.comments else (Verb.STATUS,)
        return self._next(Phase.REST, Pause.NONE, *verbs)

    def _round(self, pause: Pause) -> Publication:
        verbs = (Verb.COMMENTS, Verb.HEAD, Verb.STATUS, Verb.RECORDS) if self.comments else (Verb.STATUS, Verb.RECORDS)
        return self._replace(of_head=None)._next(Phase.ROUND, pause, *verbs)

    def _read(self, answers: Sequence[object]) -> Publication:
        names = {Verb.RECORDS: "listed", Verb.COMMENTS: "shown", Verb.HEAD: "head", Verb.STATUS: "stands"}
        found = {names[call.verb]: answer for call, answer in zip(self.calls, answers, strict=True)}
        return self._replace(**found)  # type: ignore[arg-type]

    # --- whether it can be left to others -----------------------------------------------------------------------------

    def _one_of_several(self) -> bool:
        """Whether more steps are expected, so that others may bring what I have."""
        mine = self.reports[0]
        several = mine.expect > 1 or len(mine.names) > 1 or (mine.parallel is not None and mine.parallel[1] > 1)
        return several and mine.stage is not Stage.FINAL

    def _red(self) -> bool:
        return any(one.red for one in self.reports)

    def _other_red(self) -> bool:
        """Whether another step has failed: it makes the status FAILED at once, so that I need not."""
        return any(one.red and not holds(self.reports, one) for one in self.counted)

    def _unfinished(self, now: int) -> bool:
        """Whether the step whose record comes last is still to come: it sees all the others', and writes.

        Of those that only start it is the last one to start.
        """
        steps = Steps(self.counted, now)
        starting = self.reports[0].stage is Stage.START
        here = len(steps.steps) if starting else len(steps.reported)
        return not steps.closed and here < steps.expected and holds(steps.counted, self.reports[0])

    def _kept(self) -> bool:
        """Whether my records are listed as I put them, where they count."""
        return not self._missing()

    def _missing(self) -> list[StepReport]:
        """My records that count and are not listed."""
        return [one for one in self.reports if holds(self.counted, one) and not holds(self.listed, one)]

    def _promised(self, now: int) -> bool:
        """Whether the writer of the one comment will look again, late enough to see my record."""
        one = self._of_this_build(now)
        return one is not None and one.until - now >= SETTLE

    def _told(self, telling: Telling, now: int) -> bool:
        """Whether the one comment shows all that is known, my own included."""
        one = self._of_this_build(now)
        wanted = telling.digest(self.commit, self.counted, max(now, one.at)) if one else None
        return one is not None and one.of == wanted

    def _of_this_build(self, now: int) -> Shown | None:
        """The one comment, where it is of this build and more steps will add to it."""
        ours = self._ours()
        if not self.comments or len(ours) != 1 or not self._sure() or not self._unfinished(now):
            return None
        mine = self.reports[0]
        one = ours[0]
        same = one.build == mine.build or one.job != mine.job
        return one if one.intact and same and alike(one.commit, self.commit) else None

    # --- deciding -----------------------------------------------------------------------------------------------------

    def _ours(self) -> list[Shown]:
        """The comments that we can edit, as far as that is known, oldest first.

        Whose a comment is can be known of those that I have written alone. Until then it is the account of the newest
        one: a comment that was refused before has been followed by one of ours.
        """
        open_ones = [one for one in self.shown if one.id not in self.refused]
        author = self.me or max(open_ones, key=_id, default=_NOBODY).author
        return sorted((one for one in open_ones if one.author in (author, None)), key=_id)

    def _sure(self) -> bool:
        """Whether these are ours for sure: of several accounts' comments one has to be written to know."""
        return self.me is not None or len({one.author for one in self.shown if one.id not in self.refused}) <= 1

    def _decide(self, telling: Telling, now: int) -> Publication:
        """What to write, or that there is nothing to."""
        reports, commit, tell = self.counted, self.commit, self.comments
        if self.comments and self.head.commit and not alike(self.head.commit, self.commit):
            if self.of_head is None:
                return self._next_head()
            ahead = any(all(later(one, mine) for mine in reports) for one in self.of_head)
            if self.head.ancestor and not ahead and not self.wrote and self.waits:
                return self._replace(waits=self.waits - 1)._round(Pause.HEAD)
            if self.of_head:
                reports, commit = counted(self.of_head), self.head.commit
            else:
                tell = not any(alike(one.commit, self.head.commit) or one.later_than(reports) for one in self._ours())
        until = now + PROMISE if self._waits_for_others(now) else 0
        writes = [
            *(self._of_comment(telling, commit, reports, until, now) if tell else ()),
            *self._of_status(telling, now),
            *self._of_records(),
        ]
        if writes:
            return self._replace(
                phase=Phase.WRITE, pause=Pause.NONE, calls=tuple(writes), settled=False, wrote=True,
                put=True, repeats=self.repeats - (self.put and any(call.verb is Verb.PUT for call in writes)),
            )  # fmt: skip
        if not self.settled:
            return self._round(Pause.SETTLE)
        return self._clean()

    def _next_head(self) -> Publication:
        return self._replace(phase=Phase.HEAD, pause=Pause.NONE, calls=(Call(Verb.RECORDS, self.head.commit),))

    def _waits_for_others(self, now: int) -> bool:
        """Whether to look again for what others add, which a START does not wait for: its step has not begun yet."""
        if self.reports[0].stage is Stage.START:
            return False
        steps = Steps(self.counted, now)
        return not steps.closed and len(steps.reported) < steps.expected

    def _of_comment(
        self, telling: Telling, commit: str, reports: tuple[StepReport, ...], until: int, now: int
    ) -> list[Call]:
        """The calls that leave one comment of ours, showing these reports."""
        ours = self._ours()
        rich = self._is_rich(reports, now)
        if not ours:
            body = Body(None, commit, reports, rich, until)
            return [Call(Verb.CREATE, body)] if self.head.may_comment and telling.worth(reports) else []
        stays, *others = ours
        # An administrator's token could delete a person's comment with our marker: first it must be known whose it is.
        sure = self.me is not None or (self._sure() and not others)
        calls = [
            Call(Verb.EMPTY if one.id in self.undeletable else Verb.DELETE, one.id)
            for one in others
            if self.me is not None
        ]
        right = stays.intact and sure and (stays.rich or not rich)
        if not right or stays.of != telling.digest(commit, reports, max(now, stays.at)):
            calls.append(Call(Verb.UPDATE, Body(stays.id, commit, reports, rich, until)))
        return calls

    def _is_rich(self, reports: tuple[StepReport, ...], now: int) -> bool:
        """Whether I hold all there is to tell: of one step, which nobody else has to be waited for."""
        steps = Steps(reports, now)
        return len(steps.steps) == 1 and holds(self.reports, steps.steps[0]) and not steps.awaited

    def _of_status(self, telling: Telling, now: int) -> list[Call]:
        wanted = telling.status(self.counted, self.stands, now)
        return [] if wanted is None or wanted == self.stands or self.status_refused else [Call(Verb.SET_STATUS, wanted)]

    def _of_records(self) -> list[Call]:
        """My records that were lost, as when an older word of mine arrived after a newer one."""
        if not self.put:
            return [Call(Verb.PUT, one) for one in self.reports]
        if not self.settled or not self.repeats:
            return []
        return [Call(Verb.PUT, one) for one in self._missing()]

    # --- after writing ------------------------------------------------------------------------------------------------

    def _written(self, answers: Sequence[object]) -> Publication:
        """Take note of what was refused and of who I am, and look again."""
        me, refused, undeletable, status_refused = self.me, self.refused, self.undeletable, self.status_refused
        until, lost = 0, False
        for call, answer in zip(self.calls, answers, strict=True):
            no = answer is Refusal.REFUSED
            if isinstance(call.subject, Body):
                until = max(until, call.subject.until)
                lost = lost or answer is Refusal.LOST
                if isinstance(answer, Shown):
                    me = answer.author or me or _UNNAMED
                elif no and call.subject.id is not None:
                    refused |= self._of_same_author(call.subject.id)
            elif call.verb is Verb.DELETE and no:
                undeletable |= {call.subject}  # type: ignore[arg-type]
            elif call.verb is Verb.EMPTY and no:
                refused |= {call.subject}  # type: ignore[arg-type]
            elif call.verb is Verb.SET_STATUS and no:
                status_refused = True
        after = self._replace(me=me, refused=refused, undeletable=undeletable, status_refused=status_refused)
        # Of a call whose answer was lost nobody knows when it is carried out.
        if self.me is None and me is not None and len(self._ours()) > 1:
            # The others can be deleted now, and as long as they stand nobody can leave.
            return after._round(Pause.NONE)
        if until and self._one_of_several():
            return after._look(Pause.PROMISE)
        return after._round(Pause.PROMISE if until or lost else Pause.SETTLE)

    def _of_same_author(self, comment: int) -> frozenset[int]:
        author = next((one.author for one in self.shown if one.id == comment), None)
        return frozenset({comment, *(one.id for one in self.shown if author is not None and one.author == author)})

    def _clean(self) -> Publication:
        superseded = removable(self.listed)[:_REMOVED]
        if not superseded:
            return self._end(Phase.DONE)
        calls = tuple(Call(Verb.REMOVE, one) for one in superseded)
        return self._replace(phase=Phase.CLEAN, pause=Pause.NONE, calls=calls)

    def _end(self, phase: Phase) -> Publication:
        return self._replace(phase=phase, pause=Pause.NONE, calls=())
