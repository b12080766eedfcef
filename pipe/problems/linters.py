"""Readers for linters and formatters of JavaScript, TypeScript and CSS, and for those that print as they do.

Formats: ESLint's stylish, compact, unix, visualstudio and json, which Stylelint, yamllint and Next.js take up with
small differences, `prettier --check`, Biome, pylint, RuboCop, ShellCheck, and the commands of GitHub's workflows, which
many tools can print. All count columns from 1 but pylint, which counts from 0.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pipe.model import Problem, Severity
from pipe.problems.reader import WIDEST, Found, Tool, message_of, regex

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Sequence

_ROW = (
    r"\s{0,8}(\d{1,6}):(\d{1,6})(?:-\d{1,6}:\d{1,6})?\s{1,12}"
    r"(?:(error|warning|Error:|Warning:)|([✖×✗⚠‼!]))\s{1,12}(?=\S)"
)
_FILE = r"(?:[/.]|[A-Za-z]:\\|\S).*\.[\w-]{1,20}$|/\S"
_RULE = r"[\[(]?([@\w][\w@./:()-]{0,120}?)[\])]?$"
_COMPACT = r"(\S.*?): line (\d{1,7}), col (\d{1,6}), (?i:(error|warning)) - (?=\S)"
_COMPACT_RULE = r" \(([@\w][\w@/.-]{0,120})\)$"
_UNIX = r"(\S.*?):(\d{1,7}):(\d{1,6}): (?=\S)"
_UNIX_LEVEL = r" ?\[(?i:(error|warning))(?:/([@\w][\w@/.()-]{0,120}))?\]$"
_BIOME = r"(\S.*?)(?::(\d{1,7}):(\d{1,6}))? ([a-z][\w/]{1,100})(?: {1,2}[A-Z]{3,20})*\s+━{2,}$"
_BIOME_KINDS = (
    "lint/",
    "parse",
    "format",
    "assist",
    "organizeImports",
    "suppressions/",
    "syntax",
    "internalError/",
    "project",
)
_PYLINT = r"(\S.*?):(\d{1,7}):(\d{1,6}): ([CRWEF])\d{4}: (\S.*) \(([a-z][a-z0-9-]{0,60})\)$"
_RUBOCOP = r"(\S.*?):(\d{1,7}):(\d{1,6}): ([CRWEF]): (?:\[\w+\] )?([A-Z]\w*(?:/\w+)+): (\S.*)$"
_WRAPPED = 8  # lines of a message in a narrow terminal
_LOOK_AHEAD = 40  # lines that a message may go on for


def _severity(word: str) -> Severity:
    return Severity.WARNING if word.lower().startswith("warn") or word in "⚠‼!" else Severity.ERROR


def _rows(lines: Sequence[str]) -> Iterator[Found]:
    """Read a file's name and under it `line:column  level  message  rule`, as ESLint's and Stylelint's default is.

    A message may hold line ends: then the rule stands behind its last line.
    """
    path = ""
    last = -2  # the line up to which the file's rows go
    for number, line in enumerate(lines):
        if not line[:9].lstrip()[:1].isdigit():
            continue
        row = regex(_ROW).match(line)
        if row is None:
            continue
        above = lines[number - 1] if number else ""
        if last != number - 1 and _is_file(above):
            path = above.strip()
        elif not path or number - last > _LOOK_AHEAD:
            continue
        last = number
        text, rule, end = _message(lines, number, row.end())
        where = int(row[1]), int(row[2])
        severity = _severity(row[3] or row[4])
        if not where[0] and severity is Severity.WARNING:
            continue  # that a file is ignored
        message = message_of(text)
        if message:
            tool = "stylelint" if row[4] else "yamllint" if rule and line.rstrip().endswith(f"({rule})") else "eslint"
            problem = Problem(path, where[0] or None, where[1] or None, severity, message, rule, tool)
            yield Found(number - (_is_file(above) and above.strip() == path), end, problem)


def _is_file(line: str) -> bool:
    """Whether the line can be a file's name above its rows."""
    return not line[:1].isspace() and "  " not in line and regex(_FILE).match(line[:WIDEST]) is not None


def _message(lines: Sequence[str], number: int, start: int) -> tuple[str, str | None, int]:
    """Give a row's message up to its first blank line, its rule, and the line with which it ends."""
    text, rule = _split(lines[number][start:WIDEST])
    if rule is not None:
        end = number + 1
        while end < min(number + _WRAPPED, len(lines)) and regex(r"\s{9,}\S").match(lines[end]):
            end += 1  # Stylelint wraps a message to the terminal's width
        return " ".join([text, *(line[:WIDEST] for line in lines[number + 1 : end])]), rule, end
    for end in range(number + 1, min(number + _LOOK_AHEAD, len(lines))):
        if regex(_ROW).match(lines[end]) or regex(r"[✖×] \d+ problem").match(lines[end]) or _is_file(lines[end]):
            break
        if _split(lines[end][:WIDEST])[1] is not None:
            whole = [text, *(_split(line[:WIDEST])[0] for line in lines[number + 1 : end + 1])]
            first = whole[: whole.index("")] if "" in whole else whole
            return " ".join(first), _split(lines[end][:WIDEST])[1], end + 1
    return text, None, number + 1


def _split(text: str) -> tuple[str, str | None]:
    """Take the rule off a message: the last word, after two spaces or more."""
    before, gap, last = text.rstrip().rpartition("  ")
    rule = regex(_RULE).match(last) if gap and before.strip() else None
    return (before.rstrip(), rule[1]) if rule else (text.strip(), None)


def _compact(lines: Sequence[str]) -> Iterator[Found]:
    """Read `file: line 1, col 2, Error - message (rule)`."""
    heads = [number for number, line in enumerate(lines) if ", col " in line and regex(_COMPACT).match(line[:WIDEST])]
    for number, following in pairwise([*heads, len(lines)]):
        head = regex(_COMPACT).match(lines[number][:WIDEST])
        assert head is not None  # looked at above
        text, rule, end = _ended(lines, number, head.end(), following, _COMPACT_RULE)
        problem = _at(head, _severity(head[4]), message_of(text), rule and rule[1])
        if problem is not None:
            yield Found(number, end, problem._replace(tool="eslint" if head[4][0].isupper() else "stylelint"))


def _unix(lines: Sequence[str]) -> Iterator[Found]:
    """Read `file:1:2: message [Error/rule]`."""
    heads = [number for number, line in enumerate(lines) if regex(_UNIX).match(line[:WIDEST])]
    for number, following in pairwise([*heads, len(lines)]):
        head = regex(_UNIX).match(lines[number][:WIDEST])
        assert head is not None  # looked at above
        text, level, end = _ended(lines, number, head.end(), following, _UNIX_LEVEL)
        if level is None:
            continue
        rule = level[2]
        trailing = regex(_COMPACT_RULE).search(text[-130:]) if rule is None else None
        if trailing:
            rule, text = trailing[1], text[: len(text) - len(trailing[0])]
        tool = "oxlint" if rule and rule.endswith(")") else "eslint" if level[1][0].isupper() else "stylelint"
        problem = _at(head, _severity(level[1]), message_of(text), rule)
        if problem is not None:
            yield Found(number, end, problem._replace(tool=tool))


def _ended(
    lines: Sequence[str], number: int, start: int, following: int, pattern: str
) -> tuple[str, re.Match[str] | None, int]:
    """Give a message up to its first blank line, what closes it, on whichever of its lines, and where it ends."""
    text = []
    told = True
    for end in range(number, min(following, number + _LOOK_AHEAD)):
        line = lines[end][start if end == number else 0 : WIDEST].rstrip()
        closing = regex(pattern).search(line[-140:])
        told = told and bool(line)
        if told:
            text.append(line[: len(line) - len(closing[0])] if closing else line)
        if closing:
            return " ".join(text), closing, end + 1
    return lines[number][start:WIDEST], None, number + 1


def _at(head: re.Match[str], severity: Severity, message: str, rule: str | None) -> Problem | None:
    """Give the problem at the file, line and column that a match begins with."""
    if not message:
        return None
    return Problem(head[1], int(head[2]) or None, int(head[3]) or None, severity, message, rule)


def _json(lines: Sequence[str]) -> Iterator[Found]:
    """Read what ESLint and Stylelint print as JSON, on one line."""
    for number, line in enumerate(lines):
        if not line.startswith(('[{"filePath":', '{"results":[{"filePath":', '[{"source":')):
            continue
        import json  # noqa: PLC0415 - few print it

        try:
            results = json.loads(line)
        except (ValueError, RecursionError):
            continue
        results = results.get("results") if isinstance(results, dict) else results
        for result in results if isinstance(results, list) else ():
            for problem in _of_file(result) if isinstance(result, dict) else ():
                yield Found(number, number + 1, problem)


def _of_file(result: dict[str, Any]) -> Iterator[Problem]:
    tool, path, messages = (
        ("eslint", result.get("filePath"), result.get("messages"))
        if "filePath" in result
        else ("stylelint", result.get("source"), result.get("warnings"))
    )
    if not isinstance(path, str) or not isinstance(messages, list):
        return
    for each in messages:
        if isinstance(each, dict):
            rule = each.get("ruleId") if tool == "eslint" else each.get("rule")
            rule = rule if isinstance(rule, str) else None
            text = each.get("message") if tool == "eslint" else each.get("text")
            message = message_of(text.split("\n\n")[0].removesuffix(f" ({rule})")) if isinstance(text, str) else ""
            severity = Severity.ERROR if each.get("severity") in (2, "error") else Severity.WARNING
            line, column = (_number(each.get(name)) for name in ("line", "column"))
            if message and (line is not None or severity is Severity.ERROR):
                yield Problem(path, line, column, severity, message, rule, tool)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and 0 < value < 10_000_000 else None  # noqa: PLR2004 - no file is longer


def _prettier(lines: Sequence[str]) -> Iterator[Found]:
    """Read `prettier --check`: the files it would change, and what it cannot read."""
    checks = "Checking formatting..." in lines or any(line.startswith("[warn] Code style issues") for line in lines)
    for number, line in enumerate(lines):
        if line.startswith("[error] "):
            broken = regex(r"\[error\] (\S.*?): (?:\w*Error: )(\S.*) \((\d{1,7}):(\d{1,6})\)$").match(line[:WIDEST])
            if broken:
                where = int(broken[3]), int(broken[4]) or None
                problem = Problem(broken[1], *where, Severity.ERROR, message_of(broken[2]), None, "prettier")
                yield Found(number, number + 1, problem)
        elif checks and line.startswith("[warn] ") and regex(r"\[warn\] [^\s\[{].*\.[\w-]{1,20}$").match(line[:WIDEST]):
            text = "Code style issues found. Run Prettier with --write to fix."
            yield Found(
                number, number + 1, Problem(line[7:].strip(), None, None, Severity.ERROR, text, None, "prettier")
            )


def _biome(lines: Sequence[str]) -> Iterator[Found]:
    """Read Biome's `file:1:2 lint/group/rule ━━━`, the message on a line of its own under it."""
    for number, line in enumerate(lines):
        head = regex(_BIOME).match(line[:WIDEST]) if line.endswith("━━") else None
        if head is None or not head[4].startswith(_BIOME_KINDS):
            continue
        for end in range(number + 1, min(number + 4, len(lines))):
            told = regex(r"\s{1,4}([×!✖⚠]) (\S.*)$").match(lines[end][:WIDEST])
            if told and "aborted due to parsing errors" not in told[2]:
                where = int(head[2]) if head[2] else None, int(head[3]) if head[3] else None
                severity = Severity.WARNING if told[1] in "!⚠" else Severity.ERROR
                problem = Problem(head[1], *where, severity, message_of(told[2]), head[4], "biome")
                yield Found(number, end + 1, problem)
                break


def _pylint(lines: Sequence[str]) -> Iterator[Found]:
    """Read `file:1:0: C0114: message (rule)`."""
    for number, line in enumerate(lines):
        found = regex(_PYLINT).match(line[:WIDEST]) if line.endswith(")") else None
        if found:
            severity = Severity.ERROR if found[4] in "EF" else Severity.WARNING
            where = int(found[2]) or None, int(found[3]) + 1
            problem = Problem(found[1], *where, severity, message_of(found[5]), found[6], "pylint")
            yield Found(number, number + 1, problem)


def _rubocop(lines: Sequence[str]) -> Iterator[Found]:
    """Read `file:1:2: C: [Correctable] Department/Cop: message`."""
    for number, line in enumerate(lines):
        found = regex(_RUBOCOP).match(line[:WIDEST]) if ": " in line else None
        if found:
            severity = Severity.ERROR if found[4] in "EF" else Severity.WARNING
            problem = _at(found, severity, message_of(found[6]), found[5])
            if problem:
                yield Found(number, number + 1, problem._replace(tool="rubocop"))


def _shellcheck(lines: Sequence[str]) -> Iterator[Found]:
    """Read `In file line 1:`, the line, and under it marks with `SC1000 (level): message`."""
    path, row = "", 0
    for number, line in enumerate(lines):
        text = line[:WIDEST]
        head = regex(r"In (\S.*) line (\d{1,7}):$").match(text)
        found = (
            regex(r"( *)\^(?:-*\^|--)? (SC\d{4}) \((error|warning|info|style)\): (\S.*)$").match(text) if path else None
        )
        if head:
            path, row = head[1], int(head[2])
        elif found:
            severity = Severity.ERROR if found[3] == "error" else Severity.WARNING
            where = row or None, len(found[1]) + 1
            problem = Problem(path, *where, severity, message_of(found[4]), found[2], "shellcheck")
            yield Found(number, number + 1, problem)
        elif not text.strip():
            path = ""


def _command(lines: Sequence[str]) -> Iterator[Found]:
    """Read a command of GitHub's workflows: `::error file=a.ts,line=1,col=2,title=rule::message`."""
    for number, line in enumerate(lines):
        found = regex(r"::(error|warning) ([^:]*(?::[^:]+)*)::(\S.*)$").match(line[:WIDEST])
        if not found:
            continue
        fields = dict(each.partition("=")[::2] for each in found[2].split(","))
        row, column = fields.get("line", ""), fields.get("col") or fields.get("column") or ""
        tool, rule = "workflow command", fields.get("title")
        text = message_of(regex(r"(?:\S+:)?\d+:\d+:? ").sub("", unquote(found[3].partition("%0A")[0]), count=1))
        if fields.get("file") and text and len(row + column) < 14:  # noqa: PLR2004 - no file is longer
            line_number, at = ((int(each) or None) if each.isdecimal() else None for each in (row, column))
            severity = Severity.ERROR if found[1] == "error" else Severity.WARNING
            if named := regex(r"(?i)ruff \(([\w-]+)\)$").match(rule or ""):
                tool, rule = "ruff", str(named[1])
                text = text.removeprefix(rule).lstrip(": ")
            problem = Problem(unquote(fields["file"]), line_number, at, severity, text, rule, tool)
            yield Found(number, number + 1, problem)


TOOLS: tuple[Tool, ...] = (
    Tool(
        "eslint",
        ("  error  ", "  warning  ", "  Error: ", "  Warning: ", "  ✖  ", "  ⚠  ", "  ×  "),
        _rows,
    ),
    Tool("eslint compact", (", col ",), _compact),
    Tool("eslint unix", (" [Error", " [Warning", "[error]\n", "[warning]\n"), _unix),
    Tool("eslint json", ('[{"filePath":', '[{"source":'), _json),
    Tool("prettier", ("[warn] ", "[error] "), _prettier),
    Tool("biome", (" ━━",), _biome),
    Tool("pylint", ("*** Module ",), _pylint),
    Tool("rubocop", ("\nOffenses:\n",), _rubocop),
    Tool("shellcheck", ("shellcheck.net/wiki/",), _shellcheck),
    Tool("workflow command", ("::error ", "::warning "), _command, again=True),
)
