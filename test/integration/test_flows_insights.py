"""What a report says beyond its result: annotations, the comparison with the destination branch, page and outputs."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from test.conftest import CLOUD
from test.sandbox import json_answer
from test.sandbox.seed import BASE, BEFORE

if TYPE_CHECKING:
    from pathlib import Path

    from test.conftest import FakeClock, Step

FAILING, PASSING, ONE = (1,), (4,), (5,)  # runs of the capture: all fail in cart:test, one passes, one alone fails
ORDERS = "21.6.11-orders"
NO_CREDENTIAL = {"ATLASSIAN_ACCOUNT_EMAIL": "", "ATLASSIAN_API_TOKEN": "", "BITBUCKET_API_URL": ""}
ON_MAIN = {
    "BITBUCKET_BRANCH": "main",
    "BITBUCKET_PR_ID": "",
    "BITBUCKET_PR_DESTINATION_BRANCH": "",
    "BITBUCKET_PR_DESTINATION_COMMIT": "",
    "BITBUCKET_BUILD_NUMBER": "400",
}


def on_main(step: Step, runs: tuple[int | str, ...], commit: str = BASE, **own: str) -> None:
    """A build of the destination branch, before the pull request's."""
    step.run(runs=runs, **{**ON_MAIN, "BITBUCKET_COMMIT": commit, **own})


def files(step: Step, *paths: str, lines: int = 200) -> None:
    """Put source files into the clone, as long as any place in them."""
    for path in paths:
        file = step.clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x\n" * lines)


def orders(step: Step, **own: str) -> Any:
    """A red step of a real workspace, whose sources are there."""
    step.run(ORDERS, ("03",), DRY_RUN="true")
    (step.clone / ".nx-report/outputs.env").unlink(missing_ok=True)
    files(
        step,
        "packages/domain/src/lib/discounts.ts",
        "packages/domain/src/lib/order.ts",
        "packages/domain/src/lib/order.spec.ts",
        "packages/domain/jest.config.ts",
        "apps/orders-api/src/app.ts",
        "apps/orders-api/src/clock.spec.ts",
    )
    return step.again(BITBUCKET_EXIT_CODE="1", **own)


def logs_of(step: Step) -> str:
    """All logs in the page, one after the other."""
    page = (step.clone / ".nx-report/report.html").read_text()
    blocks = re.findall(r'<script type="text/plain" data-stream[^>]*>([^<]*)</script>', page)
    return b"".join(zlib.decompress(base64.b64decode(block)) for block in blocks).decode()


def eslint_output(step: Step) -> Path:
    """Where Nx keeps what a failing lint task printed; what the command printed is gone."""
    (step.clone / ".nx-report/nx.log").unlink()
    outputs = (step.clone / ".nx/cache/terminalOutputs").iterdir()
    (found,) = [path for path in outputs if "no-var" in path.read_text()]
    return found


def annotated(step: Step) -> list[tuple[str, int | None, str]]:
    """Path, line and summary of the annotations of all reports on the pull request's head."""
    repository = step.sandbox.repository
    reports = repository.reports_of_commit(step.sandbox.pull_request.source_commit)
    found = (one.values for report in reports for one in repository.annotations_of(report))
    return [(one["path"], one.get("line"), one["summary"]) for one in found]


# --- annotations ------------------------------------------------------------------------------------------------------


@pytest.mark.host(CLOUD)
def test_annotations(step: Step) -> None:
    """What tools found is annotated on the lines of files that exist, by one more request."""
    ran = orders(step)
    found = annotated(step)
    assert ("packages/domain/src/lib/discounts.ts", 10, "Unexpected var, use let or const instead") in found
    assert any(path == "packages/domain/src/lib/order.spec.ts" and line == 22 for path, line, _ in found)
    assert any(path == "apps/orders-api/src/app.ts" and line == 4 for path, line, _ in found)
    assert len(found) == len(set(found))
    assert "✓ Annotations written: " in ran.log
    posted = [call for call in step.calls() if call.endswith("/annotations")]
    assert [call.split()[0] for call in posted] == ["POST"]


@pytest.mark.host(CLOUD)
def test_a_file_that_is_not_there_has_no_annotation(step: Step) -> None:
    """A printed path that names no file of the clone is no annotation, and costs no request."""
    step.run(ORDERS, ("03",))
    assert annotated(step) == []
    assert not [call for call in step.calls() if "annotations" in call]


def test_a_rerun_leaves_no_old_annotation(step: Step) -> None:
    """After the rerun of a step only its own annotations are there."""
    orders(step)
    assert annotated(step)
    step.run(BITBUCKET_STEP_RUN_NUMBER="2", runs=PASSING)
    assert annotated(step) == []
    assert len(step.records) == 1


def test_a_second_report_of_one_step_leaves_no_old_annotation(step: Step) -> None:
    """Where one run of a step reports twice, the second time's annotations are the ones that stay."""
    orders(step)
    first = annotated(step)
    (step.clone / "packages/domain/src/lib/discounts.ts").unlink()
    step.again(BITBUCKET_EXIT_CODE="1")
    assert annotated(step) == [one for one in first if "discounts.ts" not in one[0]]


def test_annotations_that_fail_stop_nothing(step: Step) -> None:
    """Where Bitbucket refuses annotations, comment and status are written all the same, and the log says why."""
    step.sandbox.faults.add("POST", "/annotations", json_answer(400, {"code": 400, "message": "No"}), times=10)
    ran = orders(step)
    assert "✗ Annotations failed: " in ran.log
    assert step.comments[0].startswith("✗ **Nx: 6 of 13 tasks failed")
    assert step.statuses[0][0] == "FAILED"


def test_what_there_was_no_room_for_is_counted(step: Step) -> None:
    """Of more problems than a report takes the errors are annotated first, and the rest is counted."""
    orders(step)
    output = eslint_output(step)
    lines = [f"  {line}:1  {kind}  Bad {kind} {line}  rule" for line in range(1, 900) for kind in ("error", "warning")]
    files(step, "packages/domain/src/lib/order.ts", lines=1000)
    output.write_text("\n".join([f"{step.clone}/packages/domain/src/lib/order.ts", *lines, "", "✖ 1798 problems", ""]))
    ran = step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="418")
    found = annotated(step)
    assert len(found) == 1000
    assert sum(summary.startswith("Bad") for _, _, summary in found) > 900
    assert "Annotations written: 1,000, 80" in ran.log


def test_logs_that_are_not_looked_through_are_counted(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are far more problems than a report takes, the log says how many logs it did not look through."""
    monkeypatch.setattr("pipe.logs._WANTED", {True: 3, False: 1})
    assert re.search(r"Annotations written: \d+, [2-9] logs not looked through for more\n", orders(step).log)


@pytest.mark.host(CLOUD)
def test_an_absolute_path_is_what_it_says(step: Step) -> None:
    """A path printed in full is not taken for one of the project with the same end, nor are Nx's own words for one."""
    orders(step)
    output = eslint_output(step)
    files(step, "src/load.ts", "packages/domain/src/load.ts")
    output.write_text(
        f'> check "a.ts:1:1: error: is bad"\n\n{step.clone}/src/load.ts:2:3: error: wrong\n'
        'Warning: command "check "src/load.ts:1:1: error: is bad"" exited with non-zero status code\n'
    )
    step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="418")
    assert [one for one in annotated(step) if "load.ts" in one[0]] == [("src/load.ts", 2, "wrong")]


def test_a_path_of_the_project_without_a_record(step: Step) -> None:
    """Without a record a path is followed from the project's folder by Nx's graph, also where many projects have it."""
    orders(step)
    output = eslint_output(step)
    names = ("packages/domain/src/index.ts", "src/index.ts", "apps/orders-api/src/index.ts")
    files(step, *names)
    output.write_text("src/index.ts(3,14): error TS2322: Type 'string' is not assignable to type 'number'.\n")
    step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="418")
    assert not [path for path, _, _ in annotated(step) if path in names]
    graph = step.clone / ".nx/workspace-data/project-graph.json"
    graph.parent.mkdir(parents=True, exist_ok=True)
    graph.write_text('{"nodes":{"@orders/domain":{"data":{"root":"packages/domain"}}}}')
    step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="419")
    assert [(path, line) for path, line, _ in annotated(step) if path in names] == [(names[0], 3)]


def test_no_log_is_packed_twice(step: Step) -> None:
    """Where two sources tell of a task its log is in the page once."""
    orders(step)
    document = json.loads((step.clone / ".nx-report/report.json").read_text())
    page = (step.clone / ".nx-report/report.html").read_text()
    found = re.search(r'id="places">([^<]*)<', page)
    assert found
    places = json.loads(found[1])
    used = {task["log"]["id"] for task in document["tasks"] if task.get("log")}
    assert {number for number, place in enumerate(places) if place and place[2]} == used


def test_a_secret_that_the_recorder_masked_comes_from_nowhere_else(step: Step) -> None:
    """Where there is a record, no output is taken from Nx's cache: it has what the recorder has left out."""
    step.run(ORDERS, ("03",))
    clone = step.clone
    head = {"type": "run", "version": "1.1", "id": "x", "start": 1795476934000, "end": 1795476947000, "command": "nx a"}
    head["build"] = {
        "ci": "bitbucket",
        "number": "417",
        "step": "{5b0e1c7a-2f64-4d3e-8a9b-1c2d3e4f5a6b}",
        "stepRun": "1",
    }
    task = {"type": "task", "id": "@orders/domain:lint", "status": "failure", "code": 1, "output": "masked"}
    lines = [head, task, {"type": "end", "tasks": 1}]
    (clone / ".nx-report/r.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    for output in (clone / ".nx/cache/terminalOutputs").iterdir():
        output.write_text("value-of-a-variable-that-only-the-step-knows\n" * 3)
    (clone / ".nx-report/nx.log").unlink()
    step.again(BITBUCKET_EXIT_CODE="1")
    assert "masked" in logs_of(step)
    assert "only-the-step-knows" not in logs_of(step)


# --- against the destination branch -----------------------------------------------------------------------------------


@pytest.mark.host(CLOUD)
def test_new_failure(step: Step) -> None:
    """A failure that the destination branch does not have is told as new, from one look at its last commit."""
    on_main(step, PASSING)
    step.all_calls()
    step.run(runs=FAILING)
    (body,) = step.comments
    assert body.startswith("✗ **Nx: 1 of 15 tasks failed:** `cart:test` · new\n")
    assert "**`cart:test`** · new, not failing on `main`" in body
    assert f"Against `main` at `{BASE[:12]}`: 1 newly failing" in body
    asked = [call for call in step.all_calls() if BASE[:12] in call or BEFORE[:12] in call]
    assert asked == [f"GET commit/{BASE[:12]}", f"GET commit/{BASE}/reports"]


def test_known_failure(step: Step) -> None:
    """A failure that stands on the destination branch too is told as such, in line one and in the status."""
    on_main(step, FAILING)
    step.run(runs=FAILING)
    (body,) = step.comments
    assert body.startswith("✗ **Nx: 1 of 15 tasks failed:** `cart:test` · failing on `main` too\n")
    assert "**`cart:test`** · failing on `main` too" in body
    assert ("FAILED", "1 of 15 tasks failed: cart:test · failing on main too · build 417") in step.statuses


def test_fixed(step: Step) -> None:
    """A task that fails on the destination branch and succeeds here is told as fixed."""
    on_main(step, ONE)
    step.run(runs=PASSING)
    (body,) = step.comments
    assert "✓" in body.split("\n", maxsplit=1)[0]
    assert "No baseline" not in body


@pytest.mark.host(CLOUD)
def test_no_baseline_yet(step: Step) -> None:
    """Without a record on the destination branch the report says so, after at most three requests."""
    step.run(runs=FAILING)
    assert "No baseline yet on `main`" in step.comments[0]
    assert " · new" not in step.comments[0]
    asked = [call for call in step.all_calls() if BASE[:12] in call or BEFORE[:12] in call]
    assert asked == [f"GET commit/{BASE[:12]}", f"GET commit/{BASE}/reports", f"GET commit/{BEFORE}/reports"]


@pytest.mark.host(CLOUD)
def test_baseline_of_the_commit_before(step: Step) -> None:
    """Where the destination's last commit has no record yet, the one before it counts."""
    on_main(step, FAILING, BEFORE)
    step.run(runs=FAILING)
    assert f"Against `main` at `{BEFORE[:12]}`: 1 still failing" in step.comments[0]


@pytest.mark.host(CLOUD)
def test_baseline_that_is_still_running(step: Step) -> None:
    """A build of the destination branch that is still running is no baseline: what it will say is not known."""
    on_main(step, FAILING, BEFORE)
    on_main(step, PASSING, STAGE="start")
    step.run(runs=FAILING)
    assert f"Against `main` at `{BEFORE[:12]}`" in step.comments[0]


def test_baseline_of_the_pull_request_of_a_branch(step: Step) -> None:
    """In a branch pipeline the destination is the found pull request's."""
    on_main(step, FAILING)
    step.all_calls()
    gone = {"BITBUCKET_PR_ID": "", "BITBUCKET_PR_DESTINATION_BRANCH": "", "BITBUCKET_PR_DESTINATION_COMMIT": ""}
    step.run(runs=FAILING, PULL_REQUEST_ID="auto", **gone)
    assert "failing on `main` too" in step.comments[0]
    asked = [call for call in step.all_calls() if BASE[:12] in call or BEFORE[:12] in call]
    assert len(asked) <= 3


def test_several_steps_say_what_is_new(step: Step) -> None:
    """Where the comment is made of records alone it tells new and known failures just so, new ones first."""
    on_main(step, FAILING)
    one, other = step.other("unit"), step.other("e2e")
    one.run(runs=FAILING, EXPECT="2")
    other.run(ORDERS, ("03",), EXPECT="2")
    (body,) = step.comments
    first = body.split("\n", maxsplit=1)[0]
    assert "6 new" in first
    assert "`cart:test`" not in first  # the five that are named are new ones
    assert "✗ `cart:test` · failing on `main` too" in body
    assert "✗ `@orders/domain:lint` · new, not failing on `main`" in body
    assert "Against `main`: 6 newly failing, 1 still failing" in body


# --- page, report.json, outputs ---------------------------------------------------------------------------------------


@pytest.mark.host(CLOUD)
def test_page_and_data(step: Step) -> None:
    """Page and report.json lie in the clone, and the comment leads to the step's artifacts, named as a download."""
    step.run(runs=FAILING)
    page = (step.clone / ".nx-report/report.html").read_text()
    data = json.loads((step.clone / ".nx-report/report.json").read_text())
    assert "1 of 15 tasks failed: cart:test" in page
    assert data["result"] == "tasks failed"
    assert data["version"] == "1.0"
    assert sum(task["log"] is not None for task in data["tasks"]) > 10
    assert re.search(r"\[download all logs \(HTML\)\]\(https://bitbucket\.org/\S+/artifacts\)", step.comments[0])
    assert "[log](" not in step.comments[0]


@pytest.mark.host(CLOUD)
def test_report_url(step: Step) -> None:
    """Where the user publishes the page, each failed task's log is linked, and values in the address are encoded."""
    url = "https://ci.example.com/{branch}/{build}/{run}/{step}.html?of={commit}"
    step.run(runs=FAILING, REPORT_URL=url, BITBUCKET_BRANCH="feature/a b&c".replace(" ", "+"))
    (body,) = step.comments
    head = step.sandbox.pull_request.source_commit
    there = f"https://ci.example.com/feature%2Fa%2Bb%26c/417/1/5b0e1c7a-2f64-4d3e-8a9b-1c2d3e4f5a6b.html?of={head}"
    assert f"[log]({there}#task=cart:test)" in body
    assert f"[all logs]({there})" in body


@pytest.mark.host(CLOUD)
def test_upload(step: Step) -> None:
    """With UPLOAD the page goes to the Downloads and is linked as a download; old ones of ours go."""
    sandbox = step.sandbox
    scopes = ("read:repository:bitbucket", "write:repository:bitbucket", "read:pullrequest:bitbucket")
    token = sandbox.state.add_api_token(sandbox.author, "up@acme.example", "uploading-token", scopes)
    step.environ |= {"ATLASSIAN_ACCOUNT_EMAIL": "up@acme.example", "ATLASSIAN_API_TOKEN": "uploading-token"}
    assert token
    sandbox.repository.put_download(sandbox.author, "release-1.0.zip", b"theirs")
    for build in ("415", "416", "417"):
        step.run(runs=FAILING, UPLOAD="downloads", KEEP="2", BITBUCKET_BUILD_NUMBER=build)
    names = sorted(sandbox.repository.downloads)
    assert [name.split("-")[3] for name in names if name.endswith(".html")] == ["416", "417"]
    assert "release-1.0.zip" in names
    (name,) = (name for name in names if name.startswith("nx-report-nx-417") and name.endswith(".html"))
    assert f"[download all logs (HTML)](https://bitbucket.org/acme/shop/downloads/{name})" in step.comments[0]
    assert sandbox.repository.downloads[name].content == (step.clone / ".nx-report/report.html").read_bytes()


@pytest.mark.host(CLOUD)
@pytest.mark.parametrize("private", ["false", ""])
def test_no_upload_where_everybody_could_read_it(step: Step, private: str) -> None:
    """Nothing is uploaded where the repository is not known to be private, and the log says why."""
    ran = step.run(runs=FAILING, UPLOAD="downloads", BITBUCKET_REPO_IS_PRIVATE=private)
    assert step.sandbox.repository.downloads == {}
    assert "– Upload skipped: the repository is not known to be private" in ran.log
    assert "/artifacts)" in step.comments[0]


@pytest.mark.host(CLOUD)
def test_upload_without_the_scope(step: Step) -> None:
    """A token that may not write to the repository is told which scope it lacks; the rest is written."""
    ran = step.run(runs=FAILING, UPLOAD="downloads")
    assert "✗ Upload failed: " in ran.log
    assert "write:repository:bitbucket" in ran.log
    assert len(step.comments) == 1


@pytest.mark.host(CLOUD)
def test_outputs(step: Step, tmp_path: Path) -> None:
    """Later steps get the result, counts and links, in Pipelines' own file and in one of the clone."""
    path = tmp_path / "variables"
    path.write_text("EARLIER=1\n")
    ran = step.run(runs=FAILING, BITBUCKET_PIPELINES_VARIABLES_PATH=str(path))
    written = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert written["EARLIER"] == "1"
    assert written["NX_REPORT_RESULT"] == "tasks-failed"
    assert (written["NX_REPORT_TASKS"], written["NX_REPORT_FAILED"]) == ("15", "1")
    assert "#comment-" in written["NX_REPORT_COMMENT_URL"]
    assert "NX_REPORT_FAILED='1'" in (step.clone / ".nx-report/outputs.env").read_text()
    closing = ran.log.rsplit("\n\n", 1)[1]
    assert closing.startswith("✗ Nx: 1 of 15 tasks failed: cart:test")
    assert written["NX_REPORT_COMMENT_URL"] in closing


def test_dry_run_writes_nothing(step: Step) -> None:
    """DRY_RUN leaves no file and no request behind."""
    step.run(runs=FAILING, DRY_RUN="true")
    assert sorted(path.name for path in (step.clone / ".nx-report").iterdir()) == ["nx.log"]
    assert step.all_calls() == []


@pytest.mark.host(CLOUD)
def test_no_secret_in_any_log(step: Step) -> None:
    """A secret in a passing task's output is in neither page nor data, nor is one that colours run through."""
    step.run(runs=FAILING)
    token = step.sandbox.api_token.token
    half = len(token) // 2
    for output in (step.clone / ".nx/cache/terminalOutputs").iterdir():
        output.write_text(
            f"a {token} b\n\x1b[31m{token[:half]}\x1b[1m{token[half:]}\x1b[0m\nhttps://u:hunter2hunter2@h/\n"
        )
    (step.clone / ".nx-report/nx.log").unlink()
    step.again(BITBUCKET_EXIT_CODE="1")
    page, logs = (step.clone / ".nx-report/report.html").read_text(), logs_of(step)
    assert logs.count("[secret removed]") >= 3 * 10
    everything = logs + page + (step.clone / ".nx-report/report.json").read_text()
    for secret in (token, token[:half], token[half:], "hunter2"):
        assert secret not in everything


# --- durations --------------------------------------------------------------------------------------------------------


def test_slower_than_usual(step: Step) -> None:
    """With report.json files of five other builds a task that took much longer than usual is named."""
    step.run(ORDERS, ("03",))
    data = json.loads((step.clone / ".nx-report/report.json").read_text())
    for task in data["tasks"]:
        if task["id"] == "@orders/storage:test":
            task["end"] = task["start"]
    step.run(ORDERS, ("03",), DRY_RUN="true")
    folder = step.clone / "baseline"
    folder.mkdir()
    for build in range(5):
        data["build"]["number"] = 300 + build
        (folder / f"{build}.json").write_text(json.dumps(data))
    (folder / "broken.json").write_text("{")
    ran = step.again(BITBUCKET_EXIT_CODE="1", BITBUCKET_BUILD_NUMBER="418", BASELINE="baseline/*.json")
    assert "slower than usual: `@orders/storage:test` 3.6s, usually 0ms" in step.comments[0]
    assert "! BASELINE: baseline/broken.json is not complete JSON" in ran.log


@pytest.mark.host(CLOUD)
def test_usual_times_from_the_downloads(step: Step) -> None:
    """BASELINE: downloads takes what UPLOAD put there in other builds, fetched without the credential."""
    repository, author = step.sandbox.repository, step.sandbox.author
    step.run(ORDERS, ("03",))
    data = json.loads((step.clone / ".nx-report/report.json").read_text())
    for task in data["tasks"]:
        task["end"] = task["start"]
    for build in range(300, 305):
        data["build"]["number"] = build
        repository.put_download(author, f"nx-report-nx-{build}-0000000{build % 10}.json", json.dumps(data).encode())
    repository.put_download(author, "nx-report-other-1-00000000.json", b"{")
    ran = step.run(ORDERS, ("03",), BITBUCKET_BUILD_NUMBER="418", BASELINE="downloads")
    assert "slower than usual: `@orders/domain:test`" not in step.comments[0]  # it failed
    assert "`@orders/invoicing:test` 3.9s, usually 0ms" in step.comments[0], ran.log
    assert "BASELINE" not in ran.log


# --- without a credential ---------------------------------------------------------------------------------------------


def test_without_a_credential(step: Step) -> None:
    """In a pipe without a credential the report and its annotations go through Pipelines' proxy, and nothing else."""
    step.environ = NO_CREDENTIAL
    ran = orders(step)
    assert len(step.records) == 1
    assert annotated(step)
    assert step.comments == []
    assert step.statuses == []
    assert "✓ Code Insights report written" in ran.log
    assert "Comment and build status are not possible without a credential" in ran.log
    assert ran.code == 0


def test_rerun_without_a_credential(step: Step) -> None:
    """There too a rerun leaves nothing of the run before."""
    step.environ = NO_CREDENTIAL
    orders(step)
    step.run(runs=PASSING, BITBUCKET_STEP_RUN_NUMBER="2")
    assert len(step.records) == 1
    assert annotated(step) == []


def test_without_a_credential_or_a_proxy(step: Step, clock: FakeClock) -> None:
    """Outside of a pipe nothing is sent anywhere; the log has the whole report."""
    step.environ = {**NO_CREDENTIAL, "BITBUCKET_PIPE_STORAGE_DIR": ""}
    before = clock.now()
    ran = step.run(runs=FAILING)
    assert step.records == []
    assert "NO CREDENTIAL" in ran.log
    assert clock.now() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"REPORT_URL": "https://{branch}/report.html"},  # whoever names a branch would choose the host
        {"REPORT_URL": "https://ci.example.com/{job}.html"},
        {"REPORT_URL": "ftp://ci.example.com/report.html"},
        {"REPORT_URL": "https://ci.example.com/report.html#top"},
        {"UPLOAD": "artifacts"},
        {"KEEP": "0"},
        {"UPLOAD_PUBLIC": "yes"},
    ],
    ids=str,
)
def test_wrong_settings(step: Step, wrong: dict[str, str]) -> None:
    """What cannot be meant is refused before anything is sent, with a correct example."""
    ran = step.run(runs=FAILING, **wrong)
    assert ran.code == 2
    assert f"Correct: {next(iter(wrong))}: " in ran.log
    assert step.all_calls() == []


def test_one_place_for_the_page(step: Step) -> None:
    """REPORT_URL and UPLOAD together are a mistake: the page is linked at one place."""
    ran = step.run(runs=FAILING, REPORT_URL="https://ci.example.com/{build}.html", UPLOAD="downloads")
    assert ran.code == 2
    assert "REPORT_URL and UPLOAD both say where readers get the page: set one of them" in ran.log
