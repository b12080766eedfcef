"""Nx Cloud's API: one request, answered by what it knows of this build.

The endpoint is the one that Nx Console asks (https://github.com/nrwl/nx-console, get-recent-cipe-data.ts). It is
documented nowhere, so whatever goes wrong is one line for the report and nothing more.
"""

from __future__ import annotations

import json
import queue
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from pipe.nx.cloud_answer import Wanted, find
from pipe.tls import Trusting

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipe.clock import Clock
    from pipe.model import CIPipelineExecution

__all__ = ["CloudError", "Wanted", "fetch"]

PATH = "/nx-cloud/nx-console/ci-pipeline-executions"
_ANSWER_SECONDS = 5.0
_PAUSE_SECONDS = 15.0
_LONGEST_ANSWER = 8 << 20  # some thousand runs; parsed, it takes several times as much
_PIECE = 1 << 16
_TOKEN_HINT = "Check NX_CLOUD_ACCESS_TOKEN"  # noqa: S105 - its name
_API_HINT = "Check NX_CLOUD_API"
_REFUSED = {
    401: f"the access token was not accepted (401). {_TOKEN_HINT}",
    402: "the plan of the workspace does not cover this (402). See its plan and usage on Nx Cloud",
    403: f"the access token may not read this (403). {_TOKEN_HINT}: an access token of this workspace is meant",
    404: f"it does not know this request (404). {_API_HINT}",
    429: "it has had too many requests (429). Try again later",
}
# What is said with 401 where the token is not the reason: a word of the body, and what it stands for.
_NOT_THE_TOKEN = {
    "disabled": "the organization is disabled, being beyond its plan (401). See its plan and usage on Nx Cloud",
    "not connected": "the workspace is not connected to an organization (401). Connect it on Nx Cloud",
}


class CloudError(Exception):
    """Nx Cloud could not be asked: what happened and what to do, in one line, without anything that was sent."""


class _Answer(NamedTuple):
    """A status and a body; of one that is too long, its beginning."""

    status: int
    body: bytes


def fetch(  # noqa: PLR0913 - where, who, what, how long, and what to vouch for: no two of them belong together
    api: str,
    token: str,
    wanted: Wanted,
    *,
    wait: int,
    clock: Clock,
    deadline: float,
    hosts: frozenset[str],
    debug: Callable[[str], None],
    authority: str | None = None,
) -> CIPipelineExecution | None:
    """Ask Nx Cloud for the execution of this build; None where it knows none.

    `api` is Nx Cloud's address, `hosts` are hosts of links that the settings vouch for. As long as the execution is
    missing or not over it is asked for again, for `wait` seconds and never beyond `deadline`, which is in the clock's
    monotonic seconds. Once there was an answer, a later failure changes nothing. `authority` is a file of certificates
    that are trusted beside the usual ones.

    Raises:
        CloudError: Nx Cloud could not be asked, or not understood.

    """
    if not wanted.branches or not wanted.groups:
        debug("Nx Cloud is not asked: of this build neither a pull request nor a branch is known")
        return None
    api = api.rstrip("/")
    client = _Client(api, token, clock, deadline, debug, authority)
    end = min(clock.monotonic() + wait, deadline)
    found = find(client.executions(wanted.branches), wanted, api, hosts)
    while (found is None or not found.complete) and (left := end - clock.monotonic()) > 0:
        clock.sleep(min(_PAUSE_SECONDS, left))
        try:
            found = find(client.executions(wanted.branches), wanted, api, hosts) or found
        except CloudError as error:
            debug(f"Nx Cloud: {error}")
    return found.execution if found else None


class _Client:
    """Signed requests to one origin, each in its time; no redirect is followed, so the token cannot travel."""

    def __init__(
        self,
        api: str,
        token: str,
        clock: Clock,
        deadline: float,
        debug: Callable[[str], None],
        authority: str | None,
    ) -> None:
        self._url = api + PATH
        self._token = token
        self._clock = clock
        self._deadline = deadline
        self._debug = debug
        self._authority = authority

    def executions(self, branches: tuple[str, ...]) -> dict[str, Any]:
        """The answer that lists the recent CI pipeline executions of these branches. Raises CloudError."""
        started = self._clock.monotonic()
        seconds = min(_ANSWER_SECONDS, self._deadline - started)
        if seconds <= 0:
            raise CloudError("TIMEOUT was reached before it could be asked. Raise TIMEOUT, or try again")
        content = {"branches": [*dict.fromkeys(branches)]}
        answer = _post(self._url, self._token, content, seconds, self._authority)
        took = self._clock.monotonic() - started
        if isinstance(answer, Exception):
            self._debug(f"POST {PATH}: {type(answer).__name__} after {took:.2f}s")
            raise CloudError(_unanswered(answer, self._url.split("/")[2]))
        self._debug(f"POST {PATH}: {answer.status} in {took:.2f}s")
        if answer.status != 200:  # noqa: PLR2004
            raise CloudError(_refused(answer))
        return _content(answer.body)


def _post(url: str, token: str, content: object, seconds: float, authority: str | None) -> _Answer | Exception:
    """Post JSON and give the answer, or what went wrong; what is not answered in full after those seconds is given up.

    The timeout of a read starts anew with each byte, and looking up a name has none: so a thread waits for the answer,
    and this one for the thread.
    """
    answers: queue.SimpleQueue[_Answer | Exception] = queue.SimpleQueue()
    given_up = threading.Event()

    def work() -> None:
        try:
            answers.put(_exchange(url, token, content, 2 * seconds, given_up, authority))
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits to hear of it
            answers.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return requests.Timeout()
    finally:
        given_up.set()


def _exchange(
    url: str, token: str, content: object, silence: float, given_up: threading.Event, authority: str | None
) -> _Answer:
    """Make the request; `silence` is how long a single read may take."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = token  # as it is, which is how Nx's own client signs
        return request

    with requests.Session() as session:
        if authority:
            session.mount("https://", Trusting(authority))
        session.auth = sign  # with this set no .netrc is looked at
        # Proxies and certificates are the environment's. Unencrypted is loopback alone, where no proxy is to listen in.
        session.trust_env = url.startswith("https://")
        with session.post(
            url,
            json=content,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=silence,
            allow_redirects=False,
            stream=True,
        ) as response:
            body = bytearray()
            while len(body) <= _LONGEST_ANSWER and not given_up.is_set():
                piece = response.raw.read1(_PIECE, decode_content=False)
                if not piece:
                    break
                body += piece
            return _Answer(response.status_code, bytes(body))


def _content(body: bytes) -> dict[str, Any]:
    """The JSON of an answer. Raises CloudError."""
    if len(body) > _LONGEST_ANSWER:
        raise CloudError(f"the answer is longer than {_LONGEST_ANSWER >> 20} MB. {_API_HINT}")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise CloudError(f"the answer is not JSON. {_API_HINT}") from None
    if not isinstance(content, dict) or "ciPipelineExecutions" not in content:
        raise CloudError(f"the answer holds no list of CI pipeline executions. {_API_HINT}")
    return content


def _unanswered(error: Exception, host: str) -> str:
    """What to say where there was no answer."""
    if isinstance(error, requests.exceptions.SSLError):
        return f"{host} could not be trusted (TLS). Check the certificate authority of this network"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy did not let the request through. Check HTTPS_PROXY and NO_PROXY"
    if isinstance(error, requests.Timeout):
        return f"{host} did not answer in time. Try again later"
    if isinstance(error, ValueError):  # of requests and http.client, for headers and addresses
        return "the request could not be made. Check NX_CLOUD_ACCESS_TOKEN and NX_CLOUD_API"
    return f"{host} could not be reached, or broke off. {_API_HINT} and this network"


def _refused(answer: _Answer) -> str:
    """What to say of an answer that is none. Of its body only a known word counts."""
    status = answer.status
    if status == 401:  # noqa: PLR2004
        said = answer.body[:_PIECE].decode("utf-8", "replace").lower()
        known = (text for word, text in _NOT_THE_TOKEN.items() if word in said)
        return next(known, _REFUSED[status])
    if status in _REFUSED:
        return _REFUSED[status]
    if 300 <= status < 400:  # noqa: PLR2004
        return f"it redirects ({status}), which is not followed. {_API_HINT}"
    if status >= 500:  # noqa: PLR2004
        return f"it had an error of its own ({status}). Try again later"
    return f"it rejected the request ({status}). {_API_HINT}"
