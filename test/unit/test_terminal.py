"""Terminal output becomes what a screen shows at the end, as plain text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipe.terminal import plain, strip_escapes

CAPTURES = Path(__file__).parents[1] / "data" / "nx-runs" / "24.0.6-jobs"


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        pytest.param("one\r\ntwo\r\r\nthree", "one\ntwo\nthree", id="line-ends"),
        pytest.param("  0%\r 50%\r100%\ndone\n", "100%\ndone\n", id="carriage-return"),
        pytest.param("longer text\rshort", "shortr text", id="overwrites-only-what-it-covers"),
        pytest.param("abd\bc", "abc", id="backspace"),
        pytest.param("\x1b[2K\x1b[1Gspin\x1b[2K\x1b[1Gdone\n", "done\n", id="spinner"),
        pytest.param("waiting\n\x1b[1A\x1b[2Kfailed\n", "failed\n", id="line-above-redrawn"),
        pytest.param("a\nb\nc\n\x1b[3A\x1b[Jdone\n", "done\n", id="erased-below"),
        pytest.param("a\nb\n\x1b[2AA\n\x1b[1Bc", "A\nb\nc", id="down-again"),
        pytest.param("\x1b[3Cx", "   x", id="moved-right"),
        pytest.param("kept\x1b[2J\x1b[Hnext", "kept\nnext", id="cleared-screen-keeps-its-text"),
        pytest.param("abc\x1b[2D\x1b[Kx", "ax", id="erased-to-the-right"),
        pytest.param("abc\x1b[1K", "   ", id="erased-to-the-left"),
    ],
)
def test_moves(printed: str, shown: str) -> None:
    """Overwritten and erased text is gone, what the screen shows at the end stays."""
    assert plain(printed) == shown


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        pytest.param("\x1b[1;31merror\x1b[0m \x1b[38;5;208mx\x1b[m", "error x", id="colours"),
        pytest.param("\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x07 end", "link end", id="hyperlink"),
        pytest.param("\x1b]0;title never ended\nnext", "\nnext", id="open-string-ends-with-its-line"),
        pytest.param("\x9b31mred", "red", id="eight-bit-codes"),
        pytest.param("cut off\x1b[3", "cut off", id="cut-off-code"),
        pytest.param("\x1b[?25lhidden cursor\x1b[?25h", "hidden cursor", id="modes"),
        pytest.param("a\u202eb\u2066c\u200bd\ufeffe\u00adf", "abcde\u00adf", id="direction-and-width"),
        pytest.param("a\u2028b\u2029c", "a b c", id="line-separators-are-no-line-ends"),
        pytest.param("a\x00b\x07c\x7fd\x85e\ud800f", "abcdef", id="controls"),
        pytest.param("tab\tand é ✖ 日本", "tab\tand é ✖ 日本", id="tabs-and-letters-stay"),
    ],
)
def test_codes(printed: str, shown: str) -> None:
    """Codes and invisible characters are gone, tabs and visible ones stay."""
    assert plain(printed) == shown


@given(st.text(st.characters() | st.sampled_from("\x1b\x9b[]0123;AGJKm\r\n\b"), max_size=80))
def test_anything_becomes_plain(text: str) -> None:
    """Whatever comes in, no control character but tab and line feed goes out, and once is enough."""
    shown = plain(text)
    assert not {char for char in shown if ord(char) < 32} - {"\t", "\n"}
    assert not any(char in shown for char in "\x7f\x9b\u202e\u2028\ufeff")
    assert plain(shown) == shown


def test_strip_escapes_leaves_the_rest() -> None:
    """`strip_escapes` removes codes alone: carriage returns are for whoever reads lines."""
    assert strip_escapes("\x1b[31mred\x1b[0m\r\n") == "red\r\n"


def test_hostile_moves_cost_no_memory() -> None:
    """A few codes cannot ask for a line or a screen of a billion characters."""
    assert len(plain("\x1b[999999999C" * 50 + "x\x1b[999999999B\x1b[999999999;1Hy")) < 30_000


@pytest.mark.parametrize("name", ["10-progress-bars.log", "11-progress-bars-pty.log"])
def test_captured_progress_bars(name: str) -> None:
    """Of real progress bars the last state is left, of a corrected line the correction."""
    lines = plain((CAPTURES / name).read_bytes().decode()).split("\n")
    begin = lines.index("✔ hero.avif")
    assert lines[begin : begin + 4] == [
        "✔ hero.avif",
        "✔ logo.svg",
        "✖ fonts.zip: checksum mismatch (expected 9f2c, got 77aa)",
        "see the file",
    ]
