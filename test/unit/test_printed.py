"""Printed logs: what is read of them, and what a task can print to mislead a reader."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pipe.model import CacheStatus, Run, RunStatus, TaskStatus
from pipe.nx import printed

START = b"\n NX   Running targets lint, test for 2 projects:\n\n- cart\n- web\n\n\n\n"
GREEN = b"\n\n\n NX   Successfully ran targets lint, test for 2 projects\n\n"
RED = b"\n\n\n NX   Running targets lint, test for 2 projects failed\n\nFailed tasks:\n\n- cart:test\n\n"


def read(data: bytes) -> list[Run]:
    """Read a log."""
    return printed.read(io.BytesIO(data), source="a.log", hosts=frozenset())


def one(data: bytes) -> Run:
    """Read a log of one run."""
    (run,) = read(data)
    return run


def statuses(run: Run) -> dict[str, str]:
    """Show the tasks' outcomes by id."""
    return {task.id: task.status.value for task in run.tasks}


def test_several_runs_and_their_commands() -> None:
    """Runs of one file come in order, each with its command line; other tools' lines between them are nobody's."""
    data = (
        b"+ npm ci\nadded 800 packages\n+ npx nx affected -t lint test --base=HEAD~1\n"
        + (START + b"> nx run cart:test\n\nboom\n" + RED)
        + b"+ echo done\ndone\n$ NX_VERBOSE=1 npx nx lint web\n\n> nx run web:lint\n\nok\n\n\n\n"
        + b" NX   Successfully ran target lint for project web (1s)\n\n"
        + b"\n> app@1.0.0 build\n> nx run web:build:production\n\n\n> nx run web:build:production\n\nok\n\n\n\n"
        + b" NX   Successfully ran target build for project web\n\n"
    )
    first, second, third = read(data)
    assert first.command == "npx nx affected -t lint test --base=HEAD~1"
    assert first.status is RunStatus.FAILED
    assert [task.output for task in first.tasks] == ["boom"]
    assert (second.targets, second.projects) == (("lint",), ("web",))
    assert (second.command, second.seconds) == ("NX_VERBOSE=1 npx nx lint web", 1.0)
    assert third.command == "nx run web:build:production"
    assert statuses(third) == {"web:build:production": "success"}


def test_command_of_something_else() -> None:
    """A command line before another command is not the run's."""
    assert one(b"+ npx nx --version\n24.0.6\n+ npm test\n" + START + GREEN).command is None


def test_command_is_of_one_run() -> None:
    """The command line before a run is not that of the run after it."""
    runs = read(b"$ npx nx run-many -t lint test\n" + (START + GREEN) * 2)
    assert [run.command for run in runs] == ["npx nx run-many -t lint test", None]


def test_cancelled() -> None:
    """A run that Nx 21 and 22 call cancelled is."""
    end = RED.replace(b"Running targets lint, test for 2 projects failed", b"Cancelled while running %s")
    assert one(START + end % b"targets lint, test for 2 projects").status is RunStatus.FAILED
    assert one(START + GREEN.replace(b"Successfully ran", b"Cancelled while running")).status is RunStatus.CANCELED


def test_start_that_is_drawn_again() -> None:
    """With a terminal a start is drawn many times; another one is of another run."""
    first, second = (b"\n NX   Running target %s for 2 projects\n\n" % name for name in (b"lint", b"test"))
    assert [run.targets for run in read(first * 3 + second * 3)] == [("lint",), ("test",)]


def test_cached_outputs_in_a_stream() -> None:
    """Outputs from the cache have no prefix; the others are still told by theirs."""
    cached = b"> nx run web:lint  [local cache]\n\n" + b"fine\n" * 20
    assert (
        one(START + cached + b"> nx run cart:test\n\ncart: boom\ncart: Error\n" + RED).tasks[1].output == "boom\nError"
    )


def test_lines_of_a_task_in_a_stream() -> None:
    """A prefix names the project alone: a task's lines begin at its header. The executor's last line can lack it."""
    run = one(
        START
        + b"> nx run cart:lint\n\ncart: linted\n\n> nx run cart:test\n\ncart: Error\n"
        + b'Warning: command "jest" exited with non-zero status code\n'
        + RED
    )
    assert run.tasks[1].output == "Error"


def test_success_printed_by_a_task() -> None:
    """A failed run stays failed when one of its tasks prints Nx's words of success, whatever follows."""
    data = START + b"> nx run web:lint\n" + GREEN + b"> nx run cart:test\n\nboom\n" + RED
    run = one(data)
    assert run.status is RunStatus.FAILED
    assert statuses(run) == {"web:lint": "success", "cart:test": "failure"}


def test_failure_then_success() -> None:
    """Where two ends claim one run the worse one holds."""
    assert one(START + b"> nx run cart:test\n" + RED + GREEN).status is RunStatus.FAILED
    assert one(START + RED.partition(b"Failed")[0] + GREEN).status is RunStatus.FAILED


def test_failure_after_another_runs_success() -> None:
    """A run of one task that prints the success of many has failed all the same, and is still one run."""
    end = b"\n NX   Running target test for project cart failed\n\n"
    assert one(b"\n> nx run cart:test\n" + GREEN + end).status is RunStatus.FAILED
    run = one(START + b"> nx run cart:test\n" + GREEN + end)
    assert (run.status, run.targets) == (RunStatus.FAILED, ("lint", "test"))


def test_another_runs_success_in_a_task() -> None:
    """An end that names other targets or projects is a task's output, and so are tasks the run can't have."""
    data = (
        START
        + b"> nx run cart:test\n\n> nx run evil:x\n\n NX   Successfully ran target x for project evil\n\nboom\n"
        + RED
    )
    run = one(data)
    assert statuses(run) == {"cart:test": "failure"}
    assert "evil" in (run.tasks[0].output or "")
    assert "boom" in (run.tasks[0].output or "")


def test_another_runs_success_in_a_cut_run() -> None:
    """An end that names something else ends nothing, in a log that breaks off either."""
    assert one(START + b"> nx run cart:test\n\n NX   Successfully ran target x for project evil\n\n").cut


def test_failed_run_after_a_killed_one() -> None:
    """After a run that was killed, one of something else that failed is not taken for what a task of it ran."""
    failed = (
        b"\n> nx run api:e2e\n\nError: hang up\n\n\n NX   Running target e2e for project api failed\n\n"
        b"Failed tasks:\n\n- api:e2e\n\n"
    )
    first, second = read(START + b"> nx run cart:test\n\nworking\n" + failed)
    assert (first.cut, statuses(first)) == (True, {"cart:test": "stopped"})
    assert (second.status, statuses(second)) == (RunStatus.FAILED, {"api:e2e": "failure"})
    assert second.tasks[0].output == "Error: hang up"
    assert one(START + b"> nx run cart:test\n" + failed + GREEN).status is RunStatus.SUCCEEDED


def test_beginning_missing_of_several_targets() -> None:
    """A log that begins in the middle of a run of several targets of one project still gives the run."""
    run = one(b"> nx run cart:test\n\nboom\n" + RED.replace(b"2 projects", b"project cart"))
    assert (run.status, statuses(run)) == (RunStatus.FAILED, {"cart:test": "failure"})


def test_end_of_an_earlier_run_in_a_task() -> None:
    """An end that a task prints says nothing of a run that is over."""
    other = [part.replace(b"lint, test", b"build") for part in (START, GREEN)]
    runs = read(START + GREEN + other[0] + b"> nx run cart:build\n" + RED + other[1])
    assert [run.status for run in runs] == [RunStatus.SUCCEEDED, RunStatus.SUCCEEDED]


def test_start_in_a_task() -> None:
    """A run that a task starts and that never ends hides none of the outer run's tasks; in a cut log it is shown."""
    inner = b"\n NX   Running target x for project evil:\n\n"
    data = START + b"> nx run cart:test\n" + inner + b"\n> nx run web:lint\n\n"
    assert statuses(one(data + RED)) == {"cart:test": "failure", "web:lint": "success"}
    assert [run.targets for run in read(data)] == [("lint", "test"), ("x",)]


def test_nested_run_before_another_task() -> None:
    """A run of one task has tasks after one that started a run of its own, too."""
    nested = b"\n> nx run web:lint\n\n\n NX   Successfully ran target lint for project web\n\n"
    end = b"\n NX   Successfully ran target build for project cart\n\n"
    run = one(b"\n> nx run cart:build\n" + nested + b"\n> nx run cart:test\n" + end)
    assert statuses(run) == {"cart:build": "success", "cart:test": "success"}


def test_failed_run_between_two_ends() -> None:
    """What failed between two ends of one run has failed in it."""
    failed = b"\n NX   Running target lint for project web failed\n\nFailed tasks:\n\n- web:lint\n\n"
    run = one(START + GREEN + failed + GREEN)
    assert (run.status, statuses(run)) == (RunStatus.FAILED, {"web:lint": "failure"})


def test_header_in_a_task() -> None:
    """A header of a task that the run can't have is a task's output, and hides none of the run's own."""
    run = one(START + b"> nx run cart:test\n\n> nx run evil:x\n\n> nx run web:lint\n\n" + RED)
    assert statuses(run) == {"cart:test": "failure", "web:lint": "success"}


def test_error_block_in_a_task() -> None:
    """A tool that prints Nx's badge in a task's output ends nothing."""
    data = START + b"> nx run cart:test\n\n NX   Build failed with 1 error:\na.ts:1:2: ERROR\n" + RED
    assert "a.ts:1:2" in (one(data).tasks[0].output or "")


def test_killed_run_before_others() -> None:
    """A run that was killed hides no later one, not even a failed one between two tries."""
    start = b"\n> nx run cart:test\n\n"
    failed = (
        b'\n> nx run web:lint\n\nboom\ncommand "eslint" exited with non-zero status code\n\n\n'
        b" NX   Running target lint for project web failed\n\nFailed tasks:\n\n- web:lint\n\n"
    )
    runs = read(start + failed + start + b"ok\n\n\n\n NX   Successfully ran target test for project cart\n\n")
    assert [run.status for run in runs] == [RunStatus.IN_PROGRESS, RunStatus.FAILED, RunStatus.SUCCEEDED]
    assert (runs[1].tasks[0].output or "").startswith("boom")
    assert statuses(runs[2]) == {"cart:test": "success"}


def test_cut_run() -> None:
    """A run without an end is cut, and a task without a result is stopped, not a success."""
    run = one(START + b"\xe2\x9c\x94  nx run web:lint  [local cache]\n\n> nx run cart:test\n\nworking")
    assert (run.status, run.cut) == (RunStatus.IN_PROGRESS, True)
    assert [(task.status, task.cache) for task in run.tasks] == [
        (TaskStatus.SUCCESS, CacheStatus.LOCAL),
        (TaskStatus.STOPPED, CacheStatus.MISS),
    ]


def test_lost_closing_block() -> None:
    """Where the closing block went elsewhere (stderr, from 22.7 on), an executor's last line still tells a failure."""
    run = one(START + b'> nx run cart:test\n\nboom\nWarning: command "jest" exited with non-zero status code\n')
    assert run.status is RunStatus.FAILED


def test_look_alike_in_a_cut_run() -> None:
    """What a task prints after a look-alike is still its output where the run has no end."""
    look_alike = b"\n NX   Build failed\n\n"
    run = one(START + b"> nx run cart:test\n" + look_alike + b'command "jest" exited with non-zero status code\n')
    assert run.status is RunStatus.FAILED


def test_beginning_missing() -> None:
    """A log that begins in the middle still gives the run that ends in it."""
    run = one(b"...\n> nx run web:lint\n\nok\n\n> nx run cart:test\n\nboom\n" + RED)
    assert statuses(run) == {"web:lint": "success", "cart:test": "failure"}
    assert run.project_count == 2


def test_errors_of_nx() -> None:
    """Nx's own errors are told in its words, without hints and stacks; Nx Cloud's refusal is one of them."""
    base = one(
        b"\n NX   Command failed: git diff --name-only origin/x HEAD\n\nfatal: ambiguous argument 'origin/x'\n"
        b"    at run (a.js:1:2)\n\nPass --verbose to see the stacktrace.\n\nnpm error code 1\n"
    )
    assert base.errors == (
        "Command failed: git diff --name-only origin/x HEAD",
        "fatal: ambiguous argument 'origin/x'",
    )
    cloud = one(
        b"\n NX   Connection to Nx Cloud failed with status code 401\n\nThis organization is disabled.\n\n"
        b"\n NX   Nx Cloud: Workspace is unable to be authorized. Exiting run.\n\nNot connected.\n\n"
    )
    assert cloud.status is RunStatus.FAILED
    assert cloud.errors[0] == "Connection to Nx Cloud failed with status code 401"
    assert "Nx Cloud: Workspace is unable to be authorized. Exiting run." in cloud.errors


def test_notices_are_no_runs() -> None:
    """Nx's notices outside a run are neither runs nor errors."""
    assert (
        read(b"\n NX   Nx Cloud Will Not Be Used\n\nNx will continue running.\n\n NX   Resetting the Nx cache\n\n")
        == []
    )


def test_trouble_with_nx_cloud() -> None:
    """Nx Cloud's trouble is told with the run that follows it, whatever its result, and with no other one."""
    trouble = b"\n NX   Connection to Nx Cloud failed with status code 502\n\nBad gateway.\n\n"
    error = b"\n NX   Cannot find project 'shop'\n\n\n"
    run = one(trouble + START + b"> nx run cart:test\n\nok\n" + GREEN)
    assert run.errors == ("Connection to Nx Cloud failed with status code 502", "Bad gateway.")
    assert (run.status, statuses(run)) == (RunStatus.SUCCEEDED, {"cart:test": "success"})
    assert [len(run.errors) for run in read(trouble + error + error)] == [3, 1]
    assert [len(run.errors) for run in read(trouble + START + GREEN + error)] == [2, 1]
    assert [run.errors for run in read(START + GREEN + trouble)] == [run.errors]
    assert one(START + trouble + b"> nx run cart:test\n\nok\n" + GREEN).errors == run.errors
    assert one(START + b"> nx run cart:test\n\n" + trouble + GREEN).errors == ()


def test_error_after_an_end() -> None:
    """What Nx 19 says when it was terminated is its run's; other errors, and this one by itself, are runs."""
    late = b"\n NX   No database connection available\n\nPass --verbose to see the stacktrace.\n"
    assert one(START + RED + late).errors == ("No database connection available",)
    assert one(late).status is RunStatus.FAILED
    assert len(read(START + RED + late.replace(b"No database connection available", b"Cannot find module"))) == 2


def test_error_in_red() -> None:
    """Where colours are on, red is enough to know an error by, and no other colour is."""
    badge = b"\n\x1b[7m\x1b[1m\x1b[31m NX \x1b[39m\x1b[22m\x1b[27m  \x1b[31mOh no\x1b[39m\n\nIt broke.\n\n$ tail\n"
    assert one(badge).errors == ("Oh no", "It broke.")
    assert read(badge.replace(b"[31m", b"[33m")) == []
    assert one(b"\n NX   The graph has a circular dependency\n\n").status is RunStatus.FAILED


def test_what_follows_an_error() -> None:
    """Without a hint an explanation ends at a blank line, a command, or what a package manager says."""
    for follows in (b"\nmore", b"$ tail log", b"npm error code 1", b"ERR! x"):
        assert one(b"\n NX   Cannot find x\n\nIt is gone.\n" + follows + b"\n").errors == (
            "Cannot find x",
            "It is gone.",
        )


def test_continuous_task_that_ended() -> None:
    """Why Nx counts a task as failed goes to that task, wherever it stands, and no other task's error does."""
    path = Path(__file__).parents[1] / "data" / "nx-runs" / "24.0.6-jobs" / "14-e2e-continuous-ready.log"
    serve, e2e = one(path.read_bytes()).tasks
    assert (serve.output or "").endswith('Task "web:serve-ready" is continuous but exited with code 0')
    assert "GET /checkout answered 404" not in (serve.output or "")
    assert "GET /checkout answered 404" in (e2e.output or "")


@pytest.mark.parametrize("prefix", [b"", b"cart: "], ids=["static", "stream"])
def test_reason_of_a_failed_task(prefix: bytes) -> None:
    """The reason is added in any output style, and is all there is of a task without a header."""
    said = b'Task "cart:%s" is continuous but exited with code 0\r\n'
    printed = b"> nx run cart:test\n\n" + (prefix + b"listening\n") * 5 + said % b"test" + said % b"dev"
    test, dev = one(START + printed + RED + b"- cart:dev\n\n").tasks
    assert (test.output or "").startswith("listening\n")
    assert (test.output or "").count('Task "cart:test" is continuous but exited with code 0') == 1
    assert dev.output == 'Task "cart:dev" is continuous but exited with code 0'


def test_cache_of_a_task_with_arguments() -> None:
    """Arguments stand between a task and where its result came from; one that looks like that is none."""
    run = one(
        START
        + b"> nx run cart:test --ci  [remote cache]\n\n> nx run cart:lint\n\n> nx run web:lint --x=[local cache]\n\n"
        + GREEN
    )
    assert [task.cache for task in run.tasks] == [CacheStatus.REMOTE, CacheStatus.MISS, CacheStatus.MISS]


def test_link() -> None:
    """The link under a run's end is the run's, and its wording counts; a link in a task's output is not."""
    link = b"View structured, searchable error logs at https://cloud.nx.app/runs/AbCdEf1234\n"
    run = one(START + b"> nx run cart:test\n\n" + link.replace(b"AbC", b"Evi") + RED + link)
    assert run.link is not None
    assert run.link.url == "https://cloud.nx.app/runs/AbCdEf1234"
    assert one(START + b"> nx run web:test\n" + GREEN + link).status is RunStatus.FAILED


def test_link_under_a_list() -> None:
    """A line under the failed tasks that is none of them, or a link, ends the list."""
    run = one(START + RED.rstrip() + b"\n- a word: or two\nhttps://x.y\n- web:test\n")
    assert statuses(run) == {"cart:test": "failure"}


def test_link_of_an_early_client() -> None:
    """A badge with a link is of the run that ended right before it, not of one with an error between them."""
    link = b"\n >  NX   CLOUD  See run details at https://nx.app/runs/AbCdEf1234\n\n"
    run = one(START + GREEN + link)
    assert run.link is not None
    assert all(run.link is None for run in read(START + GREEN + b"\n NX   Cannot find x\n\n" + link))


def test_words_about_a_run_in_a_task() -> None:
    """What a task prints of flaky tasks or recorded commands belongs to no run, not to the one before either."""
    words = (
        b"\n NX   Nx detected a flaky task\n\n  cart:test\n\n\n NX   Nx Cloud: Successfully recorded command output\n\n"
    )
    first, second = read(
        (START + b"> nx run cart:test\n\n") + GREEN + (START + b"> nx run cart:test\n\n") + words + GREEN
    )
    assert not any(task.flaky for task in (*first.tasks, *second.tasks))


def test_recorded_command() -> None:
    """A recorded command is a run without tasks."""
    run = one(
        b"$ npx nx-cloud record -- node lint.js\nlint ok\n\n >  NX   Nx Cloud: Successfully recorded command output\n\n"
        b"   You can view or share your output by visiting https://nx.app/runs/AbCdEf1234\n\n"
    )
    assert (run.command, run.tasks) == ("npx nx-cloud record -- node lint.js", ())
    assert run.link is not None


def test_figures() -> None:
    """What the closing block counts and times is taken."""
    end = GREEN + (
        b"Nx read the output from the cache instead of running the command for 1 out of 4 tasks.\n\n"
        b"  Run duration:      1m 2.5s\n  Cache:  1/4 hit (25%)\n"
    )
    run = one(START + end)
    assert (run.stated_tasks, run.seconds, run.project_count) == (4, 62.5, 2)
    assert (run.targets, run.projects) == (("lint", "test"), ("cart", "web"))


def test_counted_failures() -> None:
    """Where failed tasks are counted alone they are those that were printed last; a success is none of them."""
    run = one(
        START
        + b"> nx run cart:test\n\nboom\n\n> nx run web:test\n\nboom\n\n> nx run web:lint  [local cache]\n\n\n"
        + b" NX   Ran targets lint, test for 2 projects\n\n\xe2\x9c\x96 1/3 failed\n"
    )
    assert statuses(run) == {"cart:test": "success", "web:test": "failure", "web:lint": "success"}


def test_counted_and_named_failures() -> None:
    """Where the count says that the failed tasks follow, they are those; none of any number is no failure."""
    end = b"\n NX   Ran targets lint, test for 2 projects\n\n\xe2\x9c\x96 1/2 failed, including the following:\n"
    run = one(START + b"> nx run cart:test\n\nboom\n\n> nx run web:test\n\n" + end + b"- cart:test\n")
    assert statuses(run) == {"cart:test": "failure", "web:test": "success"}
    run = one(START + GREEN + b"\xe2\x9c\x94 3/3 succeeded\n\xe2\x9c\x96 0/3 failed\n")
    assert (run.status, run.stated_tasks) == (RunStatus.SUCCEEDED, 3)


def test_header_twice() -> None:
    """A task's header can stand twice, as a start and as a result; the run is one."""
    header = b"\n> nx run cart:test\n\nboom\n\n   \xe2\x9c\x96  nx run cart:test\n"
    run = one(header + b"\n NX   Running target test for project cart failed\n\n")
    assert statuses(run) == {"cart:test": "failure"}


def test_nested_end_twice() -> None:
    """The end of a run that a task started can stand twice."""
    end = b"\n NX   Successfully ran target lint for project web\n\n"
    run = one(
        b"> nx run cart:test\n\n> nx run web:lint\n"
        + end * 2
        + end.replace(b"lint for project web", b"test for project cart")
    )
    assert statuses(run) == {"cart:test": "success"}


def test_start_without_its_projects() -> None:
    """Where the projects do not stand under a start, any task can be the run's."""
    start = START.partition(b"- cart")[0]
    assert statuses(one(start + b"> nx run cart:test\n" + RED)) == {"cart:test": "failure"}


def test_link_under_a_flaky_task() -> None:
    """The link of a run can stand under its flaky tasks."""
    flaky = b"\n NX   Nx detected a flaky task\n\n  cart:test\n\nView logs and run details at https://nx.app/runs/AbCdEf1234\n"
    run = one(START + b"> nx run cart:test\n" + GREEN + flaky)
    assert run.link is not None
    assert run.tasks[0].flaky


def test_printed_twice() -> None:
    """A failing output that stands there twice is given once."""
    output = b"> node test.js\r\n\r\nError: a\n  at b\n"
    run = one(
        START
        + b"> nx run cart:test\n\n"
        + output
        + output
        + b'Warning: command "x" exited with non-zero status code\n'
        + RED
    )
    assert (run.tasks[0].output or "").count("Error: a") == 1
