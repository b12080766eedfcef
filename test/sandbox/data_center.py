"""Bitbucket Data Center's REST API on the state, below a context path: paths, bodies, limits, error bodies.

The operations and their schemas are those of Atlassian's OpenAPI file for 9.4, which says of most rules below what they
are; where something else is followed it is named. Where nothing is known the narrow side is taken: every write has to
carry the header against XSRF, pages are small, and the numbers that they begin with are not to be counted up.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from flask import Blueprint, Response, request

from test.sandbox.bodies import ApiError
from test.sandbox.faults import Answer
from test.sandbox.state import MOST_ANNOTATIONS, Annotation, BuildStatus, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from test.sandbox.state import (
        Activity,
        Comment,
        Commit,
        HttpToken,
        PullRequest,
        Report,
        Repository,
        State,
        User,
    )

JSON = dict[str, Any]

CONTEXT = "/bitbucket"
_PAGE = 25
_STEP = 3  # what a page's start counts up by for each of its values
_CREATED = 201
_PACKAGE = "com.atlassian.bitbucket"
STATES = ("CANCELLED", "FAILED", "INPROGRESS", "SUCCESSFUL", "UNKNOWN")
# In Cloud's words, which the state and its page speak, and back.
_CLOUD_STATES = {"CANCELLED": "STOPPED", "UNKNOWN": "INPROGRESS"}
_CLOUD_RESULTS = {"PASS": "PASSED", "FAIL": "FAILED"}


@dataclass(slots=True)
class Server:
    """What kind of server it is. Each default is a new one that accepts everything.

    `page_cap` is the most values that a page has, whatever is asked for; without the `builds_api` it is older than
    7.14; without `four_byte_characters` its database is MySQL with `utf8` (renovatebot/renovate#6424); without
    `reports` Code Insights are absent; `states` are those of build statuses that it knows.
    """

    page_cap: int = 100
    builds_api: bool = True
    four_byte_characters: bool = True
    reports: bool = True
    most_annotations: int = MOST_ANNOTATIONS
    states: tuple[str, ...] = STATES


# --- errors -----------------------------------------------------------------------------------------------------------


def refusal(
    status: int, message: str, exception: str | None = None, context: str | None = None, **more: Any
) -> ApiError:
    """An error in Data Center's shape."""
    name = exception and f"{_PACKAGE}.{exception}"
    error = {"context": context, "message": message, "exceptionName": name, **more}
    return ApiError(Answer(status, json.dumps({"errors": [error]}), "application/json;charset=UTF-8"))


def _not_permitted() -> ApiError:
    return refusal(401, "You are not permitted to access this resource", "AuthorisationException")


def _no_such(what: str, name: object) -> ApiError:
    words = {"PullRequest": f"Pull request {name} does not exist", "Repository": f"Repository {name} does not exist."}
    return refusal(404, words.get(what, f"{what} '{name}' does not exist."), f"NoSuch{what}Exception")


def _invalid(name: str, message: str) -> ApiError:
    return refusal(400, message, context=name)


# --- bodies -----------------------------------------------------------------------------------------------------------


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _body(keys: dict[str, type | tuple[type, ...]], needed: Iterable[str] = ()) -> JSON:
    """The request's body, an object of these keys and no others; raises ApiError."""
    value: Any = request.get_json(silent=True)
    return _checked(value, keys, needed)


def _checked(value: Any, keys: dict[str, type | tuple[type, ...]], needed: Iterable[str] = ()) -> JSON:
    if not isinstance(value, dict):
        raise refusal(400, "The request body could not be read")
    for name, found in value.items():
        if name not in keys:
            raise _invalid(name, f'Unrecognized field "{name}"')
        if not isinstance(found, keys[name]) or (isinstance(found, bool) and keys[name] is not bool):
            raise _invalid(name, f"{name} is of another type")
    for name in needed:
        if name not in value:
            raise _invalid(name, f"{name} is required")
    return value


def _limit(values: JSON, limits: dict[str, int]) -> None:
    for name, most in limits.items():
        if _units(values.get(name) or "") > most:
            raise _invalid(name, f"Please enter a value less than {most + 1} characters")


def _web_address(values: JSON, name: str) -> None:
    if name in values and (not re.match("https?://.", values[name]) or not urlsplit(values[name]).hostname):
        raise _invalid(name, f"{name} is no valid http or https address")


def _text_of_comment(values: JSON) -> str:
    """A comment's text; the words of its limit are those of jfrog/frogbot#647."""
    text = values.get("text", "")
    if not text.strip() or _units(text) >= 32768:
        raise _invalid("text", "Please enter a non-empty value less than 32768 characters")
    return str(text)


# --- resources as JSON ------------------------------------------------------------------------------------------------


def _time(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _user_json(user: User) -> JSON:
    name = re.sub("[^a-z0-9]+", "-", user.display_name.lower())
    return {"id": int(user.uuid[1:8], 16), "name": name, "slug": name, "displayName": user.display_name, "active": True}


def _project(key: str) -> JSON:
    return {"key": key, "name": key, "type": "PERSONAL" if key.startswith("~") else "NORMAL"}


def _home(repository: Repository) -> str:
    key = repository.workspace.upper() if not repository.workspace.startswith("~") else repository.workspace
    return f"{request.host_url.rstrip('/')}{CONTEXT}/projects/{quote(key)}/repos/{repository.slug}"


def _ref(repository: Repository, branch: str, commit: str) -> JSON:
    return {
        "id": f"refs/heads/{branch}",
        "displayId": branch,
        "latestCommit": commit,
        "repository": {"slug": repository.slug, "project": _project(repository.workspace.upper())},
    }


def _pull_request_json(repository: Repository, one: PullRequest) -> JSON:
    return {
        "id": one.id,
        "version": 0,
        "title": one.title,
        "description": one.description,
        "state": one.state,
        "open": one.state == "OPEN",
        "closed": one.state != "OPEN",
        "createdDate": _time(one.created_on),
        "updatedDate": _time(one.updated_on),
        "fromRef": _ref(repository, one.source_branch, one.source_commit),
        "toRef": _ref(repository, one.destination_branch, one.destination_commit),
        "author": {"user": _user_json(one.author), "role": "AUTHOR"},
        "links": {"self": [{"href": f"{_home(repository)}/pull-requests/{one.id}"}]},
    }


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


def _activity_json(of: PullRequest, activity: Activity) -> JSON:
    value: JSON = {
        "id": activity.id,
        "createdDate": _time(activity.date),
        "user": _user_json(activity.user),
        "action": activity.action,
    }
    if activity.comment is not None:
        comment = of.comments[activity.comment]
        value |= {"commentAction": "ADDED", "comment": _comment_json(of, comment)}
        if comment.inline is not None:
            value["commentAnchor"] = {"path": comment.inline["path"], "line": comment.inline.get("to", 0)}
    return value


def _commit_json(commit: Commit) -> JSON:
    return {
        "id": commit.hash,
        "displayId": commit.hash[:11],
        "message": commit.message,
        "author": {"name": commit.author.display_name},
        "authorTimestamp": _time(commit.date),
        "parents": [{"id": commit.parent, "displayId": commit.parent[:11]}] if commit.parent else [],
    }


def _status_json(status: BuildStatus) -> JSON:
    words = {cloud: word for word, cloud in _CLOUD_STATES.items() if word == "CANCELLED"}
    value = {
        "key": status.key,
        "state": words.get(status.state, status.state),
        "url": status.url,
        "name": status.name,
        "description": status.description,
        "createdDate": _time(status.created_on),
        "updatedDate": _time(status.updated_on),
        "ref": status.refname and f"refs/heads/{status.refname}",
        **status.more,
    }
    return {name: part for name, part in value.items() if part is not None}


def _legacy_json(status: BuildStatus) -> JSON:
    value = {name: part for name, part in _status_json(status).items() if name in _LEGACY_KEYS}
    return {**value, "dateAdded": _time(status.updated_on)}


def _report_json(report: Report) -> JSON:
    words = {cloud: word for word, cloud in _CLOUD_RESULTS.items()}
    value = {**report.values, "key": report.external_id, "createdDate": _time(report.created_on)}
    result = words.get(value.pop("result", ""))
    return {**value, "result": result} if result else value


def _annotation_json(report: Report, annotation: Annotation) -> JSON:
    values = annotation.values
    made = {
        "reportKey": report.external_id,
        "message": values["summary"],
        "severity": values["severity"],
        "type": values.get("annotation_type"),
        **{name: values.get(name) for name in ("path", "line", "link")},
        "externalId": values.get("external_id"),
    }
    return {name: part for name, part in made.items() if part is not None}


def _page(items: Iterable[JSON], cap: int) -> JSON:
    """One page: never more than the server's cap, and the next one's start is what the server says alone."""
    try:
        start, limit = int(request.args.get("start", 0)), int(request.args.get("limit", _PAGE))
    except ValueError:
        raise refusal(400, "start and limit have to be numbers") from None
    if start < 0 or limit < 1:
        raise refusal(400, "start and limit have to be positive")
    values = list(items)
    at, limit = start // _STEP, min(limit, cap)
    page: JSON = {"values": values[at : at + limit], "start": start, "limit": limit}
    page |= {"size": len(page["values"]), "isLastPage": at + limit >= len(values)}
    if not page["isLastPage"]:
        page["nextPageStart"] = _STEP * (at + limit)
    return page


# --- operations: each gives the body and its status, or raises --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Call:
    """One authenticated request: who asks, for what, with which rest of the path, on which kind of server."""

    server: Server
    token: HttpToken
    repository: Repository
    path: JSON = field(default_factory=dict)

    @property
    def user(self) -> User:
        return self.token.user

    @property
    def pull_request(self) -> PullRequest:
        try:
            return self.repository.pull_request(self.path["pull_request_id"])
        except NotFoundError:
            raise _no_such("PullRequest", self.path["pull_request_id"]) from None

    @property
    def commit(self) -> Commit:
        text = self.path["commit_id"]
        try:
            return self.repository.commits[text] if len(text) == 40 else self.repository.commit_by_prefix(text)
        except (KeyError, NotFoundError):
            raise _no_such("Commit", text) from None

    def page(self, items: Iterable[JSON]) -> JSON:
        return _page(items, self.server.page_cap)


_Result = tuple[JSON | None, int]


def _get_pull_request(call: _Call) -> _Result:
    return _pull_request_json(call.repository, call.pull_request), 200


def _list_pull_requests(call: _Call) -> _Result:
    outgoing = request.args.get("direction", "INCOMING") == "OUTGOING"
    at, state = request.args.get("at"), request.args.get("state", "OPEN")
    if at is not None and not at.startswith("refs/"):
        raise _invalid("at", "at has to be a fully-qualified branch")
    found = sorted(call.repository.pull_requests.values(), key=lambda one: one.created_on, reverse=True)
    return call.page(
        _pull_request_json(call.repository, one)
        for one in found
        if state in ("ALL", one.state)
        and at in (None, f"refs/heads/{one.source_branch if outgoing else one.destination_branch}")
    ), 200


def _list_pull_requests_of_commit(call: _Call) -> _Result:
    commit = call.commit.hash
    found = call.repository.pull_requests.values()
    return call.page(_pull_request_json(call.repository, one) for one in found if one.source_commit == commit), 200


def _list_activities(call: _Call) -> _Result:
    of = call.pull_request
    there = {None, *(comment.id for comment in of.visible_comments)}
    return call.page(_activity_json(of, one) for one in reversed(of.activities) if one.comment in there), 200


def _list_comments(call: _Call) -> _Result:
    if "path" not in request.args:
        raise refusal(400, "A path must be supplied")
    of = call.pull_request
    path = request.args["path"]
    inline = (one for one in of.visible_comments if one.inline and one.inline["path"] == path)
    return call.page(_comment_json(of, one) for one in inline), 200


def _comment(call: _Call) -> Comment:
    number = call.path["comment_id"]
    found = call.pull_request.comments.get(number)
    if found is None or found.deleted:
        raise refusal(404, f"Comment {number} does not exist.", "comment.NoSuchCommentException")
    return found


def _get_comment(call: _Call) -> _Result:
    return _comment_json(call.pull_request, _comment(call)), 200


def _create_comment(call: _Call) -> _Result:
    of = call.pull_request
    values = _body({"text": str, "parent": dict, "severity": str, "state": str, "anchor": dict})
    text, parent = _text_of_comment(values), values.get("parent", {}).get("id")
    inline = {"path": values["anchor"]["path"], "to": values["anchor"].get("line")} if "anchor" in values else None
    made = call.repository.add_comment(call.user, of, text, inline=inline, parent=parent)
    return _comment_json(of, made), _CREATED


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
    comment = _comment(call)
    values = _body({"text": str, "version": int, "severity": str, "state": str})
    if "text" in values and comment.user != call.user:
        raise _not_permitted()
    text = _text_of_comment(values)
    _check_version(comment, values.get("version", -1))
    call.repository.edit_comment(call.user, call.pull_request, comment.id, text)
    return _comment_json(call.pull_request, comment), 200


def _delete_comment(call: _Call) -> _Result:
    comment, of = _comment(call), call.pull_request
    if comment.user != call.user:
        raise _not_permitted()
    version = request.args.get("version", "-1")
    _check_version(comment, int(version) if re.fullmatch("-?[0-9]+", version) else -1)
    if any(one.parent == comment.id for one in of.visible_comments):
        raise refusal(409, "The comment has replies and cannot be deleted.", "comment.CommentDeletionException")
    call.repository.delete_comment(call.user, of, comment.id)
    return None, 204


def _get_commit(call: _Call) -> _Result:
    return _commit_json(call.commit), 200


# --- build statuses ---------------------------------------------------------------------------------------------------

_LEGACY_KEYS = dict.fromkeys(("state", "key", "name", "url", "description"), str)
_STATUS_KEYS: dict[str, type | tuple[type, ...]] = {
    **_LEGACY_KEYS,
    **dict.fromkeys(("buildNumber", "parent", "ref"), str),
    **dict.fromkeys(("dateAdded", "duration", "lastUpdated"), int),
    "testResults": dict,
}


def _put_status(call: _Call, commit: str, values: JSON) -> None:
    """Write a status over the one of that key: here key and commit alone are its identity, and anybody may."""
    more: JSON = {name: values[name] for name in ("parent", "buildNumber", "duration", "testResults") if name in values}
    ref = values.get("ref", "")
    own = {
        "key": values["key"],
        "state": _CLOUD_STATES.get(values["state"], values["state"]),
        "url": values["url"],
        "name": values.get("name"),
        "description": values.get("description"),
        "refname": ref.removeprefix("refs/heads/") or None,
    }
    call.repository.put_server_status(call.user, commit, own, more)


def _check_status(call: _Call, values: JSON, limits: dict[str, int], states: Iterable[str]) -> None:
    _limit(values, limits)
    _web_address(values, "url")
    if values["state"] not in states or values["state"] not in call.server.states:
        raise _invalid("state", f"'{values['state']}' is not a valid build state")
    for name in ("key", "url"):
        if not values[name]:
            raise _invalid(name, f"{name} must not be empty")


def _builds(call: _Call) -> str:
    if not call.server.builds_api:
        raise ApiError(Answer(404, "", "text/html;charset=UTF-8"))
    return call.commit.hash


def _create_status(call: _Call) -> _Result:
    commit = _builds(call)
    values = _body(_STATUS_KEYS, ("key", "state", "url"))
    _check_status(call, values, {"key": 255, "name": 255, "url": 450, "parent": 1024, "ref": 1024}, STATES)
    if "ref" in values and not values["ref"].startswith("refs/"):
        raise _invalid("ref", "The ref must start with refs/")
    if "testResults" in values:
        _checked(values["testResults"], dict.fromkeys(("failed", "skipped", "successful"), int))
    _put_status(call, commit, values)
    return None, 204


def _get_status(call: _Call) -> _Result:
    commit = _builds(call)
    if "key" not in request.args:
        raise _invalid("key", "key is required")
    found = [one for one in call.repository.statuses_of_commit(commit) if one.key == request.args["key"]]
    if not found:
        raise refusal(404, "The build status does not exist", "NoSuchBuildStatusException")
    return _status_json(found[0]), 200


def _legacy_commit(call: _Call) -> str:
    text = str(call.path["commit_id"])
    if not re.fullmatch("[0-9a-f]{40}", text):
        raise refusal(400, "The commit ID must be a full 40 characters SHA1")
    return text


def _create_legacy_status(call: _Call) -> _Result:
    commit = _legacy_commit(call)
    values = _body({**_LEGACY_KEYS, "dateAdded": int}, ("key", "state", "url"))
    limits = {**dict.fromkeys(("state", "key", "name", "description"), 255), "url": 450}
    _check_status(call, values, limits, ("SUCCESSFUL", "FAILED", "INPROGRESS"))
    _put_status(call, commit, values)
    return None, 204


def _list_legacy_statuses(call: _Call) -> _Result:
    found = call.repository.statuses_of_commit(_legacy_commit(call))
    newest = sorted(found, key=lambda one: one.updated_on, reverse=True)[:100]
    return call.page(map(_legacy_json, newest)), 200


# --- Code Insights ----------------------------------------------------------------------------------------------------

_DATA_TYPES = ("BOOLEAN", "DATE", "DURATION", "LINK", "NUMBER", "PERCENTAGE", "TEXT")
_REPORT_KEYS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("title", "details", "result", "reporter", "link", "logoUrl", "coverageProviderKey"), str),
    "createdDate": int,
    "data": list,
}
_ANNOTATION_KEYS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("externalId", "link", "message", "path", "severity", "type"), str),
    "line": int,
}


def _commit_of_reports(call: _Call) -> str:
    if not call.server.reports:
        raise ApiError(Answer(404, "", "text/html;charset=UTF-8"))
    if call.user in call.repository.reports_refused:
        raise _not_permitted()
    return call.commit.hash


def _report(call: _Call, *, own: bool = False) -> Report:
    try:
        found = call.repository.report(_commit_of_reports(call), call.path["key"])
    except NotFoundError:
        raise _no_such("Report", call.path["key"]) from None
    if own and found.user != call.user:
        raise _not_permitted()
    return found


def _list_reports(call: _Call) -> _Result:
    return call.page(map(_report_json, call.repository.reports_of_commit(_commit_of_reports(call)))), 200


def _get_report(call: _Call) -> _Result:
    return _report_json(_report(call)), 200


def _put_report(call: _Call) -> _Result:
    commit, key = _commit_of_reports(call), call.path["key"]
    values = _body(_REPORT_KEYS, ("title", "data"))
    _limit({**values, "key": key}, {"title": 450, "details": 2000, "reporter": 450, "key": 450})
    if not values["title"]:
        raise _invalid("title", "The report needs a title")
    if values.get("result", "PASS") not in _CLOUD_RESULTS:
        raise _invalid("result", "result is one of PASS, FAIL")
    if len(values["data"]) > 6:
        raise _invalid("data", "A report has at most 6 data fields")
    for one in values["data"]:
        _checked(one, {"title": str, "type": str, "value": object}, ("title", "value"))
        if one.get("type", "TEXT") not in _DATA_TYPES:
            raise _invalid("data", f"{one['type']} is no type of data")
    _web_address(values, "link")
    _web_address(values, "logoUrl")
    there = next((one for one in call.repository.reports_of_commit(commit) if one.external_id == key), None)
    if there and there.user != call.user:
        raise _not_permitted()
    stored = {**values, "result": _CLOUD_RESULTS.get(values.get("result", ""), "PENDING")}
    return _report_json(call.repository.put_report(call.user, commit, key, stored)), 200


def _delete_report(call: _Call) -> _Result:
    found = _report(call, own=True)
    call.repository.delete_report(found.commit, found.external_id)
    return None, 204


def _list_annotations(call: _Call) -> _Result:
    report = _report(call)
    found = call.repository.annotations_of(report)
    return {"totalCount": len(found), "annotations": [_annotation_json(report, one) for one in found]}, 200


def _create_annotations(call: _Call) -> _Result:
    report = _report(call, own=True)
    values = _body({"annotations": list}, ("annotations",))["annotations"]
    if not values:
        raise _invalid("annotations", "There has to be an annotation")
    made = []
    for one in values:
        _checked(one, _ANNOTATION_KEYS, ("message", "severity"))
        _limit(one, {"externalId": 449, "message": 2000})
        if one["severity"] not in ("LOW", "MEDIUM", "HIGH"):
            raise _invalid("severity", "severity is one of LOW, MEDIUM, HIGH")
        if one.get("type", "BUG") not in ("VULNERABILITY", "CODE_SMELL", "BUG"):
            raise _invalid("type", "type is one of VULNERABILITY, CODE_SMELL, BUG")
        if one.get("line", 0) < 0 or not one["message"]:
            raise _invalid("line", "line has to be positive, and message not empty")
        _web_address(one, "link")
        kept = {name: one[name] for name in ("path", "line", "link", "severity") if name in one}
        kept |= {"summary": one["message"], "annotation_type": one.get("type"), "external_id": one.get("externalId")}
        made.append(kept)
    there = len(call.repository.annotations_of(report))
    if there + len(made) > call.server.most_annotations:
        raise refusal(400, f"A report cannot have more than {call.server.most_annotations} annotations")
    call.repository.add_annotations(report, made)
    return None, 204


def _delete_annotations(call: _Call) -> _Result:
    report = _report(call, own=True)
    wanted = request.args.getlist("externalId")
    call.repository.drop_annotations(report, set(wanted) if wanted else None)
    return None, 204


_PULL_REQUEST = "/pull-requests/<int:pull_request_id>"
_COMMENT = f"{_PULL_REQUEST}/comments/<int:comment_id>"
_COMMIT = "/commits/<commit_id>"
_REPORT = f"{_COMMIT}/reports/<key>"
_REPOSITORY = "/projects/<project_key>/repos/<repository_slug>"
# API, method, path, what it does. Whatever is no GET is a write.
_OPERATIONS: tuple[tuple[str, str, str, Callable[[_Call], _Result]], ...] = (
    ("api", "GET", "/pull-requests", _list_pull_requests),
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
    ("insights", "GET", f"{_COMMIT}/reports", _list_reports),
    ("insights", "GET", _REPORT, _get_report),
    ("insights", "PUT", _REPORT, _put_report),
    ("insights", "DELETE", _REPORT, _delete_report),
    ("insights", "GET", f"{_REPORT}/annotations", _list_annotations),
    ("insights", "POST", f"{_REPORT}/annotations", _create_annotations),
    ("insights", "DELETE", f"{_REPORT}/annotations", _delete_annotations),
)


# --- who asks ---------------------------------------------------------------------------------------------------------


def _authenticate(state: State) -> HttpToken:
    """The token that the request carries: as Bearer, a user's also as the password of Basic."""
    sent = request.authorization
    bearer = sent is not None and sent.type == "bearer"
    given = None if sent is None else sent.token if bearer else sent.password
    for token in state.http_tokens:
        if given and token.token == given and (bearer or token.of_user):
            return token
    raise refusal(
        401,
        "Authentication failed. Please check your credentials and try again.",
        "auth.IncorrectPasswordAuthenticationException",
    )


def _check_write(token: HttpToken, server: Server) -> None:
    if request.method == "GET":
        return
    if request.headers.get("X-Atlassian-Token") != "no-check":
        raise ApiError(Answer(403, "XSRF check failed", "text/html;charset=UTF-8"))  # runatlantis/atlantis#465
    if not token.may_write:
        raise _not_permitted()
    text = json.dumps(request.get_json(silent=True), ensure_ascii=False)
    if not server.four_byte_characters and any(ord(letter) > 0xFFFF for letter in text):
        raise refusal(500, "A database error has occurred.", "dmz.exceptions.DataStoreException")


def _respond(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers, content_type=answer.content_type)


def _repository(state: State, project: str, slug: str) -> Repository:
    """The repository; a project's key is written in capitals and found in any."""
    for found in state.repositories.values():
        if (found.workspace.lower(), found.slug.lower()) == (project.lower(), slug.lower()):
            return found
    raise _no_such("Repository", f"{project}/{slug}")


def _guarded(state: State, server: Server, operation: Callable[[_Call], _Result]) -> Callable[..., Response]:
    def view(project_key: str | None = None, repository_slug: str | None = None, **path: Any) -> Response:
        headers: dict[str, str] = {}
        try:
            token = _authenticate(state)
            headers["X-AUSERNAME"] = _user_json(token.user)["name"]
            _check_write(token, server)
            if project_key is None or repository_slug is None:  # the older build statuses are no repository's
                repository = next(iter(state.repositories.values()))
            else:
                repository = _repository(state, project_key, repository_slug)
            if state.lag is not None and request.method == "GET":
                repository = repository.before(state.lag(request.path))
            value, status = operation(_Call(server, token, repository, path))
            body = "" if value is None else json.dumps(value)
            response = _respond(Answer(status, body, "application/json;charset=UTF-8"))
        except ApiError as error:
            response = _respond(error.answer)
        response.headers.extend(headers)
        return response

    return view


def blueprint(state: State, server: Server) -> Blueprint:
    """Build the routes of the API, to be registered under the context path."""
    routes = Blueprint("data_center", __name__)

    def add(rule: str, method: str, operation: Callable[[_Call], _Result], version: str) -> None:
        routes.add_url_rule(
            rule,
            endpoint=f"{operation.__name__}_{version.replace('.', '_')}",
            view_func=_guarded(state, server, operation),
            methods=[method],
            provide_automatic_options=False,
        )

    for version in ("latest", "1.0"):
        for api, method, path, operation in _OPERATIONS:
            add(f"/rest/{api}/{version}{_REPOSITORY}{path}", method, operation, version)
        legacy = f"/rest/build-status/{version}/commits/<commit_id>"
        add(legacy, "POST", _create_legacy_status, version)
        add(legacy, "GET", _list_legacy_statuses, version)

    def unknown(path: str) -> Response:  # noqa: ARG001 - Flask passes it
        return _respond(Answer(404, "<html><body>null for uri</body></html>", "text/html;charset=UTF-8"))

    routes.add_url_rule(
        "/rest/<path:path>", endpoint="unknown", view_func=unknown, methods=["GET", "POST", "PUT", "DELETE"]
    )
    return routes
