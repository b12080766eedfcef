"""What can go wrong at the edge, each with the text that its reader needs: what happened, why, what to do."""

from __future__ import annotations

TRY_AGAIN = "Try again, or see https://bitbucket.status.atlassian.com"


class BitbucketError(Exception):
    """A request that failed for good. The text is safe to print: no secret, no body of an answer."""


class Unauthorized(BitbucketError):
    """401: the token is not accepted at all."""


class Forbidden(BitbucketError):
    """403: the token lacks a scope or permission, or the thing is another account's. `head` says what, without why."""

    def __init__(self, head: str, hint: str) -> None:
        super().__init__(f"{head}. {hint}")
        self.head = head


class NotYours(Forbidden):
    """The thing is there and belongs to another account or token."""


class MissingScope(Forbidden):
    """403 that names a scope which the token lacks."""


class NotFound(BitbucketError):
    """404: it does not exist, or the token may not see it."""


class Nowhere(NotFound):
    """404 that says what is missing: the commit, the repository or the project, and so all that would be on it."""


class Rejected(BitbucketError):
    """Another 4xx: Bitbucket understood the request and does not accept it."""


class Conflict(BitbucketError):
    """409: the thing has changed since it was read, or something hangs on it."""


class Unavailable(BitbucketError):
    """No usable answer in time: 429, 5xx, no connection, silence. The request can be made again.

    `wait` is the pause that the server asked for, in seconds.
    """

    def __init__(self, text: str, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait


class AnswerLost(BitbucketError):
    """The request was sent and no answer came: it may have been carried out or not."""
