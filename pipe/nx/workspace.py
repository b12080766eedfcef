"""The Nx workspace in the clone: where it is, what its own files say, where its Nx keeps things."""

from __future__ import annotations

import json
import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipe.checkout import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipe.checkout import Checkout

_CONFIG_LIMIT = 4 << 20


class Workspace:
    """A workspace at `root`, a real path inside the clone. `notes` gets a line for each file that cannot be read."""

    def __init__(self, checkout: Checkout, root: str) -> None:
        self.checkout = checkout
        self.root = root
        self.notes: list[str] = []

    @classmethod
    def find(cls, checkout: Checkout, given: str | None, working_directory: str) -> Workspace:
        """The workspace as given, else the nearest folder with an nx.json from the working directory upwards."""
        if given is not None:
            return cls(checkout, checkout.inside(given, working_directory) or checkout.root)
        start = folder = checkout.inside(working_directory) or checkout.root
        while not Path(folder, "nx.json").is_file():
            if folder == checkout.root:
                return cls(checkout, start)
            folder = str(Path(folder).parent)
        return cls(checkout, folder)

    @property
    def is_one(self) -> bool:
        """Whether there is an nx.json."""
        return Path(self.root, "nx.json").is_file()

    @property
    def command(self) -> str:
        """How people start Nx here, by the lock file."""
        for name, command in (("pnpm-lock.yaml", "pnpm nx"), ("yarn.lock", "yarn nx"), ("bun.lock", "bunx nx")):
            if Path(self.root, name).is_file():
                return command
        return "npx nx"

    @cached_property
    def installed(self) -> tuple[int, int] | None:
        """Nx's version, major and minor, as it is installed."""
        return _version(self._json("node_modules/nx/package.json").get("version"))

    @cached_property
    def version(self) -> tuple[int, int] | None:
        """Nx's version as it is installed, else as package.json asks for it."""
        manifest = {} if self.installed else self._json("package.json")
        asked = (_version(_at(manifest, kind).get("nx")) for kind in ("devDependencies", "dependencies"))
        return self.installed or next((version for version in asked if version), None)

    @property
    def has_recorder(self) -> bool:
        """Whether nx.json names the recorder, or a file that is one by its name."""
        plugins = self._config.get("plugins")
        names = [_name(plugin) for plugin in plugins] if isinstance(plugins, list) else []
        return any("nx-report" in name for name in names)

    @property
    def cache_directories(self) -> list[str]:
        """Where Nx may keep its cache by nx.json and by custom, the most explicit first, as they are named."""
        places = [".nx/cache", "node_modules/.cache/nx"]
        runners = self._config.get("tasksRunnerOptions")
        for options in (self._config, *(_at(runner, "options") for runner in _values(runners))):
            if isinstance(where := options.get("cacheDirectory"), str) and where:
                places.insert(0, where)
        return places

    @cached_property
    def _config(self) -> Mapping[str, object]:
        return self._json("nx.json")

    def _json(self, name: str) -> Mapping[str, object]:
        """The object in a JSON file, which may have comments and trailing commas as Nx allows, else an empty one."""
        path = os.path.join(self.root, name)
        if not os.path.lexists(path):
            return {}
        try:
            text = self.checkout.read(path, _CONFIG_LIMIT).decode("utf-8-sig")
            text = _without(r"//[^\n]*|/\*.*?\*/", text)
            content = json.loads(_without(r",(?=\s*[}\]])", text))
        except (Unreadable, ValueError, RecursionError):
            self.notes.append(f"{self.checkout.name(path)} cannot be read as JSON; its settings are not used")
            return {}
        return content if isinstance(content, dict) else {}


def _without(pattern: str, text: str) -> str:
    """The text without what the pattern finds outside of JSON strings."""
    return re.sub(rf'("(?:[^"\\\n]|\\.)*")|{pattern}', lambda found: found[1] or "", text, flags=re.DOTALL)


def _version(value: object) -> tuple[int, int] | None:
    found = re.match(r"[\^~>=v ]*([0-9]{1,3})\.([0-9]{1,4}|[x*])", value) if isinstance(value, str) else None
    return (int(found[1]), int(found[2]) if found[2].isdigit() else 0) if found else None


def _name(plugin: object) -> str:
    name = plugin.get("plugin") if isinstance(plugin, dict) else plugin
    return name if isinstance(name, str) else ""


def _at(value: object, key: str) -> Mapping[str, object]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _values(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else []
