"""Walk through all scenarios and compare with the table in docs/one-comment.md: `python -m test.proof`.

With `--write` the table is written anew.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from test.proof.model import Model, Scenario
from test.proof.scenarios import ALL, restoring
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
            self.name, f"{self.states:,}", f"{self.ends:,}", _kinds(self.wrong), _kinds(self.excused),
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


def _kinds(counts: Counter[str]) -> str:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items()))
    return f"{counts.total():,}: {kinds}" if counts else "0"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _timed(scenario: Scenario) -> tuple[Scenario, Row, float]:
    began = time.process_time()
    return scenario, prove(scenario), time.process_time() - began


def main(arguments: list[str]) -> int:
    """Print what comes out; 1 where something is wrong, or not as the docs say."""
    text = DOCS.read_text(encoding="utf-8")
    known, rows, bad = table(text), {}, False
    # The long ones are the last ones, and begin first.
    with ProcessPoolExecutor(max_tasks_per_child=1) as pool:
        for done in as_completed([pool.submit(_timed, scenario) for scenario in reversed(ALL)]):
            scenario, row, seconds = done.result()
            rows[scenario.name] = row.cells
            remarks = [] if row.holds(scenario) else ["WRONG"]
            if row.unrestored:
                remarks.append(f"not restored: {_kinds(row.unrestored)}")
            if "--write" not in arguments and known.get(row.name) != row.cells:
                remarks.append("not as in docs/one-comment.md")
            bad = bad or bool(remarks)
            print(*row.cells, f"{seconds:.1f} s", *remarks, sep="; ", flush=True)
    states = sum(int(cells[1].replace(",", "")) for cells in rows.values())
    print(f"{len(rows)} scenarios, {states:,} states")
    if "--write" in arguments:
        lines = [_line(HEADER), _line(("---", "---:", "---:", "---", "---", "---"))]
        lines += [_line(rows[scenario.name]) for scenario in ALL]
        text = DOCS.read_text(encoding="utf-8")
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        DOCS.write_text(f"{before}{BEGIN}\n{''.join(lines)}{END}{after}", encoding="utf-8")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
