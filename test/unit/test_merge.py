"""Several sources of one run become one run."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pipe.model import CacheStatus, Link, Run, RunStatus, TaskStatus
from pipe.nx import printed as logs
from pipe.nx import run_json
from pipe.nx.join import Kind, Source
from pipe.nx.merge import merge as join_sources
from pipe.nx.merge import name_by_hand
from test.language import START, runs

CAPTURES = Path(__file__).parents[1] / "data" / "printed"


def merge(record: Run | None, log: list[Run]) -> tuple[Run, ...]:
    """The runs of a run.json and a log."""
    sources = [Source(Kind.RUN_JSON, "run.json", (record,))] if record else []
    return tuple(one.run for one in join_sources([*sources, Source(Kind.LOG, "nx.log", tuple(log))]))


def printed(text: str) -> Run:
    """A run as a log tells it: without its command line."""
    (run,) = runs(text)
    return replace(run, command=None, sources=("nx.log",))


def recorded(text: str) -> Run:
    """A run as run.json tells it."""
    (run,) = runs(text)
    return replace(run, sources=("run.json",))


def test_one_run_in_both() -> None:
    """The record's command and cache status, and the log's link, flaky word and tasks not run, are of one run."""
    record = recorded("nx affected -t test build | 5s\n  cart:test failure miss\n  core:test success local")
    log = printed(
        "? | https://cloud.nx.app/runs/AbCdEf1234\n  cart:test failure flaky\n    > Expected: 41\n"
        "  core:test success\n  web:build not-run"
    )
    (run,) = merge(record, [log])
    assert (run.command, run.link) == (
        "nx affected -t test build",
        Link("https://cloud.nx.app/runs/AbCdEf1234", live=True),
    )
    assert [(task.id, task.status, task.cache, task.flaky) for task in run.tasks] == [
        ("cart:test", TaskStatus.FAILURE, CacheStatus.MISS, True),
        ("core:test", TaskStatus.SUCCESS, CacheStatus.LOCAL, False),
        ("web:build", TaskStatus.NOT_RUN, None, False),
    ]
    assert run.tasks[0].output == "Expected: 41\n"
    assert run.sources == ("run.json", "nx.log")


def test_the_worst_wins() -> None:
    """A failure in either source is a failure, and so is a run that either source calls failed."""
    red = "nx test\n  a:test failure\n  b:test success"
    green = "nx test\n  a:test success\n  b:test success"
    for record, log in ((recorded(red), printed(green)), (recorded(green), printed(red))):
        (run,) = merge(record, [log])
        assert run.status is RunStatus.FAILED
        assert run.tasks[0].status is TaskStatus.FAILURE


def test_record_goes_to_the_run_it_fits() -> None:
    """Of several runs in a log the record belongs to the one with its tasks; the others stay as they are."""
    log = [
        printed("? \n  a:lint success"),
        printed("?\n  a:test success\n  b:test success"),
        printed("?\n  a:build success"),
    ]
    merged = merge(recorded("nx run-many -t test\n  a:test success\n  b:test success"), log)
    assert [run.command for run in merged] == [None, "nx run-many -t test", None]


def test_retry_of_the_same_tasks() -> None:
    """Of two runs of the same tasks the record goes to the one with its outcome, of equals to the last."""
    red, green = printed("?\n  a:test failure"), printed("?\n  a:test success")
    assert [run.command for run in merge(recorded("nx test a\n  a:test success"), [red, green])] == [None, "nx test a"]
    assert [run.command for run in merge(recorded("nx test a\n  a:test success"), [green, green])] == [
        None,
        "nx test a",
    ]


def test_record_of_an_unlogged_command() -> None:
    """A record that fits no printed run is a run of its own: a log of a part of its tasks is another command."""
    part = printed("?\n  a:test success")
    merged = merge(recorded("nx run-many -t test\n  a:test success\n  b:test success\n  c:test success"), [part])
    assert [len(run.tasks) for run in merged] == [1, 3]


def test_output_of_another_attempt() -> None:
    """The record's output is taken, unless it has next to nothing of what this run printed: then it is another's."""
    record = recorded("nx test a\n  a:test failure\n    > 3 replicas in sync\n    > done")
    same = printed("?\n  a:test failure\n    > \x1b[32m3 replicas in sync\x1b[39m\n    > torn")
    other = printed("?\n  a:test failure\n    > Error: connect ECONNREFUSED\n    > at f (a.js:1:1)")
    assert merge(record, [same])[0].tasks[0].output == "3 replicas in sync\ndone\n"
    assert merge(record, [other])[0].tasks[0].output == "Error: connect ECONNREFUSED\nat f (a.js:1:1)\n"


def test_reason_in_the_log() -> None:
    """What Nx says of a failed task outside its output stays when the record's output is taken."""
    said = 'Task "a:serve" is continuous but exited with code 0'
    record = recorded("nx e2e a\n  a:serve failure\n    > listening\n  a:e2e failure\n    > GET /")
    log = printed(
        f"?\n  a:serve failure\n    > listening\n    > {said}\n  a:e2e failure\n    > GET /\n    > {said}",
    )
    (run,) = merge(record, [log])
    assert [task.output for task in run.tasks] == [f"listening\n{said}\n", "GET /\n"]


def test_green_words_of_a_terminated_run() -> None:
    """22.7.12 prints that it "Successfully ran" when it was terminated; its record knows better."""
    truth = json.loads((CAPTURES / "22.7.12-terminated.json").read_text())
    tasks = [{"taskId": task["id"], "cacheStatus": task["cache"], "status": task["code"]} for task in truth["tasks"]]
    record = run_json.read(json.dumps({"run": {"command": truth["command"]}, "tasks": tasks}).encode(), "run.json")
    (log,) = logs.read(
        io.BytesIO((CAPTURES / "22.7.12-terminated.log").read_bytes()), source="nx.log", hosts=frozenset()
    )
    assert log.status is RunStatus.SUCCEEDED
    (run,) = merge(record, [log])
    assert run.status is RunStatus.FAILED
    assert [task.id for task in run.by_status(TaskStatus.FAILURE)] == ["core:slow"]


def test_cut_log() -> None:
    """A log that ends early holds a part of the record's tasks and is still of that run."""
    part = replace(printed("? | IN_PROGRESS\n  a:test success\n  c:test stopped"), cut=True)
    (run,) = merge(recorded("nx run-many -t test\n  a:test success\n  b:test success\n  c:test success"), [part])
    assert [task.status for task in run.tasks] == [TaskStatus.SUCCESS] * 3
    assert run.status is RunStatus.SUCCEEDED


def test_cut_log_alone() -> None:
    """A log that ends early, without a record, is of a run that was stopped: the step is over."""
    part = replace(printed("? | IN_PROGRESS\n  a:test success"), cut=True)
    assert merge(None, [part])[0].status is RunStatus.CANCELED
    assert merge(None, [replace(part, status=RunStatus.FAILED)])[0].status is RunStatus.FAILED


def test_log_without_tasks() -> None:
    """A log that names no task fits by its headline's targets."""
    log = replace(printed("? | FAILED"), targets=("test",))
    record = recorded("nx test a\n  a:test failure")
    assert len(merge(record, [log])) == 1
    assert len(merge(record, [replace(log, targets=("lint",))])) == 2


def test_other_commands_do_not_join() -> None:
    """Where both sources know the command line, it has to be the same, however Nx was started."""
    record = recorded("nx run-many -t test\n  a:test success")
    same = replace(printed("?\n  a:test success"), command="npx nx run-many -t test")
    other = replace(same, command="npx nx test a")
    assert len(merge(record, [same])) == 1
    assert len(merge(record, [other])) == 2


def test_without_a_record() -> None:
    """Without a record the printed runs stand, in the order of the step."""
    log = [printed("?\n  a:lint success"), printed("?\n  a:test failure")]
    assert merge(None, log) == tuple(log)


def test_named_by_hand() -> None:
    """NX_RUN_URL goes to the run with that link, else to the only one, else to a run of its own with a status."""
    url = "https://cloud.nx.app/runs/ZzZzZzZzZz"
    one, other = runs("nx a | https://cloud.nx.app/runs/AbCdEf1234\n  a:a success\nnx b\n  b:b success")
    assert name_by_hand([one], url, None)[0].link == Link(url, live=True)
    assert (
        name_by_hand([other, one], "https://cloud.nx.app/runs/AbCdEf1234", RunStatus.FAILED)[1].status
        is RunStatus.FAILED
    )
    assert [run.status for run in name_by_hand([one, other], url, RunStatus.TIMED_OUT)][2] is RunStatus.TIMED_OUT
    assert name_by_hand([], url, RunStatus.SUCCEEDED)[0].link == Link(url, live=True)


def test_by_hand_only_makes_it_worse() -> None:
    """A result given by hand never turns a failed run green, and a link without a result is no run."""
    (red,) = runs("nx a\n  a:a failure")
    assert name_by_hand([red], None, RunStatus.SUCCEEDED)[0].status is RunStatus.FAILED
    assert name_by_hand([], "https://cloud.nx.app/runs/ZzZzZzZzZz", None) == ()


def test_headline_and_command() -> None:
    """A log's headline must be what the recorded command asks for, and where it is, few shared tasks are enough."""
    other = replace(printed("?\n  a:build failure\n  b:build success"), targets=("build",), project_count=4)
    own = replace(printed("?\n  web:e2e failure"), targets=("e2e",), projects=("web",))
    record = recorded("nx run web:e2e\n  a:build failure\n  b:build success\n  web:e2e failure")
    merged = merge(record, [other, own])
    assert [run.command for run in merged] == [None, "nx run web:e2e"]
    assert [len(run.tasks) for run in merged] == [2, 3]
    record = recorded("nx affected --targets=lint,test --base=main\n  a:build failure\n  b:build success")
    assert [run.command for run in merge(record, [other])] == [None, record.command]
    record = recorded("npx nx run-many -t build -p a\n  a:build failure\n  b:build success")
    assert [run.command for run in merge(record, [other])] == [record.command]
    # Nx leaves out of the headline what no project has; then most tasks have to be the same.
    record = recorded("nx affected -t lint build e2e\n  a:build failure\n  b:build success")
    assert [run.command for run in merge(record, [other])] == [record.command]
    record = recorded("nx affected -t lint build e2e\n  a:build failure\n  c:build success")
    assert [run.command for run in merge(record, [other])] == [None, record.command]


def test_rest_of_a_run_in_another_log() -> None:
    """A run whose log was cut and that goes on in another log is one run."""
    record = recorded("nx test\n  a:test success\n  b:test failure\n  c:test success")
    first = replace(printed("?\n  a:test success\n  b:test stopped"), cut=True, status=RunStatus.IN_PROGRESS)
    second = printed("?\n  b:test failure\n  c:test success")
    sources = [Source(Kind.RUN_JSON, "run.json", (record,)), Source(Kind.LOG, "a.log", (first,))]
    (one,) = join_sources([*sources, Source(Kind.LOG, "b.log", (second,))])
    assert one.run.status is RunStatus.FAILED


def test_order_without_a_start() -> None:
    """A record that tells only when its run ended stands in the order of the ends."""
    early = replace(recorded("nx lint"), start=None, end=START, stated_tasks=0)
    late = replace(recorded("nx test | 9s\n  a:test success"), start=START + timedelta(minutes=1))
    sources = [Source(Kind.RECORD, name, (run,)) for name, run in (("a", late), ("b", early))]
    assert [one.run.command for one in join_sources(sources)] == ["nx lint", "nx test"]


def test_same_command_again() -> None:
    """Of two records of one command a log's run goes to the one with its cache hits, of equals to the last."""
    first, again = (
        replace(recorded(f"nx lint | {seconds}s\n  a:lint success {cache}"), start=START + timedelta(minutes=seconds))
        for seconds, cache in ((2, "miss"), (1, "local"))
    )
    records = [Source(Kind.RECORD, name, (run,)) for name, run in (("1", again), ("2", first))]
    for cache, which in (("local", again), ("miss", first)):
        log = Source(Kind.LOG, "nx.log", (printed(f"?\n  a:lint success {cache}"),))
        (one,) = [one for one in join_sources([*records, log]) if one.of(Kind.LOG)]
        assert one.exact == which
    same = [Source(Kind.RECORD, name, (replace(first, start=at),)) for name, at in (("1", START), ("2", first.start))]
    (one,) = [one for one in join_sources([*same, log]) if one.of(Kind.LOG)]
    assert one.exact is not None
    assert one.exact.start == first.start
