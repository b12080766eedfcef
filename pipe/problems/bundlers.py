"""Readers for bundlers: esbuild (and what prints through it: Angular, tsup), Vite, Rollup, webpack.

esbuild, Rollup and webpack count columns from 0, ts-loader, fork-ts-checker and some plugins of Rollup from 1: there
the caret of the excerpt decides. Vite 8 prints through Rolldown, in the frames that `compilers` reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.model import Problem, Severity
from pipe.problems.reader import WIDEST, Found, Tool, message_of, regex

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Sequence

_ESBUILD = r"\s{0,4}(?:[✘X×▲] )?\[(ERROR|WARNING)\] (?=\S)"
_ESBUILD_PLACE = r"\s{1,8}(\S.*?):(\d{1,7}):(\d{1,6}):$"
_ESBUILD_LINE = r"\s{0,8}(?:\S{1,3} )?(\S.*?):(\d{1,7}):(\d{1,6}): (ERROR|WARNING): (?=\S)"
_ESBUILD_RULE = r" \[([a-z][\w-]{0,60}|plugin [\w@/:.-]{1,60})\]$"
_VITE_FILE = r"file: (\S.*?)(?::(\d{1,7}):(\d{1,6}))?(?: \((?:/|[A-Z]:).*\))?$"
_VITE_START = r"error during build:$|[x✗] Build failed in "
_VITE_MISSING = r"(?:\w{0,20}Error: )?\[vite\]: (\w{3,20} failed to resolve import .* from \"(\S[^\"]*)\"\.)$"
_PLUGIN = r"\[(?:plugin )?([\w@:/.-]{1,60})\] "
_AT = r"(\S.*?) \((\d{1,7}):(\d{1,6})\)(?:: |$)"
_ROLLUP = (
    r"(\[!\]|\(!\)) (?:[\[(]plugin [\w@:/. -]{1,60}[\])] )?(?:(?:\w{0,40}Error|Warning): )?"
    r"(?:\[plugin [\w@:/. -]{1,60}\] )?(?=\S)"
)
_ROLLUP_TS = r"@rollup/plugin-typescript (TS\d{1,7}): (?=\S)"
_FILE = r"(\S.*\.[A-Za-z]\w{0,9})(?: \((\d{1,7}):(\d{1,6})\)|:(\d{1,7}):(\d{1,6}))?$"
_WEBPACK = r"(ERROR|WARNING) in (?!\[)(\S.*?)(?:(?: |:)(\d{1,7}):(\d{1,6})(?:-\d+(?::\d+)?)?)?$"
_WEBPACK_END = (
    r"(?:ERROR|WARNING) in |webpack \d|Rspack comp| @ \S|\d+ (?:errors?|warnings?) ha|(?:webpack|Child) compil"
)
_TSL = r"\[tsl\] (ERROR|WARNING) in (\S.*?)\((\d{1,7}),(\d{1,6})\)$"
_RSPACK = r"\s{1,12}╭─\[(\d{1,7}):(\d{1,6})\]$"
_RSPACK_TEXT = r"\s{1,4}(?:╰─▶\s{1,4})?[×⚠] "
_CODE = r"(?:error )?((?:TS|NG)-?\d{1,7}): (?=\S)"
_LONGEST_BLOCK = 60  # lines


def _severity(word: str) -> Severity:
    return Severity.WARNING if word == "WARNING" else Severity.ERROR


def _esbuild(lines: Sequence[str]) -> Iterator[Found]:
    """Read `✘ [ERROR] message` with the place on a line under it, and `file:1:2: ERROR: message`."""
    for number, line in enumerate(lines):
        if "ERROR" not in line and "WARNING" not in line:
            continue
        head = regex(_ESBUILD).match(line)
        if head is None:
            short = regex(_ESBUILD_LINE).match(line[:WIDEST])
            if short:
                where = int(short[2]) or None, int(short[3]) + 1
                text = line[short.end() : WIDEST].rstrip()
                if text.replace('\\"', "").count('"') % 2:  # the end of a quoted text, as in Vitest's TAP
                    text = text.removesuffix('"').replace('\\"', '"')
                text = message_of(text)
                yield Found(number, number + 1, Problem(short[1], *where, _severity(short[4]), text, None, "esbuild"))
            continue
        end = min(number + _LONGEST_BLOCK, len(lines))
        following = (each for each in range(number + 1, end) if regex(_ESBUILD).match(lines[each]))
        end = next(following, end)
        place = next(
            (each for each in range(number + 1, end) if regex(_ESBUILD_PLACE).match(lines[each][:WIDEST])), None
        )
        if place is None:
            continue
        where_line = regex(_ESBUILD_PLACE).match(lines[place][:WIDEST])
        assert where_line is not None  # looked at above
        if where_line[1].startswith("<"):
            continue
        text, rule = message_of(line[head.end() :]), None
        tail = regex(_ESBUILD_RULE).search(text[-80:])
        if tail:
            text = text[: len(text) - len(tail[0])]
            rule = None if tail[1].startswith("plugin ") else tail[1]
        code = regex(_CODE).match(text)
        if code:
            rule, text = code[1], text[code.end() :]
        problem = Problem(
            where_line[1], int(where_line[2]) or None, int(where_line[3]) + 1, _severity(head[1]), text, rule, "esbuild"
        )
        yield Found(number, _excerpt_end(lines, place + 1), problem)


def _excerpt_end(lines: Sequence[str], start: int) -> int:
    """Give the line after an excerpt of esbuild's, and after the notes with places of their own."""
    end = start
    while end < len(lines) and end - start < _LONGEST_BLOCK and (not lines[end] or lines[end].startswith("  ")):
        end += 1
    return end


def _vite(lines: Sequence[str]) -> Iterator[Found]:
    """Read what Vite, up to 7, says of a failed build: a message closed by `file: …`; and of a module not found."""
    start = None
    for number, line in enumerate(lines):
        if regex(_VITE_START).match(line):
            start = number + 1
            continue
        missing = regex(_VITE_MISSING).match(line[:WIDEST]) if "failed to resolve import" in line else None
        if missing:
            problem = Problem(missing[2], None, None, Severity.ERROR, message_of(missing[1]), None, "vite")
            yield Found(number, number + 1, problem)
            continue
        found = regex(_VITE_FILE).match(line[:WIDEST]) if line.startswith("file: ") else None
        if found is None or start is None or start == number or number - start > _LONGEST_BLOCK:
            continue
        first, start = next((each for each in range(start, number) if lines[each].strip()), number - 1), None
        text = lines[first].strip().removeprefix("Error: ")
        plugins = []
        while plugin := regex(_PLUGIN).match(text):
            plugins.append(plugin[1])
            text = text[plugin.end() :]
        at = regex(_AT).match(text[:WIDEST])
        text = text[at.end() :] if at else text.removeprefix(f"{found[1]}:{found[2]}:{found[3]}: ")
        message = message_of(text)
        if not message:
            continue
        row = int(found[2] or 0) or None
        column = _from_one(lines, number + 1, row, int(found[3]), plugin=bool(plugins)) if found[3] else None
        tool = "vite" if plugins or not at else "rollup"
        yield Found(first, number + 1, Problem(found[1], row, column, Severity.ERROR, message, None, tool))


def _from_one(lines: Sequence[str], start: int, row: int | None, column: int, *, plugin: bool) -> int:
    """Give the column counted from 1, as the caret under the excerpt's line says; Rollup counts from 0.

    Without an excerpt the place is a plugin's own: of a Vue or CSS compiler, which counts from 1.
    """
    for number in range(start, min(start + 12, len(lines) - 1)):
        code = regex(r"(\s{0,6}(\d{1,7})(?:: |\s{0,3}\|  ))").match(lines[number])
        if code and int(code[2]) == row:
            caret = lines[number + 1][:WIDEST].find("^")
            return column if caret >= 0 and caret - len(code[1]) + 1 == column else column + 1
    return column + (not plugin)


def _nx_rollup(lines: Sequence[str]) -> Iterator[Found]:
    """Read `There was an error during the build:`, as Nx runs Rollup, and under it `file (1:2): message`."""
    for number, line in enumerate(lines[:-1]):
        if line.endswith("There was an error during the build:"):
            told = regex(r"  (\S.*?) \((\d{1,7}):(\d{1,6})\): (\S.*)$").match(lines[number + 1][:WIDEST])
            if told:
                where = int(told[2]), int(told[3]) + 1
                yield Found(
                    number, number + 2, Problem(told[1], *where, Severity.ERROR, message_of(told[4]), None, "rollup")
                )


def _rollup(lines: Sequence[str]) -> Iterator[Found]:
    """Read `[!] RollupError: message` with the file on a line under it, or before the message."""
    for number, line in enumerate(lines):
        head = regex(_ROLLUP).match(line[:WIDEST]) if line.startswith(("[!] ", "(!) ")) else None
        if head is None:
            continue
        text = line[head.end() : WIDEST]
        at = regex(_AT).match(text)
        under = next(
            (each for each in range(number + 1, min(number + 4, len(lines))) if not lines[each].startswith("http")),
            None,
        )
        file = regex(_FILE).match(lines[under][:WIDEST]) if under is not None else None
        if at is not None and text[at.end() :].strip():
            path, row, column = at[1], int(at[2]), int(at[3])
            text = text[at.end() :]
        elif file is not None and (file[2] or head[1] == "[!]"):
            path, row, column = file[1], int(file[2] or file[4] or 0), int(file[3] or file[5] or -1)
        else:
            continue
        code = regex(_ROLLUP_TS).match(text)
        rule = code[1] if code else None
        text = text[code.end() :] if code else text
        found = None
        if row:
            found = column if code else _from_one(lines, number + 1, row, column, plugin="plugin" in head[0])
        severity = Severity.WARNING if head[1] == "(!)" else Severity.ERROR
        end = under + 1 if file and under is not None else number + 1
        yield Found(number, end, Problem(path, row or None, found, severity, message_of(text), rule, "rollup"))


def _webpack(lines: Sequence[str]) -> Iterator[Found]:
    """Read `ERROR in ./file 1:2-3` and the message under it, of webpack and of Rspack."""
    for number, line in enumerate(lines):
        if not line.startswith(("ERROR in ", "WARNING in ")):
            continue
        # webpack 5.113 makes other plugins' colours readable: `\\x1b[32m2:14`.
        head = regex(_WEBPACK).match(regex(r"\\x1b\[[\d;]{0,12}m").sub("", line[:WIDEST]).rstrip())
        if head is None:
            continue
        end = number + 1
        while end < min(number + _LONGEST_BLOCK, len(lines)) and not regex(_WEBPACK_END).match(lines[end]):
            end += 1
        path, row, column, text = _webpack_place(head, [each[:WIDEST] for each in lines[number + 1 : end]])
        if " " not in text or not regex(r".*\.[A-Za-z]\w{0,9}$").match(path):
            continue  # no words of webpack's
        code = regex(_CODE).match(text)
        rule = code[1] if code else None
        text = text[code.end() :] if code else text
        yield Found(number, end, Problem(path, row or None, column or None, _severity(head[1]), text, rule, "webpack"))


def _webpack_place(head: re.Match[str], block: Sequence[str]) -> tuple[str, int, int, str]:
    """Give the file, the line and column (from 1, 0 where none is named) and the message of a block."""
    for index, line in enumerate(block):
        loader = regex(_TSL).match(line)
        if loader:
            return loader[2], int(loader[3]), int(loader[4]), _webpack_message(block[index + 1 :])
        frame = regex(_RSPACK).match(line)  # the head's own column counts from 1 in Rspack
        if frame:
            told = [each for each in block[:index] if regex(_RSPACK_TEXT).match(each)]
            text = message_of(regex(_RSPACK_TEXT).sub("", told[-1])) if told else ""
            return head[2], int(frame[1]), int(frame[2]) + 1, text
    from_one = head[0][head.end(2) - head.start() :][:1] == ":"  # as fork-ts-checker prints it
    return head[2], int(head[3] or 0), int(head[4]) + (not from_one) if head[4] else 0, _webpack_message(block)


def _webpack_message(block: Sequence[str]) -> str:
    """Give the first line that says what is wrong; that a loader failed says nothing."""
    texts = (each.strip() for each in block)
    loader = regex(r"$|Module (?:build failed|Error|Warning) \(from |@ |\^|File was processed")
    text = next((each for each in texts if not loader.match(each)), "")
    return message_of(regex(r" \(\d{1,7}:\d{1,6}\)$").sub("", text))


def _next(lines: Sequence[str]) -> Iterator[Found]:
    """Read Next.js's `./file` and under it what its bundler misses, which names no line."""
    for number, line in enumerate(lines[:-1]):
        if line.startswith("./") and lines[number + 1].startswith("Module not found: "):
            file = regex(_FILE).match(line[:WIDEST])
            if file and not file[2]:
                text = message_of(lines[number + 1])
                where = int(file[4]) if file[4] else None, int(file[5]) if file[5] else None
                yield Found(number, number + 2, Problem(file[1], *where, Severity.ERROR, text, None, "next"))


TOOLS: tuple[Tool, ...] = (
    Tool("esbuild", ("[ERROR] ", "[WARNING] ", ": ERROR: ", ": WARNING: "), _esbuild),
    Tool("vite", ("Build failed in ", "error during build:", "failed to resolve import"), _vite),
    Tool("rollup", ("[!] ", "(!) "), _rollup),
    Tool("rollup", ("There was an error during the build:",), _nx_rollup),
    Tool("next", ("Module not found: ",), _next),
    Tool("webpack", ("ERROR in ", "WARNING in "), _webpack),
)
