"""Fixtures that several kinds of tests share."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipe.clock import Clock
from test.sandbox import Sandbox
from test.workspaces import exit_code, lay_out, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from test.sandbox import Exchange

pytest_plugins = ["test.conftest_tools"]


class FakeClock(Clock):
    """A clock that stands still but for the sleeping, which takes no time."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 19, 22, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The time of day."""
        return self.time

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        """Move on by that much."""
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only sleeping moves."""
    return FakeClock()


@cache
def _contract() -> Callable[[Exchange], None] | None:
    """The check against Bitbucket's OpenAPI file, where that is at hand."""
    if not (folder := os.environ.get("CONTRACT_DIR")):
        return None
    from test.contract import Contract  # noqa: PLC0415 - takes a second, which most runs need not spend

    contract = Contract(Path(folder))

    def check(exchange: Exchange) -> None:
        # A fault's answer is wrong on purpose.
        problems = contract.request_problems(exchange) if exchange.faulty else contract.problems(exchange)
        assert not problems, "\n".join(problems)

    return check


@pytest.fixture
def sandbox(clock: FakeClock) -> Iterator[Sandbox]:
    """An embedded Bitbucket, whose every exchange is held to the OpenAPI file where that is at hand."""
    with Sandbox(clock.now, _contract()) as sandbox:
        yield sandbox


@dataclass
class Ran:
    """What a run of the pipe came to: its exit code and what it printed."""

    code: int
    log: str


class Step:
    """A step of a pipeline whose clone is laid out from a captured run, and the pipe run in it, in this process."""

    def __init__(self, sandbox: Sandbox, clock: FakeClock, clone: Path) -> None:
        self.sandbox, self.clock, self.clone = sandbox, clock, clone
        self.environ = {
            "ATLASSIAN_ACCOUNT_EMAIL": sandbox.api_auth[0],
            "ATLASSIAN_API_TOKEN": sandbox.api_auth[1],
            "BITBUCKET_API_URL": sandbox.url,
        }

    def run(self, version: str | None = "24.0.6", runs: Sequence[int | str] = (1,), **own: str) -> Ran:
        """Lay out a fresh clone with these captured runs (None: without any) and run the pipe with these variables."""
        shutil.rmtree(self.clone, ignore_errors=True)
        self.clone.mkdir()
        commit = own.get("BITBUCKET_COMMIT", self.sandbox.pull_request.source_commit)
        lay_out(self.clone, version or "24.0.6", runs, log=bool(version), record=bool(version), commit=commit)
        code = exit_code(version, runs[-1]) if version else "0"
        return self.again(**{"BITBUCKET_EXIT_CODE": code, "BITBUCKET_COMMIT": commit[:12], **own})

    def again(self, **own: str) -> Ran:
        """Run the pipe in the clone as it is."""
        from pipe.app import Pipe, connect  # noqa: PLC0415

        environ = variables(self.clone, {**self.environ, **own})
        printed: list[str] = []
        pipe = Pipe(
            {name: text for name, text in environ.items() if text}, str(self.clone), self.clock, printed.append, connect
        )
        return Ran(pipe.run(), "\n".join(printed))

    @property
    def comments(self) -> list[str]:
        """What stands on the pull request."""
        return [comment.raw for comment in self.sandbox.pull_request.visible_comments]

    @property
    def statuses(self) -> list[tuple[str, str]]:
        """State and description of the pull request's build statuses."""
        found = self.sandbox.repository.build_statuses
        return [(status.state, status.description or "") for status in found]

    @property
    def records(self) -> list[str]:
        """The keys of the records on the pull request's head."""
        commit = self.sandbox.pull_request.source_commit
        return [report.external_id for report in self.sandbox.repository.reports_of_commit(commit)]

    def calls(self) -> list[str]:
        """Method and the end of the path of each request so far; the list starts anew."""
        calls = [f"{one.method} {one.path.split('/acme/shop/')[1]}" for one in self.sandbox.requests]
        self.sandbox.requests.clear()
        return calls


@pytest.fixture
def step(sandbox: Sandbox, clock: FakeClock, tmp_path: Path) -> Step:
    """A step on the sandbox's pull request."""
    return Step(sandbox, clock, tmp_path / "clone")
