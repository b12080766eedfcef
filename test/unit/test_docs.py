"""README, pipe.yml and the code name the same variables, version and image."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipe import __version__
from pipe.nx.hints import RECIPE
from pipe.settings import schema
from pipe.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
METADATA = yaml.safe_load((ROOT / "pipe.yml").read_text())


def test_readme_table() -> None:
    """The README's table holds each variable with its meaning and default, in the order of the code, and no other."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*?) ?\|$", README, re.MULTILINE)
    expected = []
    for one in VARIABLES:
        prose = not one.default or " " in one.default
        expected.append((one.name, one.meaning, one.default if prose else f"`{one.default}`"))
    assert rows == expected


def test_pipe_yml() -> None:
    """pipe.yml lists the same variables; a default is the code's, or the repository variable of the same name."""
    listed = {one["name"]: one.get("default") for one in METADATA["variables"]}
    assert list(listed) == [one.name for one in VARIABLES] == list(schema())
    for one in VARIABLES:
        literal = (
            one.default if one.default and " " not in one.default and not one.default.startswith("BITBUCKET_") else None
        )
        of_repository = one.name.startswith(("ATLASSIAN_", "BITBUCKET_")) and one.name != "BITBUCKET_URL"
        credential = f"${one.name}" if of_repository and not one.default else None
        assert listed[one.name] == (credential or literal), one.name


def test_pipe_yml_fields() -> None:
    """pipe.yml has the fields that Bitbucket's list of pipes shows, and no other (a slip in a name breaks silently)."""
    fields = {"name", "description", "image", "category", "repository", "vendor", "maintainer", "tags", "variables"}
    assert set(METADATA) == fields
    assert all(set(one) <= {"name", "default"} for one in METADATA["variables"])
    assert all(isinstance(one.get("default", ""), str) for one in METADATA["variables"])


def test_one_version() -> None:
    """The package, pyproject.toml, pipe.yml's image and every snippet of the README carry one version."""
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__
    assert METADATA["image"].endswith(f":{__version__}")
    used = set(re.findall(r"docker://(\S+)", README))
    used |= set(re.findall(r"nxreport/nx-report:[\w.]+", README))
    assert used == {METADATA["image"]}
    assert re.findall(r"^Nx Report (\S+) ·", README, re.MULTILINE) == [__version__]


def test_readme_snippets_are_yaml() -> None:
    """Every YAML snippet of the README can be read, and passes strings alone to the pipe."""
    snippets = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert snippets
    passed = [one for snippet in snippets for one in _variables(yaml.safe_load(snippet))]
    assert len(passed) >= 8
    for variables in passed:
        assert set(variables) <= {one.name for one in VARIABLES} | {"BITBUCKET_EXIT_CODE", "BITBUCKET_PR_ID"}
        assert all(isinstance(text, str) for text in variables.values())


def _variables(value: Any) -> Iterator[dict[str, Any]]:
    """What a snippet passes to each pipe in it."""
    if isinstance(value, dict) and "pipe" in value:
        yield value["variables"]
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _variables(inner)


def test_readme_recipe() -> None:
    """The README captures logs with the line that the pipe's own hints give and the tests run."""
    (snippet,) = (text for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if " tee " in text)
    script = yaml.safe_load(snippet)["script"]
    assert [RECIPE.replace("lint test build", targets) for targets in ("lint test", "build")] == script[1:]


def test_examples_are_correct() -> None:
    """The example in each error message is one that the variable accepts."""
    for one in VARIABLES:
        if not one.example.startswith("$"):
            one.read(one.example.strip("'"))
