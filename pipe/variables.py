"""The pipe's own variables, declared once: how each is read, what it means, its default and a correct example.

`settings` makes the toolkit's schema from this list; `pipe.yml` and the README's table are held to it by a test.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pipe.model import RunStatus, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


# How the name of an undefined variable arrives where nothing replaces it by an empty string.
UNEXPANDED = re.compile(r"\$\{?[A-Za-z_][A-Za-z0-9_]*\}?")


def given(environ: Mapping[str, str], name: str) -> str:
    """What a variable is set to, stripped; "" where it is not set, is empty, or arrived unexpanded."""
    text = environ.get(name, "").strip()
    return "" if UNEXPANDED.fullmatch(text) else text


class CommentMode(Enum):
    """When a comment is made."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class FailOn(Enum):
    """What makes the pipe itself exit with 1."""

    FAILED_TASKS = "failed-tasks"
    DELIVERY_ERRORS = "delivery-errors"


class Expect(NamedTuple):
    """Which steps must report: how many, or those of these names; 0 and none where nobody knows."""

    number: int = 0
    names: tuple[str, ...] = ()


NO_EXPECTATION = Expect()


# --- how a value is read: each returns the value or raises ValueError with what is wrong ------------------------------


_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text.lower() == "true"


def _seconds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 5 <= int(text) <= 3600:  # noqa: PLR2004
        raise ValueError("is not a whole number of seconds from 5 to 3600")
    return int(text)


def _wait(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) > 3600:  # noqa: PLR2004
        raise ValueError("is not a whole number of seconds from 0 to 3600")
    return int(text)


def _stage(text: str) -> Stage:
    try:
        return Stage(text.lower())
    except ValueError:
        raise ValueError("is none of start, report, final") from None


def _minutes(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= 1440:  # noqa: PLR2004
        raise ValueError("is not a whole number of minutes from 1 to 1440")
    return int(text)


def _expect(text: str) -> Expect:
    if re.fullmatch("[0-9]+", text):
        if not 1 <= int(text) <= 100:  # noqa: PLR2004
            raise ValueError("is not a number of steps from 1 to 100")
        return Expect(int(text))
    return Expect(names=names(re.split(r"[\n,]", text)))


def names(texts: Iterable[str]) -> tuple[str, ...]:
    """Names of steps, each once; raises ValueError where they can be none."""
    found = tuple(dict.fromkeys(filter(None, (" ".join(text.split()) for text in texts))))
    if not found or len(found) > 100 or not all(name.isprintable() and len(name) <= 100 for name in found):  # noqa: PLR2004
        raise ValueError("is neither a number of steps, 1 to 100, nor a list of their names")
    return found


def _pull_request(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise ValueError("is neither a pull request's number nor auto")
    return int(text)


_STATUS_WORDS = {"SUCCESS": RunStatus.SUCCEEDED, "FAILURE": RunStatus.FAILED}


def _run_status(text: str) -> RunStatus:
    word = text.upper()
    if word in _STATUS_WORDS:
        return _STATUS_WORDS[word]
    try:
        return RunStatus(word)
    except ValueError:
        states = ", ".join(status.value for status in RunStatus)
        raise ValueError(f"is none of {states}, success, failure") from None


def address(text: str) -> str:
    """An http or https address that is safe to put into a link; raises ValueError where it is none."""
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https"):
        raise ValueError("is not an http or https address")
    return text


def _server_url(text: str) -> str:
    """The address of a Data Center, with its context path. Whether http may be is for ALLOW_HTTP to say."""
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ValueError("is not the address of a Bitbucket Data Center")
    if re.search(r"/(?:rest|projects|users|scm)(?:/|$)", parts.path):
        raise ValueError("is not the address of the Data Center itself: leave out what comes after its context path")
    if parts.hostname == "bitbucket.org" or parts.hostname.endswith(".bitbucket.org"):
        raise ValueError("is Bitbucket Cloud, for which it is left out: it is for a Data Center")
    return text.rstrip("/")


def is_encrypted(url: str) -> bool:
    """Whether a token may be sent there: by https, or to this machine itself."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _emoji(text: str) -> bool:
    if text not in ("unicode", "ascii"):
        raise ValueError("is neither unicode nor ascii")
    return text == "ascii"


def _api_url(text: str) -> str:
    parts = _split(text)
    if parts is None or parts.query or parts.fragment or not parts.path.rstrip("/").endswith("/2.0"):
        raise ValueError("is not the address of a Bitbucket API, with its /2.0")
    return _encrypted(text)


def _cloud_url(text: str) -> str:
    parts = _split(text)
    if parts is None or parts.query or parts.fragment:
        raise ValueError("is not the address of an Nx Cloud")
    return _encrypted(text)


def _encrypted(text: str) -> str:
    if not is_encrypted(text):
        raise ValueError("would send the token unencrypted: only https (or http on loopback) is accepted")
    return text.rstrip("/")


def _split(text: str) -> Any:  # noqa: ANN401 - urllib's result type depends on its input
    """The parts of an address that is safe to put into a link or a request, else None."""
    if re.search(r"[\s<>\"'`\\|]|[^\x21-\x7e]", text):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.hostname and parts.username is None else None


PLACES = ("build", "run", "step", "commit", "branch", "report")


def _template(text: str) -> str:
    """An address with `{build}` and the like in it."""
    names = re.findall(r"\{([^{}]*)\}", text)
    if unknown := [name for name in names if name not in PLACES]:
        known = ", ".join(f"{{{name}}}" for name in PLACES)
        raise ValueError(f"holds {{{unknown[0][:20]}}}, which is none of {known}")
    plain = re.sub(r"\{[^{}]*\}", "x", text)
    if "{" in plain or "}" in plain or "#" in plain:
        raise ValueError("is not an address with names in braces and without a #")
    address(plain)
    if "{" in text.split("://", 1)[1].split("/", 1)[0]:
        raise ValueError("has a name in braces in its host, which a branch could choose")
    return text


def _upload(text: str) -> bool:
    if text != "downloads":
        raise ValueError("is not downloads, the one place that there is")
    return True


def _keep(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= 1000:  # noqa: PLR2004
        raise ValueError("is not a whole number from 1 to 1000")
    return int(text)


def _report_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,29}", text):
        raise ValueError("may hold letters, digits and . _ - only, 30 characters at most")
    return text


def _words(text: str) -> str:
    # Only what means nothing in either Markdown: the heading stands outside code spans.
    if len(text) > 60 or not re.fullmatch(r"(?:[^\W_]|[ .,:/()+-])+", text):  # noqa: PLR2004
        raise ValueError("may hold letters, digits, spaces and . , : / ( ) + - only, 60 characters at most")
    return " ".join(text.split())


def _name(text: str) -> str:
    if len(text) > 100 or not text.isprintable():  # noqa: PLR2004
        raise ValueError("may hold printable characters only, 100 at most")
    return " ".join(text.split())


def _comment(text: str) -> CommentMode:
    try:
        return CommentMode(text)
    except ValueError:
        raise ValueError("is none of always, on-failure, never") from None


def _fail_on(text: str) -> frozenset[FailOn]:
    words = [word.strip() for word in text.split(",")]
    if words == ["nothing"]:
        return frozenset()
    try:
        return frozenset(FailOn(word) for word in words)
    except ValueError:
        raise ValueError("is neither nothing nor a list of failed-tasks, delivery-errors") from None


def _logs(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in re.split(r"[\n,]", text) if part.strip())


def path(text: str) -> str:
    """A path, wherever it leads; raises ValueError where it is none."""
    if not text.isprintable():
        raise ValueError("is not a path")
    return text


def _secret(text: str) -> str:
    # What a header can carry: a pasted line break or a typographic character would make the request fail later.
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ValueError("holds a space, a line break or a character that no token has; its value is not shown here")
    return text


def _user(text: str) -> str:
    if not re.fullmatch(r"[\x21-\x39\x3b-\x7e]+", text):
        raise ValueError("holds a space, a colon or a character that no account has")
    return text


def _email(text: str) -> str:
    if "@" not in text:
        raise ValueError("is not an e-mail address")
    return _user(text)


class Variable(NamedTuple):
    """One variable: how it is read, its default as the README states it, and a correct example for error messages."""

    name: str
    read: Callable[[str], object]
    meaning: str
    example: str
    default: str = ""
    secret: bool = False


VARIABLES = (
    Variable(
        "ATLASSIAN_ACCOUNT_EMAIL",
        _email,
        "With `ATLASSIAN_API_TOKEN`: the account that the API token belongs to",
        "ci-bot@example.com",
    ),
    Variable(
        "ATLASSIAN_API_TOKEN",
        _secret,
        "API token with scopes, sent as Basic. Pass it from a secured variable",
        "$ATLASSIAN_API_TOKEN",
        secret=True,
    ),
    Variable(
        "BITBUCKET_ACCESS_TOKEN",
        _secret,
        "Repository, project or workspace access token, sent as Bearer; where both are set it is the one used. On Data "
        "Center: an HTTP access token of a user with write access to the repository",
        "$BITBUCKET_ACCESS_TOKEN",
        secret=True,
    ),
    Variable(
        "BITBUCKET_USERNAME",
        _user,
        "Accepted in place of the e-mail; Bitbucket's REST API itself asks for the e-mail",
        "ci-bot",
    ),
    Variable(
        "NX_RUN_URL", address, "A run's link, given by hand", "https://cloud.nx.app/runs/AbCdEf1234", "found by itself"
    ),
    Variable(
        "NX_RUN_STATUS",
        _run_status,
        "A run's result, given by hand: Nx Cloud's run states in any case, `success` or `failure`",
        "SUCCEEDED",
        "found by itself",
    ),
    Variable(
        "NX_LOGS",
        _logs,
        "Files or globs with what nx commands printed, as a YAML list or separated by commas",
        ".nx-report/*.log",
        ".nx-report/*.log",
    ),
    Variable(
        "WORKSPACE_DIR",
        path,
        "The Nx workspace, inside the clone directory",
        "frontend",
        "found from the working directory upwards",
    ),
    Variable(
        "PULL_REQUEST_ID",
        _pull_request,
        "For `custom:` and branch pipelines: a number, or `auto` for the open pull request of the branch",
        "auto",
        "BITBUCKET_PR_ID; on Data Center the CI's, else auto",
    ),
    Variable("STEP_NAME", _name, "This step's name in the report; no variable of Bitbucket has it", "test"),
    Variable(
        "STAGE",
        _stage,
        "`start` at the head of a step says that it runs, `report` what it ran; `final`, in a last step that always "
        "runs, closes the report",
        "final",
        "report",
    ),
    Variable(
        "EXPECT",
        _expect,
        "The steps that must report, as a number or as a list of their names: until then nothing is green",
        "lint, test, e2e",
        "BITBUCKET_PARALLEL_STEP_COUNT, else unknown",
    ),
    Variable(
        "START_MAX",
        _minutes,
        "Minutes after which a step that started and has not reported is told as silent, 1 to 1440",
        "'120'",
        "120",
    ),
    Variable("REPORT_ID", _report_id, "Keeps several reports of one repository apart", "nx", "nx"),
    Variable("TITLE", _words, "The heading", "Nx", "Nx"),
    Variable(
        "COMMENT",
        _comment,
        "`always`, `on-failure` (an existing comment is still brought up to date) or `never`",
        "on-failure",
        "always",
    ),
    Variable(
        "FAIL_ON",
        _fail_on,
        "What makes the pipe itself exit with 1: `nothing`, `failed-tasks`, `delivery-errors` or "
        "`failed-tasks, delivery-errors`",
        "failed-tasks",
        "nothing",
    ),
    Variable(
        "REPORT_URL",
        _template,
        "Where you publish `.nx-report/report.html`: then each failed task's log is linked. `{build}`, `{run}`, "
        "`{step}`, `{commit}`, `{branch}` and `{report}` stand for what they say",
        "https://ci.example.com/{branch}/{build}/{step}.html",
    ),
    Variable(
        "UPLOAD",
        _upload,
        "`downloads` puts the page into the repository's Downloads; needs a token that may write to the repository",
        "downloads",
    ),
    Variable(
        "UPLOAD_PUBLIC",
        _boolean,
        "Upload also where the repository is not known to be private: everybody can read all logs then",
        "'true'",
        "false",
    ),
    Variable("KEEP", _keep, "How many builds' pages stay in the Downloads, 1 to 1000", "'20'", "20"),
    Variable(
        "BASELINE",
        _logs,
        "Files or globs with `report.json` of earlier builds, or `downloads`: from five builds on tells what is "
        "slower, and what the cache saved",
        "baseline/*.json",
    ),
    Variable("DRY_RUN", _boolean, "Print everything, write nothing; needs no token", "'true'", "false"),
    Variable(
        "DEBUG",
        _boolean,
        "Also print requests (method, path, status, time) and the sources found and rejected; never a secret or a body",
        "'true'",
        "false",
    ),
    Variable("TIMEOUT", _seconds, "Seconds for the whole pipe, 5 to 3600", "'120'", "120"),
    Variable(
        "BITBUCKET_API_URL",
        _api_url,
        "Bitbucket's API, with its `/2.0`; https, or http on loopback alone",
        "https://api.bitbucket.org/2.0",
        "https://api.bitbucket.org/2.0",
    ),
    Variable(
        "NX_CACHE_DIRECTORY",
        path,
        "Where the step keeps Nx's cache, inside the clone, if neither `.nx/cache` nor `node_modules/.cache/nx` nor "
        "nx.json's `cacheDirectory`",
        "$BITBUCKET_CLONE_DIR/.nx/cache",
    ),
    Variable(
        "NX_CLOUD_ACCESS_TOKEN",
        _secret,
        "Nx Cloud's access token, with which the pipe asks Nx Cloud for the pipeline's runs. Pass it from a secured "
        "variable",
        "$NX_CLOUD_ACCESS_TOKEN",
        secret=True,
    ),
    Variable(
        "NX_CLOUD_AUTH_TOKEN",
        _secret,
        "The same by its older name; where both are set it is the one used, as Nx does",
        "$NX_CLOUD_AUTH_TOKEN",
        secret=True,
    ),
    Variable(
        "NX_CLOUD_API",
        _cloud_url,
        "Nx Cloud's address; https, or http on loopback alone. nx.json's is never used",
        "https://cloud.nx.app",
        "https://cloud.nx.app",
    ),
    Variable(
        "NX_CLOUD_WAIT",
        _wait,
        "Seconds to wait, within `TIMEOUT`, for an execution that Nx Cloud has in progress",
        "'60'",
        "0",
    ),
    Variable(
        "NX_CI_EXECUTION_ID",
        _name,
        "As the step's nx commands have it: the run group is known by it",
        "417-1",
        "NX_RUN_GROUP, else the build number",
    ),
    Variable("NX_RUN_GROUP", _name, "As the step's nx commands have it", "417-1", "the build number"),
    Variable("NX_CI_EXECUTION_ENV", _name, "As the step's nx commands have it", "linux"),
    Variable("NX_BRANCH", _name, "As the step's nx commands have it", "17", "the pull request's number and the branch"),
    Variable(
        "BITBUCKET_URL",
        _server_url,
        "Bitbucket Data Center's address, with its context path: the report goes there and not to Bitbucket Cloud",
        "https://bitbucket.example.com/bitbucket",
    ),
    Variable(
        "ALLOW_HTTP", _boolean, "Send the token to `BITBUCKET_URL` unencrypted, if that is `http`", "'true'", "false"
    ),
    Variable(
        "CA_BUNDLE",
        path,
        "A file with certificates (PEM) that are trusted beside the usual ones, as your company's own authority",
        "/etc/ssl/certs/company.pem",
    ),
    Variable(
        "EMOJI",
        _emoji,
        "`ascii` writes a box in place of emoji and other characters of four bytes, which some databases of Data "
        "Center refuse",
        "ascii",
        "unicode",
    ),
    Variable("PROJECT_KEY", str, "On Data Center: the project, `~user` for a personal one", "SHOP", "the CI's"),
    Variable("REPOSITORY_SLUG", str, "On Data Center: the repository", "shop", "the CI's"),
    Variable(
        "COMMIT",
        str,
        "On Data Center: the commit, as Bitbucket knows it",
        "1f3c9ab02d4157e8a6b0c9d2e4f1a3b5c7d9e0f2",
        "the pull request's last one, else the CI's",
    ),
    Variable("SOURCE_BRANCH", str, "On Data Center: the branch", "feature/cart-totals", "the CI's"),
    Variable("BUILD_NUMBER", str, "On Data Center: the build's number, which rises within its job", "417", "the CI's"),
    Variable("JOB_NAME", str, "On Data Center: the job whose builds the number counts", "shop/checks", "the CI's"),
    Variable("BUILD_URL", str, "On Data Center: the build's page", "https://ci.example.com/job/shop/417/", "the CI's"),
    Variable(
        "EXIT_CODE",
        str,
        "On Data Center: how the step ended, `0`, another number or Jenkins' `SUCCESS`, `FAILURE`, `ABORTED`",
        "'1'",
    ),
    Variable("CLONE_DIR", str, "On Data Center: the clone", "/work", "the working directory"),
)
