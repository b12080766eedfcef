"""What earlier builds say: what failed on the destination branch, and what tasks took.

The first is in the records that this pipe left on that branch's commits, read with at most three requests; the second
in report.json files that the user brings. No server and no store is needed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pipe import downloads
from pipe.bitbucket.errors import BitbucketError
from pipe.checkout import Unreadable
from pipe.insights import Answer
from pipe.insights.comparison import Baseline
from pipe.render import step_report
from pipe.steps import Steps, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pipe.bitbucket import Bitbucket, Downloads
    from pipe.build import Pages
    from pipe.checkout import Checkout
    from pipe.insights.durations import BuildDurations
    from pipe.model import Run
    from pipe.steps import StepReport

_WHOLE = 40  # characters of a hash
_FILES, _MOST_FETCHED = 100, 20  # report.json files, the newest; and those that are fetched
_DOWNLOADS = "downloads"
# How a step ends that has run whatever it had to: what it does not name as failed did not fail.
_RAN = (Answer.SUCCEEDED, Answer.TASKS_FAILED, Answer.STEP_FAILED, Answer.NO_TASKS)


class Past(NamedTuple):
    """What earlier builds say. `destination` is the branch that this one is compared with, "" where there is none.

    `store` has the Downloads, where they can be read.
    """

    destination: str = ""
    baseline: Baseline | None = None
    store: Downloads | None = None


class Destination(NamedTuple):
    """Where a pull request goes: the branch, and its last commit, possibly abbreviated."""

    branch: str
    commit: str


class Reader:
    """Reads records on commits, of one report of one repository.

    `pages` says where the pages of its builds are, `known` gives a whole hash where the clone has it.
    """

    def __init__(
        self, bitbucket: Bitbucket, report_id: str, pages: Pages, known: Callable[[str], str | None], requests: int = 3
    ) -> None:
        self._bitbucket, self._report_id, self._pages, self._known = bitbucket, report_id, pages, known
        self._requests = requests

    def destination(self, pull_request: int) -> Destination:
        """Where a pull request goes. Raises BitbucketError."""
        self._requests -= 1
        found = self._bitbucket.pull_request(pull_request)
        return Destination(found.destination, found.base)

    def baseline(self, of: Destination) -> Baseline | None:
        """What failed on a commit of the destination branch, else on the one before it; None where neither tells.

        Raises BitbucketError.
        """
        commit, parent = self._known(of.commit) or of.commit, None
        if len(commit) < _WHOLE and self._ask():
            commit, parent = self._bitbucket.commit(commit)
        found = self._read(of.branch, commit)
        if found is None and parent is None and self._requests > 1 and self._ask():
            parent = self._bitbucket.commit(commit)[1]
        return found or (self._read(of.branch, parent) if parent else None)

    def _read(self, branch: str, commit: str) -> Baseline | None:
        if not self._ask():
            return None
        scope = step_report.Scope(self._report_id, None, f"heads/{branch}")
        reports = self._bitbucket.reports(commit, pages=1)
        records = (step_report.read(report, scope, self._pages) for report in reports)
        return baseline_of(tuple(one for one in records if one), branch, commit)

    def _ask(self) -> bool:
        self._requests -= 1
        return self._requests >= 0


def baseline_of(records: Sequence[StepReport], branch: str, commit: str) -> Baseline | None:
    """What failed by these records of a commit; None where no step has reported, or some are still running."""
    steps = Steps(counted(records), 0) if records else None
    if steps is None or not steps.reported or steps.running:
        return None
    failed = {failure.id for one in steps.reported for failure in one.failures}
    failed |= {name for one in steps.reported for name in one.elsewhere}
    complete = steps.complete and all(
        one.answer in _RAN and one.failed == len(one.failures) and not one.foreign for one in steps.reported
    )
    return Baseline(branch, commit, frozenset(failed), complete)


class Earlier(NamedTuple):
    """Where report.json files of earlier builds are: what patterns name in the clone, and the Downloads if given."""

    checkout: Checkout
    bases: tuple[str, ...]
    store: Downloads | None
    report_id: str
    build: int


def durations(
    earlier: Earlier, patterns: Iterable[str], runs: Sequence[Run], say: Callable[[str], None]
) -> tuple[BuildDurations, ...]:
    """What the tasks of these runs took in other builds, by their report.json files; says what cannot be read."""
    from pipe.nx.durations import by_build, read_durations, wanted  # noqa: PLC0415 - few bring any

    of = wanted(runs)
    found = []
    for name, read in _files(earlier, list(patterns), say):
        try:
            found.append(read_durations(read(), of))
        except (BitbucketError, Unreadable, ValueError) as problem:
            text = str(problem)
            say(f"! BASELINE: {text if isinstance(problem, BitbucketError) else f'{name} {text}'}")
    return by_build(found)


def _files(
    earlier: Earlier, patterns: list[str], say: Callable[[str], None]
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The files by name, each with what reads it."""
    from pipe.nx.durations import LIMIT  # noqa: PLC0415

    checkout, store = earlier.checkout, earlier.store
    if _DOWNLOADS in patterns and store:
        try:
            names = downloads.data(store, earlier.report_id, earlier.build, _MOST_FETCHED)
        except BitbucketError as problem:
            say(f"! BASELINE: {problem}")
            names = []
        for name in names:
            yield name, partial(store.download, name, LIMIT)
    for path in _newest(checkout, [one for one in patterns if one != _DOWNLOADS], earlier.bases, say):
        yield checkout.name(path), partial(checkout.read, path, LIMIT)


def _newest(
    checkout: Checkout, patterns: Iterable[str], bases: Iterable[str], say: Callable[[str], None]
) -> Iterator[str]:
    """The newest files that the patterns name, each once."""
    paths: dict[str, None] = {}
    for pattern in patterns:
        try:
            found = checkout.find(pattern, dict.fromkeys(bases))
        except Unreadable as problem:
            say(f"! BASELINE: {pattern} {problem}")
            continue
        if not found:
            say(f"! BASELINE: {pattern}: no such file")
        paths |= dict.fromkeys(found)
    times = {path: moment.timestamp() if (moment := checkout.modified(path)) else 0.0 for path in paths}
    yield from sorted(paths, key=lambda path: (-times[path], path))[:_FILES]
