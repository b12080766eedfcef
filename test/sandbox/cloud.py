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
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, request

from test.sandbox.bodies import (
    COMMENT_UPDATE,
    NEW_COMMENT,
    NEW_STATUS,
    REPORT,
    STATUS_UPDATE,
    ApiError,
    check_report,
    check_status,
    read_annotations,
    read_body,
    refusal,
)
from test.sandbox.faults import Answer, not_found_page, server_error
from test.sandbox.markup import render
from test.sandbox.state import AmbiguousError, CommitIndex, ForbiddenError, FullError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from test.sandbox.state import (
        Annotation,
        BuildStatus,
        Comment,
        Commit,
        Credential,
        Download,
        PullRequest,
        Report,
        Repository,
        State,
        User,
    )

JSON = dict[str, Any]

_PULL_REQUEST_STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")
# Classic scopes contain others; those of API tokens contain none.
_CONTAINED = {
    "pullrequest": ("repository",),
    "repository:write": ("repository",),
    "pullrequest:write": ("pullrequest", "repository:write", "repository"),
}
_CREATED = 201


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
            raise refusal(400, "Invalid query", detail=f"Cannot read {part.strip()!r}")
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
        raise refusal(400, message)
    return int(text)


def _offset(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token).removeprefix(b"offset:")) if token else 0
    except (binascii.Error, ValueError):
        raise refusal(400, "Invalid page") from None


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


def _partial(value: JSON | list[JSON]) -> JSON | list[JSON]:
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
        "parents": [{"type": "commit", "hash": commit.parent}] if commit.parent else [],
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


def _annotation_json(repository: Repository, report: Report, annotation: Annotation) -> JSON:
    own = _api(repository, "commit", report.commit, "reports", report.uuid, "annotations", annotation.uuid)
    return {
        "type": "report_annotation",
        "uuid": annotation.uuid,
        **annotation.values,
        "created_on": _time(annotation.created_on),
        "updated_on": _time(annotation.updated_on),
        "links": {"self": {"href": own}},
    }


def _download_json(repository: Repository, download: Download) -> JSON:
    return {
        "type": "download",
        "name": download.name,
        "size": len(download.content),
        "downloads": 0,
        "created_on": _time(download.created_on),
        "user": _user_json(download.user),
        "links": {"self": {"href": _api(repository, "downloads", download.name)}},
    }


# ---------------------------------------------------------------------------------------------------------------------
# Operations: each gives the body, its status and more headers, or raises
# ---------------------------------------------------------------------------------------------------------------------

_Result = tuple[JSON | list[JSON] | None, int, dict[str, str]]


def _list_pull_requests(call: _Call) -> _Result:
    states = request.args.getlist("state") or ["OPEN"]
    for state in states:
        if state not in _PULL_REQUEST_STATES:
            raise refusal(400, f"Invalid state: {state}")
    found: Iterable[PullRequest] = call.repository.pull_requests.values()
    if "q" not in request.args:  # with a query `state` is ignored, as seen on the live API
        found = [pull_request for pull_request in found if pull_request.state in states]
    return _paginated((_pull_request_json(call.repository, each) for each in found), most=50), 200, {}


def _get_pull_request(call: _Call) -> _Result:
    return _pull_request_json(call.repository, call.pull_request), 200, {}


def _list_pull_requests_of_commit(call: _Call) -> _Result:
    if call.repository.commit_index is CommitIndex.MISSING:
        raise refusal(404, "The commits of this repository are not linked to pull requests yet")
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
    body = read_body(NEW_COMMENT)
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
    raw = read_body(COMMENT_UPDATE)["content"]["raw"]
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
    values = read_body(NEW_STATUS)
    check_status(values)
    return _status_json(call.repository, call.repository.put_status(call.user, commit, values)), _CREATED, {}


def _get_status(call: _Call) -> _Result:
    return _status_json(call.repository, call.repository.status(call.commit.hash, call.path["key"])[-1]), 200, {}


def _update_status(call: _Call) -> _Result:
    commit, key = call.commit.hash, call.path["key"]
    values = read_body(STATUS_UPDATE)
    check_status(values)
    if values.setdefault("key", key) != key:
        raise refusal(400, "key: The key cannot be changed.", fields={"key": ["The key cannot be changed."]})
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
    values = read_body(REPORT)
    check_report(report_id, values)
    return _report_json(call.repository, call.repository.put_report(call.user, commit, report_id, values)), 200, {}


def _delete_report(call: _Call) -> _Result:
    commit = _commit_of_reports(call)
    try:
        call.repository.delete_report(commit, call.path["report_id"])
    except NotFoundError:
        if call.repository.strict_deletion:
            raise
    return None, 204, {}


def _report_of_annotations(call: _Call) -> Report:
    return call.repository.report(_commit_of_reports(call), call.path["report_id"])


def _list_annotations(call: _Call) -> _Result:
    report = _report_of_annotations(call)
    found = call.repository.annotations_of(report)
    return _paginated(_annotation_json(call.repository, report, each) for each in found), 200, {}


def _put_annotations(call: _Call) -> _Result:
    report = _report_of_annotations(call)
    made = call.repository.put_annotations(report, read_annotations())
    return [_annotation_json(call.repository, report, each) for each in made], 200, {}


def _get_annotation(call: _Call) -> _Result:
    report = _report_of_annotations(call)
    found = call.repository.annotation(report, call.path["annotation_id"])
    return _annotation_json(call.repository, report, found), 200, {}


def _delete_annotation(call: _Call) -> _Result:
    report = _report_of_annotations(call)
    try:
        call.repository.delete_annotation(report, call.path["annotation_id"])
    except NotFoundError:
        if call.repository.strict_deletion:
            raise
    return None, 204, {}


def _list_downloads(call: _Call) -> _Result:
    found = call.repository.downloads.values()
    body = _paginated(_download_json(call.repository, each) for each in found)
    return {**body, "size": len(found), "page": 1}, 200, {}


def _upload(call: _Call) -> _Result:
    if request.mimetype != "multipart/form-data":
        raise refusal(406, "Unsupported Content-Type. Use multipart/form-data.")
    files = request.files.getlist("files")
    if not files:
        raise refusal(400, "files: This field is required.", fields={"files": ["This field is required."]})
    for file in files:
        name = file.filename or ""
        if not name or "/" in name:
            raise refusal(400, "files: Enter a file name.", fields={"files": ["Enter a file name."]})
        call.repository.put_download(call.user, name, file.read())
    return None, _CREATED, {"Location": _api(call.repository, "downloads")}


def _get_download(call: _Call) -> _Result:
    name = call.repository.download(call.path["filename"]).name
    return None, 302, {"Location": _web(call.repository, f"/downloads/{quote(name, safe='')}")}


def _delete_download(call: _Call) -> _Result:
    call.repository.delete_download(call.path["filename"])
    return None, 204, {}


_PULL_REQUEST = "/pullrequests/<int:pull_request_id>"
_COMMIT = "/commit/<commit>"
_REPORT = f"{_COMMIT}/reports/<report_id>"
# Method, path, classic scope (an API token needs `read:<scope>:bitbucket`, or `write:`), what it does.
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
    ("GET", _REPORT, "repository", _get_report),
    ("PUT", _REPORT, "repository", _put_report),
    ("DELETE", _REPORT, "repository", _delete_report),
    ("GET", f"{_REPORT}/annotations", "repository", _list_annotations),
    ("POST", f"{_REPORT}/annotations", "repository", _put_annotations),
    ("GET", f"{_REPORT}/annotations/<annotation_id>", "repository", _get_annotation),
    ("DELETE", f"{_REPORT}/annotations/<annotation_id>", "repository", _delete_annotation),
    ("GET", "/downloads", "repository", _list_downloads),
    ("POST", "/downloads", "repository:write", _upload),
    ("GET", "/downloads/<filename>", "repository", _get_download),
    ("DELETE", "/downloads/<filename>", "repository:write", _delete_download),
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
        raise refusal(401, "Token is invalid, expired, or not supported for this endpoint.")
    raise ApiError(Answer(401))


def _scope(credential: Credential, of: str, verb: str = "read") -> str:
    """Name the scope in the words of the credential's kind."""
    if credential.email is not None:
        return f"{verb}:{of}:bitbucket"
    return of if verb == "read" else f"{of}:{verb}"


def _lacking(credential: Credential, required: str) -> ApiError:
    detail = {"granted": sorted(credential.scopes), "required": [required]}
    return refusal(403, "Your credentials lack one or more required privilege scopes.", detail=detail)


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
            of, _, verb = scope.partition(":")
            wanted = _scope(credential, of, verb or "read")
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
        except ApiError as error:
            response = _respond(error.answer)
        except NotFoundError as error:
            response = _respond(refusal(404, str(error)).answer)
        except ForbiddenError as error:
            response = _respond(refusal(403, str(error)).answer)
        except FullError as error:
            response = _respond(refusal(400, str(error)).answer)
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
