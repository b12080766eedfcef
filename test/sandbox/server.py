"""The HTTP server under the sandbox: HTTP/1.1 with kept-alive connections, a log of every request, faults.

Werkzeug's own server closes each connection after one answer (its `run_wsgi` says why), and kept-alive connections are
what a client is held to here. So the standard library's server takes the requests and hands them to the application.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import socket
import socketserver
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from werkzeug.datastructures import Headers, MultiDict
from werkzeug.test import run_wsgi_app

from test.sandbox.faults import Action, Answer, Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from test.sandbox.faults import Fault

APIS = ("/2.0/", "/bitbucket/rest/")
_TRICKLE_SECONDS = 0.05
_POLL_SECONDS = 0.01


@dataclass(slots=True)
class Exchange:
    """One request to the API and what was sent back.

    `path` and `query` are as the client wrote them, `connection` counts TCP connections from 1. `status` is None, and
    the response empty, as long as nothing was answered. `faulty`: a fault that was asked for met the request.
    """

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    connection: int
    status: int | None = None
    response_headers: Headers | None = None
    response_body: bytes = b""
    faulty: bool = False

    @property
    def args(self) -> MultiDict[str, str]:
        """The query's parts, decoded."""
        return MultiDict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        """The request's body as JSON."""
        return json.loads(self.body)

    @property
    def authorized(self) -> bool:
        """Whether the request carries an Authorization header."""
        return "Authorization" in self.headers


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in one piece, or at least the second of them does not wait for a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self._server = cast("Server", self.server)
        self._connection_id = self._server.connected(self.connection)

    def handle(self) -> None:
        # A client that does not trust the certificate says so and leaves.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def finish(self) -> None:
        self._server.disconnected(self.connection)
        with contextlib.suppress(OSError):  # what is left to send has nobody to go to
            super().finish()

    def log_message(self, *_: object) -> None:
        """Print nothing; `Server.requests` has it all."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = urlsplit(self.path)
        exchange = Exchange(
            self.command, target.path, target.query, Headers(self.headers.items()), body, self._connection_id
        )
        if not target.path.startswith(APIS):
            self._send(self._server.run(exchange))
            return
        self._server.requests.append(exchange)
        if self._server.latency:
            time.sleep(self._server.latency)
        fault = self._server.faults.match(exchange.method, exchange.path, exchange.body)
        if fault is None:
            self._answer(exchange, self._server.run(exchange))
        else:
            exchange.faulty = True
            self._fail(exchange, fault)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

    def _answer(self, exchange: Exchange, answer: tuple[int, Headers, bytes] | None) -> None:
        """Send the answer, or close the connection; log it first, so that who has an answer finds it in the log."""
        if answer is not None:
            exchange.status, exchange.response_headers, exchange.response_body = answer
        self._server.exchanged(exchange)
        if answer is not None:
            self._send(answer)
        else:
            self.close_connection = True

    def _send(self, answer: tuple[int, Headers, bytes]) -> None:
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _fail(self, exchange: Exchange, fault: Fault) -> None:
        action = fault.action
        if isinstance(action, Answer):
            body = action.body.encode()
            headers = Headers({"Content-Type": action.content_type, "Content-Length": str(len(body)), **action.headers})
            self._answer(exchange, (action.status, headers, body))
            fault.reached.set()
            return
        if action is Action.LOSE:
            self._server.run(exchange)
        if action is Action.HOLD:
            fault.reached.set()
            fault.released.wait()
            # One that is let go by the end of the sandbox does nothing any more.
            self._answer(exchange, None if self._server.closing else self._server.run(exchange))
            return
        self._answer(exchange, None)
        fault.reached.set()
        if action is Action.HANG:
            fault.released.wait()
        elif action is Action.TRICKLE:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            while not fault.released.is_set():
                self.wfile.write(b" ")
                self.wfile.flush()
                fault.released.wait(_TRICKLE_SECONDS)


class Server(socketserver.ThreadingTCPServer):
    """Serves one application on a free port of the loopback interface, in threads of its own.

    `on_exchange` is called with each finished exchange with the API, before the client gets the answer. With `tls` it
    speaks HTTPS, as `localhost`.
    """

    scheme = ""  # what the API knows itself by; else that of the address
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512  # connections that wait to be accepted; one too many is refused, or waits for a second

    def __init__(
        self,
        app: Flask,
        lock: threading.RLock,
        on_exchange: Callable[[Exchange], None] | None,
        latency: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Listen and serve; `lock` is held while the application works, and not while a request waits for `latency`."""
        super().__init__(("127.0.0.1", 0), _Handler)
        host = "127.0.0.1" if tls is None else "localhost"
        self.address = f"http{'' if tls is None else 's'}://{host}:{self.server_address[1]}"
        self.faults = Faults()
        self.requests: list[Exchange] = []
        self.latency = latency
        self.closing = False
        self._errors: list[Exception] = []
        self._app = app
        self._lock = lock
        self._on_exchange = on_exchange
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._connection_ids = itertools.count(1)
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        self._thread.start()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; the handshake is left to its own thread, so that a slow one holds up nobody."""
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def connected(self, connection: socket.socket) -> int:
        """Take note of a connection; gives its number."""
        with self._lock:
            self._connections.add(connection)
            return next(self._connection_ids)

    def disconnected(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._connections.discard(connection)

    def run(self, exchange: Exchange) -> tuple[int, Headers, bytes]:
        """Let the application answer. Its own mistakes are kept for `close`; the client sees a 500."""
        with self._lock:
            try:
                # Not through Flask's client, which takes longer than the application.
                chunks, status, headers = run_wsgi_app(self._app, self._environ(exchange), buffered=True)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test has to hear of it
                self._errors.append(error)
                return 500, Headers({"Content-Length": "0"}), b""
        code = int(status.split()[0])
        if code == 204:
            headers.remove("Content-Length")
            headers.remove("Content-Type")
        return code, headers, b"".join(chunks)

    def _environ(self, exchange: Exchange) -> dict[str, Any]:
        """Give the request as PEP 3333 says."""
        fields: dict[str, Any] = {}
        for name, value in exchange.headers:
            key = f"HTTP_{name.upper().replace('-', '_')}"
            fields[key] = f"{fields[key]}, {value}" if key in fields else value
        return {
            "HTTP_HOST": self.address.split("://")[1],
            **fields,
            "REQUEST_METHOD": exchange.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(exchange.path).decode("latin-1"),
            "QUERY_STRING": exchange.query,
            "CONTENT_TYPE": exchange.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(exchange.body)),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server_address[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme or self.address.split("://")[0],
            "wsgi.input": io.BytesIO(exchange.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    def exchanged(self, exchange: Exchange) -> None:
        """Report an exchange that is over."""
        if self._on_exchange is None:
            return
        with self._lock:
            try:
                self._on_exchange(exchange)
            except Exception as error:  # noqa: BLE001 - as above
                self._errors.append(error)

    def fail(self, error: Exception) -> None:
        """Keep what is wrong for `close`."""
        with self._lock:
            self._errors.append(error)

    def close(self) -> None:
        """Stop, and close every connection; raises what went wrong inside while it served."""
        self.closing = True
        self.faults.release()
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        if self._errors:
            raise ExceptionGroup("the sandbox failed", self._errors)

    def handle_error(self, *_: object) -> None:
        """Keep an error of a connection for `close`, instead of printing it."""
        error = sys.exception()
        if isinstance(error, Exception) and not self.closing:
            self._errors.append(error)
