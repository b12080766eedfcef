"""What Jest and Vitest print of failed tests; runners.py, tap.py, jasmine.py and browsers.py have those of others.

A failed test's place is the first stack frame in the workspace's own files, else its file alone. Its message is the
test's name and the first line of what the runner says, with the values that were compared where they are short. What a
test that passes prints, stack traces too, is no problem.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.problems import browsers, jasmine, runners, tap
from pipe.problems.frames import BLOCK, Place, failure, first_frame, first_words, is_foreign, place_at_end
from pipe.problems.reader import WIDEST, Found, Tool, regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What Jest marks as it marks a failed test.
_NO_TEST = ("Console", "Cannot log after tests", "Deprecation Warning", "Validation Warning", "Snapshot ")
_SUITE = "Test suite failed to run"


def read_jest(lines: Sequence[str]) -> Iterator[Found]:
    """Read Jest's failures: `FAIL file`, then for each a bullet, its names, and further in what it is about."""
    file = ""
    number = 0
    while number < len(lines):
        line = lines[number]
        if line.startswith(("FAIL ", " FAIL ")):
            file = _file_of(line)
        elif line.startswith(("PASS ", " PASS ")):
            file = ""
        name = _marked(line) if file else ""
        number += 1
        if not name:
            continue
        end = _end_of_block(lines, number)
        types = _type_errors(lines, number, end) if name == _SUITE else []
        yield from types
        if not types and not name.startswith(_NO_TEST):
            body = [each[:WIDEST] for each in lines[number:end]]
            place = first_frame(body, file) or _of_syntax(body) or Place(file, None, None)
            syntax = next((each.strip() for each in body if each.strip().startswith("SyntaxError: ")), "")
            words = syntax if syntax and name == _SUITE else first_words(body)
            yield Found(number - 1, end, failure("jest", name, words, place))
        number = end


def _marked(line: str) -> str:
    """Give the name that follows Jest's mark at the start of a line."""
    mark = line.find("● ", 0, 4)
    return line[mark + 2 : WIDEST].strip() if mark >= 0 and not line[:mark].strip() else ""


def _file_of(line: str) -> str:
    """Read the file of `FAIL [project] file [(time)]`. A path with spaces is told from the project by its frames."""
    text = regex(r" \([\d.]+ m?s\)$| \(\d+ MB heap size\)$").sub("", line[:WIDEST].strip().removeprefix("FAIL"))
    return text.split()[-1] if text.split() else ""


def _type_errors(lines: Sequence[str], start: int, end: int) -> list[Found]:
    """Read the compiler's errors that kept a suite from running (ts-jest); explanations name places too."""
    found = []
    for number in range(start, end):
        error = regex(r" +(\S.*?:\d{1,7}:\d{1,7}) - error (TS\d+): (.+)$").match(lines[number][:WIDEST])
        place = place_at_end(error[1]) if error else None
        if error and place:
            problem = failure("tsc", "", error[3], place)._replace(rule=error[2])
            found.append(Found(number, number + 1, problem))
    return found


def _end_of_block(lines: Sequence[str], start: int) -> int:
    """Find the end of what is indented; blank lines at the end are not part of it."""
    end = start
    for number in range(start, min(len(lines), start + BLOCK)):
        if lines[number].startswith("    "):
            end = number + 1
        elif lines[number].strip():
            break
    return end


def _of_syntax(body: Sequence[str]) -> Place | None:
    """Read where a file could not be parsed: V8 prints `file:line`, the line, and a caret; Babel ends with the place.

    The caret is off where Jest has wrapped the file into a function before.
    """
    for number, line in enumerate(body):
        text = line.strip()
        babel = regex(r"SyntaxError: (\S[^:]*): .*\((\d{1,7}):(\d{1,7})\)$").match(text)
        if babel:
            return Place(babel[1], int(babel[2]), int(babel[3]) + 1)  # Babel counts columns from 0
        path, _, at = text.rpartition(":")
        if at.isdecimal() and len(at) < 8 and path.startswith("/") and not is_foreign(path):  # noqa: PLR2004
            below = body[number + 1 : number + 3]
            wrapped = len(below) < 2 or "(function" in below[0][:60] or '({"Object.' in below[0][:60]  # noqa: PLR2004
            caret = -1 if wrapped or below[1].strip(" ^") else below[1].find("^")
            margin = len(line) - len(line.lstrip())
            return Place(path, int(at), caret - margin + 1 if caret >= margin else None)
    return None


def read_vitest(lines: Sequence[str]) -> Iterator[Found]:
    """Read Vitest's failures: ` FAIL  file > suite > test`, the error, its frames, and a ruled line.

    Tests that failed for the same reason stand together above it. Errors that no test caught have a ruled title.
    """
    number = 0
    while number < len(lines):
        line = lines[number][:WIDEST]
        first = number
        number += 1
        if line.startswith(" FAIL  ") and (" > " in line or " [ " in line):
            titles = [line]
            while number < len(lines) and lines[number].startswith(" FAIL  "):
                titles.append(lines[number][:WIDEST])
                number += 1
            file, name = _vitest_title(titles[0])
        elif line.startswith("⎯") and regex(r"⎯+ (?:Uncaught Exception|Unhandled \w+(?: Error)?) ⎯+$").match(
            line.rstrip()
        ):
            file, name = "", line.strip("⎯ \t")
        else:
            continue
        end = _end_of_error(lines, number)
        body = [each[:WIDEST] for each in lines[number:end]]
        place = first_frame(_frames(body), file) or _of_transform(body, file)
        place = place or (Place(file, None, None) if file else None)
        if place and name != "Unhandled Errors":
            yield Found(first, end, failure("vitest", name, _vitest_words(body), place))
            number = end


def _vitest_title(line: str) -> tuple[str, str]:
    """Read file and test of ` FAIL  [project] file > suite > test` or ` FAIL  [project] file [ file ]`."""
    text = line.strip().removeprefix("FAIL").strip()
    if text.endswith(" ]") and " [ " in text:
        return text.removesuffix(" ]").rpartition(" [ ")[2], ""
    file, _, name = text.partition(" > ")
    project = regex(r"\|[^|]*\| +|\S+  +").match(file)
    return file[project.end() if project else 0 :].strip(), name.strip()


def _end_of_error(lines: Sequence[str], start: int) -> int:
    for number in range(start, min(len(lines), start + BLOCK)):
        if lines[number].startswith(("⎯⎯⎯", " FAIL  ", "This error originated in")):
            return number
    return min(len(lines), start + BLOCK)


def _frames(body: Sequence[str]) -> list[str]:
    """Give the lines that Vitest marks as frames; the same sign stands in its list of files, without a place."""
    return [line for line in body if line.startswith(" ❯ ")]


def _of_transform(body: Sequence[str], file: str) -> Place | None:
    """Read where a file could not be compiled: esbuild's `file:line:column: ERROR: text`, or Oxc's frame of code.

    Rollup and Rolldown name it `At file: file:line:column`, from the root or, as a server would, from the project.
    """
    for line in body:
        place = place_at_end(line.removeprefix("At file: ").strip()) if line.startswith("At file: ") else None
        if place and place.column is not None:
            path = file if file and place.path.endswith(f"/{file}") else place.path
            return Place(path, place.line, place.column + 1)  # they count from 0
        esbuild = regex(r"(/[^:]*:\d+:\d+): ERROR: ").match(line)
        place = place_at_end(esbuild[1]) if esbuild else None
        if place and place.column is not None:
            return place._replace(column=place.column + 1)  # it counts from 0
        oxc = regex(r" *╭─\[ ?([^\]]+?) ?\]").match(line)
        place = place_at_end(oxc[1]) if oxc else None
        if place:
            return place
    return None


def _vitest_words(body: Sequence[str]) -> str:
    """Give the first line of the error, or what it announces: `Transform failed with 1 error:` says nothing alone."""
    words = first_words(body)
    if words.startswith("Error: Transform failed"):
        below = (regex(r"(?:/[^:]*:\d+:\d+: ERROR: |\[PARSE_ERROR\] )(.+)").match(line) for line in body)
        return next((f"Transform failed: {found[1]}" for found in below if found), words)
    if words.endswith("Parse failed with 1 error:") and len(body) > 1:
        return f"{words} {body[1].strip()}"
    return words


TOOLS: tuple[Tool, ...] = (
    Tool("jest", ("● ",), read_jest),
    Tool("vitest", ("⎯⎯⎯",), read_vitest),
    *runners.TOOLS,
    *tap.TOOLS,
    *jasmine.TOOLS,
    *browsers.TOOLS,
)
