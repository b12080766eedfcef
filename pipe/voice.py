"""What the step's log says, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.publish import Result
from pipe.redact import Redactor
from pipe.variables import VARIABLES, given

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipe.publish import Outcome

_SIGNS = {Result.FAILED: "✗", Result.SKIPPED: "–", Result.LEFT: "–"}


class Voice:
    """Says what the step's log has: nothing reaches `out`, which prints a line, that has not been redacted."""

    def __init__(self, environ: Mapping[str, str], out: Callable[[str], None]) -> None:
        self.redactor = Redactor(known_secrets(environ))
        self._environ, self._out = environ, out
        self._said_unwritten = False

    def say(self, text: str) -> None:
        """Print a text, without secrets."""
        self._out(self.redactor.text(text))

    def debug(self, text: str) -> None:
        """Print what only those want to know who look for a mistake."""
        self.say(f"  · {text}")

    def outcome(self, outcome: Outcome) -> None:
        """Print what came of writing one thing."""
        text = outcome.text.removeprefix(f"{outcome.channel.lower()}: ")
        self.say(f"{_SIGNS.get(outcome.result, '✓')} {outcome.channel} {outcome.result.value}: {text}")

    def unwritten(self, path: str, error: OSError) -> None:
        """Say that the clone cannot be written to: once, for what holds for one file holds for all."""
        if not self._said_unwritten:
            self.say(f"! {path} could not be written ({error.strerror}); the report goes on")
        self._said_unwritten = True

    def say_fault(self, error: Exception) -> None:
        """Say that this pipe is at fault."""
        if self._environ.get("DEBUG", "").strip().lower() == "true":
            import traceback  # noqa: PLC0415

            self.say("".join(traceback.format_exception(error)))
        self.say(
            f"✗ Nx Report met a fault of its own ({type(error).__name__}). The step's result stands. "
            "Set DEBUG: 'true' to see where, and report it."
        )


def known_secrets(environ: Mapping[str, str]) -> list[str]:
    """The pipe's own credentials, whatever they are good for."""
    return [value for one in VARIABLES if one.secret and (value := given(environ, one.name))]
