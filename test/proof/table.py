"""Prove one scenario, and the table of what came out, in docs/one-comment.md."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from test.proof.model import Model, Scenario
from test.proof.scenarios import restoring
from test.proof.search import Found, walk

DOCS = Path(__file__).parents[2] / "docs" / "one-comment.md"
BEGIN, END = "<!-- table of the proof -->", "<!-- end of the table -->"
HEADER = ("Scenario", "States", "End states", "Wrong", "Excused", "Cycle")


class Row(NamedTuple):
    """What came out for a scenario; `unrestored` are the ends that one more run doesn't restore, by what is wrong."""

    name: str
    states: int
    ends: int
    wrong: Counter[str]
    excused: Counter[str]
    cycle: bool
    unrestored: Counter[str]

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        return (
            self.name, f"{self.states:,}", f"{self.ends:,}", kinds(self.wrong), kinds(self.excused),
            "yes" if self.cycle else "no",
        )  # fmt: skip

    def holds(self, scenario: Scenario) -> bool:
        """Whether nothing is wrong that must not be: without SETTLE all may be."""
        return not self.unrestored and (not scenario.settle or not (self.wrong or self.cycle))


def prove(scenario: Scenario) -> Row:
    """Walk through a scenario, and from each of its ends where something is wrong let one more process run."""
    model = Model(scenario)
    found = walk(model)
    return Row(scenario.name, found.states, len(found.ends), found.wrong, found.excused, found.cycle,
               unrestored(model, found) if scenario.settle else Counter())  # fmt: skip


def unrestored(model: Model, found: Found) -> Counter[str]:
    """What is still wrong after a rerun of a step of the head's commit, and after `final`, and how often."""
    return Counter(
        problem
        for world in found.failing
        for report in restoring(model.scenario)
        if (problem := model.restored(world, report))
    )


def table(text: str) -> dict[str, tuple[str, ...]]:
    """Read the table in the docs: each scenario's row."""
    lines = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    return {row[0]: row for row in rows}


def kinds(counts: Counter[str]) -> str:
    """Say how many of which kind."""
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items()))
    return f"{counts.total():,}: {kinds}" if counts else "0"


def line(cells: tuple[str, ...]) -> str:
    """Write a row of a table."""
    return f"| {' | '.join(cells)} |\n"


def timed(scenario: Scenario) -> tuple[Scenario, Row, float]:
    """Prove a scenario, and say how many seconds of a processor it took."""
    began = time.process_time()
    return scenario, prove(scenario), time.process_time() - began
