"""What Java's tools print: javac, also where Maven and Gradle run it, and Maven's Surefire of failed tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Problem, Severity
from pipe.problems.reader import WIDEST, Found, Tool, message_of, regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CONTINUED = 12  # lines that a message goes on for
_TRACE = 400  # lines of a stack that are looked at
_SEVERITIES = {
    "error": Severity.ERROR,
    "warning": Severity.WARNING,
    "ERROR": Severity.ERROR,
    "WARNING": Severity.WARNING,
}
# Packages whose classes are no test's own.
_FOREIGN = ("java.", "javax.", "jdk.", "sun.", "kotlin.", "org.junit.", "junit.", "org.testng.", "org.hamcrest.",
            "org.assertj.", "org.mockito.", "org.apache.maven.", "org.opentest4j.", "org.gradle.")  # fmt: skip


def read_java(lines: Sequence[str]) -> Iterator[Found]:
    """Read javac's `File.java:12: error: message`, the line, a caret under it; Maven's `/File.java:[12,5] message`."""
    number = 0
    while number < len(lines):
        line = lines[number][:WIDEST]
        first = number
        number += 1
        if ".java:" not in line:
            continue
        maven = regex(r"\[(ERROR|WARNING)\] (/\S.*?\.java):\[(\d{1,7}),(\d{1,7})\] (.+)$").match(line)
        javac = (
            None
            if maven
            else regex(r"(?::\w+)?(\S.*?\.java):(\d{1,7}): (error|warning): (?:\[(\w+)\] )?(.+)$").match(line)
        )
        place: tuple[str, int, int | None]
        if maven:
            place = (maven[2], int(maven[3]), int(maven[4]))
            severity, rule, words = _SEVERITIES[maven[1]], None, maven[5]
        elif javac:
            caret = lines[number + 1][:WIDEST] if number + 1 < len(lines) else ""
            column = caret.index("^") + 1 if caret.strip() == "^" else None
            number += 2 if column else 0
            place = (javac[1], int(javac[2]), column)
            severity, rule, words = _SEVERITIES[javac[3]], javac[4], javac[5]
        else:
            continue
        more = []
        while number < min(len(lines), first + _CONTINUED):
            detail = regex(r"(?:\[ERROR\] )?  (?:(symbol|required|found|reason): +)?(\S.*)$").match(
                lines[number][:WIDEST]
            )
            if not detail:
                break
            more.extend([f"{detail[1]}: {detail[2]}"] if detail[1] in ("symbol", "found", "required") else [])
            number += 1
        words = "; ".join([words.rstrip(";: "), *more])
        yield Found(first, number, Problem(*place, severity, message_of(words), rule, "javac"))


def read_surefire(lines: Sequence[str]) -> Iterator[Found]:
    """Read a failed test: `[ERROR] test(pkg.Class)  Time elapsed: … <<< FAILURE!`, the exception, its stack.

    A stack has the file without its folder, which the class's package tells, as seen from a folder of sources.
    """
    for number, line in enumerate(lines):
        if "<<< " not in line[:WIDEST]:
            continue
        shape = r"(?:\[ERROR\] +)?(\S.*?)  ?(?:-- )?Time elapsed: .* <<< (?:FAILURE|ERROR)!$"
        head = regex(shape).match(line[:WIDEST].rstrip())
        if not head or number + 1 >= len(lines) or not lines[number + 1].strip():
            continue
        for below in range(number + 2, min(len(lines), number + 2 + _TRACE)):
            if not lines[below].strip() or lines[below].startswith("[ERROR]") or "<<< " in lines[below][:WIDEST]:
                break
            found = regex(r"\s+at (?:[\w.@-]+/)*([\w.$]+)\.[\w$<>]+\((\w+\.(?:java|kt)):(\d{1,7})\)$").match(
                lines[below][:WIDEST]
            )
            if found and not found[1].startswith(_FOREIGN):
                folder = "/".join(found[1].split(".")[:-1])
                path = f"{folder}/{found[2]}" if folder else found[2]
                words = message_of(f"{head[1]}: ", lines[number + 1])
                yield Found(
                    number, below + 1, Problem(path, int(found[3]), None, Severity.ERROR, words, None, "surefire")
                )
                break


TOOLS: tuple[Tool, ...] = (
    Tool("javac", (".java:",), read_java),
    Tool("surefire", ("<<< FAILURE!", "<<< ERROR!"), read_surefire),
)
