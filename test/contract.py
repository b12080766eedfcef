"""Requests and answers held to Bitbucket's OpenAPI files: Cloud's, and Data Center's for what goes below its `/rest/`.

The files are the judges of the pipe and of the sandbox alike. Where the live API is known to differ from its file, the
loaded copy is changed, here and nowhere else. Cloud:

- request bodies are strict: a key that the schema does not name is an error, `type` is one too (jenkins-x/jx#3076);
- an operation may answer 400, 401, 403 or 404 even where the file lists only some of them, and 401 without a body
  (atlantis#6614);
- errors may hold `fields` and `id`, and `detail` may be an object.

Data Center:

- request bodies are strict here too, on every level;
- `1.0` and `latest` are the same API, and whatever stands before `/rest/` is the server's own business;
- an operation may answer 400, 401, 403, 404, 409 or 500 even where the file lists only some of them, and an error's
  `context` and `exceptionName` may be null (jfrog/frogbot#647);
- a pattern describes the whole text, as in Java, where the file comes from;
- a comment is written with its parent and its anchor, whose paths are text, as in the file's own examples, and answers
  hold links; what an activity tells of a comment is one;
- what must be in a body, and how long it may be, holds also where only the words of the operation say so.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jsonschema_path import SchemaPath
from openapi_core import V30RequestValidator, V30ResponseValidator
from openapi_core.datatypes import RequestParameters
from openapi_core.templating.media_types.exceptions import MediaTypeNotFound
from openapi_core.templating.responses.exceptions import ResponseNotFound
from werkzeug.datastructures import Headers, ImmutableMultiDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from test.sandbox import Exchange

FILE, DATA_CENTER_FILE = "bitbucket-cloud.openapi.json", "bitbucket-data-center.openapi.json"
_METHODS = {"get", "put", "post", "delete"}
_SERVER_PATH = re.compile(r".*?/rest(/[a-z-]+)/(?:latest|1\.0)(/.*)")
_ERROR = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}, "description": "Error"}
_LIVE_ERRORS = (400, 401, 403, 404)
_SERVER_ERRORS = (*_LIVE_ERRORS, 409, 500)
_UNKNOWN = (ResponseNotFound, MediaTypeNotFound)
# With `fields` the client asks for a part of each object: what makes the whole one valid can't be asked of it.
_OF_WHOLE_OBJECTS = ("required", "uniqueItems")


class Contract:
    """The OpenAPI files, each loaded once, Data Center's when it is needed; a check takes some milliseconds."""

    def __init__(self, directory: Path) -> None:
        """Load Cloud's file from the directory that CONTRACT_DIR names."""
        self._directory = directory
        document = json.loads((directory / FILE).read_text(encoding="utf-8"))
        _follow_the_live_api(document)
        self._cloud = _Validators(document)

    @cached_property
    def _data_center(self) -> _Validators:
        document = json.loads((self._directory / DATA_CENTER_FILE).read_text(encoding="utf-8"))
        _follow_the_server(document)
        return _Validators(document)

    def problems(self, exchange: Exchange) -> list[str]:
        """Say what is wrong with the exchange, a line each, request and response."""
        return [*self.request_problems(exchange), *self.response_problems(exchange)]

    def request_problems(self, exchange: Exchange) -> list[str]:
        """Say what is wrong with the request: path, method, parameters, credentials, body."""
        validators, request = self._of(exchange)
        errors = validators.requests.iter_errors(request)
        return [f"{exchange.method} {exchange.path}: request: {text}" for text in _texts(errors)]

    def response_problems(self, exchange: Exchange) -> list[str]:
        """Say what is wrong with the response: status code, kind of content, headers, body.

        Nothing is asked of an error whose body is not JSON: gateways and rate limiters answer it, and the file knows no
        such thing. What a fault made up is held to the file only where that knows the status code and the content type.
        """
        if exchange.status is None:
            return []
        response = _Response(exchange)
        if exchange.status >= 400 and response.content_type != "application/json":
            return []
        validators, request = self._of(exchange)
        errors = list(validators.responses.iter_errors(request, response))
        if exchange.faulty and any(isinstance(each, _UNKNOWN) for error in errors for each in (error, error.__cause__)):
            return []
        ignored = _OF_WHOLE_OBJECTS if "fields" in exchange.args else ()
        where = f"{exchange.method} {exchange.path}: response {exchange.status}: "
        return [where + text for text in _texts(errors, ignored)]

    def _of(self, exchange: Exchange) -> tuple[_Validators, _Request]:
        if "/rest/" not in exchange.path:
            return self._cloud, _Request(exchange, "https://api.bitbucket.org", exchange.path)
        path = _SERVER_PATH.sub(r"/rest\1/latest\2", exchange.path)
        return self._data_center, _Request(exchange, _SERVER, path)


class _Validators:
    """Those of one file."""

    def __init__(self, document: dict[str, Any]) -> None:
        spec = SchemaPath.from_dict(document)
        self.requests = V30RequestValidator(spec)
        self.responses = V30ResponseValidator(spec)


class _Request:
    """An exchange's request as openapi-core reads it, sent to the host that the file names."""

    def __init__(self, exchange: Exchange, host_url: str, path: str) -> None:
        self.host_url = host_url
        self.path = path
        self.method = exchange.method.lower()
        self.body = exchange.body or None
        self.content_type = exchange.headers.get("Content-Type", "").lower()
        self.parameters = RequestParameters(query=ImmutableMultiDict(exchange.args), header=exchange.headers)


class _Response:
    """An exchange's response as openapi-core reads it."""

    def __init__(self, exchange: Exchange) -> None:
        assert exchange.status is not None
        self.status_code = exchange.status
        self.headers = exchange.response_headers or Headers()
        self.content_type = self.headers.get("Content-Type", "").split(";")[0].lower()
        self.data = exchange.response_body or None


def _texts(errors: Iterable[Exception], ignored: Iterable[str] = ()) -> Iterator[str]:
    for error in errors:
        causes = getattr(error.__cause__, "schema_errors", None)
        if causes is None:
            yield f"{error} ({error.__cause__})" if error.__cause__ else str(error)
            continue
        for cause in causes:
            if cause.validator not in ignored:
                yield f"{cause.json_path}: {cause.message}"


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        for method in path.keys() & _METHODS:
            yield path[method]


# --- Cloud ------------------------------------------------------------------------------------------------------------


def _follow_the_live_api(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    error = schemas["error"]["properties"]["error"]
    error["additionalProperties"] = True
    del error["properties"]["detail"]
    for operation in _operations(document):
        for status in _LIVE_ERRORS:
            operation["responses"].setdefault(str(status), _ERROR)
        operation["responses"]["401"] = {"description": "Unauthorized, with or without a body"}
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body and (names := _names(body["schema"], schemas) - {"type"}):
            body["schema"] = {
                "allOf": [body["schema"]],
                "properties": {name: {} for name in sorted(names)},
                "additionalProperties": False,
            }


def _names(schema: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    """Give the keys that the schema names, itself or in what it is made of."""
    if "$ref" in schema:
        return _names(schemas[schema["$ref"].removeprefix("#/components/schemas/")], schemas)
    parts = (_names(part, schemas) for part in schema.get("allOf", ()))
    return set(schema.get("properties", ())).union(*parts)


# --- Data Center ------------------------------------------------------------------------------------------------------

_SERVER = "http://bitbucket.example"
_REPOSITORY = "/projects/{projectKey}/repos/{repositorySlug}"
# Of the file's hundreds of paths only these are looked through for each request.
_SERVED = (
    f"/api/latest{_REPOSITORY}/pull-requests",
    f"/api/latest{_REPOSITORY}/commits/{{commitId}}",
    f"/insights/latest{_REPOSITORY}/commits",
    "/build-status/latest/commits/{commitId}",
    "/api/latest/application-properties",
)
_LEGACY_LENGTHS = {"key": 255, "name": 255, "description": 255, "url": 450}


def _follow_the_server(document: dict[str, Any]) -> None:
    document["servers"] = [{"url": f"{_SERVER}/rest"}]
    document["paths"] = {path: item for path, item in document["paths"].items() if path.startswith(_SERVED)}
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        _mend(schema)
    for name in ("context", "exceptionName"):
        schemas["RestErrorMessage"]["properties"][name]["nullable"] = True
    comment, activity = schemas["RestComment"]["properties"], schemas["RestPullRequestActivity"]["properties"]
    comment["parent"] = {"type": "object", "properties": {"id": {"type": "integer"}}}
    del comment["anchor"]["readOnly"]
    activity |= {"comment": {"$ref": "#/components/schemas/RestComment"}, "commentAnchor": comment["anchor"]}
    errors = {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/RestErrorMessage"}}
    error = {"type": "object", "properties": {"errors": errors}, "required": ["errors"]}
    for operation in _operations(document):
        operation["responses"] |= {
            str(status): {"content": {"application/json": {"schema": error}}, "description": "Error"}
            for status in _SERVER_ERRORS
        }
        for response in operation["responses"].values():
            if content := response.get("content"):
                response["content"] = {kind.split(";")[0]: value for kind, value in content.items()}
        if body := operation.get("requestBody"):
            [value] = body["content"].values()
            body["content"] = {"application/json": {"schema": _strict(value["schema"], schemas)}}
    _add_what_is_said(document["paths"])


def _mend(schema: Any) -> None:
    """Change a schema as the module's first lines say, with all that is in it."""
    if isinstance(schema, list):
        for part in schema:
            _mend(part)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("pattern"), str):
        schema["pattern"] = f"^(?:{schema['pattern']})$"
    if isinstance(links := schema.get("links"), dict):
        links.pop("writeOnly", None)
    if isinstance(anchor := schema.get("anchor"), dict) and "properties" in anchor:
        anchor["properties"] |= {key: {"type": "string"} for key in ("path", "srcPath")}
    for part in schema.values():
        _mend(part)


def _strict(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Give a copy of a body's schema that takes no other keys than those that it names and lets be written."""
    if isinstance(name := schema.get("$ref"), str):
        return _strict(schemas[name.removeprefix("#/components/schemas/")], schemas)
    if "items" in schema:
        return {**schema, "items": _strict(schema["items"], schemas)}
    written = {key: part for key, part in schema.get("properties", {}).items() if not part.get("readOnly")}
    if not written:
        return schema
    properties = {key: _strict(part, schemas) for key, part in written.items()}
    return {**schema, "properties": properties, "additionalProperties": False}


def _add_what_is_said(paths: dict[str, Any]) -> None:
    """Add to the schemas of bodies what only the descriptions of the operations say."""
    legacy = paths["/build-status/latest/commits/{commitId}"]["post"]["requestBody"]["content"]["application/json"]
    legacy["schema"] = deepcopy(legacy["schema"])  # that of the builds API is the same object
    legacy["schema"]["required"] = ["key", "state", "url"]
    for name, most in _LEGACY_LENGTHS.items():
        legacy["schema"]["properties"][name]["maxLength"] = most
    legacy["schema"]["properties"]["state"]["enum"] = ["FAILED", "INPROGRESS", "SUCCESSFUL"]
    comments = f"/api/latest{_REPOSITORY}/pull-requests/{{pullRequestId}}/comments"
    paths[f"{comments}/{{commentId}}"]["put"]["requestBody"]["content"]["application/json"]["schema"]["required"] = [
        "version"
    ]
    reports = f"/insights/latest{_REPOSITORY}/commits/{{commitId}}/reports/{{key}}"
    report = paths[reports]["put"]["requestBody"]["content"]["application/json"]["schema"]
    report["properties"]["details"]["maxLength"] = 2000
    annotations = paths[f"{reports}/annotations"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    annotations["required"] = ["annotations"]
