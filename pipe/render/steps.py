"""What the steps of a build have said, as one comment, one build status and lines of the log.

Pure, and made of the records alone: whoever holds the same ones renders the same, to the character, but for the time
in the last line. So nothing here knows any settings; what a step was told by them is in its record.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pipe import emoji
from pipe.insights import Answer
from pipe.model import BuildState, BuildStatus, Counts, Stage
from pipe.render import figures, logs, reproduce
from pipe.render.answer import SYMBOLS, Facts, besides, ended, listed, sentence
from pipe.render.comment import LIMIT, newness
from pipe.render.markdown import code, copyable, fence, link, shorten, table
from pipe.render.record import facts, label, units
from pipe.render.runs import HEAD, row
from pipe.render.status import DESCRIPTION_LIMIT, NAME_LIMIT, URL_LIMIT, key
from pipe.render.text import count, duration, moment, time_of_day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from pipe.build import Pages
    from pipe.render.step_report import Scope
    from pipe.steps import Failure, StepReport, Steps

    Quote = Callable[[str], str]


class Place(NamedTuple):
    """Where the report belongs: the repository's page, the commit, whose report it is, and where builds' pages are."""

    repository: str
    commit: str
    scope: Scope
    pages: Pages


class _Detail(NamedTuple):
    """How much is shown.

    Telling lines of a task, tasks of a step, rows of its table, names in a list, steps that failed with a section of
    their own, whether the others may show their runs too, and rows of the table that has the rest.
    """

    lines: int
    tasks: int
    rows: int
    names: int
    sections: int
    others: bool
    listed: int


# From the fullest to the barest. The first whose telling lines a person would still read, and that fits, is taken.
_LADDER = (
    _Detail(lines=30, tasks=50, rows=30, names=5, sections=50, others=True, listed=200),
    _Detail(lines=16, tasks=50, rows=30, names=5, sections=50, others=True, listed=200),
    _Detail(lines=10, tasks=50, rows=10, names=5, sections=50, others=True, listed=200),
    _Detail(lines=6, tasks=50, rows=10, names=5, sections=50, others=False, listed=200),
    _Detail(lines=3, tasks=20, rows=5, names=5, sections=50, others=False, listed=200),
    _Detail(lines=1, tasks=10, rows=3, names=5, sections=50, others=False, listed=200),
    _Detail(lines=1, tasks=5, rows=1, names=3, sections=20, others=False, listed=200),
    _Detail(lines=1, tasks=3, rows=0, names=3, sections=10, others=False, listed=100),
    _Detail(lines=0, tasks=0, rows=0, names=3, sections=0, others=False, listed=100),
    _Detail(lines=0, tasks=0, rows=0, names=1, sections=0, others=False, listed=25),
)
_READABLE_LINES, _LEAST = 100, 4
_ROOM = LIMIT - 500  # the marker is added by the caller
_MOST_SECTIONS = 5  # of steps that did not fail; more of them are one table
_NAME = 60  # characters of a step's name
_MOST_BUILDS = 5  # of several jobs, linked
_DUPLICATES = 5  # names that several steps share and that are told


def body(steps: Steps, place: Place, now: datetime) -> str:
    """The comment without its marker, at most `comment.LIMIT` characters with it; it ends with a line end."""
    return _body(steps, place, moment(now))


def digest(steps: Steps, place: Place) -> str:
    """Sixteen hexadecimal digits that stand for all that the comment says but the time."""
    return hashlib.sha256(emoji.without(_body(steps, place, "")).encode()).hexdigest()[:16]


def _body(steps: Steps, place: Place, time: str) -> str:
    view = _View(steps, place)
    text = ""
    for detail in view.suited():
        text = "\n\n".join(filter(None, (*view.parts(detail), view.footer(time)))) + "\n"
        if units(text) <= _ROOM:
            break
    return text


def status(steps: Steps, place: Place) -> BuildStatus | None:
    """The one build status of all steps, None where nothing ran and nothing failed."""
    view = _View(steps, place)
    state = view.state()
    if state is None:
        return None
    _, head, rest = view.answer(str, 20)
    numbers = [str(build) for build, _ in steps.builds]
    end = f" · build{'s' if len(numbers) > 1 else ''} {listed(numbers, str, _MOST_BUILDS)}"
    scope = place.scope
    return BuildStatus(
        key=key(scope.report_id, scope.pull_request, scope.ref.partition("/")[2]),
        state=state,
        name=shorten(view.title, NAME_LIMIT),
        description=shorten(view.capital(head) + rest, DESCRIPTION_LIMIT - len(end)) + end,
        url=view.url(),
        branch=scope.branch,
        build=steps.builds[0][0] if len(numbers) == 1 else None,
        seconds=max((one.seconds for one in steps.reported if one.seconds is not None), default=None),
        counts=view.counts,
    )


def lines(steps: Steps, place: Place) -> Iterator[str]:
    """The same as plain text for the log."""
    view = _View(steps, place)
    symbol, head, rest = view.answer(str, 20)
    yield f"{symbol} {head}{rest}"
    for one in view.ordered if not view.single else ():
        sign, words = view.result(one, str, 20)
        yield f"  {view.names[one]}: {sign} {words}"
    for line in view.notes(str, 20):
        yield f"  {line}"


class _Totals(NamedTuple):
    """Counts over all steps. A task that failed in two steps is one; `unknown` failed where no step's record shows."""

    total: int
    failed: int
    ids: tuple[str, ...]
    unknown: tuple[str, ...]


class _View:
    """The steps with what their records do not say one by one: names, order and sums."""

    def __init__(self, steps: Steps, place: Place) -> None:
        self.steps = steps
        self.place = place
        self.reported = steps.reported
        self.number = max(steps.expected, len(steps.steps) + len(steps.missing))
        self.single = steps.steps[0] if len(steps.steps) == self.number == 1 else None
        titles = Counter(one.title for one in steps.counted if not one.foreign)
        self.title = titles.most_common(1)[0][0] if titles else "Nx"
        self.names = _names(steps.steps)
        self.ordered = sorted(
            steps.steps, key=lambda one: (self._rank(one), _known(one), _natural(one.name), one.parallel or (0, 0))
        )
        self.canceled = [one for one in self.reported if one.answer is Answer.CANCELED]
        self.unfinished = [one for one in self.reported if one.answer is Answer.IN_PROGRESS]
        self.succeeded = [one for one in self.reported if one.answer is Answer.SUCCEEDED]
        failures = [failure for one in self.reported for failure in one.failures]
        self.known = {failure.id for failure in failures if failure.known}
        self.new = {failure.id for failure in failures if failure.known is False} - self.known
        self.flaky = {failure.id for failure in failures if failure.flaky} - self.known - self.new
        self.against = next((one.against for one in self.reported if one.against), "")
        self.totals = self._totals()

    def _rank(self, one: StepReport) -> int:
        """What is worst comes first."""
        if one.red and (one._replace(elsewhere=()).red or not one.elsewhere):
            return 0
        if one in self.steps.stopped or one in self.steps.silent or one.answer is Answer.CANCELED:
            return 1
        if one.stage is Stage.START or one.answer is Answer.IN_PROGRESS:
            return 2
        return 4 if one.answer is Answer.SUCCEEDED else 3

    @property
    def counts(self) -> Counts | None:
        """The tasks by what became of them, None where no step has reported any."""
        total, failed = self.totals.total, self.totals.failed
        not_run = sum(one.not_run for one in self.reported)
        return Counts(max(0, total - failed), failed, not_run) if total or not_run else None

    def _totals(self) -> _Totals:
        named = [failure.id for one in self.reported for failure in one.failures]
        # What is this pull request's own comes before what fails on the destination branch too.
        distinct = dict.fromkeys(sorted(named, key=lambda name: name in self.known))
        cut = sum(one.failed - len(one.failures) for one in self.reported)
        elsewhere = dict.fromkeys(name for one in self.reported for name in one.elsewhere)
        unknown = [name for name in elsewhere if name not in distinct]
        # What Nx Cloud alone knows may be among what there was no room for.
        more = max(0, len(unknown) - cut)
        own = sum(one.total for one in self.reported if one.runs or one.more_runs)
        # A step without runs of its own has counted what Nx Cloud knows of all steps.
        others = max((one.total for one in self.reported if not one.runs and not one.more_runs), default=0)
        failed = len(distinct) + cut + more
        total = max(own - (len(named) - len(distinct)) + more, others, failed)
        return _Totals(total, failed, (*distinct, *unknown[:more]), tuple(unknown))

    # --- line one -----------------------------------------------------------------------------------------------------

    def answer(self, quote: Quote, names: int) -> tuple[str, str, str]:
        """The symbol, the head, which alone is an answer, and the rest with its own separator."""
        if self.single:
            return self._single(self.single, quote, names)
        rest = besides(self._facts(), quote, names)
        progress = self._progress(quote, names)
        number = [count(self.number, "step")] if self.number > 1 else []
        if self.steps.red:
            head, why = self._failed(quote, names)
            return "✗", head, why + rest + _joined([", ".join(progress[:2]), *progress[2:]] if progress else number)
        passed = sum(one.total for one in self.succeeded)
        tasks = [f"{count(passed, 'task')} succeeded"] if passed else []
        so_far = [f"{text} so far" for text in tasks]
        if not self.steps.complete:
            comma = "".join(f", {text}" for text in progress[1:2])
            return "…", progress[0], comma + _joined([*progress[2:], *so_far]) + rest
        if self._unreported():
            return "■", progress[0], _joined([*progress[1:], *tasks, *number]) + rest
        if self.canceled:
            who = _all([self.show(one, quote) for one in self.canceled], names)
            head = f"{who} {'was' if len(self.canceled) == 1 else 'were'} stopped"
            return "■", head, _joined([*tasks, *number]) + rest
        if self.unfinished:
            return "…", "running", _joined([*so_far, *number]) + rest
        return self._fine(rest + _joined(number))

    def _fine(self, rest: str) -> tuple[str, str, str]:
        if self.succeeded:
            worst = Answer.SUCCEEDED
        else:
            worst = next((one.answer for one in self.reported if one.answer is Answer.NO_TASKS), Answer.NOTHING_RAN)
        if not self.reported:
            return SYMBOLS[worst], "no step has reported", ""
        cached = sum(one.cached for one in self.reported)
        head, more = sentence(Facts(worst, self.totals.total, cached=cached), str, 0)
        return SYMBOLS[worst], head, more + rest

    def _single(self, one: StepReport, quote: Quote, names: int) -> tuple[str, str, str]:
        if one.stage is Stage.START or one.foreign:
            symbol, words = self.result(one, quote)
            head, dot, rest = words.partition(" · ")
            return symbol, f"the step {head}" if one in self.steps.stopped else head, dot + rest
        known = facts(one)
        if self.totals.failed:
            known = known._replace(
                answer=Answer.TASKS_FAILED,
                failed=self.totals.failed,
                ids=self.totals.ids,
                total=self.totals.total,
            )
        head, rest = sentence(known, quote, names)
        return SYMBOLS[known.answer], head, rest

    def _facts(self) -> Facts:
        """What is said of all steps besides the answer."""

        def every(lists: Iterator[Sequence[str]]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(name for names in lists for name in names if name not in self.totals.ids))

        return Facts(
            Answer.SUCCEEDED,
            not_run=sum(one.not_run for one in self.reported),
            retried=every(one.retried for one in self.reported),
            flaky=every(one.flaky for one in self.reported),
            failed=self.totals.failed,
            against=self.against,
            new=len(self.new),
            known=len(self.known),
        )

    def _failed(self, quote: Quote, names: int) -> tuple[str, str]:
        """What failed: tasks, then steps of which no task says why."""
        so_far = "" if self.steps.complete else " so far"
        others = [one for one in self.ordered if self._rank(one) == 0 and not one.failed]
        if failed := self.totals.failed:
            head = f"{failed:,} of {count(self.totals.total, 'task')} failed{so_far}"
            ids = self.totals.ids
            rest = f" {listed(ids, quote, names, failed)}" if ids else ""
            return head + (":" if rest else ""), rest + _joined([self._trouble(one, quote) for one in others[:names]])
        if len(others) == 1:
            reason = others[0].error
            head = self._trouble(others[0], quote)
            return (f"{head}:", f" {quote(reason.partition(chr(10))[0])}") if reason else (head, "")
        return (
            f"{len(others)} steps failed{so_far}:",
            f" {listed([self.show(one, quote) for one in others], str, names)}",
        )

    def _trouble(self, one: StepReport, quote: Quote) -> str:
        """How a step failed that names no failed task."""
        who = self.show(one, quote)
        match one.answer:
            case Answer.RUN_FAILED if not one.foreign:
                return f"nx failed in {who}"
            case Answer.NOTHING_RAN if not one.error:
                return f"{who} failed ({ended(one.exit_code)}) before Nx ran"
            case Answer.STEP_FAILED | Answer.NOTHING_RAN:
                return f"{who} failed ({ended(one.exit_code)})"
            case Answer.TIMED_OUT:
                return f"{who} timed out"
        return f"{who} failed"

    def _progress(self, quote: Quote, names: int) -> list[str]:
        """How many steps have reported, and what the others do; nothing where all have."""
        steps = self.steps
        if steps.complete:
            return self._unreported_words(quote, names)
        found = [f"{len(self.reported)} of {count(self.number, 'step')} {_have(len(self.reported))} reported"]
        if running := [self.show(one, quote) for one in steps.running]:
            found.append(f"{_all(running, names)} {'is' if len(running) == 1 else 'are'} running")
        if silent := [f"{self.show(one, quote)} since {time_of_day(one.at)}" for one in steps.silent]:
            found.append(f"no word from {_all(silent, names)}")
        if steps.missing:
            found.append(f"waiting for {_all([*map(quote, steps.missing)], names)}")
        more = self.number - len(steps.steps) - len(steps.missing)
        if more > 0:
            found.append(f"waiting for {count(more, 'more step')}")
        return found

    def _unreported(self) -> bool:
        """Whether the report was closed without some step's word."""
        return self.steps.closed and self.steps.awaited > 0

    def _unreported_words(self, quote: Quote, names: int) -> list[str]:
        if not self._unreported():
            return []
        found = []
        if stopped := [self.show(one, quote) for one in self.steps.stopped]:
            found.append(f"{_all(stopped, names)} started and never reported")
        if self.steps.missing:
            found.append(f"{_all([*map(quote, self.steps.missing)], names)} never reported")
        more = self.number - len(self.steps.steps) - len(self.steps.missing)
        if more > 0:
            found.append(f"{count(more, 'expected step')} never reported")
        return found

    # --- one step -----------------------------------------------------------------------------------------------------

    def show(self, one: StepReport, quote: Quote) -> str:
        """What a step is called; only a name that someone gave it is quoted."""
        return quote(self.names[one]) if one.name else self.names[one]

    def result(self, one: StepReport, quote: Quote, names: int = 0) -> tuple[str, str]:
        """A step's result as a symbol and words, with at most so many names of tasks."""
        if one.stage is Stage.START:
            if one in self.steps.stopped:
                return "■", "started and never reported"
            if one in self.steps.silent:
                return "…", f"no word since {time_of_day(one.at)}"
            return "…", f"running since {time_of_day(one.at)}" if one.at else "running"
        if one.foreign:
            symbol, word = ("✗", "failed") if one.red else ("✓", "succeeded")
            return symbol, f"{word} · recorded by a newer Nx Report; take that version here too"
        known = facts(one)._replace(
            reason=None, retried=one.retried[:names], flaky=one.flaky[:names], against="", new=0, known=0
        )
        head, rest = sentence(known if names else known._replace(ids=()), quote, names)
        if one.answer is Answer.TASKS_FAILED and one.seconds and not names:
            rest += f", in {duration(one.seconds)}"
        red = one._replace(elsewhere=()).red
        return "✗" if red else SYMBOLS[one.answer], head + rest

    def capital(self, head: str) -> str:
        """The head as the beginning of a sentence, unless that is a name."""
        named = any(
            head.startswith(name) for name in (*(one.name for one in self.names if one.name), *self.steps.missing)
        )
        return head if named else head[0].upper() + head[1:]

    def state(self) -> BuildState | None:
        """The state of the build status."""
        if self.steps.red:
            return BuildState.FAILED
        if not self.steps.complete:
            return BuildState.INPROGRESS
        if self._unreported() or self.canceled:
            return BuildState.STOPPED
        if self.unfinished:
            return BuildState.STOPPED if self.steps.closed else BuildState.INPROGRESS
        return BuildState.SUCCESSFUL if self.succeeded else None

    def url(self) -> str:
        """The page of a single run, step, or the build."""
        one = self.single
        page = one and _page(one)
        if page and len(page) <= URL_LIMIT:
            return page
        return (one and one.link) or self.place.pages.of(*self.steps.builds[0])

    # --- the comment --------------------------------------------------------------------------------------------------

    def suited(self) -> Sequence[_Detail]:
        """The ladder from the first step that a person would read to the end."""

        def shown(detail: _Detail) -> int:
            return sum(min(len(failure.lines), detail.lines) for one in self.reported for failure in one.failures)

        start = next((at for at, detail in enumerate(_LADDER) if shown(detail) <= _READABLE_LINES), _LEAST)
        return _LADDER[min(start, _LEAST) :]

    def parts(self, detail: _Detail) -> Iterator[str]:
        """The comment but for the footer."""
        symbol, head, rest = self.answer(_name, detail.names)
        line = f"{symbol} **{self.title}: {head}**{rest}"
        if self.single and self.single.answer is Answer.NOTHING_RAN and self.single.link:
            line += f" · {link('step log', self.single.link)}"
        yield line
        if self.single:
            yield from self._why(self.single, detail, bold=True)
            yield self._insights(detail)
            yield from self.notes(_name, detail.names)
            return
        failed = [one for one in self.ordered if self._rank(one) == 0]
        rest_of = [one for one in self.ordered if self._rank(one)]
        for one in failed[: detail.sections]:
            yield self._heading(one)
            yield from self._why(one, detail, bold=False)
        yield self._insights(detail)
        yield from self.notes(_name, detail.names)
        listed_steps = [*failed[detail.sections :], *rest_of]
        if len(listed_steps) <= _MOST_SECTIONS and len(failed) <= detail.sections:
            for one in listed_steps:
                runs = self._runs(one, detail) if detail.others and not failed else ""
                yield self._heading(one) + (f" · {link('run', page)}" if (page := _page(one)) and not runs else "")
                yield runs
        elif listed_steps:
            yield self._table(listed_steps, detail)

    def _heading(self, one: StepReport) -> str:
        symbol, words = self.result(one, _name)
        where = [*([link("step", one.link)] if one.link else []), logs.page(one.logs, one.link)]
        return f"**{self.show(one, _name)}** {symbol} {words}" + _joined([*filter(None, where)])

    def _insights(self, detail: _Detail) -> str:
        """What the steps tell beyond their results, in one block."""
        ran = [one for one in self.reported if one.answer is not Answer.NOTHING_RAN and not one.foreign]
        if not ran or not detail.tasks:
            return ""
        told = " · ".join(self._figures(ran))
        lines = [f"**Insights:** {told}"] if told else []
        if self.against:
            fixed = dict.fromkeys(name for one in ran for name in one.fixed if name not in self.totals.ids)
            unknown = self.totals.failed - len(self.new) - len(self.known) - len(self.flaky)
            failed = len(self.new), len(self.known), max(0, unknown), len(self.flaky)
            lines.append(figures.against(_name(self.against), failed, tuple(fixed), _name, detail.names))
        elif self.totals.failed and self.place.scope.pull_request:
            lines.append("No baseline yet on the destination branch")
        return "\n\n".join(lines)

    def _figures(self, ran: Sequence[StepReport]) -> Iterator[str]:
        """What the steps took together, each in a few words."""
        cached = sum(one.cached for one in ran)
        if cached and self.totals.failed:  # else the first line says it
            yield f"{cached:,} of {count(sum(one.total for one in ran), 'task')} from the cache"
        saved = sum(one.saved or 0 for one in ran)
        if saved >= 1:
            yield f"the cache saved {duration(saved)} of work"
        slowest = max(ran, key=lambda one: one.seconds or 0)
        if len(ran) > 1 and self.totals.failed and slowest.seconds and slowest.seconds >= 1:
            yield f"slowest step: {self.show(slowest, _name)} {duration(slowest.seconds)}"

    def _table(self, steps: Sequence[StepReport], detail: _Detail) -> str:
        """A row for each step."""
        rows = []
        for one in steps[: detail.listed]:
            symbol, words = self.result(one, _name, detail.names)
            passed = one.answer is Answer.SUCCEEDED and one.total and not one.foreign
            text = f"{symbol} {count(one.total, 'task')}" if passed else f"{symbol} {words}"
            text = link(text, page) if passed and (page := _page(one)) else text
            cached = f"{one.cached:,}" if one.cached else "–"
            time = duration(one.seconds) if one.seconds else "–"
            where = " · ".join(
                filter(None, (link("step", one.link) if one.link else "", logs.page(one.logs, one.link)))
            )
            where = where or "–"
            rows.append([self.show(one, lambda text: code(text, limit=_NAME)), text, cached, time, where])
        more = steps[detail.listed :]
        left = f"\n\n{count(len(more), 'more step')}" if more else ""
        return table(["Step", "Result", "From the cache", "Time", "Log"], rows) + left

    def _why(self, one: StepReport, detail: _Detail, *, bold: bool) -> Iterator[str]:
        """What a step ran, and what failed in it and why."""
        yield self._runs(one, detail)
        if one.error and detail.lines:
            yield fence(one.error.split("\n")[: max(3, detail.lines // 2)])
        for failure in one.failures[: detail.tasks]:
            yield _task(failure, one, bold=bold)
            if failure.lines[: detail.lines]:
                yield fence(list(failure.lines[: detail.lines]))
        yield self._left_out(one, detail)
        if one.command and detail.tasks:
            yield f"Try it: {copyable(one.command, reproduce.LONGEST)}"

    def _runs(self, one: StepReport, detail: _Detail) -> str:
        """The table of a step's runs."""
        if not one.runs or not detail.rows:
            return ""
        worst = sorted(range(len(one.runs)), key=lambda at: (-one.runs[at].status.severity, at))[: detail.rows]
        # A step that ended well says that what failed in its runs passed on retry.
        excused = not one.red and one.answer is not Answer.CANCELED
        nothing = one.answer is Answer.NO_TASKS
        runs = [one.runs[at] for at in sorted(worst)]
        cells = [row(run, retried=excused and bool(run.failed), nothing=nothing) for run in runs]
        more = one.more_runs + len(one.runs) - len(cells)
        return table(HEAD, cells) + (f"\n\n{count(more, 'more run')}" if more else "")

    def _left_out(self, one: StepReport, detail: _Detail) -> str:
        """What failed too and is not shown, by name where the record has it."""
        more = one.failed - len(one.failures[: detail.tasks])
        if more <= 0:
            return ""
        ids = [failure.id for failure in one.failures[detail.tasks :]]
        if ids:
            return f"{count(more, 'more failed task')}: {listed(ids, _name, 10, more)}"
        return f"{count(more, 'more failed task')}" + (f", see the {link('step log', one.link)}" if one.link else "")

    def notes(self, quote: Quote, names: int) -> Iterator[str]:
        """What there is to say of no step, or of several."""
        if self.totals.unknown:
            yield f"Failed too, as Nx Cloud knows: {listed(self.totals.unknown, quote, max(names, 3))}"
        if len(self.steps.missing) > names:  # else line one has them
            words = "Never started" if self.steps.closed else "No word yet from"
            yield f"{words}: {listed(self.steps.missing, quote, 20)}"
        shared = Counter(one.name for one in self.steps.steps if one.name)
        several = sorted((name, number) for name, number in shared.items() if number > 1)
        for name, number in several[:_DUPLICATES]:
            yield f"{number} steps are named {quote(name)}: give each a STEP_NAME of its own"

    def footer(self, time: str) -> str:
        """Of which commit and build this is, and of when; as that of a single step's comment."""
        commit, one = self.place.commit[:12], self.single
        parts = [
            link(code(commit), f"{self.place.repository}/commits/{commit}"),
            *(
                link(f"build {number}", (one and one.link) or self.place.pages.of(number, links))
                for number, links in self.steps.builds[:_MOST_BUILDS]
            ),
            *([f"step {_name(one.name)}"] if one and one.name else []),
            *([time] if time else []),
        ]
        final = self.steps.final
        if final and not one and (page := logs.page(final.logs, final.link)):
            parts.insert(-1 if time else len(parts), f"of all steps: {page}")
        return " · ".join(parts)


def _names(steps: Sequence[StepReport]) -> dict[StepReport, str]:
    """What each step is called, all differently."""
    unnamed = sum(not label(one) for one in steps)
    found: dict[StepReport, str] = {}
    taken: set[str] = {label(one) for one in steps}
    number = 0
    used: set[str] = set()
    for one in steps:
        name = label(one)
        if not name:
            number += 1
            name = f"step {number}" if unnamed > 1 else "step"
        again = 2
        wanted = name
        while name in used or (name != wanted and name in taken):
            name = f"{wanted} ({again})"
            again += 1
        used.add(name)
        found[one] = name
    return found


def _known(one: StepReport) -> bool:
    """Whether all that failed in a step fails on the destination branch too."""
    return bool(one.failures) and all(failure.known for failure in one.failures)


def _natural(name: str) -> list[str | int]:
    """What names are sorted by, so that `part-2` comes before `part-10`."""
    return [int(part) if at % 2 else part for at, part in enumerate(re.split("([0-9]+)", name))]


def _page(one: StepReport) -> str | None:
    """The page of a step's only run."""
    links = [run.link.url for run in one.runs if run.link and run.link.live]
    return links[0] if links and len(one.runs) == 1 and not one.more_runs else None


def _task(failure: Failure, one: StepReport, *, bold: bool) -> str:
    parts = [f"**{code(failure.id)}**" if bold else f"✗ {code(failure.id)}"]
    if failure.known is not None and one.against:
        parts.append(newness(code(one.against), known=failure.known))
    parts += [duration(failure.seconds)] if failure.seconds is not None else []
    parts += ["flaky"] if failure.flaky else []
    return " · ".join(filter(None, (*parts, logs.task(one.logs, failure.id))))


def _name(text: str) -> str:
    return code(text, limit=100)


def _all(names: Sequence[str], limit: int) -> str:
    """`a`, `a and b`, `a, b and 3 more`."""
    if 1 < len(names) <= limit:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return listed(names, str, limit)


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _joined(parts: Sequence[str]) -> str:
    return "".join(f" · {part}" for part in parts)
