"""Bitbucket Data Center and Server, REST API (https://developer.atlassian.com/server/bitbucket/rest/).

Build statuses go to the builds API, else to the older one that 7.14 deprecated; Code Insights are there from 5.15 on.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipe.bitbucket import answers
from pipe.bitbucket.answers import at, number, values
from pipe.bitbucket.errors import (
    AnswerLost,
    BitbucketError,
    Conflict,
    Forbidden,
    NotFound,
    Nowhere,
    Rejected,
    Unauthorized,
)
from pipe.bitbucket.server import Seen
from pipe.model import BuildState, BuildStatus, Comment, PullRequest, Report, ReportResult
from pipe.steps import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipe.bitbucket.server import Server
    from pipe.model import Annotation

# The server makes less of it where it wants to, and says so in each page. 500 is the most activities that it gives.
_ACTIVITIES, _FEW, _MANY, _PAGES = "500", "25", "100", 400
_VARIABLE = "BITBUCKET_URL"
_ATTEMPTS = 5  # at a comment that others change too
_MESSAGE = 2000  # UTF-16 units of an annotation
_STATES = {BuildState.STOPPED: "CANCELLED"}
_LEGACY = ("state", "key", "url", "name", "description")
_READ_STATES = {"CANCELLED": BuildState.STOPPED, "UNKNOWN": BuildState.INPROGRESS}
_RESULTS = {ReportResult.PASSED: "PASS", ReportResult.FAILED: "FAIL"}
_OWN_KEY = re.compile(r"(.+)-own-[0-9a-f]{8}")
_HINT = re.compile("([0-9]{1,18})-([0-9]{1,18})")


class DataCenter:
    """One repository on a Data Center. `home` is its page, `parent` what its build statuses are grouped by."""

    status_keys = re.compile(r"[!-~]{1,255}")

    def __init__(self, http: Server, project: str, repository: str, home: str, parent: str) -> None:
        """Take where it is; nothing is asked yet."""
        self._http, self._project, self._repository = http, project, repository
        self._home, self._parent = home, parent
        self._path = f"projects/{quote(project, safe='~')}/repos/{quote(repository, safe='')}"
        self._base = f"/api/latest/{self._path}"
        self._shared = http.shared

    def until(self, deadline: float) -> DataCenter:
        """The same, none of whose verbs tries any more after that moment."""
        return DataCenter(self._http.until(deadline), self._project, self._repository, self._home, self._parent)

    # --- pull requests and commits ------------------------------------------------------------------------------------

    def pull_request(self, number: int) -> PullRequest:
        """One pull request."""
        return self._pull_request(self._get(f"{self._base}/pull-requests/{number}", f"pull request {number}"))

    def open_pull_requests(self, branch: str | None, commit: str) -> list[PullRequest]:
        """The open pull requests that a commit is part of, else those of a source branch; the newest first."""
        found: list[PullRequest] = []
        what = "list of pull requests"
        if commit:
            # A merge that the CI has made is not known there.
            with suppress(NotFound):
                found = self._open(f"{self._base}/commits/{commit}/pull-requests", what, {})
        if not found and branch:
            params = {"direction": "OUTGOING", "at": f"refs/heads/{branch}", "state": "OPEN"}
            found = [one for one in self._open(f"{self._base}/pull-requests", what, params) if one.branch == branch]
        return sorted(found, key=lambda one: one.id, reverse=True)

    def _open(self, path: str, what: str, params: dict[str, str]) -> list[PullRequest]:
        found = self._pages(path, what, {**params, "limit": _MANY})
        # Those of a fork go to the repository that it was made from, which has other numbers.
        return [one for one in map(self._pull_request, filter(self._is_here, found)) if one.open]

    def _is_here(self, value: dict[str, Any]) -> bool:
        """Whether a pull request goes to this repository."""
        repository = at(at(value, "toRef"), "repository")
        own = at(repository, "project").get("key", self._project), repository.get("slug", self._repository)
        return [str(one).lower() for one in own] == [self._project.lower(), self._repository.lower()]

    def full_hash(self, commit: str) -> str:
        """The 40 characters of an abbreviated commit hash."""
        return self.commit(commit)[0]

    def commit(self, commit: str) -> tuple[str, str | None]:
        """The 40 characters of a commit's hash, and of its first parent's, None where it has none."""
        what = f"commit {commit[:12]}"
        answer = self._get(f"{self._base}/commits/{commit}", what)
        found = answer.get("id")
        if not isinstance(found, str) or not re.fullmatch("[0-9a-f]{40}", found):
            raise Rejected(f"{what}: the answer has no hash. Check {_VARIABLE}")
        parents = answer.get("parents")
        first = parents[0].get("id") if isinstance(parents, list) and parents and isinstance(parents[0], dict) else None
        return found, first if isinstance(first, str) else None

    # --- comments -----------------------------------------------------------------------------------------------------

    def comments(
        self, pull_request: int, ours: Callable[[str], bool], hint: Callable[[], str] = lambda: ""
    ) -> list[Comment]:
        """The comments on the whole pull request whose text is `ours`: no inline ones, no replies.

        Comments are listed among all other activities alone. So that hundreds of them are read once, what is known
        already is asked for by its id, and of the activities only those that are newer are read. `hint` is asked for
        where there is more than a page of them: what `hint` gave in another process.
        """
        path = f"{self._base}/pull-requests/{pull_request}/activities"
        known = self._shared.seen.get(pull_request)
        upto = known.upto if known else None
        found: dict[int, Comment] = {}
        ids: list[int | None] = []
        many = False
        for page, more in self._each_page(path, "comments", {"limit": _FEW if upto else _ACTIVITIES}):
            for value in page:
                ids.append(activity if isinstance(activity := value.get("id"), int) else None)
                if one := self._in_activity(pull_request, value, ours):
                    found[one.id] = one
            if more and not known and not many and (match := _HINT.fullmatch(hint())):
                known, upto = Seen({int(match[1]): _unread(int(match[1]))}), int(match[2])
            many = many or more
            if upto is not None and any(one is not None and one <= upto for one in ids):
                break
        for known_id in list(known.ours) if known else ():
            if known_id not in found and (again := self._comment_or_none(pull_request, known_id)) and ours(again.body):
                found[known_id] = again
        self._shared.seen[pull_request] = Seen(found, _newest(ids) if many or upto is not None else None)
        return sorted(found.values(), key=lambda one: one.id)

    def hint(self, pull_request: int) -> str:
        """What another process may be told of where the one comment is, "" where it finds it as quickly without."""
        seen = self._shared.seen.get(pull_request)
        return f"{next(iter(seen.ours))}-{seen.upto}" if seen and seen.upto is not None and len(seen.ours) == 1 else ""

    def create_comment(self, pull_request: int, body: str) -> Comment:
        """Make a comment. Raises AnswerLost where it may have been made all the same."""
        path = f"{self._base}/pull-requests/{pull_request}/comments"
        answer = self._http.request("POST", path, "comment", json={"text": body}, repeatable=False)
        try:
            return self._remember(pull_request, self._comment(pull_request, answer))
        except Rejected as error:
            raise AnswerLost(str(error)) from None

    def update_comment(self, pull_request: int, comment: Comment, body: str) -> Comment:
        """Replace a comment's text, whatever others have made of it meanwhile."""
        path = f"{self._base}/pull-requests/{pull_request}/comments/{comment.id}"
        for attempt in range(_ATTEMPTS):
            if attempt:
                comment = self._comment(pull_request, self._get(path, "comment"))
            with suppress(Conflict):
                content = {"text": body, "version": comment.version or 0}
                answer = self._http.request("PUT", path, "comment", json=content)
                return self._remember(pull_request, self._comment(pull_request, answer))
        raise Rejected(f"comment: others change it as often as it is tried ({_ATTEMPTS} times). Try again later")

    def delete_comment(self, pull_request: int, comment: Comment) -> None:
        """Delete a comment. Raises Conflict where it has replies, or is another by now."""
        path = f"{self._base}/pull-requests/{pull_request}/comments/{comment.id}"
        self._http.request("DELETE", path, "second comment", params={"version": str(comment.version or 0)})
        if seen := self._shared.seen.get(pull_request):
            seen.ours.pop(comment.id, None)

    def _remember(self, pull_request: int, comment: Comment) -> Comment:
        if seen := self._shared.seen.get(pull_request):
            seen.ours[comment.id] = comment
        return comment

    def _in_activity(self, pull_request: int, value: dict[str, Any], ours: Callable[[str], bool]) -> Comment | None:
        """The comment that an activity is about, if it is one of ours on the whole pull request."""
        comment = value.get("comment")
        if value.get("action") != "COMMENTED" or not isinstance(comment, dict) or value.get("commentAnchor"):
            return None
        if value.get("commentAction") in ("REPLIED", "DELETED"):
            return None
        if comment.get("anchor") or comment.get("parent") or not ours(str(comment.get("text", ""))):
            return None
        return self._comment(pull_request, comment)

    def _comment_or_none(self, pull_request: int, comment: int) -> Comment | None:
        try:
            answer = self._get(f"{self._base}/pull-requests/{pull_request}/comments/{comment}", "comment")
        except NotFound:
            return None
        return self._comment(pull_request, answer)

    def _comment(self, pull_request: int, value: Any) -> Comment:  # noqa: ANN401 - JSON
        own, author, version = number(value, _VARIABLE), at(value, "author"), value.get("version")
        name = next((author[key] for key in ("id", "slug", "name") if author.get(key) is not None), None)
        return Comment(
            id=own,
            body=str(value.get("text", "")),
            author=None if name is None else str(name),
            url=f"{self._home}/pull-requests/{pull_request}/overview?commentId={own}",
            version=version if isinstance(version, int) else None,
        )

    # --- build statuses -----------------------------------------------------------------------------------------------

    def set_build_status(self, commit: str, status: BuildStatus) -> None:
        """Make or replace the build status of that key on a commit; an older server gets what it knows."""
        body, missing = self._status_body(status), None
        if not self._shared.legacy:
            try:
                self._post_status(f"{self._base}/commits/{commit}/builds", body)
            except Nowhere:
                raise
            except NotFound as error:
                missing = error
        if self._shared.legacy or missing:
            body = {name: body[name] for name in _LEGACY}
            body["state"] = "FAILED" if body["state"] == "CANCELLED" else body["state"]
            self._post_legacy(commit, body, missing)
        self._shared.sent[commit, status.key] = status, body

    def _post_status(self, path: str, body: dict[str, Any]) -> None:
        """Post it; where the server knows three states alone, `body` becomes what it takes."""
        try:
            self._http.request("POST", path, "build status", json=body)
        except Rejected:
            if body["state"] in ("SUCCESSFUL", "FAILED", "INPROGRESS"):
                raise
            body["state"] = "FAILED"
            self._http.request("POST", path, "build status", json=body)

    def _post_legacy(self, commit: str, body: dict[str, Any], missing: NotFound | None) -> None:
        """Post it to the older API; `missing` is what the builds API has answered, if it was asked."""
        try:
            self._http.request("POST", f"/build-status/latest/commits/{commit}", "build status", json=body)
        except NotFound:
            raise missing or NotFound("build status: this Bitbucket has no API for it") from None
        if missing:
            self._shared.legacy = True
            self._http.say(
                "! this Bitbucket has no builds API (it is older than 7.14): its older build statuses are used"
            )

    def _status_body(self, status: BuildStatus) -> dict[str, Any]:
        body: dict[str, Any] = {
            "key": status.key,
            "state": _STATES.get(status.state, status.state.value),
            "url": status.url,
            "name": status.name,
            "description": status.description,
            "parent": self._parent,
        }
        if status.branch:
            body["ref"] = f"refs/heads/{status.branch}"
        if status.build is not None:
            body["buildNumber"] = str(status.build)
        if status.seconds is not None:
            body["duration"] = round(status.seconds * 1000)
        if counts := status.counts:
            body["testResults"] = {
                "successful": counts.succeeded,
                "failed": counts.failed,
                "skipped": counts.not_run,
            }
        return body

    def build_status(self, commit: str, key: str) -> BuildStatus | None:
        """The build status of that key on a commit, None where there is none."""
        answer: dict[str, Any] | None
        if self._shared.legacy:
            answer = next((value for value in self._legacy_statuses(commit) if value.get("key") == key), None)
        else:
            try:
                answer = self._get(f"{self._base}/commits/{commit}/builds", "build status", {"key": key})
            except NotFound:
                return None
        if answer is None:
            return None
        sent = self._shared.sent.get((commit, key))
        # What the server leaves out, or has another word for, makes no difference.
        if sent and all(answer[name] == value for name, value in sent[1].items() if name in answer):
            return sent[0]
        return _build_status(answer)

    def build_statuses(self, commit: str) -> list[BuildStatus]:
        """All build statuses of a commit, which only the older API lists."""
        return [status for status in map(_build_status, self._legacy_statuses(commit)) if status]

    def _legacy_statuses(self, commit: str) -> Iterator[dict[str, Any]]:
        return self._pages(f"/build-status/latest/commits/{commit}", "build statuses", {"limit": _MANY})

    # --- Code Insights ------------------------------------------------------------------------------------------------

    def put_report(self, commit: str, report: Report) -> bool | None:
        """Make or replace the Code Insights report of that key on a commit: a PUT, so it can be repeated.

        What another token has made cannot be replaced: then it is kept under a key of this token's own. Whether it was
        there is not said.
        """
        body: dict[str, Any] = {
            "title": report.title,
            "details": report.details,
            "reporter": "Nx Report",
            "data": [{"title": title, "type": kind, "value": value} for title, kind, value in report.data],
        }
        # No result says that it is not known yet.
        if result := _RESULTS.get(report.result):
            body["result"] = result
        if report.link:
            body["link"] = report.link
        key = self._key(commit, report.key)
        try:
            self._http.request("PUT", self._report(commit, key), "record", json=body)
        except (Forbidden, Unauthorized, Conflict):
            if key != report.key or not self._is_there(commit, key):
                raise
            own = f"{key}-own-{digest(self._shared.user)}"
            self._http.request("PUT", self._report(commit, own), "record", json=body)
            self._shared.keys[commit, report.key] = own
            self._http.say(f"! the Code Insights report {key} belongs to another token: this one's is kept as {own}")
        return None

    def _is_there(self, commit: str, key: str) -> bool:
        try:
            self._get(self._report(commit, key), "record")
        except BitbucketError:
            return False
        return True

    def reports(self, commit: str, *, pages: int | None = None) -> list[Report]:
        """All Code Insights reports of a commit, whoever wrote them; those of the first `pages` where that is given.

        Of several tokens' reports under one key the one that was made last counts.
        """
        path = f"/insights/latest/{self._path}/commits/{commit}/reports"
        found: dict[str, tuple[float, bool, Report]] = {}
        for value in self._pages(path, "records", {"limit": _MANY}, pages):
            if (report := _report(value)) is None:
                continue
            own = _OWN_KEY.fullmatch(report.key)
            key = own[1] if own else report.key
            created = value.get("createdDate")
            order = (float(created) if isinstance(created, int | float) else 0.0, own is not None)
            if key not in found or found[key][:2] < order:
                found[key] = (*order, report._replace(key=key))
                if own:
                    self._shared.keys.setdefault((commit, key), report.key)
        return [report for *_, report in found.values()]

    def delete_report(self, commit: str, key: str) -> None:
        """Delete the Code Insights report of that key with its annotations, if it is there."""
        with suppress(NotFound):
            self._http.request("DELETE", self._report(commit, self._key(commit, key)), "old record")

    def replace_annotations(
        self, commit: str, key: str, annotations: Sequence[Annotation], *, existed: bool | None
    ) -> int:
        """Make these the annotations of a report; nobody says how many old ones were deleted.

        Bitbucket keeps those that are there, so they are deleted first.
        """
        path = f"{self._report(commit, self._key(commit, key))}/annotations"
        if existed is not False:
            self._http.request("DELETE", path, "old annotations")
        if annotations:
            body = {"annotations": list(map(_annotation_body, annotations))}
            self._http.request("POST", path, "annotations", json=body)
        return 0

    def _key(self, commit: str, key: str) -> str:
        return self._shared.keys.get((commit, key), key)

    def _report(self, commit: str, key: str) -> str:
        return f"/insights/latest/{self._path}/commits/{commit}/reports/{quote(key, safe='')}"

    # --- answers ------------------------------------------------------------------------------------------------------

    def _get(self, path: str, what: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        answer = self._http.request("GET", path, what, params=params)
        if not isinstance(answer, dict):
            raise Rejected(f"{what}: the answer is not what Bitbucket sends. Check {_VARIABLE}")
        return answer

    def _pages(self, path: str, what: str, params: dict[str, str], most: int | None = None) -> Iterator[dict[str, Any]]:
        """Every value of a paged list, or of its first `most` pages."""
        for count, (page, _) in enumerate(self._each_page(path, what, params), start=1):
            yield from page
            if count == most:
                return

    def _each_page(self, path: str, what: str, params: dict[str, str]) -> Iterator[tuple[list[dict[str, Any]], bool]]:
        """The values of each page of a list, and whether one follows: where it begins the server says alone."""
        start = 0
        for _ in range(_PAGES):
            page = self._get(path, what, {**params, **({"start": str(start)} if start else {})})
            found = values(page, what, _VARIABLE)
            following = page.get("nextPageStart")
            more = page.get("isLastPage") is not True and isinstance(following, int) and following > start
            yield found, more
            if not more or not isinstance(following, int):
                return
            start = following
        raise Rejected(f"{what}: more than {_PAGES} pages")

    def _pull_request(self, value: dict[str, Any]) -> PullRequest:
        own = number(value, _VARIABLE)
        source, destination = at(value, "fromRef"), at(value, "toRef")
        state = str(value.get("state", ""))
        return PullRequest(
            id=own,
            open=state == "OPEN",
            state=state.lower(),
            head=str(source.get("latestCommit") or ""),
            branch=_branch(source),
            updated=str(value.get("updatedDate") or ""),
            url=f"{self._home}/pull-requests/{own}",
            destination=_branch(destination),
            base=str(destination.get("latestCommit") or ""),
        )


def _branch(ref: dict[str, Any]) -> str:
    return str(ref.get("id") or ref.get("displayId") or "").removeprefix("refs/heads/")


def _newest(ids: list[int | None]) -> int | None:
    """The first of the activities, if they come newest first; None where that is not to be relied on."""
    known = [one for one in ids if one is not None]
    in_order = len(known) == len(ids) and known == sorted(set(known), reverse=True)
    return known[0] if known and in_order else None


def _unread(number: int) -> Comment:
    """A comment of which no more than its id is known."""
    return Comment(number, "", None, "")


def _build_status(value: dict[str, Any]) -> BuildStatus | None:
    """A build status, None for one whose state is not known."""
    word = str(value.get("state"))
    try:
        state = _READ_STATES.get(word) or BuildState(word)
    except ValueError:
        return None
    key, name, description, url = (str(value.get(part) or "") for part in ("key", "name", "description", "url"))
    ref = value.get("ref")
    branch = ref.removeprefix("refs/heads/") if isinstance(ref, str) and ref.startswith("refs/heads/") else None
    return BuildStatus(key, state, name, description, url, branch)


def _report(value: dict[str, Any]) -> Report | None:
    """A report, None for one without a key."""
    results = {word: result for result, word in _RESULTS.items()}
    return answers.report(value, value.get("key"), results.get(str(value.get("result")), ReportResult.PENDING))


def _annotation_body(one: Annotation) -> dict[str, object]:
    message = f"{one.summary}\n\n{one.details}" if one.details else one.summary
    cut = message.encode("utf-16-le", "replace")[: 2 * _MESSAGE].decode("utf-16-le", "ignore")
    body: dict[str, object] = {
        "externalId": one.id,
        "type": one.kind.value,
        "severity": one.severity.value,
        "path": one.path,
        "message": cut,
    }
    if one.line is not None:
        body["line"] = one.line
    if one.link:
        body["link"] = one.link
    return body
