"""A step's last word as a record on the commit: a Code Insights report, or a build status where reports are refused.

Both are read back, and everybody reads the same: `read(report(x))` is `x` for all that `of` makes. The key says whose
word it is, the field `Record` (or the end of a status's description) holds the counts, `details` the tasks and lines:
text that people read too. What is read back is data, for anyone with write access can change it: a record that makes
no sense still counts as a step, of which no more is known than Bitbucket's own result. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pipe.insights import Answer, Summary, summarise
from pipe.model import BuildState, BuildStatus, Report, ReportResult, RunStatus, Stage
from pipe.nx.cloud_links import is_live
from pipe.render import record, reproduce, runs
from pipe.render.comment import telling
from pipe.render.cut import cut, fitting, with_names
from pipe.render.record import label
from pipe.steps import Failure, StepReport, digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipe.build import Pages
    from pipe.insights.derive import Insights
    from pipe.model import Task

# A status's description has no stated limit on Bitbucket Cloud; Data Center's old API had 255.
DESCRIPTION_LIMIT = 255

_LONGEST_TITLE = 255


class Scope(NamedTuple):
    """Whose records they are: a report on a pull request, or where that is None on a branch or tag.

    `ref` is `heads/<branch>` or `tags/<tag>`.
    """

    report_id: str
    pull_request: int | None
    ref: str

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that no other scope has."""
        where = f"pull-request {self.pull_request}" if self.pull_request else self.ref
        return digest(f"{self.report_id} {where}")

    @property
    def branch(self) -> str | None:
        """The branch's plain name."""
        return self.ref.removeprefix("heads/") if self.ref.startswith("heads/") else None


def step_digest(uuid: str | None) -> str:
    """What `StepReport.step` is for a step's UUID, with or without its braces."""
    return digest(uuid.strip("{}").lower()) if uuid else ""


def nx_cloud(url: str) -> bool:
    """Whether an address is a page of Nx Cloud itself, which anyone may link to."""
    return is_live(url, urlsplit(url).netloc, frozenset())


# --- what a step says -------------------------------------------------------------------------------------------------


def of(
    summary: Summary,
    identity: StepReport,
    nx: str,
    folder: str = "",
    insights: Insights | None = None,
    logs: str = "",
) -> StepReport:
    """What a step that ran this says, cut to what a record can carry.

    `identity` holds which step it is, when it speaks, and what it expects; `nx` is how its workspace starts Nx, in
    `folder` where that is not the repository's root. `insights` are what the runs tell beyond their result, `logs` says
    where their logs are (`render.logs`). The answer is that of the step's own runs where it has any.
    """
    comparison = insights.comparison if insights else None
    compared = dict.fromkeys(comparison.new, False) | dict.fromkeys(comparison.known, True) if comparison else {}
    unstable = {one.id for one in insights.flaky} if insights else set()
    own = summarise(summary.runs, summary.exit_code) if summary.runs else summary
    known = {*(task.id for task in own.failed), *own.retried}
    order = {task.id: at for at, task in enumerate(summary.failed)}
    failed = tuple(sorted(own.failed, key=lambda task: order.get(task.id, 0)))
    command = reproduce.command(failed, nx)
    if command and folder:
        from shlex import quote  # noqa: PLC0415 - not needed where nothing failed

        command = f"(cd {quote(folder)} && {command})"
    one = identity._replace(
        stage=Stage.REPORT,
        answer=own.answer,
        exit_code=own.exit_code,
        total=own.total,
        failed=len(own.failed),
        cached=own.cached,
        not_run=len(own.not_run),
        seconds=own.seconds,
        runs=tuple(map(runs.line, own.runs)),
        failures=tuple(
            Failure(task.id, (), _seconds(task), task.flaky or task.id in unstable, compared.get(task.id))
            for task in failed
        ),
        retried=own.retried,
        flaky=tuple(dict.fromkeys((*own.flaky, *(one.id for one in insights.flaky)))) if insights else own.flaky,
        elsewhere=tuple(task.id for task in summary.failed if task.id not in known),
        error=_error(own),
        command=command,
        against=comparison.branch if comparison else "",
        fixed=comparison.fixed if comparison else (),
        saved=insights.saved.seconds if insights and insights.saved else None,
        logs=logs,
    )

    def lines(at: int, limit: int) -> tuple[str, ...]:
        output = failed[at].output
        return telling(output).excerpt(limit).lines if output else ()

    return cut(one, lines)


def _seconds(task: Task) -> float | None:
    return (task.end - task.start).total_seconds() if task.start and task.end else None


def _error(summary: Summary) -> str | None:
    worst = sorted(summary.runs, key=lambda run: run.status is not RunStatus.FAILED)
    errors = next((run.errors for run in worst if run.errors), ("no run found",) if summary.nx_may_have_run else ())
    return "\n".join(errors[:6]) or None


# --- as a Code Insights report ----------------------------------------------------------------------------------------


def key(one: StepReport, scope: Scope) -> str:
    """The report's key: at most 96 of `A-Z a-z 0-9 . _ -`. Another job, build, run or step has another."""
    letter = "f" if one.stage is Stage.FINAL else "s"
    job = f"-{one.job}" if one.job else ""
    return f"{_prefix(scope)}{one.build}-{one.run}{letter}-{_name_digest(one)}{one.step}{job}"


def _name_digest(one: StepReport) -> str:
    """The digest of a step's name, which is all that is known of some names."""
    return one.name if one.foreign and _DIGEST.fullmatch(one.name) else digest(one.name)


_DIGEST = re.compile("[0-9a-f]{8}")


def _prefix(scope: Scope) -> str:
    return f"nx-report-{scope.report_id}-{scope.digest}-"


def report(one: StepReport, scope: Scope) -> Report:
    """The record as a Code Insights report, within the limits of both hosts whatever the step says."""
    one = cut(one)
    data: list[tuple[str, str, str | int | bool]] = [("Result", "TEXT", record.words(one))]
    if one.stage is Stage.REPORT:
        data += [("Tasks", "NUMBER", one.total), ("Failed", "NUMBER", one.failed)]
        data += [("From the cache", "NUMBER", one.cached)]
        if one.seconds is not None:
            data.append(("Duration", "DURATION", record.milliseconds(one.seconds)))
    data.append(("Record", "TEXT", record.fields(one) + (f"{record.NAME}{one.name}" if one.name else "")))
    name = label(one)
    return Report(
        key=key(one, scope),
        title=f"{one.title}: {name}" if name else one.title,
        details=record.details(one),
        result=record.result(one),
        link=one.link,
        data=tuple(data),
    )


# --- and back ---------------------------------------------------------------------------------------------------------


def read(report: Report, scope: Scope, pages: Pages, trusted: Callable[[str], bool] = nx_cloud) -> StepReport | None:
    """Read a record back, None where the key is not one of this scope. Never raises, whatever it holds.

    `pages` says where the pages of the repository's builds are: any other link of a step is dropped. Of runs those stay
    that are `trusted`.
    """
    found = re.fullmatch(
        re.escape(_prefix(scope)) + "(0|[1-9][0-9]{0,11})-([1-9][0-9]{0,5})([sf])"
        "-([0-9a-f]{8})([0-9a-f]{8}|)(?:-([0-9a-f]{8}))?",
        report.key,
    )
    if not found:
        return None
    identity = StepReport(
        build=int(found[1]),
        run=int(found[2]),
        name=found[4],
        step=found[5],
        stage=Stage.FINAL if found[3] == "f" else Stage.REPORT,
        at=0,
        link=report.link if report.link and pages.has(report.link) else None,
        job=found[6] or "",
    )
    text = next((value for name, _, value in report.data if name == "Record" and isinstance(value, str)), "")
    fields, _, name = text.partition(record.NAME)
    one = record.read_fields(fields, identity)
    title = one and _title(one._replace(name=name), report.title, ": ")
    if one and title and digest(name) == identity.name:
        one = cut(record.read_details(one._replace(name=name, title=title), report.details, trusted))
        if digest(one.name) == identity.name and (report.result is not _FAILED or record.result(one) is _FAILED):
            return one
    return _foreign(identity, report.title, report.result, text)


_FAILED = ReportResult.FAILED


def _title(one: StepReport, text: str, separator: str) -> str | None:
    """The heading in a record's title, None where that does not end with what the step is called."""
    name = label(one)
    if not name:
        return text
    return text.removesuffix(separator + name) if text.endswith(separator + name) else None


def _foreign(identity: StepReport, title: str, result: ReportResult, text: str) -> StepReport:
    """A step of whose record nothing but the result is understood; its name, where the title has it."""
    ends = [found.end() for found in re.finditer(" · |: ", title[:_LONGEST_TITLE])]
    named = [name for name in ("", *(title[end:] for end in ends)) if digest(name) == identity.name]
    named = [name for name in named if not _DIGEST.fullmatch(name)]
    at = re.search(r"\bat=([0-9]{1,13})(?![0-9])", text)
    stage = Stage.START if result is ReportResult.PENDING and identity.stage is Stage.REPORT else identity.stage
    one = cut(
        identity._replace(
            name=named[0] if named else identity.name,
            stage=stage,
            at=int(at[1]) if at else 0,
            answer=Answer.RUN_FAILED if result is ReportResult.FAILED else Answer.SUCCEEDED,
        )
    )
    # Of a step that nobody knows when it spoke, silence says nothing.
    return one._replace(foreign=True, patience=one.patience if at else 10**11)


# --- as a build status ------------------------------------------------------------------------------------------------


def status(one: StepReport, scope: Scope, pages: Pages) -> BuildStatus:
    """The record as a build status: without lines and runs, of which the number stays.

    `pages` says where the pages of the repository's builds are.
    """
    one = cut(one)
    name = label(one)
    return BuildStatus(
        key=status_key(one, scope),
        state=_state(one),
        name=f"{one.title} · {name}" if name else one.title,
        description=_description(one),
        url=one.link or pages.of(one.build),
        branch=scope.branch,
    )


def status_key(one: StepReport, scope: Scope) -> str:
    """The status's key, at most 40 of `A-Z a-z 0-9 -`: 4 + 7 + 1 + 8 + 1 + 4 + 1 + 7 + 7; 8 more with a job."""
    parts = _base36(int(scope.digest, 16), 7), _base36(one.build), _base36(one.run)
    letter = "F" if one.stage is Stage.FINAL else "S"
    step = _base36(int(one.step, 16), 7) if one.step else ""
    job = f"-{_base36(int(one.job, 16), 7)}" if one.job else ""
    return f"nxr-{'-'.join(parts)}{letter}{_base36(int(_name_digest(one), 16), 7)}{step}{job}"


def _base36(number: int, width: int = 1) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits.rjust(width, "0")


def _state(one: StepReport) -> BuildState:
    if one.stage is Stage.REPORT and one.answer is Answer.CANCELED:
        return BuildState.STOPPED
    return {
        ReportResult.PENDING: BuildState.INPROGRESS,
        ReportResult.FAILED: BuildState.FAILED,
        ReportResult.PASSED: BuildState.SUCCESSFUL,
    }[record.result(one)]


def _description(one: StepReport) -> str:
    """The answer in words, then the record with the ids of failed tasks, as far as there is room."""
    one = one._replace(more_runs=one.more_runs + len(one.runs), before=one.before[:1], against="", saved=None, hint="")
    words = record.short(record.words(one), 24)
    room = DESCRIPTION_LIMIT - len(words) - len(" []")
    elsewhere = record.listed("elsewhere", [record.short(text, 20) for text in one.elsewhere[:1]])
    fields = record.fields(with_names(one._replace(names=()), one.names, room - record.units(elsewhere))) + elsewhere
    room -= record.units(fields) + len(" ids=")
    ids = fitting([failure.id for failure in one.failures], room, lambda text: record.units(record.quoted(text)) + 1)
    return f"{words} [{fields}{record.listed('ids', ids)}]"


def read_status(found: BuildStatus, scope: Scope, pages: Pages) -> StepReport | None:
    """Read a record back that is a build status, None where the key is not one of this scope. Never raises."""
    key = re.fullmatch(
        f"nxr-{_base36(int(scope.digest, 16), 7)}"
        "-(0|[1-9a-z][0-9a-z]{0,7})-([1-9a-z][0-9a-z]{0,3})([SF])([0-9a-z]{7})([0-9a-z]{7}|)(?:-([0-9a-z]{7}))?",
        found.key,
    )
    if not key:
        return None
    identity = StepReport(
        build=int(key[1], 36),
        run=int(key[2], 36),
        name=f"{int(key[4], 36):08x}",
        step=f"{int(key[5], 36):08x}" if key[5] else "",
        stage=Stage.FINAL if key[3] == "F" else Stage.REPORT,
        at=0,
        link=found.url if pages.has(found.url) else None,
        job=f"{int(key[6], 36):08x}" if key[6] else "",
    )
    match = re.search(r" \[(v[0-9].*)\]$", found.description)
    fields = match[1] if match else ""
    one = record.read_fields(fields, identity)
    # Its name is not in the record: it is whatever of the title has the key's digest.
    ends = [end.end() for end in re.finditer(" · ", found.name)]
    for name in ("", *(found.name[end:] for end in ends)) if one else ():
        named = one and one._replace(name=name)
        title = named and _title(named, found.name, " · ")
        if named and title and digest(name) == identity.name:
            named = cut(named._replace(title=title))
            if found.state not in _BAD or _state(named) in _BAD:
                return named
    result = {BuildState.INPROGRESS: ReportResult.PENDING, BuildState.SUCCESSFUL: ReportResult.PASSED}
    return _foreign(identity, found.name, result.get(found.state, _FAILED), fields)


_BAD = (BuildState.FAILED, BuildState.STOPPED)
