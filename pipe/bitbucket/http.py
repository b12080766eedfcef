"""One HTTP session: where it may go, how long it may take, when it tries again, and what its errors say."""

from __future__ import annotations

import re
from copy import copy
from os import SEEK_END
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import requests
from urllib3.util.retry import Retry

from pipe.bitbucket.errors import (
    TRY_AGAIN,
    AnswerLost,
    BitbucketError,
    Forbidden,
    MissingScope,
    NotFound,
    Rejected,
    Unauthorized,
    Unavailable,
)
from pipe.terminal import plain
from pipe.tls import Trusting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from pipe.clock import Clock
    from pipe.settings import Credential

_TRIES = 6
_ANSWER_SECONDS = 30.0
_PIECE = 1 << 16
# Carried out or not, these are worth another try: too many requests, and a server that is not well.
_TRY_AGAIN = {429, 500, 502, 503, 504}


class Http:
    """Signed requests to one API origin.

    Redirects are not followed and no other origin is ever addressed, so the credential cannot travel. Several threads
    may make requests at once. `deadline` is in the clock's monotonic seconds.
    """

    connect_seconds = 10.0
    # The variable that says where the API is, and what else can be done where it does not answer.
    variable = "BITBUCKET_API_URL"
    try_again = TRY_AGAIN

    def __init__(
        self,
        origin: str,
        credential: Credential | None,
        clock: Clock,
        debug: Callable[[str], None],
        authority: str | None = None,
    ) -> None:
        """Begin a session; `authority` is a file of certificates that are trusted beside the usual ones."""
        self.origin = origin
        self.deadline = float("inf")
        self._credential = credential
        self._clock = clock
        self._debug = debug
        self._session = requests.Session()
        # What the environment says of proxies and certificates, read once: requests does it for every request.
        found = self._session.merge_environment_settings(origin, {}, None, None, None)
        self._session.proxies, self._session.verify = found["proxies"], found["verify"]
        if authority:
            self._session.mount("https://", Trusting(authority))
        # Nor is a .netrc looked into, which would sign what is not signed here.
        self._session.trust_env = False
        self._session.auth = _sign(credential) if credential else None
        self._session.headers["Accept"] = "application/json"

    def until(self, deadline: float) -> Self:
        """The same session, with that deadline."""
        same = copy(self)
        same.deadline = deadline
        return same

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
        """Make a request until it is answered, refused or out of time; return the JSON of the answer.

        `path` is relative to the API's base, or an absolute address below it, as in a page's `next`. `what` says in
        messages what was tried. A request that is not `repeatable` is made again only if it surely was not carried out.

        Raises:
            BitbucketError: one of its kinds.

        """
        options: dict[str, Any] = {"json": json, "params": params}
        response = self._answer(method, path, what, lambda: options, repeatable=repeatable)
        return self._json(response, what, AnswerLost if not repeatable else Rejected)

    def fetch(self, path: str, what: str, limit: int) -> bytes:
        """Get a file to which the API redirects, from wherever that is and without the credential.

        Raises:
            BitbucketError: one of its kinds; Rejected for more than `limit` bytes too.

        """
        answer = self._answer("GET", path, what, lambda: {"stream": True}, repeatable=True)
        if answer.is_redirect:
            url = answer.headers["Location"]
            if not url.startswith(("https://", *([] if self.origin.startswith("https:") else ["http://"]))):
                raise Rejected(f"{what}: Bitbucket named an address without encryption, which is not followed")
            bare = requests.Session()
            bare.trust_env, bare.proxies, bare.verify = False, self._session.proxies, self._session.verify
            left = max(0.1, min(_ANSWER_SECONDS, self.deadline - self._clock.monotonic()))
            try:
                answer = bare.get(url, stream=True, timeout=(min(self.connect_seconds, left), left))
            except requests.RequestException:
                raise Unavailable(f"{what}: its address did not answer. {self.try_again}") from None
            if not answer.ok:
                raise Rejected(f"{what}: its address answers {answer.status_code}")
        data = bytearray()
        try:
            for piece in answer.iter_content(_PIECE):
                data += piece
                if len(data) > limit:
                    raise Rejected(f"{what}: is larger than {limit >> 20} MB")
        except requests.RequestException:
            raise Unavailable(f"{what}: the answer broke off. {self.try_again}") from None
        finally:
            answer.close()
        return bytes(data)

    def upload(self, path: str, what: str, name: str, file: BinaryIO) -> None:
        """Send a file, from its beginning at each try, as the form field `files`; it is never held in memory.

        `name` is what the file is called there: letters, digits and `._-`. Raises BitbucketError as `request` does.
        """

        def options() -> dict[str, Any]:
            form = _Form(name, file)
            return {"data": form, "headers": {"Content-Type": form.content_type}}

        self._answer("POST", path, what, options, repeatable=True)

    def _answer(
        self, method: str, path: str, what: str, options: Callable[[], dict[str, Any]], *, repeatable: bool
    ) -> requests.Response:
        """Make a request until it is answered with a success, or raise. `options` are the session's, for each try."""
        url = path if "://" in path else self.origin + path
        if not url.startswith(self.origin + "/") or "/../" in url:
            raise Rejected(f"{what}: Bitbucket named an address outside {self.origin}, which is not followed")
        policy = Retry(total=_TRIES, backoff_factor=1.0, backoff_jitter=1.0, backoff_max=30.0)
        while True:
            try:
                return self._attempt(method, url, what, options(), repeatable=repeatable)
            except Unavailable as problem:
                policy = policy.increment(method)
                wait = problem.wait or policy.get_backoff_time() or 1.0
                if not policy.total or wait >= self.deadline - self._clock.monotonic():
                    raise
            self._clock.sleep(wait)

    def _attempt(
        self, method: str, url: str, what: str, options: dict[str, Any], *, repeatable: bool
    ) -> requests.Response:
        """Make a request once."""
        started = self._clock.monotonic()
        left = self.deadline - started
        if left <= 0:
            raise Unavailable(f"{what}: TIMEOUT was reached before it could be tried. Raise TIMEOUT, or try again")
        try:
            response = self._session.request(
                method,
                url,
                timeout=(min(self.connect_seconds, left), min(_ANSWER_SECONDS, left)),
                allow_redirects=False,
                **options,
            )
        except requests.RequestException as error:
            self._debug(f"{method} {_path(url)}: {type(error).__name__} after {self._clock.monotonic() - started:.2f}s")
            raise self._unanswered(error, what, repeatable=repeatable) from None
        self._debug(f"{method} {_path(url)}: {response.status_code} in {self._clock.monotonic() - started:.2f}s")
        if response.ok and (options.get("stream") or not response.is_redirect):
            return response
        raise self._failed(response, what, repeatable=repeatable)

    def _json(self, response: requests.Response, what: str, kind: type[BitbucketError]) -> Any:  # noqa: ANN401
        """The JSON of an answer, None of an empty one; raises `kind` for anything else."""
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise kind(f"{what}: the answer is not JSON. Check {self.variable}") from None

    def _unanswered(self, error: requests.RequestException, what: str, *, repeatable: bool) -> BitbucketError:
        host = self.origin.split("/")[2]
        if isinstance(error, requests.exceptions.SSLError):
            return Rejected(
                f"{what}: {host} could not be trusted (TLS{_why(error)}). Where an authority of your own signs "
                "for it, give its certificates as CA_BUNDLE"
            )
        if isinstance(error, requests.exceptions.ProxyError):
            return Rejected(f"{what}: the proxy did not let the request through. Check HTTPS_PROXY and NO_PROXY")
        if isinstance(error, requests.exceptions.InvalidHeader | requests.exceptions.InvalidURL):
            return Rejected(f"{what}: the request could not be made. Check the token and {self.variable}")
        silent = isinstance(error, requests.exceptions.Timeout)
        text = f"{what}: {host} " + ("did not answer in time" if silent else "could not be reached, or broke off")
        connecting = isinstance(error, requests.exceptions.ConnectTimeout) or "NewConnectionError" in repr(error)
        if repeatable or connecting:
            return Unavailable(f"{text}. {self.try_again}")
        return AnswerLost(text)

    def _failed(self, response: requests.Response, what: str, *, repeatable: bool) -> BitbucketError:
        status = response.status_code
        said = f": {words}" if (words := self._said(response)) else ""
        if status == 401:  # noqa: PLR2004
            return Unauthorized(f"{what}: the token was not accepted (401){said}. {self._hint()}")
        if status == 403:  # noqa: PLR2004
            return self._forbidden(response, what, said)
        if status == 404:  # noqa: PLR2004
            return NotFound(f"{what}: not found (404){said}. It does not exist, or the token has no access to it")
        if status == 429:  # noqa: PLR2004
            return Unavailable(
                f"{what}: Bitbucket's rate limit is reached (429). It is counted over an hour; an access token "
                "(BITBUCKET_ACCESS_TOKEN) has an allowance of its own",
                wait=seconds(response),
            )
        if status == 409:  # noqa: PLR2004 - nothing was done, whatever the method
            return Unavailable(f"{what}: another write came in between (409){said}. {self.try_again}")
        if status in _TRY_AGAIN:
            text = f"{what}: Bitbucket had an error of its own ({status})"
            if repeatable:
                return Unavailable(f"{text}. {self.try_again}", wait=seconds(response))
            return AnswerLost(text)
        if response.is_redirect:
            return Rejected(
                f"{what}: redirected ({status}{_whither(response)}), which is not followed. Check {self.variable}"
            )
        return Rejected(f"{what}: Bitbucket rejected the request ({status}){said}")

    def _hint(self) -> str:
        """What to check where a token is not accepted."""
        if self._credential is None or self._credential.user is None:
            return "Check that BITBUCKET_ACCESS_TOKEN is an access token of this repository, project or workspace"
        if not self._credential.user_is_email:
            return (
                "BITBUCKET_USERNAME is in use: Bitbucket's REST API wants the e-mail of the Atlassian account "
                "(ATLASSIAN_ACCOUNT_EMAIL); the username is for git alone"
            )
        return (
            "Check that ATLASSIAN_ACCOUNT_EMAIL is the e-mail of the token's account and that ATLASSIAN_API_TOKEN is "
            "an API token with scopes for Bitbucket that has not expired"
        )

    def _forbidden(self, response: requests.Response, what: str, said: str) -> BitbucketError:
        """Which scope is missing where the error's detail says so, else what else it can be.

        The scope headers are told only: a classic scope implies others, so they prove nothing.
        """
        detail = _error(response).get("detail")
        granted = _scopes(detail, "granted")
        text = f"{what}: not allowed (403){said}"
        if missing := [scope for scope in _scopes(detail, "required") if scope not in granted]:
            has = f" It has {', '.join(granted)}." if granted else ""
            hint = f"The token lacks the scope {', '.join(missing)}.{has} Make a token that has it too"
            return MissingScope(text, hint)
        wants, has = (response.headers.get(f"X-{name}Oauth-Scopes", "") for name in ("Accepted-", ""))
        scopes = f" (Bitbucket asks for the scope {plain(wants)[:200]}, the token has {plain(has)[:200]})"
        return Forbidden(text, f"The token's account needs access to the repository{scopes if wants else ''}")

    def _said(self, response: requests.Response) -> str:
        """Bitbucket's own words from a JSON error, with the fields it names, in one short line; "" without any."""
        error = _error(response)
        words = [said if isinstance(said := error.get("message"), str) else ""]
        fields = error.get("fields")
        if isinstance(fields, dict):
            words += [f"{name}: {one[0] if isinstance(one, list) and one else one}" for name, one in fields.items()]
        return short(words)


def _sign(credential: Credential) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Basic for an API token, Bearer for an access token; as the toolkit's `resolve_auth`, which can exit."""
    from bitbucket_pipes_toolkit import TokenAuth  # noqa: PLC0415 - settings has imported it long since
    from requests.auth import HTTPBasicAuth  # noqa: PLC0415

    signer: Any = HTTPBasicAuth(credential.user, credential.secret) if credential.user else TokenAuth(credential.secret)
    return signer  # type: ignore[no-any-return]


def _error(response: requests.Response) -> dict[str, Any]:
    """The `error` object of Bitbucket's JSON errors, else an empty one: other bodies are never shown.

    Some are flat (`{"code": 400, "message": "Bulk upload supports a maximum of /100 annotations."}`, mc1arke#209).
    """
    try:
        content = response.json()
    except ValueError:
        return {}
    if not isinstance(content, dict):
        return {}
    error = content.get("error", content)
    return error if isinstance(error, dict) else {}


def short(words: Iterable[str]) -> str:
    """Words of an answer as one short line, each once."""
    text = " · ".join(dict.fromkeys(" ".join(plain(word).split()) for word in words if word))
    return text[:300].rstrip(". ")


def _scopes(detail: object, key: str) -> list[str]:
    value = detail.get(key) if isinstance(detail, dict) else None
    return [plain(str(scope))[:80] for scope in value[:20]] if isinstance(value, list) else []


def seconds(response: requests.Response) -> float | None:
    """The pause that Retry-After asks for, in seconds; its other form, a date, was never seen of Bitbucket."""
    after = response.headers.get("Retry-After", "").strip()
    return float(after) if re.fullmatch(r"[0-9]{1,6}", after) else None


def _whither(response: requests.Response) -> str:
    """Where a redirect goes, without what may be secret of it."""
    found = re.match(r"(?:https?://[\w.:-]+)?/[\w./-]*", response.headers.get("Location", ""))
    return f" to {found[0][:120]}" if found else ""


def _why(error: requests.RequestException) -> str:
    """What is wrong with a certificate, in OpenSSL's words."""
    found = re.search(r"certificate verify failed: ([\w ,.':*-]{1,160})", str(error))
    return f": {found[1].strip(' .')}" if found else ""


def _path(url: str) -> str:
    return "/" + url.split("://", 1)[-1].partition("/")[2]


class _Form:
    """A form with one file (RFC 7578), read while it is sent: requests takes it for a stream of a known length."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        boundary = uuid4().hex
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._file = file
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._size = file.seek(0, SEEK_END)

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        self._file.seek(0)
        left = self._size
        while left:
            piece = self._file.read(min(left, _PIECE))
            if not piece:
                raise OSError("the file has become shorter")  # what is announced has to be sent
            left -= len(piece)
            yield piece
        yield self._tail
