"""What stands under a run's end: Nx's report, flaky tasks, Nx Cloud's links and table; and who else prints that."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipe.model import Run, RunReport, RunStatus
from test.conftest_tools import captures
from test.unit.test_printed import GREEN, RED, START, one, read, statuses

CAPTURES = Path(__file__).parents[1] / "data" / "printed"
REPORT = (
    b"\n  Run duration:      952ms\n  Cache:             1/2 hit (50%)\n  Critical path:     935ms (3 tasks)\n"
    b"  Recoverable time:  17ms (2% of the run)\n"
)
LINK = b"View run details at https://cloud.nx.app/runs/AbCdEf1234\n"
TABLE = (
    "│   ✔      web:lint                           2s   Cache Miss │\n"
    "│   ✖      cart:test                         19s   Cache Miss │\n"
    "│ > Task logs: https://cloud.nx.app/logs/8vyxcksv5A           │\n"
).encode()
DISTRIBUTED = b"\n NX   Starting distributed command execution\n\n"
FAILED = b"\n NX   Command execution failed.\n\nSee run details at https://cloud.nx.app/runs/AbCdEf1234\n\n"
SUCCEEDED = FAILED.replace(b"Command execution failed.", b"Successfully completed running the command.")
TASK = b"> nx run cart:test\n\nok\n"


def cloud_log(name: str) -> bytes:
    """Read what a real client of Nx Cloud printed."""
    return (captures() / "nx-cloud-logs" / name).read_bytes()


def url(run: Run) -> str | None:
    """Give a run's link."""
    return run.link.url if run.link else None


# --- Nx's report ------------------------------------------------------------------------------------------------------


def test_report() -> None:
    """The report under a run's end is the run's, its duration too."""
    run = one(START + TASK + GREEN + REPORT)
    assert run.seconds == 0.952
    assert run.report == RunReport(hits=1, cacheable=2, critical_path=0.935, critical_tasks=3, recoverable=0.017)


@pytest.mark.parametrize(
    ("line", "instead", "expected"),
    [
        (b"1/2 hit (50%)", b"Skipped (--skip-nx-cache)", RunReport(None, None, 0.935, 3, 0.017)),
        (b"935ms (3 tasks)", b"1m 12.9s (1 task)", RunReport(1, 2, 72.9, 1, 0.017)),
        (b"17ms (2% of the run)", b"<1ms", RunReport(1, 2, 0.935, 3, 0.0)),
        (b"935ms (3 tasks)", b"a day", RunReport(1, 2, None, None, 0.017)),
        (b"  Cache:             1/2 hit (50%)\n", b"", RunReport(None, None, 0.935, 3, 0.017)),
    ],
)
def test_report_in_other_words(line: bytes, instead: bytes, expected: RunReport) -> None:
    """What is not said, or not in Nx's words, is None; the rest is taken."""
    assert one(START + TASK + GREEN + REPORT.replace(line, instead)).report == expected


def test_report_of_nobody() -> None:
    """A task can print a report; a run without its own has none, and lines of one that does not begin are none."""
    run = one(START + TASK + REPORT + GREEN + b"Cache: 9/9 hit (100%)\nCritical path: 1s (1 task)\n")
    assert (run.report, run.seconds) == (None, None)


def test_report_twice() -> None:
    """Of two reports the first is the run's: what follows is another tool's."""
    run = one(START + TASK + GREEN + REPORT + b"Run duration: 9h\n")
    assert run.seconds == 0.952


def test_report_with_huge_numbers() -> None:
    """Figures with more digits than any real one give no number that cannot be worked with."""
    data = REPORT.replace(b"952", b"9" * 400).replace(b"1/2 hit", b"1/" + b"9" * 4000 + b" hit")
    run = one(START + TASK + GREEN + data)
    assert run.seconds is not None
    assert run.seconds < 1e9


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("2[34]*.log")), ids=lambda path: path.stem)
def test_captured_reports(path: Path) -> None:
    """Where a captured run of 23 or 24 printed a report, it is read whole; where it did not, there is none."""
    data = path.read_bytes()
    reports = [run.report for run in read(data) if run.report]
    assert len(reports) == (b"Run duration:" in data)
    for report in reports:
        assert report.critical_path is not None
        assert report.critical_tasks
        assert report.recoverable is not None
        assert (report.hits is not None) == (b" hit (" in data)


# --- flaky tasks ------------------------------------------------------------------------------------------------------


def test_flaky_task_of_a_green_run() -> None:
    """A flaky task of a run that succeeded is one that succeeded, named by a header of its own or not."""
    flaky = b"\n NX   Nx detected 2 flaky tasks\n\n  cart:test\n  web:lint\n\nView logs at https://nx.dev/flaky\n"
    run = one(START + TASK + GREEN + flaky + REPORT)
    assert [(task.id, task.flaky) for task in run.tasks] == [("cart:test", True), ("web:lint", True)]
    assert statuses(run) == {"cart:test": "success", "web:lint": "success"}
    assert run.report is not None


def test_words_far_below_flaky_tasks() -> None:
    """What another tool prints long after the flaky tasks is none of them."""
    flaky = b"\n NX   Nx detected a flaky task\n\n  cart:test\n\n" + b"a tool's line\n" * 50 + b"web:lint\n"
    assert statuses(one(START + TASK + GREEN + flaky)) == {"cart:test": "success"}


# --- Nx Cloud ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "tasks"),
    [
        ("nx15-1-cache-miss.txt", RunStatus.SUCCEEDED, 3),
        ("nx15-2-remote-cache-hits.txt", RunStatus.SUCCEEDED, 3),
        ("nx15-4-failed-task.txt", RunStatus.FAILED, 3),
        ("nx15-6-record.txt", RunStatus.SUCCEEDED, 0),
        ("nx18-1-cache-miss.txt", RunStatus.SUCCEEDED, 3),
        ("nx18-5-no-cloud.txt", RunStatus.SUCCEEDED, 3),
    ],
)
def test_real_clients(name: str, status: RunStatus, tasks: int) -> None:
    """The runs of real clients have their result and tasks, and the link where one was printed."""
    data = cloud_log(name)
    run = one(data)
    assert (run.status, len(run.tasks)) == (status, tasks)
    assert (run.link is not None) == (b"/runs/" in data)
    assert run.command


def test_table_under_an_end() -> None:
    """The failed tasks of Nx Cloud's table failed in the run; a row without its link says nothing."""
    run = one(START + RED.partition(b"Failed")[0] + TABLE + LINK)
    assert statuses(run) == {"cart:test": "failure"}
    assert url(run) == "https://cloud.nx.app/runs/AbCdEf1234"
    assert one(START + GREEN + TABLE.partition(b"\xe2\x94\x82 >")[0]).status is RunStatus.SUCCEEDED


def test_table_before_an_end() -> None:
    """In a run that prints no task's output the table may stand before the end; a task may print one, too."""
    run = one(START + TABLE + GREEN)
    assert (run.status, statuses(run)) == (RunStatus.FAILED, {"cart:test": "failure"})
    assert one(START + TASK + TABLE + GREEN).status is RunStatus.SUCCEEDED


def test_distributed_run() -> None:
    """A run of agents ends twice: what Nx Cloud says of it gives the link and counts."""
    failed = one(START + DISTRIBUTED + TASK + FAILED + GREEN)
    assert (failed.status, url(failed)) == (RunStatus.FAILED, "https://cloud.nx.app/runs/AbCdEf1234")
    good = one(START + DISTRIBUTED + TASK + SUCCEEDED + GREEN)
    assert (good.status, url(good)) == (RunStatus.SUCCEEDED, "https://cloud.nx.app/runs/AbCdEf1234")
    end = b"\n NX   Successfully ran target test for project cart\n\n"
    assert one(DISTRIBUTED + b"\n" + TASK + FAILED + end).status is RunStatus.FAILED


def test_end_of_a_distributed_run_in_a_task() -> None:
    """Where no agents run a run's tasks, such an end is a task's words, and so is the word that they do."""
    for words in (FAILED, DISTRIBUTED + FAILED):
        run = one(START + TASK + words + GREEN)
        assert (run.status, run.link) == (RunStatus.SUCCEEDED, None)


def test_end_of_a_distributed_run_alone() -> None:
    """After Nx's own end, or where there is none, what Nx Cloud says of the run is still the run's."""
    assert one(START + GREEN + FAILED).status is RunStatus.FAILED
    run = one(b"$ npx nx affected -t test\n" + FAILED)
    assert (run.status, run.command) == (RunStatus.FAILED, "npx nx affected -t test")
    assert url(run) == "https://cloud.nx.app/runs/AbCdEf1234"


def test_recorded_command_after_a_run() -> None:
    """A recorded command is a run of its own, with the link that stands under it."""
    recorded = (
        b"\n >  NX   Nx Cloud: Successfully recorded command output\n\n"
        b"   You can view or share your output by visiting https://nx.app/runs/ZzZzEf1234\n"
    )
    assert [url(run) for run in read(START + TASK + GREEN + LINK + recorded)] == [
        "https://cloud.nx.app/runs/AbCdEf1234",
        "https://nx.app/runs/ZzZzEf1234",
    ]


UNPAID = b"This Nx Cloud organization has been disabled due to exceeding the FREE plan. https://cloud.nx.app/orgs/6423/plans.\n"


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (b"\n NX   Connection to Nx Cloud failed with status code 401\n\n" + UNPAID, "status code 401"),
        (b"\n NX   You are not logged into Nx Cloud. You will have limited access\n\n", "not logged into Nx Cloud"),
        (b"\n NX   Nx Cloud: Workspace is disabled\n\n" + UNPAID, "Workspace is disabled"),
    ],
    ids=["F01", "F03", "F06"],
)
def test_trouble_before_a_run(trouble: bytes, told: str) -> None:
    """Nx Cloud's trouble is told with the run that goes on without it: no task failed, and no link is there."""
    for data in (trouble + START + TASK + GREEN, START + trouble + TASK + GREEN):
        run = one(data)
        assert (run.status, statuses(run), run.link) == (RunStatus.SUCCEEDED, {"cart:test": "success"}, None)
        assert told in "\n".join(run.errors)


def test_trouble_after_a_run() -> None:
    """Where Nx Cloud's client says its trouble in place of the link, or under the end, it is that run's."""
    first, second = read(START + TASK + GREEN + b"\n NX   Nx Cloud Problems\n\nA timeout.\n" + START + TASK + GREEN)
    assert (first.errors, second.errors) == (("Nx Cloud Problems", "A timeout."), ())
    line = b"Your organization can be re-enabled by an admin at https://cloud.nx.app/orgs/6423/plans. (code: 401)\n"
    run = one(START + TASK + GREEN + line)
    assert (run.status, run.link) == (RunStatus.SUCCEEDED, None)
    assert run.errors == (line.decode().strip(),)


def test_trouble_that_ends_the_command() -> None:
    """Where Nx Cloud refuses the workspace and no run follows, the command failed for that and no task did."""
    connection = b"\n NX   Connection to Nx Cloud failed with status code 401\n\n" + UNPAID
    exiting = b"\n NX   Nx Cloud: Workspace is unable to be authorized. Exiting run.\n\nMore than three days old.\n"
    for data in (connection + exiting, exiting, b"\n NX   Nx Cloud: Workspace is disabled\n\nUnpaid.\n"):
        run = one(data)
        assert (run.status, run.tasks) == (RunStatus.FAILED, ())
        assert "Nx Cloud: Workspace is" in "\n".join(run.errors)
    assert read(connection) == []


# --- Lerna ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("build", {"a:build": "success", "b:build": "success"}),
        ("one-project", {"a:build": "success"}),
        ("test-failing", {"a:test": "success", "b:test": "failure"}),
        ("test-failing-stream", {"a:test": "success", "b:test": "failure"}),
    ],
)
def test_lerna(name: str, expected: dict[str, str]) -> None:
    """Lerna runs its scripts with Nx, under a badge and headers of its own."""
    run = one((CAPTURES / "lerna" / f"8.2.4-{name}.log").read_bytes())
    assert statuses(run) == expected
    for task in run.tasks:
        assert ("boom b" in (task.output or "")) == (task.id == "b:test")


def test_header_of_lerna_without_lerna() -> None:
    """In what Nx runs such a header is a task's output."""
    assert statuses(one(START + TASK + b"\n> cart:lint\n\nok\n" + GREEN)) == {"cart:test": "success"}


def test_link_of_lerna() -> None:
    """Nx Cloud's line under Lerna's end is the run's (S13)."""
    run = one(
        b">  Lerna (powered by Nx)   Successfully ran target build for project header (2s)\n\n"
        b"   See logs and investigate cache misses at https://cloud.nx.app/runs/k0HDHACpL8\n"
    )
    assert (run.status, run.targets, run.seconds) == (RunStatus.SUCCEEDED, ("build",), 2.0)
    assert url(run) == "https://cloud.nx.app/runs/k0HDHACpL8"
