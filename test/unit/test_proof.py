"""Tests of the protocol: every interleaving of a few steps' calls. `make prove` walks through more of them."""

from __future__ import annotations

import pytest

from test.proof.broken import BROKEN, Broken
from test.proof.model import COMMITS, Model, Scenario
from test.proof.scenarios import ALL, BY_NAME, QUICK, WITHOUT_SETTLE, with_lag
from test.proof.search import walk
from test.proof.table import DOCS, prove, table

_TABLE = table(DOCS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("scenario", QUICK, ids=lambda scenario: scenario.name)
def test_every_interleaving_ends_with_one_complete_comment(scenario: Scenario) -> None:
    """No end is wrong but the excused ones, and one more run restores these; no step goes on for ever."""
    row = prove(scenario)
    print(*row.cells, sep="; ")

    assert not row.wrong
    assert not row.cycle
    assert not row.unrestored
    assert row.cells == _TABLE[scenario.name]


def test_the_docs_have_the_table_of_all_scenarios() -> None:
    """The table is of these scenarios, in their order."""
    assert list(_TABLE) == [scenario.name for scenario in ALL]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken.name}, {broken.scenario.name}")
def test_a_broken_protocol_is_caught(broken: Broken) -> None:
    """A protocol that lacks one rule ends wrong, or never."""
    found = walk(broken.model())

    assert broken.found in (*found.wrong, *(["a cycle"] if found.cycle else []))


@pytest.mark.parametrize("scenario", WITHOUT_SETTLE[:4], ids=lambda scenario: scenario.name)
def test_reads_that_lag_lose_steps_without_pauses(scenario: Scenario) -> None:
    """The pauses are needed: without them the same steps end wrong where reads lag."""
    row = prove(scenario)
    print(*row.cells, sep="; ")

    assert row.wrong
    assert row.cells == _TABLE[scenario.name]


@pytest.mark.parametrize(
    "scenario",
    [
        BY_NAME["2 of 3, existing comment"],
        BY_NAME["two commits, existing comment"],
        with_lag(BY_NAME["two builds, existing comment"], 1),
    ],
    ids=lambda scenario: scenario.name,
)
def test_reading_as_late_as_possible_leaves_nothing_out(scenario: Scenario) -> None:
    """With every read as an event of its own there are more states, and the same ends."""
    assert _ends(scenario, every_read=True) == _ends(scenario, every_read=False)


def _ends(scenario: Scenario, *, every_read: bool) -> set[object]:
    model = Model(scenario, every_read=every_read)
    return {
        (
            *(model.value(world, *thing) for thing in model.things),
            *(model.publication(model.worker(world, who)).phase for who in model.who),
        )
        for world in walk(model).ends
    }


def test_the_head_of_a_scenario_is_one_of_its_commits() -> None:
    """A scenario without a step on the head's last commit would have nobody to put things right."""
    for scenario in ALL:
        head = scenario.moves[-1] if scenario.moves else scenario.head
        assert head in COMMITS
        assert head in [commit for commit, _ in scenario.steps]
