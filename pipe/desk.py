"""Where everything goes: the pull request, the commit, the records on it; and what stands on the destination branch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pipe import publish
from pipe.bitbucket import Downloads
from pipe.bitbucket.errors import BitbucketError
from pipe.nx.cloud_links import is_live
from pipe.past import Destination, Past, Reader
from pipe.publish import Outcome, ReportRecords, Result, StatusRecords, Target
from pipe.render.step_report import Scope
from pipe.render.steps import Place
from pipe.variables import CommentMode
from pipe.work import LAST_WORDS, OutOfTime

if TYPE_CHECKING:
    from pipe.bitbucket import Bitbucket
    from pipe.build import Build
    from pipe.model import PullRequest
    from pipe.publish import Records
    from pipe.work import Work

# How much of the time left each look-up may use.
_LOOK_UP_SHARE = 0.2


class Desk(NamedTuple):
    """Where everything goes; `skipped` says why the comment has no place, where it has none.

    `build` is the build as Bitbucket knows it, `found` the pull request, where it was read.
    """

    build: Build
    bitbucket: Bitbucket
    target: Target | None
    skipped: Outcome
    place: Place
    records: tuple[Records, ...]
    found: PullRequest | None = None


def find(work: Work, bitbucket: Bitbucket) -> Desk:
    """Find out where everything goes. Raises BitbucketError where the commit cannot be known."""
    number, skipped, found = _pull_request(work, bitbucket)
    never = work.options.comment is CommentMode.NEVER
    target = None if never or number is None else Target(number, work.checkout.holds)
    build, found = _as_known(work, bitbucket, number, found)
    work = replace(work, build=build)
    commit = _full_hash(work, bitbucket)
    place = scope(work, number)
    trusted = partial(_is_trusted, hosts=work.hosts, downloads=f"{build.repository_url}/downloads/")
    records = tuple(kind(bitbucket, place, build.pages, trusted) for kind in (ReportRecords, StatusRecords))
    return Desk(
        build, bitbucket, target, skipped, Place(build.repository_url, commit, place, build.pages), records, found
    )


def scope(work: Work, number: int | None) -> Scope:
    """Whose records they are."""
    build = work.build
    return Scope(work.options.report_id, number, f"heads/{build.branch}" if build.branch else f"tags/{build.tag or ''}")


def past(work: Work, desk: Desk | None) -> Past:
    """What failed on the destination branch, as far as that can be read."""
    build = work.build
    destination = Destination(build.destination or "", build.base or "")
    if desk is None:
        return Past(destination.branch)
    bitbucket = desk.bitbucket.until(work.share(_LOOK_UP_SHARE))
    store = bitbucket if isinstance(bitbucket, Downloads) else None
    reader = Reader(bitbucket, work.options.report_id, build.pages, work.checkout.full_hash)
    baseline = None
    try:
        if desk.found:
            destination = Destination(desk.found.destination, desk.found.base)
        elif not (destination.branch and destination.commit) and desk.target:
            destination = reader.destination(desk.target.number)
        if destination.branch and destination.commit:
            baseline = reader.baseline(destination)
    except BitbucketError as error:
        work.debug(f"baseline: {error}")
    return Past(work.voice.redactor.line(destination.branch), baseline, store)


def _pull_request(work: Work, bitbucket: Bitbucket) -> tuple[int | None, Outcome, PullRequest | None]:
    """The pull request that it is of, what is said where there is no comment, and itself if it was looked for.

    It is looked for also where there is to be no comment: what steps keep on record goes by it, as does the status.
    """
    options = work.options
    never = options.comment is CommentMode.NEVER
    skipped = Outcome("Comment", Result.SKIPPED, "COMMENT is never")
    if never and (work.number is not None or options.pull_request is None):
        return work.number, skipped, None
    try:
        end = work.share(_LOOK_UP_SHARE)
        build = replace(work.build, commit=work.checkout.full_hash(work.build.commit) or work.build.commit)
        number, why, found = publish.find_pull_request(bitbucket.until(end), build, options.pull_request)
    except BitbucketError as error:
        return None, Outcome("Comment", Result.FAILED, str(error)), None
    if number is None:
        return None, skipped if never else skipped._replace(text=why), None
    if why:
        work.voice.say(f"! {why}")
    return number, skipped, found


def _as_known(
    work: Work, bitbucket: Bitbucket, number: int | None, found: PullRequest | None
) -> tuple[Build, PullRequest | None]:
    """The build with the commit and the branch of the pull request, where the CI does not know them for sure.

    What a CI has checked out may be a merge that it made. Then the pull request's last commit counts, unless both the
    clone and Bitbucket have what was checked out, or merged: that is what was built, and the pull request has moved on.
    """
    build = work.build
    if number is None or not (build.merged or not build.branch):
        return build, found
    try:
        found = found or bitbucket.until(work.share(_LOOK_UP_SHARE)).pull_request(number)
    except BitbucketError as error:
        if not build.commit:
            raise
        work.voice.say(f"! {error}. The commit that the CI names is used, {build.commit[:12]}")
        return build, None
    build = replace(build, branch=build.branch or found.branch or None)
    if not build.merged or not found.head:
        return build, found
    return replace(build, commit=_built(work, bitbucket, found)), found


def _built(work: Work, bitbucket: Bitbucket, of: PullRequest) -> str:
    """Which commit of a pull request was built, with what there is to say of it."""
    own, head = work.build.commit, of.head
    merged = work.checkout.merged(own) if own else None
    if not own or head.startswith(own):
        return head
    chosen, why = head, "it merges" if merged and head.startswith(merged) else "is the pull request's last commit"
    for one in filter(None, (own, merged)):
        if head.startswith(one):
            break
        if not of.base.startswith(one) and work.checkout.holds(one) and _knows(work, bitbucket, one):
            chosen, why = one, "was built, before the pull request moved on"
            break
    work.voice.say(
        f"! commit: the CI has checked out {own[:12]}, the pull request is at {head[:12]}. The report is on "
        f"{chosen[:12]}, which {why}. Set COMMIT to report on another"
    )
    return chosen


def _knows(work: Work, bitbucket: Bitbucket, commit: str) -> bool:
    try:
        return bitbucket.until(work.share(_LOOK_UP_SHARE)).full_hash(commit).startswith(commit)
    except BitbucketError:
        return False


def _full_hash(work: Work, bitbucket: Bitbucket) -> str:
    """The commit's whole hash: the clone's, else as Bitbucket knows it, else as it is."""
    commit = work.build.commit
    if found := work.checkout.full_hash(commit):
        return found
    end = work.share(_LOOK_UP_SHARE)
    work.timer.stop_at(end + LAST_WORDS)
    try:
        return bitbucket.until(end).full_hash(commit)
    except BitbucketError as error:
        work.voice.say(f"! {error}. The abbreviated hash is used.")
    except OutOfTime:
        work.voice.say(f"! commit {commit}: Bitbucket's answer did not end in time. The abbreviated hash is used.")
    finally:
        work.timer.stop_at(work.end)
    return commit


def _is_trusted(url: str, hosts: frozenset[str], downloads: str) -> bool:
    """Whether a run's page, or the one with all logs, may be linked that a record names."""
    return url.startswith(downloads) or is_live(url, urlsplit(url).netloc, hosts)
