"""Values out of JSON that somebody else wrote: each is what it should be, or None."""

from __future__ import annotations

from datetime import UTC, datetime


def text(value: object) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None


def whole(value: object) -> int | None:
    """A whole number; true and false are none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def moment(value: object) -> datetime | None:
    """A time: milliseconds since 1970, or ISO 8601 as `Date.toISOString` writes it. One without a zone is in UTC."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        time = datetime.fromisoformat(str(value))
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def target(task: str, project: object, name: object) -> str | None:
    """The name of a task's target, which may hold a colon; None where it does not fit the task's id."""
    known = text(project) and text(name)
    return str(name) if known and f"{task}:".startswith(f"{project}:{name}:") else None
