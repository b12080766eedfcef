"""Which Bitbucket it is: the one place that chooses an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipe.bitbucket import Bitbucket
    from pipe.build import Build
    from pipe.clock import Clock
    from pipe.settings import Settings


def connect(
    options: Settings, build: Build, clock: Clock, debug: Callable[[str], None], say: Callable[[str], None]
) -> Bitbucket:
    """The adapter of the build's repository; nothing is asked of it yet. `say` is told what a reader should know."""
    credential, authority = options.credential, options.authority
    if credential is None:
        raise RuntimeError("no adapter without a credential")
    if options.server:
        from pipe.bitbucket.data_center import DataCenter  # noqa: PLC0415 - one of the two is needed
        from pipe.bitbucket.server import Server  # noqa: PLC0415

        server = Server(options.server, credential, clock, debug, authority, ascii_only=options.ascii_only, say=say)
        return DataCenter(server, build.workspace, build.repository, build.repository_url, options.report_id)
    from pipe.bitbucket.cloud import Cloud  # noqa: PLC0415
    from pipe.bitbucket.http import Http  # noqa: PLC0415

    return Cloud(Http(options.api_url, credential, clock, debug, authority), build.workspace, build.repository)
