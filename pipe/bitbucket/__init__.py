"""The edge to Bitbucket: a few verbs, one adapter for each host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from pipe.model import Annotation, BuildStatus, Comment, Download, PullRequest, Report

# Of a report, on either host (https://developer.atlassian.com/cloud/bitbucket/rest/api-group-reports/,
# https://developer.atlassian.com/server/bitbucket/rest/).
MOST_ANNOTATIONS = 1000


class Bitbucket(Protocol):
    """What is asked of a Bitbucket. Every verb raises BitbucketError where it fails for good.

    Several verbs may be used at once. `until` gives a Bitbucket none of whose verbs tries any more after that moment,
    in the clock's monotonic seconds. `status_keys` is what a build status's key may be.
    """

    @property
    def status_keys(self) -> re.Pattern[str]:
        """What a build status's key may be."""

    def until(self, deadline: float) -> Bitbucket:
        """The same, with that deadline."""

    def pull_request(self, number: int) -> PullRequest:
        """One pull request."""

    def open_pull_requests(self, branch: str | None, commit: str) -> list[PullRequest]:
        """The open pull requests of a source branch, or that the commit is part of; the newest first."""

    def comments(self, pull_request: int, ours: Callable[[str], bool], hint: Callable[[], str]) -> list[Comment]:
        """The comments on the whole pull request whose text is `ours`, over all pages: no inline and no deleted ones.

        `hint` is asked where they are costly to find for what `hint` told another process.
        """

    def hint(self, pull_request: int) -> str:
        """What helps another process to find the comment, "" where it needs no help."""

    def create_comment(self, pull_request: int, body: str) -> Comment:
        """Make a comment. Raises AnswerLost where it may have been made all the same."""

    def update_comment(self, pull_request: int, comment: Comment, body: str) -> Comment:
        """Replace a comment's text."""

    def delete_comment(self, pull_request: int, comment: Comment) -> None:
        """Delete a comment."""

    def set_build_status(self, commit: str, status: BuildStatus) -> None:
        """Make or replace the build status of that key on a commit."""

    def build_status(self, commit: str, key: str) -> BuildStatus | None:
        """The build status of that key on a commit, None where there is none."""

    def build_statuses(self, commit: str) -> list[BuildStatus]:
        """All build statuses of a commit."""

    def put_report(self, commit: str, report: Report) -> bool | None:
        """Make or replace the Code Insights report of that key; whether it was there, None where that is not said."""

    def reports(self, commit: str, *, pages: int | None = None) -> list[Report]:
        """All Code Insights reports of a commit, whoever wrote them; those of the first `pages` where that is given."""

    def delete_report(self, commit: str, key: str) -> None:
        """Delete the Code Insights report of that key with its annotations, if it is there."""

    def replace_annotations(
        self, commit: str, key: str, annotations: Sequence[Annotation], *, existed: bool | None
    ) -> int:
        """Make these the annotations of a report, at most MOST_ANNOTATIONS; how many old ones were deleted, if known.

        `existed` is what `put_report` said: only a report that is not new may have old ones.
        """

    def full_hash(self, commit: str) -> str:
        """The 40 characters of an abbreviated commit hash."""

    def commit(self, commit: str) -> tuple[str, str | None]:
        """The 40 characters of a commit's hash, and of its first parent's, None where it has none."""


@runtime_checkable
class Downloads(Protocol):
    """A repository's Downloads, which Bitbucket Cloud alone has. Every verb raises BitbucketError, as above."""

    def downloads(self) -> list[Download]:
        """All files there, whoever put them there."""

    def download(self, name: str, limit: int) -> bytes:
        """The content of a file there; of more than `limit` bytes it is Rejected."""

    def upload(self, name: str, file: BinaryIO) -> None:
        """Put a file there, over the one of that name; each try reads `file` from its beginning."""

    def delete_download(self, name: str) -> None:
        """Delete the file of that name, if it is there."""
