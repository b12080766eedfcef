"""Tests that share something dear are given out together, the others one by one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from test.side_by_side import TOGETHER, SideBySide, pytest_xdist_make_scheduler

FOLDER = Path(__file__).parents[1] / "acceptance"
ENGINE = [f"test/acceptance/{file}.py::test_{at}" for file in TOGETHER["the engine"] for at in range(2)]
ALONE = ["test/unit/test_a.py::test_a[x/test_container.py::b]", *(f"test/unit/test_a.py::test_{at}" for at in range(5))]


class Process:
    """One that is given tests, and does nothing."""

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="gw")
        self.given: list[list[int]] = []
        self.shutting_down = False

    def send_runtest_some(self, tests: list[int]) -> None:
        """Keep what is given at once."""
        self.given.append(tests)

    def shutdown(self) -> None:
        """Take no more."""
        self.shutting_down = True


def config(**options: object) -> Any:
    """What xdist asks of pytest's configuration."""
    return SimpleNamespace(getvalue=options.get, option=SimpleNamespace(loadscopereorder=True))


def test_a_group_stays_in_one_process() -> None:
    """With xdist's own way of giving out, one process has all tests of a group at once, and the other single ones."""
    ids = [*ALONE, *ENGINE]
    scheduler = SideBySide(config(tx=["popen", "popen"]))
    first, second = Process(), Process()
    for process in (first, second):
        scheduler.add_node(process)
        scheduler.add_node_collection(process, ids)
    scheduler.schedule()
    assert [[ids[at] for at in tests] for tests in first.given] == [ENGINE]
    assert [[ids[at] for at in tests] for tests in second.given] == [ALONE[:1], ALONE[1:2]]


@pytest.mark.parametrize(("dist", "ours"), [("loadgroup", True), ("load", False), ("no", False)])
def test_other_ways_to_give_out_are_left_alone(dist: str, *, ours: bool) -> None:
    """By hand any other `--dist` is xdist's."""
    made = pytest_xdist_make_scheduler(config(dist=dist, tx=["popen"]), None)
    assert isinstance(made, SideBySide) is ours


@pytest.mark.parametrize(
    ("group", "word"), [("the engine", "import container"), ("the browser", "sync_api"), (None, "npm install")]
)
def test_who_shares_something_is_in_a_group(group: str | None, word: str) -> None:
    """Whatever runs the image, opens the browser or installs packages is named, and what is named is there."""
    named = TOGETHER[group] if group else [file for files in TOGETHER.values() for file in files]
    assert {path.stem for path in FOLDER.glob("test_*.py") if word in path.read_text()} <= set(named)
    assert all((FOLDER / f"{file}.py").is_file() for file in named)
