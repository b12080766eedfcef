"""Bitbucket Cloud, REST API 2.0 (https://developer.atlassian.com/cloud/bitbucket/rest/).

Bodies hold exactly the keys that are meant: Bitbucket rejects others ("extra keys not allowed").
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipe.bitbucket import MOST_ANNOTATIONS, answers
from pipe.bitbucket.answers import at, number, values
from pipe.bitbucket.errors import AnswerLost, Forbidden, MissingScope, NotFound, NotYours, Rejected
from pipe.model import BuildState, BuildStatus, Comment, Download, PullRequest, Report, ReportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from pipe.bitbucket.http import Http
    from pipe.model import Annotation

# 100 is the most that comments allow, 50 the most that the list of pull requests allows.
_COMMENTS_PER_PAGE, _PULL_REQUESTS_PER_PAGE, _PAGES = "100", "50", 200
_COMMENT_FIELDS = (
    "next,values.id,values.type,values.content.raw,values.deleted,values.inline,values.user.uuid,values.links.html.href"
)
_PULL_REQUEST_FIELDS = (
    "id,state,updated_on,source.branch.name,source.commit.hash,destination.branch.name,destination.commit.hash,"
    "links.html.href"
)
_ANNOTATIONS_AT_ONCE = 100
_NOT_YOURS = "Another account or token made it, and only that one can change it. The next commit gets one of this token"
_VARIABLE = "BITBUCKET_API_URL"
_TIMES = ("created", "updated")
_ANNOTATION_FIELDS = "next,values.external_id,values.uuid"
_REPORT_FIELDS = "next," + ",".join(
    f"values.{name}" for name in ("external_id", "title", "details", "result", "link", "data")
)


class Cloud:
    """One repository on Bitbucket Cloud."""

    status_keys = re.compile(r"[A-Za-z0-9._-]{1,40}")  # observed (buildbot/buildbot#7049)

    def __init__(self, http: Http, workspace: str, repository: str) -> None:
        self._http = http
        self._full_name = f"{workspace}/{repository}"
        self._base = f"/repositories/{quote(workspace, safe='')}/{quote(repository, safe='')}"

    def until(self, deadline: float) -> Cloud:
        """The same, none of whose verbs tries any more after that moment."""
        return Cloud(self._http.until(deadline), *self._full_name.split("/"))

    def pull_request(self, number: int) -> PullRequest:
        """One pull request."""
        fields = {"fields": _PULL_REQUEST_FIELDS}
        return _pull_request(self._get(f"/pullrequests/{number}", f"pull request {number}", fields))

    def open_pull_requests(self, branch: str | None, commit: str) -> list[PullRequest]:  # noqa: ARG002 - seldom indexed
        """The open pull requests of a source branch, the one last updated first.

        With `q`, a `state` parameter would be ignored, so the state is part of the query.
        """
        if branch is None:
            return []
        params = {
            "q": f'source.branch.name = {json.dumps(branch)} AND state = "OPEN"',
            "sort": "-updated_on",
            "pagelen": _PULL_REQUESTS_PER_PAGE,
        }
        page = self._get("/pullrequests", "list of pull requests", params)
        here = self._full_name.lower()
        open_ones = [
            found
            for value in values(page, "list of pull requests", _VARIABLE)
            # A fork may have a branch of the same name.
            if str(at(at(value, "source"), "repository").get("full_name") or here).lower() == here
            and (found := _pull_request(value)).open
            and found.branch == branch
        ]
        return sorted(open_ones, key=lambda one: one.updated, reverse=True)

    def hint(self, pull_request: int) -> str:  # noqa: ARG002
        """Nothing: comments are listed by themselves, a hundred at once."""
        return ""

    def comments(
        self,
        pull_request: int,
        ours: Callable[[str], bool] = lambda _: True,
        hint: Callable[[], str] = lambda: "",  # noqa: ARG002
    ) -> list[Comment]:
        """The comments on the whole pull request whose text is `ours`, over all pages: no inline and deleted ones."""
        path = f"/pullrequests/{pull_request}/comments"
        params = {"pagelen": _COMMENTS_PER_PAGE, "fields": _COMMENT_FIELDS}
        found = (
            _comment(value)
            for value in self._pages(path, "comments", params)
            if not value.get("deleted") and not value.get("inline")
        )
        return [one for one in found if ours(one.body)]

    def create_comment(self, pull_request: int, body: str) -> Comment:
        """Make a comment. Raises AnswerLost where it may have been made all the same."""
        path = f"{self._base}/pullrequests/{pull_request}/comments"
        answer = self._http.request("POST", path, "comment", json=_content(body), repeatable=False)
        try:
            return _comment(answer)
        except Rejected as error:
            raise AnswerLost(str(error)) from None

    def update_comment(self, pull_request: int, comment: Comment, body: str) -> Comment:
        """Replace a comment's text."""
        path = f"{self._base}/pullrequests/{pull_request}/comments/{comment.id}"
        return _comment(self._http.request("PUT", path, "comment", json=_content(body)))

    def delete_comment(self, pull_request: int, comment: Comment) -> None:
        """Delete a comment."""
        path = f"{self._base}/pullrequests/{pull_request}/comments/{comment.id}"
        self._http.request("DELETE", path, "second comment")

    def set_build_status(self, commit: str, status: BuildStatus) -> None:
        """Make or replace the build status of that key on a commit: a POST overwrites, so it can be repeated."""
        body = {
            "key": status.key,
            "state": status.state.value,
            "name": status.name,
            "description": status.description,
            "url": status.url,
        }
        if status.branch:
            body["refname"] = status.branch
        path = f"{self._base}/commit/{commit}/statuses/build"
        try:
            answer = self._http.request("POST", path, "build status", json=body)
        except MissingScope:
            raise
        except Forbidden as error:
            raise NotYours(error.head, _NOT_YOURS) from None
        if not isinstance(answer, dict) or answer.get("key") != status.key:
            raise Rejected(f"build status: the answer does not confirm that it was written. Check {_VARIABLE}")

    def build_status(self, commit: str, key: str) -> BuildStatus | None:
        """The build status of that key on a commit, None where there is none."""
        path = f"{self._base}/commit/{commit}/statuses/build/{quote(key, safe='')}"
        try:
            answer = self._http.request("GET", path, "build status")
        except NotFound:
            return None
        return _build_status(answer) if isinstance(answer, dict) else None

    def build_statuses(self, commit: str) -> list[BuildStatus]:
        """All build statuses of a commit."""
        params = {"pagelen": _COMMENTS_PER_PAGE}
        found = map(_build_status, self._pages(f"/commit/{commit}/statuses", "build statuses", params))
        return [status for status in found if status]

    def put_report(self, commit: str, report: Report) -> bool | None:
        """Make or replace the Code Insights report of that key on a commit: a PUT, so it can be repeated.

        Whether it was there is told by the answer's times, which are equal for a new one. An answer that was lost and
        a repetition of the same content can make it look the other way, so this says no more than where to look.
        """
        body: dict[str, object] = {
            "title": report.title,
            "details": report.details,
            "report_type": "TEST",
            "reporter": "Nx Report",
            "result": report.result.value,
            "data": [{"title": title, "type": kind, "value": value} for title, kind, value in report.data],
        }
        if report.link:
            body["link"] = report.link
        answer = self._http.request("PUT", self._report(commit, report.key), "record", json=body)
        created, updated = (answer.get(f"{name}_on") if isinstance(answer, dict) else None for name in _TIMES)
        return created != updated if isinstance(created, str) and isinstance(updated, str) else None

    def reports(self, commit: str, *, pages: int | None = None) -> list[Report]:
        """All Code Insights reports of a commit, whoever wrote them; those of the first `pages` where that is given."""
        params = {"pagelen": _COMMENTS_PER_PAGE, "fields": _REPORT_FIELDS}
        found = map(_report, self._pages(f"/commit/{commit}/reports", "records", params, pages))
        return [report for report in found if report]

    def delete_report(self, commit: str, key: str) -> None:
        """Delete the Code Insights report of that key, if it is there."""
        with suppress(NotFound):
            self._http.request("DELETE", self._report(commit, key), "old record")

    def replace_annotations(
        self, commit: str, key: str, annotations: Sequence[Annotation], *, existed: bool | None
    ) -> int:
        """Make these the annotations of a report; how many old ones were deleted.

        A request for each hundred, none where there are none; with a report that is not new one more for each hundred
        that are listed, and one for each old annotation. Those go last, but where both together would be more than a
        report may have. Raises BitbucketError; the annotations put so far stay.
        """
        old: list[str] = []
        if existed is not False:
            ours = {annotation.id for annotation in annotations}
            old = [name for name in self.annotations(commit, key) if name not in ours]
        room = max(0, MOST_ANNOTATIONS - len(annotations))
        for name in old[room:]:
            self.delete_annotation(commit, key, name)
        for start in range(0, len(annotations), _ANNOTATIONS_AT_ONCE):
            self.put_annotations(commit, key, annotations[start : start + _ANNOTATIONS_AT_ONCE])
        for name in old[:room]:
            self.delete_annotation(commit, key, name)
        return len(old)

    def annotations(self, commit: str, key: str) -> list[str]:
        """The ids of all annotations of a report: the writer's own, Bitbucket's where it has none."""
        params = {"pagelen": _COMMENTS_PER_PAGE, "fields": _ANNOTATION_FIELDS}
        path = f"/commit/{commit}/reports/{quote(key, safe='')}/annotations"
        ids = (value.get("external_id") or value.get("uuid") for value in self._pages(path, "annotations", params))
        return [found for found in ids if isinstance(found, str)]

    def put_annotations(self, commit: str, key: str, annotations: Sequence[Annotation]) -> None:
        """Make or replace annotations, at most a hundred, each by its id, so that the request can be repeated."""
        body = list(map(_annotation_body, annotations))
        self._http.request("POST", f"{self._report(commit, key)}/annotations", "annotations", json=body)

    def delete_annotation(self, commit: str, key: str, annotation: str) -> None:
        """Delete the annotation of that id, if it is there."""
        with suppress(NotFound):
            path = f"{self._report(commit, key)}/annotations/{quote(annotation, safe='')}"
            self._http.request("DELETE", path, "old annotation")

    def downloads(self) -> list[Download]:
        """All files in the repository's Downloads; one without a name is none."""
        found = map(_download, self._pages("/downloads", "list of downloads", {"pagelen": _COMMENTS_PER_PAGE}))
        return [download for download in found if download]

    def download(self, name: str, limit: int) -> bytes:
        """The content of a file in the repository's Downloads."""
        return self._http.fetch(f"{self._base}/downloads/{quote(name, safe='')}", f"download {name}", limit)

    def upload(self, name: str, file: BinaryIO) -> None:
        """Put a file into the repository's Downloads: it replaces the one of that name, so it can be repeated."""
        self._http.upload(f"{self._base}/downloads", "upload", name, file)

    def delete_download(self, name: str) -> None:
        """Delete a file from the repository's Downloads, if it is there."""
        with suppress(NotFound):
            self._http.request("DELETE", f"{self._base}/downloads/{quote(name, safe='')}", "old download")

    def _report(self, commit: str, key: str) -> str:
        return f"{self._base}/commit/{commit}/reports/{quote(key, safe='')}"

    def full_hash(self, commit: str) -> str:
        """The 40 characters of an abbreviated commit hash."""
        return self.commit(commit)[0]

    def commit(self, commit: str) -> tuple[str, str | None]:
        """The 40 characters of a commit's hash, and of its first parent's, None where it has none."""
        answer = self._get(f"/commit/{commit}", f"commit {commit}")
        found, parents = str(answer.get("hash", "")), answer.get("parents")
        if not re.fullmatch("[0-9a-f]{40}", found) or not found.startswith(commit):
            raise Rejected(f"commit {commit}: the answer does not name it")
        first = parents[0] if isinstance(parents, list) and parents else None
        parent = str(first.get("hash", "")) if isinstance(first, dict) else ""
        return found, parent if re.fullmatch("[0-9a-f]{40}", parent) else None

    def _get(self, path: str, what: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        answer = self._http.request("GET", self._base + path, what, params=params)
        if not isinstance(answer, dict):
            raise Rejected(f"{what}: the answer is not what Bitbucket sends. Check {_VARIABLE}")
        return answer

    def _pages(self, path: str, what: str, params: dict[str, str], most: int | None = None) -> Iterator[dict[str, Any]]:
        """Every value of a paged list, or of its first `most` pages.

        `next` is opaque, and followed only below the API's own address.
        """
        page = self._get(path, what, params)
        seen: set[str] = set()
        for count in range(1, _PAGES + 1):
            yield from values(page, what, _VARIABLE)
            following = str(page.get("next") or "")
            if not following or following in seen or count == most:
                return
            seen.add(following)
            page = self._http.request("GET", following, what)
        raise Rejected(f"{what}: more than {_PAGES} pages")


def _content(body: str) -> dict[str, dict[str, str]]:
    return {"content": {"raw": body}}


def _pull_request(value: dict[str, Any]) -> PullRequest:
    own = number(value, _VARIABLE)
    source, destination = at(value, "source"), at(value, "destination")
    state = str(value.get("state", ""))
    return PullRequest(
        id=own,
        open=state == "OPEN",
        state=state.lower(),
        head=str(at(source, "commit").get("hash", "")),
        branch=str(at(source, "branch").get("name", "")),
        updated=str(value.get("updated_on", "")),
        url=str(at(at(value, "links"), "html").get("href", "")),
        destination=str(at(destination, "branch").get("name", "")),
        base=str(at(destination, "commit").get("hash", "")),
    )


def _comment(value: dict[str, Any]) -> Comment:
    own = number(value, _VARIABLE)
    author = at(value, "user").get("uuid")
    return Comment(
        id=own,
        body=str(at(value, "content").get("raw", "")),
        author=author if isinstance(author, str) else None,
        url=str(at(at(value, "links"), "html").get("href", "")),
    )


def _build_status(value: dict[str, Any]) -> BuildStatus | None:
    """A build status, None for one whose state is not known."""
    try:
        state = BuildState(value.get("state"))
    except ValueError:
        return None
    key, name, description, url = (str(value.get(part) or "") for part in ("key", "name", "description", "url"))
    branch = value.get("refname")
    return BuildStatus(key, state, name, description, url, branch if isinstance(branch, str) else None)


def _report(value: dict[str, Any]) -> Report | None:
    """A report, None for one without a key or a result."""
    try:
        result = ReportResult(value.get("result"))
    except ValueError:
        return None
    return answers.report(value, value.get("external_id"), result)


def _annotation_body(one: Annotation) -> dict[str, object]:
    body: dict[str, object] = {
        "external_id": one.id,
        "annotation_type": one.kind.value,
        "severity": one.severity.value,
        "path": one.path,
        "summary": one.summary,
    }
    if one.line is not None:
        body["line"] = one.line
    if one.details:
        body["details"] = one.details
    if one.failed:
        body["result"] = "FAILED"
    if one.link:
        body["link"] = one.link
    return body


def _download(value: dict[str, Any]) -> Download | None:
    """A download, None for what has no name. The OpenAPI file has no schema of it: nothing else is relied on."""
    name, size, created = value.get("name"), value.get("size"), value.get("created_on")
    if not isinstance(name, str):
        return None
    return Download(name, size if isinstance(size, int) else None, created if isinstance(created, str) else "")
