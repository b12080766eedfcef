"""The build status: the same answer as the comment's first line, within Bitbucket's limits."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from pipe.insights import Answer, Summary
from pipe.model import BuildState, BuildStatus
from pipe.render.answer import answer
from pipe.render.markdown import shorten

if TYPE_CHECKING:
    from pipe.build import Build

# On both hosts, on Cloud as observed: name 255, url 450; an address must not be cut. The description is ours.
NAME_LIMIT, URL_LIMIT, DESCRIPTION_LIMIT = 255, 450, 140
# Of Bitbucket Cloud, the narrower of both hosts.
KEYS = re.compile(r"[A-Za-z0-9._-]{1,40}")

_STATES = {
    Answer.SUCCEEDED: BuildState.SUCCESSFUL,
    Answer.CANCELED: BuildState.STOPPED,
    Answer.IN_PROGRESS: BuildState.INPROGRESS,
}


def render(summary: Summary, build: Build, title: str, report_id: str, pull_request: int | None) -> BuildStatus | None:
    """The build status, None where there is nothing to say: nothing ran, and the step did not fail.

    Never green where nothing ran, which a command that names no project's target does too.
    """
    if summary.answer in (Answer.NOTHING_RAN, Answer.NO_TASKS) and not build.failed:
        return None
    links = [run.link.url for run in summary.runs if run.link and run.link.live]
    url = links[0] if len(summary.runs) == 1 and links else build.step_url
    return BuildStatus(
        key=key(report_id, pull_request, build.branch or build.tag or ""),
        state=_STATES.get(summary.answer, BuildState.FAILED),
        name=shorten(title, NAME_LIMIT),
        description=describe(summary, build.number),
        url=url if len(url) <= URL_LIMIT else build.step_url,
        branch=build.branch,
    )


def describe(summary: Summary, build: int) -> str:
    """The answer as plain text in one line, and the build's number."""
    head, rest = answer(summary, str, 20)
    end = f" · build {build}"
    return shorten(head[0].upper() + head[1:] + rest, DESCRIPTION_LIMIT - len(end)) + end


def key(report_id: str, pull_request: int | None, ref: str, keys: re.Pattern[str] = KEYS) -> str:
    """One key for a report on a pull request or branch, the same in every build, at most 40 characters where hashed.

    Readable where it is one of what `keys` may be; a name that is not is hashed, for a cut one would be another's too
    (runatlantis/atlantis#2037).
    """
    readable = f"{report_id}-pr-{pull_request}" if pull_request else f"{report_id}-ref-{ref}"
    if keys.fullmatch(readable):
        return readable
    return f"{report_id[:23]}-{hashlib.sha256(readable.encode()).hexdigest()[:16]}"
