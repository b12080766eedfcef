"""The figures of `make bench` that no machine changes: requests and connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.run import report, update
from bench.steps import simulate
from test.workspaces import lay_out

if TYPE_CHECKING:
    from pathlib import Path

    from test.sandbox import Sandbox


def test_an_update_takes_few_requests_and_connections(sandbox: Sandbox, tmp_path: Path) -> None:
    """Bringing the comment and the build status up to date stays within its budget."""
    clone = lay_out(tmp_path, "24.0.6")
    report(sandbox, clone, 1)
    for figure in update(sandbox, clone):
        assert figure.measured <= figure.limit, f"{figure.name}: {figure.measured} ({figure.how})"


def test_what_the_bench_simulates_is_what_the_pipe_asks() -> None:
    """Three steps in virtual time end with all of them in one comment, or the simulation raises."""
    cost = simulate([0.0, 0.3, 2.0], 7, expect=3)
    assert len(cost.requests) == 3
    assert min(cost.requests) > 0
