"""What linters, compilers and bundlers of JavaScript print of problems, on output of the real tools."""

from __future__ import annotations

import json
import posixpath
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipe.problems import find
from pipe.terminal import plain
from test.conftest_tools import captures

ROOT = "/opt/atlassian/pipelines/agent/build/"
FOLDER = Path(__file__).parents[1] / "data" / "problems" / "javascript"
CAPTURES = sorted(FOLDER.glob("*.txt"))
every_capture = pytest.mark.parametrize("path", CAPTURES, ids=lambda path: str(path.stem))


class Place(NamedTuple):
    """A problem without its words, its file named from the workspace's folder."""

    path: str
    line: int | None
    column: int | None
    severity: str
    rule: str | None


def found_in(output: str, folder: str, root: str = ROOT) -> list[tuple[Place, str]]:
    """Find the problems of an output that was printed in a folder of the workspace; each place with its message."""
    return [
        (
            Place(
                each.path.removeprefix(root)
                if each.path.startswith("/")
                else posixpath.normpath(posixpath.join(folder, each.path)),
                each.line,
                each.column,
                each.severity.value,
                each.rule,
            ),
            each.message,
        )
        for each in find(plain(output))
    ]


def test_captures_are_there() -> None:
    """Each tool that has a reader has captures, with what was seeded beside each."""
    assert len(CAPTURES) > 70
    assert all(path.with_suffix(".json").exists() for path in CAPTURES)


@every_capture
def test_seeded(path: Path) -> None:
    """Every seeded problem is found, at its line and column, with its level, rule and words; and no other."""
    about = json.loads(path.with_suffix(".json").read_text())
    seeds = about["seeds"]
    found = dict(found_in(path.read_bytes().decode(), about["folder"], f"{ROOT}javascript/"))
    expected = {
        Place(seed["path"], seed["line"], seed["column"], seed["severity"], seed["rule"]): seed["message"]
        for seed in seeds
    }
    assert found.keys() == expected.keys()
    for place, message in expected.items():
        assert message in found[place]


@every_capture
def test_line_ends(path: Path) -> None:
    """Colours and Windows' line ends make no difference to what is found."""
    output = path.read_bytes().decode()
    assert find(plain(output.replace("\r\n", "\n").replace("\n", "\r\n"))) == find(plain(output))


@pytest.mark.parametrize(
    "path", [path for path in CAPTURES if "stream" not in path.stem], ids=lambda path: str(path.stem)
)
def test_prefixed(path: Path) -> None:
    """The project's name before each line, as Nx streams it, makes no difference."""
    output = plain(path.read_bytes().decode()) + "\ndone"  # one line alone has no prefix that could be told
    prefixed = "\n".join(f"@shop/cart: {line}" for line in output.split("\n"))
    assert find(prefixed) == find(output)


@every_capture
def test_messages(path: Path) -> None:
    """A message is one line with words, neither long nor cut in the middle of what is said."""
    for problem in find(plain(path.read_bytes().decode())):
        assert problem.message == " ".join(problem.message.split())
        assert 3 < len(problem.message) <= 500
        assert problem.tool or "visualstudio" in path.stem


def test_both_tools_of_a_task() -> None:
    """Where one task runs a linter and a compiler in turn, the problems of both are found."""
    (first,) = [path for path in CAPTURES if path.stem.startswith("eslint-stylish@")]
    (second,) = [path for path in CAPTURES if path.stem.startswith("tsc-pretty@")]
    outputs = [plain(path.read_bytes().decode()) for path in (first, second)]
    assert find("\n".join(outputs)) == find(outputs[0]) + find(outputs[1])
    assert set(find("\n".join(reversed(outputs)))) == set(find(outputs[0]) + find(outputs[1]))


@cache
def captured() -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Give the tasks of the captured workspaces: name, terminal output, locations that it tells of."""
    tasks = []
    for folder in sorted((captures() / "nx-workspaces").iterdir()):
        records = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
        for run in json.loads((folder / "expected.json").read_text())["runs"]:
            if not isinstance(run.get("record"), int) or run["record"] > len(records):
                continue
            results = records[run["record"] - 1]["taskResults"]
            for task in run["tasks"]:
                output = results.get(task["id"], {}).get("terminalOutput")
                if output:
                    tasks.append((f"{run['name']} {task['id']}", output, task.get("locations", [])))
    return tasks


def tells_of(place: Place, location: dict[str, Any]) -> bool:
    """Whether a place is the location, or one that is as right. Outputs name files from the project's folder too."""
    if place.severity != location["severity"]:
        return False
    for each in [location, *({**location, "columnBase": 1, **other} for other in location.get("alsoAcceptable", []))]:
        column = each["column"]
        if column is not None:
            column += each.get("columnBase") == 0
        file = each["path"] == place.path or each["path"].endswith(f"/{place.path}")
        if file and each["line"] == place.line and column in (None, place.column):
            return True
    return False


def test_captured_workspaces() -> None:
    """Of each task of the captured workspaces every location is found, and nothing else but in a generated file."""
    assert sum(len(locations) for _, _, locations in captured()) > 100
    for name, output, locations in captured():
        found = found_in(output, "")
        for location in locations:
            assert any(tells_of(place, location) for place, _ in found), (name, location, found)
        for place, _ in found:
            told = any(tells_of(place, location) for location in locations)
            assert told or place.path.startswith("apps/orders-api/out-tsc/"), (name, place)


def test_captured_messages() -> None:
    """What is found there has the words of the tool, or of the test that failed."""
    told = {}
    for name, output, locations in captured():
        found = found_in(output, "")
        for number, location in enumerate(locations):
            messages = [message for place, message in found if tells_of(place, location)]
            words = location["message"].split("\n")[0].split(" or its")[0].split(" // ")[0].rstrip(".")
            told[name, number] = any(words in message for message in messages)
    assert sum(told.values()) >= 0.95 * len(told), [name for name, there in told.items() if not there]
