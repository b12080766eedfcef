"""The proxy of Pipelines: it signs requests for `http://api.bitbucket.org` that carry no credential.

Code Insights alone works through it. Whoever sends it an Authorization header has given a credential away: that fails
the test when the sandbox is closed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from werkzeug.datastructures import Headers

from test.sandbox.server import Exchange, Server

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from flask import Flask

_HOST = "api.bitbucket.org"
_REPORTS = re.compile(r"/2\.0/repositories/[^/]+/[^/]+/commit/[0-9a-f]+/reports(/|$)")
_CREDENTIALS = ("Authorization", "Proxy-Authorization", "Cookie")


class Proxy(Server):
    """Takes requests as a proxy does, in absolute form, and gives them to the application signed with `token`."""

    scheme = "https"  # what the API knows itself by, whichever way the request came

    def __init__(
        self, app: Flask, lock: threading.RLock, on_exchange: Callable[[Exchange], None] | None, token: str
    ) -> None:
        """Listen and serve."""
        super().__init__(app, lock, on_exchange, latency=0.0)
        self._token = token

    def run(self, exchange: Exchange) -> tuple[int, Headers, bytes]:
        """Let the application answer what may come this way."""
        for name in _CREDENTIALS:
            if name in exchange.headers:
                self.fail(AssertionError(f"{exchange.method} {exchange.path}: the proxy was sent {name}"))
        if exchange.headers.get("Host") != _HOST:
            return 502, Headers({"Content-Length": "0"}), b""
        if not _REPORTS.match(exchange.path):
            return 401, Headers({"Content-Length": "0"}), b""
        return super().run(self._signed(exchange))

    def exchanged(self, exchange: Exchange) -> None:
        """Report an exchange as Bitbucket saw it; what was turned away here it did not see."""
        if _REPORTS.match(exchange.path):
            super().exchanged(self._signed(exchange))

    def _signed(self, exchange: Exchange) -> Exchange:
        headers = Headers([*exchange.headers, ("Authorization", f"Bearer {self._token}")])
        return replace(exchange, headers=headers)
