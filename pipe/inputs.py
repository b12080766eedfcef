"""What the pipe is told: settings, build and clone, read together so that all mistakes are told together."""

from __future__ import annotations

import os
from dataclasses import replace
from ssl import SSLError
from typing import TYPE_CHECKING, NamedTuple

from pipe import build, ci, settings
from pipe.checkout import Checkout
from pipe.settings import Mistakes, Settings
from pipe.variables import given

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipe.build import Build


class Inputs(NamedTuple):
    """What the pipe is told; `detected` are lines on what was found by itself."""

    options: Settings
    build: Build
    checkout: Checkout
    detected: tuple[str, ...] = ()


def read(environ: Mapping[str, str], working_directory: str) -> Inputs:
    """Read everything. Raises Mistakes, with every mistake of all of it."""
    mistakes: list[str] = []
    notes: tuple[str, ...] = ()
    options = Settings()
    try:
        options = settings.read(environ)
    except Mistakes as wrong:
        mistakes += wrong.lines
        notes = wrong.notes
    detected: tuple[str, ...] = ()
    if server := given(environ, "BITBUCKET_URL").rstrip("/"):
        of, found, detected = ci.read(environ, working_directory, server, os.path.isdir)
        problems = list(found)
        name = f"{of.job}-{of.step_uuid}" if of.job and of.step_uuid else of.job
        options = options if options.step_name or not name else replace(options, step_name=name[:100])
    else:
        of, problems = build.read(environ, working_directory)
    checkout = Checkout(of.clone_dir)
    mistakes += [*_wrong_paths(environ, working_directory, checkout), *problems, *_wrong_authority(options.authority)]
    if mistakes:
        raise Mistakes(mistakes, notes or options.notes)
    return Inputs(options, of, checkout, detected)


def _wrong_authority(path: str | None) -> list[str]:
    if not path:
        return []
    from pipe.tls import context  # noqa: PLC0415 - few give one

    try:
        context(path)
    except OSError as error:  # of the file, or of what is in it
        why = "cannot be read" if error.strerror and not isinstance(error, SSLError) else "holds no certificates (PEM)"
        return [f"CA_BUNDLE {path[:60]!r} {why}. Correct: CA_BUNDLE: /etc/ssl/certs/company.pem"]
    return []


def _wrong_paths(environ: Mapping[str, str], working_directory: str, checkout: Checkout) -> list[str]:
    if not os.path.isdir(checkout.root):  # noqa: PTH112
        name = "CLONE_DIR" if given(environ, "BITBUCKET_URL") else "BITBUCKET_CLONE_DIR"
        return [f"{name} {checkout.root!r} is no folder here: the clone is not mounted"]
    mistakes = []
    for name, bases, example in (
        ("WORKSPACE_DIR", [working_directory], "frontend"),
        ("NX_CACHE_DIRECTORY", [working_directory, checkout.root], "$BITBUCKET_CLONE_DIR/.nx/cache"),
    ):
        correct = f"Correct: {name}: {example}"
        path = given(environ, name)
        if not path:
            continue
        found = [real for base in bases if (real := checkout.inside(path, base))]
        if not found:
            mistakes.append(f"{name} {path[:60]!r} lies outside the clone directory {checkout.root}. {correct}")
        elif name == "WORKSPACE_DIR" and not os.path.isdir(found[0]):  # noqa: PTH112
            mistakes.append(f"{name} {path[:60]!r} is no folder of the clone. {correct}")
    return mistakes
