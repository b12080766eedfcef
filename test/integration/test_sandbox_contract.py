"""The embedded Bitbucket behaves as Bitbucket Cloud does, and its answers keep to Atlassian's OpenAPI file."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest
import requests
from werkzeug.datastructures import Headers

from test.conftest_tools import need
from test.contract import Contract
from test.sandbox import Action, CommitIndex, Exchange, Sandbox, json_answer, not_found_page, rate_limited, server_error
from test.sandbox.faults import SESSION_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from test.sandbox import Answer

_OTHER = "0123456789abcdef0123456789abcdef01234567"
_DATA: list[dict[str, Any]] = [
    {"title": "Green", "type": "BOOLEAN", "value": False},
    {"title": "At", "type": "DATE", "value": 1_795_460_520_000},
    {"title": "Took", "type": "DURATION", "value": 243_000},
    {"title": "Build", "type": "LINK", "value": {"text": "417", "href": "https://ci.example/417"}},
    {"title": "Failed", "type": "NUMBER", "value": 2},
    {"title": "Cached", "type": "PERCENTAGE", "value": 65.9},
    {"title": "Step", "type": "TEXT", "value": "test"},
    {"title": "Run", "value": "3"},
    {"title": "Tasks", "value": 41},
    {"title": "Final", "value": True},
]
# To upload, an API token needs a scope that contains no other.
_WIDE = frozenset({"read:pullrequest:bitbucket", "read:repository:bitbucket", "write:repository:bitbucket"})
_START = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)


class _Client:
    """One session with the sandbox, by path below the repository."""

    def __init__(self, sandbox: Sandbox, auth: Any = None) -> None:
        self.session = requests.Session()
        self.session.trust_env = False  # a .netrc or proxy of the machine has no part in this
        self.session.auth = sandbox.api_auth if auth is None else auth
        self._root = f"{sandbox.url}/repositories/acme/shop"

    def __call__(self, method: str, path: str, json: Any = None, **options: Any) -> requests.Response:
        return self.session.request(method, self._root + path, json=json, timeout=10, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()


class _Bearer(requests.auth.AuthBase):
    """An access token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Anonymous(requests.auth.AuthBase):
    """No credential at all."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


@pytest.fixture(scope="module")
def contract() -> Contract:
    """Load the OpenAPI file once."""
    need("contract")
    return Contract(Path(os.environ["CONTRACT_DIR"]))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Give a sandbox whose clock goes on a second with each look."""
    seconds = iter(range(1_000_000))
    with Sandbox(clock=lambda: _START + timedelta(seconds=next(seconds))) as made:
        yield made


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[_Client]:
    """Give a client with the API token."""
    with _Client(sandbox) as made:
        yield made


def _status(**changes: Any) -> dict[str, Any]:
    return {"key": "nx", "state": "FAILED", "url": "https://ci.example/417", "refname": "feature/cart-totals"} | changes


def _comment(raw: str) -> dict[str, Any]:
    return {"content": {"raw": raw}}


def _report(**changes: Any) -> dict[str, Any]:
    return {"title": "Nx", "details": "cart:test failed", "result": "FAILED", "report_type": "TEST"} | changes


def _annotation(**changes: Any) -> dict[str, Any]:
    made = {"external_id": "a", "annotation_type": "BUG", "severity": "HIGH", "path": "cart/a.ts", "line": 3}
    return made | {"summary": "It is wrong"} | changes


def _full_annotation() -> dict[str, Any]:
    return _annotation(
        external_id="b",
        annotation_type="CODE_SMELL",
        severity="LOW",
        result="FAILED",
        details="x",
        link="https://c.i/1",
    )


def _head(sandbox: Sandbox) -> str:
    return sandbox.pull_request.source_commit


# Contract


def test_every_operation_keeps_to_the_contract(contract: Contract, sandbox: Sandbox, client: _Client) -> None:
    """Requests and answers of every operation, done as it should be, are as the OpenAPI file says."""
    head, builds = _head(sandbox), f"/commit/{_head(sandbox)}/statuses/build"
    inline = {"content": {"raw": "here"}, "inline": {"path": "a.ts", "to": 3}}
    first = client("POST", "/pullrequests/17/comments", {"content": {"raw": "**a**"}}).json()["id"]
    reply = client("POST", "/pullrequests/17/comments", {"content": {"raw": "b"}, "parent": {"id": first}}).json()["id"]
    done = [
        client("POST", "/pullrequests/17/comments", inline),
        client("GET", "/pullrequests"),
        client("GET", "/pullrequests?state=OPEN&sort=-updated_on&pagelen=50"),
        client("GET", "/pullrequests/17"),
        client("GET", f"/commit/{head}/pullrequests"),
        client("GET", "/pullrequests/17/comments"),
        client("GET", "/pullrequests/17/comments?pagelen=100&q=deleted=false&fields=values.deleted,next"),
        client("GET", f"/pullrequests/17/comments/{first}"),
        client("PUT", f"/pullrequests/17/comments/{first}", {"content": {"raw": "c"}}),
        client("DELETE", f"/pullrequests/17/comments/{reply}"),
        client("GET", f"/pullrequests/17/comments/{reply}"),
        client("POST", builds, _status(name="Nx", description="2 failed")),
        client("GET", f"{builds}/nx"),
        client("PUT", f"{builds}/nx", _status(state="SUCCESSFUL")),
        client("GET", f"/commit/{head[:12]}"),
        client("GET", f"/commit/{head}/statuses?refname=feature/cart-totals"),
        client("GET", "/pullrequests/17/statuses?fields=values.key"),
    ]
    sandbox.repository.commit_index = CommitIndex.INDEXING
    done.append(client("GET", f"/commit/{head}/pullrequests"))
    full = _report(
        reporter="Nx Report", link="https://ci.example/417", logo_url="https://ci.example/logo.svg", data=_DATA
    )
    done += [
        client("PUT", f"/commit/{head}/reports/nx-17", full | {"remote_link_enabled": True}),
        client("PUT", f"/commit/{head}/reports/nx-17", _report(result="PENDING")),
        client("GET", f"/commit/{head}/reports/nx-17"),
        client("GET", f"/commit/{head}/reports"),
        client("GET", f"/commit/{head}/reports?pagelen=100&fields=values.external_id,values.data,next"),
        client("POST", f"/commit/{head}/reports/nx-17/annotations", [_annotation(), _full_annotation()]),
        client("POST", f"/commit/{head}/reports/nx-17/annotations", [_annotation(summary="It was wrong")]),
        client("GET", f"/commit/{head}/reports/nx-17/annotations"),
        client("GET", f"/commit/{head}/reports/nx-17/annotations?pagelen=100&fields=values.external_id,next"),
        client("GET", f"/commit/{head}/reports/nx-17/annotations/a"),
        client("DELETE", f"/commit/{head}/reports/nx-17/annotations/a"),
        client("DELETE", f"/commit/{head}/reports/nx-17/annotations/a"),
        client("DELETE", f"/commit/{head}/reports/nx-17"),
        client("DELETE", f"/commit/{head}/reports/nx-17"),
    ]
    sandbox.state.credentials.append(replace(sandbox.api_token, token="wide", scopes=_WIDE))
    wide = _Client(sandbox, (sandbox.api_auth[0], "wide"))
    done += [
        wide("POST", "/downloads", files={"files": ("a.html", b"<p>")}),
        wide("GET", "/downloads?pagelen=100"),
        wide("GET", "/downloads/a.html", allow_redirects=False),
        wide("DELETE", "/downloads/a.html"),
    ]
    expected = [201, 200, 200, 200, 200, 200, 200, 200, 200, 204, 200, 201, 200, 200, 200, 200, 200, 202]
    expected += [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 204, 204, 204, 204]
    expected += [201, 200, 302, 204]
    assert [answer.status_code for answer in done] == expected
    assert [problem for exchange in sandbox.requests for problem in contract.problems(exchange)] == []


def test_error_answers_keep_to_the_contract(contract: Contract, sandbox: Sandbox, client: _Client) -> None:
    """What is refused is refused as the OpenAPI file and the recorded answers of the live API say."""
    builds = f"/commit/{_head(sandbox)}/statuses/build"
    foreign = sandbox.repository.add_comment(sandbox.reviewer, sandbox.pull_request, "mine").id
    sandbox.repository.put_status(sandbox.reviewer, _head(sandbox), _status(key="theirs"))
    narrow = sandbox.state.add_access_token("narrow", "narrow", ["repository"]).token
    client("POST", "/pullrequests/17/comments", {"content": {"raw": "a"}, "type": "x"})
    client("POST", "/pullrequests/17/comments", {"content": "a"})
    client("PUT", f"/pullrequests/17/comments/{foreign}", {"content": {"raw": "a"}})
    client("DELETE", f"/pullrequests/17/comments/{foreign}")
    client("GET", "/pullrequests/17/comments/1")
    client("GET", "/pullrequests/99/comments")
    client("GET", "/pullrequests?pagelen=100")
    client("POST", builds, _status(key="k" * 48))
    client("POST", builds, _status(key="theirs"))
    client("GET", f"{builds}/none")
    client("GET", f"/commit/{_OTHER}")
    _Client(sandbox, _Bearer("wrong"))("GET", "/pullrequests/17")
    _Client(sandbox, ("ci_user", "wrong"))("GET", "/pullrequests/17")
    _Client(sandbox, _Bearer(narrow))("GET", "/pullrequests/17")
    sandbox.repository.commit_index = CommitIndex.MISSING
    client("GET", f"/commit/{_head(sandbox)}/pullrequests")
    reports = f"/commit/{_head(sandbox)}/reports"
    client("PUT", f"{reports}/nx", _report(result="RED"))
    client("GET", f"{reports}/nx")
    client("GET", f"/commit/{_OTHER}/reports")
    client("POST", f"{reports}/nx/annotations", [_annotation()])
    client("GET", f"{reports}/nx/annotations/a")
    client("POST", "/downloads", files={"files": ("a.html", b"<p>")})
    client("GET", "/downloads/a.html")
    sandbox.repository.strict_deletion = True
    client("DELETE", f"{reports}/nx")
    sandbox.repository.reports_refused.add(sandbox.api_token.user)
    client("PUT", f"{reports}/nx", _report())
    client("GET", reports)
    client("GET", f"{reports}/nx")
    client("DELETE", f"{reports}/nx")
    expected = [400, 400, 403, 403, 404, 404, 400, 400, 403, 404, 404, 401, 401, 403, 404]
    expected += [400, 404, 404, 404, 404, 403, 404, 404, 403, 403, 403, 403]
    assert [exchange.status for exchange in sandbox.requests] == expected
    assert [problem for exchange in sandbox.requests for problem in contract.response_problems(exchange)] == []


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (
            ("POST", "/pullrequests/17/comments", {"content": {"raw": "a"}, "created_on": 1, "x": 1}),
            "'x' was unexpected",
        ),
        (("POST", "/pullrequests/17/comments", {"content": {"raw": "a", "x": 1}}), "'x' was unexpected"),
        (("POST", "/pullrequests/17/comments", {"content": {"raw": "a"}, "type": "x"}), "'type' was unexpected"),
        (("POST", "/pullrequests/17/comments", {"content": {"raw": 7}}), "7 is not of type 'string'"),
        (("POST", f"/commit/{_OTHER}/statuses/build", {"key": "a", "state": "FAILED"}), "'url' is a required property"),
        (("POST", f"/commit/{_OTHER}/statuses/build", _status(state="RED")), "'RED' is not one of"),
        (("GET", "/pullrequests?state=RED", None), "'RED' is not one of"),
        (("PUT", f"/commit/{_OTHER}/reports/nx", {"title": "Nx", "result": "RED"}), "'RED' is not one of"),
        (("PUT", f"/commit/{_OTHER}/reports/nx", {"title": "Nx", "x": 1}), "'x' was unexpected"),
        (
            ("PUT", f"/commit/{_OTHER}/reports/nx", {"title": "Nx", "data": [{"type": "FLOAT"}]}),
            "'FLOAT' is not one of",
        ),
        (("POST", f"/commit/{_OTHER}/reports/nx/annotations", [_annotation(line=0)]), "0 is less than the minimum"),
        (("POST", f"/commit/{_OTHER}/reports/nx/annotations", [_annotation(severity="ERROR")]), "'ERROR' is not one"),
        (("POST", f"/commit/{_OTHER}/reports/nx/annotations", []), "[] should be non-empty"),
        (("POST", f"/commit/{_OTHER}/reports/nx/annotations", [_annotation()] * 101), "too long"),
        (("GET", "/pullrequests/seventeen", None), "seventeen"),
        (("GET", "/pull-requests", None), "Path not found"),
    ],
)
def test_a_wrong_request_is_reported(
    contract: Contract, sandbox: Sandbox, client: _Client, call: tuple[str, str, Any], named: str
) -> None:
    """An unknown key, a wrong type, a missing key, a wrong parameter and a wrong path are named."""
    client(*call)
    assert named in "\n".join(contract.request_problems(sandbox.requests[-1]))


def test_a_request_without_credentials_is_reported(contract: Contract, sandbox: Sandbox) -> None:
    """Every operation asks for an Authorization header."""
    _Client(sandbox, _Anonymous())("GET", "/pullrequests/17")
    assert "Security" in "\n".join(contract.request_problems(sandbox.requests[-1]))


def _answered(path: str, status: int, body: bytes, kind: str = "application/json", *, faulty: bool = False) -> Exchange:
    return Exchange(
        "GET",
        f"/2.0/repositories/acme/shop{path}",
        "",
        Headers({"Authorization": "Bearer x"}),
        b"",
        1,
        status,
        Headers({"Content-Type": kind}),
        body,
        faulty,
    )


@pytest.mark.parametrize(
    ("exchange", "named"),
    [
        (_answered(f"/commit/{_OTHER}/statuses/build/a", 200, b'{"key": "a", "state": "FAILED"}'), "'url' is a requ"),
        (_answered("/pullrequests/17", 200, b'{"id": "seventeen"}'), "'seventeen' is not of type 'integer'"),
        (_answered("/pullrequests/17", 200, b""), "response 200"),
        (_answered("/pullrequests/17", 200, b"<p>", "text/html"), "text/html"),
        (_answered("/pullrequests/17", 204, b""), "204"),
        (_answered("/pullrequests/17", 404, b'{"error": {"fields": {}}}'), "'message' is a required property"),
    ],
)
def test_a_wrong_response_is_reported(contract: Contract, exchange: Exchange, named: str) -> None:
    """A missing member, a wrong type, an empty body, a wrong content type and an unknown status code are named."""
    assert named in "\n".join(contract.response_problems(exchange))


def test_a_faults_answer_is_exempt_where_the_contract_does_not_know_it(contract: Contract) -> None:
    """A made-up status code or content type is let through, a wrong body under a known one is not."""
    path = f"/commit/{_OTHER}/statuses/build/a"
    assert contract.response_problems(_answered(path, 200, b"<p>", "text/html", faulty=True)) == []
    assert contract.response_problems(_answered(path, 429, b"{}", faulty=True)) == []
    assert contract.response_problems(_answered(path, 200, b"{}", faulty=True)) != []


# Comments


def test_a_comment_is_rendered_and_raw_html_is_text(client: _Client) -> None:
    """The answer holds the text as typed and its HTML, in which tags from the text are escaped."""
    text = "| a |\n|---|\n| `b` |\n\n<b>c</b>"
    answer = client("POST", "/pullrequests/17/comments", {"content": {"raw": text}})
    content = answer.json()["content"]
    assert content["raw"] == text
    assert content["markup"] == "markdown"
    assert "<code>b</code>" in content["html"]
    assert "&lt;b&gt;c&lt;/b&gt;" in content["html"]
    assert answer.headers["Location"] == answer.json()["links"]["self"]["href"]


@pytest.mark.parametrize("extra", [{"type": "pullrequest_comment"}, {"pending": False}, {"created_on": "2026"}])
def test_unknown_keys_of_a_comment_are_refused(sandbox: Sandbox, client: _Client, extra: dict[str, Any]) -> None:
    """A body with more than the API takes gets a 400 that names the key, and nothing is written."""
    answer = client("POST", "/pullrequests/17/comments", {"content": {"raw": "a"}} | extra)
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"] == dict.fromkeys(extra, "extra keys not allowed")
    assert sandbox.pull_request.comments == {}


def test_only_the_author_may_change_a_comment(sandbox: Sandbox, client: _Client) -> None:
    """Another user's update or deletion is a 403, and the text stays."""
    comment = sandbox.repository.add_comment(sandbox.reviewer, sandbox.pull_request, "mine")
    path = f"/pullrequests/17/comments/{comment.id}"
    assert client("PUT", path, {"content": {"raw": "yours"}}).status_code == 403
    assert client("DELETE", path).status_code == 403
    assert (comment.raw, comment.deleted) == ("mine", False)


def test_a_deleted_comment_stays_listed_and_blank(client: _Client) -> None:
    """Deletion leaves `deleted: true` without content; an update is a 404; `q=deleted=false` leaves it out."""
    number = client("POST", "/pullrequests/17/comments", {"content": {"raw": "a"}}).json()["id"]
    path = f"/pullrequests/17/comments/{number}"
    assert client("DELETE", path).status_code == 204
    [listed] = client("GET", "/pullrequests/17/comments").json()["values"]
    assert (listed["id"], listed["deleted"], listed["content"]["raw"]) == (number, True, "")
    assert client("PUT", path, {"content": {"raw": "b"}}).status_code == 404
    assert client("GET", "/pullrequests/17/comments?q=deleted=false").json()["values"] == []


def test_times_come_from_the_given_clock(client: _Client) -> None:
    """An update moves `updated_on` and leaves `created_on`."""
    made = client("POST", "/pullrequests/17/comments", {"content": {"raw": "a"}}).json()
    changed = client("PUT", f"/pullrequests/17/comments/{made['id']}", {"content": {"raw": "b"}}).json()
    assert made["created_on"] == made["updated_on"] == changed["created_on"]
    assert changed["updated_on"] > made["updated_on"]
    assert made["created_on"].startswith("2026-11-23T19:00:")


# Lists


def test_pages_are_followed_by_next_alone(sandbox: Sandbox, client: _Client) -> None:
    """Ten values by default, the rest behind an absolute, opaque address that keeps the other parameters."""
    made = [sandbox.repository.add_comment(sandbox.author, sandbox.pull_request, str(each)).id for each in range(25)]
    body = client("GET", "/pullrequests/17/comments?fields=values.id,next").json()
    seen = [[value["id"] for value in body["values"]]]
    while "next" in body:
        assert body["next"].startswith(sandbox.url)
        body = client.session.get(body["next"], timeout=10).json()
        seen.append([value["id"] for value in body["values"]])
        assert all(value.keys() == {"id"} for value in body["values"])
    assert [len(page) for page in seen] == [10, 10, 5]
    assert [number for page in seen for number in page] == made
    assert client("GET", "/pullrequests/17/comments?page=2").status_code == 400


@pytest.mark.parametrize(("path", "most"), [("/pullrequests/17/comments", 100), ("/pullrequests", 50)])
def test_page_length_has_a_limit(client: _Client, path: str, most: int) -> None:
    """The limit itself is taken, one more is `Invalid pagelen`."""
    assert client("GET", f"{path}?pagelen={most}").status_code == 200
    refused = client("GET", f"{path}?pagelen={most + 1}")
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, "Invalid pagelen")


def test_pull_requests_are_found_by_branch_and_state(sandbox: Sandbox, client: _Client) -> None:
    """`state` filters (default OPEN), `q` filters alone, `sort` orders."""
    merged = sandbox.repository.add_pull_request(
        sandbox.author, "Old", source=("feature/cart-totals", _OTHER), destination=("main", _OTHER), state="MERGED"
    )

    def found(query: str, **parameters: str) -> list[int]:
        answer = client("GET", f"/pullrequests{query}", params=parameters)
        return [value["id"] for value in answer.json()["values"]]

    branch = 'source.branch.name="feature/cart-totals"'
    assert found("") == [17]
    assert found("?state=MERGED") == [merged.id]
    assert found("?state=OPEN&state=MERGED") == [17, merged.id]
    assert found("", q=branch, sort="-updated_on") == [merged.id, 17]
    assert found("", q=f'{branch} AND state="OPEN"', state="MERGED") == [17]
    assert found("", q='source.branch.name="main"') == []
    assert client("GET", "/pullrequests", params={"q": "nonsense"}).status_code == 400


def test_commits_answer_with_the_full_hash(sandbox: Sandbox, client: _Client) -> None:
    """A pull request shows 12 digits; the commit is found by them and shows all 40; elsewhere they find nothing."""
    short = client("GET", "/pullrequests/17").json()["source"]["commit"]["hash"]
    assert short == _head(sandbox)[:12]
    assert client("GET", f"/commit/{short}").json()["hash"] == _head(sandbox)
    assert client("POST", f"/commit/{short}/statuses/build", _status()).status_code == 404


@pytest.mark.parametrize(
    ("index", "status", "found"), [(CommitIndex.READY, 200, [17]), (CommitIndex.INDEXING, 202, [])]
)
def test_pull_requests_of_a_commit(
    sandbox: Sandbox, client: _Client, index: CommitIndex, status: int, found: list[int]
) -> None:
    """The commit's pull requests are listed once Bitbucket has linked them, and 202 says that it has not."""
    sandbox.repository.commit_index = index
    answer = client("GET", f"/commit/{_head(sandbox)}/pullrequests")
    assert (answer.status_code, [value["id"] for value in answer.json()["values"]]) == (status, found)


# Build statuses


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"key": "k" * 48}, "key", "Ensure this value has at most 40 characters (it has 48)."),
        ({"name": "n" * 256}, "name", "Ensure this value has at most 255 characters (it has 256)."),
        ({"url": "https://" + "u" * 443}, "url", "Ensure this value has at most 450 characters (it has 451)."),
        ({"url": "javascript:alert(1)"}, "url", "Enter a valid URL."),
        ({"key": ""}, "key", "This field is required."),
        ({"state": "RED"}, "state", "Select a valid choice. RED is not one of the available choices."),
    ],
)
def test_limits_of_a_build_status(
    sandbox: Sandbox, client: _Client, change: dict[str, str], field: str, message: str
) -> None:
    """One character too many, or a value that is none, is a 400 in the recorded words, and nothing is written."""
    answer = client("POST", f"/commit/{_head(sandbox)}/statuses/build", _status(**change))
    assert answer.status_code == 400
    assert answer.json() == {
        "type": "error",
        "error": {"message": f"{field}: {message}", "fields": {field: [message]}},
    }
    assert sandbox.repository.build_statuses == []


@pytest.mark.parametrize(
    "change", [{"key": "k" * 40}, {"name": "n" * 255}, {"url": "https://" + "u" * 442}, {"description": "d" * 2000}]
)
def test_a_build_status_at_its_limit_is_taken(sandbox: Sandbox, client: _Client, change: dict[str, str]) -> None:
    """The longest allowed values are stored whole."""
    answer = client("POST", f"/commit/{_head(sandbox)}/statuses/build", _status(**change))
    assert answer.status_code == 201
    assert answer.json() | change == answer.json()


def test_the_url_of_a_build_status_is_required(sandbox: Sandbox, client: _Client) -> None:
    """A body without url is a 400 that names it."""
    answer = client("POST", f"/commit/{_head(sandbox)}/statuses/build", {"key": "a", "state": "FAILED"})
    assert (answer.status_code, answer.json()["error"]["fields"]) == (400, {"url": "required key not provided"})


def test_an_existing_key_is_overwritten(sandbox: Sandbox, client: _Client) -> None:
    """A second POST under a key, with or without the refname, leaves one status: the later one."""
    path = f"/commit/{_head(sandbox)}/statuses/build"
    client("POST", path, _status(description="one"))
    client("POST", path, _status(state="SUCCESSFUL"))
    without_refname = _status(state="STOPPED")
    del without_refname["refname"]
    client("POST", path, without_refname)
    [status] = client("GET", "/pullrequests/17/statuses").json()["values"]
    assert (status["state"], status["refname"], "description" in status) == ("STOPPED", "feature/cart-totals", False)


def test_only_the_creator_may_overwrite_a_build_status(sandbox: Sandbox, client: _Client) -> None:
    """POST and PUT over another user's status are 403."""
    path = f"/commit/{_head(sandbox)}/statuses/build"
    sandbox.repository.put_status(sandbox.reviewer, _head(sandbox), _status())
    assert client("POST", path, _status(state="SUCCESSFUL")).status_code == 403
    assert client("PUT", f"{path}/nx", {"state": "SUCCESSFUL"}).status_code == 403
    assert [status.state for status in sandbox.repository.build_statuses] == ["FAILED"]


def test_refname_is_part_of_a_build_status_identity(sandbox: Sandbox, client: _Client) -> None:
    """One key under two refnames is two statuses, of which the pull request shows its own; an update then is a 500."""
    path = f"/commit/{_head(sandbox)}/statuses/build"
    client("POST", path, _status())
    client("POST", path, _status(refname="main"))
    assert len(client("GET", f"/commit/{_head(sandbox)}/statuses").json()["values"]) == 2
    [shown] = client("GET", "/pullrequests/17/statuses").json()["values"]
    assert shown["refname"] == "feature/cart-totals"
    assert client("PUT", f"{path}/nx", _status()).status_code == 500


# Reports


def test_a_report_is_put_read_replaced_and_deleted(sandbox: Sandbox, client: _Client) -> None:
    """A PUT under a key makes the report or replaces it whole; it keeps its place, its UUID and when it was made."""
    reports = f"/commit/{_head(sandbox)}/reports"
    made = client("PUT", f"{reports}/nx", _report(data=_DATA)).json()
    assert made | _report(data=_DATA) | {"type": "report", "external_id": "nx"} == made
    assert (made["uuid"][0], made["uuid"][-1], made["created_on"]) == ("{", "}", made["updated_on"])
    client("PUT", f"{reports}/other", _report())
    changed = client("PUT", f"{reports}/nx", {"title": "Nx again"}).json()
    assert {name for name in made if name not in changed} == {"details", "result", "report_type", "data"}
    assert (changed["title"], changed["uuid"], changed["created_on"]) == ("Nx again", made["uuid"], made["created_on"])
    assert changed["updated_on"] > made["updated_on"]
    assert client("GET", f"{reports}/nx").json() == client("GET", f"{reports}/{made['uuid']}").json() == changed
    assert [value["external_id"] for value in client("GET", reports).json()["values"]] == ["nx", "other"]
    assert client("DELETE", f"{reports}/nx").status_code == 204
    assert client("GET", f"{reports}/nx").status_code == 404
    assert [value["external_id"] for value in client("GET", reports).json()["values"]] == ["other"]


def test_reports_belong_to_one_commit_by_its_full_hash(sandbox: Sandbox, client: _Client) -> None:
    """Another commit has reports of its own under the same keys; abbreviated and unknown hashes are 404."""
    head, base = _head(sandbox), sandbox.pull_request.destination_commit
    client("PUT", f"/commit/{head}/reports/nx", _report())
    client("PUT", f"/commit/{base}/reports/nx", _report(title="Base"))
    assert [value["title"] for value in client("GET", f"/commit/{head}/reports").json()["values"]] == ["Nx"]
    assert client("DELETE", f"/commit/{base}/reports/nx").status_code == 204
    assert client("GET", f"/commit/{head}/reports/nx").status_code == 200
    for commit in (head[:12], _OTHER):
        for method, path in (("GET", ""), ("GET", "/nx"), ("PUT", "/nx"), ("DELETE", "/nx")):
            assert client(method, f"/commit/{commit}/reports{path}", _report()).status_code == 404


def test_reports_come_in_pages_by_query(sandbox: Sandbox, client: _Client) -> None:
    """Ten by default, up to 100 with `pagelen`; `q` and `fields` work as on the other lists."""
    for number in range(12):
        sandbox.repository.put_report(sandbox.author, _head(sandbox), f"nx-{number}", _report())
    path = f"/commit/{_head(sandbox)}/reports"
    first = client("GET", path).json()
    second = client.session.get(first["next"], timeout=10).json()
    assert (len(first["values"]), len(second["values"]), "next" in second) == (10, 2, False)
    assert len(client("GET", f"{path}?pagelen=100").json()["values"]) == 12
    assert client("GET", f"{path}?pagelen=101").status_code == 400
    found = client("GET", path, params={"q": 'external_id~"nx-1"', "fields": "values.external_id"}).json()
    assert found == {"values": [{"external_id": "nx-1"}, {"external_id": "nx-10"}, {"external_id": "nx-11"}]}


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"title": "t" * 451}, "title", "Ensure this value has at most 450 characters (it has 451)."),
        ({"title": ""}, "title", "This field is required."),
        ({"details": "d" * 2001}, "details", "Ensure this value has at most 2000 characters (it has 2001)."),
        ({"reporter": "r" * 451}, "reporter", "Ensure this value has at most 450 characters (it has 451)."),
        ({"result": "PASS"}, "result", "Select a valid choice. PASS is not one of the available choices."),
        ({"report_type": "LINT"}, "report_type", "Select a valid choice. LINT is not one of the available choices."),
        ({"link": "javascript:alert(1)"}, "link", "Enter a valid URL."),
        ({"link": "/417"}, "link", "Enter a valid URL."),
        ({"link": "https://ci.example/a b"}, "link", "Enter a valid URL."),
        ({"link": "http://[1/"}, "link", "Enter a valid URL."),
        ({"link": "http://localhost:29418/417"}, "link", "Enter a valid URL."),
        ({"link": "https://LocalHost./"}, "link", "Enter a valid URL."),
        ({"logo_url": "http://localhost/logo.svg"}, "logo_url", "Enter a valid URL."),
        ({"data": [*_DATA, _DATA[0]]}, "data", "Ensure this field has no more than 10 elements."),
    ],
)
def test_limits_of_a_report(
    sandbox: Sandbox, client: _Client, change: dict[str, Any], field: str, message: str
) -> None:
    """One too many, or a value that is none, is a 400 that names the field, and nothing is written."""
    answer = client("PUT", f"/commit/{_head(sandbox)}/reports/nx", _report(**change))
    assert answer.status_code == 400
    assert answer.json()["error"] == {"message": f"{field}: {message}", "fields": {field: [message]}}
    assert sandbox.repository.reports == {}


def test_a_report_needs_a_title_and_a_key_of_bounded_length(sandbox: Sandbox, client: _Client) -> None:
    """A body without title, one that is no object, and a key of 451 characters are 400."""
    reports = f"/commit/{_head(sandbox)}/reports"
    untitled = client("PUT", f"{reports}/nx", {"details": "a"})
    assert (untitled.status_code, untitled.json()["error"]["fields"]) == (400, {"title": "required key not provided"})
    assert client("PUT", f"{reports}/nx", [_report()]).status_code == 400
    assert client("PUT", f"{reports}/{'k' * 451}", _report()).status_code == 400
    assert sandbox.repository.reports == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "report"}, "extra keys not allowed"),
        ({"external_id": "nx"}, "extra keys not allowed"),
        ({"uuid": "{1}"}, "extra keys not allowed"),
        ({"created_on": "2026-11-23T19:00:00+00:00"}, "extra keys not allowed"),
        ({"annotations": []}, "extra keys not allowed"),
        ({"details": None}, "expected str"),
        ({"remote_link_enabled": "yes"}, "expected bool"),
        ({"data": {}}, "expected list"),
    ],
)
def test_a_report_holds_nothing_else(sandbox: Sandbox, client: _Client, change: dict[str, Any], message: str) -> None:
    """Keys that the server makes itself, unknown ones and values of another kind are 400, and nothing is written."""
    answer = client("PUT", f"/commit/{_head(sandbox)}/reports/nx", _report(**change))
    assert (answer.status_code, answer.json()["error"]["fields"]) == (400, dict.fromkeys(change, message))
    assert sandbox.repository.reports == {}


@pytest.mark.parametrize(
    "change",
    [
        {"title": "t" * 450},
        {"details": "d" * 2000},
        {"data": _DATA},
        {"data": [{"title": "Cached", "type": "PERCENTAGE", "value": value} for value in (0, 100)]},
        {"link": "http://127.0.0.1:8080/acme/shop/pull-requests/17"},
        {"link": "https://bitbucket.org/acme/shop/pipelines/results/417"},
    ],
)
def test_a_report_at_its_limit_is_taken(sandbox: Sandbox, client: _Client, change: dict[str, Any]) -> None:
    """The longest allowed values are stored whole, and links to the sandbox itself are links."""
    answer = client("PUT", f"/commit/{_head(sandbox)}/reports/nx", _report(**change))
    assert answer.status_code == 200
    assert answer.json() | change == answer.json()


@pytest.mark.parametrize(
    ("datum", "where"),
    [
        ("text", ""),
        ({"title": "a"}, ".value"),
        ({"type": "TEXT", "value": "a"}, ".title"),
        ({"title": "a", "value": "a", "x": 1}, ".x"),
        ({"title": "a", "type": "FLOAT", "value": 1}, ".type"),
        ({"title": "a", "value": None}, ".value"),
        ({"title": "a", "value": {"text": "a", "href": "https://ci.example"}}, ".value"),
        ({"title": "a", "type": "BOOLEAN", "value": "true"}, ".value"),
        ({"title": "a", "type": "DATE", "value": "2026-11-23"}, ".value"),
        ({"title": "a", "type": "DURATION", "value": "243000"}, ".value"),
        ({"title": "a", "type": "NUMBER", "value": "2"}, ".value"),
        ({"title": "a", "type": "NUMBER", "value": True}, ".value"),
        ({"title": "a", "type": "PERCENTAGE", "value": 100.1}, ".value"),
        ({"title": "a", "type": "PERCENTAGE", "value": -1}, ".value"),
        ({"title": "a", "type": "TEXT", "value": 3}, ".value"),
        ({"title": "a", "type": "LINK", "value": "https://ci.example"}, ".value"),
        ({"title": "a", "type": "LINK", "value": {"href": "https://ci.example"}}, ".value.text"),
        ({"title": "a", "type": "LINK", "value": {"linktext": "a", "href": "https://ci.example"}}, ".value.linktext"),
        ({"title": "a", "type": "LINK", "value": {"text": "a", "href": "javascript:alert(1)"}}, ".value.href"),
    ],
)
def test_data_of_a_report_fit_their_type(sandbox: Sandbox, client: _Client, datum: Any, where: str) -> None:
    """A value that is not of the type that its datum names is a 400 that says which."""
    answer = client("PUT", f"/commit/{_head(sandbox)}/reports/nx", _report(data=[_DATA[0], datum]))
    assert answer.status_code == 400
    assert f"data.1{where}" in answer.json()["error"]["fields"]
    assert sandbox.repository.reports == {}


def test_a_number_that_json_does_not_know_is_refused(sandbox: Sandbox, client: _Client) -> None:
    """NaN in a body is a 400."""
    body = b'{"title": "Nx", "data": [{"title": "a", "type": "NUMBER", "value": NaN}]}'
    headers = {"Content-Type": "application/json"}
    answer = client("PUT", f"/commit/{_head(sandbox)}/reports/nx", data=body, headers=headers)
    assert (answer.status_code, sandbox.repository.reports) == (400, {})


def test_anybody_with_the_scope_may_replace_and_delete_a_report(sandbox: Sandbox, client: _Client) -> None:
    """A report knows who wrote it last, and belongs to nobody; without the scope all is refused."""
    path = f"/commit/{_head(sandbox)}/reports/nx"
    client("PUT", path, _report())
    other = _Client(sandbox, _Bearer(sandbox.state.add_access_token("other", "other", ["repository"]).token))
    assert other("PUT", path, _report(title="Mine now")).status_code == 200
    [report] = sandbox.repository.reports.values()
    assert (report.values["title"], report.user.display_name) == ("Mine now", "other")
    assert client("DELETE", path).status_code == 204
    narrow = sandbox.state.add_api_token(sandbox.author, "ada@acme.example", "narrow", ["read:pullrequest:bitbucket"])
    refused = _Client(sandbox, ("ada@acme.example", narrow.token))("PUT", path, _report())
    assert (refused.status_code, sandbox.repository.reports) == (403, {})
    assert refused.json()["error"]["detail"]["required"] == ["read:repository:bitbucket"]


def test_one_credential_can_be_kept_from_reports_alone(sandbox: Sandbox, client: _Client) -> None:
    """Every operation on reports is a 403 that says what is lacking; statuses work, and so do others' reports."""
    sandbox.repository.reports_refused.add(sandbox.api_token.user)
    reports = f"/commit/{_head(sandbox)}/reports"
    for method, path in (
        ("GET", reports),
        ("GET", f"{reports}/a"),
        ("PUT", f"{reports}/a"),
        ("DELETE", f"{reports}/a"),
    ):
        answer = client(method, path, _report())
        assert answer.status_code == 403
        assert answer.json()["error"] == {
            "message": "Your credentials lack one or more required privilege scopes.",
            "detail": {
                "granted": ["read:pullrequest:bitbucket", "read:repository:bitbucket"],
                "required": ["write:repository:bitbucket"],
            },
        }
    assert client("POST", f"/commit/{_head(sandbox)}/statuses/build", _status()).status_code == 201
    access = _Client(sandbox, _Bearer(sandbox.access_token.token))
    assert access("PUT", f"{reports}/a", _report()).status_code == 200
    sandbox.repository.reports_refused.add(sandbox.access_token.user)
    assert access("GET", reports).json()["error"]["detail"]["required"] == ["repository:write"]


def test_the_page_shows_the_reports_of_the_head(sandbox: Sandbox, client: _Client) -> None:
    """Title, result, data and details stand on the page, escaped, and links that could run code lead nowhere."""
    hostile = "<script>alert(1)</script>"
    link = {"text": hostile, "href": "https://ci.example/417"}
    data = [*_DATA[:9], {"title": hostile, "type": "LINK", "value": link}]
    client("PUT", f"/commit/{_head(sandbox)}/reports/a", _report(title=hostile, details=f"{hostile}\n  b", data=data))
    sandbox.repository.put_report(
        sandbox.author,
        _head(sandbox),
        "b",
        {
            "title": "Direct",
            "link": "javascript:alert(1)",
            "data": [
                {"title": "a", "type": "LINK", "value": {"text": "b", "href": "javascript:alert(2)"}},
                {"title": "c", "type": "DATE", "value": 10**400},
                {"title": "d", "type": "DURATION", "value": 10**400},
            ],
        },
    )
    sandbox.repository.put_report(sandbox.author, sandbox.pull_request.destination_commit, "c", {"title": "Base only"})
    page = client.session.get(sandbox.page_url(), timeout=10).text
    assert 'Reports <span class="count">2</span>' in page
    assert "<pre>&lt;script&gt;alert(1)&lt;/script&gt;\n  b</pre>" in page
    assert 'aria-label="failed"' in page
    for text in ("No", "23 Nov 2026, 19:02 UTC", "4m 03s", "2", "65.9%", "test"):
        assert f"<dd>{text}</dd>" in page
    assert '<dd><a href="https://ci.example/417" rel="nofollow noopener">&lt;script&gt;' in page
    assert "<script" not in page
    assert "javascript:" not in page
    assert "Base only" not in page


# Annotations


@pytest.fixture
def annotated(sandbox: Sandbox, client: _Client) -> str:
    """Put a report, and give the path of its annotations."""
    path = f"/commit/{_head(sandbox)}/reports/nx"
    client("PUT", path, _report())
    return f"{path}/annotations"


def _ids(client: _Client, path: str) -> list[str]:
    return [value["external_id"] for value in client("GET", f"{path}?pagelen=100").json()["values"]]


def test_annotations_are_put_replaced_and_deleted(sandbox: Sandbox, client: _Client, annotated: str) -> None:
    """Each is known by its id in the report: a second one of that id replaces the first, in its place."""
    [made] = client("POST", annotated, [_annotation()]).json()
    assert made | _annotation() | {"type": "report_annotation"} == made
    assert (made["uuid"][0], made["created_on"]) == ("{", made["updated_on"])
    client("POST", annotated, [_annotation(external_id="b")])
    [changed] = client("POST", annotated, [_annotation(summary="It was")]).json()
    assert (changed["summary"], changed["uuid"], changed["created_on"]) == ("It was", made["uuid"], made["created_on"])
    assert changed["updated_on"] > made["updated_on"]
    assert client("GET", f"{annotated}/a").json() == client("GET", f"{annotated}/{made['uuid']}").json() == changed
    assert _ids(client, annotated) == ["a", "b"]
    assert client("DELETE", f"{annotated}/a").status_code == 204
    assert client("GET", f"{annotated}/a").status_code == 404
    assert client("DELETE", f"{annotated}/a").status_code == 204
    sandbox.repository.strict_deletion = True
    assert client("DELETE", f"{annotated}/a").status_code == 404
    assert _ids(client, annotated) == ["b"]


def test_annotations_live_and_die_with_their_report(sandbox: Sandbox, client: _Client, annotated: str) -> None:
    """A report that is put again keeps them, a deleted one takes them along, and without one there are none."""
    report = annotated.removesuffix("/annotations")
    client("POST", annotated, [_annotation()])
    client("PUT", report, _report(title="Again"))
    assert _ids(client, annotated) == ["a"]
    client("DELETE", report)
    for method in ("GET", "POST"):
        assert client(method, annotated, [_annotation()]).status_code == 404
    client("PUT", report, _report())
    assert _ids(client, annotated) == []
    assert sandbox.repository.annotations == {}


def test_annotations_at_once_and_in_all(sandbox: Sandbox, client: _Client, annotated: str) -> None:
    """101 at once are refused in a shape of its own, none and a shared id too; so is the one beyond a thousand."""
    many = [_annotation(external_id=str(number)) for number in range(1001)]
    refused = client("POST", annotated, many[:101])
    assert refused.status_code == 400
    assert refused.json() == {"code": 400, "message": "Bulk upload supports a maximum of /100 annotations."}
    for wrong in ([], _annotation(), [_annotation(), _annotation()], None):
        assert client("POST", annotated, wrong).status_code == 400
    assert sandbox.repository.annotations == {}
    for start in range(0, 1000, 100):
        assert client("POST", annotated, many[start : start + 100]).status_code == 200
    assert client("POST", annotated, many[1000:]).status_code == 400
    assert client("POST", annotated, many[:100]).status_code == 200
    first = client("GET", f"{annotated}?pagelen=100").json()
    assert (len(first["values"]), first["next"].startswith(sandbox.url)) == (100, True)
    [stored] = sandbox.repository.annotations.values()
    assert len(stored) == 1000


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"summary": ""}, "summary"),
        ({"summary": " "}, "summary"),
        ({"summary": "s" * 451}, "summary"),
        ({"summary": None}, "summary"),
        ({"details": "d" * 2001}, "details"),
        ({"external_id": ""}, "external_id"),
        ({"external_id": "i" * 451}, "external_id"),
        ({"line": 0}, "line"),
        ({"line": "3"}, "line"),
        ({"line": True}, "line"),
        ({"path": "/cart/a.ts"}, "path"),
        ({"path": "../a.ts"}, "path"),
        ({"path": "./a.ts"}, "path"),
        ({"path": ""}, "path"),
        ({"severity": "ERROR"}, "severity"),
        ({"annotation_type": "TEST"}, "annotation_type"),
        ({"result": "PENDING"}, "result"),
        ({"link": "javascript:alert(1)"}, "link"),
        ({"link": "http://localhost/"}, "link"),
        ({"title": "x"}, "title"),
        ({"type": "x"}, "type"),
        ({"uuid": "{1}"}, "uuid"),
    ],
)
def test_limits_of_an_annotation(
    sandbox: Sandbox, client: _Client, annotated: str, change: dict[str, Any], field: str
) -> None:
    """One wrong value, or a key too many, in one of several is a 400 that names it, and none is written."""
    answer = client("POST", annotated, [_annotation(external_id="b"), _annotation(**change)])
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, [field])
    assert sandbox.repository.annotations == {}


def test_an_annotation_at_its_limit_is_taken(client: _Client, annotated: str) -> None:
    """The longest values are stored whole, and without a line, a path, details and a severity it is one too."""
    full = _annotation(external_id="i" * 450, summary="s" * 450, details="d" * 2000, line=1, link="https://ci.example")
    assert client("POST", annotated, [full]).status_code == 200
    bare = {"external_id": "b", "annotation_type": "BUG", "summary": "x"}
    assert client("POST", annotated, [bare]).status_code == 200
    assert client("GET", f"{annotated}/{'i' * 450}").json() | full == client("GET", f"{annotated}/{'i' * 450}").json()


def test_the_page_shows_annotations_with_their_report(client: _Client, sandbox: Sandbox, annotated: str) -> None:
    """Place, severity, summary and details stand below the report, escaped."""
    client("POST", annotated, [_annotation(summary="<script>alert(1)</script>", details="tsc TS2322")])
    page = client.session.get(sandbox.page_url(), timeout=10).text
    assert 'Annotations <span class="count">1</span>' in page
    for text in ("&lt;script&gt;alert(1)", "<code>cart/a.ts:3</code>", "HIGH", "tsc TS2322"):
        assert text in page
    assert "<script" not in page


# Downloads


@pytest.fixture
def uploader(sandbox: Sandbox) -> _Client:
    """Give a client that may write to the repository."""
    email, token = "up@acme.example", "upload-token"
    sandbox.state.add_api_token(sandbox.author, email, token, _WIDE)
    return _Client(sandbox, (email, token))


def test_downloads_are_uploaded_listed_fetched_and_deleted(uploader: _Client) -> None:
    """A file is put under its name, over one of that name, and is fetched where the API's redirect leads."""
    for content in (b"one", b"<p>two</p>"):
        answer = uploader("POST", "/downloads", files={"files": ("a.html", content)})
        assert (answer.status_code, answer.content) == (201, b"")
    page = uploader("GET", "/downloads").json()
    [listed] = page["values"]
    assert (listed["name"], listed["size"], listed["user"]["display_name"]) == ("a.html", 10, "Ada Moreno")
    assert (page["size"], listed["created_on"][:10]) == (1, "2026-11-23")
    found = uploader("GET", "/downloads/a.html", allow_redirects=False)
    assert found.status_code == 302
    fetched = requests.get(found.headers["Location"], timeout=10)
    assert (fetched.content, fetched.headers["Content-Type"]) == (b"<p>two</p>", "application/octet-stream")
    assert fetched.headers["Content-Disposition"].startswith("attachment")
    assert uploader("DELETE", "/downloads/a.html").status_code == 204
    for method in ("GET", "DELETE"):
        assert uploader(method, "/downloads/a.html").status_code == 404
    assert requests.get(found.headers["Location"], timeout=10).status_code == 404


def test_what_is_no_upload_is_refused(sandbox: Sandbox, uploader: _Client) -> None:
    """Another content type is a 406, a form without files or with a path for a name a 400; nothing is written."""
    assert uploader("POST", "/downloads", {"files": "a"}).status_code == 406
    assert uploader("POST", "/downloads", files={"other": ("a.html", b"a")}).status_code == 400
    assert uploader("POST", "/downloads", files={"files": ("a/b.html", b"a")}).status_code == 400
    assert sandbox.repository.downloads == {}


def test_uploading_needs_a_scope_of_its_own(sandbox: Sandbox, client: _Client) -> None:
    """To read is allowed by the scope for reading, to upload and to delete by that for writing, in its own words."""
    sandbox.repository.put_download(sandbox.author, "a.html", b"a")
    assert client("GET", "/downloads").status_code == 200
    assert client("GET", "/downloads/a.html", allow_redirects=False).status_code == 302
    access = _Client(sandbox, _Bearer(sandbox.access_token.token))
    for refused in (client, access):
        for answer in (
            refused("POST", "/downloads", files={"files": ("a.html", b"b")}),
            refused("DELETE", "/downloads/a.html"),
        ):
            required = "write:repository:bitbucket" if refused is client else "repository:write"
            assert (answer.status_code, answer.json()["error"]["detail"]["required"]) == (403, [required])
    assert sandbox.repository.downloads["a.html"].content == b"a"


def test_downloads_come_in_pages(sandbox: Sandbox, client: _Client) -> None:
    """Ten by default, up to 100 with `pagelen`."""
    for number in range(12):
        sandbox.repository.put_download(sandbox.author, f"{number}.html", b"")
    first = client("GET", "/downloads").json()
    second = client.session.get(first["next"], timeout=10).json()
    assert (len(first["values"]), len(second["values"]), first["size"]) == (10, 2, 12)
    assert len(client("GET", "/downloads?pagelen=100").json()["values"]) == 12


# Pipelines' proxy


def _through(sandbox: Sandbox, method: str, path: str, json: Any = None, **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"http": sandbox.proxy.address}
        url = f"http://api.bitbucket.org/2.0/repositories/acme/shop{path}"
        return session.request(method, url, json=json, timeout=10, **options)


def test_the_proxy_signs_what_concerns_reports(sandbox: Sandbox) -> None:
    """Reports and annotations work without a credential; the list's next page is as the API knows itself."""
    reports = f"/commit/{_head(sandbox)}/reports"
    assert _through(sandbox, "PUT", f"{reports}/nx", _report()).status_code == 200
    assert _through(sandbox, "POST", f"{reports}/nx/annotations", [_annotation()]).status_code == 200
    for number in range(11):
        sandbox.repository.put_report(sandbox.author, _head(sandbox), f"nx-{number}", _report())
    assert _through(sandbox, "GET", reports).json()["next"].startswith("https://api.bitbucket.org/2.0/repositories/")
    assert _through(sandbox, "DELETE", f"{reports}/nx").status_code == 204
    assert [exchange.authorized for exchange in sandbox.proxy.requests] == [False] * 4
    assert sandbox.requests == []


def test_the_proxy_signs_nothing_else(sandbox: Sandbox) -> None:
    """A comment, a build status, a download and another host are turned away."""
    for method, path in (
        ("POST", "/pullrequests/17/comments"),
        ("POST", f"/commit/{_head(sandbox)}/statuses/build"),
        ("GET", "/downloads"),
        ("GET", f"/commit/{_head(sandbox)}"),
        ("GET", f"/commit/{_head(sandbox)}/reportsx"),
    ):
        assert _through(sandbox, method, path, _comment("a")).status_code == 401
    direct = requests.get(f"{sandbox.proxy.address}/2.0/repositories/acme/shop/pullrequests", timeout=10)
    assert direct.status_code == 502
    assert (sandbox.pull_request.comments, sandbox.repository.build_statuses) == ({}, [])


@pytest.mark.parametrize("header", ["Authorization", "Proxy-Authorization", "Cookie"])
def test_a_credential_given_to_the_proxy_fails_the_test(header: str) -> None:
    """Whoever sends the proxy a credential hears of it when the sandbox closes."""
    sandbox = Sandbox()
    path = f"/commit/{_head(sandbox)}/reports"
    _through(sandbox, "GET", path)
    _through(sandbox, "GET", path, headers={header: "Bearer x"})
    with pytest.raises(ExceptionGroup) as raised:
        sandbox.close()
    assert [str(error) for error in raised.value.exceptions] == [
        f"GET /2.0/repositories/acme/shop{path}: the proxy was sent {header}"
    ]


# Credentials


def test_both_kinds_of_credential_work_and_are_named(sandbox: Sandbox) -> None:
    """An API token works as Basic, an access token as Bearer; headers name the kind and the scopes."""
    api = _Client(sandbox)("GET", "/pullrequests/17")
    access = _Client(sandbox, _Bearer(sandbox.access_token.token))("GET", f"/commit/{_head(sandbox)}")
    assert (api.status_code, access.status_code) == (200, 200)
    assert api.headers["X-Credential-Type"] == "api_token"
    assert api.headers["X-Oauth-Scopes"] == "read:pullrequest:bitbucket, read:repository:bitbucket"
    assert api.headers["X-Accepted-Oauth-Scopes"] == "read:pullrequest:bitbucket"
    assert access.headers["X-Accepted-Oauth-Scopes"] == "repository"


def test_wrong_credentials_are_told_apart_as_bitbucket_does(sandbox: Sandbox) -> None:
    """A bad token, or one without scopes, gets a JSON body; a username for the e-mail, or nothing, an empty one."""
    email, token = sandbox.api_auth
    sandbox.state.add_api_token(sandbox.author, "ada@acme.example", "scopeless", [])
    attempts = {
        "bad token": _Client(sandbox, (email, "wrong")),
        "no scopes": _Client(sandbox, ("ada@acme.example", "scopeless")),
        "API token as Bearer": _Client(sandbox, _Bearer(token)),
        "username": _Client(sandbox, ("ci_user", token)),
        "access token as Basic": _Client(sandbox, ("x-token-auth", sandbox.access_token.token)),
        "nothing": _Client(sandbox, _Anonymous()),
    }
    answers = {name: attempt("GET", "/pullrequests/17") for name, attempt in attempts.items()}
    assert {answer.status_code for answer in answers.values()} == {401}
    with_body = {name for name, answer in answers.items() if answer.content}
    assert with_body == {"bad token", "no scopes", "API token as Bearer"}
    assert answers["bad token"].json()["error"]["message"].startswith("Token is invalid, expired, or not supported")


@pytest.mark.parametrize(
    ("scopes", "path", "status"),
    [
        (["read:repository:bitbucket"], "/pullrequests/17", 403),
        (["write:pullrequest:bitbucket", "write:repository:bitbucket"], "/pullrequests/17", 403),
        (["read:pullrequest:bitbucket"], "/pullrequests/17", 200),
    ],
)
def test_scopes_of_an_api_token_contain_no_others(sandbox: Sandbox, scopes: list[str], path: str, status: int) -> None:
    """Only the very scope counts; a 403 says which are granted and which is required."""
    token = sandbox.state.add_api_token(sandbox.author, "ada@acme.example", "other", scopes).token
    answer = _Client(sandbox, ("ada@acme.example", token))("GET", path)
    assert answer.status_code == status
    if status == 403:
        detail = {"granted": sorted(scopes), "required": ["read:pullrequest:bitbucket"]}
        assert answer.json()["error"]["detail"] == detail


# Connections and faults


def test_requests_share_a_connection_and_are_logged(sandbox: Sandbox, client: _Client) -> None:
    """Connections are kept alive over all methods, and the log has each request with what was sent and answered."""
    body = {"content": {"raw": "a"}}
    number = client("POST", "/pullrequests/17/comments", body).json()["id"]
    client("PUT", f"/pullrequests/17/comments/{number}", body)
    client("DELETE", f"/pullrequests/17/comments/{number}")
    client("GET", "/pullrequests/17/comments?pagelen=50")
    client("GET", "/nowhere")
    assert sandbox.connections == 1
    assert [(each.method, each.status) for each in sandbox.requests] == [
        ("POST", 201),
        ("PUT", 200),
        ("DELETE", 204),
        ("GET", 200),
        ("GET", 404),
    ]
    assert sandbox.requests[0].json == body
    assert sandbox.requests[0].authorized
    assert sandbox.requests[3].args["pagelen"] == "50"


@pytest.mark.parametrize(
    ("answer", "status", "headers"),
    [
        (rate_limited(), 429, ("text/plain", None)),
        (rate_limited("7"), 429, ("text/plain", "7")),
        (server_error(503), 503, ("text/html; charset=utf-8", None)),
        (not_found_page(), 404, ("text/html; charset=utf-8", None)),
        (json_answer(400, {"error": {"message": "x"}}), 400, ("application/json", None)),
    ],
)
def test_a_fault_answers_as_often_as_asked(
    sandbox: Sandbox, client: _Client, answer: Answer, status: int, headers: tuple[str, str | None]
) -> None:
    """The next two matching requests get the fault's answer, the third the right one; others are not met."""
    fault = sandbox.faults.add("GET", "/pullrequests/17$", answer, times=2)
    assert client("GET", "/pullrequests/17/comments").status_code == 200
    for _ in range(2):
        got = client("GET", "/pullrequests/17")
        assert got.status_code == status
        assert (got.headers["Content-Type"], got.headers.get("Retry-After")) == headers
    assert client("GET", "/pullrequests/17").status_code == 200
    assert (fault.hits, sandbox.connections) == (2, 1)


def test_an_unknown_path_answers_a_page_with_a_session_token(client: _Client) -> None:
    """The 404 is about 25 KB of HTML and holds what must never be printed."""
    answer = client("GET", "/nowhere")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert 24_000 < len(answer.content) < 30_000
    assert SESSION_TOKEN in answer.text


@pytest.mark.parametrize(("action", "written"), [(Action.DROP, 0), (Action.LOSE, 1)])
def test_a_connection_is_dropped_before_or_after_the_write(
    sandbox: Sandbox, client: _Client, action: Action, written: int
) -> None:
    """The client can't tell the two apart; the state can."""
    sandbox.faults.add("POST", "/comments$", action)
    with pytest.raises(requests.ConnectionError):
        client("POST", "/pullrequests/17/comments", {"content": {"raw": "a"}})
    assert len(sandbox.pull_request.comments) == written
    assert [(each.status, each.faulty) for each in sandbox.requests] == [(None, True)]


@pytest.mark.parametrize("action", [Action.HANG, Action.TRICKLE])
def test_a_silent_server_lets_go_when_released(sandbox: Sandbox, client: _Client, action: Action) -> None:
    """No answer ever comes to its end; after the release the connection is closed."""
    fault = sandbox.faults.add("GET", "/pullrequests/17$", action)
    failures: list[Exception] = []

    def ask() -> None:
        try:
            client("GET", "/pullrequests/17")
        except requests.RequestException as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert fault.reached.wait(10)
    assert asking.is_alive()
    fault.release()
    asking.join(10)
    assert len(failures) == 1


def test_a_held_write_waits_for_its_release(sandbox: Sandbox, client: _Client) -> None:
    """While one write is held others go on; then it is done as usual."""
    fault = sandbox.faults.add("POST", "/comments$", Action.HOLD)
    path, statuses = "/pullrequests/17/comments", []
    held = threading.Thread(
        target=lambda: statuses.append(_Client(sandbox)("POST", path, {"content": {"raw": "held"}}).status_code)
    )
    held.start()
    assert fault.reached.wait(10)
    client("POST", path, {"content": {"raw": "other"}})
    fault.release()
    held.join(10)
    assert statuses == [201]
    assert [comment.raw for comment in sandbox.pull_request.comments.values()] == ["other", "held"]


def test_one_chosen_write_is_held_while_all_others_are_answered(sandbox: Sandbox, client: _Client) -> None:
    """The second update of a comment by the step named in it is held; earlier, other and later ones are not."""
    path = f"/pullrequests/17/comments/{client('POST', '/pullrequests/17/comments', _comment('')).json()['id']}"
    fault = sandbox.faults.add("PUT", r"/comments/\d+$", Action.HOLD, skip=1, body="step test")
    assert client("PUT", path, _comment("step lint, 1")).status_code == 200
    assert client("PUT", path, _comment("step test, 1")).status_code == 200
    statuses: list[int] = []
    with _Client(sandbox) as other:
        held = threading.Thread(
            target=lambda: statuses.append(other("PUT", path, _comment("step test, 2")).status_code)
        )
        held.start()
        assert fault.reached.wait(10)
        assert client("PUT", path, _comment("step test, 3")).status_code == 200
        assert client("GET", path).json()["content"]["raw"] == "step test, 3"
        assert (client("GET", "/pullrequests/17").status_code, statuses, fault.hits) == (200, [], 1)
        fault.release()
        held.join(10)
    assert statuses == [200]
    assert client("GET", path).json()["content"]["raw"] == "step test, 2"


def test_a_fault_that_skips_leaves_the_request_to_the_next_fault(sandbox: Sandbox, client: _Client) -> None:
    """What one fault lets pass another may meet."""
    sandbox.faults.add("GET", "/17$", server_error(503), skip=1)
    sandbox.faults.add("GET", "/17$", rate_limited(), times=None)
    assert [client("GET", "/pullrequests/17").status_code for _ in range(3)] == [429, 503, 429]


def test_requests_wait_for_the_latency_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request to the API waits as long as was asked for, and another one can wait meanwhile; pages don't wait."""
    both, naps = threading.Barrier(2), []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        both.wait(10)

    monkeypatch.setattr("test.sandbox.server.time", SimpleNamespace(sleep=nap))
    with Sandbox(latency=0.1) as sandbox, _Client(sandbox) as one, _Client(sandbox) as other:
        statuses: list[int] = []
        asking = threading.Thread(target=lambda: statuses.append(one("GET", "/pullrequests/17").status_code))
        asking.start()
        statuses.append(other("GET", "/pullrequests/17").status_code)
        asking.join(10)
        assert other.session.get(sandbox.page_url(), timeout=10).status_code == 200
    assert (statuses, naps) == ([200, 200], [0.1, 0.1])


def test_many_connections_at_once_are_served(sandbox: Sandbox, client: _Client) -> None:
    """150 clients, each with a connection of its own and all held in the middle, get their answers."""
    fault = sandbox.faults.add("PUT", "/reports/", Action.HOLD, times=None)
    statuses: list[int] = []

    def put(number: int) -> None:
        with _Client(sandbox) as own:
            statuses.append(own("PUT", f"/commit/{_head(sandbox)}/reports/nx-{number}", _report()).status_code)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(150)]
    for thread in threads:
        thread.start()
    assert fault.reached.wait(10)
    assert client("GET", "/pullrequests/17").status_code == 200
    fault.release()
    for thread in threads:
        thread.join(30)
    assert statuses == [200] * 150
    assert (sandbox.connections, len(sandbox.repository.reports)) == (151, 150)


# Reads that are late


def test_reads_may_not_know_the_last_writes(sandbox: Sandbox, client: _Client) -> None:
    """With a lag of two, lists and the pull request answer as they stood two writes ago, whoever wrote what."""
    comments, head = "/pullrequests/17/comments", _head(sandbox)
    sandbox.state.lag = lambda _: 2
    number = client("POST", comments, _comment("one")).json()["id"]
    client("PUT", f"{comments}/{number}", _comment("two"))

    def seen() -> tuple[Any, ...]:
        return (
            [value["content"]["raw"] for value in client("GET", comments).json()["values"]],
            [value["key"] for value in client("GET", f"/commit/{head}/statuses").json()["values"]],
            [value["external_id"] for value in client("GET", f"/commit/{head}/reports").json()["values"]],
            client("GET", "/pullrequests/17").json()["source"]["commit"]["hash"],
        )

    assert seen() == ([], [], [], head[:12])
    client("POST", f"/commit/{head}/statuses/build", _status())
    assert seen() == (["one"], [], [], head[:12])
    client("PUT", f"/commit/{head}/reports/nx", _report())
    assert seen() == (["two"], [], [], head[:12])
    client("DELETE", f"{comments}/{number}")
    assert seen() == (["two"], ["nx"], [], head[:12])
    sandbox.repository.push(sandbox.pull_request, _OTHER)
    assert seen() == (["two"], ["nx"], ["nx"], head[:12])
    client("DELETE", f"/commit/{head}/reports/nx")
    assert seen() == ([""], ["nx"], ["nx"], head[:12])
    sandbox.repository.add_comment(sandbox.author, sandbox.pull_request, "three")
    assert seen() == ([""], ["nx"], ["nx"], _OTHER[:12])
    assert client("GET", f"/commit/{_OTHER}").status_code == 200
    sandbox.state.lag = None
    assert seen() == (["", "three"], ["nx"], [], _OTHER[:12])


def test_each_read_can_be_late_in_its_own_way(sandbox: Sandbox, client: _Client) -> None:
    """The lag is asked with the path of each GET, reaches three writes back, and counts from when it was set."""
    comments = "/pullrequests/17/comments"
    client("POST", comments, _comment("before"))
    asked, lag = [], [3]

    def late(path: str) -> int:
        asked.append(path)
        return lag.pop(0) if path.endswith("/comments") else 0

    sandbox.state.lag = late
    client("POST", comments, _comment("1"))
    client("PUT", f"{comments}/1", _comment("refused, so not counted"))
    assert len(client("GET", comments).json()["values"]) == 1
    for number in range(2, 6):
        client("POST", comments, _comment(str(number)))
    lag += [0, 1, 2, 3, 9]
    assert [len(client("GET", comments).json()["values"]) for _ in range(5)] == [6, 5, 4, 3, 3]
    assert client("GET", "/pullrequests/17").json()["comment_count"] == 6
    assert asked == [*[f"/2.0/repositories/acme/shop{comments}"] * 6, "/2.0/repositories/acme/shop/pullrequests/17"]


def test_closing_lets_go_of_a_hanging_request() -> None:
    """The sandbox can be closed while a client waits; the client sees the connection close."""
    sandbox = Sandbox()
    fault = sandbox.faults.add("GET", "/pullrequests/17$", Action.HANG)
    failed = threading.Event()

    def ask() -> None:
        try:
            _Client(sandbox)("GET", "/pullrequests/17")
        except requests.ConnectionError:
            failed.set()

    threading.Thread(target=ask).start()
    assert fault.reached.wait(10)
    sandbox.close()
    assert failed.wait(10)


def test_an_exchange_is_seen_before_the_client_has_its_answer() -> None:
    """`on_exchange` gets each exchange whole, and its own failure comes out when the sandbox closes."""
    seen: list[int | None] = []

    def see(exchange: Exchange) -> None:
        seen.append(exchange.status)
        if exchange.status == 404:
            raise ValueError("unwanted")

    sandbox = Sandbox(on_exchange=see)
    client = _Client(sandbox)
    client("GET", "/pullrequests/17")
    client("GET", "/pullrequests/18")
    assert seen == [200, 404]
    with pytest.raises(ExceptionGroup) as raised:
        sandbox.close()
    assert [str(error) for error in raised.value.exceptions] == ["unwanted"]
