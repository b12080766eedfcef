"""Lines inside an open block: diffs, places, frames, tracebacks, messages."""

from __future__ import annotations

from pipe.telling.blocks import FRAME, KEY, LONGEST, MORE, NOWHERE, OVER, PLACE, PROOF, WHY, Block, Reading
from pipe.telling.shapes import detail_of, is_foreign, is_path, regex

_REACH = 15  # so many lines that say nothing end a block
_GUESSED = 3  # and so many a block that was found by a word
_SENTENCE = r"(?!at |.*:$)(?:[\w']+ ){3}"  # may name a library's file
_AT_CARET = r"[|^\s~-]+(?:[\w()]+[,:.]? ){3}"  # a message behind the caret


def read_detail(reading: Reading, block: Block, number: int, text: str) -> bool:
    """Read a line that has the shape of a detail; say whether it has."""
    if text.startswith("help:"):  # a suggestion, with a diff of its own
        reading.block = None
        return True
    kind = detail_of(text)
    below = reading.blank or number - 1 == block.head
    if kind == "skip" and block.title and block.why < 0 and below and regex(_SENTENCE).match(text):
        return reading.add_why(block, number)
    if not kind or (block.guess and kind not in ("place", "marked", "caret", "code", "skip")):
        return False
    if kind == "why":
        reading.add_why(block, number)
    elif kind == "proof":
        reading.add_proof(block, number)
    elif kind == "place":
        reading.add(block, number, PLACE if block.title or block.places else WHY)
        block.places += 1
    elif kind == "frame":
        reading.expect = False
        if not is_foreign(text):
            reading.add_place(block, number)
    elif kind in ("marked", "caret"):
        _frame_of_code(reading, block, number, kind)
    else:
        _aside(reading, block, number, kind)
    return True


def _aside(reading: Reading, block: Block, number: int, kind: str) -> None:
    """Pass a line by that says nothing itself."""
    if kind == "skip":
        reading.foreign = number
    elif kind == "silent":
        reading.quiet += 1
    elif kind != "field":
        reading.quiet = 0
        reading.expect = False
        if kind == "header" and block.why < 0:  # the diff is the reason
            block.why = number


def _frame_of_code(reading: Reading, block: Block, number: int, kind: str) -> None:
    if number - reading.foreign <= 2:  # noqa: PLR2004 - a library's frame, its code, its caret
        return
    if kind == "marked":
        reading.add(block, number, MORE)
    elif block.title and regex(_AT_CARET).match(reading.lines[number]):
        if "^" not in reading.lines[number - 1]:  # the code, and not another message
            block.ranks[number - 1] = MORE
        reading.add(block, number, WHY)
    elif reading.lines[number - 1].strip():
        block.ranks.setdefault(number - 1, MORE)
        block.needs[number] = number - 1
        reading.add(block, number, MORE)


def read_traceback(reading: Reading, block: Block, number: int, indent: int, text: str) -> bool:
    """Read a line of a Python traceback. Of a chain, the last exception is the one that ended the program."""
    reading.quiet = 0
    if text.startswith('File "'):
        foreign = is_foreign(text)
        block.places = 0 if foreign else number
        if not foreign:
            reading.add(block, number, PLACE if block.title else WHY)
    elif indent > block.traceback + 1:
        if block.places and number - block.places == 1:
            reading.add(block, number, FRAME)
    elif indent < block.traceback or text.startswith("Traceback"):
        block.traceback = NOWHERE
        return False
    else:
        _raised(reading, block, number)
        reading.expect = text.endswith(":")
        block.traceback = OVER
    return True


def _raised(reading: Reading, block: Block, number: int) -> None:
    lines = reading.lines
    frames = [line for line, rank in block.ranks.items() if rank in (WHY, PLACE) and 'File "' in lines[line]]
    for line in frames[:-1]:  # the innermost is the place
        block.ranks[line] = FRAME
    if block.title:
        reading.add_why(block, number)
        return
    for line, rank in block.ranks.items():
        block.ranks[line] = WHY if rank == KEY else rank
    block.ranks[number] = KEY
    block.head = number


def read_loose(reading: Reading, block: Block, number: int, indent: int, text: str) -> None:
    """Read a line without a shape: it says something right below a head, or where the line above announced it."""
    if block.guess:
        listed = text.startswith(("* ", "- ", "• ")) or regex(r".*(?:\(\d+\)|:)$").match(reading.lines[block.head])
        if listed and number - 1 in block.ranks:
            reading.add(block, number, MORE)
        else:
            _pass(reading, block, number, indent, text)
    elif number - reading.foreign == 1:
        reading.quiet += 1
    elif reading.expect:
        if text not in ("{", "[", "(", "}", "<"):
            reading.add(block, number, WHY)
        reading.expect = text.endswith(":") or text[0] in "{[<"
        block.why = number if block.why < 0 else block.why
    elif block.title and block.why < 0 and (indent > block.indent or (indent == 0 and text[0].isalpha())):
        _reason(reading, block, number, text)
    elif indent > block.indent and _goes_on(reading, block, number):
        reading.add(block, number, MORE)
    else:
        _pass(reading, block, number, indent, text)


def _pass(reading: Reading, block: Block, number: int, indent: int, text: str) -> None:
    reading.quiet += 1
    path = indent == 0 and reading.blank and is_path(text)
    if path:
        reading.file = number
    within = block.title and indent > block.indent and reading.quiet < LONGEST
    if path or (reading.quiet > (_GUESSED if block.guess else _REACH) and not within):
        reading.block = None


def _reason(reading: Reading, block: Block, number: int, text: str) -> None:
    if block.sourced:
        reading.quiet = 0
    elif text.startswith("expect("):  # the diff below says more
        reading.add(block, number, MORE)
        block.why = number
    else:
        block.warning = block.linted and text[0] in "!⚠"
        reading.add_why(block, number)


def _goes_on(reading: Reading, block: Block, number: int) -> bool:
    """Whether this line goes on with the message directly above; after four lines it is more than a message."""
    near = range(number - 4, number)
    above = block.ranks.get(number - 1, FRAME)
    told = all(line in block.ranks for line in near)
    return not reading.blank and above <= MORE and not reading.quiet and not told


def read_named(reading: Reading, block: Block, number: int, rest: str, *, foreign: bool) -> bool:
    """Read what stands after a place inside a test's block: an exception's name, or a message."""
    named = bool(regex(r"\w+(?:Error|Exception|Exit|Failed)?$").match(rest))
    if not foreign:
        if regex(r"[\w.]+$").match(rest):
            reading.add(block, number, PROOF)
        else:
            reading.add_why(block, number)
    return named or not foreign
