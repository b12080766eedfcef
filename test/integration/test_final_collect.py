"""What a `final` step finds in the artifacts of a build's other steps, and whose it is."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipe import build as build_module
from pipe.checkout import Checkout
from pipe.model import CIPipelineExecution, Link, Run, RunGroup, RunStatus, TaskStatus
from pipe.nx.collect import NOBODY, Collection, Collector, Of
from pipe.settings import Settings
from test.integration.test_records import BUILD
from test.workspaces import CAPTURES, capture, lay_out, times, variables

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORDS = Path(__file__).parents[1] / "data" / "records"
OWN = BUILD["step"]
A, B, C = (f"{{{letter * 8}-1111-4222-8333-444444444444}}" for letter in "abc")
MINUTE = timedelta(minutes=1)
# The `final` step's clone: after all that the other steps did.
CLONED = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The clone of a `final` step that ran nothing itself and has no artifact yet."""
    (tmp_path / "clone").mkdir()
    return lay_out(tmp_path / "clone", "24.0.6", log=False, record=False, cloned=CLONED)


def collected(
    clone: Path, *, since: datetime | None = None, own: Mapping[str, str] | None = None, **options: object
) -> dict[Of, Collection]:
    """Collect what the clone has of every step."""
    return collector(clone, since=since, own=own, **options).by_step()


def collector(
    clone: Path, *, since: datetime | None = None, own: Mapping[str, str] | None = None, **options: object
) -> Collector:
    """Read what the clone has of every step."""
    build, mistakes = build_module.read(variables(clone, own or {}), str(clone))
    assert not mistakes
    settings = Settings(**options)  # type: ignore[arg-type]
    found = Collector(
        Checkout(str(clone)), settings, build, str(clone), frozenset({"nx.app"}), every_step=True, since=since
    )
    found.read()
    return found


def told(found: dict[Of, Collection]) -> dict[Of, list[tuple[str, ...]]]:
    """The sources of each run, by whose it is; without NOBODY where there is nothing of nobody."""
    assert list(found)[-1] == NOBODY
    return {of: [run.sources for run in one.runs] for of, one in found.items() if one.runs}


def captured(clone: Path, name: str, step: str | None = A, *, run: str | None = "1", **build: object) -> str:
    """Put a record of the real recorder there, of that step and run; the path in the clone."""
    head, *rest = (RECORDS / f"{name}.jsonl").read_text().splitlines(keepends=True)
    content = json.loads(head)
    content["build"] |= {"step": step, "stepRun": run, **build}
    content["id"] = f"{content['id']}-{step}-{run}-{build}"
    path = clone / ".nx-report" / f"417-{(step or '0')[1:9]}-{run}-{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join([json.dumps(content) + "\n", *rest]))
    return str(path.relative_to(clone))


def record(clone: Path, run: int, step: str | None = A, *, number: int = 1, **header: object) -> str:
    """Put a record of a captured run there, as the recorder writes one; the path in the clone."""
    content: dict[str, Any] = json.loads(capture("24.0.6", run, "run.json").read_text())
    build = {**BUILD, "step": step, "stepRun": str(number)}
    head = {"type": "run", "version": "1.0", "id": f"{step}-{run}-{number}", "build": build, **content["run"], **header}
    head = {"start": head.pop("startTime"), "end": head.pop("endTime"), **head}
    tasks = [
        {"type": "task", "id": one["taskId"], "status": "failure" if one["status"] else "success"}
        | {"code": one["status"], "start": one["startTime"], "end": one["endTime"]}
        for one in content["tasks"]
    ]
    path = clone / ".nx-report" / f"417-{(step or '0')[1:9]}-{number}-{run}.jsonl"
    path.parent.mkdir(exist_ok=True)
    lines = [head, *tasks, {"type": "end", "tasks": len(tasks)}]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return str(path.relative_to(clone))


def log(clone: Path, runs: list[int], name: str = "nx.log", *, ended: datetime | None = None, cut: int = 0) -> str:
    """Put a log of captured runs there, without its last `cut` lines; the path in the clone."""
    path = clone / ".nx-report" / name
    path.parent.mkdir(exist_ok=True)
    printed = b"".join(capture("24.0.6", run, "log").read_bytes() for run in runs)
    path.write_bytes(b"".join(printed.splitlines(keepends=True)[: -cut or None]))
    at = (ended or end_of(runs[-1])).timestamp()
    os.utime(path, (at, at))
    return str(path.relative_to(clone))


def last(clone: Path, run: int, cache: str = ".nx/cache") -> str:
    """Put Nx's own record of a captured run there; the path in the clone."""
    shutil.copytree(CAPTURES / "24.0.6/terminalOutputs", clone / cache / "terminalOutputs", dirs_exist_ok=True)
    shutil.copy(capture("24.0.6", run, "run.json"), clone / cache / "run.json")
    return f"{cache}/run.json"


def recipe(step: str) -> str:
    """The name that the recipe gives the step's log."""
    return f"nx-{step}.log"


def start_of(run: int) -> datetime:
    """When a captured run started."""
    return times("24.0.6", run)[0]


def end_of(run: int) -> datetime:
    """When a captured run ended."""
    return times("24.0.6", run)[1]


# --- records ----------------------------------------------------------------------------------------------------------


def test_records_of_every_step(clone: Path) -> None:
    """Each step of the build has its own records' runs, in the order of their starts; this step's too."""
    passing, failing = captured(clone, "24.0.6-passing", B), captured(clone, "24.0.6-failing", B)
    stopped, own = captured(clone, "22.7.12-stopped", A), captured(clone, "24.0.6-cached", OWN)
    found = collected(clone)
    assert told(found) == {
        Of(A, 1): [(stopped,)],
        Of(B, 1): [(passing,), (failing,)],
        Of(OWN, 1): [(own,)],
    }
    assert [run.status for run in found[Of(B, 1)].runs] == [RunStatus.SUCCEEDED, RunStatus.FAILED]
    (failure,) = found[Of(B, 1)].runs[1].by_status(TaskStatus.FAILURE)
    assert failure.output
    nobody = found[NOBODY]
    assert (nobody.runs, nobody.ignored, nobody.notes, nobody.nx_may_have_run) == ((), (), (), False)
    assert nobody.looked_in[0] == ".nx-report/*.jsonl"


def test_records_of_another_build(clone: Path) -> None:
    """A record of another build or CI is named and never told, whatever its step."""
    captured(clone, "24.0.6-failing", A, number="416")
    captured(clone, "24.0.6-failing", B, ci="jenkins")
    found = collected(clone)
    assert told(found) == {}
    assert found[NOBODY].ignored == (
        ".nx-report/417-aaaaaaaa-1-24.0.6-failing.jsonl: is of build 416, this is build 417",
        ".nx-report/417-bbbbbbbb-1-24.0.6-failing.jsonl: was recorded by Jenkins, this is Bitbucket Pipelines",
    )


def test_nothing(clone: Path) -> None:
    """Where there is no artifact, what was looked for and what to add are told all the same."""
    assert list(found := collected(clone)) == [NOBODY]
    assert found[NOBODY].looked_in
    assert found[NOBODY].hints
    assert found[NOBODY].nx_may_have_run


def test_rerun(clone: Path) -> None:
    """Of a step that ran again its highest run counts, and what does not is named; another step's stay as they are."""
    captured(clone, "24.0.6-failing", A)
    captured(clone, "24.0.6-cached", A, run="2")
    again, other = captured(clone, "24.0.6-passing", A, run="10"), captured(clone, "24.0.6-failing", B)
    found = collected(clone)
    assert told(found) == {Of(A, 10): [(again,)], Of(B, 1): [(other,)]}
    assert found[NOBODY].ignored == (
        f".nx-report/417-aaaaaaaa-1-24.0.6-failing.jsonl: is of run 1 of step {A}, of which run 10 counts",
        f".nx-report/417-aaaaaaaa-2-24.0.6-cached.jsonl: is of run 2 of step {A}, of which run 10 counts",
    )


@pytest.mark.parametrize("run", [None, "", "0", "-3", "two", "9" * 30])
def test_run_that_is_no_number(clone: Path, run: str | None) -> None:
    """A record that does not say which run of its step it is counts beside the step's highest."""
    captured(clone, "24.0.6-failing", A, run=run)
    captured(clone, "24.0.6-passing", A, run="2")
    assert {of: len(runs) for of, runs in told(collected(clone)).items()} == {Of(A, 2): 2}


def test_own_rerun(clone: Path) -> None:
    """Of the `final` step's own records those of its present run count, as in any other step."""
    captured(clone, "24.0.6-failing", OWN)
    found = collected(clone, own={"BITBUCKET_STEP_RUN_NUMBER": "2"})
    assert told(found) == {}
    assert found[NOBODY].ignored[0].endswith(f": is of run 1 of step {OWN}, of which run 2 counts")


@pytest.mark.parametrize("step", ["", None, "{}", "{a b}", "[x](y)", "{aaaa}{bbbb}", "a" * 65, ["x"], "../x", "é"])
def test_step_that_is_none(clone: Path, step: Any) -> None:
    """A record whose step can be none of Bitbucket's is told as nobody's."""
    captured(clone, "24.0.6-passing", B)
    content = (clone / ".nx-report/417-bbbbbbbb-1-24.0.6-passing.jsonl").read_text()
    odd = content.replace(json.dumps(B), json.dumps(step), 1).replace('"id": "', '"id": "x', 1)
    (clone / ".nx-report/odd.jsonl").write_text(odd)
    assert told(collected(clone))[NOBODY] == [(".nx-report/odd.jsonl",)]


def test_step_without_braces(clone: Path) -> None:
    """A step is one with its UUID in braces and without."""
    captured(clone, "24.0.6-passing", A)
    captured(clone, "24.0.6-failing", A.strip("{}"))
    assert {of: len(runs) for of, runs in told(collected(clone)).items()} == {Of(A, 1): 2}


def test_very_many_steps(clone: Path) -> None:
    """Of more than 500 steps, this one among them, the runs of the rest are told as nobody's: none is lost."""
    for number in range(510):
        captured(clone, "20.8.4-passing", f"{{{number:08}}}")
    found = told(collected(clone))
    assert len(found) == 499 + 1
    assert len(found[NOBODY]) == 11


def test_command_within_a_task_of_another_step(clone: Path) -> None:
    """A command that a task started is part of that task only in its own step, though another's passed meanwhile."""
    for step in (A, B):
        path = clone / record(clone, 1, step, inside=None)
        head, *rest = path.read_text().splitlines()
        outer: dict[str, Any] = {"type": "task", "id": "api:ci", "status": "success" if step == B else "failure"}
        outer |= {"code": int(step == A), "start": start_of(1).isoformat(), "end": end_of(1).isoformat()}
        path.write_text("\n".join([head, json.dumps(outer), rest[-1].replace(str(len(rest) - 1), "1")]) + "\n")
    inner = record(clone, 5, A, inside="api:ci", startTime=(start_of(1) + timedelta(milliseconds=1)).isoformat())
    found = collected(clone)
    assert (inner,) in told(found)[Of(A, 1)]
    assert found[NOBODY].ignored == ()


# --- whose a log is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("braces", [True, False])
def test_log_named_by_the_recipe(clone: Path, braces: bool) -> None:  # noqa: FBT001
    """A log that the recipe names tells of its step's runs and is never joined with another's of the same command."""
    mine, other = record(clone, 5, A), record(clone, 5, B)
    a = log(clone, [5], recipe(A if braces else A.strip("{}")))
    b = log(clone, [1, 5], recipe(B if braces else B.strip("{}")))
    found = collected(clone)
    assert told(found) == {Of(A, 1): [(mine, a)], Of(B, 1): [(b,), (other, b)]}
    assert found[NOBODY].ignored == ()


def test_logs_alone(clone: Path) -> None:
    """Steps of which there are logs alone have the runs of their own log, also where two ran the very same commands."""
    a, b = log(clone, [1, 5], recipe(A)), log(clone, [1, 5], recipe(B))
    assert told(collected(clone)) == {Of(A, 1): [(a,), (a,)], Of(B, 1): [(b,), (b,)]}


def test_step_that_was_killed(clone: Path) -> None:
    """What only a step's log shows to have failed is that step's, though another one recorded the same command."""
    green, red = record(clone, 4, B), log(clone, [5], recipe(A), cut=3)
    found = collected(clone)
    assert told(found) == {Of(B, 1): [(green,)], Of(A, 1): [(red,)]}
    assert found[Of(A, 1)].runs[0].status is RunStatus.FAILED


@pytest.mark.parametrize("name", ["nx-build.log", "nx-.log", "nx-{}.log", "nx.log", f"nx-{A}-2.log", f"{A}.log"])
def test_log_of_another_name(clone: Path, name: str) -> None:
    """Any other name says nothing of the step: what such a log alone tells is nobody's."""
    path = log(clone, [1], name)
    assert told(collected(clone)) == {NOBODY: [(path,)]}


def test_log_that_tells_more_of_a_step(clone: Path) -> None:
    """A log of another name tells more of the runs that it fits, and its other runs are of their step, in its order."""
    mine, other = record(clone, 5, A), captured(clone, "24.0.6-passing", B)
    path = log(clone, [4, 5])
    assert told(collected(clone)) == {Of(A, 1): [(path,), (mine, path)], Of(B, 1): [(other,)]}


def test_log_of_two_steps(clone: Path) -> None:
    """Of a log that tells of two steps' runs each is told with its step, and once; what is in no record is nobody's."""
    a, b = record(clone, 4, A), record(clone, 5, B)
    path = log(clone, [4, 5, 1], ended=end_of(6))
    assert told(collected(clone)) == {Of(A, 1): [(a, path)], Of(B, 1): [(b, path)], NOBODY: [(path,)]}


def test_copy_of_a_log(clone: Path) -> None:
    """A copy of a step's log tells of the same runs and of no others."""
    path, copy = log(clone, [1, 5], recipe(A)), log(clone, [1, 5], "copy.log")
    (runs,) = told(collected(clone)).values()
    assert [sorted(sources) for sources in runs] == [sorted([path, copy])] * 2


def test_logs_in_every_folder(clone: Path) -> None:
    """Logs lie in the working directories of their steps: those of the workspace and of the clone's root count."""
    (clone / "frontend").mkdir()
    (clone / "frontend/nx.json").write_text("{}")
    root, inner = log(clone, [1], recipe(A)), log(clone / "frontend", [5], recipe(B))
    found = told(collected(clone, workspace_dir="frontend"))
    assert found == {Of(A, 1): [(root,)], Of(B, 1): [(f"frontend/{inner}",)]}


def test_log_of_an_earlier_run(clone: Path) -> None:
    """A log last written when an earlier run of its step went on is named and not told; one written later is."""
    record(clone, 1, A)
    again = record(clone, 5, A, number=2)
    log(clone, [1], recipe(A), ended=end_of(1) + timedelta(seconds=1))
    found = collected(clone)
    assert told(found) == {Of(A, 2): [(again,)]}
    at = f"{end_of(1) + timedelta(seconds=1):%Y-%m-%d %H:%M:%S UTC}"
    assert f".nx-report/nx-{A}.log: ended {at}, before run 2 of step {A} began" in found[NOBODY].ignored
    path = log(clone, [5], recipe(A), ended=end_of(5))
    assert told(collected(clone)) == {Of(A, 2): [(again, path)]}


def test_log_of_a_step_that_ran_again_before_its_first_record(clone: Path) -> None:
    """A log written after the last that is known of the earlier run is of the later one: a failure in it is told."""
    record(clone, 1, A)
    again = record(clone, 6, A, number=2)
    path = log(clone, [5], recipe(A), ended=end_of(1) + timedelta(seconds=6))
    assert sorted(told(collected(clone))[Of(A, 2)]) == sorted([(path,), (again,)])


# --- other files ------------------------------------------------------------------------------------------------------


def test_run_json_of_a_recorded_run(clone: Path) -> None:
    """Nx's own record of a command joins the record of the step that ran it, by the times of its tasks."""
    a, b = record(clone, 5, A), record(clone, 6, B)
    path = last(clone, 6)
    assert told(collected(clone)) == {Of(A, 1): [(a,)], Of(B, 1): [(b, path)]}


def test_run_json_of_a_logged_run(clone: Path) -> None:
    """Without records it joins the run in the log of the step that ran it, which cannot have ended before."""
    early = log(clone, [1, 5], recipe(A))
    late = log(clone, [4, 6], recipe(B))
    path = last(clone, 6)
    assert told(collected(clone)) == {Of(A, 1): [(early,), (early,)], Of(B, 1): [(late,), (path, late)]}


def test_run_json_alone(clone: Path) -> None:
    """Nx's own record of which nothing else tells is nobody's, the last command alone, and says so; each is read."""
    first, second = last(clone, 5), last(clone, 6, "node_modules/.cache/nx")
    found = collected(clone)
    assert told(found) == {NOBODY: [(first,), (second,)]}
    assert found[NOBODY].last_run_only
    other = captured(clone, "24.0.6-passing", A)
    found = collected(clone, since=start_of(1))
    assert told(found) == {Of(A, 1): [(other,)], NOBODY: [(first,), (second,)]}
    assert found[NOBODY].last_run_only
    assert not found[Of(A, 1)].last_run_only


def test_record_without_a_build(clone: Path) -> None:
    """A record that names no build is of the step whose log tells of its run, else nobody's."""
    path = record(clone, 5, None, build=None)
    assert told(collected(clone)) == {NOBODY: [(path,)]}
    a, b = log(clone, [5], recipe(A)), log(clone, [4], recipe(B))
    assert told(collected(clone)) == {Of(A, 1): [(path, a)], Of(B, 1): [(b,)]}


def test_nx_cloud(clone: Path) -> None:
    """A run of Nx Cloud tells more of the step's that names its link; the others are told once, with nobody's.

    That Nx Cloud has two runs in one group does not say that they are of one step.
    """
    link, other = (Link(f"https://nx.app/runs/{name}", live=True) for name in ("AbCdEf1234", "GhIjKl5678"))
    path = log(clone, [5], recipe(A))
    with (clone / path).open("a") as file:
        file.write(f"\nView structured, searchable error logs at {link.url}\n")
    os.utime(clone / path, (end_of(5).timestamp(),) * 2)
    cloud = tuple(Run(RunStatus.FAILED, link=one, sources=("Nx Cloud",)) for one in (link, other))
    execution = CIPipelineExecution(RunStatus.FAILED, None, (RunGroup("417", RunStatus.FAILED, cloud),))
    found = collector(clone).by_step(execution)
    assert told(found) == {Of(A, 1): [(path, "Nx Cloud")]}
    assert found[Of(A, 1)].execution is None
    left = found[NOBODY].execution
    assert left
    assert [run.link for group in left.run_groups for run in group.runs] == [other]
    unknown = log(clone, [4])
    with (clone / unknown).open("a") as file:
        file.write(f"\nView structured, searchable error logs at {other.url}\n")
    os.utime(clone / unknown, (end_of(5).timestamp(),) * 2)
    found = collector(clone).by_step(execution)
    assert told(found) == {Of(A, 1): [(path, "Nx Cloud")], NOBODY: [(unknown, "Nx Cloud")]}


def test_run_named_by_hand(clone: Path) -> None:
    """The run that NX_RUN_URL names is the step's that has this link, else nobody's, and makes no other run worse."""
    a, b = log(clone, [4], recipe(A)), log(clone, [4], recipe(B))
    with (clone / b).open("a") as file:
        file.write("\nView structured, searchable error logs at https://nx.app/runs/AbCdEf1234\n")
    found = collected(clone, run_status=RunStatus.FAILED, run_url="https://nx.app/runs/AbCdEf1234")
    assert told(found) == {Of(A, 1): [(a,)], Of(B, 1): [(b,)]}
    assert [one.runs[0].status for one in found.values() if one.runs] == [RunStatus.SUCCEEDED, RunStatus.FAILED]
    found = collected(clone, run_status=RunStatus.FAILED, run_url="https://nx.app/runs/Other12345")
    assert told(found) == {Of(A, 1): [(a,)], Of(B, 1): [(b,)], NOBODY: [("NX_RUN_STATUS",)]}


def test_task_history(clone: Path) -> None:
    """Without records the task history tells of what ended since the build is known to have been running."""
    history = Path(__file__).parents[1] / "data" / "history"
    commands: list[dict[str, Any]] = json.loads((history / "24.0.6.json").read_text())
    folder = clone / ".nx/workspace-data"
    folder.mkdir(parents=True)
    for end in (".db", ".db-wal"):
        shutil.copy(history / f"24.0.6{end}", folder / f"abc-v2{end}")
    os.utime(clone / ".git/description", (4e9, 4e9))
    assert told(collected(clone)) == {}
    since = datetime.fromtimestamp(commands[0]["tasks"][0]["start"] / 1000, UTC)
    assert told(collected(clone, since=since)) == {NOBODY: [(".nx/workspace-data/abc-v2.db",)]}


# --- of which build a file is -----------------------------------------------------------------------------------------


def test_ended_while_the_build_ran(clone: Path) -> None:
    """What ended after the first record of another step started is this build's, though before this step's clone."""
    captured(clone, "24.0.6-passing", B)
    first = record(clone, 1, B, number=1)
    path = log(clone, [4], ended=start_of(1))
    found = collected(clone)
    assert (path,) in told(found)[NOBODY]
    assert (first,) in told(found)[Of(B, 1)]
    assert found[NOBODY].notes == ()


def test_ended_before_the_build(clone: Path) -> None:
    """What ended before that is of an earlier build, from a cache say, and is named with both times."""
    record(clone, 4, A)
    log(clone, [1], ended=start_of(4) - MINUTE)
    log(clone, [1], recipe(B), ended=start_of(4) - MINUTE)
    last(clone, 1)
    found = collected(clone)
    assert set(told(found)) == {Of(A, 1)}
    began = f"before this build's first known step at {start_of(4):%Y-%m-%d %H:%M:%S UTC}"
    assert found[NOBODY].ignored == (
        f".nx/cache/run.json: ended {end_of(1):%Y-%m-%d %H:%M:%S UTC}, {began}",
        f".nx-report/nx-{B}.log: ended {start_of(4) - MINUTE:%Y-%m-%d %H:%M:%S UTC}, {began}",
        f".nx-report/nx.log: ended {start_of(4) - MINUTE:%Y-%m-%d %H:%M:%S UTC}, {began}",
    )


def test_record_that_does_not_count_tells_the_time(clone: Path) -> None:
    """The record of a step's earlier run tells too when the build was running, and one of another build does not."""
    record(clone, 1, A)
    record(clone, 5, A, number=2)
    log(clone, [4], "a.log", ended=start_of(1))
    log(clone, [4], "b.log", ended=start_of(1) - MINUTE)
    early = (start_of(1) - 2 * MINUTE).isoformat()
    record(clone, 6, C, build={**BUILD, "step": C, "number": "416"}, startTime=early)
    found = told(collected(clone))
    assert found[NOBODY] == [(".nx-report/a.log",)]


def test_since(clone: Path) -> None:
    """A time at which the caller knows the build to have been running counts where it is the earliest."""
    record(clone, 5, A)
    path = log(clone, [4], ended=start_of(5) - MINUTE)
    assert NOBODY not in told(collected(clone, since=start_of(5) + MINUTE))
    assert told(collected(clone, since=start_of(5) - MINUTE))[NOBODY] == [(path,)]


def test_nothing_known_of_the_time(clone: Path) -> None:
    """Where nothing tells when the build was running an artifact counts, and that nobody can know is said.

    A record of the `final` step itself does not tell, for it is made when all other steps are done. What ended after
    this step's clone is this build's without a word.
    """
    record(clone, 5, OWN, start=(CLONED + MINUTE).timestamp() * 1000, end=(CLONED + MINUTE).timestamp() * 1000)
    old, new = log(clone, [1], "old.log"), log(clone, [6], "new.log", ended=CLONED)
    found = collected(clone)
    assert sorted(told(found)[NOBODY]) == sorted([(old,), (new,)])
    assert found[NOBODY].notes == (
        "The time of this build's first step is not known: .nx-report/old.log is taken as this build's",
    )


def test_order_of_files(clone: Path) -> None:
    """What is told depends on what the files hold, not on what step's UUID comes first."""
    for step, other in ((A, B), (B, A)):
        shutil.rmtree(clone / ".nx-report", ignore_errors=True)
        mine, log_ = record(clone, 5, step), log(clone, [5, 4], recipe(step))
        theirs = record(clone, 4, other)
        found = told(collected(clone))
        assert sorted(found[Of(step, 1)]) == sorted([(mine, log_), (log_,)])
        assert found[Of(other, 1)] == [(theirs,)]
