"""Bitbucket Cloud's REST API 2.0 on the state: paths, bodies, limits, error bodies.

The operations and their schemas are those of Atlassian's OpenAPI file; what is refused, and in which words, follows
recorded answers of the live API, named where they are used. Where nothing is recorded the narrow side is taken:
abbreviated hashes work for `GET commit/{commit}` alone, page numbers are opaque, and nothing is promised that the
documentation does not promise (`size`, `page`). A client that gets along with this gets along with more.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from flask import Blueprint, Response, request

from test.sandbox.faults import Answer, not_found_page, server_error
from test.sandbox.markup import render
from test.sandbox.state import AmbiguousError, CommitIndex, ForbiddenError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from test.sandbox.state import (
        BuildStatus,
        Comment,
        Commit,
        Credential,
        PullRequest,
        Report,
        Repository,
        State,
        User,
    )

JSON = dict[str, Any]

_PULL_REQUEST_STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")
_STATUS_STATES = ("FAILED", "INPROGRESS", "STOPPED", "SUCCESSFUL")
_REPORT_CHOICES = {"report_type": ("SECURITY", "COVERAGE", "TEST", "BUG"), "result": ("PASSED", "FAILED", "PENDING")}
_MOST_DATA = 10
# Classic scopes contain others; those of API tokens contain none.
_CONTAINED = {
    "pullrequest": ("repository",),
    "repository:write": ("repository",),
    "pullrequest:write": ("pullrequest", "repository:write", "repository"),
}
_CREATED = 201


class _ApiError(Exception):
    """An answer other than the asked one, as `Response` takes it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def _error(status: int, message: str, **more: object) -> _ApiError:
    body = {"type": "error", "error": {"message": message, **more}}
    return _ApiError(Answer(status, json.dumps(body), "application/json"))


@dataclass(frozen=True, slots=True)
class _Call:
    """One authenticated request: who asks, for what, with which rest of the path."""

    credential: Credential
    repository: Repository
    path: JSON = field(default_factory=dict)

    @property
    def user(self) -> User:
        return self.credential.user

    @property
    def pull_request(self) -> PullRequest:
        return self.repository.pull_request(self.path["pull_request_id"])

    @property
    def commit(self) -> Commit:
        return self.repository.commit(self.path["commit"])


# ---------------------------------------------------------------------------------------------------------------------
# Request bodies
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Key:
    """What a body may hold under a key: a type, or a table of keys again."""

    kind: type | tuple[type, ...] | dict[str, _Key]
    required: bool = False


_LINE = _Key(int)
_NEW_COMMENT = {
    "content": _Key({"raw": _Key(str, required=True)}, required=True),
    "inline": _Key(
        {"path": _Key(str, required=True), "from": _LINE, "to": _LINE, "start_from": _LINE, "start_to": _LINE}
    ),
    "parent": _Key({"id": _Key(int, required=True)}),
}
_COMMENT_UPDATE = {"content": _NEW_COMMENT["content"]}
_STATUS_KEYS = ("key", "state", "url", "name", "description", "refname")
_NEW_STATUS = {name: _Key(str, required=name in ("key", "state", "url")) for name in _STATUS_KEYS}
_STATUS_UPDATE = {name: _Key(str) for name in _STATUS_KEYS}
_NUMBER = (int, float)
_REPORT_LINKS = ("link", "logo_url")
# What the server makes up itself (uuid, external_id, the times) is refused, as in other bodies.
_REPORT = {
    "title": _Key(str, required=True),
    **{name: _Key(str) for name in ("details", "reporter", *_REPORT_CHOICES, *_REPORT_LINKS)},
    "remote_link_enabled": _Key(bool),
    "data": _Key(list),
}
_DATUM = {"title": _Key(str, required=True), "type": _Key(str), "value": _Key(object, required=True)}
# Each type of a report's data and what its value has to be.
_DATUM_VALUES: dict[str | None, type | tuple[type, ...] | dict[str, _Key]] = {
    None: (str, bool, *_NUMBER),
    "BOOLEAN": bool,
    "LINK": {"text": _Key(str, required=True), "href": _Key(str, required=True)},
    "TEXT": str,
    **dict.fromkeys(("DATE", "DURATION", "NUMBER", "PERCENTAGE"), _NUMBER),
}


def _is_a(value: object, kind: type | tuple[type, ...]) -> bool:
    """Whether JSON's value is of that kind; true and false are no numbers there."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if isinstance(value, bool):
        return bool in kinds or object in kinds
    return isinstance(value, kind) and not (isinstance(value, float) and not math.isfinite(value))


def _problems(value: object, kind: type | tuple[type, ...] | dict[str, _Key]) -> Iterable[tuple[str, str]]:
    """Where the value is not as the table says (dotted path, message), in the words of jenkins-x/jx#3076."""
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            yield "", "expected a dictionary"
            return
        for name in value:
            if name not in kind:
                yield name, "extra keys not allowed"
        for name, key in kind.items():
            if name in value:
                for path, message in _problems(value[name], key.kind):
                    yield f"{name}.{path}" if path else name, message
            elif key.required:
                yield name, "required key not provided"
    elif not _is_a(value, kind):
        yield "", f"expected {' or '.join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))}"


def _body(table: dict[str, _Key]) -> JSON:
    value: Any = request.get_json(silent=True)
    fields = dict(_problems(value, table))
    if fields:
        raise _error(400, "Bad request", fields=fields)
    return dict(value)


def _too_long(values: JSON, limits: dict[str, int]) -> dict[str, list[str]]:
    """Say which texts are longer than their limit, in the words of buildbot#7049."""
    return {
        name: [f"Ensure this value has at most {most} characters (it has {len(values[name])})."]
        for name, most in limits.items()
        if len(values.get(name, "")) > most
    }


def _no_choice(value: object) -> list[str]:
    return [f"Select a valid choice. {value} is not one of the available choices."]


def _refuse(fields: dict[str, list[str]]) -> None:
    """Raise where a field is wrong."""
    if fields:
        message = ", ".join(f"{name}: {texts[0]}" for name, texts in fields.items())
        raise _error(400, message, fields=fields)


def _check_status(values: JSON) -> None:
    """Hold a build status to its limits."""
    fields = _too_long(values, {"key": 40, "name": 255, "url": 450})
    for name in ("key", "url"):
        if values.get(name) == "":
            fields[name] = ["This field is required."]
    if values.get("state", _STATUS_STATES[0]) not in _STATUS_STATES:
        fields["state"] = _no_choice(values["state"])
    if "url" not in fields and not re.match("https?://.", values.get("url", "https://x")):
        fields["url"] = ["Enter a valid URL."]
    _refuse(fields)


def _is_report_link(url: str) -> bool:
    """Whether a report may link there: a web address, and not on `localhost` (mc1arke's plugin for SonarQube)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = (parts.hostname or "").rstrip(".")
    return parts.scheme in ("http", "https") and host not in ("", "localhost") and not re.search(r"\s", url)


def _datum_problems(datum: object) -> Iterator[tuple[str, str]]:
    """Where one of a report's data is not as the OpenAPI file's table says (dotted path, message)."""
    problems = list(_problems(datum, _DATUM))
    if problems or not isinstance(datum, dict):
        yield from problems
        return
    kind, value = datum.get("type"), datum["value"]
    if kind not in _DATUM_VALUES:
        yield "type", _no_choice(kind)[0]
        return
    problems = list(_problems(value, _DATUM_VALUES[kind]))
    yield from ((f"value.{path}" if path else "value", message) for path, message in problems)
    if problems:
        return
    if kind == "PERCENTAGE" and not 0 <= value <= 100:
        yield "value", "Ensure this value is between 0 and 100."
    if kind == "LINK" and not _is_report_link(value["href"]):
        yield "value.href", "Enter a valid URL."


def _check_report(report_id: str, values: JSON) -> None:
    """Hold a report to its limits.

    Of lengths the file says nothing: those of title, reporter and key are Data Center's and those of annotations.
    """
    fields = _too_long({**values, "external_id": report_id}, dict.fromkeys(("title", "reporter", "external_id"), 450))
    fields |= _too_long(values, {"details": 2000})
    if not values["title"]:
        fields["title"] = ["This field is required."]
    for name, choices in _REPORT_CHOICES.items():
        if name in values and values[name] not in choices:
            fields[name] = _no_choice(values[name])
    for name in _REPORT_LINKS:
        if name in values and not _is_report_link(values[name]):
            fields[name] = ["Enter a valid URL."]
    data = values.get("data", [])
    if len(data) > _MOST_DATA:
        fields["data"] = [f"Ensure this field has no more than {_MOST_DATA} elements."]
    for number, datum in enumerate(data):
        for path, message in _datum_problems(datum):
            fields[f"data.{number}.{path}".rstrip(".")] = [message]
    _refuse(fields)


# ---------------------------------------------------------------------------------------------------------------------
# Lists
# ---------------------------------------------------------------------------------------------------------------------

_TERM = re.compile(r'\s*([\w.]+)\s*(!=|=|~)\s*("(?:[^"\\]|\\.)*"|true|false|null|-?\d+)\s*')


def _lookup(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _query_filter(text: str) -> Callable[[JSON], bool]:
    """`q`, as far as clients of this API need it: comparisons with =, !=, ~ (contains), joined by AND."""
    terms = []
    for part in re.split(r"\bAND\b", text):
        term = _TERM.fullmatch(part)
        if term is None:
            raise _error(400, "Invalid query", detail=f"Cannot read {part.strip()!r}")
        terms.append((term[1], term[2], json.loads(term[3])))

    def matches(item: JSON) -> bool:
        for path, operator, wanted in terms:
            found = _lookup(item, path)
            holds = str(wanted).lower() in str(found).lower() if operator == "~" else found == wanted
            if holds == (operator == "!="):
                return False
        return True

    return matches


def _number(name: str, default: int, most: int, message: str) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise _error(400, message)
    return int(text)


def _offset(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token).removeprefix(b"offset:")) if token else 0
    except (binascii.Error, ValueError):
        raise _error(400, "Invalid page") from None


def _next(page: str) -> str:
    rest = [(name, value) for name, value in request.args.items(multi=True) if name != "page"]
    return f"{request.base_url}?{urlencode([*rest, ('page', page)])}"


def _values(items: Iterable[JSON]) -> list[JSON]:
    """Give the items that `q` leaves, in the order of `sort`."""
    values = list(items)
    if "q" in request.args:
        values = list(filter(_query_filter(request.args["q"]), values))
    if "sort" in request.args:
        path = request.args["sort"]
        values.sort(key=lambda item: str(_lookup(item, path.removeprefix("-"))), reverse=path.startswith("-"))
    return values


def _paginated(items: Iterable[JSON], most: int = 100) -> JSON:
    """One page of the items that `q` leaves, in the order of `sort`; `next` is an address to take as it is."""
    pagelen = _number("pagelen", 10, most, "Invalid pagelen")
    values = _values(items)
    start = _offset(request.args.get("page"))
    page: JSON = {"values": values[start : start + pagelen], "pagelen": pagelen}
    if start + pagelen < len(values):
        page["next"] = _next(base64.urlsafe_b64encode(f"offset:{start + pagelen}".encode()).decode())
    return page


def _only(value: Any, paths: list[list[str]]) -> Any:
    """Keep the named parts alone; lists are passed through."""
    if isinstance(value, list):
        return [_only(item, paths) for item in value]
    if not isinstance(value, dict) or [] in paths or ["*"] in paths:
        return value
    rests = {name: [path[1:] for path in paths if path[0] == name] for name in value}
    return {name: _only(part, rests[name]) for name, part in value.items() if rests[name]}


def _partial(value: JSON) -> JSON:
    """Apply `fields`; of the forms with a sign (add, leave out) only plain names matter here."""
    names = [name for name in request.args.get("fields", "").split(",") if name and name[0] not in "+-"]
    return _only(value, [name.split(".") for name in names]) if names else value


# ---------------------------------------------------------------------------------------------------------------------
# Resources as JSON
# ---------------------------------------------------------------------------------------------------------------------


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _api(repository: Repository, *path: object) -> str:
    parts = "/".join(quote(str(part), safe="") for part in path)
    return f"{request.host_url}2.0/repositories/{repository.full_name}/{parts}".rstrip("/")


def _web(repository: Repository, path: str = "") -> str:
    return f"{request.host_url}{repository.full_name}{path}"


def _links(own: str, page: str) -> JSON:
    return {"self": {"href": own}, "html": {"href": page}}


def _user_json(user: User) -> JSON:
    return {"type": user.type, "uuid": user.uuid, "display_name": user.display_name}


def _repository_json(repository: Repository) -> JSON:
    return {
        "type": "repository",
        "full_name": repository.full_name,
        "name": repository.slug,
        "uuid": repository.uuid,
        "links": _links(_api(repository), _web(repository)),
    }


def _commit_json(repository: Repository, commit: Commit) -> JSON:
    return {
        "type": "commit",
        "hash": commit.hash,
        "date": _time(commit.date),
        "author": {"type": "author", "raw": commit.author.display_name, "user": _user_json(commit.author)},
        "message": commit.message,
        "parents": [],
        "repository": _repository_json(repository),
        "links": _links(_api(repository, "commit", commit.hash), _web(repository, f"/commits/{commit.hash}")),
    }


def _endpoint_json(repository: Repository, branch: str, commit: str) -> JSON:
    # Here, and only here, Bitbucket cuts hashes to 12 digits.
    return {
        "branch": {"name": branch},
        "commit": {"hash": commit[:12]},
        "repository": _repository_json(repository),
    }


def _pull_request_json(repository: Repository, pull_request: PullRequest) -> JSON:
    source = _endpoint_json(repository, pull_request.source_branch, pull_request.source_commit)
    destination = _endpoint_json(repository, pull_request.destination_branch, pull_request.destination_commit)
    return {
        "id": pull_request.id,
        "type": "pullrequest",
        "title": pull_request.title,
        "description": pull_request.description,
        "state": pull_request.state,
        "draft": False,
        "author": _user_json(pull_request.author),
        "source": source,
        "destination": destination,
        "comment_count": len(pull_request.visible_comments),
        "task_count": 0,
        "created_on": _time(pull_request.created_on),
        "updated_on": _time(pull_request.updated_on),
        "links": _links(
            _api(repository, "pullrequests", pull_request.id), _web(repository, f"/pull-requests/{pull_request.id}")
        ),
    }


def _comment_json(repository: Repository, pull_request: PullRequest, comment: Comment) -> JSON:
    page = _web(repository, f"/pull-requests/{pull_request.id}#comment-{comment.id}")
    value: JSON = {
        "id": comment.id,
        "type": "pullrequest_comment",
        "created_on": _time(comment.created_on),
        "updated_on": _time(comment.updated_on),
        "content": {"raw": comment.raw, "markup": "markdown", "html": render(comment.raw)},
        "user": _user_json(comment.user),
        "deleted": comment.deleted,
        "pending": False,
        "pullrequest": {"type": "pullrequest", "id": pull_request.id, "title": pull_request.title},
        "links": _links(_api(repository, "pullrequests", pull_request.id, "comments", comment.id), page),
    }
    if comment.inline is not None:
        value["inline"] = comment.inline
    if comment.parent is not None:
        value["parent"] = {"type": "pullrequest_comment", "id": comment.parent}
    return value


def _status_json(repository: Repository, status: BuildStatus) -> JSON:
    own = _api(repository, "commit", status.commit, "statuses", "build", status.key)
    value = {
        "key": status.key,
        "type": "build",
        "state": status.state,
        "url": status.url,
        "name": status.name,
        "description": status.description,
        "refname": status.refname,
        "repository": _repository_json(repository),
        "commit": {"type": "commit", "hash": status.commit},
        "created_on": _time(status.created_on),
        "updated_on": _time(status.updated_on),
        "links": {"self": {"href": own}, "commit": {"href": _api(repository, "commit", status.commit)}},
    }
    # The OpenAPI file knows no null here.
    return {name: part for name, part in value.items() if part is not None}


def _report_json(repository: Repository, report: Report) -> JSON:
    return {
        "type": "report",
        "uuid": report.uuid,
        "external_id": report.external_id,
        **report.values,
        "created_on": _time(report.created_on),
        "updated_on": _time(report.updated_on),
        "links": {"self": {"href": _api(repository, "commit", report.commit, "reports", report.uuid)}},
    }


# ---------------------------------------------------------------------------------------------------------------------
# Operations: each gives the body, its status and more headers, or raises
# ---------------------------------------------------------------------------------------------------------------------

_Result = tuple[JSON | None, int, dict[str, str]]


def _list_pull_requests(call: _Call) -> _Result:
    states = request.args.getlist("state") or ["OPEN"]
    for state in states:
        if state not in _PULL_REQUEST_STATES:
            raise _error(400, f"Invalid state: {state}")
    found: Iterable[PullRequest] = call.repository.pull_requests.values()
    if "q" not in request.args:  # with a query `state` is ignored, as seen on the live API
        found = [pull_request for pull_request in found if pull_request.state in states]
    return _paginated((_pull_request_json(call.repository, each) for each in found), most=50), 200, {}


def _get_pull_request(call: _Call) -> _Result:
    return _pull_request_json(call.repository, call.pull_request), 200, {}


def _list_pull_requests_of_commit(call: _Call) -> _Result:
    if call.repository.commit_index is CommitIndex.MISSING:
        raise _error(404, "The commits of this repository are not linked to pull requests yet")
    pagelen = _number("pagelen", 30, 100, "Invalid pagelen")
    page = _number("page", 1, 10_000, "Invalid page")  # the one list whose page is documented as a number
    if call.repository.commit_index is CommitIndex.INDEXING:
        return {"values": [], "pagelen": pagelen}, 202, {}
    commit = call.commit.hash
    found = [
        _pull_request_json(call.repository, pull_request)
        for pull_request in call.repository.pull_requests.values()
        if pull_request.source_commit == commit
    ]
    body: JSON = {"values": found[(page - 1) * pagelen : page * pagelen], "pagelen": pagelen}
    if page * pagelen < len(found):
        body["next"] = _next(str(page + 1))
    return body, 200, {}


def _list_comments(call: _Call) -> _Result:
    pull_request = call.pull_request
    comments = (_comment_json(call.repository, pull_request, each) for each in pull_request.comments.values())
    return _paginated(comments), 200, {}


def _create_comment(call: _Call) -> _Result:
    pull_request = call.pull_request
    body = _body(_NEW_COMMENT)
    parent = body["parent"]["id"] if "parent" in body else None
    comment = call.repository.add_comment(
        call.user, pull_request, body["content"]["raw"], inline=body.get("inline"), parent=parent
    )
    value = _comment_json(call.repository, pull_request, comment)
    return value, _CREATED, {"Location": value["links"]["self"]["href"]}


def _get_comment(call: _Call) -> _Result:
    pull_request = call.pull_request
    return _comment_json(call.repository, pull_request, pull_request.comment(call.path["comment_id"])), 200, {}


def _update_comment(call: _Call) -> _Result:
    pull_request = call.pull_request
    raw = _body(_COMMENT_UPDATE)["content"]["raw"]
    comment = call.repository.edit_comment(call.user, pull_request, call.path["comment_id"], raw)
    return _comment_json(call.repository, pull_request, comment), 200, {}


def _delete_comment(call: _Call) -> _Result:
    call.repository.delete_comment(call.user, call.pull_request, call.path["comment_id"])
    return None, 204, {}


def _list_statuses_of_pull_request(call: _Call) -> _Result:
    found = call.repository.statuses_of_pull_request(call.pull_request)
    return _paginated(_status_json(call.repository, status) for status in found), 200, {}


def _get_commit(call: _Call) -> _Result:
    return _commit_json(call.repository, call.repository.commit_by_prefix(call.path["commit"])), 200, {}


def _list_statuses_of_commit(call: _Call) -> _Result:
    found = call.repository.statuses_of_commit(call.commit.hash, request.args.get("refname"))
    return _paginated(_status_json(call.repository, status) for status in found), 200, {}


def _create_status(call: _Call) -> _Result:
    commit = call.commit.hash
    values = _body(_NEW_STATUS)
    _check_status(values)
    return _status_json(call.repository, call.repository.put_status(call.user, commit, values)), _CREATED, {}


def _get_status(call: _Call) -> _Result:
    return _status_json(call.repository, call.repository.status(call.commit.hash, call.path["key"])[-1]), 200, {}


def _update_status(call: _Call) -> _Result:
    commit, key = call.commit.hash, call.path["key"]
    values = _body(_STATUS_UPDATE)
    _check_status(values)
    if values.setdefault("key", key) != key:
        raise _error(400, "key: The key cannot be changed.", fields={"key": ["The key cannot be changed."]})
    return _status_json(call.repository, call.repository.update_status(call.user, commit, key, values)), 200, {}


def _commit_of_reports(call: _Call) -> str:
    """Give the commit whose reports are asked for; raises where the credential is kept from reports."""
    if call.user in call.repository.reports_refused:
        # What the documentation lists is granted: so it is said that more is required.
        raise _lacking(call.credential, _scope(call.credential, "repository", "write"))
    return call.commit.hash


def _list_reports(call: _Call) -> _Result:
    found = call.repository.reports_of_commit(_commit_of_reports(call))
    return _paginated(_report_json(call.repository, report) for report in found), 200, {}


def _get_report(call: _Call) -> _Result:
    found = call.repository.report(_commit_of_reports(call), call.path["report_id"])
    return _report_json(call.repository, found), 200, {}


def _put_report(call: _Call) -> _Result:
    commit, report_id = _commit_of_reports(call), call.path["report_id"]
    values = _body(_REPORT)
    _check_report(report_id, values)
    return _report_json(call.repository, call.repository.put_report(call.user, commit, report_id, values)), 200, {}


def _delete_report(call: _Call) -> _Result:
    commit = _commit_of_reports(call)
    try:
        call.repository.delete_report(commit, call.path["report_id"])
    except NotFoundError:
        if call.repository.strict_deletion:
            raise
    return None, 204, {}


_PULL_REQUEST = "/pullrequests/<int:pull_request_id>"
_COMMIT = "/commit/<commit>"
# Method, path, classic scope (an API token needs `read:<scope>:bitbucket`), what it does.
_OPERATIONS: tuple[tuple[str, str, str, Callable[[_Call], _Result]], ...] = (
    ("GET", "/pullrequests", "pullrequest", _list_pull_requests),
    ("GET", _PULL_REQUEST, "pullrequest", _get_pull_request),
    ("GET", f"{_PULL_REQUEST}/comments", "pullrequest", _list_comments),
    ("POST", f"{_PULL_REQUEST}/comments", "pullrequest", _create_comment),
    ("GET", f"{_PULL_REQUEST}/comments/<int:comment_id>", "pullrequest", _get_comment),
    ("PUT", f"{_PULL_REQUEST}/comments/<int:comment_id>", "pullrequest", _update_comment),
    ("DELETE", f"{_PULL_REQUEST}/comments/<int:comment_id>", "pullrequest", _delete_comment),
    ("GET", f"{_PULL_REQUEST}/statuses", "pullrequest", _list_statuses_of_pull_request),
    ("GET", _COMMIT, "repository", _get_commit),
    ("GET", f"{_COMMIT}/pullrequests", "pullrequest", _list_pull_requests_of_commit),
    ("GET", f"{_COMMIT}/statuses", "repository", _list_statuses_of_commit),
    ("POST", f"{_COMMIT}/statuses/build", "repository", _create_status),
    ("GET", f"{_COMMIT}/statuses/build/<key>", "repository", _get_status),
    ("PUT", f"{_COMMIT}/statuses/build/<key>", "repository", _update_status),
    ("GET", f"{_COMMIT}/reports", "repository", _list_reports),
    ("GET", f"{_COMMIT}/reports/<report_id>", "repository", _get_report),
    ("PUT", f"{_COMMIT}/reports/<report_id>", "repository", _put_report),
    ("DELETE", f"{_COMMIT}/reports/<report_id>", "repository", _delete_report),
)


# ---------------------------------------------------------------------------------------------------------------------
# Who asks
# ---------------------------------------------------------------------------------------------------------------------


def _authenticate(state: State) -> Credential:
    """Find the credential that the request carries.

    A token that is wrong, or without scopes, gets JSON (snyk/user-docs#864); a wrong Basic user, such as the Bitbucket
    username in place of the e-mail address, gets an empty body (atlantis#6614, nextflow#7279).
    """
    sent = request.authorization
    bearer = sent is not None and sent.type == "bearer"
    email = None if sent is None or bearer else sent.username
    token = None if sent is None else sent.token if bearer else sent.password
    for credential in state.credentials:
        if token and credential.token == token and credential.email == email and credential.scopes:
            return credential
    if bearer or any(credential.email == email for credential in state.credentials if email):
        raise _error(401, "Token is invalid, expired, or not supported for this endpoint.")
    raise _ApiError(Answer(401))


def _scope(credential: Credential, of: str, verb: str = "read") -> str:
    """Name the scope in the words of the credential's kind."""
    if credential.email is not None:
        return f"{verb}:{of}:bitbucket"
    return of if verb == "read" else f"{of}:{verb}"


def _lacking(credential: Credential, required: str) -> _ApiError:
    detail = {"granted": sorted(credential.scopes), "required": [required]}
    return _error(403, "Your credentials lack one or more required privilege scopes.", detail=detail)


def _check_scope(credential: Credential, required: str) -> None:
    """Raise where the credential lacks the scope."""
    granted = {*credential.scopes, *(each for scope in credential.scopes for each in _CONTAINED.get(scope, ()))}
    if required not in granted:
        raise _lacking(credential, required)


def _respond(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers, content_type=answer.content_type)


def _guarded(state: State, scope: str, operation: Callable[[_Call], _Result]) -> Callable[..., Response]:
    def view(workspace: str, repo_slug: str, **path: Any) -> Response:
        debug: dict[str, str] = {}
        try:
            credential = _authenticate(state)
            wanted = _scope(credential, scope)
            debug = {
                "X-Credential-Type": "api_token" if credential.email is not None else "access_token",
                "X-Oauth-Scopes": ", ".join(sorted(credential.scopes)),
                "X-Accepted-Oauth-Scopes": wanted,
            }
            _check_scope(credential, wanted)
            repository = state.repository(workspace, repo_slug)
            if state.lag is not None and request.method == "GET":
                repository = repository.before(state.lag(request.path))
            value, status, headers = operation(_Call(credential, repository, path))
            body = "" if value is None else json.dumps(_partial(value))
            response = _respond(Answer(status, body, "application/json", headers))
        except _ApiError as error:
            response = _respond(error.answer)
        except NotFoundError as error:
            response = _respond(_error(404, str(error)).answer)
        except ForbiddenError as error:
            response = _respond(_error(403, str(error)).answer)
        except AmbiguousError:
            response = _respond(server_error())  # jenkinsci/bitbucket-branch-source#930
        response.headers.extend(debug)
        return response

    return view


def blueprint(state: State) -> Blueprint:
    """Build the routes of the API, to be registered under `/2.0`."""
    routes = Blueprint("cloud", __name__)
    for method, path, scope, operation in _OPERATIONS:
        routes.add_url_rule(
            f"/repositories/<workspace>/<repo_slug>{path}",
            endpoint=operation.__name__,
            view_func=_guarded(state, scope, operation),
            methods=[method],
            provide_automatic_options=False,
        )

    def unknown(path: str) -> Response:  # noqa: ARG001 - Flask passes it
        return _respond(not_found_page())

    routes.add_url_rule("/<path:path>", endpoint="unknown", view_func=unknown, methods=["GET", "POST", "PUT", "DELETE"])
    return routes
