"""Logs packed for the page come out as they went in, or are said to be left out."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipe.pack import BLOCK, FAILED, LONG, Packed, Packer

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEFT_OUT = "[the middle of this log is left out: the page has no room for it]"


def read(packed: Packed, number: int) -> str | None:
    """Read a log as the page does; None where it is left out."""
    place = packed.places[number]
    if place is None:
        return None
    first, end = place.offset // BLOCK, place.offset + place.length
    blocks = packed.streams[place.stream][first : -(-end // BLOCK)]
    data = b"".join(map(zlib.decompress, blocks))
    start = place.offset - first * BLOCK
    return data[start : start + place.length].decode()


def noise(seed: int, characters: int) -> str:
    """Lines that hardly compress."""
    chance = random.Random(seed)
    lines = [chance.randbytes(30).hex() for _ in range(characters // 61 + 1)]
    return "\n".join(lines)[:characters]


def pack(logs: Sequence[tuple[str, bool]], limit: int | None = None) -> Packed:
    """Pack logs in order."""
    packer = Packer() if limit is None else Packer(limit)
    numbers = [packer.add(text, failed=failed) for text, failed in logs]
    assert numbers == list(range(len(logs)))
    packed = packer.packed()
    return packed if limit is None else packed.within(limit)


def count_compressed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have the sizes of what is compressed from now on written down."""
    sizes: list[int] = []
    compress = zlib.compress

    def counted(data: bytes, level: int) -> bytes:
        sizes.append(len(data))
        return compress(data, level)

    monkeypatch.setattr(zlib, "compress", counted)
    return sizes


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(_TEXT, st.sampled_from([1, 1, 1, 1_000, BLOCK // 3, BLOCK]), st.booleans())))
def test_every_log_comes_out_as_it_went_in(drawn: list[tuple[str, int, bool]]) -> None:
    """Whatever the sizes and the order, each log is found at its place."""
    logs = [(text * times, failed) for text, times, failed in drawn]
    packed = pack(logs)
    assert [read(packed, number) for number in range(len(logs))] == [text for text, _ in logs]
    assert packed.left_out == 0
    assert packed.shortened == frozenset()


def test_blocks_are_cut_at_exactly_256_kib() -> None:
    """The page finds the block of a byte by dividing, so all blocks but the last are full; each unpacks on its own."""
    packed = pack([("é" * 300_000, True), ("x" * 700_000, False), ("y", True), ("z" * 80_000, False)])
    sizes = [[len(zlib.decompress(block)) for block in stream] for stream in packed.streams]
    assert sizes == [[BLOCK, BLOCK, 600_001 - 2 * BLOCK], [], [BLOCK, BLOCK, 780_000 - 2 * BLOCK]]


def test_half_a_surrogate_pair_is_no_reason_to_fail() -> None:
    """What UTF-8 cannot say becomes a question mark."""
    assert read(pack([("a\ud800b", True)]), 0) == "a?b"


def test_passing_logs_are_left_out_where_there_is_no_room() -> None:
    """Failed tasks' logs are all there, of the passing ones those that came first; the others count as left out."""
    logs = [(noise(number, 60_000), number % 10 == 0) for number in range(60)]
    packed = pack(logs, 1_000_000)
    assert packed.size <= 1_000_000
    kept = [read(packed, number) for number in range(60)]
    assert [text for text, (_, failed) in zip(kept, logs, strict=True) if failed] == [text for text, bad in logs if bad]
    assert all(text in (None, whole) for text, (whole, _) in zip(kept, logs, strict=True))
    assert packed.left_out == kept.count(None) > 20
    assert kept[1:10] == [text for text, _ in logs[1:10]]


def test_long_logs_of_passing_tasks_go_before_short_ones() -> None:
    """A few long logs, wherever they stand, never take the room of the many short ones."""
    logs = [(noise(number, 700_000 if number % 20 == 0 else 3_000), False) for number in range(100)]
    for packed in (pack(logs, 1_000_000), pack(logs, 5_000_000).within(1_000_000)):
        assert packed.size <= 1_000_000
        kept = [read(packed, number) for number in range(100)]
        assert [number for number, text in enumerate(kept) if text is None] == [20, 40, 60, 80]


def test_a_log_too_big_leaves_the_room_to_others() -> None:
    """One huge log of a passing task is left out, and the small one after it is not."""
    packed = pack([("first", False), (noise(1, 3_000_000), False), ("second", False)], 1_000_000)
    assert [read(packed, number) for number in range(3)] == ["first", None, "second"]


@pytest.mark.parametrize("room", [500_000, 300_000, 100_000, 0])
def test_less_room_leaves_out_passing_logs_first(room: int) -> None:
    """What was packed is cut down to the room that the page really has."""
    logs = [("what failed", True), *((noise(number, 40_000), False) for number in range(30))]
    packed = pack(logs).within(room)
    assert packed.size <= room
    kept = [read(packed, number) for number in range(31)]
    assert kept[0] == ("what failed" if room else None)
    assert all(text in (None, whole) for text, (whole, _) in zip(kept, logs, strict=True))
    assert packed.left_out == kept.count(None) > 0


def test_enough_room_changes_nothing() -> None:
    """Where all fits, the same comes back."""
    packed = pack([("a", True), ("b", False)])
    assert packed.within(packed.size) is packed


@pytest.mark.parametrize("late", [False, True])
def test_too_much_of_failed_tasks_keeps_beginnings_and_ends(late: bool) -> None:  # noqa: FBT001 - a parameter
    """Long logs of failed tasks are shortened, in whole lines and saying so; the short ones stay whole."""
    logs = [(f"FIRST {number}\n{noise(number, 400_000)}\nLAST {number}", True) for number in range(8)]
    logs += [(f"short {number}", True) for number in range(8)]
    packed = pack(logs).within(1_000_000) if late else pack(logs, 1_000_000)
    assert packed.size <= 1_000_000
    assert packed.left_out == 0
    assert {7, *range(4)} <= packed.shortened <= frozenset(range(8))
    for number, (whole, _) in enumerate(logs):
        text = read(packed, number)
        assert text is not None
        if number in packed.shortened:
            lines = text.split("\n")
            assert (lines[0], lines[-1]) == (f"FIRST {number}", f"LAST {number}")
            assert text.count(_LEFT_OUT) == 1
            assert {line.removeprefix("\x1b[0m") for line in lines} - {_LEFT_OUT} <= set(whole.split("\n"))
        else:
            assert text == whole


def test_a_long_line_is_shortened_too() -> None:
    """A log of one line has no whole lines to keep: of it the first and last characters are kept."""
    packed = pack([("é" * 10 + noise(1, 3_000_000).replace("\n", "") + "é" * 10, True)], 500_000)
    text = read(packed, 0)
    assert text is not None
    assert text.startswith("é" * 10)
    assert text.endswith("é" * 10)
    assert _LEFT_OUT in text
    assert packed.size <= 500_000


def test_what_is_added_after_shortening_is_short_from_the_start() -> None:
    """No log of a failed task gets more room for coming late, and the limit holds all along."""
    packer = Packer(400_000)
    for number in range(60):
        packer.add(f"FIRST {number}\n" + noise(number, 100_000), failed=True)
    packed = packer.packed().within(400_000)
    assert packed.size <= 400_000
    assert [text and text.partition("\n")[0] for text in (read(packed, number) for number in range(60))] == [
        f"FIRST {number}" for number in range(60)
    ]


def test_more_failed_tasks_than_there_is_room_for() -> None:
    """Where even the ends of all do not fit, the last ones are left out and counted."""
    packed = pack([(noise(number, 5_000), True) for number in range(300)], 100_000)
    assert packed.size <= 100_000
    kept = [number for number in range(300) if read(packed, number) is not None]
    assert 20 < len(kept) < 300
    assert packed.left_out == 300 - len(kept)


def test_only_compressed_bytes_are_held() -> None:
    """The packer can take more than there is memory for: what it holds is what the page would hold."""
    packer = Packer()
    text = "a line of a log that says much the same as the one before\n" * 5_000
    tracemalloc.start()
    for _ in range(100):
        packer.add(text, failed=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    packed = packer.packed()
    assert (packed.left_out, packed.streams[FAILED], packed.places[-1]) == (0, (), (LONG, 99 * len(text), len(text)))
    assert peak < 3_000_000 < 100 * len(text)


@given(
    st.lists(
        st.tuples(st.text("ab\n", min_size=1), st.sampled_from([1, 1_000, BLOCK // 3]), st.booleans(), st.booleans())
    )
)
def test_what_no_task_has_takes_no_room(drawn: list[tuple[str, int, bool, bool]]) -> None:
    """Of two copies of a task's output the one that is not used is gone, and neither counts as left out."""
    packer = Packer()
    for text, times, failed, _ in drawn:
        packer.add(text * times, failed=failed)
    used = {number for number, (*_, wanted) in enumerate(drawn) if wanted}
    packed = packer.packed(used)
    assert [read(packed, number) for number in range(len(drawn))] == [
        text * times if wanted else "" for text, times, _, wanted in drawn
    ]
    alone = pack([(text * times, failed) for text, times, failed, wanted in drawn if wanted])
    assert (packed.streams, packed.left_out) == (alone.streams, 0)


def test_many_logs_without_room_cost_nothing_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a passing log had no room, the next ones of its length are not packed to find that out again."""
    compressed = count_compressed(monkeypatch)
    logs = [(noise(number, 100_000), False) for number in range(100)]
    packed = pack(logs, 1_000_000)
    assert packed.left_out > 80
    assert sum(compressed) < 4_000_000


def test_failed_logs_are_packed_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many failed tasks there are, shortening their logs packs each a few times, and wastes little room."""
    compressed = count_compressed(monkeypatch)
    logs = [(noise(number, 10_000), True) for number in range(2_000)]
    packed = pack(logs, 4_000_000)
    assert 3_400_000 < packed.size <= 4_000_000
    assert packed.left_out == 0
    assert sum(compressed) < 60_000_000


def test_nothing_packed() -> None:
    """Without a log there is nothing."""
    assert Packer().packed() == Packed()
