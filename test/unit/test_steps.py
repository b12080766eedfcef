"""Which records count of what the steps of a build have said, and what they say together."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipe.model import Stage
from pipe.steps import StepReport, Steps, counted, digest, later, removable, rerun
from test.language import milliseconds, steps

# Each is a list of records; `gone` marks those that do not count.
COUNTING = {
    "another build": """
        test | build 416 | tasks failed | gone
        lint | build 416 | gone
        test | build 417
    """,
    "a late step of an older build": """
        test | build 418 | 19:00
        test | build 417 | 19:30 | tasks failed | gone
    """,
    "jobs with numbers of their own": """
        test | job a | build 900
        test | job b | build 2 | tasks failed | gone
        test | job b | build 3
        lint | job b | build 3
    """,
    "a final step of each job": """
        test | job a | build 900
        test | job b | build 3
        - | job a | build 900 | final
        - | job b | build 2 | final | gone
    """,
    "a rerun that keeps its UUID": """
        test | #a | 19:10 | tasks failed | gone
        test | #a | 19:30 | run 2
        lint
    """,
    "a rerun with another UUID": """
        test | #a | 19:10 | tasks failed | gone
        test | #b | 19:30 | run 2 | of #a
    """,
    "a rerun with another UUID that did not see the run before": """
        test | #a | 19:10 | tasks failed
        test | #b | 19:30 | run 2
    """,
    "reruns each with another UUID": """
        test | #a | 19:10 | tasks failed | gone
        test | #b | 19:20 | run 2 | of #a | gone
        test | #c | 19:30 | run 3 | of #b #a
    """,
    "a rerun that has started": """
        test | #a | 19:10 | tasks failed | gone
        test | #b | 19:30 | run 2 | start | of #a
    """,
    "two steps of one name": """
        test | #a | 19:10 | tasks failed
        test | #b | 19:30
    """,
    "one of two of one name again": """
        test | #a | 19:10 | tasks failed
        test | #b | 19:12 | gone
        test | #b | 19:30 | run 2
    """,
    "one of two of one name again with another UUID: whose rerun it is nobody knows": """
        test | #a | 19:10 | tasks failed
        test | #b | 19:12
        test | #c | 19:30 | run 2
    """,
    "a step of another name or place is no rerun": """
        test | #a | 19:10 | tasks failed
        lint | #b | 19:30 | run 2 | of #a
        - | #c | 1/2 | 19:10 | tasks failed
        - | #d | 2/2 | 19:30 | run 2 | of #c
    """,
    "steps without a UUID are one per run": """
        test | # | 19:10 | gone
        test | # | 19:30 | run 2
    """,
    "the last final word": """
        test
        final | final | 19:30 | gone
        final | final | 19:40 | run 2
    """,
    "two steps that close": """
        test
        a | final | 19:40
        b | final | 19:30 | gone
    """,
}


def split(text: str) -> tuple[tuple[StepReport, ...], set[StepReport]]:
    """The records of a list, and those of them that count."""
    lines = text.strip("\n").splitlines()
    every = steps("\n".join(line.replace(" | gone", "") for line in lines))
    return every, {one for one, line in zip(every, filter(str.strip, lines), strict=True) if " | gone" not in line}


@pytest.mark.parametrize("text", COUNTING.values(), ids=COUNTING)
def test_what_counts(text: str) -> None:
    """Of the newest build each step's highest run counts, in whatever order the records are listed."""
    every, kept = split(text)
    assert set(counted(every)) == kept
    assert {counted(order) for order in permutations(every)} == {counted(every)}


@pytest.mark.parametrize("text", COUNTING.values(), ids=COUNTING)
def test_what_can_be_deleted(text: str) -> None:
    """What does not count can be deleted, one after the other, without a change of what counts."""
    every, kept = split(text)
    left = list(every)
    found = removable(every)
    assert not kept & set(found)
    for one in found:
        left.remove(one)
        assert counted(left) == counted(every)


RECORD = st.tuples(
    st.sampled_from([416, 417]),
    st.integers(1, 3),
    st.sampled_from(["", "test"]),
    st.sampled_from(["", "a", "b", "c"]),
    st.sampled_from(Stage),
    st.integers(0, 3),
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True).map(tuple),
).map(lambda fields: StepReport(*fields[:-1])._replace(before=fields[-1]))


def test_what_a_rerun_is_one_of() -> None:
    """A rerun replaces its own UUID's run before, else the only step of its name that ran before, and what that did."""
    a, b, lint = steps("test | #a | tasks failed\ntest | #b | run 2 | of #x\nlint | #l")
    again = steps("test | #a | run 3")[0]
    assert rerun(again, [a, lint]).before == (a.step,)
    other = steps("test | #c | run 3")[0]
    assert rerun(other, [b, lint]).before == (b.step, *b.before)
    assert rerun(other, [a, b]).before == ()  # whose rerun it is nobody knows
    assert rerun(other, [lint]).before == ()
    started = other._replace(stage=Stage.START, before=("deadbeef",))
    assert rerun(other, [started, lint]).before == ("deadbeef",)  # the run before may be deleted by now
    unnamed = steps("- | #d | 2/3 | run 2")[0]
    assert rerun(unnamed, steps("- | #e | 1/3\n- | #f | 2/3")).before == (steps("- | #f")[0].step,)


@settings(max_examples=300)
@given(st.lists(RECORD, min_size=1, max_size=7, unique_by=lambda one: one.key), st.randoms())
def test_any_records(records: list[StepReport], random: object) -> None:
    """What counts depends on no order, is never nothing, and outlives deleting."""
    kept = counted(records)
    shuffled = list(records)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert counted(shuffled) == kept
    assert kept
    found = removable(records)
    assert counted([one for one in records if one not in found]) == kept


# --- together ---------------------------------------------------------------------------------------------------------


def together(text: str, now: str = "19:45") -> Steps:
    """The steps of a list at a time of day."""
    return Steps(counted(steps(text)), milliseconds(now))


def names(found: tuple[StepReport, ...]) -> list[str]:
    """Their names."""
    return [one.name for one in found]


def test_a_final_step_closes_its_own_job() -> None:
    """A job's final step says nothing of another job's steps; with one of each job nothing is waited for."""
    both = """
        lint | job a | 19:10 | start
        test | job b | 19:10 | start
        - | job a | 19:20 | final
    """
    told = Steps(counted(steps(both)), milliseconds("19:25"))
    assert not told.closed
    assert [one.name for one in told.stopped] == ["lint"]
    assert [one.name for one in told.running] == ["test"]
    told = Steps(counted(steps(both.rstrip() + "\n        - | job b | 19:20 | final")), milliseconds("19:25"))
    assert told.closed
    assert {one.name for one in told.stopped} == {"lint", "test"}


def test_later() -> None:
    """Of two builds of one job the higher number is later; of two jobs the one that spoke later."""
    low, high, other = steps("test | job a | build 3 | 19:30\ntest | job a | build 4 | 19:10\ntest | job b | 19:20")
    assert later(high, low)
    assert not later(low, high)
    assert later(other, high)
    assert not later(other, low)


def test_running_and_silent() -> None:
    """A step that has started runs until its patience is over; then it is silent, and still awaited."""
    text = """
        test
        e2e | start | 19:20 | patience 30m
        slow | start | 19:14 | patience 30m
    """
    found = together(text)
    assert (names(found.running), names(found.silent), names(found.stopped)) == (["e2e"], ["slow"], [])
    assert (found.awaited, found.complete, found.red) == (2, False, False)
    assert names(together(text, "19:44").running) == ["e2e", "slow"]


def test_final() -> None:
    """The final word ends the waiting: what has started and not reported was stopped."""
    found = together("test\ne2e | start | 19:20\nfinal | final | 19:40")
    assert (names(found.stopped), names(found.running)) == (["e2e"], [])
    assert (found.closed, found.complete, found.awaited) == (True, True, 1)


def test_rerun_after_final() -> None:
    """A step that speaks after the final word opens the report again."""
    found = together("test\ne2e | start | 19:20\ne2e | start | 19:41 | run 2\nfinal | final | 19:40")
    assert (names(found.running), found.closed, found.complete) == (["e2e"], False, False)


@pytest.mark.parametrize(
    ("text", "expected", "awaited"),
    [
        ("test", 0, 0),
        ("test | expect 3", 3, 2),
        ("test | expect 3\nlint | expect 3\ne2e | expect 3", 3, 0),
        ("test | expect 3\nlint\ne2e | start", 3, 1),
        ("test | expect 1\nlint", 1, 0),
        ("test | expect test, lint, e2e\nlint | start", 3, 2),
        ("test | expect test\ndocs", 2, 0),
        ("test | expect test, lint\ndocs", 3, 1),
        ("test | 1/3", 3, 2),
        ("test | 1/2\nlint | 2/2", 2, 0),
        ("test | 1/2\nlint | 2/2\nbuild", 3, 0),
        ("test | 1/2\nbuild", 3, 1),
        ("a | 1/2\nb | 2/2\nc | 1/3\nd | 2/3", 5, 1),
        ("a | 1/2 | expect 4\nb | 2/2 | expect 4", 4, 2),
    ],
)
def test_expected(text: str, expected: int, awaited: int) -> None:
    """How many steps must report is a number, a list, or the size of a parallel group; others fill no place in it."""
    found = together(text)
    assert (found.expected, found.awaited, found.complete) == (expected, awaited, not awaited)


def test_missing() -> None:
    """Expected names of which no word is known are missing, one that has started is not."""
    assert together("test | expect test, lint, e2e\nlint | start").missing == ("e2e",)


@pytest.mark.parametrize(
    ("text", "red"),
    [
        ("a | tasks failed", True),
        ("a | run failed", True),
        ("a | step failed", True),
        ("a | timed out", True),
        ("a | nothing ran | exit 1", True),
        ("a | nothing ran | exit 0", False),
        ("a | nothing ran", False),
        ("a | canceled", False),
        ("a | no tasks", False),
        ("a | start", False),
        ("a | tasks failed\nb", True),
    ],
)
def test_red(text: str, *, red: bool) -> None:
    """What failed is red; where nothing ran the step's exit code decides."""
    assert together(text).red is red


def test_failed_elsewhere() -> None:
    """A task that failed in another step, as Nx Cloud knows, is red before that step has reported."""
    one, other = steps("lint\ntest | start")
    assert Steps(counted([one._replace(elsewhere=("cart:test",)), other]), 0).red


def test_step_of_a_newer_version_is_not_missed() -> None:
    """A step whose record was not understood, so that its name is not known, is none that has yet to report."""
    lint, other = steps("lint | expect lint, test\ntest | foreign")
    found = Steps(counted([lint, other._replace(name=digest("test"))]), 0)
    assert (found.missing, found.expected, found.awaited) == ((), 2, 0)
