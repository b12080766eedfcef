"""Fixtures that several kinds of tests share."""

from __future__ import annotations

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING
from uuid import NAMESPACE_OID, uuid5

import hypothesis
import pytest

from pipe.bitbucket import proxy
from pipe.clock import Clock
from test.sandbox import Sandbox
from test.sandbox.seed import BASE, BEFORE
from test.workspaces import exit_code, lay_out, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from pipe.bitbucket import Bitbucket
    from pipe.build import Build
    from test.sandbox import Exchange

pytest_plugins = ["test.conftest_tools", "test.side_by_side"]

# No test measures speed: how long an example takes says more of what else the machine does.
hypothesis.settings.register_profile("any speed", deadline=None)
hypothesis.settings.load_profile("any speed")


class FakeClock(Clock):
    """A clock that stands still but for the sleeping, which takes no time.

    `meanwhile` is what others do in the next sleeps, one after the other, just after they begin.
    """

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 19, 22, tzinfo=UTC)
        self.slept: list[float] = []
        self.meanwhile: list[Callable[[], object]] = []

    def now(self) -> datetime:
        """The time of day."""
        return self.time

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        """Move on by that much."""
        if self.meanwhile:
            self.meanwhile.pop(0)()
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


CLOUD, DATA_CENTER = "cloud", "data-center"
# What tells on Data Center what Pipelines' own variables do on Cloud, and what has to be given there.
_ON_DATA_CENTER = {
    "BITBUCKET_COMMIT": "COMMIT",
    "BITBUCKET_BUILD_NUMBER": "BUILD_NUMBER",
    "BITBUCKET_BRANCH": "SOURCE_BRANCH",
    "BITBUCKET_PR_ID": "PULL_REQUEST_ID",
    "BITBUCKET_EXIT_CODE": "EXIT_CODE",
    "BITBUCKET_CLONE_DIR": "CLONE_DIR",
}
# Where faults are met, on either host.
COMMENTS, ONE_COMMENT, STATUS = r"/(comments|activities)$", r"/comments/\d+$", r"/(statuses/build|builds)$"
PULL_REQUEST = r"/(pullrequests|pull-requests)/17$"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of a flow on both hosts, but where it is marked to be about one of them."""
    if {"host", "step"} <= set(metafunc.fixturenames):
        marker = metafunc.definition.get_closest_marker("host")
        metafunc.parametrize("host", marker.args if marker else (CLOUD, DATA_CENTER))


class Step:
    """A step of a pipeline whose clone is laid out from a captured run, and the pipe run in it, in this process.

    On Data Center it has Pipelines' variables too, which do not count there.
    """

    def __init__(self, sandbox: Sandbox, clock: FakeClock, clone: Path, host: str = CLOUD) -> None:
        self.sandbox, self.clock, self.clone, self.host = sandbox, clock, clone, host
        self.environ = {
            CLOUD: {
                "ATLASSIAN_ACCOUNT_EMAIL": sandbox.api_auth[0],
                "ATLASSIAN_API_TOKEN": sandbox.api_auth[1],
                "BITBUCKET_API_URL": sandbox.url,
            },
            DATA_CENTER: {
                "BITBUCKET_URL": sandbox.server_url,
                "BITBUCKET_ACCESS_TOKEN": sandbox.http_token.token,
                "PROJECT_KEY": "ACME",
                "REPOSITORY_SLUG": "shop",
                "BUILD_URL": "https://ci.acme.example/job/shop/1/",
            },
        }[host]

    def with_another_token(self) -> None:
        """Go on with the token of somebody else."""
        token = self.sandbox.access_token if self.host == CLOUD else self.sandbox.repository_token
        self.without_a_token(BITBUCKET_ACCESS_TOKEN=token.token)

    def without_a_token(self, **own: str) -> None:
        """Go on with these variables in place of the credential."""
        credential = ("ATLASSIAN_ACCOUNT_EMAIL", "ATLASSIAN_API_TOKEN", "BITBUCKET_ACCESS_TOKEN")
        self.environ = {name: text for name, text in self.environ.items() if name not in credential} | own

    @property
    def token(self) -> str:
        """The secret of the credential."""
        return self.environ.get("ATLASSIAN_API_TOKEN") or self.environ["BITBUCKET_ACCESS_TOKEN"]

    def other(self, name: str, uuid: str | None = None) -> Step:
        """Another step of the pipeline with a clone of its own, by default with a UUID of its name's own."""
        uuid = uuid or f"{{{uuid5(NAMESPACE_OID, name)}}}"
        other = Step(self.sandbox, self.clock, self.clone.with_name(f"clone-{uuid}"), self.host)
        other.environ = {**self.environ, "STEP_NAME": name, "BITBUCKET_STEP_UUID": uuid}
        return other

    def beside(self, version: str | None = "24.0.6", runs: Sequence[int | str] = (1,), **own: str) -> Future[Ran]:
        """Run as `run` does, beside the test: with a write of it held, others can run before it goes on."""
        threads = ThreadPoolExecutor(1)
        running = threads.submit(self.run, version, runs, **own)
        threads.shutdown(wait=False)
        return running

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
        if self.host == DATA_CENTER:
            environ = {theirs: environ.get(ours, "") for ours, theirs in _ON_DATA_CENTER.items()} | environ
        printed: list[str] = []
        pipe = Pipe(
            {name: text for name, text in environ.items() if text},
            str(self.clone),
            self.clock,
            printed.append,
            connect,
            self._connect_proxy,
        )
        if current_thread() is not main_thread():
            # Signals are the main thread's.
            pipe.timer.stop_at = lambda moment: None  # type: ignore[method-assign]  # noqa: ARG005
        return Ran(pipe.run(), "\n".join(printed))

    def _connect_proxy(self, build: Build, clock: Clock, debug: Callable[[str], None]) -> Bitbucket:
        """Pipelines' proxy is the sandbox's, which fails the test where it is sent a credential."""
        return proxy.connect(build.workspace, build.repository, clock, debug, self.sandbox.proxy.address)

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
        """Method and the end of the path of each request so far; the list starts anew.

        Those for the baseline, which come before anything is written, are left out.
        """
        return [call for call in self.all_calls() if not any(one[:12] in call for one in (BASE, BEFORE))]

    def all_calls(self) -> list[str]:
        """The same with those for the baseline."""
        calls = [f"{one.method} {re.split('/acme/shop/|/repos/shop/', one.path)[-1]}" for one in self.sandbox.requests]
        self.sandbox.requests.clear()
        return calls


@pytest.fixture
def step(sandbox: Sandbox, clock: FakeClock, tmp_path: Path, host: str) -> Step:
    """A step on the sandbox's pull request."""
    return Step(sandbox, clock, tmp_path / "clone", host)
