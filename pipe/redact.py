"""What may leave the step: plain text, without secrets, with paths from the clone directory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipe.secrets import Masker
from pipe.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pipe.model import CIPipelineExecution, Fix, Link, Run

# Where Pipelines clones: an output restored from a cache of another place names files there too.
PIPELINES_CLONE_DIR = "/opt/atlassian/pipelines/agent/build"


def without_clone_dir(text: str, clone_dir: str) -> str:
    """The text, in which names of files begin at the clone directory."""
    for folder in {clone_dir, PIPELINES_CLONE_DIR} - {"/"}:
        if f"{folder}/" in text:
            text = text.replace(f"file://{folder}/", "").replace(f"{folder}/", "")
    return text


class Redactor:
    """Cleans what is published; `count` says how many secrets were replaced so far.

    `known` are the pipe's own credentials.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._masker = Masker(known)

    @property
    def count(self) -> int:
        """How many secrets were replaced."""
        return self._masker.count

    def text(self, text: str) -> str:
        """Plain text without secrets, line ends kept."""
        return self._masker.mask(plain(text))

    def line(self, text: str) -> str:
        """The same, on one line: a name with a line break in it could pose as a line of the log."""
        return " ".join(self.text(text).split())

    def lines(self, texts: Collection[str]) -> dict[str, str]:
        """The same for many short texts, which are looked through as one: by the text, what it becomes."""
        spaced = [" ".join((text if text.isprintable() else plain(text)).split()) for text in texts]
        return dict(zip(texts, self._masker.mask("\n".join(spaced)).split("\n"), strict=True)) if texts else {}

    def execution(self, execution: CIPipelineExecution, clone_dir: str) -> CIPipelineExecution:
        """What Nx Cloud knows, with every text clean."""

        def link(found: Link | None) -> Link | None:
            return found._replace(url=self.line(found.url)) if found else None

        def fix(found: Fix) -> Fix:
            return found._replace(
                tasks=tuple(map(self.line, found.tasks)),
                state=self.line(found.state),
                description=self.line(found.description) if found.description else None,
                link=link(found.link),
            )

        return execution._replace(
            link=link(execution.link),
            run_groups=tuple(
                group._replace(
                    name=self.line(group.name),
                    runs=tuple(self.run(run, clone_dir) for run in group.runs),
                    fix=fix(group.fix) if group.fix else None,
                )
                for group in execution.run_groups
            ),
        )

    def run(self, run: Run, clone_dir: str) -> Run:
        """A run whose every text is clean. Names of files in outputs begin at the clone directory."""

        def output(text: str) -> str:
            return without_clone_dir(self.text(text), clone_dir)

        names = {name for task in run.tasks for name in (task.id, task.target, task.root, *(task.dependencies or ()))}
        clean = self.lines([name for name in names if name is not None])

        return replace(
            run,
            command=self.line(run.command) if run.command else None,
            targets=tuple(map(self.line, run.targets)),
            projects=tuple(map(self.line, run.projects)),
            errors=tuple(map(output, run.errors)),
            sources=tuple(map(self.line, run.sources)),
            link=run.link._replace(url=self.line(run.link.url)) if run.link else None,
            tasks=tuple(
                replace(
                    task,
                    id=clean[task.id],
                    target=clean[task.target] if task.target else None,
                    output=output(task.output) if task.output else None,
                    dependencies=tuple(clean[one] for one in task.dependencies if one)
                    if task.dependencies
                    else task.dependencies,
                    root=clean[task.root] if task.root else None,
                )
                for task in run.tasks
            ),
        )
