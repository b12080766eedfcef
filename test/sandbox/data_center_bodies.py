"""Request bodies of Data Center's API: which keys they may hold, and the limits that their values are held to.

Keys and limits are those of Atlassian's OpenAPI file for 9.4, in its schemas or in what it says of an operation. What
breaks one is answered in the shape that Data Center's errors have; where another's words are known they are named.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import request

from test.sandbox.bodies import ApiError, Key, problems
from test.sandbox.faults import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON = dict[str, Any]
CONTENT_TYPE = "application/json;charset=UTF-8"
_PACKAGE = "com.atlassian.bitbucket"

# --- errors -----------------------------------------------------------------------------------------------------------


def refusal(
    status: int, message: str, exception: str | None = None, context: str | None = None, **more: Any
) -> ApiError:
    """An error in Data Center's shape; `exception` is the rest of a name in its package, `context` a body's key."""
    name = exception and f"{_PACKAGE}.{exception}"
    return _refuse(status, [{"context": context, "message": message, "exceptionName": name, **more}])


def _refuse(status: int, errors: list[JSON]) -> ApiError:
    return ApiError(Answer(status, json.dumps({"errors": errors}), CONTENT_TYPE))


def not_permitted() -> ApiError:
    """The user is known and may not do this: 401 too, as the API's description of status codes says."""
    return refusal(401, "You are not permitted to access this resource", "AuthorisationException")


def no_resource() -> ApiError:
    """There is nothing at this path, on this kind of server."""
    return ApiError(Answer(404, "<html><body>null for uri</body></html>", "text/html;charset=UTF-8"))


def invalid(name: str, message: str) -> ApiError:
    """A part of the request is not as it has to be."""
    return refusal(400, message, context=name)


# --- bodies in general ------------------------------------------------------------------------------------------------


def _units(text: str) -> int:
    """How long the server, which is written in Java, takes a text to be."""
    return len(text.encode("utf-16-le")) // 2


def _read(table: dict[str, Key]) -> JSON:
    """The request's body, which is as the table says; raises ApiError."""
    if request.mimetype != "application/json":
        raise refusal(415, "Unsupported Media Type")
    value: Any = request.get_json(silent=True)
    _check(value, table)
    return dict(value)


def _check(value: Any, table: dict[str, Key]) -> None:
    wrong = [
        {"context": path or None, "message": message, "exceptionName": None} for path, message in problems(value, table)
    ]
    if wrong:
        raise _refuse(400, wrong)


def _limit(values: JSON, limits: dict[str, int]) -> None:
    for name, most in limits.items():
        if _units(values.get(name) or "") > most:
            raise invalid(name, f"Please enter a value that has no more than {most} characters")


def _one_of(values: JSON, name: str, choices: Iterable[str]) -> None:
    if name in values and values[name] not in choices:
        raise invalid(name, f"'{values[name]}' is none of {', '.join(choices)}")


def _web_address(values: JSON, name: str) -> None:
    if name in values and (not re.match(r"https?://\S+$", values[name]) or not urlsplit(values[name]).hostname):
        raise invalid(name, "Please enter a valid http or https URL")


# --- comments ---------------------------------------------------------------------------------------------------------

_ANCHOR = {
    "path": Key(str, required=True),
    "line": Key(int),
    **{name: Key(str) for name in ("srcPath", "lineType", "fileType", "diffType", "fromHash", "toHash")},
}
_COMMENT = {
    "text": Key(str),
    "id": Key(int),
    "version": Key(int),
    "severity": Key(str),
    "state": Key(str),
    "parent": Key({"id": Key(int, required=True)}),
    "anchor": Key(_ANCHOR),
}


def read_comment(*, new: bool) -> JSON:
    """The body of a comment; an edited one need not have a text. Tasks and pending comments are not known here."""
    values = _read(_COMMENT)
    for name, plain in (("severity", "NORMAL"), ("state", "OPEN")):
        if values.get(name, plain) != plain:
            raise NotImplementedError(f"a comment whose {name} is {values[name]}")
    text = values.get("text", "") if new else values.get("text", "-")
    if not text.strip() or _units(text) >= 32768:  # the words are those of jfrog/frogbot#647
        raise invalid("text", "Please enter a non-empty value less than 32768 characters")
    return values


# --- build statuses ---------------------------------------------------------------------------------------------------

STATES = ("CANCELLED", "FAILED", "INPROGRESS", "SUCCESSFUL", "UNKNOWN")
_LEGACY_STATES = ("SUCCESSFUL", "FAILED", "INPROGRESS")
_NEEDED = ("key", "state", "url")
_LEGACY_STATUS = {
    **{name: Key(str, required=name in _NEEDED) for name in (*_NEEDED, "name", "description")},
    "dateAdded": Key(int),
}
_STATUS = {
    **_LEGACY_STATUS,
    **{name: Key(str) for name in ("buildNumber", "parent", "ref")},
    **{name: Key(int) for name in ("duration", "lastUpdated")},
    "testResults": Key({name: Key(int) for name in ("failed", "skipped", "successful")}),
}
LEGACY_KEYS = tuple(_LEGACY_STATUS)


def read_status(known: Iterable[str]) -> JSON:
    """The body of a build status; `known` are the states that this server knows."""
    values = _read(_STATUS)
    _limit(values, {"key": 255, "name": 255, "url": 450, "buildNumber": 255, "parent": 1024, "ref": 1024})
    if not values.get("ref", "refs/").startswith("refs/"):
        raise invalid("ref", "The ref has to start with refs/")
    _check_status(values, [state for state in STATES if state in known])
    return values


def read_legacy_status(known: Iterable[str]) -> JSON:
    """The body of an older build status."""
    values = _read(_LEGACY_STATUS)
    _limit(values, {"key": 255, "name": 255, "description": 255, "url": 450})
    _check_status(values, [state for state in _LEGACY_STATES if state in known])
    return values


def _check_status(values: JSON, states: Iterable[str]) -> None:
    _one_of(values, "state", states)
    _web_address(values, "url")
    if not values["key"].strip():
        raise invalid("key", "The key must not be blank")


# --- Code Insights ----------------------------------------------------------------------------------------------------

_REPORT = {
    "title": Key(str, required=True),
    "data": Key(list, required=True),
    **{name: Key(str) for name in ("details", "result", "reporter", "link", "logoUrl", "coverageProviderKey")},
    "createdDate": Key(int),
}
_DATUM = {"title": Key(str, required=True), "type": Key(str), "value": Key(object, required=True)}
_NUMBER = (int, float)
_VALUES: dict[str | None, type | tuple[type, ...] | dict[str, Key]] = {
    None: (str, bool, *_NUMBER),
    "BOOLEAN": bool,
    "LINK": {"linktext": Key(str, required=True), "href": Key(str, required=True)},
    "TEXT": str,
    **dict.fromkeys(("DATE", "DURATION", "NUMBER", "PERCENTAGE"), _NUMBER),
}
_MOST_DATA = 6
_RESULTS = {"PASS": "PASSED", "FAIL": "FAILED"}
_LINKS = {"text": "linktext", "href": "href"}


def read_report(key: str) -> JSON:
    """The body of a report, in the words that the state and its page have for one: those of Cloud.

    A report without a result is one whose result is not known yet there.
    """
    values = _read(_REPORT)
    _limit({**values, "key": key}, {"title": 450, "details": 2000, "reporter": 450, "key": 450})
    if not values["title"].strip():
        raise invalid("title", "The report needs a title")
    _one_of(values, "result", _RESULTS)
    for name in ("link", "logoUrl"):
        _web_address(values, name)
    if len(values["data"]) > _MOST_DATA:
        raise invalid("data", f"A report has no more than {_MOST_DATA} data fields")
    for datum in values["data"]:
        _check(datum, _DATUM)
        kind = datum.get("type")
        _one_of(datum, "type", filter(None, _VALUES))
        _check({"value": datum["value"]}, {"value": Key(_VALUES[kind], required=True)})
        if kind == "PERCENTAGE" and not 0 <= datum["value"] <= 100:
            raise invalid("data", "A percentage lies between 0 and 100")
        if kind == "LINK":
            _web_address(datum["value"], "href")
    stored: JSON = {name: values[name] for name in ("title", "details", "reporter", "link") if name in values}
    stored |= {"logo_url": values["logoUrl"]} if "logoUrl" in values else {}
    stored["result"] = _RESULTS.get(values.get("result", ""), "PENDING")
    stored["data"] = [_datum(each, {theirs: ours for ours, theirs in _LINKS.items()}) for each in values["data"]]
    return stored


def _datum(datum: JSON, names: dict[str, str]) -> JSON:
    """One of a report's data, whose link's parts have other names on the other host."""
    value = datum["value"]
    return {**datum, "value": {names[name]: part for name, part in value.items()}} if isinstance(value, dict) else datum


def report_json(values: JSON) -> JSON:
    """What the state keeps of a report, in Data Center's words again."""
    written: JSON = {name: values[name] for name in ("title", "details", "reporter", "link") if name in values}
    written |= {"logoUrl": values["logo_url"]} if "logo_url" in values else {}
    results = {cloud: word for word, cloud in _RESULTS.items()}
    written |= {"result": results[values["result"]]} if values.get("result") in results else {}
    return {**written, "data": [_datum(each, _LINKS) for each in values.get("data", [])]}


_ANNOTATION = {
    "message": Key(str, required=True),
    "severity": Key(str, required=True),
    "line": Key(int),
    **{name: Key(str) for name in ("externalId", "link", "path", "type")},
}


def read_annotations() -> list[JSON]:
    """The body of several annotations, each in the words of the state."""
    values = _read({"annotations": Key(list, required=True)})["annotations"]
    if not values:
        raise invalid("annotations", "There has to be an annotation")
    return [_annotation(value) for value in values]


def read_annotation(external_id: str) -> JSON:
    """The body of the annotation of that id, in the words of the state."""
    return _annotation({**_read(_ANNOTATION), "externalId": external_id})


def _annotation(value: Any) -> JSON:
    _check(value, _ANNOTATION)
    _limit(value, {"externalId": 449, "message": 2000, "path": 50_000})
    if not value["message"].strip():
        raise invalid("message", "The annotation needs a message")
    if value.get("line", 0) < 0:
        raise invalid("line", "The line must not be negative")
    _one_of(value, "severity", ("LOW", "MEDIUM", "HIGH"))
    _one_of(value, "type", ("VULNERABILITY", "CODE_SMELL", "BUG"))
    _web_address(value, "link")
    kept: JSON = {name: value[name] for name in ("path", "line", "link", "severity") if name in value}
    kept |= {"annotation_type": value["type"]} if "type" in value else {}
    return {**kept, "summary": value["message"], "external_id": value.get("externalId", "")}


def annotation_json(key: str, values: JSON) -> JSON:
    """What the state keeps of an annotation of that report, in Data Center's words again."""
    names = {"summary": "message", "annotation_type": "type", "external_id": "externalId"}
    written = ("path", "line", "link", "severity", *names)
    return {"reportKey": key, **{names.get(name, name): values[name] for name in written if values.get(name)}}
