"""One run of the pipe: what it was told, where it is, how long it has, and how it speaks."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from pipe.build import Build
    from pipe.checkout import Checkout
    from pipe.clock import Clock
    from pipe.making import Maker
    from pipe.settings import Settings
    from pipe.voice import Voice

# What is cut off by the alarm, not by its own deadline, gets so many seconds more.
LAST_WORDS = 1.0


class OutOfTime(BaseException):
    """A stage's time is over; not an Exception, so that nothing on the way takes it for its own."""


class Timer:
    """Gives each stage its part of the time, so that the next one gets its turn on a server that hangs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def share(self, end: float, share: float) -> float:
        """The moment at which that share of the time to `end` is over, in the clock's monotonic seconds."""
        now = self._clock.monotonic()
        return now + (end - now) * share

    def stop_at(self, moment: float) -> None:
        """Raise OutOfTime in what runs then: the timeout of a read does not end an answer that comes byte by byte."""
        signal.signal(signal.SIGALRM, _out_of_time)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, moment - self._clock.monotonic()))

    def stop_nothing(self) -> None:
        """Take back what `stop_at` asked for."""
        signal.setitimer(signal.ITIMER_REAL, 0)


@dataclass(frozen=True)
class Work:
    """What a run of the pipe has to do; `end` is in the clock's monotonic seconds."""

    environ: Mapping[str, str]
    working_directory: str
    options: Settings
    build: Build
    checkout: Checkout
    make: Maker
    clock: Clock
    timer: Timer
    end: float
    voice: Voice

    @property
    def number(self) -> int | None:
        """The pull request's number where it is known beforehand."""
        wanted = self.options.pull_request
        return wanted if isinstance(wanted, int) else self.build.pull_request

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts whose pages may be linked besides Nx Cloud's own: those that the settings name."""
        urls = (self.options.run_url, self.options.cloud_api, self.options.report_url)
        return frozenset(urlsplit(url).netloc.lower() for url in urls if url)

    @property
    def step_name(self) -> str:
        """The step's name, "" where it has none."""
        return self.voice.redactor.line(self.options.step_name) if self.options.step_name else ""

    @property
    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(self.clock.now().timestamp() * 1000)

    @property
    def writes(self) -> bool:
        """Whether anything may be written to Bitbucket under the user's name."""
        return not self.options.dry_run and self.options.credential is not None

    def share(self, share: float) -> float:
        """The moment at which that share of the time that is left is over."""
        return self.timer.share(self.end, share)

    def debug(self, text: str) -> None:
        """Print it where DEBUG asks for it."""
        if self.options.debug:
            self.voice.debug(text)


def _out_of_time(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise OutOfTime
