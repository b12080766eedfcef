"""A pipeline of bitbucket-pipelines.yml, played as Bitbucket does: a clone for each step, a container for each pipe.

What a pipeline is, as Bitbucket's pages on step options, parallel steps, pipes and artifacts say. Not played: the
commands of scripts (whoever plays says what they come to), images, caches, services, conditions.
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

# Bitbucket lists these with the others, and nowhere says that the agent hands them to a pipe.
UNSURE = ("BITBUCKET_PR_ID", "BITBUCKET_EXIT_CODE", "BITBUCKET_PARALLEL_STEP", "BITBUCKET_PARALLEL_STEP_COUNT")


@dataclass
class Step:
    """A step: its entry in the file, its clone, and what became of it: the containers of its pipes, in their order.

    `own` are the variables that Bitbucket sets in this step alone. A step is `killed` by whoever plays its commands.
    """

    entry: Mapping[str, Any]
    clone: Path
    own: Mapping[str, str]
    ran: list[container.Ran] = field(default_factory=list)
    failed: bool = False
    killed: bool = False

    @property
    def name(self) -> str:
        """The step's name on Bitbucket's page, "" where it has none."""
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
        """The files that the step hands to later ones, by their paths in the clone; a killed one uploads nothing."""
        for artifact in () if self.killed else self.entry.get("artifacts", {}).get("upload", ()):
            if {"always": True, "success": not self.failed, "failed": self.failed}[artifact["capture-on"]]:
                for pattern in artifact["paths"]:
                    yield from glob.glob(pattern, root_dir=self.clone, recursive=True, include_hidden=True)


@dataclass
class Pipeline:
    """One run of a pipeline: `entries` is the list of its steps, groups of parallel steps and the final step.

    `defaults` are the variables that Bitbucket sets in each step beside those of a branch, `secured` those of the
    repository and of whoever runs a custom pipeline, `added` those that each pipe gets besides. `clone` clones for a
    step, `work` does what the commands of its script do and gives their exit code. `generous` says that the agent hands
    over the UNSURE variables too.
    """

    entries: Sequence[Mapping[str, Any]]
    folder: Path
    defaults: Mapping[str, str]
    secured: Mapping[str, str]
    added: Mapping[str, str]
    clone: Callable[[Step], object]
    work: Callable[[Step], str]
    generous: bool

    def __post_init__(self) -> None:
        """Make the steps, in groups that run at once; those of a group that is no parallel one are one."""
        self.groups: list[list[Step]] = []
        for entry in self.entries:
            if "variables" in entry:
                continue  # what a custom pipeline asks for
            inner = [one["step"] for one in entry["parallel"]] if "parallel" in entry else list(entry.values())
            self.groups.append([self._step(one, at, len(inner), "parallel" in entry) for at, one in enumerate(inner)])

    def _step(self, entry: Mapping[str, Any], at: int, size: int, parallel: bool) -> Step:  # noqa: FBT001
        place = {"BITBUCKET_PARALLEL_STEP": str(at), "BITBUCKET_PARALLEL_STEP_COUNT": str(size)} if parallel else {}
        name = f"step-{len(self.groups)}-{at}"
        own = {"BITBUCKET_STEP_UUID": f"{{{uuid5(NAMESPACE_OID, name)}}}", **place}
        return Step(entry, self.folder / name, own)

    @property
    def steps(self) -> list[Step]:
        """All steps, in the order of the file."""
        return [step for group in self.groups for step in group]

    def run(self) -> None:
        """Run everything; the steps of a group at once."""
        for group in self.groups:
            with ThreadPoolExecutor(len(group)) as threads:
                list(threads.map(self.play, group))

    def play(self, step: Step) -> None:
        """Run a step: clone, artifacts, the script up to its first failure, and the after-script whatever that was."""
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

    def _download(self, step: Step) -> None:
        """Bring the artifacts of the steps of all groups before."""
        for group in self.groups:
            if step in group:
                return
            for other in group:
                for name in other.artifacts():
                    if (other.clone / name).is_file():
                        (step.clone / name).parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy2(other.clone / name, step.clone / name)

    def shell(self, step: Step, more: Mapping[str, str]) -> dict[str, str]:
        """The variables of the step's own shell."""
        return {**variables(step.clone, {**self.defaults, **step.own, **more}, short=True), **self.secured}

    def _pipe(self, step: Step, line: Mapping[str, Any], more: Mapping[str, str]) -> container.Ran:
        """Run a pipe: it gets the defaults, and over them what its entry passes, expanded by the step's shell."""
        shell = self.shell(step, more)
        handed = {name: text for name, text in shell.items() if name not in self.secured}
        if not self.generous:
            handed = {name: text for name, text in handed.items() if name not in UNSURE}
        passed = {name: expand(text, shell) for name, text in line["variables"].items()}
        step.ran.append(container.pipe(step.clone, {**handed, **passed, **self.added}))
        return step.ran[-1]


def expand(text: str, shell: Mapping[str, str]) -> str:
    """Replace the names of variables by what they hold, as a shell does: by nothing where they are not defined."""
    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", lambda found: shell.get(found[1] or found[2], ""), text)
