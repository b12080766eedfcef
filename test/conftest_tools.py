"""What some tests need and not every machine has: they are left out, by name, or fail where nothing may be left out.

A test (or fixture) that needs something says `need("engine")` first. With NX_REPORT_REQUIRE_ALL set (CI), whatever is
missing is a failure, and so is any other skipped test.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


class Tool(NamedTuple):
    """Something optional: a look whether it is there, and how to get it."""

    found: Callable[[], bool]
    how: str


# Nothing but the page: the browser talks to the sandbox and to nobody else.
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def browser() -> str | None:
    """Path of a Chromium or Chrome, None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


def _engine() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _folder(variable: str) -> Callable[[], bool]:
    return lambda: bool(os.environ.get(variable)) and Path(os.environ[variable]).is_dir()


TOOLS = {
    "engine": Tool(_engine, "start Docker, or any engine that the docker command reaches"),
    "browser": Tool(lambda: browser() is not None, "install chromium (Debian: apt-get install chromium)"),
    "node": Tool(lambda: bool(shutil.which("node") and shutil.which("npm")), "install Node 20 or later with npm"),
    "git": Tool(lambda: bool(shutil.which("git")), "install git"),
    "contract": Tool(_folder("CONTRACT_DIR"), "set CONTRACT_DIR to the folder of Bitbucket's OpenAPI files"),
    "captures": Tool(_folder("CAPTURES_DIR"), "set CAPTURES_DIR to the folder of the captured Nx runs"),
}
_MISSING = "needs "  # opens the reason of each skip that `need` asks for


@functools.cache
def has(tool: str) -> bool:
    """Whether the tool is there (looked once)."""
    return TOOLS[tool].found()


def require_all() -> bool:
    """Whether nothing may be left out."""
    return bool(os.environ.get("NX_REPORT_REQUIRE_ALL"))


def need(tool: str) -> None:
    """Leave the test out unless the tool is there; with NX_REPORT_REQUIRE_ALL fail it instead."""
    if has(tool):
        return
    if require_all():
        pytest.fail(f"{_MISSING}{tool}: {TOOLS[tool].how}", pytrace=False)
    pytest.skip(f"{_MISSING}{tool}")


def captures() -> Path:
    """Give the folder of the captured runs; leaves the test out where there is none."""
    need("captures")
    return Path(os.environ["CAPTURES_DIR"])


def left_out(reasons: list[str]) -> list[str]:
    """Word the closing lines about skipped tests: how many for want of what, and how to get it."""
    lines = []
    for reason, count in sorted(Counter(reasons).items()):
        _, found, tool = reason.partition(_MISSING)
        how = f" To run them: {TOOLS[tool].how}." if found and tool in TOOLS else ""
        lines.append(f"{count} left out: {reason}.{how}")
    return lines


def _reasons(reporter: pytest.TerminalReporter) -> list[str]:
    skipped = (report.longrepr for report in reporter.stats.get("skipped", []))
    return [str(where[2]).removeprefix("Skipped: ") for where in skipped if isinstance(where, tuple)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where nothing may be left out, a run with a skipped test is a failed one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and require_all() and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were left out and how to get them."""
    lines = left_out(_reasons(terminalreporter))
    if lines:
        terminalreporter.section("left out" + (", which NX_REPORT_REQUIRE_ALL forbids" if require_all() else ""))
        for line in lines:
            terminalreporter.line(line)
