"""The pipe's own variables: one declaration, read into `Settings`, with every mistake reported at once.

`VARIABLES` is the only place that names them. The toolkit's (cerberus) schema is made from it; the variables of
`pipe.yml` and the table in the README are held to it by a test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from bitbucket_pipes_toolkit import ArrayVariable, Pipe

from pipe.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Mistakes(Exception):
    """One or more mistakes in the variables; `lines` holds one text for each, ready to be printed."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class CommentMode(Enum):
    """When a comment is made."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class FailOn(Enum):
    """What makes the pipe itself exit with 1."""

    FAILED_TASKS = "failed-tasks"
    DELIVERY_ERRORS = "delivery-errors"


@dataclass(frozen=True, slots=True)
class Credential:
    """How to sign requests. `user` is set for an API token (Basic) and None for an access token (Bearer)."""

    secret: str = field(repr=False)
    user: str | None = None
    user_is_email: bool = True


@dataclass(frozen=True, slots=True)
class Settings:
    """The variables as values. Paths are as given: they are resolved, and held inside the clone, by `checkout`."""

    credential: Credential | None = None
    run_url: str | None = None
    run_status: RunStatus | None = None
    logs: tuple[str, ...] = ()
    workspace_dir: str | None = None
    cache_directory: str | None = None
    pull_request: int | Literal["auto"] | None = None
    step_name: str | None = None
    report_id: str = "nx"
    title: str = "Nx"
    comment: CommentMode = CommentMode.ALWAYS
    fail_on: frozenset[FailOn] = frozenset()
    dry_run: bool = False
    debug: bool = False
    timeout: int = 120
    api_url: str = "https://api.bitbucket.org/2.0"
    notes: tuple[str, ...] = ()


# --- how a value is read: each returns the value or raises ValueError with what is wrong ------------------------------


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text.lower() == "true"


def _seconds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 5 <= int(text) <= 3600:  # noqa: PLR2004
        raise ValueError("is not a whole number of seconds from 5 to 3600")
    return int(text)


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


def _url(text: str) -> str:
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https"):
        raise ValueError("is not an http or https address")
    return text


def _api_url(text: str) -> str:
    parts = _split(text)
    if parts is None or parts.query or parts.fragment or not parts.path.rstrip("/").endswith("/2.0"):
        raise ValueError("is not the address of a Bitbucket API, with its /2.0")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")):
        raise ValueError("would send the token over an open line: only https (or http on loopback) is accepted")
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
    return text


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


def _path(text: str) -> str:
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


@dataclass(frozen=True, slots=True)
class Variable:
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
        "Repository, project or workspace access token, sent as Bearer; where both are set it is the one used",
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
        "NX_RUN_URL", _url, "A run's link, given by hand", "https://cloud.nx.app/runs/AbCdEf1234", "found by itself"
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
        _path,
        "The Nx workspace, inside the clone directory",
        "frontend",
        "found from the working directory upwards",
    ),
    Variable(
        "PULL_REQUEST_ID",
        _pull_request,
        "For `custom:` and branch pipelines: a number, or `auto` for the open pull request of the branch",
        "auto",
        "BITBUCKET_PR_ID",
    ),
    Variable("STEP_NAME", _name, "This step's name in the report; no variable of Bitbucket has it", "test"),
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
        _path,
        "Where the step keeps Nx's cache, inside the clone, if neither `.nx/cache` nor `node_modules/.cache/nx` nor "
        "nx.json's `cacheDirectory`",
        "$BITBUCKET_CLONE_DIR/.nx/cache",
    ),
)

_BY_NAME = {variable.name: variable for variable in VARIABLES}


def schema() -> dict[str, dict[str, object]]:
    """Build the toolkit's (cerberus) schema: every value is a string, checked by the reader of its variable."""

    def checker(variable: Variable) -> Callable[[str, str, Callable[[str, str], None]], None]:
        def check(name: str, value: str, error: Callable[[str, str], None]) -> None:
            try:
                variable.read(value)
            except ValueError as problem:
                error(name, str(problem))

        return check

    return {variable.name: {"type": "string", "check_with": checker(variable)} for variable in VARIABLES}


class _Invalid(Exception):
    """What the toolkit's validation found: the problems of each variable by its name."""

    def __init__(self, problems: dict[str, list[str]]) -> None:
        super().__init__()
        self.problems = problems


class _Reader(Pipe):  # type: ignore[misc]  # the toolkit has no types
    """The toolkit's reader, kept from exiting the process and from setting the root logger to DEBUG."""

    def fail(self, message: str, print_community_link: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        raise _Invalid(self.validator.errors)

    def enable_debug_log_level(self) -> None:
        """Leave the root logger alone: urllib3 would print every address."""


def _mistake(name: str, problem: str, value: str) -> str:
    variable = _BY_NAME[name]
    shown = "" if variable.secret else f" {value[:60]!r}"
    return f"{name}{shown} {problem}. Correct: {name}: {variable.example}"


def read(environ: Mapping[str, str]) -> Settings:
    """Read the pipe's variables.

    An empty value means "not set", as does the name of an undefined variable that arrived unexpanded (`$NAME`).

    Raises:
        Mistakes: with every mistake that was found.

    """
    given, notes = _given(environ)
    mistakes: list[str] = []
    values: dict[str, Any] = {}
    try:
        variables = _Reader(schema=schema(), env=given).variables
    except _Invalid as invalid:
        mistakes += [_mistake(name, problems[0], given[name]) for name, problems in invalid.problems.items()]
        variables = {name: text for name, text in given.items() if name not in invalid.problems}
    for name, text in variables.items():
        values[name] = _BY_NAME[name].read(text)
    listed, problem = _listed_logs(environ)
    mistakes += problem
    credential, credential_notes = _credential(values, given, mistakes)
    if mistakes:
        raise Mistakes(mistakes)
    return Settings(
        credential=credential,
        run_url=values.get("NX_RUN_URL"),
        run_status=values.get("NX_RUN_STATUS"),
        logs=listed or values.get("NX_LOGS", ()),
        workspace_dir=values.get("WORKSPACE_DIR"),
        cache_directory=values.get("NX_CACHE_DIRECTORY"),
        pull_request=values.get("PULL_REQUEST_ID"),
        step_name=values.get("STEP_NAME"),
        report_id=values.get("REPORT_ID", "nx"),
        title=values.get("TITLE", "Nx"),
        comment=values.get("COMMENT", CommentMode.ALWAYS),
        fail_on=values.get("FAIL_ON", frozenset()),
        dry_run=values.get("DRY_RUN", False),
        debug=values.get("DEBUG", False),
        timeout=values.get("TIMEOUT", 120),
        api_url=values.get("BITBUCKET_API_URL", "https://api.bitbucket.org/2.0"),
        notes=(*notes, *credential_notes, *_resembling(environ)),
    )


def _given(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The variables that are set, stripped, and a note on each that arrived as an unexpanded `$NAME`."""
    given, notes = {}, []
    for name in _BY_NAME:
        text = environ.get(name, "").strip()
        if re.fullmatch(r"\$\{?[A-Za-z_][A-Za-z0-9_]*\}?", text):
            notes.append(
                f"{name} is not set: it arrived as the name {text}, so no variable of that name is defined here"
            )
        elif text:
            given[name] = text
    return given, notes


def _listed_logs(environ: Mapping[str, str]) -> tuple[tuple[str, ...], list[str]]:
    """NX_LOGS as a YAML list, which arrives as NX_LOGS_COUNT, NX_LOGS_0, … (the toolkit's array variable)."""
    count = environ.get("NX_LOGS_COUNT", "").strip()
    if not count:
        return (), []
    if not re.fullmatch(r"[0-9]{1,3}", count):
        return (), [f"NX_LOGS_COUNT {count[:20]!r} is not a number below 1000. Correct: NX_LOGS as a YAML list"]
    texts = ArrayVariable("NX_LOGS", {**environ, "NX_LOGS_COUNT": count})
    return tuple(text.strip() for text in texts if text and text.strip()), []


def _credential(
    values: Mapping[str, Any], given: Mapping[str, str], mistakes: list[str]
) -> tuple[Credential | None, list[str]]:
    """The one credential to use; adds to `mistakes` where one is incomplete or missing."""
    access = values.get("BITBUCKET_ACCESS_TOKEN")
    token, email = values.get("ATLASSIAN_API_TOKEN"), values.get("ATLASSIAN_ACCOUNT_EMAIL")
    user = email or values.get("BITBUCKET_USERNAME")
    if access:
        both = ["BITBUCKET_ACCESS_TOKEN is used; ATLASSIAN_API_TOKEN is set too and is not"] if token else []
        return Credential(access), both
    if token and user:
        return Credential(token, user, user_is_email=email is not None), []
    if "BITBUCKET_ACCESS_TOKEN" in given:
        return None, []  # it is wrong, which is said already
    if "ATLASSIAN_API_TOKEN" in given:
        if not {"ATLASSIAN_ACCOUNT_EMAIL", "BITBUCKET_USERNAME"} & given.keys():
            mistakes.append(
                "ATLASSIAN_ACCOUNT_EMAIL is not set: an API token goes with the e-mail of its account. "
                "Correct: ATLASSIAN_ACCOUNT_EMAIL: ci-bot@example.com"
            )
    elif "ATLASSIAN_ACCOUNT_EMAIL" in given or not values.get("DRY_RUN"):
        mistakes.append(
            "ATLASSIAN_API_TOKEN is not set, nor is BITBUCKET_ACCESS_TOKEN: without one nothing can be written. "
            "Correct: ATLASSIAN_API_TOKEN: $ATLASSIAN_API_TOKEN (a secured variable of the repository)"
        )
    return None, []


# Nx's, its cloud's and Bitbucket's own names that lie near ours without being meant for us.
_OTHERS = re.compile(r"BITBUCKET_|NX_CLOUD_|NX_CACHE_|NX_REPORT_")


def _resembling(environ: Mapping[str, str]) -> list[str]:
    """A warning for each unknown name that looks like one of ours with a slip of the pen."""
    warnings = []
    squeezed = {name.replace("_", ""): name for name in _BY_NAME}
    for name in environ:
        if name in _BY_NAME or re.fullmatch(r"NX_LOGS_(COUNT|[0-9]+)", name) or not name.isupper():
            continue
        near = squeezed.get(name.replace("_", ""))
        if near is None and not _OTHERS.match(name):
            near = next((ours for ours in _BY_NAME if _one_slip(name, ours)), None)
        if near:
            warnings.append(f"{name} is not a variable of this pipe and is ignored. Did you mean {near}?")
    return warnings


def _one_slip(name: str, ours: str) -> bool:
    """Whether the two differ in one place of at most two letters: missing, added, other or swapped ones."""
    if abs(len(name) - len(ours)) > 2 or len(name) < 5 or name[0] != ours[0]:  # noqa: PLR2004
        return False
    start = 0
    while start < min(len(name), len(ours)) and name[start] == ours[start]:
        start += 1
    end = 0
    while end < min(len(name), len(ours)) - start and name[-1 - end] == ours[-1 - end]:
        end += 1
    return max(len(name), len(ours)) - start - end <= 2  # noqa: PLR2004
