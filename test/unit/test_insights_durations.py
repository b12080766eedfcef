"""Tasks that took longer or shorter than usual, and what tasks took in other builds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipe.insights.durations import BuildDurations, Change, changes, median
from pipe.model import CacheStatus, TaskStatus
from pipe.nx.durations import by_build, read_durations, wanted
from test.unit.test_insights_graph import run, task

USUAL = (10.0, 11.0, 9.0, 10.5, 9.5)
HERE = wanted([run(task("a:test", 0, 1), task("b:build", 0, 1, cache=CacheStatus.LOCAL, hash="h"))])


def builds(*seconds: float, name: str = "a:test") -> list[BuildDurations]:
    """Builds from number 1 on, each of which executed one task."""
    return [BuildDurations(number, {name: took}, {}) for number, took in enumerate(seconds, 1)]


def test_slower_and_faster() -> None:
    """Far from the usual time, by at least five builds, a task is told with what it usually takes."""
    spread = 1.4826 * 0.5
    assert changes([run(task("a:test", 0, 20))], builds(*USUAL)) == (
        (Change("a:test", 20.0, 10.0, pytest.approx(spread), 5),),  # type: ignore[arg-type]
        (),
    )
    assert [one.id for one in changes([run(task("a:test", 0, 3))], builds(*USUAL)).faster] == ["a:test"]


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (12.9, USUAL),  # under 30 %
        (20.0, USUAL[:4]),  # four builds
        (1.0, (0.1,) * 5),  # under a second
        (20.0, (10.0, 14.0, 6.0, 13.0, 7.0)),  # they differ that much
        (18.0, (10.0, 11.0, 9.0, 11.0, 9.0)),  # and are few
    ],
)
def test_noise(now: float, before: tuple[float, ...]) -> None:
    """A small difference, few builds, and what differs from build to build anyway are not told."""
    assert changes([run(task("a:test", 0, now))], builds(*before)) == ((), ())


def test_more_builds_tell_more() -> None:
    """Ten builds that differ as five did are enough for a difference that five are not."""
    assert len(changes([run(task("a:test", 0, 18))], builds(*(10.0, 11.0, 9.0, 11.0, 9.0) * 2)).slower) == 1


def test_odd_builds_change_little() -> None:
    """Two builds of seven that hung neither hide a slower task nor make the others faster."""
    before = builds(*USUAL, 300.0, 400.0)
    assert changes([run(task("a:test", 0, 10))], before) == ((), ())
    assert len(changes([run(task("a:test", 0, 30))], before).slower) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"cache": CacheStatus.LOCAL},
        {"cache": None},
        {"status": TaskStatus.FAILURE},
        {"status": TaskStatus.STOPPED},
        {"end": None},
    ],
)
def test_only_executed_tasks(other: dict[str, Any]) -> None:
    """What was not executed to a success is not compared: its time is another's."""
    assert changes([run(task("a:test", 0, 60, **other))], builds(*USUAL)) == ((), ())


def test_own_build_is_left_out() -> None:
    """A report.json of this build is no other build."""
    assert changes([run(task("a:test", 0, 60))], builds(*USUAL), current=5) == ((), ())


def test_largest_difference_first() -> None:
    """Changes are told by how much was lost or gained."""
    before = [BuildDurations(number, {"a:test": 10, "b:test": 20}, {}) for number in range(1, 7)]
    found = changes([run(task("a:test", 0, 20), task("b:test", 0, 60))], before)
    assert [(one.id, one.builds) for one in found.slower] == [("b:test", 6), ("a:test", 6)]


@given(
    st.lists(st.floats(0, 1e5), max_size=12),
    st.floats(0, 1e5),
    st.randoms(use_true_random=False),
)
def test_rule(before: list[float], now: float, random: Any) -> None:
    """Whatever is told differs by more than the stated bounds, and the order of the builds is of no account."""
    runs = [run(task("a:test", 0, now))]
    found = changes(runs, builds(*before))
    shuffled = list(before)
    random.shuffle(shuffled)
    assert changes(runs, builds(*shuffled)) == found
    for one in (*found.slower, *found.faster):
        assert one.builds == len(before) >= 5
        assert abs(one.seconds - one.usual) > max((6 if one.builds < 10 else 4) * one.spread, 0.3 * one.usual, 1)
        assert (one in found.slower) == (one.seconds > one.usual)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_median(values: list[float]) -> None:
    """As many values are under the median as above it."""
    middle = median(values)
    assert sum(value < middle for value in values) <= len(values) / 2 >= sum(value > middle for value in values)


# --- read from report.json --------------------------------------------------------------------------------------------


def executed(name: str = "a:test", end: str = "10.500", **other: object) -> dict[str, object]:
    """A task of a report.json that took 10.5 seconds."""
    known = {"id": name, "status": "success", "cache": "miss", "hash": "h"}
    times = {"start": "2026-11-23T19:22:00.000Z", "end": f"2026-11-23T19:22:{end}Z"}
    return {**known, **times, **other}


def report(*tasks: object, **other: object) -> bytes:
    """A report.json of these tasks."""
    return json.dumps({"version": "1.0", "build": {"number": 7}, "tasks": tasks, **other}).encode()


def test_read() -> None:
    """Executed tasks that this build has too are read, the hash of those that it took from the cache."""
    found = read_durations(report(executed(), executed("b:build"), executed("gone:test")), HERE)
    assert found == (7, {"a:test": 10.5, "b:build": 10.5}, {("b:build", "h"): 10.5})


def test_newer_minor_version() -> None:
    """A report of a newer minor version has more fields and is read all the same."""
    assert read_durations(report(executed(more=[1]), version="1.12"), HERE).seconds == {"a:test": 10.5}


@pytest.mark.parametrize(
    "entry",
    [
        executed(cache="local"),
        executed(cache=None),
        executed(status="failure"),
        executed(end="-1"),
        executed(start="2026-11-23T19:22:20.000Z"),
        executed(start="2026-10-23T19:22:20.000Z"),
        executed(start="2026-11-23T19:22:00.000"),
        executed(start=None),
        executed(start=5),
        executed(name="x" * 2000),
        executed(id=["a:test"]),
        executed(id=None),
        executed(cache=[], status={}),
        [executed()],
        "a:test",
        None,
        7,
    ],
)
def test_entries_that_make_no_sense(entry: object) -> None:
    """What is no executed task of a sensible duration is left out, and the rest is read."""
    found = read_durations(report(entry, executed("b:build", hash=["h"])), HERE)
    assert (found.seconds, found.hashes) == ({"b:build": 10.5}, {})


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is not complete JSON"),
        (report()[:-1], "is not complete JSON"),
        (b"\xff\xfe" + report(), "is not complete JSON"),
        (b"[" * 200_000, "is not complete JSON"),
        (b'{"version":"1.0","build":{"number":1' + b"0" * 5000 + b"}}", "is not complete JSON"),
        (b"[" + b"[],[]," * 400_000 + b"[]]", "has too many parts for a report.json"),
        (b"[]", "is not a report.json of Nx Report"),
        (b"null", "is not a report.json of Nx Report"),
        (report(version=1), "is not a report.json of Nx Report"),
        (report(version="2.0"), "is a report.json of another version, of which this pipe knows 1.x"),
        (report(version="1.0\n"), "is a report.json of another version, of which this pipe knows 1.x"),
        (report(build=None), "names no build"),
        (report(build={"number": "7"}), "names no build"),
        (report(build={"number": True}), "names no build"),
        (report(build={"number": 0}), "names no build"),
        (report(executed()) + b" " * (1 << 20), "is larger than 1 MB"),
    ],
)
def test_refused(data: bytes, problem: str) -> None:
    """What is no report.json of a version that is known, or is too much, is refused in a line."""
    with pytest.raises(ValueError, match=f"^{problem}$"):
        read_durations(data, HERE, limit=1 << 20 if b" " * 1000 in data else 16 << 20)


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["miss", "success", "a:test"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(executed())), inner),
    max_leaves=8,
)


@given(st.lists(ANYTHING, max_size=4), ANYTHING)
def test_never_raises_for_what_it_holds(tasks: list[Any], build: Any) -> None:
    """Whatever JSON stands in the fields, a file is read or refused."""
    found = read_durations(report(*tasks), HERE)
    assert set(found.seconds) <= {"a:test"}
    with pytest.raises(ValueError, match="names no build"):
        read_durations(report(build=build), HERE)


def test_files_of_one_build() -> None:
    """The files of several steps are one build, and what ran more than once in it counts as its median."""
    files = [read_durations(report(executed(end=end)), HERE) for end in ("10.000", "20.000", "50.000")]
    other = BuildDurations(9, {"a:test": 1.0}, {})
    assert by_build([*files, other]) == (other, BuildDurations(7, {"a:test": 20.0}, {}))
    twice = read_durations(report(executed(end="10.000"), executed(end="20.000")), HERE)
    assert twice.seconds == {"a:test": 15.0}
