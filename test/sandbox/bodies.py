"""Request bodies of Bitbucket Cloud's API: which keys they may hold, and the limits that their values are held to.

A body that breaks one is answered in the words of the live API, as far as they are recorded.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import request

from test.sandbox.faults import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

JSON = dict[str, Any]

STATUS_STATES = ("FAILED", "INPROGRESS", "STOPPED", "SUCCESSFUL")
_REPORT_CHOICES = {"report_type": ("SECURITY", "COVERAGE", "TEST", "BUG"), "result": ("PASSED", "FAILED", "PENDING")}
_MOST_DATA = 10


class ApiError(Exception):
    """An answer other than the asked one, as `Response` takes it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def refusal(status: int, message: str, **more: object) -> ApiError:
    """An error in Bitbucket's shape; `more` stands beside the message."""
    content = {"type": "error", "error": {"message": message, **more}}
    return ApiError(Answer(status, json.dumps(content), "application/json"))


@dataclass(frozen=True, slots=True)
class Key:
    """What a body may hold under a key: a type, or a table of keys again."""

    kind: type | tuple[type, ...] | dict[str, Key]
    required: bool = False


_LINE = Key(int)
NEW_COMMENT = {
    "content": Key({"raw": Key(str, required=True)}, required=True),
    "inline": Key(
        {"path": Key(str, required=True), "from": _LINE, "to": _LINE, "start_from": _LINE, "start_to": _LINE}
    ),
    "parent": Key({"id": Key(int, required=True)}),
}
COMMENT_UPDATE = {"content": NEW_COMMENT["content"]}
_STATUS_KEYS = ("key", "state", "url", "name", "description", "refname")
NEW_STATUS = {name: Key(str, required=name in ("key", "state", "url")) for name in _STATUS_KEYS}
STATUS_UPDATE = {name: Key(str) for name in _STATUS_KEYS}
_NUMBER = (int, float)
_REPORT_LINKS = ("link", "logo_url")
# What the server makes up itself (uuid, external_id, the times) is refused, as in other bodies.
REPORT = {
    "title": Key(str, required=True),
    **{name: Key(str) for name in ("details", "reporter", *_REPORT_CHOICES, *_REPORT_LINKS)},
    "remote_link_enabled": Key(bool),
    "data": Key(list),
}
_DATUM = {"title": Key(str, required=True), "type": Key(str), "value": Key(object, required=True)}
# Each type of a report's data and what its value has to be.
_DATUM_VALUES: dict[str | None, type | tuple[type, ...] | dict[str, Key]] = {
    None: (str, bool, *_NUMBER),
    "BOOLEAN": bool,
    "LINK": {"text": Key(str, required=True), "href": Key(str, required=True)},
    "TEXT": str,
    **dict.fromkeys(("DATE", "DURATION", "NUMBER", "PERCENTAGE"), _NUMBER),
}


def _is_a(value: object, kind: type | tuple[type, ...]) -> bool:
    """Whether JSON's value is of that kind; true and false are no numbers there."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if isinstance(value, bool):
        return bool in kinds or object in kinds
    return isinstance(value, kind) and not (isinstance(value, float) and not math.isfinite(value))


def problems(value: object, kind: type | tuple[type, ...] | dict[str, Key]) -> Iterable[tuple[str, str]]:
    """Where the value is not as the table says (dotted path, message), in the words of jenkins-x/jx#3076."""
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            yield "", "expected a dictionary"
            return
        for name in value:
            if name not in kind:
                yield name, "extra keys not allowed"
        for name, key in kind.items():
            if name in value:
                for path, message in problems(value[name], key.kind):
                    yield f"{name}.{path}" if path else name, message
            elif key.required:
                yield name, "required key not provided"
    elif not _is_a(value, kind):
        yield "", f"expected {' or '.join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))}"


def read_body(table: dict[str, Key]) -> JSON:
    """The request's body, which is as the table says; raises ApiError."""
    value: Any = request.get_json(silent=True)
    fields = dict(problems(value, table))
    if fields:
        raise refusal(400, "Bad request", fields=fields)
    return dict(value)


def _too_long(values: JSON, limits: dict[str, int]) -> dict[str, list[str]]:
    """Say which texts are longer than their limit, in the words of buildbot#7049."""
    return {
        name: [f"Ensure this value has at most {most} characters (it has {len(values[name])})."]
        for name, most in limits.items()
        if len(values.get(name, "")) > most
    }


def _no_choice(value: object) -> list[str]:
    return [f"Select a valid choice. {value} is not one of the available choices."]


def _refuse(fields: dict[str, list[str]]) -> None:
    """Raise where a field is wrong."""
    if fields:
        message = ", ".join(f"{name}: {texts[0]}" for name, texts in fields.items())
        raise refusal(400, message, fields=fields)


def check_status(values: JSON) -> None:
    """Hold a build status to its limits."""
    fields = _too_long(values, {"key": 40, "name": 255, "url": 450})
    for name in ("key", "url"):
        if values.get(name) == "":
            fields[name] = ["This field is required."]
    if values.get("state", STATUS_STATES[0]) not in STATUS_STATES:
        fields["state"] = _no_choice(values["state"])
    if "url" not in fields and not re.match("https?://.", values.get("url", "https://x")):
        fields["url"] = ["Enter a valid URL."]
    _refuse(fields)


def _is_report_link(url: str) -> bool:
    """Whether a report may link there: a web address, and not on `localhost` (mc1arke's plugin for SonarQube)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = (parts.hostname or "").rstrip(".")
    return parts.scheme in ("http", "https") and host not in ("", "localhost") and not re.search(r"\s", url)


def _datum_problems(datum: object) -> Iterator[tuple[str, str]]:
    """Where one of a report's data is not as the OpenAPI file's table says (dotted path, message)."""
    wrong = list(problems(datum, _DATUM))
    if wrong or not isinstance(datum, dict):
        yield from wrong
        return
    kind, value = datum.get("type"), datum["value"]
    if kind not in _DATUM_VALUES:
        yield "type", _no_choice(kind)[0]
        return
    wrong = list(problems(value, _DATUM_VALUES[kind]))
    yield from ((f"value.{path}" if path else "value", message) for path, message in wrong)
    if wrong:
        return
    if kind == "PERCENTAGE" and not 0 <= value <= 100:
        yield "value", "Ensure this value is between 0 and 100."
    if kind == "LINK" and not _is_report_link(value["href"]):
        yield "value.href", "Enter a valid URL."


def check_report(report_id: str, values: JSON) -> None:
    """Hold a report to its limits.

    Of lengths the file says nothing: those of title, reporter and key are Data Center's and those of annotations.
    """
    fields = _too_long({**values, "external_id": report_id}, dict.fromkeys(("title", "reporter", "external_id"), 450))
    fields |= _too_long(values, {"details": 2000})
    if not values["title"]:
        fields["title"] = ["This field is required."]
    for name, choices in _REPORT_CHOICES.items():
        if name in values and values[name] not in choices:
            fields[name] = _no_choice(values[name])
    for name in _REPORT_LINKS:
        if name in values and not _is_report_link(values[name]):
            fields[name] = ["Enter a valid URL."]
    data = values.get("data", [])
    if len(data) > _MOST_DATA:
        fields["data"] = [f"Ensure this field has no more than {_MOST_DATA} elements."]
    for number, datum in enumerate(data):
        for path, message in _datum_problems(datum):
            fields[f"data.{number}.{path}".rstrip(".")] = [message]
    _refuse(fields)


# --- annotations ------------------------------------------------------------------------------------------------------

MOST_AT_ONCE = 100
_ANNOTATION_CHOICES = {
    "annotation_type": ("VULNERABILITY", "CODE_SMELL", "BUG"),
    "result": ("PASSED", "FAILED", "SKIPPED", "IGNORED"),
    "severity": ("CRITICAL", "HIGH", "MEDIUM", "LOW"),
}
# The OpenAPI file demands nothing; what the documentation tells to send is demanded here.
_ANNOTATION = {
    "external_id": Key(str, required=True),
    "annotation_type": Key(str, required=True),
    "summary": Key(str, required=True),
    "line": Key(int),
    **{name: Key(str) for name in ("path", "details", "result", "severity", "link")},
}


def read_annotations() -> list[JSON]:
    """The request's body as annotations, each within its limits; raises ApiError.

    Too many at once are answered in a shape of its own (mc1arke/sonarqube-community-branch-plugin#209).
    """
    values: Any = request.get_json(silent=True)
    if not isinstance(values, list) or not values:
        raise refusal(400, "Bad request", fields={"": "expected a list of annotations"})
    if len(values) > MOST_AT_ONCE:
        content = {"code": 400, "message": f"Bulk upload supports a maximum of /{MOST_AT_ONCE} annotations."}
        raise ApiError(Answer(400, json.dumps(content), "application/json"))
    for value in values:
        check_annotation(value)
    ids = [value["external_id"] for value in values]
    if len(set(ids)) < len(ids):
        raise refusal(400, "external_id: Annotations need ids of their own.")
    return values


def check_annotation(value: Any) -> None:
    """Hold an annotation to its limits: those of `summary` are known (reviewdog#1285, #1344), others Data Center's."""
    fields = dict(problems(value, _ANNOTATION))
    if fields:
        raise refusal(400, "Bad request", fields=fields)
    wrong = _too_long(value, {"external_id": 450, "summary": 450, "details": 2000})
    for name in ("external_id", "summary"):
        if not value[name].strip():
            wrong[name] = ["This field is required."]
    for name, choices in _ANNOTATION_CHOICES.items():
        if name in value and value[name] not in choices:
            wrong[name] = _no_choice(value[name])
    if value.get("line", 1) < 1:
        wrong["line"] = ["Ensure this value is greater than or equal to 1."]
    path = value.get("path", "a")
    if not path or path.startswith("/") or {"", ".", ".."} & set(path.split("/")) or "\0" in path:
        wrong["path"] = ["Enter a path of the repository."]
    if "link" in value and not _is_report_link(value["link"]):
        wrong["link"] = ["Enter a valid URL."]
    _refuse(wrong)
