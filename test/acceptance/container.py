"""The image, built and run with the docker command as Bitbucket Pipelines runs a pipe."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
IMAGE = "nx-report:test"


@dataclass(frozen=True, slots=True)
class Ran:
    """A container's exit code, and what it printed on both streams, in order."""

    code: int
    output: str


def build() -> None:
    """Build the image from this repository; fails with the engine's own words."""
    built = _docker("build", "--network", "host", "--tag", IMAGE, str(ROOT))
    assert built.code == 0, built.output


def pipe(
    clone: Path, variables: Mapping[str, str], *options: str, workdir: Path | None = None, arguments: Sequence[str] = ()
) -> Ran:
    """Run the pipe: the clone directory mounted at its own path, `workdir` inside it, the variables alone handed over.

    `options` are docker's own. With `arguments` the interpreter gets those instead of the image's entry point.
    """
    return _docker(
        "run",
        "--rm",
        "--network=host",
        f"--volume={clone}:{clone}",
        f"--workdir={workdir or clone}",
        *(f"--env={name}={text}" for name, text in variables.items()),
        *options,
        *(("--entrypoint=python3", IMAGE, *arguments) if arguments else (IMAGE,)),
    )


def shell(script: str) -> str:
    """Run a shell script in the image and give what it printed."""
    ran = _docker("run", "--rm", "--network=host", "--entrypoint=sh", IMAGE, "-c", script)
    assert ran.code == 0, ran.output
    return ran.output


def python(code: str) -> str:
    """Run a piece of Python in the image and give what it printed."""
    return shell(f'python3 -I -c "{code}"')


def _docker(*arguments: str) -> Ran:
    done = subprocess.run(
        ["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=600
    )
    return Ran(done.returncode, done.stdout.decode(errors="replace"))
