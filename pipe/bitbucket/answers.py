"""What both hosts' answers have in common, read as what anybody may have written."""

from __future__ import annotations

from typing import Any

from pipe.bitbucket.errors import Rejected
from pipe.model import Report, ReportResult


def at(value: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under a key, an empty one where there is none."""
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def number(value: Any, variable: str) -> int:  # noqa: ANN401 - JSON
    """The `id` of an object. Raises Rejected; `variable` says where the server is."""
    found = value.get("id") if isinstance(value, dict) else None
    if not isinstance(found, int):
        raise Rejected(f"an answer of Bitbucket lacks an id. Check {variable}")
    return found


def values(page: Any, what: str, variable: str) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    """A page's values. What is no page is an error: to take it for an empty one would make a second comment."""
    found = page.get("values") if isinstance(page, dict) else None
    if not isinstance(found, list):
        raise Rejected(f"{what}: the answer is no page of a list. Check {variable}")
    return [value for value in found if isinstance(value, dict)]


def report(value: dict[str, Any], key: object, result: ReportResult) -> Report | None:
    """A Code Insights report, None for one without a key."""
    if not isinstance(key, str):
        return None
    link, data = value.get("link"), value.get("data")
    fields = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    return Report(
        key,
        str(value.get("title") or ""),
        str(value.get("details") or ""),
        result,
        link if isinstance(link, str) else None,
        tuple(
            (str(one.get("title") or ""), str(one.get("type") or ""), said)
            for one in fields
            if isinstance(said := one.get("value"), str | int | float | bool)
        ),
    )
