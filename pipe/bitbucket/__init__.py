"""The edge to Bitbucket: a few verbs, one adapter for each host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pipe.model import BuildStatus, Comment, PullRequest, Report


class Bitbucket(Protocol):
    """What is asked of a Bitbucket. Every verb raises BitbucketError where it fails for good.

    Several verbs may be used at once. `until` gives a Bitbucket none of whose verbs tries any more after that moment,
    in the clock's monotonic seconds.
    """

    def until(self, deadline: float) -> Bitbucket:
        """The same, with that deadline."""

    def pull_request(self, number: int) -> PullRequest:
        """One pull request."""

    def open_pull_requests(self, branch: str) -> list[PullRequest]:
        """The open pull requests of a source branch, the one last updated first."""

    def comments(self, pull_request: int) -> list[Comment]:
        """The comments on the whole pull request, over all pages: no inline and no deleted ones."""

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

    def put_report(self, commit: str, report: Report) -> None:
        """Make or replace the Code Insights report of that key on a commit."""

    def reports(self, commit: str) -> list[Report]:
        """All Code Insights reports of a commit, whoever wrote them."""

    def delete_report(self, commit: str, key: str) -> None:
        """Delete the Code Insights report of that key, if it is there."""

    def full_hash(self, commit: str) -> str:
        """The 40 characters of an abbreviated commit hash."""
