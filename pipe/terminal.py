"""Terminal output as plain text: no escape codes, no control characters, what a screen would show at the end.

Sequences are those of ECMA-48 as xterm reads them. Everything here takes time in proportion to the text.
"""

from __future__ import annotations

import re

# CSI sequences, then strings (OSC, DCS, APC, PM, SOS) ended by BEL or ST and never running over a line end, then
# two-character escapes, then an escape that the text breaks off in.
_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[]P_^X][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?"
)
# Control characters but tab and line feed; zero-width, direction and tag characters; halves of surrogate pairs.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U000e0000-\U000e007f]"
)
# What moves the cursor or erases: the only sequences that change which text stays.
_MOVE = re.compile(r"\r|\x08|(?:\x1b\[|\x9b)([0-9;]*)([A-HJKf])|\x1b(c)")
# Of those, what moves it to another line; and colours and styles (SGR).
_JUMP = re.compile(r"(?:\x1b\[|\x9b)[0-9;]*[ABEFHJf]|\x1bc")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_LONGEST_COLUMN = 10_000  # further right nothing is placed, so that a few codes cannot ask for gigabytes
_LONGEST_REDRAWN = 1_000  # entering a row costs its length, each time: a progress line is never this long


def strip_escapes(text: str) -> str:
    """Remove escape sequences and nothing else."""
    return _ESCAPE.sub("", text) if "\x1b" in text or "\x9b" in text else text


def plain(text: str) -> str:
    r"""Give the text that stays on the screen, lines ended by `\n`, with tabs and no other control character.

    A lone `\r` and the cursor codes overwrite, as progress bars mean it; clearing the whole screen keeps its text.
    """
    words = _COLOUR.sub("", text) if "\x1b" in text else text
    if _is_plain(words):
        return words
    screen: _Screen | None = None
    rows: list[str] = []
    for line in text.split("\n"):
        piece = line.rstrip("\r")
        if piece.isprintable() and screen is None:
            rows.append(piece)
        elif screen is None and not _MOVE.search(piece):
            rows.append(_clean(piece))
        else:
            screen = screen or _Screen(rows)
            screen.write_line(piece)
            if screen.at_end:
                screen = None
    return "\n".join(rows)


def coloured(text: str) -> tuple[str, str]:
    r"""Give the text as `plain` does, but with the codes that colour it; and without those. Both have the same lines.

    Of a line that is overwritten, and of a text in which the cursor goes to other lines, the colours are left out.
    """
    shown = text.replace("\r\n", "\n") if "\r" in text else text
    words = _COLOUR.sub("", shown) if "\x1b" in shown else shown
    if _is_plain(words):
        return shown, words
    lines, bare = shown.split("\n"), words.split("\n")  # as many: no code of a colour holds a line end
    odd = [number for number, line in enumerate(bare) if not line.isprintable()]
    if any(_JUMP.search(bare[number]) for number in odd):
        words = plain(text)
        return words, words
    for number in odd:
        lines[number], bare[number] = _coloured_line(lines[number].rstrip("\r"))
    return "\n".join(lines), "\n".join(bare)


def _coloured_line(line: str) -> tuple[str, str]:
    bare = _COLOUR.sub("", line) if "\x1b" in line else line
    if bare.isprintable():
        return line, bare
    if _MOVE.search(line):
        words = plain(line)
        return words, words
    first, *parts = (_clean(part) for part in _COLOUR.split(line))
    codes = _COLOUR.findall(line)
    shown = first + "".join(code + part for code, part in zip(codes, parts, strict=True))
    return shown, first + "".join(parts)


def _is_plain(text: str) -> bool:
    return text.replace("\n", " ").replace("\t", " ").isprintable()


def _clean(text: str) -> str:
    if text.isprintable():
        return text
    text = strip_escapes(text).replace("\u2028", " ").replace("\u2029", " ")
    return text if text.isprintable() else _CONTROL.sub("", text)


class _Screen:
    """The rows of a terminal without an upper end, and its cursor. Columns count characters, not their width."""

    def __init__(self, rows: list[str]) -> None:
        self.rows = rows
        self.row = len(rows)
        self.column = 0
        self.cells: list[str] = []

    @property
    def at_end(self) -> bool:
        """Whether the cursor is on a fresh last row: then rows can simply be appended again."""
        return self.row == len(self.rows)

    def write_line(self, text: str) -> None:
        """Write the text and go to the start of the next row."""
        end = 0
        for move in _MOVE.finditer(text):
            self._write(text[end : move.start()])
            end = move.end()
            self._move(move)
        self._write(text[end:])
        self._go(self.row + 1)
        self.column = 0

    def _write(self, text: str) -> None:
        text = _clean(text)
        if text:
            if self.column > len(self.cells):
                self.cells.extend(" " * (self.column - len(self.cells)))
            self.cells[self.column : self.column + len(text)] = text
            self.column += len(text)

    def _go(self, row: int) -> None:
        """Leave this row for another; a very long one is stepped over."""
        self._keep()
        self.row = max(row, 0)
        while self.row < len(self.rows) and len(self.rows[self.row]) > _LONGEST_REDRAWN:
            self.row += 1
        while self.row > len(self.rows):
            self.rows.append("")
        self.cells = list(self.rows[self.row]) if self.row < len(self.rows) else []

    def _keep(self) -> None:
        kept = "".join(self.cells)
        if self.row < len(self.rows):
            self.rows[self.row] = kept
        else:
            self.rows.append(kept)

    def _move(self, move: re.Match[str]) -> None:
        code = move[2] or move[3] or move[0]
        first = (move[2] and move[1].split(";")[0]) or ""
        count = min(int(first[:6] or 0), _LONGEST_COLUMN)
        steps = max(count, 1)
        if code in "AF":
            self._go(self.row - steps)
        elif code in "BE":
            self._go(min(self.row + steps, len(self.rows)))
        elif code == "K":
            self._erase(count)
        elif code == "J" and count == 0:
            self._erase(0)
            del self.rows[self.row + 1 :]
        elif code in "JHfc" and self.cells:  # the whole screen, or a place on it: go on below what is there
            self._go(len(self.rows) + (self.row == len(self.rows)))
            self.column = 0
        self._move_column(code, steps)

    def _move_column(self, code: str, steps: int) -> None:
        if code in "\rEF":
            self.column = 0
        elif code in "\x08D":
            self.column = max(self.column - steps, 0)
        elif code == "C":
            self.column = min(self.column + steps, max(_LONGEST_COLUMN, self.column))
        elif code == "G":
            self.column = steps - 1

    def _erase(self, what: int) -> None:
        """Erase this row: 0 right of the cursor, 1 left of it, 2 all."""
        if what == 1:
            self.cells[: self.column] = " " * min(self.column, len(self.cells))
        elif what == 2:  # noqa: PLR2004 - the code's own number
            self.cells.clear()
        else:
            del self.cells[self.column :]
