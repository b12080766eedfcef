"""What Java's tools print: javac, also where Maven and Gradle run it; of failed tests Surefire, Gradle and JUnit.

A stack has the file without its folder, which the class's package tells, as seen from a folder of sources.
"""

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
    """Read a failed test: `[ERROR] test(pkg.Class)  Time elapsed: … <<< FAILURE!`, the exception, its stack."""
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
            place = _frame(lines[below])
            if place:
                yield _failure(number, below + 1, place, (head[1], lines[number + 1]), "surefire")
                break


def read_gradle(lines: Sequence[str]) -> Iterator[Found]:
    """Read `Class > test FAILED`, and further in the exception with its file, or with its stack below it."""
    for number, line in enumerate(lines[:-1]):
        if not line.endswith(" FAILED") or " > " not in line[:WIDEST]:
            continue
        shape = r"    ((?:\w+\.)*[\w$]+)(?: at (\w+\.(?:java|kt|groovy)):(\d{1,7})|: .*)?$"
        head = regex(shape).match(lines[number + 1][:WIDEST])
        name = line[:WIDEST].removesuffix(" FAILED")
        if head and head[2]:
            package, _, own = name.partition(" > ")[0].rpartition(".")
            path = "/".join([*package.split("."), head[2]]) if package and head[2].startswith(f"{own}.") else head[2]
            yield _failure(number, number + 2, (path, int(head[3])), (name, head[1]), "gradle")
        elif head:
            stack = _stack(lines, number + 2, "        at ")
            if stack:
                yield _failure(number, stack[1], stack[0], (name, lines[number + 1]), "gradle")


def read_junit(lines: Sequence[str]) -> Iterator[Found]:
    """Read what JUnit's console launcher lists of a failed test: its name, its source, `=> exception`, the stack."""
    for number in range(2, len(lines)):
        line = lines[number][:WIDEST]
        if line.startswith("    => ") and regex(r"    \w+Source \[").match(lines[number - 1]):
            stack = _stack(lines, number + 1, "       ")
            if stack:
                name = lines[number - 2][:WIDEST].strip().partition(":")[2]
                yield _failure(number - 2, stack[1], stack[0], (name, line[7:]), "junit")


def _failure(first: int, end: int, place: tuple[str, int], words: tuple[str, str], tool: str) -> Found:
    text = message_of(f"{words[0]}: ", words[1])
    return Found(first, end, Problem(*place, None, Severity.ERROR, text, None, tool))


def _stack(lines: Sequence[str], start: int, margin: str) -> tuple[tuple[str, int], int] | None:
    """Give the first frame of a stack that is the workspace's, and the line after it; a message may go on before."""
    framed = False
    for number in range(start, min(len(lines), start + _TRACE)):
        place = _frame(lines[number])
        if place:
            return place, number + 1
        framed = framed or "(" in lines[number] and lines[number].startswith(margin)  # noqa: RUF021
        if not lines[number].startswith(" ") and (framed or lines[number].strip()):
            break
    return None


def _frame(line: str) -> tuple[str, int] | None:
    """Read a frame that is not Java's own nor a test framework's; modules and loaders stand before the class."""
    shape = r"\s+(?:at )?(?:[\w.@-]*/)*([\w.$]+)\.[\w$<>]+\((\w+\.(?:java|kt|groovy)):(\d{1,7})\)$"
    found = regex(shape).match(line[:WIDEST])
    if not found or found[1].startswith(_FOREIGN):
        return None
    return "/".join([*found[1].split(".")[:-1], found[2]]), int(found[3])


TOOLS: tuple[Tool, ...] = (
    Tool("javac", (".java:",), read_java),
    Tool("surefire", ("<<< FAILURE!", "<<< ERROR!"), read_surefire),
    Tool("gradle", (" FAILED\n",), read_gradle),
    Tool("junit", ("Source [className = ",), read_junit),
)
