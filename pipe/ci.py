"""Where am I outside of Pipelines: a `Build` from the pipe's own variables and those of Jenkins, Bamboo or TeamCity."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote, unquote, urlsplit

from pipe.build import BRANCH, ELSEWHERE, Build
from pipe.model import ABORTED
from pipe.variables import address, given, path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_T = TypeVar("_T")
JENKINS = "jenkins"


class Located(NamedTuple):
    """What `read` gives. `mistakes` are a line each: what is wrong, and a correct example; with any the build is none.

    `detected` are lines for the log: what was found in which variable. No secret is in them, nor in `mistakes`.
    """

    build: Build
    mistakes: tuple[str, ...]
    detected: tuple[str, ...]


class _Ci(NamedTuple):
    """A CI: the variable that only it sets, as the recorder knows it by, and which of its variables say what.

    Of several the first counts that says something; of `job` all do, together.
    """

    name: str
    title: str
    sign: str = ""
    place: tuple[str, ...] = ()
    pull_request: tuple[str, ...] = ()
    commit: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    page: tuple[str, ...] = ()
    job: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    branch: tuple[str, ...] = ()
    destination: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    clone: tuple[str, ...] = ()
    step: tuple[str, ...] = ()


_CIS = (
    # Core: https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables. GIT_*:
    # https://plugins.jenkins.io/git/#plugin-content-environment-variables; GIT_URL_1 instead of GIT_URL where there
    # are several remotes, as in a merge of a pull request. CHANGE_*, BRANCH_NAME and TAG_NAME, of a multibranch job:
    # https://github.com/jenkinsci/branch-api-plugin/blob/master/src/main/java/jenkins/branch/BranchNameContributor.java.
    # CHANGE_URL comes first, as GIT_* of a scripted pipeline may be a shared library's
    # (https://github.com/jenkinsci/workflow-job-plugin/issues/788).
    # PULL_REQUEST_SOURCE_BRANCH: Atlassian's own plugin, since 4.0.0
    # (https://github.com/jenkinsci/atlassian-bitbucket-server-integration-plugin, BitbucketPullRequestSourceBranch).
    _Ci(
        JENKINS,
        "Jenkins",
        "JENKINS_URL",
        place=("CHANGE_URL", "GIT_URL", "GIT_URL_1"),
        pull_request=("CHANGE_ID",),
        commit=("GIT_COMMIT",),
        number=("BUILD_NUMBER",),
        page=("BUILD_URL",),
        job=("JOB_NAME",),
        tag=("TAG_NAME",),
        branch=("CHANGE_BRANCH", "PULL_REQUEST_SOURCE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"),
        destination=("CHANGE_TARGET",),
        clone=("WORKSPACE",),
    ),
    # https://confluence.atlassian.com/bamboo/bamboo-variables-289277087.html, with underscores for dots.
    _Ci(
        "bamboo",
        "Bamboo",
        "bamboo_buildNumber",
        place=("bamboo_planRepository_repositoryUrl",),
        pull_request=("bamboo_repository_pr_key",),
        commit=("bamboo_planRepository_revision",),
        number=("bamboo_buildNumber",),
        page=("bamboo_buildResultsUrl", "bamboo_resultsUrl"),
        job=("bamboo_planKey",),
        branch=(
            "bamboo_repository_pr_sourceBranch",
            "bamboo_planRepository_branchName",
            "bamboo_planRepository_branch",
        ),
        destination=("bamboo_repository_pr_targetBranch",),
        failed=("bamboo_buildFailed",),
        clone=("bamboo_build_working_directory",),
        step=("bamboo_shortJobKey",),
    ),
    # https://www.jetbrains.com/help/teamcity/predefined-build-parameters.html: repository, branch and pull request are
    # configuration parameters, which are no variables. BUILD_URL is not in the list of 2022.12, but in that of 2023.09.
    _Ci(
        "teamcity",
        "TeamCity",
        "TEAMCITY_VERSION",
        commit=("BUILD_VCS_NUMBER",),
        number=("BUILD_NUMBER",),
        page=("BUILD_URL",),
        job=("TEAMCITY_PROJECT_NAME", "TEAMCITY_BUILDCONF_NAME"),
    ),
)
_UNKNOWN = _Ci("", "no CI that is known")

_EXAMPLES = {
    "PROJECT_KEY": "SHOP",
    "REPOSITORY_SLUG": "shop",
    "COMMIT": "1f3c9ab02d4157e8a6b0c9d2e4f1a3b5c7d9e0f2",
    "SOURCE_BRANCH": "feature/cart-totals",
    "BUILD_NUMBER": "417",
    "BUILD_URL": "https://ci.example.com/job/shop/417/",
    "JOB_NAME": "shop/checks",
    "EXIT_CODE": "1",
    "CLONE_DIR": "/work",
}

# Words of Jenkins (https://javadoc.jenkins.io/hudson/model/Result.html) and what stands for them.
_ENDINGS = {
    "SUCCESS": "0",
    "FAILURE": "FAILURE",
    "UNSTABLE": "UNSTABLE",
    "ABORTED": ABORTED,
    "NOT_BUILT": ABORTED,
}

# What stands for a variable that is not set: Groovy's text of none, and references of TeamCity and Bamboo to nothing.
_UNSET = re.compile(r"null|%[\w.:-]*%|\$\{[\w.:-]*\}")


def read(
    environ: Mapping[str, str],
    working_directory: str,
    server: str,
    is_folder: Callable[[str], bool],
) -> Located:
    """Read where the pipe runs: from its own variables, else from those of the CI that is recognised.

    `server` is the Data Center's address, with its context path and without a slash at the end. The clone is where
    CLONE_DIR says, else where the CI does if `is_folder` knows that path here, else the working directory.

    The clone's own configuration says nothing: whoever opens a pull request has written it. PULL_REQUEST_ID that is
    neither a number nor `auto` is a mistake that `settings` tells.
    """
    ci = next((each for each in _CIS if given(environ, each.sign)), _UNKNOWN)
    reading = _Reading(environ, ci)
    key, slug = _repository(reading)
    number = reading.first("build", ("BUILD_NUMBER", *ci.number), _number)
    if number is None:
        reading.needed("BUILD_NUMBER", ci.number)
    pull_request = reading.first("pull request", ("PULL_REQUEST_ID", *ci.pull_request), _pull_request)
    tag = reading.first("tag", ci.tag, _plain)
    # In a build of a tag all of them name the tag.
    branches = () if tag else ci.branch
    ref = reading.first("branch", ("SOURCE_BRANCH",), _ref) or reading.first("branch", branches, _branch_of(ci, slug))
    ref = ref or _Ref()
    if ref.pull_request and pull_request is None:
        pull_request, reading.sources["pull request"] = ref.pull_request, reading.sources["branch"]
    if ref.tag:
        tag, reading.sources["tag"] = ref.tag, reading.sources["branch"]
    commit = reading.first("commit", ("COMMIT", *ci.commit), _commit)
    if commit is None and pull_request is None:
        reading.needed("COMMIT", ci.commit)
    job = reading.first("job", ("JOB_NAME",), _name) or reading.all("job", ci.job, _name)
    destination = reading.first("destination", ci.destination, _plain)
    exit_code = reading.first("exit code", ("EXIT_CODE",), _exit_code)
    exit_code = exit_code or reading.first("exit code", ci.failed, _failed)
    page = reading.first("page", ("BUILD_URL", *ci.page), address)
    step = reading.first("step", ci.step, _step)
    clone = reading.first("clone", ("CLONE_DIR",), path)
    clone = clone or reading.first("clone", ci.clone, lambda text: text if is_folder(path(text)) else None)
    build = Build(
        workspace=key,
        repository=slug,
        commit=commit or "",
        number=number or 0,
        clone_dir=clone or working_directory,
        branch=ref.branch,
        tag=tag,
        pull_request=pull_request,
        step_uuid=step,
        exit_code=exit_code,
        destination=destination,
        ci=ci.name,
        job=job,
        page=page or "",
        home=_home(server, key, slug),
        merged=reading.sources.get("commit") != "COMMIT",
        # A workspace is kept from build to build.
        fresh=False,
        advice=ELSEWHERE,
    )
    return Located(build, tuple(reading.mistakes.values()), _detected(build, reading, server))


def number_of(text: str) -> int | None:
    """A build's number out of what a CI calls it; None where there is none.

    TeamCity's is any text, such as `1.0.417` or `417-1f3c9ab`: it is the last group of digits that stands by itself,
    else the last one.
    """
    groups = re.findall(r"(?<![^\W_])[0-9]+(?![^\W_])", text) or re.findall(r"[0-9]+", text)
    return int(groups[-1]) if groups and len(groups[-1]) <= 12 else None  # noqa: PLR2004


class _Reading:
    """Reads one variable after the other, and keeps what is to be said of them."""

    def __init__(self, environ: Mapping[str, str], ci: _Ci) -> None:
        self.environ, self.ci = environ, ci
        self.sources: dict[str, str] = {}  # what was read -> the variable's name
        self.left_out: dict[str, str] = {}  # a variable of the CI -> why
        self.mistakes: dict[str, str] = {}  # a variable of the pipe -> the line
        self._theirs = {name for names in ci[3:] for name in names}

    def first(self, what: str, names: Iterable[str], read: Callable[[str], _T | None]) -> _T | None:
        """What the first of these variables says that says something; `read` raises ValueError where it cannot be."""
        for name in names:
            text = given(self.environ, name)
            if not text or _UNSET.fullmatch(text):
                continue
            try:
                value = read(text)
            except ValueError as problem:
                if name in self._theirs:
                    self.left_out[name] = str(problem)
                elif name in _EXAMPLES:
                    # An address may hold a password.
                    shown = "" if name == "BUILD_URL" or "://" in text else f"{text[:60]!r} "
                    self._wrong(name, f"{shown}{problem}")
                continue
            if value is not None:
                self.sources[what] = name
                return value
        return None

    def all(self, what: str, names: Iterable[str], read: Callable[[str], str]) -> str:
        """What these variables say together."""
        found = {name: value for name in names if (value := self.first(what, (name,), read))}
        if found:
            self.sources[what] = " and ".join(found)
        return " / ".join(found.values())

    def needed(self, name: str, theirs: tuple[str, ...]) -> None:
        """Tell that a variable has to be set, as what the CI says by these ones does not tell it."""
        if name in self.mistakes:
            return
        if name in self.left_out:
            self._wrong(name, self.left_out[name])
        elif wrong := [f"{each} {self.left_out[each]}" for each in theirs if each in self.left_out]:
            self._wrong(name, f"is not set, and {' and '.join(wrong)}")
        elif self.ci is _UNKNOWN:
            self._wrong(name, f"is not set, nor is {_or(ci.sign for ci in _CIS)}, by which a CI is recognised")
        elif others := [each for each in theirs if each != name]:
            self._wrong(name, f"is not set, nor is {_or(others)}, which {self.ci.title} sets")
        else:
            self._wrong(name, "is not set")

    def _wrong(self, name: str, problem: str) -> None:
        self.mistakes[name] = f"{name} {problem}. Correct: {name}: {_EXAMPLES[name]}"


def _or(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _repository(reading: _Reading) -> tuple[str, str]:
    """The project's key and the repository's slug; "" for each that is not known."""
    key = reading.first("project", ("PROJECT_KEY",), _key)
    slug = reading.first("repository", ("REPOSITORY_SLUG",), _slug)
    if key and slug:
        return key, slug
    theirs = reading.ci.place
    if place := reading.first("place", theirs, _place):
        return key or place[0], slug or place[1]
    for name, value in (("PROJECT_KEY", key), ("REPOSITORY_SLUG", slug)):
        if value is None:
            reading.needed(name, theirs)
    return key or "", slug or ""


def _home(server: str, key: str, slug: str) -> str:
    kind, name = ("users", key[1:]) if key.startswith("~") else ("projects", key)
    return f"{server}/{kind}/{quote(name, safe='')}/repos/{quote(slug, safe='')}"


def _detected(build: Build, reading: _Reading, server: str) -> tuple[str, ...]:
    sources = reading.sources
    named = dict.fromkeys(sources[what] for what in ("project", "repository", "place") if what in sources)
    at_work = "" if "clone" in sources else "the working directory"
    rows = [
        ("project and repository", f"{build.workspace}/{build.repository}" if named else None, " and ".join(named)),
        ("pull request", build.pull_request, sources.get("pull request")),
        ("commit", build.commit or None, sources.get("commit")),
        ("build", build.number if "build" in sources else None, sources.get("build")),
        ("branch", build.branch, sources.get("branch")),
        ("destination", build.destination, sources.get("destination")),
        ("tag", build.tag, sources.get("tag")),
        ("job", build.job or None, sources.get("job")),
        ("step", build.step_uuid, sources.get("step")),
        ("exit code", build.exit_code, sources.get("exit code")),
        ("page", build.page or None, sources.get("page")),
        ("clone", build.clone_dir, at_work or sources["clone"]),
    ]
    shown = [(what, str(value), source) for what, value, source in rows if value is not None]
    wide = min(max(len(value) for _, value, _ in shown), 40)
    return (
        f"{reading.ci.title}, and Bitbucket Data Center at {server}",
        *(f"  {what:22}  {value:{wide}}  from {source}" for what, value, source in shown),
        *(f"! {name} {problem}: left out" for name, problem in reading.left_out.items()),
    )


# --- how a value is read: each returns the value or raises ValueError with what is wrong ------------------------------


def _key(text: str) -> str:
    if not re.fullmatch(r"~?[A-Za-z0-9_][A-Za-z0-9_.@-]{0,127}", text):
        raise ValueError("is no key of a project, nor ~user")
    return text


def _slug(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", text):
        raise ValueError("is no slug of a repository")
    return text


def _place(text: str) -> tuple[str, str]:
    """Project and repository of an address to clone from, or of a page of the repository."""
    problem = ValueError("is no address of a repository on a Data Center")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise problem from None
    path = re.sub("/users/(?=[^/]+/repos/)", "/projects/~", parts.path)
    clone = r"([^/]+)/([^/]+?)(?:\.git)?/?"
    if parts.scheme in ("http", "https"):
        page = "([^/]+)/repos/([^/]+)(?:/.*)?"
        found = re.fullmatch(f".*/scm/{clone}", path) or re.fullmatch(f".*/projects/{page}", path)
    elif parts.scheme == "ssh":
        found = re.fullmatch(f"/{clone}", path)
    else:
        found = re.fullmatch(rf"[^/@:\s]+@[^/:\s]+:/?{clone}", path)
    if found is None:
        raise problem
    key = unquote(found[1])
    if "/repos/" not in path and not key.startswith("~"):
        key = key.upper()  # as the key of a project is, which addresses to clone from have in lower case
    try:
        return _key(key), _slug(unquote(found[2]))
    except ValueError:
        raise problem from None


def _pull_request(text: str) -> int | None:
    if text == "auto":
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise ValueError("is no number of a pull request")
    return int(text)


def _commit(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Fa-f]{7,40}", text):
        raise ValueError("is no commit of 7 to 40 hexadecimal digits")
    return text.lower()


def _number(text: str) -> int:
    number = number_of(text)
    if number is None:
        raise ValueError("holds no number of a build")
    return number


def _name(text: str) -> str:
    if len(text) > 300 or not text.isprintable():  # noqa: PLR2004
        raise ValueError("may hold printable characters only, 300 at most")
    return text


def _step(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", text):
        raise ValueError("is no key of a job")
    return text


def _exit_code(text: str) -> str:
    """A number, or a word of Jenkins: `currentBuild.currentResult` is what a recipe has to pass on.

    Of a build that a newer one has replaced, or that was stopped, it is NOT_BUILT or ABORTED.
    """
    if re.fullmatch(r"-?[0-9]{1,10}", text):
        return str(int(text))
    if not re.fullmatch(r"[A-Za-z_]{1,20}", text):
        raise ValueError("is neither a number nor a result such as SUCCESS or FAILURE")
    return _ENDINGS.get(text.upper(), "1")


def _failed(text: str) -> str:
    if text not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return "1" if text == "true" else "0"


class _Ref(NamedTuple):
    """What the name of a branch says."""

    branch: str | None = None
    tag: str | None = None
    pull_request: int | None = None


def _plain(text: str) -> str:
    if not re.fullmatch(BRANCH, text) or not text.isprintable():
        raise ValueError("is no name that git knows")
    return text


def _ref(text: str) -> _Ref | None:
    """A branch as it is called, `refs/heads/` or not; also what stands in its place in builds of something else.

    That is none (`<default>` is TeamCity's), or what a fetch of `refs/pull-requests/*` or `refs/tags/*` leaves.
    """
    if text in ("HEAD", "detached", "<default>"):
        return None
    _plain(text)
    if found := re.fullmatch(r"(?:refs/)?pull-requests/([1-9][0-9]{0,8})(?:/(?:from|merge))?", text):
        return _Ref(pull_request=int(found[1]))
    if text.startswith("refs/tags/"):
        return _Ref(tag=text.removeprefix("refs/tags/"))
    return _Ref(text.removeprefix("refs/heads/"))


def _branch_of(ci: _Ci, slug: str) -> Callable[[str], _Ref | None]:
    """How a CI's variables of a branch are read.

    Jenkins' GIT_BRANCH begins with the remote, but not in a multibranch job, which calls a pull request `PR-17`.
    Atlassian's plugin calls the remote as the repository (`new UserRemoteConfig(cloneUrl, repositorySlug, …)` in
    BitbucketSCM.java).
    """

    def read(text: str) -> _Ref | None:
        if re.fullmatch("PR-[0-9]+", text):
            return None
        text = re.sub("^(?:refs/)?remotes/[^/]+/", "", text)
        remote, _, name = text.partition("/")
        return _ref(name if name and remote.lower() in ("origin", "upstream", slug.lower()) else text)

    return read if ci.name == JENKINS else _ref
