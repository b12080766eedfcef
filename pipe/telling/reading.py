"""Reads an output's lines once: which lines begin a failure, and which belong to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.telling.blocks import AT_BLANK, AT_RULE, FRAME, KEY, MORE, NEAR, NOWHERE, OVER, WHY, Block, Reading
from pipe.telling.details import read_detail, read_loose, read_named, read_traceback
from pipe.telling.shapes import (
    HARMLESS,
    HINT,
    LOCATED,
    PLACES,
    SHELL,
    STAMP,
    STARTS,
    WEAK,
    head_of,
    is_foreign,
    is_path,
    is_todo,
    may_tell,
    name_in,
    regex,
)

if TYPE_CHECKING:
    import re

_MOST = 5_000  # failures, after which only the end of the output is read, and guesses, after which no more are made
_TAIL = 2_000  # lines at the end, where the counts are


class Reader(Reading):
    """Reads the lines once and leaves the failures in `blocks` and the closing counts in `closing`."""

    def read(self) -> None:
        """Read all lines."""
        hint = regex(HINT).search
        tail = len(self.lines) - _TAIL
        for number, line in enumerate(self.lines):
            text = line.lstrip()
            if not text or (number < tail and len(self.blocks) - self.guesses > _MOST):
                self.blank = True
                if self.console == AT_BLANK:
                    self.console = NOWHERE
                continue
            outside = self.block is None and self.console == NOWHERE and text[0] not in STARTS and ")" not in text[:5]
            if self.blank and text in self.names:
                self.open(number, title=text).indent = len(line) - len(text)
            elif outside and (
                text.startswith("at ") or not (may_tell(text) or text.startswith("E ") or hint(text))
            ):  # nothing that could begin a failure: nearly all lines of a long output
                if (self.blank or text is line) and is_path(text):
                    self.file = number
            else:
                self._line(number, len(line) - len(text), text)
            self.blank = False

    def _line(self, number: int, indent: int, text: str) -> None:
        if text[0] in "#[0123456789" and (stamped := regex(STAMP).match(text)):
            text = text[stamped.end() :] or text
        if self.console != NOWHERE and not self._printed(indent, text):
            return
        if self.block is None:
            text = self._outside(number, text)
        kind = head_of(text)
        block = self.block
        if block and block.traceback >= 0 and read_traceback(self, block, number, indent, text):
            return
        if kind and self._head(kind, number, indent, text):
            return
        if regex(HINT).search(text) and (place := regex(LOCATED).match(text)):
            if self._located(place, number, indent, text):
                return
            block = self.block
        if block and read_detail(self, block, number, text):
            return
        self._words(number, indent, text, head=bool(kind))

    def _outside(self, number: int, text: str) -> str:
        """Take the box off a line, and begin a failure with the line above a compiler's place."""
        if text[:3] in PLACES and self.lines[number - 1].strip() and number:
            self.open(number - 1, warning=self.lines[number - 1].lstrip()[0] == "⚠")
        return (text[1:].lstrip() or text) if text.startswith(("│ ", "┃ ")) else text

    def _words(self, number: int, indent: int, text: str, *, head: bool) -> None:
        """Judge a line without a shape by its words and by its place."""
        block = self.block
        if not head and self._next_is_place(number):
            self.open(number, warning=text[0] == "⚠")
            return
        if self.guesses < _MOST and may_tell(text) and regex(WEAK).search(text) and not regex(HARMLESS).search(text):
            if regex(SHELL).search(text):
                self.open(number)
                return
            told = block and ((block.title and block.why < 0) or (not self.blank and number - 1 in block.ranks))
            if block is None or block.guess:
                self.block = self._guess(number)
                self.quiet = 0
                return
            if not told:
                if self.quiet > 1:
                    self._guess(number)
                return
        if block:
            read_loose(self, block, number, indent, text)
        elif text.startswith('File "') and not is_foreign(text):
            self.place = number
        elif (indent == 0 or self.blank) and is_path(text):
            self.file = number

    def _guess(self, number: int) -> Block:
        block = Block(number, weak=True)
        block.guess = True
        self.guesses += 1
        self.blocks.append(block)
        return block

    def _next_is_place(self, number: int) -> bool:
        below = self.lines[number + 1].lstrip() if number + 1 < len(self.lines) else ""
        return below[:3] in PLACES and not self.lines[number].lstrip().startswith(("|", "="))

    def _printed(self, indent: int, text: str) -> bool:
        """Whether a test's own printing ended above this line."""
        if self.console == AT_BLANK:
            return False
        over = text[0] in "_=" or text.startswith("---") if self.console == AT_RULE else indent <= self.console
        if over:
            self.console = NOWHERE
        return over

    # Heads: each gets the line's number, indentation and text, and says whether the line is done with.

    def _head(self, kind: str, number: int, indent: int, text: str) -> bool:
        if kind == "closing":
            self.closing.append(number)
            self.block = None
        elif kind == "pytest":
            self.summary.append(number)
            self.open(number)
            self.block = None
        elif kind == "console":
            self.console = AT_BLANK if text.startswith("std") else AT_RULE if text[0] == "-" else indent
        else:
            handle = {
                "noise": self._noise, "title": self._title, "file": self._failed, "mark": self._mark,
                "trace": self._trace, "cause": self._cause, "row": self._row, "warning": self._warning,
                "error": self._error,
            }[kind]  # fmt: skip
            return handle(number, indent, text)
        return True

    def _noise(self, _number: int, indent: int, text: str) -> bool:
        if text.startswith("Node.js v") and self.blocks:
            self.blocks[-1].crashed = True
        if text.startswith("Error occurs in") and self.block:  # of Angular's related place, which says only whose
            ranks = self.block.ranks
            self.block.ranks = {line: rank for line, rank in ranks.items() if rank != FRAME}
        within = self.block is not None and not self.block.title
        inside_diff = self.block is not None and indent > 0 and text[0] == "-"
        if not (text[0] == "#" or inside_diff or (within and text[0] in ".-=~*─━⎯")):
            self.block = None
        return True

    def _title(self, number: int, indent: int, text: str) -> bool:
        if text.startswith("(fail)"):
            return self._failed_above(number, text)
        if text[0] == "n" and text[-1] == "{":  # TAP's suite, whose tests follow
            self.block = None
            return True
        if text[0].isdigit():
            text = self.whole_title(number)
        block = self.open(number, title=name_in(text), warning=is_todo(text))
        block.indent, block.linted, block.sourced = indent, " ━━" in text, text.startswith("__")
        if text.startswith("ERROR in"):
            block.places = 1
        return True

    def _failed_above(self, number: int, text: str) -> bool:
        """Read the name of Bun's test, which stands below its error, if it has one."""
        block = self.block
        if block is None or block.title or block.weak:
            block = self.open(number, title=name_in(text))
        block.ranks[block.head] = WHY
        block.ranks[number] = KEY
        block.title, self.block = name_in(text), None
        return True

    def _failed(self, number: int, indent: int, text: str) -> bool:
        """Read `FAIL`, which stands before a file, or before what failed."""
        if not regex(r".*(?:/|\.\w*[a-z]\w*(?:\s|$|:))").match(text):
            self.open(number, title=name_in(text)).indent = indent
            return True
        self.file = number
        if "\t" not in text:  # Go's stands at the end
            self.block = None
        return True

    def _mark(self, number: int, indent: int, text: str) -> bool:
        block = self.block
        if block and block.linted and block.why < 0:
            return self.add_why(block, number)
        if block and not block.title and number == block.head + 1:
            return False
        if text.endswith("ms]"):  # Bun's, on a terminal
            return self._failed_above(number, text)
        opened = self.open(number, title=name_in(text), warning=is_todo(text))
        opened.mark, opened.indent = True, indent
        self.names.add(opened.title)
        return True

    def _trace(self, number: int, indent: int, _text: str) -> bool:
        block = self.block
        chained = block is not None and block.traceback == OVER and self.quiet <= 3  # noqa: PLR2004 - "During …"
        if block is None or not (block.title or chained):
            block = self.open(number)
            del block.ranks[number]
        block.traceback = indent
        return True

    def _cause(self, number: int, _indent: int, text: str) -> bool:
        block = self.block
        if block is None:
            return False
        block.why = -1
        self.quiet = 0
        if text.startswith(("Caused", "[cause]")) and text.partition(":")[2].strip():
            self.add_why(block, number)
        return True

    def _row(self, number: int, _indent: int, text: str) -> bool:
        level = text.lstrip("✖×✗⚠‼! 0123456789:")
        last = self.blocks[-1] if self.blocks else None
        header = last.header if self.file < 0 and last else self.file
        self.file = -1  # not for the block itself
        warning = level.startswith("warning") or (
            not level.startswith("error") and bool(regex(r"\S+ +[⚠‼!]|[⚠‼!]").match(text))
        )
        self.open(number, warning=warning).header = header
        self.file = header
        self.block = None
        return True

    def _warning(self, number: int, _indent: int, _text: str) -> bool:
        if self.block and self.block.title and not self.block.bare:
            return False
        self.open(number, warning=True)
        return True

    def _error(self, number: int, indent: int, text: str) -> bool:
        block = self.block
        if block is None or block.guess:
            self.open(number)
            return True
        if text.startswith("error:") and block.title and indent > 0 and self._yaml_error(block, text):
            return True
        if text.startswith("E ") and (block.title or self.lines[number - 1].lstrip().startswith(("E ", ">"))):
            return block.why < 0 and self.add_why(block, number)
        if block.sourced and block.traceback == NOWHERE and not text.startswith("E "):
            return False
        if block.title and (block.why < 0 or block.traceback == OVER):
            return self.add_why(block, number)
        if not block.title and indent > 0 and number - 1 in block.ranks and "[ERROR]" not in text:
            return self.add_why(block, number)
        if block.title and indent > 0:
            self.add(block, number, MORE)
        else:
            self.open(number)
        return True

    def _yaml_error(self, block: Block, text: str) -> bool:
        """TAP's `error: |-` announces the message; a suite's says only that its tests failed."""
        if text.endswith(("|-", ">-", "|")):
            block.why = -1
            return True
        if regex(r"\d+ subtests? failed").search(text):
            block.ranks.clear()
            self.block = None
            return True
        return False

    # Lines that begin with a place.

    def _located(self, place: re.Match[str], number: int, indent: int, text: str) -> bool:
        path, rest = place["path"], place["rest"].strip(" :-")
        if not ("." in path or "/" in path) or path.startswith("http"):
            return False
        foreign = is_foreign(path) or path.startswith("internal/")
        block = self.block
        if not rest.strip("━."):
            self._place_alone(number, indent, foreign=foreign)
            return True
        if rest.startswith("in ") and (block or "`" in rest):
            if ": " not in rest:  # with it, Ruby's `file:2:in `read': message (Errno::ENOENT)`
                return False
            self.open(number)
            return True
        named = regex(r"\w+(?:Error|Exception|Exit|Failed)?$").match(rest)
        if block and block.title and rest[0] != "›" and text[0] != "[" and (indent > 0 or named):
            return read_named(self, block, number, rest, foreign=foreign)
        return self._diagnosed(place, number, text, foreign=foreign)

    def _place_alone(self, number: int, indent: int, *, foreign: bool) -> None:
        block = self.block
        ours = block and (
            (block.guess and indent > 0)
            or (
                not block.weak
                and not (self.blank and indent == 0 and min(block.ranks) < block.head)
                and (block.sourced or block.why >= 0 or not block.title or indent > 0)
            )
        )
        if block and ours and self.quiet <= NEAR:
            if not foreign:
                self.add_place(block, number)
        elif not foreign:
            self.place = number
            self.block = None

    def _diagnosed(self, place: re.Match[str], number: int, text: str, *, foreign: bool) -> bool:
        """Open the block of a compiler's or a linter's message after its place."""
        rest = place["rest"].strip(" :-")
        lowered = rest[:60].lower()
        if lowered.startswith(("note", "info", "help")):
            return True
        if foreign:
            return False
        linted = "━━" in rest or rest.startswith("lint/")
        self.file = -1  # the line names the file itself
        block = self.open(
            number,
            title=name_in(text) if linted or rest[0] == "›" else "",
            warning=bool(regex(r"[\W\d]*(?:fatal )?warn").match(lowered))
            or text.startswith(("warn", "[warn", "WARN", "[WARN", "w: ")),
        )
        block.places, block.linted = 1, linted
        return True
