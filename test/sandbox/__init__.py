"""An embedded Bitbucket: a real HTTP server on the loopback interface with real state.

    with Sandbox() as sandbox:
        requests.get(f"{sandbox.url}/repositories/acme/shop/pullrequests/17", auth=sandbox.api_auth)

`state` remembers, `cloud` speaks Bitbucket Cloud's REST API, `data_center` that of Data Center; `page` shows the pull
request to a reader, `faults` lets the client down on purpose. Used by tests, the demo and the benchmark; not part of
the pipe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from flask import Flask

from test.sandbox import cloud, data_center, page
from test.sandbox.faults import (
    Action,
    Answer,
    Fault,
    json_answer,
    login_page,
    not_found_page,
    rate_limited,
    server_error,
)
from test.sandbox.proxy import Proxy
from test.sandbox.seed import seed
from test.sandbox.server import Exchange, Server
from test.sandbox.state import CommitIndex, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from test.sandbox.authority import Authority
    from test.sandbox.state import PullRequest

__all__ = [
    "Action",
    "Answer",
    "CommitIndex",
    "Exchange",
    "Fault",
    "Sandbox",
    "json_answer",
    "login_page",
    "not_found_page",
    "rate_limited",
    "server_error",
]


class Sandbox:
    """Bitbucket with one repository and one open pull request (`seed` says which), serving from the start.

    `requests` is the log of the APIs' exchanges in the order of their arrival, `faults` takes the faults to come,
    `state` may be read and changed at any time; hold `state.lock` while requests are under way. `state.lag` lets reads
    be late, `data_center` says what kind of server Data Center is.

    On Data Center the repository `acme/shop` is `shop` in the project `ACME`. `http_token` is its robot's own token,
    `repository_token` the repository's, and `reader_token` one that may only read.
    """

    def __init__(
        self,
        clock: Callable[[], datetime] | None = None,
        on_exchange: Callable[[Exchange], None] | None = None,
        latency: float = 0.0,
        *,
        tls: bool = False,
    ) -> None:
        """Start serving. `clock` gives the time in UTC (default: now); `on_exchange` sees every finished exchange.

        Each request to the API waits for `latency` seconds before anything is done, beside the others: for measuring.
        With `tls` all is served as `https://localhost`, which who trusts the certificate in `authority_file` can reach.
        """
        self.state = State(clock) if clock is not None else State()
        start = seed(self.state)
        self.author, self.reviewer = start.author, start.reviewer
        self.repository, self.pull_request = start.repository, start.pull_request
        self.api_token, self.access_token = start.api_token, start.access_token
        self.http_token, self.repository_token = start.http_token, start.repository_token
        self.reader_token = start.reader_token
        self.data_center = data_center.Server()
        app = Flask(__name__, static_folder=None)
        app.testing = True  # an exception inside reaches the test instead of becoming a page
        app.register_blueprint(cloud.blueprint(self.state), url_prefix="/2.0")
        app.register_blueprint(data_center.blueprint(self.state, self.data_center), url_prefix=data_center.CONTEXT)
        app.register_blueprint(page.blueprint(self.state))
        self._app, self._on_exchange = app, on_exchange
        self._proxy: Proxy | None = None
        self._authority: Authority | None = None
        if tls:
            from test.sandbox.authority import Authority  # noqa: PLC0415 - few need it, and it takes its time to load

            self._authority = Authority()
        context = self._authority.context if self._authority is not None else None
        self._server = Server(app, self.state.lock, on_exchange, latency, context)
        self.faults = self._server.faults
        self.requests = self._server.requests

    @property
    def url(self) -> str:
        """The API's address, with its `/2.0` and no slash at the end."""
        return f"{self._server.address}/2.0"

    @property
    def server_url(self) -> str:
        """Data Center's address, with its context path and no slash at the end."""
        return f"{self._server.address}{data_center.CONTEXT}"

    @property
    def authority_file(self) -> Path:
        """The certificate of the authority that has signed for the server, as PEM; there is one with `tls` alone."""
        assert self._authority is not None
        return self._authority.file

    @property
    def api_auth(self) -> tuple[str, str]:
        """E-mail address and API token, as `requests` takes them for Basic."""
        assert self.api_token.email is not None
        return self.api_token.email, self.api_token.token

    @property
    def proxy(self) -> Proxy:
        """Pipelines' proxy, at its `address` and with a log `requests` of its own, from when it is first asked for."""
        if self._proxy is None:
            token = self.state.add_access_token("Pipelines", "sandbox-pipelines-token", ["repository"])
            self._proxy = Proxy(self._app, self.state.lock, self._on_exchange, token.token)
        return self._proxy

    @property
    def connections(self) -> int:
        """How many TCP connections the requests to the API came through."""
        return len({exchange.connection for exchange in self.requests})

    def page_url(self, pull_request: PullRequest | None = None) -> str:
        """Where a reader sees the pull request."""
        number = (pull_request or self.pull_request).id
        return f"{self._server.address}/{self.repository.full_name}/pull-requests/{number}"

    def close(self) -> None:
        """Stop serving; raises an ExceptionGroup of whatever went wrong inside, or was sent to the proxy."""
        try:
            if self._proxy is not None:
                self._proxy.close()
        finally:
            if self._authority is not None:
                self._authority.close()
            self._server.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
