"""What Rust's tools print: rustc, Clippy, and panics of tests and programs."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING

from pipe.model import Problem, Severity
from pipe.problems.reader import WIDEST, Found, Tool, message_of, regex

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Sequence

_EXAMPLE = 12  # lines above a panic in which the head of an example is looked for
_BLOCK = 400  # lines of one message that are looked at
_PIECES = 6  # lines into which the head of a message may be broken, with the place below it
_BODY = r"[ \t|]|\d+ |\.\.\.|(?:help|note)\b|: "  # how the lines under it begin
_CRATE = r" {3,}(?:Compiling|Checking|Documenting|Fresh) \S+ v\S+ \((/[^()]+)\)$"
_TAME = "note: test did not panic as expected at "
_CRATES = 100  # of one run, that are looked at
_SEVERITIES = {"error": Severity.ERROR, "warning": Severity.WARNING}


class _Folders:
    """Where cargo's paths begin: at the workspace's folder, wherever it was run.

    That folder is told by those of the crates that it says it compiles, until it has finished.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    @cached_property
    def _runs(self) -> list[tuple[int, list[str]]]:
        """The line with which each run of cargo begins, and the folders of its crates."""
        runs: list[tuple[int, list[str]]] = []
        finished = True
        for number, line in enumerate(self._lines):
            if not line.startswith(("   ", "error: could not compile")):
                continue
            crate = regex(_CRATE).match(line[:WIDEST])
            ended = not crate and line.startswith(("    Finished ", "error: "))
            if not crate and not ended:
                continue
            if finished:
                runs.append((number, []))
            if crate:
                runs[-1][1].append(crate[1])
            finished = ended
        return runs

    def whole(self, path: str, number: int) -> str:
        """Give a path that is printed in that line from the root, where its folder is known."""
        at = bisect_right(self._runs, number, key=lambda run: run[0])
        crates = self._runs[at - 1][1] if at else []
        if path.startswith("/") or not crates:
            return path
        parts = path.split("/")
        ends = {crate: _overlap(crate.split("/"), parts) for crate in crates[:_CRATES]}
        crate = max(ends, key=lambda each: (ends[each], -len(each)))
        if not ends[crate] and not all(f"{each}/".startswith(f"{crate}/") for each in ends):
            crate = crates[-1]  # the one that needs the others
        folder = crate.split("/")
        return "/".join([*folder[: len(folder) - ends[crate]], path])


def _overlap(folder: list[str], path: list[str]) -> int:
    """Count the parts with which the folder ends and the path begins."""
    return next((many for many in range(min(len(folder), len(path)), 0, -1) if folder[-many:] == path[:many]), 0)


def read_rust(lines: Sequence[str]) -> Iterator[Found]:
    """Read rustc's and Clippy's `error[E0308]: message`, ` --> file:line:column`, code, notes; or all in one line."""
    folders = _Folders(lines)
    rules: dict[str, str | None] = {}  # by their words: only the first of a kind tells its lint
    number = 0
    while number < len(lines):
        line = lines[number][:WIDEST]
        first = number
        number += 1
        short = regex(r"(\S.*?\.rs):(\d{1,7}):(\d{1,7}): (error|warning)(?:\[([\w:]+)\])?: (.+)$").match(line)
        if short:
            place = (folders.whole(short[1], first), int(short[2]), int(short[3]))
            problem = Problem(
                *place, _SEVERITIES[short[4]], message_of(short[6].partition(": help: ")[0]), short[5], "rustc"
            )
            yield Found(first, number, problem)
            continue
        if not line.startswith(("error", "warning")):
            continue
        below, head, at = _headed(lines, first)
        if not head or not at:
            continue
        number = below
        while number < min(len(lines), first + _BLOCK) and lines[number].strip() and regex(_BODY).match(lines[number]):
            number += 1
        body = [each[:WIDEST] for each in lines[below:number]]
        rule = head[2] or _lint(body) or rules.get(head[3])
        rules[head[3]] = rule
        words = ": ".join(filter(None, (head[3], _label(body, at[2]))))
        place = (folders.whole(at[1], first), int(at[2]), int(at[3]))
        yield Found(first, number, Problem(*place, _SEVERITIES[head[1]], message_of(words), rule, "rustc"))


def _headed(lines: Sequence[str], first: int) -> tuple[int, re.Match[str] | None, re.Match[str] | None]:
    """Give the line below a message's head, its level, code and words, and the place under them.

    Nx breaks them over more lines where it streams what comes in pieces: `error[E0425]`, `: cannot find x`, ` `.
    """
    text = lines[first][:WIDEST]
    for number in range(first + 1, min(first + 1 + _PIECES, len(lines))):
        line = lines[number][:WIDEST]
        at = regex(r" *--> (.+):(\d{1,7}):(\d{1,7})$").match(line)
        if at:
            return number + 1, regex(r"(error|warning)(?:\[([\w:]+)\])?: (.+)$").match(text), at
        if line.strip() and not line.startswith(("[", ": ")):
            break
        text += line.rstrip()
    return first, None, None


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
    folders = _Folders(lines)
    ran = any(regex(r"running \d+ tests?$").match(line[:40]) for line in lines)
    for number, line in enumerate(lines):
        if line.startswith(_TAME):
            tame = regex(_TAME + r"(\S.*\.rs):(\d{1,7}):(\d{1,7})$").match(line[:WIDEST])
            if tame and (name := _test_above(lines, number)):
                at = folders.whole(tame[1], number), int(tame[2]), int(tame[3])
                text = f"{name}: test did not panic as expected"
                yield Found(number, number + 1, Problem(*at, Severity.ERROR, message_of(text), None, "cargo test"))
            continue
        if "panicked at " not in line[:WIDEST]:
            continue
        shape = r"(?:'(.*)', )?(\S[^']*\.rs):(\d{1,7}):(\d{1,7}):?$"
        found = regex(rf"(?:.*?\.\.\. )?thread '([^']*)'(?: \(\d+\))? panicked at {shape}").match(line[:WIDEST])
        if not found or _is_rusts(found[3]):
            continue
        name = _test_above(lines, number) if ran and found[1] == "<unnamed>" else found[1]
        if ran and name not in failed and name != "main":
            continue
        end = number + 1
        words = [found[2]] if found[2] else []
        while not found[2] and end < min(len(lines), number + 5) and _is_message(lines[end], first=not words):
            words.append(lines[end][:WIDEST].strip())
            end += 1
        place: tuple[str, int, int | None] = (found[3], int(found[4]), int(found[5]))
        if name == "main":  # an example in the documentation, whose lines are counted from elsewhere
            shape = r"---- (\S+\.rs) - (.*) \(line (\d{1,7})\) stdout ----$"
            heads = (regex(shape).match(above[:WIDEST]) for above in lines[max(number - _EXAMPLE, 0) : number])
            example = next((head for head in heads if head), None)
            name = example[2] if example else ""
            place = (example[1], int(example[3]), None) if example else place
        text = message_of(f"{name}: " if name else "", "; ".join(words) or "panicked")
        place = (folders.whole(place[0], number), *place[1:])
        tool = "cargo test" if ran else "rust"
        yield Found(number, end, Problem(*place, Severity.ERROR, text, None, tool))


def _test_above(lines: Sequence[str], number: int) -> str:
    """Give the test whose output a line is part of, "" where no head of one is near above."""
    heads = (regex(r"---- (\S+) stdout ----$").match(lines[each][:WIDEST]) for each in _above(number))
    return next((head[1] for head in heads if head), "")


def _above(number: int) -> range:
    return range(number - 1, max(number - _EXAMPLE, 0) - 1, -1)


def _is_message(line: str, *, first: bool) -> bool:
    """Whether a line below a panic is its message: the first one, or a value that was compared."""
    return bool(line.strip()) and (first or bool(regex(r" *(?:left|right): ").match(line)))


def _is_rusts(path: str) -> bool:
    return path.startswith("/rustc/") or "/.cargo/registry/" in path or "/rustlib/" in path


TOOLS: tuple[Tool, ...] = (
    Tool("rustc", ("--> ", ".rs:"), read_rust),
    Tool("cargo test", ("panicked at ", "test did not panic as expected"), read_rust_panic),
)
