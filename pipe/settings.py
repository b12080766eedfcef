"""The pipe's variables read into `Settings`, with every mistake reported at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bitbucket_pipes_toolkit import ArrayVariable, Pipe

from pipe.model import Stage
from pipe.variables import (
    NO_EXPECTATION,
    UNEXPANDED,
    VARIABLES,
    CommentMode,
    Expect,
    FailOn,
    Variable,
    given,
    is_encrypted,
    names,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipe.model import RunStatus


class Mistakes(Exception):
    """One or more mistakes in the variables; `lines` holds one text for each, `notes` what else is worth a line."""

    def __init__(self, lines: list[str], notes: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.notes = notes


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """How to sign requests. `user` is set for an API token (Basic) and None for an access token (Bearer)."""

    secret: str = field(repr=False)
    user: str | None = None
    user_is_email: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """The variables as values, with their defaults.

    Paths are as given: they are resolved, and held inside the clone, by `checkout`. `server` is the address of a
    Bitbucket Data Center, None for Bitbucket Cloud; `unwritable` says why nothing can be written without a credential,
    and `proxied` that Code Insights can be written all the same.
    """

    credential: Credential | None = None
    run_url: str | None = None
    run_status: RunStatus | None = None
    logs: tuple[str, ...] = ()
    workspace_dir: str | None = None
    cache_directory: str | None = None
    pull_request: int | Literal["auto"] | None = None
    step_name: str | None = None
    stage: Stage = Stage.REPORT
    expect: Expect = NO_EXPECTATION
    start_max: int = 120
    report_id: str = "nx"
    title: str = "Nx"
    comment: CommentMode = CommentMode.ALWAYS
    fail_on: frozenset[FailOn] = frozenset()
    report_url: str | None = None
    upload: bool = False
    upload_public: bool = False
    keep: int = 20
    baseline: tuple[str, ...] = ()
    dry_run: bool = False
    debug: bool = False
    timeout: int = 120
    api_url: str = "https://api.bitbucket.org/2.0"
    cloud_token: str | None = field(default=None, repr=False)
    cloud_api: str = "https://cloud.nx.app"
    cloud_wait: int = 0
    ci_execution_id: str | None = None
    run_group: str | None = None
    ci_execution_env: str = ""
    nx_branch: str | None = None
    server: str | None = None
    authority: str | None = None
    ascii_only: bool = False
    proxied: bool = False
    unwritable: str = ""
    notes: tuple[str, ...] = ()


# The fields that a single variable fills; the credential and the notes are made of several.
_FIELDS = {
    "NX_RUN_URL": "run_url",
    "NX_RUN_STATUS": "run_status",
    "NX_LOGS": "logs",
    "WORKSPACE_DIR": "workspace_dir",
    "NX_CACHE_DIRECTORY": "cache_directory",
    "PULL_REQUEST_ID": "pull_request",
    "STEP_NAME": "step_name",
    "STAGE": "stage",
    "EXPECT": "expect",
    "START_MAX": "start_max",
    "REPORT_ID": "report_id",
    "TITLE": "title",
    "COMMENT": "comment",
    "FAIL_ON": "fail_on",
    "REPORT_URL": "report_url",
    "UPLOAD": "upload",
    "UPLOAD_PUBLIC": "upload_public",
    "KEEP": "keep",
    "BASELINE": "baseline",
    "DRY_RUN": "dry_run",
    "DEBUG": "debug",
    "TIMEOUT": "timeout",
    "BITBUCKET_API_URL": "api_url",
    "NX_CLOUD_API": "cloud_api",
    "NX_CLOUD_WAIT": "cloud_wait",
    "NX_CI_EXECUTION_ID": "ci_execution_id",
    "NX_RUN_GROUP": "run_group",
    "NX_CI_EXECUTION_ENV": "ci_execution_env",
    "NX_BRANCH": "nx_branch",
    "BITBUCKET_URL": "server",
    "CA_BUNDLE": "authority",
    "EMOJI": "ascii_only",
}
# Pipelines sets it in pipes and nowhere else (reviewdog/reviewdog#996, confirmed by Bitbucket's team).
_IN_A_PIPE = "BITBUCKET_PIPE_STORAGE_DIR"
_NO_CREDENTIAL = (
    "✗ NO CREDENTIAL: nothing can be written to Bitbucket, so this log has the whole report.\n"
    "  Pass ATLASSIAN_ACCOUNT_EMAIL and ATLASSIAN_API_TOKEN, or BITBUCKET_ACCESS_TOKEN, from secured\n"
    "  variables of the repository."
)
_NO_SERVER_CREDENTIAL = (
    "✗ NO CREDENTIAL: nothing can be written to Bitbucket, so this log has the whole report.\n"
    "  Pass BITBUCKET_ACCESS_TOKEN from the CI's secrets: an HTTP access token of a user with write access to the\n"
    "  repository (Manage account > HTTP access tokens)."
)
# Those that may be given as YAML lists, each with a correct one.
_LISTS = (
    ("NX_LOGS", "['.nx-report/*.log', 'e2e.log']"),
    ("EXPECT", "[lint, test, e2e]"),
    ("BASELINE", "['baseline/*.json']"),
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
    texts, notes = _given(environ)
    mistakes: list[str] = []
    values: dict[str, Any] = {}
    try:
        variables = _Reader(
            schema={name: rules for name, rules in schema().items() if name in texts}, env=texts
        ).variables
    except _Invalid as invalid:
        mistakes += [_mistake(name, problems[0], texts[name]) for name, problems in invalid.problems.items()]
        variables = {name: text for name, text in texts.items() if name not in invalid.problems}
    for name, text in variables.items():
        values[name] = _BY_NAME[name].read(text)
    listed, list_notes, problems = {}, [], []
    for name, correct in _LISTS:
        entries, more_notes, more_problems = _listed(environ, name, f"Correct: {name}: {correct}")
        if entries:
            listed[name] = entries
        list_notes += more_notes
        problems += more_problems
    if "EXPECT" in listed:
        try:
            values["EXPECT"] = Expect(names=names(listed["EXPECT"]))
        except ValueError as problem:
            problems.append(_mistake("EXPECT", str(problem), ", ".join(listed["EXPECT"])))
    mistakes += problems
    mistakes += _together(values)
    server = values.get("BITBUCKET_URL")
    credential, credential_notes = (_server_credential if server else _credential)(values)
    values |= {"PULL_REQUEST_ID": "auto"} if server and "PULL_REQUEST_ID" not in values else {}
    all_notes = (*notes, *list_notes, *credential_notes, *_resembling(environ))
    if mistakes:
        raise Mistakes(mistakes, all_notes)
    fields = {field: values[name] for name, field in _FIELDS.items() if name in values}
    for name, field_ in (("NX_LOGS", "logs"), ("BASELINE", "baseline")):
        if name in listed:
            fields[field_] = listed[name]
    fields["cloud_token"] = values.get("NX_CLOUD_AUTH_TOKEN") or values.get("NX_CLOUD_ACCESS_TOKEN")
    return Settings(
        credential=credential,
        proxied=not server and bool(given(environ, _IN_A_PIPE)),
        unwritable=_NO_SERVER_CREDENTIAL if server else _NO_CREDENTIAL,
        notes=all_notes,
        **fields,
    )


def _together(values: Mapping[str, Any]) -> list[str]:
    """What cannot be meant of variables that are right one by one."""
    server, mistakes = values.get("BITBUCKET_URL"), []
    if "REPORT_URL" in values and values.get("UPLOAD"):
        mistakes.append("REPORT_URL and UPLOAD both say where readers get the page: set one of them")
    if server and not is_encrypted(server) and not values.get("ALLOW_HTTP"):
        mistakes.append(
            f"BITBUCKET_URL {server[:60]!r} would send the token unencrypted: only https (or http on loopback) is "
            "accepted. Where the network is trusted, ALLOW_HTTP: 'true' accepts it"
        )
    if server and values.get("UPLOAD"):
        mistakes.append("UPLOAD is for Bitbucket Cloud: Data Center has no Downloads. Publish the page, and REPORT_URL")
    return mistakes


def _given(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The variables that are set, stripped, and a note on each that arrived as an unexpanded `$NAME`."""
    given, notes = {}, []
    for name in _BY_NAME:
        text = environ.get(name, "").strip()
        if UNEXPANDED.fullmatch(text):
            notes.append(
                f"{name} is not set: it arrived as the name {text}, so no variable of that name is defined here"
            )
        elif text:
            given[name] = text
    return given, notes


def _listed(environ: Mapping[str, str], name: str, correct: str) -> tuple[tuple[str, ...], list[str], list[str]]:
    """A variable given as a YAML list, which arrives as NAME_COUNT, NAME_0, … (the toolkit's array variable).

    Gives the entries, notes on those that did not arrive, and mistakes.
    """
    count = environ.get(f"{name}_COUNT", "").strip()
    if not count:
        lost = f"{name}_0" in environ
        note = f"{name}_0 is ignored: {name}_COUNT, which comes with a YAML list, is not set"
        return (), [note] if lost else [], []
    if not re.fullmatch(r"[0-9]{1,3}", count):
        return (), [], [f"{name}_COUNT {count[:20]!r} is not a number below 1000. {correct}"]
    if environ.get(name, "").strip():
        return (), [], [f"{name} is given both as a text and as a list ({name}_COUNT). {correct}"]
    texts = [text.strip() for text in ArrayVariable(name, {**environ, f"{name}_COUNT": count}) if text]
    missing = int(count) - len(texts)
    return tuple(filter(None, texts)), [f"{name}: {missing} of {count} entries did not arrive"] if missing else [], []


def _credential(values: Mapping[str, Any]) -> tuple[Credential | None, list[str]]:
    """The one credential to use, and what to say of it. None is no mistake: a removed token must not fail builds."""
    access = values.get("BITBUCKET_ACCESS_TOKEN")
    token, email = values.get("ATLASSIAN_API_TOKEN"), values.get("ATLASSIAN_ACCOUNT_EMAIL")
    user = email or values.get("BITBUCKET_USERNAME")
    if access:
        both = ["BITBUCKET_ACCESS_TOKEN is used; ATLASSIAN_API_TOKEN is set too and is not"] if token else []
        return Credential(access), both
    if token and user:
        return Credential(token, user, user_is_email=email is not None), []
    if token:
        return None, ["ATLASSIAN_ACCOUNT_EMAIL is not set: an API token goes with the e-mail of its account"]
    if email:
        return None, ["ATLASSIAN_API_TOKEN is not set: the e-mail alone is no credential"]
    return None, []


def _server_credential(values: Mapping[str, Any]) -> tuple[Credential | None, list[str]]:
    """The credential for a Data Center, and what to say of those that are none there."""
    cloud = [
        name for name in ("ATLASSIAN_API_TOKEN", "ATLASSIAN_ACCOUNT_EMAIL", "BITBUCKET_USERNAME") if name in values
    ]
    notes = [f"{', '.join(cloud)}: for Bitbucket Cloud alone, and not used with BITBUCKET_URL"] if cloud else []
    if "BITBUCKET_API_URL" in values:
        notes.append("BITBUCKET_API_URL is for Bitbucket Cloud alone, and not used with BITBUCKET_URL")
    access = values.get("BITBUCKET_ACCESS_TOKEN")
    return Credential(access) if access else None, notes


# Nx's, its cloud's and Bitbucket's own names that lie near ours without being meant for us.
_OTHERS = re.compile(r"BITBUCKET_|NX_CLOUD_|NX_CACHE_|NX_REPORT_")


def _resembling(environ: Mapping[str, str]) -> list[str]:
    """A warning for each unknown name that looks like one of ours with a slip of the pen."""
    warnings = []
    squeezed = {name.replace("_", ""): name for name in _BY_NAME}
    for name in environ:
        if name in _BY_NAME or re.fullmatch(r"(NX_LOGS|EXPECT|BASELINE)_(COUNT|[0-9]+)", name) or not name.isupper():
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
