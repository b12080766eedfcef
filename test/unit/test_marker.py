"""The hidden last line of a comment: what it holds, and what is none."""

from __future__ import annotations

import pytest

from pipe.render.marker import Known, Marker, digest, find, sign

COMMIT = "1f3c9ab02d4157e8a6b0c9d2e4f1a3b5c7d9e0f2"
TEXT = "✓ **Nx: 2 tasks succeeded**\n\n[`1f3c9ab02d41`](https://x.example/) · build 417 · 23 Nov 2026 19:22 UTC\n"
MARKER = Marker(
    "nx", 417, COMMIT, "0123456789abcdef", rich=True, at=1795461720000, until=1795461724000,
    known=Known(416, "9be2d410c7a8", 2, 41),
)  # fmt: skip


def test_what_is_written_is_read() -> None:
    """All that a marker holds comes back, under a text that is as it was written."""
    assert find(sign(TEXT, MARKER), "nx") == (MARKER, True)
    plain = Marker("web", 1, "9be2d41")
    assert find(sign(TEXT, plain), "web") == (plain, True)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace("\n", "\r\n"),
        lambda body: body.strip(),
        lambda body: f"\n{body}  \n\n",
        lambda body: body.replace("19:22", "23:59"),
    ],
)
def test_what_a_server_may_change(change: object) -> None:
    """Line ends, margins and the time are no change of the text."""
    found = find(change(sign(TEXT, MARKER)), "nx")  # type: ignore[operator]
    assert found == (MARKER, True)


def test_edited_by_a_person() -> None:
    """A text that somebody changed is still ours, and no longer as it was written."""
    assert find("LGTM\n\n" + sign(TEXT, MARKER), "nx") == (MARKER, False)
    assert find(sign(TEXT, MARKER).replace("2 tasks", "3 tasks"), "nx") == (MARKER, False)
    assert find(sign(TEXT, MARKER).rpartition("[nx-report")[0], "nx") is None


def test_the_last_line_alone() -> None:
    """A marker of another report, or above the last line, or quoted, is none of this report's."""
    line = f"[nx-report:web]: https://nx-report.invalid/v1?build=1&commit={COMMIT}"
    assert find(f"text\n\n{line}\n", "nx") is None
    assert find(f"text\n\n{line}\n\nmore", "web") is None
    assert find(f"> {line}", "web") is None
    assert find(f"text\r\n\r\n{line}  \r\n", "web") is not None
    assert find(line.replace("build=1", "build=x"), "web") is None
    assert find(line.replace("&commit=", "&commit=zz"), "web") is None


def test_a_marker_of_an_earlier_version() -> None:
    """One that lacks what later versions write is found, and shows nothing that stands."""
    found = find(f"text\n\n[nx-report:nx]: https://nx-report.invalid/v1?build=1&run=1&commit={COMMIT}\n", "nx")
    assert found == (Marker("nx", 1, COMMIT), False)


def test_digest_ignores_the_time() -> None:
    """Another time is the same text, another build's number is not."""
    assert digest(TEXT) == digest(TEXT.replace("23 Nov 2026 19:22", "1 Dec 2026 00:00"))
    assert digest(TEXT) != digest(TEXT.replace("417", "418"))
