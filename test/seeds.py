"""What was seeded in a workspace, held against what was read of what tools printed about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipe.model import Problem

Seed = dict[str, Any]


def unmatched(
    found: Iterable[Problem], seeds: Iterable[Seed], is_there: Callable[[Problem, Seed], bool]
) -> tuple[list[Seed], list[Problem]]:
    """The seeds of which none is told where it is and in its words, and the problems that nobody seeded."""
    left, missed = list(found), []
    for seed in seeds:
        told = [
            each
            for each in left
            if is_there(each, seed) and any(part in each.message for part in seed["message"].split("|"))
        ]
        if told:
            left.remove(told[0])
        else:
            missed.append(seed)
    return missed, left
