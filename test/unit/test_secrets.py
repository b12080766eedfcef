"""Secrets are taken out of what is published; ordinary output is left as it is."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.stripe import StripeDetector

from pipe.secrets import REMOVED, Masker
from pipe.terminal import plain
from test.conftest_tools import captures

DATA = Path(__file__).parent.parent / "data"

# Made up here, and put together so that no scanner of repositories takes them for real ones.
HEX40 = "4f1c9a7be02d5386f1a4c7e9b0d2536874acbe19"
MIXED = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7d"
JWT = f"eyJ{'hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9'}.eyJ{'zdWIiOiIxMjM0NTY3ODkwIn0'}.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
PEM = "-----BEGIN {0}PRIVATE KEY-----\n{1}\n{1}\nQUJD\n-----END {0}PRIVATE KEY-----"

TOKENS = {
    "atlassian-api": f"ATATT3xFfGF0{MIXED}-_=ADC81F2B",
    "atlassian-access": f"ATCTT3xFfGN0{MIXED}=5A7C9E21",
    "bitbucket-app-password": f"ATBB{MIXED[:32]}",
    "github": f"ghp_{MIXED[:36]}",
    "github-oauth": f"gho_{MIXED[:36]}",
    "github-server": f"ghs_{MIXED[:36]}",
    "github-fine-grained": f"github_pat_{MIXED[:22]}_{MIXED}",
    "gitlab": f"glpat-{MIXED[:20]}",
    "npm": f"npm_{MIXED[:36]}",
    "aws-key-id": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws-session-key-id": "ASIA" + "IOSFODNN7EXAMPLE",
    "slack-bot": "xoxb-" + "123456789012-123456789012-" + MIXED[:24].lower(),
    "google": f"AIza{MIXED[:35]}",
    "stripe": f"sk_live_{MIXED[:24]}",
    "stripe-restricted": f"rk_test_{MIXED[:24]}",
    "openai": f"sk-{MIXED[:20]}T3BlbkFJ{MIXED[:20]}",
    "openai-project": f"sk-proj-{MIXED}",
    "pypi": f"pypi-AgEIcHlwaS5vcmc{MIXED}{MIXED}",
    "sendgrid": f"SG.{MIXED[:22]}.{MIXED}abc",
    "jwt": JWT,
    "bitbucket-data-center": f"BBDC-{MIXED}",
    "gitlab-runner": f"GR1348941{MIXED[:20]}",
    "slack-app": f"xapp-1-{MIXED}",
    "aws-other": "A3TX" + "IOSFODNN7EXAMPLE",
}


def mask(text: str, *known: str) -> str:
    """Mask with a new masker."""
    return Masker(known).mask(text)


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("around", ["{}", "using {} now", '"token": "{}",', "?key={}&x=1", "({})", "{}\nnext"])
def test_token_shapes(name: str, around: str) -> None:
    """A token of a known shape is gone from its first letter to its last, and what stands around it is left."""
    assert mask(around.format(TOKENS[name])) == around.format(REMOVED)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("NX_CLOUD_ACCESS_TOKEN=NmYwZTRj", f"NX_CLOUD_ACCESS_TOKEN={REMOVED}"),
        ("export DB_PASSWORD='hunter2hunter2'", f"export DB_PASSWORD='{REMOVED}'"),
        ("  MY_API_KEY: abcdefgh1", f"  MY_API_KEY: {REMOVED}"),
        ('{"clientSecret":"q1w2e3r4t5"}', f'{{"clientSecret":"{REMOVED}"}}'),
        ("--password=correct-horse-1", f"--password={REMOVED}"),
        ("curl --token abcdef123 x", f"curl --token {REMOVED} x"),
        ("//npm.example.com/:_authToken=abcdef-123456", f"//npm.example.com/:_authToken={REMOVED}"),
        ("_auth = dXNlcjpwYXNzd29yZA==", f"_auth = {REMOVED}"),
        ("//npm.example.com/:_password=cGFzc3dvcmQ=", f"//npm.example.com/:_password={REMOVED}"),
        (f"aws_secret_access_key = {MIXED}", f"aws_secret_access_key = {REMOVED}"),
        ("Authorization: Bearer abc.def-123", f"Authorization: Bearer {REMOVED}"),
        ("> authorization: Basic dXNlcjpwdw==", f"> authorization: Basic {REMOVED}"),
        ("https://ada:s3cret@example.com/x.git", f"https://ada:{REMOVED}@example.com/x.git"),
        ("https://x-token-auth:tok3n@example.com", f"https://x-token-auth:{REMOVED}@example.com"),
        ("redis://:s3cret@localhost:6379", f"redis://:{REMOVED}@localhost:6379"),
        (f"AccountKey={MIXED}{MIXED}==;Endpoint", f"AccountKey={REMOVED};Endpoint"),
        ("export API_TO\u212aEN=abc123def456ghi789", f"export API_TO\u212aEN={REMOVED}"),
        ('credent\u0130al: "abc123def456ghi7"', f'credent\u0130al: "{REMOVED}"'),
        ("hooks.slack.com/services/" + "T00000000/B00000000/XXXXXXXXabcd1234", f"hooks.slack.com/services/{REMOVED}"),
    ],
)
def test_named_secrets(text: str, masked: str) -> None:
    """A value that its name, header or place calls a secret is gone, the name stays."""
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "password: string;",
        "const token = getToken();",
        "token = useContext(TokenContext)",
        "error TS2345: Argument of type 'Token' is not assignable: password: undefined",
        "Unexpected token: punctuation (;)",
        "const accessToken = process.env.ACCESS_TOKEN;",
        "NPM_TOKEN=$NPM_TOKEN npm publish",
        "NPM_TOKEN=${NPM_TOKEN}",
        "tokenType: 'identifier12345'",
        "TOKEN_URL=https://auth.example.com/oauth",
        "SECRET_FILE=/run/secrets/database1",
        "user:pass is how it is written",
        "PASSWORD=********",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "123e4567-e89b-12d3-a456-426614174000",
        f"aws commit {HEX40}",
        "at Object.<anonymous> (/opt/build/node_modules/jsonwebtoken/index.js:10:3)",
        "sk-loading-indicator-wrapper-extra-large",
        "postgres://app:$PASSWORD@localhost",
        "http://localhost:4200/@vite/client:1:2",
        "npm_config_user_agent npm_package_name_of_a_very_long_package_indeed",
        "sha512-oQbvBY0pMZqGcQMzQvvqvOQ+KnJVcUFPhDZx1mEwhaBT6CAXIlRkVkx2kR0J7VUMDQmqXBqYqd7Aw1b3zBbGzQ==",
        f"already {REMOVED} TOKEN={REMOVED} https://x:{REMOVED}@example.com",
    ],
)
def test_ordinary_text_is_left(text: str) -> None:
    """Types, calls, variables, hashes, paths and prose are no secrets."""
    masker = Masker(["a-credential-of-ours"])
    assert masker.mask(text) == text
    assert masker.count == 0


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_private_keys(kind: str) -> None:
    """A private key is gone as a whole; each of its lines stays a line."""
    key = PEM.format(kind, MIXED * 2)
    assert mask(f"before\n{key}\nafter") == "\n".join(["before", *[REMOVED] * 5, "after"])


def test_broken_private_keys() -> None:
    r"""A key that is cut off, or written on one line with `\\n`, is gone too, and the text after it stays."""
    whole = PEM.format("", MIXED * 2)
    cut = whole[: whole.index("QUJD") + 2]
    assert MIXED not in mask(f"key:\n{cut}")
    assert mask(f"{whole[:80]}\nError: the key is broken").endswith("\nError: the key is broken")
    assert mask("KEY is " + whole.replace("\n", "\\n") + " and more") == f"KEY is {REMOVED} and more"


@pytest.mark.parametrize("known", ["Zq8-our+own/pass word", 'quo"ted\\secret'])
def test_known_credentials(known: str) -> None:
    """Our own credentials are gone in each form in which tools print them."""
    forms = [
        known,
        quote(known),
        quote(known, safe=""),
        known.replace("\\", "\\\\").replace('"', '\\"'),
        *(base64.b64encode(f"{user}{known}".encode()).decode() for user in ("", "a:", "ab:", "ada@example.com:")),
        base64.urlsafe_b64encode(known.encode()).decode().rstrip("="),
    ]
    for form in forms:
        masker = Masker([known])
        assert masker.mask(f"<{form}>") == f"<{REMOVED}>", form
        assert masker.count == 1


@pytest.mark.parametrize("user", ["a@b.co", "ab@b.co", "abc@b.co"])
def test_our_basic_header(user: str) -> None:
    """The header that our own requests carry is masked whole, wherever in the triplets of Base64 the token begins."""
    token = TOKENS["atlassian-api"]
    value = base64.b64encode(f"{user}:{token}".encode()).decode()
    for line in ("Authorization: Basic {}", "'Authorization': 'Basic {}',", "sent {} to the server"):
        assert mask(line.format(value), token) == line.format(REMOVED)


def test_count_adds_up() -> None:
    """The count is of all that was replaced, over all calls."""
    masker = Masker(["our-own-token"])
    masker.mask("our-own-token our-own-token")
    masker.mask(TOKENS["github"])
    assert masker.count == 3


def test_short_and_empty_credentials_are_ignored() -> None:
    """An empty or very short credential does not tear words apart."""
    assert mask("a text about it", "", "it", "about") == "a text about it"


def test_lines_stay_lines() -> None:
    """However much is replaced, the number of lines is the same, and nothing is replaced twice."""
    text = "\n".join([*TOKENS.values(), PEM.format("RSA ", MIXED), "PASSWORD=abcdefgh1"])
    masked = mask(text)
    assert masked.count("\n") == text.count("\n")
    again = Masker()
    assert again.mask(masked) == masked
    assert again.count == 0


@pytest.mark.parametrize(
    ("plugin", "line"),
    [
        (AWSKeyDetector(), TOKENS["aws-key-id"]),
        (AWSKeyDetector(), f"aws_secret_key = '{MIXED}'"),
        (AzureStorageKeyDetector(), f"AccountKey={MIXED}{MIXED}{MIXED[:8]}"),
        (BasicAuthDetector(), "https://ada:s3cret99@example.com/"),
        (GitHubTokenDetector(), f"ghr_{MIXED[:36]}"),
        (GitHubTokenDetector(), f"ghu_{MIXED[:36]}"),
        (GitLabTokenDetector(), f"glpat-{MIXED[:20]}"),
        (GitLabTokenDetector(), f"glrt-{MIXED[:20]}"),
        (JwtTokenDetector(), JWT),
        (NpmDetector(), f"//npm.example.com/:_authToken=npm_{MIXED[:36]}"),
        (NpmDetector(), "//npm.example.com/:_authToken=123e4567-e89b-12d3-a456-426614174000"),
        (OpenAIDetector(), TOKENS["openai"]),
        (PrivateKeyDetector(), "-----BEGIN RSA PRIVATE KEY-----"),
        (PrivateKeyDetector(), "-----BEGIN PGP PRIVATE KEY BLOCK-----"),
        (PypiTokenDetector(), TOKENS["pypi"]),
        (SendGridDetector(), TOKENS["sendgrid"]),
        (SlackDetector(), TOKENS["slack-bot"]),
        (SlackDetector(), "https://hooks.slack.com/services/" + "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"),
        (StripeDetector(), TOKENS["stripe"]),
        (StripeDetector(), f"rk_live_{MIXED[:24]}"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value[:16],
)
def test_as_detect_secrets(plugin: AWSKeyDetector, line: str) -> None:
    """What the maintained detectors of detect-secrets recognise is masked, so that they find nothing afterwards."""
    found = {str(secret) for secret in plugin.analyze_string(line)}
    assert found
    masked = mask(line)
    assert not found & {str(secret) for secret in plugin.analyze_string(masked)}
    assert REMOVED in masked


@pytest.mark.parametrize("path", sorted((DATA / "outputs").glob("*.txt")), ids=lambda path: path.stem)
def test_nothing_in_real_outputs(path: Path) -> None:
    """The tools' outputs hold no secret, and nothing in them is taken for one."""
    text = plain(path.read_bytes().decode())
    masker = Masker(["a-credential-of-ours"])
    assert masker.mask(text) == text


def test_nothing_in_captured_logs() -> None:
    """Nothing in the logs of the captured runs is taken for a secret."""
    logs = sorted(captures().glob("nx-*/**/*.log"))
    assert logs
    for log in logs:
        text = plain(log.read_bytes().decode(errors="replace"))
        assert mask(text) == text, log
