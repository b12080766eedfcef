"""What is kept of a task's output: packed without secrets, and what tools found."""

from __future__ import annotations

import pytest

from pipe.logs import Logs
from pipe.model import Log, Run, RunStatus, Task, TaskStatus
from pipe.pack import Packer
from test.unit.test_pack import read

CLONE = "/opt/atlassian/pipelines/agent/build"
TOKEN = "ATATT3xFfGF0-1234567890abcdefghij"
TRACEBACK = (
    'Traceback (most recent call last):\n  File "src/load.py", line 3, in load\n    run()\nValueError: bad row\n'
)


def keep(text: str, *, failed: bool = False) -> tuple[Log | None, str | None]:
    """Keep an output as of a task in a step with one credential: what is told of it, and what is packed."""
    logs = Logs(Packer(), [TOKEN], CLONE)
    log = logs.keep(text, failed).log
    run = Run(RunStatus.SUCCEEDED, tasks=(Task("a:test", TaskStatus.SUCCESS, log=log),))
    return log, read(logs.packed([run]), log.id) if log else None


@pytest.mark.parametrize(
    ("text", "failed", "passed"),
    [
        ("src/a.ts(3,1): error TS2322: Type 'x' is not assignable to type 'y'.\n", 1, 1),
        ("src/a.ts:3:1: warning: unused\n", 1, 1),
        ("src/a.c:3:1: error: no such thing\n", 1, 0),
        (TRACEBACK, 1, 0),
    ],
    ids=["tsc", "warning", "any tool", "exception"],
)
def test_problems_of_failed_and_passing_tasks(text: str, failed: int, passed: int) -> None:
    """What a tool complains of counts, an exception of a task that passed was handled, and a place is just a place."""
    logs = [keep(text, failed=bad)[0] for bad in (True, False)]
    assert [len(log.problems) for log in logs if log] == [failed, passed]


@pytest.mark.parametrize(("failed", "enough"), [(True, 5_000), (False, 1_500)])
def test_enough_problems(failed: bool, enough: int) -> None:  # noqa: FBT001 - a parameter of pytest's
    """Once there are far more problems than a report takes, further logs are kept and not looked through for more."""
    logs = Logs(Packer(), [], CLONE)
    text = "".join(f"src/a.ts({line},1): error TS2322: No.\n" for line in range(1, 501))
    kept = [logs.keep(text, failed).log for _ in range(enough // 500 + 1)]
    assert [(len(log.problems), log.unread) for log in kept if log] == [(500, False)] * (enough // 500) + [(0, True)]
    other = logs.keep(text, not failed).log
    assert other
    assert (len(other.problems), other.unread) == (500, False)


def test_what_may_be_published() -> None:
    """Beside its log an output is given back as plain text, without secrets and the clone directory."""
    logs = Logs(Packer(), [TOKEN], CLONE)
    assert logs.keep(f"\x1b[31m{CLONE}/a.ts\x1b[39m {TOKEN}\r\n", True).text == "a.ts [secret removed]\n"  # noqa: FBT003


@pytest.mark.parametrize("shown", [TOKEN, "".join(f"\x1b[3{at % 8}m{letter}" for at, letter in enumerate(TOKEN))])
def test_no_secret_is_kept(shown: str) -> None:
    """A credential is gone from what is packed, colours within it or not, and the other lines keep theirs."""
    _, text = keep(f"\x1b[32mone\x1b[39m\ntoken {shown}\n")
    assert text == "\x1b[32mone\x1b[39m\ntoken [secret removed]"


def test_the_clone_directory_is_left_out() -> None:
    """Names of files begin where the repository does; a problem's path stays as it was printed."""
    log, text = keep(f"{CLONE}/src/a.ts:3:1 - error TS2322: Type 'x'.\n", failed=True)
    assert text == "src/a.ts:3:1 - error TS2322: Type 'x'."
    assert log
    assert [problem.path for problem in log.problems] == [f"{CLONE}/src/a.ts"]


def test_nothing_is_kept_of_an_empty_output() -> None:
    """Blank lines are no log."""
    assert keep(" \n\n") == (None, None)
