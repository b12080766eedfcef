"""Tasks that took longer or shorter than in earlier builds, beyond noise. Pure.

Earlier builds' times are in their report.json files, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipe.insights.latest import executed, latest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipe.model import Run

_LEAST_BUILDS = 5  # whose median stands for what a task usually takes
# What a difference must exceed: so many robust standard deviations, this share of the usual time, and these seconds.
_DEVIATIONS, _SHARE, _SECONDS = 4, 0.3, 1.0
# The median absolute deviation of a few values is often small by chance.
_FEW_BUILDS, _DEVIATIONS_OF_FEW = 10, 6
_NORMAL = 1.4826  # the standard deviation of a normal distribution, in median absolute deviations


class BuildDurations(NamedTuple):
    """What executing tasks took in one build, in seconds, successes alone.

    `number` is the build's. `seconds` is by task id, the median where the build executed the task more than once;
    `hashes` by task id and hash.
    """

    number: int
    seconds: dict[str, float]
    hashes: dict[tuple[str, str], float]


class Change(NamedTuple):
    """A task whose execution took longer or shorter than usual.

    `seconds` is what it took now, `usual` the median of `builds` other builds that executed it, at least five; `spread`
    is how much these differ: 1.4826 times the median absolute deviation, which is the standard deviation where times
    are spread normally, and which a few odd builds do not change.
    """

    id: str
    seconds: float
    usual: float
    spread: float
    builds: int


class Changes(NamedTuple):
    """Both kinds, the largest difference first."""

    slower: tuple[Change, ...] = ()
    faster: tuple[Change, ...] = ()


def changes(runs: Iterable[Run], builds: Sequence[BuildDurations], current: int | None = None) -> Changes:
    """Find the tasks executed here, with success, that took longer or shorter than in other builds, beyond noise.

    The rule: at least five other builds executed the task, and the difference from their median exceeds each of six
    robust standard deviations (`Change.spread`), four from ten builds on, 30 % of the median, and one second. With
    that, of a hundred tasks whose times differ by 15 % from build to build (normally distributed, in a simulation),
    two are told by mistake after five builds, and one after ten.
    `current` is this build's number: its own report.json files are left out.
    """
    others = [build for build in builds if build.number != current]
    found = []
    for task in latest(runs).values():
        took = executed(task)
        if took is not None and (change := _change(task.id, took, others)):
            found.append(change)
    found.sort(key=lambda one: (-abs(one.seconds - one.usual), one.id))
    return Changes(
        tuple(one for one in found if one.seconds > one.usual), tuple(one for one in found if one.seconds < one.usual)
    )


def _change(name: str, took: float, others: Sequence[BuildDurations]) -> Change | None:
    values = [build.seconds[name] for build in others if name in build.seconds]
    if len(values) < _LEAST_BUILDS:
        return None
    usual = median(values)
    spread = _NORMAL * median(abs(value - usual) for value in values)
    deviations = _DEVIATIONS if len(values) >= _FEW_BUILDS else _DEVIATIONS_OF_FEW
    if abs(took - usual) <= max(deviations * spread, _SHARE * usual, _SECONDS):
        return None
    return Change(name, took, usual, spread, len(values))


def usually(name: str, builds: Iterable[BuildDurations], current: int | None) -> float | None:
    """Median of a task's seconds in other builds that executed it; None where they are fewer than five."""
    values = [build.seconds[name] for build in builds if build.number != current and name in build.seconds]
    return median(values) if len(values) >= _LEAST_BUILDS else None


def median(values: Iterable[float]) -> float:
    """The middle one of some numbers, or the mean of the two in the middle; `statistics` is slow to import."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
