"""Tests of how the tests run other programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from test.command import Hung, Ran, execute

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_command_printed(tmp_path: Path) -> None:
    """Exit code, output and errors, in order; it gets no input."""
    assert execute(["sh", "-c", "cat; echo a; echo b >&2; exit 3"], tmp_path, os.environ) == Ran(3, "a\nb\n")


def test_left_in_the_background(tmp_path: Path) -> None:
    """A command that leaves a process with its output behind has ended all the same."""
    assert execute(["sh", "-c", "sleep 600 & echo a"], tmp_path, os.environ) == Ran(0, "a\n")


def test_without_an_end(tmp_path: Path) -> None:
    """A command that does not end is killed, run once more, and its output shown."""
    with pytest.raises(Hung, match=r"2 times no end within 0\.2 s: sh .*\na\n"):
        execute(["sh", "-c", "echo a >> count; echo a; sleep 600"], tmp_path, os.environ, seconds=0.2)
    assert (tmp_path / "count").read_text() == "a\na\n"


def test_an_end_at_the_second_try(tmp_path: Path) -> None:
    """What ends when it is run once more counts as it ended."""
    command = ["sh", "-c", "mkdir once 2>/dev/null && sleep 600; echo b"]
    assert execute(command, tmp_path, os.environ, seconds=0.2) == Ran(0, "b\n")
