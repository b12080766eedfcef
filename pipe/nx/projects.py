"""In which folder each project is, where no record says so: by Nx's project graph, else by the projects' own files."""

from __future__ import annotations

import json
import os
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipe.checkout import Unreadable
from pipe.nx.values import text
from pipe.tracked import Tracked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pipe.checkout import Checkout

# Where Nx keeps the graph, from the workspace: 20 on, 17 to 19, 16 (nx/src/utils/cache-directory.ts).
_GRAPHS = (
    ".nx/workspace-data/project-graph.json",
    ".nx/cache/project-graph.json",
    "node_modules/.cache/nx/project-graph.json",
)
_NODES = '"nodes":'
_GRAPH_LIMIT = 32 << 20  # bytes
_FILES = ("package.json", "project.json")  # what the second says counts
_FILE_LIMIT, _MOST_FILES = 256 << 10, 4_000


def roots(checkout: Checkout, workspace: str, projects: Collection[str]) -> dict[str, str]:
    """The folders of these projects as POSIX paths from the workspace, "." for the workspace itself.

    A project of which nothing says it, or whose folder is not below the workspace, is missing.
    """
    found = _by_graph(checkout, workspace)
    if not found.keys() >= set(projects):
        found = {**_by_files(checkout, workspace), **found}
    return {name: root for name in projects if (root := found.get(name)) and _is_below(root)}


def _by_graph(checkout: Checkout, workspace: str) -> dict[str, str]:
    """What the newest graph says: Nx writes it anew with each command that needs another one."""
    paths = [os.path.join(workspace, name) for name in _GRAPHS]
    times = {path: moment for path in paths if (moment := checkout.modified(path))}
    for path in sorted(times, key=times.__getitem__, reverse=True):
        try:
            nodes = _nodes(checkout.read(path, _GRAPH_LIMIT).decode("utf-8", "replace"))
        except (Unreadable, ValueError, RecursionError):
            continue
        return {name: root for name, node in nodes.items() if (root := _root(node))}
    return {}


def _nodes(graph: str) -> Mapping[str, object]:
    """The projects of a graph, without the packages from elsewhere that stand behind them. Raises ValueError."""
    start = graph.index(_NODES) + len(_NODES)
    nodes, _ = json.JSONDecoder().raw_decode(graph, len(graph) - len(graph[start:].lstrip()))
    return nodes if isinstance(nodes, dict) else {}


def _root(node: object) -> str | None:
    data = node.get("data") if isinstance(node, dict) else None
    return text(data.get("root")) if isinstance(data, dict) else None


def _by_files(checkout: Checkout, workspace: str) -> dict[str, str]:
    """What the files of the projects say, among those in git's index.

    A `project.json` without a name is of the project with its package's name, else with its folder's in lower case
    (nx/src/config/to-project-name.ts).
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in _FILES}
    for path in _files(checkout, workspace):
        folder, _, file = path.rpartition("/")
        try:
            content = json.loads(checkout.read(os.path.join(workspace, path), _FILE_LIMIT))
        except (Unreadable, ValueError, RecursionError):
            continue
        name = text(content.get("name")) if isinstance(content, dict) else None
        found[file][folder or "."] = name
    packages, projects = (found[name] for name in _FILES)
    named = {root: name or packages.get(root) or root.rpartition("/")[2].lower() for root, name in projects.items()}
    return {name: root for root, name in {**packages, **named}.items() if name}


def _files(checkout: Checkout, workspace: str) -> Iterator[str]:
    base = checkout.name(workspace)
    prefix = "" if base == "." else f"{base}/"
    tracked = Tracked(checkout)
    for file in _FILES:
        names = (name for name in tracked.called(file) if name.startswith(prefix))
        yield from (name[len(prefix) :] for name in islice(names, _MOST_FILES))


def _is_below(root: str) -> bool:
    return not root.startswith("/") and ".." not in root.split("/")
