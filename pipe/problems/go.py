"""What Go's tools print: the compiler, vet, `go test`, and panics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Problem, Severity
from pipe.problems.reader import WIDEST, Found, Tool, message_of, regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CONTINUED = 12  # lines that a message goes on for
# Words of a line that says why a test failed, beside those of a line that it logs.
_FAULT = (
    r"(?i)\b(?:got|want(?:s|ed)?|expect\w*|actual|error|errors|fail\w*|unexpected|invalid|mismatch|not|no|cannot|can't|"
    r"should|must|missing|wrong|panic|differs?|nil)\b|[!=]="
)
_TRACE = 400  # lines of a stack that are looked at


def read_go(lines: Sequence[str]) -> Iterator[Found]:
    """Read what the compiler and vet print: `file:line:column: message`, lines further in belong to the message.

    Paths are relative to where go was run.
    """
    number = 0
    while number < len(lines):
        found = regex(r"(?:vet: )?([^\s{]\S*\.go):(\d{1,7}):(\d{1,7}): (.+)$").match(lines[number][:WIDEST])
        first = number
        number += 1
        if found:
            words = [found[4]]
            while number < min(len(lines), first + _CONTINUED) and lines[number].startswith("\t"):
                words.append(lines[number].strip())
                number += 1
            place = (found[1], int(found[2]), int(found[3]))
            yield Found(first, number, Problem(*place, Severity.ERROR, message_of(*words), None, "go"))


def read_go_test(lines: Sequence[str]) -> Iterator[Found]:
    """Read what `go test` prints of tests that failed: `--- FAIL: Name`, and `file:line: message` further in.

    The names of files have no folder, but in testify's table. With `-v` the lines come first, between `=== RUN Name`
    and the result. Nothing tells what a test logs from what fails it: where some of its lines speak of a failure, only
    those count, else the last one.
    """
    test = ""  # whose lines these are
    said: dict[str, list[Found]] = {}
    failed: set[str] = set()
    number = 0
    while number < len(lines):
        line = lines[number][:WIDEST]
        first = number
        number += 1
        if line.startswith(("=== RUN ", "=== CONT ", "=== NAME ")):
            test = line.split()[-1]
            continue
        result = regex(r" *--- (FAIL|PASS|SKIP): (\S+)").match(line)
        if result:
            test = result[2]
            if result[1] == "FAIL":
                failed.add(test)
            continue
        found = regex(r" {4,}(\S+\.go):(\d{1,7}): ?(.*)$").match(line) if test else None
        if found:
            number = _end_of_message(lines, number, len(line) - len(line.lstrip()))
            body = [each[:WIDEST] for each in lines[first + 1 : number]]
            trace = regex(r" *\tError Trace:\t(/\S+\.go):\d").match(body[0]) if body else None
            words = message_of(f"{test}: {_go_words([found[3], *body])}")
            path = trace[1] if trace else found[1]
            problem = Problem(path, int(found[2]), None, Severity.ERROR, words, None, "go test")
            said.setdefault(test, []).append(Found(first, number, problem))
        elif line.startswith(("FAIL\t", "ok  \t")):  # the end of a package
            yield from _of_failed(said, failed)
            test = ""
    yield from _of_failed(said, failed)


def _of_failed(said: dict[str, list[Found]], failed: set[str]) -> list[Found]:
    """Give what made tests fail, in order of lines, and forget what was said."""
    chosen: list[Found] = []
    for test, founds in said.items():
        if test in failed:
            telling = [found for found in founds if regex(_FAULT).search(found.problem.message, len(test) + 2)]
            chosen.extend(telling or founds[-1:])
    said.clear()
    failed.clear()
    return sorted(chosen, key=lambda found: found.first)


def _end_of_message(lines: Sequence[str], start: int, margin: int) -> int:
    deeper = " " * (margin + 4)
    number = start
    while number < min(len(lines), start + _TRACE) and lines[number].startswith(deeper):
        if regex(r" *(?:--- (?:FAIL|PASS|SKIP): |\S+\.go:\d{1,7}: )").match(lines[number][:WIDEST]):
            break
        number += 1
    return number


def _go_words(texts: Sequence[str]) -> str:
    """Give a message on one line; of testify's table, what it calls the error, to the difference, and the message."""
    words = []
    table = any(regex(r" *\tError Trace:").match(text) for text in texts[:3])
    wanted = not table
    for text in texts[:_CONTINUED]:
        field = regex(r" *\t([A-Z][\w ]*): *\t(.*)$").match(text[:WIDEST]) if table else None
        if field:
            wanted = field[1] in ("Error", "Messages")
        wanted = wanted and text.strip() != "Diff:"
        if wanted and text.strip():
            words.append(" ".join((field[2] if field else text[:WIDEST]).split()))
    return " ".join(words) or "failed"


def read_go_panic(lines: Sequence[str]) -> Iterator[Found]:
    """Read a panic: its message, `goroutine 1 [running]:`, and a stack, whose files are absolute."""
    test = ""
    number = 0
    while number < len(lines):
        line = lines[number][:WIDEST]
        first = number
        number += 1
        failed = regex(r" *--- FAIL: (\S+)").match(line)
        if failed and not test.startswith(f"{failed[1]}/"):
            test = failed[1]
        elif line.startswith(("FAIL", "ok ")):
            test = ""
        if not line.startswith(("panic: ", "fatal error: ")):
            continue
        stack = next(
            (
                each
                for each in range(number, min(len(lines), number + _CONTINUED))
                if lines[each].startswith("goroutine ")
            ),
            None,
        )
        if stack is None:
            continue
        place, end = _go_frame(lines, stack + 1)
        if place:
            text = regex(r" \[recovered[^\]]*\]$").sub("", line.strip())
            words = message_of(": ".join(filter(None, (test, text))))
            yield Found(first, end, Problem(*place, None, Severity.ERROR, words, None, "go"))
        number = end


def _go_frame(lines: Sequence[str], start: int) -> tuple[tuple[str, int] | None, int]:
    """Give the first frame that is not Go's own nor a module's, and where the stack ends."""
    place = None
    end = start
    roots = ["/pkg/mod/", "/vendor/"]
    for number in range(start, min(len(lines), start + _TRACE)):
        end = number
        if not lines[number].strip() or lines[number].startswith(("FAIL", "ok ", "exit status", "# ", "goroutine ")):
            break
        found = regex(r"\t(\S.*\.go):(\d{1,7})(?: \+0x[0-9a-f]+)?$").match(lines[number][:WIDEST])
        own = regex(r"(.*/src/)(?:runtime|testing)/").match(found[1]) if found else None
        if own:
            roots.append(own[1])
        elif found and not place and not any(root in found[1] for root in roots):
            place = (found[1], int(found[2]))
    return place, end


def read_go_json(lines: Sequence[str]) -> Iterator[Found]:
    """Read `go test -json`: events, a line each, with pieces of what `go test` prints, of all packages in turn."""
    found = []
    for texts, numbers in _packages(lines).values():
        for read in (read_go, read_go_test, read_go_panic):
            found += [Found(numbers[each.first], numbers[each.first] + 1, each.problem) for each in read(texts)]
    yield from sorted(found, key=lambda each: each.first)


def _packages(lines: Sequence[str]) -> dict[str, tuple[list[str], list[int]]]:
    """Give what was printed of each package: its lines, and the number of the event with which each began."""
    import json  # noqa: PLC0415 - few print it

    packages: dict[str, tuple[list[str], list[int]]] = {}
    whole: dict[str, bool] = {}
    for number, line in enumerate(lines):
        if not line.startswith("{") or '"Output":"' not in line:
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        name = str(event.get("Package") or event.get("ImportPath"))
        text = str(event["Output"])
        texts, numbers = packages.setdefault(name, ([], []))
        if not whole.get(name, True):
            texts[-1] += text.rstrip("\n")
        else:
            texts.append(text.rstrip("\n"))
            numbers.append(number)
        whole[name] = text.endswith("\n")
    return packages


TOOLS: tuple[Tool, ...] = (
    Tool("go", (".go:",), read_go),
    Tool("go test", ("--- FAIL: ",), read_go_test),
    Tool("go", ("goroutine ",), read_go_panic),
    Tool("go test", ('"Action":"',), read_go_json),
)
