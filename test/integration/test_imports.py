"""Which room may import which, read from the sources: imports point towards `model`, and pure rooms stay pure."""

from __future__ import annotations

import ast
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest

PIPE = Path(__file__).parents[2] / "pipe"

# Pure rooms: what they need of the environment, the clock, files and the network is passed in.
PURE = (
    "model", "variables", "build", "ci", "emoji", "terminal", "telling*", "problems*", "secrets", "redact", "insights*",
    "steps", "protocol", "pack", "logs", "nx.durations",
    "render.*", "nx.printed*", "nx.run_json", "nx.record", "nx.values", "nx.merge", "nx.join", "nx.align",
    "nx.cloud_links", "nx.cloud_answer",
)  # fmt: skip
IMPURE_MODULES = {
    "asyncio", "bitbucket_pipes_toolkit", "cerberus", "concurrent", "fcntl", "getpass", "glob", "http", "io", "locale",
    "logging", "mmap", "multiprocessing", "os", "pathlib", "platform", "pwd", "random", "requests", "select", "shutil",
    "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib.request",
    "urllib3", "uuid", "yaml",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}
IMPURE_METHODS = {"now", "utcnow", "today"}
EDGES = (
    "__main__", "app", "settings", "checkout", "clock", "publish", "bitbucket*", "nx.collect", "nx.sources",
    "nx.workspace", "nx.hints", "nx.cloud", "nx.history", "nx.projects", "locate", "tracked", "past", "making",
    "page", "downloads", "outputs", "inputs", "work", "voice", "collecting", "desk", "words",
    "tls",
)  # fmt: skip

# Who alone may import what, both as patterns of module names.
ONLY = {
    "requests": ("bitbucket.*", "nx.cloud", "tls"),
    "urllib3": ("bitbucket.*",),
    "bitbucket_pipes_toolkit": ("settings", "bitbucket.http", "__main__"),
    "cerberus": ("settings", "__main__"),
    "pipe.app": ("__main__",),
    # Which host it is: no room beyond the adapters knows.
    "pipe.bitbucket.cloud": ("bitbucket.*",),
    "pipe.bitbucket.data_center": ("bitbucket.*",),
    "pipe.bitbucket.server": ("bitbucket.*",),
    "pipe.__main__": (),
    "test": (),
    "bench": (),
}


class Import(NamedTuple):
    """One import: the module it stands in (`pipe.` left off), what it names, and whether it is for types alone."""

    by: str
    of: str
    typing: bool


def read(root: Path) -> tuple[list[Import], list[str]]:
    """Read the imports of every module below `root` (the folder `pipe`), and the offences that need no import."""
    imports: list[Import] = []
    offences: list[str] = []
    modules = {_name(root, path): path for path in sorted(root.rglob("*.py"))}
    for name, path in modules.items():
        tree = ast.parse(path.read_text())
        for_types = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
            for statement in node.body
            for inner in ast.walk(statement)
        }
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports += [
                    Import(name, target, id(node) in for_types)
                    for target in _targets(node, package, {f"pipe.{module}" for module in modules})
                ]
            elif isinstance(node, ast.Call) and _matches(name, PURE):
                called = node.func
                if isinstance(called, ast.Name) and called.id in IMPURE_CALLS:
                    offences.append(f"{name} is pure and calls {called.id}()")
                if isinstance(called, ast.Attribute) and called.attr in IMPURE_METHODS:
                    offences.append(f"{name} is pure and reads the clock with .{called.attr}()")
    return imports, offences


def offences(root: Path) -> list[str]:
    """Name everything below `root` that breaks the direction of imports."""
    imports, found = read(root)
    for one in imports:
        found += _broken(one)
    for by in sorted({one.by for one in imports} - {"app", "__main__"}):
        if {"pipe.settings", "pipe.publish"} <= {one.of for one in imports if one.by == by}:
            found.append(f"{by} imports settings and publish: only app and __main__ may bring them together")
    cycle = _cycle({(one.by, one.of.removeprefix("pipe.")) for one in imports if one.of.startswith("pipe.")})
    return [*found, "a cycle: " + " -> ".join(cycle)] if cycle else found


def _broken(one: Import) -> list[str]:
    """Name the rules that one import breaks by itself."""
    found = []
    if one.by == "model" and _within(one.of, "pipe"):
        found.append(f"model imports {one.of}: it may import nothing of ours")
    for module, allowed in ONLY.items():
        if _within(one.of, module) and not _matches(one.by, allowed):
            found.append(f"{one.by} imports {one.of}: allowed in {', '.join(allowed) or 'no module'}")
    impure = not one.typing and any(_within(one.of, module) for module in IMPURE_MODULES)
    if _matches(one.by, PURE) and (impure or _matches(one.of.removeprefix("pipe."), EDGES)):
        found.append(f"{one.by} is pure and imports {one.of}")
    return found


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _name(root: Path, path: Path) -> str:
    """Give a module's name without the leading `pipe.`; a package's own file goes by the package."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _targets(node: ast.Import | ast.ImportFrom, package: str, modules: set[str]) -> list[str]:
    """List the modules that one statement imports, in full; `from x import y` names x.y where that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parents = f"pipe.{package}".rstrip(".").split(".")
        base = ".".join([*parents[: len(parents) - node.level + 1], *([node.module] if node.module else [])])
    # Paths without a file system behind them are plain text.
    if base == "pathlib" and all(alias.name.startswith("Pure") for alias in node.names):
        return []
    full = [f"{base}.{alias.name}" for alias in node.names]
    return [name if name in modules or base in ("pipe", "urllib") else base for name in full]


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _cycle(edges: set[tuple[str, str]]) -> list[str]:
    """Find one cycle, as the modules on it, or nothing."""
    after: dict[str, list[str]] = {}
    for by, of in sorted(edges):
        after.setdefault(by, []).append(of)
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for following in after.get(module, ()):
            if found := walk(following, [*path, module]):
                return found
        done.add(module)
        return []

    return next(filter(None, (walk(module, []) for module in sorted(after))), [])


def test_imports_point_towards_the_model() -> None:
    """No module of the pipe breaks the direction of imports."""
    assert offences(PIPE) == []


def test_every_room_that_a_rule_names_exists() -> None:
    """A rule about a module that was renamed would hold nothing."""
    names = [_name(PIPE, path) for path in PIPE.rglob("*.py")]
    patterns = {*PURE, *EDGES, *(pattern for allowed in ONLY.values() for pattern in allowed)}
    assert [pattern for pattern in sorted(patterns) if not any(fnmatch(name, pattern) for name in names)] == []


@pytest.mark.parametrize(
    ("module", "source", "offence"),
    [
        ("model", "from pipe import terminal", "model imports pipe.terminal: it may import nothing of ours"),
        ("model", "from .terminal import strip", "model imports pipe.terminal: it may import nothing of ours"),
        ("render/comment", "import os", "render.comment is pure and imports os"),
        ("render/comment", "def f():\n    from time import time", "render.comment is pure and imports time"),
        ("render/comment", "from pathlib import Path", "render.comment is pure and imports pathlib"),
        ("render/comment", "from urllib import request", "render.comment is pure and imports urllib.request"),
        ("render/comment", "from ..publish import x", "render.comment is pure and imports pipe.publish"),
        (
            "render/comment",
            "from pipe.bitbucket import cloud",
            "render.comment is pure and imports pipe.bitbucket.cloud",
        ),
        (
            "render/comment",
            "if TYPE_CHECKING:\n  from pipe.app import A",
            "render.comment is pure and imports pipe.app",
        ),
        ("telling", "open('x')", "telling is pure and calls open()"),
        ("telling", "datetime.now()", "telling is pure and reads the clock with .now()"),
        ("publish", "import requests", "publish imports requests: allowed in bitbucket.*, nx.cloud, tls"),
        ("publish", "import cerberus.errors", "publish imports cerberus.errors: allowed in settings, __main__"),
        ("publish", "from pipe.bitbucket import cloud", "publish imports pipe.bitbucket.cloud: allowed in bitbucket.*"),
        ("publish", "from test import sandbox", "publish imports test: allowed in no module"),
        (
            "publish",
            "from pipe import settings\nfrom pipe import publish",
            "publish imports settings and publish: only app and __main__ may bring them together",
        ),
        ("terminal", "from pipe import telling", "a cycle: telling -> terminal -> telling"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, module: str, source: str, offence: str) -> None:
    """Each rule catches an import that breaks it, in a tree that keeps the rules otherwise."""
    root = tmp_path / "pipe"
    for name, text in {
        "__init__": "",
        "model": "from datetime import datetime",
        "terminal": "import re",
        "telling": "from pipe import terminal\nfrom pathlib import PurePosixPath\nfrom urllib.parse import quote",
        "settings": "import bitbucket_pipes_toolkit",
        "publish": "from pipe.bitbucket import Bitbucket",
        "app": "from pipe import publish, settings",
        "render/__init__": "",
        "render/comment": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pathlib import Path",
        "bitbucket/__init__": "",
        "bitbucket/cloud": "import requests",
    }.items():
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert offences(root) == []
    with (root / f"{module}.py").open("a") as file:
        file.write(f"\n{source}\n")
    assert offence in offences(root)
