"""The stand-in's HTTP side: the console's endpoint, the client's endpoints, faults."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from flask import Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

from test.nx_cloud.state import State
from test.sandbox.faults import Action, Answer, Faults

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from types import TracebackType

    from test.sandbox.faults import Fault

TOKEN = "bmVlZGxlLWluLWEtaGF5c3RhY2s="
_TRICKLE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came in; `body` is unpacked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class _Handler(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Print nothing."""


class NxCloud:
    """Nx Cloud with one workspace, serving from the start.

    `state` may be read and changed at any time, `faults` takes the faults to come, `requests` has every request.
    """

    def __init__(self) -> None:
        """Start serving on a free port."""
        self.state = State()
        self.token = TOKEN
        self.faults = Faults()
        self.requests: list[Request] = []
        self._errors: list[Exception] = []
        self._lock = threading.RLock()
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True, request_handler=_Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def paths(self) -> list[str]:
        """Method and path of each request so far."""
        return [f"{one.method} {one.path}" for one in self.requests]

    def close(self) -> None:
        """Stop serving; raises what went wrong inside."""
        self.faults.release()
        self._server.shutdown()
        self._server.server_close()
        if self._errors:
            raise ExceptionGroup("the stand-in failed", self._errors)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    # --- endpoints ----------------------------------------------------------------------------------------------------

    def _app(self) -> Flask:
        app = Flask(__name__, static_folder=None)
        app.before_request(self._receive)
        app.register_error_handler(Exception, self._broken)
        for path, answer in {
            "nx-console/ci-pipeline-executions": self._console,
            "runs/start": self._start,
            "runs/end": self._end,
            "executions/create-run-group": self._create,
            "executions/complete-run-group": self._complete,
            "save-metrics": dict,
            "report-client-error": dict,
        }.items():
            app.add_url_rule(f"/nx-cloud/{path}", path, answer, methods=["POST"])
        app.add_url_rule("/nx-cloud/client/verify", "verify", lambda: ({}, 404))
        app.add_url_rule("/file/<name>", "store", self._store, methods=["PUT"])
        app.add_url_rule("/file/<name>", "retrieve", self._retrieve)
        return app

    def _receive(self) -> Response | tuple[dict[str, str], int] | None:
        """Keep the request, let it meet its fault, and look at the token; artifacts go by their URL alone."""
        with self._lock:
            self.requests.append(Request(request.method, request.path, dict(request.headers), _body()))
        if (fault := self.faults.match(request.method, request.path)) is not None:
            return _fail(fault)
        if not request.path.startswith("/file/") and request.headers.get("Authorization") != self.token:
            return {"message": "Unauthorized"}, 401
        return None

    def _broken(self, error: Exception) -> Response:
        code = getattr(error, "code", None)
        if code is None:
            self._errors.append(error)
        return Response(status=code or 500)

    def _console(self) -> dict[str, Any]:
        with self._lock:
            branches = _unpacked()["branches"]
            return {"ciPipelineExecutions": self.state.told(branches, self.url), "workspaceUrl": f"{self.url}/orgs/1"}

    def _start(self) -> dict[str, Any]:
        """Say for each hash where its artifact is to be had, or to be put."""
        known = self.state.artifacts
        urls = {name: {"get" if name in known else "put": f"{self.url}/file/{name}"} for name in _unpacked()["hashes"]}
        return {"urls": urls}

    def _end(self) -> dict[str, str]:
        with self._lock:
            return {"status": "success", "runUrl": self.state.end_run(_unpacked(), self.url)}

    def _create(self) -> dict[str, Any]:
        with self._lock:
            self.state.group(_unpacked())
            return {}

    def _complete(self) -> dict[str, Any]:
        with self._lock:
            self.state.complete(_unpacked())
            return {}

    def _store(self, name: str) -> dict[str, Any]:
        self.state.artifacts[name] = request.get_data()
        return {}

    def _retrieve(self, name: str) -> Response:
        content = self.state.artifacts.get(name)
        return Response(status=404) if content is None else Response(content, mimetype="application/octet-stream")


def _body() -> bytes:
    body = request.get_data()
    return gzip.decompress(body) if request.content_encoding == "gzip" else body


def _unpacked() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_body())
    return content


def _fail(fault: Fault) -> Response:
    action = fault.action
    fault.reached.set()
    if isinstance(action, Answer):
        body = iter([action.body.encode()])  # of no known length, so that a wrong one stays as it is
        return Response(body, action.status, action.headers, content_type=action.content_type)
    if action is Action.TRICKLE:
        return Response(_trickle(fault), mimetype="application/json", headers={"Content-Length": "1000000"})
    if action is Action.HANG:
        fault.released.wait()
    connection: socket.socket = request.environ["werkzeug.socket"]
    with contextlib.suppress(OSError):
        connection.shutdown(2)
    return Response()


def _trickle(fault: Fault) -> Iterator[bytes]:
    while not fault.released.wait(_TRICKLE_SECONDS):
        yield b" "
