"""What failed here against what failed on the destination branch. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipe.insights.latest import latest
from pipe.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipe.insights import Summary


class Baseline(NamedTuple):
    """What this pipe recorded on a commit of the destination branch.

    `failed` are the ids of tasks that failed there; `complete` says that these are all: a record holds as many as there
    is room for. `branch` is the branch's name, `commit` the hash.
    """

    branch: str
    commit: str
    failed: frozenset[str]
    complete: bool


class Comparison(NamedTuple):
    """Ids of tasks, against the baseline's `branch` at `commit`; what failed here in the order of the report.

    `new` failed here and not there, `known` failed in both, `fixed` failed there and succeeded here, if from a cache.
    `unknown` failed here, and the list of what failed there is not complete. `flaky` failed here and not there, which
    says nothing of the change where a task is flaky. What failed there and has no result here is in none of them.
    """

    branch: str
    commit: str
    new: tuple[str, ...]
    known: tuple[str, ...]
    fixed: tuple[str, ...]
    unknown: tuple[str, ...]
    flaky: tuple[str, ...] = ()


def compare(summary: Summary, baseline: Baseline | None, flaky: Collection[str] = ()) -> Comparison | None:
    """Compare the failures; None where there is no baseline yet. `flaky` are the ids of flaky tasks."""
    if baseline is None:
        return None
    failed = [task.id for task in summary.failed]
    others = tuple(name for name in failed if name not in baseline.failed and name not in flaky)
    succeeded = {name for name, task in latest(summary.runs).items() if task.status is TaskStatus.SUCCESS}
    succeeded -= set(failed)
    return Comparison(
        baseline.branch,
        baseline.commit,
        new=others if baseline.complete else (),
        known=tuple(name for name in failed if name in baseline.failed),
        fixed=tuple(sorted(baseline.failed & succeeded)),
        unknown=() if baseline.complete else others,
        flaky=tuple(name for name in failed if name not in baseline.failed and name in flaky),
    )
