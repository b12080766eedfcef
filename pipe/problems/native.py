"""What the tools of Go and Rust print; Java's are in java.py, Python's in python.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Problem, Severity
from pipe.problems import java, python
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
_SEVERITIES = {"error": Severity.ERROR, "warning": Severity.WARNING}


def read_go(lines: Sequence[str]) -> Iterator[Found]:
    """Read what the compiler and vet print: `file:line:column: message`, lines further in belong to the message.

    Paths are relative to where go was run.
    """
    number = 0
    while number < len(lines):
        found = regex(r"(?:vet: )?(\S+\.go):(\d{1,7}):(\d{1,7}): (.+)$").match(lines[number][:WIDEST])
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
        test = failed[1] if failed else "" if line.startswith(("FAIL", "ok ")) else test
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


def read_rust(lines: Sequence[str]) -> Iterator[Found]:
    """Read rustc's and Clippy's `error[E0308]: message`, ` --> file:line:column`, code, notes; or all in one line."""
    number = 0
    while number < len(lines):
        line = lines[number][:WIDEST]
        first = number
        number += 1
        short = regex(r"(\S.*?\.rs):(\d{1,7}):(\d{1,7}): (error|warning)(?:\[([\w:]+)\])?: (.+)$").match(line)
        if short:
            place = (short[1], int(short[2]), int(short[3]))
            problem = Problem(*place, _SEVERITIES[short[4]], message_of(short[6]), short[5], "rustc")
            yield Found(first, number, problem)
            continue
        head = regex(r"(error|warning)(?:\[([\w:]+)\])?: (.+)$").match(line)
        place_line = lines[number][:WIDEST] if head and number < len(lines) else ""
        at = regex(r" *--> (.+):(\d{1,7}):(\d{1,7})$").match(place_line)
        if not head or not at:
            continue
        while number < min(len(lines), first + _TRACE) and lines[number].strip():
            number += 1
        body = [each[:WIDEST] for each in lines[first + 2 : number]]
        rule = head[2] or _lint(body)
        words = ": ".join(filter(None, (head[3], _label(body, at[2]))))
        place = (at[1], int(at[2]), int(at[3]))
        yield Found(first, number, Problem(*place, _SEVERITIES[head[1]], message_of(words), rule, "rustc"))


def _lint(body: Sequence[str]) -> str | None:
    """Give the lint's name, which a note has: `#[warn(unused_variables)]`, `-D clippy::len-zero`."""
    for text in body:
        found = regex(r" *= note: .*?(?:#\[(?:warn|deny|forbid)\(([\w:]+)\)\]|`-[DWF] ([\w:-]+)`)").match(text)
        if found:
            return found[1] or found[2].replace("-", "_")
    return None


def _label(body: Sequence[str], line: str) -> str:
    """Give what stands beside the carets under the line: `expected `&str`, found `usize``."""
    for number, text in enumerate(body[:-1]):
        if regex(rf" *{line} \|").match(text):
            found = regex(r" *\|[ |-]*\^+ ([^-^|]\S.*)$").match(body[number + 1])
            return found[1] if found and not found[1].startswith("help: ") else ""
    return ""


def read_rust_panic(lines: Sequence[str]) -> Iterator[Found]:
    """Read `thread 'test' panicked at file:line:column:` and the message below it, or in one line as before Rust 1.73.

    Where tests ran, only those that failed count: one that should panic prints the same.
    """
    failed = {
        found[1] for line in lines if (found := regex(r"test (\S+)(?: - .*)? \.\.\. FAILED$").match(line[:WIDEST]))
    }
    failed |= {found[1] for line in lines if (found := regex(r"    ([\w:]+)$").match(line[:WIDEST]))}
    ran = any(regex(r"running \d+ tests?$").match(line[:40]) for line in lines)
    for number, line in enumerate(lines):
        if "panicked at " not in line[:WIDEST]:
            continue
        at = r"(?:'(.*)', )?(\S[^']*\.rs):(\d{1,7}):(\d{1,7}):?$"
        found = regex(rf"(?:.*?\.\.\. )?thread '([^']*)'(?: \(\d+\))? panicked at {at}").match(line[:WIDEST])
        if not found or (ran and found[1] not in failed and found[1] != "main") or _is_rusts(found[3]):
            continue
        end = number + 1
        words = [found[2]] if found[2] else []
        while not found[2] and end < min(len(lines), number + 5) and _is_message(lines[end], first=not words):
            words.append(lines[end][:WIDEST].strip())
            end += 1
        place: tuple[str, int, int | None] = (found[3], int(found[4]), int(found[5]))
        name = found[1]
        if name == "main":  # an example in the documentation, whose lines are counted from elsewhere
            shape = r"---- (\S+\.rs) - (.*) \(line (\d{1,7})\) stdout ----$"
            heads = (regex(shape).match(above[:WIDEST]) for above in lines[max(number - _CONTINUED, 0) : number])
            example = next((head for head in heads if head), None)
            name = example[2] if example else ""
            place = (example[1], int(example[3]), None) if example else place
        text = message_of(f"{name}: " if name else "", "; ".join(words) or "panicked")
        yield Found(number, end, Problem(*place, Severity.ERROR, text, None, "cargo test" if ran else "rust"))


def _is_message(line: str, *, first: bool) -> bool:
    """Whether a line below a panic is its message: the first one, or a value that was compared."""
    return bool(line.strip()) and (first or bool(regex(r" *(?:left|right): ").match(line)))


def _is_rusts(path: str) -> bool:
    return path.startswith("/rustc/") or "/.cargo/registry/" in path or "/rustlib/" in path


TOOLS: tuple[Tool, ...] = (
    Tool("go", (".go:",), read_go),
    Tool("go test", ("--- FAIL: ",), read_go_test),
    Tool("go", ("goroutine ",), read_go_panic),
    Tool("rustc", ("--> ", ".rs:"), read_rust),
    Tool("cargo test", ("panicked at ",), read_rust_panic),
    *java.TOOLS,
    *python.TOOLS,
)
