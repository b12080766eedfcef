"""Nx Cloud's page of a run, and what the words before the link say of its result.

Nx Cloud's client prints one line at the end of a run; its wording changed by generation and carries the result: only
"structured, searchable error logs" stands for a failure. Anyone who can open a pull request can print such a line, so
a link is live only on Nx Cloud's own hosts or on one that the pipe's settings vouch for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pipe.model import Link, RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

# No user information, no backslash, no other character that a browser reads differently than we do.
_URL = r"(?P<url>https?://(?P<host>[a-z0-9.-]+(?::\d+)?)(?P<path>(?:/[\w.~-]+)*)/(?:runs|cipes|logs)/(?P<id>[\w-]{6,}))"
_TAIL = r"(?P<tail>/task/[\w.~%-]+)?(?:[/?#][\w./?#=&%+~,:@-]*)?[.)]?\s*$"
_WORDS = (
    r"(?:results for .{1,200} were retrieved from nx cloud\. )?"
    r"(?:(?P<failed>(?:view|see) structured, searchable error logs at)"
    r"|(?P<succeeded>(?:view|see) logs and (?:investigate cache misses|run details) at"
    r"|nx cloud made it possible to reuse .{1,200}:)"
    r"|(?:view|see) (?:nx cloud )?run details at|(?:nx cloud: )?run details at|ci pipeline execution:"
    r"|you can view or share your output by visiting"
    r"|(?P<task>>? ?(?:task )?logs:))"
)
_NOT_A_RUN = re.compile(r"/(?:orgs|plans|connect|docs)(?:/|$)", re.IGNORECASE)
_line: re.Pattern[str] | None = None


class CloudLink(NamedTuple):
    """A run's link, and its result where the wording holds one (None: it says nothing)."""

    link: Link
    status: RunStatus | None


def find(lines: Iterable[str], hosts: frozenset[str]) -> CloudLink | None:
    """Find the run's link in the plain lines of a run's closing part; None where there is none.

    `hosts` are hosts (with their port, if they have one) that the settings vouch for, in lower case. A run's own page
    is preferred to the page of one of its tasks. The status is the worst that any of the lines says.
    """
    best: Link | None = None
    best_is_task = True
    status: RunStatus | None = None
    for line in lines:
        found = _match(line)
        if found is None:
            continue
        is_task = found["task"] is not None
        if found["failed"] or is_task:
            status = RunStatus.FAILED
        elif found["succeeded"] and status is None:
            status = RunStatus.SUCCEEDED
        if best is None or (best_is_task and not is_task):
            best = _link(found, hosts)
            best_is_task = is_task
    return None if best is None else CloudLink(best, status)


def _match(line: str) -> re.Match[str] | None:
    """Match one line that carries a link to a run, anchored at both ends."""
    global _line  # noqa: PLW0603 - compiled at the first line that can match: most logs have none
    if "://" not in line:
        return None
    if _line is None:
        _line = re.compile(rf"^\s*(?:>?\s*NX\s+)?(?:CLOUD\s+)?(?:{_WORDS})\s+{_URL}{_TAIL}", re.IGNORECASE | re.ASCII)
    found = _line.match(line[:2000])
    if found is None or _NOT_A_RUN.search(found["path"]) or len(set(found["id"].lower())) == 1:
        return None
    return found


def _link(found: re.Match[str], hosts: frozenset[str]) -> Link:
    """Make the link; it is live on a host that is known."""
    url = found["url"] + (found["tail"] or "")
    return Link(url, live=is_live(url, found["host"], hosts))


def is_live(url: str, host: str, hosts: frozenset[str]) -> bool:
    """Whether a URL may be a link: on Nx Cloud's own hosts by https, or on a host that the settings vouch for."""
    host = host.lower()
    nx_cloud = url.lower().startswith("https://") and (host == "nx.app" or host.endswith(".nx.app"))
    return nx_cloud or host in hosts
