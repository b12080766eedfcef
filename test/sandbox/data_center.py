"""Bitbucket Data Center's REST API on the state, below a context path: paths, pages, errors, permissions.

The operations and their schemas are those of Atlassian's OpenAPI file for 9.4, which says of most rules below what they
are; where something else is followed it is named. Where nothing is known the narrow side is taken: every write has to
carry the header against XSRF, commits are named by all their 40 digits but for `GET commits/{commitId}`, pages are
small, and the numbers that they begin with are not to be counted up. What keeps one out: forks, tasks, pending comments
and comments on commits.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Blueprint, Response, request

from test.sandbox.bodies import ApiError
from test.sandbox.data_center_bodies import (
    CONTENT_TYPE,
    LEGACY_KEYS,
    STATES,
    annotation_json,
    invalid,
    no_resource,
    not_permitted,
    read_annotation,
    read_annotations,
    read_comment,
    read_legacy_status,
    read_report,
    read_status,
    refusal,
    report_json,
)
from test.sandbox.faults import Answer
from test.sandbox.state import MOST_ANNOTATIONS, HttpToken, NotFoundError, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from test.sandbox.state import (
        Activity,
        BuildStatus,
        Comment,
        Commit,
        PullRequest,
        Report,
        Repository,
        State,
    )

JSON = dict[str, Any]

CONTEXT = "/bitbucket"
_PAGE = 25
_STEP = 3  # what a page's start counts up by for each of its values
_CREATED = 201
_NEWEST = 100  # older build statuses
# In Cloud's words, which the state and its page speak.
_CLOUD_STATES = {"CANCELLED": "STOPPED", "UNKNOWN": "INPROGRESS"}
_SERVER_STATES = {"STOPPED": "CANCELLED"}


@dataclass(slots=True)
class Server:
    """What kind of server it is, to be changed at any time. Each default is a new one that accepts everything.

    `page_cap` is the most values that a page has, whatever is asked for; without the `builds_api` it is older than
    7.14; without `four_byte_characters` its database is MySQL with `utf8` (renovatebot/renovate#6424); without
    `reports` Code Insights are absent, and a report has no more than `most_annotations`; `states` are those of build
    statuses that it knows.
    """

    version: str = "9.4.0"
    page_cap: int = 100
    builds_api: bool = True
    four_byte_characters: bool = True
    reports: bool = True
    most_annotations: int = MOST_ANNOTATIONS
    states: tuple[str, ...] = STATES


# --- resources as JSON ------------------------------------------------------------------------------------------------


def _time(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _present(value: JSON) -> JSON:
    """What is there of it: the OpenAPI file knows no null."""
    return {name: part for name, part in value.items() if part is not None}


def _user_name(user: User) -> str:
    return re.sub("[^a-z0-9]+", "-", user.display_name.lower())


def _user_json(user: User) -> JSON:
    name = _user_name(user)
    kind = "NORMAL" if user.type == "user" else "SERVICE"
    number = int(user.uuid[1:8], 16)
    return {"id": number, "name": name, "slug": name, "displayName": user.display_name, "active": True, "type": kind}


def _ref(repository: Repository, branch: str, commit: str) -> JSON:
    key = repository.project_key
    project = {"key": key, "name": key.removeprefix("~"), "type": "PERSONAL" if key.startswith("~") else "NORMAL"}
    return {
        "id": f"refs/heads/{branch}",
        "displayId": branch,
        "latestCommit": commit,
        "type": "BRANCH",
        "repository": {"slug": repository.slug, "name": repository.slug, "project": project},
    }


def _pull_request_json(repository: Repository, one: PullRequest) -> JSON:
    place = f"projects/{quote(repository.project_key)}/repos/{repository.slug}/pull-requests/{one.id}"
    return {
        "id": one.id,
        "version": 0,
        "title": one.title,
        "description": one.description,
        "state": _pull_request_state(one),
        "open": one.state == "OPEN",
        "closed": one.state != "OPEN",
        "draft": False,
        "locked": False,
        "createdDate": _time(one.created_on),
        "updatedDate": _time(one.updated_on),
        "fromRef": _ref(repository, one.source_branch, one.source_commit),
        "toRef": _ref(repository, one.destination_branch, one.destination_commit),
        "author": {"user": _user_json(one.author), "role": "AUTHOR", "approved": False, "status": "UNAPPROVED"},
        "reviewers": [],
        "participants": [],
        "links": {"self": [{"href": f"{request.host_url.rstrip('/')}{CONTEXT}/{place}"}]},
    }


def _pull_request_state(one: PullRequest) -> str:
    return "DECLINED" if one.state == "SUPERSEDED" else one.state


def _anchor_json(comment: Comment) -> JSON | None:
    """Where an inline comment is; the state keeps it in Cloud's words."""
    if comment.inline is None:
        return None
    anchor: JSON = {"diffType": "EFFECTIVE", "path": comment.inline["path"]}
    for side, words in (("to", ("TO", "ADDED")), ("from", ("FROM", "REMOVED"))):
        if comment.inline.get(side) is not None:
            file, line = words
            return {**anchor, "line": comment.inline[side], "fileType": file, "lineType": line}
    return anchor


def _comment_json(of: PullRequest, comment: Comment) -> JSON:
    replies = [each for each in of.visible_comments if each.parent == comment.id]
    return {
        "id": comment.id,
        "version": comment.version,
        "text": comment.raw,
        "author": _user_json(comment.user),
        "createdDate": _time(comment.created_on),
        "updatedDate": _time(comment.updated_on),
        "comments": [_comment_json(of, reply) for reply in replies],
        "severity": "NORMAL",
        "state": "OPEN",
    }


def _anchored_json(of: PullRequest, comment: Comment) -> JSON:
    return _present({**_comment_json(of, comment), "anchor": _anchor_json(comment)})


def _activity_json(of: PullRequest, activity: Activity) -> JSON:
    value: JSON = {
        "id": activity.id,
        "createdDate": _time(activity.date),
        "user": _user_json(activity.user),
        "action": activity.action,
    }
    if activity.comment is None:
        return value
    comment = of.comments[activity.comment]
    value |= {"commentAction": "ADDED", "comment": _comment_json(of, comment), "commentAnchor": _anchor_json(comment)}
    return _present(value)


def _commit_json(commit: Commit) -> JSON:
    author, moment = {"name": commit.author.display_name}, _time(commit.date)
    return {
        "id": commit.hash,
        "displayId": commit.hash[:11],
        "message": commit.message,
        "author": author,
        "authorTimestamp": moment,
        "committer": author,
        "committerTimestamp": moment,
        "parents": [{"id": commit.parent, "displayId": commit.parent[:11]}] if commit.parent else [],
    }


def _status_json(status: BuildStatus) -> JSON:
    ref = status.refname
    return _present(
        {
            "key": status.key,
            "state": _SERVER_STATES.get(status.state, status.state),
            "url": status.url,
            "name": status.name,
            "description": status.description,
            "ref": ref if ref is None or ref.startswith("refs/") else f"refs/heads/{ref}",
            "createdDate": _time(status.created_on),
            "updatedDate": _time(status.updated_on),
            **status.more,
        }
    )


def _legacy_json(status: BuildStatus) -> JSON:
    known = {name: part for name, part in _status_json(status).items() if name in LEGACY_KEYS}
    return {**known, "dateAdded": _time(status.updated_on)}


def _report_json(report: Report) -> JSON:
    return {"key": report.external_id, **report_json(report.values), "createdDate": _time(report.created_on)}


# --- who asks for what ------------------------------------------------------------------------------------------------


def _no_such(kind: str, message: str) -> ApiError:
    return refusal(404, f"{message} does not exist.", kind)


def _number(name: str, default: int, least: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal() or int(text) < least:
        raise invalid(name, f"{name} has to be a number from {least} on")
    return int(text)


def _wanted(name: str, choices: tuple[str, ...]) -> str:
    """A parameter of the query, which is one of these; by default the first."""
    text = request.args.get(name, choices[0])
    if text not in choices:
        raise invalid(name, f"'{text}' is none of {', '.join(choices)}")
    return text


@dataclass(frozen=True, slots=True)
class _Call:
    """One request: who asks, for what, with which rest of the path, on which kind of server."""

    server: Server
    token: HttpToken
    repository: Repository
    path: JSON = field(default_factory=dict)

    @property
    def user(self) -> User:
        return self.token.user

    @property
    def pull_request(self) -> PullRequest:
        number = self.path["pull_request_id"]
        try:
            return self.repository.pull_request(number)
        except NotFoundError:
            raise _no_such("pull.NoSuchPullRequestException", f"Pull request {number}") from None

    @property
    def comment(self) -> Comment:
        """The comment, which has not been deleted."""
        number = self.path["comment_id"]
        for found in self.pull_request.visible_comments:
            if found.id == number:
                return found
        raise _no_such("comment.NoSuchCommentException", f"Comment {number}")

    @property
    def commit(self) -> Commit:
        """The commit, whose ID may be abbreviated."""
        text = self.path["commit_id"]
        if not re.fullmatch("[0-9a-f]{1,40}", text):
            raise invalid("commitId", f"'{text}' is no commit ID")
        try:
            return self.repository.commit_by_prefix(text)
        except NotFoundError:
            message = f"Commit '{text}' does not exist in repository '{self.repository.slug}'."
            raise refusal(404, message, "commit.NoSuchCommitException") from None

    @property
    def full_hash(self) -> str:
        """The hash of 40 digits that the path has to name the commit by."""
        text = str(self.path["commit_id"])
        if len(text) != 40:
            raise invalid("commitId", "The commit ID has to be a full 40 character SHA1")
        return self.commit.hash

    @property
    def commit_of_reports(self) -> str:
        """The hash of the commit whose reports are asked for, on a server that has Code Insights."""
        if not self.server.reports:
            raise no_resource()
        if self.user in self.repository.reports_refused:
            raise not_permitted()
        return self.full_hash

    @property
    def report(self) -> Report:
        key = self.path["key"]
        for found in self.repository.reports_of_commit(self.commit_of_reports):
            if found.external_id == key:
                return found
        raise _no_such("NoSuchReportException", f"Report '{key}'")

    @property
    def own_report(self) -> Report:
        """The report, which the user has made."""
        report = self.report
        if report.user != self.user:
            raise not_permitted()
        return report

    def owns(self, user: User) -> bool:
        """Whether a thing of that user may be deleted."""
        return user == self.user or self.token.permission == "admin"

    def page(self, items: Iterable[JSON]) -> JSON:
        """One page: never more than the server's cap, and the next one's start is what the server says alone."""
        start, limit = _number("start", 0, 0), min(_number("limit", _PAGE, 1), self.server.page_cap)
        values, at = list(items), start // _STEP
        page: JSON = {"values": values[at : at + limit], "start": start, "limit": limit}
        page |= {"size": len(page["values"]), "isLastPage": at + limit >= len(values)}
        if not page["isLastPage"]:
            page["nextPageStart"] = _STEP * (at + limit)
        return page


# --- operations: each gives the body and its status, or raises --------------------------------------------------------

_Result = tuple[JSON | None, int]


def _get_application_properties(call: _Call) -> _Result:
    version = {"version": call.server.version, "buildNumber": "9004000", "buildDate": "1726000000000"}
    return {**version, "displayName": "Bitbucket"}, 200


def _get_pull_request(call: _Call) -> _Result:
    return _pull_request_json(call.repository, call.pull_request), 200


def _list_pull_requests(call: _Call) -> _Result:
    direction = _wanted("direction", ("INCOMING", "OUTGOING"))
    state = _wanted("state", ("OPEN", "DECLINED", "MERGED", "ALL"))
    at = request.args.get("at")
    if at is not None and not at.startswith("refs/"):
        raise invalid("at", "at has to be a fully-qualified branch ID")
    newest = _wanted("order", ("NEWEST", "OLDEST")) == "NEWEST"
    found = sorted(call.repository.pull_requests.values(), key=lambda one: (one.created_on, one.id), reverse=newest)
    return call.page(
        _pull_request_json(call.repository, one)
        for one in found
        if state in ("ALL", _pull_request_state(one))
        and at in (None, f"refs/heads/{one.source_branch if direction == 'OUTGOING' else one.destination_branch}")
    ), 200


def _list_pull_requests_of_commit(call: _Call) -> _Result:
    found = call.repository.pull_requests_with(call.full_hash)
    return call.page(_pull_request_json(call.repository, one) for one in found), 200


def _get_commit(call: _Call) -> _Result:
    return _commit_json(call.commit), 200


# Comments


def _list_activities(call: _Call) -> _Result:
    of = call.pull_request
    there = {None, *(comment.id for comment in of.visible_comments)}
    return call.page(_activity_json(of, one) for one in reversed(of.activities) if one.comment in there), 200


def _list_comments(call: _Call) -> _Result:
    path, of = request.args.get("path"), call.pull_request
    if not path:
        raise invalid("path", "The path has to be given")
    inline = (one for one in of.visible_comments if one.inline is not None and one.inline["path"] == path)
    return call.page(_anchored_json(of, one) for one in inline), 200


def _get_comment(call: _Call) -> _Result:
    return _anchored_json(call.pull_request, call.comment), 200


def _create_comment(call: _Call) -> _Result:
    of, values = call.pull_request, read_comment(new=True)
    parent = values["parent"]["id"] if "parent" in values else None
    if parent is not None and all(one.id != parent for one in of.visible_comments):
        raise _no_such("comment.NoSuchCommentException", f"Comment {parent}")
    inline = None
    if anchor := values.get("anchor"):
        side = "from" if anchor.get("fileType") == "FROM" else "to"
        inline = {"path": anchor["path"], **({side: anchor["line"]} if "line" in anchor else {})}
    made = call.repository.add_comment(call.user, of, values["text"], inline=inline, parent=parent)
    return _anchored_json(of, made), _CREATED


def _check_version(comment: Comment, version: int) -> None:
    """Hold a write to the version that it is made of; the words are those of drone/go-scm's source."""
    if version != comment.version:
        raise refusal(
            409,
            "You are attempting to modify a comment based on out-of-date information.",
            "comment.CommentOutOfDateException",
            currentVersion=comment.version,
            expectedVersion=version,
        )


def _update_comment(call: _Call) -> _Result:
    comment, values = call.comment, read_comment(new=False)
    if "text" in values and comment.user != call.user:
        raise not_permitted()
    _check_version(comment, values.get("version", -1))
    if "text" in values:
        call.repository.edit_comment(call.user, call.pull_request, comment.id, values["text"])
    return _anchored_json(call.pull_request, comment), 200


def _delete_comment(call: _Call) -> _Result:
    comment, of = call.comment, call.pull_request
    if not call.owns(comment.user):
        raise not_permitted()
    version = request.args.get("version", "")
    _check_version(comment, int(version) if version.isdecimal() else -1)
    if any(one.parent == comment.id for one in of.visible_comments):  # danger/danger-js#593
        raise refusal(409, "This comment has replies which must be deleted first.", "comment.CommentDeletionException")
    call.repository.delete_comment(comment.user, of, comment.id)
    return None, 204


# Build statuses. Here key and commit alone are a status' identity, and whoever writes one may write over another's.


def _commit_of_builds(call: _Call) -> str:
    if not call.server.builds_api:
        raise no_resource()
    return call.full_hash


def _key() -> str:
    if not request.args.get("key"):
        raise invalid("key", "The key has to be given")
    return request.args["key"]


def _put_status(call: _Call, commit: str, values: JSON) -> None:
    own = {name: values.get(name) for name in ("key", "url", "name", "description")}
    own["state"] = _CLOUD_STATES.get(values["state"], values["state"])
    own["refname"] = values["ref"].removeprefix("refs/heads/") if "ref" in values else None
    more: JSON = {name: values[name] for name in ("parent", "buildNumber", "duration", "testResults") if name in values}
    more |= {"state": "UNKNOWN"} if values["state"] == "UNKNOWN" else {}
    call.repository.put_server_status(call.user, commit, own, more)


def _create_status(call: _Call) -> _Result:
    commit = _commit_of_builds(call)
    _put_status(call, commit, read_status(call.server.states))
    return None, 204


def _get_status(call: _Call) -> _Result:
    commit, key = _commit_of_builds(call), _key()
    try:
        [found] = call.repository.status(commit, key)[-1:]
    except NotFoundError:
        raise _no_such("build.NoSuchBuildStatusException", f"Build status '{key}'") from None
    return _status_json(found), 200


def _delete_status(call: _Call) -> _Result:
    commit, key = _commit_of_builds(call), _key()
    if call.token.permission != "admin":
        raise not_permitted()
    try:
        call.repository.delete_status(commit, key)
    except NotFoundError:
        raise _no_such("build.NoSuchBuildStatusException", f"Build status '{key}'") from None
    return None, 204


def _any_commit(call: _Call) -> str:
    """The commit of older build statuses, which need not be of any repository."""
    text = str(call.path["commit_id"])
    if not re.fullmatch("[0-9a-f]{40}", text):
        raise invalid("commitId", "The commit ID has to be a full 40 character SHA1")
    return text


def _create_legacy_status(call: _Call) -> _Result:
    commit = _any_commit(call)
    _put_status(call, commit, read_legacy_status(call.server.states))
    return None, 204


def _list_legacy_statuses(call: _Call) -> _Result:
    order = _wanted("orderBy", ("NEWEST", "OLDEST", "STATUS"))
    found = call.repository.statuses_of_commit(_any_commit(call))
    found = sorted(found, key=lambda one: one.updated_on, reverse=True)[:_NEWEST]
    if order == "OLDEST":
        found.reverse()
    elif order == "STATUS":
        found.sort(key=lambda one: one.state)
    return call.page(map(_legacy_json, found)), 200


# Code Insights


def _list_reports(call: _Call) -> _Result:
    return call.page(map(_report_json, call.repository.reports_of_commit(call.commit_of_reports))), 200


def _get_report(call: _Call) -> _Result:
    return _report_json(call.report), 200


def _put_report(call: _Call) -> _Result:
    commit, key = call.commit_of_reports, call.path["key"]
    values = read_report(key)
    there = (one for one in call.repository.reports_of_commit(commit) if one.external_id == key)
    if any(one.user != call.user for one in there):
        raise not_permitted()
    return _report_json(call.repository.put_report(call.user, commit, key, values)), 200


def _delete_report(call: _Call) -> _Result:
    found = call.report
    if not call.owns(found.user):
        raise not_permitted()
    call.repository.delete_report(found.commit, found.external_id)
    return None, 204


def _list_annotations(call: _Call) -> _Result:
    report = call.report
    found = [annotation_json(report.external_id, one.values) for one in call.repository.annotations_of(report)]
    return {"totalCount": len(found), "annotations": found}, 200


def _add_annotations(call: _Call, report: Report, made: list[JSON], instead_of: str | None = None) -> None:
    kept = [one for one in call.repository.annotations_of(report) if one.external_id != instead_of]
    if len(kept) + len(made) > call.server.most_annotations:
        raise refusal(400, f"A report cannot have more than {call.server.most_annotations} annotations")
    call.repository.add_annotations(report, made, instead_of)


def _create_annotations(call: _Call) -> _Result:
    report = call.own_report
    _add_annotations(call, report, read_annotations())
    return None, 204


def _put_annotation(call: _Call) -> _Result:
    report, external_id = call.own_report, call.path["external_id"]
    _add_annotations(call, report, [read_annotation(external_id)], instead_of=external_id)
    return None, 204


def _delete_annotations(call: _Call) -> _Result:
    report = call.report
    if not call.owns(report.user):
        raise not_permitted()
    call.repository.drop_annotations(report, request.args.getlist("externalId") or None)
    return None, 204


_REPOSITORY = "/projects/<project_key>/repos/<repository_slug>"
_PULL_REQUEST = f"{_REPOSITORY}/pull-requests/<int:pull_request_id>"
_COMMENT = f"{_PULL_REQUEST}/comments/<int:comment_id>"
_COMMIT = f"{_REPOSITORY}/commits/<commit_id>"
_REPORT = f"{_COMMIT}/reports/<key>"
# API, method, path, what it does. Whatever is no GET is a write.
_OPERATIONS: tuple[tuple[str, str, str, Callable[[_Call], _Result]], ...] = (
    ("api", "GET", "/application-properties", _get_application_properties),
    ("api", "GET", f"{_REPOSITORY}/pull-requests", _list_pull_requests),
    ("api", "GET", _PULL_REQUEST, _get_pull_request),
    ("api", "GET", f"{_PULL_REQUEST}/activities", _list_activities),
    ("api", "GET", f"{_PULL_REQUEST}/comments", _list_comments),
    ("api", "POST", f"{_PULL_REQUEST}/comments", _create_comment),
    ("api", "GET", _COMMENT, _get_comment),
    ("api", "PUT", _COMMENT, _update_comment),
    ("api", "DELETE", _COMMENT, _delete_comment),
    ("api", "GET", _COMMIT, _get_commit),
    ("api", "GET", f"{_COMMIT}/pull-requests", _list_pull_requests_of_commit),
    ("api", "POST", f"{_COMMIT}/builds", _create_status),
    ("api", "GET", f"{_COMMIT}/builds", _get_status),
    ("api", "DELETE", f"{_COMMIT}/builds", _delete_status),
    ("build-status", "POST", "/commits/<commit_id>", _create_legacy_status),
    ("build-status", "GET", "/commits/<commit_id>", _list_legacy_statuses),
    ("insights", "GET", f"{_COMMIT}/reports", _list_reports),
    ("insights", "GET", _REPORT, _get_report),
    ("insights", "PUT", _REPORT, _put_report),
    ("insights", "DELETE", _REPORT, _delete_report),
    ("insights", "GET", f"{_REPORT}/annotations", _list_annotations),
    ("insights", "POST", f"{_REPORT}/annotations", _create_annotations),
    ("insights", "DELETE", f"{_REPORT}/annotations", _delete_annotations),
    ("insights", "PUT", f"{_REPORT}/annotations/<external_id>", _put_annotation),
)


# --- who asks ---------------------------------------------------------------------------------------------------------


_ANYBODY = HttpToken(User("", "", "user"), "", permission="read")


def _authenticate(state: State) -> HttpToken:
    """The token that the request carries: as Bearer, a user's also as the password that goes with the user's name."""
    sent = request.authorization
    if sent is None:
        raise not_permitted()  # whoever carries none may see what is public
    for token in state.http_tokens:
        if sent.type == "bearer" and sent.token == token.token:
            return token
        named = sent.type == "basic" and token.of_user and sent.username == _user_name(token.user)
        if named and sent.password == token.token:
            return token
    raise refusal(
        401,
        "Authentication failed. Please check your credentials and try again.",
        "auth.IncorrectPasswordAuthenticationException",
    )


def _check_write(token: HttpToken, server: Server) -> None:
    """Raise where no write may come through.

    A comment needs REPO_READ alone according to the OpenAPI file; the permissions of tokens, in Atlassian's
    documentation of them, let only one that may write do something to a pull request.
    """
    if request.headers.get("X-Atlassian-Token") != "no-check":
        raise ApiError(Answer(403, "XSRF check failed", "text/html;charset=UTF-8"))  # runatlantis/atlantis#465
    if token.permission == "read":
        raise not_permitted()
    text = json.dumps(request.get_json(silent=True), ensure_ascii=False)
    if not server.four_byte_characters and any(ord(letter) > 0xFFFF for letter in text):
        raise refusal(500, "A database error has occurred.", "DataStoreException")


def _respond(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers, content_type=answer.content_type)


def _find_repository(state: State, path: JSON) -> Repository:
    """The repository that the path names; for what is no repository's, one that has the commit, or any."""
    repositories = list(state.repositories.values())
    if "project_key" not in path:
        return next((one for one in repositories if path.get("commit_id") in one.commits), repositories[0])
    key, slug = path.pop("project_key"), path.pop("repository_slug")
    try:
        return state.repository_of_project(key, slug)
    except NotFoundError:
        if any(one.project_key.lower() == key.lower() for one in repositories):
            raise _no_such("repository.NoSuchRepositoryException", f"Repository {key}/{slug}") from None
        raise _no_such("project.NoSuchProjectException", f"Project {key}") from None


def _guarded(state: State, server: Server, operation: Callable[[_Call], _Result]) -> Callable[..., Response]:
    def view(**path: Any) -> Response:
        headers: dict[str, str] = {}
        try:
            if operation is _get_application_properties and "Authorization" not in request.headers:
                token = _ANYBODY
            else:
                token = _authenticate(state)
                headers["X-AUSERNAME"] = _user_name(token.user)
            if request.method != "GET":
                _check_write(token, server)
            repository = _find_repository(state, path)
            if state.lag is not None and request.method == "GET":
                repository = repository.before(state.lag(request.path))
            value, status = operation(_Call(server, token, repository, path))
            response = _respond(Answer(status, "" if value is None else json.dumps(value), CONTENT_TYPE))
        except ApiError as error:
            response = _respond(error.answer)
        response.headers.extend(headers)
        return response

    return view


def blueprint(state: State, server: Server) -> Blueprint:
    """Build the routes of the API, to be registered under the context path."""
    routes = Blueprint("data_center", __name__)
    for version in ("latest", "1.0"):
        for api, method, path, operation in _OPERATIONS:
            routes.add_url_rule(
                f"/rest/{api}/{version}{path}",
                endpoint=f"{operation.__name__}_{version.replace('.', '_')}",
                view_func=_guarded(state, server, operation),
                methods=[method],
                provide_automatic_options=False,
            )

    def unknown(path: str) -> Response:  # noqa: ARG001 - Flask passes it
        return _respond(no_resource().answer)

    routes.add_url_rule(
        "/rest/<path:path>", endpoint="unknown", view_func=unknown, methods=["GET", "POST", "PUT", "DELETE"]
    )
    return routes
