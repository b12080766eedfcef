"""Where am I: the variables that Bitbucket Pipelines sets, as a `Build`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipe.variables import given

if TYPE_CHECKING:
    from collections.abc import Mapping

WEB = "https://bitbucket.org"


@dataclass(frozen=True, slots=True, repr=False)
class Build:
    """One step of one pipeline build.

    `commit` is what Bitbucket knows: in pull request pipelines usually the first 12 characters, and never HEAD, which
    is a temporary merge there. `exit_code` is the step's own ("0" is success, anything else is not); None where it
    does not arrive, as in a `script:`. `step_run` starts at 1 and counts reruns of the step. `parallel` is the
    step's place in its parallel group, from 0, and the group's size. `destination` is the branch that the pull request
    goes to, `base` that one's last commit when the build began, possibly abbreviated.
    """

    workspace: str
    repository: str
    commit: str
    number: int
    clone_dir: str
    branch: str | None = None
    tag: str | None = None
    pull_request: int | None = None
    step_uuid: str | None = None
    step_run: int = 1
    exit_code: str | None = None
    parallel: tuple[int, int] | None = None
    destination: str | None = None
    base: str | None = None

    @property
    def repository_url(self) -> str:
        """The repository's page."""
        return f"{WEB}/{quote(self.workspace, safe='')}/{quote(self.repository, safe='')}"

    @property
    def commit_url(self) -> str:
        """The commit's page; an abbreviated hash works."""
        return f"{self.repository_url}/commits/{self.commit}"

    @property
    def url(self) -> str:
        """The build's page."""
        return f"{self.pages}{self.number}"

    @property
    def pages(self) -> str:
        """What the addresses of all builds' pages begin with."""
        return f"{self.repository_url}/pipelines/results/"

    @property
    def step_url(self) -> str:
        """The step's page with its log; the build's where the step is not known."""
        return f"{self.url}/steps/{quote(self.step_uuid, safe='')}" if self.step_uuid else self.url

    @property
    def failed(self) -> bool:
        """Whether the step is known to have failed. Exit codes other than 0 and 1 arrive too, 127 for one."""
        return self.exit_code not in (None, "0")


def read(environ: Mapping[str, str], working_directory: str) -> tuple[Build, list[str]]:
    """Read where the pipe runs, and a text for each variable that is missing or cannot be right.

    The names are those of Bitbucket's "Variables and secrets" page. A user can override any of them, so nothing is
    taken over unchecked. One that arrives as an unexpanded name (`$BITBUCKET_PR_ID` in a branch pipeline) is not set.
    """
    mistakes: list[str] = []

    def variable(name: str, pattern: str, example: str, *, needed: bool = False) -> str | None:
        text = given(environ, name)
        if re.fullmatch(pattern, text):
            return text
        if text or needed:
            what = f"{text[:60]!r} cannot be right" if text else "is not set"
            mistakes.append(f"{name} {what}: Bitbucket Pipelines sets it by itself, for example to {example}")
        return None

    def needed(name: str, pattern: str, example: str) -> str:
        return variable(name, pattern, example, needed=True) or example

    slug = r"[A-Za-z0-9_.~{}-]{1,128}"
    branch = r"[^\x00-\x20\x7f~^:?*\[\\]{1,255}"

    def number(text: str | None) -> int | None:
        return int(text) if text else None

    place, size = (
        number(variable(f"BITBUCKET_PARALLEL_STEP{end}", "[0-9]{1,3}", example))
        for end, example in (("", "0"), ("_COUNT", "3"))
    )
    return Build(
        workspace=needed("BITBUCKET_WORKSPACE", slug, "acme"),
        repository=needed("BITBUCKET_REPO_SLUG", slug, "shop"),
        commit=needed("BITBUCKET_COMMIT", r"[0-9a-f]{7,40}", "1f3c9ab02d41"),
        number=int(needed("BITBUCKET_BUILD_NUMBER", r"[0-9]{1,12}", "417")),
        clone_dir=given(environ, "BITBUCKET_CLONE_DIR") or working_directory,
        branch=variable("BITBUCKET_BRANCH", branch, "main"),
        tag=given(environ, "BITBUCKET_TAG") or None,
        pull_request=number(variable("BITBUCKET_PR_ID", r"[1-9][0-9]{0,8}", "12")),
        step_uuid=variable("BITBUCKET_STEP_UUID", r"\{?[0-9A-Za-z-]{1,64}\}?", "{5b0e…}"),
        step_run=number(variable("BITBUCKET_STEP_RUN_NUMBER", r"[1-9][0-9]{0,5}", "1")) or 1,
        # Whatever arrives and is not 0 is no success; what is no number is told as it is.
        exit_code=re.sub(r"[^0-9A-Za-z-]", "", given(environ, "BITBUCKET_EXIT_CODE"))[:10] or None,
        destination=variable("BITBUCKET_PR_DESTINATION_BRANCH", branch, "main"),
        base=variable("BITBUCKET_PR_DESTINATION_COMMIT", r"[0-9a-f]{7,40}", "9be2a70c1d5f"),
        parallel=(place or 0, size) if size and size > (place or 0) else None,
    ), mistakes
