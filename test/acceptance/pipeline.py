"""A pipeline of bitbucket-pipelines.yml, played as Bitbucket does: a clone for each step, a container for each pipe.

Played as Bitbucket's documentation has it: step options, parallel and final steps, pipes, artifacts. The commands of a
script are done by whoever plays; nothing is known of images, caches, services, conditions and manual steps.
"""

from __future__ import annotations

import glob
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from test.acceptance import container
from test.workspaces import variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

# In the list of default variables with the others, but nothing says that the agent hands them to every pipe.
UNSURE = ("BITBUCKET_PR_ID", "BITBUCKET_EXIT_CODE", "BITBUCKET_PARALLEL_STEP", "BITBUCKET_PARALLEL_STEP_COUNT")


@dataclass
class Step:
    """A step: its entry in the file, its clone, the variables of it alone, and what its pipes came to, in order.

    Whoever does the commands may say that the step is `killed`: then it ends there, without after-script and artifacts.
    """

    entry: Mapping[str, Any]
    clone: Path
    own: Mapping[str, str]
    ran: list[container.Ran] = field(default_factory=list)
    failed: bool = False
    killed: bool = False

    @property
    def name(self) -> str:
        """The step's name, "" where it has none."""
        return str(self.entry.get("name", ""))

    @property
    def uuid(self) -> str:
        """The step's UUID, in braces."""
        return self.own["BITBUCKET_STEP_UUID"]

    @property
    def commands(self) -> list[str]:
        """The lines of the script that are no pipes."""
        return [line for line in self.entry["script"] if isinstance(line, str)]

    def artifacts(self) -> Iterator[str]:
        """The files that are handed to later steps, as paths in the clone."""
        if self.killed:
            return
        for artifact in self.entry.get("artifacts", {}).get("upload", ()):
            if {"always": True, "success": not self.failed, "failed": self.failed}[artifact["capture-on"]]:
                for pattern in artifact["paths"]:
                    found = glob.glob(pattern, root_dir=self.clone, recursive=True, include_hidden=True)
                    yield from (name for name in found if (self.clone / name).is_file())


@dataclass
class Pipeline:
    """One run of a pipeline: `entries` is the list of its steps, its groups of parallel steps and its final step.

    `defaults` are the variables that Bitbucket sets in each step beside those of every build, `secured` those of the
    repository and of whoever starts a custom pipeline, `added` what each pipe gets besides. `clone` makes a step's
    clone, `work` does the commands of its script there and gives their exit code. `generous` is whether the agent hands
    over the UNSURE variables too.
    """

    entries: Sequence[Mapping[str, Any]]
    folder: Path
    defaults: Mapping[str, str]
    secured: Mapping[str, str]
    added: Mapping[str, str]
    clone: Callable[[Step], object]
    work: Callable[[Step], str]
    generous: bool = True

    def __post_init__(self) -> None:
        """Make the steps, in groups of what runs at once."""
        self.groups: list[list[Step]] = []
        for entry in self.entries:
            parallel = entry.get("parallel")
            if parallel:
                self.groups.append([self._step(one["step"], at, len(parallel)) for at, one in enumerate(parallel)])
            elif "variables" not in entry:  # these are what a custom pipeline asks for
                self.groups.append([self._step(entry.get("step") or entry["final"])])

    def _step(self, entry: Mapping[str, Any], at: int = 0, size: int = 0) -> Step:
        name = f"step-{len(self.groups)}-{at}"
        place = {"BITBUCKET_PARALLEL_STEP": str(at), "BITBUCKET_PARALLEL_STEP_COUNT": str(size)} if size else {}
        return Step(entry, self.folder / name, {"BITBUCKET_STEP_UUID": f"{{{uuid5(NAMESPACE_OID, name)}}}", **place})

    @property
    def steps(self) -> list[Step]:
        """All steps, in the order of the file."""
        return [step for group in self.groups for step in group]

    def run(self) -> None:
        """Play everything, the steps of a group at once."""
        for group in self.groups:
            with ThreadPoolExecutor(len(group)) as threads:
                list(threads.map(self.play, group))

    def play(self, step: Step) -> None:
        """Play a step: clone, artifacts, the script to its first failure, and whatever that was the after-script."""
        self.clone(step)
        self._download(step)
        code, worked = "0", False
        for line in step.entry["script"]:
            if isinstance(line, dict):
                code = str(self._pipe(step, line, {}).code)
            elif not worked:
                code, worked = self.work(step), True
            if code != "0" or step.killed:
                break
        step.failed = code != "0"
        for line in () if step.killed else step.entry.get("after-script", ()):
            self._pipe(step, line, {"BITBUCKET_EXIT_CODE": code})

    def shell(self, step: Step, more: Mapping[str, str]) -> dict[str, str]:
        """The variables that the step's own shell has."""
        return {**variables(step.clone, {**self.defaults, **step.own, **more}, short=True), **self.secured}

    def _download(self, step: Step) -> None:
        """Bring the artifacts of all groups before."""
        before = self.groups[: next(at for at, group in enumerate(self.groups) if step in group)]
        for other in (one for group in before for one in group):
            for name in other.artifacts():
                (step.clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(other.clone / name, step.clone / name)

    def _pipe(self, step: Step, line: Mapping[str, Any], more: Mapping[str, str]) -> container.Ran:
        """Run a pipe: what the agent hands over, and above it what the entry passes, expanded by the step's shell."""
        shell = self.shell(step, more)
        kept_back = {*self.secured, *(() if self.generous else UNSURE)}
        handed = {name: text for name, text in shell.items() if name not in kept_back}
        passed = {name: expand(text, shell) for name, text in line["variables"].items()}
        step.ran.append(container.pipe(step.clone, {**handed, **passed, **self.added}))
        return step.ran[-1]


def expand(text: str, shell: Mapping[str, str]) -> str:
    """Put the values of variables in the place of their names: nothing where one is not defined, as a shell does."""
    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", lambda found: shell.get(found[1] or found[2], ""), text)
