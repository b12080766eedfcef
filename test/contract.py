"""Requests and answers held to Bitbucket Cloud's OpenAPI file.

The file is the judge of the pipe and of the sandbox alike. Where the live API is known to differ from it, the loaded
copy is changed, here and nowhere else:

- request bodies are strict: a key that the schema does not name is an error, `type` is one too (jenkins-x/jx#3076);
- an operation may answer 400, 401, 403 or 404 even where the file lists only some of them, and 401 without a body
  (atlantis#6614);
- errors may hold `fields` and `id`, and `detail` may be an object.
"""

from __future__ import annotations

import json
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

FILE = "bitbucket-cloud.openapi.json"
_HOST = "https://api.bitbucket.org"
_ERROR = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}, "description": "Error"}
_LIVE_ERRORS = (400, 401, 403, 404)
_UNKNOWN = (ResponseNotFound, MediaTypeNotFound)
# With `fields` the client asks for a part of each object: what makes the whole one valid can't be asked of it.
_OF_WHOLE_OBJECTS = ("required", "uniqueItems")


class Contract:
    """The OpenAPI file, loaded once; each check takes some milliseconds."""

    def __init__(self, directory: Path) -> None:
        """Load the file from the directory that CONTRACT_DIR names."""
        document = json.loads((directory / FILE).read_text(encoding="utf-8"))
        _follow_the_live_api(document)
        spec = SchemaPath.from_dict(document)
        self._requests = V30RequestValidator(spec)
        self._responses = V30ResponseValidator(spec)

    def problems(self, exchange: Exchange) -> list[str]:
        """Say what is wrong with the exchange, a line each, request and response."""
        return [*self.request_problems(exchange), *self.response_problems(exchange)]

    def request_problems(self, exchange: Exchange) -> list[str]:
        """Say what is wrong with the request: path, method, parameters, credentials, body."""
        errors = self._requests.iter_errors(_Request(exchange))
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
        errors = list(self._responses.iter_errors(_Request(exchange), response))
        if exchange.faulty and any(isinstance(each, _UNKNOWN) for error in errors for each in (error, error.__cause__)):
            return []
        ignored = _OF_WHOLE_OBJECTS if "fields" in exchange.args else ()
        where = f"{exchange.method} {exchange.path}: response {exchange.status}: "
        return [where + text for text in _texts(errors, ignored)]


class _Request:
    """An exchange's request as openapi-core reads it, sent to the host that the file names."""

    host_url = _HOST

    def __init__(self, exchange: Exchange) -> None:
        self.path = exchange.path
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


def _follow_the_live_api(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    error = schemas["error"]["properties"]["error"]
    error["additionalProperties"] = True
    del error["properties"]["detail"]
    for path in document["paths"].values():
        for method in path.keys() & {"get", "put", "post", "delete"}:
            operation = path[method]
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
