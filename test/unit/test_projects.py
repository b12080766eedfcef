"""In which folder a project is, by what Nx and the projects' own files say."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pipe.checkout import Checkout
from pipe.nx.projects import roots
from test.conftest_tools import need

if TYPE_CHECKING:
    from pathlib import Path

GRAPH = ".nx/workspace-data/project-graph.json"


def put(clone: Path, name: str, content: object) -> Path:
    """Write a JSON file, or a text as it is."""
    path = clone / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def graph(**folders: str) -> dict[str, object]:
    """A graph as Nx 24 writes it, shortened; `test_real_nx` has whole ones."""
    nodes = {
        name: {"name": name, "type": "lib", "data": {"root": root, "targets": {}}} for name, root in folders.items()
    }
    return {"nodes": nodes, "externalNodes": {"npm:nodes": {"type": "npm"}}, "dependencies": {}, "version": "6.0"}


def test_by_the_graph(tmp_path: Path) -> None:
    """What Nx's project graph says, also of a workspace in a subfolder and of the project at its root."""
    put(tmp_path / "front", GRAPH, graph(cart="packages/cart", shop="."))
    of = roots(Checkout(str(tmp_path)), str(tmp_path / "front"), {"cart", "shop", "other"})
    assert of == {"cart": "packages/cart", "shop": "."}


def test_the_newest_graph_counts(tmp_path: Path) -> None:
    """Where an older Nx has left a graph too, what was written last counts."""
    old = put(tmp_path, "node_modules/.cache/nx/project-graph.json", graph(cart="old/cart"))
    put(tmp_path, ".nx/cache/project-graph.json", graph(cart="new/cart"))
    os.utime(old, (1, 1))
    assert roots(Checkout(str(tmp_path)), str(tmp_path), {"cart"}) == {"cart": "new/cart"}


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"nodes":', '{"nodes": 1}', '{"nodes":{"cart":1}}', '{"nodes":{"cart":{"data":[]}}}', "[" * 100_000]
    + [json.dumps(graph(cart=root)) for root in ("../other", "/etc", "a/../../b", "")],
)
def test_hostile_graphs(tmp_path: Path, text: str) -> None:
    """A graph that makes no sense, or leads out of the workspace, says nothing."""
    put(tmp_path, GRAPH, text)
    assert roots(Checkout(str(tmp_path)), str(tmp_path), {"cart"}) == {}


def test_by_the_projects_files(tmp_path: Path) -> None:
    """Without a graph it is the names in project.json and package.json that git has, as Nx reads them."""
    need("git")
    work = tmp_path / "work"
    put(work, "package.json", {"name": "shop"})
    put(work, "packages/cart/package.json", {"name": "@shop/cart"})
    put(work, "packages/web/package.json", {"name": "@shop/web"})
    put(work, "packages/web/project.json", {"name": "web"})
    put(work, "packages/api/package.json", {"name": "@shop/api"})
    put(work, "packages/api/project.json", {"targets": {}})
    put(work, "packages/Docs/project.json", {})
    put(work, "packages/broken/project.json", "{")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    put(work, "packages/new/package.json", {"name": "new"})
    names = {"shop", "@shop/cart", "web", "@shop/web", "@shop/api", "docs", "broken", "new"}
    assert roots(Checkout(str(tmp_path)), str(work), names) == {
        "shop": ".",
        "@shop/cart": "packages/cart",
        "web": "packages/web",
        "@shop/api": "packages/api",
        "docs": "packages/Docs",
    }
