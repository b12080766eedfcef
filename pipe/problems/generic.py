"""Places in the way that most compilers and linters print them, of tools that have no reader of their own.

`file:line:column: message`, `file(line,column): message`, `file:line: message`, with the words for a level before or
after the place, or the message on the next line. What names no level needs more: a column, or the code of a rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Problem, Severity
from pipe.problems.reader import WIDEST, Found, message_of, regex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_PLACE = (
    r"\.([A-Za-z]\w{0,9})(?::(\d{1,7})(?:-\d{1,7})?(?::(\d{1,6})(?:-\d{1,6})?)?"
    r"|\((\d{1,7})(?:, ?(\d{1,6}))?\))(?![\d/\\])"
)
_LEVEL = (
    r"[\[(]?(?P<level>fatal error|error|err|failure|warning|warn|note|info|information|hint|help|suggestion|notice|"
    r"debug|style|convention|refactor)\b[\])]?:?"
)
_BEFORE = r"(?i)\W{0,3}(?:" + _LEVEL + r"|(?:failed|failure|type error|syntax ?error|parse error)\b:?)"
_AFTER = r"(?i)(?P<sep>:| -| –|)\s*(?:" + _LEVEL + r"(?=\W|$)|(?=(?P<other>type error|syntax ?error)))?"
_CODE = r"(?:([A-Z]{1,6}\d{1,5}(?:/[\w-]{1,60})*):?|([@a-z][\w@/-]{1,99}) :|:)\s+(?=\S)"
_UNIX = r" ?\[(?:(?i:(error|warning))(?:/([@\w][\w@/.-]{0,99}))?|([A-Z]{1,4}\d{2,5}))\]$"
_RULE = r"\s[\[(]([@a-z][\w@.]*[-/A-Z0-9][\w@/.-]{0,99})[\])]$"
_CLASS = r"(?:[A-Za-z_]\w{0,60}\.){0,6}[A-Z]\w{0,60}(?:Error|Exception|Warning)\b"
_FROM = r"\s*(?:required from|in instantiation of|recursively required)\b"  # where a template was asked for
_NO_PROBLEM = frozenset(
    "note info information hint help suggestion notice debug style convention refactor".split()  # noqa: SIM905
)
# Files of these kinds are named with a line alone; any other name with a number behind may be a host and its port.
_KINDS = frozenset(
    "js jsx mjs cjs ts tsx mts cts vue svelte astro html htm hbs ejs pug css scss sass less styl json jsonc json5 yml "  # noqa: SIM905
    "yaml toml xml md mdx rst adoc txt csv py pyi pyx go rs java kt kts groovy gradle scala clj rb erb rake php c cc "
    "cpp cxx h hh hpp m mm swift cs fs vb sh bash zsh ps1 bat sql graphql gql proto tf hcl lua pl pm r jl dart ex exs "
    "erl hs zig nim twig liquid tpl ini cfg conf properties feature robot prisma sol cmake mk bzl nix rego tex "
    "svg".split()
)
_FOREIGN = ("node_modules/", "node:", "://", "site-packages/", "dist-packages/", "/usr/lib/", "<", "webpack-internal")


def read(lines: Sequence[str], numbers: Iterable[int]) -> Iterator[Found]:
    """Find the problems in the lines with those numbers."""
    for number in numbers:
        line = lines[number][:WIDEST]
        place = None if line.lstrip().startswith("at ") else regex(_PLACE).search(line)  # no frame of a stack
        if place is None:
            continue
        before = _path(line[: place.end(1)])
        if before is None:
            continue
        path, level = before
        column = place[3] or place[5]
        if column is None and place[1].lower() not in _KINDS:
            continue
        rest = line[place.end() :]
        end = number + 1
        if not rest.strip(" :") and end < len(lines) and level is None:
            rest, end = _next(lines[end]), end + 1
        told = _told(rest, level, sure=column is not None)
        if told is not None:
            severity, message, rule = told
            row = int(place[2] or place[4])
            if row > 0:
                yield Found(number, end, Problem(path, row, int(column or 0) or None, severity, message, rule))


def _path(head: str) -> tuple[str, str | None] | None:
    """Give the path that the text ends with and the level before it, None where it is no file's or a stack frame's."""
    head = head.strip()
    level = None
    word = regex(_BEFORE).match(head)
    if word is not None and head[word.end() : word.end() + 1] == " ":
        level = (word["level"] or "error").lower()
        head = head[word.end() :].strip()
    first = head.split(" ", 1)[0]
    if "/" not in first and "\\" not in first and first != head:
        if level is None:
            return None
        head = head.rsplit(" ", 1)[-1]
    head = head.lstrip("'\"`(")
    if not head or head[0] in "|>+*#=$@{[(,;" and not head.startswith("@") or any(word in head for word in _FOREIGN):  # noqa: RUF021
        return None
    return head, level


def _next(line: str) -> str:
    """Give the line under a place that stands alone, if it says what is wrong there."""
    line = line[:WIDEST]
    return (
        f": {line.strip()}" if regex(r"(?i)\s{0,8}(?:(?:type |syntax )?error|warn(?:ing)?)\b[ :]").match(line) else ""
    )


def _told(rest: str, level: str | None, *, sure: bool) -> tuple[Severity, str, str | None] | None:
    """Give the severity, message and rule that stand behind a place, None where nothing tells of a problem."""
    after = regex(_AFTER).match(rest)
    assert after is not None  # it matches the empty text
    if after["level"] is not None:
        level = after["level"].lower()
    elif not after["sep"] or (after["sep"] == ":" and rest[1:2] not in (" ", "\t")):
        return None
    text = rest[after.end() :].strip()
    rule = None
    unix = regex(_UNIX).search(text[-120:])
    code = regex(_CODE).match(text)
    trailing = regex(_RULE).search(text[-120:])
    if unix is not None:
        level, rule = (unix[1] or level or "error").lower(), unix[2] or unix[3]
        text = text[: len(text) - len(unix[0])]
        trailing = regex(_RULE).search(text[-120:])
        if rule is None and trailing is not None:
            rule, text = trailing[1], text[: len(text) - len(trailing[0])]
    elif code is not None:
        rule, text = code[1] or code[2], text[code.end() :]
    elif trailing is not None:
        rule, text = trailing[1], text[: len(text) - len(trailing[0])]
    kind = regex(_CLASS).match(text)
    if level in _NO_PROBLEM and unix is not None and unix[3]:
        level = "warning"  # ShellCheck's, which fails by them
    if level in _NO_PROBLEM or regex(_FROM).match(text) or not (sure or level or code or kind or after["other"]):
        return None
    message = message_of(text)
    if not any(char.isalpha() for char in message):
        return None
    warns = (level or "").startswith("warn") or (level is None and kind is not None and kind[0].endswith("Warning"))
    return Severity.WARNING if warns else Severity.ERROR, message, rule
