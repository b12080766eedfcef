"""What Nx Cloud's answer is read as."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipe.model import CIPipelineExecution, Fix, Link, RunGroup, RunStatus, Task, TaskStatus
from pipe.nx.cloud_answer import Found, Wanted, find
from pipe.terminal import plain

API = "https://cloud.nx.app"
CREATED = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
RUN = {
    "linkId": "AbCdEf1234",
    "command": "nx affected -t test",
    "status": "FAILED",
    "failedTasks": ["cart:test", "shop:test:ci"],
    "numFailedTasks": 2,
    "numTasks": 15,
    "runUrl": "https://cloud.nx.app/runs/AbCdEf1234",
}
FIX = {
    "aiFixId": "1",
    "taskIds": ["cart:test"],
    "suggestedFixDescription": "Add the shipping\nto the **total**",
    "suggestedFixStatus": "COMPLETED",
    "verificationStatus": "COMPLETED",
    "userAction": "NONE",
    "shortLink": "abc123-def456",
}
PAGE = "https://cloud.nx.app/cipes/6971fd9a2481515cb75c0d56"


def ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def group(*runs: Any, **own: Any) -> dict[str, Any]:
    """A run group as the API tells it."""
    return {
        "ciExecutionEnv": "",
        "runGroup": "417",
        "createdAt": ms(CREATED),
        "completedAt": None,
        "status": "IN_PROGRESS",
        "runs": list(runs),
        **own,
    }


def cipe(*groups: Any, **own: Any) -> dict[str, Any]:
    """An execution as the API tells it."""
    return {
        "ciPipelineExecutionId": "6971fd9a2481515cb75c0d56",
        "branch": "17",
        "status": "IN_PROGRESS",
        "createdAt": ms(CREATED),
        "completedAt": None,
        "commitTitle": "Total",
        "commitUrl": None,
        "cipeUrl": PAGE,
        "runGroups": list(groups),
        **own,
    }


def wanted(group: str = "417", environment: str = "", since: datetime | None = None) -> Wanted:
    """What is asked for."""
    return Wanted((group,) if group else (), environment, ("17", "feature/total"), since, guess=True)


def read(*executions: Any, want: Wanted | None = None, hosts: frozenset[str] = frozenset()) -> Found | None:
    """Read an answer, after its way through JSON."""
    answer = json.loads(json.dumps({"ciPipelineExecutions": list(executions), "workspaceUrl": API}))
    return find(answer, want or wanted(), API, hosts)


def one(*executions: Any) -> CIPipelineExecution:
    """The execution that is found."""
    found = read(*executions)
    assert found is not None
    return found.execution


# --- which execution --------------------------------------------------------------------------------------------------


def test_everything_of_an_execution() -> None:
    """Link, status, run groups, runs with command, failed tasks, total and link, and the suggested fix are read."""
    found = read(cipe(group(RUN, aiFix=FIX), status="FAILED", completedAt=ms(CREATED)))
    assert found is not None
    assert found.complete
    (only,) = found.execution.run_groups
    (run,) = only.runs
    assert found.execution == CIPipelineExecution(RunStatus.FAILED, Link(PAGE, live=True), (only,))
    assert only == RunGroup(
        "417",
        RunStatus.FAILED,
        (run,),
        Fix(
            ("cart:test",),
            "verified",
            "Add the shipping to the **total**",
            Link(f"{PAGE}/self-healing?runGroup=417", live=True),
        ),
    )
    assert run.status is RunStatus.FAILED
    assert run.tasks == (Task("cart:test", TaskStatus.FAILURE), Task("shop:test:ci", TaskStatus.FAILURE))
    assert (run.command, run.stated_tasks, run.sources) == ("nx affected -t test", 15, ("Nx Cloud",))
    assert run.link == Link("https://cloud.nx.app/runs/AbCdEf1234", live=True)


@pytest.mark.parametrize(
    ("name", "build", "environment", "ours"),
    [
        ("417", "417", "", True),
        ("417-linux", "417", "", True),
        ("417-linux", "417", "linux", True),
        ("417", "417", "linux", True),
        ("417-mac", "417", "linux", False),
        ("417-linux", "41", "", False),
        ("4170", "417", "", False),
        ("417", "41", "7", False),
        ("", "417", "", False),
        ("417", "", "", False),
        (None, "417", "", False),
        (417, "417", "", False),
    ],
)
def test_matched_by_run_group(name: Any, build: str, environment: str, ours: bool) -> None:  # noqa: FBT001
    """An execution is this build's by a run group of its name, never because it is of the same branch."""
    found = read(cipe(group(runGroup=name)), want=wanted(build, environment))
    assert (found is not None) is ours


def test_all_groups_of_the_execution() -> None:
    """With one group matched, the execution's other groups are read too: they are of the same pipeline."""
    found = read(cipe(group(RUN), group(runGroup="417-mac")), want=wanted(environment="linux"))
    assert found is not None
    assert [each.name for each in found.execution.run_groups] == ["417", "417-mac"]


def test_name_that_begins_alike() -> None:
    """A group of the very name wins over a newer one that begins like it, and given by hand no other counts."""
    ours, other = cipe(group(runGroup="417"), status="FAILED"), cipe(group(runGroup="417-2"), status="SUCCEEDED")
    other["createdAt"] = ms(CREATED + timedelta(hours=1))
    found = read(other, ours)
    assert found is not None
    assert found.execution.status is RunStatus.FAILED
    assert read(other, want=wanted()._replace(guess=False)) is None


def test_two_names() -> None:
    """Of the names that the run group can have the likelier one decides, however old its execution is."""
    group_, id_ = cipe(group(runGroup="nightly"), status="FAILED"), cipe(group(runGroup="abc-1"), status="SUCCEEDED")
    both = wanted()._replace(groups=("abc-1", "nightly"))
    for executions, status in (([group_, id_], "SUCCEEDED"), ([group_], "FAILED")):
        found = read(*executions, want=both)
        assert found is not None
        assert found.execution.status.value == status


@pytest.mark.parametrize("newest_first", [True, False])
def test_newest_execution(newest_first: bool) -> None:  # noqa: FBT001
    """Of several executions with the run group the one created last counts, in whatever order they come."""
    old = cipe(group(), createdAt=ms(CREATED - timedelta(hours=1)), status="FAILED")
    new = cipe(group(), status="SUCCEEDED")
    undated = cipe(group(), createdAt=None, status="CANCELED")
    assert one(*([new, old, undated] if newest_first else [undated, old, new])).status is RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("clone", "completed", "ours"),
    [
        (CREATED - timedelta(minutes=1), None, True),
        (CREATED + timedelta(minutes=3), None, True),  # clocks differ
        (CREATED + timedelta(hours=9), None, True),  # a later step clones anew
        (CREATED + timedelta(days=30), None, False),  # the number was used before
        (CREATED + timedelta(days=30), CREATED + timedelta(days=30), True),  # a step was run again
    ],
)
def test_same_number_of_long_ago(clone: datetime, completed: datetime | None, ours: bool) -> None:  # noqa: FBT001
    """Build numbers can start anew: an execution of which nothing was heard for a day before the clone is another's."""
    execution = cipe(
        group(createdAt=ms(CREATED)), createdAt=ms(CREATED), completedAt=completed and ms(completed), status="FAILED"
    )
    assert (read(execution, want=wanted(since=clone)) is not None) is ours


BROKEN = {"failedTasks": ["a:b"]}


# --- status -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "status"),
    [
        ({"status": "SUCCEEDED"}, RunStatus.SUCCEEDED),
        ({"status": "SUCCEEDED", "failedTasks": ["a:test"]}, RunStatus.FAILED),
        ({"status": "SUCCEEDED", "numFailedTasks": 1}, RunStatus.FAILED),
        ({"status": "CANCELED", "numFailedTasks": 1}, RunStatus.FAILED),
        ({"status": "CANCELED", "numFailedTasks": 0}, RunStatus.CANCELED),
        ({"status": "TIMED_OUT"}, RunStatus.TIMED_OUT),
        ({"status": "SUCCEEDED", "numFailedTasks": True}, RunStatus.SUCCEEDED),
        ({"status": "SUCCEEDED", "failedTasks": [{"id": "a"}]}, RunStatus.FAILED),
        ({"status": "PAUSED"}, RunStatus.IN_PROGRESS),
        ({"status": ["FAILED"]}, RunStatus.IN_PROGRESS),
        ({}, RunStatus.IN_PROGRESS),
        ({"failedTasks": ["a:test"]}, RunStatus.FAILED),
    ],
)
def test_status_of_a_run(run: dict[str, Any], status: RunStatus) -> None:
    """A failed task makes a run failed whatever its status says; a word that is not known says nothing."""
    assert one(cipe(group(run))).run_groups[0].runs[0].status is status


@pytest.mark.parametrize(
    ("execution", "group_status", "runs", "expected"),
    [
        # Without a status of their own runs end as their group did, or else as the execution.
        ("SUCCEEDED", None, [{}], ["SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]),
        ("CANCELED", None, [{}], ["CANCELED", "CANCELED", "CANCELED"]),
        ("IN_PROGRESS", "SUCCEEDED", [{}], ["IN_PROGRESS", "SUCCEEDED", "SUCCEEDED"]),
        ("IN_PROGRESS", None, [{}], ["IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS"]),
        (None, None, [{}], ["IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS"]),
        ("FAILED", "FAILED", [{}], ["FAILED", "FAILED", "FAILED"]),
        # A group's failure is not that of a run which says that none of its tasks failed, if another's did.
        ("FAILED", "FAILED", [BROKEN, {"numFailedTasks": 0}], ["FAILED", "FAILED", "FAILED", "SUCCEEDED"]),
        ("FAILED", "FAILED", [BROKEN, {"failedTasks": []}], ["FAILED", "FAILED", "FAILED", "SUCCEEDED"]),
        ("FAILED", "FAILED", [BROKEN, {}], ["FAILED", "FAILED", "FAILED", "FAILED"]),
        ("FAILED", "FAILED", [{"numFailedTasks": 0}], ["FAILED", "FAILED", "FAILED"]),
        # The worst wins, upwards.
        ("SUCCEEDED", "SUCCEEDED", [{"status": "SUCCEEDED", "numFailedTasks": 2}], ["FAILED", "FAILED", "FAILED"]),
        ("IN_PROGRESS", "IN_PROGRESS", [{"status": "FAILED"}], ["FAILED", "FAILED", "FAILED"]),
        ("SUCCEEDED", "SUCCEEDED", [{"status": "IN_PROGRESS"}], ["SUCCEEDED", "SUCCEEDED", "IN_PROGRESS"]),
        ("TIMED_OUT", "SUCCEEDED", [{"status": "SUCCEEDED"}], ["TIMED_OUT", "SUCCEEDED", "SUCCEEDED"]),
        ("NOT_STARTED", "NOT_STARTED", [], ["NOT_STARTED", "NOT_STARTED"]),
        ("SUCCEEDED", "SUCCEEDED", [], ["SUCCEEDED", "SUCCEEDED"]),
    ],
)  # fmt: skip
def test_status_of_the_whole(
    execution: str | None, group_status: str | None, runs: list[dict[str, Any]], expected: list[str]
) -> None:
    """A group and the execution are as bad as the worst in them; what lacks a status has it from what is around."""
    found = one(cipe(group(*runs, status=group_status), status=execution))
    (only,) = found.run_groups
    assert [found.status.value, only.status.value, *(run.status.value for run in only.runs)] == expected


@pytest.mark.parametrize(
    ("own", "complete"),
    [
        ({"status": "SUCCEEDED"}, True),
        ({"status": "FAILED"}, True),
        ({"status": "CANCELED"}, True),
        ({"status": "TIMED_OUT"}, True),
        ({"status": "IN_PROGRESS", "completedAt": 1}, False),
        ({"status": "NOT_STARTED"}, False),
        ({"status": "MERGED", "completedAt": ms(CREATED)}, True),
        ({"status": "MERGED"}, False),
        ({"status": "MERGED", "completedAt": "soon"}, False),
    ],
)
def test_complete(own: dict[str, Any], complete: bool) -> None:  # noqa: FBT001
    """An execution is over when its status says so, or, with a status that is not known, its time of completion."""
    found = read(cipe(group({"status": "FAILED"}), **own))
    assert found is not None
    assert found.complete is complete
    assert found.execution.status is RunStatus.FAILED


# --- runs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["upload-run-result:record-command", "nx-cloud-tasks-runner:record-command"])
def test_recorded_command(name: str) -> None:
    """A command recorded by `nx-cloud record` is a failed run without a task: the name Nx Cloud gives it is no task."""
    recorded = {"command": "nx-cloud record -- ./e2e.sh", "failedTasks": [name], "numFailedTasks": 1, "numTasks": 1}
    (run,) = one(cipe(group(recorded))).run_groups[0].runs
    assert (run.status, run.tasks, run.command) == (RunStatus.FAILED, (), "nx-cloud record -- ./e2e.sh")
    assert run.stated_tasks is None


@pytest.mark.parametrize(("total", "stated"), [(0, 0), (12, 12), (-1, None), (10**12, None), (1.5, None), ("3", None)])
def test_number_of_tasks(total: Any, stated: int | None) -> None:
    """A total that cannot be one is none."""
    assert one(cipe(group({"numTasks": total}))).run_groups[0].runs[0].stated_tasks == stated


def test_texts_are_lines() -> None:
    """Names and commands become one printable line each, never endless; a task named twice is one."""
    names = ["a:b\n\x1b[31m", "a:b", "\ud800", 7, None, "x" * 5000]
    (run,) = one(cipe(group({"command": "nx\u202e run\r\n a:b", "failedTasks": names}))).run_groups[0].runs
    assert run.command == "nx run a:b"
    assert [task.id for task in run.tasks] == ["a:b", "x" * 999 + "…"]
    assert run.status is RunStatus.FAILED


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"runUrl": "https://nx.app/runs/AbCdEf1234?utm=1"}, "https://nx.app/runs/AbCdEf1234?utm=1"),
        ({"linkId": "AbCdEf1234"}, "https://acme.nx.app/x/runs/AbCdEf1234"),
        ({"executionId": "6971fd9a-2481"}, "https://acme.nx.app/x/runs/6971fd9a-2481"),
        ({"linkId": "AbCdEf1234", "executionId": "other-one"}, "https://acme.nx.app/x/runs/AbCdEf1234"),
        ({"linkId": "AbCdEf1234", "runUrl": "javascript:alert(1)"}, "https://acme.nx.app/x/runs/AbCdEf1234"),
        ({"linkId": "AbCdEf1234", "runUrl": "https://nx.app/cipes/1234567"}, "https://acme.nx.app/x/runs/AbCdEf1234"),
        ({"runUrl": "https://nx.app/cipes/1234567"}, "https://nx.app/cipes/1234567"),
        ({"linkId": "../../orgs"}, None),
        ({"linkId": 1234567}, None),
        ({}, None),
    ],
)
def test_link_of_a_run(own: dict[str, Any], expected: str | None) -> None:
    """A run's link has its id, as the one in the log; where the answer has none it is made on the execution's host."""
    execution = cipe(group(own), cipeUrl="https://acme.nx.app/x/cipes/6971fd9a?from=api")
    (run,) = one(execution).run_groups[0].runs
    assert (run.link and run.link.url) == expected


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, PAGE),
        ({"cipeUrl": None}, PAGE),
        ({"cipeUrl": f"{PAGE}/?from=api#top"}, PAGE),
        ({"cipeUrl": "ftp://nx.app/cipes/1", "ciPipelineExecutionId": "a/b"}, None),
        ({"cipeUrl": "https://eu.nx.app/elsewhere"}, "https://eu.nx.app/elsewhere"),
    ],
)
def test_link_of_the_execution(own: dict[str, Any], expected: str | None) -> None:
    """The execution's link is the answer's, else made of its id and the address that was asked."""
    found = one(cipe(group(aiFix=FIX), **own))
    assert (found.link and found.link.url) == expected
    fix = found.run_groups[0].fix
    assert fix is not None
    assert (fix.link and fix.link.url) == (f"{PAGE}/self-healing?runGroup=417" if expected == PAGE else None)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)//nx.app/runs/AbCdEf1234",
        "https://user@nx.app/runs/AbCdEf1234",
        "https://nx.app:443@evil.example/runs/AbCdEf1234",
        "https://evil.example\\@nx.app/runs/AbCdEf1234",
        "https://nx.app/runs/AbCdEf1234 (x)",
        "https://nx.app/runs/AbCdEf1234\n",
        'https://nx.app/runs/AbCdEf1234">',
        "https://nx.app/runs/AbCd](http://evil.example)",
        "https://nx.\u0430pp/runs/AbCdEf1234",
        "http\u017f://nx.app/runs/AbCdEf1234",
        "https://nx.app/runs/\u0410bCdEf1234",
        "//nx.app/runs/AbCdEf1234",
        "https://nx.app/runs/" + "x" * 3000,
        ["https://nx.app/runs/AbCdEf1234"],
    ],
)
def test_url_that_is_none(url: Any) -> None:
    """What is no plain http or https URL is dropped."""
    found = one(cipe(group({"runUrl": url}), cipeUrl=url, ciPipelineExecutionId=None))
    assert found.link is None
    assert found.run_groups[0].runs[0].link is None


@pytest.mark.parametrize(
    ("url", "live"),
    [
        ("https://nx.app/runs/AbCdEf1234", True),
        ("https://CLOUD.nx.app/runs/AbCdEf1234", True),
        ("https://acme.eu.nx.app", True),
        ("http://cloud.nx.app/runs/AbCdEf1234", False),
        ("https://evilnx.app/runs/AbCdEf1234", False),
        ("https://nx.app.evil.example/runs/AbCdEf1234", False),
        ("https://nx.app:8443/runs/AbCdEf1234", False),
        ("https://nx.acme.example/runs/AbCdEf1234", True),
        ("http://localhost:4202/runs/AbCdEf1234", True),
        ("http://localhost:4203/runs/AbCdEf1234", False),
        ("https://nx.acme.example@evil.example/", False),
    ],
)
def test_live_links(url: str, live: bool) -> None:  # noqa: FBT001
    """A link is live on Nx Cloud's own hosts by https, and on a host that the settings vouch for."""
    found = read(cipe(group({"runUrl": url})), hosts=frozenset({"nx.acme.example", "localhost:4202"}))
    assert found is not None
    link = found.execution.run_groups[0].runs[0].link
    assert (link is not None and link.live) is live


# --- self-healing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "state"),
    [
        ({"suggestedFixStatus": "NOT_STARTED"}, "not begun"),
        ({"suggestedFixStatus": "IN_PROGRESS"}, "being made"),
        ({"suggestedFixStatus": "FAILED"}, "could not be made"),
        ({"suggestedFixStatus": "NOT_EXECUTABLE"}, "not executable"),
        ({"verificationStatus": "NOT_STARTED"}, "suggested"),
        ({"verificationStatus": "IN_PROGRESS"}, "suggested, being verified"),
        ({"verificationStatus": "FAILED"}, "suggested, verification failed"),
        ({"verificationStatus": "new word"}, "suggested"),
        ({}, "verified"),
        ({"userAction": "APPLIED"}, "applied"),
        ({"userAction": "APPLIED_LOCALLY"}, "applied locally"),
        ({"userAction": "APPLIED_AUTOMATICALLY"}, "applied automatically"),
        ({"userAction": "REJECTED"}, "rejected"),
        ({"suggestedFixStatus": None}, None),
        ({"suggestedFixStatus": {}}, None),
    ],
)
def test_state_of_a_fix(own: dict[str, Any], state: str | None) -> None:
    """A fix's state is told in plain words, what a person did with it first; one of no known state is not told."""
    fix = one(cipe(group(aiFix={**FIX, **own}))).run_groups[0].fix
    assert (fix and fix.state) == state


def test_link_of_a_fix() -> None:
    """A fix is opened on the execution's page; the name of the run group is quoted."""
    fix = one(cipe(group(aiFix=FIX), group(aiFix=FIX, runGroup="a&b=c/d"))).run_groups[1].fix
    assert fix is not None
    assert fix.link == Link(f"{PAGE}/self-healing?runGroup=a%26b%3Dc%2Fd", live=True)


# --- any answer -------------------------------------------------------------------------------------------------------

KEYS = sorted({*cipe(), *group(), *RUN, *FIX, "aiFix", "ciPipelineExecutions"})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["417", "417-linux", PAGE, *RunStatus.__members__, "COMPLETED", "APPLIED"])
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=6
)
RUNS = st.fixed_dictionaries({}, optional=dict.fromkeys(RUN, JSON))
GROUPS = st.fixed_dictionaries(
    {"runGroup": st.just("417")}, optional=dict.fromkeys({*group(), "aiFix"} - {"runGroup"}, JSON)
) | st.builds(group, RUNS, RUNS, aiFix=st.fixed_dictionaries({}, optional=dict.fromkeys(FIX, JSON)))
CIPES = st.builds(cipe, GROUPS, JSON) | st.fixed_dictionaries(
    {"runGroups": st.tuples(GROUPS, JSON).map(list)}, optional=dict.fromkeys(set(cipe()) - {"runGroups"}, JSON)
)


@settings(deadline=None, max_examples=150)
@given(st.lists(CIPES | JSON, max_size=3), st.booleans())
def test_any_answer_is_read(executions: list[Any], dated: bool) -> None:  # noqa: FBT001
    """Whatever the answer holds, it is read without an error; failed tasks make their run failed; links are plain."""
    found = find({"ciPipelineExecutions": executions}, wanted(since=CREATED if dated else None), API, frozenset())
    if found is None:
        return
    links = [found.execution.link, *(each.fix and each.fix.link for each in found.execution.run_groups)]
    for each in found.execution.run_groups:
        for run in each.runs:
            links.append(run.link)
            assert all(task.id == " ".join(plain(task.id).split()) for task in run.tasks)
            if run.tasks:
                assert run.status is each.status is found.execution.status is RunStatus.FAILED
    assert all(link.url.startswith(("https://", "http://")) and link.url.isascii() for link in links if link)


@pytest.mark.parametrize("answer", [{}, {"ciPipelineExecutions": None}, {"ciPipelineExecutions": {"0": cipe(group())}}])
def test_answer_without_a_list(answer: dict[str, Any]) -> None:
    """An answer without a list of executions knows none."""
    assert find(answer, wanted(), API, frozenset()) is None
