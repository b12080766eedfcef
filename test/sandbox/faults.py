"""Ways in which a server or a network lets its client down, on purpose."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

# Stands in the HTML 404 page as the real one holds one; must never be seen in a log.
SESSION_TOKEN = "eyJzZXNzaW9uIjoic2FuZGJveC1zZXNzaW9uLXRva2VuIn0"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer given instead of the right one; nothing is done."""

    status: int
    body: str = ""
    content_type: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)


class Action(Enum):
    """What else can go wrong with a request."""

    HANG = "read the request, never answer"
    TRICKLE = "send the head of an answer, then a byte now and then, never the last"
    DROP = "close the connection before anything is done"
    LOSE = "do what is asked, then close the connection without an answer"
    HOLD = "wait until released, then go on as usual"


def rate_limited(retry_after: str | None = None) -> Answer:
    """429 as Cloud answers it: plain text, mostly without Retry-After (SharpBucket#108, jenkinsci#414)."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Answer(429, "Rate limit for this resource has been exceeded", headers=headers)


def server_error(status: int = 500) -> Answer:
    """5xx with an HTML page."""
    page = f"<!DOCTYPE html><html><head><title>{status}</title></head><body>Something went wrong</body></html>"
    return Answer(status, page, "text/html; charset=utf-8")


def not_found_page() -> Answer:
    """404 as HTML, about 25 KB with a session token in it, as Cloud answers on some paths."""
    page = f'<!DOCTYPE html><html><body data-session="{SESSION_TOKEN}">Not found{"<p>filler</p>" * 1900}</body></html>'
    return Answer(404, page, "text/html; charset=utf-8")


def login_page() -> Answer:
    """401 as a proxy or a login gateway before a Data Center answers it: HTML, with a session token in it."""
    page = f'<!DOCTYPE html><html><body data-session="{SESSION_TOKEN}"><form>Log in</form></body></html>'
    return Answer(401, page, "text/html;charset=UTF-8")


def json_answer(status: int, value: Any) -> Answer:
    """Any status with a JSON body."""
    return Answer(status, json.dumps(value), "application/json")


class Fault:
    """One fault that was asked for. `hits` counts the requests that met it."""

    def __init__(
        self, method: str, path: str, action: Answer | Action, *, times: int | None, skip: int, body: str
    ) -> None:
        """Use `Faults.add`."""
        self.action = action
        self.hits = 0
        self.reached = threading.Event()
        self.released = threading.Event()
        self._method = method
        self._path = re.compile(path)
        self._body = re.compile(body)
        self._times = times
        self._skip = skip

    def takes(self, method: str, path: str, body: str) -> bool:
        """Whether this request meets the fault; if so it is counted."""
        spent = self._times is not None and self.hits >= self._times
        if spent or method != self._method or not self._path.search(path) or not self._body.search(body):
            return False
        if self._skip:
            self._skip -= 1
            return False
        self.hits += 1
        return True

    def release(self) -> None:
        """Let go of the requests that hang, trickle or are held."""
        self.released.set()


class Faults:
    """The faults of one sandbox."""

    def __init__(self) -> None:
        """Start with none."""
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self,
        method: str,
        path: str,
        action: Answer | Action,
        times: int | None = 1,
        *,
        skip: int = 0,
        body: str = "",
    ) -> Fault:
        """Let the next `times` requests (None: all), after `skip` others, that fit meet the fault.

        A request fits if both regular expressions have a match: `path` in its path, which starts with `/2.0` or
        `/bitbucket/rest` and has no query, `body` in its body as it was sent (in JSON a line's end is two characters,
        and what is not ASCII may be written as an escape). Of several faults that fit, the first added is met first.
        `reached` is set when a request has met the fault. A held request goes on after `release`, for a hanging or
        trickling one the connection is closed then.
        """
        fault = Fault(method, path, action, times=times, skip=skip, body=body)
        with self._lock:
            self._faults.append(fault)
        return fault

    def match(self, method: str, path: str, body: bytes = b"") -> Fault | None:
        """Find the fault that this request meets."""
        text = body.decode(errors="replace")
        with self._lock:
            return next((fault for fault in self._faults if fault.takes(method, path, text)), None)

    def release(self) -> None:
        """Let go of everything that waits."""
        with self._lock:
            for fault in self._faults:
                fault.release()
