"""Where am I: a `Build`, and how it is read from the variables that Bitbucket Pipelines sets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from pipe.variables import given

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WEB = "https://bitbucket.org"
PIPELINES = "bitbucket"
# What git lets a branch be called (https://git-scm.com/docs/git-check-ref-format), as far as it matters here.
BRANCH = r"[^\x00-\x20\x7f~^:?*\[\\]{1,255}"
_UUID = r"(?:%7B)?[0-9A-Za-z-]{1,64}(?:%7D)?"
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/[\w.~%/?#=&+:@,;!*()-]*", re.ASCII)


class Pages(NamedTuple):
    """Where the pages of builds are. Those of Pipelines begin with `start` and go on with the build's number.

    Another CI's have no such order: whatever begins with `start`, the CI's own address, is one of its pages, and
    `unknown` stands for a build whose page nobody knows.
    """

    start: str
    unknown: str = ""

    def of(self, number: int, known: Iterable[str | None] = ()) -> str:
        """The page of the build of that number; `known` are those of its steps."""
        return next(filter(None, known), self.unknown) if self.unknown else f"{self.start}{number}"

    def has(self, url: str) -> bool:
        """Whether an address is the page of a build or of a step of it."""
        if self.unknown:
            return bool(self.start) and url.startswith(self.start) and _ADDRESS.fullmatch(url) is not None
        return re.fullmatch(re.escape(self.start) + rf"[0-9]{{1,12}}(?:/steps/{_UUID})?", url) is not None


class Advice(NamedTuple):
    """What to write into a step to tell the pipe more: its exit code, the name of a log, and where Nx's cache goes."""

    exit_code: str
    log: str
    cache: str


_IN_PIPELINES = Advice(
    "Add to the pipe's variables: BITBUCKET_EXIT_CODE: $BITBUCKET_EXIT_CODE",
    "nx-$BITBUCKET_STEP_UUID.log",
    "export NX_CACHE_DIRECTORY=$BITBUCKET_CLONE_DIR/.nx/cache",
)
ELSEWHERE = Advice(
    "Pass it to the container as EXIT_CODE, 0 where the build has not failed by then",
    "nx.log",
    'export NX_CACHE_DIRECTORY="$PWD/.nx/cache"',
)


@dataclass(frozen=True, slots=True, repr=False)
class Build:
    """One step of one pipeline build.

    `commit` is what Bitbucket knows: in pull request pipelines usually the first 12 characters, and never HEAD, which
    is a temporary merge there. `exit_code` is the step's own ("0" is success, anything else is not); None where it
    does not arrive, as in a `script:`. `step_run` starts at 1 and counts reruns of the step. `parallel` is the
    step's place in its parallel group, from 0, and the group's size. `destination` is the branch that the pull request
    goes to, `base` that one's last commit when the build began, possibly abbreviated.

    Of another CI than Pipelines `ci` is the name ("" for one that is not known), `job` is what its build numbers count,
    `page` the build's page and `home` the repository's. `merged` says that `commit`, "" where it is not known, is what
    the CI has checked out, which may be a merge of its own that Bitbucket has never seen. `fresh` says that
    the clone was made for this build. `advice` is for that CI.
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
    ci: str = PIPELINES
    job: str = ""
    page: str = ""
    home: str = ""
    merged: bool = False
    fresh: bool = True
    advice: Advice = _IN_PIPELINES

    @property
    def repository_url(self) -> str:
        """The repository's page."""
        return self.home or f"{WEB}/{quote(self.workspace, safe='')}/{quote(self.repository, safe='')}"

    @property
    def commit_url(self) -> str:
        """The commit's page; an abbreviated hash works, on either host."""
        return f"{self.repository_url}/commits/{self.commit}"

    @property
    def url(self) -> str:
        """The build's page."""
        return self.page or self.pages.of(self.number)

    @property
    def pages(self) -> Pages:
        """Where the pages of all builds are."""
        if self.ci == PIPELINES:
            return Pages(f"{self.repository_url}/pipelines/results/")
        host = re.match(r"https?://[^/]+/", self.page)
        return Pages(host[0] if host else "", self.repository_url)

    @property
    def step_url(self) -> str:
        """The step's page with its log; the build's where the step is not known."""
        if self.step_uuid and self.ci == PIPELINES:
            return f"{self.url}/steps/{quote(self.step_uuid, safe='')}"
        return self.url

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
        branch=variable("BITBUCKET_BRANCH", BRANCH, "main"),
        tag=given(environ, "BITBUCKET_TAG") or None,
        pull_request=number(variable("BITBUCKET_PR_ID", r"[1-9][0-9]{0,8}", "12")),
        step_uuid=variable("BITBUCKET_STEP_UUID", r"\{?[0-9A-Za-z-]{1,64}\}?", "{5b0e…}"),
        step_run=number(variable("BITBUCKET_STEP_RUN_NUMBER", r"[1-9][0-9]{0,5}", "1")) or 1,
        # Whatever arrives and is not 0 is no success; what is no number is told as it is.
        exit_code=re.sub(r"[^0-9A-Za-z-]", "", given(environ, "BITBUCKET_EXIT_CODE"))[:10] or None,
        destination=variable("BITBUCKET_PR_DESTINATION_BRANCH", BRANCH, "main"),
        base=variable("BITBUCKET_PR_DESTINATION_COMMIT", r"[0-9a-f]{7,40}", "9be2a70c1d5f"),
        parallel=(place or 0, size) if size and size > (place or 0) else None,
    ), mistakes
