"""The session with a Bitbucket Data Center: its headers, its errors, and the characters that its database refuses."""

from __future__ import annotations

import json as _json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipe import emoji
from pipe.bitbucket.errors import (
    AnswerLost,
    BitbucketError,
    Conflict,
    Forbidden,
    NotFound,
    Nowhere,
    Rejected,
    Unauthorized,
    Unavailable,
)
from pipe.bitbucket.http import Http, seconds, short

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from pipe.clock import Clock
    from pipe.model import BuildStatus, Comment
    from pipe.settings import Credential

_ESCAPED = re.compile(rb"\\ud[89ab][0-9a-f]{2}", re.IGNORECASE)


class _NotStored(Rejected):
    """The database has refused a character of the text; nothing was stored."""


@dataclass(slots=True)
class Seen:
    """What is known of the comments on a pull request: ours by id, and up to which activity all were looked through.

    `upto` is None where the order of the activities is not to be relied on.
    """

    ours: dict[int, Comment]
    upto: int | None = None


@dataclass(slots=True)
class Shared:
    """What one process learns of a server, whichever deadline it has at the moment.

    `accepted` says that a signed request was answered, `user` whom the server takes the token's owner for, `ascii` that
    the database refuses characters of four bytes, `legacy` that there is no builds API. `keys` are reports' keys by the
    one that was asked for, `sent` the build statuses as they were sent, each by commit and key.
    """

    accepted: bool = False
    user: str = ""
    ascii: bool = False
    legacy: bool = False
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    sent: dict[tuple[str, str], tuple[BuildStatus, dict[str, Any]]] = field(default_factory=dict)
    seen: dict[int, Seen] = field(default_factory=dict)


class Server(Http):
    """Signed requests to one Data Center, `url` with its context path. `say` is told what a reader should know."""

    variable = "BITBUCKET_URL"
    try_again = "Try again, or ask whoever runs this Bitbucket"

    def __init__(
        self,
        url: str,
        credential: Credential | None,
        clock: Clock,
        debug: Callable[[str], None],
        authority: str | None = None,
        *,
        ascii_only: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Begin a session; with `ascii_only` no character of four bytes is ever sent."""
        super().__init__(f"{url}/rest", credential, clock, debug, authority)
        self.say = say
        self.shared = Shared(ascii=ascii_only)
        self._tokens = f"{url}/plugins/servlet/access-tokens/manage"
        # Else a request may be taken for one that a page in a browser was made to send: 403 "XSRF check failed"
        # (https://confluence.atlassian.com/kb/rest-api-calls-with-a-browser-user-agent-header-may-fail-csrf-checks-802591455.html).
        self._session.headers["X-Atlassian-Token"] = "no-check"

    def request(
        self,
        method: str,
        path: str,
        what: str,
        *,
        json: object = None,
        params: dict[str, str] | None = None,
        repeatable: bool = True,
    ) -> Any:  # noqa: ANN401 - JSON
        """As of any session; what holds characters that the database refuses is sent again without them."""
        body = _without(json) if self.shared.ascii else json
        try:
            return super().request(method, path, what, json=body, params=params, repeatable=repeatable)
        except _NotStored:
            self._learn_ascii()
            return super().request(method, path, what, json=_without(json), params=params, repeatable=repeatable)

    def _learn_ascii(self) -> None:
        if not self.shared.ascii:
            self.shared.ascii = True
            self.say(
                "! this Bitbucket's database refuses emoji and other characters of four bytes: a box stands for "
                "each. Set EMOJI: ascii, which saves the attempt"
            )

    def _answer(
        self, method: str, path: str, what: str, options: Callable[[], dict[str, Any]], *, repeatable: bool
    ) -> requests.Response:
        answer = super()._answer(method, path, what, options, repeatable=repeatable)
        self.shared.accepted = True
        self.shared.user = answer.headers.get("X-AUSERNAME") or self.shared.user
        return answer

    def _failed(self, response: requests.Response, what: str, *, repeatable: bool) -> BitbucketError:
        status = response.status_code
        said = f": {words}" if (words := self._said(response)) else ""
        match status:
            case 401:
                return self._unauthorized(response, what, said)
            case 404 | 405:
                return self._not_found(response, f"{what}: not found ({status}){said}")
            case 429:
                return Unavailable(
                    f"{what}: this Bitbucket's rate limit is reached (429). Whoever runs it can raise that of the "
                    "token's user",
                    wait=seconds(response),
                )
            case 409 if re.search("/(?:comments|reports)(?:[/?]|$)", response.url):
                return Conflict(f"{what}: it has changed meanwhile, or something hangs on it (409){said}")
            case 500 if _holds_emoji(response.request):
                if repeatable or any("DataStore" in name for name in _parts(response, "exceptionName")):
                    return _NotStored(f"{what}: Bitbucket had an error of its own (500){said}. {self.try_again}")
                self._learn_ascii()  # whether it was stored or not, the next try is without
                return AnswerLost(f"{what}: Bitbucket had an error of its own (500)")
        return super()._failed(response, what, repeatable=repeatable)

    def _not_found(self, response: requests.Response, text: str) -> NotFound:
        names = " ".join(_parts(response, "exceptionName"))
        if "NoSuchCommitException" in names:
            return Nowhere(f"{text}. Set COMMIT to one that Bitbucket knows")
        text = f"{text}. It does not exist, or the token has no access to it. Check "
        if "NoSuchRepositoryException" in names or "NoSuchProjectException" in names:
            return Nowhere(f"{text}PROJECT_KEY and REPOSITORY_SLUG")
        return NotFound(f"{text}BITBUCKET_URL with its context path, PROJECT_KEY and REPOSITORY_SLUG")

    def _unauthorized(self, response: requests.Response, what: str, said: str) -> BitbucketError:
        """401 is also what a token gets that is known and may not do this (the API's own words on status codes)."""
        known = self.shared.accepted or "X-AUSERNAME" in response.headers
        if known or any("AuthorisationException" in name for name in _parts(response, "exceptionName")):
            return Forbidden(f"{what}: the token may not do this (401){said}", self._hint())
        return Unauthorized(f"{what}: the token was not accepted (401){said}. {self._hint()}")

    def _forbidden(self, response: requests.Response, what: str, said: str) -> BitbucketError:
        return Forbidden(f"{what}: not allowed ({response.status_code}){said}", self._hint())

    def _hint(self) -> str:
        return (
            "BITBUCKET_ACCESS_TOKEN has to be an HTTP access token of a user with write access to the repository that "
            f"has not expired. That user makes one under Manage account > HTTP access tokens ({self._tokens})"
        )

    def _said(self, response: requests.Response) -> str:
        """Bitbucket's own words from its JSON errors; "" without any."""
        return short(_parts(response, "message"))


def _parts(response: requests.Response, name: str) -> list[str]:
    """That part of each of the errors in an answer."""
    try:
        content = response.json()
    except ValueError:
        return []
    errors = content.get("errors") if isinstance(content, dict) else None
    found = [one.get(name) for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    return [text for text in found if isinstance(text, str)]


def _holds_emoji(request: requests.PreparedRequest) -> bool:
    body = request.body
    return isinstance(body, bytes) and _ESCAPED.search(body) is not None


def _without(content: object) -> object:
    """A body without characters of four bytes, in its texts and names."""
    return None if content is None else _json.loads(emoji.without(_json.dumps(content, ensure_ascii=False)))
