"""What is written where, each channel apart from the others, and what came of it.

Each returns an `Outcome` that says what was written or skipped, and why, and raises BitbucketError for what failed.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Literal, NamedTuple

from pipe.bitbucket.errors import TRY_AGAIN, AnswerLost, BitbucketError, Forbidden, MissingScope, NotFound, Unavailable
from pipe.render.comment import same
from pipe.render.marker import Known, Marker, find
from pipe.render.status import build_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipe.bitbucket import Bitbucket
    from pipe.build import Build
    from pipe.clock import Clock
    from pipe.model import BuildStatus, Comment, PullRequest


class Result(Enum):
    """What came of a channel."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


class Outcome(NamedTuple):
    """What came of writing one thing; `text` says it in a line, with the link, the reason or what to do.

    Of a comment: `superseded` by a newer build of the same commit, `ordered` where the one that stood there told that
    no newer one has reported.
    """

    channel: str
    result: Result
    text: str
    superseded: bool = False
    ordered: bool = False


def find_pull_request(
    bitbucket: Bitbucket, build: Build, wanted: int | Literal["auto"] | None
) -> tuple[PullRequest | None, str]:
    """The pull request to write on; with it what to say of the choice, without one the reason why there is none.

    `wanted` is the number or `auto` of the user's setting; otherwise the build knows its pull request, or has none.
    Raises BitbucketError.
    """
    number = wanted if isinstance(wanted, int) else build.pull_request
    if number is not None:
        return bitbucket.pull_request(number), ""
    if wanted is None:
        return None, (
            "this pipeline is not of a pull request. Set PULL_REQUEST_ID to its number, or to auto for the open pull "
            "request of the branch"
        )
    if not build.branch:
        return None, "PULL_REQUEST_ID is auto, and this build is not of a branch"
    found = bitbucket.open_pull_requests(build.branch)
    if not found:
        return None, f"branch {build.branch} has no open pull request"
    here = [one for one in found if one.head and alike(one.head, build.commit)]
    chosen = (here or sorted(found, key=lambda one: one.updated, reverse=True))[0]
    if len(found) == 1:
        return chosen, ""
    numbers = ", ".join(str(one.id) for one in found)
    why = "the one at this commit" if here else "the one last updated"
    return chosen, f"branch {build.branch} has several open pull requests ({numbers}): {chosen.id} is {why}"


def comment(
    bitbucket: Bitbucket,
    pull_request: PullRequest,
    mine: Marker,
    body: Callable[[Known | None], str],
    *,
    unless: str | None,
    clock: Clock,
) -> Outcome:
    """Bring the one comment of this report up to date, or make it.

    `body` renders the text, given the last result that an existing comment knows. `unless` is the reason why no comment
    may be made where there is none, None where one may. Raises BitbucketError.
    """
    refused, newer = "", None
    for group in _ours(bitbucket.comments(pull_request.id), mine.report_id):
        newest = max((marker for _, marker in group), key=lambda marker: (marker.build, marker.step_run))
        if reason := _superseded(newest, mine, pull_request.head):
            # Anyone can copy a marker: only where no comment of ours is found does this one have the last word.
            text, same_commit = f"{reason} {group[0][0].url}", alike(newest.commit, mine.commit)
            newer = newer or Outcome("Comment", Result.SKIPPED, text, superseded=same_commit)
            continue
        existing = group[0][0]
        text = body(newest.known)
        try:
            unchanged = same(existing.body, text)
            written = existing if unchanged else bitbucket.update_comment(pull_request.id, existing, text)
        except (Forbidden, NotFound):
            refused = f" (an earlier one belongs to another account or token: {existing.url})"
            continue
        extra = _delete(bitbucket, pull_request.id, [other for other, _ in group[1:]])
        word = "up to date already" if unchanged else "updated"
        result = Result.UNCHANGED if unchanged else Result.WRITTEN
        return Outcome("Comment", result, f"{word}{extra} {written.url or existing.url}", ordered=True)
    if newer:
        return newer
    if unless:
        return Outcome("Comment", Result.SKIPPED, f"{unless}, and there is no earlier one to bring up to date")
    made = _create(bitbucket, pull_request.id, mine, body(None), clock)
    return Outcome("Comment", Result.WRITTEN, f"created{refused} {made.url}")


def _ours(comments: list[Comment], report_id: str) -> list[list[tuple[Comment, Marker]]]:
    """The comments with this report's marker, a group for each author, each oldest first.

    Whose they are is not asked (that needs a scope of its own): the group with the newest comment is tried first,
    since one that was refused before has been followed by one of ours.
    """
    groups: dict[str | None, list[tuple[Comment, Marker]]] = {}
    for one in sorted(comments, key=lambda one: one.id):
        if (marker := find(one.body, report_id)) is not None:
            groups.setdefault(one.author, []).append((one, marker))
    return sorted(groups.values(), key=lambda group: group[-1][0].id, reverse=True)


def _superseded(theirs: Marker, mine: Marker, head: str) -> str | None:
    """Why an existing comment must not be replaced, None where it may be.

    Another commit's comment stands if it is of the pull request's head and ours is not. On one commit, and where the
    head says nothing, the higher build number stands, then the higher run of the step.
    """
    other_commit = not alike(theirs.commit, mine.commit)
    if other_commit and head and alike(mine.commit, head):
        return None
    if other_commit and head and alike(theirs.commit, head):
        return f"it shows the pull request's newest commit {head[:12]}, this build is of {mine.commit[:12]}:"
    if (theirs.build, theirs.step_run) > (mine.build, mine.step_run):
        return f"it shows build {theirs.build}, which is newer than this one:"
    return None


def alike(one: str, other: str) -> bool:
    """Whether two hashes, either of which may be abbreviated, name one commit."""
    return one.startswith(other) or other.startswith(one)


def _delete(bitbucket: Bitbucket, pull_request: int, extra: list[Comment]) -> str:
    """Delete what a lost answer once made twice; what cannot be deleted is said and left."""
    for other in extra:
        try:
            bitbucket.delete_comment(pull_request, other)
        except BitbucketError as error:
            return f", a second one could not be deleted ({error})"
    return f", {len(extra)} of the same deleted," if extra else ""


def _create(bitbucket: Bitbucket, pull_request: int, mine: Marker, text: str, clock: Clock) -> Comment:
    """Make the comment once: where the answer is lost, look whether it is there before trying again."""
    for pause in (1, 2, 4, 8):
        try:
            return bitbucket.create_comment(pull_request, text)
        except AnswerLost:
            if clock.monotonic() + pause >= bitbucket.deadline:
                break
            clock.sleep(pause)
            for one in bitbucket.comments(pull_request):
                if find(one.body, mine.report_id) == mine and same(one.body, text):
                    return one
    raise Unavailable(f"comment: Bitbucket did not answer, so it may or may not be there. {TRY_AGAIN}")


def build_status(bitbucket: Bitbucket, commit: str, status: BuildStatus, build: int, *, ordered: bool) -> Outcome:
    """Write the build status, unless a newer build has. Raises BitbucketError.

    `ordered` says that the comment has told already that no newer build of this commit has reported.
    """
    try:
        if not ordered:
            theirs = build_number(bitbucket.build_description(commit, status.key) or "")
            if theirs is not None and theirs > build:
                return Outcome("Build status", Result.SKIPPED, f"it is of build {theirs}, which is newer than this one")
        bitbucket.set_build_status(commit, status)
    except MissingScope:
        raise
    except Forbidden as error:
        hint = (
            "Another account or token made it, and only that one can change it. The next commit gets one of this token"
        )
        raise Forbidden(error.head, hint) from None
    return Outcome("Build status", Result.WRITTEN, f"{status.state.value} on {commit[:12]}: {status.description}")
