"""Chooses among the lines of the failures: which to show where there is room for so many."""

from __future__ import annotations

from pipe.telling.blocks import FRAME, KEY, MORE, PLACE, PROOF, RANKS, WHY, Block, Reading
from pipe.telling.lines import cut
from pipe.telling.shapes import DISCONTENT, LOCATED, PARTS, PLACES, detail_of, head_of, is_path, regex, without_time

_COMPARED = 100_000  # characters of all titles, up to which one is looked for inside the others
_CLOSINGS = 3  # closing counts that are looked at
_CROWD = 2  # with so few lines, or fewer, each failure has at most one
_ALIKE = 40  # characters of an error that are compared with those of a list
_LAST = 1_000  # lines at the end among which to look where nothing is telling

Candidate = tuple[int, int, int, int, Block | None]


def distinct(reading: Reading) -> list[Block]:
    """Give the blocks worth showing: no failure twice, no name that a fuller block bears too."""
    blocks = _worth(reading.blocks)
    full = "\n".join(f"{block.title}\n" for block in blocks if block.title and not (block.bare or block.mark))
    parts = {
        part
        for block in blocks
        if not block.bare and block.title
        for part in (block.title, *regex(PARTS).split(block.title), block.title.rpartition(" ")[2])
    }
    if len(full) > _COMPARED:
        full = ""
    numbered = {_number(reading, block): block for block in blocks}
    known: set[tuple[str, ...]] = set()
    titled: set[str] = set()
    found = []
    before: Block | None = None
    for block in blocks:
        told = [reading.lines[line] for line in ([block.header] if block.header >= 0 else []) + sorted(block.ranks)]
        print_ = tuple(without_time(line) for line in told)
        suite = block.bare and before and before.title and before.indent > block.indent
        if block.bare:
            again = {block.title, regex(PARTS).split(block.title)[-1]} & parts or f"{block.title}\n" in full
        else:
            number = _number(reading, block)
            told_below = number and numbered[number] is not block and numbered[number].title.endswith(block.title)
            again = told_below or (block.mark and f"{block.title}\n" in full)
        texts = {reading.lines[line].strip() for line, rank in block.ranks.items() if rank <= PLACE}
        if block.title:
            titled |= texts
        elif texts <= titled:  # another try of the same test
            again = True
        if print_ not in known and not suite and not again:
            found.append(block)
            known.add(print_)
        before = block
    return found


def _number(reading: Reading, block: Block) -> str:
    """Give the number that a runner gave the failed test, if it did: Mocha's results and reasons have the same."""
    number, _, name = reading.lines[block.head].lstrip().partition(") ")
    return number if name and number.isdecimal() else ""


def logged_in(reading: Reading, blocks: list[Block]) -> set[int]:
    """Give the heads of errors that stand before a test runner's own failures: the code under test printed them.

    What has a name, a place or a file of its own, is in a list of failures, or ended a program or a test's thread, is
    no such error.
    """
    last = max((block.head for block in blocks if block.title and block.why >= 0 and not block.warning), default=0)
    return {
        block.head
        for block in blocks
        if block.head < last
        and not (block.title or block.header >= 0 or block.head in reading.summary)
        and not (block.crashed or regex(r"thread '(?!main')").match(reading.lines[block.head].lstrip()))
        and not any(reading.lines[line].lstrip().startswith(("FAIL", *PLACES)) for line in block.ranks)
        and not regex(LOCATED).match(reading.lines[block.head].lstrip())
    }


def _worth(blocks: list[Block]) -> list[Block]:
    """Errors; where there is hardly one, what looks like one too; where there is none, warnings as well."""
    blocks = [block for block in blocks if block.ranks]
    strong = [block for block in blocks if not block.weak and not block.warning]
    if not strong:
        return blocks
    taken = {line for block in strong for line in block.ranks}
    if len(taken - {block.head for block in blocks if block.weak}) > 1:
        return strong
    return [block for block in blocks if not block.warning and (not block.weak or block.head not in taken)]


def candidates(reading: Reading, blocks: list[Block], logged: set[int], limit: int) -> list[Candidate]:
    """Give lines as (rank, how many of that rank the block has given before, block, line), the most telling first.

    Where there are many failures for the room, the first one comes with its reason before the others are named.
    """
    wanted: list[Candidate] = []
    keys: set[tuple[str, ...]] = set()
    again = set(reading.summary) if _told_above(reading, blocks, limit) else set()
    listed = "" if again else "\n".join(reading.lines[line] for line in reading.summary)
    failures = len(blocks) - len(logged)
    crowded = limit > _CROWD and failures > limit // 2
    room = max(limit // 3, 2, min(3, limit - failures + 1))
    for order, block in enumerate(sorted(blocks, key=lambda block: block.head in logged)):
        given = [0] * RANKS
        behind = RANKS if block.head in logged else 0
        goes_on = False
        ranks = _in_list(reading, block, listed) if block.sourced else block.ranks
        for line in sorted(ranks):
            rank = ranks[line] if line not in again else FRAME
            if rank == PROOF and not (given[WHY] or listed):
                rank = WHY  # a bare diff is the reason
            elif rank == KEY:
                places = [] if block.title else [each for each in (line - 1, line + 1) if ranks.get(each) == WHY]
                key = (reading.lines[line], *(reading.lines[each] for each in places))
                rank = MORE if key in keys else KEY
                keys.add(key)
            first = order == 0 and crowded and rank in (WHY, PROOF) and sum(given[: PROOF + 1]) < room + goes_on
            turn = 0 if first and goes_on else given[rank]
            wanted.append(((KEY if first else rank) + behind, turn, order, line, block))
            # What was expected is half of it, and so is what a colon announces.
            goes_on = first and (ranks[line] != rank or reading.lines[line].endswith(":"))
            given[rank] += 1
    if blocks:
        counts = _counts(reading, errors=any(not block.warning for block in blocks))
        wanted.extend((rank, 1, len(blocks), line, None) for line, rank in counts.items())
    wanted.sort(key=lambda each: each[:4])
    return wanted


def _told_above(reading: Reading, blocks: list[Block], limit: int) -> bool:
    """Whether all in pytest's list at the end is told above it, and there is room for that."""
    sourced = [block for block in blocks if block.sourced]
    if not sourced or sum(rank <= PLACE for block in sourced for rank in block.ranks.values()) > limit:
        return False
    names = {f".{block.title.rpartition(' ')[2]} " for block in sourced}
    listed = [f"{reading.lines[line]} ".replace("::", ".") for line in reading.summary[: limit + 1]]
    return all(any(name in text for name in names) for text in listed)


def _in_list(reading: Reading, block: Block, listed: str) -> dict[int, int]:
    """Give the ranks of pytest's block beside its list at the end, which has the name, and often the error."""
    ranks = dict(block.ranks)
    frames = [line for line, rank in ranks.items() if rank == FRAME]
    if frames:
        ranks[max(frames)] = PLACE
    for line, rank in block.ranks.items():
        if listed and rank == KEY:
            ranks[line] = MORE
        elif rank == WHY and reading.lines[line].strip("E ")[:_ALIKE] in listed:
            ranks[line] = PROOF
    return ranks


def _counts(reading: Reading, *, errors: bool) -> dict[int, int]:
    """Give the ranks of the last closing counts."""
    ranks: dict[int, int] = {}
    seen: set[str] = set()
    for line in reversed(reading.closing):
        text = reading.lines[line].strip()
        of_warnings = errors and regex(r"(?:Found )?\d+ warnings?\b").match(text)
        if not of_warnings and text not in seen and len(seen) < _CLOSINGS:
            ranks[line] = MORE if seen else PROOF
            seen.add(text)
    return ranks


def choose(wanted: list[Candidate], limit: int) -> dict[int, int]:
    """Give the numbers of the lines to show, in order, each with the header to join to it (else -1).

    What the code under test logged stands below the failures.
    """
    chosen: dict[int, int] = {}
    logged = {line for rank, _, _, line, _ in wanted if rank >= RANKS}
    for _, _, _, line, block in wanted:
        if line in chosen or len(chosen) >= limit:
            continue
        if block is not None and line in block.needs and block.needs[line] not in chosen:
            continue
        header = block.header if block is not None else -1
        chosen[line] = -1
        if header >= 0 and header not in chosen:
            if len(chosen) + 1 > limit:  # no room for the file's own line
                chosen[line] = header
            else:
                chosen[header] = -1
    return dict(sorted(chosen.items(), key=lambda each: (each[0] in logged, each[0])))


def reason(reading: Reading, blocks: list[Block], logged: set[int]) -> dict[int, int]:
    """Give the lines that, as one, say why: the first failure's reason, and its heading where that has a place."""
    lines = [line.strip() for line in reading.lines]
    listed = [line for line in reading.summary if " - " in lines[line]]
    for block in sorted(blocks, key=lambda block: block.head in logged):
        if block.sourced and listed:
            return {listed[0]: -1}
        if not block.title and not lines[block.head].endswith(":"):
            return {block.head: block.header}
        told = [
            line
            for line, rank in sorted(block.ranks.items())
            if rank in (WHY, PROOF) and line != block.head and _says(lines[line])
        ]
        if told:
            pair = lines[told[0]].endswith(":") or detail_of(lines[told[0]]) == "proof"  # half of it
            head = lines[block.head]
            needed = not block.title or head.startswith(("ERROR in ", "Diff in ", "In ")) or regex(LOCATED).match(head)
            return dict.fromkeys([*([block.head] if needed else []), *told[: 1 + pair]], -1)
    return {}


def _says(text: str) -> bool:
    """Whether the line says more than where it was."""
    place = regex(LOCATED).match(text)
    return not (
        text.startswith(("FAIL", "Error Trace:", 'File "'))
        or text.endswith(("|-", "'test failed'"))
        or is_path(text)
        or (place and not place["rest"].strip(" :-"))
        or detail_of(text) in ("place", "frame")
    )


def last_resort(lines: list[str]) -> list[int]:
    """Give what is neither an epilogue nor a library's frame near the end, in rising order of what it may tell."""
    texts = [number for number, line in enumerate(lines) if line.strip()][-_LAST:]
    telling = [
        number
        for number in texts
        if head_of(lines[number].lstrip()) != "noise" and detail_of(lines[number].lstrip()) != "skip"
    ]
    return sorted(telling or texts, key=lambda number: bool(regex(DISCONTENT).search(lines[number])))


def show(lines: list[str], chosen: dict[int, int], blocks: list[Block]) -> tuple[str, ...]:
    """Give the chosen lines, each block moved to the left as one, none too long."""
    owner = {line: block for block in blocks for line in block.ranks}
    headers = {block.header for block in blocks}
    groups: list[tuple[int | None, list[str]]] = []
    for number, header in chosen.items():
        block = owner.get(number)
        key = (block.header if block.header >= 0 else block.head) if block else None
        if block is None and number in headers:
            key = number
        text = lines[number].replace("\t", "    ")
        if header >= 0:
            text = f"{lines[header].strip().removesuffix(':')}:{text.strip()}"
        text = text.lstrip() if text.startswith(" FAIL ") else text
        if groups and groups[-1][0] == key and key is not None:
            groups[-1][1].append(text)
        else:
            groups.append((key, [text]))
    shown: list[str] = []
    for _, texts in groups:
        margin = min(len(text) - len(text.lstrip()) for text in texts)
        shown.extend(
            cut(regex(r"^\s*_{3,} (.+) _{3,}$| [─━⎯]{4,}$").sub(r"\1", text[margin:]).rstrip()) for text in texts
        )
    return tuple(shown)
