"""What Nx Cloud says of a build: the answer that lists CI pipeline executions, read into the model.

The API is that of Nx Console and documented nowhere; its shapes are in the public types of Nx Console
(https://github.com/nrwl/nx-console, libs/shared/types/src/lib/cloud-info.ts). So every field may be missing or be of
another type, and texts in it are data: task names and commands come from the checkout.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import contains
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from pipe.model import CIPipelineExecution, Fix, Link, Run, RunGroup, RunStatus, Task, TaskStatus
from pipe.nx.cloud_links import is_live
from pipe.nx.values import moment, whole
from pipe.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SOURCE = "Nx Cloud"
# The steps of one build clone one after another, the last perhaps hours after the execution was begun. What this keeps
# out is the execution of an old build with the same number: they start anew where somebody resets them.
_EARLIER_STEPS = timedelta(days=1)
_ENDED = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELED, RunStatus.TIMED_OUT})
# What `nx-cloud record -- command` is uploaded as: the command itself is what ran, not a task.
_RECORDED = frozenset({"upload-run-result:record-command", "nx-cloud-tasks-runner:record-command"})
_RECORD = "nx-cloud record "
_USER_ACTION = {
    "APPLIED": "applied",
    "APPLIED_LOCALLY": "applied locally",
    "APPLIED_AUTOMATICALLY": "applied automatically",
    "REJECTED": "rejected",
}
_FIX_STATUS = {
    "NOT_STARTED": "not begun",
    "IN_PROGRESS": "being made",
    "COMPLETED": "suggested",
    "FAILED": "could not be made",
    "NOT_EXECUTABLE": "not executable",
}
_VERIFICATION = {
    "COMPLETED": "verified",
    "FAILED": "suggested, verification failed",
    "IN_PROGRESS": "suggested, being verified",
}
_LONGEST = 1_000
_LONGEST_URL = 2_000
_MOST_TASKS = 1_000_000  # a number beyond it counts nothing
# No user information, no backslash, no other character that a browser reads differently than we do.
_URL = r"https?://([a-z0-9.-]+(?::[0-9]{1,5})?)(?:/[\w.~%!$&'*+,;=:@/-]*)?(?:\?[\w.~%!$&'*+,;=:@/?-]*)?"
_ID = r"[A-Za-z0-9_-]{6,64}"


class Wanted(NamedTuple):
    """Which execution is asked for.

    `groups` are the names that its run group can have, the likeliest first: of NX_CI_EXECUTION_ID and NX_RUN_GROUP
    those that are set, else the build number. `environment` is NX_CI_EXECUTION_ENV, "" where it is not set; with
    `guess` the group may have one that is not known. `branches` are the names that Nx Cloud may know the build by: the
    pull request's number, the branch, NX_BRANCH. `since` is when this step cloned the repository.
    """

    groups: tuple[str, ...]
    environment: str
    branches: tuple[str, ...]
    since: datetime | None
    guess: bool = False


class Found(NamedTuple):
    """The execution, and whether Nx Cloud says that it is over. A failure can show before it is."""

    execution: CIPipelineExecution
    complete: bool


def find(answer: Mapping[str, Any], wanted: Wanted, api: str, hosts: frozenset[str]) -> Found | None:
    """Find the newest execution with the wanted run group; None where the answer has none.

    `api` is the address that was asked, for links that the answer lacks. `hosts` are hosts (with their port, if they
    have one) that the settings vouch for, in lower case.
    """
    listed = _objects(answer.get("ciPipelineExecutions"))
    names = [(group, group if not wanted.environment else f"{group}-{wanted.environment}") for group in wanted.groups]
    tests: list[Callable[[str], bool]] = [partial(contains, either) for either in names]
    if wanted.guess and not wanted.environment:
        tests += [partial(_has_environment, group) for group in wanted.groups]
    for fits in tests:
        if ours := [one for one in listed if _is_ours(one, fits, wanted.since)]:
            newest = max(ours, key=lambda one: moment(one.get("createdAt")) or datetime.min.replace(tzinfo=UTC))
            return _execution(newest, _Site(api, hosts))
    return None


def _has_environment(group: str, name: str) -> bool:
    return name.startswith(f"{group}-")


def _is_ours(execution: Mapping[str, Any], fits: Callable[[str], bool], since: datetime | None) -> bool:
    """Whether a run group is the build's, and the execution not of an older build with the same number."""
    groups = _objects(execution.get("runGroups"))
    if not any(isinstance(name := one.get("runGroup"), str) and fits(name) for one in groups):
        return False
    times = [moment(one.get(key)) for one in (execution, *groups) for key in ("createdAt", "completedAt")]
    known = [time for time in times if time is not None]
    return since is None or not known or max(known) >= since - _EARLIER_STEPS


class _Site:
    """Where the pages of one execution are, and which of them may be links."""

    def __init__(self, api: str, hosts: frozenset[str]) -> None:
        self.base = api.rstrip("/")
        self._hosts = hosts

    def link(self, url: str | None) -> Link | None:
        if url is None:
            return None
        found = re.fullmatch(_URL, url, re.ASCII | re.IGNORECASE)
        return Link(url, live=found is not None and is_live(url, found[1], self._hosts))

    def execution(self, value: Mapping[str, Any]) -> Link | None:
        """The execution's page, without a query; from then on other pages are looked for beside it."""
        url = _url(value.get("cipeUrl"))
        if url is None:
            return self.link(self._page("cipes", value.get("ciPipelineExecutionId")))
        url = url.partition("?")[0].rstrip("/")
        self.base = re.sub(r"/cipes/.*", "", url) if "/cipes/" in url else "/".join(url.split("/")[:3])
        return self.link(url)

    def run(self, value: Mapping[str, Any]) -> Link | None:
        """The run's page, by which the run that a log tells of is recognised: so rather one with the run's id."""
        url = _url(value.get("runUrl"))
        if url and "/runs/" in url:
            return self.link(url)
        ids = (self._page("runs", value.get(key)) for key in ("linkId", "executionId"))
        return self.link(next(filter(None, ids), url))

    def _page(self, kind: str, identity: object) -> str | None:
        known = isinstance(identity, str) and re.fullmatch(_ID, identity)
        return f"{self.base}/{kind}/{identity}" if known else None


def _execution(value: Mapping[str, Any], site: _Site) -> Found:
    link = site.execution(value)
    said = _status(value.get("status"))
    complete = said in _ENDED or (said is None and moment(value.get("completedAt")) is not None)
    groups = tuple(_group(one, said, site, link) for one in _objects(value.get("runGroups")))
    own = said or (None if complete else RunStatus.IN_PROGRESS)
    status = _worst(own, (group.status for group in groups))
    return Found(CIPipelineExecution(status, link, groups), complete)


def _group(value: Mapping[str, Any], execution: RunStatus | None, site: _Site, page: Link | None) -> RunGroup:
    said = _status(value.get("status")) or execution
    runs = _objects(value.get("runs"))
    explained = any(map(_failed, runs))
    read = tuple(_run(one, said if said in _ENDED else None, site, explained=explained) for one in runs)
    name = _line(value.get("runGroup")) or ""
    status = _worst(said or RunStatus.IN_PROGRESS, (run.status for run in read))
    return RunGroup(name, status, read, _fix(value.get("aiFix"), name, site, page))


def _run(value: Mapping[str, Any], ended: RunStatus | None, site: _Site, *, explained: bool) -> Run:
    """Read a run. `ended` is how its group ended, `explained` whether one of the group's runs has failed tasks."""
    command = _line(value.get("command"))
    names = dict.fromkeys(filter(None, map(_line, _list(value.get("failedTasks")))))
    recorded = not _RECORDED.isdisjoint(names) or (command or "").startswith(_RECORD)
    if ended is RunStatus.FAILED and explained and _clean(value):
        ended = RunStatus.SUCCEEDED  # the failure is another run's
    total = whole(value.get("numTasks"))
    return Run(
        status=RunStatus.FAILED if _failed(value) else _status(value.get("status")) or ended or RunStatus.IN_PROGRESS,
        tasks=tuple(Task(name, TaskStatus.FAILURE) for name in names if name not in _RECORDED),
        command=command,
        stated_tasks=None if recorded or total is None or not 0 <= total <= _MOST_TASKS else total,
        link=site.run(value),
        sources=(SOURCE,),
    )


def _failed(run: Mapping[str, Any]) -> bool:
    """Whether a run has failed tasks, whatever its status says (https://github.com/nrwl/nx/issues/35490)."""
    return bool(_list(run.get("failedTasks"))) or (whole(run.get("numFailedTasks")) or 0) > 0


def _clean(run: Mapping[str, Any]) -> bool:
    """Whether a run says that no task failed."""
    return not _failed(run) and (run.get("failedTasks") == [] or whole(run.get("numFailedTasks")) == 0)


def _fix(value: object, group: str, site: _Site, page: Link | None) -> Fix | None:
    """Read a self-healing fix; what a user did with it comes before what Nx Cloud did."""
    if not isinstance(value, dict):
        return None
    state = _word(_USER_ACTION, value.get("userAction")) or _word(_FIX_STATUS, value.get("suggestedFixStatus"))
    if state is None:
        return None
    if state == _FIX_STATUS["COMPLETED"]:
        state = _word(_VERIFICATION, value.get("verificationStatus")) or state
    tasks = dict.fromkeys(filter(None, map(_line, _list(value.get("taskIds")))))
    url = f"{page.url}/self-healing?runGroup={quote(group, safe='')}" if page and "/cipes/" in page.url else None
    return Fix(tuple(tasks), state, _line(value.get("suggestedFixDescription")), site.link(url))


def _worst(own: RunStatus | None, parts: Iterable[RunStatus]) -> RunStatus:
    """The worst of what is said; once the whole is over, a part that is not was never brought to its end."""
    over = own is None or own in _ENDED
    known = [part for part in parts if not over or part in _ENDED]
    return max([*known, own] if own else known, key=lambda status: status.severity, default=RunStatus.IN_PROGRESS)


def _status(value: object) -> RunStatus | None:
    return RunStatus(value) if isinstance(value, str) and value in RunStatus.__members__ else None


def _word(words: Mapping[str, str], value: object) -> str | None:
    return words.get(value) if isinstance(value, str) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _line(value: object) -> str | None:
    """A text as one printable line."""
    if not isinstance(value, str):
        return None
    line = " ".join(plain(value[: 2 * _LONGEST]).split())
    return (line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…") or None


def _url(value: object) -> str | None:
    """A plain http or https URL, without its fragment."""
    if not isinstance(value, str):
        return None
    url = value.partition("#")[0]
    return url if len(url) <= _LONGEST_URL and re.fullmatch(_URL, url, re.ASCII | re.IGNORECASE) else None
