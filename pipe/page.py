"""The page and report.json: written into the clone, brought to where readers get them, and the address of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from pipe import downloads
from pipe.bitbucket.errors import BitbucketError
from pipe.checkout import Unreadable
from pipe.publish import Outcome, Result
from pipe.steps import ARTIFACTS
from pipe.variables import PLACES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pipe.bitbucket import Downloads
    from pipe.build import Build
    from pipe.checkout import Checkout
    from pipe.pack import Packed

PAGE, DATA = ".nx-report/report.html", ".nx-report/report.json"


def write(checkout: Checkout, document: dict[str, Any], packed: Packed) -> None:
    """Write report.json and the page into the clone. Raises OSError."""
    from pipe.render import page  # noqa: PLC0415 - where nothing ran there is none
    from pipe.render.document import dump  # noqa: PLC0415

    checkout.keep(DATA, dump(document))
    checkout.produce(PAGE, lambda out: page.write(document, packed, out))


def address(template: str, build: Build, commit: str, report_id: str) -> str:
    """The address that REPORT_URL stands for."""
    values = (
        str(build.number),
        str(build.step_run),
        (build.step_uuid or "").strip("{}"),
        commit,
        build.branch or build.tag or "",
        report_id,
    )
    for name, value in zip(PLACES, values, strict=True):
        template = template.replace(f"{{{name}}}", quote(value, safe=""))
    return template


class Upload(NamedTuple):
    """How the page goes to the Downloads: under names of this report, with `keep` of its builds, in public if asked."""

    report_id: str
    keep: int
    public: bool


def upload(
    store: Downloads, checkout: Checkout, build: Build, wanted: Upload, environ: Mapping[str, str]
) -> tuple[str, Outcome]:
    """Bring page and report.json to the Downloads: where readers get the page, and what came of it."""
    if why := downloads.refused(environ, upload_public=wanted.public):
        return ARTIFACTS, Outcome("Upload", Result.SKIPPED, why)
    names = [downloads.name(wanted.report_id, build, suffix) for suffix in ("html", "json")]
    try:
        for name, path in zip(names, (PAGE, DATA), strict=True):
            with checkout.open(path) as file:
                downloads.upload(store, name, file)
    except (BitbucketError, Unreadable) as error:
        return ARTIFACTS, Outcome("Upload", Result.FAILED, str(error))
    url = downloads.url(build, names[0])
    try:
        old = downloads.prune(store, wanted.report_id, wanted.keep, names)
    except BitbucketError as error:
        return url, Outcome("Upload", Result.WRITTEN, f"{url} (old ones could not be deleted: {error})")
    return url, Outcome("Upload", Result.WRITTEN, url + (f" ({old:,} old files deleted)" if old else ""))
