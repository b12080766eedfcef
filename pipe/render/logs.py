"""Links to the page with all logs, and to each task's log on it. Pure.

A report's `logs` is the page's address, ARTIFACTS where it is among the step's artifacts, or "" where there is none.
What Bitbucket hands out as a download opens no place in it, so only a page that the user publishes has links to tasks.
"""

from __future__ import annotations

from urllib.parse import quote

from pipe.render.markdown import link
from pipe.steps import ARTIFACTS

_DOWNLOAD = "download all logs (HTML)"


def address(logs: str, step: str | None) -> str | None:
    """The address of the page, or of the artifacts of the step at `step`; None where there is none."""
    if logs == ARTIFACTS:
        return f"{step}/artifacts" if step and "/steps/" in step else step
    return logs or None


def page(logs: str, step: str | None) -> str:
    """The link to the page in Markdown, "" where there is none."""
    url = address(logs, step)
    return link("all logs" if is_open(logs) else _DOWNLOAD, url) if url else ""


def task(logs: str, name: str) -> str:
    """The link to a task's log on the page in Markdown, "" where there is none."""
    url = task_address(logs, name)
    return link("log", url) if url else ""


def task_address(logs: str, name: str) -> str | None:
    """The address of a task's log on the page, None where it has none."""
    return f"{logs}#task={quote(name, safe=':@')}" if is_open(logs) else None


def is_open(logs: str) -> bool:
    """Whether the page opens in a browser, rather than being downloaded."""
    return logs not in ("", ARTIFACTS) and "/downloads/" not in logs
