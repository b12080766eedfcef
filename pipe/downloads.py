"""The page in the repository's Downloads: under which name, who may read it there, and how many are kept.

Whoever may read the repository may read its Downloads; in a public one that is everybody.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipe.bitbucket.errors import Forbidden, MissingScope
from pipe.variables import given

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import BinaryIO

    from pipe.bitbucket import Downloads
    from pipe.build import Build
    from pipe.model import Download

_MOST_DELETED = 50  # at once: a request each
_SCOPE = (
    "To upload, and to delete what is too old, a token needs the scope write:repository:bitbucket (API token, beside "
    "read:repository:bitbucket) or repository:write (access token)"
)


def refused(environ: Mapping[str, str], *, upload_public: bool) -> str | None:
    """Why nothing may be uploaded, None where it may: the repository is private, or the user wants it all the same.

    Pipelines sets BITBUCKET_REPO_IS_PRIVATE in every step; where it does not arrive the repository may be public.
    """
    if upload_public or given(environ, "BITBUCKET_REPO_IS_PRIVATE").lower() == "true":
        return None
    return (
        "the repository is not known to be private (BITBUCKET_REPO_IS_PRIVATE), so everybody could read all logs in "
        "its Downloads. If they may, set UPLOAD_PUBLIC: 'true'"
    )


def name(report_id: str, build: Build, suffix: str = "html") -> str:
    """The file's name: of a report, a build, a step and a run of that, which puts it over its own file alone."""
    step = hashlib.sha256(f"{build.step_uuid} {build.step_run}".encode()).hexdigest()[:8]
    return f"nx-report-{report_id}-{build.number}-{step}.{suffix}"


def url(build: Build, name: str) -> str:
    """Where a reader gets the file: as a download, never shown as a page."""
    return f"{build.repository_url}/downloads/{quote(name, safe='')}"


def data(downloads: Downloads, report_id: str, build: int, most: int) -> list[str]:
    """The names of the newest report.json files of this report's other builds. Raises BitbucketError."""
    shape = re.compile(rf"nx-report-{re.escape(report_id)}-([0-9]{{1,12}})-[0-9a-f]{{8}}\.json")
    found = [(int(match[1]), one.name) for one in downloads.downloads() if (match := shape.fullmatch(one.name))]
    return [name for number, name in sorted(found, reverse=True) if number != build][:most]


def upload(downloads: Downloads, name: str, file: BinaryIO) -> None:
    """Put a file there, over the one of that name. Raises BitbucketError, which says what scope is needed."""
    with _scope_named():
        downloads.upload(name, file)


def prune(downloads: Downloads, report_id: str, keep: int, spare: Collection[str] = ()) -> int:
    """Delete the files of this report's oldest builds until those of `keep` builds are left; how many went.

    No other file is touched: only a name that `name` can have made counts. Those of `spare`, which this step has just
    put there, stay. At most 50 go at once.

    Raises:
        BitbucketError: one of its kinds; what was deleted by then is gone.

    """
    with _scope_named():
        builds: dict[int, list[Download]] = {}
        ours = re.compile(rf"nx-report-{re.escape(report_id)}-([0-9]{{1,12}})-[0-9a-f]{{8}}\.(?:html|json)")
        for one in downloads.downloads():
            if found := ours.fullmatch(one.name):
                builds.setdefault(int(found[1]), []).append(one)
        # By Bitbucket's time; where it has none, by the build.
        oldest = sorted(builds, key=lambda build: (max(one.created for one in builds[build]), build))
        oldest = oldest[: max(0, len(builds) - keep)]
        old = [one.name for build in oldest for one in builds[build] if one.name not in spare][:_MOST_DELETED]
        for name in old:
            downloads.delete_download(name)
    return len(old)


@contextmanager
def _scope_named() -> Iterator[None]:
    """Say of a refusal which scope is needed, where Bitbucket does not."""
    try:
        yield
    except MissingScope:
        raise
    except Forbidden as error:
        raise Forbidden(error.head, _SCOPE) from None
