"""Nx Cloud's links: every wording that its clients printed, and what only looks like one."""

import pytest

from pipe.model import Link, RunStatus
from pipe.nx import cloud_links

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("line", "url", "status"),
    [
        (">  NX   CLOUD  See run details at https://nx.app/runs/Wwdx1bn5Sxj", "https://nx.app/runs/Wwdx1bn5Sxj", None),
        ("See Nx Cloud run details at https://nx.app/runs/THRW7SDRL9S", "https://nx.app/runs/THRW7SDRL9S", None),
        (
            "View structured, searchable error logs at https://nx.app/runs/SMTQCggRae",
            "https://nx.app/runs/SMTQCggRae",
            RunStatus.FAILED,
        ),
        (
            "  View logs and investigate cache misses at https://nx.app/runs/nrF7JPvJXE",
            "https://nx.app/runs/nrF7JPvJXE",
            RunStatus.SUCCEEDED,
        ),
        (
            "See logs and investigate cache misses at https://cloud.nx.app/runs/k0HDHACpL8",
            "https://cloud.nx.app/runs/k0HDHACpL8",
            RunStatus.SUCCEEDED,
        ),
        (
            "Nx Cloud made it possible to reuse 26 tasks: https://cloud.nx.app/runs/rpKUrmxjfI",
            "https://cloud.nx.app/runs/rpKUrmxjfI",
            RunStatus.SUCCEEDED,
        ),
        (
            "View logs and run details at https://eu.nx.app/runs/rpKUrmxjfI",
            "https://eu.nx.app/runs/rpKUrmxjfI",
            RunStatus.SUCCEEDED,
        ),
        ("View run details at https://cloud.nx.app/runs/abc123", "https://cloud.nx.app/runs/abc123", None),
        ("Nx Cloud: Run details at https://cloud.nx.app/runs/abc123", "https://cloud.nx.app/runs/abc123", None),
        (
            "> Task logs: https://cloud.nx.app/logs/8vyxcksv5A",
            "https://cloud.nx.app/logs/8vyxcksv5A",
            RunStatus.FAILED,
        ),
        (
            "> Logs: https://cloud.nx.app/cipes/6971fd9a2481515cb75c0d56/task/web%3Abuild",
            "https://cloud.nx.app/cipes/6971fd9a2481515cb75c0d56/task/web%3Abuild",
            RunStatus.FAILED,
        ),
        (
            "CLOUD  Results for a, b were retrieved from Nx Cloud. See run details at https://nx.app/runs/Wwdx1bn5Sxj",
            "https://nx.app/runs/Wwdx1bn5Sxj",
            None,
        ),
        (
            "CI Pipeline Execution: https://staging.nx.app/cipes/6abd8995a07d320545909272/timeline?runGroup=36784285231-1",
            "https://staging.nx.app/cipes/6abd8995a07d320545909272",
            None,
        ),
        (
            "You can view or share your output by visiting https://nx.app/runs/AbCdEf1234",
            "https://nx.app/runs/AbCdEf1234",
            None,
        ),
    ],
)
def test_wordings(line: str, url: str, status: RunStatus | None) -> None:
    """Each generation's line gives the link, and the result that its wording carries."""
    assert cloud_links.find([line], NONE) == cloud_links.CloudLink(Link(url, live=True), status)


@pytest.mark.parametrize(
    "line",
    [
        "See Nx Cloud run details at https://nx.app/runs/...",
        "View logs and investigate cache misses at https://cloud.nx.app/runs/xxx",
        "View logs and investigate cache misses at https://cloud.nx.app/runs/xxxxxxxxxx",
        "View logs and investigate cache misses at https://staging.nx.app",
        "enabled again at https://cloud.nx.app/orgs/642346b18c2b6a231322ad84/plans. (code: 401)",
        "View run details at https://cloud.nx.app/orgs/642346b18c2b6a231322ad84/runs/abcdef1234",
        "Nx Cloud made it possible to reuse test-lib: https://staging.nx.app",
        "CLOUD  Results for 3 projects were retrieved from Nx Cloud.",
        "View logs and run details at https://cloud.nx.app/branch?workspaceId=642346b18c2b6a231322ad84&branchName=12,x",
        "re-enabled by an admin at https://cloud.nx.app/orgs/642346b18c2b6a231322ad84/plans. (code: 401)",
        "See run details at https://cloud.nx.app/docs/runs/abcdef1234",
        "Learn more at https://nx.dev/ci/features/flaky-tasks",
        "expected 'View run details at https://cloud.nx.app/runs/abcdef1234' to be printed",
        "https://cloud.nx.app/runs/abcdef1234",
        "View run details at javascript://cloud.nx.app/runs/abcdef1234",
        "View run details at https://cloud.nx.app\\@evil.example/runs/abcdef1234",
        "View run details at https://cloud.nx.app@evil.example/runs/abcdef1234",
    ],
)
def test_look_alikes(line: str) -> None:
    """Lines without a run's page, or with other words around it, give nothing."""
    assert cloud_links.find([line], NONE) is None


@pytest.mark.parametrize(
    ("host", "hosts", "live"),
    [
        ("https://nx.example", NONE, False),
        ("https://nx.example", frozenset({"nx.example"}), True),
        ("http://localhost:4711", frozenset({"localhost:4711"}), True),
        ("http://localhost:4711", frozenset({"localhost"}), False),
        ("http://cloud.nx.app", NONE, False),
        ("https://acme.nx.app", NONE, True),
        ("https://evilnx.app", NONE, False),
        ("https://nx.app.evil.example", NONE, False),
    ],
)
def test_hosts(host: str, hosts: frozenset[str], live: bool) -> None:  # noqa: FBT001 - a table of tests
    """A link is live only on Nx Cloud's hosts, with https, and on hosts that the settings name."""
    found = cloud_links.find([f"View run details at {host}/runs/abcdef1234"], hosts)
    assert found is not None
    assert found.link == Link(f"{host}/runs/abcdef1234", live=live)


def test_run_before_task_and_worst_status() -> None:
    """A run's page is preferred to a task's page, and a failure that any line states holds."""
    lines = [
        "> Task logs: https://cloud.nx.app/logs/8vyxcksv5A",
        "View logs and run details at https://cloud.nx.app/runs/rpKUrmxjfI",
    ]
    link = Link("https://cloud.nx.app/runs/rpKUrmxjfI", live=True)
    assert cloud_links.find(lines, NONE) == cloud_links.CloudLink(link, RunStatus.FAILED)


def test_query_and_task_path() -> None:
    """A query goes, a task's path stays."""
    line = "See run details at https://staging.nx.app/runs/TGbCANT8Td/task/api%3Alint?utm_source=x"
    found = cloud_links.find([line], NONE)
    assert found is not None
    assert found.link.url == "https://staging.nx.app/runs/TGbCANT8Td/task/api%3Alint"
