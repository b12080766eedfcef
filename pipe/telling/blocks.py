"""What the reading of an output keeps: the failures, as blocks of lines with a rank each."""

from __future__ import annotations

from pipe.telling.shapes import is_path, is_step, regex

# How telling a line is within its failure; what has no rank is never shown.
KEY, WHY, PROOF, PLACE, MORE, FRAME = range(6)
RANKS = 6

# Where a test's own printing ends, if not at an indentation (0 and more), and where a Python traceback is.
NOWHERE, AT_BLANK, AT_RULE = -1, -2, -3
OVER = -2

NEAR = 8  # so far below a place alone on a line its error may follow
_PROOFS = 4  # changed lines of a diff that are as telling as the first
LONGEST = 400  # lines of one failure that are kept


class Block:
    """One failure: ranks by line number. `title` has a test's or file's name where the head is one."""

    def __init__(self, head: int, title: str = "", *, warning: bool = False, weak: bool = False) -> None:
        self.head = head
        self.title = title
        self.warning = warning
        self.weak = weak  # shown only where there is hardly anything else
        self.guess = False  # weak, found by a word and not by a shape: of what follows, only places belong to it
        self.mark = False  # a line of a list of results; the failure itself may be told elsewhere
        self.indent = 0
        self.linted = False  # Biome's head, a rule between lines: what follows says whether it is an error
        self.sourced = False  # pytest's head: arguments and source stand before the error
        self.ranks = {head: KEY}
        self.header = -1  # the line with the file's name, which a chosen line brings along
        self.needs: dict[int, int] = {}  # a caret says nothing without the line above it
        self.why = -1
        self.traceback = NOWHERE  # indentation of a Python traceback
        self.crashed = False  # it ended the program
        self.proofs = 0
        self.places = 0

    @property
    def bare(self) -> bool:
        """Whether it is a name alone."""
        return bool(self.title) and len(self.ranks) == 1


class Reading:
    """The failures found so far, and where in the output the reading is."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.blocks: list[Block] = []
        self.guesses = 0  # blocks found by a word
        self.closing: list[int] = []  # closing counts
        self.summary: list[int] = []  # pytest's closing list
        self.block: Block | None = None  # the open one
        self.names: set[str] = set()  # of failed tests, in a list of results
        self.quiet = 0  # lines since the block's last telling one
        self.file = -1  # a line that names a file, for the rows or the block below it
        self.place = -1  # a place alone on a line, whose error may follow
        self.console = NOWHERE  # where a test's own console output ends
        self.blank = True  # the line above is blank
        self.expect = False  # the line above announced what comes
        self.foreign = -NEAR  # the last frame of a library

    def open(self, number: int, *, title: str = "", warning: bool = False, weak: bool = False) -> Block:
        """Begin a failure at this line."""
        block = Block(number, title, warning=warning, weak=weak)
        self._take_file(block)
        if self.place >= 0 and not title:
            if number - self.place <= NEAR:
                for line in range(self.place, number):
                    if self.lines[line].strip():
                        block.ranks[line] = WHY if line == self.place else MORE
            self.place = -1
        above = self.blocks[-1] if self.blocks else None
        if above and above.weak and not (title or weak or warning) and above.head == number - 1:
            block.ranks[number - 1] = PLACE  # what was being done
        elif number and not title and is_step(self.lines[number - 1]):
            block.ranks[number - 1] = WHY
        self.blocks.append(block)
        self.block = block
        self.quiet = 0
        self.expect = self.lines[number].endswith(":") and not title
        return block

    def _take_file(self, block: Block) -> None:
        """Let the block have the line with the file's name above it."""
        if self.file < 0 or block.head == self.file:
            return
        failed = self.lines[self.file].lstrip().startswith("FAIL")
        if failed and (block.title or block.head - self.file <= 2):  # noqa: PLR2004 - at most a blank line between
            suite = not block.title or "suite failed" in block.title
            block.ranks[self.file] = WHY if suite else MORE
            if suite and block.title:  # the file's name says more than jest's heading
                block.ranks[self.file], block.ranks[block.head] = KEY, MORE
            self.file = -1
        elif not block.title and block.head - self.file == 1 and is_path(self.lines[self.file]):
            block.ranks[self.file] = WHY

    def add(self, block: Block, number: int, rank: int) -> None:
        """Keep a line of the block."""
        if len(block.ranks) < LONGEST:
            block.ranks.setdefault(number, rank)
        self.quiet = 0

    def add_why(self, block: Block, number: int) -> bool:
        """Add a message of this block: the first one is its reason."""
        self.add(block, number, WHY if block.why < 0 or self.expect else MORE)
        block.why = number if block.why < 0 else block.why
        self.expect = self.lines[number].endswith(":")
        return True

    def add_proof(self, block: Block, number: int) -> None:
        """Add what was expected or received, or a changed line."""
        self.add(block, number, PROOF if block.proofs < _PROOFS else MORE)
        block.proofs += 1
        block.why = number if block.why < 0 else block.why

    def add_place(self, block: Block, number: int) -> None:
        """Add a place: the first one tells where, unless the head did or, in pytest's output, the last one does."""
        first = not block.places and not block.sourced
        self.add(block, number, (PLACE if block.title else WHY) if first else FRAME)
        block.places += 1

    def whole_title(self, number: int) -> str:
        """Join the title that mocha and minitest break into lines: `1) stock`, `counts:`."""
        for below in range(number + 1, min(number + 6, len(self.lines))):
            line = self.lines[below]
            if not line.strip() or regex(r"\s*(?:\d+\)|Failure/Error|Message:)").match(line):
                break
            if line.endswith(":"):
                parts = [each.strip() for each in self.lines[number + 1 : below + 1]]
                self.lines[number] = " ".join([self.lines[number].rstrip(), *parts])
                self.lines[number + 1 : below + 1] = [""] * len(parts)
                break
        return self.lines[number].strip()
