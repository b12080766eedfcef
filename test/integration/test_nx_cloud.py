"""What is asked of Nx Cloud, over HTTP, and what becomes of everything that can go wrong with it."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests

from pipe.model import RunStatus
from pipe.nx import cloud
from pipe.nx.cloud import CloudError, Wanted, fetch
from test.nx_cloud import NxCloud
from test.sandbox.faults import SESSION_TOKEN, Action, Answer, json_answer, not_found_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipe.clock import Clock
    from pipe.model import CIPipelineExecution
    from test.conftest import FakeClock

CONSOLE = "/nx-console/ci-pipeline-executions$"
WANTED = Wanted(("417",), "", ("17", "feature/total", "17"), None)


@pytest.fixture
def nx_cloud() -> Iterator[NxCloud]:
    """A stand-in for Nx Cloud."""
    with NxCloud() as nx_cloud:
        yield nx_cloud


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is waited for a moment only."""
    monkeypatch.setattr(cloud, "_ANSWER_SECONDS", 0.3)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own proxies have no part in this."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def told(status: str, **own: Any) -> list[dict[str, Any]]:
    """A list of one execution with one run."""
    run = {"linkId": "AbCdEf1234", "command": "nx test cart", "status": status, **own}
    return [{"status": status, "createdAt": 1, "runGroups": [{"runGroup": "417", "status": status, "runs": [run]}]}]


class Asked:
    """Asks the stand-in, and keeps what is said for DEBUG."""

    def __init__(self, nx_cloud: NxCloud, clock: Clock) -> None:
        self.clock = clock
        self.api = nx_cloud.url
        self.token = nx_cloud.token
        self.said: list[str] = []

    def __call__(
        self, *, wait: int = 0, deadline: float = 1000.0, wanted: Wanted = WANTED
    ) -> CIPipelineExecution | None:
        """Ask."""
        return fetch(
            self.api,
            self.token,
            wanted,
            wait=wait,
            clock=self.clock,
            deadline=deadline,
            hosts=frozenset(),
            debug=self.said.append,
        )

    def error(self, **own: Any) -> str:
        """The error's text, which is one line that gives nothing away."""
        with pytest.raises(CloudError) as caught:
            self(**own)
        text = str(caught.value)
        assert text.isprintable()
        assert len(text) < 200
        assert caught.value.__cause__ is None
        for secret in (self.token, SESSION_TOKEN, "<html", "needle"):
            assert secret not in "\n".join([text, *self.said])
        return text


@pytest.fixture
def ask(nx_cloud: NxCloud, clock: FakeClock) -> Asked:
    """A way to ask."""
    return Asked(nx_cloud, clock)


# --- the request ------------------------------------------------------------------------------------------------------


def test_request(nx_cloud: NxCloud, ask: Asked) -> None:
    """One request: the token as it is, the branches once each, and nothing of the environment's."""
    nx_cloud.state.listed = told("SUCCEEDED")
    found = ask()
    assert found is not None
    assert found.status is RunStatus.SUCCEEDED
    assert nx_cloud.paths() == [f"POST {cloud.PATH}"]
    (request,) = nx_cloud.requests
    assert request.json == {"branches": ["17", "feature/total"]}
    assert request.headers["Authorization"] == nx_cloud.token
    assert request.headers["Content-Type"] == "application/json"
    assert "Cookie" not in request.headers
    assert ask.said == [f"POST {cloud.PATH}: 200 in 0.00s"]


def test_nothing_from_netrc(ask: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .netrc for the host replaces nothing, by https either, where proxies and certificates are the environment's."""
    sent: list[str] = []

    def send(_: requests.Session, request: requests.PreparedRequest, **__: object) -> requests.Response:
        sent.append(request.headers["Authorization"])
        raise requests.ConnectionError

    (tmp_path / "netrc").write_text("machine nx-cloud.invalid login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(requests.Session, "send", send)
    ask.api = "https://nx-cloud.invalid"
    ask.error()
    assert sent == [ask.token]


def test_no_proxy_for_loopback(nx_cloud: NxCloud, ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unencrypted request, which is to loopback, goes through no proxy: it would see the token."""
    with NxCloud() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        ask()
    assert proxy.requests == []
    assert len(nx_cloud.requests) == 1


def test_cookies_are_not_kept(nx_cloud: NxCloud, ask: Asked) -> None:
    """A cookie that comes with one answer is not sent with the next request."""
    body = json.dumps({"ciPipelineExecutions": []})
    nx_cloud.faults.add("POST", CONSOLE, Answer(200, body, "application/json", {"Set-Cookie": "session=1"}))
    assert ask(wait=5) is None
    assert len(nx_cloud.requests) == 2
    assert "Cookie" not in nx_cloud.requests[1].headers


@pytest.mark.parametrize("wanted", [Wanted(("417",), "", (), None), Wanted((), "", ("17",), None)])
def test_nothing_to_ask_for(nx_cloud: NxCloud, ask: Asked, wanted: Wanted) -> None:
    """Without a branch or a run group nothing is asked."""
    assert ask(wanted=wanted) is None
    assert nx_cloud.requests == []


def test_unknown_build(nx_cloud: NxCloud, ask: Asked) -> None:
    """A build that Nx Cloud does not know is no error."""
    nx_cloud.state.listed = told("SUCCEEDED")
    assert ask(wanted=WANTED._replace(groups=("418",))) is None


# --- what can go wrong ------------------------------------------------------------------------------------------------


NO_JSON = "the answer is not JSON. Check NX_CLOUD_API"
NO_LIST = "the answer holds no list of CI pipeline executions. Check NX_CLOUD_API"
WORKSPACE = "Check NX_CLOUD_ACCESS_TOKEN: an access token of this workspace is meant"
PLAN = "See its plan and usage on Nx Cloud"


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (json_answer(401, {"message": "no"}), "the access token was not accepted (401). Check NX_CLOUD_ACCESS_TOKEN"),
        (
            Answer(401, "This Nx Cloud organization has been disabled due to exceeding the FREE plan. needle"),
            f"the organization is disabled, being beyond its plan (401). {PLAN}",
        ),
        (
            json_answer(401, {"message": "This workspace is more than three days old and is not connected. needle"}),
            "the workspace is not connected to an organization (401). Connect it on Nx Cloud",
        ),
        (Answer(402, "needle"), f"the plan of the workspace does not cover this (402). {PLAN}"),
        (Answer(403, "needle"), f"the access token may not read this (403). {WORKSPACE}"),
        (not_found_page(), "it does not know this request (404). Check NX_CLOUD_API"),
        (Answer(418, "needle"), "it rejected the request (418). Check NX_CLOUD_API"),
        (Answer(429, "needle"), "it has had too many requests (429). Try again later"),
        (Answer(502, "<html>needle", "text/html"), "it had an error of its own (502). Try again later"),
        (Answer(200, "<html>needle</html>", "text/html"), NO_JSON),
        (Answer(200, ""), NO_JSON),
        (Answer(200, '{"ciPipelineExecutions": [{"needle'), NO_JSON),
        (Answer(200, "[" * 100_000), NO_JSON),
        (Answer(200, "9" * 100_000), NO_JSON),
        (json_answer(200, ["needle"]), NO_LIST),
        (json_answer(200, {"needle": 1}), NO_LIST),
        (Answer(200, " " * (9 << 20)), "the answer is longer than 8 MB. Check NX_CLOUD_API"),
    ],
)  # fmt: skip
def test_refused(nx_cloud: NxCloud, ask: Asked, fault: Answer, text: str) -> None:
    """Each refusal is one line that says what to do, without a word of the answer; it is asked once."""
    nx_cloud.faults.add("POST", CONSOLE, fault, None)
    assert ask.error(wait=60) == text
    assert len(nx_cloud.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed(nx_cloud: NxCloud, ask: Asked, status: int) -> None:
    """A redirect is an error: the token goes nowhere else."""
    with NxCloud() as elsewhere:
        location = {"Location": f"{elsewhere.url}{cloud.PATH}"}
        nx_cloud.faults.add("POST", CONSOLE, Answer(status, "", headers=location))
        assert ask.error() == f"it redirects ({status}), which is not followed. Check NX_CLOUD_API"
    assert elsewhere.requests == []


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("action", [Action.HANG, Action.TRICKLE])
def test_no_answer_in_time(nx_cloud: NxCloud, ask: Asked, action: Action) -> None:
    """An answer that does not come, or comes byte by byte, is given up; the run goes on without it."""
    nx_cloud.faults.add("POST", CONSOLE, action)
    assert ask.error() == f"{nx_cloud.host} did not answer in time. Try again later"
    assert ask.said == [f"POST {cloud.PATH}: Timeout after 0.00s"]


@pytest.mark.usefixtures("short")
def test_head_that_never_ends(ask: Asked) -> None:
    """An answer whose head comes byte by byte is given up too."""
    over = threading.Event()

    def trickle(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not over.wait(0.01):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=trickle, args=(listening,), daemon=True)
        server.start()
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        ask.api = f"http://{host}"
        assert ask.error() == f"{host} did not answer in time. Try again later"
        over.set()
        server.join()


def test_connection_closed(nx_cloud: NxCloud, ask: Asked) -> None:
    """A connection that is closed instead of an answer is told."""
    nx_cloud.faults.add("POST", CONSOLE, Action.DROP)
    assert ask.error() == f"{nx_cloud.host} could not be reached, or broke off. Check NX_CLOUD_API and this network"


def test_answer_cut_short(nx_cloud: NxCloud, ask: Asked) -> None:
    """An answer that ends before its stated length is told as broken off, though what came is JSON."""
    body = json.dumps({"ciPipelineExecutions": []})
    length = {"Content-Length": str(len(body) + 10)}
    nx_cloud.faults.add("POST", CONSOLE, Answer(200, body, "application/json", length))
    assert "broke off" in ask.error()


def test_nobody_listens(ask: Asked) -> None:
    """A refused connection is told, with the host."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
    ask.api = f"http://{host}"
    assert ask.error() == f"{host} could not be reached, or broke off. Check NX_CLOUD_API and this network"


def test_unknown_host(ask: Asked) -> None:
    """So is a host that does not exist."""
    ask.api = "http://nx-cloud.invalid"
    assert "nx-cloud.invalid could not be reached" in ask.error()


def test_no_tls(nx_cloud: NxCloud, ask: Asked) -> None:
    """A host that does not prove who it is gets nothing."""
    ask.api = nx_cloud.url.replace("http:", "https:")
    assert ask.error() == (
        f"{nx_cloud.host} could not be trusted (TLS). Check the certificate authority of this network"
    )
    assert nx_cloud.requests == []


def test_proxy_that_refuses(nx_cloud: NxCloud, ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """By https the environment's proxy is used, and one that refuses is told as the proxy's refusal."""
    monkeypatch.setenv("HTTPS_PROXY", nx_cloud.url)
    ask.api = "https://nx-cloud.invalid"
    assert ask.error() == "the proxy did not let the request through. Check HTTPS_PROXY and NO_PROXY"
    (request,) = nx_cloud.requests
    assert request.method == "CONNECT"
    assert "Authorization" not in request.headers


@pytest.mark.parametrize("token", ["two\nlines", "token\u2026"])
def test_token_that_is_none(nx_cloud: NxCloud, ask: Asked, token: str) -> None:
    """A token that cannot be sent is told, without showing it."""
    ask.token = token
    assert ask.error() == "the request could not be made. Check NX_CLOUD_ACCESS_TOKEN and NX_CLOUD_API"
    assert nx_cloud.requests == []


def test_no_time_left(nx_cloud: NxCloud, ask: Asked) -> None:
    """After the deadline nothing is asked."""
    assert ask.error(deadline=0.0) == ("TIMEOUT was reached before it could be asked. Raise TIMEOUT, or try again")
    assert nx_cloud.requests == []


@pytest.mark.parametrize("left", [0.1, 3.0])
def test_deadline_bounds_a_call(nx_cloud: NxCloud, ask: Asked, left: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call waits for its answer until the deadline, at most for its own time."""
    waited: list[float] = []

    def post(_url: str, _token: str, _content: object, seconds: float, _authority: str | None) -> Exception:
        waited.append(seconds)
        return requests.Timeout()

    monkeypatch.setattr(cloud, "_post", post)
    ask.error(deadline=left)
    ask.error(deadline=1000.0)
    assert waited == [left, 5.0]
    assert nx_cloud.requests == []


# --- waiting ----------------------------------------------------------------------------------------------------------


class Changing(Asked):
    """Asks, and lets the state of Nx Cloud change with each pause, or the next request meet a fault."""

    def __init__(self, nx_cloud: NxCloud, clock: FakeClock, *states: Any) -> None:
        super().__init__(nx_cloud, clock)
        self._nx_cloud = nx_cloud
        self._states = list(states)
        self._sleep = clock.sleep
        clock.sleep = self._pause  # type: ignore[method-assign]
        self._next()

    def _next(self) -> None:
        state = self._states.pop(0) if self._states else None
        if isinstance(state, Answer | Action):
            self._nx_cloud.faults.add("POST", CONSOLE, state)
        elif state is not None:
            self._nx_cloud.state.listed = state

    def _pause(self, seconds: float) -> None:
        self._sleep(seconds)
        self._next()


def test_no_wait(nx_cloud: NxCloud, clock: FakeClock) -> None:
    """By default one answer is enough, whatever it says."""
    found = Changing(nx_cloud, clock, told("IN_PROGRESS"), told("SUCCEEDED"))()
    assert found is not None
    assert found.status is RunStatus.IN_PROGRESS
    assert len(nx_cloud.requests) == 1


def test_wait_until_it_is_over(nx_cloud: NxCloud, clock: FakeClock) -> None:
    """An execution that is missing, not begun or in progress is asked for again until it is over."""
    found = Changing(nx_cloud, clock, [], told("NOT_STARTED"), told("IN_PROGRESS"), told("FAILED"), told("CANCELED"))(
        wait=600
    )
    assert found is not None
    assert found.status is RunStatus.FAILED
    assert clock.slept == [15.0, 15.0, 15.0]


def test_failure_is_not_the_end(nx_cloud: NxCloud, clock: FakeClock) -> None:
    """An execution in progress with a failed run is waited for: what else fails is not known yet."""
    found = Changing(nx_cloud, clock, told("IN_PROGRESS", failedTasks=["a:b"]), told("FAILED", numFailedTasks=2))(
        wait=60
    )
    assert found is not None
    assert found.run_groups[0].runs[0].tasks == ()
    assert clock.slept == [15.0]


def test_wait_is_over(nx_cloud: NxCloud, clock: FakeClock) -> None:
    """After the time to wait the last state is given, asked for at its end."""
    found = Changing(nx_cloud, clock, told("NOT_STARTED"), told("IN_PROGRESS"))(wait=40)
    assert found is not None
    assert found.status is RunStatus.IN_PROGRESS
    assert clock.slept == [15.0, 15.0, 10.0]
    assert len(nx_cloud.requests) == 4


def test_deadline_ends_the_wait(nx_cloud: NxCloud, clock: FakeClock) -> None:
    """The deadline ends it sooner, without an error."""
    found = Changing(nx_cloud, clock, told("IN_PROGRESS"))(wait=600, deadline=20.0)
    assert found is not None
    assert clock.slept == [15.0, 5.0]
    assert len(nx_cloud.requests) == 2


@pytest.mark.parametrize(
    "fault", [Answer(503), Answer(401), Action.DROP, json_answer(200, {"ciPipelineExecutions": 1})]
)
@pytest.mark.parametrize(("wait", "status"), [(15, RunStatus.IN_PROGRESS), (600, RunStatus.SUCCEEDED)])
def test_good_answer_is_kept(
    nx_cloud: NxCloud, clock: FakeClock, fault: Answer | Action, wait: int, status: RunStatus
) -> None:
    """What fails after a good answer does not undo it, and the wait goes on."""
    found = Changing(nx_cloud, clock, told("IN_PROGRESS"), fault, told("SUCCEEDED"))(wait=wait)
    assert found is not None
    assert found.status is status
