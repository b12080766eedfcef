"""Walk through all states of a model: how many there are, where they end, and whether any comes back to itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from test.proof.model import Model, World


class Found(NamedTuple):
    """What a walk found: states, end states, what is wrong in how many of them, excused or not, and cycles.

    Where processes may die, every state with the head's last move behind it is an end state as well. `ends` and
    `failing` are the end states, and those where something is wrong.
    """

    states: int
    ends: list[World]
    wrong: Counter[str]
    excused: Counter[str]
    failing: list[World]
    cycle: bool


def walk(model: Model, most: int = 50_000_000) -> Found:
    """Visit every state, depth first; raises RuntimeError where there are more than `most`."""
    first = model.first()
    state: dict[World, bool] = {first: True}  # True as long as what follows is being visited
    path = [(first, model.next(first))]
    found = Found(0, [], Counter(), Counter(), [], cycle=False)
    cycle = False
    deaths, moves = model.scenario.deaths, len(model.scenario.moves)
    while path:
        world, following = path[-1]
        if following:
            after = following.pop()
            known = state.get(after)
            if known is None:
                if len(state) >= most:
                    raise RuntimeError(f"more than {most:,} states")
                state[after] = True
                path.append((after, model.next(after)))
            elif known:
                cycle = True
            continue
        path.pop()
        state[world] = False
        if world[-3] == moves and (deaths or not model.dead(world)):
            found.ends.append(world)
            if problem := model.problem(world):
                (found.excused if model.excused(world) else found.wrong)[problem] += 1
                found.failing.append(world)
    return found._replace(states=len(state), cycle=cycle)
