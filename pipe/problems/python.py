"""What Python's tools print: pytest in each of its styles, unittest, mypy, ruff (flake8 prints alike), formatters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipe.model import Problem, Severity
from pipe.problems.reader import WIDEST, Found, Tool, message_of, regex

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Sequence

_FOREIGN = ("site-packages/", "dist-packages/", "<frozen ", "/lib/python3", "/.pyenv/", "<string>", "<stdin>")
_WRAPPED = 6  # lines that one message of mypy takes at most
_ITEM = 20_000  # lines of one failure that are looked at
_SECTION = r"=+ (.*) =+$"
_HEAD = r"_{2,} (.+?) _{2,}$"
_PLACED = r"(?!::)(.+?\.(?:pyi?|ipynb)):(\d{1,7}):(\d{1,7}): "
_CONCISE = _PLACED + r"([A-Z]+\d+|invalid-syntax|SyntaxError|E999):? (.+)$"
_NAMED = _PLACED + r"(?!(?:error|warning|note|info)\b)([a-z][a-z0-9]*(?:-[a-z0-9]+)*): (?!\d)(.+)$"
_BRACKETED = (
    r"(.+?\.(?:pyi?|ipynb)):(\d{1,7}): \[([A-Z]{1,6}\d{1,5}|[a-z]+(?:-[a-z]+)+)"
    r"(?:\(([a-z][a-z0-9-]*)\), [^\]]*)?\] (.+)$"
)
_UNREADABLE = (
    r"error: cannot (?:format (\S.*?): Cannot parse[^:]*: (\d{1,7}):(\d{1,6}): "
    r"|parse: (\S.*):(\d{1,7}):(\d{1,6})$)"
)
_CHAINED = ("The above exception was", "During handling of the above")


class _Place(NamedTuple):
    path: str
    line: int | None


def read_pytest(lines: Sequence[str]) -> Iterator[Found]:
    """Read pytest's failures, then from its summary those that are told of nowhere else.

    The place is the last frame of the workspace's own, where the exception was raised. The summary has a test's name
    where the style `line` leaves it out, and its file alone where there is no traceback at all.
    """
    summary = _summary(lines)
    named: dict[str, list[str]] = {}  # by what they say, the last one first
    for test, _, words, _ in reversed(summary):
        named.setdefault(words, []).append(test)
    told: set[str] = set()
    inside = False
    number = 0
    while number < len(lines):
        line = lines[number][:WIDEST]
        first = number
        number += 1
        section = regex(_SECTION).match(line) if line.startswith("=") else None
        if section:
            inside = section[1] in ("ERRORS", "FAILURES")
            continue
        head = regex(_HEAD).match(line) if line.startswith("__") and inside else None
        name = head[1] if head else "conftest" if line.startswith("ImportError while loading conftest") else ""
        if name:
            number, printed = _end_of_item(lines, number)
            place, words = _failure([each[:WIDEST] for each in lines[first + 1 : printed]])
            if place:
                told.add(_plain_name(name.removeprefix("[doctest] ")))
                yield _found(first, number, "" if name == "conftest" else name, words, place)
        elif inside:  # the style `line`
            alone = regex(r"(.+?\.py):(\d{1,7}): (.+)$").match(line)
            if alone and not _is_foreign(alone[1]):
                known = named[alone[3]].pop() if named.get(alone[3]) else ""
                told.add(known)
                yield _found(first, first + 1, known.partition("::")[2], alone[3], _Place(alone[1], int(alone[2])))
    yield from _untold(summary, told)


def _found(first: int, end: int, name: str, words: str, place: _Place) -> Found:
    """Make a failure's problem, its test named alike in each style: only with a traceback it is `at setup of` it."""
    test = regex(r"ERROR at (?:setup|teardown) of ").sub("", _plain_name(name), count=1)
    text = message_of(": ".join(filter(None, (test, words))))
    return Found(first, end, Problem(place.path, place.line, None, Severity.ERROR, text, None, "pytest"))


def _end_of_item(lines: Sequence[str], start: int) -> tuple[int, int]:
    """Find the end of a failure, at the next one or another section, and of what is not printed by the test."""
    printed = 0
    for number in range(start, min(len(lines), start + _ITEM)):
        line = lines[number]
        if line.startswith("---") and not printed and regex(r"-+ Captured .* -+$").match(line[:WIDEST]):
            printed = number
        elif line.startswith(("===", "__")) and regex(rf"{_SECTION}|{_HEAD}").match(line[:WIDEST]):
            return number, printed or number
    end = min(len(lines), start + _ITEM)
    return end, printed or end


def _failure(body: Sequence[str]) -> tuple[_Place | None, str]:
    """Read where and why a test failed, in the styles long, short and native; of chained exceptions, the last one."""
    place: _Place | None = None
    words = ending = ""
    fresh = True
    for line in body:
        if line.startswith(_CHAINED):
            place, words = None, ""
        elif line.startswith("E "):
            text = line[1:].strip()
            syntax = regex(r'File "(.+)", line (\d{1,7})$').match(text)
            if syntax:
                place = _Place(syntax[1], int(syntax[2]))
            elif regex(r"(?:SyntaxError|IndentationError|TabError): ").match(text):
                return place, text
            elif fresh and text:
                words = text
            fresh = False
            continue
        else:
            native = regex(r'  File "(.+)", line (\d{1,7}), in ').match(line)
            found = native or regex(r"(.+?):(\d{1,7})(?:: (\S.*)?)?$").match(line) if line[:1] != ">" else None
            if found and (native or (not line.startswith(" ") and ".py" in found[1] and ": " not in found[1])):
                place = place if _is_foreign(found[1]) else _Place(found[1], int(found[2]))
                words = "" if native else words
                ending = found[3] or "" if not native else ""
            elif line[:1].strip() and not line.startswith((">", "_", "[gw", "file ")) and place and not words:
                words = line.strip()  # the last line of a native traceback
        fresh = True
    return place, words or ending


def _is_foreign(path: str) -> bool:
    return any(part in path for part in _FOREIGN)


def _plain_name(name: str) -> str:
    """Give a test's name as the head of its failure has it: `TestTotal.test_rounds`."""
    test, bracket, values = name.partition("[")
    return test.replace("::", ".") + bracket + values


def _summary(lines: Sequence[str]) -> list[tuple[str, str, str, int]]:
    """Read `FAILED file::test - words`: test, file, words and number of the line. A test's name may hold ` - ` too."""
    found = []
    for number, line in enumerate(lines):
        if line.startswith(("FAILED ", "ERROR ")) and ".py" in line[:WIDEST]:
            test = line[:WIDEST].partition(" ")[2]
            bracket = test.find("[")
            dash = test.find(" - ")
            if 0 <= bracket < dash and "]" in test[dash:]:
                dash = test.find(" - ", test.find("]", bracket))
            test, words = (test[:dash], test[dash + 3 :]) if dash >= 0 else (test, "")
            file = test.partition("::")[0].strip()
            if regex(r"[^\s:]+\.py$").match(file):
                found.append((test.strip(), file, words.strip(), number))
    return found


def _untold(summary: list[tuple[str, str, str, int]], told: set[str]) -> Iterator[Found]:
    for test, file, words, number in summary:
        name = test.partition("::")[2]
        plain = _plain_name(name)
        heads = (test, plain, f"ERROR at setup of {plain}", f"ERROR at teardown of {plain}", f"ERROR collecting {file}")
        if not told.intersection(heads) and (name or words):
            yield _found(number, number + 1, name, words or "failed", _Place(file, None))


def read_unittest(lines: Sequence[str]) -> Iterator[Found]:
    """Read unittest's failures: a ruled line, `FAIL: test (module.Class.test)`, another one, the traceback."""
    number = 1
    while number < len(lines):
        head = regex(r"(?:FAIL|ERROR): (.+)$").match(lines[number][:WIDEST])
        first = number
        number += 1
        if not head or not lines[first - 1].startswith("======"):
            continue
        while number < min(len(lines), first + _ITEM) and not lines[number].startswith(("======", "Ran ")):
            number += 1
        body = [line[:WIDEST] for line in lines[first + 1 : number] if not line.startswith("------")]
        place, words = _failure(body)
        if place:
            found = _found(first, number, regex(r" \(.*\)$").sub("", head[1]), words, place)
            yield found._replace(problem=found.problem._replace(tool="unittest"))


def read_mypy(lines: Sequence[str]) -> Iterator[Found]:
    """Read `file:line[:column]: error: message  [code]`; with `--pretty` the message is wrapped, and code follows.

    Without a code it is mypy's word where its summary stands below.
    """
    summed = any(line.startswith("Found ") and " error" in line[:WIDEST] for line in lines)
    number = 0
    while number < len(lines):
        line = lines[number][:WIDEST]
        first = number
        number += 1
        shape = r"(.+?\.pyi?):(\d{1,7})(?::(\d{1,7}))?(?::\d{1,7}:\d{1,7})?: (error|warning|note): (.*)$"
        found = regex(shape).match(line) if ": error: " in line or ": warning: " in line else None
        if not found or found[4] == "note":
            continue
        text = found[5]
        while number < min(len(lines), first + _WRAPPED) and not _ends_with_code(text) and _continues(lines[number]):
            text = f"{text.rstrip()} {lines[number][:WIDEST]}"
            number += 1
        while number < len(lines) and number <= first + _WRAPPED + 2 and lines[number].startswith("    "):
            number += 1  # the line of code and its caret
        code = regex(r"(.*\S) +\[([a-z][a-z0-9-]*)\] *$").match(text)
        words, rule = (code[1], code[2]) if code else (text, None)
        severity = Severity.ERROR if found[4] == "error" else Severity.WARNING
        column = int(found[3]) if found[3] else None
        if words.strip() and (rule or summed):
            problem = Problem(found[1], int(found[2]), column, severity, message_of(words), rule, "mypy")
            yield Found(first, number, problem)


def _ends_with_code(text: str) -> bool:
    return bool(regex(r".*\[[a-z][a-z0-9-]*\] *$").match(text))


def _continues(line: str) -> bool:
    """Whether a line may be the rest of a wrapped message: no indentation, no place, no note, no closing count."""
    other = r"\S+:\d|\S+: note: |Found \d|Success"
    return bool(line.strip()) and line[0] != " " and not regex(other).match(line[:WIDEST])


def read_ruff(lines: Sequence[str]) -> Iterator[Found]:
    """Read `file:line:column: CODE message` (flake8's too), CODE above ` --> file:line:column`, or grouped by file."""
    ruff = any(line.startswith("Found ") and " error" in line[:40] or "[*] " in line[:WIDEST] for line in lines)  # noqa: RUF021
    for number, line in enumerate(lines):
        text = line[:WIDEST]
        if ".py" not in text and ".ipynb" not in text:
            continue
        found = regex(_CONCISE).match(text) or (regex(_NAMED).match(text) if ruff else None)
        bracketed = None if found else regex(_BRACKETED).match(text)
        place = regex(r" +--> (.+):(\d{1,7}):(\d{1,7})$").match(text) if "--> " in text else None
        head = regex(r"([A-Z]+\d+|[a-z][a-z0-9-]*:) (.+)$").match(lines[number - 1][:WIDEST]) if place else None
        if found:
            at, told = (found[2], found[3]), (found[4], found[5])
            yield _ruff(number, number + 1, found[1], at, told, "ruff" if ruff else "flake8")
        elif bracketed:
            yield _bracketed(number, bracketed)
        elif place and head and number and not head[1].startswith(("error", "warning", "note", "help")):
            at, told = (place[2], place[3]), (head[1].rstrip(":"), head[2])
            yield _ruff(number - 1, number + 1, place[1], at, told, "ruff")
    yield from _grouped(lines, named=ruff)


def _grouped(lines: Sequence[str], *, named: bool) -> Iterator[Found]:
    """Read what ruff prints grouped by file: `file:`, and further in `line:column CODE message`, or the rule's name."""
    file = ""
    rule = r"[A-Z]+\d+|invalid-syntax:?" + (r"|[a-z][a-z0-9]*(?:-[a-z0-9]+)*:?" if named else "")
    for number, line in enumerate(lines):
        if line[:1].strip():
            file = line[:-1] if line.endswith((".py:", ".pyi:")) and len(line) < WIDEST else ""
        elif file:
            found = regex(rf" +(\d{{1,7}}):(\d{{1,7}}) +({rule}) (.+)$").match(line[:WIDEST])
            if found:
                at, told = (found[1], found[2]), (found[3].rstrip(":"), found[4])
                yield _ruff(number, number + 1, file, at, told, "ruff")


def _ruff(first: int, end: int, path: str, at: tuple[str, str], rule_words: tuple[str, str], tool: str) -> Found:
    rule, words = rule_words
    message = message_of(words.strip().removeprefix("[*] "))
    return Found(first, end, Problem(path, int(at[0]), int(at[1]), Severity.ERROR, message, rule, tool))


def _bracketed(number: int, found: re.Match[str]) -> Found:
    """Give what ruff prints as `file:line: [CODE] message`, and pylint with the rule's name and the function's."""
    path, line, code, rule, words = found.groups()
    severity = Severity.WARNING if rule and code[0] in "CRW" else Severity.ERROR
    tool = "pylint" if rule else "ruff"
    problem = Problem(path, int(line), None, severity, message_of(words), rule or code, tool)
    return Found(number, number + 1, problem)


def read_formatters(lines: Sequence[str]) -> Iterator[Found]:
    """Read which files Black, ruff and isort would change, and which Black cannot read."""
    for number, line in enumerate(lines):
        if not line.startswith(("would reformat ", "Would reformat: ", "error: cannot ", "ERROR: ")):
            continue
        text = line[:WIDEST]
        found = regex(r"(?:would reformat|Would reformat:) (\S.*\.(?:pyi?|ipynb))$").match(text)
        broken = regex(_UNREADABLE).match(text)
        unsorted = regex(r"ERROR: (\S.*) (Imports are incorrectly sorted and/or formatted\.)$").match(text)
        if found:
            tool = "black" if text[0] == "w" else "ruff"
            problem = Problem(found[1], None, None, Severity.ERROR, "Would be reformatted.", None, tool)
        elif broken:
            path, row, column = broken.groups()[:3] if broken[1] else broken.groups()[3:]
            where = int(row), int(column) + 1
            problem = Problem(path, *where, Severity.ERROR, "Cannot parse.", None, "black")
        elif unsorted:
            problem = Problem(unsorted[1], None, None, Severity.ERROR, unsorted[2], None, "isort")
        else:
            continue
        yield Found(number, number + 1, problem)


TOOLS: tuple[Tool, ...] = (
    Tool(
        "pytest",
        ("= FAILURES =", "= ERRORS =", "short test summary", "ImportError while loading conftest"),
        read_pytest,
    ),
    Tool("unittest", ("FAIL: ", "ERROR: "), read_unittest),
    Tool("mypy", (": error: ", ": warning: "), read_mypy),
    Tool("ruff", (".py:", ".pyi:"), read_ruff),
    Tool("formatters", ("ould reformat", "error: cannot ", "ERROR: "), read_formatters),
)
