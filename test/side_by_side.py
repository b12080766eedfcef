"""How `make test` shares the tests out among its processes.

Most tests go one by one to whichever process is free. Those below stay together: what they share is built once, and no
two of them do at once what there is one of, as the image's name.

pytest-xdist's own mark for this has no effect with pytest 9.2 (pytest-xdist issue 1386), and says nothing of that.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadGroupScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

TOGETHER = {
    "the engine": ("test_container", "test_data_center_recipes", "test_recipes"),
    "the browser": ("test_page_browser", "test_sandbox_page"),
    "the recorder's workspaces": ("test_recorder_nx",),
    "other workspaces": ("test_nx_cloud_client", "test_real_nx"),
}
_GROUPS = {file: group for group, files in TOGETHER.items() for file in files}


class SideBySide(LoadGroupScheduling):  # type: ignore[misc]
    """Gives a process a whole group at a time, biggest first, then single tests in their order."""

    def _split_scope(self, nodeid: str) -> str:
        """The name of what a test is given out with."""
        return _GROUPS.get(PurePath(nodeid.partition("::")[0]).stem, nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SideBySide | None:
    """Take this one for `--dist loadgroup`."""
    return SideBySide(config, log) if config.getvalue("dist") == "loadgroup" else None
