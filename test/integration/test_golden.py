"""What people read of each captured run, whole: the log of the pipe and the comment. `make golden` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipe import __version__
from pipe.build import Build
from pipe.checkout import Checkout
from pipe.logs import Logs
from pipe.nx.collect import Collector
from pipe.pack import Packer
from pipe.render.comment import LIMIT
from pipe.settings import Settings
from test import markdown
from test.conftest import CLOUD
from test.workspaces import CAPTURES, COMMIT, exit_code, lay_out

if TYPE_CHECKING:
    from test.conftest import Step

pytestmark = pytest.mark.host(CLOUD)

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


@pytest.mark.parametrize(("version", "run", "name"), RUNS, ids=str)
def test_problems(version: str, run: str, name: str, tmp_path: Path) -> None:
    """What is read of problems in each captured run's outputs, which becomes its annotations."""
    clone = str(lay_out(tmp_path, version, (run,)))
    build = Build("acme", "shop", COMMIT, 417, clone, step_uuid="{5b0e1c7a-2f64-4d3e-8a9b-1c2d3e4f5a6b}")
    collector = Collector(Checkout(clone), Settings(), build, clone, frozenset())
    collector.read(Logs(Packer(), (), clone).keep)
    lines = [
        f"{task.id}: {one.path}:{one.line or ''}:{one.column or ''}: {one.severity.value}: {one.message}"
        f" [{one.tool}{f' {one.rule}' if one.rule else ''}]\n"
        for each in collector.collection().runs
        for task in each.tasks
        for one in (task.log.problems if task.log else ())
    ]
    golden = GOLDEN / version / f"{name}.problems.txt"
    if os.environ.get("WRITE_GOLDEN"):
        golden.unlink(missing_ok=True)
        if lines:
            golden.write_text("".join(lines))
    assert "".join(lines) == (golden.read_text() if golden.exists() else "")


def test_no_golden_file_is_left_over() -> None:
    """Each golden file belongs to a capture."""
    found = {(path.parent.name, path.stem) for path in GOLDEN.glob("*/*.md")}
    assert found == {(version, name) for version, _, name in RUNS}
    problems = {(path.parent.name, path.name.removesuffix(".problems.txt")) for path in GOLDEN.glob("*/*.txt")}
    assert problems <= found
