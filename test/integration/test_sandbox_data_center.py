"""The embedded Bitbucket behaves as Bitbucket Data Center does, and its answers keep to Atlassian's OpenAPI file."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
import requests
from werkzeug.datastructures import Headers

from test.conftest_tools import need
from test.contract import FILE, Contract
from test.sandbox import Action, Exchange, Sandbox, login_page, rate_limited
from test.sandbox.faults import SESSION_TOKEN
from test.sandbox.seed import BASE, BEFORE, HEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from test.sandbox.state import HttpToken

_OTHER = "0123456789abcdef0123456789abcdef01234567"
_START = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
_COMMENTS, _ACTIVITIES = "/pull-requests/17/comments", "/pull-requests/17/activities"
_BUILDS, _REPORTS = f"/commits/{HEAD}/builds", f"/commits/{HEAD}/reports"
_EMOJI = "\N{PARTY POPPER}"
_DATA: list[dict[str, Any]] = [
    {"title": "Green", "type": "BOOLEAN", "value": False},
    {"title": "Took", "type": "DURATION", "value": 243_000},
    {"title": "Build", "type": "LINK", "value": {"linktext": "417", "href": "https://ci.example/417"}},
    {"title": "Cached", "type": "PERCENTAGE", "value": 65.9},
    {"title": "Step", "type": "TEXT", "value": "test"},
    {"title": "Tasks", "value": 41},
]


class _Client:
    """One session with the sandbox's Data Center, by path below the repository in one of its APIs."""

    def __init__(self, sandbox: Sandbox, token: HttpToken | None = None, project: str = "ACME/repos/shop") -> None:
        self.session = requests.Session()
        self.session.trust_env = False  # a .netrc or proxy of the machine has no part in this
        self.session.headers["Authorization"] = f"Bearer {(token or sandbox.http_token).token}"
        self.session.headers["X-Atlassian-Token"] = "no-check"
        self._rest, self._project = f"{sandbox.server_url}/rest", project

    def __call__(self, method: str, path: str, json: Any = None, **options: Any) -> requests.Response:
        api = "insights" if "/reports" in path else "api"
        return self.rest(method, f"/{api}/latest/projects/{self._project}{path}", json, **options)

    def rest(self, method: str, path: str, json: Any = None, **options: Any) -> requests.Response:
        """The same by path below `/rest`."""
        return self.session.request(method, self._rest + path, json=json, timeout=10, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()


@pytest.fixture(scope="module")
def contract() -> Contract:
    """Load the OpenAPI files once."""
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
    """Give a client with the robot's own token."""
    with _Client(sandbox) as made:
        yield made


@pytest.fixture
def admin(sandbox: Sandbox) -> HttpToken:
    """Give the token of somebody who may administer the repository."""
    return sandbox.state.add_http_token(sandbox.author, "admin", permission="admin")


def _status(**changes: Any) -> dict[str, Any]:
    made = {"key": "nx", "state": "FAILED", "url": "https://ci.example/417", "ref": "refs/heads/feature/cart-totals"}
    return made | changes


def _report(**changes: Any) -> dict[str, Any]:
    return {"title": "Nx", "details": "cart:test failed", "result": "FAIL", "data": []} | changes


def _annotation(**changes: Any) -> dict[str, Any]:
    made = {"externalId": "a", "type": "BUG", "severity": "HIGH", "path": "cart/a.ts", "line": 3}
    return made | {"message": "It is wrong"} | changes


def _annotations(*several: dict[str, Any]) -> dict[str, Any]:
    return {"annotations": list(several)}


def _comment(client: _Client, text: str = "a", **more: Any) -> dict[str, Any]:
    answer = client("POST", _COMMENTS, {"text": text, **more})
    assert answer.status_code == 201
    value: dict[str, Any] = answer.json()
    return value


def _values(answer: requests.Response, name: str = "id") -> list[Any]:
    assert answer.status_code == 200
    return [value[name] for value in answer.json()["values"]]


def _exception(answer: requests.Response) -> tuple[int, str | None]:
    """The status code and the error's class."""
    [error] = answer.json()["errors"]
    assert error.keys() >= {"context", "message", "exceptionName"}
    name = error["exceptionName"]
    return answer.status_code, name and name.split(".")[-1]


_NOT_PERMITTED = (401, "AuthorisationException")


# Contract


def test_every_operation_keeps_to_the_contract(
    contract: Contract, sandbox: Sandbox, client: _Client, admin: HttpToken
) -> None:
    """Requests and answers of every operation, done as it should be, are as the OpenAPI file says."""
    first = _comment(client)["id"]
    reply = _comment(client, "b", parent={"id": first})["id"]
    line = {"path": "cart/a.ts", "line": 3, "lineType": "ADDED", "fileType": "TO", "diffType": "EFFECTIVE"}
    sandbox.repository.approve(sandbox.reviewer, sandbox.pull_request)
    legacy = {"key": "old", "state": "FAILED", "url": "https://ci.example/416", "name": "Nx", "description": "2 failed"}
    full = _report(reporter="Nx Report", link="https://ci.example/417", logoUrl="https://ci.example/a.svg", data=_DATA)
    counts = {"failed": 1, "skipped": 0, "successful": 14}
    done = [
        client("POST", _COMMENTS, {"text": "here", "anchor": line}),
        client("GET", "/pull-requests"),
        client("GET", "/pull-requests?direction=OUTGOING&at=refs/heads/feature/cart-totals&state=OPEN&order=OLDEST"),
        client("GET", "/pull-requests/17"),
        client("GET", f"/commits/{HEAD}/pull-requests?limit=100"),
        client("GET", _ACTIVITIES),
        client("GET", f"{_ACTIVITIES}?limit=2"),
        client("GET", f"{_COMMENTS}?path=cart/a.ts"),
        client("GET", f"{_COMMENTS}/{first}"),
        client("PUT", f"{_COMMENTS}/{first}", {"text": "c", "version": 0}),
        client("DELETE", f"{_COMMENTS}/{reply}?version=0"),
        client("GET", f"/commits/{BASE}"),
        client(
            "POST",
            _BUILDS,
            _status(name="Nx", description="2", parent="nx", buildNumber="417", duration=3, testResults=counts),
        ),
        client("GET", f"{_BUILDS}?key=nx"),
        client.rest("POST", f"/build-status/latest/commits/{HEAD}", legacy),
        client.rest("GET", f"/build-status/latest/commits/{HEAD}?orderBy=OLDEST"),
        _Client(sandbox, admin)("DELETE", f"{_BUILDS}?key=nx"),
        client("PUT", f"{_REPORTS}/nx", full),
        client("GET", f"{_REPORTS}/nx"),
        client("GET", _REPORTS),
        client("POST", f"{_REPORTS}/nx/annotations", _annotations(_annotation(), {"message": "b", "severity": "LOW"})),
        client("PUT", f"{_REPORTS}/nx/annotations/a", _annotation(link="https://ci.example/417")),
        client("GET", f"{_REPORTS}/nx/annotations"),
        client("DELETE", f"{_REPORTS}/nx/annotations?externalId=a"),
        client("DELETE", f"{_REPORTS}/nx"),
        client.rest("GET", "/api/latest/application-properties"),
        client.rest("GET", "/api/1.0/projects/ACME/repos/shop/pull-requests/17"),
    ]
    expected = [201, *[200] * 9, 204, 200, 204, 200, 204, 200, 204, 200, 200, 200, 204, 204, 200, 204, 204, 200, 200]
    assert [answer.status_code for answer in done] == expected
    assert [problem for exchange in sandbox.requests for problem in contract.problems(exchange)] == []


def test_error_answers_keep_to_the_contract(contract: Contract, sandbox: Sandbox, client: _Client) -> None:
    """What is refused is refused in the shape that the OpenAPI file has for errors."""
    foreign = sandbox.repository.add_comment(sandbox.reviewer, sandbox.pull_request, "mine").id
    sandbox.repository.put_report(sandbox.reviewer, HEAD, "theirs", {"title": "Theirs"})
    number = _comment(client)["id"]
    sandbox.requests.clear()
    client("POST", _COMMENTS, {"text": ""})
    client("PUT", f"{_COMMENTS}/{foreign}", {"text": "a", "version": 0})
    client("PUT", f"{_COMMENTS}/{number}", {"text": "b"})
    client("GET", f"{_COMMENTS}/1")
    client("GET", _COMMENTS)
    client("GET", "/pull-requests/99")
    client("GET", f"/commits/{_OTHER}")
    client("POST", _BUILDS, _status(state="RED"))
    client("GET", f"{_BUILDS}?key=none")
    client("PUT", f"{_REPORTS}/theirs", _report())
    client("PUT", f"{_REPORTS}/nx", _report(result="RED"))
    client("GET", f"{_REPORTS}/none")
    client("GET", "/pull-requests", headers={"Authorization": "Bearer wrong"})
    sandbox.data_center.four_byte_characters = False
    client("POST", _COMMENTS, {"text": _EMOJI})
    expected = [400, 401, 409, 404, 400, 404, 404, 400, 404, 401, 400, 404, 401, 500]
    assert [exchange.status for exchange in sandbox.requests] == expected
    assert [problem for exchange in sandbox.requests for problem in contract.response_problems(exchange)] == []


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (("POST", _COMMENTS, {"text": "a", "x": 1}), "'x' was unexpected"),
        (("POST", _COMMENTS, {"text": "a", "html": "<p>"}), "'html' was unexpected"),
        (("POST", _COMMENTS, {"text": "a", "parent": {"id": 1, "x": 1}}), "'x' was unexpected"),
        (("POST", _COMMENTS, {"text": 7}), "7 is not of type 'string'"),
        (("PUT", f"{_COMMENTS}/1", {"text": "a"}), "'version' is a required property"),
        (("POST", _BUILDS, {"key": "a", "state": "FAILED"}), "'url' is a required property"),
        (("POST", _BUILDS, _status(state="STOPPED")), "'STOPPED' is not one of"),
        (("POST", _BUILDS, _status(ref="main")), "'main' does not match"),
        (("POST", _BUILDS, _status(key="k" * 256)), "is too long"),
        (("POST", _BUILDS, _status(testResults={"failed": 1, "x": 1})), "'x' was unexpected"),
        (("GET", _BUILDS, None), "key"),
        (("GET", _COMMENTS, None), "path"),
        (("PUT", f"{_REPORTS}/nx", {"title": "Nx"}), "'data' is a required property"),
        (("PUT", f"{_REPORTS}/nx", _report(result="PASSED")), "'PASSED' does not match"),
        (("PUT", f"{_REPORTS}/nx", _report(data=[*_DATA, *_DATA])), "is too long"),
        (("PUT", f"{_REPORTS}/nx", _report(details="d" * 2001)), "is too long"),
        (("PUT", f"{_REPORTS}/nx", _report(data=[{"title": "a", "type": "FLOAT", "value": 1}])), "'FLOAT' does not"),
        (("POST", f"{_REPORTS}/nx/annotations", _annotations(_annotation(severity="CRITICAL"))), "'CRITICAL' does not"),
        (("POST", f"{_REPORTS}/nx/annotations", _annotations(_annotation(x=1))), "'x' was unexpected"),
        (("POST", f"{_REPORTS}/nx/annotations", _annotations()), "[] should be non-empty"),
        (("GET", "/pullrequests", None), "Path not found"),
    ],
)
def test_a_wrong_request_is_reported(
    contract: Contract, sandbox: Sandbox, client: _Client, call: tuple[str, str, Any], named: str
) -> None:
    """An unknown key on any level, a wrong type, a missing key, a text too long and a wrong path are named."""
    client(*call)
    assert named in "\n".join(contract.request_problems(sandbox.requests[-1]))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"state": "SUCCESS"}, "'SUCCESS' is not one of"),
        ({"key": "k" * 256}, "is too long"),
        ({"x": 1}, "'x' was unexpected"),
    ],
)
def test_a_wrong_older_build_status_is_reported(
    contract: Contract, sandbox: Sandbox, client: _Client, change: dict[str, Any], named: str
) -> None:
    """What only the words of the operation say of its body holds too."""
    legacy = {"key": "nx", "state": "FAILED", "url": "https://ci.example/417"} | change
    client.rest("POST", f"/build-status/latest/commits/{HEAD}", legacy)
    assert named in "\n".join(contract.request_problems(sandbox.requests[-1]))


def test_a_request_without_credentials_is_reported(contract: Contract, sandbox: Sandbox, client: _Client) -> None:
    """Every operation asks for an Authorization header."""
    client("GET", "/pull-requests/17", headers={"Authorization": None})
    assert "Security" in "\n".join(contract.request_problems(sandbox.requests[-1]))


def _answered(
    path: str, status: int, body: bytes, kind: str = "application/json;charset=UTF-8", *, faulty: bool = False
) -> Exchange:
    return Exchange(
        "GET",
        f"/bitbucket/rest/api/1.0/projects/ACME/repos/shop{path}",
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
        (_answered("/pull-requests/17", 200, b'{"id": "seventeen"}'), "'seventeen' is not of type 'integer'"),
        (_answered("/pull-requests/17", 200, b'{"state": "SUPERSEDED"}'), "'SUPERSEDED' is not one of"),
        (_answered("/pull-requests/17", 200, b"<p>", "text/html"), "text/html"),
        (_answered(_ACTIVITIES, 200, b'{"values": [{"comment": {"version": "0"}}]}'), "'0' is not of type 'integer'"),
        (_answered("/pull-requests/17", 204, b""), "204"),
        (_answered("/pull-requests/17", 404, b'{"error": {}}'), "'errors' is a required property"),
        (_answered("/pull-requests/17", 404, b'{"errors": []}'), "[] should be non-empty"),
    ],
)
def test_a_wrong_response_is_reported(contract: Contract, exchange: Exchange, named: str) -> None:
    """A wrong type, a wrong word, a wrong content type and an unknown status code are named."""
    assert named in "\n".join(contract.response_problems(exchange))


def test_a_faults_answer_is_exempt_where_the_contract_does_not_know_it(contract: Contract) -> None:
    """A made-up status code, content type or login page is let through, a wrong body under a known one is not."""
    path = "/pull-requests/17"
    assert contract.response_problems(_answered(path, 200, b"<p>", "text/html", faulty=True)) == []
    assert contract.response_problems(_answered(path, 429, b"{}", faulty=True)) == []
    assert contract.response_problems(_answered(path, 401, b"<p>", "text/html")) == []
    assert contract.response_problems(_answered(path, 200, b'{"id": "x"}', faulty=True)) != []


def test_data_centers_file_is_not_needed_for_cloud(contract: Contract, sandbox: Sandbox, tmp_path: Path) -> None:
    """Where only Cloud's file is, exchanges with Cloud are held to it all the same."""
    del contract
    (tmp_path / FILE).symlink_to(Path(os.environ["CONTRACT_DIR"]) / FILE)
    requests.get(f"{sandbox.url}/repositories/acme/shop/pullrequests/17", auth=sandbox.api_auth, timeout=10)
    assert Contract(tmp_path).problems(sandbox.requests[-1]) == []


# Paths


def test_there_is_nothing_outside_the_context_path(sandbox: Sandbox, client: _Client) -> None:
    """The REST API stands below the context path alone; whatever else is asked for is a 404, and no request to it."""
    path = "/rest/api/latest/projects/ACME/repos/shop/pull-requests/17"
    assert sandbox.server_url.endswith("/bitbucket")
    assert client.session.get(sandbox.server_url.removesuffix("/bitbucket") + path, timeout=10).status_code == 404
    assert sandbox.requests == []
    unknown = client.rest("GET", "/api/latest/nothing")
    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, "text/html;charset=UTF-8")
    assert [exchange.path for exchange in sandbox.requests] == ["/bitbucket/rest/api/latest/nothing"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/{}/projects/ACME/repos/shop/commits/{}",
        "/insights/{}/projects/ACME/repos/shop/commits/{}/reports",
        "/build-status/{}/commits/{}",
    ],
)
def test_each_api_answers_under_both_its_versions(client: _Client, path: str) -> None:
    """`latest` and `1.0` are the same."""
    latest, first = (client.rest("GET", path.format(version, HEAD)) for version in ("latest", "1.0"))
    assert (latest.status_code, latest.json()) == (200, first.json())


def test_a_repository_is_found_in_any_case(sandbox: Sandbox, client: _Client) -> None:
    """Project keys are shown in capitals and found in any; what is missing says whether it is project or repository."""
    value = _Client(sandbox, project="acme/repos/Shop")("GET", "/pull-requests/17").json()
    assert value["toRef"]["repository"]["project"]["key"] == "ACME"
    assert value["links"]["self"][0]["href"] == f"{sandbox.server_url}/projects/ACME/repos/shop/pull-requests/17"
    for name, missing in (("ACME/repos/none", "NoSuchRepositoryException"), ("NONE/repos/shop", "NoSuchProject")):
        status, exception = _exception(_Client(sandbox, project=name)("GET", "/pull-requests/17"))
        assert (status, (exception or "").startswith(missing)) == (404, True)
    assert client("GET", "/pull-requests/17").json() == value


def test_a_personal_repository_keeps_its_tilde(sandbox: Sandbox) -> None:
    """A user's own repositories are below `~` and the user's name, written as it is or escaped."""
    personal = sandbox.state.add_repository("~ada", "notes")
    personal.add_pull_request(sandbox.author, "Mine", source=("a", HEAD), destination=("main", BASE))
    for project in ("~ada/repos/notes", "%7Eada/repos/notes"):
        [value] = _Client(sandbox, project=project)("GET", "/pull-requests").json()["values"]
        assert value["fromRef"]["repository"]["project"] == {"key": "~ada", "name": "ada", "type": "PERSONAL"}


def test_application_properties_are_public(sandbox: Sandbox, client: _Client) -> None:
    """The version is told to whoever asks; a wrong token is refused all the same."""
    sandbox.data_center.version = "7.13.2"
    path = "/api/latest/application-properties"
    anonymous = client.rest("GET", path, headers={"Authorization": None})
    assert (anonymous.json()["version"], "X-AUSERNAME" in anonymous.headers) == ("7.13.2", False)
    assert client.rest("GET", path).headers["X-AUSERNAME"] == "ci-reporter"
    assert client.rest("GET", path, headers={"Authorization": "Bearer x"}).status_code == 401


# Credentials


def test_tokens_work_as_bearer_and_those_of_users_as_a_password(sandbox: Sandbox, client: _Client) -> None:
    """A repository's token is refused as a password, and so is a user's with the name of another."""
    own, repository = sandbox.http_token.token, sandbox.repository_token.token

    def answer(**credentials: Any) -> tuple[int, str | None]:
        client.session.headers["Authorization"] = credentials.get("bearer")  # type: ignore[assignment]
        found = client("GET", "/pull-requests/17", auth=credentials.get("basic"))
        return found.status_code, found.headers.get("X-AUSERNAME")

    assert answer(bearer=f"Bearer {own}") == (200, "ci-reporter")
    assert answer(bearer=f"Bearer {repository}") == (200, "access-token-user")
    assert answer(basic=("ci-reporter", own)) == (200, "ci-reporter")
    assert answer(basic=("ada-moreno", own)) == (401, None)
    assert answer(basic=("access-token-user", repository)) == (401, None)
    assert answer(basic=("x-token-auth", repository)) == (401, None)
    assert answer(bearer=f"Bearer {sandbox.api_token.token}") == (401, None)
    assert answer() == (401, None)


def test_a_wrong_token_and_a_missing_permission_are_told_apart(sandbox: Sandbox, client: _Client) -> None:
    """Both are 401; the error's class, and whether the answer has a user's name, tell which it is."""
    wrong = client("GET", "/pull-requests/17", headers={"Authorization": "Bearer wrong"})
    assert _exception(wrong) == (401, "IncorrectPasswordAuthenticationException")
    refused = _Client(sandbox, sandbox.reader_token)("POST", _COMMENTS, {"text": "a"})
    assert _exception(refused) == _NOT_PERMITTED
    assert refused.json()["errors"][0]["message"] == "You are not permitted to access this resource"
    assert ("X-AUSERNAME" in wrong.headers, refused.headers["X-AUSERNAME"]) == (False, "jonas-weber")


def test_a_token_that_may_read_writes_nothing(sandbox: Sandbox, client: _Client) -> None:
    """It reads all there is; every write is refused."""
    number = _comment(client)["id"]
    client("PUT", f"{_REPORTS}/nx", _report())
    reader = _Client(sandbox, sandbox.reader_token)
    for path in ("/pull-requests/17", _ACTIVITIES, f"{_COMMENTS}/{number}", _REPORTS, f"/commits/{HEAD}"):
        assert reader("GET", path).status_code == 200
    for method, path in (
        ("POST", _COMMENTS),
        ("PUT", f"{_COMMENTS}/{number}"),
        ("DELETE", f"{_COMMENTS}/{number}"),
        ("POST", _BUILDS),
        ("PUT", f"{_REPORTS}/nx"),
        ("DELETE", f"{_REPORTS}/nx"),
        ("POST", f"{_REPORTS}/nx/annotations"),
    ):
        assert _exception(reader(method, path, {})) == _NOT_PERMITTED


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("header", [None, "check"])
def test_a_write_without_the_header_against_xsrf_is_refused(
    sandbox: Sandbox, client: _Client, method: str, header: str | None
) -> None:
    """It is a 403 in HTML, whatever is written; a read needs no such header."""
    path = _COMMENTS if method == "POST" else f"{_COMMENTS}/1"
    answer = client(method, path, {"text": "a"}, headers={"X-Atlassian-Token": header})
    assert (answer.status_code, answer.text) == (403, "XSRF check failed")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert sandbox.pull_request.comments == {}
    assert client("GET", _ACTIVITIES, headers={"X-Atlassian-Token": header}).status_code == 200


@pytest.mark.parametrize("body", ["text=a", '{"text": "a"', "[]", "null"])
def test_a_body_has_to_be_a_json_object(client: _Client, body: str) -> None:
    """A form is a 415, broken JSON and other values are a 400."""
    kind = "application/x-www-form-urlencoded" if "=" in body else "application/json"
    answer = client("POST", _COMMENTS, data=body, headers={"Content-Type": kind})
    assert answer.status_code == (415 if "=" in body else 400)
    assert answer.json()["errors"]


# Pull requests and commits


def test_a_pull_request_names_both_its_sides(client: _Client) -> None:
    """Branches are shown as full refs with 40 digits of their commits, times in milliseconds."""
    value = client("GET", "/pull-requests/17").json()
    assert (value["id"], value["state"], value["open"], value["closed"]) == (17, "OPEN", True, False)
    assert (value["fromRef"]["id"], value["fromRef"]["latestCommit"]) == ("refs/heads/feature/cart-totals", HEAD)
    assert (value["toRef"]["id"], value["toRef"]["latestCommit"]) == ("refs/heads/main", BASE)
    assert value["createdDate"] // 60_000 == _START.timestamp() // 60
    assert _exception(client("GET", "/pull-requests/99")) == (404, "NoSuchPullRequestException")


def test_pull_requests_are_found_by_branch_and_state(sandbox: Sandbox, client: _Client) -> None:
    """`at` is the branch of the side that `direction` names, `state` is OPEN unless said, the newest come first."""
    merged = sandbox.repository.add_pull_request(
        sandbox.author, "Old", source=("feature/cart-totals", _OTHER), destination=("main", BASE), state="MERGED"
    )
    other = sandbox.repository.add_pull_request(
        sandbox.author, "New", source=("feature/tax", _OTHER), destination=("release", BASE)
    )

    def found(**parameters: str) -> list[int]:
        return _values(client("GET", "/pull-requests", params=parameters))

    branch = {"direction": "OUTGOING", "at": "refs/heads/feature/cart-totals"}
    assert found() == [other.id, 17]
    assert found(order="OLDEST") == [17, other.id]
    assert found(state="ALL") == [other.id, merged.id, 17]
    assert found(**branch) == [17]
    assert found(**branch, state="MERGED") == [merged.id]
    assert found(at="refs/heads/release") == [other.id]
    assert found(at="refs/heads/feature/cart-totals") == []
    for wrong in ({"at": "main"}, {"state": "SUPERSEDED"}, {"direction": "UP"}, {"order": "-id"}):
        assert client("GET", "/pull-requests", params=wrong).status_code == 400


def test_pull_requests_of_a_commit(sandbox: Sandbox, client: _Client) -> None:
    """Those that bring the commit, at their head or before it, in whatever state they are."""
    repository = sandbox.repository
    repository.add_commit(sandbox.author, _OTHER, "More", HEAD)
    later = repository.add_pull_request(
        sandbox.author, "More", source=("more", _OTHER), destination=("main", BASE), state="DECLINED"
    )
    assert _values(client("GET", f"/commits/{HEAD}/pull-requests")) == [17, later.id]
    assert _values(client("GET", f"/commits/{_OTHER}/pull-requests")) == [later.id]
    assert _values(client("GET", f"/commits/{BASE}/pull-requests")) == []
    assert client("GET", f"/commits/{HEAD[:12]}/pull-requests").status_code == 400
    assert _exception(client("GET", f"/commits/{'f' * 40}/pull-requests")) == (404, "NoSuchCommitException")


def test_a_commit_is_found_by_a_part_of_its_hash(client: _Client) -> None:
    """It shows all 40 digits, its own and its parent's; what is none is a 400, what is not there a 404."""
    value = client("GET", f"/commits/{BASE[:12]}").json()
    assert (value["id"], value["displayId"], value["parents"][0]["id"]) == (BASE, BASE[:11], BEFORE)
    assert _exception(client("GET", f"/commits/{_OTHER[:12]}")) == (404, "NoSuchCommitException")
    assert client("GET", "/commits/main").status_code == 400


# Pages


def test_a_page_says_where_the_next_one_begins(sandbox: Sandbox, client: _Client) -> None:
    """25 values unless fewer are asked for; where the next begins is no sum, and the last page says that it is."""
    for number in range(59):
        sandbox.repository.add_comment(sandbox.author, sandbox.pull_request, str(number))
    start, seen = 0, []
    while True:
        page = client("GET", f"{_ACTIVITIES}?start={start}").json()
        assert (page["start"], page["limit"], page["size"]) == (start, 25, len(page["values"]))
        seen.append([value["id"] for value in page["values"]])
        if page["isLastPage"]:
            break
        assert page["nextPageStart"] > start + page["size"]
        start = page["nextPageStart"]
    assert [len(page) for page in seen] == [25, 25, 10]
    assert "nextPageStart" not in page
    assert len({number for page in seen for number in page}) == 60
    assert len(client("GET", f"{_ACTIVITIES}?limit=7").json()["values"]) == 7


def test_a_server_caps_pages_without_a_word(sandbox: Sandbox, client: _Client) -> None:
    """More than the server's own limit is not refused: the page is smaller, and says so."""
    for number in range(120):
        sandbox.repository.add_comment(sandbox.author, sandbox.pull_request, str(number))
    page = client("GET", f"{_ACTIVITIES}?limit=1000").json()
    assert (page["limit"], page["size"], page["isLastPage"]) == (100, 100, False)
    sandbox.data_center.page_cap = 10
    assert client("GET", f"{_ACTIVITIES}?limit=1000").json()["size"] == 10
    for wrong in ("limit=0", "limit=a", "start=-1"):
        assert client("GET", f"{_ACTIVITIES}?{wrong}").status_code == 400


# Comments


def test_activities_tell_what_happened_the_newest_first(sandbox: Sandbox, client: _Client) -> None:
    """Comments are one kind of activity of several; an inline one has an anchor beside it, replies are inside."""
    first = _comment(client, "first")
    reply = _comment(client, "reply", parent={"id": first["id"]})
    _comment(client, "inline", anchor={"path": "cart/a.ts", "line": 3})
    sandbox.repository.push(sandbox.pull_request, _OTHER)
    sandbox.repository.approve(sandbox.reviewer, sandbox.pull_request)
    values = client("GET", _ACTIVITIES).json()["values"]
    assert [value["action"] for value in values] == ["APPROVED", "RESCOPED", "COMMENTED", "COMMENTED", "OPENED"]
    inline, plain = values[2:4]
    assert (inline["commentAnchor"]["path"], inline["commentAnchor"]["line"]) == ("cart/a.ts", 3)
    assert "commentAnchor" not in plain
    assert (plain["comment"]["text"], plain["comment"]["version"], plain["commentAction"]) == ("first", 0, "ADDED")
    assert [one["id"] for one in plain["comment"]["comments"]] == [reply["id"]]


def test_comments_are_listed_by_path_alone(client: _Client) -> None:
    """The list of comments wants a path and knows that file's; comments on the whole pull request are in no list."""
    whole = _comment(client)
    inline = _comment(client, "inline", anchor={"path": "cart/a.ts"})
    assert client("GET", _COMMENTS).status_code == 400
    assert _values(client("GET", f"{_COMMENTS}?path=cart/a.ts")) == [inline["id"]]
    assert _values(client("GET", f"{_COMMENTS}?path=cart/b.ts")) == []
    assert client("GET", f"{_COMMENTS}/{whole['id']}").json() == whole


def test_a_comment_counts_its_versions(client: _Client) -> None:
    """Each edit makes the next version, and moves the one date and not the other."""
    made = _comment(client, "a")
    path = f"{_COMMENTS}/{made['id']}"
    changed = client("PUT", path, {"text": "b", "version": 0}).json()
    assert (made["version"], changed["version"], changed["text"]) == (0, 1, "b")
    assert changed["updatedDate"] > changed["createdDate"] == made["createdDate"] == made["updatedDate"]
    assert client("GET", path).json() == changed


@pytest.mark.parametrize(("sent", "expected"), [(None, -1), (0, 0), (2, 2)])
def test_a_comment_is_edited_and_deleted_by_its_version(
    sandbox: Sandbox, client: _Client, sent: int | None, expected: int
) -> None:
    """Another version than the server's, or none, is a 409 that says both, and nothing is written."""
    number = _comment(client, "a")["id"]
    client("PUT", f"{_COMMENTS}/{number}", {"text": "b", "version": 0})
    version = {} if sent is None else {"version": sent}
    for answer in (
        client("PUT", f"{_COMMENTS}/{number}", {"text": "c", **version}),
        client("DELETE", f"{_COMMENTS}/{number}", params=version),
    ):
        assert _exception(answer) == (409, "CommentOutOfDateException")
        error = answer.json()["errors"][0]
        assert (error["currentVersion"], error["expectedVersion"]) == (1, expected)
        assert error["message"] == "You are attempting to modify a comment based on out-of-date information."
    assert (sandbox.pull_request.comments[number].raw, sandbox.pull_request.comments[number].deleted) == ("b", False)


def test_only_the_author_may_change_a_comment(sandbox: Sandbox, client: _Client, admin: HttpToken) -> None:
    """Another user's update is refused, an administrator's too, who may delete it."""
    number = sandbox.repository.add_comment(sandbox.reviewer, sandbox.pull_request, "mine").id
    path, body = f"{_COMMENTS}/{number}", {"text": "yours", "version": 0}
    administrator = _Client(sandbox, admin)
    assert _exception(client("PUT", path, body)) == _NOT_PERMITTED
    assert _exception(client("DELETE", f"{path}?version=0")) == _NOT_PERMITTED
    assert _exception(administrator("PUT", path, body)) == _NOT_PERMITTED
    assert sandbox.pull_request.comments[number].raw == "mine"
    assert administrator("DELETE", f"{path}?version=0").status_code == 204


def test_a_comment_with_replies_cannot_be_deleted(client: _Client) -> None:
    """It is a 409 until the last reply is gone."""
    number = _comment(client)["id"]
    reply = _comment(client, "reply", parent={"id": number})["id"]
    path = f"{_COMMENTS}/{number}?version=0"
    assert _exception(client("DELETE", path)) == (409, "CommentDeletionException")
    assert client("DELETE", f"{_COMMENTS}/{reply}?version=0").status_code == 204
    assert client("DELETE", path).status_code == 204


def test_a_deleted_comment_is_gone(client: _Client) -> None:
    """It is a 404, whatever is done to it, and no activity tells of it."""
    number = _comment(client)["id"]
    path = f"{_COMMENTS}/{number}"
    assert client("DELETE", f"{path}?version=0").status_code == 204
    for method in ("GET", "PUT", "DELETE"):
        assert _exception(client(method, path, {"text": "a", "version": 0})) == (404, "NoSuchCommentException")
    reply = client("POST", _COMMENTS, {"text": "a", "parent": {"id": number}})
    assert _exception(reply) == (404, "NoSuchCommentException")
    assert _values(client("GET", _ACTIVITIES), "action") == ["OPENED"]


@pytest.mark.parametrize("text", ["", " \n", "a" * 32768, _EMOJI * 16384])
def test_the_text_of_a_comment_has_limits(sandbox: Sandbox, client: _Client, text: str) -> None:
    """Nothing and 32,768 UTF-16 units are a 400 in the recorded words, for new comments and for edited ones."""
    number = _comment(client)["id"]
    words = "Please enter a non-empty value less than 32768 characters"
    for answer in (
        client("POST", _COMMENTS, {"text": text}),
        client("PUT", f"{_COMMENTS}/{number}", {"text": text, "version": 0}),
    ):
        assert answer.status_code == 400
        assert answer.json() == {"errors": [{"context": "text", "message": words, "exceptionName": None}]}
    assert [one.raw for one in sandbox.pull_request.visible_comments] == ["a"]


@pytest.mark.parametrize("text", ["a" * 32767, _EMOJI * 16383, "é" * 32767])
def test_the_longest_comment_is_taken(client: _Client, text: str) -> None:
    """One unit less than the limit is stored whole."""
    assert _comment(client, text)["text"] == text


@pytest.mark.parametrize(
    ("body", "context"),
    [({"text": "a", "x": 1}, "x"), ({"text": 7}, "text"), ({"text": "a", "parent": {}}, "parent.id")],
)
def test_wrong_keys_of_a_comment_are_refused(
    sandbox: Sandbox, client: _Client, body: dict[str, Any], context: str
) -> None:
    """A body that holds more than the API takes, or something else, is a 400 that names the key."""
    answer = client("POST", _COMMENTS, body)
    assert (answer.status_code, answer.json()["errors"][0]["context"]) == (400, context)
    assert sandbox.pull_request.comments == {}


# Build statuses


def test_a_build_status_is_put_read_replaced_and_deleted(sandbox: Sandbox, client: _Client, admin: HttpToken) -> None:
    """Commit and key are its identity, whatever the ref and whoever writes; only an administrator deletes it."""
    more = {"parent": "nx", "buildNumber": "417", "duration": 3, "testResults": {"failed": 1}}
    assert client("POST", _BUILDS, _status(description="one", **more)).content == b""
    value = client("GET", f"{_BUILDS}?key=nx").json()
    assert value | _status(description="one", **more) == value
    replaced = _Client(sandbox, sandbox.repository_token)("POST", _BUILDS, _status(state="SUCCESSFUL", ref="refs/x"))
    assert replaced.status_code == 204
    changed = client("GET", f"{_BUILDS}?key=nx").json()
    assert {name for name in value if name not in changed} == {"description", *more}
    assert (changed["state"], changed["ref"], changed["createdDate"]) == ("SUCCESSFUL", "refs/x", value["createdDate"])
    assert _exception(client("DELETE", f"{_BUILDS}?key=nx")) == _NOT_PERMITTED
    assert _Client(sandbox, admin)("DELETE", f"{_BUILDS}?key=nx").status_code == 204
    assert sandbox.repository.build_statuses == []


def test_one_build_status_is_read_by_its_key(client: _Client) -> None:
    """There is no list: without a key it is a 400; each commit has keys of its own."""
    client("POST", _BUILDS, _status())
    assert client("GET", _BUILDS).status_code == 400
    assert _exception(client("GET", f"{_BUILDS}?key=other")) == (404, "NoSuchBuildStatusException")
    assert client("GET", f"/commits/{BASE}/builds?key=nx").status_code == 404
    assert client("POST", f"/commits/{HEAD[:12]}/builds", _status()).status_code == 400
    assert _exception(client("POST", f"/commits/{_OTHER}/builds", _status())) == (404, "NoSuchCommitException")


@pytest.mark.parametrize(
    ("change", "context"),
    [
        ({"key": "k" * 256}, "key"),
        ({"key": " "}, "key"),
        ({"name": "n" * 256}, "name"),
        ({"url": "https://" + "u" * 443}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": ""}, "url"),
        ({"parent": "p" * 1025}, "parent"),
        ({"buildNumber": "1" * 256}, "buildNumber"),
        ({"buildNumber": 417}, "buildNumber"),
        ({"ref": "feature/cart-totals"}, "ref"),
        ({"ref": "refs/heads/" + "r" * 1014}, "ref"),
        ({"state": "STOPPED"}, "state"),
        ({"duration": "3"}, "duration"),
        ({"testResults": {"failed": "1"}}, "testResults.failed"),
        ({"refname": "main"}, "refname"),
    ],
)
def test_limits_of_a_build_status(sandbox: Sandbox, client: _Client, change: dict[str, Any], context: str) -> None:
    """One character too many, a value or a key that is none are a 400 that names the key; nothing is written."""
    answer = client("POST", _BUILDS, _status(**change))
    assert (answer.status_code, answer.json()["errors"][0]["context"]) == (400, context)
    assert sandbox.repository.build_statuses == []


@pytest.mark.parametrize(
    "change",
    [
        {"key": "k" * 255},
        {"name": "n" * 255},
        {"url": "https://" + "u" * 442},
        {"parent": "p" * 1024},
        {"description": "d" * 2000},
        *({"state": state} for state in ("CANCELLED", "FAILED", "INPROGRESS", "SUCCESSFUL", "UNKNOWN")),
    ],
)
def test_a_build_status_at_its_limit_is_taken(client: _Client, change: dict[str, str]) -> None:
    """The longest allowed values are stored whole, and each state as it was written."""
    assert client("POST", _BUILDS, _status(**change)).status_code == 204
    value = client("GET", _BUILDS, params={"key": change.get("key", "nx")}).json()
    assert value | change == value


@pytest.mark.parametrize("name", ["key", "state", "url"])
def test_what_a_build_status_needs(client: _Client, name: str) -> None:
    """A body without key, state or url is a 400 that names it."""
    body = _status()
    del body[name]
    answer = client("POST", _BUILDS, body)
    assert (answer.status_code, answer.json()["errors"][0]["context"]) == (400, name)


def _legacy(**changes: Any) -> dict[str, Any]:
    return {"key": "nx", "state": "FAILED", "url": "https://ci.example/417"} | changes


def test_older_build_statuses_are_listed(client: _Client) -> None:
    """The older resource takes a status and lists all of a commit, those of the newer too, the last written first."""
    path = f"/build-status/latest/commits/{HEAD}"
    client("POST", _BUILDS, _status(key="new", parent="nx"))
    assert client.rest("POST", path, _legacy(name="Nx", description="one")).status_code == 204
    assert _values(client.rest("GET", path), "key") == ["nx", "new"]
    assert _values(client.rest("GET", f"{path}?orderBy=OLDEST"), "key") == ["new", "nx"]
    value = client.rest("GET", path).json()["values"][0]
    assert value.keys() == {"key", "state", "url", "name", "description", "dateAdded"}
    assert client("GET", f"{_BUILDS}?key=nx").json()["description"] == "one"
    assert _values(client.rest("GET", f"/build-status/latest/commits/{BASE}"), "key") == []


@pytest.mark.parametrize(
    ("change", "context"),
    [
        ({"state": "CANCELLED"}, "state"),
        ({"description": "d" * 256}, "description"),
        ({"url": "https://" + "u" * 443}, "url"),
        ({"ref": "refs/heads/main"}, "ref"),
    ],
)
def test_limits_of_an_older_build_status(client: _Client, change: dict[str, str], context: str) -> None:
    """It knows three states, no ref, and 255 characters of everything but the url."""
    answer = client.rest("POST", f"/build-status/latest/commits/{HEAD}", _legacy(**change))
    assert (answer.status_code, answer.json()["errors"][0]["context"]) == (400, context)


def test_an_older_build_status_needs_a_full_hash(client: _Client) -> None:
    """A commit need not be known there, but named by all its 40 digits."""
    assert client.rest("POST", f"/build-status/latest/commits/{HEAD[:12]}", _legacy()).status_code == 400
    assert client.rest("POST", f"/build-status/latest/commits/{_OTHER}", _legacy()).status_code == 204
    assert _values(client.rest("GET", f"/build-status/latest/commits/{_OTHER}"), "key") == ["nx"]


# Reports


def test_a_report_is_put_read_replaced_and_deleted(client: _Client) -> None:
    """A PUT under a key makes the report or replaces it whole; it keeps when it was made."""
    made = client("PUT", f"{_REPORTS}/nx", _report(data=_DATA, logoUrl="https://ci.example/a.svg")).json()
    assert made | _report(data=_DATA, logoUrl="https://ci.example/a.svg") | {"key": "nx"} == made
    client("PUT", f"{_REPORTS}/other", _report())
    changed = client("PUT", f"{_REPORTS}/nx", {"title": "Again", "data": []}).json()
    assert changed == {"key": "nx", "title": "Again", "data": [], "createdDate": made["createdDate"]}
    assert client("GET", f"{_REPORTS}/nx").json() == changed
    assert _values(client("GET", _REPORTS), "key") == ["nx", "other"]
    assert client("DELETE", f"{_REPORTS}/nx").status_code == 204
    assert client("GET", f"{_REPORTS}/nx").status_code == 404
    assert client("DELETE", f"{_REPORTS}/nx").status_code == 404
    assert _values(client("GET", _REPORTS), "key") == ["other"]


def test_reports_belong_to_one_commit_by_its_full_hash(client: _Client) -> None:
    """Another commit has reports of its own; an abbreviated hash is a 400, an unknown one a 404."""
    client("PUT", f"/commits/{BASE}/reports/nx", _report())
    assert _values(client("GET", _REPORTS), "key") == []
    for commit, status in ((HEAD[:12], 400), (_OTHER, 404)):
        for method, path in (("GET", ""), ("GET", "/nx"), ("PUT", "/nx"), ("DELETE", "/nx")):
            assert client(method, f"/commits/{commit}/reports{path}", _report()).status_code == status


@pytest.mark.parametrize(
    ("change", "context"),
    [
        ({"title": "t" * 451}, "title"),
        ({"title": ""}, "title"),
        ({"details": "d" * 2001}, "details"),
        ({"details": _EMOJI * 1001}, "details"),
        ({"reporter": "r" * 451}, "reporter"),
        ({"result": "PENDING"}, "result"),
        ({"result": "PASSED"}, "result"),
        ({"link": "ftp://ci.example"}, "link"),
        ({"logoUrl": "a.svg"}, "logoUrl"),
        ({"data": [*_DATA, _DATA[0]]}, "data"),
        ({"data": [{"title": "a", "type": "FLOAT", "value": 1}]}, "type"),
        ({"data": [{"title": "a", "type": "PERCENTAGE", "value": 101}]}, "data"),
        ({"data": [{"title": "a", "type": "NUMBER", "value": "1"}]}, "value"),
        ({"data": [{"title": "a", "type": "BOOLEAN", "value": 1}]}, "value"),
        ({"data": [{"title": "a", "value": {}}]}, "value"),
        ({"data": [{"title": "a", "type": "LINK", "value": {"text": "a", "href": "https://a.b"}}]}, "value.text"),
        ({"data": [{"title": "a", "type": "LINK", "value": {"linktext": "a", "href": "javascript:0"}}]}, "href"),
        ({"report_type": "TEST"}, "report_type"),
    ],
)
def test_limits_of_a_report(sandbox: Sandbox, client: _Client, change: dict[str, Any], context: str) -> None:
    """One character or value too many, and words of Cloud's, are a 400 that names the key; nothing is written."""
    answer = client("PUT", f"{_REPORTS}/nx", _report(**change))
    assert (answer.status_code, answer.json()["errors"][0]["context"]) == (400, context)
    assert sandbox.repository.reports == {}


@pytest.mark.parametrize("name", ["title", "data"])
def test_what_a_report_needs(client: _Client, name: str) -> None:
    """A body without title or data is a 400; a result may be missing."""
    body = _report()
    del body[name], body["result"]
    answer = client("PUT", f"{_REPORTS}/nx", body)
    assert (answer.status_code, answer.json()["errors"][0]["context"]) == (400, name)


@pytest.mark.parametrize(
    "change", [{"title": "t" * 450}, {"details": "d" * 2000}, {"details": _EMOJI * 1000}, {"result": "PASS"}]
)
def test_a_report_at_its_limit_is_taken(client: _Client, change: dict[str, str]) -> None:
    """The longest allowed values are stored whole."""
    value = client("PUT", f"{_REPORTS}/nx", _report(**change)).json()
    assert value | change == value


def test_only_its_author_may_replace_a_report(sandbox: Sandbox, client: _Client, admin: HttpToken) -> None:
    """Another user's PUT, annotations and deletion are refused; an administrator may delete it."""
    client("PUT", f"{_REPORTS}/nx", _report())
    client("POST", f"{_REPORTS}/nx/annotations", _annotations(_annotation()))
    other, path = _Client(sandbox, sandbox.repository_token), f"{_REPORTS}/nx"
    assert _exception(other("PUT", path, _report(title="Mine"))) == _NOT_PERMITTED
    assert _exception(other("DELETE", path)) == _NOT_PERMITTED
    assert _exception(other("POST", f"{path}/annotations", _annotations(_annotation()))) == _NOT_PERMITTED
    assert _exception(other("PUT", f"{path}/annotations/a", _annotation())) == _NOT_PERMITTED
    assert _exception(other("DELETE", f"{path}/annotations")) == _NOT_PERMITTED
    assert _exception(_Client(sandbox, admin)("PUT", path, _report())) == _NOT_PERMITTED
    assert other("GET", path).json()["title"] == "Nx"
    assert other("GET", f"{path}/annotations").json()["totalCount"] == 1
    assert _Client(sandbox, admin)("DELETE", path).status_code == 204


def test_one_user_can_be_kept_from_reports_alone(sandbox: Sandbox, client: _Client) -> None:
    """Who may neither read nor write reports still writes comments and build statuses."""
    sandbox.repository.reports_refused.add(sandbox.http_token.user)
    assert _exception(client("GET", _REPORTS)) == _NOT_PERMITTED
    assert _exception(client("PUT", f"{_REPORTS}/nx", _report())) == _NOT_PERMITTED
    assert client("POST", _BUILDS, _status()).status_code == 204
    assert _comment(client)["id"]


# Annotations


def _noted(client: _Client) -> list[tuple[Any, ...]]:
    values = client("GET", f"{_REPORTS}/nx/annotations").json()["annotations"]
    return [(value.get("externalId"), value["message"]) for value in values]


def test_annotations_are_not_deduplicated(client: _Client) -> None:
    """The same external id twice is two annotations, which a new report of the same key keeps."""
    client("PUT", f"{_REPORTS}/nx", _report())
    path = f"{_REPORTS}/nx/annotations"
    assert client("POST", path, _annotations(_annotation(), _annotation())).status_code == 204
    client("POST", path, _annotations(_annotation(message="Now"), {"message": "None", "severity": "LOW"}))
    kept = [("a", "It is wrong"), ("a", "It is wrong"), ("a", "Now"), (None, "None")]
    assert _noted(client) == kept
    client("PUT", f"{_REPORTS}/nx", _report(result="PASS"))
    assert _noted(client) == kept


def test_annotations_are_deleted_by_external_id_or_all_at_once(client: _Client) -> None:
    """Several ids can be named; none means all; those of a deleted report are gone."""
    client("PUT", f"{_REPORTS}/nx", _report())
    path = f"{_REPORTS}/nx/annotations"
    several = [_annotation(externalId=name) for name in "abcd"]
    client("POST", path, _annotations(*several, {"message": "e", "severity": "LOW"}))
    assert client("DELETE", f"{path}?externalId=a&externalId=c&externalId=x").status_code == 204
    assert [name for name, _ in _noted(client)] == ["b", "d", None]
    assert client("DELETE", path).status_code == 204
    assert _noted(client) == []
    client("POST", path, _annotations(*several))
    client("DELETE", f"{_REPORTS}/nx")
    client("PUT", f"{_REPORTS}/nx", _report())
    assert _noted(client) == []


def test_one_annotation_is_put_under_its_external_id(client: _Client) -> None:
    """A PUT makes it, or takes the place of all that have the id."""
    client("PUT", f"{_REPORTS}/nx", _report())
    client(
        "POST", f"{_REPORTS}/nx/annotations", _annotations(_annotation(), _annotation(), _annotation(externalId="b"))
    )
    assert client("PUT", f"{_REPORTS}/nx/annotations/a", _annotation(message="Now")).status_code == 204
    assert client("PUT", f"{_REPORTS}/nx/annotations/c", _annotation(message="New")).status_code == 204
    assert _noted(client) == [("b", "It is wrong"), ("a", "Now"), ("c", "New")]


def test_annotations_need_their_report(client: _Client) -> None:
    """Without the report every operation on its annotations is a 404."""
    path = f"{_REPORTS}/nx/annotations"
    for method, own in (("GET", ""), ("POST", ""), ("DELETE", ""), ("PUT", "/a")):
        answer = client(method, path + own, _annotations(_annotation()))
        assert answer.status_code == 404


def test_too_many_annotations_are_all_refused(sandbox: Sandbox, client: _Client) -> None:
    """A request with which a report would have more than 1,000, or what the server is set to, stores none."""
    client("PUT", f"{_REPORTS}/nx", _report())
    path = f"{_REPORTS}/nx/annotations"
    assert client("POST", path, _annotations(*[_annotation()] * 1001)).status_code == 400
    assert client("POST", path, _annotations(*[_annotation()] * 999)).status_code == 204
    assert client("POST", path, _annotations(*[_annotation()] * 2)).status_code == 400
    assert client("POST", path, _annotations(_annotation())).status_code == 204
    assert len(_noted(client)) == 1000
    client("DELETE", path)
    sandbox.data_center.most_annotations = 2
    assert client("POST", path, _annotations(*[_annotation()] * 3)).status_code == 400
    assert _noted(client) == []


@pytest.mark.parametrize(
    ("change", "context"),
    [
        ({"message": "m" * 2001}, "message"),
        ({"message": ""}, "message"),
        ({"externalId": "e" * 450}, "externalId"),
        ({"line": -1}, "line"),
        ({"line": "3"}, "line"),
        ({"severity": "CRITICAL"}, "severity"),
        ({"type": "TEST"}, "type"),
        ({"link": "a"}, "link"),
        ({"summary": "a"}, "summary"),
        ({"result": "FAILED"}, "result"),
    ],
)
def test_limits_of_an_annotation(client: _Client, change: dict[str, Any], context: str) -> None:
    """One character too many, and words of Cloud's, are a 400 that names the key; the others are not written either."""
    client("PUT", f"{_REPORTS}/nx", _report())
    answer = client("POST", f"{_REPORTS}/nx/annotations", _annotations(_annotation(), _annotation(**change)))
    assert (answer.status_code, answer.json()["errors"][0]["context"]) == (400, context)
    assert _noted(client) == []


# Other servers


def test_a_server_without_the_builds_api(sandbox: Sandbox, client: _Client) -> None:
    """Before 7.14 there is nothing at the builds' path, and the older resource does the same."""
    sandbox.data_center.builds_api = False
    for method in ("GET", "POST", "DELETE"):
        answer = client(method, f"{_BUILDS}?key=nx", _status())
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html;charset=UTF-8")
    assert client.rest("POST", f"/build-status/1.0/commits/{HEAD}", _legacy()).status_code == 204
    assert [status.key for status in sandbox.repository.statuses_of_pull_request(sandbox.pull_request)] == ["nx"]


def test_a_server_that_knows_fewer_states(sandbox: Sandbox, client: _Client) -> None:
    """A state that came later is a 400 there."""
    sandbox.data_center.states = ("FAILED", "INPROGRESS", "SUCCESSFUL")
    assert client("POST", _BUILDS, _status(state="CANCELLED")).status_code == 400
    assert client("POST", _BUILDS, _status(state="INPROGRESS")).status_code == 204


def test_a_server_without_code_insights(sandbox: Sandbox, client: _Client) -> None:
    """Where they are absent or switched off, everything about reports is a 404."""
    sandbox.data_center.reports = False
    assert client("GET", _REPORTS).status_code == 404
    assert client("PUT", f"{_REPORTS}/nx", _report()).status_code == 404
    assert client("POST", f"{_REPORTS}/nx/annotations", _annotations(_annotation())).status_code == 404


@pytest.mark.parametrize(
    "write",
    [
        lambda client, text: client("POST", _COMMENTS, {"text": text}),
        lambda client, text: client("POST", _BUILDS, _status(description=text)),
        lambda client, text: client("PUT", f"{_REPORTS}/nx", _report(data=[{"title": "a", "value": text}])),
    ],
)
def test_a_database_that_has_no_characters_of_four_bytes(
    sandbox: Sandbox, client: _Client, write: Callable[[_Client, str], requests.Response]
) -> None:
    """Any write with one is a 500 in the recorded words and stores nothing; symbols of three bytes are stored."""
    assert write(client, _EMOJI).ok
    sandbox.data_center.four_byte_characters = False
    answer = write(client, f"Nx {_EMOJI}")
    assert _exception(answer) == (500, "DataStoreException")
    assert answer.json()["errors"][0]["message"] == "A database error has occurred."
    assert write(client, "✓ Nx – 3 ⏱").ok


# The same state


def test_the_page_shows_what_data_center_wrote(sandbox: Sandbox, client: _Client) -> None:
    """Comments, build statuses, reports and annotations stand on the pull request's page, at both its addresses."""
    number = _comment(client, "**Nx:** 2 failed")["id"]
    client("POST", _BUILDS, _status(name="Nx build", state="CANCELLED"))
    client("PUT", f"{_REPORTS}/nx", _report(title="Nx report", data=_DATA))
    client("POST", f"{_REPORTS}/nx/annotations", _annotations(_annotation()))
    page = client.session.get(sandbox.page_url(), timeout=10).text
    for text in ("<strong>Nx:</strong> 2 failed", "Nx build", "Nx report", "4m 03s", "65.9%", "It is wrong"):
        assert text in page
    assert 'href="https://ci.example/417" rel="nofollow noopener">417</a>' in page
    assert 'aria-label="stopped"' in page
    own = client("GET", "/pull-requests/17").json()["links"]["self"][0]["href"]
    assert client.session.get(own, timeout=10).text == page
    assert client.session.get(f"{own}/overview?commentId={number}", timeout=10).text == page
    assert client.session.get(own.replace("shop", "none"), timeout=10).status_code == 404


def test_cloud_reads_what_data_center_wrote(sandbox: Sandbox, client: _Client, request: pytest.FixtureRequest) -> None:
    """Its API shows the same comment, status, report and annotation, in its own words."""
    _comment(client, "a")
    client("POST", _BUILDS, _status(state="CANCELLED", parent="nx"))
    client("PUT", f"{_REPORTS}/nx", _report(data=_DATA, logoUrl="https://ci.example/a.svg"))
    client("POST", f"{_REPORTS}/nx/annotations", _annotations(_annotation()))
    root = f"{sandbox.url}/repositories/acme/shop"

    def get(path: str) -> Any:
        return requests.get(f"{root}{path}", auth=sandbox.api_auth, timeout=10).json()

    assert get("/pullrequests/17/comments")["values"][0]["content"]["raw"] == "a"
    [status] = get("/pullrequests/17/statuses")["values"]
    assert (status["state"], status["refname"]) == ("STOPPED", "feature/cart-totals")
    report = get(f"/commit/{HEAD}/reports/nx")
    assert (report["result"], report["data"][2]["value"]["text"], report["logo_url"][-5:]) == ("FAILED", "417", "a.svg")
    [annotation] = get(f"/commit/{HEAD}/reports/nx/annotations")["values"]
    assert (annotation["summary"], annotation["annotation_type"]) == ("It is wrong", "BUG")
    if os.environ.get("CONTRACT_DIR"):
        held: Contract = request.getfixturevalue("contract")
        assert [problem for exchange in sandbox.requests for problem in held.problems(exchange)] == []


def test_data_center_reads_what_cloud_wrote(sandbox: Sandbox, client: _Client) -> None:
    """Its API shows the same comment, status, report and annotation, in its own words."""
    repository, robot = sandbox.repository, sandbox.api_token.user
    inline = {"path": "cart/a.ts", "from": 2}
    number = repository.add_comment(robot, sandbox.pull_request, "a", inline=inline).id
    repository.put_status(robot, HEAD, {"key": "nx", "state": "STOPPED", "url": "https://ci.example", "refname": "a"})
    link = {"title": "Build", "type": "LINK", "value": {"text": "417", "href": "https://ci.example"}}
    report = repository.put_report(robot, HEAD, "nx", {"title": "Nx", "result": "PENDING", "data": [link]})
    repository.put_annotations(report, [{"external_id": "a", "summary": "Wrong", "severity": "LOW"}])
    anchor = client("GET", f"{_COMMENTS}/{number}").json()["anchor"]
    assert (anchor["path"], anchor["line"], anchor["fileType"]) == ("cart/a.ts", 2, "FROM")
    status = client("GET", f"{_BUILDS}?key=nx").json()
    assert (status["state"], status["ref"]) == ("CANCELLED", "refs/heads/a")
    [value] = client("GET", _REPORTS).json()["values"]
    assert ("result" in value, value["data"][0]["value"]["linktext"]) == (False, "417")
    assert _noted(client) == [("a", "Wrong")]
    client("DELETE", f"{_REPORTS}/nx/annotations?externalId=a")
    assert _noted(client) == []


# The server


def test_faults_are_met(sandbox: Sandbox, client: _Client) -> None:
    """A login page, a rate limit and a lost answer come below the context path as they do on Cloud."""
    sandbox.faults.add("GET", "/pull-requests/17$", login_page())
    sandbox.faults.add("GET", "/pull-requests/17$", rate_limited("7"))
    sandbox.faults.add("POST", "/comments$", Action.LOSE)
    login = client("GET", "/pull-requests/17")
    assert (login.status_code, login.headers["Content-Type"][:9], SESSION_TOKEN in login.text) == (
        401,
        "text/html",
        True,
    )
    limited = client("GET", "/pull-requests/17")
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    with pytest.raises(requests.ConnectionError):
        client("POST", _COMMENTS, {"text": "a"})
    assert client("GET", "/pull-requests/17").status_code == 200
    assert [exchange.faulty for exchange in sandbox.requests] == [True, True, True, False]
    assert [one.raw for one in sandbox.pull_request.visible_comments] == ["a"]


def test_reads_may_not_know_the_last_writes(sandbox: Sandbox, client: _Client) -> None:
    """With `lag` each kind of read is as late as it is told to be, and a write knows all the same."""
    sandbox.state.lag = lambda path: 1 if path.startswith("/bitbucket/rest/") else 0
    number = _comment(client, "a")["id"]
    assert _values(client("GET", _ACTIVITIES), "action") == ["OPENED"]
    assert client("PUT", f"{_COMMENTS}/{number}", {"text": "b", "version": 0}).json()["version"] == 1
    assert client("GET", f"{_COMMENTS}/{number}").json()["version"] == 0
    client("POST", _BUILDS, _status())
    assert client("GET", f"{_COMMENTS}/{number}").json()["text"] == "b"
    assert client("GET", f"{_BUILDS}?key=nx").status_code == 404
    client("PUT", f"{_REPORTS}/nx", _report())
    assert _values(client("GET", _REPORTS), "key") == []
    client("POST", f"{_REPORTS}/nx/annotations", _annotations(_annotation()))
    assert _noted(client) == []
    client("DELETE", f"{_COMMENTS}/{number}?version=1")
    assert (len(_noted(client)), client("GET", f"{_COMMENTS}/{number}").json()["text"]) == (1, "b")
    assert _values(client.rest("GET", f"/build-status/latest/commits/{HEAD}"), "key") == ["nx"]
    sandbox.state.lag = None
    assert client("GET", f"{_COMMENTS}/{number}").status_code == 404


def test_tls_with_an_authority_of_its_own() -> None:
    """HTTPS works for who trusts the authority's file, and for nobody else, which is no failure of the sandbox."""
    with Sandbox(tls=True) as sandbox:
        assert sandbox.server_url.startswith("https://localhost:")
        client = _Client(sandbox)
        with pytest.raises(requests.exceptions.SSLError):
            client("GET", "/pull-requests/17")
        answer = client("GET", "/pull-requests/17", verify=str(sandbox.authority_file))
        assert answer.json()["links"]["self"][0]["href"].startswith(sandbox.server_url)
        assert len(sandbox.requests) == 1
        with pytest.raises(requests.ConnectionError):
            client.session.get(sandbox.server_url.replace("https", "http"), timeout=10)
        file = sandbox.authority_file
    assert not file.exists()
