"""Code Insights without a credential: Pipelines' own proxy, which signs what is sent through it.

In a pipe it listens at `http://host.docker.internal:29418`, and the API is addressed by plain http, for a proxy cannot
sign what is encrypted. It is documented for Code Insights alone (as reviewdog/reviewdog#996 and the toolkit's
`CodeInsights(auth_type="authless")` use it); build statuses are known not to work through it, and of comments and the
rest nothing is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import requests

from pipe.bitbucket.cloud import Cloud
from pipe.bitbucket.errors import Forbidden
from pipe.bitbucket.http import Http

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipe.bitbucket.errors import BitbucketError
    from pipe.clock import Clock
    from pipe.model import Annotation, BuildStatus, Comment, PullRequest, Report

ADDRESS = "http://host.docker.internal:29418"
_ORIGIN = "http://api.bitbucket.org/2.0"
_CREDENTIAL = "Give ATLASSIAN_ACCOUNT_EMAIL and ATLASSIAN_API_TOKEN, or BITBUCKET_ACCESS_TOKEN"


class _Unsigned(Http):
    """Requests through the proxy, which never carry an Authorization header: neither ours nor the machine's."""

    connect_seconds = 3.0  # it is on this machine, or nowhere

    def __init__(self, address: str, clock: Clock, debug: Callable[[str], None]) -> None:
        super().__init__(_ORIGIN, None, clock, debug)
        self._address = address
        self._session.proxies = {"http": address}

    def _answer(
        self, method: str, path: str, what: str, options: Callable[[], dict[str, Any]], *, repeatable: bool
    ) -> requests.Response:
        # A page's `next` is as the API knows itself.
        if path.startswith(_ORIGIN.replace("http:", "https:") + "/"):
            path = path.replace("https:", "http:", 1)
        return super()._answer(method, path, what, options, repeatable=repeatable)

    def _unanswered(self, error: requests.RequestException, what: str, *, repeatable: bool) -> BitbucketError:
        if isinstance(error, requests.exceptions.ProxyError | requests.exceptions.ConnectTimeout):
            return Forbidden(f"{what}: Pipelines' proxy ({self._address}) cannot be reached", _CREDENTIAL)
        return super()._unanswered(error, what, repeatable=repeatable)

    def _failed(self, response: requests.Response, what: str, *, repeatable: bool) -> BitbucketError:
        if response.status_code in (401, 403, 407):
            return Forbidden(f"{what}: Pipelines' proxy may not do this ({response.status_code})", _CREDENTIAL)
        return super()._failed(response, what, repeatable=repeatable)


class Proxied:
    """One repository through the proxy: its Code Insights reports and annotations. Anything else raises Forbidden."""

    status_keys = Cloud.status_keys

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def until(self, deadline: float) -> Proxied:
        """The same, none of whose verbs tries any more after that moment."""
        return Proxied(self._cloud.until(deadline))

    def put_report(self, commit: str, report: Report) -> bool | None:
        """Make or replace the Code Insights report of that key; whether it was there."""
        return self._cloud.put_report(commit, report)

    def reports(self, commit: str, *, pages: int | None = None) -> list[Report]:
        """All Code Insights reports of a commit, whoever wrote them; those of the first `pages` where that is given."""
        return self._cloud.reports(commit, pages=pages)

    def delete_report(self, commit: str, key: str) -> None:
        """Delete the Code Insights report of that key with its annotations, if it is there."""
        self._cloud.delete_report(commit, key)

    def replace_annotations(
        self, commit: str, key: str, annotations: Sequence[Annotation], *, existed: bool | None
    ) -> int:
        """Make these the annotations of a report; how many old ones were deleted."""
        return self._cloud.replace_annotations(commit, key, annotations, existed=existed)

    def pull_request(self, number: int) -> PullRequest:
        """Not possible."""
        _refuse(f"pull request {number}")

    def open_pull_requests(self, branch: str | None, commit: str) -> list[PullRequest]:  # noqa: ARG002
        """Not possible."""
        _refuse("list of pull requests")

    def comments(self, pull_request: int, ours: Callable[[str], bool], hint: Callable[[], str]) -> list[Comment]:  # noqa: ARG002
        """Not possible."""
        _refuse("comments")

    def hint(self, pull_request: int) -> str:  # noqa: ARG002
        """Nothing."""
        return ""

    def create_comment(self, pull_request: int, body: str) -> Comment:  # noqa: ARG002
        """Not possible."""
        _refuse("comment")

    def update_comment(self, pull_request: int, comment: Comment, body: str) -> Comment:  # noqa: ARG002
        """Not possible."""
        _refuse("comment")

    def delete_comment(self, pull_request: int, comment: Comment) -> None:  # noqa: ARG002
        """Not possible."""
        _refuse("comment")

    def set_build_status(self, commit: str, status: BuildStatus) -> None:  # noqa: ARG002
        """Not possible."""
        _refuse("build status")

    def build_status(self, commit: str, key: str) -> BuildStatus | None:  # noqa: ARG002
        """Not possible."""
        _refuse("build status")

    def build_statuses(self, commit: str) -> list[BuildStatus]:  # noqa: ARG002
        """Not possible."""
        _refuse("build statuses")

    def full_hash(self, commit: str) -> str:
        """Not possible."""
        _refuse(f"commit {commit}")

    def commit(self, commit: str) -> tuple[str, str | None]:
        """Not possible."""
        _refuse(f"commit {commit}")


def connect(
    workspace: str, repository: str, clock: Clock, debug: Callable[[str], None], address: str = ADDRESS
) -> Proxied:
    """The adapter of a repository, through the proxy at that address; nothing is asked of it yet."""
    return Proxied(Cloud(_Unsigned(address, clock, debug), workspace, repository))


def _refuse(what: str) -> NoReturn:
    raise Forbidden(f"{what}: not possible without a credential, through Pipelines' proxy", _CREDENTIAL)
