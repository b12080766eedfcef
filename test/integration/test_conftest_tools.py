"""Tests that are left out are named, and forbidden where nothing may be left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDS = "from test.conftest_tools import need\n\ndef test_it():\n    need('contract')\n"
SKIPS = "import pytest\n\ndef test_it():\n    pytest.skip('a reason of its own')\n"


def run(folder: Path, source: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on one test file, with the folder of OpenAPI files missing."""
    (folder / "test_it.py").write_text(source)
    inherited = {
        name: text for name, text in os.environ.items() if name not in ("CONTRACT_DIR", "NX_REPORT_REQUIRE_ALL")
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "test.conftest_tools", "--rootdir", folder, folder / "test_it.py"],
        cwd=ROOT,
        env=inherited | environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("source", [NEEDS, SKIPS])
def test_what_is_left_out_is_said(tmp_path: Path, source: str) -> None:
    """A test without its tool is left out, and the last lines say so, with how to get it where that is known."""
    done = run(tmp_path, source)
    assert done.returncode == 0
    assert "1 left out: " in done.stdout
    assert ("set CONTRACT_DIR to the folder of Bitbucket's OpenAPI files" in done.stdout) == (source == NEEDS)


@pytest.mark.parametrize("source", [NEEDS, SKIPS])
def test_nothing_may_be_left_out_where_everything_is_required(tmp_path: Path, source: str) -> None:
    """With NX_REPORT_REQUIRE_ALL a missing tool, and any other skip, makes the run fail."""
    assert run(tmp_path, source, NX_REPORT_REQUIRE_ALL="1").returncode == 1


def test_a_tool_that_is_there_leaves_the_test_in(tmp_path: Path) -> None:
    """A test with its tool runs."""
    done = run(tmp_path, NEEDS, CONTRACT_DIR=str(tmp_path), NX_REPORT_REQUIRE_ALL="1")
    assert done.returncode == 0
    assert "1 passed" in done.stdout
