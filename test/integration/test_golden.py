"""What people read of each captured run, whole: the log of the pipe and the comment. `make golden` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipe import __version__
from pipe.render.comment import LIMIT
from test import markdown
from test.workspaces import CAPTURES, exit_code

if TYPE_CHECKING:
    from test.conftest import Step

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
RUNS = [
    (folder.name, path.name.split("-")[0], path.name.removesuffix(".run.json"))
    for folder in sorted(CAPTURES.iterdir())
    for path in sorted(folder.glob("*.run.json"))
]


@pytest.mark.parametrize(("version", "run", "name"), RUNS, ids=str)
def test_golden(step: Step, version: str, run: str, name: str) -> None:
    """The log and the comment of a captured run are as agreed, within the limit, and one document in both Markdowns."""
    step.environ = {"DRY_RUN": "true"}
    ran = step.run(version, (run,), BITBUCKET_EXIT_CODE=exit_code(version, run))
    text = ran.log.rstrip().replace(f"Nx Report {__version__} ", "Nx Report VERSION ") + "\n"
    body = text.split("The comment would be:\n\n")[1].split("\nThe build status would be")[0]
    assert len(body) <= LIMIT
    assert markdown.cloud(body) == markdown.data_center(body)
    golden = GOLDEN / version / f"{name}.md"
    if os.environ.get("WRITE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_no_golden_file_is_left_over() -> None:
    """Each golden file belongs to a capture."""
    found = {(path.parent.name, path.stem) for path in GOLDEN.glob("*/*.md")}
    assert found == {(version, name) for version, _, name in RUNS}
