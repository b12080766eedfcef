"""The pipe and the demo as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(module: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a module in a process with this environment and no other."""
    command = [sys.executable, "-m", module]
    environ = {"PATH": os.defpath, **environ}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, encoding="utf-8", check=False)


def test_outside_of_pipelines() -> None:
    """Without any variable the pipe says all that is missing in one block, exits with 1, and prints no traceback."""
    done = run("pipe", {})
    assert done.returncode == 2
    assert done.stderr == ""
    assert done.stdout.startswith("✗ Nx Report ")
    names = [line.split()[1] for line in done.stdout.splitlines()[1:]]
    assert names == [
        "BITBUCKET_WORKSPACE",
        "BITBUCKET_REPO_SLUG",
        "BITBUCKET_COMMIT",
        "BITBUCKET_BUILD_NUMBER",
    ]


def test_odd_locale() -> None:
    """A container without a UTF-8 locale prints the same."""
    plain = run("pipe", {})
    odd = run("pipe", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    assert (odd.returncode, odd.stdout, odd.stderr) == (2, plain.stdout, "")


def test_closed_log() -> None:
    """A log that nobody reads any more stops nothing."""
    command = f"{sys.executable} -m pipe >&-"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, env={"PATH": os.defpath}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (2, b"")


def test_demo() -> None:
    """The demo shows a failing build, its fix and parallel steps: one comment in the end, a status on each commit."""
    done = run("test.demo", {})
    assert done.returncode == 0, done.stderr
    assert "✗ **Nx: 6 of 13 tasks failed:** `@orders/domain:lint`" in done.stdout
    assert "— On the pull request: 1 comment —" in done.stdout
    assert "✓ **Nx: 16 tasks succeeded**" in done.stdout
    assert "Build status FAILED on 1f3c9ab02d41: 6 of 13 tasks failed" in done.stdout
    assert "Build status SUCCESSFUL on 5d27c0fb1a9e: 16 tasks succeeded" in done.stdout
    assert "✗ **Nx: 1 of 17 tasks failed so far:** `@orders/domain:test` · 2 of 3 steps have reported" in done.stdout
    last = done.stdout.rpartition("— On the pull request: 1 comment —\n\n")[2]
    assert last.startswith("✗ **Nx: 1 of 17 tasks failed:** `@orders/domain:test` · `e2e` started and never reported\n")
