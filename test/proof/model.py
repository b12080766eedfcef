"""A model of Bitbucket with a few steps at work on it: from one state, every state that can come next.

What is modelled is what can go wrong between the calls of several processes: each call is carried out at once, at any
moment, in any order with those of the others. Reads may lag. Any process may die at any moment: a dead one is one that
does nothing more, so that every state is also one in which those who have not ended are dead.

To keep the number of states small without leaving a behaviour out: a read commutes with everything but a write to what
it reads. So a process reads just before its own next write, or just before somebody else's write to what it reads.
Where reads lag, the second is needed only for the version that no read shows after that write. What a process does
between its calls is its own affair, and done at once. `every_read` walks without all this, to compare.

A state is a tuple of numbers, which are looked up in `Interned`: it is hashed millions of times. Those numbers stand
for the versions of each thing, then for each process, then come the head's moves and the number of the newest comment,
and last who wrote since the last finisher's final round began, a bit for each process.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from pipe.protocol import Body, Call, Head, Pause, Phase, Publication, Refusal, Shown, Verb
from pipe.steps import StepReport, Steps, counted

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator

COMMITS = ("a" * 40, "b" * 40)
OURS, OTHERS = "{ours}", "{others}"
World = tuple[int, ...]
Relied = tuple[tuple[int, tuple[int, ...]], ...]

_FAR = 10**9
_READS = {Verb.RECORDS, Verb.COMMENTS, Verb.HEAD, Verb.STATUS}
_WRITTEN = {
    Verb.PUT: Verb.RECORDS,
    Verb.REMOVE: Verb.RECORDS,
    Verb.CREATE: Verb.COMMENTS,
    Verb.UPDATE: Verb.COMMENTS,
    Verb.DELETE: Verb.COMMENTS,
    Verb.EMPTY: Verb.COMMENTS,
    Verb.SET_STATUS: Verb.STATUS,
}
_PENDING, _NOBODY, _HEAD_MOVES = -1, -1, 1 << 30
_COMMENTS, _HEAD = 0, 1  # things; the records and the status of each commit follow
_BEGIN = (Phase.LOOK, Phase.CONFIRM, Phase.ROUND)  # phases that read the records anew
_LOCAL = 100  # phases without a write of a process on its own; more of them never end


class Told:
    """How reports are told in the model: as themselves."""

    @staticmethod
    def digest(commit: str, reports: tuple[StepReport, ...], now: int) -> object:  # noqa: ARG004
        """Give the commit and the reports."""
        return (commit, reports)

    @staticmethod
    def worth(reports: tuple[StepReport, ...]) -> bool:  # noqa: ARG004
        """Say yes."""
        return True

    @staticmethod
    @lru_cache(None)
    def status(reports: tuple[StepReport, ...], stands: object, now: int) -> object:  # noqa: ARG004
        """Give the state and the reports."""
        steps = Steps(reports, 0)
        state = "FAILED" if steps.red else "SUCCESSFUL" if steps.complete else "INPROGRESS"
        return (state, reports)


class ToldWithoutStatus:
    """The same where no build status is written."""

    digest, worth = Told.digest, Told.worth

    @staticmethod
    def status(reports: tuple[StepReport, ...], stands: object, now: int) -> object:  # noqa: ARG004
        """Want none."""
        return None


class Comment(NamedTuple):
    """A comment in the model: whose it is, what it shows, and who wrote it last, with a promise or without."""

    id: int
    author: str
    commit: str
    build: int
    of: object
    rich: bool = False
    writer: int = _NOBODY
    promise: bool = False


class Worker(NamedTuple):
    """A process: how far it is, the answers it has, and whether it sleeps on a promise.

    `misses` is, for each thing, how many of its last writes a read may miss, and `since` how many records were written
    since it looks whether it can leave. `wrote_after` has a bit for each process that wrote since its round began, that
    is since its first read.
    """

    at: int
    answers: tuple[int, ...]
    asleep: bool = False
    misses: tuple[int, ...] = ()
    since: int = 0
    wrote_after: int = 0


class Scenario(NamedTuple):
    """Where a world begins: what each process puts and on which commit, the comments, and how the head moves.

    The first `alike` processes differ in their names alone. `after` are pairs of processes, of which the first begins
    when the second has ended or is dead. `lag` is by how many writes a read may lag, `settle` whether pauses are waited
    for. With `deaths`, processes may die. Without `comments_too` there is the build status alone, without `status_too`
    the comments.
    """

    name: str
    steps: tuple[tuple[str, tuple[StepReport, ...]], ...]
    comments: tuple[Comment, ...] = ()
    head: str = COMMITS[0]
    moves: tuple[str, ...] = ()
    alike: int = 0
    after: tuple[tuple[int, int], ...] = ()
    lag: int = 0
    settle: bool = True
    deaths: bool = False
    comments_too: bool = True
    status_too: bool = True


class Interned:
    """Numbers for values."""

    def __init__(self) -> None:
        """Start without any."""
        self.values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def __call__(self, value: Hashable) -> int:
        """Give the value's number."""
        if (number := self._numbers.get(value)) is None:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        return number


class Model:
    """The states that follow from each other in a scenario; `protocol` is the publication's class."""

    def __init__(
        self, scenario: Scenario, protocol: type[Publication] = Publication, *, every_read: bool = False
    ) -> None:
        """Take a scenario."""
        self.scenario, self.protocol, self.every_read = scenario, protocol, every_read
        self.lag = scenario.lag
        self.telling: Any = Told if scenario.status_too else ToldWithoutStatus
        # A late end is judged by who wrote after it.
        self.tracks = scenario.deaths or len(scenario.moves) > 1
        self.commits = tuple(dict.fromkeys([scenario.head, *scenario.moves, *(commit for commit, _ in scenario.steps)]))
        of_commits = [(verb, commit) for commit in self.commits for verb in (Verb.RECORDS, Verb.STATUS)]
        self.things = {thing: at for at, thing in enumerate([(Verb.COMMENTS, ""), (Verb.HEAD, ""), *of_commits])}
        self.count = len(self.things)
        self.who = range(len(scenario.steps))
        self._moved = self.count + len(self.who)
        self.publications, self.values, self.versions, self.workers = Interned(), Interned(), Interned(), Interned()
        self._known: dict[Any, Any] = {}
        self._calls: dict[int, tuple[tuple[Call, int], ...]] = {}
        self._local: dict[Any, Any] = {}
        self._after: dict[Any, int] = {}
        self._effects: dict[Any, tuple[int, int, int]] = {}
        self._promises: dict[int, int] = {}
        self._holds: dict[int, bool] = {}
        self._beginnings: list[int] = []
        self._reading: dict[int, bool] = {}
        self._problems: dict[Any, str | None] = {}

    # --- looking things up --------------------------------------------------------------------------------------------

    def worker(self, world: World, who: int) -> Worker:
        """Look up a process."""
        return self.workers.values[world[self.count + who]]  # type: ignore[no-any-return]

    def publication(self, worker: Worker) -> Publication:
        """Look up how far a process is."""
        return self.publications.values[worker.at]  # type: ignore[no-any-return]

    def value(self, world: World, verb: Verb, commit: str = "") -> Any:
        """Look up the newest version of a thing."""
        return self.values.values[self.versions.values[world[self.things[verb, commit]]][-1]]

    def calls(self, number: int) -> tuple[tuple[Call, int], ...]:
        """The calls of a publication, each with the thing that it reads or writes."""
        if number not in self._calls:
            at: Publication = self.publications.values[number]
            self._calls[number] = tuple((call, self._thing(at, call)) for call in at.calls)
        return self._calls[number]

    def _thing(self, at: Publication, call: Call) -> int:
        verb = _WRITTEN.get(call.verb, call.verb)
        commit = call.subject if call.verb is Verb.RECORDS else at.commit
        return self.things[verb, str(commit) if verb in (Verb.RECORDS, Verb.STATUS) else ""]

    def _reads(self, worker: Worker) -> bool:
        return bool(worker.answers) and self.calls(worker.at)[0][0].verb in _READS

    def _blocked(self, world: World, worker: Worker) -> bool:
        """Whether it waits for the head: for so long that the head moves meanwhile, if it ever does."""
        at = self.publication(worker)
        if at.pause is not Pause.HEAD or self.value(world, Verb.HEAD) == at.commit:
            return False
        return at.commit in self.scenario.moves[world[self._moved] :]

    def _credible(self, world: World) -> int:
        """A bit for each process whose promise may hold: it has not looked again."""
        mask, bit = 0, 1
        for number in world[self.count : self._moved]:
            if (holds := self._holds.get(number)) is None:
                worker: Worker = self.workers.values[number]
                holds = self._holds[number] = worker.asleep or self.publication(worker).phase is Phase.WRITE
            if holds:
                mask |= bit
            bit += bit
        return mask

    def _promise(self, number: int) -> int:
        """A bit for each process whose promise a version of the comments shows."""
        if number not in self._promises:
            shown = [one for version in self.versions.values[number] for one in self.values.values[version]]
            self._promises[number] = sum({1 << one.writer for one in shown if one.promise})
        return self._promises[number]

    # --- the beginning ------------------------------------------------------------------------------------------------

    def first(self) -> World:
        """The world before anybody has asked anything."""
        scenario = self.scenario
        values: dict[Any, Any] = dict.fromkeys(self.things)
        values.update({(Verb.RECORDS, commit): () for commit in self.commits})
        values[Verb.COMMENTS, ""], values[Verb.HEAD, ""] = scenario.comments, scenario.head
        things = [self.versions((self.values(values[thing]),)) for thing in self.things]
        begun = [
            self.protocol.begin(reports, commit, comments=scenario.comments_too) for commit, reports in scenario.steps
        ]
        self._beginnings = [self.publications(one) for one in begun]
        nothing = (0,) * self.count if self.lag else ()
        workers = [self._begun(self.publications(one), nothing, 0) for one in begun]
        made = max((one.id for one in scenario.comments), default=0)
        return (*things, *workers, 0, made, (1 << len(begun)) - 1 if self.tracks else 0)

    def _begun(self, number: int, misses: tuple[int, ...], wrote_after: int) -> int:
        """A process at the beginning of a phase."""
        at: Publication = self.publications.values[number]
        if self.lag and at.pause is not Pause.NONE and self.scenario.settle:
            misses = (0,) * self.count
        keeps = at.phase not in (Phase.PUT, Phase.WRITE, *_BEGIN)
        answers = (_PENDING,) * len(at.calls)
        return self.workers(
            Worker(number, answers, at.pause is Pause.PROMISE, misses, wrote_after=wrote_after if keeps else 0)
        )

    # --- what can come next -------------------------------------------------------------------------------------------

    def next(self, world: World) -> list[World]:
        """Every world that can follow."""
        worlds = []
        if world[self._moved] < len(self.scenario.moves):
            value = self.values(self.scenario.moves[world[self._moved]])
            for before in self._read_first(world, _NOBODY, _HEAD):
                moved = self._write(before, _HEAD, value, _NOBODY)
                worlds.append(_with(moved, self._moved, moved[self._moved] + 1))
        for who in self.who:
            worker = self.worker(world, who)
            if not worker.answers or self._blocked(world, worker) or self._begins_later(world, who, worker):
                continue
            if worker.asleep:
                for before in self._read_first(world, who, _COMMENTS, promised=True):
                    woken = self.worker(before, who)._replace(asleep=False)
                    worlds.append(_with(before, self.count + who, self.workers(woken)))
            elif self.every_read and self._reads(worker):
                worlds += self._read_any(world, who)
            elif self._reads(worker):
                for after in self._read_all(world, who):
                    worlds += self._write_any(after, who) or [after]
            else:
                worlds += self._write_any(world, who)
        return worlds

    def _begins_later(self, world: World, who: int, worker: Worker) -> bool:
        """Whether another one comes first: of processes that differ in their names alone any may be the first."""
        if worker.at != self._beginnings[who]:
            return False
        if 0 < who < self.scenario.alike and self.worker(world, who - 1).at == self._beginnings[who - 1]:
            return True
        before = (one for other, one in self.scenario.after if other == who)
        return not self.scenario.deaths and any(self.worker(world, one).answers for one in before)

    def _write_any(self, world: World, who: int) -> list[World]:
        worker = self.worker(world, who)
        worlds: list[World] = []
        for at, answer in enumerate(worker.answers):
            if answer == _PENDING and not worker.asleep:
                worlds += self._carry_out(world, who, at)
        return worlds

    def _read_any(self, world: World, who: int) -> Iterator[World]:
        """One read of a process that still waits."""
        number = world[self.count + who]
        for at, answer in enumerate(self.workers.values[number].answers):
            if answer == _PENDING:
                for after, relied in self._read_one(world, number, who, at, self._credible(world)):
                    read = self._rely(_with(world, self.count + who, after), relied)
                    yield (
                        read
                        if _PENDING in self.workers.values[after].answers
                        else self._ended(_with(read, self.count + who, self._advanced(after)), who)
                    )

    def _read_all(self, world: World, who: int) -> list[World]:
        """What a process reads until it has something to write, or ends."""
        return [
            self._ended(self._rely(_with(world, self.count + who, number), relied), who)
            for number, relied, stage in self._alone(world, who)
            if stage is None
        ]

    def _alone(self, world: World, who: int) -> Any:
        """How far a process comes by reading: to its end or a write, or to a phase of reads that has just begun.

        Gives the process's number, the promises that it relied on, and None or how many phases lie between.
        """
        number = world[self.count + who]
        mask = self._credible(world) & ~(1 << who)
        key = (number, who, mask, *world[: self.count], world[self._moved])
        if (known := self._local.get(key)) is not None:
            return known
        found: list[tuple[int, Relied, int | None]] = []
        open_ones: list[tuple[int, Relied, int]] = [(number, (), 0)]
        while open_ones:
            number, relied, stage = open_ones.pop()
            worker: Worker = self.workers.values[number]
            if stage > _LOCAL:
                raise RuntimeError("a process reads for ever")
            if not self._reads(worker) or worker.asleep:
                found.append((number, relied, None))
                continue
            if self._blocked(world, worker):
                continue
            found.append((number, relied, stage))
            read = [(number, relied)]
            for at, answer in enumerate(worker.answers):
                if answer == _PENDING:
                    read = [
                        (after, so_far + more)
                        for one, so_far in read
                        for after, more in self._read_one(world, one, who, at, mask)
                    ]
            open_ones += {(self._advanced(after), so_far, stage + 1) for after, so_far in read}
        self._local[key] = known = tuple(dict.fromkeys(found))
        return known

    def _read_first(self, world: World, writer: int, thing: int, *, promised: bool = False) -> list[World]:
        """The worlds in which any of the others read a thing before it is written: what later reads don't show.

        With `promised`, the writer's promise is what they don't show later.
        """
        worlds = [world]
        if self.every_read:
            return worlds
        if promised and not self._promise(world[_COMMENTS]) >> writer & 1:
            return worlds
        for who in self.who:
            if who == writer:
                continue
            number = world[self.count + who]
            if (reading := self._reading.get(number)) is None:
                worker: Worker = self.workers.values[number]
                reading = self._reading[number] = self._reads(worker) and not worker.asleep
            at = self.workers.values[number]
            if reading and not self._blocked(world, at) and not self._begins_later(world, who, at):
                worlds += [
                    self._rely(_with(before, self.count + who, after), relied)
                    for before in worlds
                    for after, relied in self._early(before, who, thing, writer if promised else None)
                ]
        return worlds

    def _early(self, world: World, who: int, thing: int, promise: int | None) -> list[Any]:
        mask = self._credible(world) & ~(1 << who)
        key = (world[self.count + who], who, mask, thing, promise, *world[: self.count], world[self._moved])
        if (known := self._local.get(key)) is not None:
            return known  # type: ignore[no-any-return]
        found: dict[Any, None] = {}
        for number, relied, stage in self._alone(world, who):
            if stage is None:
                continue
            worker: Worker = self.workers.values[number]
            for at, answer in enumerate(worker.answers):
                if answer == _PENDING and self.calls(worker.at)[at][1] == thing:
                    for after, more in self._read_one(world, number, who, at, mask, leaving=promise is None):
                        if promise is None or any(by == promise for by, _ in more):
                            found[after, relied + more] = None
        self._local[key] = list(found)
        return self._local[key]  # type: ignore[no-any-return]

    def _read_one(self, world: World, number: int, who: int, at: int, mask: int, *, leaving: bool = False) -> Any:
        """The process as it is after a read, for each answer, and the promises that it then relies on.

        `leaving` gives only the version that no read shows after one more write.
        """
        worker: Worker = self.workers.values[number]
        call, thing = self.calls(worker.at)[at]
        key = (number, at, world[thing], mask if thing == _COMMENTS else 0, leaving)
        if (known := self._known.get(key)) is not None:
            return known
        versions = self.versions.values[world[thing]]
        oldest = len(versions) - 1 - (min(worker.misses[thing], len(versions) - 1) if self.lag else 0)
        if leaving:
            falls = not self.lag or worker.misses[thing] == self.lag == len(versions) - 1
            versions = versions[:1] if falls else ()
        else:
            versions = versions[oldest:]
        begins = self.tracks and self.publication(worker).phase in (Phase.ROUND, Phase.LOOK, Phase.CONFIRM)
        if begins and not any(answer != _PENDING for answer in worker.answers):
            # A move of the head since the last write may be missed.
            worker = worker._replace(wrote_after=_HEAD_MOVES if self.lag and worker.misses[_HEAD] else 0)
        found: dict[Any, None] = {}
        for value in versions:
            for answer, relied in self._answers(worker, call, value, mask & ~(1 << who)):
                answers = (*worker.answers[:at], answer, *worker.answers[at + 1 :])
                found[self.workers(worker._replace(answers=answers)), relied] = None
        self._known[key] = known = tuple(found)
        return known

    def _answers(self, worker: Worker, call: Call, value: int, mask: int) -> Iterator[Any]:
        """The answers that a read of this value may get, and the promises it then relies on."""
        found = self.values.values[value]
        at = self.publication(worker)
        if call.verb is Verb.HEAD:
            ancestor = self.commits.index(found) < self.commits.index(at.commit)
            yield self.values(Head(found, ancestor=ancestor)), ()
        elif call.verb is not Verb.COMMENTS:
            yield value, ()
        else:
            choices = [(False, True) if one.promise and mask >> one.writer & 1 else (False,) for one in found]
            for chosen in product(*choices):
                shown = tuple(_shown(one, until=until) for one, until in zip(found, chosen, strict=True))
                by = sorted({one.writer for one, until in zip(found, chosen, strict=True) if until})
                yield self.values(shown), tuple((one, self._seen_by_then(worker)) for one in by)

    def _seen_by_then(self, worker: Worker) -> tuple[int, ...]:
        """How many writes of each thing may be missed by one that looks later by SETTLE: none of this one's own.

        What it wrote, it wrote before its pause; one that has not paused has put its records alone.
        """
        at = self.publication(worker)
        if not self.lag or at.pause is not Pause.NONE:
            return worker.misses
        own = self.things[Verb.RECORDS, at.commit]
        return tuple(worker.since if thing == own else self.lag for thing in range(self.count))

    def _rely(self, world: World, relied: Relied) -> World:
        """A promise is kept so late that the records of those who rely on it are seen."""
        if self.lag and self.scenario.settle:
            for by, seen in relied:
                worker = self.worker(world, by)
                if worker.asleep:
                    after = worker._replace(misses=tuple(map(min, worker.misses, seen)))
                    world = _with(world, self.count + by, self.workers(after))
        return world

    def _advanced(self, number: int) -> int:
        """The process when it has all its answers."""
        if (known := self._after.get(number)) is not None:
            return known
        worker: Worker = self.workers.values[number]
        answers = [self.values.values[one] for one in worker.answers]
        follows = self.publication(worker).advance(answers, self.telling, 0)
        if follows.ended:  # how it came there no longer matters
            follows = self.protocol(follows.reports, follows.commit, phase=follows.phase)
            done = follows.phase is Phase.DONE
            after = self.workers(Worker(self.publications(follows), (), wrote_after=worker.wrote_after if done else 0))
        else:
            after = self._begun(self.publications(follows), worker.misses, worker.wrote_after)
        self._after[number] = after
        return after

    def _ended(self, world: World, who: int) -> World:
        """Take note of an end: from now on it cannot die, and what it saw counts if it is the last one."""
        worker = self.worker(world, who)
        if worker.answers or not self.tracks:
            return world
        finish = worker.wrote_after if self.publication(worker).phase is Phase.DONE else world[-1]
        workers = [self._noted(number, 1 << who, clear=True) for number in world[self.count : self._moved]]
        workers[who] = self.workers(worker._replace(wrote_after=0))
        return (*world[: self.count], *workers, *world[self._moved : -1], finish & ~(1 << who))

    def _noted(self, number: int, bit: int, *, clear: bool) -> int:
        """The process, when another one wrote or has ended, if it is in a round."""
        key = (number, bit, clear)
        if (known := self._after.get(key)) is None:
            worker: Worker = self.workers.values[number]
            phase = self.publication(worker).phase
            begun = any(one != _PENDING for one in worker.answers)
            in_round = phase in (Phase.REST, Phase.HEAD, Phase.CLEAN) or (phase in _BEGIN and begun)
            if in_round and worker.answers:
                after = worker.wrote_after & ~bit if clear else worker.wrote_after | bit
                worker = worker._replace(wrote_after=after)
            known = self._after[key] = self.workers(worker)
        return known

    # --- writing ------------------------------------------------------------------------------------------------------

    def _carry_out(self, world: World, who: int, at: int) -> Iterator[World]:
        number = world[self.count + who]
        worker: Worker = self.workers.values[number]
        thing = self.calls(worker.at)[at][1]
        value, answer, made = self._effect(worker.at, who, at, self.versions.values[world[thing]][-1], world[-2])
        answers = (*worker.answers[:at], answer, *worker.answers[at + 1 :])
        for before in self._read_first(world, who, thing):
            after = self._write(before, thing, value, who)
            if self.scenario.deaths and any(call.verb is Verb.PUT for call, _ in self.calls(worker.at)):
                for other, one in self.scenario.after:
                    if other == who:
                        after = _with(after, self.count + one, self._killed(after[self.count + one]))
            if made != world[-2]:
                after = _with(after, self._moved + 1, made)
            own = self.workers(self.worker(after, who)._replace(answers=answers))
            if _PENDING not in answers:
                own = self._advanced(own)
            after = self._ended(_with(after, self.count + who, own), who)
            yield self._woken(after) if thing == _COMMENTS or self.workers.values[own].asleep else after

    def _killed(self, number: int) -> int:
        """The process, when another one has begun that begins after it."""
        worker: Worker = self.workers.values[number]
        return self.workers(worker._replace(answers=(), asleep=False, wrote_after=0)) if worker.answers else number

    def _woken(self, world: World) -> World:
        """Whose promise nobody can see any more need not sleep on it."""
        shown = self._promise(world[_COMMENTS])
        for who in self.who:
            worker = self.worker(world, who)
            if worker.asleep and not shown >> who & 1:
                world = _with(world, self.count + who, self.workers(worker._replace(asleep=False)))
        return world

    def _write(self, world: World, thing: int, value: int, who: int) -> World:
        if not self.lag:
            world = _with(world, thing, self.versions((value,)))
        else:
            world = _with(world, thing, self.versions((*self.versions.values[world[thing]], value)[-1 - self.lag :]))
            workers = [self._missed(number, thing) for number in world[self.count : self._moved]]
            world = (*world[: self.count], *workers, *world[self._moved :])
        if self.tracks:
            bit = _HEAD_MOVES if who == _NOBODY else 1 << who
            workers = [
                number if other == who else self._noted(number, bit, clear=False)
                for other, number in enumerate(world[self.count : self._moved])
            ]
            world = (*world[: self.count], *workers, *world[self._moved : -1], world[-1] | bit)
        return world

    def _missed(self, number: int, thing: int) -> int:
        """The process, when a read of a thing may miss one more write."""
        key = (number, thing)
        if (known := self._after.get(key)) is None:
            worker: Worker = self.workers.values[number]
            if worker.answers:
                fewer = min(self.lag, worker.misses[thing] + 1)
                misses = (*worker.misses[:thing], fewer, *worker.misses[thing + 1 :])
                at = self.publication(worker)
                looks = at.phase is Phase.LOOK and thing == self.things[Verb.RECORDS, at.commit]
                worker = worker._replace(misses=misses, since=min(self.lag, worker.since + looks))
            known = self._after[key] = self.workers(worker)
        return known

    def _effect(self, number: int, who: int, at: int, value: int, made: int) -> tuple[int, int, int]:
        """What a call makes of a value, its answer, and the number of the last comment made."""
        key = (number, who, at, value, made)
        if key not in self._effects:
            after, answer, newest = self.carried_out(who, self.calls(number)[at][0], self.values.values[value], made)
            self._effects[key] = self.values(after), self.values(answer), newest
        return self._effects[key]

    def carried_out(self, who: int, call: Call, value: Any, made: int) -> tuple[Any, Any, int]:
        """What a write makes of a value, its answer, and the number of the last comment made."""
        if call.verb in (Verb.PUT, Verb.REMOVE):
            one: StepReport = call.subject  # type: ignore[assignment]
            rest = [other for other in value if self.key(other) != self.key(one)]
            return tuple(sorted([*rest, one] if call.verb is Verb.PUT else rest, key=repr)), None, made
        if call.verb is Verb.SET_STATUS:
            return call.subject, None, made
        body = call.subject
        number = body.id if isinstance(body, Body) else body
        if number is not None and [one.author for one in value if one.id == number] != [OURS]:
            return value, Refusal.REFUSED, made
        if not isinstance(body, Body):
            return tuple(one for one in value if one.id != number), None, made
        made = made + 1 if number is None else made
        of = Told.digest(body.commit, body.reports, 0)
        new = Comment(number or made, OURS, body.commit, body.reports[0].build, of, body.rich, who, body.until > 0)  # type: ignore[arg-type]
        rest = [one for one in value if one.id != new.id]
        return tuple(sorted([*rest, new])), _shown(new, until=False), made

    def key(self, one: StepReport) -> object:
        """What a record is kept under."""
        return one.key

    # --- what is right ------------------------------------------------------------------------------------------------

    def dead(self, world: World) -> int:
        """A bit for each process that has not ended."""
        return sum(1 << who for who in self.who if not self.publication(self.worker(world, who)).ended)

    def problem(self, world: World) -> str | None:
        """What is wrong if those who have not ended never do anything more."""
        key = (self.dead(world), *world[: self.count])
        if key not in self._problems:
            values = {thing: self.value(world, *thing) for thing in self.things}
            ended = {commit for who, (commit, _) in enumerate(self.scenario.steps) if not key[0] >> who & 1}
            self._problems[key] = self._lost(values, key[0]) or self.wrong(values, ended)
        return self._problems[key]

    def _lost(self, values: dict[Any, Any], dead: int) -> str | None:
        """Whether what counts is not what those that ended have put, and what the dead ones have if it arrived."""
        for commit in self.commits:
            there = {one.key: one for one in values[Verb.RECORDS, commit]}
            puts = [
                one
                for who, (other, more) in enumerate(self.scenario.steps)
                if other == commit and not dead >> who & 1
                for one in more
            ]
            # Of two that share a key the server's counts.
            if counted(there.values()) != counted({**{one.key: one for one in puts}, **there}.values()):
                return "a record is lost"
        return None

    def wrong(self, values: dict[Any, Any], commits: Collection[str]) -> str | None:
        """What is wrong with the comments, or with the status of one of these commits."""
        head = values[Verb.HEAD, ""]
        records = {commit: values[Verb.RECORDS, commit] for commit in self.commits}
        shown = head if records[head] else next((commit for commit in self.commits[::-1] if records[commit]), None)
        if shown is None:
            return None
        if self.scenario.comments_too and (problem := self._wrong_comments(values, records, head, shown)):
            return problem
        for commit in sorted(commits) if self.scenario.status_too else ():
            status = values[Verb.STATUS, commit]
            if records[commit] and status != Told.status(counted(records[commit]), None, 0):
                return "the status is not of the records"
        return None

    @staticmethod
    def _wrong_comments(values: dict[Any, Any], records: dict[str, Any], head: str, shown: str) -> str | None:
        ours = [one for one in values[Verb.COMMENTS, ""] if one.author == OURS]
        if len(ours) != 1:
            return "no comment" if not ours else "several comments"
        # The head's comment stays, though its new build has not said anything.
        stays = ours[0].commit == head and not records[head]
        if not stays and ours[0].of != (shown, counted(records[shown])):
            old = ours[0].commit != shown or ours[0].build != counted(records[shown])[0].build
            return "the comment is of an older build" if old else "the comment lacks a record"
        return None

    def excused(self, world: World) -> bool:
        """Whether one that died, or the head's move, wrote after the last finisher's final round began.

        The head's only move excuses nothing where its steps live: they are still to come.
        """
        dead = self.dead(world)
        moves = _HEAD_MOVES if dead or len(self.scenario.moves) > 1 else 0
        return self.tracks and bool(world[-1] & (dead | moves))

    def restored(self, world: World, report: StepReport) -> str | None:
        """What is wrong after one more process has run alone on the head's commit, when no promise holds any more."""
        key = (report, *world[: self.count])
        if key not in self._problems:
            self._problems[key] = self._run_alone({thing: self.value(world, *thing) for thing in self.things}, report)
        return self._problems[key]

    def _run_alone(self, values: dict[Any, Any], report: StepReport) -> str | None:
        head = values[Verb.HEAD, ""]
        at = self.protocol.begin((report,), head, comments=self.scenario.comments_too)
        made = max((one.id for one in values[Verb.COMMENTS, ""]), default=0)
        for _ in range(_LOCAL):
            if at.ended:
                break
            answers = []
            for call in at.calls:
                thing = (_WRITTEN.get(call.verb, call.verb), "")
                if thing not in values:
                    thing = (thing[0], str(call.subject if call.verb is Verb.RECORDS else head))
                if call.verb in _READS:
                    alone = Worker(self.publications(at), ())
                    answer, _ = next(self._answers(alone, call, self.values(values[thing]), 0))
                    answers.append(self.values.values[answer])
                else:
                    values[thing], answer, made = self.carried_out(len(self.who), call, values[thing], made)
                    answers.append(answer)
            at = at.advance(answers, self.telling, 0)
        if not at.ended:
            return "it never ends"
        return self.wrong(values, [head])


def _shown(one: Comment, *, until: bool) -> Shown:
    return Shown(one.id, one.author, one.commit, one.build, one.of, rich=one.rich, until=_FAR if until else 0)


def _with(world: World, at: int, number: int) -> World:
    return (*world[:at], number, *world[at + 1 :])
