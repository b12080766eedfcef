"""What the protocol is walked through: every kind of steps that meet on one pull request."""

from __future__ import annotations

from pipe.insights import Answer
from pipe.model import Stage
from pipe.steps import StepReport
from test.proof.model import COMMITS, OTHERS, OURS, Comment, Scenario

A, B = COMMITS
OLD = Comment(1, OURS, A, 0, "as an older build left it")


def said(
    name: str, step: str = "", build: int = 1, run: int = 1, at: int = 1, *, red: bool = False,
    stage: Stage = Stage.REPORT, expect: int = 0, names: tuple[str, ...] = (), parallel: tuple[int, int] | None = None,
    job: str = "",
) -> StepReport:  # fmt: skip
    """Give the word of a step."""
    answer = Answer.TASKS_FAILED if red else Answer.SUCCEEDED
    return StepReport(
        build, run, name, step or name, stage, at, expect=expect, names=names, parallel=parallel, answer=answer, job=job
    )


def on(commit: str, *reports: StepReport) -> tuple[tuple[str, tuple[StepReport, ...]], ...]:
    """Give a process for each report."""
    return tuple((commit, (one,)) for one in reports)


def _expecting(count: int, *names: str, red: bool = False) -> tuple[tuple[str, tuple[StepReport, ...]], ...]:
    return on(A, *(said(name, expect=count, red=red and name == names[-1]) for name in names))


_STEPS = on(A, said("x"), said("y", red=True))
_COMMITS = (*on(A, said("x")), *on(B, said("x", build=2, at=2)))
_START = said("x", stage=Stage.START)
_FINAL = said("", "f", at=3, stage=Stage.FINAL)

TWO = (
    Scenario("two steps", _STEPS),
    Scenario("existing comment", _STEPS, (OLD,)),
    Scenario("two comments of ours", _STEPS, (OLD, OLD._replace(id=2))),
    Scenario("another token's comment", _STEPS, (OLD._replace(author=OTHERS),)),
    Scenario("another token's comment, then ours", _STEPS, (OLD._replace(author=OTHERS), OLD._replace(id=2))),
    Scenario("our comment, then another token's", _STEPS, (OLD, OLD._replace(id=2, author=OTHERS))),
    Scenario("two builds", on(A, said("x"), said("x", build=2, at=2, red=True))),
    Scenario("two builds, existing comment", on(A, said("x"), said("x", build=2, at=2, red=True)), (OLD,)),
    Scenario("rerun", on(A, said("x", red=True), said("x", run=2, at=2))),
    Scenario("rerun with another UUID", on(A, said("x", "1", red=True), said("x", "2", run=2, at=2))),
    Scenario("two jobs", on(A, said("x", build=9, job="a"), said("x", build=2, at=2, job="b", red=True))),
    Scenario(
        "two builds of a job",
        on(A, said("x", job="a"), said("x", build=2, at=2, job="a", red=True)),
        (OLD._replace(build=9),),
    ),
    Scenario("one name", on(A, said("x", "1", red=True), said("x", "2"))),
    Scenario("one key", on(A, said("x", red=True), said("x", at=2))),
    Scenario("one key, one moment", on(A, said("x", red=True), said("x"))),
    Scenario("2 of 2", _expecting(2, "x", "y"), alike=2),
    Scenario("2 of 2, one red", _expecting(2, "x", "y", red=True)),
    Scenario("2 of 2, existing comment", _expecting(2, "x", "y"), (OLD,), alike=2),
    Scenario("2 of 3", _expecting(3, "x", "y"), alike=2),
    Scenario("2 of 3, one red", _expecting(3, "x", "y", red=True)),
    Scenario("2 of 3, existing comment", _expecting(3, "x", "y"), (OLD,), alike=2),
    Scenario("2 of 2 by name", on(A, *(said(one, names=("x", "y")) for one in "xy"))),
    Scenario("a parallel group of 2", on(A, *(said(one, parallel=(at, 2)) for at, one in enumerate("xy"))), alike=2),
    Scenario("one expects, one does not", on(A, said("x", expect=3), said("y"))),
    Scenario("two commits", _COMMITS, moves=(B,)),
    Scenario("two commits, existing comment", _COMMITS, (OLD,), moves=(B,)),
    Scenario("two commits and back", _COMMITS, moves=(B, A)),
    Scenario("two commits and back, existing comment", _COMMITS, (OLD,), moves=(B, A)),
    Scenario("start and report", on(A, _START, said("x", at=2)), after=((1, 0),)),
    Scenario("start beside a step", on(A, _START, said("y"))),
    Scenario("start and final", on(A, _START, _FINAL)),
    Scenario("start, then final", on(A, _START, _FINAL), after=((1, 0),)),
    Scenario("report and final", on(A, said("x", expect=2), _FINAL)),
    Scenario("final and a rerun", on(A, _FINAL, said("x", run=2, at=4)), (OLD,)),
)


def comments_alone(scenario: Scenario) -> Scenario:
    """Leave the build status out."""
    return scenario._replace(name=f"{scenario.name}; comments alone", status_too=False)


def status_alone(scenario: Scenario) -> Scenario:
    """Leave the comments out."""
    return scenario._replace(name=f"{scenario.name}; status alone", comments_too=False)


def with_deaths(scenario: Scenario) -> Scenario:
    """Let its processes die."""
    return scenario._replace(name=f"{scenario.name}; deaths", deaths=True)


def with_lag(scenario: Scenario, lag: int, *, settle: bool = True) -> Scenario:
    """Let its reads lag."""
    return scenario._replace(
        name=f"{scenario.name}; lag {lag}{'' if settle else ' without SETTLE'}", lag=lag, settle=settle
    )


# Three processes of which one begins after another, or of few calls.
THREE = (
    Scenario("start and report beside a step", on(A, _START, said("x", at=2), said("y")), (OLD,), after=((1, 0),)),
    Scenario("start and report of 2 steps", on(
        A, _START._replace(expect=2), said("x", at=2, expect=2), said("y", expect=2)), (OLD,), after=((1, 0),)),
    Scenario("two steps, then final", on(A, said("x"), said("y", red=True), _FINAL), (OLD,), after=((2, 0), (2, 1))),
    Scenario("one name, and a rerun", on(
        A, said("x", "1"), said("x", "2", red=True), said("x", "1", run=2, at=2)), (OLD,), after=((2, 0),)),
    Scenario("two steps of an old commit", (*on(A, said("x"), said("y")), *_COMMITS[1:]), (OLD,),
        moves=(B,), alike=2),
    Scenario("two steps of a new commit", (*_COMMITS[:1], *on(B, said("x", build=2), said("y", build=2))), (OLD,),
        moves=(B,)),
)  # fmt: skip

# Three that begin at once have millions of states; without the build status, or with it alone, thousands.
AT_ONCE = (
    Scenario("3 of 3, existing comment", _expecting(3, "x", "y", "z"), (OLD,), alike=3),
    Scenario("3 of 3, one red, existing comment", _expecting(3, "x", "y", "z", red=True), (OLD,), alike=2),
    Scenario("three steps, existing comment", on(A, *(said(one) for one in "xyz")), (OLD,), alike=3),
)
MAKING_ONE = (
    Scenario("3 of 3", _expecting(3, "x", "y", "z"), alike=3),
    Scenario("three steps", on(A, *(said(one) for one in "xyz")), alike=3),
)

BY_NAME = {one.name: one for one in (*TWO, *THREE, *AT_ONCE, *MAKING_ONE)}
_APART = tuple(alone(one) for one in AT_ONCE for alone in (comments_alone, status_alone))
_FEW_THREE = (*THREE[:4], *_APART)

# In `make test`: under a minute.
QUICK = (
    *TWO,
    *map(with_deaths, TWO),
    *(with_lag(one, 1) for one in TWO if one.comments or one.moves),
    *THREE[:4],
    *_APART,
)

# Reads that lag with nobody waiting: it has to show that the pauses are needed.
WITHOUT_SETTLE = tuple(
    with_lag(alone(BY_NAME[name]), lag, settle=False)
    for lag in (1, 2)
    for name in ("existing comment", "two builds, existing comment")
    for alone in (comments_alone, status_alone)
)

# What `make prove` adds, the longest last. Two processes with one key overwrite each other, which takes long enough.
_LAG_2 = tuple(one for one in TWO if not one.name.startswith("one key"))
ALL = (
    *QUICK,
    *WITHOUT_SETTLE,
    *map(with_deaths, _FEW_THREE),
    *(with_lag(one, 1) for one in _APART),
    *(with_lag(one, 1) for one in TWO if not (one.comments or one.moves)),
    *(with_lag(one, 2) for one in _LAG_2),
    *THREE[4:],
    BY_NAME["three steps, existing comment"],
    BY_NAME["3 of 3, existing comment"],
)


def restoring(scenario: Scenario) -> list[StepReport]:
    """Give what may run on the head's commit when all have ended: a rerun of each step, and a final step."""
    head = scenario.moves[-1] if scenario.moves else scenario.head
    there = [one for commit, reports in scenario.steps if commit == head for one in reports]
    steps = [one for one in there if one.stage is not Stage.FINAL]
    run, build = max(one.run for one in there) + 1, max(one.build for one in there)
    reruns = [one._replace(run=run, build=build, at=9, stage=Stage.REPORT) for one in steps]
    return [*reruns, said("", "f", build, run, 9, stage=Stage.FINAL)]
