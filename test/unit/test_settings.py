"""The variables: what is read, what is refused, and that every mistake is told at once."""

from __future__ import annotations

import pytest

from pipe import settings
from pipe.model import RunStatus, Stage
from pipe.settings import Credential, Mistakes
from pipe.variables import VARIABLES, CommentMode, Expect, FailOn

TOKEN = {"ATLASSIAN_ACCOUNT_EMAIL": "bot@example.com", "ATLASSIAN_API_TOKEN": "ATATT3xFfGF0-token"}


def mistakes(environ: dict[str, str]) -> list[str]:
    """The mistakes in an environment that has some."""
    with pytest.raises(Mistakes) as caught:
        settings.read(environ)
    return caught.value.lines


def test_defaults() -> None:
    """With a credential alone everything else has the default that the README states."""
    read = settings.read(TOKEN)
    assert read.credential == Credential("ATATT3xFfGF0-token", "bot@example.com")
    assert (read.report_id, read.title, read.comment, read.fail_on) == ("nx", "Nx", CommentMode.ALWAYS, frozenset())
    assert (read.timeout, read.dry_run, read.debug) == (120, False, False)
    assert read.api_url == "https://api.bitbucket.org/2.0"
    assert read.notes == ()


def test_empty_is_not_set() -> None:
    """Pipelines passes an undefined variable as an empty string: it is as if it were not there."""
    assert settings.read({**TOKEN, **{one.name: "" for one in VARIABLES if one.name not in TOKEN}}) == settings.read(
        TOKEN
    )


def test_unexpanded_name_is_not_set() -> None:
    """A variable that arrives as the name of an undefined one is not set, and the log says so."""
    read = settings.read({"ATLASSIAN_ACCOUNT_EMAIL": "bot@example.com", "ATLASSIAN_API_TOKEN": "$ATLASSIAN_API_TOKEN"})
    assert read.credential is None
    assert read.notes[0].startswith("ATLASSIAN_API_TOKEN is not set: it arrived as the name $ATLASSIAN_API_TOKEN")
    assert "TITLE is not set" in settings.read({**TOKEN, "TITLE": "${MY_TITLE}"}).notes[0]


def test_every_value() -> None:
    """Each variable arrives as its value."""
    read = settings.read(
        {
            **TOKEN,
            "NX_RUN_URL": "https://cloud.nx.app/runs/AbCdEf1234",
            "NX_RUN_STATUS": "timed_out",
            "NX_LOGS": "a.log, logs/*.txt\nb.log",
            "WORKSPACE_DIR": "frontend",
            "PULL_REQUEST_ID": "auto",
            "STEP_NAME": "unit | tests",
            "REPORT_ID": "web-2",
            "TITLE": "Nx (web)",
            "COMMENT": "on-failure",
            "FAIL_ON": "failed-tasks, delivery-errors",
            "DRY_RUN": "True",
            "DEBUG": "true",
            "TIMEOUT": "3600",
            "BITBUCKET_API_URL": "http://127.0.0.1:8080/2.0/",
            "NX_CACHE_DIRECTORY": "/clone/.cache",
        }
    )
    assert read.run_url == "https://cloud.nx.app/runs/AbCdEf1234"
    assert read.run_status is RunStatus.TIMED_OUT
    assert read.logs == ("a.log", "logs/*.txt", "b.log")
    assert (read.workspace_dir, read.cache_directory) == ("frontend", "/clone/.cache")
    assert (read.pull_request, read.step_name, read.report_id, read.title) == (
        "auto",
        "unit | tests",
        "web-2",
        "Nx (web)",
    )
    assert read.comment is CommentMode.ON_FAILURE
    assert read.fail_on == {FailOn.FAILED_TASKS, FailOn.DELIVERY_ERRORS}
    assert (read.dry_run, read.debug, read.timeout) == (True, True, 3600)
    assert read.api_url == "http://127.0.0.1:8080/2.0"


@pytest.mark.parametrize(
    ("text", "status"),
    [("success", RunStatus.SUCCEEDED), ("Failure", RunStatus.FAILED), ("In_Progress", RunStatus.IN_PROGRESS)],
)
def test_run_status_in_any_case(text: str, status: RunStatus) -> None:
    """NX_RUN_STATUS takes Nx Cloud's states in any case, and the two words people use."""
    assert settings.read({**TOKEN, "NX_RUN_STATUS": text}).run_status is status


def test_yaml_list_of_logs() -> None:
    """A YAML list arrives as NX_LOGS_COUNT, NX_LOGS_0, …; names keep their commas, empty ones are left out."""
    environ = {**TOKEN, "NX_LOGS_COUNT": "3", "NX_LOGS_0": "a,b.log", "NX_LOGS_1": "", "NX_LOGS_2": "c.log"}
    read = settings.read(environ)
    assert (read.logs, read.notes) == (("a,b.log", "c.log"), ("NX_LOGS: 1 of 3 entries did not arrive",))
    assert settings.read({**TOKEN, "NX_LOGS_0": "a.log"}).notes[0].startswith("NX_LOGS_0 is ignored")
    assert "NX_LOGS_COUNT" in mistakes({**TOKEN, "NX_LOGS_COUNT": "many"})[0]
    assert "both as a text and as a list" in mistakes({**environ, "NX_LOGS": "a.log"})[0]


def test_many_steps() -> None:
    """STAGE, EXPECT as a number, a text or a YAML list, and START_MAX; a count that did not arrive is not set."""
    read = settings.read({**TOKEN, "STAGE": "Final", "EXPECT": "3", "START_MAX": "45"})
    assert (read.stage, read.expect, read.start_max) == (Stage.FINAL, Expect(3), 45)
    listed = {
        **TOKEN,
        "EXPECT_COUNT": "3",
        "EXPECT_0": "lint, fast",
        "EXPECT_1": " unit  tests",
        "EXPECT_2": "lint, fast",
    }
    assert settings.read(listed).expect == Expect(names=("lint, fast", "unit tests"))
    assert settings.read({**TOKEN, "EXPECT": "lint,e2e\nlint"}).expect == Expect(names=("lint", "e2e"))
    read = settings.read({**TOKEN, "EXPECT": "$BITBUCKET_PARALLEL_STEP_COUNT"})
    assert (read.stage, read.expect, read.start_max) == (Stage.REPORT, Expect(), 120)
    assert "both as a text and as a list" in mistakes({**listed, "EXPECT": "2"})[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STAGE", "end"),
        ("EXPECT", "0"),
        ("EXPECT", "101"),
        ("EXPECT", ", ,"),
        ("EXPECT", "a\x07"),
        ("START_MAX", "0"),
        ("START_MAX", "2h"),
        ("ATLASSIAN_ACCOUNT_EMAIL", "bot"),
        ("BITBUCKET_USERNAME", "a:b"),
        ("NX_RUN_URL", "javascript:alert(1)"),
        ("NX_RUN_URL", "https://user:pw@nx.app/runs/x"),
        ("NX_RUN_STATUS", "ok"),
        ("PULL_REQUEST_ID", "0"),
        ("PULL_REQUEST_ID", "12a"),
        ("REPORT_ID", "a b"),
        ("REPORT_ID", "x" * 31),
        ("TITLE", "a*b"),
        ("TITLE", "_x_"),
        ("STEP_NAME", "a\nb"),
        ("COMMENT", "sometimes"),
        ("FAIL_ON", "nothing, failed-tasks"),
        ("DRY_RUN", "yes"),
        ("DEBUG", "1"),
        ("TIMEOUT", "4"),
        ("TIMEOUT", "3601"),
        ("TIMEOUT", "1e3"),
        ("TIMEOUT", "60s"),
        ("BITBUCKET_API_URL", "http://api.bitbucket.org/2.0"),
        ("BITBUCKET_API_URL", "https://api.bitbucket.org"),
        ("BITBUCKET_API_URL", "https://token@evil.example/2.0"),
        ("BITBUCKET_API_URL", "https://api.bitbucket.org/2.0?x=1"),
        ("BITBUCKET_API_URL", "https://[bad/2.0"),
    ],
)
def test_wrong_values(name: str, value: str) -> None:
    """A wrong value is told with its name, what is wrong, and a correct example."""
    lines = mistakes({**TOKEN, name: value})
    assert len(lines) == 1
    assert lines[0].startswith(name)
    assert f"Correct: {name}: " in lines[0]


def test_all_mistakes_at_once() -> None:
    """Several mistakes are one list."""
    lines = mistakes({"DEBUG": "yes", "TIMEOUT": "0", "COMMENT": "no", "NX_LOGS_COUNT": "x"})
    assert [line.split()[0] for line in lines] == ["COMMENT", "DEBUG", "TIMEOUT", "NX_LOGS_COUNT"]


def test_secret_is_never_shown() -> None:
    """Neither a message nor a repr holds a token's value."""
    lines = mistakes({"BITBUCKET_ACCESS_TOKEN": "hush hush\nhush"})
    assert len(lines) == 1
    assert "hush" not in lines[0]
    assert "hush" not in repr(settings.read({"BITBUCKET_ACCESS_TOKEN": "hush"}))


def test_access_token_wins() -> None:
    """With both credentials the access token is used, and the log says so."""
    read = settings.read({**TOKEN, "BITBUCKET_ACCESS_TOKEN": "ATCTT3x"})
    assert read.credential == Credential("ATCTT3x")
    assert read.notes == ("BITBUCKET_ACCESS_TOKEN is used; ATLASSIAN_API_TOKEN is set too and is not",)


def test_username_in_place_of_the_email() -> None:
    """BITBUCKET_USERNAME stands in for the e-mail, which a later 401 has to know."""
    read = settings.read({"BITBUCKET_USERNAME": "bot", "ATLASSIAN_API_TOKEN": "t"})
    assert read.credential == Credential("t", "bot", user_is_email=False)


@pytest.mark.parametrize(
    ("environ", "note"),
    [
        ({}, None),
        ({"ATLASSIAN_ACCOUNT_EMAIL": "bot@example.com"}, "ATLASSIAN_API_TOKEN is not set"),
        ({"ATLASSIAN_API_TOKEN": "t"}, "ATLASSIAN_ACCOUNT_EMAIL is not set"),
    ],
)
def test_no_credential(environ: dict[str, str], note: str | None) -> None:
    """No credential, or half of one, is no mistake: a removed token must not turn builds red."""
    read = settings.read(environ)
    assert read.credential is None
    assert [line.split(":")[0] for line in read.notes] == ([note] if note else [])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NX_LOG", "NX_LOGS"),
        ("PULLREQUEST_ID", "PULL_REQUEST_ID"),
        ("FAILON", "FAIL_ON"),
        ("ATLASSIAN_API_TOKN", "ATLASSIAN_API_TOKEN"),
        ("BITBUCKET_APIURL", "BITBUCKET_API_URL"),
        ("WORKSPACE_DRI", "WORKSPACE_DIR"),
        ("TIMEOUTS", "TIMEOUT"),
    ],
)
def test_resembling_names(name: str, meant: str) -> None:
    """An unknown name with a slip of the pen gets a warning that names the one meant."""
    notes = settings.read({**TOKEN, name: "x"}).notes
    assert notes == (f"{name} is not a variable of this pipe and is ignored. Did you mean {meant}?",)


def test_other_names_are_left_alone() -> None:
    """Names of Bitbucket, Nx and the system are no slips of ours."""
    names = [
        "BITBUCKET_PR_ID",
        "BITBUCKET_BRANCH",
        "BITBUCKET_EXIT_CODE",
        "BITBUCKET_WORKSPACE",
        "NX_BASE",
        "NX_DAEMON",
        "NX_CLOUD_ENCRYPTION_KEY",
        "NX_CLOUD_NO_TIMEOUTS",
        "PATH",
        "HOME",
        "HOSTNAME",
        "LANG",
        "PWD",
        "CI",
        "DOCKER_HOST",
        "PIPELINES_JWT_TOKEN",
        "NX_LOGS_COUNT",
        "GPG_KEY",
        "PYTHON_VERSION",
        "PYTHON_SHA256",
        "BITBUCKET_STEP_UUID",
        "BITBUCKET_PROJECT_KEY",
        "NX_HEAD",
        "TERM",
        "container",
    ]
    assert settings.read({**TOKEN, **dict.fromkeys(names, "0")}).notes == ()


def test_nx_cloud() -> None:
    """The older name of Nx Cloud's token wins, as for Nx; the address is Nx Cloud's own unless another is given."""
    read = settings.read({"NX_CLOUD_AUTH_TOKEN": "older", "NX_CLOUD_ACCESS_TOKEN": "newer"})
    assert (read.cloud_token, read.cloud_api) == ("older", "https://cloud.nx.app")
    assert "older" not in repr(read)
    assert settings.read({"NX_CLOUD_API": "https://nx.example/cloud/"}).cloud_api == "https://nx.example/cloud"
    assert settings.read({}).cloud_token is None


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("NX_CLOUD_API", "http://nx.example", "would send the token unencrypted"),
        ("NX_CLOUD_API", "https://nx.example?x=1", "is not the address of an Nx Cloud"),
        ("NX_CLOUD_API", "nx.example", "is not the address of an Nx Cloud"),
        ("NX_CLOUD_WAIT", "-1", "is not a whole number of seconds from 0 to 3600"),
        ("NX_CLOUD_WAIT", "3601", "is not a whole number of seconds from 0 to 3600"),
        ("NX_RUN_GROUP", "a" * 101, "may hold printable characters only, 100 at most"),
    ],
)
def test_mistakes_of_nx_cloud(name: str, value: str, problem: str) -> None:
    """Mistakes in Nx Cloud's variables are told as all others are."""
    (line,) = mistakes({name: value})
    assert problem in line
